"""What a cellular modem is in, apart from how it talks: power, SIM, registration, contexts, and how it hangs.

    off -> booting -> SIM (ready, PIN, PUK, missing) -> searching -> home, roaming or denied -> context ->
    data

Rules:
- No clock and no task: `advance(now_s)` does all that became due, in order; everything else happens at the
  time
  of the last `advance`. So it runs as well in virtual time.
- A hang ends only by what ends it in the field (CURES), never by anything that was merely tried.
- Every act that could cure something is remembered in `acts`, so that tests can count resets.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from protocols.at.standard import Attachment, SimState
from protocols.cellular import Technology
from protocols.value import Scaled

ACTS_MAX = 10_000
PIN_TRIES = 3
PUK_TRIES = 10
CONTEXTS_MAX = 16
USB_GONE_S: Final = 15.0  # measured: replugged modems were back after 15 s, under another name


class Cure(enum.Enum):
    """What someone does to a modem, from mild to hard."""

    REDIAL = "redial"
    REATTACH = "reattach"  # CGATT 0/1, COPS
    RADIO = "radio"  # CFUN 4/1
    RESET = "reset"  # CFUN=1,1 and its kin, or the reset line
    POWER_CUT = "power cut"


_ALL: Final = frozenset(Cure)
_BUT_REDIAL: Final = _ALL - {Cure.REDIAL}


class Hang(enum.Enum):
    """A way to be of no use, named by what is seen from outside."""

    SILENT = "AT port silent"
    USB_GONE = "USB gone, back under another name"
    NEEDS_POWER_CUT = "gone until the power is cut"
    NO_DATA = "registered, no data passes"
    PDP_REFUSED = "context refused"
    DIAL_STUCK = "stuck in dial"
    WRONG_APN = "wrong APN"
    DENIED_ROAMING = "roaming denied"
    PUK = "SIM wants its PUK"
    NO_ANTENNA = "no antenna"


CURES: Final = {
    Hang.SILENT: frozenset({Cure.RESET, Cure.POWER_CUT}),
    Hang.USB_GONE: frozenset({Cure.RESET, Cure.POWER_CUT}),  # and USB_GONE_S
    Hang.NEEDS_POWER_CUT: frozenset({Cure.POWER_CUT}),
    Hang.NO_DATA: _BUT_REDIAL,
    Hang.PDP_REFUSED: _BUT_REDIAL,
    Hang.DIAL_STUCK: frozenset({Cure.RADIO, Cure.RESET, Cure.POWER_CUT}),
    Hang.WRONG_APN: frozenset(),
    Hang.DENIED_ROAMING: frozenset(),
    Hang.PUK: frozenset(),
    Hang.NO_ANTENNA: frozenset(),
}
CAUSE_ROAMING_NOT_ALLOWED: Final = 13  # TS 24.301, 9.9.3.9
CAUSE_UNKNOWN_APN: Final = 27  # TS 24.008, 10.5.6.6
CAUSE_NO_RESOURCES: Final = 26


class Outage(NamedTuple):
    """`hang` begins at `at_s`; it ends by itself after `lasts_s`, where given."""

    at_s: float
    hang: Hang
    lasts_s: float | None = None


class Network(NamedTuple):
    """What the modem finds on the air. Levels are those of the technology's own signal."""

    plmn: str = "26201"
    operator: str = "Testnetz"
    is_home: bool = True
    technology: Technology = Technology.LTE
    rsrp_dbm: int = -93
    rsrq_db: int = -11
    sinr_db: Scaled = Scaled(9, 0)
    rssi_dbm: int = -65
    area: int = 0x3193
    cell_id: int = 0x08F381C
    apns: frozenset[str] | None = None  # those that the network knows; None: all
    address: str = "10.17.0.2"
    search_s: float = 3.0


class Delays(NamedTuple):
    """How long the modem takes, in seconds."""

    boot: float = 10.0
    usb_leaves: float = 0.3
    context: float = 0.4
    dial: float = 0.8
    radio: float = 1.0


class ModemState:
    """See the module. `pin`: the SIM's code, where it asks for one; `apn`: of context 1 at first."""

    def __init__(
        self,
        network: Network,
        *,
        delays: Delays,
        pin: str | None = None,
        has_sim: bool = True,
        apn: str = "internet",
        outages: Sequence[Outage] = (),
    ) -> None:
        self.network = network
        self.delays = delays
        self.now_s = 0.0
        self.acts: deque[tuple[float, Cure]] = deque(maxlen=ACTS_MAX)
        self.hangs: dict[Hang, float | None] = {}  # and when each ends by itself
        self.contexts: dict[int, tuple[str, str]] = {1: ("IP", apn)}
        self.enumeration = 0  # counts how often the device appeared: its names change with it
        self.pin_tries = PIN_TRIES
        self.puk_tries = PUK_TRIES
        self.last_cause: int | None = None
        self._pin = pin
        self._has_sim = has_sim
        self._is_powered = True
        self._outages = sorted(outages)
        self._ready_s: float | None = None
        self._start()

    def _start(self) -> None:
        """As after power-up, without the boot: what is volatile is forgotten."""
        self.functionality = 1
        self.is_attach_wanted = True
        self.active: set[int] = set()
        self.is_unlocked = self._pin is None
        self.attachment = Attachment.IDLE
        self.reject_cause: int | None = None
        self._found_s: float | None = None
        self.enumeration += 1
        self._search()

    @property
    def is_present(self) -> bool:
        """Whether the device and its ports are there."""
        gone = Hang.USB_GONE in self.hangs or Hang.NEEDS_POWER_CUT in self.hangs
        return self._is_powered and self._ready_s is None and not gone

    @property
    def is_listening(self) -> bool:
        """Whether the ports answer."""
        return self.is_present and Hang.SILENT not in self.hangs

    @property
    def sim(self) -> SimState:
        """What the SIM wants."""
        if not self._has_sim:
            return SimState.MISSING
        if Hang.PUK in self.hangs or self.pin_tries == 0:
            return SimState.PUK
        return SimState.READY if self.is_unlocked else SimState.PIN

    @property
    def has_signal(self) -> bool:
        """Whether a cell is heard."""
        return self.functionality == 1 and Hang.NO_ANTENNA not in self.hangs

    @property
    def is_stuck_in_dial(self) -> bool:
        """Whether a dial never ends."""
        return Hang.DIAL_STUCK in self.hangs

    @property
    def passes_data(self) -> bool:
        """Whether a packet given to the modem reaches anyone."""
        return bool(self.active) and self.attachment.is_registered and Hang.NO_DATA not in self.hangs

    def advance(self, now_s: float) -> None:
        """Do what has become due up to `now_s`, which never goes back."""
        while (due_s := self.next_due_s()) is not None and due_s <= now_s:
            self.now_s = max(self.now_s, due_s)
            self._do_due()
        self.now_s = max(self.now_s, now_s)

    def next_due_s(self) -> float | None:
        """When something happens by itself next; None where nothing will."""
        times = [ends_s for ends_s in self.hangs.values() if ends_s is not None]
        times += [self._outages[0].at_s] if self._outages else []
        times += [time_s for time_s in (self._ready_s, self._found_s) if time_s is not None]
        return min(times, default=None)

    def _do_due(self) -> None:
        if self._ready_s is not None and self._ready_s <= self.now_s:
            self._ready_s = None
            self._start()
        for hang in [
            hang for hang, ends_s in self.hangs.items() if ends_s is not None and ends_s <= self.now_s
        ]:
            self._end(hang)
        if self._outages and self._outages[0].at_s <= self.now_s:
            outage = self._outages.pop(0)
            self.begin(outage.hang, outage.lasts_s)
        if self._found_s is not None and self._found_s <= self.now_s:
            self._found_s = None
            self._register()

    def begin(self, hang: Hang, lasts_s: float | None = None) -> None:
        """Hang from now on."""
        if hang is Hang.USB_GONE and lasts_s is None:
            lasts_s = USB_GONE_S
        self.hangs[hang] = None if lasts_s is None else self.now_s + lasts_s
        if hang in (Hang.NO_ANTENNA, Hang.DENIED_ROAMING, Hang.PUK):
            self._search()
        if hang in (Hang.WRONG_APN, Hang.PDP_REFUSED):
            self.active.clear()

    def _end(self, hang: Hang) -> None:
        del self.hangs[hang]
        if hang in (Hang.USB_GONE, Hang.NEEDS_POWER_CUT):
            self._start()
        elif self.attachment is not Attachment.HOME:
            self._search()

    def _act(self, cure: Cure) -> None:
        self.acts.append((self.now_s, cure))
        for hang in [hang for hang in self.hangs if cure in CURES[hang]]:
            del self.hangs[hang]

    def _search(self) -> None:
        """Leave the network, and look for one where that is allowed."""
        self.active.clear()
        self.reject_cause = None
        self._found_s = None
        allowed = self.functionality == 1 and self.sim is SimState.READY and self.is_attach_wanted
        self.attachment = Attachment.SEARCHING if allowed else Attachment.IDLE
        if allowed and self.has_signal:
            self._found_s = self.now_s + self.network.search_s

    def _register(self) -> None:
        if Hang.DENIED_ROAMING in self.hangs:
            self.attachment, self.reject_cause = Attachment.DENIED, CAUSE_ROAMING_NOT_ALLOWED
        else:
            self.attachment = Attachment.HOME if self.network.is_home else Attachment.ROAMING

    def set_functionality(self, functionality: int) -> None:
        """CFUN: 0 and 4 silence the radio, 1 starts it."""
        if functionality == self.functionality:
            return
        if functionality == 1:
            self._act(Cure.RADIO)
        self.functionality = functionality
        self._search()

    def set_attach(self, wanted: bool) -> None:
        """CGATT and COPS=2/0."""
        if wanted and not self.is_attach_wanted:
            self._act(Cure.REATTACH)
        if wanted != self.is_attach_wanted:
            self.is_attach_wanted = wanted
            self._search()

    def reset(self) -> None:
        """By command or by the reset line: the device leaves, and comes back under another name."""
        self._act(Cure.RESET)
        self._restart()

    def set_power(self, on: bool) -> None:
        """Cut or give the supply."""
        if on == self._is_powered:
            return
        self._is_powered = on
        if on:
            self._act(Cure.POWER_CUT)
            self._restart()
        else:
            self._ready_s = self._found_s = None
            self.active.clear()

    def _restart(self) -> None:
        self.active.clear()
        self.attachment = Attachment.IDLE
        self._found_s = None
        self._ready_s = self.now_s + self.delays.boot

    def enter_pin(self, code: str) -> bool:
        """Whether `code` was right. Three wrong ones lock the SIM."""
        if self.sim is not SimState.PIN:
            return False
        if code != self._pin:
            self.pin_tries -= 1
            return False
        self.pin_tries = PIN_TRIES
        self.is_unlocked = True
        self._search()
        return True

    def define(self, number: int, kind: str, apn: str) -> bool:
        """CGDCONT; whether there was room."""
        if number not in range(1, CONTEXTS_MAX + 1):
            return False
        self.contexts[number] = (kind, apn)
        self.active.discard(number)
        return True

    def activate(self, number: int) -> bool:
        """Whether the network gave the context; `last_cause` says why not."""
        self.last_cause = self._refusal(number)
        if self.last_cause is None:
            self.active.add(number)
        return self.last_cause is None

    def _refusal(self, number: int) -> int | None:
        known = self.network.apns
        apn = self.contexts.get(number, ("", ""))[1]
        if (
            Hang.WRONG_APN in self.hangs
            or number not in self.contexts
            or (known is not None and apn not in known)
        ):
            return CAUSE_UNKNOWN_APN
        if Hang.PDP_REFUSED in self.hangs or not self.attachment.is_registered:
            return CAUSE_NO_RESOURCES
        return None

    def redial(self) -> None:
        """Remember that a data call was tried."""
        self._act(Cure.REDIAL)
