"""Simulated pulses: `sim://s0?period_ms=3600&bounce=0.5&glitch=0.1&lost=0.01&seed=7`.

One pulse in each period of the axis, somewhere in its first quarter, `pulse_ms` long. Further keys are the
probabilities of PulseFaults.

Rules:
- What happens in a period depends on the seed and the period's number alone. With the machine's clock as the
  axis (CLOCK_BOOTTIME) the contact works on while nobody watches, and a source that is opened anew, by the
  same process or by the next one, comes into the middle of it; `true_pulses` says how many there were.
- Bounce and glitches are never long enough to be a pulse, and a pulse is never too short: what a filter gets
  wrong is the filter's.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from hal.api import PortError
from protocols.s0 import NS_PER_MS, PULSE_MS, TRANSITION_MS, Edge, Pulse

PERIOD_DEFAULT_MS: Final = 3_600  # 1 kW at 1000 pulses for 1 kWh
PULSE_DEFAULT_MS: Final = 40
PERIOD_PULSES_MIN: Final = 4  # room for jitter, and for the pause that the standard asks for
BOUNCES_MAX: Final = 4
GLITCHES_MAX: Final = 3
GLITCH_MS_MAX: Final = 8
PERIODS_AHEAD_MAX: Final = 100
EXAMPLE: Final = "sim://s0?period_ms=3600"


@dataclass(frozen=True, slots=True)
class PulseFaults:
    """How often, for each pulse: its contact bounces at both flanks; short spikes follow in the pause; the
    kernel loses its edges and says so at the next one; it loses them and says nothing."""

    bounce: float = 0.0
    glitch: float = 0.0
    lost: float = 0.0
    missed: float = 0.0


class SimPulses:
    """What a contact does, for ever. Pure; times in ns on the axis of whoever asks."""

    def __init__(
        self,
        *,
        period_ms: int = PERIOD_DEFAULT_MS,
        pulse_ms: int = PULSE_DEFAULT_MS,
        faults: PulseFaults | None = None,
        seed: int = 0,
    ) -> None:
        """ValueError for a pulse shorter than the standard's, or a period without room for it."""
        if pulse_ms < PULSE_MS or period_ms < PERIOD_PULSES_MIN * pulse_ms:
            raise ValueError(
                f"pulse_ms is at least {PULSE_MS}, and period_ms at least {PERIOD_PULSES_MIN} times that"
            )
        self._period_ns = period_ms * NS_PER_MS
        self._pulse_ns = pulse_ms * NS_PER_MS
        self._faults = faults or PulseFaults()
        self._seed = seed

    def pulse(self, period: int) -> Pulse:
        """The pulse of this period, whole and clean."""
        start_ns = period * self._period_ns + self._chance(period, "place").randrange(self._period_ns // 4)
        return Pulse(start_ns, start_ns + self._pulse_ns)

    def true_pulses(self, after_ns: int, until_ns: int) -> int:
        """How many pulses ended after the one and up to the other time."""
        return self._ended(until_ns) - self._ended(after_ns)

    def edges(self, after_ns: int, until_ns: int) -> list[Edge]:
        """The edges after the one and up to the other time, as the kernel gives them."""
        found: list[Edge] = []
        lost = 0
        for period in range(after_ns // self._period_ns - 1, until_ns // self._period_ns + 1):
            edges, dropped = self._period_edges(period)
            for edge in edges:
                if after_ns < edge.time_ns <= until_ns:
                    found.append(edge._replace(lost_before=lost))
                lost = 0  # told with this edge, now or in an earlier call
            lost += dropped
        return found

    def next_edge_ns(self, after_ns: int) -> int:
        """When the first edge after this time comes; PERIODS_AHEAD_MAX ahead, if none comes before."""
        first = after_ns // self._period_ns
        for period in range(first, first + PERIODS_AHEAD_MAX):
            if found := self.edges(after_ns, (period + 1) * self._period_ns):
                return found[0].time_ns
        return after_ns + PERIODS_AHEAD_MAX * self._period_ns

    def _ended(self, until_ns: int) -> int:
        period = until_ns // self._period_ns
        return period + (self.pulse(period).end_ns <= until_ns)

    def _period_edges(self, period: int) -> tuple[list[Edge], int]:
        """What the kernel gives of this period, and how many of its edges it says that it lost."""
        pulse, faults = self.pulse(period), self._faults
        times = [pulse.start_ns, pulse.end_ns]
        if self._happens(period, "bounce", faults.bounce):
            times = [*self._bounce(period, pulse.start_ns), *self._bounce(period, pulse.end_ns)]
        spikes = self._spikes(period, pulse) if self._happens(period, "glitch", faults.glitch) else []
        edges = [Edge(time_ns, number % 2 == 0) for number, time_ns in enumerate(times + spikes)]
        if self._happens(period, "lost", faults.lost):
            return edges[len(times) :], len(times)
        if self._happens(period, "missed", faults.missed):
            del edges[self._chance(period, "which").randrange(len(times))]
        return edges, 0

    def _bounce(self, period: int, flank_ns: int) -> list[int]:
        """An odd number of changes around a flank, within the standard's transition time."""
        chance = self._chance(period, f"bounce {flank_ns}")
        half_ns = TRANSITION_MS * NS_PER_MS // 2
        count = 2 * chance.randint(1, BOUNCES_MAX) + 1
        return sorted(flank_ns + offset for offset in chance.sample(range(-half_ns, half_ns), count))

    def _spikes(self, period: int, pulse: Pulse) -> list[int]:
        """Short active stretches in the pause, each in a part of its own."""
        chance = self._chance(period, "spikes")
        count = chance.randint(1, GLITCHES_MAX)
        first_ns = pulse.end_ns + 2 * TRANSITION_MS * NS_PER_MS
        room_ns = ((period + 1) * self._period_ns - first_ns) // count
        times = []
        for number in range(count):
            start_ns = first_ns + number * room_ns + chance.randrange(room_ns // 3)
            width_ns = chance.randint(1, min(GLITCH_MS_MAX * NS_PER_MS, room_ns // 3))
            times += [start_ns, start_ns + width_ns]
        return times

    def _happens(self, period: int, what: str, probability: float) -> bool:
        return probability > 0 and self._chance(period, what).random() < probability

    def _chance(self, period: int, what: str) -> random.Random:
        return random.Random(f"{self._seed} {period} {what}")


class SimEdgeSource:
    """hal.api.EdgeSource on `SimPulses`, from now on."""

    def __init__(self, pulses: SimPulses, now_ns: Callable[[], int]) -> None:
        self._pulses = pulses
        self._now_ns = now_ns
        self._given_ns = now_ns()
        self._gone = asyncio.Event()

    def now_ns(self) -> int:
        """See hal.api.EdgeSource."""
        return self._now_ns()

    async def wait_edges(self, timeout_s: float) -> list[Edge]:
        """See hal.api.EdgeSource."""
        until_ns = self._now_ns() + int(timeout_s * 1e9)
        next_ns = self._pulses.next_edge_ns(self._given_ns)
        while (rest_ns := min(next_ns, until_ns) - self._now_ns()) > 0 and not self._gone.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(rest_ns / 1e9):
                    await self._gone.wait()
        if self._gone.is_set():
            raise PortError("port.gone", "the simulated input is gone")
        before_ns, self._given_ns = self._given_ns, self._now_ns()
        return self._pulses.edges(before_ns, self._given_ns)

    def vanish(self) -> None:
        """From now on the input is gone, as a chip that was unplugged."""
        self._gone.set()

    async def close(self) -> None:
        """See hal.api.EdgeSource."""
        self._gone.set()


def open_sim_pulses(url: str) -> SimEdgeSource:
    """The input that a `sim://s0` URL describes; PortError("port.setting") for a wrong one."""
    try:
        return SimEdgeSource(read_sim_url(url), _boot_ns)
    except ValueError as error:
        raise PortError("port.setting", f"{url}: {error}; an example that works: {EXAMPLE}") from error


def read_sim_url(url: str) -> SimPulses:
    """What a `sim://s0` URL describes; ValueError for a wrong one."""
    parts = urlsplit(url)
    if parts.netloc != "s0":
        raise ValueError("simulated pulses are sim://s0")
    options = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
    faults = {field.name for field in fields(PulseFaults)}
    known = faults | {"period_ms", "pulse_ms", "seed"}
    if unknown := sorted(options.keys() - known):
        raise ValueError(f"unknown keys {unknown}; known are {', '.join(sorted(known))}")
    return SimPulses(
        period_ms=int(options.get("period_ms", PERIOD_DEFAULT_MS)),
        pulse_ms=int(options.get("pulse_ms", PULSE_DEFAULT_MS)),
        faults=PulseFaults(**{name: float(options[name]) for name in faults & options.keys()}),
        seed=int(options.get("seed", "0")),
    )


def _boot_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
