"""Where the agent's socket and files are, found without asking the agent.

Read leniently: a configuration that the agent would refuse still tells where to look.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

DEFAULT_CONFIG = Path("/etc/edge-agent/gateway.toml")
SOCKET_VARIABLE = "EDGE_AGENT_SOCKET"


class Place(NamedTuple):
    """From the configuration where it can be read, else the defaults of config.model."""

    socket: Path
    state_folder: Path
    size_bytes_max: int


def find_place(config: Path) -> Place:
    """Where the agent of this configuration is."""
    from config.model import BufferConfig, GatewayConfig

    tables = _tables(config)
    gateway, buffer = GatewayConfig(id=""), BufferConfig()
    return Place(
        config.parent / _entry(tables, "gateway", "socket", gateway.socket),
        config.parent / _entry(tables, "gateway", "state_folder", gateway.state_folder),
        _entry(tables, "buffer", "size_bytes_max", buffer.size_bytes_max),
    )


def find_line(config: Path, line: str) -> dict[str, Any] | None:
    """The table of a line as it stands in the configuration; None where it cannot be found there."""
    entries = _tables(config).get("line")
    tables = entries if isinstance(entries, list) else []
    return next((table for table in tables if isinstance(table, dict) and table.get("id") == line), None)


def _tables(config: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # `edgectl status` names the reason, see edgectl/offline.py
        return {}


T = TypeVar("T", str, int)


def _entry(tables: dict[str, Any], table: str, key: str, otherwise: T) -> T:
    entries = tables.get(table)
    found = entries.get(key) if isinstance(entries, dict) else None
    return found if isinstance(found, type(otherwise)) else otherwise
