"""What restarts the agent, or the machine, when nothing feeds it any more.

systemd     WatchdogSec= of the unit: the service is killed and started anew; sd_watchdog_enabled(3)
device      /dev/watchdog, where there is no systemd: the machine is reset

Rules:
- Who feeds decides whether all is well (edge_agent/beats.py); here is only how.
- A clean end disarms: a machine whose agent was stopped by a person is not reset.
- A watchdog that cannot be had is said so once; an agent without one still reads meters.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

NOTIFY_VARIABLE: Final = "NOTIFY_SOCKET"
PERIOD_VARIABLE: Final = "WATCHDOG_USEC"
PROCESS_VARIABLE: Final = "WATCHDOG_PID"
DEVICE_VARIABLE: Final = "EDGE_AGENT_WATCHDOG"
DEVICE_PERIOD_S: Final = 60
STATUS_CHARACTERS_MAX: Final = 200
_SET_TIMEOUT: Final = 0xC0045706  # WDIOC_SETTIMEOUT, linux/watchdog.h: _IOWR('W', 6, int)
_MAGIC_CLOSE: Final = b"V"  # Documentation/watchdog/watchdog-api.rst, Magic Close feature


class Watchdog(Protocol):
    """Bites when it was not fed for `period_s`."""

    @property
    def period_s(self) -> float:
        """How long it waits for food."""

    def feed(self) -> None:
        """All is well."""

    def tell(self, text: str) -> None:
        """One line for people who ask the owner of the watchdog, where it has somebody to ask."""

    def close(self) -> None:
        """A clean end: it bites no more."""


class SystemdWatchdog:
    """The service manager that started us. `period_s` infinite: it waits for readiness only."""

    def __init__(self, address: str, period_s: float) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.period_s = period_s
        self._notify("READY=1")

    def feed(self) -> None:
        """See Watchdog."""
        self._notify("WATCHDOG=1")

    def tell(self, text: str) -> None:
        """See Watchdog; `systemctl status` shows it."""
        self._notify(f"STATUS={' '.join(text.split())[:STATUS_CHARACTERS_MAX]}")

    def close(self) -> None:
        """See Watchdog. Nothing to say: systemd disarms it when it stops us, and an agent that begins anew
        in the same process goes on feeding."""

    def _notify(self, text: str) -> None:
        """One datagram; a manager that takes none now is told again with the next."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as end:
            end.setblocking(False)
            try:
                end.sendto(text.encode(), self._address)
            except (BlockingIOError, ConnectionRefusedError, FileNotFoundError):
                return


class DeviceWatchdog:
    """/dev/watchdog or its like. Raises OSError where it cannot be opened, as when systemd has it."""

    def __init__(self, path: Path, period_s: int = DEVICE_PERIOD_S) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        self.period_s: float = period_s
        try:
            given = fcntl.ioctl(self._descriptor, _SET_TIMEOUT, struct.pack("i", period_s))
            self.period_s = float(struct.unpack("i", given)[0])
        except OSError:
            self.period_s = 15.0  # some have one period and take no other; the shortest common one is safe

    def feed(self) -> None:
        """See Watchdog."""
        os.write(self._descriptor, b"\0")

    def tell(self, text: str) -> None:
        """There is nobody to ask."""

    def close(self) -> None:
        """See Watchdog. Where the kernel was built not to let go (nowayout), the machine is reset."""
        if self._descriptor >= 0:
            os.write(self._descriptor, _MAGIC_CLOSE)
            os.close(self._descriptor)
            self._descriptor = -1


def open_watchdog(environment: Mapping[str, str]) -> Watchdog | None:
    """The one that this process was given: systemd's, else the device that EDGE_AGENT_WATCHDOG names, else
    None. OSError where the device cannot be opened."""
    address = environment.get(NOTIFY_VARIABLE, "")
    if address.startswith(("/", "@")):
        return SystemdWatchdog(address, _period_s(environment))
    device = environment.get(DEVICE_VARIABLE, "")
    return DeviceWatchdog(Path(device)) if device else None


def _period_s(environment: Mapping[str, str]) -> float:
    """What WATCHDOG_USEC says, where it is meant for this process."""
    period = environment.get(PERIOD_VARIABLE, "")
    process = environment.get(PROCESS_VARIABLE, "")
    is_ours = not process or process == str(os.getpid())
    return int(period) / 1e6 if period.isdecimal() and int(period) and is_ours else float("inf")
