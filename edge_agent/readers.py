"""From what a codec returns to readings, one reader for each protocol. Pure: no I/O, no clock.

Rules:
- Values are exact: integer x 10^exponent in the unit that the quantity registry names. A binary float
  becomes the shortest decimal that gives its bits again. Gauges are then quantised to the point's
  resolution, counters never.
- "No value" patterns, NaN and infinities become a null with its cause, never a number. What cannot be
  what its type says (a BCD digit above 9, a scale beyond its range) is a null, too: CORRUPT.
- Text is no reading. It tells which device this is, and is compared or shown, never sent as a series.
- The identity mark is for a device that offers nothing to compare a configured serial number with. Then
  it stands on every value of the meter, one rectangle. Where no serial number is configured, none is
  marked: the dictionary's empty serial says it once, for all readings, at no cost.
- What a pushing meter never sent is not reported, unless its configuration names the quantity.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple, Protocol

from config.catalogue import BIT_TABLES, MEDIA, REGISTERS_OF_SCALE, register_count, step_exponent
from config.load import Gateway, parse_time_ms
from config.model import MeterConfig
from config.profile import DeviceProfile, Point, WordOrder
from edge_agent.poll_plan import RegisterBlock, Span, plan_requests, span_of
from edge_agent.reading import Reading
from edge_agent.reading_values import FLOAT_EXPONENT_NOMINAL, finish, make_series
from protocols.quantities import Quantity, by_name
from protocols.units import conversion
from protocols.uplink.messages import DictionaryMeter, Series, SeriesTable
from protocols.value import NullCause, Quality, Scaled, from_binary32, from_binary64, parse_decimal

if TYPE_CHECKING:
    from protocols.sunspec import Walk

LAST_DIGIT_DEFAULT = "0.01"  # of a float counter, in its registry unit

SCALE_POWER_MAX = 10  # SunSpec: sunssf is -10 to 10
SCALE_NOT_IMPLEMENTED = b"\x80\x00"  # SunSpec: of sunssf

_STRUCT_OF_INTEGER = {"u16": ">H", "i16": ">h", "u32": ">I", "i32": ">i", "u64": ">Q", "i64": ">q"}


class _Channel(NamedTuple):
    """How the raw value of one series becomes a value in its quantity's unit."""

    series: int
    factor: Scaled
    exponent: int  # as the dictionary states it
    step: int | None  # exponent to quantise to; None: as it is
    exhausted_from: int  # biased binary32 exponent from which the last digit is lost
    not_available: frozenset[bytes]


class ModbusReader:
    """One Modbus meter: what to read, and how the registers become readings.

    `series` are the dictionary's entries of this meter, numbered from `first_series` on, in the order of
    the profile. `identity_block` is None where the device offers no serial number. Of a SunSpec device
    (`edge_agent/sunspec_reader.py`) all but the series depends on what is found in it.
    """

    def __init__(self, profile: DeviceProfile, meter: MeterConfig, first_series: int) -> None:
        wanted = meter.quantities
        points = _first_of_each(p for p in profile.points if not wanted or p.quantity in wanted)
        self.series = tuple(make_series(point.quantity, _exponent(point), meter) for point in points)
        self._serial_configured = bool(meter.serial)
        self._numbers = {point.quantity: first_series + place for place, point in enumerate(points)}
        self.points = tuple(points)
        self._lay_out(profile, points)

    def _lay_out(self, profile: DeviceProfile, points: Sequence[Point]) -> None:
        """Read each quantity where its point says."""
        self.identity_block = _identity_block(profile)
        self._limits = profile.limits
        self._documented = _documented(profile)
        self._identity = profile.identity
        unverifiable = self._serial_configured and profile.identity is None
        self._base = int(Quality.IDENTITY_UNVERIFIED if unverifiable else Quality.GOOD)
        self._channels = {p.quantity: _modbus_channel(p, self._numbers[p.quantity]) for p in points}
        self.blocks = self.plan(points)

    def find(self) -> Walk | None:
        """The reads that tell where this device has its points; None: that is known."""
        return None

    def place(self, points: Sequence[Point]) -> Sequence[Point]:
        """The points as they lie in this device."""
        return points

    def has_moved(self, _block: RegisterBlock, _data: bytes) -> bool:
        """Whether an answer shows that the points lie elsewhere by now."""
        return False

    def forget(self) -> None:
        """The device was lost: whoever answers next may have its points elsewhere."""

    def plan(self, points: Sequence[Point], refused: Iterable[Span] = ()) -> tuple[RegisterBlock, ...]:
        """The fewest requests for some of its points; `refused`: what the device does not give in one."""
        return plan_requests(points, self._limits, self._documented, refused)

    def series_of(self, point: Point) -> int:
        """The number of a point's series."""
        return self._numbers[point.quantity]

    def decode(self, block: RegisterBlock, data: bytes, due_ms: int, time_ms: int) -> list[Reading]:
        """One reading for each point of the block, from the answer's data bytes.

        ValueError where `data` is not as long as the block: the codec must have seen to that.
        """
        bits = block.table in BIT_TABLES
        size = (block.count + 7) // 8 if bits else 2 * block.count
        if len(data) != size:
            raise ValueError(f"{len(data)} bytes for a block of {size}")
        readings = []
        for point in block.points:
            place = point.address - block.address
            raw = _bit(data, place) if bits else _raw(data, place, register_count(point), point.order)
            channel = self._channels[point.quantity]
            value, remark = _modbus_value(channel, point, raw, _scale_raw(block, point, data))
            remark = remark if value is None else remark | self._base
            readings.append(Reading(channel.series, due_ms, time_ms, value, remark))
        return readings

    def nulls(
        self, due_ms: int, time_ms: int, cause: NullCause, blocks: Iterable[RegisterBlock] | None = None
    ) -> list[Reading]:
        """A null for each point of these blocks, or of all."""
        wanted = self.blocks if blocks is None else blocks
        points = [point for block in wanted for point in block.points]
        numbers = [self._channels[point.quantity].series for point in points]
        return [Reading(number, due_ms, time_ms, None, int(cause)) for number in numbers]

    def decode_serial(self, data: bytes) -> str:
        """The serial number in digits or as text, or "" where the device has none set (all bits 0 or 1)."""
        identity = self._identity
        if identity is None:
            raise ValueError("this device offers no serial number")
        raw = _raw(data, 0, register_count(identity), identity.order)
        if set(raw) in ({0}, {0xFF}):
            return ""
        if identity.type == "string":
            text = raw.decode("latin-1").replace("\0", " ")
            return "".join(character for character in text if character.isprintable()).strip()
        if identity.type.startswith("bcd"):
            return raw.hex().lstrip("0").upper()
        return str(int.from_bytes(raw, "big"))


class Reader(Protocol):
    """One configured meter: from what its codec returns to readings."""

    @property
    def series(self) -> tuple[Series, ...]:
        """The meter's entries in the dictionary."""


def readers(gateway: Gateway) -> tuple[Reader, ...]:
    """A reader for each configured meter, in the order of the file, series numbered through."""
    made: list[Reader] = []
    first = 0
    for meter in gateway.file.meters:
        profile = gateway.profile_of(meter)
        reader = make_reader(profile, meter, first)
        made.append(reader)
        first += len(reader.series)
    return tuple(made)


def make_reader(  # noqa: PLR0911  one for each protocol
    profile: DeviceProfile, meter: MeterConfig, first_series: int
) -> Reader:
    """The meter's reader. Codecs are loaded when the first meter of their protocol is met: memory."""
    match profile.protocol:
        case "sml":
            from edge_agent.sml_reader import SmlReader

            return SmlReader(profile, meter, first_series)
        case "d0":
            from edge_agent.text_readers import D0Reader

            return D0Reader(profile, meter, first_series)
        case "p1":
            from edge_agent.text_readers import P1Reader

            return P1Reader(profile, meter, first_series)
        case "dlms":
            from edge_agent.dlms_reader import DlmsReader

            return DlmsReader(profile, meter, first_series)
        case "s0":
            from edge_agent.pulse_reader import PulseReader

            return PulseReader(profile, meter, first_series)
        case "mbus":
            from edge_agent.mbus_reader import MbusReader

            return MbusReader(profile, meter, first_series)
    if any(point.models for point in profile.points):
        from edge_agent.sunspec_reader import SunspecReader

        return SunspecReader(profile, meter, first_series)
    return ModbusReader(profile, meter, first_series)


def series_table(gateway: Gateway) -> SeriesTable:
    """The dictionary's table: one entry for each configured meter, in the order of the file.

    A meter's first series number is the count of series of the meters before it (`first_series`).
    """
    return tuple(
        _dictionary_meter(meter, gateway.profile_of(meter), reader.series)
        for meter, reader in zip(gateway.file.meters, readers(gateway), strict=True)
    )


def first_series(table: SeriesTable) -> tuple[int, ...]:
    """The number of each meter's first series."""
    counts = [len(meter.series) for meter in table]
    return tuple(sum(counts[:place]) for place in range(len(counts)))


def _dictionary_meter(
    meter: MeterConfig, profile: DeviceProfile, series: Sequence[Series]
) -> DictionaryMeter:
    return DictionaryMeter(
        id=meter.id,
        metering_point=meter.metering_point,
        serial=meter.serial,
        maker=profile.maker,
        model=profile.name,
        medium=int(MEDIA[profile.medium]),
        ratio=meter.ratio,
        valid_from_ms=parse_time_ms(meter.valid_from),
        series=tuple(series),
    )


def _documented(profile: DeviceProfile) -> tuple[Span, ...]:
    """All that the device has, so far as its profile knows."""
    spans = [span_of(point) for point in profile.points]
    if (identity := profile.identity) is not None:
        spans.append(Span(identity.table, identity.address, identity.address + register_count(identity)))
    return tuple(spans)


def _first_of_each(points: Iterable[Point]) -> list[Point]:
    """Of points that give one quantity, in different SunSpec models, the first."""
    first: dict[str, Point] = {}
    for point in points:
        first.setdefault(point.quantity, point)
    return list(first.values())


def _identity_block(profile: DeviceProfile) -> RegisterBlock | None:
    identity = profile.identity
    if identity is None:
        return None
    return RegisterBlock(identity.table, identity.address, register_count(identity), ())


def _factor(point: Point, quantity: Quantity) -> Scaled:
    """Raw value to registry unit."""
    return parse_decimal(point.scale).times(conversion(point.unit, quantity.unit))


def _step(point: Point, quantity: Quantity) -> int | None:
    """The exponent in the registry unit that a gauge is quantised to; None for all that is exact."""
    step = step_exponent(point.resolution)
    if step is None or quantity.kind != "gauge":
        return None
    return step + conversion(point.unit, quantity.unit).exponent


def _exponent(point: Point) -> int:
    """The exponent that the dictionary states: that of nearly all values. The sealer refines it."""
    quantity = by_name(point.quantity)
    step = _step(point, quantity)
    if step is not None:
        return step
    moving = point.type in ("f32", "f64") or point.scale_register is not None
    return FLOAT_EXPONENT_NOMINAL if moving else _factor(point, quantity).exponent


def _modbus_channel(point: Point, number: int) -> _Channel:
    quantity = by_name(point.quantity)
    return _Channel(
        series=number,
        factor=_factor(point, quantity),
        exponent=_exponent(point),
        step=_step(point, quantity),
        exhausted_from=_exhausted_from(point, quantity),
        not_available=frozenset(bytes.fromhex(pattern) for pattern in point.not_available),
    )


def _exhausted_from(point: Point, quantity: Quantity) -> int:
    """The biased exponent e of a binary32 from which neighbours, 2^(e - 150) apart, lie further apart than
    the counter's last digit; 256, which none has, for what is no binary32 counter."""
    if point.type != "f32" or quantity.kind != "counter":
        return 256
    factor = _fraction(parse_decimal(point.scale))
    if point.resolution:
        last_digit = _fraction(parse_decimal(point.resolution))
    else:
        last_digit = _fraction(parse_decimal(LAST_DIGIT_DEFAULT)) / _fraction(
            conversion(point.unit, quantity.unit)
        )
    return _first_wider(last_digit / abs(factor))


@functools.cache
def _first_wider(spacing: Fraction) -> int:
    """The least biased exponent whose neighbours lie further apart; few spacings are asked for."""
    return next((biased for biased in range(256) if Fraction(2) ** (biased - 150) > spacing), 256)


def _fraction(value: Scaled) -> Fraction:
    return Fraction(value.integer) * Fraction(10) ** value.exponent


def _raw(data: bytes, place: int, count: int, order: WordOrder) -> bytes:
    """The value's bytes, most significant first, from the registers at `place`."""
    raw = data[2 * place : 2 * (place + count)]
    if order in ("big-swapped", "little"):  # "little" is all bytes turned round, but for those in a register
        raw = b"".join(raw[start : start + 2][::-1] for start in range(0, len(raw), 2))
    return raw[::-1] if order.startswith("little") else raw


def _bit(data: bytes, place: int) -> bytes:
    """One bit, the first in the lowest of the first byte (V1.1b3, 6.1), as a u16."""
    return bytes((0, data[place // 8] >> place % 8 & 1))


def _scale_raw(block: RegisterBlock, point: Point, data: bytes) -> bytes:
    """The bytes of the point's scale register; none where it has none."""
    scale = point.scale_register
    if scale is None:
        return b""
    return _raw(data, scale.address - block.address, REGISTERS_OF_SCALE[scale.type], "big")


def _modbus_value(channel: _Channel, point: Point, raw: bytes, scale: bytes) -> tuple[Scaled | None, int]:
    """The value and its quality, or None and the cause."""
    if raw in channel.not_available:
        return None, int(NullCause.NOT_AVAILABLE)
    factor = _scaled(channel.factor, point, scale)
    number = _number(point, raw)
    if isinstance(factor, NullCause):
        return None, int(factor)
    if isinstance(number, NullCause):
        return None, int(number)
    exhausted = point.type == "f32" and _biased_exponent(raw) >= channel.exhausted_from
    quality = Quality.FLOAT_EXHAUSTED if exhausted else Quality.GOOD
    return finish(number.times(factor), channel.exponent, channel.step, quality)


def _number(point: Point, raw: bytes) -> Scaled | NullCause:
    """The registers' number as it stands, or why there is none."""
    kind = point.type
    if kind in _STRUCT_OF_INTEGER:
        return Scaled(struct.unpack(_STRUCT_OF_INTEGER[kind], raw)[0], 0)
    if kind == "bits":
        return Scaled(int.from_bytes(raw, "big") >> point.bit & (1 << point.bits) - 1, 0)
    if kind.startswith("bcd"):
        digits = raw.hex()
        return Scaled(int(digits), 0) if digits.isdecimal() else NullCause.CORRUPT
    number = from_binary32(raw) if kind == "f32" else from_binary64(raw)
    return NullCause.NOT_AVAILABLE if number is None else number


def _scaled(factor: Scaled, point: Point, raw: bytes) -> Scaled | NullCause:
    """The factor times what the point's scale register, if it has one, says at present."""
    if point.scale_register is None:
        return factor
    kind = point.scale_register.type
    if kind.startswith("factor"):
        multiple = int.from_bytes(raw, "big")
        return factor.times(Scaled(multiple, 0)) if multiple else NullCause.CORRUPT
    if kind == "power-i16" and raw == SCALE_NOT_IMPLEMENTED:
        return NullCause.NOT_AVAILABLE
    power = int.from_bytes(raw if kind == "power-i16" else raw[1:], "big", signed=True)
    return factor.times(Scaled(1, power)) if abs(power) <= SCALE_POWER_MAX else NullCause.CORRUPT


def _biased_exponent(raw: bytes) -> int:
    return (raw[0] & 0x7F) << 1 | raw[1] >> 7
