"""The dialogue with a meter that is asked: modes A, B and C of IEC 62056-21, 6.4, both roles.

    reader    [NULs]  /?address! CR LF                  at 300 Bd
    meter     /identification CR LF                     at 300 Bd, names the rate it can do
    reader    ACK 0 rate 0 CR LF                        mode C only, still at 300 Bd
    meter     STX read-out ! CR LF ETX BCC              at the new rate in modes B and C

The dialogue is a generator of steps. Whoever drives it does each step and sends back what it brought: the
bytes that came for Receive (b"" when nothing did), anything for the others. So the order of sending,
waiting and switching stands here, and no clock and no port does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Sequence
from typing import NamedTuple

from protocols.dialogue import Pause, Receive, Send, SetBaud, Step
from protocols.errors import ProtocolError
from protocols.iec62056_21.data_sets import DataSet
from protocols.iec62056_21.identification import (
    INITIAL_BAUD,
    Identification,
    Mode,
    encode_identification,
)
from protocols.iec62056_21.telegram import BlockChecks, D0Receiver, D0Telegram, encode_block

REACTION_S_MAX = 1.5  # until the first character of an answer, and between two characters
TIMEOUT_S = 2.0  # with room for adapters and serial servers
NOISE_BYTES_MAX = 1024  # received without an identification among them
ADDRESS_CHARACTERS_MAX = 32
ACK = b"\x06"
_REQUEST = re.compile(rb"/\?([ -~]{0,32}?)!\r?\n")
_OPTION = re.compile(rb"\x060([0-6])0\r?\n")  # normal protocol, rate, data read-out
REQUEST_BYTES_MAX = 64


class WakeUp(NamedTuple):
    """NULs that wake a battery-powered meter, and the pause between them and the request."""

    nulls: int
    pause_s: float


WAKE_UP_STANDARD = WakeUp(66, 1.6)  # annex B: 2.1 to 2.3 s at 300 Bd, then 1.5 to 1.7 s
WAKE_UP_ULTRAHEAT = WakeUp(40, 0.0)  # Landis+Gyr UH50 and T550


def read_out(
    address: str = "",
    *,
    mode: Mode | None = None,
    baud_max: int = 19200,
    initial_baud: int = INITIAL_BAUD,
    wake_up: WakeUp | None = None,
    reaction_s: float | None = None,
    bcc: BlockChecks = "required",
    parity_in_data: bool = False,
    timeout_s: float = TIMEOUT_S,
) -> Generator[Step, bytes, D0Telegram]:
    """The reader's side: sign on, agree on a rate, receive the read-out, which is the generator's result.

    `address` is the device address, "" for the only meter there. `mode`: where the meter does not mean what
    its baud character says. `baud_max`: the head's limit in mode C. `initial_baud`: other than 300 for meters
    with a fixed rate. `reaction_s`: where the meter wants more than its identification asks for.
    `bcc`, `parity_in_data`: see D0Receiver. `timeout_s`: for the first character and between two.

    Raises ProtocolError: d0.silent (no answer to the sign-on), d0.no_identification (bytes, but none),
    d0.no_data (an identification and then nothing), and those of D0Receiver.
    """
    receiver = D0Receiver(bcc=bcc, parity_in_data=parity_in_data)
    yield SetBaud(initial_baud)
    if wake_up is not None:
        yield Send(bytes(wake_up.nulls))
        yield Pause(wake_up.pause_s)
    yield Send(encode_request(address))
    found = yield from _identify(receiver, timeout_s)
    if isinstance(found, Identification):
        yield from _switch(found, mode or found.mode, baud_max, initial_baud, reaction_s)
        found = yield from _receive(receiver, timeout_s)
    if isinstance(found, ProtocolError):
        raise found
    return found


def _identify(
    receiver: D0Receiver, timeout_s: float
) -> Generator[Step, bytes, Identification | D0Telegram | ProtocolError]:
    """The meter's identification; or the read-out itself, where it follows in the same moment (mode A)."""
    received_bytes = 0
    while received_bytes <= NOISE_BYTES_MAX:
        data = yield Receive(timeout_s)
        if not data:
            break
        received_bytes += len(data)
        found = receiver.receive_data(data)
        if receiver.identification:
            return receiver.identification
        if found and not (isinstance(found[-1], ProtocolError) and found[-1].code == "d0.cut"):
            return found[-1]
    if not received_bytes:
        return ProtocolError("d0.silent", "no answer to the sign-on; is the head in its place?")
    return ProtocolError("d0.no_identification", f"{received_bytes} bytes came, and no identification")


def _receive(receiver: D0Receiver, timeout_s: float) -> Generator[Step, bytes, D0Telegram | ProtocolError]:
    """What the meter sends after its identification; silence ends it."""
    found: list[D0Telegram | ProtocolError] = []
    heard = False
    while not found:
        data = yield Receive(timeout_s, receiver.missing_bytes())
        if data:
            found = receiver.receive_data(data)
        elif heard:
            found = receiver.receive_end()
        heard = True
        if not data and not found:  # nothing came, or nothing but noise and our own echo
            return ProtocolError("d0.no_data", "the meter introduced itself and then sent no read-out")
    return found[0]


def _switch(
    identification: Identification, mode: Mode, baud_max: int, initial_baud: int, reaction_s: float | None
) -> Generator[Step, bytes, None]:
    """From the identification to the rate of the read-out."""
    if mode == "A":
        return
    baud = identification.baud if identification.mode == mode else initial_baud
    if mode == "C":
        character = _baud_character(min(baud, baud_max))
        baud = INITIAL_BAUD << int(character)
        yield Pause(identification.reaction_s if reaction_s is None else reaction_s)
        yield Send(ACK + f"0{character}0\r\n".encode("ascii"))
    if baud != initial_baud:
        yield SetBaud(baud)


def _baud_character(baud_max: int) -> str:
    """The fastest rate of mode C that is not above `baud_max`."""
    return str(max(n for n in range(7) if n == 0 or INITIAL_BAUD << n <= baud_max))


def encode_request(address: str = "") -> bytes:
    """The sign-on for one device address; ValueError where it cannot be sent."""
    request = f"/?{address}!\r\n".encode("latin-1")
    if not _REQUEST.fullmatch(request) or "!" in address:
        raise ValueError(f"not a device address: {address!r}; right are up to 32 characters, and no '!'")
    return request


class Station(NamedTuple):
    """One meter of a current loop; `data_sets` gives what it has to say at that moment."""

    identification: Identification
    data_sets: Callable[[], Sequence[DataSet]]
    address: str = ""


def answer(
    identification: Identification,
    data_sets: Callable[[], Sequence[DataSet]],
    *,
    address: str = "",
    initial_baud: int = INITIAL_BAUD,
) -> Generator[Step, bytes, None]:
    """The meter's side, for ever: answers sign-ons to its address and to all, and sends its read-out.

    `data_sets` gives what the meter has to say at that moment. A reader that does not acknowledge in mode C
    gets the read-out at the initial rate, as the standard wants it.
    """
    return answer_several([Station(identification, data_sets, address)], initial_baud=initial_baud)


def answer_several(
    stations: Sequence[Station], *, initial_baud: int = INITIAL_BAUD
) -> Generator[Step, bytes, None]:
    """The side of all meters of a current loop, for ever. A sign-on without address, which all of several
    would answer at once, none of them answers here."""
    while True:
        yield SetBaud(initial_baud)
        identification, data_sets, _ = yield from _wait_request(stations)
        yield Pause(identification.reaction_s)
        yield Send(encode_identification(identification))
        baud = {"A": initial_baud, "B": identification.baud}.get(identification.mode)
        if baud is None:
            baud = yield from _wait_option(identification, initial_baud)
        if baud != initial_baud:
            yield SetBaud(baud)
        yield Pause(identification.reaction_s)
        yield Send(encode_block(data_sets()))


def _wait_request(stations: Sequence[Station]) -> Generator[Step, bytes, Station]:
    """The meter to which somebody signs on; zeros before an address do not count (6.3.1)."""
    wanted = {station.address.lstrip("0"): station for station in stations}
    if len(stations) == 1:
        wanted[""] = stations[0]
    heard = b""
    while True:
        heard = heard[-REQUEST_BYTES_MAX:] + (yield Receive(REACTION_S_MAX))
        requests = list(_REQUEST.finditer(heard))
        if requests:
            heard = heard[requests[-1].end() :]
            found = wanted.get(requests[-1][1].decode("latin-1").lstrip("0"))
            if found is not None:
                return found


def _wait_option(identification: Identification, initial_baud: int) -> Generator[Step, bytes, int]:
    """The rate that the reader acknowledges; the initial one where it does not, or wants something else."""
    heard = b""
    while len(heard) <= REQUEST_BYTES_MAX:
        data = yield Receive(REACTION_S_MAX)
        heard += data
        option = _OPTION.search(heard)
        if option:
            baud = INITIAL_BAUD << int(option[1])
            return baud if baud <= identification.baud else initial_baud
        if not data:
            break
    return initial_baud
