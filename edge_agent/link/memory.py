"""What the link's keeper must not forget: climbs and their caps, PIN tries, data used, and what it last saw.

Rules:
- One line of JSON in two copies with checksums (edge_agent/twin_file.py); a damaged copy is passed over, and
  where none is left the caps begin anew, and no PIN is tried: what was tried is not known.
- Written before a repair and before a PIN try, else every SAVE_INTERVAL_S: about a hundred small writes a
  day.
- No PIN, and no subscriber's number, stands in it. Ages are of the ladder's clock, see ladder.py.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from edge_agent.link.data_budget import DataUse
from edge_agent.link.ladder import LadderMemory
from edge_agent.reports import ModemReport
from edge_agent.twin_file import TwinFile

LINK_FOLDER: Final = "link"
LINK_FILE: Final = "state"
SAVE_INTERVAL_S: Final = 900.0
PIN_TRIES_KEPT: Final = 16


class PinTry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of one SIM. `mark`: of the PIN's file; a changed file is a person's new word. "trying": begun, and the
    end is not known."""

    iccid: str
    mark: str
    result: Literal["trying", "right", "wrong"]


class LinkMemory(msgspec.Struct, forbid_unknown_fields=True):
    """See the module. `age_s`: how long the agent was there, all runs together. `is_whole`: False after both
    copies were lost."""

    age_s: int = 0
    ladder: LadderMemory = msgspec.field(default_factory=LadderMemory)
    pin_tries: list[PinTry] = []
    data: DataUse = msgspec.field(default_factory=DataUse)
    last: ModemReport | None = None
    is_whole: bool = True


def read_memory(file: TwinFile) -> LinkMemory:
    """What the files hold; the copy that knows of more time where they differ. OSError where they cannot be
    read."""
    copies = file.read()
    found = []
    damaged = copies.damaged
    for text in copies.texts:
        try:
            found.append(msgspec.json.decode(text, type=LinkMemory))
        except msgspec.DecodeError:  # of another version
            damaged = True
    if not found:
        return LinkMemory(is_whole=not damaged)
    return max(found, key=lambda memory: memory.age_s)


def encode_memory(memory: LinkMemory) -> str:
    """For `TwinFile.write`."""
    return msgspec.json.encode(memory).decode()


def pin_try(memory: LinkMemory, iccid: str) -> PinTry | None:
    """What was tried with a SIM."""
    return next((each for each in memory.pin_tries if each.iccid == iccid), None)


def may_try_pin(memory: LinkMemory, iccid: str, mark: str, tries_left: int | None) -> bool:
    """Once for each SIM, and once more when a person has changed the PIN while tries are known to be left; a
    PIN that was right is right again."""
    before = pin_try(memory, iccid)
    if before is None:
        return memory.is_whole and len(memory.pin_tries) < PIN_TRIES_KEPT
    if before.mark == mark:
        return before.result == "right"
    return tries_left is not None


def note_pin(memory: LinkMemory, tried: PinTry) -> None:
    """Remember the newest word on a SIM."""
    memory.pin_tries = [*(each for each in memory.pin_tries if each.iccid != tried.iccid), tried]
