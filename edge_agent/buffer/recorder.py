"""What the storage thread does: readings to the journal, generations to the outbox, and back to order after
anything that happened to either.

Rules that keep it so:
- A reading is in memory until the transaction that seals it is known to be committed. A journal file only
  makes the memory survive; when one fails, the next takes over everything that is in memory.
- The group of a journal file is recorded in the transaction that stores its batches. A file whose group
  is not recorded is not sealed; one whose group is, is sealed, whatever else happened.
- A commit that failed may have happened. What it was to seal is frozen until the database answers, and
  what comes after it belongs to another group.
- Sequence numbers are stated in the journal, durably, before a message that bears one may leave.
- Storage that refuses is an operating condition: it shows in `conditions` and is tried again at the next
  flush. Readings are dropped only above READINGS_IN_MEMORY_MAX, oldest first, and a gap says so.
"""

from __future__ import annotations

import contextlib
import errno
import secrets
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from edge_agent.buffer.custody import (
    apply_receipt,
    apply_request,
    claims_too_much,
    note_published,
    reissue,
)
from edge_agent.buffer.journal import (
    Generation,
    Header,
    Journal,
    Mark,
    Stretch,
    file_name,
    generation_of,
    read_generation,
    same_piece,
)
from edge_agent.buffer.outbox import (
    DATABASE_NAMES,
    Counts,
    Loss,
    Outbox,
    OutboxDamaged,
    OutboxMessage,
    StreamState,
)
from edge_agent.buffer.room import (
    hold_reserve,
    limit_quarantine,
    release_reserve,
    set_aside,
    share_out,
)
from edge_agent.buffer.seal import PlannedBatch, SealPlan, plan_seal
from edge_agent.clock import BootClock
from edge_agent.faults import FaultCode
from edge_agent.reading import Reading
from hal.api import Storage
from protocols.errors import ProtocolError
from protocols.uplink.cbor import decode_table, encode_table
from protocols.uplink.cose import Signer
from protocols.uplink.messages import (
    Batch,
    Event,
    EventDetail,
    GapCause,
    Instant,
    Receipt,
    Request,
    SeriesTable,
    Wall,
)

SEAL_READINGS_MAX = 20_000
READINGS_IN_MEMORY_MAX = 2 * SEAL_READINGS_MAX
EVENTS_IN_MEMORY_MAX = 64
OPEN_FAILURES_MAX = 3  # then a file that cannot be read counts as damaged
GENERATION_TRIES_MAX = 100
START_TRIES = 2
LAG_MS_MIN, LAG_MS_MAX = 1_000, 60_000
ROOM_SPARE_BYTES = 64 * 1024
FULL_QUIET_MS = 60 * 60 * 1000  # a disk that was full is called so for at least an hour
ROOM_SHARE = 2  # this part of the database's share free is room again
BACKLOG_SHARE = 4  # at least one send in so many is of the backlog

Key = tuple[int, int]
T = TypeVar("T")


@dataclass(frozen=True)
class BufferSettings:
    """`size_bytes_max` bounds journal, outbox and side files together; at least 1 MiB. `flush_interval_s`:
    what a power cut may cost. `free_on`: what frees a sealed message."""

    size_bytes_max: int = 256 * 1024 * 1024
    flush_interval_s: float = 10.0
    batch_interval_s: float = 900.0
    free_on: Literal["receipt", "puback"] = "receipt"


@dataclass(frozen=True)
class BufferStatistics:
    """The buffer at a glance. `readings_pending`: recorded, not durable yet. `last_flush_boot_ms` and
    `oldest_unacknowledged` are on the boot axis; `flush_ms_max`: the longest flush of this run."""

    readings_recorded: int
    readings_flushed: int
    readings_pending: int
    last_flush_boot_ms: int | None
    flush_ms_max: int
    generation: int
    messages_unsent: int
    messages_published: int
    messages_acknowledged: int
    oldest_unacknowledged: Instant | None
    size_bytes: int
    size_bytes_max: int
    stream: int
    next_sequence: int
    evicted_messages: int
    dropped_readings: int


@dataclass(slots=True)
class Unsealed:
    """Readings in memory that one transaction will seal. `unflushed`: how many at the end are in no file."""

    group: int
    stretches: list[Stretch] = field(default_factory=list)
    unflushed: int = 0

    def count(self) -> int:
        return sum(len(stretch.readings) for stretch in self.stretches)


class Recorder:
    """All of the buffer's state. `inbox` and `published` may be appended to from the event loop; everything
    else belongs to the storage thread."""

    def __init__(
        self, settings: BufferSettings, storage: Storage, signer: Signer, clock: BootClock, table: SeriesTable
    ) -> None:
        self.inbox: deque[tuple[Wall | None, Sequence[Reading]]] = deque()
        self.published: deque[Key] = deque()
        self.conditions: dict[FaultCode, str] = {}
        self.taken = 0  # readings that have left the inbox
        self._settings = settings
        self._shares = share_out(settings.size_bytes_max)
        self._storage = storage
        self._signer = signer
        self._clock = clock
        self._table_bytes = encode_table(table)
        self._exponents: dict[int, int] = {}
        self._run_start = clock.now()
        self._covered_ms = self._durable_ms = self._run_start.ms
        self._lag_ms = LAG_MS_MIN
        self._started = False
        self._start_failures = self._open_failures = 0
        self._journal: Journal | None = None
        self._outbox: Outbox | None = None
        self._open = Unsealed(0)
        self._frozen: Unsealed | None = None
        self._generation = 0  # the highest number given to a file or a group
        self._groups: dict[int, int] = {}  # group of each file
        self._unadopted = False
        self._seal_wanted = False
        self._reserved = False
        self._full_ms = 0  # when room was last made at somebody's expense
        self._losses: dict[int, Loss] = {}
        self._events: deque[Event] = deque(maxlen=EVENTS_IN_MEMORY_MAX)
        self._published: set[Key] = set()
        self._in_flight: set[Key] = set()
        self._marks: list[Mark] = []
        self._marked: dict[int, int] = {}
        self._sends_since_backlog = 0
        self._flushed = self._dropped = self._evicted = 0
        self._last_flush_ms: int | None = None
        self._flush_ms_max = 0
        self._counts = Counts(0, 0, 0, None)
        self._size_bytes = 0

    # Start

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
        self._refresh()

    def _try_start(self) -> None:
        try:
            found = self._read_files()
            outbox = self._opened()
            self._choose_stream(outbox, found)
            if self._open.group == 0:
                numbers = [outbox.last_sealed(), *(each for g in found for each in (g.number, g.group))]
                self._generation = self._open.group = 1 + max(numbers)
            self._adopt(found, self._losses_at_start(outbox, found))
            self._begin_generation()
        except OutboxDamaged as damage:
            self._set_outbox_aside(damage)
            raise OSError(errno.EIO, "the outbox was damaged and is begun anew") from damage
        except OSError as error:
            self._start_failures += 1
            self._drop_journal()
            self._note_failure(error)
            raise
        self._started = True
        self._tidy()
        self._hold_reserve()

    def _read_files(self) -> list[Generation]:
        """All generations on disk that are not in memory."""
        held = {self._open.group, self._frozen.group if self._frozen else 0} - {0}
        found = []
        for name in self._storage.names():
            number = generation_of(name)
            if number is None or self._groups.get(number) in held:
                continue
            generation = self._read_file(name, number)
            self._groups[number] = generation.group
            found.append(generation)
        return found

    def _read_file(self, name: str, number: int) -> Generation:
        try:
            return read_generation(self._storage.read(name), number)
        except OSError:
            if self._start_failures < OPEN_FAILURES_MAX:
                raise
            return Generation(number, damage=[(None, None)])

    def _choose_stream(self, outbox: Outbox, found: Sequence[Generation]) -> None:
        """Go on with the database's stream, unless the journal knows more of it than the database does."""
        stated: dict[int, int] = {}
        for generation in found:
            for stream, next_sequence in generation.marks.items():
                stated[stream] = max(next_sequence, stated.get(stream, 0))
        active = outbox.active()
        known = dict(outbox.marks())
        if active is not None and all(known.get(stream, -1) >= least for stream, least in stated.items()):
            return
        self._begin_stream(outbox, StreamState.RETIRED, [Mark(*each) for each in stated.items()])
        if stated:
            text = "the database is missing or older than the journal: a new stream began"
            self.conditions[FaultCode.BUFFER_DAMAGED] = text

    def _begin_stream(self, outbox: Outbox, left: StreamState, lost: Sequence[Mark]) -> None:
        """`lost`: streams whose messages may be gone with a database."""
        with outbox.transaction():
            for mark in lost:
                outbox.note_left_stream(mark)
            outbox.begin_stream(secrets.randbits(32), left)
            if lost:
                outbox.add_loss(Loss(GapCause.STORAGE_DAMAGED, None, self._clock.now(), None, widened=True))

    def _losses_at_start(self, outbox: Outbox, found: Sequence[Generation]) -> list[Loss]:
        """From the last flush of the run before until this run's start; nothing before the very first."""
        losses = []
        for generation in found:
            losses += [
                Loss(GapCause.STORAGE_DAMAGED, start, end, None, widened=True)
                for start, end in generation.damage
                if not outbox.is_sealed(generation.group)
            ]
        reached = [(g.last, g.number, g.closed) for g in found if g.last is not None]
        last, _, closed = max(reached, default=(outbox.progress(), 0, False))
        if last is not None:
            cause = GapCause.STOPPED if closed else GapCause.UNCLEAN_STOP
            losses.append(Loss(cause, last, self._run_start, None))
        return losses

    def _adopt(self, found: Sequence[Generation], losses: Sequence[Loss]) -> None:
        """Seal what files of earlier runs hold, in batches of their own, and tell the losses."""

        def operation(outbox: Outbox) -> None:
            unsealed = [g for g in found if not outbox.is_sealed(g.group)]
            plans = [(stretch, self._plan(stretch)) for stretch in _without_copies(unsealed)]
            with outbox.transaction():
                for loss in losses:
                    outbox.add_loss(loss)
                self._store_plans(outbox, plans)
                for group in {generation.group for generation in unsealed}:
                    outbox.note_sealed(group)
                outbox.note_progress(self._run_start)

        self._with_outbox(operation)
        damaged = [g.number for g in found if g.damage]
        if damaged:
            self.conditions[FaultCode.BUFFER_DAMAGED] = f"{len(damaged)} damaged journal files were set aside"
            for number in damaged:
                set_aside(self._storage, file_name(number))
            limit_quarantine(self._storage, self._shares.quarantine)

    # Flush

    def flush(self) -> None:
        """Make what is in the inbox durable, and do what had to wait."""
        began_ms = self._clock.boot_ms()
        self._take_inbox(began_ms)
        self._limit_memory()
        if self._ready() and self._persist():
            self._last_flush_ms = self._clock.boot_ms()
            self._flush_ms_max = max(self._flush_ms_max, self._last_flush_ms - began_ms)
        if self._started:
            self._settle()
        if self._seal_wanted or self._is_early():
            self._seal_memory()
        self._hold_reserve()
        self._refresh()

    def _ready(self) -> bool:
        if not self._started:
            with contextlib.suppress(OSError):  # noted in `conditions`
                self._try_start()
        return self._started

    def _take_inbox(self, now_ms: int) -> None:
        """Move readings from the inbox to memory. A slot in progress may still come in: `covered` stays
        behind by the longest time that one has taken."""
        fresh = [self.inbox.popleft() for _ in range(len(self.inbox))]
        for wall, readings in fresh:
            stretches = self._open.stretches
            if not stretches or not same_piece(stretches[-1].wall, wall):
                stretches.append(Stretch(self._clock.boot, wall, self._table_bytes))
            stretches[-1].wall = self._widest(stretches[-1].wall)
            stretches[-1].readings.extend(readings)
            self.taken += len(readings)
            self._open.unflushed += len(readings)
            latest_ms = max((reading.time_ms - reading.due_ms for reading in readings), default=0)
            self._lag_ms = min(max(self._lag_ms, latest_ms), LAG_MS_MAX)
        self._covered_ms = max(self._covered_ms, now_ms - self._lag_ms)

    def _widest(self, wall: Wall | None) -> Wall | None:
        present = self._clock.wall()
        if wall is None or present is None or not same_piece(wall, present):
            return wall
        return max(wall, present, key=lambda each: each.uncertainty_ms)

    def _persist(self) -> bool:
        """Write what is not durable yet; True where something was, and now is."""
        unflushed = self._open.unflushed + (self._frozen.unflushed if self._frozen else 0)
        if unflushed == 0 and self._journal is not None:
            return False
        try:
            self._write_frozen()
            if self._journal is None:
                self._begin_generation()
            else:
                self._write_fresh(self._journal)
        except OSError as error:
            self._drop_journal()
            if not self._take_over(error):
                return False
        self._flushed += unflushed
        self.conditions.pop(FaultCode.BUFFER_WRITE, None)
        return True

    def _write_fresh(self, journal: Journal) -> None:
        rest = self._open.unflushed
        fresh: list[tuple[int, Wall | None, Sequence[Reading]]] = []
        for piece in reversed(range(len(self._open.stretches))):
            stretch = self._open.stretches[piece]
            part: Sequence[Reading] = stretch.readings[max(0, len(stretch.readings) - rest) :] if rest else []
            rest -= len(part)
            if part:
                fresh.append((piece, stretch.wall, part))
        for piece, wall, part in reversed(fresh):
            journal.write_readings(piece, wall, part)
        self._cover(journal)

    def _cover(self, journal: Journal) -> None:
        journal.write_covered(self._covered_ms)
        journal.sync()
        self._durable_ms = self._covered_ms
        self._open.unflushed = 0

    def _write_frozen(self) -> None:
        """A file of its own for what is frozen, where a part of it is in none."""
        if self._frozen is not None and self._frozen.unflushed > 0:
            journal = self._create_journal(self._frozen)
            journal.sync()
            journal.abandon()
            self._frozen.unflushed = 0

    def _take_over(self, failure: OSError) -> bool:
        """A new file with everything in memory, since the one before failed."""
        try:
            if failure.errno == errno.ENOSPC:
                self._make_room()
            self._write_frozen()
            self._begin_generation()
        except (OSError, OutboxDamaged) as error:
            self._note_failure(error)
            return False
        return True

    def _begin_generation(self) -> None:
        """Open a file for the open group, with everything of it that is in memory, durably."""
        journal = self._create_journal(self._open)
        try:
            self._cover(journal)
        except OSError:
            self._discard(journal)
            raise
        self._journal = journal
        self._marked = dict(self._marks)

    def _create_journal(self, unsealed: Unsealed) -> Journal:
        for _ in range(GENERATION_TRIES_MAX):
            self._generation += 1
            self._groups[self._generation] = unsealed.group
            with contextlib.suppress(FileExistsError):
                journal = Journal(self._storage, self._header(unsealed))
                break
        else:
            raise OSError(errno.EEXIST, "no name is free for a journal file")
        try:
            for piece, stretch in enumerate(unsealed.stretches):
                journal.write_readings(piece, stretch.wall, stretch.readings)
        except OSError:
            self._discard(journal)
            raise
        return journal

    def _discard(self, journal: Journal) -> None:
        """Remove a file that failed while it was begun: what it was to hold is in memory, and what was
        durable before is in the files before."""
        with contextlib.suppress(OSError):
            journal.abandon()
            self._storage.remove(file_name(journal.generation))

    def _header(self, unsealed: Unsealed) -> Header:
        stretches = unsealed.stretches
        return Header(
            self._generation,
            unsealed.group,
            self._clock.boot,
            self._clock.boot_id,
            self._durable_ms,
            stretches[0].wall if stretches else self._clock.wall(),
            self._table_bytes,
            tuple(self._marks),
        )

    def _drop_journal(self) -> None:
        journal, self._journal = self._journal, None
        if journal is not None:
            with contextlib.suppress(OSError):  # it has failed already
                journal.abandon()

    def _limit_memory(self) -> None:
        """Above the bound the oldest readings go, and the gap that will say so is kept."""
        excess = self._open.count() + (self._frozen.count() if self._frozen else 0) - READINGS_IN_MEMORY_MAX
        for held in (self._frozen, self._open):
            if held is None or excess <= 0:
                continue
            for stretch in held.stretches:
                gone = stretch.readings[: max(0, excess)]
                del stretch.readings[: len(gone)]
                excess -= len(gone)
                self._lose(GapCause.STORAGE_FULL, stretch.boot, gone)
            held.unflushed = min(held.unflushed, held.count())

    def _lose(self, cause: GapCause, boot: int, gone: Sequence[Reading]) -> None:
        if not gone:
            return
        self._dropped += len(gone)
        start = Instant(boot, min(reading.due_ms for reading in gone) - 1)
        end = Instant(boot, max(reading.due_ms for reading in gone) + 1)
        self.add_loss(Loss(cause, start, end, len(gone)))

    def add_loss(self, loss: Loss) -> None:
        """Keep a loss until the outbox takes it."""
        known = self._losses.get(loss.cause)
        self._losses[loss.cause] = loss if known is None else known.joined(loss)

    def _settle(self) -> None:
        """What was kept in memory for the outbox: PUBACKs, events, losses, files to adopt."""
        while self.published:
            self._published.add(self.published.popleft())
        if not (self._published or self._events or self._losses or self._unadopted):
            return
        try:
            if self._unadopted:
                self._unadopted = False
                self._adopt(self._read_files(), [])
            self._with_outbox(self._store_settled)
        except OSError as error:
            self._note_failure(error)
            return
        self._published.clear()
        self._losses.clear()
        self._events.clear()

    def _store_settled(self, outbox: Outbox) -> None:
        with outbox.transaction():
            frees = self._settings.free_on == "puback"
            note_published(outbox, self._published, self._clock.now(), frees=frees)
            for loss in self._losses.values():
                outbox.add_loss(loss)
            self._free_room(outbox, len(self._events) * 1024)
            for event in self._events:
                self._store_event(outbox, event)

    def _store_event(self, outbox: Outbox, event: Event) -> None:
        outbox.store(
            lambda stream, sequence: Event(
                stream, sequence, event.at, event.wall, event.code, event.subject, event.details
            ),
            boot=event.at.boot,
            span_ms=(event.at.ms, event.at.ms),
        )

    # Seal

    def seal(self) -> None:
        """Turn everything recorded into signed batches in the outbox."""
        self._seal_wanted = True
        self.flush()

    def _is_early(self) -> bool:
        size_bytes = self._journal.size_bytes if self._journal is not None else 0
        return self._open.count() >= SEAL_READINGS_MAX or size_bytes >= self._shares.journal * 3 // 4

    def _seal_memory(self) -> None:
        if not self._started or not self._commit_frozen():
            return
        if self._open.count() == 0:
            self._seal_wanted = False
            return
        sealing = self._open
        self._generation += 1
        self._open = Unsealed(self._generation)
        self._drop_journal()
        if self._commit(sealing):
            self._seal_wanted = False
            self._flushed += sealing.unflushed
            self._durable_ms = self._covered_ms
        else:
            self._frozen = sealing
        try:
            self._begin_generation()
        except OSError as error:
            self._take_over(error)
        self._tidy()

    def _commit_frozen(self) -> bool:
        if self._frozen is not None:
            if not self._commit(self._frozen):
                return False
            self._flushed += self._frozen.unflushed
            self._frozen = None
        return True

    def _commit(self, sealing: Unsealed) -> bool:
        """One transaction: batches, their dictionaries, the group's number. False where it failed, or
        may have failed."""

        def operation(outbox: Outbox) -> None:
            if outbox.is_sealed(sealing.group):
                return  # the commit that was reported as failed has happened
            plans = [(stretch, self._plan(stretch)) for stretch in sealing.stretches if stretch.readings]
            with outbox.transaction():
                self._store_plans(outbox, plans)
                outbox.note_sealed(sealing.group)
                outbox.note_progress(Instant(self._clock.boot, self._durable_ms))

        try:
            self._with_outbox(operation)
        except OSError as error:
            self._note_failure(error)
            return False
        return True

    def _plan(self, stretch: Stretch) -> SealPlan | None:
        """None where the stretch's table is not readable: its readings have lost their meaning."""
        own = stretch.table_bytes == self._table_bytes
        try:
            plan = plan_seal(stretch, self._exponents if own else {})
        except ProtocolError:
            return None
        if own:
            self._exponents = plan.exponents
        return plan

    def _store_plans(self, outbox: Outbox, plans: Sequence[tuple[Stretch, SealPlan | None]]) -> None:
        size_bytes = sum(len(p.table_bytes) + sum(b.size_bytes for b in p.batches) for _, p in plans if p)
        self._free_room(outbox, size_bytes)
        for stretch, plan in plans:
            if plan is None:
                self._lose(GapCause.STORAGE_DAMAGED, stretch.boot, stretch.readings)
                continue
            if plan.batches:
                outbox.store_dictionary(decode_table(plan.table_bytes), plan.table_bytes)
            for planned in plan.batches:
                _store_batch(outbox, planned)

    # Room

    def _free_room(self, outbox: Outbox, size_bytes: int) -> None:
        """Evict until so much fits below the bound. Within a transaction."""
        missing = size_bytes + ROOM_SPARE_BYTES - outbox.free_bytes()
        lost = outbox.evict(missing, self._in_flight) if missing > 0 else 0
        if lost:
            self._evicted += lost
            self._full_ms = self._clock.boot_ms()
            self.conditions[FaultCode.BUFFER_FULL] = (
                f"{self._evicted} messages had to go before they were received"
            )

    def _make_room(self) -> None:
        """The disk is full before the bound is: let the reserve go, evict, give pages back to the disk."""
        self.conditions[FaultCode.BUFFER_FULL] = "the disk is full"
        self._full_ms = self._clock.boot_ms()
        # Without a reserve, others fill the disk as fast as we empty it: give them as little as will do.
        size_bytes = self._shares.reserve // 4 if self._reserved else ROOM_SPARE_BYTES
        release_reserve(self._storage)
        self._reserved = False
        outbox = self._opened()
        with outbox.transaction():
            lost = outbox.evict(size_bytes, self._in_flight)
        self._evicted += lost
        outbox.shrink()
        self._tidy(keep=0)

    def _hold_reserve(self) -> None:
        if self._reserved or not self._started:
            return
        try:
            hold_reserve(self._storage, self._shares.reserve)
        except OSError as error:
            if error.errno != errno.ENOSPC or self._counts.acknowledged == 0:
                return  # the next flush tries again
            self._give_back()
        else:
            self._reserved = True

    def _give_back(self) -> None:
        """Let go of what the backend holds, so that the disk has room for the reserve again."""
        try:
            outbox = self._opened()
            with outbox.transaction():
                outbox.evict(2 * self._shares.reserve, self._in_flight, acknowledged_only=True)
            outbox.shrink()
            outbox.shorten_log()
            hold_reserve(self._storage, self._shares.reserve)
            self._reserved = True
        except (OSError, OutboxDamaged) as error:
            self._note_failure(error)

    def _tidy(self, keep: int = 1) -> None:
        """Remove sealed generations but the newest `keep`: it outlives a database that turns out damaged."""
        try:
            numbers = [n for name in self._storage.names() if (n := generation_of(name)) is not None]
            sealed = [n for n in numbers if self._opened().is_sealed(self._groups.get(n, n))]
            for number in sealed[: len(sealed) - keep]:
                self._storage.remove(file_name(number))
                self._groups.pop(number, None)
        except (OSError, OutboxDamaged) as error:  # the next seal tries again
            self._note_failure(error)

    # The outbox, whatever state it is in

    def _opened(self) -> Outbox:
        """The open outbox. One that cannot be opened again and again counts as damaged."""
        if self._outbox is None:
            try:
                self._outbox = Outbox(
                    self._storage, self._signer, self._shares.database, self._shares.log // 2
                )
            except OSError as error:
                self._open_failures += error.errno == errno.EIO
                if self._open_failures >= OPEN_FAILURES_MAX:
                    raise OutboxDamaged(str(error)) from error
                raise
        self._open_failures = 0
        return self._outbox

    def _with_outbox(self, operation: Callable[[Outbox], T]) -> T:
        """Run an operation that may be run again: after damage on a new database, after a full disk with
        room made, after any other failure on a fresh connection, which knows what was committed."""
        try:
            return operation(self._opened())
        except OutboxDamaged as damage:
            self._replace_outbox(damage)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                self._make_room_or_fail()
            else:
                self._close_outbox()
        try:
            return operation(self._opened())
        except OutboxDamaged as damage:
            self._close_outbox()
            raise OSError(errno.EIO, f"outbox: {damage}") from damage
        except OSError:
            self._close_outbox()
            raise

    def _make_room_or_fail(self) -> None:
        try:
            self._make_room()
        except OutboxDamaged as damage:
            raise OSError(errno.EIO, f"outbox: {damage}") from damage

    def _replace_outbox(self, damage: OutboxDamaged) -> None:
        """Begin a new database, with a new stream. Groups that are still on disk count as unsealed there,
        and are sealed again."""
        self._set_outbox_aside(damage)
        try:
            self._begin_stream(self._opened(), StreamState.RETIRED, self._marks)
        except OutboxDamaged as again:
            raise OSError(errno.EIO, f"outbox: {again}") from again
        self._unadopted = True

    def _set_outbox_aside(self, damage: OutboxDamaged) -> None:
        self._close_outbox()
        self.conditions[FaultCode.BUFFER_DAMAGED] = f"the database was set aside: {damage}"
        for name in [name for name in self._storage.names() if name in DATABASE_NAMES]:
            set_aside(self._storage, name)
        limit_quarantine(self._storage, self._shares.quarantine)
        self._open_failures = 0

    def _close_outbox(self) -> None:
        outbox, self._outbox = self._outbox, None
        if outbox is not None:
            outbox.close()

    def _note_failure(self, error: OSError | OutboxDamaged) -> None:
        full = isinstance(error, OSError) and error.errno == errno.ENOSPC
        self.conditions[FaultCode.BUFFER_FULL if full else FaultCode.BUFFER_WRITE] = str(error)

    # The way to the backend

    def add_event(self, code: str, subject: str, details: dict[str, EventDetail]) -> None:
        """Sign and store an event; where storage refuses, keep it for the next flush."""
        self._events.append(Event(0, 0, self._clock.now(), self._clock.wall(), code, subject, details))
        if self._started:
            self._settle()
        self._refresh()

    def next_messages(self, limit: int, in_flight: Collection[Key]) -> list[OutboxMessage]:
        """What to send next, in the order of UPLINK.md section 3. Empty where nothing may leave now."""
        self._in_flight = set(in_flight)
        if not self._started or limit <= 0:
            return []
        while self.published:
            self._published.add(self.published.popleft())
        try:
            messages = self._with_outbox(lambda outbox: self._select(outbox, limit))
        except OSError as error:
            self._note_failure(error)
            return []
        self._in_flight.update((message.stream, message.sequence) for message in messages)
        return messages

    def _select(self, outbox: Outbox, limit: int) -> list[OutboxMessage]:
        if outbox.has_disputed():
            with outbox.transaction():
                reissue(outbox)
        if outbox.has_losses():
            with outbox.transaction():
                outbox.tell_losses()
        rows = self._choose(outbox, limit, self._in_flight | self._published)
        found = [message for row in rows if (message := outbox.message(row)) is not None]
        return found if self._state_marks(outbox, found) else []

    def _choose(self, outbox: Outbox, limit: int, excluded: set[Key]) -> list[int]:
        """Row ids. A dictionary goes before the first batch that needs it."""
        margin = limit + len(excluded)
        first = deque([*outbox.unsent_others(margin), *outbox.newest_batch()])
        backlog = deque(outbox.unsent_batches(margin))
        chosen: dict[int, None] = {}
        while len(chosen) < limit and (first or backlog):
            turn = bool(backlog) and (not first or self._sends_since_backlog >= BACKLOG_SHARE - 1)
            row = (backlog if turn else first).popleft()
            if row[0] in chosen or row[1:] in excluded:
                continue
            self._sends_since_backlog = 0 if turn else self._sends_since_backlog + 1
            needed = [d for d in outbox.unsent_dictionary_of(row[0]) if d[1:] not in excluded]
            for each in [*needed, row][: limit - len(chosen)]:
                chosen[each[0]] = None
        return list(chosen)

    def _state_marks(self, outbox: Outbox, messages: Sequence[OutboxMessage]) -> bool:
        """Make durable in the journal that these sequences are taken; False where that fails."""
        if all(self._marked.get(message.stream, 0) > message.sequence for message in messages):
            return True
        self._marks = outbox.marks()
        try:
            if self._journal is None:
                self._begin_generation()
                return True
            for mark in self._marks:
                if self._marked.get(mark.stream) != mark.next_sequence:
                    self._journal.write_mark(mark)
            self._journal.sync()
        except OSError as error:
            self._drop_journal()
            return self._take_over(error)
        self._marked = dict(self._marks)
        return True

    def apply_receipt(self, receipt: Receipt) -> None:
        """Apply the backend's word of what it holds."""
        self._store_in_turn(lambda outbox: self._apply_receipt(outbox, receipt))

    def _apply_receipt(self, outbox: Outbox, receipt: Receipt) -> None:
        if claims_too_much(outbox, receipt):
            self.conditions[FaultCode.UPLINK_RECEIPT] = (
                f"the backend holds messages of stream {receipt.stream} that were never sent from here: was"
                " an old copy of the storage restored, or the key copied? A new stream began"
            )
            self._begin_stream(outbox, StreamState.DISPUTED, [])
            return
        with outbox.transaction():
            apply_receipt(outbox, receipt, self._clock.now())

    def apply_request(self, request: Request) -> None:
        """Send again, or seal, what the backend asks for."""

        def operation(outbox: Outbox) -> bool:
            with outbox.transaction():
                return apply_request(outbox, request)

        if self._store_in_turn(operation) and request.seal_now:
            self.seal()

    def _store_in_turn(self, operation: Callable[[Outbox], T]) -> T | None:
        """An operation on the outbox, after what was waiting for it; None where storage refuses."""
        if not self._started:
            return None
        self._settle()
        try:
            return self._with_outbox(operation)
        except OSError as error:
            self._note_failure(error)
            return None
        finally:
            self._refresh()

    # End

    def close(self) -> None:
        """Flush, seal, and state that the end was an orderly one."""
        self.seal()
        if self._journal is not None and self._open.unflushed == 0:
            try:
                self._journal.write_close(self._covered_ms)
                self._journal.sync()
            except OSError as error:  # the next start will call it an unclean stop
                self._note_failure(error)
        self._drop_journal()
        self._close_outbox()

    # Statistics

    def statistics(self, recorded: int, waiting: int) -> BufferStatistics:
        """`recorded` and `waiting`: readings given to the buffer, and of those still in the inbox."""
        active = self._marks[-1] if self._marks else Mark(0, 0)
        sent = len(self._published) + len(self.published)
        unflushed = self._open.unflushed + (self._frozen.unflushed if self._frozen else 0)
        return BufferStatistics(
            readings_recorded=recorded,
            readings_flushed=self._flushed,
            readings_pending=waiting + unflushed,
            last_flush_boot_ms=self._last_flush_ms,
            flush_ms_max=self._flush_ms_max,
            generation=self._generation,
            messages_unsent=max(0, self._counts.unsent - sent),
            messages_published=self._counts.published + sent,
            messages_acknowledged=self._counts.acknowledged,
            oldest_unacknowledged=self._counts.oldest,
            size_bytes=self._size_bytes,
            size_bytes_max=self._settings.size_bytes_max,
            stream=active.stream,
            next_sequence=active.next_sequence,
            evicted_messages=self._evicted,
            dropped_readings=self._dropped,
        )

    def _refresh(self) -> None:
        """Renew what statistics show of the disk."""
        try:
            self._size_bytes = self._storage.size_bytes()
            if self._outbox is not None:
                self._counts = self._outbox.counts()
                self._marks = self._outbox.marks()
                if self._has_room(self._outbox):
                    self.conditions.pop(FaultCode.BUFFER_FULL, None)
        except (OSError, OutboxDamaged) as error:
            self._note_failure(error)

    def _has_room(self, outbox: Outbox) -> bool:
        """The disk gave the reserve back, and there is something that may go without a loss, or there was
        room enough for some time."""
        fits = outbox.free_bytes() > self._shares.database // ROOM_SHARE
        quiet = self._clock.boot_ms() - self._full_ms >= FULL_QUIET_MS
        return self._reserved and (self._counts.acknowledged > 0 or (fits and quiet))


def _store_batch(outbox: Outbox, planned: PlannedBatch) -> None:
    batch = planned.batch
    outbox.store(
        lambda stream, sequence: Batch(
            stream,
            sequence,
            batch.boot,
            batch.t0_ms,
            batch.wall,
            batch.dictionary,
            batch.axes,
            batch.columns,
            batch.marks,
        ),
        dictionary=batch.dictionary,
        readings=planned.readings,
        boot=batch.boot,
        span_ms=(planned.from_ms, planned.to_ms),
    )


def _without_copies(generations: Sequence[Generation]) -> list[Stretch]:
    """The stretches of several files, each reading once: a file that took over repeats those before it."""
    seen: set[tuple[int, str, int, int]] = set()
    stretches = []
    for generation in sorted(generations, key=lambda each: each.number):
        here: set[tuple[int, str, int, int]] = set()
        for stretch in generation.stretches:
            names = [(m.id, s.quantity) for m in decode_table(stretch.table_bytes) for s in m.series]
            keys = [(stretch.boot, *names[r.series], r.due_ms) for r in stretch.readings]
            fresh = [r for r, key in zip(stretch.readings, keys, strict=True) if key not in seen]
            here.update(keys)
            stretches.append(Stretch(stretch.boot, stretch.wall, stretch.table_bytes, fresh))
        seen |= here
    return [stretch for stretch in stretches if stretch.readings]
