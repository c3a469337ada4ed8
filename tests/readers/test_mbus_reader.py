"""M-Bus telegrams to readings: which record is which, what no value becomes, and who may have sent it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from config.catalogue import catalogue
from config.model import MeterConfig
from edge_agent.mbus_reader import MbusReader
from edge_agent.reading import Reading
from protocols.mbus.frames import FrameReceiver, LongFrame
from protocols.mbus.records import make_record
from protocols.mbus.telegram import MbusTelegram, decode_telegram
from protocols.quantities import by_number
from protocols.value import NullCause, Quality, Scaled

CORPUS = Path(__file__).parents[3] / "shared" / "corpora" / "mbus"
METER = MeterConfig(id="m", line="loop", profile="mbus-heat", interval_s=900)
HEAT = MbusTelegram(manufacturer="KAM", id="12345678", version=0x34, medium=4)


def reader_of(profile: str = "mbus-heat", *quantities: str, serial: str = "") -> MbusReader:
    meter = msgspec.structs.replace(METER, profile=profile, quantities=quantities, serial=serial)
    return MbusReader(catalogue()[profile], meter, 0)


def named(reader: MbusReader, readings: list[Reading]) -> dict[str, str]:
    """Quantity names with their values, or the causes why there is none."""
    return {
        by_number(reader.series[r.series].quantity).name: NullCause(r.remark).name
        if r.value is None
        else str(r.value.normalised())
        for r in readings
    }


def recorded(name: str) -> MbusTelegram:
    path = CORPUS / f"{name}.bin"
    if not path.exists():
        pytest.skip("corpora: the recorded telegrams are not laid beside the checkout")
    (frame,) = FrameReceiver().receive_data(path.read_bytes())
    assert isinstance(frame, LongFrame)
    return decode_telegram(frame)


@pytest.mark.parametrize(
    ("profile", "name", "values"),
    [
        (
            "kamstrup-multical-403",
            "wmbm_drv_kamheat-4",
            {
                "energy_heat_total": "34510",
                "volume_heat_total": "2232.49",
                "flow_rate": "0.527",
                "temperature_flow": "64.6",
                "temperature_return": "45.16",
            },
        ),
        (
            "minol-minocal-c2",
            "ZRM_Minol-Minocal-C2",
            {
                "energy_heat_total": "3",
                "volume_heat_total": "0.074",
                "power_thermal": "0",
                "flow_rate": "0",
                "temperature_flow": "20.71",
                "temperature_return": "20.38",
            },
        ),
        ("itron-cyble-water", "itron_cyble_m-bus_v1.4_cold_water", {"volume_water_cold_total": "453.5"}),
        ("mbus-gas", "itron_cyble_m-bus_v1.4_gas", {"volume_gas_total": "0.26"}),
        ("mbus-water-hot", "siemens_wfh21", {"volume_water_hot_total": "0"}),
        (
            "mbus-water",
            "oms_frame2",
            {"volume_water_cold_total": "2850.427", "flow_rate": "0.127"},
        ),
        (
            "mbus-heat",
            "wmbm_drv_ultraheat",  # counts in GJ, so its energy is not read
            {
                "volume_heat_total": "1995.07",
                "power_thermal": "500",
                "flow_rate": "0.808",
                "temperature_flow": "52",
                "temperature_return": "51",
                "temperature_difference": "0.6",
            },
        ),
    ],
)
def test_recorded_telegrams_become_the_values_that_they_hold(
    profile: str, name: str, values: dict[str, str]
) -> None:
    reader, telegram = reader_of(profile), recorded(name)
    assert reader.misfit(telegram) == ""
    assert named(reader, reader.decode([telegram], 0, 0)) == values


def test_a_record_is_picked_by_all_that_is_said_of_it() -> None:
    others = [
        make_record("energy", Scaled(1, 3), "int32", unit="Wh", storage=1),
        make_record("energy", Scaled(2, 3), "int32", unit="Wh", tariff=1),
        make_record("energy", Scaled(3, 3), "int32", unit="Wh", subunit=1),
        make_record("energy", Scaled(4, 3), "int32", unit="Wh", function="maximum"),
        make_record("energy", Scaled(5, 3), "int32", unit="Wh", qualifiers=("backward",)),
        make_record("energy", Scaled(6, 9), "int32", unit="J"),
    ]
    right = make_record("energy", Scaled(7, 3), "int32", unit="Wh")
    reader = reader_of()
    telegram = HEAT._replace(records=(*others, right, right._replace(value=Scaled(8, 3))))
    assert named(reader, reader.decode([telegram], 0, 0)) == {"energy_heat_total": "7"}


def test_records_may_come_in_several_telegrams() -> None:
    reader = reader_of("mbus-heat", "energy_heat_total", "volume_heat_total")
    one = HEAT._replace(records=(make_record("energy", Scaled(7, 3), "int32", unit="Wh"),))
    two = HEAT._replace(records=(make_record("volume", Scaled(5, -2), "int32", unit="m3"),))
    assert not reader.is_complete([one])
    assert reader.is_complete([one, two])
    values = {"energy_heat_total": "7", "volume_heat_total": "0.05"}
    assert named(reader, reader.decode([one, two], 0, 0)) == values


def test_what_is_no_value_becomes_a_null_with_its_cause() -> None:
    energy = make_record("energy", None, "int32", unit="Wh")
    reader = reader_of("mbus-heat", "energy_heat_total", "volume_heat_total")
    for reason, cause in (
        ("not_available", "NOT_AVAILABLE"),
        ("no_data_available", "NOT_AVAILABLE"),
        ("invalid_digits", "CORRUPT"),
        ("data_overflow", "CORRUPT"),
    ):
        telegram = HEAT._replace(records=(energy._replace(reason=reason),))
        expected = {"energy_heat_total": cause, "volume_heat_total": "NOT_SENT"}
        assert named(reader, reader.decode([telegram], 0, 0)) == expected


def test_what_never_came_is_not_told_and_what_came_once_is_missed() -> None:
    reader = reader_of()
    full = HEAT._replace(records=(make_record("energy", Scaled(7, 3), "int32", unit="Wh"),))
    assert len(reader.nulls(0, 0, NullCause.SILENT)) == len(reader.series), "nothing is known of it yet"
    reader.decode([full], 0, 0)
    assert named(reader, reader.decode([HEAT], 0, 0)) == {"energy_heat_total": "NOT_SENT"}
    assert named(reader, reader.nulls(0, 0, NullCause.SILENT)) == {"energy_heat_total": "SILENT"}


def test_a_telegram_without_number_is_marked_where_one_is_configured() -> None:
    record = make_record("energy", Scaled(7, 3), "int32", unit="Wh")
    reader = reader_of(serial="12345678")
    (told,) = reader.decode([HEAT._replace(records=(record,))], 0, 0)
    (bare,) = reader.decode([MbusTelegram(records=(record,))], 0, 0)
    assert told.quality == Quality.GOOD
    assert bare.quality == Quality.IDENTITY_UNVERIFIED
    assert reader.misfit(MbusTelegram()) == "", "it does not say who it is"


@pytest.mark.parametrize(
    "other",
    [HEAT._replace(medium=7), HEAT._replace(manufacturer="ELS"), HEAT._replace(version=0x35)],
)
def test_a_meter_of_another_kind_is_told_with_what_it_says(other: MbusTelegram) -> None:
    reader = reader_of("kamstrup-multical-403")
    assert reader.misfit(HEAT) == ""
    text = f"the device says 12345678.{other.manufacturer}.{other.version:02X}.{other.medium:02X}"
    assert text in reader.misfit(other)
