"""What is doubtful becomes marks, one fault a meter, and events; what was known survives a restart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from config.load import Gateway, load_gateway
from edge_agent.clock import BootClock
from edge_agent.counter_memory import FILE, SAVE_INTERVAL_MS, CounterMemory
from edge_agent.faults import FaultCode, Faults
from edge_agent.meter_state import MeterState, initial_identity
from edge_agent.readers import series_table
from edge_agent.reading import Reading
from edge_agent.reading_watch import GOOD_READINGS_MIN, ReadingWatch
from hal.api import ClockOffset
from hal.storage import FolderStorage
from protocols.uplink.messages import ClockSource
from protocols.value import NullCause, Quality, parse_decimal

MINUTE_MS = 60_000
VOLTAGE, FREQUENCY, ENERGY = 0, 1, 2
FILE_TEXT = """
[gateway]
id = "gw-1"
state_folder = "state"
socket = "s.sock"
[uplink]
url = "mqtt://127.0.0.1:1883"
ca = ""
certificate = ""
key = ""
backend_key = ""
free_on = "puback"
[[line]]
id = "bus"
url = "tcp://127.0.0.1:5020"
protocol = "modbus-tcp"
[[meter]]
id = "feed"
line = "bus"
profile = "eastron-sdm630"
serial = "{serial}"
quantities = ["voltage_l1", "frequency", "energy_active_import_total"]
"""
PERSONAL = """
[[stream]]
id = "flat"
meters = ["feed"]
personal = true
purpose = "sub-metering"
legal_basis = "contract"
opt_in = "2026-01"
"""


class SetClock:
    """A machine whose clocks stand where the test puts them."""

    def __init__(self, boot: str = "boot-1", ms: int = 1_000_000, offset_ms: int | None = None) -> None:
        self.boot, self.ms, self.offset_ms = boot, ms, offset_ms

    def boot_ms(self) -> int:
        return self.ms

    def boot_id(self) -> str:
        return self.boot

    def offset(self) -> ClockOffset | None:
        return None if self.offset_ms is None else ClockOffset(self.offset_ms, ClockSource.NTP, 1)


class Rig:
    """A run of the agent's watch on a folder that stays."""

    def __init__(
        self, folder: Path, clock: SetClock | None = None, serial: str = "123", more: str = ""
    ) -> None:
        self.clock = clock or SetClock()
        self.storage = FolderStorage(folder / "state")
        boots = BootClock(FolderStorage(folder / "boots"), self.clock)
        self.gateway = load(folder, serial, more)
        self.faults = Faults(self.clock.boot_ms)
        self.heard: list[tuple[str, bool]] = []
        self.faults.listen(lambda fault, raised: self.heard.append((fault.evidence, raised)))
        self.events: list[tuple[str, str, dict[str, Any]]] = []
        memory = CounterMemory(self.storage, boots)
        table = series_table(self.gateway)
        self.watch = ReadingWatch(self.gateway, table, memory, boots, self.faults, self._tell)
        meter = self.gateway.file.meters[0]
        self.state = MeterState(meter, self.gateway.profile_of(meter), initial_identity(meter))
        self.watch.attach([self.state])

    def _tell(self, code: str, subject: str, details: dict[str, Any]) -> None:
        self.events.append((code, subject, details))

    def record(self, *values: str | None, remark: int = 0) -> list[Reading]:
        """A round of the meter: voltage, frequency, energy; a minute passes."""
        self.clock.ms += MINUTE_MS
        readings = [
            Reading(n, self.clock.ms, self.clock.ms, None if v is None else parse_decimal(v), remark)
            for n, v in enumerate(values)
        ]
        self.state.last_readings.update({each.series: each for each in readings})
        return list(self.watch.mark(readings))

    def evidence(self) -> str:
        return next((f.evidence for f in self.faults.present() if f.code == FaultCode.METER_IMPLAUSIBLE), "")

    def save(self) -> None:
        self.watch.memory.is_due = True
        self.watch.memory.save()


def load(folder: Path, serial: str, more: str) -> Gateway:
    path = folder / "gateway.toml"
    path.write_text(FILE_TEXT.format(serial=serial) + more)
    return load_gateway(path)


def test_good_readings_pass_as_they_are(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    readings = [Reading(0, 1, 1, parse_decimal("230.1"), 0)]
    assert rig.watch.mark(readings) is readings
    assert not rig.faults.present()


def test_a_doubtful_value_is_kept_marked_and_shown(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    _, frequency, _ = rig.record("230.1", "500", "100")
    assert (str(frequency.value), frequency.quality) == ("500", Quality.IMPLAUSIBLE)
    assert rig.state.last_readings[FREQUENCY].quality == Quality.IMPLAUSIBLE
    assert "500 Hz" in rig.evidence()
    assert "45 to 65" in rig.evidence()


def test_a_rule_is_heard_once_and_the_fault_ends_after_enough_good_readings(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    for _ in range(5):
        rig.record("2301", "500", "100")
    assert [raised for _, raised in rig.heard] == [True]
    assert "1 more" in rig.evidence()
    rig.record("2301", "500", "3")
    assert [raised for _, raised in rig.heard] == [True, False, True], "another rule is news"
    for _ in range(GOOD_READINGS_MIN - 1):
        rig.record("230.1", "50", "3.1")
    assert rig.evidence()
    rig.record("230.1", None, "3.1")
    assert "frequency" in rig.evidence()
    rig.record("230.1", "50", "3.1")
    assert not rig.evidence()


def test_a_null_beside_values_is_told_and_a_damaged_round_is_not(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.record(None, None, None, remark=int(NullCause.CORRUPT))
    assert not rig.evidence()
    rig.watch.mark([Reading(0, 1, 1, None, int(NullCause.CORRUPT)), Reading(1, 1, 1, parse_decimal("50"), 0)])
    assert "voltage_l1" in rig.evidence()


def test_a_roll_over_is_an_event(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.record("230.1", "50", "999999.9")
    (_, _, energy) = rig.record("230.1", "50", "0.1")
    assert energy.remark == 0
    assert [(code, subject) for code, subject, _ in rig.events] == [("meter.rolled-over", "feed")]
    assert not rig.evidence()


def test_a_counter_that_leaves_its_course_has_the_serial_number_asked_for_anew(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.state.identity, rig.state.serial_read = "verified", "123"
    rig.record("230.1", "50", "5000")
    assert rig.state.identity == "verified"
    rig.record("230.1", "50", "2")
    assert rig.state.identity == "configured"


@pytest.mark.parametrize(
    "later",
    [
        SetClock("boot-1", 9_000_000),
        SetClock("boot-2", 5_000),
        SetClock("boot-2", 5_000, offset_ms=1_800_000_000_000),
    ],
)
def test_a_counter_that_fell_over_a_restart_is_marked(tmp_path: Path, later: SetClock) -> None:
    rig = Rig(tmp_path, SetClock(offset_ms=1_799_900_000_000))
    rig.record("230.1", "50", "12345.6")
    rig.save()
    again = Rig(tmp_path, later)
    (_, _, energy) = again.record("230.1", "50", "12")
    assert energy.quality == Quality.IMPLAUSIBLE
    assert "12345.6" in again.evidence()


def test_a_long_stop_is_no_jump_where_a_clock_tells_how_long_it_was(tmp_path: Path) -> None:
    rig = Rig(tmp_path, SetClock(offset_ms=0))
    rig.record("230.1", "50", "1000")
    rig.save()
    month_ms = 30 * 86_400_000
    again = Rig(tmp_path, SetClock("boot-2", 5_000, offset_ms=month_ms))
    assert again.record("230.1", "50", "2000000")[ENERGY].remark == 0


def test_counters_are_written_now_and_then_and_not_at_each_flush(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.record("230.1", "50", "1000")
    rig.watch.memory.save()
    assert FILE not in rig.storage.names()
    rig.clock.ms += SAVE_INTERVAL_MS
    rig.watch.memory.save()
    assert FILE in rig.storage.names()


@pytest.mark.parametrize("damage", [b"", b"{}", b"rubbish\n12345678\n"])
def test_a_damaged_memory_is_compared_with_nothing(tmp_path: Path, damage: bytes) -> None:
    Rig(tmp_path).storage.replace(FILE, damage)
    assert Rig(tmp_path).record("230.1", "50", "1")[ENERGY].remark == 0


def test_a_serial_number_edited_in_the_configuration_is_an_exchange(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.record("230.1", "50", "12345.6")
    rig.save()
    again = Rig(tmp_path, serial="456")
    assert again.record("230.1", "50", "1")[ENERGY].remark == 0
    ((code, _, details),) = again.events
    assert code == "meter.exchanged"
    assert (details["old_serial"], details["new_serial"]) == ("123", "456")
    assert details["end.energy_active_import_total"] == "12345.6"
    again.save()
    assert not Rig(tmp_path, serial="456").events


def test_another_serial_number_than_before_is_told_once(tmp_path: Path) -> None:
    rig = Rig(tmp_path, serial="")
    for told in ("00123", "123", "456", "456"):
        rig.state.serial_read = told
        rig.record("230.1", "50", "9" if told == "456" else "5000")
    ((code, _, details),) = rig.events
    assert (code, details["new_serial"]) == ("meter.serial-changed", "456")
    assert not rig.evidence(), "the counters of another device are compared with nothing"


def test_no_fault_or_event_names_a_value_of_a_person(tmp_path: Path) -> None:
    rig = Rig(tmp_path, more=PERSONAL)
    rig.record("230.1", "500", "999999.9")
    rig.record("230.1", "500", "0.1")
    assert "frequency" in rig.evidence()
    assert "500" not in rig.evidence()
    ((_, _, details),) = rig.events
    assert "999999" not in str(details)
