"""What a running agent's outbox holds and how long it lasts, gathered when a person asks.

Imported only then: most agents are never asked, and memory is short.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from config.load import Gateway
from config.streams import MAIN_STREAM
from edge_agent.buffer.buffer import Buffer
from edge_agent.clock import BootClock
from edge_agent.outbox_report import OutboxReport
from edge_agent.outlook import Card, Flushes, Written, plan_part, plan_report
from hal.wear import device_writes, own_written_bytes

if TYPE_CHECKING:
    from edge_agent.streams import Streams

UNREADABLE = "{name}: the storage refuses"


async def look(gateway: Gateway, buffer: Buffer | Streams, clock: BootClock, started_ms: int) -> OutboxReport:
    """`started_ms`: when the agent started, boot axis."""
    parts, unreadable = [], []
    for name, each in _buffers(buffer):
        holdings = await each.holdings()
        if holdings is None:
            unreadable.append(UNREADABLE.format(name=name))
        else:
            parts.append(plan_part(name, each.statistics().size_bytes_max, holdings, clock.now()))
    known, ran_ms = buffer.statistics(), clock.boot_ms() - started_ms
    interval_ms = round(1000 * gateway.file.buffer.flush_interval_s)
    return plan_report(
        parts,
        unreadable,
        gateway.file.uplink.free_on,
        (known.evicted_messages, known.dropped_readings),
        Flushes(interval_ms, known.flush_ms_max, ran_ms),
        _card(gateway, clock.boot_ms(), ran_ms),
    )


def _buffers(buffer: Buffer | Streams) -> list[tuple[str, Buffer]]:
    if isinstance(buffer, Buffer):
        return [(MAIN_STREAM, buffer)]
    return [(part.plan.id, part.buffer) for part in buffer.parts]


def _card(gateway: Gateway, boot_ms: int, ran_ms: int) -> Card:
    own, device = own_written_bytes(), device_writes(gateway.state_folder)
    return Card(
        "" if device is None else device.name,
        None if own is None else Written(own, ran_ms),
        None if device is None else Written(device.written_bytes, boot_ms),
        gateway.file.buffer.card_endurance_gb,
        None if device is None else device.life_used_percent,
    )
