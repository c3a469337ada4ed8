"""Which repair of the cellular link is due: from the mildest to a reboot, one after the other. Pure.

    RECONNECT -> RADIO -> RESET -> SERVICE -> REBIND -> POWER -> REBOOT

Rules:
- A rung is climbed only after a time without any proof of life, and one climb goes upward only: no rung
  twice. What heals nothing is followed by the next rung, a proof of life ends the climb.
- What no reset cures is never climbed for (HOPELESS), and where there is no usable signal the radio alone is
  started anew (FROZEN). Where the cause is plain, the climb begins at the rung that can cure it (JUMPS).
- Each rung has a cap a day. One whose cap is spent is passed over, so that a modem that hangs often is helped
  by what is left; the sum of the caps bounds all of them.
- After each climb that reached its top in vain, all waits double, up to a day.
- Time is that of the ladder: seconds that the agent has been there, summed over all its runs. What passed
  while it was not there does not count, so that no restart, and no wrong clock, refills a cap.
"""

from __future__ import annotations

import enum
from collections.abc import Collection
from typing import Final, NamedTuple

import msgspec

DAY_S: Final = 86_400
CLIMBS_KEPT: Final = 8
DOUBLINGS_MAX: Final = 12
REASON_CHARACTERS_MAX: Final = 120


class Rung(enum.StrEnum):
    """The repairs, mildest first."""

    RECONNECT = "reconnect"  # give the bearer back and ask for a new one
    RADIO = "radio"  # radio off and on: attaches anew, USB stays
    RESET = "reset"  # the modem starts anew, by command or by its reset line
    SERVICE = "service"  # ModemManager is restarted
    REBIND = "rebind"  # the USB port is taken from its driver and given back
    POWER = "power"  # the modem's supply is cut
    REBOOT = "reboot"  # the machine, through systemd, which owns the watchdog


ORDER: Final = tuple(Rung)


class Step(NamedTuple):
    """`after_s`: without proof since the rung below, or since the last proof. `settle_s`: what the repair
    needs before anything else is done to the modem. `daily_max`: times a day."""

    after_s: int
    settle_s: int
    daily_max: int


# The waits are own judgement, between what makers of routers do (5 minutes to a restart of the connection or
# the modem) and what modems need: 28 s from plug to modem at most in a trial, 30 s attach, 3 minutes search.
STEPS: Final = {
    Rung.RECONNECT: Step(120, 60, 48),
    Rung.RADIO: Step(360, 180, 12),
    Rung.RESET: Step(420, 180, 6),
    Rung.SERVICE: Step(300, 120, 4),
    Rung.REBIND: Step(300, 120, 4),
    Rung.POWER: Step(300, 180, 4),
    Rung.REBOOT: Step(5_400, 900, 2),
}
REBOOT_APART_S: Final = 6 * 3_600


class Trouble(enum.StrEnum):
    """What keeps the link from being proven. The names are those of the faults `modem.*`, where one is."""

    NONE = "none"
    NO_PROOF = "no-proof"  # all looks well, or will, and nothing comes through
    SILENT = "silent"  # the modem does not answer
    GONE = "gone"  # the device is not there
    AMBIGUOUS = "ambiguous"  # there are several, and the configuration names none
    SERVICE = "service"  # ModemManager does not answer
    NO_SIGNAL = "no-signal"  # no cell, or too weak
    REFUSED = "refused"  # the network denies it and does not say why
    SIM_MISSING = "sim-missing"
    SIM_PIN = "sim-pin"
    SIM_PUK = "sim-puk"
    DENIED = "denied"  # the network denies it: contract, device or place
    ROAMING = "roaming"  # a foreign network, and the configuration does not allow it
    APN = "apn"
    BUDGET = "budget"


HOPELESS: Final = frozenset(
    {
        Trouble.AMBIGUOUS,
        Trouble.SIM_MISSING,
        Trouble.SIM_PIN,
        Trouble.SIM_PUK,
        Trouble.DENIED,
        Trouble.ROAMING,
        Trouble.APN,
        Trouble.BUDGET,
    }
)
FROZEN: Final = frozenset({Trouble.NO_SIGNAL, Trouble.REFUSED})


class Jump(NamedTuple):
    """The climb begins here once the trouble has held for `after_s`."""

    rung: Rung
    after_s: int


JUMPS: Final = {
    Trouble.SILENT: Jump(Rung.RESET, 30),
    Trouble.GONE: Jump(Rung.REBIND, 60),
    Trouble.SERVICE: Jump(Rung.SERVICE, 60),
    Trouble.NO_SIGNAL: Jump(Rung.RADIO, 480),
    Trouble.REFUSED: Jump(Rung.RADIO, 480),
}


class Observation(NamedTuple):
    """What is known now. `proof_s`: when something last came through, on the ladder's clock; None: not in
    this run."""

    now_s: float
    trouble: Trouble
    proof_s: float | None = None


class Climb(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rung that was climbed. `result`: "" while it is open, "proof", "in vain", or why it could not be
    done."""

    at_s: int
    rung: Rung
    reason: str
    result: str = ""


class LadderMemory(msgspec.Struct, forbid_unknown_fields=True):
    """What a restart must not forget. `uses`: when each rung was climbed, of the last day."""

    uses: dict[Rung, list[int]] = {}
    full_climbs: int = 0
    position: Rung | None = None
    position_s: int = 0
    climbs: list[Climb] = []


class Decision(NamedTuple):
    """`rung` None: nothing is to be done now; then `next_rung` and `due_s` say what comes when."""

    rung: Rung | None
    next_rung: Rung | None = None
    due_s: float | None = None
    is_frozen: bool = False


class Ladder:
    """See the module. `enabled`: what this site allows."""

    def __init__(self, enabled: Collection[Rung], memory: LadderMemory, started_s: float) -> None:
        self.memory = memory
        self._enabled = tuple(rung for rung in ORDER if rung in enabled)
        self._trouble = Trouble.NONE
        self._trouble_s = started_s
        self._proof_s = started_s
        self._from_s = started_s  # since when a proof is waited for

    @property
    def factor(self) -> int:
        """By how much all waits are longer now."""
        return 1 << min(self.memory.full_climbs, DOUBLINGS_MAX)

    def decide(self, seen: Observation) -> Decision:
        """What to do now. A rung that is named counts only when `climbed` is told of it."""
        self._note(seen)
        if seen.trouble is Trouble.NONE:
            return Decision(None)
        if seen.trouble in HOPELESS:
            return Decision(None, is_frozen=True)
        self._end_in_vain(seen)
        rung = self._next(seen)
        if rung is None:
            return Decision(None, is_frozen=True)
        due_s = self._due_s(rung, seen)
        return Decision(rung if seen.now_s >= due_s else None, rung, due_s)

    def climbed(self, rung: Rung, now_s: float, reason: str) -> None:
        """The repair is about to be done; to be made durable before it is."""
        memory = self.memory
        memory.uses[rung] = [*self._recent(rung, now_s), int(now_s)]
        memory.position, memory.position_s = rung, int(now_s)
        self._close("in vain")
        climb = Climb(int(now_s), rung, reason[:REASON_CHARACTERS_MAX])
        memory.climbs = [*memory.climbs, climb][-CLIMBS_KEPT:]

    def failed(self, why: str) -> None:
        """The repair that was begun last could not be done."""
        self._close(why[:REASON_CHARACTERS_MAX])

    def _note(self, seen: Observation) -> None:
        if seen.trouble is not self._trouble:
            if self._trouble in HOPELESS:
                self._from_s = seen.now_s  # the time until a person came says nothing about the modem
            self._trouble, self._trouble_s = seen.trouble, seen.now_s
        if seen.proof_s is not None and seen.proof_s > self._proof_s:
            self._proof_s = seen.proof_s
            self._from_s = max(self._from_s, seen.proof_s)
            self._prove()

    def _prove(self) -> None:
        """Something came through after the last repair, or without one: the climb is over."""
        if self.memory.position is not None and self._proof_s <= self.memory.position_s:
            return
        self._close("proof")
        self.memory.position = None
        self.memory.full_climbs = 0

    def _close(self, result: str) -> None:
        climbs = self.memory.climbs
        if climbs and not climbs[-1].result:
            climbs[-1] = msgspec.structs.replace(climbs[-1], result=result)

    def _tops(self, trouble: Trouble) -> tuple[Rung, ...]:
        """The rungs that may be climbed for it."""
        if trouble not in FROZEN:
            return self._enabled
        return tuple(rung for rung in self._enabled if ORDER.index(rung) <= ORDER.index(Rung.RADIO))

    def _end_in_vain(self, seen: Observation) -> None:
        """A climb that has nothing above it, and whose last repair had its time, was in vain."""
        memory, position = self.memory, self.memory.position
        if position is None or seen.now_s < memory.position_s + STEPS[position].settle_s:
            return
        if any(ORDER.index(rung) > ORDER.index(position) for rung in self._tops(seen.trouble)):
            return
        if seen.trouble in FROZEN and ORDER.index(position) > ORDER.index(Rung.RADIO):
            return
        self._close("in vain")
        memory.position = None
        memory.full_climbs += 1
        self._from_s = self._trouble_s = seen.now_s

    def _next(self, seen: Observation) -> Rung | None:
        """The lowest rung that is allowed, above the last one, not below where this trouble begins, and whose
        cap is not spent; where all are spent, the one that is free first."""
        jump, position = self._jump(seen.trouble), self.memory.position
        lowest = 0 if jump is None else ORDER.index(jump.rung)
        if position is not None:
            lowest = max(lowest, ORDER.index(position) + 1)
        above = [rung for rung in self._tops(seen.trouble) if ORDER.index(rung) >= lowest]
        for rung in above:
            if len(self._recent(rung, seen.now_s)) < STEPS[rung].daily_max:
                return rung
        return min(above, key=lambda rung: self._free_s(rung, seen.now_s), default=None)

    def _jump(self, trouble: Trouble) -> Jump | None:
        """Where the climb for `trouble` begins, where anything from there on is allowed."""
        jump = JUMPS.get(trouble)
        if jump is None or not any(
            ORDER.index(rung) >= ORDER.index(jump.rung) for rung in self._tops(trouble)
        ):
            return None
        return jump

    def _due_s(self, rung: Rung, seen: Observation) -> float:
        """When `rung` may be climbed: its wait is over, what was done before has settled, its cap allows it.
        Rungs that are left out are waited for all the same."""
        memory, jump, position = self.memory, self._jump(seen.trouble), self.memory.position
        if jump is not None and (position is None or ORDER.index(position) < ORDER.index(jump.rung)):
            wait_s, base_s = jump.after_s + _wait_s(jump.rung, rung), max(self._trouble_s, self._from_s)
        else:
            wait_s, base_s = _wait_s(position, rung), self._from_s
            if position is not None:
                base_s = max(base_s, memory.position_s)
        due_s = base_s + self._stretched(wait_s)
        return max(due_s, self._settled_s(), self._free_s(rung, seen.now_s))

    def _settled_s(self) -> float:
        """When all that was ever done has had its time, also where a proof came in between."""
        uses = self.memory.uses.items()
        return max((times[-1] + STEPS[rung].settle_s for rung, times in uses if times), default=0.0)

    def _stretched(self, wait_s: int) -> int:
        return max(wait_s, min(DAY_S, wait_s * self.factor))

    def _recent(self, rung: Rung, now_s: float) -> list[int]:
        return [use_s for use_s in self.memory.uses.get(rung, []) if use_s > now_s - DAY_S]

    def _free_s(self, rung: Rung, now_s: float) -> float:
        """When the cap of `rung` allows one more."""
        recent = self._recent(rung, now_s)
        free_s = 0.0
        if len(recent) >= STEPS[rung].daily_max:
            free_s = recent[-STEPS[rung].daily_max] + DAY_S
        if rung is Rung.REBOOT and recent:
            free_s = max(free_s, recent[-1] + REBOOT_APART_S)
        return free_s


def _wait_s(below: Rung | None, rung: Rung) -> int:
    """The waits of all rungs above `below` up to `rung`."""
    first = 0 if below is None else ORDER.index(below) + 1
    return sum(STEPS[each].after_s for each in ORDER[first : ORDER.index(rung) + 1])
