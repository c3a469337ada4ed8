"""The demo's certificate authority, for tests."""

from edge_agent.demo.pki import LOOPBACK, Authority, Identity, Pki, make_pki

__all__ = ["LOOPBACK", "Authority", "Identity", "Pki", "make_pki"]
