"""`edgectl decode`: what it prints of recordings, of any bytes, and of what is no recording."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgectl import recording
from edgectl.decode import PROTOCOLS, decode_recording, is_sound, json_objects
from edgectl.recording import NotBytes, read_recording
from edgectl.telegrams import Keys, Protocol, explain, list_stretches
from edgectl.texts import STRINGS, Language, Words
from protocols.iec62056_21 import DataSet, Identification, Value, encode_block, encode_push
from protocols.modbus.ascii import encode_frame
from protocols.modbus.identification import encode_part
from protocols.modbus.pdu import (
    IdentificationRequest,
    ReadRequest,
    Request,
    ServerIdRequest,
    encode_answer,
    encode_request,
)
from protocols.modbus.rtu import add_crc
from protocols.p1 import encode_telegram as encode_p1
from protocols.p1 import encrypt_telegram
from protocols.sml import SmlReceiver, SmlTelegram, SmlTime, SmlValue, encode_telegram
from protocols.sml.transport import encode_file
from protocols.value import Scaled
from tests.protocols.dlms_samples import TELEGRAMS as DLMS_TELEGRAMS
from tests.protocols.mbus_samples import FRAMES as MBUS_FRAMES
from tests.protocols.mbus_samples import OTHERS as MBUS_OTHERS

ROOT = Path(__file__).resolve().parents[2]
CORPORA = ROOT / "../shared/corpora"
FOLDERS: dict[str, Protocol] = {
    "sml": "sml",
    "dlms": "dlms",
    "iec62056_21": "d0",
    "dsmr_p1": "p1",
    "mbus": "mbus",
}
RECORDINGS = sorted(
    (protocol, path)
    for folder, protocol in FOLDERS.items()
    for path in (CORPORA / folder).glob("*.[bt][ix][nt]")
    if ".libsml." not in path.name
)
SML_RECORDINGS = [path for protocol, path in RECORDINGS if protocol == "sml"]
DZG = CORPORA / "sml" / "DZG_DVS-7412.2_jmberg.bin"
NO_CORPORA = "corpora: no recorded telegrams beside this checkout"
SERVER = bytes.fromhex("0A01454D480000A1BD34")
KEY, AUTH_KEY = bytes(range(16)), bytes(range(16, 32))
COLUMNS = 80
TEXT_BYTES = 1200  # of a recording, enough for one telegram and the beginning of another

OBIS_IMPORT = bytes((1, 0, 1, 8, 0, 255))
OBIS_POWER = bytes((1, 0, 16, 7, 0, 255))
SML = encode_telegram(
    SERVER,
    [
        SmlValue(OBIS_IMPORT, Scaled(123456, -1), 30, status=0x1C0104),
        SmlValue(OBIS_POWER, Scaled(-5, 0), 27),
        SmlValue(bytes((129, 129, 199, 130, 3, 255)), b"EMH"),
        SmlValue(bytes((1, 0, 96, 1, 0, 255)), bytes(range(40))),
        SmlValue(bytes((1, 0, 96, 5, 0, 255)), True, time=SmlTime("utc", 1_700_000_000)),
    ],
    list_name=b"\x1b" * 5,
    time=SmlTime("index", 4711),
)
READ = ReadRequest(4, 100, 4)
COILS = ReadRequest(1, 5, 10)
IDENTITY = IdentificationRequest(1)
REGISTERS = bytes.fromhex("4366199A0001E240")
P1 = encode_p1(
    Identification("ISk", "5", "MT382-1000", "\\2"),
    [
        DataSet("1-3:0.2.8", (Value("50"),)),
        DataSet("0-0:1.0.0", (Value("170102192002W"),)),
        DataSet("0-0:96.1.1", (Value(b"K8EG004046395507".hex()),)),
        DataSet("1-0:1.8.1", (Value("000004.426", "kWh"),)),
        DataSet("0-1:24.1.0", (Value("003"),)),
        DataSet("0-1:24.2.1", (Value("170102161005W"), Value("00000.107", "m3"))),
    ],
)
P1_ENCRYPTED = encrypt_telegram(
    P1, key=KEY, authentication_key=AUTH_KEY, system_title=b"SAG\x01\x02\x03\x04\x05", counter=7
)
D0_SETS = [
    DataSet("0.0.0", (Value("00123456"),)),
    DataSet("1.8.0", (Value("012345.678", "kWh"),)),
    DataSet("1.6.1", (Value("27.19", "kW"), Value("1702090945"))),
    DataSet("F", (Value("00000000"),)),
]
D0_PUSH = encode_push(Identification("EMH", "5", "eHZ"), D0_SETS)
D0 = b"/EMH5eHZ\r\n" + encode_block(D0_SETS)


def rtu(unit: int, pdu: bytes) -> bytes:
    return add_crc(bytes((unit,)) + pdu)


def tcp(unit: int, pdu: bytes, transaction: int = 1) -> bytes:
    return transaction.to_bytes(2, "big") + b"\0\0" + (1 + len(pdu)).to_bytes(2, "big") + bytes((unit,)) + pdu


def exchange(frame: Callable[[int, bytes], bytes], unit: int, asked: Request, answer: bytes | int) -> bytes:
    return frame(unit, encode_request(asked)) + frame(unit, encode_answer(asked, answer))


def conversation(frame: Callable[[int, bytes], bytes]) -> bytes:
    objects = encode_part(IDENTITY, {0: b"ACME", 1: b"M1", 2: b"V1.0"})
    return b"".join(
        (
            exchange(frame, 1, READ, REGISTERS),
            exchange(frame, 7, ReadRequest(3, 0x1000, 2), 2),
            exchange(frame, 1, COILS, b"\xa5\x01"),
            exchange(frame, 2, IDENTITY, objects),
            exchange(frame, 2, ServerIdRequest(), b"\x10\xff"),
            frame(3, bytes.fromhex("0600010003")) * 2,
            frame(3, bytes.fromhex("100001000204000A0102")) + frame(3, bytes.fromhex("1000010002")),
        )
    )


TELEGRAMS: dict[Protocol, list[bytes]] = {
    "modbus-rtu": [conversation(rtu), rtu(1, encode_answer(READ, REGISTERS)), rtu(1, encode_request(READ))],
    "modbus-tcp": [conversation(tcp), tcp(1, b"\x41\x00"), tcp(1, encode_answer(READ, REGISTERS), 9)],
    "modbus-ascii": [conversation(encode_frame), b":0103000000"],
    "sml": [SML, encode_telegram(SERVER, [], kermit=True), encode_file(b"\x76\x01"), SML[:-3]],
    "d0": [D0, D0_PUSH, b"/?!\r\n", encode_block(D0_SETS)],
    "p1": [P1, P1_ENCRYPTED, P1[:-8]],
    "dlms": [*DLMS_TELEGRAMS, DLMS_TELEGRAMS[0][:-3], DLMS_TELEGRAMS[0][30:]],
    "mbus": [*MBUS_FRAMES, *MBUS_OTHERS, MBUS_FRAMES[0][:-3], b"".join(MBUS_OTHERS)],
}


class Printed(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def decode(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Printed]:
    """Decode bytes from a file, or a source as a person writes it."""
    monkeypatch.setenv("COLUMNS", str(COLUMNS))

    def run(
        protocol: Protocol,
        given: bytes | str,
        *,
        language: Language = "en",
        as_json: bool = True,
        dzg_sign: bool = False,
        **keys: str,
    ) -> Printed:
        source = str(given)
        if isinstance(given, bytes):
            (tmp_path / "recording").write_bytes(given)
            source = str(tmp_path / "recording")
        words = Words(language)
        key, auth_key = keys.get("key"), keys.get("auth_key")
        code = decode_recording(source, protocol, key, auth_key, words, as_json=as_json, dzg_sign=dzg_sign)
        return Printed(code, *capsys.readouterr())

    return run


Decode = Callable[..., Printed]


def test_an_sml_telegram_is_one_object_of_the_published_form(decode: Decode) -> None:
    printed = decode("sml", SML)
    assert printed.code == 0
    (telegram,) = printed.objects
    assert list(telegram) == ["protocol", "meter", "time", "values", "error"]
    assert (telegram["protocol"], telegram["meter"]) == ("sml", "1EMH0010599732")
    assert telegram["time"] is telegram["error"] is None
    energy, power, maker, long, alive = telegram["values"]
    assert json.dumps(energy) == json.dumps(
        {
            "obis": "1-0:1.8.0*255",
            "name": "energy_active_import_total",
            "value": "12345.6",
            "unit": "Wh",
            "status": 0x1C0104,
        }
    )
    assert (power["value"], power["unit"], power["name"]) == ("-5", "W", "power_active_total")
    assert (maker["value"], maker["name"], maker["unit"]) == ("EMH", None, None)
    assert long["value"] == bytes(range(40)).hex().upper()
    assert (alive["value"], alive["time"]) == ("true", "2023-11-14T22:13:20Z")


def test_a_stretch_that_is_no_telegram_is_one_object_with_its_error(decode: Decode) -> None:
    damaged = bytearray(SML)
    damaged[60] ^= 1
    printed = decode("sml", b"\x01\x02" + bytes(damaged) + SML)
    noise, crc, telegram = printed.objects
    assert printed.code == 4
    assert noise == {
        "protocol": "sml",
        "error": {"code": "sml.noise", "offset": 0, "text": "bytes that belong to no telegram: 2"},
    }
    assert list(crc) == ["protocol", "error"]
    assert (crc["error"]["code"], crc["error"]["offset"]) == ("sml.crc", 2 + len(SML) - 8)
    assert telegram["error"] is None


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_nothing_found_is_no_success(protocol: Protocol, decode: Decode) -> None:
    printed = decode(protocol, b"\xff\x00\xff\x80")
    assert printed.code == 4
    assert [each["error"]["code"] for each in printed.objects] == [f"{protocol.partition('-')[0]}.noise"]


@pytest.mark.parametrize(
    ("protocol", "frame"), [("modbus-rtu", rtu), ("modbus-tcp", tcp), ("modbus-ascii", encode_frame)]
)
def test_a_bus_listener_pairs_answers_with_their_requests(
    protocol: Protocol, frame: Callable[[int, bytes], bytes], decode: Decode
) -> None:
    printed = decode(protocol, conversation(frame))
    values = [{value["name"]: value["value"] for value in telegram["values"]} for telegram in printed.objects]
    asked, registers, _, refused, _, coils, _, identity, _, server, *writes = values
    assert asked == {"function": "4", "address": "100", "count": "4"}
    assert registers == {
        "input_register_100": "17254",
        "input_register_101": "6554",
        "input_register_102": "1",
        "input_register_103": "57920",
    }
    assert refused == {}
    refusal = printed.objects[3]["error"]
    assert refusal["code"] == "modbus.exception"
    assert "unit 7 refused function 3: exception 2" in refusal["text"]
    assert coils == {f"coil_{5 + place}": bit for place, bit in enumerate("1010010110")}
    assert identity == {"vendor": "ACME", "product_code": "M1", "revision": "V1.0"}
    assert server == {"server_id": "10FF"}
    assert [each.get("function") for each in writes] == ["6", None, "16", None]
    assert {telegram["meter"] for telegram in printed.objects} == {"1", "2", "3", "7"}
    assert printed.code == 4  # a device refused


def test_an_answer_without_its_request_counts_registers_from_its_own_first(decode: Decode) -> None:
    alone = rtu(1, encode_answer(READ, REGISTERS))
    late = rtu(1, encode_request(ReadRequest(4, 7, 2))) + alone
    for data in (alone, late):
        telegram = decode("modbus-rtu", data).objects[-1]
        assert [value["name"] for value in telegram["values"]][:2] == [
            "input_register_+0",
            "input_register_+1",
        ]


def test_a_tcp_answer_belongs_to_the_request_of_its_transaction(decode: Decode) -> None:
    other = ReadRequest(4, 200, 4)
    data = (
        tcp(1, encode_request(READ), 5)
        + tcp(1, encode_request(other), 6)
        + tcp(1, encode_answer(other, REGISTERS), 6)
        + tcp(1, encode_answer(READ, REGISTERS), 5)
    )
    names = [each["values"][0]["name"] for each in decode("modbus-tcp", data).objects[2:]]
    assert names == ["input_register_200", "input_register_100"]


def test_a_frame_with_a_wrong_checksum_is_told_from_noise(decode: Decode) -> None:
    damaged = rtu(1, encode_answer(READ, REGISTERS))[:-1] + b"\xee"
    error = decode("modbus-rtu", damaged).objects[0]["error"]
    assert (error["code"], error["offset"]) == ("modbus.crc", len(damaged) - 2)
    text = decode("modbus-rtu", damaged, as_json=False).out
    assert "CHECKSUM WRONG" in text
    ascii_damaged = encode_frame(1, encode_request(READ)).replace(b"64", b"65")
    assert decode("modbus-ascii", ascii_damaged).objects[0]["error"]["code"] == "modbus.lrc"


def test_a_p1_telegram_tells_meter_time_and_the_meters_behind_it(decode: Decode) -> None:
    (telegram,) = decode("p1", P1).objects
    assert (telegram["meter"], telegram["time"]) == ("K8EG004046395507", "2017-01-02T19:20:02")
    by_obis = {value["obis"]: value for value in telegram["values"]}
    assert by_obis["1-0:1.8.1*255"]["value"] == "4.426"
    gas = by_obis["0-1:24.2.1*255"]
    assert (gas["name"], gas["value"], gas["unit"]) == ("volume_gas_tc_total", "0.107", "m3")
    assert gas["time"] == "2017-01-02T16:10:05"


def test_an_encrypted_telegram_is_opened_by_its_keys_and_they_are_never_shown(decode: Decode) -> None:
    plain = decode("p1", P1).objects
    keys = {"key": KEY.hex(), "auth_key": AUTH_KEY.hex().upper()}
    assert decode("p1", P1_ENCRYPTED, **keys).objects == plain
    assert decode("p1", P1_ENCRYPTED, key=KEY.hex()).objects == plain
    assert decode("p1", P1, **keys).objects == plain  # keys do not forbid a plain telegram
    text = decode("p1", P1_ENCRYPTED, as_json=False, **keys)
    assert "DECRYPTED" in text.out
    wrong = decode("p1", P1_ENCRYPTED, key=AUTH_KEY.hex(), auth_key=KEY.hex())
    assert (wrong.code, wrong.objects[0]["error"]["code"]) == (4, "p1.decrypt")
    assert decode("p1", P1_ENCRYPTED).objects[0]["error"]["code"] == "p1.encrypted"
    bad = decode("p1", P1_ENCRYPTED, key="0123", as_json=False)
    assert bad.code == 2
    assert "--key" in bad.err
    shown = text.out + text.err + wrong.out + bad.out + bad.err + repr(Keys(KEY, AUTH_KEY))
    for secret in (KEY, AUTH_KEY):
        assert secret.hex() not in shown.lower()
        assert secret.hex(" ") not in shown.lower()
    assert "0123" not in bad.out + bad.err


def test_a_read_out_tells_values_and_the_time_of_a_maximum(decode: Decode) -> None:
    for data in (D0, D0_PUSH, encode_block(D0_SETS)):
        (telegram,) = decode("d0", data).objects
        assert telegram["meter"] == "00123456"
        assert [(value["obis"], value["value"], value["unit"]) for value in telegram["values"]] == [
            ("1-0:0.0.0*255", "00123456", None),
            ("1-0:1.8.0*255", "12345.678", "kWh"),
            ("1-0:1.6.1*255", "27.19", "kW"),
            ("F", "00000000", None),
        ]
        assert telegram["values"][2]["time"] == "2017-02-09T09:45:00"


def test_a_read_out_recorded_with_its_parity_bits_is_read_the_same(decode: Decode) -> None:
    with_parity = bytes(byte | (byte.bit_count() % 2 << 7) for byte in D0)
    assert decode("d0", with_parity).objects == decode("d0", D0).objects
    assert "1.8.0(012345.678*kWh)" in decode("d0", D0, as_json=False).out


@pytest.mark.parametrize(
    "write",
    [
        lambda data: data.hex(),
        lambda data: data.hex(" ").upper(),
        lambda data: ", ".join(f"0x{byte:02x}" for byte in data),
        lambda data: "\n".join(data[at : at + 16].hex(" ") for at in range(0, len(data), 16)) + "\r\n",
        lambda data: "0x" + data.hex(),
    ],
)
def test_hexadecimal_text_means_the_bytes_it_writes_down(
    write: Callable[[bytes], str], decode: Decode, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = decode("sml", SML).objects
    text = write(SML)
    assert decode("sml", text).objects == expected
    assert decode("sml", text.encode()).objects == expected
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert decode("sml", "-").objects == expected


def test_text_protocols_may_be_given_as_text_or_as_hexadecimal(decode: Decode) -> None:
    frame = encode_frame(1, encode_request(READ))
    expected = decode("modbus-ascii", frame).objects
    assert decode("modbus-ascii", frame.decode().strip()).objects == expected
    assert decode("modbus-ascii", frame.hex(" ")).objects == expected
    assert decode("p1", P1.hex()).objects == decode("p1", P1).objects


@pytest.mark.parametrize(
    ("given", "code", "says"),
    [
        ("no-such-file.bin", "input.not-found", "neither a file nor hexadecimal digits"),
        (b"", "input.empty", "no byte was recorded"),
        ("1B1", "input.odd", "3 hexadecimal digits"),
        (b"1B 1B\n1B 1G 1B", "input.not-hex", "line 2, column 5 has 'G'"),
        (b"00000000: 1b1b 1b1b  ....\n", "input.not-hex", "column 9 has ':'"),
        ("é", "input.not-found", "neither"),
        ("tests", "input.unreadable", "tests cannot be read"),
    ],
)
def test_what_is_no_recording_is_refused_with_what_would_be_right(
    given: bytes | str, code: str, says: str, decode: Decode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    printed = decode("sml", given)
    (refusal,) = printed.objects
    assert printed.code == 2
    assert refusal["error"]["code"] == code
    assert says in refusal["error"]["text"]
    text = decode("sml", given, as_json=False, language="de")
    assert (text.code, text.out) == (2, "")
    assert text.err


def test_a_recording_beyond_the_bound_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "INPUT_BYTES_MAX", 100)
    (tmp_path / "large").write_bytes(bytes(101))
    with pytest.raises(NotBytes, match=r"input\.size"):
        read_recording(str(tmp_path / "large"), is_text=False)
    (tmp_path / "fits").write_bytes(bytes(100))
    assert len(read_recording(str(tmp_path / "fits"), is_text=False)) == 100


def check_cover(protocol: Protocol, data: bytes, keys: Keys = Keys()) -> None:  # noqa: B008 - immutable
    """Stretches and their spans stand in order, touch, cover all, and have words in both languages."""
    at = 0
    for stretch in list_stretches(protocol, data, keys):
        assert stretch.start == at < stretch.end
        assert (stretch.error is None) == bool(stretch.telegrams) or stretch.telegrams
        for each in json_objects(protocol, stretch):
            assert json.loads(json.dumps(each)) == each
            assert each["protocol"] == protocol
            if each["error"] is not None:
                assert stretch.start <= each["error"]["offset"] <= len(data)
        for span in explain(protocol, data, stretch):
            assert span.start == at < span.end
            assert f"span.{span.kind}" in STRINGS, span
            at = span.end
        assert stretch.end == at
    assert at == len(data)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=300))
def test_any_bytes_are_covered_by_stretches_and_spans(protocol: Protocol, data: bytes) -> None:
    check_cover(protocol, data)
    check_cover(protocol, data, Keys(KEY, AUTH_KEY))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@settings(max_examples=150, deadline=None)
@given(chosen=st.data())
def test_telegrams_cut_joined_and_damaged_are_covered_too(protocol: Protocol, chosen: st.DataObject) -> None:
    pieces = []
    for _ in range(chosen.draw(st.integers(1, 4))):
        piece = bytearray(chosen.draw(st.sampled_from(TELEGRAMS[protocol])))
        for _ in range(chosen.draw(st.integers(0, 3))):
            place = chosen.draw(st.integers(0, len(piece) - 1))
            piece[place] = chosen.draw(st.sampled_from((0, 2, 3, 0x0A, 0x1B, 0x2F, 0x7F, 0xDB, 0xFF)))
        cut = chosen.draw(st.sampled_from((0, 0, 0, 1, 9, 40)))
        pieces.append(bytes(piece[cut:] if chosen.draw(st.booleans()) else piece[: len(piece) - cut]))
    data = chosen.draw(st.binary(max_size=5)).join(pieces)
    check_cover(protocol, data)
    check_cover(protocol, data, Keys(KEY))


@settings(max_examples=60, deadline=None)
@given(protocol=st.sampled_from(PROTOCOLS), data=st.binary(max_size=200))
def test_the_exit_code_says_whether_all_was_sound(protocol: Protocol, data: bytes) -> None:
    stretches = list(list_stretches(protocol, data))
    sound = bool(stretches) and all(is_sound(stretch) for stretch in stretches)
    objects = [each for stretch in stretches for each in json_objects(protocol, stretch)]
    assert sound == (bool(objects) and all(each["error"] is None for each in objects))


@pytest.mark.skipif(not RECORDINGS, reason=NO_CORPORA)
@pytest.mark.parametrize(("protocol", "path"), RECORDINGS, ids=[path.name for _, path in RECORDINGS])
def test_recordings_are_covered_and_their_text_fits_80_columns(
    protocol: Protocol, path: Path, decode: Decode
) -> None:
    data = path.read_bytes()
    check_cover(protocol, data)
    for language in get_args(Language):
        printed = decode(protocol, data[:TEXT_BYTES], as_json=False, language=language)
        assert printed.code in (0, 4)
        assert max(map(len, printed.out.splitlines())) <= COLUMNS


@pytest.mark.skipif(not RECORDINGS, reason=NO_CORPORA)
@pytest.mark.parametrize("path", SML_RECORDINGS, ids=[path.name for path in SML_RECORDINGS])
def test_every_recorded_sml_telegram_is_printed_with_all_its_values(path: Path, decode: Decode) -> None:
    found = [item for item in SmlReceiver().receive_data(path.read_bytes()) if isinstance(item, SmlTelegram)]
    telegrams = [each for each in decode("sml", path.read_bytes()).objects if "values" in each]
    assert len(telegrams) == len(found)
    for telegram, expected in zip(telegrams, found, strict=True):
        for printed, value in zip(telegram["values"], expected.values, strict=True):
            if isinstance(value.value, Scaled):
                assert printed["value"] == str(value.value)
            assert printed["status"] == value.status


@pytest.mark.skipif(not RECORDINGS, reason=NO_CORPORA)
@pytest.mark.skipif(not DZG.exists(), reason=NO_CORPORA)
def test_a_dzg_meter_has_its_sign_put_right_where_the_user_says_so(decode: Decode) -> None:
    """libsml, which knows this meter by its serial number, prints 356.24 W."""
    for dzg_sign, expected in ((False, "-299.12"), (True, "356.24")):
        (first, *_) = decode("sml", DZG.read_bytes(), dzg_sign=dzg_sign).objects
        powers = [each["value"] for each in first["values"] if each["name"] == "power_active_total"]
        assert powers == [expected]


def test_most_recordings_of_every_protocol_hold_a_telegram() -> None:
    for protocol, least in (("sml", 28), ("p1", 14), ("d0", 11), ("mbus", 64)):
        paths = [path for each, path in RECORDINGS if each == protocol]
        found = [
            any(each.telegrams for each in list_stretches(protocol, path.read_bytes())) for path in paths
        ]
        assert sum(found) >= least, (protocol, sum(found), len(paths))


def test_the_text_explains_a_telegram_byte_range_by_byte_range(decode: Decode) -> None:
    lines = [" ".join(line.split()) for line in decode("sml", SML, as_json=False).out.splitlines()]
    assert "meter 1EMH0010599732" in lines
    assert "1-0:1.8.0*255 12345.6 Wh energy_active_import_total" in lines
    assert "0-7 1B 1B 1B 1B 01 01 01 01 start, version 1" in lines
    assert any(line.endswith("scaler 10^-1") for line in lines)
    assert any(line.endswith("unit 30 = Wh") for line in lines)
    assert lines[-1] == "Telegrams: 1. Nothing else in the recording."
    german = decode("sml", SML, as_json=False, language="de").out
    assert "12345,6 Wh" in german
    assert "Wirkarbeit Bezug gesamt" in german


def test_registers_are_shown_as_what_they_may_be(decode: Decode) -> None:
    out = decode("modbus-rtu", rtu(1, encode_answer(READ, REGISTERS)), as_json=False).out
    rows = [line.split() for line in out.splitlines()]
    assert ["+0", "43", "66", "17254", "17254", "1130764698", "230.1", "1.6e-23"] in rows
    assert ["+3", "E2", "40", "57920", "-7616"] in rows
    assert "The request is not in the recording" in out


def test_what_a_device_sent_does_not_steer_the_terminal(decode: Decode) -> None:
    out = decode("d0", b"/EMH5\x1b[2J\x9bdevice\r\n1.8.0(1)\r\n!\r\n", as_json=False).out
    assert out.replace("\n", "").isprintable()
    assert "<1B>[2J<9B>device" in "".join(out.split())


def test_noise_of_a_megabyte_is_a_screen_and_not_a_book(decode: Decode) -> None:
    printed = decode("modbus-tcp", bytes(1 << 20), as_json=False)
    assert len(printed.out.splitlines()) < 25


def test_the_program_decodes_without_daemon_and_configuration(tmp_path: Path) -> None:
    (tmp_path / "telegram.bin").write_bytes(SML)
    for source, code in ((str(tmp_path / "telegram.bin"), 0), ("DEADBEEF", 4), ("neither", 2)):
        arguments = (sys.executable, "-m", "edgectl.main", "decode", "--protocol", "sml", "--json", source)
        done = subprocess.run(arguments, cwd=ROOT, capture_output=True, timeout=30, check=False)
        assert done.returncode == code, done.stderr.decode()
        assert all(json.loads(line)["protocol"] == "sml" for line in done.stdout.splitlines())


@pytest.mark.proof
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_megabyte_of_the_worst_bytes_takes_time_in_proportion(protocol: Protocol) -> None:
    start = b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01"
    worst = [b"\x03\xfa", b"\x03", b"/", b"\x1b", start, b":", b"\r\n", b"\x02", b"!\r\n", b"(", b")!\r\n"]
    for pattern in (*worst, b"\xdb\x08SAG12345\x7f0", b"/LGZ5\r\n", *TELEGRAMS[protocol]):
        taken = []
        for size in (1 << 18, 1 << 20):
            data = pattern * (size // len(pattern))
            started = time.perf_counter()
            for _ in list_stretches(protocol, data, Keys(KEY)):
                pass
            taken.append(time.perf_counter() - started)
        assert taken[1] < 8 * taken[0] + 1.0, (pattern[:20], taken)
