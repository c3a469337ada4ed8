"""Between slots of readings and the axes, columns and marks of a batch. Pure and exactly inverse.

Series that were read together share an axis. A slot that continues none (a single read at start, a
slot after a hole) begins an axis of its own, so any set of slots can be written down. Doubts and causes
of nulls become rectangles over columns x slots, merged greedily.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from protocols.uplink.messages import Axis, Batch, Column, Mark


class Slot(NamedTuple):
    """One reading: the slot it was due in, when it was taken, both in ms on the boot axis.

    `integer` is in units of the series' exponent. `remark`: Quality bits beside an integer, a NullCause
    beside None.
    """

    series: int
    due_ms: int
    time_ms: int
    integer: int | None
    remark: int


class Columns(NamedTuple):
    """The time-dependent parts of a Batch."""

    t0_ms: int
    axes: tuple[Axis, ...]
    columns: tuple[Column, ...]
    marks: tuple[Mark, ...]


def plan_columns(slots: Sequence[Slot], intervals_ms: Sequence[int]) -> Columns:
    """Columns that `decode_slots` turns into the same slots again (in order of column, then time).

    `intervals_ms[series]` is the series' interval, 0 where it has none. ValueError for a null without
    cause and for a series without interval entry.
    """
    t0_ms = min((slot.due_ms for slot in slots), default=0)
    by_axis: dict[tuple[Axis, int], list[list[Slot]]] = defaultdict(list)
    seen: Counter[tuple[Axis, int]] = Counter()  # a series stands on an axis once; doubles get a twin axis
    for run in _runs(slots, intervals_ms):
        axis, series = _axis(run, t0_ms, intervals_ms), run[0].series
        by_axis[axis, seen[axis, series]].append(run)
        seen[axis, series] += 1
    ordered = sorted(by_axis.items(), key=lambda entry: (entry[0][0].start_ms, entry[1][0][0].series))
    placed = [(number, run) for number, (_, runs) in enumerate(ordered) for run in runs]
    columns = tuple(
        Column(run[0].series, number, tuple(slot.integer for slot in run)) for number, run in placed
    )
    marks = _plan_marks([[slot.remark for slot in run] for _, run in placed])
    return Columns(t0_ms, tuple(axis for (axis, _), _ in ordered), columns, marks)


def decode_slots(batch: Batch) -> list[Slot]:
    """All slots of a batch, column by column. The batch is one that `decode_message` let pass."""
    remarks = _paint_marks(batch)
    slots = []
    for number, column in enumerate(batch.columns):
        axis = batch.axes[column.axis]
        start_ms = batch.t0_ms + axis.start_ms
        deviations_ms = axis.deviations_ms or (0,) * axis.slots
        for i, integer in enumerate(column.values):
            due_ms = start_ms + i * axis.step_ms
            remark = remarks.get((number, i), 0)
            slots.append(Slot(column.series, due_ms, due_ms + deviations_ms[i], integer, remark))
    return slots


def _runs(slots: Sequence[Slot], intervals_ms: Sequence[int]) -> list[list[Slot]]:
    """Slots of one series that follow each other at its interval, ordered by series and start."""
    runs: list[list[Slot]] = []
    open_runs: dict[tuple[int, int], list[Slot]] = {}  # by series and the slot that would continue it
    for slot in sorted(slots, key=lambda slot: (slot.series, slot.due_ms, slot.time_ms)):
        if slot.integer is None and not slot.remark:
            raise ValueError(f"a null without cause: {slot}")
        interval_ms = intervals_ms[slot.series]
        run = open_runs.pop((slot.series, slot.due_ms), None)
        if run is None:
            run = []
            runs.append(run)
        run.append(slot)
        if interval_ms > 0:
            open_runs.setdefault((slot.series, slot.due_ms + interval_ms), run)
    return runs


def _axis(run: list[Slot], t0_ms: int, intervals_ms: Sequence[int]) -> Axis:
    deviations_ms = tuple(slot.time_ms - slot.due_ms for slot in run)
    step_ms = intervals_ms[run[0].series] if len(run) > 1 else 0
    return Axis(run[0].due_ms - t0_ms, step_ms, len(run), deviations_ms if any(deviations_ms) else ())


def _plan_marks(remarks: list[list[int]]) -> tuple[Mark, ...]:
    marks: list[Mark] = []
    done: set[tuple[int, int]] = set()
    for column, codes in enumerate(remarks):
        slot = 0
        while slot < len(codes):
            if not codes[slot] or (column, slot) in done:
                slot += 1
                continue
            mark = _grow(remarks, done, column, slot)
            marks.append(mark)
            slot += mark.slots
    return tuple(marks)


def _grow(remarks: list[list[int]], done: set[tuple[int, int]], column: int, slot: int) -> Mark:
    """The tallest rectangle from here down, then widened while the next column agrees."""
    code = remarks[column][slot]
    height = 1
    while (
        slot + height < len(remarks[column])
        and remarks[column][slot + height] == code
        and (column, slot + height) not in done
    ):
        height += 1
    wanted = [code] * height
    width = 1
    while (
        column + width < len(remarks)
        and remarks[column + width][slot : slot + height] == wanted
        and not any((column + width, slot + i) in done for i in range(height))
    ):
        width += 1
    done.update((column + i, slot + j) for i in range(1, width) for j in range(height))
    return Mark(column, width, slot, height, code)


def _paint_marks(batch: Batch) -> dict[tuple[int, int], int]:
    return {
        (mark.column + i, mark.slot + j): mark.code
        for mark in batch.marks
        for i in range(mark.columns)
        for j in range(mark.slots)
    }
