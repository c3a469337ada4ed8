"""Making room in the outbox: what goes first, and the pages it gives back.

Rules that keep it so: what the backend holds goes first, then the oldest; never what is in flight, a
dictionary that a stored batch needs or that is the newest, a gap or a time map that is not acknowledged.
A message and the loss that names it change in one transaction.
"""

from __future__ import annotations

from collections.abc import Collection

from edge_agent.buffer.outbox import PAGE_SIZE_BYTES, Key, Outbox
from protocols.uplink.messages import GapCause

EVICT_AT_ONCE = 4
PAGES_SPARE = 16  # for inner pages and indexes beside the messages themselves
VACUUM_PAGES = 64


def free_bytes(outbox: Outbox) -> int:
    """What can still be stored below the bound."""
    used = _pages(outbox, "page_count") - _pages(outbox, "freelist_count")
    return (outbox.pages_max - used - PAGES_SPARE) * PAGE_SIZE_BYTES


def has_spare(outbox: Outbox) -> bool:
    """Whether something may go without a loss. A dictionary that is held may still be needed: it does not
    count."""
    return bool(outbox.rows("SELECT 1 FROM messages WHERE state = 2 AND type <> 2 LIMIT 1"))


def evict(
    outbox: Outbox, size_bytes: int, in_flight: Collection[Key], *, acknowledged_only: bool = False
) -> int:
    """Remove messages until `size_bytes` of pages have become free, or nothing more may go. Within a
    transaction. The number of messages removed that the backend is not known to hold."""
    before, lost = _pages(outbox, "freelist_count"), 0
    while (_pages(outbox, "freelist_count") - before) * PAGE_SIZE_BYTES < size_bytes:
        if not _evict_acknowledged(outbox):
            removed = 0 if acknowledged_only else _evict_unacknowledged(outbox, in_flight)
            if removed == 0:
                break
            lost += removed
    return lost


def _evict_acknowledged(outbox: Outbox) -> bool:
    rows = outbox.rows(
        "SELECT id, stream, sequence FROM messages m WHERE state = 2 AND NOT (type = 2 AND"
        " (EXISTS (SELECT 1 FROM messages b WHERE b.dictionary = m.dictionary AND b.type = 1)"
        " OR m.id = (SELECT max(id) FROM messages WHERE type = 2))) ORDER BY id LIMIT ?",
        EVICT_AT_ONCE,
    )
    for message_id, stream, sequence in rows:
        outbox.execute("DELETE FROM messages WHERE id = ?", message_id)
        outbox.execute(
            "UPDATE streams SET freed_first = min(coalesce(freed_first, ?1), ?1),"
            " freed_last = max(coalesce(freed_last, ?1), ?1) WHERE stream = ?2",
            sequence,
            stream,
        )
    return bool(rows)


def _evict_unacknowledged(outbox: Outbox, in_flight: Collection[Key]) -> int:
    rows = outbox.rows(
        "SELECT id, stream, sequence FROM messages WHERE state < 2 AND type NOT IN (2, 3, 4)"
        " ORDER BY id LIMIT ?",
        EVICT_AT_ONCE + len(in_flight),
    )
    free = [message_id for message_id, *key in rows if tuple(key) not in in_flight][:EVICT_AT_ONCE]
    for message_id in free:
        outbox.lose_message(GapCause.EVICTED, message_id)
    return len(free)


def shrink(outbox: Outbox) -> None:
    """Give free pages back to the disk, in steps, so that the log stays small."""
    while _pages(outbox, "freelist_count") > 0:
        before = _pages(outbox, "freelist_count")
        outbox.rows(f"PRAGMA incremental_vacuum({VACUUM_PAGES})")
        outbox.rows("PRAGMA wal_checkpoint(RESTART)")
        if _pages(outbox, "freelist_count") >= before:
            return


def shorten_log(outbox: Outbox) -> None:
    """Give the write-ahead log's room back to the disk, too."""
    outbox.rows("PRAGMA wal_checkpoint(TRUNCATE)")


def _pages(outbox: Outbox, pragma: str) -> int:
    return int(outbox.rows(f"PRAGMA {pragma}")[0][0])
