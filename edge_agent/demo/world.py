"""The demo's world: every part a process of its own, wired up in one folder."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from edge_agent.demo.broker import Broker, start_broker
from edge_agent.demo.pki import make_pki
from edge_agent.demo.relay import Relay
from edge_agent.demo.sites import SitePlan, encode_toml, load_site, plan_site, with_world

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 20.0
INTERVAL_S = 2
GATEWAY = "du-demo-01"

_GATEWAY_FILE = """\
# Written by `edge-agent demo`. Every key is explained in docs/configuration.md.
[gateway]
id = "{gateway}"
state_folder = "{folder}/state"
socket = "{folder}/agent.sock"
clock = "operator"

[uplink]
url = "mqtts://localhost:{port}"
ca = "{folder}/pki/ca.pem"
certificate = "{folder}/pki/gateway.pem"
key = "{folder}/pki/gateway.key"
backend_key = "{folder}/receiver.key.pub"
mqtt_version = "{mqtt_version}"
keepalive_s = 20
batch_interval_s = 5
spread = false

[buffer]
flush_interval_s = 1.0

[[line]]
id = "rs485-1"
url = "serial://{folder}/lines/rs485-1"
protocol = "modbus-rtu"
baud = 9600
format = "8N1"

[[line]]
id = "rs485-2"
url = "serial://{folder}/lines/rs485-2"
protocol = "modbus-rtu"
baud = 9600
format = "8N1"

[[line]]
id = "lan"
url = "tcp://127.0.0.1:{modbus_tcp_port}"
protocol = "modbus-tcp"

[[line]]
id = "optical"
url = "serial://{folder}/lines/optical"
protocol = "sml"
"""

_METER = """
[[meter]]
id = "{id}"
line = "{line}"
address = {address}
profile = "{profile}"
metering_point = "DE00056226802SIMULATED{address:012d}"
serial = "{serial}"
interval_s = {interval_s}
"""


@dataclass(slots=True)
class World:
    """The running parts."""

    folder: Path
    broker: Broker
    relay: Relay
    agent: asyncio.subprocess.Process
    receiver: asyncio.subprocess.Process
    site: SitePlan | None = None

    @property
    def socket(self) -> Path:
        """The agent's local API."""
        return self.folder / "agent.sock"

    @property
    def store(self) -> Path:
        """The receiver's store."""
        return self.folder / "backend.sqlite"


@contextlib.asynccontextmanager
async def open_world(
    folder: Path, broker_kind: str = "auto", *, site: str = "", seconds: int = 0
) -> AsyncIterator[World]:
    """Start plant, broker, link, receiver and agent; end them all on leaving. A `site` brings its own meters,
    simulated inside of the agent, and needs no plant; it is paced for `seconds`."""
    make_pki(folder / "pki")
    async with contextlib.AsyncExitStack() as stack:
        meters = {} if site else await _start_plant(stack, folder)
        broker = await start_broker(folder, folder / "pki", broker_kind)
        stack.push_async_callback(broker.stop)
        relay = Relay(broker.port)
        await relay.start()
        stack.push_async_callback(relay.stop)
        await backend(folder, "keygen", str(folder / "receiver.key"))
        plan = write_site_file(folder, relay.port, broker.mqtt_version, site, seconds) if site else None
        if plan is None:
            write_gateway_file(folder, relay.port, broker.mqtt_version, meters)
        await _trust_gateway(folder, plan.file.gateway.id if plan else GATEWAY)
        receiver = await stack.enter_async_context(
            _process(folder, "receiver", "-m", "backend.main", *_receive_arguments(folder, broker))
        )
        agent = await stack.enter_async_context(
            _process(
                folder, "agent", "-m", "edge_agent.main", "run", "--config", str(folder / "gateway.toml")
            )
        )
        yield World(folder, broker, relay, agent, receiver, plan)


async def _start_plant(stack: contextlib.AsyncExitStack, folder: Path) -> dict[str, object]:
    """What stands where in the demo's own cabinet, once it stands."""
    arguments = ("-m", "edge_agent.demo.plant", str(folder))
    plant = await stack.enter_async_context(_process(folder, "plant", *arguments))
    return await _read_ready(plant, folder / "plant.json")


def write_site_file(folder: Path, port: int, mqtt_version: str, site: str, seconds: int) -> SitePlan:
    """The agent's configuration for a site that is simulated in this world. ConfigError where the site's own
    file is not good."""
    pki = folder / "pki"
    files = {
        "ca": pki / "ca.pem",
        "certificate": pki / "gateway.pem",
        "key": pki / "gateway.key",
        "backend_key": folder / "receiver.key.pub",
    }
    logs = folder / "meters"
    logs.mkdir(exist_ok=True)
    plan = plan_site(site, load_site(site, folder / "site", **files), seconds=seconds, logs=logs)
    uplink = {name: str(path) for name, path in files.items()}
    uplink |= {"url": f"mqtts://localhost:{port}", "mqtt_version": mqtt_version}
    (folder / "gateway.toml").write_text(encode_toml(with_world(plan, folder=folder, uplink=uplink)))
    return plan


def write_gateway_file(folder: Path, port: int, mqtt_version: str, plant: dict[str, object]) -> None:
    """The agent's configuration for this world."""
    text = _GATEWAY_FILE.format(
        gateway=GATEWAY,
        folder=folder,
        port=port,
        mqtt_version=mqtt_version,
        modbus_tcp_port=plant["modbus_tcp_port"],
    )
    meters = plant["meters"]
    assert isinstance(meters, list)
    text += "".join(_METER.format(**meter, interval_s=INTERVAL_S) for meter in meters)
    (folder / "gateway.toml").write_text(text)


async def receiver_status(world: World) -> dict[str, object]:
    """What the receiver says of its store."""
    answer: dict[str, object] = json.loads(
        await backend(world.folder, "status", "--store", str(world.store), "--json")
    )
    return answer


def _receive_arguments(folder: Path, broker: Broker) -> list[str]:
    pki = folder / "pki"
    return [
        *("receive", "--broker", f"mqtts://localhost:{broker.port}", "--mqtt-version", broker.mqtt_version),
        *(
            "--ca",
            str(pki / "ca.pem"),
            "--certificate",
            str(pki / "backend.pem"),
            "--key",
            str(pki / "backend.key"),
        ),
        *("--store", str(folder / "backend.sqlite"), "--signing-key", str(folder / "receiver.key")),
        *("--receipt-interval", "2"),
    ]


async def _trust_gateway(folder: Path, gateway: str) -> None:
    arguments = ["-m", "edge_agent.main", "identity", "--config", str(folder / "gateway.toml")]
    (folder / "gateway.pub").write_text(await _output(folder, "identity", *arguments))
    await backend(
        folder, "trust", gateway, str(folder / "gateway.pub"), "--store", str(folder / "backend.sqlite")
    )


async def backend(folder: Path, *arguments: str) -> str:
    """One command of `edge-backend`; its output."""
    return await _output(folder, "backend", "-m", "backend.main", *arguments)


async def _output(folder: Path, name: str, *arguments: str) -> str:
    """Run a part's command to its end; RuntimeError with its words when it fails."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=folder
    )
    out, err = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{name} {' '.join(arguments)}: {err.decode(errors='replace')}")
    return out.decode()


@contextlib.asynccontextmanager
async def _process(folder: Path, name: str, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A part as a process; its words go to a file of its own."""
    with (folder / f"{name}.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, stdout=log, stderr=log, cwd=folder
        )
    try:
        yield process
    finally:
        await terminate(process)


async def terminate(process: asyncio.subprocess.Process) -> None:
    """End a part in an orderly way, or after STOP_TIMEOUT_S in the other."""
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
    except TimeoutError:
        process.kill()
        await process.wait()


async def _read_ready(process: asyncio.subprocess.Process, file: Path) -> dict[str, object]:
    """What the plant writes when it stands."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + START_TIMEOUT_S
    while loop.time() < deadline and process.returncode is None:
        if file.exists():
            ready: dict[str, object] = json.loads(file.read_text())
            return ready
        await asyncio.sleep(0.05)
    raise RuntimeError(f"the simulated plant did not start; see {file.with_name('plant.log')}")
