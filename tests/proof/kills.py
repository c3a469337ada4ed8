"""An agent that is killed again and again, and what the outside saw of it.

The simulated cabinet is a process of its own and outlives every kill; so do mosquitto, the link (a relay
that is cut at random) and the receiver. Only the agent is killed, by SIGKILL.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from backend import gaps
from backend.gaps import Finding, SeriesProof
from backend.store import Store
from config.model import LineConfig, MeterConfig
from edge_agent.demo.judge import count_held, count_sealed
from edge_agent.demo.plant import boot_ms
from edge_agent.demo.relay import Relay
from tests.world.broker import Mosquitto
from tests.world.gateway import Gateway, Program, Settings, open_gateway, wait_until
from tests.world.pki import make_pki

FLUSH_INTERVAL_MS = 1_000
BATCH_INTERVAL_S = 2
INTERVAL_S = 1
STATUS_PERIOD_S = 0.1
LAST_SEEN_MS_MAX = 1_000  # a status older than this says little about the kill
MISSING_TOLD_MAX = 10_000  # each run of missing slots of a series: a kill makes one or two


class Life(NamedTuple):
    """One run of the agent, as planned: how long it lives, and how its link stands when it is killed.
    `turn_s`: when the link turns to that, or None where it stands so from the life's beginning."""

    length_s: float
    link_up: bool
    turn_s: float | None


@dataclass(slots=True)
class Killed:
    """One run of the agent, as it was; times on the boot axis. `status`: its own last word, None: it had
    not spoken yet; `status_ms`: when that was."""

    link_up: bool
    began_ms: int
    killed_ms: int = 0
    status: dict[str, Any] | None = None
    status_ms: int = 0


@dataclass
class Evidence:
    """What is left when all is over: the meters' own log, the backend's store with its own proof of each
    series, and the kills between."""

    kills: list[Killed]
    last_began_ms: int
    meter_log: list[dict[str, Any]]
    readings: list[dict[str, Any]]
    gaps: list[dict[str, Any]]
    store_status: dict[str, Any]
    proofs: list[SeriesProof]
    findings: list[Finding]
    cuts: int

    @property
    def flush_ms_max(self) -> int:
        """The longest flush of any run, by the agent's own word."""
        known = [killed.status["buffer"]["flush_ms_max"] for killed in self.kills if killed.status]
        return max(known, default=0)

    @functools.cached_property
    def grid_ms(self) -> int:
        """Where on the boot axis slots lie, modulo the interval: most readings of the store are on it."""
        places = Counter(row["due_ms"] % (1000 * INTERVAL_S) for row in self.readings)
        return places.most_common(1)[0][0]


def plan_lives(count: int, chance: random.Random) -> list[Life]:
    """As many with the link up as with it down at their end; one in five is killed while it starts."""
    ends = [number % 2 == 0 for number in range(count)]
    chance.shuffle(ends)
    return [_plan_life(link_up, chance) for link_up in ends]


def _plan_life(link_up: bool, chance: random.Random) -> Life:
    starting = chance.random() < 0.2
    length_s = chance.uniform(0.05, 0.6) if starting else chance.uniform(1.0, 4.5)
    turn_s = None if chance.random() < 0.4 else chance.uniform(0.0, length_s)
    return Life(length_s, link_up, turn_s)


async def run_kills(folder: Path, lives: list[Life]) -> Evidence:
    """Kill an agent at the end of each life, let the last one drain, and gather what is left."""
    pki = make_pki(folder / "pki")
    broker = Mosquitto(folder / "broker", pki)
    relay = Relay(broker.port)
    await relay.start()
    plant = Program(folder, "plant", "edge_agent.demo.plant", str(folder))
    await plant.start()
    try:
        lines, meters = await _installed(folder)
        settings = Settings(
            url=f"mqtts://127.0.0.1:{relay.port}",
            batch_interval_s=BATCH_INTERVAL_S,
            flush_interval_s=FLUSH_INTERVAL_MS / 1000,
        )
        async with open_gateway(
            folder,
            lines=lines,
            meters=meters,
            settings=settings,
            broker=broker,
            pki=pki,
            start=("broker", "receiver"),
        ) as gateway:
            kills = [await _live(gateway, relay, life) for life in lives]
            began_ms = boot_ms()
            await _drain(gateway, relay)
            return _gather(gateway, kills, began_ms, relay.cuts)
    finally:
        await plant.stop()
        await relay.stop()


async def _installed(folder: Path) -> tuple[list[LineConfig], list[MeterConfig]]:
    """The cabinet as the plant built it: two RS-485 lines, a Modbus TCP meter, an optical head."""
    ready = folder / "plant.json"
    await wait_until(ready.exists, 30.0, "the simulated plant")
    plant = json.loads(ready.read_text())
    lines = [
        LineConfig(
            id=name, url=f"serial://{folder}/lines/{name}", protocol="modbus-rtu", baud=9600, format="8N1"
        )
        for name in ("rs485-1", "rs485-2")
    ]
    lines.append(
        LineConfig(id="lan", url=f"tcp://127.0.0.1:{plant['modbus_tcp_port']}", protocol="modbus-tcp")
    )
    lines.append(LineConfig(id="optical", url=f"serial://{folder}/lines/optical", protocol="sml"))
    return lines, [MeterConfig(**meter, interval_s=INTERVAL_S) for meter in plant["meters"]]


async def _live(gateway: Gateway, relay: Relay, life: Life) -> Killed:
    """One life, from its start to its SIGKILL."""
    _set_link(relay, up=life.link_up == (life.turn_s is None))
    loop = asyncio.get_running_loop()
    killed = Killed(life.link_up, boot_ms())
    end_s = loop.time() + life.length_s
    turn = functools.partial(_set_link, relay, up=life.link_up)
    timer = None if life.turn_s is None else loop.call_later(life.turn_s, turn)
    await gateway.agent.start()
    while (rest_s := end_s - loop.time()) > 0:
        with contextlib.suppress(OSError, ValueError, TimeoutError, asyncio.IncompleteReadError):
            killed.status = await asyncio.wait_for(gateway.status(), rest_s)
            killed.status_ms = boot_ms()
        await asyncio.sleep(min(STATUS_PERIOD_S, max(0.0, end_s - loop.time())))
    assert gateway.agent.running, f"the agent ended by itself:\n{gateway.agent.log()[-3000:]}"
    if timer is not None:
        timer.cancel()
    turn()
    killed.killed_ms = boot_ms()
    await gateway.agent.kill()
    return killed


def _set_link(relay: Relay, *, up: bool) -> None:
    if up and not relay.up:
        relay.heal()
    elif relay.up and not up:
        relay.cut()


async def _drain(gateway: Gateway, relay: Relay) -> None:
    """A last life with the link up: everything leaves, an orderly stop, everything is received."""
    _set_link(relay, up=True)
    await gateway.agent.start()
    since_ms = boot_ms()
    meters = {meter.id for meter in gateway.meters}

    def heard(rows: list[dict[str, Any]]) -> bool:
        fresh = [row for row in rows if row["value"] is not None and row["due_ms"] > since_ms]
        return meters == {row["meter"] for row in fresh}

    await gateway.wait_readings(heard, what="values of every meter")
    await gateway.wait_drained()
    assert await gateway.agent.stop() == 0, gateway.agent.log()[-3000:]
    sealed = count_sealed(gateway.folder)
    await wait_until(lambda: count_held(gateway.store_status()) >= sealed, 20.0, "the last messages")


def _gather(gateway: Gateway, kills: list[Killed], began_ms: int, cuts: int) -> Evidence:
    rows = (gateway.folder / "meters.jsonl").read_text().splitlines()
    with contextlib.closing(Store(gateway.store_path, boot_ms)) as store:
        with mock.patch.object(gaps, "MISSING_TOLD_MAX", MISSING_TOLD_MAX):
            proofs = list(gaps.prove(store, gaps.Period(None, None)))
        found = list(gaps.findings(store))
    return Evidence(
        kills,
        began_ms,
        [json.loads(row) for row in rows],
        gateway.readings(),
        gateway.gaps(),
        gateway.store_status(),
        proofs,
        found,
        cuts,
    )
