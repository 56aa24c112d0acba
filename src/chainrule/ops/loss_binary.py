"""Losses of two classes (003 §4.1): cross-entropy of probabilities and of scores, focal loss.

Shapes and `reduction` as in `loss`; `weight` and `pos_weight` broadcast to the input.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.base.constraints import Interval, NonNegative, Optional
from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.graph.tensor import Tensor
from chainrule.ops.dispatch import apply
from chainrule.ops.functions import function
from chainrule.ops.loss import REDUCTION, SHAPES, Pair, paired, reduced, spread
from chainrule.ops.op import REGISTRY, Card, op

# PyTorch holds the logarithm at −100, so that a certain and wrong prediction stays finite.
_LOG_FLOOR = -100.0


def _logs(F, p):
    return F.maximum(F.log(p), _LOG_FLOOR), F.maximum(F.log1p(-p), _LOG_FLOOR)


class _Binary(Pair):
    """Two classes; `weight` (and pos_weight) broadcast to the input."""

    saves: Any = ("input", "target", "weight")

    samples = tuple(
        ((*s[0], None), s[1]) if isinstance(s[-1], dict) else (*s, None) for s in SHAPES
    ) + (((3, 4), (3, 4), (4,)), (((3, 4), (3, 4), (3, 1)), {"reduction": "sum"}))


@op
class BinaryCrossEntropy(_Binary):
    """−weight·(y·log p + (1 − y)·log(1 − p)) for probabilities p = input and targets y in [0, 1].

    Logarithms are held at ≥ −100 and p(1 − p) in the gradient at ≥ 1e-12, as in PyTorch.
    """

    math = "mean(-weight * (target * log(input) + (1 - target) * log(1 - input)))"
    optional = ("weight",)
    shape = paired("binary_cross_entropy")
    domain = (0.1, 0.9)
    card = Card(
        en="The surprise at the truth, in nats. With a sigmoid before it the gradient is p − y.",
        zh="对真实结果的“惊讶”，单位为奈特。前面接 sigmoid 时梯度就是 p − y。",
    )

    def forward(F, input, target, weight=None, *, reduction):
        yes, no = _logs(F, input)
        loss = -(target * yes + (1 - target) * no)
        return reduced(F, loss if weight is None else loss * weight, reduction)

    def vjp(F, g, y, input, target, weight, *, reduction):
        each = spread(g, input.shape, reduction)
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
    saves = ("input", "target", "weight", "pos_weight")
    shape = paired("binary_cross_entropy_with_logits")
    domains = {"target": (0.0, 1.0), "pos_weight": (0.5, 3.0)}
    samples = tuple(
        ((*s[0], None), s[1]) if isinstance(s[-1], dict) else (*s, None) for s in _Binary.samples
    ) + (((3, 4), (3, 4), (4,), (1, 4)),)
    card = Card(
        en="Score to loss in one step; the gradient is p − y (002, 003 §4.1).",
        zh="从得分一步到损失；梯度就是 p − y（002，003 §4.1）。",
    )

    def forward(F, input, target, weight=None, pos_weight=None, *, reduction):
        loss = with_logits(F, input, target, pos_weight)
        return reduced(F, loss if weight is None else loss * weight, reduction)

    def vjp(F, g, y, input, target, weight, pos_weight, *, reduction):
        each = spread(g, input.shape, reduction)
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
            return F.sum_to(each * with_logits(F, input, target, pos_weight), weight.shape)

        def of_pos_weight():
            s = F.softplus(-input, threshold=math.inf)
            return F.sum_to(pull * target * s, pos_weight.shape)

        return of_input, of_target, of_weight, of_pos_weight


def with_logits(F, x, target, pos_weight):
    """The cross-entropy of sigmoid(x), element by element."""
    # max(x, 0) − x·y is exactly 0 where score and target agree, however large the score.
    s = F.log1p(F.exp(-F.abs(x)))
    if pos_weight is None:
        return F.maximum(x, 0) - x * target + s
    return (1 - target) * x + (1 + (pos_weight - 1) * target) * (s + F.maximum(-x, 0))


@op
class FocalLoss(Pair):
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
    shape = paired("focal_loss")
    saves = ("input", "target")
    domains = {"target": (0.0, 1.0)}
    card = Card(
        en="A cross-entropy that loses interest in what is already right: the many easy examples "
        "no longer drown the few hard ones.",
        zh="对已经分对的样本失去兴趣的交叉熵：大量易分样本不再淹没少数难分样本。",
    )

    def forward(F, input, target, *, alpha, gamma, reduction):
        missed = _missed(F, input, target)
        loss = with_logits(F, input, target, None) * F.pow(missed, gamma)
        return reduced(F, loss if alpha is None else loss * _alpha(target, alpha), reduction)

    def vjp(F, g, y, input, target, *, alpha, gamma, reduction):
        # L = α_t q^γ c with q = 1 − p_t and c the cross-entropy. Where q underflows to 0 the term
        # γ q^(γ−1) q′ c goes to 0 too, though q^(γ−1) alone may not.
        each = spread(g, input.shape, reduction)
        weight = 1.0 if alpha is None else _alpha(target, alpha)
        p, n = F.sigmoid(input), F.sigmoid(-input)
        c, q = with_logits(F, input, target, None), _missed(F, input, target)
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


@function()
def binary_cross_entropy(
    input: Any, target: Any, weight: Any = None, reduction: str = "mean"
) -> Tensor:
    """−weight·(y·log p + (1 − y)·log(1 − p)); p = input and y = target lie in [0, 1].

    >>> cr.nn.functional.binary_cross_entropy(cr.tensor([1.0, 0.0]), cr.tensor([1.0, 0.0]))
    tensor(0.)
    """
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
    """`binary_cross_entropy` of sigmoid(input); pos_weight multiplies the loss of positives.

    >>> cr.nn.functional.binary_cross_entropy_with_logits(cr.tensor([-100.0]), cr.tensor([1.0]))
    tensor(100.)
    """
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
