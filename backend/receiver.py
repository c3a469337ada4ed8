"""Between the broker and the store: one thread, paho-mqtt with acknowledgement by hand.

Rules: PUBACK leaves after the store's commit and never before; every message is acknowledged once it is
judged, the refused ones too (they are kept and counted; redelivery would not mend them). The session at
the broker is persistent, so what arrives while the receiver is down waits there. A store that fails
drops the connection: the broker delivers again what was not acknowledged.
"""

from __future__ import annotations

import ipaddress
import logging
import random
import sqlite3
import ssl
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from backend.receipts import STREAMS_MAX, ReceiptSchedule, StreamKey
from backend.requests import pop_request
from backend.store import TYPE_NAMES, Store, Verdict, VerdictName
from protocols.uplink.cbor import encode_message
from protocols.uplink.cose import Signer

LOG = logging.getLogger("edge-backend")

KEEPALIVE_S = 60
CONNECT_TIMEOUT_S = 15.0
SESSION_EXPIRY_S = 30 * 24 * 3600
BACKOFF_S_MIN, BACKOFF_S_MAX = 0.5, 60.0
TURN_S = 0.2
"""How long one turn waits for the network, and so how late a receipt or a stop may be."""
QUEUED_RECEIPTS_MAX = 1_000


class Settings(NamedTuple):
    """How to reach the broker. `share`: group of an MQTT shared subscription, "" for none."""

    broker: str
    ca: Path | None
    certificate: Path | None
    key: Path | None
    topic_up: str
    topic_down: str
    mqtt_version: str
    share: str
    client_id: str


class Address(NamedTuple):
    """A broker's place, from its URL."""

    host: str
    port: int
    tls: bool


def read_broker_url(url: str) -> Address:
    """`mqtts://host[:port]`, or `mqtt://` on loopback; ValueError says what is wrong."""
    parts = urlsplit(url)
    if parts.scheme not in ("mqtts", "mqtt") or not parts.hostname:
        raise ValueError(f"broker {url!r}: expected mqtts://HOST[:PORT]")
    tls = parts.scheme == "mqtts"
    if not tls and not _is_loopback(parts.hostname):
        raise ValueError(f"broker {url!r}: without TLS only on this machine itself; use mqtts://")
    return Address(parts.hostname, parts.port or (8883 if tls else 1883), tls)


def check_topics(topic_up: str, topic_down: str) -> None:
    """The gateway's segment is `+` above and `{gateway}` below; ValueError otherwise."""
    if topic_up.split("/").count("+") != 1 or "#" in topic_up:
        raise ValueError(f"--topic-up {topic_up!r}: expected exactly one segment '+', the gateway's")
    if "{gateway}" not in topic_down.split("/"):
        raise ValueError(f"--topic-down {topic_down!r}: expected one segment '{{gateway}}'")


class Receiver:
    """Takes messages from a broker into a store until `stop` is called."""

    def __init__(self, settings: Settings, store: Store, signer: Signer, schedule: ReceiptSchedule) -> None:
        self._settings = settings
        self._address = read_broker_url(settings.broker)
        check_topics(settings.topic_up, settings.topic_down)
        self._store = store
        self._signer = signer
        self._schedule = schedule
        self._reply_to: OrderedDict[StreamKey, str] = OrderedDict()
        self._client = self._make_client()
        self._stopping = False
        self._up = False

    def stop(self) -> None:
        """Ask `run` to return; safe in a signal handler."""
        self._stopping = True

    def run(self) -> None:
        """Receive until `stop`. A lost broker is tried again after growing, jittered pauses."""
        pause_s = BACKOFF_S_MIN
        while not self._stopping:
            if self._stay_connected():
                pause_s = BACKOFF_S_MIN
            wait_s = random.uniform(pause_s / 2, pause_s)
            pause_s = min(2 * pause_s, BACKOFF_S_MAX)
            self._wait(wait_s)
        self._client.disconnect()

    def _stay_connected(self) -> bool:
        """One connection from beginning to end; whether the broker had let us in."""
        self._up, was_up = False, False
        try:
            self._connect()
            while not self._stopping:
                if self._client.loop(TURN_S) is not MQTTErrorCode.MQTT_ERR_SUCCESS:
                    break
                was_up = was_up or self._up
                if self._up:
                    self._send_receipts()
                    self._send_request()
        except (OSError, ssl.SSLError, mqtt.WebsocketConnectionError) as wrong:
            LOG.warning("broker %s: %s", self._settings.broker, wrong)
        except sqlite3.OperationalError as wrong:
            LOG.error("store: %s; nothing is acknowledged until it works again", wrong)  # noqa: TRY400
            self._drop_connection()
        else:
            if not self._stopping:
                LOG.warning("broker %s: connection lost", self._settings.broker)
        return was_up

    def _wait(self, wait_s: float) -> None:
        deadline_s = time.monotonic() + wait_s
        while not self._stopping and time.monotonic() < deadline_s:
            time.sleep(min(TURN_S, max(0.0, deadline_s - time.monotonic())))

    # MQTT

    def _make_client(self) -> mqtt.Client:
        five = self._settings.mqtt_version == "5"
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._settings.client_id,
            clean_session=None if five else False,
            protocol=MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_queued_messages_set(QUEUED_RECEIPTS_MAX)
        if self._address.tls:
            context = ssl.create_default_context(cafile=self._settings.ca)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if self._settings.certificate:
                context.load_cert_chain(self._settings.certificate, self._settings.key)
            client.tls_set_context(context)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    def _connect(self) -> None:
        host, port, _ = self._address
        if self._settings.mqtt_version != "5":
            self._client.connect(host, port, KEEPALIVE_S)
            return
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = SESSION_EXPIRY_S
        self._client.connect(host, port, KEEPALIVE_S, clean_start=False, properties=properties)

    def _drop_connection(self) -> None:
        """Leave without a word, so that unacknowledged messages come again."""
        connection = self._client.socket()
        if connection is not None:
            connection.close()
        self._client.loop_misc()

    def _on_connect(self, client: mqtt.Client, _: Any, __: Any, reason: ReasonCode, ___: Any) -> None:
        if reason.is_failure:
            LOG.error("broker %s refuses: %s", self._settings.broker, reason)
            return
        topic = self._settings.topic_up
        client.subscribe(f"$share/{self._settings.share}/{topic}" if self._settings.share else topic, qos=1)

    def _on_subscribe(self, _: Any, __: Any, ___: Any, reasons: list[ReasonCode], ____: Any) -> None:
        if any(reason.is_failure for reason in reasons):
            LOG.error("broker refuses the subscription to %s: %s", self._settings.topic_up, reasons)
            return
        self._up = True
        LOG.info("receiving %s from %s", self._settings.topic_up, self._settings.broker)

    def _on_message(self, client: mqtt.Client, _: Any, message: mqtt.MQTTMessage) -> None:
        data = bytes(message.payload)
        verdict = self._store.take(data)
        client.ack(message.mid, message.qos)
        log_verdict(verdict, len(data))
        if verdict.key_id is None or verdict.stream is None or not _is_held(verdict):
            return
        key = (verdict.key_id, verdict.stream)
        self._remember(key, self._gateway_of(message.topic))
        self._schedule.note(
            key,
            time.monotonic(),
            open_ends=self._store.has_open_ends(*key),
            repeated=verdict.name is VerdictName.DUPLICATE,
            wanted=verdict.wanted,
        )

    # Receipts

    def _send_receipts(self) -> None:
        for key in self._schedule.pop_due(time.monotonic()):
            receipt = self._store.issue_receipt(*key)
            gateway = self._reply_to[key]
            topic = self._settings.topic_down.replace("{gateway}", gateway)
            self._client.publish(topic, self._signer.sign(encode_message(receipt)), qos=1)
            LOG.info(
                "receipt gateway=%s stream=%d held_to=%d ranges=%d dictionaries_wanted=%d counter=%d",
                *(gateway, receipt.stream, receipt.held_to, len(receipt.ranges)),
                *(len(receipt.dictionaries_wanted), receipt.counter),
            )

    def _send_request(self) -> None:
        queued = pop_request(self._store)
        if queued is None:
            return
        gateway, request = queued
        topic = self._settings.topic_down.replace("{gateway}", gateway)
        self._client.publish(topic, self._signer.sign(encode_message(request)), qos=1)
        LOG.info(
            "request gateway=%s stream=%d ranges=%d dictionaries=%d seal_now=%s counter=%d",
            *(gateway, request.stream, len(request.ranges), len(request.dictionaries)),
            *(request.seal_now, request.counter),
        )

    def _remember(self, key: StreamKey, gateway: str) -> None:
        self._reply_to[key] = gateway
        self._reply_to.move_to_end(key)
        if len(self._reply_to) > STREAMS_MAX:
            self._reply_to.popitem(last=False)

    def _gateway_of(self, topic: str) -> str:
        place = self._settings.topic_up.split("/").index("+")
        return topic.split("/")[place]


def log_verdict(verdict: Verdict, size_bytes: int) -> None:
    """One line for each message; alarms as errors."""
    alarm = verdict.name in (VerdictName.CLONE, VerdictName.BAD_SIGNATURE, VerdictName.MALFORMED)
    LOG.log(
        logging.ERROR if alarm else logging.INFO,
        "%s gateway=%s stream=%s sequence=%s type=%s bytes=%d readings=%d%s",
        *(verdict.name, verdict.gateway or "?", _or_unknown(verdict.stream), _or_unknown(verdict.sequence)),
        TYPE_NAMES.get(verdict.type or 0, _or_unknown(verdict.type)),
        *(size_bytes, verdict.readings, f" ({verdict.detail})" if verdict.detail else ""),
    )


def _or_unknown(value: int | None) -> str:
    return "?" if value is None else str(value)


def _is_held(verdict: Verdict) -> bool:
    return verdict.name not in (VerdictName.CLONE, VerdictName.BAD_SIGNATURE)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
