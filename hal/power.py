"""What can be done to a modem from outside of it, and to the machine: the harsh repairs.

Rules:
- Each does one thing, in a bounded time, and raises RepairFailed where it could not; none decides when.
- The machine is rebooted by systemd, which owns the hardware's watchdog and guards the way down; the agent
  never writes to /proc/sysrq-trigger.
- What is off is switched on again, whatever happens in between.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Final, Protocol

from config.cellular import read_output_url

MODEM_SERVICE: Final = "ModemManager.service"
COMMAND_S_MAX: Final = 90.0  # systemd's own bound to stop a service
POWER_OFF_S: Final = 12.0  # capacitors of modules hold for some seconds; 10 s is the makers' word
REBIND_OFF_S: Final = 3.0
SYSTEMCTL: Final = "systemctl"
_USB_DRIVER: Final = Path("/sys/bus/usb/drivers/usb")


class RepairFailed(Exception):
    """It could not be done; the text says why, and what to do about it."""


class Repairs(Protocol):
    """The repairs that need no modem that listens."""

    async def restart_service(self) -> None:
        """Restart ModemManager."""

    async def rebind_usb(self) -> None:
        """Take the modem's USB port from its driver and give it back."""

    async def cut_power(self) -> None:
        """Take the modem's supply away for POWER_OFF_S."""

    async def reboot(self) -> None:
        """Start the machine anew; it may return before that happens."""


class SystemRepairs:
    """Repairs on the real machine. `usb_port` and `power` as in config.cellular.ModemConfig."""

    def __init__(
        self, *, usb_port: str = "", power: str = "", driver: Path = _USB_DRIVER, systemctl: str = SYSTEMCTL
    ) -> None:
        self._usb_port = usb_port
        self._power = power
        self._driver = driver
        self._systemctl = systemctl

    async def restart_service(self) -> None:
        """See Repairs."""
        await self._command("restart", MODEM_SERVICE)

    async def rebind_usb(self) -> None:
        """See Repairs."""
        self._write("unbind")
        try:
            await asyncio.sleep(REBIND_OFF_S)
        finally:
            self._write("bind")

    async def cut_power(self) -> None:
        """See Repairs. The line keeps its level when it is released, as on all boards known to us; the
        kernel does not promise it."""
        import gpiod
        from gpiod.line import Direction, Value

        line = read_output_url(self._power)
        on = gpiod.LineSettings(
            direction=Direction.OUTPUT, output_value=Value.ACTIVE, active_low=line.active_low
        )
        try:
            with gpiod.request_lines(line.chip, consumer="edge-agent", config={line.line: on}) as request:
                request.set_value(line.line, Value.INACTIVE)
                try:
                    await asyncio.sleep(POWER_OFF_S)
                finally:
                    request.set_value(line.line, Value.ACTIVE)
        except (OSError, ValueError) as error:
            raise RepairFailed(f"{self._power}: {error}; see gpioinfo") from error

    async def reboot(self) -> None:
        """See Repairs."""
        await self._command("reboot")

    def _write(self, name: str) -> None:
        try:
            (self._driver / name).write_text(self._usb_port, encoding="ascii")
        except OSError as error:
            hint = "is the modem at this port, and may the agent's user write there?"
            raise RepairFailed(f"USB port {self._usb_port}, {name}: {error.strerror}; {hint}") from error

    async def _command(self, *arguments: str) -> None:
        words = " ".join((self._systemctl, *arguments))
        try:
            process = await asyncio.create_subprocess_exec(
                self._systemctl,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            raise RepairFailed(f"{words}: {error.strerror}; this needs systemd") from error
        try:
            async with asyncio.timeout(COMMAND_S_MAX):
                _, said = await process.communicate()
        except TimeoutError as error:
            raise RepairFailed(f"{words}: not done within {COMMAND_S_MAX:.0f} s") from error
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
        if process.returncode:
            why = said.decode(errors="replace").strip()[:200] or f"exit code {process.returncode}"
            raise RepairFailed(f"{words}: {why}; does polkit allow it to the agent's user?")
