"""Message content to payload bytes and back; docs/uplink.md describes every field.

Decoding is strict and bounded: any bytes give a message or a ProtocolError. Two things are let pass, so
that later versions can add: message types and batch encodings not known here (as `Unknown`), and further
members at the end of a message array, of a dictionary's meter row and of its series row.

Error codes: "uplink.cbor" (not the CBOR subset), "uplink.field" (a field of the wrong type or out of its
range), "uplink.duplicate" (two of what may be there once), "uplink.batch" (axes, columns and marks that
contradict each other).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from protocols.errors import ProtocolError
from protocols.uplink.cose import PAYLOAD_SIZE_BYTES_MAX
from protocols.uplink.deterministic import read_item, write_item
from protocols.uplink.messages import (
    RECEIPT_RANGES_MAX,
    Axis,
    Batch,
    Column,
    Dictionary,
    DictionaryMeter,
    Event,
    EventDetail,
    Gap,
    Instant,
    Mark,
    Message,
    MessageType,
    Receipt,
    Request,
    Series,
    SeriesTable,
    TimeMap,
    TimePiece,
    Unknown,
    Wall,
)

STREAM_MAX = 2**32 - 1
NUMBER_MAX = 2**63 - 1  # sequences, counters, boots: what a 64-bit signed integer holds
TIME_MS_MAX = 2**53  # either way; 285,000 years
EXPONENT_MAX = 63
TEXT_SIZE_BYTES_MAX = 256
DETAIL_SIZE_BYTES_MAX = 1024
DETAILS_MAX = 32
AXES_MAX = 2048
COLUMNS_MAX = 4096
SLOTS_MAX = 16_384  # on one axis
METERS_MAX = 1024
SERIES_MAX = 4096
REMARK_MAX = 255
HASH_SIZE_BYTES = 8
DICTIONARIES_WANTED_MAX = 64
PIECES_MAX = 256

_PLAIN = 0  # encoding of a batch's body


class TooLargeError(ValueError):
    """A message that does not fit 16 KiB: the caller splits it."""


def encode_message(message: Message) -> bytes:
    """The payload; TooLargeError above the size bound, ValueError for content that no receiver would accept.

    What will be signed is decoded once before it leaves, so that nothing unreadable is ever signed.
    """
    payload = write_item(_content(message))
    if len(payload) > PAYLOAD_SIZE_BYTES_MAX:
        raise TooLargeError(f"a payload of {len(payload)} bytes, at most {PAYLOAD_SIZE_BYTES_MAX} fit")
    try:
        decoded = decode_message(payload)
    except ProtocolError as wrong:
        raise ValueError(f"not a valid message: {wrong}") from wrong
    if decoded != message:
        raise ValueError(f"{type(message).__name__} does not survive its encoding")
    return payload


def decode_message(payload: bytes) -> Message:
    """The content of a payload; ProtocolError for anything that docs/uplink.md does not allow."""
    fields = _read_fields(payload)
    kind = _integer(fields[0], "type", 0, NUMBER_MAX)
    reader = _READERS.get(kind)
    if reader is None:
        return _unknown(kind, fields)
    width, read = reader
    if len(fields) < width:
        raise _field(f"a message of type {kind} has at least {width} members, this one {len(fields)}")
    return read(fields)


def read_header(payload: bytes) -> Unknown:
    """Type, stream and sequence alone, for a message whose content cannot be read."""
    fields = _read_fields(payload)
    return _unknown(_integer(fields[0], "type", 0, NUMBER_MAX), fields)


def encode_table(table: SeriesTable) -> bytes:
    """The dictionary's table, whose hash batches name; ValueError for a table no receiver would accept."""
    data = write_item([_meter_row(meter) for meter in table])
    if len(data) > PAYLOAD_SIZE_BYTES_MAX:
        raise TooLargeError(f"a dictionary of {len(data)} bytes, at most {PAYLOAD_SIZE_BYTES_MAX} fit")
    try:
        decode_table(data)
    except ProtocolError as wrong:
        raise ValueError(f"not a valid dictionary: {wrong}") from wrong
    return data


def decode_table(data: bytes) -> SeriesTable:
    """The meters and series of a dictionary."""
    rows = _array(read_item(data, "uplink.cbor", PAYLOAD_SIZE_BYTES_MAX), "table", 0, METERS_MAX)
    table = tuple(_read_meter(row) for row in rows)
    _unique([meter.id for meter in table], "meter id")
    if sum(len(meter.series) for meter in table) > SERIES_MAX:
        raise _field(f"more than {SERIES_MAX} series")
    return table


def table_hash(table_bytes: bytes) -> bytes:
    """The name by which batches refer to a dictionary."""
    return hashlib.sha256(table_bytes).digest()[:HASH_SIZE_BYTES]


def payload_hash(payload: bytes) -> bytes:
    """SHA-256 of a payload: two messages with the same place and the same hash are one message."""
    return hashlib.sha256(payload).digest()


def table_bytes_of(payload: bytes) -> bytes:
    """The table of a dictionary message exactly as it came; its hash must not depend on re-encoding."""
    fields = _read_fields(payload)
    if fields[0] != MessageType.DICTIONARY or len(fields) < 4:
        raise _field("not a dictionary")
    return _bytes(fields[3], "table", 0, PAYLOAD_SIZE_BYTES_MAX)


# Content to lists


def _content(message: Message) -> list[Any]:  # noqa: PLR0911  (one line for each type)
    match message:
        case Batch():
            return [1, *_place(message), *_batch_rest(message)]
        case Dictionary():
            return [2, *_place(message), encode_table(message.table)]
        case Gap():
            return [3, *_place(message), *_gap_rest(message)]
        case TimeMap():
            return [4, *_place(message), [list(piece) for piece in message.pieces]]
        case Event():
            at, wall = list(message.at), _optional_list(message.wall)
            return [5, *_place(message), at, wall, message.code, message.subject, message.details]
        case Receipt():
            return [6, *_receipt_rest(message)]
        case Request():
            ranges, wanted = [list(r) for r in message.ranges], list(message.dictionaries)
            return [7, message.epoch, message.counter, message.stream, ranges, wanted, message.seal_now]
        case Unknown():
            raise ValueError("a message of unknown type cannot be encoded")


def _place(message: Batch | Dictionary | Gap | TimeMap | Event) -> list[int]:
    return [message.stream, message.sequence]


def _optional_list(value: tuple[Any, ...] | None) -> list[Any] | None:
    return None if value is None else list(value)


def _batch_rest(batch: Batch) -> list[Any]:
    axes = [[a.start_ms, a.step_ms, a.slots, list(a.deviations_ms)] for a in batch.axes]
    columns = [[c.series, c.axis, list(c.values)] for c in batch.columns]
    body = [axes, columns, [list(mark) for mark in batch.marks]]
    return [batch.boot, batch.t0_ms, _optional_list(batch.wall), batch.dictionary, _PLAIN, body]


def _gap_rest(gap: Gap) -> list[Any]:
    bounds = [_optional_list(gap.start), _optional_list(gap.end)]
    named = [_optional_list(gap.sequences), gap.dictionary, list(gap.series)]
    return [int(gap.cause), *bounds, gap.count, *named, gap.widened]


def _receipt_rest(receipt: Receipt) -> list[Any]:
    ranges, wanted = [list(r) for r in receipt.ranges], list(receipt.dictionaries_wanted)
    head = [receipt.epoch, receipt.counter, receipt.stream, receipt.held_to]
    return [*head, ranges, wanted, receipt.credit, receipt.time_ms]


def _meter_row(meter: DictionaryMeter) -> list[Any]:
    rows = [
        [s.quantity, s.exponent, s.interval_ms, s.offset_ms, s.baseline, s.order, s.k_first, s.k]
        for s in meter.series
    ]
    texts = [meter.id, meter.metering_point, meter.serial, meter.maker, meter.model]
    return [*texts, int(meter.medium), list(meter.ratio), meter.valid_from_ms, rows]


# Lists to content


def _read_fields(payload: bytes) -> list[Any]:
    fields = read_item(payload, "uplink.cbor", PAYLOAD_SIZE_BYTES_MAX)
    if not isinstance(fields, list) or not fields:
        raise _field("a payload is an array that begins with its type")
    return fields


def _unknown(kind: int, fields: list[Any]) -> Unknown:
    """Types 8 and above carry stream and sequence in the second and third place, or are not in a stream."""
    numbers = fields[1:3]
    if len(numbers) == 2 and all(type(n) is int and n >= 0 for n in numbers):
        stream, sequence = numbers
        if stream <= STREAM_MAX and sequence <= NUMBER_MAX:
            return Unknown(kind, stream, sequence)
    return Unknown(kind, None, None)


def _read_place(fields: list[Any]) -> tuple[int, int]:
    stream = _integer(fields[1], "stream", 0, STREAM_MAX)
    return stream, _integer(fields[2], "sequence", 0, NUMBER_MAX)


def _read_batch(fields: list[Any]) -> Batch | Unknown:
    stream, sequence = _read_place(fields)
    boot = _integer(fields[3], "boot", 0, NUMBER_MAX)
    t0_ms = _time(fields[4], "t0")
    wall = _read_wall(fields[5])
    dictionary = _hash(fields[6])
    if _integer(fields[7], "encoding", 0, NUMBER_MAX) != _PLAIN:
        return Unknown(MessageType.BATCH, stream, sequence)
    body = _array(fields[8], "body", 3, 3)
    axes = tuple(_read_axis(row, t0_ms) for row in _array(body[0], "axes", 0, AXES_MAX))
    columns = tuple(_read_column(row, axes) for row in _array(body[1], "columns", 0, COLUMNS_MAX))
    marks = tuple(_read_mark(row) for row in _array(body[2], "marks", 0, SLOTS_MAX))
    _unique([(column.series, column.axis) for column in columns], "series on an axis")
    if {column.axis for column in columns} != set(range(len(axes))):
        raise ProtocolError("uplink.batch", "an axis without a column")
    _check_marks(columns, marks)
    return Batch(stream, sequence, boot, t0_ms, wall, dictionary, axes, columns, marks)


def _read_axis(row: Any, t0_ms: int) -> Axis:
    start, step, slots, deviations = _array(row, "axis", 4, 4)
    start_ms, step_ms = _time(start, "axis start"), _integer(step, "axis step", 0, TIME_MS_MAX)
    count = _integer(slots, "slots", 1, SLOTS_MAX)
    _time(t0_ms + start_ms + (count - 1) * step_ms, "last slot")
    _time(t0_ms + start_ms, "first slot")
    deviations_ms = tuple(_time(d, "deviation") for d in _array(deviations, "deviations", 0, SLOTS_MAX))
    if deviations_ms and len(deviations_ms) != count:
        raise ProtocolError("uplink.batch", f"{len(deviations_ms)} deviations on an axis of {count} slots")
    return Axis(start_ms, step_ms, count, deviations_ms)


def _read_column(row: Any, axes: tuple[Axis, ...]) -> Column:
    series, axis, values = _array(row, "column", 3, 3)
    number = _integer(series, "series", 0, SERIES_MAX - 1)
    place = _integer(axis, "axis", 0, AXES_MAX)
    if place >= len(axes):
        raise ProtocolError("uplink.batch", f"a column on axis {place} of {len(axes)}")
    slots = axes[place].slots
    for value in _array(values, "values", 0, SLOTS_MAX):
        if value is not None and type(value) is not int:
            raise _field("values are integers or null")
    if len(values) != slots:
        raise ProtocolError("uplink.batch", f"{len(values)} values on an axis of {slots} slots")
    return Column(number, place, tuple(values))


def _read_mark(row: Any) -> Mark:
    column, columns, slot, slots, code = _array(row, "mark", 5, 5)
    return Mark(
        _integer(column, "mark's column", 0, COLUMNS_MAX),
        _integer(columns, "mark's columns", 1, COLUMNS_MAX),
        _integer(slot, "mark's slot", 0, SLOTS_MAX),
        _integer(slots, "mark's slots", 1, SLOTS_MAX),
        _integer(code, "mark's code", 1, REMARK_MAX),
    )


def _check_marks(columns: tuple[Column, ...], marks: tuple[Mark, ...]) -> None:
    """Inside of their columns, without overlap, one on every null.

    Cells are painted; the areas are summed first, so that overlapping rectangles cost no more than cells.
    """
    cells = sum(len(column.values) for column in columns)
    if sum(mark.columns * mark.slots for mark in marks) > cells:
        raise ProtocolError("uplink.batch", "marks that overlap or reach outside")
    free = [set(range(len(column.values))) for column in columns]
    for mark in marks:
        if mark.column + mark.columns > len(columns):
            raise ProtocolError("uplink.batch", "a mark reaches outside of the columns")
        wanted = range(mark.slot, mark.slot + mark.slots)
        for left in free[mark.column : mark.column + mark.columns]:
            if not left.issuperset(wanted):
                raise ProtocolError("uplink.batch", "a mark overlaps another or reaches outside of its axis")
            left.difference_update(wanted)
    if any(columns[n].values[slot] is None for n, left in enumerate(free) for slot in left):
        raise ProtocolError("uplink.batch", "a null without a mark")


def _read_dictionary(fields: list[Any]) -> Dictionary:
    stream, sequence = _read_place(fields)
    return Dictionary(stream, sequence, decode_table(_bytes(fields[3], "table", 0, PAYLOAD_SIZE_BYTES_MAX)))


def _read_meter(row: Any) -> DictionaryMeter:
    values = _array(row, "meter", 9, None)
    ident, metering_point, serial, maker, model, medium, ratio, valid_from, rows = values[:9]
    numerator, denominator = _array(ratio, "ratio", 2, 2)
    return DictionaryMeter(
        id=_text(ident, "meter id", TEXT_SIZE_BYTES_MAX),
        metering_point=_text(metering_point, "metering point", TEXT_SIZE_BYTES_MAX),
        serial=_text(serial, "serial number", TEXT_SIZE_BYTES_MAX),
        maker=_text(maker, "maker", TEXT_SIZE_BYTES_MAX),
        model=_text(model, "model", TEXT_SIZE_BYTES_MAX),
        medium=_integer(medium, "medium", 0, 255),
        ratio=(_integer(numerator, "ratio", 1, NUMBER_MAX), _integer(denominator, "ratio", 1, NUMBER_MAX)),
        valid_from_ms=None if valid_from is None else _time(valid_from, "valid from"),
        series=tuple(_read_series(row) for row in _array(rows, "series", 0, SERIES_MAX)),
    )


def _read_series(row: Any) -> Series:
    values = _array(row, "series", 8, None)
    return Series(
        quantity=_integer(values[0], "quantity", 1, 2**31 - 1),
        exponent=_integer(values[1], "exponent", -EXPONENT_MAX, EXPONENT_MAX),
        interval_ms=_integer(values[2], "interval", 0, TIME_MS_MAX),
        offset_ms=_integer(values[3], "offset", 0, TIME_MS_MAX),
        baseline=_integer(values[4], "baseline"),
        order=_integer(values[5], "order", 0, 3),
        k_first=_integer(values[6], "k of the first", 0, 63),
        k=_integer(values[7], "k", 0, 63),
    )


def _read_gap(fields: list[Any]) -> Gap:
    stream, sequence = _read_place(fields)
    cause, start, end, count, sequences, dictionary, series, widened = fields[3:11]
    numbers = [_integer(n, "series", 0, SERIES_MAX - 1) for n in _array(series, "series", 0, SERIES_MAX)]
    _unique(numbers, "series of a gap")
    if numbers and dictionary is None:
        raise _field("a gap that names series names their dictionary")
    return Gap(
        stream,
        sequence,
        cause=_integer(cause, "cause", 1, REMARK_MAX),
        start=None if start is None else _read_instant(start),
        end=None if end is None else _read_instant(end),
        count=None if count is None else _integer(count, "count", 0, NUMBER_MAX),
        sequences=None if sequences is None else _read_range(sequences),
        dictionary=None if dictionary is None else _hash(dictionary),
        series=tuple(numbers),
        widened=_boolean(widened, "widened"),
    )


def _read_time_map(fields: list[Any]) -> TimeMap:
    stream, sequence = _read_place(fields)
    return TimeMap(stream, sequence, tuple(map(_read_piece, _array(fields[3], "pieces", 1, PIECES_MAX))))


def _read_piece(row: Any) -> TimePiece:
    boot, start, end, offset, drift, uncertainty, source = _array(row, "piece", 7, 7)
    return TimePiece(
        boot=_integer(boot, "boot", 0, NUMBER_MAX),
        from_ms=_time(start, "from"),
        to_ms=_time(end, "to"),
        offset_ms=_time(offset, "offset"),
        drift_ppb=_integer(drift, "drift", -(10**9), 10**9),
        uncertainty_ms=_integer(uncertainty, "uncertainty", 0, TIME_MS_MAX),
        source=_integer(source, "clock source", 1, REMARK_MAX),
    )


def _read_event(fields: list[Any]) -> Event:
    stream, sequence = _read_place(fields)
    at, wall, code, subject, details = fields[3:8]
    if not isinstance(details, dict) or len(details) > DETAILS_MAX:
        raise _field(f"details are a map of at most {DETAILS_MAX}")
    return Event(
        stream,
        sequence,
        at=_read_instant(at),
        wall=_read_wall(wall),
        code=_text(code, "code", TEXT_SIZE_BYTES_MAX),
        subject=_text(subject, "subject", TEXT_SIZE_BYTES_MAX),
        details={_text(k, "detail's name", TEXT_SIZE_BYTES_MAX): _detail(v) for k, v in details.items()},
    )


def _detail(value: Any) -> EventDetail:
    if value is None or type(value) in (int, bool):
        return value  # type: ignore[no-any-return]
    if isinstance(value, bytes):
        return _bytes(value, "detail", 0, DETAIL_SIZE_BYTES_MAX)
    return _text(value, "detail", DETAIL_SIZE_BYTES_MAX)


def _read_receipt(fields: list[Any]) -> Receipt:
    held_to = _integer(fields[4], "held to", -1, NUMBER_MAX)
    return Receipt(
        epoch=_integer(fields[1], "epoch", 0, NUMBER_MAX),
        counter=_integer(fields[2], "counter", 0, NUMBER_MAX),
        stream=_integer(fields[3], "stream", 0, STREAM_MAX),
        held_to=held_to,
        ranges=_read_ranges(fields[5], held_to + 1),
        dictionaries_wanted=_read_hashes(fields[6]),
        credit=_integer(fields[7], "credit", 0, NUMBER_MAX),
        time_ms=_time(fields[8], "time"),
    )


def _read_request(fields: list[Any]) -> Request:
    return Request(
        epoch=_integer(fields[1], "epoch", 0, NUMBER_MAX),
        counter=_integer(fields[2], "counter", 0, NUMBER_MAX),
        stream=_integer(fields[3], "stream", 0, STREAM_MAX),
        ranges=_read_ranges(fields[4], -1),
        dictionaries=_read_hashes(fields[5]),
        seal_now=_boolean(fields[6], "seal now"),
    )


def _read_ranges(value: Any, below: int) -> tuple[tuple[int, int], ...]:
    """Ascending, and apart by at least one sequence from each other and from `below`."""
    ranges = tuple(_read_range(row) for row in _array(value, "ranges", 0, RECEIPT_RANGES_MAX))
    for first, last in ranges:
        if first <= below:
            raise _field("ranges ascend and leave a hole between them")
        below = last + 1
    return ranges


def _read_range(row: Any) -> tuple[int, int]:
    first, last = (_integer(n, "sequence", 0, NUMBER_MAX) for n in _array(row, "range", 2, 2))
    if first > last:
        raise _field(f"a range from {first} to {last}")
    return first, last


def _read_hashes(value: Any) -> tuple[bytes, ...]:
    hashes = tuple(_hash(item) for item in _array(value, "dictionaries", 0, DICTIONARIES_WANTED_MAX))
    _unique(list(hashes), "dictionary hash")
    return hashes


def _read_wall(value: Any) -> Wall | None:
    if value is None:
        return None
    offset, source, uncertainty = _array(value, "wall", 3, 3)
    return Wall(
        _time(offset, "wall offset"),
        _integer(source, "clock source", 1, REMARK_MAX),
        _integer(uncertainty, "uncertainty", 0, TIME_MS_MAX),
    )


def _read_instant(value: Any) -> Instant:
    boot, ms = _array(value, "instant", 2, 2)
    return Instant(_integer(boot, "boot", 0, NUMBER_MAX), _time(ms, "instant"))


# Fields


def _field(text: str) -> ProtocolError:
    return ProtocolError("uplink.field", text)


def _integer(value: Any, name: str, least: int | None = None, most: int | None = None) -> int:
    if type(value) is not int:
        raise _field(f"{name} is not an integer")
    if (least is not None and value < least) or (most is not None and value > most):
        raise _field(
            f"{name} is {value if value.bit_length() <= 64 else 'beyond 64 bits'}: {least} to {most}"
        )
    return value


def _time(value: Any, name: str) -> int:
    return _integer(value, name, -TIME_MS_MAX, TIME_MS_MAX)


def _boolean(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise _field(f"{name} is not true or false")
    return value


def _bytes(value: Any, name: str, least: int, most: int) -> bytes:
    if not isinstance(value, bytes) or not least <= len(value) <= most:
        raise _field(f"{name} is not a byte string of {least} to {most} bytes")
    return value


def _hash(value: Any) -> bytes:
    return _bytes(value, "dictionary hash", HASH_SIZE_BYTES, HASH_SIZE_BYTES)


def _text(value: Any, name: str, size_bytes_max: int) -> str:
    if not isinstance(value, str) or len(value.encode()) > size_bytes_max:
        raise _field(f"{name} is not a text of at most {size_bytes_max} bytes")
    return value


def _array(value: Any, name: str, least: int, most: int | None) -> list[Any]:
    if not isinstance(value, list) or len(value) < least or (most is not None and len(value) > most):
        bound = f"{least} or more" if most is None else f"{least} to {most}"
        raise _field(f"{name} is not an array of {bound}")
    return value


def _unique(values: list[Any], name: str) -> None:
    if len(set(values)) != len(values):
        raise ProtocolError("uplink.duplicate", f"the same {name} twice")


_READERS: dict[int, tuple[int, Callable[[list[Any]], Message]]] = {
    MessageType.BATCH: (9, _read_batch),
    MessageType.DICTIONARY: (4, _read_dictionary),
    MessageType.GAP: (11, _read_gap),
    MessageType.TIME_MAP: (4, _read_time_map),
    MessageType.EVENT: (8, _read_event),
    MessageType.RECEIPT: (9, _read_receipt),
    MessageType.REQUEST: (7, _read_request),
}
"""The fewest members of each type, and what reads them."""
