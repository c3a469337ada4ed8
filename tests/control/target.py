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
    NotExchanged,
    NotReset,
    NotSearched,
    Watchers,
)
from edge_agent.faults import FaultCode
from edge_agent.outbox_report import Figure, OutboxPart, OutboxReport, OutboxStream
from edge_agent.reports import (
    AnswerReport,
    BufferStatus,
    CalibrationReport,
    ClockStatus,
    ExchangeReport,
    FaultReport,
    FoundMeter,
    FrameReport,
    LineStatus,
    LinkStatus,
    MeterReading,
    MeterStatus,
    ReadingReport,
    SearchReport,
    StatusReport,
    ValueReport,
)
from edge_agent.time_report import TimeReport

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


SEARCHED = SearchReport(
    line="loop",
    done=True,
    probes=276,
    line_time_ms=133_820,
    duration_ms=141_000,
    found=[
        FoundMeter("12345678.KAM.34.04", 5, "12345678", "KAM", 0x34, 4, "heating"),
        FoundMeter("12345679.ZRI.16.07", None, "12345679", "ZRI", 0x16, 7, ""),
    ],
    unresolved=[],
    is_slow=False,
    is_cut=False,
)

DAY_MS = 86_400_000
OUTBOX = OutboxReport(
    parts=[
        OutboxPart(
            id="main",
            streams=[
                OutboxStream(3_735_928_559, True, 96, 1, 4_709, 12_000_000, 12, 1_000, 11_520_000),
                OutboxStream(17, False, 2, 0, 0, 4_000, 11, 400, None),
            ],
            sealed_bytes_a_day=Figure(3_145_728, "measured", DAY_MS),
            sealed_readings_a_day=Figure(86_400, "measured", DAY_MS),
            overhead_percent=Figure(95, "measured"),
            size_bytes_max=Figure(268_435_456, "configured"),
            messages_bytes_max=Figure(241_172_480, "configured"),
            waiting_bytes=Figure(2_097_152, "measured"),
            acknowledged_bytes=Figure(10_485_760, "measured"),
            offline_ms=Figure(38 * DAY_MS, "calculated"),
        )
    ],
    unreadable=[],
    free_on="receipt",
    evicted_messages=0,
    dropped_readings=0,
    flush_interval_ms=Figure(10_000, "configured"),
    flush_ms_max=Figure(412, "measured", 3 * DAY_MS),
    power_cut_ms_max=Figure(10_412, "calculated"),
    own_bytes_a_day=Figure(130_000_000, "measured", 3 * DAY_MS),
    device="mmcblk0",
    device_bytes_a_day=Figure(310_000_000, "measured", 4 * DAY_MS),
    card_endurance_bytes=Figure(1_000_000_000_000, "assumed"),
    card_life_ms=Figure(3_225 * DAY_MS, "calculated"),
    card_life_used_percent=Figure(10, "measured"),
)
TIME = TimeReport(
    doubt="",
    clock="kernel",
    source="ntp",
    utc_ms=1_795_463_929_000,
    uncertainty_ms=12,
    system_utc_ms=1_795_463_929_000,
    boot=12,
    boot_counted=True,
    boot_ms=273_900_000,
    bound_utc_ms=1_795_460_000_000,
    bound_origin="receipt",
    built_utc_ms=1_795_392_000_000,
    bound_error="",
)


def no_device(_unit: int, _request: str) -> AnswerReport:
    """Nobody answers."""
    return AnswerReport("silent", "", 0, "no answer within 0.5 s")


class FrozenGateway:
    """Offers one status; reads what the status shows; counts seals."""

    def __init__(self, status: StatusReport = CALM) -> None:
        self.report = status
        self.watchers = Watchers()
        self.seals = 0
        self.calibrations: list[tuple[str, str]] = []
        self.exchanges: list[tuple[str, str, list[str], list[str]]] = []
        self.never = asyncio.Event()
        self.answer = no_device
        self.clock = TIME

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

    async def exchange(self, meter: str, serial: str, end: list[str], start: list[str]) -> ExchangeReport:
        found = next((each for each in self.report.meters if each.id == meter), None)
        if found is None:
            raise NoSuchMeter(meter=meter, known=[each.id for each in self.report.meters])
        if serial == found.serial_configured:
            raise NotExchanged(meter=meter, evidence=f"{serial} is the one that is compared already")
        self.exchanges.append((meter, serial, end, start))
        values = [dict.fromkeys([ENERGY.quantity] if texts else [], "".join(texts)) for texts in (end, start)]
        return ExchangeReport(meter, found.serial_configured, serial, None, *values)

    async def ask(self, line: str, unit: int, request: str) -> AnswerReport:
        known = [each.id for each in self.report.lines]
        if line not in known:
            raise NoSuchLine(line=line, known=known)
        return self.answer(unit, request)

    async def search(self, line: str, *, primary: bool) -> AsyncGenerator[SearchReport, None]:
        if line != SEARCHED.line:
            evidence = "it is a modbus-rtu line, and only M-Bus loops can be searched"
            raise NotSearched(line=line, evidence=evidence)
        yield replace(SEARCHED, done=False, found=SEARCHED.found[:1])
        yield replace(SEARCHED, unresolved=["7"] if primary else [])

    def watch(self) -> AsyncGenerator[ReadingReport, None]:
        return self.watchers.watch()

    async def seal(self) -> None:
        self.seals += 1

    async def outbox(self) -> OutboxReport:
        return OUTBOX

    def time(self) -> TimeReport:
        return self.clock

    async def reset_time_bound(self) -> TimeReport:
        if self.clock.bound_error:
            raise NotReset(evidence=self.clock.bound_error)
        self.clock = replace(self.clock, bound_utc_ms=self.clock.built_utc_ms, bound_origin="build")
        return self.clock

    def frames(self, line: str) -> list[FrameReport]:
        known = [each.id for each in self.report.lines]
        if line not in known:
            raise NoSuchLine(line=line, known=[*known])
        return FRAMES
