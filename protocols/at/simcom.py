"""SIMCom: +CPSI, +CPMUTEMP, +SPIC.

+CPSI is one command in four scales, told apart by RSRP's own value, never by the model's name:
tenths (-987), whole dBm (-115), an index (36, A76xx), and LTE in tenths beside NR in whole dBm (SIM8200).
Order: RSRQ, RSRP in LTE and EN-DC; RSRP, RSRQ in NR SA. NR's SNR is in tenths in all captures.
The area is hexadecimal, the cell decimal.
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
    split_fields,
)
from protocols.at.standard import RSRP, RSRQ
from protocols.cellular import Cell, Serving, Signal, Technology, make_signal
from protocols.errors import ProtocolError
from protocols.value import Scaled

TENTHS_BELOW: Final = -156  # no RSRP is lower (TS 36.133, 9.1.4), so a lower number counts tenths
_MODES: Final = {
    "LTE": Technology.LTE,
    "LTE CAT-M1": Technology.LTE_M,
    "LTE NB-IOT": Technology.NB_IOT,
    "NR5G_SA": Technology.NR_SA,
    "NR5G-SA": Technology.NR_SA,
    "GSM": Technology.GSM,
    "WCDMA": Technology.UMTS,
    "NR5G": Technology.NR_NSA,
}


def decode_system_information(lines: Lines) -> Serving:
    """AT+CPSI?; without service there is no signal."""
    texts = contents(lines, "+CPSI")
    if not texts:
        raise ProtocolError("at.missing", "no +CPSI in the answer")
    signals: list[Signal] = []
    cell = None
    for text in texts[:8]:
        fields = split_fields(text)
        mode = _MODES.get(fields[0].upper())
        if mode is None:
            continue
        signal, place = _leg(mode, fields)
        signals += [signal] if signal.has_values or signal.refused else []
        cell = cell or place
    return Serving(tuple(signals), cell)


def _leg(mode: Technology, fields: Sequence[Field]) -> tuple[Signal, Cell | None]:
    if mode is Technology.NR_NSA:  # mode, pci, arfcn, rsrq, rsrp, snr
        return _scaled(mode, reading(fields, 4), reading(fields, 3), None, reading(fields, 5)), None
    country, _, network = (fields[2] if len(fields) > 2 else "").partition("-")
    plmn, area = plmn_of(country, network), optional_hex(fields, 3)
    number = optional_integer(fields, 4)
    if mode is Technology.GSM:
        band = re.match(r"([0-9]+) ([A-Z]+ [0-9]+)", fields[5]) if len(fields) > 5 else None
        channel, name = (int(band[1][:6]), band[2]) if band else (None, None)
        return make_signal(mode, rssi_dbm=reading(fields, 6)), Cell(
            mode, plmn, area, number, None, channel, name
        )
    if mode is Technology.UMTS:
        return make_signal(mode), Cell(mode, plmn, area, number)
    band = re.search(r"BAND ?([0-9]{1,3})\Z", fields[6]) if len(fields) > 6 else None
    sign = "n" if mode is Technology.NR_SA else "B"
    physical, channel = optional_integer(fields, 5), optional_integer(fields, 7)
    cell = Cell(mode, plmn, area, number, physical, channel, f"{sign}{band[1]}" if band else None)
    if mode is Technology.NR_SA:
        return _scaled(mode, reading(fields, 8), reading(fields, 9), None, reading(fields, 10)), cell
    values = [reading(fields, place) for place in (11, 10, 12, 13)]
    return _scaled(mode, values[0], values[1], values[2], values[3]), cell


def _scaled(
    mode: Technology, rsrp: Scaled | None, rsrq: Scaled | None, rssi: Scaled | None, snr: Scaled | None
) -> Signal:
    """The values in the scale that RSRP shows."""
    is_nr = mode in (Technology.NR_NSA, Technology.NR_SA)
    if rsrp is None:
        return make_signal(mode)
    if rsrp.integer > 0:  # A76xx; what its RSSI and SNR columns mean is not proven, so they stay out
        rsrq_index = None if rsrq is None else rsrq.integer
        return make_signal(mode, rsrp_dbm=RSRP.decode(rsrp.integer), rsrq_db=RSRQ.decode(rsrq_index))
    scale = Scaled(1, -1) if rsrp.integer < TENTHS_BELOW else Scaled(1, 0)
    snr_scale = Scaled(1, -1) if is_nr else Scaled(1, 0)
    return make_signal(
        mode,
        rsrp_dbm=rsrp.times(scale),
        rsrq_db=None if rsrq is None else rsrq.times(scale),
        rssi_dbm=None if rssi is None else rssi.times(scale),
        sinr_db=None if snr is None else snr.times(snr_scale),
    )


def decode_temperature(lines: Lines) -> int | None:
    """AT+CPMUTEMP: degrees."""
    return hottest([optional_integer(only(lines, "+CPMUTEMP"), 0)])


def decode_pin_tries(lines: Lines) -> PinTries:
    """AT+SPIC: PIN, PUK, PIN2, PUK2; some firmware gives the present code's tries alone."""
    fields = only(lines, "+SPIC")
    return PinTries(integer(fields, 0), optional_integer(fields, 1))


DIALECT: Final = Dialect(
    "simcom",
    ("simcom",),
    serving=(ServingQuery("AT+CPSI?", decode_system_information),),
    temperature=TemperatureQuery("AT+CPMUTEMP", decode_temperature),
    pin_tries=PinTriesQuery("AT+SPIC", decode_pin_tries),
    iccid=("AT+CICCID", "AT+CCID", "AT+ICCID"),
    reset=("AT+CRESET", "AT+CFUN=1,1"),
    power_off="AT+CPOF",
)
