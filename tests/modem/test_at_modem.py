"""Our own AT engine against every simulated modem: on the virtual clock, and on real ptys."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from hal.api import PortError
from hal.board import open_port
from hal.modem.api import (
    CONNECT_S_MAX,
    RESET_S_MAX,
    STATUS_S_MAX,
    IpMethod,
    ModemError,
    ModemGone,
    ModemRefused,
    ModemSilent,
    RegistrationState,
    SimState,
)
from hal.modem.at_channel import AtChannel
from hal.modem.at_modem import AtModem, decode_refusal
from hal.sim.modem import ICCID_DEFAULT, IMEI_DEFAULT, SimModem
from hal.sim.modem_personas.every import PERSONAS
from hal.sim.modem_serve import ServedModem
from hal.sim.modem_state import Cure, Delays, Hang, Network
from protocols.at.causes import Remedy
from protocols.at.results import FinalResult, ResultKind
from protocols.cellular import Technology, power
from protocols.value import Scaled
from tests.modem.sim_port import Plug
from tests.world.virtual_loop import run_virtual

T = TypeVar("T")
DATA_PORT = "/dev/ttyUSB3"


def on(
    name: str, act: Callable[[AtModem, Plug], Awaitable[T]], *, interface: str = DATA_PORT, **options: object
) -> T:
    """`act` with the modem of persona `name`, 10 s after it was started, in virtual time."""

    async def run() -> T:
        await asyncio.sleep(10)
        plug = Plug(SimModem(PERSONAS[name], **options))  # type: ignore[arg-type]
        plug.modem.advance(asyncio.get_running_loop().time())
        await asyncio.sleep(10)
        return await act(AtModem(plug.open, interface=interface), plug)

    return run_virtual(run())


async def refusal(what: Awaitable[object], within_s: float) -> ModemError:
    """What it raises, in time."""
    started_s = asyncio.get_running_loop().time()
    with pytest.raises(ModemError) as raised:
        await what
    assert asyncio.get_running_loop().time() - started_s <= within_s
    return raised.value


@pytest.mark.parametrize("name", PERSONAS)
def test_a_status_holds_what_the_modem_has_to_say(name: str) -> None:
    async def act(modem: AtModem, plug: Plug):  # noqa: ANN202
        return await modem.status()

    status = on(name, act)
    assert status.imei == IMEI_DEFAULT
    assert status.iccid == ICCID_DEFAULT
    assert status.model == PERSONAS[name].model
    assert status.sim is SimState.READY
    assert status.registration is RegistrationState.HOME
    assert status.operator == "Testnetz"
    assert status.technology is PERSONAS[name].technology
    decisive = power(status.signals[0])
    assert decisive is not None
    assert decisive.normalised() == Scaled(-93, 0)
    assert status.bearer is not None
    assert not status.bearer.connected
    if PERSONAS[name].pin_tries is not None:
        assert status.pin_tries_left == 3


@pytest.mark.parametrize("name", PERSONAS)
@pytest.mark.parametrize(("interface", "method"), [(DATA_PORT, IpMethod.PPP), ("usb0", IpMethod.DHCP)])
def test_a_modem_connects_with_the_access_point_that_is_wanted(
    name: str, interface: str, method: IpMethod
) -> None:
    async def act(modem: AtModem, plug: Plug):  # noqa: ANN202
        first = await modem.connect("meter.test", ip_type="ipv4", allow_roaming=False)
        second = await modem.connect("meter.test", ip_type="ipv4", allow_roaming=False)
        assert first == second
        assert plug.sent("AT+CGATT=0") == 1  # only for the change
        await modem.disconnect()
        assert not plug.modem.state.active
        return first

    bearer = on(name, act, interface=interface)
    assert bearer.connected
    assert (bearer.interface, bearer.apn) == (interface, "meter.test")
    assert bearer.ipv4 is not None
    assert (bearer.ipv4.method, bearer.ipv4.address) == (method, "10.17.0.2")


def test_a_wrong_pin_costs_one_try_and_the_last_one_is_left() -> None:
    async def act(modem: AtModem, plug: Plug) -> None:
        assert (await modem.status()).pin_tries_left == 3
        for _ in range(2):
            error = await refusal(modem.enter_pin("0000"), 30)
            assert error.code == "modem.pin_wrong"
            assert "0000" not in error.text
        assert (await refusal(modem.enter_pin("1234"), 30)).code == "modem.pin_tries"
        assert plug.modem.state.pin_tries == 1

    on("quectel-ec25", act, pin="1234")


def test_the_right_pin_opens_the_way() -> None:
    async def act(modem: AtModem, plug: Plug) -> None:
        assert (await modem.status()).sim is SimState.PIN
        connecting = modem.connect("meter.test", ip_type="ipv4", allow_roaming=False)
        assert (await refusal(connecting, 30)).code == "modem.sim"
        await modem.enter_pin("1234")
        assert (await refusal(modem.enter_pin("1234"), 30)).code == "modem.sim"
        assert (await modem.connect("meter.test", ip_type="ipv4", allow_roaming=False)).connected

    on("sierra-em7455", act, pin="1234")


@pytest.mark.parametrize(
    ("hang", "code", "remedy"),
    [
        (Hang.PUK, "modem.sim", Remedy.UNKNOWN),
        (Hang.DENIED_ROAMING, "modem.denied", Remedy.ROAMING),
        (Hang.NO_ANTENNA, "modem.no_network", Remedy.WAIT),
        (Hang.WRONG_APN, "modem.context", Remedy.APN),
        (Hang.PDP_REFUSED, "modem.context", Remedy.WAIT),
    ],
)
def test_each_refusal_tells_who_can_help(hang: Hang, code: str, remedy: Remedy) -> None:
    async def act(modem: AtModem, plug: Plug) -> None:
        plug.modem.state.begin(hang)
        connecting = modem.connect("internet", ip_type="ipv4", allow_roaming=True)
        error = await refusal(connecting, CONNECT_S_MAX)
        assert isinstance(error, ModemRefused)
        assert (error.code, error.remedy) == (code, remedy)

    on("quectel-ec25", act)


def test_a_missing_sim_and_a_denied_registration_are_states() -> None:
    async def missing(modem: AtModem, plug: Plug) -> None:
        status = await modem.status()
        assert (status.sim, status.iccid) == (SimState.MISSING, None)

    async def denied(modem: AtModem, plug: Plug) -> None:
        plug.modem.state.begin(Hang.DENIED_ROAMING)
        await asyncio.sleep(5)
        status = await modem.status()
        assert (status.registration, status.reject_cause) == (RegistrationState.DENIED, 13)
        assert status.signals == ()

    on("quectel-ec25", missing, has_sim=False)
    on("quectel-ec25", denied)


def test_roaming_is_refused_where_the_site_does_not_allow_it() -> None:
    async def act(modem: AtModem, plug: Plug) -> None:
        connecting = modem.connect("internet", ip_type="ipv4", allow_roaming=False)
        assert (await refusal(connecting, 30)).code == "modem.roaming"
        assert (await modem.connect("internet", ip_type="ipv4", allow_roaming=True)).connected

    on("quectel-ec25", act, network=Network(is_home=False))


def test_a_silent_modem_is_found_out_and_heard_again() -> None:
    async def act(modem: AtModem, plug: Plug) -> None:
        await modem.status()
        plug.modem.state.begin(Hang.SILENT, 60.0)
        error = await refusal(modem.status(), 3.5)
        assert isinstance(error, ModemSilent)
        assert error.code == "modem.silent"
        await asyncio.sleep(60)
        assert (await modem.status()).sim is SimState.READY

    on("quectel-ec25", act)


def test_a_modem_that_falls_silent_in_the_midst_of_a_status_ends_it_in_time() -> None:
    async def act(modem: AtModem, plug: Plug) -> None:
        for at_s in range(12):
            await modem.status()
            asyncio.get_running_loop().call_later(at_s / 100, plug.modem.state.begin, Hang.SILENT, 30.0)
            await refusal(wait_silent(modem), 3 * STATUS_S_MAX)
            await asyncio.sleep(60)

    async def wait_silent(modem: AtModem) -> None:
        while True:
            await modem.status()
            await asyncio.sleep(0.01)

    on("telit-le910", act)


@pytest.mark.parametrize(
    "name", ["quectel-ec25", "telit-le910", "sierra-em7455", "simcom-sim7600", "generic"]
)
def test_a_reset_takes_the_modem_away_and_it_comes_back(name: str) -> None:
    async def act(modem: AtModem, plug: Plug) -> None:
        await modem.status()
        started_s = asyncio.get_running_loop().time()
        await modem.reset()
        assert asyncio.get_running_loop().time() - started_s <= RESET_S_MAX
        assert Cure.RESET in [cure for _, cure in plug.modem.state.acts]
        error = await refusal(modem.status(), 3.5)
        assert isinstance(error, ModemGone)
        assert error.code == "modem.gone"
        await asyncio.sleep(15)
        assert (await modem.status()).registration is RegistrationState.HOME
        assert len(plug.ports) == 2

    on(name, act)


def test_radio_off_and_on_makes_it_register_anew() -> None:
    async def act(modem: AtModem, plug: Plug) -> None:
        plug.modem.state.begin(Hang.NO_DATA)
        await modem.radio_off_on()
        assert [cure for _, cure in plug.modem.state.acts] == [Cure.RADIO]
        assert (await modem.status()).registration is RegistrationState.SEARCHING
        await asyncio.sleep(5)
        assert (await modem.status()).registration is RegistrationState.HOME

    on("quectel-ec25", act)


@pytest.mark.parametrize(
    ("code", "expected"),
    [("port.missing", "modem.gone"), ("port.busy", "modem.port"), ("port.denied", "modem.port")],
)
def test_a_port_that_cannot_be_opened_is_told_by_its_reason(code: str, expected: str) -> None:
    async def fail() -> None:
        raise PortError(code, "the port's own words")

    async def act() -> None:
        error = await refusal(AtModem(fail, interface=DATA_PORT).status(), 1)  # type: ignore[arg-type]
        assert (error.code, error.text) == (expected, "the port's own words")

    run_virtual(act())


def test_damaged_lines_are_dropped_and_urcs_kept() -> None:
    class Wire:
        """Says what a modem said."""

        char_time_s = 0.0

        def __init__(self) -> None:
            self.said = [b"\r\n+CMEE: 1\r\n\r\nOK\r\n", b"+CREG: 5\r\na\x02b\r\n+CSQ: 20,99\r\nOK\r\n"]

        async def write(self, data: bytes) -> None:
            pass

        async def read(self, timeout_s: float, expected: int = 1) -> bytes:
            return self.said.pop(0)

    async def act() -> None:
        channel = AtChannel(Wire())  # type: ignore[arg-type]
        await channel.synchronise()
        assert (await channel.ask("AT+CSQ")).lines == ("+CSQ: 20,99",)
        assert list(channel.urcs) == ["+CREG: 5"]
        assert channel.damaged_lines == 1

    run_virtual(act())


@pytest.mark.parametrize(
    ("number", "words", "expected"),
    [
        (133, "", (33, Remedy.SUBSCRIPTION)),
        (149, "", (29, Remedy.APN)),
        (111, "", (11, Remedy.ROAMING)),
        (148, "ESM cause 27", (27, Remedy.APN)),
        (3, "SM, cause: 26", (26, Remedy.WAIT)),
        (None, "no report", (None, Remedy.UNKNOWN)),
    ],
)
def test_the_cause_is_read_from_the_number_or_from_the_words(
    number: int | None, words: str, expected: tuple[int | None, Remedy]
) -> None:
    assert decode_refusal(FinalResult(ResultKind.CME_ERROR, number), words) == expected


async def test_the_engine_works_on_a_real_port_through_a_reset(tmp_path: Path) -> None:
    modem = SimModem(
        PERSONAS["quectel-ec25"], ports=1, delays=Delays(boot=0.2, radio=0.05), network=Network(search_s=0.1)
    )
    by_path = tmp_path / "by-path"
    async with ServedModem(modem, folder=tmp_path) as served:

        async def open_by_path():  # noqa: ANN202
            by_path.unlink(missing_ok=True)
            if served.paths:
                by_path.symlink_to(served.paths[0])
            return await open_port(f"serial://{by_path}", baud=115_200)

        agent = AtModem(open_by_path, interface=DATA_PORT)
        try:
            assert (await agent.connect("meter.test", ip_type="ipv4", allow_roaming=False)).connected
            status = await agent.status()
            assert status.technology is Technology.LTE
            assert status.temperature_c10 == 380
            await agent.reset()
            served.act()
            async with asyncio.timeout(20):
                while not await is_back(agent):  # noqa: ASYNC110  as an installer would
                    await asyncio.sleep(0.05)
            assert modem.state.enumeration == 2
        finally:
            await agent.close()


async def is_back(agent: AtModem) -> bool:
    try:
        return (await agent.status()).registration is RegistrationState.HOME
    except (ModemGone, ModemSilent):
        return False
