"""The journal's files: the one that is written, those that earlier runs and failures left, and what becomes
of each.

Rules that keep it so:
- A file belongs to a group, and all files of a group are sealed by one transaction. A file that takes over
  has a number of its own, repeats all that is in memory of its group, and carries the group's number.
- A file that failed while it was begun is removed: what it was to hold is in memory, and what was durable
  before is in the files before. A file that failed later is left as it is.
- Sequence numbers are stated here, durably, before a message that bears one may leave.
- Of the sealed files the newest is kept: it outlives a database that turns out damaged.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Collection, Iterable

from edge_agent.buffer.journal import (
    Generation,
    Header,
    Journal,
    Mark,
    file_name,
    generation_of,
    read_generation,
)
from edge_agent.buffer.memory import Memory, Unsealed
from edge_agent.buffer.outbox import Key
from edge_agent.buffer.room import set_aside
from edge_agent.clock import BootClock
from hal.api import Storage

NAME_TRIES_MAX = 100


class JournalFiles:
    """`marks`: how far each stream has got, the active one last, as the outbox last said. Every method that
    writes may raise OSError; the current file is then to be dropped."""

    def __init__(self, storage: Storage, clock: BootClock, table_bytes: bytes) -> None:
        self.marks: list[Mark] = []
        self.highest = 0  # number given to a file or a group
        self._storage = storage
        self._clock = clock
        self._table_bytes = table_bytes
        self._current: Journal | None = None
        self._groups: dict[int, int] = {}  # group of each file
        self._marked: dict[int, int] = {}  # what the current file states

    @property
    def is_open(self) -> bool:
        return self._current is not None

    @property
    def size_bytes(self) -> int:
        """Of the current file."""
        return 0 if self._current is None else self._current.size_bytes

    def new_group(self) -> int:
        """A number that no file and no group has."""
        self.highest += 1
        return self.highest

    # Writing

    def begin(self, memory: Memory) -> None:
        """Open a file for the open group, with everything of it that is in memory, durably."""
        journal = self._create(memory.open, memory.durable_ms)
        try:
            _cover(journal, memory)
        except OSError:
            self._discard(journal)
            raise
        self._current = journal
        self._marked = dict(self.marks)

    def append(self, memory: Memory) -> None:
        """Make durable what is new in the open group, in a new file where none is open."""
        if self._current is None:
            self.begin(memory)
            return
        for piece, wall, part in memory.open.fresh():
            self._current.write_readings(piece, wall, part)
        _cover(self._current, memory)

    def append_frozen(self, memory: Memory) -> None:
        """A file of its own for what is frozen, where a part of it is in none."""
        if memory.frozen is not None and memory.frozen.unflushed > 0:
            journal = self._create(memory.frozen, memory.durable_ms)
            journal.sync()
            journal.abandon()
            memory.frozen.unflushed = 0

    def states(self, keys: Iterable[Key]) -> bool:
        """Whether the current file says that these sequences are taken."""
        return all(self._marked.get(stream, 0) > sequence for stream, sequence in keys)

    def state_marks(self, memory: Memory) -> None:
        """Make durable how far each stream has got."""
        if self._current is None:
            self.begin(memory)
            return
        for mark in self.marks:
            if self._marked.get(mark.stream) != mark.next_sequence:
                self._current.write_mark(mark)
        self._current.sync()
        self._marked = dict(self.marks)

    def end(self, covered_ms: int) -> None:
        """State that this run ended in an orderly way."""
        if self._current is not None:
            self._current.write_close(covered_ms)
            self._current.sync()

    def drop(self) -> None:
        """Let go of the current file; the next write begins another."""
        journal, self._current = self._current, None
        if journal is not None:
            with contextlib.suppress(OSError):  # it has failed already, or all of it is sealed
                journal.abandon()

    def _create(self, unsealed: Unsealed, durable_ms: int) -> Journal:
        """A file that holds these readings, not yet synced."""
        journal = self._create_empty(unsealed, durable_ms)
        try:
            for piece, stretch in enumerate(unsealed.stretches):
                journal.write_readings(piece, stretch.wall, stretch.readings)
        except OSError:
            self._discard(journal)
            raise
        return journal

    def _create_empty(self, unsealed: Unsealed, durable_ms: int) -> Journal:
        for _ in range(NAME_TRIES_MAX):
            self.highest += 1
            self._groups[self.highest] = unsealed.group
            with contextlib.suppress(FileExistsError):
                return Journal(self._storage, self._header(unsealed, durable_ms))
        raise OSError(errno.EEXIST, "no name is free for a journal file")

    def _header(self, unsealed: Unsealed, durable_ms: int) -> Header:
        stretches = unsealed.stretches
        return Header(
            self.highest,
            unsealed.group,
            self._clock.boot,
            self._clock.boot_id,
            durable_ms,
            stretches[0].wall if stretches else self._clock.wall(),
            self._table_bytes,
            tuple(self.marks),
        )

    def _discard(self, journal: Journal) -> None:
        with contextlib.suppress(OSError):
            journal.abandon()
            self._storage.remove(file_name(journal.generation))

    # Files on disk

    def read(self, held: Collection[int], *, give_up: bool) -> list[Generation]:
        """What the files hold, but those of the groups that are `held` in memory. `give_up`: a file that
        cannot be read counts as damaged."""
        found = []
        for number in self._numbers():
            if self._groups.get(number) not in held:
                generation = self._read(number, give_up=give_up)
                self._groups[number] = generation.group
                found.append(generation)
        return found

    def _read(self, number: int, *, give_up: bool) -> Generation:
        try:
            return read_generation(self._storage.read(file_name(number)), number)
        except OSError:
            if not give_up:
                raise
            return Generation(number, damage=[(None, None)])

    def set_aside(self, numbers: Iterable[int]) -> None:
        """Keep files for a person to look at, where nothing here opens them."""
        for number in numbers:
            set_aside(self._storage, file_name(number))

    def of_group(self, group: int) -> list[int]:
        """The numbers of the files of a group."""
        return [number for number in self._numbers() if self._groups.get(number) == group]

    def tidy(self, is_sealed: Callable[[int], bool], keep: int) -> None:
        """Remove the files of sealed groups but the newest `keep`."""
        sealed = [number for number in self._numbers() if is_sealed(self._groups.get(number, number))]
        for number in sealed[: len(sealed) - keep]:
            self._storage.remove(file_name(number))
            self._groups.pop(number, None)

    def _numbers(self) -> list[int]:
        numbers = (generation_of(name) for name in self._storage.names())
        return [number for number in numbers if number is not None]


def _cover(journal: Journal, memory: Memory) -> None:
    journal.write_covered(memory.covered_ms)
    journal.sync()
    memory.note_durable()
