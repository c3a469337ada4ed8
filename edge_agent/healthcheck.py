"""`edge-agent healthcheck`: does the running agent answer? For container engines and installers."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

TIMEOUT_S = 5.0
REPLY_BYTES_MAX = 4 * 1024 * 1024
_CALL = b'{"method":"io.edgegateway.Agent.Status"}\0'


async def ask_health(socket: Path) -> tuple[bool, str]:
    """Whether the agent answered within `TIMEOUT_S`, and a line for people."""
    try:
        status = await ask_status(socket)
    except (
        OSError,
        TimeoutError,
        asyncio.IncompleteReadError,
        asyncio.LimitOverrunError,
        ValueError,
    ) as error:
        reason = str(error) or f"no answer within {TIMEOUT_S:.0f} s"
        return False, f"unhealthy: the agent at {socket} does not answer ({reason})"
    faults = len(status["faults"])
    return True, f"healthy: {status['gateway']}, up {status['uptime_ms'] // 1000} s, {faults} faults"


async def ask_status(socket: Path) -> dict[str, Any]:
    """The running agent's StatusReport as JSON; OSError, TimeoutError or ValueError where there is none."""
    async with asyncio.timeout(TIMEOUT_S):
        reader, writer = await asyncio.open_unix_connection(str(socket), limit=REPLY_BYTES_MAX)
        try:
            writer.write(_CALL)
            reply = json.loads((await reader.readuntil(b"\0"))[:-1])
        finally:
            writer.close()
    status = reply.get("parameters", {}).get("status")
    if isinstance(status, dict):
        return status
    raise ValueError(str(reply.get("error", "no status in the answer")))
