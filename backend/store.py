"""What the backend holds: raw messages, readings, gaps, events, keys, and its receipts' counter, in SQLite.

`Store.take` is the whole judgement of one message and one transaction: when it returns, the message and
all that was decoded from it are durable. It knows nothing of MQTT. Rules: a message's identity is (key
id, stream, sequence); what a known key signed is held even where its content cannot be decoded yet;
nothing that is not signed by a known key touches anything but the counters and the bounded table of
refused messages. Integers beyond 64 bits stand as decimal text in a column without type.
"""

from __future__ import annotations

import enum
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.hazmat.primitives import serialization

from backend import dates
from protocols.errors import ProtocolError
from protocols.uplink import cbor, cose
from protocols.uplink.columns import Slot, decode_slots
from protocols.uplink.messages import (
    MESSAGE_SIZE_BYTES_MAX,
    RECEIPT_RANGES_MAX,
    Batch,
    Dictionary,
    DictionaryMeter,
    Event,
    Gap,
    Message,
    MessageType,
    Receipt,
    Request,
    SeriesTable,
    TimeMap,
    Unknown,
    Wall,
)

SCHEMA_VERSION = 2
"""Grows with each change of the tables; a newer version's store is used as it is."""
REFUSED_MAX = 1_000
BUSY_TIMEOUT_S = 30.0
CREDIT = 32
RECEIPT_WANTED = "receipt.wanted"
"""Code of the event by which a gateway asks for a receipt at once (commissioning)."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS keys (kid BLOB PRIMARY KEY, gateway TEXT NOT NULL, public_key BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS messages (
  kid BLOB, stream INTEGER, sequence INTEGER, type INTEGER NOT NULL, state TEXT NOT NULL,
  dictionary BLOB, received_ms INTEGER NOT NULL, payload_hash BLOB NOT NULL, data BLOB NOT NULL,
  PRIMARY KEY (kid, stream, sequence));
CREATE INDEX IF NOT EXISTS undecoded ON messages (kid, dictionary) WHERE state = 'undecoded';
CREATE TABLE IF NOT EXISTS held (
  kid BLOB, stream INTEGER, first INTEGER, last INTEGER NOT NULL, PRIMARY KEY (kid, stream, first));
CREATE TABLE IF NOT EXISTS dictionaries (kid BLOB, hash BLOB, data BLOB NOT NULL, PRIMARY KEY (kid, hash));
CREATE TABLE IF NOT EXISTS meters (
  kid BLOB, dictionary BLOB, meter TEXT, metering_point TEXT, serial TEXT, maker TEXT, model TEXT,
  medium INTEGER, ratio TEXT, valid_from_ms INTEGER, PRIMARY KEY (kid, dictionary, meter));
CREATE TABLE IF NOT EXISTS readings (
  kid BLOB NOT NULL, stream INTEGER NOT NULL, sequence INTEGER NOT NULL, meter TEXT NOT NULL,
  quantity INTEGER NOT NULL, exponent INTEGER NOT NULL, integer, remark INTEGER NOT NULL,
  boot INTEGER NOT NULL, due_ms INTEGER NOT NULL, time_ms INTEGER NOT NULL, utc_ms INTEGER);
CREATE INDEX IF NOT EXISTS readings_slot ON readings (kid, meter, quantity, boot, due_ms);
CREATE TABLE IF NOT EXISTS gaps (
  kid BLOB, stream INTEGER, sequence INTEGER, cause INTEGER NOT NULL, start_boot INTEGER, start_ms INTEGER,
  end_boot INTEGER, end_ms INTEGER, count INTEGER, first INTEGER, last INTEGER, dictionary BLOB,
  series TEXT NOT NULL, widened INTEGER NOT NULL, PRIMARY KEY (kid, stream, sequence));
CREATE TABLE IF NOT EXISTS events (
  kid BLOB, stream INTEGER, sequence INTEGER, boot INTEGER NOT NULL, ms INTEGER NOT NULL, utc_ms INTEGER,
  code TEXT NOT NULL, subject TEXT NOT NULL, details TEXT NOT NULL, PRIMARY KEY (kid, stream, sequence));
CREATE TABLE IF NOT EXISTS refused (
  number INTEGER PRIMARY KEY AUTOINCREMENT, received_ms INTEGER NOT NULL, verdict TEXT NOT NULL,
  kid BLOB, stream INTEGER, sequence INTEGER, detail TEXT NOT NULL, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS requests (
  number INTEGER PRIMARY KEY AUTOINCREMENT, kid BLOB NOT NULL, stream INTEGER NOT NULL,
  content TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS verdicts (
  kid BLOB, stream INTEGER, verdict TEXT, count INTEGER NOT NULL, PRIMARY KEY (kid, stream, verdict));
"""


class VerdictName(enum.StrEnum):
    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"  # the same content again: a replay, or a repeat after a lost acknowledgement
    CLONE = "clone"  # a used sequence with other content: an alarm
    BAD_SIGNATURE = "bad-signature"  # tampered with, or signed by another key than the one named
    UNKNOWN_KEY = "unknown-key"
    MALFORMED = "malformed"  # no message of this format; held if a known key signed it nevertheless
    UNDECODED = "undecoded"  # verified and held; its dictionary is not here yet


class Verdict(NamedTuple):
    """What `Store.take` found. `key_id` is None where no known key vouches for anything said here.

    `readings`: stored by this message, those of batches that waited for it included. `wanted`: the gateway
    asks for a receipt.
    """

    name: VerdictName
    key_id: bytes | None = None
    gateway: str = ""
    stream: int | None = None
    sequence: int | None = None
    type: int | None = None
    readings: int = 0
    wanted: bool = False
    detail: str = ""


class _Signed(NamedTuple):
    """A verified message on its way into the store."""

    key_id: bytes
    gateway: str
    data: bytes
    payload: bytes
    now_ms: int


class Hole(NamedTuple):
    """Sequences that are not held, first to last; `explained` where a signed gap names them as evicted."""

    first: int
    last: int
    explained: bool


class Store:
    """One SQLite file. `now_ms` gives UTC in ms. Several processes may use the same file."""

    def __init__(self, path: Path, now_ms: Callable[[], int]) -> None:
        path.touch(mode=0o600)  # personal data: nobody else reads it
        self._now_ms = now_ms
        self._database = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")
        if self.query("PRAGMA user_version")[0][0] >= SCHEMA_VERSION:
            return  # reports must not wait for a receiver's transaction
        with self._transaction():
            for statement in _SCHEMA.split(";\n"):
                self._database.execute(statement)
            dates.prepare(self._database)
            self._database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            start = [("epoch", now_ms() // 1000), ("counter", 0)]
            self._database.executemany("INSERT OR IGNORE INTO state VALUES (?, ?)", start)

    def close(self) -> None:
        self._database.close()

    def query(self, sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """Rows of a read-only question; for reports and tests."""
        return self._database.execute(sql, arguments).fetchall()

    # Keys

    def trust(self, gateway: str, public_key: cose.PublicKey) -> bytes:
        """Register a gateway's public key; the key id. ValueError for a key that cannot sign uplinks."""
        cose.algorithm_of(public_key)
        kid = cose.key_id_of(public_key)
        der = public_key.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        with self._transaction():
            self._database.execute("INSERT OR REPLACE INTO keys VALUES (?, ?, ?)", (kid, gateway, der))
        return kid

    def key(self, key_id: bytes) -> tuple[str, cose.PublicKey] | None:
        """The gateway's id and public key under a key id."""
        rows = self.query("SELECT gateway, public_key FROM keys WHERE kid = ?", key_id)
        if not rows:
            return None
        public_key = serialization.load_der_public_key(rows[0][1])
        return rows[0][0], public_key  # type: ignore[return-value]  # `trust` let no other kind in

    # Taking

    def take(self, data: bytes) -> Verdict:
        """Judge one message and store it; durable on return. sqlite3.Error: nothing was stored."""
        with self._transaction():
            verdict = self._judge(data, self._now_ms())
            kid, stream = verdict.key_id or b"", -1 if verdict.stream is None else verdict.stream
            self._count(kid, stream, verdict.name)
            return verdict

    def _judge(self, data: bytes, now_ms: int) -> Verdict:
        try:
            key_id = cose.read_envelope(data).key_id
        except ProtocolError as wrong:
            return self._refuse(Verdict(VerdictName.MALFORMED, detail=str(wrong)), data, now_ms)
        known = self.key(key_id)
        if known is None:
            detail = f"no key {key_id.hex()} is registered; `edge-backend trust` registers one"
            return self._refuse(Verdict(VerdictName.UNKNOWN_KEY, detail=detail), data, now_ms)
        gateway, public_key = known
        try:
            payload = cose.verify(data, public_key)
        except ProtocolError as wrong:
            verdict = Verdict(VerdictName.BAD_SIGNATURE, key_id, gateway, detail=str(wrong))
            return self._refuse(verdict, data, now_ms)
        return self._take_signed(_Signed(key_id, gateway, data, payload, now_ms))

    def _take_signed(self, signed: _Signed) -> Verdict:
        verdict = Verdict(VerdictName.ACCEPTED, signed.key_id, signed.gateway)
        message: Message | None = None
        try:
            header = cbor.read_header(signed.payload)
            verdict = verdict._replace(stream=header.stream, sequence=header.sequence, type=header.type)
            message = cbor.decode_message(signed.payload)
        except ProtocolError as wrong:
            verdict = verdict._replace(name=VerdictName.MALFORMED, detail=str(wrong))
        if isinstance(message, Receipt | Request):
            detail = "a receipt or request travels from the backend to the gateway"
            verdict = verdict._replace(name=VerdictName.MALFORMED, detail=detail, stream=None, sequence=None)
        if verdict.stream is None or verdict.sequence is None:
            return self._refuse(verdict, signed.data, signed.now_ms)
        earlier = self._earlier(verdict)
        if earlier is not None:
            return self._take_again(verdict, signed, message, earlier)
        return self._take_new(verdict, signed, message)

    def _earlier(self, verdict: Verdict) -> bytes | None:
        rows = self.query(
            "SELECT payload_hash FROM messages WHERE kid = ? AND stream = ? AND sequence = ?",
            *(verdict.key_id, verdict.stream, verdict.sequence),
        )
        return rows[0][0] if rows else None

    def _take_again(
        self, verdict: Verdict, signed: _Signed, message: Message | None, earlier: bytes
    ) -> Verdict:
        """Compare content, not signatures: anybody can turn an ECDSA signature into a second valid one."""
        if cbor.payload_hash(signed.payload) == earlier:
            return verdict._replace(name=VerdictName.DUPLICATE, wanted=_asks(message), detail="held already")
        detail = "this sequence was used before with other content: two gateways sign with one key"
        return self._refuse(
            verdict._replace(name=VerdictName.CLONE, detail=detail), signed.data, signed.now_ms
        )

    def _take_new(self, verdict: Verdict, signed: _Signed, message: Message | None) -> Verdict:
        self._hold(signed.key_id, _number(verdict.stream), _number(verdict.sequence))
        dictionary = message.dictionary if isinstance(message, Batch) else None
        row = (signed.key_id, verdict.stream, verdict.sequence, verdict.type, "kept", dictionary)
        held = (signed.now_ms, cbor.payload_hash(signed.payload), signed.data)
        self._database.execute("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row + held)
        verdict = self._take_content(verdict, signed, message)
        state = {VerdictName.UNDECODED: "undecoded", VerdictName.MALFORMED: "malformed"}.get(verdict.name)
        if state is None:
            state = "kept" if isinstance(message, Unknown) else "decoded"
        self._set_state(signed.key_id, _number(verdict.stream), _number(verdict.sequence), state)
        return verdict

    def _take_content(self, verdict: Verdict, signed: _Signed, message: Message | None) -> Verdict:
        match message:
            case Batch():
                return self._take_batch(verdict, signed.key_id, message)
            case Dictionary():
                count = self._take_dictionary(signed.key_id, message, cbor.table_bytes_of(signed.payload))
                return verdict._replace(readings=count)
            case Gap():
                self._take_gap(signed.key_id, message)
            case TimeMap():
                dates.take_time_map(self._database, signed.key_id, message)
            case Event():
                self._take_event(signed.key_id, message)
                return verdict._replace(wanted=_asks(message), detail=f"{message.code} {message.subject}")
            case Unknown():
                return verdict._replace(detail="of a type or encoding not known here: kept as it came")
        return verdict

    def _take_batch(self, verdict: Verdict, kid: bytes, batch: Batch) -> Verdict:
        rows = self.query("SELECT data FROM dictionaries WHERE kid = ? AND hash = ?", kid, batch.dictionary)
        if not rows:
            detail = f"waits for dictionary {batch.dictionary.hex()}"
            return verdict._replace(name=VerdictName.UNDECODED, detail=detail)
        try:
            count = self._add_readings(kid, batch, cbor.decode_table(rows[0][0]))
        except ProtocolError as wrong:
            return verdict._replace(name=VerdictName.MALFORMED, detail=str(wrong))
        return verdict._replace(readings=count)

    def _take_dictionary(self, kid: bytes, message: Dictionary, table_bytes: bytes) -> int:
        """Keep the table and decode the batches that waited for it; how many readings they brought."""
        name = cbor.table_hash(table_bytes)
        insert = "INSERT OR IGNORE INTO dictionaries VALUES (?, ?, ?)"
        self._database.execute(insert, (kid, name, table_bytes))
        meters = [
            (
                kid,
                name,
                *(m.id, m.metering_point, m.serial, m.maker, m.model, m.medium),
                _ratio(m),
                m.valid_from_ms,
            )
            for m in message.table
        ]
        insert = "INSERT OR IGNORE INTO meters VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        self._database.executemany(insert, meters)
        waiting = self.query(
            "SELECT stream, sequence, data FROM messages"
            " WHERE kid = ? AND dictionary = ? AND state = 'undecoded' ORDER BY stream, sequence",
            *(kid, name),
        )
        return sum(self._decode_late(kid, message.table, *row) for row in waiting)

    def _decode_late(self, kid: bytes, table: SeriesTable, stream: int, sequence: int, data: bytes) -> int:
        batch = cbor.decode_message(cose.read_envelope(data).payload)
        count, state = 0, "decoded"
        try:
            if isinstance(batch, Batch):
                count = self._add_readings(kid, batch, table)
        except ProtocolError:
            state = "malformed"
            self._count(kid, stream, VerdictName.MALFORMED)
        self._set_state(kid, stream, sequence, state)
        return count

    def _add_readings(self, kid: bytes, batch: Batch, table: SeriesTable) -> int:
        series = [(meter.id, row.quantity, row.exponent) for meter in table for row in meter.series]
        if any(column.series >= len(series) for column in batch.columns):
            raise ProtocolError("uplink.batch", f"a series beyond the dictionary's {len(series)}")
        slots = decode_slots(batch)
        place = (kid, batch.stream, batch.sequence)
        rows = [place + series[slot.series] + _reading(slot, batch) for slot in slots]
        insert = "INSERT INTO readings VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        self._database.executemany(insert, rows)
        if batch.wall is None:
            dates.date_boot(self._database, kid, batch.boot)
        return len(rows)

    def _take_gap(self, kid: bytes, gap: Gap) -> None:
        bounds = (*(gap.start or (None, None)), *(gap.end or (None, None)))
        sequences = gap.sequences or (None, None)
        row = (kid, gap.stream, gap.sequence, gap.cause, *bounds, gap.count, *sequences, gap.dictionary)
        self._database.execute(
            "INSERT INTO gaps VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*row, json.dumps(gap.series), gap.widened),
        )

    def _take_event(self, kid: bytes, event: Event) -> None:
        utc_ms = None if event.wall is None else event.at.ms + event.wall.offset_ms
        details = {k: v.hex() if isinstance(v, bytes) else v for k, v in event.details.items()}
        row = (kid, event.stream, event.sequence, *event.at, utc_ms, event.code, event.subject)
        insert = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        content = json.dumps(details, ensure_ascii=False)
        self._database.execute(insert, (*row, content, *_certainty(event.wall)))
        if event.wall is None:
            dates.date_boot(self._database, kid, event.at.boot)

    # Custody

    def _hold(self, kid: bytes, stream: int, sequence: int) -> None:
        """Add a sequence to the held ranges, joining it to its neighbours."""
        find = "SELECT first, last FROM held WHERE kid = ? AND stream = ? AND {} = ?"
        before = self.query(find.format("last"), kid, stream, sequence - 1)
        after = self.query(find.format("first"), kid, stream, sequence + 1)
        first = before[0][0] if before else sequence
        last = after[0][1] if after else sequence
        for start, _ in before + after:
            delete = "DELETE FROM held WHERE kid = ? AND stream = ? AND first = ?"
            self._database.execute(delete, (kid, stream, start))
        self._database.execute("INSERT INTO held VALUES (?, ?, ?, ?)", (kid, stream, first, last))

    def held(self, kid: bytes, stream: int) -> tuple[int, tuple[tuple[int, int], ...]]:
        """The end of the contiguous run from 0 (-1: none) and the ranges held above it."""
        select = "SELECT first, last FROM held WHERE kid = ? AND stream = ? ORDER BY first"
        ranges: list[tuple[int, int]] = [(first, last) for first, last in self.query(select, kid, stream)]
        if ranges and ranges[0][0] == 0:
            return ranges[0][1], tuple(ranges[1:])
        return -1, tuple(ranges)

    def holes(self, kid: bytes, stream: int) -> Iterator[Hole]:
        """What is missing below the highest sequence held, lowest first; what signed gaps name apart from the
        rest."""
        held_to, ranges = self.held(kid, stream)
        for first, last in ranges:
            yield from self._parts(kid, stream, held_to + 1, first - 1)
            held_to = last

    def _parts(self, kid: bytes, stream: int, first: int, last: int) -> Iterator[Hole]:
        """A hole, cut where the ranges begin and end that gaps of the stream name."""
        named = self.query(
            "SELECT first, last FROM gaps WHERE kid = ? AND stream = ? AND last >= ? AND first <= ?"
            " ORDER BY first",
            *(kid, stream, first, last),
        )
        while first <= last:
            until = first - 1
            for start, end in named:  # joined, as far as they touch
                until = max(until, end) if start <= until + 1 else until
            explained = until >= first
            if not explained:
                until = min((start for start, _ in named if start > first), default=last + 1) - 1
            yield Hole(first, min(until, last), explained)
            first = until + 1

    def table(self, kid: bytes, dictionary: bytes) -> SeriesTable | None:
        """The table of a dictionary, where it is held."""
        rows = self.query("SELECT data FROM dictionaries WHERE kid = ? AND hash = ?", kid, dictionary)
        return cbor.decode_table(rows[0][0]) if rows else None

    def tables(self, kid: bytes) -> Iterator[SeriesTable]:
        """A gateway's tables, the one that came last first."""
        rows = self.query("SELECT data FROM dictionaries WHERE kid = ? ORDER BY rowid DESC", kid)
        for (data,) in rows:
            yield cbor.decode_table(data)

    def dictionaries_wanted(self, kid: bytes, stream: int) -> tuple[bytes, ...]:
        """Hashes that batches of the stream wait for."""
        rows = self.query(
            "SELECT DISTINCT dictionary FROM messages"
            " WHERE kid = ? AND stream = ? AND state = 'undecoded' ORDER BY dictionary LIMIT ?",
            *(kid, stream, cbor.DICTIONARIES_WANTED_MAX),
        )
        return tuple(row[0] for row in rows)

    def has_open_ends(self, kid: bytes, stream: int) -> bool:
        """Whether there is a hole that no gap explains, or a batch that waits for its dictionary."""
        if self.dictionaries_wanted(kid, stream):
            return True
        return any(not hole.explained for hole in self.holes(kid, stream))

    def issue_receipt(self, kid: bytes, stream: int) -> Receipt:
        """The stream's receipt under a new counter, which is durable before the receipt leaves.

        More than 64 ranges: the lowest are named; the others follow once those have grown together.
        """
        with self._transaction():
            epoch, counter = self._next_counter()
            held_to, ranges = self.held(kid, stream)
            return Receipt(
                epoch=epoch,
                counter=counter,
                stream=stream,
                held_to=held_to,
                ranges=ranges[:RECEIPT_RANGES_MAX],
                dictionaries_wanted=self.dictionaries_wanted(kid, stream),
                credit=CREDIT,
                time_ms=self._now_ms(),
            )

    def next_counter(self) -> tuple[int, int]:
        """Epoch and counter of the next thing that is said to a gateway; durable."""
        with self._transaction():
            return self._next_counter()

    def _next_counter(self) -> tuple[int, int]:
        self._database.execute("UPDATE state SET value = value + 1 WHERE name = 'counter'")
        state = dict(self.query("SELECT name, value FROM state"))
        return state["epoch"], state["counter"]

    def change(self, sql: str, *arguments: Any) -> int:
        """One statement in a transaction of its own; how many rows it changed."""
        with self._transaction():
            return self._database.execute(sql, arguments).rowcount

    def begin_epoch(self) -> int:
        """To be called when this file was restored from an old copy: later receipts supersede all earlier."""
        with self._transaction():
            advance = "UPDATE state SET value = MAX(value + 1, ?) WHERE name = 'epoch'"
            self._database.execute(advance, (self._now_ms() // 1000,))
        return int(self.query("SELECT value FROM state WHERE name = 'epoch'")[0][0])

    # Small things

    def _refuse(self, verdict: Verdict, data: bytes, now_ms: int) -> Verdict:
        row = (now_ms, verdict.name, verdict.key_id, verdict.stream, verdict.sequence, verdict.detail)
        self._database.execute(
            "INSERT INTO refused (received_ms, verdict, kid, stream, sequence, detail, data)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*row, data[:MESSAGE_SIZE_BYTES_MAX]),
        )
        prune = "DELETE FROM refused WHERE number <= (SELECT MAX(number) FROM refused) - ?"
        self._database.execute(prune, (REFUSED_MAX,))
        return verdict

    def _count(self, kid: bytes, stream: int, name: VerdictName) -> None:
        self._database.execute(
            "INSERT INTO verdicts VALUES (?, ?, ?, 1) ON CONFLICT DO UPDATE SET count = count + 1",
            (kid, stream, name),
        )

    def _set_state(self, kid: bytes, stream: int, sequence: int, state: str) -> None:
        update = "UPDATE messages SET state = ? WHERE kid = ? AND stream = ? AND sequence = ?"
        self._database.execute(update, (state, kid, stream, sequence))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")


def _reading(slot: Slot, batch: Batch) -> tuple[Any, ...]:
    utc_ms = None if batch.wall is None else slot.time_ms + batch.wall.offset_ms
    times = (batch.boot, slot.due_ms, slot.time_ms, utc_ms)
    return (_storable(slot.integer), slot.remark, *times, *_certainty(batch.wall))


def _certainty(wall: Wall | None) -> tuple[int | None, int | None, int]:
    """Uncertainty in ms, clock source, and whether time maps are to date it."""
    return (None, None, 1) if wall is None else (wall.uncertainty_ms, wall.source, 0)


def _ratio(meter: DictionaryMeter) -> str:
    return f"{meter.ratio[0]}:{meter.ratio[1]}"


def _storable(integer: int | None) -> int | str | None:
    """SQLite's integers have 64 bits; longer ones stay exact as text."""
    return integer if integer is None or -(2**63) <= integer < 2**63 else str(integer)


def _number(value: int | None) -> int:
    assert value is not None  # a message without a place was refused before
    return value


def _asks(message: Message | None) -> bool:
    return isinstance(message, Event) and message.code == RECEIPT_WANTED


TYPE_NAMES = {int(kind): kind.name.lower().replace("_", "-") for kind in MessageType}
