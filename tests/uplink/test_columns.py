"""Slots to columns and back, exactly."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.uplink import cbor
from protocols.uplink.columns import Slot, decode_slots, plan_columns
from protocols.uplink.messages import Batch
from protocols.value import NullCause, Quality
from tests.uplink.messages import batch_of, intervals_ms, slots


def key(slot: Slot) -> tuple:
    return (*slot[:3], slot.integer is None, slot.integer or 0, slot.remark)


@settings(max_examples=300, deadline=None)
@given(st.lists(slots, max_size=40), intervals_ms)
def test_columns_give_back_exactly_the_slots(given_slots: list[Slot], intervals: list[int]) -> None:
    batch = batch_of(given_slots, intervals)
    decoded = cbor.decode_message(cbor.encode_message(batch))
    assert isinstance(decoded, Batch)
    assert sorted(decode_slots(decoded), key=key) == sorted(given_slots, key=key)


def read_together(series: range, minutes: range, late_ms: int = 0) -> list[Slot]:
    return [Slot(s, 60_000 * m, 60_000 * m + late_ms, 100 * s + m, 0) for s in series for m in minutes]


def test_series_that_were_read_together_share_one_axis() -> None:
    columns = plan_columns(read_together(range(8), range(15), late_ms=40), [60_000] * 8)
    assert len(columns.axes) == 1
    assert len(columns.columns) == 8
    assert columns.axes[0].deviations_ms == (40,) * 15


def test_deviations_that_are_all_zero_are_left_out() -> None:
    columns = plan_columns(read_together(range(2), range(5)), [60_000] * 2)
    assert columns.axes == ((0, 60_000, 5, ()),)


def test_a_single_read_off_the_grid_has_an_axis_of_its_own_and_leaves_the_grid_whole() -> None:
    single = Slot(0, 90_500, 90_500, 7, 0)
    columns = plan_columns([*read_together(range(1), range(5)), single], [60_000])
    assert sorted(axis.slots for axis in columns.axes) == [1, 5]


def test_a_silent_meter_costs_one_mark() -> None:
    nulls = [
        Slot(s, 60_000 * m, 60_000 * m + 500, None, NullCause.SILENT) for s in range(8) for m in range(15)
    ]
    columns = plan_columns(nulls, [60_000] * 8)
    assert columns.marks == ((0, 8, 0, 15, NullCause.SILENT),)


def test_doubts_and_causes_are_separate_marks_in_separate_places() -> None:
    found = plan_columns(
        [
            Slot(0, 0, 0, 5, Quality.STALE),
            Slot(0, 60_000, 60_000, None, NullCause.CORRUPT),
            Slot(0, 120_000, 120_000, None, NullCause.SILENT),
            Slot(0, 180_000, 180_000, 8, 0),
        ],
        [60_000],
    )
    assert [tuple(mark) for mark in found.marks] == [(0, 1, 0, 1, 4), (0, 1, 1, 1, 2), (0, 1, 2, 1, 1)]


def test_the_same_slot_twice_stands_on_twin_axes() -> None:
    slot = Slot(0, 0, 3, 5, 0)
    columns = plan_columns([slot, slot], [60_000])
    assert columns.axes == ((0, 0, 1, (3,)), (0, 0, 1, (3,)))
    assert [column.axis for column in columns.columns] == [0, 1]


def test_a_null_without_a_cause_is_a_bug() -> None:
    with pytest.raises(ValueError, match="without cause"):
        plan_columns([Slot(0, 0, 0, None, 0)], [60_000])


def test_a_quarter_of_an_hour_of_ten_meters_stays_small() -> None:
    """Encoding 0 is the plain one: about three bytes a reading before the envelope."""
    parts = [read_together(range(8 * meter, 8 * meter + 8), range(15), late_ms=meter) for meter in range(10)]
    payload = cbor.encode_message(batch_of([slot for part in parts for slot in part], [60_000] * 80))
    assert len(payload) < 4 * 1200
