"""Waiting until the network serves a modem, the same for both backends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from hal.modem.api import ModemRefused, ModemStatus, RegistrationState, SimState
from protocols.at.causes import Remedy, mobility_remedy

REGISTER_S_MAX: Final = 120.0  # a full search over all bands takes up to two minutes
DENIED_S: Final = 5.0  # a modem that is denied by one network may find another at once
POLL_S: Final = 0.5


async def wait_registered(read: Callable[[], Awaitable[ModemStatus]], *, allow_roaming: bool) -> ModemStatus:
    """The status once it is registered; `read` gives the present one and need not be complete.

    Raises ModemRefused "modem.sim", "modem.denied", "modem.roaming" or "modem.no_network".
    """
    loop = asyncio.get_running_loop()
    deadline, denied_s = loop.time() + REGISTER_S_MAX, None
    while True:
        status = await read()
        check_sim(status.sim)
        if status.registration.is_registered:
            return _check_roaming(status, allow_roaming=allow_roaming)
        if status.registration is not RegistrationState.DENIED:
            denied_s = None
        elif denied_s is None:
            denied_s = loop.time()
        elif loop.time() - denied_s >= DENIED_S:
            raise _denied(status.reject_cause)
        if loop.time() >= deadline:
            text = f"not registered after {REGISTER_S_MAX:.0f} s; check antenna, SIM and coverage"
            raise ModemRefused("modem.no_network", text, remedy=Remedy.WAIT)
        await asyncio.sleep(POLL_S)


def check_sim(sim: SimState) -> None:
    """ModemRefused("modem.sim") for a SIM without which trying further is of no use."""
    steps = {
        SimState.MISSING: "no SIM; insert it with the contacts clean, then start the modem anew",
        SimState.PIN: "the SIM wants its PIN; enter it",
        SimState.PUK: "the SIM is locked; unlock it with the PUK in a telephone",
        SimState.FAILED: "the SIM cannot be used: broken, or locked to another network or device",
    }
    if sim in steps:
        raise ModemRefused("modem.sim", steps[sim])


def _check_roaming(status: ModemStatus, *, allow_roaming: bool) -> ModemStatus:
    if status.registration is RegistrationState.ROAMING and not allow_roaming:
        text = f"roaming in {status.operator or 'a foreign network'}; allow it in the site's file, or move"
        raise ModemRefused("modem.roaming", text, remedy=Remedy.ROAMING)
    return status


def _denied(cause: int | None) -> ModemRefused:
    remedy = Remedy.UNKNOWN if cause is None else mobility_remedy(cause)
    said = "" if cause is None else f" (cause {cause})"
    text = f"the network denies registration{said}; ask the operator whether this SIM is active"
    return ModemRefused("modem.denied", text, cause=cause, remedy=remedy)
