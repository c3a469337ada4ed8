"""What the outbox remembers of boots and clocks, and the time maps that come of it (docs/uplink.md).

Rules that keep it so: spans are noted in the transaction that seals their readings, so the timeline knows
what was sealed and no more; a time map and the note that it was told change in one transaction; at most
SPANS_KEPT spans are kept, and what leaves undated stays undated.
"""

from __future__ import annotations

from collections.abc import Sequence

from edge_agent.buffer.dating import Span, plan_pieces
from edge_agent.buffer.journal import Stretch, same_piece
from edge_agent.buffer.outbox import Outbox
from protocols.uplink.messages import TimeMap, Wall

SPANS_KEPT = 200  # pieces of all of them fit into one message
PIECE_SIZE_BYTES = 1 + 7 * 9  # an array of seven integers, each at its longest (RFC 8949, section 3)


def note_stretches(outbox: Outbox, stretches: Sequence[Stretch]) -> None:
    """Add what was sealed to the timeline. Within a transaction."""
    for stretch in stretches:
        if stretch.readings:
            from_ms = min(min(reading.due_ms, reading.time_ms) for reading in stretch.readings)
            to_ms = max(max(reading.due_ms, reading.time_ms) for reading in stretch.readings)
            _note(outbox, Span(0, stretch.boot, from_ms, to_ms, stretch.wall))
    outbox.execute("DELETE FROM timeline WHERE number <= (SELECT max(number) FROM timeline) - ?", SPANS_KEPT)


def _note(outbox: Outbox, span: Span) -> None:
    last = read_timeline(outbox, 1)
    if last and _continues(last[0], span):
        wall = span.wall or Wall(0, 0, 0)
        outbox.execute(
            "UPDATE timeline SET from_ms = min(from_ms, ?), to_ms = max(to_ms, ?), told = 0,"
            " uncertainty_ms = max(uncertainty_ms, ?) WHERE number = ?",
            *(span.from_ms, span.to_ms, wall.uncertainty_ms, last[0].number),
        )
        return
    wall_columns = (None, None, None) if span.wall is None else span.wall
    outbox.execute(
        "INSERT INTO timeline (boot, from_ms, to_ms, offset_ms, source, uncertainty_ms)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        *(span.boot, span.from_ms, span.to_ms, *wall_columns),
    )


def _continues(last: Span, span: Span) -> bool:
    if last.boot != span.boot:
        return False
    if last.wall is None or span.wall is None:
        return last.wall is span.wall
    return same_piece(last.wall, span.wall)


def read_timeline(outbox: Outbox, limit: int = SPANS_KEPT) -> list[Span]:
    """The last spans, oldest first."""
    rows = outbox.rows(
        "SELECT number, boot, from_ms, to_ms, offset_ms, source, uncertainty_ms, told FROM timeline"
        " ORDER BY number DESC LIMIT ?",
        limit,
    )
    return [_span(*row) for row in reversed(rows)]


def tell_dates(outbox: Outbox) -> None:
    """Store a signed time map for what can be dated now and was not. Within a transaction."""
    if not outbox.rows("SELECT 1 FROM timeline WHERE offset_ms IS NULL AND told = 0 LIMIT 1"):
        return
    pieces = plan_pieces(read_timeline(outbox))
    if not pieces:
        return
    told = tuple(pieces.values())
    outbox.store(lambda stream, sequence: TimeMap(stream, sequence, told))
    for number in pieces:
        outbox.execute("UPDATE timeline SET told = 1 WHERE number = ?", number)


def pieces_size_bytes(outbox: Outbox) -> int:
    """An upper bound of what a time map takes that may be told now."""
    count = len(outbox.rows("SELECT 1 FROM timeline WHERE offset_ms IS NULL AND told = 0"))
    return count * PIECE_SIZE_BYTES


def _span(
    number: int,
    boot: int,
    from_ms: int,
    to_ms: int,
    offset_ms: int | None,
    source: int | None,
    uncertainty_ms: int | None,
    told: int,
) -> Span:
    wall = None if offset_ms is None else Wall(offset_ms, source or 0, uncertainty_ms or 0)
    return Span(number, boot, from_ms, to_ms, wall, bool(told))
