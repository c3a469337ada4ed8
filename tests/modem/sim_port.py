"""A simulated modem's port as the board would open it, on the loop's clock: runs in virtual time."""

from __future__ import annotations

import asyncio

from hal.api import Port, PortError
from hal.sim.modem import SimModem


class ModemPort:
    """hal.api.Port on port 0 of `modem`, which is looked at when the host reads or writes."""

    def __init__(self, modem: SimModem) -> None:
        self.modem = modem
        self.char_time_s = 0.0
        self.written = bytearray()
        self._arrived = bytearray()
        self._enumeration = modem.state.enumeration

    def _look(self) -> None:
        now_s = asyncio.get_running_loop().time()
        for place, data in self.modem.advance(now_s):
            self._arrived += data if place == 0 else b""
        state = self.modem.state
        if not state.is_present or state.enumeration != self._enumeration:
            raise PortError("port.gone", "the modem left")

    async def write(self, data: bytes) -> None:
        self._look()
        self.written += data
        self._arrived += self.modem.receive_data(data)

    async def read(self, timeout_s: float, expected: int = 1) -> bytes:
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + timeout_s
        while True:
            self._look()
            if self._arrived:
                data, self._arrived = bytes(self._arrived), bytearray()
                return data
            if loop.time() >= deadline_s:
                return b""
            due_s = self.modem.next_due_s()
            until_s = deadline_s if due_s is None else min(deadline_s, max(due_s, loop.time()))
            await asyncio.sleep(max(0.001, until_s - loop.time()))

    def discard_input(self) -> None:
        self._arrived.clear()

    def reconfigure(self, baud: int) -> None:
        pass

    async def close(self) -> None:
        pass


class Plug:
    """Opens the port as long as the modem is there; `ports` are all that were opened."""

    def __init__(self, modem: SimModem) -> None:
        self.modem = modem
        self.ports: list[ModemPort] = []

    async def open(self) -> Port:
        self.modem.advance(asyncio.get_running_loop().time())
        if not self.modem.state.is_present:
            raise PortError("port.missing", "no such device")
        self.ports.append(ModemPort(self.modem))
        return self.ports[-1]

    def sent(self, command: str) -> int:
        """How often `command` was sent."""
        return sum(port.written.count(command.encode()) for port in self.ports)
