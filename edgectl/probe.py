"""`edgectl probe`: who answers at a unit of a Modbus line, and which profile fits. Asks and prints.

Rules:
- Through the agent, each request has its turn between those of the line's meters: nothing that is due waits
  for more than one of ours. Without the agent (`--url`) the port must be free.
- What is said of a unit is what it answered; what to do next follows from how it failed to.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from rich.console import Console
from rich.table import Table
from rich.text import Text

from config.catalogue import catalogue
from edge_agent.reports import AnswerReport
from edgectl.candidates import find_fits
from edgectl.client import Client, Refusal
from edgectl.place import Place, find_line
from edgectl.probing import Answer, Finding, Fit, Steps, conformity_name, find_name_plates
from edgectl.screen import BAD, GOOD, indented, make_console, make_table, step_text
from edgectl.texts import Words
from hal.api import PortError
from protocols.modbus.pdu import Request, encode_request

UNITS_MAX = 64  # in one call: a dead unit costs two timeouts
UNIT_LAST = {"modbus-tcp": 255, "modbus-rtu": 247, "modbus-ascii": 247}
SUSPECT_PAUSE_S = 0.5
SUSPECT_PAUSES_MAX = 8  # longer than an answer may be late (edge_agent.line.LATE_ANSWER_S_MAX)

Ask = Callable[[int, Request], AnswerReport]
T = TypeVar("T")


class Target(NamedTuple):
    """The line as the configuration calls it. `meters`: id and profile of the configured meters by unit.
    `url`, `baud` and `format` only where the line was given on the command line."""

    line: str
    protocol: str
    meters: dict[int, list[tuple[str, str]]]
    url: str = ""
    baud: int | None = None
    format: str | None = None


class Wanted(NamedTuple):
    """A line as given on the command line; `protocol` empty: the usual one of such a url."""

    url: str
    protocol: str = ""
    baud: int | None = None
    format: str | None = None


def probe_line(
    line: str, units_text: str, words: Words, place: Place, config: Path, *, as_json: bool
) -> bool:
    """Probe units of a line through the agent; of a line that has no meters yet, and so is not the agent's,
    by its url in the configuration. Whether any answered; Refusal or Unreachable."""
    with Client(place.socket) as client:
        status = client.call("Status")["status"]
        table = find_line(config, line)
        if table is None or line in {each["id"] for each in status["lines"]}:
            target = target_of(status, line)
            units = parse_units(units_text, target)
            return _show(probe_units(units, agent_asks(client, line)), words, target, as_json=as_json)
    given = (
        str(table.get("url", "")),
        str(table.get("protocol", "")),
        table.get("baud"),
        table.get("format"),
    )
    return probe_url(Wanted(*given), units_text, words, as_json=as_json, line=line)


def probe_url(wanted: Wanted, units_text: str, words: Words, *, as_json: bool, line: str = "") -> bool:
    """Probe units of a line without the agent. `line`: its name in the configuration, if it stands there."""
    from edgectl.direct import open_direct, protocol_of

    protocol = wanted.protocol or protocol_of(wanted.url)
    if line:
        target = Target(line, protocol, {})
    else:
        target = Target(wanted.url, protocol, {}, wanted.url, wanted.baud, wanted.format)
    units = parse_units(units_text, target)
    try:
        with open_direct(wanted.url, protocol, wanted.baud, wanted.format) as ask:
            return _show(probe_units(units, ask), words, target, as_json=as_json)
    except PortError as error:
        fields = {"url": wanted.url, "evidence": error.text, "code": error.code}
        raise Refusal("PortUnavailable", fields) from error


def _show(findings: Iterator[Finding], words: Words, target: Target, *, as_json: bool) -> bool:
    if not as_json:
        return show_findings(make_console(), words, findings, target)
    answered = False
    for finding in findings:
        answered = answered or finding.presence == "answers"
        print(json.dumps(probe_json(finding, target), ensure_ascii=False), flush=True)
    return answered


def parse_units(text: str, target: Target) -> range:
    """`7` or `1-20`; Refusal("NoModbus") for a line that has no units, else Refusal("WrongUnits")."""
    if target.protocol not in UNIT_LAST:
        raise Refusal("NoModbus", {"line": target.line, "protocol": target.protocol})
    lowest, last = 0 if target.protocol == "modbus-tcp" else 1, UNIT_LAST[target.protocol]
    first_text, _, last_text = text.partition("-")
    try:
        units = range(int(first_text), int(last_text or first_text) + 1)
    except ValueError:
        units = range(0)
    if not units or units[0] < lowest or units[-1] > last or len(units) > UNITS_MAX:
        right = {"units": text, "lowest": lowest, "last": last, "units_max": UNITS_MAX}
        raise Refusal("WrongUnits", right)
    return units


def target_of(status: dict[str, Any], line: str) -> Target:
    """The line of this name in the agent's status; Refusal("NoSuchLine")."""
    for each in status["lines"]:
        if each["id"] == line:
            meters: dict[int, list[tuple[str, str]]] = {}
            for meter in status["meters"]:
                if meter["line"] == line:
                    meters.setdefault(meter["address"], []).append((meter["id"], meter["profile"]))
            return Target(line, each["protocol"], meters)
    raise Refusal("NoSuchLine", {"line": line, "known": [each["id"] for each in status["lines"]]})


def agent_asks(client: Client, line: str) -> Ask:
    """Requests through the agent."""

    def ask(unit: int, request: Request) -> AnswerReport:
        pdu = encode_request(request).hex()
        return AnswerReport(**client.call("Ask", line=line, unit=unit, request=pdu)["answer"])

    return ask


def probe_units(units: Sequence[int], ask: Ask) -> Iterator[Finding]:
    """What each unit says, as it comes."""
    profiles = list(catalogue().values())
    for unit in units:
        finding = Finding(unit)
        _walk(find_name_plates(finding, thorough=len(units) == 1), unit, ask)
        if finding.presence == "answers":
            finding.fits = _walk(find_fits(finding, profiles), unit, ask)
        yield finding


def _walk(steps: Steps[T], unit: int, ask: Ask) -> T:
    try:
        request = next(steps)
        while True:
            request = steps.send(_answer(unit, request, ask))
    except StopIteration as end:
        result: T = end.value
        return result


def _answer(unit: int, request: Request, ask: Ask) -> Answer:
    """One answer; while an earlier one may still come, the unit is given time."""
    report = ask(unit, request)
    for _ in range(SUSPECT_PAUSES_MAX):
        if report.outcome != "suspect":
            break
        time.sleep(SUSPECT_PAUSE_S)
        report = ask(unit, request)
    outcome = "silent" if report.outcome == "suspect" else report.outcome
    return Answer(outcome, bytes.fromhex(report.data), report.exception, report.evidence)


def probe_json(finding: Finding, target: Target) -> dict[str, object]:
    """One unit for scripts."""
    sunspec, plate, told = finding.sunspec, finding.name_plate, finding.server_id
    return {
        "line": target.line,
        "unit": finding.unit,
        "presence": finding.presence,
        "evidence": finding.evidence,
        "maker": finding.maker,
        "model": finding.model,
        "version": finding.version,
        "serial": finding.serial,
        "identification": {
            "offer": plate.offer,
            "conformity": conformity_name(plate.conformity) if plate.objects else "",
            "objects": plate.objects,
        },
        "server_id": {"offer": told.offer, "data": told.data, "text": told.text},
        "sunspec": {
            "offer": sunspec.offer,
            "base": sunspec.base,
            "models": [model._asdict() for model in sunspec.models],
            "common": sunspec.common._asdict() if sunspec.common else None,
        },
        "profiles": [
            {
                "profile": fit.profile,
                "score": fit.score,
                "serial": fit.serial,
                "reasons": [{"reason": reason.key, **reason.fields} for reason in fit.reasons],
            }
            for fit in finding.fits
        ],
        "configured": [name for name, _ in target.meters.get(finding.unit, [])],
        "lines_to_add": lines_to_add(finding, target),
    }


def show_findings(console: Console, words: Words, findings: Iterable[Finding], target: Target) -> bool:
    """Print each unit as it comes; whether any answered. Units of a range that are silent share one line."""
    silent: list[int] = []
    answered = shown = False
    for finding in findings:
        if finding.presence == "silent":
            silent.append(finding.unit)
            last_silent = finding
            continue
        if shown:
            console.print()
        shown = True
        answered = answered or finding.presence == "answers"
        if finding.presence == "answers":
            _show_unit(console, words, finding, target)
        else:
            _show_absence(console, words, finding, target)
    if silent:
        if shown:
            console.print()
        _show_silence(console, words, silent, last_silent, target, alone=not shown)
    return answered


def _show_unit(console: Console, words: Words, finding: Finding, target: Target) -> None:
    console.print(Text(words("probe.answers", unit=finding.unit, line=target.line), f"bold {GOOD}"))
    console.print()
    rows = make_table(("", "left"), ("", "left"))
    rows.show_header = False
    for key in ("maker", "model", "version", "serial"):
        rows.add_row(words(f"probe.{key}"), getattr(finding, key) or words("probe.untold"))
    console.print(rows)
    console.print()
    _show_sources(console, words, finding)
    console.print()
    _show_fits(console, words, finding)
    _show_next(console, words, finding, target)


def _show_sources(console: Console, words: Words, finding: Finding) -> None:
    """By what way it tells who it is, and what the ways without an answer came to."""
    plate, told, sunspec = finding.name_plate, finding.server_id, finding.sunspec
    rows = make_table((words("probe.source"), "left"), (words("probe.said"), "left"))
    said = [f"{name}: {text}" for name, text in plate.objects.items()]
    level = words("probe.conformity", level=conformity_name(plate.conformity))
    rows.add_row("43/14", _said(words, plate.offer, "\n".join([level, *said])))
    rows.add_row("17", _said(words, told.offer, f"{told.text}\n{told.data}".strip()))
    models = ", ".join(str(model.id) for model in sunspec.models)
    at = words("probe.models", base=sunspec.base, models=models)
    rows.add_row("SunSpec", _said(words, sunspec.offer, at, missing=words("probe.no-sunspec")))
    console.print(rows)


def _said(words: Words, offer: str, text: str, missing: str = "") -> str:
    if offer == "given":
        return text
    return missing if missing and offer == "unsupported" else words(f"probe.offer.{offer or 'unasked'}")


def _show_fits(console: Console, words: Words, finding: Finding) -> None:
    if not finding.fits:
        console.print(words("probe.no-fit"))
        return
    console.print(words("probe.fits"))
    rows = Table.grid(padding=(0, 2, 0, 0))
    for fit in finding.fits:
        rows.add_row(" ", Text(fit.profile, "bold"), reasons_text(words, fit))
    console.print(rows)


def reasons_text(words: Words, fit: Fit) -> str:
    """Why it fits, the weightiest first."""
    said = []
    for reason in fit.reasons:
        fields = {
            name: words.decimal(text) if name == "value" else text for name, text in reason.fields.items()
        }
        said.append(words(f"probe.why.{reason.key}", **fields))
    return "; ".join(said)


def _show_next(console: Console, words: Words, finding: Finding, target: Target) -> None:
    configured = target.meters.get(finding.unit, [])
    for name, profile in configured:
        console.print()
        console.print(words("probe.configured", meter=name, profile=profile))
    text = lines_to_add(finding, target)
    if text:
        console.print()
        if len({fit.score for fit in finding.fits[:2]}) < len(finding.fits[:2]):
            console.print(words("probe.tie"))
        console.print(words("probe.add"))
        console.print()
        console.print(text, soft_wrap=True)


def lines_to_add(finding: Finding, target: Target) -> str:
    """The lines for the configuration that make the agent read this unit; "" where it does already."""
    if not finding.fits or finding.unit in target.meters:
        return ""
    line = target.line if not target.url else "line-1"
    entries: list[tuple[str, dict[str, object]]] = []
    if target.url:
        table = {"id": line, "url": target.url, "protocol": target.protocol}
        settings = {"baud": target.baud, "format": target.format}
        entries.append(("line", table | {key: value for key, value in settings.items() if value is not None}))
    meter: dict[str, object] = {
        "id": f"{line}-{finding.unit}",
        "line": line,
        "profile": finding.fits[0].profile,
        "address": finding.unit,
    }
    entries.append(("meter", meter | ({"serial": finding.serial} if finding.serial else {})))
    tables = [
        f"[[{name}]]\n"
        + "\n".join(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in table.items())
        for name, table in entries
    ]
    return "\n\n".join(tables)


def _show_absence(console: Console, words: Words, finding: Finding, target: Target) -> None:
    """A gateway answered in its place, or what came cannot be read."""
    console.print(Text(words(f"probe.{finding.presence}", unit=finding.unit, line=target.line), BAD))
    console.print(indented(finding.evidence))
    faults = {"no-path": "line.path", "behind-gateway-silent": "meter.silent", "corrupt": "meter.corrupt"}
    console.print(step_text(words.fault(faults[finding.presence]).step))


def _show_silence(
    console: Console, words: Words, units: Sequence[int], last: Finding, target: Target, *, alone: bool
) -> None:
    console.print(Text(words("probe.silent", units=ranges_text(units), line=target.line), BAD))
    if alone:
        console.print(indented(last.evidence))
        console.print(step_text(words.fault("meter.silent").step))


def ranges_text(numbers: Sequence[int]) -> str:
    """`1-3, 7`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
