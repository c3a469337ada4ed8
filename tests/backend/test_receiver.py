"""The receiver as a process against a real broker: TLS, client certificates, kills."""

from __future__ import annotations

import json
import queue
import sqlite3
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from cryptography.hazmat.primitives import serialization
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from protocols.uplink import cbor, cose
from protocols.uplink.messages import Receipt, Request
from tests.backend.gateway import STREAM, Gateway, minute_slots
from tests.world.broker import MOSQUITTO, Mosquitto
from tests.world.pki import Pki, make_pki

pytestmark = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")

DEADLINE_S = 20.0
GATEWAY_ID = "gw-1"
UP, DOWN = f"edge/v1/{GATEWAY_ID}/up", f"edge/v1/{GATEWAY_ID}/down"


def wait_until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, f"not within {DEADLINE_S} s: {what}"
        time.sleep(0.02)


class World:
    """A folder with keys and a store, a broker, and a gateway that is trusted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pki: Pki = make_pki(folder / "pki")
        self.broker = Mosquitto(folder / "broker", self.pki)
        self.gateway = Gateway()
        self.store = folder / "store.sqlite"
        self.log = folder / "receiver.log"
        public = folder / "gateway.pub"
        public.write_bytes(
            self.gateway.public_key.public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        backend("keygen", folder / "signing.key")
        backend("trust", GATEWAY_ID, public, "--store", self.store)
        public_pem = (folder / "signing.key.pub").read_bytes()
        self.backend_key: cose.PublicKey = serialization.load_pem_public_key(public_pem)  # type: ignore[assignment]

    @contextmanager
    def receiver(self, *more: str) -> Iterator[subprocess.Popen[bytes]]:
        """A running receiver that has subscribed."""
        lines = self._subscriptions()
        with self.log.open("ab") as log:
            process = subprocess.Popen(self._command(*more), stdout=log, stderr=log)
        try:
            wait_until(lambda: self._subscriptions() > lines, f"subscription; {self.log.read_text()}")
            yield process
        finally:
            process.kill()
            process.wait()

    def _command(self, *more: str) -> list[str]:
        identity = self.pki.backend
        return [
            *(sys.executable, "-m", "backend.main", "receive", "--broker", self.broker.url),
            *("--ca", str(self.pki.ca), "--certificate", str(identity.certificate)),
            *("--key", str(identity.key), "--store", str(self.store)),
            *("--signing-key", str(self.folder / "signing.key"), "--receipt-interval", "0.2", *more),
        ]

    def _subscriptions(self) -> int:
        return self.log.read_text().count("INFO receiving") if self.log.exists() else 0

    def status(self) -> dict:
        return json.loads(backend("status", "--store", self.store, "--json"))

    @contextmanager
    def link(self) -> Iterator[Link]:
        link = Link(self)
        try:
            yield link
        finally:
            link.client.loop_stop()
            link.client.disconnect()


class Link:
    """The gateway's end of the link."""

    def __init__(self, world: World) -> None:
        self.downlinks: queue.Queue[bytes] = queue.Queue()
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        context = ssl.create_default_context(cafile=world.pki.ca)
        context.load_cert_chain(*world.pki.gateway)
        self.client.tls_set_context(context)
        self.client.on_message = lambda _, __, message: self.downlinks.put(bytes(message.payload))
        self.client.on_connect = lambda client, *_: client.subscribe(DOWN, 1)
        ready: queue.Queue[None] = queue.Queue()
        self.client.on_subscribe = lambda *_: ready.put(None)
        self.client.connect("127.0.0.1", world.broker.port)
        self.client.loop_start()
        ready.get(timeout=DEADLINE_S)
        self._key = world.backend_key

    def publish(self, data: bytes) -> None:
        self.client.publish(UP, data, qos=1).wait_for_publish(DEADLINE_S)

    def wait_request(self) -> Request:
        while True:
            content = cbor.decode_message(cose.verify(self.downlinks.get(timeout=DEADLINE_S), self._key))
            if isinstance(content, Request):
                return content

    def wait_receipt(self, matches: Callable[[Receipt], bool]) -> Receipt:
        while True:
            content = cbor.decode_message(cose.verify(self.downlinks.get(timeout=DEADLINE_S), self._key))
            assert isinstance(content, Receipt)
            if matches(content):
                return content


def backend(*arguments: object) -> str:
    command = [sys.executable, "-m", "backend.main", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    with world.broker:
        yield world


def test_messages_are_stored_and_answered_with_verifiable_receipts(world: World) -> None:
    gateway = world.gateway
    with world.receiver() as receiver, world.link() as link:
        link.publish(gateway.batch(minute_slots(0, 2), sequence=1))
        first = link.wait_receipt(lambda receipt: bool(receipt.ranges))
        assert (first.stream, first.held_to, first.ranges) == (STREAM, -1, ((1, 1),))
        assert len(first.dictionaries_wanted) == 1
        link.publish(b"garbage")
        link.publish(gateway.dictionary(sequence=0))
        second = link.wait_receipt(lambda receipt: receipt.held_to == 1)
        assert second.counter > first.counter
        assert second.dictionaries_wanted == ()
        link.publish(gateway.event("receipt.wanted"))
        assert link.wait_receipt(lambda receipt: receipt.held_to == 2)
        receiver.terminate()
        assert receiver.wait(DEADLINE_S) == 0
    status = world.status()
    assert (status["readings"], status["duplicates"]) == (2, 0)
    assert status["verdicts"] == {"accepted": 2, "undecoded": 1, "malformed": 1}
    rows = json.loads(backend("export", "--store", world.store, "--json"))
    assert [row["value"] for row in rows] == ["1.000", "1.001"]
    assert backend("export", "--store", world.store, "--csv").count("\n") == 3


def test_a_message_is_acknowledged_only_after_the_commit(world: World) -> None:
    """The store is locked, so the receiver has the message but cannot commit when it is killed."""
    with world.receiver() as receiver, world.link() as link:
        lock = sqlite3.connect(world.store, isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        link.publish(world.gateway.dictionary())
        wait_until(lambda: "Sending PUBLISH to edge-backend" in world.broker.log(), "delivery")
        receiver.kill()
        receiver.wait()
        lock.execute("ROLLBACK")
        lock.close()
    assert "Received PUBACK from edge-backend" not in world.broker.log()
    assert world.status()["streams"] == []
    with world.receiver():
        wait_until(lambda: world.status()["verdicts"] == {"accepted": 1}, "redelivery")
        wait_until(lambda: "Received PUBACK from edge-backend" in world.broker.log(), "acknowledgement")


def test_what_arrives_while_the_receiver_is_down_waits_at_the_broker(world: World) -> None:
    with world.link() as link:
        with world.receiver():
            link.publish(world.gateway.dictionary())
            link.wait_receipt(lambda receipt: receipt.held_to == 0)
        link.publish(world.gateway.batch(minute_slots(0, 5)))
        with world.receiver():
            link.wait_receipt(lambda receipt: receipt.held_to == 1)
    assert world.status()["readings"] == 5


def test_what_a_person_asks_for_reaches_the_gateway_under_growing_counters(world: World) -> None:
    with world.link() as link:
        with world.receiver():
            link.publish(world.gateway.batch(minute_slots(0, 5), sequence=1))
            receipt = link.wait_receipt(lambda receipt: bool(receipt.ranges))
            backend("request", GATEWAY_ID, "--store", world.store, "--sequences", "0-0", "--now")
            first = link.wait_request()
        backend("request", GATEWAY_ID, "--store", world.store, "--stream", STREAM, "--sequences", "7")
        with world.receiver():  # what was asked while it was down leaves as soon as it is back
            second = link.wait_request()
    assert (first.stream, first.ranges, first.seal_now) == (STREAM, ((0, 0),), True)
    assert first.dictionaries == receipt.dictionaries_wanted
    assert (second.ranges, second.seal_now) == (((7, 7),), False)
    assert receipt.counter < first.counter < second.counter
    with pytest.raises(subprocess.CalledProcessError):
        backend("request", "gw-unknown", "--store", world.store, "--now")


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_the_receiver_comes_back_after_the_broker_was_killed(world: World, version: str) -> None:
    with world.receiver("--mqtt-version", version) as receiver:
        world.broker.kill()
        wait_until(lambda: "connection lost" in world.log.read_text(), "loss seen")
        world.broker.start()
        wait_until(lambda: world._subscriptions() == 2, "subscribed again")
        with world.link() as link:
            link.publish(world.gateway.dictionary())
            link.wait_receipt(lambda receipt: receipt.held_to == 0)
        assert receiver.poll() is None


def test_two_receivers_share_the_work_of_one_store(world: World) -> None:
    with (
        world.receiver("--share", "g", "--client-id", "a"),
        world.receiver("--share", "g", "--client-id", "b"),
        world.link() as link,
    ):
        link.publish(world.gateway.dictionary())
        for minute in range(10):
            link.publish(world.gateway.batch(minute_slots(minute, 1)))
        link.wait_receipt(lambda receipt: receipt.held_to == 10)
    status = world.status()
    verdicts = status["verdicts"]  # a batch may overtake its dictionary: the two work at the same time
    assert (status["readings"], verdicts["accepted"] + verdicts.get("undecoded", 0)) == (10, 11)


def test_what_the_store_could_not_take_is_not_acknowledged_and_comes_again(world: World) -> None:
    with world.receiver(), world.link() as link:
        link.publish(world.gateway.dictionary())
        link.wait_receipt(lambda receipt: receipt.held_to == 0)
        database = sqlite3.connect(world.store, isolation_level=None, timeout=DEADLINE_S)
        database.execute("ALTER TABLE readings RENAME TO hidden")
        link.publish(world.gateway.batch(minute_slots(0, 3)))
        wait_until(lambda: "ERROR store:" in world.log.read_text(), "failure said")
        database.execute("ALTER TABLE hidden RENAME TO readings")
        database.close()
        link.wait_receipt(lambda receipt: receipt.held_to == 1)
    assert (world.status()["readings"], world.status()["verdicts"]) == (3, {"accepted": 2})
