"""A clock that tests set: boot time that runs when told, steps of the wall clock, trust given and taken."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from hal.api import ClockOffset
from protocols.uplink.messages import ClockSource

OFFSET_DEFAULT_MS = 1_767_225_600_000  # boot time 0 is 2026-01-01T00:00:00Z


class SimClock:
    """hal.api.Clock under a test's hand.

    Boot time stands still between calls of `advance`, unless `time_s` is given (an event loop's `time`,
    for one): then it also runs with that.
    """

    def __init__(
        self,
        *,
        boot_ms: int = 0,
        offset: ClockOffset | None = None,
        time_s: Callable[[], float] | None = None,
    ) -> None:
        """Untrusted (no offset) unless `offset` is given."""
        self._base_ms = boot_ms
        self._offset = offset
        self._time_s = time_s
        self._started_s = 0.0 if time_s is None else time_s()
        self._boots = 1

    def boot_ms(self) -> int:
        """See hal.api.Clock."""
        if self._time_s is None:
            return self._base_ms
        return self._base_ms + int((self._time_s() - self._started_s) * 1000)

    def boot_id(self) -> str:
        """Differs from boot to boot, the same in each run of a test."""
        return str(uuid.UUID(int=self._boots))

    def offset(self) -> ClockOffset | None:
        """See hal.api.Clock."""
        return self._offset

    def advance(self, ms: int) -> None:
        """Let `ms` pass; ValueError for a negative time, since boot time never steps back."""
        if ms < 0:
            raise ValueError(f"boot time cannot go back by {-ms} ms")
        self._base_ms += ms

    def trust(
        self, offset_ms: int = OFFSET_DEFAULT_MS, source: int = ClockSource.NTP, uncertainty_ms: int = 10
    ) -> None:
        """From now on someone vouches for this offset."""
        self._offset = ClockOffset(offset_ms, source, uncertainty_ms)

    def step(self, ms: int) -> None:
        """Step the wall clock; ValueError while it is untrusted, since nobody would see the step."""
        if self._offset is None:
            raise ValueError("an untrusted wall clock cannot be seen to step")
        self._offset = self._offset._replace(offset_ms=self._offset.offset_ms + ms)

    def reboot(self, boot_ms: int = 0) -> None:
        """A new start of the machine: new boot id, boot time from `boot_ms`, wall clock untrusted."""
        self._boots += 1
        self._base_ms = boot_ms
        self._started_s = 0.0 if self._time_s is None else self._time_s()
        self._offset = None
