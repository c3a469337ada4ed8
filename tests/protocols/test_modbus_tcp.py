"""TCP framing: the transaction decides, and a broken header ends the connection."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import DeviceError, ProtocolError
from protocols.modbus.pdu import ReadRequest
from protocols.modbus.tcp import TcpExchange, TcpServer
from tests.protocols.test_modbus_rtu import data_for, each_byte, reads

TRANSACTIONS = st.integers(0, 0xFFFF)
READ = ReadRequest(3, 7, 2)


def answer_to(exchange: TcpExchange, salt: int = 0) -> bytes:
    server = TcpServer(lambda _unit, read: data_for(read, salt))
    return server.receive_data(exchange.request)[0]


@given(st.integers(0, 255), reads(), TRANSACTIONS, st.booleans())
def test_server_role_answers_client_role(unit: int, read: ReadRequest, transaction: int, slow: bool) -> None:
    server = TcpServer(lambda asked_unit, asked: data_for(asked, asked_unit))
    exchange = TcpExchange(unit, read, transaction)
    pieces = each_byte(exchange.request) if slow else [exchange.request]
    frames = [frame for piece in pieces for frame in server.receive_data(piece)]
    assert [len(frame) for frame in frames] == [exchange.response_size_bytes]
    pieces = each_byte(frames[0]) if slow else frames
    assert [found for piece in pieces if (found := exchange.receive_data(piece)) is not None] == [
        data_for(read, unit)
    ]


@given(TRANSACTIONS, TRANSACTIONS, st.booleans())
def test_late_answers_of_other_transactions_are_skipped(mine: int, other: int, slow: bool) -> None:
    late = answer_to(TcpExchange(1, READ, other), salt=1)
    exchange = TcpExchange(1, READ, mine)
    stream = late + answer_to(exchange)
    pieces = each_byte(stream) if slow else [stream]
    found = next(data for piece in pieces if (data := exchange.receive_data(piece)) is not None)
    assert found == data_for(READ, 0 if mine != other else 1)
    assert exchange.noise_bytes == (len(late) if mine != other else 0)


@pytest.mark.parametrize(("unit", "read"), [(2, READ), (1, ReadRequest(4, 7, 2)), (1, ReadRequest(3, 7, 3))])
def test_the_right_transaction_with_another_unit_function_or_length_is_skipped(
    unit: int, read: ReadRequest
) -> None:
    exchange = TcpExchange(1, READ, 5)
    assert exchange.receive_data(answer_to(TcpExchange(unit, read, 5))) is None
    assert exchange.noise_bytes > 0
    assert exchange.receive_data(answer_to(exchange)) == data_for(READ)


def test_what_follows_the_answer_is_left_for_the_next_exchange() -> None:
    exchange, following = TcpExchange(1, READ, 5), TcpExchange(1, READ, 6)
    behind = answer_to(following)
    assert exchange.receive_data(answer_to(exchange) + behind[:4]) is not None
    assert exchange.leftover == behind[:4]
    assert following.receive_data(exchange.leftover) is None
    assert following.receive_data(behind[4:]) == data_for(READ)


def test_a_refusal_is_a_device_error() -> None:
    exchange = TcpExchange(1, READ, 5)
    frame = TcpServer(lambda _unit, _read: 2).receive_data(exchange.request)[0]
    with pytest.raises(DeviceError, match="illegal data address") as caught:
        exchange.receive_data(frame)
    assert caught.value.device_code == 2


@pytest.mark.parametrize(
    "header", ["0005 0001 0005 01", "0005 0000 0000 01", "0005 0000 0001 01", "0005 0000 00FF 01"]
)
def test_a_broken_header_is_an_error_of_the_connection(header: str) -> None:
    broken = bytes.fromhex(header) + bytes(9)
    for receive in (TcpExchange(1, READ, 5).receive_data, TcpServer(lambda _unit, _read: 1).receive_data):
        with pytest.raises(ProtocolError, match="opened anew") as caught:
            receive(broken)
        assert (caught.value.code, caught.value.offset) == ("modbus.mbap", 0)


def test_a_function_that_is_no_read_is_refused_by_the_server() -> None:
    frames = TcpServer(lambda _unit, _read: b"").receive_data(bytes.fromhex("0001 0000 0006 01 06 0000 0001"))
    assert frames == [bytes.fromhex("0001 0000 0003 01 86 01")]


@given(st.binary(max_size=600))
def test_any_bytes_give_data_or_an_error_however_they_are_cut(data: bytes) -> None:
    outcomes = []
    for pieces in ([data], each_byte(data)):
        exchange = TcpExchange(1, READ, 0)
        try:
            found = [got for piece in pieces if (got := exchange.receive_data(piece)) is not None]
            outcomes.append(found[:1])
            assert exchange.missing_bytes() >= 1
        except ProtocolError as error:
            outcomes.append(str(error))
    assert outcomes[0] == outcomes[1]


@given(st.binary(max_size=600))
def test_the_server_takes_any_bytes(data: bytes) -> None:
    server = TcpServer(lambda _unit, _read: 2)
    try:
        for byte in each_byte(data):
            server.receive_data(byte)
            assert len(server._stream.buffer) < 261
    except ProtocolError as error:
        assert error.code == "modbus.mbap"  # noqa: PT017 - most bytes raise, some are requests
