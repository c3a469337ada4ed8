"""Whether a device is the one that its profile is for, by its type code or by a telling value. Pure.

Two models may answer at the same addresses with other meanings. Their serial numbers do not tell: the profile
names a register that holds the model, or a quantity that only the right reading brings into its limits.
"""

from __future__ import annotations

from config.catalogue import register_count
from config.profile import Plausible, TypeCode
from edge_agent.poll_plan import RegisterBlock
from protocols.value import Scaled, parse_decimal


def type_code_block(type_code: TypeCode) -> RegisterBlock:
    """The read that tells the model; by itself, since some devices give these registers no other way."""
    return RegisterBlock(type_code.table, type_code.address, register_count(type_code), ())


def decode_type_code(type_code: TypeCode, data: bytes) -> str:
    """What a device says it is: its text without padding, or a number in decimal digits; "" where nothing is
    set (all bits 0 or 1).

    ValueError where `data` is not as long as the registers are.
    """
    if len(data) != 2 * register_count(type_code):
        raise ValueError(f"{len(data)} bytes for {register_count(type_code)} registers")
    if set(data) in ({0}, {0xFF}):
        return ""
    raw = data
    if type_code.order in ("big-swapped", "little"):  # "little": all bytes turned round later
        raw = b"".join(data[at : at + 2][::-1] for at in range(0, len(data), 2))
    if type_code.type == "string":
        text = raw.decode("latin-1").replace("\0", " ")
        return "".join(character for character in text if character.isprintable()).strip()
    return str(int.from_bytes(raw, "little" if type_code.order.startswith("little") else "big"))


def is_type(type_code: TypeCode, told: str) -> bool:
    """Whether what a device says it is belongs to the profile."""
    if type_code.type == "string":
        return any(told.upper().startswith(code.upper()) for code in type_code.holds)
    return int(told) in (int(code, 0) for code in type_code.holds)


def is_plausible(plausible: Plausible, value: Scaled) -> bool:
    """Whether a value of that quantity, in its registry unit, lies within the limits."""
    least, most = parse_decimal(plausible.least), parse_decimal(plausible.most)
    finest = min(least.exponent, most.exponent, value.exponent)
    return least.rescaled(finest).integer <= value.rescaled(finest).integer <= most.rescaled(finest).integer
