"""The envelope, judged by a COSE library that is not ours."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import cbor2
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import ProtocolError
from protocols.uplink import cose
from protocols.uplink.messages import MESSAGE_SIZE_BYTES_MAX
from tests.uplink.make_vectors import KEYS, private_pem, public_pem

ROOT = Path(__file__).parents[2]
JUDGE_PYTHON = ROOT / ".venv-judge" / "bin" / "python"
needs_judge = pytest.mark.skipif(
    not JUDGE_PYTHON.exists(), reason="the foreign COSE library's environment .venv-judge is not there"
)
PAYLOAD = bytes.fromhex("8308071801")
CODES = ("cose.malformed", "cose.algorithm")


def judge(**task: object) -> dict:
    program = [str(JUDGE_PYTHON), str(Path(__file__).with_name("judge_cwt.py"))]
    done = subprocess.run(program, input=json.dumps(task), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def code_of(data: bytes, key: cose.PublicKey) -> str:
    with pytest.raises(ProtocolError) as refused:
        cose.verify(data, key)
    return refused.value.code


@pytest.fixture(params=sorted(KEYS))
def key(request: pytest.FixtureRequest) -> cose.PrivateKey:
    return KEYS[request.param]


@needs_judge
def test_a_foreign_library_verifies_our_messages(key: cose.PrivateKey) -> None:
    signer = cose.Signer(key)
    task = {
        "do": "verify",
        "algorithm": signer.algorithm,
        "key": public_pem(key),
        "key_id": signer.key_id.hex(),
        "external": cose.EXTERNAL_DATA.hex(),
    }
    message = signer.sign(PAYLOAD)
    found = judge(**task, data=message.hex())
    assert found == {
        "payload": PAYLOAD.hex(),
        "protected": [[1, signer.algorithm], [4, signer.key_id.hex()]],
    }
    assert "refused" in judge(**task, data=(message[:-1] + bytes([message[-1] ^ 1])).hex())
    assert "refused" in judge(**{**task, "external": b"edge-uplink-2".hex()}, data=message.hex())


@needs_judge
def test_we_verify_the_messages_of_a_foreign_library(key: cose.PrivateKey) -> None:
    answer = judge(
        do="sign",
        algorithm=cose.algorithm_of(key),
        key=private_pem(key),
        key_id=cose.key_id_of(key.public_key()).hex(),
        external=cose.EXTERNAL_DATA.hex(),
        data=PAYLOAD.hex(),
    )
    assert cose.verify(bytes.fromhex(answer["message"]), key.public_key()) == PAYLOAD


def test_what_is_signed_verifies(key: cose.PrivateKey) -> None:
    message = cose.Signer(key).sign(PAYLOAD)
    assert cose.verify(message, key.public_key()) == PAYLOAD
    assert cose.read_envelope(message).key_id == cose.key_id_of(key.public_key())


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_changed_bit_verifies(data: st.DataObject) -> None:
    key = KEYS[data.draw(st.sampled_from(sorted(KEYS)))]
    message = bytearray(cose.Signer(key).sign(PAYLOAD))
    bit = data.draw(st.integers(0, 8 * len(message) - 1))
    message[bit // 8] ^= 1 << bit % 8
    assert code_of(bytes(message), key.public_key()).startswith("cose.")


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=150), st.sampled_from([b"", b"\xd2", b"\xd2\x84", b"\xd2\x84\x4d\xa2\x01\x32\x04\x48"])
)
def test_any_bytes_give_an_envelope_or_a_protocol_error(data: bytes, head: bytes) -> None:
    try:
        cose.read_envelope(head + data)
    except ProtocolError as wrong:
        assert wrong.code in CODES  # noqa: PT017  (it may also not be raised)


def test_each_kind_of_wrong_key_and_signature_is_named(key: cose.PrivateKey) -> None:
    message = cose.Signer(key).sign(PAYLOAD)
    other = ed25519.Ed25519PrivateKey.generate()
    assert code_of(message, other.public_key()) == "cose.key"
    assert code_of(message[:-1] + bytes([message[-1] ^ 1]), key.public_key()) == "cose.signature"
    zero = message[:-64] + bytes(64)
    assert code_of(zero, key.public_key()) == "cose.signature"


def envelope(protected: bytes, *, unprotected: object = None, parts: int = 4) -> bytes:
    fields = [protected, {} if unprotected is None else unprotected, PAYLOAD, bytes(64)]
    return b"\xd2" + cbor2.dumps(fields[:parts])


HEADER = bytes.fromhex("a2013204480102030405060708")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (envelope(HEADER)[1:], "cose.malformed"),
        (envelope(HEADER) + b"\x00", "cose.malformed"),
        (envelope(HEADER, parts=3), "cose.malformed"),
        (envelope(HEADER, unprotected={4: b"x"}), "cose.malformed"),
        (envelope(b""), "cose.malformed"),
        (envelope(bytes.fromhex("a10132")), "cose.malformed"),
        (envelope(bytes.fromhex("a3013204480102030405060708" + "0500")), "cose.malformed"),
        (envelope(bytes.fromhex("a2013201320448010203040506")), "cose.malformed"),
        (envelope(bytes.fromhex("a2044801020304050607080132")), "cose.malformed"),
        (envelope(bytes.fromhex("a201380704480102030405060708")), "cose.malformed"),
        (envelope(bytes.fromhex("a2013204470102030405060708")), "cose.malformed"),
        (envelope(bytes.fromhex("a2012704480102030405060708")), "cose.algorithm"),
        (envelope(bytes.fromhex("a2012604480102030405060708")), "cose.algorithm"),
        (envelope(bytes.fromhex("a2016161" + "04480102030405060708")), "cose.algorithm"),
    ],
    ids=[
        *("no tag", "trailing byte", "three parts", "unprotected header", "empty header", "no key id"),
        *("third parameter", "duplicate key", "keys out of order", "long number", "short key id"),
        *("algorithm -8", "algorithm -7", "text algorithm"),
    ],
)
def test_an_envelope_that_is_not_exactly_ours_is_refused(data: bytes, code: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        cose.read_envelope(data)
    assert refused.value.code == code


def test_a_key_is_used_with_its_own_algorithm_only() -> None:
    signer = cose.Signer(KEYS["ed25519"])
    signer._protected = cbor2.dumps({1: cose.ESP256, 4: signer.key_id}, canonical=True)
    assert code_of(signer.sign(PAYLOAD), KEYS["ed25519"].public_key()) == "cose.algorithm"
    for wrong in (ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP256K1())):
        with pytest.raises(ValueError, match="P-256"):
            cose.Signer(wrong)


def test_a_message_is_at_most_16_kib(key: cose.PrivateKey) -> None:
    signer = cose.Signer(key)
    largest = signer.sign(bytes(cose.PAYLOAD_SIZE_BYTES_MAX))
    assert len(largest) <= MESSAGE_SIZE_BYTES_MAX
    assert cose.verify(largest, key.public_key())
    with pytest.raises(ValueError, match="bytes"):
        signer.sign(bytes(cose.PAYLOAD_SIZE_BYTES_MAX + 1))
    assert code_of(largest + bytes(100), key.public_key()) == "cose.malformed"


def test_the_key_id_is_the_hash_of_the_der_public_key(key: cose.PrivateKey) -> None:
    pem = public_pem(key).encode()
    der = serialization.load_pem_public_key(pem).public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    found = subprocess.run(["sha256sum"], input=der, capture_output=True, check=True).stdout
    assert found[:16].decode() == cose.key_id_of(key.public_key()).hex()
