"""`edgectl exchange`, and the exchange itself: what is entered, what is refused, and how long it holds."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from config.model import MeterConfig
from edge_agent.meter_exchange import Device, Entered, Exchanges, plan_exchange
from edge_agent.reports import ExchangeReport
from hal.storage import FolderStorage
from tests.control.target import CALM, FEED
from tests.edgectl.test_commands import DEADLINE_S, ROOT, edgectl, folder, path, serving

__all__ = ["folder", "path"]  # fixtures

ENERGY, EXPORT = "energy_active_import_total", "energy_active_export_total"
COUNTERS = (ENERGY, EXPORT)
OLD = Device("feed", "111", "111", {ENERGY: "12345.6", EXPORT: "7.1"})
UTC_MS = 1_795_464_000_000


async def test_an_exchange_is_asked_for_with_all_that_would_be_entered(path: Path) -> None:
    arguments = ("exchange", "feed", "--serial", "999", "--end", "12346", "--socket", str(path))
    async with serving(path) as gateway:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "edgectl.main", *arguments),
            cwd=ROOT,
            env={**os.environ, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(b"n\n"), DEADLINE_S)
    assert process.returncode == 2
    assert b"10842967 was replaced by 999. End: 12346. Start: none" in err
    assert out.strip() == b"Nothing was changed."
    assert gateway.exchanges == []


async def test_an_exchange_says_what_is_so_now_and_what_was_refused(path: Path) -> None:
    async with serving(path) as gateway:
        options = ("--yes", "--socket", str(path))
        done = await edgectl(
            "exchange", "feed", "--serial", "999", "--start", "0,4", *options, "--lang", "de"
        )
        refused = await edgectl("exchange", "feed", "--serial", "10842967", *options)
        unknown = await edgectl("exchange", "fed", "--serial", "1", *options, "--json")
    assert done.code == 0
    assert done.said.startswith("feed ist von nun an 999 (war 10842967)")
    assert refused.code == 2
    assert "compared already" in refused.said
    assert (unknown.code, unknown.json["error"]) == (2, "NoSuchMeter")
    assert gateway.exchanges == [("feed", "999", [], ["0,4"])]


async def test_status_shows_an_exchange_until_the_configuration_says_it(path: Path) -> None:
    known = ExchangeReport("feed", "111", "999", None, {}, {})
    async with serving(path, replace(CALM, meters=[replace(FEED, exchange=known)])):
        outcome = await edgectl("status", "--socket", str(path))
    assert "feed: exchanged, 111 → 999" in outcome.said


def test_end_values_are_the_last_ones_read_where_a_person_gives_none() -> None:
    exchange = plan_exchange(OLD, " 999 ", COUNTERS, Entered(["12346,0"], [f"{EXPORT}=0.1"]), UTC_MS)
    assert exchange.new == "999"
    assert exchange.end == {ENERGY: "12346.0", EXPORT: "7.1"}
    assert exchange.start == {EXPORT: "0.1"}
    assert exchange.details()[f"end.{ENERGY}"] == "12346.0"


@pytest.mark.parametrize(
    ("serial", "end", "complaint"),
    [
        ("", [], "type plate"),
        ("9" * 65, [], "type plate"),
        ("00111", [], "compared already"),
        ("999", ["12x"], "not a decimal number"),
        ("999", ["voltage_l1=230"], "QUANTITY=VALUE"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_would(serial: str, end: list[str], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        plan_exchange(OLD, serial, COUNTERS, Entered(end, []), UTC_MS)


def test_of_a_personal_meter_no_value_is_kept() -> None:
    assert plan_exchange(OLD, "999", (), Entered([], []), UTC_MS).end == {}
    with pytest.raises(ValueError, match="none"):
        plan_exchange(OLD, "999", (), Entered(["5"], []), UTC_MS)


def meter(serial: str) -> MeterConfig:
    return MeterConfig(id="feed", line="bus", profile="eastron-sdm630", serial=serial)


def test_an_exchange_holds_as_long_as_the_configuration_says_what_it_said(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    exchange = plan_exchange(OLD, "999", COUNTERS, Entered([], []), UTC_MS)
    Exchanges(storage, [meter("111")]).enter(exchange)
    held = Exchanges(storage, [meter("111")])
    assert held.of("feed") == exchange
    assert held.untold() == [exchange]
    held.mark_told(exchange)
    assert Exchanges(storage, [meter("111")]).untold() == []
    assert Exchanges(storage, [meter("999")]).of("feed") is None
    assert Exchanges(storage, [meter("222")]).of("feed") is None


@pytest.mark.parametrize("damage", [b"", b"rubbish", b"[1] 00000000\n"])
def test_damaged_exchanges_count_as_never_entered(tmp_path: Path, damage: bytes) -> None:
    storage = FolderStorage(tmp_path)
    for name in ("exchanges", "exchanges-copy"):
        storage.replace(name, damage)
    assert Exchanges(storage, [meter("111")]).of("feed") is None
