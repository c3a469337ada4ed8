"""Reading journals back: whatever was done to the bytes, every intact frame comes back and nothing else."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.buffer.journal import (
    Header,
    Journal,
    Mark,
    Stretch,
    file_name,
    generation_of,
    read_generation,
)
from edge_agent.reading import Reading
from hal.sim.storage import SimStorage
from hal.storage import FolderStorage
from protocols.uplink.messages import Instant, Wall
from protocols.value import Scaled

GENERATION = 7
WALL = Wall(1_700_000_000_000, 2, 40)
FRAMES = 12


def header(generation: int = GENERATION) -> Header:
    return Header(generation, generation, 3, "boot-x", 900, WALL, b"table", (Mark(11, 5), Mark(12, 9)))


def reading(number: int) -> Reading:
    return Reading(
        number % 4, number * 1000, number * 1000 + 3, Scaled(number, -2) if number % 3 else None, 1
    )


def written(folder: Path, generation: int = GENERATION) -> bytes:
    """Two copies of the header, then FRAMES times one reading and the instant it covers."""
    storage = FolderStorage(folder)
    journal = Journal(storage, header(generation))
    for number in range(1, FRAMES + 1):
        journal.write_readings(0, WALL, [reading(number)])
        journal.write_covered(number * 1000)
    journal.write_mark(Mark(12, 30))
    journal.sync()
    journal.abandon()
    data = storage.read(file_name(generation))
    assert len(data) == journal.size_bytes
    return data


def found(data: bytes) -> list[Reading]:
    return [each for stretch in read_generation(data, GENERATION).stretches for each in stretch.readings]


ALL = [reading(number) for number in range(1, FRAMES + 1)]


def test_an_undamaged_file_gives_everything_back(tmp_path: Path) -> None:
    content = read_generation(written(tmp_path), GENERATION)
    assert content.header == header()
    assert content.stretches == [Stretch(3, WALL, b"table", ALL)]
    assert content.marks == {11: 5, 12: 30}
    assert content.last == Instant(3, FRAMES * 1000)
    assert content.damage == []
    assert not content.closed


def test_each_piece_of_the_wall_clock_keeps_its_readings(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    journal = Journal(storage, header())
    journal.write_readings(0, WALL, [reading(1)])
    journal.write_readings(1, None, [reading(2)])
    journal.write_close(2000)
    journal.sync()
    content = read_generation(storage.read(file_name(GENERATION)), GENERATION)
    assert [(s.wall, s.readings) for s in content.stretches] == [(WALL, [reading(1)]), (None, [reading(2)])]
    assert content.closed


def test_a_torn_tail_is_no_damage_and_takes_no_intact_frame(tmp_path: Path) -> None:
    data = written(tmp_path)
    for size in range(len(data)):
        content = read_generation(data[:size], GENERATION)
        assert content.damage == []
        readings = [each for stretch in content.stretches for each in stretch.readings]
        assert readings == ALL[: len(readings)]
        covered = 0 if content.last is None else max(0, content.last.ms // 1000)
        assert len(readings) >= covered, "an instant is covered only by what is there"


def test_a_frame_of_another_generation_is_never_taken(tmp_path: Path) -> None:
    data = written(tmp_path)
    foreign = written(tmp_path, GENERATION + 1)
    assert found(data + foreign) == ALL
    assert found(foreign) == []


def test_one_lost_copy_of_the_header_costs_nothing_but_is_damage(tmp_path: Path) -> None:
    data = bytearray(written(tmp_path))
    data[20] ^= 1
    content = read_generation(bytes(data), GENERATION)
    assert content.header == header()
    assert content.damage
    assert found(bytes(data)) == ALL


def test_damage_in_the_middle_costs_its_frame_and_names_the_time_around_it(tmp_path: Path) -> None:
    data = bytearray(written(tmp_path))
    place = data.find(b"\xe5jF1", len(data) // 2)
    data[place + 14] ^= 0x40
    content = read_generation(bytes(data), GENERATION)
    readings = found(bytes(data))
    missing = [each for each in ALL if each not in readings]
    assert len(missing) <= 1
    [(start, end)] = content.damage
    assert start is not None
    assert end is not None
    assert all(start.ms < each.due_ms <= end.ms for each in missing)


@given(st.binary(max_size=2000))
def test_any_bytes_are_read_without_an_error(data: bytes) -> None:
    assert read_generation(data, GENERATION).stretches == []


@settings(max_examples=300, deadline=None)
@given(damage=st.lists(st.tuples(st.integers(0, 10**6), st.binary(min_size=1, max_size=40)), max_size=4),
       cut=st.none() | st.integers(0, 10**6), garbage=st.binary(max_size=200))  # fmt: skip
def test_every_frame_that_damage_did_not_touch_comes_back(
    damage: list[tuple[int, bytes]], cut: int | None, garbage: bytes
) -> None:
    original = _original()
    data = bytearray(original)
    for place, patch in damage:
        place %= len(data)  # noqa: PLW2901
        data[place : place + len(patch)] = patch[: len(data) - place]
    if cut is not None:
        del data[cut % len(data) :]
    damaged = bytes(data) + garbage
    frames = _frames(original)
    whole = [n for n, (start, stop) in enumerate(frames) if damaged[start:stop] == original[start:stop]]
    if not {0, 1} & set(whole):
        return  # both headers are gone
    expected = [ALL[(n - 2) // 2] for n in whole if n >= 2 and n % 2 == 0 and n < 2 + 2 * FRAMES]
    assert found(damaged) == expected


def _frames(data: bytes) -> list[tuple[int, int]]:
    starts = [i for i in range(len(data)) if data.startswith(b"\xe5jF1", i)]
    return list(zip(starts, [*starts[1:], len(data)], strict=True))


_kept: list[bytes] = []


def _original() -> bytes:
    if not _kept:
        with tempfile.TemporaryDirectory() as folder:
            _kept.append(written(Path(folder)))
    return _kept[0]


def test_names_and_generations_belong_together() -> None:
    assert generation_of(file_name(12)) == 12
    assert generation_of("journal-12.log") is None
    assert generation_of("outbox.db") is None


def test_a_power_cut_leaves_what_was_synced(tmp_path: Path) -> None:
    for seed in range(20):
        storage = SimStorage(tmp_path / f"run{seed}", seed=seed)
        journal = Journal(storage, header())
        journal.write_readings(0, WALL, [reading(1)])
        journal.sync()
        journal.write_readings(0, WALL, [reading(2)])
        storage.copy_after_cut(tmp_path / f"after{seed}")
        data = FolderStorage(tmp_path / f"after{seed}").read(file_name(GENERATION))
        assert found(data) in ([reading(1)], [reading(1), reading(2)])


def test_frames_without_a_header_are_damage_and_not_silently_nothing(tmp_path: Path) -> None:
    data = written(tmp_path)
    headless = data[_frames(data)[2][0] :]
    content = read_generation(headless, GENERATION)
    assert content.stretches == []
    assert content.damage == [(None, None)]
    assert read_generation(data[:30], GENERATION).damage == []
