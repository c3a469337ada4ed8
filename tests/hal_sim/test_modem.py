"""The simulated modem: personas that the codec understands, attaching, hanging, and real ptys and sockets."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

import pytest

from hal.sim.modem import ICCID_DEFAULT, IMEI_DEFAULT, SimModem
from hal.sim.modem_personas.every import PERSONAS
from hal.sim.modem_serve import ServedModem
from hal.sim.modem_state import CURES, Cure, Delays, Hang, Network, Outage
from protocols.at import Answer, AtDialogue, LateLine, ResultKind, Synchronised, Urc
from protocols.at.causes import Remedy, mobility_remedy
from protocols.at.dialects import dialect_of
from protocols.at.standard import (
    Attachment,
    SimState,
    decode_addresses,
    decode_contexts,
    decode_iccid,
    decode_imei,
    decode_information,
    decode_name,
    decode_operator,
    decode_registration,
    decode_sim_state,
)
from protocols.cellular import SignalClass, classify, power
from protocols.value import Scaled
from tests.world.virtual_loop import run_virtual

SOON_S = 20.0  # enough for every delay of the simulated modem


class Host:
    """A dialogue and a modem on one wire, and the time of both."""

    def __init__(self, modem: SimModem) -> None:
        self.modem = modem
        self.dialogue = AtDialogue()
        self.now_s = 0.0
        self.urcs: list[str] = []
        self.data = b""

    def sync(self) -> None:
        assert Synchronised() in self.dialogue.receive_data(self.modem.receive_data(self.dialogue.resync()))

    def wait(self, seconds: float) -> list[object]:
        self.now_s += seconds
        said = b"".join(data for _, data in self.modem.advance(self.now_s))
        events = self.dialogue.receive_data(said)
        self.urcs += [event.text for event in events if isinstance(event, Urc)]
        return list(events)

    def ask(self, command: str) -> Answer:
        """The answer; AssertionError where none comes in time."""
        sent = self.dialogue.send(command, late_lines=True)
        events = list(self.dialogue.receive_data(self.modem.receive_data(sent)))
        if not any(isinstance(event, Answer) for event in events):
            events += self.wait(SOON_S)
        answer = next((event for event in events if isinstance(event, Answer)), None)
        assert answer is not None, f"no answer to {command}: {events}"
        late = tuple(event.text for event in events if isinstance(event, LateLine))
        return answer._replace(lines=answer.lines + late)

    def attachment(self) -> Attachment:
        return decode_registration(self.ask("AT+CEREG?").lines[0]).attachment


def host_of(name: str = "quectel-ec25", **options: object) -> Host:
    host = Host(SimModem(PERSONAS[name], **options))  # type: ignore[arg-type]
    host.wait(0)
    return host


@pytest.mark.parametrize("name", [name for name in PERSONAS if name != "generic"])
def test_the_codec_understands_every_persona(name: str) -> None:
    host = host_of(name)
    host.sync()
    assert host.ask("ATE0").result.is_ok
    host.wait(5)
    maker, model = decode_name(host.ask("AT+CGMI").lines), decode_name(host.ask("AT+CGMM").lines)
    dialect = dialect_of(maker, model)
    assert dialect.name == name.partition("-")[0].replace("ublox", "u-blox")
    assert decode_imei(host.ask("AT+CGSN").lines) == IMEI_DEFAULT
    assert decode_information(host.ask("ATI").lines) is not None
    iccid = next(answer for command in dialect.iccid if (answer := host.ask(command)).result.is_ok)
    assert decode_iccid(iccid.lines) == ICCID_DEFAULT
    query = dialect.serving[0]
    for command in query.prepare:
        assert host.ask(command).result.is_ok
    serving = query.decode(host.ask(query.command).lines)
    strength = power(serving.signals[0])
    assert strength is not None
    assert strength.normalised() == Scaled(-93, 0)
    assert classify(serving.signals[0]) in (SignalClass.GOOD, SignalClass.USABLE)
    assert not serving.signals[0].refused
    if dialect.temperature is not None and (answer := host.ask(dialect.temperature.command)).result.is_ok:
        assert dialect.temperature.decode(answer.lines) in range(20, 60)
    host.modem.state.begin(Hang.NO_ANTENNA)
    assert query.decode(host.ask(query.command).lines).signals == ()


def test_a_modem_searches_registers_and_tells_so() -> None:
    host = host_of()
    host.sync()
    host.ask("AT+CEREG=2")
    assert host.attachment() is Attachment.SEARCHING
    host.wait(4)
    assert host.urcs == ['+CEREG: 1,"3193","8F381C",7']
    host.ask("AT+COPS=3,2")
    assert decode_operator(host.ask("AT+COPS?").lines).plmn == "26201"


def test_roaming_is_registered_too_and_lpwa_leaves_creg_at_0() -> None:
    host = host_of("simcom-sim7070", network=Network(is_home=False))
    host.wait(4)
    host.sync()
    assert host.attachment() is Attachment.ROAMING
    assert decode_registration(host.ask("AT+CREG?").lines[0]).attachment is Attachment.IDLE


def test_a_context_becomes_active_and_has_an_address() -> None:
    host = host_of()
    host.wait(4)
    host.sync()
    host.ask('AT+CGDCONT=1,"IP","meter.test"')
    assert decode_contexts(host.ask("AT+CGDCONT?").lines)[0].apn == "meter.test"
    assert host.ask("AT+CGACT=1,1").result.is_ok
    assert host.ask("AT+CGATT?").lines == ("+CGATT: 1",)
    assert decode_addresses(host.ask("AT+CGPADDR").lines) == {1: ("10.17.0.2",)}


def test_data_pass_after_connect_until_the_network_goes() -> None:
    carried: list[bytes] = []
    host = host_of(carry=carried.append)
    host.wait(4)
    host.sync()
    assert host.ask("ATD*99***1#").result.kind is ResultKind.CONNECT
    host.modem.receive_data(b"~ppp~")
    assert carried == [b"~ppp~"]
    assert host.modem.deliver(b"answer") == b"answer"
    host.modem.state.begin(Hang.NO_DATA)
    host.modem.receive_data(b"~lost~")
    assert carried == [b"~ppp~"]
    assert host.modem.deliver(b"answer") == b""
    host.modem.state.begin(Hang.NO_ANTENNA)
    assert (0, b"\r\nNO CARRIER\r\n") in host.modem.advance(5)


def test_a_wrong_pin_costs_a_try_and_the_third_locks_the_sim() -> None:
    host = host_of(pin="1234")
    host.sync()
    host.ask("AT+CMEE=1")
    tries = dialect_of("Quectel", None).pin_tries
    assert tries is not None
    assert decode_sim_state(host.ask("AT+CPIN?")) is SimState.PIN
    assert host.ask('AT+CPIN="0000"').result.number == 16
    assert tries.decode(host.ask(tries.command).lines) == (2, 10)
    assert host.ask("AT+CIMI").result.number == 11
    host.ask('AT+CPIN="0000"')
    host.ask('AT+CPIN="0000"')
    assert decode_sim_state(host.ask("AT+CPIN?")) is SimState.PUK
    assert not host.ask('AT+CPIN="1234"').result.is_ok


def test_the_right_pin_opens_the_way_to_the_network() -> None:
    host = host_of(pin="1234")
    host.sync()
    host.ask('AT+CPIN="1234"')
    host.wait(4)
    assert host.attachment() is Attachment.HOME


def test_no_sim_is_an_error_that_is_a_state() -> None:
    host = host_of(has_sim=False)
    host.sync()
    host.ask("AT+CMEE=2")
    assert decode_sim_state(host.ask("AT+CPIN?")) is SimState.MISSING


def test_denied_roaming_gives_its_cause() -> None:
    host = host_of(outages=[Outage(1.0, Hang.DENIED_ROAMING)])
    host.wait(10)
    host.sync()
    host.ask("AT+CEREG=3")
    found = decode_registration(host.ask("AT+CEREG?").lines[0])
    assert found.attachment is Attachment.DENIED
    assert found.reject_cause is not None
    assert mobility_remedy(found.reject_cause) is Remedy.ROAMING


@pytest.mark.parametrize("hang", [Hang.WRONG_APN, Hang.PDP_REFUSED])
def test_a_refused_context_says_no_carrier(hang: Hang) -> None:
    host = host_of(outages=[Outage(1.0, hang)])
    host.wait(10)
    host.sync()
    assert host.ask("ATD*99***1#").result.kind is ResultKind.NO_CARRIER
    assert "cause" in host.ask("AT+CEER").lines[0]


def test_a_silent_port_and_a_stuck_dial_say_nothing() -> None:
    host = host_of(outages=[Outage(10.0, Hang.DIAL_STUCK), Outage(500.0, Hang.SILENT)])
    host.wait(20)
    host.sync()
    with pytest.raises(AssertionError, match="no answer"):
        host.ask("ATD*99***1#")
    host.dialogue.abandon()
    host.modem.hang_up()
    host.sync()
    host.wait(500)
    with pytest.raises(AssertionError, match="no answer"):
        host.ask("AT")


def act(modem: SimModem, cure: Cure, now_s: float) -> float:
    """Do `cure` as a host would, and let its time pass."""
    if cure is Cure.REDIAL:
        modem.state.redial()
    elif cure is Cure.REATTACH:
        modem.state.set_attach(False)
        modem.state.set_attach(True)
    elif cure is Cure.RADIO:
        modem.state.set_functionality(4)
        modem.state.set_functionality(1)
    elif cure is Cure.RESET:
        modem.state.reset()
    else:
        modem.state.set_power(False)
        modem.state.set_power(True)
    modem.advance(now_s + 30)
    return now_s + 30


@pytest.mark.parametrize("hang", Hang)
@pytest.mark.parametrize("cure", Cure)
def test_a_hang_ends_by_its_cures_and_by_nothing_else(hang: Hang, cure: Cure) -> None:
    modem = SimModem(PERSONAS["quectel-ec25"])
    modem.advance(10)
    modem.state.begin(hang, 10_000 if hang is Hang.USB_GONE else None)
    act(modem, cure, 10)
    assert (hang not in modem.state.hangs) == (cure in CURES[hang])
    assert [found for _, found in modem.state.acts] == [cure]


def test_a_reset_by_command_takes_the_device_away_and_brings_it_back_as_another() -> None:
    host = host_of(delays=Delays(boot=10.0))
    host.wait(4)
    host.sync()
    first = host.modem.state.enumeration
    host.modem.receive_data(b"AT+CFUN=1,1\r")
    assert not host.modem.state.is_present
    host.dialogue = AtDialogue()
    host.wait(11)
    assert host.modem.state.enumeration == first + 1
    assert "+CPIN: READY" in host.urcs
    host.wait(4)
    host.sync()
    assert host.attachment() is Attachment.HOME


def test_usb_that_is_gone_comes_back_by_itself_under_another_name() -> None:
    modem = SimModem(PERSONAS["quectel-ec25"], outages=[Outage(5.0, Hang.USB_GONE)])
    modem.advance(6)
    assert not modem.state.is_present
    modem.advance(30)
    assert modem.state.is_present
    assert modem.state.enumeration == 2


def test_numeric_results_after_v0_and_text_errors_after_cmee_2() -> None:
    modem = SimModem(PERSONAS["generic"])
    assert modem.receive_data(b"ATE0V0\r") == b"ATE0V0\r0\r"
    assert modem.receive_data(b"AT+NOPE\r") == b"4\r"
    modem.receive_data(b"ATV1+CMEE=2\r")
    assert modem.receive_data(b"AT+NOPE\r") == b"\r\n+CME ERROR: operation not supported\r\n"


def test_nothing_that_is_sent_makes_the_modem_crash_or_grow(seed: int) -> None:
    rng = random.Random(seed)
    modem = SimModem(PERSONAS["quectel-ec25"], ports=2)
    pieces = [
        b"AT",
        b'+CGDCONT=1,"IP","x"',
        b"+CFUN=",
        b"D*99#",
        b";",
        b"?",
        b"=?",
        b"\r",
        b"\n",
        b"E0",
        b'"',
        b"\xff",
    ]
    for step in range(3_000):
        modem.receive_data(b"".join(rng.choices(pieces, k=4)) + rng.randbytes(2) + b"\r", step % 2)
        modem.advance(step / 10)
        if modem.data_port is not None:
            modem.hang_up(modem.data_port)
    assert len(modem._due) < 256
    assert all(len(port.buffer) <= 1024 for port in modem._ports)


async def talk(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, command: bytes, until: bytes
) -> bytes:
    writer.write(command)
    async with asyncio.timeout(10):
        return await reader.readuntil(until)


async def test_the_modem_answers_on_an_abstract_socket() -> None:
    name = f"abstract:test{os.getpid()}"
    async with ServedModem(SimModem(PERSONAS["generic"]), abstract=[name]):
        reader, writer = await asyncio.open_unix_connection("\0" + name)
        assert b"GENERIC" in await talk(reader, writer, b"AT+CGMM\r", b"OK\r\n")
        writer.close()


async def test_the_modem_answers_on_a_pty_and_returns_under_another_name(tmp_path: Path) -> None:
    modem = SimModem(PERSONAS["generic"], delays=Delays(boot=0.05))
    async with ServedModem(modem, folder=tmp_path) as served:
        (path,) = served.paths
        assert path.endswith("ttySIM0")
        assert b"OK" in await exchange(path, b"AT\r")
        modem.state.reset()
        served.act()
        async with asyncio.timeout(10):
            while not (tmp_path / "ttySIM1").exists():  # noqa: ASYNC110  # a device's name, as udev would see it
                await asyncio.sleep(0.01)
        assert b"OK" in await exchange(served.paths[0], b"AT\r")
        assert not (tmp_path / "ttySIM0").exists()


async def exchange(path: str, data: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    found, done = bytearray(), asyncio.Event()

    def read() -> None:
        found.extend(os.read(fd, 4096))
        if found.endswith(b"OK\r\n"):
            done.set()

    loop.add_reader(fd, read)
    try:
        os.write(fd, data)
        async with asyncio.timeout(10):
            await done.wait()
    finally:
        loop.remove_reader(fd)
        os.close(fd)
    return bytes(found)


def test_a_served_modem_runs_on_the_virtual_clock() -> None:
    async def month() -> tuple[float, int]:
        modem = SimModem(
            PERSONAS["quectel-ec25"], outages=[Outage(86_400.0 * day, Hang.USB_GONE) for day in range(1, 31)]
        )
        async with ServedModem(modem):
            await asyncio.sleep(31 * 86_400)
            return asyncio.get_running_loop().time(), modem.state.enumeration

    assert run_virtual(month()) == (31 * 86_400, 31)
