"""What a tensor shows of its array: shape, dtype, values. No gradient is involved."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.devices import CPU, device
from chainrule.base.dtypes import DType
from chainrule.base.errors import AutogradError, DTypeError, ShapeError
from chainrule.base.shapes import Size
from chainrule.base.text import t
from chainrule.graph.modes import mode

if TYPE_CHECKING:
    from chainrule.graph.tensor import Tensor


class Face:
    """The reading half of Tensor."""

    __slots__ = ()

    _data: Any
    _extra: Any
    _rg: bool

    if TYPE_CHECKING:
        # The operations come from `ops`, which this floor may not name.
        def __getattr__(self, name: str) -> Any: ...
        def __getitem__(self, key: Any) -> Tensor: ...
        def __setitem__(self, key: Any, value: Any) -> None: ...
        def __neg__(self) -> Tensor: ...
        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __floordiv__(self, other: Any) -> Tensor: ...
        def __mod__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __rpow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __lt__(self, other: Any) -> Tensor: ...
        def __le__(self, other: Any) -> Tensor: ...
        def __gt__(self, other: Any) -> Tensor: ...
        def __ge__(self, other: Any) -> Tensor: ...
        def __and__(self, other: Any) -> Tensor: ...
        def __or__(self, other: Any) -> Tensor: ...
        def __invert__(self) -> Tensor: ...
        def __abs__(self) -> Tensor: ...

    # ---- shape and type -------------------------------------------------------------------

    @property
    def shape(self) -> Size:
        return Size(self._data.shape)

    @property
    def ndim(self) -> int:
        return self._data.ndim

    @property
    def dtype(self) -> DType:
        extra = self._extra
        if extra is not None and extra.dtype is not None:
            return extra.dtype
        return dtypes.OF_NUMPY[self._data.dtype]

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one axis.

        >>> cr.zeros(2, 3).size(1)
        3
        """
        return self.shape if dim is None else self._data.shape[dim]

    def dim(self) -> int:
        return self._data.ndim

    def numel(self) -> int:
        return self._data.size

    def element_size(self) -> int:
        """Bytes an element."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self.numel() * self.element_size()

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def device(self) -> device:
        return CPU

    def is_floating_point(self) -> bool:
        return self.dtype.is_floating_point

    def stride(self, dim: int | None = None) -> Any:
        """Steps in elements from one entry to the next along each axis."""
        steps = tuple(s // self._data.itemsize for s in self._data.strides)
        return steps if dim is None else steps[dim]

    def is_contiguous(self) -> bool:
        return self._data.flags.c_contiguous

    def data_ptr(self) -> int:
        """The address of the first element."""
        return self._data.ctypes.data

    # ---- values -----------------------------------------------------------------------------

    def _values(self) -> Any:
        """The array, to be read now. A trace refuses: the value may differ at every run."""
        if mode.trace is not None:
            mode.trace.refuse_values()
        return self._data

    def numpy(self) -> np.ndarray:
        """The values as an array that shares this tensor's memory.

        >>> cr.tensor([1.0, 2.0]).numpy()
        array([1., 2.], dtype=float32)
        """
        if self._rg:
            raise AutogradError(
                t(
                    "This tensor requires a gradient, and NumPy would not record what is done "
                    "to it: write tensor.detach().numpy()."
                )
            )
        if self.dtype is dtypes.bfloat16:
            raise DTypeError(
                t("NumPy has no bfloat16: write tensor.float().numpy() for the same values.")
            )
        return np.asarray(self._values())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = self.numpy()
        if dtype is not None and array.dtype != dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    def item(self) -> Any:
        """The one value as a Python number.

        >>> cr.tensor([2.5]).item()
        2.5
        """
        if self._data.size != 1:
            raise ShapeError(
                t(
                    "item() needs a tensor with one element; this one has shape {shape}. "
                    "Write tolist(), or reduce it first (sum, mean).",
                    shape=self.shape,
                )
            )
        return self._values().item()

    def tolist(self) -> Any:
        """The values as nested Python lists.

        >>> cr.tensor([[1, 2], [3, 4]]).tolist()
        [[1, 2], [3, 4]]
        """
        return self._values().tolist()

    def __bool__(self) -> bool:
        if self._data.size != 1:
            raise ShapeError(
                t(
                    "The truth of a tensor of shape {shape} is ambiguous: write .any() or .all().",
                    shape=self.shape,
                )
            )
        return bool(self._values().item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.dtype.is_floating_point or self.numel() != 1:
            raise DTypeError(t("Only an integer tensor with one element can be an index."))
        return int(self.item())

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if self.ndim == 0 else repr(self)

    def __len__(self) -> int:
        if self.ndim == 0:
            raise DTypeError(t("len() of a 0-d tensor: it is one number, read it with item()."))
        return self._data.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if self.ndim == 0:
            raise DTypeError(t("A 0-d tensor cannot be iterated: it is one number."))
        return iter([self[i] for i in range(len(self))])  # type: ignore[index]
