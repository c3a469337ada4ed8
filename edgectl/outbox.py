"""`edgectl outbox`: what waits for the backend; `edgectl outbox explain`: how long buffer and card last.

Each number of the explanation stands beside the word where it comes from; what nobody knows is a dash. A
conclusion from less than an hour of measuring says so.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from edge_agent.outbox_report import Figure, OutboxPart, OutboxReport, OutboxStream
from edgectl.screen import (
    BAD,
    DAY_MS,
    DOUBTFUL,
    HOUR_MS,
    SECOND_MS,
    duration_text,
    indented,
    make_table,
    size_text,
    step_text,
)
from edgectl.texts import Words

YEAR_MS = 365 * DAY_MS
YEARS_TOLD_MAX = 100
GB = 10**9
COLUMN_WIDTHS = (27, 23, 24)  # with the indent and the gaps between them 80

Row = tuple[str, str, Figure]
"""Label, value, and the figure that it is."""


def show_outbox(console: Console, words: Words, report: OutboxReport) -> None:
    """Print what each part holds."""
    for place, part in enumerate(report.parts):
        if place:
            console.print()
        _show_part(console, words, part)
    _show_losses(console, words, report)


def _show_part(console: Console, words: Words, part: OutboxPart) -> None:
    used = (part.waiting_bytes.value or 0) + (part.acknowledged_bytes.value or 0)
    sizes = {"size": size_text(used), "size_max": size_text(part.messages_bytes_max.value or 0)}
    console.print(Text.assemble((part.id, "bold"), f"  {words('outbox.size', **sizes)}"))
    if not part.streams:
        console.print(indented(words("outbox.empty")))
        return
    heads = ("unsent", "published", "acknowledged", "size", "oldest")
    table = make_table(
        (words("outbox.head.stream"), "left"), *((words(f"outbox.head.{head}"), "right") for head in heads)
    )
    for stream in part.streams:
        name = str(stream.stream) if stream.is_active else words("outbox.ended", stream=stream.stream)
        counts = (stream.unsent, stream.published, stream.acknowledged)
        table.add_row(name, *map(str, counts), size_text(stream.size_bytes), _oldest(words, stream))
    console.print(table)


def _oldest(words: Words, stream: OutboxStream) -> str:
    if stream.oldest_boot is None:
        return "-"
    if stream.oldest_age_ms is None:
        return words("outbox.boot", boot=stream.oldest_boot)
    return duration_text(stream.oldest_age_ms)


def _show_losses(console: Console, words: Words, report: OutboxReport) -> None:
    for text in report.unreadable:
        console.print(Text(text, BAD))
    if report.evicted_messages or report.dropped_readings:
        lost = {"evicted": report.evicted_messages, "dropped": report.dropped_readings}
        console.print(Text(words("buffer.lost", **lost), BAD))
    if report.free_on == "puback":
        console.print(Text(words("outbox.puback"), DOUBTFUL))


def show_explanation(console: Console, words: Words, report: OutboxReport) -> None:
    """Print how long each part goes on without a link, what goes first, what a power cut costs, and how long
    the card lives."""
    for part in report.parts:
        title = (
            words("explain.offline") if len(report.parts) == 1 else f"{words('explain.offline')}: {part.id}"
        )
        _show_block(console, words, title, list(_offline_rows(words, part)))
        _warn_short(console, words, part.sealed_bytes_a_day)
    _show_order(console, words, report)
    _show_block(console, words, words("explain.cut"), list(_cut_rows(words, report)))
    console.print(indented(words("explain.cut-more")))
    _show_block(console, words, words("explain.card"), list(_card_rows(words, report)))
    _warn_short(console, words, report.own_bytes_a_day, report.device_bytes_a_day)
    if report.card_endurance_bytes.basis == "assumed":
        console.print(step_text(words("explain.card.step")))
    _show_losses(console, words, report)


def _show_block(console: Console, words: Words, title: str, rows: list[Row]) -> None:
    console.print(Text(title, "bold"))
    table = Table.grid(padding=(0, 1, 0, 0))
    for width, justify in zip(COLUMN_WIDTHS, ("left", "right", "left"), strict=True):
        table.add_column(min_width=width, max_width=width, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for label, value, figure in rows:
        style = "bold" if figure.basis == "calculated" else ""
        known = "-" if figure.value is None else value
        table.add_row(label, Text(known, style), Text(basis_text(words, figure), "dim"))
    console.print(Padding(table, (0, 0, 0, 2)))


def _warn_short(console: Console, words: Words, *rates: Figure) -> None:
    spans = [rate.over_ms for rate in rates if rate.over_ms is not None and rate.value is not None]
    if spans and min(spans) < HOUR_MS:
        console.print(indented(Text(words("explain.short"), DOUBTFUL)))


def basis_text(words: Words, figure: Figure) -> str:
    """`measured over 3 h`, `configured`, `assumed`, `calculated`; of what is not known: that."""
    if figure.value is None:
        return words("basis.unknown")
    if figure.over_ms:
        return words("basis.measured-over", duration=_brief(words, figure.over_ms))
    return words(f"basis.{figure.basis}")


def span_text(words: Words, span_ms: int) -> str:
    """`3 h`, `412 days`, `14 years`: as exact as such a forecast is."""
    if span_ms >= YEARS_TOLD_MAX * YEAR_MS:
        return words("span.century", count=YEARS_TOLD_MAX)
    if span_ms >= 2 * YEAR_MS:
        return words("span.years", count=span_ms // YEAR_MS)
    return _brief(words, span_ms)


def _brief(words: Words, span_ms: int) -> str:
    if span_ms >= 3 * DAY_MS:
        return words("span.days", count=span_ms // DAY_MS)
    return f"{span_ms // HOUR_MS} h" if span_ms >= 2 * HOUR_MS else duration_text(span_ms)


def _offline_rows(words: Words, part: OutboxPart) -> Iterator[Row]:
    sealed, readings = part.sealed_bytes_a_day, part.sealed_readings_a_day
    a_day = words("explain.a-day", size=size_text(sealed.value or 0))
    yield words("explain.sealed"), a_day, sealed
    yield words("explain.readings"), words("explain.a-day", size=readings.value), readings
    room = part.messages_bytes_max
    sizes = {"size": size_text(room.value or 0), "size_max": size_text(part.size_bytes_max.value or 0)}
    yield words("explain.room"), words("explain.of", **sizes), room
    yield words("explain.waiting"), size_text(part.waiting_bytes.value or 0), part.waiting_bytes
    yield words("explain.overhead"), f"{part.overhead_percent.value} %", part.overhead_percent
    yield words("explain.lasts"), span_text(words, part.offline_ms.value or 0), part.offline_ms


def _show_order(console: Console, words: Words, report: OutboxReport) -> None:
    streams = [stream for part in report.parts for stream in part.streams]
    held = sum(stream.acknowledged for stream in streams)
    waiting = sum(stream.unsent + stream.published for stream in streams)
    size = size_text(sum(part.acknowledged_bytes.value or 0 for part in report.parts))
    console.print(Text(words("explain.order"), "bold"))
    console.print(indented(f"1. {words('explain.order.held', count=held, size=size)}"))
    console.print(indented(f"2. {words('explain.order.waiting', count=waiting)}"))
    console.print(indented(words("explain.order.never")))
    if len(report.parts) > 1:
        console.print(indented(words("explain.order.streams")))


def _cut_rows(words: Words, report: OutboxReport) -> Iterator[Row]:
    for name in ("flush_interval_ms", "flush_ms_max", "power_cut_ms_max"):
        figure: Figure = getattr(report, name)
        yield words(f"explain.{name}"), _seconds(words, figure.value or 0), figure


def _seconds(words: Words, span_ms: int) -> str:
    return f"{words.decimal(f'{span_ms / SECOND_MS:.2f}')} s"


def _card_rows(words: Words, report: OutboxReport) -> Iterator[Row]:
    own, every = report.own_bytes_a_day, report.device_bytes_a_day
    yield words("explain.own"), words("explain.a-day", size=size_text(own.value or 0)), own
    label = words("explain.device", device=report.device or "?")
    yield label, words("explain.a-day", size=size_text(every.value or 0)), every
    endurance = report.card_endurance_bytes
    yield words("explain.endurance"), f"{(endurance.value or 0) // GB} GB", endurance
    if report.card_life_used_percent.value is not None:
        used = report.card_life_used_percent
        yield words("explain.used"), words("explain.at-most", percent=used.value), used
    yield words("explain.card-lasts"), span_text(words, report.card_life_ms.value or 0), report.card_life_ms
