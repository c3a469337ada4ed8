"""Waiting on file descriptors and short times, on the event loop.

Rules:
- Nothing stays registered after a wait, however it ends: a cancelled wait leaves no reader behind.
- Nothing here reads or writes: a wait that is cancelled has lost no byte.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from typing import Final

_CLOCK_MONOTONIC: Final = 1
_TFD_FLAGS: Final = os.O_NONBLOCK | os.O_CLOEXEC  # timerfd_create(2): TFD_NONBLOCK, TFD_CLOEXEC
_LOOP_GRAIN_S: Final = 0.001  # epoll takes whole milliseconds, and asyncio rounds up
_TIMER_SLACK_S: Final = 0.005  # how late a timer descriptor may be before the loop's own timer ends the wait


async def wait_readable(fd: int, timeout_s: float) -> bool:
    """True once `fd` has something to read or is hung up, False after `timeout_s`."""
    loop = asyncio.get_running_loop()
    woken: asyncio.Future[bool] = loop.create_future()
    loop.add_reader(fd, _wake, woken, True)
    timer = loop.call_later(timeout_s, _wake, woken, False)
    try:
        return await woken
    finally:
        timer.cancel()
        loop.remove_reader(fd)


async def wait_writable(fd: int, timeout_s: float) -> bool:
    """True once `fd` takes bytes or is hung up, False after `timeout_s`."""
    loop = asyncio.get_running_loop()
    woken: asyncio.Future[bool] = loop.create_future()
    loop.add_writer(fd, _wake, woken, True)
    timer = loop.call_later(timeout_s, _wake, woken, False)
    try:
        return await woken
    finally:
        timer.cancel()
        loop.remove_writer(fd)


async def wait_precisely(duration_s: float) -> None:
    """Sleep for `duration_s`, late by tens of microseconds instead of up to a millisecond.

    The long part is an ordinary sleep; the rest runs on a timer descriptor, so the loop stays free and
    no CPU burns. Where the kernel gives no such timer it is an ordinary sleep throughout.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + duration_s
    if duration_s > 2 * _LOOP_GRAIN_S:
        await asyncio.sleep(duration_s - _LOOP_GRAIN_S)
    rest_s = end - loop.time()
    if rest_s <= 0:
        return
    fd = _start_timer(rest_s)
    if fd is None:
        await asyncio.sleep(rest_s)
        return
    try:
        await wait_readable(fd, rest_s + _TIMER_SLACK_S)
    finally:
        os.close(fd)


class _Itimerspec(ctypes.Structure):
    """struct itimerspec of timerfd_settime(2): interval, then first expiry, each s and ns."""

    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("value_s", ctypes.c_long),
        ("value_ns", ctypes.c_long),
    )


_libc = ctypes.CDLL(None, use_errno=True)


def _start_timer(duration_s: float) -> int | None:
    """A descriptor that turns readable after `duration_s`; None where the system has none to give."""
    fd: int = _libc.timerfd_create(_CLOCK_MONOTONIC, _TFD_FLAGS)
    if fd < 0:
        return None
    seconds, rest_s = divmod(duration_s, 1.0)
    spec = _Itimerspec(0, 0, int(seconds), max(1, int(rest_s * 1e9)))
    if _libc.timerfd_settime(fd, 0, ctypes.byref(spec), None) != 0:
        os.close(fd)
        return None
    return fd


def _wake(woken: asyncio.Future[bool], ready: bool) -> None:
    if not woken.done():
        woken.set_result(ready)
