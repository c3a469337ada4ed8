"""Data sets: the line grammar that IEC 62056-21 read-outs and DSMR P1 telegrams share.

    1-0:1.8.0*255(0008048.375*kWh)        address, value, unit
    1.6.1(27.19*kW)(1702090945)           several values, here with the time of a maximum
    6.8(0029.055*MWh)6.26(01589.28*m3)    several data sets a line: heat meters
    9.4(108.5*C&088.1*C)                  several values in one pair of parentheses: heat meters

Rules:
- the text of a value is kept as it was sent: leading zeros are part of a serial number;
- parentheses without an address continue the data set before them, also on the next line (DSMR 2.2 gas);
- the patterns are possessive, so that any text is read in linear time.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterable
from typing import NamedTuple

from protocols.errors import ProtocolError
from protocols.units import UNIT_NAMES
from protocols.value import Scaled, parse_decimal

NUMBER_CHARACTERS_MAX = 20  # a counter has at most 16 digits; more is an identity
ADDRESS_CHARACTERS_MAX = 32  # IEC 62056-21, 6.5 allows 16
ADDRESSES_REMEMBERED_MAX = 1024
MEDIUM_ELECTRICITY = 1

# A Pafal 12EC3g puts a "!" between the values of a data set; anywhere else it ends the read-out.
_PIECE = re.compile(r"""[\r\n ]*+(?:([ "-'*-.0-~]*+)!?\(([ -'*-~]*+)\)|([^\r\n]++))""")
_NUMBER = re.compile(r" *+[+-]?(?:[0-9]++\.?[0-9]*+|\.[0-9]++) *+")
_DIGIT = re.compile(r"[0-9]")
_ADDRESS = re.compile(
    r"(?:(\d{1,3})-(\d{1,3}):)?(\d{1,3}|[CFLP])\.(\d{1,3}|[CFLP])(?:\.(\d{1,3}))?(?:[*&](\d{1,3}))?", re.ASCII
)
_LETTERS = {"C": "96", "F": "97", "L": "98", "P": "99"}  # IEC 62056-61: service, error, list, profile

_SPELLINGS = {name.lower(): name for name in UNIT_NAMES if name[0] not in "mM"} | {
    "c": "degC",
    "dm3": "l",
    "m3ph": "m3/h",
    "sec": "s",
    "secs": "s",
}


class Value(NamedTuple):
    """What stands between parentheses: `text` and `unit` as sent, "" where there is none.

    `joined`: an "&" stands before it, not a parenthesis.
    """

    text: str
    unit: str = ""
    joined: bool = False

    @property
    def number(self) -> Scaled | None:
        """The text as an exact number; None where it is none, or longer than any counter."""
        if len(self.text) > NUMBER_CHARACTERS_MAX or not _NUMBER.fullmatch(self.text):
            return None
        return parse_decimal(self.text)

    @property
    def content(self) -> Scaled | str:
        """A number where it certainly is a measured one, with a unit or decimals; else the text as sent.

        Numerals with neither are mostly identities and states, whose leading zeros count.
        """
        number = self.number if self.unit or "." in self.text else None
        return self.text if number is None else number


class DataSet(NamedTuple):
    """One address and its values; `offset` is where the address stands in the stream."""

    address: str
    values: tuple[Value, ...]
    offset: int = 0


class Stretch(NamedTuple):
    """Text that is no data set, and where it stands in the stream."""

    text: str
    offset: int


def decode_data_sets(body: str, offset: int) -> tuple[tuple[DataSet, ...], tuple[Stretch, ...]]:
    """The data sets in `body`, which stands at `offset` in the stream, and what is none."""
    found: list[tuple[str, list[Value], int]] = []
    unread: list[Stretch] = []
    owned = True  # values without address belong to the data set before them
    for match in _PIECE.finditer(body.rstrip("\r\n ")):
        address, group, rest = match.groups()
        if rest is not None or len(address) > ADDRESS_CHARACTERS_MAX or not (address or owned):
            at = match.start(1 if rest is None else 3)
            unread.append(Stretch(body[at : match.end()], offset + at))
            owned = False
        elif address or not found:
            found.append((address.rstrip(), _decode_group(group), offset + match.start(1)))
            owned = True
        else:
            found[-1][1].extend(_decode_group(group))
    sets = tuple([DataSet(address, tuple(values), at) for address, values, at in found])
    return sets, tuple(unread)


def _decode_group(text: str) -> list[Value]:
    if "&" not in text:
        number, _, unit = text.partition("*")
        return [Value(number, unit)]
    parts = [part.partition("*") for part in text.split("&")]
    return [Value(number, unit, place > 0) for place, (number, _, unit) in enumerate(parts)]


def refuse_damage(protocol: str, data_sets: Iterable[DataSet], unread: Iterable[Stretch]) -> None:
    """Raise ProtocolError where the text can only be damaged, or no read-out at all.

    `<protocol>.line`: text that is no data set. `<protocol>.number`: a value that has a unit and digits, and
    is no number ("----*kW" is a meter's way to say that it has none). Not for telegrams of which a good CRC
    says that the meter itself wrote them so: where one digit is seen to be damaged, others may be.
    """
    for stretch in unread:
        raise ProtocolError(f"{protocol}.line", f"no data set: {stretch.text[:40]!r}", stretch.offset)
    for data_set in data_sets:
        for value in data_set.values:
            if value.unit and _DIGIT.search(value.text) and not _NUMBER.fullmatch(value.text):
                text = f"{data_set.address} has {value.text[:40]!r} for a number of {value.unit[:16]}"
                raise ProtocolError(f"{protocol}.number", text, data_set.offset)


def encode_data_sets(data_sets: Iterable[DataSet]) -> bytes:
    """One data set a line, as it goes on the wire; ValueError where it would be read differently."""
    plain = [data_set._replace(offset=0) for data_set in data_sets]
    text = "".join(map(_encode_line, plain))
    read, unread = decode_data_sets(text, 0)
    for sent, back in itertools.zip_longest(plain, (data_set._replace(offset=0) for data_set in read)):
        if sent != back or unread:
            raise ValueError(f"not a data set that can be sent: {sent}, it would be read as {back}")
    return text.encode("ascii")


def _encode_line(data_set: DataSet) -> str:
    groups = "".join(
        ("&" if value.joined else ")(") + value.text + ("*" + value.unit if value.unit else "")
        for value in data_set.values
    )
    return f"{data_set.address}{groups.removeprefix(')')})\r\n"


@functools.lru_cache(ADDRESSES_REMEMBERED_MAX)  # a meter sends the same ones every second
def obis_of(address: str, medium: int = MEDIUM_ELECTRICITY) -> bytes | None:
    """The six bytes of an address; None for one that is no OBIS code ("F", a maker's own number).

    Meters leave out what is the same in all their addresses: `1.8.0` is 1-0:1.8.0*255 and `6.8` of a heat
    meter 6-0:6.8.0*255; `medium` is group A where it is left out (IEC 62056-61).
    """
    match = _ADDRESS.fullmatch(address)
    if match is None:
        return None
    a, b, c, d, e, f = match.groups()
    groups = (a or medium, b or 0, _LETTERS.get(c, c), _LETTERS.get(d, d), e or 0, f or 255)
    numbers = [int(group) for group in groups]
    return bytes(numbers) if max(numbers) <= 255 else None


def unit_name(sent: str) -> str | None:
    """The house's name (protocols/units.py) of a unit as a meter writes it: kVArh is kvarh, m3ph is m3/h."""
    return sent if sent in UNIT_NAMES else _SPELLINGS.get(sent.lower())
