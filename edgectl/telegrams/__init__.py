"""Recorded bytes as a list of stretches: telegrams with their values, and what is none. Pure.

Rules that keep it so:
- stretches stand in the order of the input, touch each other and cover it: no byte is passed over in silence;
- values are exact decimal text in the unit that the telegram gives; nothing is converted, nothing rounded;
- blanks between the telegrams of a text protocol belong to the telegram before them, or to the first;
- stretches come one by one, so that what is kept at a time is one telegram, not a whole recording's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from edgectl.telegrams.d0 import decrypted, find_d0, find_p1, without_parity
from edgectl.telegrams.dlms import decrypted_dlms, find_dlms
from edgectl.telegrams.mbus import find_mbus
from edgectl.telegrams.modbus import find_modbus
from edgectl.telegrams.sml import find_sml
from edgectl.telegrams.stretch import Keys, Stretch, Telegram, Value
from protocols.dlms.explain import explain_push
from protocols.errors import DamagedTelegram, ProtocolError
from protocols.iec62056_21.explain import explain_telegram
from protocols.mbus.explain import explain_frame as explain_mbus
from protocols.modbus.explain import Framing, explain_frame
from protocols.modbus.listen import damaged_frame, listen_ascii, listen_rtu, listen_tcp
from protocols.p1.encryption import is_encrypted
from protocols.p1.explain import START as CIPHERED_START
from protocols.p1.explain import explain_frame as explain_ciphered
from protocols.sml.explain import explain_file
from protocols.sml.transport import START as SML_START
from protocols.span import UNEXPLAINED, Span

__all__ = [
    "Keys",
    "Protocol",
    "Stretch",
    "Telegram",
    "Value",
    "decrypted",
    "decrypted_dlms",
    "explain",
    "list_stretches",
]

Protocol = Literal["modbus-rtu", "modbus-tcp", "modbus-ascii", "sml", "d0", "p1", "mbus", "dlms"]

_NO_KEYS = Keys()
_BLANKS = b" \t\r\n\0"
_FINDERS: dict[Protocol, Callable[[bytes, Keys], Iterator[Stretch]]] = {
    "modbus-rtu": lambda data, _keys: find_modbus(listen_rtu(data)),
    "modbus-tcp": lambda data, _keys: find_modbus(listen_tcp(data)),
    "modbus-ascii": lambda data, _keys: find_modbus(listen_ascii(data)),
    "d0": lambda data, _keys: find_d0(data),
    "p1": find_p1,
    "mbus": lambda data, _keys: find_mbus(data),
    "dlms": find_dlms,
}
_FRAMINGS: dict[Protocol, Framing] = {"modbus-rtu": "rtu", "modbus-tcp": "tcp", "modbus-ascii": "ascii"}
_TEXT_PROTOCOLS = ("modbus-ascii", "d0", "p1")


def list_stretches(
    protocol: Protocol, data: bytes, keys: Keys = _NO_KEYS, *, dzg_sign: bool = False
) -> Iterator[Stretch]:
    """All of `data`, in order; any bytes, in linear time. `dzg_sign`: SML of a meter with that quirk."""
    family = protocol.partition("-")[0]
    found = find_sml(data, dzg_sign=dzg_sign) if protocol == "sml" else _FINDERS[protocol](data, keys)
    return _covering(family, found, data, blanks=protocol in _TEXT_PROTOCOLS)


def explain(protocol: Protocol, data: bytes, stretch: Stretch) -> list[Span]:
    """What each byte of a stretch is; of one that is no telegram as far as it can be told."""
    start, end = stretch.start, stretch.end
    frame = stretch.frame
    if frame is None and protocol == "modbus-rtu":
        frame = damaged_frame(data, start, end)
    if frame is not None:
        spans = explain_frame(frame, data, _FRAMINGS[protocol])
    elif protocol == "sml" and data.startswith(SML_START, start):
        spans = explain_file(data[start:end], start)
    elif protocol == "dlms" and not _is_noise(stretch):
        spans = explain_push(data[start:end], start)
    elif protocol == "p1" and data.startswith(CIPHERED_START, start):
        spans = explain_ciphered(data[start:end], start)
    elif protocol == "mbus":
        spans = explain_mbus(data[start:end], start)
    elif protocol in ("d0", "p1") and not _is_noise(stretch):
        spans = explain_telegram(without_parity(data[start:end]), start)
    else:
        spans = [Span(start, end, UNEXPLAINED)]
    head = [Span(start, spans[0].start, "blank")] if spans[0].start > start else []
    tail = [Span(spans[-1].end, end, "blank")] if spans[-1].end < end else []
    return head + spans + tail


def _covering(family: str, found: Iterable[Stretch], data: bytes, *, blanks: bool) -> Iterator[Stretch]:
    """The stretches found, and one for each gap between them."""
    last: Stretch | None = None
    start = 0
    for stretch in found:
        stretch = stretch._replace(end=min(stretch.end, len(data)))  # noqa: PLW2901
        if last is not None and last[:2] == stretch[:2]:  # several telegrams in one encrypted frame
            telegrams = last.telegrams + stretch.telegrams
            last = last._replace(telegrams=telegrams, error=last.error or stretch.error)
            continue
        if last is not None and last.end > stretch.start:  # another began inside of a damaged one
            last = last._replace(end=stretch.start)
            start = stretch.start
        gap = data[start : stretch.start]
        if blanks and not gap.strip(_BLANKS):
            if last is None:
                stretch = stretch._replace(start=start)  # noqa: PLW2901 - the same stretch, begun earlier
            else:
                last = last._replace(end=stretch.start)
        elif gap:
            yield from _present(last)
            last = _noise(family, data, start, stretch.start)
        yield from _present(last)
        last, start = stretch, stretch.end
    if last is not None and blanks and not data[start:].strip(_BLANKS):
        last, start = last._replace(end=len(data)), len(data)
    yield from _present(last)
    if start < len(data):
        yield _noise(family, data, start, len(data))


def _is_noise(stretch: Stretch) -> bool:
    return stretch.error is not None and not isinstance(stretch.error, DamagedTelegram)


def _present(stretch: Stretch | None) -> Iterator[Stretch]:
    if stretch is not None and stretch.end > stretch.start:
        yield stretch


def _noise(family: str, data: bytes, start: int, end: int) -> Stretch:
    if family == "p1" and is_encrypted(data[start:end]):
        error = ProtocolError("p1.encrypted", "encrypted telegrams; --key opens them", start)
    else:
        error = ProtocolError(f"{family}.noise", f"bytes that belong to no telegram: {end - start}", start)
    return Stretch(start, end, error=error)
