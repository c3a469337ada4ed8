"""A search of an M-Bus loop as the local API tells it: reports while it goes on, and what was found.

Rule: a report at most each PROGRESS_S, so that a search of half an hour is neither silent nor a flood.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence

from edge_agent.control import LineUnavailable, NotSearched
from edge_agent.line import LineCorrupt, LineTimeout
from edge_agent.mbus_worker import MbusWorker
from edge_agent.meter_state import MeterState
from edge_agent.reports import FoundMeter, SearchReport
from edge_agent.serials import same_serial
from edge_agent.workers import Worker
from hal.api import PortError
from protocols.errors import ProtocolError
from protocols.mbus.address import PRIMARY_MAX, SecondaryAddress
from protocols.mbus.search import Found, SearchResult
from protocols.mbus.telegram import MbusTelegram, decode_telegram

PROGRESS_S = 1.0


async def search_line(worker: Worker, *, primary: bool) -> AsyncGenerator[SearchReport, None]:
    """Search a line; the last report has `done`. Raises NotSearched or LineUnavailable."""
    if not isinstance(worker, MbusWorker):
        evidence = f"it is a {worker.config.protocol} line, and only M-Bus loops can be searched"
        raise NotSearched(line=worker.config.id, evidence=evidence)
    loop = asyncio.get_running_loop()
    started_s = told_s = loop.time()
    result = SearchResult()
    try:
        async with contextlib.aclosing(worker.search(primary=primary)) as steps:
            async for result in steps:
                if loop.time() - told_s >= PROGRESS_S:
                    told_s = loop.time()
                    yield report(worker, result, told_s - started_s, done=False)
    except (LineTimeout, LineCorrupt, PortError) as error:
        raise LineUnavailable(line=worker.config.id, evidence=str(error)) from error
    yield report(worker, result, loop.time() - started_s, done=True)


def report(worker: MbusWorker, result: SearchResult, duration_s: float, *, done: bool) -> SearchReport:
    """What a search shows at present."""
    return SearchReport(
        line=worker.config.id,
        done=done,
        probes=result.probes,
        line_time_ms=round(1000 * result.line_time_s(worker.line.baud)),
        duration_ms=round(1000 * duration_s),
        found=[_found_meter(found, worker.meters) for found in result.found],
        unresolved=[str(address) for address in result.unresolved],
        is_slow=result.is_slow,
        is_cut=result.is_cut,
    )


def _found_meter(found: Found, meters: Sequence[MeterState]) -> FoundMeter:
    try:
        telegram = decode_telegram(found.frame)
    except ProtocolError:  # it answers, and what it says is not understood: its address is known all the same
        telegram = MbusTelegram(address=found.frame.address)
    primary = telegram.address if 0 <= telegram.address <= PRIMARY_MAX else None
    return FoundMeter(
        secondary=_secondary(found, telegram),
        primary=primary if isinstance(found.address, SecondaryAddress) else found.address,
        id=telegram.id,
        manufacturer=telegram.manufacturer,
        version=telegram.version if telegram.manufacturer else None,
        medium=telegram.medium if telegram.id else None,
        configured=next((m.config.id for m in meters if _is_meter(m, found, telegram)), ""),
    )


def _secondary(found: Found, telegram: MbusTelegram) -> str:
    """What selects the meter: as its telegram says, else as it was found."""
    if telegram.id and telegram.manufacturer:
        return str(SecondaryAddress(telegram.id, telegram.manufacturer, telegram.version, telegram.medium))
    return str(found.address) if isinstance(found.address, SecondaryAddress) else ""


def _is_meter(state: MeterState, found: Found, telegram: MbusTelegram) -> bool:
    """Whether a found meter is a configured one."""
    config = state.config
    if config.secondary:
        secondary = config.secondary.strip().upper()
        return secondary in (telegram.id, _secondary(found, telegram))
    if config.serial:
        return same_serial(config.serial, telegram.id)
    return config.address == telegram.address
