"""The demo itself: let the world run, cut the link, let the backlog drain, judge."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

from edge_agent.demo.judge import (
    Summary,
    count_held,
    count_sealed,
    count_wrong,
    judge,
    read_export,
    read_meter_log,
)
from edge_agent.demo.relay import Relay
from edge_agent.demo.screen import show
from edge_agent.demo.site_judge import MeterResult, judge_site
from edge_agent.demo.sites import SitePlan
from edge_agent.demo.world import World, backend, open_world, receiver_status, terminate
from edge_agent.healthcheck import ask_status

SETTLE_TIMEOUT_S = 20.0
CUT_EVERY_S = 60.0
CUT_FOR_S = 15.0


async def run_demo(
    *, seconds: int, as_json: bool, folder: Path | None, broker: str = "auto", site: str = ""
) -> int:
    """Run for `seconds` (0: until Ctrl-C) and print the summary; exit code 0 when nothing is missing.

    `site`: the name of an example site; empty for the demo's own cabinet."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    with contextlib.ExitStack() as stack:
        place = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edge-demo-")))
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        async with open_world(place.resolve(), broker, site=site, seconds=seconds) as world:
            if world.site is not None and not as_json:
                print(world.site.as_text())
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(cut_link(world.relay, seconds))]
                if not as_json:
                    tasks.append(group.create_task(show(world)))
                await _wait(stop, seconds)
                for task in tasks:
                    task.cancel()
            verdict = await finish(world)
    print(json.dumps(verdict.as_dict()) if as_json else verdict.as_text())
    return 0 if verdict.good else 1


async def cut_link(relay: Relay, seconds: int) -> None:
    """Cut the link for a while: once in a run of known length, every minute otherwise."""
    up_s, down_s = (0.35 * seconds, 0.25 * seconds) if seconds else (CUT_EVERY_S - CUT_FOR_S, CUT_FOR_S)
    while True:
        await asyncio.sleep(up_s)
        relay.cut()
        await asyncio.sleep(down_s)
        relay.heal()
        if seconds:
            return


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run came to; of a site, also its plan and what came of each of its meters."""

    summary: Summary
    site: SitePlan | None = None
    meters: dict[str, MeterResult] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Whether all arrived as it should, and each meter of a site told all that is read of it."""
        return self.summary.good and all(result.good for result in self.meters.values())

    def as_dict(self) -> dict[str, object]:
        """For `--json`."""
        found: dict[str, object] = dict(self.summary.as_dict())
        if self.site is not None:
            found["site"] = self.site.name
            found["speed"] = self.site.speed
            found["intervals"] = [each._asdict() for each in self.site.intervals]
            found["floors_overridden_on_simulated_data"] = list(self.site.overridden)
            found["meters"] = {name: asdict(result) for name, result in self.meters.items()}
        return found

    def as_text(self) -> str:
        """For people."""
        rows = [self.summary.as_text()]
        for name, result in self.meters.items():
            if not result.good:
                rows.append(f"{name} never told {', '.join(result.unread) or 'anything'}.")
        return "\n".join(rows)


async def finish(world: World) -> Verdict:
    """Heal the link, stop the agent in an orderly way, wait for the receiver, and judge."""
    world.relay.heal()
    await asyncio.wait_for(_wait_connected(world), SETTLE_TIMEOUT_S)
    await terminate(world.agent)
    await _wait_received(world)
    await terminate(world.receiver)
    export = await backend(world.folder, "export", "--store", str(world.store), "--json")
    status = await receiver_status(world)
    stored = read_export(export)
    meters: dict[str, MeterResult] = {}
    if world.site is None:
        wrong = count_wrong(list(read_meter_log(world.folder / "meters.jsonl")), stored)
    else:
        meters = judge_site(world.site, json.loads(export))
        wrong = sum(result.wrong for result in meters.values())
    relay = world.relay
    summary = judge(world.folder, stored, status, relay.bytes_on_wire, relay.cuts, wrong)
    return Verdict(summary, world.site, meters)


async def _wait_connected(world: World) -> None:
    while world.agent.returncode is None:
        with contextlib.suppress(OSError, TimeoutError, ValueError):
            if (await ask_status(world.socket))["link"]["connected"]:
                return
        await asyncio.sleep(0.1)


async def _wait_received(world: World) -> None:
    """Return when the receiver holds every message of the outbox, or too much time has passed."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SETTLE_TIMEOUT_S):
            while count_held(await receiver_status(world)) < count_sealed(world.folder):
                await asyncio.sleep(0.2)


async def _wait(stop: asyncio.Event, seconds: int) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds or None):
            await stop.wait()
