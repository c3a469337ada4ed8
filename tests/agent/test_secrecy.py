"""A process that holds keys of meters writes no core file and shows its memory to nobody of its user."""

from __future__ import annotations

import subprocess
import sys

# A parent looks into its child: that is allowed even where the kernel restricts tracing (Yama, scope 1).
# Root may read everything, so that both become an ordinary user first; which hides memory by itself.
LOOK = """
import ctypes, os, resource, sys
from edge_agent.secrecy import PR_SET_DUMPABLE, forbid_memory_dumps
if os.geteuid() == 0:
    os.setresuid(65534, 65534, 65534)
ready, told = os.pipe()
rest, done = os.pipe()
child = os.fork()
if child == 0:
    os.close(done)
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
    if sys.argv[1] == "forbid":
        forbid_memory_dumps()
    os.write(told, b"%d %d" % resource.getrlimit(resource.RLIMIT_CORE))
    os.read(rest, 1)
    os._exit(0)
limits = os.read(ready, 100).decode()
try:
    os.close(os.open(f"/proc/{child}/mem", os.O_RDONLY))
    memory = "open"
except PermissionError:
    memory = "closed"
os.close(done)
os.waitpid(child, 0)
print(memory, limits)
"""


def looked(what: str) -> str:
    done = subprocess.run([sys.executable, "-c", LOOK, what], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_no_core_file_is_written_and_no_process_of_the_same_user_reads_the_memory() -> None:
    assert looked("leave").startswith("open ")
    assert looked("forbid") == "closed 0 0"
