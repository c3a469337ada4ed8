"""P1 telegrams: what an electricity meter pushes to its customer every 1 to 10 s.

One grammar, many dialects: DSMR 2.2 to 5.0 (Netherlands), Belgium, Luxembourg, Sweden, Hungary, Ireland.
They differ in which objects they send and in units, so nothing here depends on the dialect. From version 4
on a CRC-16 over everything from "/" to "!" follows; before that nothing guards a telegram but its form.

An object is one of four, and its values tell which:

    1-0:1.8.1(000004.426*kWh)                                     a value
    0-1:24.2.1(170102161005W)(00000.107*m3)                       a value and when it was measured
    0-1:24.3.0(161107190000)(00)(60)(1)(0-1:24.2.1)(m3) (00001.001)   the same, in DSMR 2.2
    1-0:99.97.0(1)(0-0:96.7.19)(101208152415W)(0000000240*s)      a log
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from protocols.checksums import crc16_arc
from protocols.errors import ProtocolError
from protocols.iec62056_21.data_sets import (
    DataSet,
    Stretch,
    Value,
    decode_data_sets,
    encode_data_sets,
    obis_of,
    refuse_damage,
)
from protocols.iec62056_21.framing import Frame
from protocols.iec62056_21.identification import Identification, encode_identification
from protocols.value import Scaled

Checksums = Literal["required", "by_version", "ignored"]

VERSIONS = ("1-3:0.2.8", "0-0:96.1.4")  # 42, 50; in Belgium 50213 and so on
VERSION_WITH_CRC = 40
CENTRAL_EUROPE_S = 3600  # winter time; Ireland has 0

TIME, METER_ID, METER_ID_LUX, MESSAGE = "0-0:1.0.0", "0-0:96.1.1", "0-0:42.0.0", "0-0:96.13.0"
METER_IDS = (METER_ID, METER_ID_LUX, "0-0:96.1.0", "0-0:96.1.255*255", "1-0:0.0.0*255")
FAILURE_LOG = "1-0:99.97.0"

# M-Bus device types (EN 13757-3) and group A of their OBIS codes.
MEDIUM_OF_TYPE = {2: 1, 3: 7, 4: 6, 6: 9, 7: 8, 8: 4, 10: 5, 11: 5, 12: 6, 13: 6, 21: 9, 22: 8}
_CHANNEL = re.compile(r"0-([1-9]):(24\.1\.0|96\.1\.[012]|24\.2\.\d|24\.3\.0|24\.4\.0)")
_TIME = re.compile(r"\d{12}[SW]?", re.ASCII)
_OBIS = re.compile(r"\d{1,3}-\d{1,3}:\d{1,3}\.\d{1,3}\.\d{1,3}(?:\*\d{1,3})?", re.ASCII)
_CRC = re.compile(rb"[0-9A-Fa-f]{1,4}")


class P1Time(NamedTuple):
    """A meter's local time; `summer` says whether daylight saving was on, None where the meter does not."""

    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int
    summer: bool | None = None

    def utc_s(self, winter_offset_s: int = CENTRAL_EUROPE_S) -> int | None:
        """Seconds from 1970 on in UTC; None where the meter does not say whether it was summer time."""
        if self.summer is None:
            return None
        since = dt.datetime(*self[:6]) - dt.datetime(1970, 1, 1)  # noqa: DTZ001 - arithmetic only
        return since.days * 86400 + since.seconds - winter_offset_s - 3600 * self.summer

    def __str__(self) -> str:
        """As the meter sends it."""
        flag = {True: "S", False: "W", None: ""}[self.summer]
        return f"{self.year % 100:02}" + "".join(f"{part:02}" for part in self[1:6]) + flag


class P1Value(NamedTuple):
    """A value, exact, in the unit of the telegram; `time` where the object has a time of its own.

    Text stays text: numerals without unit and decimals are mostly identities and states.
    """

    obis: bytes
    value: Scaled | str
    unit: str = ""
    time: P1Time | None = None

    @property
    def number(self) -> Scaled | None:
        """The value as a number, also where it is a count without unit; None where it is none."""
        return Value(self.value).number if isinstance(self.value, str) else self.value


class P1Log(NamedTuple):
    """A list that the meter keeps: power failures, or the peaks of past months.

    `objects` are the addresses that stand before the rows, each row holds times and values as sent.
    """

    address: str
    objects: tuple[str, ...]
    rows: tuple[tuple[P1Time | Value, ...], ...]


class Channel(NamedTuple):
    """A meter behind this one. `device_type` as M-Bus has it: 3 gas, 4 heat, 7 water."""

    number: int
    device_type: int | None = None
    serial: str = ""
    values: tuple[P1Value, ...] = ()

    @property
    def medium(self) -> int | None:
        """Group A of its quantities, None for a type that has none."""
        return MEDIUM_OF_TYPE.get(self.device_type or 0)


class P1Telegram(NamedTuple):
    """One telegram. `data_sets` is all of it as sent; the other fields are what it means.

    `checked`: a CRC came, and fits. `unread`: text in a checked telegram that is no data set.
    """

    identification: Identification
    data_sets: tuple[DataSet, ...]
    values: tuple[P1Value, ...]
    logs: tuple[P1Log, ...] = ()
    channels: tuple[Channel, ...] = ()
    time: P1Time | None = None
    serial: str = ""
    message: str = ""
    offset: int = 0
    end: int = 0
    checked: bool = False
    unread: tuple[Stretch, ...] = ()


def decode_telegram(frame: Frame, checksums: Checksums) -> P1Telegram:
    """The telegram in `frame`; ProtocolError p1.crc, p1.crc_missing, p1.end, p1.line, p1.number."""
    checked = checksums != "ignored" and _check(frame)
    data_sets, unread = decode_data_sets(frame.lines, frame.offset + frame.body)
    if not checked:
        _refuse_unchecked(frame, data_sets, checksums)
        refuse_damage("p1", data_sets, unread)
    assert frame.identification is not None  # a P1 frame begins with one
    end = frame.offset + len(frame.data)
    telegram = interpret(frame.identification, data_sets)
    return telegram._replace(offset=frame.offset, end=end, checked=checked, unread=unread)


def _check(frame: Frame) -> bool:
    """Whether a CRC came; it then fits."""
    tail = frame.data[frame.mark + 1 : frame.end].strip()
    at = frame.offset + frame.mark
    if not tail:
        return False
    if not _CRC.fullmatch(tail):
        raise ProtocolError("p1.end", f"{tail!r} behind the '!' is no checksum", at)
    if crc16_arc(frame.data[: frame.mark + 1]) != int(tail, 16):
        raise ProtocolError("p1.crc", "the checksum is wrong: damaged on the way", at)
    return True


def _refuse_unchecked(frame: Frame, data_sets: Iterable[DataSet], checksums: Checksums) -> None:
    """A telegram that must have a CRC and has none lost more than that."""
    if checksums == "ignored":
        return
    versions = [s.values[0].number for s in data_sets if s.address in VERSIONS]
    if checksums == "required" or any(v is not None and v.integer >= VERSION_WITH_CRC for v in versions):
        raise ProtocolError("p1.crc_missing", "no checksum behind the '!'", frame.offset + frame.mark)


def decode_time(text: str) -> P1Time | None:
    """`YYMMDDhhmmss` and S or W; None where there is no such time (`632525252525S`: no meter there)."""
    if not _TIME.fullmatch(text):
        return None
    year, month, day, hour, minute, second = (int(text[at : at + 2]) for at in range(0, 12, 2))
    summer = {"S": True, "W": False}.get(text[12:])
    time = P1Time(2000 + year, month, day, hour, minute, second, summer)
    try:
        dt.datetime(*time[:6])  # noqa: DTZ001 - only whether such a day and time exist
    except ValueError:
        return None
    return time


def decode_text(sent: str) -> str:
    """Octets that are sent as hexadecimal digits, as text; as sent where they are not, or no text."""
    try:
        octets = bytes.fromhex(sent)
    except ValueError:
        return sent
    return octets.decode("ascii") if octets and all(0x20 <= octet < 0x7F for octet in octets) else sent


def interpret(identification: Identification, data_sets: tuple[DataSet, ...]) -> P1Telegram:
    """What the data sets mean, whichever dialect they are of."""
    values: list[P1Value] = []
    logs: list[P1Log] = []
    channels: dict[int, Channel] = {}
    for data_set in data_sets:
        found = _decode_value(data_set)
        if isinstance(found, P1Log):
            logs.append(found)
            continue
        if found is not None:
            values.append(found)
        _note_channel(channels, data_set, found)
    texts = {s.address: s.values[0].text for s in reversed(data_sets)}
    return P1Telegram(
        identification,
        data_sets,
        tuple(values),
        tuple(logs),
        tuple(channels[number] for number in sorted(channels)),
        decode_time(texts.get(TIME, "")),
        next((decode_text(texts[address]) for address in METER_IDS if texts.get(address)), ""),
        decode_text(texts.get(MESSAGE, "")),
    )


def _decode_value(data_set: DataSet) -> P1Value | P1Log | None:
    obis = obis_of(data_set.address)
    values = data_set.values
    if obis is None:
        return None
    if len(values) == 1:
        return P1Value(obis, values[0].content, values[0].unit)
    if not _TIME.fullmatch(values[0].text):
        return _decode_log(data_set)
    time = decode_time(values[0].text)
    if len(values) == 2:
        return P1Value(obis, values[1].content, values[1].unit, time)
    if len(values) == 7 and _OBIS.fullmatch(
        values[4].text
    ):  # DSMR 2.2 and 3: status, period, count, object, unit
        number = values[6].number
        content = values[6].text if number is None else number
        return P1Value(obis_of(values[4].text) or obis, content, values[5].text, time)
    return _decode_log(data_set)


def _decode_log(data_set: DataSet) -> P1Log:
    """`(count)(object)...(row)...`; where there is no count, all is one row."""
    values = data_set.values
    objects = 1
    while objects < len(values) and _OBIS.fullmatch(values[objects].text):
        objects += 1
    count, rest = values[0].number, values[objects:]
    counted = count is not None and count.exponent == 0 and objects > 1 and not values[0].unit
    rows = count.integer if counted and count else 1
    if not counted or rows < 0 or (len(rest) % rows if rows else rest):
        return P1Log(data_set.address, (), (tuple(map(_cell, values)),))
    width = len(rest) // rows if rows else 0
    cells = [tuple(map(_cell, rest[at : at + width])) for at in range(0, len(rest), width or 1)]
    return P1Log(data_set.address, tuple(value.text for value in values[1:objects]), tuple(cells))


def _cell(value: Value) -> P1Time | Value:
    time = None if value.unit else decode_time(value.text)
    return value if time is None else time


def _note_channel(channels: dict[int, Channel], data_set: DataSet, value: P1Value | None) -> None:
    match = _CHANNEL.fullmatch(data_set.address)
    if match is None:
        return
    number, what = int(match[1]), match[2]
    channel = channels.get(number) or Channel(number)
    text = data_set.values[0].text
    if what == "24.1.0":
        channel = channel._replace(device_type=int(text) if text.isdecimal() and len(text) <= 3 else None)
    elif what.startswith("96.1."):
        channel = channel._replace(serial=decode_text(text) or channel.serial)
    elif what != "24.4.0" and value is not None:
        channel = channel._replace(values=(*channel.values, value))
    channels[number] = channel


def encode_telegram(
    identification: Identification, data_sets: Sequence[DataSet], *, with_crc: bool = True
) -> bytes:
    """A telegram as a meter pushes it, one object a line; ValueError for a data set that cannot be sent."""
    covered = encode_identification(identification) + b"\r\n" + encode_data_sets(data_sets) + b"!"
    return covered + (f"{crc16_arc(covered):04X}".encode() if with_crc else b"") + b"\r\n"
