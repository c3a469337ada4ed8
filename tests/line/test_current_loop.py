"""D0 meters called by their device address, serial servers that cannot switch, heads that only echo."""

from __future__ import annotations

import asyncio
import contextlib
import random
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from config.catalogue import catalogue
from config.load import Line
from config.model import LineConfig, MeterConfig
from edge_agent.clock import BootClock
from edge_agent.d0_worker import D0Worker
from edge_agent.faults import Faults
from edge_agent.line import LineDriver
from edge_agent.line_port import LinePort
from edge_agent.meter_state import MeterState, initial_identity
from edge_agent.text_readers import D0Reader
from edge_agent.workers import open_line
from hal.clock import SystemClock
from hal.sim.line import PacedPty
from hal.storage import FolderStorage
from protocols.iec62056_21 import (
    DataSet,
    Identification,
    Pause,
    Receive,
    Send,
    SetBaud,
    Station,
    Value,
    answer,
    answer_several,
)
from protocols.value import NullCause
from tests.line.worker import WAIT_S, Kept, Rig, parts_of

COUNTER = ("energy_active_import_total",)
BAUD = 9_600
ABSENT = {
    NullCause.SILENT,
    NullCause.LINE_BUSY,
}  # busy: the first slot may follow closely on the start's read
READ_OUT = (DataSet("0.0.0", (Value("77"),)), DataSet("1.8.0", (Value("17.5", "kWh"),)))


@contextlib.asynccontextmanager
async def open_rig(url: str, addresses: Sequence[str], baud: int = BAUD) -> AsyncIterator[Rig]:
    """A d0 line; the meters' serial numbers are their addresses, or 77."""
    config = LineConfig(id="l", url=url, protocol="d0")
    line = Line(config, tuple(range(len(addresses))), baud, "7E1", 0.4, 0.0)
    profile = catalogue()["d0-electricity"]
    faults, kept = Faults(lambda: 0), Kept()
    pairs = []
    for place, address in enumerate(addresses):
        meter = MeterConfig(
            id=f"m{place}",
            line="l",
            profile=profile.name,
            device_address=address,
            serial=address or "77",
            interval_s=2,
            quantities=COUNTER,
        )
        state = MeterState(meter, profile, initial_identity(meter))
        pairs.append((state, D0Reader(profile, meter, place)))
    port: LinePort[LineDriver] = LinePort(line, open_line, faults, random.Random(1))
    with tempfile.TemporaryDirectory() as folder:
        clock = BootClock(FolderStorage(Path(folder)), SystemClock("kernel"))
    worker = D0Worker(line, pairs, port, parts_of(clock, kept, faults))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(port.run()), group.create_task(worker.run())]
        try:
            yield Rig(worker, kept, faults)
        finally:
            for task in tasks:
                task.cancel()


async def test_each_meter_of_a_current_loop_is_called_by_its_address() -> None:
    url = "sim://d0?meter=d0-electricity@11:11&meter=d0-electricity@12:12&read_out_baud=9600"
    async with open_rig(url, ["11", "0012"]) as rig:
        async with asyncio.timeout(WAIT_S):
            while {reading.series for reading in rig.kept.readings if reading.value is not None} != {0, 1}:
                await rig.kept.wait_more(1)
        assert [meter.identity for meter in rig.worker.meters] == ["verified", "verified"]
        assert {reading.series for reading in await rig.worker.read_now("m1")} == {1}


async def test_a_meter_that_does_not_answer_leaves_the_others_alone() -> None:
    url = "sim://d0?meter=d0-electricity@11:11&meter=d0-electricity@12:12&read_out_baud=9600"
    async with open_rig(url, ["11", "13"]) as rig:
        await rig.wait_fault("meter.silent m1")
        assert rig.worker.meters[0].identity == "verified"
        causes = {r.remark for r in rig.kept.readings if r.series == 1}
        assert {NullCause.SILENT} <= causes <= ABSENT


async def test_a_loop_called_without_an_address_answers_with_nobody() -> None:
    stations = [Station(Identification("SIM", "5", str(n)), lambda: READ_OUT, str(n)) for n in (11, 12)]
    meters = answer_several(stations)
    step = next(meters)
    while not isinstance(step, Receive):
        step = next(meters)
    assert isinstance(meters.send(b"/?!\r\n"), Receive)
    assert not isinstance(meters.send(b"/?12!\r\n"), Receive)


async def test_only_an_echo_is_a_silent_meter_and_says_so() -> None:
    pty = PacedPty(char_time_s=0.001, link=None, receive=lambda data, _end_s: echoes.put_nowait(data))
    echoes: asyncio.Queue[bytes] = asyncio.Queue()

    async def reflect() -> None:
        while True:
            await pty.send(await echoes.get(), "echo")

    pty.appear()
    head = asyncio.create_task(reflect())
    try:
        async with open_rig(f"serial://{pty.path}", [""], baud=300) as rig:
            evidence = await rig.wait_fault("meter.silent m0")
            assert "only our own request came back (echo" in evidence
            causes = {reading.remark for reading in rig.kept.readings}
            assert {NullCause.SILENT} <= causes <= ABSENT
    finally:
        head.cancel()
        pty.vanish()


class SerialServer:
    """A serial server at 300 Bd, with a meter that names 9600 Bd: what comes at another rate is lost."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        meter = answer(Identification("SIM", "5", "fast"), lambda: READ_OUT)
        step, baud = next(meter), 0
        while not reader.at_eof():
            data = b""
            if isinstance(step, SetBaud):
                baud = step.baud
            elif isinstance(step, Send) and baud == 300:
                writer.write(step.data)
            elif isinstance(step, Receive):
                with contextlib.suppress(TimeoutError):
                    data = await asyncio.wait_for(reader.read(100), step.timeout_s)
            else:
                assert isinstance(step, Pause | Send)
            step = meter.send(data)
        writer.close()


async def test_over_a_serial_server_a_meter_is_read_at_the_rate_of_the_sign_on() -> None:
    server = await asyncio.start_server(SerialServer().serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with open_rig(f"tcp://127.0.0.1:{port}", [""], baud=300) as rig:
            (reading, *_) = await rig.kept.wait_more(1)
            assert str(reading.value) == "17.5"
            assert rig.faults() == {}
