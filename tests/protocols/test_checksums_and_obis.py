"""Checksums against the check values of the CRC catalogue and a bit-by-bit reading; OBIS codes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.checksums import crc16_arc, crc16_kermit, crc16_modbus, crc16_x25
from protocols.obis import format_obis, parse_obis


def bit_by_bit(data: bytes, polynomial: int, start: int, final: int) -> int:
    crc = start
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (polynomial if crc & 1 else 0)
    return crc ^ final


def test_check_values_of_the_catalogue() -> None:
    assert crc16_modbus(b"123456789") == 0x4B37
    assert crc16_arc(b"123456789") == 0xBB3D
    assert crc16_x25(b"123456789") == 0x906E
    assert crc16_kermit(b"123456789") == 0x2189


@given(st.binary(max_size=300))
def test_tables_agree_with_the_definition(data: bytes) -> None:
    assert crc16_modbus(data) == bit_by_bit(data, 0xA001, 0xFFFF, 0)
    assert crc16_modbus(bytearray(data)) == crc16_modbus(data)
    assert crc16_arc(data) == bit_by_bit(data, 0xA001, 0, 0)
    assert crc16_x25(data) == bit_by_bit(data, 0x8408, 0xFFFF, 0xFFFF)
    assert crc16_kermit(bytearray(data)) == bit_by_bit(data, 0x8408, 0, 0)


@given(st.binary(min_size=6, max_size=6))
def test_format_and_parse_are_inverse(obis: bytes) -> None:
    assert parse_obis(format_obis(obis)) == obis


def test_obis_for_people() -> None:
    assert format_obis(bytes.fromhex("0100010800ff")) == "1-0:1.8.0*255"
    assert parse_obis("1-0:1.8.0") == bytes.fromhex("0100010800ff")


@pytest.mark.parametrize("text", ["", "1.8.0", "1-0:1.8.256", "1-0:1.8.0*", "1-0:1.8.0 ", "1-0:1.8.٣"])
def test_what_is_no_obis_code_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="A-B:C"):
        parse_obis(text)


def test_obis_of_wrong_length_is_refused() -> None:
    with pytest.raises(ValueError, match="6 bytes"):
        format_obis(b"\1\0\1\7\0")
