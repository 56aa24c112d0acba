"""What one small recorded operation costs in glass mode, beside PyTorch eager.

`python -m benchmarks.overhead`: both in one process and in turn; this is Python's time, which no
thread pool disturbs.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from timeit import timeit
from typing import Any

import chainrule as cr

ROUNDS, CALLS = 15, 50_000


def addition(lib: Any) -> Callable[[], Any]:
    """a + b on 8 × 8 numbers; a wants a gradient, so the operation is recorded."""
    a, b = lib.ones(8, 8, requires_grad=True), lib.ones(8, 8)
    return lambda: a + b


def main() -> None:
    try:
        import torch
    except ImportError:
        sys.exit("This benchmark compares with PyTorch: pip install torch==2.13.0")
    ours, theirs = addition(cr), addition(torch)
    pairs = [(timeit(ours, number=CALLS), timeit(theirs, number=CALLS)) for _ in range(ROUNDS)]
    for name, times in zip(("chainrule", "torch"), zip(*pairs, strict=True), strict=True):
        print(f"{name:10} {1e6 * statistics.median(times) / CALLS:.2f} µs")
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"chainrule takes {ratio:.2f} × torch's time")


if __name__ == "__main__":
    main()
