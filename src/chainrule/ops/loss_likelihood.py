"""Losses that are a negative log-likelihood of a number (Gauss, Poisson), and the root of the MSE.

`reduction` as in `loss`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.base.constraints import Bool, Positive
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.text import t
from chainrule.graph.tensor import Tensor
from chainrule.ops.creation import full as constant
from chainrule.ops.dispatch import apply
from chainrule.ops.functions import function
from chainrule.ops.loss import REDUCTION, SHAPES, Pair, Shapes, paired, reduced, spread
from chainrule.ops.loss_classes import as_tensor
from chainrule.ops.op import Card, op


@op
class RmseLoss(Pair):
    """√(mean (input − target)²), in the unit of the target. Where all are equal the gradient is 0.

    003 §4.2.2 of the notes.
    """

    math = "sqrt(mean((input - target) ^ 2))"
    params = {}
    saves = ("input", "target", "y")
    samples = (((3, 4), (3, 4)), ((2, 3, 2), (2, 3, 2)), ((), ()))
    card = Card(
        en="The mean squared error in the unit of what is predicted.",
        zh="与预测量同单位的均方误差。",
    )

    @staticmethod
    def shape(shapes: Shapes, params: dict[str, Any]) -> tuple[int, ...]:
        return paired("rmse_loss")(shapes, {"reduction": "mean"})  # type: ignore[no-any-return]

    def forward(F, input, target):
        d = input - target
        return F.sqrt(F.sum(d * d) / (math.prod(d.shape) or math.nan))

    def vjp(F, g, y, input, target):
        n = math.prod(input.shape) or math.nan
        # At y = 0 every difference is 0: 0/1 in the place of 0/0.
        pull = g / (F.where(F.equal(y, 0), 1.0, y) * n) * (input - target)
        return pull, lambda: -pull


@op
class PoissonNllLoss(Pair):
    """exp(x) − y·x for counts y whose expected number is exp(x); the constant log y! is left out.

    `log_input=False`: input is the expected number itself, x − y·log(x + eps). `full` adds
    Stirling's y·log y − y + ½ log(2πy) in the place of log y! where y > 1.
    """

    math = "mean(exp(input) - target * input)"
    params = {
        "log_input": Bool(True),
        "full": Bool(False),
        "eps": Positive(1e-8),
        "reduction": REDUCTION,
    }
    shape = paired("poisson_nll_loss")
    saves = ("input", "target")
    domains = {"input": (0.2, 2.0), "target": (0.0, 4.0)}
    samples = (
        *SHAPES,
        (((3, 4), (3, 4)), {"log_input": False}),
        (((3, 4), (3, 4)), {"full": True, "reduction": "none"}),
    )
    card = Card(
        en="For counts: the logarithm of the expected number is what is learnt.",
        zh="用于计数：学习的是期望次数的对数。",
    )

    def forward(F, input, target, *, log_input, full, eps, reduction):
        if log_input:
            loss = F.exp(input) - target * input
        else:
            loss = input - target * F.log(input + eps)
        if full:
            many = F.less(1, target)
            y = F.where(many, target, 1.0)
            stirling = y * F.log(y) - y + 0.5 * F.log(2 * math.pi * y)
            loss = loss + F.where(many, stirling, 0.0)
        return reduced(F, loss, reduction)

    def vjp(F, g, y, input, target, *, log_input, full, eps, reduction):
        pull = spread(g, input.shape, reduction)

        def of_target():
            slope = -input if log_input else -F.log(input + eps)
            if full:
                many = F.less(1, target)
                y = F.where(many, target, 1.0)
                slope = slope + F.where(many, F.log(y) + 0.5 / y, 0.0)
            return pull * slope

        return (
            lambda: pull * (F.exp(input) - target if log_input else 1 - target / (input + eps)),
            of_target,
        )


@op
class GaussianNllLoss(Pair):
    """½(log v + (x − y)²/v) for a mean x and a variance v = max(var, eps); `full` adds ½ log 2π.

    The gradient of var is that at v, where var < eps too, so that it can come back.
    """

    math = "mean(0.5 * (log(var) + (input - target)^2 / var))"
    params = {"full": Bool(False), "eps": Positive(1e-6), "reduction": REDUCTION}
    saves = ("input", "target", "var")
    domains = {"var": (0.5, 2.0)}
    samples = (
        ((3, 4), (3, 4), (3, 4)),
        (((3, 4), (3, 4), (3, 1)), {"full": True}),
        (((3, 4), (3, 4), ()), {"reduction": "sum"}),
        (((4,), (4,), (4,)), {"reduction": "none"}),
    )
    card = Card(
        en="A prediction with its own error bar: too narrow and too wide a bar both cost.",
        zh="带有自身误差范围的预测：范围过窄或过宽都要付出代价。",
    )

    @staticmethod
    def shape(shapes: Shapes, params: dict[str, Any]) -> tuple[int, ...]:
        x, var = shapes["input"], shapes["var"]
        found = paired("gaussian_nll_loss")(shapes, params)
        if var not in ((), x, (*x[:-1], 1)):
            raise ShapeError(
                t(
                    "gaussian_nll_loss: var must have the input's shape {x}, or {one}, or be one "
                    "number; it has shape {var}.",
                    x=x,
                    one=(*x[:-1], 1),
                    var=var,
                )
            )
        return found  # type: ignore[no-any-return]

    def forward(F, input, target, var, *, full, eps, reduction):
        v, d = F.maximum(var, eps), input - target
        loss = 0.5 * (F.log(v) + d * d / v)
        return reduced(F, loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction)

    def vjp(F, g, y, input, target, var, *, full, eps, reduction):
        each = spread(g, input.shape, reduction)
        v, d = F.maximum(var, eps), input - target
        pull = each * d / v
        return (
            pull,
            lambda: -pull,
            lambda: F.sum_to(each * (0.5 / v) * (1 - d * d / v), var.shape),
        )


# ---- public forms ---------------------------------------------------------------------------


@function()
def gaussian_nll_loss(
    input: Any, target: Any, var: Any, full: bool = False, eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """½(log v + (input − target)²/v), v = max(var, eps) the variance; `full` adds ½ log 2π.

    var: a number, or a tensor of the input's shape, without its last axis, or with 1 in it.
    """
    x = as_tensor(input)
    params = GaussianNllLoss.validate({"full": full, "eps": eps, "reduction": reduction})
    if not isinstance(var, Tensor):
        var = constant((), float(var), dtype=x.dtype)
    elif var.shape != x.shape and var.shape == x.shape[:-1]:
        var = var.unsqueeze(-1)
    known = var._data
    if isinstance(known, np.ndarray) and known.size and known.min() < 0:
        raise ArgumentError(
            t("gaussian_nll_loss: var holds {low}; a variance is ≥ 0.", low=float(known.min()))
        )
    return apply(GaussianNllLoss, x, as_tensor(target), var, **params)
