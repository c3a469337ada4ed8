"""A week of a gateway's messages, dropped, reordered, repeated, forged, truncated and cloned on their way:
the backend names exactly what was done to them, and nothing else.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

import pytest

from backend.gaps import Finding, Period, findings, prove
from backend.store import Store, VerdictName
from protocols.uplink.columns import Slot
from protocols.uplink.messages import Gap, GapCause, Instant, Wall
from tests.backend.gateway import INTERVAL_MS, STREAM, Gateway, minute_slots

HOURS = 7 * 24
SLOTS = 60
DISPLACED_MAX = 12  # messages change places over so many hours at most
WALL = Wall(offset_ms=1_789_999_980_000, source=2, uncertainty_ms=20)


@dataclass
class Mischief:
    """What is done to a week. Hours are numbers of batches; batch h has sequence h + 1."""

    lost: set[int] = field(default_factory=set)
    evicted: set[int] = field(default_factory=set)  # lost at the gateway, which says so
    repeated: set[int] = field(default_factory=set)
    forged: set[int] = field(default_factory=set)
    foreign: set[int] = field(default_factory=set)  # signed by a key that nobody knows
    truncated: set[int] = field(default_factory=set)
    cloned: set[int] = field(default_factory=set)

    @property
    def missing(self) -> set[int]:
        return self.lost | self.evicted


def draw_mischief(chance: random.Random) -> Mischief:
    """Each kind hits its own hours; the first and the last one always come."""
    hours = chance.sample(range(1, HOURS - 1), 70)
    return Mischief(*(set(hours[first : first + 10]) for first in range(0, 70, 10)))


def batch_of(gateway: Gateway, hour: int, value: int = 1000) -> bytes:
    slots: list[Slot] = minute_slots(hour * SLOTS, SLOTS, value=value)
    return gateway.batch(slots, sequence=hour + 1, wall=WALL)


def evicted_gap(hour: int) -> Gap:
    first, behind = hour * SLOTS * INTERVAL_MS, (hour + 1) * SLOTS * INTERVAL_MS
    start, end = Instant(1, first - 1), Instant(1, behind - INTERVAL_MS + 1)
    return Gap(0, 0, GapCause.EVICTED, start, end, SLOTS, sequences=(hour + 1, hour + 1))


def feed(store: Store, gateway: Gateway, mischief: Mischief, chance: random.Random) -> Counter[str]:
    """Send the week; the verdicts on what was sent."""
    stranger = Gateway()
    mail: list[tuple[float, bytes]] = [(-1.0, gateway.dictionary())]
    for hour in range(HOURS):
        at, data = hour + chance.uniform(0, DISPLACED_MAX), batch_of(gateway, hour)
        if hour not in mischief.missing:
            mail.append((at, data))
        if hour in mischief.repeated:
            mail.append((at + chance.uniform(0, HOURS), data))
        if hour in mischief.cloned:
            mail.append((at + chance.uniform(0, HOURS), batch_of(gateway, hour, value=5)))
        if hour in mischief.forged:
            spoilt = bytearray(data)
            spoilt[-chance.randint(1, 64)] ^= 1 << chance.randrange(8)
            mail.append((at + chance.uniform(-1, 1), bytes(spoilt)))
        if hour in mischief.foreign:
            mail.append((at, batch_of(stranger, hour)))
        if hour in mischief.truncated:
            mail.append((at, data[: chance.randrange(len(data))]))
    mail += [(2 * HOURS, gateway.gap(evicted_gap(hour))) for hour in sorted(mischief.evicted)]
    return Counter(store.take(data).name for _, data in sorted(mail))


@pytest.mark.parametrize("number", range(3))
def test_the_faults_of_a_week_are_named_exactly(
    store: Store, gateway: Gateway, seed: int, number: int
) -> None:
    chance = random.Random(seed + number)
    mischief = draw_mischief(chance)
    verdicts = feed(store, gateway, mischief, chance)
    assert verdicts == {
        VerdictName.ACCEPTED: 1 + HOURS - len(mischief.lost),
        VerdictName.DUPLICATE: len(mischief.repeated),
        VerdictName.CLONE: len(mischief.cloned),
        VerdictName.BAD_SIGNATURE: len(mischief.forged),
        VerdictName.UNKNOWN_KEY: len(mischief.foreign),
        VerdictName.MALFORMED: len(mischief.truncated),
    }
    assert Counter(each.code for each in findings(store)) == {
        "messages-missing": len(holes_of(mischief)),
        "clone": 1,
        "forged": 2,
        "malformed": 1,
    }
    assert_says(store, "clone", "10 messages")
    assert_says(store, "malformed", "10 messages")
    assert missing_minutes(store) == {
        hour * SLOTS + minute: "evicted" if hour in mischief.evicted else f"not-received {span}"
        for hour in mischief.missing
        for minute in range(SLOTS)
        for span in [hole_text(mischief, hour)]
    }


def test_a_week_in_any_order_with_repeats_is_complete(store: Store, gateway: Gateway, seed: int) -> None:
    chance = random.Random(seed)
    feed(store, gateway, Mischief(repeated=set(range(0, HOURS, 3))), chance)
    [proof] = prove(store, Period(None, None))
    assert (proof.verdict, proof.values, list(findings(store))) == ("complete", HOURS * SLOTS, [])


def holes_of(mischief: Mischief) -> list[tuple[int, int]]:
    """First and last sequence of each run of missing messages that no gap names."""
    holes: list[tuple[int, int]] = []
    for hour in sorted(mischief.lost):
        if holes and holes[-1][1] == hour:
            holes[-1] = (holes[-1][0], hour + 1)
        else:
            holes.append((hour + 1, hour + 1))
    return holes


def hole_text(mischief: Mischief, hour: int) -> str:
    return next((f"{a}-{b}" for a, b in holes_of(mischief) if a <= hour + 1 <= b), "")


def missing_minutes(store: Store) -> dict[int, str]:
    [proof] = prove(store, Period(None, None))
    found: dict[int, str] = {}
    for run in proof.missing:
        assert run.count is not None
        for place in range(run.count):
            found[run.start.ms // INTERVAL_MS + 1 + place] = run.reason
    return found


def assert_says(store: Store, code: str, words: str) -> None:
    told: list[Finding] = [each for each in findings(store) if each.code == code]
    assert any(words in each.text for each in told), told
    assert all(each.stream in (None, STREAM) for each in told)
