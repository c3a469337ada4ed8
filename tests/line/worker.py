"""A worker with a real port, a real driver and simulated devices; its readings and faults are kept."""

from __future__ import annotations

import asyncio
import contextlib
import random
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from config.catalogue import catalogue
from config.load import Line
from config.model import LineConfig, LineProtocol, MeterConfig
from config.profile import DeviceProfile
from edge_agent.clock import BootClock
from edge_agent.faults import Faults
from edge_agent.line_port import LinePort
from edge_agent.meter_state import MeterState, initial_identity
from edge_agent.parts import Parts
from edge_agent.poll_worker import PollWorker
from edge_agent.pulse_counts import PulseCounts
from edge_agent.readers import ModbusReader, make_reader
from edge_agent.reading import Reading, Sink
from edge_agent.workers import open_line
from hal.clock import SystemClock
from hal.storage import FolderStorage

WAIT_S = 10.0


class Kept:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []
        self._came = asyncio.Event()

    def record(self, readings: Sequence[Reading]) -> None:
        self.readings += readings
        self._came.set()

    def pass_over(self, count: int, after_ms: int, before_ms: int) -> None:
        """Nothing passes unread here."""

    async def wait_more(self, count: int) -> list[Reading]:
        """The readings that come from now on, at least so many."""
        begin = len(self.readings)
        async with asyncio.timeout(WAIT_S):
            while len(self.readings) < begin + count:
                self._came.clear()
                await self._came.wait()
        return self.readings[begin:]


def parts_of(clock: BootClock, sink: Sink, faults: Faults) -> Parts:
    """What a worker without pulses works with, from now on."""
    return Parts(clock, sink, faults, PulseCounts(None, []), lambda *_: None, clock.boot_ms())


class Rig:
    """The worker, and what came of it."""

    def __init__(self, worker: PollWorker, kept: Kept, faults: Faults) -> None:
        self.worker = worker
        self.kept = kept
        self._faults = faults

    def faults(self) -> dict[str, str]:
        """Evidence by "code subject"."""
        return {f"{fault.code} {fault.subject}": fault.evidence for fault in self._faults.present()}

    async def wait_fault(self, name: str, *, present: bool = True) -> str:
        """The evidence of a fault once it holds, or "" once it does not."""
        async with asyncio.timeout(WAIT_S):
            while (name in self.faults()) != present:
                await self.kept.wait_more(1)
        return self.faults().get(name, "")


@contextlib.asynccontextmanager
async def open_rig(
    url: str,
    protocol: LineProtocol,
    units: Sequence[int],
    *,
    profile: DeviceProfile | None = None,
    serial: str = "",
    reply_timeout_s: float = 0.3,
    quantities: tuple[str, ...] = ("voltage_l1", "energy_active_import_total"),
) -> AsyncIterator[Rig]:
    """A line of meters, read each second."""
    profile = profile or catalogue()["eastron-sdm630"]
    config = LineConfig(id="bus", url=url, protocol=protocol, reply_timeout_s=reply_timeout_s)
    character_format = "7E1" if protocol == "modbus-ascii" else "8N1"
    line = Line(config, tuple(range(len(units))), 115_200, character_format, reply_timeout_s, 0.0)  # type: ignore[arg-type]
    faults = Faults(lambda: 0)
    kept = Kept()
    pairs = []
    for unit in units:
        meter = MeterConfig(
            id=f"meter-{unit}",
            line="bus",
            profile=profile.name,
            address=unit,
            serial=serial,
            interval_s=1,
            quantities=quantities,
        )
        state = MeterState(meter, profile, initial_identity(meter))
        reader = make_reader(profile, meter, unit * 10)
        assert isinstance(reader, ModbusReader)
        pairs.append((state, reader))
    port = LinePort(line, open_line, faults, random.Random(1))
    with tempfile.TemporaryDirectory() as folder:
        clock = BootClock(FolderStorage(Path(folder)), SystemClock("kernel"))
    worker = PollWorker(line, pairs, port, parts_of(clock, kept, faults))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(port.run()), group.create_task(worker.run())]
        try:
            yield Rig(worker, kept, faults)
        finally:
            for task in tasks:
                task.cancel()
