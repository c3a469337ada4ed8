"""What was written to flash, as Linux tells it; a system that does not tell ends nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hal.wear import device_writes, own_written_bytes

STAT = "  4011 12 33 44 9000 70 2048 88 0 1 2 3\n"


def system_with_card(folder: Path, life_time: str | None, *, partition: bool = True) -> Path:
    """A /sys in which the device that holds `folder` is a card, or a partition of it."""
    number = folder.stat().st_dev
    card = folder / "sys" / "devices" / "mmcblk7"
    node = card / "mmcblk7p2" if partition else card
    node.mkdir(parents=True)
    (card / "stat").write_text(STAT)
    if partition:
        (node / "partition").write_text("2\n")
        (node / "stat").write_text(" 0" * 17)
    if life_time is not None:
        (card / "device").mkdir()
        (card / "device" / "life_time").write_text(life_time)
    links = folder / "sys" / "dev" / "block"
    links.mkdir(parents=True)
    (links / f"{os.major(number)}:{os.minor(number)}").symlink_to(node)
    return folder / "sys"


@pytest.mark.parametrize("partition", [True, False])
def test_a_folder_on_a_partition_is_on_the_whole_device(tmp_path: Path, *, partition: bool) -> None:
    writes = device_writes(tmp_path, system_with_card(tmp_path, None, partition=partition))
    assert writes is not None
    assert writes == ("mmcblk7", 2048 * 512, None)


@pytest.mark.parametrize(
    ("life_time", "percent"),
    [
        ("0x01 0x03\n", 30),
        ("0x0b 0x01\n", 110),
        ("0x00 0x00\n", None),
        ("0x00 0x02\n", 20),
        ("rubbish", None),
    ],
)
def test_an_emmc_tells_the_worse_of_its_two_kinds_of_memory(
    tmp_path: Path, life_time: str, percent: int | None
) -> None:
    writes = device_writes(tmp_path, system_with_card(tmp_path, life_time))
    assert writes is not None
    assert writes.life_used_percent == percent


def test_what_the_system_does_not_tell_is_none(tmp_path: Path) -> None:
    assert device_writes(tmp_path, tmp_path / "nothing") is None
    assert device_writes(tmp_path / "gone") is None
    system = system_with_card(tmp_path, None)
    (system / "devices" / "mmcblk7" / "stat").write_text("1 2 3\n")
    assert device_writes(tmp_path, system) is None
    assert own_written_bytes(tmp_path / "io") is None
    (tmp_path / "io").write_text("rchar: 1\nwrite_bytes: many\n")
    assert own_written_bytes(tmp_path / "io") is None


def test_this_process_own_writes_are_counted(tmp_path: Path) -> None:
    (tmp_path / "io").write_text("rchar: 1\nwrite_bytes: 40960\ncancelled_write_bytes: 0\n")
    assert own_written_bytes(tmp_path / "io") == 40_960
    assert own_written_bytes() is None or own_written_bytes() >= 0  # type: ignore[operator]
