"""Units: the DLMS codes that meters send, and exact conversion between units of one dimension.

Only factors that are powers of ten exist here, so that a conversion never loses a digit. Names are
ASCII and are those of the quantity registry (`deg`, `degC`, `m3/h`); "1" is a plain number.
"""

from __future__ import annotations

from protocols.value import Scaled

DLMS_UNITS: dict[int, str] = {  # IEC 62056-6-2, enumeration of scaler_unit
    1: "a",
    2: "mo",
    3: "wk",
    4: "d",
    5: "h",
    6: "min",
    7: "s",
    8: "deg",
    9: "degC",
    11: "m",
    12: "m/s",
    13: "m3",
    14: "m3",  # corrected volume
    15: "m3/h",
    16: "m3/h",  # corrected flow
    17: "m3/d",
    18: "m3/d",  # corrected flow
    19: "l",
    20: "kg",
    21: "N",
    22: "Nm",
    23: "Pa",
    24: "bar",
    25: "J",
    26: "J/h",
    27: "W",
    28: "VA",
    29: "var",
    30: "Wh",
    31: "VAh",
    32: "varh",
    33: "A",
    34: "C",
    35: "V",
    36: "V/m",
    37: "F",
    38: "ohm",
    44: "Hz",
    52: "K",
    56: "%",
    57: "Ah",
    60: "Wh/m3",
    61: "J/m3",
    70: "dBm",
    72: "dB",
    255: "1",
}

_PREFIXES = {"m": -3, "k": 3, "M": 6, "G": 9}
_PREFIXED = ("W", "VA", "var", "Wh", "VAh", "varh", "A", "V", "J", "Hz", "Wh/m3", "ohm")
_OTHERS = {
    "deg": ("deg", 0),
    "degC": ("degC", 0),
    "K": ("K", 0),
    "%": ("%", 0),
    "1": ("1", 0),
    "HCA": ("HCA", 0),
    "m3": ("m3", 0),
    "l": ("m3", -3),
    "ml": ("m3", -6),
    "m3/h": ("m3/h", 0),
    "l/h": ("m3/h", -3),
    "m3/d": ("m3/d", 0),
    "Pa": ("Pa", 0),
    "hPa": ("Pa", 2),
    "mbar": ("Pa", 2),
    "kPa": ("Pa", 3),
    "bar": ("Pa", 5),
    "MPa": ("Pa", 6),
    "ppm": ("ppm", 0),
    "ppb": ("ppm", -3),
    "m": ("m", 0),
    "mm": ("m", -3),
    "mm/h": ("m/h", -3),
    "m/s": ("m/s", 0),
    "W/m2": ("W/m2", 0),
    "lx": ("lx", 0),
    "klx": ("lx", 3),
    "s": ("s", 0),
    "ms": ("s", -3),
    "h": ("h", 0),
    "dB": ("dB", 0),
    "dBm": ("dBm", 0),
    "B": ("B", 0),
    "kB": ("B", 3),
}


def _table() -> dict[str, tuple[str, int]]:
    """Each unit's name with its base unit and the power of ten between them."""
    table = {unit: (unit, 0) for unit in _PREFIXED}
    for unit in _PREFIXED:
        table |= {prefix + unit: (unit, power) for prefix, power in _PREFIXES.items()}
    return table | _OTHERS


_UNITS = _table()
UNIT_NAMES = frozenset(_UNITS)


def conversion(from_unit: str, to_unit: str) -> Scaled:
    """The factor by which a value in `from_unit` becomes one in `to_unit`: Wh to kWh is 1 x 10^-3.

    ValueError where the two measure different things or no exact decimal factor exists.
    """
    if from_unit == to_unit:
        return Scaled(1, 0)
    base_from, power_from = _UNITS.get(from_unit, ("", 0))
    base_to, power_to = _UNITS.get(to_unit, ("", 0))
    if not base_from or base_from != base_to:
        raise ValueError(f"{from_unit or 'no unit'} cannot be converted to {to_unit or 'no unit'} exactly")
    return Scaled(1, power_from - power_to)
