"""Device profiles: what a model offers, and where each fact comes from.

One TOML file under `config/meters/` for each device family. No conditionals, no inheritance: a person
with the manual in hand can read and write one. `config/catalogue.py` loads and judges them.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from config.model import CharacterFormat

RegisterTable = Literal["input", "holding", "coil", "discrete"]
BinaryType = Literal["u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64"]
RegisterType = Literal[BinaryType, "bcd16", "bcd32", "bcd48", "bcd64", "bits", "string"]
"""`bcd16` to `bcd64`: four decimal digits a register. `bits`: some bits of a register, as a number.
`string`: text, one character a byte; only an identity can be one, since readings are numbers."""

WordOrder = Literal["big", "little", "big-swapped", "little-swapped"]
"""How the bytes ABCD of a value stand in its registers: `big` AB CD (as Modbus has it), `little` CD AB (the
last register first), `big-swapped` BA DC (each register's bytes exchanged), `little-swapped` DC BA (both)."""

ScaleType = Literal["power-i16", "power-i8", "factor-u16", "factor-u32"]
Encryption = Literal["never", "possible", "always"]
Seen = Literal["twice", "once", "family", "normative"]
"""`twice`: in two independent sources. `once`: in one. `family`: taken from a sister device, never seen for
this one. `normative`: the standard itself says so. All but `twice` and `normative` counts as unverified."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a fact comes from and whether two independent sources agree. `note`: what they disagree about,
    which of them is followed here, and how to find out at the device."""

    source: str
    seen: Seen
    note: str = ""


class Link(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Factory settings of the device's interface. `address`: its unit id; a meter without one in its own
    configuration has this. `tcp_port`: of Modbus TCP; 0: the device has no network interface of its own."""

    baud: int = 9600
    format: CharacterFormat = "8N1"
    address: int = 1
    tcp_port: int = 0


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the device stands. `registers_max`: registers in one read; `gap_registers_max`: undocumented
    registers that may be read through between two points; `gap_s`: silence it wants before a request;
    `interval_s_min`: how often it may be read at most, where a read costs battery or comes too early."""

    registers_max: int = 125
    gap_registers_max: int = 0
    gap_s: float = 0.0
    reply_timeout_s: float = 0.5
    interval_s_min: int = 1


class Identity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The registers that hold the serial number; compared with the meter's `serial` before the first
    reading counts. Integers count as unsigned and are told in decimal digits, BCD digit by digit; `string`
    is text over so many `registers`, without its padding (NUL, blanks). `models`: as of a Point."""

    table: RegisterTable
    address: int
    type: RegisterType
    order: WordOrder = "big"
    registers: int = 0
    models: tuple[int, ...] = ()
    evidence: str


class TypeCode(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The registers that say which model this is. `holds`: what stands there, any of these: text as it
    begins (upper and lower case alike), or a number in decimal or 0x hexadecimal digits."""

    table: RegisterTable
    address: int
    type: Literal["u16", "u32", "u64", "string"]
    order: WordOrder = "big"
    registers: int = 0
    holds: tuple[str, ...]
    evidence: str


class Plausible(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A quantity of the profile that lies between `least` and `most` (decimal strings, in its registry
    unit) on every device of the family: with another model's registers it hardly would."""

    quantity: str
    least: str
    most: str


class ScaleRegister(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """By what a device wants a point's integer multiplied at present; read in one request with it.

    `type`: "power-i16", the exponent of ten (SunSpec's sunssf, -10 to 10; 0x8000: the point is not
    implemented); "power-i8", the same in the register's low byte (ENERGYMID); "factor-u16" and
    "factor-u32", a whole number, big-endian. In the point's own table, `address` from 0.
    """

    address: int
    type: ScaleType = "power-i16"


class Point(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One quantity and where it is read (Modbus). `address` counts from 0 as on the wire.

    For phases, tariffs or inputs at even distances, one entry does: quantity "voltage_l{1..3}" with
    `stride` = 2 means voltage_l1 at `address`, voltage_l2 two registers on, voltage_l3 four. The catalogue
    writes that out when it loads a profile: nobody else ever sees braces or a stride.

    Value = raw x `scale` (a decimal string) in `unit`, and x what `scale_register` says where there is
    one. `bit`: of type "bits", the lowest that counts (0 is the register's least significant), and `bits`
    how many do. `resolution` (a decimal string) is the step to
    which a gauge is quantised, "" leaves it as sent; counters are never quantised. `not_available`:
    raw hexadecimal patterns that mean "no value". `evidence`: key of the profile's `[evidence]` table.

    `models`: of a SunSpec device, whose models lie elsewhere in each: the numbers of the models that hold the
    point, and `address`, the scale register's too, counts from the register with the model's number (which
    is 0, its length 1). A quantity may stand in several points, each of other models.
    """

    quantity: str
    models: tuple[int, ...] = ()
    table: RegisterTable
    address: int
    stride: int = 0
    type: RegisterType
    unit: str
    order: WordOrder = "big"
    scale: str = "1"
    scale_register: ScaleRegister | None = None
    bit: int = 0
    bits: int = 1
    resolution: str = ""
    not_available: tuple[str, ...] = ()
    evidence: str


class Object(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One quantity of a meter that pushes or lists OBIS objects; the telegram brings unit and scale.

    `address`: how the meter writes it, where that is not the code ("6.8" of a heat meter). In P1,
    "0-n:24.2.1" is the value of whichever M-Bus channel has the medium of the code (7-0:3.0.0: gas). In DLMS
    it is the code as this maker has it ("1-1:1.8.0"). `unit`: of values that a D0, P1 or DLMS meter sends
    without one. Of two objects with one address, the unit that is sent chooses (heat in kWh or in GJ).
    """

    quantity: str
    obis: str
    address: str = ""
    unit: str = ""
    resolution: str = ""
    evidence: str


class ReadOut(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a D0 meter wants to be asked (IEC 62056-21). Only what differs from the standard is stated.

    `wake_up`: NULs before the sign-on, for battery-powered meters; "standard" as in annex B. `mode`: where a
    meter does not mean what its baud character says. `bcc`: "if_sent" for meters that send no block check,
    "ignored" for those that compute one of their own. `deadline_s`: for one whole read-out.
    """

    wake_up: Literal["none", "standard", "ultraheat"] = "none"
    mode: Literal["", "A", "B", "C"] = ""
    bcc: Literal["required", "if_sent", "ignored"] = "required"
    deadline_s: int = 120


class Pulse(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the pulses of an S0 output or a reed contact count. `pulses_per_unit`: for one `unit`, as on the
    type plate (a decimal string; 10 l a pulse is "0.1" with unit "l"); a meter's own replaces it.

    `pulse_ms_min`, `pause_ms_min`: less is no pulse and no pause. The default is what is left of the 30 ms
    of EN 62053-31 where its transitions of up to 5 ms are cut off.
    """

    quantity: str
    unit: str
    pulses_per_unit: str
    pulse_ms_min: int = 25
    pause_ms_min: int = 25
    evidence: str


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One quantity of an M-Bus meter, and what picks its record from the telegram: the first that agrees in
    all of it counts. `kind`, `unit` and `qualifiers` as `protocols/mbus/vif.py` names what VIF and VIFE say
    ("energy" in "Wh", "volume" in "m3"); the power of ten is the telegram's. Another unit is another record:
    what a meter counts in J is no kWh."""

    quantity: str
    kind: str
    unit: str
    function: Literal["instantaneous", "maximum", "minimum", "error"] = "instantaneous"
    storage: int = 0
    tariff: int = 0
    subunit: int = 0
    qualifiers: tuple[str, ...] = ()
    resolution: str = ""
    evidence: str


class Identification(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the header of an M-Bus telegram shows that a meter is one of these; empty: any. `makers`: three
    letters; `media`: device types of EN 13757-3, as 4 for heat. Compared before the first value counts."""

    makers: tuple[str, ...] = ()
    versions: tuple[int, ...] = ()
    media: tuple[int, ...]
    evidence: str


class DeviceProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A device family. `name` never changes meaning; a changed meaning is a new name.

    `encryption`: whether its meters encrypt. Where it is "always", each needs a key (config/keys.py).
    """

    name: str
    maker: str
    products: tuple[str, ...]
    medium: str
    protocol: Literal["modbus", "sml", "d0", "p1", "dlms", "s0", "mbus"]
    evidence: dict[str, Evidence]
    link: Link = Link()
    limits: Limits = Limits()
    identity: Identity | None = None
    type_code: TypeCode | None = None
    plausible: Plausible | None = None
    points: tuple[Point, ...] = msgspec.field(default=(), name="point")
    objects: tuple[Object, ...] = msgspec.field(default=(), name="object")
    pulse: Pulse | None = None
    read_out: ReadOut | None = None
    records: tuple[Record, ...] = msgspec.field(default=(), name="record")
    identification: Identification | None = None
    encryption: Encryption = "never"
