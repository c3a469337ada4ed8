"""The example sites of `config/sites/`, each turned into one that runs without its hardware.

Rules that keep it so:
- A site's own meters, profiles, addresses, serial numbers and streams; what changes are the lines' URLs
  (simulated ones, with byte times and faults), the way to the backend, and how often things are done.
- What was read once an hour at the site is read every few seconds here. Each interval that was shortened is
  told, and so is each stream of a person whose floor this undercuts: these are simulated meters, and the
  site's own file keeps its floor.
- A site's file is loaded as an installer's would be, beside its certificates: what `check-config` would
  refuse does not run here either.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

import msgspec

import config
from config.load import Gateway, Line, load_gateway
from config.model import BufferConfig, GatewayFile, MeterConfig, SlowPoints, StreamConfig, UplinkConfig
from config.streams import PERSONAL_INTERVAL_S_MIN

SITES_FOLDER: Final = Path(config.__file__).parent / "sites"
ENDLESS_S: Final = 60  # a run without an end is paced as one of this length
READS_MIN: Final = 5  # of the slowest meter in a run; the first and the last may lie outside of it
SEALS: Final = 8  # messages of each stream in a run
INTERVAL_S_MIN: Final = 2
PULSE_PERIOD_MS: Final = 700
OPT_IN: Final = "simulated meters, shortened by edge-agent demo"

# Seconds that a meter takes of its line: a read-out at 300 Bd with its wake-up; selecting and asking at
# 2400 Bd; and for registers a time of its own besides that of some 270 characters.
D0_S: Final = 8.0
MBUS_S: Final = 2.0
REGISTERS_S: Final = 0.2
REGISTERS_BITS: Final = 3_000

_WIRE_FAULTS = {"noise_before": 0.05, "noise_after": 0.05, "flip": 0.02, "silence": 0.01, "split": 0.05}
_FAULTS: dict[str, dict[str, float]] = {
    "modbus-rtu": {**_WIRE_FAULTS, "echo": 0.05},
    "modbus-ascii": {**_WIRE_FAULTS, "echo": 0.05},
    "modbus-rtu-tcp": _WIRE_FAULTS,
    "modbus-tcp": {"silence": 0.01, "split": 0.1},
    "mbus": {"noise_before": 0.02, "flip": 0.02, "silence": 0.02, "split": 0.05},
    "d0": {"noise_before": 0.03, "echo": 0.2, "split": 0.05},
    "s0": {"bounce": 0.5, "glitch": 0.3},
}
_PUSH_FAULTS = {"noise_before": 0.05, "flip": 0.05, "silence": 0.03, "split": 0.1}


class Shortened(NamedTuple):
    """An interval of a meter in its site's file, and here. `what`: the meter, or "meter (slow points)"."""

    what: str
    interval_s: int
    demo_s: int


@dataclass(frozen=True, slots=True)
class SitePlan:
    """A site that can run here. `speed`: by what intervals are divided, as far as the lines stand it.
    `overridden`: streams of a person that are read oftener than their floor allows. `logs`: where the meters
    write down what they gave out, a file for each line."""

    name: str
    about: str
    file: GatewayFile
    speed: float
    intervals: tuple[Shortened, ...]
    overridden: tuple[str, ...]
    logs: Path

    def as_text(self) -> str:
        """What is simulated and what was shortened, for people."""
        rows = [f"{self.name}: {self.about}", "All meters are simulated, with faults on their lines."]
        rows.append(f"Time runs faster: intervals are divided by up to {self.speed:g}.")
        pairs = dict.fromkeys((each.interval_s, each.demo_s) for each in self.intervals)
        for interval_s, demo_s in pairs:
            names = [each.what for each in self.intervals if each[1:] == (interval_s, demo_s)]
            rows.append(f"  {interval_s:>6} s at the site, {demo_s} s here: {', '.join(names)}")
        if self.overridden:
            streams = ", ".join(self.overridden)
            rows.append(
                f"Personal data: {streams} would not be read this often ({PERSONAL_INTERVAL_S_MIN} s at"
                " least). The demo may: nobody lives behind simulated meters."
            )
        return "\n".join(rows)


def site_names() -> dict[str, str]:
    """The sites by name, each with the first sentence of its file; without those simulated already."""
    texts = {path.stem: path.read_text() for path in sorted(SITES_FOLDER.glob("*.toml"))}
    return {name: _first_sentence(text) for name, text in texts.items() if '"sim://' not in text}


def _first_sentence(text: str) -> str:
    """What stands at the head of a file, up to its first full stop."""
    head = " ".join(line.lstrip("# ") for line in text.partition("\n#\n")[0].splitlines())
    return head.partition(". ")[0].rstrip(".") + "."


def sites_as_text(name: str) -> str:
    """The list of sites for whoever named none, or one that is not there; empty where `name` is one."""
    known = site_names()
    if name in known:
        return ""
    head = f'There is no site "{name}". ' if name else ""
    rows = [f"  {each:<20} {about}" for each, about in known.items()]
    return "\n".join([f"{head}edge-agent demo --site NAME runs one of these on simulated meters:", *rows])


def load_site(
    name: str, folder: Path, *, ca: Path, certificate: Path, key: Path, backend_key: Path
) -> Gateway:
    """The site as it stands, in `folder`, beside certificates. ConfigError where it is not good."""
    (folder / "tls").mkdir(parents=True, exist_ok=True)
    shutil.copy(SITES_FOLDER / f"{name}.toml", folder / "gateway.toml")
    files = {"ca.pem": ca, "gateway.pem": certificate, "gateway.key": key, "backend.pub": backend_key}
    for file_name, source in files.items():
        link = folder / "tls" / file_name
        link.unlink(missing_ok=True)
        link.symlink_to(source)
    return load_gateway(folder / "gateway.toml")


def plan_site(name: str, gateway: Gateway, *, seconds: int, logs: Path) -> SitePlan:
    """How the site runs for `seconds` (0: without an end). [gateway] and [uplink] are left to the world."""
    length_s = seconds or ENDLESS_S
    file = gateway.file
    slowest_s = max(meter.interval_of_s(q) for meter in file.meters for q in _quantities(meter))
    speed = max(1.0, slowest_s / max(INTERVAL_S_MIN, length_s // READS_MIN))
    floors_s = {line.config.id: _line_floor_s(line) for line in gateway.lines}
    meters = tuple(_faster(meter, speed, floors_s[meter.line]) for meter in file.meters)
    seal_s = max(INTERVAL_S_MIN, length_s // SEALS)
    overridden = tuple(stream.id for stream in file.streams if _is_undercut(stream, meters))
    streams = tuple(
        msgspec.structs.replace(
            stream, batch_interval_s=seal_s, opt_in=OPT_IN if stream.id in overridden else stream.opt_in
        )
        for stream in file.streams
    )
    lines = tuple(
        msgspec.structs.replace(line.config, url=simulated_url(line, file.meters, logs, seed))
        for seed, line in enumerate(gateway.lines)
    )
    plan_file = msgspec.structs.replace(
        file,
        uplink=msgspec.structs.replace(file.uplink, batch_interval_s=seal_s),
        lines=lines,
        meters=meters,
        streams=streams,
        buffer=BufferConfig(size_bytes_max=file.buffer.size_bytes_max, flush_interval_s=1.0),
    )
    intervals = tuple(_shortened(file.meters, meters))
    return SitePlan(name, site_names()[name], plan_file, speed, intervals, overridden, logs)


def with_world(plan: SitePlan, *, folder: Path, uplink: dict[str, Any]) -> GatewayFile:
    """The plan's file with a state folder, a socket and a way to the backend of this machine."""
    file = plan.file
    head = msgspec.structs.replace(
        file.gateway, state_folder=str(folder / "state"), socket=str(folder / "agent.sock"), clock="operator"
    )
    way = UplinkConfig(batch_interval_s=file.uplink.batch_interval_s, spread=False, keepalive_s=20, **uplink)
    return msgspec.structs.replace(file, gateway=head, uplink=way)


def encode_toml(file: GatewayFile) -> str:
    """The file as TOML; JSON's scalars and arrays are TOML's, too."""
    text = "# Written by `edge-agent demo`. Every key is explained in docs/configuration.md.\n"
    for name, value in msgspec.to_builtins(file).items():
        tables = [value] if isinstance(value, dict) else value or []
        head = f"[{name}]" if isinstance(value, dict) else f"[[{name}]]"
        for table in tables:
            rows = [f"{key} = {_toml(each)}\n" for key, each in table.items() if each is not None]
            text += f"\n{head}\n{''.join(rows)}"
    return text


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + " }"
    return json.dumps(value)


def simulated_url(line: Line, meters: Sequence[MeterConfig], logs: Path, seed: int) -> str:
    """A URL that simulates the line with its meters (hal/sim/port.py, hal/sim/pulses.py)."""
    protocol = line.config.protocol
    through_tcp = protocol == "modbus-rtu" and line.config.url.startswith("tcp:")
    kind = "modbus-rtu-tcp" if through_tcp else protocol
    options: list[tuple[str, object]] = [("seed", seed + 1), *_FAULTS.get(kind, _PUSH_FAULTS).items()]
    if kind == "s0":
        return f"sim://s0?{urlencode([('period_ms', PULSE_PERIOD_MS + 100 * seed), *options])}"
    options += [("meter", _simulated_meter(meters[place], place)) for place in line.meters]
    options += [("log", logs / f"{line.config.id}.jsonl")]
    if kind == "d0":
        options.append(("read_out_baud", 2400))
    return f"sim://{kind}?{urlencode(options, safe='/@:')}"


def serial_of(meter: MeterConfig, place: int) -> str:
    """The serial number of a simulated meter: its own, or one of the demo where its site states none."""
    return meter.serial or f"{90_000_000 + place}"


def _simulated_meter(meter: MeterConfig, place: int) -> str:
    if meter.secondary:
        return f"{meter.profile}:{meter.secondary}"
    return f"{meter.profile}@{meter.address}:{serial_of(meter, place)}"


def _line_floor_s(line: Line) -> int:
    """How often a line can be read at most, with time left for faults."""
    each_s = {"d0": D0_S, "mbus": MBUS_S, "s0": 0.0}.get(line.config.protocol)
    if each_s is None:
        each_s = 0.0 if line.config.url.startswith("tcp:") else REGISTERS_S + REGISTERS_BITS / line.baud
    return max(INTERVAL_S_MIN, round(each_s * len(line.meters)))


def _faster(meter: MeterConfig, speed: float, floor_s: int) -> MeterConfig:
    interval_s = min(meter.interval_s, max(floor_s, round(meter.interval_s / speed)))
    slow = meter.slow
    if slow is not None:
        times = max(2, round(slow.interval_s / speed / interval_s))
        slow = SlowPoints(interval_s=times * interval_s, quantities=slow.quantities)
    return msgspec.structs.replace(
        meter,
        interval_s=interval_s,
        slow=slow,
        offset_s=meter.offset_s % interval_s,
        interval_floor_waived="",
    )


def _shortened(before: Sequence[MeterConfig], after: Sequence[MeterConfig]) -> list[Shortened]:
    found = []
    for old, new in zip(before, after, strict=True):
        found.append(Shortened(old.id, old.interval_s, new.interval_s))
        if old.slow is not None and new.slow is not None:
            found.append(Shortened(f"{old.id} (slow points)", old.slow.interval_s, new.slow.interval_s))
    return sorted(found, key=lambda each: each[1:])


def _is_undercut(stream: StreamConfig, meters: Sequence[MeterConfig]) -> bool:
    mine = [meter for meter in meters if meter.id in stream.meters]
    return stream.personal and any(meter.interval_s < PERSONAL_INTERVAL_S_MIN for meter in mine)


def _quantities(meter: MeterConfig) -> tuple[str, ...]:
    """At least one name, and all of the slow ones."""
    return ("", *(meter.slow.quantities if meter.slow is not None else ()))
