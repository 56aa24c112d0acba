"""How a failed check is told: operation, check, inputs, where, got and expected."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.base.text import t


class CheckFailure(AssertionError):
    """A contract that does not hold. `check`: the name of the check; `op`: of the operation."""

    def __init__(self, message: str, op: str, check: str) -> None:
        super().__init__(message)
        self.op = op
        self.check = check


class Mismatch(AssertionError):
    """What a single comparison found wrong; the caller adds operation and inputs."""


def expect(condition: Any, message: str) -> None:
    """Mismatch with `message` unless the condition holds."""
    if not condition:
        raise Mismatch(message)


def close(what: str, got: Any, expected: Any, rtol: float, atol: float) -> None:
    """Mismatch unless |got − expected| ≤ atol + rtol·|expected| everywhere, in equal shapes."""
    got, expected = np.asarray(got), np.asarray(expected)
    if got.shape != expected.shape:
        raise Mismatch(
            t(
                "{what}: got shape {got}, expected {expected}.",
                what=what,
                got=got.shape,
                expected=expected.shape,
            )
        )
    a, b = got.astype(np.float64), expected.astype(np.float64)
    with np.errstate(all="ignore"):
        bad = ~np.isclose(a, b, rtol, atol, equal_nan=True)
        if not bad.any():
            return
        far = np.where(bad, np.nan_to_num(np.abs(a - b), nan=np.inf), -1)
    at = np.unravel_index(np.argmax(far), far.shape)
    raise Mismatch(
        t(
            "{what}: {n} of {size} entries differ; at {at} got {got:.9g}, expected {expected:.9g}.",
            what=what,
            n=int(bad.sum()),
            size=bad.size,
            at=tuple(map(int, at)),
            got=float(a[at]),
            expected=float(b[at]),
        )
    )
