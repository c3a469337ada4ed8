"""u-blox: +UCGED, +UTEMP, +UPINCNT.

+UCGED=2 answers by lines without a prefix, and some firmware wraps the last one. RSRP and RSRQ are indices of
TS 36.133; all of 255 means that nothing was measured. The area is hexadecimal.
"""

from __future__ import annotations

from typing import Final

from protocols.at.dialect import (
    Dialect,
    Lines,
    PinTries,
    PinTriesQuery,
    ServingQuery,
    TemperatureQuery,
    hottest,
)
from protocols.at.fields import integer, only, optional_hex, optional_integer, plmn_of, reading, split_fields
from protocols.at.standard import RSRP, RSRQ
from protocols.cellular import Cell, Serving, Technology, make_signal
from protocols.errors import ProtocolError

LTE: Final = 6  # <rat> of the second line
NO_BAND: Final = 255
NO_CHANNEL: Final = 65535
SINR_UNKNOWN: Final = 255
NOT_KNOWN_TENTHS: Final = (65535, 655355)  # both are in use


def decode_extended(lines: Lines) -> Serving:
    """AT+UCGED? in mode 2, LTE alone: other technologies give no signal here, and +CESQ has them."""
    if integer(only(lines, "+UCGED"), 0) != 2:
        raise ProtocolError("at.field", "+UCGED is not in mode 2; send AT+UCGED=2 first")
    if len(lines) < 3:
        return Serving(())
    head = split_fields(lines[1])
    if optional_integer(head, 0) != LTE or len(head) < 4:
        return Serving(())
    fields = split_fields("".join(lines[2:]))
    if optional_integer(fields, 1) in (None, NO_BAND):
        return Serving(())
    sinr = reading(fields, 12)
    signal = make_signal(
        Technology.LTE,
        rsrp_dbm=RSRP.decode(optional_integer(fields, 10)),
        rsrq_db=RSRQ.decode(optional_integer(fields, 11)),
        sinr_db=None if sinr is None or sinr.normalised() == (SINR_UNKNOWN, 0) else sinr,
    )
    cell = Cell(
        Technology.LTE,
        plmn_of(head[2], head[3]),
        optional_hex(fields, 4),
        optional_hex(fields, 5),
        optional_integer(fields, 6),
        optional_integer(fields, 0),
        f"B{optional_integer(fields, 1)}",
    )
    return Serving((signal,), cell)


def decode_temperature(lines: Lines) -> int | None:
    """AT+UTEMP?: tenths of a degree, in some firmware behind the unit."""
    fields = only(lines, "+UTEMP")
    tenths = optional_integer(fields, len(fields) - 1)
    if tenths is None or tenths in NOT_KNOWN_TENTHS:
        return None
    return hottest([(2 * tenths + 10) // 20])


def decode_pin_tries(lines: Lines) -> PinTries:
    """AT+UPINCNT: PIN, PIN2, PUK, PUK2."""
    fields = only(lines, "+UPINCNT")
    return PinTries(integer(fields, 0), integer(fields, 2))


DIALECT: Final = Dialect(
    "u-blox",
    ("u-blox",),
    serving=(ServingQuery("AT+UCGED?", decode_extended, prepare=("AT+UCGED=2",)),),
    temperature=TemperatureQuery("AT+UTEMP?", decode_temperature, prepare=("AT+UTEMP=0",)),
    pin_tries=PinTriesQuery("AT+UPINCNT", decode_pin_tries),
    reset=("AT+CFUN=16", "AT+CFUN=15"),
    power_off="AT+CPWROFF",
)
