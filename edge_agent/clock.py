"""The boot axis: the durable number of this start of the machine, and the offset to UTC in pieces.

Rules that keep it so: a boot number is never given to two starts; where the counter cannot be read or
kept, the number is drawn at random far above all counted ones. A piece's offset never changes: a step
or a change of trust begins a new piece.
"""

from __future__ import annotations

import secrets
import zlib

from hal.api import Clock, ClockOffset, Storage
from protocols.uplink.messages import Instant, Wall

STEP_MS_MIN = 500
BOOT_FILES = ("boots", "boots-copy")  # two, since a counter that rots must not begin again at 1
RANDOM_BOOT_MIN = 2**31
RANDOM_BOOT_BITS = 30


class BootClock:
    """The clock by which readings are dated. `storage` holds the counter; blocking, once, at creation.

    `durable` is False where the number could not be kept: it is then a random one.
    """

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._clock = clock
        self._piece = clock.offset()
        self.boot, self.durable = _number_boot(storage, clock.boot_id())

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
        present = self._clock.offset()
        drift_ms = 0 if present is None else abs(present.offset_ms - piece.offset_ms)
        uncertainty_ms = piece.uncertainty_ms if present is None else present.uncertainty_ms
        return Wall(piece.offset_ms, piece.source, uncertainty_ms + min(drift_ms, STEP_MS_MIN))

    def check(self) -> bool:
        """True when a new piece began: the clock stepped, or trust came, went or changed its source."""
        present = self._clock.offset()
        if not _is_new_piece(self._piece, present):
            return False
        self._piece = present
        return True


def _is_new_piece(piece: ClockOffset | None, present: ClockOffset | None) -> bool:
    if piece is None or present is None:
        return piece is not present
    stepped = abs(present.offset_ms - piece.offset_ms) > STEP_MS_MIN
    return stepped or present.source != piece.source


def _number_boot(storage: Storage, boot_id: str) -> tuple[int, bool]:
    try:
        known, damaged = _read_counter(storage)
    except OSError:
        return _random_number(), False
    number, known_id = max(known, default=(0, ""))
    if known_id == boot_id and len(known) == len(BOOT_FILES) and not damaged:
        return number, True
    if known_id != boot_id:
        number = _random_number() if damaged and not known else number + 1
    try:
        for name in BOOT_FILES:
            storage.replace(name, _encode_counter(number, boot_id))
    except OSError:
        return _random_number(), False
    return number, True


def _read_counter(storage: Storage) -> tuple[list[tuple[int, str]], bool]:
    """Each intact copy as (number, boot id), and whether one is damaged."""
    known: list[tuple[int, str]] = []
    damaged = False
    for name in BOOT_FILES:
        try:
            known.append(_decode_counter(storage.read(name)))
        except FileNotFoundError:
            continue
        except ValueError:
            damaged = True
    return known, damaged


def _random_number() -> int:
    return RANDOM_BOOT_MIN + secrets.randbits(RANDOM_BOOT_BITS)


def _encode_counter(number: int, boot_id: str) -> bytes:
    content = f"{number} {boot_id}".encode()
    return content + f" {zlib.crc32(content):08x}\n".encode()


def _decode_counter(data: bytes) -> tuple[int, str]:
    content, _, check = data.strip().rpartition(b" ")
    if f"{zlib.crc32(content):08x}".encode() != check:
        raise ValueError("the boot counter's checksum is wrong")
    number, _, boot_id = content.decode().partition(" ")
    return int(number), boot_id
