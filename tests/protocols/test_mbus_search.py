"""The wildcard search on simulated loops: everything is found, collisions are told, line time is counted."""

from __future__ import annotations

import os
import random

import pytest

from hal.sim.mbus import LoopMeter, MbusLoop
from protocols.mbus.search import MAKERS, PROBES_MAX, SearchResult, scan, search
from tests.protocols.mbus_wire import BAUD, TIMING, Wire, found_addresses, make_loop, make_station, run_search

SEED = int(os.environ.get("EDGE_SEED", "1"))
TURNAROUNDS_BITS = (22, 22, 30, 40, 57, 80, 118)  # some exactly alike: their E5 overlap to one
LATE_BITS = (700, 800, 1080, 1500)  # the standard allows 330 and 50 ms, which is 450


def thirty_addresses(seed: int) -> list[str]:
    """A delivery with numbers in a row, numbers that begin alike, one number of three makers, and others."""
    chance = random.Random(seed)
    addresses = [f"{71830100 + n:08d}.KAM.1B.04" for n in range(10)]
    addresses += [f"1234{n}.ZRI.16.07" for n in (5600, 5601, 5678, 5679, 5688)]
    addresses += ["00001234.ELS.03.03", "00001234.LUG.03.04", "00001234.KAM.08.0C"]
    while len(addresses) < 30:
        maker = chance.choice(MAKERS)
        addresses.append(f"{chance.randrange(10**8):08d}.{maker}.{chance.randrange(255):02X}.07")
    return addresses


def loop_of(addresses: list[str], seed: int, late: dict[int, int] | None = None) -> MbusLoop:
    chance = random.Random(seed)
    meters = []
    for place, address in enumerate(addresses):
        bits = (late or {}).get(place, chance.choice(TURNAROUNDS_BITS))
        meters.append(LoopMeter(make_station(address, 1), bits))
    return MbusLoop(meters)


def searched(loop: MbusLoop, **wire: object) -> SearchResult:
    result = SearchResult()
    run_search(search(result), Wire(loop, **wire))  # type: ignore[arg-type]
    return result


@pytest.mark.parametrize("seed", [SEED, SEED + 1, SEED + 2])
def test_thirty_meters_with_colliding_addresses_are_all_found_and_the_line_time_is_told(seed: int) -> None:
    addresses = thirty_addresses(seed)
    result = SearchResult()
    wire = Wire(loop_of(addresses, seed))
    run_search(search(result), wire)
    assert found_addresses(result) == set(addresses), f"seed {seed}"
    assert result.unresolved == []
    assert not result.is_slow
    assert 0.95 <= result.bits / wire.now_bits <= 1, "all but the meters' own time to answer"
    print(f"seed {seed}: {result.probes} probes, {result.line_time_s(BAUD):.1f} s of line time at {BAUD} Bd")


@pytest.mark.parametrize("bits", LATE_BITS)
def test_a_meter_that_answers_too_late_is_found_as_well(bits: int) -> None:
    for seed in range(SEED, SEED + 5):
        addresses = thirty_addresses(seed)
        place = random.Random(seed).randrange(30)
        result = searched(loop_of(addresses, seed, {place: bits}))
        assert found_addresses(result) == set(addresses), f"seed {seed}: {addresses[place]}"
        assert result.is_slow
        assert result.unresolved == []


def test_an_echoing_level_converter_changes_nothing() -> None:
    addresses = thirty_addresses(SEED)
    plain = searched(loop_of(addresses, SEED))
    echoing = searched(loop_of(addresses, SEED), echo=lambda sent: sent)
    assert found_addresses(echoing) == set(addresses)
    assert (echoing.probes, echoing.bits) == (plain.probes, plain.bits)


def test_a_loop_without_meters_costs_one_probe() -> None:
    result = searched(make_loop())
    assert (result.found, result.unresolved, result.probes) == ([], [], 1)
    bits = 17 * 11 + round(TIMING.window_s * BAUD)
    assert result.bits == bits, "one selection of 17 characters, and waiting in vain"


def test_one_meter_is_found_by_one_selection_and_confirmed_by_another() -> None:
    result = searched(make_loop(make_station("12345678.KAM.1B.04", 7)))
    assert found_addresses(result) == {"12345678.KAM.1B.04"}
    assert result.probes == 1
    assert result.found[0].frame.address == 7, "its primary address"


def test_two_that_overlap_to_one_acknowledgement_are_told_apart_by_their_data() -> None:
    loop = make_loop(make_station("12345678.KAM.1B.04"), make_station("12345679.KAM.1B.04"))
    assert found_addresses(searched(loop)) == {"12345678.KAM.1B.04", "12345679.KAM.1B.04"}


def test_one_number_is_told_apart_by_maker_medium_and_version() -> None:
    addresses = {f"12345678.{maker}.{version:02X}.{medium:02X}" for maker, version, medium in PARTS}
    loop = make_loop(*(make_station(address) for address in sorted(addresses)))
    result = searched(loop)
    assert found_addresses(result) == addresses
    assert result.unresolved == []


PARTS = (
    ("KAM", 0x1B, 4),
    ("KAM", 0x1B, 7),
    ("KAM", 0x1C, 7),
    ("ELS", 0x03, 3),
    ("QQA", 0x55, 3),
    ("QQB", 0x55, 2),
)


def test_meters_alike_in_all_but_their_fabrication_number_are_found() -> None:
    one = make_station("12345678.KAM.1B.04", fabrication="00000001")
    two = make_station("12345678.KAM.1B.04", fabrication="00000002")
    loop = MbusLoop([LoopMeter(one, 20), LoopMeter(two, 33)])
    result = searched(loop)
    assert len(result.found) == 2
    assert result.unresolved == []


def test_what_nothing_tells_apart_is_named() -> None:
    stations = [make_station("12345678.KAM.1B.04") for _ in range(2)]
    loop = MbusLoop([LoopMeter(stations[0], 20), LoopMeter(stations[1], 33)])
    result = searched(loop)
    assert found_addresses(result) == set()
    assert [address.id for address in result.unresolved if not isinstance(address, int)] == ["12345678"]
    assert result.probes < PROBES_MAX


def test_noise_on_the_loop_finds_the_meters_all_the_same() -> None:
    addresses = thirty_addresses(SEED)[:12]
    chance = random.Random(SEED)

    def disturbed(data: bytes) -> bytes:
        if chance.random() < 0.05:
            return data + bytes((chance.randrange(256),))
        return data

    result = searched(loop_of(addresses, SEED), damage=disturbed)
    assert found_addresses(result) == set(addresses), f"seed {SEED}"


def test_a_search_ends_however_bad_the_loop_is() -> None:
    chance = random.Random(SEED)
    loop = make_loop(make_station("12345678.KAM.1B.04"))
    result = searched(loop, damage=lambda _data: chance.randbytes(3), echo=lambda _sent: chance.randbytes(2))
    assert result.probes == PROBES_MAX
    assert result.is_cut


def test_a_scan_finds_primary_addresses_and_names_those_that_two_meters_share() -> None:
    stations = [
        make_station("12345678.KAM.1B.04", 3),
        make_station("11111111.KAM.1B.04", 7),
        make_station("22222222.ELS.03.07", 7),
        make_station("33333333.ELS.03.07", 250),
    ]
    result = SearchResult()
    wire = Wire(make_loop(*stations))
    run_search(scan(result), wire)
    assert [found.address for found in result.found] == [3, 250]
    assert result.unresolved == [7]
    print(f"{result.probes} probes, {result.line_time_s(BAUD):.1f} s of line time")
