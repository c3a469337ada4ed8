"""`edge-agent import-keys`: a utility's table becomes the key file, or all that is wrong with it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.keys import load_keys
from edge_agent.main import main
from tests.config.test_load import HEAD, folder

__all__ = ["folder"]  # the fixture

A, B, C = (f"{digit}" * 32 for digit in "abc")


@pytest.fixture
def site(folder: Path) -> Path:
    """Three meters on P1 lines and one that never encrypts."""
    text = HEAD.replace("[uplink]", 'keys = "keys.toml"\n[uplink]', 1)
    text = text.replace("[gateway]", f'[gateway]\nstate_folder = "{folder}"', 1)
    for name, profile in (("one", "p1-dsmr5"), ("two", "p1-dsmr5"), ("three", "p1-luxembourg")):
        text += f'[[line]]\nid = "{name}"\nurl = "serial:///dev/{name}"\nprotocol = "p1"\n'
        text += f'[[meter]]\nid = "{name}"\nline = "{name}"\nprofile = "{profile}"\nserial = "77{name}"\n'
    text += '[[line]]\nid = "sml"\nurl = "serial:///dev/sml"\nprotocol = "sml"\n'
    text += '[[meter]]\nid = "plain"\nline = "sml"\nprofile = "ehz-sml"\n'
    (folder / "gateway.toml").write_text(text)
    return folder


def run(site: Path, table: str | bytes) -> int:
    path = site / "table.csv"
    path.write_bytes(table if isinstance(table, bytes) else table.encode())
    return main(["import-keys", str(path), "--config", str(site / "gateway.toml")])


def keys_of(site: Path) -> dict[str, tuple[str, str]]:
    keys = load_keys(site / "keys.toml")
    found = {name: keys.of(name) for name in keys.meters}
    return {n: ((k.key or b"").hex(), (k.authentication_key or b"").hex()) for n, k in found.items()}


@pytest.mark.parametrize(
    "table",
    [
        f"meter,key,authentication_key\none,{A},{B}\n",
        f"\ufeffMeter;Key;Authentication key\r\none;{A.upper()};{B}\r\n\r\n",
        f"Seriennummer;Schlüssel;Authentisierungsschlüssel;Ort\n77ONE;{A};{B};Keller\n",
        f"Zählernummer;GUEK;GAK\n0077one;{A};{B}\n".encode("cp1252"),
        f'Zähler,Schlüssel,AK\n"one","{A[:16]} {A[16:]}","{B}"\n',
        f"serial;meter;ak;ek\n77one;one;{B};{A}\n",
    ],
)
def test_tables_as_utilities_write_them_are_taken(table: str | bytes, site: Path) -> None:
    assert run(site, table) == 0
    assert keys_of(site) == {"one": (A, B)}
    assert (site / "keys.toml").stat().st_mode & 0o777 == 0o600


def test_an_import_keeps_other_meters_replaces_its_own_and_says_how_many(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(site, f"meter;key\none;{A}\ntwo;{A}\n") == 0
    capsys.readouterr()
    assert run(site, f"meter;key\ntwo;{B}\nthree;{C}\n") == 0
    assert keys_of(site) == {"one": (A, ""), "two": (B, ""), "three": (C, "")}
    out = capsys.readouterr().out
    assert "1 keys added, 1 replaced, 1 others kept" in out
    assert f"shred -u {site / 'table.csv'}" in out


def test_all_problems_are_told_with_their_lines_and_nothing_is_written(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = [
        "meter;serial;key;authentication_key",
        f"one;;{A};",
        f"on;;{A};",
        f"two;;{A[:-2]};{B}00",
        f"one;;{B};",
        f"plain;;{A};",
        f"two;77one;{A};",
        f";nobody;{A};",
        f";;{A};",
        "three;;1,2E+31;",
        "three;;;",
        f"{A};;{B};",
    ]
    assert run(site, "\n".join(table)) == 2
    said = capsys.readouterr().err
    for place in (
        'line 3 meter = "on"',
        "line 4 key\n",
        "here are 30 characters",
        "line 4 authentication_key",
        "here are 34 characters",
        'line 5 meter = "one"\n      right: each meter once; line 2 names it, too',
        'line 6 meter = "plain"',
        'line 7 serial = "77one"',
        'line 8 serial = "nobody"',
        "line 9 meter",
        "a spreadsheet has rounded it",
        "line 11 key",
        "line 12 meter\n",
        "nothing was written",
    ):
        assert place in said, place
    assert not (site / "keys.toml").exists()
    assert not {A[:20], B[:20]} & {said[at : at + 20] for at in range(len(said))}


@pytest.mark.parametrize(
    ("table", "right"),
    [
        ("", "a header that names the columns"),
        (f"one;{A}\n", "a header that names the columns"),
        ("meter;key\n", "a row for each meter"),
        ("meter;key\n".encode("utf-16"), "CSV UTF-8"),
    ],
)
def test_what_is_no_such_table_is_told(
    table: str | bytes, right: str, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(site, table) == 2
    assert right in capsys.readouterr().err


def test_a_key_file_that_others_may_read_is_not_added_to(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(site, f"meter;key\none;{A}\n") == 0
    (site / "keys.toml").chmod(0o644)
    assert run(site, f"meter;key\ntwo;{B}\n") == 2
    assert "chmod 600" in capsys.readouterr().err


def test_a_gateway_that_names_no_key_file_is_told_so(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = site / "gateway.toml"
    path.write_text(path.read_text().replace('keys = "keys.toml"', ""))
    assert run(site, f"meter;key\none;{A}\n") == 2
    assert 'keys = "meter-keys.toml"' in capsys.readouterr().err
