"""Dates and times of M-Bus records: types F, G, I and J (EN 13757-3:2018, annex A).

A meter's clock knows no zone: what it tells is local time, with a mark for summer time in F and I. A field
may say "every" (every month, every day), which makes it a rule and no date; "every" is None here.
"""

from __future__ import annotations

import datetime as dt
from typing import Literal, NamedTuple

TimeType = Literal["F", "G", "I", "J"]

TYPE_OF_SIZE: dict[int, TimeType] = {2: "G", 3: "J", 4: "F", 6: "I"}
SIZE_OF_TYPE = {kind: size for size, kind in TYPE_OF_SIZE.items()}
CENTURY_BORDER = 80  # years of two digits up to here are 20xx, those above 19xx
YEAR_MAX = 99
YEAR_EVERY, MONTH_EVERY, DAY_EVERY, HOUR_EVERY, SIXTY_EVERY = 127, 15, 0, 31, 63
_HUNDREDS_MAX = 3


class MbusTime(NamedTuple):
    """A point of local time as the meter told it; None: every such, or not part of the type.

    `is_valid`: False where the meter marks its clock as not set. `is_summer`: its mark of summer time.
    """

    type: TimeType
    year: int | None = None
    month: int | None = None
    day: int | None = None
    hour: int | None = None
    minute: int | None = None
    second: int | None = None
    is_valid: bool = True
    is_summer: bool = False

    def __str__(self) -> str:
        """ISO 8601 without a zone, as precise as the type; `*` where a field says "every"."""
        date = f"{_shown(self.year, 4)}-{_shown(self.month)}-{_shown(self.day)}"
        time = f"{_shown(self.hour)}:{_shown(self.minute)}"
        match self.type:
            case "G":
                return date
            case "F":
                return f"{date}T{time}"
            case "I":
                return f"{date}T{time}:{_shown(self.second)}"
            case "J":
                return f"{time}:{_shown(self.second)}"

    def is_date(self) -> bool:
        """Whether it names one day that the calendar has, so that a reading can be dated by it."""
        if self.year is None or self.month is None or self.day is None:
            return False
        try:
            dt.date(self.year, self.month, self.day)
        except ValueError:
            return False
        return True


def decode_time(data: bytes) -> MbusTime | None:
    """2, 3, 4 or 6 bytes, low byte first; None where the meter marks it as no date at all, or it is none."""
    if not data.strip(b"\xff"):
        return None
    match TYPE_OF_SIZE[len(data)]:
        case "G":
            time = _date(MbusTime("G"), data, 0)
        case "F":
            summer, valid = bool(data[1] & 0x80), not data[0] & 0x80
            time = _date(
                _clock(MbusTime("F", is_valid=valid, is_summer=summer), data), data[2:], data[1] >> 5 & 3
            )
        case "I":
            summer, valid = bool(data[0] & 0x40), not data[1] & 0x80
            begun = _clock(MbusTime("I", is_valid=valid, is_summer=summer), data[1:])
            time = _date(begun._replace(second=_every(data[0] & 0x3F, SIXTY_EVERY)), data[3:], 0)
        case "J":
            time = _clock(MbusTime("J"), data[1:])._replace(second=_every(data[0] & 0x3F, SIXTY_EVERY))
    return time if _is_possible(time) else None


def _clock(time: MbusTime, data: bytes) -> MbusTime:
    return time._replace(minute=_every(data[0] & 0x3F, SIXTY_EVERY), hour=_every(data[1] & 0x1F, HOUR_EVERY))


def _date(time: MbusTime, data: bytes, hundreds: int) -> MbusTime:
    day, month = data[0] & 0x1F, data[1] & 0x0F
    year = data[0] >> 5 | (data[1] & 0xF0) >> 1
    full = None if year == YEAR_EVERY else _full_year(year, hundreds)
    return time._replace(year=full, month=_every(month, MONTH_EVERY), day=_every(day, DAY_EVERY))


def _full_year(year: int, hundreds: int) -> int:
    """With hundreds only in type F; those of old meters are 0, and two digits are left (annex A, type F).

    0 for a year that is none: 100 to 126.
    """
    if year > YEAR_MAX:
        return 0
    if hundreds == 0 and year <= CENTURY_BORDER:
        return 2000 + year
    return 1900 + 100 * hundreds + year


def _is_possible(time: MbusTime) -> bool:
    """Whether each field is within what it may be; a month 0 or hour 27 makes it no time."""
    return (
        time.year != 0
        and (time.month is None or 1 <= time.month <= 12)
        and (time.hour is None or time.hour <= 23)
        and (time.minute is None or time.minute <= 59)
        and (time.second is None or time.second <= 59)
    )


def _every(number: int, mark: int) -> int | None:
    return None if number == mark else number


def _shown(number: int | None, digits: int = 2) -> str:
    return "*" if number is None else f"{number:0{digits}}"


def encode_time(time: MbusTime) -> bytes:
    """The bytes of a time, low byte first; ValueError for a year that its type cannot tell."""
    seconds, minutes = _sent(time.second, SIXTY_EVERY), _sent(time.minute, SIXTY_EVERY)
    hours = _sent(time.hour, HOUR_EVERY)
    if time.type == "J":
        return bytes((seconds, minutes, hours))
    date, hundreds = _date_bytes(time)
    summer, invalid = time.is_summer, not time.is_valid
    if time.type == "G":
        return date
    if time.type == "F":
        return bytes((minutes | invalid << 7, hours | hundreds << 5 | summer << 7)) + date
    return bytes((seconds | summer << 6, minutes | invalid << 7, hours)) + date + b"\0"


def _date_bytes(time: MbusTime) -> tuple[bytes, int]:
    year, hundreds = YEAR_EVERY, 0
    if time.year is not None:
        year, hundreds = _short_year(time.year, with_hundreds=time.type == "F")
    day, month = _sent(time.day, DAY_EVERY), _sent(time.month, MONTH_EVERY)
    return bytes((day | (year & 7) << 5, month | (year & 0x78) << 1)), hundreds


def _short_year(year: int, *, with_hundreds: bool) -> tuple[int, int]:
    if 2000 <= year <= 2000 + CENTURY_BORDER:
        return year - 2000, int(with_hundreds)
    if 1900 + CENTURY_BORDER < year < 2000:
        return year - 1900, 0
    hundreds, short = divmod(year - 1900, 100)
    if with_hundreds and 1 <= hundreds <= _HUNDREDS_MAX:
        return short, hundreds
    raise ValueError(f"the year {year} cannot be told")


def _sent(number: int | None, mark: int) -> int:
    return mark if number is None else number
