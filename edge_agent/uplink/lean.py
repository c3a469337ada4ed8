"""Keeps an HTTP stack out of a daemon that has 48 MB.

paho imports `urllib.request`, for proxy settings that it looks at only where PySocks is installed. That
brings http.client, email, tempfile and 60 modules in all: 1.2 MB and 20 ms of the start (measured).
"""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from collections.abc import Iterator
from types import ModuleType

_HTTP = "urllib.request"


@contextlib.contextmanager
def without_http() -> Iterator[None]:
    """Importing paho within this does not import `urllib.request`; everybody else gets the real one."""
    if _HTTP in sys.modules or importlib.util.find_spec("socks") is not None:
        yield
        return
    sys.modules[_HTTP] = ModuleType(_HTTP)
    try:
        yield
    finally:
        del sys.modules[_HTTP]
