"""SML files as stretches."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from edge_agent.serials import server_id_text
from edgectl.telegrams.stretch import Stretch, Telegram, Value, chunks, damaged, name_of
from protocols.errors import DamagedTelegram, ProtocolError
from protocols.obis import format_obis
from protocols.sml.messages import SmlTelegram, SmlTime, SmlValue, decode_file
from protocols.sml.transport import START, FileReceiver, SmlFile
from protocols.span import octets_text
from protocols.units import DLMS_UNITS

_DATE_SECONDS_MAX = 1 << 32


def find_sml(data: bytes, *, dzg_sign: bool = False) -> Iterator[Stretch]:
    receiver = FileReceiver()
    end = 0
    for chunk in chunks(data):
        for found in receiver.receive_data(chunk):
            stretch = _sml_stretch(found, dzg_sign=dzg_sign) if isinstance(found, SmlFile) else damaged(found)
            end = stretch.end
            yield stretch
    begun = data.find(START, end)
    if begun >= 0:
        text = "the recording ends before the file does"
        yield damaged(DamagedTelegram("sml.cut", text, len(data), begun, len(data)))


def _sml_stretch(file: SmlFile, *, dzg_sign: bool) -> Stretch:
    try:
        telegrams = tuple(map(_sml_telegram, decode_file(file, dzg_sign_quirk=dzg_sign)))
    except ProtocolError as error:
        return Stretch(file.offset, file.end, error=error)
    return Stretch(file.offset, file.end, telegrams)


def _sml_telegram(telegram: SmlTelegram) -> Telegram:
    meter = server_id_text(telegram.server_id) or None
    return Telegram(meter, _sml_time(telegram.time), tuple(map(_sml_value, telegram.values)))


def _sml_value(value: SmlValue) -> Value:
    obis = format_obis(value.obis)
    content = value.value
    text: str | None
    if isinstance(content, bytes):
        text = octets_text(content, "")
    else:
        text = None if content is None else str(content).lower()
    unit = None if value.unit is None else DLMS_UNITS.get(value.unit, f"dlms:{value.unit}")
    return Value(obis, name_of(obis), text, unit, value.status, _sml_time(value.time))


def _sml_time(time: SmlTime | None) -> str | None:
    """A date; a meter's seconds of operation are none."""
    if time is None or time.kind == "index" or not 0 <= time.seconds < _DATE_SECONDS_MAX:
        return None
    date = dt.datetime.fromtimestamp(time.seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return date + "Z" if time.kind == "utc" else date
