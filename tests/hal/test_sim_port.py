"""Simulated meters behind sim:// URLs: read through the same ports as real ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from config.catalogue import catalogue
from edge_agent.line import LineDriver, LineTimeout
from hal.board import open_port
from protocols.modbus.pdu import ReadRequest
from protocols.modbus.rtu import RtuExchange, silence_s
from protocols.modbus.tcp import TcpExchange
from protocols.sml import SmlReceiver, SmlTelegram
from tests.hal.ends import open_fds

FUNCTIONS = {"holding": 3, "input": 4}


def first_read(profile: str) -> ReadRequest:
    point = catalogue()[profile].points[0]
    return ReadRequest(FUNCTIONS[point.table], point.address, 2)


async def test_two_meters_on_one_simulated_bus_answer_and_a_third_does_not() -> None:
    url = "sim://modbus-rtu?meter=eastron-sdm630@1:12345678&meter=abb-b23@2:87654321&baud=9600&seed=1"
    before = open_fds()
    port = await open_port(url, baud=9600)
    driver = LineDriver(port, silence_s=silence_s(9600, "8N1"))
    assert port.char_time_s == pytest.approx(10 / 9600)
    assert len(await driver.exchange(RtuExchange(1, first_read("eastron-sdm630")), 1.0)) == 4
    assert len(await driver.exchange(RtuExchange(2, first_read("abb-b23")), 1.0)) == 4
    with pytest.raises(LineTimeout):
        await driver.exchange(RtuExchange(3, first_read("abb-b23")), 0.05)
    await driver.close()
    await port.close()
    assert open_fds() == before


async def test_a_simulated_endpoint_speaks_modbus_tcp_and_keeps_a_log(tmp_path: Path) -> None:
    log = tmp_path / "meters.jsonl"
    port = await open_port(f"sim://modbus-tcp?meter=siemens-pac2200@1:4711&log={log}")
    driver = LineDriver(port, silence_s=0.0, late_answer_s=0.0)
    assert len(await driver.exchange(TcpExchange(1, first_read("siemens-pac2200"), 1), 1.0)) == 4
    await driver.close()
    said = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["unit"] for line in said] == [1]


async def test_a_simulated_ehz_pushes_telegrams_that_decode() -> None:
    port = await open_port("sim://sml?meter=ehz-sml:1EMH0012345678&period_ms=500", baud=9600)
    driver = LineDriver(port, silence_s=0.0)
    receiver = SmlReceiver()
    for _ in range(2):
        heard = await driver.listen(receiver, 3.0)
        assert [type(item) for item in heard] == [SmlTelegram]
    await driver.close()


async def test_faults_in_the_url_reach_the_line() -> None:
    port = await open_port("sim://modbus-rtu?meter=eastron-sdm630@1&silence=1.0&baud=115200", baud=115_200)
    driver = LineDriver(port, silence_s=0.00175)
    with pytest.raises(LineTimeout):
        await driver.exchange(RtuExchange(1, first_read("eastron-sdm630")), 0.05)
    await driver.close()
