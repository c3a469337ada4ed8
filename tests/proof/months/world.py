"""The parts of a simulated world: an event loop that runs months in seconds, a disk that others fill, a
gateway of real parts over a simulated network, and a backend of real parts behind it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from backend.receipts import ReceiptSchedule
from backend.store import Store, VerdictName
from config.model import UplinkConfig
from edge_agent.buffer.buffer import Buffer, BufferSettings
from edge_agent.clock import BootClock
from edge_agent.faults import Faults
from edge_agent.poll_plan import DueRead, PlannedMeter, PollPlan
from edge_agent.reading import Reading
from edge_agent.uplink.session import Session
from hal.api import ClockOffset
from hal.sim.broker import SimBroker
from hal.sim.clock import SimClock
from hal.sim.storage import PowerCut, SimStorage
from protocols.uplink.cbor import encode_message
from protocols.uplink.cose import Signer
from protocols.uplink.messages import ClockSource
from protocols.value import NullCause
from tests.proof.months.truth import START_UTC_MS, Lay, Run, SimMeter, Taken, Truth, table_of
from tests.world.virtual_loop import VirtualLoop

GATEWAY = "du-month-01"
GATEWAY_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
BACKEND_KEY = Ed25519PrivateKey.from_private_bytes(bytes(reversed(range(32))))
BUILT_MS = START_UTC_MS - 90 * 86_400_000
NTP_UNCERTAINTY_MS = 10
CLOCK_CHECK_S = 60.0  # the agent's 10 s would double the events of a month
RECEIPT_INTERVAL_S = 6 * 3600.0
RECEIPT_POLL_S = 60.0
UP, DOWN = f"edge/v1/{GATEWAY}/up", f"edge/v1/{GATEWAY}/down"

T = TypeVar("T")


@contextlib.contextmanager
def fast_folder() -> Iterator[Path]:
    """A folder in memory where there is one."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="edge-months-", dir=memory if memory.is_dir() else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class InlineLoop(VirtualLoop):
    """Virtual time, and no threads: what belongs on the storage thread runs at once, so that time cannot
    overtake it and each seed gives the same run."""

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """See asyncio. Errors arrive where they would."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except BaseException as error:
            future.set_exception(error)
        return future


def run_world(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end in virtual time."""
    with asyncio.Runner(loop_factory=InlineLoop) as runner:
        return runner.run(main)


def now_s() -> float:
    """The running loop's time."""
    return asyncio.get_running_loop().time()


class CrowdedStorage(SimStorage):
    """A disk that somebody else fills to the last byte while `full`."""

    full = False

    def happen(self, call: str, effect: Callable[[], Any], part: Callable[[], object] | None = None) -> Any:
        """See SimStorage; nothing that needs room finds any."""
        if self.full and call.startswith(("append", "replace", "sql")):
            raise OSError(errno.ENOSPC, "simulated: somebody else took it", call)
        del self.calls[:-1_000]  # a month has too many to keep
        return super().happen(call, effect, part)


class SteeredClock(SimClock):
    """A clock whose wall time somebody steers from moment to moment, as the kernel does for an NTP client."""

    def __init__(self, steer: Callable[[], ClockOffset | None]) -> None:
        super().__init__(time_s=asyncio.get_running_loop().time)
        self._steer = steer

    def offset(self) -> ClockOffset | None:
        """See hal.api.Clock."""
        return self._steer()


class Machine:
    """The gateway's box: disk and clocks, which go through power cuts."""

    def __init__(self, folder: Path, truth: Truth, chance: random.Random) -> None:
        self._folder = folder
        self._chance = chance
        self._disks = 0
        self.truth = truth
        self.clock = SteeredClock(self._steer)
        self.storage = CrowdedStorage(folder / "disk-0")
        self.booted_s = now_s()
        self.ntp = False
        self.lie_ms = 0
        self._error_ms = 0
        self._lies: list[tuple[float, int]] = [(0.0, 0)]  # since when, how wrong

    def path(self) -> Path:
        """Where the present disk lies."""
        return self._folder / f"disk-{self._disks}"

    def fresh_storage(self) -> None:
        """A new process sees the same files."""
        full = self.storage.full
        self.storage = CrowdedStorage(self.path(), seed=self._chance.getrandbits(32))
        self.storage.full = full

    def lose_power(self) -> None:
        """What was not synced is lost in part; the machine is off from now on."""
        old = self.path()
        self._disks += 1
        self.storage.copy_after_cut(self.path())
        shutil.rmtree(old)

    def boot(self, ppm: float) -> None:
        """The power is back: boot time begins again, and nobody vouches for the wall clock."""
        self.truth.time.drift(ppm, now_s())
        self.clock.reboot(self._chance.randint(5_000, 60_000))  # so long the machine takes to start us
        self._error_ms = self._chance.randint(2 - NTP_UNCERTAINTY_MS, NTP_UNCERTAINTY_MS - 2)
        self.booted_s = now_s()
        self.ntp = False
        self.lie(0)
        self.fresh_storage()

    def lie(self, ms: int) -> None:
        """A time server tells a wrong time from now on, or (0) the right one again."""
        self.lie_ms = ms
        self._lies.append((now_s(), ms))

    def recent_lies_ms(self) -> tuple[int, ...]:
        """What was said within the time in which nobody has looked."""
        since_s = now_s() - 2 * CLOCK_CHECK_S
        later = [ms for at_s, ms in self._lies if at_s >= since_s]
        before = [ms for at_s, ms in self._lies if at_s < since_s][-1:]
        return tuple({*later, *before})

    def note_lies(self, boot: int) -> None:
        """A wrong clock is believed in this boot."""
        if self.ntp:
            known_ms = self.truth.lies_ms.get(boot, 0)
            self.truth.lies_ms[boot] = max(known_ms, *map(abs, self.recent_lies_ms()))

    def _steer(self) -> ClockOffset | None:
        if not self.ntp:
            return None
        utc_ms = self.truth.time.utc_ms(now_s()) + self.lie_ms + self._error_ms
        return ClockOffset(utc_ms - self.clock.boot_ms(), ClockSource.NTP, NTP_UNCERTAINTY_MS)


class Gateway:
    """One run of the agent's real parts on a machine, from `open` to `stop` or `kill`."""

    def __init__(
        self,
        machine: Machine,
        site: tuple[SimMeter, ...],
        broker: SimBroker,
        settings: BufferSettings,
        chance: random.Random,
    ) -> None:
        self._machine = machine
        self._site = site
        self._broker = broker
        self._settings = settings
        self._chance = chance
        self._turned = asyncio.Event()
        self.silent: set[int] = set()  # numbers of meters that do not answer
        self.tasks: list[asyncio.Task[None]] = []
        self._ended = False

    async def open(self) -> None:
        """Start as the agent does."""
        machine = self._machine
        self.clock = BootClock(machine.storage, machine.clock, built_ms=BUILT_MS)
        faults = Faults(self.clock.boot_ms)
        self.start_ms = self.clock.boot_ms()
        signer = Signer(GATEWAY_KEY)
        table = table_of(self._site)
        self.buffer = await Buffer.open(self._settings, machine.storage, signer, self.clock, faults, table)
        self.buffer.before_persist(self.clock.bound.save)
        self.session = Session(
            UplinkConfig(
                url="mqtt://127.0.0.1", ca="", certificate="", key="", backend_key="",
                batch_interval_s=int(self._settings.batch_interval_s),
            ),
            gateway=GATEWAY,
            key_id=signer.key_id,
            make_context=None,
            backend_key=BACKEND_KEY.public_key(),
            buffer=self.buffer,
            faults=faults,
            seed=self._chance,
            learn_time=lambda utc_ms: self.clock.bound.learn(utc_ms, self.clock.utc_ms()),
            make_client=lambda context: self._broker.client(),
        )  # fmt: skip
        planned = [PlannedMeter(meter.interval_ms) for meter in self._site]
        alignment_ms = self.clock.alignment_ms()
        self._plan = PollPlan(planned, alignment_ms, self.start_ms)
        self.run = Run(self.clock.boot, self._site, self.start_ms, [Lay(self.start_ms, alignment_ms)])
        machine.truth.runs.append(self.run)
        self.buffer.account_by(self._plan.next_due_ms)
        self._places = self._number_series()
        works = (self.buffer.run(), self.session.run(), self._read(), self._watch_clock())
        self.tasks = [asyncio.create_task(work) for work in works]

    def _number_series(self) -> list[list[tuple[int, int]]]:
        places: list[list[tuple[int, int]]] = []
        number = 0
        for meter in self._site:
            places.append([(number + n, quantity) for n, quantity in enumerate(meter.quantities)])
            number += len(meter.quantities)
        return places

    async def _read(self) -> None:
        """The line: asks each meter when it is due."""
        while True:
            await self._wait_due()
            await asyncio.sleep(self._chance.choice((0.02, 0.05, 0.2)))
            self._record_due()

    def _record_due(self) -> None:
        for due in self._plan.pop_due(self.clock.boot_ms()):
            self._record(due)

    async def _wait_due(self) -> None:
        while (rest_ms := self._plan.next_due_ms() - self.clock.boot_ms()) > 0:
            self._turned.clear()
            try:
                async with asyncio.timeout(rest_ms / 1000):
                    await self._turned.wait()
            except TimeoutError:
                continue

    def _record(self, due: DueRead) -> None:
        truth, at_ms = self._machine.truth, self.clock.boot_ms()
        meter, utc_ms = self._site[due.meter], truth.time.utc_ms(now_s())
        lies_ms = self._machine.recent_lies_ms()
        assert due.missed_more == 0, "the simulated line is never busy for long"
        readings = []
        for series, quantity in self._places[due.meter]:
            for slot_ms in (*due.missed, due.due_ms):
                silent = meter.number in self.silent or slot_ms != due.due_ms
                value = None if silent else meter.value_at(quantity, utc_ms)
                remark = NullCause.SILENT if silent else 0
                readings.append(Reading(series, slot_ms, at_ms, value, remark))
                truth.taken[self.clock.boot, meter.id, quantity, slot_ms] = Taken(value, utc_ms, lies_ms)
        self._machine.note_lies(self.clock.boot)
        self.buffer.record(readings)

    async def _watch_clock(self) -> None:
        """As the agent's own."""
        while True:
            await asyncio.sleep(CLOCK_CHECK_S)
            if not self.clock.check():
                continue
            await self.buffer.set_wall_piece(self.clock.wall())
            await self.buffer.add_event("clock.step", "clock", {"offset_ms": self.clock.piece_offset_ms})
            self._plan.realign(self.clock.alignment_ms(), self.clock.boot_ms())
            self.run.lays.append(Lay(self.clock.boot_ms(), self.clock.alignment_ms()))
            self._turned.set()

    async def wait_broken(self) -> None:
        """Return when the power went in the middle of something; a bug of the agent is raised here."""
        done, _ = await asyncio.wait(self.tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            error = task.exception()
            assert isinstance(error, PowerCut), f"a task of the gateway ended: {error!r}"

    async def stop(self) -> None:
        """An orderly stop."""
        await self._cancel(self.tasks[2:])
        if not self.run.end_ms:
            self.run.end_ms = self.clock.boot_ms()
            self._record_due()
        await self.buffer.finish()
        await self._cancel(self.tasks)
        await self.buffer.close()

    async def stop_reading(self) -> None:
        """No slots are due any more; all that was read is sealed, and the uplink goes on."""
        await self._cancel([self.tasks.pop(2)])
        self.run.end_ms = self.clock.boot_ms()
        self._record_due()
        await self.buffer.seal_now()

    async def kill(self) -> None:
        """The process is gone without a word."""
        self.run.end_ms = max(self.clock.boot_ms(), self.run.start_ms)
        await self._cancel(self.tasks)
        self._machine_let_go()

    def _machine_let_go(self) -> None:
        self.buffer._recorder._files.drop()
        self.buffer._recorder._keeper.close()

    async def _cancel(self, tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        for error in await asyncio.gather(*tasks, return_exceptions=True):
            if error is not None and not isinstance(error, (asyncio.CancelledError, PowerCut)):
                raise error


class Backend:
    """The receiver's real parts without MQTT: a store, the receipts' schedule, its signature."""

    def __init__(self, folder: Path, truth: Truth, broker: SimBroker) -> None:
        self._folder = folder
        self._truth = truth
        self._broker = broker
        self._schedule = ReceiptSchedule(RECEIPT_INTERVAL_S)
        self._copies = 0
        self._stores = 0
        self.store = self._open()
        self.kid = self.store.trust(GATEWAY, GATEWAY_KEY.public_key())
        self.verdicts: dict[str, int] = dict.fromkeys(VerdictName, 0)
        self.restored = 0

    def _open(self) -> Store:
        time = self._truth.time
        return Store(self._folder / f"backend-{self._stores}.db", lambda: time.utc_ms(now_s()))

    async def run(self) -> None:
        """Take what comes, answer what is due, copy the store each day. For ever."""
        self.attend()
        day_s = now_s()
        while True:
            await asyncio.sleep(RECEIPT_POLL_S)
            self._send_receipts()
            if now_s() - day_s >= 86_400:
                day_s = now_s()
                self._copy()

    def attend(self) -> None:
        """The receiver is there."""
        self._broker.subscribe(self._take)

    def leave(self) -> None:
        """The receiver is away."""
        self._broker.subscribe(None)

    def _copy(self) -> None:
        target = sqlite3.connect(self._folder / "copy.db")
        self.store._database.backup(target)
        target.close()
        self._copies += 1

    def restore(self) -> None:
        """The disk broke: go on with the copy of the night before."""
        if not self._copies:
            return
        self.store.close()
        self._stores += 1
        shutil.copy(self._folder / "copy.db", self._folder / f"backend-{self._stores}.db")
        self.store = self._open()
        self.store.begin_epoch()
        self._schedule = ReceiptSchedule(RECEIPT_INTERVAL_S)
        self.restored += 1

    def _take(self, topic: str, data: bytes) -> None:
        assert topic == UP
        verdict = self.store.take(data)
        self.verdicts[verdict.name] += 1
        assert verdict.key_id is not None, verdict
        assert verdict.stream is not None, verdict
        self._truth.arrived[verdict.stream, verdict.sequence or 0] = data
        if verdict.name in (VerdictName.CLONE, VerdictName.BAD_SIGNATURE):
            return
        key = (verdict.key_id, verdict.stream)
        repeated = verdict.name is VerdictName.DUPLICATE
        open_ends = self.store.has_open_ends(*key)
        self._schedule.note(key, now_s(), open_ends=open_ends, repeated=repeated, wanted=verdict.wanted)
        self._send_receipts()

    def _send_receipts(self) -> None:
        for key in self._schedule.pop_due(now_s()):
            receipt = self.store.issue_receipt(*key)
            self._broker.send_down(DOWN, Signer(BACKEND_KEY).sign(encode_message(receipt)))
