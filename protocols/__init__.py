"""Bytes to values and back: the codecs of meters and of the uplink.

Rules of this floor: no I/O, no clock, no task, no log. Time and randomness come in as arguments.
Any bytes give values or a `ProtocolError`, in linear time and bounded memory.
"""
