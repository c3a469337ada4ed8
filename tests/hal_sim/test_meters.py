"""Simulated meters: strict devices whose log is exactly what their registers and telegrams say."""

from __future__ import annotations

import struct
from decimal import Decimal

import msgspec
import pytest

from config.catalogue import catalogue
from config.profile import DeviceProfile, Point
from edge_agent.line import LineDriver
from edge_agent.poll_plan import plan_requests
from hal.board import open_port
from hal.sim.meters import ModbusSimulation, SimMeter, SimRead, server_id_of
from protocols.errors import DeviceError
from protocols.modbus.ascii import AsciiExchange
from protocols.modbus.identification import read_objects
from protocols.modbus.pdu import ReadRequest, ServerIdRequest
from protocols.modbus.rtu import RtuExchange, RtuServer
from protocols.modbus.tcp import TcpExchange, TcpServer
from protocols.sml import SmlReceiver, SmlTelegram
from protocols.units import DLMS_UNITS, conversion
from protocols.value import Scaled, from_binary32, parse_decimal

FUNCTIONS = {"holding": 3, "input": 4}
TYPES = {"u16": ">H", "i16": ">h", "u32": ">I", "i32": ">i", "u64": ">Q", "i64": ">q"}
SERIAL = "4711"


def point(quantity: str, address: int, **fields: str) -> dict[str, object]:
    shape = {"table": "holding", "type": "u32", "unit": "kWh", "evidence": "made", **fields}
    return {"quantity": quantity, "address": address, **shape}


PROFILE = msgspec.convert(
    {
        "name": "made-up",
        "maker": "nobody",
        "products": ["none"],
        "medium": "electricity",
        "protocol": "modbus",
        "evidence": {"made": {"source": "this test", "seen": "once"}},
        "limits": {"registers_max": 20, "gap_registers_max": 2},
        "identity": {"table": "holding", "address": 100, "type": "u32", "evidence": "made"},
        "point": [
            point("energy_active_import_total", 0, scale="0.01"),
            point("energy_active_export_total", 2, type="f32"),
            point("voltage_l1", 6, type="f32", unit="V", order="little"),
            point("power_active_total", 8, type="i32", unit="kW", scale="0.001"),
            point("energy_reactive_import_total", 13, type="f64", unit="varh"),
            point("frequency", 0, table="input", type="u16", unit="Hz", scale="0.01"),
        ],
    },
    DeviceProfile,
)


class Bench:
    """A meter as unit 5, a log, and a clock that the test turns."""

    def __init__(self, profile: DeviceProfile = PROFILE, serial: str = SERIAL, seed: int = 1) -> None:
        self.log: list[SimRead] = []
        self.elapsed_ms = 0
        self.meter = SimMeter(profile, serial, seed, self.log.append)
        self.simulation = ModbusSimulation({5: self.meter}, lambda: self.elapsed_ms)

    def read(self, address: int, count: int, table: str = "holding") -> bytes | int | None:
        return self.simulation.answer(5, ReadRequest(FUNCTIONS[table], address, count))


def register_value(point: Point, data: bytes) -> Decimal:
    """A second reading of the registers, apart from the simulation's own."""
    if point.order == "little":
        data = b"".join(data[place : place + 2] for place in reversed(range(0, len(data), 2)))
    if point.type == "f64":
        raw = Decimal(repr(struct.unpack(">d", data)[0]))
    elif point.type == "f32":
        exact = from_binary32(data)
        assert exact is not None
        raw = Decimal(str(exact))
    else:
        raw = Decimal(struct.unpack(TYPES[point.type], data)[0])
    return raw * Decimal(point.scale)


def test_what_the_registers_say_is_what_the_log_says() -> None:
    for elapsed_ms in (0, 1, 999, 86_400_000, 10**9):
        bench = Bench()
        bench.elapsed_ms = elapsed_ms
        values = bench.meter.values(elapsed_ms)
        for item in PROFILE.points:
            size = struct.calcsize({**TYPES, "f32": ">f", "f64": ">d"}[item.type]) // 2
            data = bench.read(item.address, size, item.table)
            assert isinstance(data, bytes)
            (logged,) = bench.log[-1].values.items()
            assert logged == (item.quantity, str(values[item.quantity].normalised()))
            assert bench.log[-1][:3] == (SERIAL, 5, elapsed_ms)
            to_registry = conversion(item.unit, {"kW": "W", "varh": "kvarh"}.get(item.unit, item.unit))
            expected = register_value(item, data) * Decimal(10) ** to_registry.exponent
            assert Decimal(logged[1]) == expected


def test_only_points_wholly_inside_of_a_read_are_logged() -> None:
    bench = Bench()
    whole = bench.read(0, 4)
    half = bench.read(1, 3)
    assert isinstance(whole, bytes)
    assert half == whole[2:]
    logged = [set(read.values) for read in bench.log]
    assert logged == [
        {"energy_active_import_total", "energy_active_export_total"},
        {"energy_active_export_total"},
    ]


def test_a_strict_device_refuses_what_its_profile_does_not_have() -> None:
    bench = Bench()
    assert isinstance(bench.read(0, 10), bytes)  # over a gap of two
    assert bench.read(8, 9) == 2  # over a gap of three
    assert bench.read(4, 1) == 2
    assert bench.read(0, 5) == 2  # ends in a gap
    assert bench.read(4, 4) == 2  # begins in one
    assert bench.read(0, 2, "input") == 2
    assert bench.read(0, 21) == 3
    assert bench.read(0, 0) == 3
    assert bench.simulation.answer(5, ReadRequest(1, 0, 8)) == 1
    assert bench.simulation.answer(6, ReadRequest(3, 0, 1)) is None
    assert len(bench.log) == 1


def test_the_serial_number_stands_in_the_identity_register() -> None:
    bench = Bench()
    assert bench.read(100, 2) == (4711).to_bytes(4, "big")
    assert bench.log[-1].values == {}
    for serial in ("abc", "4294967296", ""):
        with pytest.raises(ValueError, match="decimal number up to 4294967295"):
            SimMeter(PROFILE, serial, 1)


def test_every_10_ms_move_every_counter_of_10_wh_and_nothing_else_decides_the_values() -> None:
    meter, twin, other = (SimMeter(PROFILE, SERIAL, seed) for seed in (1, 1, 2))
    counters = [item.quantity for item in PROFILE.points if item.quantity.startswith("energy")]
    previous = meter.values(0)
    assert previous == twin.values(0) != other.values(0)
    for elapsed_ms in range(10, 20_000, 10):
        values = meter.values(elapsed_ms)
        for quantity in counters:
            assert Decimal(str(values[quantity])) > Decimal(str(previous[quantity]))
        previous = values


def test_two_reads_a_second_apart_differ_after_half_a_year_too() -> None:
    meter = SimMeter(PROFILE, SERIAL, 1)
    late_ms = 180 * 86_400_000
    assert (
        meter.values(late_ms)["energy_active_export_total"]
        != meter.values(late_ms + 1001)["energy_active_export_total"]
    )


def test_an_integer_counter_rolls_over_as_its_register_does() -> None:
    values = SimMeter(PROFILE, SERIAL, 1).values(2**33)
    assert 0 <= values["energy_active_import_total"].integer < 2**32


def test_gauges_stay_where_such_gauges_are() -> None:
    meter = SimMeter(PROFILE, SERIAL, 3)
    for elapsed_ms in range(0, 86_400_000, 1_234_567):
        values = {name: float(str(value)) for name, value in meter.values(elapsed_ms).items()}
        assert 225 < values["voltage_l1"] < 235
        assert 49.9 < values["frequency"] < 50.1
        assert 0 < values["power_active_total"] < 8000


def modbus_profiles() -> list[DeviceProfile]:
    return [profile for profile in catalogue().values() if profile.protocol == "modbus"]


@pytest.mark.parametrize("profile", modbus_profiles(), ids=lambda profile: profile.name)
def test_every_shipped_profile_is_answered_over_both_framings(profile: DeviceProfile) -> None:
    """The planner's requests get answers that hold every point once, and nothing is refused."""
    bench = Bench(profile)
    profile = bench.meter.profile  # of a SunSpec device, as it lies in this one
    rtu, tcp = RtuServer(bench.simulation.answer), TcpServer(bench.simulation.answer)
    for number, block in enumerate(plan_requests(profile.points, profile.limits)):
        read = ReadRequest(FUNCTIONS[block.table], block.address, block.count)
        serial_line, network = RtuExchange(5, read), TcpExchange(5, read, number)
        data = serial_line.receive_data(rtu.receive_data(serial_line.request)[0])
        assert data is not None
        assert data == network.receive_data(tcp.receive_data(network.request)[0])
        assert set(bench.log[-1].values) == {item.quantity for item in block.points}
    assert {name for read in bench.log for name in read.values} == {p.quantity for p in profile.points}


def test_a_refusal_arrives_at_the_client() -> None:
    bench = Bench()
    exchange = RtuExchange(5, ReadRequest(3, 50, 2))
    with pytest.raises(DeviceError, match="illegal data address"):
        exchange.receive_data(RtuServer(bench.simulation.answer).receive_data(exchange.request)[0])


def test_a_pushed_telegram_holds_what_the_log_says() -> None:
    profile = catalogue()["ehz-sml"]
    bench = Bench(profile, serial="1EMH0010599732")
    for elapsed_ms in (0, 1, 1000, 10**9):
        (telegram,) = SmlReceiver().receive_data(bench.meter.telegram(elapsed_ms))
        assert isinstance(telegram, SmlTelegram)
        assert telegram.message_crc_good
        assert telegram.server_id == bytes.fromhex("0a01454d480000a1bd34")
        logged = bench.log[-1]
        assert logged[:3] == ("1EMH0010599732", 0, elapsed_ms)
        assert len(telegram.values) == len(profile.objects)
        for item, value in zip(profile.objects, telegram.values, strict=True):
            if isinstance(value.value, Scaled) and value.unit is not None:
                base = DLMS_UNITS[value.unit]
                registry = {"Wh": "kWh", "varh": "kvarh"}.get(base, base)
                exact = value.value.times(conversion(base, registry)).normalised()
                assert parse_decimal(logged.values[item.quantity]).normalised() == exact
    counters = [Decimal(read.values["energy_active_import_total"]) for read in bench.log]
    assert counters == sorted(set(counters))


def test_server_ids_are_made_of_what_is_printed_on_the_meter() -> None:
    assert server_id_of("1EMH0010599732").hex() == "0a01454d480000a1bd34"
    assert server_id_of("0a01444a0001").hex() == "0a01444a0001"
    for wrong in ("not hex", "1EMHzz12345678", "1EMH00abcdefgh"):
        with pytest.raises(ValueError, match="1EMH0012345678 or hexadecimal"):
            server_id_of(wrong)


async def test_a_simulated_line_speaks_ascii_and_tells_its_name_plate() -> None:
    url = "sim://modbus-ascii?meter=eastron-sdm630@5:4711&baud=115200&format=7E1"
    port = await open_port(url, baud=115_200, format="7E1")
    driver = LineDriver(port, silence_s=0.0)
    try:
        serial = await driver.exchange(AsciiExchange(5, ReadRequest(3, 0xFC00, 2)), 1.0)
        assert int.from_bytes(serial, "big") == 4711
        steps = read_objects()
        request = next(steps)
        with pytest.raises(StopIteration) as end:
            steps.send(await driver.exchange(AsciiExchange(5, request), 1.0))
        assert end.value.value[5] == b"eastron-sdm630"
        assert await driver.exchange(AsciiExchange(5, ServerIdRequest()), 1.0) == b"\x05\xffeastron-sdm630"
    finally:
        await driver.close()
