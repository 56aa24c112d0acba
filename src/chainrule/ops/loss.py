"""Losses that compare two tensors of one shape, element by element (003 §4, 001 六).

`reduction`: "mean" over all elements, "sum", or "none" for the losses one by one. The mean of
nothing is NaN, as in PyTorch. Unequal shapes raise: broadcasting (N, 1) against (N,) would compare
every prediction with every target.
"""

from __future__ import annotations

import math
from typing import Any

from chainrule.base.constraints import Bool, Choice, NonNegative, Positive
from chainrule.base.errors import ShapeError
from chainrule.base.shapes import broadcast_shapes
from chainrule.base.text import t
from chainrule.graph.tensor import Tensor
from chainrule.ops.dispatch import apply
from chainrule.ops.functions import function
from chainrule.ops.op import REGISTRY, Card, Op, op

Shapes = dict[str, tuple[int, ...]]

REDUCTION = Choice("mean", "sum", "none")
_PER_BATCH = Choice("batchmean", "mean", "sum", "none")


def _remedy(x: tuple[int, ...], target: tuple[int, ...]) -> str | None:
    if math.prod(x) == math.prod(target):
        return f"target.reshape({x})"
    try:
        broadcast_shapes(x, target)
    except ShapeError:
        return None
    return "input, target = broadcast_tensors(input, target)"


def paired(name: str) -> Any:
    """The shape rule: target as input, weights that broadcast to it."""

    def rule(shapes: Shapes, params: dict[str, Any]) -> tuple[int, ...]:
        x, target = shapes["input"], shapes["target"]
        if x != target:
            text = t(
                "{name}: input has shape {x} and target has shape {target}; they are compared "
                "element by element, so the shapes must be equal.",
                name=name, x=x, target=target,
            )  # fmt: skip
            remedy = _remedy(x, target)
            if remedy is not None:
                text += t(" Write {remedy}.", remedy=remedy)
            raise ShapeError(text)
        for key in ("weight", "pos_weight"):
            weight = shapes.get(key)
            if weight is not None and not _fits(weight, x):
                raise ShapeError(
                    t(
                        "{name}: {key} has shape {weight}, which does not broadcast to the input's "
                        "{x}.",
                        name=name,
                        key=key,
                        weight=weight,
                        x=x,
                    )
                )
        return x if params["reduction"] == "none" else ()

    return staticmethod(rule)


def _fits(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    try:
        return broadcast_shapes(shape, to) == to
    except ShapeError:
        return False


def reduced(F, loss, reduction):
    if reduction == "none":
        return loss
    total = F.sum(loss)
    return total if reduction == "sum" else total / _number(loss.shape, reduction)


def spread(g, shape, reduction):
    """The gradient of the reduced loss as that of each element: 0-d, or of `shape`."""
    return g if reduction in ("none", "sum") else g / _number(shape, reduction)


def _number(shape: tuple[int, ...], reduction: str) -> float:
    n = math.prod(shape[:1] if reduction == "batchmean" else shape)
    return n or math.nan


SHAPES: Any = (
    ((3, 4), (3, 4)),
    (((3, 4), (3, 4)), {"reduction": "sum"}),
    (((2, 3, 2), (2, 3, 2)), {"reduction": "none"}),
    ((), ()),
    (((0, 3), (0, 3)), {"reduction": "sum"}),
)


class Pair(Op):
    params = {"reduction": REDUCTION}
    always_check = True
    dtypes = "float"
    autocast = "float32"
    method = False
    samples: Any = SHAPES


# ---- regression -----------------------------------------------------------------------------


@op
class MseLoss(Pair):
    """(input − target)², the squared error."""

    math = "mean((input - target) ^ 2)"
    shape = paired("mse_loss")
    saves = ("input", "target")
    card = Card(
        en="The mean squared error: twice as far pulls twice as hard, so outliers dominate.",
        zh="均方误差：距离加倍拉力加倍，因此离群点影响最大。",
    )

    def forward(F, input, target, *, reduction):
        d = input - target
        return reduced(F, d * d, reduction)

    def vjp(F, g, y, input, target, *, reduction):
        pull = (2.0 * spread(g, input.shape, reduction)) * (input - target)
        return pull, lambda: -pull


@op
class L1Loss(Pair):
    """|input − target|. Where they are equal the gradient is 0."""

    name = "l1_loss"
    math = "mean(abs(input - target))"
    shape = paired("l1_loss")
    saves = ("input", "target")
    card = Card(
        en="The mean absolute error: every miss pulls equally hard, however far.",
        zh="平均绝对误差：无论偏差多大，拉力都相同。",
    )

    def forward(F, input, target, *, reduction):
        return reduced(F, F.abs(input - target), reduction)

    def vjp(F, g, y, input, target, *, reduction):
        pull = spread(g, input.shape, reduction) * F.sign(input - target)
        return pull, lambda: -pull


@op
class QuadraticLoss(Pair):
    """½ Σ (h − y)² over the classes, the cost of the notes (001, 3-8).

    `reduction`: "batchmean" (the default) is that cost averaged over the N examples, ½ΣΣ/N; "sum"
    adds the examples up, as the note does; "mean" is ½ the mean over all elements; "none" gives
    ½ (h − y)² for each.
    """

    math = "sum((input - target) ^ 2) / (2 * n)"
    params = {"reduction": _PER_BATCH}
    shape = paired("quadratic_loss")
    saves = ("input", "target")
    card = Card(
        en="Half the squared distance: the ½ cancels the 2, and the gradient is h − y.",
        zh="平方距离的一半：½ 与 2 相消，梯度就是 h − y。",
    )

    def forward(F, input, target, *, reduction):
        d = input - target
        return reduced(F, 0.5 * d * d, reduction)

    def vjp(F, g, y, input, target, *, reduction):
        pull = spread(g, input.shape, reduction) * (input - target)
        return pull, lambda: -pull


@op
class SmoothL1Loss(Pair):
    """½ d²/beta where |d| < beta, else |d| − ½ beta; d = input − target. beta = 0 is L1.

    >>> cr.nn.functional.smooth_l1_loss(cr.tensor([3.0]), cr.tensor([0.0]))
    tensor(2.5000)
    """

    name = "smooth_l1_loss"
    math = "mean(where(abs(input - target) < beta, (input - target)^2 / (2 * beta), "
    math += "abs(input - target) - beta / 2))"
    params = {"reduction": REDUCTION, "beta": NonNegative(1.0, samples=(1.0, 0.4))}
    shape = paired("smooth_l1_loss")
    saves = ("input", "target")
    card = Card(
        en="L1 with a rounded tip: gentle near the goal, indifferent to outliers far from it.",
        zh="尖端磨圆的 L1：接近目标时平缓，远处不受离群点支配。",
    )

    def forward(F, input, target, *, reduction, beta):
        d = F.abs(input - target)
        if beta:
            d = F.where(F.less(d, beta), d * d * (0.5 / beta), d - 0.5 * beta)
        return reduced(F, d, reduction)

    def vjp(F, g, y, input, target, *, reduction, beta):
        d = input - target
        slope = F.sign(d)
        if beta:
            slope = F.where(F.less(F.abs(d), beta), d / beta, slope)
        pull = spread(g, input.shape, reduction) * slope
        return pull, lambda: -pull


@op
class HuberLoss(Pair):
    """½ d² where |d| ≤ delta, else delta·(|d| − ½ delta); d = input − target."""

    math = "mean(where(abs(input - target) <= delta, (input - target)^2 / 2, "
    math += "delta * (abs(input - target) - delta / 2)))"
    params = {"reduction": REDUCTION, "delta": Positive(1.0, samples=(1.0, 0.4))}
    shape = paired("huber_loss")
    saves = ("input", "target")
    card = Card(
        en="Squared near the goal, linear beyond delta: the pull never exceeds delta.",
        zh="近处取平方，超过 delta 取线性：拉力不超过 delta。",
    )

    def forward(F, input, target, *, reduction, delta):
        d = F.abs(input - target)
        near = F.less_equal(d, delta)
        return reduced(F, F.where(near, 0.5 * d * d, delta * (d - 0.5 * delta)), reduction)

    def vjp(F, g, y, input, target, *, reduction, delta):
        d = input - target
        slope = F.where(F.less_equal(F.abs(d), delta), d, delta * F.sign(d))
        pull = spread(g, input.shape, reduction) * slope
        return pull, lambda: -pull


# ---- distributions --------------------------------------------------------------------------


@op
class KlDiv(Pair):
    """target·(log target − input), where input holds log-probabilities; 0 where target is 0.

    `log_target`: target holds log-probabilities as well. The Kullback-Leibler divergence is the sum
    over an example: reduction="batchmean" gives it; "mean" divides by the classes too.

    >>> p = cr.tensor([0.5, 0.5])
    >>> cr.nn.functional.kl_div(p.log(), p, reduction="batchmean")
    tensor(0.)
    """

    math = "mean(target * (log(target) - input))"
    params = {"reduction": Choice("mean", "batchmean", "sum", "none"), "log_target": Bool(False)}
    shape = paired("kl_div")
    saves = ("input", "target")
    domains = {"target": (0.1, 1.0)}
    card = Card(
        en="What it costs to expect the input's distribution when the target's is true.",
        zh="真实分布为 target 而按 input 的分布来预期时所付的代价。",
    )

    def forward(F, input, target, *, reduction, log_target):
        if log_target:
            return reduced(F, F.exp(target) * (target - input), reduction)
        empty = F.equal(target, 0)
        safe = F.where(empty, 1.0, target)
        return reduced(F, F.where(empty, 0.0, target * (F.log(safe) - input)), reduction)

    def vjp(F, g, y, input, target, *, reduction, log_target):
        g = spread(g, input.shape, reduction)
        p = F.exp(target) if log_target else target

        def of_target():
            # The slope of t·log t at 0 is −inf.
            log = target if log_target else F.log(target)
            slope = log - input + 1
            return g * (p * slope if log_target else slope)

        return lambda: -g * p, of_target


# ---- public forms, with PyTorch's weights --------------------------------------------------


def _weighted(name: str, input: Any, target: Any, weight: Any, params: dict[str, Any]) -> Tensor:
    cls = REGISTRY[name]
    params = cls.validate(params)
    if weight is None:
        return apply(cls, input, target, **params)
    if weight.shape != input.shape:
        raise ShapeError(
            t(
                "{name}: weight has shape {weight}, input has shape {x}: they must be equal.",
                name=name,
                weight=weight.shape,
                x=input.shape,
            )
        )
    loss = apply(cls, input, target, **(params | {"reduction": "none"})) * weight
    return loss if params["reduction"] == "none" else loss.sum()


def _mean_by_weight(name: str, input: Any, target: Any, reduction: str, weight: Any) -> Tensor:
    loss = _weighted(name, input, target, weight, {"reduction": reduction})
    return loss / weight.sum() if weight is not None and reduction == "mean" else loss


@function()
def mse_loss(input: Any, target: Any, reduction: str = "mean", weight: Any = None) -> Tensor:
    """(input − target)² of equal shapes; with `weight` the mean is Σw·l / Σw.

    >>> cr.nn.functional.mse_loss(cr.tensor([1.0, 2.0]), cr.tensor([3.0, 2.0]))
    tensor(2.)
    """
    return _mean_by_weight("mse_loss", input, target, reduction, weight)


@function()
def l1_loss(input: Any, target: Any, reduction: str = "mean", weight: Any = None) -> Tensor:
    """|input − target| of equal shapes; with `weight` the mean is Σw·l / Σw.

    >>> cr.nn.functional.l1_loss(cr.tensor([1.0, 2.0]), cr.tensor([3.0, 2.0]))
    tensor(1.)
    """
    return _mean_by_weight("l1_loss", input, target, reduction, weight)


@function()
def huber_loss(
    input: Any, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None
) -> Tensor:
    """½d² up to |d| = delta, linear beyond; with `weight` the mean is Σw·l / n, as in PyTorch."""
    loss = _weighted("huber_loss", input, target, weight, {"reduction": reduction, "delta": delta})
    counted = weight is not None and reduction == "mean"
    return loss / (math.prod(weight.shape) or math.nan) if counted else loss
