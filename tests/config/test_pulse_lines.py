"""Pulse inputs in a gateway's file and in the catalogue: what is taken, and what each mistake is told."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from config.catalogue import METERS_FOLDER, load_profile
from config.problems import ConfigError, Problem
from edge_agent.pulse_reader import PulseReader
from edge_agent.readers import readers, series_table
from protocols.quantities import by_name
from tests.config.test_load import BUS, HEAD, HOUSE, folder, load, problems_of

__all__ = ["folder"]  # the fixture

INPUT = """
[[line]]
id = "in-1"
url = "gpio:///dev/gpiochip0?line=17&bias=pull-up&edge=falling"
protocol = "s0"
"""
WATER = """
[[meter]]
id = "water"
line = "in-1"
profile = "s0-pulse-water"
"""


def test_a_pulse_meter_is_a_meter_like_any_other_and_its_own_constant_wins(folder: Path) -> None:
    gateway = load(folder, HEAD + BUS + INPUT + HOUSE + WATER)
    reader = readers(gateway)[1]
    assert isinstance(reader, PulseReader)
    assert reader.step == Fraction(1, 100), "10 l a pulse, in m3"
    (series,) = series_table(gateway)[1].series
    assert (series.quantity, series.exponent) == (by_name("volume_water_cold_total").number, -2)
    own = load(folder, HEAD + INPUT + WATER + 'pulses_per_unit = "0.25"\n')
    (reader,) = readers(own)
    assert isinstance(reader, PulseReader)
    assert reader.step == Fraction(4, 1000)


@pytest.mark.parametrize(
    ("text", "key", "right"),
    [
        (INPUT, '[[line]] "in-1"', "one meter"),
        (INPUT + WATER + WATER.replace('"water"', '"other"'), '[[line]] "in-1"', "one meter"),
        (INPUT.replace("line=17", "line=x") + WATER, '[[line]] "in-1" url', "line=0"),
        (INPUT.replace("gpio://", "serial://") + WATER, '[[line]] "in-1" url', "gpio://"),
        (INPUT + WATER + 'pulses_per_unit = "0"\n', '[[meter]] "water" pulses_per_unit', '"1000"'),
        (INPUT + WATER + 'pulses_per_unit = "1/75"\n', '[[meter]] "water" pulses_per_unit', '"1000"'),
        (BUS + HOUSE + 'pulses_per_unit = "1000"\n', '[[meter]] "house" pulses_per_unit', "left out"),
        (INPUT + WATER.replace("s0-pulse-water", "ehz-sml"), '[[meter]] "water" profile', "a profile for s0"),
        (
            INPUT + WATER + 'quantities = ["volume_gas_total"]\n',
            '[[meter]] "water" quantities',
            "volume_water",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place_and_what_would_be_right(
    text: str, key: str, right: str, folder: Path
) -> None:
    (problem,) = problems_of(folder, HEAD + text)
    assert problem.key == key
    assert right in problem.expected


@pytest.mark.parametrize(
    ("old", "new", "key", "right"),
    [
        ('"volume_water_cold_total"', '"flow_rate"', "[pulse] quantity", "a counter"),
        ('"volume_water_cold_total"', '"volume_water"', "[pulse] quantity", "a name from"),
        ('unit = "l"', 'unit = "kWh"', "[pulse] unit", "m3"),
        ('pulses_per_unit = "0.1"', 'pulses_per_unit = "-1"', "[pulse] pulses_per_unit", '"1000"'),
        ('evidence = "pulse"', 'evidence = "pulse"\npulse_ms_min = 0', "[pulse] pulse_ms_min", "1 to"),
        ('evidence = "pulse"', 'evidence = "puls"', "[pulse] evidence", "pulse"),
        ('protocol = "s0"', 'protocol = "modbus"', "protocol", "[[point]] and no"),
    ],
)
def test_a_mistake_in_a_pulse_profile_is_told(
    old: str, new: str, key: str, right: str, tmp_path: Path
) -> None:
    text = (METERS_FOLDER / "s0-pulse-water.toml").read_text()
    assert old in text
    path = tmp_path / "s0-pulse-water.toml"
    path.write_text(text.replace(old, new))
    with pytest.raises(ConfigError) as raised:
        load_profile(path)
    problems: list[Problem] = raised.value.problems
    assert [problem.key for problem in problems] == [key]
    assert right in problems[0].expected
