"""The systemd unit: it is valid, it fits the agent's defaults, its sandbox leaves what the agent needs."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from config.model import GatewayConfig
from tests.house.source import ROOT

UNIT = ROOT / "packaging" / "systemd" / "edge-agent.service"
EXPOSURE_TENTHS_MAX = 25  # of 100; systemd calls up to 4.9 "OK" and an unprotected service 9.6
WAIT_S = 60.0

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="hardware: no systemd-analyze on this machine"
)


def settings(name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.MULTILINE)


def analyze(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    unit = folder / UNIT.name
    unit.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text(), flags=re.MULTILINE))
    command = ["systemd-analyze", *arguments, str(unit)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=WAIT_S)


@needs_systemd
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    done = analyze(tmp_path, "verify", "--man=no")
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@needs_systemd
def test_the_sandbox_stays_as_tight_as_it_is(tmp_path: Path) -> None:
    done = analyze(tmp_path, "security", "--offline=true", f"--threshold={EXPOSURE_TENTHS_MAX}")
    assert done.returncode == 0, done.stdout[-400:]


def test_the_unit_restarts_whatever_happens_and_expects_to_be_told() -> None:
    assert settings("Type") == ["notify"]
    assert settings("Restart") == ["always"]
    assert settings("StartLimitIntervalSec") == ["0"]
    assert int(settings("WatchdogSec")[0]) == 120


def test_the_folders_of_the_unit_are_those_of_the_defaults() -> None:
    gateway = GatewayConfig(id="x")
    assert gateway.state_folder == f"/var/lib/{settings('StateDirectory')[0]}"
    assert Path(gateway.socket).parent == Path("/run") / settings("RuntimeDirectory")[0]
    assert settings("StateDirectoryMode") == ["0700"]
    assert settings("LoadCredential") == ["meter-keys"]


def test_the_sandbox_leaves_the_kernels_word_on_its_clock_and_the_ports() -> None:
    assert settings("ProtectClock") == settings("PrivateDevices") == []
    assert "adjtimex" in settings("SystemCallFilter")[-1]
    assert [device.split()[0] for device in settings("DeviceAllow")] == [
        "char-ttyS",
        "char-ttyAMA",
        "char-ttyUSB",
        "char-ttyACM",
        "char-gpiochip",
    ]
