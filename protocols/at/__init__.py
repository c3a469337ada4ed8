"""AT commands of cellular modems: the dialogue on a port, the answers of TS 27.007, and makers' dialects as
data.

dialogue   one command at a time, URCs, echo, late and glued lines; bytes in, events out
results    final results and refusals
standard   identity, SIM, registration, operator, signal, contexts, clock
causes     why a network refuses, and who can put it right
dialect    what a maker's table holds; dialects chooses the table; quectel, simcom, ... are the tables
"""

from __future__ import annotations

from protocols.at.dialogue import (
    Answer,
    AtDialogue,
    AtEvent,
    DataBytes,
    LateLine,
    Prompt,
    State,
    Synchronised,
    Urc,
    encode_command,
    quote,
    timeout_s,
)
from protocols.at.results import AtRefused, FinalResult, ResultKind

__all__ = [
    "Answer",
    "AtDialogue",
    "AtEvent",
    "AtRefused",
    "DataBytes",
    "FinalResult",
    "LateLine",
    "Prompt",
    "ResultKind",
    "State",
    "Synchronised",
    "Urc",
    "encode_command",
    "quote",
    "timeout_s",
]
