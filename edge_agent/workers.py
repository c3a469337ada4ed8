"""Which worker serves which line, and over what: the one place that knows all line protocols of the agent.

Rule: workers and codecs that only some sites need are imported where one is made. A gateway holds in memory
what its lines speak.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, Protocol

from config.load import Gateway, Line
from config.model import LineConfig
from edge_agent.line import LineDriver, LineMemory
from edge_agent.line_port import LinePort
from edge_agent.meter_state import MeterState, initial_identity
from edge_agent.parts import Parts
from edge_agent.poll_worker import PollWorker, late_answer_s, line_silence_s
from edge_agent.readers import ModbusReader, Reader, readers
from edge_agent.reading import Reading
from hal.api import EdgeSource
from hal.board import open_edge_source, open_port

TELEGRAM_PROTOCOLS = ("sml", "d0-push", "p1", "dlms-push")


class Worker(Protocol):
    """What serves one line."""

    line: Line
    config: LineConfig
    port: LinePort[Any]

    @property
    def meters(self) -> list[MeterState]:
        """The meters of this line."""

    def replan(self) -> None:
        """The wall clock stepped: slots lie elsewhere on the boot axis from now on."""

    def accounted_ms(self) -> int:
        """All slots due before this have been recorded."""

    async def wait_idle(self) -> None:
        """Return when nothing is under way, and let nothing begin: the line is about to be closed."""

    async def run(self) -> None:
        """Read what is due, for ever."""

    async def read_now(self, meter: str) -> list[Reading]:
        """Ask a meter at once; nothing is recorded. LineTimeout, LineCorrupt, DeviceError or PortError."""


def make_workers(gateway: Gateway, parts: Parts) -> list[Worker]:
    """A worker for each line that has meters, in the order of the file."""
    meters = readers(gateway)
    return [_make_worker(gateway, line, meters, parts) for line in gateway.lines if _has_work(line)]


def _has_work(line: Line) -> bool:
    """An M-Bus line without meters can be searched for them."""
    return bool(line.meters) or line.config.protocol == "mbus"


def _make_worker(gateway: Gateway, line: Line, meters: Sequence[Reader], parts: Parts) -> Worker:
    states = [_make_state(gateway, place) for place in line.meters]
    pairs = [(state, meters[place]) for state, place in zip(states, line.meters, strict=True)]
    if line.config.protocol == "s0":
        return _make_pulse_worker(line, *pairs[0], parts)
    port = LinePort(line, open_line, parts.faults, random.Random())
    if line.config.protocol == "mbus":
        return _make_mbus_worker(line, pairs, port, parts)
    if line.config.protocol == "d0":
        return _make_d0_worker(line, pairs, port, parts)
    if line.config.protocol in TELEGRAM_PROTOCOLS:
        return _make_telegram_worker(line, *pairs[0], port, parts)
    polled = [(state, reader) for state, reader in pairs if isinstance(reader, ModbusReader)]
    return PollWorker(line, polled, port, parts)


def _make_state(gateway: Gateway, place: int) -> MeterState:
    meter = gateway.file.meters[place]
    return MeterState(meter, gateway.profile_of(meter), initial_identity(meter))


def _make_telegram_worker(
    line: Line, state: MeterState, reader: Reader, port: LinePort[LineDriver], parts: Parts
) -> Worker:
    """For a line whose one meter sends all that it has in one telegram."""
    match line.config.protocol:
        case "sml":
            return _make_sml_worker(line, state, reader, port, parts)
        case "p1":
            return _make_p1_worker(line, state, reader, port, parts)
        case "d0-push":
            return _make_d0_push_worker(line, state, reader, port, parts)
        case _:
            return _make_dlms_worker(line, state, reader, port, parts)


def _make_sml_worker(
    line: Line, state: MeterState, reader: Reader, port: LinePort[LineDriver], parts: Parts
) -> Worker:
    from edge_agent.push_worker import PushWorker
    from edge_agent.sml_reader import SmlReader
    from protocols.sml import SmlReceiver

    if not isinstance(reader, SmlReader):
        raise _unfit(line, state)
    quirk = "dzg-sign" in state.config.options
    return PushWorker(line, state, reader, lambda: SmlReceiver(dzg_sign_quirk=quirk), port, parts)


def _make_p1_worker(
    line: Line, state: MeterState, reader: Reader, port: LinePort[LineDriver], parts: Parts
) -> Worker:
    from edge_agent.push_codecs import p1_receiver
    from edge_agent.push_worker import PushWorker
    from edge_agent.text_readers import P1Reader

    if not isinstance(reader, P1Reader):
        raise _unfit(line, state)
    keys = parts.keys.of(state.config.id)
    return PushWorker(line, state, reader, lambda: p1_receiver(keys), port, parts)


def _make_d0_push_worker(
    line: Line, state: MeterState, reader: Reader, port: LinePort[LineDriver], parts: Parts
) -> Worker:
    from edge_agent.push_codecs import pushed_read_outs
    from edge_agent.push_worker import PushWorker
    from edge_agent.text_readers import D0Reader

    if not isinstance(reader, D0Reader):
        raise _unfit(line, state)
    return PushWorker(line, state, reader, pushed_read_outs, port, parts)


def _make_dlms_worker(
    line: Line, state: MeterState, reader: Reader, port: LinePort[LineDriver], parts: Parts
) -> Worker:
    from edge_agent.dlms_reader import DlmsReader, dlms_receiver
    from edge_agent.push_worker import PushWorker

    if not isinstance(reader, DlmsReader):
        raise _unfit(line, state)
    keys = parts.keys.of(state.config.id)
    return PushWorker(line, state, reader, lambda: dlms_receiver(keys), port, parts)


def _make_d0_worker(
    line: Line, pairs: Sequence[tuple[MeterState, Reader]], port: LinePort[LineDriver], parts: Parts
) -> Worker:
    from edge_agent.d0_worker import D0Worker
    from edge_agent.text_readers import D0Reader

    asked: list[tuple[MeterState, D0Reader]] = []
    for state, reader in pairs:
        if not isinstance(reader, D0Reader):
            raise _unfit(line, state)
        asked.append((state, reader))
    return D0Worker(line, asked, port, parts)


def _make_mbus_worker(
    line: Line, pairs: Sequence[tuple[MeterState, Reader]], port: LinePort[LineDriver], parts: Parts
) -> Worker:
    from edge_agent.mbus_reader import MbusReader
    from edge_agent.mbus_worker import MbusWorker

    meters = [(state, reader) for state, reader in pairs if isinstance(reader, MbusReader)]
    return MbusWorker(line, meters, port, parts)


def _make_pulse_worker(line: Line, state: MeterState, reader: Reader, parts: Parts) -> Worker:
    from edge_agent.pulse_reader import PulseReader
    from edge_agent.pulse_worker import PulseWorker

    if not isinstance(reader, PulseReader):
        raise _unfit(line, state)
    port = LinePort(line, open_pulse_input, parts.faults, random.Random())
    return PulseWorker(line, state, reader, port, parts)


def _unfit(line: Line, state: MeterState) -> TypeError:
    """check-config refuses such a pair."""
    return TypeError(f"{state.config.id} is no meter for {line.config.protocol}")


async def open_line(line: Line, memory: LineMemory) -> LineDriver:
    """Open a line's port; `memory` is what the line's last driver knew. Raises PortError."""
    port = await open_port(line.config.url, baud=line.baud, format=line.format)
    return LineDriver(
        port,
        silence_s=line_silence_s(line),
        late_answer_s=late_answer_s(line),
        baud=line.baud,
        memory=memory,
    )


async def open_pulse_input(line: Line, _memory: LineMemory) -> EdgeSource:
    """Open a line's pulse input. Raises PortError."""
    return await open_edge_source(line.config.url)
