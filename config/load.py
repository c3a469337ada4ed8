"""Reads the file of one gateway and judges it: all problems at once, or a gateway that can run.

What is checked here is what can be known without touching hardware or network: a port that is missing
or a broker that does not answer is an operating condition, not a mistake in the file. Files that the
uplink needs are looked at, because an agent that cannot sign in is of no use to anybody.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import ipaddress
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

import msgspec

from config.catalogue import METERS_FOLDER, judge_constant, load_profile, profile_names, site_profiles
from config.cellular import judge_modem
from config.keys import KeyFile, Keys, find_key_file, load_keys
from config.model import CharacterFormat, GatewayFile, LineConfig, MeterConfig, MeterOption, SlowPoints
from config.problems import ConfigError, Judge, Problem, choices, format_problems, names_of, suggestion
from config.profile import DeviceProfile, Link
from config.pulse_input import read_gpio_url

__all__ = ["ConfigError", "Gateway", "Line", "Problem", "format_problems", "load_gateway", "parse_time_ms"]

ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
ID_RIGHT = "1 to 64 letters a-z, digits, dots, dashes and underscores, beginning with a letter or digit"
SCHEMES = {
    "modbus-rtu": ("serial", "rfc2217", "tcp", "sim"),
    "modbus-ascii": ("serial", "rfc2217", "tcp", "sim"),
    "modbus-tcp": ("tcp", "sim"),
    "sml": ("serial", "rfc2217", "tcp", "sim"),
    "d0": ("serial", "rfc2217", "tcp", "sim"),
    "d0-push": ("serial", "rfc2217", "tcp", "sim"),
    "p1": ("serial", "rfc2217", "tcp", "sim"),
    "dlms-push": ("serial", "rfc2217", "tcp", "sim"),
    "s0": ("gpio", "sim"),
    "mbus": ("serial", "rfc2217", "tcp", "sim"),
}
BAUDS = (300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
ADDRESSES = {
    "modbus-rtu": (1, 247),
    "modbus-ascii": (1, 247),
    "modbus-tcp": (0, 255),
    "mbus": (1, 250),  # EN 13757-2; 0 is what a meter has that was never given one
}  # serial line V1.02, 2.2; TCP guide V1.0b, 4.4.1.2
BUSES = ("modbus-rtu", "modbus-ascii", "mbus")
MBUS_LINK = Link(baud=2400, format="8E1")  # of a line whose meters are still to be found
ONE_METER = {  # protocols, and why just one
    "sml": "because it pushes",
    "d0-push": "because it pushes",
    "p1": "because it pushes",
    "dlms-push": "because it pushes",
    "s0": "whose pulses come in there",
}
DEVICE_ADDRESS = re.compile(r"[0-9A-Za-z ]{1,32}", re.ASCII)  # IEC 62056-21, 6.3.2
D0_PUSH_BAUD = 9600  # of meters in mode D, as EasyMeter Q3D; profiles state the rate at which one is asked
OPTIONS: dict[MeterOption, str] = {"dzg-sign": "sml"}  # of meters, and the protocol that has them
ASCII_FORMAT: CharacterFormat = "7E1"  # serial line V1.02, 2.5.2: 7 bits, even parity by default
INTERVAL_S_MAX = 86_400
REPLY_TIMEOUT_S_MAX = 60.0
FLUSH_INTERVAL_S_MIN = 0.1
SIZE_BYTES_MIN = 1024 * 1024
DIGEST_DIGITS = 16
CARD_ENDURANCE_GB_MAX = 10_000_000
KEEPALIVE_S_MAX = 65_535  # MQTT 5, 3.1.2.10: two bytes
TOPIC_BYTES_MAX = 200
SOCKET_PATH_BYTES_MAX = 107  # sockaddr_un, sun_path
PEM_SIZE_BYTES_MAX = 64 * 1024
OTHERS_MODE = 0o007


class Line(NamedTuple):
    """A line with what its meters' profiles add: no setting is open any more.

    `meters` are places in `Gateway.file.meters`. `gap_s`: the longest silence that one of its meters
    wants before a request, on top of what the protocol asks.
    """

    config: LineConfig
    meters: tuple[int, ...]
    baud: int
    format: CharacterFormat
    reply_timeout_s: float
    gap_s: float


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway's file that was judged good. Paths are absolute; profiles are those that meters use.

    `digest`: the first 16 digits of the SHA-256 of the file (as sha256sum tells it), with the site's own
    profiles behind it."""

    file: GatewayFile
    folder: Path
    profiles: dict[str, DeviceProfile]
    lines: tuple[Line, ...]
    state_folder: Path
    socket: Path
    ca: Path
    certificate: Path
    key: Path
    backend_key: Path
    key_file: KeyFile | None
    keys: Keys
    digest: str

    def profile_of(self, meter: MeterConfig) -> DeviceProfile:
        """The device profile of a meter of this gateway."""
        return self.profiles[meter.profile]


def load_gateway(path: Path, *, with_keys: bool = True) -> Gateway:
    """The gateway that `path` describes; ConfigError with every problem of it, of its profiles and of the
    file with the meters' keys. `with_keys` False leaves that file alone: it is about to be written."""
    path = path.absolute()
    judge = Judge(str(path))
    data = judge.read_toml(path)
    if data is None:
        raise ConfigError(judge.problems)
    file = judge.table(GatewayFile, data)
    wheres = [f"[[meter]] {name}" for name in names_of([{"id": meter.id} for meter in file.meters])]
    profiles, broken = _load_profiles(judge, file, wheres, path.parent)
    file = _with_numbers_of_addresses(_with_factory_addresses(file, data, profiles))
    file = _with_daily_reads(file, data)
    _judge_gateway(judge, file, path.parent)
    _judge_uplink(judge, file, path.parent)
    _judge_buffer(judge, file)
    if file.modem is not None:
        judge_modem(judge, file.modem, path.parent)
    _judge_lines(judge, file, profiles)
    for where, meter in zip(wheres, file.meters, strict=True):
        _judge_meter(judge, where, meter, file, profiles)
    _judge_twice(judge, wheres, "id", [meter.id for meter in file.meters], "an id that no other meter has")
    _judge_addresses(judge, file, wheres)
    if file.streams:
        _judge_streams(judge, file)
    key_file = find_key_file(path.parent, file.gateway.keys, os.environ)
    keys, unusable = _load_keys(key_file) if with_keys else (Keys(), [])
    if with_keys and not unusable:
        _judge_keys(judge, file, keys, key_file, profiles)
    if judge.problems or broken or unusable:
        raise ConfigError([*_in_file_order(judge.problems, file), *broken, *unusable])
    return _gateway(file, path.parent, profiles, key_file, keys, _digest(path))


def _digest(path: Path) -> str:
    parts = [path, *site_profiles(path.parent).values()]
    return hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()[:DIGEST_DIGITS]


def parse_time_ms(text: str) -> int | None:
    """RFC 3339 date-time as UTC in ms since 1970, None for ""; ValueError without an offset to UTC."""
    if not text:
        return None
    time = dt.datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"{text} names no offset to UTC")
    return round((time - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) / dt.timedelta(milliseconds=1))


def _in_file_order(problems: Sequence[Problem], file: GatewayFile) -> list[Problem]:
    """The problems by section, then by table: what belongs together is told together."""
    lines = names_of([{"id": line.id} for line in file.lines])
    meters = names_of([{"id": meter.id} for meter in file.meters])
    sections = ["[gateway]", "[uplink]", "[buffer]", "[modem]"]
    sections += [f"[[line]] {name}" for name in lines] + [f"[[meter]] {name}" for name in meters]
    sections += [f"[[stream]] {name}" for name in names_of([{"id": stream.id} for stream in file.streams])]

    def place(problem: Problem) -> int:
        inside = [n for n, head in enumerate(sections) if f"{problem.key} ".startswith(f"{head} ")]
        return max(inside, key=lambda n: len(sections[n]), default=-1)

    return sorted(problems, key=place)


def _gateway(
    file: GatewayFile,
    folder: Path,
    profiles: dict[str, DeviceProfile],
    key_file: KeyFile | None,
    keys: Keys,
    digest: str,
) -> Gateway:
    uplink = file.uplink
    return Gateway(
        file=file,
        folder=folder,
        profiles=profiles,
        lines=tuple(_line(line, file, profiles) for line in file.lines),
        state_folder=folder / file.gateway.state_folder,
        socket=folder / file.gateway.socket,
        ca=folder / uplink.ca,
        certificate=folder / uplink.certificate,
        key=folder / uplink.key,
        backend_key=folder / uplink.backend_key,
        key_file=key_file,
        keys=keys,
        digest=digest,
    )


def _line(line: LineConfig, file: GatewayFile, profiles: dict[str, DeviceProfile]) -> Line:
    """The line with its open settings taken from its meters' profiles."""
    places = tuple(place for place, meter in enumerate(file.meters) if meter.line == line.id)
    used = [profiles[file.meters[place].profile] for place in places] or [
        _NO_MBUS_METERS if line.protocol == "mbus" else _NO_METERS
    ]
    return Line(
        config=line,
        meters=places,
        baud=line.baud or (D0_PUSH_BAUD if line.protocol == "d0-push" else used[0].link.baud),
        format=line.format or (ASCII_FORMAT if line.protocol == "modbus-ascii" else used[0].link.format),
        reply_timeout_s=line.reply_timeout_s or max(profile.limits.reply_timeout_s for profile in used),
        gap_s=max(profile.limits.gap_s for profile in used),
    )


_NO_METERS = DeviceProfile(name="", maker="", products=(), medium="none", protocol="modbus", evidence={})
_NO_MBUS_METERS = msgspec.structs.replace(_NO_METERS, protocol="mbus", link=MBUS_LINK)


def _load_profiles(
    judge: Judge, file: GatewayFile, wheres: Sequence[str], folder: Path
) -> tuple[dict[str, DeviceProfile], list[Problem]]:
    """The profiles that meters name, of the catalogue or the site's own, and the problems within those."""
    profiles: dict[str, DeviceProfile] = {}
    broken: list[Problem] = []
    try:
        of_site = site_profiles(folder)
    except ConfigError as error:
        of_site, broken = {}, error.problems
    known = [*profile_names(), *of_site]
    for name in dict.fromkeys(meter.profile for meter in file.meters):
        if name not in known:
            for where, meter in zip(wheres, file.meters, strict=True):
                if meter.profile == name:
                    right = f"a profile of the catalogue: {choices(known)}{suggestion(name, known)}"
                    judge.say(f"{where} profile", name, right)
            continue
        try:
            profiles[name] = load_profile(of_site.get(name, METERS_FOLDER / f"{name}.toml"))
        except ConfigError as error:
            broken += error.problems
    return profiles, broken


def _with_factory_addresses(
    file: GatewayFile, data: dict[str, Any], profiles: dict[str, DeviceProfile]
) -> GatewayFile:
    """The file with the factory's unit id for each meter that states no address."""
    tables = data.get("meter")
    if not isinstance(tables, list):
        return file
    meters = [
        msgspec.structs.replace(meter, address=profiles[meter.profile].link.address)
        if isinstance(table, dict) and "address" not in table and meter.profile in profiles
        else meter
        for table, meter in zip(tables, file.meters, strict=True)
    ]
    return msgspec.structs.replace(file, meters=tuple(meters))


def _with_numbers_of_addresses(file: GatewayFile) -> GatewayFile:
    """The file with the serial number of each meter whose secondary address has it."""
    meters = [
        msgspec.structs.replace(meter, serial=meter.secondary.strip()[:8])
        if meter.secondary and not meter.serial
        else meter
        for meter in file.meters
    ]
    return msgspec.structs.replace(file, meters=tuple(meters))


def _with_daily_reads(file: GatewayFile, data: dict[str, Any]) -> GatewayFile:
    """The file with a read a day for each meter of a person that states no interval_s."""
    personal = {name for stream in file.streams if stream.personal for name in stream.meters}
    tables = data.get("meter")
    if not personal or not isinstance(tables, list):
        return file
    meters = [
        msgspec.structs.replace(meter, interval_s=INTERVAL_S_MAX)
        if meter.id in personal and isinstance(table, dict) and "interval_s" not in table
        else meter
        for table, meter in zip(tables, file.meters, strict=True)
    ]
    return msgspec.structs.replace(file, meters=tuple(meters))


def _judge_gateway(judge: Judge, file: GatewayFile, folder: Path) -> None:
    gateway = file.gateway
    _judge_id(judge, "[gateway] id", gateway.id)
    if not gateway.state_folder:
        judge.say("[gateway] state_folder", gateway.state_folder, 'a folder, as "/var/lib/edge-agent"')
    socket = str(folder / gateway.socket)
    if not gateway.socket or len(socket.encode()) > SOCKET_PATH_BYTES_MAX:
        right = f"a path of at most {SOCKET_PATH_BYTES_MAX} bytes; Linux takes no longer one ({socket})"
        judge.say("[gateway] socket", gateway.socket, right)


def _judge_uplink(judge: Judge, file: GatewayFile, folder: Path) -> None:
    uplink = file.uplink
    parts = _judge_uplink_url(judge, uplink.url)
    if parts is not None and parts.scheme == "mqtts":
        _judge_pem(judge, "[uplink] ca", folder, uplink.ca, "CERTIFICATE")
        _judge_pem(judge, "[uplink] certificate", folder, uplink.certificate, "CERTIFICATE")
        _judge_pem(judge, "[uplink] key", folder, uplink.key, "PRIVATE KEY")
        _judge_secret(judge, "[uplink] key", folder, uplink.key)
    if uplink.free_on == "receipt" or uplink.backend_key:
        _judge_pem(judge, "[uplink] backend_key", folder, uplink.backend_key, "PUBLIC KEY")
    _judge_topic(judge, "[uplink] topic_up", uplink.topic_up)
    _judge_topic(judge, "[uplink] topic_down", uplink.topic_down)
    if uplink.topic_up == uplink.topic_down:
        judge.say("[uplink] topic_down", uplink.topic_down, "another topic than topic_up")
    _judge_range(judge, "[uplink] keepalive_s", uplink.keepalive_s, 5, KEEPALIVE_S_MAX)
    _judge_range(judge, "[uplink] batch_interval_s", uplink.batch_interval_s, 1, INTERVAL_S_MAX)


def _load_keys(key_file: KeyFile | None) -> tuple[Keys, list[Problem]]:
    """The meters' keys, and the problems of their file."""
    if key_file is None:
        return Keys(), []
    try:
        return load_keys(key_file.path, is_credential=key_file.is_credential), []
    except ConfigError as error:
        return Keys(), error.problems


def _judge_keys(
    judge: Judge,
    file: GatewayFile,
    keys: Keys,
    key_file: KeyFile | None,
    profiles: dict[str, DeviceProfile],
) -> None:
    """Each meter that always encrypts has a key, and each key a meter that may."""
    meters = {meter.id: meter for meter in file.meters}
    where = str(key_file.path) if key_file else 'the file that [gateway] keys names, as "meter-keys.toml"'
    for meter in file.meters:
        profile = profiles.get(meter.profile)
        if profile is not None and profile.encryption == "always" and keys.of(meter.id).key is None:
            right = f"a key in {where}: meters of this profile encrypt; edge-agent import-keys writes it"
            judge.say(f'[[meter]] "{meter.id}" key', None, right)
    for name in keys.meters:
        profile = profiles.get(meters[name].profile) if name in meters else None
        if name not in meters:
            right = f"a meter of this gateway: {choices(meters)}{suggestion(name, meters)}"
            judge.problems.append(Problem(where, f'[[meter]] "{name}"', "", right))
        elif profile is not None and profile.encryption == "never":
            right = f"left out: meters of profile {profile.name} do not encrypt"
            judge.problems.append(Problem(where, f'[[meter]] "{name}"', "", right))


def _judge_uplink_url(judge: Judge, url: str) -> SplitResult | None:
    """mqtts:// anywhere, mqtt:// to this machine only, and neither with a password in it."""
    right = 'mqtts://HOST or mqtts://HOST:PORT, as "mqtts://broker.example:8883"'
    parts = _split(url)
    if parts is None or parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
        judge.say("[uplink] url", url, right)
    elif parts.path not in ("", "/") or parts.query or parts.fragment or parts.username or parts.password:
        judge.say("[uplink] url", url, f"{right}; nothing else, the certificate says who signs in")
    elif parts.scheme == "mqtt" and not _is_loopback(parts.hostname):
        judge.say(
            "[uplink] url", url, f"mqtts://{parts.hostname}: unencrypted only to 127.0.0.1, ::1 or localhost"
        )
    else:
        return parts
    return None


def _judge_buffer(judge: Judge, file: GatewayFile) -> None:
    buffer = file.buffer
    if buffer.card_endurance_gb is not None:
        endurance_gb = buffer.card_endurance_gb
        _judge_range(judge, "[buffer] card_endurance_gb", endurance_gb, 1, CARD_ENDURANCE_GB_MAX)
    if buffer.size_bytes_max < SIZE_BYTES_MIN:
        judge.say("[buffer] size_bytes_max", buffer.size_bytes_max, f"at least {SIZE_BYTES_MIN} (bytes)")
    batch_s = file.uplink.batch_interval_s
    if judge.is_bad("[uplink] batch_interval_s"):
        return
    if not FLUSH_INTERVAL_S_MIN <= buffer.flush_interval_s < batch_s:
        right = (
            f"{FLUSH_INTERVAL_S_MIN} or more, and less than [uplink] batch_interval_s = {batch_s} (seconds)"
        )
        judge.say("[buffer] flush_interval_s", buffer.flush_interval_s, right)


def _judge_streams(judge: Judge, file: GatewayFile) -> None:
    from config.streams import judge_streams  # most gateways have none

    wheres = [f"[[stream]] {name}" for name in names_of([{"id": stream.id} for stream in file.streams])]
    for where, stream in zip(wheres, file.streams, strict=True):
        _judge_id(judge, f"{where} id", stream.id)
        if stream.batch_interval_s is not None:
            least = max(1, int(file.buffer.flush_interval_s) + 1)
            _judge_range(judge, f"{where} batch_interval_s", stream.batch_interval_s, least, INTERVAL_S_MAX)
    _judge_twice(
        judge, wheres, "id", [stream.id for stream in file.streams], "an id that no other stream has"
    )
    judge_streams(judge, file, wheres, size_bytes_min=SIZE_BYTES_MIN)


def _judge_lines(judge: Judge, file: GatewayFile, profiles: dict[str, DeviceProfile]) -> None:
    wheres = [f"[[line]] {name}" for name in names_of([{"id": line.id} for line in file.lines])]
    _judge_twice(judge, wheres, "id", [line.id for line in file.lines], "an id that no other line has")
    _judge_twice(
        judge, wheres, "url", [line.url for line in file.lines], "a port of its own; one line has one master"
    )
    for where, line in zip(wheres, file.lines, strict=True):
        _judge_id(judge, f"{where} id", line.id)
        _judge_line_url(judge, where, line)
        if line.baud is not None and line.baud not in BAUDS:
            judge.say(f"{where} baud", line.baud, "one of " + ", ".join(map(str, BAUDS)))
        if line.reply_timeout_s is not None and not 0 < line.reply_timeout_s <= REPLY_TIMEOUT_S_MAX:
            right = f"more than 0, at most {REPLY_TIMEOUT_S_MAX:g} (seconds)"
            judge.say(f"{where} reply_timeout_s", line.reply_timeout_s, right)
        meters = [meter for meter in file.meters if meter.line == line.id and line.id]
        _judge_meter_count(judge, where, line, meters)
        if line.protocol == "modbus-rtu" and (line.format or "8").startswith("7"):
            judge.say(f"{where} format", line.format, "8 data bits, as 8E1: Modbus RTU sends whole bytes")
        if line.protocol != "modbus-tcp":
            _judge_link(judge, where, line, [profiles[m.profile] for m in meters if m.profile in profiles])


def _judge_meter_count(judge: Judge, where: str, line: LineConfig, meters: Sequence[MeterConfig]) -> None:
    """That a line has the meters that its protocol can tell apart."""
    if not line.id or judge.is_bad(f"{where} protocol"):
        return
    found = choices(meter.id for meter in meters) or "none"
    why_one = ONE_METER.get(line.protocol)
    if why_one and len(meters) != 1:
        judge.say(where, None, f"one meter on this line, {why_one}; now {found}")
    if line.protocol != "d0":
        return
    if not meters:
        judge.say(where, None, "a meter on this line; now none")
    nameless = choices(meter.id for meter in meters if not meter.device_address)
    if len(meters) > 1 and nameless:
        right = "one meter on this line, or each with its device_address: without one all answer at once"
        judge.say(where, None, f"{right}; now none for {nameless}")


def _judge_line_url(judge: Judge, where: str, line: LineConfig) -> None:
    allowed = SCHEMES[line.protocol]
    parts = _split(line.url)
    if parts is None or parts.scheme not in allowed:
        schemes = ", ".join(f"{scheme}://" for scheme in allowed)
        judge.say(f"{where} url", line.url, f"a URL that begins with one of {schemes} for {line.protocol}")
    elif parts.scheme == "gpio":
        try:
            read_gpio_url(line.url)
        except ValueError as error:
            judge.say(f"{where} url", line.url, str(error))
    elif parts.scheme == "serial" and (parts.netloc or not parts.path.startswith("/")):
        judge.say(
            f"{where} url", line.url, "serial:// and an absolute path, as serial:///dev/serial/by-path/..."
        )
    elif parts.scheme in ("tcp", "rfc2217") and (not parts.hostname or not parts.port):
        judge.say(
            f"{where} url", line.url, f"{parts.scheme}://HOST:PORT, as {parts.scheme}://192.168.1.20:502"
        )


def _judge_link(judge: Judge, where: str, line: LineConfig, profiles: Sequence[DeviceProfile]) -> None:
    """What the line leaves open comes from the profiles, if those agree."""
    bauds = {profile.name: str(profile.link.baud) for profile in profiles}
    formats = {profile.name: profile.link.format for profile in profiles}
    for key, given, factory in (("baud", line.baud, bauds), ("format", line.format, formats)):
        open_to_profiles = given is None and not (key == "format" and line.protocol == "modbus-ascii")
        if open_to_profiles and len(set(factory.values())) > 1:
            settings = ", ".join(f"{name} {setting}" for name, setting in factory.items())
            judge.say(
                f"{where} {key}", None, f"stated here: the meters' factory settings differ ({settings})"
            )


def _judge_meter(
    judge: Judge, where: str, meter: MeterConfig, file: GatewayFile, profiles: dict[str, DeviceProfile]
) -> None:
    _judge_id(judge, f"{where} id", meter.id)
    lines = {line.id: line for line in file.lines}
    line = lines.get(meter.line)
    if line is None:
        judge.say(
            f"{where} line",
            meter.line,
            f"the id of a [[line]]: {choices(lines)}{suggestion(meter.line, lines)}",
        )
    profile = profiles.get(meter.profile)
    if profile is not None:
        _judge_quantities(judge, where, meter, profile)
    if line is not None and not judge.is_bad(f'[[line]] "{line.id}" protocol'):
        _judge_on_line(judge, where, meter, line, profile)
    _judge_range(judge, f"{where} interval_s", meter.interval_s, 1, INTERVAL_S_MAX)
    if not judge.is_bad(f"{where} interval_s"):
        _judge_range(judge, f"{where} offset_s", meter.offset_s, 0, meter.interval_s - 1)
    if min(meter.ratio) < 1:
        judge.say(
            f"{where} ratio",
            list(meter.ratio),
            "two whole numbers from 1, as [100, 5]; [1, 1] without transformer",
        )
    _judge_time(judge, f"{where} valid_from", meter.valid_from)
    if meter.slow is not None and profile is not None:
        _judge_slow(judge, where, meter, meter.slow, profile)


def _judge_on_line(
    judge: Judge, where: str, meter: MeterConfig, line: LineConfig, profile: DeviceProfile | None
) -> None:
    if profile is not None and profile.protocol != line.protocol.partition("-")[0]:
        right = (
            f"a profile for {line.protocol}, as line {line.id} has; {profile.name} is for {profile.protocol}"
        )
        judge.say(f"{where} profile", meter.profile, right)
    if meter.pulses_per_unit and line.protocol == "s0":
        judge_constant(judge, f"{where} pulses_per_unit", meter.pulses_per_unit)
    elif meter.pulses_per_unit:
        judge.say(f"{where} pulses_per_unit", meter.pulses_per_unit, "left out: only an s0 line has pulses")
    _judge_device_address(judge, where, meter, line)
    _judge_channels(judge, where, meter, line)
    for option in meter.options:
        if line.protocol != OPTIONS[option]:
            judge.say(f"{where} options", list(meter.options), f"left out: {option} is for {OPTIONS[option]}")
    if line.protocol in ADDRESSES and (profile is None or meter.address != profile.link.address):
        _judge_range(judge, f"{where} address", meter.address, *ADDRESSES[line.protocol])
    if meter.secondary:
        _judge_secondary(judge, where, meter, line, profile)
    if profile is not None and not line.url.startswith("sim:"):
        _judge_floor(judge, where, meter, profile)


def _judge_device_address(judge: Judge, where: str, meter: MeterConfig, line: LineConfig) -> None:
    if not meter.device_address:
        return
    if line.protocol != "d0":
        right = "left out: only meters on d0 lines are called by one"
        judge.say(f"{where} device_address", meter.device_address, right)
    elif not DEVICE_ADDRESS.fullmatch(meter.device_address):
        right = "as on the meter's type plate, up to 32 digits, letters and blanks"
        judge.say(f"{where} device_address", meter.device_address, right)


def _judge_channels(judge: Judge, where: str, meter: MeterConfig, line: LineConfig) -> None:
    if meter.channels and line.protocol != "p1":
        judge.say(f"{where} channels", list(meter.channels), "left out: only p1 meters have M-Bus channels")
    elif len(set(meter.channels)) < len(meter.channels) or "" in meter.channels:
        right = 'serial numbers or channel numbers, each once, as ["G0012345", "2"]'
        judge.say(f"{where} channels", list(meter.channels), right)


def _judge_floor(judge: Judge, where: str, meter: MeterConfig, profile: DeviceProfile) -> None:
    """How often a meter may be read that each reading costs something, unless somebody says why this one."""
    floor_s = profile.limits.interval_s_min
    if meter.interval_floor_waived:
        if meter.interval_s >= floor_s:
            right = f"left out: with interval_s = {meter.interval_s} nothing is waived"
            judge.say(f"{where} interval_floor_waived", meter.interval_floor_waived, right)
    elif 1 <= meter.interval_s < floor_s:
        right = (
            f"{floor_s} or more (seconds): meters of this profile do not stand more reads; one that does, as "
            f"with mains supply, says so in interval_floor_waived"
        )
        judge.say(f"{where} interval_s", meter.interval_s, right)


def _judge_secondary(
    judge: Judge, where: str, meter: MeterConfig, line: LineConfig, profile: DeviceProfile | None
) -> None:
    from protocols.mbus.address import parse_secondary

    key = f"{where} secondary"
    if line.protocol != "mbus":
        judge.say(key, meter.secondary, "left out: only M-Bus meters have a secondary address")
        return
    if profile is not None and meter.address != profile.link.address:
        judge.say(f"{where} address", meter.address, "left out: the secondary address selects the meter")
    try:
        number = parse_secondary(meter.secondary).id
    except ValueError as error:
        judge.say(key, meter.secondary, f"{error}. A wildcard would read whichever meter happens to answer")
        return
    if meter.serial and meter.serial.lstrip("0") != number.lstrip("0"):
        right = f"{number}, as the secondary address has it, or left out"
        judge.say(f"{where} serial", meter.serial, right)


def _judge_quantities(judge: Judge, where: str, meter: MeterConfig, profile: DeviceProfile) -> None:
    offered = [entry.quantity for entry in profile.points] + [entry.quantity for entry in profile.objects]
    offered += [record.quantity for record in profile.records]
    offered += [profile.pulse.quantity] if profile.pulse is not None else []
    for number, name in enumerate(meter.quantities):
        key = f"{where} quantities"
        if name not in offered:
            right = f"what {profile.name} offers: {choices(offered)}{suggestion(name, offered)}"
            judge.problems.append(Problem(judge.file, key, f'"{name}"', right, judge.line_of(key)))
        elif name in meter.quantities[:number]:
            line = judge.line_of(key)
            judge.problems.append(Problem(judge.file, key, f'"{name}"', "each quantity once", line))


def _judge_slow(
    judge: Judge, where: str, meter: MeterConfig, slow: SlowPoints, profile: DeviceProfile
) -> None:
    """What is read less often: some of what is read at all, in every so many of the meter's slots."""
    if profile.protocol != "modbus":
        judge.say(f"{where} slow", None, f"left out: {profile.protocol} meters send all at once")
        return
    interval_s = meter.interval_s
    if slow.interval_s % max(1, interval_s) or not interval_s < slow.interval_s <= INTERVAL_S_MAX:
        right = f"a multiple of the meter's interval_s = {interval_s}, at most {INTERVAL_S_MAX} (seconds)"
        judge.say(f"{where} slow interval_s", slow.interval_s, right)
    read = list(dict.fromkeys(meter.quantities or [point.quantity for point in profile.points]))
    for name in slow.quantities:
        if name not in read:
            right = f"what is read of this meter: {choices(read)}{suggestion(name, read)}"
            judge.problems.append(Problem(judge.file, f"{where} slow quantities", f'"{name}"', right))
    if not slow.quantities or set(slow.quantities) >= set(read):
        right = "some of its quantities, and not all: those have interval_s"
        judge.say(f"{where} slow quantities", list(slow.quantities), right)


def _judge_addresses(judge: Judge, file: GatewayFile, wheres: Sequence[str]) -> None:
    """On a bus, two devices with one address answer at once; zeros before a D0 meter's do not count."""
    called: dict[tuple[str, str], str] = {}
    for where, meter in zip(wheres, file.meters, strict=True):
        if not meter.device_address or judge.is_bad(f"{where} device_address"):
            continue
        other = called.setdefault((meter.line, meter.device_address.lstrip("0")), where)
        if other != where:
            right = f"an address of its own on line {meter.line}; {other} has this one"
            judge.say(f"{where} device_address", meter.device_address, right)
    buses = {line.id for line in file.lines if line.protocol in BUSES}
    taken: dict[tuple[str, int | str], str] = {}
    for where, meter in zip(wheres, file.meters, strict=True):
        if meter.line not in buses or judge.is_bad(f"{where} address") or judge.is_bad(f"{where} line"):
            continue
        key, address = ("secondary", meter.secondary) if meter.secondary else ("address", meter.address)
        other = taken.setdefault((meter.line, address), where)
        if other != where:
            right = f"an address of its own on line {meter.line}; {other} has this one"
            judge.say(f"{where} {key}", address, right)


def _judge_twice(judge: Judge, wheres: Sequence[str], key: str, values: Sequence[str], right: str) -> None:
    for place, value in enumerate(values):
        if value and value in values[:place]:
            judge.say(f"{wheres[place]} {key}", value, right)


def _judge_id(judge: Judge, key: str, value: str) -> None:
    if not ID_PATTERN.fullmatch(value):
        judge.say(key, value, ID_RIGHT)


def _judge_range(judge: Judge, key: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        unit = " (seconds)" if key.endswith("_s") else ""
        judge.say(key, value, f"{least} to {most}{unit}")


def _judge_time(judge: Judge, key: str, text: str) -> None:
    try:
        parse_time_ms(text)
    except ValueError:
        judge.say(key, text, 'a time with its offset to UTC, as "2025-03-01T09:30:00+01:00"')


def _judge_topic(judge: Judge, key: str, topic: str) -> None:
    rest = topic.replace("{gateway}", "")
    if (
        rest == topic
        or set(rest) & set("+#{}\0")
        or topic.startswith("$")
        or len(topic.encode()) > TOPIC_BYTES_MAX
    ):
        right = 'a topic with {gateway} in it and without + # $, as "edge/v1/{gateway}/up"'
        judge.say(key, topic, right)


def _judge_pem(judge: Judge, key: str, folder: Path, name: str, content: str) -> None:
    """The file is there, can be read, and is what it should be."""
    path = folder / name
    try:
        with path.open("rb") as file:
            text = file.read(PEM_SIZE_BYTES_MAX)
    except OSError as error:
        judge.say(key, name, f"a file that can be read; {path}: {error.strerror}")
        return
    if not re.search(rb"-----BEGIN [A-Z ]*" + content.encode() + b"-----", text):
        judge.say(key, name, f"a PEM file with BEGIN {content} in it; {path} holds something else")


def _judge_secret(judge: Judge, key: str, folder: Path, name: str) -> None:
    path = folder / name
    if not judge.is_bad(key) and path.stat().st_mode & OTHERS_MODE:
        judge.say(key, name, f"a file that only the agent may read: chmod 600 {path}")


def _split(url: str) -> SplitResult | None:
    """The parts of a URL, or None where it is none."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # judged only when asked for
    except ValueError:
        return None
    return parts


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
