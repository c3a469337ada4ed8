"""A machine whose wall clock stands somewhere in the past, for one program: a library that is loaded before
libc and turns back what libc tells of the time.

`launcher` is put before the program's own. The boot clock is left alone, as on a gateway without an RTC.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

SOURCE = """
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

static time_t back(void) { const char *text = getenv("OLD_CLOCK_BACK_S"); return text ? atoll(text) : 0; }

int clock_gettime(clockid_t id, struct timespec *at) {
    int outcome = syscall(SYS_clock_gettime, id, at);
    if (outcome == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) at->tv_sec -= back();
    return outcome;
}

int gettimeofday(struct timeval *at, void *zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}

int adjtimex(struct timex *state) {
    state->status = STA_UNSYNC;
    return TIME_ERROR;
}
"""


def launcher(folder: Path, shows_utc_s: int) -> tuple[str, ...]:
    """What to start Python by, so that its clock shows `shows_utc_s` (UTC, s since 1970) now and runs on, and
    the kernel does not vouch for it. Skips the test where there is no C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("hardware: no C compiler (cc) to build a clock that stands in the past")
    source, library = folder / "old_clock.c", folder / "old_clock.so"
    source.write_text(SOURCE)
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    back_s = int(time.time()) - shows_utc_s
    return ("env", f"LD_PRELOAD={library}", f"OLD_CLOCK_BACK_S={back_s}", sys.executable)
