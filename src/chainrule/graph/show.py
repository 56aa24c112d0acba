"""How a tensor prints: as PyTorch's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chainrule.base import dtypes

if TYPE_CHECKING:
    from chainrule.graph.tensor import Tensor


def tensor(x: Tensor, name: str = "tensor") -> str:
    """`tensor([1., 2.], requires_grad=True)`: values, then what is not the default."""
    parts = []
    if isinstance(x._data, np.ndarray):
        body = _values(x._data, len(name) + 1)
    else:
        body = repr(x._data)
    if x.numel() == 0 and x.ndim != 1:
        parts.append(f"size={x.shape}")
    usual = (dtypes.get_default_dtype(), dtypes.int64, dtypes.bool_)
    if x.dtype not in usual or (x.numel() == 0 and x.dtype is not usual[0]):
        parts.append(f"dtype={x.dtype!r}")
    if x._node is not None:
        parts.append(f"grad_fn={x._node!r}")
    elif x._rg:
        parts.append("requires_grad=True")
    return f"{name}({', '.join([body, *parts])})"


def _values(array: np.ndarray, indent: int) -> str:
    if array.size == 0:
        return "[]"
    options: dict = {"threshold": 1000, "edgeitems": 3, "separator": ", ", "prefix": " " * indent}
    if array.ndim == 0:
        return _number_format(array)(array[()]) if array.dtype.kind == "f" else str(array[()])
    if array.dtype.kind == "f":
        options["formatter"] = {"float_kind": _number_format(array)}
    return np.array2string(array, **options)


def _number_format(array: np.ndarray):  # type: ignore[no-untyped-def]
    """Four decimals, or scientific where the range is too wide, or `1.` where all are whole."""
    finite = np.abs(array[np.isfinite(array)].astype(np.float64))
    if not finite.size or np.all(finite == np.floor(finite)) and finite.max() < 1e8:
        text = "{:.0f}."
    else:
        nonzero = finite[finite > 0]
        wide = finite.max() >= 1e8 or nonzero.min() < 1e-4 or finite.max() / nonzero.min() > 1e3
        text = "{:.4e}" if wide else "{:.4f}"
    shown = [_one(v, text) for v in array.ravel()] if array.size <= 1000 else []
    width = max(map(len, shown), default=0)
    return lambda v: _one(v, text).rjust(width)


def _one(value: float, text: str) -> str:
    if not np.isfinite(value):
        return str(float(value))
    return text.format(float(value))
