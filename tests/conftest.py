"""What holds for every test: a printed seed, and no silent skip where everything can be installed.

With CI set, a skip counts as a failure unless its reason begins with `hardware:` (the machine lacks a
device) or `corpora:` (the recorded telegrams are not laid beside the checkout). EDGE_SEED repeats a run.
"""

from __future__ import annotations

import os
import random
import secrets
from collections.abc import Generator

import pytest

SEED = int(os.environ.get("EDGE_SEED") or secrets.randbelow(2**32))
SKIP_REASONS = ("hardware:", "corpora:")
IN_CI = os.environ.get("CI", "").lower() not in ("", "0", "false")


@pytest.fixture(scope="session")
def seed() -> int:
    """The run's seed, for tests that need a generator of their own."""
    return SEED


def pytest_sessionstart(session: pytest.Session) -> None:
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None:
        terminal.write_line(f"EDGE_SEED={SEED}")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    random.seed(SEED)  # each test alike, whatever ran before it


def refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Makes a skip that nobody foresaw a failure, with its own reason in the message."""
    if not IN_CI or report.outcome != "skipped" or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    reason = reason.removeprefix("Skipped: ")
    if not reason.startswith(SKIP_REASONS):
        report.outcome = "failed"
        report.longrepr = (
            f"CI is set and this was skipped: {reason}. Allowed reasons begin with {SKIP_REASONS}"
        )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    refuse_skip(report)
    return report
