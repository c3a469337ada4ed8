"""What the local API tells: frozen types that travel over the socket as JSON, and how values become text.

Rules: nothing here does I/O or knows the transport, so that `edgectl` imports it without asyncio.
Annotations are real types (no postponed evaluation) and collections are lists, because the varlink
interface description is made from them. Ages and durations are milliseconds, measured when the report
was made; None says "never" or "not known". Values are exact decimal text, never a float. Fields are
only ever added: scripts read them (docs/edgectl.md).
"""

from dataclasses import dataclass, field
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
class ExchangeReport:
    """A meter's device was exchanged, as a person entered it. `utc_ms` None: no clock was trusted then. `end`
    and `start`: values of the old and the new device's counters by quantity, exact decimal text."""

    meter: str
    old_serial: str
    new_serial: str
    utc_ms: int | None
    end: dict[str, str]
    start: dict[str, str]


@dataclass(frozen=True, slots=True)
class MeterStatus:
    """A meter. `last_good_age_ms` None: nothing good since the agent started; `silent_for_ms` None: it
    answers. `serial_read` empty: not read. `address` is the one on the line, 1 where a line has but one;
    `secondary` what an M-Bus meter is selected by instead, or empty.
    `unverified`: how many of its quantities the catalogue has from one source only (docs/meters.md).
    `exchange`: of its device, where one was entered and the configuration still names the old one;
    `serial_configured` is then the new one's."""

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
    unverified: int = 0
    secondary: str = ""
    exchange: ExchangeReport | None = None


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
class StreamStatus:
    """A stream of a gateway that has several. `is_left`: it is no longer configured and sends what it still
    has. `purpose` and `legal_basis`: what a person's readings are for and by which right; `opt_in`: the
    consent to fine intervals. `buffer`: its own."""

    id: str
    is_left: bool
    priority: int
    meters: list[str]
    personal: bool
    purpose: str
    legal_basis: str
    opt_in: str
    buffer: BufferStatus


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
class ClimbReport:
    """A repair of the cellular link. `result`: "proof", "in vain", why it could not be done, or "" while its
    time runs."""

    age_ms: int
    rung: str
    reason: str
    result: str


@dataclass(frozen=True, slots=True)
class ModemReport:
    """The cellular link. `trouble`: what keeps it from being proven, "none" where it is or nothing speaks
    against it; `evidence`: in the modem's or network's words. Levels are decimal text in dBm and dB.
    `limit_bytes` 0: no budget. `next_rung` "": no repair is coming. `waits_factor`: by how much all waits
    have grown."""

    trouble: str
    evidence: str
    proof_kind: str
    proof_age_ms: int | None
    imei: str
    product: str
    sim: str
    pin_tries_left: int | None
    iccid: str
    operator: str
    registration: str
    technology: str
    band: str
    rsrp_dbm: str | None
    rsrq_db: str | None
    sinr_db: str | None
    signal_class: str
    advice: str
    imbalance_db: str | None
    connected: bool
    interface: str
    apn: str
    addresses: list[str]
    roaming: bool
    period: str
    used_bytes: int
    limit_bytes: int
    forecast_bytes: int | None
    probe_bytes_today: int
    next_rung: str
    next_due_ms: int | None
    waits_factor: int
    climbs: list[ClimbReport]


@dataclass(frozen=True, slots=True)
class StatusReport:
    """The whole gateway at one instant, `boot_ms` on the axis of boot `boot`. `buffer`: that of all
    `streams` together; those are empty where the gateway has but one. `modem`: where one is configured."""

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
    streams: list[StreamStatus] = field(default_factory=list)
    modem: ModemReport | None = None


@dataclass(frozen=True, slots=True)
class MeterReading:
    """A live read of a whole meter, taken for the caller; `duration_ms`: how long the line needed.
    `secondary`: as of MeterStatus."""

    meter: str
    line: str
    address: int
    profile: str
    identity: Identity
    serial_configured: str
    serial_read: str
    duration_ms: int
    points: list[ValueReport]
    secondary: str = ""


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


@dataclass(frozen=True, slots=True)
class FoundMeter:
    """A meter that a search of an M-Bus loop found.

    `secondary`: what selects it ("12345678.KAM.1B.04"), empty where it does not say. `primary`: the address
    by which it says that it can be asked, None: none. `medium`: device type of EN 13757-3. `configured`: the
    id of the configured meter that it is, empty: none.
    """

    secondary: str
    primary: int | None
    id: str
    manufacturer: str
    version: int | None
    medium: int | None
    configured: str


@dataclass(frozen=True, slots=True)
class SearchReport:
    """A search of an M-Bus loop, so far or, with `done`, in the end.

    `line_time_ms`: how long the loop was busy with it: characters, and waiting in vain. `unresolved`:
    addresses to which more than one meter answers. `is_slow`: a meter answers later than the standard
    allows, raise reply_timeout_s. `is_cut`: there may be more.
    """

    line: str
    done: bool
    probes: int
    line_time_ms: int
    duration_ms: int
    found: list[FoundMeter]
    unresolved: list[str]
    is_slow: bool
    is_cut: bool


@dataclass(frozen=True, slots=True)
class AnswerReport:
    """What came of one request to a unit of a line. `outcome`: "answered" with `data` in hexadecimal,
    "refused" with the exception's number, "silent", "corrupt" (bytes came, no answer), or "suspect": not
    asked, for an answer to an earlier request may still come; ask again in a second. `evidence`: what was
    wrong, in words."""

    outcome: Literal["answered", "refused", "silent", "corrupt", "suspect"]
    data: str
    exception: int
    evidence: str


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
