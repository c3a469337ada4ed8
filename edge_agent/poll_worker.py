"""The worker of a polled line: asks its meters when they are due.

Rules:
- Each slot that was due yields one reading for each series: a value, or a null with its cause.
- A meter that does not answer costs its line one timeout, the rest of its round is null. Then it is left
  alone for longer and longer (poll_plan.BackOff), its slots null with the same cause; others come first.
- A meter that is slow keeps the line for TURN_S_MAX, then the others come first.
- Nothing counts before the serial number was compared, where one is configured and can be read. A meter that
  is busy (exceptions 05, 06) when asked for it is asked again in its next round.
- While the port is gone, slots go by as nulls.
- A gateway that says that a meter did not answer it (exception 0B) is a silent meter, told by somebody else;
  that it has no way to the meter (0A), a fault of the line. Neither says anything about the meter itself.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Sequence
from urllib.parse import urlsplit

from config.load import Line
from config.model import LineProtocol
from edge_agent.faults import FaultCode
from edge_agent.line import LATE_ANSWER_S_MAX, LineCorrupt, LineDriver, LineTimeout, PartySuspect
from edge_agent.line_port import LinePort
from edge_agent.meter_state import (
    SILENT_ROUNDS_MIN,
    MeterState,
    initial_identity,
    judge_serial,
    judge_told_type,
)
from edge_agent.parts import Parts
from edge_agent.poll_plan import DueRead, PollPlan, RegisterBlock
from edge_agent.poll_round import Group, PolledMeter, Round, block_name, left_out_text, nulls_of
from edge_agent.readers import ModbusReader
from edge_agent.reading import Reading
from edge_agent.rounds import note_overrun, wait_until_due
from hal.api import PortError
from protocols.errors import DeviceError
from protocols.modbus.ascii import AsciiExchange
from protocols.modbus.pdu import ACKNOWLEDGED, BUSY, PATH_UNAVAILABLE, TARGET_SILENT, ReadRequest, Request
from protocols.modbus.rtu import RtuExchange, silence_s
from protocols.modbus.tcp import TcpExchange
from protocols.value import NullCause

TURN_S_MAX = 1.0  # how long one meter keeps the line while others wait
PROBE_PATIENCE_MS = 5_000  # how much later than it was due a meter that was silent has its turn

_FUNCTIONS = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
_ON_SERIAL_LINES = ("serial", "rfc2217", "sim")  # schemes of urls behind which characters have their times


class PathUnavailable(LineTimeout):
    """A gateway on the line answered for the meter: it has no way there (exception 0A)."""


class PollWorker:
    """A Modbus line: asks each meter for each block of registers when it is due."""

    def __init__(
        self,
        line: Line,
        meters: Sequence[tuple[MeterState, ModbusReader]],
        port: LinePort[LineDriver],
        parts: Parts,
    ) -> None:
        self.line = line
        self.config = line.config
        self.port = port
        self._meters = [PolledMeter(state, reader) for state, reader in meters]
        self._clock = parts.clock
        self._sink = parts.sink
        self._faults = parts.faults
        self._bus = asyncio.Lock()
        self._transaction = 0
        self._pathless: set[str] = set()  # meters to which a gateway says that it has no way
        self._turned = asyncio.Event()
        self._rounds: list[Round] = []  # begun or waiting for the line, at most one for each group of points
        self._groups = [(meter, group) for meter in self._meters for group in meter.groups]
        planned = [group.planned for _, group in self._groups]
        self._plan = PollPlan(planned, parts.clock.alignment_ms(), parts.started_ms)

    @property
    def meters(self) -> list[MeterState]:
        """The meters of this line."""
        return [meter.state for meter in self._meters]

    def replan(self) -> None:
        """The wall clock stepped: slots lie elsewhere on the boot axis from now on."""
        self._plan.realign(self._clock.alignment_ms(), self._clock.boot_ms())
        self._turned.set()

    def accounted_ms(self) -> int:
        """All slots due before this have been recorded."""
        return min([*(waiting.oldest_ms for waiting in self._rounds), self._plan.next_due_ms()])

    async def wait_idle(self) -> None:
        """Return between two turns, and let no other begin: the line is about to be closed."""
        await self._bus.acquire()

    async def run(self) -> None:
        """Read what is due, for ever."""
        await self.port.wait_tried()
        while True:
            await wait_until_due(self._plan.next_due_ms(), self._clock, self._turned)
            self._take_due()
            while self._rounds:
                turn = min(self._rounds, key=lambda waiting: waiting.rank_ms)
                async with self._bus:
                    finished = await self._read_on(turn)
                if finished:
                    self._rounds.remove(turn)
                self._take_due()

    async def read_now(self, meter: str) -> list[Reading]:
        """Ask a meter at once, outside of the schedule; what it says is not recorded.

        Raises LineTimeout, LineCorrupt, DeviceError or PortError.
        """
        asked = next(known for known in self._meters if known.state.config.id == meter)
        async with self._bus:
            now = self._clock.boot_ms()
            self._open_driver()
            await self._make_ready(asked)
            asked.back_off.note_answer()  # a person has seen to it: its next slot is read
            scheme = asked.scheme(asked.groups)
            readings: list[Reading] = []
            for block in scheme.blocks:
                data = await self._exchange_block(asked, block)
                readings += asked.reader.decode(block, data, now, self._clock.boot_ms())
            return readings + nulls_of(asked, scheme.left_out, [now], now, NullCause.REFUSED)

    async def ask(self, unit: int, request: Request) -> bytes:
        """Ask any unit of the line once, in its turn; nothing is recorded. Errors as of read_now, and
        ValueError for a unit number that the protocol does not have."""
        async with self._bus:
            exchange = self._make_exchange(unit, request)
            return await ask_once(self._open_driver(), exchange, self.line.reply_timeout_s)

    def _take_due(self) -> None:
        """A round for each meter that is due, and nulls for what cannot be read any more, or not yet."""
        busy = {number for waiting in self._rounds for number in waiting.numbers}
        dues: dict[PolledMeter, dict[int, tuple[Group, DueRead]]] = {}
        for due in self._plan.pop_due(self._clock.boot_ms(), busy):
            meter, group = self._groups[due.meter]
            self._account_missed(meter, group, due)
            if meter.back_off.may_ask(due.due_ms):
                dues.setdefault(meter, {})[due.meter] = (group, due)
            else:
                cause = meter.absent_cause if self.port.driver is not None else NullCause.PORT_GONE
                now_ms = self._clock.boot_ms()
                self._keep(meter.state, nulls_of(meter, group.points, [due.due_ms], now_ms, cause))
        for meter, mine in dues.items():
            probe = meter.back_off.failures > 0
            self._rounds.append(Round(meter, mine, patience_ms=PROBE_PATIENCE_MS if probe else 0))

    def _account_missed(self, meter: PolledMeter, group: Group, due: DueRead) -> None:
        now_ms = self._clock.boot_ms()
        if due.missed_more:
            after_ms, before_ms = due.untold_ms(group.planned.interval_ms)
            self._sink.pass_over(due.missed_more * len(group.points), after_ms, before_ms)
        if due.missed:
            self._sink.record(nulls_of(meter, group.points, due.missed, now_ms, NullCause.LINE_BUSY))
        if group is meter.groups[0]:
            note_overrun(meter.state, due, self._faults)

    async def _read_on(self, turn: Round) -> bool:
        """Read on in a round, for TURN_S_MAX; True at its end. Each block goes into the buffer as it comes: a
        round takes seconds, and a reading that has come must wait for no other."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + TURN_S_MAX
        try:
            if not turn.begun and not await self._begin(turn):
                return True
            while (block := turn.next_block()) is not None:
                if loop.time() >= end_s:
                    turn.rank_ms = self._clock.boot_ms()
                    return False
                await self._ask(turn, block)
        except (LineTimeout, LineCorrupt, PortError) as error:
            cause = self._note_absent(turn, error)
            self._keep(turn.meter.state, turn.nulls(self._clock.boot_ms(), cause))
            return True
        self._note_end(turn)
        return True

    async def _begin(self, turn: Round) -> bool:
        """Whether the meter is the right one and may be read; else its slots are null."""
        state = turn.meter.state
        try:
            await self._make_ready(turn.meter)
        except DeviceError as error:
            in_models = error.code.startswith("sunspec.")
            state.last_error = error.text if in_models else f"serial number: {error.text}"
            code = FaultCode.METER_MODELS if in_models else FaultCode.METER_REFUSES
            self._faults.raise_(code, state.config.id, state.last_error)
            turn.meter.back_off.note_answer()
            self._keep(state, turn.nulls(self._clock.boot_ms(), NullCause.REFUSED))
            return False
        if state.identity == "mismatch":
            turn.meter.back_off.note_answer()
            self._keep(state, turn.nulls(self._clock.boot_ms(), NullCause.WRONG_DEVICE))
            return False
        self._keep(state, turn.begin(self._clock.boot_ms()))
        return True

    async def _ask(self, turn: Round, block: RegisterBlock) -> None:
        """One request of a round."""
        try:
            data = await self._exchange_block(turn.meter, block)
        except DeviceError as error:
            self._keep(turn.meter.state, turn.note_refusal(block, error, self._clock.boot_ms()))
            return
        self._keep(turn.meter.state, turn.note_answer(block, data, self._clock.boot_ms()))

    def _note_end(self, turn: Round) -> None:
        """Book a round in which the meter answered to the end."""
        meter, state = turn.meter, turn.meter.state
        meter.back_off.note_answer()
        if turn.good:
            state.note_good(self._clock.boot_ms())
            self._faults.clear(state.config.id, (FaultCode.METER_SILENT, FaultCode.METER_CORRUPT))
        if refusals := list(filter(None, [*turn.refusals, left_out_text(meter.left_out())])):
            self._faults.raise_(FaultCode.METER_REFUSES, state.config.id, "; ".join(refusals))
        else:
            self._faults.clear(state.config.id, (FaultCode.METER_REFUSES,))

    def _keep(self, state: MeterState, readings: list[Reading]) -> None:
        state.last_readings.update({reading.series: reading for reading in readings})
        self._sink.record(readings)

    async def _make_ready(self, meter: PolledMeter) -> None:
        """Find out what must be known of a meter before it is read."""
        await self._find_points(meter)
        await self._check_type(meter.state)
        await self._check_identity(meter.state, meter.reader)

    async def _find_points(self, meter: PolledMeter) -> None:
        """Of a device that tells where its points lie, find out; DeviceError where it has none of them."""
        walk = meter.reader.find()
        if walk is None:
            return
        from edge_agent.sunspec_discovery import discover  # only here: memory of sites without SunSpec

        await discover(walk, functools.partial(self._read, meter.state))
        meter.forget_refused()
        self._faults.clear(meter.state.config.id, (FaultCode.METER_MODELS,))

    async def _exchange_block(self, meter: PolledMeter, block: RegisterBlock) -> bytes:
        """The data of a block, none for one without registers; LineCorrupt where its points have moved."""
        data = await self._exchange(meter.state, block) if block.count else b""
        if meter.reader.has_moved(block, data):
            text = f"{block_name(block)}: the device's models have moved, and are looked up anew"
            raise LineCorrupt(text, len(data))
        return data

    async def _check_type(self, state: MeterState) -> None:
        """Ask what model it is, once; a device that does not tell is taken as it comes."""
        type_code = state.profile.type_code
        if type_code is None or state.type_told is not None:
            return
        # Only where a model is asked for:
        from edge_agent.recognition import decode_type_code, is_type, type_code_block

        try:
            told = decode_type_code(type_code, await self._exchange(state, type_code_block(type_code)))
        except DeviceError as error:
            if error.device_code not in (ACKNOWLEDGED, BUSY):
                state.type_told = ""
            return
        judge_told_type(state, told, not told or is_type(type_code, told), self._faults)

    async def _check_identity(self, state: MeterState, reader: ModbusReader) -> None:
        if state.identity in ("verified", "unverifiable", "unconfigured"):
            return
        if reader.identity_block is None:
            state.identity = "unverifiable"
            return
        try:
            data = await self._exchange(state, reader.identity_block)
        except DeviceError as error:
            if error.device_code in (ACKNOWLEDGED, BUSY):
                raise  # it may well tell its number later
            state.identity = "unverifiable"
            state.last_error = f"serial number: {error.text}"
            return
        state.serial_read = reader.decode_serial(data)
        judge_serial(state, self._faults)

    async def _exchange(self, state: MeterState, block: RegisterBlock) -> bytes:
        return await self._read(state, ReadRequest(_FUNCTIONS[block.table], block.address, block.count))

    async def _read(self, state: MeterState, read: ReadRequest) -> bytes:
        driver = self._open_driver()
        timeout_s = self.config.reply_timeout_s or state.profile.limits.reply_timeout_s
        try:
            data = await driver.exchange(self._make_exchange(state.config.address, read), timeout_s)
        except DeviceError as error:
            self._raise_if_from_gateway(state, error)
            self._note_path(state, exists=True)
            raise
        self._note_path(state, exists=True)
        return data

    def _open_driver(self) -> LineDriver:
        if self.port.driver is None:
            raise PortError("port.gone", self.port.last_error or f"line {self.config.id} is not open")
        return self.port.driver

    def _make_exchange(self, unit: int, read: Request) -> RtuExchange | AsciiExchange | TcpExchange:
        self._transaction = (self._transaction + 1) % 0x10000
        return make_exchange(self.config.protocol, unit, read, self._transaction)

    def _raise_if_from_gateway(self, state: MeterState, error: DeviceError) -> None:
        """Exceptions 0A and 0B are the word of a gateway, not of the meter (V1.1b3, section 7)."""
        unit = state.config.address
        if error.device_code == TARGET_SILENT:
            self._note_path(state, exists=True)
            text = f"the gateway answered, unit {unit} behind it did not (exception 0B)"
            raise LineTimeout(f"{text}; is the meter on, and is this its address?") from error
        if error.device_code == PATH_UNAVAILABLE:
            self._note_path(state, exists=False)
            text = f"the gateway answered that it has no way to unit {unit} (exception 0A)"
            raise PathUnavailable(f"{text}; look at the gateway's own settings") from error

    def _note_path(self, state: MeterState, *, exists: bool) -> None:
        """Whether a gateway has a way to this meter; one without is a fault of the line."""
        if exists and state.config.id not in self._pathless:
            return
        (self._pathless.discard if exists else self._pathless.add)(state.config.id)
        if not self._pathless:
            self._faults.clear(self.config.id, (FaultCode.LINE_PATH,))
            return
        units = ", ".join(
            f"{m.config.id} ({m.config.address})" for m in self.meters if m.config.id in self._pathless
        )
        text = f"{self.config.url}: no way to {units}: exception 0A"
        self._faults.raise_(FaultCode.LINE_PATH, self.config.id, text)

    def _note_absent(self, turn: Round, error: LineTimeout | LineCorrupt | PortError) -> NullCause:
        """Book a failed round and say which null it makes."""
        if isinstance(error, PortError):
            self.port.lose(error)
            return NullCause.PORT_GONE
        meter, state = turn.meter, turn.meter.state
        if isinstance(error, PartySuspect):
            return NullCause.SILENT  # it was not asked again, so nothing more is known of it
        state.note_failure(self._clock.boot_ms(), str(error))
        meter.reader.forget()
        state.identity = initial_identity(state.config)  # whoever answers next may be another device
        state.type_told = None
        if isinstance(error, PathUnavailable):
            return NullCause.PORT_GONE
        silent = isinstance(error, LineTimeout)
        meter.absent_cause = NullCause.SILENT if silent else NullCause.CORRUPT
        if turn.heard:
            meter.back_off.note_answer()
        else:
            meter.back_off.note_failure(turn.due_ms)
        if state.failed_rounds >= SILENT_ROUNDS_MIN:
            meter.forget_refused()
            code = FaultCode.METER_SILENT if silent else FaultCode.METER_CORRUPT
            self._faults.raise_(code, state.config.id, f"{state.failed_rounds} rounds: {error}")
        return meter.absent_cause


async def ask_once(
    driver: LineDriver, exchange: RtuExchange | AsciiExchange | TcpExchange, timeout_s: float
) -> bytes:
    """One request of a person who wants to know who is there.

    A late answer to another function cannot be taken for registers. So a unit that leaves its identification
    unanswered is not left alone for it: its own slots may be next.
    """
    try:
        return await driver.exchange(exchange, timeout_s)
    except PartySuspect:
        raise
    except LineTimeout:
        if not isinstance(exchange.read, ReadRequest):
            driver.memory.asked_s.pop(exchange.party, None)
        raise


def make_exchange(
    protocol: LineProtocol, unit: int, request: Request, transaction: int
) -> RtuExchange | AsciiExchange | TcpExchange:
    """One request in the framing of its line; ValueError for a unit number that the protocol has not."""
    if protocol == "modbus-tcp":
        return TcpExchange(unit, request, transaction)
    return (AsciiExchange if protocol == "modbus-ascii" else RtuExchange)(unit, request)


def line_silence_s(line: Line) -> float:
    """The silence before a request: what the standard asks, or more where a device of the line wants more.

    RTU asks for it where characters have their times. Behind a serial server (`tcp://`) the server keeps
    it; ASCII frames begin and end with characters of their own.
    """
    if line.config.protocol == "modbus-tcp":
        return 0.0
    timed = line.config.protocol == "modbus-rtu" and urlsplit(line.config.url).scheme in _ON_SERIAL_LINES
    return max(silence_s(line.baud, line.format), line.gap_s) if timed else line.gap_s


def late_answer_s(line: Line) -> float:
    """How long an unanswered request may still be answered, where answers do not name their request:
    in RTU and ASCII, on whatever they travel. Modbus TCP numbers them."""
    return LATE_ANSWER_S_MAX if line.config.protocol in ("modbus-rtu", "modbus-ascii") else 0.0
