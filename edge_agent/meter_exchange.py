"""Meter exchanges that a person entered: durable, so that the new serial number is compared from then on.

Rules:
- The configuration is not touched. An exchange holds as long as the configuration still says what it said
  when the exchange was entered; once its serial number is edited, to the new one or another, that counts.
- One exchange a meter, the latest. It is on the disk before the event is, and marked as told after it: the
  backend hears of it once at least, whatever happens in between.
- It takes effect by a restart of the agent inside of its process: the new meter's readings begin with a
  dictionary that names it, and never share a batch with the old one's.
- End and start values are what a person read off the displays, or what was read last. Of meters whose stream
  is personal none is kept or told here: their readings travel, and are erased, with that stream.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import msgspec

from config.load import Gateway
from config.model import MeterConfig
from edge_agent.reports import ExchangeReport
from edge_agent.serials import same_serial
from edge_agent.twin_file import TwinFile
from hal.api import Storage
from protocols.uplink.messages import EventDetail

FILE = "exchanges"
SERIAL_CHARACTERS_MAX = 64
COUNTERS_TOLD_MAX = 64  # more would not fit into an event


class Exchange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A meter's device was exchanged. `configured`: the serial number in the configuration then; `utc_ms`
    None: no clock was trusted. `end`, `start`: counters' values by quantity, exact decimal text."""

    meter: str
    configured: str
    old: str
    new: str
    utc_ms: int | None
    end: dict[str, str]
    start: dict[str, str]
    is_told: bool = False

    def details(self) -> dict[str, EventDetail]:
        """What the event says."""
        values = {f"end.{name}": value for name, value in self.end.items()}
        values |= {f"start.{name}": value for name, value in self.start.items()}
        return {"old_serial": self.old, "new_serial": self.new, "by": "person", **values}

    def start_of(self, counters: Sequence[str]) -> str:
        """The new display, from which a pulse meter is counted; ValueError where nobody gave it."""
        if not self.start:
            raise ValueError("its pulses are counted: give the new meter's display with --start VALUE")
        return next(self.start[name] for name in counters if name in self.start)

    def report(self) -> ExchangeReport:
        """For the local API."""
        return ExchangeReport(self.meter, self.old, self.new, self.utc_ms, dict(self.end), dict(self.start))


class Device(NamedTuple):
    """What was there before: the meter's serial number in the configuration, the one that was compared or
    told last, and the last value of each counter, which is its end where a person gives none."""

    meter: str
    configured: str
    serial: str
    last: Mapping[str, str]


class Entered(NamedTuple):
    """What a person read off the displays, each "VALUE" or "QUANTITY=VALUE"."""

    end: Sequence[str]
    start: Sequence[str]


class Exchanges:
    """The exchanges of a gateway. Reads and writes block; `enter` and `mark_told` raise OSError.

    `configured`: the meters' serial numbers by id, as the configuration has them.
    """

    def __init__(self, storage: Storage, meters: Iterable[MeterConfig]) -> None:
        """`meters` as the configuration has them. What cannot be read counts as never entered: the wrong
        serial number then shows again."""
        self.configured = {meter.id: meter.serial for meter in meters}
        self._file = TwinFile(storage, FILE)
        self._known = _load(self._file)

    def of(self, meter: str) -> Exchange | None:
        """The exchange that holds for a meter, if any."""
        known = self._known.get(meter)
        return known if known is not None and known.configured == self.configured.get(meter) else None

    def enter(self, exchange: Exchange) -> None:
        """Make an exchange durable."""
        self._write({**self._known, exchange.meter: exchange})

    def untold(self) -> list[Exchange]:
        """Those whose event is perhaps not written yet."""
        return [exchange for exchange in self._known.values() if not exchange.is_told]

    def mark_told(self, exchange: Exchange) -> None:
        """Its event is written."""
        self._write({**self._known, exchange.meter: msgspec.structs.replace(exchange, is_told=True)})

    def _write(self, known: dict[str, Exchange]) -> None:
        self._file.write(msgspec.json.encode(list(known.values())).decode())
        self._known = known


def with_exchanges(gateway: Gateway, exchanges: Exchanges) -> Gateway:
    """The gateway with the devices that are really there: serial numbers, and since when."""
    meters = tuple(_with_exchange(meter, exchanges.of(meter.id)) for meter in gateway.file.meters)
    return replace(gateway, file=msgspec.structs.replace(gateway.file, meters=meters))


def plan_exchange(
    old: Device, new: str, counters: Sequence[str], values: Entered, utc_ms: int | None
) -> Exchange:
    """The exchange as a person entered it. `counters`: the meter's, of which a value without a name means the
    first; none where no value may be kept. ValueError, with what would be right.
    """
    new = " ".join(new.split())
    if not new or len(new) > SERIAL_CHARACTERS_MAX or not new.isprintable():
        raise ValueError("--serial must be the number on the new meter's type plate")
    if same_serial(old.serial, new):
        raise ValueError(f"{new} is the serial number that is compared already")
    end, start = (_values(texts, counters) for texts in values)
    end = {name: value for name, value in (dict(old.last) | end).items() if name in counters}
    return Exchange(
        meter=old.meter,
        configured=old.configured,
        old=old.serial,
        new=new,
        utc_ms=utc_ms,
        end=dict(list(end.items())[:COUNTERS_TOLD_MAX]),
        start=dict(list(start.items())[:COUNTERS_TOLD_MAX]),
    )


def _values(texts: Sequence[str], counters: Sequence[str]) -> dict[str, str]:
    from protocols.s0 import parse_display  # only here: memory of all that exchange nothing

    values = {}
    for text in texts:
        name, _, value = text.rpartition("=")
        name = name.strip() or next(iter(counters), "")
        if name not in counters:
            known = ", ".join(counters) or "none"
            raise ValueError(f"{text!r}: the meter's counters are {known}; write QUANTITY=VALUE")
        values[name] = str(parse_display(value))
    return values


def _with_exchange(meter: MeterConfig, exchange: Exchange | None) -> MeterConfig:
    if exchange is None:
        return meter
    return msgspec.structs.replace(meter, serial=exchange.new, valid_from=_utc_text(exchange.utc_ms))


def _utc_text(utc_ms: int | None) -> str:
    """RFC 3339, as `valid_from` has it."""
    if utc_ms is None:
        return ""
    return (dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=utc_ms)).isoformat()


def _load(file: TwinFile) -> dict[str, Exchange]:
    try:
        texts = file.read().texts
        known = msgspec.json.decode(texts[0], type=list[Exchange]) if texts else []
    except (OSError, msgspec.MsgspecError):
        return {}
    return {exchange.meter: exchange for exchange in known}
