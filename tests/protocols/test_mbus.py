"""M-Bus: what the server role sends, the client role reads, whatever the line does to it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import DamagedTelegram, DeviceError, ProtocolError
from protocols.mbus.data_fields import DIF_CODINGS, LVAR_TEXT_MAX, SIZES, Coding, Value
from protocols.mbus.frames import (
    DATA_BYTES_MAX,
    FRAME_BYTES_MAX,
    Ack,
    Frame,
    FrameReceiver,
    LongFrame,
    Placed,
    ShortFrame,
    encode_frame,
)
from protocols.mbus.quantities import _ANY_MEDIUM, _TABLE, quantity_of
from protocols.mbus.records import (
    FUNCTIONS,
    MbusRecord,
    Records,
    decode_records,
    encode_records,
    make_record,
)
from protocols.mbus.telegram import (
    APPLICATION_ERRORS,
    MbusTelegram,
    decode_telegram,
    encode_error,
    encode_telegram,
)
from protocols.mbus.times import MbusTime, decode_time, encode_time
from protocols.mbus.vif import VIFE_MAX, meaning_of, size_of_vib, text_vib, vib_of
from protocols.quantities import by_name
from protocols.value import Scaled
from tests.protocols.mbus_samples import CODED, FRAMES, ORDINARY, RECORDS, variants

BYTE = st.integers(0, 255)
LONG = st.builds(LongFrame, BYTE, BYTE, BYTE, st.binary(max_size=DATA_BYTES_MAX))
ANY_FRAME = st.one_of(st.builds(ShortFrame, BYTE, BYTE), LONG, st.just(Ack()))
QUIET = st.lists(st.sampled_from([0, 1, 0x16, 0x55, 0xFE, 0xFF]), max_size=12).map(bytes)  # begins no frame


def texts(found: list[Frame | DamagedTelegram]) -> list[object]:
    return [str(item) if isinstance(item, ProtocolError) else item for item in found]


def codes(found: list[Frame | DamagedTelegram]) -> list[str]:
    return [item.code if isinstance(item, ProtocolError) else type(item).__name__ for item in found]


def received(stream: bytes) -> list[Frame | DamagedTelegram]:
    receiver = FrameReceiver()
    return receiver.receive_data(stream) + receiver.receive_end()


# Frames


@given(st.lists(ANY_FRAME, max_size=5))
def test_frames_back_to_back_are_found_whole_and_byte_by_byte(frames: list[Frame]) -> None:
    stream = b"".join(map(encode_frame, frames))
    assert FrameReceiver().receive_data(stream) == frames
    slow = FrameReceiver()
    assert [item for at in range(len(stream)) for item in slow.receive_data(stream[at : at + 1])] == frames
    assert slow.noise_bytes == 0


@given(ANY_FRAME, QUIET, QUIET)
def test_a_frame_between_noise_is_found_and_the_noise_counted(
    frame: Frame, before: bytes, after: bytes
) -> None:
    receiver = FrameReceiver()
    (found,) = receiver.receive_placed(before + encode_frame(frame) + after)
    assert found == Placed(frame, len(before), len(before) + len(encode_frame(frame)))
    assert receiver.noise_bytes == len(before) + len(after)


@given(LONG)
def test_a_long_frame_cut_anywhere_is_told_at_the_end_and_gives_nothing(frame: LongFrame) -> None:
    whole = encode_frame(frame)
    for size in range(1, len(whole)):
        receiver = FrameReceiver()
        assert receiver.receive_data(whole[:size]) == []
        assert receiver.missing_bytes() <= len(whole) - size
        first, *others = receiver.receive_end()
        assert isinstance(first, DamagedTelegram)
        assert (first.code, first.start, first.end) == ("mbus.truncated", 0, size)
        assert not any(isinstance(item, (Ack, ShortFrame)) for item in others if size > 4)


@given(LONG, LONG)
def test_a_frame_behind_one_that_was_cut_is_found(cut: LongFrame, whole: LongFrame) -> None:
    stream = encode_frame(cut)[:6] + encode_frame(whole)
    found = received(stream)
    assert whole in found or isinstance(found[0], LongFrame)  # where by chance the sum of both is right


def test_data_of_a_damaged_frame_become_no_acknowledgement_and_no_short_frame() -> None:
    inside = b"\xe5" + encode_frame(ShortFrame(0x5B, 1)) + b"\xe5"
    damaged = bytearray(encode_frame(LongFrame(8, 1, 0x72, inside * 5)))
    damaged[9] ^= 1
    receiver = FrameReceiver()
    assert codes(receiver.receive_data(bytes(damaged) + b"\xe5")) == ["mbus.checksum", "Ack"]
    assert receiver.noise_bytes == 0


@pytest.mark.parametrize(
    ("stream", "code", "offset"),
    [
        ("68 03 03 68 08 01 72 7C 16", "mbus.checksum", 7),
        ("68 03 03 68 08 01 72 7B 17", "mbus.stop", 8),
        ("68 03 04 68 08 01 72 7B 16", "mbus.length", 1),
        ("68 02 02 68 08 01 09 16 00", "mbus.length", 1),
        ("10 5B 01 5D 16", "mbus.checksum", 3),
    ],
)
def test_damage_is_named_with_its_place(stream: str, code: str, offset: int) -> None:
    (error,) = [item for item in received(b"\0" + bytes.fromhex(stream)) if isinstance(item, DamagedTelegram)]
    assert (error.code, error.offset, error.start) == (code, 1 + offset, 1)


def test_noise_that_looks_like_a_beginning_holds_an_acknowledgement_only_until_the_line_is_quiet() -> None:
    receiver = FrameReceiver()
    assert receiver.receive_data(b"\x68\xe5") == []
    assert codes(receiver.receive_end()) == ["mbus.truncated", "Ack"]


@given(st.lists(st.one_of(st.binary(max_size=20), ANY_FRAME.map(encode_frame)), max_size=6).map(b"".join))
def test_what_is_found_does_not_depend_on_how_the_stream_was_cut(stream: bytes) -> None:
    slow = FrameReceiver()
    found = [item for at in range(len(stream)) for item in slow.receive_data(stream[at : at + 1])]
    assert texts(found + slow.receive_end()) == texts(received(stream))
    assert not slow._buffer


def test_frames_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="252"):
        encode_frame(LongFrame(8, 1, 0x72, bytes(DATA_BYTES_MAX + 1)))
    assert len(encode_frame(LongFrame(8, 1, 0x72, bytes(DATA_BYTES_MAX)))) == FRAME_BYTES_MAX


# Data fields


@pytest.mark.parametrize(
    ("record", "value", "reason"),
    [
        ("01 13 80", None, "not_available"),
        ("02 13 FF FF", Scaled(-1, -3), ""),
        ("04 FD 17 FF FF FF FF", Scaled(0xFFFFFFFF, 0), ""),
        ("05 2B 00 00 C0 7F", None, "not_available"),
        ("05 5B CD CC 44 41", Scaled(123, -1), ""),
        ("0A 5A 34 F2", Scaled(-234, -1), ""),
        ("0A 5A 3A 02", None, "invalid_digits"),
        ("0C 78 EF 45 23 F1", "F12345EF", ""),
        ("0D 13 C3 56 34 12", Scaled(123456, -3), ""),
        ("0D 13 D2 34 12", Scaled(-1234, -3), ""),
        ("0D 13 E3 FF FF FF", Scaled(-1, -3), ""),
        ("0D 7C 02 43 42 03 43 42 41", "ABC", ""),
        ("0D 78 00", "", ""),
        ("0D FD 0F C1 07", "07", ""),
        ("00 13", None, "no_data"),
        ("08 13", None, "no_data"),
        ("02 93 15 07 00", None, "no_data_available"),
        ("02 93 1F 07 00", b"\x07\x00", ""),
    ],
)
def test_fields_mean_what_the_standard_says(record: str, value: Value, reason: str) -> None:
    (found,) = decode_records(bytes.fromhex(record)).records
    assert (found.value, found.reason) == (value, reason)


@pytest.mark.parametrize(
    ("lvar", "size"), [(0xF0, 16), (0xF1, 20), (0xF2, 24), (0xF3, 28), (0xF4, 32), (0xF5, 48), (0xF6, 64)]
)
def test_long_binaries_are_given_as_they_were_sent(lvar: int, size: int) -> None:
    content = bytes(range(size))
    found = decode_records(b"\x0d\x13" + bytes((lvar,)) + content)
    assert found.records[0].value == content
    assert encode_records(found) == b"\x0d\x13" + bytes((lvar,)) + content


@pytest.mark.parametrize(
    ("data", "code", "offset"),
    [
        ("3F", "mbus.dif", 0),
        ("7F", "mbus.dif", 0),
        ("84" + "80" * 10 + "00 13 00", "mbus.dife", 11),
        ("84 80", "mbus.truncated", 2),
        ("04", "mbus.truncated", 1),
        ("04 93", "mbus.truncated", 2),
        ("04 93" + "B9" * 10 + "39", "mbus.vife", 12),
        ("04 7C 03 41", "mbus.truncated", 1),
        ("04 13 00 00 00", "mbus.truncated", 2),
        ("0D 13", "mbus.truncated", 2),
        ("0D 13 F7", "mbus.lvar", 2),
        ("0D 13 FF", "mbus.lvar", 2),
        ("01 13 05 04 13 00 00 00", "mbus.truncated", 5),
    ],
)
def test_records_that_are_none_are_refused_with_their_place(data: str, code: str, offset: int) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_records(bytes.fromhex(data))
    assert (caught.value.code, caught.value.offset) == (code, offset)


def test_storage_tariff_and_subunit_are_put_together_from_dif_and_dife() -> None:
    (found,) = decode_records(bytes.fromhex("D4 F1 20 13 01 00 00 00")).records
    assert (found.function, found.storage, found.tariff, found.subunit) == ("maximum", 3, 11, 1)
    assert found.offset == 0
    assert found.size == 8


def test_filler_and_what_stands_behind_the_records() -> None:
    found = decode_records(bytes.fromhex("2F 01 13 05 2F 2F 1F 0F 04 13"))
    assert [record.offset for record in found.records] == [1]
    assert found.more_follows
    assert found.manufacturer_data == bytes.fromhex("0F 04 13")
    assert decode_records(b"\x0f") == Records(())


# Value information


@pytest.mark.parametrize(
    ("vib", "kind", "unit", "exponent", "qualifiers"),
    [
        ("03", "energy", "Wh", 0, ()),
        ("0E", "energy", "J", 6, ()),
        ("FB 01", "energy", "Wh", 6, ()),
        ("FB 09", "energy", "J", 9, ()),
        ("FB 82 75", "reactive_energy", "varh", 2, ()),
        ("FB 97 72", "reactive_power", "var", -1, ()),
        ("FB B4 74", "apparent_power", "VA", -2, ()),
        ("A8 B4 35", "power", "1", -3, ("per_v", "per_a")),
        ("FB 2E", "frequency", "Hz", -1, ()),
        ("FD C8 FC 02", "voltage", "V", -1, ("phase_l2",)),
        ("86 3C", "energy", "Wh", 3, ("backward",)),
        ("93 7D", "volume", "m3", 0, ()),
        ("A0 22", "on_time", "s/h", 0, ("per_hour",)),
        ("BB 49", "volume_flow", "1", 0, ("upper_limit_exceeds",)),
        ("BB 5E", "volume_flow", "h", 0, ("duration_of_last_upper_limit_exceed",)),
        ("FD FD 02", "battery_remaining", "mo", 0, ()),
        ("FD 3A", "dimensionless", "1", 0, ()),
        ("6F", "vif_6f", "", 0, ()),
        ("FD 5F", "current", "A", 3, ()),
        ("FD 77", "vif_fd_77", "", 0, ()),
        ("FF 01", "manufacturer", "", 0, ("manufacturer_01",)),
        ("FD C9 FF 81 00", "voltage", "V", 0, ("manufacturer_01", "manufacturer_00")),
        ("93 FC 7F", "volume", "m3", -3, ("vife_fc_7f",)),
        ("FC 03 48 52 25 74", "plain_text", "%RH", -2, ()),
    ],
)
def test_value_information_says_kind_unit_and_power_of_ten(
    vib: str, kind: str, unit: str, exponent: int, qualifiers: tuple[str, ...]
) -> None:
    data = bytes.fromhex(vib)
    assert size_of_vib(data, 0) == len(data)
    meaning = meaning_of(data)
    assert (meaning.kind, meaning.unit, meaning.exponent) == (kind, unit, exponent)
    assert meaning.qualifiers == qualifiers


def heads() -> list[bytes]:
    tables = [b"", b"\xfb", b"\xfd", b"\xfd\xfd"]
    return [head + bytes((code,)) for head in tables for code in range(0x80) if head or code != 0x7C]


def test_every_kind_that_is_read_can_be_said_and_every_vife_too() -> None:
    for vib in heads():
        meaning = meaning_of(vib)
        if meaning.kind.startswith("vif_"):
            continue
        said = vib_of(meaning.kind, meaning.unit, meaning.exponent)
        assert meaning_of(said) == meaning, vib.hex()
    for head in (b"", b"\xfc"):
        for code in range(0x7F):
            vib = b"\xfb\xac" + head + bytes((code,))
            meaning = meaning_of(vib)
            names = meaning.qualifiers or ((meaning.error,) if meaning.error else ())
            if not names or names[0].startswith(("vife_", "manufacturer")):
                continue
            name = names[0] if not names[0].startswith("duration") else f"{names[0]}_{meaning.unit}"
            assert meaning_of(vib_of("frequency", "", -3, (name,))) == meaning, vib.hex()


def test_what_no_table_says_is_refused() -> None:
    for arguments in (("nonsense",), ("energy",), ("energy", "kWh"), ("volume", "m3", 0, ("sideways",))):
        with pytest.raises(ValueError, match="VIF"):
            vib_of(*arguments)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="VIFE"):
        vib_of("volume", "m3", 60)
    with pytest.raises(ValueError, match="text"):
        text_vib("x" * 256)


@given(st.integers(-30, 25))
def test_any_power_of_ten_can_be_said(exponent: int) -> None:
    vib = vib_of("volume", "m3", exponent)
    assert len(vib) <= 1 + VIFE_MAX
    assert meaning_of(vib).exponent == exponent


@given(st.binary(min_size=1, max_size=14))
def test_any_value_information_has_a_meaning_or_is_no_block(data: bytes) -> None:
    try:
        size = size_of_vib(data, 0)
    except ProtocolError as error:
        assert error.code in ("mbus.truncated", "mbus.vife")  # noqa: PT017
    else:
        assert meaning_of(data[:size]).kind


# Times


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("DF 2C", "2022-12-31"),
        ("1F AC", "2080-12-31"),
        ("3F AC", "1981-12-31"),
        ("E1 F1", "*-01-01"),
        ("E0 FF", "*-*-*"),
        ("0F 0F 8A 17", "2012-07-10T15:15"),
        ("3B 37 5F 1C", "2010-12-31T23:59"),
        ("3B 57 5F 1C", "2110-12-31T23:59"),
        ("3B 17 7F 1C", "2011-12-31T23:59"),
        ("3B 17 7F BC", "1991-12-31T23:59"),
        ("00 00 08 16 27 00", "2016-07-22T08:00:00"),
        ("03 02 01", "01:02:03"),
        ("3F 3F 01", "01:*:*"),
    ],
)
def test_times_are_read_as_annex_a_has_them(data: str, text: str) -> None:
    assert str(decode_time(bytes.fromhex(data))) == text


@pytest.mark.parametrize(
    "data",
    ["FF FF", "FF FF FF FF", "FF FF FF FF FF FF", "00 00", "DF 2D", "9F CC", "3B 17 9F CC", "3C 17 7F 1C"],
)
def test_what_is_no_time_is_none(data: str) -> None:
    assert decode_time(bytes.fromhex(data)) is None


def test_a_clock_that_is_not_set_and_summer_time_are_marked() -> None:
    marked = decode_time(bytes.fromhex("BB B7 5F 1C")), decode_time(bytes.fromhex("40 80 08 16 27 00"))
    for time in marked:
        assert time is not None
        assert (time.is_valid, time.is_summer) == (False, True)


@pytest.mark.parametrize(
    ("time", "is_date"),
    [
        (MbusTime("G", 2024, 2, 29), True),
        (MbusTime("G", 2023, 2, 29), False),
        (MbusTime("G", None, 2, 1), False),
        (MbusTime("J", hour=1), False),
    ],
)
def test_only_a_day_of_the_calendar_is_a_date(time: MbusTime, is_date: bool) -> None:
    assert time.is_date() == is_date


EVERY = st.none()
CLOCK = {"hour": EVERY | st.integers(0, 23), "minute": EVERY | st.integers(0, 59)}
SECOND = {"second": EVERY | st.integers(0, 59)}
DATE = {"month": EVERY | st.integers(1, 12), "day": EVERY | st.integers(1, 31)}
SHORT_YEAR = {"year": EVERY | st.integers(1981, 2080)}
MARKS = {"is_valid": st.booleans(), "is_summer": st.booleans()}
FIELDS_OF_TYPE = {
    "F": {"year": EVERY | st.integers(1981, 2299), **DATE, **CLOCK, **MARKS},
    "G": {**SHORT_YEAR, **DATE},
    "I": {**SHORT_YEAR, **DATE, **CLOCK, **SECOND, **MARKS},
    "J": {**CLOCK, **SECOND},
}
TIMES = st.sampled_from(sorted(FIELDS_OF_TYPE)).flatmap(
    lambda kind: st.fixed_dictionaries(FIELDS_OF_TYPE[kind]).map(lambda fields: MbusTime(kind, **fields))
)
TIME_CODINGS: dict[str, Coding] = {"F": "int32", "G": "int16", "I": "int48", "J": "int24"}


@given(TIMES)
def test_times_are_encoded_and_decoded_exactly(time: MbusTime) -> None:
    data = encode_time(time)
    if data.strip(b"\xff"):
        assert decode_time(data) == time


def test_a_year_that_a_type_cannot_tell_is_refused() -> None:
    for time in (MbusTime("G", 2081, 1, 1), MbusTime("F", 1980, 1, 1), MbusTime("I", 2300, 1, 1)):
        with pytest.raises(ValueError, match="year"):
            encode_time(time)


# Records and telegrams, there and back

PLACES = {
    "function": st.sampled_from(FUNCTIONS),
    "storage": st.integers(0, 2**41 - 1),
    "tariff": st.integers(0, 2**20 - 1),
    "subunit": st.integers(0, 2**10 - 1),
}
QUALIFIERS = st.sampled_from(
    [(), ("backward",), ("phase_l3", "average"), ("manufacturer_01",), ("per_hour",)]
)
INTEGER_BITS = {
    "int8": 8,
    "int16": 16,
    "int24": 24,
    "int32": 32,
    "int48": 48,
    "int64": 64,
    "lvar_binary": 119,
}


@st.composite
def records(draw: st.DrawFn) -> MbusRecord:
    """A record of any coding and place, with a value that it can hold."""
    place = {name: draw(values) for name, values in PLACES.items()}
    if draw(st.booleans()):
        time = draw(TIMES.filter(lambda time: bool(encode_time(time).strip(b"\xff"))))
        return make_record("date_time", time, TIME_CODINGS[time.type], **place)
    exponent = draw(st.integers(-6, 1))
    coding, integer = draw(coded_integers())
    if coding == "real32":
        integer = Scaled(integer, 0).normalised().integer
        value: Value = (
            Scaled(integer, exponent + draw(st.integers(-3, 3))) if integer else Scaled(0, exponent)
        )
    else:
        value = Scaled(integer, exponent)
    qualifiers = draw(QUALIFIERS)
    return make_record("volume", value, coding, unit="m3", exponent=exponent, qualifiers=qualifiers, **place)


@st.composite
def coded_integers(draw: st.DrawFn) -> tuple[Coding, int]:
    coding = draw(st.sampled_from([coding for coding, value in CODED if isinstance(value, Scaled)]))
    if coding in INTEGER_BITS:
        limit = 1 << INTEGER_BITS[coding] - 1
        return coding, draw(st.integers(1 - limit, limit - 1))
    if coding == "real32":
        return coding, draw(st.integers(-999_999, 999_999))
    digits = 30 if coding == "lvar_bcd" else 2 * SIZES[coding]
    return coding, draw(st.integers(1 - 10 ** (digits - 1), 10**digits - 1))


def without_places(records: tuple[MbusRecord, ...]) -> list[MbusRecord]:
    return [record._replace(offset=0, size=0) for record in records]


@given(st.lists(records(), max_size=6), st.binary(max_size=20), st.booleans(), st.booleans())
def test_records_there_and_back(
    sent: list[MbusRecord], own: bytes, more_follows: bool, high_byte_first: bool
) -> None:
    data = encode_records(Records(tuple(sent), own, more_follows), high_byte_first=high_byte_first)
    found = decode_records(data, high_byte_first=high_byte_first)
    assert without_places(found.records) == sent
    assert (found.manufacturer_data, found.more_follows) == (own, more_follows)
    assert sum(record.size for record in found.records) + len(own) + bool(own or more_follows) == len(data)


@pytest.mark.parametrize("telegram", variants(), ids=lambda each: f"{each.ci:02X}")
def test_every_structure_goes_there_and_back(telegram: MbusTelegram) -> None:
    """The qualities of a record that has no value are the reason's, which the bytes tell again."""
    (frame,) = received(encode_frame(encode_telegram(telegram)))
    assert isinstance(frame, LongFrame)
    found = decode_telegram(frame)
    expected = [record._replace(reason=record.reason or missing(record)) for record in telegram.records]
    assert without_places(found.records) == expected
    assert found._replace(records=()) == telegram._replace(records=())
    assert encode_telegram(found) == frame


def missing(record: MbusRecord) -> str:
    if record.value is not None:
        return ""
    return "no_data" if record.coding == "none" else "not_available"


def test_the_places_of_records_count_from_the_first_byte_of_the_frame() -> None:
    frame = encode_frame(encode_telegram(ORDINARY))
    found = decode_telegram(encode_telegram(ORDINARY))
    at = 19
    for record in found.records:
        assert record.offset == at
        assert record.vib in frame[at + 1 : at + record.size]
        at += record.size
    assert at == len(frame) - 2


@pytest.mark.parametrize("size", range(12))
def test_a_frame_too_short_for_its_header_is_refused(size: int) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_telegram(LongFrame(8, 1, 0x72, bytes(size)))
    assert (caught.value.code, caught.value.offset) == ("mbus.header", 7)


@pytest.mark.parametrize(
    ("ci", "size", "code"),
    [
        (0x51, 2, "mbus.ci"),
        (0x71, 2, "mbus.ci"),
        (0x00, 2, "mbus.ci"),
        (0x79, 20, "mbus.compact"),
        (0x7B, 20, "mbus.compact"),
        (0x69, 20, "mbus.compact"),
        (0x73, 17, "mbus.compact"),
        (0x73, 15, "mbus.header"),
        (0x7A, 3, "mbus.header"),
    ],
)
def test_what_is_no_answer_is_refused(ci: int, size: int, code: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_telegram(LongFrame(8, 1, ci, bytes(size)))
    assert caught.value.code == code


def test_an_error_inside_of_the_records_is_placed_in_the_frame() -> None:
    frame = LongFrame(8, 1, 0x72, bytes(12) + b"\x01\x13\x05\x04\x13\x00")
    with pytest.raises(ProtocolError) as caught:
        decode_telegram(frame)
    assert (caught.value.code, caught.value.offset) == ("mbus.truncated", 7 + 12 + 5)


@pytest.mark.parametrize("code", [*APPLICATION_ERRORS, 77])
def test_a_meter_that_refuses_is_a_device_error_with_its_code(code: int) -> None:
    with pytest.raises(DeviceError) as caught:
        decode_telegram(encode_error(code))
    assert (caught.value.code, caught.value.device_code) == ("mbus.application_error", code)
    with pytest.raises(DeviceError) as without_code:
        decode_telegram(LongFrame(8, 1, 0x70))
    assert without_code.value.device_code == 0


def test_an_encrypted_telegram_shows_its_meter_and_no_records() -> None:
    sent = ORDINARY._replace(records=(), encrypted=bytes(32), signature=0x0520)
    found = decode_telegram(encode_telegram(sent))
    assert (found.encryption_mode, found.id, found.encrypted, found.records) == (5, "12345678", bytes(32), ())


@pytest.mark.parametrize("signature", [0, 0xB627, 0xFFFF])
def test_the_signature_of_an_old_meter_is_no_encryption(signature: int) -> None:
    found = decode_telegram(encode_telegram(ORDINARY._replace(signature=signature)))
    assert (found.encryption_mode, found.signature) == (0, signature)
    assert len(found.records) == len(RECORDS)


@pytest.mark.parametrize(
    ("unit", "kind", "value", "shown"),
    [
        (0x02, "energy", Scaled(1, 0), "Wh"),
        (0x0A, "energy", Scaled(1, 8), "Wh"),
        (0x13, "energy", Scaled(1, 11), "J"),
        (0x1C, "power", Scaled(1, 8), "W"),
        (0x26, "volume", Scaled(1, -6), "m3"),
        (0x2E, "volume", Scaled(1, 2), "m3"),
        (0x37, "volume_flow", Scaled(1, 2), "m3/h"),
        (0x38, "plain_text", Scaled(1, -3), "degC"),
        (0x39, "heat_cost_units", Scaled(1, 0), "HCA"),
        (0x3F, "dimensionless", Scaled(1, 0), "1"),
        (0x3B, "plain_text", Scaled(1, 0), "reserved 3B"),
    ],
)
def test_the_units_of_the_fixed_structure(unit: int, kind: str, value: Scaled, shown: str) -> None:
    data = bytes.fromhex("78563412 0A 03") + bytes((unit, 0x3E)) + bytes.fromhex("01000000 FFFFFFFF")
    found = decode_telegram(LongFrame(8, 5, 0x73, data))
    first, second = found.records
    assert (first.kind, first.value, first.unit, first.storage) == (kind, value, shown, 1)
    assert (second.unit, second.value) == (shown, Scaled(-1, value.exponent))
    assert encode_telegram(found).data[:7] == data[:7]


def test_values_that_do_not_fit_are_refused() -> None:
    for coding, value in (
        ("int8", Scaled(128, 0)),
        ("int8", Scaled(-128, 0)),
        ("bcd2", Scaled(100, 0)),
        ("bcd2", Scaled(-10, 0)),
        ("real32", Scaled(123456789, 0)),
        ("real32", Scaled(1, 60)),
        ("lvar_text", "x" * (LVAR_TEXT_MAX + 1)),
        ("lvar_binary", bytes(17)),
        ("int16", Scaled(15, -1)),
        ("none", Scaled(1, 0)),
        ("bcd8", b"12"),
    ):
        record = make_record("energy", value, coding, unit="Wh", exponent=0)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=r"."):
            encode_records(Records((record,)))
    place = make_record("energy", Scaled(1, 0), "int8", unit="Wh", storage=1 << 41)
    with pytest.raises(ValueError, match="storage"):
        encode_records(Records((place,)))
    with pytest.raises(ValueError, match="letters"):
        encode_telegram(ORDINARY._replace(manufacturer="ka"))


# Quantities


def quantity(kind: str, medium: int, maker: str = "", **fields: object) -> str | None:
    value = fields.pop("value", Scaled(1, 0))
    unit = fields.pop("unit", "")
    record = make_record(kind, value, "int32", unit=unit, exponent=0, **fields)  # type: ignore[arg-type]
    return quantity_of(record, medium, maker)


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        ("energy_heat_total", quantity("energy", 4, unit="Wh")),
        ("energy_heat_due_date", quantity("energy", 4, unit="Wh", storage=1)),
        ("energy_cooling_total", quantity("energy", 13, unit="Wh", qualifiers=("backward",))),
        ("energy_cooling_total", quantity("energy", 10, unit="Wh")),
        ("volume_water_cold_total", quantity("volume", 7, unit="m3")),
        ("volume_water_hot_due_date", quantity("volume", 6, unit="m3", storage=1)),
        ("volume_gas_base_total", quantity("volume", 3, unit="m3", qualifiers=("base_conditions",))),
        ("energy_active_import_total", quantity("energy", 2, unit="Wh")),
        ("energy_active_import_tariff2", quantity("energy", 2, unit="Wh", tariff=2)),
        (
            "energy_active_export_tariff1",
            quantity("energy", 2, unit="Wh", tariff=1, qualifiers=("backward",)),
        ),
        ("energy_active_import_l2", quantity("energy", 2, unit="Wh", qualifiers=("phase_l2", "forward"))),
        ("voltage_l3", quantity("voltage", 2, qualifiers=("phase_l3",))),
        ("voltage_l3", quantity("voltage", 2, "SBC", qualifiers=("manufacturer_03",))),
        ("power_factor_total", quantity("power", 2, unit="W", qualifiers=("per_v", "per_a"))),
        ("power_active_export_l1", quantity("power", 2, unit="W", qualifiers=("backward", "phase_l1"))),
        ("energy_reactive_q4", quantity("reactive_energy", 2, qualifiers=("quadrant_4",))),
        ("heat_cost_units_due_date", quantity("heat_cost_units", 8, storage=1)),
        ("temperature_room", quantity("external_temperature", 27, unit="degC")),
        ("heat_meter_error", quantity("error_flags", 4)),
        ("meter_error", quantity("error_flags", 2)),
        ("meter_serial", quantity("fabrication_number", 4, value="123")),
        ("meter_time", quantity("date_time", 4, value=MbusTime("F", 2026, 1, 1, 0, 0))),
        ("energy_heat_gj_due_date", quantity("energy", 4, unit="J", storage=1)),
        ("energy_cooling_gj_total", quantity("energy", 13, unit="J", qualifiers=("backward",))),
        ("voltage_l3_l1", quantity("voltage", 2, qualifiers=("phases_l3_l1",))),
        (
            "energy_active_net_l2",
            quantity("energy", 2, unit="Wh", qualifiers=("phase_l2", "import_minus_export")),
        ),
        (None, quantity("energy", 2, unit="J")),
        (None, quantity("energy", 4, unit="Wh", function="maximum")),
        (None, quantity("energy", 4, unit="Wh", subunit=1)),
        (None, quantity("energy", 4, unit="Wh", storage=2)),
        (None, quantity("energy", 4, unit="Wh", tariff=1)),
        (None, quantity("energy", 2, unit="Wh", storage=1)),
        (None, quantity("energy", 4, unit="Wh", qualifiers=("average",))),
        (None, quantity("voltage", 2, "XYZ", qualifiers=("manufacturer_03",))),
        (None, quantity("date_time", 4, storage=1, value=MbusTime("F", 2026, 1, 1, 0, 0))),
        (None, quantity("volume", 15, unit="m3")),
    ],
)
def test_a_record_has_the_quantity_that_it_beyond_doubt_is(expected: str | None, found: str | None) -> None:
    assert found == expected


def test_every_name_that_a_record_can_have_is_of_the_registry() -> None:
    for name in {*_TABLE.values(), *_ANY_MEDIUM.values()}:
        assert by_name(name).name == name


def test_every_sample_frame_is_decoded() -> None:
    assert [len(received(frame)) for frame in FRAMES] == [1] * len(FRAMES)
    assert {record.coding for record in RECORDS} >= set(DIF_CODINGS) - {"selection"}
