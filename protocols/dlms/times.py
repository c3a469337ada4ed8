"""Dates and times of COSEM: 12 bytes, any of which may say "not specified" (IEC 62056-6-2, 4.1.6.1).

    year year month day weekday hour minute second hundredths deviation deviation status

The deviation is what must be added to the local time to get UTC, in minutes: -120 in central Europe's summer.
"""

from __future__ import annotations

import datetime as dt
import struct
from typing import NamedTuple

DATE_TIME_BYTES = 12
DEVIATION_MIN_MAX = 720
_LAYOUT = struct.Struct(">HBBBBBBBhB")
_YEAR_ANY, _ANY, _DEVIATION_ANY = 0xFFFF, 0xFF, -0x8000
INVALID, DOUBTFUL, SUMMER_TIME = 0x01, 0x02, 0x80  # bits of the status


class DlmsTime(NamedTuple):
    """A date with time; None where a field is not specified. A month of 254 or 253, or a day of those, is one
    of the standard's rules ("last day"), kept as it came. `status`: bits, see INVALID, DOUBTFUL, SUMMER_TIME.
    """

    year: int | None
    month: int | None
    day: int | None
    weekday: int | None
    hour: int | None
    minute: int | None
    second: int | None
    hundredths: int | None
    deviation_min: int | None
    status: int | None

    @property
    def is_valid(self) -> bool:
        """Whether it names a second, and the meter does not call its clock wrong."""
        return self._local() is not None and not (self.status or 0) & INVALID

    def text(self) -> str | None:
        """`2023-04-01T21:32:35+02:00`, without the offset where it is not told; None where it is no date."""
        local = self._local()
        if local is None:
            return None
        date = local.strftime("%Y-%m-%dT%H:%M:%S")
        if self.deviation_min is None:
            return date
        hours, minutes = divmod(abs(self.deviation_min), 60)
        return f"{date}{'-' if self.deviation_min > 0 else '+'}{hours:02}:{minutes:02}"

    def _local(self) -> dt.datetime | None:
        if None in (self.year, self.month, self.day, self.hour, self.minute):
            return None
        try:
            return dt.datetime(  # noqa: DTZ001 - local time as the meter has it; the deviation stands beside
                self.year or 0,
                self.month or 0,
                self.day or 0,
                self.hour or 0,
                self.minute or 0,
                self.second or 0,
            )
        except ValueError:
            return None


def decode_time(octets: bytes) -> DlmsTime | None:
    """Twelve bytes as a date with time; None where they cannot be one."""
    if len(octets) != DATE_TIME_BYTES:
        return None
    year, month, day, weekday, hour, minute, second, hundredths, deviation, status = _LAYOUT.unpack(octets)
    possible = (
        (month <= 12 or month >= 253)
        and (day <= 31 or day >= 253)
        and (weekday <= 7 or weekday == _ANY)
        and (hour <= 23 or hour == _ANY)
        and (minute <= 59 or minute == _ANY)
        and (second <= 59 or second == _ANY)
        and (hundredths <= 99 or hundredths == _ANY)
        and (abs(deviation) <= DEVIATION_MIN_MAX or deviation == _DEVIATION_ANY)
    )
    if not possible:
        return None

    def told(field: int) -> int | None:
        return None if field == _ANY else field

    return DlmsTime(
        None if year == _YEAR_ANY else year,
        told(month),
        told(day),
        told(weekday),
        told(hour),
        told(minute),
        told(second),
        told(hundredths),
        None if deviation == _DEVIATION_ANY else deviation,
        told(status),
    )


def encode_time(time: DlmsTime) -> bytes:
    """The date on the wire; struct.error for fields that do not fit."""
    fields = [_ANY if field is None else field for field in time[1:8]]
    return _LAYOUT.pack(
        _YEAR_ANY if time.year is None else time.year,
        *fields,
        _DEVIATION_ANY if time.deviation_min is None else time.deviation_min,
        _ANY if time.status is None else time.status,
    )
