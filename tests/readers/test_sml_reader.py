"""Telegrams to readings, and what a pushing meter does not send."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.catalogue import catalogue
from config.model import MeterConfig
from edge_agent.reading import Reading
from edge_agent.serials import server_id_text
from edge_agent.sml_reader import SmlReader
from protocols.obis import parse_obis
from protocols.quantities import by_number
from protocols.sml import SmlReceiver, SmlTelegram
from protocols.sml.messages import SmlValue
from protocols.value import NullCause, Quality, Scaled

PROFILE = catalogue()["ehz-sml"]
METER = MeterConfig(id="utility", line="head", profile="ehz-sml", interval_s=60)
CORPUS = Path(__file__).parents[3] / "shared" / "corpora" / "sml"
SERVER = bytes.fromhex("0a01454d480000a1bd34")
ENERGY, POWER, VOLTAGE = (parse_obis(code) for code in ("1-0:1.8.0", "1-0:16.7.0", "1-0:32.7.0"))
STATUS = parse_obis("1-0:96.5.0")


def reader_of(*quantities: str, serial: str = "", first: int = 0) -> SmlReader:
    return SmlReader(PROFILE, msgspec.structs.replace(METER, quantities=quantities, serial=serial), first)


def telegram(*values: SmlValue, server_id: bytes = SERVER) -> SmlTelegram:
    return SmlTelegram(server_id=server_id, values=values, offset=0)


def named(reader: SmlReader, readings: list[Reading]) -> dict[str, str]:
    """Quantity names with their values, or the causes why there is none."""
    names = [by_number(series.quantity).name for series in reader.series]
    return {
        names[reading.series]: str(reading.value) if reading.value else NullCause(reading.remark).name
        for reading in readings
    }


def test_values_come_in_the_registrys_unit_exactly() -> None:
    reader = reader_of()
    sent = telegram(SmlValue(ENERGY, Scaled(4288964, -1), 30), SmlValue(POWER, Scaled(-26234, -2), 27))
    readings = reader.decode(sent, 60_000, 61_234)
    assert named(reader, readings) == {
        "energy_active_import_total": "428.8964",
        "power_active_total": "-262.3",
    }
    assert {(reading.due_ms, reading.time_ms, reading.quality) for reading in readings} == {
        (60_000, 61_234, Quality.GOOD)
    }


def test_what_never_came_is_not_reported_and_what_came_once_is_missed() -> None:
    reader = reader_of()
    energy, power = SmlValue(ENERGY, Scaled(1, 0), 30), SmlValue(POWER, Scaled(5, 0), 27)
    assert named(reader, reader.decode(telegram(energy), 0, 0)) == {"energy_active_import_total": "0.001"}
    assert len(reader.decode(telegram(energy, power), 1, 1)) == 2
    third = reader.decode(telegram(energy), 2, 2)
    assert named(reader, third) == {"energy_active_import_total": "0.001", "power_active_total": "NOT_SENT"}
    assert len(reader.nulls(3, 3, NullCause.SILENT)) == 2


def test_what_the_configuration_names_is_expected_from_the_first_telegram_on() -> None:
    reader = reader_of("power_active_total", "energy_active_import_total")
    assert len(reader.series) == 2
    readings = reader.decode(
        telegram(SmlValue(ENERGY, Scaled(1, 3), 30), SmlValue(VOLTAGE, Scaled(1, 0), 35)), 0, 0
    )
    assert named(reader, readings) == {"energy_active_import_total": "1", "power_active_total": "NOT_SENT"}


def test_a_meter_silent_from_the_start_has_nulls_in_all_its_series() -> None:
    reader = reader_of(first=7)
    nulls = reader.nulls(0, 5, NullCause.SILENT)
    assert [reading.series for reading in nulls] == list(range(7, 7 + len(PROFILE.objects)))


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        (SmlValue(ENERGY, None, 30), NullCause.NOT_AVAILABLE),
        (SmlValue(ENERGY, Scaled(1, 0), 29), NullCause.CORRUPT),  # var is no energy
        (SmlValue(ENERGY, Scaled(1, 0), None), NullCause.CORRUPT),  # Wh or kWh? no guessing
        (SmlValue(ENERGY, Scaled(1, 0), 251), NullCause.CORRUPT),
        (SmlValue(ENERGY, b"12", 30), NullCause.CORRUPT),
        (SmlValue(ENERGY, Scaled(1, 127), 30), NullCause.CORRUPT),
    ],
)
def test_what_cannot_be_the_quantity_is_a_null_with_its_cause(value: SmlValue, cause: NullCause) -> None:
    (reading,) = reader_of().decode(telegram(value), 0, 0)
    assert (reading.value, reading.null_cause) == (None, cause)


def test_a_status_word_is_one_integer() -> None:
    for value in (Scaled(0x1C0104, 0), bytes.fromhex("1c0104"), bytes.fromhex("00001c0104")):
        (reading,) = reader_of().decode(telegram(SmlValue(STATUS, value)), 0, 0)
        assert reading.value == Scaled(0x1C0104, 0)
    (reading,) = reader_of().decode(telegram(SmlValue(STATUS, bytes(100))), 0, 0)
    assert reading.null_cause is NullCause.CORRUPT


def test_of_an_object_sent_twice_the_first_counts() -> None:
    reader = reader_of()
    twice = telegram(SmlValue(ENERGY, Scaled(1, 3), 30), SmlValue(ENERGY, Scaled(2, 3), 30))
    assert named(reader, reader.decode(twice, 0, 0)) == {"energy_active_import_total": "1"}


@pytest.mark.parametrize(
    ("server_id", "text"),
    [
        ("0a01454d480000a1bd34", "1EMH0010599732"),
        ("090145425a010002ec3b", "1EBZ0100191547"),
        ("06454d4801025371c8c6", "06454D4801025371C8C6"),
        ("a81598648002010 2".replace(" ", ""), "A815986480020102"),
        ("", ""),
    ],
)
def test_the_server_id_reads_as_it_is_printed(server_id: str, text: str) -> None:
    assert server_id_text(bytes.fromhex(server_id)) == text
    assert reader_of().serial_of(telegram(server_id=bytes.fromhex(server_id))) == text


def test_a_telegram_without_a_server_id_cannot_be_compared() -> None:
    energy = SmlValue(ENERGY, Scaled(1, 0), 30)
    anonymous = telegram(energy, server_id=b"")
    assert (
        reader_of(serial="1EMH0010599732").decode(anonymous, 0, 0)[0].quality == Quality.IDENTITY_UNVERIFIED
    )
    assert reader_of(serial="1EMH0010599732").decode(telegram(energy), 0, 0)[0].quality == Quality.GOOD
    assert reader_of().decode(anonymous, 0, 0)[0].quality == Quality.GOOD


VALUE = st.none() | st.booleans() | st.binary(max_size=12)
VALUE |= st.builds(Scaled, st.integers(-(2**63), 2**64), st.integers(-128, 127))
CODE = st.sampled_from([parse_obis(entry.obis) for entry in PROFILE.objects]) | st.binary(
    min_size=6, max_size=6
)


@given(st.lists(st.builds(SmlValue, CODE, VALUE, st.none() | st.integers(0, 255)), max_size=30))
def test_whatever_is_sent_each_series_has_at_most_one_reading_that_fits(values: list[SmlValue]) -> None:
    reader = reader_of()
    readings = reader.decode(telegram(*values), 0, 0)
    assert len({reading.series for reading in readings}) == len(readings)
    for reading in readings:
        if reading.value is None:
            assert NullCause(reading.remark)
        else:
            exponent = min(reader.series[reading.series].exponent, reading.value.exponent)
            assert reading.value.exponent >= -18
            assert reading.value.rescaled(exponent).integer.bit_length() <= 63 + 4 * 18


@pytest.mark.skipif(not CORPUS.exists(), reason="corpora: no recorded telegrams beside this checkout")
def test_a_recorded_meter_gives_what_libsml_printed_for_it() -> None:
    name = "HOLLEY_DTZ541-ZDBA"
    telegrams = SmlReceiver().receive_data((CORPUS / f"{name}.bin").read_bytes())
    first = next(item for item in telegrams if isinstance(item, SmlTelegram))
    reader = reader_of()
    got = named(reader, reader.decode(first, 0, 0))
    printed = {"energy_active_import_tariff2": "177.3601", "energy_active_export_total": "314.9260"}
    printed |= {
        "power_active_total": "460.0",
        "voltage_l1": "232.3",
        "current_l2": "1.74",
        "angle_i3_u3": "288.0",
    }
    assert printed.items() <= got.items()
    assert reader.serial_of(first) == "1HLY0200239888"
