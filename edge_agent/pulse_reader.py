"""From a pulse input's count to readings. Pure: no I/O, no clock."""

from __future__ import annotations

from config.model import MeterConfig
from config.profile import DeviceProfile
from edge_agent.reading import Reading
from protocols.quantities import by_name
from protocols.s0 import parse_constant, step_exponent, unit_per_pulse
from protocols.units import conversion
from protocols.uplink.messages import Series
from protocols.value import NullCause, Quality, Scaled


class PulseReader:
    """One meter whose pulses are counted: one series, the meter's display.

    `step`: what a pulse stands for, in the unit of `quantity`. The mark on every value of a meter with a
    configured serial number says that a pulse output has none to compare.
    """

    def __init__(self, profile: DeviceProfile, meter: MeterConfig, first_series: int) -> None:
        """ValueError for a profile without [pulse]."""
        pulse = profile.pulse
        if pulse is None:
            raise ValueError(f"{profile.name} has no pulses")
        quantity = by_name(pulse.quantity)
        constant = parse_constant(meter.pulses_per_unit or pulse.pulses_per_unit)
        self.quantity = quantity
        self.step = unit_per_pulse(constant, conversion(pulse.unit, quantity.unit))
        self.series = (
            Series(
                quantity=quantity.number,
                exponent=step_exponent(self.step),
                interval_ms=meter.interval_s * 1000,
                offset_ms=meter.offset_s * 1000,
            ),
        )
        self._number = first_series
        self._base = Quality.IDENTITY_UNVERIFIED if meter.serial else Quality.GOOD

    def decode(self, display: Scaled, due_ms: int, time_ms: int, *, unwatched: bool = False) -> list[Reading]:
        """The display as a reading; `unwatched`: pulses since the reading before may be missing."""
        mark = Quality.UNWATCHED if unwatched else Quality.GOOD
        return [Reading(self._number, due_ms, time_ms, display, int(self._base | mark))]

    def nulls(self, due_ms: int, time_ms: int, cause: NullCause) -> list[Reading]:
        """A null for the one series."""
        return [Reading(self._number, due_ms, time_ms, None, int(cause))]
