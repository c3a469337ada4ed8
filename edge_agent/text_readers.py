"""From read-outs of IEC 62056-21 meters and P1 telegrams to readings. Pure: no I/O, no clock.

Rules:
- Values are exact, in the unit that the quantity registry names. A unit that cannot be of its quantity makes
  a null: no guessing. So does a measured quantity without unit, unless the profile states one.
- Of several objects with one address, those whose quantity the sent unit cannot be were not sent: a heat
  meter counts in kWh or in GJ.
- Text without a digit ("----") is a meter's way to say that it has no value: NOT_AVAILABLE.
- What a meter never sent is not reported, unless its configuration names the quantity.
- In P1, an object whose address begins with "0-n:" is the value of the first M-Bus channel that has the
  medium of its code, of all or of those that the configuration names. Those named and no others count: a
  meter that was exchanged often stays in the telegrams. The time of that value is not sent on: the uplink
  has no place for a meter's own time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

from config.catalogue import step_exponent
from config.model import MeterConfig
from config.profile import DeviceProfile, Object
from edge_agent.reading import Reading
from edge_agent.reading_values import finish, make_series, object_exponent
from edge_agent.serials import same_serial
from protocols.iec62056_21 import D0Telegram, unit_name
from protocols.obis import parse_obis
from protocols.p1 import Channel, P1Telegram
from protocols.quantities import by_name
from protocols.units import conversion
from protocols.value import NullCause, Quality, Scaled

ANY_CHANNEL = "0-n:"
T = TypeVar("T", D0Telegram, P1Telegram)
_DIGIT = re.compile(r"[0-9]")


class Sent(NamedTuple):
    """A value as it came: its number, None where it is none, its text and its unit as sent."""

    number: Scaled | None
    text: str
    unit: str


class _Telegram(NamedTuple):
    """What a telegram says, whichever protocol it came by. Keys: codes of six bytes, addresses as written,
    and for M-Bus channels "0-n:" and the medium."""

    serial: str
    sent: dict[bytes | str, Sent]


class TextReader(Generic[T]):
    """One meter that tells its objects as text: how a telegram becomes readings.

    Like SmlReader, it remembers which objects have come since the start: those, and what the configuration
    names, get a reading in every slot.
    """

    def __init__(self, profile: DeviceProfile, meter: MeterConfig, first_series: int) -> None:
        named = meter.quantities
        self._objects = [entry for entry in profile.objects if not named or entry.quantity in named]
        self.series = tuple(make_series(e.quantity, object_exponent(e), meter) for e in self._objects)
        self._first = first_series
        self._keys = [_key(entry) for entry in self._objects]
        self._expected = set(range(len(self._keys))) if named else set()
        self._serial_configured = bool(meter.serial)
        self._channels = meter.channels

    def decode(self, telegram: T, due_ms: int, time_ms: int) -> list[Reading]:
        """Readings of all objects that this meter is known to send, in the order of the profile."""
        serial, sent = _read(telegram, self._channels)
        found = [self._sent_for(place, sent) for place in range(len(self._keys))]
        self._expected |= {place for place, value in enumerate(found) if value is not None}
        unverifiable = self._serial_configured and not serial
        base = int(Quality.IDENTITY_UNVERIFIED if unverifiable else Quality.GOOD)
        readings = []
        for place, entry in enumerate(self._objects):
            if place in self._expected:
                value, remark = _value(entry, found[place])
                remark = remark if value is None else remark | base
                readings.append(Reading(self._first + place, due_ms, time_ms, value, remark))
        return readings

    def nulls(self, due_ms: int, time_ms: int, cause: NullCause) -> list[Reading]:
        """A null for each object that this meter is known to send; for all, before it sent any."""
        expected = sorted(self._expected) or range(len(self._keys))
        return [Reading(self._first + place, due_ms, time_ms, None, int(cause)) for place in expected]

    def _sent_for(self, place: int, sent: dict[bytes | str, Sent]) -> Sent | None:
        """What came for an object; None where the sent unit chose another object with its address."""
        key = self._keys[place]
        found = sent.get(key)
        if found is not None and self._keys.count(key) > 1 and _factor(self._objects[place], found) is None:
            return None
        return found

    def serial_of(self, telegram: T) -> str:
        """The meter's number as it tells it; "" where it tells none."""
        return _read(telegram, ()).serial


class D0Reader(TextReader[D0Telegram]):
    """An IEC 62056-21 meter, asked or pushing."""


class P1Reader(TextReader[P1Telegram]):
    """A meter with a P1 port, and what hangs on its M-Bus."""


def _key(entry: Object) -> bytes | str:
    code = parse_obis(entry.obis)
    if entry.address.startswith(ANY_CHANNEL):
        return f"{ANY_CHANNEL}{code[0]}"
    return entry.address or code


def _read(telegram: D0Telegram | P1Telegram, channels: Sequence[str]) -> _Telegram:
    return _read_p1(telegram, channels) if isinstance(telegram, P1Telegram) else _read_d0(telegram)


def _read_d0(telegram: D0Telegram) -> _Telegram:
    """The first value of each address: what follows it is the time of a maximum, or an earlier month's."""
    sent: dict[bytes | str, Sent] = {}
    for data_set in telegram.data_sets:
        value = data_set.values[0]
        found = Sent(value.number, value.text, value.unit)
        sent.setdefault(data_set.address, found)
        code = telegram.obis(data_set)
        if code is not None:
            sent.setdefault(code, found)
    return _Telegram(telegram.meter_id, sent)


def _read_p1(telegram: P1Telegram, channels: Sequence[str]) -> _Telegram:
    sent: dict[bytes | str, Sent] = {}
    for value in telegram.values:
        sent.setdefault(value.obis, Sent(value.number, str(value.value), value.unit))
    for data_set in telegram.data_sets:
        first = data_set.values[0]
        if len(data_set.values) == 1:
            sent.setdefault(data_set.address, Sent(first.number, first.text, first.unit))
    counting = [each for each in telegram.channels if not channels or _is_named(each, channels)]
    for channel in counting:
        for value in channel.values[:1]:
            key = f"{ANY_CHANNEL}{channel.medium}"
            sent.setdefault(key, Sent(value.number, str(value.value), value.unit))
    return _Telegram(telegram.serial, sent)


def _is_named(channel: Channel, names: Sequence[str]) -> bool:
    """Whether a channel is among those named by number or by serial number."""
    return any(name == str(channel.number) or same_serial(name, channel.serial) for name in names)


def _value(entry: Object, sent: Sent | None) -> tuple[Scaled | None, int]:
    """The value in the registry's unit and its quality, or None and the cause."""
    if sent is None:
        return None, int(NullCause.NOT_SENT)
    if not _DIGIT.search(sent.text):
        return None, int(NullCause.NOT_AVAILABLE)
    if sent.number is None:
        return None, int(NullCause.CORRUPT)
    quantity = by_name(entry.quantity)
    factor = _factor(entry, sent)
    if factor is None:
        return None, int(NullCause.CORRUPT)
    step = step_exponent(entry.resolution) if quantity.kind == "gauge" else None
    return finish(sent.number.times(factor), object_exponent(entry), step)


def _factor(entry: Object, sent: Sent) -> Scaled | None:
    """From the value as sent to the registry's unit; None where the one cannot be the other."""
    unit = (unit_name(sent.unit) or sent.unit) if sent.unit else entry.unit or "1"
    try:
        return conversion(unit, by_name(entry.quantity).unit)
    except ValueError:
        return None
