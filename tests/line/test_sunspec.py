"""SunSpec devices on a line: found, identified, read exactly, and found anew when they have changed."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from config.catalogue import catalogue, step_exponent
from config.model import LineProtocol
from hal.sim.line import SimTcpServer
from hal.sim.sunspec import chain, image
from protocols.errors import DeviceError
from protocols.modbus.pdu import BUSY, ILLEGAL_ADDRESS, ReadRequest
from protocols.modbus.tcp import TcpServer
from protocols.quantities import by_name
from protocols.sunspec import BASES, Model
from protocols.units import conversion
from protocols.value import NullCause, parse_decimal
from tests.line.worker import Rig, open_rig
from tests.world.broker import free_port

CORPUS = Path(__file__).parents[2].parent / "shared" / "corpora" / "modbus"
METER = catalogue()["sunspec-meter"]
SERIAL = "SN-2026-17"


class Device:
    """A SunSpec device whose registers a test writes; `exception` is what it answers instead of anything."""

    def __init__(self, models: tuple[Model, ...]) -> None:
        self.exception: int | None = None
        self.lay(models)
        self.measure(2301, 12_345_678)

    def lay(self, models: tuple[Model, ...]) -> None:
        """A firmware with these models."""
        start, registers = image(models, METER, SERIAL)
        self.models = models
        self.registers = {start + n: registers[2 * n : 2 * n + 2] for n in range(len(registers) // 2)}

    def write(self, offset: int, data: bytes) -> None:
        """Into the meter model."""
        at = next(model.address for model in self.models if model.id == 203) + offset
        for place in range(0, len(data), 2):
            self.registers[at + place // 2] = data[place : place + 2]

    def measure(self, deci_volts: int, watt_hours: int) -> None:
        self.write(8, struct.pack(">H", deci_volts))
        self.write(15, struct.pack(">h", -1))
        self.write(46, struct.pack(">I", watt_hours))
        self.write(54, struct.pack(">h", 0))

    def answer(self, _unit: int, read: ReadRequest) -> bytes | int | None:
        if self.exception is not None:
            return self.exception
        wanted = range(read.address, read.address + read.count)
        if read.function != 3 or not all(address in self.registers for address in wanted):
            return ILLEGAL_ADDRESS
        return b"".join(self.registers[address] for address in wanted)

    def server(self) -> SimTcpServer:
        return SimTcpServer(lambda: TcpServer(self.answer))


def values(rig: Rig) -> list[str]:
    return [str(reading.value) for reading in rig.kept.readings if reading.value is not None]


async def wait_values(rig: Rig, count: int) -> None:
    while len(values(rig)) < count:
        await rig.kept.wait_more(1)


@pytest.mark.parametrize("base", BASES)
async def test_a_device_is_found_at_each_base_address_and_read_exactly(base: int) -> None:
    device = Device(chain((1, 120, 203), base))
    async with device.server() as server, open_rig(server.path, "modbus-tcp", (1,), profile=METER) as rig:
        await wait_values(rig, 4)
        assert set(values(rig)) == {"230.1", "12345.678"}
        assert not rig.faults()


async def test_the_wrong_device_is_a_fault_before_any_value_counts() -> None:
    device = Device(chain((1, 203)))
    async with (
        device.server() as server,
        open_rig(server.path, "modbus-tcp", (1,), profile=METER, serial="SN-OTHER") as rig,
    ):
        evidence = await rig.wait_fault("meter.wrong-serial meter-1")
        assert f"the device says {SERIAL}" in evidence
        await rig.kept.wait_more(2)
        assert {reading.null_cause for reading in rig.kept.readings} == {NullCause.WRONG_DEVICE}


async def test_the_right_device_is_verified_by_its_common_model() -> None:
    device = Device(chain((1, 203)))
    async with (
        device.server() as server,
        open_rig(server.path, "modbus-tcp", (1,), profile=METER, serial=SERIAL) as rig,
    ):
        await wait_values(rig, 2)
        assert rig.worker.meters[0].identity == "verified"


async def test_a_chain_that_has_moved_is_noticed_before_a_value_of_it_counts() -> None:
    """After a firmware update another model stands in front: the old places hold something else by now."""
    device = Device(chain((1, 203)))
    async with device.server() as server, open_rig(server.path, "modbus-tcp", (1,), profile=METER) as rig:
        await wait_values(rig, 2)
        device.lay(chain((1, 120, 203)))
        for address in range(40070, 40072 + 100):  # what stands there now would pass for values
            if device.registers[address] == b"\x80\x00":
                device.registers[address] = b"\x00\x07"
        device.measure(2302, 12_345_679)
        seen = len(values(rig))
        await wait_values(rig, seen + 4)
        assert set(values(rig)) == {"230.1", "12345.678", "230.2", "12345.679"}
        causes = [r.null_cause for r in rig.kept.readings if r.null_cause is not None]
        assert set(causes) <= {NullCause.CORRUPT, NullCause.LINE_BUSY}
        assert not rig.faults()


async def test_a_device_without_sunspec_is_a_fault_until_it_is_switched_on() -> None:
    device = Device(chain((1, 203)))
    device.exception = ILLEGAL_ADDRESS
    async with device.server() as server, open_rig(server.path, "modbus-tcp", (1,), profile=METER) as rig:
        assert "SunS" in await rig.wait_fault("meter.models meter-1")
        assert {reading.null_cause for reading in rig.kept.readings} == {NullCause.REFUSED}
        with pytest.raises(DeviceError, match="no SunSpec device"):
            await rig.worker.read_now("meter-1")
        device.exception = None
        await rig.wait_fault("meter.models meter-1", present=False)
        await wait_values(rig, 2)


async def test_a_device_with_other_models_says_which_it_has() -> None:
    device = Device(chain((1, 203)))
    profile = catalogue()["sunspec-inverter"]
    async with device.server() as server, open_rig(server.path, "modbus-tcp", (1,), profile=profile) as rig:
        assert "the device has 1, 203, 64900" in await rig.wait_fault("meter.models meter-1")


async def test_a_busy_device_is_asked_again() -> None:
    device = Device(chain((1, 203)))
    device.exception = BUSY
    async with device.server() as server, open_rig(server.path, "modbus-tcp", (1,), profile=METER) as rig:
        await rig.wait_fault("meter.refuses meter-1")
        device.exception = None
        await rig.wait_fault("meter.refuses meter-1", present=False)
        await wait_values(rig, 2)


async def test_a_register_that_is_refused_within_a_model_is_left_out_and_the_rest_is_read() -> None:
    device = Device(chain((1, 203)))
    at = next(model.address for model in device.models if model.id == 203)
    for offset in range(18, 23):  # the powers and their scale
        del device.registers[at + offset]
    quantities = ("voltage_l1", "power_active_total", "energy_active_import_total")
    async with (
        device.server() as server,
        open_rig(server.path, "modbus-tcp", (1,), profile=METER, quantities=quantities) as rig,
    ):
        assert "power_active_total" in await rig.wait_fault("meter.refuses meter-1")
        await wait_values(rig, 4)
        assert set(values(rig)) == {"230.1", "12345.678"}
        asked = rig.worker.port.memory.counts.refused
        await wait_values(rig, 8)
        assert rig.worker.port.memory.counts.refused == asked  # found once, and not asked for again


def told(path: Path) -> list[dict[str, str]]:
    """What a simulated meter gave out in whole rounds."""
    reads = [json.loads(line)["values"] for line in path.read_text(encoding="utf-8").splitlines()]
    return [read for read in reads if read]


@pytest.mark.parametrize("kind", ["modbus-tcp", "modbus-rtu"])
@pytest.mark.parametrize("name", ["sunspec-meter", "sunspec-inverter", "sunspec-battery"])
async def test_a_simulated_device_and_the_agent_agree_on_every_value(
    tmp_path: Path, name: str, kind: LineProtocol
) -> None:
    profile = catalogue()[name]
    log = tmp_path / "told"
    url = f"sim://{kind}?meter={name}@1:{SERIAL}&baud=115200&log={log}"
    async with open_rig(url, kind, (1,), profile=profile, serial=SERIAL, quantities=()) as rig:
        await rig.kept.wait_more(1)
        readings = await rig.worker.read_now("meter-1")
    points = list({point.quantity: point for point in profile.points}.values())
    assert sorted(reading.series for reading in readings) == list(range(10, 10 + len(points)))
    exact = told(log)[-1]
    for reading in readings:
        point = points[reading.series - 10]
        wanted = parse_decimal(exact[point.quantity])
        step = step_exponent(point.resolution)
        if step is not None:
            wanted = wanted.quantised(step + conversion(point.unit, by_name(point.quantity).unit).exponent)
        assert reading.value is not None
        assert reading.value.normalised() == wanted.normalised()


@pytest.mark.skipif(not CORPUS.exists(), reason="corpora: ../shared/corpora/modbus is not there")
async def test_recorded_registers_behind_a_foreign_server_are_read_right() -> None:
    """pymodbus serves a recorded model 705 and what a recorded write puts into the common model."""
    curve = (CORPUS / "ss_test_file_client_TestFileClientDevice.test_get_mb.L2678.bin").read_bytes()
    name = "ss_test_modbus_client_TestSunSpecModbusClientDeviceRTU.test_write.check_req.bin"
    _unit, _function, address, count, _size = struct.unpack(">BBHHB", (CORPUS / name).read_bytes()[:7])
    written = (CORPUS / name).read_bytes()[7:-2]
    assert len(written) == 2 * count
    models = (Model(1, 40002, 66), Model(705, 40070, 67), Model(203, 40139, 105))
    device = Device(models)
    registers = device.registers
    registers |= {address + n: written[2 * n : 2 * n + 2] for n in range(count)}
    registers |= {40070 + n: curve[2 * n : 2 * n + 2] for n in range(len(curve) // 2)}
    words = [int.from_bytes(registers.get(address, b"\0\0"), "big") for address in range(0x10000)]
    port = free_port()
    served = SimDevice(7, simdata=[SimData(0, values=words, datatype=DataType.REGISTERS)])
    server = ModbusTcpServer([served], address=("127.0.0.1", port))
    await server.serve_forever(background=True)
    try:
        async with open_rig(
            f"tcp://127.0.0.1:{port}", "modbus-tcp", (7,), profile=METER, serial="sn-000"
        ) as rig:
            await wait_values(rig, 4)
            assert set(values(rig)) == {"230.1", "12345.678"}
            assert rig.worker.meters[0].identity == "verified"
    finally:
        await server.shutdown()
