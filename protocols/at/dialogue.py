"""The dialogue on one AT port: commands out, answers and unsolicited lines in (V.250, TS 27.007). No port,
no clock.

    send("AT+CSQ")        -> bytes to be written
    receive_data(bytes)   -> [Answer(command, lines, result), Urc(...), ...]
    abandon()             after a timeout; then resync() -> bytes, until Synchronised comes

Rules:
- One command at a time. A line belongs to the command under way when it bears its prefix, or no prefix at
  all;
  every other line with a prefix is unsolicited (a URC), so that one in the middle of an answer is told apart.
- Never a wrong answer: after `abandon` the late result of the old command could end the next one, so
  nothing is
  sent before an answer that only `resync` asks for has come. Damaged lines are errors, not repaired lines.
- Echo is dropped whether it is on, off, cut short or glued to the answer.
- Everything has a bound: the line, the lines of an answer and their bytes. The clock is the caller's:
  TIMEOUTS_S.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from protocols.at.results import NUMERIC, OF_A_CALL, FinalResult, ResultKind, decode_result
from protocols.errors import ProtocolError

COMMAND_CHARACTERS_MAX = 556  # what the narrowest of the supported makers takes in one line
LINE_BYTES_MAX = 4096  # the list of all networks in range is the longest
ANSWER_LINES_MAX = 256
ANSWER_BYTES_MAX = 32_768
SYNC_COMMAND: Final = "AT+CMEE?"  # asks for one line of its own, and every modem knows it
TIMEOUT_DEFAULT_S: Final = 1.0
TIMEOUTS_S: Final = {
    "+CFUN": 180.0,  # includes detaching; makers' own drivers wait so long
    "+COPS": 180.0,
    "+CGATT": 140.0,
    "+CGACT": 150.0,
    "+CPIN": 5.0,
    "D": 75.0,
    "+CGDATA": 75.0,
    "H": 90.0,
}
LATE_LINES_S: Final = 0.5  # for commands whose data comes behind their OK

_NAME: Final = re.compile(r"AT([+#!^*$%&\\]?[A-Z0-9]+)", re.IGNORECASE)
_EXTENDED: Final = re.compile(r"[+#!^*$%][A-Z][A-Z0-9_]*(?=:)")
_DIALS: Final = re.compile(r"AT(?:D|O|A\Z|\+CGDATA)", re.IGNORECASE)
_BREAK: Final = re.compile(rb"[\r\n]")
_NOISE: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ufffd]")
_EDGE: Final = bytes(range(32)) + bytes(range(127, 256))  # what power-up and baud changes leave before a line
REGISTRATION: Final = frozenset({"+CREG", "+CGREG", "+CEREG", "+C5GREG"})
# The answer to the command on the left may also come under these names.
_ALSO: Final = {
    "I": {"+GCAP"},
    "+CCID": {"+ICCID", "+QCCID"},
    "+ICCID": {"+CCID"},
    "+CICCID": {"+ICCID"},
    "#CCID": {"+CCID"},
    "#TEMPMON": {"#TEMPMEAS"},
    "^ICCID": {"+ICCID"},
    "+SIMCOMATI": {"+GCAP"},
}
# Unsolicited lines that have no prefix.
URC_TEXTS: Final = frozenset(
    {
        "RING", "RDY", "APP RDY", "START", "SMS READY", "CALL READY", "SMS DONE", "PB DONE", "POWERED DOWN",
        "NORMAL POWER DOWN", "SYSSTART", "VOICE CALL: END",
    }
)  # fmt: skip


class Answer(NamedTuple):
    """A command and all it brought; `lines` without echo and without the final result."""

    command: str
    lines: tuple[str, ...]
    result: FinalResult


class Urc(NamedTuple):
    """A line that nobody asked for."""

    text: str


class LateLine(NamedTuple):
    """A line of `command` that came behind its final result (EM12-G's +QTEMP); only where it was
    announced.
    """

    command: str
    text: str


class Prompt(NamedTuple):
    """`> `: the modem waits for text, which Ctrl-Z ends and escape gives up."""


class DataBytes(NamedTuple):
    """Bytes of the data connection, from CONNECT until `leave_data`."""

    data: bytes


class Synchronised(NamedTuple):
    """What `resync` waited for: the next command's answer will be its own."""


AtEvent = Answer | Urc | LateLine | Prompt | DataBytes | Synchronised


class State(enum.Enum):
    """What the dialogue waits for."""

    IDLE = "idle"
    COMMAND = "command"
    STALE = "stale"  # a command was abandoned: resync
    SYNC = "sync"
    DATA = "data"


def encode_command(command: str) -> bytes:
    """`command` with its end. ValueError for what would be two commands, or none, or too long for a modem."""
    if not re.fullmatch(r"[Aa][Tt][ -~]*", command):
        raise ValueError(f"an AT command is AT and printable ASCII, without line ends: {command[:40]!r}")
    if len(command) > COMMAND_CHARACTERS_MAX:
        raise ValueError(f"{len(command)} characters; a modem takes at most {COMMAND_CHARACTERS_MAX}")
    return command.encode("ascii") + b"\r"


def quote(text: str) -> str:
    """`text` as a string parameter. ValueError for what a parameter cannot hold: quotes, controls, not
    ASCII.
    """
    if not re.fullmatch(r"[ !#-~]*", text):
        raise ValueError(f"not allowed in a parameter of an AT command: {text[:40]!r}")
    return f'"{text}"'


def command_name(command: str) -> str:
    """`+CREG` of `AT+CREG?`, `D` of `ATD*99#`, empty of `AT`."""
    found = _NAME.match(command)
    if not found:
        return ""
    name = found[1].upper()
    return name if name[0] in "+#!^*$%&\\" else name[0]


def timeout_s(command: str) -> float:
    """How long to wait for the final result of `command`."""
    return TIMEOUTS_S.get(command_name(command), TIMEOUT_DEFAULT_S)


def is_registration_query(text: str) -> bool:
    """Whether +CREG: n,stat... was asked for: its second field is a state; a URC's is an area, or nothing."""
    fields = text.partition(":")[2].split(",")
    return len(fields) > 1 and bool(re.fullmatch(r"\s*[0-9]{1,2}\s*", fields[1]))


class AtDialogue:
    """See the module. `numeric`: the modem is set to V0, results are digits."""

    def __init__(self, *, numeric: bool = False) -> None:
        self.numeric = numeric
        self.state = State.IDLE
        self.command = ""
        self._buffer = bytearray()
        self._skipping = False
        self._lines: list[str] = []
        self._lines_bytes = 0
        self._overflown = False
        self._late_of = ""
        self._is_answered = False

    def send(self, command: str, *, late_lines: bool = False) -> bytes:
        """Begin `command`; what to write. `late_lines`: its data may come behind its final result.

        ValueError for a command that is none, or while another is under way, stale, or data mode.
        """
        data = encode_command(command)
        if self.state is not State.IDLE:
            raise ValueError(f"{command} cannot be sent in state {self.state.value} ({self.command})")
        self._begin(command, State.COMMAND)
        self._late_of = command if late_lines else ""
        return data

    def abandon(self) -> None:
        """The command under way got no answer in time; its answer may still come, and will be dropped."""
        if self.state in (State.COMMAND, State.SYNC):
            self.state = State.STALE
            self._late_of = ""

    def resync(self) -> bytes:
        """Ask for something that no abandoned command answers; also the first thing to send on a fresh
        port.
        """
        if self.state in (State.COMMAND, State.DATA):
            raise ValueError(f"nothing to resynchronise in state {self.state.value}")
        self._begin(SYNC_COMMAND, State.SYNC)
        return encode_command(SYNC_COMMAND)

    def leave_data(self) -> None:
        """The caller has left data mode, by +++ or DTR; what the modem says to that is dropped by
        `resync`.
        """
        if self.state is State.DATA:
            self.state = State.STALE

    def receive_data(self, data: bytes) -> list[AtEvent | ProtocolError]:
        """What `data` completes, in order."""
        found: list[AtEvent | ProtocolError] = []
        place = 0
        while place < len(data) and self.state is not State.DATA:
            end = _BREAK.search(data, place)
            stop = len(data) if end is None else end.start()
            found += self._grow(data[place:stop]) if stop > place else ()
            place = stop
            if end is not None:
                place += 1
                found += self._end_line() if self._buffer or self._skipping else ()
        if self.state is State.DATA:
            rest = data[place:]
            rest = rest[1:] if rest[:1] == b"\n" and data[place - 1 : place] == b"\r" else rest
            if rest:
                found.append(DataBytes(rest))
        return found

    def _begin(self, command: str, state: State) -> None:
        self.command = command
        self.state = state
        self._lines = []
        self._lines_bytes = 0
        self._overflown = False
        self._is_answered = False
        self._late_of = ""

    def _grow(self, piece: bytes) -> Iterator[AtEvent | ProtocolError]:
        if self._skipping:
            return
        self._buffer += piece
        if len(self._buffer) > LINE_BYTES_MAX:
            self._buffer.clear()
            self._skipping = True
            yield ProtocolError("at.line_length", f"a line of more than {LINE_BYTES_MAX} bytes")
        elif self.state is State.COMMAND and self._buffer == b"> ":
            self._buffer.clear()
            yield Prompt()

    def _end_line(self) -> Iterator[AtEvent | ProtocolError]:
        raw, self._skipping = bytes(self._buffer), False
        self._buffer.clear()
        line = raw.lstrip(_EDGE) if raw[:1] < b" " or raw[:1] > b"~" else raw
        text = line.rstrip(b"\0").decode("utf-8", "replace").strip()
        if not text:
            if raw.strip(b"\0 \t"):
                yield ProtocolError("at.noise", f"{len(raw)} bytes without a character: {raw[:16].hex(' ')}")
            return
        if _NOISE.search(text):
            yield ProtocolError("at.noise", f"a damaged line: {raw[:80]!r}")
            return
        for part in self._unglued(self._without_echo(text)):
            yield from self._take(part)

    def _without_echo(self, text: str) -> str:
        """What is left of a line that is, begins with, or is an end of the command's echo."""
        if self.state not in (State.COMMAND, State.SYNC, State.STALE) or self._is_answered:
            return text
        if text.startswith(self.command) and self.command != "AT":
            return text[len(self.command) :].strip()
        is_piece = len(text) >= 2 and (self.command.endswith(text) or self.command.startswith(text))
        return "" if is_piece else text

    def _unglued(self, text: str) -> Iterator[str]:
        """Records that firmware put into one line: each new own prefix outside of quotes begins one."""
        own = self._own_names() if self.state is not State.IDLE or self._late_of else set()
        start, place, quotes = 0, 0, 0
        for found in _EXTENDED.finditer(text):
            quotes += text.count('"', place, found.start())
            place = found.start()
            if place > start and quotes % 2 == 0 and (found[0] in own or found[0] in REGISTRATION):
                yield text[start:place]
                start = place
        if text[start:]:
            yield text[start:]

    def _own_names(self) -> set[str]:
        name = command_name(self.command)
        return {name} | _ALSO.get(name, set())

    def _take(self, text: str) -> Iterator[AtEvent | ProtocolError]:
        if self.state is State.DATA:
            return
        if self.state is State.IDLE:
            yield self._idle_line(text)
            return
        result = self._result(text)
        if result is not None:
            yield from self._finish(result)
        elif self._is_urc(text):
            yield Urc(text)
        elif self.state is not State.STALE:
            yield from self._keep(text)

    def _idle_line(self, text: str) -> AtEvent:
        late = self._late_of
        if late and text.partition(":")[0] in self._own_names() and not self._is_urc(text):
            return LateLine(late, text)
        return Urc(text)

    def _result(self, text: str) -> FinalResult | None:
        result = decode_result(text)
        if result is None and (self.numeric or command_name(self.command) in ("", "E", "V", "Z", "Q")):
            kind = NUMERIC.get(text)
            result = None if kind is None else FinalResult(kind)
        if result is not None and result.kind in OF_A_CALL and not _DIALS.match(self.command):
            return None
        return result

    def _is_urc(self, text: str) -> bool:
        if text.upper() in URC_TEXTS or decode_result(text) is not None:
            return True
        name = _EXTENDED.match(text)
        if name is None:
            return False
        if name[0] not in self._own_names():
            return True
        return name[0] in REGISTRATION and not is_registration_query(text)

    def _keep(self, text: str) -> Iterator[ProtocolError]:
        if self.state is State.SYNC and not text.startswith("+CMEE"):
            return  # of the command that was abandoned
        self._is_answered = True
        self._lines_bytes += len(text)
        if len(self._lines) < ANSWER_LINES_MAX and self._lines_bytes <= ANSWER_BYTES_MAX:
            self._lines.append(text)
        elif not self._overflown:
            self._overflown = True
            yield ProtocolError("at.answer_length", f"more than {ANSWER_LINES_MAX} lines to {self.command}")

    def _finish(self, result: FinalResult) -> Iterator[AtEvent]:
        if self.state is State.STALE:
            return
        if self.state is State.SYNC:
            if self._lines:
                self.state = State.IDLE
                yield Synchronised()
            return
        self.state = State.DATA if result.kind is ResultKind.CONNECT else State.IDLE
        yield Answer(self.command, tuple(self._lines), result)
