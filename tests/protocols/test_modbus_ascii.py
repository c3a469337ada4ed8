"""ASCII framing: its own answer is found in whatever arrives, and nothing else is taken for it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import DeviceError
from protocols.modbus.ascii import (
    FRAME_CHARACTERS_MAX,
    AsciiExchange,
    AsciiServer,
    decode_frame,
    encode_frame,
    lrc,
)
from protocols.modbus.pdu import ReadRequest, data_size_bytes, decode_request
from tests.protocols.test_modbus_rtu import NOISE, UNITS, data_for, each_byte, reads

CORPUS = Path(__file__).parents[2].parent / "shared" / "corpora" / "modbus"
READ = ReadRequest(3, 7, 2)


def answer_frame(unit: int, read: ReadRequest, salt: int = 0) -> bytes:
    data = data_for(read, salt)
    return encode_frame(unit, bytes((read.function, len(data))) + data)


def feed(exchange: AsciiExchange, stream: bytes, *, slow: bool) -> bytes | None:
    for piece in each_byte(stream) if slow else [stream]:
        found = exchange.receive_data(piece)
        if found is not None:
            return found
    return None


@given(UNITS, reads(), st.booleans())
def test_server_role_answers_client_role(unit: int, read: ReadRequest, slow: bool) -> None:
    server = AsciiServer(lambda asked_unit, asked: data_for(asked, asked_unit))
    exchange = AsciiExchange(unit, read)
    pieces = each_byte(exchange.request) if slow else [exchange.request]
    frames = [frame for piece in pieces for frame in server.receive_data(piece)]
    assert [len(frame) for frame in frames] == [exchange.response_size_bytes]
    assert feed(exchange, frames[0], slow=slow) == data_for(read, unit)
    assert exchange.noise_bytes == 0


@given(reads(), NOISE, NOISE, st.booleans(), st.booleans())
def test_noise_and_echo_around_the_answer_are_passed_over(
    read: ReadRequest, before: bytes, after: bytes, echo: bool, slow: bool
) -> None:
    exchange = AsciiExchange(17, read)
    frame = answer_frame(17, read)
    stream = before + (exchange.request if echo else b"") + frame + after
    assert feed(exchange, stream, slow=slow) == data_for(read)
    if slow:
        assert exchange.noise_bytes == len(stream) - len(after) - len(frame)


@given(UNITS, reads())
def test_an_answer_cut_at_any_length_is_no_answer(unit: int, read: ReadRequest) -> None:
    frame = answer_frame(unit, read)
    exchange = AsciiExchange(unit, read)
    for place, byte in enumerate(each_byte(frame)):
        found = exchange.receive_data(byte)
        assert (found is None) == (place < len(frame) - 1)
        if found is None:
            assert 1 <= exchange.missing_bytes() <= max(1, len(frame) - place - 1)


@given(reads(), st.integers(0, 10_000), st.integers(0, 6))
def test_a_single_flipped_bit_is_no_answer(read: ReadRequest, place: int, bit: int) -> None:
    """Of seven bits; the eighth is the parity, and has the serial port deliver NUL."""
    frame = bytearray(answer_frame(17, read))
    frame[place % len(frame)] ^= 1 << bit
    assert AsciiExchange(17, read).receive_data(bytes(frame)) is None


@given(reads(), st.lists(st.integers(0, 10_000), min_size=1, max_size=5))
def test_characters_of_wrong_parity_are_no_answer_however_many(read: ReadRequest, places: list[int]) -> None:
    frame = bytearray(answer_frame(17, read))
    for place in places:
        frame[place % len(frame)] = 0
    assert AsciiExchange(17, read).receive_data(bytes(frame)) is None


@given(UNITS, UNITS, reads(), reads())
def test_frames_of_other_units_and_other_lengths_are_never_taken(
    unit: int, other_unit: int, read: ReadRequest, other: ReadRequest
) -> None:
    shape = (unit, read.function, data_size_bytes(read))
    same_shape = shape == (other_unit, other.function, data_size_bytes(other))
    exchange = AsciiExchange(unit, read)
    if exchange.receive_data(answer_frame(other_unit, other, salt=1)) is not None:
        assert same_shape
    elif not same_shape:
        assert exchange.receive_data(answer_frame(unit, read)) == data_for(read)


def test_the_echo_of_a_coil_read_that_looks_like_its_answer_is_not_taken() -> None:
    read = ReadRequest(1, 0x0305, 20)
    exchange = AsciiExchange(9, read)
    assert exchange.receive_data(exchange.request) is None
    assert exchange.receive_data(answer_frame(9, read)) == data_for(read)


def test_a_colon_begins_anew_and_lower_case_is_damage() -> None:
    frame = answer_frame(1, READ)
    exchange = AsciiExchange(1, READ)
    assert exchange.receive_data(frame[:9]) is None
    assert exchange.receive_data(frame.lower()) is None
    assert exchange.receive_data(frame) == data_for(READ)
    assert exchange.noise_bytes == 9 + len(frame)


@given(UNITS, reads(), NOISE, st.integers(1, 255), st.booleans())
def test_a_refusal_is_a_device_error(
    unit: int, read: ReadRequest, before: bytes, code: int, slow: bool
) -> None:
    exchange = AsciiExchange(unit, read)
    frame = AsciiServer(lambda _unit, _read: code).receive_data(exchange.request)[0]
    with pytest.raises(DeviceError) as caught:
        feed(exchange, before + frame, slow=slow)
    assert (caught.value.code, caught.value.device_code) == ("modbus.exception", code)


def test_a_silent_unit_stays_silent_and_units_are_1_to_255() -> None:
    server = AsciiServer(lambda unit, _read: bytes(4) if unit == 1 else None)
    assert server.receive_data(AsciiExchange(2, READ).request) == []
    assert len(server.receive_data(AsciiExchange(1, READ).request)) == 1
    for unit in (0, 256):
        with pytest.raises(ValueError, match="1 to 255"):
            AsciiExchange(unit, READ)


@given(st.lists(st.one_of(NOISE, reads().map(lambda read: AsciiExchange(3, read).request))))
def test_the_server_finds_the_same_requests_however_they_are_cut(pieces: list[bytes]) -> None:
    asked: list[list[ReadRequest]] = [[], []]
    for place, slow in enumerate((False, True)):

        def answer(_unit: int, read: ReadRequest, found: list[ReadRequest] = asked[place]) -> None:
            found.append(read)

        server = AsciiServer(answer)
        for piece in each_byte(b"".join(pieces)) if slow else [b"".join(pieces)]:
            server.receive_data(piece)
    assert asked[0] == asked[1]


@given(st.binary(max_size=600))
def test_any_bytes_give_data_or_a_refusal_and_little_is_kept(data: bytes) -> None:
    exchange = AsciiExchange(1, READ)
    try:
        for byte in each_byte(data):
            if exchange.receive_data(byte) is not None:
                return
            assert len(exchange._stream.begun()) <= FRAME_CHARACTERS_MAX
            assert exchange.missing_bytes() >= 1
    except DeviceError:
        pass


@pytest.mark.parametrize("pattern", [b":", b":0103", b"\r\n", b":0\r\n", answer_frame(2, READ), b"0"])
def test_time_is_linear_and_memory_bounded_in_hostile_input(pattern: bytes) -> None:
    def seconds(size_bytes: int) -> float:
        exchange = AsciiExchange(1, READ)
        stream = (pattern * size_bytes)[:size_bytes]
        start = time.perf_counter()
        for place in range(0, size_bytes, 4096):
            assert exchange.receive_data(stream[place : place + 4096]) is None
        assert len(exchange._stream.begun()) <= FRAME_CHARACTERS_MAX
        return time.perf_counter() - start

    small, large = min(seconds(50_000) for _ in range(3)), seconds(1_000_000)
    assert large < 60 * small + 0.3  # twenty times the input; generous for a loaded machine


def test_the_lrc_is_that_of_the_standard() -> None:
    """6.2.1: the bytes of the frame and its LRC add up to nothing."""
    assert lrc(bytes.fromhex("02070000")) == 0xF7
    assert decode_frame(b"02070000F7") == (2, bytes.fromhex("070000"))
    assert decode_frame(b"02070000F6") is None


@pytest.mark.skipif(not CORPUS.exists(), reason="corpora: ../shared/corpora/modbus is not there")
def test_recorded_frames_are_frames_to_us_too() -> None:
    """Requests, answers and refusals; 83 and 84 are refusals of functions 3 and 4."""
    files = sorted(CORPUS.glob("pm_ascii_*.bin"))
    assert len(files) == 8
    seen = set()
    for path in files:
        lines = path.read_bytes().split(b"\r\n")
        assert lines.pop() == b""
        for line in lines:
            frame = decode_frame(line.removeprefix(b":"))
            assert frame is not None, path.name
            unit, pdu = frame
            request = decode_request(pdu)
            if isinstance(request, ReadRequest):
                seen.add("request")
                assert encode_frame(unit, pdu) == line + b"\r\n"
            elif pdu[0] & 0x80:
                seen.add("refusal")
                with pytest.raises(DeviceError):
                    AsciiExchange(unit or 1, ReadRequest(pdu[0] & 0x7F, 0, 1)).receive_data(
                        encode_frame(unit or 1, pdu)
                    )
            else:
                seen.add("answer")
                exchange = AsciiExchange(unit, ReadRequest(pdu[0], 0, pdu[1] // 2))
                assert exchange.receive_data(line + b"\r\n") == pdu[2:]
    assert seen == {"request", "refusal", "answer"}
