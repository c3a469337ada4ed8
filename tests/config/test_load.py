"""A gateway's file: what a good one becomes, and that every mistake of a bad one is told in one run."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.load import ConfigError, Gateway, Problem, format_problems, load_gateway, parse_time_ms

SITES = Path(__file__).parents[2] / "config" / "sites"

HEAD = """
[gateway]
id = "du-school-118"

[uplink]
url = "mqtts://broker.example:8883"
ca = "ca.pem"
certificate = "gateway.pem"
key = "gateway.key"
backend_key = "backend.pub"

[buffer]
flush_interval_s = 10
"""
BUS = """
[[line]]
id = "bus"
url = "serial:///dev/serial/by-path/first"
protocol = "modbus-rtu"
"""
HOUSE = """
[[meter]]
id = "house"
line = "bus"
profile = "eastron-sdm630"
interval_s = 60
"""
GOOD = HEAD + BUS + HOUSE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in (
        ("ca.pem", "CERTIFICATE"),
        ("gateway.pem", "CERTIFICATE"),
        ("backend.pub", "PUBLIC KEY"),
    ):
        (tmp_path / name).write_text(f"-----BEGIN {content}-----\n")
    (tmp_path / "gateway.key").write_text("-----BEGIN EC PRIVATE KEY-----\n")
    (tmp_path / "gateway.key").chmod(0o600)
    return tmp_path


def load(folder: Path, text: str) -> Gateway:
    path = folder / "gateway.toml"
    path.write_text(text)
    return load_gateway(path)


def problems_of(folder: Path, text: str) -> list[Problem]:
    with pytest.raises(ConfigError) as raised:
        load(folder, text)
    assert raised.value.problems
    return raised.value.problems


def only_problem(folder: Path, text: str) -> Problem:
    problems = problems_of(folder, text)
    assert len(problems) == 1, format_problems(problems)
    return problems[0]


def test_a_good_file_becomes_a_gateway_with_nothing_left_open(folder: Path) -> None:
    gateway = load(folder, GOOD)
    assert gateway.folder == folder
    assert gateway.key == folder / "gateway.key"
    assert gateway.state_folder == Path("/var/lib/edge-agent")
    assert list(gateway.profiles) == ["eastron-sdm630"]
    (line,) = gateway.lines
    assert (line.meters, line.baud, line.format, line.reply_timeout_s, line.gap_s) == (
        (0,),
        9600,
        "8N1",
        0.5,
        0.05,
    )


def test_what_a_line_states_goes_before_the_profile(folder: Path) -> None:
    text = GOOD.replace('protocol = "modbus-rtu"', 'protocol = "modbus-rtu"\nbaud = 2400\nformat = "8E1"')
    line = load(folder, text).lines[0]
    assert (line.baud, line.format) == (2400, "8E1")


def test_a_gateway_without_lines_and_meters_may_run(folder: Path) -> None:
    assert load(folder, HEAD).lines == ()
    assert load(folder, HEAD + BUS).lines[0].meters == ()


def test_the_example_site_is_good(folder: Path) -> None:
    text = (SITES / "first-light.toml").read_text()
    for name in ("ca.pem", "gateway.pem", "gateway.key"):
        text = text.replace(f"tls/{name}", name)
    gateway = load(folder, text.replace("tls/backend.pub", "backend.pub"))
    assert len(gateway.file.meters) == 5
    assert {meter.profile for meter in gateway.file.meters} == gateway.profiles.keys()


LOOPBACK = GOOD.replace("mqtts://broker.example:8883", "mqtt://127.0.0.1:1883").replace(
    '"ca.pem"', '"no.pem"'
)


def test_to_this_machine_itself_the_uplink_may_be_plain_and_needs_no_certificate(folder: Path) -> None:
    assert load(folder, LOOPBACK).file.uplink.url == "mqtt://127.0.0.1:1883"


METER = '[[meter]] "house"'
MISTAKES = [
    ('id = "du-school-118"', 'id = "du/school"', "[gateway] id", "letters"),
    (
        'id = "du-school-118"',
        'id = "du-school-118"\nclock = "ntp"',
        "[gateway] clock",
        '"kernel", "operator"',
    ),
    ('id = "du-school-118"', f'id = "x"\nsocket = "/{"s" * 107}"', "[gateway] socket", "107 bytes"),
    ("mqtts://broker", "mqtt://broker", "[uplink] url", "mqtts://broker.example"),
    ("mqtts://broker", "https://broker", "[uplink] url", "mqtts://HOST"),
    (":8883", ":eight", "[uplink] url", "mqtts://HOST:PORT"),
    ("mqtts://", "mqtts://user:secret@", "[uplink] url", "the certificate says who"),
    ('"ca.pem"', '"nowhere.pem"', "[uplink] ca", "No such file"),
    ('"gateway.pem"', '"gateway.key"', "[uplink] certificate", "BEGIN CERTIFICATE"),
    ('"backend.pub"', '"ca.pem"', "[uplink] backend_key", "BEGIN PUBLIC KEY"),
    ("[buffer]", 'topic_up = "edge/up"\n[buffer]', "[uplink] topic_up", "{gateway}"),
    ("[buffer]", 'topic_up = "{gateway}/#"\n[buffer]', "[uplink] topic_up", "without + #"),
    ("[buffer]", "keepalive_s = 0\n[buffer]", "[uplink] keepalive_s", "5 to 65535"),
    ("[buffer]", "batch_interval_s = 0\n[buffer]", "[uplink] batch_interval_s", "1 to 86400"),
    ("flush_interval_s = 10", "flush_interval_s = 900", "[buffer] flush_interval_s", "less than"),
    ("flush_interval_s = 10", "size_bytes_max = 1000", "[buffer] size_bytes_max", "1048576"),
    ("flush_interval_s = 10", "card_endurance_gb = 0", "[buffer] card_endurance_gb", "1 to 10000000"),
    ("serial:///dev", "serial://dev", '[[line]] "bus" url', "absolute path"),
    ("serial:///", "usb:///", '[[line]] "bus" url', "serial://, rfc2217://"),
    ("serial:///dev/serial/by-path/first", "tcp://10.0.0.1", '[[line]] "bus" url', "tcp://HOST:PORT"),
    ('"modbus-rtu"', '"modbus-rtx"', '[[line]] "bus" protocol', 'did you mean "modbus-rtu"?'),
    ('"modbus-rtu"', '"modbus-rtu"\nbaud = 9601', '[[line]] "bus" baud', "9600"),
    ('"modbus-rtu"', '"modbus-rtu"\nformat = "8X1"', '[[line]] "bus" format', '"8N1"'),
    ('"modbus-rtu"', '"modbus-rtu"\nreply_timeout_s = 0', '[[line]] "bus" reply_timeout_s', "more than 0"),
    ('"modbus-rtu"', '"sml"', f"{METER} profile", "a profile for sml"),
    ('line = "bus"', 'line = "buss"', f"{METER} line", 'did you mean "bus"?'),
    ('line = "bus"', "", f"{METER} line", "required and missing"),
    ('"eastron-sdm630"', '"eastron-sdm360"', f"{METER} profile", 'did you mean "eastron-sdm630"?'),
    ("interval_s = 60", "interval_s = 0", f"{METER} interval_s", "1 to 86400 (seconds)"),
    ("interval_s = 60", 'interval_s = "60"', f"{METER} interval_s", "a whole number"),
    ("interval_s = 60", "interval_s = 60\noffset_s = 60", f"{METER} offset_s", "0 to 59"),
    ("interval_s = 60", "intervall_s = 60", f"{METER} intervall_s", 'did you mean "interval_s"?'),
    ("interval_s = 60", "address = 0", f"{METER} address", "1 to 247"),
    ("interval_s = 60", "ratio = [100, 0]", f"{METER} ratio", "[100, 5]"),
    ("interval_s = 60", "ratio = [100]", f"{METER} ratio", "two whole numbers"),
    ("interval_s = 60", "valid_from = 2025-03-01", f"{METER} valid_from", "text in"),
    ("interval_s = 60", 'valid_from = "2025-03-01T09:30:00"', f"{METER} valid_from", "offset to UTC"),
    ("interval_s = 60", 'quantities = ["voltage"]', f"{METER} quantities", 'did you mean "voltage_l'),
    ("interval_s = 60", 'quantities = ["co2"]', f"{METER} quantities", "what eastron-sdm630 offers"),
    ('id = "house"', 'id = "Haus 1"', '[[meter]] "Haus 1" id', "letters"),
    ("[buffer]", "[bufer]", "[bufer]", "no such"),
]


@pytest.mark.parametrize(("old", "new", "key", "right"), MISTAKES)
def test_a_mistake_is_told_with_file_key_value_and_what_would_be_right(
    folder: Path, old: str, new: str, key: str, right: str
) -> None:
    assert old in GOOD
    problem = only_problem(folder, GOOD.replace(old, new, 1))
    assert problem.file == str(folder / "gateway.toml")
    assert problem.key.strip("[]") == key.strip("[]")
    assert right in problem.expected


BAD = """
colour = "green"

[gateway]
id = "du school"
clok = "kernel"

[uplink]
url = "mqtt://broker.example"
ca = "nowhere.pem"
certificate = "gateway.pem"
key = "gateway.key"
batch_interval_s = 5
topic_up = "up"

[buffer]
size_bytes_max = 5

[[line]]
id = "bus"
url = "usb:///dev/first"
protocol = "modbus-rtu"
baud = "9600"

[[line]]
id = "bus"
url = "usb:///dev/first"
protocol = "modbus"

[[meter]]
id = "house"
line = "buss"
profile = "eastron-sdm360"
interval_s = 0

[[meter]]
id = "house"
line = "bus"
profile = "abb-b23"
address = 248
quantities = ["thd_voltage_l1", "power"]
"""


def test_all_mistakes_are_told_in_one_run(folder: Path) -> None:
    assert {problem.key for problem in problems_of(folder, BAD)} == {
        "colour",
        "[gateway] id",
        "[gateway] clok",
        "[uplink] url",
        "[uplink] backend_key",
        "[uplink] topic_up",
        "[buffer] size_bytes_max",
        "[buffer] flush_interval_s",
        '[[line]] "bus" url',
        '[[line]] "bus" baud',
        '[[line]] "bus" (number 2) id',
        '[[line]] "bus" (number 2) url',
        '[[line]] "bus" (number 2) protocol',
        '[[meter]] "house" line',
        '[[meter]] "house" profile',
        '[[meter]] "house" interval_s',
        '[[meter]] "house" (number 2) id',
        '[[meter]] "house" (number 2) quantities',
        '[[meter]] "house" (number 2) address',
    }


def test_mistakes_are_told_in_the_order_of_the_file(folder: Path) -> None:
    heads = [problem.key.rsplit(" ", 1)[0] for problem in problems_of(folder, BAD)]
    assert list(dict.fromkeys(heads)) == [
        "colour",
        "[gateway]",
        "[uplink]",
        "[buffer]",
        '[[line]] "bus"',
        '[[line]] "bus" (number 2)',
        '[[meter]] "house"',
        '[[meter]] "house" (number 2)',
    ]


def test_a_mistake_in_one_key_hides_no_mistake_in_another(folder: Path) -> None:
    text = GOOD.replace("interval_s = 60", "interval_s = true\naddress = 300").replace(
        'line = "bus"', 'line = "none"'
    )
    told = [problem.key for problem in problems_of(folder, text)]
    assert told == [f"{METER} interval_s", f"{METER} line"]
    text = GOOD.replace("interval_s = 60", "interval_s = true\naddress = 300")
    assert [p.key for p in problems_of(folder, text)] == [f"{METER} interval_s", f"{METER} address"]


def test_a_missing_section_is_one_problem(folder: Path) -> None:
    problem = only_problem(folder, GOOD[: GOOD.index("[uplink]")] + BUS + HOUSE)
    assert problem.key == "[uplink]"


def test_one_id_or_port_for_two_is_refused(folder: Path) -> None:
    second = BUS.replace('"bus"', '"other"')
    assert only_problem(folder, GOOD + second).key == '[[line]] "other" url'
    assert only_problem(folder, GOOD + BUS.replace("first", "other")).key == '[[line]] "bus" (number 2) id'
    meter = HOUSE.replace("interval_s", "address = 2\ninterval_s")
    assert only_problem(folder, GOOD + meter).key == f"{METER} (number 2) id"


def test_two_meters_with_one_address_on_a_bus_are_refused_and_named(folder: Path) -> None:
    problem = only_problem(folder, GOOD + HOUSE.replace('"house"', '"flat"'))
    assert problem.key == '[[meter]] "flat" address'
    assert METER in problem.expected


def test_the_same_unit_may_stand_behind_two_sockets(folder: Path) -> None:
    lines = "".join(
        BUS.replace('"bus"', f'"n{n}"').replace("serial:///dev/serial/by-path/first", f"tcp://10.0.0.{n}:502")
        for n in (1, 2)
    ).replace("modbus-rtu", "modbus-tcp")
    meters = "".join(HOUSE.replace('"house"', f'"m{n}"').replace('"bus"', f'"n{n}"') for n in (1, 2))
    text = HEAD + lines + meters.replace("interval_s", "address = 255\ninterval_s")
    assert len(load(folder, text).file.meters) == 2


def test_an_optical_head_sees_one_meter(folder: Path) -> None:
    line = BUS.replace("modbus-rtu", "sml")
    meters = "".join(HOUSE.replace('"house"', f'"m{n}"').replace("eastron-sdm630", "ehz-sml") for n in (1, 2))
    problem = only_problem(folder, HEAD + line + meters)
    assert problem.key == '[[line]] "bus"'
    assert '"m1", "m2"' in problem.expected


def test_an_optical_head_without_a_meter_is_a_mistake(folder: Path) -> None:
    problem = only_problem(folder, HEAD + BUS.replace("modbus-rtu", "sml"))
    assert problem.key == '[[line]] "bus"'
    assert "one meter on this line" in problem.expected
    assert "now none" in problem.expected


def test_the_sign_of_a_dzg_meter_is_an_option_of_that_meter_on_an_sml_line(folder: Path) -> None:
    line, meter = BUS.replace("modbus-rtu", "sml"), HOUSE.replace("eastron-sdm630", "ehz-sml")
    (house,) = load(folder, HEAD + line + meter + 'options = ["dzg-sign"]\n').file.meters
    assert house.options == ("dzg-sign",)
    problem = only_problem(folder, GOOD + 'options = ["dzg-sign"]\n')
    assert (problem.key, problem.expected) == ('[[meter]] "house" options', "left out: dzg-sign is for sml")
    problem = only_problem(folder, HEAD + line + meter + 'options = ["dzg"]\n')
    assert problem.key.startswith('[[meter]] "house" options')
    assert "dzg-sign" in problem.expected


def test_meters_with_other_factory_settings_want_the_line_to_say_which_holds(folder: Path) -> None:
    text = GOOD + HOUSE.replace('"house"', '"flat"').replace(
        "eastron-sdm630", 'abb-b23"\naddress = 2\nserial = "'
    )
    told = problems_of(folder, text)
    assert [problem.key for problem in told] == ['[[line]] "bus" baud', '[[line]] "bus" format']
    assert "eastron-sdm630 9600, abb-b23 19200" in told[0].expected


def test_a_key_that_everybody_may_read_is_refused(folder: Path) -> None:
    (folder / "gateway.key").chmod(0o644)
    problem = only_problem(folder, GOOD)
    assert problem.key == "[uplink] key"
    assert "chmod 600" in problem.expected


def test_a_password_in_a_url_is_not_repeated(folder: Path) -> None:
    told = format_problems(problems_of(folder, GOOD.replace("mqtts://", "mqtts://user:secret@")))
    assert "secret" not in told


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[gateway]\nid = "x\n', "line 2, column 8"),
        ("[gateway]\nid = 1\nid = 2\n", "line 3, column 7"),
        ("[gateway\n", "line 1, column 9"),
        ("[gateway]\nid =", "line 2, column 5"),
    ],
)
def test_a_slip_in_the_toml_is_told_with_line_and_column(folder: Path, text: str, key: str) -> None:
    assert only_problem(folder, text).key == key


def test_a_file_that_is_no_text_or_not_there_is_told(folder: Path) -> None:
    (folder / "gateway.toml").write_bytes(b"[gateway]\n\xff")
    with pytest.raises(ConfigError, match="UTF-8"):
        load_gateway(folder / "gateway.toml")
    with pytest.raises(ConfigError, match="No such file"):
        load_gateway(folder / "nothing.toml")
    with pytest.raises(ConfigError, match="Is a directory"):
        load_gateway(folder)


def test_the_report_names_file_key_value_and_right(folder: Path) -> None:
    text = format_problems(problems_of(folder, GOOD.replace("interval_s = 60", "interval_s = 0")))
    assert re.search(
        r"gateway\.toml:\n +1\. line \d+: \[\[meter\]\] \"house\" interval_s = 0\n +right: 1 to 86400", text
    )
    assert text.endswith("1 problem; nothing was started.")


def test_times_are_told_from_utc() -> None:
    assert parse_time_ms("") is None
    assert parse_time_ms("1970-01-01T01:00:01+01:00") == 1000
    assert parse_time_ms("2025-03-01T00:00:00.250Z") == 1740787200250
    with pytest.raises(ValueError, match="offset"):
        parse_time_ms("2025-03-01T00:00:00")


def test_a_date_of_toml_is_as_good_as_one_in_quotes(folder: Path) -> None:
    plain = load(folder, GOOD.replace("interval_s = 60", "valid_from = 2025-03-01T09:30:00+01:00"))
    quoted = load(folder, GOOD.replace("interval_s = 60", 'valid_from = "2025-03-01T09:30:00+01:00"'))
    assert plain.file == quoted.file


def test_fifty_meters_of_four_models_load_in_well_under_a_fifth_of_a_second(folder: Path) -> None:
    text = HEAD
    for number in range(50):
        profile = ("eastron-sdm630", "abb-b23", "siemens-pac2200", "ehz-sml")[number % 4]
        protocol = "sml" if profile == "ehz-sml" else "modbus-rtu"
        line = (
            BUS.replace('"bus"', f'"bus-{number}"')
            .replace("first", str(number))
            .replace("modbus-rtu", protocol)
        )
        meter = HOUSE.replace('"house"', f'"m{number}"').replace('"bus"', f'"bus-{number}"')
        text += line + meter.replace("eastron-sdm630", profile)
    started = time.process_time()
    assert len(load(folder, text).file.meters) == 50
    assert time.process_time() - started < 0.2


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = st.sampled_from(
    ["gateway", "uplink", "buffer", "line", "meter", "id", "url", "quantities", "ratio", "x"]
)


def toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(key)} = {toml(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(toml(entry) for entry in value) + "]"
    return quoted(value) if isinstance(value, str) else "0" if value is None else str(value)


def quoted(text: str) -> str:
    return (
        '"' + "".join(f"\\U{ord(letter):08x}" for letter in text if not 0xD800 <= ord(letter) < 0xE000) + '"'
    )


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(KEYS, VALUES | st.lists(st.dictionaries(KEYS, VALUES), max_size=2), max_size=5))
def test_no_file_whatever_brings_the_loading_down(folder: Path, content: dict[str, object]) -> None:
    text = "\n".join(f"{key} = {toml(value)}" for key, value in content.items())
    told = problems_of(folder, text)
    assert len(set(told)) == len(told)
    assert format_problems(told)
