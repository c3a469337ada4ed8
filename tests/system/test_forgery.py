"""Messages that no honest gateway sends, published to a real broker: each is named for what it is."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from edge_agent.agent import KEYS_FOLDER
from edge_agent.identity import KEY_FILE
from edge_agent.uplink.tls import client_context
from protocols.uplink import cbor, cose
from protocols.uplink.messages import Event, Instant
from tests.backend.gateway import STREAM, WALL, minute_slots
from tests.backend.gateway import Gateway as Signing
from tests.world.gateway import Gateway, open_gateway, wait_until


class Forger:
    """Holds the gateway's papers for the broker, and publishes what it likes."""

    def __init__(self, gateway: Gateway, client: aiomqtt.Client) -> None:
        self._gateway = gateway
        self._client = client

    async def publish(self, data: bytes) -> str:
        """The receiver's log lines about the message."""
        before = len(self._gateway.receiver.log())
        await self._client.publish(self._gateway.topic_up, data, qos=1)

        def judged() -> str:
            return next((line for line in self._lines(before) if " bytes=" in line), "")

        return await wait_until(judged, what="the receiver's judgement")  # type: ignore[return-value]

    def _lines(self, start: int) -> list[str]:
        """Whole lines only."""
        return self._gateway.receiver.log()[start:].split("\n")[:-1]


@asynccontextmanager
async def open_forger(folder: Path) -> AsyncIterator[tuple[Gateway, Forger, Signing]]:
    async with open_gateway(folder, lines=[], meters=[], start=("broker", "receiver")) as gateway:
        papers = gateway.pki.gateway
        context = client_context(gateway.pki.ca, papers.certificate, papers.key)
        async with aiomqtt.Client("127.0.0.1", gateway.broker.port, tls_context=context) as client:
            pem = (gateway.state_folder / KEYS_FOLDER / KEY_FILE).read_bytes()
            key = load_pem_private_key(pem, None)
            assert isinstance(key, Ed25519PrivateKey)
            yield gateway, Forger(gateway, client), Signing(key)


def borrow_name(stranger: Signing, own: Signing) -> Signing:
    """The stranger's key under the gateway's key id."""
    forged = copy.copy(stranger)
    forged.signer = copy.copy(stranger.signer)
    forged.signer._protected = own.signer._protected
    return forged


def event(own: Signing, sequence: int, subject: str) -> bytes:
    return own.sign(Event(STREAM, sequence, Instant(1, 5), WALL, "test", subject, {}))


async def test_forged_messages_are_named_for_what_they_are_and_change_nothing(tmp_path: Path) -> None:
    async with open_forger(tmp_path) as (gateway, forger, own):
        place = f"gateway={gateway.settings.id} stream={STREAM}"
        assert f"accepted {place} sequence=0 type=dictionary" in await forger.publish(own.dictionary())
        batch = own.batch(minute_slots(0, 10))
        assert f"accepted {place} sequence=1 type=batch" in await forger.publish(batch)
        before = gateway.readings()
        assert len(before) == 10

        # Replayed: the same bytes once more.
        assert f"duplicate {place} sequence=1" in await forger.publish(batch)
        # Tampered: one bit of the payload, at places from the head to the signature.
        for part in range(1, 8):
            tampered = bytearray(batch)
            tampered[len(batch) * part // 8] ^= 1
            verdict = await forger.publish(bytes(tampered))
            assert "bad-signature" in verdict or "malformed" in verdict, (part, verdict)
        tampered = bytearray(batch)
        tampered[-70] ^= 1  # the payload's last bytes stand before the signature and its head
        assert f"bad-signature gateway={gateway.settings.id} stream=? " in await forger.publish(tampered)
        # A foreign key, under its own name and under ours.
        stranger = Signing()
        assert "unknown-key gateway=? " in await forger.publish(stranger.batch(minute_slots(0, 3)))
        verdict = await forger.publish(borrow_name(stranger, own).event("alarm"))
        assert f"bad-signature gateway={gateway.settings.id}" in verdict
        # A sequence that was used, with other bytes under the right key.
        verdict = await forger.publish(event(own, 1, "another"))
        assert f"clone {place} sequence=1" in verdict
        assert "ERROR" in verdict
        # A hole: 2 is left out.
        assert f"accepted {place} sequence=3" in await forger.publish(event(own, 3, "after the hole"))

        assert gateway.readings() == before
        status = gateway.store_status()
        assert {name: status["verdicts"][name] for name in ("accepted", "duplicate", "clone")} == {
            "accepted": 3,
            "duplicate": 1,
            "clone": 1,
        }
        assert status["verdicts"]["unknown-key"] == 1
        assert status["verdicts"]["bad-signature"] >= 2
        (stream,) = status["streams"]
        assert stream["held_to"] == 1
        assert stream["holes"] == [{"first": 2, "last": 2, "explained": False}]

        # The missing message closes the hole.
        assert f"accepted {place} sequence=2" in await forger.publish(event(own, 2, "late"))
        assert gateway.store_status()["streams"][0]["holes"] == []


async def test_rubbish_on_the_topic_is_refused_and_the_receiver_lives_on(tmp_path: Path) -> None:
    async with open_forger(tmp_path) as (gateway, forger, own):
        for rubbish in (b"", b"\xd2", b"hello", b"\xff" * 20_000, own.dictionary()[:-1]):
            assert "malformed" in await forger.publish(rubbish)
        assert "accepted" in await forger.publish(own.dictionary(sequence=0))
        payload = cbor.encode_message(Event(STREAM, 1, Instant(1, 5), WALL, "test", "last", {}))
        assert "accepted" in await forger.publish(cose.Signer(own.signer._key).sign(payload))
        assert gateway.receiver.running
