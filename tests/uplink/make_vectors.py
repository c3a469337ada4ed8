"""Writes docs/uplink-vectors.json. Run by hand when the format gains something; vectors never change.

python -m tests.uplink.make_vectors
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cbor2
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from protocols.uplink import cbor, cose
from protocols.uplink.deterministic import write_item
from tests.uplink import stranger
from tests.uplink.messages import EXAMPLES, TABLE

PATH = Path(__file__).parents[2] / "docs" / "uplink-vectors.json"
STREAM = 0x1D2C3B4A

KEYS: dict[str, cose.PrivateKey] = {
    "ed25519": ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32))),
    "esp256": ec.derive_private_key(int.from_bytes(bytes(range(1, 33)), "big"), ec.SECP256R1()),
}

INVALID: dict[str, tuple[str, str]] = {
    "nothing": ("", "uplink.cbor"),
    "two items": ("0000", "uplink.cbor"),
    "an array of indefinite length": ("9f0907ff", "uplink.cbor"),
    "a number that is not in its shortest form": ("831808071800", "uplink.cbor"),
    "a float": ("8408070081f90000", "uplink.cbor"),
    "a tag": ("84080700c001", "uplink.cbor"),
    "map keys out of order": ("8408 0700 a2616201616101".replace(" ", ""), "uplink.cbor"),
    "a map key twice": ("84080700a2616101616102", "uplink.cbor"),
    "an array cut short": ("84080700", "uplink.cbor"),
    "no array": ("a0", "uplink.field"),
    "an empty array": ("80", "uplink.field"),
    "a negative type": ("8120", "uplink.field"),
    "a batch without a body": (write_item([1, STREAM, 7, 12, 0, None, bytes(8), 0]).hex(), "uplink.field"),
}


def _batch(axes: list[Any], columns: list[Any], marks: list[Any]) -> str:
    return write_item([1, STREAM, 7, 12, 0, None, bytes(8), 0, [axes, columns, marks]]).hex()


INVALID |= {
    "a column on no axis": (_batch([], [[0, 0, [1]]], []), "uplink.batch"),
    "an axis without a column": (_batch([[0, 0, 1, []]], [], []), "uplink.batch"),
    "fewer values than slots": (_batch([[0, 5, 2, []]], [[0, 0, [1]]], []), "uplink.batch"),
    "fewer deviations than slots": (_batch([[0, 5, 2, [1]]], [[0, 0, [1, 2]]], []), "uplink.batch"),
    "a series twice on an axis": (
        _batch([[0, 0, 1, []]], [[0, 0, [1]], [0, 0, [2]]], []),
        "uplink.duplicate",
    ),
    "a null without a mark": (_batch([[0, 0, 1, []]], [[0, 0, [None]]], []), "uplink.batch"),
    "a mark beyond the columns": (
        _batch([[0, 5, 2, []]], [[0, 0, [1, 1]]], [[0, 2, 0, 1, 1]]),
        "uplink.batch",
    ),
    "a mark beyond the slots": (_batch([[0, 5, 2, []]], [[0, 0, [1, 1]]], [[0, 1, 1, 2, 1]]), "uplink.batch"),
    "marks that overlap": (
        _batch([[0, 5, 3, []]], [[0, 0, [1, 1, 1]]], [[0, 1, 0, 1, 1], [0, 1, 0, 2, 1]]),
        "uplink.batch",
    ),
    "true for a number": (_batch([[0, 0, 1, []]], [[0, 0, [True]]], []), "uplink.field"),
    "receipt ranges that touch": (
        write_item([6, 1, 1, STREAM, 4, [[6, 7], [8, 9]], [], 1, 0]).hex(),
        "uplink.field",
    ),
    "a receipt range that continues what is held": (
        write_item([6, 1, 1, STREAM, 4, [[5, 7]], [], 1, 0]).hex(),
        "uplink.field",
    ),
    "a meter id twice": (
        write_item(
            [2, STREAM, 6, write_item([["m", "", "", "", "", 1, [1, 1], None, []]] * 2)]
        ).hex(),
        "uplink.duplicate",
    ),
    "an exponent of 64": (
        write_item(
            [2, STREAM, 6, write_item([["m", "", "", "", "", 1, [1, 1], None, [[1, 64, 0, 0, 0, 0, 0, 0]]]])]
        ).hex(),
        "uplink.field",
    ),
}  # fmt: skip

TOLERATED: dict[str, tuple[str, str]] = {
    "a type that is not known": (write_item([8, STREAM, 12, {"new": 1}]).hex(), "kept"),
    "a batch in an encoding that is not known": (
        write_item([1, STREAM, 12, 12, 0, None, bytes(8), 1, b"bits"]).hex(),
        "kept",
    ),
    "a member more at the end of an event": (
        write_item([5, STREAM, 12, [1, 2], None, "a", "b", {}, "more"]).hex(),
        "read",
    ),
}


def public_pem(key: cose.PrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def private_pem(key: cose.PrivateKey) -> str:
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key.private_bytes(*form).decode()


def diagnostic(value: Any) -> str:
    """Diagnostic notation of RFC 8949, section 8, as far as the format needs it."""
    if isinstance(value, bytes):
        return f"h'{value.hex()}'"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return f"[{', '.join(map(diagnostic, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{diagnostic(k)}: {diagnostic(v)}' for k, v in value.items())}}}"
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _vector(name: str, algorithm: str, message: bytes) -> dict[str, Any]:
    payload = cose.read_envelope(message).payload
    fields = cbor2.loads(payload)
    vector = {"name": name, "key": algorithm, "message": message.hex(), "payload": payload.hex()}
    vector["diagnostic"] = diagnostic(fields)
    if fields[0] == 1:
        dictionary = [2, 0, 0, cbor.encode_table(TABLE)]
        vector["readings"] = stranger.readings(fields, dictionary)
    return vector


def _table_vector() -> dict[str, str]:
    table = cbor.encode_table(TABLE)
    shown = diagnostic(cbor2.loads(table))
    return {"bytes": table.hex(), "hash": cbor.table_hash(table).hex(), "diagnostic": shown}


def main() -> None:
    before = (
        {v["name"] + v["key"]: v for v in json.loads(PATH.read_text())["messages"]} if PATH.exists() else {}
    )
    messages = []
    for name, message in EXAMPLES.items():
        payload = cbor.encode_message(message)
        for algorithm in KEYS if name in ("batch", "receipt") else ("ed25519",):
            old = before.get(name + algorithm)
            if old and old["payload"] == payload.hex():  # an ECDSA signature is another one each time
                signed = bytes.fromhex(old["message"])
            else:
                signed = cose.Signer(KEYS[algorithm]).sign(payload)
            messages.append(_vector(name, algorithm, signed))
    keys = {
        name: {
            "algorithm": cose.algorithm_of(key),
            "key_id": cose.key_id_of(key.public_key()).hex(),
            "public_key": public_pem(key),
        }
        for name, key in KEYS.items()
    }
    content = {
        "format": "edge-uplink-1",
        "keys": keys,
        "table": _table_vector(),
        "messages": messages,
        "tolerated_payloads": [{"name": n, "payload": p, "result": r} for n, (p, r) in TOLERATED.items()],
        "invalid_payloads": [{"name": n, "payload": p, "error": e} for n, (p, e) in INVALID.items()],
    }  # fmt: skip
    PATH.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
