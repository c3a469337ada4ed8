"""Proof of life of the link: something came back from the far end.

    a receipt or PUBACK > an answer of the broker or its host > an answer of a name server over the interface

Rules:
- Registration, an address and "connected" are no proof. The MQTT session's own tries are evidence for free;
  the only thing sent for its sake is one question for a name (DNS), never more than `bytes_day_max` a day.
- While the session stands, nothing speaks against the link: its keepalive and its PUBACKs end it otherwise.
- An answer holds for a while, longer each time the session still does not come: a broker that is down for a
  week on a good link costs about thirty questions a day, and no repair.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, NamedTuple

from edge_agent.uplink.session import LinkStatistics

ANSWER_HOLDS_S: Final = 600.0  # the session tries again after 300 s at most
NAME_HOLDS_FIRST_S: Final = 120.0
NAME_HOLDS_LAST_S: Final = 3_600.0
PROBE_APART_S: Final = 60.0
PROBE_TIMEOUT_S: Final = 15.0
HEADERS_BYTES: Final = 28  # IPv4 and UDP; 48 with IPv6
ANSWER_BYTES_MAX: Final = 512  # RFC 1035, 4.2.1
DAY_S: Final = 86_400
RESOLVER_FILE: Final = Path("/etc/resolv.conf")
RESOLVER_LINES_MAX: Final = 100
_FLAG_ANSWER: Final = 0x80
_DNS_PORT: Final = 53

Statistics = Callable[[], LinkStatistics]


class Answer(NamedTuple):
    """Of a name server: whether it came, and what question and answer cost on the air."""

    came: bool
    size_bytes: int


Ask = Callable[[str, str, str], Awaitable[Answer]]
"""(server, name, interface) to an Answer."""


class Evidence(NamedTuple):
    """`proof_s`: the newest proof on the event loop's clock, of `kind`. `is_alive`: it still holds."""

    proof_s: float | None
    kind: str
    is_alive: bool


class LifeSigns:
    """Gathers the proofs of one link. `now_s` is always the event loop's clock."""

    def __init__(self, statistics: Statistics, ask: Ask, *, name: str, bytes_day_max: int) -> None:
        """`name`: what a name server is asked for, the broker's."""
        self._statistics = statistics
        self._ask = ask
        self._name = name
        self._bytes_day_max = bytes_day_max
        self._named_s: float | None = None
        self._holds_s = NAME_HOLDS_FIRST_S
        self._asked_s: float | None = None
        self._day_from_s = 0.0
        self.spent_bytes = 0

    def look(self, now_s: float) -> Evidence:
        """What is known without sending anything."""
        link = self._statistics()
        if link.connected:
            self._holds_s = NAME_HOLDS_FIRST_S
            proof_s = max(_known(link.last_puback_s, link.last_receipt_s, link.state_since_s), default=None)
            return Evidence(proof_s, "session", is_alive=True)
        signs = [
            (link.last_puback_s, "puback", 0.0),
            (link.last_receipt_s, "receipt", 0.0),
            (link.last_answer_s, "broker", ANSWER_HOLDS_S),
            (self._named_s, "name server", self._holds_s),
        ]
        known = [(time_s, kind, time_s + holds_s) for time_s, kind, holds_s in signs if time_s is not None]
        if not known:
            return Evidence(None, "", is_alive=False)
        proof_s, kind, _ = max(known)
        return Evidence(proof_s, kind, any(now_s < until_s for _, _, until_s in known))

    async def probe(self, servers: tuple[str, ...], interface: str, now_s: float) -> bool:
        """Ask the name servers in turn, where that is due and paid for; whether one answered."""
        if self._asked_s is not None and now_s < self._asked_s + PROBE_APART_S:
            return False
        if now_s >= self._day_from_s + DAY_S:
            self._day_from_s, self.spent_bytes = now_s, 0
        self._asked_s = now_s
        for server in servers[:2]:
            if self.spent_bytes + probe_bytes_max(self._name) > self._bytes_day_max:
                return False
            answer = await self._ask(server, self._name, interface)
            self.spent_bytes += answer.size_bytes
            if answer.came:
                if self._named_s is not None:
                    self._holds_s = min(2 * self._holds_s, NAME_HOLDS_LAST_S)
                self._named_s = now_s
                return True
        return False


def system_name_servers(path: Path = RESOLVER_FILE) -> tuple[str, ...]:
    """Those of the machine that are not the machine itself: resolv.conf(5)."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ()
    pairs = (line.split() for line in lines[:RESOLVER_LINES_MAX])
    servers = (pair[1] for pair in pairs if len(pair) > 1 and pair[0] == "nameserver")
    return tuple(server for server in servers if not server.startswith(("127.", "::1")))


def probe_bytes_max(name: str) -> int:
    """The most that one question and its answer cost."""
    return len(encode_question(0, name)) + ANSWER_BYTES_MAX + 2 * HEADERS_BYTES


def encode_question(number: int, name: str) -> bytes:
    """A question for the address (type A) of `name`: RFC 1035, 4.1. ValueError where it is no name."""
    labels = name.encode("idna").rstrip(b".").split(b".")
    if any(not 0 < len(label) < 64 for label in labels):
        raise ValueError(f"{name}: not a name of a host")
    head = number.to_bytes(2, "big") + bytes(
        [1, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    )  # recursion desired, one question
    return head + b"".join(bytes([len(label)]) + label for label in labels) + bytes([0, 0, 1, 0, 1])


def is_answer(data: bytes, number: int) -> bool:
    """Whether a name server answered this question; that it knows no such name is an answer, too."""
    return len(data) >= 12 and data[:2] == number.to_bytes(2, "big") and bool(data[2] & _FLAG_ANSWER)


class _Reply(asyncio.DatagramProtocol):
    def __init__(self, number: int) -> None:
        self._number = number
        self.size_bytes = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, _addr: object) -> None:
        if is_answer(data, self._number) and not self.size_bytes.done():
            self.size_bytes.set_result(len(data))

    def error_received(self, exc: Exception) -> None:
        if not self.size_bytes.done():
            self.size_bytes.set_exception(exc)


async def ask_name_server(server: str, name: str, interface: str, *, port: int = _DNS_PORT) -> Answer:
    """Send one question over `interface` ("" for any) and wait for its answer, at most PROBE_TIMEOUT_S."""
    number = secrets.randbelow(1 << 16)
    question = encode_question(number, name)
    sent = len(question) + HEADERS_BYTES
    loop = asyncio.get_running_loop()
    try:
        with socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.setblocking(False)
            if interface:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
            end.connect((server, port))
            transport, reply = await loop.create_datagram_endpoint(lambda: _Reply(number), sock=end)
            try:
                transport.sendto(question)
                async with asyncio.timeout(PROBE_TIMEOUT_S):
                    received = await reply.size_bytes
            finally:
                transport.close()
    except OSError:  # TimeoutError is one; no route, no such interface, refused by the host: no answer
        return Answer(came=False, size_bytes=sent)
    return Answer(came=True, size_bytes=sent + received + HEADERS_BYTES)


def _known(*times: float | None) -> list[float]:
    return [time_s for time_s in times if time_s is not None]
