"""The task that keeps the cellular link: looks, unlocks, connects, counts, repairs, and tells.

Rules:
- One look at a time, one deed at a time: whatever the modem takes, nothing else is done to it meanwhile.
- What must not be forgotten is on the disk before the deed: a PIN try, a repair.
- Before a repair the far end is asked once more, where that is due and paid for (proof.py).
- Every repair is an event with rung, reason and result; every trouble that a person can cure is a fault.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from config.cellular import ModemConfig, SimPin
from edge_agent.clock import BootClock
from edge_agent.faults import FaultCode, Faults
from edge_agent.link.data_budget import UNKNOWN_SIM, Account, Limits, Sample, account, count, present_sim
from edge_agent.link.ladder import HOPELESS, Decision, Ladder, Observation, Rung, Trouble
from edge_agent.link.memory import (
    LINK_FOLDER,
    SAVE_INTERVAL_S,
    LinkMemory,
    PinTry,
    encode_memory,
    may_try_pin,
    note_pin,
    pin_try,
    read_memory,
)
from edge_agent.link.observation import Look, judge
from edge_agent.link.proof import LifeSigns, system_name_servers
from edge_agent.link.report import make_report
from edge_agent.parts import Tell
from edge_agent.reports import ModemReport
from edge_agent.twin_file import TwinFile
from hal.modem.api import (
    BearerStatus,
    Modem,
    ModemError,
    ModemGone,
    ModemRefused,
    ModemSilent,
    ModemStatus,
    RegistrationState,
    SimState,
)
from hal.power import RepairFailed, Repairs
from protocols.at.causes import Remedy

LOOK_S: Final = 10.0
CONNECT_FIRST_S: Final = 30.0
CONNECT_LAST_S: Final = 900.0
CONNECT_HOPELESS_S: Final = 6 * 3_600.0  # what only a person can cure is tried again, to see whether one came
SUBJECT: Final = "modem"
EVIDENCE_CHARACTERS_MAX: Final = 200
BEAT_S: Final = 900.0  # the longest deed: registering and connecting, with a repair before it

_FAULTS: Final = {
    Trouble.SILENT: FaultCode.MODEM_SILENT,
    Trouble.GONE: FaultCode.MODEM_GONE,
    Trouble.AMBIGUOUS: FaultCode.MODEM_AMBIGUOUS,
    Trouble.SERVICE: FaultCode.MODEM_SERVICE,
    Trouble.NO_SIGNAL: FaultCode.MODEM_NO_SIGNAL,
    Trouble.REFUSED: FaultCode.MODEM_DENIED,
    Trouble.SIM_MISSING: FaultCode.MODEM_SIM_MISSING,
    Trouble.SIM_PIN: FaultCode.MODEM_SIM_PIN,
    Trouble.SIM_PUK: FaultCode.MODEM_SIM_PUK,
    Trouble.DENIED: FaultCode.MODEM_DENIED,
    Trouble.ROAMING: FaultCode.MODEM_ROAMING,
    Trouble.APN: FaultCode.MODEM_APN,
    Trouble.BUDGET: FaultCode.MODEM_BUDGET,
}

Blocking = Callable[[Callable[[], None]], Awaitable[None]]
Counter = Callable[[str], int | None]


class Keeper:
    """Keeps one modem. `run` is its task; `report` is what the local API shows."""

    def __init__(
        self,
        config: ModemConfig,
        modem: Modem,
        repairs: Repairs,
        life: LifeSigns,
        *,
        file: TwinFile,
        clock: BootClock,
        faults: Faults,
        tell: Tell,
        counter: Counter,
        pin: SimPin | None = None,
        in_thread: Blocking = asyncio.to_thread,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        """`counter`: bytes received and sent by an interface, None where there is none. `in_thread` runs what
        blocks."""
        self._config = config
        self._modem = modem
        self._repairs = repairs
        self._life = life
        self._file = file
        self._clock = clock
        self._faults = faults
        self._tell = tell
        self._counter = counter
        self._pin = pin
        self._in_thread = in_thread
        self._beat = beat
        self._limits = Limits(config.home_bytes, config.roaming_bytes, config.billing_day)
        self._memory = LinkMemory()
        self._ladder = Ladder(config_rungs(config), self._memory.ladder, 0.0)
        self._zero_s = 0.0  # of the ladder's clock, on the event loop's
        self._saved_s = 0.0
        self._status: ModemStatus | None = None
        self._error: ModemError | None = None
        self._bearer: BearerStatus | None = None
        self._refusal: ModemRefused | None = None
        self._apn_refusals = 0
        self._connect_s = 0.0
        self._connect_wait_s = CONNECT_FIRST_S
        self._trouble = Trouble.NONE
        self._decision = Decision(None)
        self._account: Account | None = None

    async def run(self) -> None:
        """Keep the link, for ever; ends only by cancellation or a bug."""
        await self._remember()
        try:
            while True:
                await self.look()
                self._beat()
                await asyncio.sleep(LOOK_S)
        finally:
            await self._save()
            await self._modem.close()

    async def look(self) -> None:
        """One look, and at most one deed."""
        await self._see()
        self._count()
        await self._hold_back()
        await self._unlock()
        trouble = self._judge()
        if self._may_connect(trouble):
            await self._connect()
            trouble = self._judge()
        self._show(trouble)
        await self._climb(trouble)
        if asyncio.get_running_loop().time() >= self._saved_s + SAVE_INTERVAL_S:
            await self._save()

    def report(self) -> ModemReport:
        """What is known now."""
        now_s = asyncio.get_running_loop().time()
        return make_report(
            status=self._status,
            bearer=self._bearer,
            trouble=self._trouble,
            evidence=self._evidence(),
            life=self._life.look(now_s),
            probe_bytes=self._life.spent_bytes,
            account=self._account,
            decision=self._decision,
            ladder=self._ladder,
            now_s=now_s,
            age_s=self._age_s(),
        )

    # What is seen

    async def _see(self) -> None:
        was_registered = self._status is not None and self._status.registration.is_registered
        try:
            self._status, self._error = await self._modem.status(), None
            self._bearer = self._status.bearer
            if self._status.registration.is_registered and not was_registered:
                self._connect_s = 0.0  # whatever it was put off for is over
        except (ModemGone, ModemSilent) as error:
            self._status, self._error, self._bearer = None, error, None

    def _judge(self) -> Trouble:
        now_s = asyncio.get_running_loop().time()
        spent = self._account is not None and self._account.stage == "spent"
        look = Look(
            self._status,
            self._error,
            self._refusal,
            self._apn_refusals,
            is_alive=self._life.look(now_s).is_alive,
            is_budget_spent=spent and self._config.at_limit == "stop",
            is_roaming_allowed=self._config.roaming,
        )
        return judge(look)

    def _count(self) -> None:
        """Data used, while the modem says whose it is."""
        status = self._status
        roaming = status is not None and status.registration is RegistrationState.ROAMING
        utc_ms = self._clock.utc_ms()
        interface = self._interface()
        counted = self._counter(interface) if interface else None
        iccid = None if status is None else status.iccid
        if counted is not None:
            sample = Sample(self._clock.boot_id, interface, counted, iccid, roaming, utc_ms)
            count(self._memory.data, sample, self._config.billing_day)
        if self._memory.data.sims or iccid:
            sim = present_sim(self._memory.data, iccid)
            self._account = account(sim, self._limits, utc_ms, roaming=roaming)

    def _interface(self) -> str:
        named = self._bearer.interface if self._bearer is not None else None
        return self._config.interface or named or self._memory.data.interface

    # What is done

    async def _hold_back(self) -> None:
        """End a connection that the site does not want to pay for."""
        if self._bearer is None or not self._bearer.connected or self._status is None:
            return
        if self._is_abroad() or self._judge() is Trouble.BUDGET:
            await self._try(self._modem.disconnect)
            self._bearer = None

    def _is_abroad(self) -> bool:
        """In a network that the site does not want to pay for."""
        status = self._status
        abroad = status is not None and status.registration is RegistrationState.ROAMING
        return abroad and not self._config.roaming

    async def _unlock(self) -> None:
        """Enter the PIN, at most once for each SIM; what is begun is on the disk first."""
        status, pin = self._status, self._pin
        if status is None or status.sim is not SimState.PIN or pin is None:
            return
        iccid = status.iccid or UNKNOWN_SIM
        if not may_try_pin(self._memory, iccid, pin.mark, status.pin_tries_left):
            return
        before = pin_try(self._memory, iccid)
        if before is None or before.result != "right" or before.mark != pin.mark:
            note_pin(self._memory, PinTry(iccid, pin.mark, "trying"))
            if not await self._save():
                return
        try:
            await self._modem.enter_pin(pin.digits)
            result = PinTry(iccid, pin.mark, "right")
        except ModemRefused as error:
            self._error = error
            result = PinTry(iccid, pin.mark, "wrong")
        except (ModemGone, ModemSilent) as error:
            self._error = error
            return  # "trying" stands: nobody knows whether it was heard
        note_pin(self._memory, result)
        await self._save()
        await self._see()

    def _may_connect(self, trouble: Trouble) -> bool:
        if self._status is None or self._status.sim not in (SimState.READY, SimState.UNKNOWN):
            return False
        return trouble is not Trouble.BUDGET and not self._is_abroad()

    async def _connect(self) -> None:
        """Ask for a bearer where there is none and the time has come."""
        now_s = asyncio.get_running_loop().time()
        if now_s < self._connect_s or (self._bearer is not None and self._bearer.connected):
            return
        config = self._config
        try:
            self._bearer = await self._modem.connect(
                config.apn, ip_type="ipv4v6", allow_roaming=config.roaming
            )
        except (ModemGone, ModemSilent) as error:
            self._error = error
            self._put_off()
        except ModemRefused as error:
            self._refuse(error)
        else:
            self._refusal, self._apn_refusals, self._connect_wait_s = None, 0, CONNECT_FIRST_S

    def _refuse(self, refusal: ModemRefused) -> None:
        self._refusal = refusal
        by_contract = refusal.remedy in (Remedy.APN, Remedy.SUBSCRIPTION)
        is_context = refusal.code == "modem.context"
        self._apn_refusals = self._apn_refusals + 1 if is_context and by_contract else 0
        self._put_off()

    def _put_off(self) -> None:
        wait_s = self._connect_wait_s
        self._connect_wait_s = min(2 * wait_s, CONNECT_LAST_S)
        if self._judge() in HOPELESS:
            wait_s = CONNECT_HOPELESS_S
        self._connect_s = asyncio.get_running_loop().time() + wait_s

    async def _climb(self, trouble: Trouble) -> None:
        """The repair that is due, if the far end does not answer before it."""
        loop = asyncio.get_running_loop()
        self._decision = self._decide(trouble)
        rung = self._decision.rung
        if rung is None:
            return
        if await self._asked_once_more():
            self._show(self._judge())
            self._decision = self._decide(self._trouble)
            return
        if self._open_climb():
            before = self._memory.ladder.climbs[-1]
            self._tell_climb(before.rung, before.reason, "in vain")
        self._ladder.climbed(rung, self._age_s(), f"{trouble}: {self._evidence()}")
        if await self._save() or rung is not Rung.REBOOT:
            await self._repair(rung)
        else:
            self._ladder.failed("not done: a reboot that cannot be remembered would be done again and again")
        self._connect_s, self._connect_wait_s = loop.time(), CONNECT_FIRST_S
        self._decision = self._decide(trouble)

    async def _asked_once_more(self) -> bool:
        """Whether the far end answers over this link; an answer over another one proves nothing of it."""
        bearer, interface = self._bearer, self._config.interface
        if bearer is not None and bearer.connected:
            interface = interface or bearer.interface or ""
        if not interface:
            return False
        now_s = asyncio.get_running_loop().time()
        return await self._life.probe(self._name_servers(), interface, now_s)

    def _decide(self, trouble: Trouble) -> Decision:
        now_s = asyncio.get_running_loop().time()
        evidence = self._life.look(now_s)
        open_before = self._open_climb()
        proof_s = now_s if evidence.kind == "session" else evidence.proof_s
        seen = Observation(self._age_s(), trouble, None if proof_s is None else proof_s - self._zero_s)
        decision = self._ladder.decide(seen)
        climbs = self._memory.ladder.climbs
        if open_before and climbs[-1].result:
            self._tell_climb(climbs[-1].rung, climbs[-1].reason, climbs[-1].result)
        return decision

    def _open_climb(self) -> bool:
        climbs = self._memory.ladder.climbs
        return bool(climbs) and not climbs[-1].result

    async def _repair(self, rung: Rung) -> None:
        deeds: dict[Rung, Callable[[], Awaitable[None]]] = {
            Rung.RECONNECT: self._modem.disconnect,  # `look` connects anew
            Rung.RADIO: self._modem.radio_off_on,
            Rung.RESET: self._modem.reset,
            Rung.SERVICE: self._repairs.restart_service,
            Rung.REBIND: self._repairs.rebind_usb,
            Rung.POWER: self._repairs.cut_power,
            Rung.REBOOT: self._repairs.reboot,
        }
        climbs = self._memory.ladder.climbs
        self._tell_climb(rung, climbs[-1].reason, "begun")
        self._bearer = None
        why = await self._try(deeds[rung])
        if why:
            self._ladder.failed(why)
            self._tell_climb(rung, climbs[-1].reason, why)

    async def _try(self, deed: Callable[[], Awaitable[None]]) -> str:
        """Do it; why it could not be done, or ""."""
        try:
            await deed()
        except ModemError as error:
            return error.text or error.code
        except RepairFailed as error:
            return str(error)
        return ""

    def _name_servers(self) -> tuple[str, ...]:
        bearer = self._bearer
        settings = (bearer.ipv4, bearer.ipv6) if bearer is not None else ()
        given = tuple(server for each in settings if each is not None for server in each.dns)
        return given or system_name_servers()

    # What is told and kept

    def _tell_climb(self, rung: Rung, reason: str, result: str) -> None:
        self._tell("link.climb", rung, {"rung": rung.value, "why": reason, "result": result})

    def _show(self, trouble: Trouble) -> None:
        """The fault that fits, and no other."""
        self._trouble = trouble
        fault = _FAULTS.get(trouble)
        wanted = {} if fault is None else {fault: self._evidence()}
        if self._account is not None and self._account.stage in ("warned", "spent"):
            wanted[FaultCode.MODEM_BUDGET] = _budget_text(self._account)
        others = [code for code in _FAULTS.values() if code not in wanted]
        self._faults.clear(SUBJECT, others)
        for code, evidence in wanted.items():
            self._faults.raise_(code, SUBJECT, evidence)

    def _evidence(self) -> str:
        """The modem's or the network's words, else what it is in."""
        if self._status is not None and self._status.sim is SimState.PIN:
            return self._pin_text(self._status)
        said = self._error or self._refusal
        if said is not None:
            return said.text[:EVIDENCE_CHARACTERS_MAX]
        if self._status is None:
            return ""
        return f"SIM {self._status.sim}, registration {self._status.registration}"

    def _pin_text(self, status: ModemStatus) -> str:
        left = "an unknown number of" if status.pin_tries_left is None else str(status.pin_tries_left)
        if self._pin is None:
            return f"no [modem] pin_file is configured; {left} tries left"
        tried = pin_try(self._memory, status.iccid or UNKNOWN_SIM)
        if tried is None:
            return f"the PIN was not tried; {left} tries left"
        return f"the PIN of [modem] pin_file was tried once (result: {tried.result}); {left} tries left"

    def _age_s(self) -> float:
        return asyncio.get_running_loop().time() - self._zero_s

    async def _remember(self) -> None:
        """What earlier runs left. Where it cannot be read, caps begin anew and no PIN is tried."""
        found: list[LinkMemory] = []
        try:
            await self._in_thread(lambda: found.append(read_memory(self._file)))
            self._memory = found[0]
        except OSError as error:
            self._memory = LinkMemory(is_whole=False)
            self._faults.raise_(FaultCode.BUFFER_WRITE, SUBJECT, f"{LINK_FOLDER}: {error}")
        now_s = asyncio.get_running_loop().time()
        self._zero_s, self._saved_s = now_s - self._memory.age_s, now_s
        self._ladder = Ladder(config_rungs(self._config), self._memory.ladder, self._memory.age_s)

    async def _save(self) -> bool:
        """Whether it is on the disk now."""
        memory = self._memory
        memory.age_s, memory.last = int(self._age_s()), self.report()
        self._saved_s = asyncio.get_running_loop().time()
        text = encode_memory(memory)
        try:
            await self._in_thread(lambda: self._file.write(text))
        except OSError as error:
            self._faults.raise_(FaultCode.BUFFER_WRITE, SUBJECT, f"{LINK_FOLDER}: {error}")
            return False
        self._faults.clear(SUBJECT, [FaultCode.BUFFER_WRITE])
        return True


def config_rungs(config: ModemConfig) -> tuple[Rung, ...]:
    """The repairs that the site allows."""
    return tuple(Rung(name) for name in config.rungs)


def _budget_text(found: Account) -> str:
    where, since = "abroad" if found.roaming else "at home", found.period or "the start"
    share = 100 * found.used_bytes // found.limit_bytes
    return f"{found.used_bytes} of {found.limit_bytes} bytes {where} since {since}: {share} %"
