"""Reductions: one number from many."""

from __future__ import annotations

from chainrule.base.constraints import Bool, Dims, DTypeOf, Int, Number, Optional
from chainrule.base.errors import DTypeError, ShapeError
from chainrule.base.shapes import normalize_axes, normalize_axis
from chainrule.base.text import t
from chainrule.ops.namespace import count
from chainrule.ops.op import Card, Op, op
from chainrule.ops.shape_rules import reduced


class Reduction(Op):
    """One number from many: over `dim` (an axis, several, None: all), kept as size 1 or not."""

    params = {"dim": Dims(), "keepdim": Bool(False)}
    shape = staticmethod(reduced)


def _float(F, x, dtype):
    return x if dtype is None else F.astype(x, dtype)


@op
class Sum(Reduction):
    """The sum over `dim`; integers and booleans add up in int64.

    >>> x = cr.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> cr.sum(x), cr.sum(x, dim=0)
    (tensor(10.), tensor([4., 6.]))
    """

    math = "sum(x)"
    autocast = "float32"
    params = Reduction.params | {"dtype": Optional(DTypeOf())}
    saves = ()
    card = Card(
        en="Every term gets the gradient of the sum: the mirror image of broadcasting.",
        zh="每一项都得到和的梯度：与广播互为镜像。",
    )

    def forward(F, x, *, dim, keepdim, dtype):
        return F.sum(_float(F, x, dtype), dim, keepdim)

    def vjp(F, g, y, x, *, dim, keepdim, dtype):
        g = _float(F, g, None if dtype is None else x.dtype)
        return (F.broadcast_to(g if keepdim else F.keep(g, dim, x.shape), x.shape),)


@op
class Mean(Reduction):
    """The mean over `dim`; NaN over nothing.

    >>> cr.mean(cr.tensor([[1.0, 2.0], [3.0, 4.0]]), dim=1, keepdim=True)
    tensor([[1.5000],
            [3.5000]])
    """

    math = "sum(x) / n"
    autocast = "float32"
    params = Reduction.params | {"dtype": Optional(DTypeOf())}
    saves = ()
    card = Card(en="The sum shared out: each term gets g/n.", zh="和的平均：每一项得到 g/n。")

    def forward(F, x, *, dim, keepdim, dtype):
        if dtype is None and x.dtype.kind != "f":
            raise DTypeError(
                t("mean() of {dtype} values: write x.float().mean().", dtype=x.dtype.name)
            )
        x = _float(F, x, dtype)
        n = count(x.shape, dim)
        return F.sum(x, dim, keepdim) / n if n else F.sum(x, dim, keepdim) * float("nan")

    def vjp(F, g, y, x, *, dim, keepdim, dtype):
        g = _float(F, g, None if dtype is None else x.dtype)
        g = g / max(count(x.shape, dim), 1)
        return (F.broadcast_to(g if keepdim else F.keep(g, dim, x.shape), x.shape),)


@op
class Prod(Reduction):
    """The product over `dim`.

    >>> cr.prod(cr.tensor([2.0, 3.0, 4.0]))
    tensor(24.)
    """

    math = "prod(x)"
    autocast = "float32"
    params = Reduction.params | {"dtype": Optional(DTypeOf())}
    saves = ("x",)
    edges = (0.0,)
    card = Card(
        en="Each factor's gradient is the product of all the others, also where some are zero.",
        zh="每个因子的梯度是其余因子之积，有零时也成立。",
    )

    def forward(F, x, *, dim, keepdim, dtype):
        return F.prod(_float(F, x, dtype), dim, keepdim)

    def vjp(F, g, y, x, *, dim, keepdim, dtype):
        # Products of what stands before and after each entry: no division, so zeros are no harm.
        g = g if keepdim else F.keep(g, dim, x.shape)
        g, x = _float(F, g, None if dtype is None else x.dtype), x
        axes = normalize_axes(dim, len(x.shape))
        if len(axes) == 1:
            return (g * _others(F, x, axes[0]),)
        rest = tuple(i for i in range(len(x.shape)) if i not in axes)
        order = rest + axes
        lines = F.reshape(
            F.permute_dims(x, order), (*(x.shape[i] for i in rest), count(x.shape, dim))
        )
        others = F.reshape(_others(F, lines, len(rest)), tuple(x.shape[i] for i in order))
        back = tuple(order.index(i) for i in range(len(order)))
        return (g * F.permute_dims(others, back),)


def _others(F, x, axis):
    """For each entry the product of all others along `axis`."""
    flip = (*(slice(None),) * axis, slice(None, None, -1))
    before = F.cumulative_prod(_shifted(F, x, axis), axis)
    return before * F.slice(F.cumulative_prod(_shifted(F, F.slice(x, flip), axis), axis), flip)


def _shifted(F, x, axis):
    """1 in front, the last entry dropped, along `axis`."""
    head = (slice(None),) * axis
    one = F.ones_like(F.slice(x, (*head, slice(0, 1))))
    return F.concat([one, F.slice(x, (*head, slice(0, -1)))], axis)


def _some(name: str, x, dim):
    """Refuses to look for an extreme where nothing is: it has no neutral element."""
    if x.shape and 0 in x.shape and not count(x.shape, dim):
        raise ShapeError(
            t("{name}: a tensor of shape {x} has no entries over dim={dim}, so none is the largest "
              "or the smallest.", name=name, x=tuple(x.shape), dim=dim)
        )  # fmt: skip


class _Extreme(Reduction):
    saves = ("x", "y")

    @staticmethod
    def vjp(F, g, y, x, *, dim, keepdim):
        if not keepdim:
            g, y = F.keep(g, dim, x.shape), F.keep(y, dim, x.shape)
        hit = F.astype(F.equal(x, y), x.dtype)
        return (g * hit / F.sum(hit, dim if dim is None else tuple(dim), True),)


@op
class Amax(_Extreme):
    """The largest over `dim`; NaN wins. Equal largest ones share the gradient.

    >>> cr.amax(cr.tensor([[1.0, 9.0], [7.0, 2.0]]), dim=0)
    tensor([7., 9.])
    """

    math = "max(x)"
    card = Card(
        en="Routes the gradient to the winner; ties share it.", zh="梯度送给最大者；并列时平分。"
    )

    def forward(F, x, *, dim, keepdim):
        _some("amax", x, dim)
        return F.max(x, dim, keepdim)


@op
class Amin(_Extreme):
    """The smallest over `dim`; NaN wins. Equal smallest ones share the gradient."""

    math = "min(x)"
    card = Card(
        en="Routes the gradient to the smallest; ties share it.", zh="梯度送给最小者；并列时平分。"
    )

    def forward(F, x, *, dim, keepdim):
        _some("amin", x, dim)
        return F.min(x, dim, keepdim)


@op
class Var(Reduction):
    """The variance over `dim`, divided by n − correction; 0 exactly for a constant column."""

    math = "sum((x - mean(x)) ^ 2) / (n - correction)"
    params = {"dim": Dims(), "correction": Number(1), "keepdim": Bool(False)}
    saves = ("x",)
    dtypes = "float"
    autocast = "float32"
    card = Card(
        en="The mean squared distance from the mean; far points pull hardest.",
        zh="到均值的平均平方距离；越远的点拉力越大。",
    )

    def forward(F, x, *, dim, correction, keepdim):
        d = _centred(F, x, dim)
        return F.sum(d * d, dim, keepdim) * _inverse(count(x.shape, dim) - correction)

    def vjp(F, g, y, x, *, dim, correction, keepdim):
        g = g if keepdim else F.keep(g, dim, x.shape)
        return (g * _centred(F, x, dim) * (2.0 * _inverse(count(x.shape, dim) - correction)),)


def _inverse(n: float) -> float:
    """1/n; NaN for no degree of freedom, infinite for less, as PyTorch's."""
    return 1 / n if n > 0 else float("nan") if n == 0 else float("inf")


def _centred(F, x, dim):
    """x − mean(x). Shifted by its first entry, a constant column gives exact zeros."""
    axes = normalize_axes(dim, len(x.shape))
    if not count(x.shape, dim):
        return x
    first = F.slice(
        x, tuple(slice(0, 1) if i in axes else slice(None) for i in range(len(x.shape)))
    )
    d = x - first
    return d - F.mean(d, dim if dim is None else tuple(dim), True)


@op
class Std(Reduction):
    """The standard deviation over `dim`; where it is 0 its gradient is 0."""

    math = "sqrt(sum((x - mean(x)) ^ 2) / (n - correction))"
    params = Var.params
    saves = ("x", "y")
    dtypes = "float"
    autocast = "float32"
    card = Card(en="The spread in the units of x.", zh="以 x 的单位表示的离散程度。")

    def forward(F, x, *, dim, correction, keepdim):
        return F.sqrt(Var.forward(F, x, dim=dim, correction=correction, keepdim=keepdim))

    def vjp(F, g, y, x, *, dim, correction, keepdim):
        if not keepdim:
            g, y = F.keep(g, dim, x.shape), F.keep(y, dim, x.shape)
        flat = F.equal(y, 0)
        slope = F.where(flat, F.zeros_like(y), g / F.where(flat, F.ones_like(y), y))
        return (slope * _centred(F, x, dim) * _inverse(count(x.shape, dim) - correction),)


@op
class Logsumexp(Reduction):
    """log Σ exp(x) over `dim`, without overflow; −inf where all are −inf.

    >>> cr.logsumexp(cr.tensor([1000.0, 0.0]), dim=0)
    tensor(1000.)
    """

    math = "log(sum(exp(x)))"
    saves = ("x", "y")
    dtypes = "float"
    autocast = "float32"
    edges = (-1e4, 1e4)
    card = Card(
        en="A smooth maximum; its gradient is the softmax.",
        zh="光滑的最大值；梯度就是 softmax。",
    )

    def forward(F, x, *, dim, keepdim):
        if not x.shape:
            return x + 0.0
        if not count(x.shape, dim):  # the sum of nothing is 0
            y = F.log(F.sum(x, dim, True))
            return y if keepdim else F.squeeze(y, dim)
        top = F.max(x, dim, True)
        top = F.where(F.isfinite(top), top, F.zeros_like(top))
        y = F.log(F.sum(F.exp(x - top), dim, True)) + top
        return y if keepdim else F.squeeze(y, dim)

    def vjp(F, g, y, x, *, dim, keepdim):
        if not keepdim:
            g, y = F.keep(g, dim, x.shape), F.keep(y, dim, x.shape)
        safe = F.where(F.isfinite(y), y, F.zeros_like(y))
        return (g * F.exp(x - safe),)


class _Arg(Op):
    params = {"dim": Optional(Int()), "keepdim": Bool(False)}
    shape = staticmethod(reduced)
    differentiable = False


def _arg(F, function, x, dim, keepdim):
    if dim is None:
        flat = function(F.reshape(x, (-1,)), 0)
        return F.reshape(flat, (1,) * len(x.shape)) if keepdim else flat
    if not x.shape:
        return F.full((), 0, "int64")
    out = function(x, normalize_axis(dim, len(x.shape)))
    return F.keep(out, dim, x.shape) if keepdim else out


@op
class Argmax(_Arg):
    """The index of the first largest entry along `dim` (None: in the flattened tensor).

    >>> cr.argmax(cr.tensor([[1.0, 9.0], [7.0, 2.0]]), dim=1)
    tensor([1, 0])
    """

    math = "argmax(x)"
    card = Card(en="Where the winner stands: the predicted class.", zh="最大者的位置：预测的类别。")

    def forward(F, x, *, dim, keepdim):
        return _arg(F, F.argmax, x, dim, keepdim)


@op
class Argmin(_Arg):
    """The index of the first smallest entry along `dim` (None: in the flattened tensor).

    >>> cr.argmin(cr.tensor([3.0, 1.0, 2.0]))
    tensor(1)
    """

    math = "argmin(x)"
    card = Card(en="Where the smallest stands.", zh="最小者的位置。")

    def forward(F, x, *, dim, keepdim):
        return _arg(F, F.argmin, x, dim, keepdim)


@op
class All(Reduction):
    """Whether every entry is non-zero."""

    math = "all(x)"
    differentiable = False
    card = Card(en="True if none is zero.", zh="没有零时为真。")

    def forward(F, x, *, dim, keepdim):
        return F.equal(F.sum(F.astype(F.equal(x, 0), "int64"), dim, keepdim), 0)


@op
class Any(Reduction):
    """Whether some entry is non-zero."""

    math = "any(x)"
    differentiable = False
    card = Card(en="True if one is not zero.", zh="有一个非零即为真。")

    def forward(F, x, *, dim, keepdim):
        return F.not_equal(F.sum(F.astype(F.not_equal(x, 0), "int64"), dim, keepdim), 0)


@op
class Euclidean(Reduction):
    """√Σx² over `dim`; at 0 its gradient is 0."""

    math = "sqrt(sum(x ^ 2))"
    saves = ("x", "y")
    dtypes = "float"
    autocast = "float32"
    card = Card(
        en="The length of a vector; its gradient is the direction.", zh="向量的长度；梯度是其方向。"
    )

    def forward(F, x, *, dim, keepdim):
        return F.sqrt(F.sum(x * x, dim, keepdim))

    def vjp(F, g, y, x, *, dim, keepdim):
        if not keepdim:
            g, y = F.keep(g, dim, x.shape), F.keep(y, dim, x.shape)
        zero = F.equal(y, 0)
        return (F.where(zero, F.zeros_like(y), g / F.where(zero, F.ones_like(y), y)) * x,)
