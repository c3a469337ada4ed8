"""Whether a value can be what it says it is: plausibility, never correction. Pure: no I/O, no clock.

Rules that keep it so:
- A value is never changed, held back or replaced: a finding says what is doubtful, and which mark the
  reading gets beside the value as it came.
- Bounds are wide: no sound installation of any kind leaves them. What is narrower would cry wolf in
  somebody's cabinet, and a wrong mark is worse than none. docs/plausibility.md has them with their sources.
- A counter that steps is marked once. What follows the step is compared with the value behind it, too: a new
  meter or a reset costs one mark, and a single wild value none of those after it.
- What is kept of a series is its last reading, which others keep anyway, and a few bytes. Rules are shared.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from config.profile import DeviceProfile, Point
from edge_agent.reading import Reading
from protocols.quantities import Quantity
from protocols.units import conversion
from protocols.value import NullCause, Quality, Scaled, parse_decimal

RuleName = Literal["range", "type", "unreadable", "fell", "jumped", "rolled-over", "stuck"]

STUCK_SLOTS_MIN = 60
STUCK_MS_MIN = 3_600_000
UNDATED_MS = 86_400_000  # how long ago a counter is taken to have been read when no clock tells
ROLL_DIGITS = range(5, 10)  # whole digits of displays that begin again at 0
ROLL_PART = 100  # a display rolls over within its last and first hundredth
HOUR_MS = 3_600_000

DEAD_PHASE_V = "10"  # less than this is no voltage: a phase that is off, or was never connected
RANGES: dict[str, tuple[str, str]] = {
    "frequency": ("45", "65"),
    **dict.fromkeys(("voltage_l1", "voltage_l2", "voltage_l3"), ("100", "300")),
    "voltage_avg": ("100", "520"),
    **dict.fromkeys(("voltage_l1_l2", "voltage_l2_l3", "voltage_l3_l1"), ("170", "520")),
    **dict.fromkeys([f"power_factor_{of}" for of in ("total", "l1", "l2", "l3")], ("-1", "1")),
    **dict.fromkeys(("temperature_flow", "temperature_return"), ("-20", "200")),
    **dict.fromkeys(("temperature_air", "temperature_dewpoint"), ("-60", "85")),
    **dict.fromkeys(("temperature_room", "temperature_cabinet", "gas_temperature"), ("-40", "100")),
    "humidity_relative": ("0", "105"),
    "co2": ("0", "100000"),
    "pressure_air": ("300", "1200"),
    "wind_direction": ("0", "360"),
    "wind_speed": ("0", "120"),
    "gas_calorific_value": ("3", "25"),
}
RANGE_OF_GAUGES = (
    "-1e12",
    "1e12",
)  # beyond are floats of a wrong type or order, and nothing else
RANGE_OF_COUNTERS = ("0", "1e15")
RANGE_OF_BALANCES = ("-1e15", "1e15")  # of what may fall


class Rate(NamedTuple):
    """At most so much an hour; and what may come at once, where a device shows its counter late."""

    most: str
    at_once_s: int


RATES: dict[str, Rate] = {  # by unit
    **dict.fromkeys(("kWh", "kvarh", "kVAh"), Rate("5000", 60)),
    "GJ": Rate("180", 3600),
    "m3": Rate("5000", 3600),
    "1": Rate("360000", 60),
    "mm": Rate("3000", 60),
}
RATE_OF_HEAT = Rate("50000", 3600)
RATE_OF_GAS = Rate("100000", 3600)
MAY_BEGIN_ANEW = frozenset(  # with the day, the device's power, the year
    {"precipitation_day", "uptime", "link_bytes_tx", "heat_cost_units_due_date"}
)

_IMPLAUSIBLE = int(Quality.IMPLAUSIBLE)  # an IntFlag costs a microsecond a reading
_DIGITS_OF_BCD = {"bcd16": 4, "bcd32": 8, "bcd48": 12, "bcd64": 16}
_BITS_OF_INTEGER = {"u16": 16, "u32": 32}


class Width(NamedTuple):
    """Where a counter begins again at 0, in its registry unit. `exact`: the register has this width; else
    it is one that displays have."""

    modulus: Scaled
    text: str
    exact: bool


@dataclass(frozen=True)
class Rule:
    """What a series may be. `rate`: most a counter can rise in an hour, None: anything goes. `moves`: a gauge
    that never stands still while it is measured. `dead`: magnitudes below it are an absent voltage."""

    quantity: str
    unit: str
    least: Scaled
    most: Scaled
    dead: Scaled | None = None
    moves: bool = False
    is_counter: bool = False
    may_fall: bool = False
    rate: Scaled | None = None
    at_once_ms: int = 0
    widths: tuple[Width, ...] = ()
    _bounds: dict[int, tuple[int, int, int]] = field(default_factory=dict, compare=False, repr=False)

    def bounds(self, exponent: int) -> tuple[int, int, int]:
        """`least` and `most` as integers x 10^`exponent`, rounded inwards, and what is below `dead`."""
        known = self._bounds.get(exponent)
        if known is None:
            dead = -1 if self.dead is None else _ceiling(self.dead, exponent) - 1
            known = _ceiling(self.least, exponent), _floor(self.most, exponent), dead
            self._bounds[exponent] = known
        return known


class Finding(NamedTuple):
    """What is doubtful about a reading. `mark`: for its remark; none where only an event tells it.
    `evidence`: in words and numbers."""

    name: RuleName
    series: int
    mark: Quality
    evidence: str


class Plausibility:
    """Judges the readings of all series. `rules` by series number, None where there is nothing to judge."""

    def __init__(self, rules: Sequence[Rule | None]) -> None:
        self._rules = rules
        self._last: list[Reading | None] = [None] * len(rules)
        self._rivals: dict[int, Reading] = {}  # where a counter went that left its course
        self._repeats = array("L", bytes(array("L").itemsize * len(rules)))
        self._since_ms = array("q", bytes(8 * len(rules)))

    def judge(self, reading: Reading) -> Finding | None:
        """What is doubtful about a reading, which is then the last one of its series."""
        rule = self._rules[reading.series]
        value = reading.value
        if rule is None or value is None:
            return None
        if reading.remark & _IMPLAUSIBLE:
            text = f"{rule.quantity} is next to nothing, as integers look that are read as floats"
            return _finding("type", reading, text)
        least, most, dead = rule.bounds(value.exponent)
        if not least <= value.integer <= most and abs(value.integer) > dead:
            text = f"{rule.quantity} is {value} {rule.unit}, outside of {rule.least} to {rule.most}"
            return _finding("range", reading, text)
        if rule.is_counter:
            return self._follow(rule, reading)
        return self._watch_moves(rule, reading) if rule.moves else None

    def look(self, reading: Reading) -> Finding | None:
        """As `judge`, of a reading that does not count: nothing is kept of it."""
        series = reading.series
        last, rival = self._last[series], self._rivals.get(series)
        repeats, since_ms = self._repeats[series], self._since_ms[series]
        finding = self.judge(reading)
        self._last[series], self._repeats[series], self._since_ms[series] = last, repeats, since_ms
        self._rivals.pop(series, None)
        if rival is not None:
            self._rivals[series] = rival
        return finding

    def unreadable(self, reading: Reading) -> Finding | None:
        """A null that came in the place of a value from a meter that otherwise answered, where it is one that
        no value of its type can be (beyond 63 bits, digits that are none)."""
        rule = self._rules[reading.series]
        if rule is None or reading.null_cause is not NullCause.CORRUPT:
            return None
        text = f"{rule.quantity}: what came is no number of its type, or one beyond all measure"
        return _finding("unreadable", reading, text)

    def counters(self) -> list[Reading | None]:
        """The last reading of each counter by series number, None for the others; any thread may ask."""
        last = list(self._last)  # one step for the interpreter
        return [
            r if rule is not None and rule.is_counter else None
            for r, rule in zip(last, self._rules, strict=True)
        ]

    def restore(self, reading: Reading) -> None:
        """A counter's last reading, as an earlier run knew it."""
        rule = self._rules[reading.series]
        if rule is not None and rule.is_counter:
            self._last[reading.series] = reading

    def begin_anew(self, series: Iterable[int]) -> None:
        """Another device, or another display: these are compared with nothing that was before."""
        for number in series:
            self._last[number] = None
            self._rivals.pop(number, None)
            self._repeats[number] = 0

    def _follow(self, rule: Rule, reading: Reading) -> Finding | None:
        """A counter's step from the reading before."""
        series = reading.series
        last = self._last[series]
        finding = None if last is None else step(rule, last, reading)
        if finding is not None and finding.name != "rolled-over":
            rival = self._rivals.get(series)
            if rival is None or step(rule, rival, reading) is not None:
                self._rivals[series] = reading
                return finding
            finding = None  # it goes on from where it went: that is its course now
        self._last[series] = reading
        if self._rivals:
            self._rivals.pop(series, None)
        return finding

    def _watch_moves(self, rule: Rule, reading: Reading) -> Finding | None:
        """Whether a gauge that cannot stand still does."""
        series, last = reading.series, self._last[reading.series]
        self._last[series] = reading
        value = reading.value
        if value is None or value.integer == 0 or last is None or last.value != value:
            self._repeats[series], self._since_ms[series] = 0, reading.time_ms
            return None
        self._repeats[series] += 1
        stands_ms = reading.time_ms - self._since_ms[series]
        if self._repeats[series] < STUCK_SLOTS_MIN or stands_ms < STUCK_MS_MIN:
            return None
        text = f"{rule.quantity} has been {value} {rule.unit} in {self._repeats[series] + 1} readings on end"
        return Finding("stuck", series, Quality.STALE, text)


def step(rule: Rule, last: Reading, reading: Reading) -> Finding | None:
    """What is odd about a counter's way from one reading to the next."""
    if last.value is None or reading.value is None:
        return None
    exponent = min(last.value.exponent, reading.value.exponent, 0)
    before, after = _integer(last.value, exponent), _integer(reading.value, exponent)
    if after < before and not rule.may_fall:
        return _fall(rule, last, reading, exponent)
    if rule.rate is None or abs(after - before) <= _most(rule, last, reading, exponent):
        return None
    elapsed_s = (reading.time_ms - last.time_ms) // 1000
    text = f"{_way(rule, last, reading)} in {elapsed_s} s; more than {rule.rate} {rule.unit} an hour"
    return _finding("jumped", reading, text)


def rule_of(quantity: Quantity, exponent: int, profile: DeviceProfile, ratio: tuple[int, int]) -> Rule | None:
    """The rule of a series with this exponent in its dictionary, read from a meter of this profile behind
    transformers of this ratio; None for what is no amount."""
    factor = max(1, -(-ratio[0] // ratio[1]))
    if quantity.kind == "counter":
        return _counter_rule(quantity, profile, factor)
    if quantity.kind != "gauge":
        return None
    name, is_voltage = quantity.name, quantity.name.startswith("voltage_") and quantity.name != "voltage_dc"
    least, most = (parse_decimal(bound) for bound in RANGES.get(name, RANGE_OF_GAUGES))
    if is_voltage:
        most = most.times(Scaled(factor, 0))
    return Rule(
        quantity=name,
        unit=quantity.unit,
        least=least,
        most=most,
        dead=parse_decimal(DEAD_PHASE_V) if is_voltage else None,
        moves=(is_voltage and exponent <= -1) or (name == "frequency" and exponent <= -2),
    )


def rules_of(
    meters: Iterable[tuple[Sequence[tuple[Quantity, int]], DeviceProfile, tuple[int, int]]],
) -> list[Rule | None]:
    """The rules of all series of some meters in order, equal ones as one object: of each meter its quantities
    with their exponents, its profile, and its ratio."""
    known: dict[Rule | None, Rule | None] = {}
    rules = [rule_of(*each, profile, ratio) for series, profile, ratio in meters for each in series]
    return [known.setdefault(rule, rule) for rule in rules]


def _counter_rule(quantity: Quantity, profile: DeviceProfile, factor: int) -> Rule:
    rate = None if quantity.name.endswith("_due_date") else _rate(quantity)
    may_fall = quantity.may_fall or quantity.name in MAY_BEGIN_ANEW
    least, most = (parse_decimal(b) for b in (RANGE_OF_BALANCES if may_fall else RANGE_OF_COUNTERS))
    return Rule(
        quantity=quantity.name,
        unit=quantity.unit,
        least=least,
        most=most,
        is_counter=True,
        may_fall=may_fall,
        rate=None if rate is None else parse_decimal(rate.most).times(Scaled(factor, 0)).normalised(),
        at_once_ms=0 if rate is None else rate.at_once_s * 1000,
        widths=() if may_fall else _widths(quantity, profile),
    )


def _rate(quantity: Quantity) -> Rate | None:
    if quantity.name in MAY_BEGIN_ANEW or quantity.may_fall:
        return None
    if quantity.name.startswith(("energy_heat", "energy_cooling")) and quantity.unit == "kWh":
        return RATE_OF_HEAT
    if quantity.name.startswith("volume_gas"):
        return RATE_OF_GAS
    return RATES.get(quantity.unit)


def _widths(quantity: Quantity, profile: DeviceProfile) -> tuple[Width, ...]:
    """Where this counter may roll over: at its register's width, or at its display's."""
    displays = [Width(Scaled(1, digits), f"{digits} digits", exact=False) for digits in ROLL_DIGITS]
    point = next((point for point in profile.points if point.quantity == quantity.name), None)
    register = None if point is None or point.scale_register is not None else _register_width(point, quantity)
    return tuple(displays) if register is None else (register, *displays)


def _register_width(point: Point, quantity: Quantity) -> Width | None:
    factor = parse_decimal(point.scale).times(conversion(point.unit, quantity.unit))
    if bits := _BITS_OF_INTEGER.get(point.type):
        return Width(factor.times(Scaled(1 << bits, 0)), f"{bits} bits", exact=True)
    if digits := _DIGITS_OF_BCD.get(point.type):
        return Width(factor.times(Scaled(1, digits)), f"{digits} digits", exact=True)
    return None


def _fall(rule: Rule, last: Reading, reading: Reading, exponent: int) -> Finding:
    width = _rolled_over(rule, last, reading, exponent)
    if width is not None:
        return Finding(
            "rolled-over", reading.series, Quality.GOOD, f"{_way(rule, last, reading)} ({width.text})"
        )
    return _finding("fell", reading, _way(rule, last, reading))


def _rolled_over(rule: Rule, last: Reading, reading: Reading, exponent: int) -> Width | None:
    """The width at which a counter that fell began again at 0, if it can have risen so far."""
    if last.value is None or reading.value is None or rule.rate is None:
        return None
    exponent = min(exponent, *(width.modulus.exponent for width in rule.widths))
    before, after = _integer(last.value, exponent), _integer(reading.value, exponent)
    most = _most(rule, last, reading, exponent)
    for width in rule.widths:
        modulus = _integer(width.modulus, exponent)
        rise = modulus - before + after
        part = 2 if width.exact else ROLL_PART
        if before < modulus and after >= 0 and rise <= min(most, modulus // part):
            return width
    return None


def _most(rule: Rule, last: Reading, reading: Reading, exponent: int) -> int:
    """How far the counter can have come, as integer x 10^`exponent`, its last digit included."""
    if rule.rate is None or last.value is None or reading.value is None:
        raise ValueError(f"{rule.quantity} has no rate")
    elapsed_ms = max(reading.time_ms - last.time_ms, rule.at_once_ms)
    digit: int = 10 ** (max(last.value.exponent, reading.value.exponent) - exponent)
    return _integer(rule.rate, exponent) * elapsed_ms // HOUR_MS + digit


def _finding(name: RuleName, reading: Reading, evidence: str) -> Finding:
    return Finding(name, reading.series, Quality.IMPLAUSIBLE, evidence)


def _way(rule: Rule, last: Reading, reading: Reading) -> str:
    return f"{rule.quantity} went from {last.value} to {reading.value} {rule.unit}"


def _integer(value: Scaled, exponent: int) -> int:
    """The value as integer x 10^`exponent`, which is not above its own."""
    unit: int = 10 ** (value.exponent - exponent)
    return value.integer * unit


def _floor(value: Scaled, exponent: int) -> int:
    """The greatest integer x 10^`exponent` that is not above the value."""
    if exponent <= value.exponent:
        return _integer(value, exponent)
    unit: int = 10 ** (exponent - value.exponent)
    return value.integer // unit


def _ceiling(value: Scaled, exponent: int) -> int:
    """The least integer x 10^`exponent` that is not below the value."""
    return -_floor(Scaled(-value.integer, value.exponent), exponent)
