"""Far ends for every kind of port: what stands on the other side of the line in tests."""

from __future__ import annotations

import asyncio
import os
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from hal.api import Port
from hal.board import open_port
from hal.sim.line import PacedPty

WAIT_S = 5.0


async def until(condition: Callable[[], object]) -> None:
    """Wait, with a deadline, until something else on this loop has made `condition` true."""
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110  what changes is the system's, and sets no event
            await asyncio.sleep(0.001)


class FarEnd:
    """`received` holds what came; `vanish` and `come_back` take the device away and return it."""

    url: str

    def __init__(self) -> None:
        self.received = bytearray()

    async def receive(self, size_bytes: int) -> bytes:
        await until(lambda: len(self.received) >= size_bytes)
        taken = bytes(self.received[:size_bytes])
        del self.received[:size_bytes]
        return taken


class PtyEnd(FarEnd):
    """The bare master of a pty, without byte times."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._link = folder / "ttyTEST"
        self.url = f"serial://{self._link}"

    async def come_back(self) -> None:
        self._master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(self._master, False)
        self._link.symlink_to(os.ttyname(slave))
        self._slave = slave
        asyncio.get_running_loop().add_reader(self._master, self._read)

    async def vanish(self) -> None:
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._master)
        os.close(self._slave)
        self._link.unlink()

    async def send(self, data: bytes) -> None:
        os.write(self._master, data)

    def _read(self) -> None:
        with suppress(OSError):
            self.received += os.read(self._master, 4096)


class SimEnd(FarEnd):
    """A simulated line with the byte times of 115200 baud."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._pty = PacedPty(
            char_time_s=10 / 115_200,
            link=folder / "ttySIM",
            receive=lambda data, _: self.received.extend(data),
        )
        self.url = f"serial://{folder / 'ttySIM'}"

    async def come_back(self) -> None:
        self._pty.appear()

    async def vanish(self) -> None:
        self._pty.vanish()

    async def send(self, data: bytes) -> None:
        await self._pty.send(data)


class TcpEnd(FarEnd):
    """A listening socket that takes one connection at a time."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._port = 0
        self._writer: asyncio.StreamWriter | None = None
        self._connected = asyncio.Event()

    async def come_back(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        self.url = f"tcp://127.0.0.1:{self._port}"

    async def vanish(self) -> None:
        self._server.close()
        await self._wait_connected()
        self._writer.close()
        self._connected.clear()

    async def send(self, data: bytes) -> None:
        await self._wait_connected()
        self._writer.write(data)
        await self._writer.drain()

    async def _wait_connected(self) -> None:
        async with asyncio.timeout(WAIT_S):
            await self._connected.wait()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._connected.set()
        try:
            while data := await reader.read(4096):
                self.received += data
        except ConnectionError:
            pass
        finally:
            writer.close()


KINDS = {"pty": PtyEnd, "sim": SimEnd, "tcp": TcpEnd}


@asynccontextmanager
async def far_end(kind: str, folder: Path) -> AsyncIterator[FarEnd]:
    end = KINDS[kind](folder)
    await end.come_back()
    try:
        yield end
    finally:
        with suppress(OSError, TimeoutError):
            await end.vanish()


async def open_end(end: FarEnd) -> Port:
    return await open_port(end.url, baud=115_200)


def open_fds() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
