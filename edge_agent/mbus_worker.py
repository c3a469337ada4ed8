"""The worker of an M-Bus loop: asks its meters one after another when they are due, and searches for others.

Rules:
- Each slot that was due yields one reading for each series: a value, or a null with its cause.
- A meter's telegrams are accepted all or none; each is compared with the profile and the serial number, and
  nothing of a foreign device counts.
- A meter that did not answer is asked once in its next slots, without repetitions, and then left alone for a
  while: so a dead one costs its loop one timeout a round at most.
- A search takes the loop for one probe at a time: due slots come in between, and are late by a probe at most.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Generator, Sequence
from typing import NamedTuple, TypeVar

from config.load import Line
from edge_agent.faults import FaultCode
from edge_agent.line import LineCorrupt, LineDriver, LineTimeout
from edge_agent.line_port import LinePort
from edge_agent.mbus_reader import MbusReader
from edge_agent.meter_state import SILENT_ROUNDS_MIN, MeterState, initial_identity, judge_told_serial
from edge_agent.parts import Parts
from edge_agent.poll_plan import BackOff, DueRead, PollPlan
from edge_agent.reading import Reading
from edge_agent.rounds import note_overrun, wait_until_due
from hal.api import PortError
from protocols.dialogue import Step
from protocols.errors import DeviceError, ProtocolError
from protocols.mbus.address import parse_secondary
from protocols.mbus.frames import FRAME_BYTES_MAX
from protocols.mbus.link import (
    ATTEMPTS_MAX,
    BITS_PER_CHARACTER,
    MeterLink,
    Timing,
    answer_window_s,
    deselect,
)
from protocols.mbus.search import SLOW_FACTOR, SearchResult, probe, scan, search
from protocols.mbus.telegram import MbusTelegram, decode_telegram
from protocols.value import NullCause

TELEGRAMS_MAX = 16  # of one read-out; meters that tell their whole log have more
DIALOGUE_FRAMES = 4  # request and answer, and the same again before an attempt counts as lost

T = TypeVar("T")


class LoopMeter(NamedTuple):
    """A meter of the loop, what its telegrams mean, and the master's side towards it."""

    state: MeterState
    reader: MbusReader
    link: MeterLink
    back_off: BackOff


class MbusWorker:
    """An M-Bus loop behind a level converter."""

    def __init__(
        self,
        line: Line,
        meters: Sequence[tuple[MeterState, MbusReader]],
        port: LinePort[LineDriver],
        parts: Parts,
    ) -> None:
        self.line = line
        self.config = line.config
        self.port = port
        self._clock = parts.clock
        self._sink = parts.sink
        self._faults = parts.faults
        slowest_s = max(answer_window_s(line.baud), line.reply_timeout_s)
        self._timing = Timing(line.config.reply_timeout_s or slowest_s)
        self._search_timing = Timing(line.config.reply_timeout_s or answer_window_s(line.baud))
        self._meters = [LoopMeter(s, r, self._make_link(s), BackOff()) for s, r in meters]
        self._loop = asyncio.Lock()
        self._searching = False
        self._turned = asyncio.Event()
        self._due: deque[DueRead] = deque()  # taken from the plan; at most one for each meter
        planned = [meter.state.planned for meter in self._meters]
        self._plan = PollPlan(planned, parts.clock.alignment_ms(), parts.started_ms)

    @property
    def meters(self) -> list[MeterState]:
        """The meters of this line."""
        return [meter.state for meter in self._meters]

    def replan(self) -> None:
        """The wall clock stepped: slots lie elsewhere on the boot axis from now on."""
        self._plan.realign(self._clock.alignment_ms(), self._clock.boot_ms())
        self._turned.set()

    def accounted_ms(self) -> int:
        """All slots due before this have been recorded."""
        if not self._meters:
            return self._clock.boot_ms()
        oldest = [self._meters[due.meter].state.oldest_ms(due) for due in self._due]
        return min([*oldest, self._plan.next_due_ms()])

    async def wait_idle(self) -> None:
        """Return between two dialogues, and let no other begin: the line is about to be closed."""
        await self._loop.acquire()

    async def run(self) -> None:
        """Read what is due, for ever."""
        await self.port.wait_tried()
        while True:
            await wait_until_due(self._plan.next_due_ms(), self._clock, self._turned)
            self._due.extend(self._plan.pop_due(self._clock.boot_ms()))
            while self._due:
                async with self._loop:
                    await self._read_due(self._due[0])
                self._due.popleft()

    async def read_now(self, meter: str) -> list[Reading]:
        """Ask a meter at once, outside of the schedule; what it says is not recorded.

        Raises LineTimeout, LineCorrupt, DeviceError or PortError.
        """
        asked = next(known for known in self._meters if known.state.config.id == meter)
        async with self._loop:
            now = self._clock.boot_ms()
            telegrams = await self._read_out(asked)
            asked.back_off.note_answer()
            self._judge(asked, telegrams[0])
            return asked.reader.decode(telegrams, now, self._clock.boot_ms())

    async def search(self, *, primary: bool) -> AsyncGenerator[SearchResult, None]:
        """Look for all meters of the loop, by selection or at each primary address: what is known after each
        probe, always the same object. Raises LineTimeout, LineCorrupt or PortError, which also says that
        another search is under way.
        """
        if self._searching:
            raise PortError("port.busy", f"line {self.config.id} is being searched already")
        self._searching = True
        result = SearchResult()
        steps = scan(result) if primary else search(result)
        try:
            ask = next(steps, None)
            while ask is not None:
                async with self._loop:
                    answer = await self._do(probe(ask, self._search_timing, self.line.baud), SLOW_FACTOR)
                for meter in self._meters:
                    meter.link.forget()  # a probe is a dialogue with whoever answers
                yield result
                try:
                    ask = steps.send(answer)
                except StopIteration:
                    ask = None
            async with self._loop:
                await self._do(deselect(self._search_timing), SLOW_FACTOR)
        finally:
            self._searching = False

    def _make_link(self, state: MeterState) -> MeterLink:
        text = state.config.secondary
        return MeterLink(state.config.address, parse_secondary(text) if text else None, self._timing)

    async def _read_due(self, due: DueRead) -> None:
        meter = self._meters[due.meter]
        meter.state.pass_over(due, len(meter.reader.series), self._sink)
        for slot_ms in due.missed:
            self._sink.record(meter.reader.nulls(slot_ms, self._clock.boot_ms(), NullCause.LINE_BUSY))
        note_overrun(meter.state, due, self._faults)
        if not meter.back_off.may_ask(due.due_ms):
            cause = NullCause.SILENT if self.port.driver is not None else NullCause.PORT_GONE
            self._keep(meter.state, self._nulls(meter, due, cause))
            return
        try:
            telegrams = await self._read_out(meter)
        except DeviceError as error:
            meter.state.last_error = error.text
            self._faults.raise_(FaultCode.METER_REFUSES, meter.state.config.id, error.text)
            self._keep(meter.state, self._nulls(meter, due, NullCause.REFUSED))
        except (LineTimeout, LineCorrupt, PortError) as error:
            self._keep(meter.state, self._nulls(meter, due, self._note_absent(meter, error, due)))
        else:
            self._take(meter, telegrams, due)

    def _nulls(self, meter: LoopMeter, due: DueRead, cause: NullCause) -> list[Reading]:
        return meter.reader.nulls(due.due_ms, self._clock.boot_ms(), cause)

    def _take(self, meter: LoopMeter, telegrams: Sequence[MbusTelegram], due: DueRead) -> None:
        now = self._clock.boot_ms()
        meter.back_off.note_answer()
        self._judge(meter, telegrams[0])
        if meter.state.identity == "mismatch":
            self._keep(meter.state, self._nulls(meter, due, NullCause.WRONG_DEVICE))
            return
        meter.state.note_good(now)
        answered = (FaultCode.METER_SILENT, FaultCode.METER_CORRUPT, FaultCode.METER_REFUSES)
        self._faults.clear(meter.state.config.id, answered)
        self._keep(meter.state, meter.reader.decode(telegrams, due.due_ms, now))

    def _judge(self, meter: LoopMeter, telegram: MbusTelegram) -> None:
        """Whether the right device answered; nothing of another one counts."""
        state = meter.state
        misfit = meter.reader.misfit(telegram)
        if misfit:
            state.serial_read = telegram.id
            state.identity = "mismatch"
            self._faults.raise_(FaultCode.METER_WRONG_SERIAL, state.config.id, misfit)
            return
        judge_told_serial(state, telegram.id, self._faults)
        if state.identity != "mismatch":
            self._faults.clear(state.config.id, (FaultCode.METER_WRONG_SERIAL,))

    async def _read_out(self, meter: LoopMeter) -> list[MbusTelegram]:
        """All telegrams of the meter up to the last one that is wanted."""
        link = meter.link
        attempts = 1 if meter.back_off.failures else ATTEMPTS_MAX
        telegrams: list[MbusTelegram] = []
        try:
            if link.secondary is not None or not link.is_fresh:
                await self._do(link.begin(attempts), attempts)
            while len(telegrams) < TELEGRAMS_MAX:
                telegrams.append(await self._ask(link, attempts))
                if not telegrams[-1].more_follows or meter.reader.is_complete(telegrams):
                    break
        except BaseException:
            link.forget()
            raise
        if telegrams[-1].more_follows or len(telegrams) > 1:
            link.forget()  # so that the next read-out begins with the first one again
        return telegrams

    async def _ask(self, link: MeterLink, attempts: int) -> MbusTelegram:
        frame = await self._do(link.ask(attempts), attempts)
        try:
            telegram = decode_telegram(frame)
        except DeviceError:
            raise
        except ProtocolError as error:
            raise LineCorrupt(f"the meter's telegram is not understood ({error})", len(frame.data)) from error
        if link.secondary is not None and telegram.id not in ("", link.secondary.id):
            text = f"{telegram.id} answered, {link.secondary.id} was selected; more than one meter?"
            raise LineCorrupt(text, len(frame.data))
        return telegram

    async def _do(self, steps: Generator[Step, bytes, T], attempts: int) -> T:
        """One dialogue on the line."""
        driver = self.port.driver
        if driver is None:
            steps.close()
            raise PortError("port.gone", self.port.last_error or f"line {self.config.id} is not open")
        window_s = self._timing.window_s
        frames_s = DIALOGUE_FRAMES * FRAME_BYTES_MAX * BITS_PER_CHARACTER / self.line.baud
        deadline_s = attempts * (DIALOGUE_FRAMES * window_s + frames_s)
        try:
            return await driver.converse(steps, deadline_s, quiet_s=window_s)
        except PortError as error:
            self.port.lose(error)
            raise

    def _keep(self, state: MeterState, readings: list[Reading]) -> None:
        state.last_readings.update({reading.series: reading for reading in readings})
        self._sink.record(readings)

    def _note_absent(
        self, meter: LoopMeter, error: LineTimeout | LineCorrupt | PortError, due: DueRead
    ) -> NullCause:
        """Book a failed read-out and say which null it makes."""
        if isinstance(error, PortError):
            return NullCause.PORT_GONE
        state = meter.state
        state.note_failure(self._clock.boot_ms(), str(error))
        state.identity = initial_identity(state.config)  # whoever answers next may be another device
        silent = isinstance(error, LineTimeout)
        if silent:
            meter.back_off.note_failure(due.due_ms)
        if state.failed_rounds >= SILENT_ROUNDS_MIN:
            code = FaultCode.METER_SILENT if silent else FaultCode.METER_CORRUPT
            self._faults.raise_(code, state.config.id, f"{state.failed_rounds} rounds: {error}")
        return NullCause.SILENT if silent else NullCause.CORRUPT
