"""Losses of embeddings: what is alike should lie close, what is not far apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule.base.constraints import Bool, NonNegative, Number, Positive
from chainrule.base.errors import ShapeError
from chainrule.base.text import t
from chainrule.graph.tensor import Tensor
from chainrule.ops.dispatch import apply
from chainrule.ops.distances import cosine_similarity, pairwise_distance
from chainrule.ops.functions import function
from chainrule.ops.loss import REDUCTION
from chainrule.ops.loss_classes import as_tensor
from chainrule.ops.op import REGISTRY


def _above_zero(z: Tensor) -> Tensor:
    """max(z, 0) whose gradient at 0 is 1, as PyTorch's clamp."""
    return apply(REGISTRY["where"], z < 0, 0.0, z)


def _reduced(loss: Tensor, reduction: str) -> Tensor:
    return loss if reduction == "none" else loss.sum() if reduction == "sum" else loss.mean()


@function()
def cosine_embedding_loss(
    input1: Any, input2: Any, target: Any, margin: float = 0.0, reduction: str = "mean"
) -> Tensor:
    """1 − cos(x1, x2) where y = 1, max(0, cos(x1, x2) − margin) where y = −1.

    input1, input2: (N, D), target (N,); or (D,) and ().
    """
    name = "cosine_embedding_loss"
    x1, x2, y = as_tensor(input1), as_tensor(input2), as_tensor(target)
    if x1.ndim not in (1, 2) or x1.shape != x2.shape or y.shape != x1.shape[:-1]:
        raise ShapeError(
            t(
                "{name} takes inputs (N, D) and a target (N,), or (D,) and (): input1 has shape "
                "{x1}, input2 {x2}, target {y}.",
                name=name,
                x1=x1.shape,
                x2=x2.shape,
                y=y.shape,
            )
        )
    margin = Number().check(margin, name, "margin")
    reduction = REDUCTION.check(reduction, name, "reduction")
    cosine = cosine_similarity(x1, x2, -1)
    where = REGISTRY["where"]
    # As in PyTorch, a target that is neither counts for nothing.
    together = apply(where, y.eq(1), 1 - cosine, 0.0)
    return _reduced(together + apply(where, y.eq(-1), _above_zero(cosine - margin), 0.0), reduction)


@function()
def contrastive_loss(
    input1: Any, input2: Any, target: Any, margin: float = 1.0, reduction: str = "mean"
) -> Tensor:
    """½(y·d² + (1 − y)·max(0, margin − d)²), d the distance of two embeddings (N, D).

    target (N,): 1 for pairs that are alike, 0 for others. R. Hadsell, S. Chopra and Y. LeCun, CVPR
    (2006). PyTorch has it for distances only, as `hinge_embedding_loss`.
    """
    name = "contrastive_loss"
    x1, x2, y = as_tensor(input1), as_tensor(input2), as_tensor(target)
    if not x1.ndim or x1.shape != x2.shape or y.shape != x1.shape[:-1]:
        raise ShapeError(
            t(
                "{name} takes inputs (N, D) and a target (N,), or (D,) and (): input1 has shape "
                "{x1}, input2 {x2}, target {y}.",
                name=name,
                x1=x1.shape,
                x2=x2.shape,
                y=y.shape,
            )
        )
    margin = Positive().check(margin, name, "margin")
    reduction = REDUCTION.check(reduction, name, "reduction")
    y = y if y.dtype.is_floating_point else y.to(x1.dtype)
    # d² by itself: the root has no slope at 0.
    squared = ((x1 - x2) ** 2).sum(-1)
    missed = _above_zero(margin - pairwise_distance(x1, x2, eps=0.0))
    return _reduced(0.5 * (y * squared + (1 - y) * missed * missed), reduction)


@function()
def triplet_margin_loss(
    anchor: Any, positive: Any, negative: Any, margin: float = 1.0, p: float = 2.0,
    eps: float = 1e-6, swap: bool = False, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """max(0, d(a, +) − d(a, −) + margin), d the p-norm of the difference + eps. (N, D) or (D,).

    `swap`: the distance from the positive to the negative counts if it is the smaller.
    """
    name = "triplet_margin_loss"
    p = NonNegative().check(p, name, "p")
    eps = NonNegative().check(eps, name, "eps")
    return _triplet(
        name, anchor, positive, negative, lambda a, b: pairwise_distance(a, b, p, eps), margin,
        swap, reduction,
    )  # fmt: skip


@function()
def triplet_margin_with_distance_loss(
    anchor: Any, positive: Any, negative: Any, *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None, margin: float = 1.0,
    swap: bool = False, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """`triplet_margin_loss` with a distance of one's own (None: the Euclidean)."""
    name = "triplet_margin_with_distance_loss"
    distance = pairwise_distance if distance_function is None else distance_function
    return _triplet(name, anchor, positive, negative, distance, margin, swap, reduction)


def _triplet(
    name: str, anchor: Any, positive: Any, negative: Any,
    distance: Callable[[Tensor, Tensor], Tensor], margin: float, swap: bool, reduction: str,
) -> Tensor:  # fmt: skip
    a, near, far = as_tensor(anchor), as_tensor(positive), as_tensor(negative)
    if not a.ndim == near.ndim == far.ndim:
        raise ShapeError(
            t(
                "{name}: anchor {a}, positive {near} and negative {far} need as many axes as each "
                "other.",
                name=name,
                a=a.shape,
                near=near.shape,
                far=far.shape,
            )
        )
    margin = Positive().check(margin, name, "margin")
    reduction = REDUCTION.check(reduction, name, "reduction")
    wrong = distance(a, far)
    if Bool().check(swap, name, "swap"):
        wrong = apply(REGISTRY["minimum"], wrong, distance(near, far))
    return _reduced(_above_zero(distance(a, near) - wrong + margin), reduction)
