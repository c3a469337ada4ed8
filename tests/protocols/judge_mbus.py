"""Asks pyMeterBus, an M-Bus library that is none of ours, in the environment that has it.

Reads a JSON list of frames in hexadecimal from standard input. Writes for each a list of
[function, storage, tariff, subunit, unit, value as text], or {"refused": text}.
Imports nothing of the project.
"""

import json
import sys
from typing import Any

import meterbus


def judge(frame: str) -> Any:
    try:
        telegram = meterbus.load(bytes.fromhex(frame))
        return [shown(record.interpreted) for record in telegram.records]
    except Exception as error:
        return {"refused": repr(error)}


def shown(record: dict[str, Any]) -> list[Any]:
    function = record["function"].removeprefix("FunctionType.").removesuffix("_VALUE").lower()
    unit = record["unit"].removeprefix("MeasureUnit.")
    place = record["storage_number"], record.get("tariff", 0), record.get("device", 0)
    return [function, *place, unit, str(record["value"])]


if __name__ == "__main__":
    json.dump([judge(frame) for frame in json.load(sys.stdin)], sys.stdout)
