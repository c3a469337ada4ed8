"""The watchdog is fed only while every part of the agent turns."""

from __future__ import annotations

import asyncio
import contextlib
import logging

import pytest

from edge_agent.beats import LINE_TURN_S, UPLINK_TURN_S, Beats, feed_watchdog, line_turns, uplink_turns
from edge_agent.uplink.session import LinkStatistics
from hal.sim.watchdog import SimWatchdog
from tests.world.virtual_loop import run_virtual


async def beat_until(beats: Beats, name: str, interval_s: float, until_s: float) -> None:
    beat = beats.expect(name, interval_s)
    while asyncio.get_running_loop().time() < until_s:
        await asyncio.sleep(interval_s / 2)
        beat()
    await asyncio.Event().wait()


async def live(stops: dict[str, float], seconds: float) -> tuple[bool, SimWatchdog]:
    """Parts that turn until they hang; whether the watchdog bit, and what it was told."""
    now_s = asyncio.get_running_loop().time
    beats, watchdog = Beats(now_s), SimWatchdog(120.0, now_s)
    tasks = [asyncio.ensure_future(beat_until(beats, name, 60.0, until_s)) for name, until_s in stops.items()]
    tasks.append(asyncio.ensure_future(feed_watchdog(watchdog, beats)))
    await asyncio.sleep(seconds)
    bitten = watchdog.has_bitten
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return bitten, watchdog


def test_a_healthy_agent_is_never_bitten_and_ends_disarmed() -> None:
    bitten, watchdog = run_virtual(live({"lines": 1e9, "buffer": 1e9}, 86_400))
    assert not bitten
    assert watchdog.is_closed
    assert watchdog.said == []
    assert watchdog.meals == 86_400 / 30


def test_one_part_that_hangs_is_named_and_brings_the_bite(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        bitten, watchdog = run_virtual(live({"lines": 1e9, "buffer": 600.0}, 900))
    assert bitten
    assert not watchdog.is_closed, "what hangs does not disarm"
    assert watchdog.said == ["does not turn: buffer"]
    assert "watchdog: does not turn: buffer" in caplog.text


def test_a_part_that_is_asked_counts_like_one_that_beats() -> None:
    async def ask() -> list[list[str]]:
        turns = True
        beats = Beats(asyncio.get_running_loop().time)
        beats.ask("uplink", lambda: turns)
        seen = [beats.still()]
        turns = False
        return [*seen, beats.still()]

    assert run_virtual(ask()) == [[], ["uplink"]]


def test_what_turns_again_before_the_bite_is_fed_again() -> None:
    async def stumble() -> SimWatchdog:
        now_s = asyncio.get_running_loop().time
        beats, watchdog = Beats(now_s), SimWatchdog(120.0, now_s)
        beat = beats.expect("lines", 60.0)
        feeding = asyncio.ensure_future(feed_watchdog(watchdog, beats))
        await asyncio.sleep(100)
        beat()
        await asyncio.sleep(50)
        assert not watchdog.has_bitten
        feeding.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await feeding
        return watchdog

    assert run_virtual(stumble()).said == ["does not turn: lines", "all parts turn"]


def test_a_line_that_waits_for_its_slot_turns_and_one_that_leaves_slots_open_does_not() -> None:
    now_ms = 100_000_000
    assert line_turns(now_ms + 5_000, 60, now_ms), "the next slot is still to come"
    assert line_turns(now_ms - 86_400_000, 86_400, now_ms), "a daily slot may be open all day"
    assert line_turns(now_ms - 1000 * (60 + LINE_TURN_S), 60, now_ms)
    assert not line_turns(now_ms - 1000 * (60 + LINE_TURN_S) - 1, 60, now_ms)


def test_an_uplink_without_a_network_turns_as_long_as_it_tries() -> None:
    def link(*, connected: bool, since_s: float | None, tried_s: float | None) -> LinkStatistics:
        return LinkStatistics(connected, since_s, "", None, None, None, 0, 0, 0, 0, None, tried_s)

    late_s = 10_000.0
    assert uplink_turns(link(connected=True, since_s=5.0, tried_s=4.0), 0.0, late_s)
    assert uplink_turns(link(connected=False, since_s=5.0, tried_s=late_s - 300), 0.0, late_s)
    assert uplink_turns(link(connected=False, since_s=late_s - 1, tried_s=4.0), 0.0, late_s)
    assert uplink_turns(link(connected=False, since_s=None, tried_s=None), late_s - 1, late_s)
    assert not uplink_turns(link(connected=False, since_s=5.0, tried_s=4.0), 0.0, late_s)
    assert not uplink_turns(link(connected=False, since_s=None, tried_s=None), late_s - UPLINK_TURN_S, late_s)
