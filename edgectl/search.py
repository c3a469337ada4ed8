"""`edgectl search`: the meters of an M-Bus loop, as they are found, and what could not be told apart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from edge_agent.reports import SearchReport
from edgectl.screen import BAD, DOUBTFUL, SECOND_MS, duration_text, make_table, step_text
from edgectl.texts import Words


def follow(console: Console, words: Words, answers: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The last report of a search, with a word to `console` for each before it."""
    console.print(words("search.begins"), style="dim")
    for answer in answers:
        if answer["done"]:
            return answer
        fields = {"found": len(answer["found"]), "probes": answer["probes"]}
        duration = duration_text(answer["duration_ms"])
        console.print(words("search.progress", **fields, duration=duration), style="dim")
    raise ValueError("the agent ended a search without its result")


def is_sound(answer: dict[str, Any]) -> bool:
    """Whether there are meters, and each could be told apart."""
    return bool(answer["found"]) and not answer["unresolved"] and not answer["is_cut"]


def show_search(console: Console, words: Words, answer: dict[str, Any]) -> None:
    """Print what a search found."""
    search = msgspec.convert(answer, SearchReport)
    times = {
        "line_time": words.decimal(f"{search.line_time_ms / SECOND_MS:.1f}"),
        "duration": duration_text(search.duration_ms),
    }
    count = {"count": len(search.found), "line": search.line, "probes": search.probes}
    console.print(Text(words("search.title", **count, **times), "bold"))
    if search.found:
        console.print()
        console.print(_table(words, search))
    for address in search.unresolved:
        console.print(Text(words("search.collision", address=address), BAD))
        console.print(step_text(words("search.collision.step")))
    for is_so, key in ((search.is_slow, "slow"), (search.is_cut, "cut"), (not search.found, "nothing")):
        if is_so:
            console.print(Text(words(f"search.{key}"), DOUBTFUL))
            console.print(step_text(words(f"search.{key}.step")))


def _table(words: Words, search: SearchReport) -> Table:
    table = make_table(
        (words("head.secondary"), "left"),
        (words("head.primary"), "right"),
        (words("head.maker"), "left"),
        (words("head.medium"), "left"),
        (words("head.version"), "right"),
        (words("head.configured"), "left"),
    )
    for meter in search.found:
        medium = "-" if meter.medium is None else str(meter.medium)
        table.add_row(
            meter.secondary or "-",
            "-" if meter.primary is None else str(meter.primary),
            meter.manufacturer or "-",
            words.known(f"medium.{medium}", medium),
            "-" if meter.version is None else f"{meter.version:02X}",
            meter.configured or "-",
        )
    return table
