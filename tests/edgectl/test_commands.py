"""`edgectl` as a person calls it: its own process, a real socket, words, JSON and exit codes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sqlite3
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import edge_agent.agent
import edge_agent.main
from edge_agent import control
from edge_agent.buffer.journal import file_name
from edge_agent.buffer.outbox import DATABASE_NAME
from edge_agent.control import serve
from edge_agent.faults import FaultCode
from edge_agent.reports import FaultReport, StatusReport
from edgectl import client, offline, place
from edgectl.client import Client, Unreachable
from tests.control.target import CALM, FEED, READING, TROUBLED, FrozenGateway

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 20.0


class Outcome(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """All words, however the lines were broken."""
        return " ".join((self.out + self.err).split())

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:  # a socket's path must be short
        yield Path(name)


@pytest.fixture
def path(folder: Path) -> Path:
    return folder / "agent.sock"


async def start(*arguments: str, **environ: str) -> asyncio.subprocess.Process:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("LC_", "LANG"))}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "edgectl.main", *arguments),
        cwd=ROOT,
        env={**clean, "COLUMNS": "80", "LANG": "C.UTF-8", **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def edgectl(*arguments: str, **environ: str) -> Outcome:
    process = await start(*arguments, **environ)
    out, err = await asyncio.wait_for(process.communicate(), DEADLINE_S)
    return Outcome(process.returncode or 0, out.decode(), err.decode())


@contextlib.asynccontextmanager
async def serving(path: Path, status: StatusReport = CALM) -> AsyncIterator[FrozenGateway]:
    gateway = FrozenGateway(status)
    async with serve(path, gateway):
        yield gateway


async def test_status_of_a_calm_gateway_fits_a_small_terminal_and_exits_0(path: Path) -> None:
    async with serving(path):
        outcome = await edgectl("status", "--socket", str(path))
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    for part in ("gw-0042", "all is well", "12345.678 kWh", "verified", "holds all up to 4709", "UTC"):
        assert part in outcome.out


async def test_status_with_faults_shows_the_worst_first_with_the_next_step_and_exits_1(path: Path) -> None:
    async with serving(path, TROUBLED):
        outcome = await edgectl("status", "--socket", str(path))
    assert outcome.code == 1
    order = ("4 faults", "port.missing", "meter.silent", "no answer to 14 requests", "swap A and B")
    order += ("uplink.dns", "clock.untrusted", "silent 12 min", "CLOSED", "NOT CONNECTED for 90 min")
    places = [outcome.out.index(part) for part in order]
    assert places == sorted(places)
    assert max(map(len, outcome.out.splitlines())) <= 80


async def test_status_in_german_leaves_no_english_label(path: Path) -> None:
    async with serving(path, TROUBLED):
        outcome = await edgectl("status", "--socket", str(path), "--lang", "de")
        by_locale = await edgectl("status", "--socket", str(path), LANG="de_DE.UTF-8")
    assert outcome == by_locale
    for part in ("4 Störungen", "A und B tauschen", "stumm 12 min", "12345,678 kWh", "NICHT VERBUNDEN"):
        assert part in outcome.out
    for part in ("BUFFER", "METER ", "LINK", "for 12 min", "messages"):
        assert part not in outcome.out


async def test_status_as_json_is_one_line_with_the_agents_own_report(path: Path) -> None:
    async with serving(path, TROUBLED):
        outcome = await edgectl("status", "--json", EDGE_AGENT_SOCKET=str(path))
    assert outcome.code == 1
    assert outcome.out.count("\n") == 1
    assert outcome.json == {"reachable": True, "status": asdict(TROUBLED)}


async def test_many_equal_faults_share_one_step_and_many_good_meters_fold(path: Path) -> None:
    faults = [FaultReport(FaultCode.METER_SILENT, f"m{n}", "no answer", 1_000 * n) for n in range(20)]
    meters = [replace(FEED, id=f"good-{n}") for n in range(30)]
    async with serving(path, replace(CALM, faults=faults, meters=meters)):
        outcome = await edgectl("status", "--socket", str(path))
        everything = await edgectl("status", "--socket", str(path), "--all")
    assert outcome.out.count("swap A and B") == 1
    assert "and 17 more: m16" in outcome.said
    assert "+ 22 meters that are fine" in outcome.out
    assert "good-29" not in outcome.out
    assert "good-29" in everything.out


async def test_read_shows_exact_values_and_the_serial_check(path: Path) -> None:
    async with serving(path):
        outcome = await edgectl("read", "feed", "--socket", str(path))
        raw = await edgectl("read", "feed", "--socket", str(path), "--json")
    assert outcome.code == raw.code == 0
    for part in ("Serial number 10842967: as configured.", "1-0:1.8.0*255", "12345.678", "meter has none"):
        assert part in outcome.out
    assert raw.json["points"] == [asdict(value) for value in FEED.values]


async def test_read_of_a_wrong_device_shows_its_values_and_exits_4(path: Path) -> None:
    foreign = replace(FEED, identity="mismatch", serial_read="99887766")
    async with serving(path, replace(CALM, meters=[foreign])):
        outcome = await edgectl("read", "feed", "--socket", str(path))
    assert outcome.code == 4
    assert "WRONG DEVICE: serial number 99887766 answers, 10842967 is configured" in outcome.said


async def test_read_of_a_silent_meter_says_the_next_step_and_exits_4(path: Path) -> None:
    async with serving(path, TROUBLED):
        outcome = await edgectl("read", "pump", "--socket", str(path))
        raw = await edgectl("read", "pump", "--socket", str(path), "--json")
    assert outcome.code == raw.code == 4
    assert "no answer within 0.5 s" in outcome.said
    assert "swap A and B" in outcome.said
    assert raw.json["error"] == "MeterSilent"


async def test_read_of_an_unknown_meter_names_the_known_ones_and_exits_2(path: Path) -> None:
    async with serving(path):
        outcome = await edgectl("read", "fed", "--socket", str(path), "--lang", "de")
    assert outcome.code == 2
    assert outcome.said == "Es gibt keinen Zähler fed. Eingetragen: feed, heating."


async def test_a_line_that_is_closed_points_to_its_fault(path: Path) -> None:
    closed = replace(CALM, lines=[replace(CALM.lines[0], open=False, last_error="/dev/ttyUSB0: gone")])
    async with serving(path, closed):
        outcome = await edgectl("read", "feed", "--socket", str(path))
    assert outcome.code == 4
    assert "Line rs485-1 cannot be used now: /dev/ttyUSB0: gone" in outcome.said


async def test_watch_prints_one_object_a_line_and_ends_after_its_seconds(path: Path) -> None:
    async with serving(path) as gateway:
        process = await start("watch", "--json", "--seconds", "1", "--socket", str(path))
        await published(gateway, 3)
        out, _ = await asyncio.wait_for(process.communicate(), DEADLINE_S)
    assert process.returncode == 0
    assert [json.loads(line)["due_ms"] for line in out.splitlines()] == [0, 1, 2]


async def test_watch_ends_cleanly_on_ctrl_c(path: Path) -> None:
    async with serving(path) as gateway:
        process = await start("watch", "feed", "--socket", str(path))
        await published(gateway, 1)
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), DEADLINE_S)
        process.send_signal(signal.SIGINT)
        _, err = await asyncio.wait_for(process.communicate(), DEADLINE_S)
    assert b"12345.678 kWh" in line
    assert (process.returncode, b"Traceback" in err) == (0, False)


async def test_watch_tells_what_a_slow_terminal_missed(path: Path) -> None:
    async with serving(path) as gateway:
        process = await start("watch", "--seconds", "1", "--socket", str(path))
        await published(gateway, control.WATCH_QUEUE_MAX + 7)
        out, _ = await asyncio.wait_for(process.communicate(), DEADLINE_S)
    assert "too slow: 7 readings" in out.decode()


async def test_watch_of_an_unknown_meter_does_not_wait_for_ever(path: Path) -> None:
    async with serving(path):
        outcome = await edgectl("watch", "fed", "--socket", str(path))
    assert (outcome.code, "feed, heating" in outcome.said) == (2, True)


async def test_watch_ends_with_3_when_the_agent_goes_away(path: Path) -> None:
    async with serving(path) as gateway:
        process = await start("watch", "--socket", str(path))
        await published(gateway, 1)
    _, err = await asyncio.wait_for(process.communicate(), DEADLINE_S)
    assert process.returncode == 3
    assert b"went away" in err


async def published(gateway: FrozenGateway, count: int) -> None:
    """Wait for a watcher, then record `count` readings at once."""
    async with asyncio.timeout(DEADLINE_S):
        while not gateway.watchers.active:  # noqa: ASYNC110 - the watcher is another process
            await asyncio.sleep(0.01)
    for due_ms in range(count):
        gateway.watchers.publish(replace(READING, due_ms=due_ms))


async def test_an_agent_with_too_many_connections_says_so(path: Path) -> None:
    async with serving(path):
        held = [await asyncio.open_unix_connection(str(path)) for _ in range(control.CONNECTIONS_MAX)]
        outcome = await edgectl("read", "feed", "--socket", str(path))
        for _, writer in held:
            writer.close()
    assert outcome.code == 3
    assert "already has 16 connections" in outcome.said


def write_config(folder: Path, path: Path, extra: str = "") -> Path:
    config = folder / "gateway.toml"
    state = folder / "state"
    config.write_text(f'[gateway]\nid = "gw-7"\nsocket = "{path}"\nstate_folder = "{state}"\n{extra}')
    return config


async def test_without_a_socket_status_names_the_next_step_and_exits_3(folder: Path, path: Path) -> None:
    config = write_config(folder, path)
    outcome = await edgectl("status", "--config", str(config))
    assert outcome.code == 3
    for part in ("CANNOT BE REACHED", f"no socket at {path}", "systemctl status edge-agent", "never ran"):
        assert part in outcome.said


async def test_status_without_the_agent_shows_what_the_state_folder_holds(folder: Path, path: Path) -> None:
    config = write_config(folder, path, "[buffer]\nsize_bytes_max = 10485760\n")
    buffer = folder / "state" / "buffer"
    buffer.mkdir(parents=True)
    (buffer / "journal-0000000003.log").write_bytes(bytes(2048))
    with contextlib.closing(sqlite3.connect(buffer / "outbox.db")) as database:
        database.execute("CREATE TABLE messages (sequence INTEGER)")
        database.executemany("INSERT INTO messages VALUES (?)", [(n,) for n in range(5)])
        database.commit()
    outcome = await edgectl("status", "--config", str(config))
    raw = (await edgectl("status", "--json", "--config", str(config))).json
    assert "messages stored: 5" in outcome.said
    assert "of 10 MB" in outcome.said
    assert "newest journal written" in outcome.said
    assert raw["reachable"] is False
    state = raw["offline"]["state"]
    assert (state["messages"], state["size_bytes_max"]) == (5, 10_485_760)
    assert state["size_bytes"] > 2048
    assert 0 <= state["journal_age_ms"] < 60_000


async def test_status_without_the_agent_names_every_problem_of_the_configuration(
    folder: Path, path: Path
) -> None:
    config = write_config(folder, path, "colour = 1\n")
    problems = (await edgectl("status", "--json", "--config", str(config))).json["offline"]["config"][
        "problems"
    ]
    assert any("colour" in problem for problem in problems)
    assert any("uplink" in problem for problem in problems)


async def test_a_plant_too_large_for_one_dictionary_is_told_as_check_config_tells_it(
    folder: Path, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uplink = (
        'url = "mqtt://127.0.0.1"\nca = ""\ncertificate = ""\nkey = ""\nbackend_key = ""\nfree_on = "puback"'
    )
    line = 'id = "lan"\nurl = "tcp://127.0.0.1:502"\nprotocol = "modbus-tcp"'
    meters = "".join(
        f'[[meter]]\nid = "m{n}"\nline = "lan"\naddress = {n}\n'
        f'serial = "{n:0200}"\nprofile = "eastron-sdm630"\n'
        for n in range(250)
    )
    config = write_config(folder, path, f"[uplink]\n{uplink}\n[[line]]\n{line}\n{meters}")
    assert edge_agent.main.main(["check-config", str(config)]) != 0
    told = capsys.readouterr().err
    (problem,) = (await edgectl("status", "--json", "--config", str(config))).json["offline"]["config"][
        "problems"
    ]
    assert "configure fewer meters" in problem
    assert problem in told


async def test_a_database_that_is_no_database_is_named_not_fatal(folder: Path, path: Path) -> None:
    config = write_config(folder, path)
    buffer = folder / "state" / "buffer"
    buffer.mkdir(parents=True)
    (buffer / "outbox.db").write_bytes(b"garbage" * 1000)
    outcome = await edgectl("status", "--config", str(config), "--lang", "de")
    assert outcome.code == 3
    assert "gespeicherte Nachrichten: file is not a database" in outcome.said


async def test_a_configuration_that_is_not_there_is_named_with_what_to_do(folder: Path) -> None:
    outcome = await edgectl("status", "--config", str(folder / "none.toml"), "--socket", str(folder / "none"))
    assert outcome.code == 3
    assert "--config" in outcome.out


async def test_a_socket_that_nobody_serves_is_a_crashed_agent(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
        killed.listen()
    outcome = await edgectl("read", "feed", "--socket", str(path))
    assert outcome.code == 3
    assert "killed or has crashed" in outcome.said


def test_a_socket_that_may_not_be_opened_is_denied(folder: Path, path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        folder.chmod(0)
        privileged = os.geteuid() == 0
        try:
            if privileged:
                os.seteuid(65_534)
            with pytest.raises(Unreachable) as error:
                Client(path)
        finally:
            if privileged:
                os.seteuid(0)
            folder.chmod(0o700)
    assert error.value.reason == "denied"


@pytest.mark.parametrize(
    "words", [b"HTTP/1.1 400\r\n\0", b"[]\0", b""], ids=["no JSON", "no object", "nothing"]
)
def test_what_is_no_agent_is_not_taken_for_one(path: Path, words: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        with Client(path) as asking:
            answering, _ = listening.accept()
            with answering:
                answering.sendall(words)
                answering.shutdown(socket.SHUT_WR)
                with pytest.raises(Unreachable):
                    asking.call("Status")


def test_client_and_agent_mean_the_same_interface_and_configuration() -> None:
    assert client.INTERFACE == control.INTERFACE
    assert client.REPLY_TIMEOUT_S > control.READ_TIMEOUT_S
    assert place.DEFAULT_CONFIG == edge_agent.main.DEFAULT_CONFIG


def test_client_and_agent_keep_the_buffer_in_the_same_place() -> None:
    assert offline.BUFFER_FOLDER == edge_agent.agent.BUFFER_FOLDER
    assert offline.OUTBOX == DATABASE_NAME
    assert Path(file_name(7)).match(offline.JOURNALS)


async def test_help_tells_the_exit_codes_and_loads_no_screen(folder: Path) -> None:
    english = await edgectl("--help", PYTHONPROFILEIMPORTTIME="1")
    german = await edgectl("status", "--help", LANG="de_DE.UTF-8")
    assert (english.code, german.code) == (0, 0)
    assert "3 the agent cannot be reached" in english.said
    assert "Das Schlimmste zuerst" in german.said
    for heavy in ("rich.console", "asyncio", "msgspec"):
        assert f" {heavy}\n" not in english.err


async def test_wrong_usage_exits_2() -> None:
    assert (await edgectl("read")).code == 2
    assert (await edgectl("dance")).code == 2


async def test_calibrate_asks_with_both_values_and_takes_no_for_an_answer(path: Path) -> None:
    async with serving(path) as gateway:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "edgectl.main", "calibrate", "feed", "777.7", "--socket", str(path)),
            cwd=ROOT,
            env={**os.environ, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(b"n\n"), DEADLINE_S)
    assert process.returncode == 2
    assert b"12345.678 kWh" in err
    assert b"777.7" in err
    assert out.strip() == b"Nothing was changed."
    assert gateway.calibrations == []


async def test_calibrate_says_what_it_did_and_refuses_what_no_display_shows(path: Path) -> None:
    async with serving(path) as gateway:
        done = await edgectl("calibrate", "feed", "777.7", "--yes", "--socket", str(path), "--lang", "de")
        refused = await edgectl("calibrate", "feed", "7x", "--yes", "--socket", str(path))
        unknown = await edgectl("calibrate", "fed", "7", "--yes", "--socket", str(path), "--json")
    assert done.code == 0
    assert done.said.startswith("feed zählt ab 777,7 kWh weiter (war 12345,678).")
    assert refused.code == 2
    assert "7x" in refused.said
    assert (unknown.code, unknown.json["error"]) == (2, "NoSuchMeter")
    assert gateway.calibrations == [("feed", "777.7")]
