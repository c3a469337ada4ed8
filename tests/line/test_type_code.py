"""A meter whose profile knows where it tells its model: asked once, doubted where that is another one."""

from __future__ import annotations

import msgspec
import pytest

from config.catalogue import catalogue
from config.profile import TypeCode
from edge_agent.recognition import decode_type_code, is_type
from hal.sim.line import SimTcpServer
from protocols.modbus.pdu import ILLEGAL_ADDRESS, ReadRequest
from protocols.modbus.tcp import TcpServer
from protocols.value import Quality
from tests.line.worker import Rig, open_rig

PROFILE = catalogue()["abb-b23"]
PLACE = 0x8960


class Device:
    """Answers every register with zeros, and its model where it tells that; None: it refuses that."""

    def __init__(self, model: bytes | None) -> None:
        self.model = model
        self.silent = False
        self.asked = 0

    def answer(self, _unit: int, read: ReadRequest) -> bytes | int | None:
        if self.silent:
            return None
        if read.address == PLACE:
            self.asked += 1
            return ILLEGAL_ADDRESS if self.model is None else self.model
        return bytes(2 * read.count)

    def server(self) -> SimTcpServer:
        return SimTcpServer(lambda: TcpServer(self.answer))


async def read(rig: Rig, count: int = 4) -> set[int]:
    """The qualities of some readings with values."""
    good: list[int] = []
    while len(good) < count:
        good += [int(r.quality) for r in await rig.kept.wait_more(1) if r.value is not None]
    return set(good)


@pytest.mark.parametrize("model", [b"B23 ", b"b24\0", bytes(4), b"\xff\xff\xff\xff", None])
async def test_the_right_model_and_one_that_does_not_tell_are_asked_once(model: bytes | None) -> None:
    device = Device(model)
    async with device.server() as server, open_rig(server.path, "modbus-tcp", (1,), profile=PROFILE) as rig:
        assert await read(rig) == {0}
        assert device.asked == 1
        assert not rig.faults()


async def test_another_model_is_a_fault_and_its_readings_are_marked() -> None:
    device = Device(b"B21 ")
    async with device.server() as server, open_rig(server.path, "modbus-tcp", (1,), profile=PROFILE) as rig:
        evidence = await rig.wait_fault("meter.wrong-type meter-1")
        assert 'devices that say B23, B24; this one says "B21"' in evidence
        assert await read(rig) == {int(Quality.IDENTITY_UNVERIFIED)}


async def test_after_a_silence_the_model_is_asked_anew() -> None:
    device = Device(b"B21 ")
    async with (
        device.server() as server,
        open_rig(server.path, "modbus-tcp", (1,), profile=PROFILE, reply_timeout_s=0.05) as rig,
    ):
        await rig.wait_fault("meter.wrong-type meter-1")
        device.silent = True
        await rig.wait_fault("meter.silent meter-1")
        device.model, device.silent = b"B23 ", False
        assert await rig.wait_fault("meter.wrong-type meter-1", present=False) == ""
        assert await read(rig, 2) == {0}


async def test_a_profile_without_a_type_code_asks_for_none() -> None:
    device = Device(None)
    plain = msgspec.structs.replace(PROFILE, type_code=None)
    async with device.server() as server, open_rig(server.path, "modbus-tcp", (1,), profile=plain) as rig:
        await read(rig)
        assert device.asked == 0


@pytest.mark.parametrize(
    ("kind", "order", "data", "told"),
    [
        ("string", "big", b"COUNTIS E34\0\0\0\0\0", "COUNTIS E34"),
        ("string", "big-swapped", b"OCNUIT S3E\x004\0\0\0\0", "COUNTIS E34"),
        ("u16", "big", b"\x06\x73", "1651"),
        ("u32", "big", b"\x00\x00\x1f\x41", "8001"),
        ("u32", "little", b"\x1f\x41\x00\x00", "8001"),
        ("u32", "big-swapped", b"\x00\x00\x41\x1f", "8001"),
        ("u32", "little-swapped", b"\x41\x1f\x00\x00", "8001"),
        ("u32", "big", b"\xff\xff\xff\xff", ""),
    ],
)
def test_a_type_code_is_told_as_text_or_in_digits(kind: str, order: str, data: bytes, told: str) -> None:
    fields = {"type": kind, "order": order, "registers": len(data) // 2 if kind == "string" else 0}
    code = TypeCode(table="holding", address=0, holds=("COUNTIS E3", "0x1F41"), evidence="", **fields)  # type: ignore[arg-type]
    assert decode_type_code(code, data) == told
    with pytest.raises(ValueError, match="registers"):
        decode_type_code(code, data + b"\0\0")


def test_a_number_may_be_named_in_hexadecimal_digits() -> None:
    code = TypeCode(table="holding", address=0, type="u32", holds=("0x1F41", "8002"), evidence="")
    assert [is_type(code, told) for told in ("8001", "8002", "8003")] == [True, True, False]
