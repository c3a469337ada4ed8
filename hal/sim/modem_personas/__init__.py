"""Who a simulated modem pretends to be: what it says to each command, as data.

A template is filled with the names that `hal.sim.modem` offers (`{imei}`, `{rsrp}`, `{rsrp_x10}`,
`{cell_hex}` ...).
`served` answers while a cell serves the modem, `idle` while none does; a command in neither is an ERROR, as
makers
do it. Fields stand as the captures have them, with their blanks, quotes, orders and scales.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from protocols.cellular import Technology

Answers = Mapping[str, tuple[str, ...]]


class Persona(NamedTuple):
    """A model. Commands stand without AT, in upper case."""

    name: str
    maker: str
    model: str
    firmware: str
    usb: str  # vendor and product
    information: tuple[str, ...]  # ATI
    served: Answers
    idle: Answers
    technology: Technology = Technology.LTE
    domains: tuple[str, ...] = ("CREG", "CGREG", "CEREG")  # those that report; others stay at 0
    greeting: tuple[str, ...] = ("RDY", "+CPIN: READY")
    late_lines: frozenset[str] = frozenset()  # commands whose data comes behind OK
    resets: frozenset[str] = frozenset()  # beside +CFUN=1,1
    iccid_commands: frozenset[str] = frozenset({"+CCID", "+ICCID"})
    pin_tries: str | None = None  # the template of the maker's counter
    pin_tries_command: str | None = None


COMMON: Answers = {
    "+GCAP": ("+GCAP: +CGSM",),
    "+CESQ=?": ("+CESQ: (0-63,99),(0-7,99),(0-96,255),(0-49,255),(0-34,255),(0-97,255)",),
    "+CSCS=?": ('+CSCS: ("GSM","IRA","UCS2")',),
    "+WS46=?": ("+WS46: (12,22,25,28,29)",),
    "+CGDCONT=?": (
        '+CGDCONT: (1-16),"IP",,,(0-2),(0-4)',
        '+CGDCONT: (1-16),"IPV6",,,(0-2),(0-4)',
        '+CGDCONT: (1-16),"IPV4V6",,,(0-2),(0-4)',
    ),
    "+CFUN=?": ("+CFUN: (0,1,4),(0,1)",),
    "+CTZU=?": ("+CTZU: (0,1,3)",),  # an OK without it ends ModemManager 1.20.4 with a segmentation fault
    "+CPAS": ("+CPAS: 0",),
    "+CCLK?": ('+CCLK: "26/01/15,12:00:00+04"',),
    "+CNUM": (),
}
