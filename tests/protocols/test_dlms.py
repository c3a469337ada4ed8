"""DLMS push: what is encoded is decoded again, however it arrives; what is wrong has its own error."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.dlms import (
    Bits,
    Data,
    DlmsReceiver,
    DlmsTelegram,
    DlmsTime,
    DlmsValue,
    Framing,
    Keys,
    decode_data,
    decode_time,
    encode_blocks,
    encode_data,
    encode_frames,
    encode_hdlc,
    encode_mbus,
    encode_notification,
    encode_time,
)
from protocols.dlms.axdr import (
    ARRAY,
    BCD,
    BIT_STRING,
    BOOLEAN,
    COMPACT_ARRAY,
    DATE,
    DATE_TIME,
    DEPTH_MAX,
    DONT_CARE,
    ENUM,
    FLOAT32,
    FLOAT64,
    INT8,
    INTEGERS,
    NULL,
    OCTET_STRING,
    STRINGS,
    STRUCTURE,
    TIME,
    UINT8,
    UINT16,
    UINT32,
)
from protocols.dlms.explain import explain_apdu, explain_push
from protocols.dlms.framing import HDLC_BYTES_MAX
from protocols.dlms.lists import list_values
from protocols.errors import DamagedTelegram, ProtocolError
from protocols.obis import parse_obis
from protocols.span import UNEXPLAINED
from protocols.value import Scaled, from_binary32, from_binary64
from tests.protocols.dlms_samples import ENERGY, KEYS, POWER, TITLE, ciphered, plain, values

FRAMINGS: tuple[Framing, ...] = ("hdlc", "mbus")


def receive(stream: bytes, keys: Keys = KEYS) -> list[DlmsTelegram | ProtocolError]:
    receiver = DlmsReceiver(keys.key, keys.authentication_key)
    return receiver.receive_data(stream) + receiver.receive_end()


def codes(found: list[DlmsTelegram | ProtocolError]) -> list[str]:
    return [item.code if isinstance(item, ProtocolError) else "telegram" for item in found]


# Data

_FLOAT32 = st.binary(min_size=4, max_size=4).map(from_binary32)
_FLOAT64 = st.binary(min_size=8, max_size=8).map(from_binary64)
_SIMPLE = st.one_of(
    st.sampled_from([Data(NULL, None), Data(DONT_CARE, None)]),
    st.booleans().map(lambda flag: Data(BOOLEAN, flag)),
    st.sampled_from(sorted(INTEGERS)).flatmap(
        lambda tag: st.binary(min_size=INTEGERS[tag][0], max_size=INTEGERS[tag][0]).map(
            lambda octets: Data(tag, int.from_bytes(octets, "big", signed=INTEGERS[tag][1]))
        )
    ),
    st.tuples(st.sampled_from(STRINGS), st.binary(max_size=200)).map(lambda pair: Data(*pair)),
    st.integers(0, 40).flatmap(
        lambda size: st.binary(min_size=(size + 7) // 8, max_size=(size + 7) // 8).map(
            lambda octets: Data(BIT_STRING, Bits(octets, size))
        )
    ),
    _FLOAT32.map(lambda value: Data(FLOAT32, value)),
    _FLOAT64.map(lambda value: Data(FLOAT64, value)),
    *(
        st.binary(min_size=size, max_size=size).map(lambda octets, tag=tag: Data(tag, octets))
        for tag, size in ((BCD, 1), (DATE_TIME, 12), (DATE, 5), (TIME, 4))
    ),
)
_ROW = st.tuples(st.integers(0, 255), st.binary(max_size=5)).map(
    lambda pair: Data(STRUCTURE, (Data(UINT8, pair[0]), Data(OCTET_STRING, pair[1])))
)
_COMPACT = st.lists(_ROW, max_size=5).map(lambda rows: Data(COMPACT_ARRAY, tuple(rows)))
DATA = st.recursive(
    _SIMPLE | _COMPACT,
    lambda inner: st.tuples(st.sampled_from((ARRAY, STRUCTURE)), st.lists(inner, max_size=5)).map(
        lambda pair: Data(pair[0], tuple(pair[1]))
    ),
    max_leaves=20,
)


@given(DATA)
def test_data_of_every_type_are_the_same_again(data: Data) -> None:
    encoded = encode_data(data)
    assert decode_data(encoded) == (data, len(encoded))


@given(DATA)
def test_data_cut_at_any_length_are_an_error(data: Data) -> None:
    encoded = encode_data(data)
    for length in range(len(encoded)):
        with pytest.raises(ProtocolError):
            decode_data(encoded[:length])


def test_a_structure_whose_end_is_missing_is_an_error_at_once() -> None:
    """A library never comes back from these five bytes."""
    data = bytes.fromhex("0202090541")
    started_s = time.perf_counter()
    with pytest.raises(ProtocolError) as caught:
        decode_data(data)
    took_s = time.perf_counter() - started_s
    print(f"\n02 02 09 05 41 is {caught.value} after {took_s * 1e6:.0f} us")
    assert caught.value.code == "dlms.truncated"
    assert codes(receive(encode_frames(b"\x0f\0\0\0\0\0" + data, "hdlc"))) == ["dlms.truncated"]


@pytest.mark.parametrize(
    ("encoded", "code"),
    [
        ("0e", "dlms.tag_unknown"),
        ("02ff", "dlms.length"),
        ("020501", "dlms.length"),
        ("0201" * (DEPTH_MAX + 2) + "00", "dlms.depth"),
        ("09850000000001", "dlms.length"),
        ("0984ffffffff41", "dlms.truncated"),
        ("130002aabb", "dlms.compact"),  # elements of no bytes
        ("1301ffff01ffff0001aa", "dlms.compact"),
        ("1301ffff1101aa", "dlms.truncated"),
        ("13130011" + "00", "dlms.compact"),
        ("", "dlms.truncated"),
    ],
)
def test_what_is_no_data_has_its_own_error(encoded: str, code: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_data(bytes.fromhex(encoded))
    assert caught.value.code == code


def test_a_compact_array_of_the_standard_is_read() -> None:
    """Its type, the length of its contents, and rows without tags."""
    data, _ = decode_data(bytes.fromhex("130202 12 060c0001 00000010 0002 00000020".replace(" ", "")))
    rows = [(1, 16), (2, 32)]
    expected = [Data(STRUCTURE, (Data(UINT16, a), Data(UINT32, b))) for a, b in rows]
    assert data == Data(COMPACT_ARRAY, tuple(expected))


@given(st.binary(min_size=12, max_size=12))
def test_every_possible_date_is_the_same_again(octets: bytes) -> None:
    found = decode_time(octets)
    if found is not None:
        assert encode_time(found) == octets
        found.text()


def test_dates_say_what_the_meter_says() -> None:
    summer = decode_time(bytes.fromhex("07e704010615202300ff8880"))
    assert summer is not None
    assert (summer.text(), summer.is_valid) == ("2023-04-01T21:32:35+02:00", True)
    any_day = decode_time(bytes.fromhex("ffffffffff0c0000ff8000ff"))
    assert any_day is not None
    assert (any_day.year, any_day.hour, any_day.text()) == (None, 12, None)
    wrong = DlmsTime(2024, 2, 29, 4, 1, 2, 3, 0, 60, 1)
    assert (wrong.text(), wrong.is_valid) == ("2024-02-29T01:02:03-01:00", False)
    assert wrong._replace(year=2023).text() is None
    assert decode_time(b"SIMULATED 01") is None


# Streams


@settings(deadline=None)
@given(
    energies=st.lists(st.integers(0, 1 << 40), min_size=1, max_size=4),
    framing=st.sampled_from(FRAMINGS),
    segment_bytes=st.sampled_from([0, 40, 90]),
    before=st.binary(max_size=20),
    after=st.binary(max_size=20),
    pieces=st.integers(1, 50),
)
def test_telegrams_come_out_of_any_stream(
    *, energies: list[int], framing: Framing, segment_bytes: int, before: bytes, after: bytes, pieces: int
) -> None:
    """Whole or in pieces, with noise before and after that begins no frame."""
    noise = bytes.maketrans(b"\x7e\x68\xe6\xdb\xe0\x0f", bytes(6))
    before, after = before.translate(noise), b"\0" + after.translate(noise)  # A0 behind a flag is a start
    frames = [encode_frames(plain(energy), framing, segment_bytes=segment_bytes) for energy in energies]
    stream = before + b"".join(frames) + after
    receiver = DlmsReceiver()
    found: list[DlmsTelegram | ProtocolError] = []
    for at in range(0, len(stream), pieces):
        found += receiver.receive_data(stream[at : at + pieces])
        assert receiver.missing_bytes() >= 1
    assert [item.values for item in found if isinstance(item, DlmsTelegram)] == [
        tuple(values(energy)) for energy in energies
    ]
    assert codes(found) == ["telegram"] * len(energies)
    assert isinstance(found[0], DlmsTelegram)
    assert (found[0].offset, found[0].end) == (len(before), len(before) + len(frames[0]))
    assert receiver.receive_end() == []
    assert receiver.noise_bytes == len(before) + len(after)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_stream_cut_anywhere_gives_no_telegram(framing: Framing) -> None:
    stream = encode_frames(plain(), framing, segment_bytes=40)
    for length in range(len(stream)):
        assert "telegram" not in codes(receive(stream[:length])), length
        tail = codes(receive(stream[length + 1 :]))
        assert "telegram" not in tail, length


@pytest.mark.parametrize("framing", FRAMINGS)
def test_no_flipped_bit_gives_values(framing: Framing) -> None:
    stream = encode_frames(plain(), framing)
    for place in range(8 * len(stream)):
        damaged = bytearray(stream)
        damaged[place // 8] ^= 1 << place % 8
        found = receive(bytes(damaged))
        good = [item.values for item in found if isinstance(item, DlmsTelegram)]
        # A sum of M-Bus does not cover start, length and end; the address and CI it does. Values stay right.
        assert all(each == tuple(values()) for each in good), place
        assert framing == "mbus" or not good, place


def test_frames_that_share_a_flag_are_both_read() -> None:
    first, second = (encode_frames(plain(energy), "hdlc") for energy in (1, 2))
    found = receive(first + second[1:])
    assert codes(found) == ["telegram", "telegram"]


@pytest.mark.parametrize("address", ["41", "0223", "00020023", "cf"])
def test_addresses_of_every_size_are_read(address: str) -> None:
    octets = bytes.fromhex(address)
    for destination, source in ((octets, b"\x03"), (b"\x01", octets)):
        frame = encode_hdlc(b"\xe6\xe7\x00" + plain(), destination=destination, source=source)
        assert codes(receive(frame)) == ["telegram"]


def test_addresses_that_hdlc_does_not_have_are_refused_when_encoding() -> None:
    for address in (b"", b"\x02", b"\x02\x02\x03", b"\x03\x03"):
        with pytest.raises(ValueError, match="no HDLC address"):
            encode_hdlc(b"x", destination=address)
    with pytest.raises(ValueError, match="use segments"):
        encode_hdlc(bytes(HDLC_BYTES_MAX))


def test_a_bare_telegram_ends_with_silence_and_stands_alone() -> None:
    receiver = DlmsReceiver()
    assert receiver.receive_data(plain()) == []
    assert codes(receiver.receive_end()) == ["telegram"]
    assert codes(receive(plain()[:-1])) == []
    assert codes(receive(b"\0" + plain())) == []
    assert codes(receive(b"\xe6\xe7\x00" + plain())) == ["telegram"]
    assert codes(receive(b"\xe6\xe7\x00" + plain()[:-1])) == ["dlms.truncated"]
    assert codes(receive(b"".join(encode_blocks(ciphered(1), 30)))) == ["telegram"]


def test_lost_segments_and_blocks_are_named() -> None:
    frames = [encode_hdlc(block) for block in encode_blocks(ciphered(5), 30)]
    assert len(frames) == 4
    assert codes(receive(b"".join(frames))) == ["telegram"]
    lost = receive(frames[0] + frames[2] + frames[3])
    assert codes(lost) == ["dlms.block", "dlms.block"]
    assert "block 2" in str(lost[0])
    assert codes(receive(frames[0] + frames[1] + frames[1] + frames[2] + frames[3])) == ["telegram"]
    begun_again = receive(frames[0] + b"".join(frames))
    assert codes(begun_again) == ["dlms.block", "telegram"], "perhaps another transfer: nothing is mixed"
    assert codes(receive(frames[0] + frames[1])) == ["dlms.truncated"]
    segments = encode_mbus(plain(), segment_bytes=30)
    size = 30 + 11
    missing = receive(segments[:size] + segments[2 * size :])
    assert codes(missing)[0] == "dlms.segment"
    assert "segment 1" in str(missing[0])


def test_a_damaged_segment_spoils_its_telegram_and_no_other() -> None:
    first = bytearray(encode_frames(plain(1), "hdlc", segment_bytes=40))
    first[70] ^= 1
    found = receive(bytes(first) + encode_frames(plain(2), "hdlc", segment_bytes=40))
    assert codes(found)[0] == "dlms.fcs"
    good = [item.values for item in found if isinstance(item, DlmsTelegram)]
    assert good == [tuple(values(2))]


def test_a_request_to_a_meter_is_no_push() -> None:
    assert codes(receive(encode_hdlc(b"\xe6\xe6\x00\xc0\x01\xc1\x00\x03"))) == ["dlms.apdu"]


# Ciphering


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16), st.integers(0, 0xFFFFFFFF))
def test_ciphered_telegrams_open_with_their_keys(key: bytes, authentication_key: bytes, counter: int) -> None:
    keys = Keys(key, authentication_key)
    (telegram,) = receive(encode_frames(ciphered(counter, keys=keys), "hdlc"), keys)
    assert isinstance(telegram, DlmsTelegram)
    assert (telegram.values, telegram.meter) == (tuple(values(counter)), "SIM0001")
    assert (telegram.authenticated, telegram.encrypted) == (True, True)
    assert (telegram.counter, telegram.system_title) == (counter, TITLE)


@pytest.mark.parametrize(
    ("control", "with_authentication_key", "authenticated", "encrypted"),
    [
        (0x30, True, True, True),
        (0x30, False, False, True),
        (0x20, True, False, True),
        (0x10, True, True, False),
        (0x10, False, False, False),
        (0x70, True, True, True),
        (0x00, True, False, False),
    ],
)
def test_only_a_verified_tag_makes_a_telegram_authenticated(
    *, control: int, with_authentication_key: bool, authenticated: bool, encrypted: bool
) -> None:
    keys = KEYS if with_authentication_key else Keys(KEYS.key, None)
    (telegram,) = receive(encode_frames(ciphered(7, control=control), "hdlc"), keys)
    assert isinstance(telegram, DlmsTelegram)
    assert telegram.values == tuple(values(7))
    assert (telegram.authenticated, telegram.encrypted) == (authenticated, encrypted)


def test_wrong_and_missing_keys_are_told_without_any_key() -> None:
    stream = encode_frames(ciphered(7), "hdlc")
    wrong = bytes(range(100, 116))
    for keys, code in (
        (Keys(), "dlms.key_missing"),
        (Keys(wrong, KEYS.authentication_key), "dlms.tag"),
        (Keys(KEYS.key, wrong), "dlms.tag"),
        (Keys(wrong, None), "dlms.decrypt"),
    ):
        (error,) = receive(stream, keys)
        assert codes([error]) == [code]
        texts = str(error) + repr(keys)
        assert not any(key.hex() in texts.lower() for key in (wrong, *KEYS) if key is not None)
    with pytest.raises(ValueError, match="key has 15 bytes"):
        DlmsReceiver(bytes(15))


def test_every_damaged_bit_of_what_is_sealed_is_found_out() -> None:
    apdu = ciphered(7)
    for place in range(8 * (len(apdu) - 13), 8 * len(apdu)):
        forged = bytearray(apdu)
        forged[place // 8] ^= 1 << place % 8
        assert codes(receive(encode_frames(bytes(forged), "hdlc"))) == ["dlms.tag"]


def test_a_counter_that_does_not_rise_is_a_replay() -> None:
    receiver = DlmsReceiver(KEYS.key, KEYS.authentication_key)
    found = [
        item
        for counter in (5, 6, 6, 4, 7)
        for item in receiver.receive_data(encode_frames(ciphered(counter), "hdlc"))
    ]
    assert codes(found) == ["telegram", "telegram", "dlms.replay", "dlms.replay", "telegram"]
    assert "6 after 6" in str(found[2])
    recording = DlmsReceiver(KEYS.key, KEYS.authentication_key, check_counter=False)
    stream = encode_frames(ciphered(6), "hdlc") + encode_frames(ciphered(4), "hdlc")
    assert codes(recording.receive_data(stream)) == ["telegram", "telegram"]


def test_a_forged_counter_does_not_lock_the_meter_out() -> None:
    receiver = DlmsReceiver(KEYS.key, KEYS.authentication_key)
    forged = bytearray(ciphered(5))
    forged[12:16] = b"\xff" * 4
    assert codes(receiver.receive_data(encode_frames(bytes(forged), "hdlc"))) == ["dlms.tag"]
    assert codes(receiver.receive_data(encode_frames(ciphered(6), "hdlc"))) == ["telegram"]


@pytest.mark.parametrize(
    ("place", "octet", "code"),
    [
        (1, 7, "dlms.title"),
        (11, 0x31, "dlms.suite"),
        (11, 0xB0, "dlms.compressed"),
        (10, 0x7F, "dlms.truncated"),
    ],
)
def test_ciphering_that_is_not_known_is_told(place: int, octet: int, code: str) -> None:
    apdu = bytearray(ciphered(5))
    assert apdu[10] < 0x7F
    apdu[place] = octet
    assert codes(receive(encode_frames(bytes(apdu), "hdlc"))) == [code]


# Lists


def test_class_and_attribute_around_a_code_are_read_over() -> None:
    entry = Data(STRUCTURE, (Data(UINT16, 3), Data(OCTET_STRING, ENERGY), Data(INT8, 2), Data(UINT32, 77)))
    assert list_values(Data(ARRAY, (entry,))).values == (DlmsValue(ENERGY, Scaled(77, 0)),)


def test_a_push_object_list_gives_its_values_their_objects() -> None:
    def captured(obis: bytes) -> Data:
        return Data(STRUCTURE, (Data(UINT16, 3), Data(OCTET_STRING, obis), Data(INT8, 2), Data(UINT16, 0)))

    listed = Data(ARRAY, (captured(ENERGY), captured(POWER)))
    body = Data(STRUCTURE, (listed, Data(UINT32, 1), Data(UINT32, 2)))
    expected = (DlmsValue(ENERGY, Scaled(1, 0)), DlmsValue(POWER, Scaled(2, 0)))
    assert list_values(body).values == expected


def test_a_kaifa_list_of_one_value_is_power() -> None:
    body = Data(STRUCTURE, (Data(UINT32, 5852),))
    when = DlmsTime(2019, 2, 4, 1, 23, 52, 22, 0, None, 0)
    (telegram,) = receive(encode_frames(encode_notification(body, time=when, kaifa=True), "hdlc"))
    assert isinstance(telegram, DlmsTelegram)
    assert telegram.values == (DlmsValue(parse_obis("1-0:1.7.0"), Scaled(5852, 0), 27, 0),)
    assert telegram.time == when
    (other,) = receive(encode_frames(encode_notification(body, time=when), "hdlc"))
    assert isinstance(other, DlmsTelegram)
    assert other.values == ()


def test_a_kamstrup_with_current_transformers_counts_in_milliamperes() -> None:
    def listed(kind: bytes) -> tuple[DlmsValue, ...]:
        items = [Data(10, b"Kamstrup_V0001"), Data(OCTET_STRING, parse_obis("1-1:96.1.1")), Data(10, kind)]
        items += [Data(OCTET_STRING, parse_obis("1-1:31.7.0")), Data(UINT32, 1234)]
        return list_values(Data(STRUCTURE, tuple(items))).values

    assert listed(b"6861111")[-1].value == Scaled(1234, -2)
    assert listed(b"6851111")[-1].value == Scaled(1234, -3)


# Explanations


@given(st.binary(max_size=300))
def test_any_bytes_are_explained_without_a_hole(data: bytes) -> None:
    for spans in (explain_push(data, 5), explain_push(b"\x7e" + data, 5), explain_apdu(b"\x0f" + data)):
        assert all(before.end == after.start for before, after in pairwise(spans))


@pytest.mark.parametrize("framing", FRAMINGS)
def test_every_byte_of_a_telegram_has_its_name(framing: Framing) -> None:
    for stream in (
        encode_frames(plain(), framing, segment_bytes=40),
        encode_frames(ciphered(9), framing, segment_bytes=40),
        b"".join(encode_hdlc(block) for block in encode_blocks(plain(), 40)),
        plain(),
    ):
        spans = explain_push(stream)
        assert (spans[0].start, spans[-1].end) == (0, len(stream))
        assert all(before.end == after.start for before, after in pairwise(spans))
        assert UNEXPLAINED not in {span.kind for span in spans}
    kinds = {span.kind: span.value for span in explain_apdu(plain())}
    assert kinds["dlms.unit"] == "27 = W"
    assert kinds["dlms.scaler"] == "10^0"


def test_errors_say_which_bytes_they_took() -> None:
    stream = b"\xff\xff" + encode_frames(ciphered(1), "hdlc")
    (error,) = receive(stream, Keys())
    assert isinstance(error, DamagedTelegram)
    assert (error.start, error.end) == (2, len(stream))


def test_enum_is_a_number_and_null_is_none() -> None:
    items = (Data(OCTET_STRING, ENERGY), Data(ENUM, 1), Data(OCTET_STRING, POWER), Data(NULL, None))
    found = list_values(Data(STRUCTURE, items)).values
    assert found == (DlmsValue(ENERGY, Scaled(1, 0)), DlmsValue(POWER, None))
