"""Modbus, both roles.

`pdu` what is asked; `rtu`, `ascii` and `tcp` how it is framed; `identification` the devices' name plates.
"""
