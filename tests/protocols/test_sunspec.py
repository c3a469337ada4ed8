"""SunSpec discovery over register images: the chain to its end, and every way in which it can break off."""

from __future__ import annotations

import itertools
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import ProtocolError
from protocols.modbus.pdu import ReadRequest
from protocols.sunspec import BASES, MODELS_MAX, Common, Model, decode_common, find_models

CORPUS = Path(__file__).parents[2].parent / "shared" / "corpora" / "modbus"
END = (0xFFFF, 0)


class Image:
    """The registers of a device; what it does not have it refuses."""

    def __init__(self, base: int, *models: tuple[int, int], end: tuple[int, ...] = END) -> None:
        self.registers: dict[int, int] = {}
        self.reads: list[ReadRequest] = []
        self.write(base, b"SunS")
        place = base + 2
        for number, length in models:
            self.write(place, struct.pack(">HH", number, length) + bytes(2 * length))
            place += 2 + length
        self.write(place, struct.pack(f">{len(end)}H", *end))

    def write(self, address: int, data: bytes) -> None:
        for offset, (word,) in enumerate(struct.iter_unpack(">H", data)):
            self.registers[address + offset] = word

    def read(self, address: int, count: int) -> bytes | None:
        try:
            return struct.pack(f">{count}H", *(self.registers[address + offset] for offset in range(count)))
        except KeyError:
            return None

    def discover(self) -> tuple[Model, ...]:
        steps = find_models()
        read = next(steps)
        while True:
            self.reads.append(read)
            assert len(self.reads) <= MODELS_MAX + len(BASES) + 1
            try:
                read = steps.send(self.read(read.address, read.count))
            except StopIteration as end:
                return tuple(end.value)


@pytest.mark.parametrize("base", BASES)
def test_the_models_are_found_at_each_base_address(base: int) -> None:
    image = Image(base, (1, 66), (103, 50), (203, 105), (64_001, 0))
    assert image.discover() == (
        Model(1, base + 2, 66),
        Model(103, base + 70, 50),
        Model(203, base + 122, 105),
        Model(64_001, base + 229, 0),
    )
    assert all(read.function == 3 and read.count == 2 for read in image.reads)


@given(st.lists(st.tuples(st.integers(1, 0xFFFE), st.integers(0, 300)), max_size=40))
def test_any_chain_comes_back_as_it_was_laid(models: list[tuple[int, int]]) -> None:
    found = Image(40000, *models).discover()
    assert [(model.id, model.length) for model in found] == models
    assert all(b.address == a.address + 2 + a.length for a, b in itertools.pairwise(found))


@pytest.mark.parametrize(
    ("image", "text"),
    [
        (Image(40000, (1, 66), end=()), "can be read at register 40070"),
        (Image(0, (1, 0xFFF0), end=()), "can be read"),
        (Image(50000, (1, 15_531), end=()), "behind the last"),
        (Image(0, *[(7, 0)] * (MODELS_MAX + 1)), "more than 128"),
    ],
)
def test_a_chain_that_breaks_off_is_an_error(image: Image, text: str) -> None:
    with pytest.raises(ProtocolError, match=text) as caught:
        image.discover()
    assert caught.value.code == "sunspec.chain"


def test_a_device_without_the_marker_is_no_sunspec_device() -> None:
    image = Image(40000)
    image.write(40000, b"SunX")
    with pytest.raises(ProtocolError, match="40000, 50000, 0") as caught:
        image.discover()
    assert caught.value.code == "sunspec.none"
    assert [read.address for read in image.reads] == list(BASES)


@given(st.lists(st.one_of(st.none(), st.binary(max_size=6)), min_size=150, max_size=150))
def test_whatever_a_device_answers_the_walk_ends(answers: list[bytes | None]) -> None:
    steps = find_models()
    next(steps)
    ends = 0
    for answer in [b"SunS", *answers]:
        try:
            steps.send(answer)
        except (ProtocolError, StopIteration):
            ends += 1
            break
    assert ends == 1


def test_the_name_plate_of_model_1() -> None:
    texts = [(b"Maker", 32), (b"Model X\0rubbish", 32), (b"", 16), (b"1.2.3 ", 16), (b"SN-1", 32)]
    data = b"".join(text.ljust(size, b"\0") for text, size in texts) + bytes(4)
    assert decode_common(data) == Common("Maker", "Model X", "", "1.2.3", "SN-1")
    with pytest.raises(ProtocolError, match="model 1"):
        decode_common(data[:100])


@pytest.mark.skipif(not CORPUS.exists(), reason="corpora: ../shared/corpora/modbus is not there")
def test_a_recorded_register_image_in_its_chain() -> None:
    """Model 705 as recorded, behind a model 1 into which the recorded write puts version and serial."""
    curve = (CORPUS / "ss_test_file_client_TestFileClientDevice.test_get_mb.L2678.bin").read_bytes()
    write = (
        CORPUS / "ss_test_modbus_client_TestSunSpecModbusClientDeviceRTU.test_write.check_req.bin"
    ).read_bytes()
    image = Image(40000, (1, 66))
    _unit, function, address, count, size = struct.unpack(">BBHHB", write[:7])
    assert (function, size) == (16, 2 * count)
    image.write(address, write[7:-2])
    image.write(40070, curve)
    image.write(40070 + len(curve) // 2, struct.pack(">HH", *END))
    models = image.discover()
    assert models == (Model(1, 40002, 66), Model(705, 40070, 67))
    data = image.read(models[0].address + 2, models[0].length)
    assert data is not None
    common = decode_common(data)
    assert (common.version, common.serial) == ("v0.0.0", "sn-000")
