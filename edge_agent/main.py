"""`edge-agent`: the daemon, its demo, and what an installer asks before the first start.

Exit codes: 0 fine · 1 the agent failed · 2 the configuration or a file it names does not serve.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import logging
import signal
import sys
from pathlib import Path

from config.load import ConfigError, Gateway, format_problems, load_gateway
from edge_agent import __version__

DEFAULT_CONFIG = Path("/etc/edge-agent/gateway.toml")
EXIT_FAILED = 1
EXIT_CONFIG = 2
M_ARENA_MAX = -8  # malloc.h


def main(arguments: list[str] | None = None) -> int:
    """Run one command and give its exit code."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.command(options)
    except ConfigError as error:
        print(format_problems(error.problems), file=sys.stderr)
        return EXIT_CONFIG
    except KeyboardInterrupt:
        return EXIT_FAILED
    return code


def _parser() -> argparse.ArgumentParser:
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
    demo.set_defaults(command=_demo)
    return parser


def _run(options: argparse.Namespace) -> int:
    logging.basicConfig(
        level=logging.INFO if options.verbose else logging.WARNING,
        format="%(levelname)s %(name)s: %(message)s",
    )
    _share_one_heap()
    return asyncio.run(_run_agent(load_gateway(options.config)))


def _share_one_heap() -> None:
    """Let all threads allocate from one arena: they take turns anyway, and one each costs 0.7 MB."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc has it, musl has not
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)


async def _run_agent(gateway: Gateway) -> int:
    from edge_agent.agent import open_agent
    from edge_agent.control import SocketError
    from edge_agent.identity import IdentityError

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        agent = await open_agent(gateway)
    except (IdentityError, OSError, ValueError) as error:
        print(f"edge-agent: {error}", file=sys.stderr)
        return EXIT_CONFIG
    try:
        await agent.run(stop)
    except SocketError as error:
        print(f"edge-agent: {error}", file=sys.stderr)
        return EXIT_CONFIG
    return 0


def _check_config(options: argparse.Namespace) -> int:
    from edge_agent.buffer.seal import check_table
    from edge_agent.readers import series_table

    gateway = load_gateway(options.file)
    try:
        check_table(series_table(gateway))
    except ValueError as error:
        print(f"{options.file}: {error}.", file=sys.stderr)
        return EXIT_CONFIG
    lines, meters = len(gateway.file.lines), len(gateway.file.meters)
    print(f"{options.file}: good. Gateway {gateway.file.gateway.id}, {lines} lines, {meters} meters.")
    return 0


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

    return asyncio.run(
        run_demo(seconds=options.seconds, as_json=options.json, folder=options.folder, broker=options.broker)
    )


if __name__ == "__main__":
    sys.exit(main())
