"""Recorded telegrams of real meters against libmbus, wmbusmeters and pyMeterBus, difference by difference."""

from __future__ import annotations

import json
import subprocess
import xml.etree.ElementTree as ET
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from protocols.errors import ProtocolError
from protocols.mbus.frames import Ack, FrameReceiver, LongFrame
from protocols.mbus.records import MbusRecord
from protocols.mbus.telegram import MbusTelegram, decode_telegram, encode_telegram
from protocols.mbus.times import MbusTime
from protocols.value import Scaled, parse_decimal

FOLDER = Path(__file__).parents[3] / "shared/corpora/mbus"
CASES = sorted(path.stem for path in FOLDER.glob("*.bin"))
XML_CASES = [case for case in CASES if (FOLDER / f"{case}.expected.xml").exists()]
JSON_CASES = [case for case in CASES if (FOLDER / f"{case}.expected.json").exists()]
pytestmark = pytest.mark.skipif(not CASES, reason="corpora: no recorded M-Bus beside this checkout")
JUDGE_PYTHON = Path(__file__).parents[2] / ".venv-judge/bin/python"
needs_judge = pytest.mark.skipif(not JUDGE_PYTHON.exists(), reason="make .venv-judge/stamp: pyMeterBus")

# Cases of which nothing may be decoded, with the code by which they are refused.
REFUSED = {
    "application_busy": "mbus.application_error",
    "error": "mbus.application_error",
    "manual_frame4": "mbus.ci",  # from the master: sets the primary address
    "manual_frame6": "mbus.ci",  # from the master: sets the identification
    "premature_end_of_data1": "mbus.truncated",
    "too_many_dife": "mbus.dife",
    "too_many_difes": "mbus.application_error",
    "too_many_records": "mbus.application_error",
    "too_short_header": "mbus.header",
    "unimplemented_ci": "mbus.application_error",
}
NO_FRAME = "pmb_manual_frame1"  # an example of a manual that lost its first half byte
LIBMBUS_ERRORS = {
    "application_busy": ("Application busy", 8),
    "error": ("Unspecified error", 0),
    "too_many_difes": ("More than 10 DIFE", 5),
    "too_many_records": ("Too many records", 3),
    "unimplemented_ci": ("Unimplemented CI-Field", 1),
}

# Records in which libmbus is wrong: what it has, what it is, and why.
LIBMBUS_WRONG = {
    ("REL-Relay-Padpuls2", 1): (
        "1900-01-00T00:00:00Z",
        "2015-07-09T21:33",
        "the meter marks its clock as not set (IV, annex A, type F); its fields are there all the same",
    ),
    ("itron_bm_+m", 2): (
        "2000-00-00",
        "None",
        "day 0, month 0 are no date: months are 1 to 12 (annex A, type G)",
    ),
    ("siemens_wfh21", 3): (
        "2000-00-00",
        "None",
        "day 0, month 0 are no date: months are 1 to 12 (annex A, type G)",
    ),
    ("manual_frame2", 0): ("1", "0.001", "the same in m3: libmbus keeps litres (EN 1434-3, unit 29)"),
    ("manual_frame2", 1): (
        "135",
        "0.135",
        "unit 3E: that of counter 1, of a fixed date (EN 1434-3); libmbus gives no unit and no storage",
    ),
}
FUNCTIONS = {
    "Instantaneous value": "instantaneous",
    "Actual value": "instantaneous",
    "Maximum value": "maximum",
    "Minimum value": "minimum",
    "Value during error state": "error",
}
LIBMBUS_UNITS = {"m3": "m^3", "m3/h": "m^3/h", "degC": "\N{DEGREE SIGN}C", "HCA": "Units for H.C.A.", "1": ""}
SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}  # libmbus and pyMeterBus give every duration in seconds
BINARY32_DIGITS = Fraction(1, 10**7)
SIX_DECIMALS = Fraction(5, 10**7)

# Frames that pyMeterBus refuses although they are good, and why.
JUDGE_REFUSES = {
    "manual_frame2": "it does not know the fixed structure",
    "too_short_header": "it finds a wrong checksum where there is none; we refuse the header",
}
# Frames that it decodes, and should not.
JUDGE_BELIEVES = {"premature_end_of_data1": "the last record announces 3 bytes that are not there"}
# Frames in which it loses its place, so that nothing behind is comparable.
JUDGE_LOST = {
    "example_binary16_lvar": "LVAR F0 is 16 bytes of binary; it takes it for none and goes on inside"
}
# Records in which it is wrong: what it has, and why.
NO_DATE = "no date: months are 1 to 12 (annex A, type G)"
NOT_SET = "does not tell that the meter marks its clock as not set (IV, annex A, type F)"
NOT_A_NUMBER = "a binary32 that is no number: no value"
JUDGE_WRONG = {
    ("LGB_G350", 1): ("2008-06-08T00:00", "reads the 6 bytes of type I as the 4 of type F"),
    ("REL-Relay-Padpuls2", 1): ("2015-07-09T21:33", NOT_SET),
    ("itron_bm_+m", 2): ("2000-00-00", NO_DATE),
    ("siemens_wfh21", 3): ("2000-00-00", NO_DATE),
    ("wmbm_drv_iem3000-3", 22): ("NaN", NOT_A_NUMBER),
    ("wmbm_drv_iem3000-4", 5): ("2000-01-01T00:00", NOT_SET),
    ("wmbm_drv_iem3000-4", 6): ("NaN", NOT_A_NUMBER),
    ("wmbm_drv_iem3000-5", 3): ("2000-01-01T00:00", NOT_SET),
    ("wmbm_drv_iem3000-5", 9): ("2000-01-01T00:00", NOT_SET),
    ("wmbm_drv_iem3000-5", 16): ("2002-08-13T14:56", NOT_SET),
    ("wmbm_drv_kamheat", 22): ("2000-00-00", NO_DATE),
    ("wmbm_drv_relhca", 1): ("2024-02-23T02:28", NOT_SET),
    ("wmbm_drv_werhlemodwm", 1): ("2000-00-00T03:43", NO_DATE),
}


class Found(NamedTuple):
    telegrams: list[MbusTelegram]
    frames: list[LongFrame]
    refused: list[str]


def decoded(case: str) -> Found:
    """The telegrams of a recording, its frames, and the codes of what was refused."""
    receiver = FrameReceiver()
    found = Found([], [], [])
    for item in receiver.receive_data((FOLDER / f"{case}.bin").read_bytes()) + receiver.receive_end():
        if isinstance(item, ProtocolError):
            found.refused.append(item.code)
        elif isinstance(item, LongFrame):
            found.frames.append(item)
            try:
                found.telegrams.append(decode_telegram(item))
            except ProtocolError as error:
                found.refused.append(error.code)
    return found


def libmbus(case: str) -> ET.Element:
    text = (FOLDER / f"{case}.expected.xml").read_text(encoding="utf-8")  # it claims to be ISO 8859-1
    return ET.fromstring(text.partition("?>")[2])


def libmbus_records(case: str) -> list[dict[str, str]]:
    records = [
        {field.tag: field.text or "" for field in record} for record in libmbus(case).iter("DataRecord")
    ]
    return [record for record in records if record["Function"] in FUNCTIONS]


def number_of(value: Scaled) -> Fraction:
    return value.integer * Fraction(10) ** value.exponent


def is_same_number(record: MbusRecord, text: str, factor: int = 1) -> bool:
    """Within what six decimals and the digits of a binary32 allow."""
    assert isinstance(record.value, Scaled)
    ours = number_of(record.value) * factor
    slack = max(SIX_DECIMALS, abs(ours) * BINARY32_DIGITS)
    return text != "NaN" and abs(ours - number_of(parse_decimal(text))) <= slack


def is_same_value(record: MbusRecord, text: str) -> bool:
    value = record.value
    if isinstance(value, Scaled):
        return is_same_number(record, text, SECONDS.get(record.unit, 1))
    if isinstance(value, bytes):
        return value[::-1].hex(" ").upper() == text  # both print the high byte first
    if isinstance(value, MbusTime):
        return value.is_valid and text.removesuffix("Z") in (str(value), f"{value}:00")
    if isinstance(value, str) and record.coding != "lvar_text":
        return int(value) == number_of(parse_decimal(text))  # they take a number for a quantity
    return value == text


def libmbus_unit(record: MbusRecord) -> str:
    if record.kind in ("plain_text", "date", "date_time"):
        return "-"
    return "s" if record.unit in SECONDS else LIBMBUS_UNITS.get(record.unit, record.unit)


def is_same_record(record: MbusRecord, theirs: dict[str, str]) -> bool:
    place = tuple(int(theirs.get(name) or 0) for name in ("StorageNumber", "Tariff", "Device"))
    return (
        record.function == FUNCTIONS[theirs["Function"]]
        and (record.storage, record.tariff, record.subunit) == place
        and libmbus_unit(record) == theirs["Unit"]
        and (record.kind != "plain_text" or record.unit == theirs["Quantity"])
        and is_same_value(record, theirs["Value"])
    )


def test_every_good_frame_is_decoded_and_every_other_refused_by_its_code() -> None:
    for case in CASES:
        found = decoded(case)
        assert found.refused == ([REFUSED[case]] if case in REFUSED else []), case
        assert len(found.telegrams) == (case not in REFUSED and case != NO_FRAME), case
    receiver = FrameReceiver()
    (only,) = receiver.receive_data((FOLDER / f"{NO_FRAME}.bin").read_bytes())
    assert only == Ack()  # E5 within noise: which is why it is believed only where it came alone
    assert receiver.noise_bytes == 8


def test_every_record_equals_libmbus(capsys: pytest.CaptureFixture[str]) -> None:
    rows, wrong = [], {}
    for case in XML_CASES:
        if case in LIBMBUS_ERRORS:
            continue
        (telegram,) = decoded(case).telegrams
        theirs = libmbus_records(case)
        pairs = zip(telegram.records, theirs, strict=True)
        different = [place for place, pair in enumerate(pairs) if not is_same_record(*pair)]
        wrong |= {(case, place): (theirs[place]["Value"], telegram.records[place]) for place in different}
        rows.append((case, telegram, len(theirs), len(theirs) - len(different)))
    with capsys.disabled():
        print(f"\n{'recording':34} {'meter':12} {'decoded':>7} {'libmbus':>7} {'equal':>5}")
        for case, telegram, count, equal in rows:
            meter = f"{telegram.manufacturer} {telegram.id}"
            print(f"{case[:34]:34} {meter:12} {len(telegram.records):7} {count:7} {equal:5}")
        count, equal = (sum(row[place] for row in rows) for place in (2, 3))
        print(f"{len(rows)} recordings, {count} records, equal {equal}")
        for (case, place), (theirs_text, ours_text, reason) in LIBMBUS_WRONG.items():
            print(f"  {case}, record {place}: {ours_text}, libmbus {theirs_text}: {reason}")
        for case, code in REFUSED.items():
            print(f"  refused  {case}: {code}")
    assert {place: (text, str(record.value)) for place, (text, record) in wrong.items()} == {
        place: (theirs_text, ours_text) for place, (theirs_text, ours_text, _) in LIBMBUS_WRONG.items()
    }


def test_headers_equal_libmbus() -> None:
    for case in XML_CASES:
        if case in LIBMBUS_ERRORS:
            continue
        (telegram,) = decoded(case).telegrams
        head = {field.tag: field.text or "" for field in libmbus(case).iter() if field.tag[0].isupper()}
        assert int(telegram.id, 16) == int(head["Id"], 16), case
        assert telegram.access == int(head["AccessNumber"]), case
        assert telegram.status == int(head["Status"], 16), case
        if telegram.manufacturer:
            assert telegram.manufacturer == head["Manufacturer"], case
            assert telegram.version == int(head["Version"]), case
            assert telegram.signature == int(head["Signature"], 16), case


def test_what_the_meter_itself_refuses_is_named_as_libmbus_names_it() -> None:
    for case, (text, code) in LIBMBUS_ERRORS.items():
        error = libmbus(case).find("SlaveInformation/Error")
        assert error is not None
        assert (error.text or "").startswith(text), case
        assert decoded(case).frames[0].data in (bytes((code,)), b""), case


@pytest.mark.parametrize("case", [case for case in CASES if case not in REFUSED and case != NO_FRAME])
def test_recordings_there_and_back(case: str) -> None:
    """What is encoded from a decoded telegram decodes to the same; a few meters send filler or long DIFE."""
    found = decoded(case)
    (telegram,), (frame,) = found.telegrams, found.frames
    if telegram.manufacturer == "@@@":  # a meter that has no maker: cannot be sent
        telegram = telegram._replace(manufacturer="ABB")
    again = decode_telegram(encode_telegram(telegram, control=frame.control))
    for sent, got in zip(telegram.records, again.records, strict=True):
        assert got._replace(offset=0, size=0) == sent._replace(offset=0, size=0)
    assert again._replace(records=()) == telegram._replace(records=())


@pytest.mark.parametrize("case", CASES)
def test_recordings_read_byte_by_byte_give_the_same(case: str) -> None:
    data = (FOLDER / f"{case}.bin").read_bytes()
    whole, slow = FrameReceiver(), FrameReceiver()
    expected = [str(item) for item in whole.receive_data(data) + whole.receive_end()]
    found = [str(item) for at in range(len(data)) for item in slow.receive_data(data[at : at + 1])]
    assert found + [str(item) for item in slow.receive_end()] == expected


# What a field of wmbusmeters may be in the telegram: unit, and the factor to the unit in the field's name.
FIELD_UNITS = {
    "kwh": (("Wh", Fraction(1, 1000)), ("J", Fraction(1, 3_600_000))),
    "kvarh": (("varh", Fraction(1, 1000)), ("Wh", Fraction(1, 1000))),
    "kw": (("W", Fraction(1, 1000)),),
    "m3": (("m3", Fraction(1)),),
    "m3h": (("m3/h", Fraction(1)),),
    "c": (("degC", Fraction(1)), ("K", Fraction(1))),
    "v": (("V", Fraction(1)),),
    "a": (("A", Fraction(1)),),
    "h": (("h", Fraction(1)), ("min", Fraction(1, 60)), ("s", Fraction(1, 3600)), ("d", Fraction(24))),
    "rh": (("%", Fraction(1)),),
}


def is_in(telegram: MbusTelegram, field: str, number: float) -> bool:
    """Whether a record says it, or one whose unit only the maker knows says its digits."""
    wanted = number_of(parse_decimal(repr(number)))
    units = FIELD_UNITS.get(field.rpartition("_")[2], ())
    for record in telegram.records:
        if not isinstance(record.value, Scaled):
            continue
        ours = number_of(record.value)
        is_makers = any(name.startswith("manufacturer") for name in record.qualifiers)
        factors = [factor for unit, factor in units if unit == record.unit]
        if is_makers or not units:
            factors += [Fraction(10) ** power for power in range(-6, 7)]
            factors += [Fraction(1, 60), Fraction(1, 3600)]
        if any(abs(ours * factor - wanted) <= max(SIX_DECIMALS, wanted / 10**6) for factor in factors):
            return True
    return False


def test_the_fields_that_wmbusmeters_reads_are_all_there(capsys: pytest.CaptureFixture[str]) -> None:
    count = 0
    missing = []
    for case in JSON_CASES:
        expected = json.loads((FOLDER / f"{case}.expected.json").read_text(encoding="utf-8"))["expected"]
        (telegram,) = decoded(case).telegrams
        assert telegram.id == expected["id"], case
        fields = {name: value for name, value in expected.items() if isinstance(value, int | float)}
        count += len(fields)
        missing += [(case, name) for name, value in fields.items() if not is_in(telegram, name, value)]
    with capsys.disabled():
        print(f"\nwmbusmeters: {len(JSON_CASES)} wired telegrams, {count} numbers, missing {len(missing)}")
    assert missing == []


def judged(cases: list[str]) -> list[Any]:
    frames = [(FOLDER / f"{case}.bin").read_bytes().hex() for case in cases]
    program = [str(JUDGE_PYTHON), str(Path(__file__).with_name("judge_mbus.py"))]
    answer = subprocess.run(program, input=json.dumps(frames), check=True, stdout=-1, text=True, timeout=60)
    return list(json.loads(answer.stdout))


@needs_judge
def test_pymeterbus_reads_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    compared, different = 0, {}
    for case, theirs in zip(CASES, judged(CASES), strict=True):
        telegrams = decoded(case).telegrams
        expects_refusal = case in JUDGE_REFUSES or case == NO_FRAME
        expects_refusal |= case in REFUSED and case not in JUDGE_BELIEVES
        assert isinstance(theirs, dict) == expects_refusal, (case, theirs)
        if case in JUDGE_LOST or not telegrams or isinstance(theirs, dict):
            continue
        records = telegrams[0].records
        assert [each[0] for each in theirs[len(records) :]] in (
            [],
            ["special_function"],
            ["more_records_follow"],
        )
        for place, (ours, each) in enumerate(zip(records, theirs, strict=False)):
            compared += 1
            function = each[0].removesuffix("_state")
            assert (function, *each[1:4]) == (ours.function, ours.storage, ours.tariff, ours.subunit), case
            if not is_same_value(ours, each[5]):
                different[case, place] = each[5]
    with capsys.disabled():
        print(f"\npyMeterBus: {compared} records compared, {len(different)} different")
        for (case, place), (text, reason) in JUDGE_WRONG.items():
            print(f"  {case}, record {place}, it has {text}: {reason}")
        for case, reason in (JUDGE_REFUSES | JUDGE_BELIEVES | JUDGE_LOST).items():
            print(f"  {case}: {reason}")
    assert different == {place: text for place, (text, _) in JUDGE_WRONG.items()}
