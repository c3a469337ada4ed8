"""`[modem]` of a gateway's file, the PIN's file beside it, and what is judged of them.

Rules:
- Without `[modem]`, or with backend "none", nothing of the cellular link is loaded or done.
- The PIN stands in a file of its own that only the agent may read; no problem shows what is in it.
- Harsh repairs are enabled one by one, and only where what they need is named: a board that cannot cut the
  modem's power must not pretend to.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Final, Literal, NamedTuple

import msgspec

from config.problems import Judge

ModemBackend = Literal["none", "modem-manager"]
RungName = Literal["reconnect", "radio", "reset", "service", "rebind", "power", "reboot"]

BILLING_DAY_MAX: Final = 31
LOOSE_MODE: Final = 0o077
PIN_BYTES_MAX: Final = 64
PROBE_BYTES_DAY_DEFAULT: Final = 64 * 1024
_PIN: Final = re.compile(r"[0-9]{4,8}", re.ASCII)  # TS 31.101, 9.5.1: four to eight digits
OUTPUT_EXAMPLE: Final = "gpio:///dev/gpiochip0?line=6"
_OUTPUT: Final = re.compile(r"gpio://(/dev/gpiochip[0-9]+)\?line=([0-9]{1,4})(&active=low)?", re.ASCII)
_USB_PORT: Final = re.compile(r"[0-9]+-[0-9]+(\.[0-9]+)*", re.ASCII)  # as in /sys/bus/usb/devices


class PowerLine(NamedTuple):
    """A GPIO line that switches the modem's supply. `active_low`: the low level is on."""

    chip: str
    line: int
    active_low: bool


class ModemConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[modem]`. `device`: which one, by its IMEI or its device's path; empty where it is the only one.
    `pin_file`: with the SIM's PIN. `interface`: of the network; empty: the one that the modem names.
    `home_bytes` and `roaming_bytes`: the budget of a billing period that begins at `billing_day`, 0 for none;
    `at_limit`: what happens when it is spent. `probe_bytes_day`: what may be sent a day only to learn whether
    the link lives. `rungs`: the repairs that are allowed."""

    backend: ModemBackend = "none"
    device: str = ""
    apn: str = ""
    pin_file: str = ""
    roaming: bool = False
    interface: str = ""
    billing_day: int = 1
    home_bytes: int = 0
    roaming_bytes: int = 0
    at_limit: Literal["warn", "stop"] = "warn"
    probe_bytes_day: int = PROBE_BYTES_DAY_DEFAULT
    rungs: tuple[RungName, ...] = ("reconnect", "radio", "reset")
    usb_port: str = ""
    power: str = ""


class SimPin(NamedTuple):
    """`mark` changes with the file, and tells nothing of the PIN. Shows no PIN."""

    digits: str
    mark: str

    def __repr__(self) -> str:
        """That there is one."""
        return "SimPin(...)"


def judge_modem(judge: Judge, modem: ModemConfig, folder: Path) -> None:
    """What can be known of `[modem]` without the modem."""
    if modem.backend == "none":
        return
    if not modem.apn:
        judge.say(
            "[modem] apn", modem.apn, "the access point of the SIM's contract, as its operator states it"
        )
    if modem.pin_file:
        try:
            load_pin(folder / modem.pin_file)
        except ValueError as error:
            judge.say("[modem] pin_file", modem.pin_file, str(error))
    if not 1 <= modem.billing_day <= BILLING_DAY_MAX:
        judge.say("[modem] billing_day", modem.billing_day, f"a day of the month, 1 to {BILLING_DAY_MAX}")
    for name in ("home_bytes", "roaming_bytes", "probe_bytes_day"):
        if getattr(modem, name) < 0:
            judge.say(f"[modem] {name}", getattr(modem, name), "0 or more (bytes)")
    _judge_rungs(judge, modem)


def _judge_rungs(judge: Judge, modem: ModemConfig) -> None:
    if len(set(modem.rungs)) < len(modem.rungs):
        judge.say("[modem] rungs", list(modem.rungs), "each repair once")
    if "rebind" in modem.rungs and not _USB_PORT.fullmatch(modem.usb_port):
        right = 'the modem\'s place on the bus, as "1-1.2"; ls /sys/bus/usb/devices shows them'
        judge.say("[modem] usb_port", modem.usb_port, f"{right}: rung rebind needs it")
    if "power" in modem.rungs:
        try:
            read_output_url(modem.power)
        except ValueError as error:
            judge.say("[modem] power", modem.power, f"{error}: rung power needs it")


def read_output_url(url: str) -> PowerLine:
    """What a `gpio://` URL of an output names; ValueError says what would be right."""
    found = _OUTPUT.fullmatch(url)
    if found is None:
        raise ValueError(
            f"the line that feeds the modem, as {OUTPUT_EXAMPLE}, with &active=low where low is on"
        )
    return PowerLine(found[1], int(found[2]), found[3] is not None)


def load_pin(path: Path) -> SimPin:
    """The PIN in a file; ValueError says what would be right, never what stands there."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise ValueError(f"a file that this user can read; {path}: {error.strerror}") from None
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid not in (os.geteuid(), 0):
            raise ValueError(f"a plain file of the user that runs the agent: {path}")
        if found.st_mode & LOOSE_MODE:
            raise ValueError(f"a file that only the agent may read: chmod 600 {path}")
        text = file.read(PIN_BYTES_MAX).decode("ascii", "replace").strip()
    if not _PIN.fullmatch(text):
        raise ValueError(f"a file with the SIM's PIN, four to eight digits and nothing else: {path}")
    return SimPin(text, str(found.st_mtime_ns))
