"""The line driver against simulated devices: what it keeps, what it survives, what it never accepts."""

from __future__ import annotations

import asyncio
import random
import struct
from typing import Any, Self

import pytest

from edge_agent.line import (
    FRAMES_MAX,
    LineCorrupt,
    LineDriver,
    LineMemory,
    LineTimeout,
    PartySuspect,
)
from hal.api import PortError
from hal.board import open_port
from hal.sim.line import LineFaults, PacedPty, SimLine, SimTcpServer
from protocols.errors import DeviceError
from protocols.modbus.pdu import ReadRequest
from protocols.modbus.rtu import RtuExchange, RtuServer, silence_s
from protocols.modbus.tcp import TcpExchange, TcpServer

BAUD = 115_200
UNITS = range(1, 25)
ILLEGAL_ADDRESS = 2
FORBIDDEN = 9_999
MUTE_UNIT = 200


class CountingDevices:
    """Units whose answers name unit, address and how often the unit was asked: no two are alike."""

    def __init__(self) -> None:
        self.asked = dict.fromkeys(UNITS, 0)

    def answer(self, unit: int, read: ReadRequest) -> bytes | int | None:
        if unit not in self.asked:
            return None
        self.asked[unit] += 1
        if read.address == FORBIDDEN:
            return ILLEGAL_ADDRESS
        head = struct.pack(">HHI", unit, read.address, self.asked[unit])
        return head + bytes(2 * read.count - len(head))

    def is_fresh(self, data: bytes, unit: int, address: int) -> bool:
        return struct.unpack_from(">HHI", data) == (unit, address, self.asked[unit])


class OpenLine:
    """A simulated line, the devices on it and a driver."""

    def __init__(
        self,
        *,
        baud: int = BAUD,
        faults: LineFaults | None = None,
        seed: int = 1,
        late_answer_s: float = 3.0,
        turnaround_s: float = 0.001,
    ) -> None:
        self.devices = CountingDevices()
        self.baud = baud
        self.late_answer_s = late_answer_s
        self.sim = SimLine(
            RtuServer(self.devices.answer), baud=baud, faults=faults, seed=seed, turnaround_s=turnaround_s
        )

    async def __aenter__(self) -> Self:
        self.sim.start()
        port = await open_port(f"serial://{self.sim.path}", baud=self.baud)
        silence = silence_s(self.baud, "8N1")
        self.driver = LineDriver(port, silence_s=silence, late_answer_s=self.late_answer_s)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.driver.close()
        await self.sim.stop()

    async def read(self, unit: int, address: int = 0, count: int = 20, timeout_s: float = 0.3) -> bytes:
        read = ReadRequest(3, address, count)
        return await self.driver.exchange(RtuExchange(unit, read), timeout_s)

    async def read_fresh(self, unit: int, address: int = 0, count: int = 20, timeout_s: float = 0.3) -> bytes:
        data = await self.read(unit, address, count, timeout_s)
        assert self.devices.is_fresh(data, unit, address), (unit, address, data.hex())
        return data

    def faults(self, **probabilities: Any) -> None:
        self.sim.faults = LineFaults(**probabilities)


@pytest.mark.parametrize(
    "faults",
    [{}, {"noise_before": 1.0}, {"noise_after": 1.0}, {"echo": 1.0}, {"split": 1.0}],
    ids=lambda faults: "".join(faults) or "clean",
)
async def test_the_right_answer_is_found_whatever_surrounds_it(faults: dict[str, float]) -> None:
    async with OpenLine(faults=LineFaults(**faults, split_s=0.02)) as line:
        for turn in range(12):
            await line.read_fresh(1 + turn % 3, address=turn)
        assert line.driver.statistics().answered == 12
        assert line.driver.statistics().retries == 0


async def test_a_refusal_passes_through_and_the_line_goes_on() -> None:
    async with OpenLine() as line:
        with pytest.raises(DeviceError) as refused:
            await line.read(1, address=FORBIDDEN)
        assert refused.value.device_code == ILLEGAL_ADDRESS
        await line.read_fresh(1)


async def test_a_silent_party_costs_one_timeout_and_is_then_left_alone_while_others_are_read() -> None:
    async with OpenLine(late_answer_s=60.0) as line:
        started = asyncio.get_running_loop().time()
        with pytest.raises(LineTimeout):
            await line.read(MUTE_UNIT, timeout_s=0.1)
        for _ in range(5):
            with pytest.raises(PartySuspect):
                await line.read(MUTE_UNIT, timeout_s=0.1)
            await line.read_fresh(1)
        assert asyncio.get_running_loop().time() - started < 1.0
        requests = [frame for frame in line.sim.log if frame.sender == "client"]
        assert [frame.data[0] for frame in requests].count(MUTE_UNIT) == 1


async def test_a_suspect_party_is_asked_again_once_its_answer_can_no_longer_come() -> None:
    async with OpenLine(late_answer_s=0.2, faults=LineFaults(silence=1.0)) as line:
        with pytest.raises(LineTimeout):
            await line.read(1, timeout_s=0.05)
        line.faults()
        async with asyncio.timeout(3):
            while True:
                try:
                    await line.read_fresh(1)
                    break
                except PartySuspect:
                    await asyncio.sleep(0.01)


async def test_a_late_answer_is_never_taken_for_the_answer_to_the_next_request() -> None:
    async with OpenLine(late_answer_s=0.5) as line:
        line.faults(late=1.0, late_s=(0.1, 0.1))
        with pytest.raises(LineTimeout):
            await line.read(1, address=100, timeout_s=0.05)
        line.faults()
        with pytest.raises(PartySuspect):
            await line.read(1, address=300)
        for address in range(12):  # the late answer of unit 1 comes somewhere in here
            await line.read_fresh(2, address=address)
        received = b"".join(frame.received for frame in line.driver.frames())
        assert struct.pack(">HHI", 1, 100, 1) in received


async def test_the_answer_to_a_cancelled_request_is_never_taken_for_another() -> None:
    async with OpenLine(late_answer_s=0.5, turnaround_s=0.03) as line:
        for _ in range(3):
            task = asyncio.create_task(line.read(1, address=100))
            await _until_asked(line, 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            with pytest.raises(PartySuspect):
                await line.read(1, address=300)
            await line.read_fresh(2)
            line.driver.memory.asked_s.clear()  # as if the time had passed
            await line.read_fresh(1, address=300)


async def _until_asked(line: OpenLine, unit: int) -> None:
    before = line.devices.asked[unit]
    async with asyncio.timeout(2):
        while line.devices.asked[unit] == before:  # noqa: ASYNC110  the simulated device sets no event
            await asyncio.sleep(0.001)


async def test_cancelling_at_any_moment_leaves_a_line_that_still_works() -> None:
    async with OpenLine(late_answer_s=0.05) as line:
        for steps in range(0, 60, 3):
            task = asyncio.create_task(line.read(1 + steps % 20, address=steps))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await line.read_fresh(22, address=7)


async def test_what_goes_wrong_is_told_apart() -> None:
    async with OpenLine(late_answer_s=60.0) as line:
        line.faults(silence=1.0)
        with pytest.raises(LineTimeout, match="did not answer"):
            await line.read(1, timeout_s=0.05)
        line.faults(silence=1.0, echo=1.0)
        with pytest.raises(LineTimeout, match="echo"):
            await line.read(2, timeout_s=0.05)
        line.faults(short=1.0)
        with pytest.raises(LineCorrupt) as corrupt:
            await line.read(3, timeout_s=0.05)
        assert corrupt.value.received_bytes > 0


async def test_a_damaged_answer_is_asked_for_once_more_and_no_oftener() -> None:
    async with OpenLine() as line:
        line.faults(junk=1.0)
        with pytest.raises(LineCorrupt):
            await line.read(1, timeout_s=0.05)
        assert line.devices.asked[1] == 2
        line.faults()
        await line.read_fresh(1)
        counts = line.driver.statistics()
        assert (counts.corrupt, counts.retries, counts.answered) == (2, 1, 1)


async def test_a_short_answer_is_not_asked_for_again_since_the_rest_may_still_come() -> None:
    async with OpenLine() as line:
        line.faults(short=1.0)
        with pytest.raises(LineCorrupt):
            await line.read(1, timeout_s=0.05)
        assert line.devices.asked[1] == 1
        with pytest.raises(PartySuspect):
            await line.read(1)


async def test_a_line_that_is_never_silent_is_named_as_such() -> None:
    async with OpenLine() as line:
        babble = asyncio.create_task(_babble(line.sim.pty))
        try:
            with pytest.raises(LineCorrupt, match="not silent"):
                await line.read(1)
        finally:
            babble.cancel()
        assert line.devices.asked[1] == 0


async def _babble(pty: PacedPty) -> None:
    while True:
        await pty.send(b"\x55" * 16)


@pytest.mark.parametrize("baud", [9_600, 19_200, BAUD])
async def test_the_silence_before_each_request_is_held_as_the_wire_itself_saw_it(baud: int) -> None:
    faults = LineFaults(noise_after=0.3, noise_before=0.3, silence=0.05)
    async with OpenLine(baud=baud, faults=faults, seed=baud, late_answer_s=0.001) as line:
        for turn in range(25):
            try:
                await line.read(1 + turn % 5, address=turn, count=4, timeout_s=0.03)
            except (LineTimeout, LineCorrupt):
                continue
        silence = silence_s(baud, "8N1")
        gaps = line.sim.pty.request_gaps_s(silence)
        assert len(gaps) >= 12
        assert min(gaps) >= silence, (min(gaps), line.sim.seed)


async def test_not_one_wrong_value_is_accepted_in_a_thousand_bad_exchanges(
    capsys: pytest.CaptureFixture[str],
) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    faults = LineFaults(
        noise_before=0.1,
        noise_after=0.1,
        echo=0.1,
        flip=0.05,
        silence=0.03,
        late=0.05,
        short=0.04,
        junk=0.03,
        split=0.03,
        late_s=(0.04, 0.12),
        split_s=0.004,
    )
    with capsys.disabled():
        print(f"\nseed {seed}")
    lines = await asyncio.gather(*(_exchange_badly(seed + number, faults) for number in range(4)))
    tally = {kind: sum(line[kind] for line in lines) for kind in lines[0]}
    with capsys.disabled():
        print(tally)
    assert tally["wrong"] == 0
    assert tally["exchanges"] >= 1_000
    assert tally["good"] >= 600
    assert tally["timeout"] > 0
    assert tally["corrupt"] > 0
    assert tally["suspect"] > 0


async def _exchange_badly(seed: int, faults: LineFaults) -> dict[str, int]:
    """250 requests on one line; few addresses and one length, so that most late answers would fit."""
    chance = random.Random(seed)
    tally = dict.fromkeys(("exchanges", "good", "wrong", "timeout", "corrupt", "suspect"), 0)
    async with OpenLine(faults=faults, seed=seed, late_answer_s=0.5) as line:
        while line.driver.statistics().exchanges < 250:
            unit, address = chance.randint(1, 6), chance.randrange(4)
            try:
                data = await line.read(unit, address, count=10, timeout_s=0.03)
            except PartySuspect:
                tally["suspect"] += 1
                await asyncio.sleep(0.005)
            except LineTimeout:
                tally["timeout"] += 1
            except LineCorrupt:
                tally["corrupt"] += 1
            else:
                tally["good" if line.devices.is_fresh(data, unit, address) else "wrong"] += 1
        tally["exchanges"] = line.driver.statistics().exchanges
    return tally


async def test_frames_and_counts_tell_what_went_over_the_line() -> None:
    async with OpenLine() as line:
        data = await line.read_fresh(5, count=4)
        frame = line.driver.frames()[-1]
        assert (frame.party, frame.sent[0], frame.outcome) == (5, 5, "answered")
        assert data in frame.received
        counts = line.driver.statistics()
        assert (counts.exchanges, counts.bytes_out, counts.bytes_in) == (1, 8, 13)
        assert 0 < counts.busy_s < 5
        memory = line.driver.memory
        for _ in range(FRAMES_MAX + 10):
            memory.frames.append(frame)
        assert len(line.driver.frames()) == FRAMES_MAX


async def test_a_line_that_comes_back_remembers_who_owes_an_answer() -> None:
    async with OpenLine(late_answer_s=60.0) as line:
        line.faults(silence=1.0)
        with pytest.raises(LineTimeout):
            await line.read(1, timeout_s=0.05)
        line.sim.pty.vanish()
        with pytest.raises(PortError) as gone:
            await line.read(2)
        assert gone.value.code == "port.gone"
        await line.driver.close()
        line.faults()
        line.sim.pty.appear()
        port = await open_port(f"serial://{line.sim.path}", baud=BAUD)
        line.driver = LineDriver(port, silence_s=0.00175, late_answer_s=60.0, memory=line.driver.memory)
        with pytest.raises(PartySuspect):
            await line.read(1)
        await line.read_fresh(3)


class TcpLine:
    """A simulated Modbus TCP endpoint and a driver on it."""

    def __init__(self, **options: Any) -> None:
        self.devices = CountingDevices()
        self.sim = SimTcpServer(lambda: TcpServer(self.devices.answer), **options)
        self.transaction = 0

    async def __aenter__(self) -> Self:
        await self.sim.start()
        await self.connect()
        return self

    async def connect(self) -> None:
        self.driver = LineDriver(await open_port(self.sim.path), silence_s=0.0, late_answer_s=0.0)

    async def __aexit__(self, *_: object) -> None:
        await self.driver.close()
        await self.sim.stop()

    async def read_fresh(self, unit: int, address: int = 0, timeout_s: float = 1.0) -> None:
        self.transaction += 1
        exchange = TcpExchange(unit, ReadRequest(3, address, 10), self.transaction)
        data = await self.driver.exchange(exchange, timeout_s)
        assert self.devices.is_fresh(data, unit, address)


async def test_late_answers_over_tcp_are_passed_over_and_nobody_is_left_alone() -> None:
    async with TcpLine(seed=3) as line:
        for turn in range(20):
            line.sim.faults = LineFaults(late=1.0, late_s=(0.03, 0.06), split=0.5, split_s=0.005)
            with pytest.raises(LineTimeout):
                await line.read_fresh(1, address=turn, timeout_s=0.01)
            line.sim.faults = LineFaults(split=0.5, split_s=0.02)
            await line.read_fresh(1, address=turn)


async def test_a_tcp_line_that_was_cut_is_read_again_after_connecting_anew() -> None:
    async with TcpLine() as line:
        await line.read_fresh(1)
        await line.sim.drop_connections()
        with pytest.raises(PortError) as gone:
            await line.read_fresh(1)
        assert gone.value.code == "port.gone"
        await line.driver.close()
        await line.sim.stop()
        with pytest.raises(PortError) as refused:
            await line.connect()
        assert refused.value.code == "port.refused"
        await line.sim.start()
        await line.connect()
        await line.read_fresh(1)


async def test_a_peer_that_does_not_speak_modbus_tcp_loses_the_connection() -> None:
    async def rubbish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(12)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    server = await asyncio.start_server(rubbish, "127.0.0.1", 0)
    port = await open_port(f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    driver = LineDriver(port, silence_s=0.0, late_answer_s=0.0)
    with pytest.raises(PortError) as wrong:
        await driver.exchange(TcpExchange(1, ReadRequest(3, 0, 2), 7), 1.0)
    assert wrong.value.code == "port.gone"
    await driver.close()
    server.close()


async def test_a_fresh_driver_starts_with_an_empty_memory() -> None:
    async with OpenLine() as line:
        assert line.driver.frames() == []
        assert line.driver.statistics() == LineMemory().counts
