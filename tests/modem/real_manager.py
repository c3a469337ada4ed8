"""The distribution's ModemManager on a private bus, and a simulated modem on its ports.

ModemManager's test session takes ports by name (`Test.SetProfile`) instead of from udev; all else of it is
what runs on a gateway. Needs no rights, since the bus is ours and permits all.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count
from pathlib import Path

import pytest
from dbus_fast import Message
from dbus_fast.aio import MessageBus

from hal.modem.api import ModemGone, ModemStatus
from hal.modem.modem_manager import ModemManagerModem
from hal.sim.modem import SimModem
from hal.sim.modem_personas.every import PERSONAS
from hal.sim.modem_serve import ServedModem
from hal.sim.modem_state import Delays, Network

SEARCH_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
MODEM_MANAGER = shutil.which("ModemManager", path=SEARCH_PATH)
DBUS_DAEMON = shutil.which("dbus-daemon", path=SEARCH_PATH)
WAIT_S_MAX = 20.0
OPTIONS = (
    "--test-session",
    "--test-enable",
    "--test-no-udev",
    "--test-no-qrtr",
    "--test-no-suspend-resume",
    "--no-auto-scan",
)
BUS = """<busconfig><type>session</type><listen>unix:path={folder}/bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
<allow own="*"/></policy></busconfig>"""
QUICK = Delays(boot=0.5, context=0.05, dial=0.05, radio=0.05)
NUMBERS = count()

needs_modem_manager = pytest.mark.skipif(
    MODEM_MANAGER is None or DBUS_DAEMON is None,
    reason="ModemManager or dbus-daemon is missing: apt-get install modemmanager dbus",
)


async def wait_for(what: Callable[[], Awaitable[bool]], wait_s: float = WAIT_S_MAX) -> None:
    """Until `what` holds."""
    async with asyncio.timeout(wait_s):
        while not await what():  # noqa: ASYNC110  another process, which tells nobody
            await asyncio.sleep(0.02)


class Bench:
    """ModemManager, its bus and the modem. Made by `bench`."""

    def __init__(self, folder: Path, modem: SimModem) -> None:
        self.folder = folder
        self.modem = modem
        self.served = ServedModem(modem, abstract=self.names(modem.ports))
        self.agent = ModemManagerModem()
        self._manager: asyncio.subprocess.Process | None = None
        self._environment = dict(os.environ)

    @staticmethod
    def names(ports: int) -> list[str]:
        return [f"abstract:modem{os.getpid()}-{next(NUMBERS)}" for _ in range(ports)]

    @property
    def address(self) -> str:
        return f"unix:path={self.folder}/bus"

    async def run_bus(self) -> asyncio.subprocess.Process:
        configuration = self.folder / "bus.conf"
        configuration.write_text(BUS.format(folder=self.folder))
        for name in ("DBUS_SESSION_BUS_ADDRESS", "DBUS_SYSTEM_BUS_ADDRESS"):
            self._environment[name] = self.address
        assert DBUS_DAEMON is not None
        with (self.folder / "bus.log").open("wb") as log:
            daemon = await asyncio.create_subprocess_exec(
                DBUS_DAEMON, f"--config-file={configuration}", "--nofork", stderr=log
            )

        async def listens() -> bool:
            return (self.folder / "bus").exists()

        await wait_for(listens)
        return daemon

    async def start_manager(self) -> None:
        assert MODEM_MANAGER is not None
        with (self.folder / "manager.log").open("ab") as log:
            self._manager = await asyncio.create_subprocess_exec(
                MODEM_MANAGER, *OPTIONS, env=self._environment, stdout=log, stderr=log
            )

    async def freeze_manager(self) -> None:
        """It keeps its name on the bus and answers nothing, until it is killed."""
        assert self._manager is not None
        self._manager.send_signal(signal.SIGSTOP)

    async def stop_manager(self) -> None:
        manager, self._manager = self._manager, None
        if manager is not None:
            manager.kill()
            await manager.wait()

    async def plug(self, plugin: str, *, device: str = "bench", served: ServedModem | None = None) -> None:
        """Give ModemManager the modem's ports, as it would find them by udev."""
        bus = await MessageBus(bus_address=self.address).connect()
        try:

            async def has_name() -> bool:
                reply = await bus.call(
                    Message("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "ListNames")
                )
                return reply is not None and "org.freedesktop.ModemManager1" in reply.body[0]

            await wait_for(has_name)
            await bus.call(
                Message(
                    "org.freedesktop.ModemManager1",
                    "/org/freedesktop/ModemManager1",
                    "org.freedesktop.ModemManager1.Test",
                    "SetProfile",
                    signature="ssas",
                    body=[device, plugin, list((served or self.served)._abstract)],
                )
            )
        finally:
            bus.disconnect()

    async def until(self, holds: Callable[[ModemStatus], bool], wait_s: float = WAIT_S_MAX) -> ModemStatus:
        """The first status for which `holds`; the modem may be gone until then."""
        async with asyncio.timeout(wait_s):
            while True:
                with contextlib.suppress(ModemGone):
                    if holds(status := await self.agent.status()):
                        return status
                await asyncio.sleep(0.02)

    def log(self) -> str:
        """What ModemManager said."""
        return (self.folder / "manager.log").read_text(errors="replace")


@contextlib.asynccontextmanager
async def bench(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    plugin: str = "quectel",
    persona: str = "quectel-ec25",
    *,
    network: Network | None = None,
    pin: str | None = None,
    has_sim: bool = True,
) -> AsyncIterator[Bench]:
    """A modem of `persona` that ModemManager drives by `plugin`."""
    network = network or Network(search_s=0.3)
    modem = SimModem(PERSONAS[persona], ports=2, network=network, delays=QUICK, pin=pin, has_sim=has_sim)
    found = Bench(folder, modem)
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", found.address)
    daemon = await found.run_bus()
    try:
        async with found.served:
            await found.start_manager()
            await found.plug(plugin)
            yield found
    finally:
        await found.agent.close()
        await found.stop_manager()
        daemon.terminate()
        await daemon.wait()
