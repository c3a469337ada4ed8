"""Calls to the running agent over its unix socket: varlink, which is JSON ended by a zero byte.

Rules: plain blocking sockets, no asyncio and no third-party import, so that a command starts at once on
a small board. Every wait has a bound. What keeps the agent from being reached is told apart by what a
person must do about it (`Unreachable.reason`).
"""

from __future__ import annotations

import errno
import json
import socket
import time
from collections.abc import Generator
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

INTERFACE = "io.edgegateway.Agent"
CONNECT_TIMEOUT_S = 5.0
REPLY_TIMEOUT_S = 40.0  # longer than the agent gives a live read
REPLY_SIZE_BYTES_MAX = 16 * 1024 * 1024
CHUNK_BYTES = 64 * 1024

Reason = Literal["missing", "refused", "denied", "lost"]
_REASONS: dict[int, Reason] = {
    errno.ENOENT: "missing",
    errno.ENOTDIR: "missing",
    errno.ENOTSOCK: "missing",
    errno.ECONNREFUSED: "refused",
    errno.EACCES: "denied",
    errno.EPERM: "denied",
}


class Unreachable(Exception):
    """The agent cannot be reached: no socket there, nobody answers, not permitted, or lost meanwhile."""

    def __init__(self, reason: Reason, path: Path, detail: str) -> None:
        super().__init__(f"{path}: {detail}")
        self.reason: Reason = reason
        self.path = path
        self.detail = detail


class Refusal(Exception):
    """The agent answered with a varlink error; `name` without the interface."""

    def __init__(self, name: str, parameters: dict[str, Any]) -> None:
        super().__init__(f"{name} {parameters}")
        self.name = name
        self.parameters = parameters


class Client:
    """One connection to the agent, made at once; Unreachable where that fails, here and in each call."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._received = bytearray()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(CONNECT_TIMEOUT_S)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            reason = _REASONS.get(error.errno or 0, "lost")
            raise Unreachable(reason, path, error.strerror or str(error)) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """The parameters of the one reply; Refusal where it is an error."""
        self._send({"method": f"{INTERFACE}.{method}", "parameters": parameters})
        try:
            return _parameters(self._receive(time.monotonic() + REPLY_TIMEOUT_S))
        except TimeoutError as error:
            raise Unreachable("lost", self._path, f"no answer within {REPLY_TIMEOUT_S:.0f} s") from error

    def stream(
        self, method: str, seconds: float, **parameters: object
    ) -> Generator[dict[str, Any], None, None]:
        """The parameters of each reply, until `seconds` have passed (0: without end)."""
        deadline = time.monotonic() + seconds if seconds else None
        self._send({"method": f"{INTERFACE}.{method}", "parameters": parameters, "more": True})
        while True:
            try:
                reply = self._receive(deadline)
            except TimeoutError:
                return
            yield _parameters(reply)
            if not reply.get("continues"):
                return

    def _send(self, request: dict[str, object]) -> None:
        try:
            self._socket.sendall(json.dumps(request).encode() + b"\0")
        except OSError:
            if not self._received:  # an agent that is too busy answers before it is asked
                self._received += self._last_words()

    def _last_words(self) -> bytes:
        try:
            return self._socket.recv(CHUNK_BYTES)
        except OSError as error:
            raise Unreachable("lost", self._path, error.strerror or str(error)) from error

    def _receive(self, deadline: float | None) -> dict[str, Any]:
        """The next reply; TimeoutError where a stream's deadline passes, else Unreachable."""
        while (end := self._received.find(0)) < 0:
            self._received += self._chunk(deadline)
            if len(self._received) > REPLY_SIZE_BYTES_MAX:
                raise Unreachable("lost", self._path, "an endless reply")
        message = bytes(self._received[:end])
        del self._received[: end + 1]
        try:
            reply = json.loads(message)
        except ValueError as error:
            raise Unreachable("lost", self._path, f"no varlink: {error}") from error
        if not isinstance(reply, dict):
            raise Unreachable("lost", self._path, "no varlink: not an object")
        return reply

    def _chunk(self, deadline: float | None) -> bytes:
        self._socket.settimeout(None if deadline is None else max(0.001, deadline - time.monotonic()))
        try:
            data = self._socket.recv(CHUNK_BYTES)
        except TimeoutError:
            raise
        except OSError as error:
            raise Unreachable("lost", self._path, error.strerror or str(error)) from error
        if not data:
            raise Unreachable("lost", self._path, "connection closed")
        return data


def _parameters(reply: dict[str, Any]) -> dict[str, Any]:
    parameters = reply.get("parameters") or {}
    if error := reply.get("error"):
        raise Refusal(str(error).rpartition(".")[2], parameters)
    return dict(parameters)
