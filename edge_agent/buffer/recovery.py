"""Back to order at the start: what earlier runs left in journal files goes into the outbox, and what is
missing between their end and this start is told.

Rules that keep it so: a stream goes on only where the database knows at least as much of it as the journal
states; a file of a group that is not recorded is sealed, in batches of its own; a reading that several
files of a group hold counts once; before the very first start nothing is missing. All of it may be run
again from the beginning after any failure.
"""

from __future__ import annotations

from collections.abc import Sequence

from edge_agent.buffer.conditions import Conditions
from edge_agent.buffer.journal import Generation, Mark, Stretch
from edge_agent.buffer.journal_files import JournalFiles
from edge_agent.buffer.loss import Loss
from edge_agent.buffer.memory import Memory
from edge_agent.buffer.outbox import Outbox, StreamState
from edge_agent.buffer.outbox_keeper import OutboxKeeper
from edge_agent.buffer.sealing import Sealing, Unsealable
from edge_agent.faults import FaultCode
from protocols.errors import ProtocolError
from protocols.uplink.cbor import decode_table
from protocols.uplink.messages import GapCause, Instant

SlotKey = tuple[int, object, int]
"""Boot, series by its meaning, due time."""


class Recovery:
    """Works on the parts that it is given; of its own it has nothing but the start's moment."""

    def __init__(
        self,
        keeper: OutboxKeeper,
        files: JournalFiles,
        sealing: Sealing,
        conditions: Conditions,
        run_start: Instant,
    ) -> None:
        self._keeper = keeper
        self._files = files
        self._sealing = sealing
        self._conditions = conditions
        self._run_start = run_start

    def recover(self, memory: Memory, *, give_up: bool) -> None:
        """Bring files and database together and begin a file for this run. OSError or OutboxDamaged: to be
        tried again. `give_up`: files that cannot be read count as damaged."""
        found = self._files.read(memory.groups(), give_up=give_up)
        outbox = self._keeper.opened()
        self._choose_stream(outbox, found)
        if memory.open.group == 0:
            self._files.highest = max(
                [outbox.last_sealed(), *(n for g in found for n in (g.number, g.group))]
            )
            memory.open.group = self._files.new_group()
        self._adopt(memory, found, self._losses(outbox, found))
        self._files.begin(memory)

    def adopt_again(self, memory: Memory) -> None:
        """A new database knows nothing of the files: seal what they hold beside what is in memory."""
        self._adopt(memory, self._files.read(memory.groups(), give_up=False), [])

    def _choose_stream(self, outbox: Outbox, found: Sequence[Generation]) -> None:
        """Go on with the database's stream, unless the journal knows more of it than the database does."""
        stated: dict[int, int] = {}
        for generation in found:
            for stream, next_sequence in generation.marks.items():
                stated[stream] = max(next_sequence, stated.get(stream, 0))
        known = dict(outbox.marks())
        if outbox.active() is not None and all(known.get(s, -1) >= least for s, least in stated.items()):
            return
        self._keeper.begin_stream(StreamState.RETIRED, [Mark(*each) for each in stated.items()])
        if stated:
            text = "the database is missing or older than the journal: a new stream began"
            self._conditions.state(FaultCode.BUFFER_DAMAGED, text)

    def _losses(self, outbox: Outbox, found: Sequence[Generation]) -> list[Loss]:
        """Damaged places, and from the last flush of the run before until this run's start. The latter is
        widened: what a flush covers stays behind what it holds."""
        losses = [
            Loss(GapCause.STORAGE_DAMAGED, start, end, None, widened=True)
            for generation in found
            for start, end in generation.damage
            if not outbox.is_sealed(generation.group)
        ]
        reached = [(g.last, g.number, g.closed) for g in found if g.last is not None]
        last, _, closed = max(reached, default=(outbox.progress(), 0, False))
        if last is not None:
            cause = GapCause.STOPPED if closed else GapCause.UNCLEAN_STOP
            losses.append(Loss(cause, last, self._run_start, None, widened=True))
        return losses

    def _adopt(self, memory: Memory, found: Sequence[Generation], losses: Sequence[Loss]) -> None:
        """Seal what files of earlier runs hold, in batches of their own, and tell the losses."""

        def operation(outbox: Outbox) -> list[Unsealable]:
            unsealed = [generation for generation in found if not outbox.is_sealed(generation.group)]
            groups = {generation.group for generation in unsealed}
            stretches = without_copies(unsealed)
            return self._sealing.store(outbox, groups, stretches, reached=self._run_start, losses=losses)

        unsealable = self._keeper.run(operation)
        damaged = [g.number for g in found if g.damage or any(_is_of(u, g) for u in unsealable)]
        if damaged:
            self._sealing.set_aside(memory, damaged, unsealable)


def _is_of(unsealable: Unsealable, generation: Generation) -> bool:
    lost = unsealable.stretch
    return any(
        (s.boot, s.table_bytes) == (lost.boot, lost.table_bytes) and lost.readings[0] in s.readings
        for s in generation.stretches
    )


def without_copies(generations: Sequence[Generation]) -> list[Stretch]:
    """The stretches of several files, each reading once: a file that took over repeats those before it."""
    seen: set[SlotKey] = set()
    stretches = []
    for generation in sorted(generations, key=lambda each: each.number):
        here: set[SlotKey] = set()
        for stretch in generation.stretches:
            keys = _slot_keys(stretch)
            fresh = [r for r, key in zip(stretch.readings, keys, strict=True) if key not in seen]
            here.update(keys)
            stretches.append(Stretch(stretch.boot, stretch.wall, stretch.table_bytes, fresh))
        seen |= here
    return [stretch for stretch in stretches if stretch.readings]


def _slot_keys(stretch: Stretch) -> list[SlotKey]:
    """What each reading is of. A table that is not readable serves as a name itself."""
    try:
        table = decode_table(stretch.table_bytes)
    except ProtocolError:
        return [(stretch.boot, (stretch.table_bytes, r.series), r.due_ms) for r in stretch.readings]
    names = [(meter.id, series.quantity) for meter in table for series in meter.series]
    return [(stretch.boot, names[r.series], r.due_ms) for r in stretch.readings]
