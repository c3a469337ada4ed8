"""A gateway with its broker and its receiver, each a real process, wired up in one folder.

    async with open_gateway(tmp_path, lines=[LineConfig(...)], meters=[MeterConfig(...)]) as gateway:
        await gateway.wait_readings(lambda rows: any(row["value"] for row in rows))
        status = await gateway.status()
        await gateway.agent.kill()
        await gateway.agent.start()

Rules: waiting is polling with a deadline, never a fixed sleep; a process is ended by its own id, in any
case; when a test fails, the end of every log is printed. Reports of the store are those of
`edge-backend`, made in this process while something is waited for; `export` asks the command itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_public_key,
)

from backend import report
from backend.store import Store
from config.model import BufferConfig, GatewayConfig, LineConfig, MeterConfig, UplinkConfig
from edge_agent.agent import KEYS_FOLDER, private_folder
from edge_agent.healthcheck import ask_status
from edge_agent.identity import public_key_pem
from protocols.uplink.messages import GapCause
from tests.world.broker import Mosquitto
from tests.world.pki import Pki, make_pki

PROJECT = Path(__file__).parents[2]
GATEWAY_ID = "du-test-01"
POLL_S = 0.05
WAIT_S = 30.0
STOP_TIMEOUT_S = 20.0
LOG_TAIL_BYTES = 3_000
# What a broker must keep when it is killed: who subscribed, and what waits for them.
KEEP_SESSIONS = "autosave_on_changes true\nautosave_interval 1"
SUBSCRIBED = "receiving edge/v1/+/up from"

T = TypeVar("T")
Row = dict[str, Any]


async def wait_until(
    predicate: Callable[[], T | Awaitable[T]], timeout_s: float = WAIT_S, what: str = ""
) -> T:
    """Poll until `predicate` gives something true, and give that; AssertionError with its last word."""
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + timeout_s
    while True:
        found = predicate()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return found
        if loop.time() >= deadline_s:
            what = what or inspect.getsource(predicate).strip()
            raise AssertionError(f"not within {timeout_s:g} s: {what} (last: {found!r})")
        await asyncio.sleep(POLL_S)


class Program:
    """One of our programs as a process: `python -m ARGUMENTS`; its words go to NAME.log in the folder."""

    def __init__(self, folder: Path, name: str, *arguments: str) -> None:
        self.log_path = folder / f"{name}.log"
        self.process: asyncio.subprocess.Process | None = None
        self.launcher: tuple[str, ...] = (sys.executable,)
        self._folder = folder
        self._name = name
        self._arguments = arguments

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.returncode is None

    @property
    def pid(self) -> int:
        assert self.process is not None, f"{self._name} was not started"
        return self.process.pid

    async def start(self) -> None:
        """Start, and do not wait for anything."""
        assert not self.running, f"{self._name} is running"
        with self.log_path.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(*self.launcher, "-m", *self._arguments),
                stdout=log,
                stderr=log,
                cwd=self._folder,
                env={**os.environ, "PYTHONPATH": str(PROJECT)},
            )

    async def wait(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """The exit code, once it has ended."""
        assert self.process is not None, f"{self._name} was not started"
        async with asyncio.timeout(timeout_s):
            return await self.process.wait()

    async def stop(self) -> int:
        """SIGTERM; the exit code. SIGKILL and -9 where it does not end in STOP_TIMEOUT_S."""
        if self.process is None:
            return 0
        if self.running:
            self.process.terminate()
        try:
            return await self.wait()
        except TimeoutError:
            await self.kill()
            return -9

    async def kill(self) -> None:
        """SIGKILL, at once."""
        if self.running and self.process is not None:
            self.process.kill()
        if self.process is not None:
            await self.process.wait()

    def log(self) -> str:
        """All that it said so far."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""


@dataclass(slots=True)
class Settings:
    """What a test may want otherwise. `url` and `ca` empty: this gateway's own broker and authority."""

    id: str = GATEWAY_ID
    url: str = ""
    ca: str = ""
    certificate: str = ""
    key: str = ""
    clock: str = "operator"
    state_folder: str = ""
    batch_interval_s: int = 1
    flush_interval_s: float = 0.3
    size_bytes_max: int = 64 * 1024 * 1024
    keepalive_s: int = 20
    receipt_interval_s: float = 0.5
    keys: str = ""
    more: str = ""  # TOML to stand at the file's end


@dataclass(slots=True)
class Gateway:
    """The running parts; each can be ended and started again."""

    folder: Path
    pki: Pki
    broker: Mosquitto
    agent: Program
    receiver: Program
    settings: Settings
    lines: Sequence[LineConfig] = ()
    meters: Sequence[MeterConfig] = ()
    _reports: Store | None = field(default=None, repr=False)

    @property
    def config(self) -> Path:
        return self.folder / "gateway.toml"

    @property
    def socket(self) -> Path:
        return self.folder / "agent.sock"

    @property
    def state_folder(self) -> Path:
        return Path(self.settings.state_folder or self.folder / "state")

    @property
    def outbox(self) -> Path:
        """The folder of the agent's journal and outbox."""
        return self.state_folder / "buffer"

    @property
    def store_path(self) -> Path:
        return self.folder / "backend.sqlite"

    @property
    def topic_up(self) -> str:
        return f"edge/v1/{self.settings.id}/up"

    # The agent's own word

    async def status(self) -> Row:
        """The agent's StatusReport by its local API; OSError while it does not answer."""
        return await ask_status(self.socket)

    async def faults(self) -> dict[str, str]:
        """The faults that hold: evidence by "code subject"; empty while the agent does not answer."""
        try:
            status = await self.status()
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            return {}
        return {f"{fault['code']} {fault['subject']}": fault["evidence"] for fault in status["faults"]}

    async def wait_fault(self, name: str, timeout_s: float = WAIT_S) -> str:
        """The evidence of the fault "code subject", once it holds."""

        async def evidence() -> str:
            return (await self.faults()).get(name, "")

        return await wait_until(evidence, timeout_s, f"the fault {name}")

    async def wait_no_fault(self, name: str, timeout_s: float = WAIT_S) -> None:
        """Return when the agent answers and the fault "code subject" does not hold."""

        async def gone() -> bool:
            try:
                status = await self.status()
            except (OSError, asyncio.IncompleteReadError, TimeoutError):
                return False
            return all(f"{fault['code']} {fault['subject']}" != name for fault in status["faults"])

        await wait_until(gone, timeout_s, f"the end of the fault {name}")

    async def wait_running(self) -> Row:
        """The agent's status, once it answers."""

        async def answer() -> Row | None:
            assert self.agent.running, f"the agent ended:\n{self.agent.log()}"
            try:
                return await self.status()
            except (OSError, asyncio.IncompleteReadError):
                return None

        return await wait_until(answer, WAIT_S, "an answer of the agent")  # type: ignore[return-value]

    # The receiver's store

    def readings(self, meter: str | None = None) -> list[Row]:
        """The rows of the store, as `edge-backend export` gives them."""
        return [row for row in report.readings(self._store()) if meter in (None, row["meter"])]

    def values(self, meter: str, quantity: str) -> list[str]:
        """The values of a series in the order of their slots, nulls left out."""
        rows = [row for row in self.readings(meter) if row["quantity"] == quantity]
        return [row["value"] for row in rows if row["value"] is not None]

    def nulls(self, meter: str) -> set[str]:
        """The causes of a meter's nulls."""
        return {row["null_cause"] for row in self.readings(meter) if row["value"] is None}

    def store_status(self) -> Row:
        """As `edge-backend status --json`."""
        return report.status(self._store())

    def gaps(self) -> list[Row]:
        """Every gap of the store; `cause` by its name in small letters."""
        names = ("stream", "sequence", "cause", "start_boot", "start_ms", "end_boot", "end_ms", "count")
        names += ("first", "last", "widened")
        rows = self._store().query(f"SELECT {', '.join(names)} FROM gaps ORDER BY stream, sequence")
        found = [dict(zip(names, row, strict=True)) for row in rows]
        return [gap | {"cause": GapCause(gap["cause"]).name.lower()} for gap in found]

    def events(self) -> list[tuple[str, str, Row]]:
        """(code, subject, details) of every event in the store."""
        rows = self._store().query("SELECT code, subject, details FROM events ORDER BY stream, sequence")
        return [(code, subject, json.loads(details)) for code, subject, details in rows]

    async def wait_readings(
        self, enough: Callable[[list[Row]], Any], timeout_s: float = WAIT_S, what: str = ""
    ) -> list[Row]:
        """The store's rows, once they are enough."""

        def rows() -> list[Row]:
            found = self.readings()
            return found if found and enough(found) else []

        return await wait_until(rows, timeout_s, what or f"readings: {inspect.getsource(enough).strip()}")

    async def wait_values(self, meter: str, count: int = 1, timeout_s: float = WAIT_S) -> list[Row]:
        """The store's rows, once `count` slots of a meter brought values."""

        def enough(rows: list[Row]) -> bool:
            slots = {row["due_ms"] for row in rows if row["meter"] == meter and row["value"] is not None}
            return len(slots) >= count

        return await self.wait_readings(enough, timeout_s, f"{count} slots with values of {meter}")

    async def wait_drained(self, timeout_s: float = WAIT_S) -> None:
        """Return when the backend has receipted everything that is sealed at some moment after the call."""

        async def drained() -> bool:
            buffer = (await self.status())["buffer"]
            return not (buffer["messages_unsent"] or buffer["messages_published"])

        await wait_until(drained, timeout_s, "an outbox that is held by the backend")

    async def export(self) -> list[Row]:
        """The output of `edge-backend export --json`."""
        text = await run_backend(self.folder, "export", "--store", str(self.store_path), "--json")
        rows: list[Row] = json.loads(text)
        return rows

    def _store(self) -> Store:
        if self._reports is None:
            self._reports = Store(self.store_path, _now_ms)
        return self._reports

    # Making and ending

    async def start_receiver(self) -> None:
        """Start the receiver; return when the broker has its subscription.

        What a gateway sends before that is acknowledged by the broker and dropped (the gateway sends it
        again, but only minutes later).
        """
        before = self.receiver.log().count(SUBSCRIBED)
        await self.receiver.start()
        await self.wait_subscribed(before)

    async def wait_subscribed(self, before: int = 0) -> None:
        """Return when the receiver has subscribed more than `before` times."""
        await wait_until(lambda: self.receiver.log().count(SUBSCRIBED) > before, what="a subscription")

    def write_config(self) -> None:
        """Write gateway.toml anew from `settings`, `lines` and `meters`; takes effect at the next start."""
        self.config.write_text(gateway_toml(self))

    def trust(self) -> None:
        """Make the agent's signing key, where there is none, and have the store trust it."""
        pem = public_key_pem(private_folder(self.state_folder / KEYS_FOLDER))
        self._store().trust(self.settings.id, load_pem_public_key(pem))  # type: ignore[arg-type]

    def logs(self) -> str:
        """The end of every log, for whoever has to find out what went wrong."""
        texts = {"agent": self.agent.log(), "receiver": self.receiver.log(), "mosquitto": self.broker.log()}
        return "\n".join(f"----- {name}\n{text[-LOG_TAIL_BYTES:]}" for name, text in texts.items())


@contextlib.asynccontextmanager
async def open_gateway(
    folder: Path,
    *,
    lines: Sequence[LineConfig],
    meters: Sequence[MeterConfig],
    settings: Settings | None = None,
    broker: Mosquitto | None = None,
    pki: Pki | None = None,
    start: Collection[str] = ("broker", "receiver", "agent"),
) -> AsyncIterator[Gateway]:
    """Set everything up and start what `start` names; end all of it on leaving."""
    pki = pki or make_pki(folder / "pki")
    broker = broker or Mosquitto(folder / "broker", pki, extra=KEEP_SESSIONS)
    agent = Program(folder, "agent", "edge_agent.main", "run", "--verbose", "--config", "gateway.toml")
    settings = settings or Settings()
    receiver = Program(folder, "receiver", "backend.main", *_receive_arguments(folder, pki, broker, settings))
    gateway = Gateway(folder, pki, broker, agent, receiver, settings, lines, meters)
    make_signing_key(folder / "receiver.key")
    gateway.write_config()
    gateway.trust()
    try:
        if "broker" in start:
            broker.start()
        if "receiver" in start:
            await gateway.start_receiver()
        if "agent" in start:
            await agent.start()
        yield gateway
    except BaseException:
        print(gateway.logs())
        raise
    finally:
        await asyncio.gather(agent.stop(), receiver.stop())
        broker.kill()
        gateway._store().close()


def gateway_toml(gateway: Gateway) -> str:
    """The configuration file of the agent."""
    settings, folder = gateway.settings, gateway.folder
    uplink = UplinkConfig(
        url=settings.url or gateway.broker.url,
        ca=settings.ca or str(gateway.pki.ca),
        certificate=settings.certificate or str(gateway.pki.gateway.certificate),
        key=settings.key or str(gateway.pki.gateway.key),
        backend_key=str(folder / "receiver.key.pub"),
        keepalive_s=settings.keepalive_s,
        batch_interval_s=settings.batch_interval_s,
        spread=False,
    )
    head = GatewayConfig(
        id=settings.id,
        state_folder=str(gateway.state_folder),
        socket=str(gateway.socket),
        clock=settings.clock,  # type: ignore[arg-type]  # the loader judges it
        keys=settings.keys,
    )
    buffer = BufferConfig(size_bytes_max=settings.size_bytes_max, flush_interval_s=settings.flush_interval_s)
    tables = [("[gateway]", head), ("[uplink]", uplink), ("[buffer]", buffer)]
    tables += [("[[line]]", line) for line in gateway.lines]  # type: ignore[misc]
    tables += [("[[meter]]", meter) for meter in gateway.meters]  # type: ignore[misc]
    return "\n".join(f"{name}\n{_toml(struct)}" for name, struct in tables) + settings.more


def _toml(struct: msgspec.Struct) -> str:
    """What differs from the defaults; JSON's scalars and arrays are TOML's, too."""
    given = {
        name: value
        for name, value, default in zip(
            struct.__struct_fields__,
            msgspec.structs.astuple(struct),
            (field.default for field in msgspec.structs.fields(struct)),
            strict=True,
        )
        if value != default
    }
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in given.items())


def _receive_arguments(folder: Path, pki: Pki, broker: Mosquitto, settings: Settings) -> list[str]:
    identity = pki.backend
    return [
        *("receive", "--broker", broker.url, "--ca", str(pki.ca)),
        *("--certificate", str(identity.certificate), "--key", str(identity.key)),
        *("--store", str(folder / "backend.sqlite"), "--signing-key", str(folder / "receiver.key")),
        *("--receipt-interval", str(settings.receipt_interval_s)),
    ]


def make_signing_key(path: Path) -> None:
    """The receiver's key and its public half, as `edge-backend keygen` makes them."""
    if path.exists():
        return
    key = Ed25519PrivateKey.generate()
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    Path(f"{path}.pub").write_bytes(public)


async def run_backend(folder: Path, *arguments: str) -> str:
    """The output of one `edge-backend` command; AssertionError with its words where it fails."""
    code, out, err = await run_program(folder, "backend.main", *arguments)
    assert code == 0, f"edge-backend {' '.join(arguments)}: exit {code}: {err}"
    return out


async def run_program(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Run `python -m ARGUMENTS` to its end: exit code, stdout, stderr."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )
    try:
        async with asyncio.timeout(WAIT_S):
            out, err = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    return process.returncode or 0, out.decode(), err.decode()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
