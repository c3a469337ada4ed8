"""Registers to readings: the collected decode facts, exactness, and what is no value."""

from __future__ import annotations

import math
import struct
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.catalogue import catalogue
from config.model import MeterConfig
from config.profile import DeviceProfile, Identity, Point
from edge_agent.poll_plan import RegisterBlock
from edge_agent.readers import ModbusReader
from edge_agent.reading import Reading
from edge_agent.serials import same_serial
from protocols.quantities import by_name, by_number
from protocols.value import NullCause, Quality, Scaled, parse_decimal

PROFILES = catalogue()
METER = MeterConfig(id="m", line="bus", profile="p", interval_s=60, offset_s=5)


def reader_of(name: str, *quantities: str, serial: str = "", first: int = 0) -> ModbusReader:
    meter = msgspec.structs.replace(METER, profile=name, quantities=quantities, serial=serial)
    return ModbusReader(PROFILES[name], meter, first)


def registers(*values: int) -> bytes:
    return b"".join(value.to_bytes(2, "big") for value in values)


def read_one(profile: DeviceProfile, data: bytes, serial: str = "") -> Reading:
    reader = ModbusReader(profile, msgspec.structs.replace(METER, serial=serial), 0)
    (reading,) = reader.decode(reader.blocks[0], data, 1_000, 1_050)
    return reading


def read_only(name: str, quantity: str, data: bytes) -> Reading:
    reader = reader_of(name, quantity)
    (reading,) = reader.decode(reader.blocks[0], data, 1_000, 1_050)
    return reading


def profile_of(quantity: str, kind: str, unit: str = "", **options: object) -> DeviceProfile:
    """A device with one point."""
    known = by_name(quantity)
    fields = {"table": "holding", "address": 7, "unit": unit or known.unit, "evidence": "", **options}
    one = Point(quantity=quantity, type=kind, **fields)  # type: ignore[arg-type]
    return DeviceProfile(
        name="p", maker="", products=(), medium="electricity", protocol="modbus", evidence={}, points=(one,)
    )


FACTS = [
    ("eastron-sdm630", "voltage_l1", (0x4366, 0x3334), "230.2"),  # the maker's own example
    ("eastron-sdm630", "energy_active_sum_total", (17668, 65470), "2127.984"),  # from a log of a real meter
    ("eastron-sdm630", "power_active_total", (50330, 20480), "-1234.5"),
    ("eastron-sdm630", "frequency", (16967, 60293), "49.98"),
    ("abb-b23", "energy_active_import_total", (0, 0, 18, 54919), "12345.67"),
    ("abb-b23", "energy_active_import_total", (65535, 65535, 65535, 65535), None),
    ("siemens-pac2200", "energy_active_import_tariff1", (16690, 54919, 0, 0), "1234.567"),
]


@pytest.mark.parametrize(("name", "quantity", "words", "value"), FACTS)
def test_collected_facts_are_decoded_exactly(
    name: str, quantity: str, words: tuple[int, ...], value: str | None
) -> None:
    reading = read_only(name, quantity, registers(*words))
    if value is None:
        assert (reading.value, reading.null_cause) == (None, NullCause.NOT_AVAILABLE)
    else:
        assert reading.value is not None
        assert reading.value.normalised() == parse_decimal(value).normalised()
        assert reading.quality == Quality.GOOD


FOREIGN = [
    ("voltage_l1", "i32", "little", "0.1", (2301, 0), "230.1"),  # Carlo Gavazzi, low word first
    ("power_active_total", "i32", "little", "0.1", (64036, 65535), "-150.0"),
    ("co2", "u16", "big", "1", (0x0388,), "904"),  # Senseair S8
    ("power_active_total", "i32", "big", "1", (32768, 0), None),  # SMA at night
]


@pytest.mark.parametrize(("quantity", "kind", "order", "scale", "words", "value"), FOREIGN)
def test_facts_of_devices_that_have_no_profile_yet_are_decoded_too(
    quantity: str, kind: str, order: str, scale: str, words: tuple[int, ...], value: str | None
) -> None:
    patterns = ("80000000",) if kind == "i32" else ()
    profile = profile_of(quantity, kind, order=order, scale=scale, not_available=patterns)
    reading = read_one(profile, registers(*words))
    assert (None if reading.value is None else str(reading.value)) == value


@pytest.mark.parametrize(
    ("order", "words"),
    [("big", (0x40FE, 0x240C, 0x9FBE, 0x76C9)), ("little", (0x76C9, 0x9FBE, 0x240C, 0x40FE))],
)
def test_eight_bytes_in_either_word_order(order: str, words: tuple[int, ...]) -> None:
    reading = read_one(profile_of("energy_active_import_total", "f64", order=order), registers(*words))
    assert reading.value == parse_decimal("123456.789").normalised()


@given(st.integers(0, 2**32 - 1))
def test_a_binary32_counter_keeps_every_bit_or_says_why_not(bits: int) -> None:
    """The decimal is judged by struct: it must round to the same four bytes."""
    raw = bits.to_bytes(4, "big")
    number = struct.unpack(">f", raw)[0]
    reading = read_one(profile_of("energy_active_import_total", "f32"), raw)
    if not math.isfinite(number):
        assert reading.null_cause is NullCause.NOT_AVAILABLE
    elif abs(number) >= 2**63 / 1000:
        assert reading.null_cause is NullCause.CORRUPT
    elif number and abs(number) < 1e-18:
        assert reading.quality & Quality.IMPLAUSIBLE
    else:
        assert reading.value is not None
        assert struct.pack(">f", float(str(reading.value))) == struct.pack(">f", number + 0.0)
        following = struct.unpack(">f", ((bits & 0x7FFFFFFF) + 1).to_bytes(4, "big"))[0]
        lost = (
            Fraction(following) - Fraction(abs(number)) > Fraction(1, 100)
            if math.isfinite(following)
            else True
        )
        assert bool(reading.quality & Quality.FLOAT_EXHAUSTED) == lost


@pytest.mark.parametrize(("kwh", "lost"), [(131071.99, False), (131072.02, True)])
def test_a_counter_that_outgrew_its_float_is_marked(kwh: float, lost: bool) -> None:
    """From 131,072 kWh on, neighbouring binary32 values lie 1/64 apart, more than the meter's 0.01 kWh."""
    reading = read_only("eastron-sdm630", "energy_active_import_total", struct.pack(">f", kwh))
    assert bool(reading.quality & Quality.FLOAT_EXHAUSTED) is lost


def test_the_last_digit_is_counted_in_the_unit_of_the_register() -> None:
    in_wh = profile_of("energy_active_import_total", "f32", unit="Wh")  # 0.01 kWh is 10 Wh: 2^27 and above
    assert read_one(in_wh, struct.pack(">f", 2**27 - 16)).quality == Quality.GOOD
    assert read_one(in_wh, struct.pack(">f", 2**27)).quality == Quality.FLOAT_EXHAUSTED
    finer = profile_of("energy_active_import_total", "f32", resolution="0.001")
    assert read_one(finer, struct.pack(">f", 20_000.0)).quality == Quality.FLOAT_EXHAUSTED


def test_a_gauge_is_quantised_and_a_counter_never() -> None:
    raw = struct.pack(">f", 230.1234)
    assert read_one(profile_of("voltage_l1", "f32", resolution="0.1"), raw).value == Scaled(2301, -1)
    assert read_one(profile_of("voltage_l1", "f32"), raw).value == Scaled(2301234, -4)
    counter = profile_of("energy_active_import_total", "f32", resolution="0.1")
    assert read_one(counter, raw).value == Scaled(2301234, -4)


@pytest.mark.parametrize("kind", ["f32", "f64"])
def test_what_is_not_finite_is_no_value(kind: str) -> None:
    for number in (math.nan, math.inf, -math.inf):
        raw = struct.pack(">f" if kind == "f32" else ">d", number)
        reading = read_one(profile_of("voltage_l1", kind, resolution="0.1"), raw)
        assert (reading.value, reading.null_cause) == (None, NullCause.NOT_AVAILABLE)


def test_an_integer_read_as_a_float_is_no_good_zero() -> None:
    """A meter with the same addresses but integers gives denormal floats: 2301 is 3.2e-42."""
    gauge = read_one(profile_of("voltage_l1", "f32", resolution="0.1"), registers(0, 2301))
    assert gauge.value is not None
    assert (gauge.value.integer, gauge.quality) == (0, Quality.IMPLAUSIBLE)


def test_a_number_too_great_to_be_one_is_corrupt() -> None:
    huge = struct.pack(">d", 1e300)
    assert read_one(profile_of("voltage_l1", "f64"), huge).null_cause is NullCause.CORRUPT
    worn = profile_of("energy_active_import_total", "u64", scale="0.01")
    assert read_one(worn, b"\xff" * 7 + b"\xfe").null_cause is NullCause.CORRUPT


def test_the_patterns_of_the_b23_are_no_values_and_their_neighbours_are() -> None:
    for quantity, pattern, neighbour in (
        ("voltage_l1", "ffffffff", "429496729.4"),
        ("power_active_l1", "7fffffff", "21474836.5"),  # 21,474,836.46 W, quantised to 0.1 W
        ("power_factor_l2", "7fff", "32.766"),
        ("frequency", "ffff", "655.34"),
    ):
        raw = bytes.fromhex(pattern)
        assert read_only("abb-b23", quantity, raw).null_cause is NullCause.NOT_AVAILABLE
        below = (int.from_bytes(raw, "big") - 1).to_bytes(len(raw), "big")
        assert str(read_only("abb-b23", quantity, below).value) == neighbour
    assert str(read_only("abb-b23", "power_active_l1", b"\xff\xff\xff\xff").value) == "0.0"  # -0.01 W


def test_bits_are_taken_from_the_lowest_of_the_first_byte() -> None:
    names = ("door_open", "mains_present", "lamp_failure")
    points = tuple(
        Point(quantity=name, table="discrete", address=3 + place, type="u16", unit="1", evidence="")
        for name, place in zip(names, (0, 8, 9), strict=True)
    )
    profile = msgspec.structs.replace(profile_of("co2", "u16"), points=points)
    profile = msgspec.structs.replace(
        profile, limits=msgspec.structs.replace(profile.limits, gap_registers_max=1)
    )
    reader = ModbusReader(profile, METER, 0)
    readings = reader.decode(reader.blocks[0], bytes((0b0000_0001, 0b0000_0010)), 0, 0)
    assert [reading.value for reading in readings] == [Scaled(1, 0), Scaled(0, 0), Scaled(1, 0)]


def test_series_are_numbered_in_the_order_of_the_profile_and_state_their_schedule() -> None:
    reader = reader_of("siemens-pac2200", "frequency", "energy_active_import_tariff2", "voltage_l1", first=40)
    assert [by_number(series.quantity).name for series in reader.series] == [
        "voltage_l1",
        "frequency",
        "energy_active_import_tariff2",
    ]
    assert [series.exponent for series in reader.series] == [-1, -2, -3]
    assert {(series.interval_ms, series.offset_ms) for series in reader.series} == {(60_000, 5_000)}
    nulls = reader.nulls(5, 9, NullCause.SILENT)
    assert nulls == [Reading(series, 5, 9, None, NullCause.SILENT) for series in (40, 41, 42)]
    assert reader.nulls(5, 9, NullCause.REFUSED, reader.blocks[2:]) == [
        Reading(42, 5, 9, None, NullCause.REFUSED)
    ]


@pytest.mark.parametrize("name", ["eastron-sdm630", "abb-b23", "siemens-pac2200"])
def test_every_series_has_one_reading_a_round_at_its_stated_exponent(name: str) -> None:
    reader = reader_of(name)
    readings = [
        reading
        for block in reader.blocks
        for reading in reader.decode(block, bytes(2 * block.count), 60_000, 60_100)
    ]
    assert sorted(reading.series for reading in readings) == list(range(len(reader.series)))
    for reading in readings:
        assert (reading.due_ms, reading.time_ms, reading.quality) == (60_000, 60_100, Quality.GOOD)
        assert reading.value is not None
        assert reading.value.rescaled(reader.series[reading.series].exponent).integer == 0


def test_data_of_another_length_is_a_mistake_of_ours() -> None:
    reader = reader_of("eastron-sdm630", "voltage_l1")
    with pytest.raises(ValueError, match="3 bytes"):
        reader.decode(reader.blocks[0], b"123", 0, 0)


def test_a_serial_number_is_read_in_decimal() -> None:
    for name, address in (("eastron-sdm630", 0xFC00), ("abb-b23", 0x8900)):
        reader = reader_of(name)
        assert reader.identity_block == RegisterBlock("holding", address, 2, ())
        assert reader.decode_serial((21040567).to_bytes(4, "big")) == "21040567"
        assert reader.decode_serial(b"\xff" * 4) == reader.decode_serial(bytes(4)) == ""
    assert reader_of("siemens-pac2200").identity_block is None


@pytest.mark.parametrize(
    ("configured", "read", "same"),
    [
        ("00148233", "148233", True),
        ("1 emh 00 10599732", "1EMH0010599732", True),
        ("0a01454d480000a1bd34", "1EMH0010599732", True),
        ("0A 01 45 4D 48 00 00 A1 BD 34", "1EMH0010599732", True),
        ("0A01454D480000A1BD35", "1EMH0010599732", False),
        ("06 45 4D 48 01 02 71 53 B8 A4", "0645 4D48 0102 7153 B8A4", True),
        ("1", "2", False),
        ("", "", False),
    ],
)
def test_serial_numbers_are_compared_as_people_write_them(configured: str, read: str, same: bool) -> None:
    assert same_serial(configured, read) is same


def test_only_a_configured_serial_that_cannot_be_compared_is_marked_and_then_on_every_value() -> None:
    with_register = msgspec.structs.replace(
        profile_of("voltage_l1", "u16"),
        identity=Identity(table="holding", address=0, type="u32", evidence=""),
    )
    without = profile_of("voltage_l1", "u16", not_available=("ffff",))
    assert read_one(with_register, b"\0\1", serial="5").quality == Quality.GOOD
    assert read_one(without, b"\0\1").quality == Quality.GOOD
    assert read_one(without, b"\0\1", serial="5").quality == Quality.IDENTITY_UNVERIFIED
    assert read_one(without, b"\xff\xff", serial="5").null_cause is NullCause.NOT_AVAILABLE
