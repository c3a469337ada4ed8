"""The data field of a record: numbers, BCD, text, dates (EN 13757-3:2018, table 4 and annex A).

Rules:
- the low four bits of the DIF choose a coding; what was decoded by one is encoded by it again;
- a pattern by which the meter says that it has no value becomes None with a reason, never a number;
- bytes stand here low byte first (mode 1); `records` turns those of mode 2 round.
"""

from __future__ import annotations

import struct
from typing import Literal, TypeAlias, get_args

from protocols.errors import ProtocolError
from protocols.mbus.times import TYPE_OF_SIZE, MbusTime, decode_time, encode_time
from protocols.mbus.vif import Meaning
from protocols.value import Scaled, from_binary32

Coding = Literal[
    "none",
    "int8",
    "int16",
    "int24",
    "int32",
    "real32",
    "int48",
    "int64",
    "selection",
    "bcd2",
    "bcd4",
    "bcd6",
    "bcd8",
    "lvar_text",
    "bcd12",
    "lvar_bcd",
    "lvar_binary",
]
Value: TypeAlias = "Scaled | str | bytes | MbusTime | None"
Decoded: TypeAlias = "tuple[Value, str]"  # and why it is None

DIF_CODINGS: tuple[Coding, ...] = get_args(Coding)[:15]  # by their number in the DIF
LVAR = 0x0D
_INTEGERS = {"int8": 1, "int16": 2, "int24": 3, "int32": 4, "int48": 6, "int64": 8}
_BCD = {"bcd2": 1, "bcd4": 2, "bcd6": 3, "bcd8": 4, "bcd12": 6}
SIZES: dict[Coding, int] = {**_INTEGERS, **_BCD, "real32": 4, "none": 0, "selection": 0}  # type: ignore[dict-item]

LVAR_TEXT_MAX = 0xBF
LVAR_BCD, LVAR_NEGATIVE, LVAR_BINARY, LVAR_LONG, LVAR_END = 0xC0, 0xD0, 0xE0, 0xF0, 0xF7
_LONG_BINARIES = (16, 20, 24, 28, 32, 48, 64)  # bytes of F0 to F6
BINARY_NUMBER_BYTES_MAX = 15

NO_DATA, NOT_AVAILABLE, INVALID_DIGITS = "no_data", "not_available", "invalid_digits"


def read_lvar(lvar: int, at: int) -> tuple[Coding, int]:
    """Coding and size of a field of variable length; mbus.lvar for a reserved one (6.3.4)."""
    if lvar <= LVAR_TEXT_MAX:
        return "lvar_text", lvar
    if lvar < LVAR_BINARY:
        return "lvar_bcd", lvar & 0x0F
    if lvar < LVAR_LONG:
        return "lvar_binary", lvar - LVAR_BINARY
    if lvar < LVAR_END:
        return "lvar_binary", _LONG_BINARIES[lvar - LVAR_LONG]
    raise ProtocolError("mbus.lvar", f"{lvar:02X} is no length", at)


def decode_field(coding: Coding, meaning: Meaning, data: bytes, *, is_negative: bool = False) -> Decoded:
    """The value of a field. `is_negative`: an LVAR of D0 to DF says so, outside of the digits."""
    if coding in _INTEGERS or coding == "lvar_binary":
        return _decode_binary(meaning, data)
    if coding in _BCD or coding == "lvar_bcd":
        return _decode_bcd(meaning, data, is_negative=is_negative)
    if coding == "real32":
        number = from_binary32(data[::-1])
        if number is None:
            return None, NOT_AVAILABLE
        return Scaled(number.integer, number.exponent + meaning.exponent), ""
    if coding == "lvar_text":
        return data[::-1].decode("latin-1"), ""
    return None, NO_DATA


def _decode_binary(meaning: Meaning, data: bytes) -> Decoded:
    size = len(data)
    if meaning.form == "time" and size in TYPE_OF_SIZE:
        time = decode_time(data)
        return time, "" if time is not None else NOT_AVAILABLE
    if meaning.form == "container" or not 1 <= size <= BINARY_NUMBER_BYTES_MAX:
        return data, ""
    unsigned = int.from_bytes(data, "little")
    if meaning.form == "identity":
        return str(unsigned), ""
    if meaning.form == "unsigned":
        return Scaled(unsigned, meaning.exponent), ""
    if unsigned == 1 << 8 * size - 1:  # type B: the most negative number says "invalid"
        return None, NOT_AVAILABLE
    return Scaled(int.from_bytes(data, "little", signed=True), meaning.exponent), ""


def _decode_bcd(meaning: Meaning, data: bytes, *, is_negative: bool) -> Decoded:
    digits = data[::-1].hex().upper()
    if meaning.form == "identity":
        return ("-" if is_negative else "") + digits, ""
    if digits.startswith("F"):  # type A: the sign stands in place of the first digit
        is_negative, digits = True, digits[1:]
    if not digits:
        return Scaled(0, meaning.exponent), ""
    if not digits.isdecimal():
        return None, INVALID_DIGITS
    return Scaled(-int(digits) if is_negative else int(digits), meaning.exponent), ""


def encode_field(coding: Coding, meaning: Meaning, value: Value) -> bytes:
    """The field with its LVAR where the coding has one; ValueError for a value that it cannot hold."""
    if coding in _INTEGERS or coding == "lvar_binary":
        return _encode_binary(coding, meaning, value)
    if coding in _BCD or coding == "lvar_bcd":
        return _encode_bcd(coding, meaning, value)
    if coding == "real32":
        return _encode_real(meaning, value)
    if coding == "lvar_text" and isinstance(value, str):
        content = value.encode("latin-1")[::-1]
        if len(content) > LVAR_TEXT_MAX:
            raise ValueError(f"{len(content)} characters, {LVAR_TEXT_MAX} is the most")
        return bytes((len(content),)) + content
    if value is None and SIZES.get(coding) == 0:
        return b""
    raise _misfit(coding, value)


def _encode_binary(coding: Coding, meaning: Meaning, value: Value) -> bytes:
    size = _INTEGERS.get(coding, 0)
    if isinstance(value, bytes):
        content = value
    elif isinstance(value, MbusTime):
        content = encode_time(value)
    elif value is None:
        content = _nothing(meaning, size or 1)
    elif isinstance(value, str):
        number = int(value)
        content = number.to_bytes(size or max(1, (number.bit_length() + 7) // 8), "little")
    else:
        content = _integer_bytes(_integer_of(meaning, value), size, is_signed=meaning.form != "unsigned")
    if size and len(content) != size:
        raise _misfit(coding, value)
    return content if size else _with_length(content)


def _integer_bytes(number: int, size: int, *, is_signed: bool) -> bytes:
    if is_signed and size and number == -1 << 8 * size - 1:
        raise ValueError(f"{number} in {size} bytes says that there is no value")
    bits = (number if number >= 0 else ~number).bit_length() + is_signed
    if is_signed and number == -1 << bits - 1:
        bits += 1
    try:
        return number.to_bytes(size or max(1, (bits + 7) // 8), "little", signed=is_signed)
    except OverflowError as error:
        raise ValueError(f"{number} does not fit into {size} bytes") from error


def _nothing(meaning: Meaning, size: int) -> bytes:
    if meaning.form == "time":
        return b"\xff" * size
    if meaning.form == "number":
        return (1 << 8 * size - 1).to_bytes(size, "little")
    if meaning.error:
        return bytes(size)
    raise ValueError(f"{meaning.kind} has no pattern for no value")


def _with_length(content: bytes) -> bytes:
    if len(content) <= BINARY_NUMBER_BYTES_MAX:
        return bytes((LVAR_BINARY + len(content),)) + content
    if len(content) in _LONG_BINARIES:
        return bytes((LVAR_LONG + _LONG_BINARIES.index(len(content)),)) + content
    raise ValueError(f"a binary of {len(content)} bytes: 1 to 15, or one of {_LONG_BINARIES}")


def _encode_bcd(coding: Coding, meaning: Meaning, value: Value) -> bytes:
    size = _BCD.get(coding, 0)
    digits, is_negative = _digits(meaning, value, 2 * size)
    if not size:
        digits = digits.zfill(len(digits) + len(digits) % 2)
        length = (LVAR_NEGATIVE if is_negative else LVAR_BCD) + len(digits) // 2
        if len(digits) > 2 * BINARY_NUMBER_BYTES_MAX:
            raise _misfit(coding, value)
        return bytes((length,)) + bytes.fromhex(digits)[::-1]
    sent = ("F" + digits.zfill(2 * size - 1)) if is_negative else digits.zfill(2 * size)
    if len(sent) != 2 * size:
        raise _misfit(coding, value)
    return bytes.fromhex(sent)[::-1]


def _digits(meaning: Meaning, value: Value, count: int) -> tuple[str, bool]:
    if value is None:
        return "E" * (count or 2), False
    if isinstance(value, str):
        return value.removeprefix("-"), value.startswith("-")
    if not isinstance(value, Scaled):
        raise _misfit("bcd8", value)
    number = _integer_of(meaning, value)
    return str(abs(number)), number < 0


def _encode_real(meaning: Meaning, value: Value) -> bytes:
    if value is None:
        return b"\xff" * 4
    if not isinstance(value, Scaled):
        raise _misfit("real32", value)
    number = Scaled(value.integer, value.exponent - meaning.exponent).normalised()
    try:
        bits = struct.pack("<f", float(f"{number.integer}e{number.exponent}"))
    except OverflowError as error:
        raise _misfit("real32", value) from error
    if from_binary32(bits[::-1]) != number:
        raise ValueError(f"{number} is no binary32")
    return bits


def _integer_of(meaning: Meaning, value: Scaled) -> int:
    return Scaled(value.integer, value.exponent - meaning.exponent).rescaled(0).integer


def _misfit(coding: Coding, value: Value) -> ValueError:
    return ValueError(f"{value!r} does not fit into {coding}")
