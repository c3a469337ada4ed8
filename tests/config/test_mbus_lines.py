"""M-Bus loops in a gateway's file and in profiles: what is taken, and what each mistake is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.catalogue import load_profile
from config.problems import ConfigError
from tests.config.test_load import HEAD, folder, load, problems_of

__all__ = ["folder"]  # the fixture

LINE = '[[line]]\nid = "l"\nurl = "serial:///dev/ttyUSB9"\nprotocol = "mbus"\n'
RECORD = '[[record]]\nquantity = "energy_heat_total"\nkind = "energy"\nunit = "Wh"\nevidence = "e"\n'
KNOWN = '[identification]\nmedia = [4]\nevidence = "e"\n'
PROFILE = (
    'name = "p"\nmaker = ""\nproducts = ["x"]\nmedium = "heat"\nprotocol = "mbus"\n'
    '[evidence.e]\nsource = "s"\nseen = "once"\n'
)


def meter(more: str, name: str = "m", profile: str = "mbus-heat") -> str:
    return f'[[meter]]\nid = "{name}"\nline = "l"\nprofile = "{profile}"\ninterval_s = 3600\n{more}\n'


def test_a_loop_has_many_meters_by_either_address(folder: Path) -> None:
    text = meter("address = 5") + meter('secondary = "12345678.KAM.1B.04"', "n")
    text += meter('secondary = "12345678.ELS.03.03"', "o", "mbus-gas") + meter('secondary = "00000001"', "q")
    gateway = load(folder, HEAD + LINE + text)
    assert (gateway.lines[0].baud, gateway.lines[0].format) == (2400, "8E1")
    assert [m.serial for m in gateway.file.meters] == ["", "12345678", "12345678", "00000001"], (
        "a secondary address has the serial number in it"
    )


def test_a_loop_whose_meters_are_still_to_be_found_needs_none(folder: Path) -> None:
    (line,) = load(folder, HEAD + LINE).lines
    assert (line.baud, line.format, line.meters) == (2400, "8E1", ())


@pytest.mark.parametrize(
    ("text", "key", "right"),
    [
        (meter("address = 251"), "address", "1 to 250"),
        (meter('secondary = "1234567F"'), "secondary", "A wildcard would read whichever meter"),
        (meter('secondary = "12345678.KAM"'), "secondary", "right is 12345678.KAM.1B.04"),
        (meter('secondary = "12345678"\naddress = 5'), "address", "the secondary address selects the meter"),
        (
            meter('secondary = "12345678"\nserial = "87654321"'),
            "serial",
            "12345678, as the secondary address",
        ),
        (meter('secondary = "12345678"') + meter('secondary = "12345678"', "n"), "secondary", "of its own"),
        (meter("address = 5") + meter("address = 5", "n"), "address", "an address of its own"),
    ],
)
def test_a_mistake_in_an_address_is_told(text: str, key: str, right: str, folder: Path) -> None:
    (problem,) = problems_of(folder, HEAD + LINE + text)
    assert problem.key.endswith(key)
    assert right in problem.expected


def test_a_secondary_address_is_for_the_m_bus_only(folder: Path) -> None:
    text = LINE.replace("mbus", "modbus-rtu") + meter('secondary = "12345678"', profile="eastron-sdm630")
    (problem,) = problems_of(folder, HEAD + text)
    assert "only M-Bus meters" in problem.expected


def test_a_battery_is_spared_unless_somebody_says_why_not(folder: Path) -> None:
    often = meter("").replace("3600", "60")
    (problem,) = problems_of(folder, HEAD + LINE + often)
    assert problem.key.endswith("interval_s")
    assert "900 or more" in problem.expected
    assert "interval_floor_waived" in problem.expected
    waived = often + 'interval_floor_waived = "mains supply"\n'
    assert load(folder, HEAD + LINE + waived).file.meters[0].interval_s == 60
    (problem,) = problems_of(folder, HEAD + LINE + waived.replace("= 60", "= 900"))
    assert "nothing is waived" in problem.expected


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (KNOWN + RECORD.replace('"energy"', '"enegry"'), '[[record]] "energy_heat_total" kind'),
        (KNOWN + RECORD.replace('"Wh"', '"J"'), '[[record]] "energy_heat_total" unit'),
        (KNOWN + RECORD + "storage = -1\n", '[[record]] "energy_heat_total" storage'),
        (KNOWN + RECORD + 'qualifiers = ["phase_l4"]\n', '[[record]] "energy_heat_total" kind'),
        (KNOWN + RECORD + RECORD, '[[record]] "energy_heat_total" (number 2) quantity'),
        (RECORD, "[identification]"),
        (KNOWN.replace("[4]", "[]") + RECORD, "[identification] media"),
        (KNOWN.replace("[4]", "[255]") + RECORD, "[identification] media"),
        (KNOWN + 'makers = ["kam"]\n' + RECORD, "[identification] makers"),
        (KNOWN, "protocol"),
    ],
)
def test_a_mistake_in_a_profile_is_told(text: str, key: str, tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(PROFILE + text)
    with pytest.raises(ConfigError) as caught:
        load_profile(path)
    assert [problem.key for problem in caught.value.problems] == [key]
