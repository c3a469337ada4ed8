"""S0 pulses: from the edges of a contact or an optocoupler to pulses, and from pulses to a meter's display.

DIN 43864 and EN 62053-31: a pulse and the pause after it last at least 30 ms each, transitions take at
most 5 ms. Rules that keep it so:
- Never more pulses than there were. What cannot be told for certain (a pulse whose beginning nobody saw,
  two pulses without a pause between them, edges that were lost) is not counted; the counts beside say so.
- A level is not an edge: what stands on the input when the watching begins makes no pulse.
- A pulse counts when its end is certain, `bounce_ns_max` after its last edge, and never twice.
- A display is computed from the total, exactly; nothing adds up from pulse to pulse.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from protocols.value import Scaled, parse_decimal

PULSE_MS = 30  # EN 62053-31: t_on and t_off, at least
TRANSITION_MS = 5  # EN 62053-31: t_T, at most
WIDTH_MS_MIN = PULSE_MS - TRANSITION_MS  # what a good pulse may shrink to where its flanks are cut off
NS_PER_MS = 1_000_000
CONSTANT_MIN = Fraction(1, 10**6)
CONSTANT_MAX = Fraction(10**6)
CONSTANT_DECIMALS_MAX = 9
DISPLAY_DECIMALS_MAX = 6
DISPLAY_DIGITS_MAX = 15


class Edge(NamedTuple):
    """A change of the input. `time_ns`: on one axis that never steps, of which only differences count.
    `active`: the level after it, active while a pulse lasts. `lost_before`: edges known to be lost just
    before this one."""

    time_ns: int
    active: bool
    lost_before: int = 0


class Pulse(NamedTuple):
    """A pulse that was there, from its first edge to its last."""

    start_ns: int
    end_ns: int


@dataclass(slots=True)
class _Run:
    """An active stretch, short breaks within it bridged. `whole` False: its beginning was not seen."""

    start_ns: int
    end_ns: int
    active_ns: int = 0
    whole: bool = True


class PulseFilter:
    """One input. A pulse is active for `pulse_ns_min` in sum, its breaks are shorter than `bounce_ns_max`,
    and at least `pause_ns_min` lie between it and the pulse before.

    `glitches`: stretches too short for a pulse. `crowded`: stretches long enough, without the pause before
    them. `lost_edges`: as the source told.
    """

    def __init__(
        self,
        pulse_ns_min: int = WIDTH_MS_MIN * NS_PER_MS,
        pause_ns_min: int = WIDTH_MS_MIN * NS_PER_MS,
        bounce_ns_max: int = TRANSITION_MS * NS_PER_MS,
    ) -> None:
        self._pulse_ns_min = pulse_ns_min
        self._pause_ns_min = pause_ns_min
        self._bounce_ns_max = bounce_ns_max
        self._active: bool | None = None  # nobody knows before the first edge
        self._last_ns: int | None = None
        self._run: _Run | None = None
        self._busy_until_ns: int | None = None  # the end of the last stretch that was long enough
        self.glitches = 0
        self.crowded = 0
        self.lost_edges = 0

    def receive_edges(self, edges: Iterable[Edge]) -> list[Pulse]:
        """The pulses whose end these edges make certain, oldest first."""
        pulses: list[Pulse] = []
        for edge in edges:
            if edge.lost_before or (self._last_ns is not None and edge.time_ns < self._last_ns):
                self._forget(edge.lost_before)
            pulses += self.settle(edge.time_ns)
            self._take(edge)
        return pulses

    def settled_ns(self) -> int | None:
        """When `settle` will know more, if no edge comes; None: not before the next edge."""
        if self._run is None or self._active:
            return None
        return self._run.end_ns + self._bounce_ns_max

    def settle(self, now_ns: int) -> list[Pulse]:
        """The pulse that no edge up to `now_ns` has continued. Every edge up to then must have been given."""
        run, settled_ns = self._run, self.settled_ns()
        if run is None or settled_ns is None or now_ns < settled_ns:
            return []
        self._run = None
        return self._judge(run)

    def interrupt(self) -> None:
        """Nobody watched for a while: what comes next has nothing to do with what came before."""
        self._forget(0)

    def _take(self, edge: Edge) -> None:
        if edge.active:
            if self._run is None:
                self._run = _Run(edge.time_ns, edge.time_ns)
            elif self._active is False:
                self._run.end_ns = edge.time_ns  # a break within the stretch: bridged
        elif self._active is None:
            self._run = _Run(edge.time_ns, edge.time_ns, whole=False)
        if self._active and self._run is not None and self._last_ns is not None:
            self._run.active_ns += edge.time_ns - self._last_ns
            self._run.end_ns = edge.time_ns
        self._active = edge.active
        self._last_ns = edge.time_ns

    def _judge(self, run: _Run) -> list[Pulse]:
        if not run.whole:
            self._busy_until_ns = run.end_ns
            return []
        if run.active_ns < self._pulse_ns_min:
            self.glitches += 1
            return []
        before_ns, self._busy_until_ns = self._busy_until_ns, run.end_ns
        if before_ns is not None and run.start_ns - before_ns < self._pause_ns_min:
            self.crowded += 1
            return []
        return [Pulse(run.start_ns, run.end_ns)]

    def _forget(self, lost: int) -> None:
        """Edges were lost: nothing is known of the input any more, but that this much was counted."""
        self.lost_edges += lost
        self._active = None
        self._last_ns = None
        self._run = None
        self._busy_until_ns = None


def parse_constant(text: str) -> Fraction:
    """Pulses for one unit, as on the type plate: `"1000"`, `"187.5"`; ValueError for what none can be."""
    number = parse_decimal(text)
    if not -CONSTANT_DECIMALS_MAX <= number.exponent <= CONSTANT_DECIMALS_MAX:
        raise ValueError(f"{text} has too many digits for a meter constant")
    constant = _fraction(number)
    if not CONSTANT_MIN <= constant <= CONSTANT_MAX:
        raise ValueError(f"{text} is no meter constant")
    return constant


def parse_display(text: str) -> Scaled:
    """What a person reads off the meter, a comma or a dot before the decimals; ValueError for others."""
    value = parse_decimal(text.strip().replace(",", "."))
    is_plain = -DISPLAY_DECIMALS_MAX <= value.exponent <= 0
    if not is_plain or not 0 <= value.integer < 10**DISPLAY_DIGITS_MAX:
        raise ValueError(
            f"{text!r} is not a display's value: digits, and at most {DISPLAY_DECIMALS_MAX} decimals"
        )
    return value


def unit_per_pulse(constant: Fraction, factor: Scaled) -> Fraction:
    """What one pulse stands for; `factor` leads from the constant's unit to the wanted one."""
    return _fraction(factor) / constant


def step_exponent(step: Fraction) -> int:
    """The power of ten in which the display that `step` a pulse drives is written.

    Finite decimals are exact: 1/1000 is -3, 1/800 is -5. Others (75 pulses for 1 kWh) get a digit that is
    at most a tenth of a pulse: then each value is below the exact one by less than that digit, whatever
    the count, and every count has a value of its own.
    """
    twos, fives, rest = _powers(step.denominator)
    if rest == 1:
        return -max(twos, fives)
    exponent = 0
    while Fraction(10) ** exponent * 10 > step:
        exponent -= 1
    return exponent


def display_value(step: Fraction, pulses: int, start: Scaled) -> Scaled:
    """`start` + `pulses` x `step`: exact, or cut off after the last digit as `step_exponent` says."""
    exponent = min(step_exponent(step), start.exponent)
    return Scaled(start.rescaled(exponent).integer + int(pulses * step / Fraction(10) ** exponent), exponent)


def _powers(number: int) -> tuple[int, int, int]:
    """How often 2 and 5 are in a number, and what else is."""
    counts = []
    for prime in (2, 5):
        count = 0
        while number % prime == 0:
            number //= prime
            count += 1
        counts.append(count)
    return counts[0], counts[1], number


def _fraction(value: Scaled) -> Fraction:
    return Fraction(value.integer) * Fraction(10) ** value.exponent
