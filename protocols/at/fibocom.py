"""Fibocom: +GTCCINFO (Qualcomm models), +XMCI (Intel models), +MTSM.

Levels are indices: of TS 27.007 in LTE, of the NR table of +CESQ in NR. Area, cell and channel of +GTCCINFO
are
hexadecimal; its SINR column has no proven unit in LTE and stays out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from protocols.at.dialect import Dialect, Lines, ServingQuery, TemperatureQuery, hottest
from protocols.at.fields import Field, contents, only, optional_hex, optional_integer, plmn_of, split_fields
from protocols.at.standard import NR_RSRP, NR_RSRQ, NR_SINR, RSRP, RSRQ
from protocols.cellular import Cell, Serving, Technology, make_signal
from protocols.errors import ProtocolError
from protocols.value import Scaled

_SERVING: Final = "1"  # first column of the table; 2 is a neighbour
_LTE_COLUMN: Final = "4"
_NR_COLUMN: Final = "9"
BAND_OFFSETS: Final = {_LTE_COLUMN: (100, "B"), _NR_COLUMN: (5000, "n")}
SNR_HALVES: Final = range(-100, 101)  # +XMCI's range of SNR, in halves of a dB
LINES_MAX: Final = 32


def decode_cell_table(lines: Lines) -> Serving:
    """AT+GTCCINFO?: the lines of serving cells."""
    if not any(line.startswith("+GTCCINFO") for line in lines):
        raise ProtocolError("at.missing", "no +GTCCINFO in the answer")
    rows = [split_fields(line) for line in lines[:LINES_MAX] if re.match(r"\s*1\s*,\s*[49]\s*,", line)]
    legs = [_leg(row) for row in rows if row[0] == _SERVING and len(row) >= 14]
    return Serving(tuple(leg.signals[0] for leg in legs), legs[0].cell if legs else None)


def _leg(row: Sequence[Field]) -> Serving:
    """serving, rat, mcc, mnc, area, cell, channel, pci, band, bandwidth, sinr, rxlev, rsrp, rsrq."""
    is_nr = row[1] == _NR_COLUMN
    technology = Technology.NR_SA if is_nr else Technology.LTE
    rsrp, rsrq = optional_integer(row, 12), optional_integer(row, 13)
    signal = make_signal(
        technology,
        rsrp_dbm=(NR_RSRP if is_nr else RSRP).decode(rsrp),
        rsrq_db=(NR_RSRQ if is_nr else RSRQ).decode(rsrq),
        sinr_db=NR_SINR.decode(optional_integer(row, 10)) if is_nr else None,
    )
    offset, sign = BAND_OFFSETS[row[1]]
    band = (optional_integer(row, 8) or 0) - offset
    cell = Cell(
        technology,
        plmn_of(row[2], row[3]),
        optional_hex(row, 4),
        optional_hex(row, 5),
        optional_hex(row, 7),
        optional_hex(row, 6),
        f"{sign}{band}" if band > 0 else None,
    )
    return Serving((signal,), cell)


def decode_measured_cells(lines: Lines) -> Serving:
    """AT+XMCI=1: the line of the LTE serving cell; its numbers are quoted and begin with 0x."""
    for text in contents(lines, "+XMCI")[:LINES_MAX]:
        fields = split_fields(text)
        if fields[0] != _LTE_COLUMN or len(fields) < 12:
            continue
        halves = optional_integer(fields, 11)
        signal = make_signal(
            Technology.LTE,
            rsrp_dbm=RSRP.decode(optional_integer(fields, 9)),
            rsrq_db=RSRQ.decode(optional_integer(fields, 10)),
            sinr_db=Scaled(5 * halves, -1) if halves is not None and halves in SNR_HALVES else None,
        )
        cell = Cell(
            Technology.LTE,
            plmn_of(fields[1], fields[2]),
            optional_hex(fields, 3),
            optional_hex(fields, 4),
            optional_hex(fields, 5),
            optional_hex(fields, 6),
        )
        return Serving((signal,), cell)
    return Serving(())


def decode_temperature(lines: Lines) -> int | None:
    """AT+MTSM=1: degrees."""
    return hottest([optional_integer(only(lines, "+MTSM"), 0)])


DIALECT: Final = Dialect(
    "fibocom",
    ("fibocom",),
    serving=(
        ServingQuery("AT+GTCCINFO?", decode_cell_table),
        ServingQuery("AT+XMCI=1", decode_measured_cells),
    ),
    temperature=TemperatureQuery("AT+MTSM=1", decode_temperature),
    iccid=("AT+ICCID", "AT+CCID"),
    reset=("AT+CFUN=15", "AT+CFUN=1,1"),
    power_off="AT+CPWROFF",
)
