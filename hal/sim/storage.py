"""Storage that fails on purpose: a folder whose n-th call goes wrong, and what a power cut leaves of it.

Rules that keep it so: every call that can fail on a real disk is counted, statements to the database
that write among them; what a cut leaves is what was synced, plus a seeded part of what was not.
A database file is taken as it lies: SQLite at synchronous=FULL has synced what it committed.
"""

from __future__ import annotations

import contextlib
import errno
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

from hal.storage import FolderFile, FolderStorage

Mishap = Literal["eio", "enospc", "short", "late", "cut", "cut-late"]
"""What happens to the n-th call: refused (eio, enospc), half written (short), done but reported as failed
(late), the power goes before it (cut) or right after it (cut-late)."""

T = TypeVar("T")
_WRITES = ("BEGIN", "COMMIT", "INSERT", "UPDATE", "DELETE", "CREATE", "PRAGMA INCREMENTAL", "PRAGMA WAL_CH")
_SQLITE_IOERR, _SQLITE_FULL = 10, 13


class PowerCut(BaseException):
    """Not an Exception: no handler for operating conditions may go on after it."""


class SimConnection(sqlite3.Connection):
    """A connection whose writing statements count as storage calls."""

    storage: SimStorage

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        if not sql.lstrip().upper().startswith(_WRITES):
            return super().execute(sql, *parameters)
        try:
            run = super().execute
            return self.storage.happen(f"sql {sql.split(maxsplit=1)[0]}", lambda: run(sql, *parameters))
        except OSError as error:
            failure = sqlite3.OperationalError(f"simulated: {error}")
            failure.sqlite_errorcode = _SQLITE_FULL if error.errno == errno.ENOSPC else _SQLITE_IOERR
            raise failure from error


class SimFile:
    """A file of `SimStorage`; it remembers how much of it is safe."""

    def __init__(self, storage: SimStorage, name: str, file: FolderFile) -> None:
        self._storage = storage
        self._name = name
        self._file = file

    def append(self, data: bytes) -> None:
        self._storage.happen(
            f"append {self._name}",
            lambda: self._file.append(data),
            lambda: self._file.append(data[: len(data) // 2]),
        )

    def sync(self) -> None:
        self._storage.happen(f"sync {self._name}", lambda: self._storage.note_synced(self._name))

    def close(self) -> None:
        self._file.close()


class SimStorage:
    """A real folder, on which call number `fail_at` (counted from 1) and the `fail_count` - 1 after it meet
    the `mishap`. After a cut every call raises PowerCut."""

    def __init__(
        self, path: Path, *, seed: int = 0, fail_at: int = 0, fail_count: int = 1, mishap: Mishap = "eio"
    ) -> None:
        self._folder = FolderStorage(path)
        self._random = random.Random(seed)
        self._synced: dict[str, int] = {}
        self._cut = False
        self.fail_at = fail_at
        self.fail_count = fail_count
        self.mishap: Mishap = mishap
        self.calls: list[str] = []

    def happen(self, call: str, effect: Callable[[], T], part: Callable[[], object] | None = None) -> T:
        """Count one call and let it succeed, or meet what was planned for it."""
        if self._cut:
            raise PowerCut
        self.calls.append(call)
        if not self.fail_at <= len(self.calls) < self.fail_at + self.fail_count or self.fail_at <= 0:
            return effect()
        if self.mishap == "cut":
            self._cut = True
            raise PowerCut(call)
        if self.mishap == "cut-late":
            self._cut = True
            with contextlib.suppress(OSError):
                effect()
            raise PowerCut(call)
        if self.mishap == "late":
            effect()
        elif self.mishap == "short" and part is not None:
            part()
        number = errno.ENOSPC if self.mishap == "enospc" else errno.EIO
        raise OSError(number, f"simulated at call {len(self.calls)}", call)

    def note_synced(self, name: str) -> None:
        self._synced[name] = len(self._folder.read(name))

    def copy_after_cut(self, to: Path) -> None:
        """What a machine finds after the power went: synced bytes, unsynced ones dropped, torn or zeroed."""
        to.mkdir(parents=True)
        for name in self._folder.names():
            if not name.endswith("-shm"):
                (to / name).write_bytes(self._after_cut(name))

    def _after_cut(self, name: str) -> bytes:
        data = self._folder.read(name)
        safe = self._synced.get(name, len(data))
        loose = data[safe:]
        kept = loose[: self._random.randint(0, len(loose))]
        tail = self._random.choice((b"", kept, kept + bytes(len(loose) - len(kept))))
        return data[:safe] + tail

    def create(self, name: str) -> SimFile:
        file = self.happen(f"create {name}", lambda: self._folder.create(name))
        self._synced[name] = 0
        return SimFile(self, name, file)

    def read(self, name: str) -> bytes:
        return self.happen(f"read {name}", lambda: self._folder.read(name))

    def names(self) -> list[str]:
        return self.happen("names", self._folder.names)

    def replace(self, name: str, data: bytes) -> None:
        self.happen(f"replace {name}", lambda: self._folder.replace(name, data))

    def rename(self, name: str, to: str) -> None:
        self.happen(f"rename {name}", lambda: self._folder.rename(name, to))
        if name in self._synced:
            self._synced[to] = self._synced.pop(name)

    def remove(self, name: str) -> None:
        self.happen(f"remove {name}", lambda: self._folder.remove(name))

    def size_bytes(self, name: str | None = None) -> int:
        return self._folder.size_bytes(name)

    def database(self, name: str) -> sqlite3.Connection:
        connection = self.happen(f"database {name}", lambda: self._folder.connect(name, SimConnection))
        assert isinstance(connection, SimConnection)
        connection.storage = self
        return connection
