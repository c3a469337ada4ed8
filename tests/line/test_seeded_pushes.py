"""Telegrams that are pushed over bad lines: not one wrong value is accepted, and the undamaged ones are.

Each push bears its number and values that follow from it, so that a value of damaged, joined or mixed
telegrams shows. Now and then the listener loses the port and joins again in the middle of a telegram.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from edge_agent.line import LineDriver
from hal.board import open_port
from hal.sim.line import LineFaults, SimPushLine
from protocols.errors import ProtocolError
from protocols.sml import SmlReceiver, SmlTelegram, SmlTime, SmlValue, encode_telegram
from protocols.sml.transport import ESCAPE
from protocols.value import Scaled

BAUD = 115_200
PERIOD_MS = 1  # one telegram behind the other, as fast as the line goes
LINES = 8
LISTEN_S = 0.5
SILENCE_S_MAX = 20.0
JOINS = 0.02  # of the telegrams heard, so often is the port lost behind one
JOIN_S_MAX = 0.02  # a telegram takes 0.015 s
FAULTS = LineFaults(
    noise_before=0.1, noise_after=0.1, flip=0.1, silence=0.05, short=0.05, junk=0.03, split=0.1, split_s=0.004
)
SERVER = bytes.fromhex("0a01454d480000a1bd34")
NAMES = tuple(bytes((1, 0, number, 8, 0, 255)) for number in range(1, 6))


def values_of(number: int) -> tuple[SmlValue, ...]:
    """What push `number` says: other bytes in each, negative ones, and escapes that must be doubled."""
    chance = random.Random(number)
    integers = [number, *(chance.randrange(-(1 << bits), 1 << bits) for bits in (7, 15, 31))]
    numbers = [SmlValue(NAMES[place], Scaled(integer, -1), 30) for place, integer in enumerate(integers)]
    return (*numbers, SmlValue(NAMES[4], chance.randbytes(6) + ESCAPE))


class NumberedPusher:
    """A meter that counts its pushes."""

    def __init__(self) -> None:
        self.pushed = 0

    def telegram(self, _elapsed_ms: int) -> bytes:
        self.pushed += 1
        return encode_telegram(
            SERVER, values_of(self.pushed), transaction=self.pushed, time=SmlTime("index", self.pushed)
        )


def verdict(telegram: SmlTelegram, last: int, pushed: int) -> str:
    """ "good": exactly what was pushed under its number, later than the last one heard, and by now."""
    number = telegram.time.seconds if telegram.time else 0
    whole = (telegram.server_id, telegram.values) == (SERVER, values_of(number))
    return "good" if whole and last < number <= pushed else "wrong"


async def listen_to(seed: int, pushes: int) -> Counter[str]:
    """So many pushes over one line."""
    pusher, chance, tally = NumberedPusher(), random.Random(seed), Counter[str]()
    receiver, last, loop = SmlReceiver(), 0, asyncio.get_running_loop()
    heard_s = loop.time()
    async with SimPushLine(
        pusher, period_ms=PERIOD_MS, elapsed_ms=lambda: 0, baud=BAUD, faults=FAULTS, seed=seed
    ) as line:
        driver = LineDriver(await open_port(f"serial://{line.path}", baud=BAUD), silence_s=0.0)
        while pusher.pushed < pushes:
            for item in await driver.listen(receiver, LISTEN_S):
                heard_s = loop.time()
                if isinstance(item, ProtocolError):
                    tally[item.code] += 1
                    continue
                tally[verdict(item, last, pusher.pushed)] += 1
                last = item.time.seconds if item.time else last
            assert loop.time() - heard_s < SILENCE_S_MAX
            if chance.random() < JOINS:
                await driver.close()
                await asyncio.sleep(chance.uniform(0, JOIN_S_MAX))
                driver = LineDriver(await open_port(f"serial://{line.path}", baud=BAUD), silence_s=0.0)
                receiver = SmlReceiver()
                tally["joined"] += 1
        await driver.close()
    tally["pushed"] = pusher.pushed
    return tally


async def listen_on_lines(seed: int, pushes: int) -> Counter[str]:
    """So many pushes over LINES lines at once, seeds counted up from `seed`."""
    each = -(-pushes // LINES)
    tallies = await asyncio.gather(*(listen_to(seed + number, each) for number in range(LINES)))
    return sum(tallies, Counter[str]())


def check(tally: Counter[str], pushes: int) -> None:
    assert tally["wrong"] == 0
    assert tally["pushed"] >= pushes
    assert tally["good"] >= pushes / 2
    assert tally["sml.crc"] > 0
    assert tally["sml.cut"] > 0
    assert tally["joined"] > 0


async def test_not_one_wrong_value_is_accepted_of_a_thousand_pushes_over_a_bad_line(
    seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    tally = await listen_on_lines(seed, 1_000)
    with capsys.disabled():
        print(f"\nSML pushes, seed {seed}: {dict(tally.most_common())}")
    check(tally, 1_000)


@pytest.mark.proof
async def test_not_one_wrong_value_is_accepted_of_ten_thousand_pushes_over_a_bad_line(seed: int) -> None:
    tally = await listen_on_lines(seed, 10_000)
    print(f"\nSML pushes, seed {seed}: {dict(tally.most_common())}")
    check(tally, 10_000)
