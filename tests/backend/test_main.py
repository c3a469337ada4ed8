"""The program's commands, their words and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from backend.main import main
from backend.receiver import check_topics, read_broker_url
from tests.backend.gateway import Gateway, minute_slots


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    gateway = Gateway()
    pem = gateway.public_key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (tmp_path / "gateway.pub").write_bytes(pem)
    return gateway


def test_keygen_writes_a_private_key_for_its_owner_only_and_never_over_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "backend.key"
    assert main(["keygen", str(file)]) == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert b"PUBLIC KEY" in (tmp_path / "backend.key.pub").read_bytes()
    before = file.read_bytes()
    assert main(["keygen", str(file)]) == 2
    assert file.read_bytes() == before
    assert "never overwritten" in capsys.readouterr().err


def test_verify_explains_a_good_message_and_ends_with_0(
    tmp_path: Path, gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    message = tmp_path / "message"
    message.write_bytes(gateway.batch(minute_slots(0, 2)))
    assert main(["verify", str(message), "--public-key", str(tmp_path / "gateway.pub")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["verdict"], found["algorithm"], found["type"]) == ("good", "Ed25519", "batch")
    assert found["content"]["columns"][0]["values"] == [1000, 1001]


def test_verify_ends_with_1_for_a_tampered_message(
    tmp_path: Path, gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    message = tmp_path / "message"
    data = gateway.event("agent.start")
    message.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert main(["verify", str(message), "--public-key", str(tmp_path / "gateway.pub")]) == 1
    assert json.loads(capsys.readouterr().out)["verdict"] == "cose.signature"


@pytest.mark.parametrize("arguments", [["status"], ["export", "--json"], ["restored"]])
def test_a_store_that_is_not_there_is_named_and_not_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    missing = tmp_path / "missing.sqlite"
    assert main([*arguments, "--store", str(missing)]) == 2
    assert "missing.sqlite" in capsys.readouterr().err
    assert not missing.exists()


def test_an_empty_store_exports_an_empty_list_and_says_that_nothing_is_missing(
    tmp_path: Path, gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    store = str(tmp_path / "s.sqlite")
    assert main(["trust", "gw-1", str(tmp_path / "gateway.pub"), "--store", store]) == 0
    capsys.readouterr()
    assert main(["export", "--json", "--store", store]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert main(["status", "--store", store]) == 0
    assert "readings    0" in capsys.readouterr().out


def test_a_file_that_is_no_key_is_refused_with_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("not a key")
    assert main(["trust", "gw-1", str(wrong), "--store", str(tmp_path / "s.sqlite")]) == 2
    assert "wrong.pem" in capsys.readouterr().err


def test_plaintext_is_allowed_on_loopback_only() -> None:
    assert read_broker_url("mqtts://broker.example").port == 8883
    assert read_broker_url("mqtt://127.0.0.1:1884") == ("127.0.0.1", 1884, False)
    assert not read_broker_url("mqtt://[::1]").tls
    for url in ("mqtt://broker.example:1883", "mqtt://192.0.2.1", "http://x", "broker"):
        with pytest.raises(ValueError, match="broker"):
            read_broker_url(url)


@pytest.mark.parametrize(
    "topics",
    [("edge/v1/up", "edge/{gateway}"), ("+/+/up", "a/{gateway}"), ("+/#", "{gateway}"), ("+/up", "down")],
)
def test_topics_without_one_gateway_segment_are_refused(topics: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="segment"):
        check_topics(*topics)
