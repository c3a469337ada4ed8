"""`edge-agent import-keys`: the keys of many meters from a table (CSV) into the gateway's key file.

Rules:
- All or nothing: each row is judged, all problems are told at once, and the key file changes only when
  there are none. What it holds for other meters stays.
- No problem holds a key, nor what stands where one should.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from config.keys import KEY_RIGHT, Keys, MeterKeys, encode_keys, load_keys, read_key
from config.load import Gateway
from config.model import MeterConfig
from config.problems import FILE_SIZE_BYTES_MAX, ConfigError, Judge, choices, suggestion
from edge_agent.private_file import write_private_file
from edge_agent.serials import same_serial

_HEADERS = {
    "meter": ("meter", "meter id", "id", "zähler", "zaehler", "zähler id", "zaehler id"),
    "serial": (
        *("serial", "serial number", "serial no", "meter number", "seriennummer", "serien nr"),
        *("zählernummer", "zaehlernummer", "zähler nr", "zaehler nr", "gerätenummer", "geraetenummer"),
    ),
    "key": (
        *("key", "encryption key", "ek", "guek", "gek", "schlüssel", "schluessel"),
        *("verschlüsselungsschlüssel", "verschluesselungsschluessel"),
    ),
    "authentication_key": (
        *("authentication key", "auth key", "ak", "gak", "authentifizierungsschlüssel"),
        *("authentifizierungsschluessel", "authentisierungsschlüssel", "authentisierungsschluessel"),
    ),
}
_ROUNDED = re.compile(r"\d[.,]\d*[eE][+]?\d+")  # what a spreadsheet makes of a key in digits only


class Row(NamedTuple):
    """One meter's row; `line` counts from 1, the header's included."""

    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did. `kept`: keys of other meters that were there before."""

    path: Path
    added: int
    replaced: int
    kept: int


def import_keys(table: Path, gateway: Gateway) -> Imported:
    """Merge the table's keys into the gateway's key file; ConfigError with all that is wrong, or OSError.

    `gateway` is one that was loaded without its keys.
    """
    judge = Judge(str(table))
    new = Keys()
    rows = _read_rows(judge, table)
    if rows is not None:
        new = _judge_rows(judge, rows, gateway)
    name = gateway.file.gateway.keys
    if not name:
        right = 'the file to write them to: keys = "meter-keys.toml" under [gateway] of the gateway\'s file'
        judge.say("[gateway] keys", None, right)
    if judge.problems:
        raise ConfigError(judge.problems)
    path = gateway.folder / name
    old = load_keys(path) if path.exists() else Keys()
    merged = {meter: old.of(meter) for meter in old.meters} | {meter: new.of(meter) for meter in new.meters}
    write_private_file(path.resolve(), encode_keys(Keys(merged)).encode(), owner=_owner(path, gateway))
    replaced = len(set(old.meters) & set(new.meters))
    return Imported(path, len(new) - replaced, replaced, len(old) - replaced)


def _owner(path: Path, gateway: Gateway) -> tuple[int, int] | None:
    """Whom root gives the file to: its owner before, else the owner of the agent's state."""
    if os.geteuid() != 0:
        return None
    for known in (path, gateway.state_folder):
        if known.exists():
            found = known.stat()
            return found.st_uid, found.st_gid
    return None


def _read_rows(judge: Judge, table: Path) -> list[Row] | None:
    """The rows under the header; None with the problem noted."""
    try:
        with table.open("rb") as file:
            data = file.read(FILE_SIZE_BYTES_MAX + 1)
    except OSError as error:
        judge.say("file", None, f"a table that can be read; the system says: {error.strerror}")
        return None
    if len(data) > FILE_SIZE_BYTES_MAX or b"\0" in data:
        right = f'a table saved as "CSV UTF-8", of at most {FILE_SIZE_BYTES_MAX} bytes'
        judge.say("file", None, right)
        return None
    lines = _text(data).splitlines()
    separator = ";" if lines and ";" in lines[0] else ","
    numbered = [(number, row) for number, row in _cells(lines, separator) if any(map(str.strip, row))]
    columns = _columns(judge, numbered[0][1] if numbered else [])
    if columns is None:
        return None
    if len(numbered) == 1:
        judge.say("file", None, "a row for each meter below the header")
    return [
        Row(number, {name: row[at].strip() if at < len(row) else "" for name, at in columns.items()})
        for number, row in numbered[1:]
    ]


def _text(data: bytes) -> str:
    """UTF-8 with or without mark, else what a German spreadsheet writes."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _cells(lines: Sequence[str], separator: str) -> Iterator[tuple[int, list[str]]]:
    """Each line by itself: no cell of such a table has a line break, and so line numbers stay right."""
    for number, line in enumerate(lines, 1):
        yield number, next(csv.reader([line], delimiter=separator), [])


def _columns(judge: Judge, header: Sequence[str]) -> dict[str, int] | None:
    """Where each column stands."""
    names = [" ".join(re.sub(r"[_\-.]", " ", name).lower().split()) for name in header]
    found = {
        name: place
        for name, words in _HEADERS.items()
        if (place := next((n for n, text in enumerate(names) if text in words), None)) is not None
    }
    if "key" in found and ("meter" in found or "serial" in found):
        return found
    right = "a header that names the columns: meter or serial, key, and authentication_key where there is one"
    judge.say("line 1", None, f"{right} (Zählernummer;Schlüssel;Authentifizierungsschlüssel)")
    return None


def _judge_rows(judge: Judge, rows: Sequence[Row], gateway: Gateway) -> Keys:
    keys: dict[str, MeterKeys] = {}
    lines: dict[str, int] = {}
    for row in rows:
        meter = _meter_of(judge, row, gateway)
        own = MeterKeys(_key(judge, row, "key"), _key(judge, row, "authentication_key"))
        if meter is None:
            continue
        first = lines.setdefault(meter.id, row.line)
        if first != row.line:
            judge.say(f"line {row.line} meter", meter.id, f"each meter once; line {first} names it, too")
        if gateway.profile_of(meter).encryption == "never":
            right = f"a meter that encrypts; those of profile {meter.profile} do not"
            judge.say(f"line {row.line} meter", meter.id, right)
        keys[meter.id] = own
    return Keys(keys)


def _key(judge: Judge, row: Row, column: str) -> bytes | None:
    text = row.cells.get(column, "")
    where = f"line {row.line} {column}"
    if not text:
        if column == "key":
            judge.say(where, None, KEY_RIGHT)
        return None
    if _ROUNDED.fullmatch(text):
        judge.say(where, None, f"{KEY_RIGHT}; a spreadsheet has rounded it: format that column as text")
        return None
    try:
        return read_key(text)
    except ValueError as error:
        judge.say(where, None, str(error))
        return None


def _meter_of(judge: Judge, row: Row, gateway: Gateway) -> MeterConfig | None:
    """The one meter that a row names, by id, by serial number, or by both alike."""
    name, serial = row.cells.get("meter", ""), row.cells.get("serial", "")
    meters = gateway.file.meters
    if not name and not serial:
        judge.say(f"line {row.line} meter", None, "the meter's id or its serial number")
        return None
    by_name = [meter for meter in meters if meter.id == name]
    if name and not by_name:
        known = [meter.id for meter in meters]
        shown = _shown(name)
        judge.say(
            f"line {row.line} meter",
            shown,
            f"a meter of this gateway: {choices(known)}{suggestion(name, known)}",
        )
        return None
    found = by_name or list(meters)
    if serial:
        found = [meter for meter in found if same_serial(meter.serial, serial)]
    if len(found) == 1:
        return found[0]
    right = "the serial number of a meter of this gateway" if not found else "the meter's id: several have it"
    if name:
        right = f'the serial number of meter "{name}", as the gateway\'s file has it'
    judge.say(f"line {row.line} serial", _shown(serial), right)
    return None


def _shown(text: str) -> str | None:
    """What stands in a cell, unless it may be a key in the wrong column."""
    return None if len(text) >= 2 * 8 and re.fullmatch(r"[0-9A-Fa-f\s:-]+", text) else text
