"""Losses with sample weights, and what a network's outputs mean as probabilities."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from chainrule import nn
from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.graph import Tensor

_CLASSES: dict[str, Any] = {
    "cross_entropy": nn.CrossEntropyLoss,
    "nll": nn.NLLLoss,
    "softmax_focal": nn.SoftmaxFocalLoss,
    "multi_margin": nn.MultiMarginLoss,
    "mse": nn.MSELoss,
    "quadratic": nn.QuadraticLoss,
    "l1": nn.L1Loss,
    "smooth_l1": nn.SmoothL1Loss,
    "huber": nn.HuberLoss,
    "poisson_nll": nn.PoissonNLLLoss,
    "focal": nn.FocalLoss,
    "bce": nn.BCELoss,
    "bce_with_logits": nn.BCEWithLogitsLoss,
}
_NAMES = {kind.__name__: name for name, kind in _CLASSES.items()}
_BY_CLASS = ("cross_entropy", "nll", "softmax_focal", "multi_margin")
_LOGITS = ("bce_with_logits", "focal")


def made_loss(loss: Any, options: dict[str, Any]) -> Any:
    """The loss for a Trainer: a name as it is, a class or a name with options as a module."""
    if isinstance(loss, type):
        return loss(**options)
    if not options:
        return loss
    if not isinstance(loss, str) or loss not in _CLASSES:
        name = next(iter(options))
        raise ArgumentError(
            t("loss__{name} needs the loss as a class or one of: {known}.",
              name=name, known=", ".join(_CLASSES))
        )  # fmt: skip
    return _CLASSES[loss](**options)


def name_of(loss: Any) -> str:
    """The name among the Trainer's losses, or "" for a function of the user's own."""
    return loss if isinstance(loss, str) else _NAMES.get(type(loss).__name__, "")


def by_element(loss: Any) -> bool:
    """Whether targets have the outputs' shape, and are not indices of classes."""
    return name_of(loss) not in (*_BY_CLASS, "")


class Weighted:
    """(1/N)·Σ w·L over a batch; the weight is the last column of the targets.

    The weights of all samples have the mean 1, so that a weight of 2 counts as two samples.

    Args:
        loss: a name or a loss module; functions have no losses of single samples.
        indices: the target's only other column is the index of a class.
    """

    def __init__(self, loss: Any, indices: bool) -> None:
        self.indices = indices
        self._sums = name_of(loss) == "quadratic"
        if isinstance(loss, str) and loss in _CLASSES:
            self._each = _CLASSES[loss](reduction="none")
        elif isinstance(loss, nn.Module) and hasattr(loss, "reduction"):
            self._each = copy.copy(loss)
            self._each.reduction = "none"
        else:
            raise ArgumentError(
                t(
                    "Sample and class weights need a loss that knows reduction='none': a module "
                    "of chainrule.nn or one of {known}.",
                    known=", ".join(_CLASSES),
                )
            )

    def __call__(self, output: Tensor, packed: Tensor) -> Tensor:
        weight, target = packed[:, -1], packed[:, :-1]
        target = target[:, 0].long() if self.indices else target.reshape(output.shape)
        losses = self._each(output, target)
        if losses.ndim > 1:
            losses = losses.reshape(losses.shape[0], -1)
            losses = losses.sum(dim=1) if self._sums else losses.mean(dim=1)
        return (losses * weight).mean()


def pack(targets: np.ndarray, weight: np.ndarray, dtype: Any) -> np.ndarray:
    """Targets and weights side by side, for `Weighted`; [N, columns + 1]."""
    columns = targets.reshape(len(targets), -1)
    return np.column_stack([columns, weight / weight.mean()]).astype(dtype)


def probabilities(outputs: np.ndarray, loss: Any, how: Any) -> np.ndarray:
    """[N, classes] from outputs [N, classes], [N, 1] or [N].

    how: "auto" by the loss (softmax; exp for "nll"; sigmoid for losses of logits; else the outputs
    as they are, cut to 0..1), None: the outputs, or a function of them.
    """
    if callable(how):
        outputs, rule = np.asarray(how(outputs)), "none"
    elif how is None:
        rule = "none"
    else:
        name = name_of(loss)
        rule = "sigmoid" if name in _LOGITS else "cut" if by_element(loss) else "softmax"
        rule = "exp" if name == "nll" else rule
    # Double precision, or the rows would not add up to 1.
    p = outputs.astype(np.float64)
    if rule == "softmax":
        p = np.exp(p - p.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
    elif rule == "sigmoid":
        p = np.exp(-np.logaddexp(0.0, -p))
    elif rule == "exp":
        p = np.exp(p)
    elif rule == "cut":
        p = np.clip(p, 0.0, 1.0)
    if p.ndim == 1 or p.shape[1] == 1:
        p = p.reshape(-1)
        return np.column_stack([1.0 - p, p]).astype(outputs.dtype)
    if rule in ("sigmoid", "cut"):
        total = p.sum(axis=1, keepdims=True)
        p = np.where(total > 0, p / np.where(total > 0, total, 1.0), 1.0 / p.shape[1])
    return p.astype(outputs.dtype)
