"""The catalogue: its facts are those collected, and mistakes in a profile are named where they stand."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from config.catalogue import METERS_FOLDER, catalogue, load_profile, profile_names
from config.problems import ConfigError, Problem
from config.profile import DeviceProfile
from protocols.quantities import by_name
from protocols.value import parse_decimal

FACTS = Path(__file__).parents[3] / "shared" / "reference" / "meters.csv"
TYPES = {"u": "uint", "i": "int", "f": "float"}


@pytest.fixture(scope="module")
def profiles() -> dict[str, DeviceProfile]:
    return catalogue()


def problems_of(tmp_path: Path, text: str, name: str = "maker-model") -> list[Problem]:
    path = tmp_path / f"{name}.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as raised:
        load_profile(path)
    return raised.value.problems


GOOD = """
name = "maker-model"
maker = "Maker"
products = ["Model"]
medium = "electricity"
protocol = "modbus"
evidence.manual = { source = "manual, page 12", seen = "once" }

[[point]]
quantity = "voltage_l1"
table = "input"
address = 0
type = "f32"
unit = "V"
resolution = "0.1"
evidence = "manual"
"""


def test_the_four_first_profiles_are_good(profiles: dict[str, DeviceProfile]) -> None:
    first = ["abb-b23", "eastron-sdm630", "ehz-sml", "siemens-pac2200"]
    assert list(profiles) == profile_names()
    assert set(first) <= set(profiles)


@pytest.mark.skipif(not FACTS.exists(), reason="corpora: the table of register facts is not on this machine")
@pytest.mark.parametrize(
    ("name", "vendor", "model"),
    [
        ("eastron-sdm630", "Eastron", "SDM630-Modbus V2"),
        ("abb-b23", "ABB", "B23"),
        ("siemens-pac2200", "Siemens", "PAC2200"),
    ],
)
def test_each_register_is_where_the_collected_facts_say(
    profiles: dict[str, DeviceProfile], name: str, vendor: str, model: str
) -> None:
    with FACTS.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if (row["vendor"], row["model"]) == (vendor, model)]
    facts = {
        row["quantity"]: (row["function"], int(row["register"]), row["data_type"])
        for row in rows
        if row["quantity"] not in ("serial_number", "model_code")
    }
    profile = profiles[name]
    assert facts == {p.quantity: (p.table, p.address, TYPES[p.type[0]] + p.type[1:]) for p in profile.points}
    seen = {row["quantity"]: row["confidence"] for row in rows}
    assert all(profile.evidence[point.evidence].seen == seen[point.quantity] for point in profile.points)
    identity = next((row for row in rows if row["quantity"] == "serial_number"), None)
    if profile.identity is None:
        assert identity is None
    else:
        assert identity is not None
        assert profile.identity.address == int(identity["register"])


def test_disputed_facts_say_so(profiles: dict[str, DeviceProfile]) -> None:
    pac2200 = profiles["siemens-pac2200"]
    frequency = next(point for point in pac2200.points if point.quantity == "frequency")
    assert frequency.address == 55
    assert "46" in pac2200.evidence[frequency.evidence].note
    assert not any(point.quantity == "energy_active_import_total" for point in pac2200.points)
    assert "nymea" in profiles["eastron-sdm630"].evidence["phase-energy"].note
    assert "0x5B3C" in profiles["abb-b23"].evidence["power-factor"].note


def test_every_float_gauge_is_quantised_and_no_unsigned_value_lacks_its_pattern(
    profiles: dict[str, DeviceProfile],
) -> None:
    for profile in profiles.values():
        for point in profile.points:
            gauge = by_name(point.quantity).kind == "gauge"
            assert point.resolution or not (gauge and point.type.startswith("f")), point
    assert all(point.not_available for point in profiles["abb-b23"].points)


def test_scales_are_those_of_the_maker(profiles: dict[str, DeviceProfile]) -> None:
    scales = {point.quantity: parse_decimal(point.scale) for point in profiles["abb-b23"].points}
    assert str(scales["voltage_l1"]) == "0.1"
    assert str(scales["energy_active_import_total"]) == "0.01"
    assert str(scales["power_factor_l2"]) == "0.001"


def test_a_good_profile_is_read(tmp_path: Path) -> None:
    path = tmp_path / "maker-model.toml"
    path.write_text(GOOD)
    assert load_profile(path).points[0].quantity == "voltage_l1"


@pytest.mark.parametrize(
    ("old", "new", "key", "right"),
    [
        ('"voltage_l1"', '"voltage_L1"', '[[point]] "voltage_L1" quantity', 'did you mean "voltage_l1"?'),
        ('"voltage_l1"', '"meter_serial"', '[[point]] "meter_serial" quantity', "kind identity"),
        ('unit = "V"', 'unit = "W"', '[[point]] "voltage_l1" unit', "V, or a unit"),
        ("address = 0", "address = 65535", '[[point]] "voltage_l1" address', "0 to 65534"),
        ("address = 0", 'address = "0"', '[[point]] "voltage_l1" address', "a whole number"),
        ('"f32"', '"float32"', '[[point]] "voltage_l1" type', '"f32"'),
        ('"0.1"', '"0.2"', '[[point]] "voltage_l1" resolution', "power of ten"),
        ('"0.1"', "0.1", '[[point]] "voltage_l1" resolution', "text in"),
        ('unit = "V"', 'unit = "V"\nscale = "0"', '[[point]] "voltage_l1" scale', "other than zero"),
        (
            'unit = "V"',
            'unit = "V"\nnot_available = ["ffff"]',
            '[[point]] "voltage_l1" not_available',
            "8 hex",
        ),
        (
            'evidence = "manual"',
            'evidence = "manul"',
            '[[point]] "voltage_l1" evidence',
            'did you mean "manual"?',
        ),
        ("electricity", "electric", "medium", 'did you mean "electricity"?'),
        ('"maker-model"', '"other"', "name", '"maker-model"'),
        ('"modbus"', '"sml"', "protocol", "[[object]] and no [[point]]"),
        ('["Model"]', "[]", "products", "models"),
        ('seen = "once"', 'seen = "thrice"', "[evidence.manual] seen", '"twice"'),
        ('table = "input"', 'table = "coil"', '[[point]] "voltage_l1" type', "single bits"),
        (
            'evidence = "manual"',
            'evidence = "manual"\nadress = 1',
            '[[point]] "voltage_l1" adress',
            "no such key",
        ),
        ("[[point]]", "[limits]\nregisters_max = 1\n[[point]]", "[limits] registers_max", "at least 2"),
        ("[[point]]", "[limits]\nregisters_max = 126\n[[point]]", "[limits] registers_max", "1 to 125"),
    ],
)
def test_a_mistake_in_a_profile_is_named_with_its_file_and_point(
    tmp_path: Path, old: str, new: str, key: str, right: str
) -> None:
    assert old in GOOD
    (problem,) = problems_of(tmp_path, GOOD.replace(old, new, 1))
    assert (problem.file, problem.key) == ("maker-model.toml", key)
    assert right in problem.expected


V1 = '[[point]] "voltage_l1"'
TYPED = GOOD.replace('"f32"', '"i16"') + 'scale_register = { address = 4, type = "power-i16" }\n'
TEXT = '[identity]\ntable = "holding"\naddress = 9\ntype = "string"\nevidence = "manual"\n[[point]]'


@pytest.mark.parametrize(
    ("text", "key", "right"),
    [
        (TYPED.replace('"i16"', '"f32"'), f"{V1} scale_register", "only whole numbers"),
        (TYPED.replace("address = 4", "address = 65536"), f"{V1} scale_register", "0 to 65535"),
        (TYPED, "[limits] gap_registers_max", "at least 3"),
        (TYPED.replace("address = 4", "address = 1, kind = 1"), f"{V1} [scale_register] kind", "no such key"),
        (
            TYPED.replace("[[point]]", "[limits]\nregisters_max = 4\ngap_registers_max = 3\n[[point]]"),
            f"{V1} scale_register",
            "registers_max = 4",
        ),
        (GOOD.replace('"f32"', '"string"'), f"{V1} type", "only [identity] may be text"),
        (GOOD.replace('"f32"', '"bits"\nbit = 16'), f"{V1} bit", "0 to 15"),
        (GOOD.replace('"f32"', '"bits"\nbit = 14\nbits = 3'), f"{V1} bits", "1 to 2"),
        (GOOD.replace('"f32"', '"f32"\nbit = 1'), f"{V1} bit", 'type "bits"'),
        (GOOD.replace('"f32"', '"f32"\norder = "middle"'), f"{V1} order", '"little-swapped"'),
        (GOOD.replace("[[point]]", TEXT), "[identity] registers", "how many registers"),
        (
            GOOD.replace("[[point]]", TEXT.replace('"string"', '"string"\nregisters = 8\norder = "little"')),
            "[identity] order",
            "not turned round",
        ),
        (GOOD.replace("[[point]]", TEXT.replace('"string"', '"f32"')), "[identity] type", '"string"'),
        (
            GOOD.replace("[[point]]", TEXT.replace('"string"', '"u32"\nregisters = 2')),
            "[identity] registers",
            "left out",
        ),
    ],
)
def test_a_mistake_in_a_type_or_a_scale_is_named(tmp_path: Path, text: str, key: str, right: str) -> None:
    (problem,) = problems_of(tmp_path, text)
    assert problem.key == key
    assert right in problem.expected


def test_a_scale_register_and_a_text_as_identity_are_good(tmp_path: Path) -> None:
    path = tmp_path / "maker-model.toml"
    head = "[limits]\ngap_registers_max = 3\n" + TEXT.replace('"string"', '"string"\nregisters = 8')
    path.write_text(TYPED.replace("[[point]]", head))
    profile = load_profile(path)
    assert profile.identity is not None
    assert profile.points[0].scale_register is not None


def test_a_quantity_stands_once_in_a_profile(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, GOOD + GOOD[GOOD.index("[[point]]") :])
    assert problem.key == '[[point]] "voltage_l1" (number 2) quantity'


def test_an_object_has_the_code_of_its_quantity(tmp_path: Path) -> None:
    head = GOOD[: GOOD.index("[[point]]")].replace('"modbus"', '"sml"')
    entry = '[[object]]\nquantity = "energy_active_import_total"\nobis = "{}"\nevidence = "manual"\n'
    assert "1-0:1.8.0" in problems_of(tmp_path, head + entry.format("1-0:2.8.0"))[0].expected
    assert "A-B:C.D.E" in problems_of(tmp_path, head + entry.format("1.8.0"))[0].expected


def test_the_catalogue_lies_beside_its_module() -> None:
    assert all((METERS_FOLDER / f"{name}.toml").is_file() for name in profile_names())
