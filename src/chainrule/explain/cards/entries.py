"""What there is: every name that has a card, found in the registries themselves."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from chainrule import nn, ops, optim
from chainrule.explain.cards.sheets import LAYERS, SAME, SHEETS
from chainrule.nn import init
from chainrule.nn.layers.activation import Activation
from chainrule.nn.module import Module
from chainrule.ops.functional import PUBLIC
from chainrule.ops.op import REGISTRY, Op
from chainrule.optim import lr_scheduler

KINDS = ("operation", "function", "layer", "loss", "optimiser", "schedule", "initialiser",
         "regulariser", "estimator")  # fmt: skip
# Classical learning stands beside this package, so its estimators are known by their sheets.
ESTIMATORS = ("trees", "estimators", "unsupervised")


class Entry(NamedTuple):
    """One thing that has a card.

    sheet: the name under which its sheet stands; family: the file that holds it.
    """

    name: str
    kind: str
    family: str
    sheet: str
    target: Any
    op: type[Op] | None


@cache
def entries() -> dict[str, Entry]:
    """All of them, by name."""
    found: dict[str, Entry] = {}
    for name, op in REGISTRY.items():
        found[name] = _entry(name, "operation", PUBLIC.get(name, op.function), op)
    for name, function in functions().items():
        if name not in found and name not in aliases():
            found[name] = _entry(name, "function", function)
    for name, module in vars(nn).items():
        if inspect.isclass(module) and issubclass(module, Module):
            kind = "loss" if module.__module__.endswith((".loss", ".loss_margin")) else "layer"
            found[name] = _entry(name, kind, module)
    for name, cls in vars(optim).items():
        if inspect.isclass(cls) and not name.startswith("_"):
            found[name] = _entry(name, "optimiser", cls)
    for name, cls in vars(lr_scheduler).items():
        if inspect.isclass(cls) and not name.startswith("_"):
            found[name] = _entry(name, "schedule", cls)
    for name, function in vars(init).items():
        if name.endswith("_") and not name.startswith("_"):
            found[name] = _entry(name, "initialiser", function)
    for name in SHEETS["regularisers"]:
        found.setdefault(name, _entry(name, "regulariser", None))
    for name in (name for family in ESTIMATORS for name in SHEETS[family]):
        found.setdefault(name, _entry(name, "estimator", None))
    # An operation that a user registered has no sheet; a test sees to our own.
    return {name: entry for name, entry in found.items() if entry.family}


def functions() -> dict[str, Callable[..., Any]]:
    """The functions of chainrule, and those that only `chainrule.ops` has."""
    own = {
        name: x for name, x in vars(ops).items()
        if not name.startswith("_") and callable(x) and not inspect.isclass(x)
    }  # fmt: skip
    return own | PUBLIC


def _entry(name: str, kind: str, target: Any, op: type[Op] | None = None) -> Entry:
    sheet = name
    if kind in ("layer", "loss"):
        sheet = _of_layer(name, target)
    elif name in SAME and family_of(name) is None:
        sheet = SAME[name]
    family = family_of(sheet)
    if op is None and sheet != name:
        op = REGISTRY.get(sheet)
    return Entry(name, kind, family or "", sheet, target, op)


def _of_layer(name: str, module: Any) -> str:
    """The sheet of a layer: its own, or that of the operation it runs."""
    if family_of(name):
        return name
    if name in LAYERS:
        return LAYERS[name]
    if issubclass(module, Activation) and hasattr(module, "operation"):
        return str(module.operation.name)
    return name


def family_of(name: str) -> str | None:
    """The file of sheets that holds a name."""
    return next((family for family, sheets in SHEETS.items() if name in sheets), None)


@cache
def aliases() -> dict[str, str]:
    """Other names of functions: `arctan2` is `atan2`, `trapz` is `trapezoid`."""
    out: dict[str, str] = {}
    for name, op in REGISTRY.items():
        out |= {alias: name for alias in op.aliases if alias in PUBLIC}
    for name, function in PUBLIC.items():
        own = _own_name(function)
        if name != own and own in PUBLIC and name not in REGISTRY:
            out.setdefault(name, own)
    # `subtract` and `divide` are operations; PyTorch's short names are the functions around them.
    return out | {"sub": "subtract", "div": "divide", "true_divide": "divide"}


def _own_name(function: Callable[..., Any]) -> str:
    op = getattr(function, "op", None)
    return str(op.name) if op is not None else function.__name__.rstrip("_")
