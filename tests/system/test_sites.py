"""`edge-agent demo --site`: how a site is made to run without its hardware, its judge, and three small runs.

All sites run for 40 s each in tests/proof/test_sites.py.
"""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from config.load import Gateway, load_gateway
from edge_agent.demo.demo import Verdict
from edge_agent.demo.judge import Summary
from edge_agent.demo.pki import make_pki
from edge_agent.demo.site_judge import MeterResult, judge_site
from edge_agent.demo.sites import (
    INTERVAL_S_MIN,
    SitePlan,
    encode_toml,
    load_site,
    plan_site,
    serial_of,
    site_names,
    with_world,
)
from hal.sim.pulses import read_sim_url

PROJECT = Path(__file__).parents[2]
SMALL = ("du-tram-stop-207", "du-gas-reg-17", "du-5g-small-08")
SECONDS = 40
BAD = ("lost", "duplicated", "unverified", "wrong")


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pki")
    make_pki(folder)
    (folder / "backend.pub").write_text("-----BEGIN PUBLIC KEY-----\n")
    return folder


def loaded(name: str, folder: Path, pki: Path) -> Gateway:
    certificate, key = pki / "gateway.pem", pki / "gateway.key"
    backend_key = pki / "backend.pub"
    return load_site(
        name, folder, ca=pki / "ca.pem", certificate=certificate, key=key, backend_key=backend_key
    )


def planned(name: str, folder: Path, pki: Path, seconds: int = SECONDS) -> SitePlan:
    gateway = loaded(name, folder, pki)
    return plan_site(name, gateway, seconds=seconds, logs=folder / "meters")


def run_demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edge_agent.main", "demo", *arguments]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=180, check=False)


def run_site(name: str, seconds: int, folder: Path) -> dict[str, Any]:
    """The summary of a run in which nothing went wrong."""
    ended = run_demo("--site", name, "--seconds", str(seconds), "--json", "--folder", str(folder))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    summary: dict[str, Any] = json.loads(ended.stdout)
    assert {name: summary[name] for name in BAD} == dict.fromkeys(BAD, 0)
    assert summary["link_cuts"] == 1
    assert summary["readings_verified"] == summary["readings_taken"] > 0
    return summary


@pytest.mark.parametrize("name", SMALL)
def test_a_site_loses_nothing_through_a_cut_link(name: str, tmp_path: Path) -> None:
    summary = run_site(name, 15, tmp_path)
    assert all(meter["slots"] >= 3 for meter in summary["meters"].values())


def test_without_a_name_the_sites_are_listed() -> None:
    ended = run_demo("--site")
    assert ended.returncode == 0
    assert all(f"  {name} " in ended.stdout for name in site_names())
    assert "all-protocols" not in ended.stdout


def test_a_wrong_name_is_told_with_the_sites_that_there_are() -> None:
    ended = run_demo("--site", "du-school-119")
    assert ended.returncode == 2
    assert 'no site "du-school-119"' in ended.stderr
    assert "du-school-118" in ended.stderr


@pytest.mark.parametrize("name", site_names())
def test_a_simulated_site_has_the_same_meters_and_is_good(name: str, tmp_path: Path, pki: Path) -> None:
    site = loaded(name, tmp_path / "site", pki).file
    plan = planned(name, tmp_path / "site", pki)
    uplink = {
        "url": "mqtts://localhost:8883",
        "ca": str(pki / "ca.pem"),
        "certificate": str(pki / "gateway.pem"),
        "key": str(pki / "gateway.key"),
        "backend_key": str(pki / "backend.pub"),
    }
    path = tmp_path / "gateway.toml"
    path.write_text(encode_toml(with_world(plan, folder=tmp_path, uplink=uplink)))
    file = load_gateway(path).file
    assert file.meters == plan.file.meters
    assert file.streams == plan.file.streams
    assert all(line.url.startswith("sim://") for line in file.lines)
    for old, new in zip(site.meters, file.meters, strict=True):
        kept = {"interval_s": old.interval_s, "offset_s": old.offset_s, "slow": old.slow}
        kept["interval_floor_waived"] = old.interval_floor_waived
        assert msgspec.structs.replace(new, **kept) == old


@pytest.mark.parametrize("name", site_names())
def test_the_slowest_meter_of_a_site_is_read_three_times_in_40_seconds(
    name: str, tmp_path: Path, pki: Path
) -> None:
    plan = planned(name, tmp_path, pki)
    for each in plan.intervals:
        assert INTERVAL_S_MIN <= each.demo_s <= each.interval_s
        assert SECONDS // each.demo_s >= 3


def test_a_shortened_interval_of_a_person_is_told(tmp_path: Path, pki: Path) -> None:
    plan = planned("du-heat-sub-221", tmp_path, pki)
    assert plan.overridden == ("household-a", "household-b")
    assert all("edge-agent demo" in stream.opt_in for stream in plan.file.streams)
    text = plan.as_text()
    assert "household-a, household-b would not be read this often" in text
    assert "86400 s at the site, 8 s here: " in text
    assert "Personal data" not in planned("du-wifi-012", tmp_path, pki).as_text()


def row(meter: str, quantity: str, value: object, time_ms: int = 0) -> dict[str, Any]:
    return {"meter": meter, "quantity": quantity, "value": str(value), "due_ms": time_ms, "time_ms": time_ms}


def test_the_judge_sees_a_value_that_its_meter_never_gave(tmp_path: Path, pki: Path) -> None:
    plan = planned("du-tram-stop-207", tmp_path, pki)
    plan.logs.mkdir()
    power, energy = "power_active_total", "energy_active_import_total"
    read = {"serial": serial_of(plan.file.meters[0], 0), "values": {power: "100.04", energy: "7.013"}}
    (plan.logs / "stop.jsonl").write_text(json.dumps(read) + "\n")
    good = [row("lighting", power, "100.0"), row("lighting", energy, "7.013")]
    assert judge_site(plan, good)["lighting"].wrong == 0
    bad = [
        row("lighting", power, "100.2"),
        row("lighting", energy, "7.014"),
        row("passenger-display", power, 1),
    ]
    results = judge_site(plan, good + bad)
    assert [results[name].wrong for name in ("lighting", "passenger-display")] == [2, 1]


def test_the_judge_counts_pulses_by_the_contact(tmp_path: Path, pki: Path) -> None:
    plan = planned("du-gas-reg-17", tmp_path, pki)
    contact = read_sim_url(plan.file.lines[1].url)
    pulses = contact.true_pulses(0, 60_000 * 1_000_000)
    volume = "volume_gas_total"
    first = row("volume-measured", volume, "5", 0)
    good = row("volume-measured", volume, 5 + Decimal(pulses) / 10, 60_000)  # 0.1 m3 a pulse
    assert judge_site(plan, [first, good])["volume-measured"].wrong == 0
    bad = row("volume-measured", volume, 5 + Decimal(pulses + 2) / 10, 60_000)
    assert judge_site(plan, [first, bad])["volume-measured"].wrong == 1


def test_a_null_is_no_value_and_a_meter_that_told_nothing_shows(tmp_path: Path, pki: Path) -> None:
    plan = planned("du-tram-stop-207", tmp_path, pki)
    null = row("lighting", "voltage_avg", "", 7) | {"value": None}
    results = judge_site(plan, [null])
    assert results["lighting"] == MeterResult(1, 0, 1, 0, ("voltage_avg",))
    assert results["passenger-display"].slots == 0
    nothing_wrong = Summary(8, 8, 0, 0, 0, 0, 1, 0, 100, 12.5, 1)
    assert Verdict(nothing_wrong).good
    verdict = Verdict(nothing_wrong, plan, results)
    assert not verdict.good
    assert "lighting never told voltage_avg." in verdict.as_text()
    assert "passenger-display never told anything." in verdict.as_text()
