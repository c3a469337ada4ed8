"""Time maps at the backend: in any order, the best piece counts, and nothing stated is replaced."""

from __future__ import annotations

import itertools
import sqlite3
from pathlib import Path

import pytest

from backend import report
from backend.store import Store, VerdictName
from protocols.uplink.columns import Slot
from protocols.uplink.messages import TimeMap, TimePiece
from tests.backend.gateway import WALL, Gateway

OFFSET_MS = 1_790_000_000_000


def time_map(gateway: Gateway, *pieces: TimePiece) -> bytes:
    place = gateway.next
    gateway.next += 1
    return gateway.sign(TimeMap(gateway.stream, place, pieces))


def slots(first_ms: int, count: int = 3) -> list[Slot]:
    return [Slot(0, first_ms + i * 60_000, first_ms + i * 60_000 + 40, 1000 + i, 0) for i in range(count)]


def dates(store: Store) -> list[tuple[str, int | None, str]]:
    return [(row["utc"], row["uncertainty_ms"], row["clock_source"]) for row in report.readings(store)]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_dictionary_batch_and_maps_may_come_in_any_order(
    store: Store, gateway: Gateway, order: tuple[int, ...]
) -> None:
    rough = TimePiece(1, 0, 600_000, OFFSET_MS - 5_000, 0, 9_000, 6)
    fine = TimePiece(1, 60_000, 130_000, OFFSET_MS, 1_000_000, 50, 2)
    messages = [
        gateway.dictionary(),
        gateway.batch(slots(0), wall=None),
        time_map(gateway, rough),
        time_map(gateway, fine),
    ]
    for place in order:
        store.take(messages[place])
    assert dates(store) == [
        ("2026-09-21T14:13:15.040Z", 9_000, "neighbours"),
        ("2026-09-21T14:14:20.040Z", 50, "ntp"),
        ("2026-09-21T14:15:20.100Z", 50, "ntp"),
    ]
    assert report.status(store)["undated"] == 0
    assert report.status(store)["time_pieces"] == 2


def test_a_map_dates_events_and_leaves_alone_what_states_its_own_time(store: Store, gateway: Gateway) -> None:
    store.take(gateway.dictionary())
    store.take(gateway.batch(slots(0), wall=WALL))
    before = dates(store)
    store.take(gateway.event("fault.raised", "line-1", wall=None))
    assert store.take(time_map(gateway, TimePiece(1, 0, 10**9, 0, 0, 1, 2))).name == VerdictName.ACCEPTED
    assert dates(store) == before
    assert store.query("SELECT utc_ms FROM events WHERE mapped = 1 AND utc_ms IS NULL") == []


def test_a_map_says_nothing_of_another_boot_or_another_gateway(store: Store, gateway: Gateway) -> None:
    other = Gateway(stream=5)
    store.trust("gw-2", other.public_key)
    for each in (gateway, other):
        store.take(each.dictionary())
        store.take(each.batch(slots(0), wall=None))
    store.take(time_map(other, TimePiece(2, 0, 10**9, OFFSET_MS, 0, 1, 2)))
    assert report.status(store)["undated"] == 6
    store.take(time_map(other, TimePiece(1, 0, 10**9, OFFSET_MS, 0, 1, 2)))
    assert report.status(store)["undated"] == 3


def test_a_store_of_an_earlier_version_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    gateway = Gateway()
    store = Store(path, lambda: 0)
    store.trust("gw-1", gateway.public_key)
    store.take(gateway.dictionary())
    store.take(gateway.batch(slots(0), wall=None))
    store.close()
    database = sqlite3.connect(path)
    database.execute("DROP INDEX readings_mapped")
    database.execute("DROP TABLE pieces")
    database.execute("PRAGMA user_version = 0")
    for table in ("readings", "events"):
        for column in ("uncertainty_ms", "clock_source", "mapped"):
            database.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    database.commit()
    database.close()
    store = Store(path, lambda: 0)
    store.take(time_map(gateway, TimePiece(1, 0, 10**9, OFFSET_MS, 0, 7, 2)))
    assert report.status(store)["undated"] == 0
    store.take(gateway.batch(slots(600_000), wall=WALL))
    assert {row[1] for row in dates(store)} == {7, 20}
    store.close()
