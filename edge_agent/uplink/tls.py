"""TLS to the broker, and what went wrong in words that name the next step.

The chain and the host name are always verified, a client certificate is always offered, TLS 1.2 is
the least. A handshake is bounded in time: paho would wait for the keepalive interval, 20 minutes.
While the clock is not trusted, a certificate's beginning is not looked at, and its end is compared with
what time has certainly passed (UPLINK.md section 4), before anything of ours is sent.
"""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

from edge_agent.faults import FaultCode

HANDSHAKE_TIMEOUT_S = 30.0
ALERT_WAIT_S = 2.0


NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME, x509_vfy.h; the ssl module has no name for it


class CertificateEnded(ssl.SSLError):
    """A certificate of the broker's chain ended before what UTC has certainly reached."""


class _Context(ssl.SSLContext):
    ended_before_s: float | None = None
    """No certificate of the chain may end before this (UTC in s since 1970); None: the clock judges."""


class _BoundedSocket(ssl.SSLSocket):
    def do_handshake(self, block: bool = False) -> None:
        self.settimeout(HANDSHAKE_TIMEOUT_S)
        super().do_handshake(block)
        if isinstance(self.context, _Context) and self.context.ended_before_s is not None:
            _refuse_ended(self, self.context.ended_before_s)


def client_context(ca: Path, certificate: Path, key: Path, *, bound_ms: int | None = None) -> ssl.SSLContext:
    """The context for the broker; OSError or ssl.SSLError where a file does not serve.

    `bound_ms`: what UTC has certainly reached, in ms since 1970, while no clock is trusted.
    """
    context = _Context(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = _BoundedSocket
    if bound_ms is not None:
        context.verify_flags |= NO_CHECK_TIME
        context.ended_before_s = bound_ms / 1000
    context.load_verify_locations(cafile=str(ca))
    context.load_cert_chain(certfile=str(certificate), keyfile=str(key))
    return context


def _refuse_ended(connection: ssl.SSLSocket, bound_s: float) -> None:
    # The public way to the verified chain (Python 3.13) gives DER, and reading that costs megabytes.
    for certificate in connection._sslobj.get_verified_chain():  # type: ignore[attr-defined]  # noqa: SLF001
        info = certificate.get_info()
        if ssl.cert_time_to_seconds(info["notAfter"]) < bound_s:
            name = ", ".join(value for part in info["subject"] for _, value in part)
            connection.close()
            raise CertificateEnded(f"{name}: valid until {info['notAfter']}")


# OpenSSL's X509_V_ERR_* numbers (x509_vfy.h) that deserve words of their own.
_VERIFY_TEXTS = {
    10: (
        FaultCode.UPLINK_CERTIFICATE,
        "the broker's certificate has expired; renew it, or check this gateway's clock",
    ),
    9: (
        FaultCode.UPLINK_CERTIFICATE,
        "the broker's certificate is not valid yet; check this gateway's clock",
    ),
    18: (FaultCode.UPLINK_CERTIFICATE, "the broker's certificate is signed by nobody but itself"),
    19: (
        FaultCode.UPLINK_CERTIFICATE,
        "the broker's chain ends in an authority that [uplink] ca does not hold",
    ),
    20: (
        FaultCode.UPLINK_CERTIFICATE,
        "the broker's certificate comes from an authority that is not in [uplink] ca",
    ),
    62: (FaultCode.UPLINK_HOST_NAME, "the broker's certificate is made out to another host name"),
    64: (FaultCode.UPLINK_HOST_NAME, "the broker's certificate is made out to another address"),
}

_NETWORK_TEXTS: tuple[tuple[type[OSError], FaultCode, str], ...] = (
    (
        socket.gaierror,
        FaultCode.UPLINK_DNS,
        "the name cannot be resolved; is [uplink] url right, is there DNS?",
    ),
    (ConnectionRefusedError, FaultCode.UPLINK_REFUSED, "nobody listens on this port"),
    (TimeoutError, FaultCode.UPLINK_TIMEOUT, "no answer"),
)


def explain(error: BaseException | None, broker: str) -> tuple[FaultCode, str]:
    """Which fault an error of connecting is, and the words for it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        code, text = _VERIFY_TEXTS.get(
            error.verify_code, (FaultCode.UPLINK_CERTIFICATE, "the broker's certificate was not accepted")
        )
        return code, f"{broker}: {text} ({error.verify_message})"
    if isinstance(error, CertificateEnded):
        return (
            FaultCode.UPLINK_CERTIFICATE,
            f"{broker}: a certificate of the broker's chain has expired; renew it ({error.args[0]})",
        )
    if isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or ""):
        text = (
            "the broker refuses this gateway's certificate; is it signed by the authority the broker trusts?"
        )
        return FaultCode.UPLINK_CLIENT_CERTIFICATE, f"{broker}: {text} ({error.reason})"
    if isinstance(error, ssl.SSLError):
        return (
            FaultCode.UPLINK_LOST,
            f"{broker}: the connection broke during the TLS handshake ({error.reason})",
        )
    for kind, code, text in _NETWORK_TEXTS:
        if isinstance(error, kind):
            return code, f"{broker}: {text} ({error})"
    return FaultCode.UPLINK_LOST, f"{broker}: {error}"


def probe(host: str, port: int, context: ssl.SSLContext) -> BaseException | None:
    """One TLS connection, to learn why MQTT got no answer; blocking, a few seconds at most.

    With TLS 1.3 a broker refuses a client's certificate only after the handshake, and MQTT merely sees
    a closed connection; reading once more brings the alert to light.
    """
    try:
        with (
            socket.create_connection((host, port), timeout=HANDSHAKE_TIMEOUT_S) as plain,
            context.wrap_socket(plain, server_hostname=host) as secure,
        ):
            secure.settimeout(ALERT_WAIT_S)
            secure.recv(1)
    except TimeoutError:
        return None
    except OSError as error:
        return error
    return None
