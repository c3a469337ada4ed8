"""Lives one world from its first boot to its last quiet day, as its scenario says."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
from collections import Counter
from pathlib import Path

from edge_agent.buffer.buffer import BufferSettings
from edge_agent.buffer.outbox import DATABASE_NAME
from hal.sim.broker import Conduct, SimBroker
from tests.proof.months.scenario import DAY_S, QUARTER_MS, Happening, Scenario
from tests.proof.months.truth import SimMeter, TrueTime, Truth
from tests.proof.months.world import Backend, Gateway, Machine, now_s

PPM_MAX = 100
QUIET_S = DAY_S
CUT_CALLS_MAX = 40  # within so many calls of the storage an armed power cut strikes
SOON_S = 60.0
ARMED_S_MAX = 600.0
BLOWS_TO_THE_GATEWAY = ("power", "kill", "stop", "reconfigure", "upgrade", "downgrade")


class World:
    """One gateway, one broker, one backend, and what happens to them."""

    def __init__(self, folder: Path, scenario: Scenario, seed: int) -> None:
        self.scenario = scenario
        self.happened: Counter[str] = Counter()
        self.truth = Truth(TrueTime(now_s()))
        self._chance = random.Random(seed + 1)
        self._site = scenario.site
        self.broker = SimBroker(self._chance)
        self.backend = Backend(folder, self.truth, self.broker)
        self._machine = Machine(folder, self.truth, self._chance)
        self._outages = 0
        self._settings = BufferSettings(
            size_bytes_max=scenario.size_bytes_max,
            flush_interval_s=scenario.flush_interval_s,
            batch_interval_s=scenario.batch_interval_s,
        )

    async def live(self) -> None:
        """The whole month, and two quiet days behind it."""
        receiving = asyncio.create_task(self.backend.run())
        handles = [self._plan(each) for each in self.scenario.happenings]
        self._machine.truth.time.drift(self._draw_ppm(), 0.0)
        self._trust_after(self.scenario.ntp_after_s)
        await self._open()
        for each in self.scenario.happenings:
            if each.kind in BLOWS_TO_THE_GATEWAY:
                await self._wait_until(each.at_s)
                await self._strike(each)
        await self._wait_until(self.scenario.days * DAY_S)
        for handle in handles:
            handle.cancel()
        self._calm()
        await self._wait_until(now_s() + QUIET_S)
        await self.gateway.stop_reading()
        await self._wait_until(now_s() + QUIET_S)
        await self.gateway.stop()
        receiving.cancel()
        await asyncio.gather(receiving, return_exceptions=True)

    async def _open(self) -> None:
        gateway = Gateway(self._machine, self._site, self.broker, self._settings, self._chance)
        await gateway.open()
        self.gateway = gateway

    async def _wait_until(self, at_s: float) -> None:
        """Wait; a task of the gateway that ends meanwhile is a bug of the agent."""
        broken = asyncio.create_task(self.gateway.wait_broken())
        await asyncio.wait([broken], timeout=max(0.0, at_s - now_s()))
        if broken.done():
            broken.result()
            raise AssertionError("the power went when nobody had cut it")
        broken.cancel()

    # Conditions

    def _plan(self, each: Happening) -> asyncio.Handle:
        loop = asyncio.get_running_loop()
        return loop.call_later(each.at_s, self._begin, each)

    def _begin(self, each: Happening) -> None:
        if each.kind in BLOWS_TO_THE_GATEWAY:
            return
        self.happened[each.kind] += 1
        begin, end = {
            "outage": (self._lose_network, self._find_network),
            "cut": (lambda e: self.broker.cut(silent=bool(e.number)), None),
            "hole": (self._begin_hole, self._end_hole),
            "away": (lambda e: self.backend.leave(), lambda e: self.backend.attend()),
            "full": (lambda e: self._fill(full=True), lambda e: self._fill(full=False)),
            "lie": (lambda e: self._machine.lie(e.number), lambda e: self._machine.lie(0)),
            "silence": (
                lambda e: self.gateway.silent.add(e.number),
                lambda e: self.gateway.silent.discard(e.number),
            ),
            "restore": (lambda e: self.backend.restore(), None),
        }[each.kind]
        begin(each)
        if end is not None:
            asyncio.get_running_loop().call_later(each.for_s, end, each)

    def _lose_network(self, each: Happening) -> None:
        self._outages += 1
        self.broker.conduct.reachable = False
        self.broker.cut(silent=bool(each.number))

    def _find_network(self, each: Happening) -> None:
        self._outages -= 1
        self.broker.conduct.reachable = self._outages <= 0

    def _begin_hole(self, each: Happening) -> None:
        conduct = self.broker.conduct
        conduct.drop_share, conduct.repeat_share, conduct.drop_down_share = each.share, 0.2, each.share / 2
        conduct.queue_max, conduct.expiry_s = 20, 3600.0
        conduct.latency_s = (0.1, 8.0)

    def _end_hole(self, each: Happening) -> None:
        self.broker.conduct = Conduct(reachable=self.broker.conduct.reachable)

    def _fill(self, *, full: bool) -> None:
        self._machine.storage.full = full

    def _calm(self) -> None:
        """Everything is well again."""
        self._outages = 0
        self.broker.conduct = Conduct()
        self.backend.attend()
        self._fill(full=False)
        self._machine.lie(0)
        self._machine.ntp = True
        self.gateway.silent.clear()

    # Blows to the gateway

    async def _strike(self, each: Happening) -> None:
        self.happened[each.kind] += 1
        if each.kind == "power":
            await self._cut_power()
        elif each.kind == "kill":
            await self.gateway.kill()
        else:
            await self.gateway.stop()
        self._change(each)
        await asyncio.sleep(each.for_s)
        if each.kind == "power":
            self._fill(full=False)  # else the boot has no durable number: see ARCHITECTURE.md
            self._machine.boot(self._draw_ppm())
            self._trust_after(each.ntp_after_s)
        else:
            self._machine.fresh_storage()
        if each.kind == "downgrade":  # somebody stands there, with a network
            self._trust_after(SOON_S)
        silent = self.gateway.silent
        await self._open()
        self.gateway.silent = silent

    async def _cut_power(self) -> None:
        """Now, or in the middle of a write."""
        if self._chance.random() < 0.5:
            storage = self._machine.storage
            storage.mishap = self._chance.choice(("cut", "cut-late"))
            storage.fail_at = len(storage.calls) + self._chance.randint(1, CUT_CALLS_MAX)
            broken = asyncio.create_task(self.gateway.wait_broken())
            await asyncio.wait([broken], timeout=ARMED_S_MAX)
            if broken.done():
                broken.result()
            broken.cancel()
        await self.gateway.kill()
        self._machine.lose_power()

    def _change(self, each: Happening) -> None:
        if each.kind == "reconfigure":
            self._reconfigure()
        database = self._machine.path() / DATABASE_NAME
        if each.kind == "downgrade":  # the version before the timeline has rewritten the file
            _alter(database, "DROP TABLE IF EXISTS timeline")
            self.truth.runs[-1].forgets_dates = True
        if each.kind == "upgrade":  # and back from a later one, which knew more
            number = self.happened["upgrade"]
            _alter(database, f"CREATE TABLE later_{number} (one INTEGER)")
            _alter(database, f"ALTER TABLE messages ADD COLUMN later_{number} INTEGER")

    def _reconfigure(self) -> None:
        kind = self._chance.choice(("interval", "name", "new"))
        site = list(self._site)
        place = self._chance.randrange(1, len(site))
        if kind == "interval":
            interval_ms = QUARTER_MS // 3 if site[place].interval_ms == QUARTER_MS else QUARTER_MS
            site[place] = site[place]._replace(interval_ms=interval_ms)
        elif kind == "name":
            site[place] = site[place]._replace(id=site[place].id + "-new")
        else:
            number = len(site) + 1
            site.insert(place, SimMeter(number, f"m{number}", QUARTER_MS, (1, 2)))
        self.happened[kind] += 1
        self._site = tuple(site)

    # Small things

    def _draw_ppm(self) -> float:
        return self._chance.uniform(-PPM_MAX, PPM_MAX)

    def _trust_after(self, ntp_after_s: float) -> None:
        boots = self._machine.clock.boot_id()

        def arrive() -> None:
            if self._machine.clock.boot_id() == boots:
                self._machine.ntp = True

        asyncio.get_running_loop().call_later(ntp_after_s, arrive)


def _alter(path: Path, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute(statement)
        database.commit()
