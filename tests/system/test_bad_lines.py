"""Bad days on the line, with the agent as a process: silence, rubbish, a port that goes, a foreign meter."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from config.model import MeterConfig
from edge_agent.healthcheck import ask_status
from hal.sim.line import LineFaults, SimLine, WireFrame
from tests.system.plant import COUNTER, GAUGE, Plant, rtu_line, sdm630, slots, wrong_values
from tests.world.gateway import Gateway, Row, open_gateway, wait_until

REPLY_TIMEOUT_S = 0.3
SLACK_S = 0.15  # a busy machine's, beyond what line and agent need
SERIAL_ADDRESS = 0xFC00
ROUNDS = 5


def requests(line: SimLine) -> list[tuple[int, WireFrame]]:
    """(unit, frame) of each request on the wire, in order."""
    return [(frame.data[0], frame) for frame in line.log if frame.sender == "client"]


def delays_after(line: SimLine, unit: int) -> list[float]:
    """How long after a request to `unit` the line's next request came, where it went to another unit."""
    return [
        after.start_s - before.end_s
        for (asked, before), (other, after) in pairwise(requests(line))
        if asked == unit and other > unit
    ]


def values_in_each_slot(rows: Sequence[Row], meter: str) -> list[bool]:
    """For each slot of a meter, whether all of its series have values; the last may still be on its way."""
    return [
        all(row["value"] is not None for row in rows if row["meter"] == meter and row["due_ms"] == due_ms)
        for due_ms in slots(rows, meter)
    ]


async def test_a_silent_meter_costs_its_line_one_timeout_a_round(tmp_path: Path) -> None:
    # Every quantity of the profile: many requests for a meter that answers, one for a meter that does not.
    plant, meters = Plant(), [sdm630(1), sdm630(2, quantities=()), sdm630(3)]
    async with (
        plant.line(meters, present=("meter-1", "meter-3")) as line,
        open_gateway(
            tmp_path, lines=[rtu_line(line, reply_timeout_s=REPLY_TIMEOUT_S)], meters=meters
        ) as gateway,
    ):
        await gateway.wait_values("meter-3", ROUNDS)
        await gateway.wait_fault("meter.silent meter-2")
        assert set(await gateway.faults()) == {"meter.silent meter-2"}
        rows = gateway.readings()
        # The others have a value in every slot, and the silent one a null with its cause in every series.
        for meter in ("meter-1", "meter-3"):
            assert all(values_in_each_slot(rows, meter)), meter
        assert gateway.nulls("meter-2") == {"silent"}
        silent = slots(rows, "meter-2")
        assert len(silent) >= ROUNDS - 1
        # Never more than one request to it from one request to its neighbour to the next, and the neighbour
        # asked as soon as the timeout was over.
        asked = [unit for unit, _ in requests(line)]
        assert all((before, after) != (2, 2) for before, after in pairwise(asked))
        delays = delays_after(line, 2)
        assert delays
        assert max(delays) <= REPLY_TIMEOUT_S + SLACK_S, delays
        assert wrong_values(plant, rows) == []


async def test_damage_on_the_line_never_makes_a_wrong_value(tmp_path: Path, seed: int) -> None:
    # Few enough faults that answers come through, too; each kind comes up in nearly every run.
    faults = LineFaults(
        noise_before=0.1,
        noise_after=0.1,
        echo=0.3,
        flip=0.1,
        silence=0.04,
        late=0.04,
        short=0.06,
        junk=0.06,
        split=0.1,
        late_s=(0.25, 0.9),
        split_s=0.02,
    )
    plant, meters = Plant(), [sdm630(address) for address in range(1, 6)]
    async with (
        plant.line(meters, faults=faults, seed=random.Random(seed).getrandbits(32)) as line,
        open_gateway(tmp_path, lines=[rtu_line(line, reply_timeout_s=0.2)], meters=meters) as gateway,
    ):

        def enough(rows: list[Row]) -> bool:
            good = sum(row["value"] is not None for row in rows)
            return good >= 24 and len({frame.fault for frame in line.log if frame.fault}) >= 6

        await gateway.wait_readings(enough)
        rows = await stop_and_read(gateway, meters)
        seen = sorted({frame.fault for frame in line.log if frame.fault})
        good = sum(row["value"] is not None for row in rows)
        print(f"EDGE_SEED={seed}: {good} values, {len(rows) - good} nulls; on the wire: {', '.join(seen)}")
        assert wrong_values(plant, rows) == []
        assert {row["null_cause"] for row in rows if row["value"] is None} <= {
            "silent",
            "corrupt",
            "line_busy",
        }


def incomplete(rows: Sequence[Row], meter: MeterConfig) -> list[Row]:
    """Rows of slots that do not have exactly one row for each series, a value or a null with its cause."""
    found: list[Row] = []
    for due_ms in slots(rows, meter.id):
        mine = [row for row in rows if row["meter"] == meter.id and row["due_ms"] == due_ms]
        whole = sorted(row["quantity"] for row in mine) == sorted(meter.quantities)
        if not whole or any((row["value"] is None) != bool(row["null_cause"]) for row in mine):
            found += mine
    return found


async def stop_and_read(gateway: Gateway, meters: Sequence[MeterConfig]) -> list[Row]:
    """The store after an orderly stop. A batch may have been sealed in the middle of a slot, but not now."""
    assert await gateway.agent.stop() == 0

    def whole(rows: list[Row]) -> bool:
        return not any(incomplete(rows, meter) for meter in meters)

    await gateway.wait_readings(whole, what="all series in each slot")
    return await gateway.export()


async def test_a_port_that_vanishes_and_comes_back_is_resumed(tmp_path: Path) -> None:
    plant, meters = Plant(), [sdm630(1)]
    async with (
        plant.line(meters, link=tmp_path / "adapter") as line,
        open_gateway(tmp_path, lines=[rtu_line(line)], meters=meters) as gateway,
    ):
        await gateway.wait_values("meter-1", 2)
        line.pty.vanish()
        evidence = await wait_until(lambda: port_fault(gateway), what="a fault of the port")
        assert str(tmp_path / "adapter") in evidence  # type: ignore[operator]
        rows = await gateway.wait_readings(lambda rows: port_nulls(rows) >= 2)
        last_null_ms = max(row["due_ms"] for row in rows if row["null_cause"] == "port_gone")
        line.pty.appear()
        await gateway.wait_readings(
            lambda rows: any(row["value"] is not None and row["due_ms"] > last_null_ms for row in rows)
        )
        await wait_until(lambda: no_fault(gateway), what="no fault")
        rows = await stop_and_read(gateway, meters)
        assert wrong_values(plant, rows) == []
        assert gateway.nulls("meter-1") <= {"port_gone", "silent", "corrupt"}
        due = [row["due_ms"] for row in rows if row["quantity"] == COUNTER]
        steps = {after - before for before, after in pairwise(due[1:])}
        assert steps == {1000}, "no slot is left out while the port is away"


def port_nulls(rows: Sequence[Row]) -> int:
    """Slots that went by while the port was not there."""
    return len({row["due_ms"] for row in rows if row["null_cause"] == "port_gone"})


async def port_fault(gateway: Gateway) -> str:
    faults = await gateway.faults()
    return next((text for name, text in faults.items() if name in ("port.missing bus", "port.gone bus")), "")


async def no_fault(gateway: Gateway) -> bool:
    return not (await ask_status(gateway.socket))["faults"]


async def test_nothing_that_a_foreign_meter_says_counts(tmp_path: Path) -> None:
    plant, meters = Plant(), [sdm630(1), sdm630(2)]
    async with (
        plant.line(meters, serials={"meter-2": "99999999"}) as line,
        open_gateway(tmp_path, lines=[rtu_line(line)], meters=meters) as gateway,
    ):
        evidence = await gateway.wait_fault("meter.wrong-serial meter-2")
        assert meters[1].serial in evidence
        assert "99999999" in evidence
        await gateway.wait_values("meter-1", 3)
        await gateway.wait_readings(lambda rows: len(slots(rows, "meter-2")) >= 3)
        assert gateway.values("meter-2", COUNTER) == []
        assert gateway.values("meter-2", GAUGE) == []
        assert gateway.nulls("meter-2") == {"wrong_device"}
        assert not plant.answers("meter-2"), "it is asked for nothing but its serial number"
        assert ("fault.raised", "meter-2") in [(code, subject) for code, subject, _ in gateway.events()]
