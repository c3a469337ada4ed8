"""The fixed data structure of old meters: two counters behind a short header (EN 1434-3:1997, 6.4.1).

    identification (4)  access  status  medium and units (2)  counter 1 (4)  counter 2 (4)

A counter becomes a record as the variable structure has them, so that nobody above needs to know. Its unit is
one of a table of 64; those that are no unit (times of day, dates, reserved ones) become a plain-text unit.
"""

from __future__ import annotations

from typing import NamedTuple

from protocols.mbus.data_fields import Coding, decode_field, encode_field
from protocols.mbus.records import MbusRecord
from protocols.mbus.vif import meaning_of, text_vib, vib_of

FIXED_BYTES = 16
HEADER_BYTES = 8
COUNTER_BYTES = 4
UNIT_SAME_BUT_HISTORIC = 0x3E
BINARY, STORED = 0x01, 0x02  # bits of the status
MEDIUM_UNKNOWN = 0x0F
_UNIT_BITS = 0x3F

# The media of this structure, 10 to 14 being those of mode 2, as those of the variable structure.
_MEDIA = (0, 1, 2, 3, 4, 5, 6, 7, 8, MEDIUM_UNKNOWN, 3, 4, 6, 7, 8, MEDIUM_UNKNOWN)


def _unit_table() -> tuple[bytes, ...]:
    """The value information block for each of the 64 units."""
    table = {0x00: text_vib("hms"), 0x01: text_vib("DMY"), 0x38: text_vib("degC", -3)}
    groups = (
        (0x02, "energy", "Wh", 0),
        (0x0B, "energy", "J", 3),
        (0x14, "power", "W", 0),
        (0x1D, "power", "J/h", 3),
        (0x26, "volume", "m3", -6),
        (0x2F, "volume_flow", "m3/h", -6),
    )
    for first, kind, unit, exponent in groups:
        table |= {first + step: vib_of(kind, unit, exponent + step) for step in range(9)}
    table |= {0x39: vib_of("heat_cost_units"), 0x3F: vib_of("dimensionless")}
    return tuple(table.get(code) or text_vib(f"reserved {code:02X}") for code in range(64))


FIXED_UNITS = _unit_table()


class FixedData(NamedTuple):
    """What the 16 bytes say. `status`: bit 0 counters are binary, bit 1 of a fixed date, others as ever."""

    id: str
    access: int
    status: int
    medium: int
    records: tuple[MbusRecord, ...]


def decode_fixed(data: bytes, *, high_byte_first: bool) -> FixedData:
    """Exactly FIXED_BYTES bytes; any of them mean something."""
    order = -1 if high_byte_first else 1
    status = data[5]
    units = data[6] & _UNIT_BITS, data[7] & _UNIT_BITS
    medium = data[6] >> 6 | data[7] >> 6 << 2
    records = []
    for place, unit in enumerate(units):
        at = HEADER_BYTES + place * COUNTER_BYTES
        is_historic = place == 1 and unit == UNIT_SAME_BUT_HISTORIC
        vib = FIXED_UNITS[units[0] if is_historic else unit]
        storage = int(is_historic or bool(status & STORED))
        coding: Coding = "int32" if status & BINARY else "bcd8"
        records.append(_counter(vib, storage, coding, data[at : at + COUNTER_BYTES][::order], at))
    number = data[3::-1] if order > 0 else data[:4]
    return FixedData(number.hex().upper(), data[4], status, _MEDIA[medium], tuple(records))


def _counter(vib: bytes, storage: int, coding: Coding, content: bytes, at: int) -> MbusRecord:
    meaning = meaning_of(vib)
    value, reason = decode_field(coding, meaning, content)
    shown = meaning.kind, value, meaning.unit, meaning.qualifiers
    return MbusRecord("instantaneous", storage, 0, 0, *shown, reason, coding, vib, at, COUNTER_BYTES)


def encode_fixed(fixed: FixedData, *, high_byte_first: bool) -> bytes:
    """The 16 bytes; ValueError where there are not two counters, or one has a unit that the table has not."""
    first, second = fixed.records
    order = -1 if high_byte_first else 1
    unit = FIXED_UNITS.index(first.vib)
    is_historic = second.storage and not first.storage
    units = unit, UNIT_SAME_BUT_HISTORIC if is_historic else FIXED_UNITS.index(second.vib)
    medium = _MEDIA.index(fixed.medium)
    head = bytes((fixed.access, fixed.status, units[0] | (medium & 3) << 6, units[1] | medium >> 2 << 6))
    counters = (
        encode_field(each.coding, meaning_of(each.vib), each.value)[::order] for each in fixed.records
    )
    return bytes.fromhex(fixed.id)[::-order] + head + b"".join(counters)
