"""Data used, by SIM and billing period: what was, what will be, and when to say so. Pure.

Rules:
- The truth is the kernel's count of the interface, received and sent together; a count that fell began anew.
- Home and roaming are counted apart: they are billed apart.
- A period begins at the billing day, UTC. While no clock is trusted nothing is known of days: bytes go on
  counting in the period that was last known.
- Integers only; a forecast needs a quarter of a day, or it would frighten people.
"""

from __future__ import annotations

import calendar
import datetime as dt
from typing import Final, Literal, NamedTuple

import msgspec

SIMS_MAX: Final = 4
WARN_PERCENT: Final = 80
FORECAST_FROM_MS: Final = 6 * 3_600_000
UNKNOWN_SIM: Final = "unknown"

Stage = Literal["none", "fine", "warned", "spent"]


class SimUse(msgspec.Struct, forbid_unknown_fields=True):
    """Of one SIM in one period. `period`: its first day, "" while no clock was ever trusted."""

    iccid: str
    period: str = ""
    home_bytes: int = 0
    roaming_bytes: int = 0


class DataUse(msgspec.Struct, forbid_unknown_fields=True):
    """Of all SIMs seen lately, the present one last; and where the interface's count stood."""

    sims: list[SimUse] = []
    boot_id: str = ""
    interface: str = ""
    counted_bytes: int = 0


class Limits(NamedTuple):
    """In bytes a period; 0: none."""

    home_bytes: int
    roaming_bytes: int
    billing_day: int


class Account(NamedTuple):
    """Of the present SIM. `forecast_bytes`: at the end of the period if it goes on like this; None: not
    known."""

    period: str
    used_bytes: int
    limit_bytes: int
    forecast_bytes: int | None
    stage: Stage
    roaming: bool


class Sample(NamedTuple):
    """One look at the counters. `iccid` and `utc_ms` None where not known."""

    boot_id: str
    interface: str
    counted_bytes: int
    iccid: str | None
    roaming: bool
    utc_ms: int | None


def period_start(utc_ms: int, billing_day: int) -> dt.date:
    """The first day of the billing period in which `utc_ms` lies."""
    today = dt.datetime.fromtimestamp(utc_ms // 1000, dt.UTC).date()
    this = _in_month(today.year, today.month, billing_day)
    if today >= this:
        return this
    year, month = (today.year - 1, 12) if today.month == 1 else (today.year, today.month - 1)
    return _in_month(year, month, billing_day)


def next_period(start: dt.date, billing_day: int) -> dt.date:
    """The first day of the period after the one that begins at `start`."""
    year, month = (start.year + 1, 1) if start.month == 12 else (start.year, start.month + 1)
    return _in_month(year, month, billing_day)


def count(use: DataUse, sample: Sample, billing_day: int) -> None:
    """Add what passed since the last sample to the SIM that carried it."""
    same = (use.boot_id, use.interface) == (sample.boot_id, sample.interface)
    before = use.counted_bytes if same and sample.counted_bytes >= use.counted_bytes else 0
    passed = sample.counted_bytes - before
    use.boot_id, use.interface, use.counted_bytes = sample.boot_id, sample.interface, sample.counted_bytes
    sim = present_sim(use, sample.iccid)
    if sample.utc_ms is not None:
        _begin_period(sim, period_start(sample.utc_ms, billing_day).isoformat())
    if sample.roaming:
        sim.roaming_bytes += passed
    else:
        sim.home_bytes += passed


def present_sim(use: DataUse, iccid: str | None) -> SimUse:
    """The entry of a SIM; of the last one where it does not say who it is."""
    if iccid is None:
        iccid = use.sims[-1].iccid if use.sims else UNKNOWN_SIM
    found = next((sim for sim in use.sims if sim.iccid == iccid), None)
    if found is None:
        found = SimUse(iccid)
    use.sims = [*(sim for sim in use.sims if sim is not found), found][-SIMS_MAX:]
    return found


def account(sim: SimUse, limits: Limits, utc_ms: int | None, *, roaming: bool) -> Account:
    """What people want to know of the SIM in use."""
    used = sim.roaming_bytes if roaming else sim.home_bytes
    limit = limits.roaming_bytes if roaming else limits.home_bytes
    stage: Stage = "none"
    if limit:
        stage = "spent" if used >= limit else "warned" if 100 * used >= WARN_PERCENT * limit else "fine"
    forecast = _forecast(sim, used, limits.billing_day, utc_ms)
    return Account(sim.period, used, limit, forecast, stage, roaming)


def _begin_period(sim: SimUse, period: str) -> None:
    """A later period begins empty. A clock that goes back begins none; a first one keeps what was counted."""
    if sim.period and period > sim.period:
        sim.home_bytes = sim.roaming_bytes = 0
    sim.period = max(sim.period, period)


def _forecast(sim: SimUse, used: int, billing_day: int, utc_ms: int | None) -> int | None:
    if utc_ms is None or not sim.period:
        return None
    start = dt.date.fromisoformat(sim.period)
    begin_ms, end_ms = _utc_ms(start), _utc_ms(next_period(start, billing_day))
    if not begin_ms + FORECAST_FROM_MS <= utc_ms < end_ms:
        return None
    return used * (end_ms - begin_ms) // (utc_ms - begin_ms)


def _utc_ms(day: dt.date) -> int:
    return calendar.timegm(day.timetuple()) * 1000


def _in_month(year: int, month: int, day: int) -> dt.date:
    """The day, or the last one of a shorter month."""
    return dt.date(year, month, min(day, calendar.monthrange(year, month)[1]))
