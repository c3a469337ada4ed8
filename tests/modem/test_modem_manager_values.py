"""ModemManager's properties as newer versions and other modems give them than those on the bench."""

from __future__ import annotations

from typing import Any

import pytest

from hal.modem.api import BearerStatus, Counters, IpMethod, IpSettings, RegistrationState, SimState
from hal.modem.modem_manager_values import (
    LOCATION,
    MODEM,
    MODEM_3GPP,
    SIGNAL,
    decode_bearer,
    decode_cause,
    decode_cell,
    decode_sim,
    decode_status,
    decode_technology,
)
from protocols.at.causes import Remedy
from protocols.cellular import Cell, Technology, make_signal
from protocols.value import Scaled

UNKNOWN_LEVEL = -1.7976931348623157e308


def modem(network: dict[str, Any] | None = None, signal: dict[str, Any] | None = None, access: int = 1 << 14):  # noqa: ANN201
    """A registered one."""
    return {
        MODEM: {"State": 8, "UnlockRequired": 1, "AccessTechnologies": access},
        MODEM_3GPP: {"RegistrationState": 1, "OperatorCode": "26201", **(network or {})},
        SIGNAL: signal or {},
        LOCATION: {},
    }


@pytest.mark.parametrize(
    ("bits", "technology"),
    [
        (0, None),
        (1 << 1, Technology.GSM),
        (1 << 4, Technology.GSM),
        (1 << 5, Technology.UMTS),
        (1 << 9 | 1 << 6, Technology.UMTS),
        (1 << 14, Technology.LTE),
        (1 << 14 | 1 << 15, Technology.NR_NSA),
        (1 << 15, Technology.NR_SA),
        (1 << 16, Technology.LTE_M),
        (1 << 17, Technology.NB_IOT),
        (1 << 30, None),
    ],
)
def test_the_technology_that_carries_the_data_is_named(bits: int, technology: Technology | None) -> None:
    assert decode_technology(bits) is technology


@pytest.mark.parametrize(
    ("own", "sim"),
    [
        ({"State": -1, "StateFailedReason": 2, "UnlockRequired": 1}, SimState.MISSING),
        ({"State": -1, "StateFailedReason": 3}, SimState.FAILED),
        ({"State": -1, "StateFailedReason": 5}, SimState.MISSING),
        ({"State": -1, "StateFailedReason": 1}, SimState.UNKNOWN),
        ({"State": 2, "UnlockRequired": 4}, SimState.PUK),
        ({"State": 8, "UnlockRequired": 3}, SimState.READY),
        ({"State": 8, "UnlockRequired": 5}, SimState.READY),
        ({"State": 2, "UnlockRequired": 10}, SimState.FAILED),
        ({}, SimState.UNKNOWN),
    ],
)
def test_each_lock_and_each_failure_is_a_state_of_the_sim(own: dict[str, Any], sim: SimState) -> None:
    assert decode_sim(own) is sim


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        ({}, RegistrationState.HOME),
        ({"RegistrationState": 5}, RegistrationState.ROAMING),
        ({"RegistrationState": 10}, RegistrationState.ROAMING),
        ({"RegistrationState": 3}, RegistrationState.DENIED),
        ({"RegistrationState": 99}, RegistrationState.UNKNOWN),
        ({"OperatorCode": ""}, RegistrationState.SEARCHING),  # registered with nobody: not believed
    ],
)
def test_a_registration_without_an_operator_is_not_believed(
    network: dict[str, Any], expected: RegistrationState
) -> None:
    signal = {"Lte": {"rsrp": -93.0}}
    status = decode_status(modem(network, signal), {}, None, "")
    assert status.registration is expected
    assert bool(status.signals) == expected.is_registered


def test_the_network_s_reason_is_taken_where_the_version_tells_it() -> None:
    network = {"RegistrationState": 3, "NetworkRejection": {"error": 13, "operator-id": "26202"}}
    assert decode_status(modem(network), {}, None, "").reject_cause == 13
    assert decode_status(modem({"RegistrationState": 3}), {}, None, "").reject_cause is None


def test_values_that_are_not_known_are_none_and_each_technology_has_its_own() -> None:
    signal = {
        "Gsm": {"rssi": UNKNOWN_LEVEL},
        "Umts": {"rssi": -71.0, "rscp": -81.0, "ecio": -6.5},
        "Lte": {"rssi": -61.0, "rsrp": -91.0, "rsrq": -10.5, "snr": 12.2},
        "Nr5g": {"rsrp": -99.0, "rsrq": float("nan"), "snr": 3.0},
    }
    found = decode_status(modem(None, signal, 1 << 14 | 1 << 15), {}, None, "").signals
    assert found == (
        make_signal(
            Technology.UMTS, rssi_dbm=Scaled(-71, 0), rscp_dbm=Scaled(-81, 0), ecio_db=Scaled(-65, -1)
        ),
        make_signal(
            Technology.LTE,
            rssi_dbm=Scaled(-61, 0),
            rsrp_dbm=Scaled(-91, 0),
            rsrq_db=Scaled(-105, -1),
            sinr_db=Scaled(122, -1),
        ),
        make_signal(Technology.NR_NSA, rsrp_dbm=Scaled(-99, 0), sinr_db=Scaled(3, 0)),
    )
    (narrow,) = decode_status(modem(None, {"Lte": {"rsrp": -120.0}}, 1 << 17), {}, None, "").signals
    assert narrow.technology is Technology.NB_IOT


@pytest.mark.parametrize(
    ("place", "technology", "cell"),
    [
        ("262,01,0,8F381C,3193", Technology.LTE, Cell(Technology.LTE, "26201", 0x3193, 0x8F381C)),
        ("262,01,1A2B,C3D4,0", Technology.GSM, Cell(Technology.GSM, "26201", 0x1A2B, 0xC3D4)),
        ("310,410,1A2B,C3D4", Technology.LTE, Cell(Technology.LTE, "310410", 0x1A2B, 0xC3D4)),
        ("", Technology.LTE, None),
        ("262,01,0,8F381C,3193", None, None),
    ],
)
def test_the_cell_counts_by_the_area_of_its_technology(
    place: str, technology: Technology | None, cell: Cell | None
) -> None:
    assert decode_cell(place, technology) == cell


def test_a_static_bearer_has_all_that_the_interface_needs() -> None:
    bearer = {
        "Connected": True,
        "Interface": "wwan0",
        "Properties": {"apn": "meter.test"},
        "Ip4Config": {
            "method": 2,
            "address": "10.0.0.2",
            "prefix": 30,
            "gateway": "10.0.0.1",
            "dns1": "9.9.9.9",
            "dns3": "1.1.1.1",
            "mtu": 1430,
        },
        "Ip6Config": {"method": 3},
        "Stats": {"rx-bytes": 7, "tx-bytes": 8},
    }
    assert decode_bearer(bearer) == BearerStatus(
        True,
        "wwan0",
        "meter.test",
        IpSettings(IpMethod.STATIC, "10.0.0.2", 30, "10.0.0.1", ("9.9.9.9", "1.1.1.1"), 1430),
        IpSettings(IpMethod.DHCP),
    )
    assert decode_status(modem(), {}, bearer, "").counters == Counters(7, 8)
    assert decode_status(modem(), {}, {"Connected": False}, "").counters is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("MobileEquipment.MissingOrUnknownApn", (27, Remedy.APN)),
        ("MobileEquipment.GprsMissingOrUnknownApn", (27, Remedy.APN)),
        ("MobileEquipment.GprsServiceOptionNotSubscribed", (33, Remedy.SUBSCRIPTION)),
        ("MobileEquipment.GprsPlmnNotAllowed", (11, Remedy.ROAMING)),
        ("Connection.NoCarrier", (None, Remedy.UNKNOWN)),
    ],
)
def test_the_network_s_cause_is_read_from_the_error_s_name(
    name: str, expected: tuple[int | None, Remedy]
) -> None:
    assert decode_cause(f"org.freedesktop.ModemManager1.Error.{name}") == expected
