"""Thirty simulated days, twenty worlds: every due slot at the backend once, dated within its stated
uncertainty, or covered by a gap that names its cause. `make proof` prints each world's figures.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.proof.months.judge import judge
from tests.proof.months.months import World
from tests.proof.months.scenario import draw_scenario
from tests.proof.months.world import fast_folder, run_world

DAYS = 30
WORLDS = 20
pytestmark = pytest.mark.proof


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory where there is one."""
    with fast_folder() as path:
        yield path


@pytest.mark.parametrize("number", range(WORLDS))
def test_a_month_of_trouble_loses_nothing_without_a_reason(
    folder: Path, seed: int, number: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    scenario = draw_scenario(seed + number, DAYS)
    began_s, began_cpu_s = time.monotonic(), time.process_time()

    async def live() -> World:
        world = World(folder, scenario, seed + number)
        await world.live()
        return world

    world = run_world(live())
    verdict = judge(world)
    tally = world.broker.tally
    print(f"\nworld {seed + number}: {verdict}")
    print(f"  happened: {dict(world.happened)}; dropped after PUBACK {tally.dropped + tally.overflowed}")
    print(
        f"  expired {tally.expired}, repeated {tally.repeated}; {time.monotonic() - began_s:.1f} s,"
        f" of it {time.process_time() - began_cpu_s:.1f} s of one core"
    )
    told = "\n".join(str(each) for each in scenario.happenings if each.kind != "cut")
    assert not verdict.wrong, f"{dict(verdict.wrong)}\n{verdict.examples}\n{told}"
    assert verdict.received > 0
