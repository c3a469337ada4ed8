"""Trust in time: what raises the lower bound, what it refuses, and TLS while no clock is trusted."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.clock import BootClock
from edge_agent.faults import FaultCode
from edge_agent.time_bound import RAISE_MARGIN_MS, TimeBound
from edge_agent.uplink.tls import CertificateEnded, client_context, explain
from hal.sim.clock import SimClock
from hal.storage import FolderStorage
from tests.world.broker import Mosquitto
from tests.world.pki import LOOPBACK, Authority, Identity, Pki

BUILT_MS = 1_795_392_000_000
YEAR_MS = 365 * 86_400_000
DAY_MS = 86_400_000
DAY = dt.timedelta(days=1)


def open_bound(folder: Path, clock: SimClock, built_ms: int = BUILT_MS) -> TimeBound:
    return TimeBound(FolderStorage(folder), clock.boot_id(), clock.boot_ms, built_ms)


def test_the_bound_begins_at_the_build_date_and_survives_a_restart_and_a_damaged_copy(tmp_path: Path) -> None:
    clock = SimClock(boot_ms=1_000)
    bound = open_bound(tmp_path, clock)
    assert bound.utc_ms == BUILT_MS
    bound.learn(BUILT_MS + YEAR_MS, trusted_ms=BUILT_MS + YEAR_MS + 50)
    bound.save()
    (tmp_path / "time-bound").write_bytes(b"rubbish")
    clock.reboot()
    assert open_bound(tmp_path, clock).utc_ms == BUILT_MS + YEAR_MS
    assert open_bound(tmp_path, clock, BUILT_MS + 2 * YEAR_MS).utc_ms == BUILT_MS + 2 * YEAR_MS


def test_a_receipt_from_the_far_future_raises_it_by_the_margin_only_however_often(tmp_path: Path) -> None:
    clock = SimClock()
    bound = open_bound(tmp_path, clock)
    for step in range(5):
        bound.learn(BUILT_MS + (50 + step) * YEAR_MS, trusted_ms=None)
        bound.save()
        bound = open_bound(tmp_path, clock)  # a restart of the process in the same boot is no new margin
        assert bound.utc_ms == BUILT_MS + RAISE_MARGIN_MS
    clock.advance(3 * DAY_MS)
    bound.learn(BUILT_MS + 50 * YEAR_MS, trusted_ms=None)
    assert bound.utc_ms == BUILT_MS + RAISE_MARGIN_MS + 3 * DAY_MS


def test_a_receipt_never_raises_it_above_a_trusted_clock_and_a_person_can_reset_it(tmp_path: Path) -> None:
    bound = open_bound(tmp_path, SimClock())
    bound.learn(BUILT_MS + 50 * YEAR_MS, trusted_ms=BUILT_MS + DAY_MS)
    assert bound.utc_ms == BUILT_MS + DAY_MS
    bound.learn(BUILT_MS - YEAR_MS, trusted_ms=BUILT_MS + 2 * DAY_MS)
    assert bound.utc_ms == BUILT_MS + DAY_MS, "an old receipt, replayed, lowers nothing"
    bound.reset()
    bound.save()
    assert open_bound(tmp_path, SimClock()).utc_ms == BUILT_MS


@given(st.lists(st.tuples(st.integers(0, 4 * BUILT_MS), st.none() | st.integers(0, 2 * BUILT_MS))))
def test_no_order_of_receipts_lowers_the_bound_or_lifts_it_beyond_what_anything_vouches_for(
    receipts: list[tuple[int, int | None]],
) -> None:
    class Nowhere:
        def read(self, name: str) -> bytes:
            raise FileNotFoundError(name)

    bound = TimeBound(Nowhere(), "boot", lambda: 0, BUILT_MS)  # type: ignore[arg-type]
    vouched_ms = max([BUILT_MS, *(trusted for _, trusted in receipts if trusted is not None)])
    before_ms = bound.utc_ms
    for receipt_ms, trusted_ms in receipts:
        bound.learn(receipt_ms, trusted_ms)
        assert bound.utc_ms >= before_ms
        before_ms = bound.utc_ms
    assert bound.utc_ms <= max(vouched_ms, BUILT_MS + RAISE_MARGIN_MS)


def test_a_disk_that_refuses_keeps_the_bound_in_memory_and_is_tried_again(tmp_path: Path) -> None:
    folder = tmp_path / "bound"
    bound = open_bound(folder, SimClock())
    folder.rmdir()
    bound.save()
    assert bound.write_error
    folder.mkdir()
    bound.save()
    assert not bound.write_error
    assert (folder / "time-bound").exists()


def test_a_clock_that_stands_before_the_bound_is_not_believed_whoever_vouches(tmp_path: Path) -> None:
    sim = SimClock(boot_ms=5_000)
    clock = BootClock(FolderStorage(tmp_path), sim, built_ms=BUILT_MS)
    sim.trust(offset_ms=0)  # 1970
    assert not clock.check()
    assert clock.wall() is None
    assert clock.is_behind()
    sim.trust(offset_ms=BUILT_MS)
    assert clock.check()
    assert clock.wall() is not None
    assert not clock.is_behind()


class Broker:
    """Mosquitto whose server certificate is valid when a test says so."""

    def __init__(self, folder: Path, valid_from: dt.datetime, valid_to: dt.datetime) -> None:
        authority = Authority()
        server: Identity = authority.issue(
            folder, "server", hosts=LOOPBACK, valid_from=valid_from, valid_to=valid_to
        )
        ca = authority.write_root(folder / "ca.pem")
        self.pki = Pki(ca, server, authority.issue(folder, "gateway"), authority.issue(folder, "backend"))
        self.mosquitto = Mosquitto(folder, self.pki)

    def connect(self, bound_ms: int | None) -> None:
        own = self.pki.gateway
        context = client_context(self.pki.ca, own.certificate, own.key, bound_ms=bound_ms)
        address = ("localhost", self.mosquitto.port)
        with socket.create_connection(address, 10) as plain:
            context.wrap_socket(plain, server_hostname="localhost").close()


def ms(moment: dt.datetime) -> int:
    return int(moment.timestamp() * 1000)


def test_without_a_trusted_clock_a_certificate_that_begins_later_is_taken(tmp_path: Path) -> None:
    """As a gateway sees it that woke up in the past: here the certificate lies in the future instead."""
    now = dt.datetime.now(dt.UTC)
    broker = Broker(tmp_path, now + DAY, now + 30 * DAY)
    with broker.mosquitto:
        broker.connect(bound_ms=ms(now))
        with pytest.raises(ssl.SSLCertVerificationError) as refused:
            broker.connect(bound_ms=None)
    assert explain(refused.value, "broker")[0] == FaultCode.UPLINK_CERTIFICATE


def test_without_a_trusted_clock_a_certificate_that_ended_before_the_bound_is_refused(tmp_path: Path) -> None:
    now = dt.datetime.now(dt.UTC)
    broker = Broker(tmp_path, now - 30 * DAY, now - DAY)
    with broker.mosquitto:
        with pytest.raises(CertificateEnded) as refused:
            broker.connect(bound_ms=ms(now))
        broker.connect(bound_ms=ms(now - 2 * DAY))  # the risk that SECURITY.md names
        with pytest.raises(ssl.SSLCertVerificationError):
            broker.connect(bound_ms=None)
    code, text = explain(refused.value, "broker")
    assert code == FaultCode.UPLINK_CERTIFICATE
    assert "renew" in text


def test_without_a_trusted_clock_chain_and_host_name_are_checked_as_ever(tmp_path: Path) -> None:
    now = dt.datetime.now(dt.UTC)
    broker = Broker(tmp_path, now - DAY, now + DAY)
    (tmp_path / "foreign").mkdir()
    foreign = Authority().write_root(tmp_path / "foreign" / "ca.pem")
    with broker.mosquitto:
        own = broker.pki.gateway
        address = ("localhost", broker.mosquitto.port)
        for ca, host in ((foreign, "localhost"), (broker.pki.ca, "elsewhere.example")):
            context = client_context(ca, own.certificate, own.key, bound_ms=0)
            with (
                socket.create_connection(address, 10) as plain,
                pytest.raises(ssl.SSLCertVerificationError),
            ):
                context.wrap_socket(plain, server_hostname=host)
