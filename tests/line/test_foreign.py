"""The driver against devices that others made: pymodbus' servers, and telegrams recorded from meters."""

from __future__ import annotations

import asyncio
import math
import socket
import struct
from decimal import Decimal
from pathlib import Path
from typing import Literal

import pytest
from pymodbus.client.mixin import ModbusClientMixin
from pymodbus.framer import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from edge_agent.line import LineDriver
from hal.board import open_port
from hal.sim.line import PacedPty
from protocols.errors import DeviceError
from protocols.modbus.pdu import ReadRequest
from protocols.modbus.rtu import RtuExchange, silence_s
from protocols.modbus.tcp import TcpExchange
from protocols.obis import format_obis
from protocols.sml import SmlReceiver, SmlTelegram
from protocols.units import DLMS_UNITS
from protocols.value import Scaled
from tests.hal.pump import null_modem

CORPUS = Path(__file__).parents[2].parent / "shared" / "corpora" / "sml"
CAPTURE = "eBZ_DD3_DD32R06DTA-SMZ1"

INTEGER = 305_419_896  # 0x12345678: each byte differs, so every swap shows
ENERGY = 12_345.678


def devices() -> list[SimDevice]:
    """Two units, one in each word order; pymodbus itself lays out the registers."""
    return [
        SimDevice(unit, simdata=[SimData(0, values=registers(order), datatype=DataType.REGISTERS)])
        for unit, order in ((1, "big"), (7, "little"))
    ]


def registers(word_order: Literal["big", "little"]) -> list[int]:
    types = ModbusClientMixin.DATATYPE
    convert = ModbusClientMixin.convert_to_registers
    return [
        *convert(INTEGER, types.UINT32, word_order=word_order),
        *convert(-2, types.INT32, word_order=word_order),
        *convert(ENERGY, types.FLOAT32, word_order=word_order),
        *(1, 2, 3),
    ]


def words(data: bytes) -> list[bytes]:
    return [data[place : place + 2] for place in range(0, len(data), 2)]


def check_registers(data: bytes, *, swapped: bool) -> None:
    fields = words(data)
    pairs = [fields[0:2], fields[2:4], fields[4:6]]
    joined = b"".join(b"".join(reversed(pair) if swapped else pair) for pair in pairs)
    integer, negative, energy = struct.unpack(">Iif", joined)
    assert (integer, negative) == (INTEGER, -2)
    assert math.isclose(energy, ENERGY, rel_tol=1e-7)
    assert fields[6:] == [b"\0\1", b"\0\2", b"\0\3"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_registers_of_a_pymodbus_tcp_server_arrive_in_the_word_order_it_was_given() -> None:
    server = ModbusTcpServer(devices(), address=("127.0.0.1", free_port()))
    await server.serve_forever(background=True)
    port = await open_port(f"tcp://127.0.0.1:{server.comm_params.source_address[1]}")
    driver = LineDriver(port, silence_s=0.0, late_answer_s=0.0)
    try:
        for transaction in range(0, 20, 2):
            for step, (unit, swapped) in enumerate(((1, False), (7, True))):
                exchange = TcpExchange(unit, ReadRequest(3, 0, 9), transaction + step)
                check_registers(await driver.exchange(exchange, 2.0), swapped=swapped)
        with pytest.raises(DeviceError) as refused:
            await driver.exchange(TcpExchange(1, ReadRequest(3, 500, 2), 99), 2.0)
        assert refused.value.device_code == 2
    finally:
        await driver.close()
        await server.shutdown()


async def test_registers_of_a_pymodbus_serial_server_arrive_in_the_word_order_it_was_given() -> None:
    with null_modem() as (ours, theirs):
        server = ModbusSerialServer(devices(), framer=FramerType.RTU, port=theirs, baudrate=19_200)
        await server.serve_forever(background=True)
        port = await open_port(f"serial://{ours}", baud=19_200)
        driver = LineDriver(port, silence_s=silence_s(19_200, "8N1"))
        try:
            for _ in range(5):
                for unit, swapped in ((1, False), (7, True)):
                    exchange = RtuExchange(unit, ReadRequest(3, 0, 9))
                    check_registers(await driver.exchange(exchange, 2.0), swapped=swapped)
            with pytest.raises(DeviceError):
                await driver.exchange(RtuExchange(7, ReadRequest(3, 500, 2)), 2.0)
        finally:
            await driver.close()
            await server.shutdown()


async def test_a_recorded_sml_stream_played_at_9600_baud_gives_the_values_that_libsml_gives() -> None:
    capture = CORPUS / f"{CAPTURE}.bin"
    if not capture.exists():
        pytest.skip("corpora: ../shared/corpora/sml is not there")
    recorded = capture.read_bytes()
    loop = asyncio.get_running_loop()
    pty = PacedPty(char_time_s=10 / 9600, link=None, receive=lambda _data, _end_s: None)
    pty.appear()
    driver = LineDriver(await open_port(f"serial://{pty.path}", baud=9600), silence_s=0.0)
    started = loop.time()
    playing = asyncio.create_task(pty.send(recorded))
    receiver = SmlReceiver()
    telegrams: list[SmlTelegram] = []
    while not playing.done() or len(telegrams) == 0:
        heard = await driver.listen(receiver, 0.2)
        telegrams += [item for item in heard if isinstance(item, SmlTelegram)]
    await playing
    telegrams += [item for item in await driver.listen(receiver, 0.1) if isinstance(item, SmlTelegram)]
    assert loop.time() - started >= len(recorded) * 10 / 9600
    assert numbers_of(telegrams) == numbers_by_libsml((CORPUS / f"{CAPTURE}.libsml.txt").read_text("latin-1"))
    assert driver.statistics().bytes_in == len(recorded)
    await driver.close()
    pty.vanish()


def numbers_of(telegrams: list[SmlTelegram]) -> list[tuple[str, Decimal, str]]:
    return [
        (format_obis(entry.obis), Decimal(str(entry.value)).normalize(), DLMS_UNITS[entry.unit])
        for telegram in telegrams
        for entry in telegram.values
        if isinstance(entry.value, Scaled) and entry.unit is not None
    ]


def numbers_by_libsml(text: str) -> list[tuple[str, Decimal, str]]:
    """Lines are OBIS code, value and unit between number signs; those with a unit are the numbers."""
    rows = [line.split("#") for line in text.splitlines()]
    return [
        (row[0], Decimal(row[1]).normalize(), row[2].strip()) for row in rows if row[2:] and row[2].strip()
    ]


async def test_listening_to_a_silent_line_ends_with_nothing_after_its_time() -> None:
    pty = PacedPty(char_time_s=10 / 9600, link=None, receive=lambda _data, _end_s: None)
    pty.appear()
    driver = LineDriver(await open_port(f"serial://{pty.path}", baud=9600), silence_s=0.0)
    assert await driver.listen(SmlReceiver(), 0.05) == []
    assert await driver.listen(SmlReceiver(), 0.0) == []
    await driver.close()
    pty.vanish()
