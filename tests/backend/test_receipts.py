"""When receipts go out."""

from __future__ import annotations

import pytest

from backend import receipts
from backend.receipts import CATCH_UP_MESSAGES, CATCH_UP_S, RECEIPT_SPACING_S, ReceiptSchedule

KEY = (b"12345678", 7)
INTERVAL_S = 21_600.0


def greeted(interval_s: float = INTERVAL_S) -> ReceiptSchedule:
    """A schedule whose stream had its first receipt at time 0."""
    schedule = ReceiptSchedule(interval_s)
    note(schedule, 0.0)
    assert schedule.pop_due(0.0) == [KEY]
    return schedule


def note(
    schedule: ReceiptSchedule,
    now_s: float,
    *,
    open_ends: bool = False,
    repeated: bool = False,
    wanted: bool = False,
) -> None:
    schedule.note(KEY, now_s, open_ends=open_ends, repeated=repeated, wanted=wanted)


def test_in_quiet_times_a_receipt_waits_for_the_interval() -> None:
    schedule = greeted()
    for quarter in range(1, 24):
        note(schedule, quarter * 900.0)
        assert schedule.pop_due(quarter * 900.0) == []
    note(schedule, 24 * 900.0)
    assert schedule.pop_due(INTERVAL_S) == [KEY]
    assert schedule.pop_due(10 * INTERVAL_S) == [], "nothing new came, so nothing is said"


def test_a_gateway_that_asks_is_answered_at_once() -> None:
    schedule = greeted()
    note(schedule, 0.1, wanted=True)
    assert schedule.pop_due(0.1) == [KEY]


def test_a_hole_is_told_at_once_but_not_more_often_than_the_spacing() -> None:
    schedule = greeted()
    note(schedule, 0.5, open_ends=True)
    assert schedule.pop_due(0.5) == []
    assert schedule.pop_due(RECEIPT_SPACING_S) == [KEY]
    note(schedule, 100.0, open_ends=True)
    assert schedule.pop_due(100.0) == [KEY]


def test_a_repeat_is_answered_since_the_gateway_does_not_know() -> None:
    schedule = greeted()
    note(schedule, 100.0, repeated=True)
    assert schedule.pop_due(100.0) == [KEY]


def test_catching_up_is_acknowledged_by_number_and_by_time() -> None:
    schedule = greeted()
    for number in range(CATCH_UP_MESSAGES - 1):
        note(schedule, 1000.0 + 0.1 * number)
    assert schedule.pop_due(1002.0) == []
    note(schedule, 1002.0)
    assert schedule.pop_due(1002.0) == [KEY]
    for number in range(5):
        note(schedule, 1002.1 + 0.1 * number)
    assert schedule.pop_due(1003.0) == []
    assert schedule.pop_due(1002.1 + CATCH_UP_S) == [KEY]


def test_a_short_interval_is_kept_even_while_catching_up() -> None:
    schedule = greeted(interval_s=1.0)
    note(schedule, 0.2)
    assert schedule.pop_due(0.9) == []
    assert schedule.pop_due(1.0) == [KEY]


def test_the_number_of_remembered_streams_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipts, "STREAMS_MAX", 3)
    schedule = ReceiptSchedule(INTERVAL_S)
    for stream in range(5):
        schedule.note((b"12345678", stream), 0.0, open_ends=False, repeated=False, wanted=False)
    assert sorted(schedule.pop_due(0.0)) == [(b"12345678", stream) for stream in (2, 3, 4)]
