"""SIMCom SIM7600 (tenths in +CPSI) and SIM7070 (whole dBm, +CREG that stays at 0)."""

from __future__ import annotations

from typing import Final

from hal.sim.modem_personas import COMMON, Persona
from protocols.cellular import Technology

SIM7600: Final = Persona(
    name="simcom-sim7600",
    maker="SIMCOM INCORPORATED",
    model="SIMCOM_SIM7600E-H",
    firmware="LE20B04SIM7600M22",
    usb="1e0e:9001",
    information=(
        "Manufacturer: SIMCOM INCORPORATED",
        "Model: SIMCOM_SIM7600E-H",
        "Revision: SIM7600M22_V2.0",
        "IMEI: {imei}",
        "+GCAP: +CGSM",
    ),
    greeting=("RDY", "+CPIN: READY", "SMS DONE", "PB DONE"),
    served={
        **COMMON,
        "+CPSI?": (
            (
                "+CPSI: LTE,Online,{mcc}-{mnc},0x{area_hex},{cell},236,EUTRAN-BAND3,1300,5,5,"
                "{rsrq_x10},{rsrp_x10},{rssi_x10},{sinr}"
            ),
        ),
        "+CPMUTEMP": ("+CPMUTEMP: 31",),
    },
    idle={**COMMON, "+CPSI?": ("+CPSI: NO SERVICE,Online",), "+CPMUTEMP": ("+CPMUTEMP: 31",)},
    resets=frozenset({"+CRESET"}),
    iccid_commands=frozenset({"+CICCID", "+CCID"}),
    pin_tries="+SPIC: {pin_tries},{puk_tries},0,10",
    pin_tries_command="+SPIC",
)

SIM7070: Final = Persona(
    name="simcom-sim7070",
    maker="SIMCOM_Ltd",
    model="SIMCOM_SIM7070",
    firmware="1951B12SIM7070",
    usb="1e0e:9205",
    information=("SIM7070 R1951",),
    technology=Technology.NB_IOT,
    domains=("CGREG", "CEREG"),
    greeting=("RDY", "+CFUN: 1", "+CPIN: READY", "SMS Ready"),
    served={
        **COMMON,
        "+CPSI?": (
            (
                "+CPSI: LTE NB-IOT,Online,{mcc}-{mnc},0x{area_hex},{cell},82,EUTRAN-BAND8,3544,0,0,"
                "{rsrq},{rsrp},{rssi},{sinr}"
            ),
        ),
    },
    idle={**COMMON, "+CPSI?": ("+CPSI: NO SERVICE,Online",)},
    resets=frozenset({"+CREBOOT"}),
    iccid_commands=frozenset({"+CCID"}),
    pin_tries="+SPIC: {pin_tries}",
    pin_tries_command="+SPIC",
)
