"""The last reading of each counter, kept through restarts, so that one that fell meanwhile is noticed.

Rules:
- Written at most every SAVE_INTERVAL_MS and at an orderly stop, not at each flush: a counter's older value
  still tells that it fell, and a write each ten seconds would cost the card more than the readings.
- One small file, replaced atomically, with a checksum. What cannot be read is compared with nothing, once.
- The file knows meters and quantities by name: what the configuration changes around them does not matter.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

import msgspec

from edge_agent.clock import BootClock
from hal.api import Storage
from protocols.value import Scaled

FILE = "last-counters"
FILE_SIZE_BYTES_MAX = 4 * 1024 * 1024
SAVE_INTERVAL_MS = 900_000


class CounterNote(NamedTuple):
    """A counter's value (integer x 10^exponent), and when it was taken, on the boot axis of the file."""

    integer: int
    exponent: int
    time_ms: int


class MeterNote(msgspec.Struct, frozen=True):
    """What was known of a meter: `serial` as configured or as told, "" for neither; counters by quantity."""

    serial: str
    counters: dict[str, CounterNote]

    def values(self) -> dict[str, Scaled]:
        """The counters' values."""
        return {name: Scaled(note.integer, note.exponent) for name, note in self.counters.items()}


class Notes(msgspec.Struct, frozen=True):
    """All meters, with the boot on whose axis their times lie, and its offset to UTC where it was known."""

    boot: int = 0
    offset_ms: int | None = None
    meters: dict[str, MeterNote] = {}

    def shift_ms(self, boot: int, offset_ms: int | None) -> int | None:
        """What to add to the file's times so that they lie on another boot's axis; None: nobody knows."""
        if boot == self.boot:
            return 0
        return None if offset_ms is None or self.offset_ms is None else self.offset_ms - offset_ms


class CounterMemory:
    """`notes` is what earlier runs left. `save` belongs to the storage thread; `is_due` has it write. `take`
    gives what is to be kept, on that thread.

    `write_error`: what the system said to the last write, "" where it went well.
    """

    def __init__(self, storage: Storage, clock: BootClock) -> None:
        """Reads; blocks. Never fails."""
        self._storage = storage
        self._clock = clock
        self._saved_ms = clock.boot_ms()
        self.notes = _load(storage)
        self.take: Callable[[], Mapping[str, MeterNote]] | None = None
        self.is_due = False
        self.write_error = ""

    def save(self) -> None:
        """Make the present counters durable, where the last time is long enough ago or `is_due` says so."""
        now_ms = self._clock.boot_ms()
        is_time = self.is_due or now_ms - self._saved_ms >= SAVE_INTERVAL_MS
        if self.take is None or not is_time:
            return
        self.is_due, self._saved_ms = False, now_ms
        notes = Notes(self._clock.boot, self._clock.piece_offset_ms, dict(self.take()))
        try:
            self._storage.replace(FILE, _encode(notes))
        except OSError as error:
            self.write_error = error.strerror or str(error)
            return
        self.write_error = ""


def forget_counters(storage: Storage, meters: Collection[str]) -> None:
    """Remove, durably, what is kept of these meters, while no agent runs. Raises OSError."""
    notes = _load(storage)
    if not notes.meters.keys().isdisjoint(meters):
        kept = {name: note for name, note in notes.meters.items() if name not in meters}
        storage.replace(FILE, _encode(msgspec.structs.replace(notes, meters=kept)))


def _encode(notes: Notes) -> bytes:
    body = msgspec.json.encode(notes)
    return body + f"\n{zlib.crc32(body):08x}\n".encode()


def _load(storage: Storage) -> Notes:
    try:
        data = storage.read(FILE)
        body, _, check = data.rstrip(b"\n").rpartition(b"\n")
        if len(data) > FILE_SIZE_BYTES_MAX or f"{zlib.crc32(body):08x}".encode() != check:
            return Notes()
        return msgspec.json.decode(body, type=Notes)
    except (OSError, msgspec.MsgspecError):
        return Notes()
