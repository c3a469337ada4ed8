"""Measures dsmr-parser in the environment that has it (.venv-judge); imports nothing of the project.

Reads a JSON list from standard input: [{"telegram": text, or hexadecimal of an encrypted frame, "dialect":
name of its specification, "key": hex or "", "authentication_key": hex or "", "number": a value that it must
find}]. Writes for each the seconds of one telegram, the best of ROUNDS.
"""

import json
import logging
import sys
import time

from dsmr_parser import telegram_specifications
from dsmr_parser.parsers import TelegramParser

ROUNDS = 15
TELEGRAMS = 30


def seconds_each(task: dict[str, str]) -> float:
    parser = TelegramParser(getattr(telegram_specifications, task["dialect"]))
    arguments = task["telegram"], task["key"], task["authentication_key"]
    found = str(parser.parse(*arguments, throw_ex=True))
    if task["number"] not in found:
        raise SystemExit(f"dsmr-parser did not find {task['number']} in its telegram")
    least_s = float("inf")
    for _ in range(ROUNDS):
        began_s = time.perf_counter()
        for _ in range(TELEGRAMS):
            parser.parse(*arguments, throw_ex=True)
        least_s = min(least_s, (time.perf_counter() - began_s) / TELEGRAMS)
    return least_s


def main() -> None:
    logging.disable(logging.CRITICAL)
    json.dump([seconds_each(task) for task in json.load(sys.stdin)], sys.stdout)


if __name__ == "__main__":
    main()
