"""A folder on the disk as `hal.api.Storage`.

Rules that keep it so: what a method calls durable has been through fdatasync of the file and fsync of
the folder; files are 0600 and the folder 0700, since readings tell when people are at home; a short
write is continued, never ignored.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

FILE_MODE = 0o600
FOLDER_MODE = 0o700
TEMPORARY_SUFFIX = ".tmp"
BLOCK_SIZE_BYTES = 512  # the unit of st_blocks, stat(2)


class FolderFile:
    """An append-only file in the folder."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def append(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def sync(self) -> None:
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)


class FolderStorage:
    """`path` is created where it is missing. Every method blocks; every failure is the system's OSError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        for name in self._names(TEMPORARY_SUFFIX):  # left behind by a cut in the middle of `replace`
            (path / name).unlink(missing_ok=True)

    @property
    def path(self) -> Path:
        return self._path

    def create(self, name: str) -> FolderFile:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        file = FolderFile(os.open(self._path / name, flags, FILE_MODE))
        try:
            self._sync_folder()
        except OSError:
            file.close()
            raise
        return file

    def read(self, name: str) -> bytes:
        return (self._path / name).read_bytes()

    def names(self) -> list[str]:
        return [name for name in self._names("") if not name.endswith(TEMPORARY_SUFFIX)]

    def replace(self, name: str, data: bytes) -> None:
        temporary = self._path / (name + TEMPORARY_SUFFIX)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        file = FolderFile(os.open(temporary, flags, FILE_MODE))
        try:
            file.append(data)
            file.sync()
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        finally:
            file.close()
        temporary.replace(self._path / name)
        self._sync_folder()

    def rename(self, name: str, to: str) -> None:
        (self._path / name).rename(self._path / to)
        self._sync_folder()

    def remove(self, name: str) -> None:
        (self._path / name).unlink(missing_ok=True)
        self._sync_folder()

    def size_bytes(self, name: str | None = None) -> int:
        names = self._names("") if name is None else [name]
        return sum(self._file_size_bytes(each) for each in names)

    def database(self, name: str) -> sqlite3.Connection:
        return self.connect(name, sqlite3.Connection)

    def connect(self, name: str, factory: type[sqlite3.Connection]) -> sqlite3.Connection:
        descriptor = os.open(self._path / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        os.close(descriptor)  # SQLite gives its side files the mode of the database
        return sqlite3.connect(
            self._path / name, isolation_level=None, check_same_thread=False, timeout=0, factory=factory
        )

    def _file_size_bytes(self, name: str) -> int:
        try:
            status = (self._path / name).stat()
        except FileNotFoundError:  # SQLite removes its side files by itself
            return 0
        return max(status.st_size, status.st_blocks * BLOCK_SIZE_BYTES)

    def _names(self, suffix: str) -> list[str]:
        with os.scandir(self._path) as entries:
            return sorted(entry.name for entry in entries if entry.is_file() and entry.name.endswith(suffix))

    def _sync_folder(self) -> None:
        descriptor = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
