"""Slots: each exactly once, given out or named as missed; and when a silent meter is asked again."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.poll_plan import (
    BACK_OFF_MS_FIRST,
    BACK_OFF_MS_MAX,
    MISSED_MAX,
    NEVER_MS,
    BackOff,
    DueRead,
    PlannedMeter,
    PollPlan,
)


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


def test_slots_of_a_meter_that_is_still_being_read_stay_in_the_plan() -> None:
    plan = PollPlan([PlannedMeter(1_000), PlannedMeter(1_000)], 0, 0)
    assert plan.pop_due(500, busy={0}) == [DueRead(1, 0)]
    assert plan.pop_due(2_100, busy={0}) == [DueRead(1, 2_000, (1_000,))]
    assert plan.pop_due(2_200) == [DueRead(0, 2_000, (0, 1_000))]


def test_a_due_read_says_for_which_slots_it_stands() -> None:
    assert DueRead(0, 9_000).oldest_ms(1_000) == 9_000
    assert DueRead(0, 9_000, (7_000, 8_000)).oldest_ms(1_000) == 7_000
    untold = DueRead(0, 9_000, (7_000, 8_000), 3)
    assert untold.oldest_ms(1_000) == 4_000
    assert untold.untold_ms(1_000) == (3_000, 7_000)


def test_one_lost_answer_is_forgiven_and_then_a_meter_is_asked_more_and_more_seldom() -> None:
    back_off = BackOff()
    asked = []
    for due_ms in range(0, 400_000, 1_000):
        if back_off.may_ask(due_ms):
            asked.append(due_ms)
            back_off.note_failure(due_ms)
    periods = [after - before for before, after in itertools.pairwise(asked)]
    assert periods[:6] == [1_000, BACK_OFF_MS_FIRST, 10_000, 20_000, 40_000, BACK_OFF_MS_MAX]
    assert set(periods[5:]) == {BACK_OFF_MS_MAX}
    back_off.note_answer()
    assert back_off.may_ask(400_000)


def test_a_meter_read_each_minute_is_asked_in_each_of_its_slots_however_long_it_is_silent() -> None:
    back_off = BackOff()
    for due_ms in range(0, 10_000_000, BACK_OFF_MS_MAX):
        assert back_off.may_ask(due_ms)
        back_off.note_failure(due_ms)
