"""The real ModemManager drives simulated modems, and our backend tells what became of it.

`pytest -s` prints a line for each situation: plugin, situation, seconds to the right state.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hal.modem.api import (
    IpMethod,
    ModemError,
    ModemGone,
    ModemRefused,
    ModemSilent,
    RegistrationState,
    SimState,
)
from hal.modem.modem_manager import ModemManagerModem
from hal.sim.modem import ICCID_DEFAULT, IMEI_DEFAULT, SimModem
from hal.sim.modem_personas.every import PERSONAS
from hal.sim.modem_serve import ServedModem
from hal.sim.modem_state import Cure, Hang, Network
from protocols.at.causes import Remedy
from protocols.cellular import Technology
from protocols.value import Scaled
from tests.modem.real_manager import QUICK, Bench, bench, needs_modem_manager

pytestmark = needs_modem_manager

PLUGINS = {
    "generic": "generic",
    "quectel": "quectel-ec25",
    "simtech": "simcom-sim7600",
    "telit": "telit-le910",
    "sierra": "sierra-em7455",
}
every_plugin = pytest.mark.parametrize(("plugin", "persona"), PLUGINS.items())


class Watch:
    """Prints how long each situation took."""

    def __init__(self, plugin: str) -> None:
        self._plugin = plugin
        self._loop = asyncio.get_running_loop()
        self._since_s = self._loop.time()

    def tell(self, situation: str) -> None:
        now_s = self._loop.time()
        print(f"{self._plugin:8} {situation:32} {now_s - self._since_s:6.2f} s")
        self._since_s = self._loop.time()


def hang(found: Bench, what: Hang, lasts_s: float | None = None) -> None:
    found.modem.state.begin(what, lasts_s)
    found.served.act()


async def refusal(what) -> ModemError:  # noqa: ANN001  # a coroutine of the backend
    with pytest.raises(ModemError) as raised:
        await what
    return raised.value


@every_plugin
async def test_a_modem_is_enabled_registers_connects_and_loses_and_finds_its_network(
    plugin: str, persona: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench(tmp_path, monkeypatch, plugin, persona) as found:
        watch, agent = Watch(plugin), found.agent
        status = await found.until(lambda status: status.sim is SimState.READY)
        watch.tell("ready")
        assert (status.imei, status.iccid) == (IMEI_DEFAULT, ICCID_DEFAULT)
        assert status.registration is RegistrationState.IDLE
        bearer = await agent.connect("meter.test", ip_type="ipv4", allow_roaming=False)
        watch.tell("enabled, registered, connected")
        assert bearer.connected
        assert bearer.apn == "meter.test"
        assert bearer.ipv4 is not None
        assert bearer.ipv4.method is IpMethod.PPP
        assert ("IP", "meter.test") in found.modem.state.contexts.values()
        status = await found.until(lambda status: bool(status.signals))
        watch.tell("signal")
        assert status.registration is RegistrationState.HOME
        assert status.operator == "Testnetz"
        assert status.signals[0].rsrp_dbm == Scaled(-93, 0)
        assert status.bearer == bearer
        assert status.counters is not None
        await agent.disconnect()
        watch.tell("disconnected")
        hang(found, Hang.NO_ANTENNA, 1.5)
        status = await found.until(lambda status: not status.registration.is_registered)
        watch.tell("lost")
        assert status.registration is RegistrationState.SEARCHING
        assert status.signals == ()
        await found.until(lambda status: status.registration.is_registered)
        watch.tell("back (was away up to 1.5 s)")
        assert found.modem.state.attachment.is_registered
        assert (await agent.connect("meter.test", ip_type="ipv4", allow_roaming=False)).connected
        watch.tell("connected again")
        hang(found, Hang.SILENT)
        assert isinstance(await refusal(agent.status()), ModemSilent)
        watch.tell("silent, while connected")


@every_plugin
async def test_the_pin_opens_the_sim_and_a_wrong_one_is_told(
    plugin: str, persona: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench(tmp_path, monkeypatch, plugin, persona, pin="1234") as found:
        watch, agent = Watch(plugin), found.agent
        status = await found.until(lambda status: status.sim is SimState.PIN)
        watch.tell("PIN wanted")
        assert (status.pin_tries_left, status.iccid) == (3, ICCID_DEFAULT)
        assert (await refusal(agent.connect("x", ip_type="ipv4", allow_roaming=False))).code == "modem.sim"
        wrong = await refusal(agent.enter_pin("0000"))
        watch.tell("wrong PIN refused")
        assert wrong.code == "modem.pin_wrong"
        assert "0000" not in wrong.text
        assert (await agent.status()).pin_tries_left == 2
        await agent.enter_pin("1234")
        await found.until(lambda status: status.sim is SimState.READY)
        watch.tell("right PIN taken")
        assert (await refusal(agent.enter_pin("1234"))).code == "modem.sim"


async def test_the_last_try_of_the_pin_is_left_to_a_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench(tmp_path, monkeypatch, pin="1234") as found:
        await found.until(lambda status: status.sim is SimState.PIN)
        for _ in range(2):
            assert (await refusal(found.agent.enter_pin("0000"))).code == "modem.pin_wrong"
        assert (await refusal(found.agent.enter_pin("1234"))).code == "modem.pin_tries"
        assert found.modem.state.pin_tries == 1


@every_plugin
async def test_a_missing_sim_is_a_state_and_not_a_search(
    plugin: str, persona: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench(tmp_path, monkeypatch, plugin, persona, has_sim=False) as found:
        watch = Watch(plugin)
        status = await found.until(lambda status: status.sim is SimState.MISSING)
        watch.tell("no SIM")
        assert status.registration is RegistrationState.IDLE
        error = await refusal(found.agent.connect("x", ip_type="ipv4", allow_roaming=False))
        assert error.code == "modem.sim"


@every_plugin
async def test_a_denied_registration_is_a_state(
    plugin: str, persona: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench(tmp_path, monkeypatch, plugin, persona) as found:
        await found.until(lambda status: status.sim is SimState.READY)
        hang(found, Hang.DENIED_ROAMING)
        watch, other = Watch(plugin), ModemManagerModem()
        connecting = asyncio.create_task(other.connect("meter.test", ip_type="ipv4", allow_roaming=True))
        await found.until(lambda status: status.registration is RegistrationState.DENIED)
        watch.tell("enabled, denied")
        if plugin == "quectel":
            assert (await refusal(connecting)).code == "modem.denied"
            watch.tell("no longer waited for")
        connecting.cancel()
        await other.close()


@every_plugin
async def test_a_modem_that_falls_silent_before_it_is_enabled_is_found_out(
    plugin: str, persona: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench(tmp_path, monkeypatch, plugin, persona) as found:
        watch = Watch(plugin)
        await found.until(lambda status: status.sim is SimState.READY)
        watch.tell("ready")
        hang(found, Hang.SILENT)
        error = await refusal(found.agent.status())
        watch.tell("silent, while disabled")
        assert isinstance(error, ModemSilent)
        if plugin == "quectel":
            error = await refusal(found.agent.connect("meter.test", ip_type="ipv4", allow_roaming=False))
            assert isinstance(error, ModemSilent)


async def test_roaming_is_refused_where_the_site_does_not_allow_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Network(is_home=False, search_s=0.3)
    async with bench(tmp_path, monkeypatch, network=network) as found:
        await found.until(lambda status: status.sim is SimState.READY)
        error = await refusal(found.agent.connect("meter.test", ip_type="ipv4", allow_roaming=False))
        assert isinstance(error, ModemRefused)
        assert (error.code, error.remedy) == ("modem.roaming", Remedy.ROAMING)
        assert (await found.agent.connect("meter.test", ip_type="ipv4", allow_roaming=True)).connected
        assert (await found.agent.status()).registration is RegistrationState.ROAMING


async def test_a_refused_access_point_is_told_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Network(apns=frozenset({"meter.test"}), search_s=0.3)
    async with bench(tmp_path, monkeypatch, network=network) as found:
        await found.until(lambda status: status.sim is SimState.READY)
        error = await refusal(found.agent.connect("wrong.test", ip_type="ipv4", allow_roaming=False))
        assert error.code == "modem.context"
        assert (await found.agent.connect("meter.test", ip_type="ipv4", allow_roaming=False)).connected


@pytest.mark.parametrize(("plugin", "cure"), [("telit", Cure.RADIO), ("quectel", Cure.REATTACH)])
async def test_radio_off_and_on_is_the_strongest_that_modem_manager_offers(
    plugin: str, cure: Cure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench(tmp_path, monkeypatch, plugin, PLUGINS[plugin]) as found:
        await found.until(lambda status: status.sim is SimState.READY)
        await found.agent.connect("meter.test", ip_type="ipv4", allow_roaming=False)
        hang(found, Hang.NO_DATA)
        await found.agent.radio_off_on()
        assert cure in [act for _, act in found.modem.state.acts]
        assert Hang.NO_DATA not in found.modem.state.hangs
        await found.until(lambda status: status.registration.is_registered)


@pytest.mark.parametrize(("plugin", "resets"), [("telit", True), ("quectel", False)])
async def test_a_reset_is_done_or_said_to_be_unsupported(
    plugin: str, resets: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench(tmp_path, monkeypatch, plugin, PLUGINS[plugin]) as found:
        await found.until(lambda status: status.sim is SimState.READY)
        if resets:
            await found.agent.reset()
        else:
            assert (await refusal(found.agent.reset())).code == "modem.unsupported"
        assert (Cure.RESET in [act for _, act in found.modem.state.acts]) == resets


async def test_a_modem_is_the_same_after_modem_manager_hung_died_and_came_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench(tmp_path, monkeypatch) as found:
        found.agent = ModemManagerModem(imei=IMEI_DEFAULT)
        await found.until(lambda status: status.sim is SimState.READY)
        for end in (found.freeze_manager, found.stop_manager):
            await end()
            error = await refusal(found.agent.status())
            assert isinstance(error, ModemGone)
            assert error.code == "modem.service"
        await found.start_manager()
        await found.plug("quectel")
        assert (await found.until(lambda status: status.sim is SimState.READY)).imei == IMEI_DEFAULT
        assert (await found.agent.connect("meter.test", ip_type="ipv4", allow_roaming=False)).connected


async def test_a_modem_is_named_by_its_imei_or_by_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench(tmp_path, monkeypatch) as found:
        await found.until(lambda status: status.sim is SimState.READY)
        second = SimModem(PERSONAS["telit-le910"], ports=2, delays=QUICK)
        async with ServedModem(second, abstract=found.names(2)) as served:
            await found.plug("telit", device="second", served=served)
            found.agent = other = ModemManagerModem(device="/virtual/second")
            assert (await found.until(lambda status: status.sim is SimState.READY)).maker == "Telit"
            nameless, absent = ModemManagerModem(), ModemManagerModem(imei="490154203237500")
            assert (await refusal(nameless.status())).code == "modem.ambiguous"
            assert (await refusal(absent.status())).code == "modem.gone"
            for agent in (other, nameless, absent):
                await agent.close()


async def test_without_a_bus_the_service_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/none")
    agent = ModemManagerModem()
    assert (await refusal(agent.status())).code == "modem.service"
    await agent.close()


async def test_a_bus_that_goes_and_comes_back_is_used_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench(tmp_path, monkeypatch) as found:
        await found.until(lambda status: status.sim is SimState.READY)
        await found.agent.close()
        assert (await found.agent.status()).technology in (None, Technology.LTE)
