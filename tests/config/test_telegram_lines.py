"""Optical heads and P1 ports in a gateway's file: what is taken, and what each mistake is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.readers import readers
from edge_agent.text_readers import D0Reader, P1Reader
from tests.config.test_load import HEAD, folder, load, problems_of

__all__ = ["folder"]  # the fixture


def line(protocol: str, more: str = "") -> str:
    return f'[[line]]\nid = "l"\nurl = "serial:///dev/ttyUSB9"\nprotocol = "{protocol}"\n{more}'


def meter(profile: str, name: str = "m") -> str:
    return f'[[meter]]\nid = "{name}"\nline = "l"\nprofile = "{profile}"\n'


@pytest.mark.parametrize(
    ("protocol", "profile", "settings", "reader"),
    [
        ("d0", "d0-electricity", (300, "7E1"), D0Reader),
        ("d0-push", "d0-electricity", (9600, "7E1"), D0Reader),
        ("d0", "ultraheat-t550-d0", (300, "7E1"), D0Reader),
        ("p1", "p1-dsmr5", (115200, "8N1"), P1Reader),
    ],
)
def test_a_line_takes_the_settings_of_its_protocol(
    protocol: str, profile: str, settings: tuple[int, str], reader: type, folder: Path
) -> None:
    gateway = load(folder, HEAD + line(protocol) + meter(profile) + "interval_s = 21600\n")
    assert (gateway.lines[0].baud, gateway.lines[0].format) == settings
    assert isinstance(readers(gateway)[0], reader)


def test_meters_with_device_addresses_share_a_line(folder: Path) -> None:
    text = line("d0") + meter("d0-electricity") + 'device_address = "11"\n'
    gateway = load(folder, HEAD + text + meter("d0-electricity", "n") + 'device_address = "12"\n')
    assert gateway.lines[0].meters == (0, 1)


@pytest.mark.parametrize(
    ("text", "key", "right"),
    [
        (
            line("d0") + meter("d0-electricity") + 'device_address = "12"\n' + meter("d0-electricity", "n"),
            '[[line]] "l"',
            'now none for "n"',
        ),
        (line("d0"), '[[line]] "l"', "a meter on this line"),
        (
            line("d0") + meter("d0-electricity") + 'channels = ["1"]\n',
            '[[meter]] "m" channels',
            "only p1 meters",
        ),
        (
            line("p1") + meter("p1-dsmr5") + 'channels = ["1", "1"]\n',
            '[[meter]] "m" channels',
            "each once",
        ),
        (
            line("d0")
            + meter("d0-electricity")
            + 'device_address = "12"\n'
            + meter("d0-electricity", "n")
            + 'device_address = "0012"\n',
            '[[meter]] "n" device_address',
            "an address of its own",
        ),
        (
            line("d0") + meter("d0-electricity") + 'device_address = "1!2"\n',
            '[[meter]] "m" device_address',
            "type plate",
        ),
        (
            line("d0-push") + meter("d0-electricity") + 'device_address = "12"\n',
            '[[meter]] "m" device_address',
            "left out",
        ),
        (line("d0-push"), '[[line]] "l"', "one meter"),
        (line("p1") + meter("d0-electricity"), '[[meter]] "m" profile', "a profile for p1"),
        (line("d0") + meter("p1-dsmr5"), '[[meter]] "m" profile', "a profile for d0"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_what_would_be_right(
    text: str, key: str, right: str, folder: Path
) -> None:
    (problem,) = problems_of(folder, HEAD + text)
    assert problem.key == key
    assert right in problem.expected
