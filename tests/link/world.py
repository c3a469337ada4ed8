"""A gateway's cellular link in virtual time: the simulated modem's state, what can be done to it from
outside, a broker behind it, and the real keeper in between. To be run by `run_virtual`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from config.cellular import ModemConfig, SimPin
from edge_agent.clock import BootClock
from edge_agent.faults import Fault, FaultCode, Faults
from edge_agent.link.keeper import Keeper
from edge_agent.link.proof import Answer, LifeSigns
from edge_agent.twin_file import TwinFile
from edge_agent.uplink.session import LinkStatistics
from hal.api import ClockOffset
from hal.modem.api import (
    CONNECT_S_MAX,
    STATUS_S_MAX,
    BearerStatus,
    IpMethod,
    IpSettings,
    IpType,
    ModemGone,
    ModemRefused,
    ModemSilent,
    ModemStatus,
    RegistrationState,
    SimState,
)
from hal.power import RepairFailed
from hal.sim.modem_state import PIN_TRIES, Cure, Delays, Hang, ModemState, Network
from hal.storage import FolderStorage
from protocols.at.causes import mobility_remedy, session_remedy
from protocols.cellular import Technology, make_signal
from protocols.uplink.messages import ClockSource, EventDetail
from protocols.value import Scaled
from tests.buffer.rig import HandClock

ICCID = "89490200001234567890"
SESSION_LOOK_S = 5.0
REGISTER_S = 60.0
EVERY_RUNG = ("reconnect", "radio", "reset", "service", "rebind", "power", "reboot")
CONFIG = ModemConfig(backend="modem-manager", apn="meter.test", rungs=EVERY_RUNG)
SERVER = "10.64.0.1"
UTC_MS = 1_780_000_000_000


class StateModem:
    """hal.modem.api.Modem on the simulated modem's state: what a driver would learn from it, as fast."""

    def __init__(self, state: ModemState) -> None:
        self.state = state
        self.service_is_dead = False
        self.pins: list[str] = []

    def advance(self) -> None:
        self.state.advance(asyncio.get_running_loop().time())

    async def _reach(self) -> None:
        self.advance()
        if self.service_is_dead:
            raise ModemGone("modem.service", "ModemManager does not run")
        if not self.state.is_present:
            raise ModemGone("modem.gone", "no modem")
        if not self.state.is_listening:
            await asyncio.sleep(STATUS_S_MAX)
            raise ModemSilent("modem.silent", "no answer to AT within 15 s")

    async def status(self) -> ModemStatus:
        await self._reach()
        state = self.state
        heard = state.has_signal and state.sim.value != "missing"
        signal = make_signal(Technology.LTE, rsrp_dbm=Scaled(-93, 0), rsrq_db=Scaled(-11, 0))
        return ModemStatus(
            imei="490154203237518",
            sim=SimState[state.sim.name],
            pin_tries_left=state.pin_tries,
            iccid=ICCID,
            operator="Testnetz",
            registration=RegistrationState[state.attachment.name],
            reject_cause=state.reject_cause,
            technology=Technology.LTE,
            signals=(signal,) if heard else (),
            bearer=self._bearer(),
        )

    def _bearer(self) -> BearerStatus:
        settings = IpSettings(IpMethod.STATIC, "10.17.0.2", 30, dns=(SERVER,))
        connected = bool(self.state.active)
        return BearerStatus(connected, "wwan0" if connected else None, "meter.test", settings)

    async def enter_pin(self, pin: str) -> None:
        await self._reach()
        self.pins.append(pin)
        if not self.state.enter_pin(pin):
            raise ModemRefused("modem.pin_wrong", "wrong PIN")

    async def connect(self, apn: str, *, ip_type: IpType, allow_roaming: bool) -> BearerStatus:
        await self._reach()
        self.state.redial()
        if self.state.is_stuck_in_dial:
            await asyncio.sleep(CONNECT_S_MAX)
            raise ModemSilent("modem.silent", "the dial did not end")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(REGISTER_S):
                while not self.state.attachment.is_registered and self.state.reject_cause is None:
                    await asyncio.sleep(1)
                    await self._reach()
        cause = self.state.reject_cause
        if cause is not None:
            raise ModemRefused("modem.denied", "refused", cause=cause, remedy=mobility_remedy(cause))
        if not self.state.attachment.is_registered:
            raise ModemRefused("modem.no_network", "not registered within 60 s")
        if self.state.attachment.name == "ROAMING" and not allow_roaming:
            raise ModemRefused("modem.roaming", "registered abroad, not allowed here")
        self.state.define(1, "IP", apn)
        if not self.state.activate(1):
            cause = self.state.last_cause or 0
            text = f"the network refused the connection (cause {cause})"
            raise ModemRefused("modem.context", text, cause=cause, remedy=session_remedy(cause))
        return self._bearer()

    async def disconnect(self) -> None:
        await self._reach()
        self.state.active.clear()

    async def radio_off_on(self) -> None:
        await self._reach()
        self.state.set_functionality(4)
        await asyncio.sleep(2)
        self.advance()
        self.state.set_functionality(1)

    async def reset(self) -> None:
        await self._reach()
        self.state.reset()

    async def close(self) -> None:
        self.service_is_dead = False


class StateRepairs:
    """hal.power.Repairs on the same state."""

    def __init__(self, modem: StateModem) -> None:
        self._modem = modem
        self.reboots = 0
        self.rebooted = asyncio.Event()

    async def restart_service(self) -> None:
        await asyncio.sleep(5)
        self._modem.service_is_dead = False

    async def rebind_usb(self) -> None:
        self._modem.advance()
        if not self._modem.state.is_present:
            raise RepairFailed("USB port 1-1.2, unbind: No such device")
        await asyncio.sleep(3)

    async def cut_power(self) -> None:
        self._modem.advance()
        self._modem.state.set_power(on=False)
        await asyncio.sleep(12)
        self._modem.advance()
        self._modem.state.set_power(on=True)

    async def reboot(self) -> None:
        self.reboots += 1
        self.rebooted.set()


class World:
    """The link and all around it. `broker_is_up` False: its host is silent, name servers answer."""

    def __init__(self, folder: Path, *, state: ModemState, config: ModemConfig, pin: SimPin | None) -> None:
        self.modem = StateModem(state)
        self.repairs = StateRepairs(self.modem)
        self.broker_is_up = True
        self.clock = HandClock(offset=ClockOffset(UTC_MS - 1_000_000, ClockSource.NTP, 5))
        self.events: list[tuple[float, str, dict[str, EventDetail]]] = []
        self.faults_seen: set[FaultCode] = set()
        self.connected = False
        self.connected_s: float | None = None
        self.lost_s: float | None = None
        self.counter: dict[str, int] = {}
        storage = FolderStorage(folder)
        self.file = TwinFile(storage, "state")
        self.faults = Faults(self.clock.boot_ms)
        self.faults.listen(self._hear)
        self.life = LifeSigns(self.statistics, self.ask, name="broker.test", bytes_day_max=64 * 1024)
        self.keeper = Keeper(
            config,
            self.modem,
            self.repairs,
            self.life,
            file=self.file,
            clock=BootClock(storage, self.clock),
            faults=self.faults,
            tell=self._tell,
            counter=self.counter.get,
            pin=pin,
            in_thread=at_once,
        )

    def _tell(self, code: str, _subject: str, details: dict[str, EventDetail]) -> None:
        assert code == "link.climb"
        self.events.append((asyncio.get_running_loop().time(), code, details))

    def _hear(self, fault: Fault, raised: bool) -> None:
        if raised:
            self.faults_seen.add(fault.code)

    @property
    def rungs(self) -> list[str]:
        return [str(details["rung"]) for _, _, details in self.events if details["result"] == "begun"]

    @property
    def resets(self) -> int:
        """How often the modem was started anew, by whatever means."""
        return sum(cure in (Cure.RESET, Cure.POWER_CUT) for _, cure in self.modem.state.acts)

    @property
    def passes(self) -> bool:
        return self.modem.state.passes_data and self.modem.state.is_present

    async def ask(self, server: str, name: str, interface: str) -> Answer:
        assert (server, name, interface) == (SERVER, "broker.test", "wwan0")
        self.modem.advance()
        return Answer(self.passes, 145 if self.passes else 57)

    def statistics(self) -> LinkStatistics:
        since_s = self.connected_s if self.connected else self.lost_s
        return LinkStatistics(self.connected, since_s, "", None, None, None, 0, 0, 0, 0, self.connected_s)

    async def run_session(self) -> None:
        """What the MQTT session would notice, as fast."""
        while True:
            self.modem.advance()
            now_s = asyncio.get_running_loop().time()
            up = self.passes and self.broker_is_up
            if up != self.connected:
                self.connected = up
                self.connected_s, self.lost_s = (now_s, self.lost_s) if up else (self.connected_s, now_s)
            await asyncio.sleep(SESSION_LOOK_S)

    async def wait_repaired(self, seconds: float) -> float | None:
        """When the session came back, or None after `seconds`."""
        end_s = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < end_s:
            if self.connected:
                return self.connected_s
            await asyncio.sleep(SESSION_LOOK_S)
        return None


async def at_once(work: Callable[[], None]) -> None:
    work()


@contextlib.asynccontextmanager
async def open_world(
    folder: Path,
    *,
    config: ModemConfig = CONFIG,
    network: Network | None = None,
    pin: SimPin | None = None,
    sim_pin: str | None = None,
    state: ModemState | None = None,
) -> AsyncIterator[World]:
    """A link at work, from power-up on."""
    state = state or ModemState(network or Network(), delays=Delays(), pin=sim_pin)
    world = World(folder, state=state, config=config, pin=pin)
    works: list[Awaitable[None]] = [world.run_session(), world.keeper.run()]
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        yield world
    finally:
        for task in tasks:
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        bugs = [error for error in done if isinstance(error, Exception)]
        if bugs:
            raise bugs[0]


__all__ = ["CONFIG", "EVERY_RUNG", "ICCID", "PIN_TRIES", "Hang", "World", "open_world"]
