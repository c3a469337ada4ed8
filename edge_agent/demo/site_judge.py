"""The verdict on a site's run: what its simulated meters wrote down, against what the backend stored.

Every value counts, not only counters: a gauge must lie within half a step of its resolution of something
that its meter gave out. Pulses are judged by the contact itself, which is a function of its seed: between two
readings lie as many as it made, but for one that was under way.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from config.catalogue import catalogue
from config.model import LineConfig, MeterConfig
from config.profile import DeviceProfile, Object, Point, Record
from edge_agent.demo.sites import SitePlan, serial_of
from hal.sim.pulses import read_sim_url
from protocols.quantities import by_name
from protocols.units import conversion

Row = dict[str, Any]
"""A reading as `edge-backend export --json` gives it."""
Given = dict[tuple[str, str], set[Decimal]]
"""What meters gave out, by meter and quantity."""
NS_PER_MS: Final = 1_000_000
PULSES_UNDER_WAY_MAX: Final = 1


@dataclass(frozen=True, slots=True)
class MeterResult:
    """What came of a meter. `slots`: times at which it was due; `nulls`: readings that brought no value;
    `unread`: quantities that never brought one."""

    slots: int
    values: int
    nulls: int
    wrong: int
    unread: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Whether the meter told all that is read of it, if not each time."""
        return self.values > 0 and not self.unread


def judge_site(plan: SitePlan, rows: list[Row]) -> dict[str, MeterResult]:
    """The result of each of the site's meters, from the backend's rows."""
    given = read_logs(plan)
    lines = {line.id: line for line in plan.file.lines}
    results = {}
    for meter in plan.file.meters:
        mine = [row for row in rows if row["meter"] == meter.id]
        values = [row for row in mine if row["value"] is not None]
        profile, line = catalogue()[meter.profile], lines[meter.line]
        wrong = (
            count_wrong_pulses(values, meter, line)
            if profile.pulse
            else count_never_given(values, profile, given)
        )
        slots = {row["due_ms"] for row in mine}
        unread = {row["quantity"] for row in mine} - {row["quantity"] for row in values}
        nulls = len(mine) - len(values)
        results[meter.id] = MeterResult(len(slots), len(values), nulls, wrong, tuple(sorted(unread)))
    return results


def read_logs(plan: SitePlan) -> Given:
    """What every meter of the site wrote down; a line's file tells its meters apart by serial number."""
    given: Given = {}
    for line in plan.file.lines:
        path = plan.logs / f"{line.id}.jsonl"
        names = {
            serial_of(meter, place): meter.id
            for place, meter in enumerate(plan.file.meters)
            if meter.line == line.id
        }
        for text in path.read_text().splitlines() if path.exists() else ():
            read = json.loads(text)
            for quantity, value in read["values"].items():
                given.setdefault((names[read["serial"]], quantity), set()).add(Decimal(value))
    return given


def count_never_given(values: Iterable[Row], profile: DeviceProfile, given: Given) -> int:
    """Values that their meter never gave out, within half a step of what gauges are rounded to."""
    steps = _steps(profile)
    return sum(
        not any(
            abs(Decimal(row["value"]) - each) <= steps.get(row["quantity"], Decimal(0)) / 2
            for each in given.get((row["meter"], row["quantity"]), ())
        )
        for row in values
    )


def count_wrong_pulses(values: list[Row], meter: MeterConfig, line: LineConfig) -> int:
    """Readings that are not as far from the first as the contact's pulses between the two."""
    pulse = catalogue()[meter.profile].pulse
    if pulse is None or not values:
        return 0
    contact = read_sim_url(line.url)
    to_unit = Decimal(str(conversion(pulse.unit, by_name(pulse.quantity).unit)))
    per_unit = Decimal(meter.pulses_per_unit or pulse.pulses_per_unit) / to_unit
    told = sorted((row["time_ms"], Decimal(row["value"])) for row in values)
    first_ms, first = told[0]
    wrong = 0
    for boot_ms, value in told:
        true = contact.true_pulses(first_ms * NS_PER_MS, boot_ms * NS_PER_MS)
        wrong += abs((value - first) * per_unit - true) > PULSES_UNDER_WAY_MAX
    return wrong


def _steps(profile: DeviceProfile) -> dict[str, Decimal]:
    """To what gauges of a profile are quantised, in their quantity's unit."""
    steps = {}
    entries: tuple[Point | Object | Record, ...] = (*profile.points, *profile.objects, *profile.records)
    for entry in entries:
        quantity = by_name(entry.quantity)
        if entry.resolution and quantity.kind == "gauge":
            unit = entry.unit if isinstance(entry, Point) else quantity.unit
            steps[entry.quantity] = Decimal(entry.resolution) * Decimal(str(conversion(unit, quantity.unit)))
    return steps
