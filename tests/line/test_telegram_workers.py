"""The workers of optical heads and P1 ports: what becomes of silence, of a foreign meter, of a lost port."""

from __future__ import annotations

import asyncio
import contextlib
import random
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Never

from config.catalogue import catalogue
from config.load import Line
from config.model import LineConfig, MeterConfig
from edge_agent.clock import BootClock
from edge_agent.d0_worker import D0Worker
from edge_agent.faults import Faults
from edge_agent.line import LineDriver
from edge_agent.line_port import LinePort
from edge_agent.meter_state import MeterState, initial_identity
from edge_agent.push_codecs import PlainP1Receiver
from edge_agent.push_worker import PushWorker
from edge_agent.text_readers import D0Reader, P1Reader
from edge_agent.workers import open_line
from hal.api import PortError
from hal.clock import SystemClock
from hal.storage import FolderStorage
from protocols.p1 import P1Telegram
from protocols.value import NullCause
from tests.line.worker import Kept, parts_of

COUNTER = ("energy_active_import_total",)
Worker = D0Worker | PushWorker[P1Telegram]


@contextlib.asynccontextmanager
async def open_rig(
    url: str, *, serial: str = "77", interval_s: int = 1
) -> AsyncIterator[tuple[Worker, Kept]]:
    is_d0 = url.startswith("sim://d0")
    name = "d0-electricity" if is_d0 else "p1-dsmr5"
    config = LineConfig(id="l", url=url, protocol="d0" if is_d0 else "p1")
    line = Line(config, (0,), 300 if is_d0 else 115_200, "7E1" if is_d0 else "8N1", 0.4, 0.0)
    meter = MeterConfig(
        id="m", line="l", profile=name, serial=serial, interval_s=interval_s, quantities=COUNTER
    )
    profile = catalogue()[name]
    faults = Faults(lambda: 0)
    kept = Kept()
    state = MeterState(meter, profile, initial_identity(meter))
    port: LinePort[LineDriver] = LinePort(line, open_line, faults, random.Random(1))
    with tempfile.TemporaryDirectory() as folder:
        clock = BootClock(FolderStorage(Path(folder)), SystemClock("kernel"))
    parts = parts_of(clock, kept, faults)
    worker: Worker
    if is_d0:
        reader = D0Reader(profile, meter, 0)
        worker = D0Worker(line, [(state, reader)], port, parts)
    else:
        p1 = P1Reader(profile, meter, 0)
        worker = PushWorker(line, state, p1, PlainP1Receiver, port, parts)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(port.run()), group.create_task(worker.run())]
        try:
            yield worker, kept
        finally:
            for task in tasks:
                task.cancel()


async def test_a_meter_that_is_asked_gives_values_and_its_number_is_verified() -> None:
    async with open_rig("sim://d0?meter=d0-electricity:77", interval_s=3) as (worker, kept):
        readings = await kept.wait_more(1)
        assert readings[0].value is not None
        assert worker.meters[0].identity == "verified"


async def test_nothing_of_a_foreign_meter_counts() -> None:
    async with open_rig("sim://d0?meter=d0-electricity:78", interval_s=3) as (_, kept):
        (reading, *_) = await kept.wait_more(1)
        assert (reading.value, reading.remark) == (None, NullCause.WRONG_DEVICE)


async def test_a_meter_that_does_not_answer_is_silent_and_asked_again() -> None:
    async with open_rig("sim://d0?meter=d0-electricity:77&silence=1", interval_s=3) as (worker, kept):
        readings = await kept.wait_more(2)
        assert {reading.remark for reading in readings} == {NullCause.SILENT}, "one round in three seconds"
        assert "did not answer" in worker.meters[0].last_error


async def test_p1_telegrams_fill_the_slots() -> None:
    async with open_rig("sim://p1?meter=p1-dsmr5:77&period_ms=300") as (worker, kept):
        readings = await kept.wait_more(2)
        assert any(reading.value is not None for reading in readings)
        assert worker.meters[0].identity == "verified"


async def test_a_port_that_fails_at_once_does_not_keep_the_loop_busy() -> None:
    """The port's own task must come to its turn, or nobody opens the port again."""
    calls = 0

    async def fail(*_: object) -> Never:
        nonlocal calls
        calls += 1
        raise PortError("port.gone", "unplugged")

    async with open_rig("sim://p1?meter=p1-dsmr5:77&period_ms=300") as (worker, kept):
        await kept.wait_more(1)
        driver = worker.port.driver
        assert driver is not None
        driver.listen = fail  # type: ignore[method-assign]
        assert (await kept.wait_more(3))[-1].value is not None
        assert calls == 1
