"""Requests: every point once, within the limits, and no more of them than a slower judge finds.
Slots: each exactly once, given out or named as missed."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.catalogue import catalogue
from config.profile import Limits, Point
from edge_agent.poll_plan import (
    MISSED_MAX,
    NEVER_MS,
    DueRead,
    PlannedMeter,
    PollPlan,
    RegisterBlock,
    plan_requests,
    point_size,
)

TYPES = ("u16", "u32", "f64")


def point(address: int, kind: str = "u16", table: str = "input") -> Point:
    return Point(quantity="voltage_l1", table=table, address=address, type=kind, unit="V", evidence="")  # type: ignore[arg-type]


@st.composite
def points(draw: st.DrawFn) -> list[Point]:
    """Some points, none over another, in any order, in up to two tables."""
    made = []
    for table in draw(st.sampled_from([("input",), ("holding", "input"), ("coil",)])):
        address = draw(st.integers(0, 50))
        for _ in range(draw(st.integers(0, 12))):
            made.append(point(address, "u16" if table == "coil" else draw(st.sampled_from(TYPES)), table))
            address += point_size(made[-1]) + draw(st.sampled_from([0, 0, 1, 2, 3, 7, 20, 60]))
    return draw(st.permutations(made))


LIMITS = st.builds(Limits, registers_max=st.integers(4, 40), gap_registers_max=st.integers(0, 10))


def fewest(wanted: list[Point], size_max: int, gap_max: int) -> int:
    """By trying every way to cut the sorted points into runs (dynamic programming)."""
    spans = sorted((p.address, p.address + point_size(p)) for p in wanted)
    best = [0] + [len(spans)] * len(spans)
    for last in range(1, len(spans) + 1):
        for first in range(last):
            run = spans[first:last]
            narrow = all(b[0] - a[1] <= gap_max for a, b in itertools.pairwise(run))
            if narrow and run[-1][1] - run[0][0] <= size_max:
                best[last] = min(best[last], best[first] + 1)
    return best[-1]


@given(points(), LIMITS)
def test_every_point_is_read_exactly_once_within_the_limits_and_in_the_fewest_requests(
    wanted: list[Point], limits: Limits
) -> None:
    blocks = plan_requests(wanted, limits)
    key = repr
    assert sorted((p for block in blocks for p in block.points), key=key) == sorted(wanted, key=key)
    needed = 0
    for table in {p.table for p in wanted}:
        scale = 16 if table == "coil" else 1
        here = [p for p in wanted if p.table == table]
        needed += fewest(here, limits.registers_max * scale, limits.gap_registers_max * scale)
    assert len(blocks) == needed
    for block in blocks:
        check_block(block, limits)


def check_block(block: RegisterBlock, limits: Limits) -> None:
    scale = 16 if block.table == "coil" else 1
    assert block.count <= limits.registers_max * scale
    covered = sorted((p.address, p.address + point_size(p)) for p in block.points)
    assert (block.address, block.address + block.count) == (covered[0][0], covered[-1][1])
    gaps = [after[0] - before[1] for before, after in itertools.pairwise(covered)]
    assert max(gaps, default=0) <= limits.gap_registers_max * scale
    assert {p.table for p in block.points} == {block.table}


def test_points_that_overlap_are_read_together() -> None:
    (block,) = plan_requests([point(10, "f64"), point(11), point(12, "u32")], Limits(registers_max=4))
    assert (block.address, block.count) == (10, 4)


def test_the_catalogue_needs_these_requests() -> None:
    spans = {
        name: [(block.address, block.count) for block in plan_requests(profile.points, profile.limits)]
        for name, profile in catalogue().items()
        if profile.protocol == "modbus"
    }
    assert spans == {
        "eastron-sdm630": [(0, 80), (224, 26), (342, 40)],
        "abb-b23": [(20480, 8), (21600, 24), (23296, 28), (23340, 1), (23354, 4)],
        "siemens-pac2200": [(1, 42), (55, 16), (801, 16)],
    }


def test_a_meter_is_read_at_once_and_then_at_full_intervals_of_utc() -> None:
    plan = PollPlan([PlannedMeter(60_000, 5_000)], alignment_ms=1_740_787_200_000 + 7_000, now_ms=1_234)
    assert plan.next_due_ms() == 1_234
    assert plan.pop_due(1_234) == [DueRead(0, 1_234)]
    assert plan.next_due_ms() == 58_000  # UTC 00:01:05, which is 65,000 - 7,000
    assert plan.pop_due(57_999) == []
    assert plan.pop_due(58_010) == [DueRead(0, 58_000)]
    assert plan.next_due_ms() == 118_000


def test_a_start_on_a_slot_is_that_slot() -> None:
    plan = PollPlan([PlannedMeter(1_000)], 0, 5_000)
    assert plan.pop_due(5_000) == [DueRead(0, 5_000)]
    assert plan.next_due_ms() == 6_000


def test_a_start_beside_the_schedule_that_is_overtaken_is_no_missed_slot() -> None:
    plan = PollPlan([PlannedMeter(1_000)], 0, 5_400)
    assert plan.pop_due(6_010) == [DueRead(0, 6_000)]


def test_slots_that_passed_are_named_and_beyond_a_bound_counted() -> None:
    plan = PollPlan([PlannedMeter(1_000)], 0, 0)
    assert plan.pop_due(3_500) == [DueRead(0, 3_000, (0, 1_000, 2_000))]
    (due,) = plan.pop_due(1_000_000)
    assert due.due_ms == 1_000_000
    assert due.missed == tuple(range(1_000_000 - MISSED_MAX * 1_000, 1_000_000, 1_000))
    assert len(due.missed) + due.missed_more + 1 == 997


def test_the_longest_due_meter_comes_first() -> None:
    plan = PollPlan([PlannedMeter(10_000), PlannedMeter(3_000), PlannedMeter(10_000, 1_000)], 0, 0)
    plan.pop_due(0)
    assert [due.meter for due in plan.pop_due(10_500)] == [2, 1, 0]


def test_a_plan_without_meters_is_never_due() -> None:
    plan = PollPlan([], 0, 0)
    assert plan.next_due_ms() == NEVER_MS
    assert plan.pop_due(10**12) == []


def test_an_interval_of_nothing_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="interval"):
        PollPlan([PlannedMeter(0)], 0, 0)


@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(-100, 100)), min_size=1, max_size=3),
    st.integers(-(10**13), 10**13),
    st.integers(0, 1000),
    st.lists(st.tuples(st.integers(0, 120), st.none() | st.integers(-200, 200)), max_size=20),
)
def test_no_slot_comes_twice_and_none_is_lost(
    meters: list[tuple[int, int]], alignment: int, start: int, steps: list[tuple[int, int | None]]
) -> None:
    """At each step time goes on, and either the due slots are taken or the clock is set."""
    plan = PollPlan([PlannedMeter(*meter) for meter in meters], alignment, start)
    taken: list[list[int]] = [[] for _ in meters]
    right: list[list[int]] = [[start] for _ in meters]
    off = {n for n, (interval, offset) in enumerate(meters) if (start + alignment - offset) % interval}
    now = start
    for ahead, shift in [*steps, (0, None)]:
        for number, (interval, offset) in enumerate(meters):
            right[number] += [
                t for t in range(now + 1, now + ahead + 1) if (t + alignment - offset) % interval == 0
            ]
            if number in off and not taken[number] and right[number][0] == start and len(right[number]) > 1:
                right[number].pop(0)  # a start beside the schedule, overtaken before it was taken
        now += ahead
        if shift is not None:
            alignment += shift
            plan.realign(alignment, now)
            continue
        for due in plan.pop_due(now):
            assert due.due_ms <= now
            assert due.missed_more == 0 or len(due.missed) == MISSED_MAX
            taken[due.meter] += [-1] * due.missed_more + [*due.missed, due.due_ms]
        assert plan.next_due_ms() > now
    for mine, should in zip(taken, right, strict=True):
        assert len(mine) == len(should)
        assert all(slot in (-1, expected) for slot, expected in zip(mine, should, strict=True))
