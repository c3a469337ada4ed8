"""The local API: varlink (https://varlink.org) over a unix socket, for `edgectl` and `varlinkctl`.

    Status  Read  Ask  Search  Watch  Seal  Frames       interface io.edgegateway.Agent
    Outbox  Time  ResetTimeBound

The agent offers what stands in `ControlTarget`; `serve` makes it reachable while its context lasts.
Rules: whoever may open the socket may read all of it, so access is the socket's mode (0660) and its
folder's (0750). Nothing that a client sends, and nothing that it fails to read, may delay a reading or
take memory without a bound: requests are bounded in size and taken one at a time, replies are written
before the next request is read, connections are counted. A mistake of ours inside a call is logged,
answered as an error, and does not stop the agent.

The interface, its types, errors and introspection are asyncvarlink's; the connection is asyncio's own
stream. asyncvarlink's transport (version 0.3.3) reads for as long as bytes are there without giving the
loop a turn, and keeps requests and replies without a bound. Measured with one client that sends calls
for 3 s and reads nothing: its server stops the loop for 3.0 s and takes 166 MB; this one 18 ms, 22 MB.
"""

# Annotations are evaluated: asyncvarlink makes the interface description from them.

import asyncio
import collections
import contextlib
import errno
import json
import logging
import os
import socket
import stat
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn, Protocol

from asyncvarlink import (
    GenericVarlinkErrorReply,
    TypedVarlinkErrorReply,
    VarlinkErrorReply,
    VarlinkInterface,
    VarlinkInterfaceRegistry,
    VarlinkMethodCall,
    VarlinkMethodReply,
    varlinkmethod,
)
from asyncvarlink.conversion import ConversionError
from asyncvarlink.serviceinterface import InvalidParameter, VarlinkServiceInterface

from edge_agent import __version__
from edge_agent.outbox_report import OutboxReport
from edge_agent.reports import (
    AnswerReport,
    CalibrationReport,
    ExchangeReport,
    FrameReport,
    MeterReading,
    ReadingReport,
    SearchReport,
    StatusReport,
)
from edge_agent.time_report import TimeReport

INTERFACE = "io.edgegateway.Agent"
SOCKET_MODE = 0o660
FOLDER_MODE = 0o750
CONNECTIONS_MAX = 16
REQUEST_SIZE_BYTES_MAX = 16 * 1024
IDLE_TIMEOUT_S = 300.0  # a connection without a call frees its place
SEND_TIMEOUT_S = 60.0  # a client that takes nothing for this long is let go
READ_TIMEOUT_S = 30.0  # a live read, waiting for the line included
WATCH_QUEUE_MAX = 256

ToJson = Callable[[Any], Any]

_log = logging.getLogger(__name__)


class NoSuchMeter(TypedVarlinkErrorReply, interface=INTERFACE):
    """No meter has this id; `known` are those that are configured."""

    class Parameters:
        meter: str
        known: list[str]


class NoSuchLine(TypedVarlinkErrorReply, interface=INTERFACE):
    """No line has this id; `known` are those that are configured."""

    class Parameters:
        line: str
        known: list[str]


class MeterSilent(TypedVarlinkErrorReply, interface=INTERFACE):
    """Nothing came from the meter within the timeout."""

    class Parameters:
        meter: str
        evidence: str


class MeterCorrupt(TypedVarlinkErrorReply, interface=INTERFACE):
    """Bytes came, and none of them decoded."""

    class Parameters:
        meter: str
        evidence: str


class MeterRefuses(TypedVarlinkErrorReply, interface=INTERFACE):
    """The meter answered that it will not give this."""

    class Parameters:
        meter: str
        evidence: str


class LineUnavailable(TypedVarlinkErrorReply, interface=INTERFACE):
    """The line's port is not open, or the line had no turn for the read in time."""

    class Parameters:
        line: str
        evidence: str


class NotCalibrated(TypedVarlinkErrorReply, interface=INTERFACE):
    """The display was not taken, or not kept; `evidence` says why."""

    class Parameters:
        meter: str
        evidence: str


class NotExchanged(TypedVarlinkErrorReply, interface=INTERFACE):
    """The exchange was not taken, or not kept; `evidence` says why."""

    class Parameters:
        meter: str
        evidence: str


class NotAsked(TypedVarlinkErrorReply, interface=INTERFACE):
    """The request was not sent; `evidence` says why: no Modbus line, no unit number, or no mere reading."""

    class Parameters:
        line: str
        evidence: str


class Busy(TypedVarlinkErrorReply, interface=INTERFACE):
    """Too many connections are open; `connections_max` is how many there may be."""

    class Parameters:
        connections_max: int


class NotSearched(TypedVarlinkErrorReply, interface=INTERFACE):
    """The line cannot be searched; `evidence` says why."""

    class Parameters:
        line: str
        evidence: str


class NotReset(TypedVarlinkErrorReply, interface=INTERFACE):
    """The lower bound of time was reset, but that could not be kept: the next start has the old one."""

    class Parameters:
        evidence: str


class ControlTarget(Protocol):
    """What the agent offers to the local API."""

    def status(self) -> StatusReport:
        """The whole gateway now; from memory, without waiting."""

    async def read(self, meter: str) -> MeterReading:
        """Read every point of a meter on its line now, in its turn.

        Raises NoSuchMeter, MeterSilent, MeterCorrupt, MeterRefuses, LineUnavailable.
        """

    async def calibrate(self, meter: str, value: str) -> CalibrationReport:
        """A meter whose pulses are counted shows `value` now; durable on return.

        Raises NoSuchMeter, NotCalibrated.
        """

    async def exchange(self, meter: str, serial: str, end: list[str], start: list[str]) -> ExchangeReport:
        """Another device is there now; durable on return, and the agent then begins anew in its process.

        Raises NoSuchMeter, NotExchanged.
        """

    def search(self, line: str, *, primary: bool) -> AsyncGenerator[SearchReport, None]:
        """Look for the meters of an M-Bus loop, by selection or at each primary address; the last report has
        `done`. Readings go on in between. Raises NoSuchLine, NotSearched, LineUnavailable.
        """

    def watch(self) -> AsyncGenerator[ReadingReport, None]:
        """Each reading as it is recorded, without end; `Watchers.watch` serves."""

    async def seal(self) -> None:
        """Seal the open interval at once, so that it is sent."""

    async def ask(self, line: str, unit: int, request: str) -> AnswerReport:
        """Send one Modbus request that reads (its PDU in hexadecimal) to a unit of a line, in its turn.

        Raises NoSuchLine, NotAsked, LineUnavailable.
        """

    def frames(self, line: str) -> list[FrameReport]:
        """The last frames of a line, oldest first. Raises NoSuchLine."""

    async def outbox(self) -> OutboxReport:
        """What the outbox holds, and how long buffer and card last."""

    def time(self) -> TimeReport:
        """Wall clock, boot axis and lower bound."""

    async def reset_time_bound(self) -> TimeReport:
        """Begin the lower bound of time again at the build date; durable on return. Raises NotReset."""


class Watchers:
    """Hands readings to whoever watches. A slow watcher loses the oldest and is told how many."""

    def __init__(self) -> None:
        self._watchers: set[_Watcher] = set()

    @property
    def active(self) -> bool:
        """Whether anybody watches: else nobody needs to make the report."""
        return bool(self._watchers)

    def publish(self, reading: ReadingReport) -> None:
        """Give a reading to each watcher; never waits."""
        for watcher in self._watchers:
            watcher.put(reading)

    async def watch(self) -> AsyncGenerator[ReadingReport, None]:
        """What is published from now on."""
        watcher = _Watcher()
        self._watchers.add(watcher)
        try:
            while True:
                yield await watcher.take()
        finally:
            self._watchers.discard(watcher)


class _Watcher:
    def __init__(self) -> None:
        self._readings: collections.deque[ReadingReport] = collections.deque(maxlen=WATCH_QUEUE_MAX)
        self._lost = 0
        self._filled = asyncio.Event()

    def put(self, reading: ReadingReport) -> None:
        self._lost += len(self._readings) == WATCH_QUEUE_MAX
        self._readings.append(reading)
        self._filled.set()

    async def take(self) -> ReadingReport:
        await self._filled.wait()
        reading = self._readings.popleft()
        if not self._readings:
            self._filled.clear()
        lost, self._lost = self._lost, 0
        return replace(reading, lost_before=lost) if lost else reading


class AgentInterface(VarlinkInterface, name=INTERFACE):
    """An edge gateway: its state, live reads, and readings as they are recorded."""

    errors = (
        NoSuchMeter,
        NoSuchLine,
        MeterSilent,
        MeterCorrupt,
        MeterRefuses,
        LineUnavailable,
        NotCalibrated,
        NotExchanged,
        NotAsked,
        NotSearched,
        NotReset,
        Busy,
    )

    def __init__(self, target: ControlTarget) -> None:
        self._target = target

    @varlinkmethod(return_parameter="status")
    def Status(self) -> StatusReport:  # noqa: N802 - varlink's spelling, here and below
        """The whole gateway now."""
        return self._target.status()

    @varlinkmethod(return_parameter="reading")
    async def Read(self, *, meter: str) -> MeterReading:  # noqa: N802
        """Read a meter on its line now, in its turn."""
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                return await self._target.read(meter)
        except TimeoutError:
            line = next((known.line for known in self._target.status().meters if known.id == meter), "")
            evidence = f"no turn for {meter} within {READ_TIMEOUT_S:.0f} s"
            raise LineUnavailable(line=line, evidence=evidence) from None

    @varlinkmethod(return_parameter="answer")
    async def Ask(self, *, line: str, unit: int, request: str) -> AnswerReport:  # noqa: N802
        """Send one Modbus request that reads to any unit of a line, in the line's turn."""
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                return await self._target.ask(line, unit, request)
        except TimeoutError:
            evidence = f"no turn for unit {unit} within {READ_TIMEOUT_S:.0f} s"
            raise LineUnavailable(line=line, evidence=evidence) from None

    @varlinkmethod(return_parameter="calibration")
    async def Calibrate(self, *, meter: str, value: str) -> CalibrationReport:  # noqa: N802
        """Enter what a pulse meter's display shows now; its readings go on from there."""
        return await self._target.calibrate(meter, value)

    @varlinkmethod(return_parameter="exchange")
    async def Exchange(  # noqa: N802
        self, *, meter: str, serial: str, end: list[str], start: list[str]
    ) -> ExchangeReport:
        """Enter that another device is there now. `end` and `start`: "VALUE" or "QUANTITY=VALUE"."""
        return await self._target.exchange(meter, serial, end, start)

    @varlinkmethod(return_parameter="search", delay_generator=False)
    async def Search(self, *, line: str, primary: bool) -> AsyncIterator[SearchReport]:  # noqa: N802
        """Look for the meters of an M-Bus loop. Call with "more"; ends with a report that is `done`."""
        async with contextlib.aclosing(self._target.search(line, primary=primary)) as reports:
            async for report in reports:
                yield report

    @varlinkmethod(return_parameter="reading", delay_generator=False)
    async def Watch(self) -> AsyncIterator[ReadingReport]:  # noqa: N802
        """Each reading as it is recorded. Call with "more"; ends when the caller hangs up."""
        async with contextlib.aclosing(self._target.watch()) as readings:
            async for reading in readings:
                yield reading

    @varlinkmethod
    async def Seal(self) -> None:  # noqa: N802
        """Seal the open interval at once."""
        await self._target.seal()

    @varlinkmethod(return_parameter="frames")
    def Frames(self, *, line: str) -> list[FrameReport]:  # noqa: N802
        """The last frames of a line, oldest first."""
        return self._target.frames(line)

    @varlinkmethod(return_parameter="outbox")
    async def Outbox(self) -> OutboxReport:  # noqa: N802
        """What the outbox holds, and how long buffer and card last."""
        return await self._target.outbox()

    @varlinkmethod(return_parameter="time")
    def Time(self) -> TimeReport:  # noqa: N802
        """Wall clock, boot axis and lower bound of time."""
        return self._target.time()

    @varlinkmethod(return_parameter="time")
    async def ResetTimeBound(self) -> TimeReport:  # noqa: N802
        """Begin the lower bound of time again at the build date."""
        return await self._target.reset_time_bound()


class SocketError(Exception):
    """The socket cannot be made; the text says why and what to do."""


@contextlib.asynccontextmanager
async def serve(path: Path, target: ControlTarget) -> AsyncIterator[None]:
    """Serve the local API at `path` while the context lasts; SocketError where that is impossible."""
    registry = VarlinkInterfaceRegistry()
    registry.register_interface(AgentInterface(target))
    service = VarlinkServiceInterface("Edge Gateway", "edge-agent", __version__, "", registry)
    registry.register_interface(service)
    connections = _Connections(registry)
    bound, made = _bind(path)
    server = await asyncio.start_unix_server(connections.accept, sock=bound, limit=REQUEST_SIZE_BYTES_MAX)
    try:
        yield
    finally:
        server.close()
        await connections.close()
        _remove_own(path, made)


def _bind(path: Path) -> tuple[socket.socket, os.stat_result]:
    """A bound socket, not yet listening: nobody can connect before its mode is right. And what it is."""
    try:
        path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        _remove_stale(path)
        bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            bound.bind(str(path))
            path.chmod(SOCKET_MODE)
            return bound, path.lstat()
        except OSError:
            bound.close()
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise SocketError(f"{path}: the local API's socket cannot be made: {reason}") from error


def _remove_stale(path: Path) -> None:
    """Remove what a killed agent left: a socket at which nobody answers, and nothing else."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise SocketError(f"{path} is there and is not a socket: remove it, or set gateway.socket elsewhere")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        outcome = probe.connect_ex(str(path))
    if outcome != errno.ECONNREFUSED:
        reason = "another agent answers there" if outcome == 0 else os.strerror(outcome)
        raise SocketError(f"{path} is in use ({reason}): stop the other agent, or set another gateway.socket")
    path.unlink()


def _remove_own(path: Path, made: os.stat_result) -> None:
    """Remove the socket unless a successor has put its own in the place."""
    with contextlib.suppress(FileNotFoundError):
        found = path.lstat()
        if (found.st_dev, found.st_ino) == (made.st_dev, made.st_ino):
            path.unlink()


class _Connections:
    """The open connections, each a task of its own."""

    def __init__(self, registry: VarlinkInterfaceRegistry) -> None:
        self._registry = registry
        self._tasks: set[asyncio.Task[None]] = set()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._tasks) >= CONNECTIONS_MAX:
            writer.write(_encode(Busy(connections_max=CONNECTIONS_MAX).toreply()))
            writer.close()  # a fresh socket takes these few bytes at once
            return
        writer.transport.set_write_buffer_limits(high=0)  # drain() means: the kernel has it all
        task = asyncio.get_running_loop().create_task(_converse(self._registry, reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class _Hangup(Exception):
    """The conversation is over: the client left, is lost, or does not speak varlink."""


async def _converse(
    registry: VarlinkInterfaceRegistry, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Answer one call after the other until the client hangs up or breaks the rules."""
    try:
        while True:
            await _answer(registry, await _next_call(reader), reader, writer)
    except _Hangup as reason:
        _log.debug("control connection closed: %s", reason)
    finally:
        writer.transport.abort()


async def _next_call(reader: asyncio.StreamReader) -> VarlinkMethodCall:
    """The next request; asyncio bounds its size."""
    try:
        async with asyncio.timeout(IDLE_TIMEOUT_S):
            data = await reader.readuntil(b"\0")
        return VarlinkMethodCall.fromjson(json.loads(data[:-1]))
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError) as error:  # OSError: timeout too
        raise _Hangup(str(error)) from error
    except (ValueError, TypeError, RecursionError) as error:
        raise _Hangup(f"no varlink call: {error}") from error


async def _answer(
    registry: VarlinkInterfaceRegistry,
    call: VarlinkMethodCall,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    try:
        reply = await _perform(registry, call, reader, writer)
    except _Hangup:
        raise
    except VarlinkErrorReply as error:
        reply = error.toreply()
    except Exception:  # a bug in a report must not stop the readings
        _log.exception("call of %s failed", call.method)
        reply = GenericVarlinkErrorReply(f"{INTERFACE}.InternalError").toreply()
    if not call.oneway:
        await _send(writer, reply)


async def _perform(
    registry: VarlinkInterfaceRegistry,
    call: VarlinkMethodCall,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> VarlinkMethodReply:
    """The reply to a call; what is streamed is sent here, up to the hang-up that ends it."""
    method, signature = registry.lookup_method(call)
    try:
        parameters = signature.parameter_type.fromjson(call.parameters)
    except ConversionError as error:
        raise InvalidParameter(parameter=str(error.location[0] if error.location else "")) from error
    if signature.more:
        await _stream(method(**parameters), signature.return_type.tojson, reader, writer)
    result = method(**parameters)
    if signature.asynchronous:
        result = await result
    return VarlinkMethodReply(signature.return_type.tojson(result.parameters))


async def _stream(
    results: AsyncGenerator[Any, None],
    tojson: ToJson,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> NoReturn:
    """Send results until the client hangs up; whatever it says meanwhile counts as that."""
    sending = asyncio.ensure_future(_send_all(results, tojson, writer))
    listening = asyncio.ensure_future(reader.read(1))
    try:
        await asyncio.wait({sending, listening}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (sending, listening):
            task.cancel()
        outcome, _ = await asyncio.gather(sending, listening, return_exceptions=True)
    if isinstance(outcome, Exception):
        raise outcome
    raise _Hangup("the watcher left")


async def _send_all(results: AsyncGenerator[Any, None], tojson: ToJson, writer: asyncio.StreamWriter) -> None:
    async with contextlib.aclosing(results):
        async for result in results:
            await _send(writer, VarlinkMethodReply(tojson(result.parameters), continues=result.continues))


async def _send(writer: asyncio.StreamWriter, reply: VarlinkMethodReply) -> None:
    """Return when the kernel has taken the reply."""
    try:
        writer.write(_encode(reply))
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await writer.drain()
    except OSError as error:
        raise _Hangup(f"the client takes nothing: {error}") from error


def _encode(reply: VarlinkMethodReply) -> bytes:
    return json.dumps(reply.tojson(), separators=(",", ":")).encode() + b"\0"
