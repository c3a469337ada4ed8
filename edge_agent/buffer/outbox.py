"""The outbox: signed messages in order, in SQLite, with what is known of their way to the backend.

Rules that keep it so:
- Signed bytes are stored as they will be sent and never made again. A sequence number is taken in the
  transaction that stores its message.
- Making room and recording what was lost happen in one transaction. Never removed: what is in flight, a
  dictionary that a stored batch needs or that is the newest, and a gap that is not acknowledged.
- Losses that are not told yet coalesce by stream and cause, so that their number is bounded.
- SQLite's errors leave here as OSError, or as `OutboxDamaged` where the file is not what it should be.
"""

from __future__ import annotations

import contextlib
import enum
import errno
import sqlite3
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, NamedTuple

from edge_agent.buffer.journal import Mark
from hal.api import Storage
from protocols.uplink.cbor import encode_message, table_hash
from protocols.uplink.cose import Signer
from protocols.uplink.messages import (
    Batch,
    Dictionary,
    Event,
    Gap,
    GapCause,
    Instant,
    Message,
    MessageType,
    SeriesTable,
    TimeMap,
)

DATABASE_NAME = "outbox.db"
DATABASE_NAMES = (DATABASE_NAME, DATABASE_NAME + "-wal", DATABASE_NAME + "-shm", DATABASE_NAME + "-journal")
SCHEMA_VERSION = 1
PAGE_SIZE_BYTES = 4096
CHECKPOINT_PAGES = 64
CACHE_KIB = 1024
GROUPS_KEPT = 1000
STREAMS_KEPT = 8
EVICT_AT_ONCE = 4
PAGES_SPARE = 16  # for inner pages and indexes beside the messages themselves
VACUUM_PAGES = 64

_SCHEMA = """
CREATE TABLE streams (number INTEGER PRIMARY KEY, stream INTEGER NOT NULL UNIQUE,
  next_sequence INTEGER NOT NULL, state INTEGER NOT NULL, epoch INTEGER, counter INTEGER,
  request_epoch INTEGER, request_counter INTEGER,
  freed_first INTEGER, freed_last INTEGER);
CREATE TABLE sealed (generation INTEGER PRIMARY KEY);
CREATE TABLE progress (one INTEGER PRIMARY KEY CHECK (one = 1), boot INTEGER NOT NULL, ms INTEGER NOT NULL);
CREATE TABLE messages (id INTEGER PRIMARY KEY, stream INTEGER NOT NULL, sequence INTEGER NOT NULL,
  type INTEGER NOT NULL, state INTEGER NOT NULL, dictionary BLOB, readings INTEGER NOT NULL, boot INTEGER,
  from_ms INTEGER, to_ms INTEGER, published_boot INTEGER, published_ms INTEGER,
  resends INTEGER NOT NULL DEFAULT 0, crc INTEGER NOT NULL, data BLOB NOT NULL, UNIQUE (stream, sequence));
CREATE INDEX by_state ON messages (state, type);
CREATE INDEX by_dictionary ON messages (dictionary, type);
CREATE TABLE gaps (stream INTEGER NOT NULL, cause INTEGER NOT NULL, start_boot INTEGER, start_ms INTEGER,
  end_boot INTEGER, end_ms INTEGER, count INTEGER, first INTEGER, last INTEGER, widened INTEGER NOT NULL,
  PRIMARY KEY (stream, cause)) WITHOUT ROWID;
"""


class State(enum.IntEnum):
    """Where a stored message stands."""

    UNSENT = 0
    PUBLISHED = 1  # a broker took it; the backend has not said that it holds it
    ACKNOWLEDGED = 2


class StreamState(enum.IntEnum):
    """`RETIRED`: its messages are still sent. `DISPUTED`: the backend holds others under its numbers."""

    ACTIVE = 0
    RETIRED = 1
    DISPUTED = 2


class OutboxDamaged(Exception):
    """The database is not readable as one."""


class OutboxMessage(NamedTuple):
    """A signed message as it is sent."""

    stream: int
    sequence: int
    type: int
    data: bytes


class Loss(NamedTuple):
    """A gap that has no place in a stream yet. `readings`: how many, None where not known; the other fields
    as in protocols.uplink.messages.Gap."""

    cause: int
    start: Instant | None
    end: Instant | None
    readings: int | None
    sequences: tuple[int, int] | None = None
    widened: bool = False

    def joined(self, other: Loss) -> Loss:
        """One loss that covers both; widened where something between them was not lost."""
        return Loss(
            self.cause,
            None if self.start is None or other.start is None else min(self.start, other.start),
            None if self.end is None or other.end is None else max(self.end, other.end),
            None if self.readings is None or other.readings is None else self.readings + other.readings,
            _span(self.sequences, other.sequences),
            self.widened or other.widened or not self._touches(other),
        )

    def _touches(self, other: Loss) -> bool:
        if self.sequences and other.sequences:
            return self.sequences[1] + 1 >= other.sequences[0] and other.sequences[1] + 1 >= self.sequences[0]
        if self.end is None or other.start is None or self.start is None or other.end is None:
            return False
        return self.end >= other.start and other.end >= self.start


class Counts(NamedTuple):
    """Messages by state, and the oldest that the backend is not known to hold."""

    unsent: int
    published: int
    acknowledged: int
    oldest: Instant | None


Stamp = Callable[[int, int], Message]
"""Makes a message's content once its stream and sequence are known."""


class Outbox:
    """The database. Only ever used on the storage thread; every method may raise OSError or OutboxDamaged."""

    def __init__(
        self, storage: Storage, signer: Signer, size_bytes_max: int, log_size_bytes_max: int
    ) -> None:
        self._signer = signer
        self._pages_max = size_bytes_max // PAGE_SIZE_BYTES
        with _translated():
            self._db = storage.database(DATABASE_NAME)
            try:
                self._prepare(log_size_bytes_max)
            except BaseException:
                self._db.close()
                raise

    def _prepare(self, log_size_bytes_max: int) -> None:
        for pragma in (
            f"page_size = {PAGE_SIZE_BYTES}",
            "auto_vacuum = INCREMENTAL",
            "locking_mode = EXCLUSIVE",
            "journal_mode = WAL",
            "synchronous = FULL",
            f"journal_size_limit = {log_size_bytes_max}",
            f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
            f"cache_size = -{CACHE_KIB}",
            "temp_store = MEMORY",
        ):
            self._db.execute(f"PRAGMA {pragma}").fetchall()
        version = self._value("PRAGMA user_version")
        if version not in (0, SCHEMA_VERSION):
            raise OutboxDamaged(f"a database of version {version}")
        if version == 0:
            with self.transaction():
                for statement in filter(str.strip, _SCHEMA.split(";")):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        if self._value("SELECT count(*) FROM sqlite_schema WHERE type = 'table'") < 5:
            raise OutboxDamaged("tables are missing")
        self._db.execute(f"PRAGMA max_page_count = {self._pages_max}").fetchall()

    def close(self) -> None:
        """Let go of the database. A damaged one is let go of, too."""
        with contextlib.suppress(sqlite3.Error):
            self._db.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing. After an OSError it may still have been committed."""
        with _translated():
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.rollback()
                raise

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        """A statement, for the modules of this package that know the schema."""
        with _translated():
            return self._db.execute(sql, values)

    def rows(self, sql: str, *values: Any) -> list[Any]:
        """All rows of a query."""
        with _translated():
            return self._db.execute(sql, values).fetchall()

    def _value(self, sql: str, *values: Any) -> Any:
        row = self._db.execute(sql, values).fetchone()
        return None if row is None else row[0]

    # Streams

    def marks(self) -> list[Mark]:
        """How far each stream has got, the active one last."""
        rows = self.rows("SELECT stream, next_sequence FROM streams ORDER BY state <> 0 DESC, number")
        return [Mark(*row) for row in rows][-STREAMS_KEPT:]

    def active(self) -> Mark | None:
        """The stream that takes new messages."""
        rows = self.rows("SELECT stream, next_sequence FROM streams WHERE state = ?", StreamState.ACTIVE)
        return Mark(*rows[0]) if rows else None

    def begin_stream(self, stream: int, left: StreamState = StreamState.RETIRED) -> None:
        """Let `stream` take new messages from now on, and leave the one before in the state `left`."""
        self.execute("UPDATE streams SET state = ? WHERE state = ?", left, StreamState.ACTIVE)
        self.execute(
            "INSERT INTO streams (stream, next_sequence, state) VALUES (?, 0, ?)", stream, StreamState.ACTIVE
        )
        # A loss is told in the stream that is active then; sequences of another stream mean nothing there.
        for _, loss in self._take_losses():
            self.add_loss(loss._replace(sequences=None, widened=loss.widened or loss.sequences is not None))

    def note_left_stream(self, mark: Mark) -> None:
        """Know a stream that this database has lost, or the end of it. Within a transaction."""
        self.execute(
            "INSERT INTO streams (stream, next_sequence, state) VALUES (?1, ?2, ?3) ON CONFLICT (stream)"
            " DO UPDATE SET next_sequence = max(next_sequence, ?2), state = max(state, ?3)",
            *mark,
            StreamState.RETIRED,
        )

    # Groups of journal generations

    def is_sealed(self, group: int) -> bool:
        return bool(self.rows("SELECT 1 FROM sealed WHERE generation = ?", group))

    def last_sealed(self) -> int:
        return int(self.rows("SELECT coalesce(max(generation), 0) FROM sealed")[0][0])

    def note_sealed(self, group: int) -> None:
        """Record, in the transaction that stores its batches, that a group is sealed."""
        self.execute("INSERT INTO sealed VALUES (?)", group)
        self.execute("DELETE FROM sealed WHERE generation <= ?", group - GROUPS_KEPT)

    def has_disputed(self) -> bool:
        return bool(self.rows("SELECT 1 FROM streams WHERE state = ?", StreamState.DISPUTED))

    def progress(self) -> Instant | None:
        """Until when readings were accounted for at the last seal."""
        rows = self.rows("SELECT boot, ms FROM progress")
        return Instant(*rows[0]) if rows else None

    def note_progress(self, reached: Instant) -> None:
        self.execute("INSERT OR REPLACE INTO progress VALUES (1, ?, ?)", *reached)

    # Storing

    def store(
        self,
        stamp: Stamp,
        *,
        dictionary: bytes | None = None,
        readings: int = 0,
        boot: int | None = None,
        span_ms: tuple[int, int] | None = None,
    ) -> Mark:
        """Take the next sequence, sign and keep. Within a transaction."""
        active = self.active()
        assert active is not None, "a stream begins before messages are stored"
        stream, sequence = active
        message = stamp(stream, sequence)
        data = self._signer.sign(encode_message(message))
        kind = _TYPES[type(message)]
        from_ms, to_ms = span_ms or (None, None)
        row = (
            stream,
            sequence,
            kind,
            State.UNSENT,
            dictionary,
            readings,
            boot,
            from_ms,
            to_ms,
            zlib.crc32(data),
        )
        self.execute(
            "INSERT INTO messages (stream, sequence, type, state, dictionary, readings, boot, from_ms, to_ms,"
            " crc, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            *row,
            data,
        )
        self.execute("UPDATE streams SET next_sequence = ? WHERE stream = ?", sequence + 1, stream)
        return Mark(stream, sequence)

    def store_dictionary(self, table: SeriesTable, table_bytes: bytes) -> None:
        """Store the dictionary unless the active stream has it already."""
        active, name = self.active(), table_hash(table_bytes)
        assert active is not None
        known = self.rows(
            "SELECT 1 FROM messages WHERE dictionary = ? AND type = ? AND stream = ?",
            name,
            MessageType.DICTIONARY,
            active.stream,
        )
        if not known:
            self.store(lambda stream, sequence: Dictionary(stream, sequence, table), dictionary=name)

    # Losses

    def add_loss(self, loss: Loss) -> None:
        """Keep a loss until it is told, joined with those of the same cause. Within a transaction."""
        active = self.active()
        assert active is not None
        rows = self.rows("SELECT * FROM gaps WHERE stream = ? AND cause = ?", active.stream, loss.cause)
        if rows:
            loss = _loss(rows[0]).joined(loss)
        start, end = loss.start or (None, None), loss.end or (None, None)
        row = (*start, *end, loss.readings, *(loss.sequences or (None, None)), loss.widened)
        self.execute(
            "INSERT OR REPLACE INTO gaps VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            active.stream,
            loss.cause,
            *row,
        )

    def has_losses(self) -> bool:
        return bool(self.rows("SELECT 1 FROM gaps LIMIT 1"))

    def tell_losses(self) -> None:
        """Turn the losses into signed gaps. Within a transaction."""
        for _, loss in self._take_losses():
            self.store(
                lambda stream, sequence, loss=loss: Gap(  # type: ignore[misc]
                    stream,
                    sequence,
                    loss.cause,
                    loss.start,
                    loss.end,
                    loss.readings,
                    sequences=loss.sequences,
                    widened=loss.widened,
                )
            )

    def _take_losses(self) -> list[tuple[int, Loss]]:
        rows = self.rows("SELECT * FROM gaps ORDER BY cause")
        self.execute("DELETE FROM gaps")
        return [(row[0], _loss(row)) for row in rows]

    # What is next

    def unsent_others(self, limit: int) -> list[tuple[int, int, int]]:
        """(id, stream, sequence) of unsent gaps, events, time maps and dictionaries, in order."""
        return self.rows(
            "SELECT id, stream, sequence FROM messages WHERE state = 0 AND type <> 1 AND stream NOT IN"
            " (SELECT stream FROM streams WHERE state = 2) ORDER BY type = 2, type = 5, id LIMIT ?",
            limit,
        )

    def unsent_batches(self, limit: int) -> list[tuple[int, int, int]]:
        """(id, stream, sequence) of unsent batches, oldest first."""
        return self.rows(
            "SELECT id, stream, sequence FROM messages WHERE state = 0 AND type = 1 AND stream NOT IN"
            " (SELECT stream FROM streams WHERE state = 2) ORDER BY id LIMIT ?",
            limit,
        )

    def newest_batch(self) -> list[tuple[int, int, int]]:
        """The last batch that was sealed, where it is still unsent."""
        rows = self.rows(
            "SELECT id, stream, sequence, state FROM messages WHERE type = 1 AND stream ="
            " (SELECT stream FROM streams WHERE state = 0) ORDER BY sequence DESC LIMIT 1"
        )
        return [row[:3] for row in rows if row[3] == State.UNSENT]

    def unsent_dictionary_of(self, message_id: int) -> list[tuple[int, int, int]]:
        """The dictionary that a message needs and that is still unsent."""
        return self.rows(
            "SELECT d.id, d.stream, d.sequence FROM messages m JOIN messages d ON d.dictionary = m.dictionary"
            " AND d.stream = m.stream AND d.type = 2 AND d.state = 0 WHERE m.id = ? AND m.type = 1",
            message_id,
        )

    def message(self, message_id: int) -> OutboxMessage | None:
        """The message as it was signed; None, and a loss recorded, where the disk has changed it."""
        rows = self.rows(
            "SELECT stream, sequence, type, data, crc, boot, from_ms, to_ms, readings"
            " FROM messages WHERE id = ?",
            message_id,
        )
        stream, sequence, kind, data, crc, boot, from_ms, to_ms, readings = rows[0]
        if zlib.crc32(data) == crc:
            return OutboxMessage(stream, sequence, kind, data)
        with self.transaction():
            self._lose(GapCause.STORAGE_DAMAGED, stream, sequence, boot, from_ms, to_ms, readings)
            self.execute("DELETE FROM messages WHERE id = ?", message_id)
        return None

    def counts(self) -> Counts:
        """Where the stored messages stand."""
        by_state = dict(self.rows("SELECT state, count(*) FROM messages GROUP BY state"))
        oldest = self.rows(
            "SELECT boot, from_ms FROM messages WHERE id = (SELECT min(i) FROM"
            " (SELECT min(id) AS i FROM messages WHERE state = 0 AND type = 1"
            " UNION ALL SELECT min(id) FROM messages WHERE state = 1 AND type = 1))"
        )
        return Counts(
            by_state.get(State.UNSENT, 0),
            by_state.get(State.PUBLISHED, 0),
            by_state.get(State.ACKNOWLEDGED, 0),
            Instant(*oldest[0]) if oldest else None,
        )

    # Room

    def free_bytes(self) -> int:
        """What can still be stored below the bound."""
        used = self._pages("page_count") - self._pages("freelist_count")
        return (self._pages_max - used - PAGES_SPARE) * PAGE_SIZE_BYTES

    def evict(
        self, size_bytes: int, in_flight: Collection[tuple[int, int]], *, acknowledged_only: bool = False
    ) -> int:
        """Remove messages until `size_bytes` of pages have become free, or nothing more may go. Within a
        transaction. The number of messages removed that the backend is not known to hold."""
        before, lost = self._pages("freelist_count"), 0
        while (self._pages("freelist_count") - before) * PAGE_SIZE_BYTES < size_bytes:
            if not self._evict_acknowledged():
                removed = 0 if acknowledged_only else self._evict_unacknowledged(in_flight)
                if removed == 0:
                    break
                lost += removed
        return lost

    def _evict_acknowledged(self) -> bool:
        rows = self.rows(
            "SELECT id, stream, sequence FROM messages m WHERE state = 2 AND NOT (type = 2 AND"
            " (EXISTS (SELECT 1 FROM messages b WHERE b.dictionary = m.dictionary AND b.type = 1)"
            " OR m.id = (SELECT max(id) FROM messages WHERE type = 2))) ORDER BY id LIMIT ?",
            EVICT_AT_ONCE,
        )
        for message_id, stream, sequence in rows:
            self.execute("DELETE FROM messages WHERE id = ?", message_id)
            self.execute(
                "UPDATE streams SET freed_first = min(coalesce(freed_first, ?1), ?1),"
                " freed_last = max(coalesce(freed_last, ?1), ?1) WHERE stream = ?2",
                sequence,
                stream,
            )
        return bool(rows)

    def _evict_unacknowledged(self, in_flight: Collection[tuple[int, int]]) -> int:
        rows = self.rows(
            "SELECT id, stream, sequence, boot, from_ms, to_ms, readings FROM messages WHERE state < 2"
            " AND type NOT IN (2, 3) ORDER BY id LIMIT ?",
            EVICT_AT_ONCE + len(in_flight),
        )
        free = [row for row in rows if (row[1], row[2]) not in in_flight][:EVICT_AT_ONCE]
        for message_id, *lost in free:
            self.execute("DELETE FROM messages WHERE id = ?", message_id)
            self._lose(GapCause.EVICTED, *lost)
        return len(free)

    def _lose(
        self,
        cause: GapCause,
        stream: int,
        sequence: int,
        boot: int | None,
        from_ms: int | None,
        to_ms: int | None,
        readings: int,
    ) -> None:
        """Bounds of a gap are exclusive. A message without readings of its own has no instants."""
        active = self.active()
        named = (sequence, sequence) if active is not None and active.stream == stream else None
        start = None if boot is None or from_ms is None else Instant(boot, from_ms - 1)
        end = None if boot is None or to_ms is None else Instant(boot, to_ms + 1)
        self.add_loss(Loss(cause, start, end, readings, named))

    def shrink(self) -> None:
        """Give free pages back to the disk, in steps, so that the log stays small."""
        while self._pages("freelist_count") > 0:
            before = self._pages("freelist_count")
            self.rows(f"PRAGMA incremental_vacuum({VACUUM_PAGES})")
            self.rows("PRAGMA wal_checkpoint(RESTART)")
            if self._pages("freelist_count") >= before:
                return

    def shorten_log(self) -> None:
        """Give the write-ahead log's room back to the disk, too."""
        self.rows("PRAGMA wal_checkpoint(TRUNCATE)")

    def _pages(self, pragma: str) -> int:
        return int(self.rows(f"PRAGMA {pragma}")[0][0])


_TYPES: dict[type[Message], MessageType] = {
    Batch: MessageType.BATCH,
    Dictionary: MessageType.DICTIONARY,
    Gap: MessageType.GAP,
    TimeMap: MessageType.TIME_MAP,
    Event: MessageType.EVENT,
}


def _loss(row: Sequence[Any]) -> Loss:
    _, cause, start_boot, start_ms, end_boot, end_ms, count, first, last, widened = row
    start = None if start_boot is None else Instant(start_boot, start_ms)
    end = None if end_boot is None else Instant(end_boot, end_ms)
    return Loss(cause, start, end, count, None if first is None else (first, last), bool(widened))


def _span(a: tuple[int, int] | None, b: tuple[int, int] | None) -> tuple[int, int] | None:
    if a is None or b is None:
        return a or b
    return min(a[0], b[0]), max(a[1], b[1])


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """SQLite's errors as what they mean to us; a mistake in a statement stays what it is, a bug."""
    try:
        yield
    except sqlite3.IntegrityError:
        raise
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            raise OSError(errno.ENOSPC, f"outbox: {error}") from error
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise OutboxDamaged(str(error)) from error
        if code == sqlite3.SQLITE_BUSY:
            raise OSError(errno.EBUSY, "outbox: another process uses this buffer folder") from error
        if code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            raise OSError(errno.EIO, f"outbox: {error}") from error
        raise
