"""Bad days of the machine: wrong configuration, full disk, stops, what others left in the state folder."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.system.plant import Answered, Plant, rtu_line, sdm630, slots, unstored, wrong_values
from tests.world.gateway import (
    POLL_S,
    Gateway,
    Row,
    Settings,
    open_gateway,
    run_program,
    wait_until,
)
from tests.world.pki import make_pki

DISK_MIB = 6
STOP_S_MAX = 5.0
LAG_MS = 1_500  # a slot may still be in progress when the journal says how far it has come
FULL_FAULTS = ("buffer.full buffer", "buffer.write buffer")
MIB = 1024 * 1024
SLACK_MS = 500

WRONG = """
[gateway]
id = "du 01"
state_folder = "{folder}/state"
socket = "{folder}/agent.sock"
clocks = "kernel"

[uplink]
url = "mqtt://broker.example"
ca = "missing.pem"
certificate = "pki/gateway.pem"
key = "pki/gateway.key"
backend_key = "pki/gateway.pem"
batch_interval_s = 1

[[line]]
id = "bus"
url = "serial:///dev/ttyS7"
protocol = "modbus-rtu"
baud = 9601
format = "8N1"

[[meter]]
id = "m1"
line = "buss"
profile = "eastron-sdm360"

[[meter]]
id = "m2"
line = "bus"
profile = "abb-b23"
address = 300
interval_s = 0
quantities = ["energy_active_imports_total"]
"""
# Key and what would be right, of each problem in it.
PROBLEMS = (
    ("[gateway] id", "letters"),
    ("[gateway] clocks", "clock"),
    ("[uplink] url", "mqtts://broker.example"),
    ("[uplink] backend_key", "PUBLIC KEY"),
    ("[buffer] flush_interval_s", "less than"),
    ('[[line]] "bus" baud', "9600"),
    ('[[meter]] "m1" line', "bus"),
    ('[[meter]] "m1" profile', "eastron-sdm630"),
    ('[[meter]] "m2" address', "1 to 247"),
    ('[[meter]] "m2" interval_s', "1 to"),
    ('[[meter]] "m2" quantities', "energy_active_import_total"),
)


async def test_a_wrong_configuration_names_every_problem_and_starts_nothing(tmp_path: Path) -> None:
    make_pki(tmp_path / "pki")
    file = tmp_path / "gateway.toml"
    file.write_text(WRONG.format(folder=tmp_path))
    for arguments in (("run", "--config", str(file)), ("check-config", str(file))):
        code, out, err = await run_program(tmp_path, "edge_agent.main", *arguments)
        assert code == 2
        assert out == ""
        assert "Traceback" not in err
        head, *problems = err.split("\n  ")
        assert str(file) in head
        for key, right in PROBLEMS:
            places = [place for place, line in enumerate(problems) if f"{key} " in f"{line} "]
            assert len(places) == 1, (key, err)
            assert right in problems[places[0] + 1], (key, err)
    assert names_in(tmp_path) == ["gateway.toml", "pki"]


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("content", [None, "", "[gateway\n", "\xff\xfe", "gateway = 3\n"])
async def test_a_file_that_is_no_configuration_ends_the_start_with_a_plain_word(
    content: str | None, tmp_path: Path
) -> None:
    file = tmp_path / "gateway.toml"
    if content is not None:
        file.write_bytes(content.encode("latin-1"))
    code, out, err = await run_program(tmp_path, "edge_agent.main", "run", "--config", str(file))
    assert (code, out) == (2, "")
    assert str(file) in err
    assert "Traceback" not in err


async def test_an_orderly_stop_sends_everything_and_the_next_start_states_the_time_between(
    tmp_path: Path,
) -> None:
    plant, meters = Plant(), [sdm630()]
    # Neither interval comes round during the test: what is sent at the end, the stop has sent.
    settings = Settings(batch_interval_s=3600, flush_interval_s=60)
    async with (
        plant.line(meters) as line,
        open_gateway(tmp_path, lines=[rtu_line(line)], meters=meters, settings=settings) as gateway,
    ):
        await wait_until(lambda: len(plant.answers("meter-1")) >= 3, what="three rounds")
        asked_s = asyncio.get_running_loop().time()
        assert await gateway.agent.stop() == 0
        assert asyncio.get_running_loop().time() - asked_s < STOP_S_MAX
        await gateway.wait_readings(lambda rows: not unstored(plant, rows, "meter-1"))
        assert gateway.gaps() == []
        assert not gateway.socket.exists()
        before = slots(gateway.readings(), "meter-1")

        said = len(plant.answers("meter-1"))
        await gateway.agent.start()
        await wait_until(lambda: len(plant.answers("meter-1")) >= said + 2, what="two further rounds")
        (gap,) = await wait_until(gateway.gaps, what="a gap")
        assert gap["cause"] == "stopped"
        assert await gateway.agent.stop() == 0
        rows = await gateway.wait_readings(lambda rows: not unstored(plant, rows, "meter-1"))
        after = [due_ms for due_ms in slots(rows, "meter-1") if due_ms > before[-1]]
        first = next(due_ms for due_ms in after if due_ms % 1000 == after[-1] % 1000)  # not that at the start
        missing = range(before[-1] + 1000, first - 500, 1000)
        told = [due_ms for due_ms in missing if gap["start_ms"] < due_ms < gap["end_ms"]]
        assert told == list(missing), (before[-3:], gap, after[:3])
        assert before[-1] - gap["start_ms"] <= LAG_MS, "the gap begins where the readings end"
        assert wrong_values(plant, rows) == []
        assert gateway.store_status()["duplicates"] == 0


async def test_a_second_agent_on_the_same_state_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    plant, meters = Plant(), [sdm630()]
    async with (
        plant.line(meters) as line,
        open_gateway(tmp_path, lines=[rtu_line(line)], meters=meters) as gateway,
    ):
        await gateway.wait_values("meter-1", 1)
        await gateway.wait_running()
        # The same configuration, and one that shares only the state folder.
        other = tmp_path / "other.toml"
        text = gateway.config.read_text()
        other.write_text(text.replace(str(gateway.socket), str(tmp_path / "other.sock")))
        for config in (gateway.config, other):
            code, _, err = await run_program(tmp_path, "edge_agent.main", "run", "--config", str(config))
            assert code == 2, err
            assert "Traceback" not in err
            assert str(gateway.state_folder) in err, err
            assert "another" in err, err
        await gateway.wait_values("meter-1", len(slots(gateway.readings(), "meter-1")) + 2)
        assert (await gateway.wait_running())["link"]["connected"]
        assert await gateway.agent.stop() == 0
        rows = await gateway.wait_readings(lambda rows: not unstored(plant, rows, "meter-1"))
        assert wrong_values(plant, rows) == []
        assert gateway.store_status()["duplicates"] == 0
        assert gateway.gaps() == []


def litter(gateway: Gateway) -> None:
    """Things that do not belong there, some under names as the buffer's own."""
    folder = gateway.outbox
    (folder / "notes.txt").write_text("left by a colleague")
    (folder / "lost+found").mkdir()
    (folder / "journal-tomorrow.log").write_bytes(b"")
    (folder / "journal-0000009999.log").write_bytes(os.urandom(500))


def spoil_database(gateway: Gateway) -> None:
    """Overwrite the beginning of the outbox, as a worn card does."""
    with (gateway.outbox / "outbox.db").open("r+b") as file:
        file.write(os.urandom(4096))


def spoil_journals(gateway: Gateway) -> None:
    """Overwrite the ends of the journal files."""
    for path in gateway.outbox.glob("journal-*.log"):
        with path.open("r+b") as file:
            file.seek(-20, os.SEEK_END)
            file.write(os.urandom(20))


@pytest.mark.parametrize("spoil", [litter, spoil_journals, spoil_database])
async def test_whatever_lies_in_the_state_folder_the_agent_starts_and_loses_nothing(
    spoil: Callable[[Gateway], None], tmp_path: Path
) -> None:
    plant, meters = Plant(), [sdm630()]
    async with (
        plant.line(meters) as line,
        open_gateway(tmp_path, lines=[rtu_line(line)], meters=meters) as gateway,
    ):
        await gateway.wait_values("meter-1", 2)
        await gateway.agent.stop()
        spoil(gateway)
        await gateway.agent.start()
        before = len(plant.answers("meter-1"))
        await wait_until(lambda: len(plant.answers("meter-1")) >= before + 2, what="two rounds")
        assert await gateway.agent.stop() == 0
        rows = await gateway.wait_readings(lambda rows: not unstored(plant, rows, "meter-1"))
        assert wrong_values(plant, rows) == []
        if spoil is not spoil_database:  # without it nobody knows what was sealed: some comes twice, marked
            assert gateway.store_status()["duplicates"] == 0
        if spoil is litter:
            assert (gateway.outbox / "notes.txt").read_text() == "left by a colleague"


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of DISK_MIB of its own."""
    disk = folder / "disk"
    disk.mkdir()
    size = f"size={DISK_MIB}m"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(disk)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"hardware: no small disk can be mounted here ({mounted.stderr.decode().strip()})")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def fill(disk: Path) -> Path:
    """A file that takes all the room there is."""
    ballast = disk / "ballast"
    with ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"\xa5" * 4096):
            pass
    return ballast


async def keep_full(disk: Path) -> None:
    """What somebody else's log does: whatever room there is, it takes."""
    while True:
        fill(disk)
        await asyncio.sleep(POLL_S)


async def wait_full(gateway: Gateway) -> None:
    """Return when the buffer says that it cannot write, and readings went on for some rounds after that."""

    async def told() -> bool:
        return any(name in FULL_FAULTS for name in await gateway.faults())

    await wait_until(told, what="a fault of the buffer")


async def test_a_full_disk_stops_no_reading_and_what_is_lost_is_named_by_a_gap(tmp_path: Path) -> None:
    plant, meters = Plant(), [sdm630()]
    with small_disk(tmp_path) as disk:
        settings = Settings(state_folder=str(disk / "state"), size_bytes_max=2 * MIB)
        async with (
            plant.line(meters) as line,
            open_gateway(tmp_path, lines=[rtu_line(line)], meters=meters, settings=settings) as gateway,
        ):
            await gateway.wait_values("meter-1", 2)
            filling = asyncio.create_task(keep_full(disk))
            await wait_full(gateway)
            await further_rounds(plant, 3)
            status = await gateway.status()
            assert status["buffer"]["dropped_readings"] == 0, "memory holds them"
            assert status["meters"][0]["last_good_age_ms"] < 2 * 1000 + SLACK_MS
            # Room again: the fault goes, and what comes from now on is complete.
            filling.cancel()
            (disk / "ballast").unlink()
            for name in FULL_FAULTS:
                await gateway.wait_no_fault(name)
            until_ms = plant.answers("meter-1")[-1].boot_ms  # what comes meanwhile is on its way
            await gateway.wait_readings(lambda rows: not uncovered(plant, rows, gateway.gaps(), until_ms))
            # Full again, and then the power fails: what was in memory only is gone, and a gap says so.
            filling = asyncio.create_task(keep_full(disk))
            await wait_full(gateway)
            await further_rounds(plant, 3)
            await gateway.agent.kill()
            filling.cancel()
            (disk / "ballast").unlink()
            killed = len(plant.answers("meter-1"))
            await gateway.agent.start()
            await further_rounds(plant, 3)
            assert await gateway.agent.stop() == 0
            rows = await gateway.wait_readings(lambda rows: not uncovered(plant, rows, gateway.gaps()))
            lost = unstored(plant, rows, "meter-1")
            assert not any(answer in lost for answer in plant.answers("meter-1")[killed:])
            assert "unclean_stop" in {gap["cause"] for gap in gateway.gaps()}
            assert wrong_values(plant, rows) == []
            assert gateway.store_status()["duplicates"] == 0


async def further_rounds(plant: Plant, count: int) -> None:
    before = len(plant.answers("meter-1"))
    await wait_until(lambda: len(plant.answers("meter-1")) >= before + count, what=f"{count} further rounds")


def uncovered(plant: Plant, rows: list[Row], gaps: list[Row], until_ms: float = math.inf) -> list[Answered]:
    """What the meter said that is neither in the store nor in a gap. It answers within its slot's second."""
    return [
        answer
        for answer in unstored(plant, rows, "meter-1")
        if answer.boot_ms <= until_ms
        and not any(g["start_ms"] < answer.boot_ms and answer.boot_ms - 1000 < g["end_ms"] for g in gaps)
    ]
