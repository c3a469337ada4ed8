"""Readings in memory onto the disk.

Rules that keep it so: a journal file only makes the memory survive; when one fails, the next takes over
everything that is in memory, after room was made where the disk is full. What storage refuses stays in
memory, shows in the conditions, and is tried again at the next flush.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence

from edge_agent.buffer.conditions import Conditions
from edge_agent.buffer.journal_files import JournalFiles
from edge_agent.buffer.memory import Memory
from edge_agent.buffer.outbox import Outbox, OutboxDamaged, OutboxMessage
from edge_agent.buffer.outbox_keeper import OutboxKeeper
from edge_agent.faults import FaultCode


class Flushing:
    """Stateless: what is durable stands in the memory, in which file in the journal files."""

    def __init__(self, files: JournalFiles, keeper: OutboxKeeper, conditions: Conditions) -> None:
        self._files = files
        self._keeper = keeper
        self._conditions = conditions

    def flush(self, memory: Memory) -> bool:
        """Write what is not durable yet; True where something was, and now is."""
        unflushed = memory.unflushed()
        if unflushed == 0 and self._files.is_open:
            return False
        try:
            self._files.append_frozen(memory)
            self._files.append(memory)
        except OSError as error:
            if not self._take_over(memory, error):
                return False
        memory.flushed += unflushed
        self._conditions.end(FaultCode.BUFFER_WRITE)
        return True

    def begin(self, memory: Memory) -> None:
        """A file for a group that has just begun."""
        try:
            self._files.begin(memory)
        except OSError as error:
            self._take_over(memory, error)

    def state_marks(self, memory: Memory, outbox: Outbox, messages: Sequence[OutboxMessage]) -> bool:
        """Make durable in the journal that the sequences of these messages are taken; False where that
        fails."""
        if self._files.states((message.stream, message.sequence) for message in messages):
            return True
        self._files.marks = outbox.marks()
        try:
            self._files.state_marks(memory)
        except OSError as error:
            return self._take_over(memory, error)
        return True

    def _take_over(self, memory: Memory, failure: OSError) -> bool:
        """A new file with everything in memory, since the one before failed."""
        self._files.drop()
        try:
            if failure.errno == errno.ENOSPC:
                self._keeper.make_room()
            self._files.append_frozen(memory)
            self._files.begin(memory)
        except (OSError, OutboxDamaged) as error:
            self._conditions.note(error)
            return False
        return True
