"""What is wrong with the storage at present, as the storage thread found it; `buffer` makes Faults of it.

Rules that keep it so: a condition holds until what ended it says so. BUFFER_DAMAGED never ends: what was
set aside waits for a person until the next start.
"""

from __future__ import annotations

import errno

from edge_agent.buffer.outbox import OutboxDamaged
from edge_agent.faults import FaultCode


class Conditions:
    """Written by the storage thread only; `present` may be asked from any."""

    def __init__(self) -> None:
        self._present: dict[FaultCode, str] = {}

    def present(self) -> dict[FaultCode, str]:
        """What holds, with its evidence."""
        return dict(self._present)

    def state(self, code: FaultCode, evidence: str) -> None:
        """This holds from now on."""
        self._present[code] = evidence

    def end(self, code: FaultCode) -> None:
        """This no longer holds."""
        self._present.pop(code, None)

    def note(self, error: OSError | OutboxDamaged) -> None:
        """Storage refused something that will be tried again."""
        full = isinstance(error, OSError) and error.errno == errno.ENOSPC
        self.state(FaultCode.BUFFER_FULL if full else FaultCode.BUFFER_WRITE, str(error))
