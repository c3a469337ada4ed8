"""When a stream is sent a receipt (docs/uplink.md, section 8). Pure: time is an argument, in seconds.

At once, but at most every RECEIPT_SPACING_S: on first contact, on a hole that no gap explains, while a
dictionary is missing, after a repeat (the gateway does not know that its message is held). At once
without spacing: when the gateway asks. While a stream catches up: after CATCH_UP_MESSAGES or
CATCH_UP_S. Else at most every `interval_s`.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field

RECEIPT_SPACING_S = 2.0
CATCH_UP_MESSAGES = 16
CATCH_UP_S = 5.0
CATCH_UP_RATE = 4
"""This many messages within CATCH_UP_WINDOW_S are catching up."""
CATCH_UP_WINDOW_S = 10.0
STREAMS_MAX = 100_000
"""Streams whose times are remembered; the one longest silent is forgotten, and is new when it returns."""

StreamKey = tuple[bytes, int]
"""Key id and stream."""


@dataclass(slots=True)
class _Stream:
    sent_s: float | None = None
    due_s: float | None = None
    unreceipted: int = 0
    first_unreceipted_s: float = 0.0
    arrivals_s: deque[float] = field(default_factory=lambda: deque(maxlen=CATCH_UP_RATE))


class ReceiptSchedule:
    """Which streams are due for a receipt."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._streams: OrderedDict[StreamKey, _Stream] = OrderedDict()
        self._pending: set[StreamKey] = set()

    def note(self, key: StreamKey, now_s: float, *, open_ends: bool, repeated: bool, wanted: bool) -> None:
        """A message of this stream is held. `open_ends`: a hole or a missing dictionary."""
        stream = self._streams.setdefault(key, _Stream())
        self._streams.move_to_end(key)
        if len(self._streams) > STREAMS_MAX:
            self._pending.discard(self._streams.popitem(last=False)[0])
        if not stream.unreceipted:
            stream.first_unreceipted_s = now_s
        stream.unreceipted += 1
        stream.arrivals_s.append(now_s)
        due_s = self._due_s(stream, now_s, urgent=open_ends or repeated, wanted=wanted)
        stream.due_s = due_s if stream.due_s is None else min(stream.due_s, due_s)
        self._pending.add(key)

    def _due_s(self, stream: _Stream, now_s: float, *, urgent: bool, wanted: bool) -> float:
        if wanted or stream.sent_s is None:
            return now_s
        if urgent:
            return max(now_s, stream.sent_s + RECEIPT_SPACING_S)
        quiet_s = stream.sent_s + self._interval_s
        if not _catches_up(stream):
            return quiet_s
        if stream.unreceipted >= CATCH_UP_MESSAGES:
            return min(quiet_s, now_s)
        return min(quiet_s, stream.first_unreceipted_s + CATCH_UP_S)

    def pop_due(self, now_s: float) -> list[StreamKey]:
        """The streams to be answered now; they count as answered."""
        due = [key for key in self._pending if (self._streams[key].due_s or 0.0) <= now_s]
        for key in due:
            stream = self._streams[key]
            stream.sent_s, stream.due_s, stream.unreceipted = now_s, None, 0
            self._pending.discard(key)
        return due


def _catches_up(stream: _Stream) -> bool:
    arrivals_s = stream.arrivals_s
    return len(arrivals_s) == CATCH_UP_RATE and arrivals_s[-1] - arrivals_s[0] <= CATCH_UP_WINDOW_S
