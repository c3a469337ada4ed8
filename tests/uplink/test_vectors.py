"""docs/uplink.md, .cddl and -vectors.json agree with the code, with a CDDL validator and with a stranger."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import cbor2
import pycddl
import pytest
from hypothesis import given, settings

from protocols.errors import ProtocolError
from protocols.uplink import cbor, cose
from protocols.uplink.columns import decode_slots
from protocols.uplink.messages import Batch, Message, Unknown
from protocols.value import Scaled
from tests.uplink import stranger
from tests.uplink.make_vectors import INVALID, KEYS, TOLERATED
from tests.uplink.messages import EXAMPLES, TABLE, messages, tables

DOCS = Path(__file__).parents[2] / "docs"
CDDL = (DOCS / "uplink.cddl").read_text()
VECTORS = json.loads((DOCS / "uplink-vectors.json").read_text())
RULES = ("batch", "dictionary", "gap", "time-map", "event", "receipt", "request")
SCHEMAS = {
    **{rule: pycddl.Schema(f"start = {rule}-message\n{CDDL}") for rule in RULES},
    **{
        rule: pycddl.Schema(f"start = {rule}\n{CDDL}")
        for rule in ("series-table", "signed-message", "protected-header")
    },
}


def signed(vector: dict) -> tuple[bytes, bytes]:
    return bytes.fromhex(vector["message"]), bytes.fromhex(vector["payload"])


@pytest.fixture(params=VECTORS["messages"], ids=lambda v: f"{v['name']}, {v['key']}")
def vector(request: pytest.FixtureRequest) -> dict:
    return request.param


def test_every_vector_verifies_and_reads_as_its_example(vector: dict) -> None:
    message, payload = signed(vector)
    assert cose.verify(message, KEYS[vector["key"]].public_key()) == payload
    assert cbor.decode_message(payload) == EXAMPLES[vector["name"]]
    assert cbor.encode_message(EXAMPLES[vector["name"]]) == payload


def test_an_ed25519_vector_is_what_signing_gives(vector: dict) -> None:
    message, payload = signed(vector)
    if vector["key"] == "ed25519":  # ECDSA signatures are different each time
        assert cose.Signer(KEYS["ed25519"]).sign(payload) == message


def test_a_stranger_reads_every_vector(vector: dict) -> None:
    key = VECTORS["keys"][vector["key"]]["public_key"].encode()
    fields = stranger.open_message(bytes.fromhex(vector["message"]), key)
    dictionary = [2, 0, 0, bytes.fromhex(VECTORS["table"]["bytes"])]
    if fields[0] == 1:
        assert stranger.readings(fields, dictionary) == vector["readings"]


def test_our_decoder_gives_the_readings_that_the_vectors_state(vector: dict) -> None:
    batch = cbor.decode_message(bytes.fromhex(vector["payload"]))
    if not isinstance(batch, Batch):
        return
    exponents = [series.exponent for meter in TABLE for series in meter.series]
    found = [
        (
            slot.due_ms,
            slot.time_ms,
            slot.remark,
            None if slot.integer is None else str(Scaled(slot.integer, exponents[slot.series])),
        )
        for slot in decode_slots(batch)
    ]
    assert found == [(r["due_ms"], r["time_ms"], r["code"], r["value"]) for r in vector["readings"]]


def test_every_vector_is_valid_by_the_cddl(vector: dict) -> None:
    message, payload = signed(vector)
    SCHEMAS["signed-message"].validate_cbor(message)
    SCHEMAS["protected-header"].validate_cbor(cbor2.loads(message).value[0])
    validate(payload)


def test_the_table_vector_has_its_hash_and_is_valid_by_the_cddl() -> None:
    table = bytes.fromhex(VECTORS["table"]["bytes"])
    SCHEMAS["series-table"].validate_cbor(table)
    assert cbor.decode_table(table) == TABLE
    assert cbor.encode_table(TABLE) == table
    assert cbor.table_hash(table).hex() == VECTORS["table"]["hash"]


@pytest.mark.parametrize("name", INVALID)
def test_an_invalid_vector_is_refused_with_its_code(name: str) -> None:
    (vector,) = (v for v in VECTORS["invalid_payloads"] if v["name"] == name)
    with pytest.raises(ProtocolError) as refused:
        cbor.decode_message(bytes.fromhex(vector["payload"]))
    assert refused.value.code == vector["error"] == INVALID[name][1]


@pytest.mark.parametrize("name", TOLERATED)
def test_a_tolerated_vector_is_kept_or_read(name: str) -> None:
    (vector,) = (v for v in VECTORS["tolerated_payloads"] if v["name"] == name)
    message = cbor.decode_message(bytes.fromhex(vector["payload"]))
    assert isinstance(message, Unknown) == (vector["result"] == "kept")


@settings(max_examples=150, deadline=None)
@given(messages)
def test_whatever_we_encode_is_valid_by_the_cddl(message: Message) -> None:
    validate(cbor.encode_message(message))


@settings(max_examples=50, deadline=None)
@given(tables)
def test_whatever_table_we_encode_is_valid_by_the_cddl(table) -> None:  # noqa: ANN001
    SCHEMAS["series-table"].validate_cbor(cbor.encode_table(table))


@pytest.mark.parametrize("rule", RULES)
def test_the_cddl_refuses_a_member_too_few_and_a_wrong_type(rule: str) -> None:
    """The validator is a judge only if it can say no."""
    payload = next(
        fields
        for fields in (cbor2.loads(bytes.fromhex(v["payload"])) for v in VECTORS["messages"])
        if RULES[fields[0] - 1] == rule
    )
    for wrong in (payload[:-1], [payload[0] + 1, *payload[1:]], [*payload[:2], "text", *payload[3:]]):
        with pytest.raises(pycddl.ValidationError):
            SCHEMAS[rule].validate_cbor(cbor2.dumps(wrong))


@pytest.mark.parametrize("rule", RULES)
def test_the_specification_describes_every_message(rule: str) -> None:
    text = (DOCS / "uplink.md").read_text()
    assert f"### {rule.replace('-', ' ').capitalize()}" in text


def test_the_example_in_the_specification_is_the_first_vector() -> None:
    """The annotated bytes, joined, are the message."""
    text = (DOCS / "uplink.md").read_text()
    block = text.split("```hex\n")[1].split("```")[0]
    joined = "".join(line.split("#")[0].replace(" ", "") for line in block.splitlines())
    assert joined == VECTORS["messages"][0]["message"]


def validate(payload: bytes) -> None:
    SCHEMAS[RULES[cbor2.loads(payload)[0] - 1]].validate_cbor(payload)


def test_every_message_type_has_an_example() -> None:
    kinds = {type(message) for message in EXAMPLES.values()}
    assert len(kinds) == len(RULES)
    assert all(dataclasses.is_dataclass(kind) for kind in kinds)
