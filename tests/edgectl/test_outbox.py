"""`edgectl outbox`, `outbox explain`, `time`: figures with their origin, in both languages, also of files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from edge_agent.outbox_report import Figure, OutboxReport
from edge_agent.time_report import TimeReport
from edgectl.outbox import show_explanation, show_outbox, span_text
from edgectl.texts import Language, Words
from tests.buffer.rig import readings, start
from tests.control.target import DAY_MS, OUTBOX, TIME
from tests.edgectl.test_commands import edgectl, folder, path, serving  # noqa: F401  # fixtures

COLUMNS = 80


def shown(report: OutboxReport, language: Language = "en", *, explain: bool = True) -> str:
    console = Console(width=COLUMNS, highlight=False, markup=False)
    with console.capture() as capture:
        (show_explanation if explain else show_outbox)(console, Words(language), report)
    return capture.get()


def row(text: str, label: str) -> str:
    (found,) = [line for line in text.splitlines() if line.strip().startswith(label)]
    return " ".join(found.split())


def test_each_number_of_the_explanation_says_where_it_comes_from() -> None:
    text = shown(OUTBOX)
    assert row(text, "sealed messages") == "sealed messages 3 MB a day measured over 24 h"
    assert row(text, "room for messages") == "room for messages 230 MB of 256 MB configured"
    assert row(text, "nothing is lost for") == "nothing is lost for 38 days calculated"
    assert row(text, "at most the last") == "at most the last 10.41 s calculated"
    assert row(text, "by all, to mmcblk0").endswith("measured over 4 days")
    assert row(text, "endurance of the card") == "endurance of the card 1000 GB assumed"
    assert row(text, "from new, it lasts") == "from new, it lasts 8 years calculated"
    assert row(text, "used up, it says itself") == "used up, it says itself at most 10 % measured"
    assert "card_endurance_gb" in text
    assert "less than an hour" not in text


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_pages_fit_80_columns(language: Language) -> None:
    for text in (shown(OUTBOX, language), shown(OUTBOX, language, explain=False)):
        assert max(len(line.rstrip()) for line in text.splitlines()) < COLUMNS


def test_what_is_configured_asks_for_nothing_and_what_is_unknown_is_a_dash() -> None:
    known = replace(
        OUTBOX,
        card_endurance_bytes=Figure(20 * 10**12, "configured"),
        flush_ms_max=Figure(None, "measured"),
        power_cut_ms_max=Figure(None, "calculated"),
    )
    text = shown(known)
    assert "card_endurance_gb" not in text
    assert row(text, "endurance of the card") == "endurance of the card 20000 GB configured"
    assert row(text, "at most the last") == "at most the last - not known"


def test_a_rate_of_minutes_is_called_rough() -> None:
    part = replace(OUTBOX.parts[0], sealed_bytes_a_day=Figure(1_000, "measured", 600_000))
    assert shown(replace(OUTBOX, parts=[part])).count("less than an hour") == 1


def test_the_list_has_each_stream_with_what_waits_and_since_when() -> None:
    text = shown(OUTBOX, explain=False)
    assert "3735928559 96 1 4709 11 MB 3 h 12 min" in " ".join(text.split())
    assert "17 ended 2 0 0 3 kB since boot 11" in " ".join(text.split())


def test_several_streams_have_a_block_each() -> None:
    billing = replace(OUTBOX.parts[0], id="billing")
    text = shown(replace(OUTBOX, parts=[OUTBOX.parts[0], billing]))
    assert "Without a link to the backend: main" in text
    assert "Without a link to the backend: billing" in text
    assert "none pushes out another" in text


def test_losses_and_a_broker_that_frees_are_told_at_the_end() -> None:
    text = shown(replace(OUTBOX, free_on="puback", evicted_messages=3, dropped_readings=7))
    assert "free_on" in text
    assert "3" in text.splitlines()[-2]
    assert "7" in text.splitlines()[-2]


@pytest.mark.parametrize(
    ("span_ms", "text"),
    [
        (90_000, "90 s"),
        (5 * 3_600_000, "5 h"),
        (4 * DAY_MS, "4 days"),
        (800 * DAY_MS, "2 years"),
        (40_000 * DAY_MS, "more than 100 years"),
    ],
)
def test_a_forecast_is_as_exact_as_it_can_be(span_ms: int, text: str) -> None:
    assert span_text(Words("en"), span_ms) == text


async def test_the_agents_word_comes_over_the_socket(path: Path) -> None:  # noqa: F811
    async with serving(path):
        listed = await edgectl("outbox", "--socket", str(path))
        explained = await edgectl("outbox", "explain", "--json", "--socket", str(path), "--lang", "de")
    assert (listed.code, explained.code) == (0, 0)
    assert "3735928559" in listed.out
    assert explained.json["reachable"] is True
    assert explained.json["outbox"]["parts"][0]["offline_ms"] == {
        "value": 38 * DAY_MS,
        "basis": "calculated",
        "over_ms": None,
    }


@pytest.fixture
def site(folder: Path) -> Path:  # noqa: F811
    (folder / "gateway.toml").write_text(
        f'[gateway]\nid = "gw"\nstate_folder = "{folder}/state"\nsocket = "{folder}/agent.sock"\n'
        '[uplink]\nurl = "mqtts://a"\nca = ""\ncertificate = ""\nkey = ""\nbackend_key = ""\n'
        "[buffer]\nsize_bytes_max = 4194304\nflush_interval_s = 7.0\ncard_endurance_gb = 5000\n"
    )
    return folder


async def test_without_an_agent_its_files_tell_what_they_can(site: Path) -> None:
    rig = await start(site / "state" / "buffer")
    for due_ms in range(1_000_000, 1_600_000, 1_000):
        rig.clock.ms = due_ms
        rig.buffer.record(readings(due_ms))
    await rig.buffer.seal_now()
    rig.kill()
    outcome = await edgectl("outbox", "explain", "--json", "--config", str(site / "gateway.toml"))
    assert outcome.code == 3
    assert outcome.json["reachable"] is False
    report = outcome.json["outbox"]
    (part,) = report["parts"]
    assert part["size_bytes_max"]["value"] == 4_194_304
    assert part["sealed_readings_a_day"]["value"] > 500_000
    assert part["offline_ms"]["value"] > 0
    assert report["flush_interval_ms"]["value"] == 7_000
    assert report["power_cut_ms_max"]["value"] is None
    assert report["card_endurance_bytes"] == {"value": 5 * 10**12, "basis": "configured", "over_ms": None}
    said = await edgectl("outbox", "--config", str(site / "gateway.toml"))
    assert "does not answer" in said.said


async def test_where_there_are_no_files_that_is_said(site: Path) -> None:
    outcome = await edgectl("outbox", "--config", str(site / "gateway.toml"))
    assert outcome.code == 3
    assert "outbox.db" in outcome.said


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({}, 0, "The clock is trusted. Time 2026-11-23 19:58:49 UTC, to within 12 ms, by NTP"),
        (
            {"doubt": "unsynchronised", "source": "", "utc_ms": None, "uncertainty_ms": None},
            1,
            "nobody vouches for it. → Is a time server reachable (timedatectl)?",
        ),
        (
            {"doubt": "before-bound", "source": "", "utc_ms": None, "system_utc_ms": 60_000},
            1,
            "it stands before a time that is certainly over",
        ),
        ({"bound_origin": "build"}, 0, "is certainly over, from the program's date"),
        ({"boot_counted": False}, 0, "a random one"),
    ],
)
async def test_time_says_whether_the_clock_is_trusted_and_why_not(
    path: Path,  # noqa: F811
    change: dict[str, object],
    code: int,
    words: str,
) -> None:
    async with serving(path) as gateway:
        gateway.clock = replace(TIME, **change)  # type: ignore[arg-type]
        outcome = await edgectl("time", "--socket", str(path))
    assert outcome.code == code
    assert words in outcome.said


async def test_the_lower_bound_is_reset_only_when_a_person_says_yes(path: Path) -> None:  # noqa: F811
    async with serving(path) as gateway:
        asked = await edgectl("time", "reset-bound", "--socket", str(path))
        assert asked.code != 0
        assert gateway.clock == TIME
        assert "Certificates that ended in between" in asked.said
        done = await edgectl("time", "reset-bound", "--yes", "--json", "--socket", str(path))
    assert done.code == 0
    assert done.json["bound_utc_ms"] == TIME.built_utc_ms
    assert TimeReport(**done.json) == gateway.clock


async def test_a_reset_that_could_not_be_kept_is_no_success(path: Path) -> None:  # noqa: F811
    async with serving(path) as gateway:
        gateway.clock = replace(TIME, bound_error="Input/output error")
        outcome = await edgectl("time", "reset-bound", "--yes", "--socket", str(path))
    assert outcome.code == 4
    assert "Input/output error" in outcome.said
