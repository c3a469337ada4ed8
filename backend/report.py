"""What the store says to people and programs: its state, its readings, and one message explained.

Values leave as exact decimal text, never as floats; times as RFC 3339 where UTC is known, else empty,
with the boot and its milliseconds always beside them.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter
from collections.abc import Iterator
from typing import Any

from backend.store import TYPE_NAMES, Store
from backend.streams import stream_names
from protocols.errors import ProtocolError
from protocols.quantities import by_number
from protocols.uplink import cbor, cose
from protocols.uplink.columns import decode_slots
from protocols.uplink.messages import Batch, ClockSource, Message, SeriesTable
from protocols.value import NullCause, Quality, Scaled

READING_FIELDS = (
    *("gateway", "meter", "metering_point", "serial", "quantity", "value", "unit", "utc", "due_utc"),
    *("uncertainty_ms", "clock_source"),
    *("quality", "null_cause", "duplicate", "boot", "due_ms", "time_ms", "key_id", "stream", "sequence"),
)

_EXPORT = """
SELECT keys.gateway, readings.kid, readings.stream, readings.sequence, readings.meter, quantity, exponent,
  integer, remark, boot, due_ms, time_ms, utc_ms, uncertainty_ms, clock_source, metering_point, serial,
  COUNT(*) OVER (PARTITION BY readings.kid, readings.meter, quantity, boot, due_ms) AS copies
FROM readings JOIN keys ON keys.kid = readings.kid
JOIN messages ON messages.kid = readings.kid AND messages.stream = readings.stream
  AND messages.sequence = readings.sequence
LEFT JOIN meters ON meters.kid = readings.kid AND meters.dictionary = messages.dictionary
  AND meters.meter = readings.meter
ORDER BY keys.gateway, readings.kid, readings.meter, quantity, boot, due_ms, readings.rowid
"""

_DUPLICATES = """
SELECT COALESCE(SUM(copies - 1), 0) FROM (
  SELECT COUNT(*) AS copies FROM readings GROUP BY kid, meter, quantity, boot, due_ms HAVING copies > 1)
"""

_STATES = "SELECT state, COUNT(*) FROM messages WHERE kid = ? AND stream = ? GROUP BY state"
_VERDICTS = "SELECT verdict, count FROM verdicts WHERE kid = ? AND stream = ?"

_UNIX_START = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def status(store: Store) -> dict[str, Any]:
    """The store's state: totals, and each stream with what is held and what is missing."""
    totals: Counter[str] = Counter()
    for name, count in store.query("SELECT verdict, count FROM verdicts"):
        totals[name] += count
    streams = store.query("SELECT DISTINCT kid, stream FROM held ORDER BY kid, stream")
    names = {kid: stream_names(store, kid) for kid in {kid for kid, _ in streams}}
    return {
        **dict(store.query("SELECT name, value FROM state ORDER BY name DESC")),
        "verdicts": dict(totals),
        "readings": _count(store, "readings"),
        "values": _count(store, "readings WHERE integer IS NOT NULL"),
        "undated": _count(store, "readings WHERE utc_ms IS NULL"),
        "duplicates": int(store.query(_DUPLICATES)[0][0]),
        "undecoded": _count(store, "messages WHERE state = 'undecoded'"),
        "gaps": _count(store, "gaps"),
        "events": _count(store, "events"),
        "time_pieces": _count(store, "pieces"),
        "refused_kept": _count(store, "refused"),
        "streams": [_stream_status(store, kid, stream, names[kid][stream]) for kid, stream in streams],
    }


def readings(store: Store) -> Iterator[dict[str, Any]]:
    """Every reading as READING_FIELDS, doubles included and marked."""
    for row in store.query(_EXPORT):
        gateway, kid, stream, sequence, meter, number, exponent, integer, remark, *rest = row
        boot, due_ms, time_ms, utc_ms, uncertainty_ms, source, metering_point, serial, copies = rest
        due_utc_ms = None if utc_ms is None else utc_ms - time_ms + due_ms
        quantity, unit = _quantity(number)
        values = (
            *(gateway, meter, metering_point or "", serial or "", quantity),
            *(_decimal(integer, exponent), unit, utc_text(utc_ms), utc_text(due_utc_ms)),
            *(uncertainty_ms, _source(source)),
            *(*_remark(integer, remark), copies > 1, boot, due_ms, time_ms, kid.hex(), stream, sequence),
        )
        yield dict(zip(READING_FIELDS, values, strict=True))


def explain(data: bytes, store: Store | None, public_key: cose.PublicKey | None) -> dict[str, Any]:
    """One message taken apart. `verdict`: "good", or the code of what is wrong with it."""
    report: dict[str, Any] = {"verdict": "good", "size_bytes": len(data)}
    try:
        envelope = cose.read_envelope(data)
        report |= {"key_id": envelope.key_id.hex(), "algorithm": cose.ALGORITHM_NAMES[envelope.algorithm]}
        known = store.key(envelope.key_id) if store else None
        if known:
            report["gateway"], public_key = known
        if public_key is None:
            report |= {"verdict": "unknown-key", "detail": "no public key: give --store or --public-key"}
        else:
            cose.verify(data, public_key)
    except ProtocolError as wrong:
        report |= {"verdict": wrong.code, "detail": str(wrong)}
        if wrong.code != "cose.signature":
            return report
    return _explain_content(report, envelope, store)


def _explain_content(report: dict[str, Any], envelope: cose.Envelope, store: Store | None) -> dict[str, Any]:
    try:
        message = cbor.decode_message(envelope.payload)
    except ProtocolError as wrong:
        good = report["verdict"] == "good"
        return report | ({"verdict": wrong.code, "detail": str(wrong)} if good else {})
    header = cbor.read_header(envelope.payload)
    report |= {"type": TYPE_NAMES.get(header.type, header.type), "content": _plain(message)}
    table = _table_of(message, envelope.key_id, store)
    if table is not None and isinstance(message, Batch):
        report["readings"] = list(_batch_readings(message, table))
    return report


def utc_text(utc_ms: int | None) -> str:
    """RFC 3339 with milliseconds; "" for an unknown time and for what no calendar holds."""
    if utc_ms is None:
        return ""
    try:
        moment = _UNIX_START + dt.timedelta(milliseconds=utc_ms)
    except OverflowError:
        return ""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _stream_status(store: Store, kid: bytes, stream: int, name: str) -> dict[str, Any]:
    held_to, ranges = store.held(kid, stream)
    states = dict(store.query(_STATES, kid, stream))
    known = store.key(kid)
    return {
        "gateway": known[0] if known else "",
        "key_id": kid.hex(),
        "stream": stream,
        "name": name,
        "held_to": held_to,
        "ranges": ranges,
        "holes": [hole._asdict() for hole in store.holes(kid, stream)],
        "messages": sum(states.values()),
        "states": states,
        "verdicts": dict(store.query(_VERDICTS, kid, stream)),
    }


def _source(number: int | None) -> str:
    """Who vouched for the time, in a word; a number newer than this backend keeps itself for a name."""
    try:
        return "" if number is None else ClockSource(number).name.lower()
    except ValueError:
        return str(number)


def _count(store: Store, what: str) -> int:
    return int(store.query(f"SELECT COUNT(*) FROM {what}")[0][0])  # noqa: S608  (constants only)


def _quantity(number: int) -> tuple[str, str]:
    """Name and unit; a number newer than this backend's registry keeps its number for a name."""
    try:
        quantity = by_number(number)
    except KeyError:
        return f"quantity-{number}", ""
    return quantity.name, quantity.unit


def _decimal(integer: int | str | None, exponent: int) -> str | None:
    return None if integer is None else str(Scaled(int(integer), exponent))


def _remark(integer: int | str | None, remark: int) -> tuple[str, str]:
    """Quality and cause of a null, each in words, or in its number where it has none here."""
    if integer is not None:
        bits = Quality(remark)
        return "|".join((bit.name or str(bit.value)).lower() for bit in bits) or "good", ""
    try:
        return "", NullCause(remark).name.lower()
    except ValueError:
        return "", str(remark)


def _table_of(message: Message, kid: bytes, store: Store | None) -> SeriesTable | None:
    if store is None or not isinstance(message, Batch):
        return None
    rows = store.query("SELECT data FROM dictionaries WHERE kid = ? AND hash = ?", kid, message.dictionary)
    return cbor.decode_table(rows[0][0]) if rows else None


def _batch_readings(batch: Batch, table: SeriesTable) -> Iterator[dict[str, Any]]:
    series = [(meter.id, row) for meter in table for row in meter.series]
    for slot in decode_slots(batch):
        if slot.series >= len(series):
            continue
        meter, row = series[slot.series]
        name, unit = _quantity(row.quantity)
        utc_ms = None if batch.wall is None else slot.time_ms + batch.wall.offset_ms
        quality, cause = _remark(slot.integer, slot.remark)
        value = _decimal(slot.integer, row.exponent)
        times = {"utc": utc_text(utc_ms), "due_ms": slot.due_ms, "time_ms": slot.time_ms}
        about = {"meter": meter, "quantity": name, "value": value, "unit": unit}
        yield {**about, "quality": quality, "null_cause": cause, **times}


def _plain(value: Any) -> Any:
    """Dataclasses and named tuples as maps, bytes as hexadecimal, the rest as JSON has it."""
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: _plain(part) for name, part in value._asdict().items()}
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return value.hex() if isinstance(value, bytes) else value
