"""Several streams of a real gateway, over a real broker, into a real receiver."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edge_agent.demo.relay import Relay
from tests.system.plant import Plant, rtu_line, sdm630, unstored, wrong_values
from tests.world.broker import Mosquitto
from tests.world.gateway import (
    KEEP_SESSIONS,
    Gateway,
    Row,
    Settings,
    open_gateway,
    run_program,
    wait_until,
)
from tests.world.pki import make_pki

MIB = 1024 * 1024
BILLING = f'\n[[stream]]\nid = "billing"\nmeters = ["meter-2"]\npriority = 0\nsize_bytes_max = {8 * MIB}\n'
FLAT = (
    f'\n[[stream]]\nid = "household-3"\nmeters = ["meter-3"]\npriority = 7\nsize_bytes_max = {4 * MIB}\n'
    'personal = true\npurpose = "billing"\nlegal_basis = "contract"\nopt_in = "consent of a test"\n'
)
METERS = ("meter-1", "meter-2", "meter-3")


def streams_by_meter(gateway: Gateway) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for row in gateway.readings():
        found.setdefault(row["meter"], set()).add(row["stream"])
    return found


def holes(gateway: Gateway) -> list[Row]:
    """The streams of the store in which a sequence is missing."""
    return [stream for stream in gateway.store_status()["streams"] if stream["holes"] or stream["ranges"]]


async def proof(gateway: Gateway) -> dict[str, Any]:
    """The word of `edge-backend gaps`."""
    _, out, _ = await run_program(
        gateway.folder, "backend.main", "gaps", "--store", str(gateway.store_path), "--json"
    )
    found: dict[str, Any] = json.loads(out)
    return found


async def test_two_streams_beside_the_main_one_arrive_exactly_through_a_kill_and_an_outage(
    tmp_path: Path,
) -> None:
    plant, meters = Plant(), [sdm630(1), sdm630(2), sdm630(3)]
    pki = make_pki(tmp_path / "pki")
    broker = Mosquitto(tmp_path / "broker", pki, extra=KEEP_SESSIONS)
    relay = Relay(broker.port)
    await relay.start()
    settings = Settings(url=f"mqtts://127.0.0.1:{relay.port}", more=BILLING + FLAT)
    async with (
        plant.line(meters) as line,
        open_gateway(
            tmp_path, lines=[rtu_line(line)], meters=meters, settings=settings, broker=broker, pki=pki
        ) as gateway,
    ):
        for meter in METERS:
            await gateway.wait_values(meter, 2)
        known = {stream["id"]: stream for stream in (await gateway.status())["streams"]}
        assert [(stream["id"], stream["meters"]) for stream in known.values()] == [
            ("main", ["meter-1"]),
            ("billing", ["meter-2"]),
            ("household-3", ["meter-3"]),
        ]
        assert (known["household-3"]["purpose"], known["household-3"]["legal_basis"]) == (
            "billing",
            "contract",
        )

        relay.cut()
        said = len(plant.answers("meter-3"))
        await wait_until(lambda: len(plant.answers("meter-3")) >= said + 4, what="rounds without a link")
        await gateway.agent.kill()
        flushed_ms = plant.answers("meter-3")[-1].boot_ms - 3_000
        await gateway.agent.start()
        relay.heal()
        said = len(plant.answers("meter-3"))
        await wait_until(lambda: len(plant.answers("meter-3")) >= said + 2, what="rounds after the kill")
        assert await gateway.agent.stop() == 0
        killed_ms = flushed_ms
        await gateway.wait_readings(
            lambda rows: not any(unstored(plant, rows, meter, killed_ms) for meter in METERS)
        )
        assert wrong_values(plant, gateway.readings()) == []
        assert gateway.store_status()["duplicates"] == 0
        own = streams_by_meter(gateway)
        assert [len(own[meter]) for meter in METERS] == [1, 1, 1]
        assert len(set.union(*own.values())) == 3
        assert {(stream["stream"], stream["name"]) for stream in gateway.store_status()["streams"]} == {
            (known[name]["buffer"]["stream"], name) for name in known
        }
        await wait_until(lambda: not holes(gateway), what="streams without a hole")
        found = await proof(gateway)
        assert found["findings"] == []
        assert {(each["meter"], each["unexplained_runs"]) for each in found["series"]} == {
            (meter, 0) for meter in METERS
        }
    await relay.stop()


async def test_a_meter_that_moves_loses_nothing_and_its_stream_can_then_be_erased(tmp_path: Path) -> None:
    plant, meters = Plant(), [sdm630(1), sdm630(2), sdm630(3)]
    settings = Settings(more=FLAT)
    async with (
        plant.line(meters) as line,
        open_gateway(tmp_path, lines=[rtu_line(line)], meters=meters, settings=settings) as gateway,
    ):
        await gateway.wait_values("meter-3", 2)
        await gateway.agent.kill()
        settings.more = FLAT.replace("household-3", "tenant-b")
        gateway.write_config()
        await gateway.agent.start()
        await gateway.wait_running()
        said = len(plant.answers("meter-3"))
        await wait_until(lambda: len(plant.answers("meter-3")) >= said + 3, what="rounds in the new stream")
        await wait_until(lambda: len(streams_by_meter(gateway)["meter-3"]) == 2, what="both streams")
        await gateway.wait_drained()
        refused = ("erase-stream", "household-3", "--config", str(gateway.config))
        code, _, err = await run_program(tmp_path, "edge_agent.main", *refused)
        assert (code, "the agent runs" in err) == (2, True), err
        assert await gateway.agent.stop() == 0
        last_ms = plant.answers("meter-3")[-1].boot_ms
        rows = await gateway.wait_readings(lambda rows: not unstored(plant, rows, "meter-1", last_ms - 5000))
        assert wrong_values(plant, rows) == []
        found = await proof(gateway)
        assert found["findings"] == []
        assert {each["unexplained_runs"] for each in found["series"]} == {0}, found["series"]

        folder = gateway.state_folder / "streams" / "household-3"
        assert b"20260003" in b"".join(path.read_bytes() for path in folder.iterdir())
        code, out, err = await run_program(tmp_path, "edge_agent.main", *refused)
        assert (code, "removed for good" in out) == (0, True), err
        assert not folder.exists()
        before = len(plant.answers("meter-3"))
        await gateway.agent.start()
        await wait_until(lambda: len(plant.answers("meter-3")) >= before + 2, what="rounds after the erasure")
        assert [stream["id"] for stream in (await gateway.wait_running())["streams"]] == ["main", "tenant-b"]
