"""Simulated meters that write down what they answered, and the comparison of that with the store."""

from __future__ import annotations

import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from config.catalogue import catalogue
from config.model import LineConfig, MeterConfig
from hal.sim.line import LineFaults, SimLine
from hal.sim.meters import ModbusSimulation, SimMeter, SimRead
from protocols.modbus.rtu import RtuServer

PROFILE = "eastron-sdm630"
COUNTER = "energy_active_import_total"  # of the simulation: moves with every ms, so no two reads are alike
GAUGE = "voltage_l1"
QUANTITIES = (GAUGE, COUNTER)  # two requests: they lie far apart
GAUGE_STEP = Decimal("0.1")


def boot_ms() -> int:
    """The axis on which the agent dates its readings, too."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


class Answered(NamedTuple):
    """What a meter gave out, and when."""

    meter: str
    boot_ms: int
    values: dict[str, str]


class Plant:
    """The meters of a test; `log` is their own word of what they said."""

    def __init__(self) -> None:
        self.log: list[Answered] = []

    def line(
        self,
        meters: Sequence[MeterConfig],
        *,
        link: Path | None = None,
        faults: LineFaults | None = None,
        seed: int = 0,
        present: Sequence[str] | None = None,
        serials: dict[str, str] | None = None,
    ) -> SimLine:
        """A wire with meters; `present` names those that are really there, `serials` what they really are."""
        there = [meter for meter in meters if present is None or meter.id in present]
        units = {
            meter.address: self._meter(meter, (serials or {}).get(meter.id, meter.serial)) for meter in there
        }
        device = RtuServer(ModbusSimulation(units, boot_ms).answer)
        return SimLine(device, baud=9600, link=link, faults=faults, seed=seed)

    def _meter(self, config: MeterConfig, serial: str) -> SimMeter:
        def write(read: SimRead) -> None:
            if read.values:  # a read of the serial number gives none
                self.log.append(Answered(config.id, boot_ms(), read.values))

        return SimMeter(catalogue()[config.profile], serial or "1", config.address, write)

    def answers(self, meter: str, quantity: str = COUNTER) -> list[Answered]:
        """The answers of a meter that told a quantity, in order."""
        return [answer for answer in self.log if answer.meter == meter and quantity in answer.values]


def sdm630(address: int = 1, line: str = "bus", **more: Any) -> MeterConfig:
    """An installed meter, read each second."""
    config = {"serial": str(20260000 + address), "interval_s": 1, "quantities": QUANTITIES, **more}
    return MeterConfig(id=f"meter-{address}", line=line, profile=PROFILE, address=address, **config)


def rtu_line(line: SimLine, name: str = "bus", **more: Any) -> LineConfig:
    """The configuration of a simulated line."""
    settings = {"baud": 9600, "format": "8N1", **more}
    return LineConfig(id=name, url=f"serial://{line.path}", protocol="modbus-rtu", **settings)


def wrong_values(plant: Plant, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with a value that their meter never gave: counters exactly, gauges to their resolution."""
    given: dict[tuple[str, str], set[Decimal]] = {}
    for answer in plant.log:
        for quantity, text in answer.values.items():
            given.setdefault((answer.meter, quantity), set()).add(Decimal(text))
    return [row for row in rows if row["value"] is not None and not _is_given(row, given)]


def _is_given(row: dict[str, Any], given: dict[tuple[str, str], set[Decimal]]) -> bool:
    value = Decimal(row["value"])
    known = given.get((row["meter"], row["quantity"]), set())
    if row["quantity"] == COUNTER:
        return value in known
    return any(abs(value - each) <= GAUGE_STEP / 2 for each in known)


def unstored(
    plant: Plant, rows: Sequence[dict[str, Any]], meter: str, until_ms: int | None = None
) -> list[Answered]:
    """Counters that a meter gave out (up to some time) and that are not in the store."""
    held = {Decimal(row["value"]) for row in rows if row["quantity"] == COUNTER and row["value"] is not None}
    answers = [answer for answer in plant.answers(meter) if until_ms is None or answer.boot_ms <= until_ms]
    return [answer for answer in answers if Decimal(answer.values[COUNTER]) not in held]


def slots(rows: Sequence[dict[str, Any]], meter: str) -> list[int]:
    """The times at which a meter was due, of all its rows."""
    return sorted({row["due_ms"] for row in rows if row["meter"] == meter})
