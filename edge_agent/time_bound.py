"""The lower bound of time: what UTC has certainly reached (UPLINK.md section 4).

Rules that keep it so:
- The bound is the latest of the build date and the times in verified receipts, and nothing else raises it:
  not NTP, not an RTC, not the network. It is never above a trusted clock that spoke.
- While no trusted clock agrees, all receipts of one boot together raise it by at most the time that this
  boot has run, and RAISE_MARGIN_MS. So a receipt from the far future cannot lock the gateway out.
- It only proves lateness: a certificate that ended before it has ended.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from edge_agent.twin_file import TwinFile
from hal.api import Storage

RAISE_MARGIN_MS = 24 * 3_600_000
SAVE_STEP_MS = 3_600_000
"""A rise by less waits: the bound on the disk may lag, and a write for each receipt would cost the card."""
FILE = "time-bound"


class _Anchor(NamedTuple):
    """Where a boot began: nothing untrusted raises the bound faster than boot time from there."""

    boot_id: str
    bound_ms: int
    boot_ms: int


class TimeBound:
    """`storage` keeps it; reading it blocks, once, at creation. `built_ms`: UTC of the program's build, in ms
    since 1970. `write_error`: why it could not be kept, or ""."""

    def __init__(self, storage: Storage, boot_id: str, boot_ms: Callable[[], int], built_ms: int) -> None:
        self._file = TwinFile(storage, FILE)
        self._boot_ms = boot_ms
        self.built_ms = built_ms
        self.write_error = ""
        kept_ms, anchor = self._read()
        self.utc_ms = max(built_ms, kept_ms)
        self._saved_ms = kept_ms
        fresh = _Anchor(boot_id, self.utc_ms, boot_ms())
        self._anchor = anchor if anchor is not None and anchor.boot_id == boot_id else fresh

    def learn(self, receipt_ms: int, trusted_ms: int | None) -> None:
        """A verified receipt carries this time; `trusted_ms` is a trusted clock's UTC, or None."""
        if trusted_ms is None:
            ran_ms = self._boot_ms() - self._anchor.boot_ms
            ceiling_ms = self._anchor.bound_ms + ran_ms + RAISE_MARGIN_MS
        else:
            ceiling_ms = trusted_ms
        self.utc_ms = max(self.utc_ms, min(receipt_ms, ceiling_ms))

    def reset(self) -> None:
        """Begin again at the build date, where a person knows that the bound is wrong."""
        self.utc_ms = self.built_ms
        self._anchor = _Anchor(self._anchor.boot_id, self.utc_ms, self._boot_ms())
        self._saved_ms = -1

    def save(self) -> None:
        """Make it durable where it has risen enough to be worth a write. Blocks; never raises."""
        if self._saved_ms >= 0 and self.utc_ms - self._saved_ms < SAVE_STEP_MS:
            return
        try:
            self._file.write(f"{self.utc_ms} {' '.join(map(str, self._anchor))}")
        except OSError as error:  # it is tried again at the next flush; the buffer tells of the disk
            self.write_error = str(error)
            return
        self.write_error = ""
        self._saved_ms = self.utc_ms

    def _read(self) -> tuple[int, _Anchor | None]:
        """The highest intact copy; a damaged file only means that less is known."""
        try:
            texts = self._file.read().texts
            kept = [text.split(" ") for text in texts]
            known = [(int(ms), _Anchor(boot, int(bound), int(at))) for ms, boot, bound, at in kept]
        except (OSError, ValueError) as error:
            self.write_error = str(error)
            return -1, None
        return max(known, default=(-1, None))
