"""What the buffer is told at its start, and what it tells of itself. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from protocols.uplink.messages import Instant

STREAMS_FOLDER = "streams"
"""Beside the main stream's folder: a folder for each other stream, by its id (edge_agent/streams.py)."""


@dataclass(frozen=True)
class BufferSettings:
    """`size_bytes_max` bounds journal, outbox and side files together; at least 1 MiB. `flush_interval_s`:
    what a power cut may cost. `free_on`: what frees a sealed message."""

    size_bytes_max: int = 256 * 1024 * 1024
    flush_interval_s: float = 10.0
    batch_interval_s: float = 900.0
    free_on: Literal["receipt", "puback"] = "receipt"


@dataclass(frozen=True)
class BufferStatistics:
    """The buffer at a glance. `readings_pending`: recorded, not durable yet. `last_flush_boot_ms` and
    `oldest_unacknowledged` are on the boot axis; `flush_ms_max`: the longest flush of this
    run, the one under way included."""

    readings_recorded: int
    readings_flushed: int
    readings_pending: int
    last_flush_boot_ms: int | None
    flush_ms_max: int
    generation: int
    messages_unsent: int
    messages_published: int
    messages_acknowledged: int
    oldest_unacknowledged: Instant | None
    size_bytes: int
    size_bytes_max: int
    stream: int
    next_sequence: int
    evicted_messages: int
    dropped_readings: int
