"""Why a network refuses: TS 24.008 10.5.5.14 (GMM), TS 24.301 9.9.3.9 (EMM), TS 24.501 9.11.3.2 (5GMM)
agree on
these numbers; for contexts TS 24.008 10.5.6.6 and TS 24.301 9.9.4.4 (ESM).

Each cause has a class, which decides what can help. The texts for people stand with the screens.
"""

from __future__ import annotations

import enum
from typing import Final


class Remedy(enum.StrEnum):
    """Who or what can put it right."""

    SUBSCRIPTION = "subscription"  # the SIM is not allowed: only the operator can
    ROAMING = "roaming"  # this network or area is not for this SIM: another network may
    APN = "apn"  # the access point's name, or its user and password
    DEVICE = "device"  # the IMEI is refused
    WAIT = "wait"  # congestion and failures of the network: later
    UNKNOWN = "unknown"


MOBILITY: Final = {
    2: Remedy.SUBSCRIPTION,  # IMSI unknown in HSS
    3: Remedy.SUBSCRIPTION,  # illegal UE
    5: Remedy.DEVICE,  # IMEI not accepted
    6: Remedy.DEVICE,  # illegal ME
    7: Remedy.SUBSCRIPTION,  # packet services not allowed
    8: Remedy.SUBSCRIPTION,  # packet and other services not allowed
    9: Remedy.WAIT,  # identity cannot be derived: attaches anew by itself
    10: Remedy.WAIT,  # implicitly detached
    11: Remedy.ROAMING,  # PLMN not allowed
    12: Remedy.ROAMING,  # tracking area not allowed
    13: Remedy.ROAMING,  # roaming not allowed in this tracking area
    14: Remedy.ROAMING,  # packet services not allowed in this PLMN
    15: Remedy.ROAMING,  # no suitable cells in this tracking area
    16: Remedy.WAIT,  # MSC not reachable
    17: Remedy.WAIT,  # network failure
    19: Remedy.APN,  # attach failed for its default bearer
    22: Remedy.WAIT,  # congestion
    25: Remedy.SUBSCRIPTION,  # not authorized for this closed group of cells
    27: Remedy.SUBSCRIPTION,  # N1 mode not allowed
    40: Remedy.WAIT,  # no bearer context active
    42: Remedy.WAIT,  # severe network failure
}

SESSION: Final = {
    8: Remedy.SUBSCRIPTION,  # operator determined barring
    26: Remedy.WAIT,  # insufficient resources
    27: Remedy.APN,  # missing or unknown APN
    28: Remedy.APN,  # unknown PDN type
    29: Remedy.APN,  # user authentication failed
    30: Remedy.WAIT,  # rejected by gateway
    31: Remedy.WAIT,  # rejected, unspecified
    32: Remedy.SUBSCRIPTION,  # service option not supported
    33: Remedy.SUBSCRIPTION,  # requested service option not subscribed; mostly an APN of another contract
    34: Remedy.WAIT,  # service option temporarily out of order
    38: Remedy.WAIT,  # network failure
    50: Remedy.APN,  # only IPv4 allowed
    51: Remedy.APN,  # only IPv6 allowed
    55: Remedy.WAIT,  # multiple connections to one APN not allowed
    66: Remedy.ROAMING,  # requested APN not supported in this network and access
}


def mobility_remedy(cause: int) -> Remedy:
    """Of a `reject_cause` of +CEREG and its kin."""
    return MOBILITY.get(cause, Remedy.UNKNOWN)


def session_remedy(cause: int) -> Remedy:
    """Of a context that the network refused."""
    return SESSION.get(cause, Remedy.UNKNOWN)
