"""Which registers are read together, which meter is due when, when a silent one is asked again. Pure: time is
an argument.

Rules:
- Registers are merged into the fewest requests that the device's limits allow. A value and its scale
  register come in one request; nothing is read twice but a scale register that values of two requests share.
- Registers that the profile documents may be read through, wanted or not; of others, as many as it allows. No
  request covers registers that the device was seen to refuse.
- Slots lie on the boot-time axis where UTC (or, without a trusted clock, the boot time itself) is a
  multiple of the interval plus the offset. A slot is given out once, or is named as missed, never both.
- Each meter is read once at the start, without waiting for its first slot.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from config.catalogue import BIT_TABLES, point_span
from config.profile import Limits, Point, RegisterTable

MISSED_MAX = 100
BITS_PER_REGISTER = 16
NEVER_MS = 1 << 62
FAILURES_TOLERATED = 1  # one lost answer is no silence
BACK_OFF_MS_FIRST = 5_000
BACK_OFF_MS_MAX = 60_000  # doubled up to here: a meter that is back is noticed within a minute


@dataclass(frozen=True, slots=True)
class RegisterBlock:
    """One request: `count` registers (or bits, for coils and discrete inputs) from `address` on."""

    table: RegisterTable
    address: int
    count: int
    points: tuple[Point, ...]


class Span(NamedTuple):
    """Registers (or bits, in the tables of bits) of a table from `first` on; `last` is the first beyond."""

    table: RegisterTable
    first: int
    last: int


class PlannedMeter(NamedTuple):
    """How often a meter, or some of its points, is read, and how long after the full interval."""

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

    def oldest_ms(self, interval_ms: int) -> int:
        """The oldest slot that this stands for, at the interval that the meter has."""
        return (self.missed[0] if self.missed else self.due_ms) - self.missed_more * interval_ms

    def untold_ms(self, interval_ms: int) -> tuple[int, int]:
        """After and before which slots the `missed_more` lie."""
        return self.oldest_ms(interval_ms) - interval_ms, self.missed[0] if self.missed else self.due_ms


def span_of(point: Point) -> Span:
    """What is read for a point, its scale register included."""
    return Span(point.table, *point_span(point))


def block_of(points: Sequence[Point]) -> RegisterBlock:
    """One request for all of these points of one table."""
    spans = [point_span(point) for point in points]
    first = min(span[0] for span in spans)
    return RegisterBlock(points[0].table, first, max(span[1] for span in spans) - first, tuple(points))


def plan_requests(
    points: Sequence[Point], limits: Limits, documented: Iterable[Span] = (), refused: Iterable[Span] = ()
) -> tuple[RegisterBlock, ...]:
    """The fewest blocks that cover all points, in the order of tables and addresses.

    `documented`: what the device has beside these points. `refused`: what it would not give in one request.

    Blocks begin and end with a point or its scale register. Going up from the lowest address and taking
    whatever still fits is optimal: whether a request may be made depends on its first and last register only,
    and a part of one that may be made may be made, too. So a block that began lower or ended earlier could
    never save another one, even where spans lie within each other.
    """
    known, out = [*documented, *map(span_of, points)], list(refused)
    blocks: list[RegisterBlock] = []
    for table in dict.fromkeys(point.table for point in points):
        scale = BITS_PER_REGISTER if table in BIT_TABLES else 1
        size_max = limits.registers_max * scale
        barriers = _long_gaps(
            sorted(s[1:] for s in known if s.table == table), limits.gap_registers_max * scale
        )
        barriers += [(s.first, s.last) for s in out if s.table == table]
        members: list[Point] = []
        start = end = 0
        for point in sorted((p for p in points if p.table == table), key=point_span):
            first, last = point_span(point)
            if members and not _fits(start, max(end, last), size_max, barriers):
                blocks.append(block_of(members))
                members = []
            start, end = (start, max(end, last)) if members else (first, last)
            members.append(point)
        blocks.append(block_of(members))
    return tuple(blocks)


def _long_gaps(known: Iterable[tuple[int, int]], gap_max: int) -> list[tuple[int, int]]:
    """The gaps between what is known, in rising order, that are too long to be read through."""
    gaps: list[tuple[int, int]] = []
    end: int | None = None
    for first, last in known:
        if end is not None and first - end > gap_max:
            gaps.append((end, first))
        end = last if end is None else max(end, last)
    return gaps


def _fits(start: int, end: int, size_max: int, barriers: Iterable[tuple[int, int]]) -> bool:
    """Whether one request may cover this: short enough, and over none of the barriers."""
    return end - start <= size_max and not any(start <= first and last <= end for first, last in barriers)


def search_refused(points: Sequence[Point]) -> Generator[RegisterBlock, bool, tuple[Point, ...]]:
    """Which neighbours among these points of one table a device refuses, given that it refuses all of them in
    one request.

    Yields what is to be asked, takes whether it was refused, and returns the least run of points that is
    refused: one point that is not there, or more that must not be read together (a hole between them, or
    more registers than the device sends). Asks at most 2 x log2 of the number of points, rounded up.
    """
    run = sorted(points, key=point_span)
    answered, refused = 0, len(run)  # so many from the beginning are answered, so many refused
    while refused - answered > 1:
        middle = (answered + refused) // 2
        if (yield block_of(run[:middle])):
            refused = middle
        else:
            answered = middle
    run = run[:refused]
    refused, answered = 0, len(run)  # from here to the end they are refused, from here answered
    while answered - refused > 1:
        middle = (answered + refused) // 2
        if (yield block_of(run[middle:])):
            refused = middle
        else:
            answered = middle
    return tuple(run[refused:])


class BackOff:
    """When a meter that does not answer is asked again. Times are those of slots, on the boot axis.

    The first failure is forgiven; after each further one the meter is left alone, for BACK_OFF_MS_FIRST, then
    doubled up to BACK_OFF_MS_MAX. The first slot after that is the probe.
    """

    def __init__(self) -> None:
        self.failures = 0
        self._until_ms = -NEVER_MS

    def note_failure(self, due_ms: int) -> None:
        """The meter was asked for this slot and did not answer."""
        self.failures += 1
        doubled = self.failures - FAILURES_TOLERATED - 1
        if doubled >= 0:
            self._until_ms = due_ms + min(BACK_OFF_MS_FIRST << min(doubled, 10), BACK_OFF_MS_MAX)

    def note_answer(self) -> None:
        """The meter answered."""
        self.failures = 0
        self._until_ms = -NEVER_MS

    def may_ask(self, due_ms: int) -> bool:
        """Whether the meter is asked for this slot."""
        return due_ms >= self._until_ms


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

    def pop_due(self, now_ms: int, busy: Collection[int] = ()) -> list[DueRead]:
        """The meters that are due, longest due first; each with the slots that passed unread. Those in `busy`
        are still being read for an older slot: theirs stay in the plan."""
        popped = [
            schedule.pop(number, now_ms)
            for number, schedule in enumerate(self._schedules)
            if number not in busy
        ]
        return sorted((due for due in popped if due is not None), key=lambda due: (due.due_ms, due.meter))

    def realign(self, alignment_ms: int, now_ms: int) -> None:
        """The offset to UTC changed: slots after `now_ms` lie anew, those up to it stay as they are."""
        for schedule in self._schedules:
            schedule.carry(now_ms)
            schedule.align(alignment_ms, now_ms)
