"""The registry's numbers travel and are stored by backends: these pairs are a promise."""

from __future__ import annotations

import re

import pytest

from protocols.obis import format_obis, parse_obis
from protocols.quantities import QUANTITIES, by_name, by_number, by_obis
from protocols.units import UNIT_NAMES, conversion

# A new quantity is appended here too. A line that has stood in a release is never changed or removed.
PROMISED = """
1 energy_active_import_total
2 energy_active_import_tariff1
3 energy_active_import_tariff2
4 energy_active_import_tariff3
5 energy_active_import_tariff4
6 energy_active_export_total
7 energy_active_export_tariff1
8 energy_active_export_tariff2
9 energy_active_sum_total
10 energy_active_net_total
11 energy_reactive_import_total
12 energy_reactive_export_total
13 energy_reactive_q1
14 energy_reactive_q2
15 energy_reactive_q3
16 energy_reactive_q4
17 energy_apparent_import_total
18 power_active_total
19 power_active_import_total
20 power_active_export_total
21 power_active_abs_total
22 power_active_l1
23 power_active_import_l1
24 power_active_export_l1
25 energy_active_import_l1
26 energy_active_export_l1
27 voltage_l1
28 current_l1
29 power_factor_l1
30 voltage_sag_count_l1
31 voltage_swell_count_l1
32 power_active_l2
33 power_active_import_l2
34 power_active_export_l2
35 energy_active_import_l2
36 energy_active_export_l2
37 voltage_l2
38 current_l2
39 power_factor_l2
40 voltage_sag_count_l2
41 voltage_swell_count_l2
42 power_active_l3
43 power_active_import_l3
44 power_active_export_l3
45 energy_active_import_l3
46 energy_active_export_l3
47 voltage_l3
48 current_l3
49 power_factor_l3
50 voltage_sag_count_l3
51 voltage_swell_count_l3
52 power_reactive_total
53 power_apparent_total
54 power_factor_total
55 frequency
56 current_neutral
57 angle_u2_u1
58 angle_u3_u1
59 angle_i1_u1
60 angle_i2_u2
61 angle_i3_u3
62 demand_active_import_max
63 demand_active_import_current
64 energy_active_import_interval
65 energy_active_export_interval
66 tariff_active
67 meter_number
68 meter_serial
69 meter_manufacturer
70 meter_status
71 meter_firmware
72 tariff_program
73 meter_time
74 meter_clock_time
75 meter_clock_date
76 power_fail_count
77 power_fail_long_count
78 meter_error
79 energy_heat_total
80 energy_heat_due_date
81 volume_heat_total
82 power_thermal
83 flow_rate
84 temperature_flow
85 temperature_return
86 temperature_difference
87 heat_meter_error
88 energy_cooling_total
89 volume_gas_total
90 volume_gas_tc_total
91 volume_gas_base_total
92 gas_flow_rate
93 gas_temperature
94 gas_pressure
95 gas_conversion_factor
96 gas_calorific_value
97 volume_water_cold_total
98 volume_water_cold_due_date
99 volume_water_hot_total
100 volume_water_hot_due_date
101 heat_cost_units_total
102 heat_cost_units_due_date
103 co2
104 voc
105 temperature_room
106 temperature_air
107 humidity_relative
108 illuminance
109 pressure_air
110 wind_speed
111 wind_direction
112 precipitation_total
113 global_radiation
114 temperature_cabinet
115 door_open
116 mains_present
117 battery_voltage
118 vehicle_count
119 occupancy_time_ratio
120 parking_occupied
121 lamp_power
122 lamp_failure
123 signal_rsrp
124 signal_rsrq
125 signal_sinr
126 link_bytes_tx
127 clients_associated
128 pulse_count_s0
129 power_apparent_l1
130 power_apparent_l2
131 power_apparent_l3
132 power_reactive_l1
133 power_reactive_l2
134 power_reactive_l3
135 phase_angle_total
136 thd_voltage_l1
137 thd_voltage_l2
138 thd_voltage_l3
139 thd_voltage_avg
140 energy_active_sum_l1
141 energy_active_sum_l2
142 energy_active_sum_l3
143 energy_reactive_sum_total
144 energy_reactive_sum_l1
145 energy_reactive_sum_l2
146 energy_reactive_sum_l3
147 energy_reactive_import_l1
148 energy_reactive_import_l2
149 energy_reactive_import_l3
150 energy_reactive_export_l1
151 energy_reactive_export_l2
152 energy_reactive_export_l3
153 current_total
154 voltage_avg
155 energy_active_sum_tariff1
156 energy_active_sum_tariff2
157 energy_reactive_sum_tariff1
158 energy_reactive_sum_tariff2
159 energy_reactive_import_tariff1
160 energy_reactive_import_tariff2
161 energy_reactive_export_tariff1
162 energy_reactive_export_tariff2
163 voltage_l1_l2
164 voltage_l2_l3
165 voltage_l3_l1
166 phase_sequence
167 energy_active_net_l1
168 energy_active_net_l2
169 energy_active_net_l3
170 power_dc_total
171 operating_state
172 battery_soc
173 battery_soh
174 battery_cycles
175 voltage_dc
176 power_battery
177 power_home_from_battery
178 power_home_from_grid
179 power_home_from_pv
180 grid_power_active_total
181 energy_yield_day
182 energy_pv_dc_total
183 sensor_status
184 temperature_dewpoint
185 air_volume_flow
186 voc_relative
187 sound_level
188 pressure_air_relative
189 precipitation_type
190 precipitation_intensity
191 precipitation_event
192 precipitation_day
193 wind_gust
194 uptime
195 signal_rssi
196 temperature_modem
197 pulse_count_s1
198 pulse_count_s2
199 pulse_count_s3
200 pulse_count_s4
201 energy_heat_gj_total
202 energy_heat_gj_due_date
203 energy_cooling_gj_total
"""


def test_no_quantity_was_renumbered_renamed_or_removed() -> None:
    promised = [line.split() for line in PROMISED.split("\n") if line]
    assert [(quantity.number, quantity.name) for quantity in QUANTITIES] == [
        (int(n), name) for n, name in promised
    ]


def test_numbers_names_and_codes_are_unique() -> None:
    codes = [code for quantity in QUANTITIES for code in (quantity.obis, *quantity.obis_others) if code]
    for values in ([q.number for q in QUANTITIES], [q.name for q in QUANTITIES], codes):
        assert len(set(values)) == len(values)


def test_names_are_machine_names_without_a_unit() -> None:
    for quantity in QUANTITIES:
        assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", quantity.name)
        assert quantity.name.rsplit("_", 1)[-1] not in ("kwh", "wh", "v", "a", "w", "m3")


def test_every_quantity_that_has_values_has_a_unit_that_can_be_converted() -> None:
    for quantity in QUANTITIES:
        if quantity.kind in ("counter", "gauge", "state", "interval"):
            assert quantity.unit in UNIT_NAMES or quantity.unit == "kWh/m3", quantity
        else:
            assert quantity.unit == "", quantity


def test_what_is_another_quantity_in_another_unit_is_so_because_no_exact_conversion_exists() -> None:
    for quantity in QUANTITIES:
        if quantity.same_as:
            assert not quantity.obis
            with pytest.raises(ValueError):
                conversion(quantity.unit, by_name(quantity.same_as).unit)


def test_people_find_both_languages() -> None:
    assert all(quantity.meaning_en and quantity.meaning_de for quantity in QUANTITIES)


def test_each_code_is_written_as_the_codec_writes_it() -> None:
    for quantity in QUANTITIES:
        for code in (quantity.obis, *quantity.obis_others):
            if code and "F" not in code:  # F.F.0 is the notation of IEC 62056-21 and never on the wire of SML
                assert format_obis(parse_obis(code)) == code + "*255"


def test_a_quantity_is_found_by_name_number_and_each_of_its_codes() -> None:
    energy = by_name("energy_active_import_total")
    assert by_number(1) is energy
    assert by_obis("1-0:1.8.0") is by_obis("1-0:1.8.0*255") is energy
    assert by_obis("8-0:2.0.0") is by_obis("6-0:9.0.0") is by_name("flow_rate")
    for lookup, key in ((by_name, "nothing"), (by_number, 0), (by_obis, "1-0:1.8.0*1")):
        with pytest.raises(KeyError):
            lookup(key)
