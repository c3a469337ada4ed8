"""What `edgectl status` can tell while the agent cannot be reached: why, and what its files say.

Rules: reads only; the database is opened read-only, and everything that cannot be read is named with
the reason, because an unreadable folder is the usual case for a user without rights.
"""

from __future__ import annotations

import contextlib
import grp
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from edgectl.client import Reason, Unreachable
from edgectl.place import Place
from edgectl.screen import BAD, DOUBTFUL, duration_text, indented, size_text, step_text
from edgectl.texts import Words

BUFFER_FOLDER = "buffer"
JOURNALS = "journal-*.log"
OUTBOX = "outbox.db"
QUERY_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class ConfigCheck:
    """The configuration as the agent would judge it. `reason`: why it cannot be read, empty if it can."""

    path: str
    reason: str
    problems: list[str]
    gateway: str
    lines: int
    meters: int


@dataclass(frozen=True, slots=True)
class StateCheck:
    """What lies in the buffer's folder. `reason`: why it cannot be read, empty if it can. `messages` None:
    not known, `messages_reason` says why. `journal_age_ms` None: no journal."""

    folder: str
    exists: bool
    reason: str
    size_bytes: int
    size_bytes_max: int
    journal_age_ms: int | None
    messages: int | None
    messages_reason: str


@dataclass(frozen=True, slots=True)
class OfflineReport:
    """Why the agent cannot be reached, and what its files say. `group`: who may open the socket."""

    reason: Reason
    socket: str
    detail: str
    group: str
    config: ConfigCheck
    state: StateCheck


def look_offline(error: Unreachable, config: Path, place: Place) -> OfflineReport:
    """Gather what can be known without the agent."""
    return OfflineReport(
        reason=error.reason,
        socket=str(error.path),
        detail=error.detail,
        group=socket_group(error.path),
        config=check_config(config),
        state=check_state(place.state_folder / BUFFER_FOLDER, place.size_bytes_max),
    )


def socket_group(path: Path) -> str:
    """The group of the socket, or of the nearest folder that can be seen."""
    for place in (path, *path.parents):
        with contextlib.suppress(OSError, KeyError):
            return grp.getgrgid(place.stat().st_gid).gr_name
    return "edge-agent"


def check_config(path: Path) -> ConfigCheck:
    """Judge the configuration as the agent does."""
    from config.load import ConfigError, load_gateway
    from edge_agent.buffer.seal import check_table
    from edge_agent.streams import stream_tables

    try:
        path.read_bytes()
        gateway = load_gateway(path)
        for table in stream_tables(gateway):
            check_table(table)
    except OSError as error:
        return ConfigCheck(str(path), error.strerror or str(error), [], "", 0, 0)
    except ConfigError as error:
        problems = [_problem_text(problem.key, problem.value, problem.expected) for problem in error.problems]
        return ConfigCheck(str(path), "", problems, "", 0, 0)
    except ValueError as error:
        return ConfigCheck(str(path), "", [str(error)], "", 0, 0)
    file = gateway.file
    return ConfigCheck(str(path), "", [], file.gateway.id, len(file.lines), len(file.meters))


def _problem_text(key: str, value: str, expected: str) -> str:
    return f"{key} = {value}: {expected}" if value else f"{key}: {expected}"


def check_state(folder: Path, size_bytes_max: int) -> StateCheck:
    """Look into the buffer's folder."""
    try:
        files = [(path, path.stat()) for path in folder.iterdir() if path.is_file()]
    except OSError as error:
        exists, reason = not isinstance(error, FileNotFoundError), error.strerror or str(error)
        return StateCheck(str(folder), exists, reason, 0, size_bytes_max, None, None, "")
    written = [stat.st_mtime for path, stat in files if path.match(JOURNALS)]
    age_ms = max(0, int(1000 * (time.time() - max(written)))) if written else None
    messages, why_not = _count_messages(folder / OUTBOX)
    size_bytes = sum(stat.st_size for _, stat in files)
    return StateCheck(str(folder), True, "", size_bytes, size_bytes_max, age_ms, messages, why_not)


def _count_messages(outbox: Path) -> tuple[int | None, str]:
    try:
        uri = f"{outbox.absolute().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=QUERY_TIMEOUT_S)) as database:
            (count,) = database.execute("SELECT count(*) FROM messages").fetchone()
    except sqlite3.Error as error:
        return None, str(error)
    return int(count), ""


def show_offline(console: Console, words: Words, report: OfflineReport) -> None:
    """Print why, the next step, and what the files say."""
    fields = {"path": report.socket, "group": report.group, "detail": report.detail}
    console.print(Text(words("down.title"), BAD))
    console.print(indented(words(f"down.{report.reason}", **fields)))
    console.print(step_text(words(f"down.{report.reason}.step", **fields)))
    console.print()
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(words("label.config"), _config(words, report.config))
    table.add_row(words("label.state"), _state(words, report.state))
    console.print(table)


def _config(words: Words, config: ConfigCheck) -> Text:
    if config.reason:
        text = Text(words("config.unreadable", path=config.path, reason=config.reason), DOUBTFUL)
        return text.append(f"\n→ {words('config.step')}")
    if config.problems:
        text = Text(words("config.problems", path=config.path, count=len(config.problems)), BAD)
        return text.append("".join(f"\n- {problem}" for problem in config.problems), "")
    counts = {"lines": config.lines, "meters": config.meters}
    return Text(words("config.good", path=config.path, gateway=config.gateway, **counts))


def _state(words: Words, state: StateCheck) -> Text:
    if not state.exists:
        return Text(words("state.missing", path=state.folder))
    if state.reason:
        return Text(words("state.unreadable", path=state.folder, reason=state.reason), DOUBTFUL)
    sizes = {"size": size_text(state.size_bytes), "size_max": size_text(state.size_bytes_max)}
    journal, messages = words("state.no-journal"), words("state.messages", count=state.messages)
    if state.journal_age_ms is not None:
        journal = words("state.journal", duration=duration_text(state.journal_age_ms))
    if state.messages is None:
        messages = words("state.messages-unknown", reason=state.messages_reason)
    return Text("\n".join((words("state.size", path=state.folder, **sizes), journal, messages)))
