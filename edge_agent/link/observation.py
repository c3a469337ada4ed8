"""What is wrong with the cellular link, from what the modem, the network and the far end said. Pure.

Rules:
- A link that carries data is well, whatever the modem says of itself.
- Registered and connected are never proof: where nothing came through, that is NO_PROOF.
- What a person must cure comes before what a reset might.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from edge_agent.link.ladder import Trouble
from hal.modem.api import ModemError, ModemRefused, ModemSilent, ModemStatus, RegistrationState, SimState
from protocols.at.causes import Remedy, mobility_remedy
from protocols.cellular import Signal, SignalClass, classify

APN_REFUSALS_MAX: Final = 3  # the network's word is taken after the third time

_SIM: Final = {
    SimState.PIN: Trouble.SIM_PIN,
    SimState.PUK: Trouble.SIM_PUK,
    SimState.MISSING: Trouble.SIM_MISSING,
    SimState.FAILED: Trouble.SIM_MISSING,
}
_GONE: Final = {"modem.service": Trouble.SERVICE, "modem.ambiguous": Trouble.AMBIGUOUS}
_ORDER: Final = (SignalClass.GOOD, SignalClass.USABLE, SignalClass.WEAK, SignalClass.UNUSABLE)


class Look(NamedTuple):
    """What one look gave: a status or an error. `refusal`: of the last try to connect. `is_alive`: something
    came through lately, or nothing speaks against it."""

    status: ModemStatus | None
    error: ModemError | None = None
    refusal: ModemRefused | None = None
    apn_refusals: int = 0
    is_alive: bool = False
    is_budget_spent: bool = False
    is_roaming_allowed: bool = False


def judge(look: Look) -> Trouble:
    """The trouble that decides what may be done."""
    if look.is_budget_spent:
        return Trouble.BUDGET
    if look.is_alive:
        return Trouble.NONE
    if look.status is None or not look.status.present:
        if isinstance(look.error, ModemSilent):
            return Trouble.SILENT
        return _GONE.get(look.error.code if look.error else "", Trouble.GONE)
    if look.status.sim in _SIM:
        return _SIM[look.status.sim]
    return _of_network(look, look.status)


def best_signal(status: ModemStatus) -> Signal | None:
    """The leg that is heard best; None without any."""
    classes = {signal: classify(signal) for signal in status.signals}
    known = [signal for signal, found in classes.items() if found is not None]
    return min(known, key=lambda signal: _ORDER.index(classes[signal] or SignalClass.UNUSABLE), default=None)


def _of_network(look: Look, status: ModemStatus) -> Trouble:
    denied = status.registration is RegistrationState.DENIED
    if denied or (_is(look.refusal, "modem.denied") and not status.registration.is_registered):
        return _of_denial(look.refusal, status)
    if status.registration is RegistrationState.ROAMING and not look.is_roaming_allowed:
        return Trouble.ROAMING
    if look.apn_refusals >= APN_REFUSALS_MAX:
        return Trouble.APN
    signal = best_signal(status)
    if signal is not None and classify(signal) is SignalClass.UNUSABLE:
        return Trouble.NO_SIGNAL
    if signal is None and status.registration in (RegistrationState.SEARCHING, RegistrationState.IDLE):
        return Trouble.NO_SIGNAL
    return Trouble.NO_PROOF


def _of_denial(refusal: ModemRefused | None, status: ModemStatus) -> Trouble:
    remedy = refusal.remedy if refusal is not None and _is(refusal, "modem.denied") else Remedy.UNKNOWN
    if remedy is Remedy.UNKNOWN and status.reject_cause is not None:
        remedy = mobility_remedy(status.reject_cause)
    if remedy is Remedy.WAIT:
        return Trouble.NO_PROOF
    if remedy is Remedy.APN:
        return Trouble.APN
    return Trouble.REFUSED if remedy is Remedy.UNKNOWN else Trouble.DENIED


def _is(refusal: ModemRefused | None, code: str) -> bool:
    return refusal is not None and refusal.code == code
