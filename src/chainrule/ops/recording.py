"""The primitives on tensors: each call is an operation of its own, recorded.

Gradients of gradients come from here, and the gradient of composites without a derived formula.
"""

from __future__ import annotations

from typing import Any

from chainrule.base.dtypes import as_dtype
from chainrule.base.shapes import normalize_axes
from chainrule.graph.modes import mode
from chainrule.graph.tensor import Tensor, wrap
from chainrule.ops.arrays.scan import steps
from chainrule.ops.dispatch import apply, cast
from chainrule.ops.namespace import Namespace
from chainrule.ops.op import REGISTRY
from chainrule.ops.primitives import BINARY, UNARY

# Primitives whose operation has PyTorch's name instead.
_OP_OF = {
    "equal": "eq", "less": "lt", "less_equal": "le",
    "arcsin": "asin", "arccos": "acos", "arctan": "atan",
}  # fmt: skip

# The operation that stands for each function of LAPACK.
_HOSTS = {
    "solve": "matrix_solve", "cholesky": "cholesky_factor", "eigen": "symmetric_eigen",
    "singular": "singular_values", "orthogonal": "orthogonal_triangular", "det": "det",
    "log_det": "log_det", "cofactor": "cofactor", "pseudo_inverse": "pseudo_inverse",
}  # fmt: skip


class Recording(Namespace):
    """Every function takes and gives tensors; Python numbers may stand for 0-d ones."""

    def __getattr__(self, name: str) -> Any:
        # Primitive maps carry their own name in the registry.
        if name in UNARY or name in BINARY:
            function = REGISTRY[_OP_OF.get(name, name)].function
            setattr(self, name, function)
            return function
        return super().__getattr__(name)

    def _composite(self, op: Any) -> Any:
        def run(*inputs: Any, **params: Any) -> Any:
            return apply(op, *inputs, **(op.defaults | params))

        return run

    def asarray(self, x: Any) -> Any:
        return x if isinstance(x, Tensor) else wrap(mode.F.asarray(x))

    def where(self, condition: Any, x: Any, o: Any) -> Any:
        return apply(REGISTRY["where"], condition, x, o)

    def astype(self, x: Any, dtype: Any) -> Any:
        return cast(x, as_dtype(dtype))

    def sum(self, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return apply(REGISTRY["sum"], x, dim=_axes(x, axis), keepdim=keepdims, dtype=None)

    def prod(self, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return apply(REGISTRY["prod"], x, dim=_axes(x, axis), keepdim=keepdims, dtype=None)

    def max(self, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return apply(REGISTRY["amax"], x, dim=_axes(x, axis), keepdim=keepdims)

    def min(self, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return apply(REGISTRY["amin"], x, dim=_axes(x, axis), keepdim=keepdims)

    def argmax(self, x: Any, axis: Any) -> Any:
        return apply(REGISTRY["argmax"], x, dim=axis, keepdim=False)

    def argmin(self, x: Any, axis: Any) -> Any:
        return apply(REGISTRY["argmin"], x, dim=axis, keepdim=False)

    def cumulative_sum(self, x: Any, axis: int) -> Any:
        return apply(REGISTRY["cumsum"], x, dim=axis)

    def cumulative_prod(self, x: Any, axis: int) -> Any:
        return apply(REGISTRY["cumprod"], x, dim=axis)

    def reshape(self, x: Any, shape: Any) -> Any:
        return apply(REGISTRY["reshape"], x, shape=tuple(shape))

    def permute_dims(self, x: Any, axes: Any) -> Any:
        return apply(REGISTRY["permute"], x, dims=tuple(axes))

    def broadcast_to(self, x: Any, shape: Any) -> Any:
        return apply(REGISTRY["expand"], x, size=tuple(shape))

    def slice(self, x: Any, key: Any) -> Any:
        return apply(REGISTRY["slice"], x, key=key)

    def unslice(self, x: Any, key: Any, shape: Any) -> Any:
        return apply(REGISTRY["unslice"], x, key=key, size=tuple(shape))

    def pad(self, x: Any, width: Any, value: Any = 0) -> Any:
        return apply(REGISTRY["constant_pad"], x, width=width, value=value)

    def concat(self, xs: Any, axis: int) -> Any:
        return apply(REGISTRY["cat"], *xs, dim=axis)

    def gather(self, x: Any, key: Any, *indices: Any) -> Any:
        return apply(REGISTRY["index"], x, *indices, key=key)

    def scatter_add(self, x: Any, shape: Any, key: Any, *indices: Any) -> Any:
        return apply(REGISTRY["index_adjoint"], x, *indices, key=key, size=tuple(shape))

    def put(self, x: Any, key: Any, o: Any, *indices: Any) -> Any:
        return apply(REGISTRY["index_put"], x, o, *indices, key=key, accumulate=False)

    def take_along_axis(self, x: Any, indices: Any, axis: int) -> Any:
        return apply(REGISTRY["take_along_dim"], x, indices, dim=axis)

    def put_along_axis_add(self, x: Any, indices: Any, axis: int, size: int) -> Any:
        return apply(REGISTRY["put_along_dim_add"], x, indices, dim=axis, size=size)

    def argsort(self, x: Any, axis: int, descending: bool = False) -> Any:
        return apply(REGISTRY["argsort"], x, dim=axis, descending=descending, stable=True)

    def matmul(self, x: Any, o: Any) -> Any:
        return apply(REGISTRY["matmul"], x, o)

    def conv(self, x: Any, w: Any, **params: Any) -> Any:
        return apply(REGISTRY["conv"], x, w, **params)

    def conv_input(self, g: Any, w: Any, **params: Any) -> Any:
        return apply(REGISTRY["conv_input"], g, w, **params)

    def conv_weight(self, x: Any, g: Any, **params: Any) -> Any:
        return apply(REGISTRY["conv_weight"], x, g, **params)

    def windows_sum(self, x: Any, **params: Any) -> Any:
        return apply(REGISTRY["windows_sum"], x, **params)

    def windows_sum_adjoint(self, g: Any, **params: Any) -> Any:
        return apply(REGISTRY["windows_sum_adjoint"], g, **params)

    def windows_argmax(self, x: Any, **params: Any) -> Any:
        return apply(REGISTRY["windows_argmax"], x, **params)

    def unfold(self, x: Any, **params: Any) -> Any:
        return apply(REGISTRY["windows_unfold"], x, **params)

    def fold(self, x: Any, **params: Any) -> Any:
        return apply(REGISTRY["windows_fold"], x, **params)

    def scan(self, body: Any, carry: Any, xs: Any, constants: Any, *, reverse: bool = False) -> Any:
        # Step by step, each recorded: second derivatives are rare, and body may be anything.
        ys = {}
        for i in steps(xs, reverse):
            x = tuple(self.slice(v, (i,)) for v in xs)
            carry, ys[i] = body(self, carry, x, constants)
        columns = zip(*(ys[i] for i in sorted(ys)), strict=True)
        return tuple(carry), tuple(self.stack(column, 0) for column in columns)

    def host(self, function: str, *x: Any, **params: Any) -> Any:
        found = apply(REGISTRY[_HOSTS[function]], *x, **params)
        return found if isinstance(found, tuple) else (found,)

    def item(self, results: Any, k: int) -> Any:
        return results[k]

    def full(self, shape: Any, value: Any, dtype: Any) -> Any:
        return wrap(mode.F.full(shape, value, getattr(dtype, "numpy", dtype)))

    def arange(self, n: int, dtype: Any) -> Any:
        return wrap(mode.F.arange(n, dtype))

    def uniform(self, seed: Any, offset: Any, shape: Any, dtype: Any) -> Any:
        return wrap(mode.F.uniform(seed, offset, shape, dtype))


def _axes(x: Any, axis: Any) -> Any:
    return None if axis is None else normalize_axes(axis, len(x.shape))


mode.__class__.recording = Recording()
