"""Recorded read-outs of real meters, and what their authors expected of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from protocols.errors import ProtocolError
from protocols.iec62056_21 import D0Receiver, D0Telegram
from protocols.obis import format_obis
from protocols.value import Scaled, parse_decimal

FOLDER = Path(__file__).parents[3] / "shared/corpora/iec62056_21"
CASES = sorted(path.stem for path in FOLDER.glob("*.txt"))
needs_corpora = pytest.mark.skipif(not CASES, reason="corpora: no recorded read-outs beside this checkout")

# What may not be decoded, and why.
REFUSED = {
    "obis_testSerialRequestResponseD0-20_1": ("d0.bcc", "the author wrote X for the block check"),
    "obis_testSerialRequestResponseD0BufferOverrun_1": ("d0.bcc", "the author wrote X for the block check"),
    "obis_testSerialRequestResponseD0End_1": ("d0.bcc", "the author wrote a made-up block check"),
    "pw_test_bcc_TestBcc.test_add_bcc1.data": ("d0.end", "a password prompt, without its block check"),
    "pw_test_data_TestDataBlock.test_from_representation_several_lines.string_data": (
        "d0.truncated",
        "data lines without an end",
    ),
    "pw_test_data_TestDataBlock.test_to_representation_several_lines.L137": (
        "d0.truncated",
        "data lines without an end",
    ),
    "pw_test_data_TestReadoutDataMessage.test_invalid_bcc_raises_error.L219": ("d0.bcc", "wrong on purpose"),
    "ultraheat_LGUHT550_dummy_error_utf8": ("d0.number", "032A.062*MWh is no number"),
}
# Expectations that do not fit their telegram, and why.
DIFFERENT = {
    ("obis_testSerialResponseD0FastSend_0", "6-0:9.20"): "expected of the telegram that follows in that test",
    ("obis_testSerialResponseD0FastSend_0", "6-0:6.8"): "expected of the telegram that follows in that test",
    ("obis_testSerialRequestResponseD0ModeOverwrite_1", "1-0:0.2.0"): "their value ends at '#'",
    ("ultraheat_LUGCUH50_dummy_utf8", "operating_hours"): "their pattern wants another number of digits",
}
# The fields of the heat meter's expectation, as its manual names them.
ULTRAHEAT = {
    "heat_usage_gj": "6.8",
    "volume_usage_m3": "6.26",
    "ownership_number": "9.21",
    "volume_previous_year_m3": "6.26*01",
    "heat_previous_year_gj": "6.8*01",
    "error_number": "F",
    "device_number": "9.20",
    "measurement_period_minutes": "6.35",
    "power_max_kw": "6.6",
    "power_max_previous_year_kw": "6.6*01",
    "flowrate_max_m3ph": "6.33",
    "flow_temperature_max_c": "9.4",
    "return_temperature_max_c": "9.4",
    "flowrate_max_previous_year_m3ph": "6.33*01",
    "flow_temperature_max_previous_year_c": "9.4*01",
    "return_temperature_max_previous_year_c": "9.4*01",
    "operating_hours": "6.31",
    "fault_hours": "6.32",
    "fault_hours_previous_year": "6.32*01",
    "yearly_set_day": "6.36",
    "monthly_set_day": "6.36*02",
    "measuring_range_m3ph": "9.24",
    "flow_hours": "9.31",
}


def corpus_seeds() -> list[bytes]:
    """All recordings, for fuzzing; none where they are not there."""
    return [(FOLDER / f"{case}.txt").read_bytes() for case in CASES]


def decode(case: str, receiver: D0Receiver) -> list[D0Telegram | ProtocolError]:
    return receiver.receive_data((FOLDER / f"{case}.txt").read_bytes()) + receiver.receive_end()


def decoded(case: str) -> list[D0Telegram | ProtocolError]:
    return decode(case, D0Receiver(begun=True))


def told(telegram: D0Telegram) -> dict[str, str]:
    """Each value by its address as sent, and by its OBIS code in the ways in which the authors write it."""
    values: dict[str, str] = {}
    for data_set in reversed(telegram.data_sets):
        content = data_set.values[0].number if "." in data_set.values[0].text else None
        text = data_set.values[0].text if content is None else str(content)
        obis = telegram.obis(data_set)
        written = format_obis(obis) if obis else ""
        for name in (data_set.address, written, written.removesuffix("*255"), written.removesuffix(".0*255")):
            values[name] = text
    return values


def expectations(case: str, telegram: D0Telegram) -> list[tuple[str, str, str]]:
    """What was expected: a name, the value, and ours."""
    path = FOLDER / f"{case}.expected.json"
    expected = json.loads(path.read_text()) if path.exists() else {}
    values = told(telegram)
    rows = [(name, value, values.get(name, "")) for name, value in expected.get("values", {}).items()]
    for name, value in expected.get("fields", {}).items():
        if name in ULTRAHEAT:
            (data_set,) = (item for item in telegram.data_sets if item.address == ULTRAHEAT[name])
            parts = [part.text for part in data_set.values]
            ours = parts[1] if name.startswith("return") else " ".join(parts[: 2 if "day" in name else 1])
            rows.append((name, value, ours))
    in_order = [item.values[0].text for item in telegram.data_sets if item.values[0].unit]
    rows += [("in order", value, ours) for value, ours in zip(expected.get("values_in_order", []), in_order)]  # noqa: B905 - they stop after three
    return rows


def is_same(expected: str, ours: str) -> bool:
    try:
        return parse_decimal(expected).normalised() == parse_decimal(ours).normalised()
    except ValueError:
        return expected == ours


@needs_corpora
def test_every_recording_decodes_as_its_author_expected(capsys: pytest.CaptureFixture[str]) -> None:
    rows = []
    differences: set[tuple[str, str]] = set()
    for case in CASES:
        found = decoded(case)
        telegrams = [item for item in found if isinstance(item, D0Telegram)]
        refused = [item.code for item in found if isinstance(item, ProtocolError)]
        checks = [check for telegram in telegrams for check in expectations(case, telegram)]
        wrong = {(case, name) for name, expected, ours in checks if not is_same(expected, ours)}
        differences |= wrong
        rows.append((case, len(telegrams), len(checks), len(checks) - len(wrong), refused))
        assert refused == ([REFUSED[case][0]] if case in REFUSED else []), case
        assert len(telegrams) == (case not in REFUSED), case
    with capsys.disabled():
        print(f"\n{'recording':66} {'decoded':>7} {'expected':>8} {'equal':>5}  refused")
        for case, count, expected, equal, refused in rows:
            print(f"{case[:66]:66} {count:7} {expected:8} {equal:5}  {' '.join(refused)}")
        print(f"{len(rows)} recordings, {sum(row[1] for row in rows)} decoded, {len(REFUSED)} refused")
        for case, (code, reason) in REFUSED.items():
            print(f"  refused  {case[:60]}: {code}, {reason}")
        for (case, name), reason in DIFFERENT.items():
            print(f"  differs  {case[:60]} {name}: {reason}")
    assert differences == set(DIFFERENT)


@needs_corpora
@pytest.mark.parametrize("case", [name for name in CASES if REFUSED.get(name, [""])[0] == "d0.bcc"])
def test_a_made_up_block_check_hides_values_that_are_right(case: str) -> None:
    (telegram,) = decode(case, D0Receiver(begun=True, bcc="ignored"))
    assert isinstance(telegram, D0Telegram)
    assert all(is_same(expected, ours) for _, expected, ours in expectations(case, telegram))


@needs_corpora
@pytest.mark.parametrize("case", CASES)
def test_recordings_read_byte_by_byte_give_the_same(case: str) -> None:
    data = (FOLDER / f"{case}.txt").read_bytes()
    receiver = D0Receiver(begun=True)
    found = [item for at in range(len(data)) for item in receiver.receive_data(data[at : at + 1])]
    assert [str(item) for item in found + receiver.receive_end()] == [str(item) for item in decoded(case)]


@needs_corpora
def test_the_one_recorded_block_check_fits() -> None:
    found = decode("obis_testSerialRequestResponseD0WithAck2_1", D0Receiver(bcc="required"))
    (telegram,) = found
    assert isinstance(telegram, D0Telegram)
    assert (telegram.checked, len(telegram.data_sets), telegram.meter_id) == (True, 343, "63355730")
    history = next(item for item in telegram.data_sets if item.address == "1-0:1.6.0*01")
    assert [value.content for value in history.values] == [Scaled(3258, -3), "1702102000"]
