"""A gateway of few words: it signs whatever a test wants to say, in the next sequence or a chosen one."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric import ed25519

from protocols.uplink import cbor, cose
from protocols.uplink.columns import Slot, plan_columns
from protocols.uplink.messages import (
    Batch,
    Dictionary,
    DictionaryMeter,
    Event,
    Gap,
    Instant,
    Medium,
    Message,
    Series,
    SeriesTable,
    Wall,
)

INTERVAL_MS = 60_000
WALL = Wall(offset_ms=1_790_000_000_000, source=2, uncertainty_ms=20)
STREAM = 77

TABLE: SeriesTable = (
    DictionaryMeter(
        *("m1", "DE0001", "12345678", "Eastron", "SDM630"),
        medium=Medium.ELECTRICITY,
        ratio=(1, 1),
        valid_from_ms=None,
        series=(Series(1, -3, INTERVAL_MS), Series(20, -1, INTERVAL_MS)),
    ),
)


class Gateway:
    """Signs with one key into one stream."""

    def __init__(self, key: cose.PrivateKey | None = None, stream: int = STREAM) -> None:
        key = key or ed25519.Ed25519PrivateKey.generate()
        self.signer = cose.Signer(key)
        self.public_key = key.public_key()
        self.stream = stream
        self.next = 0

    def sign(self, message: Message) -> bytes:
        return self.signer.sign(cbor.encode_message(message))

    def dictionary(self, table: SeriesTable = TABLE, sequence: int | None = None) -> bytes:
        return self.sign(Dictionary(self.stream, self._place(sequence), table))

    def batch(
        self,
        slots: Sequence[Slot],
        sequence: int | None = None,
        *,
        table: SeriesTable = TABLE,
        wall: Wall | None = WALL,
        boot: int = 1,
    ) -> bytes:
        t0_ms, axes, columns, marks = plan_columns(slots, [INTERVAL_MS] * 16)
        named = cbor.table_hash(cbor.encode_table(table))
        place = self._place(sequence)
        return self.sign(Batch(self.stream, place, boot, t0_ms, wall, named, axes, columns, marks))

    def event(
        self, code: str, subject: str = "", sequence: int | None = None, wall: Wall | None = WALL
    ) -> bytes:
        place = self._place(sequence)
        return self.sign(Event(self.stream, place, Instant(1, 5), wall, code, subject, {"why": "test"}))

    def gap(self, gap: Gap, sequence: int | None = None) -> bytes:
        place = self._place(sequence)
        return self.sign(dataclasses.replace(gap, stream=self.stream, sequence=place))

    def _place(self, sequence: int | None) -> int:
        if sequence is None:
            sequence = self.next
        self.next = max(self.next, sequence + 1)
        return sequence


def minute_slots(first: int, count: int, series: int = 0, value: int = 1000) -> list[Slot]:
    """`count` readings of a series, one a minute from minute `first` on."""
    return [
        Slot(series, minute * INTERVAL_MS, minute * INTERVAL_MS + 40, value + minute, 0)
        for minute in range(first, first + count)
    ]
