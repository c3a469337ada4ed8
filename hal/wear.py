"""What was written to flash: by this process, by the whole machine to the device of a folder, and what an
eMMC says of its own age.

Only reads, and never fails: what the system does not tell is None. Linux counts a process' writes when
pages become dirty (proc(5), write_bytes), and a device's writes in sectors of 512 bytes as they are handed
to it (Documentation/block/stat). Neither knows what the card writes beside them to move its own blocks.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import NamedTuple

SECTOR_BYTES = 512
WRITTEN_SECTORS_FIELD = 6  # of a device's `stat`, counted from 0
LIFE_STEP_PERCENT = 10  # JEDEC JESD84-B51, DEVICE_LIFE_TIME_EST_TYP_A and _B: 0x01 is 0 to 10 % used up
LIFE_EXCEEDED = 0x0B

_OWN_IO = Path("/proc/self/io")
_SYSTEM = Path("/sys")


class DeviceWrites(NamedTuple):
    """`name`: of the whole device ("mmcblk0"). `written_bytes`: since the machine started.
    `life_used_percent`: at most so much of an eMMC's life is used up by its own word, 110: more than all;
    None: it does not say."""

    name: str
    written_bytes: int
    life_used_percent: int | None


def own_written_bytes(io: Path = _OWN_IO) -> int | None:
    """What this process has written to storage since it started."""
    with contextlib.suppress(OSError, ValueError):
        for line in io.read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(":")
            if name == "write_bytes":
                return int(value)
    return None


def device_writes(folder: Path, system: Path = _SYSTEM) -> DeviceWrites | None:
    """Of the device that holds `folder`; None where it is on none that the system counts (tmpfs, overlay)."""
    try:
        number = folder.stat().st_dev
        node = (system / "dev" / "block" / f"{os.major(number)}:{os.minor(number)}").resolve(strict=True)
        device = node.parent if (node / "partition").exists() else node
        sectors = int((device / "stat").read_text(encoding="ascii").split()[WRITTEN_SECTORS_FIELD])
    except (OSError, ValueError, IndexError):
        return None
    return DeviceWrites(device.name, sectors * SECTOR_BYTES, _life_used_percent(device / "device"))


def _life_used_percent(card: Path) -> int | None:
    """The worse of the two kinds of memory that an eMMC has; 0 says that it does not know."""
    try:
        estimates = [int(text, 16) for text in (card / "life_time").read_text(encoding="ascii").split()]
    except (OSError, ValueError):
        return None
    known = [each for each in estimates if 0 < each <= LIFE_EXCEEDED]
    return LIFE_STEP_PERCENT * max(known) if known else None
