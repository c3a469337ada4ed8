"""`edge-agent erase-stream`: everything that a gateway still has of one stream is removed, as when a person
asks for it: its folder, and what is remembered of meters that only it had (last counters, pulse counts).

Rules that keep it so: only while no agent works in the state folder, which is held meanwhile; only a stream
that the configuration no longer has, or its meters would fill it again; first the folder gets a name that
no agent opens, so that what a cut in the middle leaves is never sent; done when the folder itself is
durably gone.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from config.load import ID_PATTERN, Gateway
from config.problems import choices
from config.streams import MAIN_STREAM
from edge_agent.agent import BUFFER_FOLDER, COUNTS_FOLDER, METERS_FOLDER
from edge_agent.buffer.outbox import DATABASE_NAME
from edge_agent.buffer.settings import STREAMS_FOLDER
from edge_agent.counter_memory import forget_counters
from edge_agent.pulse_counts import forget_counts
from edge_agent.streams import read_meters
from hal.storage import FolderStorage

ERASING_PREFIX = ".erasing-"  # no stream's id begins with a dot


class NotErased(Exception):
    """Why nothing was erased, and what to do first."""


def erase_stream(gateway: Gateway, name: str) -> int:
    """Erase the stream `name`; how many files there were. Raises NotErased or OSError."""
    if name == MAIN_STREAM:
        raise NotErased(f'"{MAIN_STREAM}" is the stream of all meters that no [[stream]] names')
    if any(stream.id == name for stream in gateway.file.streams):
        raise NotErased(
            f'stream "{name}" is configured: take its [[stream]] and its meters out of the file first, then'
            " restart the agent, or stop it"
        )
    folder = gateway.state_folder / STREAMS_FOLDER
    present = _present(folder)
    if name not in present:
        raise NotErased(f'no stream "{name}" in {folder}: there is {choices(present) or "none"}')
    with _held(gateway.state_folder / BUFFER_FOLDER / DATABASE_NAME):
        _forget_meters(gateway, folder, name)
        return _erase(folder, name)


def _forget_meters(gateway: Gateway, folder: Path, name: str) -> None:
    """First: the list of the meters goes with the folder. Those that are still configured are others' now."""
    places = [folder / name, folder / f"{ERASING_PREFIX}{name}"]
    meters = {id_ for place in places if place.is_dir() for id_ in read_meters(FolderStorage(place))}
    gone = meters - {meter.id for meter in gateway.file.meters}
    for place, forget in ((METERS_FOLDER, forget_counters), (COUNTS_FOLDER, forget_counts)):
        if (gateway.state_folder / place).is_dir():
            forget(FolderStorage(gateway.state_folder / place), gone)


def _present(folder: Path) -> list[str]:
    """The streams that have a folder, those whose erasure was cut short included."""
    names = (path.name.removeprefix(ERASING_PREFIX) for path in folder.glob("*"))
    return sorted({name for name in names if ID_PATTERN.fullmatch(name)})


@contextlib.contextmanager
def _held(database: Path) -> Iterator[None]:
    """Keep agents from starting here; NotErased where one works."""
    if not database.exists():
        yield  # no agent ever worked here
        return
    with contextlib.closing(sqlite3.connect(database, isolation_level=None, timeout=0)) as connection:
        try:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise NotErased(
                f"the agent runs, or its state cannot be looked into ({error}): stop it"
            ) from error
        except sqlite3.DatabaseError:
            pass  # damaged: an agent at work would have set it aside
        yield


def _erase(folder: Path, name: str) -> int:
    doomed = folder / f"{ERASING_PREFIX}{name}"
    count = _remove_files(doomed)
    if (folder / name).exists():
        (folder / name).rename(doomed)
        _sync(folder)
        count += _remove_files(doomed)
    doomed.rmdir()
    _sync(folder)
    return count


def _remove_files(folder: Path) -> int:
    """Remove the files of a folder, durably; how many there were."""
    if not folder.exists():
        return 0
    files = list(folder.iterdir())
    for file in files:
        file.unlink()
    _sync(folder)
    return len(files)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
