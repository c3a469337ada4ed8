"""A person's own profiles: how they are written, judged with their lines, and used by a site."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from config.catalogue import SITE_PROFILES_MAX, load_profile
from config.load import load_gateway
from config.problems import ConfigError, Problem
from config.profile import DeviceProfile
from edge_agent.main import main
from tests.config.test_load import BUS, HEAD, folder, load, problems_of

__all__ = ["folder"]  # the fixture

PAGE = Path(__file__).parents[2] / "docs" / "profiles.md"
EXAMPLE = next(iter(re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)))
NAME = "acme-em1"
METER = '[[meter]]\nid = "m"\nline = "bus"\nprofile = "{}"\n'
ULTRAHEAT_LINE = '[[line]]\nid = "head"\nurl = "serial:///dev/serial/by-path/head"\nprotocol = "d0"\n'


def write(folder: Path, text: str, name: str = NAME) -> Path:
    path = folder / f"{name}.toml"
    path.write_text(text)
    return path


def with_profile(folder: Path, text: str = EXAMPLE, name: str = NAME) -> Path:
    (folder / "meters").mkdir(exist_ok=True)
    write(folder / "meters", text, name)
    return folder


def mistakes(folder: Path, text: str) -> list[Problem]:
    with pytest.raises(ConfigError) as raised:
        load_profile(write(folder, text))
    return raised.value.problems


def test_the_example_of_the_page_is_a_good_profile_with_every_part(tmp_path: Path) -> None:
    profile = load_profile(write(tmp_path, EXAMPLE))
    assert profile.identity is not None
    assert profile.type_code is not None
    assert profile.plausible is not None
    assert any(point.scale_register for point in profile.points)
    named = set(re.findall(r"^\| `(\w+)`", PAGE.read_text(), re.MULTILINE))
    assert {"quantity", "stride", "scale_register", "evidence", "twice", "normative"} <= named


def test_phases_at_a_stride_are_written_out(tmp_path: Path) -> None:
    profile = load_profile(write(tmp_path, EXAMPLE))
    phases = [(p.quantity, p.address, p.stride) for p in profile.points if p.quantity.startswith("voltage")]
    assert phases == [("voltage_l1", 0, 0), ("voltage_l2", 2, 0), ("voltage_l3", 4, 0)]


@pytest.mark.parametrize(
    ("old", "new", "key", "near"),
    [
        ('maker = "Acme"', "maker = 1", "maker", 0),
        ('medium = "electricity" ', 'medium = "power" ', "medium", 0),
        ("registers_max = 50", "registers_max = 500", "[limits] registers_max", 0),
        ("stride = 2", "strid = 2", '[[point]] "voltage_l{1..3}" strid', 0),
        ("address = 0\nstride = 2", "address = 0", '[[point]] "voltage_l{1..3}" stride', -4),
        ("{1..3}", "{3..1}", '[[point]] "voltage_l{3..1}" stride', 3),
        ('"voltage_l{1..3}"', '"voltage_l{2..4}"', '[[point]] "voltage_l{2..4}" quantity', 0),
        ('unit = "Hz"', 'unit = "V"', '[[point]] "frequency" unit', 0),
        (
            'type = "power-i16"',
            'type = "power-i64"',
            '[[point]] "power_active_total" [scale_register] type',
            0,
        ),
        ('seen = "twice"', 'seen = "thrice"', "[evidence.display] seen", 0),
        (
            'evidence = "display"',
            'evidence = "displai"',
            '[[point]] "energy_active_import_total" evidence',
            0,
        ),
        ('holds = ["EM1"]', "holds = []", "[type_code] holds", 0),
        ('quantity = "frequency"\nleast', 'quantity = "frequenzy"\nleast', "[plausible] quantity", 0),
        ('least = "45"', 'least = "65"', "[plausible] most", 1),
        ('least = "45"', 'least = "low"', "[plausible] least", 0),
        ("address = 1\n", "address = 256\n", "[link] address", 0),
        ("# tcp_port = 502 ", "tcp_port = 70000 ", "[link] tcp_port", 0),
        ("# interval_s_min = 3600 ", "interval_s_min = 0 ", "[limits] interval_s_min", 0),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, old: str, new: str, key: str, near: int) -> None:
    """`near`: how far from the changed line the one lies that is named."""
    assert old in EXAMPLE
    text = EXAMPLE.replace(old, new, 1)
    problem = mistakes(tmp_path, text)[0]
    assert problem.key == key
    pairs = zip(EXAMPLE.splitlines(), text.splitlines(), strict=False)
    changed = next(number for number, (before, after) in enumerate(pairs, 1) if before != after)
    assert problem.line == changed + near


def test_all_mistakes_are_told_at_once_and_those_in_a_long_text_are_none(tmp_path: Path) -> None:
    text = EXAMPLE.replace('note = "The manual', 'note = """\n[[point]]\nunit = 1\n""" #').replace(
        '"W"', '"V"'
    )
    text = text.replace('"Hz"', '"A"')
    assert [(p.key, text.splitlines()[p.line - 1]) for p in mistakes(tmp_path, text)] == [
        ('[[point]] "power_active_total" unit', 'unit = "V"'),
        ('[[point]] "frequency" unit', 'unit = "A"'),
    ]


def test_check_profile_tells_what_a_good_one_would_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check-profile", str(write(tmp_path, EXAMPLE))]) == 0
    told = capsys.readouterr().out
    assert "6 quantities, 5 of them unverified" in told
    assert "3 requests, 11 registers (input 0 to 5, input 12 to 14, holding 256 to 257)" in told
    assert "type code at holding 4112; its serial number; frequency between 45 and 65" in told


def test_check_profile_names_the_lines_of_a_bad_one_and_tells_of_the_good_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = write(tmp_path, EXAMPLE.replace(NAME, "acme-em2"), "acme-em2")
    bad = write(
        tmp_path, EXAMPLE.replace('"V"', '"A"').replace("reply_timeout_s = 0.5", "reply_timeout_s = 0")
    )
    assert main(["check-profile", str(bad), str(good)]) == 2
    told = capsys.readouterr()
    assert "acme-em2.toml: good" in told.out
    lines = [int(number) for number in re.findall(r"line (\d+): ", told.err)]
    assert lines == sorted(lines)
    assert "2 problems" in told.err


def test_check_profile_refuses_a_name_of_the_catalogue(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, EXAMPLE.replace(NAME, "abb-b23"), "abb-b23")
    assert main(["check-profile", str(path)]) == 2
    assert "names never change their meaning" in capsys.readouterr().err


def test_check_profile_takes_the_files_of_the_catalogue(capsys: pytest.CaptureFixture[str]) -> None:
    from config.catalogue import METERS_FOLDER

    assert main(["check-profile", *map(str, sorted(METERS_FOLDER.glob("*.toml")))]) == 0
    assert "abb-b23.toml: good" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["Acme-EM1", "acme em1", "acme_em1"])
def test_names_are_lower_case_with_dashes(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="lower case"):
        load_profile(write(tmp_path, EXAMPLE.replace(NAME, name), name))


def test_a_site_brings_its_own_profiles(folder: Path) -> None:
    gateway = load(with_profile(folder), HEAD + BUS + METER.format(NAME))
    profile = gateway.profile_of(gateway.file.meters[0])
    assert isinstance(profile, DeviceProfile)
    assert (profile.maker, gateway.lines[0].format) == ("Acme", "8E1")


def test_a_profile_of_a_site_has_no_name_of_the_catalogue(folder: Path) -> None:
    with_profile(folder, EXAMPLE.replace(NAME, "abb-b23"), "abb-b23")
    (problem,) = problems_of(folder, HEAD + BUS + METER.format("eastron-sdm630"))
    assert (problem.file, problem.value) == ("meters/abb-b23.toml", '"abb-b23"')
    assert "names never change their meaning" in problem.expected


def test_mistakes_in_a_profile_of_a_site_are_told_with_those_of_the_configuration(folder: Path) -> None:
    with_profile(folder, EXAMPLE.replace('"Hz"', '"A"'))
    problems = problems_of(folder, HEAD + BUS + METER.format(NAME) + "interval_s = 0\n")
    assert [problem.key for problem in problems] == ['[[meter]] "m" interval_s', '[[point]] "frequency" unit']
    assert all(problem.line for problem in problems)


def test_profiles_that_no_meter_uses_are_not_loaded(folder: Path) -> None:
    with_profile(folder, "this is no TOML")
    gateway = load(folder, HEAD + BUS + METER.format("eastron-sdm630"))
    assert list(gateway.profiles) == ["eastron-sdm630"]


def test_a_site_has_so_many_profiles_at_most(folder: Path) -> None:
    for number in range(SITE_PROFILES_MAX + 1):
        with_profile(folder, "", f"acme-{number}")
    (problem,) = problems_of(folder, HEAD + BUS)
    assert str(SITE_PROFILES_MAX) in problem.expected


@pytest.mark.parametrize(("stated", "address"), [("", 5), ("address = 9\n", 9), ("address = 1\n", 1)])
def test_a_meter_that_states_no_address_has_that_of_the_factory(
    folder: Path, stated: str, address: int
) -> None:
    gateway = load(folder, HEAD + BUS + METER.format("socomec-countis-e3x") + stated)
    assert gateway.file.meters[0].address == address


def test_an_address_beyond_the_bus_is_allowed_to_devices_that_leave_the_factory_with_it(folder: Path) -> None:
    assert load(folder, HEAD + BUS + METER.format("senseair-s8")).file.meters[0].address == 254
    (problem,) = problems_of(folder, HEAD + BUS + METER.format("eastron-sdm630") + "address = 254\n")
    assert problem.key == '[[meter]] "m" address'


def test_a_meter_whose_reads_cost_battery_is_not_read_every_minute(folder: Path) -> None:
    meter = METER.format("ultraheat-t550-d0").replace('"bus"', '"head"')
    (problem,) = problems_of(folder, HEAD + ULTRAHEAT_LINE + meter)
    assert (problem.key, problem.value) == ('[[meter]] "m" interval_s', "60")
    assert problem.expected.startswith("3600 or more")
    assert load(folder, HEAD + ULTRAHEAT_LINE + meter + "interval_s = 3600\n").file.meters
    simulated = ULTRAHEAT_LINE.replace(
        "serial:///dev/serial/by-path/head", "sim://d0?meter=ultraheat-t550-d0"
    )
    assert load(folder, HEAD + simulated + meter).file.meters


def test_load_gateway_tells_lines_of_the_configuration(folder: Path) -> None:
    path = folder / "gateway.toml"
    path.write_text(HEAD + BUS + METER.format("eastron-sdm630") + 'quantities = ["volts"]\n')
    with pytest.raises(ConfigError) as raised:
        load_gateway(path)
    (problem,) = raised.value.problems
    assert path.read_text().splitlines()[problem.line - 1] == 'quantities = ["volts"]'
