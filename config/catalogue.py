"""The meter catalogue: reads device profiles and judges them.

A profile is data that a person with the manual in hand wrote: each fact is checked against the quantity
registry, the units, and what Modbus or OBIS allow, and every mistake is told with its file and point.
The profiles that the project ships lie in `config/meters/`; a file's name is its profile's name.
"""

from __future__ import annotations

from pathlib import Path

from config.problems import ConfigError, Judge, choices, names_of, suggestion
from config.profile import DeviceProfile, Identity, Object, Point
from protocols.obis import format_obis, parse_obis
from protocols.quantities import QUANTITIES, Quantity, by_name
from protocols.s0 import parse_constant
from protocols.units import UNIT_NAMES, conversion
from protocols.uplink.messages import Medium
from protocols.value import Scaled, parse_decimal

METERS_FOLDER = Path(__file__).parent / "meters"
_BINARY = {"u16": 1, "i16": 1, "u32": 2, "i32": 2, "f32": 2, "u64": 4, "i64": 4, "f64": 4}
REGISTERS_OF_TYPE = _BINARY | {"bcd16": 1, "bcd32": 2, "bcd48": 3, "bcd64": 4, "bits": 1}
REGISTERS_OF_SCALE = {"power-i16": 1, "power-i8": 1, "factor-u16": 1, "factor-u32": 2}
SCALED_TYPES = frozenset(REGISTERS_OF_TYPE) - {"f32", "f64", "bits"}
IDENTITY_TYPES = frozenset(REGISTERS_OF_TYPE) - {"f32", "f64", "bits"} | {"string"}
BITS_PER_REGISTER = 16
BIT_TABLES = ("coil", "discrete")
REGISTERS_MAX = 125  # Modbus Application Protocol V1.1b3, 6.3
ADDRESS_MAX = 0xFFFF
TIMEOUT_S_MAX = 60.0
PULSE_MS_MAX = 10_000
READ_OUT_S_MAX = 600
TEXT_PROTOCOLS = ("d0", "p1")
MEDIA = {medium.name.lower().replace("_", "-"): medium for medium in Medium}

_READABLE_KINDS = ("counter", "gauge", "state", "interval")
_QUANTITY_NAMES = [quantity.name for quantity in QUANTITIES]


def load_profile(path: Path) -> DeviceProfile:
    """One device profile; ConfigError with all its problems."""
    judge = Judge(path.name)
    data = judge.read_toml(path)
    profile = judge.table(DeviceProfile, data) if data is not None else None
    if profile is not None:
        _judge_head(judge, profile, path)
        _judge_points(judge, profile)
        _judge_objects(judge, profile)
        _judge_pulse(judge, profile)
        _judge_read_out(judge, profile)
    if profile is None or judge.problems:
        raise ConfigError(judge.problems)
    return profile


def profile_names() -> list[str]:
    """The names of all profiles in the catalogue."""
    return sorted(path.stem for path in METERS_FOLDER.glob("*.toml"))


def catalogue() -> dict[str, DeviceProfile]:
    """Every profile of the catalogue by its name; ConfigError with the problems of all files."""
    profiles: dict[str, DeviceProfile] = {}
    problems = []
    for name in profile_names():
        try:
            profiles[name] = load_profile(METERS_FOLDER / f"{name}.toml")
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return profiles


def register_count(entry: Point | Identity) -> int:
    """How many registers an entry's own value takes; its scale register is apart."""
    if isinstance(entry, Identity) and entry.type == "string":
        return entry.registers
    return REGISTERS_OF_TYPE[entry.type]


def point_span(point: Point) -> tuple[int, int]:
    """From where to where (the end not included) a point is read in one request: registers, or bits in the
    tables of bits. With a scale register, that and everything between belong to it."""
    first, last = point.address, point.address + (1 if point.table in BIT_TABLES else register_count(point))
    if point.scale_register is None:
        return first, last
    scale = point.scale_register
    return min(first, scale.address), max(last, scale.address + REGISTERS_OF_SCALE[scale.type])


def step_exponent(text: str) -> int | None:
    """The power of ten that a resolution stands for: -1 for "0.1"; None for ""; ValueError for others."""
    if not text:
        return None
    step = parse_decimal(text).normalised()
    if step.integer != 1:
        raise ValueError(f"{text} is not a power of ten")
    return step.exponent


def _judge_head(judge: Judge, profile: DeviceProfile, path: Path) -> None:
    if profile.name != path.stem:
        judge.say("name", profile.name, f'the name of its file, "{path.stem}"')
    if profile.medium not in MEDIA:
        judge.say("medium", profile.medium, "one of " + choices(MEDIA) + suggestion(profile.medium, MEDIA))
    if not profile.products:
        judge.say("products", profile.products, 'the makers\' names of the models, as ["SDM630-Modbus V2"]')
    lists = {"[[point]]": profile.points, "[[object]]": profile.objects, "[pulse]": profile.pulse}
    wanted = {"modbus": "[[point]]", "s0": "[pulse]"}.get(profile.protocol, "[[object]]")
    if [name for name, content in lists.items() if content] != [wanted]:
        others = " or ".join(name for name in lists if name != wanted)
        judge.say("protocol", profile.protocol, f"a profile of this protocol has {wanted} and no {others}")
    limits = profile.limits
    if not 1 <= limits.registers_max <= REGISTERS_MAX:
        judge.say("[limits] registers_max", limits.registers_max, f"1 to {REGISTERS_MAX}")
    if not 0 <= limits.gap_registers_max <= REGISTERS_MAX:
        judge.say("[limits] gap_registers_max", limits.gap_registers_max, f"0 to {REGISTERS_MAX}")
    if not 0 <= limits.gap_s <= 1:
        judge.say("[limits] gap_s", limits.gap_s, "0 to 1 (seconds)")
    if not 0 < limits.reply_timeout_s <= TIMEOUT_S_MAX:
        judge.say(
            "[limits] reply_timeout_s",
            limits.reply_timeout_s,
            f"more than 0, at most {TIMEOUT_S_MAX:g} (seconds)",
        )
    if profile.identity is not None:
        _judge_identity(judge, profile, profile.identity)


def _judge_identity(judge: Judge, profile: DeviceProfile, identity: Identity) -> None:
    text = identity.type == "string"
    if identity.type not in IDENTITY_TYPES:
        judge.say("[identity] type", identity.type, "one of " + choices(sorted(IDENTITY_TYPES)))
        return
    if text != (identity.registers > 0):
        right = 'how many registers the text has, as 16, with type "string"; left out with any other type'
        judge.say("[identity] registers", identity.registers, right)
    if text and identity.order.startswith("little"):
        judge.say("[identity] order", identity.order, '"big" or "big-swapped": text is not turned round')
    _judge_place(judge, profile, "[identity]", identity.address, max(1, register_count(identity)))
    _judge_evidence(judge, profile, "[identity]", identity.evidence)


def _judge_points(judge: Judge, profile: DeviceProfile) -> None:
    wheres = _wheres(profile.points, "point")
    for where, point in zip(wheres, profile.points, strict=True):
        quantity = _judge_quantity(judge, where, point.quantity)
        _judge_evidence(judge, profile, where, point.evidence)
        if point.type == "string":
            judge.say(f"{where} type", point.type, "a type of numbers; only [identity] may be text")
            continue
        if point.table in BIT_TABLES and point.type != "u16":
            judge.say(f"{where} type", point.type, '"u16": coils and discrete inputs are single bits, 0 or 1')
        _judge_place(
            judge, profile, where, point.address, 1 if point.table in BIT_TABLES else register_count(point)
        )
        _judge_scale(judge, where, point)
        _judge_scale_register(judge, profile, where, point)
        _judge_bits(judge, where, point)
        _judge_patterns(judge, where, point)
        if quantity is not None:
            _judge_unit(judge, where, point.unit, quantity)
            _judge_resolution(judge, where, point.resolution)
    _judge_twice(judge, wheres, [point.quantity for point in profile.points])


def _judge_objects(judge: Judge, profile: DeviceProfile) -> None:
    wheres = _wheres(profile.objects, "object")
    for where, entry in zip(wheres, profile.objects, strict=True):
        quantity = _judge_quantity(judge, where, entry.quantity)
        _judge_evidence(judge, profile, where, entry.evidence)
        _judge_resolution(judge, where, entry.resolution)
        try:
            code = format_obis(parse_obis(entry.obis)).removesuffix("*255")
        except ValueError as error:
            judge.say(f"{where} obis", entry.obis, str(error))
            continue
        if quantity is not None and code not in (quantity.obis, *quantity.obis_others):
            known = quantity.obis or "none"
            judge.say(
                f"{where} obis", entry.obis, f"the code that the registry has for {quantity.name}: {known}"
            )
    _judge_twice(judge, wheres, [entry.quantity for entry in profile.objects])


def _judge_pulse(judge: Judge, profile: DeviceProfile) -> None:
    pulse = profile.pulse
    if pulse is None:
        return
    quantity = _judge_quantity(judge, "[pulse]", pulse.quantity)
    _judge_evidence(judge, profile, "[pulse]", pulse.evidence)
    judge_constant(judge, "[pulse] pulses_per_unit", pulse.pulses_per_unit)
    for key, width_ms in (("pulse_ms_min", pulse.pulse_ms_min), ("pause_ms_min", pulse.pause_ms_min)):
        if not 1 <= width_ms <= PULSE_MS_MAX:
            judge.say(f"[pulse] {key}", width_ms, f"1 to {PULSE_MS_MAX} (milliseconds)")
    if quantity is not None and quantity.kind != "counter":
        judge.say("[pulse] quantity", pulse.quantity, f"a counter; {pulse.quantity} is a {quantity.kind}")
    elif quantity is not None:
        _judge_unit(judge, "[pulse]", pulse.unit, quantity)


def _judge_read_out(judge: Judge, profile: DeviceProfile) -> None:
    """What only meters with text addresses, or only D0 meters, have."""
    for where, entry in zip(_wheres(profile.objects, "object"), profile.objects, strict=True):
        if entry.address and profile.protocol not in TEXT_PROTOCOLS:
            judge.say(f"{where} address", entry.address, "left out: only d0 and p1 meters write addresses")
    if profile.read_out is None:
        return
    if profile.protocol != "d0":
        judge.say("[read_out]", None, "left out: only d0 meters are asked for a read-out")
    elif not 1 <= profile.read_out.deadline_s <= READ_OUT_S_MAX:
        right = f"1 to {READ_OUT_S_MAX} (seconds)"
        judge.say("[read_out] deadline_s", profile.read_out.deadline_s, right)


def judge_constant(judge: Judge, key: str, text: str) -> None:
    """The pulses for one unit, in a profile or of a single meter."""
    try:
        parse_constant(text)
    except ValueError:
        judge.say(key, text, 'the pulses for one unit as the type plate has them, in quotes, as "1000"')


def _wheres(entries: tuple[Point, ...] | tuple[Object, ...], kind: str) -> list[str]:
    """Key paths as the reading of the tables named them."""
    return [f"[[{kind}]] {name}" for name in names_of([{"quantity": entry.quantity} for entry in entries])]


def _judge_quantity(judge: Judge, where: str, name: str) -> Quantity | None:
    try:
        quantity = by_name(name)
    except KeyError:
        near = suggestion(name, _QUANTITY_NAMES)
        judge.say(f"{where} quantity", name, f"a name from protocols/quantities.py{near}")
        return None
    if quantity.kind not in _READABLE_KINDS:
        judge.say(f"{where} quantity", name, f"a quantity that has values; {name} is of kind {quantity.kind}")
        return None
    return quantity


def _judge_evidence(judge: Judge, profile: DeviceProfile, where: str, key: str) -> None:
    if key not in profile.evidence:
        near = suggestion(key, profile.evidence)
        judge.say(f"{where} evidence", key, f"a key of [evidence]: {choices(profile.evidence)}{near}")


def _judge_place(judge: Judge, profile: DeviceProfile, where: str, address: int, size: int) -> None:
    if not 0 <= address <= ADDRESS_MAX + 1 - size:
        judge.say(
            f"{where} address", address, f"0 to {ADDRESS_MAX + 1 - size}, counted from 0 as on the wire"
        )
    if size > profile.limits.registers_max:
        judge.say("[limits] registers_max", profile.limits.registers_max, f"at least {size}, for {where}")


def _judge_scale(judge: Judge, where: str, point: Point) -> None:
    try:
        scale = parse_decimal(point.scale)
    except ValueError:
        scale = Scaled(0, 0)
    if scale.integer == 0:
        judge.say(f"{where} scale", point.scale, 'a decimal number other than zero, in quotes, as "0.01"')


def _judge_scale_register(judge: Judge, profile: DeviceProfile, where: str, point: Point) -> None:
    scale = point.scale_register
    if scale is None:
        return
    key = f"{where} scale_register"
    if point.type not in SCALED_TYPES or point.table in BIT_TABLES:
        judge.say(key, scale.address, "none: only whole numbers in registers have one")
        return
    size = REGISTERS_OF_SCALE[scale.type]
    if not 0 <= scale.address <= ADDRESS_MAX + 1 - size:
        judge.say(key, scale.address, f"0 to {ADDRESS_MAX + 1 - size}, counted from 0 as on the wire")
        return
    first, last = point_span(point)
    if last - first > profile.limits.registers_max:
        right = f"one request of [limits] registers_max = {profile.limits.registers_max} has both"
        judge.say(key, scale.address, right)
    known = _known_registers(profile, point.table)
    if _longest_gap(first, last, known) > profile.limits.gap_registers_max:
        judge.say(
            "[limits] gap_registers_max",
            profile.limits.gap_registers_max,
            f"at least {_longest_gap(first, last, known)}, to read {where} and its scale register together",
        )


def _known_registers(profile: DeviceProfile, table: str) -> set[int]:
    """Registers of a table that hold something that the profile knows."""
    known: set[int] = set()
    for point in profile.points:
        if point.table == table and point.type != "string":
            known |= set(range(point.address, point.address + register_count(point)))
            if (scale := point.scale_register) is not None:
                known |= set(range(scale.address, scale.address + REGISTERS_OF_SCALE[scale.type]))
    return known


def _longest_gap(first: int, last: int, known: set[int]) -> int:
    gap = longest = 0
    for address in range(first, last):
        gap = 0 if address in known else gap + 1
        longest = max(longest, gap)
    return longest


def _judge_bits(judge: Judge, where: str, point: Point) -> None:
    if point.type != "bits":
        if (point.bit, point.bits) != (0, 1):
            judge.say(f"{where} bit", point.bit, 'left out, as `bits` too: they are for type "bits"')
    elif not 0 <= point.bit < BITS_PER_REGISTER:
        judge.say(f"{where} bit", point.bit, "0 to 15; 0 is the register's least significant bit")
    elif not 1 <= point.bits <= BITS_PER_REGISTER - point.bit:
        judge.say(
            f"{where} bits", point.bits, f"1 to {BITS_PER_REGISTER - point.bit}, from bit {point.bit} on"
        )


def _judge_resolution(judge: Judge, where: str, text: str) -> None:
    try:
        step_exponent(text)
    except ValueError:
        judge.say(f"{where} resolution", text, 'a power of ten in quotes, as "0.1" or "0.01", or "" for none')


def _judge_unit(judge: Judge, where: str, unit: str, quantity: Quantity) -> None:
    try:
        conversion(unit, quantity.unit)
    except ValueError:
        near = suggestion(unit, UNIT_NAMES) if unit not in UNIT_NAMES else ""
        judge.say(f"{where} unit", unit, f"{quantity.unit}, or a unit that is a power of ten of it{near}")


def _judge_patterns(judge: Judge, where: str, point: Point) -> None:
    digits = 4 * REGISTERS_OF_TYPE[point.type]
    for pattern in point.not_available:
        if len(pattern) != digits or set(pattern.lower()) - set("0123456789abcdef"):
            judge.say(f"{where} not_available", pattern, f"{digits} hexadecimal digits for {point.type}")


def _judge_twice(judge: Judge, wheres: list[str], names: list[str]) -> None:
    for index, name in enumerate(names):
        if name in names[:index]:
            judge.say(f"{wheres[index]} quantity", name, "each quantity once in a profile")
