"""SunSpec discovery: where the models of a device begin (SunSpec Device Information Model, 1.0, chapter 6).

A device that speaks SunSpec has the marker "SunS" at one of three register addresses, and behind it a chain
of models: number, length, contents; model FFFF ends it. Nothing but the chain tells where a model stands.
`find_models` walks it without any I/O: a generator of reads.

Rules:
- the walk ends: at most MODELS_MAX models, each further up, none beyond the last register;
- a chain that breaks off is an error, not a short chain: half a map would send reads to the wrong place.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Sequence
from typing import NamedTuple

from protocols.errors import ProtocolError
from protocols.modbus.pdu import ADDRESS_MAX, READ_HOLDING_REGISTERS, ReadRequest

BASES = (40000, 50000, 0)  # as on the wire, from 0; in the order in which the standard wants them tried
MARKER = b"SunS"
END_MODEL = 0xFFFF
COMMON_MODEL = 1
MODELS_MAX = 128
HEAD_REGISTERS = 2  # the marker; or number and length of a model
_COMMON_TEXT_BYTES = (0, 32, 64, 80, 96, 128)  # where its texts begin, of 16, 16, 8, 8 and 16 registers


class Model(NamedTuple):
    """`address` of its number's register; behind number and length follow `length` registers."""

    id: int
    address: int
    length: int


class Common(NamedTuple):
    """Model 1: who made it. Texts without their padding, "" where the device has none."""

    maker: str
    model: str
    options: str
    version: str
    serial: str


Walk = Generator[ReadRequest, bytes | None, tuple[Model, ...]]


def find_models(bases: Sequence[int] = BASES) -> Walk:
    """Yields reads, is sent their data (None: refused, or not answered), returns the models in order.

    `bases`: where the marker may stand, in the order in which to look.

    ProtocolError("sunspec.none") where no base address has the marker, ProtocolError("sunspec.chain") where
    the chain breaks off, leads out of the registers, or is longer than MODELS_MAX.
    """
    for base in bases:
        if (yield _head_at(base)) == MARKER:
            return (yield from _walk(base + HEAD_REGISTERS))
    places = ", ".join(str(base) for base in BASES if base in bases)
    raise ProtocolError("sunspec.none", f'none of the registers {places} holds "SunS": no SunSpec device')


def decode_common(data: bytes) -> Common:
    """The 65 or 66 registers of model 1, from behind its length on; ProtocolError("sunspec.common")."""
    if len(data) < _COMMON_TEXT_BYTES[-1]:
        raise ProtocolError("sunspec.common", f"{len(data)} bytes; model 1 has 130 or 132")
    return Common(*(_text(data[start:end]) for start, end in itertools.pairwise(_COMMON_TEXT_BYTES)))


def _walk(address: int) -> Walk:
    models: list[Model] = []
    for _ in range(MODELS_MAX + 1):
        if address > ADDRESS_MAX + 1 - HEAD_REGISTERS:
            raise ProtocolError("sunspec.chain", f"the chain leads to register {address}, behind the last")
        head = yield _head_at(address)
        if head is None or len(head) != 2 * HEAD_REGISTERS:
            raise ProtocolError("sunspec.chain", f"no model can be read at register {address}")
        number, length = int.from_bytes(head[:2], "big"), int.from_bytes(head[2:], "big")
        if number == END_MODEL:
            return tuple(models)
        models.append(Model(number, address, length))
        address += HEAD_REGISTERS + length
    raise ProtocolError("sunspec.chain", f"more than {MODELS_MAX} models")


def _head_at(address: int) -> ReadRequest:
    return ReadRequest(READ_HOLDING_REGISTERS, address, HEAD_REGISTERS)


def _text(data: bytes) -> str:
    """Up to the first NUL."""
    text = data.partition(b"\0")[0].decode("latin-1")
    return "".join(character for character in text if character.isprintable()).strip()
