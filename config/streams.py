"""Judges `[[stream]]`: which meters, how much room, and what data protection asks where a person is behind
a meter.

Rules that keep it so: a meter belongs to one stream; the shares of all streams fit into the buffer's bound,
with room left for the meters that no stream names; readings of a person have a purpose and a legal basis
on record, and are no finer than a quarter of an hour without that person's consent (GDPR, articles 5, 6
and 25: they tell when people are at home).
"""

from __future__ import annotations

from collections.abc import Sequence

from config.model import GatewayFile, StreamConfig
from config.problems import Judge, choices, suggestion

MAIN_STREAM = "main"
"""The stream of the meters that no `[[stream]]` names."""
MAIN_PRIORITY = 5
STREAMS_MAX = 8  # beside the main one; measured: each takes 0.5 MB of memory, and a thread
PRIORITY_MAX = 9
PERSONAL_INTERVAL_S_MIN = 900


def judge_streams(judge: Judge, file: GatewayFile, wheres: Sequence[str], *, size_bytes_min: int) -> None:
    """Note every problem. `wheres`: the place of each stream, as problems name it."""
    if len(file.streams) > STREAMS_MAX:
        judge.say(wheres[STREAMS_MAX], None, f"at most {STREAMS_MAX} streams; each takes memory of its own")
    owners: dict[str, str] = {}
    for where, stream in zip(wheres, file.streams, strict=True):
        if stream.id == MAIN_STREAM:
            right = f'another name: "{MAIN_STREAM}" is the stream of all meters that no stream names'
            judge.say(f"{where} id", stream.id, right)
        if not 0 <= stream.priority <= PRIORITY_MAX:
            right = f"0 (first) to {PRIORITY_MAX} (last); meters that no stream names have {MAIN_PRIORITY}"
            judge.say(f"{where} priority", stream.priority, right)
        _judge_meters(judge, where, stream, file, owners)
        _judge_person(judge, where, stream, file)
    _judge_shares(judge, file, wheres, size_bytes_min)


def _judge_meters(
    judge: Judge, where: str, stream: StreamConfig, file: GatewayFile, owners: dict[str, str]
) -> None:
    known = [meter.id for meter in file.meters]
    if not stream.meters:
        judge.say(f"{where} meters", [], "the ids of one or more meters")
    for name in stream.meters:
        if name not in known:
            right = f"meters of this gateway: {choices(known)}{suggestion(name, known)}"
            judge.say(f"{where} meters", name, right)
        elif owners.setdefault(name, where) != where:
            judge.say(f"{where} meters", name, f"each meter in one stream; {owners[name]} has this one")
        elif stream.meters.count(name) > 1:
            judge.say(f"{where} meters", name, "each meter once")


def _judge_person(judge: Judge, where: str, stream: StreamConfig, file: GatewayFile) -> None:
    """What must be on record of a person's readings, and how fine they may be."""
    if not stream.personal:
        if stream.opt_in:
            judge.say(f"{where} opt_in", stream.opt_in, "left out, or personal = true beside it")
        return
    if not stream.purpose.strip():
        judge.say(f"{where} purpose", stream.purpose, 'what the readings are for, as "billing of heat"')
    if not stream.legal_basis.strip():
        right = 'by which right they are read, as "GDPR art. 6(1)(b), supply contract"'
        judge.say(f"{where} legal_basis", stream.legal_basis, right)
    for meter in file.meters:
        fine = meter.interval_s < PERSONAL_INTERVAL_S_MIN
        if fine and meter.id in stream.meters and not stream.opt_in.strip():
            right = (
                f"{PERSONAL_INTERVAL_S_MIN} or more (seconds; a day where nothing is stated): the"
                f" readings of stream {stream.id} tell of a person; its opt_in is for that person's consent"
            )
            judge.say(f'[[meter]] "{meter.id}" interval_s', meter.interval_s, right)


def _judge_shares(judge: Judge, file: GatewayFile, wheres: Sequence[str], size_bytes_min: int) -> None:
    for where, stream in zip(wheres, file.streams, strict=True):
        if stream.size_bytes_max < size_bytes_min:
            judge.say(f"{where} size_bytes_max", stream.size_bytes_max, f"at least {size_bytes_min} (bytes)")
    shares = sum(stream.size_bytes_max for stream in file.streams)
    if main_size_bytes(file) < size_bytes_min:
        right = (
            f"{shares + size_bytes_min} or more (bytes): the shares of the streams are {shares}, and"
            f" {size_bytes_min} stay for the meters that none names; or smaller shares"
        )
        judge.say("[buffer] size_bytes_max", file.buffer.size_bytes_max, right)


def main_size_bytes(file: GatewayFile) -> int:
    """What is left of the buffer's bound for the main stream."""
    return file.buffer.size_bytes_max - sum(stream.size_bytes_max for stream in file.streams)
