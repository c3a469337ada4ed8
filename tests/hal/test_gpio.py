"""Pulse inputs of the hardware layer: what a URL may say, and a real chip where there is one."""

from __future__ import annotations

import asyncio

import pytest

from config.pulse_input import PulseInput, read_gpio_url
from hal.api import PortError
from hal.board import open_edge_source
from hal.gpio import gpio_chips, open_gpio_input


def test_a_url_names_chip_line_bias_and_the_edge_with_which_a_pulse_begins() -> None:
    assert read_gpio_url("gpio:///dev/gpiochip0?line=17") == PulseInput("/dev/gpiochip0", 17, "pull-up", True)
    url = "gpio:///dev/gpiochip4?line=5&bias=pull-down&edge=rising"
    assert read_gpio_url(url) == PulseInput("/dev/gpiochip4", 5, "pull-down", False)


@pytest.mark.parametrize(
    "url",
    [
        "gpio:///dev/gpiochip0",
        "gpio://gpiochip0?line=17",
        "gpio:///etc/passwd?line=17",
        "gpio:///dev/gpiochip0?line=-1",
        "gpio:///dev/gpiochip0?line=4711",
        "gpio:///dev/gpiochip0?line=17&line=18",
        "gpio:///dev/gpiochip0?line=17&bias=up",
        "gpio:///dev/gpiochip0?line=17&edge=both",
        "gpio:///dev/gpiochip0?line=17&debounce=1",
    ],
)
async def test_what_is_no_input_is_refused_with_an_example_or_the_choices(url: str) -> None:
    with pytest.raises(PortError) as refused:
        await open_edge_source(url)
    assert refused.value.code == "port.setting"
    assert url in refused.value.text
    assert "edge" in refused.value.text or "pull-up" in refused.value.text


@pytest.mark.parametrize("url", ["sim://s0?period=3", "sim://s0?period_ms=100", "sim://s1", "tcp://host:1"])
async def test_a_wrong_url_of_another_kind_says_what_would_be_right(url: str) -> None:
    with pytest.raises(PortError, match=r"sim://s0\?period_ms=3600|gpio:///dev/gpiochip0"):
        await open_edge_source(url)


async def test_a_chip_that_is_not_there_is_missing() -> None:
    pytest.importorskip("gpiod", reason="gpiod is not installed: make venv")
    with pytest.raises(PortError) as missing:
        open_gpio_input("gpio:///dev/gpiochip997?line=1")
    assert missing.value.code == "port.missing"
    assert "gpiodetect" in missing.value.text


async def test_a_line_of_a_real_chip_is_watched_and_held() -> None:
    chips = gpio_chips()
    if not chips:
        pytest.skip("hardware: no GPIO chip on this machine")
    url = f"gpio://{chips[0]}?line=0&bias=as-is"
    try:
        source = open_gpio_input(url)
    except PortError as error:
        pytest.skip(f"hardware: {error.text}")
    try:
        async with asyncio.timeout(5):
            edges = await source.wait_edges(0.05)
        assert all(edge.time_ns <= source.now_ns() for edge in edges)
        with pytest.raises(PortError) as busy:
            open_gpio_input(url)
        assert busy.value.code == "port.busy"
    finally:
        await source.close()
