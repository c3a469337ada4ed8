"""What a listener on the bus hears, against pymodbus' encoders, and the CRCs by which it searches."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymodbus.framer import FramerAscii, FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU, ModbusPDU
from pymodbus.pdu.bit_message import ReadCoilsRequest, ReadCoilsResponse
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadHoldingRegistersResponse,
    WriteMultipleRegistersRequest,
    WriteMultipleRegistersResponse,
)

from protocols.checksums import ModbusCrcs, crc16_modbus
from protocols.errors import ProtocolError
from protocols.modbus.listen import BusFrame, Heard, first_address, listen_ascii, listen_rtu, listen_tcp
from protocols.modbus.pdu import ReadRequest, encode_answer, encode_request
from protocols.modbus.rtu import add_crc

LISTENERS = {"rtu": listen_rtu, "tcp": listen_tcp, "ascii": listen_ascii}
CORPUS = Path(__file__).parents[3] / "shared/corpora/modbus"


def framed(kind: str, pdu: ModbusPDU) -> bytes:
    framer = {"rtu": FramerRTU, "tcp": FramerSocket, "ascii": FramerAscii}[kind]
    return framer(DecodePDU(is_server=False)).buildFrame(pdu)


def frames(heard: list[Heard]) -> list[BusFrame]:
    return [each for each in heard if isinstance(each, BusFrame)]


@pytest.mark.parametrize("kind", LISTENERS)
def test_pymodbus_conversation_is_heard_with_its_addresses(kind: str) -> None:
    pdus = [
        ReadHoldingRegistersRequest(address=40, count=2, dev_id=9, transaction_id=1),
        ReadHoldingRegistersResponse(registers=[7, 8], dev_id=9, transaction_id=1),
        ReadCoilsRequest(address=3, count=9, dev_id=9, transaction_id=2),
        ReadCoilsResponse(bits=[True] * 16, dev_id=9, transaction_id=2),
        WriteMultipleRegistersRequest(address=1, registers=[5, 6], dev_id=8, transaction_id=3),
        WriteMultipleRegistersResponse(address=1, count=2, dev_id=8, transaction_id=3),
    ]
    heard = list(LISTENERS[kind](b"".join(framed(kind, pdu) for pdu in pdus)))
    assert [frame.role for frame in frames(heard)] == ["request", "answer"] * 3
    assert [frame.unit for frame in frames(heard)] == [9, 9, 9, 9, 8, 8]
    assert [first_address(frame) for frame in frames(heard)[1:4:2]] == [40, 3]


@settings(max_examples=200)
@given(
    unit=st.integers(1, 247),
    function=st.sampled_from((3, 4)),
    address=st.integers(0, 60000),
    words=st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=125),
    before=st.binary(max_size=8),
)
def test_an_exchange_is_found_behind_noise(
    unit: int, function: int, address: int, words: list[int], before: bytes
) -> None:
    read = ReadRequest(function, address, len(words))
    data = b"".join(word.to_bytes(2, "big") for word in words)
    asked = add_crc(bytes((unit,)) + encode_request(read))
    answered = add_crc(bytes((unit,)) + encode_answer(read, data))
    recording = before + asked + answered
    *_, answer = frames(list(listen_rtu(recording)))
    if answer.start == len(before + asked):  # else noise and frame together are a frame by chance
        assert (answer.end, answer.request, answer.pdu[2:]) == (len(recording), read, data)


@pytest.mark.parametrize("kind", LISTENERS)
@settings(max_examples=200)
@given(data=st.binary(max_size=400))
def test_what_is_heard_stands_in_order_and_does_not_overlap(kind: str, data: bytes) -> None:
    end = 0
    for each in LISTENERS[kind](data):
        assert end <= each.start < each.end <= len(data)
        assert isinstance(each, BusFrame | ProtocolError)
        end = each.end


@settings(max_examples=100)
@given(data=st.binary(max_size=600), chosen=st.data())
def test_the_crc_of_a_piece_is_known_from_those_of_beginnings(data: bytes, chosen: st.DataObject) -> None:
    start = chosen.draw(st.integers(0, len(data)))
    end = chosen.draw(st.integers(start, min(len(data), start + 256)))
    assert ModbusCrcs(data).is_right(start, end) == (crc16_modbus(data[start:end]) == 0)
    framed_piece = data[:start] + add_crc(data[start:end])
    assert ModbusCrcs(framed_piece).is_right(start, len(framed_piece))


def test_in_random_noise_hardly_a_frame_appears() -> None:
    noise = random.Random(20).randbytes(1 << 18)
    assert len(frames(list(listen_rtu(noise)))) <= 3


@pytest.mark.skipif(not CORPUS.exists(), reason="corpora: no Modbus frames beside this checkout")
def test_frames_of_other_projects_are_heard() -> None:
    # Frames of functions and shapes that no meter's bus carries, or damaged on purpose: nothing to hear.
    counts = {}
    for kind, listen in LISTENERS.items():
        paths = sorted(CORPUS.glob(f"pm_{kind}_*.bin"))
        counts[kind] = [bool(frames(list(listen(path.read_bytes())))) for path in paths]
    print({kind: f"{sum(heard)} of {len(heard)}" for kind, heard in counts.items()})
    assert all(sum(heard) > 0 for heard in counts.values())
