"""What a large configuration costs at the start: 50 meters of 10 models, judged and laid out for reading."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

from bench.__main__ import Figure

RUNS = 5
MODELS = (
    *("eastron-sdm630", "eastron-sdm120", "abb-b23", "siemens-pac2200", "schneider-iem3155"),
    *("janitza-umg96rm", "carlo-gavazzi-em340", "inepro-pro380", "orno-or-we-516", "lovato-dmg610"),
)
HEAD = """
[gateway]
id = "bench"
[uplink]
url = "mqtt://127.0.0.1:1883"
ca = ""
certificate = ""
key = ""
backend_key = "backend.pub"
"""
LINE = '[[line]]\nid = "{0}"\nurl = "tcp://{0}.local:502"\nprotocol = "modbus-tcp"\n'
METER = '[[meter]]\nid = "{line}-{address}"\nline = "{line}"\nprofile = "{profile}"\naddress = {address}\n'

# In a process of its own, as at the agent's start: nothing is cached, and only the calls are timed.
PROGRAM = """
import json, pathlib, sys, time
from config.load import load_gateway
from edge_agent.readers import series_table
def rss_kib():
    return next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmRSS"))
before_kib, began_s = rss_kib(), time.perf_counter()
gateway = load_gateway(pathlib.Path(sys.argv[1]))
loaded_s = time.perf_counter()
table = series_table(gateway)
print(json.dumps([loaded_s - began_s, time.perf_counter() - loaded_s, rss_kib() - before_kib,
    len(gateway.profiles), sum(len(meter.series) for meter in table)]))
"""


def run(folder: Path) -> list[Figure]:
    """Time and memory of loading such a gateway, medians of some starts."""
    path = write_gateway(folder)
    rows = [json.loads(_start(path)) for _ in range(RUNS)]
    load_s, table_s, rss_kib, profiles, series = (
        statistics.median(column) for column in zip(*rows, strict=True)
    )
    about = f"{len(MODELS) * 5} meters, {profiles:.0f} profiles, {series:.0f} series; goal 200 ms"
    return [
        Figure("configuration read and judged", f"{1e3 * load_s:.0f} ms", about),
        Figure("its series laid out", f"{1e3 * table_s:.0f} ms"),
        Figure("memory of both", f"{rss_kib / 1024:.1f} MB"),
    ]


def write_gateway(folder: Path) -> Path:
    """A gateway's file with five lines of ten meters, one of each model."""
    (folder / "backend.pub").write_text("-----BEGIN PUBLIC KEY-----\n")
    text = HEAD
    for number in range(5):
        line = f"line-{number}"
        text += LINE.format(line)
        text += "".join(
            METER.format(line=line, profile=model, address=address) for address, model in enumerate(MODELS, 1)
        )
    path = folder / "gateway.toml"
    path.write_text(text)
    return path


def _start(path: Path) -> str:
    program = [sys.executable, "-c", PROGRAM, str(path)]
    return subprocess.run(program, check=True, capture_output=True, text=True).stdout
