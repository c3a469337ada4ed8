"""The buffer from the outside: what goes in comes out signed, once, whatever happens in between."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from edge_agent.buffer.buffer import INBOX_READINGS_MAX
from edge_agent.clock import PIECE_DRIFT_MS_MAX
from edge_agent.reading import Reading
from hal.api import ClockOffset
from hal.storage import FolderStorage
from protocols.uplink.cbor import decode_message
from protocols.uplink.cose import verify
from protocols.uplink.messages import (
    Batch,
    Dictionary,
    Event,
    GapCause,
    Instant,
    MessageType,
    Receipt,
    Request,
    Wall,
)
from protocols.value import Quality, Scaled
from tests.buffer.rig import KEY, SERIES, HandClock, Rig, keys, read_outbox, readings, start


def receipt(
    stream: int,
    held_to: int,
    *,
    counter: int,
    epoch: int = 1,
    ranges: Sequence[tuple[int, int]] = (),
    wanted: Sequence[bytes] = (),
) -> Receipt:
    return Receipt(epoch, counter, stream, held_to, tuple(ranges), tuple(wanted), 100, 0)


async def fill(rig: Rig, slots: int, *, step_ms: int = 1000) -> list[int]:
    due = []
    for _ in range(slots):
        rig.clock.ms += step_ms
        due.append(rig.clock.ms)
        rig.buffer.record(readings(rig.clock.ms))
    return due


async def publish_all(rig: Rig) -> list[tuple[int, int, int]]:
    """Send everything that may go now; the places and types in order of sending."""
    sent = []
    while messages := await rig.buffer.next_messages(4, set()):
        for message in messages:
            sent.append((message.stream, message.sequence, message.type))
            await rig.buffer.mark_published(message.stream, message.sequence)
    await rig.buffer.flush()
    return sent


async def test_what_is_recorded_comes_out_signed_with_its_exact_values(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    due = await fill(rig, 30)
    await rig.buffer.close()
    content = read_outbox(tmp_path)
    assert set(content.slots) == set().union(*(keys(ms) for ms in due))
    assert set(content.slots.values()) == {1}
    assert content.values[1, "m1", 2, due[0]] == Scaled((due[0] * 10 + 1) * 10, -3)


async def test_the_first_start_leaves_no_gap_and_the_dictionary_is_the_first_message(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    await fill(rig, 2)
    await rig.buffer.seal_now()
    first = await rig.buffer.next_messages(10, set())
    assert [message.type for message in first] == [MessageType.DICTIONARY, MessageType.BATCH]
    assert [message.sequence for message in first] == [0, 1]
    await rig.buffer.close()


async def test_one_dictionary_serves_all_batches_until_a_value_needs_more_decimals(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    for _ in range(3):
        await fill(rig, 1)
        await rig.buffer.seal_now()
    rig.clock.ms += 1000
    rig.buffer.record([Reading(0, rig.clock.ms, rig.clock.ms, Scaled(12345, -5), Quality.GOOD)])
    await rig.buffer.seal_now()
    fine_ms = rig.clock.ms
    await fill(rig, 1)
    await rig.buffer.close()
    content = read_outbox(tmp_path)
    dictionaries = [m for m in content.messages.values() if isinstance(m, Dictionary)]
    assert [d.table[0].series[0].exponent for d in dictionaries] == [-3, -5]  # and it stays so: sticky
    assert content.values[1, "m1", 1, fine_ms] == Scaled(12345, -5)


async def test_an_orderly_stop_and_a_kill_leave_different_gaps(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    await fill(rig, 3)
    await rig.buffer.close()
    rig = await start(tmp_path, HandClock(rig.clock.ms + 60_000))
    await fill(rig, 3)
    await rig.buffer.flush()
    rig.kill()
    later = await start(tmp_path, HandClock(500, boot_id="boot-b"))
    await later.buffer.next_messages(10, set())
    await later.buffer.close()
    content = read_outbox(tmp_path)
    [stopped], [unclean] = content.gaps(GapCause.STOPPED), content.gaps(GapCause.UNCLEAN_STOP)
    assert stopped.start is not None
    assert stopped.end is not None
    assert stopped.start.boot == stopped.end.boot == 1
    assert stopped.end.ms - stopped.start.ms >= 60_000
    assert unclean.start is not None
    assert unclean.end == Instant(2, 500)
    assert unclean.start.boot == 1
    assert unclean.start.ms <= rig.clock.ms
    assert unclean.count is None
    assert stopped.widened
    assert unclean.widened  # both may reach back over readings that are held


async def test_readings_of_two_boots_never_share_a_batch(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    due = await fill(rig, 3)
    await rig.buffer.flush()
    rig.kill()
    later = await start(tmp_path, HandClock(500, boot_id="boot-b"))
    due_later = await fill(later, 3)
    await later.buffer.close()
    content = read_outbox(tmp_path)
    assert {batch.boot for batch in content.batches()} == {1, 2}
    wanted = set().union(*(keys(ms, 1) for ms in due), *(keys(ms, 2) for ms in due_later))
    assert set(content.slots) == wanted
    assert set(content.slots.values()) == {1}


async def test_a_step_of_the_wall_clock_begins_a_new_batch(tmp_path: Path) -> None:
    rig = await start(tmp_path, HandClock(offset=ClockOffset(1_700_000_000_000, 2, 10)))
    await fill(rig, 2)
    rig.clock.known = ClockOffset(1_700_000_003_000, 2, 10)
    assert rig.boot.check()
    await rig.buffer.set_wall_piece(rig.boot.wall())
    await fill(rig, 2)
    await rig.buffer.close()
    walls = [batch.wall for batch in read_outbox(tmp_path).batches()]
    before = Wall(1_700_000_000_000, 2, 10 + PIECE_DRIFT_MS_MAX)  # nobody knows how far it was off at its end
    assert walls == [before, Wall(1_700_000_003_000, 2, 10)]


async def test_readings_recovered_under_two_wall_pieces_keep_them(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    await fill(rig, 2)
    rig.buffer._wall = Wall(5, 2, 10)
    await fill(rig, 2)
    await rig.buffer.flush()
    rig.kill()
    rig = await start(tmp_path)
    await rig.buffer.close()
    walls = [batch.wall for batch in read_outbox(tmp_path).batches()]
    assert walls == [None, Wall(5, 2, 10 + PIECE_DRIFT_MS_MAX)]  # the piece was over when it was flushed


async def test_large_generations_are_split_until_each_message_fits(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    due = await fill(rig, 1200)
    await rig.buffer.close()
    content = read_outbox(tmp_path)
    assert len(content.batches()) > 1
    assert max(len(data) for data in content.data.values()) <= 16 * 1024
    assert set(content.slots) == set().union(*(keys(ms) for ms in due))


async def test_more_readings_than_the_storage_thread_takes_leave_an_overload_gap(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    due_ms = rig.clock.ms
    for i in range(INBOX_READINGS_MAX // SERIES + 10):
        rig.buffer.record(readings(due_ms + i * 1000))
    await rig.buffer.seal_now()
    await rig.buffer.next_messages(1, set())
    await rig.buffer.close()
    [gap] = read_outbox(tmp_path).gaps(GapCause.OVERLOAD)
    assert gap.count is not None
    assert gap.count % SERIES == 0
    assert gap.count > 0


async def test_a_reading_of_no_series_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    with pytest.raises(ValueError, match="series"):
        rig.buffer.record([Reading(SERIES, 1, 1, Scaled(1, 0), 0)])
    await rig.buffer.close()


async def test_the_running_buffer_flushes_the_first_reading_at_once_and_seals_at_the_interval(
    tmp_path: Path,
) -> None:
    rig = await start(tmp_path, flush_interval_s=3600.0)
    task = asyncio.create_task(rig.buffer.run())
    rig.buffer.record(readings(rig.clock.ms))
    async with asyncio.timeout(5):
        while rig.buffer.statistics().readings_flushed < SERIES:  # noqa: ASYNC110  (statistics have no event)
            await asyncio.sleep(0)
    rig.clock.ms += 900_000
    rig.buffer._flushed_once = False
    rig.buffer.record(readings(rig.clock.ms))
    async with asyncio.timeout(5):
        while rig.buffer.statistics().messages_unsent < 2:  # noqa: ASYNC110  (statistics have no event)
            await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await rig.buffer.close()


async def test_events_go_before_dictionaries_and_batches(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    await fill(rig, 2)
    await rig.buffer.seal_now()
    await rig.buffer.add_event("agent.start", "gw", {"version": "1"})
    sent = await publish_all(rig)
    assert [kind for *_, kind in sent] == [MessageType.EVENT, MessageType.DICTIONARY, MessageType.BATCH]
    await rig.buffer.close()
    [event] = [m for m in read_outbox(tmp_path).messages.values() if isinstance(m, Event)]
    assert event.details == {"version": "1"}
    assert event.at.boot == 1


async def test_the_newest_batch_goes_first_then_the_backlog_oldest_first(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    for _ in range(6):
        await fill(rig, 1)
        await rig.buffer.seal_now()
    sent = [sequence for _, sequence, _ in await publish_all(rig)]
    assert sent == [0, 6, 1, 2, 3, 4, 5]
    await rig.buffer.close()


async def test_a_quarter_of_the_sends_is_backlog_even_while_events_keep_coming(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    for _ in range(8):
        await fill(rig, 1)
        await rig.buffer.seal_now()
    kinds = []
    for i in range(24):
        await rig.buffer.add_event("x", str(i), {})
        [message] = await rig.buffer.next_messages(1, set())
        kinds.append(message.type)
        await rig.buffer.mark_published(message.stream, message.sequence)
    assert kinds.count(MessageType.BATCH) >= 24 // 4 - 1  # one turn went to the dictionary
    await rig.buffer.close()


async def test_what_is_in_flight_is_not_handed_out_again(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    await fill(rig, 1)
    await rig.buffer.seal_now()
    messages = await rig.buffer.next_messages(10, set())
    in_flight = {(m.stream, m.sequence) for m in messages}
    assert await rig.buffer.next_messages(10, in_flight) == []
    assert [m.data for m in await rig.buffer.next_messages(10, set())] == [m.data for m in messages]
    await rig.buffer.close()


async def test_a_receipt_acknowledges_and_an_older_one_changes_nothing(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    await fill(rig, 1)
    await rig.buffer.seal_now()
    await publish_all(rig)
    stream = rig.buffer.statistics().stream
    await rig.buffer.apply_receipt(receipt(stream, 1, counter=5))
    assert rig.buffer.statistics().messages_acknowledged == 2
    assert rig.buffer.statistics().oldest_unacknowledged is None
    await fill(rig, 1)
    await rig.buffer.seal_now()
    await rig.buffer.apply_receipt(receipt(stream, 2, counter=5))
    await rig.buffer.apply_receipt(receipt(stream, 2, counter=9, epoch=0))
    assert rig.buffer.statistics().messages_acknowledged == 2
    await rig.buffer.close()


async def test_a_batch_is_held_only_when_its_dictionary_is(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    await fill(rig, 1)
    await rig.buffer.seal_now()
    await publish_all(rig)
    stream = rig.buffer.statistics().stream
    await rig.buffer.apply_receipt(receipt(stream, -1, counter=1, ranges=[(1, 1)]))
    assert rig.buffer.statistics().messages_acknowledged == 0
    await rig.buffer.apply_receipt(receipt(stream, 1, counter=2))
    assert rig.buffer.statistics().messages_acknowledged == 2
    await rig.buffer.close()


async def test_a_dictionary_that_the_backend_wants_is_sent_again(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    await fill(rig, 1)
    await rig.buffer.seal_now()
    await publish_all(rig)
    stream = rig.buffer.statistics().stream
    name = read_batch(await resend(rig, stream, 1)).dictionary
    await rig.buffer.apply_receipt(receipt(stream, 1, counter=3, wanted=[name]))
    assert [kind for *_, kind in await publish_all(rig)] == [MessageType.DICTIONARY]
    assert rig.buffer.statistics().messages_acknowledged == 0, "a batch is not held without its dictionary"
    await rig.buffer.apply_receipt(receipt(stream, 1, counter=4))
    assert rig.buffer.statistics().messages_acknowledged == 2
    await rig.buffer.close()


async def resend(rig: Rig, stream: int, sequence: int) -> bytes:
    await rig.buffer.apply_request(Request(1, 1, stream, ((sequence, sequence),), (), False))
    [message] = await rig.buffer.next_messages(5, set())
    await rig.buffer.mark_published(stream, sequence)
    return message.data


def read_batch(data: bytes) -> Batch:
    batch = decode_message(verify(data, KEY.public_key()))
    assert isinstance(batch, Batch)
    return batch


async def test_a_request_brings_back_the_same_bytes(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    await fill(rig, 1)
    await rig.buffer.seal_now()
    before = {m.sequence: m.data for m in await rig.buffer.next_messages(5, set())}
    await publish_all(rig)
    stream = rig.buffer.statistics().stream
    await rig.buffer.apply_receipt(receipt(stream, 1, counter=1))
    assert await resend(rig, stream, 1) == before[1]
    await rig.buffer.close()


async def test_a_request_for_what_is_gone_is_answered_by_a_gap_that_names_it(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    await fill(rig, 1)
    await rig.buffer.seal_now()
    await publish_all(rig)
    stream = rig.buffer.statistics().stream
    keeper = rig.buffer._recorder._keeper
    await rig.buffer._call(keeper.run, lambda outbox: outbox.execute("DELETE FROM messages WHERE type = 1"))
    await rig.buffer.apply_request(Request(1, 1, stream, ((0, 500),), (), False))
    await publish_all(rig)
    await rig.buffer.close()
    [gap] = read_outbox(tmp_path).gaps(GapCause.EVICTED)
    assert gap.sequences == (1, 1)
    assert gap.widened


async def test_a_request_can_seal_at_once(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    await rig.buffer.flush()
    await fill(rig, 1)
    await rig.buffer.apply_request(Request(1, 1, rig.buffer.statistics().stream, (), (), True))
    assert rig.buffer.statistics().messages_unsent == 2
    await rig.buffer.close()


async def test_what_a_broker_took_and_no_receipt_names_goes_again_after_five_minutes_then_ten(
    tmp_path: Path,
) -> None:
    rig = await start(tmp_path)
    await fill(rig, 1)
    await rig.buffer.seal_now()
    await publish_all(rig)
    stream = rig.buffer.statistics().stream
    counter = 0
    for minutes in (5, 10, 20):
        rig.clock.ms += minutes * 60_000 - 1000
        counter += 1
        await rig.buffer.apply_receipt(receipt(stream, -1, counter=counter))
        assert await rig.buffer.next_messages(5, set()) == []
        rig.clock.ms += 1000
        counter += 1
        await rig.buffer.apply_receipt(receipt(stream, -1, counter=counter))
        assert len(await publish_all(rig)) == 2
    await rig.buffer.close()


async def test_a_restored_backend_gets_back_what_it_no_longer_holds(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    for _ in range(3):
        await fill(rig, 1)
        await rig.buffer.seal_now()
    await publish_all(rig)
    stream = rig.buffer.statistics().stream
    await rig.buffer.apply_receipt(receipt(stream, 3, counter=9))
    assert rig.buffer.statistics().messages_acknowledged == 4
    await rig.buffer.apply_receipt(receipt(stream, 1, counter=1, epoch=2))
    assert sorted(sequence for _, sequence, _ in await publish_all(rig)) == [2, 3]
    await rig.buffer.close()


async def test_a_receipt_that_claims_more_than_was_sent_begins_a_new_stream(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    due = await fill(rig, 3)
    await rig.buffer.seal_now()
    await publish_all(rig)
    old = rig.buffer.statistics().stream
    await rig.buffer.apply_receipt(receipt(old, 77, counter=1))
    assert "uplink.receipt" in rig.fault_codes
    sent = await publish_all(rig)
    new = rig.buffer.statistics().stream
    assert new != old
    assert {stream for stream, *_ in sent} == {new}
    assert [sequence for _, sequence, _ in sent] == [0, 1]
    await rig.buffer.apply_receipt(receipt(new, 1, counter=2))
    assert rig.buffer.statistics().messages_unsent == 0
    await rig.buffer.close()
    assert set(read_outbox(tmp_path).slots) == set().union(*(keys(ms) for ms in due))


async def test_freeing_on_puback_is_a_setting(tmp_path: Path) -> None:
    rig = await start(tmp_path, free_on="puback")
    await fill(rig, 1)
    await rig.buffer.seal_now()
    await publish_all(rig)
    assert rig.buffer.statistics().messages_acknowledged == 2
    await rig.buffer.close()


async def test_at_the_bound_the_oldest_go_with_a_gap_and_the_bound_holds(tmp_path: Path) -> None:
    size_max = 1024 * 1024
    rig = await start(tmp_path, size_bytes_max=size_max)
    sealed: list[int] = []
    for _ in range(40):
        sealed += await fill(rig, 800)
        await rig.buffer.seal_now()
        assert FolderStorage(tmp_path).size_bytes() <= size_max
    assert "buffer.full" in rig.fault_codes
    evicted = rig.buffer.statistics().evicted_messages
    assert evicted > 0
    await rig.buffer.next_messages(1, set())
    await rig.buffer.close()
    content = read_outbox(tmp_path)
    [gap] = content.gaps(GapCause.EVICTED)
    missing = set().union(*(keys(ms) for ms in sealed)) - set(content.slots)
    assert gap.count == len(missing) > 0
    assert gap.sequences is not None
    assert gap.start is not None
    assert gap.end is not None
    assert all(gap.start.ms < due < gap.end.ms for *_, due in missing)
    kept = [sequence for _, sequence in content.data]
    lost = set(range(max(kept))) - set(kept)
    assert (min(lost), max(lost)) == gap.sequences


async def test_acknowledged_messages_go_before_any_other_and_leave_no_gap(tmp_path: Path) -> None:
    rig = await start(tmp_path, size_bytes_max=1024 * 1024)
    for counter in range(1, 41):
        await fill(rig, 800)
        await rig.buffer.seal_now()
        await publish_all(rig)
        known = rig.buffer.statistics()
        await rig.buffer.apply_receipt(receipt(known.stream, known.next_sequence - 1, counter=counter))
    assert rig.buffer.statistics().evicted_messages == 0
    assert rig.fault_codes == set()
    await rig.buffer.close()
    content = read_outbox(tmp_path)
    assert content.gaps() == []
    assert any(isinstance(m, Dictionary) for m in content.messages.values())


async def test_what_is_in_flight_is_not_evicted(tmp_path: Path) -> None:
    rig = await start(tmp_path, size_bytes_max=1024 * 1024)
    await fill(rig, 800)
    await rig.buffer.seal_now()
    messages = await rig.buffer.next_messages(3, set())
    for _ in range(40):
        await fill(rig, 800)
        await rig.buffer.seal_now()
    await rig.buffer.close()
    content = read_outbox(tmp_path)
    assert {(m.stream, m.sequence) for m in messages} <= set(content.data)


async def test_a_withdrawn_message_that_is_gone_here_becomes_a_gap(tmp_path: Path) -> None:
    rig = await start(tmp_path, size_bytes_max=1024 * 1024)
    for counter in range(1, 41):
        await fill(rig, 800)
        await rig.buffer.seal_now()
        await publish_all(rig)
        known = rig.buffer.statistics()
        await rig.buffer.apply_receipt(receipt(known.stream, known.next_sequence - 1, counter=counter))
    stream = rig.buffer.statistics().stream
    await rig.buffer.apply_receipt(receipt(stream, 2, counter=1, epoch=2))
    await rig.buffer.next_messages(1, set())
    await rig.buffer.close()
    [gap] = read_outbox(tmp_path).gaps(GapCause.RECEIPT_WITHDRAWN)
    assert gap.sequences is not None
    assert gap.sequences[0] == 3


async def test_a_damaged_database_is_set_aside_and_a_new_stream_begins(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    due = await fill(rig, 3)
    await rig.buffer.close()
    old = rig.buffer.statistics().stream
    data = bytearray((tmp_path / "outbox.db").read_bytes())
    data[:200] = bytes(200)
    (tmp_path / "outbox.db").write_bytes(data)
    rig = await start(tmp_path, HandClock(rig.clock.ms + 5000))
    assert "buffer.damaged" in rig.fault_codes
    due += await fill(rig, 1)
    await publish_all(rig)
    await rig.buffer.close()
    assert rig.buffer.statistics().stream != old
    content = read_outbox(tmp_path)
    assert content.gaps(GapCause.STORAGE_DAMAGED)
    assert any(name.startswith("quarantine-") for name in FolderStorage(tmp_path).names())
    assert set(content.slots) == set().union(*(keys(ms) for ms in due))  # the kept old generation


async def test_a_database_older_than_the_journal_begins_a_new_stream(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    await fill(rig, 3)
    await rig.buffer.close()
    old_copy = (tmp_path / "outbox.db").read_bytes()
    rig = await start(tmp_path, HandClock(rig.clock.ms + 5000))
    await fill(rig, 3)
    await publish_all(rig)
    await rig.buffer.close()
    first, clock_ms = rig.buffer.statistics().stream, rig.clock.ms
    (tmp_path / "outbox.db").write_bytes(old_copy)
    rig = await start(tmp_path, HandClock(clock_ms + 5000))
    assert rig.buffer.statistics().stream != first
    await rig.buffer.close()


async def test_a_missing_database_that_the_journal_knows_begins_a_new_stream_with_a_gap(
    tmp_path: Path,
) -> None:
    rig = await start(tmp_path)
    await fill(rig, 3)
    await rig.buffer.close()
    first = rig.buffer.statistics().stream
    (tmp_path / "outbox.db").unlink()
    rig = await start(tmp_path, HandClock(rig.clock.ms + 5000))
    await publish_all(rig)
    await rig.buffer.close()
    assert rig.buffer.statistics().stream != first
    assert read_outbox(tmp_path).gaps(GapCause.STORAGE_DAMAGED)


async def test_a_message_that_the_disk_has_changed_becomes_a_gap(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    await fill(rig, 3)
    await rig.buffer.close()
    database = sqlite3.connect(tmp_path / "outbox.db")
    database.execute("UPDATE messages SET data = zeroblob(length(data)) WHERE type = 1")
    database.commit()
    database.close()
    rig = await start(tmp_path, HandClock(rig.clock.ms + 5000))
    sent = await publish_all(rig)
    assert MessageType.BATCH not in [kind for *_, kind in sent]
    await rig.buffer.close()
    [gap] = read_outbox(tmp_path).gaps(GapCause.STORAGE_DAMAGED)
    assert gap.sequences == (1, 1)
    assert gap.count == 3 * SERIES


async def test_two_processes_never_share_a_folder(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    await rig.buffer.flush()
    with pytest.raises(OSError, match="another process"):
        await start(tmp_path)
    await rig.buffer.close()


async def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "buffer"
    rig = await start(folder)
    await fill(rig, 3)
    await rig.buffer.seal_now()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o077 for path in folder.iterdir()} == {
        path.name: 0 for path in folder.iterdir()
    }
    await rig.buffer.close()


async def test_waiting_for_messages_returns_once_something_is_sealed(tmp_path: Path) -> None:
    rig = await start(tmp_path)
    await rig.buffer.next_messages(1, set())
    waiting = asyncio.create_task(rig.buffer.wait_for_messages())
    await fill(rig, 1)
    await rig.buffer.flush()
    assert not waiting.done()
    await rig.buffer.seal_now()
    async with asyncio.timeout(5):
        await waiting
    await rig.buffer.close()


async def test_recording_costs_a_few_microseconds_a_reading(tmp_path: Path) -> None:
    rig = await start(tmp_path, size_bytes_max=64 * 1024 * 1024)
    batches = [readings(rig.clock.ms + i * 1000) for i in range(1300)]
    began = time.process_time()
    for batch in batches:
        rig.buffer.record(batch)
    recorded = time.process_time()
    await rig.buffer.flush()
    flushed = time.process_time()
    count = sum(map(len, batches))
    print(
        f"record {1e6 * (recorded - began) / count:.2f} us, flush {1e6 * (flushed - recorded) / count:.2f} us"
    )
    assert (recorded - began) / count < 10e-6
    assert (flushed - recorded) / count < 100e-6
    await rig.buffer.close()
