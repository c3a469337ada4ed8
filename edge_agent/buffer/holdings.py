"""What an outbox holds and how fast it fills, looked up when a person asks.

Rules that keep it so: only reads, so that it serves a running agent's database and that of one that is
down alike; the rate comes from the messages themselves, since they survive a restart. It takes as long as the
database is large, and the storage thread does nothing else meanwhile: never ask by a timer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from edge_agent.buffer.outbox import PAGE_SIZE_BYTES
from protocols.uplink.messages import Instant

DAY_MS = 24 * 3_600_000
LATELY_MESSAGES_MAX = 2_000

Query = Callable[[str], list[Any]]

_STREAMS = """
SELECT m.stream, coalesce(s.state, 1) = 0, sum(m.state = 0), sum(m.state = 1), sum(m.state = 2),
  sum(length(m.data)), sum((m.state < 2) * length(m.data)), sum((m.state < 2) * m.readings)
FROM messages m LEFT JOIN streams s ON s.stream = m.stream GROUP BY m.stream ORDER BY max(m.id) DESC
"""
_OLDEST = """
SELECT m.stream, m.boot, m.from_ms FROM messages m JOIN
  (SELECT min(id) AS id FROM messages WHERE state < 2 AND type = 1 GROUP BY stream) o ON o.id = m.id
"""
_LATELY = f"""
SELECT boot, from_ms, to_ms, readings, length(data) FROM messages ORDER BY id DESC LIMIT {LATELY_MESSAGES_MAX}
"""  # noqa: S608  # a constant


class StreamHolding(NamedTuple):
    """One sequence. `waiting_*`: of messages that the backend is not known to hold. `oldest`: the first
    reading of these."""

    stream: int
    is_active: bool
    unsent: int
    published: int
    acknowledged: int
    size_bytes: int
    waiting_bytes: int
    waiting_readings: int
    oldest: Instant | None


class Sealed(NamedTuple):
    """What was sealed within the last day of the boot that sealed last, over `span_ms` of readings."""

    size_bytes: int
    readings: int
    span_ms: int


class Holdings(NamedTuple):
    """`streams`: the newest first. `used_bytes`: pages of the database that hold something."""

    streams: list[StreamHolding]
    sealed: Sealed
    used_bytes: int


def look_up(query: Query) -> Holdings:
    """Ask a database of edge_agent.buffer.outbox; raises what `query` raises."""
    oldest = {stream: Instant(boot, ms) for stream, boot, ms in query(_OLDEST) if boot is not None}
    streams = [
        StreamHolding._make([stream, bool(active), *numbers, oldest.get(stream)])
        for stream, active, *numbers in query(_STREAMS)
    ]
    pages = query("PRAGMA page_count")[0][0] - query("PRAGMA freelist_count")[0][0]
    return Holdings(streams, _sealed_lately(query(_LATELY)), pages * PAGE_SIZE_BYTES)


def _sealed_lately(rows: list[Any]) -> Sealed:
    """`rows`: newest first. Messages without a time of their own count with those around them."""
    boots = [boot for boot, from_ms, *_ in rows if from_ms is not None]
    if not boots:
        return Sealed(0, 0, 0)
    newest_ms = max(to_ms for boot, _, to_ms, *_ in rows if boot == boots[0] and to_ms is not None)
    oldest_ms, size_bytes, readings, pending_bytes = newest_ms, 0, 0, 0
    for boot, from_ms, _, count, message_bytes in rows:
        if from_ms is None:
            pending_bytes += message_bytes
            continue
        if boot != boots[0] or from_ms < newest_ms - DAY_MS:
            continue
        oldest_ms = min(oldest_ms, from_ms)
        size_bytes += pending_bytes + message_bytes
        readings, pending_bytes = readings + count, 0
    return Sealed(size_bytes, readings, newest_ms - oldest_ms)
