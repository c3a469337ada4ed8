"""Walks the chain of a SunSpec device's models over a line.

Rules:
- What the device refuses is an answer (there is nothing at that register); that it is busy or silent is none,
  and ends the walk.
- Whatever keeps the models from being known is one error for the caller: the device answered, and does not
  have what its profile wants.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from protocols.errors import DeviceError, ProtocolError
from protocols.modbus.pdu import ACKNOWLEDGED, BUSY, ReadRequest
from protocols.sunspec import Model, Walk

Ask = Callable[[ReadRequest], Awaitable[bytes]]


async def discover(walk: Walk, ask: Ask) -> tuple[Model, ...]:
    """The models that the walk finds.

    DeviceError("sunspec...") where there are none, or not the right ones; DeviceError as sent where the
    device is busy. Whatever else `ask` raises.
    """
    try:
        read = next(walk)
        while True:
            read = walk.send(await _answer(read, ask))
    except StopIteration as end:
        models: tuple[Model, ...] = end.value
        return models
    except DeviceError:
        raise
    except ProtocolError as error:
        raise DeviceError(error.code, error.text, 0) from error
    finally:
        walk.close()


async def _answer(read: ReadRequest, ask: Ask) -> bytes | None:
    try:
        return await ask(read)
    except DeviceError as error:
        if error.device_code in (ACKNOWLEDGED, BUSY):
            raise
        return None
