"""The local API over a real unix socket, asked by asyncvarlink's own client."""

# ruff: noqa: ASYNC240 - files of a test's own folder, nothing else runs meanwhile

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import stat
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from asyncvarlink import GenericVarlinkErrorReply, VarlinkClientProtocol, connect_unix_varlink
from asyncvarlink.serviceinterface import ExpectedMore, InvalidParameter, VarlinkServiceInterface

from edge_agent import control
from edge_agent.control import AgentInterface, MeterSilent, NoSuchLine, NoSuchMeter, SocketError, serve
from tests.control.target import CALM, FEED, FRAMES, READING, TROUBLED, FrozenGateway

DEADLINE_S = 5.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "agent.sock"


@contextlib.asynccontextmanager
async def client(path: Path) -> AsyncIterator[Any]:
    transport, protocol = await connect_unix_varlink(VarlinkClientProtocol, path)
    try:
        yield protocol.make_proxy(AgentInterface)
    finally:
        transport.close()
        await asyncio.wait_for(transport.closed_future, DEADLINE_S)


async def wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - what is waited for happens on the other side of a socket
            await asyncio.sleep(0.005)


async def ask(path: Path, data: bytes) -> bytes:
    """Send bytes, half-close, and return all that comes until the agent closes."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    answer = b""
    with contextlib.suppress(ConnectionError):
        writer.write(data)
        await writer.drain()
        writer.write_eof()
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(DEADLINE_S):
            answer = await reader.read(-1)
    writer.close()
    return answer


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def call(method: str, **parameters: Any) -> bytes:
    request = {"method": f"{control.INTERFACE}.{method}", "parameters": parameters}
    return json.dumps(request).encode() + b"\0"


async def test_status_comes_back_as_it_was_given(path: Path) -> None:
    async with serve(path, FrozenGateway(TROUBLED)), client(path) as agent:
        assert await agent.Status() == {"status": TROUBLED}


async def test_a_live_read_brings_exact_decimal_text(path: Path) -> None:
    async with serve(path, FrozenGateway()), client(path) as agent:
        reading = (await agent.Read(meter="feed"))["reading"]
        assert [point.value for point in reading.points] == ["12345.678", "-1520", None]
        assert (reading.identity, reading.serial_read) == ("verified", FEED.serial_read)


async def test_an_unknown_meter_is_answered_with_the_known_ones(path: Path) -> None:
    async with serve(path, FrozenGateway()), client(path) as agent:
        with pytest.raises(NoSuchMeter) as refusal:
            await agent.Read(meter="fed")
        assert refusal.value.parameters == {"meter": "fed", "known": ["feed", "heating"]}


async def test_a_silent_meter_is_answered_with_the_evidence(path: Path) -> None:
    async with serve(path, FrozenGateway(TROUBLED)), client(path) as agent:
        with pytest.raises(MeterSilent) as refusal:
            await agent.Read(meter="pump")
        assert "no answer within 0.5 s" in refusal.value.parameters["evidence"]


async def test_a_read_that_gets_no_turn_ends_and_names_the_line(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stuck(FrozenGateway):
        async def read(self, meter: str) -> Any:
            await self.never.wait()

    monkeypatch.setattr(control, "READ_TIMEOUT_S", 0.05)
    async with serve(path, Stuck()), client(path) as agent:
        with pytest.raises(control.LineUnavailable) as refusal:
            await agent.Read(meter="feed")
        assert refusal.value.parameters["line"] == "rs485-1"


async def test_sealing_reaches_the_agent(path: Path) -> None:
    gateway = FrozenGateway()
    async with serve(path, gateway), client(path) as agent:
        await agent.Seal()
    assert gateway.seals == 1


async def test_frames_of_a_line_come_oldest_first_and_unknown_lines_are_refused(path: Path) -> None:
    async with serve(path, FrozenGateway()), client(path) as agent:
        assert (await agent.Frames(line="rs485-1"))["frames"] == FRAMES
        with pytest.raises(NoSuchLine):
            await agent.Frames(line="rs485-9")


async def test_watch_brings_each_reading_as_it_is_recorded(path: Path) -> None:
    gateway = FrozenGateway()
    async with serve(path, gateway), client(path) as agent:
        readings = agent.Watch()
        first = asyncio.ensure_future(anext(readings))
        await wait_until(lambda: gateway.watchers.active)
        for due_ms in range(3):
            gateway.watchers.publish(replace(READING, due_ms=due_ms))
        got = [await first, await anext(readings), await anext(readings)]
        assert [reply["reading"].due_ms for reply in got] == [0, 1, 2]


async def test_a_watcher_that_leaves_is_forgotten_even_when_nothing_is_recorded(path: Path) -> None:
    gateway = FrozenGateway()
    async with serve(path, gateway):
        _, writer = await asyncio.open_unix_connection(str(path))
        writer.write(b'{"method":"io.edgegateway.Agent.Watch","more":true}\0')
        await wait_until(lambda: gateway.watchers.active)
        writer.close()
        await wait_until(lambda: not gateway.watchers.active)


async def test_a_slow_watcher_loses_the_oldest_and_is_told_how_many() -> None:
    watchers = control.Watchers()
    readings = watchers.watch()
    first = asyncio.ensure_future(anext(readings))
    await wait_until(lambda: watchers.active)
    for due_ms in range(control.WATCH_QUEUE_MAX + 10):
        watchers.publish(replace(READING, due_ms=due_ms))
    assert ((await first).due_ms, (await first).lost_before) == (10, 10)
    assert (await anext(readings)).lost_before == 0
    await readings.aclose()
    assert not watchers.active


async def test_a_watcher_that_reads_nothing_neither_blocks_nor_fills_memory(path: Path) -> None:
    gateway = FrozenGateway()
    async with serve(path, gateway):
        reader, writer = await asyncio.open_unix_connection(str(path), limit=1024)
        writer.write(b'{"method":"io.edgegateway.Agent.Watch","more":true}\0')
        await wait_until(lambda: gateway.watchers.active)
        total = 20_000
        for due_ms in range(total):
            gateway.watchers.publish(replace(READING, due_ms=due_ms))
            if due_ms % 100 == 0:
                await asyncio.sleep(0)
        got, lost, last = 0, 0, -1
        while last < total - 1:
            reading = json.loads((await reader.readuntil(b"\0"))[:-1])["parameters"]["reading"]
            got, lost, last = got + 1, lost + reading["lost_before"], reading["due_ms"]
        assert got + lost == total
        assert lost > 0
        writer.close()


async def test_watch_without_more_is_refused(path: Path) -> None:
    async with serve(path, FrozenGateway()):
        answer = await ask(path, call("Watch"))
    assert json.loads(answer[:-1])["error"] == ExpectedMore.name


async def test_the_interface_describes_itself(path: Path) -> None:
    async with serve(path, FrozenGateway()):
        transport, protocol = await connect_unix_varlink(VarlinkClientProtocol, path)
        service = protocol.make_proxy(VarlinkServiceInterface)
        info = await service.GetInfo()
        text = (await service.GetInterfaceDescription(interface=control.INTERFACE))["description"]
        transport.close()
        await transport.closed_future
    assert info["interfaces"] == [control.INTERFACE, "org.varlink.service"]
    for part in ("method Status() -> (status: StatusReport)", "error NoSuchMeter", "type MeterStatus"):
        assert part in text


async def test_a_call_with_a_wrong_parameter_names_it(path: Path) -> None:
    async with serve(path, FrozenGateway()):
        answer = json.loads((await ask(path, call("Read", meter=7)))[:-1])
    assert answer == {"error": InvalidParameter.name, "parameters": {"parameter": "meter"}}


async def test_a_bug_in_a_report_is_answered_and_the_api_goes_on(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(FrozenGateway):
        async def seal(self) -> None:
            raise ZeroDivisionError

    async with serve(path, Broken()), client(path) as agent:
        with pytest.raises(GenericVarlinkErrorReply, match="InternalError"):
            await agent.Seal()
        assert (await agent.Status())["status"] == CALM
    assert "ZeroDivisionError" in caplog.text


HOSTILE = {
    "no JSON": b"GET / HTTP/1.1\r\n\r\n\0",
    "no UTF-8": b'{"method":"\xff\xfe"}\0',
    "no object": b"[1,2,3]\0",
    "nested deeper than a parser stands": b"[" * 16_000 + b"\0",
    "no method": b"{}\0",
    "no interface": b'{"method":"Status"}\0',
    "only zeros": b"\0" * 5_000,
    "endless": b"A" * 1_000_000,
    "half a call": b'{"method":"io.edgegateway',
    "nothing": b"",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
async def test_what_is_no_call_ends_the_connection_and_nothing_else(path: Path, data: bytes) -> None:
    async with serve(path, FrozenGateway()), client(path) as agent:
        assert await ask(path, data) == b""
        assert (await agent.Status())["status"] == CALM


async def test_calls_before_a_half_close_are_still_answered_in_order(path: Path) -> None:
    async with serve(path, FrozenGateway()):
        answer = await ask(path, call("Seal") + call("Read", meter="feed") + call("Frames", line="rs485-1"))
    replies = [json.loads(reply) for reply in answer.split(b"\0")[:-1]]
    assert [sorted(reply.get("parameters", {})) for reply in replies] == [[], ["reading"], ["frames"]]


def flood(path: Path, seconds: float) -> None:
    """Send calls as fast as the socket takes them, and never read an answer."""
    end = time.monotonic() + seconds
    with socket.socket(socket.AF_UNIX) as sender:
        sender.settimeout(0.05)
        sender.connect(str(path))
        while time.monotonic() < end:
            with contextlib.suppress(TimeoutError):
                sender.send(call("Status") * 200)


async def test_a_client_that_floods_and_reads_nothing_does_not_delay_the_loop(path: Path) -> None:
    async with serve(path, FrozenGateway(TROUBLED)):
        flooding = asyncio.create_task(asyncio.to_thread(flood, path, 0.5))
        loop, slowest_s = asyncio.get_running_loop(), 0.0
        while not flooding.done():
            began = loop.time()
            await asyncio.sleep(0.001)
            slowest_s = max(slowest_s, loop.time() - began)
        await flooding
        assert slowest_s < 0.25
        async with client(path) as agent:
            assert (await agent.Status())["status"] == TROUBLED


async def test_one_connection_too_many_is_told_so_and_a_freed_place_serves_again(path: Path) -> None:
    async with serve(path, FrozenGateway()):
        held = [await asyncio.open_unix_connection(str(path)) for _ in range(control.CONNECTIONS_MAX)]
        for reader, writer in held:  # each one is really in
            writer.write(call("Seal"))
            await reader.readuntil(b"\0")
        refused = await ask(path, b"")
        assert json.loads(refused[:-1])["error"] == control.Busy.name
        held[0][1].close()
        async with asyncio.timeout(DEADLINE_S):
            while b'"status"' not in await ask(path, call("Status")):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        for _, writer in held:
            writer.close()


async def test_an_idle_connection_gives_its_place_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "IDLE_TIMEOUT_S", 0.05)
    async with serve(path, FrozenGateway()):
        reader, writer = await asyncio.open_unix_connection(str(path))
        assert await asyncio.wait_for(reader.read(-1), DEADLINE_S) == b""
        writer.close()


async def test_file_descriptors_sent_along_are_not_kept(path: Path) -> None:
    async with serve(path, FrozenGateway()):
        before = open_files()
        with socket.socket(socket.AF_UNIX) as sender:
            sender.connect(str(path))
            socket.send_fds(sender, [call("Seal")], [sender.fileno()] * 50)
            sender.setblocking(False)
            reply = await asyncio.get_running_loop().sock_recv(sender, 100)
        assert reply.endswith(b"\0")
        await wait_until(lambda: open_files() <= before)


async def test_only_owner_and_group_may_open_the_socket(path: Path) -> None:
    async with serve(path, FrozenGateway()):
        mode = path.stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o660
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o750
    assert not path.exists()


async def test_a_socket_left_by_a_killed_agent_is_replaced(path: Path) -> None:
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
        killed.listen()
    async with serve(path, FrozenGateway()), client(path) as agent:
        assert (await agent.Status())["status"] == CALM


async def test_a_socket_at_which_an_agent_answers_is_left_alone(path: Path) -> None:
    async with serve(path, FrozenGateway()):
        with pytest.raises(SocketError, match="another agent"):
            async with serve(path, FrozenGateway()):
                pass
        async with client(path) as agent:
            assert (await agent.Status())["status"] == CALM


async def test_a_file_that_is_no_socket_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("precious")
    with pytest.raises(SocketError, match="not a socket"):
        async with serve(path, FrozenGateway()):
            pass
    assert path.read_text() == "precious"


async def test_a_path_that_is_too_long_for_a_socket_says_so(tmp_path: Path) -> None:
    with pytest.raises(SocketError, match="too long"):
        async with serve(tmp_path / ("x" * 120), FrozenGateway()):
            pass


async def test_closing_ends_open_conversations_at_once(path: Path) -> None:
    gateway = FrozenGateway()
    async with serve(path, gateway):
        reader, _writer = await asyncio.open_unix_connection(str(path))
        _writer.write(b'{"method":"io.edgegateway.Agent.Watch","more":true}\0')
        await wait_until(lambda: gateway.watchers.active)
    assert await asyncio.wait_for(reader.read(-1), DEADLINE_S) == b""
    assert not gateway.watchers.active
    _writer.close()
