"""Shares of a whole along one axis: softmax and its relatives.

The public functions take PyTorch's `dtype` argument: the input is converted before anything else.
"""

from __future__ import annotations

import inspect
import warnings
from typing import Any

from chainrule.base.constraints import Int
from chainrule.base.dtypes import as_dtype
from chainrule.base.shapes import normalize_axis
from chainrule.base.text import t
from chainrule.graph.convert import array_of
from chainrule.graph.tensor import Tensor
from chainrule.ops.dispatch import apply, cast
from chainrule.ops.functions import function
from chainrule.ops.op import REGISTRY, Card, Op, op
from chainrule.ops.shape_rules import same_as


class _Shares(Op):
    params = {"dim": Int()}
    shape = same_as("x")
    dtypes = "float"
    autocast = "float32"
    method = False
    edges: tuple[float, ...] = (-800.0, 0.0, 800.0)
    samples: Any = (
        (((3, 4),), {"dim": 1}),
        (((3, 4),), {"dim": 0}),
        (((2, 3, 2),), {"dim": -2}),
        (((),), {"dim": 0}),
        (((0, 3),), {"dim": 1}),
        (((3, 0),), {"dim": 1}),
    )


def _from_top(F, x, dim):
    """x less its largest entry along `dim`: exp of it cannot overflow."""
    axis = normalize_axis(dim, len(x.shape))
    # An empty line has no largest entry, and nothing in it to subtract from.
    return x - F.max(x, axis, True) if 0 not in x.shape else x


@op
class Softmax(_Shares):
    """exp(x_i) / Σ exp(x_j) along `dim`: shares in (0, 1) that add up to 1.

    Computed from x − max(x), so large logits are no harm. An entry of −inf gets exactly 0; a line
    of nothing but −inf has no shares and gives NaN, as in PyTorch.

    >>> cr.softmax(cr.tensor([1.0, 1.0, -cr.inf]), dim=0)
    tensor([0.5000, 0.5000, 0.0000])
    """

    math = "exp(x) / sum(exp(x))"
    saves = ("y",)
    card = Card(
        en="Scores become shares of 1. The Jacobian is p_i(δ_ij − p_j): raising one lowers all "
        "others.",
        zh="得分变成总和为 1 的概率。雅可比矩阵为 p_i(δ_ij − p_j)：一项升高，其余都降低。",
    )

    def forward(F, x, *, dim):
        e = F.exp(_from_top(F, x, dim))
        return e / F.sum(e, dim, True)

    def vjp(F, g, y, x, *, dim):
        # Row i of the Jacobian: p_i(δ_ij − p_j), so gᵀJ = p·g − p·Σ p_i g_i.
        pull = g * y
        return (pull - y * F.sum(pull, dim, True),)


@op
class LogSoftmax(_Shares):
    """The logarithm of softmax, x − log Σ exp(x_j), accurate where softmax itself underflows.

    >>> cr.log_softmax(cr.tensor([0.0, -cr.inf]), dim=0)
    tensor([  0., -inf])
    """

    math = "x - log(sum(exp(x)))"
    saves = ("y",)
    card = Card(
        en="Log-probabilities; what the cross-entropy picks from. Gradient: g − p·Σg.",
        zh="对数概率，交叉熵从中取值。梯度为 g − p·Σg。",
    )

    def forward(F, x, *, dim):
        z = _from_top(F, x, dim)
        return z - F.log(F.sum(F.exp(z), dim, True))

    def vjp(F, g, y, x, *, dim):
        return (g - F.exp(y) * F.sum(g, dim, True),)


@op
class Softmin(_Shares):
    """softmax(−x): the smallest entry gets the largest share."""

    math = "exp(-x) / sum(exp(-x))"
    saves = ("y",)
    card = Card(en="Softmax turned over: small scores win.", zh="把 softmax 翻转：得分小的占优。")

    def forward(F, x, *, dim):
        return F.softmax(-x, dim=dim)

    def vjp(F, g, y, x, *, dim):
        pull = g * y
        return (y * F.sum(pull, dim, True) - pull,)


@op
class Hardmax(_Shares):
    """x_i / Σ x_j along `dim`, which the notes (000 §4) set beside softmax; for positive x.

    Not the one-hot maximum that goes by the same name elsewhere. Where Σ x_j = 0 the result is
    infinite or NaN.
    """

    math = "x / sum(x)"
    saves = ("x", "y")
    domain = (0.2, 3.0)
    edges = ()
    card = Card(
        en="Plain shares: only proportions count, so it never pushes as hard as softmax.",
        zh="直接按比例分配：只看比例，不像 softmax 那样拉开差距。",
    )

    def forward(F, x, *, dim):
        return x / F.sum(x, dim, True)

    def vjp(F, g, y, x, *, dim):
        return ((g - F.sum(g * y, dim, True)) / F.sum(x, dim, True),)


# ---- public forms ---------------------------------------------------------------------------


def _shares(cls: type[Op], *methods: str) -> Any:
    def shares(input: Any, dim: int | None = None, dtype: Any = None) -> Tensor:
        if dtype is not None or dim is None:
            input = input if isinstance(input, Tensor) else Tensor(array_of(input))
        params = cls.validate({"dim": _guessed(cls.name, input.ndim) if dim is None else dim})
        if dtype is not None:
            input = cast(input, as_dtype(dtype))
        return apply(cls, input, **params)

    shares.__name__ = shares.__qualname__ = cls.name
    shares.__doc__ = f"{cls.name}(input, dim, dtype=None)\n\n{inspect.cleandoc(cls.__doc__ or '')}"
    return function(*methods)(shares)


def _guessed(name: str, ndim: int) -> int:
    """The axis that PyTorch takes where none is given."""
    dim = 0 if ndim in (0, 1, 3) else 1
    warnings.warn(
        t("{name} without dim takes axis {dim} here: write dim={dim}.", name=name, dim=dim),
        stacklevel=3,
    )
    return dim


softmax = _shares(REGISTRY["softmax"], "softmax")
log_softmax = _shares(REGISTRY["log_softmax"], "log_softmax")
softmin = _shares(REGISTRY["softmin"])
hardmax = _shares(REGISTRY["hardmax"])
