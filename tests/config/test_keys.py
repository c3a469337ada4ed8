"""The file with the meters' keys: who may read it, what it may hold, and that no problem ever shows a key."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from config.keys import KeyFile, Keys, MeterKeys, encode_keys, find_key_file, load_keys
from config.problems import ConfigError, format_problems
from tests.config.test_load import HEAD, folder, load, problems_of

__all__ = ["folder"]  # the fixture

KEY = "000102030405060708090a0b0c0d0e0f"
AUTHENTICATION_KEY = "D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF"
LINE = '[[line]]\nid = "l"\nurl = "serial:///dev/ttyUSB9"\nprotocol = "p1"\n'


def meter(profile: str = "p1-dsmr5") -> str:
    return f'[[meter]]\nid = "m"\nline = "l"\nprofile = "{profile}"\n'


def site(profile: str = "p1-dsmr5") -> str:
    return HEAD.replace("[uplink]", 'keys = "keys.toml"\n[uplink]', 1) + LINE + meter(profile)


def entry(name: str = "m", key: str = KEY, more: str = "") -> str:
    return f'[[meter]]\nid = "{name}"\nkey = "{key}"\n{more}'


def write(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "keys.toml"
    path.write_text(text)
    path.chmod(mode)
    return path


def told(path: Path) -> str:
    with pytest.raises(ConfigError) as raised:
        load_keys(path)
    return format_problems(raised.value.problems)


def test_a_meter_has_its_keys_and_others_have_none(tmp_path: Path) -> None:
    path = write(tmp_path, entry(more=f'authentication_key = "{AUTHENTICATION_KEY}"\n') + entry("n"))
    keys = load_keys(path)
    assert keys.of("m") == MeterKeys(bytes(range(16)), bytes.fromhex(AUTHENTICATION_KEY))
    assert keys.of("n") == MeterKeys(bytes(range(16)), None)
    assert keys.of("stranger") == MeterKeys(None, None)
    assert keys.meters == ("m", "n")


def test_keys_never_show_themselves(tmp_path: Path) -> None:
    keys = load_keys(write(tmp_path, entry()))
    shown = f"{keys} {keys!r} {keys.of('m')} {keys.of('m')!r} {[keys.of('m')]}"
    assert shown == "Keys(1 meters) Keys(1 meters) MeterKeys(key) MeterKeys(key) [MeterKeys(key)]"


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    keys = Keys({"m": MeterKeys(bytes(16), bytes(range(16))), 'odd "name"\\': MeterKeys(bytes(range(16)))})
    again = load_keys(write(tmp_path, encode_keys(keys)))
    assert {name: again.of(name) for name in again.meters} == {name: keys.of(name) for name in keys.meters}


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o620, 0o644, 0o660])
def test_a_file_that_others_may_read_is_refused(mode: int, tmp_path: Path) -> None:
    path = write(tmp_path, entry(), mode)
    text = told(path)
    assert f"now its mode is {mode:03o}: chmod 600 {path}" in text


def test_a_link_is_no_better_than_what_it_points_to(tmp_path: Path) -> None:
    path = write(tmp_path, entry(), 0o644)
    link = tmp_path / "link.toml"
    link.symlink_to(path)
    assert f"chmod 600 {path}" in told(link)
    path.chmod(0o600)
    assert load_keys(link).meters == ("m",)


def test_a_link_into_a_folder_that_others_may_change_is_refused(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    link = tmp_path / "link.toml"
    link.symlink_to(write(shared, entry()))
    assert f"chmod go-w {shared}" in told(link)


def test_a_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, entry())
    if os.geteuid() == 0:
        os.chown(path, 65_534, 65_534)
    else:  # nobody else can give a file away: then we are somebody else
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert "owned by the user that runs the agent" in told(path)


def test_what_is_no_plain_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert "a plain file" in told(tmp_path / "pipe")
    assert "No such file" in told(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("text", "place", "right"),
    [
        (entry(key=KEY[:-1]), '[[meter]] "m" key', "here are 31 characters"),
        (entry(key=KEY[:-1] + "g"), '[[meter]] "m" key', "other than 0-9 and A-F"),
        ('[[meter]]\nid = "m"\n', '[[meter]] "m" key', "32 hexadecimal digits"),
        (f'[[meter]]\nid = "m"\nkey = 0x{KEY}\n', '[[meter]] "m" key', "32 hexadecimal digits"),
        (
            entry(more=f'authentication_key = "{KEY}00"\n'),
            '[[meter]] "m" authentication_key',
            "34 characters",
        ),
        (entry() + entry(), '[[meter]] "m" id', "each meter once"),
        (f'[[meter]]\nkey = "{KEY}"\n', "[[meter]] number 1 id", "a meter of the gateway"),
        (entry(name=KEY), "[[meter]] number 1 id", "a meter of the gateway"),
        (entry(more=f'kye = "{AUTHENTICATION_KEY}"\n'), '[[meter]] "m" keys', '"authentication_key"'),
        (entry(more=f'{AUTHENTICATION_KEY} = "key"\n'), '[[meter]] "m" keys', "something else stands there"),
        (f'key = "{KEY}"\n', "file", "nothing but tables [[meter]]"),
        (f'[[meter]]\nid = "m"\nkey = {KEY}\n', "line 3", "valid TOML"),
        (f'[[meter]]\nid = "m"\nkey = "{KEY}', "file", "valid TOML"),
    ],
)
def test_a_problem_names_the_place_and_what_is_right_and_no_secret(
    text: str, place: str, right: str, tmp_path: Path
) -> None:
    path = write(tmp_path, text)
    said = told(path)
    assert place in said
    assert right in said
    assert str(path) in said
    assert KEY[:12] not in said.lower()
    assert AUTHENTICATION_KEY[:12] not in said


def test_the_gateway_has_the_keys_that_its_file_names(folder: Path) -> None:
    write(folder, entry())
    assert load(folder, site()).keys.of("m").key == bytes(range(16))


def test_a_meter_that_always_encrypts_needs_a_key(folder: Path) -> None:
    write(folder, "")
    (problem,) = problems_of(folder, site("p1-luxembourg"))
    assert problem.key == '[[meter]] "m" key'
    assert str(folder / "keys.toml") in problem.expected
    (problem,) = problems_of(folder, HEAD + LINE + meter("p1-luxembourg"))
    assert "[gateway] keys" in problem.expected


def test_a_key_of_no_meter_and_one_of_a_meter_that_never_encrypts_are_told(folder: Path) -> None:
    path = write(folder, entry() + entry("n"))
    (problem,) = problems_of(folder, site())
    assert (problem.file, problem.key) == (str(path), '[[meter]] "n"')
    assert "a meter of this gateway" in problem.expected
    write(folder, entry())
    text = site("d0-electricity").replace('"p1"', '"d0-push"')
    (problem,) = problems_of(folder, text)
    assert "do not encrypt" in problem.expected


def test_all_that_is_wrong_with_both_files_is_told_in_one_run(folder: Path) -> None:
    write(folder, entry(), 0o644)
    problems = problems_of(folder, site().replace('"p1-dsmr5"', '"p1-dsmr5"\ninterval_s = 0'))
    assert [problem.key for problem in problems] == ['[[meter]] "m" interval_s', "file"]


def test_without_a_file_a_credential_of_systemd_is_taken(tmp_path: Path) -> None:
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert find_key_file(tmp_path, "", environment) is None
    credential = tmp_path / "meter-keys"
    credential.write_text(entry())
    credential.chmod(0o440)
    assert find_key_file(tmp_path, "", environment) == KeyFile(credential, is_credential=True)
    assert load_keys(credential, is_credential=True).meters == ("m",)
    assert find_key_file(Path("/etc"), "own.toml", environment) == KeyFile(Path("/etc/own.toml"))
    credential.chmod(0o444)
    with pytest.raises(ConfigError):
        load_keys(credential, is_credential=True)
