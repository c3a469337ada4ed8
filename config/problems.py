"""Problems of a configuration, and the reading of TOML tables into frozen structs, all problems at once.

msgspec stops at the first thing it dislikes; a technician wants all of them in one run. So tables are
walked here field by field, and msgspec judges the single values. Where a value is wrong, a harmless one
stands in for it so that all further checks still run; nobody uses a struct while there are problems.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar, get_args, get_origin

import msgspec

FILE_SIZE_BYTES_MAX = 1024 * 1024
VALUE_SHOWN_MAX = 80
CHOICES_SHOWN_MAX = 12

T = TypeVar("T", bound=msgspec.Struct)


class Problem(NamedTuple):
    """One thing that is wrong: in which file, at which key, what stands there, and what would be right.

    `value` is empty where something is missing; `line` is 0 where the place has none.
    """

    file: str
    key: str
    value: str
    expected: str
    line: int = 0


class ConfigError(Exception):
    """A configuration that cannot be used; `problems` holds all that is wrong with it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(format_problems(problems))
        self.problems = list(problems)


def format_problems(problems: Sequence[Problem], outcome: str = "nothing was started") -> str:
    """The problems as text for a person, grouped by file, numbered through."""
    lines: list[str] = []
    files = list(dict.fromkeys(problem.file for problem in problems))
    number = 0
    for file in files:
        lines += [*([""] if lines else []), f"{file}:"]
        for problem in (p for p in problems if p.file == file):
            number += 1
            place = f"line {problem.line}: " if problem.line else ""
            value = f" = {problem.value}" if problem.value else ""
            lines.append(f"{number:4}. {place}{problem.key}{value}")
            lines.append(f"      right: {problem.expected}")
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return "\n".join([*lines, "", f"{count}; {outcome}."])


def suggestion(word: str, known: Iterable[str]) -> str:
    """`; did you mean "voltage_l1"?`, or nothing where no known word is near."""
    from difflib import get_close_matches  # a good configuration needs none

    near = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f'; did you mean "{near[0]}"?' if near else ""


def choices(known: Iterable[str]) -> str:
    """The known words, listed; shortened where there are many."""
    words = list(known)
    shown = ", ".join(f'"{word}"' for word in words[:CHOICES_SHOWN_MAX])
    return shown if len(words) <= CHOICES_SHOWN_MAX else f"{shown}, ... ({len(words)} in all)"


def show(value: object) -> str:
    """A value as it would stand in the file, shortened, without a password."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text = '"' + re.sub(r"//[^/@]*@", "//***@", value) + '"'
    elif isinstance(value, Mapping):
        text = "a table"
    else:
        text = str(value)
    return text if len(text) <= VALUE_SHOWN_MAX else text[: VALUE_SHOWN_MAX - 3] + "..."


class Judge:
    """Collects the problems of one file.

    A place that is already known to be wrong is not judged again, nor is anything inside of it: so
    every check can run over the whole file, and each mistake is told once.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self._text = ""
        self._data: dict[str, Any] = {}

    def say(self, key: str, value: object, expected: str) -> None:
        """Note a problem; `value` None: nothing stands there."""
        if not self.is_bad(key):
            shown = "" if value is None else show(value)
            self.problems.append(Problem(self.file, key, shown, expected, self.line_of(key)))

    def line_of(self, key: str) -> int:
        """The line of a key in the file that was read, 0 where there is none."""
        from config.places import find_line  # a good configuration needs none

        return find_line(self._text, self._data, key) if self._data else 0

    def is_bad(self, key: str) -> bool:
        """Whether this place, or one around it, is already known to be wrong."""
        return any(key == bad.key or key.startswith(bad.key + " ") for bad in self.problems)

    def read_toml(self, path: Path) -> dict[str, Any] | None:
        """The parsed file, or None with the problem noted."""
        text = ""
        try:
            if path.stat().st_size > FILE_SIZE_BYTES_MAX:
                self.say("file", None, f"a TOML file of at most {FILE_SIZE_BYTES_MAX} bytes")
                return None
            text = path.read_bytes().decode()
            self._data = tomllib.loads(text)
        except OSError as error:
            self.say("file", None, f"a file that can be read; the system says: {error.strerror}")
        except UnicodeDecodeError as error:
            self.say(f"byte {error.start}", None, "text in UTF-8; save the file in that encoding")
        except tomllib.TOMLDecodeError as error:
            self._say_syntax(text, str(error))
        else:
            self._text = text
            return self._data
        return None

    def _say_syntax(self, text: str, error: str) -> None:
        """tomllib names the place only in its text."""
        match = re.search(r"\(at line (\d+), column (\d+)\)", error)
        lines = text.splitlines() or [""]
        line, column = (int(match[1]), int(match[2])) if match else (len(lines), len(lines[-1]) + 1)
        what = re.sub(r"\s*\(at .*\)$", "", error)
        said = lines[line - 1].strip() if line <= len(lines) else ""
        self.say(f"line {line}, column {column}", said or None, f"valid TOML; here: {what}")

    def table(self, kind: type[T], data: object, where: str = "") -> T:
        """A struct from a table at `where`; a harmless value stands in for each that is wrong."""
        if not isinstance(data, dict):
            self.say(where or "file", data, "a table of keys and values")
            stand_in: T = _stand_in(kind)
            return stand_in
        fields = _fields(kind)
        for key in data:
            if key not in fields:
                near = suggestion(key, [name for name in fields if name not in data])
                right = near or f"; known here: {choices(fields)}"
                self.say(join(where, key), data[key], f"no such key{right}")
        values: dict[str, Any] = {}
        for name, field in fields.items():
            if name in data:
                values[field.name] = self._value(field.type, data[name], where, name)
            elif field.required:
                self.say(
                    _place(field.type, where, name), None, f"required and missing: {_meaning(field.type)}"
                )
                values[field.name] = _stand_in(field.type)
        return kind(**values)

    def _value(self, kind: Any, value: Any, where: str, key: str) -> Any:
        """One value of a table: a struct, many structs, or a plain value."""
        item = _struct_of(kind)
        if item is None:
            return self._plain(kind, value, join(where, key))
        origin = get_origin(kind)
        if origin is dict and isinstance(value, dict):
            return {k: self.table(item, v, join(where, f"[{key}.{k}]")) for k, v in value.items()}
        if origin is tuple and isinstance(value, list):
            names = names_of(value)
            return tuple(
                self.table(item, entry, join(where, f"[[{key}]] {name}"))
                for entry, name in zip(value, names, strict=True)
            )
        if origin in (dict, tuple):
            right = f"one [[{key}]] for each" if origin is tuple else f"tables written [{key}.NAME]"
            self.say(join(where, key), value, right)
            return _stand_in(kind)
        return self.table(item, value, join(where, f"[{key}]"))

    def _plain(self, kind: Any, value: Any, key: str) -> Any:
        if isinstance(value, dt.datetime) and kind is str:
            value = value.isoformat()  # TOML has dates of its own; both ways of writing one are right
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError:
            near = suggestion(value, _words(kind)) if isinstance(value, str) else ""
            self.say(key, value, _meaning(kind) + near)
            return _stand_in(kind)


def join(where: str, key: str) -> str:
    """A key path: `[[meter]] "house-main" interval_s`."""
    return f"{where} {key}".strip()


def names_of(entries: Sequence[object]) -> list[str]:
    """How a person finds each of many tables: by its id or quantity, else by its place (from 1)."""
    names: dict[str, None] = {}
    for number, entry in enumerate(entries, 1):
        name = entry.get("id", entry.get("quantity")) if isinstance(entry, dict) else None
        text = f'"{name}"' if isinstance(name, str) and name else f"number {number}"
        names[f"{text} (number {number})" if text in names else text] = None
    return list(names)


def _place(kind: Any, where: str, key: str) -> str:
    """The key path of a field, in brackets where it is a table."""
    return join(where, f"[{key}]" if _struct_of(kind) else key)


@functools.cache
def _fields(kind: type) -> dict[str, msgspec.structs.FieldInfo]:
    """A struct's fields by the keys that stand for them. Kept: msgspec reads annotations anew each time."""
    return {field.encode_name: field for field in msgspec.structs.fields(kind)}


def _stand_in(kind: Any) -> Any:
    """A value of the type, to go on with where the file's own is wrong. Never used for more."""
    if (words := _words(kind)) and get_origin(kind) is not tuple:
        return words[0]
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        fields = msgspec.structs.fields(kind)
        return kind(**{field.name: _stand_in(field.type) for field in fields if field.required})
    if type(None) in get_args(kind):
        return None
    if get_origin(kind) is tuple:
        return (1, 1) if get_args(kind) == (int, int) else ()
    return {} if get_origin(kind) is dict else kind()


def _struct_of(kind: Any) -> type[msgspec.Struct] | None:
    """The struct within `Struct`, `Struct | None`, `tuple[Struct, ...]` or `dict[str, Struct]`."""
    for candidate in (kind, *get_args(kind)):
        if isinstance(candidate, type) and issubclass(candidate, msgspec.Struct):
            return candidate
    return None


def _words(kind: Any) -> list[str]:
    """The words that a Literal allows, also within `Literal | None`."""
    if get_origin(kind) is Literal:
        return [str(word) for word in get_args(kind)]
    return [word for part in get_args(kind) for word in _words(part)]


def _meaning(kind: Any) -> str:
    """What a value of this type looks like, in words."""
    if words := _words(kind):
        return ("a list of " if get_origin(kind) is tuple else "one of ") + choices(words)
    if _struct_of(kind):
        return "a table"
    parts = [part for part in get_args(kind) if part is not type(None)]
    if get_origin(kind) is tuple:
        return 'a list of texts, as ["a", "b"]' if str in parts else "two whole numbers, as [100, 5]"
    plain = {bool: "true or false", int: "a whole number", float: "a number", str: 'text in "quotes"'}
    return plain.get(parts[0] if parts else kind, str(kind))
