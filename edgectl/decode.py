"""`edgectl decode`: recorded bytes explained, without daemon and without a line.

`--json` gives one object a line: for each telegram its values, for each stretch that is none its error.
Exit code 0: something decoded and nothing was wrong; 4: a stretch is no telegram, a device refused, or there
was nothing at all; 2: what was given is no recording, or a key is none. Keys are never shown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, get_args

from edgectl.recording import INPUT_BYTES_MAX, NotBytes, read_recording
from edgectl.telegrams import Keys, Protocol, Stretch, Telegram, Value, list_stretches
from edgectl.texts import Words
from protocols.errors import ProtocolError

EXIT_USAGE = 2
EXIT_METER = 4
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)
TEXT_PROTOCOLS = ("modbus-ascii", "d0", "p1")
_KEY = re.compile(r"[0-9A-Fa-f]{32}")


def decode_recording(
    source: str,
    protocol: Protocol,
    key: str | None,
    auth_key: str | None,
    words: Words,
    *,
    as_json: bool,
    dzg_sign: bool = False,
) -> int:
    """Print what is in `source`; the exit code."""
    try:
        keys = Keys(_key("--key", key), _key("--auth-key", auth_key))
        data = read_recording(source, is_text=protocol in TEXT_PROTOCOLS)
    except NotBytes as refusal:
        _refuse(refusal, protocol, words, as_json=as_json)
        return EXIT_USAGE
    stretches = list_stretches(protocol, data, keys, dzg_sign=dzg_sign)
    sound = (
        _print_json(protocol, stretches) if as_json else _print_text(protocol, data, stretches, keys, words)
    )
    return 0 if sound else EXIT_METER


def _key(option: str, text: str | None) -> bytes | None:
    if text is None:
        return None
    if not _KEY.fullmatch(text):
        raise NotBytes("input.key", option=option)
    return bytes.fromhex(text)


def _refuse(refusal: NotBytes, protocol: Protocol, words: Words, *, as_json: bool) -> None:
    fields = {"size_bytes": INPUT_BYTES_MAX, **refusal.fields}
    key = f"decode.{refusal.code}"
    if as_json:
        error = {"code": refusal.code, "offset": refusal.offset, "text": Words("en")(key, **fields)}
        _print_line({"protocol": protocol, "error": error})
    else:
        from edgectl.screen import make_console

        make_console(stderr=True).print(words(key, **fields))


def _print_json(protocol: Protocol, stretches: Iterator[Stretch]) -> bool:
    """Whether all was sound."""
    telegrams, sound = 0, True
    for stretch in stretches:
        telegrams += len(stretch.telegrams)
        sound = sound and is_sound(stretch)
        for each in json_objects(protocol, stretch):
            _print_line(each)
    return sound and telegrams > 0


def _print_text(
    protocol: Protocol, data: bytes, stretches: Iterator[Stretch], keys: Keys, words: Words
) -> bool:
    """Whether all was sound."""
    from edgectl.byte_ranges import show_stretch, show_summary
    from edgectl.screen import make_console

    console = make_console()
    telegrams, others, sound, only_noise = 0, 0, True, True
    for stretch in stretches:
        telegrams += len(stretch.telegrams)
        others += stretch.error is not None
        sound = sound and is_sound(stretch)
        only_noise = only_noise and stretch.error is not None and stretch.error.code.endswith(".noise")
        show_stretch(console, words, protocol, data, stretch, telegrams, keys)
    show_summary(console, words, protocol, telegrams, others, only_noise=only_noise)
    return sound and telegrams > 0


def is_sound(stretch: Stretch) -> bool:
    """Whether all of it is telegrams by which nobody refuses anything."""
    return stretch.error is None and all(telegram.error is None for telegram in stretch.telegrams)


def json_objects(protocol: Protocol, stretch: Stretch) -> Iterator[dict[str, Any]]:
    """What `--json` prints of a stretch."""
    for telegram in stretch.telegrams:
        yield _telegram_object(protocol, telegram, stretch.start)
    if stretch.error is not None:
        yield {"protocol": protocol, "error": _error_object(stretch.error, stretch.start)}


def _telegram_object(protocol: Protocol, telegram: Telegram, start: int) -> dict[str, Any]:
    error = None if telegram.error is None else _error_object(telegram.error, start)
    values = [_value_object(value) for value in telegram.values]
    head: dict[str, Any] = {"protocol": protocol, "meter": telegram.meter, "time": telegram.time}
    if telegram.authenticated is not None:
        head["authenticated"] = telegram.authenticated
    if telegram.mbus is not None:
        head |= telegram.mbus._asdict()
    return {**head, "values": values, "error": error}


def _value_object(value: Value) -> dict[str, Any]:
    """`time` only where the value has one of its own."""
    fields = value._asdict()
    del fields["mbus"]
    if value.time is None:
        del fields["time"]
    if value.mbus is not None:
        fields |= value.mbus._asdict()
    return fields


def _error_object(error: ProtocolError, start: int) -> dict[str, Any]:
    offset = start if error.offset is None else error.offset
    return {"code": error.code, "offset": offset, "text": error.text}


def _print_line(value: dict[str, Any]) -> None:
    print(json.dumps(value, ensure_ascii=False))
