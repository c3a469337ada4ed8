"""Short waits: never early, late by less than the loop's millisecond, and nothing left behind."""

from __future__ import annotations

import asyncio
import statistics

import pytest

from hal.readiness import wait_precisely
from tests.hal.ends import open_fds


async def test_a_precise_wait_is_never_early_and_mostly_less_than_a_millisecond_late() -> None:
    loop = asyncio.get_running_loop()
    lateness_s = []
    for step in range(40):
        duration_s = 0.0002 + step * 0.00013
        started_s = loop.time()
        await wait_precisely(duration_s)
        lateness_s.append(loop.time() - started_s - duration_s)
    assert min(lateness_s) >= 0
    assert statistics.median(lateness_s) < 0.001


async def test_a_cancelled_precise_wait_leaves_no_descriptor_behind() -> None:
    before = open_fds()
    for _ in range(3):
        task = asyncio.create_task(wait_precisely(0.0015))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert open_fds() == before


async def test_no_time_at_all_is_no_wait() -> None:
    await wait_precisely(0.0)
    await wait_precisely(-1.0)
