"""`edgectl read` and `edgectl watch`: values beside the meter's display, and as they are recorded."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from edge_agent.reports import MeterReading, ReadingReport, ValueReport
from edgectl.screen import BAD, DOUBTFUL, GOOD, SECOND_MS, duration_text, make_table, utc_text
from edgectl.texts import Words

HARMLESS_CAUSES = frozenset({"", "not-available", "not-sent"})
"""Why a value may be missing although meter and line are well."""


def is_sound(reading: MeterReading) -> bool:
    """Whether the right device answered with all that it has."""
    return reading.identity != "mismatch" and all(
        point.null_cause in HARMLESS_CAUSES for point in reading.points
    )


def show_meter(console: Console, words: Words, reading: MeterReading) -> None:
    """Print a live read: who answered, then each value."""
    duration = duration_text(reading.duration_ms)
    place = {"meter": reading.meter, "line": reading.line, "address": reading.secondary or reading.address}
    console.print(Text(words("read.title", **place, profile=reading.profile, duration=duration), "bold"))
    console.print(_serial_check(words, reading))
    console.print()
    console.print(_points(words, reading.points))


def _serial_check(words: Words, reading: MeterReading) -> Text:
    style = {"verified": GOOD, "mismatch": BAD}.get(reading.identity, DOUBTFUL)
    key = f"read.{reading.identity}"
    if reading.identity == "unconfigured" and not reading.serial_read:
        key = "read.unconfigured-unread"
    return Text(words(key, read=reading.serial_read, configured=reading.serial_configured), style)


def _points(words: Words, points: list[ValueReport]) -> Table:
    table = make_table(
        (words("head.quantity"), "left"),
        ("OBIS", "left"),
        (words("head.value"), "right"),
        (words("head.unit"), "left"),
        (words("head.quality"), "left"),
    )
    for point in points:
        value = "-" if point.value is None else words.decimal(point.value)
        table.add_row(point.quantity, point.obis, Text(value, "bold"), point.unit, quality_text(words, point))
    return table


def quality_text(words: Words, value: ValueReport | ReadingReport) -> Text:
    """`good`, what is doubtful, or why there is none."""
    if value.value is None:
        return Text(words.known(f"cause.{value.null_cause}", value.null_cause), BAD)
    if not value.quality:
        return Text(words("quality.good"), GOOD)
    doubts = (words.known(f"quality.{name}", name) for name in value.quality)
    return Text(", ".join(doubts), DOUBTFUL)


def show_reading(console: Console, words: Words, reading: ReadingReport) -> None:
    """Print one recorded reading as a line, after a word about those that were missed."""
    if reading.lost_before:
        console.print(Text(words("watch.lost", count=reading.lost_before), BAD))
    value = "-" if reading.value is None else f"{words.decimal(reading.value)} {reading.unit}"
    line = Text(f"{_when(reading)}  {reading.meter:<12} {reading.quantity:<28} {value:>18}  ")
    console.print(line.append_text(quality_text(words, reading)), soft_wrap=True)


def _when(reading: ReadingReport) -> str:
    """UTC, or seconds since the machine started while the clock is not trusted."""
    if reading.utc_ms is not None:
        return utc_text(reading.utc_ms, "%H:%M:%SZ")
    return f"+{reading.time_ms // SECOND_MS} s"
