"""What is missing, before it is told: a gap that has no place in a stream yet. Pure.

Rules that keep it so: joining two losses never makes less of either; what lies between them and was not
lost makes the joined one `widened`; a number that is not known of one is not known of both.
"""

from __future__ import annotations

from typing import NamedTuple

from protocols.uplink.messages import Instant


class Loss(NamedTuple):
    """`readings`: how many, None where not known; the other fields as in protocols.uplink.messages.Gap."""

    cause: int
    start: Instant | None
    end: Instant | None
    readings: int | None
    sequences: tuple[int, int] | None = None
    widened: bool = False

    def joined(self, other: Loss) -> Loss:
        """One loss that covers both; widened where something between them was not lost."""
        return Loss(
            self.cause,
            None if self.start is None or other.start is None else min(self.start, other.start),
            None if self.end is None or other.end is None else max(self.end, other.end),
            None if self.readings is None or other.readings is None else self.readings + other.readings,
            _span(self.sequences, other.sequences),
            self.widened or other.widened or not self._touches(other),
        )

    def _touches(self, other: Loss) -> bool:
        if self.sequences and other.sequences:
            return self.sequences[1] + 1 >= other.sequences[0] and other.sequences[1] + 1 >= self.sequences[0]
        if self.end is None or other.start is None or self.start is None or other.end is None:
            return False
        return self.end >= other.start and other.end >= self.start


def _span(a: tuple[int, int] | None, b: tuple[int, int] | None) -> tuple[int, int] | None:
    if a is None or b is None:
        return a or b
    return min(a[0], b[0]), max(a[1], b[1])
