"""`sim://` URLs: simulated meters on a real pty or socket inside of this process, and the port to them.

    sim://modbus-rtu?meter=eastron-sdm630@1:SERIAL&meter=abb-b23@2:SERIAL&baud=9600&seed=1
    sim://modbus-ascii?...  the same in ASCII framing
    sim://modbus-tcp?meter=siemens-pac2200@1:SERIAL
    sim://modbus-rtu-tcp?...  RTU framing behind a serial server
    sim://sml?meter=ehz-sml:SERIAL&period_ms=2000
    sim://p1?meter=p1-dsmr5:SERIAL&period_ms=1000    sim://d0-push?meter=d0-electricity:SERIAL
    sim://dlms-push?meter=dlms-electricity:SERIAL&framing=hdlc&encrypted=1    framings: hdlc, gbt, mbus, bare
    sim://mbus?meter=mbus-heat@5:12345678&meter=mbus-water:87654321.ZRI.16.07    a loop, by secondary address
    sim://d0?meter=d0-electricity:SERIAL&read_out_baud=9600    a meter that is asked, and switches its rate

Further keys: `format` (8N1), `turnaround_ms`, and the probabilities of LineFaults (`noise_before=0.01`).
`log=/path` appends what the meters gave out to a file, one JSON object a line.

Rules:
- The simulation lives as long as the port. Meters' values follow CLOCK_BOOTTIME, so a port that is opened
  anew meets counters that have run on.
- The bytes go through the same SerialPort and TcpPort as those of real meters.
"""

from __future__ import annotations

import dataclasses
import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from config.catalogue import catalogue
from config.model import CharacterFormat
from config.profile import DeviceProfile
from hal.api import Port, PortError
from hal.serial_port import open_serial_port
from hal.sim.head import SimHead
from hal.sim.line import LineFaults, Pusher, SimLine, SimPushLine, SimTcpServer
from hal.sim.mbus import LoopMeter, MbusLoop, SimMbusLine, usual_turnaround_bits
from hal.sim.mbus_meters import SimMbusMeter
from hal.sim.meters import ModbusSimulation, SimMeter, SimRead
from hal.tcp_port import open_tcp_port
from protocols.iec62056_21 import answer_several
from protocols.modbus.ascii import AsciiServer
from protocols.modbus.rtu import RtuServer
from protocols.modbus.tcp import TcpServer

LOG_BYTES_MAX = 64 * 1024 * 1024
PERIOD_DEFAULT_MS: Final = 2_000  # reference: SML meters push every 1 to 4 s
READ_OUT_BAUD_DEFAULT: Final = 9600
TURNAROUND_DEFAULT_MS: Final = 5.0
PUSH_KINDS: Final = ("sml", "d0-push", "p1", "dlms-push")
SERIAL_DEFAULT: Final = "1"
SML_SERIAL_DEFAULT: Final = "1EMH0012345678"

_PROBABILITIES: Final = frozenset(
    field.name for field in dataclasses.fields(LineFaults) if not field.name.endswith("_s")
)
_KEYS: Final = _PROBABILITIES | {
    "baud",
    "format",
    "seed",
    "turnaround_ms",
    "period_ms",
    "log",
    "read_out_baud",
    "framing",
    "encrypted",
}


class _Spec(NamedTuple):
    """A taken-apart URL. `meters`: profile name, unit, serial number."""

    kind: str
    meters: list[tuple[str, int, str]]
    baud: int
    character_format: str
    seed: int
    turnaround_s: float
    period_ms: int
    read_out_baud: int
    faults: LineFaults
    log: Callable[[SimRead], None] | None
    framing: str = "hdlc"
    encrypted: bool = False


Simulation = SimLine | SimPushLine | SimHead | SimTcpServer | SimMbusLine


class SimPort:
    """A port, and the simulation behind it, which ends with it."""

    def __init__(self, port: Port, simulation: Simulation) -> None:
        """Use `open_sim_port`."""
        self._port = port
        self.simulation = simulation

    @property
    def char_time_s(self) -> float:
        """See hal.api.Port."""
        return self._port.char_time_s

    async def write(self, data: bytes) -> None:
        """See hal.api.Port."""
        await self._port.write(data)

    async def read(self, timeout_s: float, expected: int = 1) -> bytes:
        """See hal.api.Port."""
        return await self._port.read(timeout_s, expected)

    def discard_input(self) -> None:
        """See hal.api.Port."""
        self._port.discard_input()

    def reconfigure(self, baud: int) -> None:
        """See hal.api.Port."""
        self._port.reconfigure(baud)

    async def close(self) -> None:
        """Close the port and end the simulation."""
        await self._port.close()
        await self.simulation.stop()


async def open_sim_port(url: str, *, baud: int, character_format: CharacterFormat) -> SimPort:
    """Start what `url` describes and open a port to it; PortError("port.setting") for a wrong URL."""
    try:
        spec = _read_url(url, baud, character_format)
        simulation = _build(spec)
    except ValueError as error:
        example = "sim://modbus-rtu?meter=eastron-sdm630@1:12345678"
        raise PortError("port.setting", f"{url}: {error}; an example that works: {example}") from error
    try:
        if isinstance(simulation, SimTcpServer):
            await simulation.start()
            return SimPort(await open_tcp_port("127.0.0.1", simulation.port), simulation)
        simulation.start()
        port = open_serial_port(simulation.path, baud=baud, character_format=character_format)
    except BaseException:
        await simulation.stop()
        raise
    return SimPort(port, simulation)


def _read_url(url: str, baud: int, character_format: str) -> _Spec:
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query, strict_parsing=True)
    options = {key: value for key, value in pairs if key != "meter"}
    if unknown := sorted(options.keys() - _KEYS):
        raise ValueError(f"unknown keys {unknown}; known are meter, {', '.join(sorted(_KEYS))}")
    return _Spec(
        kind=parts.netloc,
        meters=[_read_meter(value) for key, value in pairs if key == "meter"],
        baud=int(options.get("baud", baud)),
        character_format=options.get("format", character_format),
        seed=int(options.get("seed", "0")),
        turnaround_s=float(options.get("turnaround_ms", TURNAROUND_DEFAULT_MS)) / 1000,
        period_ms=int(options.get("period_ms", PERIOD_DEFAULT_MS)),
        read_out_baud=int(options.get("read_out_baud", READ_OUT_BAUD_DEFAULT)),
        faults=_read_faults(options),
        log=_open_log(Path(options["log"])) if "log" in options else None,
        framing=options.get("framing", "hdlc"),
        encrypted=options.get("encrypted", "0") == "1",
    )


def _read_faults(options: dict[str, str]) -> LineFaults:
    given: dict[str, Any] = {name: float(options[name]) for name in _PROBABILITIES & options.keys()}
    return LineFaults(**given)


def _read_meter(text: str) -> tuple[str, int, str]:
    """`PROFILE@UNIT:SERIAL`, of which unit and serial number may be left out."""
    place, _, serial = text.partition(":")
    profile, _, unit = place.partition("@")
    return profile, int(unit or "1"), serial


def _build(spec: _Spec) -> Simulation:
    if not spec.meters:
        raise ValueError("no meter=...")
    if spec.kind == "d0":
        return _build_head(spec)
    if spec.kind == "mbus":
        return _build_loop(spec)
    if spec.kind in PUSH_KINDS:
        return SimPushLine(
            _make_pusher(spec),
            period_ms=spec.period_ms,
            elapsed_ms=_boot_ms,
            baud=spec.baud,
            character_format=spec.character_format,
            faults=spec.faults,
            seed=spec.seed,
        )
    return _build_modbus(spec)


def _build_head(spec: _Spec) -> SimHead:
    several = len(spec.meters) > 1
    stations = [
        _make_meter(spec, *named).station(
            _boot_ms, read_out_baud=spec.read_out_baud, address=str(named[1]) if several else ""
        )
        for named in spec.meters
    ]
    return SimHead(
        lambda: answer_several(stations, initial_baud=spec.baud),
        character_format=spec.character_format,
        faults=spec.faults,
        seed=spec.seed,
    )


def _build_modbus(spec: _Spec) -> SimTcpServer | SimLine:
    meters = {unit: _make_meter(spec, profile, unit, serial) for profile, unit, serial in spec.meters}
    devices = ModbusSimulation(meters, _boot_ms)
    if spec.kind == "modbus-tcp":
        return SimTcpServer(
            lambda: TcpServer(devices.answer, devices.identify),
            turnaround_s=spec.turnaround_s,
            faults=spec.faults,
            seed=spec.seed,
        )
    if spec.kind == "modbus-rtu-tcp":
        return SimTcpServer(
            lambda: RtuServer(devices.answer, devices.identify),
            turnaround_s=spec.turnaround_s,
            faults=spec.faults,
            seed=spec.seed,
            passes_line=True,
        )
    if spec.kind in ("modbus-rtu", "modbus-ascii"):
        server = RtuServer if spec.kind == "modbus-rtu" else AsciiServer
        return SimLine(
            server(devices.answer, devices.identify),
            baud=spec.baud,
            character_format=spec.character_format,
            turnaround_s=spec.turnaround_s,
            faults=spec.faults,
            seed=spec.seed,
        )
    kinds = ("modbus-rtu", "modbus-ascii", "modbus-tcp", "modbus-rtu-tcp", "d0", "mbus", *PUSH_KINDS)
    known = ", ".join(kinds)
    raise ValueError(f"unknown kind {spec.kind!r}; known are {known}")


def _make_pusher(spec: _Spec) -> Pusher:
    meter = _make_meter(spec, *spec.meters[0])
    if spec.kind != "dlms-push":
        return meter
    from hal.sim.dlms import DlmsPusher

    return DlmsPusher(meter, framing=spec.framing, encrypted=spec.encrypted)


def _build_loop(spec: _Spec) -> SimMbusLine:
    """An M-Bus loop; how long each meter takes to answer comes from the seed, too."""
    chance = random.Random(spec.seed)
    meters = [
        SimMbusMeter(_profile(name), serial, primary, spec.seed, _boot_ms, spec.log)
        for name, primary, serial in spec.meters
    ]
    stations = [LoopMeter(meter.station(spec.baud), usual_turnaround_bits(chance)) for meter in meters]
    return SimMbusLine(MbusLoop(stations), baud=spec.baud, faults=spec.faults, seed=spec.seed)


def _profile(name: str) -> DeviceProfile:
    known = catalogue()
    if name not in known:
        raise ValueError(f"no device profile {name!r}; known are {', '.join(sorted(known))}")
    return known[name]


def _make_meter(spec: _Spec, profile: str, _unit: int, serial: str) -> SimMeter:
    default = SML_SERIAL_DEFAULT if spec.kind == "sml" else SERIAL_DEFAULT
    return SimMeter(_profile(profile), serial or default, spec.seed, spec.log)


def _open_log(path: Path) -> Callable[[SimRead], None]:
    """Each line is appended at once, so that the log outlives a killed process."""

    def write(read: SimRead) -> None:
        line = json.dumps(read._asdict(), separators=(",", ":")) + "\n"
        with path.open("a", encoding="utf-8") as file:
            if file.tell() < LOG_BYTES_MAX:
                file.write(line)

    return write


def _boot_ms() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
