"""What the backend asks of gateways: messages again, dictionaries, the open interval now. A queue in the
store, so that a command can ask and the running receiver sends.

Rules that keep it so: a request takes its (epoch, counter) from the receipts' counter when it is sent, so a
gateway never takes an old one twice; QUEUE_MAX bound what waits.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from backend.store import Store
from protocols.uplink.cbor import DICTIONARIES_WANTED_MAX
from protocols.uplink.messages import RECEIPT_RANGES_MAX, Request

QUEUE_MAX = 1_000


class QueuedRequest(NamedTuple):
    """A request ready to be sent, and the gateway it goes to."""

    gateway: str
    request: Request


def ask(
    store: Store,
    gateway: str,
    stream: int | None,
    *,
    ranges: Sequence[tuple[int, int]] = (),
    seal_now: bool = False,
) -> int:
    """Queue a request for each stream of a gateway, or for one; how many. ValueError says what is wrong."""
    streams = [
        (kid, number)
        for kid, number in store.query(
            "SELECT DISTINCT held.kid, stream FROM held JOIN keys ON keys.kid = held.kid WHERE gateway = ?",
            gateway,
        )
        if stream in (None, number)
    ]
    if not streams:
        raise ValueError(f"nothing is held of gateway {gateway}" + (f" stream {stream}" if stream else ""))
    if ranges and len(streams) > 1:
        raise ValueError(f"{gateway} has {len(streams)} streams; sequences need --stream")
    if len(ranges) > RECEIPT_RANGES_MAX or any(first > last or first < 0 for first, last in ranges):
        raise ValueError(f"at most {RECEIPT_RANGES_MAX} ranges FIRST-LAST, FIRST not above LAST")
    if len(store.query("SELECT 1 FROM requests")) + len(streams) > QUEUE_MAX:
        raise ValueError(f"{QUEUE_MAX} requests wait already: is a receiver running?")
    for kid, number in streams:
        wanted = [name.hex() for name in store.dictionaries_wanted(kid, number)[:DICTIONARIES_WANTED_MAX]]
        content = json.dumps({"ranges": ranges, "dictionaries": wanted, "seal_now": seal_now})
        store.change("INSERT INTO requests (kid, stream, content) VALUES (?, ?, ?)", kid, number, content)
    return len(streams)


def pop_request(store: Store) -> QueuedRequest | None:
    """The request that has waited longest, under a new counter; it leaves the queue."""
    rows = store.query("SELECT number, kid, stream, content FROM requests ORDER BY number LIMIT 1")
    if not rows:
        return None
    number, kid, stream, text = rows[0]
    if not store.change("DELETE FROM requests WHERE number = ?", number):
        return None  # another receiver was faster
    known = store.key(kid)
    content = json.loads(text)
    epoch, counter = store.next_counter()
    ranges = tuple((first, last) for first, last in content["ranges"])
    names = tuple(bytes.fromhex(name) for name in content["dictionaries"])
    request = Request(epoch, counter, stream, ranges, names, content["seal_now"])
    return QueuedRequest(known[0] if known else "", request)
