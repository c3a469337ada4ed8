"""RTU framing: its own answer is found in whatever arrives, and nothing else is taken for it."""

from __future__ import annotations

import time
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import DeviceError
from protocols.modbus.pdu import (
    READ_COILS,
    READ_HOLDING_REGISTERS,
    READ_INPUT_REGISTERS,
    ReadRequest,
    data_size_bytes,
    encode_request,
    fault_of_request,
)
from protocols.modbus.rtu import RtuExchange, RtuServer, add_crc, silence_s

UNITS = st.integers(1, 255)
NOISE = st.binary(max_size=40)


@st.composite
def reads(draw: st.DrawFn) -> ReadRequest:
    function = draw(st.integers(1, 4))
    count = draw(st.integers(1, 2000 if function <= 2 else 125))
    return ReadRequest(function, draw(st.integers(0, 65536 - count)), count)


def data_for(read: ReadRequest, salt: int = 0) -> bytes:
    """Data that names its read: another address or salt gives other bytes."""
    size = data_size_bytes(read)
    return bytes((read.address * 7 + place * 13 + salt) & 0xFF for place in range(size))


def answer_frame(unit: int, read: ReadRequest, salt: int = 0) -> bytes:
    data = data_for(read, salt)
    return add_crc(bytes((unit, read.function, len(data))) + data)


def feed(exchange: RtuExchange, pieces: Iterable[bytes]) -> bytes | None:
    for piece in pieces:
        found = exchange.receive_data(piece)
        if found is not None:
            return found
    return None


def each_byte(data: bytes) -> list[bytes]:
    return [data[place : place + 1] for place in range(len(data))]


@given(UNITS, reads(), st.booleans())
def test_server_role_answers_client_role(unit: int, read: ReadRequest, slow: bool) -> None:
    server = RtuServer(lambda asked_unit, asked: data_for(asked, asked_unit))
    exchange = RtuExchange(unit, read)
    request = each_byte(exchange.request) if slow else [exchange.request]
    frames = [frame for piece in request for frame in server.receive_data(piece)]
    assert len(frames) == 1
    assert len(frames[0]) == exchange.response_size_bytes
    assert feed(exchange, each_byte(frames[0]) if slow else frames) == data_for(read, unit)
    assert exchange.noise_bytes == 0


@given(reads(), NOISE, NOISE, st.booleans(), st.booleans())
def test_noise_and_echo_around_the_answer_are_passed_over(
    read: ReadRequest, before: bytes, after: bytes, echo: bool, slow: bool
) -> None:
    exchange = RtuExchange(17, read)
    frame = answer_frame(17, read)
    stream = before + (exchange.request if echo else b"") + frame + after
    assert feed(exchange, each_byte(stream) if slow else [stream]) == data_for(read)
    if not slow:
        assert exchange.noise_bytes == len(stream) - len(frame)


@given(UNITS, reads())
def test_an_answer_cut_at_any_length_is_no_answer(unit: int, read: ReadRequest) -> None:
    frame = answer_frame(unit, read)
    exchange = RtuExchange(unit, read)
    for place, byte in enumerate(each_byte(frame)):
        found = exchange.receive_data(byte)
        assert (found is None) == (place < len(frame) - 1)
        if found is None:
            assert 1 <= exchange.missing_bytes() <= len(frame) - place - 1


@given(reads(), st.integers(0, 10_000), st.integers(1, 255))
def test_a_flipped_answer_is_no_answer(read: ReadRequest, place: int, flip: int) -> None:
    frame = bytearray(answer_frame(17, read))
    frame[place % len(frame)] ^= flip
    assert RtuExchange(17, read).receive_data(bytes(frame)) is None


@given(UNITS, UNITS, reads(), reads())
def test_frames_of_other_units_and_other_lengths_are_never_taken(
    unit: int, other_unit: int, read: ReadRequest, other: ReadRequest
) -> None:
    same_shape = (unit, read.function, data_size_bytes(read)) == (
        other_unit,
        other.function,
        data_size_bytes(other),
    )
    late = answer_frame(other_unit, other, salt=1)
    exchange = RtuExchange(unit, read)
    if same_shape or exchange.receive_data(late) is not None:
        assert same_shape
        return
    assert exchange.receive_data(answer_frame(unit, read)) == data_for(read)


def test_a_late_answer_with_another_count_is_skipped() -> None:
    late = answer_frame(1, ReadRequest(READ_HOLDING_REGISTERS, 100, 2))
    read = ReadRequest(READ_HOLDING_REGISTERS, 7, 4)
    exchange = RtuExchange(1, read)
    assert exchange.receive_data(late) is None
    assert exchange.receive_data(answer_frame(1, read)) == data_for(read)
    assert exchange.noise_bytes == len(late)


def test_the_echo_of_a_coil_read_that_looks_like_its_answer_is_not_taken() -> None:
    read = ReadRequest(READ_COILS, 0x0305, 20)
    exchange = RtuExchange(9, read)
    assert exchange.receive_data(exchange.request) is None
    assert exchange.receive_data(answer_frame(9, read)) == data_for(read)


@given(UNITS, reads(), NOISE, st.integers(1, 255), st.booleans())
def test_a_refusal_is_a_device_error(
    unit: int, read: ReadRequest, before: bytes, code: int, slow: bool
) -> None:
    server = RtuServer(lambda _unit, _read: code)
    exchange = RtuExchange(unit, read)
    stream = before + server.receive_data(exchange.request)[0]
    with pytest.raises(DeviceError) as caught:
        feed(exchange, each_byte(stream) if slow else [stream])
    assert (caught.value.code, caught.value.device_code) == ("modbus.exception", code)
    assert f"unit {unit} " in caught.value.text


def test_a_refusal_behind_the_beginning_of_an_answer_is_seen_at_once() -> None:
    read = ReadRequest(READ_INPUT_REGISTERS, 0, 125)
    exchange = RtuExchange(1, read)
    with pytest.raises(DeviceError):
        exchange.receive_data(answer_frame(1, read)[:20] + add_crc(b"\x01\x84\x02"))


def test_a_silent_unit_stays_silent() -> None:
    server = RtuServer(lambda unit, _read: b"\0\0" if unit == 1 else None)
    read = ReadRequest(READ_HOLDING_REGISTERS, 0, 1)
    assert server.receive_data(RtuExchange(2, read).request) == []
    assert len(server.receive_data(RtuExchange(1, read).request)) == 1


@given(st.lists(st.one_of(NOISE, reads().map(lambda read: RtuExchange(3, read).request))))
def test_the_server_finds_requests_among_noise(pieces: list[bytes]) -> None:
    asked: list[ReadRequest] = []

    def answer(_unit: int, read: ReadRequest) -> int | None:
        asked.append(read)
        return None

    whole, slow = RtuServer(answer), RtuServer(answer)
    whole.receive_data(b"".join(pieces))
    found_whole, asked = asked, []
    for byte in each_byte(b"".join(pieces)):
        slow.receive_data(byte)
    assert found_whole == asked


@given(st.binary(max_size=600))
def test_any_bytes_give_data_or_a_refusal_and_little_is_kept(data: bytes) -> None:
    exchange = RtuExchange(1, ReadRequest(READ_HOLDING_REGISTERS, 0, 3))
    try:
        for byte in each_byte(data):
            if exchange.receive_data(byte) is not None:
                return
            assert len(exchange._buffer) < exchange.response_size_bytes
            assert exchange.missing_bytes() >= 1
    except DeviceError:
        pass


@pytest.mark.parametrize("unit", [3, 100, 250])
def test_time_is_linear_in_hostile_input(unit: int) -> None:
    """Input made of nothing but beginnings of answers."""
    count = unit // 2 if unit > 3 else 2
    read = ReadRequest(READ_HOLDING_REGISTERS, 0, count)
    hostile = answer_frame(unit, read)[:3] * 10_000

    def seconds(data: bytes) -> float:
        start = time.perf_counter()
        assert RtuExchange(unit, read).receive_data(data) is None
        return time.perf_counter() - start

    small, large = min(seconds(hostile[:7500]) for _ in range(3)), seconds(hostile)
    assert large < 12 * small + 0.2  # four times the input; generous for a loaded machine


def test_impossible_reads_are_refused_before_they_are_sent() -> None:
    impossible = [(5, 0, 1), (3, 0, 0), (3, 0, 126), (1, 0, 2001), (4, 65535, 2), (4, -1, 1)]
    for read in (ReadRequest(*fields) for fields in impossible):
        assert fault_of_request(read) in (1, 2, 3)
        with pytest.raises(ValueError, match="cannot be asked"):
            encode_request(read)
    with pytest.raises(ValueError, match="unit 0"):
        RtuExchange(0, ReadRequest(3, 0, 1))


def test_a_server_that_answers_with_the_wrong_size_is_a_bug() -> None:
    with pytest.raises(ValueError, match="wants 4 data bytes"):
        RtuServer(lambda _unit, _read: b"\0").receive_data(RtuExchange(1, ReadRequest(3, 0, 2)).request)


def test_silence_is_three_and_a_half_characters_and_fixed_above_19200() -> None:
    assert silence_s(9600, "8N1") == pytest.approx(3.5 * 10 / 9600)
    assert silence_s(9600, "8E1") == silence_s(9600, "8N2") == pytest.approx(3.5 * 11 / 9600)
    assert silence_s(19200, "7E1") == pytest.approx(3.5 * 10 / 19200)
    assert silence_s(38400, "8N1") == 0.00175


def test_a_recorded_answer() -> None:
    """SDM630: 230.2 V in input register 0, as the maker's manual prints it."""
    exchange = RtuExchange(1, ReadRequest(READ_INPUT_REGISTERS, 0, 2))
    assert exchange.request == bytes.fromhex("01 04 00 00 00 02 71 CB")
    assert exchange.receive_data(bytes.fromhex("01 04 04 43 66 33 34 1B 38")) == bytes.fromhex("43663334")
