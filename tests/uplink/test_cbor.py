"""Any valid message survives its encoding; any bytes give a message or a ProtocolError."""

from __future__ import annotations

import cbor2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from protocols.errors import ProtocolError
from protocols.uplink import cbor
from protocols.uplink.deterministic import DEPTH_MAX, read_item, write_item
from protocols.uplink.messages import MESSAGE_SIZE_BYTES_MAX, Event, Instant, Message, SeriesTable, Unknown
from tests.uplink.messages import EXAMPLES, TABLE, batch_of, messages, minute_batch, tables

# What a decoder might stumble over: tags with decoders of their own, huge lengths, deep nesting.
HOSTILE = [
    bytes.fromhex("c4821a3b9aca0001"),  # 1 x 10^1000000000
    bytes.fromhex("c5821a3b9aca0001"),
    bytes.fromhex("d81e820100"),  # 1/0
    bytes.fromhex("d8236428612b29"),  # a regular expression
    bytes.fromhex("d81c81d81d00"),  # an array that contains itself
    b"\xc2\x59\x3f\x00" + b"\xff" * 0x3F00,  # an integer of 16 KiB
    b"\x9b\x7f" + b"\xff" * 7,  # an array of 2^63 items
    b"\x5b\x00\x00\x01" + bytes(5),
    b"\x81" * 16_000 + b"\x00",
    b"\xc1" * 16_000 + b"\x00",
    b"\xbf" * 200,
]


def fails(data: bytes) -> str:
    with pytest.raises(ProtocolError) as refused:
        cbor.decode_message(data)
    return refused.value.code


@settings(deadline=None)
@given(messages)
def test_every_message_survives_its_encoding(message: Message) -> None:
    payload = cbor.encode_message(message)
    assert cbor.decode_message(payload) == message
    assert payload == cbor2.dumps(cbor2.loads(payload), canonical=True)


@settings(deadline=None)
@given(tables)
def test_every_table_survives_its_encoding(table: SeriesTable) -> None:
    assert cbor.decode_table(cbor.encode_table(table)) == table


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=200))
@example(b"")
def test_any_bytes_give_a_message_or_a_protocol_error(data: bytes) -> None:
    try:
        cbor.decode_message(data)
    except ProtocolError as wrong:
        assert wrong.code.startswith("uplink.")  # noqa: PT017  (it may also not be raised)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(EXAMPLES)), st.data())
def test_any_damage_to_a_message_gives_a_message_or_a_protocol_error(name: str, data: st.DataObject) -> None:
    payload = bytearray(cbor.encode_message(EXAMPLES[name]))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(payload) - 1))
        payload[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    try:
        message = cbor.decode_message(bytes(payload))
    except ProtocolError:
        return
    if not isinstance(message, Unknown) and len(cbor2.loads(bytes(payload))) == len(
        cbor2.loads(cbor.encode_message(message))
    ):
        assert cbor.decode_message(cbor.encode_message(message)) == message


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.binary(max_size=9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=11) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=30,
)


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 9), st.lists(plain, max_size=11))
def test_any_array_gives_a_message_or_a_protocol_error(kind: int, fields: list) -> None:
    try:
        cbor.decode_message(cbor2.dumps([kind, *fields], canonical=True))
    except ProtocolError as wrong:
        assert wrong.code.startswith("uplink.")  # noqa: PT017  (it may also not be raised)


@pytest.mark.parametrize("item", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_cbor_is_refused_before_it_is_decoded(item: bytes) -> None:
    assert fails(item) == "uplink.cbor"
    assert fails(b"\x84\x08\x00\x00" + item) == "uplink.cbor"


@pytest.mark.parametrize(
    "item", [b"\x19\x00\xff", b"\x58\x01a", b"\x9f\xff", b"\xf9\x7e\x00", b"\xf7", b"\xe0"]
)
def test_what_is_not_deterministic_or_not_of_the_subset_is_refused(item: bytes) -> None:
    assert fails(b"\x84\x08\x00\x00" + item) == "uplink.cbor"


def test_a_bignum_in_its_shortest_form_is_an_integer_and_others_are_refused() -> None:
    assert read_item(write_item(2**64), "uplink.cbor", 100) == 2**64
    assert read_item(write_item(-(2**64) - 1), "uplink.cbor", 100) == -(2**64) - 1
    assert read_item(write_item(2**512 - 1), "uplink.cbor", 100) == 2**512 - 1
    for item in (b"\xc2\x48" + b"\xff" * 8, b"\xc2\x49\x00" + b"\xff" * 8, write_item(2**512), b"\xc2\x09"):
        with pytest.raises(ProtocolError):
            read_item(item, "uplink.cbor", 100)


def test_nesting_is_bounded() -> None:
    deep = b"\x81" * (DEPTH_MAX - 1) + b"\x00"
    assert isinstance(cbor.decode_message(b"\x82\x08" + deep), Unknown)
    assert fails(b"\x82\x08\x81" + deep) == "uplink.cbor"


def test_bytes_after_the_end_are_refused() -> None:
    assert fails(cbor.encode_message(EXAMPLES["event"]) + b"\x00") == "uplink.cbor"


def test_more_than_16_kib_is_too_large_to_encode_and_to_decode() -> None:
    with pytest.raises(cbor.TooLargeError):
        cbor.encode_message(minute_batch(2**15))
    assert fails(b"\x9a" + bytes(MESSAGE_SIZE_BYTES_MAX)) == "uplink.cbor"


def test_content_that_no_receiver_would_accept_is_not_encoded() -> None:
    for wrong in (
        Event(1, -1, Instant(1, 1), None, "a", "b"),
        Event(2**32, 1, Instant(1, 1), None, "a", "b"),
        Event(1, 1, Instant(1, 1), None, "a" * 300, "b"),
        Unknown(9, 1, 1),
    ):
        with pytest.raises(ValueError, match="message"):
            cbor.encode_message(wrong)
    with pytest.raises(ValueError, match="meter id"):
        cbor.encode_table((TABLE[0], TABLE[0]))


def test_the_header_of_an_unreadable_message_can_be_read() -> None:
    assert cbor.read_header(write_item([1, 7, 9, "nonsense"])) == Unknown(1, 7, 9)
    assert cbor.read_header(write_item([9, -7, 9])) == Unknown(9, None, None)
    assert cbor.read_header(write_item([9])) == Unknown(9, None, None)


def test_more_members_at_the_end_of_meters_and_series_are_tolerated() -> None:
    rows = cbor2.loads(cbor.encode_table(TABLE))
    rows[0].append("later")
    rows[0][8][0].append({"later": 1})
    data = write_item(rows)
    assert cbor.decode_table(data) == TABLE
    payload = write_item([2, 1, 2, data])
    assert cbor.table_bytes_of(payload) == data, "the hash is over the bytes as they came"


def test_a_batch_without_readings_is_allowed() -> None:
    empty = batch_of([], [])
    assert cbor.decode_message(cbor.encode_message(empty)) == empty
