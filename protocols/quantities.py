"""The registry of quantities: what a number in a dictionary means.

This file is the registry. Rules that keep it so:
- A number, once given, stands for ever: it travels, and backends store it. A test pins every pair of
  number and name. A new quantity is appended with the next free number; none is removed or renamed.
- One name, one number, one unit. A device that counts in another unit is converted exactly
  (`protocols/units.py`); the unit is part of the name only where no exact conversion exists (`same_as`).
- Tariffs are named by number: whether tariff 1 is the high or the low one is the operator's choice.

Codes: OBIS, IEC 62056-6-1, groups A-B:C.D.E of the present value (F = 255).
"""
# ruff: noqa: E501 - one quantity is one line, however long: this is a table for people

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["counter", "gauge", "state", "identity", "interval", "time"]


class Quantity(NamedTuple):
    """A measured thing. `obis` is "" where the standard has no code for it.

    `unit` is the unit of every reading of it, "1" for a plain number, "" for what is no number.
    `kind`: a counter is exact and never rounded, a gauge may be quantised, a state is an integer whose
    meaning its device defines; identity and time are read, but are no readings. `obis_others`: further
    codes of the same quantity. `may_fall`: a counter that may rightly decrease. `same_as`: the quantity that
    this one is in a unit that cannot be converted exactly; it then has the codes of that one.
    """

    number: int
    name: str
    obis: str
    unit: str
    kind: Kind
    meaning_en: str
    meaning_de: str
    obis_others: tuple[str, ...] = ()
    may_fall: bool = False
    same_as: str = ""


# fmt: off
QUANTITIES: tuple[Quantity, ...] = (
    # Electricity, heat, cooling, gas, water, heat cost: quantities with an OBIS code.
    Quantity(1, "energy_active_import_total", "1-0:1.8.0", "kWh", "counter", "Active energy import total (+A)", "Wirkarbeit Bezug gesamt"),
    Quantity(2, "energy_active_import_tariff1", "1-0:1.8.1", "kWh", "counter", "Active energy import tariff 1", "Wirkarbeit Bezug Tarif 1"),
    Quantity(3, "energy_active_import_tariff2", "1-0:1.8.2", "kWh", "counter", "Active energy import tariff 2", "Wirkarbeit Bezug Tarif 2"),
    Quantity(4, "energy_active_import_tariff3", "1-0:1.8.3", "kWh", "counter", "Active energy import tariff 3", "Wirkarbeit Bezug Tarif 3"),
    Quantity(5, "energy_active_import_tariff4", "1-0:1.8.4", "kWh", "counter", "Active energy import tariff 4", "Wirkarbeit Bezug Tarif 4"),
    Quantity(6, "energy_active_export_total", "1-0:2.8.0", "kWh", "counter", "Active energy export total (-A)", "Wirkarbeit Lieferung/Einspeisung gesamt"),
    Quantity(7, "energy_active_export_tariff1", "1-0:2.8.1", "kWh", "counter", "Active energy export tariff 1", "Wirkarbeit Lieferung Tarif 1"),
    Quantity(8, "energy_active_export_tariff2", "1-0:2.8.2", "kWh", "counter", "Active energy export tariff 2", "Wirkarbeit Lieferung Tarif 2"),
    Quantity(9, "energy_active_sum_total", "1-0:15.8.0", "kWh", "counter", "Active energy |+A|+|-A|", "Wirkarbeit Betrag gesamt"),
    Quantity(10, "energy_active_net_total", "1-0:16.8.0", "kWh", "counter", "Active energy net (+A - -A)", "Wirkarbeit saldiert", may_fall=True),
    Quantity(11, "energy_reactive_import_total", "1-0:3.8.0", "kvarh", "counter", "Reactive energy import (+R)", "Blindarbeit Bezug"),
    Quantity(12, "energy_reactive_export_total", "1-0:4.8.0", "kvarh", "counter", "Reactive energy export (-R)", "Blindarbeit Lieferung"),
    Quantity(13, "energy_reactive_q1", "1-0:5.8.0", "kvarh", "counter", "Reactive energy quadrant 1", "Blindarbeit Quadrant 1"),
    Quantity(14, "energy_reactive_q2", "1-0:6.8.0", "kvarh", "counter", "Reactive energy quadrant 2", "Blindarbeit Quadrant 2"),
    Quantity(15, "energy_reactive_q3", "1-0:7.8.0", "kvarh", "counter", "Reactive energy quadrant 3", "Blindarbeit Quadrant 3"),
    Quantity(16, "energy_reactive_q4", "1-0:8.8.0", "kvarh", "counter", "Reactive energy quadrant 4", "Blindarbeit Quadrant 4"),
    Quantity(17, "energy_apparent_import_total", "1-0:9.8.0", "kVAh", "counter", "Apparent energy import", "Scheinarbeit Bezug"),
    Quantity(18, "power_active_total", "1-0:16.7.0", "W", "gauge", "Active power, signed sum of phases", "Wirkleistung aktuell (saldiert)"),
    Quantity(19, "power_active_import_total", "1-0:1.7.0", "W", "gauge", "Active power import", "Wirkleistung Bezug"),
    Quantity(20, "power_active_export_total", "1-0:2.7.0", "W", "gauge", "Active power export", "Wirkleistung Lieferung"),
    Quantity(21, "power_active_abs_total", "1-0:15.7.0", "W", "gauge", "Active power absolute", "Wirkleistung Betrag"),
    Quantity(22, "power_active_l1", "1-0:36.7.0", "W", "gauge", "Active power L1, signed", "Wirkleistung L1"),
    Quantity(23, "power_active_import_l1", "1-0:21.7.0", "W", "gauge", "Active power import L1", "Wirkleistung Bezug L1"),
    Quantity(24, "power_active_export_l1", "1-0:22.7.0", "W", "gauge", "Active power export L1", "Wirkleistung Lieferung L1"),
    Quantity(25, "energy_active_import_l1", "1-0:21.8.0", "kWh", "counter", "Active energy import L1", "Wirkarbeit Bezug L1"),
    Quantity(26, "energy_active_export_l1", "1-0:22.8.0", "kWh", "counter", "Active energy export L1", "Wirkarbeit Lieferung L1"),
    Quantity(27, "voltage_l1", "1-0:32.7.0", "V", "gauge", "Voltage L1-N", "Spannung L1"),
    Quantity(28, "current_l1", "1-0:31.7.0", "A", "gauge", "Current L1", "Strom L1"),
    Quantity(29, "power_factor_l1", "1-0:33.7.0", "1", "gauge", "Power factor L1", "Leistungsfaktor L1"),
    Quantity(30, "voltage_sag_count_l1", "1-0:32.32.0", "1", "counter", "Voltage sags L1", "Spannungseinbrüche, Anzahl L1"),
    Quantity(31, "voltage_swell_count_l1", "1-0:32.36.0", "1", "counter", "Voltage swells L1", "Überspannungen, Anzahl L1"),
    Quantity(32, "power_active_l2", "1-0:56.7.0", "W", "gauge", "Active power L2, signed", "Wirkleistung L2"),
    Quantity(33, "power_active_import_l2", "1-0:41.7.0", "W", "gauge", "Active power import L2", "Wirkleistung Bezug L2"),
    Quantity(34, "power_active_export_l2", "1-0:42.7.0", "W", "gauge", "Active power export L2", "Wirkleistung Lieferung L2"),
    Quantity(35, "energy_active_import_l2", "1-0:41.8.0", "kWh", "counter", "Active energy import L2", "Wirkarbeit Bezug L2"),
    Quantity(36, "energy_active_export_l2", "1-0:42.8.0", "kWh", "counter", "Active energy export L2", "Wirkarbeit Lieferung L2"),
    Quantity(37, "voltage_l2", "1-0:52.7.0", "V", "gauge", "Voltage L2-N", "Spannung L2"),
    Quantity(38, "current_l2", "1-0:51.7.0", "A", "gauge", "Current L2", "Strom L2"),
    Quantity(39, "power_factor_l2", "1-0:53.7.0", "1", "gauge", "Power factor L2", "Leistungsfaktor L2"),
    Quantity(40, "voltage_sag_count_l2", "1-0:52.32.0", "1", "counter", "Voltage sags L2", "Spannungseinbrüche, Anzahl L2"),
    Quantity(41, "voltage_swell_count_l2", "1-0:52.36.0", "1", "counter", "Voltage swells L2", "Überspannungen, Anzahl L2"),
    Quantity(42, "power_active_l3", "1-0:76.7.0", "W", "gauge", "Active power L3, signed", "Wirkleistung L3"),
    Quantity(43, "power_active_import_l3", "1-0:61.7.0", "W", "gauge", "Active power import L3", "Wirkleistung Bezug L3"),
    Quantity(44, "power_active_export_l3", "1-0:62.7.0", "W", "gauge", "Active power export L3", "Wirkleistung Lieferung L3"),
    Quantity(45, "energy_active_import_l3", "1-0:61.8.0", "kWh", "counter", "Active energy import L3", "Wirkarbeit Bezug L3"),
    Quantity(46, "energy_active_export_l3", "1-0:62.8.0", "kWh", "counter", "Active energy export L3", "Wirkarbeit Lieferung L3"),
    Quantity(47, "voltage_l3", "1-0:72.7.0", "V", "gauge", "Voltage L3-N", "Spannung L3"),
    Quantity(48, "current_l3", "1-0:71.7.0", "A", "gauge", "Current L3", "Strom L3"),
    Quantity(49, "power_factor_l3", "1-0:73.7.0", "1", "gauge", "Power factor L3", "Leistungsfaktor L3"),
    Quantity(50, "voltage_sag_count_l3", "1-0:72.32.0", "1", "counter", "Voltage sags L3", "Spannungseinbrüche, Anzahl L3"),
    Quantity(51, "voltage_swell_count_l3", "1-0:72.36.0", "1", "counter", "Voltage swells L3", "Überspannungen, Anzahl L3"),
    Quantity(52, "power_reactive_total", "1-0:3.7.0", "var", "gauge", "Reactive power, signed sum of phases", "Blindleistung gesamt"),
    Quantity(53, "power_apparent_total", "1-0:9.7.0", "VA", "gauge", "Apparent power, total", "Scheinleistung gesamt"),
    Quantity(54, "power_factor_total", "1-0:13.7.0", "1", "gauge", "Power factor total", "Leistungsfaktor gesamt"),
    Quantity(55, "frequency", "1-0:14.7.0", "Hz", "gauge", "Grid frequency", "Netzfrequenz"),
    Quantity(56, "current_neutral", "1-0:91.7.0", "A", "gauge", "Neutral current", "Neutralleiterstrom"),
    Quantity(57, "angle_u2_u1", "1-0:81.7.1", "deg", "gauge", "Phase angle U-L2 to U-L1", "Phasenwinkel U-L2 zu U-L1"),
    Quantity(58, "angle_u3_u1", "1-0:81.7.2", "deg", "gauge", "Phase angle U-L3 to U-L1", "Phasenwinkel U-L3 zu U-L1"),
    Quantity(59, "angle_i1_u1", "1-0:81.7.4", "deg", "gauge", "Phase angle I-L1 to U-L1", "Phasenwinkel I-L1 zu U-L1"),
    Quantity(60, "angle_i2_u2", "1-0:81.7.15", "deg", "gauge", "Phase angle I-L2 to U-L2", "Phasenwinkel I-L2 zu U-L2"),
    Quantity(61, "angle_i3_u3", "1-0:81.7.26", "deg", "gauge", "Phase angle I-L3 to U-L3", "Phasenwinkel I-L3 zu U-L3"),
    Quantity(62, "demand_active_import_max", "1-0:1.6.0", "W", "gauge", "Maximum demand import", "Maximalleistung Bezug (15-min)"),
    Quantity(63, "demand_active_import_current", "1-0:1.4.0", "W", "gauge", "Current average demand import", "Aktueller Leistungsmittelwert"),
    Quantity(64, "energy_active_import_interval", "1-0:1.29.0", "kWh", "interval", "Load profile import (interval energy, RLM)", "Lastgang Bezug (Viertelstundenwerte)"),
    Quantity(65, "energy_active_export_interval", "1-0:2.29.0", "kWh", "interval", "Load profile export", "Lastgang Lieferung"),
    Quantity(66, "tariff_active", "1-0:96.14.0", "1", "state", "Active tariff", "Aktiver Tarif"),
    Quantity(67, "meter_number", "1-0:0.0.0", "", "identity", "Meter number (utility)", "Zählernummer (Eigentumsnummer)"),
    Quantity(68, "meter_serial", "1-0:96.1.0", "", "identity", "Device ID / server ID", "Server-ID, Herstellerkennung"),
    Quantity(69, "meter_manufacturer", "1-0:96.50.1", "", "identity", "Manufacturer ID", "Herstellerkennung"),
    Quantity(70, "meter_status", "1-0:96.5.0", "1", "state", "Meter status word", "Statuswort"),
    Quantity(71, "meter_firmware", "1-0:0.2.0", "", "identity", "Firmware version", "Firmwareversion"),
    Quantity(72, "tariff_program", "1-0:0.2.2", "", "identity", "Tariff program / TOU number", "Tarifschaltprogramm"),
    Quantity(73, "meter_time", "0-0:1.0.0", "", "time", "Clock", "Zeitstempel Zähler"),
    Quantity(74, "meter_clock_time", "1-0:0.9.1", "", "time", "Meter time", "Uhrzeit"),
    Quantity(75, "meter_clock_date", "1-0:0.9.2", "", "time", "Meter date", "Datum"),
    Quantity(76, "power_fail_count", "0-0:96.7.21", "1", "counter", "Power failures (short)", "Anzahl Netzausfälle"),
    Quantity(77, "power_fail_long_count", "0-0:96.7.9", "1", "counter", "Power failures (long)", "Anzahl langer Netzausfälle"),
    Quantity(78, "meter_error", "1-0:F.F.0", "1", "state", "Error register (D0)", "Fehlerregister"),
    Quantity(79, "energy_heat_total", "6-0:1.0.0", "kWh", "counter", "Heat energy total", "Wärmemenge gesamt"),
    Quantity(80, "energy_heat_due_date", "6-0:1.2.0", "kWh", "counter", "Heat energy at due date", "Wärmemenge am Stichtag"),
    Quantity(81, "volume_heat_total", "6-0:2.0.0", "m3", "counter", "Heat meter volume total", "Volumen Wärmeträger gesamt"),
    Quantity(82, "power_thermal", "6-0:8.0.0", "W", "gauge", "Thermal power", "Wärmeleistung"),
    Quantity(83, "flow_rate", "6-0:9.0.0", "m3/h", "gauge", "Flow rate", "Durchfluss", obis_others=("8-0:2.0.0", "9-0:2.0.0")),
    Quantity(84, "temperature_flow", "6-0:10.0.0", "degC", "gauge", "Flow temperature", "Vorlauftemperatur"),
    Quantity(85, "temperature_return", "6-0:11.0.0", "degC", "gauge", "Return temperature", "Rücklauftemperatur"),
    Quantity(86, "temperature_difference", "6-0:12.0.0", "K", "gauge", "Temperature difference", "Temperaturdifferenz"),
    Quantity(87, "heat_meter_error", "6-0:97.97.0", "1", "state", "Heat meter error / info code", "Fehlercode Wärmezähler"),
    Quantity(88, "energy_cooling_total", "5-0:1.0.0", "kWh", "counter", "Cooling energy total", "Kältemenge gesamt"),
    Quantity(89, "volume_gas_total", "7-0:3.0.0", "m3", "counter", "Gas volume at measurement conditions (unconverted)", "Gasvolumen Betriebszustand"),
    Quantity(90, "volume_gas_tc_total", "7-0:3.1.0", "m3", "counter", "Gas volume temperature converted", "Gasvolumen temperaturkompensiert"),
    Quantity(91, "volume_gas_base_total", "7-0:3.2.0", "m3", "counter", "Gas volume at base conditions (converted)", "Gasvolumen Normzustand (Vb/Vn)"),
    Quantity(92, "gas_flow_rate", "7-0:43.0.0", "m3/h", "gauge", "Gas flow rate", "Gasdurchfluss"),
    Quantity(93, "gas_temperature", "7-0:41.0.0", "degC", "gauge", "Gas temperature", "Gastemperatur"),
    Quantity(94, "gas_pressure", "7-0:42.0.0", "bar", "gauge", "Gas pressure absolute", "Gasdruck absolut"),
    Quantity(95, "gas_conversion_factor", "7-0:52.0.0", "1", "gauge", "Conversion factor (state number)", "Zustandszahl / Umwertefaktor"),
    Quantity(96, "gas_calorific_value", "7-0:54.0.0", "kWh/m3", "gauge", "Calorific value", "Brennwert"),
    Quantity(97, "volume_water_cold_total", "8-0:1.0.0", "m3", "counter", "Cold water volume total", "Kaltwasser Volumen gesamt"),
    Quantity(98, "volume_water_cold_due_date", "8-0:1.2.0", "m3", "counter", "Cold water volume at due date", "Kaltwasser Stichtagswert"),
    Quantity(99, "volume_water_hot_total", "9-0:1.0.0", "m3", "counter", "Hot water volume total", "Warmwasser Volumen gesamt"),
    Quantity(100, "volume_water_hot_due_date", "9-0:1.2.0", "m3", "counter", "Hot water volume at due date", "Warmwasser Stichtagswert"),
    Quantity(101, "heat_cost_units_total", "4-0:1.0.0", "HCA", "counter", "Heat cost allocator units since the due date", "Heizkostenverteiler, Einheiten seit Stichtag", may_fall=True),
    Quantity(102, "heat_cost_units_due_date", "4-0:1.2.0", "HCA", "counter", "Heat cost allocator units at due date", "Heizkostenverteiler, Stichtagswert"),
    # Surroundings, cabinet, traffic, radio: quantities without an OBIS code.
    Quantity(103, "co2", "", "ppm", "gauge", "CO2 concentration", "CO2-Konzentration"),
    Quantity(104, "voc", "", "ppb", "gauge", "Volatile organic compounds", "flüchtige organische Verbindungen"),
    Quantity(105, "temperature_room", "", "degC", "gauge", "Room temperature", "Raumtemperatur"),
    Quantity(106, "temperature_air", "", "degC", "gauge", "Air temperature", "Lufttemperatur"),
    Quantity(107, "humidity_relative", "", "%", "gauge", "Relative humidity", "relative Feuchte"),
    Quantity(108, "illuminance", "", "lx", "gauge", "Illuminance", "Beleuchtungsstärke"),
    Quantity(109, "pressure_air", "", "hPa", "gauge", "Air pressure", "Luftdruck"),
    Quantity(110, "wind_speed", "", "m/s", "gauge", "Wind speed", "Windgeschwindigkeit"),
    Quantity(111, "wind_direction", "", "deg", "gauge", "Wind direction", "Windrichtung"),
    Quantity(112, "precipitation_total", "", "mm", "counter", "Precipitation, total", "Niederschlag"),
    Quantity(113, "global_radiation", "", "W/m2", "gauge", "Global radiation", "Globalstrahlung"),
    Quantity(114, "temperature_cabinet", "", "degC", "gauge", "Temperature inside the cabinet", "Schrankinnentemperatur"),
    Quantity(115, "door_open", "", "1", "state", "Door contact: 1 open", "Türkontakt"),
    Quantity(116, "mains_present", "", "1", "state", "Mains voltage: 1 present", "Netzspannung vorhanden"),
    Quantity(117, "battery_voltage", "", "V", "gauge", "Battery voltage", "Batteriespannung"),
    Quantity(118, "vehicle_count", "", "1", "counter", "Vehicles counted", "Fahrzeugzählung"),
    Quantity(119, "occupancy_time_ratio", "", "%", "gauge", "Share of time a detector is occupied", "Belegungsgrad Detektor"),
    Quantity(120, "parking_occupied", "", "1", "gauge", "Parking bays occupied", "belegte Stellplätze"),
    Quantity(121, "lamp_power", "", "W", "gauge", "Lamp power", "Leuchtenleistung"),
    Quantity(122, "lamp_failure", "", "1", "state", "Lamp failure: 1 failed", "Lampenfehler"),
    Quantity(123, "signal_rsrp", "", "dBm", "gauge", "Mobile network, RSRP", "LTE/5G RSRP"),
    Quantity(124, "signal_rsrq", "", "dB", "gauge", "Mobile network, RSRQ", "RSRQ"),
    Quantity(125, "signal_sinr", "", "dB", "gauge", "Mobile network, SINR", "SINR"),
    Quantity(126, "link_bytes_tx", "", "B", "counter", "Bytes sent", "gesendete Bytes"),
    Quantity(127, "clients_associated", "", "1", "gauge", "Wi-Fi clients, number only", "WLAN-Endgeräte (nur Anzahl)"),
    Quantity(128, "pulse_count_s0", "", "1", "counter", "S0 pulses", "S0-Impulse"),
    # What the Eastron SDM630 and its kind measure beyond those.
    Quantity(129, "power_apparent_l1", "1-0:29.7.0", "VA", "gauge", "Apparent power L1", "Scheinleistung L1"),
    Quantity(130, "power_apparent_l2", "1-0:49.7.0", "VA", "gauge", "Apparent power L2", "Scheinleistung L2"),
    Quantity(131, "power_apparent_l3", "1-0:69.7.0", "VA", "gauge", "Apparent power L3", "Scheinleistung L3"),
    Quantity(132, "power_reactive_l1", "1-0:23.7.0", "var", "gauge", "Reactive power L1", "Blindleistung L1"),
    Quantity(133, "power_reactive_l2", "1-0:43.7.0", "var", "gauge", "Reactive power L2", "Blindleistung L2"),
    Quantity(134, "power_reactive_l3", "1-0:63.7.0", "var", "gauge", "Reactive power L3", "Blindleistung L3"),
    Quantity(135, "phase_angle_total", "1-0:81.7.0", "deg", "gauge", "Angle between the sums of voltage and current", "Phasenwinkel der Summen U und I"),
    Quantity(136, "thd_voltage_l1", "1-0:32.7.124", "%", "gauge", "Harmonic distortion of the voltage L1", "Oberschwingungsgehalt Spannung L1"),
    Quantity(137, "thd_voltage_l2", "1-0:52.7.124", "%", "gauge", "Harmonic distortion of the voltage L2", "Oberschwingungsgehalt Spannung L2"),
    Quantity(138, "thd_voltage_l3", "1-0:72.7.124", "%", "gauge", "Harmonic distortion of the voltage L3", "Oberschwingungsgehalt Spannung L3"),
    Quantity(139, "thd_voltage_avg", "1-0:12.7.124", "%", "gauge", "Harmonic distortion of the voltage, mean", "Oberschwingungsgehalt Spannung, Mittel"),
    Quantity(140, "energy_active_sum_l1", "1-0:35.8.0", "kWh", "counter", "Active energy |+A|+|-A| L1", "Wirkarbeit Betrag L1"),
    Quantity(141, "energy_active_sum_l2", "1-0:55.8.0", "kWh", "counter", "Active energy |+A|+|-A| L2", "Wirkarbeit Betrag L2"),
    Quantity(142, "energy_active_sum_l3", "1-0:75.8.0", "kWh", "counter", "Active energy |+A|+|-A| L3", "Wirkarbeit Betrag L3"),
    Quantity(143, "energy_reactive_sum_total", "", "kvarh", "counter", "Reactive energy |+R|+|-R|", "Blindarbeit Betrag gesamt"),
    Quantity(144, "energy_reactive_sum_l1", "", "kvarh", "counter", "Reactive energy |+R|+|-R| L1", "Blindarbeit Betrag L1"),
    Quantity(145, "energy_reactive_sum_l2", "", "kvarh", "counter", "Reactive energy |+R|+|-R| L2", "Blindarbeit Betrag L2"),
    Quantity(146, "energy_reactive_sum_l3", "", "kvarh", "counter", "Reactive energy |+R|+|-R| L3", "Blindarbeit Betrag L3"),
    Quantity(147, "energy_reactive_import_l1", "1-0:23.8.0", "kvarh", "counter", "Reactive energy import L1", "Blindarbeit Bezug L1"),
    Quantity(148, "energy_reactive_import_l2", "1-0:43.8.0", "kvarh", "counter", "Reactive energy import L2", "Blindarbeit Bezug L2"),
    Quantity(149, "energy_reactive_import_l3", "1-0:63.8.0", "kvarh", "counter", "Reactive energy import L3", "Blindarbeit Bezug L3"),
    Quantity(150, "energy_reactive_export_l1", "1-0:24.8.0", "kvarh", "counter", "Reactive energy export L1", "Blindarbeit Lieferung L1"),
    Quantity(151, "energy_reactive_export_l2", "1-0:44.8.0", "kvarh", "counter", "Reactive energy export L2", "Blindarbeit Lieferung L2"),
    Quantity(152, "energy_reactive_export_l3", "1-0:64.8.0", "kvarh", "counter", "Reactive energy export L3", "Blindarbeit Lieferung L3"),
    Quantity(153, "current_total", "1-0:11.7.0", "A", "gauge", "Sum of the line currents", "Summe der Leiterströme"),
    Quantity(154, "voltage_avg", "1-0:12.7.0", "V", "gauge", "Voltage, mean of the phases", "Spannung, Mittel der Phasen"),
    # Tariffs of sums and of reactive energy; voltages between phases; net energy of each phase.
    Quantity(155, "energy_active_sum_tariff1", "1-0:15.8.1", "kWh", "counter", "Active energy |+A|+|-A| tariff 1", "Wirkarbeit Betrag Tarif 1"),
    Quantity(156, "energy_active_sum_tariff2", "1-0:15.8.2", "kWh", "counter", "Active energy |+A|+|-A| tariff 2", "Wirkarbeit Betrag Tarif 2"),
    Quantity(157, "energy_reactive_sum_tariff1", "", "kvarh", "counter", "Reactive energy |+R|+|-R| tariff 1", "Blindarbeit Betrag Tarif 1"),
    Quantity(158, "energy_reactive_sum_tariff2", "", "kvarh", "counter", "Reactive energy |+R|+|-R| tariff 2", "Blindarbeit Betrag Tarif 2"),
    Quantity(159, "energy_reactive_import_tariff1", "1-0:3.8.1", "kvarh", "counter", "Reactive energy import (+R) tariff 1", "Blindarbeit Bezug Tarif 1"),
    Quantity(160, "energy_reactive_import_tariff2", "1-0:3.8.2", "kvarh", "counter", "Reactive energy import (+R) tariff 2", "Blindarbeit Bezug Tarif 2"),
    Quantity(161, "energy_reactive_export_tariff1", "1-0:4.8.1", "kvarh", "counter", "Reactive energy export (-R) tariff 1", "Blindarbeit Lieferung Tarif 1"),
    Quantity(162, "energy_reactive_export_tariff2", "1-0:4.8.2", "kvarh", "counter", "Reactive energy export (-R) tariff 2", "Blindarbeit Lieferung Tarif 2"),
    Quantity(163, "voltage_l1_l2", "", "V", "gauge", "Voltage L1-L2", "Spannung L1-L2"),
    Quantity(164, "voltage_l2_l3", "", "V", "gauge", "Voltage L2-L3", "Spannung L2-L3"),
    Quantity(165, "voltage_l3_l1", "", "V", "gauge", "Voltage L3-L1", "Spannung L3-L1"),
    Quantity(166, "phase_sequence", "", "1", "state", "Phase sequence: 1 right, 0 none, -1 left", "Drehfeld: 1 rechts, 0 keines, -1 links"),
    Quantity(167, "energy_active_net_l1", "1-0:36.8.0", "kWh", "counter", "Active energy net (+A - -A) L1", "Wirkarbeit saldiert L1", may_fall=True),
    Quantity(168, "energy_active_net_l2", "1-0:56.8.0", "kWh", "counter", "Active energy net (+A - -A) L2", "Wirkarbeit saldiert L2", may_fall=True),
    Quantity(169, "energy_active_net_l3", "1-0:76.8.0", "kWh", "counter", "Active energy net (+A - -A) L3", "Wirkarbeit saldiert L3", may_fall=True),
    # Inverters and batteries. What a device takes for itself is import, what it gives is export.
    Quantity(170, "power_dc_total", "", "W", "gauge", "DC power of an inverter", "Gleichstromleistung eines Wechselrichters"),
    Quantity(171, "operating_state", "", "1", "state", "Operating state", "Betriebszustand"),
    Quantity(172, "battery_soc", "", "%", "gauge", "Battery, state of charge", "Batterie, Ladezustand"),
    Quantity(173, "battery_soh", "", "%", "gauge", "Battery, state of health", "Batterie, Zustand"),
    Quantity(174, "battery_cycles", "", "1", "counter", "Battery, full cycles", "Batterie, Vollzyklen"),
    Quantity(175, "voltage_dc", "", "V", "gauge", "DC voltage", "Gleichspannung"),
    Quantity(176, "power_battery", "", "W", "gauge", "Battery power, sign as the device has it", "Batterieleistung, Vorzeichen wie vom Gerät"),
    Quantity(177, "power_home_from_battery", "", "W", "gauge", "Power of the house from the battery", "Hausverbrauch aus der Batterie"),
    Quantity(178, "power_home_from_grid", "", "W", "gauge", "Power of the house from the grid", "Hausverbrauch aus dem Netz"),
    Quantity(179, "power_home_from_pv", "", "W", "gauge", "Power of the house from photovoltaics", "Hausverbrauch aus Photovoltaik"),
    Quantity(180, "grid_power_active_total", "", "W", "gauge", "Active power at the grid connection, import positive", "Wirkleistung am Netzanschluss, Bezug positiv"),
    Quantity(181, "energy_yield_day", "", "kWh", "counter", "Yield of the day; begins anew each day", "Tagesertrag; beginnt täglich neu", may_fall=True),
    Quantity(182, "energy_pv_dc_total", "", "kWh", "counter", "DC energy of the photovoltaic strings", "Gleichstromarbeit der PV-Strings"),
    # Rooms, weather, networks, further pulse inputs.
    Quantity(183, "sensor_status", "", "1", "state", "Sensor status word; 0 is good", "Statuswort eines Sensors; 0 ist gut"),
    Quantity(184, "temperature_dewpoint", "", "degC", "gauge", "Dew point", "Taupunkt"),
    Quantity(185, "air_volume_flow", "", "m3/h", "gauge", "Air flow", "Luftvolumenstrom"),
    Quantity(186, "voc_relative", "", "%", "gauge", "Volatile organic compounds, of the sensor's range", "flüchtige organische Verbindungen, vom Messbereich"),
    Quantity(187, "sound_level", "", "dB", "gauge", "Sound level", "Schallpegel"),
    Quantity(188, "pressure_air_relative", "", "hPa", "gauge", "Air pressure, reduced to sea level", "Luftdruck, auf Meereshöhe bezogen"),
    Quantity(189, "precipitation_type", "", "1", "state", "Precipitation type, code of the sensor", "Niederschlagsart, Code des Sensors"),
    Quantity(190, "precipitation_intensity", "", "mm/h", "gauge", "Precipitation intensity", "Niederschlagsintensität"),
    Quantity(191, "precipitation_event", "", "1", "state", "Precipitation: 1 falls", "Niederschlag: 1 fällt"),
    Quantity(192, "precipitation_day", "", "mm", "counter", "Precipitation of the day; begins anew each day", "Tagesniederschlag; beginnt täglich neu", may_fall=True),
    Quantity(193, "wind_gust", "", "m/s", "gauge", "Wind gust", "Windböe"),
    Quantity(194, "uptime", "", "s", "counter", "Time since the device started", "Zeit seit dem Start des Geräts", may_fall=True),
    Quantity(195, "signal_rssi", "", "dBm", "gauge", "Mobile network, RSSI", "Mobilfunk, RSSI"),
    Quantity(196, "temperature_modem", "", "degC", "gauge", "Modem temperature", "Modemtemperatur"),
    Quantity(197, "pulse_count_s1", "", "1", "counter", "Pulses of input 1", "Impulse an Eingang 1"),
    Quantity(198, "pulse_count_s2", "", "1", "counter", "Pulses of input 2", "Impulse an Eingang 2"),
    Quantity(199, "pulse_count_s3", "", "1", "counter", "Pulses of input 3", "Impulse an Eingang 3"),
    Quantity(200, "pulse_count_s4", "", "1", "counter", "Pulses of input 4", "Impulse an Eingang 4"),
    # What heat meters count in GJ: no exact number of kWh.
    Quantity(201, "energy_heat_gj_total", "", "GJ", "counter", "Heat energy total, counted in GJ", "Wärmemenge gesamt, in GJ gezählt", same_as="energy_heat_total"),
    Quantity(202, "energy_heat_gj_due_date", "", "GJ", "counter", "Heat energy at due date, counted in GJ", "Wärmemenge am Stichtag, in GJ gezählt", same_as="energy_heat_due_date"),
    Quantity(203, "energy_cooling_gj_total", "", "GJ", "counter", "Cooling energy total, counted in GJ", "Kältemenge gesamt, in GJ gezählt", same_as="energy_cooling_total"),
)
# fmt: on

_BY_NAME = {quantity.name: quantity for quantity in QUANTITIES}
_BY_NUMBER = {quantity.number: quantity for quantity in QUANTITIES}
_BY_OBIS = {
    code: quantity for quantity in QUANTITIES for code in (quantity.obis, *quantity.obis_others) if code
}


def by_name(name: str) -> Quantity:
    """The quantity of this machine name; KeyError if the registry has none."""
    return _BY_NAME[name]


def by_number(number: int) -> Quantity:
    """The quantity of this number; KeyError if this version of the registry has none."""
    return _BY_NUMBER[number]


def by_obis(obis: str) -> Quantity:
    """The quantity of a code written `1-0:1.8.0` or `1-0:1.8.0*255`; KeyError if there is none."""
    return _BY_OBIS[obis.removesuffix("*255")]
