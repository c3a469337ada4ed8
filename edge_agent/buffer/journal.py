"""The journal: readings that are not sealed yet, in append-only files `journal-<generation>.log`.

Rules that keep it so:
- A file is a row of frames: magic, size, CRC-32, CBOR. The CRC begins with the generation, so that a
  frame of another file, left in a reused disk block, is never taken for one of this file.
- The header makes a generation self-contained: it can be sealed after any reconfiguration. It is written
  twice, since without one the readings below it have no meaning.
- A file whose write or sync failed is never touched again: a new one takes over.
- Reading back takes every intact frame from any damage. What is missing at the end is a torn write and
  normal; what is missing before an intact frame is damage.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import cbor2

from edge_agent.reading import Reading
from hal.api import File, Storage
from protocols.uplink.messages import Instant, Wall
from protocols.value import Scaled

FORMAT_VERSION = 1
MAGIC = b"\xe5jF1"
PAYLOAD_SIZE_BYTES_MAX = 1024 * 1024
READINGS_PER_FRAME_MAX = 4096
HEADER_COPIES = 2
MARKS_MAX = 8  # streams whose high-water mark a header repeats

_FRAME = struct.Struct("<4sII")  # magic, payload size, CRC-32 over size and payload
_SIZE = struct.Struct("<I")
_NAME = re.compile(r"journal-(\d{10})\.log")
_HEADER, _READINGS, _MARK, _WALL, _COVERED, _CLOSE = 1, 2, 3, 4, 5, 6


class Mark(NamedTuple):
    """A high-water mark: sequences of `stream` below `next_sequence` have been taken."""

    stream: int
    next_sequence: int


class Header(NamedTuple):
    """What a generation needs to be sealed alone. `group`: files of one group are sealed together, by one
    transaction; the later repeat what the earlier hold. `covered_ms`: readings due until then are in earlier
    groups, or named missing by a gap."""

    generation: int
    group: int
    boot: int
    boot_id: str
    covered_ms: int
    wall: Wall | None
    table_bytes: bytes
    marks: tuple[Mark, ...]


@dataclass(slots=True)
class Stretch:
    """Readings that may share a batch: of one boot, one piece of the wall clock, one series table."""

    boot: int
    wall: Wall | None
    table_bytes: bytes
    readings: list[Reading] = field(default_factory=list)


@dataclass(slots=True)
class Generation:
    """What was read back of one file. `damage`: the stretches of boot time around damaged places."""

    number: int
    header: Header | None = None
    stretches: list[Stretch] = field(default_factory=list)
    marks: dict[int, int] = field(default_factory=dict)
    last: Instant | None = None
    closed: bool = False
    frames: int = 0
    damage: list[tuple[Instant | None, Instant | None]] = field(default_factory=list)
    torn_bytes: int = 0

    @property
    def group(self) -> int:
        return self.number if self.header is None else self.header.group


def file_name(generation: int) -> str:
    return f"journal-{generation:010d}.log"


def generation_of(name: str) -> int | None:
    """The generation a file name stands for, None for other files."""
    match = _NAME.fullmatch(name)
    return int(match[1]) if match else None


class Journal:
    """The open generation. After any OSError: `abandon` it and create the next."""

    def __init__(self, storage: Storage, header: Header) -> None:
        """FileExistsError where the generation's name is taken."""
        self.generation = header.generation
        self.size_bytes = 0
        self._walls: dict[int, Wall | None] = {0: header.wall}
        self._file: File = storage.create(file_name(header.generation))
        try:
            self._append(_frame(_encode_header(header), self.generation) * HEADER_COPIES)
        except OSError:
            self._file.close()
            raise

    def write_readings(self, piece: int, wall: Wall | None, readings: Sequence[Reading]) -> None:
        """Append readings of the `piece`-th stretch of this generation, which lies under `wall`."""
        if piece not in self._walls or not _is_stated(wall, self._walls[piece]):
            known = self._walls.get(piece)
            stated = _widened(wall) if wall and known and same_piece(wall, known) else wall
            self._append_content([_WALL, piece, _plain(stated)])
            self._walls[piece] = stated
        for i in range(0, len(readings), READINGS_PER_FRAME_MAX):
            self._append(
                _frame(_encode_readings(piece, readings[i : i + READINGS_PER_FRAME_MAX]), self.generation)
            )

    def write_covered(self, covered_ms: int) -> None:
        """State that every reading due until then is above. A frame of its own, written last: should only
        a part of a flush reach the disk, the instant before it still holds."""
        self._append_content([_COVERED, covered_ms])

    def write_mark(self, mark: Mark) -> None:
        """State how far a stream's sequence has been used."""
        self._append_content([_MARK, *mark])

    def write_close(self, covered_ms: int) -> None:
        """State that this run ended in an orderly way."""
        self._append_content([_CLOSE, covered_ms])

    def sync(self) -> None:
        """Make everything written durable."""
        self._file.sync()

    def abandon(self) -> None:
        """Let go of the file as it is."""
        self._file.close()

    def _append_content(self, content: list[Any]) -> None:
        self._append(_frame(cbor2.dumps(content), self.generation))

    def _append(self, data: bytes) -> None:
        self._file.append(data)
        self.size_bytes += len(data)


def same_piece(a: Wall | None, b: Wall | None) -> bool:
    """Whether two statements are of one piece of the wall clock; uncertainty may grow within it."""
    return a == b if a is None or b is None else a[:2] == b[:2]


def _is_stated(wall: Wall | None, stated: Wall | None) -> bool:
    """Whether what was stated of a piece still holds for what comes now."""
    if wall is None or stated is None:
        return wall is stated
    return same_piece(wall, stated) and wall.uncertainty_ms <= stated.uncertainty_ms


def _widened(wall: Wall) -> Wall:
    """Up to the next power of two, so that an uncertainty that grows costs few frames."""
    return wall._replace(uncertainty_ms=1 << wall.uncertainty_ms.bit_length())


def read_generation(data: bytes, generation: int) -> Generation:
    """Everything intact in a file's bytes; any bytes give a Generation, perhaps an empty one."""
    found = Generation(generation)
    pieces: dict[int, Stretch] = {}
    walls: dict[int, Wall | None] = {}
    contents: list[tuple[int, list[Any]]] = []
    end = 0
    for start, stop, content in _intact_frames(data, generation):
        contents.append((start - end, content))
        end = stop
    found.torn_bytes = len(data) - end
    found.header = next((h for _, content in contents if (h := _decode_header(content))), None)
    for skipped, content in contents:
        before = found.last
        _take(found, content, pieces, walls)
        if skipped:
            found.damage.append((before, found.last))
    if found.header is None and contents:  # frames that nothing gives a meaning, or of a later version
        found.damage.append((None, None))
    found.stretches = [pieces[number] for number in sorted(pieces) if pieces[number].readings]
    return found


def _take(
    found: Generation, content: list[Any], pieces: dict[int, Stretch], walls: dict[int, Wall | None]
) -> None:
    """Fold one frame into what was found. A piece whose wall frame was lost is undated, not misdated."""
    found.frames += 1
    kind, header = content[0], found.header
    if kind == _HEADER and header is not None:
        walls[0] = header.wall
        found.marks = {**dict(header.marks), **found.marks}
        _advance(found, header, header.covered_ms)
    elif kind == _MARK:
        stream, next_sequence = content[1:3]
        found.marks[stream] = max(next_sequence, found.marks.get(stream, 0))
    elif kind == _WALL:
        walls[content[1]] = _wall(content[2])
        if content[1] in pieces:
            pieces[content[1]].wall = walls[content[1]]
    elif header is not None and kind == _READINGS:
        piece = content[1]
        stretch = pieces.setdefault(piece, Stretch(header.boot, walls.get(piece), header.table_bytes))
        stretch.readings.extend(_decode_readings(content))
    elif header is not None and kind in (_COVERED, _CLOSE):
        found.closed = kind == _CLOSE
        _advance(found, header, content[1])


def _advance(found: Generation, header: Header, covered_ms: int) -> None:
    reached = Instant(header.boot, covered_ms)
    found.last = reached if found.last is None else max(found.last, reached)


def _intact_frames(data: bytes, generation: int) -> Iterator[tuple[int, int, list[Any]]]:
    """(start, stop, content) of each intact frame, looking for the next one behind damage."""
    position = 0
    while (position := data.find(MAGIC, position)) >= 0:
        framed = _read_frame(data, position, generation)
        if framed is None:
            position += 1
            continue
        stop, content = framed
        yield position, stop, content
        position = stop


def _read_frame(data: bytes, start: int, generation: int) -> tuple[int, list[Any]] | None:
    body = start + _FRAME.size
    if body > len(data):
        return None
    _, size, check = _FRAME.unpack_from(data, start)
    if size > PAYLOAD_SIZE_BYTES_MAX or body + size > len(data):
        return None
    payload = data[body : body + size]
    if _check(payload, generation) != check:
        return None
    try:
        content = cbor2.loads(payload)
    except (cbor2.CBORDecodeError, ValueError):  # a checksum that fits by chance
        return None
    return (body + size, content) if isinstance(content, list) and content else None


def _frame(payload: bytes, generation: int) -> bytes:
    return _FRAME.pack(MAGIC, len(payload), _check(payload, generation)) + payload


def _check(payload: bytes, generation: int) -> int:
    return zlib.crc32(payload, zlib.crc32(_SIZE.pack(len(payload)), generation & 0xFFFFFFFF))


def _encode_header(header: Header) -> bytes:
    marks = [list(mark) for mark in header.marks[-MARKS_MAX:]]
    rest = [header.covered_ms, _plain(header.wall), header.table_bytes, marks]
    place = [header.generation, header.group, header.boot, header.boot_id]
    return cbor2.dumps([_HEADER, FORMAT_VERSION, *place, *rest])


def _decode_header(content: list[Any]) -> Header | None:
    if content[0] != _HEADER or content[1] != FORMAT_VERSION:
        return None
    _, _, generation, group, boot, boot_id, covered_ms, wall, table_bytes, marks = content
    stated = tuple(Mark(*mark) for mark in marks)
    return Header(generation, group, boot, boot_id, covered_ms, _wall(wall), table_bytes, stated)


def _encode_readings(piece: int, readings: Sequence[Reading]) -> bytes:
    """[kind, piece, base, then six numbers a reading]: flat, since nesting costs bytes and time."""
    base_ms = readings[0].due_ms
    flat: list[int | None] = []
    for series, due_ms, time_ms, value, remark in readings:
        integer, exponent = (None, 0) if value is None else value
        flat += (series, due_ms - base_ms, time_ms - due_ms, integer, exponent, remark)
    return cbor2.dumps([_READINGS, piece, base_ms, flat])


def _decode_readings(content: list[Any]) -> Iterator[Reading]:
    base_ms, flat = content[2], iter(content[3])
    for series, due_ms, late_ms, integer, exponent, remark in zip(
        flat, flat, flat, flat, flat, flat, strict=True
    ):
        value = None if integer is None else Scaled(integer, exponent)
        yield Reading(series, base_ms + due_ms, base_ms + due_ms + late_ms, value, remark)


def _plain(wall: Wall | None) -> list[int] | None:
    return None if wall is None else list(wall)


def _wall(value: list[int] | None) -> Wall | None:
    return None if value is None else Wall(*value)
