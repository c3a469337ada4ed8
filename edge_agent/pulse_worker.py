"""The worker of a pulse input: counts what comes, and reads its own count when a slot is due.

Rules:
- The reading of a slot is the meter's display as counted when the slot is due.
- Whenever the input was not watched (between two runs, while its port was gone, where the kernel lost edges),
  pulses may be missing: the next reading says so (Quality.UNWATCHED), and so does an event.
- While the port is gone, slots go by as nulls: a count that nobody keeps is no reading.
"""

from __future__ import annotations

import asyncio

from config.load import Line
from config.profile import Pulse as PulseSpec
from edge_agent.faults import FaultCode
from edge_agent.line_port import LinePort
from edge_agent.meter_state import MeterState
from edge_agent.parts import Parts
from edge_agent.poll_plan import DueRead, PollPlan
from edge_agent.pulse_reader import PulseReader
from edge_agent.reading import Reading
from edge_agent.reports import CalibrationReport, PulseStatus
from hal.api import EdgeSource, PortError
from protocols.s0 import NS_PER_MS, Edge, PulseFilter, parse_display
from protocols.value import NullCause, Scaled

WATCH_S_MAX = 1.0
CLOSED_WAIT_S = 0.5
SUBJECT = "counts"


class PulseWorker:
    """A line on which one meter's pulses come in."""

    def __init__(
        self,
        line: Line,
        state: MeterState,
        reader: PulseReader,
        port: LinePort[EdgeSource],
        parts: Parts,
    ) -> None:
        self.line = line
        self.config = line.config
        self.port = port
        self._state = state
        self._meter = state.config.id
        self._reader = reader
        self._counts = parts.counts
        self._clock = parts.clock
        self._sink = parts.sink
        self._faults = parts.faults
        self._tell = parts.tell
        self._spec = state.profile.pulse
        self._source: EdgeSource | None = None
        self._lost_source: EdgeSource | None = None
        self._filter = make_filter(self._spec)
        self._known_before = self._meter in parts.counts.restored
        self._unwatched = False
        self._plan = PollPlan([state.planned], parts.clock.alignment_ms(), parts.started_ms)
        if state.config.serial:
            state.identity = "unverifiable"

    @property
    def meters(self) -> list[MeterState]:
        """The meters of this line: one."""
        return [self._state]

    def replan(self) -> None:
        """The wall clock stepped: slots lie elsewhere on the boot axis from now on."""
        self._plan.realign(self._clock.alignment_ms(), self._clock.boot_ms())

    def accounted_ms(self) -> int:
        """All slots due before this have been recorded."""
        return self._plan.next_due_ms()

    async def wait_idle(self) -> None:
        """An input that is only watched is idle at any time."""

    async def run(self) -> None:
        """Count, for ever."""
        await self.port.wait_tried()
        while True:
            counted_ms = self._clock.boot_ms()  # until then the count is complete, however late this task is
            await self._watch(0.0)
            for due in self._plan.pop_due(counted_ms):
                self._read_due(due, counted_ms)
            rest_ms = self._plan.next_due_ms() - self._clock.boot_ms()
            await self._watch(max(0.0, min(rest_ms / 1000, WATCH_S_MAX)))

    async def read_now(self, meter: str) -> list[Reading]:
        """The display as counted up to now; it is not recorded. Raises PortError."""
        now = self._clock.boot_ms()
        if self.port.driver is None:
            raise PortError("port.gone", self.port.last_error or f"line {self.config.id} is not open")
        display = self._counts.display(meter)
        if display is None:
            return self._reader.nulls(now, now, NullCause.NOT_AVAILABLE)
        return self._reader.decode(display, now, now, unwatched=self._unwatched)

    def calibrate(self, text: str) -> CalibrationReport:
        """The meter shows `text` now. ValueError for what no display shows."""
        display = parse_display(text)
        before = self._counts.display(self._meter)
        self._counts.calibrate(self._meter, display)
        self._faults.clear(self._meter, (FaultCode.METER_COUNT_LOST,))
        report = CalibrationReport(
            meter=self._meter,
            quantity=self._reader.quantity.name,
            unit=self._reader.quantity.unit,
            before=None if before is None else str(before),
            after=str(display),
        )
        self._tell("meter.calibrated", self._meter, {"before": report.before, "after": report.after})
        return report

    def pulse_status(self) -> PulseStatus:
        """What was counted, and what was not."""
        count = self._counts.count(self._meter)
        return PulseStatus(
            pulses=None if count is None else count.pulses,
            calibrated=count is not None and count.calibrated,
            glitches=self._filter.glitches,
            crowded=self._filter.crowded,
            lost_edges=self._filter.lost_edges,
        )

    async def _watch(self, timeout_s: float) -> None:
        """Take the edges that come, or find out that nobody can."""
        source = self._attach()
        if source is None:
            await asyncio.sleep(min(timeout_s, CLOSED_WAIT_S))
            return
        try:
            asked_ns, settled_ns = source.now_ns(), self._filter.settled_ns()
            if settled_ns is not None:
                timeout_s = min(timeout_s, max(0, settled_ns - asked_ns) / 1e9)
            edges = await source.wait_edges(timeout_s)
        except PortError as error:
            self._source, self._lost_source = None, source
            self.port.lose(error)
            return
        self._take(edges, asked_ns)

    def _attach(self) -> EdgeSource | None:
        """The input, if it is open; newly opened it is watched from its opening on, and was not before."""
        source = self.port.driver
        if source is None or source is self._lost_source:
            return None
        if source is not self._source:
            self._source = source
            self._filter.interrupt()
            if self._known_before:
                self._miss("the input was not watched")
            self._known_before = True
        return source

    def _take(self, edges: list[Edge], asked_ns: int) -> None:
        lost = sum(edge.lost_before for edge in edges)
        pulses = self._filter.receive_edges(edges)
        pulses += self._filter.settle(asked_ns)
        self._counts.add(self._meter, len(pulses))
        self.port.memory.count(exchanges=len(pulses), corrupt=lost)
        if lost:
            self._miss(f"the kernel lost {lost} edges")

    def _miss(self, text: str) -> None:
        self._unwatched = True
        self._tell("meter.unwatched", self._meter, {"evidence": text})

    def _read_due(self, due: DueRead, now: int) -> None:
        self._state.pass_over(due, len(self._reader.series), self._sink)
        for slot_ms in due.missed:
            self._deliver(self._reader.nulls(slot_ms, now, NullCause.LINE_BUSY))
        self._tell_write_error()
        display = self._counts.display(self._meter)
        if self._source is None or self._source is not self.port.driver:
            self._state.note_failure(now, self.port.last_error)
            self._deliver(self._reader.nulls(due.due_ms, now, NullCause.PORT_GONE))
        elif display is None:
            self._note_lost(now)
            self._deliver(self._reader.nulls(due.due_ms, now, NullCause.NOT_AVAILABLE))
        else:
            self._state.note_good(now)
            self._deliver_display(display, due.due_ms, now)

    def _deliver_display(self, display: Scaled, due_ms: int, now: int) -> None:
        self._deliver(self._reader.decode(display, due_ms, now, unwatched=self._unwatched))
        self._unwatched = False

    def _tell_write_error(self) -> None:
        if self._counts.write_error:
            self._faults.raise_(FaultCode.BUFFER_WRITE, SUBJECT, f"pulse counts: {self._counts.write_error}")
        else:
            self._faults.clear(SUBJECT)

    def _note_lost(self, now: int) -> None:
        text = "no copy of the count could be read"
        self._state.note_failure(now, text)
        self._faults.raise_(FaultCode.METER_COUNT_LOST, self._meter, text)

    def _deliver(self, readings: list[Reading]) -> None:
        self._state.last_readings.update({reading.series: reading for reading in readings})
        self._sink.record(readings)


def make_filter(spec: PulseSpec | None) -> PulseFilter:
    """The filter that a profile asks for."""
    if spec is None:
        return PulseFilter()
    return PulseFilter(spec.pulse_ms_min * NS_PER_MS, spec.pause_ms_min * NS_PER_MS)
