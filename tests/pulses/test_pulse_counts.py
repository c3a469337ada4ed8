"""Counts on the disk: whatever happens to a write, the next start finds a count that was there, or none."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.pulse_counts import FILES, PulseCounts, PulseMeter
from hal.sim.storage import PowerCut, SimStorage
from hal.storage import FolderStorage
from protocols.value import Scaled

STEP = Fraction(1, 1000)
METER = PulseMeter("m1", "energy_active_import_total", STEP)
OTHER = PulseMeter("m2", "volume_water_cold_total", Fraction(1, 100))


def counts(folder: Path, *meters: PulseMeter) -> PulseCounts:
    return PulseCounts(FolderStorage(folder), meters or (METER,))


def test_a_new_meter_begins_at_zero_and_goes_on_where_it_was_saved(tmp_path: Path) -> None:
    first = counts(tmp_path)
    assert str(first.display("m1")) == "0.000"
    assert first.restored == frozenset()
    first.add("m1", 5)
    first.save()
    first.add("m1", 2)  # not saved: lost with the process
    second = counts(tmp_path)
    assert str(second.display("m1")) == "0.005"
    assert second.restored == {"m1"}


def test_nothing_is_written_while_nothing_is_counted(tmp_path: Path) -> None:
    storage = SimStorage(tmp_path)
    kept = PulseCounts(storage, [METER])
    kept.add("m1", 1)
    for _ in range(10):
        kept.save()
    assert sum(call.startswith("replace") for call in storage.calls) == 1


def test_a_display_that_was_entered_is_where_readings_go_on(tmp_path: Path) -> None:
    kept = counts(tmp_path, METER, OTHER)
    kept.add("m1", 123)
    kept.calibrate("m1", Scaled(123456, -1))
    kept.calibrate("m2", Scaled(45678, -4))
    kept.add("m1", 7)
    kept.add("m2", 7)
    kept.save()
    again = counts(tmp_path, METER, OTHER)
    assert str(again.display("m1")) == "12345.607"
    assert str(again.display("m2")) == "4.6378", "digits finer than a pulse are kept"
    count = again.count("m1")
    assert count is not None
    assert (count.pulses, count.calibrated) == (130, True)


def test_another_constant_goes_on_from_the_display_that_stood_there(tmp_path: Path) -> None:
    kept = counts(tmp_path)
    kept.calibrate("m1", Scaled(100, 0))
    kept.add("m1", 500)
    kept.save()
    changed = counts(tmp_path, METER._replace(step=Fraction(1, 75)))
    assert str(changed.display("m1")) == "100.500"
    changed.add("m1", 75)
    changed.save()
    assert str(counts(tmp_path, METER._replace(step=Fraction(1, 75))).display("m1")) == "101.500"


def test_a_damaged_copy_costs_one_write_and_two_cost_the_count(tmp_path: Path) -> None:
    kept = counts(tmp_path, METER, OTHER)
    for _ in range(4):
        kept.add("m1", 1)
        kept.save()
    newest = max((tmp_path / name for name in FILES), key=lambda path: path.stat().st_mtime_ns)
    newest.write_bytes(newest.read_bytes()[:-12] + b"rot")
    assert str(counts(tmp_path).display("m1")) == "0.003"
    for name in FILES:
        (tmp_path / name).write_bytes(b"\xff" * 100)
    lost = counts(tmp_path, METER, OTHER)
    assert lost.display("m1") is None
    lost.add("m1", 5)
    assert lost.display("m1") is None, "a count that begins at a loss would be invented"
    lost.calibrate("m1", Scaled(7, 0))
    lost.save()
    again = counts(tmp_path, METER, OTHER)
    assert str(again.display("m1")) == "7.000"
    assert again.display("m2") is None, "nobody has entered this one yet"


@pytest.mark.parametrize("content", [b"", b"\n", b"{}\n00000000\n", b"null\n", b"0" * 2_000_000])
def test_whatever_lies_there_the_agent_starts(content: bytes, tmp_path: Path) -> None:
    (tmp_path / FILES[0]).write_bytes(content)
    assert counts(tmp_path).display("m1") is None


def test_a_disk_that_takes_nothing_is_told_and_tried_again(tmp_path: Path) -> None:
    storage = SimStorage(tmp_path, fail_at=3, mishap="enospc")  # two reads come before
    kept = PulseCounts(storage, [METER])
    kept.add("m1", 1)
    kept.save()
    assert "simulated" in kept.write_error
    kept.save()
    assert kept.write_error == ""
    assert str(counts(tmp_path).display("m1")) == "0.001"


@settings(max_examples=50, deadline=None)
@given(
    steps=st.lists(st.integers(1, 5), min_size=1, max_size=6), fail_at=st.integers(1, 8), late=st.booleans()
)
def test_a_cut_at_any_call_leaves_a_count_that_was_there(
    steps: list[int], fail_at: int, late: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    storage = SimStorage(folder / "a", fail_at=fail_at, mishap="cut-late" if late else "cut")
    total = saved = 0
    try:
        kept = PulseCounts(storage, [METER])
        for step in steps:
            total += step
            kept.add("m1", step)
            kept.save()
            saved = total
    except PowerCut:
        pass
    storage.copy_after_cut(folder / "b")
    count = counts(folder / "b").count("m1")
    assert count is not None
    assert saved <= count.pulses <= total
