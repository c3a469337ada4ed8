"""The keeper: PIN, roaming, money, restarts, and what people are told."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import errno
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from config.cellular import SimPin
from edge_agent.faults import FaultCode
from edge_agent.link.data_budget import DataUse, SimUse
from edge_agent.link.ladder import DAY_S, STEPS, Rung
from edge_agent.link.memory import LinkMemory, PinTry, encode_memory, may_try_pin, note_pin, read_memory
from edge_agent.twin_file import TwinFile
from hal.sim.modem_state import Delays, Hang, ModemState, Network
from hal.storage import FolderStorage
from protocols.at.standard import Attachment
from tests.link.world import CONFIG, ICCID, PIN_TRIES, World, open_world
from tests.world.virtual_loop import run_virtual

MINUTES_10 = 600.0


def memory_in(folder: Path) -> LinkMemory:
    return read_memory(TwinFile(FolderStorage(folder), "state"))


def test_the_right_pin_unlocks_the_sim_and_the_link_comes_up(tmp_path: Path) -> None:
    async def live() -> list[str]:
        async with open_world(tmp_path, pin=SimPin("1234", "m1"), sim_pin="1234") as world:
            assert await world.wait_repaired(MINUTES_10) is not None
            assert world.faults.present() == []
            return world.modem.pins

    assert run_virtual(live()) == ["1234"]
    assert memory_in(tmp_path).pin_tries == [PinTry(ICCID, "m1", "right")]


def test_a_wrong_pin_is_tried_once_for_ever_whatever_restarts(tmp_path: Path) -> None:
    state = ModemState(Network(), delays=Delays(), pin="1234")

    async def live() -> World:
        async with open_world(tmp_path, pin=SimPin("9999", "m1"), state=state) as world:
            await asyncio.sleep(DAY_S)
            return world

    world = run_virtual(live())
    assert world.modem.pins == ["9999"]
    assert world.faults_seen == {FaultCode.MODEM_SIM_PIN}
    assert "tried once (result: wrong); 2 tries left" in world.faults.present()[0].evidence
    assert world.rungs == []
    again = ModemState(Network(), delays=Delays(), pin="1234")  # the machine starts anew
    again.pin_tries = state.pin_tries
    state = again
    assert run_virtual(live()).modem.pins == []
    assert again.pin_tries == PIN_TRIES - 1


def test_a_try_whose_end_nobody_saw_counts_as_the_one_try(tmp_path: Path) -> None:
    memory = LinkMemory(pin_tries=[PinTry(ICCID, "m1", "trying")])
    TwinFile(FolderStorage(tmp_path), "state").write(encode_memory(memory))

    async def live() -> list[str]:
        async with open_world(tmp_path, pin=SimPin("1234", "m1"), sim_pin="1234") as world:
            await asyncio.sleep(MINUTES_10)
            return world.modem.pins

    assert run_virtual(live()) == []


def test_the_try_is_on_the_disk_before_the_modem_hears_of_it(tmp_path: Path) -> None:
    async def live() -> list[PinTry]:
        async with open_world(tmp_path, pin=SimPin("1234", "m1"), sim_pin="1234") as world:
            found: list[PinTry] = []
            enter = world.modem.enter_pin

            async def look_first(pin: str) -> None:
                found.extend(memory_in(tmp_path).pin_tries)
                await enter(pin)

            world.modem.enter_pin = look_first  # type: ignore[method-assign]
            await asyncio.sleep(60)
            return found

    assert run_virtual(live()) == [PinTry(ICCID, "m1", "trying")]


@pytest.mark.parametrize(
    ("before", "mark", "left", "may"),
    [
        (None, "m1", 3, True),
        (None, "m1", None, True),
        ("wrong", "m1", 3, False),
        ("trying", "m1", 3, False),
        ("right", "m1", None, True),
        ("wrong", "m2", 2, True),
        ("wrong", "m2", None, False),
    ],
)
def test_a_pin_is_tried_again_only_on_a_persons_new_word(
    before: str | None, mark: str, left: int | None, may: bool
) -> None:
    memory = LinkMemory()
    if before is not None:
        note_pin(memory, PinTry(ICCID, "m1", before))  # type: ignore[arg-type]
    assert may_try_pin(memory, ICCID, mark, left) == may


def test_where_the_memory_was_lost_no_pin_is_tried(tmp_path: Path) -> None:
    for name in ("state", "state-copy"):
        (tmp_path / name).write_bytes(b"rotten deadbeef\n")

    async def live() -> list[str]:
        async with open_world(tmp_path, pin=SimPin("1234", "m1"), sim_pin="1234") as world:
            await asyncio.sleep(MINUTES_10)
            return world.modem.pins

    assert run_virtual(live()) == []
    assert not memory_in(tmp_path).is_whole


def test_abroad_nothing_is_sent_unless_the_site_allows_it(tmp_path: Path) -> None:
    async def live(roaming: bool, folder: Path) -> tuple[bool, set[FaultCode], list[str]]:
        config = msgspec.structs.replace(CONFIG, roaming=roaming)
        async with open_world(folder, config=config, network=Network(is_home=False)) as world:
            await asyncio.sleep(6 * 3_600)
            return world.connected, world.faults_seen, world.rungs

    assert run_virtual(live(False, tmp_path / "no")) == (False, {FaultCode.MODEM_ROAMING}, [])
    assert run_virtual(live(True, tmp_path / "yes")) == (True, set(), [])


def test_a_link_that_ends_up_abroad_is_given_back(tmp_path: Path) -> None:
    async def live() -> World:
        async with open_world(tmp_path) as world:
            await asyncio.sleep(MINUTES_10)
            assert world.connected
            world.modem.state.attachment = Attachment.ROAMING
            await asyncio.sleep(3_600)
            return world

    world = run_virtual(live())
    assert not world.connected
    assert world.faults_seen == {FaultCode.MODEM_ROAMING}
    assert world.rungs == []


@pytest.mark.parametrize(("at_limit", "connected"), [("warn", True), ("stop", False)])
def test_a_spent_budget_does_what_the_site_says_and_never_climbs(
    tmp_path: Path, at_limit: str, connected: bool
) -> None:
    config = msgspec.structs.replace(CONFIG, home_bytes=1_000_000, at_limit=at_limit)

    async def live() -> World:
        async with open_world(tmp_path, config=config) as world:
            world.counter["wwan0"] = 0
            await asyncio.sleep(60)
            world.counter["wwan0"] = 850_000
            await asyncio.sleep(30)
            assert world.faults_seen == {FaultCode.MODEM_BUDGET}
            assert world.connected
            world.counter["wwan0"] = 1_000_000
            await asyncio.sleep(3_600)
            return world

    world = run_virtual(live())
    assert world.connected == connected
    assert world.rungs == []
    assert "1000000 of 1000000 bytes at home since 2026-05-01: 100 %" in world.faults.present()[0].evidence


def test_every_repair_is_told_with_its_reason_and_its_end(tmp_path: Path) -> None:
    async def live() -> World:
        async with open_world(tmp_path) as world:
            await asyncio.sleep(MINUTES_10)
            world.modem.state.begin(Hang.PDP_REFUSED)
            await asyncio.sleep(3_600)
            return world

    told = [details for _, _, details in run_virtual(live()).events]
    assert [(details["rung"], details["result"]) for details in told] == [
        ("reconnect", "begun"),
        ("reconnect", "in vain"),
        ("radio", "begun"),
        ("radio", "proof"),
    ]
    assert "cause 26" in str(told[0]["why"])


def test_what_could_not_be_done_is_told_as_such(tmp_path: Path) -> None:
    async def live() -> World:
        async with open_world(tmp_path) as world:
            await asyncio.sleep(MINUTES_10)
            world.modem.state.begin(Hang.NEEDS_POWER_CUT)
            await asyncio.sleep(120)
            return world

    *_, last = run_virtual(live()).events
    assert last[2]["rung"] == "rebind"
    assert "No such device" in str(last[2]["result"])


def test_a_reboot_that_cannot_be_remembered_is_not_made(tmp_path: Path) -> None:
    config = msgspec.structs.replace(CONFIG, rungs=("reboot",))

    async def live() -> World:
        async with open_world(tmp_path, config=config) as world:
            await asyncio.sleep(MINUTES_10)
            world.modem.state.begin(Hang.NO_DATA)

            def refuse(_text: str) -> None:
                raise OSError(errno.ENOSPC, "No space left on device")

            world.file.write = refuse  # type: ignore[method-assign]
            await asyncio.sleep(DAY_S)
            return world

    world = run_virtual(live())
    assert world.repairs.reboots == 0
    assert FaultCode.BUFFER_WRITE in world.faults_seen


def test_reboots_are_counted_through_reboots(tmp_path: Path) -> None:
    """A ModemManager that stays dead, and an agent that begins anew after each reboot, for three days."""
    config = msgspec.structs.replace(CONFIG, rungs=("reset", "reboot"))
    reboots = 0
    passed_s = 0.0

    async def one_run() -> tuple[int, float]:
        fresh = ModemState(Network(), delays=Delays())
        async with open_world(tmp_path, config=config, state=fresh) as world:
            world.modem.service_is_dead = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(3 * DAY_S - passed_s):
                    await world.repairs.rebooted.wait()
            return world.repairs.reboots, asyncio.get_running_loop().time()

    while passed_s < 3 * DAY_S:
        made, lasted_s = run_virtual(one_run())
        reboots += made
        passed_s += lasted_s
    assert 1 <= reboots <= 3 * STEPS[Rung.REBOOT].daily_max
    assert memory_in(tmp_path).ladder.full_climbs > 0


def test_the_state_stays_small_and_is_written_seldom(tmp_path: Path) -> None:
    async def live() -> int:
        async with open_world(tmp_path) as world:
            writes = 0
            write = world.file.write

            def count(text: str) -> None:
                nonlocal writes
                writes += 1
                assert len(text) < 4_096
                write(text)

            world.file.write = count  # type: ignore[method-assign]
            await asyncio.sleep(DAY_S)
            return writes

    assert run_virtual(live()) <= 96


def test_the_report_names_neither_pin_nor_subscriber(tmp_path: Path) -> None:
    async def live() -> str:
        async with open_world(tmp_path, pin=SimPin("493817", "m1"), sim_pin="493817") as world:
            await asyncio.sleep(1_000)
            return repr(dataclasses.asdict(world.keeper.report())) + (tmp_path / "state").read_text()

    said = run_virtual(live())
    assert "493817" not in said
    assert "262011234567890" not in said
    assert "493817" not in repr(SimPin("493817", "m1"))


def test_the_memory_survives_as_it_was(tmp_path: Path) -> None:
    memory = LinkMemory(age_s=7, data=DataUse(sims=[SimUse(ICCID, "2026-05-01", 5, 6)]))
    file = TwinFile(FolderStorage(tmp_path), "state")
    file.write(encode_memory(memory))
    assert read_memory(file) == memory
    (tmp_path / "state").write_bytes(b"x")
    assert read_memory(file) == memory


def test_a_site_without_a_modem_loads_nothing_of_it() -> None:
    code = "import edge_agent.main, edge_agent.agent, edge_agent.control, sys\nprint(*sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    loaded = [
        name for name in output.split() if name.startswith(("edge_agent.link", "hal.modem", "hal.power"))
    ]
    assert loaded == []
