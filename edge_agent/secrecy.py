"""Keeps the daemon's memory to itself once there are keys of meters in it."""

from __future__ import annotations

import ctypes
import resource

PR_SET_DUMPABLE = 4  # linux/prctl.h


def forbid_memory_dumps() -> None:
    """From now on no core file is written, and no other process of this user may read our memory.

    Linux: a process that is not dumpable also writes no core where core_pattern is a pipe, which no limit
    stops. Raises OSError where the kernel refuses.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_DUMPABLE)")
