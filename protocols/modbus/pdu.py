"""Modbus reads: what is asked for and what comes back, without framing.

Modbus Application Protocol V1.1b3, sections 6.1 to 6.4 and 7. Only the four reads exist here: this
gateway never writes to a meter. The data of an answer stays raw bytes (two a register, big-endian, or
packed coils), since building a list of integers first costs a quarter of the decoding time. A request is five
bytes: pymodbus' PDU classes, which judge them in the tests, would bring 33 modules into the daemon.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from protocols.errors import DeviceError

READ_COILS = 1
READ_DISCRETE_INPUTS = 2
READ_HOLDING_REGISTERS = 3
READ_INPUT_REGISTERS = 4
FUNCTIONS = (READ_COILS, READ_DISCRETE_INPUTS, READ_HOLDING_REGISTERS, READ_INPUT_REGISTERS)

REGISTERS_MAX = 125  # section 6.3: quantity of registers 1 to 125 (0x7D)
COILS_MAX = 2000  # section 6.1: quantity of coils 1 to 2000 (0x7D0)
ADDRESS_MAX = 0xFFFF
PDU_BYTES_MAX = 253  # section 4.1
EXCEPTION_BIT = 0x80  # section 7: set in the function of a refusal

ILLEGAL_FUNCTION = 1
ILLEGAL_ADDRESS = 2
ILLEGAL_VALUE = 3

_EXCEPTION_TEXTS = {
    1: "illegal function: the device does not know this kind of read",
    2: "illegal data address: the device has no such registers",
    3: "illegal data value: the device does not give that many registers at once",
    4: "device failure: the device could not carry out the read",
    5: "acknowledge: the device needs longer",
    6: "device busy: ask again later",
    8: "memory parity error in the device",
    10: "gateway path unavailable: the gateway has no line to this unit",
    11: "gateway target silent: the gateway reached no device of this unit number",
}

_REQUEST = struct.Struct(">BHH")  # sections 6.1 to 6.4: function, starting address, quantity


class ReadRequest(NamedTuple):
    """`function` 1 coils, 2 discrete inputs, 3 holding registers, 4 input registers; `address` from 0."""

    function: int
    address: int
    count: int  # type: ignore[assignment]  # the field's word; tuple.count is of no use here


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


def encode_request(read: ReadRequest) -> bytes:
    """The request PDU; ValueError for a read that no device may answer."""
    if fault_of_request(read) is not None:
        raise ValueError(
            f"{read} cannot be asked: function 1 to 4, count 1 to {REGISTERS_MAX} registers or "
            f"{COILS_MAX} coils, and the last address at most {ADDRESS_MAX}"
        )
    return _REQUEST.pack(*read)


def encode_answer(read: ReadRequest, answer: bytes | int) -> bytes:
    """The response PDU: data bytes, or the exception for an exception code. ValueError if they do not fit."""
    if isinstance(answer, int):
        return bytes((read.function | EXCEPTION_BIT, answer))
    if len(answer) != data_size_bytes(read):
        raise ValueError(f"{read} wants {data_size_bytes(read)} data bytes, got {len(answer)}")
    return bytes((read.function, len(answer))) + answer


def device_error(unit: int, read: ReadRequest, device_code: int) -> DeviceError:
    """The error for an exception answer, in words for a person."""
    text = _EXCEPTION_TEXTS.get(device_code, "an exception that the standard does not name")
    return DeviceError(
        "modbus.exception",
        f"unit {unit} refused function {read.function}, address {read.address}, count {read.count}: "
        f"exception {device_code}, {text}",
        device_code,
    )
