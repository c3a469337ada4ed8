"""Writes docs/meters.md, the list of all device profiles, from the catalogue itself: `make docs`.

    python -m config.meters_page > docs/meters.md

A test compares the page with what this module writes: a profile that changes changes the page.
"""

# ruff: noqa: E501 - lines of the page stand here as they are written

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable

from config.catalogue import VERIFIED, catalogue, readable_evidence, unverified
from config.profile import DeviceProfile

SEEN = {
    "twice": "seen in two independent sources",
    "once": "**unverified**: seen in one source",
    "family": "**unverified**: taken from a sister device",
    "normative": "as the standard has it",
}
PROTOCOLS = {
    "modbus": "Modbus",
    "sml": "SML",
    "d0": "IEC 62056-21 (D0)",
    "p1": "P1",
    "s0": "Pulses",
    "mbus": "M-Bus",
    "dlms": "DLMS",
}
_NUMBERED = re.compile(r"(.*_(?:l|tariff|s))(\d)")

INTRO = """# Meters

The device profiles that come with the agent: {families} families, {points} values. A `[[meter]]` names one of them
as its `profile`. This page is written by `make docs` from `config/meters/`; docs/profiles.md tells how to read and
write a profile.

**Unverified** is what was not seen in two independent sources: compare it with the meter's display once, at
commissioning. `edgectl status` tells how many such values a meter has. Of all values {twice} were seen twice,
{normative} are as a standard has them, {once} were seen once, {family} were taken from a sister device.

Where sources disagree, the note says which of them the profile follows, and how to find out at the device.
"""

OUTRO = """
## Importable for each site

These have no addresses that hold for every device. Their owner's export or display is the source: a profile in
the folder `meters/` of the site, written as docs/profiles.md tells, reads them.

| device | why it has no profile here |
|---|---|
| Honeywell (Elster) EK280, EK220, EK230, EK260 gas volume converters | the address table is set in each device; enSuite exports it. Of their formats, 4 (`u32`), 17 (`bcd64`), 16 (`bcd48`) and 32 (`f32`) can be written |
| Elvaco CMe3100, Modbus plug-in | the mapping is built on the device |
| Kamstrup MULTICAL 403, 603, 803 with module HC-003-67 or HC-003-82 | the datagram (300, 301, 302) is chosen in the module, and units and factors stand in registers of their own |
| Kamstrup MULTICAL 303, 403, 603 by KMP | a protocol of its own on the optical head; M-Bus reads the same meters |
| Janitza UMG favourites, Thermokon favourites | lists that each device's owner fills |
| Heat cost allocators by wireless M-Bus (Techem, ista, Qundis) | radio: no line of this gateway hears it |
"""


def meters_page() -> str:
    """The whole page."""
    profiles = list(catalogue().values())
    seen = Counter(fact.seen for profile in profiles for fact in readable_evidence(profile).values())
    text = INTRO.format(
        families=len(profiles),
        points=sum(seen.values()),
        **{kind: seen[kind] for kind in ("twice", "normative", "once", "family")},
    )
    lines = [text, "| profile | devices | protocol | values | unverified |", "|---|---|---|---|---|"]
    lines += [_row(profile) for profile in profiles]
    for profile in profiles:
        lines += _section(profile)
    return "\n".join(lines) + "\n" + OUTRO


def _row(profile: DeviceProfile) -> str:
    count = len(readable_evidence(profile))
    devices = f"{profile.maker} {', '.join(profile.products)}".strip()
    protocol = PROTOCOLS.get(profile.protocol, profile.protocol)
    name, doubtful = profile.name, len(unverified(profile)) or "-"
    return f"| [{name}](#{name}) | {devices} | {protocol} | {count} | {doubtful} |"


def _section(profile: DeviceProfile) -> Iterable[str]:
    yield from ("", f"## {profile.name}", "")
    devices = f"{profile.maker or 'Any maker'}: {', '.join(profile.products)}"
    yield f"{devices}. {_interface(profile)}{_recognition(profile)}"
    yield ""
    facts = readable_evidence(profile)
    for key, evidence in profile.evidence.items():
        names = [name for name, fact in facts.items() if fact is evidence]
        if not names and key != "link":
            continue
        about = _shortened(names) if names else "interface"
        judged = f" ({SEEN[evidence.seen]})" if names or evidence.seen not in VERIFIED else ""
        yield f"- {about}: {evidence.source}{judged}.{' ' + _plain(evidence.note) if evidence.note else ''}"


def _interface(profile: DeviceProfile) -> str:
    link = profile.link
    if profile.protocol == "s0":
        return "Pulses."
    parts = [f"{link.baud} {link.format}"]
    if profile.protocol == "modbus":
        parts.append(f"address {link.address}")
        parts += [f"Modbus TCP on port {link.tcp_port}"] if link.tcp_port else []
    return f"Factory settings: {', '.join(parts)}."


def _recognition(profile: DeviceProfile) -> str:
    """How the right device is known, where more than its serial number is."""
    ways = []
    if profile.type_code is not None:
        code = profile.type_code
        holds = " or ".join(f'"{text}"' for text in code.holds)
        ways.append(f"{code.table} register {code.address} holds {holds}")
    if profile.identity is not None:
        ways.append("it tells its serial number")
    if profile.plausible is not None:
        plausible = profile.plausible
        ways.append(f"`{plausible.quantity}` lies between {plausible.least} and {plausible.most}")
    return f" Known by: {'; '.join(ways)}." if ways else ""


def _shortened(names: list[str]) -> str:
    """The quantities, `voltage_l1` to `voltage_l3` as one."""
    numbers: dict[str, list[str]] = {}
    for name in names:
        match = _NUMBERED.fullmatch(name)
        numbers.setdefault(match[1] if match else name, []).append(match[2] if match else "")
    shown = [f"`{stem}{'/'.join(found)}`" for stem, found in numbers.items()]
    return ", ".join(shown)


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(meters_page())
