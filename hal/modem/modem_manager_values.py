"""What ModemManager's properties mean (its D-Bus reference, enumerations and interfaces of 1.20 to 1.24).

Pure: properties without their variants in, records of `hal.modem.api` out. Numbers that a newer version adds
become None or UNKNOWN, never an error.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from hal.modem.api import (
    BearerStatus,
    Counters,
    IpMethod,
    IpSettings,
    ModemStatus,
    RegistrationState,
    SimState,
)
from protocols.at.causes import SESSION, Remedy, mobility_remedy, session_remedy
from protocols.cellular import Cell, Signal, Technology, make_signal
from protocols.value import Scaled

Properties = Mapping[str, Any]
Interfaces = Mapping[str, Properties]  # of one object, by interface

SERVICE: Final = "org.freedesktop.ModemManager1"
MODEM: Final = f"{SERVICE}.Modem"
MODEM_3GPP: Final = f"{MODEM}.Modem3gpp"
SIGNAL: Final = f"{MODEM}.Signal"
LOCATION: Final = f"{MODEM}.Location"
PROFILES: Final = f"{MODEM_3GPP}.ProfileManager"
BEARER: Final = f"{SERVICE}.Bearer"
SIM: Final = f"{SERVICE}.Sim"
NO_OBJECT: Final = "/"

# MMModemState
FAILED: Final = -1
LOCKED: Final = 2
DISABLED: Final = 3
ENABLED: Final = 6
# MMModemStateFailedReason
_FAILED_SIM: Final = {2: SimState.MISSING, 3: SimState.FAILED, 5: SimState.MISSING}  # 5: eSIM without profile
# MMModemLock; PIN2 and PUK2 bar nothing that is needed here
_LOCKS: Final = {
    1: SimState.READY,
    2: SimState.PIN,
    3: SimState.READY,
    4: SimState.PUK,
    5: SimState.READY,
}
LOCK_PIN: Final = 2  # MMModemLock
LOCK_PERSONALIZATION_MIN: Final = 6  # to a network, provider, company or device, and their unblocking keys
# MMModem3gppRegistrationState
_REGISTRATION: Final = {
    0: RegistrationState.IDLE,
    1: RegistrationState.HOME,
    2: RegistrationState.SEARCHING,
    3: RegistrationState.DENIED,
    4: RegistrationState.UNKNOWN,
    5: RegistrationState.ROAMING,
    6: RegistrationState.HOME,
    7: RegistrationState.ROAMING,
    9: RegistrationState.HOME,
    10: RegistrationState.ROAMING,
}
# MMModemAccessTechnology: bits, the best first
_NR: Final = 1 << 15
_LTE: Final = 1 << 14
_ACCESS: Final = (
    (_NR | _LTE, Technology.NR_NSA),
    (_NR, Technology.NR_SA),
    (1 << 17, Technology.NB_IOT),
    (1 << 16, Technology.LTE_M),
    (_LTE, Technology.LTE),
)
_ACCESS_UMTS: Final = 0b1111 << 5 | 1 << 9  # UMTS, HSDPA, HSUPA, HSPA, HSPA+
_ACCESS_GSM: Final = 0b1111 << 1  # GSM, GSM compact, GPRS, EDGE
# MMBearerIpMethod
_METHODS: Final = {1: IpMethod.PPP, 2: IpMethod.STATIC, 3: IpMethod.DHCP}
LOCATION_3GPP: Final = 1  # MMModemLocationSource
LEVEL_MAX: Final = 1000.0  # what is not known comes as the greatest double in some versions


def decode_status(modem: Interfaces, sim: Properties, bearer: Properties | None, place: str) -> ModemStatus:
    """`sim` and `bearer`: properties of these objects, `place` of Location.GetLocation."""
    own, network = modem.get(MODEM, {}), modem.get(MODEM_3GPP, {})
    technology = decode_technology(own.get("AccessTechnologies", 0))
    registration = decode_registration(own, network)
    lock_tries = own.get("UnlockRetries", {}).get(LOCK_PIN)
    return ModemStatus(
        imei=imei_of(modem),
        maker=own.get("Manufacturer") or None,
        model=own.get("Model") or None,
        revision=own.get("Revision") or None,
        sim=decode_sim(own),
        pin_tries_left=lock_tries,
        iccid=sim.get("SimIdentifier") or None,
        operator=network.get("OperatorName") or network.get("OperatorCode") or None,
        registration=registration,
        reject_cause=network.get("NetworkRejection", {}).get("error") or None,  # from 1.24 on
        technology=technology,
        cell=decode_cell(place, technology),
        signals=decode_signals(modem.get(SIGNAL, {}), technology) if registration.is_registered else (),
        bearer=None if bearer is None else decode_bearer(bearer),
        counters=None if bearer is None else _counters(bearer),
    )


def imei_of(modem: Interfaces) -> str | None:
    """15 digits; the general identifier where the interface of 3GPP is not there yet."""
    found = modem.get(MODEM_3GPP, {}).get("Imei") or modem.get(MODEM, {}).get("EquipmentIdentifier") or None
    return None if found is None else str(found)


def decode_sim(own: Properties) -> SimState:
    """By the state, its reason, and the lock."""
    if own.get("State") == FAILED:
        return _FAILED_SIM.get(own.get("StateFailedReason", 0), SimState.UNKNOWN)
    lock = own.get("UnlockRequired", 0)
    if lock >= LOCK_PERSONALIZATION_MIN:
        return SimState.FAILED
    return _LOCKS.get(lock, SimState.UNKNOWN)


def decode_registration(own: Properties, network: Properties) -> RegistrationState:
    """IDLE while the modem is not enabled, SEARCHING where ModemManager says registered and has no operator.

    Measured with 1.20.4: where the domains report a loss within milliseconds of each other, it takes back its
    own searching and says registered for as long as the loss lasts. It asks for the operator then, and that
    is empty; so are its access technologies, while its signal values stay those of before.
    """
    if own.get("State", 0) < ENABLED:
        return RegistrationState.IDLE
    found = _REGISTRATION.get(network.get("RegistrationState", 4), RegistrationState.UNKNOWN)
    if found.is_registered and not network.get("OperatorCode"):
        return RegistrationState.SEARCHING
    return found


def decode_technology(bits: int) -> Technology | None:
    """The one that carries the data; LTE and NR together are 5G NSA."""
    for wanted, technology in _ACCESS:
        if bits & wanted == wanted:
            return technology
    if bits & _ACCESS_UMTS:
        return Technology.UMTS
    return Technology.GSM if bits & _ACCESS_GSM else None


def decode_cell(place: str, technology: Technology | None) -> Cell | None:
    """`MCC,MNC,LAC,CI,TAC`, the last three hexadecimal; LTE and NR count by TAC."""
    found = re.fullmatch(
        r"([0-9]{3}),([0-9]{2,3}),([0-9A-Fa-f]+),([0-9A-Fa-f]+)(?:,([0-9A-Fa-f]*))?", place or ""
    )
    if not found or technology is None:
        return None
    is_old = technology in (Technology.GSM, Technology.UMTS)
    area = found[3] if is_old else found[5] or found[3]
    return Cell(technology, found[1] + found[2], int(area, 16), int(found[4], 16))


def decode_signals(signal: Properties, technology: Technology | None) -> tuple[Signal, ...]:
    """One for each technology of which the Signal interface has values."""
    lte = technology if technology in (Technology.LTE_M, Technology.NB_IOT) else Technology.LTE
    nr = Technology.NR_NSA if technology is Technology.NR_NSA else Technology.NR_SA
    names = {"rssi": "rssi_dbm", "rsrp": "rsrp_dbm", "rsrq": "rsrq_db", "snr": "sinr_db"}
    found = (
        _signal(Technology.GSM, signal.get("Gsm", {}), {"rssi": "rssi_dbm"}),
        _signal(
            Technology.UMTS,
            signal.get("Umts", {}),
            {"rssi": "rssi_dbm", "rscp": "rscp_dbm", "ecio": "ecio_db"},
        ),
        _signal(lte, signal.get("Lte", {}), names),
        _signal(nr, signal.get("Nr5g", {}), names),
    )
    return tuple(signal for signal in found if signal.has_values)


def _signal(technology: Technology, values: Properties, names: Mapping[str, str]) -> Signal:
    known = {
        name: Scaled(round(10 * values[key]), -1).normalised()
        for key, name in names.items()
        if isinstance(values.get(key), float) and math.isfinite(values[key]) and abs(values[key]) < LEVEL_MAX
    }
    return make_signal(technology, **known)


def decode_bearer(bearer: Properties) -> BearerStatus:
    """Properties of a Bearer object."""
    return BearerStatus(
        bool(bearer.get("Connected")),
        bearer.get("Interface") or None,
        bearer.get("Properties", {}).get("apn") or None,
        _ip(bearer.get("Ip4Config", {})),
        _ip(bearer.get("Ip6Config", {})),
    )


def _ip(config: Properties) -> IpSettings | None:
    method = config.get("method", 0)
    if not method:
        return None
    return IpSettings(
        _METHODS.get(method, IpMethod.UNKNOWN),
        config.get("address") or None,
        config.get("prefix"),
        config.get("gateway") or None,
        tuple(config[name] for name in ("dns1", "dns2", "dns3") if config.get(name)),
        config.get("mtu") or None,
    )


def _counters(bearer: Properties) -> Counters | None:
    stats = bearer.get("Stats", {})
    if "rx-bytes" not in stats or "tx-bytes" not in stats:
        return None
    return Counters(stats["rx-bytes"], stats["tx-bytes"])


# Names of MMMobileEquipmentError, whose numbers are those of TS 27.007, 9.2; older versions put Gprs before.
_CAUSES: Final = {
    "OperatorDeterminedBarring": 8,
    "InsufficientResources": 26,
    "MissingOrUnknownApn": 27,
    "UnknownPdpAddressOrType": 28,
    "UserAuthenticationFailed": 29,
    "PdpAuthFailure": 29,
    "ActivationRejectedByGgsnOrGw": 30,
    "ActivationRejectedUnspecified": 31,
    "ServiceOptionNotSupported": 32,
    "ServiceOptionNotSubscribed": 33,
    "ServiceOptionOutOfOrder": 34,
    "Ipv4OnlyAllowed": 50,
    "Ipv6OnlyAllowed": 51,
    "IllegalMs": 3,
    "IllegalMe": 6,
    "ServicesNotAllowed": 7,
    "PlmnNotAllowed": 11,
    "LocationNotAllowed": 12,
    "AreaNotAllowed": 12,
    "RoamingNotAllowed": 13,
}


def decode_cause(error_name: str) -> tuple[int | None, Remedy]:
    """The network's cause behind a D-Bus error, and who can help."""
    last = error_name.rpartition(".")[2].removeprefix("Gprs")
    cause = _CAUSES.get(last)
    if cause is None:
        return None, Remedy.UNKNOWN
    return cause, session_remedy(cause) if cause in SESSION else mobility_remedy(cause)
