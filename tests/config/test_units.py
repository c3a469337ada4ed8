"""Conversions between units lose nothing, and refuse what they cannot do exactly."""

from __future__ import annotations

import pytest

from protocols.units import DLMS_UNITS, UNIT_NAMES, conversion
from protocols.value import Scaled, parse_decimal


@pytest.mark.parametrize(
    ("value", "from_unit", "to_unit", "right"),
    [
        ("428896.4", "Wh", "kWh", "428.8964"),
        ("1234567.0", "Wh", "kWh", "1234.567"),
        ("0.05", "MWh", "kWh", "50"),
        ("2.623", "kW", "W", "2623"),
        ("1500", "mA", "A", "1.5"),
        ("12345", "l", "m3", "12.345"),
        ("1013", "hPa", "bar", "1.013"),
        ("7", "1", "1", "7"),
    ],
)
def test_a_conversion_loses_no_digit(value: str, from_unit: str, to_unit: str, right: str) -> None:
    converted = parse_decimal(value).times(conversion(from_unit, to_unit))
    assert converted.normalised() == parse_decimal(right).normalised()


@pytest.mark.parametrize(
    ("from_unit", "to_unit"),
    [("Wh", "varh"), ("degC", "K"), ("J", "kWh"), ("", "kWh"), ("furlong", "m"), ("W", "")],
)
def test_what_has_no_exact_decimal_factor_is_refused(from_unit: str, to_unit: str) -> None:
    with pytest.raises(ValueError, match="cannot be converted"):
        conversion(from_unit, to_unit)


def test_conversion_there_and_back_is_one() -> None:
    for unit in UNIT_NAMES:
        for other in UNIT_NAMES:
            try:
                there = conversion(unit, other)
            except ValueError:
                continue
            assert there.times(conversion(other, unit)) == Scaled(1, 0)


def test_the_codes_that_meters_send_have_their_standard_names() -> None:
    codes = {
        27: "W",
        29: "var",
        30: "Wh",
        32: "varh",
        33: "A",
        35: "V",
        44: "Hz",
        8: "deg",
        13: "m3",
        255: "1",
    }
    assert codes.items() <= DLMS_UNITS.items()
