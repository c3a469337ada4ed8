"""Keeps a line's port open: opens it, and again, later and later, whenever it is lost."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

from config.load import Line
from edge_agent.faults import FaultCode, Faults
from edge_agent.line import LineMemory
from edge_agent.supervise import Backoff, supervise
from hal.api import PortError

PORT_FIRST_S = 0.5
PORT_LAST_S = 60.0
FIRST_OPEN_S_MAX = 2.0
HEALTHY_AFTER_S = 10.0

log = logging.getLogger(__name__)


class Driver(Protocol):
    """What a line is worked with while it is open: a LineDriver, or an EdgeSource."""

    async def close(self) -> None:
        """Release the port."""


D = TypeVar("D", bound=Driver)
OpenDriver = Callable[[Line, LineMemory], Awaitable[D]]


class LinePort(Generic[D]):
    """The port of a line, kept open; `driver` is None while it is not there."""

    def __init__(
        self,
        line: Line,
        open_driver: OpenDriver[D],
        faults: Faults,
        seed: random.Random,
    ) -> None:
        self._line = line
        self._open_driver = open_driver
        self._faults = faults
        self._backoff = Backoff(PORT_FIRST_S, PORT_LAST_S, seed)
        self._lost = asyncio.Event()
        self._loss: PortError | None = None
        self._tried = asyncio.Event()
        self.driver: D | None = None
        self.memory = LineMemory()
        self.last_error = ""

    async def run(self) -> None:
        """Open the port, and again whenever it is lost."""
        await supervise(
            self._hold,
            operating_errors=PortError,
            on_failure=self._tell,
            backoff=self._backoff,
            healthy_after_s=HEALTHY_AFTER_S,
        )

    async def wait_tried(self) -> None:
        """Return when the first attempt to open has ended, either way, or takes too long."""
        try:
            async with asyncio.timeout(FIRST_OPEN_S_MAX):
                await self._tried.wait()
        except TimeoutError:
            log.info("line %s: still opening after %.1f s", self._line.config.id, FIRST_OPEN_S_MAX)

    def lose(self, error: PortError) -> None:
        """Whoever meets a PortError says so here; the port is then opened anew."""
        if self.driver is not None:  # else it is being opened already
            self._loss = error
            self._lost.set()

    async def _hold(self) -> None:
        self._lost.clear()
        try:
            driver = await self._open_driver(self._line, self.memory)
        finally:
            self._tried.set()
        self.driver = driver
        self.last_error = ""
        self._faults.clear(self._line.config.id)
        log.info("line %s: open (%s)", self._line.config.id, self._line.config.url)
        try:
            await self._lost.wait()
        finally:
            self.driver = None
            await driver.close()
        raise self._loss or PortError("port.gone", f"line {self._line.config.id}: lost")

    def _tell(self, error: PortError) -> None:
        self.last_error = error.text
        codes = {code.value: code for code in FaultCode}
        self._faults.raise_(codes.get(error.code, FaultCode.PORT_GONE), self._line.config.id, error.text)
        log.warning("line %s: %s", self._line.config.id, error.text)
