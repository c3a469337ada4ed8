"""A simulated M-Bus loop: many meters on two wires, whose answers add up as currents do.

    merge_answers   what a receiver makes of answers that overlap
    MbusLoop        the meters, and what comes back to a request; no clock, no port
    SimMbusLine     the loop behind a level converter, on a paced pty

Rules:
- On the loop a mark (1) draws no current and a space (0) does: where two meters send at once, space wins, bit
  by bit, wherever their characters begin. The receiver sees one waveform and reads characters from it.
- Answers to one request are merged, those to different requests (a meter that answers late) follow each
  other.
- A meter hears only what is sent at its own rate.
- All chance comes from the seed. Faults of a line apply to each piece that the level converter delivers.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import NamedTuple, Self

from hal.readiness import wait_precisely
from hal.sim.line import SENDINGS_MAX, LineFaults, PacedPty, WireFrame, plan_sendings
from protocols.errors import ProtocolError
from protocols.mbus.frames import FrameReceiver, encode_frame
from protocols.mbus.link import BITS_PER_CHARACTER, MeterStation

STOP_BITS = 1 << (BITS_PER_CHARACTER - 1)
QUICKEST_BITS = 11  # EN 13757-2, 5.5.1.2
USUAL_BITS_MAX = 120  # well within the 330 that are allowed


class LoopMeter(NamedTuple):
    """A meter, and how long after a request it begins to answer, in bit times."""

    station: MeterStation
    turnaround_bits: int


class Piece(NamedTuple):
    """Characters without a gap between them; `start_bits` after the request's last bit."""

    start_bits: int
    data: bytes


def merge_answers(answers: Sequence[Piece]) -> list[Piece]:
    """What a receiver reads from answers that overlap, in order of time."""
    if not answers:
        return []
    end_bits = max(piece.start_bits + len(piece.data) * BITS_PER_CHARACTER for piece in answers)
    line = (1 << end_bits + 1) - 1  # idle: all marks; bit n is the level at bit time n
    for piece in answers:
        line &= ~_spaces(piece)
    return _read_characters(line, end_bits)


def _spaces(piece: Piece) -> int:
    """The bit times at which an answer draws current: 8E1, start bit first, then the lowest data bit."""
    spaces = 0
    for place, byte in enumerate(piece.data):
        parity = byte.bit_count() & 1
        character = byte << 1 | parity << 9 | STOP_BITS
        spaces |= (character ^ (1 << BITS_PER_CHARACTER) - 1) << place * BITS_PER_CHARACTER
    return spaces << piece.start_bits


def _read_characters(line: int, end_bits: int) -> list[Piece]:
    """As a UART: a character begins with the first space after a mark, and is eleven bits long. Its parity is
    not judged, as with Linux' terminals unless they are told to."""
    pieces: list[Piece] = []
    at = 0
    while at < end_bits:
        if line >> at & 1:
            at += 1
            continue
        byte = line >> at + 1 & 0xFF
        follows = pieces and pieces[-1].start_bits + len(pieces[-1].data) * BITS_PER_CHARACTER == at
        if follows:
            pieces[-1] = Piece(pieces[-1].start_bits, pieces[-1].data + bytes((byte,)))
        else:
            pieces.append(Piece(at, bytes((byte,))))
        at += BITS_PER_CHARACTER
        while at < end_bits and not line >> at - 1 & 1:  # no stop bit: wait for a mark
            at += 1
    return pieces


class MbusLoop:
    """The meters of a loop. `meters` may change while it works, as when a branch is opened."""

    def __init__(self, meters: Sequence[LoopMeter]) -> None:
        self.meters = list(meters)
        self._receiver = FrameReceiver()

    def receive_data(self, data: bytes, baud: int) -> list[Piece]:
        """What comes back to bytes from the master, sent at `baud`."""
        pieces: list[Piece] = []
        for frame in self._receiver.receive_data(data):
            if isinstance(frame, ProtocolError):
                continue
            answers = []
            for meter in self.meters:
                if meter.station.baud != baud:
                    continue
                answer = meter.station.receive_frame(frame)
                if answer is not None:
                    answers.append(Piece(meter.turnaround_bits, encode_frame(answer)))
            pieces += merge_answers(answers)
        return pieces


def usual_turnaround_bits(chance: random.Random) -> int:
    """How long a meter takes, as the seed has it."""
    return chance.randint(QUICKEST_BITS, USUAL_BITS_MAX)


class SimMbusLine:
    """A loop behind a level converter, on a paced pty. Use as `async with SimMbusLine(loop) as line`."""

    def __init__(
        self,
        loop: MbusLoop,
        *,
        baud: int = 2400,
        faults: LineFaults | None = None,
        seed: int = 0,
        link: Path | None = None,
    ) -> None:
        """`baud`: at which the level converter and its meters begin; the client's is what it sets."""
        self.seed = seed
        self.faults = LineFaults() if faults is None else faults
        self.pty = PacedPty(char_time_s=BITS_PER_CHARACTER / baud, link=link, receive=self._take)
        self._loop = loop
        self._baud = baud
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
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _take(self, data: bytes, end_s: float) -> None:
        baud = self.pty.client_baud or self._baud
        self.pty.char_time_s = BITS_PER_CHARACTER / baud
        if self.faults.echo and self._chance.random() < self.faults.echo:
            self._spawn(self.pty.send(data, "echo"))
        pieces = self._loop.receive_data(data, baud)
        if pieces:
            self._spawn(self._answer(pieces, end_s, baud))

    async def _answer(self, pieces: Sequence[Piece], request_end_s: float, baud: int) -> None:
        loop = asyncio.get_running_loop()
        for piece in pieces:
            ready_s = request_end_s + piece.start_bits / baud
            for sending in plan_sendings(self.faults, self._chance, piece.data):
                await wait_precisely(ready_s + sending.delay_s - loop.time())
                await self.pty.send(sending.data, sending.fault)
                ready_s = loop.time()

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        if len(self._tasks) >= SENDINGS_MAX:
            work.close()  # as a real line would garble it
            return
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
