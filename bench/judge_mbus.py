"""Measures pyMeterBus in the environment that has it (.venv-judge); imports nothing of the project.

Reads a JSON list from standard input: [{"frame": hexadecimal, "records": how many it must find}]. Writes for
each the seconds of one frame with all its values, the best of ROUNDS.
"""

import json
import sys
import time
from typing import Any

import meterbus

ROUNDS = 15
FRAMES = 30


def decode(frame: bytes) -> list[dict[str, Any]]:
    return [record.interpreted for record in meterbus.load(frame).records]


def seconds_each(task: dict[str, Any]) -> float:
    frame = bytes.fromhex(task["frame"])
    found = decode(frame)
    if len(found) != task["records"]:
        raise SystemExit(f"pyMeterBus found {len(found)} records of {task['records']}")
    least_s = float("inf")
    for _ in range(ROUNDS):
        began_s = time.perf_counter()
        for _ in range(FRAMES):
            decode(frame)
        least_s = min(least_s, (time.perf_counter() - began_s) / FRAMES)
    return least_s


def main() -> None:
    json.dump([seconds_each(task) for task in json.load(sys.stdin)], sys.stdout)


if __name__ == "__main__":
    main()
