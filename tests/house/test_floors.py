"""The floors: imports go strictly downward (ARCHITECTURE.md, "Floors").

The walk reads every import of every module, late ones too. Each rule says why it exists, so that the
message is enough to act on.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib

import pytest

from tests.house.source import PACKAGES, ROOT, imported, module_name, python_files

BELOW = {
    "protocols": (),
    "config": ("protocols",),
    "hal": ("config", "protocols"),
    "edge_agent": ("hal", "config", "protocols"),
    "backend": ("protocols",),
    "edgectl": ("edge_agent", "hal", "config", "protocols"),
}
NOT_IN_PROTOCOLS = {
    **dict.fromkeys(("asyncio", "threading"), "codecs are pure: tasks and threads belong to edge_agent"),
    **dict.fromkeys(("socket", "os", "pathlib", "io"), "codecs are sans-I/O: bytes come in, values go out"),
    **dict.fromkeys(("time", "random", "secrets"), "time and randomness are arguments, so that runs repeat"),
    "logging": "a codec returns what went wrong; who called it decides what is logged",
}
SCREEN = ("typer", "rich", "pydantic", "amqtt")
DISTRIBUTIONS = {
    "dbus_fast": "dbus-fast",
    "serial": "pyserial",
    "paho": "paho-mqtt",
}  # where the import's name is another


def is_in(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def judge(module: str, name: str) -> str | None:
    """Why `module` may not import `name`, or None."""
    floor, target = module.partition(".")[0], name.partition(".")[0]
    is_demo = is_in(module, "edge_agent.demo")
    if target in ("tests", "bench"):
        return f"{target} is not in the wheel"
    if target in PACKAGES and target != floor and target not in BELOW[floor]:
        allowed = ", ".join(BELOW[floor]) or "nothing of ours"
        return f"imports go downward: {floor} may import {allowed}"
    if floor == "protocols" and target in NOT_IN_PROTOCOLS:
        return NOT_IN_PROTOCOLS[target]
    may_simulate = is_demo or module == "hal.board" or is_in(module, "hal.sim")
    if is_in(name, "hal.sim") and not may_simulate:
        return "only hal/board.py chooses a backend, from a URL; above it nobody knows whether a line is real"
    if floor == "edge_agent" and target in SCREEN and not is_demo:
        return "the daemon stays small: screens and brokers belong to edgectl and to edge_agent/demo"
    return None


def violations(module: str, source: str) -> list[str]:
    found = []
    for line, name in imported(module, ast.parse(source)):
        reason = judge(module, name)
        if reason:
            found.append(f"{module}:{line} imports {name}: {reason}")
    return found


def test_every_import_goes_downward() -> None:
    found = []
    for path in python_files(*PACKAGES):
        found += violations(module_name(path), path.read_text())
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("protocols.sml.parser", "import asyncio"),
        ("protocols.sml.parser", "def f():\n    from time import monotonic"),
        ("protocols.sml.parser", "import config.model"),
        ("protocols.sml.parser", "from ...config import model"),
        ("config.load", "from hal import api"),
        ("hal.serial_port", "from hal.sim.line import SimulatedLine"),
        ("hal.serial_port", "from hal import sim"),
        ("hal.serial_port", "from . import sim"),
        ("edge_agent.line", "import hal.sim.line"),
        ("edge_agent.agent", "import backend.store"),
        ("edge_agent.agent", "from edgectl.main import main"),
        ("edge_agent.main", "def main():\n    import typer"),
        ("edge_agent.demonstration", "import rich"),
        ("backend.store", "from edge_agent import reading"),
        ("backend.store", "import config"),
        ("edgectl.main", "import backend"),
        ("edgectl.main", "import tests.conftest"),
    ],
)
def test_the_walk_catches_a_planted_violation(module: str, source: str) -> None:
    assert violations(module, source)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("hal.board", "from hal.sim.line import SimulatedLine"),
        ("edge_agent.demo.world", "import rich, amqtt, hal.sim"),
        ("edge_agent.agent", "import asyncio, time, hal.api, config, protocols.value"),
        ("edgectl.main", "import typer, edge_agent.faults"),
        ("protocols.value", "from protocols import errors"),
    ],
)
def test_the_walk_lets_pass_what_is_allowed(module: str, source: str) -> None:
    assert violations(module, source) == []


def test_every_foreign_import_is_declared() -> None:
    lines = (ROOT / "requirements.in").read_text().splitlines()
    declared = {line.split("=")[0].rstrip("<>=") for line in lines if line and not line.startswith("#")}
    foreign = set()
    for path in python_files(*PACKAGES):
        module = module_name(path)
        tops = {name.split(".")[0] for _, name in imported(module, ast.parse(path.read_text()))}
        if is_in(module, "edge_agent.demo"):
            tops -= {"amqtt"}  # the demo's broker comes with the checkout, not with the wheel
        foreign |= tops - set(PACKAGES) - set(sys.stdlib_module_names)
    undeclared = {DISTRIBUTIONS.get(name, name) for name in foreign} - declared
    assert not undeclared, f"add to requirements.in, with the reason in ARCHITECTURE.md: {sorted(undeclared)}"


def test_the_daemon_loads_no_screen_no_broker_and_no_pydantic() -> None:
    """They would cost tens of megabytes of memory and a good part of the second until the first reading."""
    modules = [module_name(path) for path in python_files("edge_agent", "hal", "config", "protocols")]
    daemon = [name for name in modules if not is_in(name, "edge_agent.demo") and not is_in(name, "hal.sim")]
    code = (
        "import importlib, sys\n"
        f"for name in {daemon}: importlib.import_module(name)\n"
        f"print([name for name in {SCREEN} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_the_wheel_holds_all_packages_that_have_a_floor() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["setuptools"]["packages"]["find"]["include"]
    assert sorted(packages) == sorted(f"{name}*" for name in BELOW)
