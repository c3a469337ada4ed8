"""What travels between gateway and backend: docs/uplink.md is the specification.

messages: the typed content of every message · cbor: content to payload bytes and back ·
cose: the signed envelope · columns: readings to columns and back · deterministic: the subset of CBOR.
"""
