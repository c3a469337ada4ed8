"""A store, and a gateway that it trusts."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.store import Store
from tests.backend.gateway import Gateway

NOW_MS = 1_790_000_100_000


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store.sqlite", lambda: NOW_MS)


@pytest.fixture
def gateway(store: Store) -> Gateway:
    gateway = Gateway()
    store.trust("gw-1", gateway.public_key)
    return gateway
