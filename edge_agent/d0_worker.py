"""The worker of an optical head or current loop: asks its meters for a read-out when it is due (IEC 62056-21,
A to C). Several meters each have a device address, and only the one that is called answers.

Rules:
- Each slot that was due yields one reading for each series: a value, or a null with its cause.
- One deadline for a whole read-out, whatever the meter does; it is asked once in a slot.
- A read-out is accepted whole or not at all, so that nothing of a foreign meter or a damaged one counts.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from urllib.parse import urlsplit

from config.load import Line
from config.profile import ReadOut
from edge_agent.faults import FaultCode
from edge_agent.line import LineCorrupt, LineDriver, LineTimeout
from edge_agent.line_port import LinePort
from edge_agent.meter_state import SILENT_ROUNDS_MIN, MeterState, initial_identity, judge_told_serial
from edge_agent.parts import Parts
from edge_agent.poll_plan import DueRead, PollPlan
from edge_agent.reading import Reading
from edge_agent.rounds import note_overrun, wait_until_due
from edge_agent.text_readers import D0Reader
from hal.api import PortError
from protocols.iec62056_21 import WAKE_UP_STANDARD, WAKE_UP_ULTRAHEAT, D0Telegram, read_out
from protocols.value import NullCause

READ_OUT_BAUD_MAX = 19_200  # IEC 62056-21, 6.3.2: the fastest of mode C
_WAKE_UPS = {"none": None, "standard": WAKE_UP_STANDARD, "ultraheat": WAKE_UP_ULTRAHEAT}


class D0Worker:
    """An optical head with one meter that is asked, or a current loop with several."""

    def __init__(
        self,
        line: Line,
        meters: Sequence[tuple[MeterState, D0Reader]],
        port: LinePort[LineDriver],
        parts: Parts,
    ) -> None:
        self.line = line
        self.config = line.config
        self.port = port
        self._meters = meters
        self._baud_max = _baud_max(line)
        self._clock = parts.clock
        self._sink = parts.sink
        self._faults = parts.faults
        self._head = asyncio.Lock()
        self._turned = asyncio.Event()
        self._due: deque[DueRead] = deque()  # taken from the plan; at most one for each meter
        self._plan = PollPlan(
            [state.planned for state in self.meters], parts.clock.alignment_ms(), parts.started_ms
        )

    @property
    def meters(self) -> list[MeterState]:
        """The meters of this line."""
        return [state for state, _ in self._meters]

    def replan(self) -> None:
        """The wall clock stepped: slots lie elsewhere on the boot axis from now on."""
        self._plan.realign(self._clock.alignment_ms(), self._clock.boot_ms())
        self._turned.set()

    def accounted_ms(self) -> int:
        """All slots due before this have been recorded."""
        oldest = [self._meters[due.meter][0].oldest_ms(due) for due in self._due]
        return min([*oldest, self._plan.next_due_ms()])

    async def wait_idle(self) -> None:
        """Return between two read-outs, and let no other begin: the line is about to be closed."""
        await self._head.acquire()

    async def run(self) -> None:
        """Read what is due, for ever."""
        await self.port.wait_tried()
        while True:
            await wait_until_due(self._plan.next_due_ms(), self._clock, self._turned)
            self._due.extend(self._plan.pop_due(self._clock.boot_ms()))
            while self._due:
                async with self._head:
                    await self._read_due(self._due[0])
                self._due.popleft()

    async def read_now(self, meter: str) -> list[Reading]:
        """Ask a meter at once, outside of the schedule; what it says is not recorded.

        Raises LineTimeout, LineCorrupt or PortError.
        """
        state, reader = next(pair for pair in self._meters if pair[0].config.id == meter)
        async with self._head:
            now = self._clock.boot_ms()
            telegram = await self._read_out(state)
            return reader.decode(telegram, now, self._clock.boot_ms())

    async def _read_due(self, due: DueRead) -> None:
        state, reader = self._meters[due.meter]
        state.pass_over(due, len(reader.series), self._sink)
        for slot_ms in due.missed:
            self._sink.record(reader.nulls(slot_ms, self._clock.boot_ms(), NullCause.LINE_BUSY))
        note_overrun(state, due, self._faults)
        try:
            telegram = await self._read_out(state)
        except (LineTimeout, LineCorrupt, PortError) as error:
            cause = self._note_absent(state, error)
            self._keep(state, reader.nulls(due.due_ms, self._clock.boot_ms(), cause))
            return
        self._take(state, reader, telegram, due.due_ms)

    def _take(self, state: MeterState, reader: D0Reader, telegram: D0Telegram, due_ms: int) -> None:
        now = self._clock.boot_ms()
        judge_told_serial(state, reader.serial_of(telegram), self._faults)
        if state.identity == "mismatch":
            self._keep(state, reader.nulls(due_ms, now, NullCause.WRONG_DEVICE))
            return
        state.note_good(now)
        self._faults.clear(state.config.id, (FaultCode.METER_SILENT, FaultCode.METER_CORRUPT))
        self._keep(state, reader.decode(telegram, due_ms, now))

    async def _read_out(self, state: MeterState) -> D0Telegram:
        driver = self.port.driver
        if driver is None:
            raise PortError("port.gone", self.port.last_error or f"line {self.config.id} is not open")
        wanted = state.profile.read_out or ReadOut()
        steps = read_out(
            state.config.device_address,
            mode=wanted.mode or None,
            baud_max=self._baud_max,
            initial_baud=self.line.baud,
            wake_up=_WAKE_UPS[wanted.wake_up],
            bcc=wanted.bcc,
            parity_in_data=self.line.format.startswith("8"),
            timeout_s=self.line.reply_timeout_s,
        )
        return await driver.converse(steps, wanted.deadline_s)

    def _keep(self, state: MeterState, readings: list[Reading]) -> None:
        state.last_readings.update({reading.series: reading for reading in readings})
        self._sink.record(readings)

    def _note_absent(self, state: MeterState, error: LineTimeout | LineCorrupt | PortError) -> NullCause:
        """Book a failed read-out and say which null it makes."""
        if isinstance(error, PortError):
            self.port.lose(error)
            return NullCause.PORT_GONE
        state.note_failure(self._clock.boot_ms(), str(error))
        state.identity = initial_identity(state.config)  # whoever answers next may be another device
        silent = isinstance(error, LineTimeout)
        if state.failed_rounds >= SILENT_ROUNDS_MIN:
            code = FaultCode.METER_SILENT if silent else FaultCode.METER_CORRUPT
            self._faults.raise_(code, state.config.id, f"{state.failed_rounds} rounds: {error}")
        return NullCause.SILENT if silent else NullCause.CORRUPT


def _baud_max(line: Line) -> int:
    """The fastest rate that may be agreed on: a serial server's cannot be switched from here."""
    fixed = urlsplit(line.config.url).scheme == "tcp"
    return line.baud if fixed else READ_OUT_BAUD_MAX
