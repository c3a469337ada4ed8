"""Where the sources of the catalogue disagree: which reading it takes, and how the other one is noticed.

Noticed means one of: the type code of the device tells that another profile is right; the profile's telling
quantity leaves its limits; the reading is marked implausible, by its reader or by the plausibility of its
quantity (`found`). Where no value can tell, the evidence says what to compare at commissioning.
"""

from __future__ import annotations

import struct

import pytest

from config.catalogue import catalogue
from edge_agent.plausibility import Plausibility, rules_of
from edge_agent.recognition import decode_type_code, is_plausible, is_type, type_code_block
from protocols.quantities import by_name
from protocols.value import Quality, parse_decimal
from tests.config.registers import address_of, profile_of, reading_of, value_of


def floats(value: float) -> tuple[int, int]:
    high, low = struct.unpack(">HH", struct.pack(">f", value))
    return high, low


def note_of(name: str, quantity: str) -> str:
    profile = profile_of(name)
    point = next(point for point in profile.points if point.quantity == quantity)
    return " ".join(profile.evidence[point.evidence].note.split())


def is_noticed(name: str, *words: int) -> bool:
    """Whether the profile's telling quantity, read from these registers, leaves its limits."""
    plausible = profile_of(name).plausible
    assert plausible is not None
    return not is_plausible(plausible, value_of(name, plausible.quantity, *words))


def found(name: str, quantity: str, *courses: tuple[int, ...]) -> str:
    """What plausibility finds in these registers, read a minute apart; "" where the last ones are good."""
    rules = rules_of([([(by_name(quantity), -3)], profile_of(name), (1, 1))])
    checks, finding = Plausibility(rules), None
    for n, words in enumerate(courses):
        reading = reading_of(name, quantity, *words)
        finding = checks.judge(reading._replace(time_ms=60_000 * n))
    return "" if finding is None else finding.name


def is_known_as(name: str, text: str) -> bool:
    type_code = profile_of(name).type_code
    assert type_code is not None
    data = text.encode().ljust(2 * type_code_block(type_code).count, b"\0")
    return is_type(type_code, decode_type_code(type_code, data))


@pytest.mark.parametrize("name", ["eastron-sdm630", "eastron-sdm54"])
def test_1_phase_energies_of_an_eastron_are_import_first(name: str) -> None:
    assert [address_of(name, f"energy_active_import_l{n}") for n in (1, 2, 3)] == [346, 348, 350]
    assert [address_of(name, f"energy_active_export_l{n}") for n in (1, 2, 3)] == [352, 354, 356]
    assert "load on L1 only" in note_of(name, "energy_active_import_l1")


@pytest.mark.parametrize(
    "name", ["eastron-sdm630", "eastron-sdm120", "eastron-sdm220", "eastron-sdm230", "eastron-sdm72-v2"]
)
def test_2_a_frequency_of_500_is_passed_on_as_sent_and_noticed(name: str) -> None:
    assert value_of(name, "frequency", *floats(500.0)) == parse_decimal("500.00")
    assert is_noticed(name, *floats(500.0))
    assert not is_noticed(name, *floats(49.98))
    assert found(name, "frequency", floats(500.0)) == "range"
    assert found(name, "frequency", floats(49.98)) == ""


@pytest.mark.parametrize("name", ["siemens-pac2200", "siemens-pac3200", "siemens-pac4200"])
def test_3_the_frequency_of_a_siemens_pac_is_at_55(name: str) -> None:
    assert address_of(name, "frequency") == 55
    assert "46" in note_of(name, "frequency")
    assert is_noticed(name, *floats(0.0))
    assert found(name, "frequency", floats(0.0)) == "range"


@pytest.mark.parametrize("name", ["siemens-pac2200", "siemens-pac3200", "siemens-pac4200"])
def test_4_energies_of_a_siemens_pac_are_those_of_both_tariffs_and_no_total(name: str) -> None:
    addresses = {
        f"energy_active_{way}_tariff{tariff}": address_of(name, f"energy_active_{way}_tariff{tariff}")
        for way in ("import", "export")
        for tariff in (1, 2)
    }
    assert list(addresses.values()) == [801, 805, 809, 813]
    assert not any(
        point.quantity.startswith("energy") and point.quantity.endswith("total")
        for point in profile_of(name).points
    )


SCHNEIDER = ["schneider-iem3155", "schneider-iem3255", "schneider-pm5000"]


@pytest.mark.parametrize("name", SCHNEIDER)
def test_5_phase_voltages_of_a_schneider_are_those_to_neutral(name: str) -> None:
    """The manual counts from 1: 3028 to 3032; 3020 to 3024 are between phases."""
    assert [address_of(name, f"voltage_l{n}") + 1 for n in (1, 2, 3)] == [3028, 3030, 3032]
    assert not any(3019 <= point.address <= 3024 for point in profile_of(name).points)
    assert found(name, "voltage_l1", floats(400.0)) == "range"


@pytest.mark.parametrize("name", SCHNEIDER)
def test_6_power_of_a_schneider_is_in_kw_and_every_energy_in_wh(name: str) -> None:
    assert value_of(name, "power_active_total", *floats(1.5)) == parse_decimal("1500.0")
    energies = [point.quantity for point in profile_of(name).points if point.quantity.startswith("energy")]
    assert len(energies) >= 2
    for quantity in energies:
        assert value_of(name, quantity, 0, 0, 18, 54919) == parse_decimal("1234.567")
    kwh_taken_for_wh = ((0, 0, 18, 54919), (0, 0, 0, 1234))
    assert found(name, energies[0], *kwh_taken_for_wh) == "fell"


JANITZA = ["janitza-umg96rm", "janitza-umg604-19000", "janitza-umg103", "janitza-b23"]


@pytest.mark.parametrize("name", JANITZA)
def test_7_totals_of_a_janitza_are_behind_its_phases(name: str) -> None:
    assert address_of(name, "energy_active_import_l1") == 19062
    assert address_of(name, "energy_active_import_total") == 19068
    assert address_of(name, "energy_active_export_l1") == 19070
    assert address_of(name, "energy_active_export_total") == 19076


@pytest.mark.parametrize("name", JANITZA)
def test_7_the_words_of_the_twin_list_are_noticed(name: str) -> None:
    high, low = floats(50.0)
    assert reading_of(name, "frequency", low, high).quality & Quality.IMPLAUSIBLE
    assert is_noticed(name, low, high)
    assert found(name, "frequency", (low, high)) == "type"


SOCOMEC = {
    "COUNTIS E31": ("socomec-countis-e3x", 0xC652, "1234"),
    "Countis E34": ("socomec-countis-e34", 0xC702, "12.34"),
    "COUNTIS E24": ("socomec-countis-e2x", 0xC702, "12.34"),
    "DIRIS A14": ("socomec-diris-a14", 0xC702, "12.34"),
    "DIRIS A10": ("socomec-diris-a10", 0xC65C, "1234"),
}


@pytest.mark.parametrize(("told", "right"), SOCOMEC.items())
def test_8_the_model_tells_which_energies_a_socomec_has(told: str, right: tuple[str, int, str]) -> None:
    name, address, value = right
    assert address_of(name, "energy_active_import_total") == address
    assert value_of(name, "energy_active_import_total", 0, 1234) == parse_decimal(value)
    fitting = [name for name, profile in catalogue().items() if profile.maker == "Socomec"]
    assert [name for name in fitting if is_known_as(name, told)] == [name]


def test_9_the_two_kinds_of_em24_are_told_apart() -> None:
    quantities = ("power_factor_l1", "frequency", "energy_active_import_total", "energy_active_export_total")
    rs485 = [address_of("carlo-gavazzi-em24-rs485", quantity) for quantity in quantities]
    ethernet = [address_of("carlo-gavazzi-em24-e1", quantity) for quantity in quantities]
    assert (rs485, ethernet) == ([0x32, 0x37, 0x42, 0x5C], [0x2E, 0x33, 0x34, 0x4E])
    power_factor = 997  # where the other kind has its frequency
    assert is_noticed("carlo-gavazzi-em24-rs485", power_factor)
    assert is_noticed("carlo-gavazzi-em24-e1", power_factor)
    assert found("carlo-gavazzi-em24-rs485", "frequency", (power_factor,)) == "range"
    assert found("carlo-gavazzi-em24-rs485", "power_factor_l1", (5000,)) == "range"
    type_code = profile_of("carlo-gavazzi-em24-e1").type_code
    assert type_code is not None
    assert is_type(type_code, decode_type_code(type_code, (1651).to_bytes(2, "big")))
    assert not is_type(type_code, decode_type_code(type_code, (71).to_bytes(2, "big")))


def test_9_the_current_of_an_em110_is_in_ma() -> None:
    assert value_of("carlo-gavazzi-em110", "current_l1", 1500, 0) == parse_decimal("1.500")
    assert "clamp meter" in note_of("carlo-gavazzi-em110", "current_l1")


@pytest.mark.parametrize("name", ["abb-b23", "abb-a43", "abb-a44"])
def test_10_power_factors_of_an_abb_are_where_real_meters_answer(name: str) -> None:
    assert [address_of(name, f"power_factor_l{n}") for n in (1, 2, 3)] == [0x5B3B, 0x5B3C, 0x5B3D]
    assert "heater" in note_of(name, "power_factor_l2")


def test_11_the_frequency_of_a_lovato_is_in_mhz_and_another_step_is_noticed() -> None:
    assert value_of("lovato-dmg610", "frequency", 0, 50_000) == parse_decimal("50.000")
    assert is_noticed("lovato-dmg610", 0, 5_000)
    assert found("lovato-dmg610", "frequency", (0, 5_000)) == "range"
    assert not is_noticed("lovato-dmg610", 0, 50_000)


def test_12_reactive_power_of_an_orno_is_in_kvar() -> None:
    assert value_of("orno-or-we-516", "power_reactive_l1", *floats(0.25)) == parse_decimal("250.0")
    assert "apparent power" in note_of("orno-or-we-516", "power_reactive_total")


def test_13_the_export_of_a_ds100_is_where_its_sisters_have_it() -> None:
    assert address_of("bg-ds100", "energy_active_export_total") == 0x0118
    assert address_of("bg-ws100", "energy_active_export_total") == 0x0118
    assert address_of("orno-or-we-525", "energy_active_export_total") == 0x0118
    assert "0x118A" in note_of("bg-ds100", "energy_active_export_total")


def test_14_integers_of_an_eltako_read_as_floats_are_marked() -> None:
    words = (0, 23010)
    assert value_of("eltako-dsz15", "voltage_l1", *words) == parse_decimal("230.10")
    assert reading_of("eastron-sdm630", "voltage_l1", *words).quality & Quality.IMPLAUSIBLE
    assert not reading_of("eastron-sdm630", "voltage_l1", *floats(230.1)).quality
    assert found("eastron-sdm630", "voltage_l1", words) == "type"
    assert found("eastron-sdm630", "energy_active_import_total", words) == "type"
    assert address_of("eltako-dsz15", "voltage_l1") == address_of("eastron-sdm630", "voltage_l1")
