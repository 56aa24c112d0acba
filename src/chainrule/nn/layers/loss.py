"""Losses as modules."""

from __future__ import annotations

from typing import ClassVar

from chainrule.base.constraints import Choice, Int, Interval
from chainrule.graph import Tensor
from chainrule.nn import functional as F
from chainrule.nn.module import Module


class _Loss(Module):
    """`reduction`: "mean" over the elements, "sum", or "none" for the losses one by one."""

    reductions: ClassVar[tuple[str, ...]] = ("mean", "sum", "none")

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__()
        choices = Choice(*self.reductions)
        self.reduction = choices.check(reduction, type(self).__name__, "reduction")


class _Weighted(_Loss):
    """`weight` is kept as a buffer."""

    weight: Tensor | None

    def __init__(self, weight: Tensor | None = None, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.register_buffer("weight", weight)


class MSELoss(_Loss):
    """(x − y)²."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(input, target, reduction=self.reduction)


class L1Loss(_Loss):
    """|x − y|."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.l1_loss(input, target, reduction=self.reduction)


class QuadraticLoss(_Loss):
    """½ Σ (h − y)² over the classes (001, 3-9).

    `reduction`: "batchmean", that cost averaged over the examples; "sum", added up over them as in
    (3-8); "mean", divided by the number of elements; "none", ½ (h − y)² one by one.
    """

    reductions = ("batchmean", "sum", "mean", "none")

    def __init__(self, *, reduction: str = "batchmean") -> None:
        super().__init__(reduction=reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.quadratic_loss(input, target, reduction=self.reduction)


class BCELoss(_Weighted):
    """−(y·log p + (1 − y)·log(1 − p)) of probabilities p."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """`BCELoss` of sigmoid(x), computed without overflow. `pos_weight` multiplies the loss of
    positive targets."""

    weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        reduction: str = "mean",
        pos_weight: Tensor | None = None,
    ) -> None:
        super().__init__(reduction=reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )


class NLLLoss(_Weighted):
    """−x[y]: the negative log-likelihood of the right class, from log-probabilities (N, C, …)."""

    def __init__(
        self, weight: Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean"
    ) -> None:
        super().__init__(weight, reduction=reduction)
        self.ignore_index = Int().check(ignore_index, "NLLLoss", "ignore_index")

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.nll_loss(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
        )


class CrossEntropyLoss(_Weighted):
    """−log softmax(x)[y] of logits (N, C, …).

    Targets are class indices (N, …) or probabilities of the input's shape. `weight`: a factor for
    each class; `ignore_index`: a target that does not count; `label_smoothing`: the share of each
    target that is spread evenly over all classes.
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, reduction=reduction)
        self.ignore_index = Int().check(ignore_index, "CrossEntropyLoss", "ignore_index")
        self.label_smoothing = Interval(0, 1).check(
            label_smoothing, "CrossEntropyLoss", "label_smoothing"
        )

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )
