"""`make bench`: what the agent costs, measured on this machine, as one table. It judges nothing.

Figures of one machine say little to another; ratios to something known, measured in the same run, say
more, and stand in the last column. Bytecode is compiled before anything is timed, as on a gateway where
the agent is installed.
"""

from __future__ import annotations

import asyncio
import os
import platform
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


class Figure(NamedTuple):
    """One row. `beside`: what it is to be compared with, or how it was measured."""

    name: str
    value: str
    beside: str = ""


def show(title: str, figures: Iterable[Figure]) -> None:
    """One part of the table."""
    print(f"\n{title}")
    for figure in figures:
        print(f"  {figure.name:<52} {figure.value:>16}   {figure.beside}", flush=True)


def main() -> int:
    """Run all parts; about three minutes."""
    # they import what this module defines
    from bench import daemon, events, line_share, loading, modbus, parts, telegrams

    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory(prefix="edge-bench-") as name:
        folder = Path(name)
        keep_bytecode(folder / "bytecode")
        asyncio.run(daemon.run(folder))
        parts.run(folder)
        show(
            "Events, from the cause to the backend's store (mosquitto, TLS)", asyncio.run(events.run(folder))
        )
        show("A large configuration", loading.run(folder))
        show("RTU lines, paced by another process", line_share.run(folder))
        show("Codecs, decoding, beside other libraries", [*modbus.run(), *telegrams.run()])
        becoming = [*parts.reader_rates(), *parts.plausibility_rates(), *parts.batch_rates()]
        show("What readings become", becoming)
    return 0


def keep_bytecode(folder: Path) -> None:
    """Have every program from here on keep its bytecode, even where this machine is told not to."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(folder)


if __name__ == "__main__":
    sys.exit(main())
