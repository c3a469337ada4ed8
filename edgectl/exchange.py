"""`edgectl exchange`: what is asked before a meter exchange is entered, and what is said after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import typer

from edgectl.client import Client
from edgectl.texts import Words


def confirm_exchange(client: Client, words: Words, entered: Mapping[str, Any]) -> bool:
    """Show what would be entered, and ask."""
    meters = client.call("Status")["status"]["meters"]
    known = next(meter for meter in meters if meter["id"] == entered["meter"])
    old = known["serial_configured"] or known["serial_read"]
    question = words(
        "exchange.ask",
        meter=entered["meter"],
        old=old or words("exchange.unnamed"),
        new=entered["serial"],
        end=_values(entered["end"], words("exchange.as-read")),
        start=_values(entered["start"], words("exchange.none")),
    )
    return typer.confirm(question, err=True)


def done_text(words: Words, report: Mapping[str, Any]) -> str:
    """What is so from now on."""
    old = report["old_serial"] or words("exchange.unnamed")
    return words("exchange.done", meter=report["meter"], old=old, new=report["new_serial"])


def _values(texts: Sequence[str], nothing: str) -> str:
    return ", ".join(texts) or nothing
