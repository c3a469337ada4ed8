"""The steps of a dialogue with a meter, for whoever has the port and the clock.

A codec gives its dialogue as a generator of steps. The driver does each and sends back what it brought: the
bytes that came for Receive (b"" when nothing did), anything for the others.
"""

from __future__ import annotations

from typing import NamedTuple


class Send(NamedTuple):
    """Send `data`; done when its last bit has left."""

    data: bytes


class SetBaud(NamedTuple):
    """Set the port to `baud` in both directions; the character format stays."""

    baud: int


class Pause(NamedTuple):
    """Wait."""

    seconds: float


class Receive(NamedTuple):
    """Send back what comes, as soon as anything does; b"" when nothing came within `timeout_s`.

    `missing_bytes`: the least number of bytes that could complete anything.
    """

    timeout_s: float
    missing_bytes: int = 1


Step = Send | SetBaud | Pause | Receive
