"""The clocks: what they promise, real and simulated."""

from __future__ import annotations

import time

import pytest

from hal import clock as hal_clock
from hal.clock import SystemClock
from hal.sim.clock import SimClock
from protocols.uplink.messages import ClockSource


def test_an_operators_word_makes_the_offset_known_and_states_its_doubt() -> None:
    clock = SystemClock("operator")
    offset = clock.offset()
    wall_ms = time.time_ns() // 1_000_000
    assert abs(clock.boot_ms() + offset.offset_ms - wall_ms) <= 50
    assert offset.source == ClockSource.OPERATOR
    assert offset.uncertainty_ms >= hal_clock.OPERATOR_UNCERTAINTY_MS


def test_the_kernels_word_is_taken_only_while_it_is_synchronised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hal_clock, "kernel_clock_error_us", lambda: None)
    assert SystemClock("kernel").offset() is None
    monkeypatch.setattr(hal_clock, "kernel_clock_error_us", lambda: 12_345)
    offset = SystemClock("kernel").offset()
    assert offset.source == ClockSource.NTP
    assert offset.uncertainty_ms >= 13


def test_the_kernel_answers_the_question_or_says_that_it_is_not_synchronised() -> None:
    error_us = hal_clock.kernel_clock_error_us()
    assert error_us is None or 0 <= error_us <= 16_000_000


def test_boot_time_runs_with_the_machine_and_the_boot_has_a_name() -> None:
    clock = SystemClock("kernel")
    first = clock.boot_ms()
    assert first <= clock.boot_ms() <= time.clock_gettime_ns(time.CLOCK_BOOTTIME) / 1e6
    assert len(clock.boot_id()) == 36
    assert clock.boot_id() == SystemClock("operator").boot_id()


def test_a_simulated_clock_moves_steps_and_reboots_only_when_told() -> None:
    clock = SimClock(boot_ms=1_000)
    assert (clock.boot_ms(), clock.offset()) == (1_000, None)
    clock.advance(500)
    clock.trust(offset_ms=10_000, uncertainty_ms=5)
    clock.step(-2_000)
    assert (clock.boot_ms(), clock.offset().offset_ms) == (1_500, 8_000)
    name = clock.boot_id()
    clock.reboot()
    assert (clock.boot_ms(), clock.offset()) == (0, None)
    assert clock.boot_id() != name
    with pytest.raises(ValueError, match="go back"):
        clock.advance(-1)
    with pytest.raises(ValueError, match="untrusted"):
        clock.step(1)


def test_a_simulated_clock_can_run_with_a_loops_time() -> None:
    now = [100.0]
    clock = SimClock(time_s=lambda: now[0])
    now[0] += 2.5
    assert clock.boot_ms() == 2_500
