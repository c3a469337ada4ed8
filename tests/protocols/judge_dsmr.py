"""Asks dsmr-parser, a P1 library that is none of ours, in the environment that has it.

Reads a JSON list from standard input: [{"telegram": text, or hexadecimal of an encrypted frame, "dialect":
name of its specification, "key": hex or "", "authentication_key": hex or ""}]. Writes for each a list of
[address as sent, [[value as text, its type, unit or null]...]], or {"refused": text}.
Imports nothing of the project.
"""

import json
import logging
import re
import sys
from datetime import datetime
from typing import Any

from dsmr_parser import telegram_specifications
from dsmr_parser.parsers import TelegramParser


def shown(value: dict[str, Any]) -> list[str | None]:
    content = value["value"]
    text = content.isoformat() if isinstance(content, datetime) else str(content)
    return [text, type(content).__name__, value["unit"]]


def judge(task: dict[str, str]) -> Any:
    specification = getattr(telegram_specifications, task["dialect"])
    parser = TelegramParser(specification)
    found = []
    plain = task.get("plain", task["telegram"])
    try:
        parser.parse(task["telegram"], task["key"], task["authentication_key"], throw_ex=True)
        for entry in specification["objects"]:
            for line in re.findall(entry["obis_reference"], plain, re.DOTALL | re.MULTILINE):
                made = entry["value_parser"].parse(line)
                objects = made if isinstance(made, list) else [made]
                found += [[line.split("(")[0], [shown(value) for value in each.values]] for each in objects]
    except Exception as error:
        return {"refused": repr(error)}
    return found


def main() -> None:
    logging.disable(logging.CRITICAL)
    json.dump([judge(task) for task in json.load(sys.stdin)], sys.stdout)


if __name__ == "__main__":
    main()
