"""The M-Bus link layer, both roles (EN 13757-2; EN 13757-7 for selection): who is asked, and who answers.

    master                                     meter
    SND_NKE   10 40 A                          E5        forget the frame count bit; deselect (A = 253)
    SND_UD    68 .. 53/73 A CI data            E5        select (52), reset (50), rate (B8 to BF), data (51)
    REQ_UD2   10 5B/7B A                       68 .. 08  data; REQ_UD1 (5A/7A) asks for alarms: E5 is none

The frame count bit (20) toggles with each request that was answered. A meter that sees it unchanged sends the
same telegram again: so a request that was not answered may be repeated, and nothing is lost.

The master's side is a generator of steps (protocols/dialogue.py); the driver has the port and the clock.
Rules:
- what a level converter echoes, whole or in part, is taken off what came before anything else is judged;
- an E5 counts only where it came alone: in noise nothing tells a stray one from a real one;
- data counts only from the meter asked, and not if it is the telegram before over again: that is a late
  answer to a request that was repeated;
- after silence nothing is asked before the time of one more answer has passed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import NamedTuple, TypeVar

from protocols.dialogue import Receive, Send, SetBaud, Step
from protocols.errors import DamagedTelegram, ProtocolError
from protocols.mbus.address import (
    ANYBODY,
    BROADCAST,
    NETWORK,
    PRIMARY_MAX,
    SecondaryAddress,
    decode_selection,
    encode_selection,
)
from protocols.mbus.frames import ACK, Ack, Frame, FrameReceiver, LongFrame, ShortFrame, encode_frame

SND_NKE = 0x40
SND_UD = 0x53
REQ_UD1 = 0x5A
REQ_UD2 = 0x5B
RSP_UD = 0x08
FROM_MASTER = 0x40
FCB = 0x20
FCV = 0x10
CI_APPLICATION_RESET = 0x50
CI_SEND = 0x51
CI_SELECT = 0x52
CI_BAUDS = {300: 0xB8, 600: 0xB9, 1200: 0xBA, 2400: 0xBB, 4800: 0xBC, 9600: 0xBD, 19200: 0xBE, 38400: 0xBF}
BITS_PER_CHARACTER = 11  # 8E1, always
ANSWER_BITS_MAX = 330  # EN 13757-2, 5.5.1.2: an answer begins 11 to 330 bit times after the request, ...
ANSWER_MORE_S = 0.05  # ... and 50 ms
ADAPTER_S = 0.1  # what USB adapters and level converters add
PAUSE_S = 0.15  # between two pieces of one answer; the standard allows none
HEARD_BYTES_MAX = 1024  # in one answer
ATTEMPTS_MAX = 3  # EN 13757-2, 5.5.1.2: a request is repeated up to two times

T = TypeVar("T")


class Timing(NamedTuple):
    """How long the master waits: for the first byte of an answer, and for more of it."""

    window_s: float
    pause_s: float = PAUSE_S


def answer_window_s(baud: int) -> float:
    """How long after a request an answer may begin, adapters included, in s."""
    return ANSWER_BITS_MAX / baud + ANSWER_MORE_S + ADAPTER_S


def strip_echo(sent: bytes, heard: bytes) -> bytes:
    """What came without the echo of what was sent: whole, without its beginning, or broken off."""
    if heard.startswith(sent):
        return heard[len(sent) :]
    for size in range(min(len(sent), len(heard)), 0, -1):
        if heard.startswith((sent[-size:], sent[:size])):
            return heard[size:]
    return heard


class MeterLink:
    """The master's side towards one meter, asked by its primary address or, where `secondary` is given, by
    selection. It keeps the meter's frame count bit. One dialogue at a time."""

    def __init__(self, primary: int, secondary: SecondaryAddress | None, timing: Timing) -> None:
        """ValueError for a primary address that cannot be asked: 0 to 250, 253 and 254 can."""
        if not (0 <= primary <= PRIMARY_MAX or primary in (NETWORK, ANYBODY)):
            raise ValueError(f"primary address {primary} cannot be asked: 0 to {PRIMARY_MAX}, 253 or 254")
        self.primary = NETWORK if secondary is not None else primary
        self.secondary = secondary
        self.timing = timing
        self._fcb: int | None = None  # of the next request; None: what the meter has is not known
        self._before: LongFrame | None = None

    @property
    def is_fresh(self) -> bool:
        """Whether the meter's frame count bit is known, so that it need not be reset."""
        return self._fcb is not None

    def forget(self) -> None:
        """Something went wrong or somebody else was at the meter: begin anew next time."""
        self._fcb = None
        self._before = None

    def begin(self, attempts: int = ATTEMPTS_MAX) -> Generator[Step, bytes, None]:
        """Make the meter ready: select it, or reset its frame count bit.

        Raises ProtocolError: mbus.silent, mbus.no_ack (something else came than one E5).
        """
        self.forget()
        if self.secondary is None:
            request: Frame = ShortFrame(SND_NKE, self.primary)
        else:
            request = selection(self.secondary)
        yield from self._confirmed(request, attempts)
        self._fcb = FCB

    def ask(self, attempts: int = ATTEMPTS_MAX) -> Generator[Step, bytes, LongFrame]:
        """The meter's next telegram (REQ_UD2). After `begin`; again for the telegram that follows.

        Raises ProtocolError: mbus.silent, or what was wrong with what came.
        """
        request = ShortFrame(REQ_UD2 | self._count_bit(), self.primary)
        frame = yield from _repeated(
            lambda: _data_of(request, self.primary, self.timing, self._before), self.timing, attempts
        )
        self._fcb = self._count_bit() ^ FCB
        self._before = frame
        return frame

    def ask_alarm(self, attempts: int = ATTEMPTS_MAX) -> Generator[Step, bytes, LongFrame | None]:
        """The meter's alarm (REQ_UD1), None where it has none. After `begin`; raises as `ask`."""
        request = ShortFrame(REQ_UD1 | self._count_bit(), self.primary)
        frame = yield from _repeated(
            lambda: _alarm_of(request, self.primary, self.timing), self.timing, attempts
        )
        self._fcb = self._count_bit() ^ FCB
        return frame

    def send(self, ci: int, data: bytes = b"", attempts: int = ATTEMPTS_MAX) -> Generator[Step, bytes, None]:
        """Send data to the meter (SND_UD). After `begin`; raises as `begin`."""
        yield from self._confirmed(LongFrame(SND_UD | self._count_bit(), self.primary, ci, data), attempts)
        self._fcb = self._count_bit() ^ FCB
        self._before = None

    def reset_application(self) -> Generator[Step, bytes, None]:
        """Have the meter begin again with its first telegram (CI 50). Raises as `send`."""
        yield from self.send(CI_APPLICATION_RESET)

    def set_baud(self, baud: int, present_baud: int) -> Generator[Step, bytes, None]:
        """Have the meter speak at another rate, and follow it. One that does not answer at the new rate kept
        its own, and so does the port. Raises as `send`; ValueError for a rate that M-Bus has not.
        """
        if baud not in CI_BAUDS:
            raise ValueError(f"M-Bus has no rate of {baud}: right are {', '.join(map(str, CI_BAUDS))}")
        yield from self.send(CI_BAUDS[baud])
        yield SetBaud(baud)
        try:
            yield from self._confirmed(ShortFrame(SND_NKE, self.primary), ATTEMPTS_MAX)
        except ProtocolError:
            yield SetBaud(present_baud)
            raise
        self._fcb = FCB

    def _count_bit(self) -> int:
        if self._fcb is None:
            raise ValueError("the meter was not made ready: begin() comes first")
        return self._fcb

    def _confirmed(self, request: Frame, attempts: int) -> Generator[Step, bytes, None]:
        yield from _repeated(lambda: _ack_of(request, self.timing), self.timing, attempts)


def selection(address: SecondaryAddress) -> LongFrame:
    """The frame that selects (CI 52); the meters that do not match deselect themselves."""
    return LongFrame(SND_UD, NETWORK, CI_SELECT, encode_selection(address))


def _repeated(
    ask: Callable[[], Generator[Step, bytes, T]], timing: Timing, attempts: int
) -> Generator[Step, bytes, T]:
    """The answer, asked for up to so many times, with silence between the attempts."""
    while True:
        try:
            return (yield from ask())
        except ProtocolError:
            attempts -= 1
            if attempts <= 0:
                raise
        yield from _wait_quiet(timing)


def _wait_quiet(timing: Timing) -> Generator[Step, bytes, None]:
    """Until nothing came for as long as an answer may take; what comes is late, and thrown away."""
    stale_bytes = 0
    while stale_bytes <= HEARD_BYTES_MAX:
        stale = yield Receive(timing.window_s)
        if not stale:
            return
        stale_bytes += len(stale)


def _ack_of(request: Frame, timing: Timing) -> Generator[Step, bytes, None]:
    sent = encode_frame(request)
    yield Send(sent)
    heard = b""
    while len(heard) <= HEARD_BYTES_MAX:
        data = yield Receive(timing.window_s)
        heard += data
        rest = strip_echo(sent, heard)
        if rest == ACK:
            return
        if not data:
            break
    raise _no_answer("mbus.no_ack", "one E5", strip_echo(sent, heard))


def _data_of(
    request: ShortFrame, address: int, timing: Timing, before: LongFrame | None
) -> Generator[Step, bytes, LongFrame]:
    answer = yield from _answer_of(request, address, timing, before, ack=False)
    if answer is None:
        raise ProtocolError("mbus.no_data", "an acknowledgement came, and no data")
    return answer


def _alarm_of(request: ShortFrame, address: int, timing: Timing) -> Generator[Step, bytes, LongFrame | None]:
    return (yield from _answer_of(request, address, timing, None, ack=True))


def _answer_of(
    request: ShortFrame, address: int, timing: Timing, before: LongFrame | None, *, ack: bool
) -> Generator[Step, bytes, LongFrame | None]:
    """The first frame from the meter asked. With `ack`, an E5 that came alone is an answer, too: None."""
    sent = encode_frame(request)
    yield Send(sent)
    receiver = FrameReceiver()
    heard = b""
    damaged: DamagedTelegram | None = None
    while len(heard) <= HEARD_BYTES_MAX:
        under_way = bool(strip_echo(sent, heard))
        data = yield Receive(timing.pause_s if under_way else timing.window_s, receiver.missing_bytes())
        heard += data
        if ack and strip_echo(sent, heard) == ACK:
            return None
        for found in receiver.receive_data(data) if data else receiver.receive_end():
            if isinstance(found, DamagedTelegram):
                damaged = damaged or found
            elif isinstance(found, LongFrame) and _is_from(found, address) and found != before:
                return found
        if not data:
            break
    rest = strip_echo(sent, heard)
    raise (
        damaged if damaged is not None and rest else _no_answer("mbus.no_data", "no frame of the meter", rest)
    )


def _is_from(frame: LongFrame, address: int) -> bool:
    """Whether a frame comes from the meter asked. Selected ones answer by their own address or by 253."""
    return not frame.control & FROM_MASTER and (address in (NETWORK, ANYBODY) or frame.address == address)


def _no_answer(code: str, wanted: str, rest: bytes) -> ProtocolError:
    if not rest:
        return ProtocolError("mbus.silent", "no answer; is the meter on this loop, and is this its address?")
    return ProtocolError(code, f"{len(rest)} bytes came, and not {wanted}; more than one meter, or noise?")


def deselect(timing: Timing) -> Generator[Step, bytes, None]:
    """Leave no meter selected; whoever was confirms it, and nobody need."""
    yield Send(encode_frame(ShortFrame(SND_NKE, NETWORK)))
    yield from _wait_quiet(timing)


class MeterStation:
    """A meter's side: what it answers to a frame, None: nothing.

    `telegrams` gives, when asked for the first of them, all that the meter has to say at that moment.
    """

    def __init__(
        self,
        secondary: SecondaryAddress,
        primary: int,
        telegrams: Callable[[], Sequence[LongFrame]],
        baud: int = 2400,
    ) -> None:
        self.secondary = secondary
        self.primary = primary
        self.baud = baud
        self.is_selected = False
        self._telegrams = telegrams
        self._cycle: Sequence[LongFrame] = ()
        self._place = -1
        self._counts: dict[int, int | None] = {}  # the last frame count bit, own address and 253 apart

    def receive_frame(self, frame: Frame) -> Frame | None:
        """The answer to a frame from the master."""
        if isinstance(frame, Ack) or not frame.control & FROM_MASTER:
            return None
        if isinstance(frame, LongFrame) and frame.ci == CI_SELECT and frame.address == NETWORK:
            return self._select(frame.data)
        if not self._hears(frame.address):
            return None
        answer = self._take_data(frame) if isinstance(frame, LongFrame) else self._take_request(frame)
        return None if frame.address == BROADCAST else answer

    def _hears(self, address: int) -> bool:
        return address in (self.primary, ANYBODY, BROADCAST) or (address == NETWORK and self.is_selected)

    def _select(self, data: bytes) -> Frame | None:
        wanted = decode_selection(data)
        self.is_selected = wanted is not None and wanted.matches(self.secondary)
        if not self.is_selected:
            return None
        self._restart(NETWORK)
        return Ack()

    def _restart(self, address: int) -> None:
        self._counts[address] = None
        self._place = -1

    def _take_request(self, frame: ShortFrame) -> Frame | None:
        kind = frame.control & ~(FCB | FCV)
        if kind == SND_NKE:
            self._restart(frame.address)
            self.is_selected = self.is_selected and frame.address != NETWORK
            return Ack()
        if kind == REQ_UD1 & ~FCV:
            return Ack()
        if kind != REQ_UD2 & ~FCV:
            return None
        if not self._is_repeat(frame):
            self._advance()
        return self._cycle[self._place]

    def _advance(self) -> None:
        self._place += 1
        if not 0 < self._place < len(self._cycle):
            self._cycle, self._place = self._telegrams(), 0

    def _is_repeat(self, frame: ShortFrame | LongFrame) -> bool:
        """Whether the frame count bit says that the master had no answer to this before."""
        last, now = self._counts.get(frame.address), frame.control & FCB
        self._counts[frame.address] = now
        return bool(frame.control & FCV) and last == now and self._place >= 0

    def _take_data(self, frame: LongFrame) -> Frame | None:
        self._is_repeat(frame)
        if frame.ci == CI_APPLICATION_RESET:
            self._place = -1
        self.baud = {ci: baud for baud, ci in CI_BAUDS.items()}.get(frame.ci, self.baud)
        return Ack()
