"""A Modbus line without the agent: opens the port itself, for as long as the command runs.

Rule: a serial port that another program holds is not shared; the port says so (PortError "port.busy").
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import cast
from urllib.parse import urlsplit

from config.load import Line
from config.model import CharacterFormat, LineConfig, LineProtocol
from edge_agent.asking import outcome_of
from edge_agent.line import LineDriver, LineMemory
from edge_agent.poll_worker import ask_once, make_exchange
from edge_agent.reports import AnswerReport
from edge_agent.workers import open_line
from edgectl.probe import Ask
from hal.board import BAUD_DEFAULT, FORMAT_DEFAULT
from protocols.modbus.pdu import Request

REPLY_TIMEOUT_S = 1.0


def protocol_of(url: str) -> str:
    """What is most likely spoken there: TCP on the network, RTU on wires, what a simulated line says."""
    parts = urlsplit(url)
    if parts.scheme == "sim":
        return parts.netloc
    return "modbus-tcp" if parts.scheme == "tcp" else "modbus-rtu"


@contextlib.contextmanager
def open_direct(url: str, protocol: str, baud: int | None, character_format: str | None) -> Iterator[Ask]:
    """Requests over a port of our own while the context lasts; PortError where it cannot be opened."""
    config = LineConfig(id="probe", url=url, protocol=cast("LineProtocol", protocol))
    settings = cast(
        "CharacterFormat", character_format or ("7E1" if protocol == "modbus-ascii" else FORMAT_DEFAULT)
    )
    line = Line(config, (), baud or BAUD_DEFAULT, settings, REPLY_TIMEOUT_S, 0.0)
    with asyncio.Runner() as runner:
        driver = runner.run(open_line(line, LineMemory()))
        try:
            asked = _Asked(line, driver)
            yield lambda unit, request: runner.run(asked.ask(unit, request))
        finally:
            runner.run(driver.close())


class _Asked:
    """The line's requests, numbered."""

    def __init__(self, line: Line, driver: LineDriver) -> None:
        self._line = line
        self._driver = driver
        self._transaction = 0

    async def ask(self, unit: int, request: Request) -> AnswerReport:
        self._transaction = (self._transaction + 1) % 0x10000
        exchange = make_exchange(self._line.config.protocol, unit, request, self._transaction)
        return await outcome_of(ask_once(self._driver, exchange, REPLY_TIMEOUT_S))
