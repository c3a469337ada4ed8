"""A gateway with `[modem]` and without ModemManager: it reads and forwards, says what is missing, and feeds
its watchdog."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgectl.modem import read_last
from tests.system.plant import Plant, rtu_line, sdm630
from tests.world.gateway import Settings, open_gateway, wait_until

MODEM = '\n[modem]\nbackend = "modem-manager"\napn = "meter.example"\nhome_bytes = 1000000\n'
WATCHDOG_US = 2_000_000
WAIT_S = 15.0


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """What systemd listens on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(str(tmp_path / "notify"))
        end.settimeout(WAIT_S)
        yield end


async def test_the_modem_is_kept_beside_the_readings_and_its_state_outlives_the_agent(
    tmp_path: Path, manager: socket.socket
) -> None:
    plant, meters = Plant(), [sdm630()]
    async with (
        plant.line(meters) as line,
        open_gateway(
            tmp_path,
            lines=[rtu_line(line)],
            meters=meters,
            settings=Settings(more=MODEM),
            start=("broker", "receiver"),
        ) as gateway,
    ):
        variables = {
            "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={tmp_path}/no-bus",
            "NOTIFY_SOCKET": manager.getsockname(),
            "WATCHDOG_USEC": str(WATCHDOG_US),
        }
        given = (f"{name}={value}" for name, value in variables.items())
        gateway.agent.launcher = ("/usr/bin/env", *given, sys.executable)
        await gateway.agent.start()
        await gateway.wait_values("meter-1", 2)

        async def modem() -> dict[str, object] | None:
            found: dict[str, object] | None = (await gateway.status())["modem"]
            return found if found and found["evidence"] else None

        report = await wait_until(modem, what="the modem's keeper looked")
        heard = [manager.recv(4096) for _ in range(3)]
        assert heard == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]
        assert report["trouble"] in ("service", "none"), "none once the session lives, by another way"
        assert await gateway.agent.stop() == 0
        last = read_last(gateway.state_folder)
    assert last.report is not None
    assert "ModemManager" in last.report.evidence
