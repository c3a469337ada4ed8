"""Functions 43/14 and 17 in all three framings, judged by pymodbus' PDUs, and walked to their end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer import FramerAscii, FramerRTU, FramerSocket
from pymodbus.framer.base import FramerBase
from pymodbus.pdu import DecodePDU
from pymodbus.pdu.mei_message import ReadDeviceInformationResponse
from pymodbus.pdu.other_message import ReportDeviceIdResponse

from protocols.errors import DeviceError, ProtocolError
from protocols.modbus.ascii import AsciiExchange, AsciiServer
from protocols.modbus.identification import (
    BASIC,
    EXTENDED,
    ONE_OBJECT,
    REGULAR,
    decode_part,
    encode_part,
    object_text,
    read_objects,
)
from protocols.modbus.pdu import IdentificationRequest, ReadRequest, Request, ServerIdRequest, encode_request
from protocols.modbus.rtu import RtuExchange, RtuServer, add_crc
from protocols.modbus.tcp import TcpExchange, TcpServer
from tests.protocols.test_modbus_rtu import NOISE, each_byte

CORPUS = Path(__file__).parents[2].parent / "shared" / "corpora" / "modbus"
TRANSACTION = 7
Exchange = RtuExchange | AsciiExchange | TcpExchange
FRAMINGS: dict[str, tuple[Callable[[int, Request], Exchange], Any, type[FramerBase]]] = {
    "rtu": (RtuExchange, RtuServer, FramerRTU),
    "ascii": (AsciiExchange, AsciiServer, FramerAscii),
    "tcp": (lambda unit, request: TcpExchange(unit, request, TRANSACTION), TcpServer, FramerSocket),
}
OBJECTS = st.dictionaries(st.integers(0, 255), st.binary(max_size=244), max_size=12)
PLATE = {0: b"Maker", 1: b"EM-3", 2: b"V1.2", 3: b"https://maker.example", 4: b"x" * 230, 0x80: b"own" * 60}


def no_reads(_unit: int, _read: ReadRequest) -> None:
    """A device without registers."""


def server_of(framing: str, objects: dict[int, bytes], conformity: int = EXTENDED) -> Any:
    def identify(_unit: int, request: IdentificationRequest | ServerIdRequest) -> bytes | int:
        if isinstance(request, ServerIdRequest):
            return b"\x2a\xffmeter"
        return encode_part(request, objects, conformity)

    return FRAMINGS[framing][1](no_reads, identify)


def ask(framing: str, server: Any, request: Request, noise: bytes = b"", *, slow: bool = False) -> bytes:
    exchange = FRAMINGS[framing][0](9, request)
    (frame,) = server.receive_data(exchange.request)
    stream = frame if framing == "tcp" else noise + exchange.request + frame
    for piece in each_byte(stream) if slow else [stream]:
        if (found := exchange.receive_data(piece)) is not None:
            return found
    raise AssertionError(f"{framing}: no answer found in {stream.hex()}")


def walk(framing: str, server: Any, category: int, *, slow: bool = False) -> tuple[dict[int, bytes], int]:
    steps = read_objects(category)
    request = next(steps)
    for parts in range(1, 300):
        try:
            request = steps.send(ask(framing, server, request, slow=slow))
        except StopIteration as end:
            return end.value, parts
    raise AssertionError("the walk did not end")


@pytest.mark.parametrize("framing", FRAMINGS)
@given(objects=OBJECTS, category=st.sampled_from([BASIC, REGULAR, EXTENDED]), slow=st.booleans())
def test_every_object_of_a_category_comes_once_in_as_many_answers_as_it_takes(
    framing: str, objects: dict[int, bytes], category: int, slow: bool
) -> None:
    last = {BASIC: 2, REGULAR: 0x7F, EXTENDED: 0xFF}[category]
    found, _parts = walk(framing, server_of(framing, objects), category, slow=slow)
    assert found == {number: value for number, value in objects.items() if number <= last}


def test_a_long_name_plate_comes_in_parts() -> None:
    assert walk("rtu", server_of("rtu", PLATE), EXTENDED) == (PLATE, 3)
    assert walk("rtu", server_of("rtu", PLATE), BASIC)[1] == 1


@pytest.mark.parametrize("framing", FRAMINGS)
@given(noise=NOISE, slow=st.booleans())
def test_noise_and_echo_before_answers_of_unknown_length_are_passed_over(
    framing: str, noise: bytes, slow: bool
) -> None:
    server = server_of(framing, PLATE)
    part = decode_part(ask(framing, server, IdentificationRequest(REGULAR), noise, slow=slow))
    assert dict(part.objects) == {number: PLATE[number] for number in range(4)}
    assert part.next_object == 4
    assert ask(framing, server, ServerIdRequest(), noise, slow=slow) == b"\x2a\xffmeter"


def test_noise_that_promises_a_long_answer_does_not_hide_the_true_one() -> None:
    """The beginning of an answer of 260 bytes, and the true one of 13 right behind: it must not wait."""
    exchange = RtuExchange(9, ServerIdRequest())
    frame = add_crc(b"\x09\x11\x07\x2a\xffmeter")
    assert exchange.receive_data(b"\x09\x11\xf8") is None
    assert exchange.receive_data(frame) == b"\x2a\xffmeter"


@pytest.mark.parametrize("framing", FRAMINGS)
def test_single_objects_and_refusals(framing: str) -> None:
    server = server_of(framing, PLATE)
    part = decode_part(ask(framing, server, IdentificationRequest(ONE_OBJECT, 1)))
    assert part.objects == ((1, b"EM-3"),)
    with pytest.raises(DeviceError, match=r"function 43/14.*object 9: exception 2"):
        ask(framing, server, IdentificationRequest(ONE_OBJECT, 9))


@pytest.mark.parametrize("framing", FRAMINGS)
def test_the_judge_reads_our_requests_and_answers_and_we_read_its(framing: str) -> None:
    make, _server, framer = FRAMINGS[framing]
    for request in (IdentificationRequest(REGULAR, 0), ServerIdRequest()):
        exchange = make(9, request)
        _used, pdu = framer(DecodePDU(is_server=True)).handleFrame(exchange.request, 0, 0)
        assert pdu is not None
        assert pdu.function_code == request.function
        (ours,) = server_of(framing, PLATE, REGULAR).receive_data(exchange.request)
        _used, answer = framer(DecodePDU(is_server=False)).handleFrame(ours, 9, 0)
        assert answer is not None
        assert exchange.receive_data(ours) is not None
        if isinstance(answer, ReadDeviceInformationResponse):
            assert {number: answer.information[number] for number in range(4)} == {
                number: PLATE[number] for number in range(4)
            }
    theirs = ReadDeviceInformationResponse(read_code=BASIC, information={0: b"A", 1: b"B", 2: b"C"})
    theirs.dev_id, theirs.transaction_id = 9, TRANSACTION
    exchange = make(9, IdentificationRequest(BASIC))
    data = exchange.receive_data(framer(DecodePDU(is_server=True)).buildFrame(theirs))
    assert data is not None
    assert dict(decode_part(data).objects) == {0: b"A", 1: b"B", 2: b"C"}
    report = ReportDeviceIdResponse(identifier=b"judge", dev_id=9, transaction_id=TRANSACTION)
    exchange = make(9, ServerIdRequest())
    assert exchange.receive_data(framer(DecodePDU(is_server=True)).buildFrame(report)) == b"judge\xff"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\x01\x00\x00", "the head"),
        (b"\x01\x00\x00\x01", "objects were said"),
        (b"\x01\x00\x00\x01\x00\x05abc", "objects were said"),
        (b"\x01\x00\x00\x01\x00\x01ab", "behind the objects"),
    ],
)
def test_a_part_that_contradicts_itself_is_an_error(data: bytes, text: str) -> None:
    with pytest.raises(ProtocolError, match=text) as caught:
        decode_part(data)
    assert caught.value.code == "modbus.identification"


def test_a_walk_that_would_never_end_is_an_error() -> None:
    steps = read_objects(BASIC)
    next(steps)
    assert steps.send(b"\x01\xff\x02\x00") == IdentificationRequest(BASIC, 2)
    with pytest.raises(ProtocolError, match="never end"):
        steps.send(b"\x01\xff\x01\x00")


@given(st.binary(max_size=300))
def test_any_bytes_are_a_part_or_a_protocol_error(data: bytes) -> None:
    try:
        part = decode_part(data)
    except ProtocolError:
        return
    assert sum(2 + len(value) for _, value in part.objects) + 4 == len(data)


def test_what_cannot_be_asked_or_answered_is_a_mistake_of_ours() -> None:
    for request in (IdentificationRequest(0), IdentificationRequest(5), IdentificationRequest(1, 256)):
        with pytest.raises(ValueError, match="category 1 to 4"):
            encode_request(request)
    with pytest.raises(ValueError, match="object 0 has 245 bytes"):
        encode_part(IdentificationRequest(BASIC), {0: bytes(245)})
    assert encode_part(IdentificationRequest(7), {}) == 3


def test_texts_are_readable_whatever_the_device_put_into_them() -> None:
    assert object_text("Zähler\0\0".encode()) == "Zähler"
    assert object_text(b"Z\xe4hler \r\n") == "Zähler"


@pytest.mark.skipif(not CORPUS.exists(), reason="corpora: ../shared/corpora/modbus is not there")
def test_a_recorded_identification() -> None:
    """One object of unit 4 in one part, which says that single objects may be asked for, too."""
    recorded = CORPUS / "pm_rtu_test_mei_messages_TestMeiMessage.test_frame_size.message.bin"
    data = RtuExchange(4, IdentificationRequest(BASIC)).receive_data(recorded.read_bytes())
    assert data is not None
    part = decode_part(data)
    assert (part.conformity, part.next_object, part.objects) == (0x81, None, ((0, b"foobar"),))
