"""What a device profile would have the agent do, in words: for `edge-agent check-profile`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from config.catalogue import METERS_FOLDER, load_profile, readable_evidence, unverified
from config.model import MeterConfig
from config.problems import ConfigError, Problem
from config.profile import DeviceProfile
from edge_agent.readers import ModbusReader

OTHER_NAME = "a name that no profile of the catalogue has; names never change their meaning"


def check_profiles(paths: Sequence[Path]) -> tuple[list[str], list[Problem]]:
    """A summary of each good profile, and the problems of the others."""
    texts: list[str] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            profile = load_profile(path)
        except ConfigError as error:
            problems += sorted(error.problems, key=lambda problem: problem.line)
            continue
        if is_of_another_folder(path) and (METERS_FOLDER / path.name).exists():
            problems.append(Problem(path.name, "name", f'"{profile.name}"', OTHER_NAME))
        else:
            texts.append(summary(path, profile))
    return texts, problems


def is_of_another_folder(path: Path) -> bool:
    """Whether a file is none of the catalogue's own."""
    return path.resolve().parent != METERS_FOLDER.resolve()


def summary(path: Path, profile: DeviceProfile) -> str:
    """Some lines about a good profile."""
    quantities = readable_evidence(profile)
    open_points = unverified(profile)
    lines = [
        f"{path}: good. {' '.join([profile.maker, ', '.join(profile.products)]).strip()}",
        f"  {len(quantities)} quantities, {len(open_points)} of them unverified (not seen in two sources)",
    ]
    if profile.points and not any(point.models for point in profile.points):
        blocks = ModbusReader(profile, MeterConfig(id="", line="", profile=profile.name), 0).blocks
        total = sum(block.count for block in blocks)
        places = ", ".join(f"{b.table} {b.address} to {b.address + b.count - 1}" for b in blocks)
        lines.append(f"  one round: {len(blocks)} requests, {total} registers ({places})")
    lines.append(f"  told apart by: {recognition(profile)}")
    return "\n".join(lines)


def recognition(profile: DeviceProfile) -> str:
    """By what the right device is known, for people."""
    ways = []
    if profile.type_code is not None:
        ways.append(f"its type code at {profile.type_code.table} {profile.type_code.address}")
    if profile.identity is not None:
        ways.append("its serial number")
    if profile.plausible is not None:
        plausible = profile.plausible
        ways.append(f"{plausible.quantity} between {plausible.least} and {plausible.most}")
    return "; ".join(ways) or ("what it sends" if profile.protocol != "modbus" else "nothing")
