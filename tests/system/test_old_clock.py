"""A gateway that wakes up in the past: it delivers, is not deceived, and nobody locks it out."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from edge_agent import BUILT_MS
from edge_agent.time_bound import RAISE_MARGIN_MS
from edge_agent.uplink.tls import client_context
from protocols.uplink.cbor import encode_message
from protocols.uplink.cose import Signer
from protocols.uplink.messages import Receipt
from tests.system.plant import Plant, rtu_line, sdm630, wrong_values
from tests.world.gateway import Gateway, Settings, open_gateway, run_program, wait_until
from tests.world.old_clock import launcher

DAY_S = 86_400
IN_1970_S = 3_600
PLAUSIBLE_S = 400 * DAY_S  # so long ago: what a gateway wakes up with that kept its last time on the disk
FAR_FUTURE_MS = 4_102_444_800_000  # 2100-01-01
HOUR_MS = 3_600_000


async def ask_time(gateway: Gateway) -> dict[str, Any]:
    arguments = ("time", "--json", "--config", str(gateway.config))
    _, out, err = await run_program(gateway.folder, "edgectl.main", *arguments)
    assert out, err
    answer: dict[str, Any] = json.loads(out)
    return answer


async def send_receipt(gateway: Gateway, time_ms: int, counter: int) -> None:
    """A receipt that holds nothing, as the backend's own key signs it, through the broker."""
    key = load_pem_private_key((gateway.folder / "receiver.key").read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)
    stream = (await gateway.status())["buffer"]["stream"]
    receipt = Receipt(1, counter, stream, -1, (), (), 16, time_ms)
    papers = gateway.pki.backend
    context = client_context(gateway.pki.ca, papers.certificate, papers.key)
    async with aiomqtt.Client("127.0.0.1", gateway.broker.port, tls_context=context) as client:
        topic = f"edge/v1/{gateway.settings.id}/down"
        await client.publish(topic, Signer(key).sign(encode_message(receipt)), qos=1)


async def restart(gateway: Gateway) -> None:
    """The agent anew: a new TLS connection, judged by what it has kept of the time."""
    assert await gateway.agent.stop() == 0
    await gateway.agent.start()
    await gateway.wait_running()


@pytest.mark.parametrize(
    ("shows_s", "clock", "doubt"),
    [
        (IN_1970_S, "kernel", "unsynchronised"),
        (int(time.time()) - PLAUSIBLE_S, "kernel", "unsynchronised"),
        (IN_1970_S, "operator", "before-bound"),
    ],
    ids=["1970", "plausible", "1970-vouched-for"],
)
async def test_a_gateway_in_the_past_delivers_and_a_receipt_of_the_future_does_not_lock_it_out(
    shows_s: int, clock: str, doubt: str, tmp_path: Path
) -> None:
    plant, meters = Plant(), [sdm630()]
    settings = Settings(clock=clock)
    async with (
        plant.line(meters) as line,
        open_gateway(
            tmp_path, lines=[rtu_line(line)], meters=meters, settings=settings, start=("broker", "receiver")
        ) as gateway,
    ):
        gateway.agent.launcher = launcher(tmp_path, shows_s)
        await gateway.agent.start()
        await gateway.wait_values("meter-1", 2)
        await gateway.wait_drained()
        now = await ask_time(gateway)
        assert abs(now["system_utc_ms"] / 1000 - shows_s) < DAY_S, "the clock that was meant"
        assert (now["doubt"], now["utc_ms"], now["bound_origin"]) == (doubt, None, "receipt")
        assert now["bound_utc_ms"] <= BUILT_MS + RAISE_MARGIN_MS + now["boot_ms"]

        await send_receipt(gateway, FAR_FUTURE_MS, counter=0)
        refused = await gateway.faults()
        assert "uplink.receipt uplink" not in refused

        async def has_risen() -> bool:
            return bool((await ask_time(gateway))["bound_utc_ms"] >= BUILT_MS + RAISE_MARGIN_MS)

        await wait_until(has_risen, what="the receipt of 2100 at the gateway")
        after = await ask_time(gateway)
        assert after["bound_utc_ms"] <= BUILT_MS + RAISE_MARGIN_MS + HOUR_MS, "a day, and as long as it ran"

        await restart(gateway)
        held = len(gateway.readings())
        rows = await gateway.wait_readings(lambda rows: len(rows) > held + 2)
        await gateway.wait_drained()
        assert (await gateway.status())["link"]["connected"]
        assert {row["utc"] for row in rows} == {""}, "no time is better than a wrong one"
        assert wrong_values(plant, rows) == []
        assert gateway.store_status()["duplicates"] == 0
