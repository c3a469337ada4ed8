"""SML (Smart Message Language) push of German electricity meters, both roles.

`transport` finds files in a stream, `tlv` reads their elements, `messages` gives them their meaning.
"""

from __future__ import annotations

from protocols.errors import ProtocolError
from protocols.sml.messages import SmlTelegram, SmlTime, SmlValue, decode_file, encode_telegram
from protocols.sml.transport import FILE_BYTES_MAX, FileReceiver, SmlFile

__all__ = [
    "FILE_BYTES_MAX",
    "SmlReceiver",
    "SmlTelegram",
    "SmlTime",
    "SmlValue",
    "encode_telegram",
]


class SmlReceiver:
    """From a stream of bytes to telegrams; bad files come out as errors, and reading goes on behind them.

    `dzg_sign_quirk`: see `messages.decode_file`.
    """

    def __init__(self, *, dzg_sign_quirk: bool = False) -> None:
        self._files = FileReceiver()
        self._dzg_sign_quirk = dzg_sign_quirk

    @property
    def noise_bytes(self) -> int:
        """Bytes so far that belonged to no file, good or bad."""
        return self._files.noise_bytes

    def receive_data(self, data: bytes) -> list[SmlTelegram | ProtocolError]:
        """What became complete, in stream order: telegrams, and an error for each file that is bad.

        Codes: sml.cut, sml.crc, sml.escape, sml.padding, sml.size of the transport; sml.truncated,
        sml.length, sml.type, sml.list, sml.depth of the encoding; sml.message,
        sml.values, sml.entry, sml.object, sml.scaler, sml.no_list of the contents. Their offset counts
        from the start of the stream (inside of a file that holds escaped escapes, from 4 bytes early).
        """
        found: list[SmlTelegram | ProtocolError] = []
        for file in self._files.receive_data(data):
            found += self._decode(file) if isinstance(file, SmlFile) else [file]
        return found

    def missing_bytes(self) -> int:
        """How many bytes must at least come before anything more can be found; at least 1."""
        return self._files.missing_bytes()

    def _decode(self, file: SmlFile) -> list[SmlTelegram] | list[ProtocolError]:
        try:
            return decode_file(file, dzg_sign_quirk=self._dzg_sign_quirk)
        except ProtocolError as error:
            # A new one: that which was raised would keep every frame that it went through, and the file.
            return [ProtocolError(error.code, error.text, error.offset)]
