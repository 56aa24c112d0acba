"""Running reductions: along one axis, each entry from all before it.

Those that are no primitive are computed by doubling: after step k every entry has combined the 2ᵏ
entries that end at it, so log₂ n passes over whole arrays do, on any namespace. Long linear
recurrences are walked along instead, many lines at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

from chainrule.base.constraints import Bool, DTypeOf, Int, Optional
from chainrule.base.errors import ShapeError
from chainrule.base.shapes import normalize_axis
from chainrule.base.text import t
from chainrule.graph.tensor import Tensor
from chainrule.ops.dispatch import apply
from chainrule.ops.functions import Extreme
from chainrule.ops.op import REGISTRY, Card, Op, op
from chainrule.ops.register import function
from chainrule.ops.shape_rules import Shapes, same_as

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


def advanced(F: Any, x: Any, axis: int) -> Any:
    """The first entry dropped, 1 at the end."""
    head = (slice(None),) * axis
    one = F.ones_like(F.slice(x, (*head, slice(0, 1))))
    return F.concat([F.slice(x, (*head, slice(1, None))), one], axis)


# ---- linear recurrences ---------------------------------------------------------------------

# Fewer elements than this are combined by doubling, which needs few steps; more are walked along,
# WIDE lines or pieces of lines at a time, pieces being STEPS long.
LONG, WIDE, STEPS = 1 << 13, 64, 128


@dataclass(frozen=True)
class _Step:
    """r ← x + factor·r, and where `products` is asked for that of all factors so far."""

    products: bool

    def __call__(self, F: Any, carry: State, x: State, constants: State) -> tuple[State, State]:
        factor, x_now = x
        new: State = (x_now + factor * carry[0],)
        if self.products:
            new = (*new, factor * carry[1])
        return new, new


def _walk(F: Any, factor: Any, x: Any, reverse: bool) -> Any:
    """The recurrence along axis 0 of (n, lines)."""
    n, lines = x.shape
    if lines >= WIDE or n <= STEPS:
        start = (F.full((lines,), 0, x.dtype),)
        return F.scan(_Step(False), start, (factor, x), (), reverse=reverse)[1][0]
    # Pieces side by side, each from 0; then what comes into each, times its factors so far.
    pieces = -(-n // STEPS)
    width = pieces * lines

    def apart(v: Any) -> Any:
        v = F.reshape(F.pad(v, ((0, pieces * STEPS - n), (0, 0)), 0), (pieces, STEPS, lines))
        return F.reshape(F.permute_dims(v, (1, 0, 2)), (STEPS, width))

    starts = (F.full((width,), 0, x.dtype), F.full((width,), 1, x.dtype))
    _, (r, products) = F.scan(_Step(True), starts, (apart(factor), apart(x)), (), reverse=reverse)
    last = (0 if reverse else STEPS - 1,)
    ends = [F.reshape(F.slice(v, last), (pieces, lines)) for v in (products, r)]
    met = recurrence(F, ends[0], ends[1], 0, reverse)
    met = F.pad(met, ((-1, 1), (0, 0)) if reverse else ((1, -1), (0, 0)), 0)
    met = F.broadcast_to(F.reshape(met, (1, width)), r.shape)
    # Nothing comes in: also where the product of the factors is beyond all numbers.
    r = r + F.where(F.equal(met, 0), F.zeros_like(r), products * met)
    r = F.permute_dims(F.reshape(r, (STEPS, pieces, lines)), (1, 0, 2))
    return F.slice(F.reshape(r, (pieces * STEPS, lines)), (slice(0, n),))


def recurrence(F: Any, factor: Any, x: Any, axis: int, reverse: bool) -> Any:
    """r with r[i] = x[i] + factor[i]·r[i − 1], from 0; `reverse`: r[i + 1], from the end."""
    size = prod(x.shape)
    if size < LONG:

        def combine(a: State, b: State) -> State:
            return a[0] * b[0], b[1] + b[0] * a[1]

        states = (factor, x)
        if reverse:
            states = tuple(reversed_along(F, v, axis) for v in states)
        r = doubling(F, combine, states, axis)[1]
        return reversed_along(F, r, axis) if reverse else r
    n, rest = x.shape[axis], x.shape[:axis] + x.shape[axis + 1 :]
    order = (axis, *(i for i in range(len(x.shape)) if i != axis))
    factor, x = (F.reshape(F.permute_dims(v, order), (n, size // n)) for v in (factor, x))
    r = F.reshape(_walk(F, factor, x, reverse), (n, *rest))
    return F.permute_dims(r, tuple(order.index(i) for i in range(len(order))))


def _equal_shapes(shapes: Shapes, params: dict[str, Any]) -> tuple[int, ...]:
    if shapes["factor"] != shapes["x"]:
        raise ShapeError(
            t(
                "linear_recurrence: factor {factor} and x {x} must have equal shapes.",
                factor=shapes["factor"],
                x=shapes["x"],
            )
        )
    return shapes["x"]


@op
class LinearRecurrence(Op):
    """r[i] = x[i] + factor[i]·r[i − 1] along `dim`, from 0; `reverse`: r[i + 1], from the end.

    What the gradients of running products are; its own is such a recurrence the other way.
    """

    params = {"dim": Int(), "reverse": Bool(False)}
    shape = staticmethod(_equal_shapes)
    math = "x[i] + factor[i]*r[i - 1]"
    saves = ("factor", "y")
    method = False
    samples = (
        (((3, 4), (3, 4)), {"dim": 1}),
        (((3, 2), (3, 2)), {"dim": 0, "reverse": True}),
    )
    card = Card(
        en="Each entry carries over a share of the one before, the way interest does.",
        zh="每一项按比例带上前一项，如同复利。",
    )

    def forward(F, factor, x, *, dim, reverse):
        _equal_shapes({"factor": factor.shape, "x": x.shape}, {})
        return recurrence(F, factor, x, normalize_axis(dim, len(x.shape)), reverse)

    def vjp(F, g, y, factor, x, *, dim, reverse):
        axis = normalize_axis(dim, len(y.shape))
        beside, back = (shifted, advanced) if reverse else (advanced, shifted)
        pull = F.linear_recurrence(beside(F, factor, axis), g, dim=axis, reverse=not reverse)
        n = y.shape[axis]
        width = tuple((0, 0) if i != axis else (-1, 1) if reverse else (1, -1)
                      for i in range(len(y.shape)))  # fmt: skip
        return pull * (F.pad(y, width, 0) if n else y), pull


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
    """The running sum along `dim`; integers and booleans add up in int64.

    >>> cr.cumsum(cr.tensor([1, 2, 3]), dim=0)
    tensor([1, 3, 6])
    """

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
        later = F.linear_recurrence(advanced(F, x, axis), g, dim=axis, reverse=True)
        return (F.cumulative_prod(shifted(F, x, axis), axis) * later,)


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
        head = (slice(None),) * axis
        following = F.concat([F.slice(y, (*head, slice(1, None))),
                              F.slice(y, (*head, slice(-1, None)))], axis)  # fmt: skip
        factor = F.exp(_difference(F, y, following))
        later = F.linear_recurrence(factor, g, dim=axis, reverse=True)
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
