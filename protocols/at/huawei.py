"""Huawei: ^HCSQ (indices of its own table), ^MONSC (whole dBm), ^SYSINFOEX (which technology)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from protocols.at.dialect import Dialect, Lines, ServingQuery
from protocols.at.fields import Field, at, only, optional_hex, optional_integer, plmn_of, reading
from protocols.at.standard import RSCP, RSRP, RSRQ, Index
from protocols.cellular import Cell, Serving, Technology, make_signal
from protocols.value import Scaled

RSSI: Final = Index(-242, 2, 96)  # -120 dBm and below to -25
ECIO: Final = Index(-65, 1, 65)  # -32 dB and below to 0
SINR_TOP: Final = 251
_SINR_BASE_TENTHS: Final = -202
_SINR_STEP_TENTHS: Final = 2
_SUBMODES: Final = ("GSM", "GPRS", "EDGE")


def decode_signal(lines: Lines) -> Serving:
    """AT^HCSQ?: mode, then RSSI, RSRP, SINR, RSRQ in LTE."""
    fields = only(lines, "^HCSQ")
    numbers = [optional_integer(fields, place) for place in range(1, 5)]
    mode = fields[0].upper()
    if mode == "LTE":
        signal = make_signal(
            Technology.LTE,
            rssi_dbm=RSSI.decode(numbers[0]),
            rsrp_dbm=RSRP.decode(numbers[1]),
            sinr_db=_sinr(numbers[2]),
            rsrq_db=RSRQ.decode(numbers[3]),
        )
    elif mode == "WCDMA":
        values = {"rscp_dbm": RSCP.decode(numbers[1]), "ecio_db": ECIO.decode(numbers[2])}
        signal = make_signal(Technology.UMTS, rssi_dbm=RSSI.decode(numbers[0]), **values)
    elif mode == "GSM":
        signal = make_signal(Technology.GSM, rssi_dbm=RSSI.decode(numbers[0]))
    else:
        return Serving(())
    return Serving((signal,))


def _sinr(number: int | None) -> Scaled | None:
    if number is None or not 0 <= number <= SINR_TOP:
        return None
    return Scaled(_SINR_BASE_TENTHS + _SINR_STEP_TENTHS * max(number, 1), -1)


def decode_serving_cell(lines: Lines) -> Serving:
    """AT^MONSC: LTE with network, channel, cell, PCI, area, RSRP, RSRQ, RSSI; 2G and 3G only their cell."""
    fields = only(lines, "^MONSC")
    mode = fields[0].upper()
    if mode == "LTE":
        return _lte(fields)
    if mode == "WCDMA":  # mcc, mnc, channel, code, cell, area, rscp
        cell = Cell(Technology.UMTS, _plmn(fields), optional_hex(fields, 6), optional_hex(fields, 5))
        return Serving((make_signal(Technology.UMTS, rscp_dbm=reading(fields, 7)),), cell)
    return Serving(())


def _lte(fields: Sequence[Field]) -> Serving:
    signal = make_signal(
        Technology.LTE, rsrp_dbm=reading(fields, 7), rsrq_db=reading(fields, 8), rssi_dbm=reading(fields, 9)
    )
    cell = Cell(
        Technology.LTE,
        _plmn(fields),
        optional_hex(fields, 6),
        optional_hex(fields, 4),
        optional_hex(fields, 5),
        optional_integer(fields, 3),
    )
    return Serving((signal,), cell)


def _plmn(fields: Sequence[Field]) -> str | None:
    return plmn_of(at(fields, 1), at(fields, 2))


def decode_technology(lines: Lines) -> Technology | None:
    """AT^SYSINFOEX: the name of the system mode; None without service."""
    name = at(only(lines, "^SYSINFOEX"), 6).upper()
    if name in ("LTE", "LTE-TDD", "LTE-FDD"):
        return Technology.LTE
    if name in _SUBMODES:
        return Technology.GSM
    return Technology.UMTS if name in ("WCDMA", "TD-SCDMA", "HSPA+") else None


DIALECT: Final = Dialect(
    "huawei",
    ("huawei",),
    serving=(ServingQuery("AT^MONSC", decode_serving_cell), ServingQuery("AT^HCSQ?", decode_signal)),
    iccid=("AT^ICCID?", "AT+ICCID"),
    reset=("AT^RESET", "AT+CFUN=1,1"),
)
