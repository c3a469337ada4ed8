"""DLMS pushes as stretches."""

from __future__ import annotations

from collections.abc import Iterator

from edgectl.telegrams.stretch import Keys, Stretch, Telegram, Value, chunks, damaged, name_of
from protocols.dlms import DlmsReceiver, DlmsTelegram, DlmsTime, DlmsValue
from protocols.dlms.assembly import Assembler, Whole, bare
from protocols.dlms.framing import FrameReceiver, Outside
from protocols.dlms.security import GENERAL_GLO_CIPHERING, open_ciphered, split_ciphered
from protocols.dlms.security import Keys as CipherKeys
from protocols.errors import ProtocolError
from protocols.obis import format_obis
from protocols.span import octets_text
from protocols.units import DLMS_UNITS
from protocols.value import Scaled


def find_dlms(data: bytes, keys: Keys) -> Iterator[Stretch]:
    """A recording may hold a telegram twice, so its counter is not judged."""
    receiver = DlmsReceiver(keys.key, keys.authentication_key, check_counter=False)
    for chunk in chunks(data):
        yield from map(_stretch, receiver.receive_data(chunk))
    yield from map(_stretch, receiver.receive_end())


def decrypted_dlms(data: bytes, stretch: Stretch, keys: Keys) -> bytes:
    """The APDU inside of a ciphered telegram; empty where the keys do not open it."""
    frames, assembler = FrameReceiver(), Assembler()
    items = [*frames.receive_data(data[stretch.start : stretch.end]), *frames.receive_end()]
    for item in items:
        for whole in bare(item) if isinstance(item, Outside) else assembler.take(item):
            if isinstance(whole, Whole) and whole.apdu[:1] == bytes((GENERAL_GLO_CIPHERING,)):
                try:
                    ciphered = split_ciphered(whole.apdu)[0]
                    return open_ciphered(ciphered, CipherKeys(keys.key, keys.authentication_key)).apdu
                except ProtocolError:
                    return b""
    return b""


def _stretch(found: DlmsTelegram | ProtocolError) -> Stretch:
    if isinstance(found, ProtocolError):
        return damaged(found)
    values = tuple(map(_value, found.values))
    telegram = Telegram(found.meter or None, _time(found.time), values, authenticated=found.authenticated)
    return Stretch(found.offset, found.end, (telegram,))


def _value(value: DlmsValue) -> Value:
    obis = format_obis(value.obis)
    unit = None if value.unit is None else DLMS_UNITS.get(value.unit, f"dlms:{value.unit}")
    return Value(obis, name_of(obis), _text(value), unit)


def _text(value: DlmsValue) -> str | None:
    content = value.value
    if content is None or isinstance(content, str):
        return content
    if isinstance(content, DlmsTime):
        return content.text()
    if isinstance(content, bytes):
        return octets_text(content, "")
    return str(content) if isinstance(content, Scaled) else str(content).lower()


def _time(time: DlmsTime | None) -> str | None:
    return None if time is None else time.text()
