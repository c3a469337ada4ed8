"""The demo as its user runs it, with either broker; and its judge, which must be able to say no."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edge_agent.demo.judge import (
    Answer,
    Slot,
    Summary,
    count_duplicates,
    count_unslotted,
    count_unstored,
    count_wrong,
)

PROJECT = Path(__file__).parents[2]
PROMISED = {
    "readings_taken",
    "readings_verified",
    "lost",
    "duplicated",
    "unverified",
    "messages",
    "bytes_on_wire",
    "bytes_per_reading",
    "link_cuts",
}


@pytest.mark.parametrize("broker", ["mosquitto", "amqtt"])
def test_the_demo_loses_nothing_through_a_cut_link(broker: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edge_agent.main", "demo", "--seconds", "12", "--json"]
    ended = subprocess.run(
        [*command, "--broker", broker, "--folder", str(tmp_path)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    summary = json.loads(ended.stdout)
    assert summary.keys() >= PROMISED
    assert summary["link_cuts"] == 1
    assert summary["readings_verified"] == summary["readings_taken"] > 300
    assert [summary[name] for name in ("lost", "duplicated", "unverified", "wrong")] == [0, 0, 0, 0]


COUNTER = "energy_active_import_total"


def slot(due_ms: int, value: str | None) -> Slot:
    return Slot("m1", COUNTER, 1, due_ms, value)


def test_the_judge_sees_a_lost_a_doubled_and_a_wrong_reading() -> None:
    answers = [Answer("m1", COUNTER, "10.1"), Answer("m1", COUNTER, "10.2")]
    good = [slot(1000, "10.1"), slot(2000, "10.2")]
    assert (count_unstored(answers, good), count_wrong(answers, good), count_duplicates(good)) == (0, 0, 0)
    assert count_unstored(answers, good[:1]) == 1
    assert count_wrong(answers, [*good, slot(3000, "99.9")]) == 1
    assert count_duplicates([*good, good[0]]) == 1


def test_the_judge_sees_a_slot_that_is_not_there_at_all() -> None:
    regular = [slot(due_ms, None) for due_ms in (700, 2000, 4000, 6000, 8000)]
    intervals = {("m1", COUNTER): 2000}
    assert count_unslotted(regular, intervals) == 0
    del regular[2]
    assert count_unslotted(regular, intervals) == 1


def test_a_run_without_readings_is_not_good() -> None:
    empty = Summary(0, 0, 0, 0, 0, 0, 0, 0, 0, 0.0, 0)
    assert not empty.good
