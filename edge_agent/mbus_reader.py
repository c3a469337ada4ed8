"""From M-Bus telegrams to readings, and whether a telegram comes from the right device. Pure: no I/O, no
clock.

Rules:
- A record is picked by all that the profile says of it; the telegram brings the power of ten, so values are
  exact.
- What a record says of itself (no data, an error, no digits) makes a null with its cause, never a number.
- What a meter never sent is not reported, unless its configuration names the quantity.
- A telegram's header is compared with the profile and the configured serial number; where it has neither
  maker nor number (records alone), the values are marked as of an unverified device.
"""

from __future__ import annotations

from collections.abc import Sequence

from config.catalogue import step_exponent
from config.model import MeterConfig
from config.profile import DeviceProfile, Record
from edge_agent.reading import Reading
from edge_agent.reading_values import finish, make_series, object_exponent
from protocols.mbus.records import MbusRecord
from protocols.mbus.telegram import MbusTelegram
from protocols.quantities import by_name
from protocols.units import conversion
from protocols.value import NullCause, Quality, Scaled

_NO_VALUE = ("no_data", "not_available", "no_data_available")  # all other reasons: something is wrong with it


class MbusReader:
    """One M-Bus meter: how its telegrams become readings. `series` are its entries in the dictionary,
    numbered from `first_series` on, in the order of the profile."""

    def __init__(self, profile: DeviceProfile, meter: MeterConfig, first_series: int) -> None:
        named = meter.quantities
        self._records = [record for record in profile.records if not named or record.quantity in named]
        self.series = tuple(make_series(r.quantity, object_exponent(r), meter) for r in self._records)
        self._identification = profile.identification
        self._profile = profile.name
        self._first = first_series
        self._expected = set(range(len(self._records))) if named else set()
        self._serial_configured = bool(meter.serial)

    def decode(self, telegrams: Sequence[MbusTelegram], due_ms: int, time_ms: int) -> list[Reading]:
        """Readings of all records that this meter is known to send, in the order of the profile."""
        sent = self._picked(telegrams)
        self._expected |= sent.keys()
        unverifiable = self._serial_configured and not any(telegram.id for telegram in telegrams)
        base = int(Quality.IDENTITY_UNVERIFIED if unverifiable else Quality.GOOD)
        readings = []
        for place in sorted(self._expected):
            value, remark = _value(self._records[place], sent.get(place))
            remark = remark if value is None else remark | base
            readings.append(Reading(self._first + place, due_ms, time_ms, value, remark))
        return readings

    def nulls(self, due_ms: int, time_ms: int, cause: NullCause) -> list[Reading]:
        """A null for each record that this meter is known to send; for all, before it sent any."""
        places = sorted(self._expected) or range(len(self._records))
        return [Reading(self._first + place, due_ms, time_ms, None, int(cause)) for place in places]

    def is_complete(self, telegrams: Sequence[MbusTelegram]) -> bool:
        """Whether all that is wanted has come, so that no further telegram need be asked for."""
        return len(self._picked(telegrams)) == len(self._records)

    def misfit(self, telegram: MbusTelegram) -> str:
        """Why the sender cannot be a meter of this profile; "" where it can, or where it does not say."""
        known = self._identification
        if known is None or not telegram.id:
            return ""
        maker, version, medium = telegram.manufacturer, telegram.version, telegram.medium
        right = (
            (not maker or not known.makers or maker in known.makers)
            and (not maker or not known.versions or version in known.versions)
            and medium in known.media
        )
        if right:
            return ""
        media = ", ".join(f"{each:02X}" for each in known.media)
        wanted = f"{'/'.join(known.makers) or 'any maker'}, medium {media}"
        told = f"{telegram.id}.{maker or '?'}.{version:02X}.{medium:02X}"
        return f"profile {self._profile} is for {wanted}; the device says {told}"

    def _picked(self, telegrams: Sequence[MbusTelegram]) -> dict[int, MbusRecord]:
        """The first record of each kind that is wanted, by its place in the profile."""
        found: dict[int, MbusRecord] = {}
        for place, wanted in enumerate(self._records):
            for telegram in telegrams:
                record = next((each for each in telegram.records if _is_wanted(wanted, each)), None)
                if record is not None:
                    found.setdefault(place, record)
        return found


def _is_wanted(wanted: Record, record: MbusRecord) -> bool:
    return (
        (record.kind, record.unit, record.function) == (wanted.kind, wanted.unit, wanted.function)
        and (record.storage, record.tariff, record.subunit) == (wanted.storage, wanted.tariff, wanted.subunit)
        and record.qualifiers == wanted.qualifiers
    )


def _value(wanted: Record, record: MbusRecord | None) -> tuple[Scaled | None, int]:
    """The value in the registry's unit and its quality, or None and the cause."""
    if record is None:
        return None, int(NullCause.NOT_SENT)
    if record.value is None and record.reason in _NO_VALUE:
        return None, int(NullCause.NOT_AVAILABLE)
    if not isinstance(record.value, Scaled):
        return None, int(NullCause.CORRUPT)
    quantity = by_name(wanted.quantity)
    factor = Scaled(1, 0) if quantity.kind == "state" else conversion(record.unit, quantity.unit)
    step = step_exponent(wanted.resolution) if quantity.kind == "gauge" else None
    return finish(record.value.times(factor), object_exponent(wanted), step)
