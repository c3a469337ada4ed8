"""The driver of a line: moves bytes between any codec and any port.

Rules:
- One exchange at a time, under one deadline; nothing is sent before the line was silent long enough.
- An old answer is never taken for a new one. Where answers do not name their request (RTU), a party that
  still owes an answer is not asked again until that answer can no longer come; others are asked at once.
  Where they do (TCP, `late_answer_s` = 0), the codec sorts late answers out and nothing is thrown away.
- A request is repeated at most once, and only when the party did answer, damaged: a repetition after
  silence would leave two answers on their way.
- What went wrong is typed: LineTimeout, LineCorrupt, DeviceError, PortError.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

from hal.api import Port, PortError
from hal.readiness import wait_precisely
from protocols.dialogue import Pause, Send, SetBaud, Step
from protocols.errors import DeviceError, ProtocolError

FRAMES_MAX = 256
FRAME_BYTES_MAX = 512
LATE_ANSWER_S_MAX = 3.0  # devices and serial servers that answer later than this were not met
DRAIN_S_MAX = 1.0
UNSETTLED_QUIET_S = 0.02  # a USB adapter may hold bytes back for 16 ms: only longer silence is silence
ANSWER_SILENCE_CHARACTERS = 3  # where a request needs silence, an answer does: nothing to wake up for
CONVERSATION_QUIET_S = 1.6  # IEC 62056-21, 6.4.3.1: a meter pauses for 1.5 s at most within what it sends
DAMAGED_ANSWER_BYTES_MIN = 24  # less can be noise and an echo, and tells nothing about the device

T = TypeVar("T")


class Exchange(Protocol):
    """One request and the search for its answer, as the codecs in `protocols` offer it."""

    @property
    def party(self) -> int:
        """Whom it asks; the unit number with Modbus."""

    @property
    def request(self) -> bytes:
        """What to send."""

    @property
    def response_size_bytes(self) -> int:
        """How long the whole answer is."""

    @property
    def noise_bytes(self) -> int:
        """Bytes received so far that were no part of the answer."""

    def receive_data(self, data: bytes) -> bytes | None:
        """The answer's data once complete, None before; ProtocolError as the codec says."""

    def missing_bytes(self) -> int:
        """The least number of bytes that could complete it, at least 1."""


class Receiver(Protocol[T]):
    """A codec for telegrams that come unasked."""

    def receive_data(self, data: bytes) -> list[T]:
        """What these bytes complete."""

    def missing_bytes(self) -> int:
        """The least number of bytes that could complete anything, at least 1."""


class LineTimeout(Exception):
    """The party said nothing within the timeout."""


class PartySuspect(LineTimeout):
    """The party was not asked: its answer to an earlier request may still come and be mistaken."""


class LineCorrupt(Exception):
    """Bytes arrived, and the answer was not among them.

    `answered`: they are enough for a damaged answer, so that none is still to come.
    """

    def __init__(self, text: str, received_bytes: int, *, answered: bool = False) -> None:
        super().__init__(text)
        self.received_bytes = received_bytes
        self.answered = answered


class Frame(NamedTuple):
    """One exchange, or one stretch of listening, as it went over the line.

    `time_s` is the loop's clock at its start; `sent` and `received` are cut at FRAME_BYTES_MAX. `outcome`:
    "answered", "refused", "timeout", "corrupt", "cancelled", "port", "heard", "stale".
    """

    time_s: float
    duration_s: float
    party: int | None
    sent: bytes
    received: bytes
    outcome: str


class LineStatistics(NamedTuple):
    """Counts since the driver was made. `busy_s`: time spent in exchanges, silences included."""

    exchanges: int = 0
    answered: int = 0
    refused: int = 0
    timeouts: int = 0
    corrupt: int = 0
    retries: int = 0
    suspect: int = 0
    noise_bytes: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    busy_s: float = 0.0


class LineMemory:
    """What is known of a line, and outlives a lost port: who owes an answer, frames, counts.

    Hand the old driver's memory to the new one, or an answer on its way may be taken for a new one.
    """

    def __init__(self) -> None:
        self.asked_s: dict[int, float] = {}
        self.frames: deque[Frame] = deque(maxlen=FRAMES_MAX)
        self.counts = LineStatistics()

    def count(self, **more: float) -> None:
        """Add to the counts named."""
        counts = self.counts
        self.counts = counts._replace(**{name: getattr(counts, name) + n for name, n in more.items()})


@dataclass(slots=True)
class _Log:
    """One exchange in progress."""

    started_s: float
    party: int | None
    sent: bytes
    outcome: str = "cancelled"
    received_bytes: int = 0
    received: bytes = b""

    def add(self, data: bytes) -> None:
        self.received_bytes += len(data)
        if len(self.received) < FRAME_BYTES_MAX:
            self.received = (self.received + data)[:FRAME_BYTES_MAX]


class LineDriver:
    """The one master of a line. Not for two tasks at once."""

    def __init__(
        self,
        port: Port,
        *,
        silence_s: float,
        late_answer_s: float = LATE_ANSWER_S_MAX,
        baud: int | None = None,
        memory: LineMemory | None = None,
    ) -> None:
        """`silence_s`: what the standard asks for before a request. `late_answer_s`: how long an unanswered
        request may still be answered; 0.0 for codecs whose answers name their request. `baud`: as
        the port was opened. `memory`: that of the driver before this one, where the port was lost and opened
        anew.
        """
        self._port = port
        self._silence_s = silence_s
        self._late_answer_s = late_answer_s
        self._baud = baud
        self._answer_silence_characters = ANSWER_SILENCE_CHARACTERS if silence_s else 0
        self._carry = b""
        self._last_byte_s: float | None = None  # unknown: somebody may be talking when we come
        self._unsettled = True
        self.memory = LineMemory() if memory is None else memory

    @property
    def port(self) -> Port:
        """The port that this driver moves bytes over."""
        return self._port

    async def exchange(self, exchange: Exchange, timeout_s: float) -> bytes:
        """The data of the answer to `exchange`.

        The answer must begin within `timeout_s` of the request's last bit, and gets its own time on the
        wire beyond that. Raises LineTimeout, LineCorrupt, DeviceError or PortError; PartySuspect at once.
        """
        self._refuse_suspect(exchange.party)
        try:
            return await self._attempt(exchange, timeout_s)
        except LineCorrupt as error:
            if not error.answered:
                raise
        self.memory.count(retries=1)
        return await self._attempt(exchange, timeout_s)

    async def listen(self, receiver: Receiver[T], timeout_s: float) -> list[T]:
        """What `receiver` makes of what comes, as soon as it makes anything; empty after `timeout_s`.

        Raises PortError.
        """
        loop = asyncio.get_running_loop()
        log = _Log(loop.time(), None, b"", "heard")
        end_s = log.started_s + timeout_s
        heard: list[T] = []
        try:
            while not heard:
                rest_s = max(0.0, end_s - loop.time())
                data = await self._port.read(rest_s, receiver.missing_bytes())
                log.add(data)
                heard = receiver.receive_data(data) if data else []
                if not heard and loop.time() >= end_s:
                    break
        finally:
            self.memory.count(bytes_in=log.received_bytes)
            if log.received:
                self._keep(log)
        return heard

    async def converse(
        self, steps: Generator[Step, bytes, T], timeout_s: float, *, quiet_s: float = CONVERSATION_QUIET_S
    ) -> T:
        """Do each step of a dialogue; its result. `timeout_s` is the deadline of the whole.

        After a dialogue that did not come to its end, the line must first be silent for `quiet_s`, so that
        nothing is on its way. Raises LineTimeout, LineCorrupt or PortError.
        """
        loop = asyncio.get_running_loop()
        log = _Log(loop.time(), None, b"")
        try:
            async with asyncio.timeout(timeout_s):
                await self._wait_for_quiet(quiet_s)
                self._unsettled = True
                result = await self._walk(steps, log)
            log.outcome = "answered"
            self._unsettled = False
        except PortError:
            log.outcome = "port"
            raise
        except (ProtocolError, TimeoutError) as error:
            failure = _failed_dialogue(error, timeout_s, log)
            log.outcome = "corrupt" if isinstance(failure, LineCorrupt) else "timeout"
            raise failure from error
        finally:
            steps.close()
            self._finish_dialogue(log)
        return result

    async def _walk(self, steps: Generator[Step, bytes, T], log: _Log) -> T:
        data = b""
        started = False
        while True:
            try:
                step = steps.send(data) if started else next(steps)
            except StopIteration as stop:
                result: T = stop.value
                return result
            started = True
            data = await self._do(step, log)

    async def _do(self, step: Step, log: _Log) -> bytes:
        """One step of a dialogue; what it brought."""
        if isinstance(step, Send):
            log.sent = (log.sent + step.data)[:FRAME_BYTES_MAX]
            await self._port.write(step.data)
        elif isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
        elif isinstance(step, SetBaud):
            if step.baud != self._baud:
                self._port.reconfigure(step.baud)
                self._baud = step.baud
        else:
            data = await self._port.read(step.timeout_s, step.missing_bytes)
            log.add(data)
            return data
        return b""

    async def _wait_for_quiet(self, quiet_s: float) -> None:
        """Forget what came unasked; after a dialogue that broke off, until nothing more comes."""
        if not self._unsettled:
            self._port.discard_input()
            return
        loop = asyncio.get_running_loop()
        while stale := await self._port.read(quiet_s):
            self._note_stale(stale, loop.time())

    def _finish_dialogue(self, log: _Log) -> None:
        self._keep(log)
        self.memory.count(
            exchanges=1,
            answered=log.outcome == "answered",
            timeouts=log.outcome == "timeout",
            corrupt=log.outcome == "corrupt",
            bytes_in=log.received_bytes,
            bytes_out=len(log.sent),
            busy_s=asyncio.get_running_loop().time() - log.started_s,
        )

    def statistics(self) -> LineStatistics:
        """The counts at present."""
        return self.memory.counts

    def frames(self) -> list[Frame]:
        """The last FRAMES_MAX exchanges, oldest first."""
        return list(self.memory.frames)

    async def close(self) -> None:
        """Close the port."""
        await self._port.close()

    def _refuse_suspect(self, party: int) -> None:
        """An unanswered request of this party may still be answered: asking again would take that answer."""
        asked_s = self.memory.asked_s.get(party)
        if asked_s is None:
            return
        since_s = asyncio.get_running_loop().time() - asked_s
        if since_s < self._late_answer_s:
            self.memory.count(suspect=1)
            text = f"unit {party} left a request unanswered {since_s:.1f} s ago and is left alone for now"
            raise PartySuspect(text)
        del self.memory.asked_s[party]

    async def _attempt(self, exchange: Exchange, timeout_s: float) -> bytes:
        loop = asyncio.get_running_loop()
        log = _Log(loop.time(), exchange.party, b"")
        try:
            if self._late_answer_s:
                await self._wait_for_silence()
            self.memory.asked_s[exchange.party] = loop.time()
            self._unsettled = True
            log.sent = exchange.request
            await self._port.write(exchange.request)
            self._last_byte_s = loop.time()
            answer = await self._read_answer(exchange, timeout_s, log)
            log.outcome = "answered"
        except DeviceError:
            log.outcome = "refused"
            raise
        except ProtocolError as error:
            log.outcome = "port"
            raise PortError("port.gone", f"the other side lost its place in the stream: {error}") from error
        except PortError:
            log.outcome = "port"
            raise
        except LineTimeout:
            log.outcome = "timeout"
            raise
        except LineCorrupt:
            log.outcome = "corrupt"
            raise
        finally:
            self._finish(exchange, log)
        return answer

    def _finish(self, exchange: Exchange, log: _Log) -> None:
        """Book an attempt, however it ended."""
        outcome = log.outcome
        if outcome in ("answered", "refused"):
            self._settle(exchange.party)
        self._carry = bytes(getattr(exchange, "leftover", b""))  # a stream's codec has it, RTU's has not
        self._keep(log)
        self.memory.count(
            exchanges=1,
            answered=outcome == "answered",
            refused=outcome == "refused",
            timeouts=outcome == "timeout",
            corrupt=outcome == "corrupt",
            noise_bytes=exchange.noise_bytes,
            bytes_in=log.received_bytes,
            bytes_out=len(log.sent),
            busy_s=asyncio.get_running_loop().time() - log.started_s,
        )

    async def _read_answer(self, exchange: Exchange, timeout_s: float, log: _Log) -> bytes:
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + timeout_s
        transfer_s = exchange.response_size_bytes * self._port.char_time_s
        data, self._carry = self._carry, b""
        while True:
            if data:
                log.add(data)
                answer = exchange.receive_data(data)
                if answer is not None:
                    return answer
            rest_s = deadline_s - loop.time() + (transfer_s if log.received else 0.0)
            if rest_s <= 0:
                raise self._no_answer(exchange, timeout_s, log)
            silent_characters = 0 if log.received else self._answer_silence_characters
            data = await self._port.read(rest_s, exchange.missing_bytes() + silent_characters)
            if data:
                self._last_byte_s = loop.time()

    def _no_answer(self, exchange: Exchange, timeout_s: float, log: _Log) -> LineTimeout | LineCorrupt:
        """Which failure it is, and whether the party still owes an answer."""
        party, request = exchange.party, exchange.request
        echo_bytes = len(request) if request in log.received else 0
        foreign_bytes = log.received_bytes - echo_bytes
        if not self._late_answer_s or not foreign_bytes:
            echo = "; only our own request came back (echo)" if echo_bytes else ""
            return LineTimeout(f"unit {party} did not answer within {timeout_s:g} s{echo}")
        others_owe = any(
            other != party and asyncio.get_running_loop().time() - asked_s < self._late_answer_s
            for other, asked_s in self.memory.asked_s.items()
        )
        enough_bytes = max(exchange.response_size_bytes, DAMAGED_ANSWER_BYTES_MIN)
        count_others = getattr(exchange, "others_bytes", None)  # Modbus' codecs know others' frames
        others_bytes = count_others(log.received) if count_others is not None else 0
        answered = foreign_bytes - others_bytes >= enough_bytes and not others_owe
        if answered:
            del self.memory.asked_s[party]
        wanted = f"no answer of {exchange.response_size_bytes} bytes among them"
        text = f"unit {party}: {foreign_bytes} bytes came, {wanted}; check wiring, baud and format"
        return LineCorrupt(text, foreign_bytes, answered=answered)

    async def _wait_for_silence(self) -> None:
        """Return when the line was silent as long as the standard asks; read away what comes meanwhile.

        After a request that was not answered, silence must last so long that nothing is on its way.
        """
        loop = asyncio.get_running_loop()
        last_byte_s = loop.time() if self._last_byte_s is None else self._last_byte_s
        quiet_s = self._silence_s + (UNSETTLED_QUIET_S if self._unsettled else 0.0)
        end_s = loop.time() + DRAIN_S_MAX
        stale_bytes = 0
        while True:
            stale = await self._port.read(0.0)
            now_s = loop.time()
            if stale:
                self._last_byte_s = last_byte_s = now_s
                stale_bytes += len(stale)
                self._note_stale(stale, now_s)
            rest_s = last_byte_s + quiet_s - now_s
            if rest_s <= 0:
                return
            if now_s >= end_s:
                text = f"the line was not silent for {DRAIN_S_MAX:g} s; check wiring, termination and bias"
                raise LineCorrupt(text, stale_bytes)
            await wait_precisely(rest_s)

    def _note_stale(self, stale: bytes, now_s: float) -> None:
        self.memory.frames.append(Frame(now_s, 0.0, None, b"", stale[:FRAME_BYTES_MAX], "stale"))
        self.memory.count(noise_bytes=len(stale), bytes_in=len(stale))

    def _settle(self, party: int) -> None:
        """The party owes nothing any more."""
        self.memory.asked_s.pop(party, None)
        self._unsettled = False

    def _keep(self, log: _Log) -> None:
        duration_s = asyncio.get_running_loop().time() - log.started_s
        frame = Frame(log.started_s, duration_s, log.party, log.sent, log.received, log.outcome)
        self.memory.frames.append(frame)


def _failed_dialogue(
    error: ProtocolError | TimeoutError, timeout_s: float, log: _Log
) -> LineTimeout | LineCorrupt:
    """Whether nobody answered, or something that was not understood."""
    text = f"not finished within {timeout_s:g} s" if isinstance(error, TimeoutError) else str(error)
    if not log.received_bytes:
        return LineTimeout(f"the meter did not answer ({text})")
    if log.received in log.sent:
        return LineTimeout(f"the meter did not answer; only our own request came back (echo, {text})")
    return LineCorrupt(f"{text}; {log.received_bytes} bytes came", log.received_bytes)
