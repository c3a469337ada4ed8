r"""The identification line with which a meter introduces itself (IEC 62056-21, 6.3.2; also DSMR P1).

    /LGZ5\2ZMD4104407.B31 CR LF      maker, baud character, enhanced capability, the meter's own text

The baud character tells the mode: a digit means C (the reader acknowledges, then both switch), a letter
from A to F means B (the meter switches by itself), anything else means A (no switch). A meter that pushes
(mode D, P1) sends one too, and it means nothing there.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

Mode = Literal["A", "B", "C"]

INITIAL_BAUD = 300
REACTION_S = 0.2  # the least time between two messages
REACTION_FAST_S = 0.02  # where the third letter of the maker's code is lower case
LINE_BYTES_MAX = 96  # the standard allows 16 characters of text; P1 headers have up to 20

_LINE = re.compile(rb"/([A-Za-z]{3})([!-.0-~])((?:\\[!-~])*+)([^\0\r\n/]*+)\r*\n")


class Identification(NamedTuple):
    """`manufacturer` as registered with the FLAG association; `enhanced` as sent, e.g. backslash and 2."""

    manufacturer: str
    baud_character: str
    device: str
    enhanced: str = ""

    @property
    def mode(self) -> Mode:
        """What the baud character asks for, when the meter was asked."""
        if self.baud_character in "0123456":
            return "C"
        return "B" if self.baud_character in "ABCDEF" else "A"

    @property
    def baud(self) -> int:
        """The rate that the meter offers for the read-out."""
        if self.mode == "A":
            return INITIAL_BAUD
        steps = int(self.baud_character) if self.mode == "C" else ord(self.baud_character) - ord("A") + 1
        return INITIAL_BAUD << steps

    @property
    def reaction_s(self) -> float:
        """How long either side waits before it answers."""
        return REACTION_FAST_S if self.manufacturer[2].islower() else REACTION_S

    def __str__(self) -> str:
        """The line without its slash and end."""
        return f"{self.manufacturer}{self.baud_character}{self.enhanced}{self.device}"


def decode_identification(line: bytes) -> Identification | None:
    """The whole line, slash and line end included; None where it is no identification."""
    match = _LINE.fullmatch(line) if len(line) <= LINE_BYTES_MAX else None
    if match is None:
        return None
    manufacturer, baud_character, enhanced, device = (group.decode("latin-1") for group in match.groups())
    return Identification(manufacturer, baud_character, device, enhanced)


def encode_identification(identification: Identification) -> bytes:
    """The line as it goes on the wire; ValueError where it would be read differently."""
    line = f"/{identification}\r\n".encode("latin-1")
    if decode_identification(line) != identification:
        raise ValueError(f"not an identification that can be sent: {identification!r}")
    return line
