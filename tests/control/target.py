"""A gateway of three meters on two lines, frozen at one instant, that can be talked to over the socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

from edge_agent.control import (
    LineUnavailable,
    MeterSilent,
    NoSuchLine,
    NoSuchMeter,
    NotCalibrated,
    Watchers,
)
from edge_agent.faults import FaultCode
from edge_agent.reports import (
    BufferStatus,
    CalibrationReport,
    ClockStatus,
    FaultReport,
    FrameReport,
    LineStatus,
    LinkStatus,
    MeterReading,
    MeterStatus,
    ReadingReport,
    StatusReport,
    ValueReport,
)

ENERGY = ValueReport("active_energy_import", "1-0:1.8.0*255", "12345.678", "kWh", [], "", 3_200)
POWER = ValueReport("active_power", "1-0:16.7.0*255", "-1520", "W", ["stale"], "", 3_200)
NONE = ValueReport("frequency", "1-0:14.7.0*255", None, "Hz", [], "not-available", 3_200)

FEED = MeterStatus(
    id="feed",
    line="rs485-1",
    address=1,
    profile="eastron-sdm630",
    interval_s=60,
    identity="verified",
    serial_configured="10842967",
    serial_read="10842967",
    last_good_age_ms=3_200,
    silent_for_ms=None,
    values=[ENERGY, POWER, NONE],
)
HEATING = replace(
    FEED, id="heating", address=7, profile="abb-b23", identity="unverifiable", serial_read="", values=[ENERGY]
)
PUMP = replace(
    FEED,
    id="pump",
    address=9,
    identity="configured",
    serial_read="",
    last_good_age_ms=None,
    silent_for_ms=720_000,
    values=[],
)

LINES = [
    LineStatus("rs485-1", "serial:///dev/ttyUSB0", "modbus-rtu", True, 1_204, 14, 2, 37, "no answer from 9"),
    LineStatus("optical", "serial:///dev/ttyUSB1", "sml", False, 0, 0, 0, 0, "/dev/ttyUSB1: no such device"),
]

SILENT = FaultReport(
    FaultCode.METER_SILENT, "pump", "no answer to 14 requests, address 9, line rs485-1", 720_000
)

CALM = StatusReport(
    gateway="gw-0042",
    version="0.1.0",
    boot=12,
    boot_ms=273_900_000,
    uptime_ms=273_840_000,
    clock=ClockStatus(trusted=True, source="ntp", offset_ms=1_795_000_000_000, uncertainty_ms=12),
    faults=[],
    lines=[LINES[0]],
    meters=[FEED, HEATING],
    buffer=BufferStatus(
        stream=3_735_928_559,
        next_sequence=4_711,
        readings_recorded=91_000,
        readings_flushed=90_950,
        readings_pending=50,
        flush_age_ms=4_100,
        flush_ms_max=23,
        messages_unsent=0,
        messages_published=1,
        messages_acknowledged=4_709,
        size_bytes=1_300_000,
        size_bytes_max=268_435_456,
        evicted_messages=0,
        dropped_readings=0,
    ),
    link=LinkStatus(
        broker_url="mqtts://broker.example:8883",
        connected=True,
        state_age_ms=10_900_000,
        last_error="",
        puback_age_ms=61_000,
        receipt_age_ms=262_000,
        held_to=4_709,
        free_on="receipt",
    ),
)

TROUBLED = replace(
    CALM,
    clock=ClockStatus(trusted=False, source="", offset_ms=None, uncertainty_ms=None),
    faults=[
        FaultReport(FaultCode.CLOCK_UNTRUSTED, "clock", "the kernel calls its clock unsynchronised", 90_000),
        FaultReport(FaultCode.UPLINK_DNS, "uplink", "broker.example: name not found", 5_400_000),
        SILENT,
        FaultReport(FaultCode.PORT_MISSING, "optical", "/dev/ttyUSB1: no such device", 3_600_000),
    ],
    lines=LINES,
    meters=[FEED, HEATING, PUMP],
    buffer=replace(CALM.buffer, messages_unsent=96, size_bytes=120_000_000),
    link=replace(
        CALM.link, connected=False, state_age_ms=5_400_000, last_error="broker.example: name not found"
    ),
)

READING = ReadingReport(
    meter="feed",
    quantity="active_energy_import",
    obis="1-0:1.8.0*255",
    value="12345.678",
    unit="kWh",
    quality=[],
    null_cause="",
    due_ms=273_900_000,
    time_ms=273_900_412,
    utc_ms=2_068_900_412,
)

FRAMES = [
    FrameReport(3_200, "010400000002710b", "010404436980001b59", "ok"),
    FrameReport(2_900, "0904000000027043", "", "timeout"),
]


class FrozenGateway:
    """Offers one status; reads what the status shows; counts seals."""

    def __init__(self, status: StatusReport = CALM) -> None:
        self.report = status
        self.watchers = Watchers()
        self.seals = 0
        self.calibrations: list[tuple[str, str]] = []
        self.never = asyncio.Event()

    def status(self) -> StatusReport:
        return self.report

    async def read(self, meter: str) -> MeterReading:
        known = {each.id: each for each in self.report.meters}
        if meter not in known:
            raise NoSuchMeter(meter=meter, known=[*known])
        found = known[meter]
        if found.silent_for_ms is not None:
            raise MeterSilent(meter=meter, evidence="no answer within 0.5 s, address 9, line rs485-1")
        if not self.report.lines[0].open:
            raise LineUnavailable(line=found.line, evidence=self.report.lines[0].last_error)
        return MeterReading(
            meter=meter,
            line=found.line,
            address=found.address,
            profile=found.profile,
            identity=found.identity,
            serial_configured=found.serial_configured,
            serial_read=found.serial_read,
            duration_ms=184,
            points=found.values,
        )

    async def calibrate(self, meter: str, value: str) -> CalibrationReport:
        known = [each.id for each in self.report.meters]
        if meter not in known:
            raise NoSuchMeter(meter=meter, known=known)
        if not value.replace(".", "").isdecimal():
            raise NotCalibrated(meter=meter, evidence=f"{value!r} is not a display's value")
        self.calibrations.append((meter, value))
        return CalibrationReport(meter, ENERGY.quantity, "kWh", ENERGY.value, value)

    def watch(self) -> AsyncGenerator[ReadingReport, None]:
        return self.watchers.watch()

    async def seal(self) -> None:
        self.seals += 1

    def frames(self, line: str) -> list[FrameReport]:
        known = [each.id for each in self.report.lines]
        if line not in known:
            raise NoSuchLine(line=line, known=[*known])
        return FRAMES
