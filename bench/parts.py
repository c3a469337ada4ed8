"""Single parts of the agent, each beside something known: the buffer, the readers, the batches."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.__main__ import Figure, show
from config.catalogue import catalogue
from config.model import MeterConfig
from edge_agent.buffer.buffer import Buffer, BufferSettings
from edge_agent.clock import BootClock
from edge_agent.faults import Faults
from edge_agent.plausibility import Plausibility, rules_of
from edge_agent.readers import ModbusReader
from edge_agent.reading import Reading
from hal.clock import SystemClock
from hal.sim.meters import SimMeter
from hal.storage import FolderStorage
from protocols.modbus.pdu import ReadRequest
from protocols.quantities import by_name
from protocols.uplink.cbor import decode_message, encode_message
from protocols.uplink.columns import Slot, decode_slots, plan_columns
from protocols.uplink.cose import Signer
from protocols.uplink.messages import Batch, DictionaryMeter, Series
from protocols.value import Scaled

SERIES = 60
ROUNDS = 50  # 3,000 readings: fewer than what the buffer seals by itself
BATCH_ROUNDS = 15
MEASURE_S = 0.5
INTERVAL_MS = 60_000
TABLE = (
    DictionaryMeter(
        *("m1", "DE001", "4711", "eastron", "SDM630", 1, (1, 1), None),
        tuple(Series(number, -3, INTERVAL_MS) for number in range(1, SERIES + 1)),
    ),
)


def run(folder: Path) -> None:
    """Measure, and show."""
    (folder / "buffer").mkdir()
    show("Buffer", asyncio.run(buffer_costs(folder / "buffer")))


async def buffer_costs(folder: Path) -> list[Figure]:
    """What `record` keeps the event loop from, and what a flush and a seal take on this disk."""
    storage = FolderStorage(folder)
    clock = BootClock(storage, SystemClock("operator"))
    signer = Signer(Ed25519PrivateKey.generate())
    buffer = await Buffer.open(BufferSettings(), storage, signer, clock, Faults(clock.boot_ms), TABLE)
    rounds = [round_of(number * INTERVAL_MS) for number in range(ROUNDS)]
    began_s = time.perf_counter()
    for readings in rounds:
        buffer.record(readings)
    record_s = time.perf_counter() - began_s
    first_flush_s = await duration_s(buffer.flush())
    seal_s = await duration_s(buffer.seal_now())
    flushes = []
    for number in range(ROUNDS, ROUNDS + 50):
        buffer.record(round_of(number * INTERVAL_MS))
        flushes.append(await duration_s(buffer.flush()))
    await buffer.close()
    count = ROUNDS * SERIES
    return [
        Figure("record, a reading", us(record_s / count), "all that the event loop waits for"),
        Figure("flush of 60 readings, median", us(sorted(flushes)[25]), f"slowest {us(max(flushes))}"),
        Figure(f"flush of {count:,} readings", us(first_flush_s), f"{us(first_flush_s / count)} a reading"),
        Figure(f"seal and sign {count:,} readings", us(seal_s), f"{us(seal_s / count)} a reading"),
    ]


async def duration_s(work: Coroutine[None, None, None]) -> float:
    """How long it takes."""
    began_s = time.perf_counter()
    await work
    return time.perf_counter() - began_s


def round_of(due_ms: int) -> list[Reading]:
    """One slot of a meter with SERIES counters."""
    return [Reading(n, due_ms, due_ms + 120, Scaled(due_ms + n * 1000, -3), 0) for n in range(SERIES)]


def reader_rates() -> list[Figure]:
    """From an answer's registers to readings."""
    profile = catalogue()["eastron-sdm630"]
    reader = ModbusReader(profile, MeterConfig(id="m", line="l", profile=profile.name), 0)
    block = reader.blocks[0]
    data = SimMeter(profile, "1", 0).read(1, ReadRequest(4, block.address, block.count), 1)
    if not isinstance(data, bytes):
        raise TypeError("the simulated meter refuses its own registers")
    points_s = seconds_each(lambda: reader.decode(block, data, 0, 0)) / len(block.points)
    return [Figure(f"{len(block.points)} binary32 points to readings", rate(points_s, "readings"))]


def plausibility_rates() -> list[Figure]:
    """What judging costs each reading: a round of a meter with 20 voltages and 40 counters, all in order."""
    profile = catalogue()["eastron-sdm630"]
    voltage, energy = by_name("voltage_l1"), by_name("energy_active_import_total")
    checks = Plausibility(rules_of([([(voltage, -1)] * 20 + [(energy, -3)] * 40, profile, (1, 1))]))
    values = [Scaled(2301, -1)] * 20 + [Scaled(12_345_678, -3)] * 40
    readings = [Reading(n, 0, 0, value, 0) for n, value in enumerate(values)]
    each_s = seconds_each(lambda: [checks.judge(reading) for reading in readings]) / len(readings)
    return [Figure("plausibility, a reading", us(each_s), "all in order")]


def batch_rates() -> list[Figure]:
    """A quarter of an hour of one meter: batch to slots, against JSON of the same to objects."""
    slots = [
        Slot(reading.series, reading.due_ms, reading.time_ms, reading.value.integer, 0)
        for number in range(BATCH_ROUNDS)
        for reading in round_of(number * INTERVAL_MS)
        if reading.value is not None
    ]
    columns = plan_columns(slots, [INTERVAL_MS] * SERIES)
    batch = Batch(1, 1, 1, columns.t0_ms, None, bytes(8), columns.axes, columns.columns, columns.marks)
    data = encode_message(batch)
    text = json.dumps([slot._asdict() for slot in slots])
    ours_s = seconds_each(lambda: decode_slots(decoded_batch(data)))
    theirs_s = seconds_each(lambda: json.loads(text))
    size = f"{len(data) / len(slots):.2f} B a slot, JSON {len(text) / len(slots):.0f} B"
    return [
        Figure(
            f"batch of {len(slots)} slots",
            rate(ours_s / len(slots), "slots"),
            beside(theirs_s, ours_s, "json.loads"),
        ),
        Figure("  its size before signing", f"{len(data)} B", size),
    ]


def decoded_batch(data: bytes) -> Batch:
    """The batch in a payload."""
    message = decode_message(data)
    if not isinstance(message, Batch):
        raise TypeError("a batch came back as something else")
    return message


def seconds_each(work: Callable[[], object]) -> float:
    """The least time of one call, over rounds of calls for MEASURE_S."""
    least_s, until_s = float("inf"), time.perf_counter() + MEASURE_S
    while time.perf_counter() < until_s:
        began_s = time.perf_counter()
        for _ in range(20):
            work()
        least_s = min(least_s, (time.perf_counter() - began_s) / 20)
    return least_s


def beside(theirs_s: float, ours_s: float, name: str) -> str:
    """Ours against somebody else's."""
    return f"{name} takes {theirs_s / ours_s:.2f} x as long"


def rate(seconds: float, things: str) -> str:
    """For the table."""
    return f"{1 / seconds:,.0f} {things}/s"


def us(seconds: float) -> str:
    """For the table."""
    return f"{1e6 * seconds:,.2f} us" if seconds < 1e-4 else f"{1e3 * seconds:,.2f} ms"
