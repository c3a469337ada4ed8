"""What the daemon does not load: memory and time to the first reading are bounded."""

from __future__ import annotations

import subprocess
import sys

NOT_NEEDED = {
    *("http.client", "email.message", "pymodbus", "rich", "typer", "cryptography.x509", "hal.sim"),
    *("argparse", "typing_extensions", "dbus_fast"),
}
DAEMON = "edge_agent.main, edge_agent.agent, edge_agent.control"


def loaded_by(code: str) -> set[str]:
    program = f"{code}\nimport sys\nprint(*sys.modules)"
    output = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout
    return set(output.split())


def test_the_daemon_loads_no_http_no_simulator_and_no_screen() -> None:
    assert not NOT_NEEDED & loaded_by(f"import {DAEMON}")


def test_whoever_needs_http_beside_the_daemon_gets_the_real_one() -> None:
    code = f"import {DAEMON}\nimport urllib.request\nassert urllib.request.urlopen"
    assert "http.client" in loaded_by(code)


def test_a_line_that_is_not_there_costs_no_codec() -> None:
    codecs = ("protocols.sml", "protocols.p1", "protocols.iec62056_21", "edge_agent.pulse_worker")
    loaded = loaded_by(f"import {DAEMON}")
    assert not [name for name in loaded if name.startswith(codecs)]
