"""Modbus as a listener on the bus hears it: requests and answers in recorded bytes, of any unit.

`RtuExchange` and its kind know what they asked. Here nobody does, so this is a judgement, and good enough
for a person who looks at a recording, not for readings: a frame counts where its checksum and its function's
shape fit, and an answer belongs to the request before it where unit, function and length agree.

Rules:
- the frames found stand in order, do not overlap, and do not depend on anything but the bytes;
- each place is tried with at most two lengths of at most 256 bytes, so that time is linear in the input;
- in 16 bits of checksum there is a limit: in a megabyte of pure noise a few frames appear by chance.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from protocols.checksums import ModbusCrcs, crc16_modbus
from protocols.errors import DamagedTelegram
from protocols.modbus.ascii import FRAME_CHARACTERS_MAX, START, decode_frame, lrc
from protocols.modbus.pdu import (
    COILS_MAX,
    ENCAPSULATED_INTERFACE,
    EXCEPTION_BIT,
    IDENTIFICATION_BYTES,
    MEI_IDENTIFICATION,
    PDU_BYTES_MAX,
    READ_BYTES,
    READ_COILS,
    READ_DISCRETE_INPUTS,
    READ_HOLDING_REGISTERS,
    READ_INPUT_REGISTERS,
    REGISTERS_MAX,
    REPORT_SERVER_ID,
    IdentificationRequest,
    ReadRequest,
    Request,
    answer_size_bytes,
    answer_start,
    decode_request,
    fault_of_request,
)

Role = Literal["request", "answer", "refusal"]

WRITE_COIL, WRITE_REGISTER = 5, 6
WRITE_COILS, WRITE_REGISTERS = 15, 16
EXCEPTION_CODE_MAX = 11
RTU_FRAMING_BYTES = 3  # unit before, checksum behind the PDU
TCP_HEADER_BYTES = 7
PENDING_MAX = 256  # requests of a TCP recording whose answers may still come

_BITS = (READ_COILS, READ_DISCRETE_INPUTS)
_REGISTERS = (READ_HOLDING_REGISTERS, READ_INPUT_REGISTERS)
_READS = _BITS + _REGISTERS
_WRITES_ONE = (WRITE_COIL, WRITE_REGISTER)
_WRITES_MANY = (WRITE_COILS, WRITE_REGISTERS)
KNOWN_FUNCTIONS = (*_READS, *_WRITES_ONE, *_WRITES_MANY, REPORT_SERVER_ID, ENCAPSULATED_INTERFACE)

_FUNCTION_BYTES = bytes(KNOWN_FUNCTIONS) + bytes(each | EXCEPTION_BIT for each in KNOWN_FUNCTIONS)
_RTU_CANDIDATE = re.compile(rb"(?s)(?=.[" + re.escape(_FUNCTION_BYTES) + rb"])")
_TCP_CANDIDATE = re.compile(rb"(?s)(?=..\x00\x00\x00[\x02-\xfe])")
_LINE_END = re.compile(rb"\r?\n|\Z")


class BusFrame(NamedTuple):
    """A frame that stood from `start` to `end`. `pdu_start`: where its function byte stands.

    `request`: what was asked, of an answer only where it is known; `transaction`: with TCP.
    """

    start: int
    end: int
    unit: int
    pdu: bytes
    role: Role
    pdu_start: int
    request: Request | None = None
    transaction: int | None = None


Heard = BusFrame | DamagedTelegram


def listen_rtu(data: bytes) -> Iterator[Heard]:
    """The frames with a right CRC, and those that are damaged where one can be told from noise."""
    request: tuple[int, bytes] | None = None  # unit and PDU of the request that waits for its answer
    crcs = ModbusCrcs(data)
    end = 0
    for candidate in _RTU_CANDIDATE.finditer(data):
        at = candidate.start()
        if at < end:
            continue
        frame = _rtu_frame(data, at, crcs, request)
        if frame is not None:
            yield from _damaged_rtu(data, end, at)
            yield frame
            end = frame.end
            request = (frame.unit, frame.pdu) if frame.role == "request" else None
    yield from _damaged_rtu(data, end, len(data))


def _rtu_frame(data: bytes, at: int, crcs: ModbusCrcs, request: tuple[int, bytes] | None) -> BusFrame | None:
    asked = request[1] if request is not None and request[0] == data[at] else None
    shapes = _shapes(data, at + 1, asked)
    for role, size in shapes:
        end = at + size + RTU_FRAMING_BYTES
        if end <= len(data) and crcs.is_right(at, end):
            pdu = data[at + 1 : end - 2]
            return BusFrame(at, end, data[at], pdu, role, at + 1, _request_of(role, pdu, asked))
    return None


def _damaged_rtu(data: bytes, start: int, end: int) -> Iterator[DamagedTelegram]:
    if damaged_frame(data, start, end) is not None:
        right = crc16_modbus(data[start : end - 2]).to_bytes(2, "little").hex(" ").upper()
        text = f"a frame with the checksum {data[end - 2 : end].hex(' ').upper()} instead of {right}"
        yield DamagedTelegram("modbus.crc", text, end - 2, start, end)


def damaged_frame(data: bytes, start: int, end: int) -> BusFrame | None:
    """What a piece is if it is one RTU frame with a wrong checksum: it must have the shape of exactly one."""
    size = end - start - RTU_FRAMING_BYTES
    if not 1 <= size <= PDU_BYTES_MAX:
        return None
    roles = [role for role, each in _shapes(data[start:end], 1, None) if each == size]
    if not roles:
        return None
    pdu = data[start + 1 : end - 2]
    return BusFrame(start, end, data[start], pdu, roles[0], start + 1, _request_of(roles[0], pdu, None))


def listen_tcp(data: bytes) -> Iterator[Heard]:
    """The frames by their MBAP headers; one whose content has no known shape is damaged."""
    pending: dict[tuple[int, int], bytes] = {}
    end = 0
    for candidate in _TCP_CANDIDATE.finditer(data):
        at = candidate.start()
        stop = at + TCP_HEADER_BYTES - 1 + data[at + 5]
        if at < end or stop > len(data):
            continue
        end = stop
        transaction, unit = int.from_bytes(data[at : at + 2], "big"), data[at + 6]
        pdu = data[at + TCP_HEADER_BYTES : end]
        asked = pending.get((transaction, unit))
        role = next((role for role, size in _shapes(pdu, 0, asked) if size == len(pdu)), None)
        if role is None:
            text = f"a Modbus TCP frame of unit {unit} whose content fits no function known here"
            yield DamagedTelegram("modbus.pdu", text, at + TCP_HEADER_BYTES, at, end)
            continue
        request = _request_of(role, pdu, asked)
        yield BusFrame(at, end, unit, pdu, role, at + TCP_HEADER_BYTES, request, transaction)
        _note(pending, (transaction, unit), pdu if role == "request" else None)


def _note(pending: dict[tuple[int, int], bytes], key: tuple[int, int], request: bytes | None) -> None:
    pending.pop(key, None)
    if request is not None:
        pending[key] = request
        if len(pending) > PENDING_MAX:
            del pending[next(iter(pending))]


def listen_ascii(data: bytes) -> Iterator[Heard]:
    """The lines that begin with a colon. Editors' line ends, LF alone or none at the end, are taken, too."""
    request: tuple[int, bytes] | None = None
    end = 0
    for match in _LINE_END.finditer(data):
        colon = data.rfind(START, max(end, match.start() - FRAME_CHARACTERS_MAX), match.start())
        end = match.end()
        if colon < 0:
            continue
        heard = _ascii_frame(data[colon + 1 : match.start()], colon, end, request)
        yield heard
        is_request = isinstance(heard, BusFrame) and heard.role == "request"
        request = (heard.unit, heard.pdu) if is_request and isinstance(heard, BusFrame) else None


def _ascii_frame(line: bytes, start: int, end: int, request: tuple[int, bytes] | None) -> Heard:
    frame = decode_frame(line)
    if frame is None:
        return _damaged_ascii(line, start, end)
    unit, pdu = frame
    asked = request[1] if request is not None and request[0] == unit else None
    role = next((role for role, size in _shapes(pdu, 0, asked) if size == len(pdu)), None)
    if role is None:
        text = f"a frame of unit {unit} whose content fits no function known here"
        return DamagedTelegram("modbus.pdu", text, start + 3, start, end)
    return BusFrame(start, end, unit, pdu, role, start + 3, _request_of(role, pdu, asked))


def _damaged_ascii(line: bytes, start: int, end: int) -> DamagedTelegram:
    wrong = re.search(rb"[^0-9A-F]", line)
    if wrong is not None:
        text = "a character that is neither 0 to 9 nor A to F"
        return DamagedTelegram("modbus.character", text, start + 1 + wrong.start(), start, end)
    if len(line) % 2 or len(line) < 6:
        text = f"{len(line)} characters between colon and line end; a frame has pairs, at least three"
        return DamagedTelegram("modbus.length", text, start, start, end)
    content = bytes.fromhex(line.decode("ascii"))
    text = f"a frame with the checksum {content[-1]:02X} instead of {lrc(content[:-1]):02X}"
    return DamagedTelegram("modbus.lrc", text, start + len(line) - 1, start, end)


def _request_of(role: Role, pdu: bytes, asked: bytes | None) -> Request | None:
    """What a request asks; of an answer or a refusal what it answers, where that fits."""
    if role == "request":
        return decode_request(pdu)
    request = decode_request(asked) if asked is not None else None
    if request is None or (role == "refusal" and pdu[0] != request.function | EXCEPTION_BIT):
        return None
    if role == "answer" and not _is_answer(request, pdu):
        return None
    return request


def _is_answer(request: Request, pdu: bytes) -> bool:
    return pdu.startswith(answer_start(request)) and len(pdu) == answer_size_bytes(request, pdu)


def _shapes(data: bytes, at: int, asked: bytes | None) -> list[tuple[Role, int]]:
    """What a PDU at `at` can be and how long it then is, the likelier first.

    `asked`: the PDU of the request to this unit that still waits for its answer.
    """
    function = data[at] if at < len(data) else 0
    if function & EXCEPTION_BIT:
        code = data[at + 1] if at + 1 < len(data) else 0
        is_refusal = function ^ EXCEPTION_BIT in KNOWN_FUNCTIONS and 1 <= code <= EXCEPTION_CODE_MAX
        return [("refusal", 2)] if is_refusal else []
    head = data[at : at + 7]
    shapes: list[tuple[Role, int]] = [("request", size) for size in _request_sizes(head)]
    shapes += [("answer", size) for size in _answer_sizes(head, data, at)]
    if asked is not None and asked[0] == function:
        shapes.sort()  # "answer" before "request"
    return [(role, size) for role, size in shapes if size <= PDU_BYTES_MAX]


def _request_sizes(head: bytes) -> list[int]:
    function = head[0] if head else 0
    if function in _READS and len(head) >= READ_BYTES:
        possible = fault_of_request(ReadRequest(function, *_words(head[1:5]))) is None
        return [READ_BYTES] if possible else []
    if function in _WRITES_ONE:
        return [READ_BYTES]
    if function in _WRITES_MANY and len(head) > READ_BYTES:
        count = _words(head[3:5])[0]
        size = 2 * count if function == WRITE_REGISTERS else (count + 7) // 8
        return [READ_BYTES + 1 + size] if count and head[5] == size else []
    if function == REPORT_SERVER_ID:
        return [1]
    if function == ENCAPSULATED_INTERFACE and head[1:2] == bytes((MEI_IDENTIFICATION,)):
        return [IDENTIFICATION_BYTES]
    return []


def _answer_sizes(head: bytes, data: bytes, at: int) -> list[int]:
    function = head[0] if head else 0
    count = head[1] if len(head) > 1 else 0
    if function in _BITS:
        return [2 + count] if 1 <= count <= COILS_MAX // 8 else []
    if function in _REGISTERS:
        return [2 + count] if count and count % 2 == 0 and count <= 2 * REGISTERS_MAX else []
    if function in _WRITES_ONE or function in _WRITES_MANY:
        return [READ_BYTES]
    if function == REPORT_SERVER_ID:
        return [2 + count] if count else []
    if (
        function == ENCAPSULATED_INTERFACE
        and count == MEI_IDENTIFICATION
        and len(head) > IDENTIFICATION_BYTES
    ):
        size = answer_size_bytes(IdentificationRequest(head[2]), data[at : at + PDU_BYTES_MAX])
        return [size] if size else []
    return []


def _words(data: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data) - 1, 2))


def first_address(frame: BusFrame) -> int | None:
    """The address of the first register or coil of an answer to a read; None where nobody knows."""
    known = frame.role == "answer" and isinstance(frame.request, ReadRequest)
    return frame.request.address if known and isinstance(frame.request, ReadRequest) else None
