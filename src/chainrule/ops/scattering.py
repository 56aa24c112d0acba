"""Reading and writing at indices along one axis: gather, scatter and the index_* family."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from math import prod
from typing import Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.constraints import Bool, Choice, Int
from chainrule.base.errors import ArgumentError, DTypeError, IndexRangeError, ShapeError
from chainrule.base.shapes import broadcast_shapes, normalize_axis
from chainrule.base.text import t
from chainrule.graph.convert import array_of
from chainrule.graph.modes import mode
from chainrule.graph.tensor import Tensor
from chainrule.ops.along import added, check_scatter, cropped, taken
from chainrule.ops.arrays.index import HOLE
from chainrule.ops.dispatch import apply, cast
from chainrule.ops.inplace import assign, refuse_leaf
from chainrule.ops.op import REGISTRY, Card, Op, op
from chainrule.ops.register import function, method
from chainrule.ops.running import LONG, WIDE, doubling, reversed_along, shifted

# ---- scatter with a reduction ---------------------------------------------------------------


def _chosen(F, x, index, axis, src, order):
    """x where index names nothing; else of the entries of src there the last in `order`."""
    index = F.take_along_axis(index, order, axis)
    n = len(x.shape)
    grid = [
        index if k == axis else F.reshape(F.arange(size, "int64"), (size,) + (1,) * (n - 1 - k))
        for k, size in enumerate(index.shape)
    ]
    # Of several writes to one place the last counts.
    winner = F.put(F.full(x.shape, -1, "int64"), (HOLE,) * n, order, *grid)
    part = tuple(slice(None) if k == axis else slice(0, m) for k, m in enumerate(index.shape))
    place = F.maximum(F.slice(winner, part), F.full((), 0, "int64"))
    width = tuple((0, m - k) for m, k in zip(x.shape, place.shape, strict=True))
    return F.where(F.less(winner, 0), x, F.pad(F.take_along_axis(src, place, axis), width, 0))


def _largest(F, x, index, axis, src):
    return _chosen(F, x, index, axis, src, F.argsort(src, axis))


def _smallest(F, x, index, axis, src):
    # NaN wins: it is sorted last, so floats are negated rather than sorted the other way.
    order = F.argsort(-src, axis) if src.dtype.kind == "f" else F.argsort(src, axis, True)
    return _chosen(F, x, index, axis, src, order)


def _sorted(F, index, axis):
    """The order that puts equal indices side by side, and the indices in that order."""
    order = F.argsort(index, axis)
    return order, F.take_along_axis(index, order, axis)


@dataclass(frozen=True)
class _Product:
    """One entry of each line: the product goes on where the key is the same."""

    def __call__(self, F: Any, carry: Any, x: Any, constants: Any) -> Any:
        (last, run), (key, value) = carry, x
        run = F.where(F.equal(last, key), run * value, value)
        return (key, run), (run,)


def _products(F, values, keys, axis):
    """Running products of neighbouring values with the same key."""
    n = values.shape[axis]
    if not axis and 1 < n <= 1024 and prod(values.shape) >= max(LONG, WIDE * n):
        # Many short lines side by side.
        start = F.full(keys.shape[1:], -1, keys.dtype), F.full(values.shape[1:], 1, values.dtype)
        return F.scan(_Product(), start, (keys, values), ())[1][0]

    def combine(a, b):
        return b[0], F.where(F.equal(a[0], b[0]), a[1] * b[1], b[1])

    return doubling(F, combine, (keys, values), axis)[1]


def _follows(F, keys, axis):
    """Whether each entry has the same key as the one before it."""
    n = keys.shape[axis]
    head = (slice(None),) * axis
    first = F.slice(keys, (*head, slice(0, min(n, 1))))
    same = F.equal(F.slice(keys, (*head, slice(1, n))), F.slice(keys, (*head, slice(0, n - 1))))
    return F.concat([F.full(first.shape, False, "bool"), same], axis) if n else same


def _product_at(F, src, groups, axis, shape):
    """The product of what src has for each place; 0 where the index names it not."""
    order, keys = groups
    run = _products(F, F.take_along_axis(src, order, axis), keys, axis)
    follows = _follows(F, reversed_along(F, keys, axis), axis)
    complete = F.bitwise_invert(reversed_along(F, follows, axis))
    return added(F, F.where(complete, run, F.zeros_like(run)), keys, axis, shape)


def _others(F, src, groups, axis):
    """For each entry of src the product of all other entries with its index."""
    order, keys = groups

    def before(values, keys):
        run = shifted(F, _products(F, values, keys, axis), axis)
        return F.where(_follows(F, keys, axis), run, F.ones_like(run))

    values = F.take_along_axis(src, order, axis)
    after = before(*(reversed_along(F, v, axis) for v in (values, keys)))
    others = before(values, keys) * reversed_along(F, after, axis)
    # Each back to where it stood.
    return F.put_along_axis_add(others, order, axis, src.shape[axis])


@op
class ScatterReduce(Op):
    """x with src[i][j] combined into [index[i][j]][j] for dim 0, and so for any axis.

    `include_self`: x takes part where something is written; else it is replaced there. Equal
    extremes share the gradient.
    """

    params = {
        "dim": Int(),
        "reduce": Choice("sum", "prod", "mean", "amax", "amin"),
        "include_self": Bool(True),
    }
    math = "reduce(x, src[index])"
    integers = ("index",)
    method = False
    samples = tuple(
        (((3, 4), np.array([[0, 2, 1, 0], [0, 1, 0, 2]]), (2, 4)),
         {"dim": dim, "reduce": reduce, "include_self": include})
        for dim, include in ((0, True), (1, False))
        for reduce in ("sum", "prod", "mean", "amax", "amin")
    )  # fmt: skip
    card = Card(
        en="Groups by index: the sum, mean, product or extreme of each group.",
        zh="按索引分组：每组的和、均值、积或最值。",
    )

    def forward(F, x, index, src, *, dim, reduce, include_self):
        axis = check_scatter("scatter_reduce", x, index, src, dim)
        src = cropped(F, src, index)
        if not src.shape[axis]:
            return F.asarray(x)
        if reduce == "sum" and include_self:
            return x + added(F, src, index, axis, x.shape)
        times = added(F, F.full(index.shape, 1, x.dtype), index, axis, x.shape)
        met = F.less(0, times)
        if reduce in ("amax", "amin"):
            place, beats = (
                (_largest, F.maximum) if reduce == "amax" else (_smallest, F.minimum)
            )  # fmt: skip
            best = place(F, x, index, axis, src)
            return beats(x, best) if include_self else best
        if reduce == "prod":
            product = _product_at(F, src, _sorted(F, index, axis), axis, x.shape)
            return F.where(met, x * product if include_self else product, x)
        total = added(F, src, index, axis, x.shape)
        total = x + total if include_self else F.where(met, total, x)
        if reduce == "sum":
            return total
        n = F.maximum(times + 1 if include_self else times, F.ones_like(times))
        return total / n if x.dtype.kind == "f" else F.floor_divide(total, n)

    def vjp(F, g, y, x, index, src, *, dim, reduce, include_self):
        axis = normalize_axis(dim, len(x.shape))
        if not index.shape[axis]:
            return g * 1, None, F.zeros_like(src)
        shape, part = src.shape, cropped(F, src, index)
        corner = tuple(slice(0, n) for n in index.shape)
        times = added(F, F.full(index.shape, 1, g.dtype), index, axis, x.shape)
        met = F.less(0, times)
        own = g if include_self else F.where(met, F.zeros_like(g), g)
        if reduce == "mean":
            n = F.maximum(times + 1 if include_self else times, F.ones_like(times))
            g = g / n
            own = g if include_self else own
        if reduce in ("sum", "mean"):
            return own, None, F.unslice(taken(F, g, index, axis), corner, shape)
        if reduce == "prod":
            share = taken(F, g * x if include_self else g, index, axis)
            groups = _sorted(F, index, axis)
            of_src = F.unslice(share * _others(F, part, groups, axis), corner, shape)
            if not include_self:
                return own, None, of_src
            product = _product_at(F, part, groups, axis, x.shape)
            return F.where(met, g * product, g), None, of_src
        hit = F.astype(F.equal(part, taken(F, y, index, axis)), g.dtype)
        mine = F.astype(F.equal(x, y), g.dtype)
        mine = mine if include_self else F.where(met, F.zeros_like(mine), mine)
        share = g / (mine + added(F, hit, index, axis, x.shape))  # NaN where NaN won
        own = share * mine if include_self else own
        return own, None, F.unslice(taken(F, share, index, axis) * hit, corner, shape)


# ---- PyTorch's argument order ---------------------------------------------------------------


def _run(name: str, *inputs: Any, **params: Any) -> Any:
    return apply(REGISTRY[name], *inputs, **params)


def indices_of(index: Any, size: int, name: str, wrap: bool = False) -> Tensor:
    """An index as int64; errors where it does not name one of `size` entries.

    `wrap`: negative ones count from the end.
    """
    if not isinstance(index, Tensor):
        index = Tensor(array_of(index))
    if index.dtype.is_floating_point or index.dtype is dtypes.bool_:
        raise DTypeError(
            t("{name}: the index must hold integers, not {d}.", name=name, d=index.dtype.name)
        )
    data, low = index._data, -size if wrap else 0
    if isinstance(data, np.ndarray) and data.size and (data.min() < low or data.max() >= size):
        bad = data.min() if data.min() < low else data.max()
        raise IndexRangeError(
            t("{name}: index {i} is out of range for size {n}.", name=name, i=int(bad), n=size)
        )
    return cast(index, dtypes.int64)


@function("gather")
def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """out[i][j] = input[index[i][j]][j] for dim 0, and so for any axis.

    >>> cr.gather(cr.tensor([[1, 2], [3, 4]]), 1, cr.tensor([[1], [0]]))
    tensor([[2],
            [3]])
    """
    axis = normalize_axis(dim, input.ndim)
    return _run("gather", input, indices_of(index, input.shape[axis], "gather"), dim=axis)


@function("scatter_add")
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """input with src[i][j] added at [index[i][j]][j] for dim 0, and so for any axis."""
    axis = normalize_axis(dim, input.ndim)
    index = indices_of(index, input.shape[axis], "scatter_add")
    same_dtype("scatter_add", input, src)
    return _run("scatter_add", input, index, src, dim=axis)


@function("scatter")
def scatter(
    input: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None,
    reduce: str | None = None,
) -> Tensor:  # fmt: skip
    """input with src[i][j] (or one number) written at [index[i][j]][j] for dim 0, and so on.

    `reduce`: "add" or "multiply" instead of writing. Where indices repeat the last one counts, and
    the gradient of `src` is not unique.

    >>> cr.scatter(cr.zeros(3), 0, cr.tensor([2, 0]), cr.tensor([5.0, 6.0]))
    tensor([6., 0., 5.])
    """
    axis = normalize_axis(dim, input.ndim)
    index = indices_of(index, input.shape[axis], "scatter")
    src = value if src is None else src
    if src is None:
        raise ArgumentError(t("scatter: give what to write, src or value."))
    if not isinstance(src, Tensor):
        src = Tensor(array_of(src, input.dtype)).expand(index.shape)
    same_dtype("scatter", input, src)
    check_scatter("scatter", input, index, src, axis)
    if reduce is not None:
        kinds = {"add": "sum", "multiply": "prod"}
        if reduce not in kinds:
            raise ArgumentError(
                t("scatter: reduce must be 'add' or 'multiply', got {got!r}.", got=reduce)
            )
        return scatter_reduce(input, axis, index, src, kinds[reduce])
    src = src[tuple(slice(0, n) for n in index.shape)]
    grid = [Tensor(g) for g in np.ogrid[tuple(slice(n) for n in index.shape)]]
    grid[axis] = index
    return _run("index_put", input, src, *grid, key=(HOLE,) * input.ndim, accumulate=False)


@function("scatter_reduce")
def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """input with src combined in at index along `dim`: "sum", "prod", "mean", "amax" or "amin".

    `include_self`: the input's entry takes part where something is written.
    """
    axis = normalize_axis(dim, input.ndim)
    index = indices_of(index, input.shape[axis], "scatter_reduce")
    same_dtype("scatter_reduce", input, src)
    cls = REGISTRY["scatter_reduce"]
    params = cls.validate({"dim": axis, "reduce": reduce, "include_self": include_self})
    return apply(cls, input, index, src, **params)


def same_dtype(name: str, x: Tensor, src: Tensor) -> None:
    """DTypeError where what is written has another dtype than the tensor."""
    if x.dtype is not src.dtype:
        raise DTypeError(
            t(
                "{name}: the input is {x} and what is written {src}: they must be equal.",
                name=name,
                x=x.dtype.name,
                src=src.dtype.name,
            )
        )


# ---- whole slices ---------------------------------------------------------------------------


@function("index_select")
def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Slices of `input` along `dim`, chosen by a vector of indices.

    >>> cr.index_select(cr.tensor([[1, 2], [3, 4]]), 0, cr.tensor([1, 1]))
    tensor([[3, 4],
            [3, 4]])
    """
    axis = normalize_axis(dim, input.ndim)
    index = indices_of(index, input.shape[axis], "index_select")
    return _run("index_select", input, index, dim=axis)


def _slices(
    name: str, x: Tensor, dim: int, index: Any, source: Tensor, wrap: bool = False
) -> tuple[int, Tensor]:
    """The axis and the indices of slices of x, checked against the slices given."""
    axis = normalize_axis(dim, x.ndim)
    index = indices_of(index, x.shape[axis] if x.ndim else 1, name, wrap).reshape(-1)
    same_dtype(name, x, source)
    wanted = (*x.shape[:axis], index.numel(), *x.shape[axis + 1 :])
    if source.shape not in (wanted, ()) or (not source.ndim and x.ndim > 1):
        raise ShapeError(
            t(
                "{name}: source has shape {source}; {n} slices along axis {axis} of {x} have "
                "{wanted}.",
                name=name,
                source=source.shape,
                n=index.numel(),
                axis=axis,
                x=x.shape,
                wanted=wanted,
            )
        )
    return axis, index


def _put_slices(x: Tensor, axis: int, index: Tensor, source: Tensor, accumulate: bool) -> Tensor:
    key = (slice(None),) * axis + (HOLE,)
    return _run("index_put", x, source, index, key=key, accumulate=accumulate)


@function("index_add")
def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
    """input with `alpha`·source[i] added to its slice index[i] along `dim`; repeats add up."""
    axis, index = _slices("index_add", input, dim, index, source)
    return _put_slices(input, axis, index, source if alpha == 1 else source * alpha, True)


@function("index_copy")
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """input with its slice index[i] along `dim` replaced by source[i]; of repeats the last."""
    if mode.autocast is not None and input.dtype is not source.dtype:
        wide = dtypes.promote_types(input.dtype, source.dtype)
        input, source = cast(input, wide), cast(source, wide)
    axis, index = _slices("index_copy", input, dim, index, source)
    return _put_slices(input, axis, index, source, False)


@function("index_fill")
def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """input with one number in its slices `index` along `dim`."""
    axis = normalize_axis(dim, input.ndim)
    index = indices_of(index, input.shape[axis], "index_fill", True).reshape(-1)
    if not isinstance(value, Tensor):
        value = Tensor(array_of(value, input.dtype))
    if value.ndim:
        raise ShapeError(t("index_fill: the value must be one number, got shape {x}.",
                           x=value.shape))  # fmt: skip
    return _put_slices(input, axis, index, value.to(input.dtype), False)


@function("index_reduce")
def index_reduce(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *,
    include_self: bool = True,
) -> Tensor:  # fmt: skip
    """input with source[i] combined into its slice index[i] along `dim`: "prod", "mean", "amax" or
    "amin"; see `scatter_reduce`."""
    axis, index = _slices("index_reduce", input, dim, index, source)
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise ArgumentError(
            t(
                "index_reduce: reduce must be 'prod', 'mean', 'amax' or 'amin', got {got!r}.",
                got=reduce,
            )
        )
    line = [1] * input.ndim
    line[axis] = index.numel()
    where = index.reshape(line).expand(source.shape)
    return scatter_reduce(input, axis, where, source, reduce, include_self=include_self)


# ---- one entry a line -----------------------------------------------------------------------


@function("take_along_dim")
def take_along_dim(input: Tensor, indices: Tensor, dim: Any = None) -> Tensor:
    """One entry a line along `dim` (None: of the flattened tensor)."""
    if not isinstance(indices, Tensor):
        indices = Tensor(array_of(indices))
    if dim is None:
        input, indices, dim = input.reshape(-1), indices.reshape(-1), 0
    axis = normalize_axis(dim, input.ndim)
    indices = indices_of(indices, input.shape[axis], "take_along_dim")
    if indices.ndim == input.ndim:
        # On the other axes both broadcast.
        one = (*input.shape[:axis], 1, *input.shape[axis + 1 :])
        two = (*indices.shape[:axis], 1, *indices.shape[axis + 1 :])
        shape = list(broadcast_shapes(one, two))
        shape[axis] = input.shape[axis]
        input = input if input.shape == tuple(shape) else input.expand(shape)
        shape[axis] = indices.shape[axis]
        indices = indices if indices.shape == tuple(shape) else indices.expand(shape)
    return _run("take_along_dim", input, indices, dim=axis)


# ---- in place -------------------------------------------------------------------------------


def in_place(f: Callable[..., Tensor]) -> None:
    """Makes `x.f_(…)`: the result written into x."""

    @wraps(f)
    def write(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        refuse_leaf(self)
        # A gradient may need the values that are about to be overwritten.
        others = (*args, *kwargs.values())
        needed = mode.grad and (
            self.requires_grad or any(isinstance(v, Tensor) and v.requires_grad for v in others)
        )
        return assign(self, f(self.clone() if needed else self, *args, **kwargs))

    write.__doc__ = f"`{f.__name__}`, in place."
    method(f"{f.__name__}_")(write)


for _f in (scatter, scatter_add, scatter_reduce, index_add, index_copy, index_fill, index_reduce):
    in_place(_f)
