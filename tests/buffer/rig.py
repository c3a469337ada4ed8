"""A buffer on a folder with a clock that the test turns, and a reader of what ended up in the outbox."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge_agent.buffer.buffer import Buffer, BufferSettings
from edge_agent.clock import BootClock
from edge_agent.faults import Faults
from edge_agent.reading import Reading
from hal.api import ClockOffset, Storage
from hal.storage import FolderStorage
from protocols.uplink.cbor import decode_message, table_bytes_of, table_hash
from protocols.uplink.columns import decode_slots
from protocols.uplink.cose import Signer, verify
from protocols.uplink.messages import Batch, Dictionary, DictionaryMeter, Gap, Message, Series
from protocols.value import NullCause, Scaled

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
TABLE = (
    DictionaryMeter("m1", "DE001", "4711", "eastron", "SDM630", 1, (1, 1), None, tuple(
        Series(quantity, -3, 1000) for quantity in (1, 2, 3, 4))),
    DictionaryMeter("m2", "DE002", "4712", "abb", "B23", 1, (1, 1), None, tuple(
        Series(quantity, -2, 1000) for quantity in (1, 2))),
)  # fmt: skip
SERIES = 6


class HandClock:
    """hal.api.Clock, moved by hand."""

    def __init__(
        self, ms: int = 1_000_000, boot_id: str = "boot-a", offset: ClockOffset | None = None
    ) -> None:
        self.ms = ms
        self.id = boot_id
        self.known = offset

    def boot_ms(self) -> int:
        return self.ms

    def boot_id(self) -> str:
        return self.id

    def offset(self) -> ClockOffset | None:
        return self.known


def readings(due_ms: int, *, series: Iterable[int] = range(SERIES)) -> list[Reading]:
    """One reading of each series; their values say which they are, so that a swap shows."""
    return [
        Reading(n, due_ms, due_ms + 7, None, NullCause.SILENT)
        if (due_ms // 1000 + n) % 11 == 0
        else Reading(n, due_ms, due_ms + 7, Scaled(due_ms * 10 + n, -2), 0)
        for n in series
    ]


def settings(**changes: object) -> BufferSettings:
    return BufferSettings(**{"size_bytes_max": 4 * 1024 * 1024, "batch_interval_s": 900.0, **changes})  # type: ignore[arg-type]


@dataclass
class Rig:
    """A running buffer and what it needs."""

    buffer: Buffer
    clock: HandClock
    faults: Faults
    boot: BootClock

    @property
    def fault_codes(self) -> set[str]:
        return {fault.code.value for fault in self.faults.present()}

    def kill(self) -> None:
        """End without a word, as a killed process does: the system lets go of its locks."""
        self.buffer._recorder._keeper.close()


async def start(
    storage: Storage | Path,
    clock: HandClock | None = None,
    table: tuple[DictionaryMeter, ...] = TABLE,
    **changes: object,
) -> Rig:
    clock = clock or HandClock()
    storage = FolderStorage(storage) if isinstance(storage, Path) else storage
    faults = Faults(clock.boot_ms)
    boot = BootClock(storage, clock)
    buffer = await Buffer.open(settings(**changes), storage, Signer(KEY), boot, faults, table)
    return Rig(buffer, clock, faults, boot)


@dataclass
class Content:
    """Everything an outbox holds, decoded and checked as a backend would."""

    messages: dict[tuple[int, int], Message] = field(default_factory=dict)
    data: dict[tuple[int, int], bytes] = field(default_factory=dict)
    slots: Counter[tuple[int, str, int, int]] = field(default_factory=Counter)
    values: dict[tuple[int, str, int, int], Scaled | None] = field(default_factory=dict)
    tables: dict[bytes, tuple[DictionaryMeter, ...]] = field(default_factory=dict)

    def add(self, data: bytes) -> None:
        payload = verify(data, KEY.public_key())
        message = decode_message(payload)
        place = (message.stream, message.sequence)
        assert self.data.get(place, data) == data, f"{place} with two different contents"
        if place in self.data:
            return
        self.data[place], self.messages[place] = data, message
        if isinstance(message, Dictionary):
            self.tables[table_hash(table_bytes_of(payload))] = message.table

    def decode(self) -> Content:
        self.slots.clear()
        for message in self.messages.values():
            if isinstance(message, Batch):
                self._decode(message)
        return self

    def _decode(self, batch: Batch) -> None:
        places = [(meter.id, s) for meter in self.tables[batch.dictionary] for s in meter.series]
        for slot in decode_slots(batch):
            meter, series = places[slot.series]
            key = (batch.boot, meter, series.quantity, slot.due_ms)
            self.slots[key] += 1
            value = None if slot.integer is None else Scaled(slot.integer, series.exponent)
            self.values[key] = value

    def gaps(self, cause: int | None = None) -> list[Gap]:
        found = [message for message in self.messages.values() if isinstance(message, Gap)]
        return [gap for gap in found if cause is None or gap.cause == cause]

    def batches(self) -> list[Batch]:
        return [message for message in self.messages.values() if isinstance(message, Batch)]


def keys(due_ms: int, boot: int = 1, series: Iterable[int] = range(SERIES)) -> set[tuple[int, str, int, int]]:
    places = [(meter.id, s.quantity) for meter in TABLE for s in meter.series]
    return {(boot, *places[n], due_ms) for n in series}


def read_outbox(folder: Path) -> Content:
    """The outbox as it lies on disk; no buffer may have it open."""
    content = Content()
    database = sqlite3.connect(folder / "outbox.db")
    for stream, sequence, data in database.execute("SELECT stream, sequence, data FROM messages ORDER BY id"):
        content.add(data)
        assert (stream, sequence) in content.data
    for stream, next_sequence in database.execute("SELECT stream, next_sequence FROM streams"):
        taken = [place[1] for place in content.data if place[0] == stream]
        assert max(taken, default=-1) < next_sequence
    database.close()
    return content.decode()
