"""Some simulated days of trouble, as in tests/proof/months but short: a known world in each run."""

from __future__ import annotations

import logging

import pytest

from tests.proof.months.judge import judge
from tests.proof.months.months import World
from tests.proof.months.scenario import draw_scenario
from tests.proof.months.world import fast_folder, run_world

DAYS = 3
SEED = 6  # with the clock away for hours, and a boot that is dated by a map


def test_three_days_of_trouble_lose_nothing_without_a_reason(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)

    async def live() -> World:
        with fast_folder() as folder:
            world = World(folder, draw_scenario(SEED, DAYS), SEED)
            await world.live()
            verdict = judge(world)
            assert not verdict.wrong, f"{dict(verdict.wrong)}\n{verdict.examples}"
            assert verdict.duplicates == verdict.unexplained == 0
            assert verdict.received > 0.9 * verdict.due
            assert verdict.by_map > 0
            return world

    world = run_world(live())
    assert {"power", "kill", "outage", "restore", "reconfigure", "lie"} <= set(world.happened)
