"""One Modbus request to any unit of a line, for a person who wants to know what answers there.

Rule: only what reads is sent. A request that could change anything in a device is refused, whoever asks.
"""

from __future__ import annotations

from collections.abc import Awaitable

from edge_agent.control import LineUnavailable, NotAsked
from edge_agent.line import LineCorrupt, LineTimeout, PartySuspect
from edge_agent.poll_worker import PollWorker
from edge_agent.reports import AnswerReport
from edge_agent.workers import Worker
from hal.api import PortError
from protocols.errors import DeviceError
from protocols.modbus.pdu import Request, decode_request, encode_request


async def ask_unit(worker: Worker, unit: int, request: str) -> AnswerReport:
    """What came of the request; raises NotAsked where it is none, LineUnavailable where the port is gone."""
    line = worker.config.id
    if not isinstance(worker, PollWorker):
        raise NotAsked(line=line, evidence=f"a {worker.config.protocol} line carries no Modbus")
    try:
        return await outcome_of(worker.ask(unit, _read_only(request)))
    except ValueError as error:
        raise NotAsked(line=line, evidence=str(error)) from error
    except PortError as error:
        raise LineUnavailable(line=line, evidence=error.text) from error


async def outcome_of(asking: Awaitable[bytes]) -> AnswerReport:
    """What came of a request that is under way; PortError and ValueError pass."""
    try:
        data = await asking
    except PartySuspect as error:
        return AnswerReport("suspect", "", 0, str(error))
    except LineTimeout as error:
        return AnswerReport("silent", "", 0, str(error))
    except LineCorrupt as error:
        return AnswerReport("corrupt", "", 0, str(error))
    except DeviceError as error:
        return AnswerReport("refused", "", error.device_code, error.text)
    return AnswerReport("answered", data.hex(), 0, "")


def _read_only(text: str) -> Request:
    """The request that the PDU stands for; ValueError for all that does not merely read."""
    pdu = bytes.fromhex(text)
    request = decode_request(pdu) if pdu else None
    if request is None:
        raise ValueError("only functions 1 to 4, 17 and 43/14 are sent: all others may change something")
    encode_request(request)  # ValueError for one that no device may answer
    return request
