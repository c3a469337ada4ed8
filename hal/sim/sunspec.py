"""A simulated SunSpec device's registers: the marker, the chain of models, and what stands in them.

Rules:
- Of alternative models the device has the one that its profile names first.
- Whatever the profile does not read in a model is there, too, and says that it is not implemented (8000).
- Behind the profile's models comes one that nobody knows, then the end.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from config.profile import DeviceProfile
from config.sunspec import resolve
from protocols.sunspec import BASES, COMMON_MODEL, END_MODEL, HEAD_REGISTERS, MARKER, Model

_LENGTHS = {COMMON_MODEL: 66, 103: 50, 203: 105, 113: 60, 213: 124, 802: 62}  # as SunSpec defines them
_LENGTH_DEFAULT = 100
_MAKERS_OWN = (64_900, 10)  # a maker's own model: number and length
_EMPTY = b"\x80\x00"


def chain(numbers: Sequence[int], base: int = BASES[0]) -> tuple[Model, ...]:
    """These models in their order, behind the marker at `base`, and the maker's own behind them."""
    models: list[Model] = []
    address = base + HEAD_REGISTERS
    lengths = [(number, _LENGTHS.get(number, _LENGTH_DEFAULT)) for number in numbers]
    for number, length in [*lengths, _MAKERS_OWN]:
        models.append(Model(number, address, length))
        address += HEAD_REGISTERS + length
    return tuple(models)


def image(models: Sequence[Model], profile: DeviceProfile, serial: str) -> tuple[int, bytes]:
    """Where the registers begin and what stands in them before any point's value does."""
    data = bytearray(MARKER)
    for model in models:
        content = _common(profile, serial) if model.id == COMMON_MODEL else _EMPTY * model.length
        data += struct.pack(">HH", model.id, model.length) + content
    return models[0].address - HEAD_REGISTERS, bytes(data + struct.pack(">HH", END_MODEL, 0))


def lay_out(profile: DeviceProfile, serial: str) -> tuple[DeviceProfile, int, bytes]:
    """The profile as it lies in a device, where that device's registers begin, and what stands there."""
    first = next(point.models[0] for point in profile.points if point.models)
    models = chain((COMMON_MODEL, first))
    return resolve(profile, models), *image(models, profile, serial)


def _common(profile: DeviceProfile, serial: str) -> bytes:
    """Model 1: maker, model, options, version, serial number, unit, and one for padding."""
    texts = ((profile.maker, 32), (profile.name, 32), ("", 16), ("1.0", 16), (serial, 32))
    return b"".join(text.encode("ascii").ljust(size, b"\0") for text, size in texts) + b"\0\1" + _EMPTY
