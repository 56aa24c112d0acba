"""Fixtures for all rooms, and a loud word at the end on how often PyTorch was asked."""

import pytest

ORACLE = ("oracle", "torch")


@pytest.fixture
def torch(record_property):
    """PyTorch as an oracle; the test is skipped, and counted, where it is not installed."""
    record_property(*ORACLE)
    return pytest.importorskip("torch")


def asked_torch(report) -> bool:
    return ORACLE in map(tuple, report.user_properties)


def skipped_for_torch(report) -> bool:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return "'torch'" in reason


def pytest_terminal_summary(terminalreporter):
    stats = terminalreporter.stats
    ran = [r for kind in ("passed", "failed") for r in stats.get(kind, []) if asked_torch(r)]
    skipped = [r for r in stats.get("skipped", []) if skipped_for_torch(r)]
    if skipped:
        terminalreporter.section("PyTorch oracle", sep="!", yellow=True, bold=True)
        terminalreporter.write_line(
            f"{len(skipped)} CHECKS AGAINST PYTORCH WERE SKIPPED: it is not installed. "
            f"{len(ran)} ran.",
            yellow=True,
            bold=True,
        )
    elif ran:
        terminalreporter.write_line(f"PyTorch oracle: {len(ran)} checks ran, none was skipped.")
