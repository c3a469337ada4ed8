"""Quectel: +QENG, +QCSQ, +QNWINFO, +QCAINFO, +QTEMP, +QGDCNT, +QPINC.

Orders that differ, by captures: NR in NSA is RSRP, SINR, RSRQ; in SA RSRP, RSRQ, SINR. SINR in +QENG is
whole dB;
in +QCSQ fifths of a dB from -20. Cell numbers are hexadecimal.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from protocols.at.dialect import (
    CountersQuery,
    Dialect,
    Lines,
    PinTries,
    PinTriesQuery,
    ServingQuery,
    TemperatureQuery,
    hottest,
)
from protocols.at.fields import (
    Field,
    contents,
    integer,
    only,
    optional_hex,
    optional_integer,
    plmn_of,
    reading,
    split_fields,
)
from protocols.cellular import Cell, Serving, Signal, Technology, make_signal
from protocols.errors import ProtocolError
from protocols.value import Scaled

CARRIERS_MAX = 16
SENSORS_MAX = 32

_MODES: Final = {
    "LTE": Technology.LTE,
    "EMTC": Technology.LTE_M,
    "CAT-M": Technology.LTE_M,
    "CAT-M1": Technology.LTE_M,
    "NBIOT": Technology.NB_IOT,
    "CAT-NB": Technology.NB_IOT,
    "CAT-NB1": Technology.NB_IOT,
    "GSM": Technology.GSM,
    "WCDMA": Technology.UMTS,
    "NR5G-NSA": Technology.NR_NSA,
    "NR5G-SA": Technology.NR_SA,
}
_LTE_LIKE: Final = (Technology.LTE, Technology.LTE_M, Technology.NB_IOT)


def decode_serving_cell(lines: Lines) -> Serving:
    """AT+QENG="servingcell": one line, or one for the state and one for each leg."""
    signals: list[Signal] = []
    cell = None
    for text in contents(lines, "+QENG"):
        fields = split_fields(text)
        if fields[0].lower() == "servingcell":
            fields = fields[2:]
        if not fields or fields[0].upper() not in _MODES:
            continue
        signal, place = _leg(_MODES[fields[0].upper()], fields[1:])
        signals.append(signal)
        cell = cell or place
    if not contents(lines, "+QENG"):
        raise ProtocolError("at.missing", "no +QENG in the answer")
    return Serving(tuple(signals), cell)


def _leg(mode: Technology, fields: Sequence[Field]) -> tuple[Signal, Cell | None]:
    """`fields` begin behind the name of the mode."""
    if mode in _LTE_LIKE:
        return _lte_leg(mode, fields[1:])
    if mode is Technology.NR_SA:
        return _sa_leg(fields[1:])
    if mode is Technology.NR_NSA:
        values = {
            "rsrp_dbm": reading(fields, 3),
            "sinr_db": reading(fields, 4),
            "rsrq_db": reading(fields, 5),
        }
        return make_signal(mode, **values), None  # the cell is the anchor's
    plmn = plmn_of(*fields[:2]) if len(fields) > 1 else None
    area, number = optional_hex(fields, 2), optional_hex(fields, 3)
    if mode is Technology.GSM:
        cell = Cell(mode, plmn, area, number, None, optional_integer(fields, 5), _text(fields, 6))
        return make_signal(mode, rssi_dbm=reading(fields, 7)), cell
    cell = Cell(mode, plmn, area, number, optional_integer(fields, 5), optional_integer(fields, 4))
    return make_signal(mode, rscp_dbm=reading(fields, 7), ecio_db=reading(fields, 8)), cell


def _lte_leg(mode: Technology, fields: Sequence[Field]) -> tuple[Signal, Cell]:
    """mcc, mnc, cell, pci, earfcn, band, two bandwidths, tac, rsrp, rsrq, rssi, sinr."""
    signal = make_signal(
        mode,
        rsrp_dbm=reading(fields, 9),
        rsrq_db=reading(fields, 10),
        rssi_dbm=reading(fields, 11),
        sinr_db=reading(fields, 12),
    )
    return signal, _cell(mode, fields, 8, 4, 5, "B")


def _sa_leg(fields: Sequence[Field]) -> tuple[Signal, Cell]:
    """mcc, mnc, cell, pci, tac, arfcn, band, bandwidth, rsrp, rsrq, sinr."""
    signal = make_signal(
        Technology.NR_SA, rsrp_dbm=reading(fields, 8), rsrq_db=reading(fields, 9), sinr_db=reading(fields, 10)
    )
    return signal, _cell(Technology.NR_SA, fields, 4, 5, 6, "n")


def _cell(mode: Technology, fields: Sequence[Field], area: int, channel: int, band: int, sign: str) -> Cell:
    number = optional_integer(fields, band)
    return Cell(
        mode,
        plmn_of(*fields[:2]) if len(fields) > 1 else None,
        optional_hex(fields, area),
        optional_hex(fields, 2),
        optional_integer(fields, 3),
        optional_integer(fields, channel),
        None if number is None else f"{sign}{number}",
    )


def _text(fields: Sequence[Field], place: int) -> str | None:
    return fields[place] if place < len(fields) and fields[place].strip("-") else None


def decode_signal(lines: Lines) -> Serving:
    """AT+QCSQ: mode, RSSI, RSRP, SINR, RSRQ; SINR 0..250 stands for -20..30 dB."""
    fields = only(lines, "+QCSQ")
    mode = _MODES.get(fields[0].upper())
    if mode is None:
        return Serving(())
    if mode is Technology.GSM:
        return Serving((make_signal(mode, rssi_dbm=reading(fields, 1)),))
    if mode is Technology.UMTS:
        return Serving((make_signal(mode, rscp_dbm=reading(fields, 2), ecio_db=reading(fields, 3)),))
    sinr = optional_integer(fields, 3)
    values = {"rssi_dbm": reading(fields, 1), "rsrp_dbm": reading(fields, 2), "rsrq_db": reading(fields, 4)}
    return Serving(
        (make_signal(mode, **values, sinr_db=None if sinr is None else Scaled(2 * sinr - 200, -1)),)
    )


class NetworkInformation(NamedTuple):
    """A line of +QNWINFO: `FDD LTE`, the operator's code, `LTE BAND 3`, the channel."""

    mode: str
    plmn: str
    band: str
    channel: int


def decode_networks(lines: Lines) -> tuple[NetworkInformation, ...]:
    """AT+QNWINFO: one line for each leg, none without service."""
    found = [split_fields(text) for text in contents(lines, "+QNWINFO")[:CARRIERS_MAX]]
    return tuple(
        NetworkInformation(fields[0], fields[1], fields[2], integer(fields, 3))
        for fields in found
        if len(fields) >= 4
    )


class Carrier(NamedTuple):
    """A carrier of +QCAINFO; `is_primary` the one that leads. `band` as in Cell."""

    is_primary: bool
    channel: int
    band: str


def decode_carriers(lines: Lines) -> tuple[Carrier, ...]:
    """AT+QCAINFO: the carriers that are bundled."""
    found = []
    for text in contents(lines, "+QCAINFO")[:CARRIERS_MAX]:
        fields = split_fields(text)
        band = re.fullmatch(r"(LTE|NR5G) BAND ([0-9]{1,3})", fields[3]) if len(fields) > 3 else None
        if band is None:
            raise ProtocolError("at.field", f"no carrier: {text[:60]!r}")
        sign = "B" if band[1] == "LTE" else "n"
        found.append(Carrier(fields[0].upper() == "PCC", integer(fields, 1), f"{sign}{band[2]}"))
    return tuple(found)


def decode_temperature(lines: Lines) -> int | None:
    """AT+QTEMP: sensors by name, three numbers, or (2G modules) mode, raw value and degrees."""
    found: list[int | None] = []
    for text in contents(lines, "+QTEMP")[:SENSORS_MAX]:
        fields = split_fields(text)
        numbers = [optional_integer(fields, place) for place in range(len(fields))]
        is_raw_form = len(numbers) == 3 and numbers[1] is not None and numbers[1] > 255
        found += numbers[2:] if is_raw_form else numbers
    return hottest(found)


def decode_counters(lines: Lines) -> tuple[int, int]:
    """AT+QGDCNT?: sent and received on an EM12-G, the other way round in other firmware."""
    fields = only(lines, "+QGDCNT")
    return integer(fields, 0), integer(fields, 1)


def decode_pin_tries(lines: Lines) -> PinTries:
    """AT+QPINC="SC": tries left for PIN and PUK."""
    fields = only(lines, "+QPINC")
    return PinTries(integer(fields, 1), integer(fields, 2))


DIALECT: Final = Dialect(
    "quectel",
    ("quectel",),
    serving=(
        ServingQuery('AT+QENG="servingcell"', decode_serving_cell),
        ServingQuery("AT+QCSQ", decode_signal),
    ),
    temperature=TemperatureQuery("AT+QTEMP", decode_temperature, late_lines=True),
    pin_tries=PinTriesQuery('AT+QPINC="SC"', decode_pin_tries),
    counters=CountersQuery("AT+QGDCNT?", decode_counters),
    iccid=("AT+QCCID", "AT+CCID"),
    power_off="AT+QPOWD=1",
)
