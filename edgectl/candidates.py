"""Which device profiles fit a unit: by what its registers hold where each profile looks. No I/O.

Rules:
- A profile whose type code says another model, or whose plausible quantity is refused or out of range, does
  not fit. One for which nothing of weight speaks (a name on a plate, a type code, a model, a plausible value)
  is not named: a register that happens to answer is no evidence.
- Each register is asked for once, whatever the number of profiles that want it; READS_MAX and SILENCES_MAX
  bound the whole. The best few are then read to the end, as the agent would read them.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable
from typing import NamedTuple

import msgspec

from config.model import MeterConfig
from config.profile import DeviceProfile, Identity, TypeCode
from config.sunspec import has_models, resolve, used_models
from edge_agent.readers import ModbusReader
from edge_agent.recognition import is_plausible
from edgectl.probing import Answer, Finding, Fit, Reason, Steps
from protocols.modbus.pdu import ReadRequest, Request
from protocols.quantities import by_name
from protocols.value import NullCause

READS_MAX = 400
SILENCES_MAX = 2  # registers that are ignored instead of refused: each costs a timeout and a rest
CLOSE_LOOKS_MAX = 8
NAMED_DOWN_TO = 3  # profiles with less than so great a part of the best one's weight are chance
FUNCTIONS = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}

TYPE_CODE, MODELS, PRODUCT, PLAUSIBLE, MAKER, COMPLETE, SERIAL = 8, 8, 4, 3, 2, 2, 1  # weights
PRODUCT_CHARACTERS_MIN = 3
_WORD = re.compile(r"[a-z0-9]+")


class _Unfit(Exception):
    """What the unit answers is not what this profile's devices answer."""


class _Registers:
    """What the unit answered so far."""

    def __init__(self) -> None:
        self._known: dict[Request, Answer] = {}
        self._silences = 0

    def read(self, table: str, address: int, count: int) -> Steps[bytes | None]:
        """The data, None where the unit does not give them or is not asked any more."""
        request = ReadRequest(FUNCTIONS[table], address, count)
        if request not in self._known:
            if self._silences >= SILENCES_MAX or len(self._known) >= READS_MAX:
                return None
            answer = self._known[request] = yield request
            self._silences += answer.outcome in ("silent", "corrupt")
        answer = self._known[request]
        return answer.data if answer.outcome == "answered" else None


class _Candidate(NamedTuple):
    reader: ModbusReader
    fit: Fit


def find_fits(finding: Finding, profiles: Iterable[DeviceProfile]) -> Steps[list[Fit]]:
    """The Modbus profiles that fit what the unit answers, the best first, at most CLOSE_LOOKS_MAX."""
    registers = _Registers()
    candidates = []
    modbus = [profile for profile in profiles if profile.protocol == "modbus"]
    for profile in sorted(modbus, key=lambda each: -sum(weight for weight, _ in _named(each, finding))):
        try:
            candidates.append((yield from _judge(registers, profile, finding)))
        except _Unfit:
            continue
    candidates.sort(key=lambda candidate: -candidate.fit.score)
    fits = []
    for candidate in candidates[:CLOSE_LOOKS_MAX]:
        fits.append((yield from _look_closely(registers, candidate)))  # noqa: PERF401 - it yields
    fits.sort(key=lambda each: (-each[0].score, -each[1]))
    least = max(1, fits[0][0].score / NAMED_DOWN_TO) if fits else 0
    return [fit for fit, _ in fits if fit.score >= least]


Weighed = tuple[int, Reason]


def _judge(
    registers: _Registers, profile: DeviceProfile, finding: Finding
) -> Generator[Request, Answer, _Candidate]:
    """A profile that fits; raises _Unfit for all others."""
    placed = resolve(profile, finding.sunspec.models)
    if not placed.points:
        raise _Unfit
    reader = _reader(placed)
    weighed = _named(profile, finding)
    if has_models(profile):
        models = ", ".join(str(model.id) for model in used_models(placed.points, finding.sunspec.models))
        weighed.append((MODELS, Reason("models", {"models": models})))
    if placed.type_code is not None:
        weighed.append((yield from _check_type_code(registers, placed, placed.type_code)))
    if placed.plausible is not None:
        weighed += yield from _check_plausible(registers, placed, reader)
    if all(reason.key == "maker" for _, reason in weighed):
        raise _Unfit
    serial = yield from _read_serial(registers, reader)
    if serial:
        weighed.append((SERIAL, Reason("serial", {"serial": serial})))
    weighed.sort(key=lambda each: -each[0])
    score = sum(weight for weight, _ in weighed)
    return _Candidate(reader, Fit(profile.name, score, tuple(reason for _, reason in weighed), serial))


def _named(profile: DeviceProfile, finding: Finding) -> list[Weighed]:
    """Whether the unit's own words name the maker or a product of the profile."""
    said = " ".join(_WORD.findall(" ".join(finding.texts).lower()))
    weighed = []
    if said and (maker := " ".join(_WORD.findall(profile.maker.lower()))) and f" {maker} " in f" {said} ":
        weighed.append((MAKER, Reason("maker", {"maker": profile.maker})))
    for product in profile.products:
        first = next(iter(_WORD.findall(product.lower())), "")
        is_number = len(first) >= PRODUCT_CHARACTERS_MIN and any(character.isdigit() for character in first)
        if is_number and any(word.startswith(first) for word in said.split()):
            weighed.append((PRODUCT, Reason("product", {"product": product})))
            break
    return weighed


def _check_type_code(
    registers: _Registers, profile: DeviceProfile, code: TypeCode
) -> Generator[Request, Answer, Weighed]:
    """The register says which model this is; read as a serial number is."""
    fields = {
        name: getattr(code, name) for name in ("table", "address", "type", "order", "registers", "evidence")
    }
    reader = _reader(msgspec.structs.replace(profile, identity=Identity(**fields)))
    held = yield from _read_serial(registers, reader)
    if not any(_is_code(held, wanted, text=code.type == "string") for wanted in code.holds):
        raise _Unfit
    return TYPE_CODE, Reason("type-code", {"code": held, "register": f"{code.table} {code.address}"})


def _is_code(held: str, wanted: str, *, text: bool) -> bool:
    if text:
        return held.lower().startswith(wanted.lower())
    return held.isdecimal() and int(held) == int(wanted, 0)


def _check_plausible(
    registers: _Registers, profile: DeviceProfile, reader: ModbusReader
) -> Generator[Request, Answer, list[Weighed]]:
    """The quantity that tells devices of this family from others; nothing, where the device has no value."""
    wanted = profile.plausible
    points = [point for point in reader.points if wanted is not None and point.quantity == wanted.quantity]
    if wanted is None or not points:
        return []
    (block,) = reader.plan(points)
    data = yield from registers.read(block.table, block.address, block.count)
    if data is None:
        raise _Unfit
    (reading,) = reader.decode(block, data, 0, 0)
    if reading.value is None:
        if reading.null_cause is NullCause.CORRUPT:
            raise _Unfit
        return []
    if not is_plausible(wanted, reading.value):
        raise _Unfit
    fields = {"quantity": wanted.quantity, "value": str(reading.value), "unit": by_name(wanted.quantity).unit}
    return [(PLAUSIBLE, Reason("plausible", fields))]


def _read_serial(registers: _Registers, reader: ModbusReader) -> Steps[str]:
    block = reader.identity_block
    if block is None:
        return ""
    data = yield from registers.read(block.table, block.address, block.count)
    return "" if data is None else reader.decode_serial(data)


def _look_closely(registers: _Registers, candidate: _Candidate) -> Steps[tuple[Fit, int]]:
    """Read all that the profile has: what is refused speaks against it. And how many values that gave."""
    reader, fit = candidate
    answered = values = 0
    for block in reader.blocks:
        data = yield from registers.read(block.table, block.address, block.count)
        if data is not None:
            answered += 1
            values += sum(reading.value is not None for reading in reader.decode(block, data, 0, 0))
    missing = len(reader.blocks) - answered
    reason = Reason("values", {"values": str(values), "points": str(len(reader.points))})
    score = fit.score + (-missing if missing else COMPLETE)
    return fit._replace(score=score, reasons=(*fit.reasons, reason)), values


def _reader(profile: DeviceProfile) -> ModbusReader:
    return ModbusReader(profile, MeterConfig(id="probed", line="", profile=profile.name), 0)
