"""`edgectl`: the technician's program. Commands, exit codes, and who says what when something fails.

Rules: screens and reports are imported inside the commands, so that help and errors come at once. Text
goes to standard output and complaints to standard error; with `--json` everything is one JSON object a
line on standard output. The exit code tells scripts the class of what is wrong.
"""

import contextlib
import dataclasses
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from edgectl.client import Client, Refusal, Unreachable
from edgectl.place import DEFAULT_CONFIG, SOCKET_VARIABLE, Place, find_place
from edgectl.texts import Words, choose_language

EXIT_FAULTS = 1
EXIT_USAGE = 2
EXIT_UNREACHABLE = 3
EXIT_METER = 4
EXIT_CODES = {
    "NoSuchMeter": EXIT_USAGE,
    "NoSuchLine": EXIT_USAGE,
    "NotCalibrated": EXIT_USAGE,
    "Busy": EXIT_UNREACHABLE,
}


def _language_of(arguments: list[str]) -> str | None:
    """`--lang de` or `--lang=de`, looked up before the help texts are made."""
    for place, argument in enumerate(arguments):
        name, _, value = argument.partition("=")
        if name == "--lang":
            return value or "".join(arguments[place + 1 : place + 2])
    return None


_help = Words(choose_language(_language_of(sys.argv), os.environ))

Language = Annotated[str | None, typer.Option("--lang", metavar="de|en", help=_help("help.lang"))]
AsJson = Annotated[bool, typer.Option("--json", help=_help("help.json"))]
Socket = Annotated[Path | None, typer.Option("--socket", help=_help("help.socket"), envvar=SOCKET_VARIABLE)]
Config = Annotated[Path, typer.Option("--config", help=_help("help.config"))]
Every = Annotated[bool, typer.Option("--all", help=_help("help.all"))]
Seconds = Annotated[float, typer.Option("--seconds", min=0, help=_help("help.seconds"))]
Meter = Annotated[str, typer.Argument(help=_help("help.meter"))]
OnlyMeter = Annotated[str | None, typer.Argument(metavar="[METER]", help=_help("help.only"))]

Protocol = Literal["modbus-rtu", "modbus-tcp", "modbus-ascii", "sml", "d0", "p1"]

app = typer.Typer(
    help=_help("help"),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.command(help=_help("help.status"))
def status(
    *,
    every_meter: Every = False,
    as_json: AsJson = False,
    lang: Language = None,
    socket: Socket = None,
    config: Config = DEFAULT_CONFIG,
) -> None:
    words, place = Words(choose_language(lang, os.environ)), _place(socket, config)
    try:
        with _complaints(words, as_json=as_json), Client(place.socket) as client:
            answer = client.call("Status")["status"]
    except Unreachable as error:
        _show_offline(error, words, config, place, as_json=as_json)
        raise typer.Exit(EXIT_UNREACHABLE) from None
    if as_json:
        _print_json({"reachable": True, "status": answer})
    else:
        _show_status(answer, words, every_meter=every_meter)
    raise typer.Exit(EXIT_FAULTS if answer["faults"] else 0)


def _show_status(answer: dict[str, Any], words: Words, *, every_meter: bool) -> None:
    import msgspec

    from edge_agent.reports import StatusReport
    from edgectl.screen import make_console
    from edgectl.status import show_status

    show_status(make_console(), words, msgspec.convert(answer, StatusReport), every_meter=every_meter)


def _show_offline(error: Unreachable, words: Words, config: Path, place: Place, *, as_json: bool) -> None:
    from edgectl.offline import look_offline, show_offline
    from edgectl.screen import make_console

    report = look_offline(error, config, place)
    if as_json:
        _print_json({"reachable": False, "offline": dataclasses.asdict(report)})
    else:
        show_offline(make_console(), words, report)


@app.command(help=_help("help.read"))
def read(
    meter: Meter,
    *,
    as_json: AsJson = False,
    lang: Language = None,
    socket: Socket = None,
    config: Config = DEFAULT_CONFIG,
) -> None:
    words, place = Words(choose_language(lang, os.environ)), _place(socket, config)
    with _complaints(words, as_json=as_json, unreachable=True), Client(place.socket) as client:
        answer = client.call("Read", meter=meter)["reading"]
    import msgspec

    from edge_agent.reports import MeterReading
    from edgectl.readings import is_sound, show_meter
    from edgectl.screen import make_console

    reading = msgspec.convert(answer, MeterReading)
    if as_json:
        _print_json(answer)
    else:
        show_meter(make_console(), words, reading)
    raise typer.Exit(0 if is_sound(reading) else EXIT_METER)


@app.command(help=_help("help.calibrate"))
def calibrate(
    meter: Meter,
    display: Annotated[str, typer.Argument(metavar="VALUE", help=_help("help.display"))],
    *,
    yes: Annotated[bool, typer.Option("--yes", help=_help("help.yes"))] = False,
    as_json: AsJson = False,
    lang: Language = None,
    socket: Socket = None,
    config: Config = DEFAULT_CONFIG,
) -> None:
    words, place = Words(choose_language(lang, os.environ)), _place(socket, config)
    with _complaints(words, as_json=as_json, unreachable=True):
        if not yes and not _confirm(meter, display, words, place.socket):
            print(words("calibrate.unchanged"))
            raise typer.Exit(EXIT_USAGE)
        with Client(place.socket) as client:
            answer = client.call("Calibrate", meter=meter, value=display)["calibration"]
    if as_json:
        _print_json(answer)
    else:
        before, after = _display(answer["before"], words), _display(answer["after"], words)
        print(words("calibrate.done", meter=meter, before=before, after=after, unit=answer["unit"]))


def _confirm(meter: str, display: str, words: Words, socket: Path) -> bool:
    """Show what it is now and what it would be, on a connection that does not wait for the person."""
    with Client(socket) as client:
        (point,) = client.call("Read", meter=meter)["reading"]["points"][:1]
    before = _display(point["value"], words)
    question = words("calibrate.ask", meter=meter, before=before, after=display, unit=point["unit"])
    return typer.confirm(question, err=True)


def _display(value: str | None, words: Words) -> str:
    return words("calibrate.nothing") if value is None else words.decimal(value)


@app.command(help=_help("help.watch"))
def watch(
    meter: OnlyMeter = None,
    *,
    seconds: Seconds = 0.0,
    as_json: AsJson = False,
    lang: Language = None,
    socket: Socket = None,
    config: Config = DEFAULT_CONFIG,
) -> None:
    words, place = Words(choose_language(lang, os.environ)), _place(socket, config)
    with (
        contextlib.suppress(KeyboardInterrupt),
        _complaints(words, as_json=as_json, unreachable=True),
        Client(place.socket) as client,
    ):
        if meter is not None:
            _check_meter(client, meter)
        answers = (answer["reading"] for answer in client.stream("Watch", seconds))
        wanted = (answer for answer in answers if meter in (None, answer["meter"]))
        if as_json:
            for answer in wanted:
                _print_json(answer)
        else:
            _show_readings(wanted, words)


def _check_meter(client: Client, meter: str) -> None:
    """A mistyped meter would be watched for ever."""
    known = [each["id"] for each in client.call("Status")["status"]["meters"]]
    if meter not in known:
        raise Refusal("NoSuchMeter", {"meter": meter, "known": known})


def _show_readings(answers: Iterator[dict[str, Any]], words: Words) -> None:
    import msgspec

    from edge_agent.reports import ReadingReport
    from edgectl.readings import show_reading
    from edgectl.screen import make_console

    console = make_console()
    make_console(stderr=True).print(words("watch.waiting"), style="dim")
    for answer in answers:
        show_reading(console, words, msgspec.convert(answer, ReadingReport))


@app.command(help=_help("help.decode"))
def decode(
    source: Annotated[list[str], typer.Argument(metavar="FILE|-|HEX", help=_help("help.source"))],
    *,
    protocol: Annotated[Protocol, typer.Option("--protocol", help=_help("help.protocol"))],
    key: Annotated[str | None, typer.Option("--key", metavar="HEX", help=_help("help.key"))] = None,
    auth_key: Annotated[
        str | None, typer.Option("--auth-key", metavar="HEX", help=_help("help.auth-key"))
    ] = None,
    dzg_sign: Annotated[bool, typer.Option("--dzg-sign", help=_help("help.dzg-sign"))] = False,
    as_json: AsJson = False,
    lang: Language = None,
) -> None:
    from edgectl.decode import decode_recording

    words, text = Words(choose_language(lang, os.environ)), " ".join(source)
    code = decode_recording(text, protocol, key, auth_key, words, as_json=as_json, dzg_sign=dzg_sign)
    raise typer.Exit(code)


def _place(socket: Path | None, config: Path) -> Place:
    place = find_place(config)
    return place if socket is None else place._replace(socket=socket)


@contextlib.contextmanager
def _complaints(words: Words, *, as_json: bool, unreachable: bool = False) -> Iterator[None]:
    """Turn what the agent refuses, and if wanted that it is not reached, into words and an exit code."""
    try:
        yield
    except Refusal as refusal:
        if as_json:
            _print_json({"error": refusal.name, "parameters": refusal.parameters})
        else:
            _complain(*_refusal_texts(refusal, words))
        raise typer.Exit(EXIT_CODES.get(refusal.name, EXIT_METER)) from None
    except Unreachable as error:
        if not unreachable:
            raise
        if as_json:
            _print_json(
                {"error": "Unreachable", "parameters": {"reason": error.reason, "socket": str(error.path)}}
            )
        else:
            _complain(*_unreachable_texts(error, words))
        raise typer.Exit(EXIT_UNREACHABLE) from None


def _complain(text: str, step: str = "", after: str = "") -> None:
    from edgectl.screen import make_console, step_text

    console = make_console(stderr=True)
    console.print(text)
    if step:
        console.print(step_text(step))
    if after:
        console.print(after)


def _refusal_texts(refusal: Refusal, words: Words) -> tuple[str, str]:
    """What the agent answered, and the next step, empty where the answer says it all."""
    fields = {
        key: ", ".join(map(str, value)) if isinstance(value, list) else value
        for key, value in refusal.parameters.items()
    }
    try:
        text = words(f"error.{refusal.name}", **fields)
    except KeyError:
        return words("error.other", name=refusal.name), ""
    steps = {
        "MeterSilent": words.fault("meter.silent").step,
        "MeterCorrupt": words.fault("meter.corrupt").step,
        "MeterRefuses": words.fault("meter.refuses").step,
        "LineUnavailable": words("error.next-line"),
    }
    return text, steps.get(refusal.name, "")


def _unreachable_texts(error: Unreachable, words: Words) -> tuple[str, str, str]:
    """Why the agent is not reached, the next step, and where more can be seen."""
    from edgectl.offline import socket_group

    fields = {"path": error.path, "detail": error.detail, "group": socket_group(error.path)}
    step = words(f"down.{error.reason}.step", **fields)
    return words(f"down.{error.reason}", **fields), step, words("down.see-status")


def _print_json(value: object) -> None:
    print(json.dumps(value, ensure_ascii=False), flush=True)


def main() -> None:
    """Run one command; a reader that goes away (`| head`) ends it quietly."""
    try:
        app()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


if __name__ == "__main__":
    main()
