"""The meter catalogue: reads device profiles and judges them.

A profile is data that a person with the manual in hand wrote: each fact is checked against the quantity
registry, the units, and what Modbus or OBIS allow, and every mistake is told with its file and point.
The profiles that the project ships lie in `config/meters/`; a file's name is its profile's name. A site's
own lie in `meters/` beside its configuration file, under names that the catalogue does not have: a name
never changes its meaning.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from config.problems import ConfigError, Judge, Problem, choices, names_of, suggestion
from config.profile import DeviceProfile, Evidence, Identity, Object, Point, Record, TypeCode
from protocols.obis import format_obis, parse_obis
from protocols.quantities import QUANTITIES, Quantity, by_name
from protocols.s0 import parse_constant
from protocols.units import UNIT_NAMES, conversion
from protocols.uplink.messages import Medium
from protocols.value import Scaled, parse_decimal

METERS_FOLDER = Path(__file__).parent / "meters"
SITE_METERS_FOLDER = "meters"  # beside the configuration file of a site
SITE_PROFILES_MAX = 200
VERIFIED = ("twice", "normative")
_BINARY = {"u16": 1, "i16": 1, "u32": 2, "i32": 2, "f32": 2, "u64": 4, "i64": 4, "f64": 4}
REGISTERS_OF_TYPE = _BINARY | {"bcd16": 1, "bcd32": 2, "bcd48": 3, "bcd64": 4, "bits": 1}
REGISTERS_OF_SCALE = {"power-i16": 1, "power-i8": 1, "factor-u16": 1, "factor-u32": 2}
SCALED_TYPES = frozenset(REGISTERS_OF_TYPE) - {"f32", "f64", "bits"}
IDENTITY_TYPES = frozenset(REGISTERS_OF_TYPE) - {"f32", "f64", "bits"} | {"string"}
BITS_PER_REGISTER = 16
SUNSPEC_END_MODEL = 0xFFFF
SUNSPEC_HEAD_REGISTERS = 2
BIT_TABLES = ("coil", "discrete")
REGISTERS_MAX = 125  # Modbus Application Protocol V1.1b3, 6.3
ADDRESS_MAX = 0xFFFF
TIMEOUT_S_MAX = 60.0
INTERVAL_S_MIN_MAX = 86_400
PULSE_MS_MAX = 10_000
READ_OUT_S_MAX = 600
TEXT_PROTOCOLS = ("d0", "p1")
MEDIA = {medium.name.lower().replace("_", "-"): medium for medium in Medium}

_READABLE_KINDS = ("counter", "gauge", "state", "interval")
_QUANTITY_NAMES = [quantity.name for quantity in QUANTITIES]
_OTHER_NAME = "a name that the catalogue does not have: names never change their meaning"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_SERIES = re.compile(r"([a-z0-9_]*)\{([1-9])\.\.([1-9])\}([a-z0-9_]*)")  # voltage_l{1..3}


def load_profile(path: Path) -> DeviceProfile:
    """One device profile; ConfigError with all its problems."""
    judge = Judge(path.name)
    data = judge.read_toml(path)
    profile = judge.table(DeviceProfile, data) if data is not None else None
    if profile is not None:
        profile, wheres = _write_out(judge, profile)
        _judge_head(judge, profile, path)
        _judge_points(judge, profile, wheres)
        _judge_objects(judge, profile)
        _judge_pulse(judge, profile)
        _judge_read_out(judge, profile)
        _judge_records(judge, profile)
    if profile is None or judge.problems:
        raise ConfigError(judge.problems)
    return profile


def profile_names() -> list[str]:
    """The names of all profiles in the catalogue."""
    return sorted(path.stem for path in METERS_FOLDER.glob("*.toml"))


def site_profiles(folder: Path) -> dict[str, Path]:
    """The files of a site's own profiles by name; `folder` is that of its configuration file.

    ConfigError where one has the name of a profile of the catalogue, or where there are too many.
    """
    paths = sorted((folder / SITE_METERS_FOLDER).glob("*.toml"))
    problems = [
        Problem(f"{SITE_METERS_FOLDER}/{path.name}", "name", f'"{path.stem}"', _OTHER_NAME)
        for path in paths
        if (METERS_FOLDER / path.name).exists()
    ]
    if len(paths) > SITE_PROFILES_MAX:
        right = f"at most {SITE_PROFILES_MAX} files; move those that no meter uses elsewhere"
        problems.append(Problem(SITE_METERS_FOLDER, "files", str(len(paths)), right))
    if problems:
        raise ConfigError(problems)
    return {path.stem: path for path in paths}


def readable_evidence(profile: DeviceProfile) -> dict[str, Evidence]:
    """The evidence of each quantity that the profile reads, in its order."""
    return {quantity: profile.evidence[key] for quantity, key in _readable(profile)}


def _readable(profile: DeviceProfile) -> list[tuple[str, str]]:
    """Each quantity that the profile reads, with the key of its evidence."""
    pairs = [(point.quantity, point.evidence) for point in profile.points]
    pairs += [(entry.quantity, entry.evidence) for entry in profile.objects]
    pairs += [(record.quantity, record.evidence) for record in profile.records]
    if profile.pulse is not None:
        pairs.append((profile.pulse.quantity, profile.pulse.evidence))
    return pairs


def unverified(profile: DeviceProfile, quantities: tuple[str, ...] = ()) -> list[str]:
    """The quantities, of all or of these, whose register or code was not seen in two independent sources."""
    facts = readable_evidence(profile)
    wanted = quantities or tuple(facts)
    return [name for name in facts if name in wanted and facts[name].seen not in VERIFIED]


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


def register_count(entry: Point | Identity | TypeCode) -> int:
    """How many registers an entry's own value takes; its scale register is apart."""
    if not isinstance(entry, Point) and entry.type == "string":
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
    elif not _NAME.fullmatch(profile.name):
        judge.say("name", profile.name, 'lower case letters, digits and dashes, as "acme-em1"')
    if profile.medium not in MEDIA:
        judge.say("medium", profile.medium, "one of " + choices(MEDIA) + suggestion(profile.medium, MEDIA))
    if not profile.products:
        judge.say("products", profile.products, 'the makers\' names of the models, as ["SDM630-Modbus V2"]')
    lists = {
        "[[point]]": profile.points,
        "[[object]]": profile.objects,
        "[pulse]": profile.pulse,
        "[[record]]": profile.records,
    }
    wanted = {"modbus": "[[point]]", "s0": "[pulse]", "mbus": "[[record]]"}.get(
        profile.protocol, "[[object]]"
    )
    if [name for name, content in lists.items() if content] != [wanted]:
        others = " or ".join(name for name in lists if name != wanted)
        judge.say("protocol", profile.protocol, f"a profile of this protocol has {wanted} and no {others}")
    _judge_limits(judge, profile)
    if not 0 <= profile.link.address <= 255:
        judge.say("[link] address", profile.link.address, "0 to 255, the unit id as the factory sets it")
    if not 0 <= profile.link.tcp_port <= 0xFFFF:
        judge.say("[link] tcp_port", profile.link.tcp_port, "1 to 65535, as 502; left out without a network")
    _judge_recognition(judge, profile)


def _judge_limits(judge: Judge, profile: DeviceProfile) -> None:
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
    if not 1 <= limits.interval_s_min <= INTERVAL_S_MIN_MAX:
        judge.say("[limits] interval_s_min", limits.interval_s_min, f"1 to {INTERVAL_S_MIN_MAX} (seconds)")


def _judge_recognition(judge: Judge, profile: DeviceProfile) -> None:
    """What tells that a device is the right one."""
    if profile.identity is not None:
        _judge_register_text(judge, profile, "[identity]", profile.identity)
        _judge_models(judge, "[identity]", profile.identity)
    if profile.type_code is not None:
        _judge_register_text(judge, profile, "[type_code]", profile.type_code)
        _judge_type_code(judge, profile.type_code)
    _judge_plausible(judge, profile)


def _judge_register_text(
    judge: Judge, profile: DeviceProfile, where: str, entry: Identity | TypeCode
) -> None:
    """What holds for all registers that tell which device this is."""
    text = entry.type == "string"
    if entry.type not in IDENTITY_TYPES:
        judge.say(f"{where} type", entry.type, "one of " + choices(sorted(IDENTITY_TYPES)))
        return
    if text != (entry.registers > 0):
        right = 'how many registers the text has, as 16, with type "string"; left out with any other type'
        judge.say(f"{where} registers", entry.registers, right)
    if text and entry.order.startswith("little"):
        judge.say(f"{where} order", entry.order, '"big" or "big-swapped": text is not turned round')
    _judge_place(judge, profile, where, entry.address, max(1, register_count(entry)))
    _judge_evidence(judge, profile, where, entry.evidence)


def _judge_type_code(judge: Judge, type_code: TypeCode) -> None:
    if not type_code.holds:
        judge.say("[type_code] holds", [], 'what may stand there, as ["B23", "B24"] or ["1648"]')
    for code in type_code.holds:
        try:
            known = bool(code) if type_code.type == "string" else int(code, 0) >= 0
        except ValueError:
            known = False
        if not known:
            right = "text" if type_code.type == "string" else 'a number in quotes, as "1648" or "0x42323320"'
            judge.say("[type_code] holds", code, right)


def _judge_plausible(judge: Judge, profile: DeviceProfile) -> None:
    plausible = profile.plausible
    if plausible is None:
        return
    names = [quantity for quantity, _ in _readable(profile)]
    if plausible.quantity not in names:
        right = "a quantity that this profile reads" + suggestion(plausible.quantity, names)
        judge.say("[plausible] quantity", plausible.quantity, right)
    bounds: list[Scaled] = []
    for key, text in (("least", plausible.least), ("most", plausible.most)):
        try:
            bounds.append(parse_decimal(text))
        except ValueError:
            judge.say(f"[plausible] {key}", text, 'a decimal number in quotes, as "45"')
    finest = min((bound.exponent for bound in bounds), default=0)
    rescaled = [bound.rescaled(finest).integer for bound in bounds]
    if len(rescaled) == 2 and rescaled[0] >= rescaled[1]:
        judge.say("[plausible] most", plausible.most, f"more than least, {plausible.least}")


def _write_out(judge: Judge, profile: DeviceProfile) -> tuple[DeviceProfile, list[str]]:
    """The profile with a point for each of `voltage_l{1..3}`, and where each point stands in the file."""
    points: list[Point] = []
    wheres: list[str] = []
    for where, point in zip(_wheres(profile.points, "point"), profile.points, strict=True):
        series = _SERIES.fullmatch(point.quantity)
        if series is not None and series[2] >= series[3]:
            series = None
        if (series is not None) != (point.stride > 0):
            right = (
                'registers from one to the next, as 2, with a quantity like "voltage_l{1..3}"; else left out'
            )
            judge.say(f"{where} stride", point.stride, right)
        written = [point] if series is None else _series(point, series)
        points += written
        wheres += [where] * len(written)
    return msgspec.structs.replace(profile, points=tuple(points)), wheres


def _series(point: Point, series: re.Match[str]) -> list[Point]:
    """The points that one entry stands for."""
    before, first, last, after = series.groups()
    return [
        msgspec.structs.replace(
            point,
            quantity=f"{before}{number}{after}",
            address=point.address + point.stride * (number - int(first)),
            stride=0,
        )
        for number in range(int(first), int(last) + 1)
    ]


def _judge_points(judge: Judge, profile: DeviceProfile, wheres: list[str]) -> None:
    for where, point in zip(wheres, profile.points, strict=True):
        quantity = _judge_quantity(judge, where, point.quantity)
        _judge_evidence(judge, profile, where, point.evidence)
        _judge_models(judge, where, point)
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
    for place, (where, point) in enumerate(zip(wheres, profile.points, strict=True)):
        others = [other for other in profile.points[:place] if other.quantity == point.quantity]
        if any(
            not (point.models and other.models) or set(point.models) & set(other.models) for other in others
        ):
            judge.say(f"{where} quantity", point.quantity, "each quantity once in a profile, or in a model")


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
        coded = by_name(quantity.same_as) if quantity is not None and quantity.same_as else quantity
        if quantity is not None and coded is not None and code not in (coded.obis, *coded.obis_others):
            known = coded.obis or "none"
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
        if profile.protocol == "dlms":
            _judge_dlms_object(judge, where, entry)
        elif entry.unit and profile.protocol not in TEXT_PROTOCOLS:
            judge.say(f"{where} unit", entry.unit, "left out: only d0, p1 and dlms meters may leave it out")
        elif entry.unit and (known := [q for q in QUANTITIES if q.name == entry.quantity]):
            _judge_unit(judge, where, entry.unit, known[0])
        elif entry.address and profile.protocol not in TEXT_PROTOCOLS:
            judge.say(f"{where} address", entry.address, "left out: only d0 and p1 meters write addresses")
    if profile.read_out is None:
        return
    if profile.protocol != "d0":
        judge.say("[read_out]", None, "left out: only d0 meters are asked for a read-out")
    elif not 1 <= profile.read_out.deadline_s <= READ_OUT_S_MAX:
        right = f"1 to {READ_OUT_S_MAX} (seconds)"
        judge.say("[read_out] deadline_s", profile.read_out.deadline_s, right)


def _judge_dlms_object(judge: Judge, where: str, entry: Object) -> None:
    """What a DLMS meter may do otherwise than the standard: another code, no unit."""
    if entry.address:
        try:
            parse_obis(entry.address)
        except ValueError:
            right = "the code as the meter sends it, as 1-1:1.8.0; left out where that is `obis`"
            judge.say(f"{where} address", entry.address, right)
    known = [quantity for quantity in QUANTITIES if quantity.name == entry.quantity]
    if entry.unit and known:
        _judge_unit(judge, where, entry.unit, known[0])


def _judge_records(judge: Judge, profile: DeviceProfile) -> None:
    """What only M-Bus meters have."""
    if profile.protocol != "mbus":
        if profile.identification is not None:
            judge.say("[identification]", None, "left out: only M-Bus meters have a header to be known by")
        return
    _judge_identification(judge, profile)
    names = names_of([{"quantity": record.quantity} for record in profile.records])
    wheres = [f"[[record]] {name}" for name in names]
    for where, record in zip(wheres, profile.records, strict=True):
        quantity = _judge_quantity(judge, where, record.quantity)
        _judge_evidence(judge, profile, where, record.evidence)
        _judge_resolution(judge, where, record.resolution)
        _judge_vif(judge, where, record)
        for key in ("storage", "tariff", "subunit"):
            if getattr(record, key) < 0:
                judge.say(f"{where} {key}", getattr(record, key), "0 or more, as the meter numbers it")
        if quantity is not None and quantity.kind != "state":
            _judge_unit(judge, where, record.unit, quantity)
    _judge_twice(judge, wheres, [record.quantity for record in profile.records])


def _judge_identification(judge: Judge, profile: DeviceProfile) -> None:
    from protocols.mbus.address import encode_maker

    known = profile.identification
    if known is None:
        judge.say("[identification]", None, "required for M-Bus meters: media = [4], as telegrams say")
        return
    _judge_evidence(judge, profile, "[identification]", known.evidence)
    if not known.media:
        judge.say("[identification] media", None, "the device types that the telegrams name, as [4] for heat")
    for key, numbers in (("versions", known.versions), ("media", known.media)):
        if any(not 0 <= number <= 0xFE for number in numbers):
            judge.say(f"[identification] {key}", list(numbers), "0 to 254 each")
    for maker in known.makers:
        try:
            encode_maker(maker)
        except ValueError as error:
            judge.say("[identification] makers", list(known.makers), str(error))


def _judge_vif(judge: Judge, where: str, record: Record) -> None:
    from protocols.mbus.vif import vib_of

    try:
        vib_of(record.kind, record.unit, 0, record.qualifiers)
    except ValueError as error:
        judge.say(f"{where} kind", record.kind, f"what protocols/mbus/vif.py names; {error}")


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


def _judge_models(judge: Judge, where: str, entry: Point | Identity) -> None:
    """What lies in a SunSpec model lies in holding registers, behind the model's number and length."""
    if not entry.models:
        return
    wrong = [number for number in entry.models if not 1 <= number < SUNSPEC_END_MODEL]
    if wrong or len(set(entry.models)) < len(entry.models):
        judge.say(
            f"{where} models", list(entry.models), "numbers of SunSpec models, each once, as [203, 201]"
        )
    if entry.table != "holding":
        judge.say(f"{where} table", entry.table, '"holding": SunSpec models lie there')
    if entry.address < SUNSPEC_HEAD_REGISTERS:
        right = "2 or more: 0 is the register with the model's number, 1 its length"
        judge.say(f"{where} address", entry.address, right)


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
