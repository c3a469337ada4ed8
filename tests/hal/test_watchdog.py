"""The watchdogs: systemd's by its real datagrams, the device's by its protocol on a file."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from hal.watchdog import DeviceWatchdog, SystemdWatchdog, open_watchdog


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(str(tmp_path / "notify"))
        end.settimeout(5)
        yield end


def environment(manager: socket.socket, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": manager.getsockname(), **more}


def test_systemd_hears_that_we_are_ready_that_we_live_and_why_not(manager: socket.socket) -> None:
    watchdog = open_watchdog(environment(manager, WATCHDOG_USEC="120000000", WATCHDOG_PID=str(os.getpid())))
    assert isinstance(watchdog, SystemdWatchdog)
    assert watchdog.period_s == 120
    watchdog.feed()
    watchdog.tell("does not\nturn: lines")
    watchdog.close()
    heard = [manager.recv(4096).decode() for _ in range(3)]
    assert heard == ["READY=1", "WATCHDOG=1", "STATUS=does not turn: lines"]


@pytest.mark.parametrize(
    "more", [{}, {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "x"}]
)
def test_a_period_that_is_not_ours_never_ends(manager: socket.socket, more: dict[str, str]) -> None:
    watchdog = open_watchdog(environment(manager, **more))
    assert watchdog is not None
    assert watchdog.period_s == float("inf")


def test_an_abstract_socket_is_found() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(f"\0edge-agent-test-{os.getpid()}")
        end.settimeout(5)
        assert open_watchdog({"NOTIFY_SOCKET": f"@edge-agent-test-{os.getpid()}"}) is not None
        assert end.recv(64) == b"READY=1"


def test_a_manager_that_went_away_does_not_stop_the_agent(tmp_path: Path) -> None:
    SystemdWatchdog(str(tmp_path / "nobody"), 10.0).feed()


def test_without_either_there_is_none() -> None:
    assert open_watchdog({}) is None
    assert open_watchdog({"NOTIFY_SOCKET": "relative"}) is None


def test_a_device_is_fed_and_disarmed_by_the_magic_letter(tmp_path: Path) -> None:
    device = tmp_path / "watchdog"
    device.touch()
    watchdog = open_watchdog({"EDGE_AGENT_WATCHDOG": str(device)})
    assert isinstance(watchdog, DeviceWatchdog)
    assert watchdog.period_s == 15.0  # it takes no other: a plain file knows no ioctl
    watchdog.feed()
    watchdog.feed()
    watchdog.close()
    watchdog.close()
    assert device.read_bytes() == b"\0\0V"


def test_a_device_that_is_taken_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="none"):
        open_watchdog({"EDGE_AGENT_WATCHDOG": str(tmp_path / "none")})
