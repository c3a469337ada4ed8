"""What the session asks of an MQTT client: the seam behind which a network may be simulated.

Two implementations: aiomqtt's, as `session.py` makes it, and `hal.sim.broker.SimClient`. Whatever goes wrong
with the connection is an aiomqtt.MqttError or an OSError (TimeoutError among them) here.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Protocol


class DownMessage(Protocol):
    """A message that the broker brought."""

    @property
    def payload(self) -> object:
        """Bytes, or what is of no use here."""


class MqttClient(Protocol):
    """One connection, from `__aenter__` to `__aexit__`."""

    @property
    def receive_maximum(self) -> int:
        """How many publishes the broker stands without PUBACK; known once connected."""

    @property
    def messages(self) -> AsyncIterator[DownMessage]:
        """What comes in on the subscribed topics; ends with an error when the connection is lost."""

    async def __aenter__(self) -> object:
        """Connect; return when the broker has let us in."""

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> bool | None:
        """Say goodbye where the connection still stands."""

    async def subscribe(self, topic: str, qos: int) -> object:
        """Return when the broker has taken the subscription."""

    async def publish(
        self,
        topic: str,
        payload: bytes,
        qos: int,
        *,
        timeout: float,  # noqa: ASYNC109  (aiomqtt's own)
    ) -> None:
        """Return with the PUBACK, `timeout` seconds later at most."""


MakeClient = Callable[[ssl.SSLContext | None], MqttClient]
"""A client for one connection, under this TLS context."""
