"""The fields of an information line: `+CREG: 2,1,"3193","08F381C5",7`.

Rules: makers disagree on blanks after the colon and after commas, on quotes and on the case of hexadecimal
digits; here all of that is one form. What does not fit its field raises ProtocolError with code at.field.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Self

from protocols.errors import ProtocolError
from protocols.value import Scaled, parse_decimal

FIELDS_MAX = 64
DIGITS_MAX = 18
_HEX = re.compile(r"(?:0[xX])?([0-9A-Fa-f]{1,16})\Z")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,18}(?:\.[0-9]{1,6})?\Z")


class Field(str):
    """A field's text without its quotes; `quoted` says whether it had them."""

    __slots__ = ("quoted",)
    quoted: bool

    def __new__(cls, text: str, *, quoted: bool) -> Self:
        """`text` is without quotes."""
        field = super().__new__(cls, text)
        field.quoted = quoted
        return field


def split_fields(text: str) -> list[Field]:
    """Fields between commas that stand outside of quotes and brackets are not told apart."""
    parts, start, inside = [], 0, False
    for place, character in enumerate(text):
        if character == '"':
            inside = not inside
        elif character == "," and not inside:
            parts.append(text[start:place])
            start = place + 1
    parts.append(text[start:])
    if inside or len(parts) > FIELDS_MAX:
        raise ProtocolError("at.field", f"an open quote or more than {FIELDS_MAX} fields: {text[:80]!r}")
    return [_field(part.strip()) for part in parts]


def _field(text: str) -> Field:
    quoted = len(text) >= 2 and text[0] == text[-1] == '"'
    return Field(text[1:-1] if quoted else text, quoted=quoted)


def content(line: str, *prefixes: str) -> str | None:
    """What stands behind `PREFIX:` in `line`, or None where it begins otherwise."""
    head, colon, rest = line.partition(":")
    return rest.strip() if colon and head.strip().upper() in prefixes else None


def contents(lines: Iterable[str], *prefixes: str) -> list[str]:
    """What stands behind the prefix, of the lines that have it."""
    found = (content(line, *prefixes) for line in lines)
    return [text for text in found if text is not None]


def only(lines: Sequence[str], *prefixes: str) -> list[Field]:
    """The fields of the first line with the prefix; ProtocolError("at.missing") where there is none."""
    found = contents(lines, *prefixes)
    if not found:
        raise ProtocolError("at.missing", f"no {prefixes[0]} in the answer {list(lines)[:3]}")
    return split_fields(found[0])


def integer(fields: Sequence[Field], place: int) -> int:
    """A decimal integer."""
    text = at(fields, place)
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        raise ProtocolError("at.field", f"no integer: {text[:40]!r}")
    return int(text)


def hexadecimal(fields: Sequence[Field], place: int) -> int:
    """A hexadecimal number, with 0x or without."""
    text = at(fields, place)
    found = _HEX.match(text)
    if not found:
        raise ProtocolError("at.field", f"no hexadecimal number: {text[:40]!r}")
    return int(found[1], 16)


def at(fields: Sequence[Field], place: int) -> Field:
    """The field at `place`; ProtocolError("at.field") where the line is too short."""
    if place >= len(fields):
        raise ProtocolError("at.field", f"{len(fields)} fields, no {place + 1}.")
    return fields[place]


def reading(fields: Sequence[Field], place: int) -> Scaled | None:
    """A measured value; None for a missing field and for what modems write instead of one."""
    if place >= len(fields) or not _DECIMAL.match(fields[place]):
        return None
    value = parse_decimal(fields[place])
    return None if value.integer in NOT_KNOWN else value


# What stands for "no value" beside a blank and a dash: the patterns of 16 and 32 bits.
NOT_KNOWN = frozenset({-32768, 32767, 65535, -2147483648, 2147483647, 4294967295})


def optional_hex(fields: Sequence[Field], place: int) -> int | None:
    """A hexadecimal number; None where it is missing, a dash or all ones."""
    if place >= len(fields) or not _HEX.match(fields[place]):
        return None
    number = hexadecimal(fields, place)
    return None if number in (0xFFFF, 0xFFFFFF, 0xFFFFFFF, 0xFFFFFFFF) else number


def optional_integer(fields: Sequence[Field], place: int) -> int | None:
    """A decimal integer; None where it is missing or no number."""
    if place >= len(fields) or not re.fullmatch(r"[+-]?[0-9]{1,18}", fields[place]):
        return None
    return int(fields[place])


def plmn_of(country: str, network: str) -> str | None:
    """Country and network code as one text of digits, None where either is not known (fff)."""
    if re.fullmatch(r"[0-9]{3}", country) and re.fullmatch(r"[0-9]{2,3}", network):
        return country + network
    return None
