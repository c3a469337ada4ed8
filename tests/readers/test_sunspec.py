"""SunSpec profiles: where their points lie in a device, and what is made of what it has and has not."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.catalogue import catalogue, load_profile, point_span
from config.model import MeterConfig
from config.problems import ConfigError
from config.profile import DeviceProfile
from config.sunspec import has_models, models_of, resolve
from edge_agent.readers import make_reader
from edge_agent.sunspec_reader import SunspecReader
from hal.sim.sunspec import chain, image
from protocols.errors import ProtocolError
from protocols.sunspec import BASES, HEAD_REGISTERS, Model
from protocols.value import NullCause

PROFILES = catalogue()
METER, INVERTER = PROFILES["sunspec-meter"], PROFILES["sunspec-inverter"]
CONFIG = MeterConfig(id="pv", line="lan", profile="sunspec-meter", serial="SN-1")
SUNSPEC = [profile for profile in PROFILES.values() if has_models(profile)]


def addresses(profile: DeviceProfile) -> dict[str, int]:
    return {point.quantity: point.address for point in profile.points}


def walk(reader: SunspecReader, start: int, registers: bytes) -> None:
    """Discovery, answered from these registers; what lies outside of them is refused."""
    steps = reader.find()
    assert steps is not None
    read = next(steps)
    with contextlib.suppress(StopIteration):
        while True:
            place = 2 * (read.address - start)
            read = steps.send(registers[place : place + 2 * read.count] if place >= 0 else None)


def unasked(profile: DeviceProfile) -> SunspecReader:
    reader = make_reader(profile, CONFIG, 100)
    assert isinstance(reader, SunspecReader)
    return reader


def found(profile: DeviceProfile, models: tuple[Model, ...]) -> SunspecReader:
    """A reader that has walked the chain of such a device."""
    reader = unasked(profile)
    walk(reader, *image(models, profile, CONFIG.serial))
    return reader


@pytest.mark.parametrize("base", BASES)
def test_addresses_count_from_the_register_with_the_models_number(base: int) -> None:
    models = chain((1, 203), base)
    device = resolve(METER, models)
    at = models[1].address
    assert at == base + 2 + 2 + 66
    assert addresses(device)["power_active_total"] == at + 18
    assert addresses(device)["energy_active_import_total"] == at + 46
    scales = {p.quantity: p.scale_register.address for p in device.points if p.scale_register}
    assert scales["voltage_l3"] == at + 15
    assert device.identity is not None
    assert device.identity.address == base + 2 + 50
    assert not has_models(device)


@pytest.mark.parametrize(("number", "offset"), [(201, 18), (202, 18), (204, 18), (211, 28), (213, 28)])
def test_whichever_of_the_alternatives_a_device_has_is_read(number: int, offset: int) -> None:
    models = (Model(1, 2, 66), Model(number, 70, 124))
    device = resolve(METER, models)
    assert addresses(device)["power_active_total"] == 70 + offset
    assert {point.type for point in device.points} == ({"f32"} if number > 210 else {"i16", "u32"})


def test_a_device_with_both_forms_is_read_by_the_one_that_the_profile_has_first() -> None:
    device = resolve(METER, (Model(213, 70, 124), Model(203, 200, 105), Model(203, 400, 105)))
    assert addresses(device)["power_active_total"] == 218
    assert device.identity is None  # no model 1


def test_what_the_device_does_not_have_is_left_out() -> None:
    assert resolve(METER, (Model(1, 2, 66), Model(103, 70, 50))).points == ()
    short = resolve(METER, (Model(203, 70, 40),))  # the energies lie beyond its end
    assert "power_active_total" in addresses(short)
    assert "energy_active_import_total" not in addresses(short)


def test_constant_addresses_stay_where_they_are() -> None:
    profile = PROFILES["eastron-sdm630"]
    assert resolve(profile, chain((1, 203))) == profile
    assert not models_of(profile)


MODELS = st.tuples(st.sampled_from([1, 103, 113, 160, 203, 213, 802]), st.integers(0, 150))


@given(st.lists(MODELS, max_size=12))
def test_no_point_ever_lies_outside_of_a_model_that_it_may_be_in(shape: list[tuple[int, int]]) -> None:
    models, address = [], 40002
    for number, length in shape:
        models.append(Model(number, address, length))
        address += HEAD_REGISTERS + length
    for profile in SUNSPEC:
        allowed = models_of(profile)
        for point in resolve(profile, models).points:
            first, last = point_span(point)
            assert any(
                m.id in allowed and m.address + HEAD_REGISTERS <= first < last <= m.address + 2 + m.length
                for m in models
            )


@pytest.mark.parametrize("profile", SUNSPEC, ids=lambda profile: profile.name)
def test_series_stand_before_anything_is_known_of_the_device(profile: DeviceProfile) -> None:
    """The dictionary is made of them: one for each quantity, whatever the device turns out to have."""
    before = make_reader(profile, CONFIG, 100)
    quantities = list(dict.fromkeys(point.quantity for point in profile.points))
    assert len(before.series) == len(quantities)
    for number in {point.models[0] for point in profile.points}:
        reader = found(profile, chain((1, number)))
        assert reader.series == before.series
        numbers = [reader.series_of(point) for point in reader.points]
        assert numbers == list(range(100, 100 + len(quantities)))


def test_a_request_brings_the_head_of_the_model_and_another_one_is_noticed() -> None:
    reader = found(METER, chain((1, 203)))
    (block,) = reader.plan(reader.place(reader.points))
    model = reader.models[1]
    assert (block.address, block.count) == (model.address, 55)
    data = struct.pack(">HH", 203, 105) + bytes(2 * 53)
    assert not reader.has_moved(block, data)
    assert reader.has_moved(block, struct.pack(">HH", 203, 107) + data[4:])
    assert reader.has_moved(block, struct.pack(">HH", 160, 105) + data[4:])
    reader.forget()
    assert reader.find() is not None
    assert reader.models == ()


def test_a_quantity_without_a_model_is_null_once_a_slot_and_needs_no_request() -> None:
    """A mixed profile: the device has the meter's model, and no battery."""
    both = msgspec.structs.replace(METER, points=METER.points + PROFILES["sunspec-battery"].points)
    reader = found(both, chain((1, 203)))
    read, absent = reader.plan(reader.place(reader.points))
    assert read.count == 55
    assert absent.count == 0
    assert [point.quantity for point in absent.points][:2] == ["battery_soc", "battery_soh"]
    nulls = reader.decode(absent, b"", 5, 6)
    assert {reading.null_cause for reading in nulls} == {NullCause.NOT_SENT}
    assert [reading.series for reading in nulls] == [reader.series_of(point) for point in absent.points]


def test_what_is_not_implemented_is_null_and_never_a_number() -> None:
    for number in (203, 213):
        reader = found(METER, chain((1, number)))
        (block,) = reader.plan(reader.place(reader.points))
        empty = b"\x80\x00" if number == 203 else b"\x7f\xc0\x00\x00"
        data = bytearray(struct.pack(">HH", number, 105) + (empty * block.count))[: 2 * block.count]
        for point in reader.place(reader.points):
            if point.type == "u32":
                place = 2 * (point.address - block.address)
                data[place : place + 4] = bytes(4)  # an accumulator that is not kept
        readings = reader.decode(block, bytes(data), 5, 6)
        assert len(readings) == len(reader.series)
        assert {reading.null_cause for reading in readings} == {NullCause.NOT_AVAILABLE}


def test_a_device_with_other_models_is_told_what_it_has() -> None:
    reader = unasked(METER)
    text = r"201, 202, 203, 204, .* the device has 1, 103, 64900"
    with pytest.raises(ProtocolError, match=text) as caught:
        walk(reader, *image(chain((1, 103)), INVERTER, "SN-1"))
    assert caught.value.code == "sunspec.models"
    assert reader.find() is not None


def first_asked(reader: SunspecReader) -> int:
    """Where discovery begins; it ends there, too, for want of an answer."""
    steps = reader.find()
    assert steps is not None
    return next(steps).address


def test_a_device_that_is_silent_at_one_base_is_asked_at_the_next_the_next_time() -> None:
    reader = unasked(METER)
    assert [first_asked(reader) for _ in range(4)] == [*BASES, BASES[0]]


def test_the_base_where_the_chain_was_comes_first_from_then_on() -> None:
    reader = found(METER, chain((1, 203), 50000))
    reader.forget()
    assert first_asked(reader) == 50000


PROFILE_HEAD = """
name = "own"
maker = "Own"
products = ["one"]
medium = "electricity"
protocol = "modbus"
[evidence.map]
source = "a manual"
seen = "once"
"""
POINT = """
[[point]]
quantity = "frequency"
models = [203]
table = "holding"
address = 16
type = "i16"
unit = "Hz"
evidence = "map"
"""


@pytest.mark.parametrize(
    ("old", "new", "right"),
    [
        ("models = [203]", "models = [203, 203]", "each once"),
        ("models = [203]", "models = [65535]", "numbers of SunSpec models"),
        ('table = "holding"', 'table = "input"', "SunSpec models lie there"),
        ("address = 16", "address = 1", "its length"),
        (POINT, POINT + POINT, "once in a profile, or in a model"),
        (POINT, POINT + POINT.replace("models = [203]\n", ""), "once in a profile, or in a model"),
    ],
)
def test_a_mistake_about_models_is_told_with_what_is_right(
    tmp_path: Path, old: str, new: str, right: str
) -> None:
    path = tmp_path / "own.toml"
    path.write_text(PROFILE_HEAD + POINT, encoding="utf-8")
    assert load_profile(path).points[0].models == (203,)
    path.write_text((PROFILE_HEAD + POINT).replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_profile(path)
    assert right in str(caught.value)
