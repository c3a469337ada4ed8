"""What is found in recorded bytes: telegrams with their values, and stretches that are none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from protocols import quantities
from protocols.errors import DamagedTelegram, ProtocolError
from protocols.modbus.listen import BusFrame

CHUNK_BYTES = 64 * 1024


class Keys(NamedTuple):
    """For encrypted P1 and DLMS: the meter's key and the authentication key, 16 bytes each. Never shown."""

    key: bytes | None = None
    authentication_key: bytes | None = None

    def __repr__(self) -> str:
        return "Keys(...)"


class MbusPlace(NamedTuple):
    """Where an M-Bus record stands among the others of its meter; None: not told.

    `quantity`: the registry's name. `reason`: why there is no value, or what is wrong with it.
    """

    function: str | None = None
    storage: int | None = None
    tariff: int | None = None
    subunit: int | None = None
    quantity: str | None = None
    reason: str | None = None


class MbusHead(NamedTuple):
    """Who sent an M-Bus telegram; None where it does not tell."""

    manufacturer: str | None = None
    id: str | None = None
    version: int | None = None
    medium: int | None = None
    status: int | None = None


class Value(NamedTuple):
    """One value. `name`: of the registry, of a Modbus register its table and address. None: not told.

    `time`: the value's own, where it has one. `status`: the meter's status word. `mbus`: of M-Bus only, where
    `name` is the kind of record with its qualifiers.
    """

    obis: str | None
    name: str | None
    value: str | None
    unit: str | None = None
    status: int | None = None
    time: str | None = None
    mbus: MbusPlace | None = None


class Telegram(NamedTuple):
    """One telegram. `meter`: its own number, or the unit on the bus. `time`: its date, where it tells one.

    `error`: a well-formed telegram by which the device says no. `authenticated`: of DLMS, whether its tag was
    verified; None elsewhere.
    """

    meter: str | None
    time: str | None
    values: tuple[Value, ...]
    error: ProtocolError | None = None
    authenticated: bool | None = None
    mbus: MbusHead | None = None


class Stretch(NamedTuple):
    """Bytes `start` to `end` of the input: telegrams (a few in one SML file), or none and why.

    `frame`: what was heard on a Modbus line.
    """

    start: int
    end: int
    telegrams: tuple[Telegram, ...] = ()
    error: ProtocolError | None = None
    frame: BusFrame | None = None


def chunks(data: bytes) -> Iterator[bytes]:
    """The input in pieces, so that what a receiver finds comes bit by bit."""
    return (data[at : at + CHUNK_BYTES] for at in range(0, len(data), CHUNK_BYTES))


def damaged(error: ProtocolError) -> Stretch:
    """The stretch of an error that a receiver gave."""
    assert isinstance(error, DamagedTelegram)  # every receiver says which bytes it passed over
    return Stretch(error.start, error.end, error=error)


def name_of(obis: str) -> str | None:
    """The registry's name for a code; None where it has none."""
    try:
        return quantities.by_obis(obis).name
    except KeyError:
        return None
