"""Losses as modules."""

from __future__ import annotations

from typing import Any, ClassVar

from chainrule.base.constraints import (
    Bool,
    Choice,
    Int,
    Interval,
    NonNegative,
    Optional,
    Positive,
)
from chainrule.graph import Tensor
from chainrule.nn import functional as F
from chainrule.nn.module import Module


class Loss(Module):
    """`reduction`: "mean" over the elements, "sum", or "none" for the losses one by one."""

    reductions: ClassVar[tuple[str, ...]] = ("mean", "sum", "none")

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        cls.__init__ = F.with_old_arguments(cls.__init__)  # type: ignore[method-assign]

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__()
        choices = Choice(*self.reductions)
        self.reduction = choices.check(reduction, type(self).__name__, "reduction")


class Weighted(Loss):
    """`weight` is kept as a buffer."""

    weight: Tensor | None

    def __init__(self, weight: Tensor | None = None, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.register_buffer("weight", weight)


class MSELoss(Loss):
    """(x − y)².

    >>> cr.nn.MSELoss()(cr.tensor([1.0, 2.0]), cr.tensor([3.0, 2.0]))
    tensor(2.)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(input, target, reduction=self.reduction)


class L1Loss(Loss):
    """|x − y|.

    >>> cr.nn.L1Loss()(cr.tensor([1.0, 2.0]), cr.tensor([3.0, 2.0]))
    tensor(1.)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.l1_loss(input, target, reduction=self.reduction)


class QuadraticLoss(Loss):
    """½ Σ (h − y)² over the classes (001, 3-9).

    `reduction`: "batchmean", that cost averaged over the examples; "sum", added up over them as in
    (3-8); "mean", divided by the number of elements; "none", ½ (h − y)² one by one.
    """

    reductions = ("batchmean", "sum", "mean", "none")

    def __init__(self, *, reduction: str = "batchmean") -> None:
        super().__init__(reduction=reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.quadratic_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(Loss):
    """½ d²/beta where |d| < beta, else |d| − ½ beta; d = x − y.

    >>> cr.nn.SmoothL1Loss()(cr.tensor([3.0]), cr.tensor([0.0]))
    tensor(2.5000)
    """

    def __init__(self, *, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.beta = NonNegative().check(beta, "SmoothL1Loss", "beta")

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(Loss):
    """½ d² where |d| ≤ delta, else delta·(|d| − ½ delta); d = x − y.

    >>> cr.nn.HuberLoss(delta=2.0)(cr.tensor([3.0]), cr.tensor([0.0]))
    tensor(4.)
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.delta = Positive().check(delta, "HuberLoss", "delta")

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class RMSELoss(Module):
    """√(mean (x − y)²), in the unit of the target (003 §4.2.2)."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.rmse_loss(input, target)


class GaussianNLLLoss(Loss):
    """½(log v + (x − y)²/v), v = max(var, eps); `full` adds ½ log 2π. Called with x, y and var."""

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.full = Bool().check(full, "GaussianNLLLoss", "full")
        self.eps = Positive().check(eps, "GaussianNLLLoss", "eps")

    def forward(self, input: Tensor, target: Tensor, var: Tensor | float) -> Tensor:
        return F.gaussian_nll_loss(
            input, target, var, full=self.full, eps=self.eps, reduction=self.reduction
        )


class PoissonNLLLoss(Loss):
    """exp(x) − y·x for counts y; with log_input=False x − y·log(x + eps). `full`: Stirling's log y!
    as well."""

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        *,
        eps: float = 1e-8,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        self.log_input = Bool().check(log_input, "PoissonNLLLoss", "log_input")
        self.full = Bool().check(full, "PoissonNLLLoss", "full")
        self.eps = Positive().check(eps, "PoissonNLLLoss", "eps")

    def forward(self, log_input: Tensor, target: Tensor) -> Tensor:
        return F.poisson_nll_loss(
            log_input,
            target,
            log_input=self.log_input,
            full=self.full,
            eps=self.eps,
            reduction=self.reduction,
        )


class KLDivLoss(Loss):
    """y·(log y − x) of log-probabilities x; "batchmean" is the divergence, "mean" divides it by the
    classes too. `log_target`: y holds log-probabilities.

    >>> p = cr.tensor([[0.5, 0.5]])
    >>> cr.nn.KLDivLoss(reduction="batchmean")(p.log(), p)
    tensor(0.)
    """

    reductions = ("mean", "batchmean", "sum", "none")

    def __init__(self, *, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction=reduction)
        self.log_target = Bool().check(log_target, "KLDivLoss", "log_target")

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class BCELoss(Weighted):
    """−(y·log p + (1 − y)·log(1 − p)) of probabilities p.

    >>> cr.nn.BCELoss()(cr.tensor([1.0, 0.0]), cr.tensor([1.0, 0.0]))
    tensor(0.)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(Loss):
    """`BCELoss` of sigmoid(x), computed without overflow. `pos_weight` multiplies the loss of
    positive targets.

    >>> cr.nn.BCEWithLogitsLoss()(cr.tensor([-100.0]), cr.tensor([1.0]))
    tensor(100.)
    """

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


class NLLLoss(Weighted):
    """−x[y]: the negative log-likelihood of the right class, from log-probabilities (N, C, …).

    >>> cr.nn.NLLLoss()(cr.tensor([[-0.5, -2.0]]), cr.tensor([1]))
    tensor(2.)
    """

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


class CrossEntropyLoss(Weighted):
    """−log softmax(x)[y] of logits (N, C, …).

    Targets are class indices (N, …) or probabilities of the input's shape. `weight`: a factor for
    each class; `ignore_index`: a target that does not count; `label_smoothing`: the share of each
    target that is spread evenly over all classes.

    >>> loss = cr.nn.CrossEntropyLoss()(cr.tensor([[100.0, 0.0]]), cr.tensor([0]))
    >>> loss.item()
    0.0
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


class FocalLoss(Loss):
    """−α_t (1 − p_t)^gamma log p_t of scores of two classes (003 §4.1.3).

    >>> cr.nn.FocalLoss()(cr.tensor([100.0]), cr.tensor([1.0]))
    tensor(0.)
    """

    def __init__(
        self, alpha: float | None = 0.25, gamma: float = 2.0, *, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction=reduction)
        self.alpha = Optional(Interval(0, 1)).check(alpha, "FocalLoss", "alpha")
        self.gamma = NonNegative().check(gamma, "FocalLoss", "gamma")

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.focal_loss(input, target, self.alpha, self.gamma, self.reduction)


class SoftmaxFocalLoss(Weighted):
    """−α_y (1 − p_y)^gamma log p_y of scores (N, C, …) and classes; `weight` holds the α."""

    def __init__(
        self,
        weight: Tensor | None = None,
        gamma: float = 2.0,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, reduction=reduction)
        self.gamma = NonNegative().check(gamma, "SoftmaxFocalLoss", "gamma")
        self.ignore_index = Int().check(ignore_index, "SoftmaxFocalLoss", "ignore_index")

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.softmax_focal_loss(
            input, target, self.weight, self.gamma, self.ignore_index, self.reduction
        )


class CTCLoss(Loss):
    """−log of the probability that frames (T, N, C) read as the targets, all alignments summed.

    Called with log-probabilities, targets, input lengths and target lengths, as `F.ctc_loss`.

    >>> scores = cr.zeros(1, 1, 2).log_softmax(2)
    >>> loss = cr.nn.CTCLoss()(scores, cr.tensor([[1]]), cr.tensor([1]), cr.tensor([1]))
    >>> round(loss.item(), 4)
    0.6931
    """

    def __init__(
        self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False
    ) -> None:
        super().__init__(reduction=reduction)
        self.blank = Int(low=0).check(blank, "CTCLoss", "blank")
        self.zero_infinity = Bool().check(zero_infinity, "CTCLoss", "zero_infinity")

    def forward(
        self, log_probs: Tensor, targets: Tensor, input_lengths: Any, target_lengths: Any
    ) -> Tensor:
        return F.ctc_loss(
            log_probs,
            targets,
            input_lengths,
            target_lengths,
            self.blank,
            self.reduction,
            self.zero_infinity,
        )
