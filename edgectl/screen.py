"""How screens are written: durations, sizes, times, and a console that suits wet fingers and 80 columns.

Rules: no boxes and no markup (evidence may hold any character); colour only says again what a word says.
"""

from __future__ import annotations

import datetime as dt

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

BAD = "bold red"
DOUBTFUL = "yellow"
GOOD = "green"
HEAD = "dim"


def make_console(*, stderr: bool = False) -> Console:
    """The console of all screens."""
    return Console(highlight=False, markup=False, emoji=False, stderr=stderr)


def make_table(*heads: tuple[str, str]) -> Table:
    """A table without lines; heads are (text, "left" or "right")."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=HEAD)
    for text, side in heads:
        table.add_column(text, justify="right" if side == "right" else "left", overflow="fold")
    return table


def indented(text: str | Text, columns: int = 2) -> Padding:
    """A paragraph that keeps its indent when it is wrapped."""
    return Padding(text, (0, 0, 0, columns))


def step_text(text: str) -> Table:
    """What to do next, behind an arrow."""
    step = Table.grid(padding=(0, 1))
    step.add_row(" ", "→", Text(text, DOUBTFUL))
    return step


def duration_text(duration_ms: int) -> str:
    """`3 s`, `12 min`, `3 h 2 min`, `4 d 3 h`; below a second `412 ms`."""
    if duration_ms < SECOND_MS:
        return f"{max(0, duration_ms)} ms"
    if duration_ms < 2 * MINUTE_MS:
        return f"{duration_ms // SECOND_MS} s"
    if duration_ms < 2 * HOUR_MS:
        return f"{duration_ms // MINUTE_MS} min"
    if duration_ms < 2 * DAY_MS:
        return f"{duration_ms // HOUR_MS} h {duration_ms % HOUR_MS // MINUTE_MS} min"
    return f"{duration_ms // DAY_MS} d {duration_ms % DAY_MS // HOUR_MS} h"


def size_text(size_bytes: int) -> str:
    """`900 B`, `12 kB`, `256 MB`: whole units of 1024."""
    for power, unit in ((30, "GB"), (20, "MB"), (10, "kB")):
        if size_bytes >= 1 << power:
            return f"{size_bytes >> power} {unit}"
    return f"{size_bytes} B"


def utc_text(utc_ms: int, pattern: str = "%Y-%m-%d %H:%M:%S") -> str:
    """UTC for people."""
    return dt.datetime.fromtimestamp(utc_ms / 1000, dt.UTC).strftime(pattern)
