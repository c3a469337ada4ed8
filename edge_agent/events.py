"""Events: what happened and matters now goes to the backend at once, but never as a flood.

At most one event a minute for each cause (code and subject). What comes faster is held until the
minute is over, and then only its last state is told: a fault that flickered ends as raised or cleared.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from edge_agent.faults import Fault
from protocols.uplink.messages import EventDetail

EVENT_INTERVAL_S = 60.0
PENDING_MAX = 1_000
EVIDENCE_CHARACTERS_MAX = 300

AddEvent = Callable[[str, str, dict[str, EventDetail]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Pending:
    code: str
    subject: str
    details: dict[str, EventDetail]


class EventWriter:
    """Takes events from anywhere in the agent and writes them into the buffer, one task."""

    def __init__(self, add_event: AddEvent) -> None:
        self._add_event = add_event
        self._pending: dict[tuple[str, str], _Pending] = {}
        self._free_from_s: dict[tuple[str, str], float] = {}
        self._news = asyncio.Event()

    def tell(self, code: str, subject: str, details: dict[str, EventDetail]) -> None:
        """Have an event written soon; the newest of one cause replaces an older one still waiting."""
        self._put((code, subject), _Pending(code, subject, details))

    def tell_fault(self, fault: Fault, raised: bool) -> None:
        """A listener for `Faults`: one cause for raising and clearing, so that they replace each other."""
        code = "fault.raised" if raised else "fault.cleared"
        details: dict[str, EventDetail] = {
            "fault": fault.code.value,
            "evidence": fault.evidence[:EVIDENCE_CHARACTERS_MAX],
        }
        self._put((fault.code.value, fault.subject), _Pending(code, fault.subject, details))

    async def run(self) -> None:
        """Write what is due, for ever."""
        while True:
            rest_s = await self._write_due()
            self._news.clear()
            try:
                async with asyncio.timeout(rest_s):
                    await self._news.wait()
            except TimeoutError:
                continue

    def _put(self, cause: tuple[str, str], event: _Pending) -> None:
        if cause in self._pending or len(self._pending) < PENDING_MAX:
            self._pending[cause] = event
            self._news.set()

    async def _write_due(self) -> float | None:
        """Write every event whose cause was quiet for a minute; seconds until the next may go."""
        now = asyncio.get_running_loop().time()
        self._free_from_s = {cause: free for cause, free in self._free_from_s.items() if free > now}
        for cause in [cause for cause in self._pending if cause not in self._free_from_s]:
            event = self._pending.pop(cause)
            self._free_from_s[cause] = now + EVENT_INTERVAL_S
            await self._add_event(event.code, event.subject, event.details)
        waiting = [self._free_from_s.get(cause, now) for cause in self._pending]  # new ones came meanwhile
        return min(waiting) - now if waiting else None
