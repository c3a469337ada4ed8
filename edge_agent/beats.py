"""Whether every part of the agent still turns; the watchdog is fed only while all of them do.

Rules:
- A part beats each time that it comes round, at least every so many seconds, which it names; or it is asked
  whether it is where it should be. Both are bounds for a hang, far above anything that a healthy part needs.
- Nothing that an operating condition causes may stop a beat: a dead meter, no network, a full disk.
- What does not turn is named, in the log and to the watchdog's owner, before the watchdog bites.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from typing import Final

from edge_agent.uplink.session import LinkStatistics
from hal.watchdog import Watchdog

FEEDS_A_PERIOD: Final = 4
LOOK_S_MAX: Final = 30.0
LINE_TURN_S: Final = 1_800  # beyond the interval of its slowest meter
UPLINK_TURN_S: Final = 900.0  # it tries again after 300 s at most, and gives a try two minutes

log = logging.getLogger(__name__)


class Beats:
    """The parts of the agent and when each was last seen to turn. `now_s`: a clock that never steps."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._until_s: dict[str, float] = {}
        self._checks: dict[str, Callable[[], bool]] = {}

    def expect(self, name: str, interval_s: float) -> Callable[[], None]:
        """A part that beats by what is returned, at least every `interval_s`, from now on."""

        def beat() -> None:
            self._until_s[name] = self._now_s() + interval_s

        beat()
        return beat

    def ask(self, name: str, turns: Callable[[], bool]) -> None:
        """A part that is asked whether it turns."""
        self._checks[name] = turns

    def still(self) -> list[str]:
        """The parts that do not turn."""
        now_s = self._now_s()
        late = [name for name, until_s in self._until_s.items() if now_s > until_s]
        return late + [name for name, turns in self._checks.items() if not turns()]


def line_turns(accounted_ms: int, longest_s: int, now_ms: int) -> bool:
    """Whether a line gets on: slots that were due are recorded, as values or as nulls, within the longest
    interval of its meters and LINE_TURN_S. `accounted_ms` and `now_ms` on the boot axis."""
    return accounted_ms >= now_ms - 1000 * (longest_s + LINE_TURN_S)


def uplink_turns(link: LinkStatistics, began_s: float, now_s: float) -> bool:
    """Whether there is a session, or somebody tries to get one; times of the event loop."""
    last_s = max(began_s, link.last_try_s or 0.0, link.state_since_s or 0.0)
    return link.connected or now_s < last_s + UPLINK_TURN_S


async def feed_watchdog(watchdog: Watchdog, beats: Beats) -> None:
    """Feed while all turn, for ever; a clean end disarms it."""
    interval_s = min(LOOK_S_MAX, watchdog.period_s / FEEDS_A_PERIOD)
    told: list[str] = []
    try:
        while True:
            still = beats.still()
            if not still and not math.isinf(watchdog.period_s):
                watchdog.feed()
            if still != told:
                text = f"does not turn: {', '.join(still)}" if still else "all parts turn"
                log.error("watchdog: %s", text)
                watchdog.tell(text)
                told = still
            await asyncio.sleep(interval_s)
    finally:
        if not beats.still():
            watchdog.close()
