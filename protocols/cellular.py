"""A cellular link in numbers: technologies, signal values in the units of 3GPP, and what they mean for
people.

Rules:
- A value that the modem does not know, or that lies outside of what 3GPP lets a modem report, is None and
  never
  a number; the names of values that were refused for their range stand in `Signal.refused`.
- Classes say what a technician can expect, not how fast the link is. Power decides whether there is a link at
  all: quality (RSRQ, SINR, Ec/Io) can make a class worse, down to WEAK, and never UNUSABLE, since a loaded or
  disturbed cell still carries the few bytes of a meter.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Final, NamedTuple

from protocols.value import Scaled


class Technology(enum.StrEnum):
    """How the modem is attached. LTE-M (CAT-M1, eMTC) and NB-IoT are apart: they reach deeper."""

    GSM = "2G"
    UMTS = "3G"
    LTE = "LTE"
    LTE_M = "LTE-M"
    NB_IOT = "NB-IoT"
    NR_NSA = "5G NSA"  # the anchor is LTE; the signal of the NR leg carries this name
    NR_SA = "5G SA"


class Signal(NamedTuple):
    """What one receiver reports of one serving cell. All values in dBm or dB, None where not known."""

    technology: Technology
    rssi_dbm: Scaled | None = None
    rscp_dbm: Scaled | None = None  # 3G
    ecio_db: Scaled | None = None  # 3G
    rsrp_dbm: Scaled | None = None
    rsrq_db: Scaled | None = None
    sinr_db: Scaled | None = None
    antennas_dbm: tuple[Scaled, ...] = ()  # RSRP by antenna, the main one first
    refused: tuple[str, ...] = ()  # fields whose value was out of range

    @property
    def has_values(self) -> bool:
        """Whether anything was measured."""
        values = (self.rssi_dbm, self.rscp_dbm, self.ecio_db, self.rsrp_dbm, self.rsrq_db, self.sinr_db)
        return any(value is not None for value in values)


class Cell(NamedTuple):
    """The serving cell. `area` is LAC or TAC; `band` as people write it: "B20", "n78", "GSM 900"."""

    technology: Technology
    plmn: str | None = None  # country and network code, 5 or 6 digits
    area: int | None = None
    cell_id: int | None = None
    physical_id: int | None = None
    channel: int | None = None  # ARFCN, UARFCN, EARFCN or NR-ARFCN
    band: str | None = None


class Serving(NamedTuple):
    """An answer about the serving cell: one signal for each leg (two in 5G NSA, none without service)."""

    signals: tuple[Signal, ...]
    cell: Cell | None = None


class Range(NamedTuple):
    """What a modem may report, both ends included, in tenths of the unit."""

    low_tenths: int
    high_tenths: int

    def holds(self, value: Scaled) -> bool:
        """Whether `value` lies in the range; no float is made of it."""
        integer, exponent = value
        if not -EXPONENT_MAX <= exponent <= EXPONENT_MAX:
            return False
        tenths: int = integer * 10 ** max(exponent + 1, 0)
        unit: int = 10 ** max(-(exponent + 1), 0)
        return self.low_tenths * unit <= tenths <= self.high_tenths * unit


EXPONENT_MAX: Final = 6  # finer or coarser is no measurement of a modem

# Reporting ranges. GSM: TS 45.008, 8.1.4. UMTS: TS 25.133, 9.1. LTE: TS 36.133, 9.1.4, 9.1.7 and 9.1.17,
# with the
# extension of RSRP to -156 dBm for coverage enhancement and NB-IoT (9.1.21, 9.1.22). NR: TS 38.133, 10.1.
_RSSI: Final = Range(-1250, -200)  # of one cell in 2G (-110 to -48), of the carrier else (-120 to -25)
_RSRP: Final = {
    Technology.LTE: Range(-1400, -430),
    Technology.LTE_M: Range(-1560, -430),
    Technology.NB_IOT: Range(-1560, -430),
    Technology.NR_NSA: Range(-1560, -310),
    Technology.NR_SA: Range(-1560, -310),
}
_RSRQ_LTE: Final = Range(-340, 25)
_RSRQ_NR: Final = Range(-430, 200)
_SINR: Final = Range(-230, 400)
_RSCP: Final = Range(-1200, -240)
_ECIO: Final = Range(-240, 0)


def ranges(technology: Technology) -> dict[str, Range]:
    """What each field of a Signal may be with `technology`; fields it does not have are missing."""
    if technology is Technology.GSM:
        return {"rssi_dbm": _RSSI}
    if technology is Technology.UMTS:
        return {"rssi_dbm": _RSSI, "rscp_dbm": _RSCP, "ecio_db": _ECIO}
    is_nr = technology in (Technology.NR_NSA, Technology.NR_SA)
    return {
        "rssi_dbm": _RSSI,
        "rsrp_dbm": _RSRP[technology],
        "rsrq_db": _RSRQ_NR if is_nr else _RSRQ_LTE,
        "sinr_db": _SINR,
    }


def make_signal(technology: Technology, **values: Scaled | None) -> Signal:
    """A Signal of the values that lie in range; the others become None and are named in `refused`."""
    allowed = ranges(technology)
    good: dict[str, Scaled] = {}
    refused = []
    for name, value in values.items():
        if value is None:
            continue
        if name in allowed and allowed[name].holds(value):
            good[name] = value
        else:
            refused.append(name)
    return Signal(technology, **good, refused=tuple(refused))  # type: ignore[arg-type]  # fields of `ranges`


def with_antennas(signal: Signal, levels_dbm: Iterable[Scaled]) -> Signal:
    """`signal` with RSRP by antenna, of those in range; what the strongest one hears counts as RSRP."""
    allowed = ranges(signal.technology).get("rsrp_dbm", _RSSI)
    heard = tuple(level for level in levels_dbm if allowed.holds(level))
    strongest = max(heard, key=lambda level: level.rescaled(-EXPONENT_MAX).integer, default=None)
    return signal._replace(antennas_dbm=heard, rsrp_dbm=signal.rsrp_dbm or strongest)


class SignalClass(enum.StrEnum):
    """What a technician can expect of the place and its antenna."""

    GOOD = "good"
    USABLE = "usable"  # works; not much in reserve
    WEAK = "weak"  # works slowly, with repetitions and more power
    UNUSABLE = "unusable"  # no reset cures this


_ORDER: Final = (SignalClass.GOOD, SignalClass.USABLE, SignalClass.WEAK, SignalClass.UNUSABLE)


class Thresholds(NamedTuple):
    """The least value of each class, in whole dBm or dB; below `weak` it is unusable."""

    good: int
    usable: int
    weak: int
    source: str


_TELTONIKA: Final = "router maker's signal table (RSRP, RSRQ, SINR), widened below by captures that work"
_SENSITIVITY: Final = "reference sensitivity of the terminal with room for fading, own judgement"

POWER: Final = {
    Technology.GSM: Thresholds(-85, -95, -105, f"rssi; TS 45.005, 6.2: -102 dBm; {_SENSITIVITY}"),
    Technology.UMTS: Thresholds(-85, -95, -112, f"rscp; TS 25.101, 7.3: -117 dBm; {_SENSITIVITY}"),
    Technology.LTE: Thresholds(-90, -100, -120, f"rsrp; {_TELTONIKA}"),
    # Repetitions reach about 10 dB deeper at the rate of a meter; both could give 15 to 20 dB (TS 36.888,
    # 45.820).
    Technology.LTE_M: Thresholds(-100, -110, -130, f"rsrp; {_TELTONIKA}; 10 dB lower for repetitions"),
    Technology.NB_IOT: Thresholds(-100, -110, -130, f"rsrp; {_TELTONIKA}; 10 dB lower for repetitions"),
    Technology.NR_NSA: Thresholds(-90, -100, -120, f"rsrp; {_TELTONIKA}"),
    Technology.NR_SA: Thresholds(-90, -100, -120, f"rsrp; {_TELTONIKA}"),
}
QUALITY: Final = {
    "rsrq_db": Thresholds(-10, -15, -20, _TELTONIKA),
    "sinr_db": Thresholds(13, 0, -10, _TELTONIKA),
    "ecio_db": Thresholds(-8, -12, -16, "pilot quality at which packet data slows down, own judgement"),
}


def power(signal: Signal) -> Scaled | None:
    """The value that decides: RSSI in 2G, RSCP in 3G, RSRP else. RSSI says nothing there: it holds the
    noise.
    """
    if signal.technology is Technology.GSM:
        return signal.rssi_dbm
    return signal.rscp_dbm if signal.technology is Technology.UMTS else signal.rsrp_dbm


def classify(signal: Signal) -> SignalClass | None:
    """The worst of power and quality, see the module's rules; None where power is not known."""
    decisive = power(signal)
    if decisive is None:
        return None
    worst = _class_of(decisive, POWER[signal.technology])
    if worst is SignalClass.UNUSABLE:
        return worst
    for name, thresholds in QUALITY.items():
        value: Scaled | None = getattr(signal, name)
        if value is not None:
            quality = min(_class_of(value, thresholds), SignalClass.WEAK, key=_ORDER.index)
            worst = max(worst, quality, key=_ORDER.index)
    return worst


def _class_of(value: Scaled, thresholds: Thresholds) -> SignalClass:
    if at_least(value, thresholds.good):
        return SignalClass.GOOD
    if at_least(value, thresholds.usable):
        return SignalClass.USABLE
    return SignalClass.WEAK if at_least(value, thresholds.weak) else SignalClass.UNUSABLE


def at_least(value: Scaled, limit: int) -> bool:
    """Whether `value` is `limit` or more, exactly."""
    integer, exponent = value
    larger: int = integer * 10 ** max(exponent, 0)
    smaller: int = limit * 10 ** max(-exponent, 0)
    return larger >= smaller


# Two antennas of one site differ by a few dB, by polarisation and place up to about ten; the capture that
# taught
# this had 33 dB with one plug not seated.
IMBALANCE_DB: Final = 15


def antenna_imbalance_db(signal: Signal) -> Scaled | None:
    """By how much the strongest antenna hears more than the weakest; None with fewer than two."""
    if len(signal.antennas_dbm) < 2:
        return None
    finest = min(value.exponent for value in signal.antennas_dbm)
    levels = [value.rescaled(finest).integer for value in signal.antennas_dbm]
    return Scaled(max(levels) - min(levels), finest)


class Advice(enum.StrEnum):
    """What a person can do. The texts stand with the screens; these names are stable."""

    NONE = "signal.fine"
    NO_CELL = "signal.no_cell"  # antenna missing, cable cut, or no coverage here
    ANTENNA_IMBALANCE = "signal.antenna_imbalance"  # one antenna plug is loose, or its cable broken
    MOVE_ANTENNA = "signal.move_antenna"  # too little power: outside, higher, other operator
    INTERFERENCE = (
        "signal.interference"  # power enough, quality bad: turn or move away from metal and sources
    )


def advise(signal: Signal | None) -> Advice:
    """The one thing to try first."""
    if signal is None or (decisive := power(signal)) is None:
        return Advice.NO_CELL
    difference = antenna_imbalance_db(signal)
    if difference is not None and at_least(difference, IMBALANCE_DB):
        return Advice.ANTENNA_IMBALANCE
    by_power = _class_of(decisive, POWER[signal.technology])
    if by_power in (SignalClass.WEAK, SignalClass.UNUSABLE):
        return Advice.MOVE_ANTENNA
    return Advice.INTERFERENCE if classify(signal) is SignalClass.WEAK else Advice.NONE
