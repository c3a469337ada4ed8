"""mosquitto as a real broker: TLS, client certificates required, started, killed and restarted at will.

    with Mosquitto(folder, pki) as broker:
        ... broker.port, broker.url, broker.log() ...
        broker.kill(); broker.start()

Sessions and queued messages survive an orderly `stop`; `kill` is SIGKILL.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

from edge_agent.demo.pki import Identity, Pki

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
START_TIMEOUT_S = 10.0


def free_port() -> int:
    """A TCP port of 127.0.0.1 that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Mosquitto:
    """One broker on one port of 127.0.0.1; `server` replaces the certificate it shows."""

    def __init__(self, folder: Path, pki: Pki, server: Identity | None = None, extra: str = "") -> None:
        self.port = free_port()
        self.url = f"mqtts://127.0.0.1:{self.port}"
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / "mosquitto.log"
        self._configuration = folder / "mosquitto.conf"
        server = server or pki.server
        user = "user root\n" if os.getuid() == 0 else ""  # otherwise it may not read the keys of tests
        self._configuration.write_text(
            f"{user}listener {self.port} 127.0.0.1\ncafile {pki.ca}\ncertfile {server.certificate}\n"
            f"keyfile {server.key}\nrequire_certificate true\nuse_identity_as_username true\n"
            f"allow_anonymous true\npersistence true\npersistence_location {folder}/\n"
            f"log_dest stderr\nlog_type all\n{extra}\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until the port answers."""
        assert MOSQUITTO, "mosquitto is not installed"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([MOSQUITTO, "-c", str(self._configuration)], stderr=log)
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            assert self._process.poll() is None, f"mosquitto ended: {self.log()}"
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1.0):
                return
            time.sleep(0.02)
        raise AssertionError(f"mosquitto did not answer on port {self.port}: {self.log()}")

    def kill(self) -> None:
        """SIGKILL: connections break, nothing is saved."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """SIGTERM: sessions and queues are saved."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=10)
            self._process = None

    def log(self) -> str:
        """All that it logged since the folder was made."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
