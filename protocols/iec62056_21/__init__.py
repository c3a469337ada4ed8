"""IEC 62056-21 ("D0"): the optical head's protocol, read-out in modes A to D, both roles.

`data_sets` is the line grammar (P1 has the same), `identification` the first line, `framing` finds telegrams
in a stream, `telegram` gives them their meaning, `session` is the dialogue with a meter that is asked.
Programming mode is not here: nothing is ever written to a meter.
"""

from __future__ import annotations

from protocols.dialogue import Pause, Receive, Send, SetBaud, Step
from protocols.iec62056_21.data_sets import DataSet, Value, obis_of, unit_name
from protocols.iec62056_21.framing import TELEGRAM_BYTES_MAX
from protocols.iec62056_21.identification import Identification
from protocols.iec62056_21.session import (
    WAKE_UP_STANDARD,
    WAKE_UP_ULTRAHEAT,
    Station,
    WakeUp,
    answer,
    answer_several,
    read_out,
)
from protocols.iec62056_21.telegram import D0Receiver, D0Telegram, encode_block, encode_push

__all__ = [
    "TELEGRAM_BYTES_MAX",
    "WAKE_UP_STANDARD",
    "WAKE_UP_ULTRAHEAT",
    "D0Receiver",
    "D0Telegram",
    "DataSet",
    "Identification",
    "Pause",
    "Receive",
    "Send",
    "SetBaud",
    "Station",
    "Step",
    "Value",
    "WakeUp",
    "answer",
    "answer_several",
    "encode_block",
    "encode_push",
    "obis_of",
    "read_out",
    "unit_name",
]
