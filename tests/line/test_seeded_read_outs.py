"""Read-outs of several D0 meters on a bad current loop, by the real driver: no wrong value is accepted.

Besides what a line does to bytes, waits are cancelled in the middle of a read-out and another meter is called
at once, calls are heard by another meter or by none, and meters speak unasked. Each read-out names its meter
and how often that was asked: an old answer, another meter's, or a mixed one shows. What another meter says in
whole is told by its number alone, as the worker tells it.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Generator

import pytest

from edge_agent.line import LineCorrupt, LineDriver, LineTimeout
from edge_agent.serials import same_serial
from protocols.iec62056_21 import (
    D0Telegram,
    DataSet,
    Identification,
    Pause,
    Receive,
    Send,
    SetBaud,
    Station,
    Step,
    Value,
    answer_several,
    encode_push,
    read_out,
)
from tests.protocols.test_iec62056_21_session import METERS, Faults
from tests.world.virtual_loop import run_virtual

ADDRESSES = ("11", "12", "13", "14")
CHARACTER_BITS = 10
CHUNK_S = 0.1
FAULTY = 0.3  # of the messages of meters
ECHO = 0.3
CANCELLED = 0.1
CANCELLED_S_MAX = 8.0
MISHEARD = 0.05  # calls that another meter takes for its own
UNHEARD = 0.04  # calls that nobody hears
UNASKED = 0.05  # answers before which another meter says all that it has
DEADLINE_S = 60.0


class Meters:
    """What the meters have to say; each read-out counts."""

    def __init__(self) -> None:
        self.asked = dict.fromkeys(ADDRESSES, 0)

    def stations(self) -> list[Station]:
        pairs = zip(ADDRESSES, METERS, strict=True)
        return [Station(who, lambda name=name: self.read_out(name), name) for name, who in pairs]

    def read_out(self, name: str) -> list[DataSet]:
        self.asked[name] += 1
        return self.present(name)

    def present(self, name: str) -> list[DataSet]:
        values = random.Random(f"{name} {self.asked[name]}")
        counts = [DataSet(f"1.8.{n}", (Value(f"{values.randrange(10**9):09}", "Wh"),)) for n in range(3)]
        return [DataSet("0.0.0", (Value(name),)), DataSet("0.2.0", (Value(str(self.asked[name])),)), *counts]

    def verdict(self, telegram: D0Telegram, name: str) -> str:
        """ "good": what the called meter said when it was last asked, and no character else."""
        if not same_serial(name, telegram.meter_id):
            return "other meter"
        plain = [data_set._replace(offset=0) for data_set in telegram.data_sets]
        return "good" if plain == self.present(name) else "wrong"


class CurrentLoop:
    """The reader's port, and the meters behind it; each byte takes its time at its sender's rate."""

    char_time_s = 0.0

    def __init__(self, meters: Meters, chance: random.Random) -> None:
        self.reader_baud = self.meter_baud = 300
        self._meters = meters
        self._chance = chance
        self._spoil = Faults(chance)
        self._arrived = bytearray()
        self._came = asyncio.Event()
        self._heard: asyncio.Queue[bytes] = asyncio.Queue()
        self._listening = False

    async def write(self, data: bytes) -> None:
        await asyncio.sleep(len(data) * CHARACTER_BITS / self.reader_baud)
        if self._chance.random() < ECHO:
            self._arrive(data)
        if self._listening and self._chance.random() >= UNHEARD:  # one that sends or pauses hears nothing
            heard = data if self.reader_baud == self.meter_baud else _garbled(data)
            self._heard.put_nowait(self._misheard(heard))

    async def read(self, timeout_s: float, expected: int = 1) -> bytes:
        try:
            async with asyncio.timeout(timeout_s):
                while not self._arrived:
                    self._came.clear()
                    await self._came.wait()
        except TimeoutError:
            return b""
        data = bytes(self._arrived)
        self._arrived.clear()
        return data

    def discard_input(self) -> None:
        self._arrived.clear()

    def reconfigure(self, baud: int) -> None:
        self.reader_baud = baud

    async def close(self) -> None:
        """Nothing to release."""

    async def run(self, dialogue: Generator[Step, bytes, None]) -> None:
        """The meters' side, for ever."""
        step = next(dialogue)
        while True:
            data = b""
            if isinstance(step, SetBaud):
                self.meter_baud = step.baud
            elif isinstance(step, Pause):
                await asyncio.sleep(step.seconds)
            elif isinstance(step, Send):
                await self._send(step.data)
            else:
                data = await self._listen(step)
            step = dialogue.send(data)

    async def _listen(self, step: Receive) -> bytes:
        self._listening = True
        try:
            async with asyncio.timeout(step.timeout_s):
                return await self._heard.get()
        except TimeoutError:
            return b""
        finally:
            self._listening = False

    async def _send(self, data: bytes) -> None:
        if data.startswith(b"/") and self._chance.random() < UNASKED:
            name = self._chance.choice(ADDRESSES)
            other = encode_push(Identification("ABC", "5", "other"), self._meters.present(name))
            await self._transmit(other)
        await self._transmit(self._spoil(data) if self._chance.random() < FAULTY else data)

    async def _transmit(self, data: bytes) -> None:
        size = max(1, int(CHUNK_S * self.meter_baud / CHARACTER_BITS))
        for at in range(0, len(data), size):
            piece = data[at : at + size]
            await asyncio.sleep(len(piece) * CHARACTER_BITS / self.meter_baud)
            self._arrive(piece if self.reader_baud == self.meter_baud else _garbled(piece))

    def _arrive(self, data: bytes) -> None:
        self._arrived += data
        self._came.set()

    def _misheard(self, data: bytes) -> bytes:
        if data.startswith(b"/?") and self._chance.random() < MISHEARD:
            return b"/?" + self._chance.choice(ADDRESSES).encode() + b"!\r\n"
        return data


def _garbled(data: bytes) -> bytes:
    """What arrives at another rate."""
    return bytes(byte * 5 + 129 & 0x7F for byte in data)


async def exchange(seed: int, exchanges: int) -> Counter[str]:
    """So many read-outs on one loop, one meter after the other by chance."""
    chance, meters, tally = random.Random(seed), Meters(), Counter[str]()
    loop = CurrentLoop(meters, chance)
    driver = LineDriver(loop, silence_s=0.0, baud=300)
    behind = asyncio.create_task(loop.run(answer_several(meters.stations())))
    for _ in range(exchanges):
        name = chance.choice(ADDRESSES)
        cancelled = chance.random() < CANCELLED
        try:
            async with asyncio.timeout(chance.uniform(0, CANCELLED_S_MAX) if cancelled else None):
                telegram = await driver.converse(read_out(name), DEADLINE_S)
        except LineTimeout:
            tally["timeout"] += 1
        except LineCorrupt:
            tally["corrupt"] += 1
        except TimeoutError:
            tally["cancelled"] += 1
        else:
            tally[meters.verdict(telegram, name)] += 1
    behind.cancel()
    await asyncio.gather(behind, return_exceptions=True)
    return tally


def check(tally: Counter[str], exchanges: int) -> None:
    assert tally["wrong"] == 0
    assert tally.total() == exchanges
    assert tally["good"] > exchanges / 4
    for outcome in ("timeout", "corrupt", "cancelled", "other meter"):
        assert tally[outcome] > 0, outcome


def test_not_one_wrong_value_is_accepted_of_500_read_outs_on_a_bad_loop(
    seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    tally = run_virtual(exchange(seed, 500))
    with capsys.disabled():
        print(f"\nD0 read-outs, seed {seed}: {dict(tally.most_common())}")
    check(tally, 500)


@pytest.mark.proof
def test_not_one_wrong_value_is_accepted_of_ten_thousand_read_outs_on_a_bad_loop(seed: int) -> None:
    tally = run_virtual(exchange(seed, 10_000))
    print(f"\nD0 read-outs, seed {seed}: {dict(tally.most_common())}")
    check(tally, 10_000)
