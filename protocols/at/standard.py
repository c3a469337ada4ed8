"""Answers that TS 27.007 defines: lines of an answer in, values out.

Rules: a blank, 99 or 255 (by the field's own table) is None; what contradicts the standard raises
ProtocolError.
Codes: at.missing (the line is not there), at.field (a field is not what it should be), at.imei, at.imsi,
at.iccid.
"""

from __future__ import annotations

import enum
import ipaddress
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from protocols.at.dialogue import REGISTRATION, Answer, is_registration_query
from protocols.at.fields import (
    at,
    contents,
    integer,
    only,
    optional_hex,
    optional_integer,
    split_fields,
)
from protocols.at.results import ResultKind
from protocols.cellular import Signal, Technology, make_signal
from protocols.errors import ProtocolError
from protocols.value import Scaled

NAME_CHARACTERS_MAX = 64
CONTEXTS_MAX = 24


class Identity(NamedTuple):
    """What the modem says it is; None where it does not."""

    maker: str | None = None
    model: str | None = None
    firmware: str | None = None
    imei: str | None = None


def decode_name(lines: Sequence[str]) -> str:
    """The one text that +CGMI, +CGMM and +CGMR bring, with or without prefix and quotes."""
    for line in lines:
        text = (
            re.sub(r"\A(?:\+(?:CGM[IMR]|GM[IMR])|Revision|Model|Manufacturer)\s*:\s*", "", line)
            .strip()
            .strip('"')
        )
        if text:
            return text[:NAME_CHARACTERS_MAX]
    raise ProtocolError("at.missing", "an answer without a text")


_LABELS: Final = {"manufacturer": "maker", "model": "model", "revision": "firmware", "imei": "imei"}


def decode_information(lines: Sequence[str]) -> Identity:
    """ATI: labelled lines, or maker, model and revision one below the other."""
    found: dict[str, str] = {}
    plain = []
    for line in lines:
        label, colon, text = line.partition(":")
        if colon and label.strip().lower() in _LABELS:
            found.setdefault(_LABELS[label.strip().lower()], text.strip()[:NAME_CHARACTERS_MAX])
        elif not colon:
            plain.append(line[:NAME_CHARACTERS_MAX])
    for name, text in zip(("maker", "model"), plain if len(plain) > 1 else [], strict=False):
        found.setdefault(name, text)
    if len(plain) == 1:
        found.setdefault("model", plain[0])
    if not re.fullmatch(r"[0-9]{15}", found.get("imei", "")) or not luhn_holds(found["imei"]):
        found.pop("imei", None)
    return Identity(**found)


def luhn_holds(digits: str) -> bool:
    """Whether the last digit is the check digit of the others (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (1 + place % 2)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def decode_imei(lines: Sequence[str]) -> str:
    """15 digits of +CGSN. ProtocolError("at.imei") for a check digit that is wrong, or none."""
    for line in lines:
        found = re.fullmatch(r'(?:\+?C?GSN\s*:\s*)?"?([0-9]{15})"?', line.strip())
        if found and luhn_holds(found[1]):
            return found[1]
    raise ProtocolError(
        "at.imei", "no 15 digits with a right check digit; ask again, the line may be disturbed"
    )


def decode_imsi(lines: Sequence[str]) -> str:
    """6 to 15 digits of +CIMI (TS 23.003, 2.2)."""
    for line in lines:
        found = re.fullmatch(r'(?:[+#]CIMI\s*:\s*)?"?([0-9]{6,15})"?', line.strip())
        if found:
            return found[1]
    raise ProtocolError("at.imsi", "no subscriber number in the answer")


def decode_iccid(lines: Sequence[str]) -> str:
    """The SIM's number (ITU-T E.118), 18 to 20 digits, of +CCID, +ICCID, +QCCID, #CCID or ^ICCID.

    Filling F is cut off, and what a modem gives with swapped nibbles (98... for 89...) is put right.
    """
    for line in lines:
        found = re.fullmatch(
            r'(?:[+#^!][A-Z]*CCID[ ?]*:?\s*)?"?([0-9]{17,20}[0-9A-Fa-f]{0,3}?)"?', line.strip()
        )
        if not found:
            continue
        digits = found[1].upper()
        if digits.startswith("98") and len(digits) == 20:
            digits = "".join(digits[place + 1] + digits[place] for place in range(0, 20, 2))
        digits = digits.rstrip("F")
        if digits.startswith("89") and digits.isdecimal() and 18 <= len(digits) <= 20:
            return digits
    raise ProtocolError("at.iccid", "no SIM number that begins with 89 in the answer")


class SimState(enum.StrEnum):
    """What stands between the modem and the network. BUSY passes by itself."""

    READY = "ready"
    PIN = "pin"
    PUK = "puk"
    PIN2 = "pin2"
    PUK2 = "puk2"
    LOCKED = "locked"  # to a network, a provider or a device
    MISSING = "missing"
    FAILED = "failed"
    BUSY = "busy"


_PIN_CODES: Final = {
    "READY": SimState.READY,
    "SIM PIN": SimState.PIN,
    "SIM PUK": SimState.PUK,
    "SIM PIN2": SimState.PIN2,
    "SIM PUK2": SimState.PUK2,
    "NOT READY": SimState.BUSY,
    "NOT INSERTED": SimState.MISSING,
}
_PIN_ERRORS: Final = {
    10: SimState.MISSING,
    11: SimState.PIN,
    12: SimState.PUK,
    13: SimState.FAILED,
    14: SimState.BUSY,
    15: SimState.FAILED,
    17: SimState.PIN2,
    18: SimState.PUK2,
    5: SimState.LOCKED,
    40: SimState.LOCKED,
}


def decode_sim_state(answer: Answer) -> SimState:
    """+CPIN?, whose refusals are states, too (CME ERROR 10: no SIM)."""
    if answer.result.kind is ResultKind.CME_ERROR and answer.result.number in _PIN_ERRORS:
        return _PIN_ERRORS[answer.result.number]
    code = only(answer.lines, "+CPIN")[0].upper()
    if code.startswith("PH-"):
        return SimState.LOCKED
    if code not in _PIN_CODES:
        raise ProtocolError("at.field", f"unknown state of the SIM: {code[:40]!r}")
    return _PIN_CODES[code]


class Attachment(enum.Enum):
    """`stat` of +CREG and its kin."""

    IDLE = "not registered, not searching"
    SEARCHING = "searching"
    HOME = "home"
    ROAMING = "roaming"
    DENIED = "denied"
    UNKNOWN = "unknown"
    EMERGENCY = "emergency calls only"

    @property
    def is_registered(self) -> bool:
        """Whether the network serves the modem; 5 (roaming) counts as much as 1."""
        return self in (Attachment.HOME, Attachment.ROAMING)


_STATS: Final = {
    0: Attachment.IDLE,
    1: Attachment.HOME,
    2: Attachment.SEARCHING,
    3: Attachment.DENIED,
    4: Attachment.UNKNOWN,
    5: Attachment.ROAMING,
    6: Attachment.HOME,  # for SMS only
    7: Attachment.ROAMING,
    8: Attachment.EMERGENCY,
    9: Attachment.HOME,  # CSFB not preferred
    10: Attachment.ROAMING,
    11: Attachment.EMERGENCY,
}

# TS 27.007, 7.3: access technology. 13 is E-UTRA with NR beside it; 8 and 9 are those of LPWA modules.
ACCESS: Final = {
    0: Technology.GSM,
    1: Technology.GSM,
    2: Technology.UMTS,
    3: Technology.GSM,
    4: Technology.UMTS,
    5: Technology.UMTS,
    6: Technology.UMTS,
    7: Technology.LTE,
    8: Technology.LTE_M,  # EC-GSM-IoT by the standard, which nobody built: makers of LPWA modules mean CAT-M1
    9: Technology.NB_IOT,
    10: Technology.LTE,
    11: Technology.NR_SA,
    12: Technology.NR_SA,
    13: Technology.NR_NSA,
}


# Where <cause_type> stands, counted from stat: behind the routing area, the length of the slice list.
_CAUSE_TYPE: Final = {"+CREG": 4, "+CEREG": 4, "+CGREG": 5, "+C5GREG": 6}


class Registration(NamedTuple):
    """One domain's registration. `is_sms_only`: 6 and 7, which carry no data.

    `reject_cause`: of the network, see protocols.at.causes, where `is_mobility_cause`; else maker-specific.
    """

    domain: str  # CREG: circuit switched, CGREG: packet in 2G and 3G, CEREG: LTE, C5GREG: 5G
    attachment: Attachment
    area: int | None = None
    cell_id: int | None = None
    technology: Technology | None = None
    reject_cause: int | None = None
    is_mobility_cause: bool = False
    is_sms_only: bool = False


def decode_registration(line: str) -> Registration:
    """+CREG, +CGREG, +CEREG or +C5GREG as asked for (n,stat,...) or unsolicited (stat,...)."""
    name = line.partition(":")[0].strip()
    if name not in REGISTRATION:
        raise ProtocolError("at.missing", f"no registration: {line[:40]!r}")
    fields = split_fields(line.partition(":")[2])
    fields = fields[1:] if is_registration_query(line) else fields
    stat = integer(fields, 0)
    if stat not in _STATS:
        raise ProtocolError("at.field", f"{name}: state {stat} is not in TS 27.007")
    access = optional_integer(fields, 3)
    cause = optional_integer(fields, _CAUSE_TYPE[name] + 1)
    return Registration(
        name[1:],
        _STATS[stat],
        optional_hex(fields, 1),
        optional_hex(fields, 2),
        None if access is None else ACCESS.get(access),
        cause,
        cause is not None and optional_integer(fields, _CAUSE_TYPE[name]) == 0,
        stat in (6, 7),
    )


class Operator(NamedTuple):
    """+COPS?: how the network was chosen, and which one. `name` may be a code; `plmn` is one."""

    is_automatic: bool
    name: str | None = None
    plmn: str | None = None
    technology: Technology | None = None


def decode_operator(lines: Sequence[str]) -> Operator:
    """`+COPS: 0,2,"26201",7`; without registration only the mode."""
    fields = only(lines, "+COPS")
    is_automatic = integer(fields, 0) in (0, 4)
    if len(fields) < 3 or not fields[2]:
        return Operator(is_automatic)
    access = optional_integer(fields, 3)
    code = re.match(r"([0-9]{3}) ?([0-9]{2,3})\b", fields[2])
    return Operator(
        is_automatic,
        fields[2][:NAME_CHARACTERS_MAX],
        code[1] + code[2] if code else None,
        None if access is None else ACCESS.get(access),
    )


# Indices of TS 27.007, 8.5 and 8.69: value = base + index / 2 or index, where 0 means "below" and is its
# bound.
class Index(NamedTuple):
    """`base_halves`: value of index 0 in halves of a dB; `step_halves`: 1 or 2; `top`: the greatest index."""

    base_halves: int
    step_halves: int
    top: int

    def decode(self, number: int | None) -> Scaled | None:
        """The value; None outside of 0..top (99 and 255 are)."""
        if number is None or not 0 <= number <= self.top:
            return None
        return Scaled(5 * (self.base_halves + self.step_halves * max(number, 1)), -1).normalised()


RXLEV: Final = Index(-222, 2, 63)  # -110 dBm and below to -48
RSSI: Final = Index(-226, 4, 31)  # of +CSQ: -113 dBm and below to -51; base by rule is index 0
RSCP: Final = Index(-242, 2, 96)  # -120 to -25
ECNO: Final = Index(-49, 1, 49)  # -24 to 0
RSRQ: Final = Index(-40, 1, 34)  # -19.5 to -3
RSRP: Final = Index(-282, 2, 97)  # -140 to -44
NR_RSRQ: Final = Index(-87, 1, 126)  # -43 to 20
NR_RSRP: Final = Index(-314, 2, 126)  # -156 to -31
NR_SINR: Final = Index(-47, 1, 127)  # -23 to 40


def decode_csq(lines: Sequence[str]) -> Scaled | None:
    """RSSI in dBm of +CSQ. Says little on LTE, where many firmwares give 99: ask +CESQ."""
    fields = only(lines, "+CSQ")
    number = integer(fields, 0)
    if number == 0:
        return Scaled(-113, 0)
    return RSSI.decode(number)


def decode_cesq(lines: Sequence[str]) -> tuple[Signal, ...]:
    """One Signal for each technology that +CESQ has values of: 2G, 3G, LTE, NR."""
    fields = only(lines, "+CESQ")
    numbers = [integer(fields, place) for place in range(6)]
    nr = [optional_integer(fields, place) for place in range(6, 9)]
    signals = (
        make_signal(Technology.GSM, rssi_dbm=RXLEV.decode(numbers[0])),
        make_signal(Technology.UMTS, rscp_dbm=RSCP.decode(numbers[2]), ecio_db=ECNO.decode(numbers[3])),
        make_signal(Technology.LTE, rsrq_db=RSRQ.decode(numbers[4]), rsrp_dbm=RSRP.decode(numbers[5])),
        make_signal(
            Technology.NR_SA,
            rsrq_db=NR_RSRQ.decode(nr[0]),
            rsrp_dbm=NR_RSRP.decode(nr[1]),
            sinr_db=NR_SINR.decode(nr[2]),
        ),
    )
    return tuple(signal for signal in signals if signal.has_values)


class PdpContext(NamedTuple):
    """A line of +CGDCONT?."""

    number: int
    kind: str  # IP, IPV6, IPV4V6, PPP, Non-IP
    apn: str


def decode_contexts(lines: Sequence[str]) -> tuple[PdpContext, ...]:
    """All contexts that are defined; none is right, too."""
    found = [split_fields(text) for text in contents(lines, "+CGDCONT")[:CONTEXTS_MAX]]
    return tuple(PdpContext(integer(fields, 0), at(fields, 1).upper(), at(fields, 2)) for fields in found)


def decode_addresses(lines: Sequence[str]) -> dict[int, tuple[str, ...]]:
    """IP addresses by context, of +CGPADDR or +CGCONTRDP's address field; all zeros is no address."""
    found: dict[int, tuple[str, ...]] = {}
    for text in contents(lines, "+CGPADDR")[:CONTEXTS_MAX]:
        fields = split_fields(text)
        found[integer(fields, 0)] = tuple(
            address for field in fields[1:] if (address := decode_address(field)) is not None
        )
    return found


def decode_address(text: str) -> str | None:
    """An address in its usual form; IPv6 may come as sixteen decimal numbers. None for none and for all
    zeros.
    """
    if not text:
        return None
    try:
        parts = text.split(".")
        if len(parts) == 16:
            address: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.IPv6Address(
                bytes(map(int, parts))
            )
        else:
            address = ipaddress.ip_address(text)
    except ValueError:
        raise ProtocolError("at.field", f"no IP address: {text[:48]!r}") from None
    return None if address.is_unspecified else str(address)


def decode_activations(lines: Sequence[str]) -> dict[int, bool]:
    """+CGACT?: whether each context is active."""
    found = [split_fields(text) for text in contents(lines, "+CGACT")[:CONTEXTS_MAX]]
    return {integer(fields, 0): integer(fields, 1) == 1 for fields in found}


def decode_number(lines: Sequence[str], prefix: str) -> int:
    """The one number of +CGATT?, +CFUN? and the like."""
    return integer(only(lines, prefix), 0)


def decode_failure(lines: Sequence[str]) -> str:
    """+CEER: why the last call or context failed, in the modem's words."""
    texts = contents(lines, "+CEER") or list(lines)
    return " ".join(texts)[: 4 * NAME_CHARACTERS_MAX].strip().strip('"')


class NetworkTime(NamedTuple):
    """+CCLK?: local time or UTC, which depends on the modem: good for a plausibility check and nothing
    else.
    """

    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int
    zone_quarters: int | None


_CLOCK: Final = re.compile(r"(\d\d(?:\d\d)?)/(\d\d)/(\d\d),(\d\d):(\d\d):(\d\d)([+-]\d{1,3})?\Z", re.ASCII)
YEARS_SET: Final = range(
    2024, 2079
)  # before and after: 1970, 1980, 2000, 2004, 2080, the clocks of no network


def decode_clock(lines: Sequence[str]) -> NetworkTime | None:
    """None where the network has not set the clock."""
    (text, *_) = contents(lines, "+CCLK") or [""]
    found = _CLOCK.match(text.strip().strip('"'))
    if not found:
        raise ProtocolError("at.field", f"no date and time: {text[:40]!r}")
    year, *rest = (int(part) for part in found.groups()[:6])
    year = year if year > 99 else 2000 + year
    month, day, hour, minute, second = rest
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 61):
        raise ProtocolError("at.field", f"no date and time: {text[:40]!r}")
    if year not in YEARS_SET:
        return None
    return NetworkTime(year, month, day, hour, minute, second, int(found[7]) if found[7] else None)
