"""The outbox: signed messages in order, in SQLite, with what is known of their way to the backend.

Rules that keep it so:
- Signed bytes are stored as they will be sent and never made again. A sequence number is taken in the
  transaction that stores its message.
- A message that is removed before the backend holds it leaves a loss, in the same transaction.
- Losses that are not told yet coalesce by stream and cause, so that their number is bounded.
- SQLite's errors leave here as OSError, or as `OutboxDamaged` where the file is not what it should be.
"""

from __future__ import annotations

import contextlib
import enum
import errno
import sqlite3
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from edge_agent.buffer.journal import Mark
from edge_agent.buffer.loss import Loss
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

Key = tuple[int, int]
"""A message's stream and sequence."""

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
_TIMELINE = """
CREATE TABLE IF NOT EXISTS timeline (number INTEGER PRIMARY KEY, boot INTEGER NOT NULL,
  from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL, offset_ms INTEGER, source INTEGER,
  uncertainty_ms INTEGER, told INTEGER NOT NULL DEFAULT 0)
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
        self.pages_max = size_bytes_max // PAGE_SIZE_BYTES
        with _translated():
            self._db = storage.database(DATABASE_NAME)
            try:
                self._prepare(log_size_bytes_max)
            except BaseException:
                self._db.close()
                raise

    def _prepare(self, log_size_bytes_max: int) -> None:
        for pragma in (
            "locking_mode = EXCLUSIVE",  # before the file is looked at: else shared memory takes disk, too
            f"page_size = {PAGE_SIZE_BYTES}",
            "auto_vacuum = INCREMENTAL",
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
        self._db.execute(_TIMELINE)  # came later; an older program leaves it alone
        if self._value("SELECT count(*) FROM sqlite_schema WHERE type = 'table'") < 5:
            raise OutboxDamaged("tables are missing")
        self._db.execute(f"PRAGMA max_page_count = {self.pages_max}").fetchall()

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
        place, span = (stream, sequence, kind, State.UNSENT), (boot, from_ms, to_ms)
        self.execute(
            "INSERT INTO messages (stream, sequence, type, state, dictionary, readings, boot, from_ms, to_ms,"
            " crc, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            *(*place, dictionary, readings, *span, zlib.crc32(data), data),
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

    # What is stored

    def message(self, message_id: int) -> OutboxMessage | None:
        """The message as it was signed; None, and a loss recorded, where the disk has changed it."""
        rows = self.rows("SELECT stream, sequence, type, data, crc FROM messages WHERE id = ?", message_id)
        stream, sequence, kind, data, crc = rows[0]
        if zlib.crc32(data) == crc:
            return OutboxMessage(stream, sequence, kind, data)
        with self.transaction():
            self.lose_message(GapCause.STORAGE_DAMAGED, message_id)
        return None

    def lose_message(self, cause: GapCause, message_id: int) -> None:
        """Remove a message and keep the loss of it. Within a transaction.

        Bounds of a gap are exclusive. A message without readings of its own has no instants.
        """
        [(stream, sequence, boot, from_ms, to_ms, readings)] = self.rows(
            "SELECT stream, sequence, boot, from_ms, to_ms, readings FROM messages WHERE id = ?", message_id
        )
        active = self.active()
        named = (sequence, sequence) if active is not None and active.stream == stream else None
        start = None if boot is None or from_ms is None else Instant(boot, from_ms - 1)
        end = None if boot is None or to_ms is None else Instant(boot, to_ms + 1)
        self.execute("DELETE FROM messages WHERE id = ?", message_id)  # first: it makes room for the loss
        self.add_loss(Loss(cause, start, end, readings, named))

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
