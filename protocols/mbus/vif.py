"""What a value information block says: VIF, VIFE and their tables (EN 13757-3:2018, 6.4, tables 10 to 17).

    VIF  [length text]  VIFE...      bit 7 of each says that another VIFE follows; of the VIF FC the text
                                     comes before them, as recorded meters send it

Rules:
- `kind` and qualifier names are stable: the catalogue of meters, `quantities` and recorded tests go by them;
- units are those of `protocols.units` where it has one, and never carry a power of ten: that is `exponent`;
- a code that the standard keeps free is no error: its kind is named after the code (`vif_fd_3b`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, NamedTuple

from protocols.errors import ProtocolError

VIFE_MAX = 10
TEXT_BYTES_MAX = 255
MEANINGS_KEPT = 512  # a meter sends the same blocks in every telegram

PRIMARY_TEXT, PRIMARY_ANY, MANUFACTURER = 0x7C, 0x7E, 0x7F
FB, FD = 0xFB, 0xFD
_MORE = 0x80
_COMBINABLE_EXTENSION = 0x7C
_SECOND_LEVEL = 0x7D  # within the table FD

Form = Literal["number", "unsigned", "identity", "time", "container"]


class Meaning(NamedTuple):
    """What a block says of its data.

    `form`: "number" is signed, "unsigned" an unsigned number or bits, "identity" digits or text that name
    something, "time" a date or time by the width of the data, "container" bytes with an inner structure.
    `error`: what the meter says is wrong with the record (table 17), "" for nothing.
    """

    kind: str
    unit: str = ""
    exponent: int = 0
    form: Form = "number"
    qualifiers: tuple[str, ...] = ()
    error: str = ""


_SECOND_TO_DAY = ("s", "min", "h", "d")
_HOUR_TO_YEAR = ("h", "d", "mo", "a")


def _scaled(first: int, count: int, kind: str, unit: str, exponent: int) -> dict[int, Meaning]:
    """`count` codes from `first` on, each ten times the one before."""
    return {first + step: Meaning(kind, unit, exponent + step) for step in range(count)}


def _spans(first: int, kind: str, units: tuple[str, ...] = _SECOND_TO_DAY) -> dict[int, Meaning]:
    return {first + step: Meaning(kind, unit) for step, unit in enumerate(units)}


def _named(form: Form, kinds: dict[int, str]) -> dict[int, Meaning]:
    unit = "" if form == "identity" else "1"
    return {code: Meaning(kind, unit, form=form) for code, kind in kinds.items()}


_PRIMARY: dict[int, Meaning] = {  # table 10
    **_scaled(0x00, 8, "energy", "Wh", -3),
    **_scaled(0x08, 8, "energy", "J", 0),
    **_scaled(0x10, 8, "volume", "m3", -6),
    **_scaled(0x18, 8, "mass", "kg", -3),
    **_spans(0x20, "on_time"),
    **_spans(0x24, "operating_time"),
    **_scaled(0x28, 8, "power", "W", -3),
    **_scaled(0x30, 8, "power", "J/h", 0),
    **_scaled(0x38, 8, "volume_flow", "m3/h", -6),
    **_scaled(0x40, 8, "volume_flow", "m3/min", -7),
    **_scaled(0x48, 8, "volume_flow", "m3/s", -9),
    **_scaled(0x50, 8, "mass_flow", "kg/h", -3),
    **_scaled(0x58, 4, "flow_temperature", "degC", -3),
    **_scaled(0x5C, 4, "return_temperature", "degC", -3),
    **_scaled(0x60, 4, "temperature_difference", "K", -3),
    **_scaled(0x64, 4, "external_temperature", "degC", -3),
    **_scaled(0x68, 4, "pressure", "bar", -3),
    0x6C: Meaning("date", form="time"),
    0x6D: Meaning("date_time", form="time"),
    0x6E: Meaning("heat_cost_units", "HCA"),
    **_spans(0x70, "averaging_duration"),
    **_spans(0x74, "actuality_duration"),
    **_named("identity", {0x78: "fabrication_number", 0x79: "identification"}),
    0x7A: Meaning("bus_address", "1", form="unsigned"),
    PRIMARY_ANY: Meaning("any"),
    MANUFACTURER: Meaning("manufacturer"),
}

_TABLE_FB: dict[int, Meaning] = {  # table 14
    **_scaled(0x00, 2, "energy", "Wh", 5),
    **_scaled(0x02, 2, "reactive_energy", "varh", 3),
    **_scaled(0x04, 2, "apparent_energy", "VAh", 3),
    0x06: Meaning("coefficient_of_performance", "1", -1),
    **_scaled(0x08, 2, "energy", "J", 8),
    **_scaled(0x0C, 4, "energy", "cal", 5),
    **_scaled(0x10, 2, "volume", "m3", 2),
    **_scaled(0x14, 4, "reactive_power", "var", 0),
    **_scaled(0x18, 2, "mass", "kg", 5),
    **_scaled(0x1A, 2, "relative_humidity", "%", -1),
    0x20: Meaning("volume", "ft3"),
    0x21: Meaning("volume", "ft3", -1),
    0x22: Meaning("volume", "gal", -1),
    0x23: Meaning("volume", "gal"),
    0x24: Meaning("volume_flow", "gal/min", -3),
    0x25: Meaning("volume_flow", "gal/min"),
    0x26: Meaning("volume_flow", "gal/h"),
    **_scaled(0x28, 2, "power", "W", 5),
    0x2A: Meaning("phase_angle_voltage", "deg", -1),
    0x2B: Meaning("phase_angle_current", "deg", -1),
    **_scaled(0x2C, 4, "frequency", "Hz", -3),
    **_scaled(0x30, 2, "power", "J/h", 8),
    **_scaled(0x34, 4, "apparent_power", "VA", 0),
    **_scaled(0x58, 4, "flow_temperature", "degF", -3),
    **_scaled(0x5C, 4, "return_temperature", "degF", -3),
    **_scaled(0x60, 4, "temperature_difference", "degF", -3),
    **_scaled(0x64, 4, "external_temperature", "degF", -3),
    **_scaled(0x70, 4, "temperature_limit", "degF", -3),
    **_scaled(0x74, 4, "temperature_limit", "degC", -3),
    **_scaled(0x78, 8, "power_maximum_cumulated", "W", -3),
}

_TABLE_FD: dict[int, Meaning] = {  # table 12
    **_scaled(0x00, 4, "credit", "currency", -3),
    **_scaled(0x04, 4, "debit", "currency", -3),
    **_named(
        "unsigned",
        {
            0x08: "message_number",
            0x09: "device_type",
            0x0A: "manufacturer_code",
            0x17: "error_flags",
            0x18: "error_mask",
            0x1A: "digital_output",
            0x1B: "digital_input",
            0x66: "parameter_activation_state",
        },
    ),
    **_named(
        "identity",
        {
            0x0B: "parameter_set",
            0x0C: "model_version",
            0x0D: "hardware_version",
            0x0E: "metrology_version",
            0x0F: "software_version",
            0x10: "customer_location",
            0x11: "customer",
            0x12: "access_code_user",
            0x13: "access_code_operator",
            0x14: "access_code_system_operator",
            0x15: "access_code_developer",
            0x16: "password",
            0x19: "security_key",
        },
    ),
    0x1C: Meaning("baud_rate", "Bd"),
    0x1D: Meaning("response_delay", "bit"),
    **_named(
        "number",
        {
            0x1E: "retry",
            0x1F: "remote_control",
            0x20: "first_storage",
            0x21: "last_storage",
            0x22: "storage_block_size",
            0x23: "tariff_descriptor",
            0x2A: "operator_data",
            0x60: "reset_counter",
            0x61: "cumulation_counter",
            0x62: "control_signal",
            0x63: "day_of_week",
            0x64: "week_number",
            0x67: "supplier_information",
            0x72: "summer_time_rule",
            0x73: "listening_window",
            0x75: "stop_counter",
        },
    ),
    **_spans(0x24, "storage_interval", (*_SECOND_TO_DAY, "mo", "a")),
    0x2B: Meaning("time_point_second", "s"),
    **_spans(0x2C, "duration_since_readout"),
    0x30: Meaning("tariff_start", form="time"),
    **{0x31 + step: Meaning("tariff_duration", unit) for step, unit in enumerate(_SECOND_TO_DAY[1:])},
    **_spans(0x34, "tariff_period", (*_SECOND_TO_DAY, "mo", "a")),
    0x3A: Meaning("dimensionless", "1"),
    0x3B: Meaning("wireless_container", form="container"),
    **_spans(0x3C, "transmission_period"),
    **_scaled(0x40, 16, "voltage", "V", -9),
    **_scaled(0x50, 16, "current", "A", -12),
    0x65: Meaning("day_change", form="time"),
    **_spans(0x68, "duration_since_cumulation", _HOUR_TO_YEAR),
    **_spans(0x6C, "battery_operating_time", _HOUR_TO_YEAR),
    0x70: Meaning("battery_change", form="time"),
    0x71: Meaning("rf_level", "dBm"),
    0x74: Meaning("battery_remaining", "d"),
    0x76: Meaning("manufacturer_container", form="container"),
}

_TABLE_FD_FD: dict[int, Meaning] = {  # table 13
    0x00: Meaning("application_selected"),
    0x02: Meaning("battery_remaining", "mo"),
    0x03: Meaning("battery_remaining", "a"),
}


class _Change(NamedTuple):
    """What a VIFE makes of a meaning. `unit`: instead of the VIF's and its exponent; `suffix`: behind it."""

    name: str = ""
    suffix: str = ""
    unit: str | None = None
    form: Form | None = None
    exponent: int = 0
    error: str = ""


_PRODUCTS = {"W/V/A": "1", "W/A/V": "1"}  # a power factor
_FIRST_LAST, _LOWER_UPPER, _BEGIN_END = ("first", "last"), ("lower", "upper"), ("begin", "end")

_ERRORS = {  # table 17
    0x01: "too_many_difes",
    0x02: "storage_not_implemented",
    0x03: "subunit_not_implemented",
    0x04: "tariff_not_implemented",
    0x05: "function_not_implemented",
    0x06: "data_class_not_implemented",
    0x07: "data_size_not_implemented",
    0x0B: "too_many_vifes",
    0x0C: "illegal_vif_group",
    0x0D: "illegal_vif_exponent",
    0x0E: "vif_dif_mismatch",
    0x0F: "action_not_implemented",
    0x15: "no_data_available",
    0x16: "data_overflow",
    0x17: "data_underflow",
    0x18: "data_error",
    0x1C: "premature_end",
}

_COMBINABLE: dict[int, _Change] = {  # table 15
    0x00: _Change(),
    **{code: _Change(error=name) for code, name in _ERRORS.items()},
    0x12: _Change("average"),
    0x13: _Change("inverse_compact_profile", form="container"),  # annex F: a list of values of its own coding
    0x14: _Change("relative_deviation"),
    0x1D: _Change("standard_conform"),
    0x1E: _Change("compact_profile_with_registers", form="container"),
    0x1F: _Change("compact_profile", form="container"),
    0x20: _Change("per_second", "/s"),
    0x21: _Change("per_minute", "/min"),
    0x22: _Change("per_hour", "/h"),
    0x23: _Change("per_day", "/d"),
    0x24: _Change("per_week", "/wk"),
    0x25: _Change("per_month", "/mo"),
    0x26: _Change("per_year", "/a"),
    0x27: _Change("per_revolution", "/rev"),
    0x28: _Change("per_input_pulse_0", "/pulse"),
    0x29: _Change("per_input_pulse_1", "/pulse"),
    0x2A: _Change("per_output_pulse_0", "/pulse"),
    0x2B: _Change("per_output_pulse_1", "/pulse"),
    0x2C: _Change("per_litre", "/l"),
    0x2D: _Change("per_m3", "/m3"),
    0x2E: _Change("per_kg", "/kg"),
    0x2F: _Change("per_k", "/K"),
    0x30: _Change("per_kwh", "/kWh"),
    0x31: _Change("per_gj", "/GJ"),
    0x32: _Change("per_kw", "/kW"),
    0x33: _Change("per_k_litre", "/(K*l)"),
    0x34: _Change("per_v", "/V"),
    0x35: _Change("per_a", "/A"),
    0x36: _Change("times_s", "*s"),
    0x37: _Change("times_s_per_v", "*s/V"),
    0x38: _Change("times_s_per_a", "*s/A"),
    0x39: _Change("start_date", unit="", form="time"),
    0x3A: _Change("uncorrected"),
    0x3B: _Change("forward"),
    0x3C: _Change("backward"),
    0x3D: _Change("non_metric"),
    0x3E: _Change("base_conditions"),
    0x3F: _Change("obis_declaration"),
    0x40: _Change("lower_limit"),
    0x41: _Change("lower_limit_exceeds", unit="1", form="unsigned"),
    **{
        0x42 | upper << 3 | last << 2 | end: _Change(
            f"{edge}_of_{which}_{limit}_limit_exceed", unit="", form="time"
        )
        for upper, limit in enumerate(_LOWER_UPPER)
        for last, which in enumerate(_FIRST_LAST)
        for end, edge in enumerate(_BEGIN_END)
    },
    0x44: _Change("times_flow_temperature_per_100"),
    0x45: _Change("times_return_temperature_per_100"),
    0x48: _Change("upper_limit"),
    0x49: _Change("upper_limit_exceeds", unit="1", form="unsigned"),
    **{
        0x50 | upper << 3 | last << 2 | step: _Change(
            f"duration_of_{which}_{limit}_limit_exceed", unit=unit, form="number"
        )
        for upper, limit in enumerate(_LOWER_UPPER)
        for last, which in enumerate(_FIRST_LAST)
        for step, unit in enumerate(_SECOND_TO_DAY)
    },
    **{
        0x60 | last << 2 | step: _Change(f"duration_of_{which}", unit=unit, form="number")
        for last, which in enumerate(_FIRST_LAST)
        for step, unit in enumerate(_SECOND_TO_DAY)
    },
    0x68: _Change("during_lower_limit_exceed"),
    0x69: _Change("leakage"),
    **{
        0x6A | last << 2 | end: _Change(f"{edge}_of_{which}", unit="", form="time")
        for last, which in enumerate(_FIRST_LAST)
        for end, edge in enumerate(_BEGIN_END)
    },
    0x6C: _Change("during_upper_limit_exceed"),
    0x6D: _Change("overflow"),
    **{0x70 + step: _Change(exponent=step - 6) for step in range(8)},
    **{0x78 + step: _Change(f"additive_correction_10e{step - 3}") for step in range(4)},
    0x7D: _Change(exponent=3),
    0x7E: _Change("future"),
}

_EXTENDED: dict[int, _Change] = {  # table 16: behind a VIFE FC
    0x01: _Change("phase_l1"),
    0x02: _Change("phase_l2"),
    0x03: _Change("phase_l3"),
    0x04: _Change("neutral"),
    0x05: _Change("phases_l1_l2"),
    0x06: _Change("phases_l2_l3"),
    0x07: _Change("phases_l3_l1"),
    0x08: _Change("quadrant_1"),
    0x09: _Change("quadrant_2"),
    0x0A: _Change("quadrant_3"),
    0x0B: _Change("quadrant_4"),
    0x0C: _Change("import_minus_export"),
    0x0D: _Change("alternative_units"),
    0x0E: _Change("secondary_sensor"),
    0x0F: _Change("higher_resolution"),
    0x10: _Change("absolute"),
    0x11: _Change("type_c", form="unsigned"),
    0x12: _Change("type_d", form="unsigned"),
    0x13: _Change("end_date", unit="", form="time"),
    0x14: _Change("to_meter"),
    0x15: _Change("from_meter"),
}


def size_of_vib(data: bytes, at: int) -> int:
    """How many bytes the block at `at` has; mbus.truncated, mbus.vife."""
    place = at + 1
    if at >= len(data):
        raise ProtocolError("mbus.truncated", "the data end before a VIF", at)
    more = data[at] & _MORE
    if data[at] & 0x7F == PRIMARY_TEXT:
        if place >= len(data) or place + 1 + data[place] > len(data):
            raise ProtocolError("mbus.truncated", "the data end inside of a VIF's text", at)
        place += 1 + data[place]
    first = place
    while more:
        if place >= len(data):
            raise ProtocolError("mbus.truncated", "the data end inside of the VIFE", place)
        if place - first == VIFE_MAX:
            raise ProtocolError("mbus.vife", f"more than {VIFE_MAX} VIFE", place)
        more = data[place] & _MORE
        place += 1
    return place - at


@lru_cache(maxsize=MEANINGS_KEPT)
def meaning_of(vib: bytes) -> Meaning:
    """What a whole block says; any block has a meaning."""
    meaning, rest = head_of(vib)
    place = len(vib) - len(rest)
    while place < len(vib):
        code = vib[place] & 0x7F
        place += 1
        if code == MANUFACTURER or meaning.kind == "manufacturer":
            begun = place if code == MANUFACTURER else place - 1
            own = tuple(f"manufacturer_{byte & 0x7F:02x}" for byte in vib[begun:]) or ("manufacturer",)
            return meaning._replace(qualifiers=meaning.qualifiers + own)
        if code == _COMBINABLE_EXTENSION and place < len(vib):
            code = vib[place] & 0x7F
            place += 1
            meaning = _changed(meaning, _EXTENDED.get(code, _Change(f"vife_fc_{code:02x}")))
        else:
            meaning = _changed(meaning, _COMBINABLE.get(code, _Change(f"vife_{code:02x}")))
    return meaning


def head_of(vib: bytes) -> tuple[Meaning, bytes]:
    """What the VIF says, and the VIFE behind it."""
    code = vib[0] & 0x7F
    if vib[0] in (FB, FD) and len(vib) > 1:
        second = vib[1] & 0x7F
        if vib[0] == FD and second == _SECOND_LEVEL and len(vib) > 2:
            third = vib[2] & 0x7F
            return _TABLE_FD_FD.get(third, Meaning(f"vif_fd_fd_{third:02x}")), vib[3:]
        table = _TABLE_FB if vib[0] == FB else _TABLE_FD
        return table.get(second, Meaning(f"vif_{vib[0]:02x}_{second:02x}")), vib[2:]
    if code == PRIMARY_TEXT:
        end = 2 + vib[1]
        return Meaning("plain_text", vib[2:end][::-1].decode("latin-1")), vib[end:]
    return _PRIMARY.get(code, Meaning(f"vif_{code:02x}")), vib[1:]


def _changed(meaning: Meaning, change: _Change) -> Meaning:
    """With one orthogonal VIFE."""
    unit, exponent = meaning.unit, meaning.exponent + change.exponent
    if change.unit is not None:
        unit, exponent = change.unit, 0
    elif change.suffix:
        unit = ("" if unit == "1" else unit) + change.suffix
        unit = _PRODUCTS.get(unit, unit)
    names = (*meaning.qualifiers, change.name) if change.name else meaning.qualifiers
    return Meaning(
        meaning.kind, unit, exponent, change.form or meaning.form, names, change.error or meaning.error
    )


def _heads() -> dict[tuple[str, str], dict[int, bytes]]:
    """Of each kind and unit the VIF for each power of ten."""
    found: dict[tuple[str, str], dict[int, bytes]] = {}
    for head, table in (
        (b"", _PRIMARY),
        (b"\xfb", _TABLE_FB),
        (b"\xfd", _TABLE_FD),
        (b"\xfd\xfd", _TABLE_FD_FD),
    ):
        for code, meaning in table.items():
            exponents = found.setdefault((meaning.kind, meaning.unit), {})
            exponents.setdefault(meaning.exponent, head + bytes((code,)))
    return found


def _vifes() -> dict[str, bytes]:
    """The VIFE of each qualifier and of each error of a record; those of a duration have its unit behind."""
    found = {}
    for head, table in ((b"", _COMBINABLE), (bytes((_COMBINABLE_EXTENSION,)), _EXTENDED)):
        for code, change in table.items():
            name = change.name or change.error
            is_duration = change.form == "number"
            found[f"{name}_{change.unit}" if is_duration else name] = head + bytes((code,))
    return found


_HEADS = _heads()
_VIFES = _vifes()


def vib_of(kind: str, unit: str = "", exponent: int = 0, qualifiers: tuple[str, ...] = ()) -> bytes:
    """A block that says this of integers that are multiples of 10^`exponent` units.

    `unit` without what qualifiers make of it; "" where the kind has only one. Qualifiers as `meaning_of`
    names them, a record's error among them, those of durations with their unit behind them
    (`duration_of_first_upper_limit_exceed_h`), "manufacturer_01" last. ValueError for what no table has.
    """
    exponents = _exponents(kind, unit)
    nearest = min(exponents, key=lambda each: abs(each - exponent))
    vib = exponents[nearest] + _correction(exponent - nearest)
    own = [name for name in qualifiers if name.startswith("manufacturer_")]
    for name in qualifiers:
        if name in own:
            continue
        if name not in _VIFES:
            raise ValueError(f"there is no VIFE for {name}")
        vib += _VIFES[name]
    if own and kind != "manufacturer":
        vib += bytes((MANUFACTURER,))
    vib += bytes(int(name.removeprefix("manufacturer_"), 16) for name in own)
    if len(vib) - len(exponents[nearest]) > VIFE_MAX:
        raise ValueError(f"{kind}: more than {VIFE_MAX} VIFE")
    return _chained(vib)


def text_vib(text: str, exponent: int = 0) -> bytes:
    """A block whose unit is this text (VIF 7C); ValueError for a text that is too long."""
    content = text.encode("latin-1")[::-1]
    if len(content) > TEXT_BYTES_MAX:
        raise ValueError(f"{len(content)} bytes of text, {TEXT_BYTES_MAX} are the most")
    vifes = _correction(exponent)
    head = bytes((PRIMARY_TEXT | (_MORE if vifes else 0), len(content)))
    return head + content + _chained(vifes)


def _chained(codes: bytes) -> bytes:
    """With the mark that another follows on all but the last."""
    return bytes(code | _MORE for code in codes[:-1]) + codes[-1:]


def _exponents(kind: str, unit: str) -> dict[int, bytes]:
    units = [each for each in _HEADS if each[0] == kind and (unit in ("", each[1]))]
    if len(units) != 1:
        known = ", ".join(sorted(each[1] for each in _HEADS if each[0] == kind)) or "none"
        raise ValueError(f"no single VIF for {kind} in {unit or 'no unit'}: there is {known}")
    return _HEADS[units[0]]


def _correction(exponent: int) -> bytes:
    """The VIFE that move the decimal point; none for 0."""
    vifes = b""
    while exponent > 1:
        vifes += b"\x7d"
        exponent -= 3
    while exponent < -6:
        vifes += b"\x70"
        exponent += 6
    return vifes + (bytes((0x76 + exponent,)) if exponent else b"")
