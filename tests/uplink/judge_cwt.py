"""Asks cwt, a COSE library that is none of ours, in the environment that has it.

Reads one JSON object from standard input: {"do": "verify" | "sign", "algorithm": -19 | -9, "key": PEM,
"key_id": hex,
"external": hex, "data": hex}. Writes {"payload": hex, "protected": [[k, v]...]} or
{"message": hex}, or {"refused": text}. Imports nothing of the project.
"""

import json
import sys
from typing import Any

import cwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519


def cose_key(pem: str, algorithm: int, key_id: bytes) -> Any:
    private = "PRIVATE" in pem
    load = serialization.load_pem_private_key if private else serialization.load_pem_public_key
    key = load(pem.encode(), None) if private else load(pem.encode())
    public = key.public_key() if private else key
    if isinstance(public, ed25519.Ed25519PublicKey):
        raw = serialization.Encoding.Raw
        fields = {1: 1, -1: 6, -2: public.public_bytes(raw, serialization.PublicFormat.Raw)}
        if private:
            secret = key.private_bytes(raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())
            fields[-4] = secret
    else:
        assert isinstance(public.curve, ec.SECP256R1)
        numbers = public.public_numbers()
        fields = {1: 2, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        if private:
            fields[-4] = key.private_numbers().private_value.to_bytes(32, "big")
    return cwt.COSEKey.new({**fields, 2: key_id, 3: algorithm})


def main() -> dict:
    task = json.load(sys.stdin)
    key = cose_key(task["key"], task["algorithm"], bytes.fromhex(task["key_id"]))
    data, external = bytes.fromhex(task["data"]), bytes.fromhex(task["external"])
    cose = cwt.COSE.new()
    if task["do"] == "sign":
        protected = {1: task["algorithm"], 4: bytes.fromhex(task["key_id"])}
        message = cose.encode_and_sign(data, key, protected=protected, external_aad=external)
        return {"message": message.hex()}
    try:
        protected, unprotected, payload = cose.decode_with_headers(data, key, external_aad=external)
    except (cwt.VerifyError, cwt.DecodeError, ValueError) as wrong:
        return {"refused": repr(wrong)}
    assert unprotected == {}
    shown = [[k, v.hex() if isinstance(v, bytes) else v] for k, v in protected.items()]
    return {"payload": payload.hex(), "protected": shown}


if __name__ == "__main__":
    json.dump(main(), sys.stdout)
