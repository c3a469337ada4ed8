"""Mutated DLMS: nothing may come out but telegrams or ProtocolError, in linear time, and little is kept."""

from __future__ import annotations

import time
import tracemalloc
from collections import Counter
from collections.abc import Callable

import pytest

from protocols.dlms import (
    APDU_BYTES_MAX,
    DlmsReceiver,
    DlmsTelegram,
    encode_blocks,
    encode_frames,
    encode_hdlc,
    encode_notification,
)
from protocols.dlms.assembly import Whole, bare
from protocols.dlms.axdr import ARRAY, NULL, Data
from protocols.dlms.framing import FRAME_BYTES_MAX, RAW_BYTES_MAX, Outside
from protocols.errors import ProtocolError
from tests.protocols.dlms_samples import KEYS, TELEGRAMS, ciphered, plain
from tests.protocols.fuzz import INPUTS_PROOF, INPUTS_SHORT, assert_linear_time, fuzz
from tests.protocols.test_dlms_corpus import PUSHES, recorded

PIECE_BYTES = 64  # what a serial port hands over at a time
STREAM_BYTES = 150_000
DECODED_BYTES_MAX = 4_000_000  # of one telegram of APDU_BYTES_MAX; measured: 1.0 MB


def apdus() -> list[bytes]:
    """What stands in the recorded and own frames: mutated behind their checksums."""
    found = [plain(), ciphered(7)]
    for case in PUSHES:
        data = recorded(case)
        frames = [item for item in bare(Outside(data, 0)) if isinstance(item, Whole)]
        found += [whole.apdu for whole in frames if data[0] not in (0x7E, 0x68)]
    return found


def decode_stream(data: bytes) -> list[DlmsTelegram | ProtocolError]:
    receiver = DlmsReceiver(KEYS.key, KEYS.authentication_key)
    found: list[DlmsTelegram | ProtocolError] = []
    for place in range(0, len(data), PIECE_BYTES):
        found += receiver.receive_data(data[place : place + PIECE_BYTES])
        assert len(receiver._frames._buffer) <= 2 * RAW_BYTES_MAX + FRAME_BYTES_MAX + PIECE_BYTES
        assert receiver.missing_bytes() >= 1
    return found + receiver.receive_end()


def decode_apdu(apdu: bytes) -> list[DlmsTelegram | ProtocolError]:
    """As if the meter itself had made the mistake: the frame's checksum is right, so all of it is read."""
    receiver = DlmsReceiver(KEYS.key, None)
    found: list[DlmsTelegram | ProtocolError] = []
    for place in range(0, max(1, len(apdu)), 1500):
        found += receiver.receive_data(encode_hdlc(apdu[place : place + 1500] or b"\0"))
    return found + receiver.receive_end()


def decode_bare(apdu: bytes) -> list[DlmsTelegram | ProtocolError]:
    receiver = DlmsReceiver(KEYS.key, None)
    return receiver.receive_data(apdu) + receiver.receive_end()


DECODERS: dict[str, tuple[Callable[[bytes], list[DlmsTelegram | ProtocolError]], list[bytes]]] = {
    "stream": (decode_stream, TELEGRAMS + [recorded(case) for case in PUSHES]),
    "apdu": (decode_apdu, apdus()),
    "bare": (decode_bare, apdus()),
}


def run(side: str, seed: int, count: int) -> Counter[str]:
    decode, inputs = DECODERS[side]
    return fuzz(decode, inputs, seed, count, DlmsTelegram)


@pytest.mark.parametrize("side", DECODERS)
def test_mutated_dlms_gives_telegrams_or_protocol_errors(side: str, seed: int) -> None:
    outcomes = run(side, seed, INPUTS_SHORT)
    assert outcomes["DlmsTelegram"]
    assert side == "bare" or sum(n for name, n in outcomes.items() if name.startswith("dlms."))


@pytest.mark.proof
@pytest.mark.parametrize("side", DECODERS)
def test_a_million_mutated_inputs_of_dlms_give_telegrams_or_protocol_errors(side: str, seed: int) -> None:
    started_s = time.monotonic()
    outcomes = run(side, seed, INPUTS_PROOF)
    print(f"\ndlms {side}, seed {seed}, {time.monotonic() - started_s:.0f} s: {dict(outcomes.most_common())}")


def hostile_patterns() -> list[bytes]:
    """What makes a receiver search again, or a decoder build much from little."""
    frame = encode_frames(plain(), "hdlc")
    nested = encode_hdlc(b"\x0f\0\0\0\0\0" + b"\x02\x01" * 900)
    wide = encode_hdlc(b"\x0f\0\0\0\0\0" + b"\x01\x82\x03\xff" + bytes(1023))
    compact = encode_hdlc(b"\x0f\0\0\0\0\0" + b"\x13\x01\xff\xff\x01\xff\xff\x00\x81\x40" + bytes(64))
    long_header = encode_hdlc(b"\xe6\xe7\x00" + bytes(1900))[:10]
    return [
        b"\x7e",
        b"\x7e\xa7\xff",
        b"\x68\xff\xff\x68\x53\xff\x00",
        b"\x68",
        frame,
        frame[:-1],
        frame[:-2] + b"\0",
        long_header,
        encode_hdlc(b"x" * 40, segment_bytes=20)[:34],
        encode_hdlc(b"\xe0\x40\x00\x01\x00\x00\x00"),
        nested,
        wide,
        compact,
    ]


def test_time_is_linear() -> None:
    assert_linear_time(decode_stream, hostile_patterns(), size_bytes=STREAM_BYTES)


def test_the_largest_telegram_is_decoded_in_bounded_memory() -> None:
    """Nulls are the most values that a byte can make."""
    body = Data(ARRAY, tuple(Data(ARRAY, (Data(NULL, None),) * 250) for _ in range(16)))
    apdu = encode_notification(body)
    assert len(apdu) < APDU_BYTES_MAX
    stream = b"".join(encode_hdlc(block) for block in encode_blocks(apdu, 1900))
    tracemalloc.start()
    try:
        found = DlmsReceiver().receive_data(stream)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [type(item) for item in found] == [DlmsTelegram]
    assert peak_bytes < DECODED_BYTES_MAX, peak_bytes


def test_a_telegram_without_end_is_given_up() -> None:
    segment = encode_hdlc(b"\x0f" * 3000, segment_bytes=1500)[: 1500 + 12]
    receiver = DlmsReceiver()
    found = [item for _ in range(20) for item in receiver.receive_data(segment)]
    assert [getattr(item, "code", "") for item in found] == ["dlms.size"]
