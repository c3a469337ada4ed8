"""The dialect of a maker's modems, by what +CGMI or +CGMM says."""

from __future__ import annotations

import re
from typing import Final

from protocols.at import fibocom, huawei, quectel, sierra, simcom, telit, ublox
from protocols.at.dialect import GENERIC, Dialect

DIALECTS: Final = (
    quectel.DIALECT,
    simcom.DIALECT,
    sierra.DIALECT,
    telit.DIALECT,
    ublox.DIALECT,
    fibocom.DIALECT,
    huawei.DIALECT,
)
# Where +CGMI names the chip's maker or the brand on the box ("QUALCOMM INCORPORATED"), the model tells.
_MODELS: Final = (
    (re.compile(r"SIMCOM|SIM[0-9]{4}|A76[0-9]{2}"), simcom.DIALECT),
    (re.compile(r"(?:EC|EG|EP|EM|RM|BG|RG)[0-9]{2,3}(?![0-9])"), quectel.DIALECT),
    (re.compile(r"(?:MC|EM|WP)7[0-9]{3}|EM9[0-9]{3}"), sierra.DIALECT),
    (re.compile(r"(?:LE|LM|LN|ME)9[0-9]{2}|ME310"), telit.DIALECT),
    (re.compile(r"(?:SARA|LARA|TOBY|LENA)-"), ublox.DIALECT),
    (re.compile(r"(?:FM|L8|NL)[0-9]{2,3}(?:-|\Z)"), fibocom.DIALECT),
)


def dialect_of(maker: str | None, model: str | None) -> Dialect:
    """By the maker's name, then by the model's; GENERIC, which only asks what TS 27.007 defines,
    otherwise.
    """
    name = (maker or "").lower()
    for dialect in DIALECTS:
        if name.startswith(dialect.makers):
            return dialect
    for pattern, dialect in _MODELS:
        if pattern.match((model or "").upper()):
            return dialect
    return GENERIC
