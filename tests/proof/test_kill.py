"""`kill -9` of the running agent, at any time, with the link up and down.

Five simulated meters read every second, a flush each second, a batch every two: what was in the agent for
longer than flush interval plus longest flush must be in the backend's store, once, and every stretch in
which something is missing must be covered by a gap there. And the backend's own proof (`edge-backend gaps`),
made from schedule, sequence and gaps alone, must come to the same as the meters' log. `make proof` prints
the table.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from edge_agent.demo.judge import count_unverified
from tests.proof.kill_verdict import Row, Verdict, judge, table
from tests.proof.kills import FLUSH_INTERVAL_MS, Evidence, Life, plan_lives, run_kills

KILLS = 200


def tell(evidence: Evidence, verdict: Verdict, seed: int) -> None:
    print(f"\nEDGE_SEED={seed}")
    print(table(verdict))
    print(
        f"flush interval {FLUSH_INTERVAL_MS} ms, longest flush {evidence.flush_ms_max} ms,"
        f" bound {verdict.bound_ms} ms; {len(evidence.kills)} kills, {evidence.cuts} cuts of the link;"
        f" the meters answered {verdict.answers} values, the backend holds {verdict.stored} of them;"
        f" {len(evidence.gaps)} gaps; `edge-backend gaps`: {len(evidence.proofs)} series,"
        f" {verdict.missing_slots} slots missing, {len(verdict.unexplained)} of them unexplained"
    )


def check(evidence: Evidence, verdict: Verdict) -> None:
    assert verdict.stored > 0
    assert verdict.wrong == 0, "values in the store that no meter gave"
    assert not verdict.lost_at_last, f"lost in an orderly stop: {verdict.lost_at_last[:5]}"
    assert verdict.doubled == 0, "readings that the store has twice"
    assert count_unverified(evidence.store_status) == 0, evidence.store_status["verdicts"]
    assert not any(stream["holes"] for stream in evidence.store_status["streams"])
    too_old = [row for row in verdict.rows if (row.oldest_ms or 0) > verdict.bound_ms]
    assert not too_old, f"lost though older than {verdict.bound_ms} ms: {kills(verdict, too_old)}"
    assert not verdict.unexplained, f"the backend's proof: {verdict.unexplained[:5]}"
    assert not verdict.unproven, f"missing, and the backend's proof does not know: {verdict.unproven[:5]}"
    assert len(evidence.proofs) == len({(row["meter"], row["quantity"]) for row in evidence.readings})
    bare = [row for row in verdict.rows if not row.covered]
    assert not bare, f"missing and no gap says so: {kills(verdict, bare)}"


def kills(verdict: Verdict, rows: list[Row]) -> list[str]:
    return [f"kill {verdict.rows.index(row) + 1}: {row.lost[:3]} {row.on_wire[:3]}" for row in rows]


@pytest.mark.proof
async def test_two_hundred_kills_lose_nothing_that_was_flushed_and_every_loss_is_told(
    tmp_path: Path, seed: int
) -> None:
    evidence = await run_kills(tmp_path, plan_lives(KILLS, random.Random(seed)))
    verdict = judge(evidence)
    tell(evidence, verdict, seed)
    check(evidence, verdict)
    assert {row.killed.link_up for row in verdict.rows} == {True, False}


async def test_three_kills_lose_nothing_that_was_flushed_and_every_loss_is_told(
    tmp_path: Path, seed: int
) -> None:
    lives = [
        Life(2.2, link_up=True, turn_s=None),
        Life(2.0, link_up=False, turn_s=1.1),
        Life(0.3, True, None),
    ]
    evidence = await run_kills(tmp_path, lives)
    verdict = judge(evidence)
    tell(evidence, verdict, seed)
    check(evidence, verdict)
    assert any(row.lost for row in verdict.rows), "nothing was in flight at any kill: this proved nothing"
