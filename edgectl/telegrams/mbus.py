"""M-Bus frames as stretches: what meters answer with its values, what the master asks, acknowledgements."""

from __future__ import annotations

from collections.abc import Iterator

from edgectl.telegrams.stretch import MbusHead, MbusPlace, Stretch, Telegram, Value, chunks, damaged
from protocols.errors import DeviceError, ProtocolError
from protocols.mbus.explain import FROM_MASTER_CI, control_text
from protocols.mbus.frames import Ack, FrameReceiver, LongFrame, Placed, ShortFrame
from protocols.mbus.quantities import quantity_of
from protocols.mbus.records import MbusRecord
from protocols.mbus.telegram import MbusTelegram, decode_telegram
from protocols.mbus.times import MbusTime
from protocols.span import octets_text

INVALID_TIME = "invalid_time"  # the meter marks its clock as not set


def find_mbus(data: bytes) -> Iterator[Stretch]:
    receiver = FrameReceiver()
    for chunk in chunks(data):
        yield from map(_stretch, receiver.receive_placed(chunk))
    yield from map(_stretch, receiver.receive_placed_end())


def _stretch(found: Placed | ProtocolError) -> Stretch:
    if isinstance(found, ProtocolError):
        return damaged(found)
    try:
        telegram = _telegram(found)
    except ProtocolError as error:
        at = None if error.offset is None else found.start + error.offset
        return Stretch(found.start, found.end, error=ProtocolError(error.code, error.text, at))
    return Stretch(found.start, found.end, (telegram,))


def _telegram(found: Placed) -> Telegram:
    frame = found.frame
    if isinstance(frame, Ack):
        return Telegram(None, None, (), mbus=MbusHead())
    if isinstance(frame, ShortFrame) or frame.ci in FROM_MASTER_CI:
        asked = Value(None, "control", control_text(frame.control), mbus=MbusPlace())
        return Telegram(str(frame.address), None, (asked,), mbus=MbusHead())
    return _answer(frame)


def _answer(frame: LongFrame) -> Telegram:
    try:
        telegram = decode_telegram(frame)
    except DeviceError as refusal:
        return Telegram(str(frame.address), None, (), refusal, mbus=MbusHead())
    maker = telegram.manufacturer or None
    head = MbusHead(maker, telegram.id, telegram.version, telegram.medium, telegram.status)
    if not telegram.id:
        head = MbusHead(status=telegram.status)
    if telegram.encryption_mode:
        text = f"the records are encrypted (mode {telegram.encryption_mode})"
        error = ProtocolError("mbus.encrypted", text)
        return Telegram(telegram.id or str(frame.address), None, (), error, mbus=head)
    values = tuple(_value(record, telegram) for record in telegram.records)
    return Telegram(telegram.id or str(frame.address), _time(telegram), values, mbus=head)


def _value(record: MbusRecord, telegram: MbusTelegram) -> Value:
    quantity = quantity_of(record, telegram.medium, telegram.manufacturer)
    reason = record.reason or None
    if isinstance(record.value, MbusTime) and not record.value.is_valid:
        reason = INVALID_TIME
    place = MbusPlace(record.function, record.storage, record.tariff, record.subunit, quantity, reason)
    name = ".".join((record.kind, *record.qualifiers))
    return Value(None, name, _text(record), record.unit or None, mbus=place)


def _text(record: MbusRecord) -> str | None:
    if record.value is None:
        return None
    return octets_text(record.value, "") if isinstance(record.value, bytes) else str(record.value)


def _time(telegram: MbusTelegram) -> str | None:
    """The meter's clock when it answered."""
    for record in telegram.records:
        if quantity_of(record, telegram.medium) == "meter_time" and isinstance(record.value, MbusTime):
            return str(record.value) if record.value.is_valid and record.value.is_date() else None
    return None
