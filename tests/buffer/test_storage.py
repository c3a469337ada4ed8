"""The folder as storage, and the boot counter kept in it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from edge_agent.clock import RANDOM_BOOT_MIN, STEP_MS_MIN, BootClock
from hal.api import ClockOffset
from hal.sim.storage import PowerCut, SimStorage
from hal.storage import FolderStorage
from protocols.uplink.messages import Instant, Wall
from tests.buffer.rig import HandClock


def test_a_short_write_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, bytes(data[:3])))
    storage = FolderStorage(tmp_path)
    file = storage.create("a")
    file.append(b"0123456789")
    file.append(b"ab")
    file.close()
    assert storage.read("a") == b"0123456789ab"


def test_a_name_is_created_once(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    storage.create("a").close()
    with pytest.raises(FileExistsError):
        storage.create("a")


def test_replacing_renaming_and_removing_leave_no_temporary_files(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    storage.replace("a", b"one")
    storage.replace("a", b"two")
    storage.rename("a", "b")
    storage.remove("absent")
    assert storage.names() == ["b"]
    assert storage.read("b") == b"two"
    assert storage.size_bytes("b") >= 3
    assert storage.size_bytes() == storage.size_bytes("b")


def test_what_a_cut_left_of_a_replacement_goes_at_the_next_opening(tmp_path: Path) -> None:
    (tmp_path / "boots.tmp").write_bytes(b"half")
    assert FolderStorage(tmp_path).names() == []
    assert list(tmp_path.iterdir()) == []


def test_files_and_folder_are_for_their_owner_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        storage = FolderStorage(tmp_path / "buffer")
        storage.create("a").close()
        storage.replace("b", b"x")
        storage.database("c").close()
    finally:
        os.umask(before)
    assert (tmp_path / "buffer").stat().st_mode & 0o777 == 0o700
    assert [(tmp_path / "buffer" / name).stat().st_mode & 0o777 for name in "abc"] == [0o600] * 3


def test_the_chosen_call_fails_and_the_next_does_not(tmp_path: Path) -> None:
    storage = SimStorage(tmp_path, fail_at=2, mishap="short")
    file = storage.create("a")
    with pytest.raises(OSError, match="simulated") as failure:
        file.append(b"0123456789")
    assert failure.value.errno == errno.EIO
    assert storage.read("a") == b"01234"


def test_after_a_power_cut_nothing_answers(tmp_path: Path) -> None:
    storage = SimStorage(tmp_path, fail_at=1, mishap="cut")
    for _ in range(2):
        with pytest.raises(PowerCut):
            storage.names()


def test_each_start_of_the_machine_has_a_number_and_a_restart_of_the_agent_keeps_it(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    numbers = [BootClock(storage, HandClock(boot_id=boot_id)).boot for boot_id in ("a", "a", "b", "c", "c")]
    assert numbers == [1, 1, 2, 3, 3]


@pytest.mark.parametrize("name", ["boots", "boots-copy"])
def test_one_damaged_copy_of_the_counter_costs_nothing(tmp_path: Path, name: str) -> None:
    storage = FolderStorage(tmp_path)
    BootClock(storage, HandClock(boot_id="a"))
    (tmp_path / name).write_bytes(b"1 b 00000000\n")
    assert BootClock(storage, HandClock(boot_id="b")).boot == 2
    assert BootClock(storage, HandClock(boot_id="b")).boot == 2


def test_a_counter_that_is_gone_to_rot_never_begins_again_at_one(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    for name in ("boots", "boots-copy"):
        (tmp_path / name).write_bytes(b"rot")
    first = BootClock(storage, HandClock(boot_id="a"))
    assert first.boot >= RANDOM_BOOT_MIN
    assert first.durable
    assert BootClock(storage, HandClock(boot_id="a")).boot == first.boot
    assert BootClock(storage, HandClock(boot_id="b")).boot == first.boot + 1


def test_a_number_that_cannot_be_kept_is_one_that_will_not_be_counted_again(tmp_path: Path) -> None:
    storage = SimStorage(tmp_path, fail_at=3, fail_count=2)
    clock = BootClock(storage, HandClock(boot_id="a"))
    assert clock.boot >= RANDOM_BOOT_MIN
    assert not clock.durable


def test_a_piece_lasts_until_the_clock_steps_or_trust_changes(tmp_path: Path) -> None:
    hand = HandClock(ms=5000)
    clock = BootClock(FolderStorage(tmp_path), hand)
    assert clock.now() == Instant(1, 5000)
    assert clock.wall() is None
    assert not clock.check()
    hand.known = ClockOffset(1000, 2, 20)
    assert clock.check()
    hand.known = ClockOffset(1000 + STEP_MS_MIN, 2, 20)
    assert not clock.check()
    assert clock.wall() == Wall(1000, 2, 20 + STEP_MS_MIN), "the drift widens the piece's uncertainty"
    hand.known = ClockOffset(1000 + STEP_MS_MIN + 1, 2, 20)
    assert clock.check()
    assert clock.piece_offset_ms == 1000 + STEP_MS_MIN + 1
    hand.known = None
    assert clock.check()
    assert clock.piece_offset_ms is None
