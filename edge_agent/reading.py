"""A reading: one slot of one series, with its value or the cause why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from protocols.value import NullCause, Quality, Scaled


class Reading(NamedTuple):
    """`series` is the number in the series table in force (protocols.uplink.messages.SeriesTable).

    `due_ms` is the slot, `time_ms` when the value was taken (for a null: when it was given up), both on
    the present boot's axis. `remark` is Quality bits beside a value, a NullCause beside None.
    """

    series: int
    due_ms: int
    time_ms: int
    value: Scaled | None
    remark: int

    @property
    def quality(self) -> Quality:
        return Quality.GOOD if self.value is None else Quality(self.remark)

    @property
    def null_cause(self) -> NullCause | None:
        return NullCause(self.remark) if self.value is None else None


class Sink(Protocol):
    """Where readings go."""

    def record(self, readings: Sequence[Reading]) -> None:
        """Take readings; never waits."""

    def pass_over(self, count: int, after_ms: int, before_ms: int) -> None:
        """So many slots passed between these times that they cannot be told one by one: they become a gap."""
