"""Keeps out of a daemon that has 48 MB what its libraries would import and never use there.

paho imports `urllib.request`, for proxy settings that it looks at only where PySocks is installed: with it
http.client, email, tempfile and 60 modules in all, 1.2 MB and 20 ms of the start. msgspec prefers
`typing_extensions` where that is installed: 0.3 MB for names that `typing` has, too (measured).
"""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from collections.abc import Iterator
from types import ModuleType

_HTTP = "urllib.request"
_EXTENSIONS = "typing_extensions"


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


@contextlib.contextmanager
def without_typing_extensions() -> Iterator[None]:
    """Importing msgspec within this takes `typing`; everybody else may import the extensions later."""
    if _EXTENSIONS in sys.modules:
        yield
        return
    sys.modules[_EXTENSIONS] = None  # type: ignore[assignment]  # import answers ImportError
    try:
        yield
    finally:
        del sys.modules[_EXTENSIONS]
