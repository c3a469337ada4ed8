"""D0 read-outs and P1 telegrams to readings: by code, by the meter's own address, by M-Bus channel."""

from __future__ import annotations

import msgspec
import pytest

from config.catalogue import catalogue
from config.model import MeterConfig
from edge_agent.push_codecs import PlainP1Receiver
from edge_agent.text_readers import D0Reader, P1Reader
from protocols.iec62056_21 import D0Receiver, D0Telegram
from protocols.p1 import P1Receiver, P1Telegram, encrypt_telegram
from protocols.quantities import by_number
from protocols.value import NullCause, Quality

METER = MeterConfig(id="m", line="l", profile="p")
D0 = b"/LGZ5\\2ZMD\r\n"
P1 = b"/ISk5\\2MT382\r\n\r\n"


def d0(profile: str, lines: bytes, **config: object) -> tuple[D0Reader, D0Telegram]:
    found = D0Receiver(bcc="if_sent").receive_data(D0 + lines + b"!\r\n\r\n/LGZ")
    assert isinstance(found[0], D0Telegram), found
    return D0Reader(catalogue()[profile], msgspec.structs.replace(METER, **config), 10), found[0]


def p1(lines: bytes, **config: object) -> tuple[P1Reader, P1Telegram]:
    found = P1Receiver(checksums="ignored").receive_data(P1 + lines + b"!\r\n")
    assert isinstance(found[0], P1Telegram), found
    return P1Reader(catalogue()["p1-dsmr5"], msgspec.structs.replace(METER, **config), 0), found[0]


def told(reader: D0Reader | P1Reader, telegram: object) -> dict[str, str]:
    """Values, or the names of causes, by quantity."""
    first = reader._first
    return {
        by_number(reader.series[r.series - first].quantity).name: (
            str(r.value) if r.value is not None else NullCause(r.remark).name
        )
        for r in reader.decode(telegram, 1, 2)  # type: ignore[arg-type]
    }


def test_values_are_exact_in_the_unit_of_the_registry() -> None:
    reader, telegram = d0("d0-electricity", b"1.8.0(0008048.375*kWh)\r\n1-0:16.7.0*255(-0.4004*kW)\r\n")
    assert told(reader, telegram) == {
        "energy_active_import_total": "8048.375",
        "power_active_total": "-400.4",
    }


def test_what_has_no_value_no_unit_or_a_wrong_one_is_a_null() -> None:
    lines = b"1.8.0(----*kWh)\r\n1.8.1(17*m3)\r\n1.8.2(17.5)\r\n2.8.0(1*kWh)\r\n"
    assert told(*d0("d0-electricity", lines)) == {
        "energy_active_import_total": "NOT_AVAILABLE",
        "energy_active_import_tariff1": "CORRUPT",
        "energy_active_import_tariff2": "CORRUPT",
        "energy_active_export_total": "1",
    }


def test_what_the_configuration_names_is_missed_when_it_does_not_come() -> None:
    reader, telegram = d0("d0-electricity", b"1.8.0(1*kWh)\r\n", quantities=("frequency",))
    assert told(reader, telegram) == {"frequency": "NOT_SENT"}


def test_before_the_first_telegram_all_series_are_null() -> None:
    reader, telegram = d0("d0-electricity", b"1.8.0(1*kWh)\r\n")
    assert len(reader.nulls(1, 2, NullCause.SILENT)) == len(reader.series)
    reader.decode(telegram, 1, 2)
    assert [reading.series for reading in reader.nulls(1, 2, NullCause.SILENT)] == [10]


def test_a_heat_meter_writes_addresses_of_its_own() -> None:
    lines = (
        b"6.8(0029.055*MWh)6.26(01589.28*m3)9.21(66153690)\r\n6.26*01(01563.92*m3)6.8*01(0028.086*MWh)\r\n"
    )
    reader, telegram = d0("ultraheat-t550-d0", lines)
    assert told(reader, telegram) == {"energy_heat_total": "29055", "volume_heat_total": "1589.28"}
    assert reader.serial_of(telegram) == "66153690"


def test_a_heat_meter_that_counts_in_gj_has_its_exact_value_in_gj() -> None:
    lines = b"6.8(0104.598*GJ)6.26(01589.28*m3)9.21(66153690)\r\n"
    values = {"energy_heat_gj_total": "104.598", "volume_heat_total": "1589.28"}
    assert told(*d0("ultraheat-t550-d0", lines)) == values
    named = ("energy_heat_total", "energy_heat_gj_total")
    values = {"energy_heat_total": "NOT_SENT", "energy_heat_gj_total": "104.598"}
    assert told(*d0("ultraheat-t550-d0", lines, quantities=named)) == values


def test_a_number_without_unit_has_the_one_that_the_profile_states() -> None:
    profile = catalogue()["d0-electricity"]
    stated = tuple(
        msgspec.structs.replace(entry, unit="Wh") if entry.obis == "1-0:1.8.0" else entry
        for entry in profile.objects
    )
    _, telegram = d0("d0-electricity", b"1.8.0(0017500)\r\n1.8.1(17.5*kWh)\r\n1.8.2(17.5)\r\n")
    reader = D0Reader(msgspec.structs.replace(profile, objects=stated), METER, 10)
    assert told(reader, telegram) == {
        "energy_active_import_total": "17.500",
        "energy_active_import_tariff1": "17.5",
        "energy_active_import_tariff2": "CORRUPT",
    }


def test_a_configured_serial_number_that_no_telegram_tells_marks_the_values() -> None:
    reader, telegram = d0("d0-electricity", b"1.8.0(1*kWh)\r\n", serial="123")
    assert reader.decode(telegram, 1, 2)[0].remark == Quality.IDENTITY_UNVERIFIED


def test_gas_and_water_are_found_on_whichever_channel_they_are() -> None:
    lines = (
        b"0-0:96.1.1(4B38)\r\n1-0:1.8.1(000004.426*kWh)\r\n0-0:96.14.0(0002)\r\n1-0:1.7.0(00.244*kW)\r\n"
        b"0-1:24.1.0(007)\r\n0-1:24.2.1(170102161005W)(00012.345*m3)\r\n"
        b"0-3:24.1.0(003)\r\n0-3:24.2.1(170102161005W)(00000.107*m3)\r\n"
    )
    reader, telegram = p1(lines)
    assert told(reader, telegram) == {
        "energy_active_import_tariff1": "4.426",
        "tariff_active": "2",
        "power_active_import_total": "244",
        "volume_gas_total": "0.107",
        "volume_water_cold_total": "12.345",
    }
    assert reader.serial_of(telegram) == "K8"


@pytest.mark.parametrize(
    ("channels", "values"),
    [
        ((), {"volume_gas_total": "111.1", "volume_water_cold_total": "7"}),
        (("2",), {"volume_gas_total": "0.107"}),
        (("G002",), {"volume_gas_total": "0.107"}),
        (("g2", "3"), {"volume_water_cold_total": "7"}),
        (("G001", "W1"), {"volume_gas_total": "111.1", "volume_water_cold_total": "7"}),
        (("G003",), {}),
    ],
)
def test_of_several_channels_of_a_medium_the_named_one_counts(
    channels: tuple[str, ...], values: dict[str, str]
) -> None:
    lines = (
        b"0-1:24.1.0(003)\r\n0-1:96.1.0(47303031)\r\n0-1:24.2.1(170102161005W)(00111.1*m3)\r\n"
        b"0-2:24.1.0(003)\r\n0-2:96.1.0(47303032)\r\n0-2:24.2.1(170102161005W)(00000.107*m3)\r\n"
        b"0-3:24.1.0(007)\r\n0-3:96.1.0(5731)\r\n0-3:24.2.1(170102161005W)(00007*m3)\r\n"
    )
    assert told(*p1(lines, channels=channels)) == values


def test_heat_in_gj_comes_from_its_channel() -> None:
    lines = b"0-1:24.1.0(004)\r\n0-1:24.2.1(200426223325S)(00246.138*GJ)\r\n"
    assert told(*p1(lines)) == {"energy_heat_gj_total": "246.138"}


@pytest.mark.parametrize("cut", [1, 5, 16, 40])
def test_an_encrypted_port_is_told_as_such(cut: int) -> None:
    frame = encrypt_telegram(
        P1 + b"1-0:1.8.1(000004.426*kWh)\r\n!\r\n",
        key=bytes(16),
        authentication_key=bytes(16),
        system_title=b"SAG12345",
        counter=1,
    )
    receiver = PlainP1Receiver()
    found = receiver.receive_data(frame[:cut]) + receiver.receive_data(frame[cut:])
    assert [getattr(item, "code", "") for item in found] == ["p1.encrypted"]
