"""A modem by ModemManager on the system bus (D-Bus, dbus-fast). For ModemManager 1.20 to 1.24.

Rules:
- A modem is named by its IMEI or its physical device. Object paths change with every restart of ModemManager
  and with every plugging: each call looks the modem up anew, and nothing of an object is kept.
- ModemManager's states are old news when the modem hangs: it says registered, and connected, for minutes. So
  every status of an enabled modem includes one exchange with the modem itself: the list of its profiles,
  which costs one short command and changes nothing.
- ModemManager does not run pppd and sets no addresses: that is the bearer's work.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.errors import DBusError
from dbus_fast.unpack import unpack_variants

from hal.modem.api import (
    CONNECT_S_MAX,
    DISCONNECT_S_MAX,
    PIN_S_MAX,
    PIN_TRIES_LEFT_MIN,
    RADIO_S_MAX,
    RESET_S_MAX,
    STATUS_S_MAX,
    BearerStatus,
    IpType,
    ModemGone,
    ModemRefused,
    ModemSilent,
    ModemStatus,
    SimState,
)
from hal.modem.modem_manager_values import (
    BEARER,
    DISABLED,
    ENABLED,
    FAILED,
    LOCATION,
    LOCATION_3GPP,
    MODEM,
    MODEM_3GPP,
    NO_OBJECT,
    PROFILES,
    SERVICE,
    SIGNAL,
    SIM,
    Interfaces,
    Properties,
    decode_bearer,
    decode_cause,
    decode_sim,
    decode_status,
    imei_of,
)
from hal.modem.registering import check_sim, wait_registered

SERVICE_S_MAX: Final = 3.0  # for what ModemManager has in memory
CALL_S_MAX: Final = 5.0  # for what needs a short exchange with the modem at most
ALIVE_S_MAX: Final = 8.0  # it gives the modem 3 s itself, more where other commands stand before
ALIVE_DISABLED_S_MAX: Final = 2.5  # less than what ModemManager gives the modem
SIGNAL_RATE_S: Final = 30  # how often ModemManager asks the modem for levels
ROOT: Final = "/org/freedesktop/ModemManager1"
POWER_LOW: Final = 2  # MMModemPowerState
POWER_ON: Final = 3
DETACHED: Final = 1  # MMModem3gppPacketServiceState
ATTACHED: Final = 2
IP_FAMILIES: Final[Mapping[IpType, int]] = {"ipv4": 1, "ipv6": 2, "ipv4v6": 4}  # MMBearerIpFamily

_NO_SERVICE: Final = ("ServiceUnknown", "NameHasNoOwner", "Spawn", "Disconnected", "NoReply")
_GONE: Final = ("UnknownObject", "UnknownInterface", "NotFound", "Core.Aborted")
_SILENT: Final = ("Serial.ResponseTimeout", "Core.Timeout", "Transaction.Timeout")
_CODES: Final = {
    "IncorrectPassword": "modem.pin_wrong",
    "SimPuk": "modem.sim",
    "SimNotInserted": "modem.sim",
    "SimFailure": "modem.sim",
    "SimWrong": "modem.sim",
    "SimPin": "modem.sim",
    "NetworkNotAllowed": "modem.denied",
    "Unsupported": "modem.unsupported",
}


class ModemManagerModem:
    """hal.modem.api.Modem. `imei` or `device` (as in `mmcli -m`, "device") name it; neither: the only one."""

    def __init__(self, *, imei: str | None = None, device: str | None = None) -> None:
        self._imei = imei
        self._device = device
        self._bus: MessageBus | None = None
        self._end: asyncio.Task[None] | None = None

    async def status(self) -> ModemStatus:
        """See hal.modem.api.Modem."""
        async with _limit(STATUS_S_MAX, "a status"):
            path, modem = await self._find()
            own = modem[MODEM]
            if own.get("State") == FAILED and decode_sim(own) is SimState.UNKNOWN:
                raise _silent("ModemManager could not set it up")
            await self._check_alive(path, own)
            place = await self._location(path) if own.get("State", 0) >= ENABLED else ""
            return decode_status(modem, await self._sim(own), await self._bearer(own), place)

    async def enter_pin(self, pin: str) -> None:
        """See hal.modem.api.Modem."""
        async with _limit(PIN_S_MAX, "the PIN"):
            _, modem = await self._find()
            status = decode_status(modem, {}, None, "")
            if status.sim is not SimState.PIN:
                raise ModemRefused("modem.sim", f"the SIM does not ask for its PIN, it is {status.sim}")
            if status.pin_tries_left is not None and status.pin_tries_left < PIN_TRIES_LEFT_MIN:
                text = f"{status.pin_tries_left} tries left; enter the PIN in a telephone, which shows them"
                raise ModemRefused("modem.pin_tries", text)
            await self._call(modem[MODEM]["Sim"], SIM, "SendPin", "s", [pin], limit_s=PIN_S_MAX)

    async def connect(self, apn: str, *, ip_type: IpType, allow_roaming: bool) -> BearerStatus:
        """See hal.modem.api.Modem."""
        async with _limit(CONNECT_S_MAX, "connecting"):
            path, modem = await self._find()
            check_sim(decode_sim(modem[MODEM]))
            await self._check_alive(path, modem[MODEM])
            await self._enable(path, modem)
            await wait_registered(self._remembered, allow_roaming=allow_roaming)
            wanted = {
                "apn": Variant("s", apn),
                "ip-type": Variant("u", IP_FAMILIES[ip_type]),
                "allow-roaming": Variant("b", allow_roaming),
            }
            simple = f"{MODEM}.Simple"
            bearer = await self._call(path, simple, "Connect", "a{sv}", [wanted], limit_s=CONNECT_S_MAX)
            return decode_bearer(await self._properties(bearer, BEARER))

    async def disconnect(self) -> None:
        """See hal.modem.api.Modem. ModemManager takes "/" for all bearers."""
        async with _limit(DISCONNECT_S_MAX, "disconnecting"):
            path, modem = await self._find()
            if modem[MODEM].get("State", 0) >= ENABLED:
                simple, limit_s = f"{MODEM}.Simple", DISCONNECT_S_MAX
                await self._call(path, simple, "Disconnect", "o", [NO_OBJECT], limit_s=limit_s)

    async def radio_off_on(self) -> None:
        """See hal.modem.api.Modem. Where ModemManager cannot (AT modems of most makers): detach, attach."""
        async with _limit(RADIO_S_MAX, "radio off and on"):
            path, modem = await self._find()
            check_sim(decode_sim(modem[MODEM]))
            # The power state can only be changed while the modem is disabled.
            await self._call(path, MODEM, "Enable", "b", [False], limit_s=RADIO_S_MAX)
            has_power_states = await self._cycle(path, MODEM, "SetPowerState", POWER_LOW, POWER_ON)
            await self._enable(path, {MODEM: {"State": DISABLED}})
            if not has_power_states:
                await self._cycle(path, MODEM_3GPP, "SetPacketServiceState", DETACHED, ATTACHED)

    async def _cycle(self, path: str, interface: str, member: str, *values: int) -> bool:
        """Whether `member` is supported; then with all `values`, one behind the other."""
        for value in values:
            try:
                await self._call(path, interface, member, "u", [value], limit_s=RADIO_S_MAX)
            except ModemRefused as refused:
                if refused.code != "modem.unsupported":
                    raise
                return False
        return True

    async def reset(self) -> None:
        """See hal.modem.api.Modem. Many modems that ModemManager drives by AT alone: "modem.unsupported"."""
        async with _limit(RESET_S_MAX, "a reset"):
            path, _ = await self._find()
            await self._call(path, MODEM, "Reset", limit_s=RESET_S_MAX)

    async def close(self) -> None:
        """See hal.modem.api.Modem."""
        bus, self._bus = self._bus, None
        if bus is not None:
            bus.disconnect()
        if self._end is not None:
            await asyncio.wait([self._end])

    async def _find(self) -> tuple[str, Interfaces]:
        """Path and properties of our modem."""
        objects = await self._objects()
        found = [item for item in objects.items() if MODEM in item[1] and self._is_ours(item[1])]
        if not found:
            name = self._imei or self._device or "any modem"
            raise ModemGone(
                "modem.gone",
                f"ModemManager does not see {name}; check its supply and its plug, then `mmcli -L`",
            )
        if len(found) > 1:
            imeis = ", ".join(str(imei_of(modem)) for _, modem in found)
            raise ModemGone("modem.ambiguous", f"several modems ({imeis}); name one by its IMEI")
        return found[0]

    async def _objects(self) -> Mapping[str, Interfaces]:
        """All modems. ModemManager has them in memory: where that takes long, it hangs itself."""
        manager = "org.freedesktop.DBus.ObjectManager"
        try:
            found: Mapping[str, Interfaces] = await self._call(
                ROOT, manager, "GetManagedObjects", limit_s=SERVICE_S_MAX
            )
        except ModemSilent:
            text = "ModemManager hangs; `systemctl restart ModemManager`"
            raise ModemGone("modem.service", text) from None
        return found

    def _is_ours(self, modem: Interfaces) -> bool:
        own = modem[MODEM]
        if self._imei is not None and imei_of(modem) != self._imei:
            return False
        return self._device is None or self._device in (own.get("Device"), own.get("Physdev"))

    async def _remembered(self) -> ModemStatus:
        """What ModemManager knows of registration and SIM, without asking the modem."""
        _, modem = await self._find()
        return decode_status(modem, {}, None, "")

    async def _enable(self, path: str, modem: Interfaces) -> None:
        """Enabled and telling its levels; both are forgotten when ModemManager starts anew."""
        if modem[MODEM].get("State", 0) < ENABLED:
            await self._call(path, MODEM, "Enable", "b", [True], limit_s=CONNECT_S_MAX)
        await self._try(path, SIGNAL, "Setup", "u", [SIGNAL_RATE_S])

    async def _check_alive(self, path: str, own: Properties) -> None:
        """ModemSilent where the modem does not answer; a refusal is an answer, too.

        A disabled modem has no profiles to ask for. To be set to the power state that it has makes
        ModemManager ask for it (AT+CFUN? in 1.20), and do nothing else; a missing answer is no error then,
        it only takes its 3 s.
        """
        state, power = own.get("State", 0), own.get("PowerState")
        if state >= ENABLED:
            await self._try(path, PROFILES, "List", limit_s=ALIVE_S_MAX)
        elif state == DISABLED and power in (POWER_LOW, POWER_ON):
            await self._try(path, MODEM, "SetPowerState", "u", [power], limit_s=ALIVE_DISABLED_S_MAX)

    async def _location(self, path: str) -> str:
        found = await self._try(path, LOCATION, "GetLocation")
        return str((found or {}).get(LOCATION_3GPP, ""))

    async def _sim(self, own: Properties) -> Properties:
        path = own.get("Sim", NO_OBJECT)
        return {} if path == NO_OBJECT else await self._properties(path, SIM)

    async def _bearer(self, own: Properties) -> Properties | None:
        """The one that is connected, else the last."""
        last = None
        for path in own.get("Bearers", []):
            last = await self._properties(path, BEARER)
            if last.get("Connected"):
                break
        return last

    async def _properties(self, path: str, interface: str) -> Properties:
        found: Properties = await self._call(
            path, "org.freedesktop.DBus.Properties", "GetAll", "s", [interface]
        )
        return found

    async def _try(
        self,
        path: str,
        interface: str,
        member: str,
        signature: str = "",
        body: Sequence[object] = (),
        *,
        limit_s: float = CALL_S_MAX,
    ) -> Any:
        """As `_call`; None where it is refused."""
        try:
            return await self._call(path, interface, member, signature, body, limit_s=limit_s)
        except ModemRefused:
            return None

    async def _call(
        self,
        path: str,
        interface: str,
        member: str,
        signature: str = "",
        body: Sequence[object] = (),
        *,
        limit_s: float = CALL_S_MAX,
    ) -> Any:
        """The first value of the reply, without variants."""
        message = Message(
            destination=SERVICE,
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=list(body),
        )
        bus = await self._connected()
        try:
            async with asyncio.timeout(limit_s):
                reply = await bus.call(message)
        except TimeoutError:
            raise _silent(f"no answer to {member} within {limit_s:.0f} s") from None
        except (OSError, EOFError, DBusError) as error:
            raise _no_service(str(error)) from error
        if reply is None:
            raise _no_service("the bus closed")
        if reply.message_type is MessageType.ERROR:
            raise _error(reply.error_name or "", str(reply.body[0]) if reply.body else "", member)
        return unpack_variants(reply.body[0]) if reply.body else None

    async def _connected(self) -> MessageBus:
        if self._bus is not None and self._bus.connected:
            return self._bus
        try:
            async with asyncio.timeout(CALL_S_MAX):
                bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
        except (OSError, EOFError, DBusError, TimeoutError) as error:
            raise _no_service(str(error) or "no answer") from error
        self._bus, self._end = bus, asyncio.create_task(_follow(bus))
        return bus


async def _follow(bus: MessageBus) -> None:
    """Take note of the end of `bus`, which the next call tells about; else asyncio complains of it."""
    with contextlib.suppress(OSError, EOFError, DBusError):
        await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]


@contextlib.asynccontextmanager
async def _limit(limit_s: float, what: str) -> AsyncIterator[None]:
    """`asyncio.timeout` whose end is ModemSilent."""
    try:
        async with asyncio.timeout(limit_s):
            yield
    except TimeoutError:
        raise _silent(f"{what} took more than {limit_s:.0f} s") from None


def _silent(text: str) -> ModemSilent:
    return ModemSilent("modem.silent", f"the modem does not answer ({text}); start it anew")


def _no_service(said: str) -> ModemGone:
    return ModemGone("modem.service", f"ModemManager does not run ({said}); `systemctl start ModemManager`")


def _error(name: str, said: str, member: str) -> Exception:
    """The exception for a D-Bus error."""
    if any(part in name for part in _NO_SERVICE):
        return _no_service(said)
    if any(name.endswith(part) for part in _GONE):
        return ModemGone("modem.gone", f"the modem left during {member} ({said})")
    if any(name.endswith(part) for part in _SILENT):
        return _silent(said)
    cause, remedy = decode_cause(name)
    default = "modem.context" if member == "Connect" else "modem.refused"
    code = _CODES.get(name.rpartition(".")[2], default)
    return ModemRefused(
        code, f"{member} was refused: {said} [{name.rpartition('Error.')[2]}]", cause=cause, remedy=remedy
    )
