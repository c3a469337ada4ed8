"""Retrying: later and later, never for bugs, with jitter from the seed only."""

from __future__ import annotations

import asyncio
import itertools
import random

import pytest

from edge_agent.supervise import Backoff, supervise
from tests.world.virtual_loop import run_virtual


class Down(Exception):
    pass


def starts_of(durations: list[float], until_s: float) -> list[float]:
    """When an operation that fails after each of these durations (the last for ever) is started."""

    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        starts: list[float] = []

        async def operation() -> None:
            starts.append(loop.time())
            await asyncio.sleep(durations[min(len(starts), len(durations)) - 1])
            raise Down

        task = asyncio.create_task(
            supervise(
                operation,
                operating_errors=Down,
                on_failure=lambda _: None,
                backoff=Backoff(1.0, 60.0, random.Random(1)),
                healthy_after_s=30.0,
            )
        )
        await asyncio.sleep(until_s)
        task.cancel()
        return starts

    return run_virtual(main())


def test_delays_double_up_to_the_bound_and_jitter_shortens_them() -> None:
    starts = starts_of([0.0], 2_000.0)
    waits = [later - earlier for earlier, later in itertools.pairwise(starts)]
    for place, wait in enumerate(waits):
        full = min(2.0**place, 60.0)
        assert full / 2 <= wait <= full
    assert len(waits) > 30


def test_an_operation_that_lived_long_begins_again_at_the_first_delay() -> None:
    starts = starts_of([0.0, 0.0, 0.0, 0.0, 100.0], 1_000.0)
    lived = [later - earlier - 100.0 for earlier, later in itertools.pairwise(starts[4:])]
    assert lived
    assert all(0.5 <= wait <= 1.0 for wait in lived[:1])


def test_a_bug_is_not_retried() -> None:
    async def buggy() -> None:
        raise KeyError("a bug")

    async def main() -> None:
        await supervise(
            buggy,
            operating_errors=Down,
            on_failure=lambda _: None,
            backoff=Backoff(1.0, 60.0, random.Random(1)),
        )

    with pytest.raises(KeyError):
        run_virtual(main())
