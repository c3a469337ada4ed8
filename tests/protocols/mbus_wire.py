"""A wire in bit times for M-Bus dialogues: whoever asks on one side, a simulated loop on the other, no
clock."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TypeVar

from hal.sim.mbus import LoopMeter, MbusLoop, Piece
from protocols.dialogue import Pause, Send, SetBaud, Step
from protocols.mbus.address import SecondaryAddress, encode_selection
from protocols.mbus.frames import LongFrame
from protocols.mbus.link import BITS_PER_CHARACTER, RSP_UD, MeterStation, Timing, answer_window_s
from protocols.mbus.search import Ask, Probe, Search, SearchResult, probe

BAUD = 2400
TIMING = Timing(answer_window_s(BAUD))

T = TypeVar("T")


def telegram(address: SecondaryAddress, primary: int, access: int, volume: int = 0) -> LongFrame:
    """A water meter's telegram as it stands in the air: header of variable data, one volume."""
    header = encode_selection(address)[:8] + bytes((access & 0xFF, 0, 0, 0))
    return LongFrame(RSP_UD, primary, 0x72, header + b"\x04\x13" + volume.to_bytes(4, "little"))


def make_station(text: str, primary: int = 0, *, fabrication: str = "", telegrams: int = 1) -> MeterStation:
    """A meter of this secondary address; each cycle of its telegrams counts on."""
    parts = text.split(".")
    address = SecondaryAddress(parts[0], parts[1], int(parts[2], 16), int(parts[3], 16), fabrication)
    count = 0

    def next_cycle() -> Sequence[LongFrame]:
        nonlocal count
        cycle = [telegram(address, primary, count + n, 1000 * count + n) for n in range(telegrams)]
        count += telegrams
        return cycle

    return MeterStation(address, primary, next_cycle)


def make_loop(*stations: MeterStation, turnaround_bits: int = 30) -> MbusLoop:
    return MbusLoop([LoopMeter(station, turnaround_bits) for station in stations])


class Wire:
    """Does steps. `damage` may change what the master hears of a piece; `echo`: what comes back of each
    request."""

    def __init__(
        self,
        loop: MbusLoop,
        *,
        baud: int = BAUD,
        damage: Callable[[bytes], bytes] = lambda data: data,
        echo: Callable[[bytes], bytes] = lambda _sent: b"",
    ) -> None:
        self.loop = loop
        self.baud = baud
        self.damage = damage
        self.echo = echo
        self.now_bits = 0
        self.sent: list[bytes] = []
        self._coming: list[Piece] = []

    def run(self, steps: Generator[Step, bytes, T]) -> T:
        """The dialogue's result; what it raises comes out."""
        data = b""
        try:
            step = next(steps)
            while True:
                data = self._do(step)
                step = steps.send(data)
        except StopIteration as stop:
            result: T = stop.value
            return result

    def forget(self) -> None:
        """As a driver does before a dialogue: what came in between is thrown away."""
        self._coming = [piece for piece in self._coming if piece.start_bits > self.now_bits]

    def _do(self, step: Step) -> bytes:
        if isinstance(step, Send):
            self._send(step.data)
        elif isinstance(step, Pause):
            self.now_bits += round(step.seconds * self.baud)
        elif isinstance(step, SetBaud):
            self.baud = step.baud
        else:
            return self._receive(round(step.timeout_s * self.baud))
        return b""

    def _send(self, data: bytes) -> None:
        self.sent.append(data)
        self.now_bits += len(data) * BITS_PER_CHARACTER
        echoed = self.echo(data)
        if echoed:
            self._coming.append(Piece(self.now_bits, echoed))
        for piece in self.loop.receive_data(data, self.baud):
            damaged = self.damage(piece.data)
            if damaged:
                self._coming.append(Piece(self.now_bits + piece.start_bits, damaged))
        self._coming.sort()

    def _receive(self, timeout_bits: int) -> bytes:
        if not self._coming or self._coming[0].start_bits > self.now_bits + timeout_bits:
            self.now_bits += timeout_bits
            return b""
        piece = self._coming.pop(0)
        self.now_bits = max(self.now_bits, piece.start_bits + len(piece.data) * BITS_PER_CHARACTER)
        return piece.data


def run_search(steps: Search, wire: Wire, timing: Timing = TIMING) -> list[tuple[Ask, Probe]]:
    """Drive a search to its end; all that it asked, and what came of it."""
    asked = []
    try:
        ask = next(steps)
        while True:
            wire.forget()
            answer = wire.run(probe(ask, timing, wire.baud))
            asked.append((ask, answer))
            ask = steps.send(answer)
    except StopIteration:
        return asked


def found_addresses(result: SearchResult) -> set[str]:
    """The meters found, as their telegrams name them."""
    return {
        str(SecondaryAddress(d[3::-1].hex().upper(), _maker(d), d[6], d[7]))
        for d in (found.frame.data for found in result.found)
    }


def _maker(data: bytes) -> str:
    number = int.from_bytes(data[4:6], "little")
    return "".join(chr(64 + (number >> shift & 31)) for shift in (10, 5, 0))
