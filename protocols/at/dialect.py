"""What a maker's modems want to be asked, and how their answers are read: one table for each maker.

Rules: a table holds data and pure decoders, no state and no branch by model; what differs within a maker is
told
apart by the answer itself. None or () where a maker has no such command.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from protocols.cellular import Serving

Lines = Sequence[str]
TEMPERATURE_C: Final = range(-60, 131)  # beyond: -273 stands for no sensor, 255 for no value


class ServingQuery(NamedTuple):
    """A command that tells about the serving cell. `prepare`: to be sent once before, where needed."""

    command: str
    decode: Callable[[Lines], Serving]
    prepare: tuple[str, ...] = ()


class TemperatureQuery(NamedTuple):
    """`decode` gives the hottest sensor in whole degrees Celsius, None where no sensor has a value."""

    command: str
    decode: Callable[[Lines], int | None]
    late_lines: bool = False  # the data may come behind OK
    prepare: tuple[str, ...] = ()


def hottest(values: Sequence[int | None]) -> int | None:
    """The greatest of `values` that a sensor in a modem can have, in degrees Celsius."""
    return max((value for value in values if value is not None and value in TEMPERATURE_C), default=None)


class PinTries(NamedTuple):
    """How many tries are left before the SIM locks itself. None where the modem does not say."""

    pin: int | None
    puk: int | None


class PinTriesQuery(NamedTuple):
    """Ask this before any PIN is entered."""

    command: str
    decode: Callable[[Lines], PinTries]


class CountersQuery(NamedTuple):
    """Two byte counters whose order differs by model: compare with the interface's before use."""

    command: str
    decode: Callable[[Lines], tuple[int, int]]


class Dialect(NamedTuple):
    """`makers`: how +CGMI begins, lower case. `serving`: in the order of preference, the first that
    answers.
    """

    name: str
    makers: tuple[str, ...]
    serving: tuple[ServingQuery, ...] = ()
    temperature: TemperatureQuery | None = None
    pin_tries: PinTriesQuery | None = None
    counters: CountersQuery | None = None
    iccid: tuple[str, ...] = ("AT+CCID", "AT+ICCID")
    reset: tuple[str, ...] = ("AT+CFUN=1,1",)  # the module starts anew; on USB it leaves and comes back
    power_off: str | None = None
    radio_off: str = "AT+CFUN=4"
    radio_on: str = "AT+CFUN=1"


GENERIC = Dialect("generic", ())
