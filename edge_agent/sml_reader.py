"""From SML telegrams to readings. Pure: no I/O, no clock. The rules are those of edge_agent.readers."""

from __future__ import annotations

from config.catalogue import step_exponent
from config.model import MeterConfig
from config.profile import DeviceProfile, Object
from edge_agent.reading import Reading
from edge_agent.reading_values import finish, make_series, object_exponent
from edge_agent.serials import server_id_text
from protocols.obis import parse_obis
from protocols.quantities import by_name
from protocols.sml import SmlTelegram
from protocols.sml.messages import SmlValue
from protocols.units import DLMS_UNITS, conversion
from protocols.value import NullCause, Quality, Scaled

STATUS_BYTES_MAX = 8


class SmlReader:
    """One meter that pushes SML: how a telegram becomes readings.

    It remembers which objects have come since the start. Those, and what the configuration names, get a
    reading in every slot: what is missing in a telegram is NOT_SENT. Until the first telegram nobody
    knows what the meter has, so that a meter silent from the start has nulls in all its series.
    """

    def __init__(self, profile: DeviceProfile, meter: MeterConfig, first_series: int) -> None:
        named = meter.quantities
        objects = [entry for entry in profile.objects if not named or entry.quantity in named]
        self.series = tuple(make_series(entry.quantity, object_exponent(entry), meter) for entry in objects)
        self._numbers = {parse_obis(entry.obis): first_series + n for n, entry in enumerate(objects)}
        self._objects = {parse_obis(entry.obis): entry for entry in objects}
        self._expected = set(self._objects) if named else set()
        self._serial_configured = bool(meter.serial)

    def decode(self, telegram: SmlTelegram, due_ms: int, time_ms: int) -> list[Reading]:
        """Readings of all objects that this meter is known to send, in the order of the profile."""
        sent: dict[bytes, SmlValue] = {}
        for item in telegram.values:
            sent.setdefault(item.obis, item)
        self._expected |= sent.keys() & self._objects.keys()
        unverifiable = self._serial_configured and not telegram.server_id
        base = int(Quality.IDENTITY_UNVERIFIED if unverifiable else Quality.GOOD)
        readings = []
        for obis, entry in self._objects.items():
            if obis in self._expected:
                value, remark = _sml_value(entry, sent.get(obis))
                remark = remark if value is None else remark | base
                readings.append(Reading(self._numbers[obis], due_ms, time_ms, value, remark))
        return readings

    def nulls(self, due_ms: int, time_ms: int, cause: NullCause) -> list[Reading]:
        """A null for each object that this meter is known to send; for all, before it sent any."""
        expected = self._expected or self._objects.keys()
        numbers = [number for obis, number in self._numbers.items() if obis in expected]
        return [Reading(number, due_ms, time_ms, None, int(cause)) for number in numbers]

    def serial_of(self, telegram: SmlTelegram) -> str:
        """The meter's id as printed on it ("1EMH0010599732"), else its bytes in hexadecimal."""
        return server_id_text(telegram.server_id)


def _sml_value(entry: Object, item: SmlValue | None) -> tuple[Scaled | None, int]:
    """The value in the registry's unit and its quality, or None and the cause."""
    if item is None:
        return None, int(NullCause.NOT_SENT)
    if item.value is None:
        return None, int(NullCause.NOT_AVAILABLE)
    quantity = by_name(entry.quantity)
    number = _state(item.value) if quantity.kind == "state" else item.value
    if not isinstance(number, Scaled):
        return None, int(NullCause.CORRUPT)  # text or a flag where a number belongs
    try:
        factor = conversion(DLMS_UNITS.get(item.unit or 255, ""), quantity.unit)
    except ValueError:
        return None, int(NullCause.CORRUPT)  # a unit that cannot be of this quantity: no guessing
    step = step_exponent(entry.resolution) if quantity.kind == "gauge" else None
    return finish(number.times(factor), object_exponent(entry), step)


def _state(value: Scaled | bytes | bool) -> Scaled | None:
    """A status word as one integer, bytes most significant first; None for what is too long to be one."""
    if isinstance(value, bytes):
        return Scaled(int.from_bytes(value, "big"), 0) if len(value) <= STATUS_BYTES_MAX else None
    return value if isinstance(value, Scaled) else Scaled(int(value), 0)
