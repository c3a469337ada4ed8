"""The streams of a gateway's key as the store has them: which is which, and what each is answerable for.

A gateway may have several streams at once, one for each person or purpose, and begins a new one under a new
number where its storage may have lost count. A stream of several tells its name by the event `stream.open`
(docs/uplink.md, section 4); streams with one name are one stream that began anew. Only reads.
"""

from __future__ import annotations

from backend.store import Store
from protocols.uplink.messages import Instant, MessageType, SeriesTable

STREAM_OPEN = "stream.open"
MAIN = "main"
"""The name of a stream that tells none: that of a gateway with just one."""

_BATCH_TABLES = """
SELECT stream, dictionary, MAX(sequence) FROM messages
WHERE kid = ? AND type = ? AND dictionary IS NOT NULL GROUP BY stream, dictionary ORDER BY 1, 3
"""


def stream_names(store: Store, kid: bytes) -> dict[int, str]:
    """The name of each stream of a key, by number."""
    names = {row[0]: MAIN for row in store.query("SELECT DISTINCT stream FROM held WHERE kid = ?", kid)}
    told = store.query("SELECT stream, subject FROM events WHERE kid = ? AND code = ?", kid, STREAM_OPEN)
    return names | dict(told)


class StreamsSeen:
    """Which series each stream of `kid` has had, and how far each stream has come."""

    def __init__(self, store: Store, kid: bytes) -> None:
        self.kid = kid
        self._names = stream_names(store, kid)
        self._series: dict[str, set[tuple[str, int]]] = {}
        self._newest: dict[int, set[tuple[str, int]]] = {}
        for stream, dictionary, _ in store.query(_BATCH_TABLES, kid, MessageType.BATCH):
            series = _series_of(store.table(kid, dictionary) or ())
            self._newest[stream] = series  # the rows end with the last batch's
            self._series.setdefault(self._names.get(stream, MAIN), set()).update(series)
        self._ends = dict(_ends(store, kid))

    def having(self, meter: str, quantity: int) -> list[int]:
        """The streams whose gaps and holes may be about a series: those of a name that has, or had, it."""
        names = {name for name, series in self._series.items() if (meter, quantity) in series}
        return [stream for stream, name in self._names.items() if name in names]

    def reached(self, meter: str, quantity: int) -> Instant | None:
        """Until when all series were accounted for in the streams that have this one now; None: no stream
        has it any more."""
        having = [stream for stream, series in self._newest.items() if (meter, quantity) in series]
        return max((self._ends[stream] for stream in having if stream in self._ends), default=None)


def _series_of(table: SeriesTable) -> set[tuple[str, int]]:
    return {(meter.id, series.quantity) for meter in table for series in meter.series}


def _ends(store: Store, kid: bytes) -> list[tuple[int, Instant]]:
    """The last slot of each stream."""
    rows = store.query(
        "SELECT stream, boot, MAX(due_ms) FROM readings WHERE kid = ? GROUP BY stream, boot ORDER BY boot",
        kid,
    )
    return [(stream, Instant(boot, due_ms)) for stream, boot, due_ms in rows]
