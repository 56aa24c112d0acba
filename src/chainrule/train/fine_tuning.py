"""Regularisation by penalties, and what fine-tuning needs (003 §5.1, 001 七 of the notes)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from chainrule import nn
from chainrule.base.constraints import Interval, NonNegative, Positive
from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.graph import Tensor

# ---- penalties ------------------------------------------------------------------------------


def weights_of(model: nn.Module) -> list[Tensor]:
    """The parameters that a penalty acts on: those with two axes or more, so no biases and no
    scales of normalisation."""
    return [p for p in model.parameters() if p.requires_grad and p.ndim > 1]


def l1_penalty(model: nn.Module, strength: float) -> Tensor:
    """strength · Σ|w| over the weights, to be added to the loss: drives many of them to 0."""
    strength = NonNegative().check(strength, "l1_penalty", "strength")
    return strength * _total(model, [w.abs().sum() for w in weights_of(model)])


def l2_penalty(model: nn.Module, strength: float) -> Tensor:
    """strength · Σw² over the weights, to be added to the loss.

    With plain gradient descent this is `weight_decay=2 * strength` on the groups of `decay_groups`.
    """
    strength = NonNegative().check(strength, "l2_penalty", "strength")
    return strength * _total(model, [(w * w).sum() for w in weights_of(model)])


def _total(model: nn.Module, parts: list[Tensor]) -> Tensor:
    if not parts:
        raise ArgumentError(
            t(
                "{model} has no weights that are trained: a penalty acts on parameters with two "
                "axes or more.",
                model=type(model).__name__,
            )
        )
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


# ---- fine-tuning ----------------------------------------------------------------------------


def freeze(module: nn.Module) -> nn.Module:
    """Stops the training of all parameters of a module; gradients still flow through it.

    Batch normalisation goes on with its running statistics unless the module is in evaluation mode.

    >>> model = cr.nn.Sequential(cr.nn.Linear(2, 2), cr.nn.Linear(2, 1))
    >>> _ = cr.train.freeze(model[0])
    >>> [p.requires_grad for p in model.parameters()]
    [False, False, True, True]
    """
    return module.requires_grad_(False)


def unfreeze(module: nn.Module) -> nn.Module:
    """The parameters of a module are trained again."""
    return module.requires_grad_(True)


def replace_head(model: nn.Module, head: nn.Module | int) -> nn.Module:
    """Puts a new last layer in; returns it.

    head: a module, or a number of outputs: then the last Linear is replaced by a fresh one with as
    many inputs. Raises ArgumentError where the model holds no Linear.
    """
    name = ""
    for path, module in model.named_modules():
        if isinstance(module, nn.Linear):
            name, last = path, module
    if not name:
        raise ArgumentError(
            t(
                "replace_head: {model} has no Linear inside it whose place the new head could "
                "take.",
                model=type(model).__name__,
            )
        )
    if isinstance(head, int):
        weight = last.weight
        head = nn.Linear(last.in_features, head, bias=last.bias is not None, dtype=weight.dtype)
    owner, _, key = name.rpartition(".")
    setattr(model.get_submodule(owner), key, head)
    return head


def layered_groups(
    model: nn.Module, lr: float, factor: float = 0.1, *, head: nn.Module | None = None
) -> list[dict[str, Any]]:
    """Parameter groups for fine-tuning: the head learns with `lr`, what is below with lr·factor.

    head: the module that is new; by default the last one that has parameters.
    """
    lr = Positive().check(lr, "layered_groups", "lr")
    factor = Interval(0.0, 1.0).check(factor, "layered_groups", "factor")
    if head is None:
        head = [m for m in model.modules() if any(True for _ in _own(m))][-1]
    new = {id(p) for p in head.parameters()}
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if id(p) not in new], "lr": lr * factor},
        {"params": [p for p in trained if id(p) in new], "lr": lr},
    ]
    return [group for group in groups if group["params"]]


def _own(module: nn.Module) -> Iterable[Tensor]:
    return module.parameters(recurse=False)
