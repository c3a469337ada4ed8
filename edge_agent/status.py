"""What the agent tells about itself: its parts' state as the reports of the local API."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from config.catalogue import unverified
from config.load import Gateway
from edge_agent import __version__
from edge_agent.buffer.buffer import Buffer, BufferStatistics
from edge_agent.clock import BootClock
from edge_agent.faults import Faults
from edge_agent.meter_exchange import Exchanges
from edge_agent.meter_state import MeterState
from edge_agent.readers import series_table
from edge_agent.reading import Reading
from edge_agent.reports import (
    BufferStatus,
    ClockStatus,
    FrameReport,
    LineStatus,
    LinkStatus,
    MeterReading,
    MeterStatus,
    PulseStatus,
    ReadingReport,
    StatusReport,
    StreamStatus,
    ValueReport,
    cause_name,
    quality_names,
    report_fault,
    value_text,
)
from edge_agent.time_report import ClockDoubt, TimeReport
from edge_agent.uplink.session import Session
from edge_agent.workers import Worker
from protocols.quantities import Quantity, by_number
from protocols.uplink.messages import ClockSource

if TYPE_CHECKING:
    from edge_agent.streams import StreamPart, Streams


class Reporter:
    """Makes reports from the parts of a running agent; reads them only."""

    def __init__(
        self,
        gateway: Gateway,
        clock: BootClock,
        faults: Faults,
        buffer: Buffer | Streams,
        session: Session,
        workers: Sequence[Worker],
        exchanges: Exchanges,
    ) -> None:
        self._gateway = gateway
        self._exchanges = exchanges
        self._clock = clock
        self._faults = faults
        self._buffer = buffer
        self._session = session
        self._workers = workers
        self._started_ms = clock.boot_ms()
        self._series = [
            (meter.id, by_number(series.quantity))
            for meter in series_table(gateway)
            for series in meter.series
        ]

    def status(self) -> StatusReport:
        """The whole gateway now."""
        now = self._clock.boot_ms()
        return StatusReport(
            gateway=self._gateway.file.gateway.id,
            version=__version__,
            boot=self._clock.boot,
            boot_ms=now,
            uptime_ms=now - self._started_ms,
            clock=self._clock_status(),
            faults=[report_fault(fault, now) for fault in self._faults.present()],
            lines=[_line_status(worker) for worker in self._workers],
            meters=[self._meter_status(worker, state) for worker in self._workers for state in worker.meters],
            buffer=_buffer_status(self._buffer.statistics(), now),
            link=self._link_status(),
            streams=self._stream_statuses(now),
        )

    def counters(self, meter: str) -> list[str]:
        """The counters of a meter."""
        return [
            quantity.name for owner, quantity in self._series if owner == meter and quantity.kind == "counter"
        ]

    def reading(self, reading: Reading) -> ReadingReport:
        """A reading as it was recorded."""
        meter, quantity = self._series[reading.series]
        wall = self._clock.wall()
        return ReadingReport(
            meter=meter,
            quantity=quantity.name,
            obis=_obis(quantity),
            value=value_text(reading.value),
            unit=quantity.unit,
            quality=quality_names(reading.quality),
            null_cause=cause_name(reading.null_cause),
            due_ms=reading.due_ms,
            time_ms=reading.time_ms,
            utc_ms=None if wall is None else reading.time_ms + wall.offset_ms,
        )

    def meter_reading(self, state: MeterState, readings: Sequence[Reading], duration_ms: int) -> MeterReading:
        """A live read of a meter."""
        now = self._clock.boot_ms()
        return MeterReading(
            meter=state.config.id,
            line=state.config.line,
            address=state.config.address,
            profile=state.config.profile,
            identity=state.identity,
            serial_configured=state.config.serial,
            serial_read=state.serial_read,
            duration_ms=duration_ms,
            points=[self._value(reading, now) for reading in readings],
            secondary=state.config.secondary,
        )

    def frames(self, worker: Worker) -> list[FrameReport]:
        """What went over a line lately."""
        now = asyncio.get_running_loop().time()
        return [
            FrameReport(
                int(1000 * (now - frame.time_s)), frame.sent.hex(), frame.received.hex(), frame.outcome
            )
            for frame in worker.port.memory.frames
        ]

    def time(self) -> TimeReport:
        """Wall clock, boot axis and lower bound."""
        clock, bound, wall = self._clock, self._clock.bound, self._clock.wall()
        doubt: ClockDoubt = "before-bound" if clock.is_behind() else "unsynchronised"
        return TimeReport(
            doubt="" if wall is not None else doubt,
            clock=self._gateway.file.gateway.clock,
            source="" if wall is None else ClockSource(wall.source).name.lower(),
            utc_ms=None if wall is None else clock.utc_ms(),
            uncertainty_ms=None if wall is None else wall.uncertainty_ms,
            system_utc_ms=time.time_ns() // 1_000_000,
            boot=clock.boot,
            boot_counted=clock.durable,
            boot_ms=clock.boot_ms(),
            bound_utc_ms=bound.utc_ms,
            bound_origin="receipt" if bound.utc_ms > bound.built_ms else "build",
            built_utc_ms=bound.built_ms,
            bound_error=bound.write_error,
        )

    def _clock_status(self) -> ClockStatus:
        wall = self._clock.wall()
        if wall is None:
            return ClockStatus(trusted=False, source="", offset_ms=None, uncertainty_ms=None)
        return ClockStatus(True, ClockSource(wall.source).name.lower(), wall.offset_ms, wall.uncertainty_ms)

    def _meter_status(self, worker: Worker, state: MeterState) -> MeterStatus:
        now = self._clock.boot_ms()
        exchange = self._exchanges.of(state.config.id)
        return MeterStatus(
            id=state.config.id,
            line=worker.config.id,
            address=state.config.address,
            profile=state.config.profile,
            interval_s=state.config.interval_s,
            identity=state.identity,
            serial_configured=state.config.serial,
            serial_read=state.serial_read,
            last_good_age_ms=None if state.last_good_ms is None else now - state.last_good_ms,
            silent_for_ms=None if state.silent_since_ms is None else now - state.silent_since_ms,
            values=[self._value(reading, now) for reading in state.last_readings.values()],
            pulses=_pulse_status(worker),
            unverified=len(unverified(state.profile, state.config.quantities)),
            secondary=state.config.secondary,
            exchange=None if exchange is None else exchange.report(),
        )

    def _value(self, reading: Reading, now: int) -> ValueReport:
        _, quantity = self._series[reading.series]
        return ValueReport(
            quantity=quantity.name,
            obis=_obis(quantity),
            value=value_text(reading.value),
            unit=quantity.unit,
            quality=quality_names(reading.quality),
            null_cause=cause_name(reading.null_cause),
            age_ms=now - reading.time_ms,
        )

    def _stream_statuses(self, now: int) -> list[StreamStatus]:
        """Empty where the gateway has but one stream."""
        if isinstance(self._buffer, Buffer):
            return []
        return [self._stream_status(part, now) for part in self._buffer.parts]

    def _stream_status(self, part: StreamPart, now: int) -> StreamStatus:
        plan, config = part.plan, part.plan.config
        return StreamStatus(
            id=plan.id,
            is_left=plan.is_left,
            priority=plan.priority,
            meters=[self._gateway.file.meters[place].id for place in plan.places],
            personal=config is not None and config.personal,
            purpose="" if config is None else config.purpose,
            legal_basis="" if config is None else config.legal_basis,
            opt_in="" if config is None else config.opt_in,
            buffer=_buffer_status(part.buffer.statistics(), now),
        )

    def _link_status(self) -> LinkStatus:
        link = self._session.statistics()
        return LinkStatus(
            broker_url=self._gateway.file.uplink.url,
            connected=link.connected,
            state_age_ms=_age_ms(link.state_since_s),
            last_error=link.last_error,
            puback_age_ms=_age_ms(link.last_puback_s),
            receipt_age_ms=_age_ms(link.last_receipt_s),
            held_to=link.held_to,
            free_on=self._gateway.file.uplink.free_on,
        )


def _buffer_status(known: BufferStatistics, now: int) -> BufferStatus:
    return BufferStatus(
        stream=known.stream,
        next_sequence=known.next_sequence,
        readings_recorded=known.readings_recorded,
        readings_flushed=known.readings_flushed,
        readings_pending=known.readings_pending,
        flush_age_ms=None if known.last_flush_boot_ms is None else now - known.last_flush_boot_ms,
        flush_ms_max=known.flush_ms_max,
        messages_unsent=known.messages_unsent,
        messages_published=known.messages_published,
        messages_acknowledged=known.messages_acknowledged,
        size_bytes=known.size_bytes,
        size_bytes_max=known.size_bytes_max,
        evicted_messages=known.evicted_messages,
        dropped_readings=known.dropped_readings,
    )


def _line_status(worker: Worker) -> LineStatus:
    known = worker.port.memory.counts
    return LineStatus(
        id=worker.config.id,
        url=worker.config.url,
        protocol=worker.config.protocol,
        open=worker.port.driver is not None,
        exchanges=known.exchanges,
        timeouts=known.timeouts,
        corrupt=known.corrupt,
        noise_bytes=known.noise_bytes,
        last_error=worker.port.last_error,
    )


def _age_ms(since_s: float | None) -> int | None:
    return None if since_s is None else int(1000 * (asyncio.get_running_loop().time() - since_s))


def _obis(quantity: Quantity) -> str:
    return quantity.obis if isinstance(quantity.obis, str) else next(iter(quantity.obis), "")


def _pulse_status(worker: Worker) -> PulseStatus | None:
    if worker.config.protocol != "s0":
        return None
    from edge_agent.pulse_worker import PulseWorker  # only here: memory of sites without pulses

    return worker.pulse_status() if isinstance(worker, PulseWorker) else None
