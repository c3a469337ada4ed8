"""The state of the link as the report that people and scripts read. Pure."""

from __future__ import annotations

from edge_agent.link.data_budget import Account
from edge_agent.link.ladder import Decision, Ladder, Trouble
from edge_agent.link.observation import best_signal
from edge_agent.link.proof import Evidence
from edge_agent.reports import ClimbReport, ModemReport, value_text
from hal.modem.api import BearerStatus, ModemStatus, RegistrationState
from protocols.cellular import advise, antenna_imbalance_db, classify, power

NOTHING = ModemStatus(present=False)
NO_ACCOUNT = Account("", 0, 0, None, "none", roaming=False)


def make_report(
    *,
    status: ModemStatus | None,
    bearer: BearerStatus | None,
    trouble: Trouble,
    evidence: str,
    life: Evidence,
    probe_bytes: int,
    account: Account | None,
    decision: Decision,
    ladder: Ladder,
    now_s: float,
    age_s: float,
) -> ModemReport:
    """`now_s` on the event loop's clock, `age_s` on the ladder's."""
    known, used = status or NOTHING, account or NO_ACCOUNT
    signal = best_signal(known)
    found = None if signal is None else classify(signal)
    return ModemReport(
        trouble=trouble.value,
        evidence=evidence,
        proof_kind=life.kind,
        proof_age_ms=None if life.proof_s is None else _ms(now_s - life.proof_s),
        imei=known.imei or "",
        product=" ".join(word for word in (known.maker, known.model) if word),
        sim=known.sim.value,
        pin_tries_left=known.pin_tries_left,
        iccid=known.iccid or "",
        operator=known.operator or "",
        registration=known.registration.value,
        technology="" if known.technology is None else known.technology.value,
        band=known.band or "",
        rsrp_dbm=None if signal is None else value_text(power(signal)),
        rsrq_db=None if signal is None else value_text(signal.rsrq_db),
        sinr_db=None if signal is None else value_text(signal.sinr_db),
        signal_class="" if found is None else found.value,
        advice="" if status is None else advise(signal).value,
        imbalance_db=None if signal is None else value_text(antenna_imbalance_db(signal)),
        connected=bearer is not None and bearer.connected,
        interface=(bearer.interface or "") if bearer is not None else "",
        apn=(bearer.apn or "") if bearer is not None else "",
        addresses=_addresses(bearer),
        roaming=known.registration is RegistrationState.ROAMING,
        period=used.period,
        used_bytes=used.used_bytes,
        limit_bytes=used.limit_bytes,
        forecast_bytes=used.forecast_bytes,
        probe_bytes_today=probe_bytes,
        next_rung="" if decision.next_rung is None else decision.next_rung.value,
        next_due_ms=None if decision.due_s is None else _ms(max(0.0, decision.due_s - age_s)),
        waits_factor=ladder.factor,
        climbs=[
            ClimbReport(_ms(age_s - climb.at_s), climb.rung.value, climb.reason, climb.result)
            for climb in reversed(ladder.memory.climbs)
        ],
    )


def _addresses(bearer: BearerStatus | None) -> list[str]:
    if bearer is None:
        return []
    return [each.address for each in (bearer.ipv4, bearer.ipv6) if each is not None and each.address]


def _ms(duration_s: float) -> int:
    return int(1000 * duration_s)
