"""Late answers, cancelled waits, echo, noise, other units, short answers: not one wrong value is accepted."""

from __future__ import annotations

import pytest

from tests.line.seeded import FRAMINGS, Framing, Tally, exchange_ours, exchange_theirs, run_lines, table

LINES = 8


def check(tally: Tally, exchanges: int) -> None:
    assert tally["wrong"] == 0
    assert tally["exchanges"] >= exchanges
    assert tally["good"] >= exchanges / 2
    assert tally["timeout"] > 0
    assert tally["cancelled"] > 0


async def both(framing: Framing, seed: int, exchanges: int, theirs: int) -> tuple[str, Tally]:
    ours = await run_lines(exchange_ours, framing, seed, exchanges, LINES)
    pymodbus = await run_lines(exchange_theirs, framing, seed, theirs, LINES)
    return f"\nseed {seed}\n{table([(framing, ours), ('  pymodbus client', pymodbus)])}", ours


@pytest.mark.parametrize("framing", FRAMINGS)
async def test_not_one_wrong_value_is_accepted_in_a_thousand_exchanges_on_a_bad_line(
    framing: Framing, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    text, ours = await both(framing, seed, 1_000, 200)
    with capsys.disabled():
        print(text)
    check(ours, 1_000)


@pytest.mark.proof
@pytest.mark.parametrize("framing", FRAMINGS)
async def test_not_one_wrong_value_is_accepted_in_ten_thousand_exchanges_on_a_bad_line(
    framing: Framing, seed: int
) -> None:
    text, ours = await both(framing, seed, 10_000, 10_000)
    print(text)
    check(ours, 10_000)
