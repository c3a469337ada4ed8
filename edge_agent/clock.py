"""The boot axis: the durable number of this start of the machine, and the offset to UTC in pieces.

Rules that keep it so: a boot number is never given to two starts; where the counter cannot be read or
kept, the number is drawn at random far above all counted ones. A piece's offset never changes: a step
or a change of trust begins a new piece. A wall clock that stands before the lower bound of time is not
believed, whoever vouches for it.
"""

from __future__ import annotations

import secrets

from edge_agent.time_bound import TimeBound
from edge_agent.twin_file import TwinFile
from hal.api import Clock, ClockOffset, Storage
from protocols.uplink.messages import Instant, Wall

STEP_MS_MIN = 500
PIECE_DRIFT_MS_MAX = STEP_MS_MIN + 50
"""So far may the clock be from a piece's offset at the piece's end: a step's least, and what it drifts until
somebody looks."""
BOOT_FILE = "boots"
RANDOM_BOOT_MIN = 2**31
RANDOM_BOOT_BITS = 30


class BootClock:
    """The clock by which readings are dated. `storage` holds the counter; blocking, once, at creation.

    `durable` is False where the number could not be kept: it is then a random one. `bound`: what UTC has
    certainly reached; `built_ms`: at least this, the program's build date, UTC in ms since 1970.
    """

    def __init__(self, storage: Storage, clock: Clock, built_ms: int = 0) -> None:
        self._clock = clock
        self.bound = TimeBound(storage, clock.boot_id(), clock.boot_ms, built_ms)
        self._piece = self._present()
        self.boot, self.durable = _number_boot(TwinFile(storage, BOOT_FILE), clock.boot_id())

    @property
    def boot_id(self) -> str:
        return self._clock.boot_id()

    def boot_ms(self) -> int:
        """ms since the machine started, suspend included."""
        return self._clock.boot_ms()

    @property
    def piece_offset_ms(self) -> int | None:
        """UTC in ms = boot ms + this, for all of the present piece; None while the clock is untrusted."""
        return None if self._piece is None else self._piece.offset_ms

    def alignment_ms(self) -> int:
        """What to add to boot time so that slots lie on full intervals of UTC; 0 while it is unknown."""
        return 0 if self._piece is None else self._piece.offset_ms

    def now(self) -> Instant:
        """This moment on the boot axis."""
        return Instant(self.boot, self._clock.boot_ms())

    def wall(self) -> Wall | None:
        """The present piece as a batch states it: its fixed offset, its uncertainty widened by the drift
        since the piece began."""
        piece = self._piece
        if piece is None:
            return None
        present = self._present()
        drift_ms = 0 if present is None else abs(present.offset_ms - piece.offset_ms)
        uncertainty_ms = piece.uncertainty_ms if present is None else present.uncertainty_ms
        return Wall(piece.offset_ms, piece.source, uncertainty_ms + min(drift_ms, PIECE_DRIFT_MS_MAX))

    def check(self) -> bool:
        """True when a new piece began: the clock stepped, or trust came, went or changed its source."""
        present = self._present()
        if not _is_new_piece(self._piece, present):
            return False
        self._piece = present
        return True

    def utc_ms(self) -> int | None:
        """UTC by the trusted clock, in ms since 1970; None while there is none."""
        present = self._present()
        return None if present is None else self._clock.boot_ms() + present.offset_ms

    def is_behind(self) -> bool:
        """Whether someone vouches for a wall clock that stands before the lower bound."""
        return self._clock.offset() is not None and self._present() is None

    def _present(self) -> ClockOffset | None:
        offset = self._clock.offset()
        if offset is None or self._clock.boot_ms() + offset.offset_ms < self.bound.utc_ms:
            return None
        return offset


def _is_new_piece(piece: ClockOffset | None, present: ClockOffset | None) -> bool:
    if piece is None or present is None:
        return piece is not present
    stepped = abs(present.offset_ms - piece.offset_ms) > STEP_MS_MIN
    return stepped or present.source != piece.source


def _number_boot(file: TwinFile, boot_id: str) -> tuple[int, bool]:
    try:
        copies = file.read()
        known = [_decode_counter(text) for text in copies.texts]
    except (OSError, ValueError):
        return _random_number(), False
    number, known_id = max(known, default=(0, ""))
    if known_id == boot_id and copies.complete:
        return number, True
    if known_id != boot_id:
        number = _random_number() if copies.damaged and not known else number + 1
    try:
        file.write(f"{number} {boot_id}")
    except OSError:
        return _random_number(), False
    return number, True


def _random_number() -> int:
    return RANDOM_BOOT_MIN + secrets.randbits(RANDOM_BOOT_BITS)


def _decode_counter(text: str) -> tuple[int, str]:
    number, _, boot_id = text.partition(" ")
    return int(number), boot_id
