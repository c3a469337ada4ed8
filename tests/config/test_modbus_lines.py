"""Lines of Modbus in its framings: what is the default, and what cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.test_load import BUS, GOOD, HEAD, HOUSE, folder, load, only_problem

__all__ = ["folder"]  # the fixture

ASCII = GOOD.replace("modbus-rtu", "modbus-ascii")


def test_ascii_is_7e1_by_default_and_as_the_line_says_otherwise(folder: Path) -> None:
    (line,) = load(folder, ASCII).lines
    assert (line.config.protocol, line.format, line.baud) == ("modbus-ascii", "7E1", 9600)
    (line,) = load(folder, ASCII.replace('"modbus-ascii"', '"modbus-ascii"\nformat = "7N2"')).lines
    assert line.format == "7N2"


def test_meters_of_other_formats_may_share_an_ascii_line_but_not_one_address(folder: Path) -> None:
    """The factory formats are those of RTU."""
    other = HOUSE.replace('"house"', '"flat"').replace("eastron-sdm630", "abb-b23")
    text = ASCII.replace('"modbus-ascii"', '"modbus-ascii"\nbaud = 9600') + other
    assert only_problem(folder, text).key == '[[meter]] "flat" address'
    assert len(load(folder, text.replace('abb-b23"', 'abb-b23"\naddress = 2')).lines[0].meters) == 2


def test_rtu_needs_eight_bits(folder: Path) -> None:
    problem = only_problem(folder, GOOD.replace('"modbus-rtu"', '"modbus-rtu"\nformat = "7E1"'))
    assert problem.key == '[[line]] "bus" format'
    assert "8 data bits" in problem.expected


@pytest.mark.parametrize("protocol", ["modbus-rtu", "modbus-ascii"])
def test_both_serial_framings_may_come_through_a_serial_server(folder: Path, protocol: str) -> None:
    line = BUS.replace("serial:///dev/serial/by-path/first", "tcp://10.0.0.7:4001")
    text = HEAD + line.replace("modbus-rtu", protocol) + HOUSE
    assert load(folder, text).lines[0].config.protocol == protocol


def test_addresses_on_an_ascii_line_are_those_of_a_bus(folder: Path) -> None:
    problem = only_problem(folder, ASCII.replace('id = "house"', 'id = "house"\naddress = 248'))
    assert "1 to 247" in problem.expected
