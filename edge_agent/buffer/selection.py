"""What to send next, in the order of UPLINK.md section 3.

Rules that keep it so: gaps, events and dictionaries first, then the batch that was sealed last, then the
backlog, oldest first; the backlog has at least a quarter of the sends, whatever else there is; a dictionary
goes before the first batch that needs it. Only reads the outbox; nothing is marked as sent here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

from edge_agent.buffer.outbox import Key, Outbox, State

BACKLOG_SHARE = 4  # at least one send in so many is of the backlog

Row = tuple[int, int, int]
"""A message's id, stream and sequence."""


class Selection:
    """Remembers how long ago the backlog had its turn."""

    def __init__(self) -> None:
        self._sends_since_backlog = 0

    def choose(self, outbox: Outbox, limit: int, excluded: Collection[Key]) -> list[int]:
        """Ids of at most `limit` unsent messages, none of those `excluded`, in the order of sending."""
        margin = limit + len(excluded)
        first = deque([*_unsent_others(outbox, margin), *_newest_batch(outbox)])
        backlog = deque(_unsent_batches(outbox, margin))
        chosen: dict[int, None] = {}
        while len(chosen) < limit and (first or backlog):
            turn = bool(backlog) and (not first or self._sends_since_backlog >= BACKLOG_SHARE - 1)
            row = (backlog if turn else first).popleft()
            if row[0] in chosen or row[1:] in excluded:
                continue
            self._sends_since_backlog = 0 if turn else self._sends_since_backlog + 1
            dictionary = _unsent_dictionary_of(outbox, row[0])
            needed = [d for d in dictionary if d[0] not in chosen and d[1:] not in excluded]
            for each in [*needed, row][: limit - len(chosen)]:
                chosen[each[0]] = None
        return list(chosen)


def _unsent_others(outbox: Outbox, limit: int) -> list[Row]:
    """Unsent gaps, events, time maps and dictionaries."""
    return outbox.rows(
        "SELECT id, stream, sequence FROM messages WHERE state = 0 AND type <> 1 AND stream NOT IN"
        " (SELECT stream FROM streams WHERE state = 2) ORDER BY type = 2, type = 5, id LIMIT ?",
        limit,
    )


def _unsent_batches(outbox: Outbox, limit: int) -> list[Row]:
    """Unsent batches, oldest first."""
    return outbox.rows(
        "SELECT id, stream, sequence FROM messages WHERE state = 0 AND type = 1 AND stream NOT IN"
        " (SELECT stream FROM streams WHERE state = 2) ORDER BY id LIMIT ?",
        limit,
    )


def _newest_batch(outbox: Outbox) -> list[Row]:
    """The last batch that was sealed, where it is still unsent."""
    rows = outbox.rows(
        "SELECT id, stream, sequence, state FROM messages WHERE type = 1 AND stream ="
        " (SELECT stream FROM streams WHERE state = 0) ORDER BY sequence DESC LIMIT 1"
    )
    return [row[:3] for row in rows if row[3] == State.UNSENT]


def _unsent_dictionary_of(outbox: Outbox, message_id: int) -> list[Row]:
    """The dictionary that a message needs and that is still unsent."""
    return outbox.rows(
        "SELECT d.id, d.stream, d.sequence FROM messages m JOIN messages d ON d.dictionary = m.dictionary"
        " AND d.stream = m.stream AND d.type = 2 AND d.state = 0 WHERE m.id = ? AND m.type = 1",
        message_id,
    )
