"""What the local API tells of the time. Types only; rules as in edge_agent/reports.py."""

from dataclasses import dataclass
from typing import Literal

ClockDoubt = Literal["", "unsynchronised", "before-bound"]
"""Why the wall clock is not believed. "unsynchronised": nobody vouches for it; "before-bound": somebody does,
but it stands at a time that is certainly over."""
BoundOrigin = Literal["build", "receipt"]


@dataclass(frozen=True, slots=True)
class TimeReport:
    """Wall clock, boot axis and lower bound at one instant; UTC in ms since 1970.

    `doubt` empty: the clock is trusted, and `utc_ms` is the time by it. `clock`: who is believed, as
    configured. `system_utc_ms`: what the machine's clock shows, whoever believes it. `boot_counted`: False
    where the boot's number could not be kept and is a random one. `bound_utc_ms`: what UTC has certainly
    reached; `bound_origin`: from the program's build date (`built_utc_ms`) or from a signed receipt.
    `bound_error`: why it could not be kept, or empty.
    """

    doubt: ClockDoubt
    clock: str
    source: str
    utc_ms: int | None
    uncertainty_ms: int | None
    system_utc_ms: int
    boot: int
    boot_counted: bool
    boot_ms: int
    bound_utc_ms: int
    bound_origin: BoundOrigin
    built_utc_ms: int
    bound_error: str
