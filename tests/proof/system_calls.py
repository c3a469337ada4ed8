"""System calls of a real run, and the disk as it may look after the power went at any of them.

The model of a disk: what was written to a file counts only after that file's fsync or fdatasync, a name only
after the folder's fsync; before that, each single write may have reached the disk, or not, or in part, in
any order; changes of names reach it in their order. This is what POSIX promises and no more; ext4 is kinder.
"""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

Loss = Literal["drop", "keep", "torn", "some"]
"""Of what was not synced: nothing is left, all is, all but a part of the last write, or a random part."""

CALLS = (
    "openat,write,pwrite64,writev,pwritev,ftruncate,fdatasync,fsync,rename,renameat,renameat2,unlink,unlinkat"
)
ROOT = Path(__file__).parents[2]
SECTOR_BYTES = 512
_KINDS = {"fdatasync": "fsync", "renameat": "rename", "renameat2": "rename", "unlinkat": "unlink"} | {
    name: name for name in ("openat", "write", "pwrite64", "ftruncate", "fsync", "rename", "unlink")
}
"""What the model knows; another call on the folder is a KeyError, not a silent hole in the proof."""
_LINE = re.compile(r"^\d+ +(\w+)\((.*)\) += (-?\d+)")


class Call(NamedTuple):
    """One call that succeeded: `path` (and `other`, a rename's target) in the folder, or "" for standard
    output; `offset` is None for an append."""

    name: str
    path: str
    other: str = ""
    data: bytes = b""
    offset: int | None = None
    flags: str = ""


def strace(folder: Path, trace: Path, *inject: str) -> subprocess.CompletedProcess[bytes]:
    """Run the story in `folder` under strace; the calls go to `trace`."""
    command = ["strace", "-f", "-y", "-xx", "-s", "1000000", "-o", str(trace), "-e", f"trace={CALLS}"]
    for each in inject:
        command += ["-e", f"inject={each}"]
    command += [sys.executable, "-m", "tests.proof.buffer_story", str(folder)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=120)


def read_calls(trace: Path, folder: Path) -> list[Call]:
    """The calls that changed the folder, and what was told, in the order of their ends."""
    begun: dict[str, str] = {}
    calls = []
    for line in trace.read_text().splitlines():
        thread, _, rest = line.partition(" ")
        if rest.endswith("<unfinished ...>"):
            begun[thread] = rest.removesuffix("<unfinished ...>").rstrip()
            continue
        if "resumed>" in rest:
            rest = begun.pop(thread) + rest.partition("resumed>")[2]
        call = _read_call(f"{thread} {rest.strip()}", folder)
        if call is not None:
            calls.append(call)
    return calls


def _read_call(line: str, folder: Path) -> Call | None:
    matched = _LINE.match(line)
    if matched is None or int(matched[3]) < 0:
        return None
    name, arguments, result = matched[1], matched[2], int(matched[3])
    texts = [_unhex(text) for text in re.findall(r'"((?:\\x[0-9a-f]{2})*)"', arguments)]
    handle = re.match(r"(\d+)<([^>]*)>", arguments)
    if name == "writev" and handle and handle[1] == "1":
        return Call("told", "", data=texts[0])
    path = _unhex(handle[2]) if handle else texts[0]
    if name.startswith(("openat", "rename", "unlink")):
        path = texts[0]
    own = _within(folder, path)
    if own is None or (name == "openat" and "O_CREAT" not in arguments):
        return None
    other = _within(folder, texts[1]) if name.startswith("rename") else ""
    data = texts[0][:result] if name in ("write", "pwrite64") else b""
    offset = int(arguments.rpartition(",")[2]) if name in ("pwrite64", "ftruncate") else None
    return Call(_KINDS[name], own, other or "", data, offset, arguments if name == "openat" else "")


def _within(folder: Path, path: bytes) -> str | None:
    """The name in the folder, "" for the folder itself, None for what lies elsewhere."""
    text = path.decode()
    return text.removeprefix(str(folder)).lstrip("/") if text.startswith(str(folder)) else None


def _unhex(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


@dataclass(slots=True)
class _File:
    durable: bytearray = field(default_factory=bytearray)
    current: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)  # None: truncated to the place

    def change(self, place: int, data: bytes | None) -> None:
        self.pending.append((place, data))
        _apply(self.current, place, data)

    def sync(self) -> None:
        self.durable, self.pending = bytearray(self.current), []

    def after_cut(self, loss: Loss, chance: random.Random) -> bytes:
        content = bytearray(self.durable)
        for number, (place, data) in enumerate(self.pending):
            last = number == len(self.pending) - 1
            if loss == "drop" or (loss == "some" and chance.random() < 0.5):
                continue
            if loss == "torn" and last and data is not None:
                data = data[: chance.randrange(0, len(data) + 1)]  # noqa: PLW2901
            elif loss == "some" and data is not None and chance.random() < 0.3:
                data = data[: chance.randrange(0, len(data) // SECTOR_BYTES + 1) * SECTOR_BYTES]  # noqa: PLW2901
            _apply(content, place, data)
        return bytes(content)


def _apply(content: bytearray, place: int, data: bytes | None) -> None:
    if data is None:
        del content[place:]
        content.extend(bytes(place - len(content)))
        return
    content.extend(bytes(max(0, place - len(content))))
    content[place : place + len(data)] = data


class Disk:
    """A folder, call by call."""

    def __init__(self) -> None:
        self._names: dict[str, _File] = {}
        self._durable: dict[str, _File] = {}
        self._pending: list[dict[str, _File]] = []  # the folder after each change that is not durable

    def apply(self, call: Call) -> None:
        if call.name == "openat":
            self._open(call)
        elif call.name == "fsync" and call.path == "":
            self._durable, self._pending = dict(self._names), []
        elif call.name == "rename":
            self._names[call.other] = self._names.pop(call.path)
            self._pending.append(dict(self._names))
        elif call.name == "unlink":
            self._names.pop(call.path, None)
            self._pending.append(dict(self._names))
        else:
            self._change_file(self._names[call.path], call)

    def _open(self, call: Call) -> None:
        file = self._names.get(call.path)
        if file is None:
            self._names[call.path] = _File()
            self._pending.append(dict(self._names))
        elif "O_TRUNC" in call.flags:
            file.change(0, None)

    def _change_file(self, file: _File, call: Call) -> None:
        if call.name == "fsync":
            file.sync()
        elif call.name == "ftruncate":
            file.change(call.offset or 0, None)
        else:
            place = len(file.current) if call.offset is None else call.offset
            file.change(place, call.data)

    def write_after_cut(self, folder: Path, loss: Loss, chance: random.Random) -> None:
        """Lay out the folder as it may be found after the power went now."""
        names = {"drop": self._durable, "keep": self._names, "torn": self._names}.get(loss)
        if names is None:
            names = chance.choice([self._durable, *self._pending])
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        for name, file in names.items():
            (folder / name).write_bytes(file.after_cut(loss, chance))


def cuts(calls: Sequence[Call]) -> Iterator[tuple[int, Disk]]:
    """The disk before the first call, and after each call that changed it."""
    disk = Disk()
    yield 0, disk
    for number, call in enumerate(calls, 1):
        if call.name != "told":
            disk.apply(call)
            yield number, disk
