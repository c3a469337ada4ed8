"""OBIS codes: six bytes on the wire, `A-B:C.D.E*F` for people (IEC 62056-6-1).

`format_obis` and `parse_obis` are each other's inverse for every six bytes.
"""

from __future__ import annotations

import re

_OBIS = re.compile(r"(\d{1,3})-(\d{1,3}):(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:\*(\d{1,3}))?", re.ASCII)
OBIS_BYTES = 6
DEFAULT_STORAGE = 255  # group F where it is not written: the present value


def format_obis(obis: bytes) -> str:
    """`01 00 01 08 00 FF` as `"1-0:1.8.0*255"`; ValueError unless it is six bytes."""
    if len(obis) != OBIS_BYTES:
        raise ValueError(f"an OBIS code has {OBIS_BYTES} bytes, not {len(obis)}: {obis.hex(' ')}")
    a, b, c, d, e, f = obis
    return f"{a}-{b}:{c}.{d}.{e}*{f}"


def parse_obis(text: str) -> bytes:
    """`"1-0:1.8.0*255"` as six bytes; `*F` may be missing and is then 255. ValueError for anything else."""
    match = _OBIS.fullmatch(text)
    groups = [int(group) for group in match.groups(default=str(DEFAULT_STORAGE))] if match else []
    if not groups or max(groups) > 255:
        raise ValueError(f"not an OBIS code: {text!r}; right is A-B:C.D.E or A-B:C.D.E*F, each 0 to 255")
    return bytes(groups)
