"""`edgectl decode --protocol mbus`: what it adds for each record, and what it says of what is no frame."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgectl.decode import decode_recording
from edgectl.texts import Language, Words
from protocols.mbus.frames import LongFrame, encode_frame
from protocols.mbus.records import make_record
from protocols.mbus.telegram import MbusTelegram, encode_error, encode_telegram
from protocols.mbus.times import MbusTime
from protocols.value import Scaled
from tests.protocols.mbus_samples import OTHERS

RECORDS = (
    make_record("energy", Scaled(12345, 3), "bcd8", unit="Wh"),
    make_record("energy", Scaled(12000, 3), "bcd8", unit="Wh", storage=1),
    make_record("power", Scaled(34, 2), "int16", unit="W", function="maximum", tariff=2, subunit=1),
    make_record("flow_temperature", None, "int16", unit="degC", exponent=-1),
    make_record("energy", Scaled(5, 0), "int8", unit="Wh", qualifiers=("backward", "phase_l1")),
    make_record("date_time", MbusTime("F", 2026, 10, 31, 23, 59), "int32"),
    make_record("fabrication_number", "00012345", "bcd8"),
)
TELEGRAM = MbusTelegram(
    RECORDS, "KAM", "12345678", 0x1B, 0x04, 17, 0x0C, manufacturer_data=b"\x01\x02", address=7
)
FRAME = encode_frame(encode_telegram(TELEGRAM))
HEAD = {"manufacturer": "KAM", "id": "12345678", "version": 0x1B, "medium": 4, "status": 0x0C}
NOBODY = dict.fromkeys(HEAD)

Decode = Callable[..., tuple[int, str]]


@pytest.fixture
def decode(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Decode:
    """Exit code and text of a decoded recording."""
    monkeypatch.setenv("COLUMNS", "80")

    def run(data: bytes, *, as_json: bool = True, language: Language = "en") -> tuple[int, str]:
        code = decode_recording(data.hex(), "mbus", None, None, Words(language), as_json=as_json)
        return code, capsys.readouterr().out

    return run


def objects(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_a_telegram_tells_its_meter_and_of_each_value_its_place(decode: Decode) -> None:
    code, out = decode(FRAME)
    (telegram,) = objects(out)
    assert code == 0
    assert (telegram["protocol"], telegram["meter"], telegram["time"]) == (
        "mbus",
        "12345678",
        "2026-10-31T23:59",
    )
    assert {name: telegram[name] for name in HEAD} == HEAD
    total, due, maximum, nothing, backward, clock, number = telegram["values"]
    assert total == {
        "obis": None,
        "name": "energy",
        "value": "12345000",
        "unit": "Wh",
        "status": None,
        "function": "instantaneous",
        "storage": 0,
        "tariff": 0,
        "subunit": 0,
        "quantity": "energy_heat_total",
        "reason": None,
    }
    assert (due["storage"], due["quantity"]) == (1, "energy_heat_due_date")
    assert (maximum["function"], maximum["tariff"], maximum["subunit"]) == ("maximum", 2, 1)
    assert (maximum["value"], maximum["quantity"]) == ("3400", None)
    assert (nothing["value"], nothing["reason"]) == (None, "not_available")
    assert backward["name"] == "energy.backward.phase_l1"
    assert (clock["value"], clock["quantity"]) == ("2026-10-31T23:59", "meter_time")
    assert (number["value"], number["quantity"]) == ("00012345", "meter_serial")


def test_a_clock_that_is_not_set_dates_nothing(decode: Decode) -> None:
    unset = make_record("date_time", MbusTime("F", 2000, 1, 1, 0, 0, is_valid=False), "int32")
    (telegram,) = objects(decode(encode_frame(encode_telegram(TELEGRAM._replace(records=(unset,)))))[1])
    assert telegram["time"] is None
    assert (telegram["values"][0]["value"], telegram["values"][0]["reason"]) == (
        "2000-01-01T00:00",
        "invalid_time",
    )


def test_what_the_master_asks_and_acknowledgements_are_telegrams_of_nobody(decode: Decode) -> None:
    code, out = decode(b"".join(OTHERS[1:]))
    found = objects(out)
    assert code == 0
    assert [each["meter"] for each in found] == ["253", None, "253", "254", "254"]
    assert [value["value"] for each in found for value in each["values"]] == [
        "5B REQ_UD2",
        "53 SND_UD",
        "53 SND_UD",
        "53 SND_UD",
    ]
    assert all({name: each[name] for name in HEAD} == NOBODY for each in found)


def test_a_meter_that_refuses_and_one_that_encrypts_are_no_success(decode: Decode) -> None:
    refusal = encode_frame(encode_error(8, address=5))
    secret = encode_frame(
        encode_telegram(TELEGRAM._replace(records=(), encrypted=bytes(16), signature=0x0510))
    )
    for frame, error_code, meter in (
        (refusal, "mbus.application_error", "5"),
        (secret, "mbus.encrypted", "12345678"),
    ):
        code, out = decode(frame)
        (telegram,) = objects(out)
        assert (code, telegram["meter"], telegram["error"]["code"]) == (4, meter, error_code)
        assert telegram["values"] == []


@pytest.mark.parametrize(
    ("data", "code", "offset"),
    [
        (FRAME[:-2] + b"\0\x16", "mbus.checksum", len(FRAME) - 2),
        (FRAME[:-1] + b"\0", "mbus.stop", len(FRAME) - 1),
        (b"\x68\x20\x21" + FRAME[3:], "mbus.length", 1),
        (FRAME[:30], "mbus.truncated", 30),
        (encode_frame(LongFrame(8, 1, 0x72, bytes(12) + b"\x04\x13\0")), "mbus.truncated", 21),
        (encode_frame(LongFrame(8, 1, 0x72, bytes(5))), "mbus.header", 7),
        (encode_frame(LongFrame(8, 1, 0x79, bytes(5))), "mbus.compact", 6),
        (encode_frame(LongFrame(8, 1, 0x6D, bytes(5))), "mbus.ci", 6),
    ],
)
def test_damage_is_named_with_its_place_in_the_recording(
    data: bytes, code: str, offset: int, decode: Decode
) -> None:
    exit_code, out = decode(b"\0\0" + data)
    noise, first = objects(out)[:2]
    assert exit_code == 4
    assert noise["error"]["code"] == "mbus.noise"
    assert (first["error"]["code"], first["error"]["offset"]) == (code, 2 + offset)
    for language in ("en", "de"):
        text = decode(b"\0\0" + data, as_json=False, language=language)[1]
        assert "No telegram:" not in text  # there are words for it
        assert "Kein Telegramm:" not in text


def test_the_text_explains_records_as_a_manual_does(decode: Decode) -> None:
    lines = [" ".join(line.split()) for line in decode(FRAME, as_json=False)[1].splitlines()]
    for line in (
        "meter 12345678 · meter's time 2026-10-31T23:59",
        "maker KAM · version 1B · medium: heat (sensor in the return)",
        "the meter reports: battery or supply low, permanent error",
        "12345000 Wh energy energy_heat_total",
        "no value degC flow_temperature temperature_flow",
        "7-10 78 56 34 12 identification number 12345678",
        "19 0C DIF bcd8, instantaneous",
        "20 06 VIF energy, 10^3 Wh",
        "21-24 45 23 01 00 value 12345000 Wh",
        "26 06 VIF energy, 10^3 Wh",
        f"{len(FRAME) - 1} 16 stop",
    ):
        assert line in lines, line
    german = decode(FRAME, as_json=False, language="de")[1]
    for word in (
        "Wärme (Sensor im Rücklauf)",
        "Speicher 1",
        "Tarif 2",
        "Maximum",
        "kein Wert",
        "Herstellerdaten",
    ):
        assert word in german, word


@pytest.mark.skipif(
    not (folder := Path(__file__).parents[3] / "shared/corpora/mbus").exists(),
    reason="corpora: no recorded M-Bus beside this checkout",
)
def test_a_recorded_meter_of_the_fixed_structure_is_shown(decode: Decode) -> None:
    out = decode((folder / "manual_frame2.bin").read_bytes(), as_json=False)[1]
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "15-18 01 00 00 00 counter 0.001 m3" in lines
    assert "0.135 m3 volume storage 1 volume_water_cold_due_date" in lines
