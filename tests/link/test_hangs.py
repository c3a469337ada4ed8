"""Twelve ways for a cellular link to hang, half a day long, against the real keeper in virtual time."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import NamedTuple

import pytest

from edge_agent.faults import FaultCode
from edge_agent.link.ladder import DAY_S, STEPS, Rung
from tests.link.world import Hang, World, open_world
from tests.world.virtual_loop import run_virtual

HEALTHY_S = 600.0
LIFE_S = DAY_S / 2


class Story(NamedTuple):
    """What hangs. `cured_by`: the last rung that it takes, "" for nothing or by itself. `fault`: what people
    are told."""

    name: str
    hang: Hang | None
    cured_by: str
    fault: FaultCode | None
    repaired: bool = True


STORIES = (
    Story("silent AT port", Hang.SILENT, "power", FaultCode.MODEM_SILENT),
    Story("USB gone, back under another name", Hang.USB_GONE, "", FaultCode.MODEM_GONE),
    Story("registered, no data", Hang.NO_DATA, "radio", None),
    Story("PDP refused", Hang.PDP_REFUSED, "radio", None),
    Story("stuck in dial", Hang.DIAL_STUCK, "radio", None),
    Story("needs its power cut", Hang.NEEDS_POWER_CUT, "power", FaultCode.MODEM_GONE),
    Story("wrong APN", Hang.WRONG_APN, "", FaultCode.MODEM_APN, repaired=False),
    Story("denied roaming", Hang.DENIED_ROAMING, "", FaultCode.MODEM_DENIED, repaired=False),
    Story("PUK", Hang.PUK, "", FaultCode.MODEM_SIM_PUK, repaired=False),
    Story("no antenna", Hang.NO_ANTENNA, "", FaultCode.MODEM_NO_SIGNAL, repaired=False),
    Story("broker down, link good", None, "", None, repaired=False),
    Story("ModemManager dead", None, "service", FaultCode.MODEM_SERVICE),
)
NO_RESET = {"wrong APN", "denied roaming", "PUK", "no antenna", "broker down, link good", "ModemManager dead"}


class Outcome(NamedTuple):
    """What half a day brought."""

    rungs: list[str]
    repair_s: float | None
    resets: int
    reboots: int
    faults: set[FaultCode]
    probe_bytes: int


async def begin(world: World, story: Story) -> None:
    if story.hang is Hang.DIAL_STUCK:
        world.modem.state.active.clear()
    if story.hang is not None:
        world.modem.state.begin(story.hang)
    elif story.name == "ModemManager dead":
        world.modem.service_is_dead = True
        world.modem.state.active.clear()
    else:
        world.broker_is_up = False
    if story.hang is Hang.SILENT:
        world.modem.state.active.clear()
    await asyncio.sleep(30)


async def live(folder: Path, story: Story) -> Outcome:
    async with open_world(folder) as world:
        assert await world.wait_repaired(HEALTHY_S) is not None, "it must work before it can hang"
        await asyncio.sleep(HEALTHY_S)
        assert world.rungs == []
        begun_s = asyncio.get_running_loop().time()
        world.modem.advance()
        await begin(world, story)
        repaired_s = await world.wait_repaired(LIFE_S)
        await asyncio.sleep(3_600)
        repair_s = None if repaired_s is None else repaired_s - begun_s
        counted = (world.resets, world.repairs.reboots, world.faults_seen, world.life.spent_bytes)
        return Outcome(world.rungs, repair_s, *counted)


@pytest.mark.parametrize("story", STORIES, ids=[story.name for story in STORIES])
def test_each_way_to_hang_ends_as_it_should(tmp_path: Path, story: Story) -> None:
    outcome = run_virtual(live(tmp_path, story))
    print_row(story, outcome)
    assert (outcome.repair_s is not None) == story.repaired
    assert outcome.rungs[-1:] == ([story.cured_by] if story.cured_by else outcome.rungs[-1:])
    if story.fault is not None:
        assert story.fault in outcome.faults
    if story.name in NO_RESET:
        assert outcome.resets == outcome.reboots == 0, "no reset cures this"
    for rung in Rung:
        assert outcome.rungs.count(rung) <= STEPS[rung].daily_max
    if story.repaired:
        assert len(set(outcome.rungs)) == len(outcome.rungs), "one climb, no rung twice"


def print_row(story: Story, outcome: Outcome) -> None:
    time = "needs a person" if outcome.repair_s is None else f"{outcome.repair_s / 60:.1f} min"
    if story.name == "broker down, link good":
        time = "broker's"
    counted = {rung: outcome.rungs.count(rung) for rung in dict.fromkeys(outcome.rungs)}
    rungs = " ".join(f"{rung}" + (f" x{n}" if n > 1 else "") for rung, n in counted.items()) or "-"
    print(f"{story.name:34} {rungs:36} {time:>15} {outcome.resets:>6} {outcome.reboots:>7}")


def test_a_broker_that_is_down_for_two_days_costs_few_questions_and_no_repair(tmp_path: Path) -> None:
    async def two_days() -> tuple[list[str], int, int]:
        async with open_world(tmp_path) as world:
            await asyncio.sleep(HEALTHY_S)
            world.broker_is_up = False
            await asyncio.sleep(2 * DAY_S)
            return world.rungs, world.resets, world.life.spent_bytes

    rungs, resets, spent_bytes = run_virtual(two_days())
    assert rungs == []
    assert resets == 0
    assert 0 < spent_bytes < 10_000  # of the last day
