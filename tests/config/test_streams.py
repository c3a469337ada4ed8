"""`[[stream]]` in a gateway's file: what is right, and that every mistake is told with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.load import ConfigError, Gateway, load_gateway
from config.streams import STREAMS_MAX, main_size_bytes
from edge_agent.streams import plan_streams, stream_tables

MIB = 1024 * 1024
HEAD = """
[gateway]
id = "du-home-7"
[uplink]
url = "mqtt://127.0.0.1"
ca = ""
certificate = ""
key = ""
backend_key = ""
free_on = "puback"
[[line]]
id = "bus"
url = "sim://modbus-rtu"
protocol = "modbus-rtu"
"""
METER = """[[meter]]
id = "{0}"
line = "bus"
profile = "eastron-sdm630"
address = {1}
quantities = ["voltage_l1"]
"""
METERS = "".join(METER.format(f"m{n}", n) for n in range(1, 13))
PERSONAL = """
[[stream]]
id = "household-3"
meters = ["m3"]
personal = true
purpose = "billing of electricity"
legal_basis = "GDPR art. 6(1)(b), supply contract"
"""


def load(folder: Path, streams: str, meters: str = METERS, head: str = HEAD) -> Gateway:
    path = folder / "gateway.toml"
    path.write_text(head + meters + streams)
    return load_gateway(path)


def stream(name: str, *meters: str, more: str = "") -> str:
    own = ", ".join(f'"{meter}"' for meter in meters)
    return f'\n[[stream]]\nid = "{name}"\nmeters = [{own}]\n{more}\n'


def problems(folder: Path, streams: str, meters: str = METERS, head: str = HEAD) -> dict[str, str]:
    """What would be right, by place."""
    with pytest.raises(ConfigError) as raised:
        load(folder, streams, meters, head)
    return {problem.key: problem.expected for problem in raised.value.problems}


def test_a_meter_is_in_the_stream_that_names_it_and_else_in_the_main_one(tmp_path: Path) -> None:
    gateway = load(tmp_path, stream("billing", "m7", "m2", more="priority = 0") + stream("flat", "m9"))
    plans = plan_streams(gateway)
    assert [(plan.id, plan.priority) for plan in plans] == [("main", 5), ("billing", 0), ("flat", 5)]
    tables = [[meter.id for meter in table] for table in stream_tables(gateway)]
    assert tables == [["m1", "m3", "m4", "m5", "m6", "m8", "m10", "m11", "m12"], ["m2", "m7"], ["m9"]]
    assert main_size_bytes(gateway.file) == (256 - 16 - 16) * MIB


@pytest.mark.parametrize(
    ("streams", "place", "right"),
    [
        (stream("main", "m1"), '[[stream]] "main" id', "another name"),
        (stream("a b", "m1"), '[[stream]] "a b" id', "letters"),
        (stream("a"), '[[stream]] "a" meters', "one or more"),
        (stream("a", "m13"), '[[stream]] "a" meters', "meters of this gateway"),
        (stream("a", "m1", "m1"), '[[stream]] "a" meters', "each meter once"),
        (stream("a", "m1") + stream("b", "m1"), '[[stream]] "b" meters', '[[stream]] "a" has this one'),
        (stream("a", "m1", more="priority = 10"), '[[stream]] "a" priority', "0 (first) to 9 (last)"),
        (stream("a", "m1", more="size_bytes_max = 1000"), '[[stream]] "a" size_bytes_max', "at least"),
        (stream("a", "m1", more="batch_interval_s = 10"), '[[stream]] "a" batch_interval_s', "11 to"),
        (stream("a", "m1", more='opt_in = "yes"'), '[[stream]] "a" opt_in', "personal = true"),
        (stream("a", "m1", more="size_bytes_max = 268_000_000"), "[buffer] size_bytes_max", "shares"),
    ],
)
def test_each_mistake_is_told_with_its_place(streams: str, place: str, right: str, tmp_path: Path) -> None:
    found = problems(tmp_path, streams)
    assert right in found[place]
    assert len(found) == 1


def test_two_streams_of_one_name_and_too_many_are_refused(tmp_path: Path) -> None:
    found = problems(tmp_path, stream("a", "m1") + stream("a", "m2"))
    assert any("no other stream" in right for right in found.values())
    many = "".join(stream(f"s{n}", f"m{n}") for n in range(1, STREAMS_MAX + 2))
    assert "at most 8" in problems(tmp_path, many)[f'[[stream]] "s{STREAMS_MAX + 1}"']


def test_readings_of_a_person_need_a_purpose_and_a_legal_basis(tmp_path: Path) -> None:
    found = problems(tmp_path, stream("flat", "m1", more="personal = true"))
    assert list(found) == ['[[stream]] "flat" purpose', '[[stream]] "flat" legal_basis']


def test_a_person_is_read_once_a_day_unless_the_file_says_otherwise(tmp_path: Path) -> None:
    meters = {meter.id: meter for meter in load(tmp_path, PERSONAL).file.meters}
    assert (meters["m3"].interval_s, meters["m4"].interval_s) == (86_400, 60)


@pytest.mark.parametrize(("interval_s", "opt_in", "is_good"), [
    (86_400, "", True), (900, "", True), (899, "", False), (60, "", False),
    (60, "consent of 2026-03-01", True),
])  # fmt: skip
def test_finer_than_a_quarter_of_an_hour_needs_the_person_s_consent(
    interval_s: int, opt_in: str, is_good: bool, tmp_path: Path
) -> None:
    mine = METER.format("m3", 3)
    meters = METERS.replace(mine, f"{mine}interval_s = {interval_s}\n")
    streams = PERSONAL + (f'opt_in = "{opt_in}"\n' if opt_in else "")
    if is_good:
        assert load(tmp_path, streams, meters).file.meters[2].interval_s == interval_s
    else:
        found = problems(tmp_path, streams, meters)
        assert "opt_in" in found['[[meter]] "m3" interval_s']
