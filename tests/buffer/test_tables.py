"""Series tables at the limit of what a dictionary message holds, and readings that no message can hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge_agent.buffer import seal
from edge_agent.buffer.journal import Header, Journal
from edge_agent.buffer.seal import TABLE_SIZE_BYTES_MAX, check_table
from edge_agent.reading import Reading
from hal.storage import FolderStorage
from protocols.uplink.cbor import encode_table
from protocols.uplink.cose import Signer
from protocols.uplink.messages import Dictionary, DictionaryMeter, GapCause, Series
from protocols.value import Scaled
from tests.buffer.rig import KEY, SERIES, TABLE, HandClock, keys, read_outbox, readings, start

SMALLEST_SERIES = Series(1, 0, 1)  # nine bytes of CBOR: no other has so many in a table


def table_of_size(size_bytes: int, series: Series = SMALLEST_SERIES) -> tuple[DictionaryMeter, ...]:
    """A table of exactly so many bytes, as full of series as it can be."""
    meter = DictionaryMeter("m", "", "", "", "", 1, (1, 1), None, ())
    empty, one = (len(encode_table((replace(meter, series=(series,) * count),))) for count in (0, 1))
    meter = replace(meter, series=(series,) * ((size_bytes - empty - 40) // (one - empty)))
    text = size_bytes - len(encode_table((meter,)))
    for length in range(text, text - 3, -1):  # a longer string has a longer head
        table = (replace(meter, serial="s" * length),)
        if len(encode_table(table)) == size_bytes:
            return table
    raise AssertionError(size_bytes)


def largest_good_table() -> tuple[DictionaryMeter, ...]:
    for size_bytes in range(
        round(TABLE_SIZE_BYTES_MAX * 0.9) + 20, 0, -1
    ):  # a tenth is for ever finer decimals
        table = table_of_size(size_bytes)
        try:
            check_table(table)
        except ValueError:
            continue
        return table
    raise AssertionError


async def test_a_table_within_a_kibibyte_of_the_limit_is_refused_with_the_next_step(tmp_path: Path) -> None:
    wide = Series(900, 0, 2**40, 2**39)
    refused, good = (table_of_size(TABLE_SIZE_BYTES_MAX - spare, wide) for spare in (1023, 1024))
    with pytest.raises(ValueError, match=r"configure fewer meters .* narrow their `quantities`"):
        await start(tmp_path, table=refused)
    rig = await start(tmp_path, table=good)
    await rig.buffer.close()


def test_a_table_that_no_message_holds_is_refused_with_the_next_step() -> None:
    meters = tuple(replace(TABLE[0], id=f"m{n}", serial="4" * 200) for n in range(90))
    with pytest.raises(ValueError, match="fewer meters"):
        check_table(meters)


async def test_the_largest_table_that_is_taken_holds_the_finest_decimals_of_all_its_series(
    tmp_path: Path,
) -> None:
    table = largest_good_table()
    series = len(table[0].series)
    assert series > 1024  # more than a kibibyte is needed then
    rig = await start(tmp_path, table=table)
    rig.buffer.record([Reading(n, 5, 5, Scaled(10 * n + 1, -63), 0) for n in range(series)])
    await rig.buffer.close()
    content = read_outbox(tmp_path)
    [dictionary] = [m for m in content.messages.values() if isinstance(m, Dictionary)]
    assert {s.exponent for s in dictionary.table[0].series} == {-63}
    assert content.gaps() == []
    assert sum(content.slots.values()) == series


async def test_readings_that_no_message_can_hold_are_set_aside_with_a_fault_and_a_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = await start(tmp_path)
    lost = [rig.clock.ms + 1000, rig.clock.ms + 2000]
    for due_ms in lost:
        rig.buffer.record(readings(due_ms))
    rig.clock.ms += 2000
    await rig.buffer.flush()
    with monkeypatch.context() as patch:
        patch.setattr(seal, "TABLE_SIZE_BYTES_MAX", 10)
        await rig.buffer.seal_now()
    assert "buffer.damaged" in rig.fault_codes
    assert rig.buffer.statistics().dropped_readings == 2 * SERIES
    rig.clock.ms += 1000
    kept_ms = rig.clock.ms
    rig.buffer.record(readings(kept_ms))
    await rig.buffer.seal_now()
    await rig.buffer.next_messages(9, set())
    await rig.buffer.close()
    content = read_outbox(tmp_path)
    [gap] = content.gaps(GapCause.STORAGE_DAMAGED)
    assert gap.count == 2 * SERIES
    assert gap.start is not None
    assert gap.end is not None
    assert gap.start.ms < lost[0] < lost[1] < gap.end.ms < kept_ms
    assert set(content.slots) == keys(kept_ms)
    [aside] = [name for name in FolderStorage(tmp_path).names() if name.startswith("quarantine-")]
    assert aside.endswith(".log")


@pytest.mark.parametrize(
    "table_bytes",
    [encode_table(table_of_size(TABLE_SIZE_BYTES_MAX + 1)), b"\xff of a later version"],
    ids=["too large", "unreadable"],
)
async def test_an_earlier_run_that_cannot_be_sealed_does_not_stop_this_one(
    tmp_path: Path, table_bytes: bytes
) -> None:
    rig = await start(tmp_path)
    good_ms = rig.clock.ms
    rig.buffer.record(readings(good_ms))
    await rig.buffer.flush()
    rig.kill()
    header = Header(77, 77, 1, "boot-a", good_ms, None, table_bytes, ())
    journal = Journal(FolderStorage(tmp_path), header)
    journal.write_readings(0, None, readings(good_ms + 1000))
    journal.write_covered(good_ms + 1000)
    journal.abandon()
    later = await start(tmp_path, HandClock(good_ms + 60_000))
    assert "buffer.damaged" in later.fault_codes
    await later.buffer.next_messages(9, set())
    await later.buffer.close()
    content = read_outbox(tmp_path)
    [gap] = content.gaps(GapCause.STORAGE_DAMAGED)
    assert gap.count == SERIES
    assert set(content.slots) == keys(good_ms)
    assert [n for n in FolderStorage(tmp_path).names() if n.endswith("0000000077.log")] == [
        "quarantine-000001-journal-0000000077.log"
    ]
    again = await start(tmp_path, HandClock(good_ms + 120_000))
    assert again.fault_codes == set()
    await again.buffer.close()


def test_the_signer_takes_what_the_table_check_lets_pass() -> None:
    table = table_of_size(TABLE_SIZE_BYTES_MAX)
    payload = seal.encode_message(Dictionary(2**32 - 1, 2**63 - 1, table))
    assert Signer(KEY).sign(payload)
    with pytest.raises(ValueError, match="fit"):
        seal.encode_message(Dictionary(2**32 - 1, 2**63 - 1, table_of_size(TABLE_SIZE_BYTES_MAX + 1)))
