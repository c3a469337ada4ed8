"""Puts the keeper of the link together from the gateway's file and the parts of the running agent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from config.cellular import ModemConfig, load_pin
from config.load import Gateway
from edge_agent.clock import BootClock
from edge_agent.faults import Faults
from edge_agent.link.keeper import Keeper
from edge_agent.link.memory import LINK_FILE, LINK_FOLDER
from edge_agent.link.proof import LifeSigns, ask_name_server
from edge_agent.parts import Tell
from edge_agent.twin_file import TwinFile
from edge_agent.uplink.session import LinkStatistics
from hal.board import open_modem
from hal.power import SystemRepairs
from hal.storage import FolderStorage

_INTERFACES = Path("/sys/class/net")


def open_keeper(
    gateway: Gateway,
    config: ModemConfig,
    statistics: Callable[[], LinkStatistics],
    clock: BootClock,
    faults: Faults,
    tell: Tell,
    beat: Callable[[], None],
) -> Keeper:
    """Raises ValueError where the PIN's file does not serve, OSError where the state's folder does not."""
    folder = gateway.state_folder / LINK_FOLDER
    host = urlsplit(gateway.file.uplink.url).hostname or ""
    return Keeper(
        config,
        open_modem(config.device),
        SystemRepairs(usb_port=config.usb_port, power=config.power),
        LifeSigns(statistics, ask_name_server, name=host, bytes_day_max=config.probe_bytes_day),
        file=TwinFile(FolderStorage(folder), LINK_FILE),
        clock=clock,
        faults=faults,
        tell=tell,
        counter=read_counter,
        pin=load_pin(gateway.folder / config.pin_file) if config.pin_file else None,
        beat=beat,
    )


def read_counter(interface: str, folder: Path = _INTERFACES) -> int | None:
    """Bytes that an interface received and sent since it appeared; None where there is none. The kernel's
    word: Documentation/networking/statistics.rst."""
    if not interface or "/" in interface or interface.startswith("."):
        return None
    statistics = folder / interface / "statistics"
    try:
        return sum(int((statistics / name).read_text("ascii")) for name in ("rx_bytes", "tx_bytes"))
    except (OSError, ValueError):
        return None
