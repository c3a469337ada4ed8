"""`edgectl decode` as text: what a telegram says, then what each of its bytes is.

Rules: 80 columns are enough; places are decimal and counted from 0, as `--json` and `offset` have them; the
bytes come before their meaning, so that a finger can follow them in a manual. What is long is cut with its
length told, so that noise of a megabyte is a screen and not a book.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

from edgectl.screen import BAD, indented, make_table, step_text
from edgectl.telegrams import Keys, Protocol, Stretch, Telegram, Value, decrypted, decrypted_dlms, explain
from edgectl.telegrams.stretch import MbusHead, MbusPlace
from edgectl.texts import Words
from protocols import quantities
from protocols.dlms.explain import explain_apdu
from protocols.iec62056_21.explain import explain_telegram
from protocols.modbus.explain import register_name
from protocols.modbus.listen import BusFrame, first_address
from protocols.modbus.pdu import ReadRequest
from protocols.p1 import decode_text
from protocols.span import NOT_SENT, Span, hex_text
from protocols.value import from_binary32

HEX_BYTES = 8  # in a row
HEX_ROWS_MAX = 8
TEXT_CHARACTERS_MAX = 400
TEXT_COLUMNS_MIN, TEXT_COLUMNS_MAX = 27, 34  # 27: most lines of P1
OCTETS_MAX = 12  # longer ones stand in the column of bytes only
_OCTETS = re.compile(r"(?:[0-9A-F]{2} )+[0-9A-F]{2}")
_LONG_OCTETS = re.compile(r"(?:[0-9A-F]{2}){13,}")
_NUMBER = re.compile(r"(?<![\w.:-])-?\d+\.\d+(?= [A-Za-z%])")  # with a unit: without one it may be a version
_BLANKS = b"\r\n"
SML_LIST = 0x70
_WRONG = "-wrong"
_HEADS = ("sml.message", "sml.entry", "mbus.dif")  # where the eye looks for the next one
_PLACED = {
    "modbus.function": "function",
    "modbus.refused": "function",
    "modbus.exception": "exception",
    "sml.time-choice": "time",
    "mbus.ci": "mbus-ci",
    "mbus.medium": "medium",
    "mbus.application-error": "mbus-error",
}
_REGISTER_FUNCTIONS = (3, 4)


class Row(NamedTuple):
    """A line of the table: bytes, what they are, their value."""

    start: int
    end: int
    what: str
    value: str = ""
    depth: int = 0
    style: str = ""


def show_stretch(
    console: Console, words: Words, protocol: Protocol, data: bytes, stretch: Stretch, number: int, keys: Keys
) -> None:
    """Print one stretch. `number`: how many telegrams came before it and with it."""
    place = {"start": stretch.start, "last": stretch.end - 1, "count": stretch.end - stretch.start}
    if stretch.error is None:
        console.print(Text(words("decode.telegram", number=number, **place), "bold"))
    else:
        console.print(Text(words("decode.none", **place), BAD))
        console.print(_reason(words, stretch))
    if stretch.frame is not None:
        console.print(_frame_title(words, stretch.frame))
    else:
        for telegram in stretch.telegrams:
            _show_values(console, words, telegram)
    spans = explain(protocol, data, stretch)
    as_text = protocol in ("modbus-ascii", "d0") or (protocol == "p1" and spans[0].kind != "p1.start")
    _show_spans(console, words, data, spans, as_text=as_text)
    if stretch.frame is not None:
        _show_registers(console, words, stretch.frame)
    inside = decrypted_dlms(data, stretch, keys) if protocol == "dlms" else b""
    if inside:
        console.print(Text(words("decode.decrypted"), "bold"))
        _show_spans(console, words, inside, explain_apdu(inside), as_text=False)
    inside = decrypted(data, stretch, keys) if protocol == "p1" and stretch.telegrams else b""
    if inside:
        console.print(Text(words("decode.decrypted"), "bold"))
        _show_spans(console, words, inside, explain_telegram(inside), as_text=True)
    console.print()


def show_summary(
    console: Console, words: Words, protocol: Protocol, telegrams: int, stretches: int, *, only_noise: bool
) -> None:
    """Print what was found in all, and what to look at where nothing was."""
    key = "decode.summary" if stretches else "decode.summary-clean"
    console.print(words(key, telegrams=telegrams, stretches=stretches))
    if only_noise:
        console.print(step_text(words("decode.step", protocol=protocol)))


def _reason(words: Words, stretch: Stretch) -> str:
    error = stretch.error
    assert error is not None
    kind = error.code.partition(".")[2]
    offset = "" if error.offset in (None, stretch.start) else f", byte {error.offset}"
    meaning = words.known(f"stretch.{kind}", words("stretch.other", text=error.text))
    return f"{meaning} ({error.code}{offset})"


def _show_values(console: Console, words: Words, telegram: Telegram) -> None:
    """Who sent it and what, as beside a display."""
    who = [words("decode.meter", meter=_printable(telegram.meter))] if telegram.meter else []
    when = [words("decode.time", time=telegram.time)] if telegram.time else []
    whose = [words("decode.unauthenticated")] if telegram.authenticated is False else []
    if who or when or whose:
        console.print(" · ".join(who + when + whose))
    if telegram.mbus is not None:
        _show_mbus(console, words, telegram, telegram.mbus)
        return
    table = make_table(
        ("OBIS", "left"),
        (words("head.value"), "right"),
        (words("head.unit"), "left"),
        (words("head.quantity"), "left"),
    )
    for value in telegram.values:
        table.add_row(_printable(value.obis or ""), *_value_cells(words, value))
    console.print(table)
    console.print()


def _show_mbus(console: Console, words: Words, telegram: Telegram, head: MbusHead) -> None:
    """Maker, version and medium, then the records with their place."""
    if head.id is not None:
        medium = words.known(f"medium.{head.medium}", str(head.medium))
        version = f"{head.version:02X}"
        console.print(
            words("decode.mbus", maker=head.manufacturer or NOT_SENT, version=version, medium=medium)
        )
    if head.status:
        console.print(words("decode.mbus-status", status=_status_text(words, head.status)))
    table = make_table(
        (words("head.value"), "right"),
        (words("head.unit"), "left"),
        (words("head.what"), "left"),
        (words("head.place"), "left"),
        (words("head.quantity"), "left"),
    )
    for value in telegram.values:
        shown, unit, kind = _value_cells(words, value)
        place = value.mbus or MbusPlace()
        if place.reason:
            reason = words.known(f"mbus-reason.{place.reason}", place.reason)
            shown = Text(f"{shown} ({reason})" if value.value else reason)
        table.add_row(
            shown, unit, _printable(kind).replace(".", ", "), _place(words, place), place.quantity or ""
        )
    if telegram.values:
        console.print(table)
    console.print()


def _status_text(words: Words, status: int) -> str:
    """The bits of the status byte that a person should know (EN 13757-3, table 5)."""
    bits = [4, 8, 16, 32, 64, 128]
    names = [words(f"mbus-status.{bit}") for bit in bits if status & bit]
    application = status & 3
    return ", ".join(([words(f"mbus-status.{application}")] if application else []) + names)


def _place(words: Words, place: MbusPlace) -> str:
    """Only what is not the ordinary: instantaneous, storage 0, tariff 0, subunit 0."""
    parts = (
        [words(f"mbus-function.{place.function}")] if place.function not in (None, "instantaneous") else []
    )
    for name, number in (("storage", place.storage), ("tariff", place.tariff), ("subunit", place.subunit)):
        if number:
            parts.append(words(f"mbus-{name}", number=number))
    return "\n".join(parts)


def _value_cells(words: Words, value: Value) -> tuple[Text, str, str]:
    text = _printable(value.value or "") or NOT_SENT
    if _LONG_OCTETS.fullmatch(text):  # P1 writes text so
        decoded = decode_text(text)
        text = words("decode.octets", count=len(text) // 2) if decoded == text else decoded
    is_number = value.unit is not None
    shown = words.decimal(text) if is_number else text
    quantity = value.name or ""
    time = f"  {value.time}" if value.time else ""
    return Text(shown, "bold"), value.unit or "", quantity + time


def _meaning(words: Words, obis: str) -> str:
    try:
        quantity = quantities.by_obis(obis)
    except KeyError:
        return ""
    return quantity.meaning_de if words.language == "de" else quantity.meaning_en


def _frame_title(words: Words, frame: BusFrame) -> Text:
    number = frame.pdu[0] & 0x7F
    function = f"{number}, {words.known(f'function.{number}', '?')}"
    title = words(f"decode.{frame.role}", meter=frame.unit, function=function)
    asked = frame.request
    if isinstance(asked, ReadRequest):
        last = asked.address + asked.count - 1
        title += " · " + words("decode.range", first=asked.address, last=last)
    return Text(title, BAD if frame.role == "refusal" else "")


def _show_spans(console: Console, words: Words, data: bytes, spans: list[Span], *, as_text: bool) -> None:
    table = make_table(
        (words("head.bytes"), "right"),
        (words("head.text" if as_text else "head.hex"), "left"),
        (words("head.what"), "left"),
        (words("head.value"), "left"),
    )
    table.columns[0].no_wrap = True
    table.columns[1].no_wrap = not as_text
    table.columns[1].max_width = TEXT_COLUMNS_MAX
    if as_text:
        longest = max(len(data[span.start : span.end].strip()) for span in spans)
        table.columns[1].min_width = min(longest, TEXT_COLUMNS_MIN)
    for row in _rows(words, data, spans):
        piece = data[row.start : row.end]
        shown = _text_cell(words, piece) if as_text else _hex_cell(words, piece)
        what = indented(Text(row.what, row.style), row.depth)
        table.add_row(_range_text(row.start, row.end), shown, what, row.value)
    console.print(table)


def _rows(words: Words, data: bytes, spans: Iterable[Span]) -> Iterator[Row]:
    """One for each span; fields that were not sent, and registers, stand together."""
    for (kind, depth), group in groupby(spans, key=_together):
        several = list(group)
        start, end = several[0].start, several[-1].end
        if kind == NOT_SENT:
            names = ", ".join(words(f"span.{span.kind}").partition(":")[0] for span in several)
            yield Row(start, end, words("decode.not-sent"), names, depth)
        elif kind == "modbus.register":
            yield Row(start, end, words("decode.registers", count=len(several)), "", depth)
        else:
            yield from (_row(words, data, span) for span in several)


def _together(span: Span) -> tuple[str, int]:
    kind = NOT_SENT if span.value == NOT_SENT else span.kind
    return kind, span.depth


def _row(words: Words, data: bytes, span: Span) -> Row:
    value = _NUMBER.sub(lambda match: words.decimal(match[0]), _printable(span.value))
    what = words.known(f"span.{span.kind}", span.kind)
    if span.kind == "d0.data-set":
        obis, _, value = value.partition(" ")
        what = _meaning(words, obis) or obis
    elif span.kind in ("sml.obis", "dlms.obis"):
        value = "\n".join(filter(None, (value, _meaning(words, value))))
    elif span.kind in _PLACED:
        text = words.known(f"{_PLACED[span.kind]}.{value}", value)
        value = text if text.startswith(value) else f"{value}: {text}"
    elif _OCTETS.fullmatch(value) and len(value) > 3 * OCTETS_MAX:
        value = words("decode.octets", count=(len(value) + 1) // 3)
    elif span.kind.startswith("sml.") and data[span.start] & 0x70 == SML_LIST and value.isdecimal():
        value = words("decode.list", count=value)
    style = BAD if span.kind.endswith(_WRONG) else "bold" if span.kind in _HEADS else ""
    return Row(span.start, span.end, what, value, span.depth, style)


def _printable(text: str) -> str:
    """What a device sent must not steer the terminal."""
    return "".join(each if each.isprintable() else f"<{ord(each):02X}>" for each in text)


def _range_text(start: int, end: int) -> str:
    return str(start) if end == start + 1 else f"{start}-{end - 1}"


def _hex_cell(words: Words, piece: bytes) -> str:
    shown = piece[: HEX_BYTES * HEX_ROWS_MAX]
    rows = [hex_text(shown[at : at + HEX_BYTES]) for at in range(0, len(shown), HEX_BYTES)]
    if len(piece) > len(shown):
        rows.append(words("decode.more", count=len(piece) - len(shown)))
    return "\n".join(rows)


def _text_cell(words: Words, piece: bytes) -> str:
    """Characters without their line end; hexadecimal where they are none."""
    content = piece.strip(_BLANKS)
    is_text = bool(content) and all(0x20 <= byte < 0x7F for byte in content[:TEXT_CHARACTERS_MAX])
    if not is_text:
        return _hex_cell(words, piece)
    text = content[:TEXT_CHARACTERS_MAX].decode("ascii")
    rest = len(content) - len(text)
    return text + ("\n" + words("decode.more", count=rest) if rest else "")


def _show_registers(console: Console, words: Words, frame: BusFrame) -> None:
    """What the registers of an answer may mean: as numbers of one and of two registers."""
    if frame.role != "answer" or frame.pdu[0] not in _REGISTER_FUNCTIONS:
        return
    first, data = first_address(frame), frame.pdu[2:]
    console.print()
    table = make_table(
        (words("head.address"), "right"),
        (words("head.hex"), "left"),
        *((name, "right") for name in ("U16", "I16", "U32", "F32")),
        (f"F32 {words('head.swapped')}", "right"),
    )
    for at in range(0, len(data), 2):
        table.add_row(
            register_name(first, at // 2), hex_text(data[at : at + 2]), *_candidates(words, data, at)
        )
    console.print(table)
    note = words("decode.two-words")
    console.print(note if first is not None else f"{words('decode.unasked')} {note}", style="dim")


def _candidates(words: Words, data: bytes, at: int) -> list[str]:
    one, two = data[at : at + 2], data[at : at + 4]
    texts = [str(int.from_bytes(one, "big")), str(int.from_bytes(one, "big", signed=True))]
    if len(two) == 4:
        swapped = two[2:] + two[:2]
        texts += [
            str(int.from_bytes(two, "big")),
            *(words.decimal(_float_text(word)) for word in (two, swapped)),
        ]
    return texts


def _float_text(bits: bytes) -> str:
    """Exact where that is short; a candidate of 40 digits is none, and its magnitude says so."""
    exact = from_binary32(bits)
    number: float = struct.unpack(">f", bits)[0]
    if exact is None or math.isnan(number):
        return "-"
    text = str(exact)
    return text if len(text) <= 12 else f"{number:.3g}"
