"""What the local API tells of the outbox: what waits, and how long buffer and card last. Types only.

Rules as in edge_agent/reports.py. Each number of the second kind is a `Figure`, which says where it comes
from: nobody shall take an assumption for a measurement.
"""

from dataclasses import dataclass
from typing import Literal

Basis = Literal["measured", "configured", "assumed", "calculated"]


@dataclass(frozen=True, slots=True)
class Figure:
    """`value` None: not known. `over_ms`: how long was measured, None: it stands so at this moment, or was
    not measured at all. `calculated`: from the figures beside it."""

    value: int | None
    basis: Basis
    over_ms: int | None = None


@dataclass(frozen=True, slots=True)
class OutboxStream:
    """One sequence of messages by where they stand. `is_active`: takes new messages. `oldest_*`: the first
    reading that the backend is not known to hold, on the axis of boot `oldest_boot`; its age where that is
    this boot."""

    stream: int
    is_active: bool
    unsent: int
    published: int
    acknowledged: int
    size_bytes: int
    oldest_boot: int | None
    oldest_ms: int | None
    oldest_age_ms: int | None


@dataclass(frozen=True, slots=True)
class OutboxPart:
    """A buffer of its own: "main", or a stream of the configuration.

    `sealed_bytes_a_day`, `sealed_readings_a_day`: signed messages at today's rate. `overhead_percent`: what
    the database takes beside them. `messages_bytes_max`: the messages' part of `size_bytes_max`.
    `waiting_bytes`: of it taken by what must stay, `acknowledged_bytes`: by what may go at once.
    `offline_ms`: how long it goes on without a link from now on until something is lost.
    """

    id: str
    streams: list[OutboxStream]
    sealed_bytes_a_day: Figure
    sealed_readings_a_day: Figure
    overhead_percent: Figure
    size_bytes_max: Figure
    messages_bytes_max: Figure
    waiting_bytes: Figure
    acknowledged_bytes: Figure
    offline_ms: Figure


@dataclass(frozen=True, slots=True)
class OutboxReport:
    """The whole outbox. `unreadable`: parts of which nothing can be told, with the reason.

    `power_cut_ms_max`: the oldest reading that a power cut can cost is younger. `own_bytes_a_day`: written by
    the agent, `device_bytes_a_day`: by the whole machine to the `device` (empty: not known) that holds the
    outbox. `card_life_ms`: how long so many bytes in all, `card_endurance_bytes`, last at that rate.
    `card_life_used_percent`: by the eMMC's own word.
    """

    parts: list[OutboxPart]
    unreadable: list[str]
    free_on: str
    evicted_messages: int
    dropped_readings: int
    flush_interval_ms: Figure
    flush_ms_max: Figure
    power_cut_ms_max: Figure
    own_bytes_a_day: Figure
    device: str
    device_bytes_a_day: Figure
    card_endurance_bytes: Figure
    card_life_ms: Figure
    card_life_used_percent: Figure
