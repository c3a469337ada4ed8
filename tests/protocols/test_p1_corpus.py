"""Recorded P1 telegrams, and what dsmr-parser makes of them."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import pytest

from protocols.errors import ProtocolError
from protocols.p1 import (
    P1Receiver,
    P1Telegram,
    Value,
    decode_time,
    encrypt_telegram,
)
from protocols.value import Scaled
from tests.protocols.p1_dialects import AUSTRIA, DIALECTS, telegram_of

ROOT = Path(__file__).parents[2]
FOLDER = ROOT.parent / "shared/corpora/dsmr_p1"
CASES = sorted(path.stem for path in FOLDER.glob("*.txt"))
JUDGE_PYTHON = ROOT / ".venv-judge" / "bin" / "python"
needs_corpora = pytest.mark.skipif(not CASES, reason="corpora: no recorded P1 telegrams beside this checkout")
needs_judge = pytest.mark.skipif(
    not JUDGE_PYTHON.exists(), reason="the foreign P1 library's environment .venv-judge is not there"
)

# The judge must be told which dialect a telegram is of; V2_2 is the one without checksum.
SPECIFICATIONS = {
    "TELEGRAM_ESY5Q3DA1004_V304": "Q3D",
    "TELEGRAM_ESY5Q3DB1024_V304": "Q3D",
    "TELEGRAM_V5": "V5",
    "amshan_EXAMPLE_DATA_A_LANDISGYR_360": "SWEDEN",
    "amshan_EXAMPLE_DATA_D_LANDISGYR_360": "SWEDEN",
    "arduino-dsmr_minimal_parse_1": "V4",
    "dsmr_parser_parser_test_19": "Q3D",
    "lvzon_p1-example-5.0": "V5",
}
# What may not be decoded, and why.
REFUSED = {
    "dsmr_parser_parser_test_138": ("p1.line", "parentheses in parentheses, and no checksum"),
    "dsmr_parser_parser_test_95": ("p1.number", "00.A23*kW is no number, and there is no checksum"),
    "lvzon_p1-example-5.0": ("p1.crc", "the checksum of this example is wrong, as its manifest says"),
}
# Where the judge says less than we do, and why.
JUDGE_REFUSES = {
    "dsmr_parser_parser_test_95": "its decimal.InvalidOperation escapes",
    "lvzon_p1-example-3.0": "it wants the value of the gas object on a line of its own",
    "lvzon_p1-example-5.0": "its checksum is wrong for the judge, too",
}
UNNAMED = {
    "amshan_EXAMPLE_DATA_A_LANDISGYR_360": {"1-0:3.7.0", "1-0:4.7.0"},
    "amshan_EXAMPLE_DATA_D_LANDISGYR_360": {"1-0:3.7.0", "1-0:4.7.0"},
    "dsmr_parser_parser_test_119": {"0-1:24.2.1", "1-0:14.7.0"},
    "Luxembourg": {"0-0:17.0.0", "0-0:96.3.10", "1-0:3.7.0", "1-0:3.8.0", "1-0:4.7.0", "1-0:4.8.0"},
    "Hungary": {"0-0:98.1.0"},
}


def corpus_seeds() -> list[bytes]:
    """All recordings, for fuzzing; none where they are not there."""
    return [(FOLDER / f"{case}.txt").read_bytes() for case in CASES]


def decoded(case: str) -> list[P1Telegram | ProtocolError]:
    receiver = P1Receiver()
    return receiver.receive_data((FOLDER / f"{case}.txt").read_bytes()) + receiver.receive_end()


def judged(*tasks: dict[str, str]) -> list[Any]:
    whole = [{"key": "", "authentication_key": "", **task} for task in tasks]
    program = [str(JUDGE_PYTHON), str(Path(__file__).with_name("judge_dsmr.py"))]
    answer = subprocess.run(program, input=json.dumps(whole), check=True, stdout=-1, text=True, timeout=60)
    answers: list[Any] = json.loads(answer.stdout)
    return answers


def is_same(value: Value, theirs: list[str | None]) -> bool:
    """One value as sent and as the judge reads it: text, number, or a time in Amsterdam as UTC."""
    text, kind, unit = theirs
    assert text is not None
    if kind == "datetime":
        time = decode_time(value.text)
        # Where a meter does not say whether it is summer, the judge takes what it is in Amsterdam then.
        seconds = dt.datetime.fromisoformat(text).timestamp()
        guesses = [None if time is None else time._replace(summer=summer).utc_s() for summer in (True, False)]
        return seconds in (guesses if time and time.summer is None else [time and time.utc_s()])
    if kind == "NoneType":
        return value.text == "" or decode_time(value.text) is None
    if (unit or "") != value.unit:
        return False
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text == value.text
    ours = value.number
    if ours is None:
        return text == value.text
    return Decimal(ours.integer).scaleb(ours.exponent) == number


def compare(telegram: P1Telegram, theirs: list[Any]) -> tuple[int, set[str], set[str]]:
    """How many of the judge's objects equal ours; the addresses that differ; those that it left out."""
    ours: dict[str, list[tuple[Value, ...]]] = {}
    for data_set in telegram.data_sets:
        ours.setdefault(data_set.address, []).append(data_set.values)
    equal, different = 0, set()
    for address, values in theirs:
        # A log comes as one object for each of its rows.
        rows = [row for whole in ours.get(address, []) for row in _rows(whole, len(values))]
        if any(len(row) == len(values) and all(map(is_same, row, values)) for row in rows):
            equal += 1
        else:
            different.add(address)
    return equal, different, ours.keys() - {address for address, _ in theirs}


def _rows(values: tuple[Value, ...], width: int) -> list[tuple[Value, ...]]:
    return [values, *(values[at : at + width] for at in range(len(values) - width, 2, -width))]


@needs_corpora
@needs_judge
def test_every_recording_decodes_as_dsmr_parser_reads_it(capsys: pytest.CaptureFixture[str]) -> None:
    tasks = [
        {
            "telegram": (FOLDER / f"{case}.txt").read_bytes().decode("latin-1"),
            "dialect": SPECIFICATIONS.get(case, "V2_2"),
        }
        for case in CASES
    ]
    rows = []
    for case, theirs in zip(CASES, judged(*tasks), strict=True):
        found = decoded(case)
        refused = [item.code for item in found if isinstance(item, ProtocolError)]
        assert refused == ([REFUSED[case][0]] if case in REFUSED else []), case
        assert isinstance(theirs, list) == (case not in JUDGE_REFUSES), (case, theirs)
        count = equal = 0
        for telegram in found:
            if isinstance(telegram, P1Telegram):
                count = len(telegram.data_sets)
            if isinstance(telegram, P1Telegram) and isinstance(theirs, list):
                equal, different, left_out = compare(telegram, theirs)
                assert not different, case
                assert left_out == UNNAMED.get(case, set()), case
        rows.append((case, count, len(theirs) if isinstance(theirs, list) else "-", equal, refused))
    with capsys.disabled():
        print(f"\n{'recording':40} {'decoded':>7} {'judge':>5} {'equal':>5}  refused")
        for case, count, judge, equal, refused in rows:
            print(f"{case[:40]:40} {count:7} {judge:>5} {equal:5}  {' '.join(refused)}")
        print(f"{len(rows)} recordings, {len(rows) - len(REFUSED)} decoded, {len(REFUSED)} refused")
        for case, (code, reason) in REFUSED.items():
            print(f"  refused        {case}: {code}, {reason}")
        for case, reason in JUDGE_REFUSES.items():
            print(f"  judge refuses  {case}: {reason}")
        for case, addresses in ((name, UNNAMED[name]) for name in CASES if name in UNNAMED):
            print(
                f"  judge leaves out  {case}: {', '.join(sorted(addresses))}, which its dialect does not name"
            )


@needs_judge
def test_every_dialect_reads_as_dsmr_parser_reads_it(capsys: pytest.CaptureFixture[str]) -> None:
    tasks = [
        {"telegram": telegram_of(dialect, with_crc=crc).decode(), "dialect": specification}
        for specification, dialect, crc in DIALECTS.values()
    ]
    rows = []
    for name, task, theirs in zip(DIALECTS, tasks, judged(*tasks), strict=True):
        (telegram,) = P1Receiver().receive_data(task["telegram"].encode())
        assert isinstance(telegram, P1Telegram), telegram
        assert isinstance(theirs, list), (name, theirs)
        equal, different, left_out = compare(telegram, theirs)
        assert not different, name
        assert left_out == UNNAMED.get(name, set()), name
        rows.append((name, len(telegram.data_sets), len(theirs), equal, left_out))
    with capsys.disabled():
        print(f"\n{'dialect':18} {'objects':>7} {'judge':>5} {'equal':>5}  not named by the judge")
        for name, count, judge, equal, left_out in rows:
            print(f"{name:18} {count:7} {judge:5} {equal:5}  {' '.join(sorted(left_out))}")


@needs_judge
def test_the_judge_opens_our_encrypted_frames() -> None:
    telegram = telegram_of(AUSTRIA)
    key, authentication_key = bytes(range(16)), bytes(range(100, 116))
    frame = encrypt_telegram(
        telegram,
        key=key,
        authentication_key=authentication_key,
        system_title=b"EST\x01\x02\x03\x04\x05",
        counter=0x10000001,
    )
    keys = {"key": key.hex(), "authentication_key": authentication_key.hex()}
    task = {"telegram": frame.hex(), "plain": telegram.decode(), "dialect": "SAGEMCOM_T210_D_R", **keys}
    damaged = {**task, "telegram": frame[:-1].hex() + f"{frame[-1] ^ 1:02x}"}
    theirs, refused = judged(task, damaged)
    receiver = P1Receiver(key=key, authentication_key=authentication_key)
    (ours,) = receiver.receive_data(b"noise" + frame)
    assert isinstance(ours, P1Telegram)
    assert compare(ours, theirs) == (len(ours.data_sets), set(), set())
    assert "refused" in refused


@needs_corpora
@pytest.mark.parametrize("case", CASES)
def test_recordings_read_byte_by_byte_give_the_same(case: str) -> None:
    data = (FOLDER / f"{case}.txt").read_bytes()
    receiver = P1Receiver()
    found = [item for at in range(len(data)) for item in receiver.receive_data(data[at : at + 1])]
    assert [str(item) for item in found + receiver.receive_end()] == [str(item) for item in decoded(case)]


@needs_corpora
def test_a_recorded_gas_meter_on_two_lines_has_its_own_time() -> None:
    (telegram,) = decoded("test_protocol_TELEGRAM_V2_2")
    assert isinstance(telegram, P1Telegram)
    (channel,) = telegram.channels
    (gas,) = channel.values
    assert (channel.number, channel.device_type, channel.medium) == (1, 3, 7)
    assert (gas.value, gas.unit, str(gas.time)) == (Scaled(1001, -3), "m3", "161107190000")
