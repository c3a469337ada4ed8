"""DLMS pushes of our own, which several tests take apart."""

from __future__ import annotations

from protocols.dlms import (
    DlmsValue,
    Keys,
    encode_blocks,
    encode_ciphered,
    encode_frames,
    encode_hdlc,
    encode_mbus,
    encode_notification,
    encode_values,
)
from protocols.obis import parse_obis
from protocols.value import Scaled

KEYS = Keys(bytes(range(16)), bytes(range(16, 32)))
TITLE = b"SIM\x01\x02\x03\x04\x05"
ENERGY, POWER = parse_obis("1-0:1.8.0"), parse_obis("1-0:16.7.0")


def values(energy: int = 123456) -> list[DlmsValue]:
    return [
        DlmsValue(parse_obis("0-0:96.1.0"), "SIM0001"),
        DlmsValue(ENERGY, Scaled(energy, -1), 30, -1),
        DlmsValue(POWER, Scaled(-42, 0), 27, 0),
    ]


def plain(energy: int = 123456) -> bytes:
    return encode_notification(encode_values(values(energy)), invoke_id=1)


def ciphered(counter: int, *, control: int = 0x30, keys: Keys = KEYS) -> bytes:
    return encode_ciphered(plain(counter), keys=keys, system_title=TITLE, counter=counter, control=control)


def every_framing() -> list[bytes]:
    """Plain and ciphered pushes in frames of every kind."""
    apdus = [plain(), ciphered(7), ciphered(8, control=0x20)]
    streams = [encode_frames(apdu, "hdlc", segment_bytes=size) for apdu in apdus for size in (0, 30)]
    streams += [encode_mbus(apdu, segment_bytes=40) for apdu in apdus]
    return streams + [b"".join(encode_hdlc(block) for block in encode_blocks(apdu, 40)) for apdu in apdus]


TELEGRAMS = every_framing()
