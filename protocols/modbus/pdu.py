"""Modbus requests: what is asked for and what comes back, without framing.

Modbus Application Protocol V1.1b3, sections 6.1 to 6.4, 6.13, 6.21 and 7. Only what reads exists here: this
gateway never writes to a meter. The data of an answer stays raw bytes (two a register, big-endian, or
packed coils), since building a list of integers first costs a quarter of the decoding time. A request is five
bytes: pymodbus' PDU classes, which judge them in the tests, would bring 33 modules into the daemon.

Three kinds of request share one set of functions: a read, the device identification (43/14), and the
report of the server's id (17). How long the answers to the last two are stands in the answers themselves.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

from protocols.errors import DeviceError

READ_COILS = 1
READ_DISCRETE_INPUTS = 2
READ_HOLDING_REGISTERS = 3
READ_INPUT_REGISTERS = 4
FUNCTIONS = (READ_COILS, READ_DISCRETE_INPUTS, READ_HOLDING_REGISTERS, READ_INPUT_REGISTERS)
REPORT_SERVER_ID = 17  # 6.13
ENCAPSULATED_INTERFACE = 43  # 6.19
MEI_IDENTIFICATION = 14  # 6.21: MEI type "read device identification"
CATEGORIES = (1, 2, 3, 4)  # 6.21: basic, regular, extended, one object

REGISTERS_MAX = 125  # section 6.3: quantity of registers 1 to 125 (0x7D)
COILS_MAX = 2000  # section 6.1: quantity of coils 1 to 2000 (0x7D0)
ADDRESS_MAX = 0xFFFF
PDU_BYTES_MAX = 253  # section 4.1
EXCEPTION_BIT = 0x80  # section 7: set in the function of a refusal

ILLEGAL_FUNCTION = 1
ILLEGAL_ADDRESS = 2
ILLEGAL_VALUE = 3
ACKNOWLEDGED = 5  # the unit took the request and needs longer than a master waits
BUSY = 6
PATH_UNAVAILABLE = 10  # a gateway answers: it has no way to the unit
TARGET_SILENT = 11  # a gateway answers: it asked the unit, and the unit did not answer

_EXCEPTION_TEXTS = {
    1: "illegal function: the device does not know this kind of read",
    2: "illegal data address: the device has no such registers",
    3: "illegal data value: the device does not give that many registers at once",
    4: "device failure: the device could not carry out the read",
    ACKNOWLEDGED: "acknowledge: the device needs longer",
    BUSY: "device busy: ask again later",
    8: "memory parity error in the device",
    PATH_UNAVAILABLE: "gateway path unavailable: the gateway has no line to this unit",
    TARGET_SILENT: "gateway target silent: the gateway reached no device of this unit number",
}

_READ = struct.Struct(">BHH")  # sections 6.1 to 6.4: function, starting address, quantity
READ_BYTES = _READ.size
SERVER_ID_BYTES = 1
IDENTIFICATION_BYTES = 4  # function, MEI type, category, first object
_IDENTIFICATION_HEAD_BYTES = 7  # 6.21: ... category, conformity, more follows, next object, number of objects


class ReadRequest(NamedTuple):
    """`function` 1 coils, 2 discrete inputs, 3 holding registers, 4 input registers; `address` from 0."""

    function: int
    address: int
    count: int  # type: ignore[assignment]  # the field's word; tuple.count is of no use here


class IdentificationRequest(NamedTuple):
    """Function 43/14. `category` 1 basic, 2 regular, 3 extended: all objects of it from `object_id` on, as
    many as fit; 4: that one object. `protocols.modbus.identification` walks through all of them."""

    category: int
    object_id: int = 0

    @property
    def function(self) -> int:
        """43, encapsulated interface transport."""
        return ENCAPSULATED_INTERFACE


class ServerIdRequest(NamedTuple):
    """Function 17. What the answer holds, each maker decides: mostly an id and a run indicator."""

    function: int = REPORT_SERVER_ID


Request = ReadRequest | IdentificationRequest | ServerIdRequest

Answer = Callable[[int, ReadRequest], bytes | int | None]
"""What a simulated device says to (unit, read): data bytes, an exception code, or None to stay silent.

The read may be an impossible one (count 0): `fault_of_request` names the exception for it.
"""

Identify = Callable[[int, IdentificationRequest | ServerIdRequest], bytes | int | None]
"""The same for functions 43/14 (`identification.encode_part` makes the bytes) and 17."""


def data_size_bytes(read: ReadRequest) -> int:
    """How many data bytes the answer to `read` carries."""
    return (read.count + 7) // 8 if read.function <= READ_DISCRETE_INPUTS else 2 * read.count


def fault_of_request(read: ReadRequest) -> int | None:
    """The exception that a device must answer to an impossible read (V1.1b3, figures 11 to 14), or None."""
    if read.function not in FUNCTIONS:
        return ILLEGAL_FUNCTION
    count_max = COILS_MAX if read.function <= READ_DISCRETE_INPUTS else REGISTERS_MAX
    if not 1 <= read.count <= count_max:
        return ILLEGAL_VALUE
    if not 0 <= read.address <= ADDRESS_MAX + 1 - read.count:
        return ILLEGAL_ADDRESS
    return None


def encode_request(request: Request) -> bytes:
    """The request PDU; ValueError for one that no device may answer."""
    if isinstance(request, ServerIdRequest):
        return bytes((REPORT_SERVER_ID,))
    if isinstance(request, IdentificationRequest):
        if request.category not in CATEGORIES or not 0 <= request.object_id <= 0xFF:
            raise ValueError(f"{request} cannot be asked: category 1 to 4, object 0 to 255")
        return bytes((ENCAPSULATED_INTERFACE, MEI_IDENTIFICATION, *request))
    if fault_of_request(request) is not None:
        raise ValueError(
            f"{request} cannot be asked: function 1 to 4, count 1 to {REGISTERS_MAX} registers or "
            f"{COILS_MAX} coils, and the last address at most {ADDRESS_MAX}"
        )
    return _READ.pack(*request)


def decode_request(pdu: bytes) -> Request | None:
    """What a request PDU asks, possible or not; None for functions and shapes that are none of these."""
    if pdu[0] in FUNCTIONS and len(pdu) == READ_BYTES:
        return ReadRequest(*_READ.unpack(pdu))
    if pdu[0] == REPORT_SERVER_ID and len(pdu) == SERVER_ID_BYTES:
        return ServerIdRequest()
    is_identification = pdu[:2] == bytes((ENCAPSULATED_INTERFACE, MEI_IDENTIFICATION))
    if is_identification and len(pdu) == IDENTIFICATION_BYTES:
        return IdentificationRequest(*pdu[2:])
    return None


def request_size_bytes(function: int) -> int:
    """How long a request PDU of this function is; 0 for functions that are not known here."""
    if function in FUNCTIONS:
        return READ_BYTES
    return {REPORT_SERVER_ID: SERVER_ID_BYTES, ENCAPSULATED_INTERFACE: IDENTIFICATION_BYTES}.get(function, 0)


def answer_start(request: Request) -> bytes:
    """The bytes with which the answer PDU to `request` begins."""
    if isinstance(request, ReadRequest):
        return bytes((request.function, data_size_bytes(request)))
    if isinstance(request, ServerIdRequest):
        return bytes((REPORT_SERVER_ID,))
    return bytes((ENCAPSULATED_INTERFACE, MEI_IDENTIFICATION, request.category))


def answer_size_bytes_max(request: Request) -> int:
    """The longest that an answer PDU to `request` can be; for reads, what it is."""
    return 2 + data_size_bytes(request) if isinstance(request, ReadRequest) else PDU_BYTES_MAX


def answer_size_bytes(request: Request, pdu: bytes | bytearray, start: int = 0) -> int:
    """How long the answer PDU from `start` on is, as far as its beginning tells: exact as soon as `pdu`
    holds that many bytes, and the least it can be before. 0: it cannot be an answer to `request`.
    """
    if isinstance(request, ReadRequest):
        return 2 + data_size_bytes(request)
    if isinstance(request, IdentificationRequest):
        return _identification_size_bytes(request, pdu, start)
    return 2 if len(pdu) - start < 2 else _within_pdu(2 + pdu[start + 1])


def answer_data(request: Request, pdu: bytes) -> bytes:
    """The data of a whole answer PDU: behind the byte count, and with 43/14 behind the category."""
    return pdu[3:] if isinstance(request, IdentificationRequest) else pdu[2:]


def encode_answer(request: Request, answer: bytes | int) -> bytes:
    """The response PDU: data bytes, or the exception for an exception code. ValueError if they do not fit."""
    if isinstance(answer, int):
        return bytes((request.function | EXCEPTION_BIT, answer))
    if isinstance(request, ReadRequest) and len(answer) != data_size_bytes(request):
        raise ValueError(f"{request} wants {data_size_bytes(request)} data bytes, got {len(answer)}")
    count = bytes((len(answer),)) if isinstance(request, ServerIdRequest) else b""
    pdu = answer_start(request) + count + answer
    if len(pdu) > PDU_BYTES_MAX:
        raise ValueError(f"an answer of {len(pdu)} bytes; a PDU has at most {PDU_BYTES_MAX}")
    return pdu


def device_error(unit: int, request: Request, device_code: int) -> DeviceError:
    """The error for an exception answer, in words for a person."""
    text = _EXCEPTION_TEXTS.get(device_code, "an exception that the standard does not name")
    return DeviceError(
        "modbus.exception",
        f"unit {unit} refused {_named(request)}: exception {device_code}, {text}",
        device_code,
    )


def _identification_size_bytes(request: IdentificationRequest, pdu: bytes | bytearray, start: int) -> int:
    """Along the objects (id, length, value), as far as they are there; a single one is the one asked for."""
    single = (b"", bytes((request.object_id,)))
    end = len(pdu) - start
    size_bytes = _IDENTIFICATION_HEAD_BYTES
    if end < size_bytes:
        return size_bytes
    objects = pdu[start + 6]
    if request.category == CATEGORIES[-1] and (objects != 1 or pdu[start + 7 : start + 8] not in single):
        return 0
    for _ in range(objects):
        size_bytes += 2
        if size_bytes > end:
            break
        size_bytes += pdu[start + size_bytes - 1]
    return _within_pdu(size_bytes)


def _within_pdu(size_bytes: int) -> int:
    return size_bytes if size_bytes <= PDU_BYTES_MAX else 0


def _named(request: Request) -> str:
    if isinstance(request, ReadRequest):
        return f"function {request.function}, address {request.address}, count {request.count}"
    if isinstance(request, ServerIdRequest):
        return "function 17, report server id"
    return f"function 43/14, identification of category {request.category} from object {request.object_id}"
