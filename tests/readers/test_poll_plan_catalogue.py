"""Every Modbus profile of the catalogue, from a simulated device over line and worker to its readings:
each value exact, in the fewest requests that the device's limits allow."""

from __future__ import annotations

import asyncio
from decimal import ROUND_HALF_UP, Decimal

import pytest

from config.catalogue import catalogue
from config.model import MeterConfig
from config.profile import DeviceProfile, Point
from hal.sim.meters import ModbusSimulation, SimMeter, SimRead
from protocols.modbus.pdu import ReadRequest
from protocols.modbus.rtu import RtuServer
from protocols.quantities import by_name
from protocols.units import conversion
from tests.line.wire import SERIES_PER_METER, open_polled
from tests.readers.test_poll_plan_requests import Judge, apart
from tests.world.virtual_loop import run_virtual

MODBUS = {name: profile for name, profile in catalogue().items() if profile.protocol == "modbus"}
SERIAL = "4711"
INTERVAL_S = 60
ROUNDS = 3  # in which scale registers, where there are any, have both their values


def expected(point: Point, text: str) -> Decimal:
    """What the device gave out, and of a gauge with a resolution the nearest step."""
    quantity = by_name(point.quantity)
    if not point.resolution or quantity.kind != "gauge":
        return Decimal(text)
    step = Decimal(point.resolution).scaleb(conversion(point.unit, quantity.unit).exponent)
    return (Decimal(text) / step).quantize(Decimal(1), ROUND_HALF_UP) * step


class Bench:
    """A simulated meter at address 1, what it gave out, and what it was asked."""

    def __init__(self, profile: DeviceProfile) -> None:
        loop = asyncio.get_running_loop()
        self.given: dict[str, str] = {}
        self.reads: list[ReadRequest] = []
        self.meter = SimMeter(profile, SERIAL, 1, self._note)
        self._simulation = ModbusSimulation({1: self.meter}, lambda: int(1000 * loop.time()))

    def answer(self, unit: int, read: ReadRequest) -> bytes | int | None:
        self.reads.append(read)
        return self._simulation.answer(unit, read)

    def _note(self, read: SimRead) -> None:
        self.given |= read.values


async def check(profile: DeviceProfile) -> None:
    bench = Bench(profile)
    serial = SERIAL if profile.identity is not None else ""
    meter = MeterConfig(
        id="m", line="bus", profile=profile.name, address=1, serial=serial, interval_s=INTERVAL_S
    )
    placed = bench.meter.profile  # of a SunSpec device, as it lies in this one
    points = {point.quantity: point for point in placed.points}
    async with open_polled(RtuServer(bench.answer), [(meter, profile)]) as polled:
        await asyncio.sleep(INTERVAL_S / 2)
        for number in range(ROUNDS):
            values = {
                r.series: r.value for r in polled.kept.readings if r.due_ms == number * 1000 * INTERVAL_S
            }
            for place, name in enumerate(dict.fromkeys(point.quantity for point in profile.points)):
                value = values.pop(SERIES_PER_METER + place)
                if name in points:
                    assert value is not None, name
                    assert Decimal(str(value)) == expected(points[name], bench.given[name]), name
                else:
                    assert value is None, name
            assert not values
            bench.reads.clear()
            await asyncio.sleep(INTERVAL_S)
        assert not polled.faults.present()
        assert polled.worker.meters[0].identity == ("verified" if serial else "unconfigured")
    known = [*placed.points, *([placed.identity] if placed.identity else [])]
    assert len(bench.reads) == len(apart(placed.points, Judge(known, placed.limits)))


@pytest.mark.parametrize("profile", MODBUS.values(), ids=MODBUS)
def test_device_and_agent_agree_on_each_value_in_the_fewest_requests(profile: DeviceProfile) -> None:
    """As many points as requests are found of which no two fit into one."""
    run_virtual(check(profile))
