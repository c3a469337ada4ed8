"""A disk that somebody else fills to the last byte, with the link down: fill, drain, accept again, twice."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from tests.system.plant import Plant, rtu_line, sdm630, wrong_values
from tests.system.test_bad_state import (
    FULL_FAULTS,
    MIB,
    further_rounds,
    keep_full,
    small_disk,
    uncovered,
)
from tests.world.gateway import Gateway, Row, Settings, open_gateway, wait_until

ROUNDS = 2
BACKLOG_MESSAGES = 2
LOST_S = 60.0  # the reserve goes first, and the pages that are free in the database
BACK_S = 60.0  # the agent tries the broker again after 1, 2, 4, 8, ... seconds


@contextlib.asynccontextmanager
async def full(disk: Path) -> AsyncIterator[None]:
    """Whatever room there is, somebody else takes it, until he is stopped and his file removed."""
    filling = asyncio.create_task(keep_full(disk))
    try:
        yield
    finally:
        filling.cancel()
        await asyncio.gather(filling, return_exceptions=True)
        (disk / "ballast").unlink()


async def evicted(gateway: Gateway) -> int:
    return int((await gateway.status())["buffer"]["evicted_messages"])


async def fill_and_drain(gateway: Gateway, plant: Plant, disk: Path) -> None:
    """No link, then no room: readings go on, messages have to go. Then both come back."""
    gateway.broker.kill()
    before = await evicted(gateway)

    async def has_backlog() -> bool:
        return bool((await gateway.status())["buffer"]["messages_unsent"] >= BACKLOG_MESSAGES)

    async def has_lost() -> bool:
        return await evicted(gateway) > before

    await wait_until(has_backlog, what="messages that wait for the link")
    async with full(disk):
        await wait_until(has_lost, LOST_S, "messages that had to go")
        assert set(FULL_FAULTS) & set(await gateway.faults())
        await further_rounds(plant, 2)
        status = await gateway.status()
        assert status["meters"][0]["silent_for_ms"] is None
        assert status["buffer"]["dropped_readings"] == 0, "memory holds what is not sealed yet"
    subscribed = gateway.receiver.log().count("receiving edge/v1/+/up from")
    gateway.broker.start()
    await gateway.wait_subscribed(subscribed)

    async def is_back() -> bool:
        return bool((await gateway.status())["link"]["connected"])

    await wait_until(is_back, BACK_S, "the link")
    for name in FULL_FAULTS:
        await gateway.wait_no_fault(name)


async def wait_accounted(gateway: Gateway, plant: Plant) -> None:
    """Return when all that the meter has said by now is in the store, or in a gap."""
    until_ms = plant.log[-1].boot_ms

    def told(rows: list[Row]) -> bool:
        return not any(answer.boot_ms <= until_ms for answer in uncovered(plant, rows, gateway.gaps()))

    await gateway.wait_readings(told, what="readings in the store or in a gap")


async def test_a_full_disk_loses_what_a_gap_names_and_then_all_resumes_twice_in_a_row(tmp_path: Path) -> None:
    plant, meters = Plant(), [sdm630(quantities=())]  # all that it has: messages need pages
    with small_disk(tmp_path) as disk:
        settings = Settings(state_folder=str(disk / "state"), size_bytes_max=2 * MIB)
        async with (
            plant.line(meters) as line,
            open_gateway(tmp_path, lines=[rtu_line(line)], meters=meters, settings=settings) as gateway,
        ):
            await gateway.wait_values("meter-1", 2)
            for number in range(1, ROUNDS + 1):
                await fill_and_drain(gateway, plant, disk)
                await wait_accounted(gateway, plant)
                causes = [gap["cause"] for gap in gateway.gaps()]
                assert causes.count("evicted") >= number, causes
                await gateway.wait_drained()
            held = len(gateway.readings())
            await gateway.wait_readings(lambda rows: len(rows) > held)
            assert wrong_values(plant, gateway.readings()) == []
            assert gateway.store_status()["duplicates"] == 0
            holes = [hole for stream in gateway.store_status()["streams"] for hole in stream["holes"]]
            assert all(hole["explained"] for hole in holes), holes
