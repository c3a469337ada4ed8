"""What the local API tells: frozen types that travel over the socket as JSON, and how values become text.

Rules: nothing here does I/O or knows the transport, so that `edgectl` imports it without asyncio.
Annotations are real types (no postponed evaluation) and collections are lists, because the varlink
interface description is made from them. Ages and durations are milliseconds, measured when the report
was made; None says "never" or "not known". Values are exact decimal text, never a float. Fields are
only ever added: scripts read them (docs/edgectl.md).
"""

from dataclasses import dataclass
from typing import Literal

from edge_agent.faults import Fault
from protocols.value import NullCause, Quality, Scaled

Identity = Literal["unconfigured", "configured", "verified", "mismatch", "unverifiable"]
"""What is known of a meter's serial number. `unconfigured`: none is configured; `configured`: not compared
yet; `verified`; `mismatch`: another device answers; `unverifiable`: the device offers none to compare."""


@dataclass(frozen=True, slots=True)
class FaultReport:
    """A condition that holds. `code` is a FaultCode, `age_ms` how long it has held."""

    code: str
    subject: str
    evidence: str
    age_ms: int


@dataclass(frozen=True, slots=True)
class ClockStatus:
    """UTC in ms = boot ms + `offset_ms`. All None and `source` empty while nothing vouches for the clock."""

    trusted: bool
    source: str
    offset_ms: int | None
    uncertainty_ms: int | None


@dataclass(frozen=True, slots=True)
class LineStatus:
    """A line and what its driver counted since the agent started. `last_error` empty: none so far."""

    id: str
    url: str
    protocol: str
    open: bool
    exchanges: int
    timeouts: int
    corrupt: int
    noise_bytes: int
    last_error: str


@dataclass(frozen=True, slots=True)
class ValueReport:
    """A value as exact decimal text in `unit`, or None with the cause.

    `quality` holds the names of what is doubtful (`float-exhausted`, `stale`, ...), empty: good.
    `null_cause` is the name of a NullCause (`silent`, ...) beside a value of None, else empty.
    `age_ms` is how long ago the value was taken or given up.
    """

    quantity: str
    obis: str
    value: str | None
    unit: str
    quality: list[str]
    null_cause: str
    age_ms: int


@dataclass(frozen=True, slots=True)
class PulseStatus:
    """A meter whose pulses the gateway counts. `pulses`: all that were ever seen, None: the count was lost.
    `calibrated`: a person entered the meter's display. Since the agent started: `glitches` too short for a
    pulse, `crowded` ones without a pause before them, `lost_edges` that the system lost; none is counted."""

    pulses: int | None
    calibrated: bool
    glitches: int
    crowded: int
    lost_edges: int


@dataclass(frozen=True, slots=True)
class CalibrationReport:
    """A pulse meter's display was entered: what its readings showed `before` (None: nothing) and show
    `after`, as exact decimal text in `unit`."""

    meter: str
    quantity: str
    unit: str
    before: str | None
    after: str


@dataclass(frozen=True, slots=True)
class MeterStatus:
    """A meter. `last_good_age_ms` None: nothing good since the agent started; `silent_for_ms` None: it
    answers. `serial_read` empty: not read. `address` is the one on the line, 1 where a line has but one."""

    id: str
    line: str
    address: int
    profile: str
    interval_s: int
    identity: Identity
    serial_configured: str
    serial_read: str
    last_good_age_ms: int | None
    silent_for_ms: int | None
    values: list[ValueReport]
    pulses: PulseStatus | None = None


@dataclass(frozen=True, slots=True)
class BufferStatus:
    """The buffer's own statistics. `readings_pending` wait for the next flush, `flush_ms_max` is the longest
    that one took since the agent started; `messages_unsent` wait for the link; `size_bytes` covers journal,
    outbox and side files."""

    stream: int
    next_sequence: int
    readings_recorded: int
    readings_flushed: int
    readings_pending: int
    flush_age_ms: int | None
    flush_ms_max: int
    messages_unsent: int
    messages_published: int
    messages_acknowledged: int
    size_bytes: int
    size_bytes_max: int
    evicted_messages: int
    dropped_readings: int


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """The session with the broker. `state_age_ms`: how long it has been connected or not, None: never
    connected since the agent started. `held_to`: the backend holds everything up to this sequence, -1:
    not even the first, None: no receipt yet. `free_on`: what frees a message, "receipt" or "puback"."""

    broker_url: str
    connected: bool
    state_age_ms: int | None
    last_error: str
    puback_age_ms: int | None
    receipt_age_ms: int | None
    held_to: int | None
    free_on: str


@dataclass(frozen=True, slots=True)
class StatusReport:
    """The whole gateway at one instant, `boot_ms` on the axis of boot `boot`."""

    gateway: str
    version: str
    boot: int
    boot_ms: int
    uptime_ms: int
    clock: ClockStatus
    faults: list[FaultReport]
    lines: list[LineStatus]
    meters: list[MeterStatus]
    buffer: BufferStatus
    link: LinkStatus


@dataclass(frozen=True, slots=True)
class MeterReading:
    """A live read of a whole meter, taken for the caller; `duration_ms`: how long the line needed."""

    meter: str
    line: str
    address: int
    profile: str
    identity: Identity
    serial_configured: str
    serial_read: str
    duration_ms: int
    points: list[ValueReport]


@dataclass(frozen=True, slots=True)
class ReadingReport:
    """A reading as it was recorded. `due_ms` and `time_ms` are on the boot axis, `utc_ms` is None while
    the clock is not trusted. `lost_before`: readings that this watcher was too slow for, just before."""

    meter: str
    quantity: str
    obis: str
    value: str | None
    unit: str
    quality: list[str]
    null_cause: str
    due_ms: int
    time_ms: int
    utc_ms: int | None
    lost_before: int = 0


@dataclass(frozen=True, slots=True)
class FrameReport:
    """One exchange or telegram as it was on the wire, in hexadecimal; `request` empty for a telegram that
    was pushed, `outcome` "ok" or what was wrong."""

    age_ms: int
    request: str
    response: str
    outcome: str


def value_text(value: Scaled | None) -> str | None:
    """The exact decimal, or None."""
    return None if value is None else str(value)


def quality_names(quality: Quality) -> list[str]:
    """`["float-exhausted", "stale"]`; empty when nothing is doubtful."""
    return [_name(flag) for flag in quality]


def cause_name(cause: NullCause | None) -> str:
    """`"silent"`; empty when there is a value."""
    return "" if cause is None else _name(cause)


def report_fault(fault: Fault, boot_ms: int) -> FaultReport:
    """A fault as it stands at `boot_ms`."""
    return FaultReport(str(fault.code), fault.subject, fault.evidence, boot_ms - fault.since_boot_ms)


def _name(member: Quality | NullCause) -> str:
    return (member.name or str(int(member))).lower().replace("_", "-")
