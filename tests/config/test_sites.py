"""The example sites: good but for the certificates that an installer gets, and careful with people.

The volume of a site's month, as docs/sites.md states it, is computed here from figures that were measured
with simulated days: 360 bytes for a message with all that TLS and TCP add, 1.5 for each series in it, 0.8
for each further reading, and 5.4 kB for one connection a day.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from config.load import ConfigError, Gateway, load_gateway
from config.streams import PERSONAL_INTERVAL_S_MIN

PROJECT = Path(__file__).parents[2]
SITES = PROJECT / "config" / "sites"
NAMES = sorted(path.stem for path in SITES.glob("du-*.toml"))
SYSTEMS = {
    "public Wi-Fi": ["du-wifi-012"],
    "public transport": ["du-tram-stop-207", "du-depot-03"],
    "smart classrooms": ["du-school-118"],
    "traffic management": ["du-junction-041", "du-light-cab-066"],
    "supply": ["du-ons-0931", "du-gas-reg-17", "du-dma-05", "du-heat-sub-221"],
    "e-government": ["du-townhall-01"],
    "5G and LTE": ["du-5g-small-08"],
    "IoT": ["du-iot-park-3"],
    "innovation centre": ["du-lab-01"],
}
INTERVALS_S = {
    "du-wifi-012": {300},
    "du-tram-stop-207": {900},
    "du-depot-03": {60, 900},
    "du-school-118": {300, 900, 3600},
    "du-junction-041": {60, 900},
    "du-light-cab-066": {900},
    "du-ons-0931": {60, 900},
    "du-gas-reg-17": {900},
    "du-dma-05": {900},
    "du-heat-sub-221": {3600, 86400},
    "du-townhall-01": {60, 900},
    "du-5g-small-08": {300},
    "du-iot-park-3": {300, 900},
    "du-lab-01": {900},
}
DAY_S = 86_400
DAYS = 30
PEMS = {
    "ca.pem": "CERTIFICATE",
    "gateway.pem": "CERTIFICATE",
    "gateway.key": "PRIVATE KEY",
    "backend.pub": "PUBLIC KEY",
}


def installed(name: str, folder: Path, change: tuple[str, str] = ("", "")) -> Gateway:
    """The site as an installer leaves it: with certificates beside it; `change`: words for others."""
    (folder / "tls").mkdir(exist_ok=True)
    for file, content in PEMS.items():
        (folder / "tls" / file).touch(mode=0o600)
        (folder / "tls" / file).write_text(f"-----BEGIN {content}-----\n")
    text = (SITES / f"{name}.toml").read_text()
    (folder / "gateway.toml").write_text(text.replace(*change) if change[0] else text)
    return load_gateway(folder / "gateway.toml")


def test_each_of_the_nine_systems_has_its_sites() -> None:
    assert len(SYSTEMS) == 9
    assert sorted(name for names in SYSTEMS.values() for name in names) == NAMES == sorted(INTERVALS_S)


@pytest.mark.parametrize("name", NAMES)
def test_a_site_lacks_nothing_but_the_certificates(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        load_gateway(SITES / f"{name}.toml")
    keys = [problem.key for problem in refused.value.problems]
    assert keys == ["[uplink] ca", "[uplink] certificate", "[uplink] key", "[uplink] backend_key"]
    gateway = installed(name, tmp_path)
    assert gateway.file.gateway.id == name


@pytest.mark.parametrize("name", NAMES)
def test_a_site_is_read_as_often_as_it_says_why(name: str, tmp_path: Path) -> None:
    file = installed(name, tmp_path).file
    slow = {meter.slow.interval_s for meter in file.meters if meter.slow is not None}
    assert {meter.interval_s for meter in file.meters} | slow == INTERVALS_S[name]
    text = (SITES / f"{name}.toml").read_text()
    assert "# Why " in text
    assert re.search(r"personal\s(# )?data[:.]", text, re.IGNORECASE)


@pytest.mark.parametrize("name", NAMES)
def test_lines_are_real_ones_by_names_that_survive_a_new_adapter(name: str, tmp_path: Path) -> None:
    lines = installed(name, tmp_path).file.lines
    for line in lines:
        assert re.match(r"serial:///dev/serial/by-path/|tcp://192\.168\.|gpio:///dev/gpiochip", line.url)
    assert max(Counter(line.url for line in lines).values()) == 1


@pytest.mark.parametrize("name", NAMES)
def test_what_tells_of_a_household_is_daily_with_purpose_and_basis_and_in_a_stream_of_its_own(
    name: str, tmp_path: Path
) -> None:
    file = installed(name, tmp_path).file
    households = {meter.id for meter in file.meters if meter.id.startswith("household-")}
    personal = [stream for stream in file.streams if stream.personal]
    assert {meter for stream in personal for meter in stream.meters} == households
    for stream in personal:
        assert {meter.rpartition("-")[0] for meter in stream.meters} == {stream.id}
        assert stream.purpose
        assert stream.legal_basis
        assert not stream.opt_in
    assert all(meter.interval_s == DAY_S for meter in file.meters if meter.id in households)


def test_a_household_cannot_be_read_finer_than_its_floor(tmp_path: Path) -> None:
    finer = (
        "interval_s = 86400                    # each",
        f"interval_s = {PERSONAL_INTERVAL_S_MIN - 1} # each",
    )
    waived = 'interval_floor_waived = "mains supply"\n'
    with pytest.raises(ConfigError) as refused:
        installed("du-heat-sub-221", tmp_path, (finer[0], waived + finer[1]))
    assert [problem.key for problem in refused.value.problems] == ['[[meter]] "household-b-heat" interval_s']


def test_only_one_site_has_anything_of_a_person(tmp_path: Path) -> None:
    with_people = [name for name in NAMES if any(s.personal for s in installed(name, tmp_path).file.streams)]
    assert with_people == ["du-heat-sub-221"]


def month_bytes(gateway: Gateway) -> int:
    """All that a month takes on the air."""
    file = gateway.file
    named = {meter for stream in file.streams for meter in stream.meters}
    streams = [(set(stream.meters), stream.batch_interval_s) for stream in file.streams]
    streams.append(({meter.id for meter in file.meters} - named, None))
    day = 5_400.0
    for meters, interval_s in streams:
        if meters:
            day += _day_bytes(gateway, meters, interval_s or file.uplink.batch_interval_s)
    return round(DAYS * day)


def _day_bytes(gateway: Gateway, meters: set[str], batch_interval_s: int) -> float:
    intervals_s = [
        interval_s
        for each in gateway.file.meters
        if each.id in meters
        for interval_s in _series(gateway, each.id)
    ]
    messages = DAY_S / max(batch_interval_s, min(intervals_s))
    readings = sum(DAY_S / interval_s for interval_s in intervals_s)
    columns = min(readings, messages * len(intervals_s))
    return messages * 360 + 1.5 * columns + 0.8 * (readings - columns)


def _series(gateway: Gateway, name: str) -> list[int]:
    """The interval of each series of a meter."""
    meter = next(each for each in gateway.file.meters if each.id == name)
    profile = gateway.profile_of(meter)
    entries = (
        *profile.points,
        *profile.objects,
        *profile.records,
        *([profile.pulse] if profile.pulse else ()),
    )
    offered = dict.fromkeys(entry.quantity for entry in entries)
    return [meter.interval_of_s(quantity) for quantity in meter.quantities or offered]


def readings_per_day(gateway: Gateway) -> int:
    return sum(DAY_S // each for meter in gateway.file.meters for each in _series(gateway, meter.id))


@pytest.mark.parametrize("name", NAMES)
def test_the_page_of_sites_states_each_site_and_its_volume(name: str, tmp_path: Path) -> None:
    gateway = installed(name, tmp_path)
    page = (PROJECT / "docs" / "sites.md").read_text()
    row = next(line for line in page.splitlines() if line.startswith(f"| `{name}`"))
    stated = [cell.strip() for cell in row.split("|")]
    assert f"{readings_per_day(gateway):,}" in stated, readings_per_day(gateway)
    assert f"{month_bytes(gateway) / 1e6:.1f} MB" in stated, month_bytes(gateway)
