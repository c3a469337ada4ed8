"""The uncertainty that a batch states holds for each of its readings, after a kill and at a step, too."""

from __future__ import annotations

from pathlib import Path

from edge_agent.buffer.journal import Header, Journal, file_name, read_generation
from edge_agent.buffer.memory import Memory
from edge_agent.clock import PIECE_DRIFT_MS_MAX
from hal.storage import FolderStorage
from protocols.uplink.messages import Wall
from tests.buffer.rig import readings

WALL = Wall(1_790_000_000_000, 2, 10)


def grown(uncertainty_ms: int) -> Wall:
    return WALL._replace(uncertainty_ms=uncertainty_ms)


def test_readings_recovered_from_a_journal_are_as_uncertain_as_when_they_were_written(tmp_path: Path) -> None:
    journal = Journal(FolderStorage(tmp_path), Header(1, 1, 1, "boot-a", 0, WALL, b"", ()))
    stated = set()
    for uncertainty_ms in range(10, 300, 2):
        journal.write_readings(0, grown(uncertainty_ms), readings(uncertainty_ms * 1000))
        journal.sync()
        [stretch] = read_generation((tmp_path / file_name(1)).read_bytes(), 1).stretches
        assert stretch.wall is not None
        assert uncertainty_ms <= stretch.wall.uncertainty_ms <= 2 * uncertainty_ms
        stated.add(stretch.wall.uncertainty_ms)
    assert len(stated) <= 7, "it is stated anew only when it has doubled"


def test_the_last_readings_before_a_new_piece_are_as_uncertain_as_a_piece_can_get() -> None:
    memory = Memory(1, b"", 0)
    memory.take([(WALL, readings(60_000))], grown(14), 61_000)
    assert memory.open.stretches[0].wall == grown(14)
    memory.take([(WALL, readings(120_000))], Wall(WALL.offset_ms + 600, 2, 10), 121_000)
    assert memory.open.stretches[0].wall == grown(10 + PIECE_DRIFT_MS_MAX)
    memory.take([(None, readings(180_000))], WALL, 181_000)
    assert memory.open.stretches[1].wall is None
