"""Completeness while the schedule changes: another interval, and a clock that goes wrong and back again."""

from __future__ import annotations

import dataclasses

import pytest

from backend.completeness import Missing
from backend.gaps import Period, prove
from backend.store import Store
from protocols.uplink.columns import Slot
from protocols.uplink.messages import Event, Gap, GapCause, Instant, SeriesTable, Wall
from tests.backend.gateway import INTERVAL_MS, STREAM, TABLE, Gateway

WALL = Wall(offset_ms=1_790_000_100_000, source=2, uncertainty_ms=20)  # boot time 0 is a full quarter
ALWAYS = Period(None, None)


def every(minutes: int) -> SeriesTable:
    series = tuple(dataclasses.replace(s, interval_ms=minutes * INTERVAL_MS) for s in TABLE[0].series)
    return (dataclasses.replace(TABLE[0], series=series),)


def slots_at(*minutes: int) -> list[Slot]:
    return [Slot(0, m * INTERVAL_MS, m * INTERVAL_MS + 40, m, 0) for m in minutes]


def send(store: Store, gateway: Gateway, table: SeriesTable, minutes: range, *, boot: int = 1) -> None:
    store.take(gateway.dictionary(table))
    store.take(gateway.batch(slots_at(*minutes), table=table, wall=WALL, boot=boot))


def told(store: Store) -> list[Missing]:
    [proof] = prove(store, ALWAYS)
    return proof.missing


def test_slots_are_judged_by_the_interval_that_they_were_read_at(store: Store, gateway: Gateway) -> None:
    send(store, gateway, every(15), range(0, 61, 15))
    send(store, gateway, every(5), range(65, 120, 5))
    send(store, gateway, every(15), range(120, 181, 15))
    assert told(store) == []


def test_a_slot_that_is_missing_is_seen_before_and_after_a_new_interval(
    store: Store, gateway: Gateway
) -> None:
    send(store, gateway, every(15), range(0, 31, 15))
    store.take(gateway.batch(slots_at(60), table=every(15), wall=WALL))
    send(store, gateway, every(5), range(65, 80, 5))
    store.take(gateway.batch(slots_at(85, 90), table=every(5), wall=WALL))
    assert [(run.start.ms // INTERVAL_MS, run.count) for run in told(store)] == [(30, 1), (75, 1)]


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_a_clock_that_went_wrong_and_back_may_have_passed_over_slots(
    store: Store, gateway: Gateway, steps: int
) -> None:
    """The gateway tells of each step; between two of them slots lay elsewhere, and none need be due."""
    send(store, gateway, every(15), range(0, 31, 15))
    for step in range(steps):
        at = Instant(1, (40 + step) * INTERVAL_MS)
        event = Event(STREAM, gateway.next, at, WALL, "clock.step", "clock", {})
        store.take(gateway.sign(event))
        gateway.next += 1
    store.take(gateway.batch(slots_at(60, 75), table=every(15), wall=WALL))
    assert [run.count for run in told(store)] == ([1] if steps < 2 else [])


def test_a_boot_whose_clock_came_between_needs_no_slot_before_it(store: Store, gateway: Gateway) -> None:
    send(store, gateway, every(15), range(0, 31, 15))
    start = Slot(0, 20_000, 20_050, 1, 0)
    store.take(gateway.batch([start], table=every(15), wall=None, boot=2))
    later = WALL._replace(offset_ms=WALL.offset_ms + 10 * INTERVAL_MS)
    store.take(gateway.batch(slots_at(20, 35), table=every(15), wall=later, boot=2))
    cause = GapCause.UNCLEAN_STOP
    store.take(gateway.gap(Gap(0, 0, cause, Instant(1, 31 * INTERVAL_MS), Instant(2, 20_000), None)))
    [run] = told(store)
    assert run.reason == "unclean-stop"
