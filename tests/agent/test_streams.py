"""Several streams of one gateway: each kept, sent, bounded and erased apart from the others."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pytest

from config.load import load_gateway
from edge_agent.agent import private_folder
from edge_agent.buffer.buffer import OutboxMessage
from edge_agent.clock import BootClock
from edge_agent.counter_memory import CounterMemory, CounterNote, MeterNote, Notes
from edge_agent.faults import Faults
from edge_agent.main import main
from edge_agent.pulse_counts import PulseCounts, PulseMeter
from edge_agent.reading import Reading
from edge_agent.streams import STREAM_OPEN, TURN_SHARE, Streams, has_streams, open_streams
from hal.storage import FolderStorage
from protocols.uplink.cbor import decode_message
from protocols.uplink.cose import Signer, verify
from protocols.uplink.messages import Event, GapCause, MessageType, Receipt, Request
from protocols.value import Scaled
from tests.buffer.rig import KEY, Content, HandClock, read_outbox

MIB = 1024 * 1024
SITE = """
[gateway]
id = "du-home-7"
state_folder = "{folder}/state"
socket = "agent.sock"
[uplink]
url = "mqtt://127.0.0.1"
ca = ""
certificate = ""
key = ""
backend_key = ""
free_on = "puback"
[buffer]
size_bytes_max = {size_bytes_max}
[[line]]
id = "bus"
url = "sim://modbus-rtu"
protocol = "modbus-rtu"
{meters}{streams}"""
METER = """[[meter]]
id = "{0}"
line = "bus"
profile = "eastron-sdm630"
address = {1}
serial = "serial-of-{0}"
quantities = ["voltage_l1", "energy_active_import_total"]
"""
STREAM = """[[stream]]
id = "{0}"
meters = {1}
priority = {2}
size_bytes_max = {3}
"""
METERS = ("lift", "flat-3", "pump", "flat-4")
HOUSEHOLDS = (("household-3", ["flat-3"], 7), ("household-4", ["flat-4"], 7))


@dataclass
class Rig:
    """Open streams, with a clock that the test turns."""

    streams: Streams
    clock: HandClock
    faults: Faults

    def tick(self, *meters: str) -> int:
        """One reading of each series of these meters (default: of all), in a slot of its own."""
        self.clock.ms += 1000
        for meter in meters or METERS:
            first = 2 * METERS.index(meter)
            self.streams.record([reading(series, self.clock.ms) for series in (first, first + 1)])
        return self.clock.ms

    def stream(self, name: str) -> int:
        """The number of a stream."""
        [part] = [part for part in self.streams.parts if part.plan.id == name]
        return part.buffer.statistics().stream

    async def send(self, limit: int = 4) -> list[OutboxMessage]:
        """Send what may go, and have the broker take it."""
        messages = await self.streams.next_messages(limit, set())
        for message in messages:
            await self.streams.mark_published(message.stream, message.sequence)
        return messages

    async def send_all(self) -> list[OutboxMessage]:
        sent: list[OutboxMessage] = []
        while messages := await self.send():
            sent += messages
        await self.streams.flush()
        return sent

    def kill(self) -> None:
        """End without a word."""
        for part in self.streams.parts:
            part.buffer._recorder._keeper.close()


def reading(series: int, due_ms: int) -> Reading:
    """Its value says which it is, so that a swap shows."""
    return Reading(series, due_ms, due_ms + 7, Scaled(10 * due_ms + series, -1), 0)


def write_site(
    folder: Path,
    streams: Sequence[tuple[str, list[str], int]],
    size_bytes_max: int = 16 * MIB,
    gone: Sequence[str] = (),
    each: str = "",
) -> Path:
    meters = "".join(METER.format(name, n + 1) for n, name in enumerate(METERS) if name not in gone)
    tables = "".join(
        STREAM.format(name, str(own).replace("'", '"'), priority, 2 * MIB) + each
        for name, own, priority in streams
    )
    path = folder / "gateway.toml"
    path.write_text(SITE.format(folder=folder, meters=meters, streams=tables, size_bytes_max=size_bytes_max))
    return path


async def start(
    folder: Path,
    streams: Sequence[tuple[str, list[str], int]] = HOUSEHOLDS,
    clock: HandClock | None = None,
    gone: Sequence[str] = (),
    each: str = "",
) -> Rig:
    gateway = load_gateway(write_site(folder, streams, gone=gone, each=each))
    clock = clock or HandClock()
    storage = FolderStorage(private_folder(gateway.state_folder / "buffer"))
    faults = Faults(clock.boot_ms)
    boot = BootClock(storage, clock)
    return Rig(await open_streams(gateway, storage, Signer(KEY), boot, faults), clock, faults)


def outboxes(folder: Path) -> dict[str, Content]:
    """What lies in each stream's folder, decoded as a backend would."""
    found = {"main": read_outbox(folder / "state" / "buffer")}
    for each in sorted((folder / "state").glob("streams/*")):
        found[each.name] = read_outbox(each)
    return found


def seen(content: Content) -> dict[str, set[tuple[int, Scaled | None]]]:
    """(due, value) of each meter."""
    found: dict[str, set[tuple[int, Scaled | None]]] = {}
    for (_, meter, _, due_ms), value in content.values.items():
        found.setdefault(meter, set()).add((due_ms, value))
    return found


def expected(meter: str, due: Sequence[int]) -> set[tuple[int, Scaled | None]]:
    series = [2 * METERS.index(meter) + n for n in (0, 1)]
    return {(ms, reading(n, ms).value) for ms in due for n in series}


def normal(values: set[tuple[int, Scaled | None]]) -> set[tuple[int, str]]:
    """Values by their amount: a dictionary may have given a series more decimals."""
    return {(ms, str(value).rstrip("0").rstrip(".")) for ms, value in values}


async def test_each_reading_lies_in_its_own_stream_with_its_exact_value(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    due = [rig.tick() for _ in range(20)]
    assert rig.streams.statistics().readings_recorded == 20 * 8
    await rig.streams.close()
    contents = outboxes(tmp_path)
    assert {name: set(seen(content)) for name, content in contents.items()} == {
        "main": {"lift", "pump"},
        "household-3": {"flat-3"},
        "household-4": {"flat-4"},
    }
    for content in contents.values():
        for meter, values in seen(content).items():
            assert normal(values) == normal(expected(meter, due))
        sequences = sorted(sequence for _, sequence in content.messages)
        assert sequences == list(range(len(sequences)))
    tables = [table for name in HOUSEHOLDS for table in contents[name[0]].tables.values()]
    assert [[meter.id for meter in table] for table in tables] == [["flat-3"], ["flat-4"]]


async def test_a_reading_of_no_series_of_the_gateway_is_refused(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    with pytest.raises(ValueError, match="series 8, beyond the gateway's 8"):
        rig.streams.record([reading(8, 1)])
    await rig.streams.close()


async def test_a_stream_that_is_full_pushes_out_nothing_of_another(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    kept = [rig.tick("lift", "flat-4") for _ in range(5)]
    await rig.streams.seal_now()
    full = next(part.buffer for part in rig.streams.parts if part.plan.id == "household-3")
    for _ in range(200):
        for _ in range(400):
            rig.tick("flat-3")
        await rig.streams.seal_now()
        if full.statistics().evicted_messages:
            break
    evicted = {part.plan.id: part.buffer.statistics().evicted_messages for part in rig.streams.parts}
    assert evicted["main"] == evicted["household-4"] == 0
    present = {(fault.code.value, fault.subject) for fault in rig.faults.present()}
    assert present == {("buffer.full", "buffer household-3")}
    await rig.streams.next_messages(16, set())
    await rig.streams.close()
    contents = outboxes(tmp_path)
    assert normal(seen(contents["main"])["lift"]) == normal(expected("lift", kept))
    assert normal(seen(contents["household-4"])["flat-4"]) == normal(expected("flat-4", kept))
    assert contents["household-3"].gaps(GapCause.EVICTED)
    assert not contents["main"].gaps()


async def batches_of_an_outage(rig: Rig, count: int) -> None:
    for _ in range(count):
        rig.tick()
        await rig.streams.seal_now()


@pytest.mark.parametrize("limit", [1, 4, 16])
async def test_after_an_outage_the_urgent_stream_goes_first_and_none_starves(
    limit: int, tmp_path: Path
) -> None:
    """Priorities 0, 5 (main) and 7: of any sends in a row a quarter is not the most urgent one's."""
    rig = await start(tmp_path, (("billing", ["pump"], 0), ("household-3", ["flat-3"], 7)))
    await batches_of_an_outage(rig, 40)
    order: list[int] = []
    while messages := await rig.send(limit):
        order += [message.stream for message in messages]
    urgent, low = rig.stream("billing"), rig.stream("household-3")
    busy = order[: len(order) - order[::-1].index(urgent)]  # while the urgent one had something
    assert busy.count(urgent) >= len(busy) * (TURN_SHARE - 1) // TURN_SHARE
    places = [place for place, stream in enumerate(busy) if stream == low]
    gaps = [b - a for a, b in zip([0, *places], [*places, len(busy)], strict=False)]
    assert max(gaps) <= 2 * TURN_SHARE + limit, "two others wait: each has every second of the turns"
    assert order[0] == urgent
    assert len(order) == 3 * (40 + 2), "each has 40 batches, its dictionary, its name"
    await rig.streams.close()


async def test_what_is_in_flight_is_not_handed_out_again(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    await batches_of_an_outage(rig, 3)
    in_flight: set[tuple[int, int]] = set()
    while messages := await rig.streams.next_messages(3, in_flight):
        places = {(message.stream, message.sequence) for message in messages}
        assert len(places) == len(messages)
        assert not places & in_flight
        in_flight |= places
    assert len(in_flight) == 3 * (3 + 2)
    await rig.streams.close()


async def let_run() -> None:
    """What can go on without waiting for anything does."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_who_waits_for_messages_is_woken_by_any_stream_and_by_nothing_else(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    await rig.send_all()
    await rig.streams.next_messages(1, set())
    waiting = asyncio.create_task(rig.streams.wait_for_messages())
    await let_run()
    assert not waiting.done()
    rig.tick("flat-4")
    await rig.streams.seal_now()
    await asyncio.wait_for(waiting, 5)
    await rig.streams.close()


async def test_news_of_a_stream_that_was_not_asked_do_not_keep_the_session_busy(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    await batches_of_an_outage(rig, 2)
    assert [message.stream for message in await rig.streams.next_messages(1, set())] == [rig.stream("main")]
    waiting = asyncio.create_task(rig.streams.wait_for_messages())
    await let_run()
    assert not waiting.done()
    waiting.cancel()
    await rig.streams.close()


async def test_each_stream_has_its_own_bound_and_is_sealed_at_its_own_interval(tmp_path: Path) -> None:
    rig = await start(tmp_path, each="batch_interval_s = 11\n")
    bounds = {part.plan.id: part.buffer.statistics().size_bytes_max for part in rig.streams.parts}
    assert bounds == {"main": 12 * MIB, "household-3": 2 * MIB, "household-4": 2 * MIB}
    assert rig.streams.statistics().size_bytes_max == 16 * MIB
    await rig.send_all()
    running = asyncio.create_task(rig.streams.run())
    rig.clock.ms += 11_000  # the main stream's interval is 900 s
    rig.tick()
    own = {rig.stream("household-3"), rig.stream("household-4")}
    found: set[int] = set()
    async with asyncio.timeout(10):
        while not own <= found:
            await rig.streams.wait_for_messages()
            sent = await rig.streams.next_messages(16, set())
            found |= {message.stream for message in sent if message.type == MessageType.BATCH}
    assert found == own
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await rig.streams.close()


async def test_a_receipt_touches_its_own_stream_only(tmp_path: Path) -> None:
    text = write_site(tmp_path, HOUSEHOLDS).read_text().replace('"puback"', '"receipt"')
    text = text.replace('backend_key = ""', 'backend_key = "backend.pub"')
    (tmp_path / "backend.pub").write_text("-----BEGIN PUBLIC KEY-----\n")
    (tmp_path / "gateway.toml").write_text(text)
    gateway = load_gateway(tmp_path / "gateway.toml")
    clock = HandClock()
    storage = FolderStorage(private_folder(gateway.state_folder / "buffer"))
    faults = Faults(clock.boot_ms)
    streams = await open_streams(gateway, storage, Signer(KEY), BootClock(storage, clock), faults)
    rig = Rig(streams, clock, faults)
    await batches_of_an_outage(rig, 3)
    await rig.send_all()
    held = rig.stream("household-3")
    await streams.apply_receipt(Receipt(1, 1, held, 2, (), (), 32, 0))
    await streams.apply_receipt(Receipt(1, 2, 4_000_000_000, 99, (), (), 32, 0))  # of nobody here
    known = {part.plan.id: part.buffer.statistics() for part in streams.parts}
    assert {name: each.messages_acknowledged for name, each in known.items()} == {
        "main": 0,
        "household-3": 3,
        "household-4": 0,
    }
    await streams.apply_request(Request(1, 3, rig.stream("household-4"), ((0, 1),), (), False))
    again = await streams.next_messages(16, set())
    assert {message.stream for message in again} == {rig.stream("household-4")}
    assert sorted(message.sequence for message in again) == [0, 1]
    await streams.close()


def names_told(messages: Sequence[OutboxMessage]) -> list[tuple[int, str]]:
    contents = [decode_message(verify(message.data, KEY.public_key())) for message in messages]
    found = [each for each in contents if isinstance(each, Event) and each.code == STREAM_OPEN]
    return sorted((event.stream, event.subject) for event in found)


async def test_each_stream_tells_its_name_in_each_run_and_when_it_begins_anew(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    rig.tick()
    await rig.streams.seal_now()
    own = sorted((rig.stream(name), name) for name in ("main", "household-3", "household-4"))
    assert names_told(await rig.send_all()) == own
    assert names_told(await rig.send_all()) == []
    left = rig.stream("household-3")
    # The backend holds more than was ever sent: an old copy of the storage was restored here.
    await rig.streams.apply_receipt(Receipt(1, 1, left, 10_000, (), (), 32, 0))
    anew = rig.stream("household-3")
    assert anew != left
    assert (anew, "household-3") in names_told(await rig.send_all())
    await rig.streams.close()
    rig = await start(tmp_path, clock=rig.clock)
    assert {name for _, name in names_told(await rig.send_all())} == {"main", "household-3", "household-4"}
    await rig.streams.close()


async def test_a_kill_and_a_restart_lose_nothing_that_was_flushed_in_any_stream(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    due = [rig.tick() for _ in range(4)]
    await rig.streams.flush()
    rig.kill()
    rig = await start(tmp_path, clock=HandClock(500, boot_id="boot-b"))
    await rig.streams.next_messages(16, set())
    await rig.streams.close()
    for content in outboxes(tmp_path).values():
        for meter, values in seen(content).items():
            assert normal(values) == normal(expected(meter, due))
        assert set(content.slots.values()) == {1}
        assert len(content.gaps(GapCause.UNCLEAN_STOP)) == 1


async def test_a_meter_that_moves_to_another_stream_loses_nothing(tmp_path: Path) -> None:
    rig = await start(tmp_path, (("household-3", ["flat-3"], 7),))
    before = [rig.tick() for _ in range(3)]
    await rig.streams.close()
    rig = await start(tmp_path, (("household-3", ["pump"], 7), ("tenant", ["flat-3"], 7)), rig.clock)
    after = [rig.tick() for _ in range(3)]
    await rig.streams.next_messages(64, set())
    await rig.streams.close()
    contents = outboxes(tmp_path)
    assert normal(seen(contents["household-3"])["flat-3"]) == normal(expected("flat-3", before))
    assert normal(seen(contents["household-3"])["pump"]) == normal(expected("pump", after))
    assert normal(seen(contents["tenant"])["flat-3"]) == normal(expected("flat-3", after))
    assert normal(seen(contents["main"])["pump"]) == normal(expected("pump", before))
    assert len(contents["household-3"].gaps(GapCause.STOPPED)) == 1, "the stop lies between the two"


async def test_a_stream_that_left_the_file_is_sent_to_its_end_and_then_rests(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    due = [rig.tick() for _ in range(3)]
    await rig.streams.flush()
    rig.kill()
    rig = await start(tmp_path, (), rig.clock)
    assert [part.plan.id for part in rig.streams.parts] == ["main", "household-3", "household-4"]
    sent = await rig.send_all()
    await rig.streams.close()
    content = Content()
    for message in sent:
        content.add(message.data)
    values = seen(content.decode())
    assert normal(values["flat-3"]) == normal(expected("flat-3", due))
    assert normal(values["flat-4"]) == normal(expected("flat-4", due))
    assert not has_streams(load_gateway(tmp_path / "gateway.toml")), "what is drained is not opened again"
    rig = await start(tmp_path, HOUSEHOLDS, rig.clock)  # until it is configured again
    rig.tick()
    assert {message.stream for message in await rig.send_all()} >= {rig.stream("household-3")}
    rig.tick()
    await rig.streams.close()
    rig = await start(tmp_path, (), rig.clock)  # and left it once more, not drained this time
    assert [part.plan.id for part in rig.streams.parts] == ["main", "household-3", "household-4"]
    await rig.streams.close()


async def test_a_stream_that_left_keeps_its_room_until_it_is_drained(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    due = []
    for _ in range(120):
        due += [rig.tick("flat-3") for _ in range(300)]
        await rig.streams.seal_now()
        if rig.streams.parts[1].buffer.statistics().size_bytes > 1.2 * MIB:
            break
    await rig.streams.close()
    rig = await start(tmp_path, (), rig.clock)
    sent = await rig.send_all()
    assert rig.streams.statistics().evicted_messages == 0
    await rig.streams.close()
    content = Content()
    for message in sent:
        content.add(message.data)
    assert normal(seen(content.decode())["flat-3"]) == normal(expected("flat-3", due))


async def test_a_stream_that_left_and_is_not_drained_is_opened_again(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    rig.tick()
    await rig.streams.close()
    rig = await start(tmp_path, (), rig.clock)
    await rig.streams.close()
    rig = await start(tmp_path, (), rig.clock)
    assert [part.plan.id for part in rig.streams.parts] == ["main", "household-3", "household-4"]
    await rig.streams.close()


async def test_slots_that_nobody_can_tell_one_by_one_are_a_gap_in_each_stream(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    rig.tick()
    rig.streams.pass_over(12, rig.clock.ms, rig.clock.ms + 5000)
    await rig.streams.flush()
    await rig.streams.next_messages(16, set())
    await rig.streams.close()
    for content in outboxes(tmp_path).values():
        [gap] = content.gaps(GapCause.OVERLOAD)
        assert (gap.count, gap.widened) == (None, True)


async def test_what_must_be_durable_first_is_saved_before_any_stream_and_never_twice_at_once(
    tmp_path: Path,
) -> None:
    rig = await start(tmp_path)
    inside: list[int] = []
    most: list[int] = []

    def save() -> None:
        inside.append(1)
        most.append(len(inside))
        subprocess.run([sys.executable, "-c", ""], check=True)  # takes a while
        inside.pop()

    rig.streams.before_persist(save)
    rig.tick()
    await rig.streams.flush()
    assert len(most) == 3
    assert max(most) == 1
    await rig.streams.close()


def bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def remember(state: Path, meters: Sequence[str]) -> None:
    """What the agent keeps of meters beside their readings."""
    note = MeterNote("", {"energy": CounterNote(17, 0, 5)})
    folder = FolderStorage(state / "meters")
    memory = CounterMemory(folder, BootClock(FolderStorage(state), HandClock()))
    memory.take, memory.is_due = lambda: dict.fromkeys(meters, note), True
    memory.save()
    counts = PulseCounts(
        FolderStorage(state / "counts"), [PulseMeter(meter, "count", Fraction(1)) for meter in meters]
    )
    for number in range(2):
        for meter in meters:
            counts.add(meter, 1 + number)
        counts.save()


async def test_erasing_a_stream_leaves_no_byte_of_it_and_the_others_untouched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = await start(tmp_path)
    due = [rig.tick() for _ in range(3)]
    await rig.streams.close()
    state = tmp_path / "state"
    (state / "streams/household-3/quarantine-000001-journal-0000000001.log").write_bytes(b"serial-of-flat-3")
    command = ["erase-stream", "household-3", "--config", str(tmp_path / "gateway.toml")]
    assert main(command) == 2
    assert "is configured" in capsys.readouterr().err
    assert b"serial-of-flat-3" in bytes_of(state)

    remember(state, ("flat-3", "lift"))
    rig = await start(tmp_path, HOUSEHOLDS[1:], rig.clock, gone=["flat-3"])
    assert main(command) == 2
    assert "the agent runs" in capsys.readouterr().err
    rig.kill()

    untouched = bytes_of(state / "streams/household-4")
    assert main(command) == 0
    assert "removed for good" in capsys.readouterr().out
    assert b"flat-3" not in bytes_of(state)
    notes = CounterMemory(FolderStorage(state / "meters"), BootClock(FolderStorage(state), rig.clock)).notes
    assert notes == Notes(1, None, {"lift": MeterNote("", {"energy": CounterNote(17, 0, 5)})})
    assert PulseCounts(FolderStorage(state / "counts"), [PulseMeter("lift", "count", Fraction(1))]).restored
    assert [path.name for path in (state / "streams").iterdir()] == ["household-4"]
    assert bytes_of(state / "streams/household-4") == untouched
    assert normal(seen(outboxes(tmp_path)["main"])["lift"]) == normal(expected("lift", due))
    assert main(command) == 2
    assert 'there is "household-4"' in capsys.readouterr().err


async def test_what_is_remembered_of_a_meter_that_has_another_stream_now_is_not_erased(
    tmp_path: Path,
) -> None:
    rig = await start(tmp_path)
    await rig.streams.close()
    remember(tmp_path / "state", ("flat-3",))
    write_site(tmp_path, HOUSEHOLDS[1:])
    assert main(["erase-stream", "household-3", "--config", str(tmp_path / "gateway.toml")]) == 0
    assert b"flat-3" in bytes_of(tmp_path / "state" / "meters")
    assert b"flat-3" in bytes_of(tmp_path / "state" / "counts")


async def test_an_erasure_that_was_cut_short_is_never_sent_and_can_be_finished(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    rig.tick()
    await rig.streams.close()
    folder = tmp_path / "state" / "streams"
    (folder / "household-3").rename(folder / ".erasing-household-3")
    rig = await start(tmp_path, HOUSEHOLDS[1:], rig.clock)
    assert [part.plan.id for part in rig.streams.parts] == ["main", "household-4"]
    await rig.streams.close()
    assert main(["erase-stream", "household-3", "--config", str(tmp_path / "gateway.toml")]) == 0
    assert [path.name for path in folder.iterdir()] == ["household-4"]


def test_the_main_stream_is_not_erased(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_site(tmp_path, ())
    assert main(["erase-stream", "main", "--config", str(path)]) == 2
    assert "stream of all meters" in capsys.readouterr().err


def test_a_gateway_without_streams_loads_nothing_of_them() -> None:
    program = "import edge_agent.main, edge_agent.agent, edge_agent.control, sys; print(*sys.modules)"
    output = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout
    assert not {"edge_agent.streams", "config.streams"} & set(output.split())


async def test_event_messages_are_of_the_main_stream(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    await rig.streams.add_event("meter.exchanged", "flat-3", {})
    sent = [message for message in await rig.send_all() if message.type == MessageType.EVENT]
    contents = [decode_message(verify(message.data, KEY.public_key())) for message in sent]
    found = [(each.code, each.stream) for each in contents if isinstance(each, Event)]
    assert ("meter.exchanged", rig.stream("main")) in found
    await rig.streams.close()
