"""The worker of a line whose only meter pushes: a slot opens when it is due, the first telegram fills it.

A slot that no telegram filled closes as a null when the next one opens. Which protocol it is, is the reader's
and the receiver's affair.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from config.load import Line
from edge_agent.faults import FaultCode
from edge_agent.line import LineDriver, LineTimeout
from edge_agent.line_port import LinePort
from edge_agent.meter_state import SILENT_ROUNDS_MIN, MeterState, judge_told_serial
from edge_agent.parts import Parts
from edge_agent.poll_plan import DueRead, PollPlan
from edge_agent.reading import Reading
from hal.api import PortError
from protocols.errors import ProtocolError
from protocols.uplink.messages import Series
from protocols.value import NullCause

LISTEN_S_MAX = 1.0
CLOSED_WAIT_S = 0.5
READ_NOW_S_MIN = 10.0
QUIET_S = 2.0  # longer than a meter pauses within a telegram (IEC 62056-21: 1.5 s)

FAULT_OF_DAMAGE = {  # by the codec's error code; others: METER_CORRUPT
    "p1.encrypted": FaultCode.METER_KEY_MISSING,
    "p1.decrypt": FaultCode.METER_KEY_WRONG,
    "p1.plaintext": FaultCode.METER_KEY_WRONG,
    "p1.plain": FaultCode.METER_PLAIN,
    "dlms.key_missing": FaultCode.METER_KEY_MISSING,
    "dlms.tag": FaultCode.METER_KEY_WRONG,
    "dlms.decrypt": FaultCode.METER_KEY_WRONG,
    "dlms.plain": FaultCode.METER_PLAIN,
    "dlms.unauthenticated": FaultCode.METER_UNAUTHENTICATED,
    "dlms.replay": FaultCode.METER_REPLAY,
}
AT_ONCE = ("dlms.replay", "dlms.unauthenticated")  # matter although the true telegrams arrive between them
_ABSENT = (FaultCode.METER_SILENT, FaultCode.METER_CORRUPT, *FAULT_OF_DAMAGE.values())

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


class PushReceiver(Protocol[T]):
    """A codec for telegrams that come unasked; the damaged ones come out as errors.

    One whose telegrams may end by silence also has `receive_end`.
    """

    def receive_data(self, data: bytes) -> list[T | ProtocolError]:
        """What these bytes complete."""

    def missing_bytes(self) -> int:
        """The least number of bytes that could complete anything, at least 1."""


class PushReader(Protocol[T_contra]):
    """From telegrams of one protocol to the readings of one meter.

    One that wants to hear the telegrams between two slots, too, also has `note(telegram, time_ms)`.
    """

    @property
    def series(self) -> tuple[Series, ...]:
        """The meter's entries in the dictionary."""

    def decode(self, telegram: T_contra, due_ms: int, time_ms: int) -> list[Reading]:
        """The readings of one telegram."""

    def nulls(self, due_ms: int, time_ms: int, cause: NullCause) -> list[Reading]:
        """A null for each series."""

    def serial_of(self, telegram: T_contra) -> str:
        """The meter's number as it tells it, "" where it does not."""


class PushWorker(Generic[T]):
    """A line whose only meter pushes: a slot opens when it is due, the first telegram fills it."""

    def __init__(
        self,
        line: Line,
        state: MeterState,
        reader: PushReader[T],
        make_receiver: Callable[[], PushReceiver[T]],
        port: LinePort[LineDriver],
        parts: Parts,
    ) -> None:
        self.line = line
        self.config = line.config
        self.port = port
        self._state = state
        self._reader = reader
        self._clock = parts.clock
        self._sink = parts.sink
        self._faults = parts.faults
        self._receiver = make_receiver()
        self._open_slot_ms: int | None = None
        self._corrupt = 0
        self._damage: ProtocolError | None = None
        self._bytes_heard = -1
        self._quiet_since_s: float | None = None
        self._plan = PollPlan([state.planned], parts.clock.alignment_ms(), parts.started_ms)
        self._fresh: asyncio.Future[T] | None = None

    @property
    def meters(self) -> list[MeterState]:
        """The meters of this line: one."""
        return [self._state]

    def replan(self) -> None:
        """The wall clock stepped: slots lie elsewhere on the boot axis from now on."""
        self._plan.realign(self._clock.alignment_ms(), self._clock.boot_ms())

    def accounted_ms(self) -> int:
        """All slots due before this have been recorded."""
        next_ms = self._plan.next_due_ms()
        return next_ms if self._open_slot_ms is None else min(self._open_slot_ms, next_ms)

    async def wait_idle(self) -> None:
        """A line that only listens is idle at any time."""

    async def run(self) -> None:
        """Listen, for ever."""
        await self.port.wait_tried()
        while True:
            for due in self._plan.pop_due(self._clock.boot_ms()):
                self._turn_slot(due)
            rest_ms = self._plan.next_due_ms() - self._clock.boot_ms()
            for telegram in await self._listen(max(0.0, min(rest_ms / 1000, LISTEN_S_MAX))):
                self._take(telegram)

    async def read_now(self, meter: str) -> list[Reading]:
        """The next telegram's values; what it says is not recorded. Raises LineTimeout."""
        wait = self._fresh or asyncio.get_running_loop().create_future()
        self._fresh = wait
        try:
            async with asyncio.timeout(max(READ_NOW_S_MIN, self._state.config.interval_s)):
                telegram = await asyncio.shield(wait)
        except TimeoutError:
            raise LineTimeout(f"{meter}: no telegram; is the optical head in place?") from None
        now = self._clock.boot_ms()
        return self._reader.decode(telegram, now, now)

    async def _listen(self, timeout_s: float) -> list[T]:
        driver = self.port.driver
        if driver is None:
            await asyncio.sleep(min(timeout_s, CLOSED_WAIT_S))
            return []
        try:
            heard = await driver.listen(self._receiver, timeout_s)
        except PortError as error:
            self.port.lose(error)
            await asyncio.sleep(min(timeout_s, CLOSED_WAIT_S))  # the port's own task has to notice
            return []
        telegrams: list[T] = []
        for item in heard or self._end_by_silence(driver):
            if isinstance(item, ProtocolError):
                self._corrupt += 1
                self._damage = item
                if item.code in AT_ONCE:
                    self._faults.raise_(self._fault_of_damage(), self._state.config.id, str(item))
            else:
                telegrams.append(item)
        return telegrams

    def _end_by_silence(self, driver: LineDriver) -> list[T | ProtocolError]:
        """What the codec makes of a telegram behind which nothing more came for QUIET_S."""
        now_s = asyncio.get_running_loop().time()
        bytes_in = driver.statistics().bytes_in
        if bytes_in != self._bytes_heard:
            self._bytes_heard, self._quiet_since_s = bytes_in, now_s
        if self._quiet_since_s is None or now_s - self._quiet_since_s < QUIET_S:
            return []
        self._quiet_since_s = None  # once for each silence
        end: Callable[[], list[T | ProtocolError]] | None = getattr(self._receiver, "receive_end", None)
        return end() if end is not None else []

    def _take(self, telegram: T) -> None:
        now = self._clock.boot_ms()
        note: Callable[[T, int], None] | None = getattr(self._reader, "note", None)
        if note is not None:
            note(telegram, now)
        judge_told_serial(self._state, self._reader.serial_of(telegram), self._faults)
        if self._fresh is not None:
            self._fresh.set_result(telegram)
            self._fresh = None
        if self._open_slot_ms is None:
            return
        due_ms, self._open_slot_ms = self._open_slot_ms, None
        if self._state.identity == "mismatch":
            self._deliver(self._reader.nulls(due_ms, now, NullCause.WRONG_DEVICE))
            return
        self._state.note_good(now)
        self._faults.clear(self._state.config.id, _ABSENT)
        self._deliver(self._reader.decode(telegram, due_ms, now))

    def _turn_slot(self, due: DueRead) -> None:
        """A new slot opens; the one before it, if nothing filled it, closes as null."""
        now = self._clock.boot_ms()
        cause = self._cause_of_silence()
        if self._open_slot_ms is not None:
            self._deliver(self._reader.nulls(self._open_slot_ms, now, cause))
            self._note_silence(now, cause)
        self._state.pass_over(due, len(self._reader.series), self._sink)
        for slot_ms in due.missed:
            self._deliver(self._reader.nulls(slot_ms, now, NullCause.LINE_BUSY))
        self._open_slot_ms = due.due_ms
        self._corrupt = 0

    def _cause_of_silence(self) -> NullCause:
        if self.port.driver is None:
            return NullCause.PORT_GONE
        return NullCause.CORRUPT if self._corrupt else NullCause.SILENT

    def _note_silence(self, now: int, cause: NullCause) -> None:
        if cause is NullCause.PORT_GONE:
            return
        damaged = f"{self._corrupt} damaged telegrams, the last: {self._damage}"
        text = "no telegram arrived" if cause is NullCause.SILENT else damaged
        code = self._fault_of_damage() if cause is NullCause.CORRUPT else FaultCode.METER_SILENT
        self._state.note_failure(now, text)
        if self._state.failed_rounds >= SILENT_ROUNDS_MIN:
            self._faults.raise_(code, self._state.config.id, f"{self._state.failed_rounds} rounds: {text}")

    def _fault_of_damage(self) -> FaultCode:
        known = "" if self._damage is None else self._damage.code
        return FAULT_OF_DAMAGE.get(known, FaultCode.METER_CORRUPT)

    def _deliver(self, readings: list[Reading]) -> None:
        self._state.last_readings.update({reading.series: reading for reading in readings})
        self._sink.record(readings)
