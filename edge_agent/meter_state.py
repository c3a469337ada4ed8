"""What is known of a meter at present: when it last answered, and whether it is the right one."""

from __future__ import annotations

from dataclasses import dataclass, field

from config.model import MeterConfig
from config.profile import DeviceProfile
from edge_agent.faults import FaultCode, Faults
from edge_agent.poll_plan import DueRead, PlannedMeter
from edge_agent.reading import Reading, Sink
from edge_agent.reports import Identity
from edge_agent.serials import same_serial
from protocols.value import Quality

SILENT_ROUNDS_MIN = 2


@dataclass(slots=True)
class MeterState:
    """What is known of a meter at present. Times are boot-axis ms, None: never."""

    config: MeterConfig
    profile: DeviceProfile
    identity: Identity
    serial_read: str = ""
    type_told: str | None = None  # what model it says it is; "": it does not tell, None: not asked
    is_other_type: bool = False
    last_good_ms: int | None = None
    silent_since_ms: int | None = None
    failed_rounds: int = 0
    last_error: str = ""
    last_readings: dict[int, Reading] = field(default_factory=dict)

    def note_good(self, now_ms: int) -> None:
        """The meter answered."""
        self.last_good_ms = now_ms
        self.silent_since_ms = None
        self.failed_rounds = 0
        self.last_error = ""

    def note_failure(self, now_ms: int, text: str) -> None:
        """A round brought nothing."""
        if self.silent_since_ms is None:
            self.silent_since_ms = now_ms
        self.failed_rounds += 1
        self.last_error = text

    def doubted(self, readings: list[Reading]) -> list[Reading]:
        """The readings, marked where a serial number is configured and the device would not tell its own, and
        where it says that it is another model than its profile is for."""
        if self.identity != "unverifiable" and not self.is_other_type:
            return readings
        mark = Quality.IDENTITY_UNVERIFIED
        return [r if r.value is None else r._replace(remark=r.remark | mark) for r in readings]

    def oldest_ms(self, due: DueRead) -> int:
        """The oldest slot that `due` stands for."""
        return due.oldest_ms(self.planned.interval_ms)

    def pass_over(self, due: DueRead, series: int, sink: Sink) -> None:
        """Have the slots that are too many to be told one by one accounted for."""
        if due.missed_more:
            after_ms, before_ms = due.untold_ms(self.planned.interval_ms)
            sink.pass_over(due.missed_more * series, after_ms, before_ms)

    @property
    def planned(self) -> PlannedMeter:
        """Its schedule."""
        return PlannedMeter(interval_ms=self.config.interval_s * 1000, offset_ms=self.config.offset_s * 1000)


def initial_identity(config: MeterConfig) -> Identity:
    """What is known of a meter before it was asked for its serial number."""
    return "configured" if config.serial else "unconfigured"


def judge_told_type(state: MeterState, told: str, fits: bool, faults: Faults) -> None:
    """Keep what model the device says it is. Another one than its profile's is a fault, and its readings are
    marked; they still count, since not every source of a type code was a second one."""
    state.type_told, state.is_other_type = told, not fits
    if fits:
        faults.clear(state.config.id, (FaultCode.METER_WRONG_TYPE,))
        return
    holds = ", ".join(state.profile.type_code.holds) if state.profile.type_code is not None else ""
    text = f'profile {state.profile.name} is for devices that say {holds}; this one says "{told}"'
    faults.raise_(FaultCode.METER_WRONG_TYPE, state.config.id, text)


def judge_told_serial(state: MeterState, serial: str, faults: Faults) -> None:
    """As `judge_serial`, for a meter whose telegrams tell its number, or leave it out."""
    state.serial_read = serial
    if state.config.serial and not serial:
        state.identity = "unverifiable"
        return
    judge_serial(state, faults)


def judge_serial(state: MeterState, faults: Faults) -> None:
    """Compare what the device says with what is configured; nothing of a foreign device counts."""
    expected = state.config.serial
    if not expected:
        state.identity = "unconfigured"
    elif same_serial(expected, state.serial_read):
        state.identity = "verified"
        faults.clear(state.config.id, (FaultCode.METER_WRONG_SERIAL,))
    else:
        state.identity = "mismatch"
        text = f"configured {expected}, the device says {state.serial_read}"
        faults.raise_(FaultCode.METER_WRONG_SERIAL, state.config.id, text)
