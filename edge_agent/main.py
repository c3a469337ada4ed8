"""`edge-agent`: the daemon, its demo, and what an installer asks before the first start.

Exit codes: 0 fine · 1 the agent failed · 2 the configuration or a file it names does not serve.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from edge_agent.lean import without_typing_extensions

with without_typing_extensions():
    import msgspec  # noqa: F401  (first here, so that it comes without them)

from config.load import ConfigError, Gateway, format_problems, load_gateway
from edge_agent import __version__

if TYPE_CHECKING:
    import argparse

DEFAULT_CONFIG = Path("/etc/edge-agent/gateway.toml")
EXIT_FAILED = 1
EXIT_CONFIG = 2
M_ARENA_MAX = -8  # malloc.h


def main(arguments: list[str] | None = None) -> int:
    """Run one command and give its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    options = _plain_run(words) or _parser().parse_args(words)
    try:
        code: int = options.command(options)
    except ConfigError as error:
        print(format_problems(error.problems), file=sys.stderr)
        return EXIT_CONFIG
    except KeyboardInterrupt:
        return EXIT_FAILED
    return code


def _plain_run(words: list[str]) -> argparse.Namespace | SimpleNamespace | None:
    """The options of a daemon as services start it, None for all else: a parser costs 0.4 MB for ever."""
    match words:
        case ["run"]:
            return SimpleNamespace(command=_run, config=DEFAULT_CONFIG, verbose=False)
        case ["run", "--config", path] if not path.startswith("-"):
            return SimpleNamespace(command=_run, config=Path(path), verbose=False)
    return None


def _parser() -> argparse.ArgumentParser:
    import argparse

    parser = argparse.ArgumentParser(
        prog="edge-agent", description="Edge gateway agent: meters to signed uplinks."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="read meters, buffer, forward (the daemon)")
    run.add_argument("--config", type=Path, default=DEFAULT_CONFIG)
    run.add_argument("--verbose", action="store_true", help="log what is normal, too")
    run.set_defaults(command=_run)
    check = commands.add_parser("check-config", help="name every problem of a configuration, start nothing")
    check.add_argument("file", type=Path)
    check.set_defaults(command=_check_config)
    keys = commands.add_parser("import-keys", help="take the keys of meters that encrypt from a table (CSV)")
    keys.add_argument("table", type=Path, metavar="CSV")
    keys.add_argument("--config", type=Path, default=DEFAULT_CONFIG)
    keys.set_defaults(command=_import_keys)
    erase = commands.add_parser("erase-stream", help="remove all that a stream left here, as of one person")
    erase.add_argument("stream", metavar="STREAM", help="its id; no longer in the gateway's file")
    erase.add_argument("--config", type=Path, default=DEFAULT_CONFIG)
    erase.set_defaults(command=_erase_stream)
    profiles = commands.add_parser("check-profile", help="judge device profiles, tell what they would read")
    profiles.add_argument("files", type=Path, nargs="+", metavar="FILE")
    profiles.set_defaults(command=_check_profiles)
    identity = commands.add_parser("identity", help="print the public key that the backend must trust")
    identity.add_argument("--config", type=Path, default=DEFAULT_CONFIG)
    identity.set_defaults(command=_identity)
    health = commands.add_parser(
        "healthcheck", help="ask the running agent whether it works (exit 0: it does)"
    )
    health.add_argument("--config", type=Path, default=DEFAULT_CONFIG)
    health.set_defaults(command=_healthcheck)
    demo = commands.add_parser("demo", help="the whole path on this machine, with simulated meters")
    demo.add_argument("--seconds", type=int, default=0, help="end after this time (0: run until Ctrl-C)")
    demo.add_argument("--json", action="store_true", help="no screen; one summary object at the end")
    demo.add_argument("--folder", type=Path, help="keep everything here (default: a temporary folder)")
    demo.add_argument("--broker", choices=("auto", "mosquitto", "amqtt"), default="auto")
    demo.add_argument(
        "--site",
        metavar="NAME",
        nargs="?",
        const="",
        help="one of the example sites; without NAME: list them",
    )
    demo.set_defaults(command=_demo)
    return parser


def _run(options: argparse.Namespace) -> int:
    logging.basicConfig(
        level=logging.INFO if options.verbose else logging.WARNING,
        format="%(levelname)s %(name)s: %(message)s",
    )
    _share_one_heap()
    gateway = load_gateway(options.config)
    if gateway.keys:
        from edge_agent.secrecy import forbid_memory_dumps

        forbid_memory_dumps()
    return asyncio.run(_run_agent(gateway))


def _share_one_heap() -> None:
    """Let all threads allocate from one arena: they take turns anyway, and one each costs 0.7 MB."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc has it, musl has not
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)


def _give_back_heap() -> None:
    """What start and recovery took and freed goes back to the system: 0.4 MB (measured)."""
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc
    if malloc_trim is not None:
        malloc_trim(0)


async def _run_agent(gateway: Gateway) -> int:
    from edge_agent.agent import open_agent
    from edge_agent.control import SocketError
    from edge_agent.identity import IdentityError

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    while True:
        try:
            agent = await open_agent(gateway)
        except (IdentityError, OSError, ValueError) as error:
            print(f"edge-agent: {error}", file=sys.stderr)
            return EXIT_CONFIG
        _give_back_heap()
        try:
            await agent.run(stop)
        except SocketError as error:
            print(f"edge-agent: {error}", file=sys.stderr)
            return EXIT_CONFIG
        if stop.is_set() or not agent.is_to_begin_anew:
            return 0


def _check_config(options: argparse.Namespace) -> int:
    from edge_agent.buffer.seal import check_table
    from edge_agent.streams import stream_tables

    gateway = load_gateway(options.file)
    try:
        for table in stream_tables(gateway):
            check_table(table)
    except ValueError as error:
        print(f"{options.file}: {error}.", file=sys.stderr)
        return EXIT_CONFIG
    lines, meters = len(gateway.file.lines), len(gateway.file.meters)
    print(f"{options.file}: good. Gateway {gateway.file.gateway.id}, {lines} lines, {meters} meters.")
    return 0


def _erase_stream(options: argparse.Namespace) -> int:
    from edge_agent.stream_erasure import NotErased, erase_stream

    gateway = load_gateway(options.config, with_keys=False)
    try:
        count = erase_stream(gateway, options.stream)
    except (NotErased, OSError) as error:
        print(f"edge-agent: {error}; nothing was erased.", file=sys.stderr)
        return EXIT_CONFIG
    print(f'Stream "{options.stream}": {count} files with readings, journal and outbox are removed for good.')
    print("What the backend received, and what other streams hold, is untouched.")
    return 0


def _import_keys(options: argparse.Namespace) -> int:
    from edge_agent.key_import import import_keys

    gateway = load_gateway(options.config, with_keys=False)
    try:
        done = import_keys(options.table, gateway)
    except ConfigError as error:
        print(format_problems(error.problems, "nothing was written"), file=sys.stderr)
        return EXIT_CONFIG
    except OSError as error:
        print(f"edge-agent: {error}; nothing was written.", file=sys.stderr)
        return EXIT_CONFIG
    print(f"{done.path}: {done.added} keys added, {done.replaced} replaced, {done.kept} others kept.")
    print(f"The running agent takes them at its next start. Now delete the table: shred -u {options.table}")
    return 0


def _check_profiles(options: argparse.Namespace) -> int:
    from edge_agent.profile_summary import check_profiles

    texts, problems = check_profiles(options.files)
    print("\n".join(texts), end="\n" if texts else "")
    if problems:
        print(format_problems(problems, "meters of such a profile cannot be read"), file=sys.stderr)
    return EXIT_CONFIG if problems else 0


def _identity(options: argparse.Namespace) -> int:
    from edge_agent.agent import KEYS_FOLDER, private_folder
    from edge_agent.identity import IdentityError, public_key_pem

    folder = load_gateway(options.config).state_folder / KEYS_FOLDER
    try:
        print(public_key_pem(private_folder(folder)).decode(), end="")
    except (IdentityError, OSError) as error:
        print(f"edge-agent: {error}", file=sys.stderr)
        return EXIT_CONFIG
    return 0


def _healthcheck(options: argparse.Namespace) -> int:
    from edge_agent.healthcheck import ask_health

    socket = load_gateway(options.config).socket
    healthy, text = asyncio.run(ask_health(socket))
    print(text)
    return 0 if healthy else EXIT_FAILED


def _demo(options: argparse.Namespace) -> int:
    from edge_agent.demo.demo import run_demo
    from edge_agent.demo.sites import sites_as_text

    if options.site is not None and (refusal := sites_as_text(options.site)):
        print(refusal, file=sys.stderr if options.site else sys.stdout)
        return EXIT_CONFIG if options.site else 0
    return asyncio.run(
        run_demo(
            seconds=options.seconds,
            as_json=options.json,
            folder=options.folder,
            broker=options.broker,
            site=options.site or "",
        )
    )


if __name__ == "__main__":
    sys.exit(main())
