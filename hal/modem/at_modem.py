"""A modem by AT commands of our own, for machines without ModemManager.

Rules:
- One port for commands, which is opened when it is needed and again after it went. Data pass elsewhere: over
  the modem's network interface, or over a second serial port that pppd dials on.
- What differs by maker stands in the tables of `protocols.at`; nothing here asks for a name.
- What a modem answers with ERROR it does not have. Only silence, and the SIM's state, end a status.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final, NamedTuple, TypeVar

from hal.api import Port, PortError
from hal.modem.api import (
    CONNECT_S_MAX,
    DISCONNECT_S_MAX,
    PIN_S_MAX,
    PIN_TRIES_LEFT_MIN,
    RADIO_S_MAX,
    RESET_S_MAX,
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
from hal.modem.at_channel import AtChannel, gone
from hal.modem.registering import check_sim, wait_registered
from protocols.at import Answer, quote, standard
from protocols.at.causes import MOBILITY, SESSION, Remedy, mobility_remedy, session_remedy
from protocols.at.dialect import GENERIC, Dialect, PinTries
from protocols.at.dialects import dialect_of
from protocols.at.results import FinalResult, ResultKind
from protocols.at.standard import Attachment, Registration
from protocols.cellular import Serving, Technology, make_signal
from protocols.errors import ProtocolError

CONTEXT: Final = 1  # the one that LTE attaches with
# Packet domains, the newest first; the circuit-switched one counts only where a modem has no other.
CIRCUIT_SWITCHED: Final = "+CREG"
DOMAINS: Final = ("+C5GREG", "+CEREG", "+CGREG", CIRCUIT_SWITCHED)
WITH_CAUSE: Final = 3  # of <n>: cell, and why the network refused
WITH_CELL: Final = 2
KINDS: Final[dict[IpType, str]] = {"ipv4": "IP", "ipv6": "IPV6", "ipv4v6": "IPV4V6"}
RESET_ANSWER_S: Final = 10.0
CME_GPRS: Final = 100  # CME errors 103 to 134 are 100 and the network's cause (TS 27.007, 9.2.2.1)
CME_AUTHENTICATION: Final = 149
CAUSE_AUTHENTICATION: Final = 29
T = TypeVar("T")

_SIM: Final = {
    standard.SimState.READY: SimState.READY,
    standard.SimState.PIN2: SimState.READY,
    standard.SimState.PUK2: SimState.READY,
    standard.SimState.PIN: SimState.PIN,
    standard.SimState.PUK: SimState.PUK,
    standard.SimState.MISSING: SimState.MISSING,
    standard.SimState.FAILED: SimState.FAILED,
    standard.SimState.LOCKED: SimState.FAILED,
    standard.SimState.BUSY: SimState.UNKNOWN,
}
_REGISTRATION: Final = {
    Attachment.IDLE: RegistrationState.IDLE,
    Attachment.SEARCHING: RegistrationState.SEARCHING,
    Attachment.HOME: RegistrationState.HOME,
    Attachment.ROAMING: RegistrationState.ROAMING,
    Attachment.DENIED: RegistrationState.DENIED,
    Attachment.EMERGENCY: RegistrationState.DENIED,
    Attachment.UNKNOWN: RegistrationState.UNKNOWN,
}
# Which domain's word counts: that of the one that serves; a refusal before a search that goes on.
_WEIGHT: Final = (
    RegistrationState.HOME,
    RegistrationState.ROAMING,
    RegistrationState.DENIED,
    RegistrationState.SEARCHING,
    RegistrationState.UNKNOWN,
    RegistrationState.IDLE,
)


class _Known(NamedTuple):
    """What does not change while a port is open."""

    imei: str | None
    maker: str | None
    model: str | None
    revision: str | None
    dialect: Dialect
    domains: tuple[str, ...]  # of DOMAINS, those that it has


class Registered(NamedTuple):
    """One domain's registration in our terms."""

    state: RegistrationState = RegistrationState.UNKNOWN
    cause: int | None = None
    technology: Technology | None = None

    @classmethod
    def of(cls, found: Registration) -> Registered:
        """Causes that the maker made up are left out."""
        cause = found.reject_cause if found.is_mobility_cause else None
        return cls(_REGISTRATION[found.attachment], cause, found.technology)


class AtModem:
    """hal.modem.api.Modem on one AT port.

    `open_port` opens it (hal.board.open_port with the URL by-path: names change with every plugging).
    `interface`: where the data pass: a network interface, or the path of the serial port for pppd.
    """

    def __init__(self, open_port: Callable[[], Awaitable[Port]], *, interface: str) -> None:
        self._open_port = open_port
        self._interface = interface
        self._port: Port | None = None
        self._channel: AtChannel | None = None
        self._known = _Known(None, None, None, None, GENERIC, ())
        self._iccid: str | None = None

    async def status(self) -> ModemStatus:
        """See hal.modem.api.Modem."""
        async with self._limit(STATUS_S_MAX, "a status"):
            await self._ready()
            sim = await self._sim()
            registered = await self._registered()
            serving = await self._serving(registered.technology)
            known = self._known
            return ModemStatus(
                imei=known.imei,
                maker=known.maker,
                model=known.model,
                revision=known.revision,
                sim=sim,
                pin_tries_left=(await self._tries()).pin,
                iccid=await self._sim_number(sim),
                operator=await self._operator(),
                registration=registered.state,
                reject_cause=registered.cause,
                technology=registered.technology,
                band=serving.cell.band if serving.cell else None,
                cell=serving.cell,
                signals=serving.signals,
                temperature_c10=await self._temperature(),
                bearer=await self._bearer(),
            )

    async def enter_pin(self, pin: str) -> None:
        """See hal.modem.api.Modem."""
        async with self._limit(PIN_S_MAX, "the PIN"):
            await self._ready()
            sim, tries = await self._sim(), (await self._tries()).pin
            if sim is not SimState.PIN:
                raise ModemRefused("modem.sim", f"the SIM does not ask for its PIN, it is {sim}")
            if tries is not None and tries < PIN_TRIES_LEFT_MIN:
                text = f"{tries} tries left; enter the PIN in a telephone, which shows them"
                raise ModemRefused("modem.pin_tries", text)
            answer = await self._ask(f"AT+CPIN={quote(pin)}")
            if not answer.result.is_ok:
                raise ModemRefused("modem.pin_wrong", f"the PIN was refused ({said(answer.result)})")

    async def connect(self, apn: str, *, ip_type: IpType, allow_roaming: bool) -> BearerStatus:
        """See hal.modem.api.Modem. With pppd the context is only tried; pppd dials it."""
        async with self._limit(CONNECT_S_MAX, "connecting"):
            await self._ready()
            check_sim(await self._sim())
            await self._require("AT+CFUN=1")
            await self._define(apn, KINDS[ip_type])
            await wait_registered(self._attached, allow_roaming=allow_roaming)
            await self._activate()
            return await self._bearer()

    async def disconnect(self) -> None:
        """See hal.modem.api.Modem. LTE keeps its first context: a refusal is no failure."""
        async with self._limit(DISCONNECT_S_MAX, "disconnecting"):
            await self._ready()
            await self._ask(f"AT+CGACT=0,{CONTEXT}")

    async def radio_off_on(self) -> None:
        """See hal.modem.api.Modem."""
        async with self._limit(RADIO_S_MAX, "radio off and on"):
            await self._ready()
            await self._require(self._known.dialect.radio_off)
            await self._require(self._known.dialect.radio_on)

    async def reset(self) -> None:
        """See hal.modem.api.Modem. A modem that leaves before it says OK has done what was asked."""
        async with self._limit(RESET_S_MAX, "a reset"):
            await self._ready()
            for command in self._known.dialect.reset:
                if await self._starts_anew(command):
                    await self.close()
                    return
            raise ModemRefused("modem.unsupported", "the modem refuses to start anew; cut its power")

    async def close(self) -> None:
        """See hal.modem.api.Modem."""
        port, self._port, self._channel = self._port, None, None
        if port is not None:
            await port.close()

    @contextlib.asynccontextmanager
    async def _limit(self, limit_s: float, what: str) -> AsyncIterator[None]:
        """`asyncio.timeout` whose end is ModemSilent; a port that is gone is opened anew by the next call."""
        try:
            async with asyncio.timeout(limit_s):
                yield
        except TimeoutError:
            raise ModemSilent("modem.silent", f"{what} took more than {limit_s:.0f} s") from None
        except ModemGone:
            await self.close()
            raise

    async def _ready(self) -> None:
        """The port is open, the modem answers, and is known."""
        if self._channel is not None:
            await self._channel.synchronise()
            return
        if self._port is None:
            try:
                self._port = await self._open_port()
            except PortError as error:
                raise gone(error) from error
        channel = AtChannel(self._port)
        await channel.synchronise()
        self._known = await _identify(channel)
        self._iccid = None
        self._channel = channel

    async def _ask(self, command: str, *, late_lines: bool = False) -> Answer:
        if self._channel is None:
            raise ModemGone("modem.gone", "the port was closed")
        return await self._channel.ask(command, late_lines=late_lines)

    async def _value(
        self, command: str, decode: Callable[[Sequence[str]], T], *, late_lines: bool = False
    ) -> T | None:
        """What the answer says; None where the modem does not have it, or says it in no known way."""
        return _decoded(await self._ask(command, late_lines=late_lines), decode)

    async def _require(self, command: str) -> None:
        answer = await self._ask(command)
        if not answer.result.is_ok:
            raise ModemRefused("modem.refused", f"{command} was refused ({said(answer.result)})")

    async def _starts_anew(self, command: str) -> bool:
        try:
            async with asyncio.timeout(RESET_ANSWER_S):
                return (await self._ask(command)).result.is_ok
        except (ModemGone, ModemSilent, TimeoutError):
            return True  # it answered a moment ago: it is on its way

    async def _sim(self) -> SimState:
        answer = await self._ask("AT+CPIN?")
        try:
            return _SIM[standard.decode_sim_state(answer)]
        except ProtocolError:
            return SimState.UNKNOWN

    async def _tries(self) -> PinTries:
        query = self._known.dialect.pin_tries
        found = None if query is None else await self._value(query.command, query.decode)
        return found or PinTries(None, None)

    async def _sim_number(self, sim: SimState) -> str | None:
        """Asked for until it is known; SIMs are changed while the modem is off."""
        if sim is SimState.MISSING:
            self._iccid = None
        commands = () if sim is SimState.MISSING or self._iccid else self._known.dialect.iccid
        for command in commands:
            self._iccid = await self._value(command, standard.decode_iccid)
            if self._iccid is not None:
                break
        return self._iccid

    async def _registered(self) -> Registered:
        """By the domain whose word counts most."""
        found: list[Registered] = []
        for domain in self._known.domains:
            registration = await self._value(f"AT{domain}?", _decode_registration)
            if registration is not None:
                found.append(Registered.of(registration))
        return min(found, key=lambda one: _WEIGHT.index(one.state), default=Registered())

    async def _attached(self) -> ModemStatus:
        """SIM and registration alone."""
        sim, registered = await self._sim(), await self._registered()
        return ModemStatus(
            sim=sim,
            registration=registered.state,
            reject_cause=registered.cause,
            operator=await self._operator(),
        )

    async def _serving(self, technology: Technology | None) -> Serving:
        """By the maker's command, else by the standard's, whose values are coarser."""
        for query in self._known.dialect.serving:
            serving = await self._value(query.command, query.decode)
            if serving is not None:
                return serving
        signals = await self._value("AT+CESQ", standard.decode_cesq)
        if signals:
            return Serving(signals)
        level = await self._value("AT+CSQ", standard.decode_csq)
        if level is None:
            return Serving(())
        return Serving((make_signal(technology or Technology.GSM, rssi_dbm=level),))

    async def _operator(self) -> str | None:
        found = await self._value("AT+COPS?", standard.decode_operator)
        return None if found is None else found.name

    async def _temperature(self) -> int | None:
        query = self._known.dialect.temperature
        if query is None:
            return None
        found = await self._value(query.command, query.decode, late_lines=query.late_lines)
        return None if found is None else 10 * found

    async def _bearer(self) -> BearerStatus:
        active = await self._value("AT+CGACT?", standard.decode_activations) or {}
        contexts = await self._value("AT+CGDCONT?", standard.decode_contexts) or ()
        apn = next((context.apn for context in contexts if context.number == CONTEXT), None)
        if not active.get(CONTEXT):
            return BearerStatus(False, self._interface, apn)
        addresses = (await self._value("AT+CGPADDR", standard.decode_addresses) or {}).get(CONTEXT, ())
        method = IpMethod.PPP if self._interface.startswith("/") else IpMethod.DHCP
        settings = {":" in address: IpSettings(method, address) for address in addresses}
        return BearerStatus(True, self._interface, apn, settings.get(False), settings.get(True))

    async def _define(self, apn: str, kind: str) -> None:
        """LTE attaches with the context as it is then: a change needs a new attachment."""
        contexts = await self._value("AT+CGDCONT?", standard.decode_contexts) or ()
        if (CONTEXT, kind, apn) in contexts:
            return
        await self._ask("AT+CGATT=0")
        await self._require(f"AT+CGDCONT={CONTEXT},{quote(kind)},{quote(apn)}")
        await self._ask("AT+CGATT=1")

    async def _activate(self) -> None:
        active = await self._value("AT+CGACT?", standard.decode_activations) or {}
        if active.get(CONTEXT):
            return
        answer = await self._ask(f"AT+CGACT=1,{CONTEXT}")
        if answer.result.is_ok:
            return
        words = await self._value("AT+CEER", standard.decode_failure) or ""
        cause, remedy = decode_refusal(answer.result, words)
        text = f"the network refuses the connection ({words or said(answer.result)}); check the APN"
        raise ModemRefused("modem.context", text, cause=cause, remedy=remedy)


async def _identify(channel: AtChannel) -> _Known:
    """Ask once what does not change, and set what the later questions need."""
    for command in ("ATE0", "AT+CMEE=1"):
        await channel.ask(command)
    maker, model, revision = [
        _decoded(await channel.ask(f"AT+CGM{end}"), standard.decode_name) for end in ("I", "M", "R")
    ]
    imei = _decoded(await channel.ask("AT+CGSN"), standard.decode_imei)
    dialect = dialect_of(maker, model)
    for query in (*dialect.serving, dialect.temperature):
        for command in query.prepare if query is not None else ():
            await channel.ask(command)
    domains = [domain for domain in DOMAINS if await _reports(channel, domain)]
    packet = tuple(domain for domain in domains if domain != CIRCUIT_SWITCHED)
    return _Known(imei, maker, model, revision, dialect, packet or tuple(domains))


async def _reports(channel: AtChannel, domain: str) -> bool:
    """Whether the modem has the domain; from now on it tells cell and, where it can, cause."""
    for mode in (WITH_CAUSE, WITH_CELL):
        if (await channel.ask(f"AT{domain}={mode}")).result.is_ok:
            return True
    return False


def _decoded(answer: Answer, decode: Callable[[Sequence[str]], T]) -> T | None:
    if not answer.result.is_ok:
        return None
    try:
        return decode(answer.lines)
    except ProtocolError:
        return None


def _decode_registration(lines: Sequence[str]) -> Registration:
    return standard.decode_registration(lines[0] if lines else "")


def said(result: FinalResult) -> str:
    """A refusal in the modem's words."""
    return " ".join(part for part in (result.kind.value, str(result.number or ""), result.text) if part)


_CAUSE: Final = re.compile(r"cause[^0-9]{0,8}([0-9]{1,3})", re.IGNORECASE)


def decode_refusal(result: FinalResult, words: str) -> tuple[int | None, Remedy]:
    """The network's cause behind a refused context, by the error's number or the words of +CEER."""
    cause = None
    if result.kind is ResultKind.CME_ERROR and result.number is not None:
        cause = CAUSE_AUTHENTICATION if result.number == CME_AUTHENTICATION else result.number - CME_GPRS
    if cause not in SESSION and cause not in MOBILITY:
        found = _CAUSE.search(words)
        cause = int(found[1]) if found else None
    if cause is None:
        return None, Remedy.UNKNOWN
    return cause, session_remedy(cause) if cause in SESSION else mobility_remedy(cause)
