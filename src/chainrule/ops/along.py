"""Looking up along one axis: gather, scatter, select, sort orders, embedding."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.constraints import Anything, Bool, Int, Number, Optional, Positive
from chainrule.base.errors import DTypeError, IndexRangeError, ShapeError
from chainrule.base.shapes import broadcast_shapes, normalize_axis
from chainrule.base.text import t
from chainrule.graph.convert import array_of
from chainrule.graph.modes import mode, no_grad
from chainrule.graph.sparse import Rows, SparseTensor
from chainrule.graph.tensor import Tensor
from chainrule.ops import creation
from chainrule.ops.arrays.index import HOLE
from chainrule.ops.dispatch import apply, cast
from chainrule.ops.functions import where
from chainrule.ops.inplace import assign
from chainrule.ops.norms import norm
from chainrule.ops.op import REGISTRY, Card, Op, op
from chainrule.ops.register import function

# ---- along one axis -------------------------------------------------------------------------


@op
class TakeAlongDim(Op):
    """One entry a line: out[i][j] = x[i][index[i][j]] along `dim`; other axes have equal sizes."""

    params = {"dim": Int()}
    math = "x[index]"
    dtypes = "keep"
    saves = ("index",)
    method = False
    samples = ()
    card = Card(en="Picks along one axis.", zh="沿一个轴选取。")

    def forward(F, x, index, *, dim):
        return F.take_along_axis(x, index, dim)

    def vjp(F, g, y, x, index, *, dim):
        return lambda: F.put_along_axis_add(g, index, dim, x.shape[dim]), None


@op
class PutAlongDimAdd(Op):
    """Zeros, `size` long on `dim`, with x added at index: the adjoint of take_along_dim."""

    params = {"dim": Int(), "size": Int()}
    math = "zeros[index] += x"
    dtypes = "keep"
    saves = ("index",)
    method = False
    samples = ()
    card = Card(en="Adds along one axis at given places.", zh="沿一个轴按位置相加。")

    def forward(F, x, index, *, dim, size):
        return F.put_along_axis_add(x, index, dim, size)

    def vjp(F, g, y, x, index, *, dim, size):
        return lambda: F.take_along_axis(g, index, dim), None


def taken(F, x, index, axis):
    """x at index along `axis`; on the other axes index may be the smaller."""
    key = tuple(slice(None) if k == axis else slice(0, n) for k, n in enumerate(index.shape))
    return F.take_along_axis(F.slice(x, key), index, axis)


def added(F, src, index, axis, shape):
    """The adjoint: zeros of `shape` with src added at index along `axis`."""
    out = F.put_along_axis_add(src, index, axis, shape[axis])
    width = tuple((0, n - m) for n, m in zip(shape, out.shape, strict=True))
    return F.pad(out, width, 0) if any(hi for _, hi in width) else out


def cropped(F, src, index):
    """The part of src that index has places for."""
    return F.slice(src, tuple(slice(0, n) for n in index.shape))


def check_scatter(name, x, index, src, dim):
    """The axis, counted from the front; ShapeError where index exceeds src or the table x."""
    axis = normalize_axis(dim, len(x.shape))
    if not len(x.shape) == len(index.shape) == len(src.shape) or any(
        i > s or (k != axis and i > n)
        for k, (i, s, n) in enumerate(zip(index.shape, src.shape, x.shape, strict=True))
    ):
        raise ShapeError(
            t(
                "{name} along axis {axis}: index has shape {index}, which must not "
                "exceed src's {src} nor, on the other axes, the input's {x}.",
                name=name,
                axis=axis,
                index=index.shape,
                src=src.shape,
                x=x.shape,
            )
        )
    return axis


@op
class Gather(Op):
    """out[i][j] = x[index[i][j]][j] for dim 0 (and so for any `dim`); index may be the smaller."""

    method = False
    params = {"dim": Int()}
    math = "x[index]"
    dtypes = "keep"
    vjp = None
    samples = ()
    card = Card(en="Looks entries up along one axis.", zh="沿一个轴查表。")

    def forward(F, x, index, *, dim):
        axis = normalize_axis(dim, len(x.shape))
        if len(x.shape) != len(index.shape) or any(
            i > n for k, (i, n) in enumerate(zip(index.shape, x.shape, strict=True)) if k != axis
        ):
            raise ShapeError(
                t(
                    "gather along axis {axis}: index has shape {index}, which must not exceed "
                    "the input's {x} on the other axes.",
                    axis=axis,
                    index=index.shape,
                    x=x.shape,
                )
            )
        return taken(F, x, index, axis)


@op
class ScatterAdd(Op):
    """x with src added at index along `dim`; repeats add up."""

    method = False
    params = {"dim": Int()}
    math = "x[index] += src"
    dtypes = "keep"
    vjp = None
    samples = ()
    card = Card(
        en="Adds into a table; the mirror image of gather.", zh="向表中累加；与 gather 互为镜像。"
    )

    def forward(F, x, index, src, *, dim):
        axis = check_scatter("scatter_add", x, index, src, dim)
        return x + added(F, cropped(F, src, index), index, axis, x.shape)


@op
class IndexSelect(Op):
    """Whole slices x[…, index, …] along `dim`; index is one-dimensional."""

    method = False
    params = {"dim": Int()}
    math = "x[index]"
    dtypes = "keep"
    vjp = None
    samples = ()
    card = Card(en="Picks rows (or columns) by number.", zh="按编号选取行或列。")

    def forward(F, x, index, *, dim):
        axis = normalize_axis(dim, len(x.shape))
        return F.gather(x, (slice(None),) * axis + (HOLE,), index)


@op
class MaskedFill(Op):
    """x with `value` where mask is true."""

    method = False
    params = {"value": Number()}
    math = "where(mask, value, x)"
    dtypes = "keep"
    vjp = None
    samples = ()
    card = Card(
        en="Overwrites where a mask says so; no gradient there.",
        zh="按掩码覆盖；被覆盖处没有梯度。",
    )

    @staticmethod
    def shape(shapes: dict[str, tuple[int, ...]], params: dict[str, Any]) -> tuple[int, ...]:
        return broadcast_shapes(shapes["x"], shapes["mask"])

    def forward(F, x, mask, *, value):
        return F.where(mask, F.full((), value, x.dtype), x)


@op
class Argsort(Op):
    """The indices that would sort along `dim`; equal entries keep their order.

    >>> cr.argsort(cr.tensor([3.0, 1.0, 2.0]))
    tensor([1, 2, 0])
    """

    params = {"dim": Int(-1), "descending": Anything(False), "stable": Bool(False)}
    math = "argsort(x)"
    differentiable = False
    card = Card(en="The order of the entries.", zh="各元素的排序位置。")

    def forward(F, x, *, dim, descending, stable):
        if not x.shape:
            return F.full((), 0, "int64")
        return F.argsort(x, normalize_axis(dim, len(x.shape)), descending)


# ---- embedding ------------------------------------------------------------------------------


@op
class Embedding(Op):
    """Rows of weight (n, d) by integer index (…) → (…, d). `padding_idx` gets no gradient;
    `scale_grad_by_freq`: that of a row is divided by the number of times that index names it.
    `sparse`: a leaf gets a gradient that holds these rows alone."""

    params = {
        "padding_idx": Optional(Int()), "scale_grad_by_freq": Bool(False), "sparse": Bool(False),
    }  # fmt: skip
    math = "weight[index]"
    integers = ("index",)
    saves = ("index",)
    method = False
    samples = ()
    card = Card(
        en="A table of vectors; a row used twice gets both gradients added.",
        zh="向量查找表；用到两次的行梯度相加。",
    )

    def forward(F, index, weight, *, padding_idx, scale_grad_by_freq, sparse):
        return F.gather(weight, (HOLE,), index)

    @classmethod
    def backward(cls, F, node, grads, saved):
        # Only a leaf can hold a sparse gradient, and only one that is not itself recorded.
        leaf = node.edges[1]
        if not node.params["sparse"] or F is mode.recording or not isinstance(leaf, Tensor):
            return super().backward(F, node, grads, saved)
        if mode.trace is not None:
            dense = super().backward(F, node, grads, saved)[1]
            return [None, Rows(dense, _named(F, saved[0], leaf.shape[0], node.params))]
        return [None, _sparse_rows(grads, saved[0], leaf, **node.params)]

    def vjp(F, g, y, index, weight, *, padding_idx, scale_grad_by_freq, sparse):
        def rows():
            kept = g
            if padding_idx is not None:
                hole = padding_idx + weight.shape[0] if padding_idx < 0 else padding_idx
                pad = F.expand_dims(F.equal(index, hole), -1)
                kept = F.where(pad, F.zeros_like(g), g)
            if scale_grad_by_freq:
                times = F.scatter_add(
                    F.full(index.shape, 1, g.dtype), weight.shape[:1], (HOLE,), index
                )
                kept = kept / F.expand_dims(F.gather(times, (HOLE,), index), -1)
            return F.scatter_add(kept, weight.shape, (HOLE,), index)

        return None, rows


def _sparse_rows(
    g: np.ndarray, index: np.ndarray, weight: Tensor, *, padding_idx: int | None,
    scale_grad_by_freq: bool, sparse: bool,
) -> SparseTensor:  # fmt: skip
    """The gradient as the rows that index names, in the order in which it names them."""
    rows, parts = index.reshape(-1), g.reshape(-1, weight.shape[1])
    own = padding_idx is not None
    if padding_idx is not None:
        kept = rows != padding_idx % weight.shape[0]
        rows, parts = rows[kept], parts[kept]
    if scale_grad_by_freq and len(rows):
        _, which, times = np.unique(rows, return_inverse=True, return_counts=True)
        parts, own = parts / times[which][:, None].astype(parts.dtype), True
    # Arrays of its own: the gradient may be changed in place.
    rows, parts = (rows, parts) if own else (rows.copy(), parts.copy())
    return SparseTensor(rows, parts, weight.shape)


def _named(F: Any, index: Any, n: int, params: dict[str, Any]) -> Any:
    """(n,): whether index names the row, and not as padding."""
    ones = F.full(index.shape, 1, "int64")
    if params["padding_idx"] is not None:
        ones = F.where(F.equal(index, params["padding_idx"] % n), F.zeros_like(ones), ones)
    return F.less(0, F.scatter_add(ones, (n,), (HOLE,), index))


def _check_rows(n: int, data: np.ndarray) -> None:
    """Refuses indices that name none of n rows."""
    if not data.size:
        return
    low, high = int(data.min()), int(data.max())
    if low < 0 or high >= n:
        raise IndexRangeError(
            t(
                "{name}: index {i} is out of range for size {n}.",
                name="embedding",
                i=low if low < 0 else high,
                n=n,
            )
        )


@function()
def embedding(
    input: Tensor, weight: Tensor, padding_idx: int | None = None, max_norm: float | None = None,
    norm_type: float = 2.0, scale_grad_by_freq: bool = False, sparse: bool = False,
) -> Tensor:  # fmt: skip
    """Rows of weight (n, d) by integer input (…) → (…, d); `padding_idx` gets no gradient.

    `max_norm`: rows in use whose `norm_type`-norm is greater are first scaled down to it, in place.
    `scale_grad_by_freq`: a row's gradient is divided by how often input names it. `sparse`: the
    gradient holds the rows that input names and no others (`graph/sparse.py`), for SGD, Adagrad and
    SparseAdam; in a compiled step, and where gradients are recorded, it is dense.
    Errors: IndexRangeError for an index below 0 or from n on.

    >>> table = cr.tensor([[0.0, 1.0], [2.0, 3.0]])
    >>> cr.nn.functional.embedding(cr.tensor([1, 1, 0]), table)
    tensor([[2., 3.],
            [2., 3.],
            [0., 1.]])
    """
    if not isinstance(input, Tensor):
        input = Tensor(array_of(input))
    if input.dtype.is_floating_point or input.dtype is dtypes.bool_:
        kind = input.dtype.name
        raise DTypeError(
            t("{name}: the index must hold integers, not {d}.", name="embedding", d=kind)
        )
    if weight.ndim != 2:
        raise ShapeError(
            t("embedding: weight must have two dimensions, (rows, features), got shape {shape}.",
              shape=tuple(weight.shape))
        )  # fmt: skip
    check = partial(_check_rows, weight.shape[0])
    if mode.trace is not None:
        mode.trace.check(input, check)
    else:
        check(input._data)
    index = cast(input, dtypes.int64)
    if max_norm is not None:
        max_norm = Positive().check(max_norm, "embedding", "max_norm")
        with no_grad():
            assign(weight, _limited(weight, index, max_norm, norm_type))
    given = {"padding_idx": padding_idx, "scale_grad_by_freq": scale_grad_by_freq,
             "sparse": sparse}  # fmt: skip
    return apply(Embedding, index, weight, **Embedding.validate(given))


def _limited(weight: Tensor, index: Tensor, max_norm: float, norm_type: float) -> Tensor:
    """weight with the rows that index names scaled down to max_norm where they exceed it."""
    ones = creation.ones_like(index)
    times = apply(REGISTRY["index_adjoint"], ones, index, key=(HOLE,), size=weight.shape[:1])
    size = norm(weight, norm_type, 1, True)
    beyond = (times.unsqueeze(1) > 0) & (size > max_norm)
    # PyTorch's small number, so that tables stay interchangeable.
    return weight * where(beyond, max_norm / (size + 1e-7), 1.0)
