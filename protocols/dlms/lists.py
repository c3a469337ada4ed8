"""What the data of a push mean: values with their objects, however the maker arranged them.

Recorded arrangements, told apart by what stands where, never by the maker's name:
- each object in a structure of its own: code, value[, scaler and unit] (Aidon, Iskra, Landis+Gyr ZMF100), or
  class, code, attribute, value, or a descriptor without tags and a value (Sagemcom XT211);
- all in one list, codes and values in turn[, with scaler and unit] (Kamstrup, Kaifa, L+G E450, Netz NOe);
- a list of what was captured, then the values in that order (Energomera; the standard's push object list);
- values in an order that the maker's description of its list states (Kaifa in Norway).

Where a list brings no scaler and no unit but its maker has published them under the list's name, those count
(NVE-HAN descriptions of Kaifa KFM_001 and Kamstrup_V0001; the recordings fit). Else unit and scaler are None.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from protocols.dlms.axdr import (
    ARRAY,
    BOOLEAN,
    COMPACT_ARRAY,
    DATE_TIME,
    DESCRIPTOR,
    INT8,
    NULL,
    OCTET_STRING,
    STRINGS,
    STRUCTURE,
    UINT16,
    Bits,
    Data,
    bits_text,
    encode_data,
    is_obis,
    items_of,
)
from protocols.dlms.times import DlmsTime, decode_time
from protocols.obis import parse_obis
from protocols.value import Scaled

SCALER_LIMIT = 128  # an integer of one byte

Content = Scaled | str | bytes | bool | DlmsTime | None


class DlmsValue(NamedTuple):
    """One object. `value`: Scaled with its scaler applied, text, a date, or bytes of what is none of them
    (a list as value is its encoding); None where the meter sent null. `unit`: the DLMS code; `scaler`: the
    power of ten as sent or published. Both are None where nobody tells them."""

    obis: bytes
    value: Content
    unit: int | None = None
    scaler: int | None = None


class Listed(NamedTuple):
    """All that a push says: values, the name of its list, a date without code, the device's number."""

    values: tuple[DlmsValue, ...]
    list_id: str = ""
    time: DlmsTime | None = None
    device_id: str = ""


LIST_ID = (bytes((1, 0, 0, 2, 129, 255)), bytes((1, 1, 0, 2, 129, 255)))
CLOCK = bytes((0, 0, 1, 0, 0, 255))
METER_ID = bytes((0, 0, 96, 1, 0, 255))
# Where meters tell their number, the best known first.
DEVICE_IDS = (
    METER_ID,
    *map(parse_obis, ("1-1:0.0.5", "1-0:0.0.0", "0-0:42.0.0", "0-0:96.1.1")),
)

_W, _VAR, _V, _A, _WH, _VARH = 27, 29, 35, 33, 30, 32
_Scale = tuple[int, int]  # unit and scaler


def _published(current: int, voltage: int, energy: int) -> dict[tuple[int, int], _Scale]:
    """Units and scalers by groups C and D of the code."""
    scales: dict[tuple[int, int], _Scale] = {}
    scales |= {(c, 7): (_W, 0) for c in (1, 2)} | {(c, 7): (_VAR, 0) for c in (3, 4)}
    scales |= {(c, 7): (_A, current) for c in (31, 51, 71)}
    scales |= {(c, 7): (_V, voltage) for c in (32, 52, 72)}
    return scales | {(c, 8): (_WH, energy) for c in (1, 2)} | {(c, 8): (_VARH, energy) for c in (3, 4)}


KAIFA_LIST = "KFM_001"
KAMSTRUP_LIST = "Kamstrup_V0001"
KAMSTRUP_TYPE = parse_obis("1-1:96.1.1")
KAMSTRUP_CT_TYPE = "685"  # with current transformers: mA instead of 10 mA
_PUBLISHED = {KAIFA_LIST: _published(-3, -1, 0), KAMSTRUP_LIST: _published(-2, 0, 1)}
_KAMSTRUP_CT = _published(-3, 0, 1)

_POWER = ("1-0:1.7.0", "1-0:2.7.0", "1-0:3.7.0", "1-0:4.7.0")
_HEAD = ("1-0:0.2.129", "0-0:96.1.0", "0-0:96.1.7", *_POWER)
_ENERGY = ("0-0:1.0.0", "1-0:1.8.0", "1-0:2.8.0", "1-0:3.8.0", "1-0:4.8.0")
_ONE_PHASE = ("1-0:31.7.0", "1-0:32.7.0")
_THREE_PHASES = tuple(f"1-0:{c}.7.0" for c in (31, 51, 71, 32, 52, 72))
_KAIFA_ORDER = {  # by how many values there are
    len(names): tuple(map(parse_obis, names))
    for names in (
        ("1-0:1.7.0",),
        (*_HEAD, *_ONE_PHASE),
        (*_HEAD, *_THREE_PHASES),
        (*_HEAD, *_ONE_PHASE, *_ENERGY),
        (*_HEAD, *_THREE_PHASES, *_ENERGY),
    )
}


def list_values(body: Data, *, is_kaifa: bool = False) -> Listed:
    """The values of a push. `is_kaifa`: its date is written as only that maker does.

    Any data; what nothing tells the object of is left out, but for the list's name, a date, and a text
    behind the values, which is the meter's number (Netz NOe).
    """
    top = _items(body)
    order = _captured(top)
    if order is not None:
        return _finish(_Walk().pairs(order))
    order = _kaifa_order(top, is_kaifa=is_kaifa)
    if order is not None:
        walk = _Walk()
        walk.list_id = KAIFA_LIST
        return _finish(walk.pairs(order))
    walk = _Walk()
    walk.items(top)
    return _finish(walk)


class _Walk:
    """Goes through data and collects."""

    def __init__(self) -> None:
        self.values: list[DlmsValue] = []
        self.list_id = ""
        self.time: DlmsTime | None = None
        self.last_text = ""

    def pairs(self, order: Sequence[tuple[bytes, Data]]) -> _Walk:
        """Values of which the object is known."""
        for obis, item in order:
            self._add(obis, item, None)
        return self

    def items(self, items: Sequence[Data]) -> None:
        """A list: codes, each with its value behind it, and lists within the list."""
        at = 0
        while at < len(items):
            obis = _obis_of(items[at])
            if obis is None:
                self._nameless(items[at], is_first=at == 0)
                at += 1
                continue
            at += 2 if _is_attribute(items, at) else 1
            item = items[at] if at < len(items) else Data(NULL, None)
            scale = _scale(items[at + 1]) if at + 1 < len(items) else None
            self._add(obis, item, scale)
            at += 1 if scale is None else 2

    def _nameless(self, item: Data, *, is_first: bool) -> None:
        if item.tag in (ARRAY, STRUCTURE, COMPACT_ARRAY):
            self.items(_items(item))
        elif item.tag in STRINGS or item.tag == DATE_TIME:
            content = _content(item)
            if isinstance(content, DlmsTime):
                self.time = self.time or content
            elif isinstance(content, str) and is_first and not self.values:
                self.list_id = self.list_id or content
            elif isinstance(content, str):
                self.last_text = content

    def _add(self, obis: bytes, item: Data, scale: _Scale | None) -> None:
        content = _content(item)
        unit, scaler = scale or (None, None)
        if isinstance(content, Scaled) and scaler is not None:
            content = Scaled(content.integer, content.exponent + scaler)
        if obis in LIST_ID and isinstance(content, str):
            self.list_id = content
        self.values.append(DlmsValue(obis, content, unit, scaler))


def _finish(walk: _Walk) -> Listed:
    if walk.last_text:
        walk.values.append(DlmsValue(METER_ID, walk.last_text))
    values = tuple(_with_published(walk.list_id, walk.values))
    texts = {value.obis: value.value for value in values if isinstance(value.value, str)}
    device_id = next((texts[obis] for obis in DEVICE_IDS if texts.get(obis)), "")
    clock = next((value.value for value in values if value.obis == CLOCK), None)
    time = walk.time or (clock if isinstance(clock, DlmsTime) else None)
    return Listed(values, walk.list_id, time, device_id)


def _with_published(list_id: str, values: list[DlmsValue]) -> list[DlmsValue]:
    scales = _PUBLISHED.get(list_id)
    if scales is None:
        return values
    kinds = [value.value for value in values if value.obis == KAMSTRUP_TYPE]
    if list_id == KAMSTRUP_LIST and kinds and str(kinds[0]).startswith(KAMSTRUP_CT_TYPE):
        scales = _KAMSTRUP_CT
    return [_scaled(value, scales) for value in values]


def _scaled(value: DlmsValue, scales: dict[tuple[int, int], _Scale]) -> DlmsValue:
    scale = scales.get((value.obis[2], value.obis[3]))
    if scale is None or value.unit is not None or not isinstance(value.value, Scaled):
        return value
    unit, scaler = scale
    number = Scaled(value.value.integer, value.value.exponent + scaler)
    return DlmsValue(value.obis, number, unit, scaler)


def _items(item: Data) -> tuple[Data, ...]:
    return items_of(item) if item.tag in (ARRAY, STRUCTURE, COMPACT_ARRAY) else (item,)


def _obis_of(item: Data) -> bytes | None:
    if not isinstance(item.value, bytes):
        return None
    if item.tag == DESCRIPTOR:
        return item.value[2:8]
    return item.value if is_obis(item) else None


def _is_attribute(items: Sequence[Data], at: int) -> bool:
    """Whether class and attribute stand around the code: 12 xx xx, code, 0F xx, value."""
    return at == 1 and items[0].tag == UINT16 and len(items) >= 4 and items[2].tag == INT8


def _scale(item: Data) -> _Scale | None:
    """Unit and scaler, where the item is a structure of these."""
    if item.tag != STRUCTURE:
        return None
    match item.value:
        case (Data(tag=15, value=int(scaler)), Data(tag=22, value=int(unit))):
            return unit, scaler
        case _:
            return None


def _content(item: Data) -> Content:
    value = item.value
    if item.tag == BOOLEAN:
        return bool(value)
    if isinstance(value, int):
        return Scaled(value, 0)
    if isinstance(value, Bits):
        return bits_text(value)
    if isinstance(value, bytes):
        return _octets(item.tag, value)
    if isinstance(value, Scaled) or value is None:
        return value
    return encode_data(item)


def _octets(tag: int, octets: bytes) -> Content:
    """A date, text where all of it is printable, else bytes. Meters fill text up with NUL."""
    if tag in (DATE_TIME, OCTET_STRING):
        time = decode_time(octets)
        if time is not None and not octets.isalnum():
            return time
    if tag in STRINGS:
        text = octets.rstrip(b"\0 ")
        if text and all(0x20 <= byte < 0x7F for byte in text):
            return text.decode("ascii")
    return octets


def _captured(top: Sequence[Data]) -> list[tuple[bytes, Data]] | None:
    """The values of a push whose first element lists what was captured; None where it does not."""
    if not top or top[0].tag != ARRAY:
        return None
    objects = [_capture_obis(each) for each in _items(top[0])]
    if not objects or None in objects:
        return None
    codes = [obis for obis in objects if obis is not None]
    if len(codes) == len(top):  # the list itself is the first that was captured
        return list(zip(codes[1:], top[1:], strict=True))
    return list(zip(codes, top[1:], strict=True)) if len(codes) == len(top) - 1 else None


def _capture_obis(item: Data) -> bytes | None:
    """The code of a capture object: class, code, attribute, index and, from version 2 on, more."""
    if item.tag != STRUCTURE:
        return None
    match item.value:
        case (Data(tag=18), Data() as obis, Data(tag=15), Data(tag=18), *_):
            return _obis_of(obis)
        case _:
            return None


def _kaifa_order(top: Sequence[Data], *, is_kaifa: bool) -> list[tuple[bytes, Data]] | None:
    """Values without any code, in the order that their number tells."""
    codes = _KAIFA_ORDER.get(len(top))
    if codes is None or any(_obis_of(item) is not None or item.tag in (ARRAY, STRUCTURE) for item in top):
        return None
    named = isinstance(top[0].value, bytes) and top[0].value == KAIFA_LIST.encode()
    if not named and not (is_kaifa and len(top) == 1):
        return None
    return list(zip(codes, top, strict=True))
