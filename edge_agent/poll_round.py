"""A Modbus meter as its line knows it, and one round of reading it: what is due, asked, refused, still open.

Rules:
- A round records each slot that it stands for once for each series: a value, or a null with its cause.
- Registers that a meter refuses (exceptions 02, 03) are searched for by halving, in a bounded number of
  requests, and left out until the agent starts anew or the meter was away: it may come back as another.
- No I/O here: the worker asks, and says what came of it.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from typing import NamedTuple

from config.profile import Point
from edge_agent.meter_state import MeterState
from edge_agent.poll_plan import (
    BackOff,
    DueRead,
    PlannedMeter,
    RegisterBlock,
    Span,
    block_of,
    search_refused,
    span_of,
)
from edge_agent.readers import ModbusReader
from edge_agent.reading import Reading
from protocols.errors import DeviceError
from protocols.modbus.pdu import ILLEGAL_ADDRESS, ILLEGAL_VALUE
from protocols.value import NullCause

SEARCHES_PER_ROUND_MAX = 4  # each 2 x log2 of a block's points, at most 14 requests
LEFT_OUT_NAMED_MAX = 4  # in a fault's evidence

log = logging.getLogger(__name__)


class Group(NamedTuple):
    """Points of a meter that have their slots together."""

    planned: PlannedMeter
    points: tuple[Point, ...]


class Scheme(NamedTuple):
    """How some groups of points are read: by these requests, all but those left out."""

    blocks: tuple[RegisterBlock, ...]
    left_out: tuple[Point, ...]


class PolledMeter:
    """A meter of a line: its state, its reader, its groups of points, and what it was seen to refuse.

    `absent_cause`: why its slots are null while it is left alone.
    """

    def __init__(self, state: MeterState, reader: ModbusReader) -> None:
        self.state = state
        self.reader = reader
        self.groups = _groups(state, reader.points)
        self.back_off = BackOff()
        self.absent_cause = NullCause.SILENT
        self._refused: list[Span] = []
        self._schemes: dict[tuple[PlannedMeter, ...], Scheme] = {}

    def scheme(self, groups: Sequence[Group]) -> Scheme:
        """How to read these groups at present; the same as long as nothing more is refused."""
        key = tuple(group.planned for group in groups)
        if (known := self._schemes.get(key)) is None:
            known = self._schemes[key] = self.plan([point for group in groups for point in group.points])
        return known

    def plan(self, points: Sequence[Point]) -> Scheme:
        """How to read these points at present."""
        points = self.reader.place(points)
        left_out = tuple(point for point in points if self._is_refused(span_of(point)))
        wanted = [point for point in points if point not in left_out]
        return Scheme(self.reader.plan(wanted, self._refused), left_out)

    def left_out(self) -> tuple[Point, ...]:
        """The points that it refuses."""
        return self.scheme(self.groups).left_out

    def learn_refused(self, points: Sequence[Point]) -> None:
        """It refuses these in one request, and none of them without the others."""
        block = block_of(points)
        self._refused.append(Span(block.table, block.address, block.address + block.count))
        self._schemes.clear()
        log.info("meter %s: refuses %s", self.state.config.id, block_name(block))

    def forget_refused(self) -> None:
        """It was away: who knows what it is now."""
        self._refused.clear()
        self._schemes.clear()

    def _is_refused(self, span: Span) -> bool:
        return any(
            span.table == table and span.first <= first and last <= span.last
            for table, first, last in self._refused
        )


class Round:
    """One round of a meter for the slots of some of its groups.

    `dues`: by the plan's number of each group. `patience_ms`: how much longer than others it can wait.
    `rank_ms`: whose is lowest is read first. `oldest_ms`: the oldest slot that it stands for. `heard`: the
    meter has answered anything. `good`: with a value. `refusals`: what it refused, in words.
    """

    def __init__(
        self, meter: PolledMeter, dues: Mapping[int, tuple[Group, DueRead]], patience_ms: int = 0
    ) -> None:
        self.meter = meter
        self.numbers = tuple(dues)
        pairs = dues.values()
        self.due_ms = max(due.due_ms for _, due in pairs)
        self.rank_ms = min(due.due_ms for _, due in pairs) + patience_ms
        self.oldest_ms = min(due.oldest_ms(group.planned.interval_ms) for group, due in pairs)
        self.begun = self.heard = self.good = False
        self.refusals: list[str] = []
        self._groups = tuple(group for group, _ in pairs)
        self._blocks: deque[RegisterBlock] = deque()
        self._points = [point for group, _ in pairs for point in group.points]
        self._number = meter.reader.series_of
        self._open = {self._number(point): due.due_ms for group, due in pairs for point in group.points}
        self._search: Generator[RegisterBlock, bool, tuple[Point, ...]] | None = None
        self._searched: tuple[Point, ...] = ()
        self._searches = 0

    def begin(self, now_ms: int) -> list[Reading]:
        """The meter may be read: nulls for what it is known to refuse."""
        self.begun = True
        scheme = self.meter.scheme(self._groups)
        self._blocks.extend(scheme.blocks)
        return self._nulls(scheme.left_out, now_ms, NullCause.REFUSED)

    def next_block(self) -> RegisterBlock | None:
        """What to ask now; None: the round is over."""
        return self._blocks[0] if self._blocks else None

    def note_answer(self, block: RegisterBlock, data: bytes, now_ms: int) -> list[Reading]:
        """Readings of what was open and has come."""
        self.heard = True
        self._blocks.popleft()
        state = self.meter.state
        came = state.doubted(self.meter.reader.decode(block, data, self.due_ms, now_ms))
        readings = [r._replace(due_ms=self._open.pop(r.series)) for r in came if r.series in self._open]
        self.good = self.good or any(reading.value is not None for reading in readings)
        if self._search is not None:
            readings += self._search_on(self._search, now_ms, refused=False)
        return readings

    def note_refusal(self, block: RegisterBlock, error: DeviceError, now_ms: int) -> list[Reading]:
        """Nulls for what is not to be had in this round; none while it is searched for what is refused."""
        self.heard = True
        self._blocks.popleft()
        if error.device_code in (ILLEGAL_ADDRESS, ILLEGAL_VALUE) and block.points:
            if self._search is not None:
                return self._search_on(self._search, now_ms, refused=True)
            if self._searches < SEARCHES_PER_ROUND_MAX:
                self._searches += 1
                self._searched = block.points
                self._search = search_refused(block.points)
                return self._search_on(self._search, now_ms)
        self.refusals.append(f"{block_name(block)}: {error.text}")
        points = block.points if self._search is None else self._searched
        self._search = None
        return self._nulls(points, now_ms, NullCause.REFUSED)

    def _search_on(
        self,
        search: Generator[RegisterBlock, bool, tuple[Point, ...]],
        now_ms: int,
        *,
        refused: bool | None = None,
    ) -> list[Reading]:
        """Ask the search's next block; at its end, plan anew what is open, and give up what is refused."""
        try:
            self._blocks.appendleft(next(search) if refused is None else search.send(refused))
        except StopIteration as stop:
            self._search = None
            self.meter.learn_refused(stop.value)
            plan = self.meter.plan([point for point in self._points if self._number(point) in self._open])
            self._blocks = deque(plan.blocks)
            return self._nulls(plan.left_out, now_ms, NullCause.REFUSED)
        return []

    def nulls(self, now_ms: int, cause: NullCause) -> list[Reading]:
        """Nulls for all that is still open."""
        return self._nulls(self._points, now_ms, cause)

    def _nulls(self, points: Sequence[Point], now_ms: int, cause: NullCause) -> list[Reading]:
        wanted = [number for point in points if (number := self._number(point)) in self._open]
        return [Reading(number, self._open.pop(number), now_ms, None, int(cause)) for number in wanted]


def nulls_of(
    meter: PolledMeter, points: Sequence[Point], slots_ms: Sequence[int], now_ms: int, cause: NullCause
) -> list[Reading]:
    """Nulls of these points for whole slots."""
    numbers = [meter.reader.series_of(point) for point in points]
    return [Reading(number, slot_ms, now_ms, None, int(cause)) for slot_ms in slots_ms for number in numbers]


def block_name(block: RegisterBlock) -> str:
    """Which registers these are, for people."""
    return f"{block.table} registers {block.address} to {block.address + block.count - 1}"


def left_out_text(points: Sequence[Point]) -> str:
    """What a meter refuses, for people; "" for nothing."""
    named = [f"{point.quantity} ({block_name(block_of([point]))})" for point in points[:LEFT_OUT_NAMED_MAX]]
    if len(points) > LEFT_OUT_NAMED_MAX:
        named.append(f"{len(points) - LEFT_OUT_NAMED_MAX} more")
    return f"refused, left out until a restart: {', '.join(named)}" if named else ""


def _groups(state: MeterState, points: Sequence[Point]) -> tuple[Group, ...]:
    """The meter's points by the interval at which they are read, the shortest first."""
    config = state.config
    intervals = sorted({config.interval_of_s(point.quantity) for point in points})
    return tuple(
        Group(
            PlannedMeter(interval_s * 1000, config.offset_s * 1000),
            tuple(point for point in points if config.interval_of_s(point.quantity) == interval_s),
        )
        for interval_s in intervals
    )
