"""The dialogue with a meter that is asked: both roles on one wire, in simulated time."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import pytest

from protocols.errors import ProtocolError
from protocols.iec62056_21 import (
    WAKE_UP_ULTRAHEAT,
    D0Telegram,
    DataSet,
    Identification,
    Pause,
    Receive,
    Send,
    SetBaud,
    Value,
    answer,
    read_out,
)
from protocols.iec62056_21.session import REACTION_S_MAX, encode_request
from protocols.iec62056_21.telegram import block_check
from tests.protocols.d0_wire import converse

MODE_C = Identification("ISk", "5", "MT174-0001")
MODE_C_SLOW = Identification("LGZ", "3", "ZMD310")
MODE_B = Identification("LUG", "C", "UH50")
MODE_A = Identification("XYZ", "9", "old")
METERS = [MODE_C, MODE_C_SLOW, MODE_B, MODE_A]
READ_OUT = (
    DataSet("0.0.0", (Value("63355730"),)),
    DataSet("1.8.0", (Value("0008048.375", "kWh"),)),
)


def plain(telegram: D0Telegram) -> list[DataSet]:
    return [data_set._replace(offset=0) for data_set in telegram.data_sets]


def meter_of(who: Identification, data_sets: Sequence[DataSet] = READ_OUT, **options: object):  # noqa: ANN201
    return answer(who, lambda: data_sets, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("echo", [False, True])
@pytest.mark.parametrize("who", METERS)
def test_every_mode_is_read_with_and_without_echo(who: Identification, echo: bool) -> None:
    telegram, reader, meter = converse(read_out(), meter_of(who), echo=echo)
    assert plain(telegram) == list(READ_OUT)
    assert (telegram.identification, telegram.checked) == (who, True)
    assert reader.baud == meter.baud == who.baud


def test_mode_c_acknowledges_at_300_and_only_then_switches() -> None:
    _, reader, meter = converse(read_out(), meter_of(MODE_C_SLOW))
    steps = [step for step in reader.history if not isinstance(step, Receive)]
    assert steps == [Send(b"/?!\r\n"), Pause(0.2), Send(b"\x06030\r\n"), SetBaud(2400)]
    assert meter.baud == 2400


def test_a_fast_meter_is_answered_after_20_ms() -> None:
    _, reader, _ = converse(read_out(), meter_of(MODE_C))
    assert Pause(0.02) in reader.history


def test_mode_b_switches_without_an_acknowledgement() -> None:
    _, reader, _ = converse(read_out(), meter_of(MODE_B))
    steps = [step for step in reader.history if not isinstance(step, Receive)]
    assert steps == [Send(b"/?!\r\n"), SetBaud(2400)]


def test_a_sleeping_heat_meter_is_woken_first() -> None:
    _, reader, _ = converse(read_out(wake_up=WAKE_UP_ULTRAHEAT), meter_of(MODE_B))
    assert reader.history[:3] == [Send(bytes(40)), Pause(0.0), Send(b"/?!\r\n")]


def test_a_slow_head_limits_the_rate() -> None:
    _, reader, meter = converse(read_out(baud_max=4800), meter_of(MODE_C))
    assert Send(b"\x06040\r\n") in reader.history
    assert reader.baud == meter.baud == 4800


def test_a_head_that_can_only_300_stays_there() -> None:
    _, reader, _ = converse(read_out(baud_max=300), meter_of(MODE_C))
    assert Send(b"\x06000\r\n") in reader.history
    assert [step for step in reader.history if isinstance(step, SetBaud)] == []


def test_the_configured_mode_wins_over_the_baud_character() -> None:
    lying = Identification("ITR", "5", "EM214")
    telegram, reader, _ = converse(read_out(mode="A"), meter_of(lying))
    assert plain(telegram) == list(READ_OUT)
    assert [step for step in reader.history if isinstance(step, SetBaud)] == []


def test_a_meter_answers_to_its_own_address_and_to_none() -> None:
    for asked in ("", "12345", "0012345"):
        telegram, _, _ = converse(read_out(asked), meter_of(MODE_C, address="0012345"))
        assert plain(telegram) == list(READ_OUT)
    with pytest.raises(ProtocolError) as refused:
        converse(read_out("999"), meter_of(MODE_C, address="0012345"))
    assert refused.value.code == "d0.silent"


def test_a_meter_that_speaks_first_of_something_else_is_told_apart_from_a_silent_one() -> None:
    with pytest.raises(ProtocolError) as refused:
        converse(read_out(), meter_of(MODE_C), spoil=lambda data: b"\xa5" * len(data))
    assert refused.value.code == "d0.no_identification"


def test_a_meter_that_stops_after_its_identification_is_told() -> None:
    with pytest.raises(ProtocolError) as refused:
        converse(read_out(), meter_of(MODE_C), spoil=lambda data: data if data.startswith(b"/") else b"")
    assert refused.value.code == "d0.no_data"


def test_a_read_out_that_breaks_off_is_refused() -> None:
    with pytest.raises(ProtocolError) as refused:
        converse(read_out(), meter_of(MODE_C), spoil=lambda data: data[:-20] if b"\x02" in data else data)
    assert refused.value.code == "d0.truncated"


def test_a_missing_block_check_is_taken_where_the_configuration_says_so() -> None:
    def without_etx(data: bytes) -> bytes:
        return data[:-2] if b"\x02" in data else data

    with pytest.raises(ProtocolError) as refused:
        converse(read_out(), meter_of(MODE_C), spoil=without_etx)
    assert refused.value.code == "d0.bcc_missing"
    telegram, _, _ = converse(read_out(bcc="if_sent"), meter_of(MODE_C), spoil=without_etx)
    assert plain(telegram) == list(READ_OUT)


def test_a_read_out_at_another_rate_than_agreed_ends_in_an_error() -> None:
    """The meter did not hear the acknowledgement and sends at 300 Bd; the reader listens at 9600."""
    deaf = Identification("ISk", "0", "MT174-0001")
    with pytest.raises(ProtocolError) as refused:
        converse(
            read_out(),
            meter_of(deaf),
            spoil=lambda data: data.replace(b"/ISk0", b"/ISk5"),
        )
    assert refused.value.code in ("d0.truncated", "d0.size", "d0.line")


def test_a_meter_on_a_fixed_rate_is_read_at_it() -> None:
    reader = read_out(initial_baud=2400, baud_max=2400)
    telegram, end, _ = converse(reader, meter_of(MODE_A, initial_baud=2400))
    assert plain(telegram) == list(READ_OUT)
    assert end.baud == 2400


@pytest.mark.parametrize("address", ["a!b", "x" * 33, "\x01"])
def test_an_address_that_cannot_be_sent_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="not a device address"):
        encode_request(address)


def test_the_answer_is_awaited_as_long_as_the_standard_allows() -> None:
    assert all(
        step.timeout_s > REACTION_S_MAX
        for step in converse(read_out(), meter_of(MODE_C))[1].history
        if isinstance(step, Receive)
    )


class Faults:
    """What a bad line does to what the meter sends. A parity error arrives as NUL, as the port is set.

    Bytes lost or gained that cancel out in the block check are left out: nothing in it notices them.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._earlier = b""

    def __call__(self, data: bytes) -> bytes:
        rng = self._rng
        spoiled = bytearray(data)
        kind = rng.randrange(8)
        if kind == 0:
            spoiled = bytearray()
        elif kind == 1:
            del spoiled[rng.randrange(len(spoiled)) :]
        elif kind == 2:
            for at in rng.sample(range(len(spoiled)), rng.randint(1, min(5, len(spoiled)))):
                spoiled[at] = 0
        elif kind == 3:
            at = rng.randrange(len(spoiled))
            del spoiled[at : at + rng.randint(1, 10)]
        elif kind == 4:
            at = rng.randrange(len(spoiled) + 1)
            spoiled[at:at] = rng.randbytes(rng.randint(1, 4)).translate(None, b"0123456789")
        elif kind == 5:
            spoiled = bytearray(self._earlier[-rng.randint(1, 40) :]) + spoiled  # the end of a late answer
        if kind in (3, 4) and block_check(bytes(spoiled)) == block_check(data):
            spoiled = bytearray()
        self._earlier = data
        return bytes(spoiled)


def exchanges(count: int, seed: int) -> Counter[str]:
    """Read-outs under faults, each with other values: how often they came, or were refused how."""
    rng = random.Random(seed)
    faults = Faults(rng)
    outcomes: Counter[str] = Counter()
    for _ in range(count):
        sets = [
            DataSet(f"1.8.{n}", (Value(f"{rng.randrange(10**7):07}.{rng.randrange(1000):03}", "kWh"),))
            for n in range(4)
        ]
        who = rng.choice(METERS)
        try:
            telegram, _, _ = converse(read_out(), meter_of(who, sets), spoil=faults, echo=rng.random() < 0.3)
        except ProtocolError as error:
            outcomes[error.code] += 1
        else:
            assert plain(telegram) == sets
            outcomes["read"] += 1
    return outcomes


def test_no_wrong_value_is_accepted_on_a_bad_line(seed: int) -> None:
    assert exchanges(500, seed)["read"] > 50


@pytest.mark.proof
def test_no_wrong_value_is_accepted_over_10000_exchanges(seed: int) -> None:
    outcomes = exchanges(10_000, seed)
    print(dict(outcomes))
    assert outcomes["read"] > 1000
