"""IEC 62056-21: what the server role sends, the client role reads, whatever the line does to it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import ProtocolError
from protocols.iec62056_21 import (
    TELEGRAM_BYTES_MAX,
    D0Receiver,
    D0Telegram,
    DataSet,
    Identification,
    Value,
    encode_block,
    encode_push,
    obis_of,
    unit_name,
)
from protocols.iec62056_21.data_sets import decode_data_sets, encode_data_sets
from protocols.iec62056_21.identification import decode_identification, encode_identification
from protocols.iec62056_21.telegram import block_check
from protocols.value import Scaled
from tests.protocols.fuzz import INPUTS_PROOF, INPUTS_SHORT, assert_linear_time, fuzz
from tests.protocols.test_iec62056_21_corpus import corpus_seeds

ISKRA = Identification("ISk", "5", "MT174-0001")
READ_OUT = (
    DataSet("0.0.0", (Value("63355730"),)),
    DataSet("1.8.0", (Value("0008048.375", "kWh"),)),
    DataSet("1.6.0", (Value("02.468", "kW"), Value("1703100930"))),
)
NUMBERS = st.from_regex(r"[+-]?[0-9]{1,9}(\.[0-9]{1,7})?", fullmatch=True)
PRINTABLE = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) not in "()&*")
VALUES = st.one_of(
    st.tuples(NUMBERS, st.sampled_from(["", "kWh", "m3ph", "C"])),
    st.tuples(st.text(PRINTABLE, max_size=20), st.just("")),
    st.tuples(st.sampled_from(["----", " "]), st.just("kW")),
)
ADDRESSES = st.one_of(
    st.sampled_from(["1-0:1.8.0*255", "F.F", "0.9.1", "6.8*01", "1.8.1&2", "F"]),
    st.text("0123456789.CFLP*-:&#", min_size=1, max_size=20),
)


def _data_set(address: str, values: list[tuple[str, str]]) -> DataSet:
    """Every second value stands in the parentheses of the one before it."""
    joined = (place % 2 == 1 for place in range(len(values)))
    return DataSet(address, tuple(map(Value, *zip(*values, strict=True), joined)))


DATA_SETS = st.lists(
    st.builds(_data_set, address=ADDRESSES, values=st.lists(VALUES, min_size=1, max_size=4)),
    min_size=1,
    max_size=6,
)
IDENTIFICATIONS = st.builds(
    Identification,
    st.from_regex(r"[A-Z]{2}[A-Za-z]", fullmatch=True),
    st.sampled_from("0123456ABCDEF9Z"),
    st.text("ABCxyz0189-_. ", max_size=16),
    st.sampled_from(["", "\\2", "\\@"]),
)


def read(
    stream: bytes, receiver: D0Receiver | None = None, *, chunk: int = 1 << 20
) -> list[D0Telegram | ProtocolError]:
    receiver = receiver or D0Receiver()
    found: list[D0Telegram | ProtocolError] = []
    for at in range(0, len(stream), chunk):
        found += receiver.receive_data(stream[at : at + chunk])
    return found + receiver.receive_end()


def codes(found: list[D0Telegram | ProtocolError]) -> list[str]:
    return [item.code if isinstance(item, ProtocolError) else "telegram" for item in found]


def texts(found: list[D0Telegram | ProtocolError]) -> list[str]:
    return [str(item) for item in found]


def plain(telegram: D0Telegram | ProtocolError) -> list[DataSet]:
    assert isinstance(telegram, D0Telegram), telegram
    return [data_set._replace(offset=0) for data_set in telegram.data_sets]


def framed(data_sets: tuple[DataSet, ...] = READ_OUT) -> bytes:
    return encode_identification(ISKRA) + encode_block(data_sets)


@given(IDENTIFICATIONS, DATA_SETS)
def test_a_framed_read_out_comes_back_as_it_was(who: Identification, data_sets: list[DataSet]) -> None:
    stream = encode_identification(who) + encode_block(data_sets)
    (telegram,) = D0Receiver(bcc="required").receive_data(stream)
    assert plain(telegram) == data_sets
    assert isinstance(telegram, D0Telegram)
    assert (telegram.identification, telegram.checked) == (who, True)
    assert (telegram.offset, telegram.end) == (0, len(stream))


@given(IDENTIFICATIONS, DATA_SETS)
def test_a_push_comes_back_without_waiting_for_more(who: Identification, data_sets: list[DataSet]) -> None:
    (telegram,) = D0Receiver().receive_data(encode_push(who, data_sets))
    assert plain(telegram) == data_sets
    assert isinstance(telegram, D0Telegram)
    assert (telegram.identification, telegram.checked) == (who, False)


@given(DATA_SETS, DATA_SETS, st.binary(max_size=40), st.integers(1, 9), st.booleans())
def test_pieces_and_noise_change_nothing(
    first: list[DataSet], second: list[DataSet], noise: bytes, chunk: int, pushed: bool
) -> None:
    one, two = [
        encode_push(ISKRA, sets) if pushed else encode_identification(ISKRA) + encode_block(sets)
        for sets in (first, second)
    ]
    stream = noise + one + noise + two + noise
    assert texts(read(stream)) == texts(read(stream, chunk=chunk))
    harmless = noise.translate(None, b"/\x02")
    found = read(harmless + one + harmless + two + harmless)
    assert [plain(telegram) for telegram in found] == [first, second]


@pytest.mark.parametrize("stream", [framed(), encode_push(ISKRA, READ_OUT)])
def test_a_truncated_read_out_gives_no_values_at_any_length(stream: bytes) -> None:
    mark = stream.rindex(b"!")
    for length in range(len(stream)):
        found = read(stream[:length])
        whole_data = length > mark  # all data sets and "!" are there; a block check may be missing
        assert codes(found) in ([], ["d0.truncated"], ["telegram"] if whole_data else [])
        if whole_data and b"\x02" in stream:
            assert codes(read(stream[:length], D0Receiver(bcc="required"))) == ["d0.bcc_missing"]


def test_a_read_out_cut_short_does_not_take_the_next_one_with_it() -> None:
    whole = framed()
    for length in range(1, len(whole) - 1):
        found = read(whole[:length] + whole, D0Receiver(bcc="required"))
        assert plain(found[-1]) == list(READ_OUT), length
        assert all(isinstance(item, ProtocolError) for item in found[:-1])


def test_every_flipped_bit_of_a_block_is_noticed() -> None:
    whole = framed()
    for at in range(whole.index(b"\x02"), len(whole)):
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[at] ^= 1 << bit
            found = read(bytes(damaged), D0Receiver(bcc="required"))
            assert all(isinstance(item, ProtocolError) for item in found), (at, bit, found)


@pytest.mark.parametrize(
    ("stream", "code"),
    [
        (b"/ISk5MT\r\n\r\n1.8.0(000A1.5*kWh)\r\n!\r\n", "d0.number"),
        (b"/ISk5MT\r\n\r\n1.8.0(0001.5*kWh\r\n!\r\n", "d0.line"),
        (b"/ISk5MT\r\n\r\n1.8.0(0(01.5*kWh))\r\n!\r\n", "d0.line"),
        (b"/ISk5MT\r\n\r\n1.8.0(00\x001.5*kWh)\r\n!\r\n", "d0.line"),
        (b"/ISk5MT\r\n\r\n1.8.0(0001.5*kWh)\r\n!A1B2\r\n", "d0.end"),
        (b"/ISk5MT\r\n\x02(12345)\x03", "d0.end"),
        (b"/ISk5MT\r\n\x021.8.0(1.5*kWh)\r\n!\r\n\x03\x03", "d0.bcc"),
        (b"/ISk5MT\r\n\r\n1.8.0(0001.5*kWh)\r\n/ISk5MT\r\n", "d0.cut"),
        (b"/ISk5MT\r\n\r\n1.8.0(0001.5*kWh)\r\n", "d0.truncated"),
        (b"/ISk5MT\r\n\r\n" + b"1.8.0(0001.5*kWh)\r\n" * 4000, "d0.size"),
    ],
)
def test_what_is_damaged_is_refused_by_its_name(stream: bytes, code: str) -> None:
    assert codes(read(stream))[0] == code


def test_the_offset_of_an_error_is_where_it_stands_in_the_stream() -> None:
    stream = b"noise" + framed() + b"/ISk5MT\r\n\r\n1.8.0(0(01.5*kWh))\r\n!\r\n"
    error = read(stream)[-1]
    assert isinstance(error, ProtocolError)
    assert stream[error.offset :].startswith(b"1.8.0(0(01")


def test_data_sets_know_where_they_stand_in_the_stream() -> None:
    stream = b"\0\0\0" + framed()
    (telegram,) = read(stream)
    assert isinstance(telegram, D0Telegram)
    for data_set in telegram.data_sets:
        assert stream[data_set.offset :].startswith(data_set.address.encode() + b"(")


def test_several_data_sets_a_line_and_several_values_in_one_pair_of_parentheses() -> None:
    line = b"6.8(0029.055*MWh)6.26(01589.28*m3)9.4(108.5*C&088.1*C)F(0)6.36.4()!\r\n"
    (telegram,) = read(b"/LUGCUH50\r\n" + line)
    heat, volume, temperatures, error, empty = plain(telegram)
    assert heat.values[0].number == Scaled(29055, -3)
    assert volume == DataSet("6.26", (Value("01589.28", "m3"),))
    assert temperatures.values == (Value("108.5", "C"), Value("088.1", "C", joined=True))
    assert (error.values, empty.values) == ((Value("0"),), (Value(""),))
    assert isinstance(telegram, D0Telegram)
    assert telegram.obis(heat) == bytes((6, 0, 6, 8, 0, 255))


def test_an_exclamation_mark_inside_of_values_ends_nothing() -> None:
    lines = b"0.2.2(:::::G11)!(:::::G11)(!)\r\n1.8.0(!)\r\n"
    (telegram,) = read(b"/PAF5EC3G\r\n\x02" + lines + b"!\r\n")
    assert plain(telegram)[0].values == (Value(":::::G11"), Value(":::::G11"), Value("!"))
    assert plain(telegram)[1].values == (Value("!"),)


def test_the_echo_of_the_request_is_no_telegram() -> None:
    for noise in (b"", b"\xff", b"\0\0"):
        found = read(b"\0" * 40 + b"/?!\r\n" + noise + framed())
        assert [plain(item) for item in found] == [list(READ_OUT)]
        assert isinstance(found[0], D0Telegram)
        assert found[0].identification == ISKRA


def test_garbage_of_a_baud_switch_before_stx_is_passed_over() -> None:
    stream = encode_identification(ISKRA) + b"\x06050\r\n\xff\x82\r" + encode_block(READ_OUT)
    (telegram,) = read(stream)
    assert plain(telegram) == list(READ_OUT)


def test_a_recording_without_identification_is_read_when_said_so() -> None:
    stream = encode_push(ISKRA, READ_OUT).split(b"\r\n\r\n")[1]
    assert read(stream) == []
    (telegram,) = read(stream, D0Receiver(begun=True))
    assert plain(telegram) == list(READ_OUT)


def test_a_wrong_block_check_counts_only_where_it_is_not_ignored() -> None:
    damaged = framed()[:-1] + b"X"
    assert codes(read(damaged)) == ["d0.bcc"]
    (telegram,) = read(damaged, D0Receiver(bcc="ignored"))
    assert plain(telegram) == list(READ_OUT)
    assert isinstance(telegram, D0Telegram)
    assert not telegram.checked


def test_parity_in_the_data_is_taken_off_and_checked() -> None:
    even = bytes(byte | (byte.bit_count() % 2) << 7 for byte in framed())
    (telegram,) = read(even, D0Receiver(parity_in_data=True))
    assert plain(telegram) == list(READ_OUT)
    damaged, block = bytearray(even), even.index(0x82)
    for at in (
        even.index(0x30, block),
        even.index(0xB1, block),
    ):  # twice the same bit, which the block check cannot see
        damaged[at] ^= 0x04
    assert codes(read(bytes(damaged), D0Receiver(parity_in_data=True)))[0] != "telegram"


@pytest.mark.parametrize(
    ("address", "medium", "expected"),
    [
        ("1-0:1.8.0*255", 1, "01000108 00ff"),
        ("1.8.0", 1, "01000108 00ff"),
        ("1.8.1*07", 1, "01000108 0107"),
        ("1.8.0*00", 1, "01000108 0000"),
        ("1.6.1&3", 1, "01000106 0103"),
        ("6.8*01", 6, "06000608 0001"),
        ("1-1:F.F", 1, "01016161 00ff"),
        ("C.1.0", 1, "01006001 00ff"),
        ("0-0:96.1.255*255", 1, "00006001 ffff"),
    ],
)
def test_addresses_become_obis_codes(address: str, medium: int, expected: str) -> None:
    assert obis_of(address, medium) == bytes.fromhex(expected)


@pytest.mark.parametrize(
    "address", ["", "F", "1.8.0*999", "3:14", "1-0:1.8", "1.8.0.0.0", "٣.8.0", "1.8.256"]
)
def test_what_is_no_obis_code_is_none(address: str) -> None:
    assert obis_of(address) is None or address == "1-0:1.8"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0008048.375", Scaled(8048375, -3)),
        ("-000128.41", Scaled(-12841, -2)),
        ("+000.8", Scaled(8, -1)),
        (" 20000", Scaled(20000, 0)),
        ("", None),
        ("1e5", None),
        ("0x10", None),
        ("1.2.3", None),
        ("9" * 21, None),
        ("٣", None),
    ],
)
def test_numbers_are_exact_and_nothing_else_is_one(text: str, number: Scaled | None) -> None:
    assert Value(text).number == number


def test_numerals_that_may_be_an_identity_stay_text() -> None:
    assert Value("0273033000044").content == "0273033000044"
    assert Value("000001.2963").content == Scaled(12963, -4)
    assert Value("00441", "Wh").content == Scaled(441, 0)
    assert Value("----", "kW").content == "----"


def test_units_have_their_name_in_the_house() -> None:
    sent = ["kWh", "MWh", "kVArh", "kVAr", "m3ph", "C", "GJ", "secs", "dm3", "W", "Hz", "furlong"]
    names = ["kWh", "MWh", "kvarh", "kvar", "m3/h", "degC", "GJ", "s", "l", "W", "Hz", None]
    assert [unit_name(unit) for unit in sent] == names


@pytest.mark.parametrize(
    ("line", "mode", "baud", "reaction_s"),
    [
        (b"/LGZ5\\2ZMD4104407.B31\r\n", "C", 9600, 0.2),
        (b"/ISk5MT174-0001\r\n", "C", 9600, 0.02),
        (b"/LUGCUH50\r\n", "B", 2400, 0.2),
        (b"/XYZ6\r\n", "C", 19200, 0.2),
        (b"/XYZ0\r\n", "C", 300, 0.2),
        (b"/XYZF\r\n", "B", 19200, 0.2),
        (b"/XYZ9old\r\n", "A", 300, 0.2),
    ],
)
def test_an_identification_tells_mode_rate_and_reaction_time(
    line: bytes, mode: str, baud: int, reaction_s: float
) -> None:
    who = decode_identification(line)
    assert who is not None
    assert (who.mode, who.baud, who.reaction_s) == (mode, baud, reaction_s)
    assert encode_identification(who) == line


@given(DATA_SETS)
def test_what_the_encoder_accepts_the_decoder_reads(data_sets: list[DataSet]) -> None:
    found, unread = decode_data_sets(encode_data_sets(data_sets).decode(), 0)
    assert ([found_set._replace(offset=0) for found_set in found], unread) == (data_sets, ())


@pytest.mark.parametrize(
    "data_set", [DataSet("1.8.0", ()), DataSet("1(8", (Value("1"),)), DataSet("1.8.0", (Value("1)"),))]
)
def test_a_data_set_that_would_be_read_differently_is_not_sent(data_set: DataSet) -> None:
    with pytest.raises(ValueError, match="can be sent"):
        encode_data_sets([data_set])


@given(st.binary(max_size=300))
def test_the_block_check_is_the_exclusive_or_of_all_bytes(data: bytes) -> None:
    expected = 0
    for byte in data:
        expected ^= byte
    assert block_check(data) == expected


def outcomes(count: int, seed: int) -> dict[str, int]:
    def decode(data: bytes) -> list[D0Telegram | ProtocolError]:
        return read(data)

    seeds = [framed(), encode_push(ISKRA, READ_OUT), *corpus_seeds()]
    return dict(fuzz(decode, seeds, seed, count, D0Telegram))


def test_mutated_read_outs_give_values_or_protocol_errors(seed: int) -> None:
    assert outcomes(INPUTS_SHORT, seed)["D0Telegram"]


@pytest.mark.proof
def test_a_million_mutated_read_outs_give_values_or_protocol_errors(seed: int) -> None:
    print(outcomes(INPUTS_PROOF, seed))


HOSTILE = [
    b"/",
    b"/ISk5",
    b"/ISk5\r\n",
    b"/ISk5\r\n(",
    b"\x02",
    b"\x02\x03",
    b"(",
    b"()",
    b"1.8.0(1*kWh)\r\n",
    b"\n!",
    b"/ISk5\r\n1.8.0(1/ISk5\r\n",
    b"x/ISk5\r\n",
    b"/ISk5\r\n" + b"(0/ABC5\r\n" * 6000 + b"!\r\n",
    b"/ISk5\r\n" + b"\r" * 2000 + b" " * 2000,
    b"/ISk5\r\nabc(" + b"\x02" * 60000,
    b"/ISk5\r\n1.8.0(1" + b"&" * 60000 + b")\r\n!\r\n",
]


def after_identification(data: bytes) -> list[D0Telegram | ProtocolError]:
    return read(b"/ISk5\r\n" + data)


def test_time_is_linear_in_hostile_input() -> None:
    assert_linear_time(read, HOSTILE, size_bytes=150_000)
    assert_linear_time(after_identification, HOSTILE, size_bytes=150_000)


@pytest.mark.proof
def test_time_is_linear_in_hostile_input_up_to_a_megabyte() -> None:
    assert_linear_time(read, HOSTILE)
    assert_linear_time(after_identification, HOSTILE)


def test_memory_is_bounded_whatever_comes(seed: int) -> None:
    rng = random.Random(seed)
    for pattern in HOSTILE:
        receiver = D0Receiver()
        stream = pattern * (150_000 // len(pattern) + 1)
        at = 0
        while at < len(stream):
            size = rng.randint(1, 5000)
            receiver.receive_data(stream[at : at + size])
            at += size
            assert len(receiver._frames._buffer) <= TELEGRAM_BYTES_MAX + 5000 + 8
