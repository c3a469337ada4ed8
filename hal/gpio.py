"""A GPIO line of the board as an input for pulses, by the kernel's character device (gpiod 2.x).

Rules:
- Edges carry the time at which the kernel's interrupt saw them, on CLOCK_MONOTONIC: it never steps, and
  widths of pulses are differences of it. The kernel offers no CLOCK_BOOTTIME for edges, and none is needed:
  readings are dated when they are taken. While the machine sleeps this clock stands still, and so does the
  watching; gateways do not sleep.
- The kernel keeps the last EVENTS_MAX edges and numbers them; a number that is missing is an edge lost.
- No debouncing by the kernel: it would move the edges' times, and `protocols/s0.py` has to see how the
  contact bounces to tell a pulse from noise.
"""

from __future__ import annotations

import errno
import glob
import os
import time
from typing import TYPE_CHECKING, Final

from config.pulse_input import PulseInput, read_gpio_url
from hal.api import PortError
from hal.readiness import wait_readable
from protocols.s0 import Edge

if TYPE_CHECKING:
    import gpiod

EVENTS_MAX: Final = 1024  # the kernel's own bound of a line's buffer (gpiolib-cdev: 16 for each of 64 lines)
CONSUMER: Final = "edge-agent"

_CODES: Final = {
    errno.ENOENT: "port.missing",
    errno.ENODEV: "port.missing",
    errno.ENXIO: "port.missing",
    errno.EACCES: "port.denied",
    errno.EPERM: "port.denied",
    errno.EBUSY: "port.busy",
}


class GpioInput:
    """hal.api.EdgeSource on a GPIO line. Made by `open_gpio_input`."""

    def __init__(self, url: str, request: gpiod.LineRequest) -> None:
        self._url = url
        self._request = request
        self._fd: int | None = request.fd
        self._seen = 0  # the kernel numbers the edges of a request from 1

    def now_ns(self) -> int:
        """See hal.api.EdgeSource."""
        return time.monotonic_ns()

    async def wait_edges(self, timeout_s: float) -> list[Edge]:
        """See hal.api.EdgeSource."""
        if self._fd is None:
            raise PortError("port.gone", f"{self._url}: closed")
        try:
            if not await wait_readable(self._fd, timeout_s):
                return []
            events = self._request.read_edge_events(EVENTS_MAX)
        except OSError as error:
            raise PortError("port.gone", f"{self._url}: {error.strerror or error}") from error
        return [self._edge(event) for event in events]

    async def close(self) -> None:
        """See hal.api.EdgeSource."""
        if self._fd is not None:
            self._fd = None
            self._request.release()

    def _edge(self, event: gpiod.EdgeEvent) -> Edge:
        lost, self._seen = event.line_seqno - self._seen - 1, event.line_seqno
        active = event.event_type is event.Type.RISING_EDGE  # with active_low, rising means: becomes active
        return Edge(event.timestamp_ns, active, lost)


def open_gpio_input(url: str) -> GpioInput:
    """Ask the kernel for the line that `url` names. Raises PortError, whose text says what would be right."""
    try:
        wanted = read_gpio_url(url)
    except ValueError as error:
        raise PortError("port.setting", f"{url}: write {error}") from error
    try:
        return GpioInput(url, _request(wanted))
    except (OSError, ValueError) as error:
        raise _refusal(url, wanted, error) from error


def gpio_chips() -> list[str]:
    """The machine's GPIO chips."""
    return sorted(glob.glob("/dev/gpiochip*"))  # noqa: PTH207  one folder, plain names


def _request(wanted: PulseInput) -> gpiod.LineRequest:
    import gpiod
    from gpiod.line import Bias, Clock, Direction
    from gpiod.line import Edge as Detection

    settings = gpiod.LineSettings(
        direction=Direction.INPUT,
        edge_detection=Detection.BOTH,
        bias=Bias[wanted.bias.upper().replace("-", "_")],
        active_low=wanted.active_low,
        event_clock=Clock.MONOTONIC,
    )
    return gpiod.request_lines(
        wanted.chip, consumer=CONSUMER, config={wanted.line: settings}, event_buffer_size=EVENTS_MAX
    )


def _refusal(url: str, wanted: PulseInput, error: OSError | ValueError) -> PortError:
    """What the system said, and what to do about it."""
    number = error.errno if isinstance(error, OSError) else None
    code = _CODES.get(number or 0, "port.setting")
    said = os.strerror(number) if number else str(error)
    hints = {
        "port.missing": f"chips of this machine: {', '.join(gpio_chips()) or 'none'}; see gpiodetect",
        "port.denied": "let the agent's user into the group gpio",
        "port.busy": f"another program or driver holds line {wanted.line}; see gpioinfo",
        "port.setting": f"does the chip have a line {wanted.line}, and this bias? see gpioinfo",
    }
    return PortError(code, f"{url}: {said}; {hints[code]}")
