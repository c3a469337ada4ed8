"""The running agent in the demo's world: start, memory, processor, wire, flash.

How the first durable reading is seen: the simulated meters write down when they answered, which tells when
to begin asking; then the agent's own status says when its first flush had ended (after fdatasync), on the
clock that this process reads before it starts the agent. Nothing asks the agent before the first answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

from bench.__main__ import Figure, show
from edge_agent.demo.judge import iter_slots, read_outbox
from edge_agent.demo.plant import boot_ms
from edge_agent.demo.world import World, open_world, terminate
from edge_agent.healthcheck import ask_status
from protocols.uplink.cbor import encode_message
from protocols.uplink.messages import Batch

STARTS = 7
SETTLE_S = 10.0
MEMORY_AFTER_S = 30.0
POLL_S = 0.01
START_TIMEOUT_S = 30.0
SIGNATURE_BYTES = 90  # of the envelope around a payload: headers and an Ed25519 signature
LIBRARIES = "asyncio, ssl, sqlite3, msgspec, cbor2, cryptography.hazmat.primitives.serialization"
AGENT = "edge_agent.main, edge_agent.agent, edge_agent.control"


class Start(NamedTuple):
    """One start of the agent; ms since its exec."""

    opened_ms: float
    answered_ms: float
    durable_ms: float


class Usage(NamedTuple):
    """What a process and its link had used up at one moment."""

    cpu_s: float
    written_bytes: int
    wire_bytes: int
    readings: int
    at_s: float


async def run(folder: Path) -> None:
    """Measure, and show."""
    await run_python(f"import {AGENT}")  # writes the bytecode
    world_folder = folder / "world"
    world_folder.mkdir()
    async with open_world(world_folder) as world:
        began_s = time.monotonic()
        await asyncio.sleep(SETTLE_S)
        before = await usage(world)
        await asyncio.sleep(MEMORY_AFTER_S - (time.monotonic() - began_s))
        after = await usage(world)
        show("Memory, 30 s after the start, with the demo's five meters", await memory(world.agent.pid))
        show("At the demo's rate (151 values each 2 s, a batch each 5 s)", rates(before, after))
        await terminate(world.agent)
        show("What a reading becomes", sealed(world_folder))
        starts = [await start_once(world) for _ in range(STARTS)]
    show(
        f"Start, from exec to the first durable reading (median of {STARTS}; after SIGKILL)",
        await times(starts),
    )


async def usage(world: World) -> Usage:
    """Processor, flash and wire so far."""
    process = Path(f"/proc/{world.agent.pid}")
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    cpu_s = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    io = dict(line.split(": ") for line in (process / "io").read_text().splitlines())
    readings = (await ask_status(world.socket))["buffer"]["readings_recorded"]
    return Usage(cpu_s, int(io["write_bytes"]), world.relay.bytes_on_wire, readings, time.monotonic())


async def memory(pid: int) -> list[Figure]:
    """Resident memory, and how much of it is only the interpreter and its libraries."""
    kib = memory_kib(pid)
    bare = int(await run_python(f"import {LIBRARIES}\n{_PRINT_RSS}"))
    return [
        Figure("RSS", mb(kib["Rss"]), f"the goal is below 48 MB; peak {mb(kib['VmHWM'])}"),
        Figure("  of it not backed by files", mb(kib["Anonymous"])),
        Figure(
            "Python with only the libraries loaded", mb(bare), f"the agent: {kib['Rss'] / bare:.2f} x that"
        ),
    ]


def memory_kib(pid: int) -> dict[str, int]:
    """What the kernel says of a process' memory, by its own names."""
    process = Path(f"/proc/{pid}")
    rows = (process / "smaps_rollup").read_text() + (process / "status").read_text()
    fields = (row.replace(":", " ").split() for row in rows.splitlines())
    return {field[0]: int(field[1]) for field in fields if len(field) == 3 and field[2] == "kB"}


_PRINT_BOOT_MS = "import time; print(time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000)"
_PRINT_RSS = "print(next(l.split()[1] for l in open('/proc/self/smaps_rollup') if l.startswith('Rss')))"


def rates(before: Usage, after: Usage) -> list[Figure]:
    """Between two moments of a steady run, status calls left out but for one at each end."""
    readings = max(1, after.readings - before.readings)
    seconds = after.at_s - before.at_s
    cpu_s = after.cpu_s - before.cpu_s
    written = after.written_bytes - before.written_bytes
    wire = after.wire_bytes - before.wire_bytes
    return [
        Figure("readings", f"{readings / seconds:.1f}/s"),
        Figure("processor", f"{100 * cpu_s / seconds:.2f} %", "of one core"),
        Figure(
            "processor a reading",
            f"{1e6 * cpu_s / readings:.0f} us",
            "lines with byte times, TLS, seal and all",
        ),
        Figure("flash a reading", f"{written / readings:.1f} B", "/proc/PID/io write_bytes: whole pages"),
        Figure(
            "wire a reading", f"{wire / readings:.2f} B", "TCP payload both ways, TLS and receipts included"
        ),
    ]


def sealed(folder: Path) -> list[Figure]:
    """Signed batches against the same readings as JSON, one object a reading."""
    sizes, slots, text_bytes = 0, 0, 0
    messages = list(read_outbox(folder))
    for message in messages:
        if isinstance(message, Batch):
            sizes += len(encode_message(message)) + SIGNATURE_BYTES
    for slot in iter_slots(messages):
        slots += 1
        text_bytes += len(json.dumps(slot._asdict(), separators=(",", ":")))
    each = sizes / max(1, slots)
    return [
        Figure(
            "signed batch, a slot",
            f"{each:.2f} B",
            f"JSON of the same is {text_bytes / sizes:.1f} x as large",
        ),
    ]


async def times(starts: list[Start]) -> list[Figure]:
    """The median start, taken apart; the interpreter's share is measured by itself."""
    empty_ms = await median_ready_ms("pass")
    imports_ms = await median_ready_ms(f"import {AGENT}")
    opened_ms, answered_ms, durable_ms = (statistics.median(each) for each in zip(*starts, strict=True))
    worst_ms = max(start.durable_ms for start in starts)
    return [
        Figure(
            "first durable reading",
            ms(durable_ms),
            f"the goal is 1000 ms; the slowest took {worst_ms:.0f} ms",
        ),
        Figure(
            "  interpreter, imports, configuration, recovery",
            ms(opened_ms),
            f"measured apart: bare interpreter {ms(empty_ms)}, with our imports {ms(imports_ms)}",
        ),
        Figure("  local API, lines, first question and its answer", ms(answered_ms - opened_ms)),
        Figure("  decoded, recorded, flushed", ms(durable_ms - answered_ms)),
    ]


async def start_once(world: World) -> Start:
    """Start an agent, see its first durable reading, let it be for a moment, kill it."""
    log = world.folder / "meters.jsonl"
    async with starting(world.folder) as began_ms:
        answered_ms = await first_answer_ms(log, began_ms)
        async with asyncio.timeout(START_TIMEOUT_S):
            status = await flushed_status(world.socket)
    flushed_ms = status["boot_ms"] - status["buffer"]["flush_age_ms"]
    opened_ms = status["boot_ms"] - status["uptime_ms"]
    return Start(opened_ms - began_ms, answered_ms - began_ms, flushed_ms - began_ms)


@contextlib.asynccontextmanager
async def starting(folder: Path) -> AsyncIterator[int]:
    """The installed command, as systemd would start it; when that was. SIGKILL at the end."""
    command = str(Path(sys.executable).with_name("edge-agent"))
    with (folder / "starts.log").open("ab") as log:
        began_ms = boot_ms()
        process = await asyncio.create_subprocess_exec(
            *(command, "run", "--config", str(folder / "gateway.toml")), stdout=log, stderr=log, cwd=folder
        )
    try:
        yield began_ms
    finally:
        process.kill()
        await process.wait()


async def first_answer_ms(log: Path, since_ms: int) -> int:
    """When a meter that is asked first answered since then."""
    with log.open() as file:
        file.seek(0, os.SEEK_END)
        async with asyncio.timeout(START_TIMEOUT_S):
            while True:
                for line in file:
                    row = json.loads(line)
                    if row["polled"] and row["boot_ms"] >= since_ms:
                        return int(row["boot_ms"])
                await asyncio.sleep(POLL_S)


async def flushed_status(socket: Path) -> dict[str, Any]:
    """The first status that tells of a flush; asked often enough to be that of the first flush."""
    while True:
        with contextlib.suppress(OSError, ValueError, asyncio.IncompleteReadError):
            status = await ask_status(socket)
            if status["buffer"]["readings_flushed"]:
                return status
        await asyncio.sleep(POLL_S)


async def median_ready_ms(code: str) -> float:
    """How long from exec until Python has run this code."""
    taken = []
    for _ in range(STARTS):
        began_ms = boot_ms()
        taken.append(int(await run_python(f"{code}\n{_PRINT_BOOT_MS}")) - began_ms)
    return statistics.median(taken)


async def run_python(code: str) -> str:
    """The output of `python -c`."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"python -c {code!r} failed")
    return out.decode()


def ms(value: float) -> str:
    """For the table."""
    return f"{value:.0f} ms"


def mb(kib: int) -> str:
    """KiB as MB, 10^6 bytes."""
    return f"{kib * 1024 / 1e6:.1f} MB"
