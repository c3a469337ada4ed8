"""Meters that encrypt, through the whole chain: with the key values arrive, each mistake has its own fault,
and the keys are nowhere but in their file and in memory that nobody reads."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import time
from decimal import Decimal
from pathlib import Path

from config.catalogue import catalogue
from config.keys import Keys, MeterKeys, encode_keys
from config.model import LineConfig, MeterConfig
from hal.sim.line import SimPushLine
from hal.sim.meters import SimMeter, SimRead
from protocols.p1 import encrypt_telegram
from tests.world.gateway import Gateway, Settings, open_gateway, run_program

COUNTER = "energy_active_import_total"
KEYS = {
    name: MeterKeys(os.urandom(16), os.urandom(16))
    for name in ("right", "keyless", "wrong", "unchecked", "plain")
}
CONFIGURED = Keys(
    {
        "right": KEYS["right"],
        "wrong": MeterKeys(os.urandom(16), KEYS["wrong"].authentication_key),
        "unchecked": MeterKeys(os.urandom(16), None),
        "plain": KEYS["plain"],
    }
)
FAULTS = {
    "meter.key-missing keyless": "no key is configured",
    "meter.key-wrong wrong": "the tag does not fit",
    "meter.key-wrong unchecked": "",
    "meter.plain plain": "plain text",
}


class Encrypting:
    """A P1 meter that encrypts with its own keys, or not at all."""

    def __init__(self, meter: str) -> None:
        self.given: set[Decimal] = set()
        self._meter = meter
        self._counter = 0
        self._inside = SimMeter(catalogue()["p1-dsmr5"], "77", 1, self._note)

    def telegram(self, elapsed_ms: int) -> bytes:
        telegram = self._inside.telegram(elapsed_ms)
        keys = KEYS[self._meter]
        if self._meter == "plain" or keys.key is None or keys.authentication_key is None:
            return telegram
        self._counter += 1
        return encrypt_telegram(
            telegram,
            key=keys.key,
            authentication_key=keys.authentication_key,
            system_title=b"SAG12345",
            counter=self._counter,
        )

    def _note(self, read: SimRead) -> None:
        self.given.add(Decimal(read.values[COUNTER]))


def spellings(key: bytes) -> set[bytes]:
    """How a key could stand somewhere."""
    return {
        key,
        key.hex().encode(),
        key.hex().upper().encode(),
        base64.b64encode(key).rstrip(b"=")[:-1],  # what follows may change the last character
        base64.urlsafe_b64encode(key).rstrip(b"=")[:-1],
        repr(key).encode()[2:-1],
    }


def places_of_keys(folder: Path, allowed: Path) -> list[str]:
    """Every file that holds a key, but for the one that may."""
    secrets = {
        text
        for keys in (CONFIGURED.of(meter) for meter in CONFIGURED.meters)
        for key in (keys.key, keys.authentication_key)
        if key is not None
        for text in spellings(key)
    }
    files = [path for path in folder.rglob("*") if path.is_file() and path != allowed]
    assert any(path.name.startswith("journal") or path.name == "outbox.db" for path in files)
    return [str(path) for path in files if any(secret in path.read_bytes() for secret in secrets)]


async def say_all(gateway: Gateway) -> None:
    """Have everything said that the programs can say, into files of the folder."""
    commands = {
        "check": ("edge_agent.main", "check-config", "gateway.toml"),
        "health": ("edge_agent.main", "healthcheck", "--config", "gateway.toml"),
        "status": ("edgectl.main", "status", "--all", "--json", "--config", "gateway.toml"),
        "screen": ("edgectl.main", "status", "--all", "--lang", "de", "--config", "gateway.toml"),
        "read": ("edgectl.main", "read", "right", "--json", "--config", "gateway.toml"),
    }
    for name, arguments in commands.items():
        code, out, err = await run_program(gateway.folder, *arguments)
        assert out, f"{name}: exit {code}: {err}"
        (gateway.folder / f"said-{name}.txt").write_text(out + err)


def core_limits(pid: int) -> list[str]:
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    return next(line for line in lines if line.startswith("Max core file size")).split()[4:6]


async def test_values_of_encrypted_meters_arrive_and_their_keys_stay_where_they_are(tmp_path: Path) -> None:
    key_file = tmp_path / "meter-keys.toml"
    key_file.touch(mode=0o600)
    key_file.write_text(encode_keys(CONFIGURED))
    devices = {name: Encrypting(name) for name in KEYS}
    lines = [LineConfig(id=name, url=f"serial://{tmp_path / 'dev' / name}", protocol="p1") for name in KEYS]
    meters = [
        MeterConfig(id=name, line=name, profile="p1-dsmr5", serial="77", interval_s=1, quantities=(COUNTER,))
        for name in KEYS
    ]
    (tmp_path / "dev").mkdir()
    async with contextlib.AsyncExitStack() as stack:
        for name, device in devices.items():
            link = tmp_path / "dev" / name
            await stack.enter_async_context(
                SimPushLine(device, period_ms=400, elapsed_ms=_boot_ms, baud=115_200, link=link)
            )
        gateway = await stack.enter_async_context(
            open_gateway(tmp_path, lines=lines, meters=meters, settings=Settings(keys=key_file.name))
        )
        await gateway.wait_values("right", 3)
        for fault, evidence in FAULTS.items():
            assert evidence in await gateway.wait_fault(fault)
        held = {Decimal(value) for value in gateway.values("right", COUNTER)}
        assert held <= devices["right"].given
        assert {row["meter"] for row in gateway.readings() if row["value"] is not None} == {"right"}
        assert core_limits(gateway.agent.pid) == ["0", "0"]
        await say_all(gateway)
        await asyncio.to_thread(_check_places, tmp_path, key_file)
        await gateway.agent.stop()
        _check_places(tmp_path, key_file)


def _check_places(folder: Path, key_file: Path) -> None:
    assert places_of_keys(folder, key_file) == []
    assert places_of_keys(folder, folder) == [str(key_file)], "the search finds what is there"


def _boot_ms() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
