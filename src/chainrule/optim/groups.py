"""Parameter groups: from what the user gives to checked dicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from chainrule.base.constraints import Bool, Constraint, Interval, Optional
from chainrule.base.errors import ArgumentError, DTypeError
from chainrule.base.text import t
from chainrule.graph import Tensor


class Betas(Constraint):
    """Two decay rates, each in [0, 1)."""

    bad = ((0.9,), (0.9, 1.0), (-0.1, 0.9), 0.9, "ab")

    def check(self, value: Any, owner: str, name: str) -> tuple[float, float]:
        if not isinstance(value, tuple | list) or len(value) != 2:
            raise self.refuse(value, owner, name)
        rate = Interval(0.0, 1.0, ends="[)")
        try:
            first, second = (rate.check(v, owner, name) for v in value)
        except ArgumentError:
            raise self.refuse(value, owner, name) from None
        return plain(first), plain(second)

    def describe(self) -> str:
        return t("two numbers in [0, 1)")


class Pair(Constraint):
    """Two numbers, each with its own constraint."""

    bad = ((0.9,), 0.9, "ab", None)

    def __init__(self, first: Constraint, second: Constraint) -> None:
        super().__init__()
        self.parts = first, second

    def check(self, value: Any, owner: str, name: str) -> tuple[Any, Any]:
        if not isinstance(value, tuple | list) or len(value) != 2:
            raise self.refuse(value, owner, name)
        first, second = (
            plain(part.check(v, owner, f"{name}[{i}]"))
            for i, (part, v) in enumerate(zip(self.parts, value, strict=True))
        )
        return first, second

    def describe(self) -> str:
        return t(
            "two values ({first}, {second})",
            first=self.parts[0].describe(),
            second=self.parts[1].describe(),
        )


class Triple(Constraint):
    """Three values of one constraint."""

    bad = ((0.9,), 0.9, "ab", None)

    def __init__(self, part: Constraint) -> None:
        super().__init__()
        self.part = part

    def check(self, value: Any, owner: str, name: str) -> tuple[Any, ...]:
        if not isinstance(value, tuple | list) or len(value) != 3:
            raise self.refuse(value, owner, name)
        return tuple(plain(self.part.check(v, owner, name)) for v in value)

    def describe(self) -> str:
        return t("three values ({part})", part=self.part.describe())


# PyTorch's choice among its implementations of a rule.
_IMPLEMENTATIONS = ("foreach", "fused", "capturable", "differentiable")


def check_implementation(given: Mapping[str, Any], owner: str) -> None:
    """Refuses unknown arguments, and a step that could be differentiated."""
    for name, value in given.items():
        if name not in _IMPLEMENTATIONS:
            raise ArgumentError(
                t("{owner} got the argument {name!r}, which it does not take.",
                  owner=owner, name=name)
            )  # fmt: skip
        Optional(Bool()).check(value, owner, name)
        if value and name == "differentiable":
            raise ArgumentError(
                t(
                    "{owner}: a step changes parameters in place and is not recorded: write the "
                    "update with tensors, and take differentiable=True out.",
                    owner=owner,
                )
            )


def plain(value: Any) -> Any:
    """A NumPy number as a Python number, so that it can be written to JSON."""
    return value.item() if isinstance(value, np.generic) else value


def split(params: Any, owner: str) -> list[dict[str, Any]]:
    """What the user gave as `params`, as a list of groups."""
    if isinstance(params, Tensor):
        raise DTypeError(
            t("{owner} takes a list of parameters, got one tensor: write [tensor].", owner=owner)
        )
    if isinstance(params, Mapping | set | frozenset | str) or not isinstance(params, Iterable):
        raise DTypeError(
            t(
                "{owner} takes a list of parameters (model.parameters()) or of dicts "
                "{{'params': […], 'lr': …}}, got {kind}.",
                owner=owner,
                kind=type(params).__name__,
            )
        )
    entries = list(params)
    if not entries:
        raise ArgumentError(
            t(
                "{owner} got an empty list of parameters. A generator such as model.parameters() "
                "is empty once it was read: call it again.",
                owner=owner,
            )
        )
    return entries if isinstance(entries[0], dict) else [{"params": entries}]


def members(given: Any, owner: str) -> tuple[list[Tensor], list[str] | None]:
    """The tensors of one group, and their names if it was given as (name, tensor) pairs."""
    if isinstance(given, Mapping | set | frozenset | str):
        raise DTypeError(
            t(
                "{owner}: the parameters of a group need an order, got {kind}: write a list.",
                owner=owner,
                kind=type(given).__name__,
            )
        )
    entries = [given] if isinstance(given, Tensor) else list(given)
    named = [e for e in entries if isinstance(e, tuple) and len(e) == 2 and isinstance(e[0], str)]
    if named and len(named) != len(entries):
        raise ArgumentError(
            t("{owner}: give a name to every parameter of a group, or to none.", owner=owner)
        )
    tensors = [e[1] for e in named] if named else entries
    for i, p in enumerate(tensors):
        where = named[i][0] if named else i
        if not isinstance(p, Tensor):
            raise DTypeError(
                t(
                    "{owner}: parameter {where} is {kind}, not a Tensor.",
                    owner=owner,
                    where=where,
                    kind=type(p).__name__,
                )
            )
        if not p.is_leaf and not p.retains_grad:
            raise ArgumentError(
                t(
                    "{owner}: parameter {where} was computed from other tensors, so changing it "
                    "would train nothing: give the tensors that it is computed from, or write "
                    "tensor.detach().requires_grad_().",
                    owner=owner,
                    where=where,
                )
            )
    return tensors, [e[0] for e in named] or None


def checked(options: dict[str, Constraint], group: dict[str, Any], owner: str) -> dict[str, Any]:
    """The entries of `group` with every known option validated."""
    return {
        name: plain(options[name].check(value, owner, name)) if name in options else value
        for name, value in group.items()
    }
