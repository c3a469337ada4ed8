"""The configuration of one gateway, as frozen structs; `config/load.py` reads and judges it.

A file holds `[gateway]`, `[uplink]`, `[buffer]`, and any number of `[[line]]` and `[[meter]]`. Unknown
keys are refused. Durations are seconds, sizes are bytes, and say so in their names.
"""

from __future__ import annotations

from typing import Literal

import msgspec

ClockTrust = Literal["kernel", "operator"]
LineProtocol = Literal["modbus-rtu", "modbus-ascii", "modbus-tcp", "sml", "d0", "d0-push", "p1", "s0"]
"""`d0` asks an IEC 62056-21 meter for its read-out, `d0-push` listens to one that sends by itself."""
MeterOption = Literal["dzg-sign"]
CharacterFormat = Literal["8N1", "8E1", "8O1", "8N2", "7E1", "7O1", "7N2"]


class GatewayConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[gateway]`. `clock`: "kernel" believes the wall clock only while the kernel calls it
    synchronised; "operator" states that this machine's clock is kept right by other means."""

    id: str
    state_folder: str = "/var/lib/edge-agent"
    socket: str = "/run/edge-agent/edge-agent.sock"
    clock: ClockTrust = "kernel"


class LineConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[line]]`: one physical segment with one master.

    `url` chooses the hardware: `serial:///dev/serial/by-path/...`, `tcp://host:502`, `sim://...`, for pulses
    `gpio:///dev/gpiochip0?line=17`.
    `baud` and `format` hold for serial lines; None takes the default of the first meter's profile, and
    7E1 for Modbus ASCII. A d0 line's `baud` is that of the sign-on (300), a d0-push line's defaults to 9600.
    `modbus-rtu` or `modbus-ascii` with `tcp://` is a serial server that passes
    characters on as they are; a gateway that translates speaks `modbus-tcp`.
    """

    id: str
    url: str
    protocol: LineProtocol
    baud: int | None = None
    format: CharacterFormat | None = None
    reply_timeout_s: float | None = None


class MeterConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[meter]]`: an installed device. `serial` empty: not known, nothing is compared.

    `pulses_per_unit`: a pulse meter's constant as on its type plate; empty: that of its profile.
    `quantities` empty: all points of the profile. `ratio`: transformer ratio, stated to the backend,
    never applied to values. `valid_from`: RFC 3339 date-time from which this device is the installed one.
    `options`: what this one meter does otherwise than its profile's others. "dzg-sign": its SML sends
    positive total power marked as signed, as a DZG DVS 7412 does.
    """

    id: str
    line: str
    profile: str
    address: int = 1
    metering_point: str = ""
    serial: str = ""
    interval_s: int = 60
    offset_s: int = 0
    quantities: tuple[str, ...] = ()
    pulses_per_unit: str = ""
    ratio: tuple[int, int] = (1, 1)
    valid_from: str = ""
    options: tuple[MeterOption, ...] = ()


class UplinkConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[uplink]`. Paths are relative to the configuration file's folder. `backend_key`: PEM public key
    with which the backend signs receipts. `free_on`: what frees a sealed message."""

    url: str
    ca: str
    certificate: str
    key: str
    backend_key: str
    topic_up: str = "edge/v1/{gateway}/up"
    topic_down: str = "edge/v1/{gateway}/down"
    mqtt_version: Literal["5", "3.1.1"] = "5"
    keepalive_s: int = 1200
    batch_interval_s: int = 900
    spread: bool = True
    free_on: Literal["receipt", "puback"] = "receipt"


class BufferConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[buffer]`. `size_bytes_max` bounds journal, outbox and side files together."""

    size_bytes_max: int = 256 * 1024 * 1024
    flush_interval_s: float = 10.0


class GatewayFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    gateway: GatewayConfig
    uplink: UplinkConfig
    lines: tuple[LineConfig, ...] = msgspec.field(default=(), name="line")
    meters: tuple[MeterConfig, ...] = msgspec.field(default=(), name="meter")
    buffer: BufferConfig = BufferConfig()
