"""Fixtures for all rooms, and a loud word at the end on how often PyTorch was asked."""

import numpy as np
import pytest

ORACLE = ("oracle", "torch")


@pytest.fixture
def torch(record_property):
    """PyTorch as an oracle; the test is skipped, and counted, where it is not installed."""
    record_property(*ORACLE)
    return pytest.importorskip("torch")


@pytest.fixture
def agree(torch):
    """`agree(program)`: program(chainrule) and program(torch) return the same, or both raise."""
    import chainrule

    def check(program, rtol=1e-6):
        theirs = outcome(program, torch, Exception)
        mine = outcome(program, chainrule, chainrule.ChainruleError)
        assert_same(mine, theirs, rtol)

    return check


@pytest.fixture
def reference(monkeypatch):
    """Glass mode on NumPy alone: what the replay of a graph equals to the bit."""
    from chainrule.ops.arrays import native

    monkeypatch.setattr(native, "_load", None)
    monkeypatch.setattr(native, "_source", None)


def outcome(program, module, errors):
    try:
        return plain(program(module))
    except errors:
        return "raises"


def plain(x):
    """Tensors as (dtype, shape, values); the rest as it is."""
    if hasattr(x, "detach"):
        name = str(getattr(x.dtype, "name", x.dtype)).removeprefix("torch.")
        return name, tuple(x.shape), np.array(x.detach().tolist(), dtype=object)
    if isinstance(x, tuple | list):
        return [plain(v) for v in x]
    return x


def assert_same(mine, theirs, rtol):
    if isinstance(mine, np.ndarray) and isinstance(theirs, np.ndarray):
        np.testing.assert_allclose(
            mine.astype(np.float64), theirs.astype(np.float64), rtol=rtol, atol=1e-12
        )
    elif isinstance(mine, list | tuple) and isinstance(theirs, list | tuple):
        assert len(mine) == len(theirs), (mine, theirs)
        for a, b in zip(mine, theirs, strict=True):
            assert_same(a, b, rtol)
    else:
        assert mine == theirs, (mine, theirs)


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
