"""`edge-backend gaps`: for any period and series, complete, or missing exactly these slots for these reasons.

A series is a quantity of a meter at one gateway key. Its schedule stands in the dictionaries; which slots
came stands in the readings; why others did not, in the signed gaps and in the sequence. Only reads.

Rules that keep it so: memory is bounded by one series at a time; a period is compared with the times that
slots were due in UTC, and what is undated is judged whatever the period, and counted; a stream gives
reasons, and says how far its gateway got, only for series that it has or had (backend/streams.py).
"""

from __future__ import annotations

import itertools
import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from backend.completeness import NOT_RECEIVED, UNEXPLAINED, Missing, Reason, SlotSeen, find_missing
from backend.store import Store, VerdictName
from backend.streams import StreamsSeen, stream_names
from protocols.uplink.cbor import decode_table
from protocols.uplink.messages import GapCause, Instant

MISSING_TOLD_MAX = 100
"""Runs of missing slots that are listed of one series; the others are counted."""

_SERIES = """
SELECT kid, meter, quantity FROM readings GROUP BY kid, meter, quantity ORDER BY kid, meter, quantity
"""
_SLOTS = """
SELECT boot, due_ms, MAX(integer IS NOT NULL), MIN(utc_ms - time_ms), MAX(mapped), MIN(dictionary)
FROM readings JOIN messages USING (kid, stream, sequence)
WHERE kid = ? AND meter = ? AND quantity = ? GROUP BY boot, due_ms ORDER BY boot, due_ms
"""
_STEPS = "SELECT boot, ms FROM events WHERE kid = ? AND code = 'clock.step' ORDER BY boot, ms"
_GAPS = """
SELECT cause, start_boot, start_ms, end_boot, end_ms, dictionary, series, stream, first, last
FROM gaps WHERE kid = ?
"""


class Period(NamedTuple):
    """UTC in ms since 1970, from (included) to (excluded); None: without bound."""

    from_ms: int | None
    to_ms: int | None

    def holds(self, utc_ms: int | None) -> bool:
        if utc_ms is None:
            return True
        return (self.from_ms is None or utc_ms >= self.from_ms) and (
            self.to_ms is None or utc_ms < self.to_ms
        )


@dataclass(slots=True)
class SeriesProof:
    """What can be said of one series. `missing`: the first runs of missing slots. Verdicts: "complete",
    "gaps" (each has its reason), "unexplained"."""

    gateway: str
    key_id: str
    meter: str
    quantity: int
    interval_ms: int
    values: int
    nulls: int
    undated: int
    missing: list[Missing]
    missing_slots: int
    missing_runs: int
    unexplained_runs: int

    @property
    def verdict(self) -> str:
        if self.unexplained_runs:
            return "unexplained"
        return "gaps" if self.missing_runs else "complete"


class _Schedule(NamedTuple):
    """Slots at `grid_ms` + k x `interval_ms`; 0: not periodic."""

    interval_ms: int
    grid_ms: int


_UNKNOWN = _Schedule(0, 0)


class _Slot(NamedTuple):
    seen: SlotSeen
    has_value: bool
    utc_ms: int | None
    schedule: _Schedule


def prove(
    store: Store, period: Period, *, gateway: str = "", meter: str = "", quantity: int | None = None
) -> Iterator[SeriesProof]:
    """The proof of each series that matches; "" and None match all."""
    streams: StreamsSeen | None = None
    for kid, name, number in store.query(_SERIES):
        known = store.key(kid)
        owner = known[0] if known else ""
        if gateway in ("", owner) and meter in ("", name) and quantity in (None, number):
            if streams is None or streams.kid != kid:
                streams = StreamsSeen(store, kid)
            yield _prove_series(store, period, owner, streams, name, number)


def _prove_series(
    store: Store, period: Period, gateway: str, streams: StreamsSeen, meter: str, quantity: int
) -> SeriesProof:
    kid = streams.kid
    schedules = _schedules(store, kid, meter, quantity)
    slots = [_slot(schedules, *row) for row in store.query(_SLOTS, kid, meter, quantity)]
    inside = [slot for slot in slots if period.holds(slot.utc_ms)]
    proof = SeriesProof(
        gateway,
        kid.hex(),
        meter,
        quantity,
        next(iter(schedules.values()), _UNKNOWN).interval_ms,
        values=sum(slot.has_value for slot in inside),
        nulls=sum(not slot.has_value for slot in inside),
        undated=sum(slot.utc_ms is None for slot in inside),
        missing=[],
        missing_slots=0,
        missing_runs=0,
        unexplained_runs=0,
    )
    reasons = _reasons(store, streams, meter, quantity)
    reached = streams.reached(meter, quantity)
    dates = {slot.seen[:2]: slot.utc_ms for slot in slots}
    due = _due(slots, [Instant(*row) for row in store.query(_STEPS, kid)])
    for interval_ms, missing in _find_missing(due, reasons, reached):
        if _lies_in(period, missing, interval_ms, dates):
            _count(proof, missing)
    return proof


def _count(proof: SeriesProof, missing: Missing) -> None:
    proof.missing_runs += 1
    proof.missing_slots += missing.count or 0
    proof.unexplained_runs += missing.reason == UNEXPLAINED
    if len(proof.missing) < MISSING_TOLD_MAX:
        proof.missing.append(missing)


def _slot(
    schedules: dict[bytes, _Schedule],
    boot: int,
    due_ms: int,
    has_value: int,
    offset_ms: int | None,
    mapped: int,
    dictionary: bytes,
) -> _Slot:
    piece = None if mapped else offset_ms
    utc_ms = None if offset_ms is None else due_ms + offset_ms
    seen = SlotSeen(boot, due_ms, piece)
    return _Slot(seen, bool(has_value), utc_ms, schedules.get(dictionary, _UNKNOWN))


def _due(slots: list[_Slot], steps: list[Instant]) -> list[_Slot]:
    """The slots that lie on their schedule, each with how often its grid moved since the one before it: by
    steps that the gateway told of, or by a piece that shows, on the grid or between."""
    due: list[_Slot] = []
    moves = 0
    for before, slot in itertools.pairwise([slots[0], *slots] if slots else []):
        first, here = Instant(*before.seen[:2]), Instant(*slot.seen[:2])
        told = bisect_right(steps, here) - bisect_right(steps, first)
        moves += max(told, before.seen.piece != slot.seen.piece)
        if first.boot != here.boot:
            moves = 0
        if _is_due(slot):
            due.append(slot._replace(seen=slot.seen._replace(moves=moves)))
            moves = 0
    return due


def _find_missing(
    due: list[_Slot], reasons: list[Reason], reached: Instant | None
) -> Iterator[tuple[int, Missing]]:
    """Interval and missing run, schedule by schedule. Where it changes, the longer interval is certain."""
    stretches = [list(each) for _, each in itertools.groupby(due, lambda slot: slot.schedule)]
    for place, stretch in enumerate(stretches):
        interval_ms = stretch[0].schedule.interval_ms
        is_last = place == len(stretches) - 1
        for missing in find_missing(
            [slot.seen for slot in stretch], interval_ms, reasons, reached if is_last else None
        ):
            yield interval_ms, missing
        if not is_last:
            first = stretches[place + 1][0]
            longer_ms = max(interval_ms, first.schedule.interval_ms)
            for missing in find_missing([stretch[-1].seen, first.seen], longer_ms, reasons):
                yield longer_ms, missing


def _lies_in(
    period: Period, missing: Missing, interval_ms: int, dates: dict[tuple[Any, ...], int | None]
) -> bool:
    """Whether a run of missing slots may touch the period: by the slots around it."""
    before_ms = dates.get((missing.start.boot, missing.start.ms))
    after_ms = None if missing.end is None else dates.get((missing.end.boot, missing.end.ms))
    if period.to_ms is not None and before_ms is not None and before_ms + interval_ms >= period.to_ms:
        return False
    return period.from_ms is None or after_ms is None or after_ms - interval_ms >= period.from_ms


def _schedules(store: Store, kid: bytes, meter: str, quantity: int) -> dict[bytes, _Schedule]:
    """The schedule of the series by each dictionary that has it, the newest first."""
    found = {}
    for name, data in store.query(
        "SELECT hash, data FROM dictionaries WHERE kid = ? ORDER BY rowid DESC", kid
    ):
        for each in decode_table(data):
            for series in each.series:
                if (each.id, series.quantity) == (meter, quantity):
                    found[name] = _Schedule(series.interval_ms, series.offset_ms)
    return found


def _is_due(slot: _Slot) -> bool:
    """Whether a slot lies on the schedule; reads at a start, or for a technician, come between."""
    interval_ms, grid_ms = slot.schedule
    return interval_ms > 0 and (slot.seen.due_ms + (slot.seen.piece or 0) - grid_ms) % interval_ms == 0


def _reasons(store: Store, streams: StreamsSeen, meter: str, quantity: int) -> list[Reason]:
    kid, having = streams.kid, streams.having(meter, quantity)
    reasons = []
    for cause, start_boot, start_ms, end_boot, end_ms, dictionary, series, *place in store.query(_GAPS, kid):
        if place[0] not in having:
            continue
        if not _concerns(store, kid, dictionary, json.loads(series), meter, quantity):
            continue
        start = None if start_boot is None else Instant(start_boot, start_ms)
        end = None if end_boot is None else Instant(end_boot, end_ms)
        if start is None and end is None and place[1] is not None:
            start, end = _around(store, kid, *place)  # it names messages, and knows no more than that
        reasons.append(Reason(_cause(cause), start, end))
    return reasons + list(_not_received(store, kid, having))


def _concerns(
    store: Store, kid: bytes, dictionary: bytes | None, numbers: list[int], meter: str, quantity: int
) -> bool:
    """Whether a gap is about this series; one that names none is about all."""
    if not numbers or dictionary is None:
        return True
    table = store.table(kid, dictionary)
    if table is None:
        return False
    places = [(each.id, series.quantity) for each in table for series in each.series]
    return any(number < len(places) and places[number] == (meter, quantity) for number in numbers)


def _not_received(store: Store, kid: bytes, having: Collection[int]) -> Iterator[Reason]:
    """What is known to be missing from a sequence lies, on the boot axis, between its neighbours."""
    for stream in having:
        for hole in store.holes(kid, stream):
            if not hole.explained:
                around = _around(store, kid, stream, hole.first, hole.last)
                yield Reason(f"{NOT_RECEIVED} {hole.first}-{hole.last}", *around)


def _around(
    store: Store, kid: bytes, stream: int, first: int, last: int
) -> tuple[Instant | None, Instant | None]:
    """Between which instants the messages of these sequences lie."""
    start = _edge(store, kid, stream, "sequence < ?", first, "DESC")
    return start, _edge(store, kid, stream, "sequence > ?", last, "ASC")


def _edge(store: Store, kid: bytes, stream: int, condition: str, sequence: int, order: str) -> Instant | None:
    """The last instant of the batch before a hole, or the first one of the batch behind it."""
    column = "MAX(due_ms)" if order == "DESC" else "MIN(due_ms)"
    rows = store.query(
        f"SELECT boot, {column} FROM readings WHERE kid = ? AND stream = ? AND {condition}"  # noqa: S608
        f" GROUP BY sequence ORDER BY sequence {order} LIMIT 1",
        *(kid, stream, sequence),
    )
    return Instant(*rows[0]) if rows else None


def _cause(number: int) -> str:
    try:
        return GapCause(number).name.lower().replace("_", "-")
    except ValueError:
        return f"cause-{number}"


class Finding(NamedTuple):
    """Something about a gateway's streams that a person must know. `code`: "clone", "stream-restarted",
    "messages-missing", "undecoded", "forged", "malformed"."""

    gateway: str
    code: str
    stream: int | None
    text: str


def findings(store: Store) -> Iterator[Finding]:
    """What is wrong with streams and keys, beside missing slots."""
    for kid, gateway in store.query("SELECT kid, gateway FROM keys ORDER BY gateway, kid"):
        names = stream_names(store, kid)
        for name, count in sorted(Counter(names.values()).items()):
            if count > 1:
                cause = "the gateway's storage was damaged, replaced or restored"
                yield Finding(gateway, "stream-restarted", None, f'{count} streams "{name}": {cause}')
        for stream in names:
            yield from _stream_findings(store, kid, gateway, stream)
    for verdict, count in store.query("SELECT verdict, SUM(count) FROM verdicts GROUP BY verdict"):
        if verdict in (VerdictName.BAD_SIGNATURE, VerdictName.UNKNOWN_KEY):
            yield Finding("", "forged", None, f"{count} messages with verdict {verdict}")
        elif verdict == VerdictName.MALFORMED:
            text = f"{count} messages cannot be read: cut short, or not of this format"
            yield Finding("", "malformed", None, text)


def _stream_findings(store: Store, kid: bytes, gateway: str, stream: int) -> Iterator[Finding]:
    for hole in store.holes(kid, stream):
        if not hole.explained:
            text = f"sequences {hole.first} to {hole.last} were not received, and no gap names them"
            yield Finding(gateway, "messages-missing", stream, text)
    counts = dict(
        store.query("SELECT verdict, count FROM verdicts WHERE kid = ? AND stream = ?", kid, stream)
    )
    if counts.get(VerdictName.CLONE):
        count = counts[VerdictName.CLONE]
        text = f"{count} messages reuse a sequence with other content: a clone, or an old copy"
        yield Finding(gateway, "clone", stream, text)
    waiting = store.query(
        "SELECT COUNT(*) FROM messages WHERE kid = ? AND stream = ? AND state = 'undecoded'", kid, stream
    )[0][0]
    if waiting:
        yield Finding(gateway, "undecoded", stream, f"{waiting} batches wait for their dictionary")
