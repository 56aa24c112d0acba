"""The list of checks, and how one is added."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from chainrule.ops.op import Elementwise, Op

Applies = Callable[[type[Op]], bool]


class Check(NamedTuple):
    """`run(op, sample)` returns how many comparisons it made; `once`: it gets all samples.

    `must`: to compare nothing where the check applies is a failure.
    """

    name: str
    applies: Applies
    run: Callable[[type[Op], Any], int]
    once: bool
    must: bool


CHECKS: dict[str, Check] = {}


def check(
    name: str, applies: Applies = lambda op: True, once: bool = False, must: bool = True
) -> Callable[[Callable[[type[Op], Any], int]], Callable[[type[Op], Any], int]]:
    """Adds a check under `name`, in the order in which they are told of."""

    def register(run: Callable[[type[Op], Any], int]) -> Callable[[type[Op], Any], int]:
        CHECKS[name] = Check(name, applies, run, once, must)
        return run

    return register


# ---- when a check applies -------------------------------------------------------------------


def differentiable(op: type[Op]) -> bool:
    return op.differentiable


def smooth(op: type[Op]) -> bool:
    """The gradient is the derivative: not one chosen instead, as straight-through forms do."""
    return op.differentiable and not op.surrogate


def derived(op: type[Op]) -> bool:
    return smooth(op) and op.vjp is not None


def elementwise(op: type[Op]) -> bool:
    return issubclass(op, Elementwise)
