"""What the agent tells about itself: its parts' state as the reports of the local API."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from config.load import Gateway
from edge_agent import __version__
from edge_agent.buffer.buffer import Buffer
from edge_agent.clock import BootClock
from edge_agent.faults import Faults
from edge_agent.meter_state import MeterState
from edge_agent.pulse_worker import PulseWorker
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
    ReadingReport,
    StatusReport,
    ValueReport,
    cause_name,
    quality_names,
    report_fault,
    value_text,
)
from edge_agent.uplink.session import Session
from edge_agent.workers import Worker
from protocols.quantities import Quantity, by_number
from protocols.uplink.messages import ClockSource


class Reporter:
    """Makes reports from the parts of a running agent; reads them only."""

    def __init__(
        self,
        gateway: Gateway,
        clock: BootClock,
        faults: Faults,
        buffer: Buffer,
        session: Session,
        workers: Sequence[Worker],
    ) -> None:
        self._gateway = gateway
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
            buffer=self._buffer_status(now),
            link=self._link_status(),
        )

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

    def _clock_status(self) -> ClockStatus:
        wall = self._clock.wall()
        if wall is None:
            return ClockStatus(trusted=False, source="", offset_ms=None, uncertainty_ms=None)
        return ClockStatus(True, ClockSource(wall.source).name.lower(), wall.offset_ms, wall.uncertainty_ms)

    def _meter_status(self, worker: Worker, state: MeterState) -> MeterStatus:
        now = self._clock.boot_ms()
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
            pulses=worker.pulse_status() if isinstance(worker, PulseWorker) else None,
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

    def _buffer_status(self, now: int) -> BufferStatus:
        known = self._buffer.statistics()
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
