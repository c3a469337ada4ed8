"""A run of the buffer on a real folder, which tells on its standard output what the world may rely on.

    python -m tests.proof.buffer_story FOLDER

Lines: `recorded BOOT MS`, `flushed BOOT MS` (all of that slot is durable now), `sent HEX`. They are written
by single system calls, so that a recording of those shows what was promised at each moment.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from protocols.uplink.messages import Receipt
from tests.buffer.rig import HandClock, Rig, readings, start

SIZE_BYTES_MAX = 1024 * 1024


def tell(*words: object) -> None:
    os.writev(1, [(" ".join(map(str, words)) + "\n").encode()])  # unlike any call of the buffer's


class Teller:
    """Records slots, and tells which of them a flush has made durable."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self._waiting: list[int] = []

    def record(self, slots: int) -> None:
        for _ in range(slots):
            self.rig.clock.ms += 1000
            tell("recorded", self.rig.boot.boot, self.rig.clock.ms)
            self.rig.buffer.record(readings(self.rig.clock.ms))
            self._waiting.append(self.rig.clock.ms)

    async def flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        await self.rig.buffer.flush()
        if self.rig.buffer.statistics().readings_pending:
            self._waiting = waiting
            return
        for ms in waiting:
            tell("flushed", self.rig.boot.boot, ms)

    async def seal(self) -> None:
        await self.rig.buffer.seal_now()
        await self.flush()

    async def send(self) -> None:
        for message in await self.rig.buffer.next_messages(8, set()):
            tell("sent", message.data.hex())
            await self.rig.buffer.mark_published(message.stream, message.sequence)


async def live_once(folder: Path, clock: HandClock, counter: int, *, orderly: bool) -> None:
    rig = await start(folder, clock, size_bytes_max=SIZE_BYTES_MAX)
    teller = Teller(rig)
    for _ in range(2):
        teller.record(3)
        await teller.flush()
        teller.record(2)
        await teller.seal()
        await teller.send()
    known = rig.buffer.statistics()
    await rig.buffer.apply_receipt(Receipt(1, counter, known.stream, known.next_sequence - 1, (), (), 9, 0))
    await rig.buffer.add_event("agent.start", "gw", {})
    teller.record(2)
    await teller.flush()
    await teller.send()
    teller.record(1)
    if orderly:
        await rig.buffer.close()
    else:
        rig.kill()


async def main(folder: Path) -> None:
    """Two boots: the first ends without a word, the second in an orderly way."""
    await live_once(folder, HandClock(), 1, orderly=False)
    await live_once(folder, HandClock(60_000, "boot-b"), 2, orderly=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
