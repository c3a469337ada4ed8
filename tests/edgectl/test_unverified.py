"""What the catalogue has from one source only is said on the page, once, without hiding what matters."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.control.target import CALM, FEED
from tests.edgectl.test_commands import edgectl, folder, path, serving

__all__ = ["folder", "path"]  # fixtures


async def test_status_names_the_meters_with_unverified_values(path: Path) -> None:
    meters = [replace(FEED, id=f"m{n}", unverified=n) for n in range(6)]
    async with serving(path, replace(CALM, meters=meters)):
        outcome = await edgectl("status", "--socket", str(path))
        german = await edgectl("status", "--socket", str(path), "--lang", "de")
        as_json = await edgectl("status", "--socket", str(path), "--json")
    assert outcome.code == 0
    told = " ".join(outcome.out.split())
    assert "15 values unverified, compare with the display (docs/meters.md): m1, m2, m3, ..." in told
    assert "15 Werte ungeprüft" in german.out
    assert [meter["unverified"] for meter in as_json.json["status"]["meters"]] == [0, 1, 2, 3, 4, 5]


async def test_status_is_silent_about_values_that_were_seen_twice(path: Path) -> None:
    async with serving(path):
        outcome = await edgectl("status", "--socket", str(path))
    assert "unverified" not in outcome.out
