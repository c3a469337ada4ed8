"""`edgectl modem`: one screen, with the agent and without it."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from rich.console import Console

from config.cellular import RungName
from edge_agent.link.ladder import HOPELESS, Trouble
from edge_agent.link.memory import LINK_FILE, LINK_FOLDER, LinkMemory, encode_memory
from edge_agent.reports import ClimbReport, ModemReport
from edge_agent.twin_file import TwinFile
from edgectl import modem as screen
from edgectl.modem import LastState, read_last, show_modem
from edgectl.texts import FAULT_TEXTS, STRINGS, Words
from hal.modem.api import RegistrationState, SimState
from hal.storage import FolderStorage
from protocols.cellular import Advice, SignalClass

COLUMNS = 80
LINES_MAX = 24
GOOD = ModemReport(
    trouble="none",
    evidence="SIM ready, registration home",
    proof_kind="session",
    proof_age_ms=42_000,
    imei="490154203237518",
    product="Quectel EC25",
    sim="ready",
    pin_tries_left=3,
    iccid="89490200001234567890",
    operator="Testnetz",
    registration="home",
    technology="LTE",
    band="B20",
    rsrp_dbm="-93",
    rsrq_db="-11.5",
    sinr_db="9",
    signal_class="usable",
    advice="signal.fine",
    imbalance_db=None,
    connected=True,
    interface="wwan0",
    apn="meter.example",
    addresses=["10.17.0.2"],
    roaming=False,
    period="2026-05-01",
    used_bytes=12 * 1024 * 1024,
    limit_bytes=50 * 1024 * 1024,
    forecast_bytes=31 * 1024 * 1024,
    probe_bytes_today=400,
    next_rung="",
    next_due_ms=None,
    waits_factor=1,
    climbs=[ClimbReport(7_200_000, "radio", "no-proof: SIM ready", "proof")],
)
BAD = dataclasses.replace(
    GOOD,
    trouble="no-signal",
    signal_class="unusable",
    rsrp_dbm="-124",
    advice="signal.antenna_imbalance",
    imbalance_db="33",
    connected=False,
    addresses=[],
    next_rung="radio",
    next_due_ms=3_600_000,
    waits_factor=4,
    climbs=[ClimbReport(n * 3_600_000, "radio", "no-signal", "in vain") for n in range(1, 9)],
)


def drawn(report: ModemReport, language: str, age_ms: int | None = None) -> str:
    out = io.StringIO()
    console = Console(file=out, width=COLUMNS, highlight=False, markup=False, emoji=False)
    show_modem(console, Words(language), report, age_ms=age_ms)  # type: ignore[arg-type]
    return out.getvalue()


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("report", [GOOD, BAD], ids=["good", "bad"])
def test_all_of_it_fits_on_one_screen(report: ModemReport, language: str) -> None:
    text = drawn(report, language, age_ms=3_600_000)
    lines = text.splitlines()
    assert len(lines) <= LINES_MAX
    assert max(map(len, lines)) <= COLUMNS
    for fact in ("Quectel EC25", report.iccid, "Testnetz", "LTE", "B20", "12 MB", "50 MB", "31 MB"):
        assert fact in text


def test_a_good_link_says_so_with_its_proof() -> None:
    text = drawn(GOOD, "en")
    assert "well: proof of life 42 s ago (session with the broker)" in text
    assert "usable, RSRP -93 dBm, RSRQ -11.5 dB, SINR 9 dB" in text
    assert "10.17.0.2, wwan0, APN meter.example" in text
    assert "12 MB used since 2026-05-01 of 50 MB (24 %), forecast 31 MB" in text
    assert "2 h 0 min ago: radio off and on: it helped" in text
    assert "RSRQ -11,5 dB" in drawn(GOOD, "de")


def test_a_bad_link_begins_with_the_fault_and_the_next_step() -> None:
    text = drawn(BAD, "en")
    assert text.startswith("modem.no-signal")
    assert "Check antenna, plug and cable" in text
    assert "antennas differ by 33 dB" in text
    assert "its plug is loose" in text
    assert "next: radio off and on in 60 min (waits 4 times as long)" in text
    assert text.count("in vain") == screen.CLIMBS_SHOWN_MAX


def test_what_no_repair_cures_says_so() -> None:
    assert "no repair cures this" in drawn(dataclasses.replace(BAD, trouble="apn"), "en")
    assert sorted(screen.NO_CURE) == sorted(trouble.value for trouble in HOPELESS)


def test_every_state_has_its_words_in_both_languages() -> None:
    wanted = [f"modem.rung.{name}" for name in get_args(RungName)]
    wanted += [f"modem.class.{name}" for name in SignalClass]
    wanted += [f"modem.registration.{name}" for name in RegistrationState if name != "unknown"]
    wanted += [f"modem.sim-state.{name}" for name in SimState if name != "unknown"]
    wanted += [advice.value for advice in Advice if advice is not Advice.NONE]
    assert [key for key in wanted if key not in STRINGS] == []
    codes = [str(code) for code in FAULT_TEXTS]
    unknown = [t for t in Trouble if f"modem.{t}" not in codes and t not in ("none", "no-proof", "refused")]
    assert unknown == []


def keep(folder: Path, report: ModemReport | None) -> Path:
    storage = FolderStorage(folder / LINK_FOLDER)
    TwinFile(storage, LINK_FILE).write(encode_memory(LinkMemory(last=report)))
    return folder


def test_the_last_state_is_read_from_the_agents_file_with_its_age(tmp_path: Path) -> None:
    keep(tmp_path, BAD)
    os.utime(tmp_path / LINK_FOLDER / LINK_FILE, (0, 0))
    last = read_last(tmp_path)
    assert last.report == BAD
    assert last.age_ms is not None
    assert last.age_ms > 86_400_000
    (tmp_path / LINK_FOLDER / LINK_FILE).write_bytes(b"rotten")
    assert read_last(tmp_path).report == BAD, "the copy serves"


def test_no_file_is_said_and_nothing_is_made(tmp_path: Path) -> None:
    assert read_last(tmp_path) == LastState(None, None, "missing", str(tmp_path / LINK_FOLDER))
    assert list(tmp_path.iterdir()) == []
    assert read_last(keep(tmp_path, None)).problem == "missing"


@pytest.mark.parametrize("as_json", [False, True])
def test_without_the_agent_the_command_shows_what_was_known_and_says_so(
    tmp_path: Path, *, as_json: bool
) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text('[gateway]\nid = "gw"\nstate_folder = "state"\nsocket = "no.sock"\n')
    keep(tmp_path / "state", BAD)
    command = [sys.executable, "-m", "edgectl.main", "modem", "--config", str(config), "--lang", "en"]
    done = subprocess.run(
        [*command, *(["--json"] if as_json else [])], capture_output=True, text=True, check=False
    )
    assert done.returncode == 3, done.stderr
    if as_json:
        answer = json.loads(done.stdout)
        assert not answer["reachable"]
        assert answer["modem"] == dataclasses.asdict(BAD)
    else:
        assert done.stdout.startswith("The agent is not reached: this is what it last knew")
