"""Seeded exchanges on bad lines, by our driver and by pymodbus' client: how many values were wrong.

Devices count how often they were asked and say so in their answers: whoever takes an old answer for a new
one, another unit's for the right one, or a short one for a whole one, shows it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import struct
from collections.abc import AsyncIterator, Callable
from typing import Any, Literal, get_args

from pymodbus import ModbusException
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.framer import FramerType

from edge_agent.line import LATE_ANSWER_S_MAX, LineCorrupt, LineDriver, LineTimeout, PartySuspect
from hal.api import PortError
from hal.board import open_port
from hal.sim.line import Device, LineFaults, SimLine, SimTcpServer
from protocols.modbus.ascii import AsciiExchange, AsciiServer, decode_frame, encode_frame
from protocols.modbus.pdu import ReadRequest
from protocols.modbus.rtu import RtuExchange, RtuServer, add_crc, silence_s
from protocols.modbus.tcp import TcpExchange, TcpServer

Framing = Literal["rtu", "ascii", "rtu over tcp", "tcp"]
FRAMINGS: tuple[Framing, ...] = get_args(Framing)
Tally = dict[str, int]

BAUD = 115_200
UNITS = range(1, 13)
ADDRESSES = 4  # few, and one length: most late answers would fit
REGISTERS = 10
TIMEOUT_S = 0.03
LATE_ANSWER_S = 0.5  # of the driver: the lines here answer 0.12 s late at most
OTHERS = 100  # numbers of units that were never asked: an asked unit's untimely word nobody can tell
CANCELLED = 0.05
OTHER_UNIT = 0.05
FEWER_REGISTERS = 0.05
FAULTS = LineFaults(
    noise_before=0.1,
    noise_after=0.1,
    echo=0.1,
    flip=0.05,
    silence=0.03,
    late=0.05,
    short=0.03,
    junk=0.03,
    split=0.03,
    late_s=(0.04, 0.12),
    split_s=0.004,
)
OUTCOMES = ("exchanges", "good", "wrong", "timeout", "corrupt", "cancelled", "left alone", "lost")
assert FAULTS.late_s[1] < LATE_ANSWER_S < LATE_ANSWER_S_MAX


class CountingDevices:
    """Units whose answers name unit, address and how often the unit was asked."""

    def __init__(self) -> None:
        self.asked = dict.fromkeys(UNITS, 0)

    def answer(self, unit: int, read: ReadRequest) -> bytes | int | None:
        if unit not in self.asked:
            return None
        self.asked[unit] += 1
        head = struct.pack(">HHI", unit, read.address, self.asked[unit])
        return (head + bytes(2 * read.count))[: 2 * read.count]

    def is_fresh(self, data: bytes, unit: int, address: int) -> bool:
        whole = len(data) == 2 * REGISTERS
        return whole and struct.unpack_from(">HHI", data) == (unit, address, self.asked[unit])


class Meddler:
    """A device beside which others speak up, and whose answers are at times whole and too short."""

    def __init__(self, framing: Framing, devices: CountingDevices, seed: int) -> None:
        self._framing = framing
        self._server = self._make_server(devices)
        self._chance = random.Random(seed)

    def receive_data(self, data: bytes) -> list[bytes]:
        frames = []
        for frame in self._server.receive_data(data):
            if self._chance.random() < OTHER_UNIT:
                frames.append(self._changed(frame, lambda unit, pdu: (OTHERS + unit, pdu)))
            short = self._chance.random() < FEWER_REGISTERS
            frames.append(self._changed(frame, _with_fewer_registers) if short else frame)
        return frames

    def _make_server(self, devices: CountingDevices) -> Device:
        if self._framing == "ascii":
            return AsciiServer(devices.answer)
        return (TcpServer if self._framing == "tcp" else RtuServer)(devices.answer)

    def _changed(self, frame: bytes, change: Callable[[int, bytes], tuple[int, bytes]]) -> bytes:
        """The same frame with another unit or PDU, and right check and length."""
        if self._framing == "ascii":
            content = decode_frame(frame[1:-2])
            assert content is not None
            return encode_frame(*change(*content))
        if self._framing == "tcp":
            unit, pdu = change(frame[6], frame[7:])
            return frame[:4] + struct.pack(">HB", len(pdu) + 1, unit) + pdu
        unit, pdu = change(frame[0], frame[1:-2])
        return add_crc(bytes((unit,)) + pdu)


def _with_fewer_registers(unit: int, pdu: bytes) -> tuple[int, bytes]:
    return unit, bytes((pdu[0], pdu[1] - 4)) + pdu[2:-4]


@contextlib.asynccontextmanager
async def open_line(framing: Framing, devices: CountingDevices, seed: int) -> AsyncIterator[str]:
    """The URL of a bad line with these devices."""
    if framing.endswith("tcp"):
        server = SimTcpServer(
            lambda: Meddler(framing, devices, seed), faults=FAULTS, seed=seed, passes_line=framing != "tcp"
        )
        async with server:
            yield server.path
        return
    line = SimLine(
        Meddler(framing, devices, seed),
        baud=BAUD,
        character_format=format_of(framing),
        faults=FAULTS,
        seed=seed,
        turnaround_s=0.001,
    )
    async with line:
        yield f"serial://{line.path}"


def format_of(framing: Framing) -> Literal["7E1", "8N1"]:
    return "7E1" if framing == "ascii" else "8N1"


async def exchange_ours(framing: Framing, seed: int, exchanges: int) -> Tally:
    """So many requests by our driver."""
    devices, chance, tally = CountingDevices(), random.Random(seed), dict.fromkeys(OUTCOMES, 0)
    late_s = 0.0 if framing == "tcp" else LATE_ANSWER_S
    silence = silence_s(BAUD, format_of(framing)) if framing == "rtu" else 0.0
    async with open_line(framing, devices, seed) as url:
        port = await open_port(url, baud=BAUD, format=format_of(framing))
        driver = LineDriver(port, silence_s=silence, late_answer_s=late_s)
        transaction = 0
        while driver.statistics().exchanges < exchanges:
            unit, address = chance.choice(UNITS), chance.randrange(ADDRESSES)
            read = ReadRequest(3, address, REGISTERS)
            transaction = (transaction + 1) % 0x10000
            exchange: Any = (
                TcpExchange(unit, read, transaction)
                if framing == "tcp"
                else (AsciiExchange if framing == "ascii" else RtuExchange)(unit, read)
            )
            try:
                data = await _perhaps_cancelled(driver.exchange(exchange, TIMEOUT_S), chance)
            except PartySuspect:
                tally["left alone"] += 1
                await asyncio.sleep(0.002)
            except LineTimeout:
                tally["timeout"] += 1
            except LineCorrupt:
                tally["corrupt"] += 1
            except TimeoutError:
                tally["cancelled"] += 1
            else:
                tally["good" if devices.is_fresh(data, unit, address) else "wrong"] += 1
        tally["exchanges"] = driver.statistics().exchanges
        await driver.close()
    return tally


async def exchange_theirs(framing: Framing, seed: int, exchanges: int) -> Tally:
    """So many requests by pymodbus' client, its retries off so that each request is one exchange."""
    devices, chance, tally = CountingDevices(), random.Random(seed), dict.fromkeys(OUTCOMES, 0)
    async with open_line(framing, devices, seed) as url:
        client = _client(framing, url)
        assert await client.connect()
        while tally["exchanges"] < exchanges:
            tally["exchanges"] += 1
            unit, address = chance.choice(UNITS), chance.randrange(ADDRESSES)
            if not client.connected:
                tally["lost"] += 1
                client.close()
                await client.connect()
            reading = client.read_holding_registers(address, count=REGISTERS, device_id=unit)
            try:
                answer = await _perhaps_cancelled(reading, chance)
            except TimeoutError:
                tally["cancelled"] += 1
            except (ModbusException, PortError):
                tally["timeout"] += 1
            else:
                data = b"".join(word.to_bytes(2, "big") for word in getattr(answer, "registers", ()))
                if answer.isError():
                    tally["corrupt"] += 1
                else:
                    tally["good" if devices.is_fresh(data, unit, address) else "wrong"] += 1
        client.close()
    return tally


async def _perhaps_cancelled(work: Any, chance: random.Random) -> Any:
    """The result; TimeoutError where chance cancelled the wait. (LineTimeout is none.)"""
    cancelled, after_s = chance.random() < CANCELLED, chance.uniform(0, 0.004)
    async with asyncio.timeout(after_s if cancelled else None):
        return await work


def _client(framing: Framing, url: str) -> AsyncModbusTcpClient | AsyncModbusSerialClient:
    framer = {"ascii": FramerType.ASCII, "tcp": FramerType.SOCKET}.get(framing, FramerType.RTU)
    if framing.endswith("tcp"):
        host, _, port = url.removeprefix("tcp://").partition(":")
        return AsyncModbusTcpClient(host, port=int(port), framer=framer, timeout=TIMEOUT_S, retries=0)
    return AsyncModbusSerialClient(
        url.removeprefix("serial://"),
        framer=framer,
        baudrate=BAUD,  # 8N1, since a pseudo-terminal knows nothing else
        timeout=TIMEOUT_S,
        retries=0,
    )


async def run_lines(
    run: Callable[[Framing, int, int], Any], framing: Framing, seed: int, exchanges: int, lines: int
) -> Tally:
    """`exchanges` over several lines at once, seeds counted up from `seed`."""
    each = -(-exchanges // lines)
    tallies = await asyncio.gather(*(run(framing, seed + number, each) for number in range(lines)))
    return {outcome: sum(tally[outcome] for tally in tallies) for outcome in OUTCOMES}


def table(rows: list[tuple[str, Tally]]) -> str:
    """For people."""
    lines = ["".join([f"{'':<24}", *(f"{outcome:>12}" for outcome in OUTCOMES)])]
    lines += [
        "".join([f"{name:<24}", *(f"{tally[outcome]:>12}" for outcome in OUTCOMES)]) for name, tally in rows
    ]
    return "\n".join(lines)
