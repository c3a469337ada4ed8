"""A gateway with a pulse input, from the contact to the store: killed, started again, calibrated."""

from __future__ import annotations

import asyncio
import itertools
import json
from decimal import Decimal
from pathlib import Path

from config.model import LineConfig, MeterConfig
from hal.sim.pulses import read_sim_url
from tests.system.plant import boot_ms
from tests.world.gateway import Gateway, Row, Settings, open_gateway, run_program, wait_until

URL = "sim://s0?period_ms=200&bounce=0.5&glitch=0.5&seed=8"
CONTACT = read_sim_url(URL)
QUANTITY = "energy_active_import_total"
FLUSH_S = 0.3
LATE_MS = 250  # how late a loaded machine may be with a slot, and with what it says in the log
LINE = LineConfig(id="in-1", url=URL, protocol="s0")
METER = MeterConfig(id="feed", line="in-1", profile="s0-pulse-electricity", interval_s=1)


def pulses(row: Row) -> int:
    """The display of a row, in pulses of 1 Wh."""
    return int(Decimal(row["value"]) * 1000)


def true_pulses(after_ms: int, until_ms: int) -> int:
    return CONTACT.true_pulses(after_ms * 10**6, until_ms * 10**6)


def valued(gateway: Gateway) -> list[Row]:
    rows = [row for row in gateway.readings("feed") if row["value"] is not None]
    return sorted(rows, key=lambda row: row["time_ms"])


def judge(rows: list[Row]) -> None:
    """Between two readings never more pulses than there were, and no less unless the later one says so."""
    for before, after in itertools.pairwise(rows):
        seen = pulses(after) - pulses(before)
        assert seen >= 0, (before, after)
        assert seen <= true_pulses(before["time_ms"] - LATE_MS, after["time_ms"]), (before, after)
        if "unwatched" not in after["quality"]:
            assert seen >= true_pulses(before["time_ms"], after["time_ms"] - LATE_MS), (before, after)


async def test_kills_cost_what_was_not_flushed_and_never_make_a_pulse(tmp_path: Path) -> None:
    settings = Settings(flush_interval_s=FLUSH_S)
    async with open_gateway(tmp_path, lines=[LINE], meters=[METER], settings=settings) as gateway:
        kills: list[tuple[int, int]] = []
        for number in range(3):
            want = len(valued(gateway)) + 4
            await wait_until(
                lambda want=want: len(valued(gateway)) >= want, what=f"readings of life {number}"
            )
            killed_ms = boot_ms()
            await gateway.agent.kill()
            await gateway.agent.start()
            await gateway.wait_running()
            kills.append((killed_ms, boot_ms()))
        await gateway.wait_values("feed", len(valued(gateway)) + 3)
        assert await gateway.agent.stop() == 0
        rows = valued(gateway)
        judge(rows)
        marked = [row for row in rows if "unwatched" in row["quality"]]
        assert len(marked) == len(kills)
        for row, (killed_ms, started_ms) in zip(marked, kills, strict=True):
            before = rows[rows.index(row) - 1]
            missing = true_pulses(before["time_ms"], row["time_ms"]) - (pulses(row) - pulses(before))
            window = true_pulses(killed_ms - int(FLUSH_S * 1000) - 2 * LATE_MS, started_ms + 2 * LATE_MS)
            assert missing <= window, "what is lost is what was not flushed, and what nobody watched"
        assert {row["quality"] for row in rows if row not in marked} == {"good"}
        assert {code for code, _, _ in gateway.events()} >= {"meter.unwatched"}


async def test_a_technician_enters_the_display_and_readings_go_on_from_there(tmp_path: Path) -> None:
    async with open_gateway(tmp_path, lines=[LINE], meters=[METER]) as gateway:
        await gateway.wait_values("feed", 2)
        command = ("edgectl.main", "calibrate", "feed", "12345,6", "--socket", str(gateway.socket))
        code, out, err = await run_program(tmp_path, *command, "--yes", "--json")
        assert code == 0, err
        entered_ms = boot_ms()
        report = json.loads(out)
        assert (report["after"], report["unit"], report["quantity"]) == ("12345.6", "kWh", QUANTITY)
        code, out, err = await run_program(
            tmp_path, *command[:3], "12x", *command[4:], "--yes", "--lang", "de"
        )
        assert code == 2
        assert "12x" in err
        assert "Traceback" not in err
        await gateway.agent.kill()  # at once: what was confirmed is durable
        await gateway.agent.start()
        await gateway.wait_readings(lambda rows: rows[-1]["value"] and Decimal(rows[-1]["value"]) > 12345)
        await gateway.wait_running()
        status = await gateway.status()
        assert status["meters"][0]["pulses"]["calibrated"] is True
        last = valued(gateway)[-1]
        assert 12_345_600 <= pulses(last) <= 12_345_600 + true_pulses(entered_ms - 2000, last["time_ms"])
        assert any(code == "meter.calibrated" for code, _, _ in gateway.events())


async def test_an_orderly_stop_keeps_every_pulse_up_to_its_end(tmp_path: Path) -> None:
    async with open_gateway(
        tmp_path, lines=[LINE], meters=[METER], settings=Settings(flush_interval_s=60, batch_interval_s=3600)
    ) as gateway:
        status = await gateway.wait_running()
        assert status["lines"][0]["open"]
        await asyncio.sleep(0.9)
        before = (await gateway.status())["meters"][0]["pulses"]["pulses"]
        assert await gateway.agent.stop() == 0
        await gateway.agent.start()
        after = (await gateway.wait_running())["meters"][0]["pulses"]["pulses"]
        assert after >= before > 0
