"""What the workers of all polled lines share: waiting for a slot, and telling that slots passed unread."""

from __future__ import annotations

import asyncio

from edge_agent.clock import BootClock
from edge_agent.faults import FaultCode, Faults
from edge_agent.meter_state import MeterState
from edge_agent.poll_plan import DueRead

SLEEP_S_MAX = 5.0


async def wait_until_due(due_ms: int, clock: BootClock, turned: asyncio.Event) -> None:
    """Sleep to the slot, or until `turned` is set; the event loop's clock waits, the boot axis decides."""
    turned.clear()
    while (rest_ms := due_ms - clock.boot_ms()) > 0 and not turned.is_set():
        try:
            async with asyncio.timeout(min(rest_ms / 1000, SLEEP_S_MAX)):
                await turned.wait()
        except TimeoutError:
            continue


def note_overrun(state: MeterState, due: DueRead, faults: Faults) -> None:
    """Raise the fault that slots passed before the line was free, or clear it."""
    if due.missed and state.last_readings:  # at the start the port may have taken its time
        slots = len(due.missed) + due.missed_more
        text = f"{slots} slots passed before the line was free; lengthen interval_s"
        faults.raise_(FaultCode.LINE_OVERRUN, state.config.id, text)
    else:
        faults.clear(state.config.id, (FaultCode.LINE_OVERRUN,))
