"""S0 pulses: edges in, pulses out, never more of them than there were; displays exact."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal.sim.pulses import PulseFaults, SimPulses
from protocols.s0 import (
    NS_PER_MS,
    Edge,
    Pulse,
    PulseFilter,
    display_value,
    parse_constant,
    parse_display,
    step_exponent,
    unit_per_pulse,
)
from protocols.value import Scaled

MS = NS_PER_MS
LATER_NS = 10**15


def edges(*times_ms: float, active: bool = True) -> list[Edge]:
    """Edges in turn, the first one of them becoming `active`."""
    return [Edge(int(t * MS), active is (n % 2 == 0)) for n, t in enumerate(times_ms)]


def count(given_edges: list[Edge]) -> int:
    s0 = PulseFilter()
    return len(s0.receive_edges(given_edges) + s0.settle(LATER_NS))


def test_a_pulse_and_a_pause_of_the_standard_are_counted() -> None:
    s0 = PulseFilter()
    found = s0.receive_edges(edges(0, 30, 60, 90, 120, 150)) + s0.settle(LATER_NS)
    assert found == [Pulse(t * MS, (t + 30) * MS) for t in (0, 60, 120)]


def test_a_pulse_whose_transitions_are_cut_off_is_counted_and_a_shorter_one_is_not() -> None:
    assert count(edges(0, 25)) == 1
    assert count(edges(0, 24.9)) == 0


def test_the_level_at_the_start_is_no_edge_and_the_end_of_a_pulse_alone_is_no_pulse() -> None:
    s0 = PulseFilter()
    assert s0.settle(LATER_NS) == []
    assert count(edges(5, active=False)) == 0
    assert count(edges(5, 6, 40, active=False)) == 0, "it bounces: still the pulse that nobody saw begin"
    assert count(edges(5, 100, 140, active=False)) == 1, "and the next one is whole"


def test_a_contact_that_bounces_at_both_flanks_makes_one_pulse() -> None:
    assert count(edges(0, 1, 1.5, 2, 4, 40, 41, 42, 42.5, 43)) == 1


def test_spikes_and_hum_make_no_pulse() -> None:
    assert count(edges(*[t for n in range(200) for t in (n * 20, n * 20 + 1)])) == 0
    hum = [t for n in range(500) for t in (n * 20, n * 20 + 10)]  # 50 Hz, half of it active
    assert count(edges(*hum)) == 0
    assert count(edges(*[t for n in range(30) for t in (n * 4, n * 4 + 0.5)])) == 0, "bridged, but not active"


def test_two_pulses_without_a_pause_between_them_count_once() -> None:
    s0 = PulseFilter()
    found = s0.receive_edges(edges(0, 40, 50, 90, 140, 180)) + s0.settle(LATER_NS)
    assert [pulse.start_ns // MS for pulse in found] == [0, 140]
    assert s0.crowded == 1


def test_a_spike_in_the_pause_does_not_take_a_pulse_away() -> None:
    assert count(edges(0, 40, 52, 53, 75, 115)) == 2


def test_a_contact_that_rests_closed_for_hours_counts_when_it_opens() -> None:
    hour_ms = 3_600_000
    s0 = PulseFilter()
    assert s0.receive_edges(edges(0)) + s0.settle(5 * hour_ms * MS) == []
    assert len(s0.receive_edges([Edge(6 * hour_ms * MS, active=False)]) + s0.settle(LATER_NS)) == 1


def test_a_pulse_counts_once_its_end_is_certain_and_never_twice() -> None:
    s0 = PulseFilter()
    assert s0.receive_edges(edges(0, 40)) == []
    assert s0.settle(44 * MS) == []
    assert len(s0.settle(45 * MS)) == 1
    assert s0.settle(46 * MS) == []
    assert s0.receive_edges([Edge(60 * MS, active=False)]) == []


def test_after_lost_edges_only_a_whole_pulse_counts() -> None:
    s0 = PulseFilter()
    s0.receive_edges(edges(0))
    found = s0.receive_edges([Edge(100 * MS, active=False, lost_before=2), *edges(200, 240)])
    assert [pulse.start_ns // MS for pulse in found + s0.settle(LATER_NS)] == [200]
    assert s0.lost_edges == 2


times = st.lists(st.integers(0, 10**9), max_size=60)


@given(times, st.randoms(use_true_random=False))
def test_any_edges_make_pulses_that_are_wide_enough_and_apart(
    times_ns: list[int], chance: random.Random
) -> None:
    s0 = PulseFilter()
    given_edges = [Edge(t, chance.random() < 0.5, int(chance.random() < 0.05)) for t in times_ns]
    pulses = s0.receive_edges(given_edges) + s0.settle(LATER_NS)
    assert all(pulse.end_ns - pulse.start_ns >= 25 * MS for pulse in pulses)
    assert len(pulses) <= sum(edge.active for edge in given_edges)


@given(st.lists(st.tuples(st.integers(30, 2000), st.integers(30, 5000)), max_size=30))
def test_every_pulse_of_the_standard_is_found_wherever_the_edges_are_cut(
    widths: list[tuple[int, int]],
) -> None:
    now, given_edges, want = 0, [], []
    for pause_ms, pulse_ms in widths:
        given_edges += edges(now + pause_ms, now + pause_ms + pulse_ms)
        want.append(Pulse((now + pause_ms) * MS, (now + pause_ms + pulse_ms) * MS))
        now += pause_ms + pulse_ms
    whole, single = PulseFilter(), PulseFilter()
    assert whole.receive_edges(given_edges) + whole.settle(LATER_NS) == want
    found = []
    for edge in given_edges:
        found += single.receive_edges([edge]) + single.settle(edge.time_ns)
    assert found + single.settle(LATER_NS) == want


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 3600_000), st.sampled_from([160, 500, 3600]))
def test_bounce_and_spikes_change_no_count(seed: int, start_ms: int, period_ms: int) -> None:
    contact = SimPulses(period_ms=period_ms, faults=PulseFaults(bounce=0.7, glitch=0.7), seed=seed)
    first_ns, last_ns = start_ms * MS, start_ms * MS + 60 * period_ms * MS
    s0 = PulseFilter()
    found = s0.receive_edges(contact.edges(first_ns, last_ns)) + s0.settle(last_ns)
    true = contact.true_pulses(first_ns, last_ns)
    assert true - 2 <= len(found) <= true, "one at each end may be cut in two"


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_lost_edges_never_add_a_pulse_and_are_told_unless_the_system_hid_them(seed: int) -> None:
    last_ns = 500 * 300 * MS
    for faults in (PulseFaults(lost=0.2, bounce=0.5), PulseFaults(missed=0.2, bounce=0.5, glitch=0.5)):
        contact = SimPulses(period_ms=500, faults=faults, seed=seed)
        s0 = PulseFilter()
        found = s0.receive_edges(contact.edges(0, last_ns)) + s0.settle(last_ns)
        true = contact.true_pulses(0, last_ns)
        assert len(found) <= true
        if faults.lost and len(found) < true - 2:
            assert s0.lost_edges > 0


@pytest.mark.parametrize(
    ("constant", "factor", "exponent", "pulses", "display"),
    [
        ("1000", Scaled(1, 0), -3, 12_345, "12.345"),
        ("800", Scaled(1, 0), -5, 1, "0.00125"),
        ("10000", Scaled(1, 0), -4, 10_000, "1.0000"),
        ("187.5", Scaled(1, 0), -4, 3, "0.0160"),  # 187.5 = 375/2: no finite decimal, cut off
        ("75", Scaled(1, 0), -3, 75, "1.000"),
        ("75", Scaled(1, 0), -3, 74, "0.986"),  # 0.98666..., cut off
        ("0.1", Scaled(1, -3), -2, 7, "0.07"),  # 10 l a pulse, in m3
        ("1", Scaled(1, 0), 0, 42, "42"),
    ],
)
def test_a_display_is_exact_or_cut_off_after_the_last_digit(
    constant: str, factor: Scaled, exponent: int, pulses: int, display: str
) -> None:
    step = unit_per_pulse(parse_constant(constant), factor)
    assert step_exponent(step) == exponent
    assert str(display_value(step, pulses, Scaled(0, 0))) == display


constants = st.fractions(Fraction(1, 1000), 100_000, max_denominator=1000).filter(lambda f: f > 0)


@given(constants, st.integers(0, 10**9), st.integers(0, 10**9), st.integers(-6, 0))
def test_a_display_is_below_the_exact_one_by_less_than_its_last_digit(
    constant: Fraction, pulses: int, start: int, exponent: int
) -> None:
    step = 1 / constant
    shown = display_value(step, pulses, Scaled(start, exponent))
    exact = start * Fraction(10) ** exponent + pulses * step
    last_digit = Fraction(10) ** shown.exponent
    assert 0 <= exact - shown.integer * last_digit < last_digit
    following = display_value(step, pulses + 1, Scaled(start, exponent))
    assert following.rescaled(min(following.exponent, shown.exponent)) > shown, (
        "each count has its own display"
    )


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "1e400", "1e-400", "abc", "1000 imp/kWh", "٣", "0.0000000001"]
)
def test_what_is_no_constant_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_constant(text)


@pytest.mark.parametrize(("text", "want"), [("12345.6", "12345.6"), (" 00123,45 ", "123.45"), ("0", "0")])
def test_a_display_is_read_as_people_write_it(text: str, want: str) -> None:
    assert str(parse_display(text)) == want


@pytest.mark.parametrize("text", ["", "-1", "1e5", "12.3.4", "0.0000001", "1" * 16, "NaN", "1.234,5"])
def test_what_no_display_shows_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_display(text)
