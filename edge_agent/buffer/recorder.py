"""What the storage thread does, one call after another: readings to the journal, groups to the outbox,
messages to the backend.

Rules that keep it so: it starts whatever the disk looks like, and what storage refuses is tried again at
the next flush. It only says what follows upon what; each part keeps its own rules, and knows only parts
that stand below it:

    recorder
    dispatch (the backend's side)
    recovery (what earlier runs left) · flushing (memory to files)
    sealing (a group, one transaction)
    outbox_keeper (the outbox in any state)
    journal_files · room
    memory · outbox · journal
"""

from __future__ import annotations

import contextlib
import errno
from collections import deque
from collections.abc import Callable, Collection

from edge_agent.buffer.conditions import Conditions
from edge_agent.buffer.dispatch import Dispatch
from edge_agent.buffer.flushing import Flushing
from edge_agent.buffer.holdings import Holdings, look_up
from edge_agent.buffer.journal import Mark
from edge_agent.buffer.journal_files import JournalFiles
from edge_agent.buffer.loss import Loss
from edge_agent.buffer.memory import SEAL_READINGS_MAX, Arrival, Memory, Unsealed
from edge_agent.buffer.outbox import Key, OutboxDamaged, OutboxMessage
from edge_agent.buffer.outbox_keeper import OPEN_FAILURES_MAX, OutboxKeeper
from edge_agent.buffer.recovery import Recovery
from edge_agent.buffer.room import Room
from edge_agent.buffer.seal import check_table
from edge_agent.buffer.sealing import Sealing
from edge_agent.buffer.settings import BufferSettings, BufferStatistics
from edge_agent.clock import BootClock
from edge_agent.faults import FaultCode
from hal.api import Storage
from protocols.uplink.cose import Signer
from protocols.uplink.messages import EventDetail, Instant, Receipt, Request, SeriesTable

START_TRIES = 2


class Recorder:
    """`inbox` and `published` may be appended to from the event loop; everything else belongs to the
    storage thread. ValueError for a table or a bound that is not to be taken into use."""

    def __init__(
        self, settings: BufferSettings, storage: Storage, signer: Signer, clock: BootClock, table: SeriesTable
    ) -> None:
        table_bytes, start = check_table(table), clock.now()
        conditions = Conditions()
        room = Room(storage, clock, conditions, settings.size_bytes_max)
        files = JournalFiles(storage, clock, table_bytes)
        keeper = OutboxKeeper(storage, signer, clock, files, room, conditions)
        flushing = Flushing(files, keeper, conditions)
        sealing = Sealing(keeper, files, room, conditions, table_bytes)
        recovery = Recovery(keeper, files, sealing, conditions, start)
        frees = settings.free_on == "puback"
        dispatch = Dispatch(clock, room, keeper, recovery, flushing, conditions, frees=frees)

        self.inbox: deque[Arrival] = deque()
        self.published = dispatch.arrived
        self.before_persist: Callable[[], None] | None = None
        self.accounted_ms: int | None = None  # set by the event loop before each call; see Memory.take
        self._settings, self._clock = settings, clock
        self._conditions, self._room, self._files, self._keeper = conditions, room, files, keeper
        self._flushing, self._sealing, self._recovery, self._dispatch = flushing, sealing, recovery, dispatch
        self._memory = Memory(clock.boot, table_bytes, start.ms)
        self._started = False
        self._start_failures = 0
        self._seal_wanted = False
        self._last_flush_ms: int | None = None
        self._flush_ms_max = 0

    @property
    def taken(self) -> int:
        """Readings that have left the inbox."""
        return self._memory.taken

    def conditions(self) -> dict[FaultCode, str]:
        """What is wrong at present, with its evidence."""
        return self._conditions.present()

    def add_loss(self, loss: Loss) -> None:
        """Keep a loss until the outbox takes it."""
        self._memory.add_loss(loss)

    # Start and end

    def start(self) -> None:
        """Recover what earlier runs left. Never refuses, save where another process holds the folder
        (OSError EBUSY): what storage refuses now is tried again at each flush."""
        for _ in range(START_TRIES):
            try:
                self._try_start()
                break
            except OSError as error:
                if error.errno == errno.EBUSY:
                    raise
        self._keeper.refresh()

    def _try_start(self) -> None:
        try:
            self._recovery.recover(self._memory, give_up=self._start_failures >= OPEN_FAILURES_MAX)
        except OutboxDamaged as damage:
            self._keeper.set_aside(damage)
            raise OSError(errno.EIO, "the outbox was damaged and is begun anew") from damage
        except OSError as error:
            self._start_failures += 1
            self._files.drop()
            self._conditions.note(error)
            raise
        self._started = True
        self._keeper.tidy()
        self._keeper.hold_reserve()

    def close(self) -> None:
        """Flush, seal, and state that the end was an orderly one."""
        self.seal()
        if self._memory.open.unflushed == 0:
            try:
                self._files.end(self._memory.covered_ms)
            except OSError as error:  # the next start will call it an unclean stop
                self._conditions.note(error)
        self._files.drop()
        self._keeper.close()

    # Flush

    def flush(self, asked_ms: int | None = None) -> None:
        """Make what is in the inbox durable, and do what had to wait. `asked_ms`: since when it was due, on
        the boot axis; waiting for this thread counts as a part of the flush."""
        began_ms = self._clock.boot_ms()
        self._take_inbox(began_ms)
        if self.before_persist is not None:
            self.before_persist()
        self._memory.limit()
        if self._ready() and self._flushing.flush(self._memory):
            self._last_flush_ms = self._clock.boot_ms()
            took_ms = self._last_flush_ms - (began_ms if asked_ms is None else asked_ms)
            self._flush_ms_max = max(self._flush_ms_max, took_ms)
        if self._started:
            self._dispatch.settle(self._memory)
            if self._seal_wanted or self._is_early():
                self._seal_memory()
            self._keeper.hold_reserve()
        self._keeper.refresh()

    def _take_inbox(self, now_ms: int) -> None:
        accounted_ms = self.accounted_ms  # first: what was accounted for by then is in the inbox by now
        arrived = [self.inbox.popleft() for _ in range(len(self.inbox))]
        self._memory.take(arrived, self._clock.wall(), now_ms, accounted_ms)

    def _ready(self) -> bool:
        if not self._started:
            with contextlib.suppress(OSError):  # noted in the conditions
                self._try_start()
        return self._started

    # Seal

    def seal(self, asked_ms: int | None = None) -> None:
        """Turn everything recorded into signed batches in the outbox. `asked_ms` as in `flush`."""
        self._seal_wanted = True
        self.flush(asked_ms)

    def _is_early(self) -> bool:
        full = self._files.size_bytes >= self._room.shares.journal * 3 // 4
        return full or self._memory.open.count() >= SEAL_READINGS_MAX

    def _seal_memory(self) -> None:
        """Frozen readings first. Then the open group ends: its readings go into the outbox or are frozen,
        and a new group has a file of its own."""
        memory = self._memory
        if memory.frozen is not None:
            if not self._commit(memory.frozen):
                return
            memory.frozen = None
        if memory.open.count() == 0:
            self._seal_wanted = False
            return
        sealing = memory.begin_group(self._files.new_group())
        self._files.drop()
        if self._commit(sealing):
            self._seal_wanted = False
            memory.durable_ms = memory.covered_ms
        else:
            memory.frozen = sealing
        self._flushing.begin(memory)
        self._keeper.tidy()

    def _commit(self, sealing: Unsealed) -> bool:
        reached = Instant(self._clock.boot, self._memory.durable_ms)
        return self._sealing.commit(self._memory, sealing, reached)

    # The way to the backend

    def add_event(self, code: str, subject: str, details: dict[str, EventDetail]) -> None:
        """Sign and store an event; where storage refuses, keep it for the next flush."""
        self._dispatch.add_event(code, subject, details)
        if self._started:
            self._dispatch.settle(self._memory)
        self._keeper.refresh()

    def next_messages(self, limit: int, in_flight: Collection[Key]) -> list[OutboxMessage]:
        """What to send next, in the order of UPLINK.md section 3. Empty where nothing may leave now."""
        if not self._started or limit <= 0:
            self._room.in_flight = in_flight
            return []
        return self._dispatch.next_messages(self._memory, limit, in_flight)

    def apply_receipt(self, receipt: Receipt) -> None:
        """Apply the backend's word of what it holds."""
        if self._started:
            self._dispatch.apply_receipt(self._memory, receipt)
            self._keeper.refresh()

    def apply_request(self, request: Request) -> None:
        """Send again, or seal, what the backend asks for."""
        if not self._started:
            return
        new = self._dispatch.apply_request(self._memory, request)
        self._keeper.refresh()
        if new and request.seal_now:
            self.seal()

    # Statistics

    def holdings(self) -> Holdings | None:
        """What the outbox holds, looked up on the disk; None where storage refuses."""
        if not self._started:
            return None
        try:
            return self._keeper.run(lambda outbox: look_up(outbox.rows))
        except OSError as error:
            self._conditions.note(error)
            return None

    def statistics(self, recorded: int, waiting: int) -> BufferStatistics:
        """`recorded` and `waiting`: readings given to the buffer, and of those still in the inbox."""
        active = self._files.marks[-1] if self._files.marks else Mark(0, 0)
        counts, sent = self._keeper.counts, self._dispatch.published
        return BufferStatistics(
            readings_recorded=recorded,
            readings_flushed=self._memory.flushed,
            readings_pending=waiting + self._memory.unflushed(),
            last_flush_boot_ms=self._last_flush_ms,
            flush_ms_max=self._flush_ms_max,
            generation=self._files.highest,
            messages_unsent=max(0, counts.unsent - sent),
            messages_published=counts.published + sent,
            messages_acknowledged=counts.acknowledged,
            oldest_unacknowledged=counts.oldest,
            size_bytes=self._keeper.size_bytes,
            size_bytes_max=self._settings.size_bytes_max,
            stream=active.stream,
            next_sequence=active.next_sequence,
            evicted_messages=self._room.evicted,
            dropped_readings=self._memory.dropped,
        )
