"""One simulated line of each protocol, under faults, through the whole chain (all-protocols.toml).

The meters write down what they gave out; what stands in the backend's store is exactly that, or a null.
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
from config.model import GatewayFile, LineConfig, LineProtocol
from config.profile import Object, Point
from hal.sim.pulses import SimPulses
from protocols.quantities import by_name
from protocols.units import conversion
from tests.world.gateway import PROJECT, Row, open_gateway

SITE = PROJECT / "config" / "sites" / "all-protocols.toml"
GOOD_SLOTS_MIN = 3
WAIT_S = 120.0
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
        entries: tuple[Point | Object, ...] = (*profile.points, *profile.objects)
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
    serials = {m.id: m.serial or "20260301" for m in file.meters}
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


def test_the_site_has_a_line_of_each_protocol() -> None:
    assert {line.protocol for line in site().lines} == set(get_args(LineProtocol))


async def test_exact_values_of_every_protocol_arrive_under_faults(tmp_path: Path) -> None:
    file = site()
    lines = [logged(line, tmp_path) for line in file.lines]
    async with open_gateway(tmp_path, lines=lines, meters=file.meters) as gateway:
        for meter in file.meters:
            await gateway.wait_values(meter.id, GOOD_SLOTS_MIN, WAIT_S)
        rows = gateway.readings()
        assert wrong(rows, file, tmp_path) == []
        pulses = next(line for line in lines if line.protocol == "s0")
        check_pulses([row for row in rows if row["meter"] == "s0-meter"], pulses)
        for meter in file.meters:
            mine = [row for row in rows if row["meter"] == meter.id]
            nulls = {row["null_cause"] for row in mine if row["value"] is None}
            print(f"{meter.id:14} {len(mine):5} readings, nulls: {nulls or 'none'}")
