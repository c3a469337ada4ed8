"""What happens in a simulated world, and when: drawn from a seed, and readable as a list."""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Iterator
from typing import Literal, NamedTuple

from tests.proof.months.truth import SimMeter

HOUR_S, DAY_S = 3600.0, 86_400.0
MINUTE_MS, QUARTER_MS = 60_000, 900_000
NEVER_S = 1e9
YEAR_MS = 365 * 86_400_000

Condition = Literal["outage", "hole", "away", "full", "lie", "silence"]
"""Something that lasts: no network; a broker that acknowledges, drops and repeats; no receiver; a full disk;
a wrong time server (`number`: by so many ms); a meter that is silent (`number`)."""

Blow = Literal["cut", "power", "kill", "stop", "reconfigure", "upgrade", "downgrade", "restore"]
"""Something at a moment: a link that breaks; the power goes, the process is killed or stopped, for `for_s`;
the same with a change; the backend is restored from the copy of the night before."""


class Happening(NamedTuple):
    """At `at_s`, for `for_s`. `number`: see Condition; `share` of what is lost in a hole. `ntp_after_s`: when
    the time comes, after the start that follows."""

    at_s: float
    kind: Condition | Blow
    for_s: float = 0.0
    number: int = 0
    share: float = 0.0
    ntp_after_s: float = 0.0

    def __str__(self) -> str:
        rest = f" for {self.for_s:.0f} s" if self.for_s else ""
        ntp = f", NTP {self.ntp_after_s:.0f} s later" if self.ntp_after_s else ""
        number = f" {self.number}" if self.number else ""
        return f"day {self.at_s / DAY_S:6.3f}: {self.kind}{number}{rest}{ntp}"


class Scenario(NamedTuple):
    """A world's plan."""

    days: float
    site: tuple[SimMeter, ...]
    size_bytes_max: int
    flush_interval_s: float
    batch_interval_s: float
    ntp_after_s: float  # of the first boot
    happenings: tuple[Happening, ...]


def draw_scenario(seed: int, days: float) -> Scenario:
    """A world for so many days."""
    chance = random.Random(seed)
    happenings = sorted(_draw_all(chance, days), key=lambda each: each.at_s)
    return Scenario(
        days,
        _draw_site(chance),
        chance.choice((1, 1, 2, 8)) * 1024 * 1024,
        chance.choice((120.0, 300.0, 300.0)),
        chance.choice((900.0, 3600.0, 3600.0)),
        chance.choice((30.0, 2 * HOUR_S)),
        tuple(happenings),
    )


def _draw_site(chance: random.Random) -> tuple[SimMeter, ...]:
    slow = [SimMeter(n, f"m{n}", QUARTER_MS, (1, 2, 3)) for n in range(2, 5 + chance.randint(0, 2))]
    return (SimMeter(1, "m1", MINUTE_MS, (1,)), *slow)


def _several(chance: random.Random, days: float, per_month: int) -> Iterator[float]:
    """Moments of something that happens so often a month, and once at least."""
    count = max(1, round(per_month * days / 30))
    return (chance.uniform(0.02, 0.98) * days * DAY_S for _ in range(count))


def _draw_all(chance: random.Random, days: float) -> Iterator[Happening]:
    yield from _draw_link(chance, days)
    yield from _draw_machine(chance, days)


def _draw_link(chance: random.Random, days: float) -> Iterator[Happening]:
    several = functools.partial(_several, chance, days)
    longest_s = 14 * DAY_S * days / 30
    for at_s in several(12):
        yield Happening(at_s, "outage", _spread(chance, 5, DAY_S), number=chance.randint(0, 1))
    if chance.random() < 0.5:
        yield Happening(chance.uniform(0.1, 0.5) * days * DAY_S, "outage", longest_s)
    for at_s in several(60):
        yield Happening(at_s, "cut", number=chance.randint(0, 1))
    for at_s in several(3):
        yield Happening(at_s, "hole", _spread(chance, HOUR_S, DAY_S), share=chance.uniform(0.05, 1.0))
    for at_s in several(3):
        yield Happening(at_s, "away", _spread(chance, 60, 2 * DAY_S))
    yield Happening(chance.uniform(0.4, 0.9) * days * DAY_S, "restore")


def _draw_machine(chance: random.Random, days: float) -> Iterator[Happening]:
    several = functools.partial(_several, chance, days)
    for at_s in several(2):
        yield Happening(at_s, "full", _spread(chance, 600, 8 * HOUR_S))
    for at_s in several(2):
        size_ms = chance.choice((3 * MINUTE_MS, 17 * MINUTE_MS, YEAR_MS, 3 * YEAR_MS))
        yield Happening(
            at_s, "lie", _spread(chance, 120, 6 * HOUR_S), number=chance.choice((-1, 1)) * size_ms
        )
    for at_s in several(4):
        yield Happening(at_s, "silence", _spread(chance, 60, DAY_S), number=chance.randint(1, 5))
    for at_s in several(7):
        yield Happening(at_s, "power", _spread(chance, 5, DAY_S), ntp_after_s=_draw_ntp_s(chance))
    for at_s in several(5):
        yield Happening(at_s, "kill", _spread(chance, 1, 600))
    for kind in ("stop", "reconfigure", "reconfigure", "upgrade", "downgrade"):
        for at_s in several(1):
            yield Happening(at_s, kind, _spread(chance, 1, 600))  # type: ignore[arg-type]


def _draw_ntp_s(chance: random.Random) -> float:
    kind = chance.random()
    if kind < 0.2:
        return NEVER_S
    return _spread(chance, 5, 3 * DAY_S if kind < 0.5 else HOUR_S)


def _spread(chance: random.Random, least_s: float, most_s: float) -> float:
    """Short ones as often as long ones: the logarithm is even."""
    return math.exp(chance.uniform(math.log(least_s), math.log(most_s)))
