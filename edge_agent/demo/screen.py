"""The demo's live picture: meters, buffer, link, and what the receiver has verified."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from edge_agent.demo.world import World, receiver_status
from edge_agent.healthcheck import ask_status

REFRESH_S = 1.0
SHOWN = ("energy_active_import_total", "energy_active_import_tariff1", "power_active_total", "frequency")
SHOWN_OTHERS_MAX = 3  # of meters that have none of these


async def show(world: World) -> None:
    """Draw until cancelled."""
    with Live(Text("starting ..."), refresh_per_second=4, screen=False) as live:
        while True:
            live.update(await _picture(world))
            await asyncio.sleep(REFRESH_S)


async def _picture(world: World) -> Group:
    try:
        status = await ask_status(world.socket)
    except (OSError, TimeoutError, ValueError) as error:
        return Group(Text(f"the agent does not answer yet ({error})"))
    receiver = await _receiver(world)
    return Group(_meters(status), _pipeline(world, status, receiver))


async def _receiver(world: World) -> dict[str, Any]:
    try:
        return await receiver_status(world)
    except (RuntimeError, json.JSONDecodeError):
        return {}


def _holes(receiver: dict[str, Any]) -> int:
    return sum(len(stream["holes"]) for stream in receiver.get("streams", []))


def _meters(status: dict[str, Any]) -> Table:
    table = Table(title="Meters", title_justify="left", expand=True)
    for heading in ("meter", "line", "serial", "age s", "latest values"):
        table.add_column(heading, overflow="fold")
    for meter in status["meters"]:
        age = meter["last_good_age_ms"]
        told = [value for value in meter["values"] if value["value"] is not None]
        chosen = [value for value in told if value["quantity"] in SHOWN] or told[:SHOWN_OTHERS_MAX]
        values = "  ".join(f"{v['quantity']} {v['value']} {v['unit']}" for v in chosen)
        shown_age = "never" if age is None else f"{age / 1000:.1f}"
        table.add_row(meter["id"], meter["line"], meter["identity"], shown_age, values)
    return table


def _pipeline(world: World, status: dict[str, Any], receiver: dict[str, Any]) -> Table:
    buffer, link = status["buffer"], status["link"]
    table = Table(title="From wire to receipt", title_justify="left", show_header=False, expand=True)
    table.add_column(style="bold")
    table.add_column()
    cut = "" if world.relay.up else "  << the demo has cut the link"
    table.add_row(
        "readings", f"{buffer['readings_recorded']} recorded, {buffer['readings_pending']} not yet on disk"
    )
    table.add_row(
        "outbox",
        f"{buffer['messages_unsent']} to send, {buffer['messages_published']} with the broker, "
        f"{buffer['messages_acknowledged']} held by the backend; {buffer['size_bytes']:,} bytes",
    )
    table.add_row("link", ("connected" if link["connected"] else f"DOWN: {link['last_error']}") + cut)
    table.add_row("on the wire", f"{world.relay.bytes_on_wire:,} bytes, {world.relay.cuts} cuts")
    table.add_row(
        "backend",
        f"{receiver.get('values', 0)} readings verified, {_holes(receiver)} holes in sequence",
    )
    for fault in status["faults"]:
        table.add_row("fault", f"{fault['code']} {fault['subject']}: {fault['evidence']}")
    return table
