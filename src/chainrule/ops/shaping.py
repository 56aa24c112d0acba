"""Moving elements without computing: reshape, permute, expand, slice, pad, join."""

from __future__ import annotations

from typing import Any

from chainrule.base.constraints import Anything, Int, Ints, Number, Optional
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.shapes import normalize_axes, normalize_axis, resolve_reshape
from chainrule.base.text import t
from chainrule.ops.op import Card, Op, op


class Move(Op):
    """Elements keep their values; only where they stand changes. Any dtype."""

    dtypes = "keep"
    saves = ()
    math = "x"
    samples: Any = None


def _size(shape: tuple[int, ...]) -> int:
    n = 1
    for s in shape:
        n *= s
    return n


@op
class Reshape(Move):
    """The same elements, in order, in another shape; one size may be −1. A view if possible.

    >>> cr.reshape(cr.arange(6), (2, -1))
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """

    params = {"shape": Ints()}
    view = True
    spread = True
    samples: Any = ((((2, 6),), {"shape": (3, -1)}), (((4,),), {"shape": (2, 2)}),
               (((),), {"shape": (1, 1)}), (((0, 3),), {"shape": (3, 0)}))  # fmt: skip
    card = Card(
        en="Same numbers, other shape; so for gradients.", zh="数值不变，形状改变；梯度亦然。"
    )

    @staticmethod
    def shape(shapes: dict[str, tuple[int, ...]], params: dict[str, Any]) -> tuple[int, ...]:
        return resolve_reshape(params["shape"], _size(shapes["x"]), shapes["x"])

    def forward(F, x, *, shape):
        return F.reshape(x, resolve_reshape(shape, _size(x.shape), x.shape))

    def vjp(F, g, y, x, *, shape):
        return (F.reshape(g, x.shape),)


@op
class Permute(Move):
    """The axes in another order.

    >>> cr.permute(cr.ones(2, 3, 4), (2, 0, 1)).shape
    (4, 2, 3)
    """

    params = {"dims": Ints()}
    view = True
    spread = True
    samples: Any = ((((2, 3, 4),), {"dims": (2, 0, 1)}), (((2, 3),), {"dims": (-1, 0)}))
    card = Card(en="Turns the axes; the gradient is turned back.", zh="交换坐标轴；梯度换回原序。")

    @staticmethod
    def shape(shapes: dict[str, tuple[int, ...]], params: dict[str, Any]) -> tuple[int, ...]:
        x = shapes["x"]
        return tuple(x[a] for a in _all_axes(params["dims"], len(x)))

    def forward(F, x, *, dims):
        return F.permute_dims(x, _all_axes(dims, len(x.shape)))

    def vjp(F, g, y, x, *, dims):
        axes = _all_axes(dims, len(x.shape))
        return (F.permute_dims(g, tuple(axes.index(i) for i in range(len(axes)))),)


def _all_axes(dims: tuple[int, ...], ndim: int) -> tuple[int, ...]:
    axes = normalize_axes(dims, ndim) if ndim else ()
    if len(axes) != ndim:
        raise ShapeError(
            t("permute: {dims} must name each of the {n} axes once.", dims=dims, n=ndim)
        )
    return axes


@op
class Transpose(Move):
    """Two axes swapped.

    >>> cr.transpose(cr.tensor([[1, 2], [3, 4]]), 0, 1)
    tensor([[1, 3],
            [2, 4]])
    """

    params = {"dim0": Int(), "dim1": Int()}
    view = True
    vjp = None
    aliases = ("swapaxes", "swapdims")
    samples: Any = ((((2, 3, 4),), {"dim0": 0, "dim1": -1}),)
    card = Card(en="Rows become columns.", zh="行变为列。")

    def forward(F, x, *, dim0, dim1):
        n = len(x.shape)
        axes = list(range(n))
        i, j = normalize_axis(dim0, n), normalize_axis(dim1, n)
        if n:
            axes[i], axes[j] = j, i
        return F.permute_dims(x, tuple(axes))


@op
class T(Move):
    """A matrix transposed; vectors and numbers stay."""

    name = "t"
    math = "x.T"
    view = True
    vjp = None
    samples: Any = ((((2, 3),), {}), (((3,),), {}))
    card = Card(en="Rows become columns.", zh="行变为列。")

    def forward(F, x):
        if len(x.shape) > 2:
            raise ShapeError(
                t("t() is for at most 2 dimensions, got {x}: use transpose(dim0, dim1).", x=x.shape)
            )
        return F.permute_dims(x, tuple(range(len(x.shape)))[::-1])


@op
class Flatten(Move):
    """The axes start_dim to end_dim made into one.

    >>> cr.flatten(cr.ones(2, 3, 4), 1).shape
    (2, 12)
    """

    params = {"start_dim": Int(0), "end_dim": Int(-1)}
    view = True
    samples: Any = ((((2, 3, 4),), {"start_dim": 1}), (((2, 3),), {}), (((),), {}))
    card = Card(en="Feature maps laid out as one row.", zh="把特征图排成一行。")

    def forward(F, x, *, start_dim, end_dim):
        if not x.shape:
            return F.reshape(x, (1,))
        i, j = (normalize_axis(d, len(x.shape)) for d in (start_dim, end_dim))
        if i > j:
            raise ArgumentError(
                t("flatten: start_dim {i} comes after end_dim {j}.", i=start_dim, j=end_dim)
            )
        return F.reshape(x, (*x.shape[:i], _size(x.shape[i : j + 1]), *x.shape[j + 1 :]))

    def vjp(F, g, y, x, *, start_dim, end_dim):
        return (F.reshape(g, x.shape),)


@op
class Unflatten(Move):
    """One axis split into several; one size may be −1."""

    params = {"dim": Int(), "sizes": Ints()}
    view = True
    vjp = None
    samples: Any = ((((2, 12),), {"dim": 1, "sizes": (3, -1)}),)
    card = Card(en="The inverse of flatten.", zh="flatten 的逆操作。")

    def forward(F, x, *, dim, sizes):
        i = normalize_axis(dim, len(x.shape))
        sizes = resolve_reshape(sizes, x.shape[i], x.shape[i : i + 1])
        return F.reshape(x, (*x.shape[:i], *sizes, *x.shape[i + 1 :]))


@op
class Squeeze(Move):
    """Axes of size 1 removed: all, or those named (others named stay).

    >>> cr.squeeze(cr.ones(1, 3, 1)).shape
    (3,)
    """

    params = {"dim": Optional(Ints())}
    view = True
    vjp = None
    samples: Any = ((((2, 1, 3, 1),), {}), (((2, 1, 3),), {"dim": 1}), (((2, 3),), {"dim": 0}))
    card = Card(en="Drops axes of size 1.", zh="去掉大小为 1 的轴。")

    def forward(F, x, *, dim):
        axes = normalize_axes(dim, len(x.shape))
        keep = tuple(n for i, n in enumerate(x.shape) if n != 1 or i not in axes)
        return F.reshape(x, keep)


@op
class Unsqueeze(Move):
    """A new axis of size 1 before position `dim`.

    >>> cr.unsqueeze(cr.ones(3), 0).shape
    (1, 3)
    """

    params = {"dim": Int()}
    view = True
    vjp = None
    samples: Any = ((((2, 3),), {"dim": 1}), (((2, 3),), {"dim": -1}), (((),), {"dim": 0}))
    card = Card(en="Adds an axis of size 1.", zh="增加一个大小为 1 的轴。")

    def forward(F, x, *, dim):
        return F.expand_dims(x, normalize_axis(dim, len(x.shape) + 1))


@op
class Expand(Move):
    """Axes of size 1 repeated to a larger shape without copying; −1 keeps a size.

    >>> cr.tensor([[1], [2]]).expand(2, 3)
    tensor([[1, 1, 1],
            [2, 2, 2]])
    """

    params = {"size": Ints()}
    view = True
    spread = True
    aliases = ("broadcast_to",)
    samples: Any = (
        (((2, 1),), {"size": (3, 2, 4)}),
        (((),), {"size": (2, 3)}),
        (((3,),), {"size": (2, -1)}),
    )
    card = Card(
        en="One value serves many places, so its gradients are summed.",
        zh="一个值用于多处，所以它的梯度相加。",
    )

    @staticmethod
    def shape(shapes: dict[str, tuple[int, ...]], params: dict[str, Any]) -> tuple[int, ...]:
        return _expanded(params["size"], shapes["x"])

    def forward(F, x, *, size):
        return F.broadcast_to(x, _expanded(size, x.shape))

    def vjp(F, g, y, x, *, size):
        return (F.sum_to(g, x.shape),)


def _expanded(size: tuple[int, ...], x: tuple[int, ...]) -> tuple[int, ...]:
    new = len(size) - len(x)
    out = tuple(x[i - new] if s == -1 and i >= new else s for i, s in enumerate(size))
    if (
        new < 0
        or any(s < 0 for s in out)
        or any(n not in (1, s) for n, s in zip(x, out[new:], strict=True))
    ):
        raise ShapeError(
            t(
                "A tensor of shape {x} does not expand to {size}: only axes of size 1 stretch, "
                "and new axes come in front.",
                x=x,
                size=size,
            )
        )
    return out


@op
class Clone(Move):
    """A copy in memory of its own; gradients pass.

    >>> cr.tensor([1.0]).clone()
    tensor([1.])
    """

    dtypes = "keep"
    card = Card(en="A copy that may be changed.", zh="可以修改的副本。")

    def forward(F, x):
        return F.asarray(x)

    def vjp(F, g, y, x):
        return (g,)


@op
class ViewAs(Move):
    """A view of the same memory."""

    name = "alias"
    method = False
    view = True
    vjp = None
    card = Card(en="The same memory under another name.", zh="同一内存的另一个名字。")

    def forward(F, x):
        return F.slice(x, ())


@op
class Slice(Move):
    """Basic indexing `x[key]` with integers, slices, None and ...: a view."""

    params = {"key": Anything()}
    view = True
    method = False
    samples: Any = (
        (((4, 5),), {"key": (1,)}),
        (((4, 5),), {"key": (slice(3, 0, -2), None, slice(1, 4))}),
        (((4,),), {"key": (Ellipsis, -1)}),
    )
    card = Card(
        en="A part of a tensor; the rest gets zero gradient.", zh="张量的一部分；其余部分梯度为零。"
    )

    def forward(F, x, *, key):
        return F.slice(x, key)

    def vjp(F, g, y, x, *, key):
        return (F.unslice(g, key, x.shape),)


@op
class Unslice(Move):
    """Zeros of shape `size` with x at `key`: the adjoint of slicing."""

    params = {"key": Anything(), "size": Ints()}
    method = False
    samples: Any = ((((5,),), {"key": (1,), "size": (4, 5)}),)
    card = Card(en="Puts a part back into zeros.", zh="把一部分放回零张量中。")

    def forward(F, x, *, key, size):
        return F.unslice(x, key, size)

    def vjp(F, g, y, x, *, key, size):
        return (F.slice(g, key),)


@op
class ConstantPad(Move):
    """A border of one value; width is (low, high) for each axis, negative widths crop."""

    params = {"width": Anything(), "value": Number(0)}
    method = False
    samples: Any = ((((2, 3),), {"width": ((1, 0), (0, 2)), "value": 0.5}),
               (((4, 3),), {"width": ((-1, 1), (0, 0))}))  # fmt: skip
    card = Card(en="A border of constants; it gets no gradient.", zh="常数边框；边框没有梯度。")

    def forward(F, x, *, width, value):
        return F.pad(x, width, value)

    def vjp(F, g, y, x, *, width, value):
        return (F.pad(g, tuple((-lo, -hi) for lo, hi in width), 0),)


@op
class Cat(Move):
    """Tensors joined along an existing axis. A vector without entries fits any shape.

    >>> cr.cat([cr.ones(1, 2), cr.zeros(1, 2)], dim=0)
    tensor([[1., 1.],
            [0., 0.]])
    """

    params = {"dim": Int(0)}
    dtypes = "promote"
    method = False
    aliases = ("concat", "concatenate")
    samples: Any = ((((2, 3), (1, 3)), {"dim": 0}), (((2, 3), (2, 1), (2, 2)), {"dim": -1}))
    card = Card(
        en="Side by side; each gets its part of the gradient.",
        zh="并排放置；各自得到对应的一段梯度。",
    )

    @staticmethod
    def shape(shapes: dict[str, tuple[int, ...]], params: dict[str, Any]) -> tuple[int, ...]:
        all_ = list(shapes.values())
        if not all_ or () in all_:
            raise ShapeError(t("cat needs at least one tensor, with at least one dimension."))
        first = _like(all_)
        axis = normalize_axis(params["dim"], len(first))
        for i, s in enumerate(all_):
            if s != (0,) and (
                len(s) != len(first)
                or any(n != m and k != axis for k, (n, m) in enumerate(zip(s, first, strict=True)))
            ):
                raise ShapeError(
                    t(
                        "cat along axis {axis}: tensor {i} has shape {s}, the first has {first}; "
                        "all other axes must be equal.",
                        axis=axis,
                        i=i,
                        s=s,
                        first=first,
                    )
                )
        n = sum(s[axis] for s in all_ if s != (0,))
        return (*first[:axis], n, *first[axis + 1 :])

    def forward(F, *x, dim):
        if not x or not x[0].shape:
            raise ShapeError(t("cat needs at least one tensor, with at least one dimension."))
        n = len(_like([v.shape for v in x]))
        return F.concat(
            [v for v in x if len(v.shape) == n or v.shape != (0,)], normalize_axis(dim, n)
        )

    def vjp(F, g, y, *x, dim):
        like = _like([v.shape for v in x])
        axis = normalize_axis(dim, len(like))
        parts, start = [], 0
        for v in x:
            if v.shape == (0,) and len(like) > 1:
                parts.append(F.full((0,), 0, g.dtype))
                continue
            stop = start + v.shape[axis]
            parts.append(F.slice(g, (slice(None),) * axis + (slice(start, stop),)))
            start = stop
        return tuple(parts)


def _like(shapes: list[tuple[int, ...]]) -> tuple[int, ...]:
    """The shape that all others must fit: vectors of no entry fit everything."""
    return next((s for s in shapes if s != (0,)), shapes[0])


@op
class Stack(Move):
    """Tensors of one shape joined along a new axis.

    >>> cr.stack([cr.tensor([1, 2]), cr.tensor([3, 4])], dim=1)
    tensor([[1, 3],
            [2, 4]])
    """

    params = {"dim": Int(0)}
    dtypes = "promote"
    method = False
    vjp = None
    samples: Any = ((((2, 3), (2, 3)), {"dim": 1}),)
    card = Card(en="A new axis over equals.", zh="在新轴上堆叠同形张量。")

    def forward(F, *x, dim):
        if not x or any(v.shape != x[0].shape for v in x):
            raise ShapeError(
                t(
                    "stack needs tensors of one shape, got {shapes}.",
                    shapes=", ".join(str(v.shape) for v in x),
                )
            )
        return F.stack(list(x), normalize_axis(dim, len(x[0].shape) + 1))


@op
class Flip(Move):
    """The order along the axes `dims` turned round (a copy).

    >>> cr.flip(cr.tensor([1, 2, 3]), (0,))
    tensor([3, 2, 1])
    """

    params = {"dims": Ints()}
    spread = True
    vjp = None
    samples: Any = ((((2, 3),), {"dims": (0, 1)}),)
    card = Card(en="A mirror image.", zh="镜像。")

    def forward(F, x, *, dims):
        axes = normalize_axes(dims, len(x.shape))
        back = slice(None, None, -1)
        return F.slice(x, tuple(back if i in axes else slice(None) for i in range(len(x.shape))))
