"""The 16-bit cyclic redundancy checks of the meter protocols.

All three are reflected (least significant bit first). By their standards Modbus and X.25 go on the wire
low byte first: `crc.to_bytes(2, "little")`. `binascii.crc_hqx` knows only the unreflected
CCITT polynomial; fed with bit-reversed bytes, and its result bit-reversed, it gives X.25 and Kermit at
the speed of C.
"""

from __future__ import annotations

import binascii
import sys
from array import array
from functools import cache, lru_cache

BY_WORD_BYTES_MIN = 24

_REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def _modbus_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
        table.append(crc)
    return tuple(table)


_MODBUS_TABLE = _modbus_table()


@cache
def _modbus_word_table() -> array[int]:
    """What becomes of each CRC-16/MODBUS when two zero bytes follow: 128 KiB, made when first needed.

    Linear: each bit doubles the table, all of its new half at once.
    """
    table = bytes(2)
    for place in range(16):
        crc = 1 << place
        for _ in range(2):
            crc = (crc >> 8) ^ _MODBUS_TABLE[crc & 0xFF]
        bit = crc.to_bytes(2, "little") * (len(table) // 2)
        half = int.from_bytes(table, "little") ^ int.from_bytes(bit, "little")
        table += half.to_bytes(len(table), "little")
    return _words(table)


def _words(data: bytes | bytearray) -> array[int]:
    """Pairs of bytes as numbers, low byte first; `data` has an even length."""
    words = array("H", bytes(data))
    if sys.byteorder == "big":
        words.byteswap()
    return words


def _crc16_8005_reflected(data: bytes | bytearray, start: int) -> int:
    """Two bytes at a time, which takes half the time; of short frames the preparation would take more."""
    crc, rest = start, data
    if len(data) >= BY_WORD_BYTES_MIN:
        even = len(data) & ~1
        words, rest = _modbus_word_table(), data[even:]
        for word in _words(data[:even]):
            crc = words[crc ^ word]
    table = _MODBUS_TABLE
    for byte in rest:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return crc


def crc16_modbus(data: bytes | bytearray) -> int:
    """CRC-16/MODBUS (Modbus over Serial Line V1.02, 2.5.1.2): polynomial 8005, start FFFF.

    Over a frame *with* its CRC the result is 0.
    """
    return _crc16_8005_reflected(data, 0xFFFF)


class ModbusCrcs:
    """The CRC-16/MODBUS of every piece of some bytes, each in the same short time however long it is.

    For a search through a recording, where thousands of overlapping pieces may be a frame. A CRC is linear:
    that of a piece follows from those of the two beginnings that end where it starts and where it ends.
    """

    def __init__(self, data: bytes) -> None:
        table = _MODBUS_TABLE
        crc = 0
        self._crcs = array("H", [0])  # of all beginnings, from 0 instead of FFFF
        for byte in data:
            crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
            self._crcs.append(crc)

    def is_right(self, start: int, end: int) -> bool:
        """Whether the last two bytes of the piece are the CRC of those before them."""
        low, high = _after_zeros(end - start)
        crc = self._crcs[start] ^ 0xFFFF
        return low[crc & 0xFF] ^ high[crc >> 8] == self._crcs[end]


@lru_cache(maxsize=256)
def _after_zeros(count: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What becomes of the low and of the high byte of a CRC-16/MODBUS when `count` zero bytes follow."""
    bits = []
    for place in range(16):
        crc = 1 << place
        for _ in range(count):
            crc = (crc >> 8) ^ _MODBUS_TABLE[crc & 0xFF]
        bits.append(crc)
    return _spread(bits[:8]), _spread(bits[8:])


def _spread(bits: list[int]) -> tuple[int, ...]:
    """From what becomes of each bit of a byte to what becomes of each byte."""
    table = [0] * 256
    for byte in range(1, 256):
        lowest = byte & -byte
        table[byte] = table[byte ^ lowest] ^ bits[lowest.bit_length() - 1]
    return tuple(table)


def _crc16_ccitt_reflected(data: bytes | bytearray, start: int) -> int:
    crc = binascii.crc_hqx(data.translate(_REVERSED_BITS), start)
    return _REVERSED_BITS[crc & 0xFF] << 8 | _REVERSED_BITS[crc >> 8]


def crc16_x25(data: bytes | bytearray) -> int:
    """CRC-16/X.25 (ISO/IEC 13239, used by HDLC and SML): polynomial 1021, start and final XOR FFFF."""
    return _crc16_ccitt_reflected(data, 0xFFFF) ^ 0xFFFF


def crc16_kermit(data: bytes | bytearray) -> int:
    """CRC-16/KERMIT: as X.25, but start 0 and no final XOR. Some Holley meters send it in SML."""
    return _crc16_ccitt_reflected(data, 0)


def crc16_arc(data: bytes | bytearray) -> int:
    """CRC-16/ARC, the checksum of DSMR P1 (P1 companion standard, 6.2): as Modbus, but start 0."""
    return _crc16_8005_reflected(data, 0)
