"""The machine's clocks.

Rules:
- Readings are dated on CLOCK_BOOTTIME, which never steps; UTC is that plus an offset, where one is known.
- The wall clock is believed only when someone vouches for it: the kernel (STA_UNSYNC is clear, which
  an NTP client keeps so) or the configuration.
"""

from __future__ import annotations

import ctypes
import time
from pathlib import Path
from typing import Final, NamedTuple

from config.model import ClockTrust
from hal.api import ClockOffset
from protocols.uplink.messages import ClockSource

OPERATOR_UNCERTAINTY_MS = 1_000  # "kept right by other means" is taken to mean: to the second
BRACKETS_MAX = 5
BRACKET_GOOD_NS = 20_000

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_STA_UNSYNC: Final = 0x0040  # adjtimex(2)
_TIME_ERROR: Final = 5  # adjtimex(2), return value: the clock is not synchronised


class SystemClock:
    """hal.api.Clock on the real machine."""

    def __init__(self, trust: ClockTrust) -> None:
        """`trust` "kernel" or "operator", see config.model.GatewayConfig."""
        self._trust = trust
        self._boot_id = _BOOT_ID.read_text(encoding="ascii").strip()

    def boot_ms(self) -> int:
        """CLOCK_BOOTTIME in ms."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000

    def boot_id(self) -> str:
        """The kernel's random name of this start of the machine."""
        return self._boot_id

    def offset(self) -> ClockOffset | None:
        """UTC minus boot time, or None while nothing vouches for the wall clock."""
        if self._trust == "operator":
            source, uncertainty_ms = ClockSource.OPERATOR, OPERATOR_UNCERTAINTY_MS
        else:
            error_us = kernel_clock_error_us()
            if error_us is None:
                return None
            source, uncertainty_ms = ClockSource.NTP, -(-error_us // 1_000)
        bracket = read_offset()
        # Half the bracket, and one for the two roundings to whole milliseconds.
        width_ms = bracket.width_ns // 2_000_000 + 1
        return ClockOffset(round(bracket.offset_ns / 1_000_000), source, uncertainty_ms + width_ms)


class Bracket(NamedTuple):
    """Wall clock minus boot clock, in ns, known to within half of `width_ns`."""

    offset_ns: int
    width_ns: int


def read_offset() -> Bracket:
    """The wall clock read between two readings of the boot clock; the narrowest of a few tries."""
    best = _read_bracket()
    for _ in range(BRACKETS_MAX - 1):
        if best.width_ns <= BRACKET_GOOD_NS:
            break
        best = min(best, _read_bracket(), key=lambda bracket: bracket.width_ns)
    return best


def _read_bracket() -> Bracket:
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    wall = time.clock_gettime_ns(time.CLOCK_REALTIME)
    after = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return Bracket(wall - (before + after) // 2, after - before)


class _Timex(ctypes.Structure):
    """struct timex of adjtimex(2) on 64-bit Linux, with room behind it."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


def kernel_clock_error_us() -> int | None:
    """The kernel's bound on the wall clock's error in microseconds; None while it is not synchronised,
    or where the system does not say (some containers forbid the question)."""
    timex = _Timex()
    state: int = ctypes.CDLL(None).adjtimex(ctypes.byref(timex))
    if state < 0 or state == _TIME_ERROR or timex.status & _STA_UNSYNC:
        return None
    return int(timex.maxerror)
