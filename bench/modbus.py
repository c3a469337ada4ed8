"""How fast Modbus answers are decoded, in each framing, beside pymodbus' framer and PDUs in the same run."""

from __future__ import annotations

import time
from collections.abc import Callable

from pymodbus.framer import FramerAscii, FramerRTU, FramerSocket
from pymodbus.framer.base import FramerBase
from pymodbus.pdu import DecodePDU

from bench.__main__ import Figure
from protocols.modbus.ascii import AsciiExchange, AsciiServer
from protocols.modbus.pdu import READ_HOLDING_REGISTERS, ReadRequest
from protocols.modbus.rtu import RtuExchange, RtuServer
from protocols.modbus.tcp import TcpExchange, TcpServer

UNIT = 17
TRANSACTION = 5
REGISTERS = (10, 125)  # of a small meter's block, and the most that one answer can hold
ANSWERS = 1_000
ROUNDS = 5  # the best of them counts: what else the machine did is not the codec's

Exchange = RtuExchange | AsciiExchange | TcpExchange
Server = RtuServer | AsciiServer | TcpServer
FRAMINGS: tuple[tuple[str, Callable[[ReadRequest], Exchange], type[Server], type[FramerBase]], ...] = (
    ("RTU", lambda read: RtuExchange(UNIT, read), RtuServer, FramerRTU),
    ("ASCII", lambda read: AsciiExchange(UNIT, read), AsciiServer, FramerAscii),
    ("TCP", lambda read: TcpExchange(UNIT, read, TRANSACTION), TcpServer, FramerSocket),
)


def run() -> list[Figure]:
    """One row for each framing and length."""
    return [
        _row(name, make, server, framer, count)
        for name, make, server, framer in FRAMINGS
        for count in REGISTERS
    ]


def _row(
    name: str,
    make: Callable[[ReadRequest], Exchange],
    server: type[Server],
    framer: type[FramerBase],
    count: int,
) -> Figure:
    read = ReadRequest(READ_HOLDING_REGISTERS, 0, count)
    data = bytes(place % 251 for place in range(2 * count))
    [answer] = server(lambda _unit, _read: data).receive_data(make(read).request)
    if make(read).receive_data(answer) != data:
        raise RuntimeError(f"{name}: the answer was not understood")
    judge = framer(DecodePDU(is_server=False))
    if judge.handleFrame(answer, UNIT, TRANSACTION)[1] is None:
        raise RuntimeError(f"{name}: pymodbus did not understand the answer")
    ours_s = min(_ours_s(make, read, answer) for _ in range(ROUNDS)) / ANSWERS
    theirs_s = min(_theirs_s(judge, answer) for _ in range(ROUNDS)) / ANSWERS
    value = f"{1 / ours_s:,.0f}/s"
    megabytes = len(answer) / ours_s / 1e6
    beside = f"{megabytes:.1f} MB/s; pymodbus {1 / theirs_s:,.0f}/s, {theirs_s / ours_s:.1f} x as long"
    return Figure(f"Modbus {name} answers, {count} registers", value, beside)


def _ours_s(make: Callable[[ReadRequest], Exchange], read: ReadRequest, answer: bytes) -> float:
    exchanges = [make(read) for _ in range(ANSWERS)]
    started_s = time.perf_counter()
    for exchange in exchanges:
        exchange.receive_data(answer)
    return time.perf_counter() - started_s


def _theirs_s(judge: FramerBase, answer: bytes) -> float:
    started_s = time.perf_counter()
    for _ in range(ANSWERS):
        judge.handleFrame(answer, UNIT, TRANSACTION)
    return time.perf_counter() - started_s
