"""A simulated meter behind an optical head: asked at one rate, read out at another (IEC 62056-21).

The meter is the server role of the codec, a generator of steps. Here each step takes its time on a paced
pty, and the rates are those of the wire: the meter has its own, the client's is what it has set on the pty.

Rules:
- Characters sent at another rate than the receiver's arrive as garbage, of about as many characters as fit.
- Whoever is asked while it sends or pauses does not hear it: a head is half duplex, and so is its meter.
- All chance comes from the seed. Faults apply to every message of the meter; the head's echo is one of them.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Self

from hal.readiness import wait_precisely
from hal.serial_port import character_time_s
from hal.sim.line import LineFaults, PacedPty, WireFrame, plan_sendings
from protocols.iec62056_21 import Pause, Receive, Send, SetBaud, Step

HEARD_MAX = 64
GARBAGE_BYTES_MAX = 65_536


class SimHead:
    """A meter that is asked, on a paced pty. Use as `async with SimHead(dialogue) as head`."""

    def __init__(
        self,
        dialogue: Callable[[], Generator[Step, bytes, None]],
        *,
        character_format: str = "7E1",
        faults: LineFaults | None = None,
        seed: int = 0,
        link: Path | None = None,
    ) -> None:
        """`dialogue` begins the meter's side; `seed` decides all faults and all garbage."""
        self.seed = seed
        self.faults = LineFaults() if faults is None else faults
        self.baud = 0
        self.pty = PacedPty(char_time_s=0.0, link=link, receive=self._take)
        self._dialogue = dialogue
        self._format = character_format
        self._parity_checked = character_format[0] == "7" and character_format[1] != "N"
        self._chance = random.Random(seed)
        self._heard: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(HEARD_MAX)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def path(self) -> str:
        """What to open."""
        return self.pty.path

    @property
    def log(self) -> deque[WireFrame]:
        """The last WIRE_LOG_MAX frames."""
        return self.pty.log

    def start(self) -> None:
        """Make the device and begin to listen."""
        self.pty.appear()
        self._tasks.add(asyncio.get_running_loop().create_task(self._run()))

    async def stop(self) -> None:
        """Take everything away; stopping twice is allowed."""
        self.pty.vanish()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _run(self) -> None:
        meter = self._dialogue()
        step = next(meter)
        while True:
            step = meter.send(await self._do(step))

    async def _do(self, step: Step) -> bytes:
        if isinstance(step, SetBaud):
            self.baud = step.baud
            self.pty.char_time_s = character_time_s(step.baud, self._format)
        elif isinstance(step, Pause):
            await wait_precisely(step.seconds)
        elif isinstance(step, Send):
            await self._send(step.data)
        else:
            return await self._receive(step)
        return b""

    async def _send(self, message: bytes) -> None:
        parity_checked = self._parity_checked
        for sending in plan_sendings(self.faults, self._chance, message, parity_checked=parity_checked):
            await asyncio.sleep(sending.delay_s)
            data, fault = sending.data, sending.fault
            if self.pty.client_baud != self.baud:
                data, fault = self._garbled(data, self.baud, self.pty.client_baud), "baud"
            await self.pty.send(data, fault)
        while not self._heard.empty():
            self._heard.get_nowait()

    async def _receive(self, step: Receive) -> bytes:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(step.timeout_s):
                end_s, data = await self._heard.get()
        except TimeoutError:
            return b""
        await wait_precisely(end_s - loop.time())
        return data

    def _take(self, data: bytes, end_s: float) -> None:
        """Bytes from the client, sent at whatever rate it has set."""
        client_baud = self.pty.client_baud
        if client_baud != self.baud:
            data = self._garbled(data, client_baud, self.baud)
        elif self.faults.echo and self._chance.random() < self.faults.echo:
            task = asyncio.get_running_loop().create_task(self.pty.send(data, "echo"))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if data and not self._heard.full():
            self._heard.put_nowait((end_s, data))

    def _garbled(self, data: bytes, from_baud: int, to_baud: int) -> bytes:
        """What a receiver makes of characters at another rate; NUL where it sees that the parity is wrong."""
        count = min(GARBAGE_BYTES_MAX, max(1, len(data) * to_baud // max(1, from_baud)))
        noise = self._chance.randbytes(count)
        if not self._parity_checked:
            return noise
        return bytes(0 if byte & 0x80 else byte for byte in noise)
