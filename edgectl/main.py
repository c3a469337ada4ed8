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
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from edgectl.client import Client, Refusal, Unreachable
from edgectl.place import DEFAULT_CONFIG, SOCKET_VARIABLE, Place, find_place
from edgectl.texts import Words, choose_language

if TYPE_CHECKING:
    from edge_agent.outbox_report import OutboxReport

EXIT_FAULTS = 1
EXIT_USAGE = 2
EXIT_UNREACHABLE = 3
EXIT_METER = 4
EXIT_CODES = {
    "NoSuchMeter": EXIT_USAGE,
    "NoSuchLine": EXIT_USAGE,
    "NotCalibrated": EXIT_USAGE,
    "NotExchanged": EXIT_USAGE,
    "NotAsked": EXIT_USAGE,
    "NotSearched": EXIT_USAGE,
    "NoModbus": EXIT_USAGE,
    "WrongUnits": EXIT_USAGE,
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

ModbusProtocol = Literal["modbus-rtu", "modbus-tcp", "modbus-ascii"]
CharacterFormat = Literal["8N1", "8E1", "8O1", "8N2", "7E1", "7O1", "7N2"]
Protocol = Literal["modbus-rtu", "modbus-tcp", "modbus-ascii", "sml", "d0", "p1", "mbus", "dlms"]

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


@app.command(help=_help("help.exchange"))
def exchange(
    meter: Meter,
    *,
    serial: Annotated[str, typer.Option("--serial", help=_help("help.new-serial"))],
    end: Annotated[list[str] | None, typer.Option("--end", metavar="VALUE", help=_help("help.end"))] = None,
    start: Annotated[
        list[str] | None, typer.Option("--start", metavar="VALUE", help=_help("help.start"))
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help=_help("help.yes"))] = False,
    as_json: AsJson = False,
    lang: Language = None,
    socket: Socket = None,
    config: Config = DEFAULT_CONFIG,
) -> None:
    from edgectl.exchange import confirm_exchange, done_text

    words, place = Words(choose_language(lang, os.environ)), _place(socket, config)
    entered = {"meter": meter, "serial": serial, "end": end or [], "start": start or []}
    with _complaints(words, as_json=as_json, unreachable=True):
        with Client(place.socket) as client:
            _check_meter(client, meter)
            agreed = yes or confirm_exchange(client, words, entered)
        if not agreed:
            print(words("calibrate.unchanged"))
            raise typer.Exit(EXIT_USAGE)
        with Client(place.socket) as client:
            answer = client.call("Exchange", **entered)["exchange"]
    if as_json:
        _print_json(answer)
    else:
        print(done_text(words, answer))


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


@app.command(help=_help("help.probe"))
def probe(
    line: Annotated[str | None, typer.Argument(metavar="[LINE]", help=_help("help.line"))] = None,
    unit: Annotated[str, typer.Argument(metavar="[UNIT]", help=_help("help.unit"))] = "1",
    *,
    units: Annotated[str, typer.Option("--units", "--unit", metavar="N-M", help=_help("help.units"))] = "",
    url: Annotated[str | None, typer.Option("--url", help=_help("help.url"))] = None,
    protocol: Annotated[
        ModbusProtocol | None, typer.Option("--protocol", help=_help("help.line-protocol"))
    ] = None,
    baud: Annotated[int | None, typer.Option("--baud", min=1, help=_help("help.baud"))] = None,
    character_format: Annotated[
        CharacterFormat | None, typer.Option("--format", help=_help("help.format"))
    ] = None,
    as_json: AsJson = False,
    lang: Language = None,
    socket: Socket = None,
    config: Config = DEFAULT_CONFIG,
) -> None:
    from edgectl.probe import Wanted, probe_line, probe_url

    words = Words(choose_language(lang, os.environ))
    if (line is None) == (url is None):
        _complain(words("probe.usage"))
        raise typer.Exit(EXIT_USAGE)
    with _complaints(words, as_json=as_json, unreachable=True):
        if url is not None:
            wanted = Wanted(url, protocol or "", baud, character_format)
            answered = probe_url(wanted, units or unit, words, as_json=as_json)
        else:
            place = _place(socket, config)
            answered = probe_line(line or "", units or unit, words, place, config, as_json=as_json)
    raise typer.Exit(0 if answered else EXIT_METER)


@app.command(help=_help("help.search"))
def search(
    line: Annotated[str, typer.Argument(help=_help("help.line"))],
    *,
    primary: Annotated[bool, typer.Option("--primary", help=_help("help.primary"))] = False,
    as_json: AsJson = False,
    lang: Language = None,
    socket: Socket = None,
    config: Config = DEFAULT_CONFIG,
) -> None:
    from edgectl.screen import make_console
    from edgectl.search import follow, is_sound, show_search

    words, place = Words(choose_language(lang, os.environ)), _place(socket, config)
    with _complaints(words, as_json=as_json, unreachable=True), Client(place.socket) as client:
        answers = client.stream("Search", 0.0, line=line, primary=primary)
        answer = follow(make_console(stderr=True), words, (each["search"] for each in answers))
    if as_json:
        _print_json(answer)
    else:
        show_search(make_console(), words, answer)
    raise typer.Exit(0 if is_sound(answer) else EXIT_METER)


@app.command(help=_help("help.outbox"))
def outbox(
    about: Annotated[
        Literal["explain"] | None, typer.Argument(metavar="[explain]", help=_help("help.outbox-about"))
    ] = None,
    *,
    as_json: AsJson = False,
    lang: Language = None,
    socket: Socket = None,
    config: Config = DEFAULT_CONFIG,
) -> None:
    from edgectl.outbox import show_explanation, show_outbox
    from edgectl.screen import make_console

    words, place = Words(choose_language(lang, os.environ)), _place(socket, config)
    with _complaints(words, as_json=as_json):
        report, reachable = _outbox_report(place, config)
    if as_json:
        _print_json({"reachable": reachable, "outbox": dataclasses.asdict(report)})
    else:
        if not reachable:
            make_console(stderr=True).print(words("outbox.files"))
        show = show_explanation if about else show_outbox
        show(make_console(), words, report)
    raise typer.Exit(0 if reachable else EXIT_UNREACHABLE)


def _outbox_report(place: Place, config: Path) -> tuple["OutboxReport", bool]:
    """The agent's word, or that of its files; and whether the agent answered."""
    import msgspec

    from edge_agent.outbox_report import OutboxReport

    try:
        with Client(place.socket) as client:
            return msgspec.convert(client.call("Outbox")["outbox"], OutboxReport), True
    except Unreachable:
        from edgectl.outbox_offline import look_into_files

        return look_into_files(config, place.state_folder), False


@app.command(help=_help("help.time"))
def time(
    action: Annotated[
        Literal["reset-bound"] | None, typer.Argument(metavar="[reset-bound]", help=_help("help.time-action"))
    ] = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help=_help("help.yes"))] = False,
    as_json: AsJson = False,
    lang: Language = None,
    socket: Socket = None,
    config: Config = DEFAULT_CONFIG,
) -> None:
    words, place = Words(choose_language(lang, os.environ)), _place(socket, config)
    with _complaints(words, as_json=as_json, unreachable=True):
        if action is not None:
            answer = _reset_bound(words, place.socket, yes=yes)
        else:
            with Client(place.socket) as client:
                answer = client.call("Time")["time"]
    if as_json:
        _print_json(answer)
    elif action is None:
        _show_time(answer, words)
    raise typer.Exit(EXIT_FAULTS if answer["doubt"] and action is None else 0)


def _reset_bound(words: Words, socket: Path, *, yes: bool) -> dict[str, Any]:
    from edgectl.screen import make_console, utc_text

    if not yes:
        with Client(socket) as client:
            now = client.call("Time")["time"]
        bound, built = utc_text(now["bound_utc_ms"]), utc_text(now["built_utc_ms"])
        if not typer.confirm(words("time.ask", bound=bound, built=built), err=True):
            print(words("time.unchanged"))
            raise typer.Exit(EXIT_USAGE)
    with Client(socket) as client:
        answer: dict[str, Any] = client.call("ResetTimeBound")["time"]
    make_console(stderr=True).print(words("time.reset", bound=utc_text(answer["bound_utc_ms"])))
    return answer


def _show_time(answer: dict[str, Any], words: Words) -> None:
    import msgspec

    from edge_agent.time_report import TimeReport
    from edgectl.clock import show_time
    from edgectl.screen import make_console

    show_time(make_console(), words, msgspec.convert(answer, TimeReport))


@app.command(help=_help("help.modem"))
def modem(
    *,
    as_json: AsJson = False,
    lang: Language = None,
    socket: Socket = None,
    config: Config = DEFAULT_CONFIG,
) -> None:
    words, place = Words(choose_language(lang, os.environ)), _place(socket, config)
    age_ms: int | None = None
    try:
        with _complaints(words, as_json=as_json), Client(place.socket) as client:
            answer = client.call("Status")["status"].get("modem")
    except Unreachable:
        from edgectl.modem import read_last

        last = read_last(place.state_folder)
        if last.report is None:
            _show_no_modem(words, last.problem, last.detail, as_json=as_json)
            raise typer.Exit(EXIT_UNREACHABLE) from None
        answer, age_ms = dataclasses.asdict(last.report), last.age_ms
    if as_json:
        _print_json({"reachable": age_ms is None, "age_ms": age_ms, "modem": answer})
    elif answer is None:
        print(words("modem.none"))
    else:
        import msgspec

        from edge_agent.reports import ModemReport
        from edgectl.modem import show_modem
        from edgectl.screen import make_console

        show_modem(make_console(), words, msgspec.convert(answer, ModemReport), age_ms=age_ms)
    if age_ms is not None:
        raise typer.Exit(EXIT_UNREACHABLE)
    raise typer.Exit(0 if answer is None or answer["trouble"] == "none" else EXIT_FAULTS)


def _show_no_modem(words: Words, problem: str, detail: str, *, as_json: bool) -> None:
    if as_json:
        _print_json({"reachable": False, "age_ms": None, "modem": None})
    elif problem == "denied":
        _complain(words("modem.no-access", reason=detail))
    else:
        _complain(words("modem.no-file", path=detail))


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
        "NoModbus": words.known(f"probe.instead.{fields.get('protocol')}", words("probe.instead")),
        "PortUnavailable": words.fault(str(fields.get("code", ""))).step,
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
