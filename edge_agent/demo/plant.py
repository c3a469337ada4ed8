"""The simulated cabinet: `python -m edge_agent.demo.plant FOLDER`, until it is terminated.

Two RS-485 lines with byte times of 9600 baud, an optical head, and a Modbus TCP meter that is served
by pymodbus' own server, so that not every pair of programs is of one making. Each meter writes down
what it gave out (`meters.jsonl`); `plant.json` says what stands where, once everything does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from config.catalogue import catalogue
from edge_agent.demo.broker import free_port
from hal.sim.line import SimLine, SimPushLine
from hal.sim.meters import ModbusSimulation, SimMeter, SimRead
from protocols.modbus.pdu import ReadRequest
from protocols.modbus.rtu import RtuServer

BAUD = 9600
PUSH_PERIOD_MS = 2_000
REGISTERS = 1_024


class Installed(NamedTuple):
    """A simulated meter and where it hangs; an empty serial: the profile offers none to compare."""

    id: str
    line: str
    address: int
    profile: str
    serial: str


METERS = (
    Installed("sdm630-workshop", "rs485-1", 1, "eastron-sdm630", "20260017"),
    Installed("b23-kitchen", "rs485-1", 2, "abb-b23", "30145566"),
    Installed("pac2200-feeder", "rs485-2", 1, "siemens-pac2200", ""),
    Installed("pac2200-pv", "lan", 1, "siemens-pac2200", ""),
    Installed("ehz-house", "optical", 1, "ehz-sml", "1EMH0012345678"),
)


class MeterLog:
    """What every meter gave out, one JSON object a line, written at once: it must outlive any kill."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def of(self, meter: str) -> Callable[[SimRead], None]:
        """The log of one meter."""

        def write(read: SimRead) -> None:
            row = {
                "meter": meter,
                "polled": read.unit != 0,
                "boot_ms": boot_ms(),
                "values": read.values,
            }
            self._file.write(json.dumps(row, separators=(",", ":")) + "\n")
            self._file.flush()

        return write


def boot_ms() -> int:
    """The axis on which the agent dates its readings, too."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def make_meters(log: MeterLog) -> dict[str, SimMeter]:
    """The simulated devices by meter id; the seed is their place in the list."""
    profiles = catalogue()
    return {
        meter.id: SimMeter(profiles[meter.profile], meter.serial or str(seed), seed, log.of(meter.id))
        for seed, meter in enumerate(METERS)
    }


def serial_line(folder: Path, line: str, meters: dict[str, SimMeter]) -> SimLine:
    """An RS-485 segment with its meters, reachable by a stable name."""
    units = {meter.address: meters[meter.id] for meter in METERS if meter.line == line}
    simulation = ModbusSimulation(units, boot_ms)
    return SimLine(RtuServer(simulation.answer), baud=BAUD, link=folder / "lines" / line)


def make_tcp_server(port: int, meter: SimMeter) -> ModbusTcpServer:
    """pymodbus' server; its registers are filled anew for each request."""
    simulation = ModbusSimulation({1: meter}, boot_ms)

    async def fill(
        function: int, start: int, address: int, count: int, registers: list[int], _written: Any
    ) -> ExcCodes | None:
        data = simulation.answer(1, ReadRequest(function, address, count))
        if not isinstance(data, bytes):
            return ExcCodes(data or 4)
        words = [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]
        registers[address - start : address - start + count] = words
        return None

    device = SimDevice(
        1, simdata=[SimData(0, count=REGISTERS, values=0, datatype=DataType.REGISTERS)], action=fill
    )
    return ModbusTcpServer(device, address=("127.0.0.1", port))


async def run(folder: Path) -> None:
    """Build the plant, say so, and let it run."""
    (folder / "lines").mkdir(exist_ok=True)
    with (folder / "meters.jsonl").open("a") as file:
        meters = make_meters(MeterLog(file))
        port = free_port()
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(serial_line(folder, "rs485-1", meters))
            await stack.enter_async_context(serial_line(folder, "rs485-2", meters))
            optical = SimPushLine(
                meters["ehz-house"],
                period_ms=PUSH_PERIOD_MS,
                elapsed_ms=boot_ms,
                baud=BAUD,
                link=folder / "lines" / "optical",
            )
            await stack.enter_async_context(optical)
            server = make_tcp_server(port, meters["pac2200-pv"])
            await server.listen()
            ready = folder / "plant.tmp"
            ready.write_text(
                json.dumps({"modbus_tcp_port": port, "meters": [meter._asdict() for meter in METERS]})
            )
            ready.rename(folder / "plant.json")
            await asyncio.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run(Path(sys.argv[1])))
