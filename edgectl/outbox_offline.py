"""The outbox as its files tell it, where no agent answers.

Rules: reads only, opens the databases read-only. What only a running agent measures (its flushes, its own
writes) is not known.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
import tomllib
from pathlib import Path

import msgspec

from config.model import BufferConfig, GatewayFile
from config.streams import MAIN_STREAM, main_size_bytes
from edge_agent.buffer.holdings import Holdings, look_up
from edge_agent.buffer.room import SIZE_BYTES_MIN
from edge_agent.buffer.settings import STREAMS_FOLDER
from edge_agent.outbox_report import OutboxReport
from edge_agent.outlook import Card, Flushes, Written, plan_part, plan_report
from edgectl.offline import BUFFER_FOLDER, OUTBOX, QUERY_TIMEOUT_S
from hal.wear import device_writes


def look_into_files(config: Path, state_folder: Path) -> OutboxReport:
    """What can be told of the outbox below `state_folder`; bounds as `config` states them, or defaults."""
    file = _read(config)
    folders = {MAIN_STREAM: state_folder / BUFFER_FOLDER}
    with contextlib.suppress(OSError):
        folders |= {
            path.name: path for path in sorted((state_folder / STREAMS_FOLDER).iterdir()) if path.is_dir()
        }
    parts, unreadable = [], []
    for name, folder in folders.items():
        try:
            parts.append(plan_part(name, _size_bytes_max(file, name), _look_up(folder / OUTBOX), None))
        except (OSError, sqlite3.Error) as error:
            unreadable.append(f"{folder / OUTBOX}: {error}")
    buffer = BufferConfig() if file is None else file.buffer
    device = device_writes(state_folder)
    boot_ms = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
    card = Card(
        "" if device is None else device.name,
        None,
        None if device is None else Written(device.written_bytes, boot_ms),
        buffer.card_endurance_gb,
        None if device is None else device.life_used_percent,
    )
    flushes = Flushes(round(1000 * buffer.flush_interval_s), None, None)
    free_on = "receipt" if file is None else file.uplink.free_on
    return plan_report(parts, unreadable, free_on, (0, 0), flushes, card)


def _read(config: Path) -> GatewayFile | None:
    """A file that the agent would refuse still states bounds; None where it does not."""
    try:
        return msgspec.convert(tomllib.loads(config.read_text(encoding="utf-8")), GatewayFile)
    except (OSError, ValueError):
        return None


def _size_bytes_max(file: GatewayFile | None, name: str) -> int:
    if file is None:
        return BufferConfig().size_bytes_max
    named = [stream.size_bytes_max for stream in file.streams if stream.id == name]
    return max(SIZE_BYTES_MIN, named[0] if named else main_size_bytes(file))


def _look_up(database: Path) -> Holdings:
    uri = f"{database.absolute().as_uri()}?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=QUERY_TIMEOUT_S)) as opened:
        return look_up(lambda sql: opened.execute(sql).fetchall())
