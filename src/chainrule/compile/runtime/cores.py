"""Which CPUs this process may use: affinity, physical cores, control-group quota."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
TOPOLOGY = Path("/sys/devices/system/cpu")


def allowed_cpus() -> frozenset[int]:
    """The CPUs on which the calling thread may run."""
    try:  # asked before each program: without `suppress`, which takes as long as the answer
        return frozenset(os.sched_getaffinity(0))
    except (AttributeError, OSError):  # not on every system, and a sandbox may forbid it
        return frozenset(range(os.cpu_count() or 1))


@cache
def placement(cpus: frozenset[int]) -> tuple[tuple[int, ...], int]:
    """The CPUs in the order in which threads take them, and how many physical cores they are.

    One CPU of every core comes first: two threads on one core share its arithmetic units.
    """
    first: list[int] = []
    second: list[int] = []
    cores: set[str] = set()
    for cpu in sorted(cpus):
        core = _siblings(cpu)
        (second if core in cores else first).append(cpu)
        cores.add(core)
    return (*first, *second), len(first)


def _siblings(cpu: int) -> str:
    try:
        return (TOPOLOGY / f"cpu{cpu}/topology/thread_siblings_list").read_text().strip()
    except OSError:
        return str(cpu)


@cache
def quota() -> float | None:
    """CPUs' worth of time that the control group (version 1 or 2) grants; None: no limit."""
    try:
        lines = MEMBERSHIP.read_text().splitlines()
    except OSError:
        return None
    limits = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            limits += [_version2(folder) for folder in _upwards(GROUPS, path)]
        elif "cpu" in controllers.split(","):
            for mount in (controllers, "cpu"):
                limits += [_version1(folder) for folder in _upwards(GROUPS / mount, path)]
    return min((limit for limit in limits if limit is not None), default=None)


def _upwards(root: Path, path: str) -> Iterator[Path]:
    # A group is bound by its parents' limits too. In a container the path may be the host's and
    # not exist here: the root then holds the container's own limit.
    folder = root / path.lstrip("/")
    while folder != root and root in folder.parents:
        yield folder
        folder = folder.parent
    yield root


def _version2(folder: Path) -> float | None:
    try:
        limit, period = (folder / "cpu.max").read_text().split()
        return None if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError):
        return None


def _version1(folder: Path) -> float | None:
    try:
        limit = int((folder / "cpu.cfs_quota_us").read_text())
        period = int((folder / "cpu.cfs_period_us").read_text())
        return limit / period if limit > 0 and period > 0 else None
    except (OSError, ValueError):
        return None


def most_threads() -> int:
    """The largest number of threads that really run at the same time."""
    return _within_quota(len(allowed_cpus()))


def best_threads() -> int:
    """One thread a physical core, within the quota."""
    return _within_quota(placement(allowed_cpus())[1])


def _within_quota(count: int) -> int:
    # Rounded down: a group that uses more than its quota is stopped in the midst of a program.
    limit = quota()
    return count if limit is None else max(1, min(count, int(limit)))
