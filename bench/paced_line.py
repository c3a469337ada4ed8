"""A serial line in a process of its own: it holds a pty's master, paces its bytes as on a wire, and measures.

    python -m bench.paced_line BAUD FORMAT

prints the path of the pty's other end, answers every Modbus RTU read there as a device would that begins
after 3.5 characters of silence, and at the end of its own input prints what it measured, as JSON.

A request counts as begun when it is seen here, which is later than it was sent: whoever asks is never
credited with this process' own lateness. The silence before it began with the last byte of the answer
before, as that was really handed over.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import statistics
import sys
import time
import tty

from hal.serial_port import character_time_s
from protocols.modbus.pdu import ReadRequest
from protocols.modbus.rtu import RtuServer, silence_s

FIFO_BYTES = 8  # above 19200 baud bytes are handed over as a UART's FIFO does
FAST_BAUD = 19_200
REQUEST_BYTES = 8
WARM_UP = 5  # exchanges that are not counted
PR_SET_TIMERSLACK = 29  # prctl(2)


class PacedLine:
    """The wire, its one device, and the silences on it in s. `answers_bytes`: how long each answer was."""

    def __init__(self, master: int, baud: int, character_format: str) -> None:
        self.char_time_s = character_time_s(baud, character_format)
        self.silence_s = silence_s(baud, character_format)
        self.gaps_s: list[float] = []
        self.answers_bytes: list[int] = []
        self._master = master
        self._chunk_bytes = FIFO_BYTES if baud > FAST_BAUD else 1
        self._server = RtuServer(_registers)
        self._last_byte_s = 0.0

    def take(self) -> None:
        """Take what was sent, and answer it."""
        seen_s = time.monotonic()
        data = os.read(self._master, 256)
        for frame in self._server.receive_data(data):
            if self._last_byte_s:
                self.gaps_s.append(seen_s - self._last_byte_s)
                self.answers_bytes.append(len(frame))
            self._send(frame, seen_s + REQUEST_BYTES * self.char_time_s + self.silence_s)

    def _send(self, frame: bytes, start_s: float) -> None:
        for place in range(0, len(frame), self._chunk_bytes):
            chunk = frame[place : place + self._chunk_bytes]
            rest_s = start_s + (place + len(chunk)) * self.char_time_s - time.monotonic()
            if rest_s > 0:
                time.sleep(rest_s)
            self._last_byte_s = time.monotonic()
            os.write(self._master, chunk)

    def report(self) -> dict[str, float]:
        """`share`: the time that the exchanges need at least, of the time that they took."""
        gaps_s, answers = self.gaps_s[WARM_UP:], self.answers_bytes[WARM_UP:]
        needed_s = sum((REQUEST_BYTES + n) * self.char_time_s + 2 * self.silence_s for n in answers)
        taken_s = needed_s + sum(gap_s - self.silence_s for gap_s in gaps_s)
        return {
            "exchanges": len(gaps_s),
            "share": needed_s / taken_s if taken_s else 0.0,
            "short_gaps": sum(gap_s < self.silence_s for gap_s in gaps_s),
            "gap_s_min": min(gaps_s, default=0.0),
            "gap_s_median": statistics.median(gaps_s or [0.0]),
            "silence_s": self.silence_s,
        }


def main() -> None:
    """See the module's docstring."""
    baud, character_format = int(sys.argv[1]), sys.argv[2]
    ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)
    with contextlib.suppress(PermissionError):  # as root nothing else on this machine holds the line up
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    master, slave = os.openpty()
    tty.setraw(slave)
    line = PacedLine(master, baud, character_format)
    print(os.ttyname(slave), flush=True)
    while True:
        ready, _, _ = select.select([master, 0], [], [])
        if master in ready:
            line.take()
        elif not os.read(0, 64):
            break
    print(json.dumps(line.report()))


def _registers(_unit: int, read: ReadRequest) -> bytes:
    """230.25 V in each pair of registers."""
    return b"\x43\x66\x40\x00" * (read.count // 2)


if __name__ == "__main__":
    main()
