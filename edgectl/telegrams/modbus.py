"""Frames on a Modbus line as stretches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from edgectl.telegrams.stretch import Stretch, Telegram, Value, damaged
from protocols.errors import ProtocolError
from protocols.modbus.explain import register_name
from protocols.modbus.identification import OBJECT_NAMES, decode_part, object_text
from protocols.modbus.listen import BusFrame, Heard, first_address
from protocols.modbus.pdu import (
    ENCAPSULATED_INTERFACE,
    READ_DISCRETE_INPUTS,
    READ_INPUT_REGISTERS,
    REPORT_SERVER_ID,
    ReadRequest,
)
from protocols.span import octets_text

_TABLES = {1: "coil", 2: "discrete_input", 3: "holding_register", 4: "input_register"}


def find_modbus(heard: Iterable[Heard]) -> Iterator[Stretch]:
    """What a listener heard on the line."""
    for each in heard:
        yield damaged(each) if isinstance(each, ProtocolError) else _bus_stretch(each)


def _bus_stretch(frame: BusFrame) -> Stretch:
    values = _request_values(frame) if frame.role == "request" else _answer_values(frame)
    telegram = Telegram(str(frame.unit), None, tuple(values), _refusal(frame))
    return Stretch(frame.start, frame.end, (telegram,), frame=frame)


def _refusal(frame: BusFrame) -> ProtocolError | None:
    if frame.role != "refusal":
        return None
    text = f"unit {frame.unit} refused function {frame.pdu[0] & 0x7F}: exception {frame.pdu[1]}"
    return ProtocolError("modbus.exception", text, frame.start)


def _request_values(frame: BusFrame) -> list[Value]:
    fields = {"function": frame.pdu[0]}
    if isinstance(frame.request, ReadRequest):
        fields |= {"address": frame.request.address, "count": frame.request.count}
    return [Value(None, name, str(number)) for name, number in fields.items()]


def _answer_values(frame: BusFrame) -> list[Value]:
    """Registers as unsigned numbers, coils as 0 or 1; `holding_register_+0` where no address is known."""
    function, first, data = frame.pdu[0], first_address(frame), frame.pdu[2:]
    if frame.role != "answer":
        return []
    if function > READ_INPUT_REGISTERS:
        return _identity_values(function, frame.pdu)
    if function <= READ_DISCRETE_INPUTS:
        asked = frame.request.count if isinstance(frame.request, ReadRequest) else 8 * len(data)
        numbers = [data[place // 8] >> place % 8 & 1 for place in range(asked)]
    else:
        numbers = [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]
    names = (f"{_TABLES[function]}_{register_name(first, place)}" for place in range(len(numbers)))
    return [Value(None, name, str(number)) for name, number in zip(names, numbers, strict=True)]


def _identity_values(function: int, pdu: bytes) -> list[Value]:
    if function == REPORT_SERVER_ID:
        return [Value(None, "server_id", octets_text(pdu[2:], ""))]
    if function != ENCAPSULATED_INTERFACE:
        return []
    objects = decode_part(pdu[3:]).objects
    return [
        Value(None, OBJECT_NAMES.get(number, f"object_{number}"), object_text(text))
        for number, text in objects
    ]
