"""The MQTT session against a real broker: bounds, resending, the gateway's turn, messages from below."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from config.model import UplinkConfig
from edge_agent.buffer.buffer import Buffer
from edge_agent.clock import BootClock
from edge_agent.faults import Faults
from edge_agent.uplink.session import Session
from edge_agent.uplink.tls import client_context
from hal.storage import FolderStorage
from protocols.uplink.cbor import decode_message, encode_message
from protocols.uplink.cose import Signer, verify
from protocols.uplink.messages import Receipt
from tests.buffer.rig import KEY, SERIES, TABLE, HandClock, readings, settings
from tests.world.broker import Mosquitto
from tests.world.gateway import wait_until
from tests.world.pki import Pki, make_pki

BACKEND_KEY = Ed25519PrivateKey.from_private_bytes(bytes(reversed(range(32))))
WAIT_S = 15.0


class Gateway:
    """A buffer and its session, against one broker, heard by one subscriber."""

    def __init__(self, buffer: Buffer, session: Session, faults: Faults, heard: asyncio.Queue[bytes]) -> None:
        self.buffer = buffer
        self.session = session
        self.faults = faults
        self.heard = heard

    async def hear(self, count: int) -> list[tuple[int, int]]:
        """(stream, sequence) of the next messages, verified, in order of arrival."""
        async with asyncio.timeout(WAIT_S):
            data = [await self.heard.get() for _ in range(count)]
        contents = [decode_message(verify(item, KEY.public_key())) for item in data]
        return [(content.stream, content.sequence) for content in contents]  # type: ignore[union-attr]


@contextlib.asynccontextmanager
async def open_gateway(
    folder: Path, broker: Mosquitto, pki: Pki, *, spread: bool = False
) -> AsyncIterator[Gateway]:
    config = UplinkConfig(
        url=f"mqtts://localhost:{broker.port}",
        ca=str(pki.ca),
        certificate=str(pki.gateway.certificate),
        key=str(pki.gateway.key),
        backend_key="",
        batch_interval_s=900,
        spread=spread,
    )
    clock = HandClock()
    faults = Faults(clock.boot_ms)
    buffer_folder = folder / "buffer"
    buffer_folder.mkdir(exist_ok=True)
    storage = FolderStorage(buffer_folder)
    buffer = await Buffer.open(settings(), storage, Signer(KEY), BootClock(storage, clock), faults, TABLE)
    session = Session(
        config,
        gateway="du-test-01",
        key_id=Signer(KEY).key_id,
        make_context=lambda: client_context(pki.ca, pki.gateway.certificate, pki.gateway.key),
        backend_key=BACKEND_KEY.public_key(),
        buffer=buffer,
        faults=faults,
        seed=random.Random(1),
        learn_time=lambda utc_ms: None,
    )
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    async with listener(broker, pki, heard):
        task = asyncio.create_task(session.run())
        try:
            yield Gateway(buffer, session, faults, heard)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await buffer.close()


@contextlib.asynccontextmanager
async def listener(broker: Mosquitto, pki: Pki, heard: asyncio.Queue[bytes]) -> AsyncIterator[aiomqtt.Client]:
    """A subscriber to everything that goes up; publishes what should go down."""
    context = client_context(pki.ca, pki.backend.certificate, pki.backend.key)
    async with aiomqtt.Client("localhost", broker.port, tls_context=context) as client:
        await client.subscribe("edge/v1/+/up", qos=1)

        async def hear() -> None:
            async for message in client.messages:
                assert isinstance(message.payload, bytes)
                heard.put_nowait(message.payload)

        task = asyncio.create_task(hear())
        try:
            yield client
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def add_events(buffer: Buffer, count: int) -> None:
    for number in range(count):
        await buffer.add_event("test", f"subject {number}", {})


async def test_everything_arrives_once_through_a_broker_that_stands_two_in_flight(tmp_path: Path) -> None:
    pki = make_pki(tmp_path / "pki")
    with Mosquitto(tmp_path, pki, extra="max_inflight_messages 2") as broker:
        async with open_gateway(tmp_path, broker, pki) as gateway:
            await add_events(gateway.buffer, 40)
            heard = await gateway.hear(40)
            assert [sequence for _, sequence in heard] == list(range(40))
            statistics = gateway.session.statistics()
            assert statistics.sessions == 1
            assert statistics.connected


async def test_what_had_no_puback_when_the_broker_died_is_sent_again(tmp_path: Path) -> None:
    pki = make_pki(tmp_path / "pki")
    broker = Mosquitto(tmp_path, pki)
    with broker:
        async with open_gateway(tmp_path, broker, pki) as gateway:
            await add_events(gateway.buffer, 3)
            await gateway.hear(3)
            broker.kill()
            await add_events(gateway.buffer, 5)
            broker.start()
            async with listener(broker, pki, gateway.heard):
                heard = {sequence for _, sequence in await gateway.hear(5)}
            assert heard >= set(range(3, 8))


async def test_a_sealed_batch_waits_for_this_gateways_turn_and_an_event_does_not(tmp_path: Path) -> None:
    pki = make_pki(tmp_path / "pki")
    with Mosquitto(tmp_path, pki) as broker:
        async with open_gateway(tmp_path, broker, pki, spread=True) as gateway:
            await add_events(gateway.buffer, 1)
            await gateway.hear(1)
            gateway.buffer.record(readings(1_000_000))
            await gateway.buffer.seal_now()
            await add_events(gateway.buffer, 1)
            assert len(await gateway.hear(1)) == 1  # the event, though two messages were before it
            assert gateway.heard.empty()
            gateway.session.hurry()
            await add_events(gateway.buffer, 1)
            assert len(await gateway.hear(3)) == 3


async def test_a_receipt_frees_and_a_forged_one_only_raises_a_fault(tmp_path: Path) -> None:
    pki = make_pki(tmp_path / "pki")
    with Mosquitto(tmp_path, pki) as broker:
        async with open_gateway(tmp_path, broker, pki) as gateway:
            gateway.buffer.record(readings(1_000_000))
            await gateway.buffer.seal_now()
            ((stream, _), _) = await gateway.hear(2)
            receipt = encode_message(Receipt(1, 1, stream, 1, (), (), 100, 0))
            async with listener(broker, pki, asyncio.Queue()) as backend:
                down = "edge/v1/du-test-01/down"
                await backend.publish(down, Signer(KEY).sign(receipt), qos=1)
                await wait_until(lambda: gateway.session.statistics().downlinks_refused == 1)
                assert [fault.code for fault in gateway.faults.present()] == ["uplink.receipt"]
                assert gateway.buffer.statistics().messages_acknowledged == 0
                await backend.publish(down, Signer(BACKEND_KEY).sign(receipt), qos=1)
                await wait_until(lambda: gateway.buffer.statistics().messages_acknowledged == 2)
                other = encode_message(Receipt(1, 2, stream ^ 1, 9, (), (), 100, 0))  # of another stream
                await backend.publish(down, Signer(BACKEND_KEY).sign(other), qos=1)
                await backend.publish(down, Signer(KEY).sign(other), qos=1)
                await wait_until(lambda: gateway.session.statistics().downlinks_refused == 2)
            assert gateway.session.statistics().held_to == 1
    assert SERIES == 6  # what one batch of this table carries
