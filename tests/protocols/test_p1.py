"""P1: what the server role pushes, the client role reads, whatever the line does to it."""

from __future__ import annotations

import datetime as dt
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import ProtocolError
from protocols.iec62056_21.framing import TELEGRAM_BYTES_MAX
from protocols.p1 import (
    DataSet,
    Identification,
    P1Receiver,
    P1Telegram,
    P1Time,
    Value,
    decode_text,
    decode_time,
    encode_telegram,
    encrypt_telegram,
    is_encrypted,
)
from protocols.p1.encryption import FRAME_BYTES_MAX
from protocols.value import Scaled
from tests.protocols.fuzz import INPUTS_PROOF, INPUTS_SHORT, assert_linear_time, fuzz
from tests.protocols.p1_dialects import (
    AUSTRIA,
    BELGIUM,
    HUNGARY,
    IRELAND,
    LUXEMBOURG,
    NETHERLANDS_22,
    NETHERLANDS_42,
    NETHERLANDS_50,
    SWEDEN,
    all_telegrams,
    telegram_of,
)
from tests.protocols.test_iec62056_21 import DATA_SETS, IDENTIFICATIONS
from tests.protocols.test_p1_corpus import corpus_seeds

KEY, AUTHENTICATION_KEY = bytes(range(16)), bytes(range(0xD0, 0xE0))
TITLE = b"SAG\x01\x02\x03\x04\x05"
Found = list[P1Telegram | ProtocolError]


def read(stream: bytes, receiver: P1Receiver | None = None, *, chunk: int = 1 << 20) -> Found:
    receiver = receiver or P1Receiver()
    found: Found = []
    for at in range(0, len(stream), chunk):
        found += receiver.receive_data(stream[at : at + chunk])
    return found + receiver.receive_end()


def one(stream: bytes, receiver: P1Receiver | None = None) -> P1Telegram:
    (telegram,) = read(stream, receiver)
    assert isinstance(telegram, P1Telegram), telegram
    return telegram


def codes(found: Found) -> list[str]:
    return [item.code if isinstance(item, ProtocolError) else "telegram" for item in found]


def plain(telegram: P1Telegram | ProtocolError) -> list[DataSet]:
    assert isinstance(telegram, P1Telegram), telegram
    return [data_set._replace(offset=0) for data_set in telegram.data_sets]


def opener(authentication_key: bytes | None = AUTHENTICATION_KEY) -> P1Receiver:
    return P1Receiver(key=KEY, authentication_key=authentication_key)


def encrypted(telegram: bytes, counter: int = 1) -> bytes:
    return encrypt_telegram(
        telegram, key=KEY, authentication_key=AUTHENTICATION_KEY, system_title=TITLE, counter=counter
    )


@given(IDENTIFICATIONS, DATA_SETS)
def test_a_telegram_comes_back_as_it_was(who: Identification, data_sets: list[DataSet]) -> None:
    stream = encode_telegram(who, data_sets)
    (telegram,) = P1Receiver(checksums="required").receive_data(stream)
    assert plain(telegram) == data_sets
    assert isinstance(telegram, P1Telegram)
    assert (telegram.identification, telegram.checked) == (who, True)
    assert (telegram.offset, telegram.end, telegram.unread) == (0, len(stream), ())


@given(DATA_SETS, DATA_SETS, st.binary(max_size=40), st.integers(1, 9), st.booleans())
def test_pieces_and_noise_change_nothing(
    first: list[DataSet], second: list[DataSet], noise: bytes, chunk: int, with_crc: bool
) -> None:
    who = Identification("ISk", "5", "MT382", "\\2")
    one, two = (encode_telegram(who, sets, with_crc=with_crc) for sets in (first, second))
    stream = noise + one + noise + two + noise
    assert list(map(str, read(stream))) == list(map(str, read(stream, chunk=chunk)))
    harmless = noise.replace(b"/", b"")
    found = read(harmless + one + harmless + two + harmless)
    assert [plain(telegram) for telegram in found] == [first, second]


@given(DATA_SETS, st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_an_encrypted_telegram_comes_back_as_it_was(
    data_sets: list[DataSet], chunk: int, counter: int
) -> None:
    telegram = encode_telegram(Identification("Lux", "5", "1", "\\2"), data_sets)
    stream = b"\xdb\x08noise" + encrypted(telegram, counter) + b"\xdb" + encrypted(telegram, counter)
    for receiver in (opener(), opener(None)):
        found = read(stream, receiver, chunk=chunk)
        assert [plain(item) for item in found] == [data_sets] * 2


def test_a_truncated_telegram_gives_no_values_at_any_length() -> None:
    stream = telegram_of(NETHERLANDS_50)
    for length in range(len(stream) - 2):  # without its last line end it is complete
        found = read(stream[:length])
        assert all(isinstance(item, ProtocolError) for item in found), length
    frame = encrypted(stream)
    for length in range(len(frame)):
        assert codes(read(frame[:length], opener())) in ([], ["p1.truncated"])


def test_a_telegram_cut_short_does_not_take_the_next_one_with_it() -> None:
    whole = telegram_of(NETHERLANDS_50)
    for length in range(1, len(whole) - 2):
        found = read(whole[:length] + whole)
        assert plain(found[-1]) == plain(one(whole)), length
        assert all(isinstance(item, ProtocolError) for item in found[:-1])


def test_every_flipped_bit_is_noticed() -> None:
    whole = telegram_of(LUXEMBOURG)
    for at in range(len(whole) - 2):
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[at] ^= 1 << bit
            is_case = whole[at : at + 1].isalpha() and at > whole.index(b"!") and bit == 5
            assert ("telegram" in codes(read(bytes(damaged)))) == is_case, (at, bit)


def test_every_flipped_bit_of_an_encrypted_frame_is_noticed() -> None:
    whole = encrypted(telegram_of(SWEDEN))
    for at in range(len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << at % 8
        assert "telegram" not in codes(read(bytes(damaged), opener())), at


@pytest.mark.parametrize(
    ("stream", "code"),
    [
        (telegram_of(SWEDEN).replace(b"358.023", b"358.024"), "p1.crc"),
        (telegram_of(NETHERLANDS_50, with_crc=False), "p1.crc_missing"),
        (telegram_of(BELGIUM, with_crc=False), "p1.crc_missing"),
        (telegram_of(SWEDEN, with_crc=False)[:-2] + b"WXYZ\r\n", "p1.end"),
        (telegram_of(NETHERLANDS_22, with_crc=False).replace(b"00345.678", b"0034A.678*m3"), "p1.number"),
        (telegram_of(NETHERLANDS_22, with_crc=False).replace(b"(00345.678)", b"(00345.678"), "p1.line"),
        (telegram_of(SWEDEN)[:200], "p1.truncated"),
        (telegram_of(SWEDEN)[:200] + b"\r\n" + telegram_of(SWEDEN), "p1.cut"),
        (b"/LGF5E360\r\n\r\n" + b"1-0:1.8.0(1*kWh)\r\n" * 4000, "p1.size"),
    ],
)
def test_what_is_damaged_is_refused_by_its_name(stream: bytes, code: str) -> None:
    assert codes(read(stream))[0] == code


@pytest.mark.parametrize(
    ("stream", "receiver", "code"),
    [
        (encrypted(telegram_of(SWEDEN))[:-1] + b"x", opener(), "p1.decrypt"),
        (encrypted(telegram_of(SWEDEN)), P1Receiver(key=bytes(16), authentication_key=KEY), "p1.decrypt"),
        (encrypted(telegram_of(SWEDEN)), P1Receiver(key=bytes(16)), "p1.plaintext"),
        (encrypted(telegram_of(SWEDEN)), opener(bytes(16)), "p1.decrypt"),
        (encrypted(b"no telegram"), opener(), "p1.plaintext"),
        (encrypted(telegram_of(SWEDEN, with_crc=False)), opener(None), "p1.crc_missing"),
        (encrypted(telegram_of(SWEDEN))[:100], opener(), "p1.truncated"),
    ],
)  # fmt: skip
def test_a_frame_that_cannot_be_opened_is_refused_by_its_name(
    stream: bytes, receiver: P1Receiver, code: str
) -> None:
    assert codes(read(stream, receiver)) == [code]


def test_an_encrypted_telegram_has_the_place_of_its_frame() -> None:
    frame = encrypted(telegram_of(SWEDEN))
    first, second = read(b"noise" + frame + frame, opener())
    assert isinstance(first, P1Telegram)
    assert isinstance(second, P1Telegram)
    assert (first.offset, first.end) == (5, 5 + len(frame))
    assert (second.offset, second.end) == (5 + len(frame), 5 + 2 * len(frame))


def test_a_stream_is_known_to_be_encrypted_without_the_key() -> None:
    assert is_encrypted(b"noise" + encrypted(telegram_of(SWEDEN)))
    assert not is_encrypted(telegram_of(SWEDEN))


@pytest.mark.parametrize("keys", [{"key": b"short"}, {"key": KEY, "authentication_key": b"short"}])
def test_a_key_of_the_wrong_length_is_refused(keys: dict[str, bytes]) -> None:
    with pytest.raises(ValueError, match="right are 16"):
        P1Receiver(**keys)  # type: ignore[arg-type]


def test_an_unpadded_checksum_is_taken() -> None:
    who, sets = Identification("LGF", "5", "E360"), [DataSet("1-0:1.8.0", (Value("1", "kWh"),))]
    stream = next(
        wire
        for wire in (encode_telegram(who._replace(device=str(n)), sets) for n in range(1000))
        if wire[-6:-5] == b"0"
    )
    assert one(stream[:-6] + stream[-5:]).checked
    assert one(stream[:-6] + stream[-5:].lower()).checked


def test_the_checksum_can_be_required_or_ignored() -> None:
    without, damaged = telegram_of(SWEDEN, with_crc=False), telegram_of(SWEDEN)[:-6] + b"0000\r\n"
    assert not one(without).checked
    assert codes(read(without, P1Receiver(checksums="required"))) == ["p1.crc_missing"]
    assert not one(damaged, P1Receiver(checksums="ignored")).checked


def test_odd_text_under_a_good_checksum_is_passed_over_and_named() -> None:
    who, lines = SWEDEN
    telegram = one(telegram_of((who, lines + "hello world\n1-0:9.9.9(1(2)\n")))
    assert [stretch.text for stretch in telegram.unread] == ["hello world", "1-0:9.9.9(1(2)"]
    assert len(telegram.values) == len(lines.splitlines())


def test_every_value_is_exact_and_has_the_unit_of_the_telegram() -> None:
    values = {value.obis: value for value in one(telegram_of(AUSTRIA)).values}
    energy = values[bytes((1, 0, 1, 8, 0, 255))]
    assert (energy.value, energy.unit) == (Scaled(6545766, 0), "Wh")
    assert values[bytes((1, 0, 4, 7, 0, 255))].unit == "var"


def test_channels_have_their_own_meter_medium_and_time() -> None:
    gas, heat, water, absent = one(telegram_of(NETHERLANDS_50)).channels
    assert [channel.medium for channel in (gas, heat, water)] == [7, 6, 8]
    assert [channel.serial for channel in (gas, heat, water, absent)] == ["G01", "H02", "W03", ""]
    assert [(v.value, v.unit, str(v.time)) for v in gas.values] == [
        (Scaled(345678, -3), "m3", "250711190000S")
    ]
    assert [(v.value, v.unit, str(v.time)) for v in heat.values] == [
        (Scaled(12345, -3), "GJ", "250711190100S")
    ]
    assert absent.values[0].time is None


def test_the_gas_of_dsmr_2_stands_on_two_lines_and_has_a_time_without_summer() -> None:
    telegram = one(telegram_of(NETHERLANDS_22, with_crc=False))
    (gas,) = telegram.channels[0].values
    assert (gas.obis, gas.value, gas.unit) == (bytes((0, 1, 24, 2, 1, 255)), Scaled(345678, -3), "m3")
    assert (str(gas.time), gas.time and gas.time.utc_s()) == ("250311190000", None)
    assert gas in telegram.values


def test_belgian_gas_and_water_have_objects_of_their_own() -> None:
    gas, water = one(telegram_of(BELGIUM)).channels
    assert (gas.serial, gas.values[0].obis[2:5], gas.values[0].value) == (
        "7FLO",
        b"\x18\x02\x03",
        Scaled(3806070, -3),
    )
    assert (water.serial, water.values[0].obis[2:5]) == ("8FLO", b"\x18\x02\x01")


def test_power_failures_are_a_log_with_end_and_duration() -> None:
    (log,) = one(telegram_of(NETHERLANDS_42)).logs
    assert (log.address, log.objects) == ("1-0:99.97.0", ("0-0:96.7.19",))
    assert [(str(end), duration) for end, duration in log.rows] == [
        ("241208152415W", Value("0000000240", "s")),
        ("240708151004S", Value("0000000301", "s")),
    ]


def test_a_log_may_be_empty() -> None:
    (log,) = one(telegram_of(NETHERLANDS_50)).logs
    assert log.rows == ()


def test_belgian_peaks_are_a_log_and_the_running_peak_a_value_with_its_time() -> None:
    telegram = one(telegram_of(BELGIUM))
    (log,) = telegram.logs
    assert log.objects == ("1-0:1.6.0", "1-0:1.6.0")
    assert [[str(cell) for cell in row[:2]] for row in log.rows] == [
        ["250201000000W", "250113183000W"],
        ["250301000000W", "250211100000W"],
    ]
    peak = next(value for value in telegram.values if value.obis == bytes((1, 0, 1, 6, 0, 255)))
    assert (peak.value, str(peak.time)) == (Scaled(3506, -3), "250309190000W")


def test_hungarian_month_ends_are_one_row() -> None:
    (log,) = one(telegram_of(HUNGARY)).logs
    assert [str(log.rows[0][0]), log.rows[0][1]] == ["250701000000S", Value("000331.006", "kWh")]


def test_meter_ids_and_messages_become_text() -> None:
    telegram = one(telegram_of(NETHERLANDS_42))
    assert (telegram.serial, telegram.message) == ("K001234567", "Hallo")
    assert one(telegram_of(LUXEMBOURG)).serial == "SAG1030"
    assert one(telegram_of(HUNGARY)).serial == "AUX1030303218166"
    assert one(telegram_of(IRELAND)).serial == "012345"
    assert one(telegram_of(SWEDEN)).serial == ""


@pytest.mark.parametrize(
    ("sent", "text"),
    [("4142", "AB"), ("", ""), ("00", "00"), ("XYZ", "XYZ"), ("414", "414"), ("c3a4", "c3a4")],
)
def test_hexadecimal_is_text_only_where_it_is_text(sent: str, text: str) -> None:
    assert decode_text(sent) == text


def test_counts_without_unit_are_numbers_for_those_who_want_them() -> None:
    values = {value.obis: value for value in one(telegram_of(NETHERLANDS_42)).values}
    assert values[bytes((0, 0, 96, 7, 21, 255))].value == "00005"
    assert values[bytes((0, 0, 96, 7, 21, 255))].number == Scaled(5, 0)
    assert values[bytes((1, 0, 1, 7, 0, 255))].number == Scaled(321, -3)


@given(st.datetimes(dt.datetime(2000, 1, 1), dt.datetime(2099, 12, 31)), st.sampled_from(["S", "W", ""]))  # noqa: DTZ001 - local times of a meter
def test_times_come_back_and_count_from_1970_in_utc(time: dt.datetime, flag: str) -> None:
    sent = f"{time:%y%m%d%H%M%S}{flag}"
    decoded = decode_time(sent)
    assert isinstance(decoded, P1Time)
    assert str(decoded) == sent
    utc = time.replace(microsecond=0, tzinfo=dt.UTC) - dt.timedelta(hours=2 if flag == "S" else 1)
    assert decoded.utc_s() == (int(utc.timestamp()) if flag else None)
    if flag:
        assert decoded.utc_s(0) == int(utc.timestamp()) + 3600


@pytest.mark.parametrize(
    "text", ["", "632525252525W", "250230120000W", "2503111901", "250311190102X", "٢٥٠٣١١١٩٠١٠٢"]
)
def test_what_is_no_time_is_none(text: str) -> None:
    assert decode_time(text) is None


def outcomes(count: int, seed: int) -> dict[str, int]:
    seeds = [*all_telegrams(), *corpus_seeds()]
    frames = [encrypted(telegram, n) for n, telegram in enumerate(all_telegrams())]
    found = fuzz(read, seeds, seed, count * 3 // 4, P1Telegram)
    for authentication_key in (AUTHENTICATION_KEY, None):
        found += fuzz(
            lambda data, key=authentication_key: read(data, opener(key)),  # type: ignore[misc]
            frames,
            seed,
            count // 8,
            P1Telegram,
        )
    return dict(found)


def test_mutated_telegrams_give_values_or_protocol_errors(seed: int) -> None:
    assert outcomes(INPUTS_SHORT, seed)["P1Telegram"]


@pytest.mark.proof
def test_a_million_mutated_telegrams_give_values_or_protocol_errors(seed: int) -> None:
    print(outcomes(INPUTS_PROOF, seed))


HOSTILE = [
    b"/",
    b"/ISk5\r\n",
    b"/ISk5\r\n(",
    b"/ISk5\r\n!0000\r\n",
    b"x/ISk5\r\n",
    b"()",
    b"\n!",
    b"1-0:1.8.0(1*kWh)\r\n",
    b"/ISk5\r\n" + b"(0/ABC5\r\n" * 6000 + b"!\r\n",
    b"/ISk5\r\n1-0:99.97.0(99999)" + b"(0-0:96.7.19)" * 4000 + b"\r\n!\r\n",
    b"/ISk5\r\n1-0:99.97.0(4000)(0-0:96.7.19)" + b"()" * 4000 + b"\r\n!\r\n",
    b"/ISk5\r\n" + b"0-1:24.2.1(250711190000S)(1*m3)\r\n" * 1900 + b"!\r\n",
    b"\xdb\x08ABC\0\0\0\0\0\x82\x1f\x00\x30",
    b"\xdb\x08ABC\0\0\0\0\0\x14\x30",
    b"\xdb\x08",
]


def after_identification(data: bytes) -> Found:
    return read(b"/ISk5\r\n" + data)


def in_encrypted_stream(data: bytes) -> Found:
    return read(data, opener())


def test_time_is_linear_in_hostile_input() -> None:
    for decode in (read, after_identification, in_encrypted_stream):
        assert_linear_time(decode, HOSTILE, size_bytes=150_000)


@pytest.mark.proof
def test_time_is_linear_in_hostile_input_up_to_a_megabyte() -> None:
    for decode in (read, after_identification, in_encrypted_stream):
        assert_linear_time(decode, HOSTILE)


def test_memory_is_bounded_whatever_comes(seed: int) -> None:
    rng = random.Random(seed)
    for pattern in HOSTILE:
        receiver, encrypted_receiver = P1Receiver(), opener()
        stream = pattern * (150_000 // len(pattern) + 1)
        at = 0
        while at < len(stream):
            size = rng.randint(1, 5000)
            receiver.receive_data(stream[at : at + size])
            encrypted_receiver.receive_data(stream[at : at + size])
            at += size
            assert len(receiver._telegrams._buffer) <= TELEGRAM_BYTES_MAX + 5000 + 8
            assert encrypted_receiver._ciphered is not None
            assert len(encrypted_receiver._ciphered._buffer) <= FRAME_BYTES_MAX + 5000
