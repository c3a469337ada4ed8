"""Final results of a command: V.250 5.7.1 (verbose and numeric), TS 27.007 9.2 (CME), TS 27.005 3.2.5
(CMS).
"""

from __future__ import annotations

import enum
import re
from typing import Final, NamedTuple

from protocols.errors import DeviceError


class ResultKind(enum.Enum):
    """How a command ended."""

    OK = "OK"
    CONNECT = "CONNECT"
    ERROR = "ERROR"
    CME_ERROR = "+CME ERROR"
    CMS_ERROR = "+CMS ERROR"
    NO_CARRIER = "NO CARRIER"
    NO_DIALTONE = "NO DIALTONE"
    BUSY = "BUSY"
    NO_ANSWER = "NO ANSWER"


class FinalResult(NamedTuple):
    """`number`: of a CME or CMS error, or None where the text is not in the tables.

    `text`: what stood behind it: the error's words, or the rate behind CONNECT.
    """

    kind: ResultKind
    number: int | None = None
    text: str = ""

    @property
    def is_ok(self) -> bool:
        """OK or CONNECT."""
        return self.kind in (ResultKind.OK, ResultKind.CONNECT)


NUMERIC: Final = {
    "0": ResultKind.OK,
    "1": ResultKind.CONNECT,
    "3": ResultKind.NO_CARRIER,
    "4": ResultKind.ERROR,
    "6": ResultKind.NO_DIALTONE,
    "7": ResultKind.BUSY,
    "8": ResultKind.NO_ANSWER,
}
# These end a dial; at any other time they tell of a call that ended, or that came.
OF_A_CALL: Final = frozenset(
    {ResultKind.NO_CARRIER, ResultKind.NO_DIALTONE, ResultKind.BUSY, ResultKind.NO_ANSWER, ResultKind.CONNECT}
)

# TS 27.007, 9.2.1 and 9.2.2.1 (packet domain).
CME_TEXTS: Final = {
    0: "phone failure",
    1: "no connection to phone",
    3: "operation not allowed",
    4: "operation not supported",
    5: "ph-sim pin required",
    10: "sim not inserted",
    11: "sim pin required",
    12: "sim puk required",
    13: "sim failure",
    14: "sim busy",
    15: "sim wrong",
    16: "incorrect password",
    17: "sim pin2 required",
    18: "sim puk2 required",
    20: "memory full",
    21: "invalid index",
    22: "not found",
    23: "memory failure",
    30: "no network service",
    31: "network timeout",
    32: "network not allowed - emergency calls only",
    40: "network personalization pin required",
    50: "incorrect parameters",
    100: "unknown",
    103: "illegal ms",
    106: "illegal me",
    107: "gprs services not allowed",
    111: "plmn not allowed",
    112: "location area not allowed",
    113: "roaming not allowed in this location area",
    126: "insufficient resources",
    127: "missing or unknown apn",
    132: "service option not supported",
    133: "requested service option not subscribed",
    134: "service option temporarily out of order",
    148: "unspecified gprs error",
    149: "pdp authentication failure",
    150: "invalid mobile class",
}
_NUMBERS: Final = {text: number for number, text in CME_TEXTS.items()}
_NUMBERS.update(
    {"sim is not inserted": 10, "sim not ready": 14, "no sim": 10, "network personalisation pin required": 40}
)
_ERROR: Final = re.compile(r"\+CM([ES]) ERROR\s*:\s*(.*)\Z", re.IGNORECASE)
_CONNECT: Final = re.compile(r"CONNECT(?:\s+(.*))?\Z")
NUMBER_DIGITS_MAX: Final = 6


def decode_result(line: str) -> FinalResult | None:
    """The final result that `line` is in verbose form, or None."""
    if found := _ERROR.match(line):
        kind = ResultKind.CME_ERROR if found[1] in "eE" else ResultKind.CMS_ERROR
        return _refusal(kind, found[2].strip())
    if found := _CONNECT.match(line):
        return FinalResult(ResultKind.CONNECT, text=found[1] or "")
    if line == "NO DIAL TONE":
        return FinalResult(ResultKind.NO_DIALTONE)
    plain = _PLAIN.get(line)
    return None if plain is None else FinalResult(plain)


_PLAIN: Final = {
    kind.value: kind
    for kind in ResultKind
    if kind not in (ResultKind.CME_ERROR, ResultKind.CMS_ERROR, ResultKind.CONNECT)
}


def _refusal(kind: ResultKind, text: str) -> FinalResult:
    if text.isascii() and text.isdecimal() and len(text) <= NUMBER_DIGITS_MAX:
        number = int(text)
        return FinalResult(kind, number, CME_TEXTS.get(number, "") if kind is ResultKind.CME_ERROR else "")
    number_of_text = _NUMBERS.get(text.lower()) if kind is ResultKind.CME_ERROR else None
    return FinalResult(kind, number_of_text, text)


class AtRefused(DeviceError):
    """The modem ended a command with something other than OK. `result` is what it said."""

    def __init__(self, command: str, result: FinalResult) -> None:
        """`device_code` is the CME or CMS number, -1 where there is none."""
        said = ": ".join(part for part in (result.kind.value, str(result.number or ""), result.text) if part)
        super().__init__(f"at.{result.kind.name.lower()}", f"{command} was answered by {said}", _code(result))
        self.result = result


def _code(result: FinalResult) -> int:
    return -1 if result.number is None else result.number
