"""The fault table: power cuts after, and errors at, each real system call that the buffer makes.

`make proof` prints it. Whatever happened: what was flushed is there, once, and no start is refused.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import get_args

import pytest

from tests.buffer.rig import keys
from tests.buffer.story import Story, check_after
from tests.proof.system_calls import Call, Loss, cuts, read_calls, strace

SOME_TRIES = 3
INJECTIONS_MIN = 2_000
ERRORS = {
    "write": ("EIO", "ENOSPC"),
    "pwrite64": ("EIO", "ENOSPC"),
    "fdatasync": ("EIO",),
    "fsync": ("EIO",),
    "ftruncate": ("EIO",),
    "rename": ("EIO",),
    "unlink": ("EIO",),
}
STRACE = shutil.which("strace")
pytestmark = [
    pytest.mark.proof,
    pytest.mark.skipif(STRACE is None, reason="hardware: no strace to record system calls with"),
]


@pytest.fixture
def fast_folder() -> Iterator[Path]:
    """A folder in memory where there is one: thousands of disks are laid out and thrown away."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="edge-proof-", dir=memory if memory.is_dir() else None))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def told_story(lines: Sequence[bytes]) -> Story:
    """What the run has said so far."""
    story = Story()
    for line in lines:
        word, *values = line.decode().split()
        if word == "sent":
            story.left.add(bytes.fromhex(values[0]))
            continue
        boot, ms = map(int, values)
        (story.flushed if word == "flushed" else story.recorded).update(keys(ms, boot))
    return story


def record_run(folder: Path) -> list[Call]:
    done = strace(folder / "run", folder / "trace")
    assert done.returncode == 0, done.stderr.decode()
    return read_calls(folder / "trace", folder / "run")


async def test_a_power_cut_after_any_system_call_loses_nothing_that_was_flushed(
    fast_folder: Path, seed: int
) -> None:
    calls = record_run(fast_folder)
    chance = random.Random(seed)
    table: Counter[tuple[str, Loss]] = Counter()
    for number, disk in cuts(calls):
        told = [call.data for call in calls[:number] if call.name == "told"]
        name = calls[number - 1].name if number else "start"
        losses: list[Loss] = [*get_args(Loss), *["some"] * (SOME_TRIES - 1)]  # type: ignore[list-item]
        for loss in losses:
            disk.write_after_cut(fast_folder / "after", loss, chance)
            try:
                await check_after(fast_folder / "after", told_story(told))
            except Exception as error:
                error.add_note(f"power cut after call {number} ({name}), {loss}, seed {seed}")
                raise
            table[name, loss] += 1
    total = sum(table.values())
    print(f"\npower cuts, seed {seed}: {total}; flushed readings lost 0, doubled 0, starts refused 0")
    for name in sorted({name for name, _ in table}):
        print(f"  {name:10}", *(f"{loss} {table[name, loss]:5}" for loss in get_args(Loss)))
    assert total >= INJECTIONS_MIN


async def test_an_error_at_any_system_call_loses_nothing_that_was_flushed(fast_folder: Path) -> None:
    """The kernel's own answer is replaced: the call is not made, and says EIO or ENOSPC."""
    calls = Counter(call.name for call in record_run(fast_folder))
    calls["fdatasync"] = calls["fsync"]  # told apart only by the kernel
    cases = [
        (name, error, number)
        for name, errors in ERRORS.items()
        for error in errors
        for number in range(1, calls[name] + 1)
    ]

    def run(case: tuple[str, str, int]) -> tuple[tuple[str, str, int], Path, Story]:
        name, error, number = case
        folder = fast_folder / f"{name}-{error}-{number}"
        done = strace(folder, folder.with_suffix(".trace"), f"{name}:error={error}:when={number}")
        assert done.returncode == 0, f"{case}: {done.stderr.decode()}"
        folder.with_suffix(".trace").unlink()
        return case, folder, told_story(done.stdout.splitlines())

    table: Counter[tuple[str, str]] = Counter()
    with ThreadPoolExecutor(2) as pool:
        for case, folder, story in pool.map(run, cases):
            try:
                await check_after(folder, story)
            except Exception as error:
                error.add_note(f"{case[1]} at {case[0]} number {case[2]}")
                raise
            shutil.rmtree(folder)
            table[case[:2]] += 1
    print(f"\nerrors injected: {sum(table.values())}; flushed readings lost 0, doubled 0, starts refused 0")
    for (name, error), count in sorted(table.items()):
        print(f"  {name:10} {error:6} {count:5}")
