"""gurux-dlms as a foreign judge, both ways: it reads what we write and we read what it writes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from protocols.dlms import (
    DlmsReceiver,
    DlmsTelegram,
    Keys,
    encode_ciphered,
    encode_frames,
    encode_notification,
)
from protocols.dlms.apdu import decode_notification
from protocols.dlms.assembly import Assembler, Whole, bare
from protocols.dlms.axdr import (
    ARRAY,
    BOOLEAN,
    ENUM,
    FLOAT32,
    FLOAT64,
    INT8,
    INT16,
    INT32,
    INT64,
    NULL,
    OCTET_STRING,
    STRUCTURE,
    UINT8,
    UINT16,
    UINT32,
    UINT64,
    VISIBLE_STRING,
    Data,
    items_of,
)
from protocols.dlms.framing import FrameReceiver, Outside
from protocols.dlms.security import GENERAL_GLO_CIPHERING, open_ciphered, split_ciphered
from protocols.value import Scaled
from tests.protocols.test_dlms_corpus import PUSHES, expectation, recorded

PROJECT = Path(__file__).parents[2]
JUDGE_PYTHON = PROJECT / ".venv-judge" / "bin" / "python"
pytestmark = pytest.mark.skipif(not JUDGE_PYTHON.exists(), reason="no .venv-judge: make .venv-judge/stamp")
TIMEOUT_S = 60
KEYS = Keys(bytes(range(16)), bytes(range(16, 32)))
TITLE = b"SIM\x01\x02\x03\x04\x05"

# Recordings that gurux does not read, and why that is permitted.
GURUX_REFUSES = {
    "amshan_test_kaifa_no_list_2": "Kaifa writes the date with a tag (09 0C) where the standard has none",
    "hdlc_kaifa_ma304h3e": "the same",
    "hdlc_landis_gyr_zmf100": "tag and length of a code are exchanged (06 09)",
    "raw_sagecom_xt211": "the objects are named without tags",
    "mbus_netz_noe_p1": "it knows no M-Bus transport layer with segments",
}
TREE = Data(
    STRUCTURE,
    (
        Data(
            ARRAY,
            tuple(
                Data(
                    STRUCTURE,
                    (
                        Data(OCTET_STRING, bytes.fromhex(code)),
                        Data(tag, number),
                        Data(STRUCTURE, (Data(INT8, scaler), Data(ENUM, unit))),
                    ),
                )
                for code, tag, number, scaler, unit in (
                    ("0100010800ff", UINT32, 4_000_000_000, -1, 30),
                    ("0100200700ff", UINT16, 2301, -1, 35),
                    ("0100100700ff", INT32, -1500, 0, 27),
                )
            ),
        ),
        Data(VISIBLE_STRING, b"SIM0001"),
        Data(BOOLEAN, value=True),
        Data(INT16, -300),
        Data(UINT8, 200),
        Data(INT64, -(1 << 40)),
        Data(UINT64, 1 << 63),
        Data(NULL, None),
        Data(FLOAT32, Scaled(15, -1)),
        Data(FLOAT64, Scaled(-225, -2)),
        Data(OCTET_STRING, bytes(range(200))),
    ),
)


def ask_gurux(tasks: list[dict[str, Any]]) -> list[Any]:
    program = [str(JUDGE_PYTHON), str(PROJECT / "tests" / "protocols" / "judge_gurux.py")]
    answer = subprocess.run(
        program, input=json.dumps(tasks), capture_output=True, text=True, check=True, timeout=TIMEOUT_S
    )
    found = json.loads(answer.stdout)
    assert isinstance(found, list)
    return found


def tree_of(stream: bytes, keys: Keys) -> Data:
    """The data of the one push in a stream, before they get their meaning."""
    frames, assembler = FrameReceiver(), Assembler()
    wholes: list[Whole] = []
    for item in [*frames.receive_data(stream), *frames.receive_end()]:
        found = bare(item) if isinstance(item, Outside) else assembler.take(item)
        wholes += [each for each in found if isinstance(each, Whole)]
    (whole,) = wholes
    apdu = whole.apdu
    if apdu[0] == GENERAL_GLO_CIPHERING:
        apdu = open_ciphered(split_ciphered(apdu)[0], keys).apdu
    return decode_notification(apdu)[0].body


def shown(item: Data) -> Any:
    """Data as the judge shows them."""
    value = item.value
    if item.tag in (ARRAY, STRUCTURE):
        return [shown(each) for each in items_of(item)]
    if isinstance(value, bytes):
        return value.decode("ascii").rstrip("\0") if item.tag == VISIBLE_STRING else value.hex()
    return float(str(value)) if isinstance(value, Scaled) else value


def plain(item: Data) -> Any:
    """Data as the judge wants them."""
    value = item.value
    if item.tag in (ARRAY, STRUCTURE):
        return [item.tag, [plain(each) for each in items_of(item)]]
    if isinstance(value, bytes):
        return [item.tag, value.hex()]
    return [item.tag, float(str(value)) if isinstance(value, Scaled) else value]


def keys_of(case: str) -> Keys:
    expected = expectation(case)
    key, authentication_key = (bytes.fromhex(expected.get(name, "")) or None for name in ("key", "gak"))
    return Keys(key, authentication_key)


def task_keys(keys: Keys) -> dict[str, str]:
    given = {"key": keys.key, "authentication_key": keys.authentication_key}
    return {name: key.hex() for name, key in given.items() if key is not None}


@pytest.mark.skipif(not PUSHES, reason="corpora: no recorded DLMS beside this checkout")
def test_gurux_reads_the_same_data_from_every_recording_that_it_reads() -> None:
    cases = {case: recorded(case) for case in PUSHES}
    keys = {case: keys_of(case) for case in PUSHES}
    tasks = []
    for case, data in cases.items():
        framing = {0x7E: "hdlc", 0x68: "mbus"}.get(data[0], "bare")
        sent = data.removeprefix(b"\xe6\xe7\x00") if framing == "bare" else data
        tasks.append({"decode": sent.hex(), "framing": framing, **task_keys(keys[case])})
    answers = dict(zip(cases, ask_gurux(tasks), strict=True))
    refused = {case for case, answer in answers.items() if isinstance(answer, dict)}
    assert refused == set(GURUX_REFUSES), {case: answers[case] for case in refused ^ set(GURUX_REFUSES)}
    for case in cases.keys() - refused:
        assert answers[case] == shown(tree_of(cases[case], keys[case])), case


@pytest.mark.parametrize("segment_bytes", [0, 100])
@pytest.mark.parametrize("is_ciphered", [False, True])
def test_gurux_reads_what_we_write(*, is_ciphered: bool, segment_bytes: int) -> None:
    apdu = encode_notification(TREE, invoke_id=7)
    if is_ciphered:
        apdu = encode_ciphered(apdu, keys=KEYS, system_title=TITLE, counter=9)
    framings = ("hdlc",) if segment_bytes else ("hdlc", "bare")
    tasks = [
        {
            "decode": encode_frames(apdu, framing, segment_bytes=segment_bytes).hex(),
            "framing": framing,
            **(task_keys(KEYS) if is_ciphered else {}),
        }
        for framing in framings
    ]
    for answer in ask_gurux(tasks):
        assert answer == shown(TREE)


@pytest.mark.parametrize("framing", ["hdlc", "bare"])
@pytest.mark.parametrize("is_ciphered", [False, True])
def test_we_read_what_gurux_writes(framing: str, *, is_ciphered: bool) -> None:
    task: dict[str, Any] = {"encode": plain(TREE), "framing": framing}
    if is_ciphered:
        task |= {**task_keys(KEYS), "title": TITLE.hex(), "counter": 77}
    (messages,) = ask_gurux([task])
    assert isinstance(messages, list), messages
    stream = b"".join(map(bytes.fromhex, messages))
    assert tree_of(stream, KEYS) == TREE
    receiver = DlmsReceiver(KEYS.key, KEYS.authentication_key)
    (telegram,) = receiver.receive_data(stream) + receiver.receive_end()
    assert isinstance(telegram, DlmsTelegram)
    assert (telegram.authenticated, telegram.counter) == ((True, 77) if is_ciphered else (False, None))
