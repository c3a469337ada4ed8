"""Registers as a device would send them, read through a profile of the catalogue."""

from __future__ import annotations

import functools

from config.catalogue import METERS_FOLDER, load_profile
from config.model import MeterConfig
from config.profile import DeviceProfile
from edge_agent.readers import ModbusReader
from edge_agent.reading import Reading
from protocols.value import Scaled


@functools.cache
def profile_of(name: str) -> DeviceProfile:
    return load_profile(METERS_FOLDER / f"{name}.toml")


def address_of(name: str, quantity: str) -> int:
    return next(point.address for point in profile_of(name).points if point.quantity == quantity)


def reading_of(name: str, quantity: str, *words: int) -> Reading:
    """What the agent makes of these registers of a device of this profile."""
    meter = MeterConfig(id="m", line="l", profile=name, quantities=(quantity,))
    reader = ModbusReader(profile_of(name), meter, 0)
    (block,) = reader.blocks
    (reading,) = reader.decode(block, b"".join(word.to_bytes(2, "big") for word in words), 0, 0)
    return reading


def value_of(name: str, quantity: str, *words: int) -> Scaled:
    value = reading_of(name, quantity, *words).value
    assert value is not None
    return value
