"""The ladder of repairs: whatever is seen, in whatever order, caps and waits hold."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.link.ladder import (
    DAY_S,
    FROZEN,
    HOPELESS,
    JUMPS,
    ORDER,
    REBOOT_APART_S,
    STEPS,
    Ladder,
    LadderMemory,
    Observation,
    Rung,
    Trouble,
)

Act = tuple[float, Rung, Trouble]
LOOK_S = 10


def ladder(*enabled: Rung, memory: LadderMemory | None = None, started_s: float = 0.0) -> Ladder:
    return Ladder(enabled or ORDER, memory or LadderMemory(), started_s)


def climb(one: Ladder, trouble: Trouble, until_s: int, *, from_s: int = 0) -> list[tuple[int, Rung]]:
    """What is done while `trouble` lasts and nothing ever comes through."""
    done = []
    for now_s in range(from_s, until_s, LOOK_S):
        rung = one.decide(Observation(now_s, trouble)).rung
        if rung is not None:
            one.climbed(rung, now_s, trouble)
            done.append((now_s, rung))
    return done


def test_a_climb_goes_from_mild_to_hard_at_the_stated_times() -> None:
    done = climb(ladder(), Trouble.NO_PROOF, 2 * 3_600 + 1)
    sums = list(itertools.accumulate(STEPS[rung].after_s for rung in ORDER))
    assert done == list(zip(sums, ORDER, strict=True))


@pytest.mark.parametrize("trouble", sorted(HOPELESS))
def test_for_what_no_reset_cures_nothing_is_done_in_a_week(trouble: Trouble) -> None:
    assert climb(ladder(), trouble, 7 * DAY_S) == []


@pytest.mark.parametrize("trouble", sorted(FROZEN))
def test_without_a_signal_only_the_radio_is_started_anew_and_ever_more_rarely(trouble: Trouble) -> None:
    times = [now_s for now_s, rung in climb(ladder(), trouble, 7 * DAY_S) if rung is Rung.RADIO]
    assert len(times) == len(climb(ladder(), trouble, 7 * DAY_S))
    apart = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert apart == sorted(apart)
    assert apart[-1] >= DAY_S


@pytest.mark.parametrize(
    ("trouble", "rung", "at_s"),
    [
        (Trouble.SILENT, Rung.RESET, 30),
        (Trouble.GONE, Rung.REBIND, 60),
        (Trouble.SERVICE, Rung.SERVICE, 60),
    ],
)
def test_where_the_cause_is_plain_the_climb_begins_at_its_cure(
    trouble: Trouble, rung: Rung, at_s: int
) -> None:
    assert climb(ladder(), trouble, 300)[0] == (at_s, rung)


def test_a_jump_over_rungs_that_are_not_allowed_waits_for_them_all_the_same() -> None:
    first, rung = climb(ladder(Rung.RECONNECT, Rung.REBOOT), Trouble.SILENT, 3 * 3_600)[0]
    assert rung is Rung.REBOOT
    above_reset = ORDER[ORDER.index(Rung.RESET) + 1 :]
    assert first == JUMPS[Trouble.SILENT].after_s + sum(STEPS[each].after_s for each in above_reset)


def test_a_proof_ends_the_climb_and_the_next_one_begins_below() -> None:
    one = ladder()
    assert [rung for _, rung in climb(one, Trouble.NO_PROOF, 500)] == [Rung.RECONNECT, Rung.RADIO]
    assert one.decide(Observation(600, Trouble.NONE, proof_s=590)).rung is None
    assert one.memory.climbs[-1].result == "proof"
    assert climb(one, Trouble.NO_PROOF, 1_000, from_s=600) == [(710, Rung.RECONNECT)]


def test_a_proof_from_before_the_repair_proves_nothing() -> None:
    one = ladder()
    climb(one, Trouble.NO_PROOF, 130)
    one.decide(Observation(130, Trouble.NO_PROOF, proof_s=110))
    assert one.memory.position is Rung.RECONNECT
    assert one.memory.climbs[-1].result == ""


def test_after_full_climbs_the_waits_double_up_to_a_day() -> None:
    one = ladder(Rung.RECONNECT)
    times = [now_s for now_s, _ in climb(one, Trouble.NO_PROOF, 9 * DAY_S)]
    settle_s, after_s = STEPS[Rung.RECONNECT].settle_s, STEPS[Rung.RECONNECT].after_s
    apart = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert apart == [settle_s + min(DAY_S, after_s * 2**n) for n in range(1, len(apart) + 1)]
    assert apart[-1] == settle_s + DAY_S


def test_a_restart_neither_refills_a_cap_nor_begins_below() -> None:
    one = ladder()
    climb(one, Trouble.NO_PROOF, 1_000)
    kept = msgspec.json.decode(msgspec.json.encode(one.memory), type=LadderMemory)
    assert kept == one.memory
    again = ladder(memory=kept, started_s=1_000)
    assert climb(again, Trouble.NO_PROOF, 1_310, from_s=1_000) == [(1_300, Rung.SERVICE)]


def test_when_a_person_has_cured_it_the_modem_gets_its_time() -> None:
    one = ladder()
    climb(one, Trouble.SIM_PIN, 5 * 3_600)
    assert climb(one, Trouble.NO_PROOF, 5 * 3_600 + 300, from_s=5 * 3_600) == [(18_120, Rung.RECONNECT)]


def test_a_rung_whose_cap_is_spent_is_passed_over() -> None:
    spent = LadderMemory(uses={Rung.RECONNECT: [0] * STEPS[Rung.RECONNECT].daily_max})
    assert climb(ladder(memory=spent), Trouble.NO_PROOF, 500) == [(480, Rung.RADIO)]


TROUBLES = st.sampled_from(sorted(Trouble))
MOMENTS = st.tuples(
    TROUBLES, st.integers(1, 40), st.booleans()
)  # trouble, looks that it lasts, proof at its end


@settings(deadline=None, max_examples=150)
@given(
    enabled=st.sets(st.sampled_from(ORDER), min_size=1),
    story=st.lists(st.tuples(MOMENTS, st.sampled_from([10, 60, 600, 7_200])), min_size=1, max_size=40),
    restarts=st.sets(st.integers(0, 39)),
)
def test_whatever_is_seen_caps_hold_and_waits_never_shrink(
    enabled: set[Rung], story: list[tuple[tuple[Trouble, int, bool], int]], restarts: set[int]
) -> None:
    one, now_s, proof_s = ladder(*enabled), 0.0, None
    acts: list[Act] = []
    quiet_from_s = since_s = 0.0  # since when nothing came through, and since when this trouble holds
    before = Trouble.NONE
    for place, ((trouble, looks, proves), apart_s) in enumerate(story):
        since_s = since_s if trouble is before else now_s + apart_s
        before = trouble
        if place in restarts:
            kept = msgspec.json.decode(msgspec.json.encode(one.memory), type=LadderMemory)
            one = ladder(*enabled, memory=kept, started_s=now_s)
            since_s = now_s + apart_s
        for _ in range(looks):
            now_s += apart_s
            rung = one.decide(Observation(now_s, trouble, proof_s)).rung
            if rung is None:
                continue
            assert trouble not in HOPELESS
            assert trouble is not Trouble.NONE
            assert trouble not in FROZEN or ORDER.index(rung) <= ORDER.index(Rung.RADIO)
            check_wait(acts, (now_s, rung, trouble), quiet_from_s, since_s)
            one.climbed(rung, now_s, trouble)
            acts.append((now_s, rung, trouble))
        if proves:
            proof_s = quiet_from_s = now_s
    check_caps(acts)


def check_wait(acts: list[Act], act: Act, quiet_from_s: float, since_s: float) -> None:
    """The waits of the table: from the last proof, from the last repair, or of the jump."""
    now_s, rung, trouble = act
    jump = JUMPS.get(trouble)
    jumps = jump is not None and ORDER.index(rung) >= ORDER.index(jump.rung)
    if jumps and jump is not None:
        least_s = min(jump.after_s, STEPS[rung].after_s)
        assert now_s >= since_s + jump.after_s or (acts and now_s >= acts[-1][0] + least_s)
    elif not acts or acts[-1][0] <= quiet_from_s:
        below = ORDER[: ORDER.index(rung) + 1]
        assert now_s >= quiet_from_s + min(STEPS[each].after_s for each in below)
    if acts:
        last_s, last, _ = acts[-1]
        assert now_s >= last_s + STEPS[last].settle_s
        if ORDER.index(rung) > ORDER.index(last) and last_s > quiet_from_s and not jumps:
            assert now_s >= last_s + STEPS[rung].after_s


def check_caps(acts: list[Act]) -> None:
    for rung in ORDER:
        times = [now_s for now_s, each, _ in acts if each is rung]
        cap = STEPS[rung].daily_max
        assert all(times[n + cap] - times[n] >= DAY_S for n in range(len(times) - cap))
        if rung is Rung.REBOOT:
            assert all(later - earlier >= REBOOT_APART_S for earlier, later in itertools.pairwise(times))
