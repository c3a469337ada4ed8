"""The M-Bus worker on a simulated loop: exact values, nulls with their causes, identity, fairness, search."""

from __future__ import annotations

import asyncio
import contextlib
import random
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from config.catalogue import catalogue
from config.load import Line
from config.model import LineConfig, MeterConfig
from edge_agent.clock import BootClock
from edge_agent.faults import Faults
from edge_agent.line import LineTimeout
from edge_agent.line_port import LinePort
from edge_agent.mbus_reader import MbusReader
from edge_agent.mbus_worker import MbusWorker
from edge_agent.meter_state import MeterState, initial_identity
from edge_agent.reading import Reading
from edge_agent.workers import open_line
from hal.api import PortError
from hal.clock import SystemClock
from hal.sim.line import LineFaults
from hal.sim.mbus import LoopMeter, MbusLoop, SimMbusLine
from hal.sim.mbus_meters import SimMbusMeter
from hal.sim.meters import SimRead
from hal.storage import FolderStorage
from protocols.value import NullCause, Quality
from tests.line.worker import Kept, parts_of
from tests.world.gateway import wait_until

BAUD = 38_400
TURNAROUND_BITS = 40
WAIT_S = 15.0


class Site:
    """A loop whose meters note what they gave out, and the worker that reads it."""

    def __init__(
        self, worker: MbusWorker, kept: Kept, faults: Faults, given: list[SimRead], wire: SimMbusLine
    ) -> None:
        self.wire = wire
        self.worker = worker
        self.kept = kept
        self.given = given
        self._faults = faults

    def faults(self) -> dict[str, str]:
        return {f"{fault.code} {fault.subject}": fault.evidence for fault in self._faults.present()}

    async def wait_of(self, meter: str, wanted: Callable[[Reading], bool]) -> list[Reading]:
        """The readings so far of a meter, once one of them is as wanted."""
        place = [state.config.id for state in self.worker.meters].index(meter)
        async with asyncio.timeout(WAIT_S):
            while True:
                mine = [reading for reading in self.kept.readings if reading.series // 20 == place]
                if any(map(wanted, mine)):
                    return mine
                await self.kept.wait_more(1)


def has_value(reading: Reading) -> bool:
    return reading.value is not None


def is_null(cause: NullCause) -> Callable[[Reading], bool]:
    return lambda reading: reading.null_cause is cause


@contextlib.asynccontextmanager
async def open_site(
    meters: Sequence[MeterConfig],
    loop: Callable[[list[SimMbusMeter]], MbusLoop] | None = None,
    *,
    faults: LineFaults | None = None,
    records_max: int = 24,
    missing: Sequence[str] = (),
) -> AsyncIterator[Site]:
    """Configured meters on a loop; `missing` ones are not there, `loop` may put others on it."""
    given: list[SimRead] = []
    known = catalogue()
    sims = [
        SimMbusMeter(
            *(
                known[m.profile],
                m.secondary or m.serial,
                m.address,
                1,
                lambda: 1000 * len(given),
                given.append,
            ),
            records_max=records_max,
        )
        for m in meters
        if m.id not in missing
    ]
    made = loop or (lambda all_: MbusLoop([LoopMeter(s.station(BAUD), TURNAROUND_BITS) for s in all_]))
    told, kept = Faults(lambda: 0), Kept()
    async with SimMbusLine(made(sims), baud=BAUD, faults=faults, seed=1) as wire:
        config = LineConfig(id="loop", url=f"serial://{wire.path}", protocol="mbus")
        line = Line(config, tuple(range(len(meters))), BAUD, "8E1", 0.1, 0.0)
        pairs = [
            (MeterState(m, known[m.profile], initial_identity(m)), MbusReader(known[m.profile], m, 20 * n))
            for n, m in enumerate(meters)
        ]
        port = LinePort(line, open_line, told, random.Random(1))
        with tempfile.TemporaryDirectory() as folder:
            clock = BootClock(FolderStorage(Path(folder)), SystemClock("kernel"))
        worker = MbusWorker(line, pairs, port, parts_of(clock, kept, told))
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(port.run()), group.create_task(worker.run())]
            try:
                yield Site(worker, kept, told, given, wire)
            finally:
                for task in tasks:
                    task.cancel()


def heat(name: str, serial: str = "12345678", **more: object) -> MeterConfig:
    common = {"id": name, "line": "loop", "profile": "mbus-heat", "interval_s": 1, "serial": serial}
    return MeterConfig(**common | more)  # type: ignore[arg-type]


async def test_values_are_exactly_those_that_the_meter_gave_out() -> None:
    async with open_site([heat("m", address=5)]) as site:
        readings = await site.wait_of("m", has_value)
        (energy, volume, power, *_) = readings
        assert site.given
        first = site.given[0].values
        assert str(energy.value.normalised()) == first["energy_heat_total"]  # type: ignore[union-attr]
        assert str(volume.value.normalised()) == first["volume_heat_total"]  # type: ignore[union-attr]
        assert power.value is not None
        assert power.quality == Quality.GOOD
        assert site.worker.meters[0].identity == "verified"


async def test_meters_are_read_by_primary_and_by_secondary_address() -> None:
    meters = [
        heat("primary", "11111111", address=7),  # 1 is what all others were left at
        heat("number", "", secondary="22222222"),
        heat("whole", "", secondary="22222223.LUG.04.0C"),
        heat("twin", "", secondary="22222223.ZRI.04.0C"),
    ]
    async with open_site(meters) as site:
        for meter in meters:
            readings = await site.wait_of(meter.id, has_value)
            assert {r.null_cause for r in readings} == {None}
        assert {read.serial for read in site.given} == {"11111111", "22222222", "22222223"}


async def test_a_meter_with_several_telegrams_is_read_to_the_last_one_that_is_wanted() -> None:
    wanted = ("energy_heat_total", "temperature_flow")
    async with open_site([heat("m", address=5, quantities=wanted)], records_max=2) as site:
        readings = await site.wait_of("m", has_value)
        assert [reading.series for reading in readings[:2]] == [0, 1]
        assert all(map(has_value, readings[:2]))
        requests = [frame.sent.hex(" ") for frame in site.worker.port.memory.frames]
        assert requests[:4] == ["10 40 05 45 16", "10 7b 05 80 16", "10 5b 05 60 16", "10 7b 05 80 16"], (
            "a reset of the frame count bit, then the telegrams with the bit toggling up to the third"
        )


async def test_the_frame_count_bit_goes_on_from_round_to_round() -> None:
    async with open_site([heat("m", address=5)]) as site:
        while len(site.worker.port.memory.frames) < 3:
            await site.kept.wait_more(1)
        sent = [frame.sent.hex(" ") for frame in site.worker.port.memory.frames]
        assert sent[:3] == ["10 40 05 45 16", "10 7b 05 80 16", "10 5b 05 60 16"]


async def test_a_wrong_device_behind_the_address_is_a_fault_and_nothing_of_it_counts() -> None:
    def foreign(_meters: list[SimMbusMeter]) -> MbusLoop:
        water = SimMbusMeter(catalogue()["mbus-water"], "12345678", 5, 1, lambda: 0)
        return MbusLoop([LoopMeter(water.station(BAUD), TURNAROUND_BITS)])

    async with open_site([heat("m", address=5)], foreign) as site:
        readings = await site.wait_of("m", is_null(NullCause.WRONG_DEVICE))
        assert not any(map(has_value, readings))
        evidence = site.faults()["meter.wrong-serial m"]
        assert "12345678.SIM.01.07" in evidence
        assert "profile mbus-heat" in evidence


async def test_a_wrong_serial_number_is_a_fault() -> None:
    def exchanged(_meters: list[SimMbusMeter]) -> MbusLoop:
        other = SimMbusMeter(catalogue()["mbus-heat"], "87654321", 5, 1, lambda: 0)
        return MbusLoop([LoopMeter(other.station(BAUD), TURNAROUND_BITS)])

    async with open_site([heat("m", address=5)], exchanged) as site:
        await site.wait_of("m", is_null(NullCause.WRONG_DEVICE))
        assert "87654321" in site.faults()["meter.wrong-serial m"]


async def test_a_dead_meter_and_a_slow_one_do_not_starve_the_others() -> None:
    meters = [
        heat("dead", "1" * 8, address=1),
        heat("slow", "2" * 8, address=2),
        heat("good", "3" * 8, address=3),
    ]

    def one_slow(sims: list[SimMbusMeter]) -> MbusLoop:
        bits = {2: 2 * BAUD}  # two seconds: far beyond what is allowed
        return MbusLoop([LoopMeter(s.station(BAUD), bits.get(s.primary, TURNAROUND_BITS)) for s in sims])

    async with open_site(meters, one_slow, missing=["dead"]) as site:
        for meter in ("dead", "slow"):
            readings = await site.wait_of(meter, is_null(NullCause.SILENT))
            assert not any(map(has_value, readings))
        while True:
            good = await site.wait_of("good", has_value)
            if len({reading.due_ms for reading in good if has_value(reading)}) >= 3:
                break
            await site.kept.wait_more(1)
        assert {reading.null_cause for reading in good} <= {None, NullCause.LINE_BUSY}


async def test_every_reading_is_right_or_null_under_noise_and_echo() -> None:
    faults = LineFaults(
        noise_before=0.1, noise_after=0.1, echo=0.5, flip=0.1, silence=0.05, short=0.05, split=0.2
    )
    meters = [heat("a", "11111111", address=7), heat("b", "", secondary="22222222.KAM.01.04")]
    async with open_site(meters, faults=faults) as site:
        for meter in meters:
            await site.wait_of(meter.id, has_value)
        given = {value for read in site.given for value in read.values.values()}
        energies = [r for r in site.kept.readings if r.series in (0, 20) and r.value is not None]
        assert energies
        assert all(str(r.value.normalised()) in given for r in energies if r.value is not None)


async def test_a_search_finds_the_loop_while_readings_go_on() -> None:
    meters = [heat("m", "11111111", address=5), heat("n", "", secondary="11111112.KAM.01.04")]
    async with open_site(meters) as site:
        await site.wait_of("m", has_value)
        before = len(site.kept.readings)
        async for result in site.worker.search(primary=False):
            last = result
        assert {found.frame.data[3::-1].hex() for found in last.found} == {"11111111", "11111112"}
        assert last.probes > 10
        assert last.unresolved == []
        readings = site.kept.readings[before:]
        assert all(map(has_value, readings)), "a due slot waits for one probe, and no longer"
        async for result in site.worker.search(primary=True):
            if result.found:
                break
        assert [found.address for found in result.found] == [5] or [f.address for f in result.found] == [1]


async def test_a_port_that_is_lost_during_a_search_is_opened_again() -> None:
    async with open_site([]) as site:
        await site.worker.port.wait_tried()
        assert site.worker.accounted_ms() > 0, "a loop without meters owes nothing"
        site.wire.pty.vanish()
        with pytest.raises(PortError, match="is gone"):
            async for _ in site.worker.search(primary=False):
                pass
        await wait_until(lambda: site.worker.port.driver is None, what="a port that is to be opened again")


async def test_one_search_at_a_time() -> None:
    async with open_site([heat("m", address=5)]) as site:
        await site.wait_of("m", has_value)
        first = site.worker.search(primary=True)
        await anext(first)
        with pytest.raises(PortError, match="being searched already"):
            await anext(site.worker.search(primary=False))
        await first.aclose()  # type: ignore[attr-defined]
        second = site.worker.search(primary=False)
        await anext(second)
        await second.aclose()  # type: ignore[attr-defined]


async def test_a_meter_can_be_read_at_once_and_one_that_is_not_there_is_silent() -> None:
    meters = [
        heat("m", "11111111", address=5, interval_s=3600),
        heat("gone", "2" * 8, address=6, interval_s=3600),
    ]
    async with open_site(meters, missing=["gone"]) as site:
        await site.wait_of("m", has_value)
        readings = await site.worker.read_now("m")
        assert all(map(has_value, readings))
        with pytest.raises(LineTimeout, match="is the meter on this loop"):
            await site.worker.read_now("gone")
