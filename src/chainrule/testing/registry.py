"""The list of checks, and how one is added."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from chainrule.ops.op import Elementwise, Op

Applies = Callable[[type[Op]], bool]


class Check(NamedTuple):
    """`run(op, sample)` returns how many comparisons it made; `once`: it gets all samples.

    `must`: to compare nothing where the check applies is a failure. `least`: on so many samples at
    least; where an operation has fewer, their numbers are drawn again.
    """

    name: str
    applies: Applies
    run: Callable[[type[Op], Any], int]
    once: bool
    must: bool
    least: int


CHECKS: dict[str, Check] = {}
MANY = 20  # samples on which gradients are compared


def check(
    name: str,
    applies: Applies = lambda op: True,
    once: bool = False,
    must: bool = True,
    least: int = 1,
) -> Callable[[Callable[[type[Op], Any], int]], Callable[[type[Op], Any], int]]:
    """Adds a check under `name`, in the order in which they are told of."""

    def register(run: Callable[[type[Op], Any], int]) -> Callable[[type[Op], Any], int]:
        CHECKS[name] = Check(name, applies, run, once, must, least)
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
