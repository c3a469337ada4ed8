"""What is really so in the simulated world: the time, what each meter shows, and what was due.

Independent of everything under test: the judge compares what the backend holds with this and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from protocols.uplink.messages import DictionaryMeter, Medium, Series, SeriesTable
from protocols.value import Scaled

START_UTC_MS = 1_796_083_200_000  # 2026-12-01T00:00:00Z
EXPONENT = -3

SlotKey = tuple[int, str, int, int]
"""Boot, meter, quantity, due time."""


class TrueTime:
    """UTC behind a crystal that runs wrong: the event loop's time is the crystal's."""

    def __init__(self, now_s: float) -> None:
        self._base_s = now_s
        self._base_ms = float(START_UTC_MS)
        self._ppm = 0.0

    def utc_ms(self, now_s: float) -> int:
        """True UTC in ms."""
        return round(self._base_ms + (now_s - self._base_s) * 1000 * (1 + self._ppm / 1e6))

    def drift(self, ppm: float, now_s: float) -> None:
        """From now on a second of the crystal is 1 + `ppm` / 10^6 true ones."""
        elapsed_s = now_s - self._base_s
        self._base_ms += elapsed_s * 1000 * (1 + self._ppm / 1e6)
        self._base_s, self._ppm = now_s, ppm


class SimMeter(NamedTuple):
    """A meter of the site. `number` is its own and stays; its name may change."""

    number: int
    id: str
    interval_ms: int
    quantities: tuple[int, ...]

    def value_at(self, quantity: int, utc_ms: int) -> Scaled:
        """What it shows: no two readings of the site are alike, so that a mix-up shows."""
        seconds = (utc_ms - START_UTC_MS) // 1000
        return Scaled((seconds * 100 + self.number) * 10 + quantity, EXPONENT)


def table_of(site: tuple[SimMeter, ...]) -> SeriesTable:
    """The site as the gateway's configuration knows it."""
    return tuple(
        DictionaryMeter(
            *(meter.id, f"DE{meter.number:04}", str(4711 + meter.number), "eastron", "SDM630"),
            medium=Medium.ELECTRICITY,
            ratio=(1, 1),
            valid_from_ms=None,
            series=tuple(Series(quantity, EXPONENT, meter.interval_ms) for quantity in meter.quantities),
        )
        for meter in site
    )


class Taken(NamedTuple):
    """A reading as it was recorded. `lies_ms`: how wrong the clock's word was then, or just before."""

    value: Scaled | None
    utc_ms: int
    lies_ms: tuple[int, ...]


class Lay(NamedTuple):
    """From `from_ms` on, slots lay on multiples of the interval of boot time + `alignment_ms`."""

    from_ms: int
    alignment_ms: int


@dataclass
class Run:
    """One run of the gateway's program: which slots were due follows from this alone."""

    boot: int
    site: tuple[SimMeter, ...]
    start_ms: int
    lays: list[Lay]
    end_ms: int = 0
    forgets_dates: bool = False

    def due(self) -> list[tuple[SimMeter, int]]:
        """Each slot that was due, the read at the start included."""
        found: list[tuple[SimMeter, int]] = []
        for meter in self.site:
            due = {self.start_ms}
            ends = [lay.from_ms for lay in self.lays[1:]] + [self.end_ms]
            for lay, end_ms in zip(self.lays, ends, strict=True):
                step = meter.interval_ms
                first = lay.from_ms + step - (lay.from_ms + lay.alignment_ms) % step
                due.update(range(first, end_ms + 1, step))
            found += [(meter, at) for at in sorted(due) if at <= self.end_ms]
        return found


@dataclass
class Truth:
    """The generator's own log."""

    time: TrueTime
    taken: dict[SlotKey, Taken] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)
    lies_ms: dict[int, int] = field(default_factory=dict)  # the largest, by boot
    arrived: dict[tuple[int, int], bytes] = field(default_factory=dict)  # at a backend, which may forget it
