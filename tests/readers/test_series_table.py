"""The dictionary's table of a gateway: one entry a meter, in the order of its file."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.load import Gateway, load_gateway
from edge_agent.readers import ModbusReader, first_series, readers, series_table
from edge_agent.sml_reader import SmlReader
from protocols.quantities import by_name
from protocols.uplink.messages import Medium, Series

GATEWAY = """
[gateway]
id = "gw"

[uplink]
url = "mqtt://localhost"
ca = ""
certificate = ""
key = ""
backend_key = ""
free_on = "puback"

[[line]]
id = "head"
url = "sim://head"
protocol = "sml"

[[line]]
id = "bus"
url = "sim://bus"
protocol = "modbus-rtu"

[[meter]]
id = "flat"
line = "bus"
profile = "abb-b23"
serial = "148233"
metering_point = "DE0001"
ratio = [100, 5]
valid_from = "1970-01-02T00:00:00Z"
interval_s = 900
offset_s = 30
quantities = ["energy_active_import_total", "power_active_total"]

[[meter]]
id = "utility"
line = "head"
profile = "ehz-sml"
"""


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    path = tmp_path / "gateway.toml"
    path.write_text(GATEWAY)
    return load_gateway(path)


def test_each_meter_is_stated_as_it_is_configured(gateway: Gateway) -> None:
    flat, utility = series_table(gateway)
    assert (flat.id, flat.metering_point, flat.serial) == ("flat", "DE0001", "148233")
    assert (flat.maker, flat.model, flat.medium) == ("ABB", "abb-b23", Medium.ELECTRICITY)
    assert (flat.ratio, flat.valid_from_ms) == ((100, 5), 86_400_000)
    assert flat.series == (
        Series(by_name("energy_active_import_total").number, -2, 900_000, 30_000),
        Series(by_name("power_active_total").number, -1, 900_000, 30_000),
    )
    assert (utility.id, utility.serial, utility.valid_from_ms) == ("utility", "", None)


def test_readers_number_their_series_as_the_table_does(gateway: Gateway) -> None:
    table = series_table(gateway)
    flat, utility = readers(gateway)
    assert isinstance(flat, ModbusReader)
    assert isinstance(utility, SmlReader)
    assert first_series(table) == (0, 2)
    assert [meter.series for meter in table] == [flat.series, utility.series]
    assert [reading.series for reading in utility.nulls(0, 0, 1)] == list(range(2, 2 + len(utility.series)))
