"""Mutated M-Bus: nothing may come out but telegrams or ProtocolError, in linear time, and little is kept."""

from __future__ import annotations

import time
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from protocols.errors import ProtocolError
from protocols.mbus.explain import explain_frame
from protocols.mbus.frames import (
    DATA_BYTES_MAX,
    FRAME_BYTES_MAX,
    Ack,
    FrameReceiver,
    LongFrame,
    ShortFrame,
    encode_frame,
)
from protocols.mbus.quantities import quantity_of
from protocols.mbus.records import decode_records, encode_records
from protocols.mbus.telegram import LONG_HEADER, MbusTelegram, decode_telegram
from protocols.mbus.vif import MEANINGS_KEPT, meaning_of
from tests.protocols.fuzz import INPUTS_PROOF, INPUTS_SHORT, assert_linear_time, fuzz
from tests.protocols.mbus_samples import FRAMES, OTHERS

FOLDER = Path(__file__).parents[3] / "shared/corpora/mbus"
PIECE_BYTES = 64  # what a serial port hands over at a time
STREAM_BYTES, STREAM_BYTES_PROOF = 100_000, 1_000_000
DECODED_BYTES_MAX = 150_000  # of the objects of one frame; measured: 76 kB
FOUND = (Ack, ShortFrame, MbusTelegram)
Found = list[object]


def seeds() -> list[bytes]:
    return FRAMES + OTHERS + [path.read_bytes() for path in sorted(FOLDER.glob("*.bin"))]


def record_seeds() -> list[bytes]:
    """What is mutated behind the checksum and the header."""
    found = [item for stream in seeds() for item in FrameReceiver().receive_data(stream)]
    return [item.data[12:] for item in found if isinstance(item, LongFrame) and item.ci == LONG_HEADER]


def decode_stream(data: bytes) -> Found:
    receiver = FrameReceiver()
    found: Found = []
    for at in range(0, len(data), PIECE_BYTES):
        found += receiver.receive_data(data[at : at + PIECE_BYTES])
        assert len(receiver._buffer) <= FRAME_BYTES_MAX + PIECE_BYTES
        assert receiver.missing_bytes() >= 1
    found += receiver.receive_end()
    return [_telegram(item) if isinstance(item, LongFrame) else item for item in found]


def _telegram(frame: LongFrame) -> object:
    try:
        return decode_telegram(frame)
    except ProtocolError as error:
        return error


def decode_data(data: bytes) -> Found:
    """As if the meter itself had made the mistake, behind a good header; with all that goes by records."""
    frame = LongFrame(
        8, 1, LONG_HEADER, bytes.fromhex("785634122D2C1B0211000000") + data[: DATA_BYTES_MAX - 12]
    )
    spans = explain_frame(encode_frame(frame))
    assert [span.start for span in spans[1:]] == [span.end for span in spans[:-1]]
    telegram = decode_telegram(frame)
    for record in telegram.records:
        quantity_of(record, telegram.medium, telegram.manufacturer)
        assert record.value is None or str(record.value) is not None
    high_byte_first = bool(len(data) % 2)
    found = decode_records(data, high_byte_first=high_byte_first)
    whole = found._replace(records=tuple(record for record in found.records if record.value is not None))
    sent = encode_records(whole, high_byte_first=high_byte_first)
    again = decode_records(sent, high_byte_first=high_byte_first)
    assert [record.value for record in again.records] == [record.value for record in whole.records]
    return [telegram]


DECODERS: dict[str, tuple[Callable[[bytes], Found], list[bytes]]] = {
    "stream": (decode_stream, seeds()),
    "records": (decode_data, record_seeds()),
}


def run(side: str, seed: int, count: int) -> Counter[str]:
    decode, inputs = DECODERS[side]
    return fuzz(decode, inputs, seed, count, *FOUND)


@pytest.mark.parametrize("side", DECODERS)
def test_mutated_mbus_gives_telegrams_or_protocol_errors(side: str, seed: int) -> None:
    outcomes = run(side, seed, INPUTS_SHORT)
    assert outcomes["MbusTelegram"]
    assert sum(count for name, count in outcomes.items() if name.startswith("mbus."))


@pytest.mark.proof
@pytest.mark.parametrize("side", DECODERS)
def test_a_million_mutated_inputs_of_mbus_give_telegrams_or_protocol_errors(side: str, seed: int) -> None:
    started_s = time.monotonic()
    outcomes = run(side, seed, INPUTS_PROOF)
    print(f"\nmbus {side}, seed {seed}, {time.monotonic() - started_s:.0f} s: {dict(outcomes.most_common())}")


def hostile_patterns() -> list[bytes]:
    """What makes a receiver search again: headers inside of frames, cut frames, lengths that differ."""
    return [
        b"\x68",
        b"\x10",
        b"\xe5",
        b"\x68\xff\xff\x68",
        b"\x68\xff\xfe\x68",
        b"\x68\x68\x68\x68",
        b"\x68\x03\x03\x68\x00",
        b"\x10\x00\x00\x01\x16",
        FRAMES[0],
        FRAMES[0][:-1],
    ]


def test_time_is_linear() -> None:
    assert_linear_time(decode_stream, hostile_patterns(), size_bytes=STREAM_BYTES)


@pytest.mark.proof
def test_time_is_linear_up_to_a_megabyte() -> None:
    assert_linear_time(FrameReceiver().receive_data, hostile_patterns(), size_bytes=STREAM_BYTES_PROOF)


@pytest.mark.parametrize(
    "record", [b"\x00\x00", b"\x2f", b"\x00\xff\x00", b"\x01\x7c\x00\x00", b"\x00\x93\x00"]
)
def test_the_records_of_the_longest_frame_are_decoded_in_bounded_memory(record: bytes) -> None:
    """The shortest records are the most objects that a byte can make."""
    data = record * ((DATA_BYTES_MAX - 12) // len(record))
    frame = LongFrame(8, 1, LONG_HEADER, bytes(12) + data)
    tracemalloc.start()
    try:
        telegram = decode_telegram(frame)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert telegram.records or record == b"\x2f"
    assert peak_bytes < DECODED_BYTES_MAX, peak_bytes


def test_meanings_that_are_remembered_are_bounded() -> None:
    for code in range(3 * MEANINGS_KEPT):
        meaning_of(b"\x7c\x02" + code.to_bytes(2, "big"))
    assert meaning_of.cache_info().currsize <= MEANINGS_KEPT


def test_five_bytes_on_which_another_library_hangs_are_an_error() -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_records(bytes.fromhex("0202090541"))
    assert caught.value.code == "mbus.truncated"
