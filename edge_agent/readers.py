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
import re
import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

from config.catalogue import BIT_TABLES, MEDIA, REGISTERS_OF_SCALE, register_count, step_exponent
from config.load import Gateway, parse_time_ms
from config.model import MeterConfig
from config.profile import DeviceProfile, Object, Point, WordOrder
from edge_agent.poll_plan import RegisterBlock, plan_requests
from edge_agent.pulse_reader import PulseReader
from edge_agent.reading import Reading
from edge_agent.reading_values import FLOAT_EXPONENT_NOMINAL, finish, make_series, object_exponent
from edge_agent.text_readers import D0Reader, P1Reader
from protocols.obis import parse_obis
from protocols.quantities import Quantity, by_name
from protocols.sml import SmlTelegram
from protocols.sml.messages import SmlValue
from protocols.units import DLMS_UNITS, conversion
from protocols.uplink.messages import DictionaryMeter, Series, SeriesTable
from protocols.value import NullCause, Quality, Scaled, from_binary32, from_binary64, parse_decimal

LAST_DIGIT_DEFAULT = "0.01"  # of a float counter, in its registry unit
STATUS_BYTES_MAX = 8

SCALE_POWER_MAX = 10  # SunSpec: sunssf is -10 to 10
SCALE_NOT_IMPLEMENTED = b"\x80\x00"  # SunSpec: of sunssf

_SERVER_ID = re.compile(r"[0-9A-F]{20}")
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
    the profile. `identity_block` is None where the device offers no serial number.
    """

    def __init__(self, profile: DeviceProfile, meter: MeterConfig, first_series: int) -> None:
        points = [p for p in profile.points if not meter.quantities or p.quantity in meter.quantities]
        self.series = tuple(make_series(point.quantity, _exponent(point), meter) for point in points)
        self.blocks = plan_requests(points, profile.limits)
        self.identity_block = _identity_block(profile)
        self._identity = profile.identity
        unverifiable = bool(meter.serial) and profile.identity is None
        self._base = int(Quality.IDENTITY_UNVERIFIED if unverifiable else Quality.GOOD)
        numbers = {point.quantity: first_series + place for place, point in enumerate(points)}
        self._channels = {p.quantity: _modbus_channel(p, numbers[p.quantity]) for p in points}

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


Reader = ModbusReader | SmlReader | D0Reader | P1Reader | PulseReader
_READERS: dict[str, type[Reader]] = {
    "modbus": ModbusReader,
    "sml": SmlReader,
    "d0": D0Reader,
    "p1": P1Reader,
    "s0": PulseReader,
}


def readers(gateway: Gateway) -> tuple[Reader, ...]:
    """A reader for each configured meter, in the order of the file, series numbered through."""
    made: list[Reader] = []
    first = 0
    for meter in gateway.file.meters:
        profile = gateway.profile_of(meter)
        reader = _READERS[profile.protocol](profile, meter, first)
        made.append(reader)
        first += len(reader.series)
    return tuple(made)


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


def same_serial(configured: str, read: str) -> bool:
    """Whether two serial numbers name the same device: blanks, case and leading zeros aside.

    A server id of SML may be given as printed or as its 20 hexadecimal digits.
    """
    return _plain_serial(configured) == _plain_serial(read) != ""


def server_id_text(server_id: bytes) -> str:
    """A server id of DIN 43863-5 as printed: `0A 01 45 4D 48 00 00A1BD34` is "1EMH0010599732".

    Ten bytes: length, medium, three letters of the maker, block, number. Others in hexadecimal.
    """
    maker = server_id[2:5]
    if len(server_id) != 10 or server_id[0] not in (9, 10) or not (maker.isalpha() and maker.isupper()):
        return server_id.hex().upper()
    number = int.from_bytes(server_id[6:], "big")
    return f"{server_id[1]:X}{maker.decode('ascii')}{server_id[5]:02X}{number:08d}"


def _plain_serial(text: str) -> str:
    plain = "".join(text.split()).upper()
    if _SERVER_ID.fullmatch(plain):
        plain = server_id_text(bytes.fromhex(plain))
    return plain.lstrip("0")


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
