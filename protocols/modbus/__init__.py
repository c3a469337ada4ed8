"""Modbus, both roles, functions 1 to 4: `pdu` what is asked, `rtu` and `tcp` how it is framed."""
