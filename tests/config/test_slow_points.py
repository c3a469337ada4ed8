"""Points that are read less often: what becomes of them, and what cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.readers import series_table
from protocols.quantities import by_name
from tests.config.test_load import GOOD, HEAD, folder, load, only_problem

__all__ = ["folder"]  # the fixture

COUNTER = "energy_active_import_total"


def slow(interval_s: int, *names: str) -> str:
    quantities = ", ".join(f'"{name}"' for name in names)
    return GOOD + f"slow = {{ interval_s = {interval_s}, quantities = [{quantities}] }}\n"


def test_the_dictionary_tells_the_interval_of_each_series(folder: Path) -> None:
    [meter] = series_table(load(folder, slow(900, COUNTER)))
    intervals = {series.quantity: series.interval_ms for series in meter.series}
    assert intervals.pop(by_name(COUNTER).number) == 900_000
    assert set(intervals.values()) == {60_000}


@pytest.mark.parametrize("interval_s", [60, 90, 30, 0, -60, 60 * 1441])
def test_slow_slots_are_slots_of_the_meter(folder: Path, interval_s: int) -> None:
    problem = only_problem(folder, slow(interval_s, COUNTER))
    assert problem.key == '[[meter]] "house" slow interval_s'
    assert "a multiple of the meter's interval_s = 60" in problem.expected


def test_a_quantity_that_is_not_read_is_told_with_the_likely_one(folder: Path) -> None:
    problem = only_problem(folder, slow(900, "energy_active_import_totl"))
    assert problem.key == '[[meter]] "house" slow quantities'
    assert f'"{COUNTER}"' in problem.expected


@pytest.mark.parametrize("names", [(), (COUNTER,)])
def test_some_are_slow_and_not_all(folder: Path, names: tuple[str, ...]) -> None:
    text = slow(900, *names).replace("interval_s = 60\n", f'interval_s = 60\nquantities = ["{COUNTER}"]\n')
    assert "and not all" in only_problem(folder, text).expected


def test_a_meter_that_sends_all_at_once_has_none(folder: Path) -> None:
    text = (
        HEAD
        + """
[[line]]
id = "head"
url = "serial:///dev/serial/by-path/first"
protocol = "sml"

[[meter]]
id = "ehz"
line = "head"
profile = "ehz-sml"
slow = { interval_s = 900, quantities = ["energy_active_import_total"] }
"""
    )
    problem = only_problem(folder, text)
    assert (problem.key, problem.expected) == (
        '[[meter]] "ehz" slow',
        "left out: sml meters send all at once",
    )
