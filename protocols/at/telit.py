"""Telit: #RFSTS, #SERVINFO, #MONI, #PCT, #TEMPMON.

#RFSTS has a form for each technology and no name in it: LTE is known by two negative levels (RSRP and RSRQ
around
RSSI), 2G by one in the third field. Firmware leaves out fields before the cell, so that it is found from the
subscriber's number behind it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
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
from protocols.at.fields import (
    Field,
    contents,
    integer,
    only,
    optional_hex,
    optional_integer,
    plmn_of,
    reading,
)
from protocols.cellular import Cell, Serving, Technology, make_signal
from protocols.errors import ProtocolError
from protocols.value import Scaled, parse_decimal


def decode_radio_status(lines: Lines) -> Serving:
    """AT#RFSTS."""
    fields = only(lines, "#RFSTS")
    if len(fields) < 9:
        return Serving(())
    third, fifth = optional_integer(fields, 2), optional_integer(fields, 4)
    if third is not None and third < 0:
        return _lte(fields) if fifth is not None and fifth < 0 else _gsm(fields)
    signal = make_signal(
        Technology.UMTS, ecio_db=reading(fields, 3), rscp_dbm=reading(fields, 4), rssi_dbm=reading(fields, 5)
    )
    return Serving((signal,), _cell(Technology.UMTS, fields, 6, None))


def _lte(fields: Sequence[Field]) -> Serving:
    signal = make_signal(
        Technology.LTE, rsrp_dbm=reading(fields, 2), rssi_dbm=reading(fields, 3), rsrq_db=reading(fields, 4)
    )
    subscriber = _subscriber(fields)
    band = None if subscriber is None else optional_integer(fields, subscriber + 3)
    return Serving((signal,), _cell(Technology.LTE, fields, 5, None if band is None else f"B{band}"))


def _gsm(fields: Sequence[Field]) -> Serving:
    signal = make_signal(Technology.GSM, rssi_dbm=reading(fields, 2))
    return Serving((signal,), _cell(Technology.GSM, fields, 3, None))


def _cell(technology: Technology, fields: Sequence[Field], area: int, band: str | None) -> Cell:
    subscriber = _subscriber(fields)
    return Cell(
        technology,
        plmn_of(*fields[0].split(" ", 1)) if " " in fields[0] else None,
        optional_hex(fields, area),
        None if subscriber is None else optional_hex(fields, subscriber - 1),
        channel=optional_integer(fields, 1),
        band=band,
    )


def _subscriber(fields: Sequence[Field]) -> int | None:
    """Where the subscriber's number stands: the first quoted field behind the network's code."""
    return next((place for place, field in enumerate(fields) if place > 4 and field.quoted), None)


def decode_serving_information(lines: Lines) -> Serving:
    """AT#SERVINFO in LTE: channel, RSSI, name, network, cell, area, DRX, SD, RSRP."""
    fields = only(lines, "#SERVINFO")
    signal = make_signal(Technology.LTE, rssi_dbm=reading(fields, 1), rsrp_dbm=reading(fields, 8))
    plmn = fields[3] if len(fields) > 3 and re.fullmatch("[0-9]{5,6}", fields[3]) else None
    cell = Cell(
        Technology.LTE,
        plmn,
        optional_hex(fields, 5),
        optional_hex(fields, 4),
        channel=optional_integer(fields, 0),
    )
    return Serving((signal,), cell)


def decode_monitor(lines: Lines) -> Serving:
    """AT#MONI in LTE: `name RSRP:-92 RSRQ:-17 TAC:8B1E Id:... EARFCN:800 PWR:-54dbm`. A cut cell number is
    None.
    """
    texts = contents(lines, "#MONI")
    if not texts:
        raise ProtocolError("at.missing", "no #MONI in the answer")
    parts = dict(re.findall(r"\b([A-Za-z]{2,6}):(\S{1,16})", texts[0]))
    signal = make_signal(
        Technology.LTE,
        rsrp_dbm=_level(parts.get("RSRP")),
        rsrq_db=_level(parts.get("RSRQ")),
        rssi_dbm=_level(parts.get("PWR")),
    )
    numbers = [parts.get(name, "") for name in ("TAC", "Id")]
    area, cell = (int(text, 16) if re.fullmatch("[0-9A-Fa-f]{1,8}", text) else None for text in numbers)
    channel = parts.get("EARFCN", "")
    is_channel = re.fullmatch("[0-9]{1,7}", channel)
    return Serving(
        (signal,), Cell(Technology.LTE, None, area, cell, channel=int(channel) if is_channel else None)
    )


def _level(text: str | None) -> Scaled | None:
    found = re.fullmatch(r"(-?[0-9]{1,3}(?:\.[0-9])?)(?:dbm)?", text or "", re.IGNORECASE)
    return parse_decimal(found[1]) if found else None


def decode_pin_tries(lines: Lines) -> PinTries:
    """AT#PCT: tries left for the code that is asked for at present, the PIN before it is entered."""
    return PinTries(integer(only(lines, "#PCT"), 0), None)


def decode_temperature(lines: Lines) -> int | None:
    """AT#TEMPMON=1: range and degrees."""
    return hottest([optional_integer(only(lines, "#TEMPMEAS"), 1)])


DIALECT: Final = Dialect(
    "telit",
    ("telit",),
    serving=(
        ServingQuery("AT#RFSTS", decode_radio_status),
        ServingQuery("AT#SERVINFO", decode_serving_information),
        ServingQuery("AT#MONI", decode_monitor),
    ),
    temperature=TemperatureQuery("AT#TEMPMON=1", decode_temperature),
    pin_tries=PinTriesQuery("AT#PCT", decode_pin_tries),
    iccid=("AT#CCID", "AT+ICCID", "AT+CCID"),
    reset=("AT#REBOOT", "AT+CFUN=1,1"),
    power_off="AT#SHDN",
)
