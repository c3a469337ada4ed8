"""The content of uplink messages, version 1, as frozen types. docs/uplink.md is the specification.

Numbers given here are permanent. Times are milliseconds on the boot-time axis of a numbered boot;
UTC is an annotation (`Wall`). Values are integers; their exponent stands in the dictionary.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import NamedTuple

MESSAGE_SIZE_BYTES_MAX = 16 * 1024
RECEIPT_RANGES_MAX = 64


class MessageType(enum.IntEnum):
    BATCH = 1
    DICTIONARY = 2
    GAP = 3
    TIME_MAP = 4
    EVENT = 5
    RECEIPT = 6
    REQUEST = 7


class ClockSource(enum.IntEnum):
    """Who vouches for the offset to UTC."""

    GNSS = 1
    NTP = 2
    RTC = 3
    OPERATOR = 4  # the configuration states that this machine's clock is kept right by other means
    RECEIPT = 5
    NEIGHBOURS = 6  # no clock at all: the interval between the boots before and after


class Medium(enum.IntEnum):
    """OBIS value group A (IEC 62056-61), 0 for what is no metered medium."""

    NONE = 0
    ELECTRICITY = 1
    HEAT_COST = 4
    COOLING = 5
    HEAT = 6
    GAS = 7
    COLD_WATER = 8
    HOT_WATER = 9


class Wall(NamedTuple):
    """UTC in ms since 1970 = boot time in ms + `offset_ms`, within +-`uncertainty_ms`."""

    offset_ms: int
    source: int
    uncertainty_ms: int


@dataclass(frozen=True, slots=True)
class Series:
    """A quantity of a meter as the dictionary states it.

    Slots are due at `offset_ms` + k x `interval_ms`, counted in UTC where the clock is trusted, else
    on the boot axis. `baseline`, `order`, `k_first`, `k` parameterise encoding 1 and are 0 before it.
    """

    quantity: int
    exponent: int
    interval_ms: int
    offset_ms: int = 0
    baseline: int = 0
    order: int = 0
    k_first: int = 0
    k: int = 0


@dataclass(frozen=True, slots=True)
class DictionaryMeter:
    """An installed device. `valid_from_ms` is UTC in ms, or None where it is not known."""

    id: str
    metering_point: str
    serial: str
    maker: str
    model: str
    medium: int
    ratio: tuple[int, int]
    valid_from_ms: int | None
    series: tuple[Series, ...]


SeriesTable = tuple[DictionaryMeter, ...]
"""A series' number in batches is its place when all meters' series are written one after another."""


@dataclass(frozen=True, slots=True)
class Dictionary:
    stream: int
    sequence: int
    table: SeriesTable


class Axis(NamedTuple):
    """Slots at `start_ms` + i x `step_ms` after the batch's t0, for i below `slots`.

    `deviations_ms[i]` is when the reading was really taken, relative to its slot; empty: all zero.
    """

    start_ms: int
    step_ms: int
    slots: int
    deviations_ms: tuple[int, ...] = ()


class Column(NamedTuple):
    """The values of one series on one axis; None where the slot has no value."""

    series: int
    axis: int
    values: tuple[int | None, ...]


class Mark(NamedTuple):
    """A rectangle of remarks: columns [first, first + columns) x slots [slot, slot + slots).

    `code` is a NullCause where the value is None, Quality bits where there is one. A null without a
    mark is not allowed.
    """

    column: int
    columns: int
    slot: int
    slots: int
    code: int


@dataclass(frozen=True, slots=True)
class Batch:
    stream: int
    sequence: int
    boot: int
    t0_ms: int
    wall: Wall | None
    dictionary: bytes  # first 8 bytes of SHA-256 over the dictionary's table bytes
    axes: tuple[Axis, ...]
    columns: tuple[Column, ...]
    marks: tuple[Mark, ...]


class GapCause(enum.IntEnum):
    """Why readings are missing."""

    UNCLEAN_STOP = 1  # killed, crashed or without power: from the last flush on
    STOPPED = 2  # stopped in an orderly way
    EVICTED = 3  # the buffer's bound was reached; the sequence range names the messages
    STORAGE_FULL = 4  # nothing could be written
    STORAGE_DAMAGED = 5
    RECEIPT_WITHDRAWN = 6  # a restored backend no longer has what it had acknowledged
    OVERLOAD = 7  # the recorder's queue was full


class Instant(NamedTuple):
    """A point on the boot axis."""

    boot: int
    ms: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Readings that are missing, from `start` (exclusive) to `end` (exclusive); None: not known.

    `series`: numbers in the dictionary named, or empty for all series of the stream. `sequences`:
    first and last sequence of evicted messages. `count`: readings lost, or None where not known.
    `widened`: the gap covers more than is known to be missing.
    """

    stream: int
    sequence: int
    cause: int
    start: Instant | None
    end: Instant | None
    count: int | None
    sequences: tuple[int, int] | None = None
    dictionary: bytes | None = None
    series: tuple[int, ...] = ()
    widened: bool = False


class TimePiece(NamedTuple):
    """UTC in ms = boot ms + `offset_ms` + `drift_ppb` x (boot ms - `from_ms`) / 10^9, on [from, to]."""

    boot: int
    from_ms: int
    to_ms: int
    offset_ms: int
    drift_ppb: int
    uncertainty_ms: int
    source: int


@dataclass(frozen=True, slots=True)
class TimeMap:
    stream: int
    sequence: int
    pieces: tuple[TimePiece, ...]


EventDetail = int | str | bytes | bool | None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened and matters now. `code` is stable text ("fault.raised", "agent.start")."""

    stream: int
    sequence: int
    at: Instant
    wall: Wall | None
    code: str
    subject: str
    details: dict[str, EventDetail] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the backend holds of a stream: everything up to `held_to`, and `ranges` above that.

    `held_to` is the last sequence of the contiguous run that starts at 0, or -1 while 0 is missing.
    """

    epoch: int
    counter: int
    stream: int
    held_to: int
    ranges: tuple[tuple[int, int], ...]
    dictionaries_wanted: tuple[bytes, ...]
    credit: int
    time_ms: int


@dataclass(frozen=True, slots=True)
class Request:
    """What the backend asks for: ranges to send again, dictionaries, or the open interval sealed now."""

    epoch: int
    counter: int
    stream: int
    ranges: tuple[tuple[int, int], ...]
    dictionaries: tuple[bytes, ...]
    seal_now: bool


@dataclass(frozen=True, slots=True)
class Unknown:
    """A message of a type that this version does not know: kept, verified, counted."""

    type: int
    stream: int | None
    sequence: int | None


Message = Batch | Dictionary | Gap | TimeMap | Event | Receipt | Request | Unknown
