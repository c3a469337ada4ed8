"""gurux-dlms as a judge of our DLMS, run by its own Python: JSON tasks in, JSON answers out.

A task has "decode" (bytes of a stream in hexadecimal, framed as "framing" says, perhaps "key" and
"authentication_key") or "encode" (data as below, perhaps keys, "title" and "counter"). Data are [type, value]
with the type's number; lists are [type, [data...]], octets and text hexadecimal. An answer is such data, the
hexadecimal bytes, or {"refused": why}. Tests import nothing of it: it is GPL, and only called as a program.
"""

from __future__ import annotations

import contextlib
import json
import sys
from typing import Any

from gurux_dlms import GXByteBuffer, GXReplyData
from gurux_dlms.enums import Conformance, DataType, InterfaceType, Security
from gurux_dlms.internal._GXCommon import _GXCommon
from gurux_dlms.secure import GXDLMSSecureClient, GXDLMSSecureNotify

FRAMINGS = {"hdlc": InterfaceType.HDLC, "bare": InterfaceType.PDU, "mbus": InterfaceType.WIRED_MBUS}
LISTS = (DataType.ARRAY, DataType.STRUCTURE)


def shown(value: Any) -> Any:
    """Gurux's value with what Python tells of its type."""
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    if isinstance(value, list):
        return [shown(each) for each in value]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return float(value)
    return str(value)


def ciphering(holder: Any, task: dict[str, Any]) -> None:
    if "key" in task:
        holder.ciphering.blockCipherKey = bytes.fromhex(task["key"])
        holder.ciphering.authenticationKey = bytes.fromhex(task.get("authentication_key", "00" * 16))
        holder.ciphering.security = Security.AUTHENTICATION_ENCRYPTION


def decode(task: dict[str, Any]) -> Any:
    client = GXDLMSSecureClient(True)
    client.interfaceType = FRAMINGS[task["framing"]]
    ciphering(client, task)
    stream = GXByteBuffer(bytes.fromhex(task["decode"]))
    reply, notify = GXReplyData(), GXReplyData()
    for _ in range(64):
        client.getData(stream, reply, notify)
        if not notify.isMoreData() and notify.value is not None:
            return shown(notify.value)
        if stream.position >= stream.size:
            break
    return {"refused": "no notification"}


def put(settings: Any, buffer: Any, data: list[Any]) -> None:
    """Data as gurux encodes them."""
    kind, value = data
    if kind in LISTS:
        buffer.setUInt8(kind)
        _GXCommon.setObjectCount(len(value), buffer)
        for each in value:
            put(settings, buffer, each)
        return
    if kind in (DataType.OCTET_STRING, DataType.STRING, DataType.STRING_UTF8):
        octets = bytes.fromhex(value)
        value = octets if kind == DataType.OCTET_STRING else octets.decode("ascii")
    _GXCommon.setData(settings, buffer, DataType(kind), value)


def encode(task: dict[str, Any]) -> Any:
    notify = GXDLMSSecureNotify(True, 16, 1, FRAMINGS[task["framing"]])
    notify.conformance = Conformance.GENERAL_BLOCK_TRANSFER | Conformance.GENERAL_PROTECTION
    ciphering(notify, task)
    if "key" in task:
        notify.ciphering.systemTitle = bytes.fromhex(task["title"])
        notify.ciphering.invocationCounter = task["counter"]
    buffer = GXByteBuffer()
    put(notify.settings, buffer, task["encode"])
    messages = notify.generateDataNotificationMessages(None, buffer)
    return [bytes(getattr(each, "array", lambda each=each: each)()).hex() for each in messages]


def main() -> None:
    answers = []
    with contextlib.redirect_stdout(sys.stderr):  # gurux prints
        for task in json.load(sys.stdin):
            try:
                answers.append(decode(task) if "decode" in task else encode(task))
            except Exception as error:
                answers.append({"refused": repr(error)})
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
