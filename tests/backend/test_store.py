"""Every message is named for what it is, and what is held is exact, once."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from backend import report
from backend.store import REFUSED_MAX, Store, Verdict, VerdictName
from protocols.uplink import cbor, cose
from protocols.uplink.columns import Slot
from protocols.uplink.deterministic import write_item
from protocols.uplink.messages import Gap, GapCause, Receipt
from protocols.value import NullCause, Quality
from tests.backend.conftest import NOW_MS
from tests.backend.gateway import STREAM, TABLE, Gateway, minute_slots

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def take(store: Store, data: bytes) -> VerdictName:
    return store.take(data).name


def held(store: Store, gateway: Gateway) -> tuple[int, tuple[tuple[int, int], ...]]:
    return store.held(gateway.signer.key_id, gateway.stream)


def test_a_batch_after_its_dictionary_is_accepted_and_its_readings_are_exact(
    store: Store, gateway: Gateway
) -> None:
    assert take(store, gateway.dictionary()) == "accepted"
    verdict = store.take(gateway.batch(minute_slots(0, 3)))
    assert verdict == Verdict(
        VerdictName.ACCEPTED, gateway.signer.key_id, "gw-1", STREAM, 1, type=1, readings=3
    )
    rows = list(report.readings(store))
    assert [row["value"] for row in rows] == ["1.000", "1.001", "1.002"]
    assert rows[1] == {
        "gateway": "gw-1",
        "meter": "m1",
        "metering_point": "DE0001",
        "serial": "12345678",
        "quantity": "energy_active_import_total",
        "unit": "kWh",
        "value": "1.001",
        "utc": "2026-09-21T14:14:20.040Z",
        "due_utc": "2026-09-21T14:14:20.000Z",
        "uncertainty_ms": 20,
        "clock_source": "ntp",
        "quality": "good",
        "null_cause": "",
        "duplicate": False,
        "boot": 1,
        "due_ms": 60_000,
        "time_ms": 60_040,
        "key_id": gateway.signer.key_id.hex(),
        "stream": STREAM,
        "sequence": 1,
    }


def test_a_tampered_message_is_a_bad_signature_and_changes_nothing(store: Store, gateway: Gateway) -> None:
    data = bytearray(gateway.dictionary())
    data[len(data) // 2] ^= 1
    verdict = store.take(bytes(data))
    assert (verdict.name, verdict.gateway) == ("bad-signature", "gw-1")
    assert held(store, gateway) == (-1, ())
    assert store.query("SELECT verdict, data FROM refused") == [("bad-signature", bytes(data))]


def test_a_replayed_message_is_a_duplicate_and_stored_once(store: Store, gateway: Gateway) -> None:
    store.take(gateway.dictionary())
    data = gateway.batch(minute_slots(0, 2))
    assert [take(store, data), take(store, data)] == ["accepted", "duplicate"]
    assert report.status(store)["readings"] == 2


def test_a_message_under_a_foreign_key_is_an_unknown_key(store: Store, gateway: Gateway) -> None:
    assert take(store, Gateway().dictionary()) == "unknown-key"
    assert held(store, gateway) == (-1, ())


def test_a_foreign_signature_under_a_trusted_key_id_is_a_bad_signature(
    store: Store, gateway: Gateway
) -> None:
    stranger = Gateway()
    stranger.signer._protected = gateway.signer._protected
    assert take(store, stranger.dictionary()) == "bad-signature"


def test_a_sequence_hole_is_shown_until_it_is_filled(store: Store, gateway: Gateway) -> None:
    for sequence in (0, 1, 4, 2, 7):
        store.take(gateway.event("agent.start", sequence=sequence))
    assert held(store, gateway) == (2, ((4, 4), (7, 7)))
    key = (gateway.signer.key_id, STREAM)
    assert [(hole.first, hole.last) for hole in store.holes(*key)] == [(3, 3), (5, 6)]
    assert store.has_open_ends(*key)
    for sequence in (5, 3, 6):
        store.take(gateway.event("agent.start", sequence=sequence))
    assert held(store, gateway) == (7, ())
    assert not store.has_open_ends(*key)


def test_a_hole_that_gaps_name_as_evicted_is_explained(store: Store, gateway: Gateway) -> None:
    store.take(gateway.event("agent.start", sequence=0))
    gap = Gap(0, 0, GapCause.EVICTED, None, None, 12, sequences=(1, 3))
    store.take(gateway.gap(gap, sequence=9))
    key = (gateway.signer.key_id, STREAM)
    assert [tuple(hole) for hole in store.holes(*key)] == [(1, 3, True), (4, 8, False)]
    assert store.has_open_ends(*key)
    store.take(gateway.gap(Gap(0, 0, GapCause.EVICTED, None, None, 3, sequences=(4, 8)), sequence=10))
    assert [tuple(hole) for hole in store.holes(*key)] == [(1, 8, True)]
    assert not store.has_open_ends(*key)


def test_a_used_sequence_with_other_bytes_is_a_clone(store: Store, gateway: Gateway) -> None:
    store.take(gateway.event("agent.start", sequence=0))
    verdict = store.take(gateway.event("agent.stop", sequence=0))
    assert (verdict.name, verdict.sequence) == ("clone", 0)
    assert store.query("SELECT code FROM events") == [("agent.start",)]


def test_the_other_valid_ecdsa_signature_of_a_message_is_a_duplicate_and_no_clone(store: Store) -> None:
    gateway = Gateway(ec.generate_private_key(ec.SECP256R1()))
    store.trust("gw-2", gateway.public_key)
    data = gateway.event("agent.start")
    mirrored = (P256_ORDER - int.from_bytes(data[-32:], "big")).to_bytes(32, "big")
    r, s = int.from_bytes(data[-64:-32], "big"), int.from_bytes(mirrored, "big")
    assert encode_dss_signature(r, s)
    assert [take(store, data), take(store, data[:-32] + mirrored)] == ["accepted", "duplicate"]


@pytest.mark.parametrize(
    "data",
    [b"", b"garbage", b"\xd2\x84", b"\xff" * 20_000, b"\x81" * 16_000, b"\xd2\x84\x40\xa0\x40\x40"],
    ids=["empty", "text", "cut", "breaks", "nested", "empty-parts"],
)
def test_garbage_is_malformed(store: Store, data: bytes) -> None:
    assert take(store, data) == "malformed"


def test_a_signed_message_with_impossible_content_is_held_and_named_malformed(
    store: Store, gateway: Gateway
) -> None:
    data = gateway.signer.sign(write_item([5, STREAM, 0, "no instant"]))
    assert take(store, data) == "malformed"
    assert held(store, gateway) == (0, ())


def test_a_receipt_that_comes_up_is_malformed(store: Store, gateway: Gateway) -> None:
    assert take(store, gateway.sign(Receipt(1, 2, STREAM, 0, (), (), 1, NOW_MS))) == "malformed"
    assert held(store, gateway) == (-1, ())


def test_a_batch_before_its_dictionary_is_held_raw_and_decoded_when_it_comes(
    store: Store, gateway: Gateway
) -> None:
    verdict = store.take(gateway.batch(minute_slots(0, 2), sequence=1))
    assert (verdict.name, verdict.readings) == ("undecoded", 0)
    key = (gateway.signer.key_id, STREAM)
    named = cbor.table_hash(cbor.encode_table(TABLE))
    assert store.dictionaries_wanted(*key) == (named,)
    assert store.take(gateway.dictionary(sequence=0)).readings == 2
    assert store.dictionaries_wanted(*key) == ()
    assert [row["value"] for row in report.readings(store)] == ["1.000", "1.001"]


def test_a_dictionary_of_one_gateway_does_not_decode_the_batches_of_another(store: Store) -> None:
    one, other = Gateway(), Gateway()
    store.trust("one", one.public_key)
    store.trust("other", other.public_key)
    store.take(one.dictionary())
    assert take(store, other.batch(minute_slots(0, 1))) == "undecoded"


def test_a_batch_with_a_series_beyond_its_dictionary_is_malformed_before_and_after_it(
    store: Store, gateway: Gateway
) -> None:
    assert take(store, gateway.batch(minute_slots(0, 1, series=2), sequence=1)) == "undecoded"
    assert store.take(gateway.dictionary(sequence=0)).readings == 0
    assert take(store, gateway.batch(minute_slots(0, 1, series=2), sequence=2)) == "malformed"
    assert report.status(store)["streams"][0]["states"] == {"decoded": 1, "malformed": 2}


@pytest.mark.parametrize("kind", [8, 200])
def test_a_message_of_an_unknown_type_is_kept_verified_and_counted(
    store: Store, gateway: Gateway, kind: int
) -> None:
    data = gateway.signer.sign(write_item([kind, STREAM, 0, {"new": True}]))
    assert take(store, data) == "accepted"
    assert store.query("SELECT type, state, data FROM messages") == [(kind, "kept", data)]
    assert held(store, gateway) == (0, ())


def test_a_batch_in_an_unknown_encoding_is_kept(store: Store, gateway: Gateway) -> None:
    payload = write_item([1, STREAM, 0, 1, 0, None, bytes(8), 1, b"bits"])
    assert take(store, gateway.signer.sign(payload)) == "accepted"
    assert store.query("SELECT state FROM messages") == [("kept",)]


def test_integers_beyond_64_bits_nulls_and_doubts_survive_exactly(store: Store, gateway: Gateway) -> None:
    slots = [
        Slot(0, 0, 3, 2**64 + 1, 0),
        Slot(0, 60_000, 60_003, -(2**200), Quality.STALE | Quality.IMPLAUSIBLE),
        Slot(0, 120_000, 121_000, None, NullCause.SILENT),
        Slot(0, 180_000, 180_003, 2**63 - 1, 0),
    ]
    store.take(gateway.dictionary())
    store.take(gateway.batch(slots, wall=None))
    rows = list(report.readings(store))
    shown = [(row["value"], row["quality"], row["null_cause"], row["utc"]) for row in rows]
    assert shown == [
        ("18446744073709551.617", "good", "", ""),
        (f"-{str(2**200)[:-3]}.{str(2**200)[-3:]}", "stale|implausible", "", ""),
        (None, "", "silent", ""),
        ("9223372036854775.807", "good", "", ""),
    ]
    assert report.status(store)["undated"] == 4


def test_a_slot_that_comes_in_two_batches_is_visible_as_a_duplicate(store: Store, gateway: Gateway) -> None:
    store.take(gateway.dictionary())
    store.take(gateway.batch(minute_slots(0, 3)))
    store.take(gateway.batch(minute_slots(2, 2)))
    assert report.status(store)["duplicates"] == 1
    assert [row["duplicate"] for row in report.readings(store)] == [False, False, True, True, False]


def test_all_that_was_taken_is_there_after_a_restart(tmp_path: Path) -> None:
    gateway = Gateway()
    first = Store(tmp_path / "s.sqlite", lambda: NOW_MS)
    first.trust("gw-1", gateway.public_key)
    data = gateway.dictionary()
    first.take(data)
    receipt = first.issue_receipt(gateway.signer.key_id, STREAM)
    second = Store(tmp_path / "s.sqlite", lambda: NOW_MS + 1)  # the first was never closed, as after a kill
    assert take(second, data) == "duplicate"
    assert take(second, gateway.batch(minute_slots(0, 1))) == "accepted"
    later = second.issue_receipt(gateway.signer.key_id, STREAM)
    assert (later.epoch, later.counter) == (receipt.epoch, receipt.counter + 1)
    assert later.held_to == 1


def test_a_restored_store_begins_a_greater_epoch(store: Store, gateway: Gateway) -> None:
    before = store.issue_receipt(gateway.signer.key_id, STREAM)
    assert store.begin_epoch() > before.epoch


def test_a_receipt_names_at_most_64_ranges_the_lowest_first(store: Store, gateway: Gateway) -> None:
    for sequence in range(1, 201, 2):
        store.take(gateway.event("agent.start", sequence=sequence))
    receipt = store.issue_receipt(gateway.signer.key_id, STREAM)
    assert (receipt.held_to, len(receipt.ranges)) == (-1, 64)
    assert receipt.ranges[0] == (1, 1)
    assert cbor.decode_message(cbor.encode_message(receipt)) == receipt


def test_refused_messages_are_kept_in_a_bounded_table_and_counted(store: Store) -> None:
    with store._transaction():
        for number in range(REFUSED_MAX + 5):
            store._refuse(Verdict(VerdictName.MALFORMED), str(number).encode(), NOW_MS)
    assert store.query("SELECT COUNT(*), MAX(number) FROM refused") == [(REFUSED_MAX, REFUSED_MAX + 5)]


def test_a_failed_transaction_leaves_nothing_behind(store: Store, gateway: Gateway) -> None:
    store.take(gateway.dictionary())
    data = gateway.batch(minute_slots(0, 2))
    store._database.execute("ALTER TABLE readings RENAME TO hidden")
    with pytest.raises(sqlite3.OperationalError):
        store.take(data)
    store._database.execute("ALTER TABLE hidden RENAME TO readings")
    assert held(store, gateway) == (0, ())
    assert take(store, data) == "accepted"


def test_the_store_is_readable_by_its_owner_only(store: Store, tmp_path: Path) -> None:
    assert (tmp_path / "store.sqlite").stat().st_mode & 0o077 == 0


def test_status_counts_verdicts_by_stream(store: Store, gateway: Gateway) -> None:
    data = gateway.dictionary()
    store.take(data)
    store.take(data)
    store.take(b"garbage")
    found = report.status(store)
    assert found["verdicts"] == {"accepted": 1, "duplicate": 1, "malformed": 1}
    (stream,) = found["streams"]
    assert stream["verdicts"] == {"accepted": 1, "duplicate": 1}
    assert (stream["gateway"], stream["held_to"], stream["holes"]) == ("gw-1", 0, [])


def test_a_message_is_explained_with_its_readings(store: Store, gateway: Gateway) -> None:
    store.take(gateway.dictionary())
    data = gateway.batch(minute_slots(0, 1))
    found = report.explain(data, store, None)
    assert (found["verdict"], found["gateway"], found["type"]) == ("good", "gw-1", "batch")
    assert found["readings"][0]["value"] == "1.000"
    broken = data[:-1] + bytes([data[-1] ^ 1])
    assert report.explain(broken, store, None)["verdict"] == "cose.signature"
    assert report.explain(data, None, None)["verdict"] == "unknown-key"
    assert report.explain(data, None, Gateway().public_key)["verdict"] == "cose.key"
    assert report.explain(b"garbage", store, None)["verdict"] == "cose.malformed"


def test_a_key_that_cannot_sign_uplinks_is_not_trusted(store: Store) -> None:
    with pytest.raises(ValueError, match="P-256"):
        store.trust("gw", ec.generate_private_key(ec.SECP384R1()).public_key())
    assert cose.algorithm_of(ec.generate_private_key(ec.SECP256R1())) == cose.ESP256
