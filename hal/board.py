"""Which hardware stands behind a URL. The only place that chooses; above it nobody knows.

serial:///dev/serial/by-path/...      a serial port; ?rs485=on for direction control by the kernel
tcp://host:502                        a connection
gpio:///dev/gpiochip0?line=17         an input for pulses, see config/pulse_input.py
sim://modbus-rtu?meter=...            simulated meters, see hal/sim/port.py
sim://s0?period_ms=3600               simulated pulses, see hal/sim/pulses.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

from config.model import CharacterFormat
from hal.api import EdgeSource, Port, PortError
from hal.serial_port import open_serial_port
from hal.tcp_port import open_tcp_port

if TYPE_CHECKING:
    from hal.modem.api import Modem

BAUD_DEFAULT: Final = 9600
FORMAT_DEFAULT: Final[CharacterFormat] = "8N1"
TCP_PORT_DEFAULT: Final = 502  # registered for Modbus TCP


async def open_port(
    url: str,
    *,
    baud: int = BAUD_DEFAULT,
    format: CharacterFormat = FORMAT_DEFAULT,  # noqa: A002  the word of the configuration
) -> Port:
    """Open the line end that `url` names; `baud` and `format` hold for serial lines.

    Raises PortError, whose text says what would be right.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise PortError("port.setting", f"{url}: {error}") from error
    if parts.scheme == "serial":
        return _open_serial(url, parts, baud, format)
    if parts.scheme == "tcp":
        return await _open_tcp(url, parts)
    if parts.scheme == "sim":
        from hal.sim.port import open_sim_port

        return await open_sim_port(url, baud=baud, character_format=format)
    if parts.scheme == "rfc2217":
        hint = "set the serial server to raw TCP and write tcp://host:port"
        raise PortError("port.setting", f"{url}: RFC 2217 is not supported; {hint}")
    hint = "write serial:///dev/..., tcp://host:port or sim://..."
    raise PortError("port.setting", f"{url}: not a line's URL; {hint}")


async def open_edge_source(url: str) -> EdgeSource:
    """Open the pulse input that `url` names. Raises PortError, whose text says what would be right."""
    scheme = url.partition(":")[0]
    if scheme == "gpio":
        from hal.gpio import open_gpio_input

        return open_gpio_input(url)
    if scheme == "sim":
        from hal.sim.pulses import open_sim_pulses

        return open_sim_pulses(url)
    raise PortError("port.setting", f"{url}: not a pulse input; write gpio:///dev/gpiochip0?line=17")


def open_modem(device: str) -> Modem:
    """The modem that `[modem] device` names, by ModemManager; nothing is asked before its first call."""
    from hal.modem.modem_manager import ModemManagerModem

    if device.isdecimal():
        return ModemManagerModem(imei=device)
    return ModemManagerModem(device=device or None)


def _open_serial(url: str, parts: SplitResult, baud: int, character_format: CharacterFormat) -> Port:
    if parts.netloc or not parts.path.startswith("/"):
        hint = "write three slashes, as in serial:///dev/ttyUSB0"
        raise PortError("port.setting", f"{url}: no path of a device; {hint}")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    rs485 = options.pop("rs485", "off")
    if options or rs485 not in ("on", "off"):
        raise PortError("port.setting", f"{url}: the only option is ?rs485=on or ?rs485=off")
    return open_serial_port(parts.path, baud=baud, character_format=character_format, rs485=rs485 == "on")


async def _open_tcp(url: str, parts: SplitResult) -> Port:
    try:
        port = parts.port or TCP_PORT_DEFAULT
    except ValueError as error:
        raise PortError("port.setting", f"{url}: the port is a number up to 65535") from error
    if not parts.hostname or parts.path not in ("", "/") or parts.query:
        raise PortError("port.setting", f"{url}: write tcp://host:port, nothing more")
    return await open_tcp_port(parts.hostname, port)
