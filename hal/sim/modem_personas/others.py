"""Sierra EM7455, u-blox SARA-R5, Telit LE910, and a modem that only knows TS 27.007."""

from __future__ import annotations

from typing import Final

from hal.sim.modem_personas import COMMON, Persona

_PAGE_HEAD: Final = (
    "!GSTATUS: ",
    "Current Time:  22016\t\tTemperature: 40",
    "Reset Counter: 1\t\tMode:        ONLINE",
)

EM7455: Final = Persona(
    name="sierra-em7455",
    maker="Sierra Wireless, Incorporated",
    model="EM7455",
    firmware="SWI9X30C_02.24.05.06",
    usb="1199:9071",
    information=(
        "Manufacturer: Sierra Wireless, Incorporated",
        "Model: EM7455",
        "Revision: SWI9X30C_02.24.05.06 r7040 CARMD-EV-FRMWR2 2017/05/19 06:23:09",
        "IMEI: {imei}",
    ),
    greeting=(),
    served={
        **COMMON,
        "!GSTATUS?": (
            *_PAGE_HEAD,
            "System mode:   LTE        \tPS state:    Attached     ",
            "LTE band:      B3     \t\tLTE bw:      20 MHz  ",
            "PCC RxM RSSI:  {rssi}\t\tRSRP (dBm):  {rsrp}",
            "PCC RxD RSSI:  {rssi}\t\tRSRP (dBm):  {rsrp_diversity}",
            "Tx Power:      15\t\tTAC:         {area_hex} ({area})",
            "RSRQ (dB):     {rsrq}.0\t\tCell ID:     {cell_hex} ({cell})",
            "SINR (dB):     {sinr}.0",
        ),
    },
    idle={**COMMON, "!GSTATUS?": (*_PAGE_HEAD, "System mode:   Unknown    \tPS state:    Not attached ")},
    resets=frozenset({"!RESET"}),
)

SARA_R5: Final = Persona(
    name="ublox-sara-r5",
    maker="u-blox",
    model="SARA-R510S",
    firmware="02.00",
    usb="1546:1102",
    information=("SARA-R510S-00B-00",),
    domains=("CREG", "CEREG"),
    greeting=(),
    served={
        **COMMON,
        "+UCGED?": (
            "+UCGED: 2",
            "6,4,{mcc},{mnc}",
            (
                "5110,20,50,50,{area_hex},{cell_hex},254,d0fafd59,ff49,b1,{rsrp_index},{rsrq_index},{sinr}.00,"
                "1,255,255,28,255,255,0,255,255,0"
            ),
        ),
        "+UCGED=2": (),
        "+UTEMP?": ("+UTEMP: 285",),
        "+UTEMP=0": (),
        "+URAT=?": ("+URAT: (7,8),(7,8)",),
        "+URAT?": ("+URAT: 7",),
        "+UPSV?": ("+UPSV: 0",),
    },
    idle={
        **COMMON,
        "+UCGED?": (
            "+UCGED: 2",
            "6,2,fff,fff",
            (
                "65535,255,255,255,ffff,0000000,65535,00000000,ffff,ff,255,255,255,"
                "1,255,255,255,255,255,0,255,255,0"
            ),
        ),
        "+UCGED=2": (),
        "+UTEMP?": ("+UTEMP: 285",),
        "+UTEMP=0": (),
        "+URAT=?": ("+URAT: (7,8),(7,8)",),
        "+URAT?": ("+URAT: 7",),
        "+UPSV?": ("+UPSV: 0",),
    },
    resets=frozenset({"+CFUN=16", "+CFUN=15"}),
    iccid_commands=frozenset({"+CCID"}),
    pin_tries="+UPINCNT: {pin_tries},3,{puk_tries},10",
    pin_tries_command="+UPINCNT",
)

LE910: Final = Persona(
    name="telit-le910",
    maker="Telit",
    model="LE910C1-EU",
    firmware="25.21.660",
    usb="1bc7:1201",
    information=("LE910C1-EU",),
    greeting=(),
    served={
        **COMMON,
        "#RFSTS": (
            (
                '#RFSTS: "{mcc} {mnc}",1795,{rsrp},{rssi},{rsrq},{area_hex},,128,3,1,{cell_hex},"{imsi}",'
                '"{operator}",3,3,108'
            ),
        ),
        "#TEMPMON=1": ("#TEMPMEAS: 0,33",),
    },
    idle={**COMMON, "#RFSTS": ("#RFSTS: ",), "#TEMPMON=1": ("#TEMPMEAS: 0,33",)},
    resets=frozenset({"#REBOOT"}),
    iccid_commands=frozenset({"#CCID", "+ICCID", "+CCID"}),
    pin_tries="#PCT: {pin_tries}",
    pin_tries_command="#PCT",
)

GENERIC: Final = Persona(
    name="generic",
    maker="Simulated",
    model="GENERIC",
    firmware="1.0",
    usb="0000:0000",
    information=("Simulated", "GENERIC", "Revision: 1.0"),
    greeting=(),
    served=COMMON,
    idle=COMMON,
)
