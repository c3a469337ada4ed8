"""M-Bus addresses: primary numbers, and the secondary address of eight bytes (EN 13757-7, 8.4 and annex).

A secondary address is what a meter is, not where it hangs: identification number, maker, version, medium, and
for makers that number twice a fabrication number beside them. Written `12345678.KAM.1B.04`: eight digits, the
maker's three letters, version and medium in hexadecimal.

A selection may leave parts open: a digit by "F", maker, version and medium by None, a fabrication number by
"".
"""

from __future__ import annotations

import re
from typing import NamedTuple

PRIMARY_MAX = 250  # 0 is what a meter has that was never given an address
NETWORK = 253  # whichever meter is selected
ANYBODY = 254  # everybody answers: for a line with one meter
BROADCAST = 255  # everybody listens, nobody answers
WILD_DIGITS = "F" * 8
_WILD_MAKER = 0xFFFF
_WILD_BYTE = 0xFF
_LETTERS = re.compile(r"[A-Z]{3}")
_FULL = re.compile(r"([0-9A-F]{8})\.([A-Z]{3})\.([0-9A-F]{2})\.([0-9A-F]{2})")


class SecondaryAddress(NamedTuple):
    """One meter, or with open parts all that match. `maker`: three letters; `fabrication`: eight digits."""

    id: str = WILD_DIGITS
    maker: str | None = None
    version: int | None = None
    medium: int | None = None
    fabrication: str = ""

    def matches(self, meter: SecondaryAddress) -> bool:
        """Whether the meter of this complete address feels addressed by this selection."""
        return (
            _digits_match(self.id, meter.id)
            and self.maker in (None, meter.maker)
            and self.version in (None, meter.version)
            and self.medium in (None, meter.medium)
            and (not self.fabrication or _digits_match(self.fabrication, meter.fabrication))
        )

    def __str__(self) -> str:
        """`12345678.KAM.1B.04`; open parts are "F" or "*"."""
        maker = self.maker or "*"
        version = "*" if self.version is None else f"{self.version:02X}"
        medium = "*" if self.medium is None else f"{self.medium:02X}"
        number = f"+{self.fabrication}" if self.fabrication else ""
        return f"{self.id}.{maker}.{version}.{medium}{number}"


def parse_secondary(text: str) -> SecondaryAddress:
    """`12345678.KAM.1B.04`, or the eight digits alone with the rest left open; ValueError for anything else.

    A digit may be A to E, as some makers have it, and never F: that would be a wildcard.
    """
    plain = text.strip().upper()
    if re.fullmatch(r"[0-9A-E]{8}", plain):
        return SecondaryAddress(plain)
    parts = _FULL.fullmatch(plain)
    if parts is None or "F" in parts[1] or "FF" in parts.groups():
        raise ValueError(
            f"not a secondary address: {text!r}; right is 12345678.KAM.1B.04, or its eight digits"
        )
    return SecondaryAddress(parts[1], parts[2], int(parts[3], 16), int(parts[4], 16))


def encode_selection(address: SecondaryAddress) -> bytes:
    """The data of a selection (CI 52); open parts as wildcards. ValueError for what is no address."""
    maker = _WILD_MAKER if address.maker is None else encode_maker(address.maker)
    version = _WILD_BYTE if address.version is None else address.version
    medium = _WILD_BYTE if address.medium is None else address.medium
    data = _digit_bytes(address.id) + maker.to_bytes(2, "little") + bytes((version, medium))
    if address.fabrication:
        data += b"\x0c\x78" + _digit_bytes(address.fabrication)  # 8 digits, VIF fabrication number
    return data


def decode_selection(data: bytes) -> SecondaryAddress | None:
    """What a selection asks for; None where it is none that a meter understands."""
    if len(data) not in (8, 14) or (len(data) == 14 and data[8:10] != b"\x0c\x78"):
        return None
    maker, version, medium = int.from_bytes(data[4:6], "little"), data[6], data[7]
    return SecondaryAddress(
        data[3::-1].hex().upper(),
        None if maker == _WILD_MAKER else decode_maker(maker),
        None if version == _WILD_BYTE else version,
        None if medium == _WILD_BYTE else medium,
        data[:9:-1].hex().upper() if len(data) == 14 else "",
    )


def encode_maker(letters: str) -> int:
    """Three letters as 16 bits, five each (EN 62056-21); ValueError for anything else."""
    if not _LETTERS.fullmatch(letters):
        raise ValueError(f"not a maker's code: {letters!r}; right are three letters, as KAM")
    first, second, third = (ord(letter) - 64 for letter in letters)
    return first << 10 | second << 5 | third


def decode_maker(number: int) -> str:
    """The three letters; characters beyond A to Z show that it is none."""
    return "".join(chr(64 + (number >> shift & 0x1F)) for shift in (10, 5, 0))


def _digits_match(wanted: str, digits: str) -> bool:
    return len(wanted) == len(digits) and all(w in ("F", d) for w, d in zip(wanted, digits, strict=True))


def _digit_bytes(digits: str) -> bytes:
    if not re.fullmatch(r"[0-9A-F]{8}", digits):
        raise ValueError(f"not eight digits: {digits!r}")
    return bytes.fromhex(digits)[::-1]
