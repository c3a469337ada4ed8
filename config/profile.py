"""Device profiles: what a model offers, and where each fact comes from.

One TOML file under `config/meters/` for each device family. No conditionals, no inheritance: a person
with the manual in hand can read and write one. `config/catalogue.py` loads and judges them.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from config.model import CharacterFormat

RegisterTable = Literal["input", "holding", "coil", "discrete"]
RegisterType = Literal["u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64"]
WordOrder = Literal["big", "little"]
Seen = Literal["twice", "once", "family"]


class Evidence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a fact comes from and whether two independent sources agree."""

    source: str
    seen: Seen
    note: str = ""


class Link(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Factory settings of the device's interface."""

    baud: int = 9600
    format: CharacterFormat = "8N1"


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the device stands. `registers_max`: registers in one read; `gap_registers_max`: undocumented
    registers that may be read through between two points; `gap_s`: silence it wants before a request."""

    registers_max: int = 125
    gap_registers_max: int = 0
    gap_s: float = 0.0
    reply_timeout_s: float = 0.5


class Identity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The register that holds the serial number; compared with the meter's `serial` before the first
    reading counts. `kind` "decimal": the unsigned integer in decimal digits."""

    table: RegisterTable
    address: int
    type: RegisterType
    evidence: str


class Point(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One quantity and where it is read (Modbus). `address` counts from 0 as on the wire.

    Value = raw x `scale` (a decimal string) in `unit`. `resolution` (a decimal string) is the step to
    which a gauge is quantised, "" leaves it as sent; counters are never quantised. `not_available`:
    raw hexadecimal patterns that mean "no value". `evidence`: key of the profile's `[evidence]` table.
    """

    quantity: str
    table: RegisterTable
    address: int
    type: RegisterType
    unit: str
    order: WordOrder = "big"
    scale: str = "1"
    resolution: str = ""
    not_available: tuple[str, ...] = ()
    evidence: str


class Object(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One quantity of a meter that pushes or lists OBIS objects; the telegram brings unit and scale."""

    quantity: str
    obis: str
    resolution: str = ""
    evidence: str


class DeviceProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A device family. `name` never changes meaning; a changed meaning is a new name."""

    name: str
    maker: str
    products: tuple[str, ...]
    medium: str
    protocol: Literal["modbus", "sml"]
    evidence: dict[str, Evidence]
    link: Link = Link()
    limits: Limits = Limits()
    identity: Identity | None = None
    points: tuple[Point, ...] = msgspec.field(default=(), name="point")
    objects: tuple[Object, ...] = msgspec.field(default=(), name="object")
