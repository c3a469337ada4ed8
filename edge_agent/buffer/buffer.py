"""The buffer's face towards the event loop: readings go in without waiting, signed messages come out.

Rules that keep it so: `record` never blocks and never touches the disk; everything that does runs on one
thread, one call after another; what the storage thread found wrong becomes a Fault here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import ParamSpec, TypeVar

from edge_agent.buffer.holdings import Holdings
from edge_agent.buffer.loss import Loss
from edge_agent.buffer.outbox import OutboxMessage
from edge_agent.buffer.recorder import Recorder
from edge_agent.buffer.settings import BufferSettings, BufferStatistics
from edge_agent.clock import BootClock
from edge_agent.faults import FaultCode, Faults
from edge_agent.reading import Reading
from hal.api import Storage
from protocols.uplink.cose import Signer
from protocols.uplink.messages import EventDetail, GapCause, Instant, Receipt, Request, SeriesTable, Wall

__all__ = ["Buffer", "BufferSettings", "BufferStatistics", "OutboxMessage"]

INBOX_READINGS_MAX = 8_000
FLUSH_READINGS_MAX = 2_000  # so many at once do not wait for the flush interval
SUBJECT = "buffer"

P = ParamSpec("P")
T = TypeVar("T")


class Buffer:
    """Made by `open`. One task runs `run`; every other method may be called from any task of the loop."""

    def __init__(
        self,
        settings: BufferSettings,
        recorder: Recorder,
        clock: BootClock,
        faults: Faults,
        series: int,
        subject: str,
    ) -> None:
        self._settings = settings
        self._recorder = recorder
        self._clock = clock
        self._faults = faults
        self._series = series
        self._subject = subject
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="storage")
        self._wall = clock.wall()
        self._recorded = 0
        self._overload: Loss | None = None
        self._accounted: Callable[[], int] | None = None
        self._flush_asked_ms: int | None = None  # of the flush under way
        self._raised: set[FaultCode] = set()
        self._wake = asyncio.Event()
        self._news = asyncio.Event()
        self._news.set()
        self._flushed_once = False
        self._period = self._present_period()

    @classmethod
    async def open(
        cls,
        settings: BufferSettings,
        storage: Storage,
        signer: Signer,
        clock: BootClock,
        faults: Faults,
        table: SeriesTable,
        *,
        subject: str = SUBJECT,
    ) -> Buffer:
        """Recover what earlier runs left, and be ready to record. `subject`: of its faults.

        Raises ValueError for a table that `check_table` refuses or a bound below 1 MiB, and OSError
        EBUSY where another process works in the folder. Whatever else is wrong with the storage becomes a
        Fault, and is tried again.
        """
        recorder = Recorder(settings, storage, signer, clock, table)
        series = sum(len(meter.series) for meter in table)
        buffer = cls(settings, recorder, clock, faults, series, subject)
        try:
            await buffer._call(recorder.start)
        except BaseException:
            buffer._executor.shutdown(wait=False)
            raise
        return buffer

    def before_persist(self, action: Callable[[], None]) -> None:
        """Have `action` run on the storage thread at each flush and seal, before the readings taken so far
        are made durable: what readings were made from must not be older on the disk than they are."""
        self._recorder.before_persist = action

    def account_by(self, accounted_ms: Callable[[], int]) -> None:
        """Ask `accounted_ms` at each flush until when, on the boot axis, every due slot was recorded: that is
        where the gap of an unclean stop begins."""
        self._accounted = accounted_ms

    def record(self, readings: Sequence[Reading]) -> None:
        """Take readings of the present boot; ValueError for a series that the table does not have.

        Where the storage thread is too far behind, readings are refused and a Gap will say so.
        """
        if not readings:
            return
        if max(reading.series for reading in readings) >= self._series:
            raise ValueError(f"a reading of a series beyond the table's {self._series}")
        waiting = self._recorded - self._recorder.taken
        if waiting + len(readings) > INBOX_READINGS_MAX:
            self._refuse(readings)
            return
        self._recorder.inbox.append((self._wall, readings))
        self._recorded += len(readings)
        if not self._flushed_once or waiting + len(readings) >= FLUSH_READINGS_MAX:
            self._wake.set()

    def _refuse(self, readings: Sequence[Reading]) -> None:
        first_ms, last_ms = (bound(reading.due_ms for reading in readings) for bound in (min, max))
        self.pass_over(len(readings), first_ms - 1, last_ms + 1)

    def pass_over(self, count: int | None, after_ms: int, before_ms: int) -> None:
        """`count` readings of this boot, due between the two (exclusive), were never made: a Gap says so.
        None: perhaps some, perhaps none."""
        boot = self._clock.boot
        start, end = Instant(boot, after_ms), Instant(boot, before_ms)
        loss = Loss(GapCause.OVERLOAD, start, end, count, widened=count is None)
        self._overload = loss if self._overload is None else self._overload.joined(loss)

    async def run(self) -> None:
        """Flush at each flush interval, the first reading at once; seal at each batch interval. For ever."""
        loop = asyncio.get_running_loop()
        flush_at_s = loop.time() + self._settings.flush_interval_s
        while True:
            wait_s = min(flush_at_s - loop.time(), self._period_rest_s())
            try:
                async with asyncio.timeout(max(0.0, wait_s)):
                    await self._wake.wait()
            except TimeoutError:
                pass
            woken = self._wake.is_set()
            self._wake.clear()
            began_s = loop.time()
            if self._present_period() != self._period:
                await self.seal_now()
            elif woken or began_s >= flush_at_s:
                await self.flush()
            else:
                continue
            flush_at_s = began_s + self._settings.flush_interval_s  # what comes in meanwhile waits no longer

    def _present_period(self) -> int:
        """Batch intervals since the beginning of UTC's epoch, or of the boot while the clock is untrusted."""
        offset_ms = 0 if self._wall is None else self._wall.offset_ms
        return int((self._clock.boot_ms() + offset_ms) // self._period_ms())

    def _period_rest_s(self) -> float:
        offset_ms = 0 if self._wall is None else self._wall.offset_ms
        return (self._period_ms() - (self._clock.boot_ms() + offset_ms) % self._period_ms()) / 1000

    def _period_ms(self) -> int:
        return max(1, round(self._settings.batch_interval_s * 1000))

    async def flush(self) -> None:
        """Make everything recorded so far durable; where storage refuses, a Fault says so."""
        await self._hand_over()
        await self._persist(self._recorder.flush)

    async def _hand_over(self) -> None:
        self._flushed_once = self._flushed_once or self._recorded > 0
        if self._accounted is not None:
            self._recorder.accounted_ms = self._accounted()
        if self._overload is not None:
            loss, self._overload = self._overload, None
            await self._call(self._recorder.add_loss, loss)

    async def seal_now(self) -> None:
        """Put everything recorded so far into the outbox, signed, without waiting for the interval's end."""
        self._period = self._present_period()
        await self._hand_over()
        await self._persist(self._recorder.seal)
        self._news.set()

    async def _persist(self, work: Callable[[int], None]) -> None:
        self._flush_asked_ms = self._clock.boot_ms()
        try:
            await self._call(work, self._flush_asked_ms)
        finally:
            self._flush_asked_ms = None

    async def set_wall_piece(self, wall: Wall | None) -> None:
        """A new piece of the wall clock begins: readings recorded from now on lie under `wall`."""
        self._wall = wall
        await self.seal_now()

    async def add_event(self, code: str, subject: str, details: dict[str, EventDetail]) -> None:
        """Sign and store an event that happened now."""
        await self._call(self._recorder.add_event, code, subject, details)
        self._news.set()

    async def next_messages(self, limit: int, in_flight: Collection[tuple[int, int]]) -> list[OutboxMessage]:
        """At most `limit` messages to send next, in order of sending, none of those `in_flight`, given as
        (stream, sequence). They stay unsent until `mark_published`."""
        self._news.clear()
        return await self._call(self._recorder.next_messages, limit, frozenset(in_flight))

    async def wait_for_messages(self) -> None:
        """Return when there may be something new to send since the last `next_messages`."""
        await self._news.wait()

    async def mark_published(self, stream: int, sequence: int) -> None:
        """A broker acknowledged the message. Durable with the next flush; lost before, it is sent again."""
        self._recorder.published.append((stream, sequence))

    async def apply_receipt(self, receipt: Receipt) -> None:
        """The backend's verified word of what it holds."""
        await self._call(self._recorder.apply_receipt, receipt)
        self._news.set()

    async def apply_request(self, request: Request) -> None:
        """The backend's verified wish to have messages again, or the open interval now."""
        await self._call(self._recorder.apply_request, request)
        self._news.set()

    def statistics(self) -> BufferStatistics:
        """The buffer at a glance; messages and sizes as of the last call that touched the disk."""
        known = self._recorder.statistics(self._recorded, self._recorded - self._recorder.taken)
        if self._flush_asked_ms is None:
            return known
        so_far_ms = self._clock.boot_ms() - self._flush_asked_ms
        return replace(known, flush_ms_max=max(known.flush_ms_max, so_far_ms))

    async def holdings(self) -> Holdings | None:
        """What the outbox holds, for a person: it reads all of it, and flushes wait meanwhile. None where
        storage refuses."""
        return await self._call(self._recorder.holdings)

    async def finish(self) -> None:
        """Put everything into the outbox before an orderly stop; messages may still be sent after it."""
        await self.seal_now()

    async def close(self) -> None:
        """Flush, seal and state the orderly end. Nothing may be called after it."""
        await self._call(self._recorder.close)
        self._executor.shutdown()

    async def _call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._executor, lambda: function(*args, **kwargs))
        finally:
            self._tell()

    def _tell(self) -> None:
        """Conditions of the storage thread become Faults, and cease with them."""
        conditions = self._recorder.conditions()
        for code, evidence in conditions.items():
            self._faults.raise_(code, self._subject, evidence)
        self._faults.clear(self._subject, self._raised - set(conditions))
        self._raised = set(conditions)
