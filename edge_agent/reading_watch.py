"""Watches readings on their way into the buffer: marks what is doubtful, and says so once.

Rules:
- A reading is marked here and nowhere else, whatever its protocol; its value stays as it came.
- One fault a meter, which tells what each rule found first. It is gone when all series in doubt have had
  GOOD_READINGS_MIN good readings on end.
- A counter that rolls over is in order: an event says so, nothing is marked.
- A counter that leaves its course may be another device's: its serial number is asked for anew.
- Faults and events name no values of a meter whose stream is personal: they are not erased with it.
- Another serial number than before is an event, once. Where none is configured, counters begin anew with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from config.load import Gateway
from edge_agent.clock import BootClock
from edge_agent.counter_memory import CounterMemory, CounterNote, MeterNote
from edge_agent.faults import FaultCode, Faults
from edge_agent.meter_state import MeterState, initial_identity
from edge_agent.parts import Tell
from edge_agent.plausibility import UNDATED_MS, Finding, Plausibility, RuleName, rules_of
from edge_agent.reading import Reading
from edge_agent.serials import same_serial
from protocols.quantities import by_number
from protocols.uplink.messages import SeriesTable
from protocols.value import NullCause, Scaled

GOOD_READINGS_MIN = 10


@dataclass(slots=True)
class _Doubt:
    """Of one series: what was found first, and how many good readings end it."""

    name: RuleName
    evidence: str
    good_left: int = GOOD_READINGS_MIN


class ReadingWatch:
    """The plausibility of all meters of a gateway."""

    def __init__(
        self,
        gateway: Gateway,
        table: SeriesTable,
        memory: CounterMemory,
        clock: BootClock,
        faults: Faults,
        tell: Tell,
    ) -> None:
        """`memory`: what earlier runs left. `tell`: for events."""
        self._clock = clock
        self._faults = faults
        self._tell = tell
        self._meters = [meter.id for meter in table]
        self._meter_of = [place for place, meter in enumerate(table) for _ in meter.series]
        quantities = [[by_number(series.quantity) for series in meter.series] for meter in table]
        self._names = [quantity.name for known in quantities for quantity in known]
        self._serials = [meter.serial for meter in table]
        self._configured = list(self._serials)
        self._states: dict[int, MeterState] = {}
        self._doubts: dict[int, dict[int, _Doubt]] = {}  # by meter, then series
        personal = {id_ for stream in gateway.file.streams if stream.personal for id_ in stream.meters}
        self._personal = {place for place, id_ in enumerate(self._meters) if id_ in personal}
        exponents = [[series.exponent for series in meter.series] for meter in table]
        profiles = [gateway.profile_of(meter) for meter in gateway.file.meters]
        pairs = [
            [*zip(known, steps, strict=True)] for known, steps in zip(quantities, exponents, strict=True)
        ]
        rules = rules_of(zip(pairs, profiles, [meter.ratio for meter in table], strict=True))
        self._plausibility = Plausibility(rules)
        self.memory = memory
        memory.take = self._notes

    def attach(self, states: Sequence[MeterState]) -> None:
        """The meters as their lines know them; then what earlier runs knew of them counts."""
        by_id = {state.config.id: state for state in states}
        self._states = {place: by_id[id_] for place, id_ in enumerate(self._meters) if id_ in by_id}
        self._restore()

    def mark(self, readings: Sequence[Reading]) -> Sequence[Reading]:
        """The readings of one meter with marks on what is doubtful; to be called once for each."""
        if not readings:
            return readings
        meter = self._meter_of[readings[0].series]
        state = self._states.get(meter)
        if state is not None and state.serial_read != self._serials[meter] and state.serial_read:
            self._note_serial(meter, state.serial_read)
        judge, doubts = self._plausibility.judge, self._doubts.get(meter)
        marked: list[Reading] | None = None
        for place, reading in enumerate(readings):
            finding = judge(reading)
            if finding is not None:
                marked = list(readings) if marked is None else marked
                marked[place] = reading._replace(remark=reading.remark | int(finding.mark))
                self._note(meter, finding)
                if state is not None:
                    state.last_readings[reading.series] = marked[place]
            elif doubts and reading.value is not None and reading.series in doubts:
                self._note_good(meter, doubts, reading.series)
        self._note_unreadable(meter, readings)
        return readings if marked is None else marked

    def glance(self, readings: Sequence[Reading]) -> list[Reading]:
        """As `mark`, for a live read that is not recorded: nothing is kept of it, and nothing raised."""
        found = [(reading, self._plausibility.look(reading)) for reading in readings]
        return [
            r if finding is None else r._replace(remark=r.remark | int(finding.mark)) for r, finding in found
        ]

    def begin_anew(self, meter: str) -> None:
        """Another device or display: what was known of its counters no longer counts."""
        place = self._meters.index(meter)
        self._plausibility.begin_anew(n for n, owner in enumerate(self._meter_of) if owner == place)
        if self._doubts.pop(place, None):
            self._clear(place)
        self.memory.is_due = True

    def replace_device(self, meter: str, serial: str) -> None:
        """A person entered that another device is there now."""
        place = self._meters.index(meter)
        self._configured[place] = self._serials[place] = serial
        self.begin_anew(meter)

    def is_personal(self, meter: str) -> bool:
        """Whether its values tell of a person: then no event has them, which would outlive their stream."""
        return self._meters.index(meter) in self._personal

    def device(self, meter: str) -> MeterNote:
        """What is known of the device that is there: its serial number, and its counters' last values."""
        return self._notes().get(meter, MeterNote("", {}))

    def _note(self, meter: int, finding: Finding) -> None:
        evidence = finding.evidence
        if meter in self._personal:
            evidence = f"{self._names[finding.series]}: {finding.name}"
        if finding.name == "rolled-over":
            self._tell("meter.rolled-over", self._meters[meter], {"evidence": evidence})
            return
        state = self._states.get(meter)
        if finding.name in ("fell", "jumped") and state is not None and state.identity == "verified":
            state.identity = initial_identity(state.config)  # asked anew before the next reading
        doubts = self._doubts.setdefault(meter, {})
        known = doubts.get(finding.series)
        if known is not None and known.name == finding.name:
            known.good_left = GOOD_READINGS_MIN
            return
        is_news = all(doubt.name != finding.name for doubt in doubts.values())
        doubts[finding.series] = _Doubt(finding.name, evidence)
        if is_news:
            self._clear(meter)  # so that it is heard anew
        self._raise(meter)

    def _note_good(self, meter: int, doubts: dict[int, _Doubt], series: int) -> None:
        doubt = doubts[series]
        doubt.good_left -= 1
        if doubt.good_left:
            return
        del doubts[series]
        if doubts:
            self._raise(meter)
        else:
            del self._doubts[meter]
            self._clear(meter)

    def _note_unreadable(self, meter: int, readings: Sequence[Reading]) -> None:
        """Nulls for what cannot be a value, beside values: the meter answered, so it is not the line."""
        causes = [reading.remark for reading in readings if reading.value is None]
        if int(NullCause.CORRUPT) not in causes or len(causes) == len(readings):
            return
        for reading in readings:
            finding = self._plausibility.unreadable(reading)
            if finding is not None:
                self._note(meter, finding)

    def _clear(self, meter: int) -> None:
        self._faults.clear(self._meters[meter], (FaultCode.METER_IMPLAUSIBLE,))

    def _raise(self, meter: int) -> None:
        first: dict[RuleName, str] = {}
        for doubt in self._doubts[meter].values():
            first.setdefault(doubt.name, doubt.evidence)
        more = len(self._doubts[meter]) - len(first)
        text = "; ".join(first.values()) + (f"; and {more} more quantities" if more else "")
        self._faults.raise_(FaultCode.METER_IMPLAUSIBLE, self._meters[meter], text)

    def _note_serial(self, meter: int, serial: str) -> None:
        """The device tells another serial number than before, or the same in another spelling."""
        before, self._serials[meter] = self._serials[meter], serial
        if not before or same_serial(before, serial):
            return
        self._tell("meter.serial-changed", self._meters[meter], {"old_serial": before, "new_serial": serial})
        if not self._configured[meter]:
            self.begin_anew(self._meters[meter])

    def _notes(self) -> Mapping[str, MeterNote]:
        """What is to be known after a restart; on any thread."""
        counters: dict[int, dict[str, CounterNote]] = {}
        for series, last in enumerate(self._plausibility.counters()):
            if last is not None and last.value is not None:
                note = CounterNote(last.value.integer, last.value.exponent, last.time_ms)
                counters.setdefault(self._meter_of[series], {})[self._names[series]] = note
        serials = [one or other for one, other in zip(self._configured, self._serials, strict=True)]
        return {
            id_: MeterNote(serials[place], counters.get(place, {}))
            for place, id_ in enumerate(self._meters)
            if place in counters or serials[place]
        }

    def _restore(self) -> None:
        notes = self.memory.notes
        shift_ms = notes.shift_ms(self._clock.boot, self._clock.piece_offset_ms)
        undated_ms = self._clock.boot_ms() - UNDATED_MS
        for series, meter in enumerate(self._meter_of):
            note = notes.meters.get(self._meters[meter])
            counter = None if note is None else note.counters.get(self._names[series])
            if note is None or counter is None or not self._is_same(meter, note.serial):
                continue
            time_ms = undated_ms if shift_ms is None else counter.time_ms + shift_ms
            value = Scaled(counter.integer, counter.exponent)
            self._plausibility.restore(Reading(series, time_ms, time_ms, value, 0))
        self._tell_replaced(notes.meters)

    def _is_same(self, meter: int, noted: str) -> bool:
        """Whether the configuration still means the device that an earlier run knew, as far as it says."""
        configured = self._configured[meter]
        return not configured or not noted or same_serial(configured, noted)

    def _tell_replaced(self, notes: Mapping[str, MeterNote]) -> None:
        """Of meters that the configuration names another serial number for: the exchange, told once."""
        for meter, id_ in enumerate(self._meters):
            note = notes.get(id_)
            if note is None:
                continue
            if self._is_same(meter, note.serial):
                self._serials[meter] = self._serials[meter] or note.serial
                continue
            ends = {f"end.{name}": str(value) for name, value in note.values().items()}
            told = {"old_serial": note.serial, "new_serial": self._configured[meter], "by": "configuration"}
            if ends:
                self._tell("meter.exchanged", id_, {**told, **({} if meter in self._personal else ends)})
            self.memory.is_due = True
