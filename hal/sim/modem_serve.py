"""A simulated modem on real file descriptors: ptys for an AT engine, abstract unix sockets for ModemManager.

Rules:
- Time is the event loop's, so that a virtual loop runs it, too.
- Ports leave and come back with the device; a pty's link name then carries the device's new number.
- A ModemManager test port is called `abstract:NAME`, prefix included, and takes one connection at a time.

As a program: `python -m hal.sim.modem_serve PERSONA --abstract abstract:port0 --abstract abstract:port1`
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Self

from hal.sim.line import PacedPty
from hal.sim.modem import SimModem
from hal.sim.modem_personas.every import PERSONAS

READ_BYTES = 4096
WRITE_BYTES_MAX = 65_536  # unread bytes; a client that reads nothing loses what is more
IDLE_S = 3600.0
WAIT_S_MIN = 0.001  # a difference of floats may be too small to move the clock


class ServedModem:
    """`modem` on ptys or on abstract sockets. Use as `async with ServedModem(...) as served`."""

    def __init__(self, modem: SimModem, *, folder: Path | None = None, abstract: Sequence[str] = ()) -> None:
        """One port of the modem for each name in `abstract`; all of them as ptys where `folder` is given."""
        self.modem = modem
        self._folder = folder
        self._abstract = abstract
        self._ptys: list[PacedPty] = []
        self._servers: list[asyncio.Server] = []
        self._writers: dict[int, asyncio.StreamWriter] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._started_s = 0.0
        self._enumeration = 0

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._started_s = loop.time()
        self._tasks.add(loop.create_task(self._run()))
        for place, name in enumerate(self._abstract):
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listener.bind("\0" + name)
            serve = self._server(place)
            self._servers.append(await asyncio.start_unix_server(serve, sock=listener))
        self._follow_presence()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for server in self._servers:
            server.close()
        for writer in self._writers.values():
            writer.close()
        self._remove_ptys()

    @property
    def paths(self) -> list[str]:
        """The ptys that are there at present."""
        return [pty.path for pty in self._ptys]

    def act(self) -> None:
        """Tell that the modem was changed from outside: power, reset line, a hang."""
        self._wake.set()

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            now_s = asyncio.get_running_loop().time() - self._started_s
            for place, data in self.modem.advance(now_s):
                self._write(place, data)
            self._follow_presence()
            due_s = self.modem.next_due_s()
            wait_s = IDLE_S if due_s is None else max(WAIT_S_MIN, due_s - now_s)
            with contextlib.suppress(TimeoutError):  # not wait_for: in 3.11 it can lose a cancellation
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()

    def _take(self, place: int, data: bytes) -> None:
        now_s = asyncio.get_running_loop().time() - self._started_s
        for port, said in self.modem.advance(now_s):
            self._write(port, said)
        self._write(place, self.modem.receive_data(data, place))
        self._wake.set()

    def _write(self, place: int, data: bytes) -> None:
        writer = self._writers.get(place)
        if writer is not None and writer.transport.get_write_buffer_size() < WRITE_BYTES_MAX:
            writer.write(data)
        if place < len(self._ptys) and data:
            task = asyncio.get_running_loop().create_task(self._ptys[place].send(data))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _follow_presence(self) -> None:
        state = self.modem.state
        if self._folder is None:
            return
        if not state.is_present or state.enumeration != self._enumeration:
            self._remove_ptys()
        if state.is_present and not self._ptys:
            self._enumeration = state.enumeration
            for place in range(self.modem.ports):
                link = self._folder / f"ttySIM{(state.enumeration - 1) * self.modem.ports + place}"
                self._ptys.append(self._appear(place, link))

    def _appear(self, place: int, link: Path) -> PacedPty:
        pty = PacedPty(char_time_s=0.0, link=link, receive=lambda data, _: self._take(place, data))
        pty.appear()
        return pty

    def _remove_ptys(self) -> None:
        for pty in self._ptys:
            pty.vanish()
        self._ptys.clear()

    def _server(
        self, place: int
    ) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._writers[place] = writer
            with contextlib.suppress(ConnectionError):
                while data := await reader.read(READ_BYTES):
                    self._take(place, data)
            writer.close()
            self.modem.hang_up(place)
            if self._writers.get(place) is writer:
                del self._writers[place]

        return serve


async def serve_forever(arguments: argparse.Namespace) -> None:
    """Until cancelled."""
    ports = max(1, len(arguments.abstract))
    modem = SimModem(
        PERSONAS[arguments.persona], ports=ports, pin=arguments.pin, has_sim=not arguments.no_sim
    )
    async with ServedModem(modem, folder=arguments.folder, abstract=arguments.abstract):
        await asyncio.Event().wait()


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m hal.sim.modem_serve")
    parser.add_argument("persona", choices=sorted(PERSONAS))
    parser.add_argument("--abstract", action="append", default=[], metavar="abstract:NAME")
    parser.add_argument("--folder", type=Path, help="where the ptys' links appear")
    parser.add_argument("--pin", help="the SIM asks for it")
    parser.add_argument("--no-sim", action="store_true")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve_forever(parser.parse_args()))


if __name__ == "__main__":
    main()
