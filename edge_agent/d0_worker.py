"""The worker of an optical head: asks its one meter for a read-out when it is due (IEC 62056-21, A to C).

Rules:
- Each slot that was due yields one reading for each series: a value, or a null with its cause.
- One deadline for a whole read-out, whatever the meter does; it is asked once in a slot.
- A read-out is accepted whole or not at all, so that nothing of a foreign meter or a damaged one counts.
"""

from __future__ import annotations

import asyncio

from config.load import Line
from config.profile import ReadOut
from edge_agent.clock import BootClock
from edge_agent.faults import FaultCode, Faults
from edge_agent.line import LineCorrupt, LineDriver, LineTimeout
from edge_agent.line_port import LinePort
from edge_agent.meter_state import SILENT_ROUNDS_MIN, MeterState, initial_identity, judge_told_serial
from edge_agent.poll_plan import DueRead, PollPlan
from edge_agent.reading import Reading, Sink
from edge_agent.rounds import note_overrun, wait_until_due
from edge_agent.text_readers import D0Reader
from hal.api import PortError
from protocols.iec62056_21 import WAKE_UP_STANDARD, WAKE_UP_ULTRAHEAT, D0Telegram, read_out
from protocols.value import NullCause

_WAKE_UPS = {"none": None, "standard": WAKE_UP_STANDARD, "ultraheat": WAKE_UP_ULTRAHEAT}


class D0Worker:
    """An optical head with one meter that is asked."""

    def __init__(
        self,
        line: Line,
        state: MeterState,
        reader: D0Reader,
        port: LinePort[LineDriver],
        clock: BootClock,
        sink: Sink,
        faults: Faults,
        *,
        started_ms: int,
    ) -> None:
        """`started_ms`: from when on this run of the agent accounts for every slot."""
        self.line = line
        self.config = line.config
        self.port = port
        self._state = state
        self._reader = reader
        self._clock = clock
        self._sink = sink
        self._faults = faults
        self._head = asyncio.Lock()
        self._turned = asyncio.Event()
        self._due: DueRead | None = None
        self._plan = PollPlan([state.planned], clock.alignment_ms(), started_ms)

    @property
    def meters(self) -> list[MeterState]:
        """The meters of this line: one."""
        return [self._state]

    def replan(self) -> None:
        """The wall clock stepped: slots lie elsewhere on the boot axis from now on."""
        self._plan.realign(self._clock.alignment_ms(), self._clock.boot_ms())
        self._turned.set()

    def accounted_ms(self) -> int:
        """All slots due before this have been recorded."""
        next_ms = self._plan.next_due_ms()
        return next_ms if self._due is None else min(self._state.oldest_ms(self._due), next_ms)

    async def wait_idle(self) -> None:
        """Return between two read-outs, and let no other begin: the line is about to be closed."""
        await self._head.acquire()

    async def run(self) -> None:
        """Read what is due, for ever."""
        await self.port.wait_tried()
        while True:
            await wait_until_due(self._plan.next_due_ms(), self._clock, self._turned)
            for due in self._plan.pop_due(self._clock.boot_ms()):
                self._due = due
                async with self._head:
                    await self._read_due(due)
                self._due = None

    async def read_now(self, meter: str) -> list[Reading]:  # noqa: ARG002  there is only one
        """Ask the meter at once, outside of the schedule; what it says is not recorded.

        Raises LineTimeout, LineCorrupt or PortError.
        """
        async with self._head:
            now = self._clock.boot_ms()
            telegram = await self._read_out()
            return self._reader.decode(telegram, now, self._clock.boot_ms())

    async def _read_due(self, due: DueRead) -> None:
        self._state.pass_over(due, len(self._reader.series), self._sink)
        for slot_ms in due.missed:
            self._sink.record(self._reader.nulls(slot_ms, self._clock.boot_ms(), NullCause.LINE_BUSY))
        note_overrun(self._state, due, self._faults)
        try:
            telegram = await self._read_out()
        except (LineTimeout, LineCorrupt, PortError) as error:
            cause = self._note_absent(error)
            self._keep(self._reader.nulls(due.due_ms, self._clock.boot_ms(), cause))
            return
        self._take(telegram, due.due_ms)

    def _take(self, telegram: D0Telegram, due_ms: int) -> None:
        now = self._clock.boot_ms()
        judge_told_serial(self._state, self._reader.serial_of(telegram), self._faults)
        if self._state.identity == "mismatch":
            self._keep(self._reader.nulls(due_ms, now, NullCause.WRONG_DEVICE))
            return
        self._state.note_good(now)
        self._faults.clear(self._state.config.id, (FaultCode.METER_SILENT, FaultCode.METER_CORRUPT))
        self._keep(self._reader.decode(telegram, due_ms, now))

    async def _read_out(self) -> D0Telegram:
        driver = self.port.driver
        if driver is None:
            raise PortError("port.gone", self.port.last_error or f"line {self.config.id} is not open")
        wanted = self._state.profile.read_out or ReadOut()
        steps = read_out(
            mode=wanted.mode or None,
            initial_baud=self.line.baud,
            wake_up=_WAKE_UPS[wanted.wake_up],
            bcc=wanted.bcc,
            parity_in_data=self.line.format.startswith("8"),
            timeout_s=self.line.reply_timeout_s,
        )
        return await driver.converse(steps, wanted.deadline_s)

    def _keep(self, readings: list[Reading]) -> None:
        self._state.last_readings.update({reading.series: reading for reading in readings})
        self._sink.record(readings)

    def _note_absent(self, error: LineTimeout | LineCorrupt | PortError) -> NullCause:
        """Book a failed read-out and say which null it makes."""
        if isinstance(error, PortError):
            self.port.lose(error)
            return NullCause.PORT_GONE
        state = self._state
        state.note_failure(self._clock.boot_ms(), str(error))
        state.identity = initial_identity(state.config)  # whoever answers next may be another device
        silent = isinstance(error, LineTimeout)
        if state.failed_rounds >= SILENT_ROUNDS_MIN:
            code = FaultCode.METER_SILENT if silent else FaultCode.METER_CORRUPT
            self._faults.raise_(code, state.config.id, f"{state.failed_rounds} rounds: {error}")
        return NullCause.SILENT if silent else NullCause.CORRUPT
