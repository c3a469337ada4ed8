"""Read-outs of IEC 62056-21 meters as they come from a line, asked for or pushed, and the way back.

A read-out is guarded by parity on the wire and, where STX and ETX enclose it, by a block check character:
the exclusive or of all bytes behind STX up to ETX. That is weak: errors that cancel out pass, as do lost
bytes that do ("66" out of "9706617"). So text that is no data set is refused even where the block check
fits, and ports must check parity, reading NUL for a wrong one. Meters that push (mode D) mostly send neither.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from protocols.errors import ProtocolError
from protocols.iec62056_21.data_sets import (
    MEDIUM_ELECTRICITY,
    DataSet,
    decode_data_sets,
    encode_data_sets,
    obis_of,
    refuse_damage,
)
from protocols.iec62056_21.framing import ETX, STX, Frame, FrameReceiver
from protocols.iec62056_21.identification import Identification, encode_identification

MEDIUM_HEAT = 6
HEAT_ADDRESSES = ("6.8", "6.26")  # EN 1434-3 heat meters; electricity meters write 6.8.0

# Where meters tell who they are, the most telling first: serial numbers, then what the owner has set.
METER_ID_ADDRESSES = (
    *("0-0:96.1.255*255", "0-0:96.1.0*255", "0-0:C.1.0*255", "C.1.0", "C.1", "9.20"),
    *("1-0:0.0.0*255", "1-1:0.0.0", "0.0.0", "9.21", "0.0"),
)

BlockChecks = Literal["required", "if_sent", "ignored"]

_SEVEN_BITS = bytes(byte & 0x7F if byte.bit_count() % 2 == 0 else 0 for byte in range(256))


class D0Telegram(NamedTuple):
    """One read-out. `offset` and `end`: where it began in the stream, and where the stream goes on behind it.

    `identification` is None where only the block came. `checked`: a block check came, and fits.
    """

    identification: Identification | None
    data_sets: tuple[DataSet, ...]
    offset: int = 0
    end: int = 0
    checked: bool = False

    @property
    def medium(self) -> int:
        """Group A of addresses that leave it out: 6 for a heat meter, else 1."""
        is_heat = any(data_set.address in HEAT_ADDRESSES for data_set in self.data_sets)
        return MEDIUM_HEAT if is_heat else MEDIUM_ELECTRICITY

    @property
    def meter_id(self) -> str:
        """The meter's own number, "" where it tells none."""
        texts = {data_set.address: data_set.values[0].text.strip() for data_set in reversed(self.data_sets)}
        return next((texts[address] for address in METER_ID_ADDRESSES if texts.get(address)), "")

    def obis(self, data_set: DataSet) -> bytes | None:
        """The six bytes of one of its addresses, completed; None where it is no OBIS code."""
        return obis_of(data_set.address, self.medium)


class D0Receiver:
    """From a stream of bytes to read-outs; bad ones come out as errors, and reading goes on behind them.

    `bcc`: "required" is right for every meter that sends block checks, else a damaged STX makes its read-out
    pass as one of a meter that never sends any; "if_sent"; "ignored" for meters that compute it in a way of
    their own. `begun`: the stream begins at a data set; for recordings that lack the identification.
    `parity_in_data`: the port was opened with 8 data bits, so that bytes carry their even parity with them
    (serial servers); a wrong one becomes NUL, which no read-out contains.
    """

    def __init__(
        self, *, bcc: BlockChecks = "if_sent", begun: bool = False, parity_in_data: bool = False
    ) -> None:
        self._frames = FrameReceiver("d0", self._decode, block_checks=True, begun=begun)
        self._bcc = bcc
        self._parity_in_data = parity_in_data

    @property
    def noise_bytes(self) -> int:
        """Bytes so far that belonged to no telegram, good or bad."""
        return self._frames.noise_bytes

    @property
    def identification(self) -> Identification | None:
        """Of the meter whose telegram has begun and is not complete."""
        return self._frames.identification

    def receive_data(self, data: bytes) -> list[D0Telegram | ProtocolError]:
        """What became complete, in stream order: telegrams, and an error for each that is bad.

        Codes: d0.cut, d0.size, d0.end of the framing, d0.bcc and d0.bcc_missing of the block check, d0.line
        and d0.number of the data. A read-out that began with STX is complete when the byte behind its "!"
        line has come, and says whether ETX follows. Offsets count from the start of the stream.
        """
        return self._frames.receive_data(data.translate(_SEVEN_BITS) if self._parity_in_data else data)

    def receive_end(self) -> list[D0Telegram | ProtocolError]:
        """What is there although nothing more comes; d0.truncated where that is half a telegram.

        For the end of a file, and for a line that was quiet for longer than a meter pauses within a read-out
        (1.5 s between characters).
        """
        return self._frames.receive_end()

    def missing_bytes(self) -> int:
        """How many bytes must at least come before anything more can be found; at least 1."""
        return self._frames.missing_bytes()

    def _decode(self, frame: Frame) -> D0Telegram:
        self._check_block(frame)
        tail = frame.data[frame.mark + 1 : frame.end].strip(b"\r\n \0")
        if tail:
            text = f"{tail!r} behind the '!': a P1 telegram ends so, no read-out"
            raise ProtocolError("d0.end", text, frame.offset + frame.mark)
        data_sets, unread = decode_data_sets(frame.lines, frame.offset + frame.body)
        refuse_damage("d0", data_sets, unread)
        checked = frame.block_check is not None and self._bcc != "ignored"
        end = frame.offset + len(frame.data)
        return D0Telegram(frame.identification, data_sets, frame.offset, end, checked)

    def _check_block(self, frame: Frame) -> None:
        at = frame.offset + len(frame.data)
        if frame.block_check is None and self._bcc == "required":
            raise ProtocolError("d0.bcc_missing", "no block check behind the read-out", at)
        if frame.block_check is None and frame.data[frame.mark] == ETX:
            raise ProtocolError("d0.end", "the block ends without '!' and without block check", at)
        if self._bcc != "ignored" and frame.block_check not in (
            None,
            block_check(frame.data[frame.body : -1]),
        ):
            raise ProtocolError("d0.bcc", "the block check is wrong: damaged on the way", at - 1)


def block_check(data: bytes) -> int:
    """The exclusive or of all bytes (ISO 1155), by folding one half onto the other."""
    size = 1 << max(len(data) - 1, 0).bit_length()
    number = int.from_bytes(data, "big")
    while size > 1:
        size //= 2
        number = (number >> 8 * size) ^ (number & ((1 << 8 * size) - 1))
    return number


def encode_block(data_sets: Iterable[DataSet]) -> bytes:
    """A read-out from STX to BCC, one data set a line; ValueError for a data set that cannot be sent."""
    block = encode_data_sets(data_sets) + b"!\r\n" + bytes((ETX,))
    return bytes((STX,)) + block + bytes((block_check(block),))


def encode_push(identification: Identification, data_sets: Iterable[DataSet]) -> bytes:
    """A telegram as a meter pushes it in mode D, without STX and block check."""
    return encode_identification(identification) + b"\r\n" + encode_data_sets(data_sets) + b"!\r\n"
