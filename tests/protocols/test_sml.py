"""SML: what the server role pushes, the client role reads, whatever the line does to it."""

from __future__ import annotations

import time as clock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.checksums import crc16_x25
from protocols.errors import ProtocolError
from protocols.sml import FILE_BYTES_MAX, SmlReceiver, SmlTelegram, SmlTime, SmlValue, encode_telegram
from protocols.sml.messages import DZG_POWER, GET_LIST_RESPONSE, _encode_message
from protocols.sml.tlv import (
    DEPTH_MAX,
    LIST_ELEMENTS_MAX,
    Element,
    Number,
    decode_element,
    encode_element,
)
from protocols.sml.transport import ESCAPE, START, encode_file
from protocols.value import Scaled

OBIS = bytes((1, 0, 1, 8, 0, 255))
SERVER = bytes.fromhex("0a01454d480000a1bd34")
ESCAPES = st.lists(st.sampled_from([b"\x1b", b"\x01", b"\x00", b"\x1a", b"x"]), max_size=40).map(b"".join)
TIMES = st.builds(SmlTime, st.sampled_from(["index", "utc", "local"]), st.integers(0, 2**32 - 1))
VALUES = st.builds(
    SmlValue,
    obis=st.binary(min_size=6, max_size=6),
    value=st.one_of(
        st.none(),
        st.booleans(),
        st.binary(min_size=1, max_size=80),
        ESCAPES.filter(bool),
        st.builds(Scaled, st.integers(-(2**63), 2**64 - 1), st.integers(-128, 127)),
    ),
    unit=st.none() | st.integers(0, 255),
    status=st.none() | st.integers(0, 2**64 - 1),
    time=st.none() | TIMES,
)
PUSHES = st.lists(VALUES, max_size=20)


def each_byte(data: bytes) -> list[bytes]:
    return [data[place : place + 1] for place in range(len(data))]


def texts(found: list[SmlTelegram | ProtocolError]) -> list[object]:
    """Telegrams as they are, errors as text, so that runs can be compared."""
    return [str(item) if isinstance(item, ProtocolError) else item for item in found]


def codes(found: list[SmlTelegram | ProtocolError]) -> list[str]:
    return [item.code if isinstance(item, ProtocolError) else "telegram" for item in found]


def file_with(entries: Element, **places: Element) -> bytes:
    """A file of one GetListResponse whose value list is `entries`."""
    body: list[Element] = [None, SERVER, None, places.get("time"), entries, None, None]
    return encode_file(_encode_message(b"1", GET_LIST_RESPONSE, body, kermit=False))


def entry(value: Element, *, obis: Element = OBIS, scaler: Element = None, time: Element = None) -> Element:
    return [obis, None, time, None, scaler, value, None]


def values_of(stream: bytes, **options: bool) -> tuple[SmlValue, ...]:
    (telegram,) = SmlReceiver(**options).receive_data(stream)
    assert isinstance(telegram, SmlTelegram), telegram
    return telegram.values


@given(PUSHES, st.none() | TIMES, st.booleans(), st.booleans(), st.binary(max_size=30))
def test_server_role_is_read_by_client_role(
    values: list[SmlValue], time: SmlTime | None, kermit: bool, slow: bool, before: bytes
) -> None:
    push = encode_telegram(SERVER, values, transaction=7, list_name=b"list", time=time, kermit=kermit)
    receiver = SmlReceiver()
    stream = before + push
    found = [
        item for piece in (each_byte(stream) if slow else [stream]) for item in receiver.receive_data(piece)
    ]
    expected = SmlTelegram(SERVER, tuple(values), len(before), b"list", time)
    assert texts(found)[-1] == expected


@given(st.lists(PUSHES, min_size=1, max_size=4), st.binary(max_size=30), st.integers(0, 5))
def test_files_back_to_back_and_joined_mid_frame(
    pushes: list[list[SmlValue]], before: bytes, cut: int
) -> None:
    files = [encode_telegram(SERVER, values) for values in pushes]
    joined = files[0][12 + cut :]  # the listener came late to the first
    found = SmlReceiver().receive_data(joined + b"".join(files))
    telegrams = [item.values for item in found if isinstance(item, SmlTelegram)]
    assert telegrams == [tuple(values) for values in pushes]


def test_a_file_cut_at_any_length_gives_nothing_and_the_next_is_found() -> None:
    whole = encode_telegram(SERVER, [SmlValue(OBIS, Scaled(12345, -1), 30, 0x82, SmlTime("index", 9))])
    for length in range(len(whole)):
        receiver = SmlReceiver()
        assert receiver.receive_data(whole[:length]) == []
        assert receiver.missing_bytes() >= 1
        found = receiver.receive_data(whole + whole)
        assert codes(found)[-2:] in (
            ["telegram", "telegram"],
            ["sml.escape", "telegram"],
            ["sml.crc", "telegram"],
        )
        assert found[-1].values == SmlReceiver().receive_data(whole)[0].values  # type: ignore[union-attr]


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_damaged_file_is_never_a_telegram_and_the_next_one_is(place: int, flip: int) -> None:
    whole = encode_telegram(SERVER, [SmlValue(OBIS, Scaled(2**40 + place, -4), 30)])
    damaged = bytearray(whole)
    damaged[place % len(whole)] ^= flip
    receiver = SmlReceiver()
    before = receiver.receive_data(bytes(damaged))
    assert "telegram" not in codes(before)
    assert codes(receiver.receive_data(whole + whole))[-1] == "telegram"


def test_escapes_in_the_payload_are_doubled_on_the_wire() -> None:
    value = SmlValue(OBIS, ESCAPE * 2 + b"\x1b" + START)
    push = encode_telegram(SERVER, [value])
    assert push.count(ESCAPE * 2) >= 2
    assert values_of(push) == (value,)


def test_errors_name_what_is_wrong_with_the_transport() -> None:
    good = encode_telegram(SERVER, [SmlValue(OBIS, True)])
    cases = {
        "sml.crc": good[:-1] + bytes((good[-1] ^ 1,)),
        "sml.cut": good[:20] + good,
        "sml.escape": START + b"abcd" + ESCAPE + b"\x02abc",
        "sml.size": START + bytes(FILE_BYTES_MAX),
    }
    for code, stream in cases.items():
        found = SmlReceiver().receive_data(b"noise" + stream + good)
        assert codes(found) == [code, *["telegram"] * (2 if code == "sml.cut" else 1)], code
        error = found[0]
        assert isinstance(error, ProtocolError)
        assert error.offset is not None
        assert 5 <= error.offset <= 5 + len(stream)
    padded = START + bytes(4) + ESCAPE + b"\x1a\x04"
    assert codes(SmlReceiver().receive_data(padded + crc16_x25(padded).to_bytes(2, "little"))) == [
        "sml.padding"
    ]


@pytest.mark.parametrize("size", range(1, 9))
@pytest.mark.parametrize("signed", [True, False])
def test_integers_of_every_width_are_exact(size: int, signed: bool) -> None:
    bits = 8 * size
    extremes = [-(1 << bits - 1), -1, 0, (1 << bits - 1) - 1] if signed else [0, 1, (1 << bits) - 1]
    for integer in extremes:
        (value,) = values_of(
            file_with([entry(Number(integer, size, signed), scaler=Number(-4, 1, signed=True))])
        )
        assert value.value == Scaled(integer, -4)


def test_a_missing_scaler_is_ten_to_the_zero() -> None:
    assert values_of(file_with([entry(Number(5, 1, signed=False))]))[0].value == Scaled(5, 0)


def test_time_comes_in_every_form_that_meters_send() -> None:
    seconds, two = Number(77, 4, signed=False), Number(2, 1, signed=False)
    offset = Number(60, 2, signed=True)
    forms: list[tuple[Element, SmlTime | None]] = [
        (None, None),
        ([Number(1, 1, signed=False), seconds], SmlTime("index", 77)),
        ([two, seconds], SmlTime("utc", 77)),
        ([Number(3, 1, signed=False), [seconds, offset, offset]], SmlTime("local", 77)),
        (seconds, SmlTime("index", 77)),  # Holley
        ([two, b"?"], None),
    ]
    for sent, expected in forms:
        assert values_of(file_with([entry(True, time=sent)]))[0].time == expected


def test_the_dzg_sign_quirk_is_an_option_for_one_object() -> None:
    """35624 in two bytes marked as signed: 356.24 W from that meter, -299.12 W by the standard."""
    sent = Number(-29912, 2, signed=True)
    scaler = Number(-2, 1, signed=True)
    power = file_with([entry(sent, obis=DZG_POWER, scaler=scaler), entry(sent, scaler=scaler)])
    assert [str(value.value) for value in values_of(power)] == ["-299.12", "-299.12"]
    assert [str(value.value) for value in values_of(power, dzg_sign_quirk=True)] == ["356.24", "-299.12"]
    negative = file_with([entry(Number(-29912, 4, signed=True), obis=DZG_POWER, scaler=scaler)])
    assert str(values_of(negative, dzg_sign_quirk=True)[0].value) == "-299.12"


def test_contents_that_are_not_sml_are_named() -> None:
    cases: dict[str, bytes] = {
        "sml.no_list": encode_file(_encode_message(b"1", 0x0101, [None], kermit=False)),
        "sml.values": file_with(b"no list"),
        "sml.entry": file_with([[OBIS, None]]),
        "sml.object": file_with([entry(True, obis=b"short")]),
        "sml.scaler": file_with([entry(Number(1, 1, signed=False), scaler=Number(128, 1, signed=False))]),
        "sml.message": encode_file(b"\x72\x01\x01"),
        "sml.truncated": encode_file(b"\x76\x09\x01"),
        "sml.list": encode_file(b"\x76\x7f"),
        "sml.depth": encode_file(b"\x76" + b"\x71" * 12 + b"\x01"),
        "sml.type": encode_file(b"\x76\x22\x00\x01\x01\x01\x01"),
        "sml.length": encode_file(b"\x76\x80\x80\x80\x80\x01"),
    }
    for code, stream in cases.items():
        assert codes(SmlReceiver().receive_data(stream)) == [code]


def test_a_wrong_message_checksum_in_a_good_file_is_told() -> None:
    message = bytearray(
        _encode_message(b"1", GET_LIST_RESPONSE, [None, SERVER, None, None, []], kermit=False)
    )
    assert SmlReceiver().receive_data(encode_file(bytes(message)))[0].message_crc_good  # type: ignore[union-attr]
    message[-2] ^= 1
    (found,) = SmlReceiver().receive_data(encode_file(bytes(message)))
    assert isinstance(found, SmlTelegram)
    assert not found.message_crc_good


def test_the_server_id_of_the_open_response_stands_in() -> None:
    opened = _encode_message(b"1", 0x0101, [None, None, b"f", SERVER, None, None], kermit=False)
    listed = _encode_message(b"2", GET_LIST_RESPONSE, [None, None, None, None, []], kermit=False)
    (found,) = SmlReceiver().receive_data(encode_file(opened + listed))
    assert isinstance(found, SmlTelegram)
    assert found.server_id == SERVER


ELEMENTS: st.SearchStrategy[Element] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.binary(min_size=1, max_size=300),
        st.builds(Number, st.integers(0, 127), st.integers(1, 8), st.booleans()),
    ),
    lambda inner: st.lists(inner, max_size=20),
    max_leaves=30,
)


@given(ELEMENTS)
def test_elements_are_encoded_and_decoded_exactly(element: Element) -> None:
    encoded = encode_element(element)
    try:
        assert decode_element(encoded, 0) == (element, len(encoded))
    except ProtocolError as error:
        assert error.code == "sml.depth"  # noqa: PT017 - hypothesis nests deeper than any message


def test_lists_and_depth_are_bounded() -> None:
    wide: Element = [None] * LIST_ELEMENTS_MAX
    assert decode_element(encode_element(wide), 0)[0] == wide
    for bad, code in (
        (encode_element([None] * (LIST_ELEMENTS_MAX + 1)), "sml.list"),
        (b"\x71" * (DEPTH_MAX + 1) + b"\x01", "sml.depth"),
    ):
        with pytest.raises(ProtocolError) as caught:
            decode_element(bad, 0)
        assert caught.value.code == code


SML_LIKE = st.lists(
    st.one_of(
        st.binary(max_size=30),
        ESCAPES,
        st.sampled_from([START, ESCAPE + b"\x1a\x00", ESCAPE, b"\x76", b"\x77\x07", b"\x63\x07\x01\x77"]),
        PUSHES.map(lambda values: encode_telegram(SERVER, values)),
        st.binary(max_size=60).map(encode_file),
    ),
    max_size=8,
).map(b"".join)


@given(SML_LIKE)
def test_any_bytes_give_telegrams_or_errors_however_they_are_cut(stream: bytes) -> None:
    whole, slow = SmlReceiver(), SmlReceiver()
    expected = texts(whole.receive_data(stream))
    assert texts([item for byte in each_byte(stream) for item in slow.receive_data(byte)]) == expected
    assert whole.noise_bytes == slow.noise_bytes


@given(st.binary(max_size=400))
def test_any_payload_of_a_good_file_gives_telegrams_or_an_error(payload: bytes) -> None:
    assert SmlReceiver().receive_data(encode_file(payload))


def test_a_stream_without_end_is_bounded_in_memory() -> None:
    receiver = SmlReceiver()
    for endless in (bytes(1000), ESCAPE * 250, START * 125, (START + b"x" * 992)):
        for _ in range(100):
            receiver.receive_data(endless)
            assert len(receiver._files._buffer) <= FILE_BYTES_MAX + 1000 + 8


def test_time_is_linear_in_hostile_input() -> None:
    def seconds(stream: bytes) -> float:
        start = clock.perf_counter()
        SmlReceiver().receive_data(stream)
        return clock.perf_counter() - start

    for pattern in (
        ESCAPE,
        START,
        b"\x1b" * 7 + b"x",
        START + b"\x76" + b"\x71" * 8,
        START + ESCAPE * 3 + b"\x1a",
    ):
        hostile = pattern * (400_000 // len(pattern))
        small, large = min(seconds(hostile[:100_000]) for _ in range(3)), seconds(hostile)
        assert large < 12 * small + 0.2, pattern  # four times the input; generous for a loaded machine
