"""A scripted run in which each storage call in turn fails, or the power goes at it; then a restart.

Whatever happened: starting is never refused, nothing that was flushed is missing, nothing is there twice,
sequences have no holes and no number stands for two different byte strings.
"""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hal.sim.storage import Mishap, PowerCut, SimStorage
from protocols.uplink.messages import GapCause, Receipt
from tests.buffer.rig import Content, HandClock, Rig, keys, read_outbox, readings, start
from tests.buffer.story import Story, check_after

MISHAPS: tuple[Mishap, ...] = ("eio", "enospc", "short", "late", "cut", "cut-late")
SEED = 20240611


async def first_run(rig: Rig, story: Story) -> None:
    await story.record(rig)
    await story.flush(rig)
    await story.record(rig)
    await rig.buffer.seal_now()
    await story.flush(rig)
    await story.send(rig)
    known = rig.buffer.statistics()
    await rig.buffer.apply_receipt(Receipt(1, 1, known.stream, known.next_sequence - 1, (), (), 9, 0))
    await rig.buffer.add_event("agent.start", "gw", {})
    await story.record(rig)
    await story.flush(rig)
    await story.send(rig)
    await story.record(rig, 1)


async def run_twice(storage: SimStorage, story: Story, *, close: bool = True) -> None:
    """A run that ends without a word, and one after it that ends in an orderly way."""
    rig = await start(storage, HandClock(), size_bytes_max=1024 * 1024)
    try:
        await first_run(rig, story)
    finally:
        rig.kill()
    story.waiting.clear()
    rig = await start(storage, HandClock(rig.clock.ms + 60_000), size_bytes_max=1024 * 1024)
    try:
        await story.record(rig, 1)
        await story.flush(rig)
        await story.send(rig)
        if close:
            await rig.buffer.close()
    finally:
        rig.kill()


async def try_mishap(folder: Path, call: int, mishap: Mishap, *, count: int = 1) -> bool:
    """One scripted run with one mishap; False where the run has fewer calls."""
    storage = SimStorage(folder / "run", seed=SEED + call, fail_at=call, fail_count=count, mishap=mishap)
    story, cut = Story(), False
    try:
        await run_twice(storage, story)
    except PowerCut:
        cut = True
    reached = len(storage.calls) >= call
    after = folder / "after"
    storage.copy_after_cut(after)
    try:
        await check_after(after, story)
    except Exception as error:
        done = storage.calls[call - 1] if reached else "-"
        raise AssertionError(f"call {call} ({done}), {mishap}, seed {SEED + call}: {error}") from error
    assert cut == (reached and mishap.startswith("cut"))
    shutil.rmtree(folder / "run")
    shutil.rmtree(after)
    return reached


async def count_calls(folder: Path) -> int:
    storage = SimStorage(folder)
    await run_twice(storage, Story())
    return len(storage.calls)


@pytest.mark.parametrize("mishap", MISHAPS)
async def test_a_mishap_at_some_storage_calls_loses_nothing_that_was_flushed(
    tmp_path: Path, mishap: Mishap
) -> None:
    calls = await count_calls(tmp_path / "count")
    for call in random.Random(f"{SEED}{mishap}").sample(range(1, calls + 1), 12):
        await try_mishap(tmp_path, call, mishap)


@pytest.mark.proof
@pytest.mark.parametrize("mishap", MISHAPS)
async def test_a_mishap_at_any_storage_call_loses_nothing_that_was_flushed(
    tmp_path: Path, mishap: Mishap
) -> None:
    call = 1
    while await try_mishap(tmp_path, call, mishap):
        call += 1
    print(f"{call - 1} calls, {mishap}")
    assert call > 100


@pytest.mark.proof
@pytest.mark.parametrize("mishap", ["eio", "enospc", "late"])
async def test_a_storage_that_fails_for_a_while_loses_nothing_that_was_flushed(
    tmp_path: Path, mishap: Mishap
) -> None:
    call = 1
    while await try_mishap(tmp_path, call, mishap, count=25):
        call += 3


async def test_while_nothing_can_be_written_readings_wait_in_memory_and_a_fault_says_so(
    tmp_path: Path,
) -> None:
    storage = SimStorage(tmp_path / "run")
    rig, story = await start(storage, size_bytes_max=1024 * 1024), Story()
    await story.record(rig)
    storage.fail_at, storage.fail_count = len(storage.calls) + 1, 10**9
    await story.flush(rig)
    assert rig.fault_codes & {"buffer.write", "buffer.full"}
    assert rig.buffer.statistics().readings_pending > 0
    storage.fail_at = 0
    await rig.buffer.seal_now()
    await story.flush(rig)
    assert rig.fault_codes == set()
    await rig.buffer.close()
    assert set(read_outbox(tmp_path / "run").slots) == story.recorded


async def test_storage_that_never_comes_back_costs_the_oldest_readings_and_leaves_a_gap(
    tmp_path: Path,
) -> None:
    storage = SimStorage(tmp_path / "run")
    rig = await start(storage, size_bytes_max=2 * 1024 * 1024)
    storage.fail_at, storage.fail_count, storage.mishap = len(storage.calls) + 1, 10**9, "enospc"
    recorded: set[tuple[int, str, int, int]] = set()
    for _ in range(9):
        for _ in range(1000):
            rig.clock.ms += 1000
            rig.buffer.record(readings(rig.clock.ms))
            recorded |= keys(rig.clock.ms)
        await rig.buffer.flush()
    dropped = rig.buffer.statistics().dropped_readings
    assert dropped > 0
    storage.fail_at = 0
    await rig.buffer.seal_now()
    await rig.buffer.next_messages(1, set())
    await rig.buffer.close()
    content = read_outbox(tmp_path / "run")
    [gap] = content.gaps(GapCause.STORAGE_FULL)
    missing = recorded - set(content.slots)
    assert gap.count == dropped == len(missing)
    assert gap.start is not None
    assert gap.end is not None
    assert all(gap.start.ms < due < gap.end.ms for *_, due in missing)


CHILD = """
import asyncio, sys
from pathlib import Path
from tests.buffer.rig import HandClock, readings, start

async def main(folder, start_ms):
    rig = await start(folder, HandClock(start_ms), size_bytes_max=4 * 1024 * 1024)
    while True:
        rig.clock.ms += 1000
        rig.buffer.record(readings(rig.clock.ms))
        await rig.buffer.flush()
        print(rig.clock.ms, flush=True)
        if rig.clock.ms % 7000 == 0:
            await rig.buffer.seal_now()
        for message in await rig.buffer.next_messages(4, set()):
            print("sent", message.data.hex(), flush=True)
            await rig.buffer.mark_published(message.stream, message.sequence)

asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
"""


async def test_a_process_killed_at_any_moment_has_kept_all_that_it_had_flushed(tmp_path: Path) -> None:
    await kill_some(tmp_path, 5)


@pytest.mark.proof
async def test_thirty_kills_lose_nothing(tmp_path: Path) -> None:
    await kill_some(tmp_path, 30)


def run_and_kill(folder: Path, clock_ms: int, lines: int) -> list[str]:
    """Let a child write for so many lines of its report, kill it, and return all it reported."""
    command = [sys.executable, "-c", CHILD, str(folder), str(clock_ms)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as child:
        assert child.stdout is not None
        reported = [child.stdout.readline() for _ in range(lines)]
        assert reported[-1], "the child ended by itself"
        child.send_signal(signal.SIGKILL)
        return [line for line in [*reported, *child.stdout] if line.endswith("\n")]


async def kill_some(folder: Path, kills: int) -> None:
    random_ = random.Random(SEED)
    flushed: set[tuple[int, str, int, int]] = set()
    sent = Content()
    clock_ms = 1_000_000
    for _ in range(kills):
        for line in run_and_kill(folder / "buffer", clock_ms, random_.randint(5, 60)):
            if line.startswith("sent "):
                sent.add(bytes.fromhex(line[5:]))
            else:
                clock_ms = int(line)
                flushed |= keys(clock_ms)
        clock_ms += 10_000
    rig = await start(folder / "buffer", HandClock(clock_ms))
    await rig.buffer.next_messages(1, set())
    await rig.buffer.close()
    content = read_outbox(folder / "buffer")
    for place, data in sent.data.items():
        assert content.data[place] == data
    assert not flushed - set(content.slots)
    assert set(content.slots.values()) == {1}
    assert len({stream for stream, _ in content.data}) == 1
    assert sorted(sequence for _, sequence in content.data) == list(range(len(content.data)))
    assert content.gaps(GapCause.UNCLEAN_STOP)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(tmp_path)]
    mounted = subprocess.run(mount, capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"mounting a tmpfs is not permitted: {mounted.stderr.decode().strip()}")
    yield tmp_path
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)


async def test_a_full_disk_is_filled_drained_and_filled_again(small_disk: Path) -> None:
    folder = small_disk / "buffer"
    rig = await start(folder, size_bytes_max=64 * 1024 * 1024)
    raised: set[str] = set()
    rig.faults.listen(lambda fault, _: raised.add(fault.code.value))
    recorded: set[tuple[int, str, int, int]] = set()
    received = Content()
    for round_ in range(2):
        evicted_before = rig.buffer.statistics().evicted_messages
        for _ in range(200):
            for _ in range(300):
                rig.clock.ms += 1000
                rig.buffer.record(readings(rig.clock.ms))
                recorded |= keys(rig.clock.ms)
            await rig.buffer.seal_now()
            if rig.buffer.statistics().evicted_messages > evicted_before + 20:
                break
        assert rig.buffer.statistics().evicted_messages > evicted_before
        assert "buffer.full" in raised
        while messages := await rig.buffer.next_messages(16, set()):
            for message in messages:
                received.add(message.data)
                await rig.buffer.mark_published(message.stream, message.sequence)
            await rig.buffer.flush()
        known = rig.buffer.statistics()
        acknowledged = Receipt(1, round_ + 1, known.stream, known.next_sequence - 1, (), (), 9, 0)
        await rig.buffer.apply_receipt(acknowledged)
        await rig.buffer.flush()
        assert rig.fault_codes == set()
    await rig.buffer.close()
    content = received.decode()
    missing = recorded - set(content.slots)
    gaps = content.gaps(GapCause.EVICTED) + content.gaps(GapCause.STORAGE_FULL)
    assert missing
    for *_, due_ms in missing:
        assert any(g.start is None or (g.start.ms < due_ms and g.end and due_ms < g.end.ms) for g in gaps)
    assert set(content.slots.values()) == {1}
    assert sum(gap.count or 0 for gap in gaps) == len(missing)


@pytest.mark.parametrize("mishap", ["enospc", "eio"])
async def test_a_database_that_rots_while_storage_refuses_is_begun_anew_in_the_end(
    tmp_path: Path, mishap: Mishap
) -> None:
    for call in range(1, 25):
        folder = tmp_path / str(call)
        storage = SimStorage(folder)
        rig = await start(storage, size_bytes_max=1024 * 1024)
        rig.buffer.record(readings(rig.clock.ms))
        await rig.buffer.flush()
        rig.buffer._recorder._keeper.close()
        (folder / "outbox.db").write_bytes(b"no database" * 1000)
        storage.mishap, storage.fail_at, storage.fail_count = mishap, len(storage.calls) + call, 3
        for _ in range(8):
            await rig.buffer.add_event("test", "gw", {})
            await rig.buffer.seal_now()
        await rig.buffer.close()
        content = read_outbox(folder)
        assert keys(rig.clock.ms) <= set(content.slots), f"call {call}"
        assert set(content.slots.values()) == {1}
