"""What the world knows of a run of the buffer, and the judge of what is left of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from protocols.uplink.messages import GapCause, Instant
from tests.buffer.rig import Content, HandClock, Rig, keys, read_outbox, readings, start


@dataclass
class Story:
    """What the world outside knows of a run."""

    recorded: set[tuple[int, str, int, int]] = field(default_factory=set)
    flushed: set[tuple[int, str, int, int]] = field(default_factory=set)
    waiting: set[tuple[int, str, int, int]] = field(default_factory=set)
    left: Content = field(default_factory=Content)  # what may have been published

    async def record(self, rig: Rig, slots: int = 2) -> None:
        for _ in range(slots):
            rig.clock.ms += 1000
            rig.buffer.record(readings(rig.clock.ms))
            self.recorded |= keys(rig.clock.ms, rig.boot.boot)
            self.waiting |= keys(rig.clock.ms, rig.boot.boot)

    async def flush(self, rig: Rig) -> None:
        waiting = set(self.waiting)
        await rig.buffer.flush()
        if rig.buffer.statistics().readings_pending == 0:
            self.flushed |= waiting
            self.waiting -= waiting

    async def send(self, rig: Rig, limit: int = 8) -> None:
        for message in await rig.buffer.next_messages(limit, set()):
            self.left.add(message.data)
            await rig.buffer.mark_published(message.stream, message.sequence)


async def check_after(folder: Path, story: Story) -> None:
    """Start once more on what is left, seal everything, and judge."""
    rig = await start(folder, HandClock(90_000_000), size_bytes_max=1024 * 1024)
    await story.send(rig, 100)
    await story.record(rig, 1)
    await rig.buffer.close()
    content = read_outbox(folder)
    for data in story.left.data.values():  # what has left may have been evicted since
        content.add(data)
    content.decode()
    evicted = [(gap.start, gap.end) for gap in content.gaps(GapCause.EVICTED)]
    missing = {
        key
        for key in story.flushed - set(content.slots)
        if not any(a and b and a < Instant(key[0], key[3]) < b for a, b in evicted)
    }
    assert not missing, "flushed readings are missing"
    assert set(content.slots) <= story.recorded, "readings that were never recorded"
    doubles = {key for key, count in content.slots.items() if count > 1}
    assert not doubles, f"twice: {sorted(doubles)[:5]}"
    for stream in {place[0] for place in content.data}:
        sequences = sorted(sequence for each, sequence in content.data if each == stream)
        named = {
            n
            for gap in content.gaps()
            if gap.sequences
            for n in range(gap.sequences[0], gap.sequences[1] + 1)
        }
        holes = set(range(max(sequences))) - set(sequences) - named
        assert not holes, f"holes in stream {stream}: {sequences}"
