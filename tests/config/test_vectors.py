"""Known registers and their known values: makers' examples, logs of real meters, and constructed ones."""

from __future__ import annotations

import pytest

from protocols.modbus.pdu import ReadRequest
from protocols.modbus.rtu import RtuExchange
from protocols.value import NullCause, parse_decimal
from tests.config.registers import address_of, profile_of, reading_of

# Profile, quantity, unit id, request and answer on the wire, value.
FRAMES = [
    # The example of Eastron's manual, as Tasmota's sources quote it.
    *[
        (name, quantity, 1, "01 04 00 00 00 02 71 CB", "01 04 04 43 66 33 34 1B 38", "230.2")
        for name, quantity in (
            ("eastron-sdm630", "voltage_l1"),
            ("eastron-sdm120", "voltage_avg"),
            ("eastron-sdm72-v2", "voltage_l1"),
        )
    ],
    # A public log of a Senseair S8; the checksum is the computed one.
    ("senseair-s8", "co2", 254, "FE 04 00 03 00 01 D5 C5", "FE 04 02 03 88 AD B2", "904"),
]

# Profile, quantity, registers as sent, value (None: not available).
REGISTERS = [
    ("eastron-sdm630", "energy_active_sum_total", (17668, 65470), "2127.984"),  # log of a real meter
    ("eastron-sdm220", "energy_active_sum_total", (17668, 65470), "2127.984"),
    ("eastron-sdm630", "power_active_total", (50330, 20480), "-1234.5"),
    ("eastron-sdm120", "power_active_total", (50330, 20480), "-1234.5"),
    ("eastron-sdm630", "frequency", (16967, 60293), "49.98"),
    ("carlo-gavazzi-em24-rs485", "voltage_l1", (2301, 0), "230.1"),
    ("carlo-gavazzi-em24-e1", "voltage_l1", (2301, 0), "230.1"),
    ("carlo-gavazzi-em340", "voltage_l1", (2301, 0), "230.1"),
    ("carlo-gavazzi-em24-e1", "power_active_total", (64036, 65535), "-150.0"),
    ("carlo-gavazzi-em340", "power_active_total", (64036, 65535), "-150.0"),
    ("abb-b23", "energy_active_import_total", (0, 0, 18, 54919), "12345.67"),
    ("abb-b23", "energy_active_import_total", (65535, 65535, 65535, 65535), None),
    ("siemens-pac2200", "energy_active_import_tariff1", (16690, 54919, 0, 0), "1234.567"),
    ("sma-tripower", "power_active_total", (32768, 0), None),  # at night
]


@pytest.mark.parametrize(("name", "quantity", "unit", "request_text", "answer_text", "value"), FRAMES)
def test_a_known_frame_is_asked_for_and_read(
    name: str, quantity: str, unit: int, request_text: str, answer_text: str, value: str
) -> None:
    answer = bytes.fromhex(answer_text)
    point = next(point for point in profile_of(name).points if point.quantity == quantity)
    assert point.table == "input"
    exchange = RtuExchange(unit, ReadRequest(4, address_of(name, quantity), answer[2] // 2))
    assert exchange.request == bytes.fromhex(request_text)
    data = exchange.receive_data(answer)
    assert data is not None
    words = [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]
    assert reading_of(name, quantity, *words).value == parse_decimal(value)


@pytest.mark.parametrize(("name", "quantity", "words", "value"), REGISTERS)
def test_known_registers_become_their_known_value(
    name: str, quantity: str, words: tuple[int, ...], value: str | None
) -> None:
    reading = reading_of(name, quantity, *words)
    if value is None:
        assert (reading.value, reading.null_cause) == (None, NullCause.NOT_AVAILABLE)
    else:
        assert reading.value is not None
        assert reading.value.normalised() == parse_decimal(value).normalised()
