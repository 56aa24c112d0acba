"""Losses by margin and by distance as modules."""

from __future__ import annotations

from collections.abc import Callable

from chainrule.base.constraints import Bool, Choice, NonNegative, Number, Positive
from chainrule.graph import Tensor
from chainrule.nn import functional as F
from chainrule.nn.layers.loss import Loss, Weighted


class _Margin(Loss):
    def __init__(self, margin: float, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.margin = Number().check(margin, type(self).__name__, "margin")


# ---- by margin ------------------------------------------------------------------------------


class HingeLoss(_Margin):
    """max(0, margin − y·x) for y = −1 or 1, the loss of the SVM; `squared`: its square."""

    def __init__(
        self, margin: float = 1.0, squared: bool = False, *, reduction: str = "mean"
    ) -> None:
        super().__init__(margin, reduction=reduction)
        self.squared = Bool().check(squared, "HingeLoss", "squared")

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.hinge_loss(input, target, self.margin, self.squared, self.reduction)


class SoftMarginLoss(Loss):
    """log(1 + exp(−y·x)) for y = −1 or 1."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.soft_margin_loss(input, target, reduction=self.reduction)


class HingeEmbeddingLoss(_Margin):
    """x where y = 1, max(0, margin − x) where y = −1.

    >>> cr.nn.HingeEmbeddingLoss()(cr.tensor([0.25, 0.25]), cr.tensor([1.0, -1.0]))
    tensor(0.5000)
    """

    def __init__(self, margin: float = 1.0, *, reduction: str = "mean") -> None:
        super().__init__(margin, reduction=reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.hinge_embedding_loss(input, target, self.margin, reduction=self.reduction)


class MarginRankingLoss(_Margin):
    """max(0, −y·(x1 − x2) + margin). Called with x1, x2 and y = −1 or 1."""

    def __init__(self, margin: float = 0.0, *, reduction: str = "mean") -> None:
        super().__init__(margin, reduction=reduction)

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return F.margin_ranking_loss(input1, input2, target, self.margin, reduction=self.reduction)


class MultiMarginLoss(Weighted):
    """Σ_{j≠y} w_y·max(0, margin − x_y + x_j)^p / C of scores (N, C) and classes (N,)."""

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: Tensor | None = None,
        *,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, reduction=reduction)
        self.p = Choice(1, 2).check(p, "MultiMarginLoss", "p")
        self.margin = Number().check(margin, "MultiMarginLoss", "margin")

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multi_margin_loss(input, target, self.p, self.margin, self.weight, self.reduction)


class MultiLabelMarginLoss(Loss):
    """Σ max(0, 1 − x_j + x_k)/C over right j and wrong k; target rows list the right, −1 ends."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multilabel_margin_loss(input, target, reduction=self.reduction)


class MultiLabelSoftMarginLoss(Weighted):
    """The binary cross-entropy of scores (…, C), averaged over the classes."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multilabel_soft_margin_loss(input, target, self.weight, reduction=self.reduction)


# ---- by distance ----------------------------------------------------------------------------


class CosineEmbeddingLoss(_Margin):
    """1 − cos(x1, x2) where y = 1, max(0, cos(x1, x2) − margin) where y = −1."""

    def __init__(self, margin: float = 0.0, *, reduction: str = "mean") -> None:
        super().__init__(margin, reduction=reduction)

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return F.cosine_embedding_loss(input1, input2, target, self.margin, self.reduction)


class ContrastiveLoss(_Margin):
    """½(y·d² + (1 − y)·max(0, margin − d)²), d = |x1 − x2|; y = 1 for pairs that are alike."""

    def __init__(self, margin: float = 1.0, *, reduction: str = "mean") -> None:
        super().__init__(margin, reduction=reduction)

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return F.contrastive_loss(input1, input2, target, self.margin, self.reduction)


class TripletMarginLoss(Loss):
    """max(0, d(a, +) − d(a, −) + margin), d the p-norm of the difference + eps.

    `swap`: the distance from positive to negative counts if it is the smaller.

    >>> a, p, n = cr.zeros(1, 2), cr.zeros(1, 2), cr.full((1, 2), 9.0)
    >>> cr.nn.TripletMarginLoss()(a, p, n)
    tensor(0.)
    """

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        *,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        self.margin = Positive().check(margin, "TripletMarginLoss", "margin")
        self.p = NonNegative().check(p, "TripletMarginLoss", "p")
        self.eps = NonNegative().check(eps, "TripletMarginLoss", "eps")
        self.swap = Bool().check(swap, "TripletMarginLoss", "swap")

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return F.triplet_margin_loss(
            anchor, positive, negative, self.margin, self.p, self.eps, self.swap, self.reduction
        )


class TripletMarginWithDistanceLoss(Loss):
    """`TripletMarginLoss` with a distance of one's own (None: the Euclidean)."""

    def __init__(
        self,
        *,
        distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        self.distance_function = distance_function
        self.margin = Positive().check(margin, "TripletMarginWithDistanceLoss", "margin")
        self.swap = Bool().check(swap, "TripletMarginWithDistanceLoss", "swap")

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return F.triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )
