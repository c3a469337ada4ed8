"""Quectel EC25, BG95 and RM520N."""

from __future__ import annotations

from typing import Final

from hal.sim.modem_personas import COMMON, Persona
from protocols.cellular import Technology

_TRIES: Final = '+QPINC: "SC",{pin_tries},{puk_tries}'

EC25: Final = Persona(
    name="quectel-ec25",
    maker="Quectel",
    model="EC25",
    firmware="EC25EFAR06A06M4G",
    usb="2c7c:0125",
    information=("Quectel", "EC25", "Revision: EC25EFAR06A06M4G"),
    served={
        **COMMON,
        '+QENG="SERVINGCELL"': (
            (
                '+QENG: "servingcell","NOCONN","LTE","FDD",{mcc},{mnc},{cell_hex},107,1300,3,5,5,{area_hex},'
                "{rsrp},{rsrq},{rssi},{sinr},21"
            ),
        ),
        "+QCSQ": ('+QCSQ: "LTE",{rssi},{rsrp},{sinr_fifths},{rsrq}',),
        "+QNWINFO": ('+QNWINFO: "FDD LTE","{plmn}","LTE BAND 3",1300',),
        "+QTEMP": ("+QTEMP: 38,37,36",),
        "+QGDCNT?": ("+QGDCNT: 0,0",),
    },
    idle={
        **COMMON,
        '+QENG="SERVINGCELL"': ('+QENG: "servingcell","SEARCH"',),
        "+QCSQ": ('+QCSQ: "NOSERVICE"',),
        "+QTEMP": ("+QTEMP: 38,37,36",),
    },
    iccid_commands=frozenset({"+QCCID", "+CCID", "+ICCID"}),
    pin_tries=_TRIES,
    pin_tries_command='+QPINC="SC"',
)

BG95: Final = Persona(
    name="quectel-bg95",
    maker="Quectel",
    model="BG95-M3",
    firmware="BG95M3LAR02A04",
    usb="2c7c:0700",
    information=("Quectel", "BG95-M3", "Revision: BG95M3LAR02A04"),
    technology=Technology.LTE_M,
    domains=("CEREG",),
    greeting=("APP RDY", "+CPIN: READY"),
    served={
        **COMMON,
        '+QENG="SERVINGCELL"': (
            (
                '+QENG: "servingcell","NOCONN","eMTC","FDD",{mcc},{mnc},{cell_hex},267,3600,8,3,3,{area_hex},'
                "{rsrp},{rsrq},{rssi},{sinr},47"
            ),
        ),
        "+QCSQ": ('+QCSQ: "eMTC",{rssi},{rsrp},{sinr_fifths},{rsrq}',),
        "+QNWINFO": ('+QNWINFO: "eMTC","{plmn}","LTE BAND 8",3600',),
    },
    idle={
        **COMMON,
        '+QENG="SERVINGCELL"': ('+QENG: "servingcell","SEARCH"',),
        "+QCSQ": ('+QCSQ: "NOSERVICE"',),
    },
    iccid_commands=frozenset({"+QCCID", "+CCID"}),
    pin_tries=_TRIES,
    pin_tries_command='+QPINC="SC"',
)

RM520N: Final = Persona(
    name="quectel-rm520n",
    maker="Quectel",
    model="RM520N-GL",
    firmware="RM520NGLAAR03A03M4G",
    usb="2c7c:0801",
    information=("Quectel", "RM520N-GL", "Revision: RM520NGLAAR03A03M4G"),
    technology=Technology.NR_NSA,
    domains=("CREG", "CGREG", "CEREG", "C5GREG"),
    late_lines=frozenset({"+QTEMP"}),
    served={
        **COMMON,
        '+QENG="SERVINGCELL"': (
            '+QENG: "servingcell","NOCONN"',
            (
                '+QENG: "LTE","FDD",{mcc},{mnc},{cell_hex},1,150,1,5,5,{area_hex},{rsrp},{rsrq},{rssi},'
                "{sinr},15,20,-"
            ),
            '+QENG:"NR5G-NSA",{mcc},{mnc},832,{rsrp},{sinr},{rsrq},528030,41,8,1',
        ),
        "+QNWINFO": (
            '+QNWINFO: "FDD LTE","{plmn}","LTE BAND 1",150',
            '+QNWINFO: "TDD NR5G","{plmn}","NR5G BAND 41",528030',
        ),
        "+QTEMP": ('+QTEMP:"qfe_wtr_pa0","40"', '+QTEMP:"qfe_wtr_pa3","-273"', '+QTEMP:"mdm-core-usr","50"'),
    },
    idle={
        **COMMON,
        '+QENG="SERVINGCELL"': ('+QENG: "servingcell","SEARCH"',),
        "+QTEMP": ('+QTEMP:"qfe_wtr_pa0","40"', '+QTEMP:"qfe_wtr_pa3","-273"', '+QTEMP:"mdm-core-usr","50"'),
    },
    iccid_commands=frozenset({"+QCCID", "+CCID", "+ICCID"}),
    pin_tries=_TRIES,
    pin_tries_command='+QPINC="SC"',
)
