"""A few words of text kept in two files with checksums, since a number that rots must not begin again.

Rules that keep it so: each copy is replaced atomically, one after the other, so a cut leaves at least one
whole; a damaged copy is told apart from a missing one.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

from hal.api import Storage


class Copies(NamedTuple):
    """The intact copies, at most two and not always equal; `damaged` where one cannot be believed."""

    texts: list[str]
    damaged: bool

    @property
    def complete(self) -> bool:
        return len(self.texts) == 2 and not self.damaged


class TwinFile:
    """The files `name` and `name`-copy of a folder. Methods block; failures are the system's OSError."""

    def __init__(self, storage: Storage, name: str) -> None:
        self._storage = storage
        self._names = (name, f"{name}-copy")

    def read(self) -> Copies:
        """What the files hold."""
        texts, damaged = [], False
        for name in self._names:
            try:
                texts.append(_checked(self._storage.read(name)))
            except FileNotFoundError:
                continue
            except ValueError:
                damaged = True
        return Copies(texts, damaged)

    def write(self, text: str) -> None:
        """Durably give both copies this content (one line)."""
        content = text.encode()
        data = content + f" {zlib.crc32(content):08x}\n".encode()
        for name in self._names:
            self._storage.replace(name, data)


def _checked(data: bytes) -> str:
    content, _, check = data.strip().rpartition(b" ")
    if f"{zlib.crc32(content):08x}".encode() != check:
        raise ValueError("the checksum is wrong")
    return content.decode()
