"""Modbus gateways and serial servers: who answered is told apart, and what is behind them is read right."""

from __future__ import annotations

import pytest

from config.catalogue import catalogue
from config.load import Line
from config.model import LineConfig
from edge_agent.line import LATE_ANSWER_S_MAX, LineTimeout
from edge_agent.poll_worker import late_answer_s, line_silence_s
from hal.sim.line import Device, LineFaults, SimLine, SimTcpServer
from hal.sim.meters import ModbusSimulation, SimMeter
from protocols.errors import DeviceError
from protocols.modbus.ascii import AsciiServer
from protocols.modbus.pdu import ACKNOWLEDGED, BUSY, PATH_UNAVAILABLE, TARGET_SILENT, ReadRequest
from protocols.modbus.rtu import RtuServer, silence_s
from protocols.modbus.tcp import TcpServer
from protocols.value import NullCause
from tests.line.worker import open_rig

SDM630 = catalogue()["eastron-sdm630"]


class Gateway:
    """Meters behind a gateway; `answers` says which exception stands for a unit."""

    def __init__(self, *units: int) -> None:
        meters = {unit: SimMeter(SDM630, str(1000 + unit), unit) for unit in units}
        self.simulation = ModbusSimulation(meters, lambda: 1000)
        self.exceptions: dict[int, int] = {}
        self.asked = dict.fromkeys(units, 0)

    def answer(self, unit: int, read: ReadRequest) -> bytes | int | None:
        self.asked[unit] += 1
        return self.exceptions.get(unit) or self.simulation.answer(unit, read)

    def tcp(self) -> Device:
        return TcpServer(self.answer)

    def rtu(self) -> Device:
        return RtuServer(self.answer)


async def test_a_meter_that_a_gateway_finds_silent_is_silent_and_the_evidence_names_the_gateway() -> None:
    gateway = Gateway(1, 2)
    gateway.exceptions[2] = TARGET_SILENT
    async with SimTcpServer(gateway.tcp) as server, open_rig(server.path, "modbus-tcp", (1, 2)) as rig:
        evidence = await rig.wait_fault("meter.silent meter-2")
        assert "gateway answered" in evidence
        assert "0B" in evidence
        assert set(rig.faults()) == {"meter.silent meter-2"}
        causes = {reading.null_cause for reading in rig.kept.readings if reading.series >= 20}
        assert causes == {NullCause.SILENT}
        assert all(reading.value is not None for reading in rig.kept.readings if reading.series < 20)
        with pytest.raises(LineTimeout, match="gateway answered, unit 2 behind it did not"):
            await rig.worker.read_now("meter-2")
        gateway.exceptions.clear()
        await rig.wait_fault("meter.silent meter-2", present=False)


async def test_a_silent_meter_behind_a_gateway_costs_its_round_one_request() -> None:
    gateway = Gateway(1, 2)
    gateway.exceptions[2] = TARGET_SILENT
    async with SimTcpServer(gateway.tcp) as server, open_rig(server.path, "modbus-tcp", (1, 2)) as rig:
        await rig.kept.wait_more(8)
        rounds = len([r for r in rig.kept.readings if r.series == 20])
        assert gateway.asked[2] <= rounds + 1
        assert gateway.asked[1] >= 2 * (rounds - 1)


async def test_a_gateway_without_a_way_to_a_meter_is_a_fault_of_the_line() -> None:
    gateway = Gateway(1, 2)
    gateway.exceptions[2] = PATH_UNAVAILABLE
    async with SimTcpServer(gateway.tcp) as server, open_rig(server.path, "modbus-tcp", (1, 2)) as rig:
        evidence = await rig.wait_fault("line.path bus")
        assert "meter-2 (2)" in evidence
        assert "0A" in evidence
        await rig.kept.wait_more(8)
        assert set(rig.faults()) == {"line.path bus"}  # the meter itself was never asked
        causes = {reading.null_cause for reading in rig.kept.readings if reading.series >= 20}
        assert causes == {NullCause.PORT_GONE}
        gateway.exceptions[2] = TARGET_SILENT  # now it has a way, and the meter does not answer
        await rig.wait_fault("line.path bus", present=False)
        await rig.wait_fault("meter.silent meter-2")


async def test_neither_makes_the_serial_number_unverifiable() -> None:
    gateway = Gateway(1)
    for code in (TARGET_SILENT, PATH_UNAVAILABLE):
        gateway.exceptions[1] = code
        async with (
            SimTcpServer(gateway.tcp) as server,
            open_rig(server.path, "modbus-tcp", (1,), serial="1001") as rig,
        ):
            await rig.kept.wait_more(2)
            assert rig.worker.meters[0].identity == "configured"
            gateway.exceptions.clear()
            while all(reading.value is None for reading in rig.kept.readings):
                await rig.kept.wait_more(1)
            assert rig.worker.meters[0].identity == "verified"


@pytest.mark.parametrize("code", [ACKNOWLEDGED, BUSY])
async def test_a_meter_too_busy_to_tell_its_serial_number_is_asked_again(code: int) -> None:
    """Its rounds are null until then: nothing counts before the number was compared."""
    gateway = Gateway(1)
    gateway.exceptions[1] = code
    async with (
        SimTcpServer(gateway.tcp) as server,
        open_rig(server.path, "modbus-tcp", (1,), serial="1001") as rig,
    ):
        assert "serial number" in await rig.wait_fault("meter.refuses meter-1")
        assert rig.worker.meters[0].identity == "configured"
        assert {reading.null_cause for reading in rig.kept.readings} == {NullCause.REFUSED}
        with pytest.raises(DeviceError):
            await rig.worker.read_now("meter-1")
        gateway.exceptions.clear()
        await rig.wait_fault("meter.refuses meter-1", present=False)
        assert rig.worker.meters[0].identity == "verified"
        assert all(not reading.remark for reading in rig.kept.readings if reading.value is not None)


async def test_a_meter_that_refuses_is_not_taken_for_a_gateway() -> None:
    gateway = Gateway(1)
    gateway.exceptions[1] = 4
    async with SimTcpServer(gateway.tcp) as server, open_rig(server.path, "modbus-tcp", (1,)) as rig:
        await rig.wait_fault("meter.refuses meter-1")
        assert {reading.null_cause for reading in rig.kept.readings} == {NullCause.REFUSED}


async def test_rtu_over_tcp_is_read_through_a_serial_server_with_a_bad_line_behind_it() -> None:
    gateway = Gateway(1, 2)
    faults = LineFaults(noise_before=0.3, noise_after=0.3, echo=0.3, split=0.3, split_s=0.01)
    server = SimTcpServer(gateway.rtu, faults=faults, seed=4, passes_line=True)
    async with server, open_rig(server.path, "modbus-rtu", (1, 2)) as rig:
        await rig.kept.wait_more(12)
        values = [reading for reading in rig.kept.readings if reading.value is not None]
        assert len(values) == len(rig.kept.readings)


async def test_modbus_ascii_is_read_on_a_line_of_7e1() -> None:
    gateway = Gateway(1, 2)
    faults = LineFaults(noise_before=0.3, noise_after=0.3, echo=0.3)
    line = SimLine(AsciiServer(gateway.answer), baud=115_200, character_format="7E1", faults=faults, seed=4)
    async with line, open_rig(f"serial://{line.path}", "modbus-ascii", (1, 2)) as rig:
        await rig.kept.wait_more(8)
        assert all(reading.value is not None for reading in rig.kept.readings)
        assert any(frame.data.startswith(b":0104") for frame in line.log if frame.sender == "client")


@pytest.mark.parametrize(
    ("protocol", "url", "silence", "late_s"),
    [
        ("modbus-rtu", "serial:///dev/ttyUSB0", silence_s(9600, "8N1"), LATE_ANSWER_S_MAX),
        ("modbus-rtu", "sim://modbus-rtu?meter=a", silence_s(9600, "8N1"), LATE_ANSWER_S_MAX),
        ("modbus-rtu", "tcp://10.0.0.7:4001", 0.0, LATE_ANSWER_S_MAX),
        ("modbus-ascii", "serial:///dev/ttyUSB0", 0.0, LATE_ANSWER_S_MAX),
        ("modbus-ascii", "tcp://10.0.0.7:4001", 0.0, LATE_ANSWER_S_MAX),
        ("modbus-tcp", "tcp://10.0.0.7:502", 0.0, 0.0),
    ],
)
def test_silence_is_kept_where_characters_have_their_times_and_late_answers_where_they_bear_no_number(
    protocol: str, url: str, silence: float, late_s: float
) -> None:
    config = LineConfig(id="bus", url=url, protocol=protocol)  # type: ignore[arg-type]
    line = Line(config, (), 9600, "8N1", 0.5, 0.0)
    assert line_silence_s(line) == silence
    assert late_answer_s(line) == late_s
    slow = line._replace(gap_s=0.05)
    assert line_silence_s(slow) == (0.0 if protocol == "modbus-tcp" else 0.05)
