"""One simulated line of each protocol, under faults, through the whole chain (all-protocols.toml).

The meters write down what they gave out; what stands in the backend's store is exactly that, or a null. And
each slot that was due stands there, or lies in a gap.
"""

from __future__ import annotations

import json
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import get_args
from urllib.parse import parse_qsl, urlsplit

import msgspec

from config.catalogue import catalogue
from config.keys import Keys, MeterKeys, encode_keys
from config.model import GatewayFile, LineConfig, LineProtocol
from config.profile import Object, Point, Record
from hal.sim.dlms import sim_keys
from hal.sim.pulses import SimPulses
from protocols.quantities import by_name
from protocols.units import conversion
from tests.world.gateway import PROJECT, Row, Settings, open_gateway, wait_until

SITE = PROJECT / "config" / "sites" / "all-protocols.toml"
GOOD_SLOTS_MIN = 3
WAIT_S = 120.0
SLEW_MS_MAX = 20  # slots lie on seconds of UTC, against which the boot axis may be slewed
NS_PER_MS = 1_000_000
PULSES_PER_KWH = 1000


def site() -> GatewayFile:
    return msgspec.convert(tomllib.loads(SITE.read_text()), GatewayFile)


def logged(line: LineConfig, folder: Path) -> LineConfig:
    """The line, with its meters writing down what they give out."""
    if line.protocol == "s0":
        return line
    return msgspec.structs.replace(line, url=f"{line.url}&log={folder / line.id}.jsonl")


def given(folder: Path) -> dict[tuple[str, str], set[Decimal]]:
    """What the meters gave out, by serial number and quantity."""
    found: dict[tuple[str, str], set[Decimal]] = {}
    for path in folder.glob("*.jsonl"):
        for text in path.read_text().splitlines():
            read = json.loads(text)
            for quantity, value in read["values"].items():
                found.setdefault((read["serial"], quantity), set()).add(Decimal(value))
    return found


def steps() -> dict[tuple[str, str], Decimal]:
    """To what a gauge is quantised, by profile and quantity, in the quantity's unit; counters never are."""
    found = {}
    for profile in catalogue().values():
        entries: tuple[Point | Object | Record, ...] = (
            *profile.points,
            *profile.objects,
            *profile.records,
        )
        for entry in entries:
            quantity = by_name(entry.quantity)
            if entry.resolution and quantity.kind == "gauge":
                unit = entry.unit if isinstance(entry, Point) else quantity.unit
                factor = Decimal(str(conversion(unit, quantity.unit)))
                found[profile.name, entry.quantity] = Decimal(entry.resolution) * factor
    return found


def wrong(rows: list[Row], file: GatewayFile, folder: Path) -> list[Row]:
    """The rows whose value their meter never gave out."""
    meters = {meter.id: meter for meter in file.meters}
    serials = {m.id: m.serial or m.secondary[:8] or "20260301" for m in file.meters}
    known, quantised = given(folder), steps()
    bad = []
    for row in rows:
        if row["value"] is None or row["meter"] == "s0-meter":
            continue
        values = known.get((serials[row["meter"]], row["quantity"]), set())
        step = quantised.get((meters[row["meter"]].profile, row["quantity"]), Decimal(0))
        if not any(abs(Decimal(row["value"]) - value) <= step / 2 for value in values):
            bad.append(row)
    return bad


def unaccounted(rows: list[Row], gaps: list[Row], file: GatewayFile) -> list[tuple[str, str, int]]:
    """Meter, quantity and time of each slot that was due between a series' first and last one at the backend,
    that has neither value nor null, and lies in no gap."""
    told: dict[tuple[str, str], set[int]] = {}
    for row in rows:
        told.setdefault((row["meter"], row["quantity"]), set()).add(row["due_ms"])
    meters = {meter.id: meter for meter in file.meters}
    missing = []
    for (name, quantity), slots in told.items():
        interval_ms = 1000 * meters[name].interval_of_s(quantity)
        wanted = range(max(slots), min(slots), -interval_ms)  # at the start each is read once, off its times
        near = {slot + shift for slot in slots for shift in range(-SLEW_MS_MAX, SLEW_MS_MAX + 1)}
        missing += [
            (name, quantity, slot)
            for slot in wanted
            if slot not in near and not any(gap["start_ms"] <= slot <= gap["end_ms"] for gap in gaps)
        ]
    return missing


def key_file(folder: Path) -> str:
    """The keys of the simulated meters that encrypt, in a file of the right mode; its name."""
    path = folder / "keys.toml"
    path.touch(mode=0o600)
    meters = {meter.id: sim_keys(meter.serial) for meter in site().meters if meter.line == "dlms"}
    path.write_text(encode_keys(Keys({name: MeterKeys(*keys) for name, keys in meters.items()})))
    return path.name


def check_pulses(rows: list[Row], line: LineConfig) -> None:
    """Between any reading and the first lie as many pulses as the contact made, but for those under way."""
    options = dict(parse_qsl(urlsplit(line.url).query))
    contact = SimPulses(period_ms=int(options["period_ms"]), seed=int(options["seed"]))
    told = sorted((row["time_ms"], Decimal(row["value"])) for row in rows if row["value"] is not None)
    first_ms, first = told[0]
    for boot_ms, value in told:
        true = contact.true_pulses(first_ms * NS_PER_MS, boot_ms * NS_PER_MS)
        assert abs((value - first) * PULSES_PER_KWH - true) <= 1, (boot_ms, value, true)
    assert told[-1][1] > first


def test_a_slot_that_is_missing_is_found_unless_a_gap_covers_it() -> None:
    file = site()
    meter = file.meters[0]
    times = [1_000 * meter.interval_s * n + n for n in range(5)]  # slewed by a millisecond each
    rows = [{"meter": meter.id, "quantity": "voltage_l1", "due_ms": time} for time in times]
    assert unaccounted(rows, [], file) == []
    holed = [*rows[:2], *rows[3:]]
    (found,) = unaccounted(holed, [], file)
    assert found[:2] == (meter.id, "voltage_l1")
    assert unaccounted(holed, [{"start_ms": found[2] - 1, "end_ms": found[2] + 1}], file) == []


def test_the_site_has_a_line_of_each_protocol() -> None:
    assert {line.protocol for line in site().lines} == set(get_args(LineProtocol))


async def test_exact_values_of_every_protocol_arrive_under_faults(tmp_path: Path) -> None:
    file = site()
    lines = [logged(line, tmp_path) for line in file.lines]
    settings = Settings(keys=key_file(tmp_path))
    async with open_gateway(tmp_path, lines=lines, meters=file.meters, settings=settings) as gateway:
        for meter in file.meters:
            await gateway.wait_values(meter.id, GOOD_SLOTS_MIN, WAIT_S)
        # The newest message is sent first: what is between may be on its way, what is lost never comes.
        await wait_until(
            lambda: not unaccounted(gateway.readings(), gateway.gaps(), file),
            what="a reading or a null for each slot that was due, or a gap around it",
        )
        rows = gateway.readings()
        assert wrong(rows, file, tmp_path) == []
        pulses = next(line for line in lines if line.protocol == "s0")
        check_pulses([row for row in rows if row["meter"] == "s0-meter"], pulses)
        for meter in file.meters:
            mine = [row for row in rows if row["meter"] == meter.id]
            nulls = {row["null_cause"] for row in mine if row["value"] is None}
            print(f"{meter.id:14} {len(mine):5} readings, nulls: {nulls or 'none'}")
