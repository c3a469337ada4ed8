"""What can be wrong with bytes.

`ProtocolError` says that the other side sent something that its standard does not allow, or that
arrived damaged. It is an operating condition: callers catch it, count it and go on. A mistake of our
own (encoding a value that does not fit) raises `ValueError` and is a bug.

    ProtocolError               any bytes that are not what they should be
    ├── DamagedTelegram         a telegram that began and is none, with the bytes it took up
    └── DeviceError             the device answered, correctly framed, that it refuses
"""

from __future__ import annotations


class ProtocolError(Exception):
    """Bytes that are not what their standard says.

    `code` is stable and machine-readable (`"sml.crc"`, `"modbus.length"`), `offset` is the place in
    the input where it showed, in bytes, or None where no single place can be named.
    """

    def __init__(self, code: str, text: str, offset: int | None = None) -> None:
        super().__init__(f"{code}: {text}" if offset is None else f"{code} at byte {offset}: {text}")
        self.code = code
        self.text = text
        self.offset = offset


class DamagedTelegram(ProtocolError):
    """A telegram that began and is none. In the input it stood from `start` up to `end`."""

    def __init__(self, code: str, text: str, offset: int, start: int, end: int) -> None:
        super().__init__(code, text, offset)
        self.start = start
        self.end = end


class DeviceError(ProtocolError):
    """A well-framed refusal; `device_code` is the device's own number (Modbus exception code)."""

    def __init__(self, code: str, text: str, device_code: int) -> None:
        super().__init__(code, text)
        self.device_code = device_code
