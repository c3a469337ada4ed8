"""`edgectl time`: whether the clock is believed, why not, and the lower bound that no certificate escapes."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from edge_agent.time_report import TimeReport
from edgectl.screen import BAD, DOUBTFUL, GOOD, duration_text, step_text, utc_text
from edgectl.texts import Words


def show_time(console: Console, words: Words, report: TimeReport) -> None:
    """Print verdict, next step, and what it rests on."""
    if report.doubt:
        console.print(Text(words(f"time.{report.doubt}"), BAD))
        console.print(step_text(words(f"time.{report.doubt}.step")))
    else:
        console.print(Text(words("time.trusted"), GOOD))
    console.print()
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    if report.utc_ms is not None:
        fields = {"source": words.known(f"clock-source.{report.source}", report.source)}
        uncertainty = duration_text(report.uncertainty_ms or 0)
        text = words("time.utc", utc=utc_text(report.utc_ms), uncertainty=uncertainty, **fields)
        table.add_row(words("time.label.utc"), text)
    table.add_row(words("time.label.machine"), words("time.machine", utc=utc_text(report.system_utc_ms)))
    table.add_row(words("time.label.trust"), words.known(f"time.trust.{report.clock}", report.clock))
    table.add_row(words("time.label.boot"), _boot(words, report))
    table.add_row(words("time.label.bound"), _bound(words, report))
    console.print(table)


def _boot(words: Words, report: TimeReport) -> Text:
    text = Text(words("time.boot", boot=report.boot, duration=duration_text(report.boot_ms)))
    if not report.boot_counted:
        text.append(f"\n{words('time.boot-random')}", DOUBTFUL)
    return text


def _bound(words: Words, report: TimeReport) -> Text:
    origin = words(f"time.bound.{report.bound_origin}")
    text = Text(words("time.bound", utc=utc_text(report.bound_utc_ms), origin=origin))
    if report.bound_error:
        text.append(f"\n{words('time.bound-error', reason=report.bound_error)}", DOUBTFUL)
    return text
