"""Recorded AT answers of real modems: each parses, with every signal value in the range of 3GPP."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from protocols.at import Answer, AtDialogue, FinalResult, LateLine, ResultKind, quectel
from protocols.at.dialects import DIALECTS, dialect_of
from protocols.at.standard import (
    decode_addresses,
    decode_cesq,
    decode_clock,
    decode_contexts,
    decode_csq,
    decode_information,
    decode_name,
    decode_operator,
    decode_registration,
    decode_sim_state,
)
from protocols.cellular import Serving, Signal, ranges

FILE = Path(__file__).parents[3] / "shared/reference/modem-transcripts/all.json"
RECORDS = json.loads(FILE.read_text()) if FILE.exists() else []
needs_transcripts = pytest.mark.skipif(
    not RECORDS, reason="transcripts: no recorded answers beside this checkout"
)

# Answers from which no value is taken, and why. They must pass the dialogue all the same.
NO_VALUE = {
    "ATD*99***1#": "CONNECT",
    "AT+QNETDEVSTATUS=1": "a refusal",
    "AT&K0": "a refusal",
    "AT+QCSQ=?": "the list of what +QCSQ can say",
    "AT+COPS=?": "the search for networks blocks for minutes and is never sent",
    "AT+QSPN": "the operator's name, which +COPS? gives as well",
    "AT*CNTI=0": "the technology, which +CEREG? gives as well",
    "AT+UPSND=0,8": "u-blox's own data connections are not used",
    "AT+XLEC?": "bundled carriers, which nobody asked for yet",
    "AT^HFREQINFO?": "frequencies, which nobody asked for yet",
}
STANDARD: dict[str, Callable[[Any], object]] = {
    "AT+CREG?": lambda lines: decode_registration(lines[-1]),
    "AT+CGREG?": lambda lines: decode_registration(lines[-1]),
    "AT+CEREG?": lambda lines: decode_registration(lines[-1]),
    "AT+COPS?": decode_operator,
    "AT+CSQ": decode_csq,
    "AT+CESQ": decode_cesq,
    "AT+CGDCONT?": decode_contexts,
    "AT+CGPADDR": decode_addresses,
    "AT+CCLK?": decode_clock,
    "AT+CGMR": decode_name,
    "AT+GMM": decode_name,
    "ATI": decode_information,
    "ATI9": decode_name,
    "AT+SIMCOMATI": decode_information,
    "AT+QNWINFO": quectel.decode_networks,
    "AT+QCAINFO": quectel.decode_carriers,
}


def dialogue_of(record: dict[str, Any]) -> tuple[list[str], FinalResult]:
    """The answer as it came over a port with echo; OK is added where the record was cut before it."""
    dialogue = AtDialogue()
    dialogue.send(record["command"], late_lines=True)
    ends = ("OK", "CONNECT") + ((record["final"],) if record["final"] else ())
    lines = record["response"] + ([] if any(line in ends for line in record["response"]) else ["OK"])
    wire = record["command"] + "\r" + "".join(f"\r\n{line}\r\n" for line in lines)
    events = dialogue.receive_data(wire.encode())
    assert all(isinstance(event, Answer | LateLine) for event in events), events
    answer = next(event for event in events if isinstance(event, Answer))
    return [*answer.lines, *(event.text for event in events if isinstance(event, LateLine))], answer.result


def decoder_of(record: dict[str, Any]) -> Callable[[Any], object] | None:
    command, dialect = record["command"], dialect_of(record["model"], None)
    table = {query.command: query.decode for query in dialect.serving}
    if dialect.counters is not None:
        table[dialect.counters.command] = dialect.counters.decode
    if dialect.temperature is not None and command.startswith("AT+QTEMP"):
        table[command] = dialect.temperature.decode
    return table.get(command) or STANDARD.get(command)


def assert_in_range(signal: Signal) -> int:
    """How many values `signal` has."""
    allowed = ranges(signal.technology)
    values = {name: getattr(signal, name) for name in allowed if getattr(signal, name) is not None}
    assert all(allowed[name].holds(value) for name, value in values.items()), signal
    assert not signal.refused, signal
    return len(values)


@needs_transcripts
def test_every_recorded_answer_parses_with_its_signal_in_range() -> None:
    rows: dict[str, list[int]] = {}
    for record in RECORDS:
        lines, result = dialogue_of(record)
        row = rows.setdefault(record["model"], [0, 0, 0])
        row[0] += len(record["response"])
        row[1] += 1
        if record["command"] == "AT+CPIN?":
            decode_sim_state(Answer(record["command"], tuple(lines), result))
            continue
        decode = decoder_of(record)
        if decode is None:
            assert record["command"] in NO_VALUE, record
            continue
        value = decode(lines)
        signals = (
            value.signals if isinstance(value, Serving) else value if record["command"] == "AT+CESQ" else ()
        )
        row[2] += sum(assert_in_range(signal) for signal in signals)
    print(f"\n{'model':32} lines answers signal values in range")
    for model, (line_count, answers, values) in sorted(rows.items()):
        print(f"{model:32} {line_count:5} {answers:7} {values:6}")
    assert sum(row[1] for row in rows.values()) == len(RECORDS)
    assert sum(row[2] for row in rows.values()) > 60


def test_every_dialect_has_a_signal_to_ask_for_and_a_way_to_reset() -> None:
    for dialect in DIALECTS:
        assert dialect.serving
        assert dialect.reset
        assert dialect_of(dialect.makers[0].upper(), None) is dialect


@pytest.mark.parametrize(
    ("maker", "model", "name"),
    [
        ("SIMCOM INCORPORATED", None, "simcom"),
        ("QUALCOMM INCORPORATED", "SIMCOM_SIM7600E-H", "simcom"),
        (None, "EC25", "quectel"),
        ("QUALCOMM INCORPORATED", "EM7455", "sierra"),
        (None, "EM12-G", "quectel"),
        (None, "LE910C1-EU", "telit"),
        (None, "SARA-R510S", "u-blox"),
        ("Nobody", "X1", "generic"),
    ],
)
def test_a_modem_is_known_by_its_maker_or_else_by_its_model(
    maker: str | None, model: str | None, name: str
) -> None:
    assert dialect_of(maker, model).name == name


def test_a_result_says_whether_the_command_was_done() -> None:
    assert FinalResult(ResultKind.OK).is_ok
    assert not FinalResult(ResultKind.ERROR).is_ok
