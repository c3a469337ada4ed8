"""Where in a TOML file a key path stands: the line that a person must look at.

tomllib tells no places of values. The lines are searched instead, as people write such files: a table's head
on a line of its own, a key at the beginning of a line. What is written otherwise (a table within one line)
is found by what surrounds it. Only a file with problems is ever searched.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from config.problems import names_of

_HEAD = re.compile(r"\s*(\[{1,2})\s*([^\[\]]+?)\s*\]{1,2}\s*(?:#.*)?")
_LIST_ENTRY = re.compile(r"\[\[(\w+)\]\] (.+)")
_TABLE = re.compile(r"\[([^\[\]]+)\] ?(.*)")
_LONG_QUOTES = ('"""', "'''")


def find_line(text: str, data: Mapping[str, Any], key: str) -> int:
    """The line, from 1, of a key path as the reports write it: `[[point]] "voltage_l1" unit`.

    Of a key that is missing, the line of its table; 0 for what stands nowhere. `data`: the parsed text.
    """
    lines = _outside_of_long_texts(text)
    first, last, rest = _table(lines, data, key)
    for name in rest.replace("[", "").replace("]", "").split():
        pattern = re.compile(rf'\s*"?{re.escape(name)}"?\s*[=.]')
        found = next((number for number in range(first, last) if pattern.match(lines[number])), None)
        if found is not None:
            return found + 1
    return first


def _table(lines: list[str], data: Mapping[str, Any], key: str) -> tuple[int, int, str]:
    """The lines of the table that a key path begins with, and the path within it."""
    heads = [(number, match) for number, line in enumerate(lines) if (match := _HEAD.fullmatch(line))]
    starts = [number for number, _ in heads]
    wanted, rest = None, key
    if entry := _LIST_ENTRY.match(key):
        place, rest = _place_in_list(data.get(entry[1]), entry[2])
        same = [number for number, head in heads if (head[1], head[2]) == ("[[", entry[1])]
        wanted = same[place] if 0 <= place < len(same) else None
        rest = rest if wanted is not None else entry[1]
    elif table := _TABLE.match(key):
        rest = table[2]
        wanted = next((number for number, head in heads if (head[1], head[2]) == ("[", table[1])), None)
        rest = rest if wanted is not None else table[1].replace(".", " ")
    if wanted is None:
        return 0, starts[0] if starts else len(lines), rest
    return wanted + 1, next((start for start in starts if start > wanted), len(lines)), rest


def _place_in_list(entries: object, path: str) -> tuple[int, str]:
    """Which of many tables a path names, and the path within it."""
    names = names_of(entries) if isinstance(entries, list) else []
    fitting = [(len(name), place) for place, name in enumerate(names) if f"{path} ".startswith(f"{name} ")]
    length, place = max(fitting, default=(0, -1))
    return place, path[length:]


def _outside_of_long_texts(text: str) -> list[str]:
    """The lines, with nothing in place of those that belong to a text over several lines."""
    lines: list[str] = []
    inside = ""
    for line in text.splitlines():
        lines.append("" if inside else line)
        for quotes in _LONG_QUOTES:
            if inside in ("", quotes) and line.count(quotes) % 2:
                inside = "" if inside else quotes
    return lines
