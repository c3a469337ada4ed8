"""The worker of a pulse input in virtual time: what slots hold, and what is said of unseen pulses."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from config.catalogue import catalogue
from config.load import Line
from config.model import LineConfig, MeterConfig
from edge_agent.clock import BootClock
from edge_agent.faults import Faults
from edge_agent.line import LineMemory
from edge_agent.line_port import LinePort
from edge_agent.meter_state import MeterState, initial_identity
from edge_agent.parts import Parts
from edge_agent.pulse_counts import FILES, PulseCounts, PulseMeter
from edge_agent.pulse_reader import PulseReader
from edge_agent.pulse_worker import PulseWorker
from edge_agent.reading import Reading
from hal.api import EdgeSource, PortError
from hal.sim.clock import SimClock
from hal.sim.pulses import PulseFaults, SimEdgeSource, SimPulses
from hal.storage import FolderStorage
from protocols.value import NullCause, Quality
from tests.world.virtual_loop import run_virtual

PERIOD_MS = 1_000
INTERVAL_S = 10
CONTACT = SimPulses(period_ms=PERIOD_MS, faults=PulseFaults(bounce=0.5, glitch=0.5), seed=3)


class Rig:
    """One worker on one simulated contact, and what it said."""

    def __init__(self, folder: Path, clock: BootClock, contact: SimPulses, serial: str = "") -> None:
        self.folder = folder
        self.contact = contact
        self.meter = MeterConfig(
            id="m1", line="in-1", profile="s0-pulse-electricity", interval_s=INTERVAL_S, serial=serial
        )
        profile = catalogue()[self.meter.profile]
        reader = PulseReader(profile, self.meter, 0)
        self.counts = PulseCounts(
            FolderStorage(folder), [PulseMeter("m1", reader.quantity.name, reader.step)]
        )
        self.readings: list[Reading] = []
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.sources: list[SimEdgeSource] = []
        self.absent = False
        line = Line(LineConfig(id="in-1", url="sim://s0", protocol="s0"), (0,), 9600, "8N1", 0.5, 0.0)
        self.clock = clock
        self.faults = Faults(clock.boot_ms)
        parts = Parts(
            clock,
            self,
            self.faults,
            self.counts,
            lambda code, _, details: self.events.append((code, details)),
            clock.boot_ms(),
        )
        self.worker = PulseWorker(
            line,
            MeterState(self.meter, profile, initial_identity(self.meter)),
            reader,
            LinePort(line, self.open, self.faults, random.Random(1)),
            parts,
        )

    async def open(self, _line: Line, _memory: LineMemory) -> EdgeSource:
        if self.absent:
            raise PortError("port.missing", "no such chip")
        self.sources.append(SimEdgeSource(self.contact, self.now_ns))
        return self.sources[-1]

    def now_ns(self) -> int:
        return int(asyncio.get_running_loop().time() * 1e9)

    def record(self, readings: Sequence[Reading]) -> None:
        self.readings += readings

    def pass_over(self, count: int, after_ms: int, before_ms: int) -> None:
        raise AssertionError("no slot passes in virtual time")

    def true_pulses(self, after_ms: int, until_ms: int) -> int:
        """A pulse counts 5 ms after its end at the latest; those on the edge are left to the caller."""
        return self.contact.true_pulses(after_ms * 10**6, until_ms * 10**6)

    @property
    def values(self) -> list[int]:
        return [r.value.rescaled(-3).integer for r in self.readings if r.value is not None]


@contextlib.asynccontextmanager
async def running(
    folder: Path, clock: BootClock, contact: SimPulses = CONTACT, serial: str = ""
) -> AsyncIterator[Rig]:
    """A run that ends as a killed one does: nothing is saved at its end."""
    rig = Rig(folder / "counts", clock, contact, serial)
    tasks = [asyncio.create_task(rig.worker.port.run()), asyncio.create_task(rig.worker.run())]
    try:
        yield rig
        for task in tasks:
            assert not task.done(), task
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def make_clock(folder: Path) -> BootClock:
    return BootClock(FolderStorage(folder), SimClock(time_s=asyncio.get_running_loop().time))


def test_a_slot_holds_what_was_counted_when_it_was_due(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, make_clock(tmp_path), serial="4711") as rig:
            await asyncio.sleep(100.5)
            assert [r.due_ms for r in rig.readings] == list(range(0, 100_001, 10_000))
            assert rig.values == [rig.true_pulses(0, r.due_ms) for r in rig.readings]
            assert {r.quality for r in rig.readings} == {Quality.IDENTITY_UNVERIFIED}, (
                "no serial number there"
            )
            assert rig.events == []
            assert rig.worker.pulse_status().glitches > 10
            (now,) = await rig.worker.read_now("m1")
            assert now.value is not None
            assert now.value.rescaled(-3).integer == rig.true_pulses(0, 100_500)

    run_virtual(main())


def test_a_killed_run_costs_what_was_not_saved_and_the_first_reading_after_it_says_so(tmp_path: Path) -> None:
    async def main() -> None:
        clock = make_clock(tmp_path)
        async with running(tmp_path, clock) as first:
            await asyncio.sleep(31)
            first.counts.save()
            await asyncio.sleep(5)
        saved = first.true_pulses(0, 31_000)
        await asyncio.sleep(20)
        async with running(tmp_path, clock) as second:
            await asyncio.sleep(0.1)
            began_ms = clock.boot_ms() - 100
            assert second.values == [saved], "neither lost pulses nor phantom ones are in it"
            await asyncio.sleep(25)
            assert [r.quality for r in second.readings] == [Quality.UNWATCHED] + 3 * [Quality.GOOD]
            for reading, value in zip(second.readings, second.values, strict=True):
                seen = second.true_pulses(began_ms, reading.time_ms)
                assert saved + seen - 1 <= value <= saved + seen
            assert [code for code, _ in second.events] == ["meter.unwatched"]

    run_virtual(main())


def test_coming_into_the_middle_of_a_pulse_makes_no_pulse_of_it(tmp_path: Path) -> None:
    async def main() -> None:
        clock = make_clock(tmp_path)
        contact = SimPulses(period_ms=PERIOD_MS, pulse_ms=200, seed=5)
        total = 0
        for number in range(20):
            middle_ns = contact.pulse(number + 2).start_ns + 100 * 10**6
            await asyncio.sleep(middle_ns / 1e9 - asyncio.get_running_loop().time())
            async with running(tmp_path, clock, contact) as rig:
                await asyncio.sleep(0.3)
                rig.counts.save()
                total += sum(rig.values[-1:])
        assert total == 0

    run_virtual(main())


def test_while_the_input_is_gone_slots_are_null_and_the_next_value_is_marked(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, make_clock(tmp_path)) as rig:
            await asyncio.sleep(15)
            rig.absent = True
            rig.sources[0].vanish()
            await asyncio.sleep(30)
            assert "port.missing" in {fault.code.value for fault in rig.faults.present()}
            rig.absent = False
            await asyncio.sleep(100)
            causes = [r.null_cause for r in rig.readings if r.value is None]
            assert len(causes) >= 3
            assert set(causes) == {NullCause.PORT_GONE}
            marked = [r for r in rig.readings if r.quality & Quality.UNWATCHED]
            assert len(marked) == 1
            assert marked[0] is next(r for r in rig.readings if r.value is not None and r.due_ms > 40_000)
            assert rig.values == sorted(rig.values)
            assert rig.faults.present() == []

    run_virtual(main())


def test_edges_that_the_kernel_lost_are_told_with_the_next_reading(tmp_path: Path) -> None:
    async def main() -> None:
        contact = SimPulses(period_ms=PERIOD_MS, faults=PulseFaults(lost=0.05), seed=11)
        async with running(tmp_path, make_clock(tmp_path), contact) as rig:
            await asyncio.sleep(300)
            assert rig.worker.pulse_status().lost_edges > 0
            for before, after in itertools.pairwise(rig.readings):
                assert before.value is not None
                assert after.value is not None
                seen = after.value.rescaled(-3).integer - before.value.rescaled(-3).integer
                true = rig.true_pulses(before.time_ms, after.time_ms)
                assert seen <= true + 1, "one on the edge of the slot"
                if not after.quality & Quality.UNWATCHED:
                    assert seen >= true - 1

    run_virtual(main())


def test_a_lost_count_is_null_until_the_display_is_entered(tmp_path: Path) -> None:
    async def main() -> None:
        folder = tmp_path / "counts"
        folder.mkdir()
        for name in FILES:
            (folder / name).write_bytes(b"rot")
        async with running(tmp_path, make_clock(tmp_path)) as rig:
            await asyncio.sleep(15)
            assert {r.null_cause for r in rig.readings} == {NullCause.NOT_AVAILABLE}
            assert [fault.code.value for fault in rig.faults.present()] == ["meter.count-lost"]
            report = rig.worker.calibrate("12345,6")
            assert (report.before, report.after, report.unit) == (None, "12345.6", "kWh")
            assert rig.faults.present() == []
            entered_ms = rig.clock.boot_ms()
            await asyncio.sleep(20)
            value = rig.values[-1] - 12_345_600
            assert value == rig.true_pulses(entered_ms, rig.readings[-1].time_ms)
            assert ("meter.calibrated", {"before": None, "after": "12345.6"}) in rig.events

    run_virtual(main())


def test_counts_that_cannot_be_written_are_a_fault_until_they_can(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, make_clock(tmp_path)) as rig:
            (tmp_path / "counts" / "counts-b.tmp").mkdir()  # where the next copy would be written
            await asyncio.sleep(5)
            rig.counts.save()
            await asyncio.sleep(10)
            assert [(f.code.value, f.subject) for f in rig.faults.present()] == [("buffer.write", "counts")]
            (tmp_path / "counts" / "counts-b.tmp").rmdir()
            rig.counts.save()
            await asyncio.sleep(10)
            assert rig.faults.present() == []

    run_virtual(main())
