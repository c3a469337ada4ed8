"""A serial line on the event loop's clock, virtual time included: RTU devices at a port, byte times kept, and
the worker that reads them."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from config.load import Line
from config.model import LineConfig, MeterConfig
from config.profile import DeviceProfile
from edge_agent.clock import BootClock
from edge_agent.faults import Faults
from edge_agent.line import LineDriver, LineMemory
from edge_agent.line_port import LinePort
from edge_agent.meter_state import MeterState, initial_identity
from edge_agent.poll_worker import PollWorker
from edge_agent.readers import ModbusReader, make_reader
from hal.sim.clock import SimClock
from hal.sim.line import Device
from hal.storage import FolderStorage
from protocols.modbus.rtu import silence_s
from tests.line.worker import Kept, parts_of

BAUD = 115_200
CHAR_TIME_S = 10 / BAUD
SERIES_PER_METER = 100
TIMEOUT_S = 0.5


class Asked(NamedTuple):
    """A request that went over the line."""

    time_s: float
    unit: int
    frame: bytes


class Wire:
    """A port with devices behind it. `turnaround_s` by unit; `asked` is what was sent, in order; `expected`
    tells for how many bytes each read was to wait."""

    def __init__(self, device: Device) -> None:
        self.char_time_s = CHAR_TIME_S
        self.turnaround_s: dict[int, float] = {}
        self.asked: list[Asked] = []
        self.expected: list[int] = []
        self._device = device
        self._arrived = bytearray()
        self._came = asyncio.Event()

    async def write(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        self.asked.append(Asked(loop.time(), data[0], data))
        await asyncio.sleep(len(data) * CHAR_TIME_S)
        for frame in self._device.receive_data(data):
            turnaround_s = self.turnaround_s.get(data[0], 0.001)
            loop.call_later(turnaround_s + len(frame) * CHAR_TIME_S, self._arrive, frame)

    async def read(self, timeout_s: float, expected: int = 1) -> bytes:
        if not self._arrived and timeout_s > 0:
            self._came.clear()
            self.expected.append(expected)
            try:
                async with asyncio.timeout(timeout_s):
                    await self._came.wait()
            except TimeoutError:
                return b""
        data = bytes(self._arrived)
        self._arrived.clear()
        return data

    def discard_input(self) -> None:
        self._arrived.clear()

    def reconfigure(self, baud: int) -> None:
        raise AssertionError("nothing here changes its rate")

    async def close(self) -> None:
        """Nothing to release."""

    def requests(self, unit: int) -> int:
        """How often this unit was asked."""
        return sum(asked.unit == unit for asked in self.asked)

    def _arrive(self, data: bytes) -> None:
        self._arrived += data
        self._came.set()


class Polled(NamedTuple):
    """A worker at work, and what came of it."""

    worker: PollWorker
    wire: Wire
    kept: Kept
    faults: Faults


@asynccontextmanager
async def open_polled(
    device: Device, meters: Sequence[tuple[MeterConfig, DeviceProfile]]
) -> AsyncIterator[Polled]:
    """The meters on one line; the series of each from SERIES_PER_METER x its address on."""
    with tempfile.TemporaryDirectory() as folder:
        clock = BootClock(FolderStorage(Path(folder)), SimClock(time_s=asyncio.get_running_loop().time))
    kept, faults, wire = Kept(), Faults(clock.boot_ms), Wire(device)

    async def open_wire(_line: Line, memory: LineMemory) -> LineDriver:
        return LineDriver(wire, silence_s=silence_s(BAUD, "8N1"), memory=memory)

    config = LineConfig(id="bus", url="sim://modbus-rtu", protocol="modbus-rtu", reply_timeout_s=TIMEOUT_S)
    line = Line(config, tuple(range(len(meters))), BAUD, "8N1", TIMEOUT_S, 0.0)
    pairs = []
    for meter, profile in meters:
        reader = make_reader(profile, meter, SERIES_PER_METER * meter.address)
        assert isinstance(reader, ModbusReader)
        pairs.append((MeterState(meter, profile, initial_identity(meter)), reader))
    port = LinePort(line, open_wire, faults, random.Random(1))
    worker = PollWorker(line, pairs, port, parts_of(clock, kept, faults))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(port.run()), group.create_task(worker.run())]
        yield Polled(worker, wire, kept, faults)
        for task in tasks:
            task.cancel()
