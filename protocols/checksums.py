"""The 16-bit cyclic redundancy checks of the meter protocols.

All three are reflected (least significant bit first). By their standards Modbus and X.25 go on the wire
low byte first: `crc.to_bytes(2, "little")`. `binascii.crc_hqx` knows only the unreflected
CCITT polynomial; fed with bit-reversed bytes, and its result bit-reversed, it gives X.25 and Kermit at
the speed of C.
"""

from __future__ import annotations

import binascii

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


def crc16_modbus(data: bytes | bytearray) -> int:
    """CRC-16/MODBUS (Modbus over Serial Line V1.02, 2.5.1.2): polynomial 8005, start FFFF.

    Over a frame *with* its CRC the result is 0.
    """
    table = _MODBUS_TABLE
    crc = 0xFFFF
    for byte in data:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return crc


def _crc16_ccitt_reflected(data: bytes | bytearray, start: int) -> int:
    crc = binascii.crc_hqx(data.translate(_REVERSED_BITS), start)
    return _REVERSED_BITS[crc & 0xFF] << 8 | _REVERSED_BITS[crc >> 8]


def crc16_x25(data: bytes | bytearray) -> int:
    """CRC-16/X.25 (ISO/IEC 13239, used by HDLC and SML): polynomial 1021, start and final XOR FFFF."""
    return _crc16_ccitt_reflected(data, 0xFFFF) ^ 0xFFFF


def crc16_kermit(data: bytes | bytearray) -> int:
    """CRC-16/KERMIT: as X.25, but start 0 and no final XOR. Some Holley meters send it in SML."""
    return _crc16_ccitt_reflected(data, 0)
