"""The simulated optical head: read out through the real driver and a real pseudo-terminal."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Generator

import pytest

from edge_agent.line import LineCorrupt, LineDriver, LineTimeout
from hal.board import open_port
from protocols.iec62056_21 import D0Telegram, Receive, Send, SetBaud, Step, WakeUp, read_out

URL = "sim://d0?meter=d0-electricity:12345678&read_out_baud=9600&seed=3"
DEADLINE_S = 30.0


@contextlib.asynccontextmanager
async def head(faults: str = "") -> AsyncIterator[LineDriver]:
    port = await open_port(URL + faults, baud=300, format="7E1")
    driver = LineDriver(port, silence_s=0.0, baud=300)
    try:
        yield driver
    finally:
        await driver.close()


async def test_a_meter_is_read_out_at_the_rate_that_it_names_and_again_from_300_baud() -> None:
    async with head() as driver:
        for _ in range(2):
            telegram = await driver.converse(read_out(), DEADLINE_S)
            assert telegram.checked
            assert telegram.meter_id == "12345678"
            assert len(telegram.data_sets) > 20
        assert [frame.outcome for frame in driver.frames()] == ["answered", "answered"]


async def test_the_echo_of_the_head_and_nuls_before_the_sign_on_do_no_harm() -> None:
    async with head("&echo=1") as driver:
        telegram = await driver.converse(read_out(wake_up=WakeUp(5, 0.1)), DEADLINE_S)
        assert telegram.meter_id == "12345678"


async def test_a_reader_that_stays_at_its_rate_while_the_meter_switches_hears_garbage() -> None:
    def stubborn() -> Generator[Step, bytes, bytes]:
        yield SetBaud(300)
        yield Send(b"/?!\r\n")
        heard = b""
        while b"\n" not in heard:
            heard += yield Receive(2.0)
        yield Send(b"\x06050\r\n")
        block = b""
        while data := (yield Receive(1.0)):
            block += data
        return block

    async with head() as driver:
        block = await driver.converse(stubborn(), DEADLINE_S)
        assert block
        assert b"12345678" not in block


async def test_a_meter_that_says_nothing_is_silent_even_where_the_head_reflects() -> None:
    async with head("&silence=1&echo=1") as driver:
        with pytest.raises(LineTimeout):
            await driver.converse(read_out(timeout_s=0.5), DEADLINE_S)


async def test_a_read_out_has_one_deadline_and_what_comes_after_it_is_not_taken_for_the_next() -> None:
    async with head() as driver:
        with pytest.raises(LineCorrupt, match=r"not finished within 3\.2 s"):
            await driver.converse(read_out(), 3.2)  # the meter is about to send its block
        telegram = await driver.converse(read_out(), DEADLINE_S)
        assert isinstance(telegram, D0Telegram)
        assert telegram.meter_id == "12345678"


@pytest.mark.parametrize("fault", ["flip", "junk", "short"])
async def test_a_damaged_read_out_is_refused(fault: str) -> None:
    async with head(f"&{fault}=1") as driver:
        with pytest.raises((LineCorrupt, LineTimeout)):
            await driver.converse(read_out(timeout_s=0.5), DEADLINE_S)
