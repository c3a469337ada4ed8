"""A simulated meter that pushes DLMS: what a SimMeter has, ciphered or plain, in frames of several kinds.

    hdlc   segmented, as Iskra    gbt   blocks of a transfer, each in a frame, as Landis+Gyr E450
    mbus   as in Austria          bare  without frame, as Sagemcom XT211

Rules: the keys follow from the serial number, so that no key stands in a URL; they protect nothing. The
invocation counter is the elapsed time in ms, which rises from push to push and when the port opens anew.
"""

from __future__ import annotations

import hashlib

from hal.sim.meters import SimMeter
from protocols.dlms import (
    DlmsValue,
    Keys,
    encode_blocks,
    encode_ciphered,
    encode_frames,
    encode_hdlc,
    encode_notification,
    encode_values,
)
from protocols.dlms.lists import METER_ID
from protocols.sml import SmlValue
from protocols.value import Scaled

FRAMINGS = ("hdlc", "gbt", "mbus", "bare")
SEGMENT_BYTES = 120
COUNTER_MASK = 0xFFFFFFFF


def sim_keys(serial: str) -> Keys:
    """The keys of the simulated meter with this serial number."""
    octets = hashlib.sha256(b"simulated meter " + serial.encode()).digest()
    return Keys(octets[:16], octets[16:])


class DlmsPusher:
    """Pushes the values of `meter`. ValueError for a framing that there is not."""

    def __init__(self, meter: SimMeter, *, framing: str = "hdlc", encrypted: bool = False) -> None:
        if framing not in FRAMINGS:
            raise ValueError(f"no framing {framing!r}; known are {', '.join(FRAMINGS)}")
        self._meter = meter
        self._framing = framing
        self._keys = sim_keys(meter.serial) if encrypted else None
        self._title = b"SIM" + hashlib.sha256(meter.serial.encode()).digest()[:5]

    def telegram(self, elapsed_ms: int) -> bytes:
        """All that the meter has at this time, as it goes on the wire."""
        values = [DlmsValue(METER_ID, self._meter.serial)]
        values += [_dlms_value(value) for value in self._meter.pushed(elapsed_ms)]
        counter = elapsed_ms & COUNTER_MASK
        apdu = encode_notification(encode_values(values), invoke_id=counter)
        if self._keys is not None:
            apdu = encode_ciphered(apdu, keys=self._keys, system_title=self._title, counter=counter)
        match self._framing:
            case "gbt":
                return b"".join(encode_hdlc(block) for block in encode_blocks(apdu, SEGMENT_BYTES))
            case "mbus":
                return encode_frames(apdu, "mbus")
            case "bare":
                return apdu
        return encode_frames(apdu, "hdlc", segment_bytes=SEGMENT_BYTES)


def _dlms_value(value: SmlValue) -> DlmsValue:
    content = value.value
    if not isinstance(content, Scaled):
        raise TypeError(f"{content!r} is no number; a DLMS profile has only these")
    return DlmsValue(value.obis, content, value.unit, content.exponent)
