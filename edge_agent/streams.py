"""Several streams of one gateway: a Buffer for each, with one face towards the agent and the session.

A stream of the configuration has a folder, journal, outbox, bound and sequence of its own, so that nothing
of one can push out, hold up or give away anything of another, and all of it can be erased as a whole
(edge_agent/stream_erasure.py). Made only where there are streams; else the agent has its Buffer alone.

Rules that keep it so:
- Outside of this module series have one numbering, that of the whole gateway; each Buffer has its own.
- By priority, but the stream that waited longest has a quarter of the sends: none starves.
- A stream that left the configuration is opened, without meters, until the backend holds all of it.
- Each stream tells its name, once in each run and each time that it had to begin anew: how else would a
  backend know a second stream from a restarted one?
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from config.load import ID_PATTERN, SIZE_BYTES_MIN, Gateway
from config.model import StreamConfig
from config.streams import MAIN_PRIORITY, MAIN_STREAM, STREAMS_MAX, main_size_bytes
from edge_agent.buffer.buffer import Buffer, BufferSettings, BufferStatistics, OutboxMessage
from edge_agent.buffer.settings import STREAMS_FOLDER
from edge_agent.clock import BootClock
from edge_agent.faults import Faults
from edge_agent.readers import series_table
from edge_agent.reading import Reading
from hal.storage import FolderStorage
from protocols.uplink.cose import Signer
from protocols.uplink.messages import EventDetail, Receipt, Request, SeriesTable, Wall

DRAINED_NAME = "drained"  # in the folder of a stream that left, once the backend holds all of it
STREAM_OPEN = "stream.open"
METERS_NAME = "meters"  # the ids of those that the stream ever had: what erasing it has to look for
TURN_SHARE = 4  # one send in so many goes to the stream that waited longest


class StreamPlan(NamedTuple):
    """A stream as it is to be opened. `places`: its meters, by their place in the file. `config` None: the
    main stream, or one that left the configuration."""

    id: str
    config: StreamConfig | None
    priority: int
    places: tuple[int, ...]
    is_left: bool = False


@dataclass(slots=True, eq=False)
class StreamPart:
    """A stream and its buffer. `told`: under which number its name was told in this run; `served`: at which
    send its turn was last."""

    plan: StreamPlan
    buffer: Buffer
    told: int | None = None
    served: int = 0


def plan_streams(gateway: Gateway) -> list[StreamPlan]:
    """The streams of the configuration, the main one first."""
    file = gateway.file
    place_of = {meter.id: place for place, meter in enumerate(file.meters)}
    named = [
        StreamPlan(each.id, each, each.priority, tuple(sorted(place_of[name] for name in each.meters)))
        for each in file.streams
    ]
    taken = {place for plan in named for place in plan.places}
    rest = tuple(place for place in range(len(file.meters)) if place not in taken)
    return [StreamPlan(MAIN_STREAM, None, MAIN_PRIORITY, rest), *named]


def stream_tables(gateway: Gateway) -> list[SeriesTable]:
    """The dictionary's table of each configured stream, the main one first."""
    table = series_table(gateway)
    return [tuple(table[place] for place in plan.places) for plan in plan_streams(gateway)]


def has_streams(gateway: Gateway) -> bool:
    """Whether there is more than the one stream that each gateway has."""
    return bool(gateway.file.streams or left_streams(gateway))


def left_streams(gateway: Gateway) -> list[StreamPlan]:
    """Streams that are no longer configured and of which the backend may lack something. At most
    STREAMS_MAX of them: the others' turn comes at a later start."""
    folder = gateway.state_folder / STREAMS_FOLDER
    configured = {stream.id for stream in gateway.file.streams}
    names = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    left = [name for name in names if ID_PATTERN.fullmatch(name) and name not in configured]
    open_ends = [name for name in left if not (folder / name / DRAINED_NAME).exists()]
    return [StreamPlan(name, None, MAIN_PRIORITY, (), is_left=True) for name in open_ends[:STREAMS_MAX]]


async def open_streams(
    gateway: Gateway, main_storage: FolderStorage, signer: Signer, clock: BootClock, faults: Faults
) -> Streams:
    """Recover each stream's buffer. Raises as `Buffer.open`, and OSError where a folder cannot be used."""
    tables = stream_tables(gateway)
    parts: list[StreamPart] = []
    left = left_streams(gateway)
    try:
        for plan, table in zip([*plan_streams(gateway), *left], [*tables, *[()] * len(left)], strict=True):
            storage = main_storage if plan.id == MAIN_STREAM else _storage(gateway, plan, table)
            settings = _settings(gateway, plan, storage)
            subject = "buffer" if plan.id == MAIN_STREAM else f"buffer {plan.id}"
            buffer = await Buffer.open(settings, storage, signer, clock, faults, table, subject=subject)
            parts.append(StreamPart(plan, buffer))
    except BaseException:
        for part in parts:
            await part.buffer.close()
        raise
    return Streams(parts, _series_places(tables, parts), gateway.state_folder / STREAMS_FOLDER)


def _storage(gateway: Gateway, plan: StreamPlan, table: SeriesTable) -> FolderStorage:
    folder = gateway.state_folder / STREAMS_FOLDER / plan.id
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    storage = FolderStorage(folder)
    if DRAINED_NAME in storage.names():
        storage.remove(DRAINED_NAME)  # it is configured again
    with contextlib.suppress(OSError):  # the buffer tells of the disk; the next start tries again
        _note_meters(storage, [meter.id for meter in table])
    return storage


def _note_meters(storage: FolderStorage, meters: Sequence[str]) -> None:
    known = read_meters(storage)
    if not known.issuperset(meters):
        storage.replace(METERS_NAME, "\n".join(sorted(known.union(meters))).encode())


def read_meters(storage: FolderStorage) -> set[str]:
    """The ids of all meters that the stream in a folder ever had. Raises OSError."""
    if METERS_NAME not in storage.names():
        return set()
    return set(storage.read(METERS_NAME).decode(errors="replace").split("\n"))


def _settings(gateway: Gateway, plan: StreamPlan, storage: FolderStorage) -> BufferSettings:
    """One that left may take what it has, and room to state how far it got: its share is no longer there."""
    file = gateway.file
    if plan.config is not None:
        size_bytes_max = plan.config.size_bytes_max
    elif plan.is_left:
        size_bytes_max = SIZE_BYTES_MIN + 3 * storage.size_bytes()
    else:
        size_bytes_max = main_size_bytes(file)
    own_interval_s = None if plan.config is None else plan.config.batch_interval_s
    return BufferSettings(
        size_bytes_max=size_bytes_max,
        flush_interval_s=file.buffer.flush_interval_s,
        batch_interval_s=own_interval_s or file.uplink.batch_interval_s,
        free_on=file.uplink.free_on,
    )


def _series_places(
    tables: Sequence[SeriesTable], parts: Sequence[StreamPart]
) -> list[tuple[StreamPart, int]]:
    """For each series of the gateway, its stream and its number there."""
    numbered: dict[int, list[tuple[StreamPart, int]]] = {}
    for part, table in zip(parts, tables, strict=False):  # those that left have no meters
        first = 0
        for place, meter in zip(part.plan.places, table, strict=True):
            numbered[place] = [(part, first + number) for number in range(len(meter.series))]
            first += len(meter.series)
    return [each for place in sorted(numbered) for each in numbered[place]]


class Streams:
    """What Buffer offers, for all streams; events go into the first, the main one. Made by `open_streams`."""

    def __init__(
        self, parts: Sequence[StreamPart], places: Sequence[tuple[StreamPart, int]], folder: Path
    ) -> None:
        self.parts = parts
        self._places = places
        self._folder = folder
        self._by_priority = sorted(parts, key=lambda part: part.plan.priority)
        self._owners: dict[int, Buffer] = {}  # of the streams whose messages were handed out
        self._sends = 0
        self._turn = 0  # the send at which the one that waited longest was last served

    # Readings and events

    def before_persist(self, action: Callable[[], None]) -> None:
        """As Buffer's; the streams' threads take turns at `action`."""
        lock = threading.Lock()

        def act() -> None:
            with lock:
                action()

        for part in self.parts:
            part.buffer.before_persist(act)

    def account_by(self, accounted_ms: Callable[[], int]) -> None:
        for part in self.parts:
            part.buffer.account_by(accounted_ms)

    def record(self, readings: Sequence[Reading]) -> None:
        """As Buffer's, by the gateway's series numbers."""
        beyond = max((reading.series for reading in readings), default=-1)
        if beyond >= len(self._places):
            raise ValueError(f"a reading of series {beyond}, beyond the gateway's {len(self._places)}")
        split: dict[StreamPart, list[Reading]] = {}
        for reading in readings:
            part, number = self._places[reading.series]
            split.setdefault(part, []).append(reading._replace(series=number))
        for part, own in split.items():
            part.buffer.record(own)

    def pass_over(self, count: int, after_ms: int, before_ms: int) -> None:
        """Of which stream's meters those slots were is not known here: where several have meters, each
        states a gap without a count."""
        concerned = [part for part in self.parts if part.plan.places]
        for part in concerned:
            part.buffer.pass_over(count if len(concerned) == 1 else None, after_ms, before_ms)

    async def run(self) -> None:
        """Flush and seal each stream at its own intervals, for ever."""
        async with asyncio.TaskGroup() as group:
            for part in self.parts:
                group.create_task(part.buffer.run(), name=f"buffer {part.plan.id}")

    async def flush(self) -> None:
        await asyncio.gather(*(part.buffer.flush() for part in self.parts))

    async def seal_now(self) -> None:
        await asyncio.gather(*(part.buffer.seal_now() for part in self.parts))

    async def set_wall_piece(self, wall: Wall | None) -> None:
        await asyncio.gather(*(part.buffer.set_wall_piece(wall) for part in self.parts))

    async def add_event(self, code: str, subject: str, details: dict[str, EventDetail]) -> None:
        """As Buffer's, into the main stream: no event of the gateway tells of a person's meter alone."""
        await self.parts[0].buffer.add_event(code, subject, details)

    # To the backend and back

    async def next_messages(self, limit: int, in_flight: Collection[tuple[int, int]]) -> list[OutboxMessage]:
        """As Buffer's: the most urgent stream that has something, and one send in TURN_SHARE for the one
        that waited longest."""
        for part in self.parts:
            await self._tell_name(part)
        taken = set(in_flight)
        found: list[OutboxMessage] = []
        waiting = list(self._by_priority)
        asked: set[StreamPart] = set()
        while waiting and len(found) < limit:
            part, most = self._next_part(waiting)
            wanted = min(most, limit - len(found))
            messages = await part.buffer.next_messages(wanted, taken)
            asked.add(part)
            self._note_served(part, messages, is_turn=most == 1)
            taken.update((message.stream, message.sequence) for message in messages)
            found += messages
            if not messages:  # fewer than wanted may be, though there are more
                waiting.remove(part)
        for part in self.parts:
            if part not in asked:  # its news count as seen; or `wait_for_messages` would not wait
                await part.buffer.next_messages(0, taken)
        return found

    def _next_part(self, waiting: Sequence[StreamPart]) -> tuple[StreamPart, int]:
        """Whose sends are next, and how many of them before another's turn."""
        rest = TURN_SHARE - 1 - (self._sends - self._turn)
        if rest > 0:
            return waiting[0], rest
        return min(waiting, key=lambda part: part.served), 1

    def _note_served(self, part: StreamPart, messages: Sequence[OutboxMessage], *, is_turn: bool) -> None:
        for message in messages:
            self._owners[message.stream] = part.buffer
        if messages:
            self._sends += len(messages)
            part.served = self._sends
            if is_turn and self._sends - self._turn >= TURN_SHARE:
                self._turn = self._sends

    async def _tell_name(self, part: StreamPart) -> None:
        stream = part.buffer.statistics().stream
        if stream != part.told:
            part.told = stream
            await part.buffer.add_event(STREAM_OPEN, part.plan.id, {})

    async def wait_for_messages(self) -> None:
        """Return when any stream may have something new."""
        waits = [asyncio.create_task(part.buffer.wait_for_messages()) for part in self.parts]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def mark_published(self, stream: int, sequence: int) -> None:
        await self._owners[stream].mark_published(stream, sequence)

    async def apply_receipt(self, receipt: Receipt) -> None:
        """Offered to all: only the one that knows the stream takes it."""
        for part in self.parts:
            await part.buffer.apply_receipt(receipt)

    async def apply_request(self, request: Request) -> None:
        """Offered to all: only the one that knows the stream takes it."""
        for part in self.parts:
            await part.buffer.apply_request(request)

    # At a glance, and the end

    def statistics(self) -> BufferStatistics:
        """All streams together; stream and sequence are those of the main one."""
        each = [part.buffer.statistics() for part in self.parts]
        flushes = [known.last_flush_boot_ms for known in each if known.last_flush_boot_ms is not None]
        oldest = [known.oldest_unacknowledged for known in each if known.oldest_unacknowledged is not None]
        return replace(
            each[0],
            readings_recorded=sum(known.readings_recorded for known in each),
            readings_flushed=sum(known.readings_flushed for known in each),
            readings_pending=sum(known.readings_pending for known in each),
            last_flush_boot_ms=max(flushes, default=None),
            flush_ms_max=max(known.flush_ms_max for known in each),
            messages_unsent=sum(known.messages_unsent for known in each),
            messages_published=sum(known.messages_published for known in each),
            messages_acknowledged=sum(known.messages_acknowledged for known in each),
            oldest_unacknowledged=min(oldest, default=None),
            size_bytes=sum(known.size_bytes for known in each),
            size_bytes_max=sum(known.size_bytes_max for known in each),
            evicted_messages=sum(known.evicted_messages for known in each),
            dropped_readings=sum(known.dropped_readings for known in each),
        )

    async def finish(self) -> None:
        await asyncio.gather(*(part.buffer.finish() for part in self.parts))

    async def close(self) -> None:
        """As Buffer's. One that left and has nothing more to send is not opened again."""
        for part in self.parts:
            known = part.buffer.statistics()
            await part.buffer.close()
            if part.plan.is_left and not (known.messages_unsent or known.messages_published):
                with contextlib.suppress(OSError):  # then it is opened once more
                    FolderStorage(self._folder / part.plan.id).create(DRAINED_NAME).close()
