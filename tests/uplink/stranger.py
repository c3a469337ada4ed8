"""A decoder written from docs/uplink.md alone: cbor2 and cryptography, nothing of the project.

It reads what a stranger must read: verify one message, and turn a batch and its dictionary into readings.
"""

import hashlib
from decimal import Decimal, localcontext

import cbor2
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature


def open_message(message: bytes, public_key_pem: bytes) -> list:
    """Sections 3 and 4: the payload's fields, or cryptography's InvalidSignature."""
    tag = cbor2.loads(message)
    assert tag.tag == 18
    protected, unprotected, payload, signature = tag.value
    header = cbor2.loads(protected)
    assert not unprotected
    key = serialization.load_pem_public_key(public_key_pem)
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert header[4] == hashlib.sha256(der).digest()[:8]
    signed = cbor2.dumps(["Signature1", protected, b"edge-uplink-1", payload])
    if header[1] == -19:
        assert isinstance(key, ed25519.Ed25519PublicKey)
        key.verify(signature, signed)
    else:
        assert header[1] == -9
        assert isinstance(key, ec.EllipticCurvePublicKey)
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
    return cbor2.loads(payload)


def readings(batch: list, dictionary: list) -> list[dict]:
    """Sections 5 to 7: one entry for each slot, in the order of columns."""
    _, _, _, _, t0, wall, name, encoding, (axes, columns, marks) = batch[:9]
    table_bytes = dictionary[3]
    assert hashlib.sha256(table_bytes).digest()[:8] == name
    assert encoding == 0
    series = [(meter[0], row) for meter in cbor2.loads(table_bytes) for row in meter[8]]
    found = []
    for place, (number, axis, values) in enumerate(columns):
        start, step, _, deviations = axes[axis]
        meter, (quantity, exponent, *_) = series[number]
        for slot, value in enumerate(values):
            due = t0 + start + slot * step
            taken = due + (deviations[slot] if deviations else 0)
            codes = [c for first, n, begin, m, c in marks
                     if first <= place < first + n and begin <= slot < begin + m]  # fmt: skip
            found.append(
                {
                    "meter": meter,
                    "quantity": quantity,
                    "value": None if value is None else _exact(value, exponent),
                    "code": codes[0] if codes else 0,
                    "due_ms": due,
                    "time_ms": taken,
                    "utc_ms": None if wall is None else taken + wall[0],
                }
            )
    return found


def _exact(value: int, exponent: int) -> str:
    with localcontext() as context:
        context.prec = 400
        return format(Decimal(value).scaleb(exponent), "f")
