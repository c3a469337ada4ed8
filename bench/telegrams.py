"""How fast SML, P1, D0 and M-Bus are decoded, each beside a foreign library in the same run.

A library of another environment measures itself there, right after ours. Every row names what is beside it,
or why nothing is.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from smllib.reader import SmlStreamReader

from bench.__main__ import Figure
from bench.parts import seconds_each
from config.catalogue import catalogue
from hal.sim.meters import SimMeter
from protocols.dlms import (
    DlmsReceiver,
    DlmsValue,
    encode_ciphered,
    encode_frames,
    encode_notification,
    encode_values,
)
from protocols.dlms import Keys as DlmsKeys
from protocols.iec62056_21 import D0Receiver, DataSet, Identification, Value, encode_block
from protocols.mbus.frames import FrameReceiver, LongFrame, encode_frame
from protocols.mbus.records import MbusRecord, make_record
from protocols.mbus.telegram import MbusTelegram
from protocols.mbus.telegram import decode_telegram as decode_mbus
from protocols.mbus.telegram import encode_telegram as encode_mbus
from protocols.mbus.times import MbusTime
from protocols.obis import parse_obis
from protocols.p1 import P1Receiver, encode_telegram, encrypt_telegram
from protocols.sml import SmlReceiver
from protocols.value import Scaled

JUDGE_PYTHON = Path(__file__).parents[1] / ".venv-judge" / "bin" / "python"
JUDGE_TIMEOUT_S = 60
KEY, AUTHENTICATION_KEY = bytes(range(16)), bytes(range(16, 32))
TITLE = b"SAG\x01\x02\x03\x04\x05"
COUNTER = "123456.789"

NUMBERS = tuple(
    f"1-0:{code}({value}*{unit})"
    for codes, value, unit in (
        ("1.8.1 1.8.2 2.8.1 2.8.2", COUNTER, "kWh"),
        ("1.7.0 2.7.0 21.7.0 41.7.0 61.7.0 22.7.0 42.7.0 62.7.0", "00.321", "kW"),
        ("32.7.0 52.7.0 72.7.0", "231.4", "V"),
        ("31.7.0 51.7.0 71.7.0", "002", "A"),
    )
    for code in codes.split()
)
P1_LINES = (
    "1-3:0.2.8(50)",
    "0-0:1.0.0(250711190102S)",
    "0-0:96.1.1(4B303031323334353637)",
    *NUMBERS,
    "0-0:96.14.0(0002)",
    "0-0:96.13.0()",
    "0-1:24.1.0(003)",
    "0-1:96.1.0(473031)",
    "0-1:24.2.1(250711190000S)(00345.678*m3)",
)


class P1Case(NamedTuple):
    """A telegram, the keys that open it, and what the judge calls its dialect."""

    name: str
    sent: bytes
    key: bytes | None
    dialect: str


def run() -> list[Figure]:
    """One row for each kind of telegram."""
    return [_sml_row(), *_p1_rows(), _d0_row(), _mbus_row(), *_dlms_rows()]


def _sml_row() -> Figure:
    telegram = SimMeter(catalogue()["ehz-sml"], "1EMH0012345678", 0).telegram(1)

    def theirs() -> object:
        reader = SmlStreamReader()
        reader.add(telegram)
        frame = reader.get_frame()
        if frame is None:
            raise RuntimeError("smllib did not understand the telegram")
        return frame.get_obis()  # its quicker way: only the list of values

    ours_s = _ours_s(telegram, lambda: SmlReceiver().receive_data(telegram))
    return _row("SML telegram", telegram, ours_s, _beside("smllib's get_obis", seconds_each(theirs), ours_s))


def _p1_rows() -> list[Figure]:
    plain = encode_telegram(Identification("Ene", "5", "T210-D", "\\2"), _data_sets(P1_LINES))
    frame = encrypt_telegram(
        plain, key=KEY, authentication_key=AUTHENTICATION_KEY, system_title=TITLE, counter=1
    )
    cases = [
        P1Case("P1 telegram, DSMR 5", plain, None, "V5"),
        P1Case("P1 telegram, encrypted", frame, KEY, "SAGEMCOM_T210_D_R"),
    ]
    ours_s = [_ours_s(case.sent, _p1_work(case)) for case in cases]
    theirs_s = _judged_s(cases)
    rows = []
    for place, case in enumerate(cases):
        beside = ".venv-judge with dsmr-parser is not there: make .venv-judge/stamp"
        if theirs_s:
            beside = _beside("dsmr-parser", theirs_s[place], ours_s[place])
        rows.append(_row(case.name, case.sent, ours_s[place], beside))
    return rows


def _p1_work(case: P1Case) -> Callable[[], Sequence[object]]:
    authentication_key = None if case.key is None else AUTHENTICATION_KEY
    return lambda: [*P1Receiver(key=case.key, authentication_key=authentication_key).receive_data(case.sent)]


def _judged_s(cases: list[P1Case]) -> list[float]:
    """Seconds a telegram by dsmr-parser; empty where its environment is not there."""
    if not JUDGE_PYTHON.exists():
        return []
    tasks: list[dict[str, str | int]] = [
        {
            "telegram": case.sent.decode("ascii") if case.key is None else case.sent.hex(),
            "dialect": case.dialect,
            "key": "" if case.key is None else case.key.hex(),
            "authentication_key": "" if case.key is None else AUTHENTICATION_KEY.hex(),
            "number": COUNTER,
        }
        for case in cases
    ]
    return _measured_s("judge_dsmr.py", tasks)


def _measured_s(judge: str, tasks: Sequence[dict[str, str | int]]) -> list[float]:
    """What a judge's program measures in its own environment."""
    program = [str(JUDGE_PYTHON), str(Path(__file__).with_name(judge))]
    answer = subprocess.run(
        program, input=json.dumps(tasks), check=True, stdout=-1, text=True, timeout=JUDGE_TIMEOUT_S
    )
    return [float(each_s) for each_s in json.loads(answer.stdout)]


def _d0_row() -> Figure:
    lines = ["0.0.0(12345678)", *(line.partition(":")[2] for line in NUMBERS)]
    telegram = b"/EMH5eHZ\r\n" + encode_block(_data_sets(lines))
    ours_s = _ours_s(telegram, lambda: D0Receiver().receive_data(telegram))
    return _row("D0 read-out", telegram, ours_s, "iec62056-21, its library, is not installed: no comparison")


def _mbus_row() -> Figure:
    records = _heat_records()
    frame = encode_frame(encode_mbus(MbusTelegram(records, "KAM", "12345678", 0x1B, 0x04)))

    def ours() -> list[object]:
        found = FrameReceiver().receive_data(frame)
        return [decode_mbus(item) if isinstance(item, LongFrame) else item for item in found]

    ours_s = _ours_s(frame, ours)
    name = f"M-Bus telegram, {len(records)} records"
    if not JUDGE_PYTHON.exists():
        return _row(name, frame, ours_s, ".venv-judge with pyMeterBus is not there: make .venv-judge/stamp")
    (theirs_s,) = _measured_s("judge_mbus.py", [{"frame": frame.hex(), "records": len(records)}])
    return _row(name, frame, ours_s, _beside("pyMeterBus", theirs_s, ours_s))


def _heat_records() -> tuple[MbusRecord, ...]:
    """What a heat meter tells, now and of its due date."""
    return tuple(
        record
        for storage in (0, 1)
        for record in (
            make_record("fabrication_number", "12345678", "bcd8", storage=storage),
            make_record("energy", Scaled(37351, 3), "int32", unit="Wh", storage=storage),
            make_record("volume", Scaled(56108, -2), "bcd8", unit="m3", storage=storage),
            make_record("on_time", Scaled(985, 0), "int32", unit="h", storage=storage),
            make_record("flow_temperature", Scaled(10169, -2), "int32", unit="degC", storage=storage),
            make_record("return_temperature", Scaled(4616, -2), "int32", unit="degC", storage=storage),
            make_record("temperature_difference", Scaled(5553, -2), "int32", unit="K", storage=storage),
            make_record("power", Scaled(347, 2), "int32", unit="W", storage=storage),
            make_record("power", Scaled(448, 2), "int32", unit="W", function="maximum", storage=storage),
            make_record("volume_flow", Scaled(543, -3), "real32", unit="m3/h", storage=storage),
            make_record("date_time", MbusTime("F", 2026, 10, 31, 23, 59), "int32", storage=storage),
        )
    )


def _dlms_rows() -> list[Figure]:
    """As Iskra and Aidon push, in one frame; without and with keys."""
    codes = (
        "1.7.0",
        "2.7.0",
        "1.8.0",
        "2.8.0",
        "1.8.1",
        "1.8.2",
        "2.8.1",
        "2.8.2",
        "32.7.0",
        "52.7.0",
        "72.7.0",
    )
    values = [DlmsValue(parse_obis(f"1-0:{code}"), Scaled(123456, -1), 30) for code in codes]
    plain = encode_notification(encode_values(values))
    keys = DlmsKeys(KEY, AUTHENTICATION_KEY)
    sealed = encode_ciphered(plain, keys=keys, system_title=TITLE, counter=1)
    cases = [("DLMS push", plain, DlmsKeys()), ("DLMS push, encrypted", sealed, keys)]
    sent = [encode_frames(apdu, "hdlc") for _, apdu, _ in cases]
    ours_s = [
        _ours_s(stream, lambda stream=stream, case=case: DlmsReceiver(*case[2]).receive_data(stream))
        for stream, case in zip(sent, cases, strict=True)
    ]
    theirs_s = _gurux_s(sent, [case[2] for case in cases])
    rows = []
    for place, (name, _, _) in enumerate(cases):
        beside = ".venv-judge with gurux-dlms is not there: make .venv-judge/stamp"
        if theirs_s:
            beside = _beside("gurux-dlms", theirs_s[place], ours_s[place])
        rows.append(_row(name, sent[place], ours_s[place], beside))
    return rows


def _gurux_s(sent: list[bytes], keys: list[DlmsKeys]) -> list[float]:
    """Seconds a push by gurux-dlms; empty where its environment is not there."""
    if not JUDGE_PYTHON.exists():
        return []
    tasks = [
        {
            "telegram": stream.hex(),
            "key": (each.key or b"").hex(),
            "authentication_key": (each.authentication_key or b"").hex(),
        }
        for stream, each in zip(sent, keys, strict=True)
    ]
    program = [str(JUDGE_PYTHON), str(Path(__file__).with_name("judge_gurux.py"))]
    answer = subprocess.run(
        program, input=json.dumps(tasks), check=True, capture_output=True, text=True, timeout=JUDGE_TIMEOUT_S
    )
    return [float(each_s) for each_s in json.loads(answer.stdout)]


def _data_sets(lines: tuple[str, ...] | list[str]) -> list[DataSet]:
    found = []
    for line in lines:
        address, _, rest = line.partition("(")
        parts = [part.partition("*") for part in rest.rstrip(")").split(")(")]
        found.append(DataSet(address, tuple(Value(number, unit) for number, _, unit in parts)))
    return found


def _ours_s(telegram: bytes, work: Callable[[], Sequence[object]]) -> float:
    """Seconds a telegram by our codec, which must find that one telegram in it."""
    found = work()
    if len(found) != 1 or isinstance(found[0], Exception):
        raise RuntimeError(f"{telegram[:40]!r}...: {found}")
    return seconds_each(work)


def _row(name: str, telegram: bytes, ours_s: float, beside: str) -> Figure:
    speed = len(telegram) / ours_s / 1e6
    return Figure(f"{name}, {len(telegram)} bytes", f"{1 / ours_s:,.0f}/s", f"{speed:.1f} MB/s; {beside}")


def _beside(library: str, theirs_s: float, ours_s: float) -> str:
    return f"{library} {1 / theirs_s:,.0f}/s, {theirs_s / ours_s:.1f} x as long"
