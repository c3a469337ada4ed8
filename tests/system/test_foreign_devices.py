"""Devices that others made, read by the whole chain: what stands in the store is exactly what they hold.

pymodbus' own servers lay out the registers, in both word orders, over TCP and over a serial line; the
optical head gets what real meters sent, joined in the middle of a telegram and with noise between them.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
from collections.abc import AsyncIterator, Sequence
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
from pymodbus.client.mixin import ModbusClientMixin
from pymodbus.framer import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from config.catalogue import catalogue
from config.load import load_gateway
from config.model import LineConfig, MeterConfig, MeterOption
from config.profile import DeviceProfile
from edge_agent.agent import open_agent
from hal.sim.line import PacedPty
from tests.hal.pump import null_modem
from tests.world.broker import free_port
from tests.world.gateway import PROJECT, WAIT_S, Gateway, Row, open_gateway, wait_until

CORPUS = PROJECT.parent / "shared" / "corpora" / "sml"
WordOrder = Literal["big", "little"]
NAN = float("nan")
TYPES = {
    "u16": ModbusClientMixin.DATATYPE.UINT16,
    "i16": ModbusClientMixin.DATATYPE.INT16,
    "u32": ModbusClientMixin.DATATYPE.UINT32,
    "i32": ModbusClientMixin.DATATYPE.INT32,
    "u64": ModbusClientMixin.DATATYPE.UINT64,
    "f32": ModbusClientMixin.DATATYPE.FLOAT32,
    "f64": ModbusClientMixin.DATATYPE.FLOAT64,
}

# What is put into a meter's registers, and what the store must then say in the quantity's unit (None: a
# null, because the meter says that it has nothing).
PAC2200 = {
    "energy_active_import_tariff1": (123_456_789.123, "123456.789123"),  # binary64 in Wh
    "energy_active_export_tariff1": (0.001, "0.000001"),
    "energy_active_import_tariff2": (NAN, None),
    "power_active_total": (-1234.56, "-1234.6"),  # binary32 gauge, to 0.1 W
    "voltage_l1": (230.25, "230.3"),
    "voltage_l2": (NAN, None),
    "power_factor_total": (0.987, "0.987"),
}
SDM630 = {
    "energy_active_import_total": (12345.678, "12345.678"),  # binary32 counter: the shortest decimal
    "energy_active_export_total": (0.1, "0.1"),
    "voltage_l3": (NAN, None),
    "frequency": (49.98, "49.98"),
}
B23 = {
    "energy_active_import_total": (987_654_321_012, "9876543210.12"),  # u64
    "energy_active_export_total": (0xFFFF_FFFF_FFFF_FFFF, None),
    "power_active_total": (-123_456, "-1234.6"),  # i32
    "power_active_l1": (0x7FFF_FFFF, None),
    "voltage_l1": (2301, "230.1"),  # u32
    "frequency": (5001, "50.01"),  # u16
    "power_factor_total": (-987, "-0.987"),  # i16
}
Contents = dict[str, tuple[float, str | None]]


def device(unit: int, profile: DeviceProfile, contents: Contents, order: WordOrder, serial: int) -> SimDevice:
    """A pymodbus device with these values in its registers, laid out by pymodbus."""
    image = [0] * 0x10000
    convert = ModbusClientMixin.convert_to_registers
    places = {point.quantity: (point.address, point.type) for point in profile.points}
    for quantity, (raw, _) in contents.items():
        address, kind = places[quantity]
        words = convert(raw, TYPES[kind], word_order=order)
        image[address : address + len(words)] = words
    if profile.identity is not None:
        address = profile.identity.address
        image[address : address + 2] = convert(serial, TYPES["u32"])
    return SimDevice(unit, simdata=[SimData(0, values=image, datatype=DataType.REGISTERS)])


@contextlib.asynccontextmanager
async def tcp_server(devices: list[SimDevice]) -> AsyncIterator[str]:
    port = free_port()
    server = ModbusTcpServer(devices, address=("127.0.0.1", port))
    await server.serve_forever(background=True)
    try:
        yield f"tcp://127.0.0.1:{port}"
    finally:
        await server.shutdown()


@contextlib.asynccontextmanager
async def serial_server(devices: list[SimDevice]) -> AsyncIterator[str]:
    with null_modem() as (ours, theirs):
        server = ModbusSerialServer(devices, framer=FramerType.RTU, port=theirs, baudrate=19_200)
        await server.serve_forever(background=True)
        try:
            yield f"serial://{ours}"
        finally:
            await server.shutdown()


def meter(name: str, line: str, address: int, profile: str, contents: Contents, serial: str) -> MeterConfig:
    quantities = tuple(contents)
    return MeterConfig(
        id=name,
        line=line,
        address=address,
        profile=profile,
        serial=serial,
        interval_s=1,
        quantities=quantities,
    )


def check_busy_at_start_only(rows: Sequence[Row], name: str) -> None:
    """Slots may pass unread while the line is opened, and never after the first that was read."""
    mine = [row for row in rows if row["meter"] == name]
    first_ms = min(row["due_ms"] for row in mine if row["null_cause"] != "line_busy")
    assert not [row for row in mine if row["null_cause"] == "line_busy" and row["due_ms"] > first_ms]


def check(rows: Sequence[Row], name: str, contents: Contents) -> None:
    """Every row of a meter holds exactly what its registers do; slots may pass while the line is opened."""
    mine = [row for row in rows if row["meter"] == name and row["null_cause"] != "line_busy"]
    check_busy_at_start_only(rows, name)
    assert {row["quantity"] for row in mine} == set(contents)
    for row in mine:
        wanted = contents[row["quantity"]][1]
        if wanted is None:
            assert (row["value"], row["null_cause"]) == (None, "not_available"), row
        else:
            assert row["value"] is not None, row
            assert Decimal(row["value"]) == Decimal(wanted), row


METERS = [
    meter("pac", "lan", 1, "siemens-pac2200", PAC2200, ""),
    meter("sdm", "rs485", 1, "eastron-sdm630", SDM630, "20260017"),
    meter("b23", "rs485", 2, "abb-b23", B23, "30145566"),
]


def devices(order: WordOrder) -> tuple[list[SimDevice], list[SimDevice]]:
    """What hangs behind the TCP endpoint, and on the serial line."""
    profiles = catalogue()
    return (
        [device(1, profiles["siemens-pac2200"], PAC2200, order, 0)],
        [
            device(1, profiles["eastron-sdm630"], SDM630, order, 20260017),
            device(2, profiles["abb-b23"], B23, order, 30145566),
        ],
    )


def modbus_lines(lan: str, rs485: str) -> list[LineConfig]:
    return [
        LineConfig(id="lan", url=lan, protocol="modbus-tcp"),
        LineConfig(id="rs485", url=rs485, protocol="modbus-rtu", baud=19_200, format="8N1"),
    ]


async def check_store(gateway: Gateway) -> None:
    for name in ("pac", "sdm", "b23"):
        await gateway.wait_values(name, 2)
    rows = await gateway.export()
    check(rows, "pac", PAC2200)
    check(rows, "sdm", SDM630)
    check(rows, "b23", B23)


async def test_registers_of_pymodbus_servers_stand_exactly_in_the_store(tmp_path: Path) -> None:
    behind_tcp, on_wire = devices("big")
    async with (
        tcp_server(behind_tcp) as lan,
        serial_server(on_wire) as rs485,
        open_gateway(tmp_path, lines=modbus_lines(lan, rs485), meters=METERS) as gateway,
    ):
        await check_store(gateway)
        assert not await gateway.faults()
        told = (await gateway.status())["meters"]
        assert {row["id"]: row["identity"] for row in told} == {
            "pac": "unconfigured",
            "sdm": "verified",
            "b23": "verified",
        }
        assert {row["id"]: row["unverified"] for row in told} == {"pac": 2, "sdm": 0, "b23": 0}


def with_order(profile: DeviceProfile, order: WordOrder) -> DeviceProfile:
    points = tuple(msgspec.structs.replace(point, order=order) for point in profile.points)
    return msgspec.structs.replace(profile, points=points)


@contextlib.asynccontextmanager
async def agent_with_profiles(gateway: Gateway, order: WordOrder) -> AsyncIterator[None]:
    """The agent in this process: a site's configuration cannot bring profiles of its own."""
    loaded = load_gateway(gateway.config)
    profiles = {name: with_order(profile, order) for name, profile in loaded.profiles.items()}
    agent = await open_agent(dataclasses.replace(loaded, profiles=profiles))
    stop = asyncio.Event()
    running = asyncio.create_task(agent.run(stop))
    try:
        yield
    finally:
        stop.set()
        await running


async def test_registers_with_the_low_word_first_are_read_by_a_profile_that_says_so(tmp_path: Path) -> None:
    behind_tcp, on_wire = devices("little")
    async with (
        tcp_server(behind_tcp) as lan,
        serial_server(on_wire) as rs485,
        open_gateway(
            tmp_path, lines=modbus_lines(lan, rs485), meters=METERS, start=("broker", "receiver")
        ) as gateway,
        agent_with_profiles(gateway, "little"),
    ):
        await check_store(gateway)


# SML: captures and the serial numbers in them, as printed on the meter or in hexadecimal.
EMH = "EMH_eHZ-IW8E2A5L0EK2P_with_error"
EMH_NEW = "EMH_mME40-AE6AKF0K0"
SERIALS = {EMH: "06454d480107197c2456", EMH_NEW: "1EMH0010599732"}
SML_START = bytes.fromhex("1b1b1b1b01010101")
ENERGY, POWER = "energy_active_import_total", "power_active_total"
NOISE_BYTES_MAX = 30
DAMAGED = 4  # the number of a telegram in which a byte is spoilt
BAUD = 9600


def libsml_pairs(case: str) -> list[tuple[Decimal, Decimal]]:
    """(kWh, W) of each telegram as libsml printed them, in the store's unit and resolution."""
    lines = [line.split("#") for line in (CORPUS / f"{case}.libsml.txt").read_text("utf-8").splitlines()]
    energies = [Decimal(row[1]) / 1000 for row in lines if row[0].startswith("1-0:1.8.0")]
    powers = [Decimal(row[1]) for row in lines if row[0].startswith("1-0:16.7.0")]
    powers = [power.quantize(Decimal("0.1"), ROUND_HALF_UP) for power in powers]
    return list(zip(energies, powers, strict=True))


def spoilt(case: str, chance: random.Random) -> bytes:
    """The capture from the middle of its first telegram on, with noise between telegrams, one damaged."""
    recorded = (CORPUS / f"{case}.bin").read_bytes()
    _, *telegrams = recorded.split(SML_START)
    telegrams[DAMAGED] = _with_wrong_byte(telegrams[DAMAGED], chance)
    stream = telegrams[0][chance.randrange(20, 100) :]
    for telegram in telegrams[1:]:
        stream += chance.randbytes(chance.randint(1, NOISE_BYTES_MAX)) + SML_START + telegram
    return stream


def _with_wrong_byte(telegram: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(20, len(telegram) - 20)
    return telegram[:place] + bytes([telegram[place] ^ 1 << chance.randrange(8)]) + telegram[place + 1 :]


def stored_pairs(rows: Sequence[Row], name: str) -> list[tuple[Decimal, Decimal]]:
    """(kWh, W) of each slot that has values, in order."""
    found: dict[int, dict[str, Any]] = {}
    for row in rows:
        if row["meter"] == name and row["value"] is not None:
            found.setdefault(row["due_ms"], {})[row["quantity"]] = Decimal(row["value"])
    return [(found[due_ms][ENERGY], found[due_ms][POWER]) for due_ms in sorted(found)]


def check_telegrams(stored: list[tuple[Decimal, Decimal]], case: str) -> None:
    """Only what libsml read, in its order, and nothing of the first and the damaged telegram."""
    expected = libsml_pairs(case)
    bad = {0, DAMAGED}
    good = iter([pair for number, pair in enumerate(expected) if number not in bad])
    assert all(any(pair == each for each in good) for pair in stored), (stored, expected)
    assert len(stored) >= 3, stored


async def test_recorded_sml_stands_exactly_in_the_store_in_spite_of_noise(tmp_path: Path, seed: int) -> None:
    if not CORPUS.exists():
        pytest.skip("corpora: no recorded SML beside this checkout")
    chance = random.Random(seed)
    heads = {case: PacedPty(char_time_s=10 / BAUD, link=tmp_path / case, receive=_deaf) for case in SERIALS}
    lines, meters = [], []
    for number, (case, head) in enumerate(heads.items()):
        head.appear()
        name = f"head-{number}"
        lines.append(LineConfig(id=name, url=f"serial://{head.path}", protocol="sml", baud=BAUD))
        meters.append(MeterConfig(id=case, line=name, profile="ehz-sml", serial=SERIALS[case], interval_s=1))
    async with open_gateway(tmp_path, lines=lines, meters=meters) as gateway:

        async def listening() -> bool:
            return all(line["open"] for line in (await gateway.wait_running())["lines"])

        await wait_until(listening, what="open lines")
        await asyncio.gather(*(head.send(spoilt(case, chance)) for case, head in heads.items()))
        for case in SERIALS:
            await gateway.wait_readings(
                lambda rows, case=case: any(r["meter"] == case and r["null_cause"] == "silent" for r in rows)
            )
        rows = await gateway.export()
        for case in SERIALS:
            check_telegrams(stored_pairs(rows, case), case)
            assert gateway.nulls(case) <= {"silent", "corrupt", "line_busy"}  # while the line is opened
            check_busy_at_start_only(rows, case)
        assert {row["identity"] for row in (await gateway.status())["meters"]} == {"verified"}
    for head in heads.values():
        head.vanish()


def _deaf(_data: bytes, _end_s: float) -> None:
    """A meter that only pushes hears nothing."""


DZG = "DZG_DVS-7412.2_jmberg"


async def test_a_dzg_meter_stands_in_the_store_with_its_true_sign_where_its_options_say_so(
    tmp_path: Path,
) -> None:
    """It sends 356.24 W as -299.12 W, and libsml, which knows the meter by its number, puts it right."""
    if not CORPUS.exists():
        pytest.skip("corpora: no recorded SML beside this checkout")
    recorded = (CORPUS / f"{DZG}.bin").read_bytes()
    assert {power for _, power in libsml_pairs(DZG)} == {Decimal("356.2")}
    heads = {name: PacedPty(char_time_s=10 / BAUD, link=None, receive=_deaf) for name in ("plain", "quirk")}
    lines, meters = [], []
    for name, head in heads.items():
        head.appear()
        lines.append(LineConfig(id=name, url=f"serial://{head.path}", protocol="sml", baud=BAUD))
        options: tuple[MeterOption, ...] = ("dzg-sign",) if name == "quirk" else ()
        serial = "0A01445A47000282225E"  # the server id, as libsml prints it
        meters.append(
            MeterConfig(id=name, line=name, profile="ehz-sml", serial=serial, interval_s=1, options=options)
        )
    async with open_gateway(tmp_path, lines=lines, meters=meters) as gateway:

        async def listening() -> bool:
            return all(line["open"] for line in (await gateway.wait_running())["lines"])

        await wait_until(listening, what="open lines")
        async with asyncio.timeout(WAIT_S):
            while not all(gateway.values(name, POWER) for name in heads):
                await asyncio.gather(*(head.send(recorded) for head in heads.values()))
        assert set(gateway.values("quirk", POWER)) == {"356.2"}
        assert set(gateway.values("plain", POWER)) == {"-299.1"}
        identities = {row["id"]: row["identity"] for row in (await gateway.status())["meters"]}
        assert identities == {"plain": "verified", "quirk": "verified"}
