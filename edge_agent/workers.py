"""Which worker serves which line, and over what: the one place that knows all line protocols of the agent."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from config.load import Gateway, Line
from edge_agent.clock import BootClock
from edge_agent.d0_worker import D0Worker
from edge_agent.faults import Faults
from edge_agent.line import LineDriver, LineMemory
from edge_agent.line_port import LinePort
from edge_agent.meter_state import MeterState, initial_identity
from edge_agent.poll_worker import PollWorker, late_answer_s, line_silence_s
from edge_agent.pulse_counts import PulseCounts
from edge_agent.pulse_reader import PulseReader
from edge_agent.pulse_worker import PulseWorker
from edge_agent.push_codecs import PlainP1Receiver, pushed_read_outs
from edge_agent.push_worker import PushReader, PushReceiver, PushWorker
from edge_agent.readers import ModbusReader, Reader, SmlReader, readers
from edge_agent.reading import Sink
from edge_agent.text_readers import D0Reader, P1Reader
from hal.api import EdgeSource
from hal.board import open_edge_source, open_port
from protocols.sml import SmlReceiver
from protocols.uplink.messages import EventDetail

TELEGRAM_PROTOCOLS = ("sml", "d0", "d0-push", "p1")

T = TypeVar("T")

Worker = PollWorker | D0Worker | PushWorker[Any] | PulseWorker


@dataclass(frozen=True, slots=True)
class Parts:
    """What every worker works with. `tell` writes an event; `started_ms`: from when on, on the boot axis,
    this run of the agent accounts for every slot."""

    clock: BootClock
    sink: Sink
    faults: Faults
    counts: PulseCounts
    tell: Callable[[str, str, dict[str, EventDetail]], None]
    started_ms: int


def make_workers(gateway: Gateway, parts: Parts) -> list[Worker]:
    """A worker for each line that has meters, in the order of the file."""
    meters = readers(gateway)
    return [_make_worker(gateway, line, meters, parts) for line in gateway.lines if line.meters]


def _make_worker(gateway: Gateway, line: Line, meters: Sequence[Reader], parts: Parts) -> Worker:
    states = [_make_state(gateway, place) for place in line.meters]
    pairs = [(state, meters[place]) for state, place in zip(states, line.meters, strict=True)]
    if line.config.protocol == "s0":
        return _make_pulse_worker(line, *pairs[0], parts)
    port = LinePort(line, open_line, parts.faults, random.Random())
    if line.config.protocol in TELEGRAM_PROTOCOLS:
        return _make_telegram_worker(line, *pairs[0], port, parts)
    polled = [(state, reader) for state, reader in pairs if isinstance(reader, ModbusReader)]
    return PollWorker(line, polled, port, parts.clock, parts.sink, parts.faults, started_ms=parts.started_ms)


def _make_state(gateway: Gateway, place: int) -> MeterState:
    meter = gateway.file.meters[place]
    return MeterState(meter, gateway.profile_of(meter), initial_identity(meter))


def _make_telegram_worker(
    line: Line, state: MeterState, reader: Reader, port: LinePort[LineDriver], parts: Parts
) -> Worker:
    """For a line whose one meter sends all that it has in one telegram."""
    match line.config.protocol, reader:
        case "sml", SmlReader():
            quirk = "dzg-sign" in state.config.options
            return _make_push_worker(
                line, state, reader, lambda: SmlReceiver(dzg_sign_quirk=quirk), port, parts
            )
        case "p1", P1Reader():
            return _make_push_worker(line, state, reader, PlainP1Receiver, port, parts)
        case "d0-push", D0Reader():
            return _make_push_worker(line, state, reader, pushed_read_outs, port, parts)
        case "d0", D0Reader():
            return D0Worker(
                line,
                state,
                reader,
                port,
                parts.clock,
                parts.sink,
                parts.faults,
                started_ms=parts.started_ms,
            )
    raise TypeError(f"{state.config.id} is no meter for {line.config.protocol}")  # check-config refuses it


def _make_push_worker(
    line: Line,
    state: MeterState,
    reader: PushReader[T],
    make_receiver: Callable[[], PushReceiver[T]],
    port: LinePort[LineDriver],
    parts: Parts,
) -> PushWorker[T]:
    return PushWorker(
        line,
        state,
        reader,
        make_receiver,
        port,
        parts.clock,
        parts.sink,
        parts.faults,
        started_ms=parts.started_ms,
    )


def _make_pulse_worker(line: Line, state: MeterState, reader: Reader, parts: Parts) -> PulseWorker:
    if not isinstance(reader, PulseReader):
        raise TypeError(f"{state.config.id} has no pulses")  # check-config refuses it
    return PulseWorker(
        line,
        state,
        reader,
        LinePort(line, open_pulse_input, parts.faults, random.Random()),
        parts.counts,
        parts.clock,
        parts.sink,
        parts.faults,
        parts.tell,
        started_ms=parts.started_ms,
    )


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
