"""A small certificate authority for the demo and the tests: P-256, valid for days, never for real sites.

Every private key is written readable by its owner only.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID_FOR = dt.timedelta(days=30)
BACKDATED = dt.timedelta(days=1)
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Identity(NamedTuple):
    """A certificate and its private key, both PEM files."""

    certificate: Path
    key: Path


class Pki(NamedTuple):
    """What a broker, a gateway and a backend need to know each other."""

    ca: Path
    server: Identity
    gateway: Identity
    backend: Identity


class Authority:
    """Issues certificates; `certificate` is the root that others trust."""

    def __init__(self, name: str = "Demo root") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _subject(name)
        now = dt.datetime.now(dt.UTC)
        builder = _builder(self._name, self._name, self._key, now - BACKDATED, now + VALID_FOR)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
        self.certificate = builder.sign(self._key, hashes.SHA256())

    def write_root(self, path: Path) -> Path:
        """Write the root certificate as PEM."""
        path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        return path

    def issue(
        self,
        folder: Path,
        name: str,
        *,
        hosts: Sequence[str] = (),
        valid_from: dt.datetime | None = None,
        valid_to: dt.datetime | None = None,
    ) -> Identity:
        """`name`.pem and `name`.key in `folder`: a server's with `hosts`, else a client's."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = dt.datetime.now(dt.UTC)
        dates = (valid_from or now - BACKDATED, valid_to or now + VALID_FOR)
        builder = _builder(_subject(name), self._name, key, *dates)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
        purpose = ExtendedKeyUsageOID.SERVER_AUTH if hosts else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(issuer, critical=False)
        if hosts:
            names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        identity = Identity(folder / f"{name}.pem", folder / f"{name}.key")
        identity.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        write_private_key(identity.key, key)
        return identity


def make_pki(folder: Path, hosts: Sequence[str] = LOOPBACK) -> Pki:
    """`ca.pem` and, each as .pem and .key: `server` (for `hosts`), `gateway`, `backend`."""
    folder.mkdir(parents=True, exist_ok=True)
    authority = Authority()
    return Pki(
        ca=authority.write_root(folder / "ca.pem"),
        server=authority.issue(folder, "server", hosts=hosts),
        gateway=authority.issue(folder, "gateway"),
        backend=authority.issue(folder, "backend"),
    )


def write_private_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    """Unencrypted PKCS #8 PEM, mode 0600 from the first byte on."""
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(pem)


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    valid_from: dt.datetime,
    valid_to: dt.datetime,
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder(subject_name=subject, issuer_name=issuer)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(valid_from).not_valid_after(valid_to)
    ski = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return builder.add_extension(ski, critical=False)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
