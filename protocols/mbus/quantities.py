"""Which quantity of the registry a record is, by its medium, kind, place and qualifiers.

Rules:
- a name is given only where the record is that quantity beyond doubt, and where its unit becomes the
  registry's exactly: joule are no kWh without rounding, so they have names of their own or none;
- storage 0 is now, storage 1 the due date where the registry has one for the medium; minima, maxima, values
  of an error state and those of a subunit (pulse inputs, second systems) have none;
- manufacturer's VIFE count only of makers of whom it was seen what they mean.
"""

from __future__ import annotations

from protocols import quantities
from protocols.mbus.records import MbusRecord
from protocols.mbus.times import MbusTime
from protocols.units import conversion
from protocols.value import Scaled

# Device types of the header (EN 13757-3:2018, table 6), as far as they have quantities.
_ELECTRICITY, _GAS, _HEAT, _COOLING, _COLD, _HOT, _HCA, _ROOM = (
    *("electricity", "gas", "heat", "cooling"),
    *("cold water", "hot water", "heat cost", "room"),
)
_FAMILIES = {
    0x02: _ELECTRICITY,
    0x03: _GAS,
    0x04: _HEAT,
    0x06: _HOT,
    0x07: _COLD,
    0x08: _HCA,
    0x0A: _COOLING,
    0x0B: _COOLING,
    0x0C: _HEAT,
    0x0D: _HEAT,
    0x15: _HOT,
    0x16: _COLD,
    0x1B: _ROOM,
}
DUE_DATE = 1
_ENERGY_IN_J = "energy in J"
_PHASES = ("l1", "l2", "l3")
# Makers whose VIFE FF 01, 02, 03 are the phases: seen in recorded telegrams, of ABB in its manuals.
_PHASE_MAKERS = ("ABB", "ELT", "FIN", "SBC")
_MAKERS_PHASES: dict[tuple[str, ...], tuple[str, ...]] = {
    (f"manufacturer_0{place}",): (f"phase_l{place}",) for place in (1, 2, 3)
}

_Key = tuple[str, str, tuple[str, ...]]  # family, kind, qualifiers


def _hydraulic() -> dict[_Key, str]:
    """Heat, cooling, water, gas, heat cost, rooms."""
    table = {
        (_HEAT, "energy", ()): "energy_heat_total",
        (_HEAT, "energy", ("forward",)): "energy_heat_total",
        (_HEAT, "energy", ("backward",)): "energy_cooling_total",
        (_COOLING, "energy", ()): "energy_cooling_total",
        (_HEAT, _ENERGY_IN_J, ()): "energy_heat_gj_total",
        (_HEAT, _ENERGY_IN_J, ("forward",)): "energy_heat_gj_total",
        (_HEAT, _ENERGY_IN_J, ("backward",)): "energy_cooling_gj_total",
        (_COOLING, _ENERGY_IN_J, ()): "energy_cooling_gj_total",
        (_HEAT, "volume", ()): "volume_heat_total",
        (_COOLING, "volume", ()): "volume_heat_total",
        (_COLD, "volume", ()): "volume_water_cold_total",
        (_HOT, "volume", ()): "volume_water_hot_total",
        (_GAS, "volume", ()): "volume_gas_total",
        (_GAS, "volume", ("uncorrected",)): "volume_gas_total",
        (_GAS, "volume", ("base_conditions",)): "volume_gas_base_total",
        (_GAS, "volume_flow", ()): "gas_flow_rate",
        (_GAS, "flow_temperature", ()): "gas_temperature",
        (_GAS, "external_temperature", ()): "gas_temperature",
        (_GAS, "pressure", ()): "gas_pressure",
        (_HCA, "heat_cost_units", ()): "heat_cost_units_total",
        (_ROOM, "external_temperature", ()): "temperature_room",
        (_ROOM, "relative_humidity", ()): "humidity_relative",
        (_HEAT, "error_flags", ()): "heat_meter_error",
        (_COOLING, "error_flags", ()): "heat_meter_error",
    }
    for family in (_HEAT, _COOLING):
        table |= {
            (family, "power", ()): "power_thermal",
            (family, "flow_temperature", ()): "temperature_flow",
            (family, "return_temperature", ()): "temperature_return",
            (family, "temperature_difference", ()): "temperature_difference",
        }
    return table | {(family, "volume_flow", ()): "flow_rate" for family in (_HEAT, _COOLING, _COLD, _HOT)}


def _electric() -> dict[_Key, str]:
    table: dict[tuple[str, tuple[str, ...]], str] = {
        ("energy", ()): "energy_active_import_total",
        ("energy", ("forward",)): "energy_active_import_total",
        ("energy", ("backward",)): "energy_active_export_total",
        ("energy", ("absolute",)): "energy_active_sum_total",
        ("energy", ("import_minus_export",)): "energy_active_net_total",
        ("reactive_energy", ("forward",)): "energy_reactive_import_total",
        ("reactive_energy", ()): "energy_reactive_import_total",
        ("reactive_energy", ("backward",)): "energy_reactive_export_total",
        ("reactive_energy", ("absolute",)): "energy_reactive_sum_total",
        ("apparent_energy", ()): "energy_apparent_import_total",
        ("power", ()): "power_active_total",
        ("power", ("import_minus_export",)): "power_active_total",
        ("power", ("forward",)): "power_active_import_total",
        ("power", ("backward",)): "power_active_export_total",
        ("power", ("absolute",)): "power_active_abs_total",
        ("power", ("per_a", "per_v")): "power_factor_total",
        ("reactive_power", ()): "power_reactive_total",
        ("apparent_power", ()): "power_apparent_total",
        ("frequency", ()): "frequency",
        ("current", ("neutral",)): "current_neutral",
        ("phase_angle_current", ()): "phase_angle_total",
        ("phase_angle_voltage", ("phase_l2",)): "angle_u2_u1",
        ("phase_angle_voltage", ("phase_l3",)): "angle_u3_u1",
    }
    for place in (1, 2, 3):
        table |= _electric_phase(place)
    table |= {
        ("reactive_energy", (f"quadrant_{place}",)): f"energy_reactive_q{place}" for place in (1, 2, 3, 4)
    }
    return {(_ELECTRICITY, kind, tuple(sorted(names))): name for (kind, names), name in table.items()}


def _electric_phase(place: int) -> dict[tuple[str, tuple[str, ...]], str]:
    """What is measured of one phase, 1 to 3, by kind and qualifiers."""
    phase, following = _PHASES[place - 1], _PHASES[place % 3]
    at = f"phase_{phase}"
    return {
        ("energy", (at,)): f"energy_active_import_{phase}",
        ("energy", ("forward", at)): f"energy_active_import_{phase}",
        ("energy", ("backward", at)): f"energy_active_export_{phase}",
        ("energy", ("absolute", at)): f"energy_active_sum_{phase}",
        ("energy", ("import_minus_export", at)): f"energy_active_net_{phase}",
        ("reactive_energy", ("forward", at)): f"energy_reactive_import_{phase}",
        ("reactive_energy", ("backward", at)): f"energy_reactive_export_{phase}",
        ("power", (at,)): f"power_active_{phase}",
        ("power", ("forward", at)): f"power_active_import_{phase}",
        ("power", ("backward", at)): f"power_active_export_{phase}",
        ("power", ("per_a", "per_v", at)): f"power_factor_{phase}",
        ("reactive_power", (at,)): f"power_reactive_{phase}",
        ("apparent_power", (at,)): f"power_apparent_{phase}",
        ("voltage", (at,)): f"voltage_{phase}",
        ("voltage", (f"phases_{phase}_{following}",)): f"voltage_{phase}_{following}",
        ("current", (at,)): f"current_{phase}",
        ("phase_angle_current", (at,)): f"angle_i{place}_u{place}",
    }


_TABLE = _hydraulic() | _electric()
_ANY_MEDIUM = {
    "date_time": "meter_time",
    "fabrication_number": "meter_serial",
    "metrology_version": "meter_firmware",
    "error_flags": "meter_error",
}


def quantity_of(record: MbusRecord, medium: int, manufacturer: str = "") -> str | None:
    """The registry's name for a record of a meter of this medium and maker; None where it has none.

    Of records that are alike in all that they say of themselves the first is the meter's main one.
    """
    if record.function != "instantaneous" or record.subunit:
        return None
    name = _present(record, medium, manufacturer)
    if name is not None and record.storage == DUE_DATE:
        name = _named(name.removesuffix("_total") + "_due_date" if name.endswith("_total") else "")
    elif record.storage:
        name = None
    if name is not None and record.tariff:
        name = _named(name.removesuffix("_total") + f"_tariff{record.tariff}")
    if name is None or not _fits(record, name):
        return None
    return name


def _present(record: MbusRecord, medium: int, manufacturer: str) -> str | None:
    """What it would be at storage 0 and tariff 0."""
    qualifiers = record.qualifiers
    if manufacturer in _PHASE_MAKERS:
        qualifiers = _MAKERS_PHASES.get(qualifiers, qualifiers)
    kind = _ENERGY_IN_J if (record.kind, record.unit) == ("energy", "J") else record.kind
    name = _TABLE.get((_FAMILIES.get(medium, ""), kind, tuple(sorted(qualifiers))))
    return name if name is not None or qualifiers else _ANY_MEDIUM.get(record.kind)


def _named(name: str) -> str | None:
    try:
        return quantities.by_name(name).name
    except KeyError:
        return None


def _fits(record: MbusRecord, name: str) -> bool:
    """Whether the value is of the quantity's kind, and its unit becomes the quantity's exactly."""
    quantity = quantities.by_name(name)
    if quantity.kind == "time":
        return isinstance(record.value, MbusTime | None)
    if quantity.kind == "identity":
        return isinstance(record.value, str | None)
    try:
        conversion(record.unit, quantity.unit)
    except ValueError:
        return False
    return isinstance(record.value, Scaled | None)
