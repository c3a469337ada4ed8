"""The link between gateway and broker: a TCP relay that can be cut, and that counts what passes."""

from __future__ import annotations

import asyncio

CHUNK_BYTES = 64 * 1024
CONNECTIONS_MAX = 32


class Relay:
    """Listens on loopback and forwards to the broker while the link is up."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.up = True
        self.bytes_on_wire = 0
        self.cuts = 0

    async def start(self) -> None:
        """Begin to listen, on a port of the system's choice."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Break what is connected, without a goodbye, and let nobody in."""
        self.up = False
        self.cuts += 1
        for writer in list(self._writers):
            writer.transport.abort()

    def heal(self) -> None:
        """Let connections through again."""
        self.up = True

    async def stop(self) -> None:
        """Close everything."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.up or len(self._writers) >= 2 * CONNECTIONS_MAX:
            writer.transport.abort()
            return
        self._writers.add(writer)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.transport.abort()
            self._writers.discard(writer)
            return
        self._writers.add(far_writer)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, far_writer))
                group.create_task(self._pump(far_reader, writer))
        finally:
            self._writers -= {writer, far_writer}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(CHUNK_BYTES):
                self.bytes_on_wire += len(data)
                writer.write(data)
                await writer.drain()
        except OSError:
            writer.transport.abort()
        finally:
            writer.close()
