"""The counts of the pulse inputs: kept through restarts, and tied to the meters' displays.

Rules:
- A count is on the disk before a reading made from it is: `save` runs at each flush of the buffer, before the
  journal is written. So a count that is restored never falls behind what was reported, and what a kill or a
  power cut costs is the pulses since the last flush, and those while nobody watched. They are never guessed.
- One small file, written at most once a flush interval and only when a count has changed; two copies take
  turns, so that a damaged one costs one flush interval.
- Where neither copy can be read nobody knows the counts: meters have none until a person enters the display.
- A changed constant or quantity begins at the display that stood there last (or at 0 for another quantity):
  what is counted already is not counted anew.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Sequence
from fractions import Fraction
from typing import NamedTuple

import msgspec

from hal.api import Storage
from protocols.s0 import display_value
from protocols.value import Scaled, parse_decimal

FILES = ("counts-a", "counts-b")
FILE_SIZE_BYTES_MAX = 1024 * 1024


class PulseMeter(NamedTuple):
    """A meter whose pulses are counted: what one of them stands for, in the unit of its quantity."""

    id: str
    quantity: str
    step: Fraction


class Count(NamedTuple):
    """`pulses`: all that were ever seen. The display stood at `start` when they were `start_pulses`.
    `calibrated`: a person read `start` off the meter."""

    pulses: int
    start: Scaled
    start_pulses: int
    calibrated: bool = False

    def display(self, step: Fraction) -> Scaled:
        """What the meter should show now."""
        return display_value(step, self.pulses - self.start_pulses, self.start)


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    quantity: str
    step: tuple[int, int]
    pulses: int
    start: str
    start_pulses: int
    calibrated: bool


class _Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    generation: int
    meters: dict[str, _Entry | None]  # None: the count was lost, and nobody has entered the display since


class PulseCounts:
    """All counts of a gateway. `save` belongs to the storage thread, everything else to the event loop.

    `restored`: the meters that an earlier run counted. `write_error`: what the system said to the last write,
    "" where it went well.
    """

    def __init__(self, storage: Storage | None, meters: Sequence[PulseMeter]) -> None:
        """Reads what earlier runs left; blocks. Never fails: what cannot be read is lost. `storage` None:
        there are no meters."""
        self._storage = storage
        self._meters = {meter.id: meter for meter in meters}
        self._saved, lost = (_Content(0, {}), False) if storage is None else _load(storage)
        known = self._saved.meters
        self.restored = frozenset(id_ for id_ in self._meters if lost or id_ in known)
        new = None if lost else Count(0, Scaled(0, 0), 0)
        self._counts = {
            meter.id: _restore(known[meter.id], meter) if meter.id in known else new for meter in meters
        }
        self.write_error = ""

    def count(self, meter: str) -> Count | None:
        """A meter's count; None where it was lost and nobody has entered the display since."""
        return self._counts[meter]

    def display(self, meter: str) -> Scaled | None:
        """What a meter should show now; None where nobody knows."""
        count = self._counts[meter]
        return None if count is None else count.display(self._meters[meter].step)

    def add(self, meter: str, pulses: int) -> None:
        """Pulses were seen."""
        count = self._counts[meter]
        if pulses and count is not None:
            self._counts[meter] = count._replace(pulses=count.pulses + pulses)

    def calibrate(self, meter: str, display: Scaled) -> None:
        """The meter shows `display` now. Durable after the next `save`."""
        count = self._counts[meter]
        pulses = 0 if count is None else count.pulses
        self._counts[meter] = Count(pulses, display, pulses, calibrated=True)

    def save(self) -> None:
        """Make the present counts durable, where they changed; `write_error` says if that failed."""
        counts = dict(self._counts)  # one step for the interpreter: the event loop may go on counting
        known = {id_: _entry(self._meters[id_], count) for id_, count in counts.items()}
        meters = {**self._saved.meters, **known}  # a meter taken out of the configuration may come back
        if self._storage is None or (meters == self._saved.meters and not self.write_error):
            return
        content = _Content(self._saved.generation + 1, meters)
        try:
            self._storage.replace(FILES[content.generation % len(FILES)], _encode(content))
        except OSError as error:
            self.write_error = error.strerror or str(error)
            return
        self._saved = content
        self.write_error = ""


def forget_counts(storage: Storage, meters: Collection[str]) -> None:
    """Remove the counts of these meters, durably, from both copies, while no agent runs. Raises OSError."""
    content, _ = _load(storage)
    if content.meters.keys().isdisjoint(meters):
        return
    kept = {name: entry for name, entry in content.meters.items() if name not in meters}
    for generation in (content.generation + 1, content.generation + 2):
        storage.replace(FILES[generation % len(FILES)], _encode(_Content(generation, kept)))


def _load(storage: Storage) -> tuple[_Content, bool]:
    """The newest copy that is intact, and whether there were copies and none was."""
    found: list[_Content] = []
    damaged = False
    for name in FILES:
        try:
            found.append(_decode(storage.read(name)))
        except FileNotFoundError:
            continue
        except (OSError, ValueError, msgspec.MsgspecError):
            damaged = True
    newest = max(found, key=lambda content: content.generation, default=_Content(0, {}))
    return newest, damaged and not found


def _restore(entry: _Entry | None, meter: PulseMeter) -> Count | None:
    if entry is None:
        return None
    count = Count(entry.pulses, parse_decimal(entry.start), entry.start_pulses, entry.calibrated)
    step = Fraction(*entry.step)
    if entry.quantity != meter.quantity:
        return Count(count.pulses, Scaled(0, 0), count.pulses)
    if step != meter.step:
        return Count(count.pulses, count.display(step), count.pulses)
    return count


def _entry(meter: PulseMeter, count: Count | None) -> _Entry | None:
    if count is None:
        return None
    return _Entry(
        quantity=meter.quantity,
        step=meter.step.as_integer_ratio(),
        pulses=count.pulses,
        start=str(count.start),
        start_pulses=count.start_pulses,
        calibrated=count.calibrated,
    )


def _encode(content: _Content) -> bytes:
    body = msgspec.json.encode(content)
    return body + f"\n{zlib.crc32(body):08x}\n".encode()


def _decode(data: bytes) -> _Content:
    """ValueError for anything but an intact file."""
    body, _, check = data.rstrip(b"\n").rpartition(b"\n")
    if len(data) > FILE_SIZE_BYTES_MAX or f"{zlib.crc32(body):08x}".encode() != check:
        raise ValueError("the counts' checksum is wrong")
    content = msgspec.json.decode(body, type=_Content)
    for entry in content.meters.values():
        if entry is None:
            continue
        parse_decimal(entry.start)
        if not 0 <= entry.start_pulses <= entry.pulses or min(entry.step) <= 0:
            raise ValueError("the counts contradict each other")
    return content
