"""One way to retry: an operation that failed for an operating reason is tried again, later and later.

Bugs are not retried: whatever the caller did not name as an operating error ends the process, and
systemd starts it anew.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

E = TypeVar("E", bound=Exception)


@dataclass(slots=True)
class Backoff:
    """Doubling delays from `first_s` to `last_s`, each shortened by up to half at random.

    The jitter keeps a city's gateways from returning in the same second after an outage.
    """

    first_s: float
    last_s: float
    random: random.Random
    _next_s: float = field(init=False)

    def __post_init__(self) -> None:
        self._next_s = self.first_s

    def next_s(self) -> float:
        """The delay before the next try; each call doubles the one after it, up to `last_s`."""
        delay = self._next_s
        self._next_s = min(2 * delay, self.last_s)
        return delay * self.random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Begin again at `first_s`, after something worked."""
        self._next_s = self.first_s


async def supervise(
    operation: Callable[[], Awaitable[None]],
    *,
    operating_errors: type[E] | tuple[type[E], ...],
    on_failure: Callable[[E], None],
    backoff: Backoff,
    healthy_after_s: float = 60.0,
) -> None:
    """Run `operation` for ever; after an operating error tell `on_failure`, wait, and run it again.

    An operation that lived for `healthy_after_s` before it failed begins again at the first delay.
    """
    loop = asyncio.get_running_loop()
    while True:
        started = loop.time()
        try:
            await operation()
        except operating_errors as error:
            on_failure(error)
        if loop.time() - started >= healthy_after_s:
            backoff.reset()
        await asyncio.sleep(backoff.next_s())
