"""A line end behind a TCP connection: a Modbus TCP device, or a serial server that passes bytes on.

Rules:
- Connecting has one deadline over name, addresses and handshake; cancelled or failed, no socket is left.
- A peer that vanished without a word is found by keepalive and by the bound on unacknowledged bytes.
"""

from __future__ import annotations

import asyncio
import socket

from hal.api import PortError
from hal.readiness import wait_readable

CONNECT_S_MAX = 5.0
WRITE_S_MAX = 5.0
READ_BYTES_MAX = 4096
DISCARD_READS_MAX = 64
KEEPALIVE_IDLE_S = 30
KEEPALIVE_INTERVAL_S = 10
KEEPALIVE_PROBES_MAX = 3
UNACKNOWLEDGED_MS_MAX = 30_000


async def open_tcp_port(host: str, port: int, *, connect_s_max: float = CONNECT_S_MAX) -> TcpPort:
    """Connect. Raises PortError "port.refused" (nobody listens) or "port.unreachable" (no way there)."""
    name = f"{host}:{port}"
    try:
        async with asyncio.timeout(connect_s_max):
            connection = await _connect(host, port)
    except TimeoutError as error:
        text = f"{name}: no answer within {connect_s_max:g} s; check address, cable and network"
        raise PortError("port.unreachable", text) from error
    except ConnectionRefusedError as error:
        hint = "the device is there, but nothing listens on that port: check the port number"
        raise PortError("port.refused", f"{name}: refused; {hint}") from error
    except OSError as error:
        text = f"{name}: {error.strerror or error}; check address, cable and network"
        raise PortError("port.unreachable", text) from error
    return TcpPort(connection, name)


class TcpPort:
    """An open connection; see hal.api.Port for what the methods promise."""

    def __init__(self, connection: socket.socket, name: str) -> None:
        """Use `open_tcp_port`."""
        self._socket: socket.socket | None = connection
        self._name = name

    @property
    def char_time_s(self) -> float:
        """0.0: bytes on a network are not timed."""
        return 0.0

    async def write(self, data: bytes) -> None:
        """Hand over `data` to the network."""
        connection = self._connection()
        try:
            async with asyncio.timeout(WRITE_S_MAX):
                await asyncio.get_running_loop().sock_sendall(connection, data)
        except OSError as error:  # a TimeoutError is one too
            raise self._gone(error.strerror or "takes no bytes") from error

    async def read(self, timeout_s: float, expected: int = 1) -> bytes:  # noqa: ARG002  the network wakes once anyway
        """What has arrived; b"" when nothing came within `timeout_s`. 0 asks without waiting."""
        data = self._read_now()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while not data:
            rest_s = deadline - loop.time()
            if rest_s <= 0 or not await wait_readable(self._connection().fileno(), rest_s):
                break
            data = self._read_now()
        return data

    def discard_input(self) -> None:
        """Forget what has arrived and was not read."""
        for _ in range(DISCARD_READS_MAX):
            if not self._read_now():
                return

    def reconfigure(self, baud: int) -> None:
        """Raises PortError("port.setting"): how fast the serial server's line is, is set there."""
        hint = "connect the head by serial://; over tcp:// only meters that keep to one rate are read"
        raise PortError("port.setting", f"{self._name}: cannot switch a serial server to {baud} Bd; {hint}")

    async def close(self) -> None:
        """Close the connection."""
        connection, self._socket = self._socket, None
        if connection is not None:
            connection.close()

    def _connection(self) -> socket.socket:
        if self._socket is None:
            raise PortError("port.gone", f"{self._name} is closed")
        return self._socket

    def _read_now(self) -> bytes:
        try:
            data = self._connection().recv(READ_BYTES_MAX)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise self._gone(error.strerror or "read failed") from error
        if not data:
            raise self._gone("closed by the other side")
        return data

    def _gone(self, reason: str) -> PortError:
        text = f"{self._name}: connection lost ({reason}); it is opened again as soon as the device answers"
        return PortError("port.gone", text)


async def _connect(host: str, port: int) -> socket.socket:
    """The first address that takes the connection; the last address' OSError where none does."""
    loop = asyncio.get_running_loop()
    addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failure = OSError(f"no address for {host}")
    for family, kind, protocol, _, address in addresses:
        connection = socket.socket(family, kind, protocol)
        try:
            _set_options(connection)
            await loop.sock_connect(connection, address)
            _refuse_itself(connection)
        except OSError as error:
            connection.close()
            failure = error
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    raise failure


def _refuse_itself(connection: socket.socket) -> None:
    """With nobody listening on a local port, asking for it can end in a connection with oneself."""
    if connection.getsockname() == connection.getpeername():
        raise ConnectionRefusedError("connected to itself")


def _set_options(connection: socket.socket) -> None:
    connection.setblocking(False)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES_MAX)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS_MAX)
