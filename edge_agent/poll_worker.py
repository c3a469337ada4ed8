"""The worker of a polled line: asks its meters when they are due.

Rules:
- Each slot that was due yields one reading for each series: a value, or a null with its cause.
- A meter that does not answer costs its line one timeout a round; the rest of its round is null.
- Nothing counts before the serial number was compared, where one is configured and can be read. A meter that
  is busy (exceptions 05, 06) when asked for it is asked again in its next round.
- While the port is gone, slots go by as nulls.
- A gateway that says that a meter did not answer it (exception 0B) is a silent meter, told by somebody else;
  that it has no way to the meter (0A), a fault of the line. Neither says anything about the meter itself.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from urllib.parse import urlsplit

from config.load import Line
from edge_agent.clock import BootClock
from edge_agent.faults import FaultCode, Faults
from edge_agent.line import LATE_ANSWER_S_MAX, LineCorrupt, LineDriver, LineTimeout
from edge_agent.line_port import LinePort
from edge_agent.meter_state import SILENT_ROUNDS_MIN, MeterState, initial_identity, judge_serial
from edge_agent.poll_plan import DueRead, PollPlan, RegisterBlock
from edge_agent.readers import ModbusReader
from edge_agent.reading import Reading, Sink
from edge_agent.rounds import note_overrun, wait_until_due
from hal.api import PortError
from protocols.errors import DeviceError
from protocols.modbus.ascii import AsciiExchange
from protocols.modbus.pdu import ACKNOWLEDGED, BUSY, PATH_UNAVAILABLE, TARGET_SILENT, ReadRequest
from protocols.modbus.rtu import RtuExchange, silence_s
from protocols.modbus.tcp import TcpExchange
from protocols.value import NullCause

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
        clock: BootClock,
        sink: Sink,
        faults: Faults,
        *,
        started_ms: int,
    ) -> None:
        """`started_ms`: from when on this run of the agent accounts for every slot."""
        self.line = line
        self.config = line.config
        self.port = port
        self._meters = meters
        self._clock = clock
        self._sink = sink
        self._faults = faults
        self._bus = asyncio.Lock()
        self._transaction = 0
        self._pathless: set[str] = set()  # meters to which a gateway says that it has no way
        self._turned = asyncio.Event()
        self._due: deque[DueRead] = deque()  # taken from the plan; at most one for each meter
        self._plan = PollPlan([state.planned for state in self.meters], clock.alignment_ms(), started_ms)

    @property
    def meters(self) -> list[MeterState]:
        """The meters of this line."""
        return [state for state, _ in self._meters]

    def replan(self) -> None:
        """The wall clock stepped: slots lie elsewhere on the boot axis from now on."""
        self._plan.realign(self._clock.alignment_ms(), self._clock.boot_ms())
        self._turned.set()

    def accounted_ms(self) -> int:
        """All slots due before this have been recorded."""
        oldest = [self._meters[due.meter][0].oldest_ms(due) for due in self._due]
        return min([*oldest, self._plan.next_due_ms()])

    async def wait_idle(self) -> None:
        """Return between two rounds, and let no other begin: the line is about to be closed."""
        await self._bus.acquire()

    async def run(self) -> None:
        """Read what is due, for ever."""
        await self.port.wait_tried()
        while True:
            await wait_until_due(self._plan.next_due_ms(), self._clock, self._turned)
            self._due.extend(self._plan.pop_due(self._clock.boot_ms()))
            while self._due:
                async with self._bus:
                    await self._read_due(self._due[0])
                self._due.popleft()

    async def read_now(self, meter: str) -> list[Reading]:
        """Ask a meter at once, outside of the schedule; what it says is not recorded.

        Raises LineTimeout, LineCorrupt, DeviceError or PortError.
        """
        state, reader = next(pair for pair in self._meters if pair[0].config.id == meter)
        async with self._bus:
            now = self._clock.boot_ms()
            if self.port.driver is None:
                raise PortError("port.gone", self.port.last_error or f"line {self.config.id} is not open")
            await self._check_identity(state, reader)
            readings: list[Reading] = []
            for block in reader.blocks:
                data = await self._exchange(state, block)
                readings += reader.decode(block, data, now, self._clock.boot_ms())
            return readings

    async def _read_due(self, due: DueRead) -> None:
        state, reader = self._meters[due.meter]
        state.pass_over(due, len(reader.series), self._sink)
        for slot_ms in due.missed:
            self._sink.record(reader.nulls(slot_ms, self._clock.boot_ms(), NullCause.LINE_BUSY))
        note_overrun(state, due, self._faults)
        await self._read_meter(state, reader, due.due_ms)

    async def _read_meter(self, state: MeterState, reader: ModbusReader, due_ms: int) -> None:
        """One round of one meter: all blocks, up to the first that shows it absent. Each block goes into the
        buffer as it comes: a round takes seconds, and a reading that has come must wait for no other."""
        readings: list[Reading] = []
        blocks = list(reader.blocks)
        try:
            await self._check_identity(state, reader)
            if state.identity == "mismatch":
                self._keep(state, reader.nulls(due_ms, self._clock.boot_ms(), NullCause.WRONG_DEVICE))
                return
            while blocks:
                fresh = await self._read_block(state, reader, blocks[0], due_ms)
                self._keep(state, fresh)
                readings += fresh
                blocks.pop(0)
        except DeviceError as error:  # of the serial number; a block that is refused is one null block
            state.last_error = f"serial number: {error.text}"
            self._faults.raise_(FaultCode.METER_REFUSES, state.config.id, state.last_error)
            self._keep(state, reader.nulls(due_ms, self._clock.boot_ms(), NullCause.REFUSED))
            return
        except (LineTimeout, LineCorrupt, PortError) as error:
            cause = self._note_absent(state, error)
            self._keep(state, reader.nulls(due_ms, self._clock.boot_ms(), cause, blocks))
            return
        if any(reading.value is not None for reading in readings):
            state.note_good(self._clock.boot_ms())
            self._faults.clear(state.config.id, (FaultCode.METER_SILENT, FaultCode.METER_CORRUPT))
        if not any(reading.null_cause is NullCause.REFUSED for reading in readings):
            self._faults.clear(state.config.id, (FaultCode.METER_REFUSES,))

    def _keep(self, state: MeterState, readings: list[Reading]) -> None:
        state.last_readings.update({reading.series: reading for reading in readings})
        self._sink.record(readings)

    async def _read_block(
        self, state: MeterState, reader: ModbusReader, block: RegisterBlock, due_ms: int
    ) -> list[Reading]:
        try:
            data = await self._exchange(state, block)
        except DeviceError as error:
            self._faults.raise_(FaultCode.METER_REFUSES, state.config.id, f"{_place(block)}: {error.text}")
            return reader.nulls(due_ms, self._clock.boot_ms(), NullCause.REFUSED, [block])
        return state.doubted(reader.decode(block, data, due_ms, self._clock.boot_ms()))

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
        driver = self.port.driver
        if driver is None:
            raise PortError("port.gone", self.port.last_error or f"line {self.config.id} is not open")
        read = ReadRequest(_FUNCTIONS[block.table], block.address, block.count)
        timeout_s = self.config.reply_timeout_s or state.profile.limits.reply_timeout_s
        try:
            data = await driver.exchange(self._make_exchange(state.config.address, read), timeout_s)
        except DeviceError as error:
            self._raise_if_from_gateway(state, error)
            self._note_path(state, exists=True)
            raise
        self._note_path(state, exists=True)
        return data

    def _make_exchange(self, unit: int, read: ReadRequest) -> RtuExchange | AsciiExchange | TcpExchange:
        if self.config.protocol == "modbus-tcp":
            self._transaction = (self._transaction + 1) % 0x10000
            return TcpExchange(unit, read, self._transaction)
        return (AsciiExchange if self.config.protocol == "modbus-ascii" else RtuExchange)(unit, read)

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

    def _note_absent(self, state: MeterState, error: LineTimeout | LineCorrupt | PortError) -> NullCause:
        """Book a failed round and say which null it makes."""
        if isinstance(error, PortError):
            self.port.lose(error)
            return NullCause.PORT_GONE
        state.note_failure(self._clock.boot_ms(), str(error))
        state.identity = initial_identity(state.config)  # whoever answers next may be another device
        if isinstance(error, PathUnavailable):
            return NullCause.PORT_GONE
        silent = isinstance(error, LineTimeout)
        if state.failed_rounds >= SILENT_ROUNDS_MIN:
            code = FaultCode.METER_SILENT if silent else FaultCode.METER_CORRUPT
            self._faults.raise_(code, state.config.id, f"{state.failed_rounds} rounds: {error}")
        return NullCause.SILENT if silent else NullCause.CORRUPT


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


def _place(block: RegisterBlock) -> str:
    return f"{block.table} registers {block.address} to {block.address + block.count - 1}"
