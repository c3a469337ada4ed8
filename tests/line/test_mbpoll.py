"""mbpoll (Debian; libmodbus underneath) reads our simulated meters, over TCP and over a pseudo-terminal."""

from __future__ import annotations

import asyncio
import re
import shutil
import struct
from decimal import Decimal

import pytest

from config.catalogue import catalogue
from hal.sim.line import LineFaults, SimLine, SimTcpServer
from hal.sim.meters import ModbusSimulation, SimMeter, SimRead
from protocols.modbus.rtu import RtuServer
from protocols.modbus.tcp import TcpServer

pytestmark = pytest.mark.skipif(
    shutil.which("mbpoll") is None, reason="mbpoll is not installed: apt-get install mbpoll"
)

ELAPSED_MS = 123_456
BAUD = 19_200
WAIT_S = 20.0


class Bench:
    """Two meters: unit 1 an SDM630 (binary32), unit 2 a B23 (integers)."""

    def __init__(self) -> None:
        self.log: list[SimRead] = []
        profiles = catalogue()
        meters = {
            unit: SimMeter(profiles[name], str(1000 + unit), unit, self.log.append)
            for unit, name in ((1, "eastron-sdm630"), (2, "abb-b23"))
        }
        self.simulation = ModbusSimulation(meters, lambda: ELAPSED_MS)

    def rtu(self) -> RtuServer:
        return RtuServer(self.simulation.answer, self.simulation.identify)

    def tcp(self) -> TcpServer:
        return TcpServer(self.simulation.answer, self.simulation.identify)

    def given_out(self) -> dict[str, Decimal]:
        return {name: Decimal(text) for read in self.log for name, text in read.values.items()}


async def mbpoll(*arguments: str) -> tuple[int, str]:
    """Exit code and output of one poll."""
    program = shutil.which("mbpoll")
    assert program is not None
    process = await asyncio.create_subprocess_exec(
        *(program, "-0", "-1", "-o", "2", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(WAIT_S):
        out, _ = await process.communicate()
    return process.returncode or 0, out.decode(errors="replace")


def values(text: str) -> dict[int, str]:
    """Register number and value of every line such as `[0]: 230.2`."""
    return {int(number): value for number, value in re.findall(r"^\[(\d+)\]:\s+(\S+)", text, re.MULTILINE)}


async def check_floats(bench: Bench, *place: str) -> None:
    code, text = await mbpoll("-a", "1", "-t", "3:float", "-B", "-r", "0", "-c", "6", *place)
    assert code == 0, text
    names = ("voltage_l1", "voltage_l2", "voltage_l3", "current_l1", "current_l2", "current_l3")
    truth = bench.given_out()
    read = values(text)
    assert sorted(read) == [0, 2, 4, 6, 8, 10]
    for place_, name in enumerate(names):
        shown = struct.pack(">f", float(truth[name]))  # mbpoll prints six digits
        assert float(read[2 * place_]) == pytest.approx(struct.unpack(">f", shown)[0], rel=1e-5)


async def check_integers(bench: Bench, *place: str) -> None:
    """A B23's energy: four registers of 16 bits, 0.01 kWh."""
    code, text = await mbpoll("-a", "2", "-t", "4:hex", "-r", str(0x5000), "-c", "4", *place)
    assert code == 0, text
    words = [int(word, 16) for _, word in sorted(values(text).items())]
    number = int.from_bytes(struct.pack(">4H", *words), "big")
    assert Decimal(number) / 100 == bench.given_out()["energy_active_import_total"]


async def check_refusal_and_silence(*place: str) -> None:
    code, text = await mbpoll("-a", "2", "-t", "4", "-r", "40000", "-c", "2", *place)
    assert code != 0
    assert "Illegal data address" in text
    code, text = await mbpoll("-a", "9", "-t", "4", "-r", "0", "-c", "1", *place)
    assert code != 0
    assert "timed out" in text


async def test_mbpoll_reads_simulated_meters_over_tcp() -> None:
    bench = Bench()
    async with SimTcpServer(bench.tcp, faults=LineFaults(split=0.5, split_s=0.01)) as server:
        place = ("-m", "tcp", "-p", str(server.port), "127.0.0.1")
        await check_floats(bench, *place)
        await check_integers(bench, *place)
        await check_refusal_and_silence(*place)


async def test_mbpoll_reads_simulated_meters_over_a_pseudo_terminal() -> None:
    bench = Bench()
    async with SimLine(bench.rtu(), baud=BAUD) as line:
        place = ("-m", "rtu", "-b", str(BAUD), "-P", "none", line.path)
        await check_floats(bench, *place)
        await check_integers(bench, *place)
        await check_refusal_and_silence(*place)


async def test_mbpoll_reads_the_server_id_of_a_simulated_meter() -> None:
    async with SimLine(Bench().rtu(), baud=BAUD) as line:
        code, text = await mbpoll("-m", "rtu", "-b", str(BAUD), "-P", "none", "-a", "1", "-u", line.path)
    assert code == 0, text
    assert "eastron-sdm630" in text
