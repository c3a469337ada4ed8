"""`edgectl decode --protocol dlms`: values, keys, and whether anybody could have sent it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgectl.decode import EXIT_METER, decode_recording
from edgectl.texts import Words
from protocols.dlms import DlmsValue, Keys, encode_ciphered, encode_frames, encode_notification, encode_values
from protocols.obis import parse_obis
from protocols.value import Scaled

KEYS = Keys(bytes(range(16)), bytes(range(16, 32)))


def recording(folder: Path, *counters: int) -> str:
    """Ciphered telegrams, one for each counter, in segments."""
    values = [
        DlmsValue(parse_obis("0-0:96.1.0"), "SIM0001"),
        DlmsValue(parse_obis("1-0:1.8.0"), Scaled(77, -1), 30),
    ]
    apdu = encode_notification(encode_values(values))
    streams = [
        encode_frames(
            encode_ciphered(apdu, keys=KEYS, system_title=b"SIM\0\0\0\0\1", counter=counter),
            "hdlc",
            segment_bytes=40,
        )
        for counter in counters
    ]
    path = folder / "capture.bin"
    path.write_bytes(b"".join(streams))
    return str(path)


def decode(source: str, keys: Keys, language: str = "en", *, as_json: bool = True) -> int:
    key, auth_key = (None if each is None else each.hex() for each in keys)
    return decode_recording(source, "dlms", key, auth_key, Words(language), as_json=as_json)


@pytest.mark.parametrize("authentication_key", [KEYS.authentication_key, None])
def test_json_gives_values_and_whether_they_are_authenticated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], authentication_key: bytes | None
) -> None:
    assert decode(recording(tmp_path, 5, 5), Keys(KEYS.key, authentication_key)) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 2, "a recording may hold a telegram twice"
    assert lines[0]["meter"] == "SIM0001"
    assert lines[0]["authenticated"] == (authentication_key is not None)
    energy = {"obis": "1-0:1.8.0*255", "name": "energy_active_import_total", "value": "7.7", "unit": "Wh"}
    assert lines[0]["values"][1] == {**energy, "status": None}


@pytest.mark.parametrize(
    ("language", "word"), [("en", "give the meter's key"), ("de", "Schlüssel des Zählers")]
)
def test_without_key_the_next_step_is_told_and_the_frames_are_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], language: str, word: str
) -> None:
    assert decode(recording(tmp_path, 5), Keys(), language, as_json=False) == EXIT_METER
    text = " ".join(capsys.readouterr().out.split())
    assert word in text
    assert "General-Glo-Ciphering" in text


def test_with_keys_the_decrypted_data_are_explained_and_no_key_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert decode(recording(tmp_path, 5), KEYS, as_json=False) == 0
    text = capsys.readouterr().out
    assert "30 = Wh" in text
    assert "not authenticated" not in text
    assert not any(key.hex() in text.lower().replace(" ", "") for key in KEYS if key is not None)
