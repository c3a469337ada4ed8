"""The keys of meters that encrypt: a file of its own, which only the agent may read.

    [[meter]]
    id = "house-main"                            # of a [[meter]] in gateway.toml
    key = "000102030405060708090A0B0C0D0E0F"     # encryption key, 32 hexadecimal digits
    authentication_key = "..."                   # 32 hexadecimal digits, where the meter has one

Rules:
- No problem, `repr` or error holds a key, nor what stands in the file where a key should.
- A file that others than its owner may read, or replace, is refused: its keys are no secret any more.
- What is judged is the file that was opened, so that a symbolic link is no better than what it points to.
"""

from __future__ import annotations

import json
import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from config.problems import FILE_SIZE_BYTES_MAX, ConfigError, Judge, choices

KEY_BYTES = 16  # AES-128: P1 of Luxembourg and Austria, DLMS security suite 0
KEY_RIGHT = f"{2 * KEY_BYTES} hexadecimal digits, as in the utility's letter"
CREDENTIAL = "meter-keys"
CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"  # systemd.exec(5), Credentials
LOOSE_MODE = 0o077
LOOSE_MODE_OF_CREDENTIAL = 0o027  # systemd lets the service in by an access list, which shows as group read
LOOSE_MODE_OF_FOLDER = 0o022
FIELDS = ("id", "key", "authentication_key")


@dataclass(frozen=True, slots=True, repr=False)
class MeterKeys:
    """A meter's keys, 16 bytes each; None where it has none. Shows no key."""

    key: bytes | None = None
    authentication_key: bytes | None = None

    def __repr__(self) -> str:
        """Which keys there are."""
        given = [name for name in FIELDS[1:] if getattr(self, name) is not None]
        return f"MeterKeys({', '.join(given) or 'none'})"


_NONE = MeterKeys()


class Keys:
    """The keys of a gateway's meters. Shows no key."""

    def __init__(self, by_meter: Mapping[str, MeterKeys] | None = None) -> None:
        self._by_meter = dict(by_meter or {})

    def of(self, meter_id: str) -> MeterKeys:
        """A meter's keys; of one that has none, MeterKeys without any."""
        return self._by_meter.get(meter_id, _NONE)

    @property
    def meters(self) -> tuple[str, ...]:
        """The meters that have keys, in the order of the file."""
        return tuple(self._by_meter)

    def __len__(self) -> int:
        return len(self._by_meter)

    def __repr__(self) -> str:
        """How many keys there are."""
        return f"Keys({len(self)} meters)"


class KeyFile(NamedTuple):
    """Where the keys are. `is_credential`: systemd keeps it."""

    path: Path
    is_credential: bool = False


def find_key_file(folder: Path, name: str, environment: Mapping[str, str]) -> KeyFile | None:
    """The file that `[gateway] keys` names, else the credential `meter-keys` where systemd gave one."""
    if name:
        return KeyFile(folder / name)
    given = environment.get(CREDENTIALS_VARIABLE, "")
    credential = Path(given, CREDENTIAL)
    return KeyFile(credential, is_credential=True) if given and credential.exists() else None


def load_keys(path: Path, *, is_credential: bool = False) -> Keys:
    """The keys in a file; ConfigError with all that is wrong with it."""
    judge = Judge(str(path))
    data = _read(judge, path, LOOSE_MODE_OF_CREDENTIAL if is_credential else LOOSE_MODE)
    keys = _keys(judge, data) if data is not None else Keys()
    if judge.problems:
        raise ConfigError(judge.problems)
    return keys


def read_key(text: str) -> bytes:
    """A key from its digits, which may stand in groups. ValueError, without the digits in it."""
    digits = "".join(text.replace(":", " ").replace("-", " ").split())
    if len(digits) != 2 * KEY_BYTES:
        raise ValueError(f"{KEY_RIGHT}; here are {len(digits)} characters")
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise ValueError(f"{KEY_RIGHT}; here are characters other than 0-9 and A-F") from None


def encode_keys(keys: Keys) -> str:
    """The text of a key file."""
    tables = ["# Keys of meters: a secret. See docs/configuration.md, Keys of meters.\n"]
    for meter in keys.meters:
        own = keys.of(meter)
        lines = ["[[meter]]", f"id = {json.dumps(meter, ensure_ascii=False)}"]
        lines += [f'{name} = "{k.hex()}"' for name in FIELDS[1:] if (k := getattr(own, name)) is not None]
        tables.append("\n".join([*lines, ""]))
    return "\n".join(tables)


def _read(judge: Judge, path: Path, loose_mode: int) -> dict[str, Any] | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        right = f"a file that this user can read; the system says: {error.strerror}"
        judge.say("file", None, right)
        return None
    with os.fdopen(descriptor, "rb") as file:
        if not _is_private(judge, path, os.fstat(descriptor), loose_mode):
            return None
        data = file.read(FILE_SIZE_BYTES_MAX + 1)
    if len(data) > FILE_SIZE_BYTES_MAX:
        judge.say("file", None, f"a TOML file of at most {FILE_SIZE_BYTES_MAX} bytes")
        return None
    try:
        return tomllib.loads(data.decode())
    except ValueError as error:  # of both: what it says of a character may be one of a key
        judge.say(_line_of(error), None, "valid TOML in UTF-8")
        return None


def _is_private(judge: Judge, path: Path, found: os.stat_result, loose_mode: int) -> bool:
    real = path.resolve()
    trusted = (os.geteuid(), 0)
    if not stat.S_ISREG(found.st_mode):
        judge.say("file", None, f"a plain file; {real} is none")
    elif found.st_uid not in trusted:
        judge.say("file", None, f"owned by the user that runs the agent: chown that user {real}")
    elif found.st_mode & loose_mode:
        mode = stat.S_IMODE(found.st_mode)
        judge.say("file", None, f"only its owner may read it, now its mode is {mode:03o}: chmod 600 {real}")
    for folder in dict.fromkeys((path.absolute().parent, real.parent)):
        holder = folder.stat()
        if holder.st_uid not in trusted or holder.st_mode & LOOSE_MODE_OF_FOLDER:
            right = f"in a folder that no other user may change: chmod go-w {folder}"
            judge.say("file", None, f"{right} (its owner: root or the user that runs the agent)")
    return not judge.problems


def _line_of(error: ValueError) -> str:
    """The place that tomllib names only in its text."""
    _, _, place = str(error).rpartition("(at line ")
    number, _, _ = place.partition(",")
    return f"line {number}" if number.isdecimal() else "file"


def _keys(judge: Judge, data: dict[str, Any]) -> Keys:
    entries = data.pop("meter", [])
    if data or not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        judge.say("file", None, f"nothing but tables [[meter]] with {choices(FIELDS)}")
        return Keys()
    found: dict[str, MeterKeys] = {}
    for number, entry in enumerate(entries, 1):
        meter = entry.get("id")
        named = isinstance(meter, str) and meter and not _is_key(meter)
        where = f'[[meter]] "{meter}"' if named else f"[[meter]] number {number}"
        if not named:
            judge.say(f"{where} id", None, 'a meter of the gateway\'s file, as id = "house-main"')
        elif meter in found:
            judge.say(f"{where} id", None, f"each meter once; number {number} names it again")
        if set(entry) - set(FIELDS):
            judge.say(f"{where} keys", None, f"only {choices(FIELDS)}; something else stands there")
        found[str(meter)] = _meter_keys(judge, where, entry)
    return Keys(found)


def _meter_keys(judge: Judge, where: str, entry: dict[str, Any]) -> MeterKeys:
    values: dict[str, bytes] = {}
    for name in FIELDS[1:]:
        text = entry.get(name)
        if text is None and name != "key":
            continue
        try:
            values[name] = read_key(text if isinstance(text, str) else "")
        except ValueError as error:
            judge.say(f"{where} {name}", None, str(error))
    return MeterKeys(**values)


def _is_key(text: str) -> bool:
    """Whether a key stands where an id should."""
    try:
        return bool(read_key(text))
    except ValueError:
        return False
