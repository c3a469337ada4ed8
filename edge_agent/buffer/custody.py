"""What PUBACKs, receipts and requests change in the outbox (UPLINK.md section 2).

Rules that keep it so: a PUBACK is not custody; only a greater (epoch, counter) is applied; a batch counts as
held only when its dictionary is held too; a receipt that claims what was never sent is not believed.
Every function here runs within a transaction of the outbox.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from edge_agent.buffer.loss import Loss
from edge_agent.buffer.outbox import Key, Outbox, State, StreamState
from protocols.uplink.cbor import decode_message
from protocols.uplink.cose import read_envelope
from protocols.uplink.messages import (
    Batch,
    Dictionary,
    Event,
    Gap,
    GapCause,
    Instant,
    Message,
    Receipt,
    Request,
    TimeMap,
)

RESEND_AFTER_MS_MIN = 5 * 60 * 1000
RESEND_AFTER_MS_MAX = 6 * 60 * 60 * 1000
REISSUED_AT_ONCE_MAX = 16

Ranges = list[tuple[int, int]]


def note_published(outbox: Outbox, keys: Iterable[Key], now: Instant, *, frees: bool) -> None:
    """The broker took these messages. `frees`: the setting says that this is custody enough."""
    state = State.ACKNOWLEDGED if frees else State.PUBLISHED
    for stream, sequence in keys:
        outbox.execute(
            "UPDATE messages SET state = ?, published_boot = ?, published_ms = ?"
            " WHERE stream = ? AND sequence = ? AND state < 2",
            state,
            *now,
            stream,
            sequence,
        )


def claims_too_much(outbox: Outbox, receipt: Receipt) -> bool:
    """Whether the backend holds, of the active stream, what we do not know to have sent."""
    active = outbox.active()
    if active is None or active.stream != receipt.stream:
        return False  # of a stream that was left behind, we may well have forgotten the end
    claimed = max([receipt.held_to, *(last for _, last in receipt.ranges)])
    return claimed >= active.next_sequence


def apply_receipt(outbox: Outbox, receipt: Receipt, now: Instant) -> bool:
    """Move messages between the states. False where the receipt is old, or of a stream not known here."""
    rows = outbox.rows("SELECT epoch, counter, state FROM streams WHERE stream = ?", receipt.stream)
    if not rows or rows[0][2] == StreamState.DISPUTED:
        return False
    epoch, counter, _ = rows[0]
    if epoch is not None and (receipt.epoch, receipt.counter) <= (epoch, counter):
        return False
    outbox.execute(
        "UPDATE streams SET epoch = ?, counter = ? WHERE stream = ?",
        receipt.epoch,
        receipt.counter,
        receipt.stream,
    )
    held = [(0, receipt.held_to), *receipt.ranges] if receipt.held_to >= 0 else list(receipt.ranges)
    if epoch is not None and receipt.epoch > epoch:
        _withdraw(outbox, receipt.stream, held)
    _acknowledge(outbox, receipt, held)
    _send_again(outbox, receipt.stream, now)
    return True


def _acknowledge(outbox: Outbox, receipt: Receipt, held: Ranges) -> None:
    stream = receipt.stream
    for first, last in held:
        outbox.execute(
            "UPDATE messages SET state = 2"
            " WHERE stream = ? AND sequence BETWEEN ? AND ? AND state < 2 AND type <> 1",
            stream,
            first,
            last,
        )
    want_dictionaries(outbox, receipt.dictionaries_wanted)
    for first, last in held:
        outbox.execute(
            "UPDATE messages SET state = 2"
            " WHERE stream = ? AND sequence BETWEEN ? AND ? AND state < 2 AND type = 1 AND dictionary NOT IN"
            " (SELECT dictionary FROM messages WHERE state < 2 AND type = 2 AND stream = ?)",
            stream,
            first,
            last,
            stream,
        )


def want_dictionaries(outbox: Outbox, names: Sequence[bytes]) -> None:
    """Send these dictionaries again, where they are stored."""
    for name in names:
        outbox.execute("UPDATE messages SET state = 0 WHERE dictionary = ? AND type = 2", name)


def _send_again(outbox: Outbox, stream: int, now: Instant) -> None:
    """What a broker took some time ago and this receipt does not name: it was lost between them.

    Of another boot's clock only the order is known; that message has waited long enough.
    """
    outbox.execute(
        "UPDATE messages SET state = 0, resends = min(resends + 1, 16) WHERE stream = ? AND state = 1"
        " AND (published_boot <> ? OR ? - published_ms >= min(? << resends, ?))",
        stream,
        now.boot,
        now.ms,
        RESEND_AFTER_MS_MIN,
        RESEND_AFTER_MS_MAX,
    )


def _withdraw(outbox: Outbox, stream: int, held: Ranges) -> None:
    """A restored backend: what it no longer holds is unsent again, or a gap where it is gone here, too."""
    newly_unsent = _not_in("sequence", held)
    outbox.execute(f"UPDATE messages SET state = 0 WHERE stream = ? AND state = 2 AND {newly_unsent}", stream)  # noqa: S608  (numbers only)
    rows = outbox.rows("SELECT freed_first, freed_last FROM streams WHERE stream = ?", stream)
    first, last = rows[0]
    if first is None:
        return
    stored = outbox.rows(
        "SELECT sequence, sequence FROM messages WHERE stream = ? AND sequence BETWEEN ? AND ?",
        stream,
        first,
        last,
    )
    holes = _holes(first, last, [*held, *stored])
    if holes:
        active = outbox.active()
        named = (holes[0][0], holes[-1][1]) if active is not None and active.stream == stream else None
        outbox.add_loss(Loss(GapCause.RECEIPT_WITHDRAWN, None, None, None, named, widened=True))


def _not_in(column: str, ranges: Ranges) -> str:
    return " AND ".join(f"{column} NOT BETWEEN {int(a)} AND {int(b)}" for a, b in ranges) or "1"


def _holes(first: int, last: int, covered: Collection[tuple[int, int]]) -> Ranges:
    """The parts of [first, last] that no range covers."""
    holes: Ranges = []
    position = first
    for start, end in sorted(covered):
        if start > position:
            holes.append((position, min(start - 1, last)))
        position = max(position, end + 1)
        if position > last:
            return [hole for hole in holes if hole[0] <= hole[1]]
    return [*holes, (position, last)]


def apply_request(outbox: Outbox, request: Request) -> bool:
    """Send again what is asked for and still stored. False where the request is an old one."""
    rows = outbox.rows("SELECT request_epoch, request_counter FROM streams WHERE stream = ?", request.stream)
    if not rows:
        return False
    epoch, counter = rows[0]
    if epoch is not None and (request.epoch, request.counter) <= (epoch, counter):
        return False
    outbox.execute(
        "UPDATE streams SET request_epoch = ?, request_counter = ? WHERE stream = ?",
        request.epoch,
        request.counter,
        request.stream,
    )
    for first, last in request.ranges:
        outbox.execute(
            "UPDATE messages SET state = 0 WHERE stream = ? AND sequence BETWEEN ? AND ?",
            request.stream,
            first,
            last,
        )
        _tell_gone(outbox, request.stream, first, last)
    want_dictionaries(outbox, request.dictionaries)
    return True


def _tell_gone(outbox: Outbox, stream: int, first: int, last: int) -> None:
    """What is asked for and no longer here is told, so that the backend need not ask again."""
    active = outbox.active()
    if active is None or active.stream != stream:
        return  # a gap can name sequences of its own stream only
    stored = outbox.rows(
        "SELECT sequence, sequence FROM messages WHERE stream = ? AND sequence BETWEEN ? AND ?",
        *(stream, first, last),
    )
    holes = _holes(first, min(last, active.next_sequence - 1), stored)
    if holes:
        named = (holes[0][0], holes[-1][1])
        outbox.add_loss(Loss(GapCause.EVICTED, None, None, None, named, widened=True))


def reissue(outbox: Outbox) -> bool:
    """Give the oldest messages of a disputed stream new places in the active one; False when none is left.

    The backend holds other bytes under their numbers, so under those it would refuse them.
    """
    rows = outbox.rows(
        "SELECT id, data, dictionary, readings, boot, from_ms, to_ms FROM messages WHERE state < 2"
        " AND stream IN (SELECT stream FROM streams WHERE state = 2) ORDER BY id LIMIT ?",
        REISSUED_AT_ONCE_MAX,
    )
    for message_id, data, dictionary, readings, boot, from_ms, to_ms in rows:
        content = decode_message(read_envelope(data).payload)
        span_ms = None if from_ms is None else (from_ms, to_ms)
        outbox.execute("DELETE FROM messages WHERE id = ?", message_id)
        outbox.store(
            lambda stream, sequence, content=content: _placed(content, stream, sequence),  # type: ignore[misc]
            dictionary=dictionary,
            readings=readings,
            boot=boot,
            span_ms=span_ms,
        )
    return bool(rows)


def _placed(content: Message, stream: int, sequence: int) -> Message:
    assert isinstance(content, Batch | Dictionary | Gap | TimeMap | Event), "only such messages are stored"
    if isinstance(content, Gap):  # it named messages of the stream that was left
        content = replace(content, sequences=None, widened=True)
    return replace(content, stream=stream, sequence=sequence)
