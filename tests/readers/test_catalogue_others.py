"""Every profile of the catalogue that is not Modbus, from a simulated meter to its readings: each quantity
has its value, exact, in the fewest requests. From meters that push, one telegram fills a slot."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from config.catalogue import catalogue, readable_evidence
from config.keys import MeterKeys
from config.load import Line
from config.model import LineConfig, LineProtocol, MeterConfig
from config.profile import DeviceProfile, Object, Record
from edge_agent.clock import BootClock
from edge_agent.d0_worker import D0Worker
from edge_agent.dlms_reader import DlmsReader, dlms_receiver
from edge_agent.faults import Faults
from edge_agent.line import LineDriver, LineMemory
from edge_agent.line_port import LinePort
from edge_agent.mbus_reader import MbusReader
from edge_agent.mbus_worker import MbusWorker
from edge_agent.meter_state import MeterState, initial_identity
from edge_agent.parts import Parts
from edge_agent.pulse_counts import PulseCounts, PulseMeter
from edge_agent.pulse_reader import PulseReader
from edge_agent.pulse_worker import make_filter
from edge_agent.push_codecs import p1_receiver, pushed_read_outs
from edge_agent.reading import Reading
from edge_agent.serials import same_serial
from edge_agent.sml_reader import SmlReader
from edge_agent.text_readers import D0Reader, P1Reader
from hal.api import Port
from hal.sim.clock import SimClock
from hal.sim.dlms import FRAMINGS, DlmsPusher, sim_keys
from hal.sim.mbus_meters import SimMbusMeter
from hal.sim.meters import SimMeter, SimRead
from hal.sim.pulses import PERIOD_PULSES_MIN, PULSE_DEFAULT_MS, PulseFaults, SimPulses
from hal.storage import FolderStorage
from protocols.dialogue import Pause, Receive, Send, SetBaud, Step
from protocols.dlms import DlmsTelegram
from protocols.iec62056_21 import Station, answer_several
from protocols.mbus.frames import DATA_BYTES_MAX, Frame, FrameReceiver, LongFrame, ShortFrame, encode_frame
from protocols.mbus.link import FCB, REQ_UD2, SND_NKE, MeterStation
from protocols.mbus.telegram import HEADER_SIZES, LONG_HEADER
from protocols.p1 import encrypt_telegram
from protocols.quantities import by_name, by_number
from protocols.s0 import NS_PER_MS
from protocols.sml import SmlReceiver
from protocols.units import conversion
from protocols.value import Quality
from tests.line.wire import Wire
from tests.line.worker import Kept, parts_of
from tests.world.virtual_loop import run_virtual

OTHERS = {name: profile for name, profile in catalogue().items() if profile.protocol != "modbus"}
SERIAL = "12345678"
SERVER_ID = "1EMH0012345678"
READ_OUT_BAUD = 9600
INTERVAL_S_MIN = 60
ROUNDS = 3
PULSES = 50  # a slot
SEED = 7
TITLE = b"SIM12345"


class Bench:
    """A meter's configuration, and what the simulated meter says that it gave out. `agreed`: the quantities
    that had a value."""

    def __init__(self, profile: DeviceProfile, serial: str, quantities: tuple[str, ...] = ()) -> None:
        self.profile = profile
        self.interval_s = max(INTERVAL_S_MIN, profile.limits.interval_s_min)
        self.given: list[dict[str, str]] = []
        self.agreed: set[str] = set()
        self.meter = MeterConfig(
            id="m",
            line="l",
            profile=profile.name,
            address=5,
            serial=serial,
            interval_s=self.interval_s,
            quantities=quantities,
        )

    def note(self, read: SimRead) -> None:
        self.given.append(read.values)

    def agree(self, reader: Any, readings: Sequence[Reading]) -> None:
        """The readings of a slot are what the meter gave out for it, once; nothing lacks, nothing is more."""
        (given,) = self.given
        self.given.clear()
        wanted = set(self.meter.quantities or given)
        told = {by_number(reader.series[r.series].quantity).name: r for r in readings}
        assert told.keys() == wanted
        assert len(readings) == len(wanted)
        for name, reading in told.items():
            assert reading.value is not None, (name, reading.null_cause)
            assert reading.quality == Quality.GOOD, name
            value = Decimal(str(reading.value))
            assert value == expected(self.profile, name, given[name]), name
            assert by_name(name).kind != "state" or value == value.to_integral_value(), name
        self.agreed |= told.keys()


def expected(profile: DeviceProfile, name: str, text: str) -> Decimal:
    """What the meter gave out, and of a gauge with a resolution the nearest step."""
    entries: list[Object | Record] = [*profile.objects, *profile.records]
    (entry,) = [each for each in entries if each.quantity == name]
    if not entry.resolution or by_name(name).kind != "gauge":
        return Decimal(text)
    step = Decimal(entry.resolution)
    return (Decimal(text) / step).quantize(Decimal(1), ROUND_HALF_UP) * step


def as_sold(profile: DeviceProfile) -> list[DeviceProfile]:
    """The meters that a profile is for: of objects with one address, each has one, by its unit."""
    groups: dict[tuple[str, str], list[Object]] = {}
    for item in profile.objects:
        groups.setdefault((item.address, item.obis), []).append(item)
    kinds = max(map(len, groups.values()), default=1)
    others = [tuple(group[min(n, len(group) - 1)] for group in groups.values()) for n in range(1, kinds)]
    return [profile, *(msgspec.structs.replace(profile, objects=objects) for objects in others)]


class Pushing(NamedTuple):
    """How a meter's telegram at a time goes over the wire, and what takes it from there."""

    telegram: Callable[[int], bytes]
    receiver: Any


def pushings(profile: DeviceProfile, meter: SimMeter) -> Iterator[Pushing]:
    """Each way in which the meters of a profile push."""
    keys = sim_keys(meter.serial)
    configured = MeterKeys(keys.key, keys.authentication_key)
    plain, encrypted = profile.encryption != "always", profile.encryption != "never"
    if profile.protocol == "sml":
        yield Pushing(meter.telegram, SmlReceiver())
    elif profile.protocol == "d0":
        yield Pushing(meter.telegram, pushed_read_outs())
    elif profile.protocol == "p1":
        if plain:
            yield Pushing(meter.telegram, p1_receiver(MeterKeys()))
        if encrypted:
            yield Pushing(lambda ms: encrypted_p1(meter, ms), p1_receiver(configured))
    else:
        for framing in FRAMINGS:
            if plain:
                yield Pushing(DlmsPusher(meter, framing=framing).telegram, dlms_receiver(MeterKeys()))
            if encrypted:
                pusher = DlmsPusher(meter, framing=framing, encrypted=True)
                yield Pushing(pusher.telegram, dlms_receiver(configured))


def encrypted_p1(meter: SimMeter, elapsed_ms: int) -> bytes:
    keys = sim_keys(meter.serial)
    assert keys.key is not None
    assert keys.authentication_key is not None
    return encrypt_telegram(
        meter.telegram(elapsed_ms),
        key=keys.key,
        authentication_key=keys.authentication_key,
        system_title=TITLE,
        counter=elapsed_ms,
    )


READERS: dict[str, Any] = {"sml": SmlReader, "d0": D0Reader, "p1": P1Reader, "dlms": DlmsReader}


def check_pushing(profile: DeviceProfile, sold: DeviceProfile) -> set[str]:
    bench = Bench(profile, SERVER_ID if profile.protocol == "sml" else SERIAL)
    meter = SimMeter(sold, bench.meter.serial, SEED, bench.note)
    for telegram_at, receiver in pushings(profile, meter):
        reader = READERS[profile.protocol](profile, bench.meter, 0)
        for slot in range(1, 1 + ROUNDS):
            due_ms = 1000 * bench.interval_s * slot
            found = receiver.receive_data(telegram_at(due_ms))
            if not found:  # its end is the silence behind it
                found = receiver.receive_end()
            (telegram,) = found
            assert same_serial(bench.meter.serial, reader.serial_of(telegram))
            bench.agree(reader, reader.decode(telegram, due_ms, due_ms))
    return bench.agreed


class Head:
    """A port with one meter behind an optical head, on the loop's clock. Characters take no time, and
    both sides must send at one rate. `asked`: each sign-on."""

    char_time_s = 0.0

    def __init__(self, station: Station, baud: int) -> None:
        self.asked: list[bytes] = []
        self._meter = answer_several([station], initial_baud=baud)
        self._baud = self._meter_baud = baud
        self._arrived: asyncio.Queue[bytes] = asyncio.Queue()
        self._heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def run(self) -> None:
        step = next(self._meter)
        while True:
            step = self._meter.send(await self._do(step))

    async def _do(self, step: Step) -> bytes:
        match step:
            case SetBaud(baud):
                self._meter_baud = baud
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case Send(data):
                assert self._meter_baud == self._baud
                self._arrived.put_nowait(data)
            case Receive(timeout_s):
                return await _next(self._heard, timeout_s)
        return b""

    async def write(self, data: bytes) -> None:
        assert self._meter_baud == self._baud
        self.asked += [data] if data.startswith(b"/?") else []
        self._heard.put_nowait(data)

    async def read(self, timeout_s: float, expected: int = 1) -> bytes:
        return await _next(self._arrived, timeout_s)

    def discard_input(self) -> None:
        while not self._arrived.empty():
            self._arrived.get_nowait()

    def reconfigure(self, baud: int) -> None:
        self._baud = baud

    async def close(self) -> None:
        """Nothing to release."""


async def _next(queue: asyncio.Queue[bytes], timeout_s: float) -> bytes:
    try:
        async with asyncio.timeout(timeout_s):
            return await queue.get()
    except TimeoutError:
        return b""


class Answering:
    """An M-Bus meter at a port: what it was asked, and what it answered."""

    def __init__(self, station: MeterStation) -> None:
        self.asked: list[Frame] = []
        self.told: list[LongFrame] = []
        self._station = station
        self._receiver = FrameReceiver()

    def receive_data(self, data: bytes) -> list[bytes]:
        (frame,) = self._receiver.receive_data(data)
        assert not isinstance(frame, Exception)
        self.asked.append(frame)
        answer = self._station.receive_frame(frame)
        if isinstance(answer, LongFrame):
            self.told.append(answer)
        return [] if answer is None else [encode_frame(answer)]


@asynccontextmanager
async def at_work(
    bench: Bench,
    protocol: LineProtocol,
    port: Port,
    make: Callable[[Line, MeterState, LinePort[LineDriver], Parts], Any],
) -> AsyncIterator[Kept]:
    """The worker that asks the meter, from a slot's middle on; at the end no fault holds and its serial
    number was compared."""
    with tempfile.TemporaryDirectory() as folder:
        clock = BootClock(FolderStorage(Path(folder)), SimClock(time_s=asyncio.get_running_loop().time))
    kept, faults, link = Kept(), Faults(clock.boot_ms), bench.profile.link

    async def open_driver(_line: Line, memory: LineMemory) -> LineDriver:
        return LineDriver(port, silence_s=0.0, baud=link.baud, memory=memory)

    config = LineConfig(id="l", url=f"sim://{protocol}", protocol=protocol)
    line = Line(config, (0,), link.baud, link.format, bench.profile.limits.reply_timeout_s, 0.0)
    state = MeterState(bench.meter, bench.profile, initial_identity(bench.meter))
    opened = LinePort(line, open_driver, faults, random.Random(SEED))
    worker = make(line, state, opened, parts_of(clock, kept, faults))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(opened.run()), group.create_task(worker.run())]
        await asyncio.sleep(bench.interval_s / 2)
        yield kept
        assert (faults.present(), state.identity) == ([], "verified")
        for task in tasks:
            task.cancel()


async def slots(bench: Bench, kept: Kept) -> AsyncIterator[list[Reading]]:
    """The readings of one slot after the other, from the middle of a slot on."""
    for slot in range(ROUNDS):
        yield [reading for reading in kept.readings if reading.due_ms == 1000 * bench.interval_s * slot]
        await asyncio.sleep(bench.interval_s)


async def check_read_out(profile: DeviceProfile, sold: DeviceProfile) -> None:
    """One sign-on a slot, whose read-out has everything."""
    bench, elapsed_ms = Bench(profile, SERIAL), lambda: int(1000 * asyncio.get_running_loop().time())
    meter, reader = SimMeter(sold, SERIAL, SEED, bench.note), D0Reader(profile, bench.meter, 0)
    head = Head(meter.station(elapsed_ms, read_out_baud=READ_OUT_BAUD), profile.link.baud)
    listening = asyncio.create_task(head.run())
    async with at_work(
        bench, "d0", head, lambda line, state, *rest: D0Worker(line, [(state, reader)], *rest)
    ) as kept:
        async for readings in slots(bench, kept):
            bench.agree(reader, readings)
            assert len(head.asked) == 1
            head.asked.clear()
    listening.cancel()


async def check_loop(
    profile: DeviceProfile, quantities: tuple[str, ...], records_max: int, telegrams: int | None
) -> set[str]:
    """So many telegrams a slot; None: as few as the bytes of the records take. One link reset at the
    beginning, or, of a meter with several telegrams, before each read-out: it begins with the first."""
    bench, elapsed_ms = (
        Bench(profile, SERIAL, quantities),
        lambda: int(1000 * asyncio.get_running_loop().time()),
    )
    meter = SimMbusMeter(profile, SERIAL, 5, SEED, elapsed_ms, bench.note, records_max=records_max)
    reader = MbusReader(profile, bench.meter, 0)
    loop = Answering(meter.station(profile.link.baud))
    async with at_work(
        bench, "mbus", Wire(loop), lambda line, state, *rest: MbusWorker(line, [(state, reader)], *rest)
    ) as kept:
        resets = 1
        async for readings in slots(bench, kept):
            bench.agree(reader, readings)
            head_bytes = HEADER_SIZES[LONG_HEADER]
            records_bytes = sum(len(frame.data) - head_bytes for frame in loop.told)
            bound = telegrams or ceil(records_bytes / (DATA_BYTES_MAX - head_bytes))
            kinds = [frame.control & ~FCB for frame in loop.asked if isinstance(frame, ShortFrame)]
            assert kinds == [SND_NKE] * resets + [REQ_UD2 & ~FCB] * bound
            resets = int(len(profile.records) > records_max)
            assert len(loop.asked) == len(kinds)
            loop.asked.clear()
            loop.told.clear()
    return bench.agreed


def check_mbus(profile: DeviceProfile) -> set[str]:
    """All in one telegram, each record in its own, and one that is wanted of those."""
    names = tuple(record.quantity for record in profile.records)
    run_virtual(check_loop(profile, (), 1, len(names)))
    run_virtual(check_loop(profile, names[:1], 1, 1))
    return run_virtual(check_loop(profile, (), len(names), None))


def check_telegrams(profile: DeviceProfile) -> set[str]:
    agreed: set[str] = set()
    for sold in as_sold(profile):
        agreed |= check_pushing(profile, sold)
        if profile.protocol == "d0":
            run_virtual(check_read_out(profile, sold))
    return agreed


def check_pulses(profile: DeviceProfile) -> set[str]:
    """What the pulses make of the display; where that has no end, cut by less than a tenth of a pulse."""
    pulse, bench = profile.pulse, Bench(profile, "")
    assert pulse is not None
    reader, watched = PulseReader(profile, bench.meter, 0), make_filter(pulse)
    counts = PulseCounts(None, [PulseMeter("m", pulse.quantity, reader.step)])
    pulse_ms = 2 * max(PULSE_DEFAULT_MS, pulse.pulse_ms_min, pulse.pause_ms_min)
    period_ms = PERIOD_PULSES_MIN * pulse_ms
    faults = PulseFaults(bounce=0.5, glitch=0.5)
    contact = SimPulses(period_ms=period_ms, pulse_ms=pulse_ms, faults=faults, seed=SEED)
    factor = Fraction(str(conversion(pulse.unit, by_name(pulse.quantity).unit)))
    step = factor / Fraction(pulse.pulses_per_unit)
    for slot in range(ROUNDS):  # each ends in a pause
        after_ns, until_ns = (PULSES * period_ms * n * NS_PER_MS for n in (slot, slot + 1))
        found = watched.receive_edges(contact.edges(after_ns, until_ns)) + watched.settle(until_ns)
        counts.add("m", len(found))
        display = counts.display("m")
        assert display is not None
        (reading,) = reader.decode(display, until_ns, until_ns)
        exact = contact.true_pulses(0, until_ns) * step
        told = Fraction(str(reading.value))
        assert told == exact if (exact * 10**9).denominator == 1 else 0 <= exact - told < step / 10
        assert (reading.series, reading.quality, exact > 0) == (0, Quality.GOOD, True)
    return {by_number(reader.series[0].quantity).name}


@pytest.mark.parametrize("profile", OTHERS.values(), ids=OTHERS)
def test_meter_and_agent_agree_on_each_value_in_the_fewest_requests(profile: DeviceProfile) -> None:
    check = {"mbus": check_mbus, "s0": check_pulses}.get(profile.protocol, check_telegrams)
    assert check(profile) == readable_evidence(profile).keys()


def test_a_meter_sends_no_unit_where_its_profile_states_it() -> None:
    meter = SimMeter(OTHERS["sagemcom-xt211"], SERIAL, SEED)
    (telegram,) = dlms_receiver(MeterKeys()).receive_data(DlmsPusher(meter).telegram(0))
    assert isinstance(telegram, DlmsTelegram)
    assert {value.unit for value in telegram.values} == {None}
