"""Both Modbus roles against pymodbus' framers and PDUs, a foreign implementation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer import FramerAscii, FramerRTU, FramerSocket
from pymodbus.framer.base import FramerBase
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
from pymodbus.pdu.bit_message import ReadCoilsResponse, ReadDiscreteInputsResponse
from pymodbus.pdu.register_message import ReadHoldingRegistersResponse, ReadInputRegistersResponse

from protocols.errors import DeviceError
from protocols.modbus.ascii import AsciiExchange, AsciiServer
from protocols.modbus.pdu import ReadRequest
from protocols.modbus.rtu import RtuExchange, RtuServer
from protocols.modbus.tcp import TcpExchange, TcpServer
from tests.protocols.test_modbus_rtu import data_for, reads

RESPONSES = {
    1: ReadCoilsResponse,
    2: ReadDiscreteInputsResponse,
    3: ReadHoldingRegistersResponse,
    4: ReadInputRegistersResponse,
}
UNITS = st.integers(1, 247)
FRAMERS = [FramerRTU, FramerAscii, FramerSocket]
SERVERS = {FramerRTU: RtuServer, FramerAscii: AsciiServer, FramerSocket: TcpServer}
TRANSACTION = 7


def exchange_for(
    framer: type[FramerBase], unit: int, read: ReadRequest
) -> RtuExchange | AsciiExchange | TcpExchange:
    if framer is FramerSocket:
        return TcpExchange(unit, read, TRANSACTION)
    return (RtuExchange if framer is FramerRTU else AsciiExchange)(unit, read)


def response_of(read: ReadRequest, unit: int) -> ModbusPDU:
    data = data_for(read)
    transaction = {"dev_id": unit, "transaction_id": TRANSACTION}
    if read.function <= 2:
        bits = [bool(byte >> bit & 1) for byte in data for bit in range(8)]
        return RESPONSES[read.function](bits=bits, **transaction)
    registers = [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]
    return RESPONSES[read.function](registers=registers, **transaction)


@pytest.mark.parametrize("framer", FRAMERS)
@given(unit=UNITS, read=reads())
def test_our_requests_are_read_by_the_judge(framer: type[FramerBase], unit: int, read: ReadRequest) -> None:
    request = exchange_for(framer, unit, read).request
    used, pdu = framer(DecodePDU(is_server=True)).handleFrame(request, 0, 0)
    assert pdu is not None
    assert (used, pdu.dev_id, pdu.function_code) == (len(request), unit, read.function)
    assert (pdu.address, pdu.count) == (read.address, read.count)


@pytest.mark.parametrize("framer", FRAMERS)
@given(unit=UNITS, read=reads())
def test_we_read_the_answers_of_the_judge(framer: type[FramerBase], unit: int, read: ReadRequest) -> None:
    frame = framer(DecodePDU(is_server=True)).buildFrame(response_of(read, unit))
    exchange = exchange_for(framer, unit, read)
    assert exchange.response_size_bytes == len(frame)
    assert exchange.receive_data(frame) == data_for(read)


@pytest.mark.parametrize("framer", FRAMERS)
@given(unit=UNITS, read=reads())
def test_our_answers_are_read_by_the_judge(framer: type[FramerBase], unit: int, read: ReadRequest) -> None:
    server = SERVERS[framer]
    exchange = exchange_for(framer, unit, read)
    frame = server(lambda _unit, asked: data_for(asked)).receive_data(exchange.request)[0]
    _used, pdu = framer(DecodePDU(is_server=False)).handleFrame(frame, unit, 0)
    assert pdu is not None
    assert pdu.encode() == response_of(read, unit).encode()


@pytest.mark.parametrize("framer", FRAMERS)
@given(unit=UNITS, read=reads(), code=st.integers(1, 11))
def test_refusals_are_understood_both_ways(
    framer: type[FramerBase], unit: int, read: ReadRequest, code: int
) -> None:
    server = SERVERS[framer]
    exchange = exchange_for(framer, unit, read)
    ours = server(lambda _unit, _read: code).receive_data(exchange.request)[0]
    theirs = ExceptionResponse(read.function, code)
    theirs.dev_id, theirs.transaction_id = unit, TRANSACTION
    assert framer(DecodePDU(is_server=True)).buildFrame(theirs) == ours
    with pytest.raises(DeviceError) as caught:
        exchange.receive_data(ours)
    assert caught.value.device_code == code
