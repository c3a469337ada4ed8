"""Mutated SML: nothing may come out but telegrams or ProtocolError, in linear time, and little is kept."""

from __future__ import annotations

import time
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from protocols.errors import ProtocolError
from protocols.sml import FILE_BYTES_MAX, SmlReceiver, SmlTelegram, SmlTime, SmlValue, encode_telegram
from protocols.sml.tlv import DEPTH_MAX, LIST_ELEMENTS_MAX
from protocols.sml.transport import ESCAPE, ESCAPED_BYTES, START, FileReceiver, SmlFile, encode_file
from protocols.value import Scaled
from tests.protocols.fuzz import INPUTS_PROOF, INPUTS_SHORT, assert_linear_time, fuzz

FOLDER = Path(__file__).parents[3] / "shared/corpora/sml"
SERVER = bytes.fromhex("0a01454d480000a1bd34")
PIECE_BYTES = 64  # what a serial port hands over at a time
STREAM_BYTES = 1_000_000
DECODED_BYTES_MAX = 2_000_000  # of the objects of one file of FILE_BYTES_MAX; measured: 1.0 MB


def own_telegrams() -> list[bytes]:
    """Every kind of value, time and width, with both checksums, and escapes within the payload."""
    obis = bytes((1, 0, 1, 8, 0, 255))
    integers = [sign * (1 << bits) for bits in (0, 6, 8, 15, 23, 31, 40, 62) for sign in (1, -1)]
    values = [SmlValue(obis, Scaled(integer, -1), 30, 0x182) for integer in integers]
    values += [SmlValue(obis, content) for content in (True, None, b"EMH", ESCAPE * 2 + START)]
    values += [SmlValue(obis, Scaled(1, 0), time=SmlTime(kind, 7)) for kind in ("index", "utc", "local")]
    return [encode_telegram(SERVER, values, kermit=kermit) for kermit in (False, True)]


def files_of(streams: list[bytes]) -> list[bytes]:
    """The payloads of all good files: what is mutated behind the checksum."""
    found = [item for stream in streams for item in FileReceiver().receive_data(stream)]
    return [item.payload for item in found if isinstance(item, SmlFile)]


def seeds() -> list[bytes]:
    return own_telegrams() + [path.read_bytes() for path in sorted(FOLDER.glob("*.bin"))]


def decode_stream(data: bytes) -> list[SmlTelegram | ProtocolError]:
    receiver = SmlReceiver()
    found: list[SmlTelegram | ProtocolError] = []
    for place in range(0, len(data), PIECE_BYTES):
        found += receiver.receive_data(data[place : place + PIECE_BYTES])
        assert len(receiver._files._buffer) <= FILE_BYTES_MAX + PIECE_BYTES + ESCAPED_BYTES
        assert receiver.missing_bytes() >= 1
    return found


def decode_payload(payload: bytes) -> list[SmlTelegram | ProtocolError]:
    """As if the meter itself had made the mistake: the file's checksum is right, so all of it is read."""
    return SmlReceiver(dzg_sign_quirk=True).receive_data(encode_file(payload))


DECODERS: dict[str, tuple[Callable[[bytes], list[SmlTelegram | ProtocolError]], list[bytes]]] = {
    "stream": (decode_stream, seeds()),
    "payload": (decode_payload, files_of(seeds())),
}


def run(side: str, seed: int, count: int) -> Counter[str]:
    decode, inputs = DECODERS[side]
    return fuzz(decode, inputs, seed, count, SmlTelegram)


@pytest.mark.parametrize("side", DECODERS)
def test_mutated_sml_gives_telegrams_or_protocol_errors(side: str, seed: int) -> None:
    outcomes = run(side, seed, INPUTS_SHORT)
    assert outcomes["SmlTelegram"]
    assert sum(count for name, count in outcomes.items() if name.startswith("sml."))


@pytest.mark.proof
@pytest.mark.parametrize("side", DECODERS)
def test_a_million_mutated_inputs_of_sml_give_telegrams_or_protocol_errors(side: str, seed: int) -> None:
    started_s = time.monotonic()
    outcomes = run(side, seed, INPUTS_PROOF)
    print(f"\nsml {side}, seed {seed}, {time.monotonic() - started_s:.0f} s: {dict(outcomes.most_common())}")


def hostile_patterns() -> list[bytes]:
    """What makes a receiver search again, or a decoder build much from little."""
    telegram = own_telegrams()[0]
    nested = encode_file(b"\x76" + b"\x71" * (DEPTH_MAX + 1))
    wide = encode_file(b"\x76\x01\x01\x01\xf4\x00" + b"\x01" * (LIST_ELEMENTS_MAX // 2))
    return [
        ESCAPE,
        START,
        b"\x1b" * 7 + b"x",
        START + ESCAPE * 3 + b"\x1a",
        telegram,
        telegram[:-1],
        nested,
        wide,
    ]


def test_time_is_linear_up_to_a_megabyte() -> None:
    assert_linear_time(decode_stream, hostile_patterns(), size_bytes=STREAM_BYTES)
    assert_linear_time(SmlReceiver().receive_data, hostile_patterns(), size_bytes=STREAM_BYTES)


def test_the_largest_file_is_decoded_in_bounded_memory() -> None:
    """Lists of empty elements are the most objects that a byte can make."""
    content = b"\xf4\x00" + b"\x01" * LIST_ELEMENTS_MAX
    payload = b"\x76\x01\x01\x01" + content
    while len(payload) < FILE_BYTES_MAX - 2 * len(content):
        payload += b"\x76\x01\x01\x01\x72\x63\x07\x01" + content + b"\x63\x00\x00\x00"
    file = encode_file(payload)
    assert len(file) < FILE_BYTES_MAX
    tracemalloc.start()
    try:
        found = SmlReceiver().receive_data(file)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found
    assert peak_bytes < DECODED_BYTES_MAX, peak_bytes


def test_damage_that_only_the_second_checksum_lets_pass_is_refused() -> None:
    """One flipped bit, and behind it the Kermit checksum of what has come: 1 of 65,536 damages is so."""
    payload = bytearray(files_of(own_telegrams()[:1])[0])
    place = payload.index(bytes((1, 0, 1, 8, 0, 255))) + 12
    payload[place] ^= 1
    (found,) = SmlReceiver().receive_data(encode_file(bytes(payload), kermit=True))
    assert isinstance(found, ProtocolError)
    assert found.code == "sml.crc"
