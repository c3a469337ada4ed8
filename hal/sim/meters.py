"""Simulated meters: device profiles brought to life as the server role of the codecs.

A meter's values are a pure function of its profile, serial number, seed and the elapsed time that is
passed in; there is no clock here. What a meter gave out, exactly as its registers hold it, goes to its
log: end-to-end proofs compare the backend's store with that.

Rules:
- the true value is what the encoded register says, not what it was computed from: a binary32 register's
  value is the shortest decimal of its bits;
- a counter's last digit moves on every ms (a binary32 cannot always follow), far faster than most loads:
  that no two reads are alike is worth more to a proof than a plausible bill. Where that would be beyond what
  the agent takes for possible, as with whole kWh, it moves more slowly. Gauges follow a load curve;
- a scale register moves between two values, and what stands in the registers with it: whoever reads the two
  apart gets it wrong by a factor of ten;
- a read that touches what the profile does not have is refused as a strict device would.
"""

from __future__ import annotations

import functools
import math
import random
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from config.catalogue import REGISTERS_OF_SCALE, register_count
from config.profile import (
    DeviceProfile,
    Identity,
    Object,
    Point,
    RegisterType,
    ScaleRegister,
    TypeCode,
    WordOrder,
)
from config.sunspec import has_models
from hal.sim.sunspec import lay_out
from protocols.iec62056_21 import DataSet, Identification, Station, Value, encode_push, unit_name
from protocols.modbus.identification import encode_part
from protocols.modbus.pdu import (
    ILLEGAL_ADDRESS,
    ILLEGAL_FUNCTION,
    ILLEGAL_VALUE,
    READ_HOLDING_REGISTERS,
    READ_INPUT_REGISTERS,
    IdentificationRequest,
    ReadRequest,
    ServerIdRequest,
    fault_of_request,
)
from protocols.obis import parse_obis
from protocols.p1 import encode_telegram as encode_p1
from protocols.p1.telegram import MEDIUM_OF_TYPE
from protocols.quantities import Quantity, by_name
from protocols.sml import SmlTime, SmlValue, encode_telegram
from protocols.units import DLMS_UNITS, conversion
from protocols.value import Scaled, from_binary32, from_binary64, parse_decimal

_TABLES = {READ_HOLDING_REGISTERS: "holding", READ_INPUT_REGISTERS: "input"}
_FORMATS = {
    "u16": ">H",
    "i16": ">h",
    "u32": ">I",
    "i32": ">i",
    "u64": ">Q",
    "i64": ">q",
    "f32": ">f",
    "f64": ">d",
}
_FLOATS = {"f32": from_binary32, "f64": from_binary64}
_GAUGES = {  # unit of the quantity: middle and half of the range of its load curve
    "V": (230.0, 4.0),
    "A": (6.0, 5.5),
    "W": (1300.0, 1200.0),
    "var": (200.0, 250.0),
    "VA": (1400.0, 1200.0),
    "Hz": (50.0, 0.03),
    "1": (0.93, 0.05),
    "deg": (120.0, 2.0),
    "degC": (21.0, 6.0),
    "m3/h": (1.2, 1.1),
    "bar": (3.0, 0.5),
    "%": (50.0, 20.0),
    "hPa": (1013.0, 20.0),
    "ppm": (700.0, 250.0),
    "dBm": (-85.0, 15.0),
}
_GAUGE_DEFAULT = (10.0, 5.0)
_MS_PER_UNIT = {"GJ": 100_000, "mm": 10_000}  # a counter of others takes at least 1 s for its unit
_MS_PER_UNIT_DEFAULT = 1000
_POWERS = ("W", "var", "VA")
_PHASES = 3  # by which a total is greater than the value of one phase
_PERIODS_S = ((86_400.0, 0.6), (900.0, 0.3), (7.0, 0.1))  # of the load curve, with their shares

COUNTER_START_MAX = 1_000_000  # last digits: an f32 in steps of 0.001 still resolves each one
FLOAT_COUNTER_DECIMALS = 3  # of the register's own unit, in a floating-point register
SCALE_STEP_MS = 7_000  # how often a scale register changes, as a meter's does with its load
SML_COUNTER_EXPONENT = -4  # 0.1 mWh a digit, as EasyMeter Q3A sends
SML_GAUGE_EXPONENT = -2
TEXT_DECIMALS = 3  # of all that D0 and P1 meters write here
STATE_STEP_MS = 60_000
TEXT_PROTOCOLS = ("d0", "p1")
SIM_MAKER = "SIM"
_TEXT_UNITS = {"W": "kW", "m3/h": "m3ph", "degC": "C"}  # as meters write these
_MODE_C_BAUDS = (300, 600, 1200, 2400, 4800, 9600, 19200)
SML_LIST_NAME = bytes((1, 0, 98, 10, 255, 255))  # 01 00 62 0A FF FF, as current eHZ name their list


class SimRead(NamedTuple):
    """What a meter gave out: exact decimals by quantity, in the quantity's unit. `unit` is 0 for a push."""

    serial: str
    unit: int
    elapsed_ms: int
    values: dict[str, str]


Log = Callable[[SimRead], None]


class Curve(NamedTuple):
    """What the seed decided for a quantity: where its counter began, and where in its waves it stands."""

    counter_start: int
    phases: tuple[float, ...]


class _Register(NamedTuple):
    """Where something stands in a register table: a point's value, a point's scale, or the serial number."""

    table: str
    address: int
    size_registers: int
    point: Point | None
    scale: ScaleRegister | None = None
    fixed: bytes = b""  # what stands there, where that is neither of the three


class SimMeter:
    """One device. `log` gets every answered read and pushed telegram.

    ValueError for a serial number that the profile's identity register or server id cannot hold, and
    for quantities and units that the registry does not know.
    """

    def __init__(self, profile: DeviceProfile, serial: str, seed: int, log: Log | None = None) -> None:
        fixed: list[_Register] = []
        if has_models(profile):
            profile, start, image = lay_out(profile, serial)
            fixed.append(_Register("holding", start, len(image) // 2, None, fixed=image))
        profile = msgspec.structs.replace(profile, objects=_of_one_unit(profile.objects))
        self.profile = profile
        self.serial = serial
        self._log = log
        names = [point.quantity for point in profile.points] + [item.quantity for item in profile.objects]
        self._quantities = {name: _registered(name) for name in names}
        self._curves = {name: chosen_curve(f"{seed} {serial} {name}") for name in names}
        self._registers = fixed + _registers(profile)
        self._serial_bytes = self._encode_serial()
        self._server_id = server_id_of(serial) if profile.protocol == "sml" else b""

    def values(self, elapsed_ms: int) -> dict[str, Scaled]:
        """The exact value of every quantity at that time, in the quantity's unit, as its encoding says."""
        modbus = {point.quantity: self._decoded(point, elapsed_ms) for point in self.profile.points}
        if self.profile.protocol in TEXT_PROTOCOLS:
            return {item.quantity: self._text_value(item, elapsed_ms)[1] for item in self.profile.objects}
        sml = {
            item.quantity: value.value.times(_factor(unit, self._quantities[item.quantity]))
            for item, value in zip(self.profile.objects, self._objects(elapsed_ms), strict=True)
            if isinstance(value.value, Scaled)
            and (unit := item.unit if value.unit is None else DLMS_UNITS[value.unit])
        }
        return modbus | sml

    def read(self, unit: int, read: ReadRequest, elapsed_ms: int) -> bytes | int:
        """The register data, or the exception code: 1 for coils, 2 for an unknown address, 3 for too many."""
        table = _TABLES.get(read.function)
        if table is None:
            return ILLEGAL_FUNCTION
        if (fault := fault_of_request(read)) is not None:
            return fault
        if read.count > self.profile.limits.registers_max:
            return ILLEGAL_VALUE
        touched = [
            register
            for register in self._registers
            if register.table == table
            and register.address < read.address + read.count
            and register.address + register.size_registers > read.address
        ]
        if not self._covers(touched, read):
            return ILLEGAL_ADDRESS
        self._report(unit, elapsed_ms, self._whole_values(touched, read, elapsed_ms))
        return self._image(touched, read, elapsed_ms)

    def name_plate(self) -> dict[int, bytes]:
        """The objects of the device identification, by number."""
        profile = self.profile
        texts = (profile.maker, profile.name, "1.0", "", profile.products[0], profile.name, self.serial)
        return {number: text.encode() for number, text in enumerate(texts)}

    def telegram(self, elapsed_ms: int) -> bytes:
        """A telegram with all objects of the profile, as the meter pushes it at that time."""
        if self.profile.protocol in TEXT_PROTOCOLS:
            return self._text_telegram(elapsed_ms)
        seconds = elapsed_ms // 1000
        sent = encode_telegram(
            self._server_id,
            self._objects(elapsed_ms),
            transaction=elapsed_ms & 0xFFFFFFFF,
            list_name=SML_LIST_NAME,
            time=SmlTime("index", seconds & 0xFFFFFFFF),
        )
        self._report(0, elapsed_ms, self.values(elapsed_ms))
        return sent

    def pushed(self, elapsed_ms: int) -> list[SmlValue]:
        """All objects of the profile, for a pusher that encodes them its own way."""
        self._report(0, elapsed_ms, self.values(elapsed_ms))
        return self._objects(elapsed_ms)

    def station(self, elapsed_ms: Callable[[], int], *, read_out_baud: int, address: str = "") -> Station:
        """The meter behind an optical head or on a current loop; ValueError for rates that mode C does not
        have."""
        character = str(_MODE_C_BAUDS.index(read_out_baud))
        identification = Identification(SIM_MAKER, character, self.profile.name[:16])
        return Station(identification, lambda: self._read_out(elapsed_ms()), address)

    def _read_out(self, elapsed_ms: int) -> list[DataSet]:
        self._report(0, elapsed_ms, self.values(elapsed_ms))
        return [DataSet("0.0", (Value(self.serial),)), *self._data_sets(elapsed_ms)]

    def _text_telegram(self, elapsed_ms: int) -> bytes:
        if self.profile.protocol == "d0":
            identification = Identification(SIM_MAKER, "5", self.profile.name[:16])
            return encode_push(identification, self._read_out(elapsed_ms))
        self._report(0, elapsed_ms, self.values(elapsed_ms))
        number = self.serial.encode("ascii").hex().upper()
        head = [DataSet("1-3:0.2.8", (Value("50"),)), DataSet("0-0:96.1.1", (Value(number),))]
        identification = Identification(SIM_MAKER, "5", self.profile.name[:16], "\\2")
        return encode_p1(identification, [*head, *self._data_sets(elapsed_ms)])

    def _data_sets(self, elapsed_ms: int) -> list[DataSet]:
        sets: list[DataSet] = []
        channel = 0
        for item in self.profile.objects:
            value = self._text_value(item, elapsed_ms)[0]
            if item.address.startswith("0-n:"):  # an M-Bus meter: its type, then its value with a time
                channel += 1
                device_type = next(t for t, a in MEDIUM_OF_TYPE.items() if a == parse_obis(item.obis)[0])
                sets.append(DataSet(f"0-{channel}:24.1.0", (Value(f"{device_type:03}"),)))
                address = item.address.replace("n", str(channel), 1)
                sets.append(DataSet(address, (Value("261123172000W"), value)))
            else:
                sets.append(DataSet(item.address or item.obis, (value,)))
        return sets

    def _text_value(self, item: Object, elapsed_ms: int) -> tuple[Value, Scaled]:
        """A value as the meter writes it, and what it means in the quantity's unit."""
        quantity = self._quantities[item.quantity]
        unit = _TEXT_UNITS.get(quantity.unit, quantity.unit)
        house_unit = unit_name(unit) or unit
        if quantity.kind == "counter":
            exponent = -TEXT_DECIMALS if unit != "1" else 0
            digit = Scaled(1, exponent)
            number = Scaled(counted(self._curves[item.quantity], quantity, digit, elapsed_ms), exponent)
        elif quantity.kind == "state":
            number = Scaled(1 + elapsed_ms // STATE_STEP_MS % 2, 0)
        else:
            per_unit = float(str(_factor(house_unit, quantity)))
            number = Scaled(
                round(self._gauge(quantity, elapsed_ms) / per_unit * 10**TEXT_DECIMALS), -TEXT_DECIMALS
            )
        value = Value(str(number), "" if unit == "1" else unit)
        return value, number.times(_factor(house_unit, quantity))

    def _report(self, unit: int, elapsed_ms: int, values: Mapping[str, Scaled]) -> None:
        if self._log is not None:
            texts = {quantity: str(value.normalised()) for quantity, value in values.items()}
            self._log(SimRead(self.serial, unit, elapsed_ms, texts))

    def _whole_values(
        self, touched: list[_Register], read: ReadRequest, elapsed_ms: int
    ) -> dict[str, Scaled]:
        """Values of the points that lie wholly inside of the read."""
        end = read.address + read.count
        return {
            register.point.quantity: self._decoded(register.point, elapsed_ms)
            for register in touched
            if register.point is not None
            and register.scale is None
            and register.address >= read.address
            and register.address + register.size_registers <= end
        }

    def _covers(self, touched: list[_Register], read: ReadRequest) -> bool:
        """Whether the read begins and ends in known registers and bridges only allowed gaps."""
        known = {
            address
            for register in touched
            for address in range(register.address, register.address + register.size_registers)
        }
        gap = 0
        for address in range(read.address, read.address + read.count):
            gap = 0 if address in known else gap + 1
            if gap > self.profile.limits.gap_registers_max:
                return False
        return read.address in known and gap == 0

    def _image(self, touched: list[_Register], read: ReadRequest, elapsed_ms: int) -> bytes:
        image = bytearray(2 * read.count)
        for register in touched:
            data = self._content(register, elapsed_ms)
            for offset in range(register.size_registers):
                place = register.address + offset - read.address
                if 0 <= place < read.count:
                    image[2 * place : 2 * place + 2] = data[2 * offset : 2 * offset + 2]
        return bytes(image)

    def _content(self, register: _Register, elapsed_ms: int) -> bytes:
        """The registers as on the wire."""
        point = register.point
        if point is None:
            return register.fixed or self._serial_bytes
        if register.scale is None:
            return _ordered(_encoded(point, self._raw(point, elapsed_ms)), point.order)
        scale = _scale_at(elapsed_ms, point)
        if register.scale.type.startswith("factor"):
            return scale.integer.to_bytes(2 * REGISTERS_OF_SCALE[register.scale.type], "big")
        power = scale.exponent.to_bytes(2, "big", signed=True)
        return (
            power if register.scale.type == "power-i16" else b"\x5a" + power[1:]
        )  # the high byte is no part

    def _decoded(self, point: Point, elapsed_ms: int) -> Scaled:
        """What the registers of a point mean, in the quantity's unit."""
        raw = self._raw(point, elapsed_ms)
        if point.type in _FLOATS:
            exact = _FLOATS[point.type](struct.pack(_FORMATS[point.type], raw))
            if exact is None:
                raise ValueError(f"{point.quantity} has become infinite")
        else:
            exact = Scaled(int(raw), 0).times(_scale_at(elapsed_ms, point))
        return exact.times(parse_decimal(point.scale)).times(
            _factor(point.unit, self._quantities[point.quantity])
        )

    def _raw(self, point: Point, elapsed_ms: int) -> int | float:
        """The number in the registers of a point."""
        quantity = self._quantities[point.quantity]
        is_float = point.type in _FLOATS
        if quantity.kind == "counter":
            digit = _last_digit(point).times(_factor(point.unit, quantity))
            digits = counted(self._curves[point.quantity], quantity, digit, elapsed_ms)
            if is_float:
                unit: int = 10**FLOAT_COUNTER_DECIMALS
                return digits / unit
            steps = _scale_steps(elapsed_ms, point.scale_register)
            return digits // steps % (_integer_max(point) + 1)
        unit_factor = float(str(_factor(point.unit, quantity))) * float(point.scale)
        unit_factor *= float(str(_scale_at(elapsed_ms, point)))
        wanted = self._gauge(quantity, elapsed_ms) / unit_factor
        return wanted if is_float else _clamped(round(wanted), point)

    def _objects(self, elapsed_ms: int) -> list[SmlValue]:
        return [self._object(item, elapsed_ms) for item in self.profile.objects]

    def _object(self, item: Object, elapsed_ms: int) -> SmlValue:
        """An object as it is pushed; where the profile states the unit, a whole number without one."""
        quantity = self._quantities[item.quantity]
        is_dlms = self.profile.protocol == "dlms"
        obis = parse_obis(item.address if is_dlms and item.address else item.obis)
        if quantity.kind in ("identity", "time"):
            return SmlValue(obis, self._server_id)
        code = None if is_dlms and item.unit else _dlms_unit(quantity)
        factor = _factor(item.unit if code is None else DLMS_UNITS[code], quantity)
        if quantity.kind == "state":
            return SmlValue(obis, Scaled(1 + elapsed_ms // STATE_STEP_MS % 2, 0), code)
        if quantity.kind == "counter":
            exponent = 0 if code is None else SML_COUNTER_EXPONENT
            digit = Scaled(1, exponent).times(factor)
            digits = counted(self._curves[item.quantity], quantity, digit, elapsed_ms)
        else:
            exponent = 0 if code is None else SML_GAUGE_EXPONENT
            digits = round(self._gauge(quantity, elapsed_ms) / float(str(factor)) * 10**-exponent)
        return SmlValue(obis, Scaled(digits, exponent), code)

    def _gauge(self, quantity: Quantity, elapsed_ms: int) -> float:
        return gauge_at(self._curves[quantity.name], quantity, elapsed_ms)

    def _encode_serial(self) -> bytes:
        identity = self.profile.identity
        if identity is None:
            return b""
        if identity.type == "string":
            size_bytes = 2 * identity.registers
            if not self.serial.isascii() or len(self.serial) > size_bytes:
                raise ValueError(f"serial number {self.serial!r} is no ASCII text of at most {size_bytes}")
            return _ordered(self.serial.encode("ascii").ljust(size_bytes, b"\0"), identity.order)
        if not self.serial.isdecimal() or int(self.serial) > _integer_max(identity):
            raise ValueError(
                f"serial number {self.serial!r} does not fit a register of {self.profile.name}: "
                f"right is a decimal number up to {_integer_max(identity)}"
            )
        return _ordered(_encoded(identity, int(self.serial)), identity.order)


class ModbusSimulation:
    """Several meters on one line or behind one TCP endpoint, by unit number.

    `elapsed_ms` gives the time since the simulation's start. `answer` and `identify` are what the server
    roles of Modbus ask.
    """

    def __init__(self, meters: Mapping[int, SimMeter], elapsed_ms: Callable[[], int]) -> None:
        self.meters = meters
        self._elapsed_ms = elapsed_ms

    def answer(self, unit: int, read: ReadRequest) -> bytes | int | None:
        """Register data, an exception code, or None where no meter has this unit number."""
        meter = self.meters.get(unit)
        return None if meter is None else meter.read(unit, read, self._elapsed_ms())

    def identify(self, unit: int, request: IdentificationRequest | ServerIdRequest) -> bytes | int | None:
        """The name plate of a meter (43/14), or its server id (17): unit, running, and its name."""
        meter = self.meters.get(unit)
        if meter is None:
            return None
        if isinstance(request, ServerIdRequest):
            return bytes((unit, 0xFF)) + meter.profile.name.encode("ascii")
        return encode_part(request, meter.name_plate())


def server_id_of(serial: str) -> bytes:
    """The SML server id of a serial number.

    Fourteen characters as on the name plate (DIN 43863-5: medium, three letters of the maker, block of two
    hexadecimal digits, eight decimal digits: "1EMH0012345678"), or the id itself in hexadecimal digits.
    ValueError for anything else.
    """
    try:
        if len(serial) == 14 and serial[1:4].isalpha():
            number = int(serial[6:])
            plant = bytes.fromhex(serial[4:6])
            return (
                bytes((0x0A, int(serial[0], 16)))
                + serial[1:4].encode("ascii")
                + plant
                + number.to_bytes(4, "big")
            )
        return bytes.fromhex(serial)
    except (ValueError, OverflowError):
        raise ValueError(
            f"serial number {serial!r} is no SML server id: right is 1EMH0012345678 or hexadecimal digits"
        ) from None


def _of_one_unit(objects: Sequence[Object]) -> tuple[Object, ...]:
    """Of objects with one address, of which a meter has the one in its own unit, the first."""
    first: dict[tuple[str, str], Object] = {}
    for item in objects:
        first.setdefault((item.address, item.obis), item)
    return tuple(first.values())


def _registered(name: str) -> Quantity:
    try:
        return by_name(name)
    except KeyError:
        raise ValueError(f"quantity {name!r} is not in the registry") from None


def gauge_at(curve: Curve, quantity: Quantity, elapsed_ms: int) -> float:
    """The load curve of a quantity in its unit: a day, a quarter of an hour and some seconds overlaid."""
    middle, half = _GAUGES.get(quantity.unit, _GAUGE_DEFAULT)
    wave = sum(
        share * math.sin(2 * math.pi * (elapsed_ms / 1000 / period_s + phase))
        for (period_s, share), phase in zip(_PERIODS_S, curve.phases, strict=True)
    )
    is_total = quantity.unit in ("W", "var", "VA") and quantity.name.endswith("_total")
    return (middle + half * wave) * (_PHASES if is_total else 1)


def chosen_curve(seed: str) -> Curve:
    """The curve that a seed chooses."""
    chance = random.Random(seed)
    return Curve(chance.randrange(COUNTER_START_MAX), tuple(chance.random() for _ in _PERIODS_S))


def _registers(profile: DeviceProfile) -> list[_Register]:
    registers = [
        _Register(point.table, point.address, register_count(point), point) for point in profile.points
    ]
    registers += [
        _Register(point.table, scale.address, REGISTERS_OF_SCALE[scale.type], point, scale)
        for point in profile.points
        if (scale := point.scale_register) is not None
    ]
    if (identity := profile.identity) is not None:
        registers.append(_Register(identity.table, identity.address, register_count(identity), None))
    if (code := profile.type_code) is not None:
        size_registers = register_count(code)
        registers.append(_Register(code.table, code.address, size_registers, None, fixed=_type_code(code)))
    return registers


def _type_code(code: TypeCode) -> bytes:
    """The first of the codes that the family has, as it stands in the registers."""
    size_bytes = 2 * register_count(code)
    if code.type == "string":
        return _ordered(code.holds[0].encode("ascii").ljust(size_bytes), code.order)
    number = int(code.holds[0], 0)
    digits = str(number).rjust(2 * size_bytes, "0")
    data = bytes.fromhex(digits) if code.type.startswith("bcd") else number.to_bytes(size_bytes, "big")
    return _ordered(data, code.order)


def counted(curve: Curve, quantity: Quantity, digit: Scaled, elapsed_ms: int) -> int:
    """How many last digits, each `digit` in the quantity's unit, a counter has counted by then."""
    ms_per_unit = _MS_PER_UNIT.get(quantity.unit, _MS_PER_UNIT_DEFAULT)
    return curve.counter_start + elapsed_ms // max(1, round(float(str(digit)) * ms_per_unit))


def _last_digit(point: Point) -> Scaled:
    """The finest step of a counter's register, in the point's unit."""
    if point.type in _FLOATS:
        return parse_decimal(point.scale).times(Scaled(1, -FLOAT_COUNTER_DECIMALS))
    return parse_decimal(point.scale).times(_scale_at(0, point))


def _scale_steps(elapsed_ms: int, scale: ScaleRegister | None) -> int:
    """How many of the finest digits one digit in the register counts at that time."""
    coarse = elapsed_ms // SCALE_STEP_MS % 2
    if scale is None or not coarse:
        return 1
    return 2 if scale.type.startswith("factor") else 10


def _scale_at(elapsed_ms: int, point: Point) -> Scaled:
    """By what the register's number is to be multiplied at that time: 0.01 or 0.1, or a factor 1 or 2. Power
    in a single register would not fit then, and is multiplied by 1 or 10."""
    scale = point.scale_register
    steps = _scale_steps(elapsed_ms, scale)
    if scale is None or scale.type.startswith("factor"):
        return Scaled(steps, 0)
    finest = 0 if point.unit in _POWERS and register_count(point) == 1 else -2
    return Scaled(1, finest if steps == 1 else finest + 1)


def _factor(unit: str, quantity: Quantity) -> Scaled:
    """By which a value in `unit` becomes one in the quantity's unit."""
    return Scaled(1, 0) if unit == quantity.unit else conversion(unit, quantity.unit)


@functools.cache
def _dlms_unit(quantity: Quantity) -> int:
    """The DLMS code of a unit in which a meter may send this quantity."""
    for code, unit in DLMS_UNITS.items():
        try:
            _factor(unit, quantity)
        except ValueError:
            continue
        return code
    return next(code for code, unit in DLMS_UNITS.items() if unit == "1")


def _integer_max(entry: Point | Identity) -> int:
    """The greatest number that the registers can hold."""
    kind: RegisterType = entry.type
    if kind.startswith("bcd"):
        return int("9999" * register_count(entry))
    if kind == "bits":
        return (1 << entry.bits) - 1 if isinstance(entry, Point) else 0
    bits = int(kind[1:])
    return (1 << bits - (kind[0] == "i")) - 1


def _clamped(raw: int, point: Point) -> int:
    greatest = _integer_max(point)
    least = -greatest - 1 if point.type[0] == "i" else 0
    return min(max(raw, least), greatest)


def _encoded(entry: Point | Identity, raw: float) -> bytes:
    """The number in its registers, most significant byte first. Other bits than those of the point are 1."""
    size_bytes = 2 * register_count(entry)
    if entry.type.startswith("bcd"):
        return bytes.fromhex(str(int(raw)).rjust(2 * size_bytes, "0"))
    if entry.type == "bits" and isinstance(entry, Point):
        others = 0xFFFF & ~(((1 << entry.bits) - 1) << entry.bit)
        return (others | int(raw) << entry.bit).to_bytes(2, "big")
    return struct.pack(_FORMATS[entry.type], raw)


def _ordered(data: bytes, order: WordOrder) -> bytes:
    """Bytes that stand most significant first, in the order in which the device has them."""
    if order in ("little", "big-swapped"):
        data = b"".join(data[place : place + 2][::-1] for place in range(0, len(data), 2))
    return data[::-1] if order.startswith("little") else data
