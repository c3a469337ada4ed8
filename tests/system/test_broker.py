"""mosquitto as a real broker, with TLS and client certificates: killed, and shown the wrong papers."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.system.plant import Plant, rtu_line, sdm630, unstored, wrong_values
from tests.world.broker import Mosquitto
from tests.world.gateway import KEEP_SESSIONS, Gateway, open_gateway, wait_until
from tests.world.pki import LOOPBACK, Authority, Identity, Pki

LINK_FAULTS = ("uplink.lost", "uplink.refused", "uplink.timeout")


async def stop_and_compare(gateway: Gateway, plant: Plant, meter: str = "meter-1") -> None:
    """After an orderly stop: all that the meter said is in the store, once, and nothing else."""
    assert await gateway.agent.stop() == 0
    rows = await gateway.wait_readings(
        lambda rows: not unstored(plant, rows, meter), what="all that the meters said"
    )
    assert wrong_values(plant, rows) == []
    status = gateway.store_status()
    assert status["duplicates"] == 0
    assert set(status["verdicts"]) <= {"accepted", "duplicate"}
    assert [stream["holes"] for stream in status["streams"]] == [[]]


async def test_readings_go_on_while_the_broker_is_dead_and_arrive_once_it_is_back(tmp_path: Path) -> None:
    plant, meters = Plant(), [sdm630()]
    async with (
        plant.line(meters) as line,
        open_gateway(tmp_path, lines=[rtu_line(line)], meters=meters) as gateway,
    ):
        await gateway.wait_values("meter-1", 2)
        await gateway.wait_drained()
        before = gateway.receiver.log().count("receiving edge/v1")
        gateway.broker.kill()

        async def told() -> bool:
            return any(name.split()[0] in LINK_FAULTS for name in await gateway.faults())

        await wait_until(told, what="a fault of the uplink")
        said = len(plant.log)
        await wait_until(lambda: len(plant.log) >= said + 6, what="three more rounds without a broker")
        buffer = (await gateway.status())["buffer"]
        assert buffer["messages_unsent"] > 0
        assert not (await gateway.status())["link"]["connected"]
        gateway.broker.start()
        await gateway.wait_subscribed(before)
        await gateway.wait_drained()
        assert not any(name.startswith("uplink.") for name in await gateway.faults())
        await stop_and_compare(gateway, plant)
        assert gateway.gaps() == []


@dataclass(frozen=True)
class Papers:
    """Certificates of a case: what the broker shows at first, and what the gateway is given."""

    fault: str
    words: str
    spoil: Callable[[Gateway, Authority], None]
    repair: Callable[[Gateway], None]


def show(gateway: Gateway, identity: Identity) -> None:
    """Have the broker show another certificate. An orderly stop keeps its sessions."""
    gateway.broker.stop()
    shutil.copy(identity.certificate, gateway.pki.server.certificate)
    shutil.copy(identity.key, gateway.pki.server.key)
    gateway.broker.start()


def show_right(gateway: Gateway) -> None:
    folder = gateway.folder / "pki"
    show(gateway, Identity(folder / "right.pem", folder / "right.key"))


def show_expired(gateway: Gateway, authority: Authority) -> None:
    yesterday = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    show(gateway, authority.issue(gateway.folder, "expired", hosts=LOOPBACK, valid_to=yesterday))


def show_other_host(gateway: Gateway, authority: Authority) -> None:
    show(gateway, authority.issue(gateway.folder, "other", hosts=("broker.example",)))


def expect_foreign_authority(gateway: Gateway, _authority: Authority) -> None:
    gateway.settings.ca = str(Authority("Foreign root").write_root(gateway.folder / "foreign.pem"))


def sign_in_by_foreign_authority(gateway: Gateway, _authority: Authority) -> None:
    identity = Authority("Foreign root").issue(gateway.folder, "stranger")
    gateway.settings.certificate, gateway.settings.key = str(identity.certificate), str(identity.key)


def take_right_papers(gateway: Gateway) -> None:
    gateway.settings.ca = gateway.settings.certificate = gateway.settings.key = ""


CASES = {
    "wrong authority": Papers(
        "uplink.certificate", "[uplink] ca", expect_foreign_authority, take_right_papers
    ),
    "wrong host name": Papers("uplink.host-name", "made out to another", show_other_host, show_right),
    "expired": Papers("uplink.certificate", "expired", show_expired, show_right),
    "client of a foreign authority": Papers(
        "uplink.client-certificate",
        "refuses this gateway's certificate",
        sign_in_by_foreign_authority,
        take_right_papers,
    ),
}


def make_papers(folder: Path) -> tuple[Authority, Pki]:
    """Papers whose server certificate can be exchanged; the right one stays as right.pem and right.key."""
    folder.mkdir()
    authority = Authority()
    right = authority.issue(folder, "right", hosts=LOOPBACK)
    shown = Identity(folder / "server.pem", folder / "server.key")
    shutil.copy(right.certificate, shown.certificate)
    shutil.copy(right.key, shown.key)
    root = authority.write_root(folder / "ca.pem")
    pki = Pki(root, shown, authority.issue(folder, "gateway"), authority.issue(folder, "backend"))
    return authority, pki


@pytest.mark.parametrize("case", CASES)
async def test_wrong_papers_are_refused_named_and_cost_no_reading(case: str, tmp_path: Path) -> None:
    papers, plant, meters = CASES[case], Plant(), [sdm630()]
    authority, pki = make_papers(tmp_path / "pki")
    broker = Mosquitto(tmp_path / "broker", pki, extra=KEEP_SESSIONS)
    async with (
        plant.line(meters) as line,
        open_gateway(
            *(tmp_path,),
            lines=[rtu_line(line)],
            meters=meters,
            broker=broker,
            pki=pki,
            start=("broker", "receiver"),
        ) as gateway,
    ):
        papers.spoil(gateway, authority)
        gateway.write_config()
        await gateway.agent.start()
        evidence = await gateway.wait_fault(f"{papers.fault} uplink")
        assert papers.words in evidence
        await wait_until(lambda: len(plant.answers("meter-1")) >= 3, what="three rounds")
        status = await gateway.status()
        assert not status["link"]["connected"]
        assert status["buffer"]["messages_unsent"] > 0
        assert gateway.readings() == []
        papers.repair(gateway)
        if papers.repair is take_right_papers:
            assert await gateway.agent.stop() == 0
            gateway.write_config()
            await gateway.agent.start()
        await gateway.wait_values("meter-1", 4)
        await gateway.wait_no_fault(f"{papers.fault} uplink")
        await stop_and_compare(gateway, plant)
