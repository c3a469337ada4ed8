"""Every example site, for 40 s each, through a link that fails and heals."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.demo.sites import site_names
from tests.system.test_sites import SECONDS, run_site


@pytest.mark.proof
@pytest.mark.parametrize("name", site_names())
def test_a_site_runs_whole_and_loses_nothing(name: str, tmp_path: Path) -> None:
    summary = run_site(name, SECONDS, tmp_path)
    assert all(meter["slots"] >= 3 for meter in summary["meters"].values())
    print(name, {key: value for key, value in summary.items() if isinstance(value, int | float)})
