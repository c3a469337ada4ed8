"""How long buffer and card last at today's rate: from measured figures to conclusions. Pure.

Rules that keep it so: a conclusion that lacks one of its figures is None, never a guess; whole numbers only,
rounded to the careful side.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from edge_agent.buffer.eviction import PAGES_SPARE
from edge_agent.buffer.holdings import DAY_MS, Holdings, StreamHolding
from edge_agent.buffer.outbox import PAGE_SIZE_BYTES
from edge_agent.buffer.room import SPARE_BYTES, share_out
from edge_agent.outbox_report import Figure, OutboxPart, OutboxReport, OutboxStream
from protocols.uplink.messages import Instant

EMPTY_DATABASE_BYTES = 12 * PAGE_SIZE_BYTES  # measured: tables and indexes without rows
OVERHEAD_MEASURED_BYTES_MIN = 64 * 1024  # with less in it, a database says little about its overhead
OVERHEAD_ASSUMED_PERCENT = 100  # measured 88 to 108 with messages of 2 kB: two pages hold what one would
CARD_ENDURANCE_GB_ASSUMED = 1_000
"""No source: of 16 GB of TLC flash with 1,000 erase cycles, a sixteenth remains for small writes."""
GB = 10**9


class Written(NamedTuple):
    """`written_bytes` within `over_ms`."""

    written_bytes: int
    over_ms: int


class Card(NamedTuple):
    """`own`, `all_of_it`: what the agent, and what everybody wrote. `endurance_gb` None: not configured."""

    device: str
    own: Written | None
    all_of_it: Written | None
    endurance_gb: int | None
    life_used_percent: int | None


class Flushes(NamedTuple):
    """`longest_ms`: of this run, `over_ms` long; None: no agent runs."""

    interval_ms: int
    longest_ms: int | None
    over_ms: int | None


def plan_report(
    parts: Sequence[OutboxPart],
    unreadable: Sequence[str],
    free_on: str,
    lost: tuple[int, int],
    flushes: Flushes,
    card: Card,
) -> OutboxReport:
    """`lost`: messages that were evicted, readings that were dropped."""
    own, all_of_it = _a_day(card.own), _a_day(card.all_of_it)
    endurance = Figure((card.endurance_gb or 0) * GB, "configured")
    if card.endurance_gb is None:
        endurance = Figure(CARD_ENDURANCE_GB_ASSUMED * GB, "assumed")
    rate = all_of_it.value or own.value
    card_life_ms = None if not rate else (endurance.value or 0) * DAY_MS // rate
    longest_ms = flushes.longest_ms
    return OutboxReport(
        parts=list(parts),
        unreadable=list(unreadable),
        free_on=free_on,
        evicted_messages=lost[0],
        dropped_readings=lost[1],
        flush_interval_ms=Figure(flushes.interval_ms, "configured"),
        flush_ms_max=Figure(longest_ms, "measured", flushes.over_ms),
        power_cut_ms_max=Figure(
            None if longest_ms is None else flushes.interval_ms + longest_ms, "calculated"
        ),
        own_bytes_a_day=own,
        device=card.device,
        device_bytes_a_day=all_of_it,
        card_endurance_bytes=endurance,
        card_life_ms=Figure(card_life_ms, "calculated"),
        card_life_used_percent=Figure(card.life_used_percent, "measured"),
    )


def _a_day(written: Written | None) -> Figure:
    if written is None or written.over_ms <= 0:
        return Figure(None, "measured")
    return Figure(-(-written.written_bytes * DAY_MS // written.over_ms), "measured", written.over_ms)


def plan_part(name: str, size_bytes_max: int, holdings: Holdings, now: Instant | None) -> OutboxPart:
    """One buffer. `now`: on the boot axis, None where the present boot's number is not known."""
    sealed, span_ms = holdings.sealed, holdings.sealed.span_ms
    stored_bytes = sum(stream.size_bytes for stream in holdings.streams)
    overhead = _overhead(holdings.used_bytes, stored_bytes)
    waiting = _in_pages(sum(stream.waiting_bytes for stream in holdings.streams), overhead)
    room = share_out(size_bytes_max).database - EMPTY_DATABASE_BYTES
    room = max(0, room - PAGES_SPARE * PAGE_SIZE_BYTES - SPARE_BYTES)
    a_day = Figure(-(-sealed.size_bytes * DAY_MS // span_ms) if span_ms else None, "measured", span_ms)
    offline_ms = None
    if a_day.value:
        offline_ms = max(0, room - waiting) * DAY_MS // _in_pages(a_day.value, overhead)
    return OutboxPart(
        id=name,
        streams=[_stream(stream, now) for stream in holdings.streams],
        sealed_bytes_a_day=a_day,
        sealed_readings_a_day=Figure(
            sealed.readings * DAY_MS // span_ms if span_ms else None, "measured", span_ms
        ),
        overhead_percent=overhead,
        size_bytes_max=Figure(size_bytes_max, "configured"),
        messages_bytes_max=Figure(room, "configured"),
        waiting_bytes=Figure(waiting, "measured"),
        acknowledged_bytes=Figure(
            max(0, _in_pages(stored_bytes, overhead) - waiting),
            "measured",
        ),
        offline_ms=Figure(offline_ms, "calculated"),
    )


def _overhead(used_bytes: int, stored_bytes: int) -> Figure:
    if stored_bytes < OVERHEAD_MEASURED_BYTES_MIN:
        return Figure(OVERHEAD_ASSUMED_PERCENT, "assumed")
    return Figure(max(0, 100 * (used_bytes - EMPTY_DATABASE_BYTES) // stored_bytes - 100), "measured")


def _in_pages(size_bytes: int, overhead: Figure) -> int:
    return size_bytes * (100 + (overhead.value or 0)) // 100


def _stream(stream: StreamHolding, now: Instant | None) -> OutboxStream:
    oldest = stream.oldest
    age_ms = (
        now.ms - oldest.ms if oldest is not None and now is not None and now.boot == oldest.boot else None
    )
    return OutboxStream(
        stream=stream.stream,
        is_active=stream.is_active,
        unsent=stream.unsent,
        published=stream.published,
        acknowledged=stream.acknowledged,
        size_bytes=stream.size_bytes,
        oldest_boot=None if oldest is None else oldest.boot,
        oldest_ms=None if oldest is None else oldest.ms,
        oldest_age_ms=age_ms,
    )
