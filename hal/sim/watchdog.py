"""A watchdog that remembers what it was told and when it would have bitten."""

from __future__ import annotations

from collections.abc import Callable


class SimWatchdog:
    """hal.watchdog.Watchdog. `now_s`: its clock."""

    def __init__(self, period_s: float, now_s: Callable[[], float]) -> None:
        self.period_s = period_s
        self._now_s = now_s
        self._fed_s = now_s()
        self.meals = 0
        self.said: list[str] = []
        self.is_closed = False

    @property
    def has_bitten(self) -> bool:
        """Whether it was hungry for too long, by now."""
        return not self.is_closed and self._now_s() > self._fed_s + self.period_s

    def feed(self) -> None:
        """See hal.watchdog.Watchdog; after the bite it is too late."""
        if not self.has_bitten:
            self._fed_s = self._now_s()
            self.meals += 1

    def tell(self, text: str) -> None:
        """See hal.watchdog.Watchdog."""
        self.said.append(text)

    def close(self) -> None:
        """See hal.watchdog.Watchdog."""
        self.is_closed = True
