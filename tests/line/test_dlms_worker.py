"""A line whose meter pushes DLMS: keys, forgeries, old telegrams, and lists of several periods."""

from __future__ import annotations

import asyncio
import contextlib
import random
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from config.catalogue import catalogue
from config.keys import MeterKeys
from config.load import Line
from config.model import LineConfig, MeterConfig
from edge_agent.clock import BootClock
from edge_agent.dlms_reader import DlmsReader, dlms_receiver
from edge_agent.faults import FaultCode, Faults
from edge_agent.line import LineDriver
from edge_agent.line_port import LinePort
from edge_agent.meter_state import MeterState, initial_identity
from edge_agent.push_worker import PushWorker
from edge_agent.workers import open_line
from hal.clock import SystemClock
from hal.sim.dlms import sim_keys
from hal.storage import FolderStorage
from protocols.dlms import (
    DlmsReceiver,
    DlmsTelegram,
    DlmsValue,
    Keys,
    encode_ciphered,
    encode_frames,
    encode_notification,
    encode_values,
)
from protocols.errors import ProtocolError
from protocols.obis import parse_obis
from protocols.value import NullCause, Scaled
from tests.line.worker import Kept, parts_of

WAIT_S = 10.0
KEYS = MeterKeys(bytes(range(16)), bytes(range(16, 32)))
POWER, ENERGY = "power_active_import_total", "energy_active_import_total"


@contextlib.asynccontextmanager
async def open_rig(options: str, keys: MeterKeys) -> AsyncIterator[tuple[Kept, Faults, MeterState]]:
    url = f"sim://dlms-push?meter=dlms-electricity:77&period_ms=200{options}"
    line = Line(LineConfig(id="l", url=url, protocol="dlms-push"), (0,), 115_200, "8N1", 0.4, 0.0)
    profile = catalogue()["dlms-electricity"]
    meter = MeterConfig(
        id="m", line="l", profile=profile.name, serial="77", interval_s=1, quantities=(ENERGY,)
    )
    faults, kept = Faults(lambda: 0), Kept()
    state = MeterState(meter, profile, initial_identity(meter))
    port: LinePort[LineDriver] = LinePort(line, open_line, faults, random.Random(1))
    with tempfile.TemporaryDirectory() as folder:
        clock = BootClock(FolderStorage(Path(folder)), SystemClock("kernel"))
    reader = DlmsReader(profile, meter, 0)
    worker: PushWorker[DlmsTelegram] = PushWorker(
        line, state, reader, lambda: dlms_receiver(keys), port, parts_of(clock, kept, faults)
    )
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(port.run()), group.create_task(worker.run())]
        try:
            yield kept, faults, state
        finally:
            for task in tasks:
                task.cancel()


def simulated_keys() -> MeterKeys:
    keys = sim_keys("77")
    return MeterKeys(keys.key, keys.authentication_key)


@pytest.mark.parametrize("options", ["", "&encrypted=1", "&framing=gbt&encrypted=1", "&framing=mbus"])
async def test_pushes_of_every_framing_fill_the_slots(options: str) -> None:
    keys = simulated_keys() if "encrypted" in options else MeterKeys()
    async with open_rig(options, keys) as (kept, faults, state):
        readings = await kept.wait_more(2)
        assert all(reading.value is not None for reading in readings[-1:])
        assert state.identity == "verified"
        assert faults.present() == []


@pytest.mark.parametrize(
    ("options", "keys", "code"),
    [
        ("&encrypted=1", MeterKeys(), FaultCode.METER_KEY_MISSING),
        ("&encrypted=1", KEYS, FaultCode.METER_KEY_WRONG),
        ("", KEYS, FaultCode.METER_PLAIN),
    ],
)
async def test_keys_that_do_not_fit_are_a_fault_and_no_value(
    options: str, keys: MeterKeys, code: FaultCode
) -> None:
    async with open_rig(options, keys) as (kept, faults, _):
        async with asyncio.timeout(WAIT_S):
            while code not in {fault.code for fault in faults.present()}:
                await kept.wait_more(1)
        assert {reading.remark for reading in kept.readings[1:]} == {NullCause.CORRUPT}


def telegram(counter: int, *values: DlmsValue, control: int = 0x30) -> bytes:
    apdu = encode_notification(encode_values(values))
    keys = Keys(KEYS.key, KEYS.authentication_key)
    sealed = encode_ciphered(apdu, keys=keys, system_title=b"SIM\0\0\0\0\1", counter=counter, control=control)
    return encode_frames(sealed, "hdlc")


def codes(found: list[DlmsTelegram | ProtocolError]) -> list[str]:
    return [item.code if isinstance(item, ProtocolError) else "telegram" for item in found]


def test_nothing_that_anybody_could_send_counts_where_keys_are_configured() -> None:
    value = DlmsValue(parse_obis("1-0:1.8.0"), Scaled(1, 0), 30)
    plain = encode_frames(encode_notification(encode_values([value])), "hdlc")
    receiver = dlms_receiver(KEYS)
    assert codes(receiver.receive_data(plain)) == ["dlms.plain"]
    assert codes(receiver.receive_data(telegram(1, value, control=0x20))) == ["dlms.unauthenticated"]
    assert codes(receiver.receive_data(telegram(2, value))) == ["telegram"]
    without_tag = dlms_receiver(MeterKeys(KEYS.key))
    assert codes(without_tag.receive_data(telegram(1, value, control=0x20))) == ["telegram"]
    assert codes(without_tag.receive_data(plain)) == ["dlms.plain"]
    assert codes(dlms_receiver(MeterKeys()).receive_data(plain)) == ["telegram"]


def received(*values: DlmsValue) -> DlmsTelegram:
    (found,) = DlmsReceiver().receive_data(encode_frames(encode_notification(encode_values(values)), "hdlc"))
    assert isinstance(found, DlmsTelegram)
    return found


def test_a_slot_has_what_came_last_in_any_list_with_the_time_it_came() -> None:
    meter = MeterConfig(id="m", line="l", profile="dlms-electricity", serial="77", quantities=(ENERGY, POWER))
    reader = DlmsReader(catalogue()["dlms-electricity"], meter, 10)
    number = DlmsValue(parse_obis("0-0:96.1.0"), "77")
    counters = received(number, DlmsValue(parse_obis("1-0:1.8.0"), Scaled(4567, 0), 30))
    power = received(DlmsValue(parse_obis("1-0:1.7.0"), Scaled(230, 0), 27))
    reader.note(counters, 1_000)
    energy, watts = reader.decode(power, 3_000, 2_000)
    assert (energy.series, energy.time_ms, energy.value) == (10, 1_000, Scaled(4567, -3))
    assert (watts.series, watts.time_ms, watts.value) == (11, 2_000, Scaled(230, 0))
    assert reader.serial_of(power) == "77", "told by the list before"
    assert reader.decode(power, 6_000, 5_000)[0].remark == NullCause.NOT_SENT


def test_units_that_are_missing_come_from_the_profile_and_wrong_ones_are_refused() -> None:
    meter = MeterConfig(id="m", line="l", profile="sagemcom-xt211", quantities=(ENERGY,))
    reader = DlmsReader(catalogue()["sagemcom-xt211"], meter, 0)
    obis = parse_obis("1-0:1.8.0")
    cases = [
        (DlmsValue(obis, Scaled(4567, 0)), Scaled(4567, -3), 0),
        (DlmsValue(obis, Scaled(4567, 0), 27), None, NullCause.CORRUPT),
        (DlmsValue(obis, "much"), None, NullCause.CORRUPT),
    ]
    for value, expected, remark in cases:
        (reading,) = reader.decode(received(value), 0, 0)
        assert (reading.value, reading.remark) == (expected, remark)
    tagged = DlmsReader(catalogue()["dlms-electricity"], meter, 0)
    assert tagged.decode(received(cases[0][0]), 0, 0)[0].remark == NullCause.CORRUPT, "no unit, no value"
