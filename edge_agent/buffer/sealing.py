"""Readings into the outbox: one transaction stores the batches of a group, the dictionaries that they need,
and that the group is sealed.

Rules that keep it so: a group whose number is recorded is never sealed again, so that an operation may be
run twice. A commit that failed may have happened. A stretch that cannot be sealed at all never stops the
others, nor the agent at each start: it is lost with a gap that counts it, in the same transaction, and its
files are set aside. An exponent that a series came to need stays for the batches that follow.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import NamedTuple

from edge_agent.buffer.conditions import Conditions
from edge_agent.buffer.journal import Stretch
from edge_agent.buffer.journal_files import JournalFiles
from edge_agent.buffer.loss import Loss
from edge_agent.buffer.memory import Memory, Unsealed, loss_of
from edge_agent.buffer.outbox import Outbox
from edge_agent.buffer.outbox_keeper import OutboxKeeper
from edge_agent.buffer.room import Room
from edge_agent.buffer.seal import PlannedBatch, SealPlan, plan_seal
from edge_agent.buffer.timeline import note_stretches, pieces_size_bytes, tell_dates
from edge_agent.faults import FaultCode
from protocols.errors import ProtocolError
from protocols.uplink.cbor import TooLargeError, decode_table
from protocols.uplink.messages import GapCause, Instant


class Unsealable(NamedTuple):
    """A stretch that no message can hold, and why."""

    stretch: Stretch
    reason: str


class Sealing:
    """Remembers the exponents that series of the present table came to need."""

    def __init__(
        self,
        keeper: OutboxKeeper,
        files: JournalFiles,
        room: Room,
        conditions: Conditions,
        table_bytes: bytes,
    ) -> None:
        self._keeper = keeper
        self._files = files
        self._room = room
        self._conditions = conditions
        self._table_bytes = table_bytes
        self._exponents: dict[int, int] = {}

    def commit(self, memory: Memory, sealing: Unsealed, reached: Instant) -> bool:
        """Seal a group of the memory. False where it failed, or may have failed: it is to be kept as it is
        and committed again."""

        def operation(outbox: Outbox) -> list[Unsealable]:
            if outbox.is_sealed(sealing.group):
                return []  # the commit that was reported as failed has happened
            return self.store(outbox, [sealing.group], sealing.stretches, reached=reached)

        try:
            unsealable = self._keeper.run(operation)
        except OSError as error:
            self._conditions.note(error)
            return False
        memory.flushed += sealing.unflushed
        if unsealable:
            try:
                self.set_aside(memory, self._files.of_group(sealing.group), unsealable)
            except OSError as error:  # the loss is told; the files go with the other sealed ones
                self._conditions.note(error)
        return True

    def set_aside(self, memory: Memory, numbers: Sequence[int], unsealable: Sequence[Unsealable]) -> None:
        """Keep journal files that are damaged, or whose readings could not be sealed, for a person."""
        memory.dropped += sum(len(stretch.readings) for stretch, _ in unsealable)
        reason = f": {unsealable[0].reason}" if unsealable else ""
        evidence = f"{len(numbers)} damaged journal files were set aside{reason}"
        self._conditions.state(FaultCode.BUFFER_DAMAGED, evidence)
        self._files.set_aside(numbers)
        self._room.limit_quarantine()

    def store(
        self,
        outbox: Outbox,
        groups: Collection[int],
        stretches: Sequence[Stretch],
        *,
        reached: Instant,
        losses: Sequence[Loss] = (),
    ) -> list[Unsealable]:
        """Store the stretches and the losses, and record the groups. `reached`: until when readings are
        accounted for. What could not be sealed, and is lost."""
        plans, unsealable = self._plan(stretches)
        gone = [loss_of(GapCause.STORAGE_DAMAGED, s.boot, s.readings) for s, _ in unsealable]
        with outbox.transaction():
            for loss in (*losses, *gone):
                outbox.add_loss(loss)
            self._store(outbox, plans)
            note_stretches(outbox, stretches)
            self._room.free(outbox, pieces_size_bytes(outbox))
            tell_dates(outbox)
            for group in groups:
                outbox.note_sealed(group)
            outbox.note_progress(reached)
        return unsealable

    def _plan(self, stretches: Sequence[Stretch]) -> tuple[list[SealPlan], list[Unsealable]]:
        plans: list[SealPlan] = []
        unsealable: list[Unsealable] = []
        for stretch in stretches:
            if not stretch.readings:
                continue
            own = stretch.table_bytes == self._table_bytes
            try:
                plan = plan_seal(stretch, self._exponents if own else {})
            except (ProtocolError, TooLargeError) as error:
                unsealable.append(Unsealable(stretch, str(error)))
                continue
            plans.append(plan)
            if own:
                self._exponents = plan.exponents
        return plans, unsealable

    def _store(self, outbox: Outbox, plans: Sequence[SealPlan]) -> None:
        needed = sum(len(plan.table_bytes) + sum(b.size_bytes for b in plan.batches) for plan in plans)
        self._room.free(outbox, needed)
        for plan in plans:
            outbox.store_dictionary(decode_table(plan.table_bytes), plan.table_bytes)
            for planned in plan.batches:
                _store_batch(outbox, planned)


def _store_batch(outbox: Outbox, planned: PlannedBatch) -> None:
    batch = planned.batch
    outbox.store(
        lambda stream, sequence: replace(batch, stream=stream, sequence=sequence),
        dictionary=batch.dictionary,
        readings=planned.readings,
        boot=batch.boot,
        span_ms=(planned.from_ms, planned.to_ms),
    )
