"""What counts as proof of life, and what looking for it may cost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.link.proof import (
    ANSWER_HOLDS_S,
    DAY_S,
    HEADERS_BYTES,
    NAME_HOLDS_FIRST_S,
    Answer,
    LifeSigns,
    ask_name_server,
    encode_question,
    is_answer,
    probe_bytes_max,
    system_name_servers,
)
from edge_agent.uplink.session import LinkStatistics

NAME = "broker.example"
WAIT_S = 10.0


def link(
    *,
    connected: bool = False,
    since: float | None = None,
    puback: float | None = None,
    answer: float | None = None,
) -> LinkStatistics:
    return LinkStatistics(connected, since, "", puback, None, None, 0, 0, 0, 0, answer)


def signs(statistics: LinkStatistics, *, came: bool = True, bytes_day_max: int = 10_000) -> LifeSigns:
    async def ask(_server: str, _name: str, _interface: str) -> Answer:
        return Answer(came, 200)

    return LifeSigns(lambda: statistics, ask, name=NAME, bytes_day_max=bytes_day_max)


def test_while_the_session_stands_nothing_speaks_against_the_link() -> None:
    assert signs(link(connected=True, since=5.0)).look(100_000.0).is_alive


def test_an_answer_of_the_broker_holds_until_its_next_try_is_overdue() -> None:
    life = signs(link(since=1_000.0, answer=1_000.0))
    assert life.look(1_000.0 + ANSWER_HOLDS_S - 1) == (1_000.0, "broker", True)
    assert not life.look(1_000.0 + ANSWER_HOLDS_S).is_alive


def test_a_puback_proves_the_moment_it_came_and_no_longer() -> None:
    assert signs(link(since=60.0, puback=50.0)).look(70.0) == (50.0, "puback", False)


def test_without_any_sign_nothing_is_alive() -> None:
    assert signs(link()).look(10.0) == (None, "", False)


async def test_the_answer_of_a_name_server_holds_longer_each_time() -> None:
    life, now_s, holds = signs(link(since=0.0)), 0.0, []
    for _ in range(8):
        assert await life.probe(("10.0.0.1",), "wwan0", now_s)
        begun_s = now_s
        while life.look(now_s).is_alive:
            now_s += 10.0
        holds.append(now_s - begun_s)
    assert holds == [NAME_HOLDS_FIRST_S, 240.0, 480.0, 960.0, 1_920.0, 3_600.0, 3_600.0, 3_600.0]


async def test_questions_never_cost_more_a_day_than_was_allowed() -> None:
    life = signs(link(), came=False, bytes_day_max=3_000)
    day = [await life.probe(("10.0.0.1",), "wwan0", 60.0 * n) for n in range(1_440)]
    assert not any(day)
    assert 3_000 - probe_bytes_max(NAME) < life.spent_bytes <= 3_000
    await life.probe(("10.0.0.1",), "wwan0", float(DAY_S))
    assert life.spent_bytes == 200


async def test_no_more_than_one_question_a_minute_is_asked() -> None:
    life = signs(link())
    assert await life.probe(("10.0.0.1",), "wwan0", 100.0)
    assert not await life.probe(("10.0.0.1",), "wwan0", 159.0)
    assert life.spent_bytes == 200


class NameServer(asyncio.DatagramProtocol):
    """Answers each question by what `make` makes of it."""

    def __init__(self, make: Callable[[bytes], bytes]) -> None:
        self.make = make
        self.asked: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.asked.append(data)
        self.transport.sendto(self.make(data), addr)  # type: ignore[attr-defined]


def refused(question: bytes) -> bytes:
    """That there is no such name: an answer all the same."""
    return question[:2] + bytes([0x81, 0x83]) + question[4:]


async def ask_one(make: Callable[[bytes], bytes]) -> tuple[Answer, list[bytes]]:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(
        lambda: NameServer(make), local_addr=("127.0.0.1", 0)
    )
    try:
        port = transport.get_extra_info("sockname")[1]
        async with asyncio.timeout(WAIT_S):
            return await ask_name_server("127.0.0.1", NAME, "", port=port), server.asked
    finally:
        transport.close()


async def test_a_question_over_a_real_socket_is_answered_and_counted() -> None:
    answer, asked = await ask_one(refused)
    assert answer == Answer(came=True, size_bytes=2 * len(asked[0]) + 2 * HEADERS_BYTES)
    assert asked[0][12:] == b"\x06broker\x07example\x00\x00\x01\x00\x01"


async def test_a_closed_port_and_a_missing_interface_are_no_answer() -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    transport.close()
    await asyncio.sleep(0)
    assert not (await ask_name_server("127.0.0.1", NAME, "", port=port)).came
    assert not (await ask_name_server("127.0.0.1", NAME, "no-such-if0", port=port)).came


@given(st.binary(max_size=64), st.integers(0, 65_535))
def test_strange_datagrams_are_judged_without_harm(data: bytes, number: int) -> None:
    if is_answer(data, number):
        assert data[:2] == number.to_bytes(2, "big")
        assert data[2] & 0x80


def test_an_echo_of_the_question_is_no_answer() -> None:
    assert not is_answer(encode_question(7, NAME), 7)
    assert is_answer(refused(encode_question(7, NAME)), 7)
    assert not is_answer(refused(encode_question(7, NAME)), 8)


def test_no_name_of_a_host_is_refused() -> None:
    with pytest.raises(ValueError, match=r"label|not a name"):
        encode_question(1, "a..b")


def test_name_servers_of_the_machine_itself_say_nothing_of_the_link(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text(
        "# made by hand\nnameserver 127.0.0.53\nnameserver 10.64.0.1\nsearch example\nnameserver\n"
    )
    assert system_name_servers(file) == ("10.64.0.1",)
    assert system_name_servers(tmp_path / "none") == ()
