"""Switching a port's rate, as an optical head needs it between sign-on and read-out."""

from __future__ import annotations

import asyncio
import os
import termios
import tty

import pytest

from hal.api import PortError
from hal.board import open_port


async def test_a_serial_port_switches_both_directions_and_keeps_what_has_arrived() -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    port = await open_port(f"serial://{os.ttyname(slave)}", baud=300, format="7E1")
    try:
        assert port.char_time_s == pytest.approx(10 / 300)
        os.write(master, b"early")
        port.reconfigure(9600)
        assert port.char_time_s == pytest.approx(10 / 9600)
        assert termios.tcgetattr(slave)[4:6] == [termios.B9600, termios.B9600]
        assert await port.read(1.0) == b"early"
        with pytest.raises(PortError, match="12345 Bd") as caught:
            port.reconfigure(12345)
        assert caught.value.code == "port.setting"
        assert port.char_time_s == pytest.approx(10 / 9600)
    finally:
        await port.close()
        os.close(master)
        os.close(slave)
    with pytest.raises(PortError, match="closed"):
        port.reconfigure(300)


async def test_behind_a_serial_server_the_rate_is_not_ours_to_set() -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        port = await open_port(f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        with pytest.raises(PortError, match=r"serial://") as caught:
            port.reconfigure(9600)
        assert caught.value.code == "port.setting"
        await port.close()
