"""What an M-Bus slave answers: header and records of the application layer, both roles (EN 13757-3:2018).

    CI 72 (76)   variable structure: number, maker, version, medium, access, status, configuration; records
    CI 7A (7E)   the same with a short header: access, status, configuration
    CI 78 (7C)   records alone
    CI 73 (77)   fixed structure of old meters, two counters (`fixed`)
    CI 70 (74)   the meter refuses: application error

CI bit 2 set: multi-byte fields come high byte first (mode 2), single bytes in their order.

Rules:
- a telegram decodes whole or not at all; a meter's own refusal is a DeviceError;
- what is encrypted gives its header and no records. A configuration field that names no encryption of the
  standard is the "signature" of an old meter, and its records are read.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from protocols.errors import DeviceError, ProtocolError
from protocols.mbus.address import decode_maker, encode_maker
from protocols.mbus.fixed import FIXED_BYTES, FixedData, decode_fixed, encode_fixed
from protocols.mbus.frames import LongFrame
from protocols.mbus.records import MbusRecord, Records, decode_records, encode_records

Order = Literal["big", "little"]

RSP_UD = 0x08
APPLICATION_ERROR, LONG_HEADER, FIXED, NO_HEADER, SHORT_HEADER = 0x70, 0x72, 0x73, 0x78, 0x7A
HIGH_BYTE_FIRST = 0x04  # this bit of the CI: mode 2
FRAME_HEAD_BYTES = 7  # of a long frame, up to and with its CI
HEADER_SIZES = {LONG_HEADER: 12, SHORT_HEADER: 4, NO_HEADER: 0}
_ANSWERS = (APPLICATION_ERROR, FIXED, *HEADER_SIZES)
_COMPACT = (0x69, 0x6A, 0x6B, 0x79, 0x7B)  # format frames, and data whose format only such a frame tells
_FROM_MASTER = (*range(0x50, 0x5E), 0x60, 0x61, 0x64, 0x65, *range(0xB8, 0xC0))
ENCRYPTION_MODES = (2, 3, 4, 5, 7, 8, 9, 10, 13)

APPLICATION_ERRORS = {
    0: "unspecified error",
    1: "unimplemented CI field",
    2: "buffer too long, truncated",
    3: "too many records",
    4: "premature end of record",
    5: "more than 10 DIFE",
    6: "more than 10 VIFE",
    8: "application too busy for handling the request",
    9: "too many read-outs",
}


class MbusTelegram(NamedTuple):
    """A slave's answer.

    `id`: eight digits, hexadecimal ones as sent. `manufacturer`: three letters; both "" where the header
    has none. `signature`: the configuration field. `encrypted`: what stands in place of the records.
    """

    records: tuple[MbusRecord, ...] = ()
    manufacturer: str = ""
    id: str = ""
    version: int = 0
    medium: int = 0
    access: int = 0
    status: int = 0
    signature: int = 0
    more_follows: bool = False
    manufacturer_data: bytes = b""
    encrypted: bytes = b""
    ci: int = LONG_HEADER
    address: int = 0

    @property
    def encryption_mode(self) -> int:
        """The mode of encryption by the configuration field, 0 for none (EN 13757-7:2018, table 19)."""
        mode = self.signature >> 8 & 0x1F
        return mode if mode in ENCRYPTION_MODES else 0


def layout_of(ci: int) -> tuple[int, bool]:
    """The CI of mode 1, and whether this one says that high bytes come first; mbus.ci for no answer."""
    plain = ci & ~HIGH_BYTE_FIRST if ci & 0xF0 == 0x70 else ci
    if plain in _ANSWERS:
        return plain, plain != ci
    if ci in _COMPACT:
        raise ProtocolError(
            "mbus.compact", f"CI {ci:02X}: compact frames are not decoded", FRAME_HEAD_BYTES - 1
        )
    text = "a telegram of the master" if ci in _FROM_MASTER else "no answer that is known"
    raise ProtocolError("mbus.ci", f"CI {ci:02X}: {text}", FRAME_HEAD_BYTES - 1)


def decode_telegram(frame: LongFrame) -> MbusTelegram:
    """What the frame says.

    DeviceError mbus.application_error with the meter's own code where it refuses. ProtocolError mbus.ci,
    mbus.compact, mbus.header, and those of `decode_records`; their offset counts from the frame's first byte.
    """
    layout, high_byte_first = layout_of(frame.ci)
    if layout == APPLICATION_ERROR:
        code = frame.data[0] if frame.data else 0
        text = APPLICATION_ERRORS.get(code, "reserved error")
        raise DeviceError("mbus.application_error", f"the meter refuses: {text} ({code})", code)
    if layout == FIXED:
        return _decode_fixed(frame, high_byte_first=high_byte_first)
    size = HEADER_SIZES[layout]
    if len(frame.data) < size:
        text = f"a header of {size} bytes, {len(frame.data)} are there"
        raise ProtocolError("mbus.header", text, FRAME_HEAD_BYTES)
    header = _decode_header(frame.data[:size], high_byte_first=high_byte_first)
    telegram = header._replace(ci=frame.ci, address=frame.address)
    rest = frame.data[size:]
    if telegram.encryption_mode:
        return telegram._replace(encrypted=rest)
    try:
        found = decode_records(rest, high_byte_first=high_byte_first)
    except ProtocolError as error:
        at = None if error.offset is None else error.offset + FRAME_HEAD_BYTES + size
        raise ProtocolError(error.code, error.text, at) from None
    records = tuple(_moved(record, size) for record in found.records)
    return telegram._replace(
        records=records, more_follows=found.more_follows, manufacturer_data=found.manufacturer_data
    )


def _moved(record: MbusRecord, by: int) -> MbusRecord:
    """With its offset from the frame's first byte."""
    return record._replace(offset=record.offset + FRAME_HEAD_BYTES + by)


def _decode_header(header: bytes, *, high_byte_first: bool) -> MbusTelegram:
    if not header:
        return MbusTelegram()
    order: Order = "big" if high_byte_first else "little"
    access, status = header[-4:-2]
    short = MbusTelegram(access=access, status=status, signature=int.from_bytes(header[-2:], order))
    if len(header) == HEADER_SIZES[SHORT_HEADER]:
        return short
    number, maker = int.from_bytes(header[:4], order), int.from_bytes(header[4:6], order)
    return short._replace(
        id=f"{number:08X}", manufacturer=decode_maker(maker), version=header[6], medium=header[7]
    )


def _decode_fixed(frame: LongFrame, *, high_byte_first: bool) -> MbusTelegram:
    size = len(frame.data)
    if size > FIXED_BYTES:
        text = f"CI {frame.ci:02X} with {size} bytes: compact frames are not decoded"
        raise ProtocolError("mbus.compact", text, FRAME_HEAD_BYTES - 1)
    if size < FIXED_BYTES:
        text = f"a fixed structure of {FIXED_BYTES} bytes, {size} are there"
        raise ProtocolError("mbus.header", text, FRAME_HEAD_BYTES)
    fixed = decode_fixed(frame.data, high_byte_first=high_byte_first)
    return MbusTelegram(
        records=tuple(_moved(record, 0) for record in fixed.records),
        id=fixed.id,
        medium=fixed.medium,
        access=fixed.access,
        status=fixed.status,
        ci=frame.ci,
        address=frame.address,
    )


def encode_telegram(telegram: MbusTelegram, *, control: int = RSP_UD) -> LongFrame:
    """The slave's answer as a frame; ValueError for what its `ci` cannot hold.

    A telegram is at most `frames.DATA_BYTES_MAX` of data long; `encode_frame` refuses more.
    """
    layout, high_byte_first = layout_of(telegram.ci)
    if layout == FIXED:
        fixed = FixedData(telegram.id, telegram.access, telegram.status, telegram.medium, telegram.records)
        data = encode_fixed(fixed, high_byte_first=high_byte_first)
    elif layout in HEADER_SIZES:
        records = Records(telegram.records, telegram.manufacturer_data, telegram.more_follows)
        rest = telegram.encrypted or encode_records(records, high_byte_first=high_byte_first)
        data = _encode_header(telegram, layout, high_byte_first=high_byte_first) + rest
    else:
        raise ValueError(f"CI {telegram.ci:02X}: see encode_error")
    return LongFrame(control, telegram.address, telegram.ci, data)


def _encode_header(telegram: MbusTelegram, layout: int, *, high_byte_first: bool) -> bytes:
    order: Order = "big" if high_byte_first else "little"
    if layout == NO_HEADER:
        return b""
    short = bytes((telegram.access, telegram.status)) + telegram.signature.to_bytes(2, order)
    if layout == SHORT_HEADER:
        return short
    number = int(telegram.id, 16).to_bytes(4, order) + encode_maker(telegram.manufacturer).to_bytes(2, order)
    return number + bytes((telegram.version, telegram.medium)) + short


def encode_error(code: int, *, address: int = 0) -> LongFrame:
    """A slave's refusal (APPLICATION_ERRORS)."""
    return LongFrame(RSP_UD, address, APPLICATION_ERROR, bytes((code,)))
