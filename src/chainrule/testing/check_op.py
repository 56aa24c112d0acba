"""The contract of an operation: every check that applies, on every sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.ops.op import REGISTRY, Op
from chainrule.testing import (
    checks_declaration,
    checks_gradient,
    checks_memory,
    checks_value,
    compiled,
    torch_oracle,
    traced,
)
from chainrule.testing.registry import CHECKS, Check
from chainrule.testing.report import CheckFailure, Mismatch
from chainrule.testing.sampling import Sample, more_samples, samples_of

__all__ = ["CHECKS", "check_op"]
# Importing them is what fills CHECKS.
_MODULES = (
    checks_declaration, checks_gradient, checks_value, checks_memory, torch_oracle, traced,
    compiled,
)  # fmt: skip


def check_op(
    op: type[Op] | str,
    *,
    samples: Sequence[Any] | None = None,
    checks: Sequence[str] | None = None,
) -> dict[str, int]:
    """Checks the contract of an operation; returns how many comparisons each check made.

    `op`: the class or its registered name. `samples`: tuples of shapes, or (shapes, params), in
    place of the operation's own; an array in the place of a shape is used as it is. `checks`: the
    names of the checks to run, else all that apply (`chainrule.testing.check_op.CHECKS`).

    Errors: CheckFailure (an AssertionError) that names operation, check, inputs and the entry
    that differs most; ArgumentError for an unknown name, or an operation without samples.
    """
    cls = _find(op)
    drawn = samples_of(cls, samples)
    counts = {}
    for name in CHECKS if checks is None else checks:
        if name not in CHECKS:
            raise ArgumentError(
                t("Unknown check {name!r}: there are {names}.", name=name, names=", ".join(CHECKS))
            )
        if CHECKS[name].applies(cls):
            counts[name] = _run(CHECKS[name], cls, drawn)
    return counts


def _find(op: type[Op] | str) -> type[Op]:
    if isinstance(op, str):
        if op not in REGISTRY:
            raise ArgumentError(t("No operation is named {name!r}.", name=op))
        return REGISTRY[op]
    return getattr(op, "op", op)


def _run(chosen: Check, op: type[Op], samples: list[Sample]) -> int:
    total = 0
    rounds: Any = [samples] if chosen.once else more_samples(op, samples, chosen.least)
    for given in rounds:
        try:
            total += chosen.run(op, given)
        except Exception as error:
            raise _failure(chosen, op, samples[0] if chosen.once else given, error) from error
    if chosen.must and not total:
        raise CheckFailure(
            t(
                "{op}: {check}: no sample lets this be checked: give the operation samples that "
                "do.",
                op=op.name,
                check=chosen.name,
            ),
            op.name,
            chosen.name,
        )
    return total


def _failure(chosen: Check, op: type[Op], sample: Sample, error: Exception) -> CheckFailure:
    if isinstance(error, Mismatch):
        what = str(error)
    else:
        what = t("{kind}: {error}", kind=type(error).__name__, error=error)
    message = t(
        "{op}: {check}: {what}\n  inputs: {inputs}",
        op=op.name,
        check=chosen.name,
        what=what,
        inputs=sample.describe(op),
    )
    return CheckFailure(message, op.name, chosen.name)
