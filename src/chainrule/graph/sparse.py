"""Sparse gradients: of a table of which a step sees a few rows, those rows alone.

What an embedding with `sparse=True` leaves in `weight.grad`: the numbers of the rows and what each
adds, as in PyTorch's coordinate format (COO). It is no leaf and takes no part in the graph.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from chainrule.base.dtypes import DType, as_dtype, bfloat16
from chainrule.base.errors import AutogradError, ShapeError, TraceError
from chainrule.base.shapes import Size
from chainrule.base.text import t
from chainrule.graph import show
from chainrule.graph.convert import cast_array
from chainrule.graph.modes import mode
from chainrule.graph.tensor import Tensor, wrap


class SparseTensor(Tensor):
    """A tensor of `shape` (n, …) that is zero but for some rows.

    `rows` (nnz,): row numbers below n; one that stands there several times gets the sum. `parts`
    (nnz, …): what belongs to them. Arithmetic that keeps zeros zero touches these alone; `+` with
    a dense tensor gives a dense one. For everything else write `to_dense()` first.
    """

    __slots__ = ("_coalesced", "_kind", "_parts", "_rows", "_whole")

    is_sparse = True

    def __init__(
        self, rows: np.ndarray, parts: np.ndarray, shape: tuple[int, ...],
        dtype: DType | None = None, coalesced: bool = False,
    ) -> None:  # fmt: skip
        if parts.shape != (len(rows), *shape[1:]):
            raise ShapeError(
                t(
                    "A sparse tensor of shape {shape} with {n} rows needs values of shape "
                    "{wanted}, got {values}.",
                    shape=tuple(shape),
                    n=len(rows),
                    wanted=(len(rows), *shape[1:]),
                    values=parts.shape,
                )
            )
        self._rows, self._parts, self._whole = rows, parts, Size(shape)
        self._kind = as_dtype(parts.dtype) if dtype is None else dtype
        self._coalesced = coalesced
        self._extra = self._grad = self._node = None
        self._index, self._rg = 0, False

    def _of(self, parts: np.ndarray) -> SparseTensor:
        """Other values in the same rows."""
        return SparseTensor(self._rows, parts, self._whole, self._kind, self._coalesced)

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        kind = AutogradError if mode.trace is None else TraceError
        raise kind(
            t(
                "This gradient is sparse (of shape {shape}, {nnz} rows are there), and a dense "
                "tensor is wanted here: write grad.to_dense(), or build the embedding with "
                "sparse=False. Before a compiled step, call zero_grad().",
                shape=self._whole,
                nnz=len(self._rows),
            )
        )

    _data = property(_refuse)  # type: ignore[assignment]
    numpy = item = tolist = __array__ = __bool__ = __iter__ = _refuse  # type: ignore[assignment]
    stride = is_contiguous = data_ptr = _refuse  # type: ignore[assignment]

    # ---- what it is -------------------------------------------------------------------------

    @property
    def shape(self) -> Size:
        return self._whole

    @property
    def ndim(self) -> int:
        return len(self._whole)

    @property
    def dtype(self) -> DType:
        return self._kind

    def size(self, dim: int | None = None) -> Any:
        return self._whole if dim is None else self._whole[dim]

    def dim(self) -> int:
        return len(self._whole)

    def numel(self) -> int:
        return math.prod(self._whole)

    @property
    def nbytes(self) -> int:
        """Bytes that are really there."""
        return self._rows.nbytes + self._parts.size * self._kind.itemsize

    def __len__(self) -> int:
        return self._whole[0]

    def sparse_dim(self) -> int:
        """1: rows are there or not, as wholes."""
        return 1

    def dense_dim(self) -> int:
        return len(self._whole) - 1

    def _nnz(self) -> int:
        """How many rows are written down, each repetition counted."""
        return len(self._rows)

    def is_coalesced(self) -> bool:
        """Whether each row is written down once, in rising order."""
        return self._coalesced

    def _indices(self) -> Tensor:
        """The row numbers as they stand, (1, nnz) as in PyTorch."""
        return wrap(self._rows[None])

    def _values(self) -> Tensor:
        """The values as they stand, (nnz, …), in this tensor's own memory."""
        return _dense(self._parts, self._kind)

    def indices(self) -> Tensor:
        """The row numbers (1, nnz) of a coalesced tensor."""
        self._need_coalesced("indices")
        return self._indices()

    def values(self) -> Tensor:
        """The values (nnz, …) of a coalesced tensor."""
        self._need_coalesced("values")
        return self._values()

    def _need_coalesced(self, name: str) -> None:
        if not self._coalesced:
            raise AutogradError(
                t(
                    "{name}() of an uncoalesced tensor, where rows may repeat: write "
                    "grad.coalesce().{name}().",
                    name=name,
                )
            )

    def __repr__(self) -> str:
        return show.sparse(self)

    # ---- other forms ------------------------------------------------------------------------

    def coalesce(self) -> SparseTensor:
        """Each row once, in rising order; what stood for the same row is added."""
        if self._coalesced:
            return self
        order = np.argsort(self._rows, kind="stable")
        rows, parts = self._rows[order], self._parts[order]
        first = np.ones(len(rows), bool)
        first[1:] = rows[1:] != rows[:-1]
        if not first.all():
            rows, parts = rows[first], np.add.reduceat(parts, np.flatnonzero(first), axis=0)
        return SparseTensor(rows, parts, self._whole, self._kind, True)

    def coalesce_(self) -> SparseTensor:
        """The same, of this very tensor."""
        once = self.coalesce()
        self._rows, self._parts, self._coalesced = once._rows, once._parts, True
        return self

    def to_dense(self) -> Tensor:
        """All rows, those that are not there as zeros."""
        once = self.coalesce()
        out = np.zeros(self._whole, self._parts.dtype)
        out[once._rows] = once._parts
        return _dense(out, self._kind)

    def clone(self) -> SparseTensor:
        return self._of(self._parts.copy())

    def detach(self) -> SparseTensor:
        """The same memory as another tensor."""
        return self._of(self._parts)

    def to(self, *args: Any, **kwargs: Any) -> SparseTensor:
        """As `dtype`; a device changes nothing."""
        kinds = [v for v in (*args, *kwargs.values()) if isinstance(v, DType)]
        if not kinds or kinds[0] is self._kind:
            return self
        parts = cast_array(self._parts, kinds[0])
        return SparseTensor(self._rows, parts, self._whole, kinds[0], self._coalesced)

    def __deepcopy__(self, memo: dict[int, Any]) -> SparseTensor:
        return self.clone()

    def __reduce__(self) -> Any:
        return SparseTensor, (self._rows, self._parts, self._whole, self._kind, self._coalesced)

    # ---- arithmetic -------------------------------------------------------------------------

    def __add__(self, other: Any) -> Any:
        """Sparse + sparse is sparse; with a dense tensor or array the sum is dense."""
        if isinstance(other, SparseTensor):
            _need_shape(self, other)
            rows = np.concatenate((self._rows, other._rows))
            return SparseTensor(
                rows, np.concatenate((self._parts, other._parts)), self._whole, self._kind
            )
        if isinstance(other, np.ndarray):
            _need_shape(self, other)
            return other + self.to_dense()._data
        return other + self.to_dense()

    __radd__ = add = __add__  # type: ignore[assignment]

    def __sub__(self, other: Any) -> Any:
        return self + -other

    sub = __sub__  # type: ignore[assignment]

    def __rsub__(self, other: Any) -> Any:
        return other + -self

    def __neg__(self) -> SparseTensor:
        return self._of(-self._parts)

    neg = __neg__  # type: ignore[assignment]

    def __mul__(self, other: Any) -> SparseTensor:
        """Times a number, or element by element times a dense tensor of this shape."""
        return self._of(self._parts * self._factor(other))

    __rmul__ = mul = __mul__  # type: ignore[assignment]

    def __truediv__(self, other: Any) -> SparseTensor:
        return self._of(self._parts / self._factor(other))

    div = __truediv__  # type: ignore[assignment]

    def mul_(self, other: Any) -> SparseTensor:
        self._parts *= self._factor(other)
        return self

    __imul__ = mul_  # type: ignore[assignment]

    def div_(self, other: Any) -> SparseTensor:
        self._parts /= self._factor(other)
        return self

    __itruediv__ = div_  # type: ignore[assignment]

    def zero_(self) -> SparseTensor:
        """No row is there any more."""
        self._rows, self._parts, self._coalesced = self._rows[:0], self._parts[:0], True
        return self

    def _factor(self, other: Any) -> Any:
        """What each value is multiplied by."""
        if isinstance(other, SparseTensor):
            self._refuse()
        if isinstance(other, Tensor) and other.ndim:
            _need_shape(self, other)
            return other._data[self._rows]
        return self._parts.dtype.type(other.item() if isinstance(other, Tensor) else other)

    # ---- of the sums of repeated rows -------------------------------------------------------

    def _map(self, function: Callable[[np.ndarray], np.ndarray]) -> SparseTensor:
        once = self.coalesce()
        return once._of(function(once._parts))

    def abs(self) -> SparseTensor:
        return self._map(np.abs)

    __abs__ = abs  # type: ignore[assignment]

    def __pow__(self, exponent: Any) -> SparseTensor:
        """For exponents above 0, which keep zeros zero."""
        if not exponent > 0:
            self._refuse()
        return self._map(lambda parts: parts**exponent)

    pow = __pow__  # type: ignore[assignment]

    def sum(self) -> Tensor:
        """The sum of all elements, 0-d."""
        return wrap(np.asarray(self._parts.sum()))

    def norm(self, p: float = 2.0) -> Tensor:
        """(Σ|x|ᵖ)^(1/p) over all elements, 0-d; p = inf: the largest magnitude."""
        sizes = np.abs(self.coalesce()._parts)
        if p == math.inf:
            return wrap(np.asarray(sizes.max(initial=0)))
        return wrap(np.asarray((sizes**p).sum() ** (1 / p)).astype(self._parts.dtype))


class Rows:
    """The same in a trace: the dense gradient, and which rows a sparse one would hold."""

    def __init__(self, dense: Any, there: Any) -> None:
        self.dense = dense  # (n, …)
        self.there = there  # (n,), bool


def total(a: Any, b: Any) -> Any:
    """The sum of two gradients on their way to a leaf, each of which may be sparse."""
    if isinstance(a, Rows) and isinstance(b, Rows):
        return Rows(a.dense + b.dense, a.there | b.there)
    a, b = (x.dense if isinstance(x, Rows) else x for x in (a, b))
    return a + b


def accumulated(held: Tensor, g: Tensor) -> Tensor:
    """`held` + `g`, of which one is sparse: into the memory of `held` where that is dense."""
    if isinstance(held, SparseTensor) or g.__class__ is not SparseTensor:
        return held + g
    once = g.coalesce()
    held._data[once._rows] += once._parts
    return held


def is_sparse_gradient(g: Tensor) -> bool:
    """Whether an optimiser is to treat it as sparse (in a trace it is dense, with a note)."""
    return isinstance(g, SparseTensor) or (g._extra is not None and g._extra.rows is not None)


def _dense(data: np.ndarray, kind: DType) -> Tensor:
    out = wrap(data)
    if kind is bfloat16:
        out._more().dtype = kind
    return out


def _need_shape(a: SparseTensor, b: Any) -> None:
    if b.shape != a._whole:
        raise ShapeError(
            t(
                "A sparse tensor of shape {shape} goes with tensors of the same shape and with "
                "numbers, not with shape {other}.",
                shape=a._whole,
                other=tuple(b.shape),
            )
        )
