"""The task tree of the running agent, and how it starts and stops.

    agent
    ├── line <id>          worker of the line: asks or listens          edge_agent/workers.py
    ├── port <id>          keeps the line's port open                   edge_agent/line_port.py
    ├── buffer             flushes, seals                               edge_agent/buffer/
    ├── uplink             MQTT session                                 edge_agent/uplink/session.py
    ├── events             faults and steps to the backend              edge_agent/events.py
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
import random
import ssl
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from config.load import Gateway
from edge_agent import __version__
from edge_agent.buffer.buffer import Buffer, BufferSettings
from edge_agent.clock import BootClock
from edge_agent.control import (
    LineUnavailable,
    MeterCorrupt,
    MeterRefuses,
    MeterSilent,
    NoSuchLine,
    NoSuchMeter,
    NotCalibrated,
    Watchers,
    serve,
)
from edge_agent.events import EventWriter
from edge_agent.faults import FaultCode, Faults
from edge_agent.identity import load_or_create_signer
from edge_agent.line import LineCorrupt, LineTimeout
from edge_agent.meter_state import MeterState
from edge_agent.pulse_counts import PulseCounts, PulseMeter
from edge_agent.pulse_reader import PulseReader
from edge_agent.pulse_worker import PulseWorker
from edge_agent.readers import readers, series_table
from edge_agent.reading import Reading
from edge_agent.reports import CalibrationReport, FrameReport, MeterReading, ReadingReport, StatusReport
from edge_agent.status import Reporter
from edge_agent.uplink.session import Session
from edge_agent.uplink.tls import client_context
from edge_agent.workers import Parts, Worker, make_workers
from hal.api import PortError
from hal.clock import SystemClock
from hal.storage import FolderStorage
from protocols.errors import DeviceError
from protocols.uplink.cose import PublicKey

CLOCK_CHECK_S = 10.0
DRAIN_ON_STOP_S = 5.0
IDLE_ON_STOP_S = 3.0
KEYS_FOLDER = "keys"
BUFFER_FOLDER = "buffer"
COUNTS_FOLDER = "counts"

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
        buffer: Buffer,
        session: Session,
        counts: PulseCounts,
        started_ms: int,
    ) -> None:
        self._gateway = gateway
        self._clock = clock
        self._faults = faults
        self._buffer = buffer
        self._session = session
        self._watchers = Watchers()
        self._counts = counts
        self._events = EventWriter(buffer.add_event)
        parts = Parts(clock, self, faults, counts, self._events.tell, started_ms)
        self._workers = make_workers(gateway, parts)
        buffer.account_by(self._accounted_ms)
        self._reporter = Reporter(gateway, clock, faults, buffer, session, self._workers)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then put everything into the outbox and give it a moment to leave."""
        self._faults.listen(self._events.tell_fault)
        self._tell_clock()
        self._events.tell("agent.start", self._gateway.file.gateway.id, {"version": __version__})
        async with serve(self._gateway.socket, self), asyncio.TaskGroup() as group:
            lines = self._start_lines(group)
            others = [
                group.create_task(self._buffer.run(), name="buffer"),
                group.create_task(self._events.run(), name="events"),
                group.create_task(self._watch_clock(), name="clock"),
            ]
            uplink = group.create_task(self._session.run(), name="uplink")
            await stop.wait()
            log.info("stopping")
            await self._wait_lines_idle()
            await _cancel([*lines, *others])
            await self._buffer.finish()
            await self._drain()
            await _cancel([uplink])
        await self._buffer.close()

    def status(self) -> StatusReport:
        """The whole gateway now."""
        return self._reporter.status()

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
        return self._reporter.meter_reading(state, readings, self._clock.boot_ms() - started)

    async def calibrate(self, meter: str, value: str) -> CalibrationReport:
        """A pulse meter shows `value` now. Durable when this returns."""
        worker, _ = self._find_meter(meter)
        if not isinstance(worker, PulseWorker):
            raise NotCalibrated(meter=meter, evidence="it tells its own display, no pulses are counted")
        try:
            report = worker.calibrate(value)
        except ValueError as error:
            raise NotCalibrated(meter=meter, evidence=str(error)) from error
        await self._buffer.flush()
        if self._counts.write_error:
            text = f"it counts from {report.after} on, but could not be kept: {self._counts.write_error}"
            raise NotCalibrated(meter=meter, evidence=text)
        return report

    def watch(self) -> AsyncGenerator[ReadingReport, None]:
        """Each reading as it is recorded."""
        return self._watchers.watch()

    async def seal(self) -> None:
        """Seal the open interval, and send it without waiting for this gateway's turn."""
        self._session.hurry()
        await self._buffer.seal_now()

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
        while True:
            await asyncio.sleep(CLOCK_CHECK_S)
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
            text = "readings are kept and dated later; is a time server reachable?"
            self._faults.raise_(FaultCode.CLOCK_UNTRUSTED, "clock", text)
        else:
            self._faults.clear("clock")

    def pass_over(self, count: int, after_ms: int, before_ms: int) -> None:
        """Slots passed that nobody could tell one by one: their loss becomes a gap."""
        self._buffer.pass_over(count, after_ms, before_ms)

    def _accounted_ms(self) -> int:
        """Every slot due before this has been recorded, on every line."""
        return min((worker.accounted_ms() for worker in self._workers), default=self._clock.boot_ms())

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
    pairs = zip(gateway.file.meters, readers(gateway), strict=True)
    meters = [PulseMeter(m.id, r.quantity.name, r.step) for m, r in pairs if isinstance(r, PulseReader)]
    folder = gateway.state_folder / COUNTS_FOLDER
    return PulseCounts(FolderStorage(private_folder(folder)) if meters else None, meters)


async def open_agent(gateway: Gateway) -> Agent:
    """Recover the buffer and put the agent together. Raises IdentityError, OSError or ValueError where a
    file of the configuration does not serve."""
    signer = load_or_create_signer(private_folder(gateway.state_folder / KEYS_FOLDER))
    storage = FolderStorage(private_folder(gateway.state_folder / BUFFER_FOLDER))
    clock = BootClock(storage, SystemClock(gateway.file.gateway.clock))
    faults = Faults(clock.boot_ms)
    uplink = gateway.file.uplink
    table = series_table(gateway)
    settings = BufferSettings(
        size_bytes_max=gateway.file.buffer.size_bytes_max,
        flush_interval_s=gateway.file.buffer.flush_interval_s,
        batch_interval_s=uplink.batch_interval_s,
        free_on=uplink.free_on,
    )
    started_ms = clock.boot_ms()
    try:
        buffer = await Buffer.open(settings, storage, signer, clock, faults, table)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        raise ValueError(
            f"{gateway.state_folder}: another agent works in this folder: stop it, or set another "
            "[gateway] state_folder"
        ) from error
    counts = open_counts(gateway)
    buffer.before_persist(counts.save)
    session = Session(
        uplink,
        gateway=gateway.file.gateway.id,
        key_id=signer.key_id,
        context=_tls_context(gateway),
        backend_key=load_backend_key(gateway.backend_key) if uplink.backend_key else None,
        buffer=buffer,
        faults=faults,
        seed=random.Random(),
    )
    return Agent(gateway, clock, faults, buffer, session, counts, started_ms)


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


def _tls_context(gateway: Gateway) -> ssl.SSLContext | None:
    """None for a broker on loopback without TLS; the configuration allows it nowhere else."""
    if urlsplit(gateway.file.uplink.url).scheme != "mqtts":
        return None
    return client_context(gateway.ca, gateway.certificate, gateway.key)


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
