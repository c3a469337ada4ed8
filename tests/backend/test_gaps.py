"""The proof of completeness: exactly the missing slots, each with its reason, or an alarm."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend import report
from backend.completeness import UNEXPLAINED, Missing, Reason, SlotSeen, find_missing
from backend.gaps import Period, findings, prove
from backend.main import main
from backend.store import Store
from protocols.uplink.columns import Slot
from protocols.uplink.messages import Gap, GapCause, Instant, SeriesTable, Wall
from tests.backend.gateway import INTERVAL_MS, TABLE, Gateway, minute_slots

ALWAYS = Period(None, None)
WALL = Wall(offset_ms=1_789_999_980_000, source=2, uncertainty_ms=20)  # boot time 0 is a full minute of UTC
Series = tuple[str, int]


def proof_of(store: Store, period: Period = ALWAYS) -> Any:
    [proof] = prove(store, period, quantity=1)
    return proof


def send(store: Store, gateway: Gateway, *minutes: range, boot: int = 1, wall: Wall | None = WALL) -> None:
    for each in minutes:
        store.take(gateway.batch(minute_slots(each.start, len(each)), boot=boot, wall=wall))


def gap(cause: GapCause, start: Instant, end: Instant, **more: Any) -> Gap:
    return Gap(0, 0, cause, start, end, None, **more)


def minute(number: int, boot: int = 1) -> Instant:
    return Instant(boot, number * INTERVAL_MS)


def test_a_series_with_every_slot_is_complete(store: Store, gateway: Gateway) -> None:
    store.take(gateway.dictionary())
    send(store, gateway, range(10), range(10, 20))
    proof = proof_of(store)
    assert (proof.verdict, proof.values, proof.missing) == ("complete", 20, [])


def test_a_slot_that_is_missing_without_a_reason_is_an_alarm(store: Store, gateway: Gateway) -> None:
    store.take(gateway.dictionary())
    send(store, gateway, range(10), range(12, 20))
    proof = proof_of(store)
    assert proof.verdict == "unexplained"
    assert proof.missing == [Missing(minute(9), minute(12), 2, UNEXPLAINED)]


def test_gaps_give_their_reason_for_exactly_the_slots_that_they_cover(store: Store, gateway: Gateway) -> None:
    store.take(gateway.dictionary())
    send(store, gateway, range(10))
    store.take(gateway.gap(gap(GapCause.UNCLEAN_STOP, minute(9), minute(13))))
    store.take(gateway.gap(gap(GapCause.OVERLOAD, minute(14), minute(16))))
    send(store, gateway, range(17, 20))
    assert [(run.start, run.count, run.reason) for run in proof_of(store).missing] == [
        (minute(9), 3, "unclean-stop"),
        (minute(12), 2, UNEXPLAINED),
        (minute(14), 1, "overload"),
        (minute(15), 1, UNEXPLAINED),
    ]


def test_a_gap_of_another_series_explains_nothing(store: Store, gateway: Gateway) -> None:
    dictionary = gateway.dictionary()
    store.take(dictionary)
    send(store, gateway, range(3), range(5, 8))
    name = store.query("SELECT hash FROM dictionaries")[0][0]
    store.take(gateway.gap(gap(GapCause.OVERLOAD, minute(2), minute(5), dictionary=name, series=(1,))))
    assert proof_of(store).verdict == "unexplained"
    store.take(gateway.gap(gap(GapCause.OVERLOAD, minute(2), minute(5), dictionary=name, series=(0,))))
    assert proof_of(store).verdict == "gaps"


def test_a_message_that_was_not_received_is_the_reason_and_named(store: Store, gateway: Gateway) -> None:
    store.take(gateway.dictionary())
    send(store, gateway, range(5))
    lost = gateway.batch(minute_slots(5, 5), wall=WALL)
    send(store, gateway, range(10, 15))
    proof = proof_of(store)
    assert [(run.count, run.reason) for run in proof.missing] == [(5, "not-received 2-2")]
    assert [finding.code for finding in findings(store)] == ["messages-missing"]
    store.take(lost)
    assert proof_of(store).verdict == "complete"
    assert list(findings(store)) == []


def test_a_gap_that_only_names_messages_explains_what_lay_between_their_neighbours(
    store: Store, gateway: Gateway
) -> None:
    store.take(gateway.dictionary())
    send(store, gateway, range(5))
    gateway.next += 1
    send(store, gateway, range(8, 10), range(12, 14))
    store.take(gateway.gap(Gap(0, 0, GapCause.EVICTED, None, None, None, sequences=(2, 2))))
    assert [(run.count, run.reason) for run in proof_of(store).missing] == [(3, "evicted"), (2, UNEXPLAINED)]


def test_a_restart_needs_a_gap_that_reaches_from_one_boot_into_the_other(
    store: Store, gateway: Gateway
) -> None:
    store.take(gateway.dictionary())
    send(store, gateway, range(5))
    send(store, gateway, range(1, 4), boot=2)
    assert proof_of(store).missing == [Missing(minute(4), minute(1, 2), None, UNEXPLAINED)]
    store.take(gateway.gap(gap(GapCause.STOPPED, minute(4), Instant(2, 10))))
    assert proof_of(store).verdict == "gaps"


def test_a_series_that_falls_silent_while_others_go_on_is_noticed(store: Store, gateway: Gateway) -> None:
    store.take(gateway.dictionary())
    send(store, gateway, range(5))
    store.take(gateway.batch(minute_slots(0, 10, series=1), wall=WALL))
    assert [(run.count, run.reason) for run in proof_of(store).missing] == [(4, UNEXPLAINED)]


def test_a_step_of_the_clock_moves_the_grid_and_loses_nothing(store: Store, gateway: Gateway) -> None:
    store.take(gateway.dictionary())
    send(store, gateway, range(5))
    moved = WALL._replace(offset_ms=WALL.offset_ms + 25_000)
    slots = [Slot(0, 335_000 + i * INTERVAL_MS, 335_040 + i * INTERVAL_MS, i, 0) for i in range(5)]
    store.take(gateway.batch(slots, wall=moved))
    assert proof_of(store).verdict == "complete"


def test_reads_between_the_slots_are_no_slots(store: Store, gateway: Gateway) -> None:
    store.take(gateway.dictionary())
    send(store, gateway, range(3), range(4, 6))
    between = [Slot(0, 3 * INTERVAL_MS + shift, 400_000, 1, 0) for shift in (-7_000, 3_000)]
    store.take(gateway.batch(between, wall=WALL))
    assert proof_of(store).missing == [Missing(minute(2), minute(4), 1, UNEXPLAINED)]


def test_a_period_leaves_out_what_lies_outside_of_it(store: Store, gateway: Gateway) -> None:
    store.take(gateway.dictionary())
    send(store, gateway, range(10), range(12, 20))
    first_ms = WALL.offset_ms
    before = Period(first_ms, first_ms + 9 * INTERVAL_MS)
    behind = Period(first_ms + 12 * INTERVAL_MS, None)
    across = Period(first_ms + 5 * INTERVAL_MS, first_ms + 15 * INTERVAL_MS)
    assert [proof_of(store, period).verdict for period in (before, behind, across)] == [
        "complete",
        "complete",
        "unexplained",
    ]
    assert proof_of(store, before).values == 9


def test_clones_restarts_and_forgeries_are_named(store: Store, gateway: Gateway) -> None:
    store.take(gateway.dictionary())
    send(store, gateway, range(3))
    store.take(gateway.batch(minute_slots(0, 3, value=9), sequence=1, wall=WALL))
    forged = bytearray(gateway.batch(minute_slots(3, 3)))
    forged[-1] ^= 1
    store.take(bytes(forged))
    gateway.next -= 1
    other = Gateway(stream=99)
    other.signer = gateway.signer
    store.take(other.dictionary())
    assert sorted(finding.code for finding in findings(store)) == ["clone", "forged", "stream-restarted"]


def second_stream(gateway: Gateway, stream: int = 99) -> Gateway:
    """Another stream of the same gateway."""
    other = Gateway(stream=stream)
    other.signer = gateway.signer
    return other


FLAT: SeriesTable = (dataclasses.replace(TABLE[0], id="flat-3"),)


def flat_slots(store: Store, gateway: Gateway, *minutes: range) -> None:
    for each in minutes:
        store.take(gateway.batch(minute_slots(each.start, len(each)), table=FLAT, wall=WALL))


def test_a_second_stream_that_tells_its_name_is_no_restart(store: Store, gateway: Gateway) -> None:
    flat = second_stream(gateway)
    for each, name in ((gateway, "main"), (flat, "household-3")):
        store.take(each.dictionary(TABLE if each is gateway else FLAT))
        store.take(each.event("stream.open", name))
    send(store, gateway, range(10))
    flat_slots(store, flat, range(10))
    assert list(findings(store)) == []
    anew = second_stream(gateway, 100)
    store.take(anew.event("stream.open", "household-3"))
    [finding] = findings(store)
    assert (finding.code, finding.text[:26]) == ("stream-restarted", '2 streams "household-3": t')
    names = {stream["stream"]: stream["name"] for stream in report.status(store)["streams"]}
    assert names == {77: "main", 99: "household-3", 100: "household-3"}


def test_the_gaps_and_holes_of_one_stream_explain_nothing_in_another(store: Store, gateway: Gateway) -> None:
    flat = second_stream(gateway)
    store.take(gateway.event("stream.open", "main"))
    store.take(flat.event("stream.open", "household-3"))
    store.take(gateway.dictionary())
    store.take(flat.dictionary(FLAT))
    send(store, gateway, range(3), range(5, 8))
    flat_slots(store, flat, range(3))
    flat.next += 1  # lost on the way, at the time of the others' missing slots
    flat_slots(store, flat, range(5, 8))
    store.take(flat.gap(gap(GapCause.OVERLOAD, minute(2), minute(5))))
    proofs = {proof.meter: proof for proof in prove(store, ALWAYS, quantity=1)}
    assert [run.reason for run in proofs["m1"].missing] == [UNEXPLAINED]
    assert proofs["flat-3"].verdict == "gaps"
    store.take(gateway.gap(gap(GapCause.OVERLOAD, minute(2), minute(5))))
    proofs = {proof.meter: proof for proof in prove(store, ALWAYS, quantity=1)}
    assert proofs["m1"].verdict == "gaps"


def test_a_stream_that_is_sent_once_a_day_is_not_missing_what_others_have_since(
    store: Store, gateway: Gateway
) -> None:
    flat = second_stream(gateway)
    store.take(gateway.dictionary())
    store.take(flat.dictionary(FLAT))
    flat_slots(store, flat, range(5))
    send(store, gateway, range(60))
    assert {proof.meter: proof.verdict for proof in prove(store, ALWAYS, quantity=1)} == {
        "m1": "complete",
        "flat-3": "complete",
    }


def test_a_meter_that_moved_is_judged_across_both_streams(store: Store, gateway: Gateway) -> None:
    flat = second_stream(gateway)
    store.take(gateway.event("stream.open", "main"))
    store.take(flat.event("stream.open", "household-3"))
    store.take(gateway.dictionary())
    store.take(flat.dictionary(TABLE))
    send(store, gateway, range(5))
    send(store, flat, range(8, 20))
    [run] = proof_of(store).missing
    assert (run.count, run.reason) == (3, UNEXPLAINED)
    store.take(gateway.gap(gap(GapCause.STOPPED, minute(4), minute(8))))  # of the stream that it left
    assert [run.reason for run in proof_of(store).missing] == ["stopped"]


def test_a_stream_that_began_anew_gives_the_reasons_of_the_one_before(store: Store, gateway: Gateway) -> None:
    anew = second_stream(gateway)
    store.take(gateway.dictionary())
    send(store, gateway, range(5))
    store.take(anew.gap(gap(GapCause.STORAGE_DAMAGED, minute(4), minute(8))))
    store.take(anew.dictionary())
    send(store, anew, range(8, 10))
    assert [run.reason for run in proof_of(store).missing] == ["storage-damaged"]


def test_the_command_says_it_in_text_and_json_and_by_its_exit_code(
    store: Store, gateway: Gateway, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    store.take(gateway.dictionary())
    send(store, gateway, range(5), range(7, 9))
    path = str(tmp_path / "store.sqlite")
    assert main(["gaps", "--store", path]) == 1
    shown = capsys.readouterr().out
    assert "energy_active_import_total: unexplained (7 values" in shown
    assert "2 slots missing between boot 1 240000 ms and boot 1 420000 ms" in shown
    assert main(["gaps", "--store", path, "--json", "--to", "2026-09-21T14:18:00Z"]) == 0
    assert '"verdict": "complete"' in capsys.readouterr().out
    assert main(["gaps", "--store", path, "--from", "yesterday"]) == 2
    assert main(["gaps", "--store", path, "--quantity", "enrgy"]) == 2


@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.tuples(st.integers(-2, 60), st.integers(1, 20)), max_size=4),
)
def test_of_any_loss_exactly_the_slots_that_no_gap_covers_are_unexplained(
    seed: int, ranges: list[tuple[int, int]]
) -> None:
    """Judged by counting slot by slot, as nobody would for months of readings."""
    chance = random.Random(seed)
    here = [True, *(chance.random() < 0.7 for _ in range(48)), True]
    reasons = [
        Reason(f"r{i}", minute(first), minute(first + length)) for i, (first, length) in enumerate(ranges)
    ]
    slots = [SlotSeen(1, n * INTERVAL_MS, None) for n, is_here in enumerate(here) if is_here]
    found: dict[int, str] = {}
    for run in find_missing(slots, INTERVAL_MS, reasons):
        assert run.count is not None
        for place in range(run.count):
            number = run.start.ms // INTERVAL_MS + 1 + place
            assert number not in found
            found[number] = run.reason
    for number, is_here in enumerate(here):
        covered = {r.name for r in reasons if r.start < minute(number) < r.end}  # type: ignore[operator]
        if is_here:
            assert number not in found
        elif covered:
            assert found[number] in covered
        else:
            assert found[number] == UNEXPLAINED
