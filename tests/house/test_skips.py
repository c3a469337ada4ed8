"""The rule of tests/conftest.py: in CI nothing is skipped that could have been installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.source import ROOT

TESTS = """
'''A test that skips itself.'''
import pytest
{module}
def test_one(): pytest.skip("{reason}")
@pytest.mark.xfail(strict=True)
def test_two(): assert False
"""


def outcome(tmp_path: Path, *, ci: str, reason: str, module: str = "") -> int:
    shutil.copy(ROOT / "tests/conftest.py", tmp_path)
    (tmp_path / "test_it.py").write_text(TESTS.format(reason=reason, module=module))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    environment = {**os.environ, "CI": ci}
    return subprocess.run(command, cwd=tmp_path, env=environment, check=False, capture_output=True).returncode


@pytest.mark.parametrize(
    ("ci", "reason", "module", "code"),
    [
        ("true", "no mosquitto", "", 1),
        ("true", "hardware: no serial adapter", "", 0),
        ("true", "corpora: not beside this checkout", "", 0),
        ("true", "", "pytest.importorskip('no_such_module')", 2),
        ("", "no mosquitto", "", 0),
    ],
)
def test_an_unforeseen_skip_fails_the_run_in_ci_only(
    tmp_path: Path, ci: str, reason: str, module: str, code: int
) -> None:
    assert outcome(tmp_path, ci=ci, reason=reason, module=module) == code
