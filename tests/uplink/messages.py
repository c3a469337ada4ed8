"""Strategies that make any valid message, and one plain example of each type."""

from __future__ import annotations

from hypothesis import strategies as st

from protocols.uplink import cbor
from protocols.uplink.columns import Slot, plan_columns
from protocols.uplink.messages import (
    RECEIPT_RANGES_MAX,
    Batch,
    Dictionary,
    DictionaryMeter,
    Event,
    Gap,
    GapCause,
    Instant,
    Message,
    Receipt,
    Request,
    Series,
    SeriesTable,
    TimeMap,
    TimePiece,
    Wall,
)

TABLE: SeriesTable = (
    DictionaryMeter(
        *("hall-1", "DE00056266802AO6G56M11SN51G21M24S", "23041177", "Eastron", "SDM630"),
        medium=1,
        ratio=(1, 1),
        valid_from_ms=1_767_225_600_000,
        series=(Series(1, -3, 60_000), Series(20, -1, 60_000)),
    ),
    DictionaryMeter(
        *("flat-2", "", "1EMH0012345678", "EMH", "ED300L"),
        medium=1,
        ratio=(40, 1),
        valid_from_ms=None,
        series=(Series(1, -4, 900_000, 30_000),),
    ),
)
TABLE_HASH = cbor.table_hash(cbor.encode_table(TABLE))

SLOTS = [
    *(Slot(0, 3_600_000 + 60_000 * i, 3_600_000 + 60_000 * i + late, 1_234_567 + 3 * i, 0)
      for i, late in enumerate((12, 15, 11))),
    *(Slot(1, 3_600_000 + 60_000 * i, 3_600_000 + 60_000 * i + late, power, remark)
      for i, (late, power, remark) in enumerate(((12, 2301, 0), (15, None, 2), (11, -17, 8)))),
    Slot(2, 3_604_321, 3_604_321, 2**64, 2),
]  # fmt: skip


def batch_of(slots: list[Slot], intervals_ms: list[int], wall: Wall | None = None) -> Batch:
    t0_ms, axes, columns, marks = plan_columns(slots, intervals_ms)
    return Batch(0x1D2C3B4A, 7, 12, t0_ms, wall, TABLE_HASH, axes, columns, marks)


EXAMPLES: dict[str, Message] = {
    "batch": batch_of(SLOTS, [60_000, 60_000, 900_000], Wall(1_790_000_000_000, 2, 25)),
    "batch without trusted clock": batch_of(SLOTS[:1], [60_000]),
    "dictionary": Dictionary(0x1D2C3B4A, 6, TABLE),
    "gap after an unclean stop": Gap(
        0x1D2C3B4A, 8, GapCause.UNCLEAN_STOP, Instant(12, 3_720_011), Instant(13, 21_400), None
    ),
    "gap of evicted messages": Gap(
        *(0x1D2C3B4A, 9, GapCause.EVICTED, Instant(9, 0), Instant(11, 90_000_000), 4711, (2, 5)),
        dictionary=TABLE_HASH,
        series=(0, 2),
        widened=True,
    ),
    "time map": TimeMap(
        0x1D2C3B4A,
        10,
        (TimePiece(11, -5_000, 90_000_000, 1_789_900_000_000, -1_250, 400, 2),),
    ),
    "event": Event(
        *(0x1D2C3B4A, 11, Instant(13, 25_000), Wall(1_790_000_000_000, 4, 1_000)),
        code="meter.exchanged",
        subject="hall-1",
        details={"new": "23041178", "old": "23041177", "end": 1_234_576, "seen": True, "note": None},
    ),
    "receipt": Receipt(
        *(1_790_000_000, 42, 0x1D2C3B4A, 5, ((7, 9), (11, 11)), (TABLE_HASH,), 32, 1_790_003_700_000)
    ),
    "request": Request(1_790_000_000, 43, 0x1D2C3B4A, ((2, 5),), (TABLE_HASH,), True),
}  # fmt: skip

numbers = st.integers(0, cbor.NUMBER_MAX)
streams = st.integers(0, cbor.STREAM_MAX)
times_ms = st.integers(-cbor.TIME_MS_MAX, cbor.TIME_MS_MAX)
durations_ms = st.integers(0, cbor.TIME_MS_MAX)
values = st.one_of(st.integers(-(2**40), 2**40), st.integers(-(2**500), 2**500))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
hashes = st.binary(min_size=8, max_size=8)
walls = st.none() | st.builds(Wall, times_ms, st.integers(1, 255), durations_ms)
instants = st.builds(Instant, numbers, times_ms)

slots = st.builds(
    Slot,
    st.integers(0, 4),
    st.integers(0, 12).map(lambda n: n * 500) | st.integers(-(10**6), 10**6),
    st.integers(-(10**6), 10**6),
    st.just(5),
    st.just(0),
).flatmap(
    lambda slot: st.one_of(
        st.builds(slot._replace, integer=values, remark=st.sampled_from((0, 0, 0, 1, 2))),
        st.builds(slot._replace, integer=st.none(), remark=st.sampled_from((1, 1, 2))),
    )
)
intervals_ms = st.lists(st.sampled_from((0, 500, 1000, 60_000)), min_size=5, max_size=5)
batches = st.builds(batch_of, st.lists(slots, max_size=25), intervals_ms, walls)

series = st.builds(
    Series,
    st.integers(1, 2**31 - 1),
    st.integers(-63, 63),
    durations_ms,
    durations_ms,
    values,
    st.integers(0, 3),
    st.integers(0, 63),
    st.integers(0, 63),
)
meters = st.builds(
    DictionaryMeter,
    *[texts] * 5,
    st.integers(0, 255),
    st.tuples(st.integers(1, cbor.NUMBER_MAX), st.integers(1, cbor.NUMBER_MAX)),
    st.none() | times_ms,
    st.lists(series, max_size=4).map(tuple),
)
tables = st.lists(meters, max_size=4, unique_by=lambda meter: meter.id).map(tuple)


@st.composite
def ranges(draw: st.DrawFn, above: int = -1) -> tuple[tuple[int, int], ...]:
    steps = st.tuples(st.integers(2, 10**6), st.integers(0, 10**6))
    found = []
    for hole, length in draw(st.lists(steps, max_size=RECEIPT_RANGES_MAX)):
        found.append((above + hole, above + hole + length))
        above += hole + length
    return tuple(found)


@st.composite
def gaps(draw: st.DrawFn) -> Gap:
    numbers_of_series = tuple(draw(st.lists(st.integers(0, 4095), max_size=5, unique=True)))
    return Gap(
        draw(streams),
        draw(numbers),
        draw(st.integers(1, 255)),
        draw(st.none() | instants),
        draw(st.none() | instants),
        draw(st.none() | numbers),
        draw(st.none() | st.tuples(numbers, numbers).map(lambda pair: (min(pair), max(pair)))),
        draw(hashes if numbers_of_series else st.none() | hashes),
        numbers_of_series,
        draw(st.booleans()),
    )


@st.composite
def receipts(draw: st.DrawFn) -> Receipt:
    held_to = draw(st.integers(-1, 10**9))
    wanted = tuple(draw(st.lists(hashes, max_size=4, unique=True)))
    head = (draw(numbers), draw(numbers), draw(streams))
    return Receipt(*head, held_to, draw(ranges(held_to)), wanted, draw(numbers), draw(times_ms))


pieces = st.builds(
    TimePiece,
    *(numbers, times_ms, times_ms, times_ms, st.integers(-(10**9), 10**9), durations_ms),
    st.integers(1, 255),
)
details = st.dictionaries(
    texts, st.one_of(values, texts, st.binary(max_size=20), st.booleans(), st.none()), max_size=5
)
messages = st.one_of(
    batches,
    st.builds(Dictionary, streams, numbers, tables),
    gaps(),
    st.builds(TimeMap, streams, numbers, st.lists(pieces, min_size=1, max_size=4).map(tuple)),
    st.builds(Event, streams, numbers, instants, walls, texts, texts, details),
    receipts(),
    st.builds(
        *(Request, numbers, numbers, streams, ranges(-2)),
        st.lists(hashes, max_size=4, unique=True).map(tuple),
        st.booleans(),
    ),
)


def minute_batch(count: int) -> Batch:
    """`count` readings of one series, one a minute."""
    return batch_of([Slot(0, 60_000 * i, 60_000 * i, i, 0) for i in range(count)], [60_000])
