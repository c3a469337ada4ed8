"""Signal values, classes and advice; and the standard's answers that no trap covers."""

from __future__ import annotations

import pytest

from protocols.at.causes import Remedy, mobility_remedy, session_remedy
from protocols.at.standard import (
    decode_activations,
    decode_address,
    decode_cesq,
    decode_csq,
    decode_failure,
    decode_imsi,
    decode_number,
)
from protocols.cellular import Advice, SignalClass, Technology, advise, classify, make_signal
from protocols.errors import ProtocolError
from protocols.value import Scaled


@pytest.mark.parametrize(
    ("technology", "rsrp", "expected"),
    [
        (Technology.LTE, -90, SignalClass.GOOD),
        (Technology.LTE, -91, SignalClass.USABLE),
        (Technology.LTE, -101, SignalClass.WEAK),
        (Technology.NR_SA, -109, SignalClass.WEAK),  # a capture that was registered
        (Technology.LTE, -121, SignalClass.UNUSABLE),
        (Technology.NB_IOT, -121, SignalClass.WEAK),
        (Technology.LTE_M, -100, SignalClass.GOOD),
    ],
)
def test_power_decides_the_class(technology: Technology, rsrp: int, expected: SignalClass) -> None:
    assert classify(make_signal(technology, rsrp_dbm=Scaled(rsrp, 0))) is expected


def test_2g_and_3g_have_their_own_power() -> None:
    assert classify(make_signal(Technology.GSM, rssi_dbm=Scaled(-106, 0))) is SignalClass.UNUSABLE
    assert classify(make_signal(Technology.UMTS, rscp_dbm=Scaled(-84, 0))) is SignalClass.GOOD


def test_quality_makes_a_class_worse_down_to_weak_and_no_further() -> None:
    signal = make_signal(
        Technology.LTE, rsrp_dbm=Scaled(-800, -1), sinr_db=Scaled(-15, 0), rsrq_db=Scaled(-30, 0)
    )
    assert classify(signal) is SignalClass.WEAK
    assert advise(signal) is Advice.INTERFERENCE


def test_advice_follows_what_is_wrong() -> None:
    assert advise(None) is Advice.NO_CELL
    assert advise(make_signal(Technology.LTE, rssi_dbm=Scaled(-60, 0))) is Advice.NO_CELL
    assert advise(make_signal(Technology.LTE, rsrp_dbm=Scaled(-115, 0))) is Advice.MOVE_ANTENNA
    assert advise(make_signal(Technology.LTE, rsrp_dbm=Scaled(-85, 0))) is Advice.NONE


def test_without_power_there_is_no_class() -> None:
    assert classify(make_signal(Technology.LTE, sinr_db=Scaled(10, 0))) is None


@pytest.mark.parametrize("value", [Scaled(-30, 0), Scaled(-141, 0), Scaled(-1411, -1), Scaled(1, 9)])
def test_a_value_out_of_the_standards_range_is_refused(value: Scaled) -> None:
    signal = make_signal(Technology.LTE, rsrp_dbm=value)
    assert (signal.rsrp_dbm, signal.refused) == (None, ("rsrp_dbm",))


def test_the_ends_of_every_index_are_those_of_the_standard() -> None:
    low = decode_cesq(["+CESQ: 0,99,0,0,0,0,0,0,0"])
    high = decode_cesq(["+CESQ: 63,0,96,49,34,97,126,126,127"])
    levels = [tuple(str(value) for value in signal[1:7] if value is not None) for signal in (*low, *high)]
    assert levels == [
        ("-110",),
        ("-120", "-24"),
        ("-140", "-19.5"),
        ("-156", "-43", "-23"),
        ("-48",),
        ("-25", "0"),
        ("-44", "-3"),
        ("-31", "19.5", "40"),
    ]
    assert [str(decode_csq([f"+CSQ: {number},99"])) for number in (0, 1, 31)] == ["-113", "-111", "-51"]


def test_small_answers() -> None:
    assert decode_activations(["+CGACT: 1,1", "+CGACT: 2,0"]) == {1: True, 2: False}
    assert decode_number(["+CGATT: 1"], "+CGATT") == 1
    assert decode_failure(['+CEER: "ESM cause 27"']) == "ESM cause 27"
    assert decode_imsi(["262011234567890"]) == "262011234567890"
    assert decode_address("32.1.13.184.0.0.0.0.0.0.0.0.0.0.0.1") == "2001:db8::1"
    assert decode_address("0.0.0.0") is None
    with pytest.raises(ProtocolError, match="no IP address"):
        decode_address("10.0.0")


def test_causes_say_who_can_help() -> None:
    assert mobility_remedy(3) is Remedy.SUBSCRIPTION
    assert mobility_remedy(22) is Remedy.WAIT
    assert session_remedy(27) is Remedy.APN
    assert session_remedy(200) is Remedy.UNKNOWN
