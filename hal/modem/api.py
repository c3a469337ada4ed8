"""A cellular modem as the rooms above see it: one interface, by ModemManager or by AT commands of our own.

Rules:
- Every call ends within the time that stands at its name below, and raises one of the four errors here.
- A status is what the modem says of itself. Registered and connected are never proof that data pass.
- The subscriber's number (IMSI) is in none of these records, nor is a PIN in any error.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from protocols.at.causes import Remedy
from protocols.cellular import Cell, Signal, Technology

STATUS_S_MAX: Final = 15.0
PIN_S_MAX: Final = 30.0
CONNECT_S_MAX: Final = 240.0  # registering anew, and the longest context activation of TS 24.301 with repeats
DISCONNECT_S_MAX: Final = 60.0
RADIO_S_MAX: Final = 200.0  # makers' own drivers give +CFUN 180 s
RESET_S_MAX: Final = 30.0  # until it is on its way, not until the modem is back
PIN_TRIES_LEFT_MIN: Final = 2  # the last try is the technician's: after it the SIM wants its PUK

IpType = Literal["ipv4", "ipv6", "ipv4v6"]


class ModemError(Exception):
    """`code` is stable; `text` says what the modem or its service said, and the next step."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class ModemGone(ModemError):
    """No such modem at present: "modem.gone" (unplugged, in reset, not recognised yet), "modem.ambiguous"
    (several, and none named), or "modem.service" (ModemManager does not run, or hangs).
    """


class ModemSilent(ModemError):
    """ "modem.silent": it is there and does not answer in time."""


class ModemRefused(ModemError):
    """The modem, the SIM or the network said no; `remedy` tells who can help, `cause` is the network's.

    "modem.pin_wrong", "modem.pin_tries" (too few left, not tried), "modem.sim" (missing, locked, failed),
    "modem.denied" (registration), "modem.roaming" (registered abroad, not allowed by the site),
    "modem.no_network" (not registered in time), "modem.context" (the connection), "modem.unsupported"
    (this modem or service cannot), "modem.port" (another program holds its AT port, or it is not permitted),
    "modem.refused" (any other).
    """

    def __init__(
        self, code: str, text: str, *, cause: int | None = None, remedy: Remedy = Remedy.UNKNOWN
    ) -> None:
        super().__init__(code, text)
        self.cause = cause
        self.remedy = remedy


class SimState(enum.StrEnum):
    """What stands between the modem and the network."""

    READY = "ready"
    PIN = "pin"
    PUK = "puk"
    MISSING = "missing"
    FAILED = "failed"  # broken, wrong, or locked to another network or device
    UNKNOWN = "unknown"


class RegistrationState(enum.StrEnum):
    """Whether the network serves the modem. IDLE: neither registered nor searching, as with the radio off."""

    IDLE = "idle"
    SEARCHING = "searching"
    HOME = "home"
    ROAMING = "roaming"
    DENIED = "denied"
    UNKNOWN = "unknown"

    @property
    def is_registered(self) -> bool:
        """At home or abroad."""
        return self in (RegistrationState.HOME, RegistrationState.ROAMING)


class IpMethod(enum.StrEnum):
    """How the host's end gets its address."""

    STATIC = "static"  # set it as given here
    DHCP = "dhcp"
    PPP = "ppp"  # `BearerStatus.interface` is a serial port; pppd negotiates
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class IpSettings:
    """For one IP version; `address` may be None with DHCP and PPP."""

    method: IpMethod
    address: str | None = None
    prefix: int | None = None
    gateway: str | None = None
    dns: tuple[str, ...] = ()
    mtu: int | None = None


@dataclass(frozen=True, slots=True)
class BearerStatus:
    """The data connection as the modem sees it. `interface`: of the network, or a serial port with PPP."""

    connected: bool
    interface: str | None = None
    apn: str | None = None
    ipv4: IpSettings | None = None
    ipv6: IpSettings | None = None


@dataclass(frozen=True, slots=True)
class Counters:
    """Bytes of the present connection by the modem's count: a cross-check of the interface's own."""

    received_bytes: int
    sent_bytes: int


@dataclass(frozen=True, slots=True)
class ModemStatus:
    """What is known at present; None where the modem or its service does not say."""

    present: bool = True
    imei: str | None = None
    maker: str | None = None
    model: str | None = None
    revision: str | None = None
    sim: SimState = SimState.UNKNOWN
    pin_tries_left: int | None = None
    iccid: str | None = None
    operator: str | None = None  # its name, or its code where it has none
    registration: RegistrationState = RegistrationState.UNKNOWN
    reject_cause: int | None = None  # of the network, see protocols.at.causes.mobility_remedy
    technology: Technology | None = None
    band: str | None = None
    cell: Cell | None = None
    signals: tuple[Signal, ...] = ()  # one for each leg: two in 5G NSA, none without service
    temperature_c10: int | None = None  # tenths of a degree Celsius
    bearer: BearerStatus | None = None
    counters: Counters | None = None


class Modem(Protocol):
    """One modem. Calls may come from one task at a time.

    Each may raise ModemGone, ModemSilent and ModemRefused; a status only ModemRefused("modem.port").
    """

    async def status(self) -> ModemStatus:
        """Ask the modem, within STATUS_S_MAX. A modem that is there and does not answer is ModemSilent."""

    async def enter_pin(self, pin: str) -> None:
        """Unlock the SIM, within PIN_S_MAX; not with fewer than PIN_TRIES_LEFT_MIN tries left.

        The caller tries once for each SIM: a wrong PIN is ModemRefused("modem.pin_wrong").
        """

    async def connect(self, apn: str, *, ip_type: IpType, allow_roaming: bool) -> BearerStatus:
        """Enable, register and connect, within CONNECT_S_MAX; the interface is the caller's to configure."""

    async def disconnect(self) -> None:
        """End the connection, within DISCONNECT_S_MAX; without one nothing happens."""

    async def radio_off_on(self) -> None:
        """Radio off and on again, within RADIO_S_MAX: it registers anew, its ports stay."""

    async def reset(self) -> None:
        """Start the module anew, within RESET_S_MAX: its ports leave and come back."""

    async def close(self) -> None:
        """Release ports and connections; the modem keeps what it does. Closing twice is allowed."""
