"""A wire between the two ends of an IEC 62056-21 dialogue, in simulated time.

Every byte takes its time at the rate at which it was sent, and is read wrong by an end that is set to
another. What the meter sends can be spoiled on the way, and the reader may hear its own echo.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field

from protocols.iec62056_21 import D0Telegram, Pause, Receive, Send, SetBaud, Step

STEPS_MAX = 2_000
BITS = 10
CHUNK_S = 1 / 30  # bytes of so long a time arrive together


@dataclass
class End:
    """One end: what it is about to do, and what is on its way to it: (time, bytes, rate)."""

    dialogue: Generator[Step, bytes, object]
    step: Step = field(init=False)
    time_s: float = 0.0
    baud: int = 0
    inbox: list[tuple[float, bytes, int]] = field(default_factory=list)
    history: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.step = next(self.dialogue)

    def next_s(self) -> float:
        """When it goes on."""
        if not isinstance(self.step, Receive):
            return self.time_s
        end_s = self.time_s + self.step.timeout_s
        return min(end_s, max(self.time_s, self.inbox[0][0])) if self.inbox else end_s

    def heard(self) -> bytes:
        """What its Receive brings: the first bytes that have arrived by then, or nothing."""
        now_s = self.next_s()
        self.time_s = now_s
        if not self.inbox or self.inbox[0][0] > now_s:
            return b""
        _, data, baud = self.inbox.pop(0)
        return data if baud == self.baud else bytes((byte * 5 + 129) & 0xFF for byte in data)

    def advance(self, result: bytes) -> None:
        self.step = self.dialogue.send(result)
        self.history.append(self.step)


def converse(
    reader: Generator[Step, bytes, D0Telegram],
    meter: Generator[Step, bytes, None],
    *,
    spoil: Callable[[bytes], bytes] = bytes,
    echo: bool = False,
) -> tuple[D0Telegram, End, End]:
    """What the reader got, and both ends; ProtocolError as the reader raises it."""
    ends = End(reader), End(meter)
    asker = ends[0]
    for _ in range(STEPS_MAX):
        end = min(ends, key=End.next_s)
        other = ends[1] if end is asker else asker
        result = b""
        match end.step:
            case Send(data):
                _transmit(end, other, data if end is asker else spoil(data))
                if echo and end is asker:
                    end.inbox.append((end.time_s, data, end.baud))
            case SetBaud(baud):
                end.baud = baud
            case Pause(seconds):
                end.time_s += seconds
            case Receive():
                result = end.heard()
        try:
            end.advance(result)
        except StopIteration as stop:
            return stop.value, *ends
    raise AssertionError("the dialogue does not end")


def _transmit(end: End, other: End, data: bytes) -> None:
    size = max(1, int(CHUNK_S * end.baud / BITS))
    for at in range(0, len(data), size):
        piece = data[at : at + size]
        end.time_s += len(piece) * BITS / end.baud
        other.inbox.append((end.time_s, piece, end.baud))
