"""Two ptys tied back to back: what goes into one slave comes out of the other, as with a null-modem cable."""

from __future__ import annotations

import asyncio
import os
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def null_modem() -> Iterator[tuple[str, str]]:
    """The two paths to open."""
    loop = asyncio.get_running_loop()
    pairs = [os.openpty() for _ in range(2)]
    for master, slave in pairs:
        tty.setraw(slave)
        os.set_blocking(master, False)
    (left, left_slave), (right, right_slave) = pairs
    loop.add_reader(left, _carry, left, right)
    loop.add_reader(right, _carry, right, left)
    try:
        yield os.ttyname(left_slave), os.ttyname(right_slave)
    finally:
        for master, slave in pairs:
            loop.remove_reader(master)
            os.close(master)
            os.close(slave)


def _carry(source: int, sink: int) -> None:
    with suppress(BlockingIOError):
        os.write(sink, os.read(source, 4096))
