"""When messages had to go, the fault stays until something may go without a loss."""

from __future__ import annotations

from pathlib import Path

from protocols.uplink.messages import Receipt
from tests.buffer.rig import Rig, readings, start


async def seal_one(rig: Rig) -> None:
    for _ in range(60):
        rig.clock.ms += 1_000
        rig.buffer.record(readings(rig.clock.ms))
    await rig.buffer.seal_now()


async def test_an_acknowledged_dictionary_in_use_is_no_room(tmp_path: Path) -> None:
    rig = await start(tmp_path, size_bytes_max=1024 * 1024)
    await seal_one(rig)
    stream = rig.buffer.statistics().stream
    held_to = rig.buffer.statistics().next_sequence - 1
    await rig.buffer.apply_receipt(Receipt(1, 1, stream, held_to, (), (), 16, 0))
    while not rig.buffer.statistics().evicted_messages:
        await seal_one(rig)
    assert rig.buffer.statistics().messages_acknowledged == 1, "the dictionary alone"
    assert "buffer.full" in rig.fault_codes
    held_to = rig.buffer.statistics().next_sequence - 1
    await rig.buffer.apply_receipt(Receipt(1, 2, stream, held_to, (), (), 16, 0))
    assert "buffer.full" not in rig.fault_codes
    rig.kill()
