"""The URL of a pulse input: which GPIO line, and how its contact is wired.

    gpio:///dev/gpiochip0?line=17&bias=pull-up&edge=falling

`line` is the number on the chip (Raspberry Pi: the BCM number). `bias`: the resistor inside of the chip.
`edge`: the one with which a pulse begins; an S0 output or a reed contact to ground, with a pull-up, pulls
the input down, so that pulses begin with the falling edge.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args
from urllib.parse import parse_qsl, urlsplit

Bias = Literal["pull-up", "pull-down", "disabled", "as-is"]
BIASES: tuple[Bias, ...] = get_args(Bias)
EDGES = ("falling", "rising")
LINE_MAX = 1023
EXAMPLE = "gpio:///dev/gpiochip0?line=17&bias=pull-up&edge=falling"
_KEYS = ("line", "bias", "edge")


class PulseInput(NamedTuple):
    """A GPIO line as an input. `active_low`: a pulse is the low level."""

    chip: str
    line: int
    bias: Bias
    active_low: bool


def read_gpio_url(url: str) -> PulseInput:
    """What a `gpio://` URL names; ValueError says what would be right."""
    parts = urlsplit(url)
    if parts.scheme != "gpio" or parts.netloc or not parts.path.startswith("/dev/"):
        raise ValueError(f"a chip and one of its lines, as {EXAMPLE}")
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    options = dict(pairs)
    if len(options) != len(pairs) or not set(options) <= set(_KEYS):
        raise ValueError(f"each of {', '.join(_KEYS)} at most once and nothing else, as {EXAMPLE}")
    number = options.get("line", "")
    if not (number.isascii() and number.isdecimal()) or int(number) > LINE_MAX:
        raise ValueError(f"line=0 to line={LINE_MAX}, the input's number on the chip, as {EXAMPLE}")
    bias, edge = options.get("bias", "pull-up"), options.get("edge", "falling")
    if bias not in BIASES:
        raise ValueError(f"bias= one of {', '.join(BIASES)}")
    if edge not in EDGES:
        raise ValueError("edge=falling or edge=rising: the one with which a pulse begins")
    return PulseInput(parts.path, int(number), bias, edge == "falling")
