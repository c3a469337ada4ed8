"""Rounds of a Modbus line in virtual time: dead, slow, busy and half-equipped meters, and what they cost."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager

import msgspec
import pytest

from config.model import MeterConfig, SlowPoints
from config.profile import DeviceProfile
from edge_agent.faults import Faults
from edge_agent.line import LineTimeout
from edge_agent.poll_plan import BACK_OFF_MS_MAX
from edge_agent.poll_round import SEARCHES_PER_ROUND_MAX
from edge_agent.poll_worker import PollWorker
from edge_agent.reading import Reading
from protocols.modbus.pdu import ACKNOWLEDGED, BUSY, ILLEGAL_ADDRESS, ReadRequest
from protocols.modbus.rtu import RtuServer
from protocols.value import NullCause
from tests.line.wire import SERIES_PER_METER, TIMEOUT_S, Wire, open_polled
from tests.line.worker import Kept
from tests.world.virtual_loop import run_virtual

QUANTITIES = (
    *("voltage_l1", "voltage_l2", "voltage_l3", "current_l1", "current_l2", "current_l3"),
    *("power_active_l1", "power_active_l2", "power_active_l3", "power_active_total"),
)


def profile(places: Sequence[int], registers_max: int = 125, gap: int = 4) -> DeviceProfile:
    """A meter with a u16 at each of these registers."""
    names = zip(QUANTITIES, places, strict=False)
    points = [
        {
            "quantity": name,
            "table": "input",
            "address": place,
            "type": "u16",
            "unit": unit(name),
            "evidence": "x",
        }
        for name, place in names
    ]
    content = {
        "name": "made-up",
        "maker": "nobody",
        "products": ["none"],
        "medium": "electricity",
        "protocol": "modbus",
        "evidence": {"x": {"source": "this test", "seen": "once"}},
        "point": points,
        "limits": {"registers_max": registers_max, "gap_registers_max": gap, "reply_timeout_s": TIMEOUT_S},
    }
    return msgspec.convert(content, DeviceProfile)


def unit(name: str) -> str:
    return {"v": "V", "c": "A", "p": "W"}[name[0]]


class Devices:
    """What stands on the line. Each register holds its own address; `lacks` by unit, `says` an exception."""

    def __init__(self, units: Sequence[int]) -> None:
        self.units = set(units)
        self.lacks: dict[int, set[int]] = {}
        self.says: dict[int, int] = {}
        self.reads: Counter[int] = Counter()

    def answer(self, unit: int, read: ReadRequest) -> bytes | int | None:
        if unit not in self.units:
            return None
        self.reads[unit] += 1
        registers = range(read.address, read.address + read.count)
        if not self.lacks.get(unit, set()).isdisjoint(registers):
            return ILLEGAL_ADDRESS
        return self.says.get(unit) or b"".join(place.to_bytes(2, "big") for place in registers)


class Site:
    """A worker on a line in virtual time, from a full minute on."""

    def __init__(self, worker: PollWorker, wire: Wire, kept: Kept, faults: Faults, devices: Devices) -> None:
        self.worker = worker
        self.wire = wire
        self.devices = devices
        self.kept = kept
        self._faults = faults

    def slots(self, unit: int, quantity: int = 0) -> list[Reading]:
        """What was recorded for a series, by slot."""
        series = SERIES_PER_METER * unit + quantity
        return sorted((r for r in self.kept.readings if r.series == series), key=lambda r: r.due_ms)

    def causes(self, unit: int) -> set[NullCause | None]:
        first = SERIES_PER_METER * unit
        return {r.null_cause for r in self.kept.readings if first <= r.series < first + SERIES_PER_METER}

    def faults(self) -> dict[str, str]:
        return {f"{fault.code} {fault.subject}": fault.evidence for fault in self._faults.present()}


@asynccontextmanager
async def open_site(
    units: Mapping[int, DeviceProfile], interval_s: int = 1, slow: SlowPoints | None = None
) -> AsyncIterator[Site]:
    """All of these units are there; take them away with `devices.units`."""
    devices = Devices(list(units))
    meters = []
    for address, model in units.items():
        shape = {"id": f"m{address}", "line": "bus", "profile": model.name, "address": address}
        meter = msgspec.convert({**shape, "interval_s": interval_s}, MeterConfig)
        meters.append((msgspec.structs.replace(meter, slow=slow), model))
    async with open_polled(RtuServer(devices.answer), meters) as polled:
        yield Site(*polled, devices)


def virtual(test: Callable[[], Coroutine[None, None, None]]) -> Callable[[], None]:
    """The test, run in virtual time."""

    def run() -> None:
        run_virtual(test())

    run.__name__ = test.__name__
    return run


def check_each_slot_once(slots: Sequence[Reading], interval_ms: int = 1_000) -> None:
    dues = [reading.due_ms for reading in slots]
    assert dues == list(range(0, interval_ms * len(dues), interval_ms))


@virtual
async def test_three_dead_meters_cost_ten_others_no_slot_and_one_timeout_a_back_off_period() -> None:
    minutes = 10
    async with open_site(dict.fromkeys(range(1, 14), profile([0, 1]))) as site:
        site.devices.units -= {2, 7, 13}
        await asyncio.sleep(60 * minutes)
        for unit_number in range(1, 14):
            slots = site.slots(unit_number)
            assert len(slots) >= 60 * minutes
            check_each_slot_once(slots)
            if unit_number in site.devices.units:
                assert all(reading.value is not None for reading in slots)
                late_ms = max(reading.time_ms - reading.due_ms for reading in slots if reading.due_ms)
                assert late_ms < 2_000 * TIMEOUT_S  # never after two dead meters
                continue
            assert site.causes(unit_number) == {NullCause.SILENT}
            periods = 5 + 60_000 * minutes // BACK_OFF_MS_MAX  # shorter ones come first
            assert minutes <= site.wire.requests(unit_number) <= periods
        assert set(site.faults()) == {"meter.silent m2", "meter.silent m7", "meter.silent m13"}


@virtual
async def test_a_meter_that_comes_back_is_read_again_within_a_back_off_period_or_once_a_person_asked() -> (
    None
):
    async with open_site({1: profile([0, 1]), 2: profile([0, 1])}) as site:
        site.devices.units.clear()
        await asyncio.sleep(600)
        with pytest.raises(LineTimeout):
            await site.worker.read_now("m2")
        await asyncio.sleep(6)  # for so long its answer may still come
        site.devices.units = {1, 2}
        assert len(await site.worker.read_now("m2")) == 2
        await asyncio.sleep(2)
        assert site.slots(2)[-1].value is not None
        await asyncio.sleep(BACK_OFF_MS_MAX / 1000)
        assert site.slots(1)[-1].value is not None
        assert not site.faults()
        check_each_slot_once(site.slots(1))


@virtual
async def test_a_slow_meter_yields_the_line_between_its_requests() -> None:
    """Ten requests of 0.4 s: a round of 4 s, while the others have 1 s."""
    slow_meter = profile(range(0, 100, 10))
    async with open_site({1: slow_meter, 2: profile([0]), 3: profile([0])}, interval_s=2) as site:
        site.wire.turnaround_s[1] = 0.4
        await asyncio.sleep(120)
        for unit_number in (2, 3):
            check_each_slot_once(site.slots(unit_number), 2_000)
            assert all(reading.value is not None for reading in site.slots(unit_number))
        assert site.causes(1) == {None, NullCause.LINE_BUSY}
        for quantity in range(10):
            check_each_slot_once(site.slots(1, quantity), 2_000)
        assert set(site.faults()) == {"line.overrun m1"}


@virtual
async def test_a_line_that_has_no_time_left_still_asks_whether_a_silent_meter_is_back() -> None:
    async with open_site(dict.fromkeys(range(1, 11), profile([0]))) as site:
        site.wire.turnaround_s = dict.fromkeys(range(1, 11), 0.2)
        site.devices.units -= {4}
        await asyncio.sleep(120)
        site.devices.units |= {4}
        await asyncio.sleep(BACK_OFF_MS_MAX / 1000 + 10)
        assert any(reading.value is not None for reading in site.slots(4))


@virtual
async def test_registers_that_a_meter_refuses_are_found_once_named_and_left_out() -> None:
    async with open_site({1: profile(range(10))}) as site:
        site.devices.lacks[1] = {3, 8}
        await asyncio.sleep(0.9)
        first_round = site.devices.reads[1]
        assert first_round <= 24  # both in the first round, each in at most 2 x log2(10), and all else read
        await asyncio.sleep(100)
        rounds = len(site.slots(1)) - 1
        assert site.devices.reads[1] - first_round == 3 * rounds  # 0 to 2, 4 to 7, 9
        for quantity in range(10):
            check_each_slot_once(site.slots(1, quantity))
            values = {r.value and r.value.integer for r in site.slots(1, quantity)}
            assert values == ({None} if quantity in (3, 8) else {quantity})
        assert site.causes(1) == {None, NullCause.REFUSED}
        evidence = site.faults()["meter.refuses m1"]
        assert "current_l1 (input registers 3 to 3), power_active_l3 (input registers 8 to 8)" in evidence
        assert len(await site.worker.read_now("m1")) == 10


@virtual
async def test_a_meter_that_was_away_is_asked_for_everything_again() -> None:
    async with open_site({1: profile(range(4))}) as site:
        site.devices.lacks[1] = {2}
        await asyncio.sleep(10)
        assert "meter.refuses m1" in site.faults()
        site.devices.units.clear()
        await asyncio.sleep(10)
        site.devices.lacks.clear()  # another firmware
        site.devices.units = {1}
        await asyncio.sleep(30)
        assert not site.faults()
        assert site.slots(1, 2)[-1].value is not None


@virtual
async def test_a_meter_that_refuses_everything_is_asked_a_bounded_number_of_times() -> None:
    async with open_site({1: profile(range(10))}, interval_s=60) as site:
        site.devices.lacks[1] = set(range(10))
        await asyncio.sleep(59)
        assert site.devices.reads[1] <= SEARCHES_PER_ROUND_MAX * 9 + 1
        await asyncio.sleep(300)
        known = site.devices.reads[1]
        await asyncio.sleep(600)
        assert site.devices.reads[1] == known  # all found: nothing left to ask for
        assert site.causes(1) == {NullCause.REFUSED}
        assert "6 more" in site.faults()["meter.refuses m1"]


@virtual
async def test_a_hole_that_must_not_be_read_over_costs_a_second_request_and_no_point() -> None:
    async with open_site({1: profile([0, 1, 4, 5])}) as site:
        site.devices.lacks[1] = {2}
        await asyncio.sleep(10.5)
        before = site.devices.reads[1]
        await asyncio.sleep(10)
        assert site.devices.reads[1] - before == 20
        assert site.causes(1) == {None}
        assert not site.faults()


@virtual
async def test_a_meter_that_is_busy_for_ever_refuses_and_nothing_of_it_is_left_out() -> None:
    for code in (ACKNOWLEDGED, BUSY):
        async with open_site({1: profile([0, 1, 50])}) as site:
            site.devices.says[1] = code
            await asyncio.sleep(20.5)
            assert site.causes(1) == {NullCause.REFUSED}
            assert site.devices.reads[1] == 2 * len(site.slots(1))
            assert f"exception {code}, " in site.faults()["meter.refuses m1"]
            site.devices.says.clear()
            await asyncio.sleep(2)
            assert site.slots(1, 2)[-1].value is not None
            assert not site.faults()


@virtual
async def test_slow_points_are_read_with_the_others_in_their_slots_and_left_out_in_between() -> None:
    slow = SlowPoints(interval_s=10, quantities=("voltage_l2",))
    async with open_site({1: profile([0, 1, 2])}, slow=slow) as site:
        await asyncio.sleep(100.5)
        check_each_slot_once(site.slots(1, 0))
        check_each_slot_once(site.slots(1, 1), 10_000)
        assert len(site.slots(1, 1)) == 11
        assert site.devices.reads[1] == 101  # all in one request, and never a request for the slow one alone
        assert site.causes(1) == {None}


@virtual
async def test_slots_of_a_silent_meter_are_the_ports_fault_while_that_is_gone() -> None:
    async with open_site({1: profile([0])}) as site:
        site.devices.units.clear()
        await asyncio.sleep(60)
        site.worker.port.driver = None
        await asyncio.sleep(5)
        assert site.slots(1)[-1].null_cause is NullCause.PORT_GONE


@virtual
async def test_the_line_is_not_looked_at_before_the_shortest_answer_can_be_there() -> None:
    """A refusal is 5 bytes; a device begins after 3.5 characters of silence, of which 3 are counted on."""
    async with open_site({1: profile([0])}) as site:
        await asyncio.sleep(0.5)
        assert site.wire.expected[:1] == [5 + 3]
