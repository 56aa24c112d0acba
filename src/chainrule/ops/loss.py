"""Losses that compare two tensors of one shape, element by element (003 §4, 001 六).

`reduction`: "mean" over all elements, "sum", or "none" for the losses one by one. The mean of
nothing is NaN, as in PyTorch. Unequal shapes raise: broadcasting (N, 1) against (N,) would compare
every prediction with every target.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.base.constraints import Bool, Choice, Interval, NonNegative, Optional, Positive
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.shapes import broadcast_shapes
from chainrule.base.text import t
from chainrule.graph.tensor import Tensor
from chainrule.ops.dispatch import apply
from chainrule.ops.functions import function
from chainrule.ops.op import REGISTRY, Card, Op, op

Shapes = dict[str, tuple[int, ...]]

REDUCTION = Choice("mean", "sum", "none")
_PER_BATCH = Choice("batchmean", "mean", "sum", "none")


def _paired(name: str) -> Any:
    """The shape rule: target as input, weights that broadcast to it."""

    def rule(shapes: Shapes, params: dict[str, Any]) -> tuple[int, ...]:
        x, target = shapes["input"], shapes["target"]
        if x != target:
            same = math.prod(x) == math.prod(target)
            raise ShapeError(
                t(
                    "{name}: input has shape {x} and target has shape {target}; they are compared "
                    "element by element, so the shapes must be equal. Write {remedy}.",
                    name=name,
                    x=x,
                    target=target,
                    remedy=f"target.reshape({x})"
                    if same
                    else "input, target = broadcast_tensors(input, target)",
                )
            )
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


def _reduce(F, loss, reduction):
    if reduction == "none":
        return loss
    total = F.sum(loss)
    return total if reduction == "sum" else total / _number(loss.shape, reduction)


def _spread(g, shape, reduction):
    """The gradient of the reduced loss as that of each element: 0-d, or of `shape`."""
    return g if reduction in ("none", "sum") else g / _number(shape, reduction)


def _number(shape: tuple[int, ...], reduction: str) -> float:
    n = math.prod(shape[:1] if reduction == "batchmean" else shape)
    return n or math.nan


_SHAPES = (
    ((3, 4), (3, 4)),
    (((3, 4), (3, 4)), {"reduction": "sum"}),
    (((2, 3, 2), (2, 3, 2)), {"reduction": "none"}),
    ((), ()),
    (((0, 3), (0, 3)), {"reduction": "sum"}),
)


class _Pair(Op):
    params = {"reduction": REDUCTION}
    always_check = True
    dtypes = "float"
    method = False
    samples = _SHAPES


# ---- regression -----------------------------------------------------------------------------


@op
class MseLoss(_Pair):
    """(input − target)², the squared error."""

    math = "mean((input - target) ^ 2)"
    shape = _paired("mse_loss")
    saves = ("input", "target")
    card = Card(
        en="The mean squared error: twice as far pulls twice as hard, so outliers dominate.",
        zh="均方误差：距离加倍拉力加倍，因此离群点影响最大。",
    )

    def forward(F, input, target, *, reduction):
        d = input - target
        return _reduce(F, d * d, reduction)

    def vjp(F, g, y, input, target, *, reduction):
        pull = (2.0 * _spread(g, input.shape, reduction)) * (input - target)
        return pull, lambda: -pull


@op
class L1Loss(_Pair):
    """|input − target|. Where they are equal the gradient is 0."""

    name = "l1_loss"
    math = "mean(abs(input - target))"
    shape = _paired("l1_loss")
    saves = ("input", "target")
    card = Card(
        en="The mean absolute error: every miss pulls equally hard, however far.",
        zh="平均绝对误差：无论偏差多大，拉力都相同。",
    )

    def forward(F, input, target, *, reduction):
        return _reduce(F, F.abs(input - target), reduction)

    def vjp(F, g, y, input, target, *, reduction):
        pull = _spread(g, input.shape, reduction) * F.sign(input - target)
        return pull, lambda: -pull


@op
class QuadraticLoss(_Pair):
    """½ Σ (h − y)² over the classes, the cost of the notes (001, 3-8).

    `reduction`: "batchmean" (the default) is that cost averaged over the N examples, ½ΣΣ/N; "sum"
    adds the examples up, as the note does; "mean" is ½ the mean over all elements; "none" gives
    ½ (h − y)² for each.
    """

    math = "sum((input - target) ^ 2) / (2 * n)"
    params = {"reduction": _PER_BATCH}
    shape = _paired("quadratic_loss")
    saves = ("input", "target")
    card = Card(
        en="Half the squared distance: the ½ cancels the 2, and the gradient is h − y.",
        zh="平方距离的一半：½ 与 2 相消，梯度就是 h − y。",
    )

    def forward(F, input, target, *, reduction):
        d = input - target
        return _reduce(F, 0.5 * d * d, reduction)

    def vjp(F, g, y, input, target, *, reduction):
        pull = _spread(g, input.shape, reduction) * (input - target)
        return pull, lambda: -pull


@op
class SmoothL1Loss(_Pair):
    """½ d²/beta where |d| < beta, else |d| − ½ beta; d = input − target. beta = 0 is L1."""

    name = "smooth_l1_loss"
    math = "mean(where(abs(input - target) < beta, (input - target)^2 / (2 * beta), "
    math += "abs(input - target) - beta / 2))"
    params = {"reduction": REDUCTION, "beta": NonNegative(1.0, samples=(1.0, 0.4))}
    shape = _paired("smooth_l1_loss")
    saves = ("input", "target")
    card = Card(
        en="L1 with a rounded tip: gentle near the goal, indifferent to outliers far from it.",
        zh="尖端磨圆的 L1：接近目标时平缓，远处不受离群点支配。",
    )

    def forward(F, input, target, *, reduction, beta):
        d = F.abs(input - target)
        if beta:
            d = F.where(F.less(d, beta), d * d * (0.5 / beta), d - 0.5 * beta)
        return _reduce(F, d, reduction)

    def vjp(F, g, y, input, target, *, reduction, beta):
        d = input - target
        slope = F.sign(d)
        if beta:
            slope = F.where(F.less(F.abs(d), beta), d / beta, slope)
        pull = _spread(g, input.shape, reduction) * slope
        return pull, lambda: -pull


@op
class HuberLoss(_Pair):
    """½ d² where |d| ≤ delta, else delta·(|d| − ½ delta); d = input − target."""

    math = "mean(where(abs(input - target) <= delta, (input - target)^2 / 2, "
    math += "delta * (abs(input - target) - delta / 2)))"
    params = {"reduction": REDUCTION, "delta": Positive(1.0, samples=(1.0, 0.4))}
    shape = _paired("huber_loss")
    saves = ("input", "target")
    card = Card(
        en="Squared near the goal, linear beyond delta: the pull never exceeds delta.",
        zh="近处取平方，超过 delta 取线性：拉力不超过 delta。",
    )

    def forward(F, input, target, *, reduction, delta):
        d = F.abs(input - target)
        near = F.less_equal(d, delta)
        return _reduce(F, F.where(near, 0.5 * d * d, delta * (d - 0.5 * delta)), reduction)

    def vjp(F, g, y, input, target, *, reduction, delta):
        d = input - target
        slope = F.where(F.less_equal(F.abs(d), delta), d, delta * F.sign(d))
        pull = _spread(g, input.shape, reduction) * slope
        return pull, lambda: -pull


# ---- probabilities --------------------------------------------------------------------------


@op
class KlDiv(_Pair):
    """target·(log target − input), where input holds log-probabilities; 0 where target is 0.

    `log_target`: target holds log-probabilities as well. The Kullback-Leibler divergence is the sum
    over an example: reduction="batchmean" gives it; "mean" divides by the classes too.
    """

    math = "mean(target * (log(target) - input))"
    params = {"reduction": Choice("mean", "batchmean", "sum", "none"), "log_target": Bool(False)}
    shape = _paired("kl_div")
    saves = ("input", "target")
    domains = {"target": (0.1, 1.0)}
    card = Card(
        en="What it costs to expect the input's distribution when the target's is true.",
        zh="真实分布为 target 而按 input 的分布来预期时所付的代价。",
    )

    def forward(F, input, target, *, reduction, log_target):
        if log_target:
            return _reduce(F, F.exp(target) * (target - input), reduction)
        empty = F.equal(target, 0)
        safe = F.where(empty, 1.0, target)
        return _reduce(F, F.where(empty, 0.0, target * (F.log(safe) - input)), reduction)

    def vjp(F, g, y, input, target, *, reduction, log_target):
        g = _spread(g, input.shape, reduction)
        p = F.exp(target) if log_target else target

        def of_target():
            # The slope of t·log t at 0 is −inf.
            log = target if log_target else F.log(target)
            slope = log - input + 1
            return g * (p * slope if log_target else slope)

        return lambda: -g * p, of_target


# PyTorch holds the logarithm at −100, so that a certain and wrong prediction stays finite.
_LOG_FLOOR = -100.0


def _logs(F, p):
    return F.maximum(F.log(p), _LOG_FLOOR), F.maximum(F.log1p(-p), _LOG_FLOOR)


class _Binary(_Pair):
    """Two classes; `weight` (and pos_weight) broadcast to the input."""

    samples = tuple(
        ((*s[0], None), s[1]) if isinstance(s[-1], dict) else (*s, None) for s in _SHAPES
    ) + (((3, 4), (3, 4), (4,)), (((3, 4), (3, 4), (3, 1)), {"reduction": "sum"}))


@op
class BinaryCrossEntropy(_Binary):
    """−weight·(y·log p + (1 − y)·log(1 − p)) for probabilities p = input and targets y in [0, 1].

    Logarithms are held at ≥ −100 and p(1 − p) in the gradient at ≥ 1e-12, as in PyTorch.
    """

    math = "mean(-weight * (target * log(input) + (1 - target) * log(1 - input)))"
    optional = ("weight",)
    shape = _paired("binary_cross_entropy")
    domain = (0.1, 0.9)
    card = Card(
        en="The surprise at the truth, in nats. With a sigmoid before it the gradient is p − y.",
        zh="对真实结果的“惊讶”，单位为奈特。前面接 sigmoid 时梯度就是 p − y。",
    )

    def forward(F, input, target, weight=None, *, reduction):
        yes, no = _logs(F, input)
        loss = -(target * yes + (1 - target) * no)
        return _reduce(F, loss if weight is None else loss * weight, reduction)

    def vjp(F, g, y, input, target, weight, *, reduction):
        each = _spread(g, input.shape, reduction)
        pull = each if weight is None else each * weight

        def of_weight():
            yes, no = _logs(F, input)
            return F.sum_to(-each * (target * yes + (1 - target) * no), weight.shape)

        def of_target():
            yes, no = _logs(F, input)
            return pull * (no - yes)

        return (
            lambda: pull * (input - target) / F.maximum(input * (1 - input), 1e-12),
            of_target,
            of_weight,
        )


@op
class BinaryCrossEntropyWithLogits(_Binary):
    """`binary_cross_entropy` of sigmoid(input), finite for scores of any size.

    With s = log(1 + exp(−x)): (1 − y)·x + (1 + (pos_weight − 1)·y)·s, times weight.
    """

    math = "mean(weight * ((1 - target) * input + (1 + (pos_weight - 1) * target) * "
    math += "log(1 + exp(-input))))"
    optional = ("weight", "pos_weight")
    shape = _paired("binary_cross_entropy_with_logits")
    domains = {"target": (0.0, 1.0), "pos_weight": (0.5, 3.0)}
    samples = tuple(
        ((*s[0], None), s[1]) if isinstance(s[-1], dict) else (*s, None) for s in _Binary.samples
    ) + (((3, 4), (3, 4), (4,), (1, 4)),)
    card = Card(
        en="Score to loss in one step; the gradient is p − y (002, 003 §4.1).",
        zh="从得分一步到损失；梯度就是 p − y（002，003 §4.1）。",
    )

    def forward(F, input, target, weight=None, pos_weight=None, *, reduction):
        loss = _with_logits(F, input, target, pos_weight)
        return _reduce(F, loss if weight is None else loss * weight, reduction)

    def vjp(F, g, y, input, target, weight, pos_weight, *, reduction):
        each = _spread(g, input.shape, reduction)
        pull = each if weight is None else each * weight

        def of_input():
            if pos_weight is None:
                return pull * (F.sigmoid(input) - target)
            factor = 1 + (pos_weight - 1) * target
            return pull * ((1 - target) - factor * F.sigmoid(-input))

        def of_target():
            if pos_weight is None:
                return pull * -input
            return pull * ((pos_weight - 1) * F.softplus(-input, threshold=math.inf) - input)

        def of_weight():
            return F.sum_to(each * _with_logits(F, input, target, pos_weight), weight.shape)

        def of_pos_weight():
            s = F.softplus(-input, threshold=math.inf)
            return F.sum_to(pull * target * s, pos_weight.shape)

        return of_input, of_target, of_weight, of_pos_weight


def _with_logits(F, x, target, pos_weight):
    # max(x, 0) − x·y is exactly 0 where score and target agree, however large the score.
    s = F.log1p(F.exp(-F.abs(x)))
    if pos_weight is None:
        return F.maximum(x, 0) - x * target + s
    return (1 - target) * x + (1 + (pos_weight - 1) * target) * (s + F.maximum(-x, 0))


@op
class FocalLoss(_Pair):
    """−α_t (1 − p_t)^gamma log p_t of two classes, from scores: input (logits), target in [0, 1].

    p_t = p for target 1 and 1 − p for target 0; α_t likewise from alpha (None: 1). gamma = 0 with
    alpha=None is the cross-entropy. T.-Y. Lin et al., "Focal loss for dense object detection"
    (2017); 003 §4.1.3. The reduction is "mean" unless told.
    """

    math = "mean(-alpha_t * (1 - p_t) ^ gamma * log(p_t))"
    params = {
        "alpha": Optional(Interval(0.0, 1.0), 0.25),
        "gamma": NonNegative(2.0, samples=(2.0, 0.0, 0.5)),
        "reduction": REDUCTION,
    }
    shape = _paired("focal_loss")
    saves = ("input", "target")
    domains = {"target": (0.0, 1.0)}
    card = Card(
        en="A cross-entropy that loses interest in what is already right: the many easy examples "
        "no longer drown the few hard ones.",
        zh="对已经分对的样本失去兴趣的交叉熵：大量易分样本不再淹没少数难分样本。",
    )

    def forward(F, input, target, *, alpha, gamma, reduction):
        missed = _missed(F, input, target)
        loss = _with_logits(F, input, target, None) * F.pow(missed, gamma)
        return _reduce(F, loss if alpha is None else loss * _alpha(target, alpha), reduction)

    def vjp(F, g, y, input, target, *, alpha, gamma, reduction):
        # L = α_t q^γ c with q = 1 − p_t and c the cross-entropy. Where q underflows to 0 the term
        # γ q^(γ−1) q′ c goes to 0 too, though q^(γ−1) alone may not.
        each = _spread(g, input.shape, reduction)
        weight = 1.0 if alpha is None else _alpha(target, alpha)
        p, n = F.sigmoid(input), F.sigmoid(-input)
        c, q = _with_logits(F, input, target, None), _missed(F, input, target)
        zero = F.equal(q, 0)
        safe = F.where(zero, 1.0, q)
        focus = F.where(zero, 0.0, F.pow(safe, gamma)) if gamma else 1.0
        steep = F.where(zero, 0.0, gamma * F.pow(safe, gamma - 1)) if gamma else 0.0

        def of_input():
            return each * weight * (focus * (p - target) + steep * p * n * (1 - 2 * target) * c)

        def of_target():
            slope = weight * (steep * (n - p) * c - focus * input)
            return each * (slope if alpha is None else slope + (2 * alpha - 1) * focus * c)

        return of_input, of_target


def _missed(F, x, target):
    """1 − p_t, with its digits also where p_t is nearly 1."""
    return target * F.sigmoid(-x) + (1 - target) * F.sigmoid(x)


def _alpha(target, alpha):
    return alpha * target + (1 - alpha) * (1 - target)


# ---- public forms ---------------------------------------------------------------------------


def _check_unit(name: str, argument: str, x: Any, hint: str) -> None:
    """Raises if known values lie outside [0, 1]; a trace knows none."""
    data = getattr(x, "_data", x)
    if not isinstance(data, np.ndarray) or not data.size:
        return
    low, high = data.min(), data.max()
    if not (low >= 0 and high <= 1):
        raise ArgumentError(
            t(
                "{name}: {argument} must hold numbers in [0, 1], but it goes from {low} to {high}. "
                "{hint}",
                name=name,
                argument=argument,
                low=low,
                high=high,
                hint=hint,
            )
        )


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
    """(input − target)² of equal shapes; with `weight` the mean is Σw·l / Σw."""
    return _mean_by_weight("mse_loss", input, target, reduction, weight)


@function()
def l1_loss(input: Any, target: Any, reduction: str = "mean", weight: Any = None) -> Tensor:
    """|input − target| of equal shapes; with `weight` the mean is Σw·l / Σw."""
    return _mean_by_weight("l1_loss", input, target, reduction, weight)


@function()
def huber_loss(
    input: Any, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None
) -> Tensor:
    """½d² up to |d| = delta, linear beyond; with `weight` the mean is Σw·l / n, as in PyTorch."""
    loss = _weighted("huber_loss", input, target, weight, {"reduction": reduction, "delta": delta})
    counted = weight is not None and reduction == "mean"
    return loss / (math.prod(weight.shape) or math.nan) if counted else loss


@function()
def binary_cross_entropy(
    input: Any, target: Any, weight: Any = None, reduction: str = "mean"
) -> Tensor:
    """−weight·(y·log p + (1 − y)·log(1 − p)); p = input and y = target lie in [0, 1]."""
    name = "binary_cross_entropy"
    hint = t("Scores (logits) go into binary_cross_entropy_with_logits.")
    _check_unit(name, "input", input, hint)
    _check_unit(name, "target", target, t("A target is the probability of class 1."))
    params = REGISTRY[name].validate({"reduction": reduction})
    return apply(REGISTRY[name], input, target, weight, **params)


@function()
def binary_cross_entropy_with_logits(
    input: Any, target: Any, weight: Any = None, reduction: str = "mean", pos_weight: Any = None
) -> Tensor:
    """`binary_cross_entropy` of sigmoid(input); pos_weight multiplies the loss of positives."""
    name = "binary_cross_entropy_with_logits"
    _check_unit(name, "target", target, t("A target is the probability of class 1."))
    params = REGISTRY[name].validate({"reduction": reduction})
    return apply(REGISTRY[name], input, target, weight, pos_weight, **params)


@function()
def focal_loss(
    input: Any, target: Any, alpha: float | None = 0.25, gamma: float = 2.0,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """−α_t (1 − p_t)^gamma log p_t of scores; alpha=None and gamma=0 give the cross-entropy."""
    _check_unit("focal_loss", "target", target, t("A target is the probability of class 1."))
    given = {"alpha": alpha, "gamma": gamma, "reduction": reduction}
    return apply(REGISTRY["focal_loss"], input, target, **REGISTRY["focal_loss"].validate(given))
