"""`edgectl modem`: the cellular link on one screen of 80 columns, with the agent or without it.

Rules: without the agent the last known state is shown, and how old it is; it is read from the agent's file
and never written. What is wrong stands first, with its next step.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from edge_agent.reports import ClimbReport, ModemReport
from edgectl.screen import BAD, DOUBTFUL, GOOD, duration_text, size_text, step_text
from edgectl.texts import Words

LINK_FOLDER = "link"
LINK_FILE = "state"
CLIMBS_SHOWN_MAX = 5
IMBALANCE_SHOWN_DB = 10
NO_CURE = (
    "ambiguous",
    "sim-missing",
    "sim-pin",
    "sim-puk",
    "denied",
    "roaming",
    "apn",
    "budget",
)  # a person must help
_CLASS_STYLES = {"good": GOOD, "usable": GOOD, "weak": DOUBTFUL, "unusable": BAD}


class _Memory(msgspec.Struct):
    """Of the agent's file, what is shown."""

    last: ModemReport | None = None


@dataclass(frozen=True, slots=True)
class LastState:
    """What the agent left. `problem`: "" or why there is nothing."""

    report: ModemReport | None
    age_ms: int | None
    problem: Literal["", "missing", "denied"] = ""
    detail: str = ""


def read_last(state_folder: Path) -> LastState:
    """The last known state from the agent's file, the newer intact copy first."""
    from edge_agent.twin_file import TwinFile
    from hal.storage import FolderStorage

    folder = state_folder / LINK_FOLDER
    try:
        if not folder.is_dir():
            return LastState(None, None, "missing", str(folder))
        texts = TwinFile(FolderStorage(folder), LINK_FILE).read().texts
        written_s = (folder / LINK_FILE).stat().st_mtime
    except FileNotFoundError:
        return LastState(None, None, "missing", str(folder))
    except OSError as error:
        return LastState(None, None, "denied", error.strerror or str(error))
    for text in texts:
        try:
            report = msgspec.json.decode(text, type=_Memory).last
        except msgspec.DecodeError:  # of another version: the other copy, or none
            continue
        if report is not None:
            return LastState(report, max(0, int(1000 * (time.time() - written_s))))
    return LastState(None, None, "missing", str(folder))


def show_modem(console: Console, words: Words, report: ModemReport, *, age_ms: int | None = None) -> None:
    """Print the screen; `age_ms` of a state that was read from the file."""
    if age_ms is not None:
        console.print(Text(words("modem.stale", age=duration_text(age_ms)), DOUBTFUL))
    _show_trouble(console, words, report)
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for label, text in (
        ("modem.link", _link(words, report)),
        ("modem.modem", Text(" ".join(part for part in (report.product, report.imei) if part) or "-")),
        ("modem.sim", _sim(words, report)),
        ("modem.network", _network(words, report)),
        ("modem.signal", _signal(words, report)),
        ("modem.address", _address(words, report)),
        ("modem.data", _data(words, report)),
        ("modem.repairs", _repairs(words, report)),
    ):
        table.add_row(words(label), text)
    console.print(table)


def _show_trouble(console: Console, words: Words, report: ModemReport) -> None:
    code = f"modem.{'denied' if report.trouble == 'refused' else report.trouble}"
    text = words.fault(code)
    if not text.step:
        return
    console.print(Text.assemble((code, BAD), "  ", (text.meaning, "bold")))
    if report.evidence:
        console.print(Text(f"  {report.evidence}"))
    console.print(step_text(text.step))


def _link(words: Words, report: ModemReport) -> Text:
    age = report.proof_age_ms
    if report.trouble == "none":
        if age is None:
            return Text(words("modem.fine"), GOOD)
        kind = words.known(f"modem.kind.{report.proof_kind}", report.proof_kind)
        return Text(words("modem.proven", age=duration_text(age), kind=kind), GOOD)
    when = words("modem.never") if age is None else words("modem.ago", age=duration_text(age))
    return Text(words("modem.no-proof", age=when), BAD)


def _sim(words: Words, report: ModemReport) -> Text:
    parts = [words.known(f"modem.sim-state.{report.sim}", words("modem.unknown"))]
    if report.pin_tries_left is not None and report.sim == "pin":
        parts.append(words("modem.tries", count=report.pin_tries_left))
    parts += [report.iccid] if report.iccid else []
    return Text(", ".join(parts))


def _network(words: Words, report: ModemReport) -> Text:
    state = words.known(f"modem.registration.{report.registration}", words("modem.unknown"))
    parts = (report.operator, report.technology, report.band, state)
    return Text(", ".join(part for part in parts if part), DOUBTFUL if report.roaming else "")


def _signal(words: Words, report: ModemReport) -> Text:
    if not report.signal_class:
        text = Text(words("modem.unknown"))
    else:
        name = words(f"modem.class.{report.signal_class}")
        text = Text(name, _CLASS_STYLES.get(report.signal_class, ""))
    for name, level, unit in (
        ("RSRP" if report.technology not in ("2G", "3G") else "RSSI", report.rsrp_dbm, "dBm"),
        ("RSRQ", report.rsrq_db, "dB"),
        ("SINR", report.sinr_db, "dB"),
    ):
        if level is not None:
            text.append(f", {name} {words.decimal(level)} {unit}", "")
    if report.imbalance_db is not None and float(report.imbalance_db) >= IMBALANCE_SHOWN_DB:
        text.append(f"\n{words('modem.imbalance', db=words.decimal(report.imbalance_db))}", DOUBTFUL)
    advice = words.known(report.advice, "")
    return text.append(f"\n→ {advice}", DOUBTFUL) if advice else text


def _address(words: Words, report: ModemReport) -> Text:
    if not report.connected:
        return Text(words("modem.not-connected"), DOUBTFUL)
    parts = [*report.addresses, report.interface, f"APN {report.apn}" if report.apn else ""]
    return Text(", ".join(part for part in parts if part) or "-")


def _data(words: Words, report: ModemReport) -> Text:
    used = size_text(report.used_bytes)
    text = Text(
        words("modem.used", used=used, period=report.period)
        if report.period
        else words("modem.used-always", used=used)
    )
    if report.limit_bytes:
        percent = 100 * report.used_bytes // report.limit_bytes
        limit = words("modem.limit", limit=size_text(report.limit_bytes), percent=percent)
        text.append(f" {limit}", BAD if percent >= 100 else DOUBTFUL if percent >= 80 else "")
    if report.forecast_bytes is not None:
        over = 0 < report.limit_bytes < report.forecast_bytes
        forecast = words("modem.forecast", forecast=size_text(report.forecast_bytes))
        text.append(f", {forecast}", DOUBTFUL if over else "")
    if report.roaming:
        text.append(f" ({words('modem.roaming')})", DOUBTFUL)
    if report.probe_bytes_today:
        text.append(f"\n{words('modem.probes', size=size_text(report.probe_bytes_today))}", "")
    return text


def _repairs(words: Words, report: ModemReport) -> Text:
    if report.trouble in NO_CURE:
        text = Text(words("modem.no-cure"))
    elif not report.next_rung or report.next_due_ms is None:
        text = Text(words("modem.no-repair"))
    else:
        key = "modem.next" if report.waits_factor == 1 else "modem.next-longer"
        wait, rung = duration_text(report.next_due_ms), _rung(words, report.next_rung)
        text = Text(words(key, rung=rung, wait=wait, factor=report.waits_factor))
    for climb in report.climbs[:CLIMBS_SHOWN_MAX]:
        text.append(f"\n{_climb(words, climb)}", "")
    return text


def _climb(words: Words, climb: ClimbReport) -> str:
    result = words.known(f"modem.result.{climb.result}", climb.result)
    return words("modem.climb", age=duration_text(climb.age_ms), rung=_rung(words, climb.rung), result=result)


def _rung(words: Words, name: str) -> str:
    return words.known(f"modem.rung.{name}", name)
