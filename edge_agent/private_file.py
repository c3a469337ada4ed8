"""Files with secrets: written whole and durably, readable by their owner only."""

from __future__ import annotations

import os
from pathlib import Path

PRIVATE_MODE = 0o600


def write_private_file(path: Path, data: bytes, *, owner: tuple[int, int] | None = None) -> None:
    """Replace `path` by a file with mode 0600; after a power cut it is the old one or the new one, whole.

    `owner`: user and group that it is given to. Raises OSError.
    """
    temporary = path.with_name(path.name + ".tmp")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        if owner is not None:
            os.fchown(descriptor, *owner)
        file.write(data)
        file.flush()
        os.fsync(descriptor)
    temporary.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
