"""Every register type in every order, dynamic scales, text: judged by pymodbus where it knows them, and by a
simulated meter that encodes what the reader must decode."""

from __future__ import annotations

import struct
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.client.mixin import ModbusClientMixin

from config.catalogue import register_count
from config.model import MeterConfig
from config.profile import DeviceProfile, Identity, Limits, Point, ScaleRegister
from edge_agent.poll_plan import RegisterBlock, plan_requests
from edge_agent.readers import ModbusReader
from edge_agent.reading import Reading
from hal.sim.meters import SCALE_STEP_MS, ModbusSimulation, SimMeter, SimRead
from protocols.modbus.pdu import ReadRequest
from protocols.modbus.rtu import RtuExchange, RtuServer
from protocols.quantities import by_name, by_number
from protocols.value import NullCause, Scaled, parse_decimal
from tests.readers.test_modbus_reader import METER, profile_of, read_one, registers

FORMATS = {"u16": ">H", "i16": ">h", "u32": ">I", "i32": ">i", "u64": ">Q", "i64": ">q"}
ORDERS = ("big", "little", "big-swapped", "little-swapped")
DIGITS = {"bcd16": 4, "bcd32": 8, "bcd48": 12, "bcd64": 16}


def in_order(data: bytes, order: str) -> bytes:
    """By the names in the manuals: AB CD, CD AB, BA DC, DC BA."""
    words = [data[place : place + 2] for place in range(0, len(data), 2)]
    if order.startswith("little"):
        words.reverse()
    return b"".join(word[::-1] if order.endswith("swapped") else word for word in words)


def value_of(kind: str, data: bytes, **options: object) -> Scaled | NullCause | None:
    reading = read_one(profile_of("meter_status", kind, **options), data)
    return reading.value if reading.null_cause is None else reading.null_cause


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", FORMATS)
@given(data=st.data())
def test_integers_in_every_order(kind: str, order: str, data: st.DataObject) -> None:
    bits = int(kind[1:])
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if kind[0] == "i" else (0, 2 ** min(bits, 63) - 1)
    number = data.draw(st.integers(max(low, 1 - 2**63), high))
    raw = in_order(struct.pack(FORMATS[kind], number), order)
    assert value_of(kind, raw, order=order) == Scaled(number, 0)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", DIGITS)
@given(data=st.data())
def test_bcd_in_every_order(kind: str, order: str, data: st.DataObject) -> None:
    number = data.draw(st.integers(0, 10 ** DIGITS[kind] - 1))
    raw = in_order(bytes.fromhex(str(number).rjust(DIGITS[kind], "0")), order)
    assert value_of(kind, raw, order=order) == Scaled(number, 0)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("kind", "form"), [("f32", ">f"), ("f64", ">d")])
def test_floats_in_every_order(kind: str, form: str, order: str) -> None:
    raw = in_order(struct.pack(form, -1234.5), order)
    assert value_of(kind, raw, order=order) == Scaled(-12345, -1)


@pytest.mark.parametrize(
    ("kind", "name"), [("u32", "UINT32"), ("i32", "INT32"), ("u64", "UINT64"), ("i64", "INT64")]
)
@pytest.mark.parametrize("order", ["big", "little"])
def test_pymodbus_lays_integers_out_as_we_read_them(kind: str, name: str, order: str) -> None:
    for number in (1, 305_419_896, 2**31 - 1, -2 if kind[0] == "i" else 7):
        words = ModbusClientMixin.convert_to_registers(
            number,
            ModbusClientMixin.DATATYPE[name],
            word_order=order,  # type: ignore[arg-type]
        )
        assert value_of(kind, registers(*words), order=order) == Scaled(number, 0)


def test_a_digit_above_nine_is_corrupt_unless_it_is_the_pattern_for_no_value() -> None:
    assert value_of("bcd16", b"\x12\x3a") is NullCause.CORRUPT
    assert value_of("bcd16", b"\xff\xff", not_available=("ffff",)) is NullCause.NOT_AVAILABLE


@given(st.integers(0, 0xFFFF), st.integers(0, 15), st.data())
def test_bits_are_counted_from_the_least_significant(word: int, bit: int, data: st.DataObject) -> None:
    bits = data.draw(st.integers(1, 16 - bit))
    expected = int(format(word, "016b")[16 - bit - bits : 16 - bit], 2)
    assert value_of("bits", registers(word), bit=bit, bits=bits) == Scaled(expected, 0)


def scaled_profile(quantity: str, kind: str, scale: ScaleRegister, **options: object) -> DeviceProfile:
    return profile_of(quantity, kind, scale_register=scale, **options)


@pytest.mark.parametrize(
    ("kind", "scale_bytes", "factor"),
    [
        ("power-i16", b"\xff\xfe", "0.01"),
        ("power-i16", b"\x00\x03", "1000"),
        ("power-i16", b"\x00\x00", "1"),
        ("power-i16", b"\x00\x0a", "10000000000"),
        ("power-i8", b"\x7b\xfd", "0.001"),
        ("factor-u16", b"\x00\x28", "40"),
        ("factor-u32", b"\x00\x01\x86\xa0", "100000"),
    ],
)
def test_the_scale_register_multiplies_exactly(kind: str, scale_bytes: bytes, factor: str) -> None:
    for address, layout in ((8, (0, 1)), (6 if kind != "factor-u32" else 5, (1, 0))):
        profile = scaled_profile(
            "energy_active_import_total",
            "i16",
            ScaleRegister(address=address, type=kind),  # type: ignore[arg-type]
            unit="Wh",
        )
        parts = (registers(12345), scale_bytes)
        reading = read_one(profile, b"".join(parts[place] for place in layout))
        assert reading.value is not None
        assert Decimal(str(reading.value)) == 12345 * Decimal(factor) / 1000  # kWh


@pytest.mark.parametrize(
    ("raw", "scale", "cause"),
    [
        (0x1234, 0x8000, NullCause.NOT_AVAILABLE),  # sunssf not implemented
        (0x8000, 0xFFFF, NullCause.NOT_AVAILABLE),  # the point itself
        (0x8000, 0x8000, NullCause.NOT_AVAILABLE),
        (0x1234, 11, NullCause.CORRUPT),
        (0x1234, 0xFFF5, NullCause.CORRUPT),  # -11
    ],
)
def test_what_sunspec_says_is_no_value_is_none(raw: int, scale: int, cause: NullCause) -> None:
    profile = scaled_profile(
        "power_active_total", "i16", ScaleRegister(address=8), resolution="0.1", not_available=("8000",)
    )
    reading = read_one(profile, registers(raw, scale))
    assert (reading.value, reading.null_cause) == (None, cause)
    assert (
        read_one(scaled_profile("co2", "u16", ScaleRegister(address=8, type="factor-u16")), bytes(4)).value
        is None
    )


def point(quantity: str, address: int, kind: str = "i16", **options: object) -> Point:
    known = by_name(quantity)
    fields = {"table": "holding", "unit": known.unit, "evidence": "", **options}
    return Point(quantity=quantity, address=address, type=kind, **fields)  # type: ignore[arg-type]


def test_a_value_and_its_scale_always_come_in_one_request() -> None:
    """As in SunSpec model 203: the scales of currents and voltages stand behind their values."""
    volt, ampere = ScaleRegister(address=15), ScaleRegister(address=6)
    points = [
        *(point(f"current_l{n}", 2 + n, scale_register=ampere) for n in (1, 2, 3)),
        *(point(f"voltage_l{n}", 7 + n, scale_register=volt) for n in (1, 2, 3)),
    ]
    whole = plan_requests(points, Limits(gap_registers_max=4))
    assert [(block.address, block.count, len(block.points)) for block in whole] == [(3, 13, 6)]
    narrow = plan_requests(points, Limits(registers_max=8, gap_registers_max=4))
    assert [(block.address, block.count, len(block.points)) for block in narrow] == [(3, 4, 3), (8, 8, 3)]
    (before,) = plan_requests([point("co2", 20, scale_register=ScaleRegister(address=10))], Limits())
    assert (before.address, before.count) == (10, 11)


SIM_PROFILE = DeviceProfile(
    name="made-up",
    maker="nobody",
    products=("none",),
    medium="electricity",
    protocol="modbus",
    evidence={},
    limits=Limits(registers_max=60, gap_registers_max=4),
    identity=Identity(
        table="holding", address=100, type="string", registers=8, order="big-swapped", evidence=""
    ),
    points=(
        point("energy_active_import_total", 0, "u32", unit="Wh", scale_register=ScaleRegister(address=2)),
        point("energy_active_export_total", 4, "bcd48", unit="Wh", order="little"),
        point(
            "voltage_l1",
            8,
            "u16",
            scale_register=ScaleRegister(address=12, type="power-i8"),
            resolution="0.1",
        ),
        point(
            "voltage_l2",
            9,
            "i16",
            scale_register=ScaleRegister(address=12, type="power-i8"),
            resolution="0.01",
        ),
        point("energy_reactive_import_total", 14, "u64", order="big-swapped", unit="varh"),
        point(
            "energy_reactive_export_total",
            18,
            "u32",
            order="little-swapped",
            unit="varh",
            scale_register=ScaleRegister(address=20, type="factor-u32"),
        ),
        point("power_active_total", 22, "f64", order="little-swapped"),
        point("frequency", 26, "bcd16", scale="0.01"),
        point("door_open", 27, "bits", bit=3),
        point("current_l1", 28, "f32", order="big-swapped"),
    ),
)


@pytest.mark.parametrize(
    "elapsed_ms", [0, 1, SCALE_STEP_MS - 1, SCALE_STEP_MS, 3 * SCALE_STEP_MS + 17, 10**9]
)
def test_a_simulated_meter_with_all_types_is_read_exactly(elapsed_ms: int) -> None:
    log: list[SimRead] = []
    meter = SimMeter(SIM_PROFILE, "SN-2026/17", 5, log.append)
    server = RtuServer(ModbusSimulation({3: meter}, lambda: elapsed_ms).answer)
    reader = ModbusReader(SIM_PROFILE, MeterConfig(id="m", line="l", profile="p"), 0)
    readings: list[Reading] = []
    for block in reader.blocks:
        readings += reader.decode(block, exchange(server, block), elapsed_ms, elapsed_ms)
    given_out = {name: Decimal(text) for read in log for name, text in read.values.items()}
    assert len(readings) == len(given_out) == len(SIM_PROFILE.points)
    for reading in readings:
        entry = SIM_PROFILE.points[reading.series]
        assert reading.value is not None, entry.quantity
        value, truth = Decimal(str(reading.value)), given_out[entry.quantity]
        assert by_number(reader.series[reading.series].quantity).name == entry.quantity
        if entry.resolution:
            assert abs(value - truth) <= Decimal(entry.resolution) / 2
        else:
            assert value == truth
    assert reader.identity_block is not None
    assert reader.decode_serial(exchange(server, reader.identity_block)) == "SN-2026/17"


def exchange(server: RtuServer, block: RegisterBlock) -> bytes:
    asked = RtuExchange(3, ReadRequest(3, block.address, block.count))
    data = asked.receive_data(server.receive_data(asked.request)[0])
    assert data is not None
    return data


def test_the_scale_of_a_simulated_meter_changes_while_its_value_does_not_jump() -> None:
    meter = SimMeter(SIM_PROFILE, "1", 5)
    before, after = (
        meter.values(t)["energy_active_import_total"] for t in (SCALE_STEP_MS - 1, SCALE_STEP_MS)
    )
    assert before.exponent != after.exponent
    assert abs(Decimal(str(after)) - Decimal(str(before))) < Decimal("0.001")
    assert parse_decimal(str(before)).normalised() == before.normalised()


@pytest.mark.parametrize(
    ("kind", "registers_of", "order", "data", "serial"),
    [
        ("string", 4, "big", b"AB-12\0\0\0", "AB-12"),
        ("string", 4, "big-swapped", b"BA1-\x002\0\0", "AB-12"),
        ("string", 2, "big", b"    ", ""),
        ("string", 2, "big", b"\xff" * 4, ""),
        ("bcd32", 0, "big", bytes.fromhex("00482137"), "482137"),
        ("bcd48", 0, "little", bytes.fromhex("213700480000"), "482137"),
        ("u32", 0, "little", bytes.fromhex("0001 0002"), str(0x20001)),
        ("u64", 0, "big", bytes(8), ""),
    ],
)
def test_serial_numbers_in_digits_and_as_text(
    kind: str, registers_of: int, order: str, data: bytes, serial: str
) -> None:
    identity = Identity(
        table="holding",
        address=0,
        type=kind,
        order=order,
        registers=registers_of,
        evidence="",  # type: ignore[arg-type]
    )
    profile = msgspec.structs.replace(profile_of("co2", "u16"), identity=identity)
    reader = ModbusReader(profile, METER, 0)
    assert reader.identity_block == RegisterBlock("holding", 0, register_count(identity), ())
    assert reader.decode_serial(data) == serial
