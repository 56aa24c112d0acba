"""From Python data to arrays, with PyTorch's choice of dtype."""

from __future__ import annotations

from numbers import Number
from typing import Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.dtypes import DType
from chainrule.base.errors import DTypeError, ShapeError
from chainrule.base.text import t

# NumPy types without a counterpart, and the narrowest dtype that holds all their values.
_WIDENED: dict[np.dtype, np.dtype] = {
    np.dtype("uint16"): np.dtype("int32"),
    np.dtype("uint32"): np.dtype("int64"),
}


def array_of(value: Any, dtype: DType | None = None) -> np.ndarray:
    """`value` (array, number, nested sequence of numbers or tensors) as an array of `dtype`.

    Without `dtype`: arrays keep theirs, Python floats become the default dtype, integers int64.
    An array that already has the dtype is returned itself, not copied.
    """
    if isinstance(value, np.ndarray | np.generic):
        array: np.ndarray = np.asarray(value)
        if not array.dtype.isnative:
            array = array.astype(array.dtype.newbyteorder("="))
        widened = _WIDENED.get(array.dtype)
        array = array if widened is None else array.astype(widened)
    else:
        array = _from_python(value)
        if dtype is None and array.dtype == np.float64:
            dtype = dtypes.get_default_dtype()
    if array.dtype not in dtypes.OF_NUMPY:
        raise DTypeError(
            t(
                "No tensor can hold {dtype} values: write one of {names}, "
                "e.g. array.astype('float32').",
                dtype=array.dtype,
                names=", ".join(d.name for d in dtypes.ALL),
            )
        )
    if dtype is None:
        return array
    return cast_array(array, dtype)


def cast_array(array: np.ndarray, dtype: DType) -> np.ndarray:
    """`array` as `dtype`; itself where nothing changes. Floats go to integers by truncation."""
    with np.errstate(all="ignore"):
        array = array if array.dtype == dtype.numpy else array.astype(dtype.numpy)
        return dtypes.round_bfloat16(array) if dtype is dtypes.bfloat16 else array


def _from_python(value: Any) -> np.ndarray:
    if isinstance(value, Number):
        return np.asarray(value)
    value = _unwrap(value)
    try:
        array = np.asarray(value)
    except ValueError:
        raise ShapeError(
            t(
                "The rows of a nested list must have equal lengths; got {value}.",
                value=_sketch(value),
            )
        ) from None
    # An empty list has no element to take a type from: PyTorch says float.
    return array.astype(np.float64) if array.size == 0 and isinstance(value, list) else array


def _sketch(value: Any) -> str:
    """Nested lists in short: of arrays and of long rows the shape and length alone."""
    if isinstance(value, np.ndarray):
        return t("array of shape {shape}", shape=value.shape)
    if isinstance(value, list) and (len(value) <= 8 or any(isinstance(v, list) for v in value)):
        shown = [_sketch(v) for v in value[:8]] + ["…"] * (len(value) > 8)
        return f"[{', '.join(shown)}]"
    return t("list of {n} numbers", n=len(value)) if isinstance(value, list) else repr(value)


def _unwrap(value: Any) -> Any:
    """Nested lists with any tensors inside replaced by their arrays."""
    if hasattr(value, "_data"):
        return value._data
    if isinstance(value, list | tuple | range):
        return [_unwrap(v) for v in value]
    return value
