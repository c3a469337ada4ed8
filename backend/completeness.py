"""Is a series complete, and if not: which slots are missing, and why? Pure; `backend/gaps.py` asks the store.

The proof needs no trust in what was received last: each slot that was due yields a value or a null with its
cause, so the schedule says which slots must be there; each gap is signed and says which need not.

Rules that keep it so: a slot counts as missing only where the schedule leaves no other reading; a reason is
given only by a signed gap, or by messages that are known to be missing from the sequence; whatever is left
is unexplained, and that is an alarm.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from protocols.uplink.messages import Instant

UNEXPLAINED = "unexplained"
NOT_RECEIVED = "not-received"


class SlotSeen(NamedTuple):
    """A slot of the schedule with a value or a null. `piece`: the offset to UTC in ms that its grid lies on,
    or None for the boot axis. `moves`: how often the grid moved since the slot before it, or since its boot
    began, as far as known."""

    boot: int
    due_ms: int
    piece: int | None
    moves: int = 0


class Reason(NamedTuple):
    """Slots between `start` and `end` (exclusive; None: without bound) need not be there."""

    name: str
    start: Instant | None
    end: Instant | None


@dataclass(frozen=True, slots=True)
class Missing:
    """Slots that should be there. `start` and `end`: the last slot before and the first one after, exclusive,
    or None at the end of what is known. `count`: how many; None where a restart lies between."""

    start: Instant
    end: Instant | None
    count: int | None
    reason: str


def find_missing(
    slots: Sequence[SlotSeen], interval_ms: int, reasons: Sequence[Reason], reached: Instant | None = None
) -> Iterator[Missing]:
    """What a series lacks between its first slot and `reached` (until where all series were accounted for).

    `slots` in order of boot and due time, each once; `interval_ms` above 0.
    """
    for before, after in itertools.pairwise(slots):
        yield from _missing_between(before, after, interval_ms, reasons)
    if slots and reached is not None:
        yield from _missing_behind(slots[-1], reached, interval_ms, reasons)


def _missing_between(
    before: SlotSeen, after: SlotSeen, interval_ms: int, reasons: Sequence[Reason]
) -> Iterator[Missing]:
    if before.boot != after.boot:
        yield _across_boots(before, after, interval_ms, reasons)
        return
    width_ms = after.due_ms - before.due_ms
    moves = max(after.moves, before.piece != after.piece)
    if not moves:
        count = (width_ms - 1) // interval_ms
        first_ms = after.due_ms - count * interval_ms
    else:  # the grid moved with the clock: only whole intervals are missing for certain
        count = max(0, width_ms // interval_ms - moves)
        first_ms = before.due_ms + interval_ms
    slack_ms = after.due_ms - first_ms - count * interval_ms
    yield from _explain(before.boot, first_ms, interval_ms, count, reasons, slack_ms)


def _missing_behind(
    last: SlotSeen, reached: Instant, interval_ms: int, reasons: Sequence[Reason]
) -> Iterator[Missing]:
    if reached.boot == last.boot:
        count = max(0, (reached.ms - last.due_ms) // interval_ms - 1)  # the last may still be under way
        yield from _explain(last.boot, last.due_ms + interval_ms, interval_ms, count, reasons)
    elif reached > Instant(last.boot, last.due_ms):
        reason = _covering(Instant(last.boot, last.due_ms + interval_ms), reached, interval_ms, reasons)
        yield Missing(Instant(last.boot, last.due_ms), None, None, reason or UNEXPLAINED)


def _across_boots(before: SlotSeen, after: SlotSeen, interval_ms: int, reasons: Sequence[Reason]) -> Missing:
    """Nobody knows how long the machine was off: a gap must reach from one boot into the other."""
    start, end = Instant(before.boot, before.due_ms), Instant(after.boot, after.due_ms)
    first = Instant(before.boot, before.due_ms + interval_ms)
    certain_ms = (1 + after.moves) * interval_ms  # as in `_missing_between`
    last = Instant(after.boot, max(0, after.due_ms - certain_ms))
    return Missing(start, end, None, _covering(first, last, interval_ms, reasons) or UNEXPLAINED)


def _covering(first: Instant, last: Instant, interval_ms: int, reasons: Sequence[Reason]) -> str:
    """The reasons that together cover everything from `first` to `last`, both included; "" if they do not.

    Up to an interval of one boot may lie between two of them: it need not have had a slot.
    """
    names: list[str] = []
    position = first
    for reason in sorted(reasons, key=lambda each: each.start or Instant(-1, 0)):
        if reason.start is not None and reason.start > position._replace(ms=position.ms + interval_ms):
            break
        if reason.end is not None and reason.end <= position:
            continue
        if reason.name not in names:
            names.append(reason.name)
        if reason.end is None or reason.end > last:
            return " + ".join(names)
        position = reason.end
    return ""


def _explain(
    boot: int, first_ms: int, interval_ms: int, count: int, reasons: Sequence[Reason], slack_ms: int = 0
) -> Iterator[Missing]:
    """Slots `first_ms` + i x `interval_ms`, i below `count`, or up to `slack_ms` later, in runs of one reason
    each."""
    place = 0
    while place < count:
        at = Instant(boot, first_ms + place * interval_ms)
        covering = [reason for reason in reasons if _covers(reason, at, slack_ms)]
        signed = [reason for reason in covering if not reason.name.startswith(NOT_RECEIVED)]
        name, until = UNEXPLAINED, count
        if covering:
            ends = ((r, _until(r, at, first_ms, interval_ms, count)) for r in signed or covering)
            reason, until = max(ends, key=_end)
            name = reason.name
        if not signed:  # a better reason may begin before this one ends
            better = reasons if not covering else (r for r in reasons if not r.name.startswith(NOT_RECEIVED))
            starts = [_next_start(r, boot, first_ms, interval_ms, count, place) for r in better]
            until = min([until, *starts])
        start = Instant(boot, first_ms + (place - 1) * interval_ms)
        end = Instant(boot, first_ms + until * interval_ms)
        yield Missing(start, end, until - place, name)
        place = until


def _covers(reason: Reason, at: Instant, slack_ms: int) -> bool:
    latest = Instant(at.boot, at.ms + slack_ms)
    return (reason.start is None or reason.start < latest) and (reason.end is None or at < reason.end)


def _end(pair: tuple[Reason, int]) -> int:
    return pair[1]


def _until(reason: Reason, at: Instant, first_ms: int, interval_ms: int, count: int) -> int:
    """The first place that a reason, which covers `at`, no longer covers."""
    if reason.end is None or reason.end.boot > at.boot:
        return count
    return min(count, -(-(reason.end.ms - first_ms) // interval_ms))


def _next_start(reason: Reason, boot: int, first_ms: int, interval_ms: int, count: int, place: int) -> int:
    """The first place behind `place` that a reason, which does not cover it, covers."""
    if reason.start is None or reason.start.boot != boot:
        return count
    begins = (reason.start.ms - first_ms) // interval_ms + 1
    return begins if begins > place else count
