"""The way to the backend: what waits for a place in the outbox, what leaves it, and what comes back.

Rules that keep it so: PUBACKs, events and losses are kept until one transaction has stored them, with the
next flush at the latest; a message leaves only after the journal has stated, durably, that its sequence is
taken; a message that was handed out counts as in flight, and is not evicted, until the next asking.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TypeVar

from edge_agent.buffer.conditions import Conditions
from edge_agent.buffer.custody import apply_receipt, apply_request, claims_too_much, note_published, reissue
from edge_agent.buffer.flushing import Flushing
from edge_agent.buffer.memory import Memory
from edge_agent.buffer.outbox import Key, Outbox, OutboxMessage, StreamState
from edge_agent.buffer.outbox_keeper import OutboxKeeper
from edge_agent.buffer.recovery import Recovery
from edge_agent.buffer.room import Room
from edge_agent.buffer.selection import Selection
from edge_agent.clock import BootClock
from edge_agent.faults import FaultCode
from protocols.uplink.messages import Event, EventDetail, Receipt, Request

EVENTS_IN_MEMORY_MAX = 64
EVENT_SIZE_BYTES = 1024  # room made for one

T = TypeVar("T")


class Dispatch:
    """`arrived`: PUBACKs, which the event loop appends to; everything else is the storage thread's.
    `frees`: a PUBACK is custody enough."""

    def __init__(
        self,
        clock: BootClock,
        room: Room,
        keeper: OutboxKeeper,
        recovery: Recovery,
        flushing: Flushing,
        conditions: Conditions,
        *,
        frees: bool,
    ) -> None:
        self.arrived: deque[Key] = deque()
        self._clock = clock
        self._room = room
        self._keeper = keeper
        self._recovery = recovery
        self._flushing = flushing
        self._conditions = conditions
        self._frees = frees
        self._published: set[Key] = set()
        self._events: deque[Event] = deque(maxlen=EVENTS_IN_MEMORY_MAX)
        self._selection = Selection()

    @property
    def published(self) -> int:
        """PUBACKs that the outbox does not know of yet."""
        return len(self._published) + len(self.arrived)

    # Into the outbox

    def add_event(self, code: str, subject: str, details: dict[str, EventDetail]) -> None:
        """Keep an event that happened now until `settle`."""
        self._events.append(Event(0, 0, self._clock.now(), self._clock.wall(), code, subject, details))

    def settle(self, memory: Memory) -> None:
        """Store what waits in memory: PUBACKs, events, losses, files that a new database does not know."""
        self._take_published()
        if not (self._published or self._events or memory.losses or self._keeper.replaced):
            return
        try:
            if self._keeper.replaced:
                self._keeper.replaced = False
                self._recovery.adopt_again(memory)
            self._keeper.run(lambda outbox: self._store_waiting(outbox, memory))
        except OSError as error:
            self._conditions.note(error)
            return
        self._published.clear()
        memory.losses.clear()
        self._events.clear()

    def _take_published(self) -> None:
        while self.arrived:
            self._published.add(self.arrived.popleft())

    def _store_waiting(self, outbox: Outbox, memory: Memory) -> None:
        with outbox.transaction():
            note_published(outbox, self._published, self._clock.now(), frees=self._frees)
            for loss in memory.losses.values():
                outbox.add_loss(loss)
            self._room.free(outbox, len(self._events) * EVENT_SIZE_BYTES)
            for event in self._events:
                _store_event(outbox, event)

    # Out of it

    def next_messages(self, memory: Memory, limit: int, in_flight: Collection[Key]) -> list[OutboxMessage]:
        """What to send next. Empty where nothing may leave now."""
        self._room.in_flight = in_flight
        self._take_published()
        try:
            messages = self._keeper.run(lambda outbox: self._select(outbox, memory, limit))
        except OSError as error:
            self._conditions.note(error)
            return []
        self._room.in_flight = {*in_flight, *((message.stream, message.sequence) for message in messages)}
        return messages

    def _select(self, outbox: Outbox, memory: Memory, limit: int) -> list[OutboxMessage]:
        if outbox.has_disputed():
            with outbox.transaction():
                reissue(outbox)
        if outbox.has_losses():
            with outbox.transaction():
                outbox.tell_losses()
        rows = self._selection.choose(outbox, limit, {*self._room.in_flight, *self._published})
        found = [message for row in rows if (message := outbox.message(row)) is not None]
        return found if self._flushing.state_marks(memory, outbox, found) else []

    # Back from the backend

    def apply_receipt(self, memory: Memory, receipt: Receipt) -> None:
        """Apply the backend's word of what it holds."""
        self._run_in_turn(memory, lambda outbox: self._apply_receipt(outbox, receipt))

    def _apply_receipt(self, outbox: Outbox, receipt: Receipt) -> None:
        if claims_too_much(outbox, receipt):
            evidence = (
                f"the backend holds messages of stream {receipt.stream} that were never sent from here: was"
                " an old copy of the storage restored, or the key copied? A new stream began"
            )
            self._conditions.state(FaultCode.UPLINK_RECEIPT, evidence)
            self._keeper.begin_stream(StreamState.DISPUTED, [])
            return
        with outbox.transaction():
            apply_receipt(outbox, receipt, self._clock.now())

    def apply_request(self, memory: Memory, request: Request) -> bool:
        """Send again what the backend asks for. False where the request is an old one, or storage refuses."""

        def operation(outbox: Outbox) -> bool:
            with outbox.transaction():
                return apply_request(outbox, request)

        return self._run_in_turn(memory, operation) or False

    def _run_in_turn(self, memory: Memory, operation: Callable[[Outbox], T]) -> T | None:
        """An operation on the outbox, after what was waiting for it; None where storage refuses."""
        self.settle(memory)
        try:
            return self._keeper.run(operation)
        except OSError as error:
            self._conditions.note(error)
            return None


def _store_event(outbox: Outbox, event: Event) -> None:
    outbox.store(
        lambda stream, sequence: replace(event, stream=stream, sequence=sequence),
        boot=event.at.boot,
        span_ms=(event.at.ms, event.at.ms),
    )
