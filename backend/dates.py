"""Time maps in the store: what came without a clock is dated by a map, before it or after it.

Rules that keep it so: what a batch states itself is never replaced; of several pieces that cover an instant
the one with the smallest uncertainty counts, in whatever order they came; the arithmetic is SQLite's exact
integers. Every function here runs within a transaction of the store.
"""

from __future__ import annotations

import sqlite3

from protocols.uplink.messages import TimeMap

SCHEMA = """
CREATE TABLE IF NOT EXISTS pieces (
  kid BLOB NOT NULL, stream INTEGER NOT NULL, sequence INTEGER NOT NULL, boot INTEGER NOT NULL,
  from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL, offset_ms INTEGER NOT NULL, drift_ppb INTEGER NOT NULL,
  uncertainty_ms INTEGER NOT NULL, source INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS pieces_boot ON pieces (kid, boot);
CREATE INDEX IF NOT EXISTS readings_mapped ON readings (kid, boot) WHERE mapped = 1;
"""
COLUMNS = ("uncertainty_ms INTEGER", "clock_source INTEGER", "mapped INTEGER NOT NULL DEFAULT 0")
"""Of readings and events. `mapped`: their message stated no clock, so that time maps date them."""

_BEST = """
UPDATE {table} SET (utc_ms, uncertainty_ms, clock_source) = (
  SELECT CAST({at} + offset_ms + drift_ppb * ({at} - from_ms) / 1000000000 AS INTEGER),
    pieces.uncertainty_ms, source
  FROM pieces WHERE pieces.kid = {table}.kid AND pieces.boot = {table}.boot
    AND {at} BETWEEN from_ms AND to_ms ORDER BY pieces.uncertainty_ms, pieces.rowid LIMIT 1)
WHERE kid = ? AND boot = ? AND mapped = 1
"""
_DATE_READINGS = _BEST.format(table="readings", at="time_ms")
_DATE_EVENTS = _BEST.format(table="events", at="ms")


def prepare(database: sqlite3.Connection) -> None:
    """Bring a store that an earlier version made up to date."""
    for table in ("readings", "events"):
        known = {row[1] for row in database.execute(f"PRAGMA table_info({table})")}
        if "mapped" in known:
            continue
        for column in COLUMNS:
            database.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
        database.execute(f"UPDATE {table} SET mapped = 1 WHERE utc_ms IS NULL")  # noqa: S608  (constants)
    for statement in SCHEMA.split(";\n"):
        database.execute(statement)


def take_time_map(database: sqlite3.Connection, kid: bytes, message: TimeMap) -> None:
    """Keep the pieces, and date what waited for them."""
    rows = [(kid, message.stream, message.sequence, *piece) for piece in message.pieces]
    database.executemany("INSERT INTO pieces VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    for boot in sorted({piece.boot for piece in message.pieces}):
        date_boot(database, kid, boot)


def date_boot(database: sqlite3.Connection, kid: bytes, boot: int) -> None:
    """Date what a boot has without a clock by all pieces known of it."""
    if database.execute("SELECT 1 FROM pieces WHERE kid = ? AND boot = ? LIMIT 1", (kid, boot)).fetchone():
        database.execute(_DATE_READINGS, (kid, boot))
        database.execute(_DATE_EVENTS, (kid, boot))
