"""Every profile of the catalogue: complete, without overlaps, known by something, told on its page."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from config.catalogue import (
    BIT_TABLES,
    METERS_FOLDER,
    SCALED_TYPES,
    VERIFIED,
    catalogue,
    point_span,
    readable_evidence,
    register_count,
    unverified,
)
from config.meters_page import meters_page
from config.profile import DeviceProfile, Point
from protocols.quantities import by_name
from protocols.units import conversion
from protocols.value import parse_decimal

ROOT = Path(__file__).parents[2]
FACTS = ROOT.parent / "shared" / "reference" / "meters.csv"
FAMILIES_MIN = 85

PROFILES = catalogue()
MODBUS = sorted(name for name, profile in PROFILES.items() if profile.protocol == "modbus")
PLAIN = [name for name in MODBUS if not any(point.models for point in PROFILES[name].points)]
KNOWN_BY_NOTHING = {"sma-data-manager", "saia-pcd7-h104d"}  # whose values can be anything


def test_the_catalogue_has_many_families() -> None:
    assert len(PROFILES) >= FAMILIES_MIN


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_every_profile_reads_something_and_says_where_each_fact_comes_from(name: str) -> None:
    profile = PROFILES[name]
    facts = readable_evidence(profile)
    assert facts
    assert all(fact.source for fact in profile.evidence.values())
    assert set(unverified(profile)) == {key for key, fact in facts.items() if fact.seen not in VERIFIED}
    assert (METERS_FOLDER / f"{name}.toml").read_text().startswith("# ")


@pytest.mark.parametrize("name", MODBUS)
def test_no_two_points_share_registers(name: str) -> None:
    taken: dict[tuple[str, int], Point] = {}
    for point in PROFILES[name].points:
        size = 1 if point.table in BIT_TABLES else register_count(point)
        models = ",".join(map(str, point.models))
        for address in range(point.address, point.address + size):
            other = taken.setdefault((point.table + models, address), point)
            assert other is point or other.type == point.type == "bits", (point.quantity, other.quantity)


@pytest.mark.parametrize("name", MODBUS)
def test_each_point_fits_into_one_read(name: str) -> None:
    limits = PROFILES[name].limits
    for point in PROFILES[name].points:
        first, last = point_span(point)
        assert 0 <= first < last <= 0x10000
        assert last - first <= limits.registers_max


@pytest.mark.parametrize("name", MODBUS)
def test_every_modbus_profile_is_known_by_something(name: str) -> None:
    profile = PROFILES[name]
    known = profile.identity or profile.type_code or profile.plausible
    assert (known is None) == (name in KNOWN_BY_NOTHING)


@pytest.mark.parametrize("name", MODBUS)
def test_every_float_gauge_is_quantised_and_no_counter_is_scaled_by_a_sign(name: str) -> None:
    for point in PROFILES[name].points:
        kind = by_name(point.quantity).kind
        assert point.resolution or not (kind == "gauge" and point.type.startswith("f")), point.quantity
        assert kind != "counter" or parse_decimal(point.scale).integer > 0, point.quantity


def test_the_page_of_meters_is_the_one_that_the_catalogue_gives() -> None:
    """Stale: `make docs` writes it anew."""
    assert (ROOT / "docs" / "meters.md").read_text() == meters_page(), "docs/meters.md is stale: make docs"


# Device of the table of facts, and the profiles that read it.
READ_BY = {
    ("Eastron", "SDM630-Modbus V2"): "eastron-sdm630",
    ("Eastron", "SDM120-Modbus"): "eastron-sdm120",
    ("Eastron", "SDM220-Modbus"): "eastron-sdm220",
    ("Eastron", "SDM230-Modbus"): "eastron-sdm230",
    ("Eastron", "SDM72D-M"): "eastron-sdm72d",
    ("Eastron", "SDM72DM-V2"): "eastron-sdm72-v2",
    ("Eastron", "SDM54"): "eastron-sdm54",
    ("ABB", "B23"): "abb-b23",
    ("ABB", "B24"): "abb-b23",
    ("ABB", "A43"): "abb-a43",
    ("ABB", "A44"): "abb-a44",
    ("ABB", "B21"): "abb-b21",
    ("Carlo Gavazzi", "EM24 (RS485, AV/PFA/PFB)"): "carlo-gavazzi-em24-rs485",
    ("Carlo Gavazzi", "EM24-DIN E1 (Ethernet)"): "carlo-gavazzi-em24-e1",
    ("Carlo Gavazzi", "EM330/EM340/ET330/ET340"): "carlo-gavazzi-em340",
    ("Carlo Gavazzi", "EM530/EM540"): "carlo-gavazzi-em540",
    ("Carlo Gavazzi", "EM110/EM111/EM112/ET112"): "carlo-gavazzi-em110",
    ("DZG", "DVH4013"): "dzg-dvh4013",
    ("Eltako", "DSZ15DZMOD / DSZ16 (integer format)"): "eltako-dsz15",
    ("Finder", "7M.24"): "finder-7m24",
    ("Finder", "7M.38"): "finder-7m38",
    ("Schneider Electric", "iEM3155"): "schneider-iem3155",
    ("Schneider Electric", "iEM3255"): "schneider-iem3255",
    ("Schneider Electric", "PM5100/PM5300/PM5500"): "schneider-pm5000",
    ("Schneider Electric", "Acti9 Smartlink"): "schneider-smartlink",
    ("Inepro", "PRO380-Mod"): "inepro-pro380",
    ("WAGO", "879-3000/3020/3040"): "wago-879-3000",
    ("Janitza", "B23/B24 (ECSEM)"): "janitza-b23",
    ("Janitza", "UMG 96RM / 96RM-E"): "janitza-umg96rm",
    ("Janitza", "UMG 604 / 605 / 104 (19000 list)"): "janitza-umg604-19000",
    ("Janitza", "UMG 103-CBM"): "janitza-umg103",
    ("Janitza", "UMG 604 (native list)"): "janitza-umg604",
    ("PQ Plus", "UMD 97"): "pqplus-umd97",
    ("Weidmueller", "EM525 / 525"): "weidmueller-em525",
    ("Siemens", "PAC2200"): "siemens-pac2200",
    ("Siemens", "PAC3200"): "siemens-pac3200",
    ("Siemens", "PAC4200"): "siemens-pac4200",
    ("Siemens", "PAC1600 (7KT1665/7KT1666)"): "siemens-pac1600",
    ("Socomec", "Countis E3x/E4x"): "socomec-countis-e3x",
    ("Socomec", "Countis E2x"): "socomec-countis-e2x",
    ("Socomec", "Diris A10/A14"): "socomec-diris-a14",
    ("Socomec", "Diris B30"): "socomec-diris-b30",
    ("Phoenix Contact", "EEM-MA370/MA371/XM3xx"): "phoenix-eem-ma370",
    ("Phoenix Contact", "EEM-MA600"): "phoenix-eem-ma600",
    ("Gossen Metrawatt", "ENERGYMID EM2281/2289/2381/2387/2389"): "gossen-energymid",
    ("Orno", "OR-WE-516/OR-WE-517"): "orno-or-we-516",
    ("Orno", "OR-WE-514/OR-WE-515"): "orno-or-we-514",
    ("Orno", "OR-WE-525/OR-WE-526"): "orno-or-we-525",
    ("Saia Burgess", "ALE3/AWD3"): "saia-ale3",
    ("Lovato", "DMG610"): "lovato-dmg610",
    ("B+G e-tech", "DS100"): "bg-ds100",
    ("B+G e-tech", "WS100"): "bg-ws100",
    ("Chint", "DTSU666"): "chint-dtsu666",
    ("Bernecker Engineering", "MPM3PM"): "bernecker-mpm3pm",
    ("Camille Bauer", "APLUS"): "camille-bauer-aplus",
    ("TQ-Systems / B-control", "EM300/EM420 (Modbus TCP)"): "tq-em420",
    ("Hager", "ECR380D"): "hager-ecr380d",
    ("KOSTAL", "PLENTICORE plus"): "kostal-plenticore",
    ("SMA", "Sunny Tripower / SMA Modbus profile"): "sma-tripower",
    ("SMA", "Sunny Home Manager via inverter"): "sma-home-manager",
    ("SMA", "Data Manager M"): "sma-data-manager",
    ("Belimo", "Energy Valve EV..R3"): "belimo-energy-valve",
    ("Senseair", "S8 LP (004-0-0053)"): "senseair-s8",
    ("S+S Regeltechnik", "AERASGARD RFTM-LQ-CO2-Modbus"): "sands-aerasgard",
    ("Thermokon", "LK+ CO2+VOC RS485"): "thermokon-lk",
    ("Thermokon", "NOVOS 3/5/7 / thanos EVO"): "thermokon-novos",
    ("iSMA CONTROLLI", "Touch Point"): "isma-touch-point",
    ("E+E Elektronik", "EE872"): "epluse-ee872",
    ("Comet", "T3511/T6540 web sensor"): "comet-t6540",
    ("egnite", "Querx TH"): "egnite-querx-th",
    ("Wirenboard", "WB-MSW v4"): "wirenboard-msw4",
    ("Lufft", "WS500/WS501/WS600-UMB"): "lufft-ws600",
    ("Thies Clima", "Clima Sensor US"): "thies-clima-sensor-us",
    ("Teltonika", "RUT2xx/RUT9xx/TRB1xx (Modbus TCP server)"): "teltonika-rut",
    ("Saia Burgess", "PCD7.H104D S0 pulse counter"): "saia-pcd7-h104d",
}
NO_READINGS = {"serial_number", "model_code", "manufacturer", "hostname", "network_operator", "ip_wan"}
RENAMED = {
    ("socomec-countis-e2x", "energy_active_import_total_hires"): "energy_active_import_total",
    ("socomec-countis-e2x", "energy_active_export_total_hires"): "energy_active_export_total",
    ("socomec-diris-a14", "energy_active_import_total_hires"): "energy_active_import_total",
    ("socomec-diris-a14", "energy_active_export_total_hires"): "energy_active_export_total",
    ("sands-aerasgard", "voc"): "voc_relative",
}
LEFT_OUT = {  # facts that no profile reads as they stand, and why
    ("siemens-pac4200", "energy_active_import_tariff1_float"): "loses digits; binary64 is read",
    ("socomec-countis-e3x", "energy_active_import_total_hires"): "of E34 and E44, which have a profile",
    ("socomec-countis-e3x", "energy_active_export_total_hires"): "of E34 and E44, which have a profile",
    ("bg-ds100", "energy_active_export_total"): "0x118A is a slip for 0x0118",
    ("sands-aerasgard", "co2_fast"): "the same quantity, less filtered",
    ("sands-aerasgard", "voc_fast"): "the same quantity, less filtered",
    ("sands-aerasgard", "temperature_room_fast"): "the same quantity, less filtered",
    ("sands-aerasgard", "humidity_relative_fast"): "the same quantity, less filtered",
}
OTHER_UNITS = {"l/s": ("m3/h", "3.6"), "m3/s": ("m3/h", "3600"), "pulses": ("1", "1"), "": ("1", "1")}


def facts() -> dict[str, list[dict[str, str]]]:
    """The facts of each profile, from the table."""
    if not FACTS.exists():
        return {}
    rows: dict[str, list[dict[str, str]]] = {}
    with FACTS.open(newline="") as file:
        for row in csv.DictReader(file):
            name = READ_BY.get((row["vendor"], row["model"]))
            if name is not None and row["quantity"] not in NO_READINGS:
                rows.setdefault(name, []).append(row)
    return rows


def as_in_the_table(row: dict[str, str]) -> tuple[object, ...]:
    """Table, address, type, order, factor to the registry's unit, seen; what a scale register says aside."""
    kind = row["data_type"][0] + row["data_type"].lstrip("uintfloa")
    order = "little" if row["word_order"].startswith("little") and row["count"] != "1" else "big"
    unit, factor = OTHER_UNITS.get(row["unit"], (row["unit"], "1"))
    words = row["scale"].partition(" ")[0]
    scale = parse_decimal("1" if words.startswith("10^") else words).times(parse_decimal(factor))
    return row["function"], int(row["register"]), kind, order, unit, scale.normalised(), row["confidence"]


def as_in_the_profile(profile: DeviceProfile, point: Point, unit: str) -> tuple[object, ...]:
    scale = parse_decimal(point.scale).times(conversion(point.unit, unit))
    order = point.order if register_count(point) > 1 else "big"
    seen = profile.evidence[point.evidence].seen
    return point.table, point.address, point.type, order, unit, scale.normalised(), seen


@pytest.mark.skipif(not FACTS.exists(), reason="corpora: the table of register facts is not on this machine")
@pytest.mark.parametrize("name", sorted(set(READ_BY.values())))
def test_each_register_is_read_as_the_table_of_facts_has_it(name: str) -> None:
    profile = PROFILES[name]
    points = {point.quantity: point for point in profile.points}
    read = set()
    for row in facts()[name]:
        if (name, row["quantity"]) in LEFT_OUT:
            continue
        quantity = RENAMED.get((name, row["quantity"]), row["quantity"])
        expected = as_in_the_table(row)
        found = as_in_the_profile(profile, points[quantity], str(expected[4]))
        assert found == expected, quantity
        read.add(quantity)
    extra = {"energy_active_export_total"} if name == "bg-ds100" else set()
    assert set(points) == read | extra


@pytest.mark.skipif(not FACTS.exists(), reason="corpora: the table of register facts is not on this machine")
def test_every_device_of_the_table_with_constant_addresses_has_a_profile() -> None:
    with FACTS.open(newline="") as file:
        devices = {
            (row["vendor"], row["model"])
            for row in csv.DictReader(file)
            if row["function"] in ("input", "holding") and row["register"].isdigit()
        }
    without = {device for device in devices - set(READ_BY) if "SunSpec" not in device[0]}
    assert without == {
        ("Socomec", "all JBUS devices"),  # their type code, no readings
        ("Kamstrup", "MULTICAL 403/603/803 module HC-003-67 / HC-003-82"),  # set in the module
    }
    assert max(Counter(READ_BY.values()).values()) == 2  # ABB B23 and B24 are one family


@pytest.mark.parametrize("name", PLAIN)
def test_a_scaled_point_has_a_type_that_can_be_scaled(name: str) -> None:
    assert all(p.type in SCALED_TYPES for p in PROFILES[name].points if p.scale_register is not None)
