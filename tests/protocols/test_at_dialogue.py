"""The AT dialogue: answers, unsolicited lines, echo, noise, lateness and bounds; then mutated dialogues."""

from __future__ import annotations

import itertools
import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.at import (
    Answer,
    AtDialogue,
    AtRefused,
    DataBytes,
    FinalResult,
    LateLine,
    Prompt,
    ResultKind,
    State,
    Synchronised,
    Urc,
    encode_command,
    quote,
    timeout_s,
)
from protocols.at.dialects import DIALECTS
from protocols.at.dialogue import ANSWER_LINES_MAX, LINE_BYTES_MAX
from protocols.errors import ProtocolError
from tests.protocols.fuzz import INPUTS_PROOF, INPUTS_SHORT, assert_linear_time, fuzz

OK = FinalResult(ResultKind.OK)
STREAM_BYTES = 200_000


def ask(command: str, wire: bytes, *, numeric: bool = False) -> list[object]:
    dialogue = AtDialogue(numeric=numeric)
    dialogue.send(command)
    return list(dialogue.receive_data(wire))


@pytest.mark.parametrize(
    "wire",
    [
        b"\r\n+CSQ: 20,99\r\n\r\nOK\r\n",
        b"AT+CSQ\r\r\n+CSQ: 20,99\r\n\r\nOK\r\n",  # echo
        b"+CSQ\r\r\n+CSQ: 20,99\r\n\r\nOK\r\n",  # half of it
        b"AT+CSQ+CSQ: 20,99\r\n\r\nOK\r\n",  # glued
        b"+CSQ: 20,99\nOK\n",
        b"\r+CSQ: 20,99\r\rOK\r",
        b"\0\0\r\n+CSQ: 20,99\r\n\0\r\nOK\0\r\n",
        b"\xff\xfe\x00+CSQ: 20,99\r\nOK\r\n",  # noise of power-up before the line
    ],
)
def test_an_answer_is_found_in_every_dress(wire: bytes) -> None:
    expected = [Answer("AT+CSQ", ("+CSQ: 20,99",), OK)]
    assert ask("AT+CSQ", wire) == expected
    dialogue = AtDialogue()
    dialogue.send("AT+CSQ")
    assert [event for byte in wire for event in dialogue.receive_data(bytes([byte]))] == expected


@pytest.mark.parametrize(
    ("command", "line", "result"),
    [
        ("AT+CSQ", "ERROR", FinalResult(ResultKind.ERROR)),
        ("AT+CPIN?", "+CME ERROR: 10", FinalResult(ResultKind.CME_ERROR, 10, "sim not inserted")),
        ("AT+CPIN?", "+CME ERROR: odd words", FinalResult(ResultKind.CME_ERROR, None, "odd words")),
        ("AT+CMGL", "+CMS ERROR: 321", FinalResult(ResultKind.CMS_ERROR, 321)),
        ("ATD*99#", "NO CARRIER", FinalResult(ResultKind.NO_CARRIER)),
        ("ATD*99#", "BUSY", FinalResult(ResultKind.BUSY)),
        ("ATD*99#", "NO ANSWER", FinalResult(ResultKind.NO_ANSWER)),
        ("ATD*99#", "NO DIALTONE", FinalResult(ResultKind.NO_DIALTONE)),
        ("ATD*99#", "CONNECT 150000000", FinalResult(ResultKind.CONNECT, text="150000000")),
        ("ATD*99#", "CONNECT", FinalResult(ResultKind.CONNECT)),
    ],
)
def test_every_final_result_ends_its_command(command: str, line: str, result: FinalResult) -> None:
    assert ask(command, f"\r\n{line}\r\n".encode()) == [Answer(command, (), result)]


def test_numeric_results_end_a_command_without_data_and_any_command_in_v0() -> None:
    assert ask("ATE0", b"ATE0\r0\r") == [Answer("ATE0", (), OK)]
    assert ask("ATV1", b"4\r") == [Answer("ATV1", (), FinalResult(ResultKind.ERROR))]
    assert ask("AT+CSQ", b"+CSQ: 1,99\r\n0\r", numeric=True) == [Answer("AT+CSQ", ("+CSQ: 1,99",), OK)]


def test_unsolicited_lines_are_told_apart_also_in_the_middle_of_an_answer() -> None:
    found = ask(
        "AT+COPS?", b'\r\nRING\r\n\r\n+COPS: 0,2,"26201",7\r\n\r\n+CREG: 2\r\n\r\nNO CARRIER\r\n\r\nOK\r\n'
    )
    assert found == [
        Urc("RING"),
        Urc("+CREG: 2"),
        Urc("NO CARRIER"),
        Answer("AT+COPS?", ('+COPS: 0,2,"26201",7',), OK),
    ]


def test_a_registration_line_glued_to_an_answer_is_a_urc_of_its_own() -> None:
    assert ask("AT+CSQ", b"+CSQ: 20,99+CREG: 5\r\nOK\r\n") == [
        Urc("+CREG: 5"),
        Answer("AT+CSQ", ("+CSQ: 20,99",), OK),
    ]


def test_a_prefix_within_quotes_does_not_cut_a_line() -> None:
    line = '+COPS: 0,0,"a+COPS: b",7'
    assert ask("AT+COPS?", f"{line}\r\nOK\r\n".encode()) == [Answer("AT+COPS?", (line,), OK)]


def test_lines_without_a_prefix_belong_to_the_command() -> None:
    assert ask("ATI", b"Quectel\r\nEC25\r\n+GCAP: +CGSM\r\nOK\r\n") == [
        Answer("ATI", ("Quectel", "EC25", "+GCAP: +CGSM"), OK)
    ]


def test_late_lines_are_the_commands_where_announced_and_unsolicited_otherwise() -> None:
    dialogue = AtDialogue()
    dialogue.send("AT+QTEMP", late_lines=True)
    found = dialogue.receive_data(b'OK\r\n+QTEMP: "a","33"\r\n+CREG: 1\r\n')
    assert found == [Answer("AT+QTEMP", (), OK), LateLine("AT+QTEMP", '+QTEMP: "a","33"'), Urc("+CREG: 1")]
    assert ask("AT+QTEMP", b"OK\r\n+QTEMP: 1\r\n")[1] == Urc("+QTEMP: 1")


def test_a_late_answer_is_never_taken_for_the_next_commands() -> None:
    dialogue = AtDialogue()
    dialogue.send("AT+CGATT=1")
    dialogue.abandon()
    with pytest.raises(ValueError, match="stale"):
        dialogue.send("AT+CSQ")
    assert dialogue.resync() == b"AT+CMEE?\r"
    assert dialogue.receive_data(b"\r\nOK\r\n\r\n+CREG: 1\r\n") == [Urc("+CREG: 1")]
    assert dialogue.receive_data(b"\r\n+CMEE: 1\r\n\r\nOK\r\n") == [Synchronised()]
    dialogue.send("AT+CSQ")
    assert dialogue.receive_data(b"+CSQ: 1,99\r\nOK\r\n") == [Answer("AT+CSQ", ("+CSQ: 1,99",), OK)]


def test_what_comes_while_stale_is_dropped() -> None:
    dialogue = AtDialogue()
    dialogue.send("ATI")
    dialogue.abandon()
    assert dialogue.receive_data(b"Quectel\r\nOK\r\n") == []
    assert dialogue.state is State.STALE


def test_a_damaged_line_is_an_error_and_never_repaired() -> None:
    (error, answer) = ask("AT+CSQ", b"+CSQ: 2\x810,99\r\nOK\r\n")
    assert isinstance(error, ProtocolError)
    assert error.code == "at.noise"
    assert answer == Answer("AT+CSQ", (), OK)


def test_connect_hands_the_bytes_over_until_the_caller_leaves() -> None:
    dialogue = AtDialogue()
    dialogue.send("ATD*99***1#")
    found = dialogue.receive_data(b"\r\nCONNECT 100000000\r\n~\xff}#\r\n")
    assert found[1:] == [DataBytes(b"~\xff}#\r\n")]
    assert dialogue.receive_data(b"OK\r\n") == [DataBytes(b"OK\r\n")]
    dialogue.leave_data()
    assert dialogue.state is State.STALE


def test_the_prompt_is_seen_without_a_line_end() -> None:
    assert ask('AT+CMGS="1"', b"\r\n> ") == [Prompt()]


def test_lines_and_answers_have_bounds() -> None:
    error, answer = ask("ATI", b"x" * (3 * LINE_BYTES_MAX) + b"\r\nOK\r\n")
    assert isinstance(error, ProtocolError)
    assert error.code == "at.line_length"
    assert answer == Answer("ATI", (), OK)
    error, answer = ask("ATI", b"line\r\n" * 1000 + b"OK\r\n")
    assert isinstance(error, ProtocolError)
    assert error.code == "at.answer_length"
    assert isinstance(answer, Answer)
    assert len(answer.lines) == ANSWER_LINES_MAX


@pytest.mark.parametrize(
    "command", ["AT+CSQ\rAT+CFUN=0", "AT\n", "+CSQ", "", "AT+COPS=\u00e9", "AT" + "x" * 1000]
)
def test_a_command_that_is_none_or_two_is_refused(command: str) -> None:
    with pytest.raises(ValueError, match=r"AT command|characters"):
        encode_command(command)


def test_a_parameter_cannot_leave_its_quotes() -> None:
    assert quote("internet.t-mobile") == '"internet.t-mobile"'
    with pytest.raises(ValueError, match="parameter"):
        quote('x",1')


def test_one_command_at_a_time() -> None:
    dialogue = AtDialogue()
    dialogue.send("AT")
    with pytest.raises(ValueError, match="state command"):
        dialogue.send("AT")


def test_timeouts_follow_the_command() -> None:
    assert timeout_s("AT+CFUN=1,1") == 180
    assert timeout_s("ATD*99#") == 75
    assert timeout_s("AT+CSQ") == 1


def test_a_refusal_names_command_and_number() -> None:
    refused = AtRefused("AT+CPIN?", FinalResult(ResultKind.CME_ERROR, 10, "sim not inserted"))
    assert (refused.code, refused.device_code) == ("at.cme_error", 10)
    assert "AT+CPIN?" in str(refused)


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_events_do_not_depend_on_how_the_bytes_are_cut(data: bytes, cuts: list[int]) -> None:
    whole, pieces = AtDialogue(), AtDialogue()
    whole.send("AT+COPS?")
    pieces.send("AT+COPS?")
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    found = [
        event for start, end in itertools.pairwise(places) for event in pieces.receive_data(data[start:end])
    ]

    def seen(events: list[object]) -> list[str]:
        return [str(event) for event in events if not isinstance(event, DataBytes | Prompt)]

    assert seen(list(whole.receive_data(data))) == seen(found)


DECODERS = [query.decode for dialect in DIALECTS for query in dialect.serving]
DECODERS += [dialect.temperature.decode for dialect in DIALECTS if dialect.temperature]  # type: ignore[misc]
SEEDS = [
    (
        b'AT+QENG="servingcell"\r\r\n+QENG: "servingcell","NOCONN","LTE","FDD",'
        b"460,0,8F,107,1300,3,5,5,3193,-98,-13,-70,-3\r\nOK\r\n"
    ),
    b"+CPSI: LTE,Online,310-260,0x2D18,50896642,236,EUTRAN-BAND4,2300,5,5,-125,-987,-663,10\r\nOK\r\n",
    b"!GSTATUS: \r\nSystem mode: LTE  \r\nPCC RxM RSSI: -45\t\tRSRP (dBm): -81\r\nRSRQ (dB): -14.0\r\nOK\r\n",
    b'#RFSTS: "286 01",1795,-101,-67,-15,2242,,128,3,1,0B5D121,"1","T",3,3,108\r\nOK\r\n',
    b"+UCGED: 2\r\n6,4,262,01\r\n5110,13,50,50,1,2,254,d0fafd59,ff49,b1,27,15,0.50,1\r\nOK\r\n",
    b"+GTCCINFO:\r\n1,4,262,02,BFD3,2D4201,189C,30,120,50,16,42,42,26\r\nOK\r\n+CREG: 2\r\n",
    b'^HCSQ:"LTE",55,49,151,28\r\n\r\n+CME ERROR: 10\r\n',
    b'+CREG: 2,1,"5D4","01BC7511",13\r\nRING\r\n+CSQ: 1,99\r\nOK\r\nCONNECT 9600\r\nxx',
    b"+CESQ: 99,99,255,255,12,40\r\n+CGPADDR: 1,10.0.0.1\r\n+CMEE: 1\r\nOK\r\n",
]
COMMANDS = ('AT+QENG="servingcell"', "AT+CPSI?", "ATI", "ATD*99#", "AT+CREG?", "AT!GSTATUS?")


def converse(data: bytes) -> list[object]:
    """A dialogue over `data`, whose answers go to every decoder there is."""
    dialogue = AtDialogue()
    if data[:1] > b"\x80":
        dialogue.resync()
    else:
        dialogue.send(COMMANDS[len(data) % len(COMMANDS)], late_lines=True)
    found: list[object] = []
    for place in range(0, len(data), 64):
        found += dialogue.receive_data(data[place : place + 64])
        assert len(dialogue._buffer) <= LINE_BYTES_MAX
        assert len(dialogue._lines) <= ANSWER_LINES_MAX
    for event in list(found):
        if isinstance(event, Answer):
            found += (found_of(decode, event.lines) for decode in DECODERS)
    return [event for event in found if event is not None]


def found_of(decode, lines: tuple[str, ...]) -> object:  # noqa: ANN001
    try:
        return decode(lines)
    except ProtocolError as error:
        return error


def run(seed: int, count: int) -> Counter[str]:
    kinds = (Answer, Urc, LateLine, Prompt, DataBytes, Synchronised, tuple, int)
    return fuzz(converse, SEEDS, seed, count, *kinds)


def test_mutated_dialogues_give_events_or_protocol_errors(seed: int) -> None:
    outcomes = run(seed, INPUTS_SHORT)
    assert outcomes["Answer"]
    assert outcomes["Serving"]
    assert outcomes["at.noise"]


@pytest.mark.proof
def test_a_million_mutated_dialogues_give_events_or_protocol_errors(seed: int) -> None:
    started_s = time.monotonic()
    outcomes = run(seed, INPUTS_PROOF)
    print(f"\nat, seed {seed}, {time.monotonic() - started_s:.0f} s: {dict(outcomes.most_common())}")


def test_time_is_linear_in_the_bytes() -> None:
    patterns = [b"+CREG: 1", b'"+CREG:', b"\r\n", b"x", b"\0", b"> ", b"+CPSI: 1\r\n", *SEEDS[:3]]
    assert_linear_time(converse, patterns, size_bytes=STREAM_BYTES)
