"""An MQTT broker and the network to it, simulated in one process, for worlds on a virtual clock.

Rules that keep it so: it does what brokers do, and no more: PUBACK means that it took a message, and what it
does with it then is as its `Conduct` says (queue, drop, expire, deliver twice). A network that fell silent
tells nobody: who waits for an answer has his own timeout. Everything random comes from one seeded source;
time is the running event loop's.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import NamedTuple, Self

RECEIVE_MAXIMUM = 20  # mosquitto's default
DOWN_MESSAGES_MAX = 64
SUBACK_TIMEOUT_S = 30.0


@dataclass
class Conduct:
    """How the network and the broker behave at present; may be changed at any time.

    `latency_s`: one way, least and most. `reachable`: False refuses, and answers nothing. `drop_share` of
    what was acknowledged never reaches a subscriber, `repeat_share` reaches it twice; `drop_down_share` of
    what goes down gets lost. `queue_max`, `expiry_s`: what is kept for a subscriber that is away, how long.
    """

    latency_s: tuple[float, float] = (0.05, 0.5)
    reachable: bool = True
    drop_share: float = 0.0
    repeat_share: float = 0.0
    drop_down_share: float = 0.0
    queue_max: int = 1_000
    expiry_s: float = 24 * 3600.0


class SimMessage(NamedTuple):
    """A message as a client gets it."""

    topic: str
    payload: bytes


@dataclass
class Tally:
    """What became of messages, for a report."""

    taken: int = 0
    dropped: int = 0
    repeated: int = 0
    expired: int = 0
    overflowed: int = 0
    lost_down: int = 0


class SimBroker:
    """`subscriber` gets what clients publish, as (topic, payload); None: it is away, and the queue fills."""

    def __init__(self, chance: random.Random) -> None:
        self.conduct = Conduct()
        self.tally = Tally()
        self._chance = chance
        self._subscriber: Callable[[str, bytes], None] | None = None
        self._queue: deque[tuple[float, SimMessage]] = deque()
        self._clients: set[SimClient] = set()

    def client(self) -> SimClient:
        """A client that is not connected yet."""
        return SimClient(self)

    def latency_s(self) -> float:
        """Of the next packet."""
        return self._chance.uniform(*self.conduct.latency_s)

    def meets(self, share: float) -> bool:
        """Whether something that happens to such a share of all happens now."""
        return self._chance.random() < share

    # The network

    def cut(self, *, silent: bool) -> None:
        """All connections are gone. `silent`: nobody is told, answers just do not come any more."""
        clients, self._clients = self._clients, set()
        for client in clients:
            client.lose(silent=silent)

    def join(self, client: SimClient) -> None:
        """A client connected."""
        self._clients.add(client)

    def leave(self, client: SimClient) -> None:
        """A client is gone, with or without a word."""
        self._clients.discard(client)

    # Up

    def take(self, topic: str, payload: bytes) -> None:
        """A publish has arrived, and is acknowledged from now on; what follows is this broker's secret."""
        self.tally.taken += 1
        if self.meets(self.conduct.drop_share):
            self.tally.dropped += 1
            return
        copies = 1 + self.meets(self.conduct.repeat_share)
        self.tally.repeated += copies - 1
        for _ in range(copies):
            delay_s = self.latency_s()
            asyncio.get_running_loop().call_later(delay_s, self._bring, SimMessage(topic, payload))

    def subscribe(self, subscriber: Callable[[str, bytes], None] | None) -> None:
        """Whoever takes what goes up is there, or away (None). What waited comes first."""
        self._subscriber = subscriber
        now_s = asyncio.get_running_loop().time()
        while subscriber is not None and self._queue:
            since_s, message = self._queue.popleft()
            if now_s - since_s > self.conduct.expiry_s:
                self.tally.expired += 1
            else:
                subscriber(*message)

    def _bring(self, message: SimMessage) -> None:
        if self._subscriber is not None:
            self._subscriber(*message)
        elif len(self._queue) < self.conduct.queue_max:
            self._queue.append((asyncio.get_running_loop().time(), message))
        else:
            self.tally.overflowed += 1

    # Down

    def send_down(self, topic: str, payload: bytes) -> None:
        """To the clients that are subscribed to this topic now; clean sessions leave no queue behind."""
        listening = [client for client in self._clients if topic in client.topics]
        if not listening or self.meets(self.conduct.drop_down_share):
            self.tally.lost_down += 1
            return
        for client in listening:
            message = SimMessage(topic, payload)
            asyncio.get_running_loop().call_later(self.latency_s(), client.bring, message)


@dataclass(eq=False)
class SimClient:
    """One connection to a SimBroker, with the methods of an aiomqtt client. Errors are OSErrors."""

    broker: SimBroker
    receive_maximum: int = RECEIVE_MAXIMUM
    topics: set[str] = field(default_factory=set)
    _connected: bool = False
    _waiting: set[asyncio.Future[None]] = field(default_factory=set)
    _incoming: asyncio.Queue[SimMessage | None] = field(
        default_factory=lambda: asyncio.Queue(DOWN_MESSAGES_MAX + 1)
    )

    async def __aenter__(self) -> Self:
        await asyncio.sleep(2 * self.broker.latency_s())
        if not self.broker.conduct.reachable:
            raise ConnectionRefusedError("simulated: no way to the broker")
        self._connected = True
        self.broker.join(self)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._connected = False
        self.broker.leave(self)

    async def subscribe(self, topic: str, qos: int) -> None:  # noqa: ARG002  (always 1)
        """See edge_agent.uplink.mqtt."""
        async with asyncio.timeout(SUBACK_TIMEOUT_S):
            await self._answer(lambda: self.topics.add(topic))

    async def publish(
        self,
        topic: str,
        payload: bytes,
        qos: int,  # noqa: ARG002  (always 1)
        *,
        timeout: float,  # noqa: ASYNC109  (aiomqtt's)
    ) -> None:
        """See edge_agent.uplink.mqtt."""
        async with asyncio.timeout(timeout):
            await self._answer(lambda: self.broker.take(topic, payload))

    async def _answer(self, arrive: Callable[[], object]) -> None:
        """The broker does its part when the packet arrives; its answer comes later, or never. A link that is
        lost in between has done the one without the other."""
        loop = asyncio.get_running_loop()
        answer = loop.create_future()
        self._waiting.add(answer)
        there_s = self.broker.latency_s()
        loop.call_later(there_s, self._arrive, arrive)
        loop.call_later(there_s + self.broker.latency_s(), self._settle, answer)
        try:
            await answer
        finally:
            self._waiting.discard(answer)

    def _arrive(self, arrive: Callable[[], object]) -> None:
        if self._connected:
            arrive()

    def _settle(self, answer: asyncio.Future[None]) -> None:
        if self._connected and not answer.done():
            answer.set_result(None)

    def lose(self, *, silent: bool) -> None:
        """The connection is gone; unless `silent`, everybody who waits hears of it."""
        self._connected = False
        if silent:
            return
        for answer in self._waiting:
            if not answer.done():
                answer.set_exception(ConnectionResetError("simulated: the connection was reset"))
        self._put(None)

    def bring(self, message: SimMessage) -> None:
        """A message has come down."""
        if self._connected and self._incoming.qsize() < DOWN_MESSAGES_MAX:
            self._put(message)

    def _put(self, item: SimMessage | None) -> None:
        if not self._incoming.full():
            self._incoming.put_nowait(item)

    @property
    def messages(self) -> AsyncIterator[SimMessage]:
        """See edge_agent.uplink.mqtt."""
        return self._messages()

    async def _messages(self) -> AsyncIterator[SimMessage]:
        while (item := await self._incoming.get()) is not None:
            yield item
        raise ConnectionResetError("simulated: the connection was reset")
