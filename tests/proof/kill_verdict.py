"""The verdict on kills: what the meters said against what the backend holds. Pure.

- A stored value belongs to the last answer that its meter had given by then. Lines are half-duplex, so no
  other answer can have come between; for counters the value itself must agree, too (`wrong`).
- An answer that no stored value belongs to is missing. It was the agent's from the moment its last byte
  had arrived; how long an answer is on the wire is the least that was ever seen of its series.
- What was still on the wire at the kill was never the agent's: no loss, but its slot needs a gap as well.
  A meter may answer a killed agent's question when the next agent has been started already.
- A telegram that a meter pushes counts where the agent was up and listening when it began.
"""

from __future__ import annotations

import functools
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from backend.completeness import UNEXPLAINED
from protocols.quantities import by_name, by_number
from tests.proof.kills import FLUSH_INTERVAL_MS, INTERVAL_S, LAST_SEEN_MS_MAX, Evidence, Killed

LISTENING_MS = 1_000  # after the first answer of any meter all lines are open, with much to spare
STARTING_MS = (
    100  # no interpreter has asked a meter by then: what is answered is a question of the one killed
)
SLOT_MS = 1_000 * INTERVAL_S
GRID_TOLERANCE_MS = 5  # each run reads the offset to UTC anew

Series = tuple[str, str]


class Answer(NamedTuple):
    """What a meter gave out of one series, and when it began to send."""

    ms: int
    value: Decimal
    polled: bool


class Missing(NamedTuple):
    """An answer that the backend does not have. `arrived_ms`: when its last byte had reached the agent."""

    series: Series
    answered_ms: int
    arrived_ms: int


class Row(NamedTuple):
    """One kill. `lost`: what had arrived and is missing; `on_wire`: what had not. `gap`: the stretch that
    the backend was told, on the boot axis; `covered`: it holds all that is missing."""

    killed: Killed
    lost: list[Missing]
    on_wire: list[Missing]
    doubled: int
    gap: tuple[int, int] | None
    covered: bool

    @property
    def oldest_ms(self) -> int | None:
        """How old the oldest lost reading was at the kill."""
        arrived = [missing.arrived_ms for missing in self.lost]
        return self.killed.killed_ms - min(arrived) if arrived else None


class Verdict(NamedTuple):
    """`lost_at_last`: answers to the last run, which ended in an orderly way; `wrong`: stored values that
    no meter gave; `unproven`: missing answers in slots that the backend's own proof does not name as missing;
    `unexplained`: what it cannot explain, and what it found wrong with the stream."""

    rows: list[Row]
    bound_ms: int
    answers: int
    stored: int
    doubled: int
    wrong: int
    lost_at_last: list[Missing]
    unproven: list[Missing]
    unexplained: list[str]
    missing_slots: int


def judge(evidence: Evidence) -> Verdict:
    """Compare the records."""
    answers = _answers(evidence.meter_log)
    matches, wrong = _match(answers, evidence.readings)
    doubles = _doubles(evidence.readings) + [
        answers[series][place].ms
        for series, found in matches.items()
        for place, count in Counter(place for place, _ in found).items()
        if count > 1
    ]
    begins = [killed.began_ms for killed in evidence.kills] + [evidence.last_began_ms]
    begins = [began_ms + STARTING_MS for began_ms in begins]
    lives: list[list[Missing]] = [[] for _ in begins]
    missing = list(_missing(answers, matches, list(_listening(evidence))))
    for each in missing:
        lives[bisect_right(begins, each.answered_ms) - 1].append(each)
    twice = Counter(bisect_right(begins, ms) - 1 for ms in doubles)
    rows = [
        _row(evidence, killed, lives[number], twice[number]) for number, killed in enumerate(evidence.kills)
    ]
    return Verdict(
        rows,
        FLUSH_INTERVAL_MS + evidence.flush_ms_max,
        sum(len(found) for found in answers.values()),
        sum(len(found) for found in matches.values()),
        len(doubles),
        wrong,
        lives[-1],
        _unproven(evidence, missing),
        _unexplained(evidence),
        sum(proof.missing_slots for proof in evidence.proofs),
    )


def _unproven(evidence: Evidence, missing: list[Missing]) -> list[Missing]:
    """The proof begins with a series' first slot on the schedule: reads at a start lie beside it. And a slot
    that such a read, or another answer, has filled is none that is missing."""
    filled: dict[Series, list[int]] = defaultdict(list)
    for row in evidence.readings:
        filled[row["meter"], row["quantity"]].append(row["due_ms"])
    runs: dict[Series, list[tuple[int, int]]] = defaultdict(list)
    for proof in evidence.proofs:
        name = proof.meter, by_number(proof.quantity).name
        runs[name] = [(m.start.ms, m.end.ms + SLOT_MS) for m in proof.missing if m.end is not None]
    first = {
        series: min(filter(functools.partial(_is_on_grid, evidence.grid_ms), dues), default=0)
        for series, dues in filled.items()
    }
    return [
        each
        for each in missing
        if each.answered_ms > first.get(each.series, 0)
        and not any(each.answered_ms - SLOT_MS < due_ms <= each.answered_ms for due_ms in filled[each.series])
        and not any(start < each.answered_ms < end for start, end in runs[each.series])
    ]


def _is_on_grid(grid_ms: int, due_ms: int) -> bool:
    return (due_ms - grid_ms + GRID_TOLERANCE_MS) % SLOT_MS <= 2 * GRID_TOLERANCE_MS


def _unexplained(evidence: Evidence) -> list[str]:
    found = [
        f"{proof.meter} {proof.quantity}: {missing}"
        for proof in evidence.proofs
        for missing in proof.missing
        if missing.reason == UNEXPLAINED
    ]
    return found + [f"{finding.code}: {finding.text}" for finding in evidence.findings]


def _answers(meter_log: list[dict[str, Any]]) -> dict[Series, list[Answer]]:
    answers: dict[Series, list[Answer]] = defaultdict(list)
    for row in meter_log:
        for quantity, value in row["values"].items():
            answers[row["meter"], quantity].append(Answer(row["boot_ms"], Decimal(value), row["polled"]))
    return answers


def _match(
    answers: dict[Series, list[Answer]], readings: list[dict[str, Any]]
) -> tuple[dict[Series, list[tuple[int, int]]], int]:
    """(place of the answer, ms since it) of every stored value, by series; and how many are wrong."""
    matches: dict[Series, list[tuple[int, int]]] = defaultdict(list)
    wrong = 0
    for row in readings:
        if row["value"] is None:
            continue
        series = row["meter"], row["quantity"]
        place = bisect_right(answers[series], row["time_ms"], key=lambda answer: answer.ms) - 1
        answer = answers[series][place] if place >= 0 else None
        is_counter = by_name(row["quantity"]).kind == "counter"
        if answer is None or (is_counter and answer.value != Decimal(row["value"])):
            wrong += 1
        else:
            matches[series].append((place, row["time_ms"] - answer.ms))
    return matches, wrong


def _missing(
    answers: dict[Series, list[Answer]],
    matches: dict[Series, list[tuple[int, int]]],
    listening: list[tuple[int, int]],
) -> Iterator[Missing]:
    for series, given in answers.items():
        held = {place for place, _ in matches[series]}
        wire_ms = min((late_ms for _, late_ms in matches[series]), default=0)
        for place, answer in enumerate(given):
            heard = answer.polled or any(start <= answer.ms < end for start, end in listening)
            if place not in held and heard:
                yield Missing(series, answer.ms, answer.ms + wire_ms)


def _listening(evidence: Evidence) -> Iterator[tuple[int, int]]:
    """When an agent that was killed later was surely there to hear what meters push."""
    polled = [row["boot_ms"] for row in evidence.meter_log if row["polled"]]
    for killed in evidence.kills:
        first = next((ms for ms in polled if killed.began_ms <= ms < killed.killed_ms), killed.killed_ms)
        yield first + LISTENING_MS, killed.killed_ms


def _doubles(readings: list[dict[str, Any]]) -> list[int]:
    """When the slots were due that the store has more than once, nulls included."""
    slots = Counter((row["meter"], row["quantity"], row["boot"], row["due_ms"]) for row in readings)
    return [due_ms for (_, _, _, due_ms), count in slots.items() if count > 1]


def _row(evidence: Evidence, killed: Killed, missing: list[Missing], doubled: int) -> Row:
    """The gap is the one that holds the kill itself; it must hold whatever is missing, and its slots."""
    told = [(gap["start_ms"], gap["end_ms"]) for gap in evidence.gaps if gap["cause"] == "unclean_stop"]
    gap = next((each for each in told if each[0] < killed.killed_ms < each[1]), None)
    times = [each.answered_ms for each in missing]
    times += [_due_ms(evidence, killed, ms) for ms in times]
    covered = gap is not None and all(gap[0] < ms < gap[1] for ms in times)
    lost = [each for each in missing if each.arrived_ms <= killed.killed_ms]
    return Row(killed, lost, [each for each in missing if each not in lost], doubled, gap, covered)


def _due_ms(evidence: Evidence, killed: Killed, answered_ms: int) -> int:
    """The slot that an answer was for: the newest one then; a run's very first reads lie off the grid."""
    if killed.status is None:
        return answered_ms
    opened_ms: int = killed.status["boot_ms"] - killed.status["uptime_ms"]
    return max(opened_ms, answered_ms - (answered_ms - evidence.grid_ms) % SLOT_MS)


def table(verdict: Verdict) -> str:
    """One line for each kill; times of gap and kill in seconds since the first start."""
    zero_ms = verdict.rows[0].killed.began_ms
    head = (
        f"{'kill':>4} {'at s':>7} {'lived s':>7} {'link':>4} {'flushed':>7} {'pending':>7} {'lost':>5}"
        f" {'oldest ms':>9} {'bound ms':>8} {'on wire':>7} {'twice':>5} {'gap s':>17} covered"
    )
    lines = [_line(number, row, verdict.bound_ms, zero_ms) for number, row in enumerate(verdict.rows, 1)]
    return "\n".join([head, *lines])


def _line(number: int, row: Row, bound_ms: int, zero_ms: int) -> str:
    killed = row.killed
    recent = killed.status is not None and killed.killed_ms - killed.status_ms <= LAST_SEEN_MS_MAX
    buffer = killed.status["buffer"] if recent and killed.status else {}
    flushed, pending = (str(buffer.get(f"readings_{name}", "-")) for name in ("flushed", "pending"))
    oldest = "-" if row.oldest_ms is None else str(row.oldest_ms)
    gap = "none" if row.gap is None else " to ".join(f"{(ms - zero_ms) / 1000:.2f}" for ms in row.gap)
    return (
        f"{number:>4} {(killed.killed_ms - zero_ms) / 1000:>7.2f}"
        f" {(killed.killed_ms - killed.began_ms) / 1000:>7.2f} {'up' if killed.link_up else 'down':>4}"
        f" {flushed:>7} {pending:>7} {len(row.lost):>5} {oldest:>9} {bound_ms:>8} {len(row.on_wire):>7}"
        f" {row.doubled:>5} {gap:>17} {'yes' if row.covered else 'NO'}"
    )
