"""The one bound on what the buffer may take, how its parts share it, and the reserve.

Rules that keep it so: the shares add up to the bound; the reserve is a file of real blocks, so that
letting it go makes room even on a full disk; nothing but making room may use it.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from hal.api import Storage

MIB = 1024 * 1024
SIZE_BYTES_MIN = MIB
RESERVE_NAME = "reserve"
QUARANTINE_PREFIX = "quarantine-"
QUARANTINE_FILES_MAX = 6


class Shares(NamedTuple):
    """Bytes for each part: two journal files, the database's write-ahead log, set-aside files, the rest."""

    reserve: int
    journal: int
    log: int
    quarantine: int
    database: int


def share_out(size_bytes_max: int) -> Shares:
    """Divide the bound; ValueError below 1 MiB."""
    if size_bytes_max < SIZE_BYTES_MIN:
        raise ValueError(f"buffer.size_bytes_max is {size_bytes_max}; at least {SIZE_BYTES_MIN} are needed")
    reserve = min(MIB, size_bytes_max // 8)
    journal = min(4 * MIB, size_bytes_max // 8)
    log = min(4 * MIB, size_bytes_max // 8)
    quarantine = size_bytes_max // 16
    return Shares(
        reserve, journal, log, quarantine, size_bytes_max - reserve - 2 * journal - log - quarantine
    )


def hold_reserve(storage: Storage, size_bytes: int) -> None:
    """Take the reserve where it is not held; OSError, and nothing taken, where there is no room."""
    if RESERVE_NAME in storage.names():
        if storage.size_bytes(RESERVE_NAME) >= size_bytes:
            return
        storage.remove(RESERVE_NAME)
    file = storage.create(RESERVE_NAME)
    try:
        # Random bytes: a file system that compresses would give zeros no room.
        file.append(random.randbytes(size_bytes))
        file.sync()
    except OSError:
        file.close()
        storage.remove(RESERVE_NAME)
        raise
    file.close()


def release_reserve(storage: Storage) -> None:
    """Give the reserve's room to whoever is recording a loss."""
    storage.remove(RESERVE_NAME)


def set_aside(storage: Storage, name: str) -> None:
    """Keep a damaged file for a person to look at, under a name that nothing here opens."""
    number = 1 + max((_quarantine_number(each) for each in storage.names()), default=0)
    storage.rename(name, f"{QUARANTINE_PREFIX}{number:06d}-{name}")


def limit_quarantine(storage: Storage, size_bytes_max: int) -> None:
    """Remove the oldest set-aside files until number and size are within their bounds."""
    kept = [name for name in storage.names() if name.startswith(QUARANTINE_PREFIX)]
    while kept and (len(kept) > QUARANTINE_FILES_MAX or _size(storage, kept) > size_bytes_max):
        storage.remove(kept.pop(0))


def _size(storage: Storage, names: list[str]) -> int:
    return sum(storage.size_bytes(name) for name in names)


def _quarantine_number(name: str) -> int:
    number = name.removeprefix(QUARANTINE_PREFIX)[:6]
    return int(number) if name.startswith(QUARANTINE_PREFIX) and number.isdecimal() else 0
