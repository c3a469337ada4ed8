"""The traps in makers' dialects that captures have shown, one test for each, named after it."""

from __future__ import annotations

import pytest

from protocols.at import (
    Answer,
    AtDialogue,
    LateLine,
    ResultKind,
    Urc,
    fibocom,
    huawei,
    quectel,
    sierra,
    simcom,
    telit,
    ublox,
)
from protocols.at.standard import (
    Attachment,
    SimState,
    decode_cesq,
    decode_clock,
    decode_csq,
    decode_iccid,
    decode_imei,
    decode_registration,
    decode_sim_state,
)
from protocols.cellular import Advice, Signal, Technology, advise, antenna_imbalance_db
from protocols.errors import ProtocolError
from protocols.value import Scaled


def told(signal: Signal) -> tuple[str | None, ...]:
    """RSRP, RSRQ, SINR as text."""
    return tuple(
        None if value is None else str(value) for value in (signal.rsrp_dbm, signal.rsrq_db, signal.sinr_db)
    )


def cpsi(*lines: str) -> list[tuple[str | None, ...]]:
    return [
        told(signal)
        for signal in simcom.decode_system_information([f"+CPSI: {line}" for line in lines]).signals
    ]


def test_cpsi_counts_tenths_on_sim7600() -> None:
    assert cpsi("LTE,Online,310-260,0x2D18,50896642,236,EUTRAN-BAND4,2300,5,5,-125,-987,-663,10") == [
        ("-98.7", "-12.5", "10")
    ]


def test_cpsi_counts_whole_db_on_sim7070() -> None:
    assert cpsi("LTE NB-IOT,Online,460-11,0x5AE1,187212754,82,EUTRAN-BAND5,2506,0,0,-7,-115,-110,13") == [
        ("-115", "-7", "13")
    ]


def test_cpsi_gives_positive_indices_on_a76xx() -> None:
    assert cpsi("LTE,Online,460-11,0x774B,126375687,303,EUTRAN-BAND1,100,5,0,12,36,42,5") == [
        ("-105", "-14", None)
    ]


def test_cpsi_mixes_two_scales_in_one_answer_on_sim8200() -> None:
    lines = (
        "LTE,Online,460-11,0x5A1E,187214780,257,EUTRAN-BAND3,1825,4,4,-102,-924,-632,13",
        "NR5G,257,629952,-11,-92,153",
    )
    assert cpsi(*lines) == [("-92.4", "-10.2", "13"), ("-92", "-11", "15.3")]


def test_cpsi_turns_the_order_round_in_nr_sa() -> None:
    assert cpsi("NR5G_SA,Online,242-12,0x765D,4955280,0,NR5G_BAND78,640704,-770,-110,290") == [
        ("-77.0", "-11.0", "29.0")
    ]


def test_the_cell_is_decimal_in_cpsi_and_hexadecimal_in_qeng() -> None:
    one = simcom.decode_system_information(
        ["+CPSI: LTE,Online,250-02,0x0EF8,22060,58,EUTRAN-BAND3,1725,3,3,-108,-889,-614,19"]
    ).cell
    other = quectel.decode_serving_cell(
        ['+QENG: "servingcell","NOCONN","LTE","FDD",222,88,4CAA71F,28,1500,3,3,3,77B8,-84,-9,-56,21,35']
    ).cell
    assert one is not None
    assert other is not None
    assert (one.area, one.cell_id) == (0x0EF8, 22060)
    assert (other.area, other.cell_id) == (0x77B8, 0x4CAA71F)


def test_qeng_orders_nsa_and_sa_differently_with_state_on_its_own_line_and_blanks_where_they_like() -> None:
    nsa = [
        '+QENG: "servingcell","NOCONN"',
        '+QENG: "LTE","FDD",515,03,3359966,1,150,1,5,5,4AA3,-89,-13,-58,16,15,20,-',
        '+QENG:"NR5G-NSA",515,03,832,-76,21,-11,528030,41,8,1',
    ]
    sa = [
        '+QENG: "servingcell","NOCONN","NR5G-SA","TDD", 515,66,10007200,538,114000,620640,78,12,-109,-12,14'
    ]
    assert [told(signal) for signal in quectel.decode_serving_cell(nsa).signals] == [
        ("-89", "-13", "16"),
        ("-76", "-11", "21"),
    ]
    assert [told(signal) for signal in quectel.decode_serving_cell(sa).signals] == [("-109", "-12", "14")]


def test_sinr_is_plain_db_in_qeng_and_fifths_in_qcsq() -> None:
    line = '+QENG: "servingcell","NOCONN","LTE","FDD",123,01,43300C,348,1802,3,5,5,5443,-87,-16,-69,5,34'
    assert str(quectel.decode_serving_cell([line]).signals[0].sinr_db) == "5"
    assert str(quectel.decode_signal(['+QCSQ: "LTE",-69,-87,145,-16']).signals[0].sinr_db) == "9.0"
    assert quectel.decode_signal(['+QCSQ: "NOSERVICE"']).signals == ()


def test_sinr_beyond_what_3gpp_reports_is_refused_and_the_rest_stays() -> None:
    line = '+QENG: "servingcell","NOCONN","LTE","FDD",123,01,43300C,348,1802,3,5,5,5443,-87,-16,-69,125,34'
    (signal,) = quectel.decode_serving_cell([line]).signals
    assert told(signal) == ("-87", "-16", None)
    assert signal.refused == ("sinr_db",)


def test_qtemp_data_come_behind_ok_on_em12() -> None:
    dialogue = AtDialogue()
    dialogue.send("AT+QTEMP", late_lines=True)
    events = dialogue.receive_data(
        b'\r\nOK\r\n\r\n+QTEMP: "xo_therm_buf","33"\r\n+QTEMP: "pa_therm1","35"\r\n'
    )
    late = [event.text for event in events if isinstance(event, LateLine)]
    assert quectel.decode_temperature(late) == 35


def test_qtemp_of_minus_273_is_no_sensor() -> None:
    assert quectel.decode_temperature(['+QTEMP:"a","40"', '+QTEMP:"b","-273"']) == 40
    assert quectel.decode_temperature(['+QTEMP:"b","-273"']) is None
    assert quectel.decode_temperature(["+QTEMP: 38,255,255"]) == 38
    assert quectel.decode_temperature(["+QTEMP: 1,1123,36"]) == 36


def test_qcainfo_glues_two_lines_on_rm551e() -> None:
    dialogue = AtDialogue()
    dialogue.send("AT+QCAINFO")
    (answer,) = dialogue.receive_data(
        b'\r\n+QCAINFO: "PCC",501390,12,"NR5G BAND 41",153,-11,-11,2549\r\n'
        b'+QCAINFO: "SCC",126270,2,"NR5G BAND 71",1,93,-,-+QCAINFO: "SCC",521310,11,"NR5G BAND 41"\r\nOK\r\n'
    )
    assert isinstance(answer, Answer)
    assert [carrier.band for carrier in quectel.decode_carriers(answer.lines)] == ["n41", "n71", "n41"]


def test_csq_of_99_on_lte_needs_cesq() -> None:
    assert decode_csq(["+CSQ:99,99"]) is None
    (signal,) = decode_cesq(["+CESQ:99,99,255,255,12,40"])
    assert told(signal) == ("-101", "-14", None)


@pytest.mark.parametrize("line", ['+CREG: 2,1,"3584","ef4a08",7', "+CREG: 2,1,3584,ef4a08,7"])
def test_creg_comes_with_and_without_quotes(line: str) -> None:
    found = decode_registration(line)
    assert (found.area, found.cell_id, found.technology) == (0x3584, 0xEF4A08, Technology.LTE)


def test_creg_of_0_says_nothing_on_lpwa() -> None:
    found = [decode_registration(line).attachment for line in ("+CREG: 0,0", "+CGREG: 0,1", "+CEREG: 0,1")]
    assert found == [Attachment.IDLE, Attachment.HOME, Attachment.HOME]


@pytest.mark.parametrize(("text", "number"), [("13", 13), ("SIM failure", 13), ("SIM not inserted", 10)])
def test_cme_errors_are_numbers_or_texts(text: str, number: int) -> None:
    dialogue = AtDialogue()
    dialogue.send("AT+CPIN?")
    (answer,) = dialogue.receive_data(f"\r\n+CME ERROR: {text}\r\n".encode())
    assert isinstance(answer, Answer)
    assert (answer.result.kind, answer.result.number) == (ResultKind.CME_ERROR, number)
    assert decode_sim_state(answer) is {10: SimState.MISSING, 13: SimState.FAILED}[number]


def test_qgdcnt_has_no_proven_order() -> None:
    assert quectel.decode_counters(["+QGDCNT: 237505722,614994307"]) == (237505722, 614994307)


def test_gstatus_survives_garbage_in_a_value() -> None:
    lines = ["!GSTATUS: ", "Current Time:  602              Temperature: 3t 5", "System mode:   Unknown"]
    assert sierra.decode_temperature(lines) is None
    assert sierra.decode_status(lines).signals == ()


def test_gstatus_shows_one_antenna_33_db_behind_the_other() -> None:
    lines = [
        "!GSTATUS: ",
        "System mode:   LTE        \tPS state:    Attached     ",
        "PCC RxM RSSI:  -87\t\tPCC RxM RSRP:  -119",
        "PCC RxD RSSI:  -55\t\tPCC RxD RSRP:  -86",
    ]
    (signal,) = sierra.decode_status(lines).signals
    assert str(signal.rsrp_dbm) == "-86"
    assert antenna_imbalance_db(signal) == Scaled(33, 0)
    assert advise(signal) is Advice.ANTENNA_IMBALANCE


def test_rfsts_has_a_form_for_each_technology_and_none_names_it() -> None:
    lte = telit.decode_radio_status(
        ['#RFSTS: "286 01",1795,-101,-67,-15,2242,,128,3,1,0B5D121,"<imsi>","Turkcell",3,3,108']
    )
    gsm = telit.decode_radio_status(
        ['#RFSTS: "204 04",1001,-80,00DE,01,5,19,10,2,9878,"<imsi>","vodafone NL",1,2']
    )
    umts = telit.decode_radio_status(
        ['#RFSTS: "262 01",10713,123,-7.5,-92,-85,0F5A,01,,64,19,0,1,,4D2F,"1","T",3,1']
    )
    assert told(lte.signals[0]) == ("-101", "-15", None)
    assert lte.cell is not None
    assert (lte.cell.cell_id, lte.cell.band) == (0x0B5D121, "B3")
    assert (gsm.signals[0].technology, str(gsm.signals[0].rssi_dbm)) == (Technology.GSM, "-80")
    assert (umts.signals[0].technology, str(umts.signals[0].rscp_dbm)) == (Technology.UMTS, "-92")


def test_ucged_gives_indices_wraps_its_last_line_and_fills_with_255() -> None:
    wrapped = [
        "+UCGED: 2",
        "6,0,001,01",
        "2525,5,25,50,2b67,69f6bc7,111,0000",
        "0000,ffff,ff,67,19,0.00,255,255,255,",
    ]
    nothing = [
        "+UCGED: 2",
        "6,2,fff,fff",
        "65535,255,255,255,ffff,0000000,65535,00000000,ffff,ff,255,255,255,1",
    ]
    assert told(ublox.decode_extended(wrapped).signals[0]) == ("-74", "-10.5", "0.00")
    assert ublox.decode_extended(nothing).signals == ()
    with pytest.raises(ProtocolError, match="AT\\+UCGED=2"):
        ublox.decode_extended(["+UCGED: 0"])


def test_utemp_is_in_tenths_with_or_without_its_unit() -> None:
    assert [
        ublox.decode_temperature([line]) for line in ("+UTEMP: 285", "+UTEMP: 0,285", "+UTEMP: 0,65535")
    ] == [
        29,
        29,
        None,
    ]


def test_gtccinfo_writes_channel_and_cell_in_hexadecimal_and_levels_as_indices() -> None:
    found = fibocom.decode_cell_table(
        [
            "+GTCCINFO:",
            "LTE service cell:",
            "1,4,262,02,BFD3,2D4201,189C,30,120,50,16,42,42,26",
            "2,4,,,,,189C,190,,24,24,2",
        ]
    )
    assert [told(signal) for signal in found.signals] == [("-99", "-7", None)]
    assert found.cell is not None
    assert (found.cell.channel, found.cell.band) == (6300, "B20")


def test_xmci_quotes_its_numbers_and_counts_snr_in_halves() -> None:
    line = '+XMCI: 4,262,02,"0xBFD3","0x002D4201","0x0030","0x0000189C","0x00005ED4","0xFFFFFFFF",42,26,-7'
    assert told(fibocom.decode_measured_cells([line]).signals[0]) == ("-99", "-7", "-3.5")


def test_hcsq_has_a_table_of_its_own_for_rssi_and_sinr() -> None:
    (signal,) = huawei.decode_signal(['^HCSQ:"LTE",55,49,151,28']).signals
    assert (str(signal.rssi_dbm), *told(signal)) == ("-66", "-92", "-6", "10.0")
    (cell,) = huawei.decode_serving_cell(["^MONSC: LTE,262,01,1300,1A2B3C4,12C,5AE1,-95,-11,-65"]).signals
    assert told(cell) == ("-95", "-11", None)
    assert huawei.decode_technology(['^SYSINFOEX:2,3,0,1,,6,"LTE",101,"LTE"']) is Technology.LTE


def test_a_clock_that_no_network_has_set_is_none() -> None:
    assert decode_clock(['+CCLK: "80/01/06,00:00:12+00"']) is None
    found = decode_clock(['+CCLK: "24/11/14,01:06:15+36"'])
    assert found is not None
    assert (found.year, found.zone_quarters) == (2024, 36)


@pytest.mark.parametrize(
    "line",
    [
        "89490200001234567890",
        "+CCID: 89490200001234567890",
        '+QCCID: "89490200001234567890"',
        "98942000002143658709",
    ],
)
def test_the_sims_number_is_spelled_in_many_ways(line: str) -> None:
    assert decode_iccid([line]) == "89490200001234567890"


@pytest.mark.parametrize(
    "line", ["+ICCID: 8949020000123456789F", "^ICCID: 8949020000123456789", "!ICCID: 8949020000123456789"]
)
def test_filling_of_the_sims_number_is_cut_off(line: str) -> None:
    assert decode_iccid([line]) == "8949020000123456789"


def test_an_imei_with_a_wrong_check_digit_is_refused() -> None:
    assert decode_imei(["490154203237518"]) == decode_imei(['+CGSN: "490154203237518"']) == "490154203237518"
    with pytest.raises(ProtocolError) as refused:
        decode_imei(["490154203237519"])
    assert refused.value.code == "at.imei"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("+CEREG: 1", (Attachment.HOME, None)),
        ('+CEREG: 5,"1206","19E4A03",7', (Attachment.ROAMING, 0x1206)),
        ('+CEREG: 2,1,"1206","19E4A03",13', (Attachment.HOME, 0x1206)),
        ("+CEREG: 2,2", (Attachment.SEARCHING, None)),
    ],
)
def test_registration_is_read_in_both_forms(line: str, expected: tuple[Attachment, int | None]) -> None:
    found = decode_registration(line)
    assert (found.attachment, found.area) == expected


def test_a_denied_registration_carries_the_networks_cause() -> None:
    found = decode_registration("+CEREG: 3,,,,0,13")
    assert (found.attachment, found.reject_cause, found.is_mobility_cause) == (Attachment.DENIED, 13, True)


def test_a_registration_urc_in_the_middle_of_its_own_query_is_told_apart() -> None:
    dialogue = AtDialogue()
    dialogue.send("AT+CREG?")
    events = dialogue.receive_data(
        b'\r\n+CREG: 5,"5D4","01BC7511",7\r\n\r\n+CREG: 2,1,"5D4","01BC7511",7\r\n\r\nOK\r\n'
    )
    assert isinstance(events[0], Urc)
    assert isinstance(events[1], Answer)
    assert len(events[1].lines) == 1
