"""Which configuration the last run had, so that a changed one is told to the backend.

Rules that keep it so: it is told before it is kept, so that a cut in between tells it twice rather than
not at all; only the digest is kept and sent, never the file.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from edge_agent.twin_file import TwinFile
from hal.api import Storage
from protocols.uplink.messages import EventDetail

FILE = "configuration"
CONFIG_CHANGED = "config.changed"

AddEvent = Callable[[str, str, dict[str, EventDetail]], Awaitable[None]]


class Fingerprint:
    """`storage` keeps it; reading it blocks, once, at creation. `digest`: of the present configuration."""

    def __init__(self, storage: Storage, digest: str) -> None:
        self._file = TwinFile(storage, FILE)
        self._digest = digest
        self._before = self._read()
        self._is_told = False

    async def tell(self, add_event: AddEvent, gateway: str) -> None:
        """Have the event written where the last run had another configuration."""
        if self._before not in ("", self._digest):
            await add_event(CONFIG_CHANGED, gateway, {"config": self._digest, "before": self._before})
        self._is_told = True

    def save(self) -> None:
        """Make durable what was told. Blocks; never raises: what fails is tried at the next flush."""
        if not self._is_told or self._before == self._digest:
            return
        try:
            self._file.write(self._digest)
        except OSError:  # the buffer tells of the disk
            return
        self._before = self._digest

    def _read(self) -> str:
        """Either copy will do: a cut between the two leaves one that tells the change once more, or not."""
        try:
            return next(iter(self._file.read().texts), "")
        except OSError:
            return ""
