"""A machine whose clock nobody vouches for: readings are dated on the boot axis, and only there."""

from __future__ import annotations

import datetime as dt
import shutil
import sys
from pathlib import Path

import pytest

from hal.clock import kernel_clock_error_us
from tests.system.plant import Plant, rtu_line, sdm630, wrong_values
from tests.world.gateway import Gateway, Settings, open_gateway

# Where the kernel's clock is synchronised, the agent's question is answered with "not permitted".
DENY_ADJTIMEX = [
    "strace",
    "-D",
    "-f",
    "-qqq",
    "--seccomp-bpf",
    "-e",
    "trace=adjtimex,clock_adjtime",
    "-e",
    "inject=adjtimex,clock_adjtime:error=EPERM",
]


def distrust_the_kernel(gateway: Gateway) -> None:
    if kernel_clock_error_us() is None:
        return
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("hardware: the kernel's clock is synchronised and there is no strace to hide that")
    gateway.agent.launcher = (strace, *DENY_ADJTIMEX[1:], sys.executable)


async def test_readings_under_an_untrusted_clock_are_kept_apart_without_a_date(tmp_path: Path) -> None:
    plant, meters = Plant(), [sdm630()]
    settings = Settings(clock="kernel")
    async with (
        plant.line(meters) as line,
        open_gateway(
            tmp_path,
            lines=[rtu_line(line)],
            meters=meters,
            settings=settings,
            start=("broker", "receiver"),
        ) as gateway,
    ):
        distrust_the_kernel(gateway)
        await gateway.agent.start()
        await gateway.wait_fault("clock.untrusted clock")
        await gateway.wait_values("meter-1", 3)
        await gateway.wait_drained()
        assert not (await gateway.status())["clock"]["trusted"]
        rows = await gateway.export()
        assert wrong_values(plant, rows) == []
        assert {(row["utc"], row["due_utc"]) for row in rows} == {("", "")}
        assert gateway.store_status()["undated"] >= len(rows)
        due_ms = sorted({row["due_ms"] for row in rows})[1:]  # the first is the read at the start
        assert all(due % 1000 == 0 for due in due_ms), "slots lie on full intervals of the boot axis"

        # Once someone vouches for the clock, what comes is dated, and a signed time map dates what was not.
        last_ms = max(row["time_ms"] for row in rows)
        await gateway.agent.stop()
        gateway.settings.clock = "operator"
        gateway.agent.launcher = (sys.executable,)
        gateway.write_config()
        await gateway.agent.start()
        rows = await gateway.wait_readings(
            lambda rows: all(row["utc"] for row in rows) and any(row["time_ms"] > last_ms for row in rows)
        )
        [boot] = {row["boot"] for row in rows}
        assert boot >= 1
        offsets_ms = {utc_ms(row["utc"]) - row["time_ms"] for row in rows}
        assert max(offsets_ms) - min(offsets_ms) <= 100, "one boot has one axis, and one offset to UTC"
        assert {row["clock_source"] for row in rows} == {"operator"}
        assert all(row["uncertainty_ms"] >= 1_000 for row in rows)
        assert gateway.store_status()["undated"] == 0
        assert wrong_values(plant, rows) == []


def utc_ms(text: str) -> int:
    return round(dt.datetime.fromisoformat(text).timestamp() * 1000)
