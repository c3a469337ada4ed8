"""edgectl probe: who answers at a unit, which profiles fit, and how failing to answer is told apart."""

from __future__ import annotations

import json
import random
import re
import struct
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.catalogue import catalogue
from config.profile import DeviceProfile
from edge_agent.asking import ask_unit
from edge_agent.control import LineUnavailable, NotAsked
from edge_agent.line import PartySuspect
from edge_agent.poll_worker import PollWorker
from edge_agent.reports import AnswerReport
from edgectl.candidates import READS_MAX, SILENCES_MAX, find_fits
from edgectl.client import Refusal
from edgectl.probe import Target, lines_to_add, parse_units, probe_units, ranges_text
from edgectl.probing import Answer, Finding, conformity_name, find_name_plates
from hal.sim.line import SimTcpServer
from hal.sim.meters import ModbusSimulation, SimMeter
from protocols.modbus.identification import BASIC, EXTENDED, encode_part
from protocols.modbus.pdu import (
    ILLEGAL_FUNCTION,
    ILLEGAL_VALUE,
    PATH_UNAVAILABLE,
    TARGET_SILENT,
    IdentificationRequest,
    ReadRequest,
    Request,
    ServerIdRequest,
    data_size_bytes,
    decode_request,
    encode_request,
)
from protocols.modbus.tcp import TcpServer
from protocols.sunspec import MARKER
from tests.control.target import TROUBLED, FrozenGateway
from tests.edgectl.test_commands import edgectl, serving
from tests.line.worker import open_rig

PROFILES = catalogue()
MODBUS = [profile for profile in PROFILES.values() if profile.protocol == "modbus"]
UNIT = 5
T = TypeVar("T")
Device = Callable[[Request], Answer]


def simulated(profile: DeviceProfile, *, plates: bool = True) -> Device:
    """A device of this profile; without `plates` it knows neither 43/14 nor 17."""
    simulation = ModbusSimulation({UNIT: SimMeter(profile, "1234567", 1)}, lambda: 1000)

    def answer(request: Request) -> Answer:
        if isinstance(request, ReadRequest):
            said = simulation.answer(UNIT, request)
        else:
            said = simulation.identify(UNIT, request) if plates else ILLEGAL_FUNCTION
        assert said is not None
        return Answer("refused", b"", said) if isinstance(said, int) else Answer("answered", said)

    return answer


def run(steps: Generator[Request, Answer, T], device: Device, requests_max: int = READS_MAX) -> T:
    """The result of the steps, answered by the device."""
    try:
        request = next(steps)
        for _ in range(requests_max):
            request = steps.send(device(request))
    except StopIteration as end:
        result: T = end.value
        return result
    raise AssertionError(f"more than {requests_max} requests")


def probed(device: Device, *, thorough: bool = True) -> Finding:
    finding = Finding(UNIT)
    run(find_name_plates(finding, thorough=thorough), device)
    if finding.presence == "answers":
        finding.fits = run(find_fits(finding, PROFILES.values()), device)
    return finding


@pytest.mark.parametrize(
    "profile", [p for p in MODBUS if p.plausible or p.type_code], ids=lambda profile: profile.name
)
def test_the_profile_of_a_device_is_among_the_best_by_its_registers_alone(profile: DeviceProfile) -> None:
    """Sister devices have the same registers: then both are best, and the type plate decides."""
    finding = probed(simulated(profile, plates=False))
    if all(fit.profile != profile.name for fit in finding.fits):
        pytest.fail(f"{profile.name} is not among {[fit.profile for fit in finding.fits]}")


def test_name_plates_tell_sister_devices_apart() -> None:
    finding = probed(simulated(PROFILES["eastron-sdm630"]))
    assert (finding.maker, finding.model, finding.version) == ("Eastron", "eastron-sdm630", "1.0")
    assert finding.serial == "1234567"
    best, second = finding.fits[:2]
    assert best.profile == "eastron-sdm630"
    assert best.score > second.score
    assert {"product", "maker", "plausible", "serial", "values"} == {reason.key for reason in best.reasons}


def test_a_sunspec_device_is_known_by_its_models() -> None:
    finding = probed(simulated(PROFILES["sunspec-meter"], plates=False))
    assert finding.sunspec.base == 40000
    assert [model.id for model in finding.sunspec.models] == [1, 203, 64900]
    assert (finding.maker, finding.model, finding.serial) == ("SunSpec", "sunspec-meter", "1234567")
    best = finding.fits[0]
    assert best.profile == "sunspec-meter"
    assert best.reasons[0].fields == {"models": "203"}


def test_a_profile_that_nothing_speaks_for_is_not_named() -> None:
    """All registers answer, with zeros: a serial number of zero and 0 Hz are no evidence."""

    def zeros(request: Request) -> Answer:
        if not isinstance(request, ReadRequest):
            return Answer("refused", b"", ILLEGAL_FUNCTION)
        return Answer(
            "answered", bytes(2 * request.count if request.function > 2 else (request.count + 7) // 8)
        )

    finding = probed(zeros)
    assert finding.presence == "answers"
    assert all(fit.reasons[0].key == "plausible" for fit in finding.fits)
    assert all(float(fit.reasons[0].fields["value"]) == 0 for fit in finding.fits)


@pytest.mark.parametrize(
    ("exception", "presence"), [(PATH_UNAVAILABLE, "no-path"), (TARGET_SILENT, "behind-gateway-silent")]
)
def test_a_gateways_word_is_told_from_the_devices_own(exception: int, presence: str) -> None:
    asked: list[Request] = []

    def gateway(request: Request) -> Answer:
        asked.append(request)
        return Answer("refused", b"", exception, "a gateway said so")

    finding = probed(gateway)
    assert finding.presence == presence
    assert len(asked) == 1


def test_a_device_that_knows_no_name_plate_is_no_dead_one() -> None:
    finding = probed(simulated(PROFILES["abb-b23"], plates=False))
    assert finding.presence == "answers"
    assert finding.name_plate.offer == finding.server_id.offer == "unsupported"
    assert finding.sunspec.offer == "unsupported"


def test_silence_and_noise_are_told_apart_and_soon_believed() -> None:
    for outcome in ("silent", "corrupt"):
        asked: list[Request] = []

        def nobody(request: Request) -> Answer:
            asked.append(request)  # noqa: B023 - of this round
            return Answer(outcome, evidence="measured")  # type: ignore[arg-type]  # noqa: B023

        finding = probed(nobody, thorough=False)
        assert (finding.presence, finding.evidence) == (outcome, "measured")
        assert len(asked) == 2
        probed(nobody)
        assert len(asked) == 2 + 4


def test_a_device_that_ignores_what_it_does_not_know_is_found_and_not_waited_for_for_ever() -> None:
    silences = 0
    inner = simulated(PROFILES["eastron-sdm630"], plates=False)

    def shy(request: Request) -> Answer:
        nonlocal silences
        answer = inner(request)
        if answer.outcome == "refused":
            silences += 1
            return Answer("silent", evidence="no answer")
        return answer

    assert probed(shy).presence == "answers"
    assert silences <= 3 + SILENCES_MAX


@settings(max_examples=40, deadline=None)
@given(st.randoms(use_true_random=False))
def test_whatever_a_unit_answers_the_probe_ends(chance: random.Random) -> None:
    """Its shape is right, because the codecs see to that; its contents are anything."""
    codes = [1, 2, 3, 4, 5, 6, 8, 99]

    def anything(request: Request) -> Answer:
        fate = chance.random()
        if fate < 0.1:
            return Answer(chance.choice(["silent", "corrupt"]), evidence="measured")  # type: ignore[arg-type]
        if fate < 0.4:
            return Answer("refused", b"", chance.choice(codes), "refused")
        if isinstance(request, ReadRequest):
            marker = MARKER if request.count == 2 and chance.random() < 0.5 else b""
            size = data_size_bytes(request)
            return Answer("answered", (marker + chance.randbytes(size))[:size])
        return Answer("answered", chance.randbytes(chance.randrange(40)))

    assert probed(anything).presence in ("answers", "silent", "corrupt")


def plated(objects: dict[int, bytes], conformity: int, most: int) -> Device:
    """A device with these objects, that refuses categories above `most`."""

    def answer(request: Request) -> Answer:
        if not isinstance(request, IdentificationRequest):
            return Answer("refused", b"", ILLEGAL_FUNCTION)
        if request.category > most:
            return Answer("refused", b"", ILLEGAL_VALUE)
        part = encode_part(request, objects, conformity)
        assert isinstance(part, bytes)
        return Answer("answered", part)

    return answer


def test_all_objects_are_read_in_as_many_answers_as_it_takes() -> None:
    objects = {number: f"object {number} {'x' * 90}".encode() for number in (0, 1, 2, 5, 128, 200)}
    finding = probed(plated(objects, EXTENDED, EXTENDED))
    assert len(finding.name_plate.objects) == 6
    assert finding.name_plate.objects["object_200"].startswith("object 200")
    assert conformity_name(finding.name_plate.conformity) == "extended individual"
    assert finding.maker.startswith("object 0")


def test_a_device_that_refuses_a_category_is_asked_for_the_one_below() -> None:
    finding = probed(plated({0: b"Maker", 1: b"Code", 2: b"V1"}, BASIC, BASIC))
    assert finding.name_plate.objects == {"vendor": "Maker", "product_code": "Code", "revision": "V1"}


def test_a_server_id_is_shown_as_far_as_it_is_text() -> None:
    def answer(request: Request) -> Answer:
        if isinstance(request, ServerIdRequest):
            return Answer("answered", b"\x01\xffPM5110\x00\x02v2\x00")
        return Answer("refused", b"", ILLEGAL_FUNCTION)

    finding = probed(answer)
    assert finding.server_id.text == finding.model == "PM5110"
    assert finding.server_id.data == b"\x01\xffPM5110\x00\x02v2\x00".hex()


def test_a_unit_that_still_owes_an_answer_is_given_time(monkeypatch: pytest.MonkeyPatch) -> None:
    device = simulated(PROFILES["eastron-sdm630"])
    pauses: list[float] = []
    monkeypatch.setattr("edgectl.probe.time.sleep", pauses.append)

    def ask(_unit: int, request: Request) -> AnswerReport:
        if len(pauses) < 3:
            return AnswerReport("suspect", "", 0, "left alone")
        answer = device(request)
        return AnswerReport(answer.outcome, answer.data.hex(), answer.exception, answer.evidence)

    (finding,) = probe_units(range(UNIT, UNIT + 1), ask)
    assert finding.presence == "answers"
    assert len(pauses) == 3


TARGET = Target("rs485", "modbus-rtu", {7: [("feed", "abb-b23")]})


@pytest.mark.parametrize("text", ["0", "248", "x", "", "9-3", "1-65", "-4"])
def test_wrong_units_are_refused_with_what_is_right(text: str) -> None:
    with pytest.raises(Refusal) as caught:
        parse_units(text, TARGET)
    assert caught.value.name == "WrongUnits"


def test_units_are_one_or_a_range() -> None:
    assert list(parse_units("7", TARGET)) == [7]
    assert list(parse_units("1-20", TARGET)) == list(range(1, 21))
    assert list(parse_units("0", TARGET._replace(protocol="modbus-tcp"))) == [0]
    assert ranges_text([1, 2, 3, 7, 9, 10]) == "1-3, 7, 9-10"


def test_the_lines_to_add_name_what_was_found_and_nothing_that_is_there_already() -> None:
    finding = probed(simulated(PROFILES["eastron-sdm630"]))
    assert lines_to_add(finding, TARGET).splitlines() == [
        "[[meter]]",
        'id = "rs485-5"',
        'line = "rs485"',
        'profile = "eastron-sdm630"',
        "address = 5",
        'serial = "1234567"',
    ]
    finding.unit = 7
    assert lines_to_add(finding, TARGET) == ""


def pdu(request: Request) -> str:
    return encode_request(request).hex()


READ = pdu(ReadRequest(4, 0, 2))


async def test_the_agent_asks_any_unit_and_tells_what_came() -> None:
    simulation = ModbusSimulation({1: SimMeter(PROFILES["eastron-sdm630"], "1001", 1)}, lambda: 1000)
    server = SimTcpServer(lambda: TcpServer(simulation.answer, simulation.identify))
    async with server, open_rig(server.path, "modbus-tcp", (1,)) as rig:
        await rig.kept.wait_more(2)
        read = await ask_unit(rig.worker, 1, READ)
        assert struct.unpack(">f", bytes.fromhex(read.data))[0] == pytest.approx(230, abs=5)
        assert (await ask_unit(rig.worker, 1, pdu(ReadRequest(4, 40000, 2)))).exception == 2
        assert "65617374726f6e" in (await ask_unit(rig.worker, 1, pdu(ServerIdRequest()))).data
        assert (await ask_unit(rig.worker, 9, READ)).outcome == "silent"


@pytest.mark.parametrize(
    ("unit", "request_pdu"),
    [
        (1, "060001000a"),
        (1, "10000100010200ff"),
        (1, "0f00010001"),
        (1, ""),
        (1, "zz"),
        (1, "0300000000"),
        (999, READ),
    ],
)
async def test_what_does_not_merely_read_is_never_sent(unit: int, request_pdu: str) -> None:
    sent: list[int] = []
    server = SimTcpServer(lambda: TcpServer(lambda unit, _read: sent.append(unit) or 1))  # type: ignore[func-returns-value]
    async with server, open_rig(server.path, "modbus-tcp", ()) as rig:
        await rig.worker.port.wait_tried()
        with pytest.raises(NotAsked):
            await ask_unit(rig.worker, unit, request_pdu)
    assert not sent


async def test_a_line_whose_port_is_gone_says_so() -> None:
    async with open_rig("tcp://127.0.0.1:1", "modbus-tcp", ()) as rig:
        await rig.worker.port.wait_tried()
        with pytest.raises(LineUnavailable):
            await ask_unit(rig.worker, 1, READ)


async def test_meters_are_read_in_time_while_dead_units_are_probed() -> None:
    """Every slot of the meter has its value although others on the line keep silent."""
    url = "sim://modbus-rtu?meter=eastron-sdm630@1:1001&baud=115200"
    async with open_rig(url, "modbus-rtu", (1,), reply_timeout_s=0.1) as rig:
        await rig.kept.wait_more(2)

        async def scan(worker: PollWorker) -> list[str]:
            return [(await ask_unit(worker, unit, READ)).outcome for unit in range(20, 45)]

        begin = len(rig.kept.readings)
        assert set(await scan(rig.worker)) == {"silent"}
        while len(rig.kept.readings) < begin + 4:
            await rig.kept.wait_more(1)
        assert {reading.null_cause for reading in rig.kept.readings[begin:]} <= {None}


async def test_a_meter_that_ignores_its_identification_is_read_on_at_once() -> None:
    """A late answer to another function could not be taken for registers; to a read, it could."""
    url = "sim://modbus-rtu?meter=eastron-sdm630@1:1001&baud=115200&silence=1"
    async with open_rig(url, "modbus-rtu", (), reply_timeout_s=0.1) as rig:
        await rig.worker.port.wait_tried()
        for _ in range(2):
            assert (await ask_unit(rig.worker, 1, pdu(ServerIdRequest()))).outcome == "silent"
        assert (await ask_unit(rig.worker, 1, READ)).outcome == "silent"
        assert (await ask_unit(rig.worker, 1, READ)).outcome == "suspect"
        with pytest.raises(PartySuspect):
            await rig.worker.ask(1, ReadRequest(4, 0, 2))


@pytest.fixture
def agent() -> Iterator[Path]:
    """Where an agent's socket may be: a socket's path must be short."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "agent.sock"


def serve_device(gateway: FrozenGateway, device: Device) -> None:
    """The frozen gateway's lines lead to this device at UNIT, and to nobody else."""

    def answer(unit: int, request: str) -> AnswerReport:
        asked = decode_request(bytes.fromhex(request))
        if unit != UNIT or asked is None:
            return AnswerReport("silent", "", 0, f"unit {unit} did not answer within 0.5 s")
        said = device(asked)
        return AnswerReport(said.outcome, said.data.hex(), said.exception, said.evidence)

    gateway.answer = answer


async def test_a_technician_reads_on_80_columns_who_it_is_and_what_to_do(agent: Path) -> None:
    async with serving(agent) as gateway:
        serve_device(gateway, simulated(PROFILES["eastron-sdm630"]))
        outcome = await edgectl("probe", "rs485-1", str(UNIT), "--socket", str(agent))
    assert (outcome.code, outcome.err) == (0, "")
    assert max(map(len, outcome.out.splitlines())) <= 80
    for said in ("Unit 5 on rs485-1 answers.", "Eastron", "1234567", "vendor: Eastron", "54 of 54 values"):
        assert said in outcome.out
    assert outcome.out.endswith(
        '[[meter]]\nid = "rs485-1-5"\nline = "rs485-1"\nprofile = "eastron-sdm630"\naddress = 5\n'
        'serial = "1234567"\n'
    )


async def test_a_range_in_german_has_silent_units_in_one_line_and_numbers_with_a_comma(agent: Path) -> None:
    async with serving(agent) as gateway:
        serve_device(gateway, simulated(PROFILES["sunspec-inverter"], plates=False))
        outcome = await edgectl("probe", "rs485-1", "--units", "3-9", "--lang", "de", "--socket", str(agent))
    assert outcome.code == 0
    assert max(map(len, outcome.out.splitlines())) <= 80
    assert "Adresse 5 an rs485-1 antwortet." in outcome.out
    assert "das Gerät kennt das nicht" in outcome.out
    assert "SunSpec-Modell 103" in outcome.out
    assert re.search(r"frequency (49|50),\d+ Hz", outcome.out)
    assert "Keine Antwort an rs485-1: Adresse 3-4, 6-9." in outcome.out


async def test_the_json_has_one_object_for_each_unit(agent: Path) -> None:
    async with serving(agent) as gateway:
        serve_device(gateway, simulated(PROFILES["sunspec-meter"]))
        outcome = await edgectl("probe", "rs485-1", "--units", "4-5", "--json", "--socket", str(agent))
    silent, found = (json.loads(line) for line in outcome.out.splitlines())
    assert (silent["unit"], silent["presence"], silent["profiles"]) == (4, "silent", [])
    assert found["profiles"][0]["profile"] == "sunspec-meter"
    assert found["profiles"][0]["reasons"][0] == {"reason": "models", "models": "203"}
    assert found["sunspec"]["models"][1] == {"id": 203, "address": 40070, "length": 105}
    assert found["identification"]["objects"]["vendor"] == "SunSpec"


async def test_nobody_there_exits_4_with_the_next_step(agent: Path) -> None:
    async with serving(agent):
        outcome = await edgectl("probe", "rs485-1", "8", "--socket", str(agent))
    assert outcome.code == 4
    assert "No answer on rs485-1: unit 8." in outcome.out
    assert "swap A and B" in " ".join(outcome.out.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere",), "Configured: rs485-1, optical"),
        (("optical",), "The meter names itself in each telegram"),
        (("rs485-1", "300"), "from 1 to 247"),
        ((), "Say which line"),
        (("rs485-1", "--url", "tcp://127.0.0.1:1"), "Say which line"),
    ],
)
async def test_what_cannot_be_probed_exits_2_with_what_is_right(
    agent: Path, arguments: tuple[str, ...], said: str
) -> None:
    async with serving(agent, TROUBLED):
        outcome = await edgectl("probe", *arguments, "--socket", str(agent))
    assert outcome.code == 2
    assert said in " ".join(outcome.err.split())


async def test_without_the_agent_the_port_is_opened_directly() -> None:
    url = "sim://modbus-rtu?meter=siemens-pac2200@3:1"
    outcome = await edgectl("probe", "--url", url, "--unit", "3", "--baud", "19200")
    assert outcome.code == 0
    assert f'[[line]]\nid = "line-1"\nurl = "{url}"\nprotocol = "modbus-rtu"\nbaud = 19200' in outcome.out
    outcome = await edgectl("probe", "--url", "tcp://127.0.0.1:1", "--unit", "1", "--json")
    assert outcome.code == 4
    assert json.loads(outcome.out)["error"] == "PortUnavailable"


async def test_a_line_that_has_no_meters_yet_is_probed_by_its_url_in_the_configuration(
    agent: Path, tmp_path: Path
) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text(
        '[[line]]\nid = "new"\nurl = "sim://modbus-tcp?meter=abb-b23@4:77"\nprotocol = "modbus-tcp"\n',
        encoding="utf-8",
    )
    async with serving(agent):
        outcome = await edgectl("probe", "new", "4", "--socket", str(agent), "--config", str(config))
    assert outcome.code == 0
    assert 'id = "new-4"\nline = "new"\nprofile = "abb-b23"' in outcome.out
