"""What is wrong with the link, from what modem, network and far end said."""

from __future__ import annotations

import pytest

from edge_agent.link.ladder import Trouble
from edge_agent.link.observation import APN_REFUSALS_MAX, Look, judge
from hal.modem.api import (
    ModemError,
    ModemGone,
    ModemRefused,
    ModemSilent,
    ModemStatus,
    RegistrationState,
    SimState,
)
from protocols.at.causes import Remedy
from protocols.cellular import Technology, make_signal
from protocols.value import Scaled

FINE = make_signal(Technology.LTE, rsrp_dbm=Scaled(-90, 0))
FAINT = make_signal(Technology.LTE, rsrp_dbm=Scaled(-121, 0))
HOME = ModemStatus(sim=SimState.READY, registration=RegistrationState.HOME, signals=(FINE,))


def status(registration: RegistrationState, *, cause: int | None = None, heard: bool = True) -> ModemStatus:
    signals = (FINE,) if heard else ()
    return ModemStatus(sim=SimState.READY, registration=registration, reject_cause=cause, signals=signals)


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (ModemGone("modem.gone", ""), Trouble.GONE),
        (ModemGone("modem.service", ""), Trouble.SERVICE),
        (ModemGone("modem.ambiguous", ""), Trouble.AMBIGUOUS),
        (ModemSilent("modem.silent", ""), Trouble.SILENT),
    ],
)
def test_an_error_names_the_trouble(error: ModemError, trouble: Trouble) -> None:
    assert judge(Look(None, error)) is trouble


@pytest.mark.parametrize(
    ("seen", "trouble"),
    [
        (HOME, Trouble.NO_PROOF),
        (ModemStatus(present=False), Trouble.GONE),
        (ModemStatus(sim=SimState.PIN), Trouble.SIM_PIN),
        (ModemStatus(sim=SimState.PUK), Trouble.SIM_PUK),
        (ModemStatus(sim=SimState.MISSING), Trouble.SIM_MISSING),
        (ModemStatus(sim=SimState.FAILED), Trouble.SIM_MISSING),
        (status(RegistrationState.DENIED), Trouble.REFUSED),
        (status(RegistrationState.DENIED, cause=13), Trouble.DENIED),
        (status(RegistrationState.DENIED, cause=3), Trouble.DENIED),
        (status(RegistrationState.DENIED, cause=22), Trouble.NO_PROOF),
        (status(RegistrationState.DENIED, cause=19), Trouble.APN),
        (status(RegistrationState.ROAMING), Trouble.ROAMING),
        (status(RegistrationState.SEARCHING), Trouble.NO_PROOF),
        (status(RegistrationState.SEARCHING, heard=False), Trouble.NO_SIGNAL),
        (status(RegistrationState.HOME, heard=False), Trouble.NO_PROOF),
        (
            ModemStatus(sim=SimState.READY, registration=RegistrationState.HOME, signals=(FAINT,)),
            Trouble.NO_SIGNAL,
        ),
    ],
)
def test_a_status_names_the_trouble(seen: ModemStatus, trouble: Trouble) -> None:
    assert judge(Look(seen)) is trouble


def test_registered_and_connected_are_no_proof_and_a_living_link_needs_neither() -> None:
    assert judge(Look(HOME)) is Trouble.NO_PROOF
    assert judge(Look(None, ModemSilent("modem.silent", ""), is_alive=True)) is Trouble.NONE
    assert judge(Look(HOME, is_alive=True, is_budget_spent=True)) is Trouble.BUDGET


def test_the_networks_no_to_an_apn_counts_after_the_third_time() -> None:
    refusal = ModemRefused("modem.context", "", cause=27, remedy=Remedy.APN)
    assert judge(Look(HOME, None, refusal, APN_REFUSALS_MAX - 1)) is Trouble.NO_PROOF
    assert judge(Look(HOME, None, refusal, APN_REFUSALS_MAX)) is Trouble.APN


def test_a_denial_of_yesterday_does_not_count_once_registered() -> None:
    refusal = ModemRefused("modem.denied", "", cause=13, remedy=Remedy.ROAMING)
    assert judge(Look(HOME, None, refusal)) is Trouble.NO_PROOF
    assert judge(Look(status(RegistrationState.SEARCHING), None, refusal)) is Trouble.DENIED
