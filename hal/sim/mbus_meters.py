"""Simulated M-Bus meters: device profiles brought to life as stations of a loop (hal/sim/mbus.py).

As with the other simulated meters (hal/sim/meters.py), values are a pure function of profile, serial number,
seed and elapsed time, counters move on every ms, and what was given out goes to the log exactly as it was
encoded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from config.profile import DeviceProfile, Record
from hal.sim.meters import Log, SimRead, chosen_curve, counted, gauge_at
from protocols.mbus.address import SecondaryAddress, parse_secondary
from protocols.mbus.data_fields import Coding
from protocols.mbus.frames import LongFrame
from protocols.mbus.link import MeterStation
from protocols.mbus.records import MbusRecord, make_record
from protocols.mbus.telegram import MbusTelegram, encode_telegram
from protocols.quantities import by_name
from protocols.units import conversion
from protocols.value import Scaled

SIM_MAKER = "SIM"
COUNTER_CODING: Coding = "int48"  # a count of milliseconds since the machine's start outgrows four bytes
GAUGE_CODING: Coding = "int32"
STATE_CODING: Coding = "int16"
STATE_STEP_MS = 60_000
_COUNTER_EXPONENTS = {"Wh": -3, "m3": -6, "varh": 3, "VAh": 3}  # the finest that their VIF have; else 0
_GAUGE_EXPONENTS = {"W": 0, "m3/h": -6, "degC": -3, "K": -3, "bar": -3, "V": -3, "A": -6, "Hz": -3}  # else -1


class SimMbusMeter:
    """One meter. `log` gets every read-out as the meter made it.

    `records_max`: how many records it puts into one telegram; what is more comes in further ones. ValueError
    for a serial number that is no secondary address (`12345678.KAM.1B.04`, or its eight digits alone).
    """

    def __init__(
        self,
        profile: DeviceProfile,
        serial: str,
        primary: int,
        seed: int,
        elapsed_ms: Callable[[], int],
        log: Log | None = None,
        *,
        records_max: int = 24,
    ) -> None:
        self.profile = profile
        self.address = _address_of(profile, serial)
        self.primary = primary
        self._records_max = records_max
        self._elapsed_ms = elapsed_ms
        self._log = log
        self._access = seed & 0xFF
        self._curves = {r.quantity: chosen_curve(f"{seed} {serial} {r.quantity}") for r in profile.records}

    def station(self, baud: int) -> MeterStation:
        """The meter on its loop."""
        return MeterStation(self.address, self.primary, self._telegrams, baud)

    def values(self, elapsed_ms: int) -> dict[str, Scaled]:
        """The exact value of every quantity at that time, in the quantity's unit, as its record says."""
        found = {}
        for wanted in self.profile.records:
            value = self._record(wanted, elapsed_ms).value
            quantity = by_name(wanted.quantity)
            if isinstance(value, Scaled):
                is_state = quantity.kind == "state"
                found[wanted.quantity] = (
                    value if is_state else value.times(conversion(wanted.unit, quantity.unit))
                )
        return found

    def _telegrams(self) -> Sequence[LongFrame]:
        elapsed_ms = self._elapsed_ms()
        if self._log is not None:
            texts = {name: str(value.normalised()) for name, value in self.values(elapsed_ms).items()}
            self._log(SimRead(self.address.id, self.primary, elapsed_ms, texts))
        records = [self._record(wanted, elapsed_ms) for wanted in self.profile.records]
        size = self._records_max
        parts = [tuple(records[start : start + size]) for start in range(0, len(records), size)]
        return [self._telegram(part, more=part is not parts[-1]) for part in parts]

    def _telegram(self, records: tuple[MbusRecord, ...], *, more: bool) -> LongFrame:
        self._access = (self._access + 1) & 0xFF
        telegram = MbusTelegram(
            records=records,
            manufacturer=self.address.maker or SIM_MAKER,
            id=self.address.id,
            version=self.address.version or 0,
            medium=self.address.medium or 0,
            access=self._access,
            more_follows=more,
            address=self.primary,
        )
        return encode_telegram(telegram)

    def _record(self, wanted: Record, elapsed_ms: int) -> MbusRecord:
        """The record at that time, as the meter encodes it."""
        quantity = by_name(wanted.quantity)
        exponent = _COUNTER_EXPONENTS.get(wanted.unit, 0)
        coding = COUNTER_CODING
        if quantity.kind == "counter":
            digit = Scaled(1, exponent).times(conversion(wanted.unit, quantity.unit))
            digits = counted(self._curves[wanted.quantity], quantity, digit, elapsed_ms)
        elif quantity.kind == "state":
            digits, coding, exponent = elapsed_ms // STATE_STEP_MS % 2, STATE_CODING, 0
        else:
            exponent = _GAUGE_EXPONENTS.get(wanted.unit, -1)
            per_unit = float(str(conversion(wanted.unit, quantity.unit)))
            level = gauge_at(self._curves[wanted.quantity], quantity, elapsed_ms)
            digits, coding = round(level / per_unit * 10**-exponent), GAUGE_CODING
        return make_record(
            wanted.kind,
            Scaled(digits, exponent),
            coding,
            unit=wanted.unit,
            exponent=exponent,
            qualifiers=wanted.qualifiers,
            function=wanted.function,
            storage=wanted.storage,
            tariff=wanted.tariff,
            subunit=wanted.subunit,
        )


def _address_of(profile: DeviceProfile, serial: str) -> SecondaryAddress:
    """The meter's secondary address; what the serial number leaves open is as the profile knows its
    meters."""
    address, known = parse_secondary(serial), profile.identification
    if known is None:
        raise ValueError(f"profile {profile.name} has no [identification]")
    if address.maker is not None:
        return address
    maker = known.makers[0] if known.makers else SIM_MAKER
    return address._replace(maker=maker, version=(known.versions or (1,))[0], medium=known.media[0])
