"""Faults: conditions with a stable code, evidence, and a hint for a person.

A fault is raised once and stays until it is cleared; raising it again renews its evidence. The set is
bounded by codes x subjects of the configuration. Listeners (the event writer, the log) hear of raising
and clearing, not of renewals.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass

FAULTS_MAX = 1_000


class FaultCode(enum.StrEnum):
    """Stable codes; `edgectl` holds their texts in English and German."""

    METER_SILENT = "meter.silent"
    METER_CORRUPT = "meter.corrupt"
    METER_REFUSES = "meter.refuses"
    METER_MODELS = "meter.models"
    METER_WRONG_SERIAL = "meter.wrong-serial"
    METER_WRONG_TYPE = "meter.wrong-type"
    METER_IMPLAUSIBLE = "meter.implausible"
    METER_COUNT_LOST = "meter.count-lost"
    METER_KEY_MISSING = "meter.key-missing"
    METER_KEY_WRONG = "meter.key-wrong"
    METER_PLAIN = "meter.plain"
    METER_UNAUTHENTICATED = "meter.unauthenticated"
    METER_REPLAY = "meter.replay"
    PORT_MISSING = "port.missing"
    PORT_BUSY = "port.busy"
    PORT_DENIED = "port.denied"
    PORT_GONE = "port.gone"
    PORT_UNREACHABLE = "port.unreachable"
    PORT_SETTING = "port.setting"
    LINE_OVERRUN = "line.overrun"
    LINE_PATH = "line.path"
    CLOCK_UNTRUSTED = "clock.untrusted"
    BUFFER_FULL = "buffer.full"
    BUFFER_WRITE = "buffer.write"
    BUFFER_DAMAGED = "buffer.damaged"
    UPLINK_DNS = "uplink.dns"
    UPLINK_REFUSED = "uplink.refused"
    UPLINK_TIMEOUT = "uplink.timeout"
    UPLINK_CERTIFICATE = "uplink.certificate"
    UPLINK_HOST_NAME = "uplink.host-name"
    UPLINK_CLIENT_CERTIFICATE = "uplink.client-certificate"
    UPLINK_LOST = "uplink.lost"
    UPLINK_RECEIPT = "uplink.receipt"
    UPLINK_REJECTED = "uplink.rejected"
    MODEM_SILENT = "modem.silent"
    MODEM_GONE = "modem.gone"
    MODEM_AMBIGUOUS = "modem.ambiguous"
    MODEM_SERVICE = "modem.service"
    MODEM_NO_SIGNAL = "modem.no-signal"
    MODEM_SIM_MISSING = "modem.sim-missing"
    MODEM_SIM_PIN = "modem.sim-pin"
    MODEM_SIM_PUK = "modem.sim-puk"
    MODEM_DENIED = "modem.denied"
    MODEM_ROAMING = "modem.roaming"
    MODEM_APN = "modem.apn"
    MODEM_BUDGET = "modem.budget"


@dataclass(frozen=True, slots=True)
class Fault:
    """`subject`: what it concerns (a line's or meter's id, "buffer", "uplink"). `evidence`: plain words
    and numbers as measured, never a secret. `since_boot_ms`: when it was raised, boot axis."""

    code: FaultCode
    subject: str
    evidence: str
    since_boot_ms: int


Listener = Callable[[Fault, bool], None]


class Faults:
    """The faults that hold at present."""

    def __init__(self, boot_ms: Callable[[], int]) -> None:
        self._boot_ms = boot_ms
        self._present: dict[tuple[FaultCode, str], Fault] = {}
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """Call `listener(fault, raised)` at each raise and each clear."""
        self._listeners.append(listener)

    def raise_(self, code: FaultCode, subject: str, evidence: str) -> None:
        """State that a condition holds."""
        known = self._present.get((code, subject))
        if known is None and len(self._present) >= FAULTS_MAX:
            return
        since = self._boot_ms() if known is None else known.since_boot_ms
        fault = Fault(code, subject, evidence, since)
        self._present[code, subject] = fault
        if known is None:
            self._tell(fault, raised=True)

    def clear(self, subject: str, codes: Iterable[FaultCode] | None = None) -> None:
        """State that conditions of a subject no longer hold; all of them when `codes` is None."""
        wanted = None if codes is None else set(codes)
        for key in [k for k in self._present if k[1] == subject and (wanted is None or k[0] in wanted)]:
            self._tell(self._present.pop(key), raised=False)

    def present(self) -> list[Fault]:
        """All faults that hold, oldest first."""
        return sorted(self._present.values(), key=lambda fault: fault.since_boot_ms)

    def _tell(self, fault: Fault, *, raised: bool) -> None:
        for listener in self._listeners:
            listener(fault, raised)
