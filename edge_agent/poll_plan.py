"""Which registers are read together, and which meter is due when. Pure: time is an argument.

Rules:
- Registers are merged into the fewest requests that the device's limits allow. A value and its scale
  register come in one request; nothing is read twice but a scale register that values of two requests share.
- Slots lie on the boot-time axis where UTC (or, without a trusted clock, the boot time itself) is a
  multiple of the interval plus the offset. A slot is given out once, or is named as missed, never both.
- Each meter is read once at the start, without waiting for its first slot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from config.catalogue import BIT_TABLES, point_span
from config.profile import Limits, Point, RegisterTable

MISSED_MAX = 100
BITS_PER_REGISTER = 16
NEVER_MS = 1 << 62


@dataclass(frozen=True, slots=True)
class RegisterBlock:
    """One request: `count` registers (or bits, for coils and discrete inputs) from `address` on."""

    table: RegisterTable
    address: int
    count: int
    points: tuple[Point, ...]


class PlannedMeter(NamedTuple):
    """How often a meter is read, and how long after the full interval."""

    interval_ms: int
    offset_ms: int = 0


class DueRead(NamedTuple):
    """A slot whose time has come.

    `missed`: older slots of that meter that passed unread, oldest first, at most MISSED_MAX of the
    newest. `missed_more`: how many passed before those.
    """

    meter: int
    due_ms: int
    missed: tuple[int, ...] = ()
    missed_more: int = 0


def point_size(point: Point) -> int:
    """Registers that are read for a point, or bits in the tables of bits."""
    first, last = point_span(point)
    return last - first


def plan_requests(points: Sequence[Point], limits: Limits) -> tuple[RegisterBlock, ...]:
    """The fewest blocks that cover all points, in the order of tables and addresses.

    Blocks begin and end with a point or its scale register. Going up from the lowest address and taking
    whatever still fits is optimal: a block that began lower or ended earlier could never save another one.
    """
    blocks: list[RegisterBlock] = []
    tables = list(dict.fromkeys(point.table for point in points))
    for table in tables:
        scale = BITS_PER_REGISTER if table in BIT_TABLES else 1
        size_max, gap_max = limits.registers_max * scale, limits.gap_registers_max * scale
        members: list[Point] = []
        start = end = 0
        for point in sorted((p for p in points if p.table == table), key=point_span):
            first, last = point_span(point)
            if members and (last - start > size_max or first - end > gap_max):
                blocks.append(RegisterBlock(table, start, end - start, tuple(members)))
                members = []
            start, end = (start, max(end, last)) if members else (first, last)
            members.append(point)
        blocks.append(RegisterBlock(table, start, end - start, tuple(members)))
    return tuple(blocks)


class _Schedule:
    """One meter's slots: those carried over from before, then the regular ones from `next_ms` on."""

    def __init__(self, meter: PlannedMeter, now_ms: int) -> None:
        if meter.interval_ms <= 0:
            raise ValueError(f"an interval is at least 1 ms, not {meter.interval_ms}")
        self.meter = meter
        self.start_ms = now_ms
        self.start_off_schedule = False
        self.carried = [now_ms]  # the read at the start
        self.carried_more = 0
        self.next_ms = NEVER_MS

    def align(self, alignment_ms: int, after_ms: int) -> None:
        """Regular slots are from now on the aligned ones later than `after_ms`."""
        interval_ms = self.meter.interval_ms
        self.next_ms = after_ms + interval_ms - (after_ms + alignment_ms - self.meter.offset_ms) % interval_ms

    def due_ms(self) -> int:
        """The oldest slot not given out."""
        return self.carried[0] if self.carried else self.next_ms

    def carry(self, now_ms: int) -> None:
        """Move the regular slots up to `now_ms` to the carried ones, keeping the newest."""
        passed = (now_ms - self.next_ms) // self.meter.interval_ms + 1
        if passed <= 0:
            return
        if self.carried == [self.start_ms] and self.start_off_schedule:
            self.carried = []  # overtaken, and no slot: nobody misses it
        kept = min(passed, MISSED_MAX + 1)
        newest_ms = self.next_ms + (passed - 1) * self.meter.interval_ms
        self.carried += [newest_ms - back * self.meter.interval_ms for back in reversed(range(kept))]
        surplus = max(0, len(self.carried) - (MISSED_MAX + 1))
        del self.carried[:surplus]
        self.carried_more += surplus + passed - kept
        self.next_ms = newest_ms + self.meter.interval_ms

    def pop(self, number: int, now_ms: int) -> DueRead | None:
        """The newest slot up to `now_ms` with those that it overtakes, or None if none is due."""
        if self.due_ms() > now_ms:
            return None
        self.carry(now_ms)
        *missed, due_ms = self.carried
        due = DueRead(number, due_ms, tuple(missed), self.carried_more)
        self.carried, self.carried_more = [], 0
        return due


class PollPlan:
    """When the meters of a line are due. All times are ms on the boot-time axis.

    `alignment_ms` is what to add to boot time to get UTC, 0 while no clock is trusted.
    """

    def __init__(self, meters: Sequence[PlannedMeter], alignment_ms: int, now_ms: int) -> None:
        self._schedules = [_Schedule(meter, now_ms) for meter in meters]
        for schedule in self._schedules:
            schedule.align(alignment_ms, now_ms)
            schedule.start_off_schedule = schedule.next_ms - now_ms != schedule.meter.interval_ms

    def next_due_ms(self) -> int:
        """The oldest slot of any meter that was not given out; NEVER_MS without meters."""
        return min((schedule.due_ms() for schedule in self._schedules), default=NEVER_MS)

    def pop_due(self, now_ms: int) -> list[DueRead]:
        """The meters that are due, longest due first; each with the slots that passed unread."""
        popped = [schedule.pop(number, now_ms) for number, schedule in enumerate(self._schedules)]
        return sorted((due for due in popped if due is not None), key=lambda due: (due.due_ms, due.meter))

    def realign(self, alignment_ms: int, now_ms: int) -> None:
        """The offset to UTC changed: slots after `now_ms` lie anew, those up to it stay as they are."""
        for schedule in self._schedules:
            schedule.carry(now_ms)
            schedule.align(alignment_ms, now_ms)
