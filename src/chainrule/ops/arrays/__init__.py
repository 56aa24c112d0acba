"""The primitives on NumPy arrays: what glass mode runs, and the reference for every other form."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.base.dtypes import DType, bfloat16, round_bfloat16
from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.ops.arrays import conv as _conv
from chainrule.ops.arrays import index as _index
from chainrule.ops.arrays import reduce as _reduce
from chainrule.ops.arrays import scan as _scan
from chainrule.ops.arrays import window as _window
from chainrule.ops.arrays.lapack import host
from chainrule.ops.arrays.philox import uniform
from chainrule.ops.arrays.select import where
from chainrule.ops.arrays.special import erf
from chainrule.ops.namespace import Namespace


def _astype(x: Any, dtype: Any) -> Any:
    if isinstance(dtype, DType):
        x = np.asarray(x)
        if dtype is bfloat16:
            return round_bfloat16(x.astype(np.float32, copy=False))
        dtype = dtype.numpy
    return np.asarray(x).astype(dtype, copy=False)


def _pad(x: Any, width: Any, value: Any = 0) -> Any:
    grow = [(max(lo, 0), max(hi, 0)) for lo, hi in width]
    x = np.pad(x, grow, constant_values=value) if any(map(any, grow)) else x
    return x[tuple(slice(-min(lo, 0), n + min(hi, 0)) for n, (lo, hi) in zip(x.shape, width))]


# The methods: half a microsecond less than np.reshape and its like.
def _reshape(x: Any, shape: Any) -> Any:
    return x.reshape(shape)


def _transpose(x: Any, axes: Any) -> Any:
    return x.transpose(axes)


def _broadcast_to(x: Any, shape: Any) -> Any:
    # NumPy's result is read-only even where nothing was stretched.
    return x[...] if x.shape == tuple(shape) else np.broadcast_to(x, shape)


def _full(shape: Any, value: Any, dtype: Any) -> Any:
    return np.full(shape, value, dtype.numpy if isinstance(dtype, DType) else dtype)


def _checked(name: str, function: Any) -> Any:
    """NumPy gives 0 for integers divided by zero, with a warning at most; PyTorch raises."""

    def run(x: Any, o: Any) -> Any:
        kinds = {getattr(v, "dtype", np.asarray(v).dtype).kind for v in (x, o)}
        if "f" not in kinds and not np.all(o):
            raise ArgumentError(t("{name}: division of integers by zero.", name=name))
        return function(x, o)

    return run


class Arrays(Namespace):
    """NumPy itself wherever it has the function."""

    negative = staticmethod(np.negative)
    abs = staticmethod(np.abs)
    sign = staticmethod(np.sign)
    floor = staticmethod(np.floor)
    ceil = staticmethod(np.ceil)
    round = staticmethod(np.rint)
    trunc = staticmethod(np.trunc)
    sqrt = staticmethod(np.sqrt)
    exp = staticmethod(np.exp)
    exp2 = staticmethod(np.exp2)
    expm1 = staticmethod(np.expm1)
    log = staticmethod(np.log)
    log2 = staticmethod(np.log2)
    log10 = staticmethod(np.log10)
    log1p = staticmethod(np.log1p)
    sin = staticmethod(np.sin)
    cos = staticmethod(np.cos)
    tan = staticmethod(np.tan)
    arcsin = staticmethod(np.arcsin)
    arccos = staticmethod(np.arccos)
    arctan = staticmethod(np.arctan)
    sinh = staticmethod(np.sinh)
    cosh = staticmethod(np.cosh)
    tanh = staticmethod(np.tanh)
    erf = staticmethod(erf)
    isnan = staticmethod(np.isnan)
    bitwise_invert = staticmethod(np.invert)
    add = staticmethod(np.add)
    subtract = staticmethod(np.subtract)
    multiply = staticmethod(np.multiply)
    divide = staticmethod(np.divide)
    floor_divide = staticmethod(_checked("floor_divide", np.floor_divide))
    remainder = staticmethod(_checked("remainder", np.remainder))
    pow = staticmethod(np.power)
    maximum = staticmethod(np.maximum)
    minimum = staticmethod(np.minimum)
    atan2 = staticmethod(np.arctan2)
    equal = staticmethod(np.equal)
    not_equal = staticmethod(np.not_equal)  # type: ignore[assignment]
    less = staticmethod(np.less)
    less_equal = staticmethod(np.less_equal)
    greater = staticmethod(np.greater)  # type: ignore[assignment]
    greater_equal = staticmethod(np.greater_equal)  # type: ignore[assignment]
    isfinite = staticmethod(np.isfinite)  # type: ignore[assignment]
    square = staticmethod(np.square)  # type: ignore[assignment]
    bitwise_and = staticmethod(np.bitwise_and)
    bitwise_or = staticmethod(np.bitwise_or)
    bitwise_xor = staticmethod(np.bitwise_xor)
    where = staticmethod(where)
    astype = staticmethod(_astype)
    asarray = staticmethod(np.asarray)

    sum = staticmethod(_reduce.total)
    prod = staticmethod(_reduce.product)
    max = staticmethod(_reduce.largest)
    min = staticmethod(_reduce.smallest)
    argmax = staticmethod(np.argmax)
    argmin = staticmethod(np.argmin)
    cumulative_sum = staticmethod(np.cumsum)
    cumulative_prod = staticmethod(np.cumprod)

    reshape = staticmethod(_reshape)
    permute_dims = staticmethod(_transpose)
    broadcast_to = staticmethod(_broadcast_to)
    slice = staticmethod(_index.basic)
    unslice = staticmethod(_index.basic_adjoint)
    pad = staticmethod(_pad)
    concat = staticmethod(np.concatenate)
    gather = staticmethod(_index.gather)
    scatter_add = staticmethod(_index.scatter_add)
    put = staticmethod(_index.put)
    take_along_axis = staticmethod(np.take_along_axis)
    put_along_axis_add = staticmethod(_index.put_along_axis_add)
    diagonal = staticmethod(_index.diagonal)  # type: ignore[assignment]
    argsort = staticmethod(_index.argsort)
    sort = staticmethod(np.sort)  # type: ignore[assignment]

    matmul = staticmethod(np.matmul)
    conv = staticmethod(_conv.conv)
    conv_input = staticmethod(_conv.conv_input)
    conv_weight = staticmethod(_conv.conv_weight)
    windows_sum = staticmethod(_window.windows_sum)
    windows_sum_adjoint = staticmethod(_window.windows_sum_adjoint)
    windows_argmax = staticmethod(_window.windows_argmax)
    unfold = staticmethod(_window.unfold)
    fold = staticmethod(_window.fold)

    def scan(self, body: Any, carry: Any, xs: Any, constants: Any, *, reverse: bool = False) -> Any:
        return _scan.scan(self, body, carry, xs, constants, reverse)

    @staticmethod
    def item(results: Any, k: int) -> Any:
        return results[k]

    host = staticmethod(host)
    full = staticmethod(_full)
    uniform = staticmethod(uniform)

    @staticmethod
    def arange(n: int, dtype: Any) -> Any:
        return np.arange(n, dtype=dtype.numpy if isinstance(dtype, DType) else dtype)


NUMPY = Arrays()
