"""Losses by name, and the check that a model's output fits its target."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from chainrule import nn
from chainrule.base.errors import ArgumentError, DataError, ShapeError
from chainrule.base.text import t
from chainrule.graph import Tensor
from chainrule.graph.modes import mode
from chainrule.nn import functional as F
from chainrule.ops import functional as ops
from chainrule.train.streaming import unknown

Function = Callable[[Any, Any], Tensor]


def _quadratic(output: Tensor, target: Tensor) -> Tensor:
    # The notes' ½ Σ (h − y)² is a sum over the batch; its mean lets the learning rate and the
    # curves mean the same for every batch size.
    return F.quadratic_loss(output, target, reduction="sum") / output.shape[0]


# Each is the mean over the examples of a batch.
_BY_CLASS: dict[str, Function] = {
    "cross_entropy": lambda output, target: F.cross_entropy(output, target),
    "nll": lambda output, target: F.nll_loss(output, target),
    "softmax_focal": lambda output, target: F.softmax_focal_loss(output, target),
    "multi_margin": lambda output, target: F.multi_margin_loss(output, target),
}
_BY_ELEMENT: dict[str, Function] = {
    "mse": lambda output, target: F.mse_loss(output, target),
    "quadratic": _quadratic,
    "l1": lambda output, target: F.l1_loss(output, target),
    "smooth_l1": lambda output, target: F.smooth_l1_loss(output, target),
    "huber": lambda output, target: F.huber_loss(output, target),
    "rmse": lambda output, target: F.rmse_loss(output, target),
    "kl_div": lambda output, target: F.kl_div(output, target, reduction="batchmean"),
    "poisson_nll": lambda output, target: F.poisson_nll_loss(output, target),
    "focal": lambda output, target: F.focal_loss(output, target),
    "bce": lambda output, target: F.binary_cross_entropy(output, target),
    "bce_with_logits": lambda output, target: F.binary_cross_entropy_with_logits(output, target),
}
_MODULES_BY_ELEMENT = (
    nn.MSELoss, nn.QuadraticLoss, nn.L1Loss, nn.BCELoss, nn.BCEWithLogitsLoss, nn.SmoothL1Loss,
    nn.HuberLoss, nn.RMSELoss, nn.KLDivLoss, nn.PoissonNLLLoss, nn.FocalLoss,
    nn.MultiLabelSoftMarginLoss,
)  # fmt: skip
_MODULES_BY_CLASS = (nn.CrossEntropyLoss, nn.NLLLoss, nn.SoftmaxFocalLoss, nn.MultiMarginLoss)
# Their outputs are scores: above 0 is class 1.
_SCORES = (
    "bce_with_logits", "BCEWithLogitsLoss", "focal", "FocalLoss", "MultiLabelSoftMarginLoss"
)  # fmt: skip


def loss_names() -> list[str]:
    """The names that `make_loss` takes."""
    return [*_BY_CLASS, *_BY_ELEMENT]


class Loss:
    """A loss with its shapes checked: `loss(output, target)` is a 0-d tensor.

    loss: a name of `loss_names()`, a loss module, or a function of (output, target).

    For the losses by element ("mse", "bce", ...) class indices [N] become one-hot rows where the
    output is [N, classes], and targets take the output's dtype.

    Raises ArgumentError for an unknown name, ShapeError (when called) for shapes that do not fit.
    """

    def __init__(self, loss: str | Function) -> None:
        self.name: str
        if isinstance(loss, str):
            if loss not in loss_names():
                raise ArgumentError(unknown(t("loss"), loss, loss_names()))
            self.name = loss
            self.function = _BY_CLASS.get(loss) or _BY_ELEMENT[loss]
        elif callable(loss):
            self.name = getattr(loss, "__name__", type(loss).__name__)
            self.function = loss
        else:
            raise ArgumentError(
                t("The loss is a name, a module or a function, not {value!r}.", value=loss)
            )
        self.by_element = self.name in _BY_ELEMENT or isinstance(loss, _MODULES_BY_ELEMENT)
        self.by_class = self.name in _BY_CLASS or isinstance(loss, _MODULES_BY_CLASS)
        #: Above which a single output means class 1.
        self.threshold = 0.0 if self.name in _SCORES else 0.5
        self._checked: Any = None

    def __call__(self, output: Any, target: Any) -> Tensor:
        if self.by_element:
            target = _as_output(output, target)
        # Shapes repeat from step to step, so that they are looked at once.
        if isinstance(output, Tensor) and (output.shape, target.shape) != self._checked:
            self._check(output.shape, target.shape)
            self._checked = output.shape, target.shape
        loss = self.function(output, target)
        if not isinstance(loss, Tensor) or loss.ndim:
            raise ShapeError(
                t(
                    "The loss {name} must give one number (a tensor of no axes), not {what}: take "
                    "its mean.",
                    name=self.name,
                    what=f"{loss.shape}" if isinstance(loss, Tensor) else type(loss).__name__,
                )
            )
        return loss

    def _check(self, output: tuple[int, ...], target: tuple[int, ...]) -> None:
        if self.by_element and output != target:
            advice = t("make the last layer's size, or the targets, fit")
            if _squeezed(output) == _squeezed(target):
                advice = t("reshape the targets to {shape}", shape=output)
        elif self.by_class and len(output) < 2:
            advice = t("the model must give [batch, classes]")
        elif self.by_class and output != target and output[:1] + output[2:] != target:
            advice = t("targets are class indices of shape {shape}", shape=output[:1] + output[2:])
        else:
            return
        raise ShapeError(
            t(
                "Loss {name}: the model's output has shape {output} and the target {target}, which "
                "do not fit: {advice}.",
                name=self.name,
                output=output,
                target=target,
                advice=advice,
            )
        )


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for n in shape if n != 1)


def _as_output(output: Tensor, target: Tensor) -> Tensor:
    if target.dtype is output.dtype:
        return target
    if not target.dtype.is_floating_point and (
        output.ndim == 2 and output.shape[1] > 1 and target.shape == output.shape[:1]
    ):
        target = _one_hot(target, output.shape[1])
    return target.to(output.dtype)


def _one_hot(target: Tensor, classes: int) -> Tensor:
    check = partial(_check_labels, classes)
    if mode.trace is not None:
        mode.trace.check(target, check)
    else:
        check(target.numpy())
    return target.unsqueeze(1) == ops.arange(classes)


def _check_labels(classes: int, target: np.ndarray) -> None:
    """A label without a class would become a row of zeros and train towards nothing."""
    low, high = int(target.min(initial=0)), int(target.max(initial=0))
    if low < 0 or high >= classes:
        raise DataError(
            t(
                "A target holds the class {label}, but the model's {classes} outputs are the "
                "classes 0 to {last}.",
                label=low if low < 0 else high,
                classes=classes,
                last=classes - 1,
            )
        )
