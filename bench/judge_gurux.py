"""gurux-dlms measuring itself, run by the Python of .venv-judge: a push in, seconds a decode out."""

from __future__ import annotations

import contextlib
import json
import sys
import time

from gurux_dlms import GXByteBuffer, GXReplyData
from gurux_dlms.enums import Security
from gurux_dlms.secure import GXDLMSSecureClient

BUDGET_S = 1.0


def decode(task: dict[str, str]) -> None:
    client = GXDLMSSecureClient(True)
    if task["key"]:
        client.ciphering.blockCipherKey = bytes.fromhex(task["key"])
        client.ciphering.authenticationKey = bytes.fromhex(task["authentication_key"])
        client.ciphering.security = Security.AUTHENTICATION_ENCRYPTION
    stream = GXByteBuffer(bytes.fromhex(task["telegram"]))
    reply, notify = GXReplyData(), GXReplyData()
    client.getData(stream, reply, notify)
    if not notify.value:
        raise RuntimeError("gurux did not understand the telegram")


def seconds_each(task: dict[str, str]) -> float:
    decode(task)
    count, started_s = 0, time.perf_counter()
    while (spent_s := time.perf_counter() - started_s) < BUDGET_S:
        decode(task)
        count += 1
    return spent_s / count


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):
        answers = [seconds_each(task) for task in json.load(sys.stdin)]
    json.dump(answers, sys.stdout)
