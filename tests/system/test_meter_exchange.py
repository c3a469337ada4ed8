"""A meter is exchanged while the agent runs: noticed, entered, and from then on the new one counts."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.system.plant import COUNTER, Plant, rtu_line, sdm630
from tests.world.gateway import PROJECT, Gateway, Row, open_gateway, wait_until

OLD, NEW = "20260001", "99999999"
DEADLINE_S = 30.0


async def exchange(gateway: Gateway, *arguments: str) -> Any:
    command = ("-m", "edgectl.main", "exchange", "meter-1", *arguments)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *command, "--yes", "--socket", str(gateway.socket), "--json"),
        cwd=PROJECT,
        env={**os.environ, "LANG": "C.UTF-8"},
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await asyncio.wait_for(process.communicate(), DEADLINE_S)
    return json.loads(out)


async def verified(gateway: Gateway) -> Row | None:
    """The meter's status, once its serial number is the compared one."""
    meter: Row = (await gateway.wait_running())["meters"][0]
    return meter if meter["identity"] == "verified" else None


def events(gateway: Gateway, code: str) -> list[Row]:
    return [details for found, _, details in gateway.events() if found == code]


async def test_an_exchange_is_noticed_entered_told_and_kept_through_a_restart(tmp_path: Path) -> None:
    plant, meter, link = Plant(), sdm630(1), tmp_path / "bus"
    async with plant.line([meter], link=link) as line:
        config = rtu_line(line)
    parts = ("broker", "receiver")
    async with open_gateway(tmp_path, lines=[config], meters=[meter], start=parts) as gateway:
        async with plant.line([meter], link=link):
            await gateway.agent.start()
            await gateway.wait_values("meter-1", 2)
        async with plant.line([meter], link=link, present=()):
            await gateway.wait_fault("meter.silent meter-1")
        async with plant.line([meter], link=link, serials={"meter-1": NEW}):
            await gateway.wait_fault("meter.wrong-serial meter-1")
            before = len(gateway.values("meter-1", COUNTER))
            refused = await exchange(gateway, "--serial", OLD)
            assert refused["error"] == "NotExchanged"
            done = await exchange(gateway, "--serial", NEW, "--start", "0,5")
            assert (done["old_serial"], done["new_serial"]) == (OLD, NEW)
            assert Decimal(done["end"][COUNTER]) in map(Decimal, gateway.values("meter-1", COUNTER))
            assert done["start"] == {COUNTER: "0.5"}
            told = await wait_until(lambda: verified(gateway), what="the new serial number")
            assert told is not None
            assert (told["serial_configured"], told["exchange"]["new_serial"]) == (NEW, NEW)
            await wait_until(lambda: len(gateway.values("meter-1", COUNTER)) > before + 1, what="new values")
            await gateway.wait_no_fault("meter.wrong-serial meter-1")
            assert gateway.agent.running, "it began anew in its process"
            assert await gateway.agent.stop() == 0
            await gateway.agent.start()
            assert await wait_until(lambda: verified(gateway), what="the new serial number, still")
            assert "meter.implausible meter-1" not in await gateway.faults()
            changed, (entered,) = events(gateway, "meter.serial-changed"), events(gateway, "meter.exchanged")
            assert changed == [{"old_serial": OLD, "new_serial": NEW}]
            assert (entered["old_serial"], entered["new_serial"]) == (OLD, NEW)
            assert entered[f"end.{COUNTER}"] == done["end"][COUNTER]
            assert entered[f"start.{COUNTER}"] == "0.5"
