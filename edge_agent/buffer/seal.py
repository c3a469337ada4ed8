"""From readings to batches that fit into a message. Pure.

Rules that keep it so: nothing is rounded: a value that needs more decimals than its series has makes a
new table, and a table is only taken into use while there is room for that (`check_table`); one batch holds
one boot, one piece of the wall clock, one table; a batch too large is halved by time, then by series, until
each half fits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from edge_agent.buffer.journal import Stretch
from edge_agent.reading import Reading
from protocols.uplink.cbor import (
    EXPONENT_MAX,
    STREAM_MAX,
    TooLargeError,
    decode_table,
    encode_message,
    encode_table,
    table_hash,
)
from protocols.uplink.columns import Slot, plan_columns
from protocols.uplink.cose import PAYLOAD_SIZE_BYTES_MAX
from protocols.uplink.messages import Batch, Series, SeriesTable
from protocols.value import NullCause

STICKY_EXPONENT_MIN = -12
SLOTS_PER_BATCH_MAX = 8192  # no batch of more can fit: it is halved without being encoded first
SEQUENCE_PLACEHOLDER = 2**40  # at least as long in CBOR as any sequence that replaces it
DICTIONARY_REST_BYTES_MAX = 19  # of a dictionary message, beside its table: array, type, place, string head
TABLE_SIZE_BYTES_MAX = PAYLOAD_SIZE_BYTES_MAX - DICTIONARY_REST_BYTES_MAX
TABLE_SPARE_BYTES_MIN = 1024


class PlannedBatch(NamedTuple):
    """A batch that fits, still without its place in a stream, and what it holds."""

    batch: Batch
    readings: int
    from_ms: int
    to_ms: int
    size_bytes: int


class SealPlan(NamedTuple):
    """`exponents`: what series came to need, to be kept for the generations that follow."""

    table_bytes: bytes
    batches: list[PlannedBatch]
    exponents: dict[int, int]


def check_table(table: SeriesTable) -> bytes:
    """The table's bytes; ValueError, naming the next step, for one that is not to be taken into use.

    An exponent from -25 on is one byte longer in CBOR (RFC 8949, section 3): so much may each series grow.
    """
    series = sum(len(meter.series) for meter in table)
    size_bytes_max = TABLE_SIZE_BYTES_MAX - max(TABLE_SPARE_BYTES_MIN, series)
    step = "configure fewer meters on this gateway, or narrow their `quantities`"
    try:
        table_bytes = encode_table(table)
    except TooLargeError as error:
        raise ValueError(f"{len(table)} meters with {series} series: {error}; {step}") from error
    if len(table_bytes) > size_bytes_max:
        raise ValueError(
            f"{len(table)} meters with {series} series make a dictionary of {len(table_bytes)} bytes, at most"
            f" {size_bytes_max} leave room for finer decimals; {step}"
        )
    return table_bytes


def plan_seal(stretch: Stretch, exponents: Mapping[int, int]) -> SealPlan:
    """Batches for a stretch. `exponents`: finer ones that series needed before, by series number.

    ProtocolError where the stretch's table is damaged, TooLargeError where no dictionary can hold what it
    has to become.
    """
    series = _flat(decode_table(stretch.table_bytes))
    readings = [_carriable(reading) for reading in stretch.readings]
    finer = _needed_exponents(readings, series, exponents)
    table_bytes = stretch.table_bytes
    if any(finer[n] < series[n].exponent for n in finer):
        table_bytes = encode_table(_with_exponents(decode_table(table_bytes), finer))
    if len(table_bytes) > TABLE_SIZE_BYTES_MAX:
        raise TooLargeError(f"a table of {len(table_bytes)} bytes, at most {TABLE_SIZE_BYTES_MAX} fit")
    units = [min(s.exponent, finer.get(n, s.exponent)) for n, s in enumerate(series)]
    slots = [_slot(reading, units[reading.series]) for reading in readings]
    slots.sort(key=lambda slot: (slot.due_ms, slot.series))
    empty = Batch(
        STREAM_MAX, SEQUENCE_PLACEHOLDER, stretch.boot, 0, stretch.wall, table_hash(table_bytes), (), (), ()
    )
    batches = list(_split(slots, empty, [s.interval_ms for s in series])) if slots else []
    kept = {n: e for n, e in finer.items() if e >= STICKY_EXPONENT_MIN}
    return SealPlan(table_bytes, batches, {**exponents, **kept})


def _flat(table: SeriesTable) -> list[Series]:
    return [series for meter in table for series in meter.series]


def _carriable(reading: Reading) -> Reading:
    """A value with more decimals than the format has is no measurement: it becomes a null."""
    if reading.value is None or reading.value.exponent >= -EXPONENT_MAX:
        return reading
    if reading.value.normalised().exponent >= -EXPONENT_MAX:
        return reading._replace(value=reading.value.normalised())
    return reading._replace(value=None, remark=NullCause.CORRUPT)


def _needed_exponents(
    readings: Sequence[Reading], series: Sequence[Series], known: Mapping[int, int]
) -> dict[int, int]:
    """The finest exponent for each series that needs a finer one than the table gives."""
    finer = {n: e for n, e in known.items() if n < len(series)}
    for reading in readings:
        value = reading.value
        limit = finer.get(reading.series, series[reading.series].exponent)
        if value is not None and value.exponent < limit:
            exponent = value.normalised().exponent
            if exponent < limit:
                finer[reading.series] = exponent
    return finer


def _with_exponents(table: SeriesTable, finer: Mapping[int, int]) -> SeriesTable:
    numbered = iter(range(sum(len(meter.series) for meter in table)))
    return tuple(
        replace(meter, series=tuple(_refined(s, finer.get(next(numbered), s.exponent)) for s in meter.series))
        for meter in table
    )


def _refined(series: Series, exponent: int) -> Series:
    return replace(series, exponent=min(exponent, series.exponent))


def _slot(reading: Reading, exponent: int) -> Slot:
    series, due_ms, time_ms, value, remark = reading
    integer = None if value is None else value.rescaled(exponent).integer
    return Slot(series, due_ms, time_ms, integer, int(remark))


def _split(slots: list[Slot], empty: Batch, intervals_ms: Sequence[int]) -> Iterator[PlannedBatch]:
    """`slots` are in order of time. Recursion ends at single slots, at most 15 + 12 halvings deep."""
    planned = _plan(slots, empty, intervals_ms) if len(slots) <= SLOTS_PER_BATCH_MAX else None
    if planned is not None:
        yield planned
    elif len(slots) == 1:
        yield from _split([slots[0]._replace(integer=None, remark=NullCause.CORRUPT)], empty, intervals_ms)
    else:
        for half in _halves(slots):
            yield from _split(half, empty, intervals_ms)


def _plan(slots: Sequence[Slot], empty: Batch, intervals_ms: Sequence[int]) -> PlannedBatch | None:
    """The batch, or None where it is beyond what a message may hold."""
    t0_ms, axes, columns, marks = plan_columns(slots, intervals_ms)
    batch = replace(empty, t0_ms=t0_ms, axes=axes, columns=columns, marks=marks)
    try:
        payload = encode_message(batch)
    except ValueError:
        if len(slots) == 1 and slots[0].integer is None:
            raise  # not the value's fault: a bug
        return None
    return PlannedBatch(batch, len(slots), slots[0].due_ms, slots[-1].due_ms, len(payload))


def _halves(slots: list[Slot]) -> tuple[list[Slot], list[Slot]]:
    """By time where there is more than one due time, else by series."""
    due = sorted({slot.due_ms for slot in slots})
    if len(due) > 1:
        middle_ms = due[len(due) // 2]
        place = next(i for i, slot in enumerate(slots) if slot.due_ms >= middle_ms)
    else:
        place = len(slots) // 2
    return slots[:place], slots[place:]
