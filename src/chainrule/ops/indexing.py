"""Indexing: `x[key]` and `x[key] = value`."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.constraints import Anything, Ints
from chainrule.base.errors import DTypeError, IndexRangeError
from chainrule.base.text import t
from chainrule.graph import memory
from chainrule.graph.convert import array_of
from chainrule.graph.modes import mode
from chainrule.graph.tensor import Tensor
from chainrule.ops.arrays.index import HOLE
from chainrule.ops.dispatch import apply, cast
from chainrule.ops.inplace import assign
from chainrule.ops.op import Card, Op, op
from chainrule.ops.register import function, method
from chainrule.ops.shaping import Slice

# ---- general indexing -----------------------------------------------------------------------


@op
class Index(Op):
    """x[key] with integer arrays in the holes of `key`: a copy, places may repeat."""

    params = {"key": Anything()}
    math = "x[index]"
    dtypes = "keep"
    saves = ("index",)
    method = False
    samples = ()
    card = Card(
        en="Chosen entries; one chosen twice gets both gradients added.",
        zh="选出若干元素；被选两次的元素梯度相加。",
    )

    def forward(F, x, *index, key):
        return F.gather(x, key, *index)

    def vjp(F, g, y, x, *index, key):
        return (lambda: F.scatter_add(g, x.shape, key, *index), *(None for _ in index))


@op
class IndexAdjoint(Op):
    """Zeros of shape `size` to which x is added at `key`: the adjoint of Index."""

    params = {"key": Anything(), "size": Ints()}
    math = "zeros[index] += x"
    dtypes = "keep"
    saves = ("index",)
    method = False
    samples = ()
    card = Card(en="Scatters, adding where places repeat.", zh="按位置散布，重复处相加。")

    def forward(F, x, *index, key, size):
        return F.scatter_add(x, size, key, *index)

    def vjp(F, g, y, x, *index, key, size):
        return (lambda: F.gather(g, key, *index), *(None for _ in index))


@op
class IndexPut(Op):
    """x with o written (or added) at `key`. Where places repeat, o's gradient is not unique."""

    params = {"key": Anything(), "accumulate": Anything(False)}
    math = "x[index] = o"
    dtypes = "keep"
    saves = ("index",)
    method = False
    samples = ()
    card = Card(
        en="Writing at chosen places: their gradient goes to what was written.",
        zh="写入选定位置：这些位置的梯度归于写入的值。",
    )

    def forward(F, x, o, *index, key, accumulate):
        if accumulate:
            at = F.gather(x, key, *index).shape
            o = F.reshape(o, o.shape[max(len(o.shape) - len(at), 0) :])  # axes of 1 in front
            return x + F.scatter_add(F.broadcast_to(o, at), x.shape, key, *index)
        return F.put(x, key, o, *index)

    def vjp(F, g, y, x, o, *index, key, accumulate):
        def old():
            return g if accumulate else F.put(g, key, F.full(o.shape, 0, g.dtype), *index)

        def new():
            at = F.gather(g, key, *index)
            core = o.shape[max(len(o.shape) - len(at.shape), 0) :]
            return F.reshape(F.sum_to(at, core), o.shape)

        return (old, new, *(None for _ in index))


def _parse(x: Tensor, key: Any) -> tuple[tuple[Any, ...], tuple[Any, ...], list[Any]]:
    """A key split into a basic part, applied first, and arrays in the holes of a second key.

    PyTorch applies integers and slices before the arrays; NumPy would count integers as arrays.
    """
    entries = list(key) if isinstance(key, tuple) else [key]
    entries = [_entry(x, e) for e in entries]
    if sum(e is Ellipsis for e in entries) > 1:
        raise IndexRangeError(t("An index can have only one ellipsis (...)."))
    used = sum(_width(e) for e in entries)
    if used > x.ndim:
        raise IndexRangeError(
            t(
                "Too many indices: {used} for a tensor of {ndim} dimensions (shape {shape}).",
                used=used,
                ndim=x.ndim,
                shape=x.shape,
            )
        )
    at = next((i for i, e in enumerate(entries) if e is Ellipsis), len(entries))
    fill = [slice(None)] * (x.ndim - used)
    entries = entries[:at] + fill + entries[at + 1 :]
    basic: list[Any] = []
    second: list[Any] = []
    arrays: list[Any] = []
    axis = 0
    for e in entries:
        if isinstance(e, Tensor):
            n = e.ndim if e.dtype.name == "bool" else 1
            if n and e.dtype.name == "bool":
                _check_mask(x, e, axis)
                columns: tuple[Any, ...] = np.nonzero(_concrete(e))
            else:
                columns = (e,)
            for c in columns:
                basic.append(slice(None))
                second.append(HOLE)
                arrays.append(c if isinstance(c, Tensor) else Tensor(c))
            axis += n
            continue
        if isinstance(e, int):
            size = x.shape[axis]
            if not -size <= e < size:
                raise IndexRangeError(
                    t(
                        "Index {i} is out of range for axis {axis} of size {n} (shape {shape}).",
                        i=e,
                        axis=axis,
                        n=size,
                        shape=x.shape,
                    )
                )
        else:
            second.append(slice(None))
        basic.append(e)
        axis += _width(e)
    while second and second[-1] is not HOLE:
        second.pop()
    return tuple(basic), tuple(second), arrays


def _entry(x: Tensor, e: Any) -> Any:
    if e is None or e is Ellipsis:
        return e
    if isinstance(e, slice):
        return slice(*(None if v is None else int(v) for v in (e.start, e.stop, e.step)))
    if isinstance(e, bool | np.bool_):
        raise DTypeError(t("A single True or False is no index; write a boolean tensor."))
    if isinstance(e, int | np.integer):
        return int(e)
    if isinstance(e, list | range | np.ndarray):
        e = Tensor(array_of(e)) if np.size(e) else Tensor(np.zeros(np.shape(e), np.int64))
    if isinstance(e, Tensor):
        if e.dtype.is_floating_point:
            raise DTypeError(
                t("A tensor used as an index must be integer or boolean, not {d}.", d=e.dtype.name)
            )
        if e.ndim == 0 and e.dtype.name != "bool" and mode.trace is None:
            return int(e.item())
        if e.dtype is dtypes.uint8:
            return cast(e, dtypes.bool_)  # a mask, as in PyTorch
        return e if e.dtype.name in ("int64", "bool") else cast(e, dtypes.int64)
    raise DTypeError(
        t(
            "{kind} cannot index a tensor: write integers, slices, None, ..., or tensors of "
            "integers or booleans.",
            kind=type(e).__name__,
        )
    )


def _width(e: Any) -> int:
    """How many axes an index entry uses up."""
    if e is None or e is Ellipsis:
        return 0
    return e.ndim if isinstance(e, Tensor) and e.dtype.name == "bool" else 1


def _check_mask(x: Tensor, mask: Tensor, axis: int) -> None:
    if mask.shape != x.shape[axis : axis + mask.ndim]:
        raise IndexRangeError(
            t(
                "The mask has shape {mask}, but the tensor has {part} there (shape {shape}).",
                mask=mask.shape,
                part=x.shape[axis : axis + mask.ndim],
                shape=x.shape,
            )
        )


def _concrete(x: Tensor) -> np.ndarray:
    """The values of a mask: how many there are decides a shape, so a trace cannot know it."""
    return np.asarray(x._values())


def _is_whole(basic: tuple[Any, ...]) -> bool:
    return all(isinstance(e, slice) and e == slice(None) for e in basic)


@method("__getitem__")
def getitem(self: Tensor, key: Any) -> Tensor:
    """`x[key]`: a view for integers, slices, None and ...; a copy for tensors of indices."""
    basic, second, arrays = _parse(self, key)
    if not arrays:
        return apply(Slice, self, key=basic)
    part = self if _is_whole(basic) else apply(Slice, self, key=basic)
    _check_range(part, second, arrays)
    out = apply(Index, part, *arrays, key=second)
    if mode.trace is not None and not any(a.ndim for a in arrays):
        more = out._more()  # an integer that only the run will know: still a view
        more.base, more.view = part, (Chosen(arrays), {"key": second})
        more.stamp = memory.tick()
    return out


class Chosen:
    """How the view at a place that tensors give is made again from its base, and written."""

    def __init__(self, places: list[Tensor]) -> None:
        self.places = places

    def reapply(self, base: Tensor, params: dict[str, Any]) -> Tensor:
        return apply(Index, base, *self.places, **params)

    def maps(self, F: Any, like: Any, params: dict[str, Any]) -> tuple[Any, Any]:
        """The view as a linear map on arrays shaped like `like`, and its adjoint."""
        key, index = params["key"], [mode.trace.lift(p) for p in self.places]
        return (
            lambda x: F.gather(x, key, *index),
            lambda g: F.scatter_add(g, like.shape, key, *index),
        )


@method("__setitem__")
def setitem(self: Tensor, key: Any, value: Any) -> None:
    """`x[key] = value`: written in place, broadcast, recorded."""
    basic, second, arrays = _parse(self, key)
    new = value if isinstance(value, Tensor) else Tensor(array_of(value))
    if new.dtype is not self.dtype:
        new = cast(new, self.dtype)
    part = self if _is_whole(basic) and arrays else apply(Slice, self, key=basic)
    if arrays:
        _check_range(part, second, arrays)
        new = apply(IndexPut, part, new, *arrays, key=second, accumulate=False)
    elif new.shape != part.shape:
        extra = new.ndim - part.ndim
        if extra > 0 and new.shape[:extra] == (1,) * extra:
            new = new.reshape(new.shape[extra:])
        new = new.expand(part.shape)
    assign(part, new)


@function("index_put")
def index_put(
    input: Tensor, indices: tuple[Any, ...], values: Tensor, accumulate: bool = False
) -> Tensor:
    """input with `values` written (or added) at `input[indices]`, broadcast; None stands for a
    whole axis."""
    if values.dtype is not input.dtype:
        raise DTypeError(
            t(
                "{name}: the input is {x} and what is written {src}: they must be equal.",
                name="index_put",
                x=input.dtype.name,
                src=values.dtype.name,
            )
        )
    key = tuple(
        slice(None) if i is None else i.reshape(1) if isinstance(i, Tensor) and not i.ndim else i
        for i in indices
    )
    _, second, arrays = _parse(input, key)
    _check_range(input, second, arrays)
    return apply(IndexPut, input, values, *arrays, key=second, accumulate=bool(accumulate))


def _check_range(part: Tensor, second: tuple[Any, ...], arrays: list[Any]) -> None:
    holes = [i for i, e in enumerate(second) if e is HOLE]
    for axis, index in zip(holes, arrays, strict=True):
        data = index._data
        if isinstance(data, np.ndarray) and data.size:
            low, high, n = int(data.min()), int(data.max()), part.shape[axis]
            if low < -n or high >= n:
                raise IndexRangeError(
                    t(
                        "Index {i} is out of range for axis {axis} of size {n} (shape {shape}).",
                        i=low if low < -n else high,
                        axis=axis,
                        n=n,
                        shape=part.shape,
                    )
                )
