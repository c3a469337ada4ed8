"""The outbox, whatever state it is in: opened when it is needed, closed when it failed, set aside and begun
anew when it is damaged, emptied when the disk is full.

Rules that keep it so: an operation may be run twice, so it must come to the same; after any failure the
connection is a fresh one, which knows what was committed. A new database has a new stream: numbers that
may have left are never used again. Groups still on disk count as unsealed there and are sealed again.
"""

from __future__ import annotations

import errno
import secrets
from collections.abc import Callable, Sequence
from typing import TypeVar

from edge_agent.buffer.conditions import Conditions
from edge_agent.buffer.eviction import evict, has_spare, shorten_log, shrink
from edge_agent.buffer.journal import Mark
from edge_agent.buffer.journal_files import JournalFiles
from edge_agent.buffer.loss import Loss
from edge_agent.buffer.outbox import DATABASE_NAMES, Counts, Outbox, OutboxDamaged, StreamState
from edge_agent.buffer.room import Room, set_aside
from edge_agent.clock import BootClock
from edge_agent.faults import FaultCode
from hal.api import Storage
from protocols.uplink.cose import Signer
from protocols.uplink.messages import GapCause

GIVE_BACK_STEPS = 8  # in which twice the reserve is given back to a full disk, as much as it takes
OPEN_FAILURES_MAX = 3  # then a file that cannot be read counts as damaged

T = TypeVar("T")


class OutboxKeeper:
    """`replaced`: a new database was begun, so that files on disk must be looked at again. `counts` and
    `size_bytes`: of messages and of everything on disk, as of the last `refresh`."""

    def __init__(
        self,
        storage: Storage,
        signer: Signer,
        clock: BootClock,
        files: JournalFiles,
        room: Room,
        conditions: Conditions,
    ) -> None:
        self.replaced = False
        self.counts = Counts(0, 0, 0, None)
        self.size_bytes = 0
        self._storage = storage
        self._signer = signer
        self._clock = clock
        self._files = files
        self._room = room
        self._conditions = conditions
        self._outbox: Outbox | None = None
        self._open_failures = 0
        self._is_streamless = False

    def opened(self) -> Outbox:
        """The open outbox. One that cannot be opened again and again counts as damaged."""
        if self._outbox is None:
            shares = self._room.shares
            try:
                self._outbox = Outbox(self._storage, self._signer, shares.database, shares.log // 2)
                self._is_streamless = self._outbox.active() is None
            except OutboxDamaged:
                self.close()
                raise
            except OSError as error:
                self.close()
                self._open_failures += error.errno == errno.EIO
                if self._open_failures >= OPEN_FAILURES_MAX:
                    raise OutboxDamaged(str(error)) from error
                raise
        self._open_failures = 0
        return self._outbox

    def close(self) -> None:
        """Let go of the database; the next operation opens it again."""
        outbox, self._outbox = self._outbox, None
        if outbox is not None:
            outbox.close()

    def run(self, operation: Callable[[Outbox], T]) -> T:
        """Run an operation that may be run again: after damage on a new database, after a full disk with
        room made, after any other failure on a fresh connection. OSError where that fails, too."""
        try:
            return self._operate(operation)
        except OutboxDamaged as damage:
            self._replace(damage)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                self._make_room_or_fail()
            else:
                self.close()
        try:
            return self._operate(operation)
        except OutboxDamaged as damage:
            self.close()
            raise _refused(damage) from damage
        except OSError:
            self.close()
            raise

    def _operate(self, operation: Callable[[Outbox], T]) -> T:
        outbox = self.opened()
        if self._is_streamless:
            self._begin_anew()
        return operation(outbox)

    # Damage

    def begin_stream(self, left: StreamState, lost: Sequence[Mark]) -> None:
        """A new random stream takes new messages. `lost`: streams whose messages may be gone with a
        database."""
        outbox = self.opened()
        with outbox.transaction():
            for mark in lost:
                outbox.note_left_stream(mark)
            outbox.begin_stream(secrets.randbits(32), left)
            if lost:
                outbox.add_loss(Loss(GapCause.STORAGE_DAMAGED, None, self._clock.now(), None, widened=True))
        self._is_streamless = False

    def set_aside(self, damage: OutboxDamaged) -> None:
        """Keep the database for a person to look at; the next operation begins another."""
        self.close()
        self._conditions.state(FaultCode.BUFFER_DAMAGED, f"the database was set aside: {damage}")
        for name in [name for name in self._storage.names() if name in DATABASE_NAMES]:
            set_aside(self._storage, name)
        self._room.limit_quarantine()
        self._open_failures = 0

    def _replace(self, damage: OutboxDamaged) -> None:
        self.set_aside(damage)
        try:
            self._begin_anew()
        except OutboxDamaged as again:
            raise _refused(again) from again

    def _begin_anew(self) -> None:
        """Give a new database its stream; where the disk refuses that, the next operation tries again."""
        self.begin_stream(StreamState.RETIRED, self._files.marks)
        self.replaced = True

    # Room

    def make_room(self) -> None:
        """The disk is full before the bound is: let the reserve go, evict, give pages back to the disk."""
        size_bytes = self._room.release_reserve()
        outbox = self.opened()
        if size_bytes == 0:
            return
        with outbox.transaction():
            lost = self._room.evict(outbox, size_bytes)
        self._room.evicted += lost
        shrink(outbox)
        self.tidy(keep=0)

    def _make_room_or_fail(self) -> None:
        try:
            self.make_room()
        except OutboxDamaged as damage:
            raise _refused(damage) from damage

    def hold_reserve(self) -> None:
        """Have the reserve; where the disk is too full for it, what the backend holds goes for it."""
        for _ in range(GIVE_BACK_STEPS):
            try:
                self._room.hold_reserve()
            except OSError as error:
                if error.errno != errno.ENOSPC or not self._give_back():
                    return  # the next flush tries again
            else:
                return

    def _give_back(self) -> bool:
        """Give room to the disk at nobody's expense; False where there is none."""
        try:
            outbox = self.opened()
            if not has_spare(outbox):
                return False
            with outbox.transaction():
                size_bytes = 2 * self._room.shares.reserve // GIVE_BACK_STEPS
                evict(outbox, size_bytes, self._room.in_flight, acknowledged_only=True)
            shrink(outbox)
            shorten_log(outbox)
        except (OSError, OutboxDamaged) as error:
            self._conditions.note(error)
            return False
        return True

    def tidy(self, keep: int = 1) -> None:
        """Remove sealed journal files but the newest `keep`."""
        try:
            self._files.tidy(lambda group: self.opened().is_sealed(group), keep)
        except (OSError, OutboxDamaged) as error:  # the next seal tries again
            self._conditions.note(error)

    def refresh(self) -> None:
        """Look anew at what lies on disk."""
        try:
            self.size_bytes = self._storage.size_bytes()
            if self._outbox is not None:
                self.counts = self._outbox.counts()
                self._files.marks = self._outbox.marks()
                if self._room.is_enough(self._outbox):
                    self._conditions.end(FaultCode.BUFFER_FULL)
        except (OSError, OutboxDamaged) as error:
            self._conditions.note(error)


def _refused(damage: OutboxDamaged) -> OSError:
    return OSError(errno.EIO, f"outbox: {damage}")
