"""The verdict on a run, from records that were written independently of each other.

1. The meters' own log (`meters.jsonl`): what each simulated meter answered, written by the plant.
2. The agent's outbox: the signed messages, decoded from the specification.
3. The receiver's export: what the backend verified and stored.

A reading is lost when the outbox has it and the store does not, or when a slot of its schedule is not
there at all; it is wrong when the store has a counter value that its meter never gave. (A meter's answer
that is nowhere stored proves nothing here: `edgectl read` asks meters, too. The kill proof, where nobody
does, counts those.)
"""

from __future__ import annotations

import contextlib
import itertools
import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from edge_agent.buffer.outbox import DATABASE_NAME
from protocols.quantities import by_name, by_number
from protocols.uplink.cbor import decode_message, encode_table, table_hash
from protocols.uplink.columns import decode_slots
from protocols.uplink.cose import read_envelope
from protocols.uplink.messages import Batch, Dictionary, Gap, Message, SeriesTable
from protocols.value import Scaled


class Slot(NamedTuple):
    """One due slot of one series, and what it brought (None: a null)."""

    meter: str
    quantity: str
    boot: int
    due_ms: int
    value: str | None


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run came to. `bytes_on_wire`: every byte of the TCP streams, both ways, TLS included."""

    readings_taken: int
    readings_verified: int
    lost: int
    duplicated: int
    unverified: int
    wrong: int
    messages: int
    gaps: int
    bytes_on_wire: int
    bytes_per_reading: float
    link_cuts: int

    @property
    def good(self) -> bool:
        """Nothing lost, nothing twice, nothing unverified, nothing wrong, and something read at all."""
        return not (self.lost or self.duplicated or self.unverified or self.wrong) and self.readings_taken > 0

    def as_dict(self) -> dict[str, int | float]:
        """For `--json`."""
        return asdict(self)

    def as_text(self) -> str:
        """For people."""
        rows = [f"  {name.replace('_', ' '):<20}{value:>12}" for name, value in self.as_dict().items()]
        verdict = "Everything arrived, once." if self.good else "NOT GOOD: see the rows above."
        return "\n".join(["", "Summary of the run", *rows, "", verdict])


def judge(
    folder: Path, stored: list[Slot], status: dict[str, object], bytes_on_wire: int, cuts: int, wrong: int
) -> Summary:
    """Compare the records that lie in `folder` with what the receiver stored; `wrong` as the meters judge."""
    messages = list(read_outbox(folder))
    sealed = Counter(iter_slots(messages))
    held = Counter(stored)
    taken = sum(slot.value is not None for slot in sealed.elements())
    return Summary(
        readings_taken=taken,
        readings_verified=sum(slot.value is not None for slot in held.elements()),
        lost=(sealed - held).total() + count_unslotted(stored, intervals_ms(messages)),
        duplicated=count_duplicates(stored),
        unverified=count_unverified(status),
        wrong=wrong,
        messages=len(messages),
        gaps=sum(isinstance(message, Gap) for message in messages),
        bytes_on_wire=bytes_on_wire,
        bytes_per_reading=round(bytes_on_wire / taken, 2) if taken else 0.0,
        link_cuts=cuts,
    )


def read_outbox(folder: Path) -> Iterator[Message]:
    """Every message that the agent signed and still has, in order; each stream has a database of its own."""
    state = folder / "state"
    for path in (state / "buffer" / DATABASE_NAME, *sorted(state.glob(f"streams/*/{DATABASE_NAME}"))):
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            rows = database.execute("SELECT data FROM messages ORDER BY stream, sequence").fetchall()
        for (data,) in rows:
            yield decode_message(read_envelope(data).payload)


def iter_slots(messages: Iterable[Message]) -> Iterator[Slot]:
    """The slots of all batches, each by its dictionary."""
    messages = list(messages)
    tables = {table_hash(encode_table(m.table)): m.table for m in messages if isinstance(m, Dictionary)}
    for batch in messages:
        if isinstance(batch, Batch):
            series = list(_series(tables[batch.dictionary]))
            for slot in decode_slots(batch):
                meter, quantity, exponent = series[slot.series]
                value = None if slot.integer is None else plain(Scaled(slot.integer, exponent))
                yield Slot(meter, quantity, batch.boot, slot.due_ms, value)


def read_export(text: str) -> list[Slot]:
    """The receiver's export, as slots."""
    slots = []
    for row in json.loads(text):
        value = None if row["value"] is None else plain_text(row["value"])
        slots.append(Slot(row["meter"], row["quantity"], row["boot"], row["due_ms"], value))
    return slots


class Answer(NamedTuple):
    """What a meter said of one counter."""

    meter: str
    quantity: str
    value: str


def read_meter_log(path: Path) -> Iterator[Answer]:
    """The counters of every answer in the meters' own log; gauges are quantised on the way and differ."""
    for line in path.read_text().splitlines():
        row = json.loads(line)
        if not row["polled"]:
            continue
        for quantity, value in row["values"].items():
            if by_name(quantity).kind == "counter":
                yield Answer(row["meter"], quantity, plain_text(value))


Intervals = dict[tuple[str, str], int]


def intervals_ms(messages: Iterable[Message]) -> Intervals:
    """How often each series is due, as the dictionaries state it."""
    return {
        (meter.id, by_number(series.quantity).name): series.interval_ms
        for message in messages
        if isinstance(message, Dictionary)
        for meter in message.table
        for series in meter.series
    }


def count_unslotted(stored: Iterable[Slot], intervals: Intervals) -> int:
    """Slots of the schedule that nothing was stored for, neither a value nor a null, between the first
    regular slot of a series and its last; the read at the start lies off the schedule."""
    dues: dict[tuple[str, str, int], list[int]] = {}
    for slot in stored:
        dues.setdefault((slot.meter, slot.quantity, slot.boot), []).append(slot.due_ms)
    missing = 0
    for (meter, quantity, _), times in dues.items():
        regular = sorted(set(times))[1:]
        steps = [later - earlier for earlier, later in itertools.pairwise(regular)]
        missing += sum(round(step / intervals[meter, quantity]) - 1 for step in steps)
    return missing


def count_unstored(answers: list[Answer], stored: list[Slot]) -> int:
    """Answers of polled meters that the store does not have."""
    held = {Answer(slot.meter, slot.quantity, slot.value) for slot in stored if slot.value is not None}
    return len(set(answers) - held)


def count_wrong(answers: list[Answer], stored: list[Slot]) -> int:
    """Stored counters of polled meters that their meter never gave."""
    given = set(answers)
    polled = {(answer.meter, answer.quantity) for answer in answers}
    return sum(
        Answer(slot.meter, slot.quantity, slot.value) not in given
        for slot in stored
        if slot.value is not None and (slot.meter, slot.quantity) in polled
    )


def count_duplicates(stored: list[Slot]) -> int:
    """Slots that the store has more than once."""
    keys = Counter((slot.meter, slot.quantity, slot.boot, slot.due_ms) for slot in stored)
    return sum(count - 1 for count in keys.values())


def count_unverified(status: dict[str, object]) -> int:
    """Messages that the receiver refused, or could not decode."""
    verdicts = status["verdicts"]
    assert isinstance(verdicts, dict)
    return sum(count for name, count in verdicts.items() if name not in ("accepted", "duplicate"))


def count_sealed(folder: Path) -> int:
    """Messages in the agent's outbox."""
    return sum(1 for _ in read_outbox(folder))


def count_held(status: dict[str, object]) -> int:
    """Messages in the receiver's store."""
    streams = status["streams"]
    assert isinstance(streams, list)
    return sum(int(stream["messages"]) for stream in streams)


def plain(value: Scaled) -> str:
    """One spelling for equal values."""
    return str(value.normalised())


def plain_text(text: str) -> str:
    """One spelling for equal values."""
    return f"{Decimal(text).normalize():f}"


def _series(table: SeriesTable) -> Iterator[tuple[str, str, int]]:
    for meter in table:
        for series in meter.series:
            yield meter.id, by_number(series.quantity).name, series.exponent
