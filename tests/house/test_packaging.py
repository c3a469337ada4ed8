"""What is shipped: the wheel's content, the container file, and that the lock fits arm64 gateways."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from config.load import load_gateway
from tests.house.source import PACKAGES, ROOT, kept_files

DOCKERFILE = (ROOT / "Dockerfile.arm").read_text()
PROGRAMS = {"edge-agent", "edge-backend", "edgectl"}


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what git keeps: leftovers of earlier builds must not decide what is shipped."""
    source = tmp_path_factory.mktemp("source")
    for path in kept_files():
        copy = source / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    return source


@pytest.fixture(scope="module")
def kept(source: Path) -> set[str]:
    names = {path.relative_to(source) for path in source.rglob("*") if path.is_file()}
    return {str(name) for name in names if name.parts[0] in PACKAGES}


@pytest.fixture(scope="module")
def wheel(source: Path, kept: set[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert kept, "taken before the build adds files of its own"
    target = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(target), str(source))
    (built,) = target.glob("*.whl")
    return built


def test_the_wheel_holds_every_module_and_data_file_of_the_packages_and_nothing_else(wheel: Path) -> None:
    kept = {
        str(path.relative_to(ROOT)) for path in kept_files() if path.relative_to(ROOT).parts[0] in PACKAGES
    }
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert packed == kept


def test_an_installed_wheel_finds_its_meters_and_its_programs(
    wheel: Path, kept: set[str], tmp_path: Path
) -> None:
    pip("install", "--no-deps", "--no-index", "--target", str(tmp_path), str(wheel))
    meters = {str(path.relative_to(tmp_path)) for path in tmp_path.glob("config/meters/*.toml")}
    assert meters == {name for name in kept if name.startswith("config/meters/")}
    entry_points = configparser.ConfigParser()
    entry_points.read(next(tmp_path.glob("*.dist-info/entry_points.txt")))
    assert set(entry_points["console_scripts"]) == PROGRAMS


def instructions(name: str) -> list[str]:
    joined = DOCKERFILE.replace("\\\n", " ")
    return [line.removeprefix(name).strip() for line in joined.splitlines() if line.startswith(name + " ")]


def test_the_container_is_built_without_a_registry_frontend() -> None:
    assert not re.search(r"^#\s*syntax\s*=", DOCKERFILE, re.MULTILINE | re.IGNORECASE)
    assert instructions("ARG") == ["BASE=debian:trixie-slim"], "the base must be replaceable"
    assert all(stage.split()[0] in ("${BASE}", "python") for stage in instructions("FROM"))


def test_the_container_installs_only_locked_wheels() -> None:
    installs = [run for run in instructions("RUN") if "pip" in run and " install " in run]
    assert installs
    assert all("--no-index" in run for run in installs)
    assert "--require-hashes --requirement /tmp/requirements.lock" in DOCKERFILE


def test_the_container_runs_as_nobody_special_with_its_state_in_a_volume() -> None:
    assert instructions("USER")[-1] == "10001"
    assert "--groups dialout" in DOCKERFILE
    assert instructions("VOLUME") == ["/var/lib/edge-agent"]
    assert "EXPOSE" not in DOCKERFILE, "nothing listens on the network"


def test_the_container_starts_the_agent_and_asks_it_for_its_health() -> None:
    assert instructions("ENTRYPOINT") == ['["edge-agent"]']
    assert instructions("HEALTHCHECK")[0].endswith('CMD ["edge-agent", "healthcheck"]')


def test_the_last_stage_has_no_installer() -> None:
    last = DOCKERFILE.split("\nFROM ")[-1]
    assert "pip" not in last
    assert "apt-get" not in last


def test_the_configuration_that_is_tried_in_the_container_is_good(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "image/example", tmp_path, dirs_exist_ok=True)
    for name, content in {
        "broker-ca.pem": "CERTIFICATE",
        "gateway.pem": "CERTIFICATE",
        "gateway.key": "PRIVATE KEY",
        "backend.pub.pem": "PUBLIC KEY",
    }.items():
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text(f"-----BEGIN {content}-----\n")
    assert load_gateway(tmp_path / "gateway.toml").file.gateway.id == "example-1"


@pytest.mark.parametrize("script", ["image/build-arm.sh", ".ci/need", ".ci/run"])
def test_scripts_are_executable_and_parse(script: str) -> None:
    path = ROOT / script
    assert path.stat().st_mode & 0o111
    shell = path.read_text().splitlines()[0].split("/")[-1].removeprefix("env ")
    subprocess.run([shell, "-n", str(path)], check=True)


def test_a_machine_that_lacks_nothing_needs_no_package_manager() -> None:
    subprocess.run([ROOT / ".ci/need", "sh=dash", "cat=coreutils"], check=True, env={"PATH": "/usr/bin:/bin"})


def test_seconds_count_only_when_given_to_make() -> None:
    def plan(*arguments: str) -> str:
        command = ["make", "--dry-run", "--always-make", "demo", *arguments]
        environment = {"PATH": "/usr/bin:/bin", "SECONDS": "17"}
        return subprocess.run(
            command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True
        ).stdout.splitlines()[-1]

    assert plan() == ".venv/bin/edge-agent demo "
    assert plan("SECONDS=40") == ".venv/bin/edge-agent demo --seconds 40 --json"
