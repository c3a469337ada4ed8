"""M-Bus telegrams made here: every coding, kind of value, structure and header."""

from __future__ import annotations

from protocols.mbus.data_fields import Coding, Value
from protocols.mbus.frames import Ack, LongFrame, ShortFrame, encode_frame
from protocols.mbus.records import MbusRecord, make_record
from protocols.mbus.telegram import MbusTelegram, encode_error, encode_telegram
from protocols.mbus.times import MbusTime
from protocols.mbus.vif import text_vib
from protocols.value import Scaled

F_TIME = MbusTime("F", 2026, 10, 31, 23, 59, is_summer=True)
CODED: list[tuple[Coding, Value]] = [
    ("int8", Scaled(-127, 0)),
    ("int16", Scaled(-2, 0)),
    ("int24", Scaled(1 << 22, 0)),
    ("int32", Scaled(123456789, 0)),
    ("int48", Scaled(1 << 46, 0)),
    ("int64", Scaled(-(1 << 62), 0)),
    ("real32", Scaled(-215, -1)),
    ("bcd2", Scaled(-9, 0)),
    ("bcd4", Scaled(1234, 0)),
    ("bcd6", Scaled(999999, 0)),
    ("bcd8", Scaled(-1234567, 0)),
    ("bcd12", Scaled(123456789012, 0)),
    ("lvar_bcd", Scaled(-12345, 0)),
    ("lvar_binary", Scaled(-(1 << 90), 0)),
    ("lvar_binary", bytes(range(32))),
    ("lvar_text", "Zähler 7"),
    ("none", None),
]
RECORDS: tuple[MbusRecord, ...] = (
    *(make_record("energy", value, coding, unit="Wh", exponent=0) for coding, value in CODED),
    make_record("date_time", F_TIME, "int32"),
    make_record("date", MbusTime("G", 2025, 12, 31), "int16", storage=1),
    make_record("date_time", MbusTime("I", 2024, 2, 29, 1, 2, 3, is_valid=False), "int48"),
    make_record("date_time", MbusTime("J", hour=1, minute=2), "int24"),
    make_record("fabrication_number", "00A12345", "bcd8"),
    make_record("error_flags", Scaled(0x8001, 0), "int16"),
    make_record("flow_temperature", None, "int16", unit="degC", exponent=-1),
    make_record(
        "power", Scaled(5, 3), "int16", unit="W", function="maximum", tariff=7, subunit=3, storage=1234567
    ),
    make_record("power", Scaled(999, -3), "int16", unit="W", qualifiers=("per_v", "per_a", "phase_l2")),
    make_record(
        "power", Scaled(1, 0), "int8", unit="W", qualifiers=("duration_of_last_upper_limit_exceed_h",)
    ),
    make_record("volume", None, "int32", unit="m3", qualifiers=("backward", "data_error")),
    make_record("voltage", Scaled(230, 0), "int16", qualifiers=("manufacturer_01", "manufacturer_00")),
)
ORDINARY = MbusTelegram(RECORDS, "KAM", "12345678", 0x1B, 0x04, 17, 0x04)


def variants() -> list[MbusTelegram]:
    """The same in every structure, with high bytes first too, with what may stand behind the records."""
    plain = MbusTelegram(RECORDS)
    text = RECORDS[0]._replace(kind="plain_text", unit="%RH", vib=text_vib("%RH", -2), value=Scaled(5, -2))
    counters = [
        make_record("volume", Scaled(place, -3), "bcd8", unit="m3", storage=place) for place in (0, 1)
    ]
    return [
        ORDINARY,
        ORDINARY._replace(ci=0x76, more_follows=True, manufacturer_data=b"\x01\x02"),
        ORDINARY._replace(records=(text,), manufacturer_data=b"\x2f\x0f", address=250),
        ORDINARY._replace(records=(), encrypted=bytes(range(32)), signature=0x0520),
        plain._replace(ci=0x7A, access=3, status=1),
        plain._replace(ci=0x7E, access=3, status=1),
        plain._replace(ci=0x78),
        plain._replace(ci=0x7C),
        plain._replace(ci=0x73, records=tuple(counters), id="12345678", medium=7),
        plain._replace(ci=0x77, records=tuple(counters), id="12345678", medium=7),
    ]


FRAMES = [encode_frame(encode_telegram(telegram)) for telegram in variants()]
OTHERS = [
    encode_frame(encode_error(8, address=1)),
    encode_frame(ShortFrame(0x5B, 253)),
    encode_frame(Ack()),
    encode_frame(LongFrame(0x53, 253, 0x52, bytes.fromhex("78563412FFFFFFFF"))),
    encode_frame(LongFrame(0x53, 254, 0x51, bytes.fromhex("017A08"))),
    encode_frame(LongFrame(0x53, 254, 0x50)),
]
