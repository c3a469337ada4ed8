"""From DLMS pushes to readings, and what a line accepts as one. Pure: no I/O, no clock.

Rules:
- What the configuration promises is the least that is accepted: from a meter with a key nothing in plain
  text, from one with an authentication key nothing whose tag was not verified.
- Many meters spread what they have over lists of different periods (Norway: power every 2.5 s, voltages every
  10 s, counters each hour). So a slot has what came last since the slot before, each with the time it came.
- The rules on values are those of edge_agent.readers. A value without unit has that of its profile.
"""

from __future__ import annotations

from typing import NamedTuple

from config.catalogue import step_exponent
from config.keys import MeterKeys
from config.model import MeterConfig
from config.profile import DeviceProfile, Object
from edge_agent.reading import Reading
from edge_agent.reading_values import finish, make_series, object_exponent
from protocols.dlms import DlmsReceiver, DlmsTelegram, DlmsValue
from protocols.errors import DamagedTelegram, ProtocolError
from protocols.obis import parse_obis
from protocols.quantities import by_name
from protocols.units import DLMS_UNITS, conversion
from protocols.value import NullCause, Quality, Scaled


def dlms_receiver(keys: MeterKeys) -> LineReceiver:
    """For a meter with these keys; for one that has none, plain text."""
    return LineReceiver(keys)


class LineReceiver:
    """Pushes of one meter, of which only those come out that its keys allow."""

    def __init__(self, keys: MeterKeys) -> None:
        self._receiver = DlmsReceiver(keys.key, keys.authentication_key)
        self._wants_encrypted = keys.key is not None
        self._wants_authenticated = keys.authentication_key is not None

    def receive_data(self, data: bytes) -> list[DlmsTelegram | ProtocolError]:
        """As DlmsReceiver; dlms.plain and dlms.unauthenticated for what anybody could have sent."""
        return [self._judged(item) for item in self._receiver.receive_data(data)]

    def receive_end(self) -> list[DlmsTelegram | ProtocolError]:
        """As DlmsReceiver."""
        return [self._judged(item) for item in self._receiver.receive_end()]

    def missing_bytes(self) -> int:
        """As DlmsReceiver."""
        return self._receiver.missing_bytes()

    def _judged(self, item: DlmsTelegram | ProtocolError) -> DlmsTelegram | ProtocolError:
        if isinstance(item, ProtocolError) or item.authenticated:
            return item
        if self._wants_encrypted and not item.encrypted:
            code, text = "dlms.plain", "a telegram in plain text, from a meter with a key"
        elif self._wants_authenticated:
            code, text = (
                "dlms.unauthenticated",
                "a telegram without tag, from a meter with an authentication key",
            )
        else:
            return item
        return DamagedTelegram(code, text, item.offset, item.offset, item.end)


class _Heard(NamedTuple):
    """A value and when it came, on the boot axis."""

    value: DlmsValue
    time_ms: int


class DlmsReader:
    """One meter that pushes DLMS: how telegrams become readings.

    Like SmlReader, it remembers which objects have come since the start: those, and what the configuration
    names, get a reading in every slot.
    """

    def __init__(self, profile: DeviceProfile, meter: MeterConfig, first_series: int) -> None:
        named = meter.quantities
        objects = [entry for entry in profile.objects if not named or entry.quantity in named]
        self.series = tuple(make_series(entry.quantity, object_exponent(entry), meter) for entry in objects)
        self._objects = {parse_obis(entry.address or entry.obis): entry for entry in objects}
        self._numbers = {obis: first_series + place for place, obis in enumerate(self._objects)}
        self._expected = set(self._objects) if named else set()
        self._heard: dict[bytes, _Heard] = {}
        self._told = ""
        self._serial_configured = bool(meter.serial)

    def note(self, telegram: DlmsTelegram, time_ms: int) -> None:
        """A telegram came, in a slot or between two."""
        for item in telegram.values:
            if item.obis in self._objects:
                self._heard[item.obis] = _Heard(item, time_ms)
        self._told = telegram.meter or self._told

    def decode(self, telegram: DlmsTelegram, due_ms: int, time_ms: int) -> list[Reading]:
        """Readings of all objects that this meter is known to send, in the order of the profile."""
        self.note(telegram, time_ms)
        self._expected |= self._heard.keys()
        unverifiable = self._serial_configured and not self._told
        base = int(Quality.IDENTITY_UNVERIFIED if unverifiable else Quality.GOOD)
        readings = []
        for obis, entry in self._objects.items():
            if obis in self._expected:
                heard = self._heard.get(obis)
                value, remark = _value(entry, None if heard is None else heard.value)
                remark = remark if value is None else remark | base
                came_ms = time_ms if heard is None else heard.time_ms
                readings.append(Reading(self._numbers[obis], due_ms, came_ms, value, remark))
        self._heard.clear()
        return readings

    def nulls(self, due_ms: int, time_ms: int, cause: NullCause) -> list[Reading]:
        """A null for each object that this meter is known to send; for all, before it sent any."""
        expected = self._expected or self._objects.keys()
        numbers = [number for obis, number in self._numbers.items() if obis in expected]
        return [Reading(number, due_ms, time_ms, None, int(cause)) for number in numbers]

    def serial_of(self, telegram: DlmsTelegram) -> str:
        """The meter's number as it tells it; of a list without number, as it told it before."""
        return telegram.meter or self._told


def _value(entry: Object, item: DlmsValue | None) -> tuple[Scaled | None, int]:
    """The value in the registry's unit and its quality, or None and the cause."""
    if item is None:
        return None, int(NullCause.NOT_SENT)
    if item.value is None:
        return None, int(NullCause.NOT_AVAILABLE)
    number = Scaled(int(item.value), 0) if isinstance(item.value, bool) else item.value
    if not isinstance(number, Scaled):
        return None, int(NullCause.CORRUPT)  # text where a number belongs
    quantity = by_name(entry.quantity)
    unit = entry.unit or "1" if item.unit is None else DLMS_UNITS.get(item.unit, "")
    try:
        factor = conversion(unit, quantity.unit)
    except ValueError:
        return None, int(NullCause.CORRUPT)  # a unit that cannot be of this quantity: no guessing
    step = step_exponent(entry.resolution) if quantity.kind == "gauge" else None
    return finish(number.times(factor), object_exponent(entry), step)
