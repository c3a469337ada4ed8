"""Sierra Wireless: AT!GSTATUS?, a page of labels in two columns; values may be damaged (`3t 5`), then they
are None.
"""

from __future__ import annotations

import re
from typing import Final

from protocols.at.dialect import Dialect, Lines, ServingQuery, TemperatureQuery, hottest
from protocols.cellular import Cell, Serving, Technology, make_signal, with_antennas
from protocols.errors import ProtocolError
from protocols.value import Scaled, parse_decimal

_MODES: Final = {
    "LTE": Technology.LTE,
    "ENDC": Technology.LTE,  # the page's values are those of the anchor
    "WCDMA": Technology.UMTS,
    "GSM": Technology.GSM,
}
_NUMBER: Final = r"(-?[0-9]{1,3}(?:\.[0-9])?)(?=\s|\Z)"
_RSRP: Final = re.compile(rf"RSRP(?: \(dBm\))?:\s+{_NUMBER}")
_RSRQ: Final = re.compile(rf"RSRQ \(dB\):\s+{_NUMBER}")
_SINR: Final = re.compile(rf"SINR \(dB\):\s+{_NUMBER}")
_RSSI: Final = re.compile(rf"PCC RxM RSSI:\s+{_NUMBER}")


def decode_status(lines: Lines) -> Serving:
    """AT!GSTATUS?. RSRP is that of the better antenna, as the receiver combines them."""
    if not any(line.startswith("!GSTATUS") for line in lines):
        raise ProtocolError("at.missing", "no !GSTATUS in the answer")
    page = "\n".join(lines)
    found = re.search(r"System mode:\s+([A-Za-z]+)", page)
    mode = _MODES.get(found[1].upper()) if found else None
    if mode is None:
        return Serving(())
    signal = make_signal(
        mode,
        rssi_dbm=_value(_RSSI, page),
        rsrq_db=_value(_RSRQ, page),
        sinr_db=_value(_SINR, page),
    )
    receivers = [line for line in lines if "PCC Rx" in line]
    signal = with_antennas(
        signal, [parse_decimal(text) for line in receivers for text in _RSRP.findall(line)]
    )
    return Serving((signal,), _cell(mode, page))


def _value(pattern: re.Pattern[str], page: str) -> Scaled | None:
    found = pattern.search(page)
    return parse_decimal(found[1]) if found else None


def _cell(mode: Technology, page: str) -> Cell:
    area = re.search(r"TAC:\s+([0-9A-Fa-f]{1,6}) \(", page)
    cell = re.search(r"Cell ID:\s+([0-9A-Fa-f]{1,9}) \(", page)
    band = re.search(r"LTE band:\s+(B[0-9]{1,3})\b", page)
    channel = re.search(r"LTE Rx chan:\s+([0-9]{1,7})\b", page)
    return Cell(
        mode,
        area=int(area[1], 16) if area else None,
        cell_id=int(cell[1], 16) if cell else None,
        channel=int(channel[1]) if channel else None,
        band=band[1] if band else None,
    )


def decode_temperature(lines: Lines) -> int | None:
    """The page's temperature; None where it is damaged."""
    found = re.search(r"Temperature:\s+(-?[0-9]{1,3})\s*$", "\n".join(lines), re.MULTILINE)
    return hottest([int(found[1])]) if found else None


DIALECT: Final = Dialect(
    "sierra",
    ("sierra",),
    serving=(ServingQuery("AT!GSTATUS?", decode_status),),
    temperature=TemperatureQuery("AT!GSTATUS?", decode_temperature),
    iccid=("AT!ICCID?", "AT+ICCID", "AT+CCID"),
    reset=("AT!RESET", "AT+CFUN=1,1"),
    power_off="AT!POWERDOWN",
)
