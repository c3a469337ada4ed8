"""Who answers at a Modbus unit: what to ask, and what the answers say. No I/O: generators of requests.

Rules:
- Only what every device bears is asked: its name plates (43/14, function 17, the SunSpec models) and
  registers that device profiles read anyway. Nothing is ever written.
- Each walk ends, and a unit that stays silent is soon left alone.
- Silence, a refusal, and a gateway that answers in the device's place are three different findings.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeVar

from protocols.errors import ProtocolError
from protocols.modbus.identification import (
    BASIC,
    CONFORMITY_INDIVIDUAL,
    EXTENDED,
    OBJECT_NAMES,
    REGULAR,
    decode_part,
    object_text,
    read_objects,
)
from protocols.modbus.pdu import (
    ACKNOWLEDGED,
    BUSY,
    ILLEGAL_FUNCTION,
    PATH_UNAVAILABLE,
    READ_HOLDING_REGISTERS,
    READ_INPUT_REGISTERS,
    TARGET_SILENT,
    IdentificationRequest,
    ReadRequest,
    Request,
    ServerIdRequest,
)
from protocols.sunspec import COMMON_MODEL, HEAD_REGISTERS, Common, Model, decode_common, find_models

COMMON_REGISTERS_MAX = 66
SERVER_ID_TEXT_MIN = 3  # fewer printable characters in a row are chance

Presence = Literal["answers", "silent", "corrupt", "no-path", "behind-gateway-silent"]
Offer = Literal["", "given", "unsupported", "refused", "silent", "corrupt", "broken"]
"""What a unit makes of a way to tell who it is. `unsupported`: it does not know the function; `refused`: it
knows it, and refuses; `broken`: what it says contradicts itself; "": not asked."""


class Answer(NamedTuple):
    """What came of a request; as edge_agent.reports.AnswerReport, without "suspect"."""

    outcome: Literal["answered", "refused", "silent", "corrupt"]
    data: bytes = b""
    exception: int = 0
    evidence: str = ""


@dataclass(slots=True)
class NamePlate:
    """Device identification. `conformity`: the level as sent, with 0x80 where single objects can be asked."""

    offer: Offer = ""
    conformity: int = 0
    objects: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class ServerId:
    """Function 17: what its maker puts there, in hexadecimal and as far as it is text."""

    offer: Offer = ""
    data: str = ""
    text: str = ""


@dataclass(slots=True)
class SunSpec:
    """The chain of models; `base`: of its marker. `common`: what model 1 says."""

    offer: Offer = ""
    base: int | None = None
    models: list[Model] = field(default_factory=list)
    common: Common | None = None
    evidence: str = ""


class Reason(NamedTuple):
    """Why a profile fits: key of a text, and what fills its places."""

    key: str
    fields: dict[str, str]


class Fit(NamedTuple):
    """A profile that fits what the unit answers; `serial` as this profile reads it."""

    profile: str
    score: int
    reasons: tuple[Reason, ...]
    serial: str


@dataclass(slots=True)
class Finding:
    """All that a unit tells of itself. `evidence`: why it did not answer."""

    unit: int
    presence: Presence = "silent"
    evidence: str = ""
    name_plate: NamePlate = field(default_factory=NamePlate)
    server_id: ServerId = field(default_factory=ServerId)
    sunspec: SunSpec = field(default_factory=SunSpec)
    fits: list[Fit] = field(default_factory=list)

    @property
    def maker(self) -> str:
        """As the device says; "" where it does not."""
        common = self.sunspec.common
        return self.name_plate.objects.get("vendor") or (common.maker if common else "")

    @property
    def model(self) -> str:
        """As the device says, the most telling of its names."""
        names = self.name_plate.objects
        said = names.get("model") or names.get("product_name") or names.get("product_code")
        common = self.sunspec.common
        return said or (common.model if common else "") or self.server_id.text

    @property
    def version(self) -> str:
        """As the device says."""
        common = self.sunspec.common
        return self.name_plate.objects.get("revision") or (common.version if common else "")

    @property
    def serial(self) -> str:
        """Of the best profile, or of the common model."""
        common = self.sunspec.common
        return (self.fits[0].serial if self.fits else "") or (common.serial if common else "")

    @property
    def texts(self) -> list[str]:
        """Everything in words that the unit says of itself."""
        common = self.sunspec.common
        return [*self.name_plate.objects.values(), *(common or ()), self.server_id.text]


T = TypeVar("T")
Steps = Generator[Request, Answer, T]


class _Ended(Exception):
    """The unit cannot be asked further: `presence` says why."""

    def __init__(self, presence: Presence, evidence: str) -> None:
        super().__init__(evidence)
        self.presence: Presence = presence
        self.evidence = evidence


def find_name_plates(finding: Finding, *, thorough: bool) -> Steps[None]:
    """Ask a unit for all name plates that there are. `thorough`: also believe in a unit that ignores what it
    does not know; that costs a dead one further timeouts."""
    try:
        yield from _identify(finding)
        if finding.presence == "answers" or thorough:
            yield from _server_id(finding)
        yield from _look_for_models(finding)
        if finding.presence != "answers" and thorough:
            yield from _ask(finding, ReadRequest(READ_INPUT_REGISTERS, 0, 2))
    except _Ended as end:
        finding.presence, finding.evidence = end.presence, end.evidence


def _ask(finding: Finding, request: Request) -> Steps[Answer]:
    """One answer, booked; _Ended where a gateway gives it."""
    answer = yield request
    if answer.exception == PATH_UNAVAILABLE:
        raise _Ended("no-path", answer.evidence)
    if answer.exception == TARGET_SILENT:
        raise _Ended("behind-gateway-silent", answer.evidence)
    if answer.outcome in ("answered", "refused"):
        finding.presence, finding.evidence = "answers", ""
    elif finding.presence != "answers":
        finding.presence = "corrupt" if answer.outcome == "corrupt" else finding.presence
        finding.evidence = answer.evidence
    return answer


def _offer(answer: Answer) -> Offer:
    if answer.outcome == "refused":
        return "unsupported" if answer.exception == ILLEGAL_FUNCTION else "refused"
    return "given" if answer.outcome == "answered" else answer.outcome


def _identify(finding: Finding) -> Steps[None]:
    """43/14 in the widest category that the unit gives; one that is asked for too much should give what it
    has, and not every one does."""
    plate = finding.name_plate
    for category in (EXTENDED, REGULAR, BASIC):
        yield from _read_category(finding, category)
        if plate.offer != "refused":
            return


def _read_category(finding: Finding, category: int) -> Steps[None]:
    plate = finding.name_plate
    walk = read_objects(category)
    request: IdentificationRequest = next(walk)
    try:
        while True:
            answer = yield from _ask(finding, request)
            plate.offer = _offer(answer)
            if plate.offer != "given":
                return
            plate.conformity = decode_part(answer.data).conformity
            request = walk.send(answer.data)
    except StopIteration as end:
        objects: dict[int, bytes] = end.value
        names = {
            OBJECT_NAMES.get(number, f"object_{number}"): object_text(v) for number, v in objects.items()
        }
        plate.objects = {name: text for name, text in names.items() if text}
    except ProtocolError:
        plate.offer = "broken"


def _server_id(finding: Finding) -> Steps[None]:
    answer = yield from _ask(finding, ServerIdRequest())
    told = finding.server_id
    told.offer = _offer(answer)
    told.data = answer.data.hex()
    runs = "".join(chr(byte) if 0x20 <= byte < 0x7F else "\0" for byte in answer.data).split("\0")
    told.text = " ".join(run.strip() for run in runs if len(run.strip()) >= SERVER_ID_TEXT_MIN)


def _look_for_models(finding: Finding) -> Steps[None]:
    """The chain of models, and the common one's contents. It ends with the first silence."""
    known = finding.sunspec
    walk = find_models()
    read = next(walk)
    try:
        while True:
            answer = yield from _ask(finding, read)
            if answer.outcome in ("silent", "corrupt") or answer.exception in (ACKNOWLEDGED, BUSY):
                known.offer, known.evidence = _offer(answer), answer.evidence
                return
            read = walk.send(answer.data if answer.outcome == "answered" else None)
    except StopIteration as end:
        known.offer = "given"
        known.models = list(end.value)
    except ProtocolError as error:
        known.offer = "unsupported" if error.code == "sunspec.none" else "broken"
        known.evidence = error.text
    if known.models:
        known.base = known.models[0].address - HEAD_REGISTERS
        yield from _read_common(finding)


def _read_common(finding: Finding) -> Steps[None]:
    model = next((model for model in finding.sunspec.models if model.id == COMMON_MODEL), None)
    if model is None:
        return
    count = min(model.length, COMMON_REGISTERS_MAX)
    read = ReadRequest(READ_HOLDING_REGISTERS, model.address + HEAD_REGISTERS, count)
    answer = yield from _ask(finding, read)
    try:
        finding.sunspec.common = decode_common(answer.data)
    except ProtocolError as error:
        finding.sunspec.evidence = error.text


def conformity_name(conformity: int) -> str:
    """`basic`, `regular`, `extended`; `individual` behind it where single objects can be asked for."""
    level = {BASIC: "basic", REGULAR: "regular", EXTENDED: "extended"}.get(conformity & 0x7F, str(conformity))
    return f"{level} individual" if conformity & CONFORMITY_INDIVIDUAL else level
