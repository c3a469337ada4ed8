"""What every worker of a line works with: made once by the agent, handed to each worker as it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from config.keys import Keys
from edge_agent.clock import BootClock
from edge_agent.faults import Faults
from edge_agent.pulse_counts import PulseCounts
from edge_agent.reading import Sink
from protocols.uplink.messages import EventDetail

Tell = Callable[[str, str, dict[str, EventDetail]], None]


@dataclass(frozen=True, slots=True)
class Parts:
    """What every worker works with. `tell` writes an event; `started_ms`: from when on, on the boot axis,
    this run of the agent accounts for every slot. `keys`: of the meters that encrypt."""

    clock: BootClock
    sink: Sink
    faults: Faults
    counts: PulseCounts
    tell: Tell
    started_ms: int
    keys: Keys = field(default_factory=Keys)
