"""What the real session tells of the far end: a refusal is an answer, too."""

from __future__ import annotations

import time
from pathlib import Path

from tests.agent.test_session import open_gateway
from tests.world.broker import Mosquitto
from tests.world.gateway import wait_until
from tests.world.pki import make_pki


async def test_a_closed_port_is_an_answer_of_the_far_end(tmp_path: Path) -> None:
    pki = make_pki(tmp_path / "pki")
    with Mosquitto(tmp_path, pki) as broker:
        async with open_gateway(tmp_path, broker, pki) as gateway:
            session = gateway.session
            await wait_until(lambda: session.statistics().connected, what="connected")
            connected = session.statistics()
            assert connected.last_answer_s == connected.state_since_s
            assert connected.last_try_s is not None
            broker.stop()
            lost = await wait_until(
                lambda: (now := session.statistics()).last_error.count("nobody listens") and now,
                what="the port is closed",
            )
            assert not lost.connected
            assert lost.last_answer_s is not None
            assert lost.last_try_s is not None
            assert lost.last_answer_s >= lost.last_try_s > connected.last_try_s
            assert lost.last_answer_s <= time.monotonic()
