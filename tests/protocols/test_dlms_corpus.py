"""Recorded DLMS pushes of real meters against what others decoded from them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from protocols.checksums import crc16_x25
from protocols.dlms import DlmsReceiver, DlmsTelegram, DlmsTime
from protocols.errors import DamagedTelegram, ProtocolError
from protocols.obis import format_obis
from protocols.value import Scaled, parse_decimal

FOLDER = Path(__file__).parents[3] / "shared/corpora/dlms"
MANIFEST = FOLDER / "manifest.csv"
CASES = (
    {row["file"].removesuffix(".bin"): row for row in csv.DictReader(MANIFEST.open(encoding="utf-8"))}
    if MANIFEST.exists()
    else {}
)
PUSHES = sorted(case for case, row in CASES.items() if row["kind"].startswith("push-"))
OTHERS = sorted(CASES.keys() - PUSHES)
pytestmark = pytest.mark.skipif(not CASES, reason="corpora: no recorded DLMS beside this checkout")

# Its frame has a wrong FCS (whoever published it blanked the serial number): refused on a line, as by gurux.
WRONG_FCS = "hdlc_landis_gyr_zmf100"
# The expectation took the data index of each captured object (12 00 00) for its value. What the values are
# stands in the XML of the same expectation, behind the list of objects.
ENERGOMERA = "raw_energomera"
ENERGOMERA_VALUES = {
    "0-0:96.5.134*255": "1",
    "0-0:42.0.0*255": "EMR0222173608710",
    "0-0:96.1.0*255": "012415173608710",
    "0-0:97.98.0*255": "16",
    "0-0:97.98.10*255": "65535",
}
# The expectation gives the date without code that begins the list a code of zeros; here it is the telegram's.
DATE_WITHOUT_CODE = "0.0.0.0.0.0"
# Of the values without expectation: what the asserts of the recordings' own project say (amshan, Kaifa), else
# the numbers of the telegram with the published scale.
TOLD = {
    "amshan_test_aidon_no_list_1": {"1-0:1.7.0*255": "280"},
    "amshan_test_aidon_no_list_2": {"1-0:31.7.0*255": "1.3", "1-0:72.7.0*255": "230.8"},
    "amshan_test_aidon_se_list": {"1-0:1.8.0*255": "10049926", "1-0:51.7.0*255": "7.5"},
    "amshan_test_hdlc_TestHdlcFrameReader.test_frame_with_escape_character.data_feed": {
        "1-0:1.7.0*255": "1661"
    },
    "amshan_test_kaifa_no_list_2": {
        "1-0:1.7.0*255": "9745",
        "1-0:4.7.0*255": "435",
        "1-0:31.7.0*255": "33.813",
        "1-0:32.7.0*255": "216.8",
        "1-0:72.7.0*255": "218.8",
    },
    "amshan_test_kaifa_se_list": {
        "1-0:1.8.0*255": "4786979",
        "1-0:4.8.0*255": "578528",
        "1-0:31.7.0*255": "6.781",
        "1-0:52.7.0*255": "230.0",
    },
    "amshan_test_kamstrup_no_list_2_single_phase": {"1-1:32.7.0*255": "0", "1-1:1.8.0*255": "0"},
    "amshan_test_kamstrup_no_list_2_single_phase_real_sample": {
        "1-1:31.7.0*255": "45.12",
        "1-1:1.8.0*255": "77452500",
    },
    "amshan_test_kamstrup_se_list_real_sample": {"1-1:31.7.0*255": "2.37", "1-1:32.7.0*255": "232"},
    "hdlc_kaifa_ma304h3e": {  # the expectation's patterns find nothing without codes; its XML has the numbers
        "1-0:1.7.0*255": "948",
        "1-0:4.7.0*255": "64",
        "1-0:31.7.0*255": "1.416",
        "1-0:72.7.0*255": "238.9",
    },
}


def recorded(case: str) -> bytes:
    data = (FOLDER / f"{case}.bin").read_bytes()
    if case == WRONG_FCS:
        data = data[:-3] + crc16_x25(data[1:-3]).to_bytes(2, "little") + data[-1:]
    return data


def expectation(case: str) -> dict[str, Any]:
    path = FOLDER / f"{case}.expected.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def receiver(case: str) -> DlmsReceiver:
    expected = expectation(case)
    keys = [bytes.fromhex(expected[name]) if name in expected else None for name in ("key", "gak")]
    return DlmsReceiver(*keys)


def decoded(case: str) -> list[DlmsTelegram | ProtocolError]:
    ours = receiver(case)
    return ours.receive_data(recorded(case)) + ours.receive_end()


def values_of(telegram: DlmsTelegram) -> dict[str, str]:
    return {format_obis(value.obis): text_of(value.value) for value in telegram.values}


def text_of(value: object) -> str:
    if isinstance(value, DlmsTime):
        return (value.text() or "").replace("T", " ")
    return value.hex() if isinstance(value, bytes) else str(value)


def expected_values(case: str) -> dict[str, str]:
    """Of the expectation, as codes are written here."""
    expected = expectation(case)
    if case == ENERGOMERA:
        return ENERGOMERA_VALUES
    found = {}
    for code, value in (expected.get("strings", {}) | expected.get("floats", {})).items():
        if code != DATE_WITHOUT_CODE:
            a, b, c, d, e, f = code.split(".")
            found[f"{a}-{b}:{c}.{d}.{e}*{f}"] = str(value)
    return found | TOLD.get(case, {})


def is_equal(ours: str, theirs: str) -> bool:
    try:
        left, right = parse_decimal(ours), parse_decimal(theirs)
    except ValueError:
        return ours == theirs
    return Scaled(*left).normalised() == right.normalised()


def test_every_push_decodes_to_the_values_that_others_read(capsys: pytest.CaptureFixture[str]) -> None:
    rows = []
    for case in PUSHES:
        found = decoded(case)
        assert [type(item) for item in found] == [DlmsTelegram], (case, found)
        (telegram,) = found
        assert isinstance(telegram, DlmsTelegram)
        expected, ours = expected_values(case), values_of(telegram)
        equal = sum(is_equal(ours.get(code, "?"), value) for code, value in expected.items())
        rows.append((case, telegram, len(expected), equal))
        if DATE_WITHOUT_CODE in expectation(case).get("strings", {}):
            assert text_of(telegram.time) == expectation(case)["strings"][DATE_WITHOUT_CODE]
    with capsys.disabled():
        print(f"\n{'recording':46} {'values':>6} {'expected':>8} {'equal':>5}  meter")
        for case, telegram, count, equal in rows:
            flags = " authenticated" if telegram.authenticated else " encrypted" if telegram.encrypted else ""
            who = f"{telegram.meter or '-'}{flags}"
            print(f"{case[-46:]:46} {len(telegram.values):6} {count:8} {equal:5}  {who}")
        print(f"{len(rows)} pushes")
    for case, telegram, count, equal in rows:
        assert equal == count > 0, case
        told = expectation(case).get("count")
        without_code = len(telegram.values) + (DATE_WITHOUT_CODE in expectation(case).get("strings", {}))
        if told and case != ENERGOMERA:
            assert without_code == told, case


def test_a_recording_with_a_wrong_frame_checksum_is_refused() -> None:
    (error,) = DlmsReceiver().receive_data((FOLDER / f"{WRONG_FCS}.bin").read_bytes())
    assert isinstance(error, ProtocolError)
    assert error.code == "dlms.fcs"


@pytest.mark.parametrize("case", [case for case in PUSHES if "key" in expectation(case)])
def test_an_encrypted_recording_needs_the_right_keys(case: str) -> None:
    data = recorded(case)
    (missing,) = DlmsReceiver().receive_data(data)
    (wrong,) = DlmsReceiver(bytes(16), bytes(16)).receive_data(data)
    assert isinstance(missing, ProtocolError)
    assert missing.code == "dlms.key_missing"
    assert isinstance(wrong, ProtocolError)
    assert wrong.code in ("dlms.tag", "dlms.decrypt")
    assert expectation(case)["key"].lower() not in (str(missing) + str(wrong)).lower()


def test_only_the_telegram_whose_tag_was_verified_is_authenticated() -> None:
    telegrams = {case: decoded(case)[0] for case in PUSHES}
    authenticated = {case for case, found in telegrams.items() if getattr(found, "authenticated", False)}
    assert authenticated == {"hdlc_landis_gyr_e450"}


@pytest.mark.parametrize("case", OTHERS)
def test_what_is_no_push_gives_no_values(case: str) -> None:
    found = decoded(case)
    values = [value for item in found if isinstance(item, DlmsTelegram) for value in item.values]
    assert values == []
    assert all(isinstance(item, DlmsTelegram | DamagedTelegram) for item in found)


@pytest.mark.parametrize("case", PUSHES)
def test_recordings_read_byte_by_byte_give_the_same(case: str) -> None:
    data, slow = recorded(case), receiver(case)
    found = [item for at in range(len(data)) for item in slow.receive_data(data[at : at + 1])]
    assert found + slow.receive_end() == decoded(case)


@pytest.mark.parametrize("case", PUSHES)
def test_a_recording_cut_anywhere_gives_no_telegram(case: str) -> None:
    data = recorded(case)
    for length in range(len(data)):
        cut = receiver(case)
        found = cut.receive_data(data[:length]) + cut.receive_end()
        assert not any(isinstance(item, DlmsTelegram) for item in found), length
