"""What the readers of all protocols share: exponents, and what is too odd to be a value. Pure."""

from __future__ import annotations

from config.catalogue import step_exponent
from config.model import MeterConfig
from config.profile import Object, Record
from protocols.quantities import by_name
from protocols.uplink.messages import Series
from protocols.value import NullCause, Quality, Scaled

FLOAT_EXPONENT_NOMINAL = -3  # of float counters, of float gauges without a resolution, of what is scaled anew
OBJECT_COUNTER_EXPONENT = -4  # 0.1 Wh in kWh, the finest that the recorded SML meters send
EXPONENT_MIN = -18  # smaller digits are no meter's: integers that are read as floats look like that
BITS_MAX = 63  # of a value at its dictionary exponent; what is greater is of a wrong type or word order


def make_series(name: str, exponent: int, meter: MeterConfig) -> Series:
    """The dictionary's entry of one quantity of a meter."""
    return Series(
        quantity=by_name(name).number,
        exponent=exponent,
        interval_ms=meter.interval_of_s(name) * 1000,
        offset_ms=meter.offset_s * 1000,
    )


def object_exponent(entry: Object | Record) -> int:
    """The exponent that the dictionary states for a value whose telegram brings its own scale."""
    step = step_exponent(entry.resolution)
    kind = by_name(entry.quantity).kind
    if kind == "gauge":
        return FLOAT_EXPONENT_NOMINAL if step is None else step
    return OBJECT_COUNTER_EXPONENT if kind in ("counter", "interval") else 0


def finish(
    value: Scaled, exponent: int, step: int | None, quality: Quality = Quality.GOOD
) -> tuple[Scaled | None, int]:
    """Quantise, and see that the value can be one: else it is marked, or is no value at all."""
    if value.integer and len(str(abs(value.integer))) + value.exponent <= EXPONENT_MIN:
        value, quality = value.quantised(EXPONENT_MIN).normalised(), quality | Quality.IMPLAUSIBLE
    if step is not None:
        value = value.quantised(step)
    surplus = max(0, value.exponent - exponent)
    if (abs(value.integer) * 10**surplus).bit_length() > BITS_MAX:
        return None, int(NullCause.CORRUPT)
    return value, int(quality)
