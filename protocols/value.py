"""Exact values: an integer and a power of ten, never a float.

A counter is exact from register to backend. Binary floats that meters send become the shortest
decimal that gives the same bits again; that decimal, not the float, is the value.
"""

from __future__ import annotations

import enum
import math
import struct
from typing import NamedTuple


class Quality(enum.IntFlag):
    """What is doubtful about a value that is there. Numbers are permanent: they travel."""

    GOOD = 0
    FLOAT_EXHAUSTED = 1  # a counter's binary32 no longer resolves its own last digit
    IDENTITY_UNVERIFIED = 2  # the device offers nothing by which to know it, or was not asked yet
    STALE = 4  # repeated by the device, not measured anew
    IMPLAUSIBLE = 8  # outside of what the quantity can be; kept as it came
    UNWATCHED = 16  # a count kept by the gateway: pulses since the reading before may be missing


class NullCause(enum.IntEnum):
    """Why a slot that was due has no value. Numbers are permanent: they travel."""

    SILENT = 1  # no answer within the timeout
    CORRUPT = 2  # something arrived, nothing of it decoded
    REFUSED = 3  # the device answered with an exception
    NOT_AVAILABLE = 4  # the device sent its pattern for "no value", NaN or an infinity
    LINE_BUSY = 5  # the slot passed before the line was free
    PORT_GONE = 6  # the port or connection was not there
    WRONG_DEVICE = 7  # the serial number is not the configured one
    NOT_SENT = 8  # a telegram came, without this value


class Scaled(NamedTuple):
    """`integer` x 10^`exponent`."""

    integer: int
    exponent: int

    def rescaled(self, exponent: int) -> Scaled:
        """The same value at a finer or equal exponent; ValueError where digits would be lost."""
        if exponent <= self.exponent:
            return Scaled(self.integer * 10 ** (self.exponent - exponent), exponent)
        quotient, rest = divmod(self.integer, 10 ** (exponent - self.exponent))
        if rest:
            raise ValueError(f"{self} is not a multiple of 10^{exponent}")
        return Scaled(quotient, exponent)

    def quantised(self, exponent: int) -> Scaled:
        """The nearest multiple of 10^`exponent`, halves away from zero. For gauges, never counters."""
        if exponent <= self.exponent:
            return self.rescaled(exponent)
        unit = 10 ** (exponent - self.exponent)
        magnitude = (2 * abs(self.integer) + unit) // (2 * unit)
        return Scaled(-magnitude if self.integer < 0 else magnitude, exponent)

    def normalised(self) -> Scaled:
        """The same value without trailing zeros; zero is (0, 0)."""
        integer, exponent = self
        if integer == 0:
            return Scaled(0, 0)
        while integer % 10 == 0:
            integer //= 10
            exponent += 1
        return Scaled(integer, exponent)

    def times(self, factor: Scaled) -> Scaled:
        """The exact product."""
        return Scaled(self.integer * factor.integer, self.exponent + factor.exponent)

    def __str__(self) -> str:
        """Plain decimal notation, with as many decimals as the exponent says."""
        if self.exponent >= 0:
            return str(self.integer * 10**self.exponent)
        digits = str(abs(self.integer)).rjust(1 - self.exponent, "0")
        sign = "-" if self.integer < 0 else ""
        return f"{sign}{digits[: self.exponent]}.{digits[self.exponent :]}"


def parse_decimal(text: str) -> Scaled:
    """`"0.001"`, `"-12.50"`, `"1e3"` as an exact value; ValueError for anything else."""
    mantissa, _, power = text.strip().lower().partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = whole + fraction
    if not digits.lstrip("+-").isdecimal() or not digits.lstrip("+-").isascii():
        raise ValueError(f"not a decimal number: {text!r}")
    return Scaled(int(digits), (int(power) if power else 0) - len(fraction))


def from_binary32(bits: bytes) -> Scaled | None:
    """Four big-endian bytes of an IEEE 754 binary32 as its shortest round-trip decimal.

    None for NaN and the infinities.
    """
    number = struct.unpack(">f", bits)[0]
    if not math.isfinite(number):
        return None
    for precision in (6, 7, 8):  # 9 digits always suffice for binary32
        text = f"{number:.{precision}g}"
        if struct.pack(">f", float(text)) == bits:
            return parse_decimal(text).normalised()
    return parse_decimal(f"{number:.9g}").normalised()


def from_binary64(bits: bytes) -> Scaled | None:
    """Eight big-endian bytes of a binary64 as its shortest round-trip decimal; None if not finite."""
    number = struct.unpack(">d", bits)[0]
    if not math.isfinite(number):
        return None
    return parse_decimal(repr(number)).normalised()
