"""Losses that want a score to be right by a margin: hinge (support vector machines) and its family.

`reduction` as in `loss`. Where a margin is met exactly the gradient is that of the side that is
missed, as PyTorch's.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from chainrule.base.constraints import Bool, Choice, Number
from chainrule.base.dtypes import int64
from chainrule.base.errors import IndexRangeError, ShapeError
from chainrule.base.shapes import broadcast_shapes
from chainrule.base.text import t
from chainrule.graph.modes import mode
from chainrule.graph.tensor import Tensor
from chainrule.ops.arrays.index import HOLE
from chainrule.ops.dispatch import apply, cast
from chainrule.ops.functions import function
from chainrule.ops.loss import REDUCTION, Pair, Shapes, paired, reduced
from chainrule.ops.loss_binary import with_logits
from chainrule.ops.loss_classes import as_tensor, check_weight, classes
from chainrule.ops.op import Card, Op, op


def above_zero(F, z):
    """max(z, 0) whose gradient at 0 is 1; NaN stays."""
    return F.where(F.less(z, 0), 0.0, z)


# ---- two classes ----------------------------------------------------------------------------


@op
class HingeLoss(Pair):
    """max(0, margin − y·x) of a score x and a class y = −1 or 1: the loss of the SVM.

    `squared`: its square, whose slope has no jump.
    """

    math = "mean(max(0, margin - target * input))"
    params = {"margin": Number(1.0, samples=(1.0, 0.3)), "squared": Bool(False),
              "reduction": REDUCTION}  # fmt: skip
    shape = paired("hinge_loss")
    saves = ("input", "target")
    card = Card(
        en="Nothing for what is right by the margin, and a constant pull for all else.",
        zh="以间隔正确分类者损失为零，其余样本受到恒定的拉力。",
    )

    def forward(F, input, target, *, margin, squared, reduction):
        missed = above_zero(F, margin - target * input)
        return reduced(F, missed * missed if squared else missed, reduction)


@op
class SoftMarginLoss(Pair):
    """log(1 + exp(−y·x)) of a score x and a class y = −1 or 1: the logistic loss."""

    math = "mean(log(1 + exp(-target * input)))"
    shape = paired("soft_margin_loss")
    saves = ("input", "target")
    card = Card(
        en="A hinge with a rounded corner: the cross-entropy for classes −1 and 1.",
        zh="拐角圆滑的合页损失：类别为 −1 与 1 时的交叉熵。",
    )

    def forward(F, input, target, *, reduction):
        z = -target * input
        # log(1 + exp(z)) without overflow.
        return reduced(F, F.softplus(z, threshold=math.inf), reduction)


@op
class HingeEmbeddingLoss(Pair):
    """x where y = 1, and max(0, margin − x) where y = −1: x is a distance of two things."""

    math = "x where y = 1, max(0, margin - x) where y = -1"
    params = {"margin": Number(1.0, samples=(1.0, 0.3)), "reduction": REDUCTION}
    shape = paired("hinge_embedding_loss")
    integers = ("target",)
    saves = ("input", "target")
    samples: Any = tuple(
        (((3, 4), np.where(np.arange(12).reshape(3, 4) % 3 == 0, -1, 1)), {"reduction": r})
        for r in ("mean", "sum", "none")
    ) + ((((), np.array(-1)), {"margin": 0.3}),)
    card = Card(
        en="Pulls what is alike together, and pushes apart what is not, up to the margin.",
        zh="拉近相似者；推开不相似者，直到达到间隔。",
    )

    def forward(F, input, target, *, margin, reduction):
        # As in PyTorch, both count where the target is neither.
        together = F.where(F.equal(target, -1), 0.0, input)
        apart = F.where(F.equal(target, 1), 0.0, above_zero(F, margin - input))
        return reduced(F, together + apart, reduction)


def _ranked(shapes: Shapes, params: dict[str, Any]) -> tuple[int, ...]:
    first, second, target = shapes["input1"], shapes["input2"], shapes["target"]
    if not len(first) == len(second) == len(target):
        raise ShapeError(
            t(
                "margin_ranking_loss: input1 {first}, input2 {second} and target {target} need as "
                "many axes as each other.",
                first=first,
                second=second,
                target=target,
            )
        )
    shape = broadcast_shapes(first, second, target)
    return shape if params["reduction"] == "none" else ()


@op
class MarginRankingLoss(Pair):
    """max(0, −y·(x1 − x2) + margin): y = 1 wants x1 to be the larger, y = −1 x2."""

    math = "mean(max(0, -target * (input1 - input2) + margin))"
    params = {"margin": Number(0.0, samples=(0.0, 0.4)), "reduction": REDUCTION}
    shape = staticmethod(_ranked)
    samples = (
        ((3, 4), (3, 4), (3, 4)),
        (((3, 1), (1, 4), (3, 4)), {"reduction": "none", "margin": 0.4}),
        (((0, 2), (0, 2), (0, 2)), {"reduction": "sum"}),
        ((), (), ()),
    )
    card = Card(
        en="Only the order counts: nothing is lost once the right one leads by the margin.",
        zh="只看次序：应居前者领先达到间隔后，损失为零。",
    )

    def forward(F, input1, input2, target, *, margin, reduction):
        return reduced(F, above_zero(F, -target * (input1 - input2) + margin), reduction)


# ---- several classes ------------------------------------------------------------------------


def _rows(name: str) -> Any:
    """The shape rule: (N, C) or (C,), and a loss for each row."""

    def rule(shapes: Shapes, params: dict[str, Any]) -> tuple[int, ...]:
        x, target = shapes["input"], shapes["target"]
        wanted = x if name == "multilabel_margin_loss" else x[:-1]
        if len(x) not in (1, 2) or target != wanted:
            raise ShapeError(
                t(
                    "{name}: input must have shape (N, C) or (C,) and target {wanted}; input has "
                    "shape {x}, target {target}.",
                    name=name,
                    wanted=wanted,
                    x=x,
                    target=target,
                )
            )
        check_weight(name, x, shapes.get("weight"))
        return x[:-1] if params["reduction"] == "none" else ()

    return staticmethod(rule)


def _by_row(F, x):
    """x as (N, C)."""
    return F.reshape(x, (math.prod(x.shape[:-1]), x.shape[-1]))


class _Margins(Op):
    params = {"reduction": REDUCTION}
    integers = ("target",)
    always_check = True
    dtypes = "float"
    autocast = "float32"
    method = False


@op
class MultiMarginLoss(_Margins):
    """Σ_{j≠y} w_y·max(0, margin − x_y + x_j)^p / C of scores (N, C) and classes y (N,)."""

    math = "sum over j != y of weight[y] * max(0, margin - x[y] + x[j])^p / C"
    params = {"p": Choice(1, 2), "margin": Number(1.0, samples=(1.0, 0.3)), "reduction": REDUCTION}
    optional = ("weight",)
    shape = _rows("multi_margin_loss")
    samples = (
        ((3, 4), np.array([0, 3, 1]), None),
        (((3, 4), np.array([0, 3, 1]), (4,)), {"p": 2, "margin": 0.3}),
        (((4,), np.array(2), (4,)), {"reduction": "sum"}),
        (((2, 3), np.array([2, 2]), None), {"p": 2, "reduction": "none"}),
    )
    card = Card(
        en="The hinge for many classes: every wrong class should stay a margin below the right.",
        zh="多类合页损失：每个错误类别的得分都应比正确类别低一个间隔。",
    )

    def forward(F, input, target, weight=None, *, p, margin, reduction):
        x = _by_row(F, input)
        n, c = x.shape
        y = F.reshape(target, (n,))
        right = F.gather(x, (HOLE, HOLE), F.arange(n, "int64"), y)
        missed = above_zero(F, margin - F.expand_dims(right, 1) + x)
        missed = missed * missed if p == 2 else missed
        own = F.equal(F.expand_dims(y, 1), F.arange(c, "int64"))
        loss = F.sum(F.where(own, 0.0, missed), 1) / c
        if weight is not None:
            loss = loss * F.gather(weight, (HOLE,), y)
        return reduced(F, F.reshape(loss, input.shape[:-1]), reduction)


@op
class MultilabelMarginLoss(_Margins):
    """Σ over right classes j and wrong ones k of max(0, 1 − x_j + x_k) / C, for (N, C).

    A row of the target lists the right classes; −1 ends the list.
    """

    math = "sum over right j and wrong k of max(0, 1 - x[j] + x[k]) / C"
    shape = _rows("multilabel_margin_loss")
    samples = (
        ((2, 4), np.array([[3, 0, -1, 1], [2, -1, -1, -1]])),
        (((2, 4), np.array([[-1, 0, 1, 2], [0, 1, 2, 3]])), {"reduction": "none"}),
        (((3,), np.array([1, -1, 0])), {"reduction": "sum"}),
    )
    card = Card(
        en="Every right class should lead every wrong one by a margin.",
        zh="每个正确类别都应以间隔领先每个错误类别。",
    )

    def forward(F, input, target, *, reduction):
        x = _by_row(F, input)
        n, c = x.shape
        y = F.reshape(target, (n, c))
        ended = F.cumulative_sum(F.astype(F.less(y, 0), np.dtype(np.int64)), 1)
        listed = F.equal(ended, 0)
        y = F.where(listed, y, 0)
        # Which classes are right: those that some place of the list names.
        named = F.equal(F.expand_dims(y, 2), F.arange(c, "int64"))
        named = F.bitwise_and(named, F.expand_dims(listed, 2))
        right = F.greater(F.sum(F.astype(named, x.dtype), 1), 0)
        scores = F.take_along_axis(x, y, 1)
        missed = above_zero(F, 1.0 - F.expand_dims(scores, 2) + F.expand_dims(x, 1))
        counts = F.bitwise_and(F.expand_dims(listed, 2), F.bitwise_invert(F.expand_dims(right, 1)))
        loss = F.sum(F.where(counts, missed, 0.0), (1, 2)) / c
        return reduced(F, F.reshape(loss, input.shape[:-1]), reduction)


@op
class MultilabelSoftMarginLoss(Op):
    """The binary cross-entropy of scores, averaged over the classes (the last axis)."""

    math = "mean(mean(weight * (max(input, 0) - input * target + log(1 + exp(-abs(input)))), C))"
    params = {"reduction": REDUCTION}
    optional = ("weight",)
    always_check = True
    dtypes = "float"
    autocast = "float32"
    method = False
    domains = {"target": (0.0, 1.0)}
    samples = (
        ((3, 4), (3, 4), None),
        (((3, 4), (3, 4), (4,)), {"reduction": "none"}),
        (((2, 3, 2), (2, 3, 2), (2,)), {"reduction": "sum"}),
        ((4,), (4,), None),
    )
    card = Card(
        en="Several labels at once: each class is a question of its own, answered yes or no.",
        zh="多标签：每个类别都是一个独立的是非问题。",
    )

    @staticmethod
    def shape(shapes: Shapes, params: dict[str, Any]) -> tuple[int, ...]:
        name = "multilabel_soft_margin_loss"
        paired(name)(shapes, params)
        x = shapes["input"]
        if not x:
            raise ShapeError(
                t("{name}: input needs an axis of classes, (C,) or (N, C).", name=name)
            )
        return x[:-1] if params["reduction"] == "none" else ()

    def forward(F, input, target, weight=None, *, reduction):
        loss = with_logits(F, input, target, None)
        loss = loss if weight is None else loss * weight
        return reduced(F, F.mean(loss, -1), reduction)


# ---- public forms ---------------------------------------------------------------------------


@function()
def multi_margin_loss(
    input: Any, target: Any, p: int = 1, margin: float = 1.0, weight: Any = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Σ_{j≠y} w_y·max(0, margin − x_y + x_j)^p / C of scores (N, C) and classes y (N,)."""
    input = as_tensor(input)
    target, _ = classes("multi_margin_loss", input, as_tensor(target), None)
    params = MultiMarginLoss.validate({"p": p, "margin": margin, "reduction": reduction})
    return apply(MultiMarginLoss, input, target, weight, **params)


@function()
def multilabel_margin_loss(input: Any, target: Any, reduction: str = "mean") -> Tensor:
    """Right classes against wrong ones; each row of the target lists the right, −1 ends it."""
    input, target = as_tensor(input), as_tensor(target)
    target = target if target.dtype is int64 else cast(target, int64)
    params = MultilabelMarginLoss.validate({"reduction": reduction})
    check = partial(_check_labels, input.shape)
    if mode.trace is not None:
        mode.trace.check(target, check)
    else:
        check(target._data)
    return apply(MultilabelMarginLoss, input, target, **params)


def _check_labels(shape: tuple[int, ...], data: np.ndarray) -> None:
    n = shape[-1] if shape else 0
    if data.size and (data.min() < -1 or data.max() >= n):
        raise IndexRangeError(
            t(
                "multilabel_margin_loss: a target is class {index}, but the input of shape {x} has "
                "{n} classes, 0 to {last} (and −1 ends a list).",
                index=int(data.min() if data.min() < -1 else data.max()),
                x=shape,
                n=n,
                last=n - 1,
            )
        )
