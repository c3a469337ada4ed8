"""What a person did to a gateway is told to the backend: another configuration, a reset lower bound."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.system.plant import Plant, rtu_line, sdm630
from tests.world.gateway import Gateway, Row, open_gateway, run_program, wait_until


def told(gateway: Gateway, code: str) -> list[Row]:
    return [details for known, _, details in gateway.events() if known == code]


def digest(gateway: Gateway) -> str:
    """As `sha256sum gateway.toml` begins."""
    return hashlib.sha256(gateway.config.read_bytes()).hexdigest()[:16]


async def edgectl(gateway: Gateway, *arguments: str) -> tuple[int, Any]:
    config = ("--json", "--config", str(gateway.config))
    code, out, err = await run_program(gateway.folder, "edgectl.main", *arguments, *config)
    assert out, err
    return code, json.loads(out)


async def restart(gateway: Gateway) -> None:
    starts = len(told(gateway, "agent.start"))
    assert await gateway.agent.stop() == 0
    await gateway.agent.start()
    await wait_until(lambda: len(told(gateway, "agent.start")) > starts, what="the start at the backend")


async def test_a_changed_configuration_and_a_reset_bound_are_told_once(tmp_path: Path) -> None:
    plant, meters = Plant(), [sdm630()]
    async with (
        plant.line(meters) as line,
        open_gateway(tmp_path, lines=[rtu_line(line)], meters=meters) as gateway,
    ):
        await gateway.wait_values("meter-1", 1)
        await wait_until(lambda: told(gateway, "agent.start"), what="the start at the backend")
        first = digest(gateway)
        assert [start["config"] for start in told(gateway, "agent.start")] == [first]
        await restart(gateway)
        assert told(gateway, "config.changed") == []

        gateway.settings = replace(gateway.settings, flush_interval_s=0.4)
        gateway.write_config()
        await restart(gateway)
        await restart(gateway)
        assert told(gateway, "config.changed") == [{"config": digest(gateway), "before": first}]

        code, outbox = await edgectl(gateway, "outbox", "explain")
        assert (code, outbox["reachable"]) == (0, True)
        assert outbox["outbox"]["flush_interval_ms"] == {"value": 400, "basis": "configured", "over_ms": None}
        assert outbox["outbox"]["own_bytes_a_day"]["basis"] == "measured"
        (part,) = outbox["outbox"]["parts"]
        assert part["sealed_readings_a_day"]["value"] > 0

        await gateway.wait_drained()
        _, before = await edgectl(gateway, "time")
        assert before["bound_origin"] == "receipt"
        code, after = await edgectl(gateway, "time", "reset-bound", "--yes")
        assert code == 0
        assert after["bound_utc_ms"] <= before["bound_utc_ms"]
        (reset,) = await wait_until(
            lambda: told(gateway, "clock.bound-reset"), what="the reset at the backend"
        )
        assert reset["after_ms"] == after["built_utc_ms"]
