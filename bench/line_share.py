"""How much of an RTU line's time the agent uses: its own worker on a paced pty, pymodbus' client beside it.

The line is a process of its own (`bench/paced_line.py`). So many meters are due each second that it is never
idle. Other work on this machine costs both sides; the best of ROUNDS counts.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from pymodbus.client import AsyncModbusSerialClient

from bench.__main__ import Figure
from config.load import Line
from config.model import CharacterFormat, LineConfig, MeterConfig
from config.profile import DeviceProfile
from edge_agent.clock import BootClock
from edge_agent.faults import Faults
from edge_agent.line_port import LinePort
from edge_agent.meter_state import MeterState, initial_identity
from edge_agent.parts import Parts
from edge_agent.poll_worker import PollWorker
from edge_agent.pulse_counts import PulseCounts
from edge_agent.readers import ModbusReader
from edge_agent.reading import Reading
from edge_agent.workers import open_line
from hal.clock import SystemClock
from hal.storage import FolderStorage
from protocols.quantities import QUANTITIES

RATES: tuple[tuple[int, CharacterFormat], ...] = ((9_600, "8E1"), (19_200, "8E1"), (115_200, "8N1"))
REGISTERS = 40
ROUNDS = 3
WARM_UP_S = 1.0
ROUND_S = 4.0
EXIT_S_MAX = 10.0
EXCHANGES_PER_BAUD = 1 / 900  # more than fit into a second at any of the rates


Client = Callable[
    [str], Coroutine[None, None, float]
]  # asks at this path for a while; its CPU in s for one exchange


class Share(NamedTuple):
    """What one round came to. `cpu_s`: of this process, for one exchange, without opening and warming up."""

    exchanges: int
    share: float
    short_gaps: int
    gap_s_min: float
    gap_s_median: float
    silence_s: float
    cpu_s: float


class Void:
    """A sink that counts."""

    def __init__(self) -> None:
        self.readings = 0

    def record(self, readings: Sequence[Reading]) -> None:
        """Count them."""
        self.readings += len(readings)

    def pass_over(self, count: int, after_ms: int, before_ms: int) -> None:
        """Slots that passed unread are no matter here."""


def run(folder: Path) -> list[Figure]:
    """Two rows for each rate."""
    figures: list[Figure] = []
    for baud, character_format in RATES:
        mine = [
            _measure(baud, character_format, _agent(folder, baud, character_format)) for _ in range(ROUNDS)
        ]
        best = max(mine, key=lambda share: share.share)
        other = _measure(baud, character_format, _pymodbus(baud))
        name = f"RTU line {baud} {character_format}, {REGISTERS} registers"
        silences_ms = f"{1000 * best.gap_s_min:.2f}, median {1000 * best.gap_s_median:.2f}"
        gap = f"least silence {silences_ms} of {1000 * best.silence_s:.2f} ms"
        illegal = f"{sum(share.short_gaps for share in mine)} too short; best of {ROUNDS}"
        shares = f"pymodbus {100 * other.share:.1f} %, {other.short_gaps} of {other.exchanges} too short"
        figures.append(
            Figure(f"{name}: of the legal rate", f"{100 * best.share:.1f} %", f"{gap}, {illegal}; {shares}")
        )
        cpu_s = min(share.cpu_s for share in mine)
        beside = f"pymodbus {1000 * other.cpu_s:.2f} ms, {other.cpu_s / cpu_s:.1f} x as much"
        figures.append(Figure(f"{name}: CPU a transaction", f"{1000 * cpu_s:.2f} ms", beside))
    return figures


def _measure(baud: int, character_format: str, client: Client) -> Share:
    """A round of whoever asks on a line of its own."""
    command = [sys.executable, "-m", "bench.paced_line", str(baud), character_format]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as line:
        if line.stdout is None:
            raise RuntimeError("no way to hear of the line")
        path = line.stdout.readline().strip()
        cpu_s = asyncio.run(client(path))
        told, _ = line.communicate(timeout=EXIT_S_MAX)
    return Share(**json.loads(told), cpu_s=cpu_s)


def _agent(folder: Path, baud: int, character_format: CharacterFormat) -> Client:
    """The agent's worker, driver and port, with meters enough that the line is never idle."""

    async def ask(path: str) -> float:
        config = LineConfig(id="bus", url=f"serial://{path}", protocol="modbus-rtu")
        clock = BootClock(FolderStorage(folder), SystemClock("kernel"))
        faults = Faults(clock.boot_ms)
        pairs = _meters(round(baud * EXCHANGES_PER_BAUD) + 2)
        line = Line(config, tuple(range(len(pairs))), baud, character_format, 0.5, 0.0)
        port = LinePort(line, open_line, faults, random.Random(1))
        parts = Parts(clock, Void(), faults, PulseCounts(None, []), lambda *_: None, clock.boot_ms())
        worker = PollWorker(line, pairs, port, parts)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(port.run()), group.create_task(worker.run())]
            await asyncio.sleep(WARM_UP_S)
            began_s, before = time.process_time(), port.memory.counts.answered
            await asyncio.sleep(ROUND_S)
            cpu_s = (time.process_time() - began_s) / (port.memory.counts.answered - before)
            for task in tasks:
                task.cancel()
        return cpu_s

    return ask


def _meters(count: int) -> list[tuple[MeterState, ModbusReader]]:
    """Meters with one block of REGISTERS registers each: 20 binary32 gauges."""
    gauges = [quantity for quantity in QUANTITIES if quantity.kind == "gauge"][: REGISTERS // 2]
    shape = {"table": "holding", "type": "f32", "evidence": "made", "resolution": "0.01"}
    points = [
        {**shape, "quantity": gauge.name, "unit": gauge.unit, "address": 2 * n}
        for n, gauge in enumerate(gauges)
    ]
    head = {"name": "made-up", "maker": "nobody", "products": ["none"], "medium": "electricity"}
    evidence = {"made": {"source": "this benchmark", "seen": "once"}}
    content = {**head, "protocol": "modbus", "evidence": evidence, "point": points}
    profile = msgspec.convert(content, DeviceProfile)
    pairs = []
    for unit in range(1, count + 1):
        meter = MeterConfig(id=f"m{unit}", line="bus", profile=profile.name, address=unit, interval_s=1)
        state = MeterState(meter, profile, initial_identity(meter))
        pairs.append((state, ModbusReader(profile, meter, unit * len(points))))
    return pairs


def _pymodbus(baud: int) -> Client:
    """Its client, which decodes as many values."""

    async def ask(path: str) -> float:
        client = AsyncModbusSerialClient(path, baudrate=baud, timeout=0.5)
        if not await client.connect():
            raise RuntimeError("pymodbus did not open the line")
        began_s, asked = time.process_time(), 0
        end_s = time.monotonic() + ROUND_S
        while time.monotonic() < end_s:
            answer = await client.read_holding_registers(0, count=REGISTERS, device_id=1)
            client.convert_from_registers(answer.registers, client.DATATYPE.FLOAT32)
            asked += 1
        client.close()
        return (time.process_time() - began_s) / asked

    return ask
