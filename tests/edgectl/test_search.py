"""`edgectl search` as a person calls it: against a frozen gateway, and against one with a simulated loop."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path

from config.model import LineConfig, MeterConfig
from tests.control.target import SEARCHED
from tests.edgectl.test_commands import edgectl, folder, path, serving
from tests.world.gateway import open_gateway

__all__ = ["folder", "path"]  # the fixtures

LOOP = LineConfig(
    id="loop",
    url="sim://mbus?meter=mbus-heat@5:11111111&meter=mbus-water:11111112.ZRI.16.07&meter=mbus-gas:22222222&seed=4",
    protocol="mbus",
    baud=38400,
    format="8E1",
)
EMPTY = LineConfig(id="fresh", url="sim://mbus?meter=mbus-heat@9:33333333", protocol="mbus")
HEATING = MeterConfig(id="heating", line="loop", profile="mbus-heat", address=5, interval_s=2)


async def test_a_search_shows_what_it_found_and_its_line_time(path: Path) -> None:
    async with serving(path):
        english = await edgectl("search", "loop", "--socket", str(path), COLUMNS="120")
        german = await edgectl("search", "loop", "--socket", str(path), "--lang", "de", COLUMNS="120")
    assert english.code == german.code == 0
    assert "2 meters on loop: 276 probes, 133.8 s of line time" in english.said
    assert "2 Zähler an loop: 276 Versuche, 133,8 s Leitungszeit" in german.said
    assert "12345678.KAM.34.04 5 KAM heat" in english.said
    assert "34 heating" in english.said
    assert "12345679.ZRI.16.07 - ZRI Wasser 16 -" in german.said
    assert "1 found after" in english.err, "progress goes to standard error"


async def test_json_is_the_last_report_and_collisions_exit_4(path: Path) -> None:
    async with serving(path):
        calm = await edgectl("search", "loop", "--json", "--socket", str(path))
        shared = await edgectl("search", "loop", "--primary", "--socket", str(path))
    assert calm.json == asdict(SEARCHED)
    assert shared.code == 4
    assert "More than one meter answers to 7" in shared.said
    assert "Take one of them off the loop" in shared.said


async def test_a_line_that_is_no_loop_is_not_searched(path: Path) -> None:
    async with serving(path):
        refused = await edgectl("search", "rs485-1", "--socket", str(path))
    assert refused.code == 2
    assert "Line rs485-1 was not searched: it is a modbus-rtu line" in refused.said


async def test_a_running_agent_searches_its_loops_and_reads_on(tmp_path: Path) -> None:
    async with open_gateway(tmp_path, lines=[LOOP, EMPTY], meters=[HEATING]) as gateway:
        await gateway.wait_values("heating", 1)
        socket = ("--socket", str(gateway.socket))
        found, fresh, unknown = await asyncio.gather(
            edgectl("search", "loop", "--json", *socket),
            edgectl("search", "fresh", "--json", *socket),
            edgectl("search", "lop", *socket),
        )
        assert (found.code, fresh.code, unknown.code) == (0, 0, 2)
        addresses = {meter["secondary"]: meter["configured"] for meter in found.json["found"]}
        assert addresses == {
            "11111111.SIM.01.04": "heating",
            "11111112.ZRI.16.07": "",
            "22222222.SIM.01.03": "",
        }
        assert [(m["secondary"], m["primary"]) for m in fresh.json["found"]] == [("33333333.SIM.01.04", 9)]
        assert found.json["line_time_ms"] > 1000
        read = await edgectl("read", "heating", *socket)
        assert read.code == 0
        assert "energy_heat_total" in read.said
        await gateway.wait_values("heating", 4)
        assert gateway.nulls("heating") == set(), "readings went on between the probes"
