"""A reading made from a count is never on the disk before that count is."""

from __future__ import annotations

from pathlib import Path

from hal.sim.storage import SimStorage
from tests.buffer.rig import readings, start


async def test_counts_are_written_before_the_readings_that_were_made_from_them(tmp_path: Path) -> None:
    storage = SimStorage(tmp_path / "buffer")
    rig = await start(storage)
    rig.buffer.before_persist(lambda: storage.calls.append("counts"))
    for round_ in range(3):
        began = len(storage.calls)
        rig.buffer.record(readings(1_000_000 + round_ * 1000))
        await (rig.buffer.seal_now() if round_ == 2 else rig.buffer.flush())
        calls = storage.calls[began:]
        written = [place for place, call in enumerate(calls) if call.startswith(("append", "sql"))]
        assert written, calls
        assert calls.index("counts") < written[0]
    await rig.buffer.close()
    assert storage.calls.count("counts") >= 4, "an orderly end keeps the counts, too"
