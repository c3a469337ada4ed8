"""Dates for readings that were taken while nobody vouched for the wall clock. Pure.

The timeline is a list of spans in the order of their sealing: a stretch of one boot under one piece of the
wall clock, or under none. A span without a clock is dated by the dated spans beside it in its boot, since
the boot axis runs on; where its boot never knew the time, as the interval between the boots around it.

Rules that keep it so: the stated uncertainty holds whatever the crystal did within DRIFT_PPM_MAX; nothing
is dated before a later dated span has shown where it ends; what has no neighbour before it stays undated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from protocols.uplink.messages import ClockSource, TimePiece, Wall

DRIFT_PPM_MAX = 200
"""Of CLOCK_BOOTTIME while nothing disciplines it: a bare crystal stays within 100 ppm over its range of
temperatures, and the kernel may still apply a slew that an earlier synchronisation left."""


class Span(NamedTuple):
    """Readings due from `from_ms` to `to_ms` of a boot, under `wall` or under no trusted clock. `told`: a
    time map has dated it."""

    number: int
    boot: int
    from_ms: int
    to_ms: int
    wall: Wall | None
    told: bool = False


def plan_pieces(timeline: Sequence[Span]) -> dict[int, TimePiece]:
    """A piece for each span, by its number, that is undated, not told, and can be dated now."""
    pieces = {}
    for place, span in enumerate(timeline):
        if span.wall is None and not span.told:
            piece = _date(timeline, place)
            if piece is not None:
                pieces[span.number] = piece
    return pieces


def _date(timeline: Sequence[Span], place: int) -> TimePiece | None:
    span = timeline[place]
    before = next((s for s in reversed(timeline[:place]) if s.wall is not None), None)
    after = next((s for s in timeline[place + 1 :] if s.wall is not None), None)
    if after is None:
        return None
    own_before = before if before is not None and before.boot == span.boot else None
    own_after = after if after.boot == span.boot else None
    from_ms = own_before.to_ms if own_before else 0
    to_ms = max(span.to_ms, own_after.from_ms if own_after else 0)
    if own_before and own_after:
        return _between(span.boot, own_before, own_after)
    if own_before or own_after:
        return _beside(span.boot, from_ms, to_ms, own_before or after)
    return None if before is None else _interval(timeline, place, before, after)


def _between(boot: int, before: Span, after: Span) -> TimePiece:
    """The clock was known before and after: on the line between, within what the drift may have bent it."""
    first, last = _wall(before), _wall(after)
    length_ms = max(1, after.from_ms - before.to_ms)
    change_ms = last.offset_ms - first.offset_ms
    bend_ms = _drift_ms(length_ms) // 2
    if abs(change_ms) > _drift_ms(length_ms) + first.uncertainty_ms + last.uncertainty_ms:
        bend_ms = abs(change_ms)  # one of the two was wrong: no crystal drifts so far
    drift_ppb = change_ms * 10**9 // length_ms
    uncertainty_ms = max(first.uncertainty_ms, last.uncertainty_ms) + bend_ms + 1
    place = (boot, before.to_ms, after.from_ms, first.offset_ms)
    return TimePiece(*place, drift_ppb, uncertainty_ms, last.source)


def _beside(boot: int, from_ms: int, to_ms: int, known: Span) -> TimePiece:
    """The clock was known on one side of it, in the same boot: its offset, less certain with the distance."""
    wall = _wall(known)
    distance_ms = max(0, known.from_ms - from_ms, to_ms - known.to_ms)
    uncertainty_ms = wall.uncertainty_ms + _drift_ms(distance_ms)
    return TimePiece(boot, from_ms, to_ms, wall.offset_ms, 0, uncertainty_ms, wall.source)


def _interval(timeline: Sequence[Span], place: int, before: Span, after: Span) -> TimePiece:
    """Its boot never knew the time: it began after all that was before it, and ended before what came after.

    Each boot between the two ran for the time that its readings show, at least.
    """
    boots = _boots_between(timeline, before, after)
    order = list(boots)
    position = order.index(timeline[place].boot)
    earlier_ms = sum(boots[boot] for boot in order[:position])
    later_ms = sum(boots[boot] for boot in order[position:])
    offset_min_ms = _last_known_ms(timeline, before) + earlier_ms
    offset_max_ms = _first_known_ms(after) - later_ms
    uncertainty_ms = (abs(offset_max_ms - offset_min_ms) + 1) // 2 + _drift_ms(earlier_ms + later_ms)
    offset_ms = (offset_min_ms + offset_max_ms) // 2
    place_of = (order[position], 0, boots[order[position]])
    return TimePiece(*place_of, offset_ms, 0, uncertainty_ms, ClockSource.NEIGHBOURS)


def _boots_between(timeline: Sequence[Span], before: Span, after: Span) -> dict[int, int]:
    """The boots between those of two spans, in order, and how long each ran at least, in ms."""
    lengths: dict[int, int] = {}
    for span in timeline[timeline.index(before) + 1 : timeline.index(after)]:
        if span.boot not in (before.boot, after.boot):
            lengths[span.boot] = max(lengths.get(span.boot, 0), span.to_ms)
    return lengths


def _last_known_ms(timeline: Sequence[Span], before: Span) -> int:
    """UTC, at the earliest, of the last that is known of a span's boot."""
    wall = _wall(before)
    last_ms = max(span.to_ms for span in timeline if span.boot == before.boot)
    return last_ms + wall.offset_ms - wall.uncertainty_ms - _drift_ms(last_ms - before.to_ms)


def _first_known_ms(after: Span) -> int:
    """UTC, at the latest, of the start of a span's boot."""
    wall = _wall(after)
    return wall.offset_ms + wall.uncertainty_ms + _drift_ms(after.from_ms)


def _wall(span: Span) -> Wall:
    assert span.wall is not None
    return span.wall


def _drift_ms(length_ms: int) -> int:
    return -(-length_ms * DRIFT_PPM_MAX // 1_000_000)
