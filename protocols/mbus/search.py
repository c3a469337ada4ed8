"""Finding the meters on an M-Bus loop (EN 13757-7, 8.4): selections that leave less and less open.

A selection is answered by all meters that match it, at once. One E5 alone may be one meter, or several whose
E5 overlap exactly; so whoever answers is asked for data, too. Anything but exactly one answer is a collision,
and the selection is narrowed: digit by digit, then by medium, maker and version, last by fabrication number.

    probe          one selection and what came of it: steps for the driver (protocols/dialogue.py)
    search         which selections to try, and what they showed; pure
    scan           the same for primary addresses

Rules:
- digits are narrowed from the right: the numbers of a delivery differ there, and agree on the left;
- noise looks like a collision: before a collision is believed that its parts do not bear out, it is asked
  again;
- an E5 to which no data follows was the late answer of another selection: from then on the search waits
  longer, and goes back to the selection before;
- between two probes any other dialogue may take its turn: nothing is expected to stay selected;
- at most PROBES_MAX probes; what could not be told apart is named, not dropped;
- `bits` is the time on the line, in bit times: characters sent and received, and waiting in vain.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from protocols.dialogue import Receive, Send, Step
from protocols.mbus.address import NETWORK, PRIMARY_MAX, SecondaryAddress, decode_selection
from protocols.mbus.frames import ACK, FrameReceiver, LongFrame, ShortFrame, encode_frame
from protocols.mbus.link import (
    BITS_PER_CHARACTER,
    FCB,
    FROM_MASTER,
    HEARD_BYTES_MAX,
    REQ_UD2,
    SND_NKE,
    Timing,
    selection,
    strip_echo,
)

PROBES_MAX = 5_000  # some 25 minutes at 2400 Bd
CI_HEADER_LONG = 0x72
SLOW_FACTOR = 3  # by which a search waits longer once it met a meter that answers late
MAKERS = (
    *(
        "ABB",
        "ACW",
        "AMT",
        "APA",
        "APT",
        "AQM",
        "ARF",
        "AXI",
        "BEC",
        "BER",
        "BMT",
        "BSC",
        "BTR",
        "CAR",
        "DEV",
    ),
    *(
        "DME",
        "DWZ",
        "DZG",
        "EDC",
        "EFE",
        "EIE",
        "ELS",
        "ELV",
        "EMH",
        "EMU",
        "ESY",
        "FIN",
        "FLO",
        "GAV",
        "GMC",
    ),
    *(
        "GWF",
        "HAG",
        "HYD",
        "IST",
        "ITR",
        "ITW",
        "JAN",
        "KAM",
        "KST",
        "LAN",
        "LGB",
        "LSE",
        "LUG",
        "MAD",
        "MEI",
    ),
    *(
        "NES",
        "NZR",
        "PAD",
        "QDS",
        "RAM",
        "REL",
        "SAP",
        "SBC",
        "SEN",
        "SEO",
        "SEV",
        "SIE",
        "SLB",
        "SON",
        "SOC",
    ),
    *("SPX", "SVM", "TCH", "TIX", "WEP", "WMO", "YTE", "ZAG", "ZEL", "ZRI", "ZRM"),
)
"""Makers that were met in recorded telegrams, or whose meters are common; others are told apart by the
rest."""
MEDIA = (
    *range(0x20),
    0x20,
    0x21,
    0x25,
    0x28,
    0x29,
    0x31,
    0x32,
    0x36,
    0x37,
)  # EN 13757-3, table of device types

Kind = Literal["silent", "found", "collision"]


class Probe(NamedTuple):
    """What came of one selection. `frame`: the one answer of a found meter. `bits`: time on the line.
    `is_late`: an E5 came that belongs to an earlier selection."""

    kind: Kind
    bits: int
    frame: LongFrame | None = None
    is_late: bool = False


class Ask(NamedTuple):
    """A probe that the search wants. `slow`: with a window SLOW_FACTOR times as long."""

    address: SecondaryAddress | int
    slow: bool = False


class Found(NamedTuple):
    """A meter: the address to which it alone answered, and its telegram."""

    address: SecondaryAddress | int
    frame: LongFrame


@dataclass(slots=True)
class SearchResult:
    """What a search showed, so far or in the end. `unresolved`: addresses to which more than one meter
    answers and that nothing could tell apart,  `is_slow`: a meter answers later than the standard allows.
    `is_cut`: PROBES_MAX was reached, so that there may be more."""

    found: list[Found] = field(default_factory=list)
    unresolved: list[SecondaryAddress | int] = field(default_factory=list)
    probes: int = 0
    bits: int = 0
    is_slow: bool = False
    is_cut: bool = False

    def line_time_s(self, baud: int) -> float:
        """How long the line was busy with it, in s."""
        return self.bits / baud


Search = Generator[Ask, Probe, None]


def probe(ask: Ask, timing: Timing, baud: int) -> Generator[Step, bytes, Probe]:
    """One selection (or SND_NKE to a primary address), and a request for data to whoever confirmed it."""
    window_s = timing.window_s * (SLOW_FACTOR if ask.slow else 1)
    if isinstance(ask.address, SecondaryAddress):
        place, call = NETWORK, encode_frame(selection(ask.address))
    else:
        place, call = ask.address, encode_frame(ShortFrame(SND_NKE, ask.address))
    confirmed, bits = yield from _hear(call, window_s, baud)
    if confirmed != ACK:
        return Probe("collision" if confirmed else "silent", bits)
    heard, more_bits = yield from _hear(encode_frame(ShortFrame(REQ_UD2 | FCB, place)), window_s, baud)
    bits += more_bits
    frame = _only_frame(heard)
    if frame is None:
        return Probe("collision" if heard else "silent", bits, None, not heard or heard.startswith(ACK))
    told = _address_of(frame)
    if told is None or not isinstance(ask.address, SecondaryAddress) or told == _header_of(ask.address):
        return Probe("found", bits, frame)
    # Overlapping telegrams can add up to one that nobody sent and whose checksum is right.
    sure, more_bits = yield from _hear(encode_frame(selection(told)), window_s, baud)
    bits += more_bits
    return Probe("found", bits, frame) if sure == ACK else Probe("collision", bits)


def _header_of(address: SecondaryAddress) -> SecondaryAddress:
    """The part of an address that stands in a telegram's header."""
    return address._replace(fabrication="")


def _address_of(frame: LongFrame) -> SecondaryAddress | None:
    """The sender's address, where a telegram's header has it (CI 72)."""
    if frame.ci != CI_HEADER_LONG or len(frame.data) < 8:
        return None
    return decode_selection(frame.data[:8])


def _hear(sent: bytes, window_s: float, baud: int) -> Generator[Step, bytes, tuple[bytes, int]]:
    """All that comes until nobody may answer any more, without the echo; and the time on the line, to which
    an echo adds nothing: it comes while the master sends."""
    yield Send(sent)
    heard = b""
    while len(heard) <= HEARD_BYTES_MAX:
        data = yield Receive(window_s)
        if not data:
            break
        heard += data
    answer = strip_echo(sent, heard)
    waiting_bits = 0 if len(heard) > HEARD_BYTES_MAX else round(window_s * baud)
    return answer, (len(sent) + len(answer)) * BITS_PER_CHARACTER + waiting_bits


def _only_frame(heard: bytes) -> LongFrame | None:
    """The frame, where nothing else came than one whole frame from a meter."""
    receiver = FrameReceiver()
    found = receiver.receive_data(heard) + receiver.receive_end()
    if receiver.noise_bytes or len(found) != 1:
        return None
    frame = found[0]
    return frame if isinstance(frame, LongFrame) and not frame.control & FROM_MASTER else None


def search(result: SearchResult) -> Search:
    """Find all meters by selections; `result` grows as it goes."""
    yield from _Searcher(result).run([SecondaryAddress()])


def scan(result: SearchResult, addresses: Iterable[int] = range(PRIMARY_MAX + 1)) -> Search:
    """Find the meters at primary addresses; two at one address are named as unresolved."""
    yield from _Searcher(result).run(addresses)


class _Searcher:
    def __init__(self, result: SearchResult) -> None:
        self._result = result
        self._slow = False
        self._before: SecondaryAddress | int | None = None  # unless it was narrowed anyway
        self._was_silent = False
        self._again: list[SecondaryAddress | int] = []  # a meter may have been missed there for its lateness

    def run(self, addresses: Iterable[SecondaryAddress | int]) -> Search:
        for address in addresses:
            yield from self._narrow(address)
        self._slow = True
        while self._again:
            known = len(self._result.found)
            yield from self._narrow(self._again.pop())
            self._result.is_slow |= len(self._result.found) > known
        yield from self._doubt()

    def _doubt(self) -> Search:
        """Late answers make collisions where none are: ask once more where nothing could be told apart."""
        unresolved, self._result.unresolved = self._result.unresolved, []
        for address in unresolved:
            answer = yield from self._ask(address)
            if answer.kind != "collision":
                self._note(address, answer)
            elif not self._is_explained(address):
                self._result.unresolved.append(address)

    def _is_explained(self, address: SecondaryAddress | int) -> bool:
        """Whether meters that were found are enough for a collision."""
        found = [_address_of(meter.frame) for meter in self._result.found]
        if isinstance(address, int):
            return False
        return sum(one is not None and address.matches(one) for one in found) > 1

    def _narrow(self, address: SecondaryAddress | int) -> Generator[Ask, Probe, int]:
        """How many meters answer to this address, at least; each is found, or told as unresolved."""
        before = self._before
        answer = yield from self._ask(address)
        if answer.kind != "collision":
            return self._note(address, answer)
        for parts in self._splits(address):
            count = 0
            for part in parts:
                count += yield from self._narrow(part)
            if count > 1:
                return count
            answer = yield from self._ask(address)
            if answer.kind != "collision":  # it was noise, or somebody's late answer to the address before
                self._suspect(before)
                return self._note(address, answer)
        if address not in self._result.unresolved and not self._result.is_cut:
            self._result.unresolved.append(address)
        return 2

    def _ask(self, address: SecondaryAddress | int) -> Generator[Ask, Probe, Probe]:
        result = self._result
        if result.probes >= PROBES_MAX:
            result.is_cut = True
            return Probe("silent", 0)
        answer = yield Ask(address, self._slow)
        result.probes += 1
        result.bits += answer.bits
        if answer.is_late and not self._slow:
            self._suspect(self._before)
            self._slow = result.is_slow = True
            return (yield from self._ask(address))
        if answer.kind == "collision" and self._was_silent:  # a late answer may hide in it
            self._suspect(self._before)
        self._was_silent = answer.kind == "silent"
        self._before = None if answer.kind == "collision" else address
        return answer

    def _suspect(self, address: SecondaryAddress | int | None) -> None:
        """Somebody may have answered there too late to be heard."""
        if address is not None and address not in self._again and not self._slow:
            self._again.append(address)

    def _note(self, address: SecondaryAddress | int, answer: Probe) -> int:
        if answer.frame is None:
            return 0
        if not any(_is_same(found, address, answer.frame) for found in self._result.found):
            self._result.found.append(Found(address, answer.frame))
        return 1

    def _splits(self, address: SecondaryAddress | int) -> Iterator[Sequence[SecondaryAddress]]:
        """Ways to tell apart the meters behind an address, one after the other."""
        if isinstance(address, int):
            return
        place = address.id.rfind("F")
        if place >= 0:
            for digits in ("0123456789", "ABCDE"):
                yield [address._replace(id=_with(address.id, place, digit)) for digit in digits]
            return
        if address.medium is None:
            yield [address._replace(medium=medium) for medium in MEDIA]
        if address.maker is None:
            yield [address._replace(maker=maker) for maker in MAKERS]
        if address.version is None:
            yield [address._replace(version=version) for version in range(0xFF)]
        number = address.fabrication or "F" * 8
        place = number.rfind("F")
        if place >= 0:
            yield [address._replace(fabrication=_with(number, place, digit)) for digit in "0123456789"]


def _with(digits: str, place: int, digit: str) -> str:
    return digits[:place] + digit + digits[place + 1 :]


def _is_same(known: Found, address: SecondaryAddress | int, frame: LongFrame) -> bool:
    """Whether a telegram comes from a meter that is known: the same address, number, maker, version, medium,
    and no fabrication numbers that differ."""
    if isinstance(address, SecondaryAddress) and isinstance(known.address, SecondaryAddress):
        digits = zip(address.fabrication, known.address.fabrication, strict=False)
        if any("F" not in (one, other) and one != other for one, other in digits):
            return False
    known_part = (known.frame.address, known.frame.ci, known.frame.data[:8])
    return known_part == (frame.address, frame.ci, frame.data[:8])
