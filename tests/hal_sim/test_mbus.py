"""The simulated M-Bus loop: currents add up, meters hear their own rate, values are those of the profile."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.catalogue import catalogue
from hal.serial_port import open_serial_port
from hal.sim.line import LineFaults
from hal.sim.mbus import LoopMeter, MbusLoop, Piece, SimMbusLine, merge_answers, usual_turnaround_bits
from hal.sim.mbus_meters import SimMbusMeter
from hal.sim.meters import SimRead
from protocols.mbus.frames import ACK, LongFrame, ShortFrame, encode_frame
from protocols.mbus.link import ANSWER_BITS_MAX, REQ_UD2, SND_NKE
from protocols.mbus.telegram import decode_telegram
from tests.protocols.mbus_wire import make_loop, make_station

WAIT_S = 5.0


def test_one_answer_comes_as_it_was_sent() -> None:
    assert merge_answers([Piece(30, b"\x68\x00\xff")]) == [Piece(30, b"\x68\x00\xff")]
    assert merge_answers([]) == []


def test_answers_in_step_are_anded_byte_by_byte_and_a_longer_one_goes_on_alone() -> None:
    merged = merge_answers([Piece(20, b"\xf0\x3c"), Piece(20, b"\x3c\xff\x55")])
    assert merged == [Piece(20, b"\x30\x3c\x55")]


def test_two_acknowledgements_overlap_to_one_only_in_step() -> None:
    assert merge_answers([Piece(20, ACK), Piece(20, ACK)]) == [Piece(20, ACK)]
    for shift in range(1, 11):
        assert merge_answers([Piece(20, ACK), Piece(20 + shift, ACK)]) != [Piece(20, ACK)]
    assert merge_answers([Piece(20, ACK), Piece(31, ACK)]) == [Piece(20, ACK * 2)]
    assert merge_answers([Piece(20, ACK), Piece(50, ACK)]) == [Piece(20, ACK), Piece(50, ACK)]


@given(st.lists(st.tuples(st.integers(0, 200), st.binary(min_size=1, max_size=8)), max_size=5))
def test_any_answers_make_characters_that_begin_no_earlier_than_they(
    answers: list[tuple[int, bytes]],
) -> None:
    pieces = [Piece(start, data) for start, data in answers]
    merged = merge_answers(pieces)
    assert sum(len(piece.data) for piece in merged) <= sum(len(data) for _, data in answers)
    assert bool(merged) == bool(answers)
    assert merged[:1] == [] or merged[0].start_bits == min(start for start, _ in answers)


def test_only_meters_at_the_senders_rate_hear_it() -> None:
    station = make_station("12345678.KAM.1B.04", 5)
    loop = make_loop(station)
    request = encode_frame(ShortFrame(SND_NKE, 5))
    assert loop.receive_data(request, 300) == []
    assert [piece.data for piece in loop.receive_data(request, 2400)] == [ACK]


def test_meters_take_as_long_as_the_standard_allows() -> None:
    chance = random.Random(3)
    assert all(11 <= usual_turnaround_bits(chance) <= ANSWER_BITS_MAX for _ in range(200))


@pytest.mark.parametrize("name", [n for n, p in catalogue().items() if p.protocol == "mbus"])
def test_every_profile_comes_to_life_and_says_its_values_exactly(name: str) -> None:
    given_out: list[SimRead] = []
    meter = SimMbusMeter(catalogue()[name], "12345678", 5, 1, lambda: 86_400_000, given_out.append)
    frame = meter.station(2400).receive_frame(ShortFrame(REQ_UD2 | 0x20, 5))
    assert isinstance(frame, LongFrame)
    telegram = decode_telegram(frame)
    assert (telegram.id, telegram.address, telegram.more_follows) == ("12345678", 5, False)
    assert len(telegram.records) == len(given_out[0].values) == len(catalogue()[name].records)
    later = meter.values(86_400_500)
    assert all(str(later[quantity].normalised()) != value for quantity, value in given_out[0].values.items())


def test_a_serial_number_is_a_secondary_address() -> None:
    profile = catalogue()["mbus-heat"]
    assert str(SimMbusMeter(profile, "12345678", 0, 1, lambda: 0).address) == "12345678.SIM.01.04"
    assert str(SimMbusMeter(profile, "12345678.LUG.04.0C", 0, 1, lambda: 0).address) == "12345678.LUG.04.0C"
    with pytest.raises(ValueError, match="not a secondary address"):
        SimMbusMeter(profile, "1234", 0, 1, lambda: 0)


async def test_the_line_answers_on_a_real_pty_and_echoes_if_it_is_told_to() -> None:
    loop = MbusLoop([LoopMeter(make_station("12345678.KAM.1B.04", 5), 30)])
    request = encode_frame(ShortFrame(SND_NKE, 5))
    loop.meters[0].station.baud = 9600
    async with SimMbusLine(loop, baud=9600, faults=LineFaults(echo=1.0), seed=1) as line:
        port = open_serial_port(line.path, baud=9600, character_format="8E1")
        await port.write(request)
        heard = b""
        async with asyncio.timeout(WAIT_S):
            while len(heard) < len(request) + 1:
                heard += await port.read(1.0)
        await port.close()
        assert heard == request + ACK
        assert [frame.sender for frame in line.log] == ["client", "device", "device"]
