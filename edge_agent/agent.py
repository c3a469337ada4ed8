"""The task tree of the running agent, and how it starts and stops.

    agent
    ├── line <id>          worker of the line: asks or listens          edge_agent/workers.py
    ├── port <id>          keeps the line's port open                   edge_agent/line_port.py
    ├── buffer             flushes, seals                               edge_agent/buffer/, streams.py
    ├── uplink             MQTT session                                 edge_agent/uplink/session.py
    ├── events             faults and steps to the backend              edge_agent/events.py
    ├── link               the modem, where there is one                edge_agent/link/
    ├── watchdog           fed while every part turns                   edge_agent/beats.py
    ├── clock              looks for steps of the wall clock            edge_agent/clock.py
    └── control            local API                                    edge_agent/control.py

An operating condition raises a Fault and is retried where it arises. Anything else is a bug: it ends
the tree, the process exits with an error, and systemd starts it anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import random
import ssl
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from config.load import Gateway
from edge_agent import BUILT_MS, __version__
from edge_agent.beats import Beats, feed_watchdog, line_turns, uplink_turns
from edge_agent.buffer.buffer import Buffer, BufferSettings
from edge_agent.buffer.settings import STREAMS_FOLDER
from edge_agent.clock import BootClock
from edge_agent.control import (
    LineUnavailable,
    MeterCorrupt,
    MeterRefuses,
    MeterSilent,
    NoSuchLine,
    NoSuchMeter,
    NotCalibrated,
    NotExchanged,
    NotReset,
    Watchers,
    serve,
)
from edge_agent.counter_memory import CounterMemory
from edge_agent.events import EventWriter
from edge_agent.faults import FaultCode, Faults
from edge_agent.fingerprint import Fingerprint
from edge_agent.identity import load_or_create_signer
from edge_agent.line import LineCorrupt, LineTimeout
from edge_agent.meter_exchange import Device, Entered, Exchange, Exchanges, plan_exchange, with_exchanges
from edge_agent.meter_state import MeterState
from edge_agent.outbox_report import OutboxReport
from edge_agent.parts import Parts
from edge_agent.pulse_counts import PulseCounts, PulseMeter
from edge_agent.readers import readers, series_table
from edge_agent.reading import Reading
from edge_agent.reading_watch import ReadingWatch
from edge_agent.reports import (
    AnswerReport,
    CalibrationReport,
    ExchangeReport,
    FrameReport,
    MeterReading,
    ReadingReport,
    SearchReport,
    StatusReport,
)
from edge_agent.status import Reporter
from edge_agent.time_report import TimeReport
from edge_agent.uplink.session import Session
from edge_agent.uplink.tls import client_context
from edge_agent.workers import Worker, make_workers
from hal.api import PortError
from hal.clock import SystemClock
from hal.storage import FolderStorage
from hal.watchdog import Watchdog, open_watchdog
from protocols.errors import DeviceError
from protocols.uplink.cose import PublicKey, Signer
from protocols.uplink.messages import EventDetail

if TYPE_CHECKING:
    from edge_agent.link.keeper import Keeper
    from edge_agent.streams import Streams

CLOCK_CHECK_S = 2.0  # a step is to be at the backend within seconds
DRAIN_ON_STOP_S = 5.0
IDLE_ON_STOP_S = 3.0
BUFFER_BEAT_S = 900.0  # it flushes every 10 s; a card that hangs this long is not healed by waiting
CLOCK_BEAT_S = 900.0  # it seals when the clock steps
KEYS_FOLDER = "keys"
BUFFER_FOLDER = "buffer"
COUNTS_FOLDER = "counts"
METERS_FOLDER = "meters"  # what is known of them through restarts

log = logging.getLogger(__name__)


class Agent:
    """One gateway at work. Made by `open_agent`; offers what the local API asks for.

    `started_ms`: what came before it on the boot axis is told by the buffer's gap, what comes after it by
    the lines' slots.
    """

    def __init__(
        self,
        gateway: Gateway,
        clock: BootClock,
        faults: Faults,
        buffer: Buffer | Streams,
        session: Session,
        counts: PulseCounts,
        memory: CounterMemory,
        exchanges: Exchanges,
        started_ms: int,
    ) -> None:
        self._gateway = gateway
        self._clock = clock
        self._faults = faults
        self._buffer = buffer
        self._session = session
        self._started_ms = started_ms
        self._watchers = Watchers()
        self._counts = counts
        self._events = EventWriter(buffer.add_event)
        parts = Parts(clock, self, faults, counts, self._events.tell, started_ms, gateway.keys)
        self._workers = make_workers(gateway, parts)
        buffer.account_by(self._accounted_ms)
        table = series_table(gateway)
        self._watch = ReadingWatch(gateway, table, memory, clock, faults, self._events.tell)
        self._watch.attach([state for worker in self._workers for state in worker.meters])
        self._exchanges = exchanges
        self._began_anew = asyncio.Event()
        self._reporter = Reporter(gateway, clock, faults, buffer, session, self._workers, exchanges)
        loop = asyncio.get_running_loop()
        self._began_s = loop.time()
        self._beats = Beats(loop.time)
        self._beat_buffer = self._beats.expect("buffer", BUFFER_BEAT_S)
        self._beats.ask("lines", self._lines_turn)
        self._beats.ask("uplink", self._uplink_turns)
        self._keeper = self._open_keeper()

    @property
    def is_to_begin_anew(self) -> bool:
        """Whether `run` ended so that another agent is opened in its place: a meter was exchanged."""
        return self._began_anew.is_set()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then put everything into the outbox and give it a moment to leave."""
        self._faults.listen(self._events.tell_fault)
        self._tell_clock()
        about: dict[str, EventDetail] = {"version": __version__, "config": self._gateway.digest}
        self._events.tell("agent.start", self._gateway.file.gateway.id, about)
        for exchange in self._exchanges.untold():
            await self._tell_exchange(exchange)
        async with serve(self._gateway.socket, self), asyncio.TaskGroup() as group:
            lines = self._start_lines(group)
            others = [
                group.create_task(self._buffer.run(), name="buffer"),
                group.create_task(self._events.run(), name="events"),
                group.create_task(self._watch_clock(), name="clock"),
            ]
            if self._keeper is not None:
                others.append(group.create_task(self._keeper.run(), name="link"))
            if (watchdog := _open_watchdog()) is not None:
                others.append(group.create_task(feed_watchdog(watchdog, self._beats), name="watchdog"))
            uplink = group.create_task(self._session.run(), name="uplink")
            await _wait_any(stop, self._began_anew)
            log.info("stopping")
            await self._wait_lines_idle()
            await _cancel([*lines, *others])
            self._watch.memory.is_due = True
            await self._buffer.finish()
            await self._drain()
            await _cancel([uplink])
        await self._buffer.close()

    def status(self) -> StatusReport:
        """The whole gateway now."""
        status = self._reporter.status()
        return status if self._keeper is None else replace(status, modem=self._keeper.report())

    async def read(self, meter: str) -> MeterReading:
        """A live read, in the line's turn."""
        worker, state = self._find_meter(meter)
        started = self._clock.boot_ms()
        try:
            readings = await worker.read_now(meter)
        except LineTimeout as error:
            raise MeterSilent(meter=meter, evidence=str(error)) from error
        except LineCorrupt as error:
            raise MeterCorrupt(meter=meter, evidence=str(error)) from error
        except DeviceError as error:
            raise MeterRefuses(meter=meter, evidence=str(error)) from error
        except PortError as error:
            raise LineUnavailable(line=worker.config.id, evidence=error.text) from error
        readings = self._watch.glance(readings)
        return self._reporter.meter_reading(state, readings, self._clock.boot_ms() - started)

    async def calibrate(self, meter: str, value: str) -> CalibrationReport:
        """A pulse meter shows `value` now. Durable when this returns."""
        from edge_agent.pulse_worker import PulseWorker  # only here: memory of sites without pulses

        worker, _ = self._find_meter(meter)
        if not isinstance(worker, PulseWorker):
            raise NotCalibrated(meter=meter, evidence="it tells its own display, no pulses are counted")
        try:
            report = worker.calibrate(value)
        except ValueError as error:
            raise NotCalibrated(meter=meter, evidence=str(error)) from error
        self._watch.begin_anew(meter)
        await self._buffer.flush()
        if self._counts.write_error:
            text = f"it counts from {report.after} on, but could not be kept: {self._counts.write_error}"
            raise NotCalibrated(meter=meter, evidence=text)
        return report

    async def exchange(self, meter: str, serial: str, end: list[str], start: list[str]) -> ExchangeReport:
        """Another device is there now. Durable when this returns; the agent then begins anew with it."""
        worker, state = self._find_meter(meter)
        known = self._watch.device(meter)
        counters = () if self._watch.is_personal(meter) else self._reporter.counters(meter)
        last = {name: str(value) for name, value in known.values().items()}
        old = Device(meter, self._exchanges.configured[meter], state.config.serial or known.serial, last)
        try:
            exchange = plan_exchange(old, serial, counters, Entered(end, start), self._clock.utc_ms())
            if worker.config.protocol == "s0":
                await self.calibrate(meter, exchange.start_of(counters))
            self._exchanges.enter(exchange)
        except ValueError as error:
            raise NotExchanged(meter=meter, evidence=str(error)) from error
        except OSError as error:
            text = f"it could not be kept: {error.strerror or error}"
            raise NotExchanged(meter=meter, evidence=text) from error
        self._watch.replace_device(meter, serial)
        await self._tell_exchange(exchange)
        self._began_anew.set()
        return exchange.report()

    async def _tell_exchange(self, exchange: Exchange) -> None:
        """The event; where the mark that it is written fails, it is written once more at the next start."""
        await self._buffer.add_event("meter.exchanged", exchange.meter, exchange.details())
        with contextlib.suppress(OSError):
            self._exchanges.mark_told(exchange)

    def search(self, line: str, *, primary: bool) -> AsyncGenerator[SearchReport, None]:
        """Look for the meters of an M-Bus loop while its readings go on."""
        from edge_agent.mbus_search import search_line  # only here: memory of sites without M-Bus

        for worker in self._workers:
            if worker.config.id == line:
                return search_line(worker, primary=primary)
        raise NoSuchLine(line=line, known=[worker.config.id for worker in self._workers])

    def watch(self) -> AsyncGenerator[ReadingReport, None]:
        """Each reading as it is recorded."""
        return self._watchers.watch()

    async def seal(self) -> None:
        """Seal the open interval, and send it without waiting for this gateway's turn."""
        self._session.hurry()
        await self._buffer.seal_now()

    async def ask(self, line: str, unit: int, request: str) -> AnswerReport:
        """One request to any unit of a Modbus line, in its turn."""
        from edge_agent.asking import ask_unit  # only here: memory of all that are never probed

        for worker in self._workers:
            if worker.config.id == line:
                return await ask_unit(worker, unit, request)
        raise NoSuchLine(line=line, known=[worker.config.id for worker in self._workers])

    async def outbox(self) -> OutboxReport:
        """What the outbox holds, and how long buffer and card last."""
        from edge_agent.outbox_look import look  # only here: memory of all that are never asked

        return await look(self._gateway, self._buffer, self._clock, self._started_ms)

    def time(self) -> TimeReport:
        """Wall clock, boot axis and lower bound."""
        return self._reporter.time()

    async def reset_time_bound(self) -> TimeReport:
        """A person knows the lower bound to be wrong: it begins anew at the build date. Durable on return."""
        before_ms = self._clock.bound.utc_ms
        self._clock.bound.reset()
        await self._buffer.flush()
        details: dict[str, EventDetail] = {"before_ms": before_ms, "after_ms": self._clock.bound.utc_ms}
        self._events.tell("clock.bound-reset", "clock", details)
        if self._clock.bound.write_error:
            raise NotReset(evidence=self._clock.bound.write_error)
        return self._reporter.time()

    def frames(self, line: str) -> list[FrameReport]:
        """The last frames of a line."""
        for worker in self._workers:
            if worker.config.id == line:
                return self._reporter.frames(worker)
        raise NoSuchLine(line=line, known=[worker.config.id for worker in self._workers])

    def _find_meter(self, meter: str) -> tuple[Worker, MeterState]:
        for worker in self._workers:
            for state in worker.meters:
                if state.config.id == meter:
                    return worker, state
        raise NoSuchMeter(meter=meter, known=[state.config.id for w in self._workers for state in w.meters])

    def record(self, readings: Sequence[Reading]) -> None:
        """Take readings from a line: into the buffer, and to whoever watches."""
        readings = self._watch.mark(readings)
        self._buffer.record(readings)
        if self._watchers.active:
            for reading in readings:
                self._watchers.publish(self._reporter.reading(reading))

    def _start_lines(self, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        tasks = []
        for worker in self._workers:
            tasks.append(group.create_task(worker.port.run(), name=f"port {worker.config.id}"))
            tasks.append(group.create_task(worker.run(), name=f"line {worker.config.id}"))
        return tasks

    async def _watch_clock(self) -> None:
        """A step, or trust won or lost, begins a new piece: the batch is sealed, slots are laid anew."""
        beat = self._beats.expect("clock", CLOCK_BEAT_S)
        while True:
            await asyncio.sleep(CLOCK_CHECK_S)
            beat()
            if not self._clock.check():
                continue
            self._tell_clock()
            await self._buffer.set_wall_piece(self._clock.wall())
            wall = self._clock.wall()
            self._events.tell("clock.step", "clock", {"offset_ms": wall.offset_ms if wall else None})
            for worker in self._workers:
                worker.replan()

    def _tell_clock(self) -> None:
        if self._clock.wall() is None:
            self._faults.raise_(FaultCode.CLOCK_UNTRUSTED, "clock", self._why_untrusted())
        else:
            self._faults.clear("clock")

    def _why_untrusted(self) -> str:
        if self._clock.is_behind():
            past = time.strftime("%Y-%m-%d", time.gmtime(self._clock.bound.utc_ms // 1000))
            return f"it stands before {past}, which is certainly over: set it, look at the RTC's battery"
        return "readings are kept and dated later; is a time server reachable?"

    def pass_over(self, count: int, after_ms: int, before_ms: int) -> None:
        """Slots passed that nobody could tell one by one: their loss becomes a gap."""
        self._buffer.pass_over(count, after_ms, before_ms)

    def _accounted_ms(self) -> int:
        """Every slot due before this has been recorded, on every line. Asked at each flush of the buffer."""
        self._beat_buffer()
        return min((worker.accounted_ms() for worker in self._workers), default=self._clock.boot_ms())

    def _lines_turn(self) -> bool:
        now_ms = self._clock.boot_ms()
        slowest_s = (
            (worker, max((state.config.interval_s for state in worker.meters), default=0))
            for worker in self._workers
        )
        return all(line_turns(worker.accounted_ms(), longest_s, now_ms) for worker, longest_s in slowest_s)

    def _uplink_turns(self) -> bool:
        now_s = asyncio.get_running_loop().time()
        return uplink_turns(self._session.statistics(), self._began_s, now_s)

    def _open_keeper(self) -> Keeper | None:
        config = self._gateway.file.modem
        if config is None or config.backend == "none":
            return None
        from edge_agent.link.keeper import BEAT_S  # only here: memory of sites without a modem
        from edge_agent.link.open import open_keeper

        beat = self._beats.expect("link", BEAT_S)
        statistics, tell = self._session.statistics, self._events.tell
        return open_keeper(self._gateway, config, statistics, self._clock, self._faults, tell, beat)

    async def _wait_lines_idle(self) -> None:
        """Let the rounds end that are under way: an answer that has come should count."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(IDLE_ON_STOP_S):
                await asyncio.gather(*(worker.wait_idle() for worker in self._workers))

    async def _drain(self) -> None:
        self._session.hurry()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_ON_STOP_S):
                await self._session.wait_drained()


def open_counts(gateway: Gateway) -> PulseCounts:
    """The counts of the pulse meters, as earlier runs left them. Without such meters there is no folder."""
    if not any(line.protocol == "s0" for line in gateway.file.lines):
        return PulseCounts(None, [])
    from edge_agent.pulse_reader import PulseReader

    pairs = zip(gateway.file.meters, readers(gateway), strict=True)
    meters = [PulseMeter(m.id, r.quantity.name, r.step) for m, r in pairs if isinstance(r, PulseReader)]
    folder = gateway.state_folder / COUNTS_FOLDER
    return PulseCounts(FolderStorage(private_folder(folder)) if meters else None, meters)


async def open_agent(gateway: Gateway) -> Agent:
    """Recover the buffer and put the agent together. Raises IdentityError, OSError or ValueError where a
    file of the configuration does not serve."""
    signer = load_or_create_signer(private_folder(gateway.state_folder / KEYS_FOLDER))
    meters = FolderStorage(private_folder(gateway.state_folder / METERS_FOLDER))
    exchanges = Exchanges(meters, gateway.file.meters)
    gateway = with_exchanges(gateway, exchanges)
    storage = FolderStorage(private_folder(gateway.state_folder / BUFFER_FOLDER))
    clock = BootClock(storage, SystemClock(gateway.file.gateway.clock), built_ms=BUILT_MS)
    faults = Faults(clock.boot_ms)
    uplink = gateway.file.uplink
    started_ms = clock.boot_ms()
    try:
        buffer = await _open_buffer(gateway, storage, signer, clock, faults)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        raise ValueError(
            f"{gateway.state_folder}: another agent works in this folder: stop it, or set another "
            "[gateway] state_folder"
        ) from error
    counts = open_counts(gateway)
    fingerprint = Fingerprint(storage, gateway.digest)
    await fingerprint.tell(buffer.add_event, gateway.file.gateway.id)
    memory = CounterMemory(meters, clock)
    buffer.before_persist(_all_of(counts.save, clock.bound.save, fingerprint.save, memory.save))
    session = Session(
        uplink,
        gateway=gateway.file.gateway.id,
        key_id=signer.key_id,
        make_context=_tls_contexts(gateway, clock),
        backend_key=load_backend_key(gateway.backend_key) if uplink.backend_key else None,
        buffer=buffer,
        faults=faults,
        seed=random.Random(),
        learn_time=lambda utc_ms: clock.bound.learn(utc_ms, clock.utc_ms()),
    )
    return Agent(gateway, clock, faults, buffer, session, counts, memory, exchanges, started_ms)


async def _open_buffer(
    gateway: Gateway, storage: FolderStorage, signer: Signer, clock: BootClock, faults: Faults
) -> Buffer | Streams:
    """The buffer, or one for each stream where there are several."""
    if gateway.file.streams or (gateway.state_folder / STREAMS_FOLDER).is_dir():
        from edge_agent.streams import has_streams, open_streams  # only here: memory of sites without them

        if has_streams(gateway):
            return await open_streams(gateway, storage, signer, clock, faults)
    settings = BufferSettings(
        size_bytes_max=gateway.file.buffer.size_bytes_max,
        flush_interval_s=gateway.file.buffer.flush_interval_s,
        batch_interval_s=gateway.file.uplink.batch_interval_s,
        free_on=gateway.file.uplink.free_on,
    )
    return await Buffer.open(settings, storage, signer, clock, faults, series_table(gateway))


def load_backend_key(path: Path) -> PublicKey:
    """The key with which the backend signs receipts; ValueError where the file holds no such key."""
    key = load_pem_public_key(path.read_bytes())
    if not isinstance(key, Ed25519PublicKey | EllipticCurvePublicKey):
        raise ValueError(f"{path}: [uplink] backend_key must be an Ed25519 or P-256 public key")  # noqa: TRY004
    return key


def private_folder(folder: Path) -> Path:
    """The folder, made where it is missing, for nobody else to look into."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _tls_contexts(gateway: Gateway, clock: BootClock) -> Callable[[], ssl.SSLContext] | None:
    """None for a broker on loopback without TLS; the configuration allows it nowhere else. Raises OSError
    where a file does not serve."""
    if urlsplit(gateway.file.uplink.url).scheme != "mqtts":
        return None

    def make() -> ssl.SSLContext:
        bound_ms = clock.bound.utc_ms if clock.utc_ms() is None else None
        return client_context(gateway.ca, gateway.certificate, gateway.key, bound_ms=bound_ms)

    make()
    return make


def _all_of(*actions: Callable[[], None]) -> Callable[[], None]:
    def act() -> None:
        for action in actions:
            action()

    return act


async def _wait_any(*events: asyncio.Event) -> None:
    """Return when one of them is set."""
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


def _open_watchdog() -> Watchdog | None:
    try:
        return open_watchdog(os.environ)
    except OSError as error:
        log.warning("watchdog: %s: %s", error.filename, error.strerror)
        return None


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
