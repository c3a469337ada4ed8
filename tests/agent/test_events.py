"""Events reach the backend at once, and never as a flood."""

from __future__ import annotations

import asyncio
import itertools

from edge_agent.events import EVENT_INTERVAL_S, EventWriter
from edge_agent.faults import FaultCode, Faults
from protocols.uplink.messages import EventDetail
from tests.world.virtual_loop import run_virtual

Written = tuple[float, str, str]


class Book:
    def __init__(self) -> None:
        self.written: list[Written] = []

    async def add(self, code: str, subject: str, _details: dict[str, EventDetail]) -> None:
        self.written.append((asyncio.get_running_loop().time(), code, subject))


async def flicker(faults: Faults, times: int, period_s: float) -> None:
    for _ in range(times):
        faults.raise_(FaultCode.METER_SILENT, "kitchen", "no answer")
        await asyncio.sleep(period_s)
        faults.clear("kitchen")
        await asyncio.sleep(period_s)


def written_while_flickering(times: int, period_s: float) -> list[Written]:
    async def main() -> list[Written]:
        book = Book()
        events = EventWriter(book.add)
        faults = Faults(lambda: 0)
        faults.listen(events.tell_fault)
        task = asyncio.create_task(events.run())
        await flicker(faults, times, period_s)
        await asyncio.sleep(3 * EVENT_INTERVAL_S)
        task.cancel()
        return book.written

    return run_virtual(main())


def test_a_fault_is_told_at_once_and_its_end_after_the_minute() -> None:
    written = written_while_flickering(1, 5.0)
    assert written == [(0.0, "fault.raised", "kitchen"), (EVENT_INTERVAL_S, "fault.cleared", "kitchen")]


def test_a_flickering_fault_makes_one_event_a_minute_and_ends_in_its_last_state() -> None:
    written = written_while_flickering(100, 3.0)
    times = [time for time, _, _ in written]
    assert len(written) <= 600 / EVENT_INTERVAL_S + 2
    assert all(later - earlier >= EVENT_INTERVAL_S for earlier, later in itertools.pairwise(times))
    assert written[-1][1] == "fault.cleared"


def test_different_causes_do_not_wait_for_each_other() -> None:
    async def main() -> list[Written]:
        book = Book()
        events = EventWriter(book.add)
        task = asyncio.create_task(events.run())
        events.tell("agent.start", "gateway", {})
        events.tell("clock.step", "clock", {"offset_ms": 1})
        await asyncio.sleep(0.1)
        task.cancel()
        return book.written

    assert {(time, code) for time, code, _ in run_virtual(main())} == {
        (0.0, "agent.start"),
        (0.0, "clock.step"),
    }


def test_renewing_a_fault_tells_nobody_and_keeps_its_age() -> None:
    now = [100]
    told: list[bool] = []
    faults = Faults(lambda: now[0])
    faults.listen(lambda _, raised: told.append(raised))
    faults.raise_(FaultCode.PORT_GONE, "rs485-1", "unplugged")
    now[0] = 900
    faults.raise_(FaultCode.PORT_GONE, "rs485-1", "still unplugged")
    (fault,) = faults.present()
    assert (fault.since_boot_ms, fault.evidence) == (100, "still unplugged")
    faults.clear("rs485-1")
    assert told == [True, False]


def test_what_happens_while_an_event_is_being_written_is_told_next() -> None:
    async def main() -> list[Written]:
        book = Book()

        async def add(code: str, subject: str, details: dict[str, EventDetail]) -> None:
            if subject == "first":
                events.tell("port.gone", "second", {})
            await book.add(code, subject, details)

        events = EventWriter(add)
        events.tell("port.gone", "first", {})
        task = asyncio.create_task(events.run())
        await asyncio.sleep(EVENT_INTERVAL_S / 2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return book.written

    assert run_virtual(main()) == [(0.0, "port.gone", "first"), (0.0, "port.gone", "second")]
