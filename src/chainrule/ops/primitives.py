"""The primitives: what every namespace must offer and the compiler must lower.

Everything else is a composite, written in these. `docs/primitives.md` is generated from this table.
An entry gives the kind (which family of kernels serves it) and the signature that all namespaces
share; names and argument names follow the array API standard where it has the function.

Conventions: `x` is an array; axes are non-negative in `permute_dims`, any elsewhere; `stride`,
`dilation`, `window`, `kernel`, `size` are tuples with one entry a spatial axis, `padding` has pairs
(low, high). In `scan`, `carry`, `xs`, `constants`, `x` and `y` are tuples of arrays, and `body` is
a formula in primitives that sees nothing else: a function of a module or an object that compares by
value, so that equal programs can be told to be equal.
"""

from __future__ import annotations

from typing import NamedTuple


class Primitive(NamedTuple):
    """One primitive: its kind, its signature, and what it computes."""

    kind: str
    signature: str
    meaning: str


UNARY = {
    "negative": "-x", "abs": "|x|", "sign": "-1, 0 or 1", "floor": "⌊x⌋", "ceil": "⌈x⌉",
    "round": "nearest integer, ties to even", "trunc": "integer part", "sqrt": "√x",
    "exp": "e^x", "exp2": "2^x", "expm1": "e^x − 1", "log": "ln x", "log2": "log₂ x",
    "log10": "log₁₀ x", "log1p": "ln(1 + x)", "sin": "sin x", "cos": "cos x", "tan": "tan x",
    "arcsin": "arcsin x", "arccos": "arccos x", "arctan": "arctan x", "sinh": "sinh x",
    "cosh": "cosh x", "tanh": "tanh x", "erf": "2/√π ∫₀ˣ e^(−t²) dt", "isnan": "is x NaN",
    "bitwise_invert": "not x, bit by bit",
}  # fmt: skip

BINARY = {
    "add": "x + o", "subtract": "x − o", "multiply": "x · o", "divide": "x / o",
    "floor_divide": "⌊x / o⌋", "remainder": "x − o⌊x/o⌋", "pow": "x^o",
    "maximum": "the larger, NaN wins", "minimum": "the smaller, NaN wins",
    "atan2": "angle of (o, x)", "equal": "x = o", "less": "x < o", "less_equal": "x ≤ o",
    "bitwise_and": "x and o, bit by bit", "bitwise_or": "x or o, bit by bit",
    "bitwise_xor": "exclusive or, bit by bit",
}  # fmt: skip

_OTHERS = {
    "where": ("map", "condition, x, o", "x where condition, else o"),
    "astype": ("cast", "x, dtype", "the values as dtype; floats to integers by truncation"),
    "sum": ("reduce", "x, axis=None, keepdims=False", "sum, pairwise in blocks"),
    "prod": ("reduce", "x, axis=None, keepdims=False", "product"),
    "max": ("reduce", "x, axis=None, keepdims=False", "largest, NaN wins"),
    "min": ("reduce", "x, axis=None, keepdims=False", "smallest, NaN wins"),
    "argmax": ("reduce", "x, axis", "index of the first largest"),
    "argmin": ("reduce", "x, axis", "index of the first smallest"),
    "cumulative_sum": ("scan", "x, axis", "running sum"),
    "cumulative_prod": ("scan", "x, axis", "running product"),
    "reshape": ("move", "x, shape", "the same elements in another shape"),
    "permute_dims": ("move", "x, axes", "axes in another order"),
    "broadcast_to": ("move", "x, shape", "repeated along new axes and axes of size 1"),
    "slice": ("move", "x, key", "basic index: integers, slices, None, …"),
    "unslice": ("move", "x, key, shape", "zeros of shape with x at key: the adjoint of slice"),
    "pad": ("move", "x, width, value=0", "constant border; negative widths crop"),
    "concat": ("move", "xs, axis", "one after the other"),
    "gather": ("index", "x, key, *indices", "x[key] with arrays for the gaps (None) in key"),
    "scatter_add": ("index", "x, shape, key, *indices", "adjoint of gather: repeats add up"),
    "put": ("index", "x, key, o, *indices", "x with o written at key; of repeats the last counts"),
    "take_along_axis": ("index", "x, indices, axis", "one entry a line, chosen by indices"),
    "put_along_axis_add": ("index", "x, indices, axis, size", "adjoint of take_along_axis"),
    "argsort": ("sort", "x, axis, descending=False", "indices of the stable ascending order"),
    "matmul": ("contraction", "x, o", "matrix product over the last two axes, broadcast"),
    "conv": ("contraction", "x, w, *, stride, padding, dilation, groups", "cross-correlation"),
    "conv_input": (
        "contraction",
        "g, w, *, size, stride, padding, dilation, groups",
        "adjoint of conv in x",
    ),
    "conv_weight": (
        "contraction",
        "x, g, *, kernel, stride, padding, dilation, groups",
        "adjoint of conv in w",
    ),
    "windows_sum": ("window", "x, *, window, stride, padding, dilation", "sum over each window"),
    "windows_sum_adjoint": (
        "window",
        "g, *, size, window, stride, padding, dilation",
        "adjoint of windows_sum",
    ),
    "windows_argmax": (
        "window",
        "x, *, window, stride, padding, dilation",
        "flat spatial index of each window's first largest, NaN wins",
    ),
    "unfold": ("window", "x, *, window, stride, padding, dilation", "windows as columns (im2col)"),
    "fold": (
        "window",
        "x, *, size, window, stride, padding, dilation",
        "adjoint of unfold (col2im)",
    ),
    "scan": (
        "scan",
        "body, carry, xs, constants, *, reverse=False",
        "carry, y = body(F, carry, x, constants) for each x along axis 0 of xs: the last carry, "
        "and the ys stacked",
    ),
    "item": ("scan", "results, k", "one of the results of scan, in a traced program"),
    "host": ("host", "function, *x, **params", "a tuple of results of LAPACK, by name"),
    "full": ("create", "shape, value, dtype", "a constant"),
    "arange": ("create", "n, dtype", "0, 1, …, n − 1"),
    "uniform": ("random", "seed, offset, shape, dtype", "Philox uniforms in [0, 1)"),
}

PRIMITIVES: dict[str, Primitive] = (
    {name: Primitive("map", "x", meaning) for name, meaning in UNARY.items()}
    | {name: Primitive("map", "x, o", meaning) for name, meaning in BINARY.items()}
    | {name: Primitive(*entry) for name, entry in _OTHERS.items()}
)
