"""What every port does, whatever stands behind it."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Never

import pytest
import serial

from hal.api import Port, PortError
from hal.board import open_port
from hal.tcp_port import open_tcp_port
from tests.hal.ends import KINDS, FarEnd, far_end, open_end, open_fds, until


@pytest.fixture(params=sorted(KINDS))
async def end(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[FarEnd]:
    async with far_end(request.param, tmp_path) as far:
        yield far


async def read_exactly(port: Port, size_bytes: int) -> bytes:
    data = b""
    async with asyncio.timeout(5):
        while len(data) < size_bytes:
            data += await port.read(1.0, size_bytes - len(data))
    return data


async def test_bytes_go_both_ways_unchanged(end: FarEnd) -> None:
    port = await open_end(end)
    every_byte = bytes(range(256))
    await port.write(every_byte)
    assert await end.receive(256) == every_byte
    sent = asyncio.create_task(end.send(every_byte))
    assert await read_exactly(port, 256) == every_byte
    await sent
    await port.close()


async def test_a_read_gives_nothing_once_its_timeout_has_passed(end: FarEnd) -> None:
    port = await open_end(end)
    started = time.monotonic()
    assert await port.read(0.05) == b""
    assert 0.045 < time.monotonic() - started < 1.0
    assert await port.read(0.0) == b""
    await port.close()


async def test_a_hint_that_is_too_great_neither_loses_bytes_nor_waits_for_the_timeout(end: FarEnd) -> None:
    port = await open_end(end)
    reading = asyncio.create_task(port.read(5.0, 250))
    await end.send(b"short")
    started = time.monotonic()
    assert await reading + await read_exactly(port, 0) in (b"short", b"shor", b"sho", b"sh", b"s")
    assert time.monotonic() - started < 1.0
    await port.close()


async def test_discarded_input_is_gone_and_what_comes_later_is_there(end: FarEnd) -> None:
    port = await open_end(end)
    await end.send(b"old")
    assert (await port.read(5.0))[:1] == b"o"
    await asyncio.sleep(0)
    port.discard_input()
    assert await port.read(0.0) == b""
    await end.send(b"new")
    assert await read_exactly(port, 3) == b"new"
    await port.close()


async def test_a_cancelled_read_has_consumed_nothing(end: FarEnd) -> None:
    port = await open_end(end)
    reading = asyncio.create_task(port.read(5.0, 20))
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await end.send(b"whole")
    assert await read_exactly(port, 5) == b"whole"
    await port.close()


async def test_a_line_that_vanishes_says_so_and_opens_again_when_it_is_back(end: FarEnd) -> None:
    port = await open_end(end)
    reading = asyncio.create_task(port.read(5.0))
    await asyncio.sleep(0)
    await end.vanish()
    with pytest.raises(PortError) as lost:
        await reading
    assert lost.value.code == "port.gone"
    await port.close()
    with pytest.raises(PortError) as absent:
        await open_end(end)
    assert absent.value.code in ("port.missing", "port.refused")
    await end.come_back()
    port = await open_end(end)
    await end.send(b"again")
    assert await read_exactly(port, 5) == b"again"
    await port.close()


async def test_after_closing_every_call_says_that_the_port_is_gone(end: FarEnd) -> None:
    port = await open_end(end)
    await port.close()
    await port.close()
    for call in (port.read(0.1), port.write(b"x")):
        with pytest.raises(PortError) as closed:
            await call
        assert closed.value.code == "port.gone"


async def test_opening_reading_and_writing_leave_no_descriptor_behind_when_cancelled(end: FarEnd) -> None:
    warm = await open_end(end)
    await warm.close()
    before = open_fds()
    for turns in range(6):
        task = asyncio.create_task(_open_read_write(end))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await until(lambda: open_fds() <= before)


async def _open_read_write(end: FarEnd) -> None:
    port = await open_end(end)
    try:
        await port.write(b"question")
        await port.read(5.0)
    finally:
        await port.close()
    await asyncio.Event().wait()


async def test_writing_returns_when_the_last_bit_has_left(tmp_path: Path) -> None:
    async with far_end("pty", tmp_path) as end:
        port = await open_port(end.url, baud=9600, format="8E1")
        started = time.monotonic()
        await port.write(bytes(20))
        assert port.char_time_s == pytest.approx(11 / 9600)
        assert time.monotonic() - started >= 20 * 11 / 9600
        await port.close()


async def test_a_port_in_use_by_another_program_is_busy(tmp_path: Path) -> None:
    async with far_end("pty", tmp_path) as end:
        with (
            serial.Serial(end.url.removeprefix("serial://"), exclusive=True),
            pytest.raises(PortError) as busy,
        ):
            await open_end(end)
        assert busy.value.code == "port.busy"
        assert "fuser" in busy.value.text
        port = await open_end(end)
        with pytest.raises(serial.SerialException):
            serial.Serial(end.url.removeprefix("serial://"), exclusive=True)
        await port.close()


async def test_without_permission_the_group_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, *_: object) -> Never:
        raise PermissionError(13, "Permission denied", path)

    device = tmp_path / "ttyDENIED"
    device.touch(mode=0o000)
    if os.geteuid() == 0:  # root may open anything, so the system's refusal is put in its place
        monkeypatch.setattr("serial.serialposix.os.open", refuse)
    with pytest.raises(PortError) as denied:
        await open_port(f"serial://{device}")
    assert denied.value.code == "port.denied"
    assert "group" in denied.value.text


@pytest.mark.parametrize(
    ("url", "code", "hint"),
    [
        ("serial:///dev/ttyNONE9", "port.missing", "by-path"),
        ("serial:///dev/null", "port.setting", "url, baud or format"),
        ("serial://ttyUSB0", "port.setting", "three slashes"),
        ("serial:///dev/ttyUSB0?rs458=on", "port.setting", "rs485=on"),
        ("tcp://127.0.0.1:99999", "port.setting", "65535"),
        ("tcp://", "port.setting", "tcp://host:port"),
        ("tcp://[::1", "port.setting", "tcp"),
        ("rfc2217://host:4000", "port.setting", "tcp://host:port"),
        ("com3", "port.setting", "serial:///dev"),
        ("sim://modbus-rtu", "port.setting", "meter="),
        ("sim://modbus-rtu?meter=nothing@1", "port.setting", "nothing"),
        ("sim://modbus-rtu?meter=eastron-sdm630@x", "port.setting", "example"),
    ],
)
async def test_a_wrong_url_is_refused_with_what_would_be_right(url: str, code: str, hint: str) -> None:
    with pytest.raises(PortError) as wrong:
        await open_port(url)
    assert wrong.value.code == code
    assert hint in wrong.value.text


async def test_kernel_rs485_is_refused_in_words_where_the_driver_has_none(tmp_path: Path) -> None:
    async with far_end("pty", tmp_path) as end:
        before = open_fds()
        with pytest.raises(PortError) as refused:
            await open_port(end.url + "?rs485=on")
        assert refused.value.code == "port.setting"
        assert "rs485" in refused.value.text
        assert open_fds() == before


async def test_an_address_that_never_answers_is_unreachable_within_the_deadline() -> None:
    before = open_fds()
    full = await _listener_with_a_full_queue()
    with pytest.raises(PortError) as silent:
        await open_tcp_port("127.0.0.1", full[0].getsockname()[1], connect_s_max=0.2)
    assert silent.value.code == "port.unreachable"
    for one in full:
        one.close()
    assert open_fds() == before


async def _listener_with_a_full_queue() -> list[socket.socket]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    waiting = []
    for _ in range(3):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(listener.getsockname())
        waiting.append(client)
    return [listener, *waiting]
