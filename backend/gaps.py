"""`edge-backend gaps`: for any period and series, complete, or missing exactly these slots for these reasons.

A series is a quantity of a meter at one gateway key. Its schedule stands in the dictionaries; which slots
came stands in the readings; why others did not, in the signed gaps and in the sequence. Only reads.

Rules that keep it so: memory is bounded by one series at a time; a period is compared with the times that
slots were due in UTC, and what is undated is judged whatever the period, and counted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from backend.completeness import NOT_RECEIVED, UNEXPLAINED, Missing, Reason, SlotSeen, find_missing
from backend.store import Store, VerdictName
from protocols.uplink.messages import GapCause, Instant

MISSING_TOLD_MAX = 100
"""Runs of missing slots that are listed of one series; the others are counted."""

_SERIES = """
SELECT kid, meter, quantity FROM readings GROUP BY kid, meter, quantity ORDER BY kid, meter, quantity
"""
_SLOTS = """
SELECT boot, due_ms, MAX(integer IS NOT NULL), MIN(utc_ms - time_ms), MAX(mapped)
FROM readings WHERE kid = ? AND meter = ? AND quantity = ? GROUP BY boot, due_ms ORDER BY boot, due_ms
"""
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


class _Slot(NamedTuple):
    seen: SlotSeen
    has_value: bool
    utc_ms: int | None


def prove(
    store: Store, period: Period, *, gateway: str = "", meter: str = "", quantity: int | None = None
) -> Iterator[SeriesProof]:
    """The proof of each series that matches; "" and None match all."""
    for kid, name, number in store.query(_SERIES):
        known = store.key(kid)
        owner = known[0] if known else ""
        if gateway in ("", owner) and meter in ("", name) and quantity in (None, number):
            yield _prove_series(store, period, owner, kid, name, number)


def _prove_series(
    store: Store, period: Period, gateway: str, kid: bytes, meter: str, quantity: int
) -> SeriesProof:
    interval_ms, grid_ms = _schedule(store, kid, meter, quantity)
    slots = [_slot(*row) for row in store.query(_SLOTS, kid, meter, quantity)]
    inside = [slot for slot in slots if period.holds(slot.utc_ms)]
    proof = SeriesProof(
        gateway,
        kid.hex(),
        meter,
        quantity,
        interval_ms,
        values=sum(slot.has_value for slot in inside),
        nulls=sum(not slot.has_value for slot in inside),
        undated=sum(slot.utc_ms is None for slot in inside),
        missing=[],
        missing_slots=0,
        missing_runs=0,
        unexplained_runs=0,
    )
    if interval_ms > 0:
        reasons = _reasons(store, kid, meter, quantity)
        reached = _reached(store, kid, meter, quantity)
        dates = {slot.seen[:2]: slot.utc_ms for slot in slots}
        due = [slot.seen for slot in slots if _is_due(slot.seen, interval_ms, grid_ms)]
        for missing in find_missing(due, interval_ms, reasons, reached):
            if _lies_in(period, missing, interval_ms, dates):
                _count(proof, missing)
    return proof


def _count(proof: SeriesProof, missing: Missing) -> None:
    proof.missing_runs += 1
    proof.missing_slots += missing.count or 0
    proof.unexplained_runs += missing.reason == UNEXPLAINED
    if len(proof.missing) < MISSING_TOLD_MAX:
        proof.missing.append(missing)


def _slot(boot: int, due_ms: int, has_value: int, offset_ms: int | None, mapped: int) -> _Slot:
    piece = None if mapped else offset_ms
    utc_ms = None if offset_ms is None else due_ms + offset_ms
    return _Slot(SlotSeen(boot, due_ms, piece), bool(has_value), utc_ms)


def _lies_in(
    period: Period, missing: Missing, interval_ms: int, dates: dict[tuple[Any, ...], int | None]
) -> bool:
    """Whether a run of missing slots may touch the period: by the slots around it."""
    before_ms = dates.get((missing.start.boot, missing.start.ms))
    after_ms = None if missing.end is None else dates.get((missing.end.boot, missing.end.ms))
    if period.to_ms is not None and before_ms is not None and before_ms + interval_ms >= period.to_ms:
        return False
    return period.from_ms is None or after_ms is None or after_ms - interval_ms >= period.from_ms


def _schedule(store: Store, kid: bytes, meter: str, quantity: int) -> tuple[int, int]:
    """Interval and offset in ms by the newest dictionary that has the series; (0, 0): not periodic."""
    for table in store.tables(kid):
        for each in table:
            for series in each.series:
                if (each.id, series.quantity) == (meter, quantity):
                    return series.interval_ms, series.offset_ms
    return 0, 0


def _is_due(seen: SlotSeen, interval_ms: int, grid_ms: int) -> bool:
    """Whether a slot lies on the schedule; reads at a start, or for a technician, come between."""
    alignment_ms = seen.piece or 0
    return (seen.due_ms + alignment_ms - grid_ms) % interval_ms == 0


def _reached(store: Store, kid: bytes, meter: str, quantity: int) -> Instant | None:
    """Until when the gateway was accounted for, where its newest dictionary has this series."""
    rows = store.query(
        "SELECT boot, MAX(due_ms) FROM readings WHERE kid = ? GROUP BY boot ORDER BY boot DESC LIMIT 1", kid
    )
    newest = next(iter(store.tables(kid)), ())
    listed = any(each.id == meter and any(s.quantity == quantity for s in each.series) for each in newest)
    return Instant(*rows[0]) if rows and listed else None


def _reasons(store: Store, kid: bytes, meter: str, quantity: int) -> list[Reason]:
    reasons = []
    for cause, start_boot, start_ms, end_boot, end_ms, dictionary, series, *place in store.query(_GAPS, kid):
        if not _concerns(store, kid, dictionary, json.loads(series), meter, quantity):
            continue
        start = None if start_boot is None else Instant(start_boot, start_ms)
        end = None if end_boot is None else Instant(end_boot, end_ms)
        if start is None and end is None and place[1] is not None:
            start, end = _around(store, kid, *place)  # it names messages, and knows no more than that
        reasons.append(Reason(_cause(cause), start, end))
    return reasons + list(_not_received(store, kid))


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


def _not_received(store: Store, kid: bytes) -> Iterator[Reason]:
    """What is known to be missing from a sequence lies, on the boot axis, between its neighbours."""
    for (stream,) in store.query("SELECT DISTINCT stream FROM held WHERE kid = ?", kid):
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
    "messages-missing", "undecoded", "replayed", "forged"."""

    gateway: str
    code: str
    stream: int | None
    text: str


def findings(store: Store) -> Iterator[Finding]:
    """What is wrong with streams and keys, beside missing slots."""
    for kid, gateway in store.query("SELECT kid, gateway FROM keys ORDER BY gateway, kid"):
        streams = [row[0] for row in store.query("SELECT DISTINCT stream FROM held WHERE kid = ?", kid)]
        if len(streams) > 1:
            text = f"{len(streams)} streams: the gateway's storage was damaged, replaced or restored"
            yield Finding(gateway, "stream-restarted", None, text)
        for stream in streams:
            yield from _stream_findings(store, kid, gateway, stream)
    for verdict, count in store.query("SELECT verdict, SUM(count) FROM verdicts GROUP BY verdict"):
        if verdict in (VerdictName.BAD_SIGNATURE, VerdictName.UNKNOWN_KEY):
            yield Finding("", "forged", None, f"{count} messages with verdict {verdict}")


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
