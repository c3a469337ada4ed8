"""The demo's MQTT broker: mosquitto where it is installed, else amqtt in a process of its own.

Both speak TLS with the demo's certificates. Mosquitto demands client certificates; amqtt does not
enforce them and speaks MQTT 3.1.1 only.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

START_TIMEOUT_S = 20.0
MOSQUITTO_FOLDERS = "/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin"


@dataclass(slots=True)
class Broker:
    """A running broker."""

    name: str
    port: int
    mqtt_version: str
    process: asyncio.subprocess.Process

    async def stop(self) -> None:
        """End it."""
        if self.process.returncode is None:
            self.process.terminate()
            await self.process.wait()


async def start_broker(folder: Path, pki: Path, kind: str = "auto") -> Broker:
    """Start mosquitto or amqtt ("auto": the first that is there); RuntimeError if it does not come up."""
    port = free_port()
    mosquitto = None if kind == "amqtt" else shutil.which("mosquitto", path=MOSQUITTO_FOLDERS)
    log = (folder / "broker.log").open("wb")
    with log:
        if mosquitto:
            config = folder / "mosquitto.conf"
            config.write_text(_mosquitto_config(port, pki))
            arguments = [mosquitto, "-c", str(config)]
        else:
            settings = json.dumps({"port": port, "pki": str(pki)})
            arguments = [sys.executable, "-m", "edge_agent.demo.amqtt_broker", settings]
        process = await asyncio.create_subprocess_exec(*arguments, stdout=log, stderr=log)
    broker = Broker("mosquitto" if mosquitto else "amqtt", port, "5" if mosquitto else "3.1.1", process)
    await _wait_listening(broker, folder / "broker.log")
    return broker


def free_port() -> int:
    """A TCP port on loopback that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _mosquitto_config(port: int, pki: Path) -> str:
    # Started as root it would change to a user of its own, who may not read the demo's keys.
    user = "user root\n" if os.getuid() == 0 else ""
    return (
        f"{user}listener {port} 127.0.0.1\n"
        f"cafile {pki / 'ca.pem'}\ncertfile {pki / 'server.pem'}\nkeyfile {pki / 'server.key'}\n"
        "require_certificate true\nuse_identity_as_username true\nallow_anonymous false\n"
        "persistence false\nmax_queued_messages 10000\nlog_type warning\nlog_type error\n"
    )


async def _wait_listening(broker: Broker, log: Path) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + START_TIMEOUT_S
    while loop.time() < deadline and broker.process.returncode is None:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", broker.port)
        except OSError:
            await asyncio.sleep(0.05)
            continue
        writer.close()
        return
    await broker.stop()
    raise RuntimeError(f"{broker.name} did not start: {log.read_text(errors='replace')[-500:]}")
