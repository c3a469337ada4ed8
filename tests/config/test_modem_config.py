"""`[modem]`: what is refused, and in which words."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from config.cellular import ModemConfig, judge_modem, load_pin
from config.model import GatewayFile
from config.problems import Judge

GOOD = {"backend": "modem-manager", "apn": "meter.example"}


def problems(folder: Path, **keys: object) -> list[str]:
    judge = Judge("gateway.toml")
    judge_modem(judge, ModemConfig(**{**GOOD, **keys}), folder)  # type: ignore[arg-type]
    return [f"{problem.key}: {problem.value} {problem.expected}" for problem in judge.problems]


def pin_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "sim-pin"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_by_default_there_is_no_modem(tmp_path: Path) -> None:
    assert {field.name: field.default for field in msgspec.structs.fields(GatewayFile)}["modem"] is None
    assert problems(tmp_path, backend="none", apn="") == []
    assert problems(tmp_path) == []


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"apn": ""}, "[modem] apn"),
        ({"billing_day": 0}, "a day of the month"),
        ({"home_bytes": -1}, "[modem] home_bytes"),
        ({"rungs": ("reset", "reset")}, "each repair once"),
        ({"rungs": ("rebind",)}, '"1-1.2"'),
        ({"rungs": ("power",), "power": "gpio://chip"}, "gpio:///dev/gpiochip0?line=6"),
        ({"pin_file": "sim-pin"}, "No such file"),
    ],
)
def test_what_is_wrong_is_named_with_what_would_be_right(
    tmp_path: Path, keys: dict[str, object], words: str
) -> None:
    (said,) = problems(tmp_path, **keys)
    assert words in said


def test_a_full_table_is_good(tmp_path: Path) -> None:
    pin_file(tmp_path, "1234\n")
    rungs = ("reconnect", "radio", "reset", "service", "rebind", "power", "reboot")
    assert (
        problems(
            tmp_path,
            pin_file="sim-pin",
            rungs=rungs,
            usb_port="1-1.2",
            power="gpio:///dev/gpiochip0?line=6&active=low",
            billing_day=31,
        )
        == []
    )


def test_a_pin_is_read_and_its_mark_follows_the_file(tmp_path: Path) -> None:
    pin = load_pin(pin_file(tmp_path, " 04711\n"))
    assert pin.digits == "04711"
    assert pin.mark == str((tmp_path / "sim-pin").stat().st_mtime_ns)


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [("1234", 0o644, "chmod 600"), ("123", 0o600, "four to eight"), ("12a4", 0o600, "four to eight")],
)
def test_a_pin_that_is_none_or_no_secret_is_refused_without_being_shown(
    tmp_path: Path, text: str, mode: int, words: str
) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        load_pin(pin_file(tmp_path, text, mode))
    assert text not in str(caught.value).replace(str(tmp_path), "")
