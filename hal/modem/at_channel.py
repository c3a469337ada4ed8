"""One AT port in use: the dialogue of `protocols.at` on a port of the board, with its times.

Rules:
- A command that is not answered in time is abandoned, and nothing is sent before the port has answered
  anew (see protocols.at.dialogue). A modem that does not is ModemSilent.
- Damaged lines are dropped and counted: the answer that lacks one is refused where it is decoded.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final, TypeVar

from hal.api import Port, PortError
from hal.modem.api import ModemGone, ModemRefused, ModemSilent
from protocols.at import Answer, AtDialogue, AtEvent, LateLine, State, Synchronised, Urc, timeout_s
from protocols.at.dialogue import LATE_LINES_S
from protocols.errors import ProtocolError

SYNC_TRIES_MAX: Final = 3
SYNC_S: Final = 1.0
URCS_MAX: Final = 64  # the oldest go first

Event = TypeVar("Event", Answer, LateLine, Synchronised)


class AtChannel:
    """See the module. `port` is open and stays the caller's to close."""

    def __init__(self, port: Port) -> None:
        self.urcs: deque[str] = deque(maxlen=URCS_MAX)
        self.damaged_lines = 0
        self._port = port
        self._dialogue = AtDialogue()
        self._events: deque[AtEvent | ProtocolError] = deque()

    async def synchronise(self) -> None:
        """Until the modem answers what was asked now. ModemSilent after SYNC_TRIES_MAX times SYNC_S."""
        self._dialogue.leave_data()
        self._dialogue.abandon()
        for _ in range(SYNC_TRIES_MAX):
            await self._write(self._dialogue.resync())
            if await self._wait(Synchronised, SYNC_S) is not None:
                return
        text = f"no answer to {SYNC_TRIES_MAX} commands; start the modem anew, or name its AT port"
        raise ModemSilent("modem.silent", text)

    async def ask(self, command: str, *, late_lines: bool = False) -> Answer:
        """The answer, refused or not; `late_lines`: with lines that come behind its end.

        Raises ModemSilent after the command's time, and ModemGone.
        """
        if self._dialogue.state is not State.IDLE:
            await self.synchronise()
        try:
            await self._write(self._dialogue.send(command, late_lines=late_lines))
            answer = await self._wait(Answer, timeout_s(command))
        finally:
            self._dialogue.abandon()  # nothing to abandon once it is answered
        if answer is None:
            text = f"no answer to {command.partition('=')[0]} within {timeout_s(command):.0f} s"
            raise ModemSilent("modem.silent", f"{text}; start the modem anew")
        if not (late_lines and answer.result.is_ok):
            return answer
        late = await self._late_lines()
        return answer._replace(lines=answer.lines + late)

    async def _late_lines(self) -> tuple[str, ...]:
        found: list[str] = []
        while (line := await self._wait(LateLine, LATE_LINES_S)) is not None:
            found.append(line.text)
        return tuple(found)

    async def _wait(self, kind: type[Event], wait_s: float) -> Event | None:
        """The next event of `kind`, or None; unsolicited lines are kept, all else is passed over."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + wait_s
        while True:
            while self._events:
                event = self._events.popleft()
                if isinstance(event, kind):
                    return event
                self._note(event)
            rest_s = deadline_s - loop.time()
            if rest_s <= 0:
                return None
            self._events.extend(self._dialogue.receive_data(await self._read(rest_s)))

    def _note(self, event: AtEvent | ProtocolError) -> None:
        if isinstance(event, Urc):
            self.urcs.append(event.text)
        elif isinstance(event, ProtocolError):
            self.damaged_lines += 1

    async def _read(self, wait_s: float) -> bytes:
        try:
            return await self._port.read(wait_s)
        except PortError as error:
            raise gone(error) from error

    async def _write(self, data: bytes) -> None:
        try:
            await self._port.write(data)
        except PortError as error:
            raise gone(error) from error


def gone(error: PortError) -> ModemGone | ModemRefused:
    """What a port's error means for the modem."""
    if error.code in ("port.busy", "port.denied", "port.setting"):
        return ModemRefused("modem.port", error.text)
    return ModemGone("modem.gone", error.text)
