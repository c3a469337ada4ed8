"""Compares what the backend holds, after all, with what was really so. Uses none of the code under test but
the backend's tables, and asks its proof of completeness for a second opinion.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from backend import gaps
from backend.completeness import UNEXPLAINED
from protocols.uplink.cbor import decode_message
from protocols.uplink.columns import decode_slots
from protocols.uplink.cose import read_envelope
from protocols.uplink.messages import Batch, ClockSource, GapCause, Instant
from protocols.value import Scaled
from tests.proof.months.months import World
from tests.proof.months.truth import SlotKey, Taken, Truth

ROUNDING_MS = 2
"""Boot time and UTC are whole milliseconds."""


@dataclass
class Verdict:
    """Counts of one world; `wrong` says what must not be, the first few of each kind."""

    due: int = 0
    received: int = 0
    by_clock: int = 0
    by_map: int = 0
    by_neighbours: int = 0
    by_liar: int = 0
    undated: int = 0
    covered: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    unexplained: int = 0
    widest_s: float = 0.0
    wrong: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def note(self, kind: str, example: object) -> None:
        """Something is wrong."""
        self.wrong[kind] += 1
        self.examples.setdefault(kind, str(example))

    def __str__(self) -> str:
        gaps_text = ", ".join(f"{name} {count}" for name, count in sorted(self.covered.items()))
        return (
            f"due {self.due:6}, received {self.received:6}: by clock {self.by_clock:6},"
            f" by map {self.by_map:5}, by neighbours {self.by_neighbours:5},"
            f" under a wrong clock {self.by_liar:4}, undated {self.undated:4};"
            f" in gaps {self.covered.total():5} ({gaps_text});"
            f" duplicates {self.duplicates}, unexplained {self.unexplained}"
        )


class _Row(NamedTuple):
    """A reading at the backend."""

    exponent: int
    integer: Any
    time_ms: int
    utc_ms: int | None
    uncertainty_ms: int | None
    source: int | None
    mapped: int


class _Gap(NamedTuple):
    cause: int
    start: Instant | None
    end: Instant | None
    named: frozenset[Instant] = frozenset()  # the slots of the messages that it names, where it knows no more

    def covers(self, at: Instant) -> bool:
        """Whether a slot at this instant need not be there."""
        if self.start is None and self.end is None:
            return at in self.named
        return (self.start is None or self.start < at) and (self.end is None or at < self.end)


def judge(world: World) -> Verdict:
    """The verdict on a world that has come to its end."""
    verdict = Verdict()
    rows = _read_rows(world, verdict)
    _compare(world.truth, rows, verdict)
    _account(world, rows, verdict)
    _ask_proof(world, rows, verdict)
    return verdict


def _read_rows(world: World, verdict: Verdict) -> dict[SlotKey, _Row]:
    rows: dict[SlotKey, _Row] = {}
    for boot, meter, quantity, due_ms, *rest in world.backend.store.query(
        "SELECT boot, meter, quantity, due_ms, exponent, integer, time_ms, utc_ms, uncertainty_ms,"
        " clock_source, mapped FROM readings"
    ):
        key = (boot, meter, quantity, due_ms)
        if key in rows:
            verdict.duplicates += 1
            verdict.note("twice", key)
        rows[key] = _Row(*rest)
    verdict.received = len(rows)
    return rows


# Values and dates


def _compare(truth: Truth, rows: dict[SlotKey, _Row], verdict: Verdict) -> None:
    dates = _Dates(truth, rows)
    for key, row in rows.items():
        taken = truth.taken.get(key)
        if taken is None:
            verdict.note("never read", key)
            continue
        value = None if row.integer is None else Scaled(int(row.integer), row.exponent).normalised()
        if value != (taken.value and taken.value.normalised()):
            verdict.note("wrong value", (key, row, taken))
        dates.check(key, row, taken, verdict)


class _Dates:
    """Which boots knew the time, and how far they may have been led astray."""

    def __init__(self, truth: Truth, rows: dict[SlotKey, _Row]) -> None:
        self._order = list(dict.fromkeys(run.boot for run in truth.runs))
        self._place = {boot: place for place, boot in enumerate(self._order)}
        self._lies_ms = [truth.lies_ms.get(boot, 0) for boot in self._order]
        known = {key[0] for key, row in rows.items() if not row.mapped}
        self._known = [place for place, boot in enumerate(self._order) if boot in known]
        forgotten = [self._place[run.boot] for run in truth.runs if run.forgets_dates]
        self._forgotten = max(forgotten, default=-1)

    def check(self, key: SlotKey, row: _Row, taken: Taken, verdict: Verdict) -> None:
        """One reading's date against true UTC."""
        if row.utc_ms is None or row.uncertainty_ms is None:
            verdict.undated += 1
            if not self._may_be_undated(key[0]):
                verdict.note("undated", (key, row))
            return
        off_ms = row.utc_ms - taken.utc_ms
        allowed_ms = row.uncertainty_ms + ROUNDING_MS
        lies_ms = taken.lies_ms if not row.mapped else ()
        lie_ms = max([0, *map(abs, lies_ms)]) if not row.mapped else self._lie_near_ms(key[0])
        if lie_ms and abs(off_ms) > allowed_ms:
            verdict.by_liar += 1
            if row.mapped and abs(off_ms) > allowed_ms + lie_ms:
                verdict.note("worse than the lie", (key, row, taken, off_ms))
            if not row.mapped and min(abs(off_ms - lie) for lie in lies_ms) > allowed_ms:
                verdict.note("not what the clock said", (key, row, taken, off_ms))
            return
        if abs(off_ms) > allowed_ms:
            verdict.note("wrong date", (key, row, taken, off_ms))
        verdict.widest_s = max(verdict.widest_s, row.uncertainty_ms / 1000)
        if not row.mapped:
            verdict.by_clock += 1
        elif row.source == ClockSource.NEIGHBOURS:
            verdict.by_neighbours += 1
        else:
            verdict.by_map += 1

    def _neighbours(self, boot: int) -> tuple[int | None, int | None]:
        """Places of the nearest boots, at or before and at or after, that knew the time."""
        place = self._place[boot]
        split = bisect_right(self._known, place)
        before = self._known[split - 1] if split else None
        after = next((each for each in self._known[max(0, split - 1) :] if each >= place), None)
        return before, after

    def _lie_near_ms(self, boot: int) -> int:
        before, after = self._neighbours(boot)
        first = 0 if before is None else max(0, before - 1)
        last = len(self._order) - 1 if after is None else after + 1
        return 2 * max(self._lies_ms[first : last + 1])

    def _may_be_undated(self, boot: int) -> bool:
        """Nobody knew the time before or after, or an older version has forgotten it."""
        before, after = self._neighbours(boot)
        forgotten = self._place[boot] <= self._forgotten or (before or 0) <= self._forgotten
        return before is None or after is None or forgotten


# Completeness


def _account(world: World, rows: dict[SlotKey, _Row], verdict: Verdict) -> None:
    held_gaps = _read_gaps(world)
    for run in world.truth.runs:
        for meter, due_ms in run.due():
            at = Instant(run.boot, due_ms)
            if due_ms == run.start_ms and (due_ms + run.lays[0].alignment_ms) % meter.interval_ms:
                continue  # the read at the start, which is no slot
            keys = [(run.boot, meter.id, quantity, due_ms) for quantity in meter.quantities]
            verdict.due += len(keys)
            missing = [key for key in keys if key not in rows]
            if not missing:
                continue
            causes = sorted({GapCause(gap.cause).name for gap in held_gaps if gap.covers(at)})
            if causes:
                verdict.covered[" + ".join(causes).lower().replace("_", "-")] += len(missing)
            else:
                verdict.note("no gap", (missing, at))
    _account_pauses(world, held_gaps, verdict)


def _account_pauses(world: World, held_gaps: list[_Gap], verdict: Verdict) -> None:
    """While the gateway was off, slots were due that it never knew of."""
    runs = world.truth.runs
    for before, after in itertools.pairwise(runs):
        start, end = Instant(before.boot, before.end_ms), Instant(after.boot, after.start_ms)
        stops = (GapCause.UNCLEAN_STOP, GapCause.STOPPED)
        if not any(_spans(gap, start, end) for gap in held_gaps if gap.cause in stops):
            verdict.note("no gap between runs", (start, end))


def _spans(gap: _Gap, start: Instant, end: Instant) -> bool:
    return (gap.start is None or gap.start <= start) and (gap.end is None or gap.end >= end)


def _read_gaps(world: World) -> list[_Gap]:
    found = []
    for cause, start_boot, start_ms, end_boot, end_ms, stream, first, last in world.backend.store.query(
        "SELECT cause, start_boot, start_ms, end_boot, end_ms, stream, first, last FROM gaps"
    ):
        start = None if start_boot is None else Instant(start_boot, start_ms)
        end = None if end_boot is None else Instant(end_boot, end_ms)
        named = frozenset() if first is None else _slots_of(world.truth, stream, range(first, last + 1))
        found.append(_Gap(cause, start, end, named))
    return found


def _slots_of(truth: Truth, stream: int, sequences: Iterable[int]) -> frozenset[Instant]:
    """What messages held that had arrived once."""
    found = set()
    for sequence in sequences:
        data = truth.arrived.get((stream, sequence))
        message = None if data is None else decode_message(read_envelope(data).payload)
        if isinstance(message, Batch):
            found.update(Instant(message.boot, slot.due_ms) for slot in decode_slots(message))
    return frozenset(found)


def _ask_proof(world: World, rows: dict[SlotKey, _Row], verdict: Verdict) -> None:
    """The backend's own proof must say the same, slot by slot."""
    told: dict[tuple[str, int], list[tuple[Instant, Instant | None]]] = {}
    for proof in gaps.prove(world.backend.store, gaps.Period(None, None)):
        for missing in proof.missing:
            told.setdefault((proof.meter, proof.quantity), []).append((missing.start, missing.end))
            if missing.reason == UNEXPLAINED:
                verdict.unexplained += missing.count or 1
                verdict.note("unexplained", (proof.meter, proof.quantity, missing))
    for key in _missing_keys(world.truth, rows):
        at = Instant(key[0], key[3])
        runs = told.get((key[1], key[2]), [])
        if _moves_near(world.truth, key):
            continue  # the grid moved: the proof names only what is certain
        if not any(start < at and (end is None or at < end) for start, end in runs):
            verdict.note("not in the proof", (key, runs[-3:]))
    for finding in gaps.findings(world.backend.store):
        verdict.note(f"finding {finding.code}", finding)


def _moves_near(truth: Truth, key: SlotKey) -> bool:
    boot, meter_id, _, due_ms = key
    for run in truth.runs:
        for meter in run.site:
            if run.boot == boot and meter.id == meter_id:
                near_ms = 2 * meter.interval_ms
                if any(abs(lay.from_ms - due_ms) <= near_ms for lay in run.lays):
                    return True
    return False


def _missing_keys(truth: Truth, rows: dict[SlotKey, _Row]) -> Iterable[SlotKey]:
    first: dict[tuple[str, int], Instant] = {}  # a proof begins with the first slot that a backend has
    for key in rows:
        at, series = Instant(key[0], key[3]), (key[1], key[2])
        first[series] = min(at, first.get(series, at))
    for run in truth.runs:
        for meter, due_ms in run.due():
            if (due_ms + run.lays[0].alignment_ms) % meter.interval_ms and due_ms == run.start_ms:
                continue
            for quantity in meter.quantities:
                key = (run.boot, meter.id, quantity, due_ms)
                known = first.get((meter.id, quantity))
                if key not in rows and known is not None and known < Instant(run.boot, due_ms):
                    yield key
