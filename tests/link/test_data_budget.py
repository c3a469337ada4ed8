"""Data used by SIM and billing period."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.link.data_budget import (
    SIMS_MAX,
    DataUse,
    Limits,
    Sample,
    SimUse,
    account,
    count,
    next_period,
    period_start,
    present_sim,
)
from edge_agent.link.open import read_counter

HOUR_MS = 3_600_000
MB = 1_000_000


def utc_ms(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp() * 1000)


def sample(counted: int, **changes: object) -> Sample:
    known = Sample("boot-a", "wwan0", counted, "sim-1", roaming=False, utc_ms=utc_ms("2026-05-10T12:00"))
    return known._replace(**changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("now", "day", "start", "following"),
    [
        ("2026-05-10T00:00", 1, "2026-05-01", "2026-06-01"),
        ("2026-05-10T00:00", 11, "2026-04-11", "2026-05-11"),
        ("2026-05-11T00:00", 11, "2026-05-11", "2026-06-11"),
        ("2026-01-05T23:59", 20, "2025-12-20", "2026-01-20"),
        ("2026-03-01T00:00", 31, "2026-02-28", "2026-03-31"),
        ("2028-02-29T12:00", 31, "2028-02-29", "2028-03-31"),
    ],
)
def test_a_period_begins_at_the_billing_day_or_the_months_last(
    now: str, day: int, start: str, following: str
) -> None:
    begin = period_start(utc_ms(now), day)
    assert begin.isoformat() == start
    assert next_period(begin, day).isoformat() == following


@given(st.integers(utc_ms("2020-01-01"), utc_ms("2060-01-01")), st.integers(1, 31))
def test_every_moment_lies_in_its_period(now_ms: int, day: int) -> None:
    start = period_start(now_ms, day)
    today = dt.datetime.fromtimestamp(now_ms // 1000, dt.UTC).date()
    assert start <= today < next_period(start, day)


def test_what_passes_is_counted_once_whatever_restarts() -> None:
    use = DataUse()
    for counted in (1_000, 1_500, 1_500, 4_000):
        count(use, sample(counted), 1)
    count(use, sample(4_200), 1)  # an agent that was started anew in the same boot
    assert present_sim(use, "sim-1").home_bytes == 4_200


def test_an_interface_that_came_back_counts_from_nothing() -> None:
    use = DataUse()
    count(use, sample(10_000), 1)
    count(use, sample(300), 1)
    count(use, sample(100, boot_id="boot-b"), 1)
    count(use, sample(50, boot_id="boot-b", interface="wwan1"), 1)
    assert present_sim(use, "sim-1").home_bytes == 10_450


def test_roaming_and_each_sim_are_counted_apart() -> None:
    use = DataUse()
    count(use, sample(100), 1)
    count(use, sample(150, roaming=True), 1)
    count(use, sample(190, iccid="sim-2"), 1)
    count(use, sample(195, iccid=None), 1)
    assert (present_sim(use, "sim-1").home_bytes, present_sim(use, "sim-1").roaming_bytes) == (100, 50)
    assert present_sim(use, "sim-2").home_bytes == 45


def test_a_new_period_begins_empty_and_a_clock_that_goes_back_begins_none() -> None:
    use = DataUse()
    count(use, sample(100, utc_ms=None), 1)
    count(use, sample(200), 1)
    assert use.sims[0] == SimUse("sim-1", "2026-05-01", 200)
    count(use, sample(230, utc_ms=utc_ms("2026-06-01T00:00")), 1)
    assert use.sims[0] == SimUse("sim-1", "2026-06-01", 30)
    count(use, sample(240, utc_ms=utc_ms("2026-05-31T00:00")), 1)
    assert use.sims[0] == SimUse("sim-1", "2026-06-01", 40)


def test_only_so_many_sims_are_remembered() -> None:
    use = DataUse()
    for n in range(20):
        count(use, sample(100 * n, iccid=f"sim-{n}"), 1)
    assert [sim.iccid for sim in use.sims] == [f"sim-{n}" for n in range(20 - SIMS_MAX, 20)]


@pytest.mark.parametrize(
    ("used", "limit", "stage"),
    [(0, 0, "none"), (79, 100, "fine"), (80, 100, "warned"), (99, 100, "warned"), (100, 100, "spent")],
)
def test_the_stages_of_a_budget(used: int, limit: int, stage: str) -> None:
    sim = SimUse("sim-1", "2026-05-01", used)
    assert account(sim, Limits(limit, 0, 1), None, roaming=False).stage == stage


def test_the_forecast_goes_on_as_it_began_and_waits_for_a_quarter_of_a_day() -> None:
    sim = SimUse("sim-1", "2026-06-01", 10 * MB)
    start = utc_ms("2026-06-01T00:00")

    def forecast(now_ms: int | None) -> int | None:
        return account(sim, Limits(0, 0, 1), now_ms, roaming=False).forecast_bytes

    assert forecast(start + 240 * HOUR_MS) == 30 * MB
    assert forecast(start + 5 * HOUR_MS) is None
    assert forecast(None) is None
    assert forecast(utc_ms("2026-07-02T00:00")) is None


def test_the_counter_of_an_interface_is_read_where_there_is_one(tmp_path: Path) -> None:
    folder = tmp_path / "wwan0" / "statistics"
    folder.mkdir(parents=True)
    (folder / "rx_bytes").write_text("6208\n")
    assert read_counter("wwan0", tmp_path) is None
    (folder / "tx_bytes").write_text("3970\n")
    assert read_counter("wwan0", tmp_path) == 10_178
    assert read_counter("../wwan0", tmp_path) is None
    assert read_counter("lo") is not None
