"""Running reductions: along one axis, each entry from all before it.

Those that are no primitive are computed by doubling: after step k every entry has combined the 2ᵏ
entries that end at it, so log₂ n passes over whole arrays do, on any namespace.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule.base.constraints import DTypeOf, Int, Optional
from chainrule.base.shapes import normalize_axis
from chainrule.graph.tensor import Tensor
from chainrule.ops.dispatch import apply
from chainrule.ops.functions import Extreme
from chainrule.ops.op import REGISTRY, Card, Op, op
from chainrule.ops.register import function
from chainrule.ops.shape_rules import same_as

State = tuple[Any, ...]


def doubling(F: Any, combine: Callable[[State, State], State], states: State, axis: int) -> State:
    """`combine(earlier, later)`, which must be associative, of all states up to each place."""
    n, step = states[0].shape[axis], 1
    head = (slice(None),) * axis
    while step < n:
        first, before, now = ((*head, s) for s in (
            slice(0, step), slice(0, n - step), slice(step, n),
        ))  # fmt: skip
        met = combine(
            tuple(F.slice(s, before) for s in states), tuple(F.slice(s, now) for s in states)
        )
        states = tuple(
            F.concat([F.slice(s, first), m], axis) for s, m in zip(states, met, strict=True)
        )
        step *= 2
    return states


def reversed_along(F: Any, x: Any, axis: int) -> Any:
    """The entries along `axis` from the last to the first."""
    return F.slice(x, (slice(None),) * axis + (slice(None, None, -1),))


def shifted(F: Any, x: Any, axis: int) -> Any:
    """1 in front, the last entry dropped."""
    head = (slice(None),) * axis
    one = F.ones_like(F.slice(x, (*head, slice(0, 1))))
    return F.concat([one, F.slice(x, (*head, slice(0, -1)))], axis)


def recurrence(F: Any, factor: Any, x: Any, axis: int) -> Any:
    """r with r[i] = x[i] + factor[i]·r[i − 1]; factor[0] is not used."""

    def combine(a: State, b: State) -> State:
        return a[0] * b[0], b[1] + b[0] * a[1]

    return doubling(F, combine, (factor, x), axis)[1]


# ---- sums and products ----------------------------------------------------------------------


class _Running(Op):
    params = {"dim": Int(), "dtype": Optional(DTypeOf())}
    shape = same_as("x")
    autocast = "float32"
    inplace = True


def _typed(F, x, dtype):
    return x if dtype is None else F.astype(x, dtype)


@op
class Cumsum(_Running):
    """The running sum along `dim`; integers and booleans add up in int64."""

    math = "cumsum(x)"
    saves = ()
    card = Card(
        en="Each entry feeds all later ones, so gradients run backwards.",
        zh="每一项影响其后各项，梯度反向累加。",
    )

    def forward(F, x, *, dim, dtype=None):
        x = _typed(F, x, dtype)
        return F.cumulative_sum(x, normalize_axis(dim, len(x.shape))) if x.shape else x + 0

    def vjp(F, g, y, x, *, dim, dtype=None):
        g = _typed(F, g, None if dtype is None else x.dtype)
        if not x.shape:
            return (g,)
        axis = normalize_axis(dim, len(x.shape))
        return (reversed_along(F, F.cumulative_sum(reversed_along(F, g, axis), axis), axis),)


@op
class Cumprod(_Running):
    """The running product along `dim`; its gradient holds where entries are 0, too."""

    math = "cumprod(x)"
    saves = ("x",)
    edges = (0.0,)
    card = Card(
        en="Products of all entries so far; no gradient divides, so zeros do no harm.",
        zh="到目前为止各项之积；梯度中没有除法，有零也成立。",
    )

    def forward(F, x, *, dim, dtype=None):
        x = _typed(F, x, dtype)
        return F.cumulative_prod(x, normalize_axis(dim, len(x.shape))) if x.shape else x * 1

    def vjp(F, g, y, x, *, dim, dtype=None):
        # ∂L/∂x[j] = (product before j) · r[j] with r[j] = g[j] + x[j + 1]·r[j + 1].
        g = _typed(F, g, None if dtype is None else x.dtype)
        if not x.shape:
            return (g,)
        axis = normalize_axis(dim, len(x.shape))
        factor = shifted(F, reversed_along(F, x, axis), axis)
        later = recurrence(F, factor, reversed_along(F, g, axis), axis)
        before = F.cumulative_prod(shifted(F, x, axis), axis)
        return (before * reversed_along(F, later, axis),)


@op
class Logcumsumexp(Op):
    """log of the running sum of exp(x) along `dim`, without overflow."""

    params = {"dim": Int()}
    shape = same_as("x")
    math = "log(cumsum(exp(x)))"
    saves = ("x", "y")
    dtypes = "float"
    autocast = "float32"
    edges = (-1e4, 1e4)
    card = Card(
        en="A smooth running maximum; sums of probabilities kept as logarithms.",
        zh="光滑的滑动最大值；以对数保存的概率之和。",
    )

    def forward(F, x, *, dim):
        if not x.shape:
            return x + 0.0

        def combine(a, b):
            (a,), (b,) = a, b
            top = F.maximum(a, b)
            # inf − inf is NaN where both are the same infinity: there the sum is that infinity.
            far = F.where(F.equal(a, b), F.zeros_like(top), F.abs(a - b))
            here = F.where(F.equal(F.abs(top), float("inf")), F.zeros_like(top), 1.0)
            return (top + here * F.log1p(F.exp(-far)),)

        return doubling(F, combine, (x,), normalize_axis(dim, len(x.shape)))[0]

    def vjp(F, g, y, x, *, dim):
        # ∂L/∂x[j] = Σ g[i]·exp(x[j] − y[i]) over i ≥ j: exponents that never exceed 0.
        if not x.shape:
            return (g,)
        axis = normalize_axis(dim, len(x.shape))
        back = reversed_along(F, y, axis)
        head = (slice(None),) * axis
        ahead = F.concat([F.slice(back, (*head, slice(0, 1))),
                          F.slice(back, (*head, slice(0, -1)))], axis)  # fmt: skip
        factor = F.exp(_difference(F, back, ahead))
        later = reversed_along(F, recurrence(F, factor, reversed_along(F, g, axis), axis), axis)
        return (F.exp(_difference(F, x, y)) * later,)


def _difference(F, a, b):
    """a − b; 0 where both are the same infinity."""
    return F.where(F.equal(a, b), F.zeros_like(a), a - b)


# ---- extremes -------------------------------------------------------------------------------


class _RunningExtreme(Op):
    params = {"dim": Int()}
    outputs = ("values", "indices")
    saves = ("y",)
    method = False

    @staticmethod
    def vjp(F, g, y, x, *, dim):
        if not x.shape:
            return (g[0] * 1,)
        axis = normalize_axis(dim, len(x.shape))
        return (F.put_along_axis_add(g[0], y[1], axis, x.shape[axis]),)


def _running_extreme(F, x, dim, beats):
    """The running extreme and where it stands: `beats(F, earlier, later)` says that the later
    takes over."""
    if not x.shape:
        return F.asarray(x), F.full((), 0, "int64")
    axis = normalize_axis(dim, len(x.shape))
    n = x.shape[axis]
    line = F.reshape(F.arange(n, "int64"), (n,) + (1,) * (len(x.shape) - 1 - axis))

    def combine(a, b):
        later = beats(F, a[0], b[0])
        if x.dtype.kind == "f":
            later = F.bitwise_or(later, F.isnan(b[0]))
        return tuple(F.where(later, q, p) for p, q in zip(a, b, strict=True))

    values, indices = doubling(F, combine, (x, F.broadcast_to(line, x.shape)), axis)
    return F.take_along_axis(x, indices, axis), indices


@op
class Cummax(_RunningExtreme):
    """The largest so far along `dim`, and where it last stood; NaN stays."""

    math = "cummax(x)"
    card = Card(
        en="The record so far; its gradient goes to the record holder.",
        zh="到目前为止的最大值；梯度归于取得最大值的元素。",
    )

    def forward(F, x, *, dim):
        return _running_extreme(F, x, dim, lambda F, a, b: F.less_equal(a, b))


@op
class Cummin(_RunningExtreme):
    """The smallest so far along `dim`, and where it last stood; NaN stays."""

    math = "cummin(x)"
    card = Card(
        en="The lowest so far; its gradient goes to where that stood.",
        zh="到目前为止的最小值；梯度归于取得最小值的元素。",
    )

    def forward(F, x, *, dim):
        return _running_extreme(F, x, dim, lambda F, a, b: F.less_equal(b, a))


@function("cummax")
def cummax(input: Tensor, dim: int) -> Extreme:
    """The largest so far along `dim`, and the index where it last stood."""
    return Extreme(*apply(REGISTRY["cummax"], input, dim=normalize_axis(dim, input.ndim)))


@function("cummin")
def cummin(input: Tensor, dim: int) -> Extreme:
    """The smallest so far along `dim`, and the index where it last stood."""
    return Extreme(*apply(REGISTRY["cummin"], input, dim=normalize_axis(dim, input.ndim)))
