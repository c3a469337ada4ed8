"""Simulated lines: a wire with byte times, faults and a log, on a real pseudo-terminal or TCP socket.

    PacedPty      the wire itself: a pty whose bytes take as long as on a real line, with a log
    SimLine       devices that answer requests (the server role of a codec) on such a wire
    SimPushLine   a device that pushes a telegram each period
    SimTcpServer  devices behind a TCP endpoint

Rules:
- Times are those of the wire: bytes come out of the pty no earlier than their last bit would arrive, and
  a request counts as complete no earlier than its last bit would have left, however fast the pty is.
- All chance comes from the seed; the log says what really went over the wire, when, and what was wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import itertools
import os
import random
import re
import struct
import termios
import tty
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, Self

from hal.readiness import wait_precisely
from hal.serial_port import character_time_s
from protocols.errors import ProtocolError

WIRE_LOG_MAX = 20_000
SENDINGS_MAX = 64
NOISE_BYTES_MAX = 8
LISTENER_BACKLOG_BYTES_MAX = 2_048  # what nobody reads is lost, as on a wire
READ_BYTES_MAX = 4_096
CHUNK_S = 0.001  # bytes are handed over together when they take less than this
FIFO_BYTES = 8


_BAUDS = {getattr(termios, name): int(name[1:]) for name in dir(termios) if re.fullmatch(r"B\d+", name)}


class Device(Protocol):
    """The server role of a codec."""

    def receive_data(self, data: bytes) -> list[bytes]:
        """The frames that these bytes make it send."""


class Pusher(Protocol):
    """A device that pushes."""

    def telegram(self, elapsed_ms: int) -> bytes:
        """The telegram at this time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFaults:
    """What goes wrong, each a probability for one answer; they are drawn independently.

    `late_s`: least and greatest delay of a late answer; `split_s`: pause inside of a split one.
    """

    noise_before: float = 0.0
    noise_after: float = 0.0
    echo: float = 0.0
    flip: float = 0.0
    silence: float = 0.0
    late: float = 0.0
    short: float = 0.0
    junk: float = 0.0
    split: float = 0.0
    late_s: tuple[float, float] = (0.6, 1.5)
    split_s: float = 0.05


class Sending(NamedTuple):
    """Bytes to put on the wire `delay_s` after the one before (the first: after the turn-around)."""

    delay_s: float
    data: bytes
    fault: str


class WireFrame(NamedTuple):
    """Bytes that went over the wire in one piece. Times are the loop's, of the first bit and the last.

    `pause_s`: the longest time from one byte to the next, where a busy machine held the simulation up.
    """

    start_s: float
    end_s: float
    sender: str  # "client" or "device"
    data: bytes
    fault: str
    pause_s: float = 0.0


def plan_sendings(
    faults: LineFaults, chance: random.Random, answer: bytes, *, parity_checked: bool = False
) -> list[Sending]:
    """What becomes of an answer: nothing, itself, or something worse.

    `parity_checked`: characters with an odd number of flipped bits arrive as NUL, as a serial port
    delivers them that checks parity (7-bit formats; see hal.serial_port).
    """

    def happens(probability: float) -> bool:
        return probability > 0 and chance.random() < probability

    if happens(faults.silence):
        return []
    names: list[str] = []
    data = answer
    if happens(faults.junk):
        names.append("junk")
        data = chance.randbytes(len(data))
    if happens(faults.flip):
        names.append("flip")
        data = _flipped(data, chance, parity_checked=parity_checked)
    if happens(faults.short):
        names.append("short")
        data = data[: chance.randrange(1, len(data))]
    if happens(faults.noise_before):
        names.append("noise-before")
        data = _noise(chance) + data
    if happens(faults.noise_after):
        names.append("noise-after")
        data += _noise(chance)
    delay_s = 0.0
    if happens(faults.late):
        names.append("late")
        delay_s = chance.uniform(*faults.late_s)
    if happens(faults.split) and len(data) > 1:
        names.append("split")
        cut = chance.randrange(1, len(data))
        fault = "+".join(names)
        return [Sending(delay_s, data[:cut], fault), Sending(faults.split_s, data[cut:], fault)]
    return [Sending(delay_s, data, "+".join(names))]


def _flipped(data: bytes, chance: random.Random, *, parity_checked: bool) -> bytes:
    damaged = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(7 if parity_checked else 8)
    if not parity_checked:
        return bytes(damaged)
    return bytes(0 if (new ^ old).bit_count() % 2 else new for new, old in zip(damaged, data, strict=True))


def _noise(chance: random.Random) -> bytes:
    """What an unbiased line adds: mostly 0x00 and 0xFF, sometimes anything."""
    size_bytes = chance.randint(1, NOISE_BYTES_MAX)
    return bytes(chance.choice((0x00, 0xFF, chance.randrange(256))) for _ in range(size_bytes))


class PacedPty:
    """A pseudo-terminal as a serial line of a given speed; the other end opens `path`.

    `link`: a symbolic link to keep pointing at the slave, for a name that stays. `receive` is called with
    bytes as they come from the other end, and with the time at which their last bit has left it.
    """

    def __init__(
        self, *, char_time_s: float, link: Path | None, receive: Callable[[bytes, float], None]
    ) -> None:
        self.char_time_s = char_time_s
        self.log: deque[WireFrame] = deque(maxlen=WIRE_LOG_MAX)
        self._link = link
        self._receive = receive
        self._wire = asyncio.Lock()
        self._master = -1
        self._slave = -1
        self._client_end_s = 0.0

    @property
    def path(self) -> str:
        """What to open."""
        return str(self._link) if self._link is not None else os.ttyname(self._slave)

    def appear(self) -> None:
        """Make the device; again after `vanish`, and the link points to the new one."""
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        if self._link is not None:
            fresh = self._link.with_name(self._link.name + ".new")
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(os.ttyname(self._slave))
            fresh.replace(self._link)
        asyncio.get_running_loop().add_reader(self._master, self._read)

    def vanish(self) -> None:
        """Take the device away, as when an adapter is unplugged; harmless where it is away."""
        if self._master < 0:
            return
        asyncio.get_running_loop().remove_reader(self._master)
        if self._link is not None:
            self._link.unlink(missing_ok=True)
        os.close(self._master)
        os.close(self._slave)
        self._master = self._slave = -1

    @property
    def client_baud(self) -> int:
        """The rate to which whoever opened the other end has set it at present; 0 while it is away."""
        if self._slave < 0:
            return 0
        return _BAUDS.get(termios.tcgetattr(self._slave)[5], 0)

    async def send(self, data: bytes, fault: str = "") -> None:
        """Put `data` on the wire; return when its last bit has arrived."""
        loop = asyncio.get_running_loop()
        async with self._wire:
            self._forget_unread()
            start_s = end_s = loop.time()
            pause_s = 0.0
            chunk_bytes = FIFO_BYTES if self.char_time_s < CHUNK_S / 2 else 1
            for place in range(0, len(data), chunk_bytes):
                chunk = data[place : place + chunk_bytes]
                due_s = start_s + (place + len(chunk)) * self.char_time_s
                await self._wait_until(due_s, last=place + chunk_bytes >= len(data))
                written_s = loop.time()  # before the write: whoever reads may be quicker than the next line
                pause_s, end_s = max(pause_s, written_s - end_s), written_s
                self._write(chunk)
            self.log.append(WireFrame(start_s, end_s, "device", data, fault, pause_s))

    def request_gaps_s(self, silence_s: float) -> list[float]:
        """The silence before each request, since the last bit of what went before it.

        Left out are requests after a frame that itself paused for `silence_s`: it looked finished.
        """
        gaps: list[float] = []
        for before, frame in itertools.pairwise(sorted(self.log)):
            if frame.sender == "client" and before.pause_s < silence_s:
                gaps.append(frame.start_s - before.end_s)
        return gaps

    async def _wait_until(self, due_s: float, *, last: bool) -> None:
        rest_s = due_s - asyncio.get_running_loop().time()
        if rest_s <= 0:
            return
        if last:  # frame ends are what others measure; in between, the loop's own grain will do
            await wait_precisely(rest_s)
        else:
            await asyncio.sleep(rest_s)

    def _read(self) -> None:
        try:
            data = os.read(self._master, READ_BYTES_MAX)
        except BlockingIOError:
            return
        now_s = asyncio.get_running_loop().time()
        start_s = max(now_s, self._client_end_s)  # written faster than the wire takes it: queued behind
        self._client_end_s = start_s + len(data) * self.char_time_s
        if start_s > now_s and self.log and self.log[-1].sender == "client":
            before = self.log.pop()
            frame = before._replace(end_s=self._client_end_s, data=before.data + data)
        else:
            frame = WireFrame(start_s, self._client_end_s, "client", data, "")
        self.log.append(frame)
        self._receive(data, self._client_end_s)

    def _write(self, data: bytes) -> None:
        if self._master >= 0:
            with contextlib.suppress(BlockingIOError):  # nobody reads: lost, as on a wire
                os.write(self._master, data)

    def _forget_unread(self) -> None:
        """Whoever opens a real port does not find what was on the wire long before."""
        if self._slave < 0:
            return
        waiting = struct.unpack("i", fcntl.ioctl(self._slave, termios.FIONREAD, b"\0\0\0\0"))[0]
        if waiting > LISTENER_BACKLOG_BYTES_MAX:
            termios.tcflush(self._slave, termios.TCIFLUSH)


class SimLine:
    """Devices that answer, on a paced pty. Use as `async with SimLine(device) as line`."""

    def __init__(
        self,
        device: Device,
        *,
        baud: int = 9600,
        character_format: str = "8N1",
        turnaround_s: float = 0.005,
        faults: LineFaults | None = None,
        seed: int = 0,
        link: Path | None = None,
    ) -> None:
        """`device` is asked with every byte that comes; `seed` decides all faults."""
        self.seed = seed
        self.faults = LineFaults() if faults is None else faults
        self.pty = PacedPty(
            char_time_s=character_time_s(baud, character_format), link=link, receive=self._take
        )
        self._device = device
        self._parity_checked = character_format[0] == "7" and character_format[1] != "N"
        self._turnaround_s = turnaround_s
        self._chance = random.Random(seed)
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
        """Make the device."""
        self.pty.appear()

    async def stop(self) -> None:
        """Take everything away; stopping twice is allowed."""
        self.pty.vanish()
        await _cancel(self._tasks)

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _take(self, data: bytes, end_s: float) -> None:
        if self.faults.echo and self._chance.random() < self.faults.echo:
            self._spawn(self.pty.send(data, "echo"))
        frames = self._device.receive_data(data)
        for frame in frames:
            self._spawn(self._answer(frame, end_s))

    async def _answer(self, frame: bytes, request_end_s: float) -> None:
        ready_s = request_end_s + self._turnaround_s
        parity_checked = self._parity_checked
        for sending in plan_sendings(self.faults, self._chance, frame, parity_checked=parity_checked):
            await wait_precisely(ready_s + sending.delay_s - asyncio.get_running_loop().time())
            await self.pty.send(sending.data, sending.fault)
            ready_s = asyncio.get_running_loop().time()

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        if len(self._tasks) >= SENDINGS_MAX:
            work.close()  # a device with so much to say is silent
            return
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class SimPushLine:
    """A device that pushes a telegram each period, on a paced pty."""

    def __init__(
        self,
        pusher: Pusher,
        *,
        period_ms: int,
        elapsed_ms: Callable[[], int],
        baud: int = 9600,
        character_format: str = "8N1",
        faults: LineFaults | None = None,
        seed: int = 0,
        link: Path | None = None,
    ) -> None:
        """The first telegram comes at once. `elapsed_ms` tells the pusher's time."""
        self.seed = seed
        self.faults = LineFaults() if faults is None else faults
        self.pty = PacedPty(char_time_s=character_time_s(baud, character_format), link=link, receive=_ignore)
        self._pusher = pusher
        self._parity_checked = character_format[0] == "7" and character_format[1] != "N"
        self._period_s = period_ms / 1000
        self._elapsed_ms = elapsed_ms
        self._chance = random.Random(seed)
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
        """Make the device and begin to push."""
        self.pty.appear()
        self._tasks.add(asyncio.get_running_loop().create_task(self._push()))

    async def stop(self) -> None:
        """Take everything away; stopping twice is allowed."""
        self.pty.vanish()
        await _cancel(self._tasks)

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _push(self) -> None:
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            await asyncio.sleep(max(0.0, due_s - loop.time()))
            telegram = self._pusher.telegram(self._elapsed_ms())
            parity_checked = self._parity_checked
            for sending in plan_sendings(self.faults, self._chance, telegram, parity_checked=parity_checked):
                await asyncio.sleep(sending.delay_s)
                await self.pty.send(sending.data, sending.fault)
            due_s = max(due_s + self._period_s, loop.time())


class SimTcpServer:
    """Devices behind a TCP endpoint on 127.0.0.1. Of the faults only silence, late and split apply, unless
    it is a serial server (`passes_line`), which passes on what its line makes of the answers."""

    def __init__(
        self,
        make_device: Callable[[], Device],
        *,
        turnaround_s: float = 0.0,
        faults: LineFaults | None = None,
        seed: int = 0,
        passes_line: bool = False,
    ) -> None:
        """`make_device` gives the server role for one connection."""
        self.seed = seed
        self._passes_line = passes_line
        self.faults = LineFaults() if faults is None else faults
        self.port = 0
        self._make_device = make_device
        self._turnaround_s = turnaround_s
        self._chance = random.Random(seed)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def path(self) -> str:
        """What to open: the URL."""
        return f"tcp://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen; again after `stop`, on the same port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and drop all connections; stopping twice is allowed."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await self.drop_connections()

    async def drop_connections(self) -> None:
        """Cut what is connected, and go on listening."""
        await _cancel(self._tasks)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        device = self._make_device()
        stream = asyncio.Lock()
        answers: set[asyncio.Task[None]] = set()
        try:
            while data := await reader.read(READ_BYTES_MAX):
                if self._passes_line and self.faults.echo and self._chance.random() < self.faults.echo:
                    writer.write(data)
                for frame in device.receive_data(data):
                    answer = asyncio.get_running_loop().create_task(self._answer(writer, stream, frame))
                    answers.add(answer)
                    answer.add_done_callback(answers.discard)
        except (ConnectionError, ProtocolError):
            return  # the client went, or is not one: the connection ends
        finally:
            await _cancel(answers)
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, stream: asyncio.Lock, frame: bytes) -> None:
        faults = self.faults if self._passes_line else self._network_faults()
        sendings = plan_sendings(faults, self._chance, frame)
        if not sendings:
            return
        await asyncio.sleep(self._turnaround_s + sendings[0].delay_s)
        async with stream:  # pieces of one frame follow each other
            writer.write(sendings[0].data)
            for sending in sendings[1:]:
                await asyncio.sleep(sending.delay_s)
                writer.write(sending.data)

    def _network_faults(self) -> LineFaults:
        """TCP neither loses nor invents bytes."""
        faults = self.faults
        return LineFaults(
            silence=faults.silence,
            late=faults.late,
            split=faults.split,
            late_s=faults.late_s,
            split_s=faults.split_s,
        )


def _ignore(_data: bytes, _end_s: float) -> None:
    """A device that only pushes hears nothing."""


async def _cancel(tasks: set[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    tasks.clear()
