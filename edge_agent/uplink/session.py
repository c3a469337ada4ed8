"""The MQTT session: sealed messages up, receipts and requests down.

Rules:
- The outbox is the only queue. Whatever had no PUBACK when a session ended is still unsent there.
- PUBACK is not custody (UPLINK.md, section 2): it moves a message to "published"; a receipt frees it.
- At most `IN_FLIGHT_MAX` publishes wait for their PUBACK, or as many as the broker says it stands.
- Batches that were just sealed wait for this gateway's turn within the interval; nothing else waits.
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from config.model import UplinkConfig
from edge_agent.faults import FaultCode, Faults
from edge_agent.lean import without_http
from edge_agent.supervise import Backoff, supervise
from edge_agent.uplink.mqtt import MakeClient, MqttClient
from edge_agent.uplink.tls import explain, probe
from protocols.errors import ProtocolError
from protocols.uplink.cbor import decode_message
from protocols.uplink.cose import PublicKey, verify
from protocols.uplink.messages import Message, MessageType, Receipt, Request

with without_http():
    import aiomqtt
    from aiomqtt.exceptions import MqttConnectError

if TYPE_CHECKING:
    from edge_agent.buffer.buffer import Buffer, OutboxMessage
    from edge_agent.streams import Streams

IN_FLIGHT_MAX = 16
PUBACK_TIMEOUT_S = 60.0
CONNECT_TIMEOUT_S = 60.0
DOWN_QUEUE_MAX = 64
RECEIVE_MAXIMUM_DEFAULT = 65_535  # MQTT 5, 3.2.2.3.3
RECONNECT_FIRST_S = 1.0
RECONNECT_LAST_S = 300.0
SPREAD_SHARE = 0.25
SPREAD_S_MAX = 225.0

_SPREAD_TYPES = (MessageType.BATCH, MessageType.DICTIONARY)
_FAULTS = tuple(code for code in FaultCode if code.value.startswith("uplink."))
_ANSWERS = (  # what only somebody at the far end can cause: the way there is good
    FaultCode.UPLINK_REFUSED,
    FaultCode.UPLINK_CERTIFICATE,
    FaultCode.UPLINK_HOST_NAME,
    FaultCode.UPLINK_CLIENT_CERTIFICATE,
    FaultCode.UPLINK_REJECTED,
)
log = logging.getLogger(__name__)


class SessionLost(Exception):
    """The session could not be made or ended; `fault` says which condition holds."""

    def __init__(self, fault: FaultCode, text: str) -> None:
        super().__init__(text)
        self.fault = fault
        self.text = text


@dataclass(frozen=True, slots=True)
class LinkStatistics:
    """Event-loop times in seconds (None: never), and counts since the agent started."""

    connected: bool
    state_since_s: float | None
    last_error: str
    last_puback_s: float | None
    last_receipt_s: float | None
    held_to: int | None
    messages_published: int
    bytes_published: int
    sessions: int
    downlinks_refused: int
    last_answer_s: float | None = None  # the broker or its host said something, be it no
    last_try_s: float | None = None  # to connect


class _Client(aiomqtt.Client):
    """aiomqtt's client, which also tells what the broker stands (neither it nor paho looks at that), and
    knows at once when the broker will not have it."""

    receive_maximum = RECEIVE_MAXIMUM_DEFAULT

    def _on_connect(
        self, client: Any, userdata: Any, flags: Any, reason_code: Any, properties: Any = None
    ) -> None:
        self.receive_maximum = getattr(properties, "ReceiveMaximum", RECEIVE_MAXIMUM_DEFAULT)
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_disconnect(
        self, client: Any, userdata: Any, flags: Any, reason_code: Any, properties: Any = None
    ) -> None:
        # Closed before CONNACK, as when a broker refuses the certificate: aiomqtt would wait for its timeout.
        if not self._connected.done():
            self._connected.set_exception(aiomqtt.MqttError("the broker closed the connection"))
        super()._on_disconnect(client, userdata, flags, reason_code, properties)


class Session:
    """Keeps one MQTT session to the broker, for ever."""

    def __init__(
        self,
        config: UplinkConfig,
        *,
        gateway: str,
        key_id: bytes,
        make_context: Callable[[], ssl.SSLContext] | None,
        backend_key: PublicKey | None,
        buffer: Buffer | Streams,
        faults: Faults,
        seed: random.Random,
        learn_time: Callable[[int], None],
        make_client: MakeClient | None = None,
    ) -> None:
        """`make_context`: the TLS context of one connection, by what is known of the time then; None: no TLS.
        `learn_time` is told the time (UTC in ms since 1970) of each verified receipt. `make_client`: None for
        a real network."""
        self._config = config
        self._gateway = gateway
        self._broker = urlsplit(config.url)
        self._port = self._broker.port or (8883 if make_context else 1883)
        self._make_context = make_context
        self._learn_time = learn_time
        self._make_client = make_client or self._client
        self._backend_key = backend_key
        self._buffer = buffer
        self._faults = faults
        self._backoff = Backoff(RECONNECT_FIRST_S, RECONNECT_LAST_S, seed)
        self._in_flight: dict[tuple[int, int], asyncio.Task[None]] = {}
        self._spread_s = _spread_s(key_id, config.batch_interval_s) if config.spread else 0.0
        self._batches_from_s = 0.0
        self._caught_up = False
        self._connected = False
        self._state_since_s: float | None = None
        self._last_error = ""
        self._last_puback_s: float | None = None
        self._last_receipt_s: float | None = None
        self._held_to: int | None = None
        self._messages_published = 0
        self._bytes_published = 0
        self._sessions = 0
        self._downlinks_refused = 0
        self._last_answer_s: float | None = None
        self._last_try_s: float | None = None

    @property
    def broker(self) -> str:
        """Where this session goes, for people."""
        return f"{self._broker.hostname}:{self._port}"

    def statistics(self) -> LinkStatistics:
        """What happened so far."""
        return LinkStatistics(
            self._connected,
            self._state_since_s,
            self._last_error,
            self._last_puback_s,
            self._last_receipt_s,
            self._held_to,
            self._messages_published,
            self._bytes_published,
            self._sessions,
            self._downlinks_refused,
            self._last_answer_s,
            self._last_try_s,
        )

    def hurry(self) -> None:
        """Send what is sealed without waiting for this gateway's turn."""
        self._batches_from_s = 0.0

    async def run(self) -> None:
        """Connect, serve, and connect again; ends only by cancellation or a bug."""
        await supervise(
            self._serve,
            operating_errors=SessionLost,
            on_failure=self._tell_loss,
            backoff=self._backoff,
        )

    async def wait_drained(self) -> None:
        """Return when nothing is unsent or in flight."""
        while self._in_flight or await self._buffer.next_messages(1, set()):
            tasks = list(self._in_flight.values())
            if tasks:
                await asyncio.wait(tasks)
            else:
                await asyncio.sleep(0.05)

    def _tell_loss(self, error: SessionLost) -> None:
        self._last_error = error.text
        if error.fault in _ANSWERS:
            self._last_answer_s = asyncio.get_running_loop().time()
        self._faults.raise_(error.fault, "uplink", error.text)
        log.warning("uplink: %s", error.text)

    async def _serve(self) -> None:
        context: ssl.SSLContext | None = None
        self._last_try_s = asyncio.get_running_loop().time()
        try:
            context = self._make_context() if self._make_context else None
            client = self._make_client(context)
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await client.__aenter__()
        except (aiomqtt.MqttError, OSError, ValueError) as error:
            raise await self._diagnose(error, context) from error
        self._opened()
        try:
            await self._converse(client)
        except (aiomqtt.MqttError, OSError) as error:  # TimeoutError is one
            raise SessionLost(FaultCode.UPLINK_LOST, f"{self.broker}: session ended ({error})") from error
        finally:
            self._change_state(connected=False)
            await _leave(client)

    def _client(self, context: ssl.SSLContext | None) -> _Client:
        version = self._config.mqtt_version
        return _Client(
            self._broker.hostname or "",
            self._port,
            identifier=self._gateway,
            protocol=aiomqtt.ProtocolVersion.V5 if version == "5" else aiomqtt.ProtocolVersion.V311,
            clean_session=True if version == "3.1.1" else None,
            keepalive=self._config.keepalive_s,
            timeout=CONNECT_TIMEOUT_S / 2,
            max_inflight_messages=IN_FLIGHT_MAX,
            max_queued_incoming_messages=DOWN_QUEUE_MAX,
            tls_context=context,
        )

    def _opened(self) -> None:
        self._change_state(connected=True)
        self._sessions += 1
        self._last_error = ""
        self._backoff.reset()
        self._faults.clear("uplink", _FAULTS)
        log.info("uplink: connected to %s", self.broker)

    def _change_state(self, *, connected: bool) -> None:
        self._connected = connected
        self._state_since_s = asyncio.get_running_loop().time()
        if connected:
            self._last_answer_s = self._state_since_s

    async def _diagnose(self, error: Exception, context: ssl.SSLContext | None) -> SessionLost:
        """Find the reason that MQTT did not give; at most one extra connection for each failed one."""
        cause: BaseException | None = error.__context__ if isinstance(error, aiomqtt.MqttError) else error
        if isinstance(error, MqttConnectError):
            return SessionLost(FaultCode.UPLINK_REJECTED, f"{self.broker}: the broker answered: {error}")
        if not isinstance(cause, OSError) and context is not None:
            host = self._broker.hostname or ""
            cause = await asyncio.to_thread(probe, host, self._port, context) or error
        return SessionLost(*explain(cause, self.broker))

    async def _converse(self, client: MqttClient) -> None:
        await client.subscribe(self._config.topic_down.format(gateway=self._gateway), qos=1)
        sending = asyncio.create_task(self._send_all(client), name="uplink.send")
        receiving = asyncio.create_task(self._receive_all(client), name="uplink.receive")
        tasks: list[asyncio.Task[None]] = [sending, receiving]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            tasks += self._in_flight.values()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._in_flight.clear()

    async def _send_all(self, client: MqttClient) -> None:
        """Keep the line full: ask the outbox for what is next, publish it, wait for room or for news."""
        while True:
            room = min(IN_FLIGHT_MAX, client.receive_maximum) - len(self._in_flight)
            messages = await self._buffer.next_messages(room, self._in_flight)
            self._take_turn(messages)
            sendable = [message for message in messages if self._may_go(message)]
            for message in sendable:
                self._start_publish(client, message)
            await self._wait_for_change(full=room <= len(sendable), held_back=len(messages) > len(sendable))

    def _start_publish(self, client: MqttClient, message: OutboxMessage) -> None:
        key = (message.stream, message.sequence)
        self._in_flight[key] = asyncio.create_task(
            self._publish(client, message), name=f"uplink.publish {key}"
        )

    async def _publish(self, client: MqttClient, message: OutboxMessage) -> None:
        topic = self._config.topic_up.format(gateway=self._gateway)
        await client.publish(topic, message.data, qos=1, timeout=PUBACK_TIMEOUT_S)
        await self._buffer.mark_published(message.stream, message.sequence)
        self._last_puback_s = asyncio.get_running_loop().time()
        self._messages_published += 1
        self._bytes_published += len(message.data)

    def _take_turn(self, messages: Sequence[OutboxMessage]) -> None:
        """Batches that appear when none was waiting are new, and wait for this gateway's turn; a backlog
        does not wait again for each batch that joins it."""
        waiting = any(message.type in _SPREAD_TYPES for message in messages)
        if waiting and self._caught_up:
            self._batches_from_s = asyncio.get_running_loop().time() + self._spread_s
        self._caught_up = not waiting

    def _may_go(self, message: OutboxMessage) -> bool:
        """Whether a message need not wait for this gateway's turn in the interval."""
        return message.type not in _SPREAD_TYPES or asyncio.get_running_loop().time() >= self._batches_from_s

    async def _wait_for_change(self, *, full: bool, held_back: bool) -> None:
        """Return when a publish is done, something new was stored, or held-back batches may go."""
        loop = asyncio.get_running_loop()
        waits: set[asyncio.Task[None]] = set(self._in_flight.values())
        news = None if full else asyncio.create_task(self._buffer.wait_for_messages())
        if news is not None:
            waits.add(news)
        timeout = max(0.0, self._batches_from_s - loop.time()) if held_back else None
        try:
            done, _ = await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if news is not None:
                news.cancel()
        self._settle(done)

    def _settle(self, done: set[asyncio.Task[None]]) -> None:
        for key in [key for key, task in self._in_flight.items() if task in done]:
            self._in_flight.pop(key).result()

    async def _receive_all(self, client: MqttClient) -> None:
        async for message in client.messages:
            payload = message.payload
            if isinstance(payload, bytes):
                await self._take_down(payload)

    async def _take_down(self, data: bytes) -> None:
        """A message from the backend; one that is not its own is counted, said, and forgotten."""
        try:
            content = self._read_down(data)
        except ProtocolError as error:
            self._downlinks_refused += 1
            self._faults.raise_(
                FaultCode.UPLINK_RECEIPT,
                "uplink",
                f"{self._downlinks_refused} messages from below refused: {error}",
            )
            return
        if isinstance(content, Receipt):
            self._last_receipt_s = asyncio.get_running_loop().time()
            self._learn_time(content.time_ms)
            if content.stream == self._buffer.statistics().stream:
                self._held_to = content.held_to
            await self._buffer.apply_receipt(content)
        elif isinstance(content, Request):
            if content.seal_now:
                self.hurry()
            await self._buffer.apply_request(content)

    def _read_down(self, data: bytes) -> Message:
        if self._backend_key is None:
            raise ProtocolError("uplink.key", "no [uplink] backend_key is configured to verify it with")
        return decode_message(verify(data, self._backend_key))


def _spread_s(key_id: bytes, batch_interval_s: int) -> float:
    """This gateway's turn: a fixed share of the first quarter of the interval, from its key id."""
    share = int.from_bytes(key_id[:4], "big") / 2**32
    return share * min(SPREAD_SHARE * batch_interval_s, SPREAD_S_MAX)


async def _leave(client: MqttClient) -> None:
    """Say goodbye where that is possible; a broken session has nobody to say it to."""
    try:
        async with asyncio.timeout(5):
            await client.__aexit__(None, None, None)
    except (aiomqtt.MqttError, OSError) as error:
        log.debug("uplink: no goodbye: %s", error)
