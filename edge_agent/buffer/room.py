"""The one bound on what the buffer may take, how its parts share it, the reserve, and what goes when there
is no room.

Rules that keep it so: the shares add up to the bound; the reserve is a file of real blocks, so that
letting it go makes room even on a full disk; nothing but making room may use it. What is in flight is
never evicted. A disk that was full is called so until there is room for good.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from typing import NamedTuple

from edge_agent.buffer.conditions import Conditions
from edge_agent.buffer.eviction import evict, free_bytes, has_spare
from edge_agent.buffer.outbox import Key, Outbox
from edge_agent.clock import BootClock
from edge_agent.faults import FaultCode
from hal.api import Storage

MIB = 1024 * 1024
SIZE_BYTES_MIN = MIB
RESERVE_NAME = "reserve"
QUARANTINE_PREFIX = "quarantine-"
QUARANTINE_FILES_MAX = 6
SPARE_BYTES = 64 * 1024
FULL_QUIET_MS = 60 * 60 * 1000  # a disk that was full is called so for at least an hour
FREE_SHARE = 2  # this part of the database's share free is room again


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


class Room:
    """Who takes what, and what had to go for it. `in_flight`: what the session has under way."""

    def __init__(
        self, storage: Storage, clock: BootClock, conditions: Conditions, size_bytes_max: int
    ) -> None:
        self.shares = share_out(size_bytes_max)
        self.in_flight: Collection[Key] = frozenset()
        self.evicted = 0  # messages that the backend is not known to hold
        self._storage = storage
        self._clock = clock
        self._conditions = conditions
        self._reserved = False
        self._full_ms = 0  # when room was last made at somebody's expense

    def free(self, outbox: Outbox, size_bytes: int) -> None:
        """Evict until so much fits below the bound. Within a transaction."""
        missing = size_bytes + SPARE_BYTES - free_bytes(outbox)
        lost = evict(outbox, missing, self.in_flight) if missing > 0 else 0
        if lost:
            self.evicted += lost
            self._full_ms = self._clock.boot_ms()
            evidence = f"{self.evicted} messages had to go before they were received"
            self._conditions.state(FaultCode.BUFFER_FULL, evidence)

    def release_reserve(self) -> int:
        """The disk is full before the bound is: let the reserve go. How much to evict beside it, at
        somebody's expense if need be; 0 where the disk has room after all."""
        self._conditions.state(FaultCode.BUFFER_FULL, "the disk is full")
        self._full_ms = self._clock.boot_ms()
        was_held, self._reserved = self._reserved, False
        self._storage.remove(RESERVE_NAME)
        if was_held and self._fits(self.shares.reserve + SPARE_BYTES):
            return 0
        # Without a reserve, others fill the disk as fast as we empty it: give them as little as will do.
        return SPARE_BYTES if not was_held else self.shares.reserve // 4

    def _fits(self, size_bytes: int) -> bool:
        """Whether the disk gives so much at this moment; it is given back."""
        try:
            _hold(self._storage, size_bytes)
        except OSError:
            return False
        self._storage.remove(RESERVE_NAME)
        return True

    def evict(self, outbox: Outbox, size_bytes: int) -> int:
        """Remove so much, what the backend holds first. Within a transaction, after which `evicted` grows by
        what this gives."""
        return evict(outbox, size_bytes, self.in_flight)

    def hold_reserve(self) -> None:
        """Take the reserve where it is not held; OSError, and nothing taken, where there is no room."""
        if not self._reserved:
            _hold(self._storage, self.shares.reserve)
            self._reserved = True

    def limit_quarantine(self) -> None:
        """Remove the oldest set-aside files until number and size are within their bounds."""
        kept = [name for name in self._storage.names() if name.startswith(QUARANTINE_PREFIX)]
        while kept and (
            len(kept) > QUARANTINE_FILES_MAX or _size(self._storage, kept) > self.shares.quarantine
        ):
            self._storage.remove(kept.pop(0))

    def is_enough(self, outbox: Outbox) -> bool:
        """The disk gave the reserve back, and there is something that may go without a loss, or there was
        room enough for some time."""
        fits = free_bytes(outbox) > self.shares.database // FREE_SHARE
        quiet = self._clock.boot_ms() - self._full_ms >= FULL_QUIET_MS
        return self._reserved and (has_spare(outbox) or (fits and quiet))


def _hold(storage: Storage, size_bytes: int) -> None:
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


def set_aside(storage: Storage, name: str) -> None:
    """Keep a damaged file for a person to look at, under a name that nothing here opens."""
    number = 1 + max((_quarantine_number(each) for each in storage.names()), default=0)
    storage.rename(name, f"{QUARANTINE_PREFIX}{number:06d}-{name}")


def _size(storage: Storage, names: list[str]) -> int:
    return sum(storage.size_bytes(name) for name in names)


def _quarantine_number(name: str) -> int:
    number = name.removeprefix(QUARANTINE_PREFIX)[:6]
    return int(number) if name.startswith(QUARANTINE_PREFIX) and number.isdecimal() else 0
