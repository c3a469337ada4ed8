"""Mutated Modbus frames, every framing, both roles: values or ProtocolError, linear time, little kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from protocols.errors import ProtocolError
from protocols.modbus.ascii import FRAME_CHARACTERS_MAX, AsciiExchange, AsciiServer
from protocols.modbus.identification import EXTENDED, IdentificationPart, decode_part, encode_part
from protocols.modbus.pdu import IdentificationRequest, ReadRequest, Request, ServerIdRequest
from protocols.modbus.rtu import RtuExchange, RtuServer
from protocols.modbus.tcp import TcpExchange, TcpServer
from protocols.sunspec import Model, find_models
from tests.protocols.fuzz import INPUTS_PROOF, INPUTS_SHORT, assert_linear_time, fuzz
from tests.protocols.test_modbus_rtu import data_for

CORPUS = Path(__file__).parents[2].parent / "shared" / "corpora" / "modbus"
REQUESTS: tuple[Request, ...] = (
    ReadRequest(3, 7, 10),
    ReadRequest(4, 0, 125),
    ReadRequest(1, 0x0305, 20),
    IdentificationRequest(EXTENDED),
    ServerIdRequest(),
)
PLATE = {number: b"object %d" % number for number in (0, 1, 2, 4, 0x80)}
UNIT = 17
Exchange = RtuExchange | AsciiExchange | TcpExchange
Server = RtuServer | AsciiServer | TcpServer


def tcp_exchange(unit: int, request: Request) -> TcpExchange:
    return TcpExchange(unit, request, 5)


FRAMINGS: dict[str, tuple[Callable[[int, Request], Exchange], type[Server]]] = {
    "rtu": (RtuExchange, RtuServer),
    "ascii": (AsciiExchange, AsciiServer),
    "tcp": (tcp_exchange, TcpServer),
}


def identify(_unit: int, request: IdentificationRequest | ServerIdRequest) -> bytes | int:
    return b"\x11\xffmeter" if isinstance(request, ServerIdRequest) else encode_part(request, PLATE, EXTENDED)


def server_of(framing: str) -> Server:
    return FRAMINGS[framing][1](
        lambda _unit, read: data_for(read) if read.count in (10, 20, 125) else 2, identify
    )


def seeds(framing: str) -> list[bytes]:
    """Requests, answers and refusals of our own, and the recorded ones."""
    make, _ = FRAMINGS[framing]
    requests = [make(UNIT, request).request for request in (*REQUESTS, ReadRequest(3, 7, 11))]
    answers = [frame for request in requests for frame in server_of(framing).receive_data(request)]
    assert len(answers) == len(requests)
    recorded = [path.read_bytes() for path in sorted(CORPUS.glob(f"pm_{framing}_*.bin"))]
    together = b"".join(answers)  # damage to one leaves the others whole
    return [*requests, *answers, *recorded, *[together] * (len(requests) + len(recorded))]


def kept_bytes(side: Exchange | Server) -> int:
    stream = getattr(side, "_stream", None)
    buffer = side._buffer if stream is None else getattr(stream, "buffer", None)
    return len(stream.begun() if buffer is None else buffer)


def client_of(framing: str, request: Request) -> Callable[[bytes], Iterable[object]]:
    def decode(data: bytes) -> list[object]:
        exchange = FRAMINGS[framing][0](UNIT, request)
        for place in range(0, len(data), 64):
            found = exchange.receive_data(data[place : place + 64])
            if found is not None:
                return [decode_part(found) if isinstance(request, IdentificationRequest) else found]
            assert kept_bytes(exchange) <= FRAME_CHARACTERS_MAX
            assert exchange.missing_bytes() >= 1
        return []

    return decode


def device_of(framing: str) -> Callable[[bytes], Iterable[object]]:
    def decode(data: bytes) -> list[object]:
        server = server_of(framing)
        found: list[object] = []
        for place in range(0, len(data), 64):
            found += server.receive_data(data[place : place + 64])
            assert kept_bytes(server) <= FRAME_CHARACTERS_MAX
        return found

    return decode


def run(framing: str, seed: int, count: int) -> dict[str, dict[str, int]]:
    """A share of the inputs for each kind of request, and for the device's side."""
    sides = {str(request): client_of(framing, request) for request in REQUESTS}
    sides["device"] = device_of(framing)
    frames = seeds(framing)
    each = -(-count // len(sides))
    return {
        name: dict(fuzz(decode, frames, seed + place, each, bytes, IdentificationPart))
        for place, (name, decode) in enumerate(sides.items())
    }


@pytest.mark.parametrize("framing", FRAMINGS)
def test_mutated_frames_give_values_or_protocol_errors(framing: str, seed: int) -> None:
    outcomes = run(framing, seed, INPUTS_SHORT)
    for side, found in outcomes.items():
        assert found.get("bytes") or found.get("IdentificationPart"), side


@pytest.mark.proof
@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_million_mutated_frames_give_values_or_protocol_errors(framing: str, seed: int) -> None:
    for side, found in run(framing, seed, INPUTS_PROOF).items():
        print(f"{framing} {side}: {found}")


@pytest.mark.parametrize("framing", ["rtu", "ascii"])
@pytest.mark.parametrize("request_", REQUESTS, ids=str)
def test_time_is_linear_in_hostile_input(framing: str, request_: Request) -> None:
    """Beginnings of answers, echoes, and answers of others, over and over."""
    make, _ = FRAMINGS[framing]
    exchange = make(UNIT, request_)
    answer = server_of(framing).receive_data(exchange.request)[0]
    other = server_of(framing).receive_data(make(3, request_).request)[0]
    patterns = [answer[:3], answer[:-1], exchange.request, other, b"\x00"]
    size_bytes = 200_000 if framing == "rtu" else 1_000_000
    assert_linear_time(client_of(framing, request_), patterns, size_bytes=size_bytes)


def test_mutated_name_plates_and_models_give_values_or_protocol_errors(seed: int) -> None:
    part = encode_part(IdentificationRequest(EXTENDED), PLATE, EXTENDED)
    assert isinstance(part, bytes)
    outcomes = fuzz(lambda data: [decode_part(data)], [part], seed, INPUTS_SHORT, IdentificationPart)
    assert outcomes["IdentificationPart"]
    assert outcomes["modbus.identification"]
    chain = b"SunS\x00\x01\x00\x42\x00\x67\x00\x32\xff\xff\x00\x00"
    outcomes = fuzz(walk_chain, [chain], seed, INPUTS_SHORT, Model)
    assert outcomes["Model"]
    assert outcomes["sunspec.chain"]


def walk_chain(data: bytes) -> tuple[Model, ...]:
    """Whatever a device says: four bytes for each read, nothing when there are no more."""
    steps = find_models()
    next(steps)
    answers = iter([data[place : place + 4] for place in range(0, len(data), 4)])
    try:
        while True:
            steps.send(next(answers, None))
    except StopIteration as end:
        return tuple(end.value)


def test_every_framing_refuses_a_stream_that_is_not_its_own_or_finds_nothing() -> None:
    for framing in FRAMINGS:
        for other in FRAMINGS:
            for frame in seeds(other) if other != framing else ():
                try:
                    assert list(client_of(framing, REQUESTS[0])(frame)) == []
                except ProtocolError as error:
                    assert error.code == "modbus.mbap"  # noqa: PT017 - only TCP has a stream that can be wrong
