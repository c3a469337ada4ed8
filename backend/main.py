"""`edge-backend`: the reference receiver as a program. Exit 0 good, 1 bad news, 2 wrong usage."""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import json
import logging
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from backend import gaps, proof_text, report, requests
from backend.receipts import ReceiptSchedule
from backend.store import Store
from protocols.quantities import by_name
from protocols.uplink import cose

RECEIPT_INTERVAL_S = 6 * 3600.0


class UsageError(Exception):
    """What the caller must do differently."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains at its end
        return 1
    except (UsageError, OSError, ValueError, sqlite3.Error) as wrong:
        print(f"edge-backend: {wrong}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="edge-backend", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_receive(commands)
    trust = commands.add_parser("trust", help="register a gateway's public key")
    trust.add_argument("gateway", metavar="GATEWAY_ID")
    trust.add_argument("public_key", metavar="PUBLIC_KEY.pem", type=Path)
    trust.add_argument("--store", type=Path, required=True)
    trust.set_defaults(run=_trust)
    keygen = commands.add_parser("keygen", help="make the backend's signing key (FILE and FILE.pub)")
    keygen.add_argument("file", type=Path)
    keygen.set_defaults(run=_keygen)
    verify = commands.add_parser("verify", help="explain one message; exit 1 if it is not good")
    verify.add_argument("file", type=Path)
    verify.add_argument("--store", type=Path, help="where keys and dictionaries are known")
    verify.add_argument("--public-key", type=Path)
    verify.set_defaults(run=_verify)
    export = commands.add_parser("export", help="all readings, exact")
    form = export.add_mutually_exclusive_group(required=True)
    form.add_argument("--csv", action="store_true")
    form.add_argument("--json", action="store_true")
    export.add_argument("--store", type=Path, required=True)
    export.set_defaults(run=_export)
    status = commands.add_parser("status", help="what is held, and what is missing")
    status.add_argument("--store", type=Path, required=True)
    status.add_argument("--json", action="store_true")
    status.set_defaults(run=_status)
    _add_gaps(commands)
    wish = commands.add_parser("request", help="ask a gateway for messages again, or for what it has now")
    wish.add_argument("gateway", metavar="GATEWAY_ID")
    wish.add_argument("--store", type=Path, required=True)
    wish.add_argument("--stream", type=int, help="default: all streams of the gateway")
    wish.add_argument(
        "--sequences", action="append", default=[], metavar="FIRST-LAST", help="may be repeated"
    )
    wish.add_argument("--now", action="store_true", help="seal and send the open interval at once")
    wish.set_defaults(run=_request)
    restored = commands.add_parser("restored", help="say that the store was restored from an old copy")
    restored.add_argument("--store", type=Path, required=True)
    restored.set_defaults(run=_restored)
    return parser


def _add_gaps(commands: Any) -> None:
    found = commands.add_parser(
        "gaps", help="each series complete, or missing which slots and why; exit 1 where one is unexplained"
    )
    found.add_argument("--store", type=Path, required=True)
    found.add_argument("--gateway", default="", help="only this gateway's")
    found.add_argument("--meter", default="", help="only this meter's")
    found.add_argument("--quantity", default="", help="only this quantity, by its name in the registry")
    found.add_argument("--from", dest="from_utc", default="", metavar="TIME", help="2026-11-01T00:00:00Z")
    found.add_argument("--to", dest="to_utc", default="", metavar="TIME")
    found.add_argument("--json", action="store_true")
    found.set_defaults(run=_gaps)


def _add_receive(commands: Any) -> None:
    receive = commands.add_parser("receive", help="receive, verify, store, answer with receipts")
    receive.add_argument("--broker", required=True, metavar="mqtts://HOST:PORT")
    receive.add_argument("--ca", type=Path, help="who signs the broker's certificate; default: the system's")
    receive.add_argument("--certificate", type=Path, help="this client's certificate")
    receive.add_argument("--key", type=Path, help="its key")
    receive.add_argument("--store", type=Path, required=True)
    receive.add_argument("--signing-key", type=Path, required=True, help="made by `edge-backend keygen`")
    receive.add_argument("--topic-up", default="edge/v1/+/up")
    receive.add_argument("--topic-down", default="edge/v1/{gateway}/down")
    receive.add_argument("--mqtt-version", choices=("5", "3.1.1"), default="5")
    receive.add_argument("--share", default="", metavar="GROUP", help="share the work with others (MQTT 5)")
    receive.add_argument("--client-id", default="", help="MQTT client id; default: from the signing key")
    receive.add_argument("--receipt-interval", type=float, default=RECEIPT_INTERVAL_S, metavar="SECONDS")
    receive.set_defaults(run=_receive)


def _receive(options: argparse.Namespace) -> int:
    from backend.receiver import Receiver, Settings  # the other commands need no MQTT

    _log_to_stdout()
    signer = cose.Signer(_private_key(options.signing_key))
    if options.share and options.mqtt_version != "5":
        raise UsageError("--share needs --mqtt-version 5")
    settings = Settings(
        broker=options.broker,
        ca=options.ca,
        certificate=options.certificate,
        key=options.key,
        topic_up=options.topic_up,
        topic_down=options.topic_down,
        mqtt_version=options.mqtt_version,
        share=options.share,
        client_id=options.client_id or f"edge-backend-{signer.key_id.hex()}",
    )
    store = Store(options.store, _now_ms)
    receiver = Receiver(settings, store, signer, ReceiptSchedule(options.receipt_interval))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: receiver.stop())
    receiver.run()
    store.close()
    return 0


def _trust(options: argparse.Namespace) -> int:
    store = Store(options.store, _now_ms)
    kid = store.trust(options.gateway, _public_key(options.public_key))
    store.close()
    print(f"{options.gateway}: key {kid.hex()}")
    return 0


def _keygen(options: argparse.Namespace) -> int:
    if options.file.exists():
        raise UsageError(f"{options.file} exists; a signing key is never overwritten: name another file")
    key = ed25519.Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    options.file.touch(mode=0o600)
    options.file.write_bytes(pem)
    public = Path(f"{options.file}.pub")
    public.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    print(f"{options.file}: key {cose.key_id_of(key.public_key()).hex()}; gateways are given {public}")
    return 0


def _verify(options: argparse.Namespace) -> int:
    store = _open_existing(options.store) if options.store else None
    public_key = _public_key(options.public_key) if options.public_key else None
    found = report.explain(options.file.read_bytes(), store, public_key)
    print(json.dumps(found, indent=2, ensure_ascii=False))
    return 0 if found["verdict"] == "good" else 1


def _export(options: argparse.Namespace) -> int:
    rows = report.readings(_open_existing(options.store))
    if options.csv:
        writer = csv.DictWriter(sys.stdout, report.READING_FIELDS)
        writer.writeheader()
        writer.writerows(rows)
        return 0
    separator = "[\n"
    for row in rows:
        print(separator + json.dumps(row, ensure_ascii=False), end="")
        separator = ",\n"
    print("[]" if separator == "[\n" else "\n]")
    return 0


def _status(options: argparse.Namespace) -> int:
    found = report.status(_open_existing(options.store))
    if options.json:
        print(json.dumps(found))
        return 0
    for name in ("readings", "undated", "duplicates", "undecoded", "gaps", "events"):
        print(f"{name:11} {found[name]}")
    print("messages   ", ", ".join(f"{count} {name}" for name, count in found["verdicts"].items()) or "none")
    for stream in found["streams"]:
        print(_stream_line(stream))
    return 0


def _stream_line(stream: dict[str, Any]) -> str:
    holes = [
        f"{hole['first']}-{hole['last']}{' (evicted by the gateway)' if hole['explained'] else ''}"
        for hole in stream["holes"]
    ]
    missing = f"missing {', '.join(holes)}" if holes else "nothing missing"
    name = f"{stream['name']} ({stream['stream']})"
    return f"{stream['gateway']} stream {name}: held up to {stream['held_to']}, {missing}"


def _gaps(options: argparse.Namespace) -> int:
    store = _open_existing(options.store)
    period = gaps.Period(_utc_ms(options.from_utc), _utc_ms(options.to_utc))
    quantity = _quantity_number(options.quantity) if options.quantity else None
    proofs = list(gaps.prove(store, period, gateway=options.gateway, meter=options.meter, quantity=quantity))
    found = [each for each in gaps.findings(store) if options.gateway in ("", each.gateway)]
    if options.json:
        print(json.dumps(proof_text.to_json(proofs, found)))
    else:
        print("\n".join(proof_text.to_lines(proofs, found)))
    return 0 if proof_text.verdict(proofs) in ("complete", "gaps") else 1


def _quantity_number(name: str) -> int:
    try:
        return by_name(name).number
    except KeyError:
        raise UsageError(f"--quantity {name}: not in the registry (protocols/quantities.py)") from None


def _utc_ms(text: str) -> int | None:
    if not text:
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text}: a time is written as 2026-11-01T00:00:00Z") from None
    if moment.tzinfo is None:
        raise UsageError(f"{text}: say in which time zone, as 2026-11-01T00:00:00Z or ...+01:00")
    return round(moment.timestamp() * 1000)


def _request(options: argparse.Namespace) -> int:
    store = _open_existing(options.store)
    ranges = [_range(text) for text in options.sequences]
    count = requests.ask(store, options.gateway, options.stream, ranges=ranges, seal_now=options.now)
    print(f"{count} requests wait for the receiver, which sends them at once where it runs")
    return 0


def _range(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    if not (first.isdecimal() and (last or first).isdecimal()):
        raise UsageError(f"--sequences {text}: expected FIRST-LAST, as 120-131, or one number")
    return int(first), int(last or first)


def _restored(options: argparse.Namespace) -> int:
    store = _open_existing(options.store)
    print(f"epoch {store.begin_epoch()}: gateways will send again what this copy does not hold")
    return 0


def _open_existing(path: Path) -> Store:
    if not path.exists():
        raise UsageError(f"no store at {path}; `edge-backend receive` or `trust` makes one")
    return Store(path, _now_ms)


def _private_key(path: Path) -> cose.PrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
        cose.algorithm_of(key)  # type: ignore[arg-type]  # it judges any kind
    except (ValueError, TypeError) as wrong:
        raise UsageError(f"{path}: not an unencrypted Ed25519 or P-256 private key in PEM: {wrong}") from None
    return key  # type: ignore[return-value]


def _public_key(path: Path) -> cose.PublicKey:
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
        cose.algorithm_of(key)  # type: ignore[arg-type]
    except ValueError as wrong:
        raise UsageError(f"{path}: not an Ed25519 or P-256 public key in PEM: {wrong}") from None
    return key  # type: ignore[return-value]


def _log_to_stdout() -> None:
    logging.Formatter.converter = time.gmtime
    form = "%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s"
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format=form, datefmt="%Y-%m-%dT%H:%M:%S")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


if __name__ == "__main__":
    sys.exit(main())
