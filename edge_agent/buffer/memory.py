"""The readings that are not sealed yet, in memory, and how far they reach.

Rules that keep it so: a reading is here until the transaction that seals it is known to be committed.
What a failed commit was to seal is frozen, since it may have happened; what comes after it belongs to
another group. `covered_ms` is what the lines account for, or, where nobody
says so, stays behind the present by the longest time that a slot has taken to come in.
Above READINGS_IN_MEMORY_MAX the oldest readings go, and a loss says so. Touches no disk.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from edge_agent.buffer.journal import Stretch, same_piece
from edge_agent.buffer.loss import Loss
from edge_agent.clock import PIECE_DRIFT_MS_MAX
from edge_agent.reading import Reading
from protocols.uplink.messages import GapCause, Instant, Wall

# Measured: a reading takes 256 bytes of memory, and sealing 4,000 of them 1.4 MB more for its time. At 80
# readings a second these bounds cost 2.1 MB in all, and 6.7 MB while storage refuses and the inbox is full.
SEAL_READINGS_MAX = 4_000  # about two messages
READINGS_IN_MEMORY_MAX = 4 * SEAL_READINGS_MAX
LAG_MS_MIN, LAG_MS_MAX = 1_000, 60_000

Arrival = tuple[Wall | None, Sequence[Reading]]
"""Readings as they came in, and the piece of the wall clock that they came under."""


@dataclass(slots=True)
class Unsealed:
    """Readings in memory that one transaction will seal. `unflushed`: how many at the end are in no file."""

    group: int
    stretches: list[Stretch] = field(default_factory=list)
    unflushed: int = 0

    def count(self) -> int:
        return sum(len(stretch.readings) for stretch in self.stretches)

    def fresh(self) -> list[tuple[int, Wall | None, Sequence[Reading]]]:
        """What is in no file yet: number of the stretch, its wall, its readings."""
        rest = self.unflushed
        found: list[tuple[int, Wall | None, Sequence[Reading]]] = []
        for piece in reversed(range(len(self.stretches))):
            stretch = self.stretches[piece]
            part = stretch.readings[max(0, len(stretch.readings) - rest) :] if rest else []
            rest -= len(part)
            if part:
                found.append((piece, stretch.wall, part))
        return found[::-1]


class Memory:
    """`open` takes what comes in; `frozen` is what a commit of unknown outcome was to seal. All readings due
    until `covered_ms` are in; those until `durable_ms` are on disk. `losses`, by cause, wait for the outbox.
    """

    def __init__(self, boot: int, table_bytes: bytes, start_ms: int) -> None:
        self.open = Unsealed(0)
        self.frozen: Unsealed | None = None
        self.covered_ms = self.durable_ms = start_ms
        self.losses: dict[int, Loss] = {}
        self.taken = 0  # readings that have left the inbox
        self.flushed = 0  # readings that have become durable, here or sealed
        self.dropped = 0  # readings that were lost to want of room, or could not be sealed
        self._boot = boot
        self._table_bytes = table_bytes
        self._lag_ms = LAG_MS_MIN

    def count(self) -> int:
        return sum(held.count() for held in self._held())

    def unflushed(self) -> int:
        return sum(held.unflushed for held in self._held())

    def groups(self) -> Collection[int]:
        """The groups whose readings are here."""
        return {held.group for held in self._held()} - {0}

    def _held(self) -> list[Unsealed]:
        """Oldest first."""
        return [self.open] if self.frozen is None else [self.frozen, self.open]

    def take(
        self, arrived: Sequence[Arrival], wall: Wall | None, now_ms: int, accounted_ms: int | None = None
    ) -> None:
        """Take what came in until `now_ms`. `wall`: the present piece as it is known now. `accounted_ms`: all
        slots due before it have come in, with a reading or a null."""
        for piece, readings in arrived:
            self._append(_at_end(piece, wall), readings)
            latest_ms = max((reading.time_ms - reading.due_ms for reading in readings), default=0)
            self._lag_ms = min(max(self._lag_ms, latest_ms), LAG_MS_MAX)
        reached_ms = now_ms - self._lag_ms if accounted_ms is None else min(now_ms, accounted_ms - 1)
        self.covered_ms = max(self.covered_ms, reached_ms)

    def _append(self, wall: Wall | None, readings: Sequence[Reading]) -> None:
        stretches = self.open.stretches
        if not stretches or not same_piece(stretches[-1].wall, wall):
            stretches.append(Stretch(self._boot, wall, self._table_bytes))
        stretches[-1].wall = _widest(stretches[-1].wall, wall)
        stretches[-1].readings.extend(readings)
        self.open.unflushed += len(readings)
        self.taken += len(readings)

    def note_durable(self) -> None:
        """All that is open is on disk."""
        self.durable_ms = self.covered_ms
        self.open.unflushed = 0

    def begin_group(self, group: int) -> Unsealed:
        """Let what comes in belong to `group` from now on; what was open until now."""
        before, self.open = self.open, Unsealed(group)
        return before

    def limit(self) -> None:
        """Above the bound the oldest readings go, and the loss that says so is kept."""
        excess = self.count() - READINGS_IN_MEMORY_MAX
        for held in self._held():
            if excess <= 0:
                return
            for stretch in held.stretches:
                gone = stretch.readings[: max(0, excess)]
                del stretch.readings[: len(gone)]
                excess -= len(gone)
                self._drop(stretch.boot, gone)
            held.unflushed = min(held.unflushed, held.count())

    def _drop(self, boot: int, gone: Sequence[Reading]) -> None:
        if gone:
            self.dropped += len(gone)
            self.add_loss(loss_of(GapCause.STORAGE_FULL, boot, gone))

    def add_loss(self, loss: Loss) -> None:
        """Keep a loss until the outbox takes it."""
        known = self.losses.get(loss.cause)
        self.losses[loss.cause] = loss if known is None else known.joined(loss)


def loss_of(cause: GapCause, boot: int, gone: Sequence[Reading]) -> Loss:
    """The loss of these readings. Bounds of a gap are exclusive."""
    start = Instant(boot, min(reading.due_ms for reading in gone) - 1)
    end = Instant(boot, max(reading.due_ms for reading in gone) + 1)
    return Loss(cause, start, end, len(gone))


def _at_end(piece: Wall | None, present: Wall | None) -> Wall | None:
    """The piece of readings that came in before `present` was asked for. Where it is over by then: so far off
    as the clock had drifted, or, after a step, as far as a piece can be."""
    if piece is None or same_piece(piece, present):
        return _widest(piece, present)
    drift_ms = PIECE_DRIFT_MS_MAX if present is None else abs(present.offset_ms - piece.offset_ms)
    return piece._replace(uncertainty_ms=piece.uncertainty_ms + min(drift_ms, PIECE_DRIFT_MS_MAX))


def _widest(wall: Wall | None, other: Wall | None) -> Wall | None:
    """Of two statements of one piece the more uncertain one; `wall` where `other` is of another piece."""
    if wall is None or other is None or not same_piece(wall, other):
        return wall
    return max(wall, other, key=lambda each: each.uncertainty_ms)
