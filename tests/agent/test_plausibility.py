"""What is marked as doubtful and what is not: bounds, counters' steps, roll-overs, gauges at rest."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.profile import RegisterType
from edge_agent.plausibility import (
    STUCK_MS_MIN,
    STUCK_SLOTS_MIN,
    Finding,
    Plausibility,
    rule_of,
    rules_of,
)
from edge_agent.reading import Reading
from protocols.quantities import QUANTITIES, by_name
from protocols.value import NullCause, Quality, Scaled, parse_decimal
from tests.config.registers import profile_of

MINUTE_MS = 60_000
ENERGY = "energy_active_import_total"


def series(
    quantity: str, profile: str = "eastron-sdm630", ratio: tuple[int, int] = (1, 1), exponent: int = -3
) -> Plausibility:
    """One series of a meter."""
    return Plausibility(rules_of([([(by_name(quantity), exponent)], profile_of(profile), ratio)]))


def reading(value: str | None, time_ms: int = 0, remark: int = 0) -> Reading:
    return Reading(0, time_ms, time_ms, None if value is None else parse_decimal(value), remark)


def names(found: list[Finding | None]) -> list[str]:
    return ["" if finding is None else finding.name for finding in found]


def course(checks: Plausibility, *values: str, step_ms: int = MINUTE_MS) -> list[str]:
    """What is found in a series of readings."""
    return names([checks.judge(reading(value, n * step_ms)) for n, value in enumerate(values)])


@pytest.mark.parametrize(
    ("quantity", "good", "bad"),
    [
        ("frequency", ["45", "49.98", "60.01", "65"], ["44.99", "65.001", "0", "500", "4.998"]),
        ("voltage_l1", ["100", "230.1", "300", "0", "9.9", "-3"], ["10", "99.9", "300.1", "2301", "-230"]),
        ("voltage_l1_l2", ["400", "0"], ["4000", "40"]),
        ("power_factor_total", ["-1", "0.98", "1"], ["1.001", "-1.2", "98"]),
        ("power_active_total", ["-250000", "1e9"], ["1e13", "-1e30"]),
        ("temperature_flow", ["-5", "130"], ["210", "-40"]),
        ("humidity_relative", ["0", "100.4"], ["-1", "655.35"]),
    ],
)
def test_a_gauge_outside_of_what_its_quantity_can_be_is_marked(
    quantity: str, good: list[str], bad: list[str]
) -> None:
    checks = series(quantity)
    assert names([checks.judge(reading(value)) for value in good]) == [""] * len(good)
    assert names([checks.judge(reading(value)) for value in bad]) == ["range"] * len(bad)


def test_behind_voltage_transformers_the_voltage_is_higher() -> None:
    assert names([series("voltage_l1", ratio=(100, 1)).judge(reading("5774"))]) == [""]
    assert names([series("voltage_l1").judge(reading("5774"))]) == ["range"]


def test_what_the_reader_found_to_be_next_to_nothing_is_a_wrong_type() -> None:
    finding = series("power_active_total").judge(reading("0", remark=Quality.IMPLAUSIBLE))
    assert finding is not None
    assert (finding.name, finding.mark) == ("type", Quality.IMPLAUSIBLE)


def test_a_null_that_no_value_of_its_type_can_be_is_told_and_others_are_not() -> None:
    checks = series("power_active_total")
    finding = checks.unreadable(reading(None, remark=NullCause.CORRUPT))
    assert finding is not None
    assert finding.name == "unreadable"
    assert checks.unreadable(reading(None, remark=NullCause.NOT_AVAILABLE)) is None
    assert checks.judge(reading(None, remark=NullCause.CORRUPT)) is None


def test_a_counter_that_goes_on_is_good() -> None:
    assert course(series(ENERGY), "100", "100", "100.5", "101.25", "150") == [""] * 5


def test_a_counter_that_falls_is_marked_once_and_goes_on_from_there() -> None:
    assert course(series(ENERGY), "12345.6", "3.0", "3.1", "3.2") == ["", "fell", "", ""]


def test_a_single_wild_value_costs_none_of_those_behind_it() -> None:
    assert course(series(ENERGY), "100", "98765", "100.1", "100.2") == ["", "jumped", "", ""]
    assert course(series(ENERGY), "100", "5", "100.1", "100.2") == ["", "fell", "", ""]


def test_a_counter_is_below_zero_never_and_one_that_may_fall_is() -> None:
    assert course(series(ENERGY), "100", "-1", "101") == ["", "range", ""]
    assert course(series("energy_active_net_total"), "100", "-1", "-20") == [""] * 3


def test_how_far_a_counter_can_come_depends_on_the_time_and_on_the_transformers() -> None:
    assert course(series(ENERGY), "0", "84") == ["", ""]
    assert course(series(ENERGY), "0", "90") == ["", "jumped"]
    assert course(series(ENERGY, ratio=(10, 1)), "0", "800") == ["", ""]
    assert course(series(ENERGY), "0", "4000", step_ms=60 * MINUTE_MS) == ["", ""]


def test_a_counter_in_whole_mwh_takes_its_step() -> None:
    checks = series("energy_heat_total", "mbus-heat")
    assert names([checks.judge(Reading(0, t, t, Scaled(n, 3), 0)) for t, n in ((0, 12), (9, 13))]) == ["", ""]


def test_values_at_a_due_date_leap_once_a_year() -> None:
    assert course(series("energy_heat_due_date", "mbus-heat"), "10000", "250000") == ["", ""]


def test_a_counter_that_begins_anew_with_its_device_may() -> None:
    assert course(series("uptime", "teltonika-rut"), "86400", "12") == ["", ""]


@pytest.mark.parametrize(
    ("profile", "before", "after", "width"),
    [
        ("eltako-dsz15", "42949672.90", "0.05", "32 bits"),  # u32 of 10 Wh
        ("ehz-sml", "999999.9", "0.2", "6 digits"),
        ("eastron-sdm630", "99999.99", "0.01", "5 digits"),
    ],
)
def test_a_roll_over_is_told_and_not_marked(profile: str, before: str, after: str, width: str) -> None:
    checks = series(ENERGY, profile)
    checks.judge(reading(before))
    finding = checks.judge(reading(after, MINUTE_MS))
    assert finding is not None
    assert (finding.name, finding.mark) == ("rolled-over", Quality.GOOD)
    assert finding.evidence.endswith(f"({width})")
    assert checks.judge(reading(parse_and_add(after), 2 * MINUTE_MS)) is None


def parse_and_add(text: str) -> str:
    return str(Scaled(parse_decimal(text).integer + 1, parse_decimal(text).exponent))


def test_a_reset_far_from_the_end_of_the_register_is_a_fall() -> None:
    assert course(series(ENERGY, "eltako-dsz15"), "30000000", "0.05") == ["", "fell"]
    assert course(series(ENERGY, "ehz-sml"), "970000", "0.2") == ["", "fell"]


@pytest.mark.parametrize(
    ("kind", "before", "after", "width"),
    [("u16", "65530", "4", "16 bits"), ("bcd16", "9990", "5", "4 digits")],
)
def test_the_width_is_that_of_the_register(kind: RegisterType, before: str, after: str, width: str) -> None:
    known = profile_of("eastron-sdm630")
    point = next(point for point in known.points if point.quantity == ENERGY)
    profile = msgspec.structs.replace(known, points=(msgspec.structs.replace(point, type=kind),))
    checks = Plausibility(rules_of([([(by_name(ENERGY), 0)], profile, (1, 1))]))
    checks.judge(reading(before))
    finding = checks.judge(reading(after, MINUTE_MS))
    assert finding is not None
    assert finding.evidence.endswith(f"({width})")


def test_a_voltage_that_stands_still_is_marked_as_repeated_and_good_again_when_it_moves() -> None:
    checks = series("voltage_l1", exponent=-1)
    step_ms = STUCK_MS_MIN // STUCK_SLOTS_MIN
    found = course(checks, *["230.1"] * (STUCK_SLOTS_MIN + 2), step_ms=step_ms)
    assert found == [""] * STUCK_SLOTS_MIN + ["stuck"] * 2
    finding = checks.judge(reading("230.1", 2 * STUCK_MS_MIN))
    assert finding is not None
    assert finding.mark == Quality.STALE
    assert checks.judge(reading("230.2", 2 * STUCK_MS_MIN)) is None


@pytest.mark.parametrize(
    ("quantity", "exponent", "value", "step_ms"),
    [
        ("voltage_l1", -1, "230.1", 1000),  # not long enough
        ("voltage_l1", 0, "230", MINUTE_MS),  # told in whole volts
        ("voltage_l1", -1, "0", MINUTE_MS),  # a phase that is off
        ("power_active_total", -1, "0", MINUTE_MS),
        ("frequency", -1, "50.0", MINUTE_MS),
        (ENERGY, -3, "77", MINUTE_MS),
    ],
)
def test_what_may_stand_still_is_left_in_peace(
    quantity: str, exponent: int, value: str, step_ms: int
) -> None:
    checks = series(quantity, exponent=exponent)
    assert not any(course(checks, *[value] * 2 * STUCK_SLOTS_MIN, step_ms=step_ms))


def test_a_live_read_is_judged_and_leaves_no_trace() -> None:
    checks = series(ENERGY)
    checks.judge(reading("100"))
    assert names([checks.look(reading("5", 1)), checks.look(reading("5.1", 2))]) == ["fell", "fell"]
    assert checks.judge(reading("100.1", MINUTE_MS)) is None


def test_another_device_is_compared_with_nothing() -> None:
    checks = series(ENERGY)
    checks.judge(reading("12345"))
    checks.begin_anew([0])
    assert checks.judge(reading("0.3", MINUTE_MS)) is None


def test_counters_are_kept_and_restored_and_gauges_are_not() -> None:
    rules = [([(by_name(ENERGY), -3), (by_name("voltage_l1"), -1)], profile_of("eastron-sdm630"), (1, 1))]
    checks = Plausibility(rules_of(rules))
    checks.judge(reading("12345"))
    checks.judge(reading("230.1")._replace(series=1))
    kept = checks.counters()
    assert [None if each is None else str(each.value) for each in kept] == ["12345", None]
    later = Plausibility(rules_of(rules))
    assert kept[0] is not None
    later.restore(kept[0])
    assert names([later.judge(reading("12", MINUTE_MS))]) == ["fell"]


def test_every_quantity_has_a_rule_or_is_no_amount() -> None:
    profile = profile_of("ehz-sml")
    for quantity in QUANTITIES:
        rule = rule_of(quantity, -1, profile, (1, 1))
        assert (rule is not None) == (quantity.kind in ("counter", "gauge")), quantity.name
        if rule is not None and rule.rate is None and rule.is_counter:
            assert rule.may_fall or quantity.name.endswith("_due_date"), quantity.name


def test_rules_are_shared() -> None:
    meter = ([(by_name("voltage_l1"), -1)], profile_of("eastron-sdm630"), (1, 1))
    first, second = rules_of([meter, meter])
    assert first is second


@given(
    st.lists(st.tuples(st.integers(-(2**70), 2**70), st.integers(-20, 30)), max_size=30),
    st.sampled_from([ENERGY, "voltage_l1", "frequency", "power_active_total", "volume_gas_total"]),
)
def test_no_course_of_values_is_too_odd_to_be_judged(values: list[tuple[int, int]], quantity: str) -> None:
    checks = series(quantity)
    for n, value in enumerate(values):
        finding = checks.judge(Reading(0, n, n, Scaled(*value), 0))
        assert finding is None or finding.evidence


@given(st.lists(st.integers(0, 80_000), min_size=1, max_size=30))
def test_no_mark_on_a_counter_that_rises_as_it_can(steps_wh: list[int]) -> None:
    checks, value = series(ENERGY), 0
    for n, step in enumerate(steps_wh):
        value += step
        assert checks.judge(Reading(0, n * MINUTE_MS, n * MINUTE_MS, Scaled(value, -3), 0)) is None
