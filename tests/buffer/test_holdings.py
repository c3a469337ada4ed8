"""What an outbox holds and how long it lasts, against an outbox that is really filled."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.buffer.holdings import DAY_MS, Holdings, Sealed, StreamHolding
from edge_agent.outbox_report import OutboxPart
from edge_agent.outlook import CARD_ENDURANCE_GB_ASSUMED, GB, Card, Flushes, Written, plan_part, plan_report
from protocols.uplink.messages import Instant, Receipt
from tests.buffer.rig import SERIES, Rig, readings, start

SIZE_BYTES_MAX = 2 * 1024 * 1024
PERIOD_MS = 60_000


async def seal_one(rig: Rig) -> None:
    """A minute of readings, sealed."""
    for _ in range(PERIOD_MS // 1_000):
        rig.clock.ms += 1_000
        rig.buffer.record(readings(rig.clock.ms - 20))
    await rig.buffer.seal_now()


async def look(rig: Rig) -> OutboxPart:
    holdings = await rig.buffer.holdings()
    assert holdings is not None
    return plan_part("main", SIZE_BYTES_MAX, holdings, rig.boot.now())


async def test_the_days_that_it_says_are_those_until_something_is_lost(tmp_path: Path) -> None:
    rig = await start(tmp_path, size_bytes_max=SIZE_BYTES_MAX)
    for _ in range(60):
        await seal_one(rig)
    part = await look(rig)
    assert part.overhead_percent.basis == "measured"
    said_ms = part.offline_ms.value or 0
    began_ms = rig.clock.ms
    while not rig.buffer.statistics().evicted_messages:
        await seal_one(rig)
    lasted_ms = rig.clock.ms - began_ms
    print(f"said {said_ms / 60_000:.0f} min, lasted {lasted_ms / 60_000:.0f} min")
    assert 0.8 * lasted_ms <= said_ms <= 1.1 * lasted_ms
    assert ((await look(rig)).offline_ms.value or 0) <= 0.1 * lasted_ms
    rig.kill()


async def test_the_rate_is_that_of_the_readings_and_survives_a_restart(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    for _ in range(5):
        await seal_one(rig)
    before = await look(rig)
    assert before.sealed_readings_a_day.value == pytest.approx(SERIES * DAY_MS // 1_000, rel=0.01)
    assert before.sealed_readings_a_day.over_ms == 5 * PERIOD_MS - 1_000
    assert before.overhead_percent.basis == "assumed"
    rig.kill()
    rig = await start(tmp_path, rig.clock)
    assert (await look(rig)).sealed_bytes_a_day == before.sealed_bytes_a_day
    rig.kill()


async def test_messages_count_by_where_they_stand(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    await seal_one(rig)
    await seal_one(rig)
    _, second, *_ = await rig.buffer.next_messages(4, set())
    await rig.buffer.mark_published(second.stream, second.sequence)
    await rig.buffer.flush()
    stream = rig.buffer.statistics().stream
    part = await look(rig)
    (holding,) = part.streams
    assert (holding.stream, holding.is_active) == (stream, True)
    assert (holding.unsent, holding.published, holding.acknowledged) == (2, 1, 0)
    assert holding.oldest_age_ms == 60_000 - 1_000 + 60_000 + 20
    await rig.buffer.apply_receipt(Receipt(1, 1, stream, 2, (), (), 16, 0))
    (holding,) = (await look(rig)).streams
    assert (holding.acknowledged, holding.oldest_boot) == (3, None)
    assert (await look(rig)).waiting_bytes.value == 0
    rig.kill()


async def test_an_empty_outbox_promises_nothing(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    part = await look(rig)
    assert (part.streams, part.sealed_bytes_a_day.value, part.offline_ms.value) == ([], None, None)
    rig.kill()


STREAM = StreamHolding(1, True, 2, 0, 0, 1_000_000, 1_000_000, 500, Instant(3, 0))


def test_a_full_part_lasts_no_time_and_an_old_boots_age_is_not_known() -> None:
    full = Holdings([STREAM._replace(waiting_bytes=10**9)], Sealed(1_000, 10, 1_000), 10**9)
    part = plan_part("main", SIZE_BYTES_MAX, full, Instant(4, 5_000))
    assert part.offline_ms.value == 0
    assert (part.streams[0].oldest_boot, part.streams[0].oldest_age_ms) == (3, None)


CARD = Card("mmcblk0", Written(1_000, 1_000), Written(5_000, 1_000), 2, None)


@pytest.mark.parametrize(
    ("card", "life_ms", "basis"),
    [
        (CARD, 2 * GB // 5_000 * 1_000, "configured"),
        (CARD._replace(all_of_it=None), 2 * GB // 1_000 * 1_000, "configured"),
        (CARD._replace(endurance_gb=None), CARD_ENDURANCE_GB_ASSUMED * GB // 5_000 * 1_000, "assumed"),
        (CARD._replace(own=None, all_of_it=None), None, "configured"),
        (CARD._replace(all_of_it=Written(5_000, 0), own=None), None, "configured"),
    ],
)
def test_the_cards_life_follows_from_all_that_is_written_to_it(
    card: Card, life_ms: int | None, basis: str
) -> None:
    report = plan_report([], [], "receipt", (0, 0), Flushes(10_000, 400, 60_000), card)
    assert report.card_life_ms.value == life_ms
    assert report.card_endurance_bytes.basis == basis
    assert report.power_cut_ms_max.value == 10_400


def test_without_a_flush_measured_nobody_knows_what_a_cut_costs() -> None:
    report = plan_report([], [], "receipt", (0, 0), Flushes(10_000, None, None), CARD)
    assert report.power_cut_ms_max.value is None
    assert report.flush_interval_ms.value == 10_000
