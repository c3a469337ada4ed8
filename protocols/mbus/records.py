"""Data records of the application layer, wired and wireless M-Bus alike, both roles (EN 13757-3:2018, 6).

    DIF DIFE...  VIF VIFE...  data     the DIF says how the data are coded and what kind of value it is, DIFE
                                       the storage, tariff and subunit, the VIF what is measured
    0F data      1F data               manufacturer's data to the end; 1F: more records in the next telegram
    2F                                 filler

Rules:
- no link layer, no header: only the bytes behind them, so that wireless telegrams can be read by it as well;
- values are exact: Scaled in the unit of the record, text, bytes or a time; what says "no value" is None;
- a record is whole or a ProtocolError; every byte is looked at once.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from protocols.errors import ProtocolError
from protocols.mbus.data_fields import (
    DIF_CODINGS,
    LVAR,
    LVAR_BINARY,
    LVAR_NEGATIVE,
    SIZES,
    Coding,
    Value,
    decode_field,
    encode_field,
    read_lvar,
)
from protocols.mbus.vif import meaning_of, size_of_vib, vib_of
from protocols.value import Scaled

Function = Literal["instantaneous", "maximum", "minimum", "error"]

FUNCTIONS: tuple[Function, ...] = (
    "instantaneous",
    "maximum",
    "minimum",
    "error",
)  # by bits 4 and 5 of the DIF
DIFE_MAX = 10
MANUFACTURER_DATA, MORE_FOLLOWS, FILLER = 0x0F, 0x1F, 0x2F
_SPECIAL = 0x0F
_MORE = 0x80
_WITH_LVAR = ("lvar_text", "lvar_bcd", "lvar_binary")


class MbusRecord(NamedTuple):
    """One value with all that the meter says of it.

    `kind`, `unit` and `qualifiers` are what `vib` says (`vif.meaning_of`); `encode_records` goes by `vib` and
    `coding`. `value` is in `unit`. It is None where `reason` says why: "no_data" (not sent),
    "not_available" (the coding's pattern for it), "invalid_digits" (BCD that is no number), or what the meter
    itself says in a VIFE ("no_data_available", "data_overflow", ...: `vif`, table 17).
    `offset` and `size`: its bytes in what was decoded.
    """

    function: Function
    storage: int
    tariff: int
    subunit: int
    kind: str
    value: Value
    unit: str
    qualifiers: tuple[str, ...]
    reason: str
    coding: Coding
    vib: bytes
    offset: int = 0
    size: int = 0


class Records(NamedTuple):
    """The records of one telegram; `more_follows`: the meter has more, and tells them when asked again."""

    records: tuple[MbusRecord, ...]
    manufacturer_data: bytes = b""
    more_follows: bool = False


class Head(NamedTuple):
    """The data information block: `end` is the place behind it, `dif` its first byte."""

    dif: int
    storage: int
    tariff: int
    subunit: int
    end: int


class Layout(NamedTuple):
    """Where the parts of a record end: data information, value information, LVAR, data."""

    head: Head
    vib_end: int
    data_start: int
    end: int
    coding: Coding
    is_negative: bool


def decode_records(data: bytes, *, high_byte_first: bool = False) -> Records:
    """All records of a telegram. `high_byte_first`: multi-byte data of mode 2 (CI bit 2).

    ProtocolError mbus.truncated, mbus.dif, mbus.dife, mbus.vife, mbus.lvar; its offset counts in `data`.
    """
    records: list[MbusRecord] = []
    at = 0
    while at < len(data):
        dif = data[at]
        if dif == FILLER:
            at += 1
        elif dif in (MANUFACTURER_DATA, MORE_FOLLOWS):
            return Records(tuple(records), data[at + 1 :], dif == MORE_FOLLOWS)
        else:
            layout = lay_out(data, at)
            records.append(decode_record(data, at, layout, high_byte_first=high_byte_first))
            at = layout.end
    return Records(tuple(records))


def lay_out(data: bytes, at: int) -> Layout:
    """Where the parts of the record at `at` are; raises as `decode_records`."""
    head = decode_head(data, at)
    vib_end = head.end + size_of_vib(data, head.end)
    number = head.dif & 0x0F
    if number == LVAR:
        if vib_end >= len(data):
            raise ProtocolError("mbus.truncated", "the data end before the length of a value", vib_end)
        lvar = data[vib_end]
        coding, size = read_lvar(lvar, vib_end)
        start, is_negative = vib_end + 1, LVAR_NEGATIVE <= lvar < LVAR_BINARY
    else:
        coding, start, is_negative = DIF_CODINGS[number], vib_end, False
        size = SIZES[coding]
    if start + size > len(data):
        text = f"{size} bytes of data announced, {len(data) - start} left"
        raise ProtocolError("mbus.truncated", text, start)
    return Layout(head, vib_end, start, start + size, coding, is_negative)


def decode_head(data: bytes, at: int) -> Head:
    """DIF and DIFE of the record at `at` (6.3); raises as `decode_records`."""
    dif = data[at]
    if dif & 0x0F == _SPECIAL:
        raise ProtocolError("mbus.dif", f"{dif:02X} begins no record", at)
    storage, tariff, subunit = dif >> 6 & 1, 0, 0
    place = at + 1
    more = dif & _MORE
    while more:
        count = place - at - 1
        if place >= len(data):
            raise ProtocolError("mbus.truncated", "the data end inside of the DIFE", place)
        if count == DIFE_MAX:
            raise ProtocolError("mbus.dife", f"more than {DIFE_MAX} DIFE", place)
        dife = data[place]
        storage |= (dife & 0x0F) << 1 + 4 * count
        tariff |= (dife >> 4 & 3) << 2 * count
        subunit |= (dife >> 6 & 1) << count
        more = dife & _MORE
        place += 1
    return Head(dif, storage, tariff, subunit, place)


def decode_record(data: bytes, at: int, layout: Layout, *, high_byte_first: bool) -> MbusRecord:
    """The record at `at`, whose parts are known."""
    head = layout.head
    vib = data[head.end : layout.vib_end]
    meaning = meaning_of(vib)
    content = data[layout.data_start : layout.end]
    if high_byte_first:
        content = content[::-1]
    value, reason = decode_field(layout.coding, meaning, content, is_negative=layout.is_negative)
    if meaning.error:
        value, reason = None, meaning.error
    return MbusRecord(
        FUNCTIONS[head.dif >> 4 & 3],
        head.storage,
        head.tariff,
        head.subunit,
        meaning.kind,
        value,
        meaning.unit,
        meaning.qualifiers,
        reason,
        layout.coding,
        vib,
        at,
        layout.end - at,
    )


def make_record(
    kind: str,
    value: Value,
    coding: Coding,
    *,
    unit: str = "",
    exponent: int | None = None,
    qualifiers: tuple[str, ...] = (),
    function: Function = "instantaneous",
    storage: int = 0,
    tariff: int = 0,
    subunit: int = 0,
) -> MbusRecord:
    """A record to be sent. `unit` and `qualifiers` as for `vif.vib_of`.

    `exponent`: of the VIF; None takes that of the value. ValueError for what no VIF says.
    """
    if exponent is None:
        exponent = value.exponent if isinstance(value, Scaled) else 0
    vib = vib_of(kind, unit, exponent, qualifiers)
    meaning = meaning_of(vib)
    place = function, storage, tariff, subunit
    shown = meaning.kind, value, meaning.unit, meaning.qualifiers
    return MbusRecord(*place, *shown, meaning.error, coding, vib)


def encode_records(records: Records, *, high_byte_first: bool = False) -> bytes:
    """The records as a meter sends them; ValueError for a value that its coding cannot hold."""
    sent = b"".join(_encode_record(record, high_byte_first=high_byte_first) for record in records.records)
    if records.more_follows:
        return sent + bytes((MORE_FOLLOWS,)) + records.manufacturer_data
    if records.manufacturer_data:
        return sent + bytes((MANUFACTURER_DATA,)) + records.manufacturer_data
    return sent


def _encode_record(record: MbusRecord, *, high_byte_first: bool) -> bytes:
    meaning = meaning_of(record.vib)
    field = encode_field(record.coding, meaning, record.value)
    length = field[:1] if record.coding in _WITH_LVAR else b""
    content = field[len(length) :]
    if high_byte_first:
        content = content[::-1]
    return encode_head(record) + record.vib + length + content


def encode_head(record: MbusRecord) -> bytes:
    """DIF and as few DIFE as hold storage, tariff and subunit; ValueError where DIFE_MAX do not."""
    number = LVAR if record.coding.startswith("lvar") else DIF_CODINGS.index(record.coding)
    dif = number | FUNCTIONS.index(record.function) << 4 | (record.storage & 1) << 6
    storage, tariff, subunit = record.storage >> 1, record.tariff, record.subunit
    head = [dif]
    while storage or tariff or subunit:
        head.append(storage & 0x0F | (tariff & 3) << 4 | (subunit & 1) << 6)
        storage, tariff, subunit = storage >> 4, tariff >> 2, subunit >> 1
    if len(head) > 1 + DIFE_MAX:
        raise ValueError(f"storage {record.storage}, tariff {record.tariff}, subunit {record.subunit}")
    return bytes(byte | _MORE for byte in head[:-1]) + bytes(head[-1:])
