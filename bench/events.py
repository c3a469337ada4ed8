"""How soon the backend knows of what happened: from the cause to the row in its store.

The cause is a port that is gone: the other end of a line's pseudo terminal is closed, as when an adapter is
pulled. Between stand the agent as it runs (reading all the while, a batch each five seconds), mosquitto with
TLS and client certificates, and the receiver. All times are of one machine's boot clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from bench.__main__ import Figure
from hal.sim.line import SimLine
from tests.system.plant import Plant, boot_ms, rtu_line, sdm630
from tests.world.broker import MOSQUITTO
from tests.world.gateway import Gateway, Settings, open_gateway

CAUSES = 40
SPACING_S = (0.2, 0.8)
POLL_S = 0.02
TIMEOUT_S = 30.0
SEED = 1
SETTINGS = Settings(batch_interval_s=5, flush_interval_s=1.0)
RAISED = "SELECT subject FROM events WHERE code = 'fault.raised' AND details LIKE '%port.gone%'"


async def run(folder: Path) -> list[Figure]:
    """Pull each line's adapter once; when its fault was in the store."""
    if MOSQUITTO is None:
        return [Figure("events", "-", "mosquitto is not installed")]
    folder = folder / "events"
    folder.mkdir()
    async with open_lines(CAUSES) as (lines, ends):
        meters = [
            msgspec.structs.replace(sdm630(line=f"line-{number}"), id=f"meter-{number}")
            for number in range(CAUSES)
        ]
        configs = [rtu_line(line, name=f"line-{number}") for number, line in enumerate(lines)]
        async with open_gateway(folder, lines=configs, meters=meters, settings=SETTINGS) as gateway:
            heard = {meter.id for meter in meters}
            await gateway.wait_readings(lambda rows: heard <= {row["meter"] for row in rows if row["value"]})
            watching = asyncio.create_task(seen_ms(gateway))
            caused_ms = await pull_all(ends)
            seen = await asyncio.wait_for(watching, TIMEOUT_S)
    shutil.rmtree(folder)
    return figures([seen[line] - at_ms for line, at_ms in caused_ms.items()])


def figures(late_ms: list[int]) -> list[Figure]:
    """The median, the 95th percentile and the last."""
    late_ms.sort()
    p95_ms = late_ms[-(-95 * len(late_ms) // 100) - 1]
    return [
        Figure("cause to backend, p95", f"{p95_ms} ms", "the goal is 5000 ms"),
        Figure("cause to backend, median", f"{late_ms[len(late_ms) // 2]} ms", f"{len(late_ms)} causes"),
        Figure("cause to backend, slowest", f"{late_ms[-1]} ms"),
    ]


@contextlib.asynccontextmanager
async def open_lines(count: int) -> AsyncIterator[tuple[list[SimLine], list[contextlib.AsyncExitStack]]]:
    """Lines with a meter each, and what ends each of them."""
    plant, lines, ends = Plant(), [], []
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(count):
            end = await stack.enter_async_context(contextlib.AsyncExitStack())
            lines.append(await end.enter_async_context(plant.line([sdm630()])))
            ends.append(end)
        yield lines, ends


async def pull_all(ends: list[contextlib.AsyncExitStack]) -> dict[str, int]:
    """When each line's end was pulled, in a random order and at random times; boot clock."""
    chance = random.Random(SEED)
    caused_ms = {}
    for number in chance.sample(range(len(ends)), len(ends)):
        await asyncio.sleep(chance.uniform(*SPACING_S))
        caused_ms[f"line-{number}"] = boot_ms()
        await ends[number].aclose()
    return caused_ms


async def seen_ms(gateway: Gateway) -> dict[str, int]:
    """When the event of each line was first in the store."""
    seen: dict[str, int] = {}
    store = gateway._store()

    while len(seen) < CAUSES:
        for (subject,) in store.query(RAISED):
            seen.setdefault(subject, boot_ms())
        await asyncio.sleep(POLL_S)
    return seen
