"""A changed configuration is told to the backend: once, before it counts as known."""

from __future__ import annotations

from pathlib import Path

from edge_agent.fingerprint import CONFIG_CHANGED, FILE, Fingerprint
from hal.storage import FolderStorage
from protocols.uplink.messages import EventDetail

Told = list[tuple[str, str, dict[str, EventDetail]]]


async def run(folder: Path, digest: str, *, cut: bool = False) -> Told:
    """One run of an agent with this configuration; `cut`: before anything was kept."""
    told: Told = []

    async def add(code: str, subject: str, details: dict[str, EventDetail]) -> None:
        told.append((code, subject, details))

    fingerprint = Fingerprint(FolderStorage(folder), digest)
    fingerprint.save()  # a flush before it is told keeps nothing
    await fingerprint.tell(add, "gw")
    if not cut:
        fingerprint.save()
    return told


async def test_only_a_configuration_other_than_the_last_runs_is_told(tmp_path: Path) -> None:
    assert await run(tmp_path, "aa") == []
    assert await run(tmp_path, "aa") == []
    assert await run(tmp_path, "bb") == [(CONFIG_CHANGED, "gw", {"config": "bb", "before": "aa"})]
    assert await run(tmp_path, "bb") == []


async def test_a_cut_before_it_is_kept_tells_it_again(tmp_path: Path) -> None:
    await run(tmp_path, "aa")
    assert len(await run(tmp_path, "bb", cut=True)) == 1
    assert len(await run(tmp_path, "bb")) == 1
    assert await run(tmp_path, "bb") == []


async def test_a_damaged_copy_and_a_folder_that_refuses_stop_nothing(tmp_path: Path) -> None:
    await run(tmp_path, "aa")
    (tmp_path / FILE).write_bytes(b"\xff\xfe")
    assert len(await run(tmp_path, "bb")) == 1
    for name in (FILE, f"{FILE}-copy"):
        (tmp_path / name).unlink()
        (tmp_path / name).mkdir()
    assert await run(tmp_path, "cc") == []
