"""Time maps: what was taken without a clock is dated later, within an uncertainty that holds."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.buffer.dating import DRIFT_PPM_MAX, Span, plan_pieces
from hal.api import ClockOffset
from protocols.uplink.messages import ClockSource, TimeMap, TimePiece, Wall
from tests.buffer.rig import Content, HandClock, Rig, read_outbox, readings, start

UTC_MS = 1_800_000_000_000
HOUR_MS = 3_600_000
NTP = ClockSource.NTP


def utc_ms(piece: TimePiece, boot_ms: int) -> int:
    return boot_ms + piece.offset_ms + piece.drift_ppb * (boot_ms - piece.from_ms) // 10**9


def test_the_start_of_a_boot_is_dated_by_the_clock_that_came_later() -> None:
    wall = Wall(UTC_MS, NTP, 20)
    timeline = [Span(1, 7, 5_000, HOUR_MS, None), Span(2, 7, HOUR_MS + 1_000, 2 * HOUR_MS, wall)]
    piece = plan_pieces(timeline)[1]
    assert piece[:5] == (7, 0, HOUR_MS + 1_000, UTC_MS, 0)
    assert piece.source == NTP
    assert piece.uncertainty_ms == 20 + 721, "an hour and a second at 200 ppm"


def test_nothing_is_dated_before_a_later_clock_shows_where_it_ends() -> None:
    wall = Wall(UTC_MS, NTP, 20)
    assert plan_pieces([Span(1, 7, 0, HOUR_MS, wall), Span(2, 7, HOUR_MS, 2 * HOUR_MS, None)]) == {}
    assert plan_pieces([Span(1, 7, 0, HOUR_MS, None)]) == {}
    assert plan_pieces([Span(1, 7, 0, HOUR_MS, None, told=True), Span(2, 7, HOUR_MS, 2, wall)]) == {}


def test_between_two_clocks_of_a_boot_the_drift_is_taken_in() -> None:
    timeline = [
        Span(1, 7, 0, HOUR_MS, Wall(UTC_MS, NTP, 10)),
        Span(2, 7, HOUR_MS, 11 * HOUR_MS, None),
        Span(3, 7, 11 * HOUR_MS, 12 * HOUR_MS, Wall(UTC_MS + 3_600, NTP, 10)),
    ]
    piece = plan_pieces(timeline)[2]
    assert abs(utc_ms(piece, 6 * HOUR_MS) - (6 * HOUR_MS + UTC_MS + 1_800)) <= 1
    assert piece.uncertainty_ms < 10 + 10 * HOUR_MS * DRIFT_PPM_MAX // 10**6


def test_two_clocks_that_contradict_each_other_widen_the_uncertainty() -> None:
    timeline = [
        Span(1, 7, 0, HOUR_MS, Wall(UTC_MS, NTP, 10)),
        Span(2, 7, HOUR_MS, 2 * HOUR_MS, None),
        Span(3, 7, 2 * HOUR_MS, 3 * HOUR_MS, Wall(UTC_MS + 600_000, NTP, 10)),
    ]
    assert plan_pieces(timeline)[2].uncertainty_ms >= 600_000


def test_a_boot_that_never_knew_the_time_lies_between_its_neighbours_and_says_so() -> None:
    day = 24 * HOUR_MS
    timeline = [
        Span(1, 7, 0, HOUR_MS, Wall(UTC_MS, NTP, 10)),
        Span(2, 8, 0, 2 * HOUR_MS, None),
        Span(3, 9, 0, 3 * HOUR_MS, Wall(UTC_MS + day, NTP, 10)),
    ]
    piece = plan_pieces(timeline)[2]
    assert piece.source == ClockSource.NEIGHBOURS
    earliest, latest = UTC_MS + HOUR_MS, UTC_MS + day - 2 * HOUR_MS
    assert abs(piece.offset_ms - (earliest + latest) // 2) <= 1
    assert piece.uncertainty_ms >= (latest - earliest) // 2


def test_without_any_clock_before_it_a_boot_stays_undated() -> None:
    assert plan_pieces([Span(1, 8, 0, 9, None), Span(2, 9, 0, 9, Wall(UTC_MS, NTP, 10))]) == {}


class Stay(NamedTuple):
    """A boot as it really was: off before it, its crystal's error, and spans (length, clock known)."""

    off_ms: int
    drift_ppm: int
    spans: list[tuple[int, bool]]


stays = st.builds(
    Stay,
    st.integers(0, 30 * 24 * HOUR_MS),
    st.integers(-DRIFT_PPM_MAX // 2, DRIFT_PPM_MAX // 2),
    st.lists(st.tuples(st.integers(1_000, 50 * HOUR_MS), st.booleans()), min_size=1, max_size=5),
)


@given(st.lists(stays, min_size=1, max_size=6), st.integers(0, 500))
def test_whatever_happened_the_truth_lies_within_the_stated_uncertainty(
    world: list[Stay], error_ms: int
) -> None:
    timeline: list[Span] = []
    started: list[int] = []
    now_ms = UTC_MS

    def true_utc_ms(boot: int, at_ms: int) -> int:
        return started[boot] + at_ms + at_ms * world[boot].drift_ppm // 10**6

    for boot, stay in enumerate(world):
        started.append(now_ms + stay.off_ms)
        at_ms = 0
        for length_ms, known in stay.spans:
            first_ms, last_ms = (true_utc_ms(boot, t) - t for t in (at_ms, at_ms + length_ms))
            wall = Wall(first_ms + error_ms, NTP, abs(last_ms - first_ms) + error_ms + 1)
            timeline.append(Span(len(timeline), boot, at_ms, at_ms + length_ms, wall if known else None))
            at_ms += length_ms
        now_ms = true_utc_ms(boot, at_ms)
    dated = plan_pieces(timeline)
    known_places = [place for place, span in enumerate(timeline) if span.wall is not None]
    for place, span in enumerate(timeline):
        if span.number in dated:
            piece = dated[span.number]
            for at_ms in (span.from_ms, (span.from_ms + span.to_ms) // 2, span.to_ms):
                assert abs(utc_ms(piece, at_ms) - true_utc_ms(span.boot, at_ms)) <= piece.uncertainty_ms
        elif span.wall is None and known_places:
            assert not known_places[0] < place < known_places[-1], "with clocks on both sides it is dated"


def time_maps(content: Content) -> list[TimeMap]:
    return [message for message in content.messages.values() if isinstance(message, TimeMap)]


async def record(rig: Rig, due_ms: int) -> None:
    rig.clock.ms = due_ms + 100
    rig.buffer.record(readings(due_ms))
    await rig.buffer.seal_now()


async def test_a_buffer_tells_the_dates_once_through_kills_and_boots(tmp_path: Path) -> None:
    rig = await start(tmp_path, HandClock(0, "a", ClockOffset(UTC_MS, NTP, 10)))
    await record(rig, 60_000)
    rig.kill()
    rig = await start(tmp_path, HandClock(0, "b"))  # wakes up without a clock, and is killed
    await record(rig, 30_000)
    await record(rig, 40_000)
    rig.kill()
    rig = await start(tmp_path, HandClock(0, "c"))
    await record(rig, 20_000)
    rig.clock.known = ClockOffset(UTC_MS + 600_000, NTP, 10)
    assert rig.boot.check()
    await rig.buffer.set_wall_piece(rig.boot.wall())
    await record(rig, 50_000)
    await record(rig, 55_000)
    await rig.buffer.close()
    [told] = time_maps(read_outbox(tmp_path))
    assert [(piece.boot, piece.source) for piece in told.pieces] == [(2, ClockSource.NEIGHBOURS), (3, NTP)]
    assert told.pieces[0].offset_ms + 30_000 > UTC_MS + 60_000
    assert told.pieces[1].offset_ms == UTC_MS + 600_000
