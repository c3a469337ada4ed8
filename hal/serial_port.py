"""A serial port: pyserial opens and configures it, the event loop moves its bytes.

Rules:
- Opening does not wait, so it cannot be cancelled half-way and leave a descriptor behind.
- A descriptor at a time: after `close` or a failure every call raises PortError("port.gone").
- Bytes are read only when they are handed over at once; a cancelled `read` has consumed nothing.
- A wait that is known to be long is slept through. While nothing has arrived, n bytes cannot be
  complete before n character times: sleeping that long instead of waking for each byte costs no time
  and most of the CPU goes away. VMIN would do the same, but setting it costs a USB control transfer
  with some adapters, and a wrong hint stalls the line there; here it delays by n characters at most.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import grp
import os
import struct
import termios
from pathlib import Path
from typing import Final

import serial
from serial.rs485 import RS485Settings

from config.model import CharacterFormat
from hal.api import PortError
from hal.readiness import wait_readable, wait_writable

READ_BYTES_MAX = 4096  # what the kernel keeps for a terminal
DISCARD_READS_MAX = 64
WRITE_STALL_S_MAX = 1.0  # beyond the bytes' own time on the wire
DRAIN_POLL_S = 0.001
PAUSE_S_MIN = 0.002  # shorter sleeps cost more than they spare
PAUSE_MARGIN_S = 0.0015  # the loop's timers are up to 1 ms late; the last bytes are waited for one by one

_PTY_MAJORS: Final = range(136, 144)  # Documentation/admin-guide/devices.txt: Unix98 pseudo-terminal slaves
_PARITIES: Final = {"N": serial.PARITY_NONE, "E": serial.PARITY_EVEN, "O": serial.PARITY_ODD}
_MISSING: Final = (errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.EIO, errno.ENOTDIR)
_BUSY: Final = (errno.EBUSY, errno.EAGAIN)
_DENIED: Final = (errno.EACCES, errno.EPERM)


def character_time_s(baud: int, character_format: str) -> float:
    """One character from start to stop bit, in s; `character_format` such as "8N1"."""
    parity_bits = character_format[1] != "N"
    return (1 + int(character_format[0]) + parity_bits + int(character_format[2])) / baud


def open_serial_port(
    path: str, *, baud: int, character_format: CharacterFormat, rs485: bool = False
) -> SerialPort:
    """Open and configure the device at `path`, for us alone.

    `rs485`: let the kernel's driver switch the direction (TIOCSRS485), for UARTs that drive a
    transceiver's enable pin by RTS. Raises PortError "port.missing", "port.busy", "port.denied" or
    "port.setting", whose text names the next step.
    """
    data_bits, parity = (
        (8, "N") if _is_pseudo_terminal(path) else (int(character_format[0]), character_format[1])
    )
    try:
        device = serial.Serial(
            path,
            baud,
            bytesize=data_bits,
            parity=_PARITIES[parity],
            stopbits=int(character_format[2]),
            timeout=0,
            exclusive=True,
        )
    except (serial.SerialException, ValueError, OverflowError, termios.error) as error:
        raise _open_error(path, error, f"{baud} baud {character_format}") from error
    try:
        _claim(device, rs485=rs485, check_parity=data_bits == 7 and parity != "N")
    except (OSError, ValueError, termios.error) as error:
        device.close()
        raise _open_error(path, error, "RS-485 by the kernel (?rs485=on)" if rs485 else "raw mode") from error
    return SerialPort(device, path, baud, character_format)


class SerialPort:
    """An open serial port; see hal.api.Port for what the methods promise."""

    def __init__(self, device: serial.Serial, path: str, baud: int, character_format: str) -> None:
        """Use `open_serial_port`."""
        self._device: serial.Serial | None = device
        self._fd: int = device.fileno()
        self._path = path
        self._character_format = character_format
        self._char_time_s = character_time_s(baud, character_format)

    @property
    def char_time_s(self) -> float:
        """One character on the wire, in s."""
        return self._char_time_s

    async def write(self, data: bytes) -> None:
        """Hand over `data` and return when its last bit has left.

        That is when the bytes have had their time on the wire and the driver's queue is empty. The
        system's own answer (tcdrain) blocks, and a pseudo-terminal's queue is always empty.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + len(data) * self._char_time_s
        stalled = end + WRITE_STALL_S_MAX
        rest = memoryview(data)
        while rest:
            rest = rest[self._write_now(rest) :]
            if rest and not await wait_writable(self._descriptor(), max(0.0, stalled - loop.time())):
                raise self._stalled()
        await asyncio.sleep(max(0.0, end - loop.time()))
        while self._queued_bytes():
            if loop.time() > stalled:
                raise self._stalled()
            await asyncio.sleep(DRAIN_POLL_S)

    async def read(self, timeout_s: float, expected: int = 1) -> bytes:
        """What has arrived; b"" when nothing came within `timeout_s`. 0 asks without waiting."""
        data = self._read_now()
        if data or timeout_s <= 0:
            return data
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        pause_s = min(expected * self._char_time_s - PAUSE_MARGIN_S, timeout_s)
        if pause_s >= PAUSE_S_MIN:
            await asyncio.sleep(pause_s)
            data = self._read_now()
        while not data:
            rest_s = deadline - loop.time()
            if rest_s <= 0 or not await wait_readable(self._descriptor(), rest_s):
                return self._read_now()
            data = self._read_now()
        return data

    def discard_input(self) -> None:
        """Forget what has arrived and was not read."""
        for _ in range(DISCARD_READS_MAX):
            if not self._read_now():
                return

    def reconfigure(self, baud: int) -> None:
        """Switch both directions; format, parity check and what has arrived stay.

        Not by pyserial, which turns the parity check off whenever it sets anything.
        """
        fd = self._descriptor()
        try:
            speed = getattr(termios, f"B{baud}")
            attributes = termios.tcgetattr(fd)
            attributes[4] = attributes[5] = speed
            termios.tcsetattr(fd, termios.TCSANOW, attributes)
        except (AttributeError, OSError, termios.error) as error:
            hint = "another adapter can, or the meter's profile must name a lower rate"
            raise PortError(
                "port.setting", f"{self._path}: does not accept {baud} Bd ({error}); {hint}"
            ) from error
        self._char_time_s = character_time_s(baud, self._character_format)

    async def close(self) -> None:
        """Release the device; the system takes the exclusive use back with the last descriptor."""
        device, self._device = self._device, None
        if device is not None:
            device.close()

    def _descriptor(self) -> int:
        if self._device is None:
            raise PortError("port.gone", f"{self._path} is closed")
        return self._fd

    def _read_now(self) -> bytes:
        try:
            data = os.read(self._descriptor(), READ_BYTES_MAX)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise self._gone(error.strerror or "read failed") from error
        if not data:  # VMIN is 1, so an empty read is a hang-up and not "nothing yet"
            raise self._gone("hung up")
        return data

    def _write_now(self, data: memoryview) -> int:
        try:
            return os.write(self._descriptor(), data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise self._gone(error.strerror or "write failed") from error

    def _queued_bytes(self) -> int:
        try:
            answer = fcntl.ioctl(self._descriptor(), termios.TIOCOUTQ, b"\0\0\0\0")
        except OSError as error:
            raise self._gone(error.strerror or "no answer from its driver") from error
        return int(struct.unpack("i", answer)[0])

    def _gone(self, reason: str) -> PortError:
        hint = "check the adapter and its cable; it is opened again once it is back"
        return PortError("port.gone", f"{self._path} is gone ({reason}); {hint}")

    def _stalled(self) -> PortError:
        text = f"{self._path} takes no more bytes; unplug the adapter and plug it in again"
        return PortError("port.gone", text)


def _claim(device: serial.Serial, *, rs485: bool, check_parity: bool) -> None:
    """What pyserial leaves open: exclusive use, reads that tell a hang-up from nothing, direction.

    `check_parity`: a character whose parity is wrong is read as NUL. Protocols of 7-bit characters lean on
    it, their own check being a sum (Modbus ASCII, IEC 62056-21); those of 8 bits have a CRC.
    """
    fd = device.fileno()
    attributes = termios.tcgetattr(fd)
    attributes[0] &= ~(termios.BRKINT | termios.INPCK)  # a break must not throw away what was received
    attributes[0] |= termios.INPCK if check_parity else 0
    attributes[6][termios.VMIN] = 1
    attributes[6][termios.VTIME] = 0
    termios.tcsetattr(fd, termios.TCSANOW, attributes)
    if os.major(os.fstat(fd).st_rdev) not in _PTY_MAJORS:
        # On a pseudo-terminal the mark would outlive a killed process for as long as its master lives.
        fcntl.ioctl(fd, termios.TIOCEXCL)
    with contextlib.suppress(OSError, ValueError):  # a hint that only some drivers know
        device.set_low_latency_mode(True)
    if rs485:
        device.rs485_mode = RS485Settings()


def _is_pseudo_terminal(path: str) -> bool:
    """It has neither parity nor characters of 7 bits, and once it is set, refuses them (EINVAL)."""
    try:
        return os.major(Path(path).stat().st_rdev) in _PTY_MAJORS
    except OSError:
        return False  # opening tells what is wrong


def _open_error(path: str, error: BaseException, setting: str) -> PortError:
    """The PortError for a failed opening, with what to do next."""
    number = error.errno if isinstance(error, OSError) else None
    if number in _MISSING:
        hint = "plug the adapter in; `ls -l /dev/serial/by-path` shows what is there"
        return PortError("port.missing", f"{path}: no such serial device; {hint}")
    if number in _BUSY:
        hint = f"`fuser -v {path}` names it; stop it (another agent, a terminal program, ModemManager)"
        return PortError("port.busy", f"{path}: in use by another program; {hint}")
    if number in _DENIED:
        return PortError("port.denied", f"{path}: not permitted; {_denied_hint(path)}")
    hint = "correct url, baud or format of this line"
    return PortError("port.setting", f"{path}: does not accept {setting} ({error}); {hint}")


def _denied_hint(path: str) -> str:
    try:
        group = grp.getgrgid(Path(path).stat().st_gid).gr_name
    except (OSError, KeyError):
        group = "dialout"
    return f"add the agent's user to the group {group} (`usermod -aG {group} USER`) and start it again"
