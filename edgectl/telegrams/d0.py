"""IEC 62056-21 read-outs and P1 telegrams as stretches."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator

from edgectl.telegrams.stretch import Keys, Stretch, Telegram, Value, chunks, damaged, name_of
from protocols.errors import ProtocolError
from protocols.iec62056_21 import D0Receiver, D0Telegram, DataSet, unit_name
from protocols.obis import format_obis
from protocols.p1 import P1Log, P1Receiver, P1Telegram, P1Time, P1Value
from protocols.p1.encryption import CipheredFrame, CipheredReceiver, is_encrypted

_MAXIMUM_TIME = re.compile(r"\d{10}", re.ASCII)  # YYMMDDhhmm behind a maximum of an IEC 62056-21 meter
_EVEN_BYTES = bytes(byte for byte in range(256) if byte.bit_count() % 2 == 0)
_SEVEN_BITS = bytes(byte & 0x7F for byte in range(256))
_CHANNEL_NAMES = {  # by medium, group E of the object, and unit
    (5, 1, "GJ"): "energy_cooling_total",
    (6, 1, "GJ"): "energy_heat_total",
    (7, 1, "m3"): "volume_gas_tc_total",  # the Dutch objects: converted to a base temperature
    (7, 3, "m3"): "volume_gas_total",  # the Belgian ones: as measured
    (8, 1, "m3"): "volume_water_cold_total",
    (9, 1, "m3"): "volume_water_hot_total",
}


def without_parity(data: bytes) -> bytes:
    """The characters of what was recorded with 8 bits on a line of 7 and even parity; else `data`."""
    return data.translate(_SEVEN_BITS) if _has_parity(data) else data


def _has_parity(data: bytes) -> bool:
    """Whether a line of 7 bits and even parity was recorded with 8 bits, as serial servers do."""
    return not data.isascii() and not data.translate(None, _EVEN_BYTES)


def find_d0(data: bytes) -> Iterator[Stretch]:
    begun = re.search(rb"[/\x02\xaf\x82]", data) is None  # some programs record the data sets alone
    receiver = D0Receiver(begun=begun, parity_in_data=_has_parity(data))
    for chunk in chunks(data):
        yield from map(_d0_stretch, receiver.receive_data(chunk))
    yield from map(_d0_stretch, receiver.receive_end())


def _d0_stretch(found: D0Telegram | ProtocolError) -> Stretch:
    if isinstance(found, ProtocolError):
        stretch = damaged(found)
        # The receiver leaves the byte behind ETX to a telegram that may begin there; here it is looked at.
        return stretch._replace(end=stretch.end + 1) if found.code == "d0.bcc" else stretch
    values = [value for data_set in found.data_sets for value in _d0_values(found, data_set)]
    telegram = Telegram(found.meter_id or None, None, tuple(values))
    return Stretch(found.offset, found.end, (telegram,))


def _d0_values(telegram: D0Telegram, data_set: DataSet) -> list[Value]:
    """All values of an address; one that is the time of the maximum before it is that value's time."""
    code = telegram.obis(data_set)
    obis = data_set.address if code is None else format_obis(code)
    name = name_of(obis)
    *_, last = data_set.values
    time = _maximum_time(last.text) if len(data_set.values) == 2 and not last.unit else None
    values = data_set.values if time is None else data_set.values[:-1]
    return [Value(obis, name, str(each.content), _unit(each.unit), time=time) for each in values]


def _maximum_time(text: str) -> str | None:
    if not _MAXIMUM_TIME.fullmatch(text):
        return None
    try:
        return dt.datetime.strptime(text, "%y%m%d%H%M").strftime("%Y-%m-%dT%H:%M:%S")  # noqa: DTZ007 - the meter's
    except ValueError:
        return None


def _unit(sent: str) -> str | None:
    return unit_name(sent) or sent or None


def find_p1(data: bytes, keys: Keys) -> Iterator[Stretch]:
    key = keys.key if is_encrypted(data) else None  # a key does not forbid plain telegrams
    receiver = P1Receiver(key=key, authentication_key=keys.authentication_key)
    for chunk in chunks(data):
        yield from map(_p1_stretch, receiver.receive_data(chunk))
    yield from map(_p1_stretch, receiver.receive_end())


def _p1_stretch(found: P1Telegram | ProtocolError) -> Stretch:
    if isinstance(found, ProtocolError):
        return damaged(found)
    values = [_p1_value(found, value) for value in found.values]
    values += [value for log in found.logs for value in _log_values(log)]
    telegram = Telegram(found.serial or None, _p1_time(found.time), tuple(values))
    return Stretch(found.offset, found.end, (telegram,))


def _p1_value(telegram: P1Telegram, value: P1Value) -> Value:
    obis = format_obis(value.obis)
    name = name_of(obis) or _channel_name(telegram, value)
    return Value(obis, name, str(value.value), _unit(value.unit), time=_p1_time(value.time))


def _channel_name(telegram: P1Telegram, value: P1Value) -> str | None:
    """The counter of a meter behind this one, by its medium: 0-1:24.2.1 only tells the channel."""
    medium = next((each.medium for each in telegram.channels if value in each.values), None)
    return _CHANNEL_NAMES.get((medium or 0, value.obis[4], _unit(value.unit) or ""))


def _log_values(log: P1Log) -> Iterator[Value]:
    """What a log's rows hold, each value with the time that stands before it."""
    obis = log.objects[-1] if log.objects else log.address
    for row in log.rows:
        time: P1Time | None = None
        for cell in row:
            if isinstance(cell, P1Time):
                time = cell
            else:
                yield Value(obis, name_of(obis), str(cell.content), _unit(cell.unit), time=_p1_time(time))


def _p1_time(time: P1Time | None) -> str | None:
    """The meter's local time. Its zone is the country's, and that no telegram tells."""
    return None if time is None else dt.datetime(*time[:6]).isoformat()  # noqa: DTZ001 - the meter's own


def decrypted(data: bytes, stretch: Stretch, keys: Keys) -> bytes:
    """The telegram inside of an encrypted P1 frame; empty where the keys do not open it."""
    if keys.key is None:
        return b""
    receiver = CipheredReceiver(keys.key, keys.authentication_key)
    found = receiver.receive_data(data[stretch.start : stretch.end])
    return next((frame.plaintext for frame in found if isinstance(frame, CipheredFrame)), b"")
