"""DLMS/COSEM push: what electricity meters of many countries send unasked, both roles, plain and encrypted.

`framing` finds frames in a stream, `assembly` puts segments and blocks together, `security` opens what is
ciphered, `apdu` and `axdr` read the data, `lists` gives them their meaning.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from protocols.dlms.apdu import (
    DATA_NOTIFICATION,
    Notification,
    decode_notification,
    encode_blocks,
    encode_notification,
)
from protocols.dlms.assembly import APDU_BYTES_MAX, Assembler, Found, Whole, bare
from protocols.dlms.axdr import (
    ARRAY,
    ENUM,
    INT8,
    INT64,
    OCTET_STRING,
    STRUCTURE,
    UINT64,
    VISIBLE_STRING,
    Bits,
    Data,
    decode_data,
    encode_data,
)
from protocols.dlms.framing import Frame, FrameReceiver, Outside, encode_hdlc, encode_mbus
from protocols.dlms.lists import DlmsValue, list_values
from protocols.dlms.security import (
    AUTHENTICATED,
    ENCRYPTED,
    GENERAL_GLO_CIPHERING,
    Keys,
    encode_ciphered,
    open_ciphered,
    split_ciphered,
)
from protocols.dlms.times import DlmsTime, decode_time, encode_time
from protocols.errors import DamagedTelegram, ProtocolError
from protocols.value import Scaled

__all__ = [
    "APDU_BYTES_MAX",
    "AUTHENTICATED",
    "ENCRYPTED",
    "Bits",
    "Data",
    "DlmsReceiver",
    "DlmsTelegram",
    "DlmsTime",
    "DlmsValue",
    "Framing",
    "Keys",
    "decode_data",
    "decode_time",
    "encode_blocks",
    "encode_ciphered",
    "encode_data",
    "encode_frames",
    "encode_hdlc",
    "encode_mbus",
    "encode_notification",
    "encode_time",
    "encode_values",
]

TITLES_MAX = 8  # system titles whose counters are remembered; a line has one
Framing = Literal["hdlc", "mbus", "bare"]


class DlmsTelegram(NamedTuple):
    """One push.

    `meter`: its number as it tells it, else its system title in hexadecimal, else "". `authenticated`: its
    tag was verified, so that nobody without both keys can have written it. `encrypted`: it was not plain.
    `counter`: its invocation counter. `offset`, `end`: where its frames stood in the stream.
    """

    meter: str
    time: DlmsTime | None
    values: tuple[DlmsValue, ...]
    offset: int
    end: int
    list_id: str = ""
    system_title: bytes = b""
    counter: int | None = None
    encrypted: bool = False
    authenticated: bool = False


class DlmsReceiver:
    """From a stream of bytes to telegrams; bad ones come out as errors, and reading goes on behind them.

    `key`, `authentication_key`: the meter's, 16 bytes each; ValueError for another size. Without the second
    nothing can be verified, and telegrams are not `authenticated`. `check_counter` False: for recordings,
    which a counter that does not rise is no fault of.
    """

    def __init__(
        self,
        key: bytes | None = None,
        authentication_key: bytes | None = None,
        *,
        check_counter: bool = True,
    ) -> None:
        self._keys = Keys(key, authentication_key)
        self._keys.check()
        self._check_counter = check_counter
        self._frames = FrameReceiver()
        self._assembler = Assembler()
        self._counters: dict[bytes, int] = {}
        self._bare_noise_bytes = 0

    @property
    def noise_bytes(self) -> int:
        """Bytes so far that belonged to no telegram, good or bad."""
        return self._frames.noise_bytes + self._bare_noise_bytes

    def receive_data(self, data: bytes) -> list[DlmsTelegram | ProtocolError]:
        """What became complete, in stream order: telegrams, and an error for each that is bad.

        Codes: dlms.fcs, dlms.flag, dlms.checksum of the frames; dlms.cut, dlms.segment, dlms.block, dlms.size
        of putting together; dlms.apdu for what is no push; dlms.key_missing, dlms.tag, dlms.decrypt,
        dlms.replay, dlms.suite, dlms.compressed, dlms.title of ciphering; dlms.date, dlms.truncated,
        dlms.trailing, dlms.length, dlms.tag_unknown, dlms.depth, dlms.elements, dlms.compact of the data. All
        are DamagedTelegram.
        """
        return self._decode(self._assembled(self._frames.receive_data(data)))

    def receive_end(self) -> list[DlmsTelegram | ProtocolError]:
        """What is there although nothing more comes: telegrams without frames, whose end silence is, and
        dlms.truncated for what has begun."""
        items = self._frames.receive_end()
        outside = [item for item in items if isinstance(item, Outside)]
        found = self._assembled([item for item in items if not isinstance(item, Outside)])
        found += self._assembler.take_end()
        decoded = self._decode(found)
        for each in outside:
            bare_ones = self._decode(bare(each))
            if any(isinstance(item, DlmsTelegram) for item in bare_ones) or _looks_bare(each):
                decoded += bare_ones
            else:
                self._bare_noise_bytes += len(each.octets)
        return decoded

    def missing_bytes(self) -> int:
        """How many bytes must at least come before anything more can be found; at least 1."""
        return self._frames.missing_bytes()

    def _assembled(self, frames: Sequence[Frame | DamagedTelegram]) -> list[Found]:
        return [found for frame in frames for found in self._assembler.take(frame)]

    def _decode(self, found: Sequence[Found]) -> list[DlmsTelegram | ProtocolError]:
        return [item if isinstance(item, DamagedTelegram) else self._telegram(item) for item in found]

    def _telegram(self, whole: Whole) -> DlmsTelegram | DamagedTelegram:
        try:
            return self._open(whole)
        except ProtocolError as error:
            # A new one: that which was raised would keep every frame that it went through.
            at = stream_place(whole, error.offset or 0)
            return DamagedTelegram(error.code, error.text, at, whole.offset, whole.end)

    def _open(self, whole: Whole) -> DlmsTelegram:
        apdu = whole.apdu
        if not apdu or apdu[0] != GENERAL_GLO_CIPHERING:
            return _telegram(apdu, whole)
        ciphered, end = split_ciphered(apdu)
        if end != len(apdu):
            raise ProtocolError("dlms.trailing", f"{len(apdu) - end} bytes too many", end)
        opened = open_ciphered(ciphered, self._keys)
        try:
            telegram = _telegram(opened.apdu, whole)
        except ProtocolError as error:
            if opened.authenticated:
                raise ProtocolError(error.code, error.text) from None
            text = "what was decrypted is no push: wrong key, or damaged by the sender"
            raise ProtocolError("dlms.decrypt", text) from None
        title, counter = ciphered.system_title, ciphered.counter
        self._note_counter(title, counter)
        return telegram._replace(
            meter=telegram.meter or title.hex().upper(),
            system_title=title,
            counter=counter,
            encrypted=bool(ciphered.control & ENCRYPTED),
            authenticated=opened.authenticated,
        )

    def _note_counter(self, title: bytes, counter: int) -> None:
        """dlms.replay unless the counter is greater than the last one of this title."""
        last = self._counters.get(title, -1)
        if self._check_counter and counter <= last:
            text = f"the invocation counter is {counter} after {last}: an old telegram sent again?"
            raise ProtocolError("dlms.replay", text)
        if title not in self._counters and len(self._counters) >= TITLES_MAX:
            del self._counters[next(iter(self._counters))]
        self._counters[title] = counter


def _telegram(apdu: bytes, whole: Whole) -> DlmsTelegram:
    if not apdu or apdu[0] != DATA_NOTIFICATION:
        what = apdu[:1].hex().upper() or "nothing"
        raise ProtocolError("dlms.apdu", f"no push, but an APDU that begins with {what}", 0)
    notification, end = decode_notification(apdu)
    if end != len(apdu):
        raise ProtocolError("dlms.trailing", f"{len(apdu) - end} bytes too many", end)
    return _with_values(notification, whole)


def _with_values(notification: Notification, whole: Whole) -> DlmsTelegram:
    listed = list_values(notification.body, is_kaifa=notification.is_kaifa)
    time = notification.time or listed.time
    return DlmsTelegram(listed.device_id, time, listed.values, whole.offset, whole.end, listed.list_id)


def _looks_bare(outside: Outside) -> bool:
    """Whether bytes that are no telegram were meant to be one: a bare one that is cut or damaged."""
    return outside.octets[:4] in (b"\xe6\xe7\x00\x0f", b"\xe6\xe7\x00\xdb", b"\xe6\xe7\x00\xe0") or (
        outside.octets[:2] in (b"\xdb\x08", b"\xe0\x40", b"\xe0\xc0")
    )


def stream_place(whole: Whole, at: int) -> int:
    """Where in the stream a byte of an APDU stood."""
    for piece in whole.pieces:
        if at < piece.size:
            return piece.at + at
        at -= piece.size
    return max(whole.offset, whole.end - 1)


def encode_values(values: Sequence[DlmsValue]) -> Data:
    """Values as a list of structures: code, value[, scaler and unit], as Aidon and Iskra send them.

    ValueError for a number beyond 64 bits and for what is no simple value.
    """
    return Data(ARRAY, tuple(_entry(value) for value in values))


def _entry(value: DlmsValue) -> Data:
    code = Data(OCTET_STRING, value.obis)
    content, scaler = _data_of(value)
    if value.unit is None:
        return Data(STRUCTURE, (code, content))
    scale = Data(STRUCTURE, (Data(INT8, scaler), Data(ENUM, value.unit)))
    return Data(STRUCTURE, (code, content, scale))


def _data_of(value: DlmsValue) -> tuple[Data, int]:
    """The value's data, and the scaler that belongs to it."""
    content = value.value
    if isinstance(content, Scaled):
        if not -(1 << 63) <= content.integer < 1 << 64:
            raise ValueError(f"{content} does not fit 64 bits")
        return Data(INT64 if content.integer < 0 else UINT64, content.integer), content.exponent
    if isinstance(content, str):
        return Data(VISIBLE_STRING, content.encode("ascii")), 0
    if isinstance(content, bytes):
        return Data(OCTET_STRING, content), 0
    if isinstance(content, DlmsTime):
        return Data(OCTET_STRING, encode_time(content)), 0
    raise ValueError(f"{content!r} is no value that a meter pushes here")


def encode_frames(apdu: bytes, framing: Framing, *, segment_bytes: int = 0) -> bytes:
    """The APDU on the wire, in frames of the usual addresses; `segment_bytes` 0: as few as can be."""
    if framing == "bare":
        return apdu
    if framing == "mbus":
        return encode_mbus(apdu, segment_bytes=segment_bytes or 245)
    return encode_hdlc(b"\xe6\xe7\x00" + apdu, segment_bytes=segment_bytes)
