"""What the rooms above may ask of the hardware.

Each interface here has at least two implementations: the real one and the one in `hal/sim`.
Errors are two: `PortError` (with a stable code and a hint) and, for storage, the OSError that the
system gave.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple, Protocol

from protocols.s0 import Edge


class PortError(Exception):
    """A port that cannot be opened or is gone.

    `code` is stable: "port.missing", "port.busy", "port.denied", "port.gone", "port.refused",
    "port.unreachable", "port.setting". `text` says which port and what the system said.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class Port(Protocol):
    """One open line end: bytes in, bytes out. Not safe for two tasks at once; a line has one driver.

    Every method may raise PortError("port.gone", ...) once the device or connection is lost.
    """

    @property
    def char_time_s(self) -> float:
        """How long one character takes on the wire, start to stop bit; 0.0 where bytes are not timed."""

    async def write(self, data: bytes) -> None:
        """Return when the last bit has left, as nearly as the system can tell."""

    async def read(self, timeout_s: float, expected: int = 1) -> bytes:
        """What has arrived, at least one byte, or b"" when nothing came within the timeout.

        `expected` is a hint (bytes still missing): a port may wake less often for it, and may return
        fewer or more.
        """

    def discard_input(self) -> None:
        """Forget what has arrived and was not read."""

    def reconfigure(self, baud: int) -> None:
        """Send and receive at `baud` from now on; what was written has left by then (see `write`).

        Raises PortError("port.setting", ...) where the speed is not ours to set.
        """

    async def close(self) -> None:
        """Release the port; closing twice is allowed."""


class EdgeSource(Protocol):
    """One input whose edges are seen as they come: a pulse output's contact. One task at a time.

    Edges from the moment of opening on; the level that stands there then is not one.
    """

    def now_ns(self) -> int:
        """The present time on the axis of the edges. It never steps; only differences count."""

    async def wait_edges(self, timeout_s: float) -> list[Edge]:
        """The edges since the last call, oldest first, as soon as there is one; [] after the timeout.

        Every edge before the call is among them. Raises PortError("port.gone", ...).
        """

    async def close(self) -> None:
        """Release the input; closing twice is allowed."""


class ClockOffset(NamedTuple):
    """What is known of UTC: UTC in ms = boot time in ms + `offset_ms`."""

    offset_ms: int
    source: int  # number of protocols.uplink.messages.ClockSource
    uncertainty_ms: int


class Clock(Protocol):
    """The machine's clocks. Intervals and deadlines run on the event loop's clock, never on this one."""

    def boot_ms(self) -> int:
        """CLOCK_BOOTTIME: ms since the machine started, suspend included. Never steps."""

    def boot_id(self) -> str:
        """The kernel's random name of this start of the machine."""

    def offset(self) -> ClockOffset | None:
        """The present offset to UTC, or None while nothing vouches for the wall clock."""


class File(Protocol):
    """An append-only file opened by `Storage.create`."""

    def append(self, data: bytes) -> None:
        """Write all of `data` at the end; OSError leaves an unknown part of it written."""

    def sync(self) -> None:
        """fdatasync. After an OSError the file must be abandoned: what it holds is unknown."""

    def close(self) -> None:
        """Close without syncing."""


class Storage(Protocol):
    """A folder on durable storage. All calls block and belong on the storage thread."""

    def create(self, name: str) -> File:
        """A new, empty file whose name is durable; FileExistsError if the name is taken."""

    def read(self, name: str) -> bytes:
        """The whole file; FileNotFoundError if there is none."""

    def names(self) -> list[str]:
        """The names of all files, sorted."""

    def replace(self, name: str, data: bytes) -> None:
        """Atomically and durably give `name` this content (temporary file, sync, rename, sync folder)."""

    def rename(self, name: str, to: str) -> None:
        """Atomically rename, durably."""

    def remove(self, name: str) -> None:
        """Remove, durably; absent is fine."""

    def size_bytes(self, name: str | None = None) -> int:
        """What the files of the folder take on the disk, or this one file."""

    def database(self, name: str) -> sqlite3.Connection:
        """An SQLite database in the folder, created where it is missing, in autocommit mode.

        Raises OSError or sqlite3.Error. The caller begins and commits transactions by statements.
        """
