"""The configuration of one gateway, as frozen structs; `config/load.py` reads and judges it.

A file holds `[gateway]`, `[uplink]`, `[buffer]`, any number of `[[line]]` and `[[meter]]`, and some
`[[stream]]`. Unknown keys are refused. Durations are seconds, sizes are bytes, and say so in their names.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from config.cellular import ModemConfig

ClockTrust = Literal["kernel", "operator"]
LineProtocol = Literal[
    "modbus-rtu", "modbus-ascii", "modbus-tcp", "sml", "d0", "d0-push", "p1", "dlms-push", "s0", "mbus"
]
"""`d0` asks an IEC 62056-21 meter for its read-out, `d0-push` listens to one that sends by itself,
`dlms-push` to a DLMS meter that does."""
MeterOption = Literal["dzg-sign"]
CharacterFormat = Literal["8N1", "8E1", "8O1", "8N2", "7E1", "7O1", "7N2"]


class GatewayConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[gateway]`. `clock`: "kernel" believes the wall clock only while the kernel calls it
    synchronised; "operator" states that this machine's clock is kept right by other means. `keys`: the file
    with the keys of meters that encrypt (config/keys.py), relative to the configuration file's folder."""

    id: str
    state_folder: str = "/var/lib/edge-agent"
    socket: str = "/run/edge-agent/edge-agent.sock"
    clock: ClockTrust = "kernel"
    keys: str = ""


class LineConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[line]]`: one physical segment with one master.

    `url` chooses the hardware: `serial:///dev/serial/by-path/...`, `tcp://host:502`, `sim://...`, for pulses
    `gpio:///dev/gpiochip0?line=17`.
    `baud` and `format` hold for serial lines; None takes the default of the first meter's profile, and
    7E1 for Modbus ASCII. A d0 line's `baud` is that of the sign-on (300), a d0-push line's defaults to 9600.
    An mbus line may have no meters yet: it can be searched, at 2400 8E1 where it states nothing else.
    `modbus-rtu` or `modbus-ascii` with `tcp://` is a serial server that passes
    characters on as they are; a gateway that translates speaks `modbus-tcp`.
    """

    id: str
    url: str
    protocol: LineProtocol
    baud: int | None = None
    format: CharacterFormat | None = None
    reply_timeout_s: float | None = None


class SlowPoints(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`slow` of a `[[meter]]`: quantities that are read less often than the meter's others. `interval_s`: a
    multiple of the meter's, so that every slow slot is one of the meter's and costs no round of its own."""

    interval_s: int
    quantities: tuple[str, ...]


class MeterConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[meter]]`: an installed device. `serial` empty: not known, nothing is compared.

    `pulses_per_unit`: a pulse meter's constant as on its type plate; empty: that of its profile.
    `quantities` empty: all points of the profile. `ratio`: transformer ratio, stated to the backend,
    never applied to values. `valid_from`: RFC 3339 date-time from which this device is the installed one.
    `device_address`: with which a D0 meter is called, as on its type plate; empty: it is alone on its line.
    `channels`: of a P1 meter, the M-Bus channels that count, each by its meter's serial number or by its
    number ("2"); empty: the first of each medium.
    `slow`: quantities of a Modbus meter that are read less often.
    `secondary`: of an M-Bus meter without a primary address of its own, "12345678.KAM.1B.04" or its eight
    digits alone; instead of `address`. `interval_floor_waived`: why this meter may be read oftener than its
    profile's `interval_s_min` allows.
    `options`: what this one meter does otherwise than its profile's others. "dzg-sign": its SML sends
    positive total power marked as signed, as a DZG DVS 7412 does.
    """

    id: str
    line: str
    profile: str
    address: int = 1
    secondary: str = ""
    device_address: str = ""
    channels: tuple[str, ...] = ()
    metering_point: str = ""
    serial: str = ""
    interval_s: int = 60
    interval_floor_waived: str = ""
    offset_s: int = 0
    quantities: tuple[str, ...] = ()
    pulses_per_unit: str = ""
    ratio: tuple[int, int] = (1, 1)
    valid_from: str = ""
    options: tuple[MeterOption, ...] = ()
    slow: SlowPoints | None = None

    def interval_of_s(self, quantity: str) -> int:
        """How often a quantity of this meter is read."""
        slow = self.slow
        return slow.interval_s if slow is not None and quantity in slow.quantities else self.interval_s


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
    """`[buffer]`. `size_bytes_max` bounds journal, outbox and side files together. `card_endurance_gb`: how
    much may be written to the card in its life, as its maker states it; used by `edgectl outbox explain`."""

    size_bytes_max: int = 256 * 1024 * 1024
    flush_interval_s: float = 10.0
    card_endurance_gb: int | None = None


class StreamConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[stream]]`: meters whose readings travel, are kept and can be erased apart from all others.

    `priority`: lower is sent first; the stream of all other meters has 5. `batch_interval_s` None: that of
    [uplink]. `size_bytes_max`: a share of that of [buffer]. `personal`: the readings tell of a person;
    `purpose` and `legal_basis` then say what for and by which right, and `opt_in` refers to the consent to
    intervals below a quarter of an hour.
    """

    id: str
    meters: tuple[str, ...]
    priority: int = 5
    batch_interval_s: int | None = None
    size_bytes_max: int = 16 * 1024 * 1024
    personal: bool = False
    purpose: str = ""
    legal_basis: str = ""
    opt_in: str = ""


class GatewayFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    gateway: GatewayConfig
    uplink: UplinkConfig
    lines: tuple[LineConfig, ...] = msgspec.field(default=(), name="line")
    meters: tuple[MeterConfig, ...] = msgspec.field(default=(), name="meter")
    streams: tuple[StreamConfig, ...] = msgspec.field(default=(), name="stream")
    modem: ModemConfig | None = None
    buffer: BufferConfig = BufferConfig()
